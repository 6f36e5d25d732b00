//! The leader reads how the town does, down to the cases behind a figure and with how complete that is; the analyst
//! prepares it. Both see people masked, and look at one only for a reason that stays noted.

use anyhow::ensure;
use serde_json::{Value, json};
use townmesh_node::demo::plan::{CENTER, VILLAGE_1};
use townmesh_node::demo::work::now_ms;

use super::story::{Person, Story, has, quoted, refusal, row, rows, same, says, text, wrong_role};
use super::work::{Desks, dispatch};

pub(super) fn day(story: &Story<'_>) -> anyhow::Result<()> {
    let leader = story.person(CENTER, "ld-1", "leader")?;
    let analyst = story.person(CENTER, "fx-1", "analyst")?;
    let village = story.village(0)?;

    story.step("reads the figures of the month, and the cases behind one");
    reads_the_figures(story, &leader, village)?;
    story.step("sees how complete they are while a village is cut off");
    sees_how_complete(story, &leader, village)?;
    story.step("looks for what comes back, and where");
    analyses(&analyst, village)?;
    story.step("sees people masked, and one in clear for a reason that is noted");
    looks_at_somebody(&leader, village)?;
    story.step("reads, and does not act");
    does_not_act(story, &leader, village)
}

/// From an hour ago to in an hour.
fn period() -> String {
    format!("from_ms={}&until_ms={}", now_ms() - 3_600_000, now_ms() + 3_600_000)
}

fn reads_the_figures(story: &Story<'_>, leader: &Person<'_>, village: &str) -> anyhow::Result<()> {
    let desks = Desks::at(story, CENTER)?;
    let closed = desks.closed(village, "甲地")?;
    desks.handled(village, "乙地")?;
    desks.filed(village, "丙地")?;
    desks.duty_head.does(&closed, json!({ "reopen": { "cause": "recurrence" } }))?;
    let again = desks.closed(village, "丁地")?;
    let assessed = format!("/v1/assessment?{}&by=region", period());
    let told = leader.looks_until(&assessed, |told| {
        same("filed", &told["total"]["filed"].as_u64(), &Some(4))?;
        same("closed", &told["total"]["closed"].as_u64(), &Some(1))
    })?;
    says(&told, "/total/closed", json!(1))?;
    says(&told, "/total/overdue", json!(0))?;
    says(&told, "/groups/0/group", json!(village))?;
    let behind = leader.sees(&format!("/v1/assessment/cases?{}&figure=closed", period()))?;
    has(&behind, 1)?;
    says(&behind, "/rows/0/document", json!(again))?;
    // Every figure has the cases behind it that it says.
    for figure in ["filed", "due", "closed", "handled", "overdue"] {
        let Some(count) = told["total"][figure].as_u64() else { continue };
        let behind = leader.sees(&format!("/v1/assessment/cases?{}&figure={figure}", period()))?;
        has(&behind, usize::try_from(count)?)?;
    }
    let printed = leader.runs(&["assessment", "--by", "region"])?;
    says(&printed, "/total/filed", json!(4))?;
    let backwards = refusal(400, "period", "考核时段的结束须晚于开始", "a period must end after it begins");
    leader.may_not_see("/v1/assessment?from_ms=5&until_ms=5", &backwards)
}

fn sees_how_complete(story: &Story<'_>, leader: &Person<'_>, village: &str) -> anyhow::Result<()> {
    let there = Desks::at(story, VILLAGE_1)?;
    // The village has written of cases, so that something of it could be missing.
    let case = there.filed(village, "戊地")?;
    leader.comes_to_see_case(&case, "filed")?;
    let complete = format!("/v1/completeness?kind=cases&region={village}");
    let of_village = |told: &Value| row(told, "name", &json!(VILLAGE_1)).cloned();
    leader.looks_until(&complete, |told| says(&of_village(told)?, "/connected", json!(true)))?;
    story.cut_off(VILLAGE_1);
    let unheard = there.filed(village, "己地")?;
    let told = leader.looks_until(&complete, |told| says(&of_village(told)?, "/connected", json!(false)))?;
    let until = of_village(&told)?["until_ms"].as_i64().unwrap_or_default();
    let recorded = there.inspector.case(&unheard)?["reported_ms"].as_i64().unwrap_or_default();
    ensure!(until < recorded, "expected to be complete to before {recorded}, came {told}");
    let figures = leader.sees(&format!("/v1/assessment?{}", period()))?;
    says(&figures, "/total/filed", json!(5))?;
    ensure!(figures["completeness"]["complete_to_ms"].as_i64() <= Some(until), "figures say it, too: {figures}");
    story.links_return();
    leader.looks_until(&format!("/v1/assessment?{}", period()), |told| {
        says(told, "/total/filed", json!(6))?;
        let complete = told["completeness"]["complete_to_ms"].as_i64();
        ensure!(complete >= Some(recorded), "expected to be complete to {recorded}, came {told}");
        Ok(())
    })?;
    Ok(())
}

fn analyses(analyst: &Person<'_>, village: &str) -> anyhow::Result<()> {
    let place = json!({ "lat": 39.7412, "lon": 116.3321 });
    for _ in 0..3 {
        let report = json!({ "source": "patrol", "place": "集市口", "position": place, "category": "street_stall", "description": "占道摆摊" });
        let by = json!({ "by": "xcy-1", "role": "inspector" });
        analyst.records("/v1/cases", json!({ "actor": by, "region": village, "report": report }))?;
    }
    let spots = format!("/v1/analysis/hot-spots?{}&region={village}", period());
    let told = analyst.looks_until(&spots, |told| says(told, "/rows/0/cases", json!(3)))?;
    let square = text(&told, "/rows/0/square")?;
    let there = analyst.sees(&format!("{spots}&of=cases&square={square}"))?;
    says(&there, "/rows/0/weight", json!(3))?;
    has(&analyst.sees("/v1/cases?bbox=116.3320,39.7411,116.3322,39.7413")?, 3)?;
    let trend = analyst.sees(&format!("/v1/analysis/trend?{}&step=day&region={village}", period()))?;
    ensure!(rows(&trend)?.iter().any(|row| row["group"] == "street_stall"), "expected the stalls in {trend}");
    ensure!(trend["completeness"]["rows"].is_array(), "every answer says how complete it is: {trend}");
    Ok(())
}

fn looks_at_somebody(leader: &Person<'_>, village: &str) -> anyhow::Result<()> {
    let household =
        json!({ "region": village, "address": "光明里7号", "owner": { "name": "周吴郑", "phone": "13912345678" } });
    let home = text(&leader.records("/v1/households", json!({ "household": household }))?, "/document")?;
    let path = format!("/v1/households/{home}");
    says(&leader.sees(&path)?, "/head/name", json!("周*"))?;
    let empty = refusal(400, "reason_empty", "reveal 的理由为空", "the reason given for reveal is empty");
    leader.may_not_see(&format!("{path}?reveal=%20"), &empty)?;
    let noted = || -> anyhow::Result<Vec<Value>> { Ok(rows(&leader.sees("/v1/reveals")?)?.to_vec()) };
    let before = noted()?.len();
    let headers = [("townmesh-user", leader.code)];
    let shown = leader.api.ask(("GET", &format!("{path}?reveal={}", quoted("信访接待"))), &headers, &[])?;
    says(&serde_json::from_slice(&shown)?, "/head", json!({ "name": "周吴郑", "phone": "13912345678" }))?;
    let after = noted()?;
    same("looks that were noted", &after.len(), &(before + 1))?;
    let last = after.last().cloned().unwrap_or_default();
    says(&last, "/user", json!(leader.code))?;
    says(&last, "/reason", json!("信访接待"))?;
    says(&last, "/documents", json!([home]))
}

fn does_not_act(story: &Story<'_>, leader: &Person<'_>, village: &str) -> anyhow::Result<()> {
    let case = Desks::at(story, CENTER)?.filed(village, "庚地")?;
    leader.cannot(&case, dispatch(&["hw-1"]), &wrong_role("待派遣"))?;
    leader.as_role("analyst").cannot(&case, json!("close"), &wrong_role("待派遣"))?;
    // What they say beside it stands for everybody.
    leader.does(&case, json!({ "comment": { "text": "请优先处理" } })).map(drop)
}
