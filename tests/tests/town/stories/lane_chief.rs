//! The lane chief answers for a street: sees to a small thing on the spot, which somebody else then looks at, and whistles
//! for units where it takes several.

use serde_json::json;
use townmesh_node::demo::plan::{CENTER, VILLAGE_1};

use super::story::{Person, Story, by_the_case, row, says, text, wrong_role, wrong_state};
use super::work::{Desks, dispatch, orders};

pub(super) fn day(story: &Story<'_>) -> anyhow::Result<()> {
    let chief = story.person(VILLAGE_1, "jxz-1", "lane_chief")?;
    let desks = Desks::at(story, CENTER)?;
    let village = story.village(0)?;

    story.step("sees to a fallen bicycle on the spot, and does not audit it");
    handles_on_the_spot(story, &chief, &desks, village)?;
    story.step("whistles where one team is not enough, once there is one");
    whistles(&chief, &desks, village)?;
    story.step("walks over to a unit without a screen and tells it");
    walks_over(&chief, &desks, village)?;
    story.step("goes on while the village is cut off");
    goes_on_alone(story, &chief, &desks, village)
}

fn on_the_spot() -> serde_json::Value {
    json!({ "handle_on_spot": { "result": "已扶起并摆齐", "photos": [] } })
}

fn handles_on_the_spot(story: &Story<'_>, chief: &Person<'_>, desks: &Desks<'_>, village: &str) -> anyhow::Result<()> {
    let case = chief.reports(village, "槐树街", "共享单车倒了一片")?;
    let neighbour = story.person(VILLAGE_1, "jxz-2", "lane_chief")?;
    let not_finder = by_the_case("not_finder", ("只有发现人可以当场处置", "only the finder may do this"), "待受理");
    neighbour.cannot(&case, on_the_spot(), &not_finder)?;
    let claim = chief.does(&case, on_the_spot())?;
    let audit = |valid: bool| json!({ "audit": { "claim": claim, "valid": valid } });
    chief.cannot(&case, audit(true), &wrong_role("待受理"))?;
    let finder =
        by_the_case("finder", ("发现人不得处置或审核本案", "the finder may not handle or judge this"), "待受理");
    chief.as_role("duty_head").cannot(&case, audit(true), &finder)?;
    desks.duty_head.comes_to_do(&case, audit(true))?;
    chief.comes_to_see_case(&case, "closed")?;
    let other = chief.reports(village, "槐树街口", "共享单车挡道")?;
    let claim = chief.does(&other, on_the_spot())?;
    desks.intake.comes_to_do(&other, json!({ "audit": { "claim": claim, "valid": false } }))?;
    chief.comes_to_see_case(&other, "invalid").map(drop)
}

fn whistles(chief: &Person<'_>, desks: &Desks<'_>, village: &str) -> anyhow::Result<()> {
    let case = desks.filed(village, "柳树街")?;
    chief.comes_to_see_case(&case, "filed")?;
    let whistle = json!({ "whistle": { "callers": ["槐柳街巷"], "called": orders(&["gd-1", "cg-1"]) } });
    chief.cannot(&case, whistle.clone(), &wrong_state("待派遣"))?;
    chief.cannot(&case, dispatch(&["hw-1"]), &wrong_role("待派遣"))?;
    desks.dispatcher.does(&case, dispatch(&["hw-1"]))?;
    chief.comes_to_see_case(&case, "handling")?;
    chief.does(&case, whistle)?;
    let shown = desks.dispatcher.comes_to_see_case(&case, "joint")?;
    let called = json!({ "rows": shown["orders"] });
    for team in ["gd-1", "cg-1"] {
        says(row(&called, "team", &json!(team))?, "/kind", json!("whistle"))?;
    }
    Ok(())
}

fn walks_over(chief: &Person<'_>, desks: &Desks<'_>, village: &str) -> anyhow::Result<()> {
    let (case, _) = desks.dispatched(village, "榆树街", &["zyz-1"])?;
    let shown = chief.comes_to_see_case(&case, "handling")?;
    let number = text(&shown, "/orders/0/number")?;
    chief.runs(&[
        "order",
        "convey",
        &number,
        "--by",
        chief.code,
        "--role",
        chief.role,
        "--means",
        "in_person",
        "--to",
        "志愿者队长",
    ])?;
    desks.dispatcher.comes_to_see(&format!("/v1/cases/{case}"), "/orders/0/conveyed_by", json!("in_person"))?;
    Ok(())
}

/// What was done in the lane in the meantime counts from when it was done.
fn goes_on_alone(story: &Story<'_>, chief: &Person<'_>, desks: &Desks<'_>, village: &str) -> anyhow::Result<()> {
    let (case, _) = desks.dispatched(village, "杨树街", &["hw-1"])?;
    chief.comes_to_see_case(&case, "handling")?;
    story.cut_off(VILLAGE_1);
    chief.does(&case, json!({ "whistle": { "callers": ["杨树街巷"], "called": orders(&["xf-1"]) } }))?;
    let own = chief.reports(village, "杨树街尾", "井盖翘起")?;
    let claim = chief.does(&own, json!({ "handle_on_spot": { "result": "已复位并围挡", "photos": [] } }))?;
    let when = chief.case(&own)?["reported_ms"].clone();
    says(&desks.dispatcher.case(&case)?, "/state", json!("handling"))?;
    story.links_return();
    desks.dispatcher.comes_to_see_case(&case, "joint")?;
    let shown = desks.duty_head.comes_to_see_case(&own, "reported")?;
    says(&shown, "/reported_ms", when)?;
    desks.duty_head.comes_to_do(&own, json!({ "audit": { "claim": claim, "valid": true } }))?;
    chief.comes_to_see_case(&own, "closed").map(drop)
}
