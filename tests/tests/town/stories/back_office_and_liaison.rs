//! The enforcement back office turns a team's order into one of a named person; the liaison speaks for a department of the
//! district, which has an order like any team.

use serde_json::json;
use townmesh_node::demo::plan::{CENTER, VILLAGE_1};

use super::story::{Person, Story, by_the_case, by_what_stands, has, role_not_held, row, says, text, wrong_role};
use super::work::{Desks, acknowledge, dispatch, done, lead_close, order, report_in, verify};

pub(super) fn day(story: &Story<'_>) -> anyhow::Result<()> {
    let desks = Desks::at(story, CENTER)?;
    let village = story.village(0)?;
    story.step("gives a team's order to a named person");
    names_a_person(story, &desks, village)?;
    story.step("takes up a department's order, and does it while the village is cut off");
    speaks_for_a_department(story, &desks, village)
}

fn names_a_person(story: &Story<'_>, desks: &Desks<'_>, village: &str) -> anyhow::Result<()> {
    let office = story.person(CENTER, "nq-1", "back_office")?;
    let (case, event) = desks.dispatched(village, "工业路", &["zf-1"])?;
    let number = text(&office.case(&case)?, "/orders/0/number")?;
    let assign = |person: &str| {
        let by = ["--by", office.code, "--role", office.role, "--person", person];
        let words: Vec<String> = ["order", "assign", &number].into_iter().chain(by).map(str::to_owned).collect();
        words
    };
    let run = |person: &str| {
        let words = assign(person);
        office.runs(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    run("zfy-17")?;
    says(&office.case(&case)?, "/orders/0/person", json!("zfy-17"))?;
    // Another one after all: the latest stands.
    run("zfy-18")?;
    let listed = office.looks_until("/v1/orders?team=zf-1", |listed| {
        says(row(listed, "case", &json!(case))?, "/person", json!("zfy-18"))
    })?;
    has(&listed, 1)?;
    let words = assign(desks.inspector.code);
    let finder =
        by_the_case("finder", ("发现人不得处置或审核本案", "the finder may not handle or judge this"), "处理中");
    office.runs_in_vain(&words.iter().map(String::as_str).collect::<Vec<_>>(), &finder)?;
    office.cannot(&case, dispatch(&["hw-1"]), &wrong_role("处理中"))?;
    // Villages have no back office.
    let elsewhere = story.person(VILLAGE_1, "nq-1", "back_office")?;
    elsewhere.comes_to_see_case(&case, "handling")?;
    let named = json!({ "assign": { "order": order(&event, 0), "person": "zfy-19" } });
    elsewhere.cannot(&case, named, &role_not_held("执法中心内勤", "enforcement back office"))?;
    // Who the order went to does it; and is nobody to verify it, whoever wrote down that it is done.
    office.does(&case, acknowledge(&event, 0))?;
    office.does(&case, done(&event, 0, "已责令整改"))?;
    office.does(&case, lead_close("zf-1"))?;
    let own = by_the_case("handler", ("处置人不得核查本案", "a handler of the case may not verify it"), "待核查");
    let officer = story.person(CENTER, "zfy-18", "inspector")?;
    officer.cannot(&case, verify(true), &own)?;
    desks.inspector.does(&case, verify(true)).map(drop)
}

fn speaks_for_a_department(story: &Story<'_>, desks: &Desks<'_>, village: &str) -> anyhow::Result<()> {
    let liaison = story.person(VILLAGE_1, "ll-1", "liaison")?;
    let team = json!({ "code": "gd-9", "name": "区供电公司", "kind": "department" });
    liaison.records("/v1/teams", team)?;
    let (case, event) = desks.dispatched(village, "变电箱旁", &["gd-9", "hw-1"])?;
    let listed = liaison.looks_until("/v1/orders?team=gd-9", |listed| has(listed, 1))?;
    says(row(&listed, "case", &json!(case))?, "/lead", json!(true))?;
    let demand =
        desks.duty_head.as_role("commander").does(&case, json!({ "supervise": { "demand": "何时断电？" } }))?;
    liaison.comes_to_see(&format!("/v1/cases/{case}"), "/supervised", json!(true))?;

    story.cut_off(VILLAGE_1);
    liaison.does(&case, acknowledge(&event, 0))?;
    liaison.does(&case, report_in(&event, 0))?;
    liaison.does(&case, json!({ "reply": { "supervision": demand, "answer": "今晚十点断电两小时" } }))?;
    liaison.does(&case, done(&event, 0, "线路已迁移"))?;
    still_open(&liaison, &case)?;
    story.links_return();

    desks.handler.comes_to_see(&format!("/v1/cases/{case}"), "/orders/0/status", json!("done"))?;
    desks.handler.does(&case, done(&event, 1, "现场已清"))?;
    let shown = desks.duty_head.comes_to_see(&format!("/v1/cases/{case}"), "/supervised", json!(false))?;
    says(&shown, "/folded/supervisions/0/reply/1", json!("今晚十点断电两小时"))?;
    liaison.comes_to_see(&format!("/v1/cases/{case}"), "/orders/1/status", json!("done"))?;
    liaison.does(&case, lead_close("gd-9"))?;
    liaison.cannot(&case, verify(true), &wrong_role("待核查"))
}

/// The other team's order is not done yet, as far as is known here.
fn still_open(liaison: &Person<'_>, case: &str) -> anyhow::Result<()> {
    let open = by_what_stands("orders_open", ("仍有任务未完成", "orders are still open"), "处理中");
    liaison.cannot(case, lead_close("gd-9"), &open)
}
