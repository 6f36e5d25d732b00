//! The duty head says what a case is and by when it must be done, lets go of what should not be a case, and closes what
//! was verified. Not on their own word: somebody else asks, and somebody else approves.

use serde_json::{Value, json};
use townmesh_node::demo::plan::{CENTER, VILLAGE_1};

use super::story::{Person, Story, by_the_case, by_what_stands, refusal, same, says, wrong_role, wrong_state};
use super::work::{Desks, file, verify};

pub(super) fn day(story: &Story<'_>) -> anyhow::Result<()> {
    let head = story.person(CENTER, "zb-1", "duty_head")?;
    let desks = Desks::at(story, CENTER)?;
    let village = story.village(0)?;

    story.step("files with the limit of the town's table");
    files(&head, &desks, village)?;
    story.step("is told where the table has no limit, or no such category");
    is_told_what_the_table_lacks(&head, &desks, village)?;
    story.step("lets a case go on somebody else's request, once");
    voids(story, &head, &desks, village)?;
    story.step("closes what was verified, and nothing else");
    closes(&head, &desks, village)?;
    story.step("closes in the village, cut off, what the center finds undone");
    closes_apart(story, village)
}

fn files(head: &Person<'_>, desks: &Desks<'_>, village: &str) -> anyhow::Result<()> {
    let reported = desks.reported(village, "北街")?;
    head.cannot(&reported, file("dirty_road", "general"), &wrong_state("待受理"))?;
    let case = desks.accepted(village, "南街")?;
    head.does(&case, file("dirty_road", "general"))?;
    let shown = head.case(&case)?;
    says(&shown, "/state", json!("filed"))?;
    says(&shown, "/severity", json!("general"))?;
    // A dirty road: five working hours.
    says(&shown, "/folded/clock/minutes", json!(300))?;
    says(&shown, "/folded/clock/clock", json!("working"))?;
    let due = shown["due_ms"].as_i64().unwrap_or_default();
    anyhow::ensure!(
        due > shown["filed_ms"].as_i64().unwrap_or(i64::MAX),
        "expected a deadline after the filing: {shown}"
    );
    // Filed is filed: category and limit are fixed now.
    head.cannot(&case, file("rubble", "general"), &wrong_state("待派遣"))
}

fn is_told_what_the_table_lacks(head: &Person<'_>, desks: &Desks<'_>, village: &str) -> anyhow::Result<()> {
    let case = desks.accepted(village, "西街")?;
    // What the table says of the general case holds for graver ones that it does not name.
    let other = desks.accepted(village, "西街口")?;
    head.does(&other, file("other", "urgent"))?;
    says(&head.case(&other)?, "/folded/clock/minutes", json!(3 * 8 * 60))?;
    let no_limit = refusal(
        422,
        "no_limit",
        "类别“facility”（一般）没有设定时限，请在时限表中补充，或写明分钟数和计时方式",
        "no limit is set for category facility with severity general: add it to the table of limits, or name minutes and clock",
    );
    let row = json!({ "rows": [{ "category": "facility", "severity": "general", "amount": 3, "unit": "working_days", "retired": true }] });
    head.records("/v1/tables/limit", row)?;
    head.cannot(&case, file("facility", "general"), &no_limit)?;
    let answer: Result<Value, _> = head.records(
        &format!("/v1/cases/{case}/actions"),
        json!({ "actor": head.actor(), "action": file("weather", "general") }),
    );
    let refused = answer.err().map(|error| error.to_string()).unwrap_or_default();
    anyhow::ensure!(refused.contains("422") && refused.contains("exposed_rubbish"), "the known categories: {refused}");
    let named = json!({ "file": { "category": "other", "severity": "urgent", "minutes": 120, "clock": "emergency" } });
    head.does(&case, named).map(drop)
}

fn voids(story: &Story<'_>, head: &Person<'_>, desks: &Desks<'_>, village: &str) -> anyhow::Result<()> {
    let case = desks.filed(village, "东街")?;
    let request = head.does(&case, json!({ "request_void": { "reason": "重复登记" } }))?;
    let approve = |request: &str| json!({ "approve": { "request": request } });
    let own = by_the_case("own_request", ("不得审批自己的申请", "nobody decides on their own request"), "待派遣");
    head.cannot(&case, approve(&request), &own)?;
    desks.dispatcher.cannot(&case, approve(&request), &wrong_role("待派遣"))?;
    let colleague = story.person(CENTER, "zb-2", "duty_head")?;
    let reason = json!({ "decline": { "request": request, "reason": "并非重复" } });
    colleague.does(&case, reason)?;
    let decided = by_what_stands("request_decided", ("该申请已审批", "the request is decided already"), "待派遣");
    colleague.cannot(&case, approve(&request), &decided)?;
    says(&head.case(&case)?, "/state", json!("filed"))?;
    let again = desks.dispatcher.does(&case, json!({ "request_void": { "reason": "现场没有问题" } }))?;
    head.does(&case, approve(&again))?;
    let shown = head.case(&case)?;
    says(&shown, "/state", json!("void"))?;
    says(&shown, "/folded/requests/0/status", json!("declined"))?;
    says(&shown, "/folded/requests/1/status", json!("approved"))?;
    colleague.cannot(&case, approve(&again), &wrong_state("已作废"))
}

fn closes(head: &Person<'_>, desks: &Desks<'_>, village: &str) -> anyhow::Result<()> {
    let case = desks.handled(village, "环路")?;
    head.cannot(&case, json!("close"), &wrong_state("待核查"))?;
    head.cannot(&case, verify(true), &wrong_role("待核查"))?;
    desks.inspector.does(&case, verify(true))?;
    desks.dispatcher.cannot(&case, json!("close"), &wrong_role("待结案"))?;
    let action = ["case", "act", &case, "--by", head.code, "--role", head.role, "--action", r#""close""#];
    head.runs(&action)?;
    let shown = head.case(&case)?;
    says(&shown, "/state", json!("closed"))?;
    anyhow::ensure!(shown["closed_ms"].is_i64(), "expected when it was closed: {shown}");
    head.runs_in_vain(&action, &wrong_state("已结案"))
}

/// What is still wrong goes before what was closed without knowing: the case is at work again, and both things are shown.
fn closes_apart(story: &Story<'_>, village: &str) -> anyhow::Result<()> {
    let (here, there) = (Desks::at(story, CENTER)?, Desks::at(story, VILLAGE_1)?);
    let case = there.handled(village, "断头路")?;
    here.inspector.comes_to_see_case(&case, "to_verify")?;
    story.cut_off(VILLAGE_1);
    there.inspector.does(&case, verify(true))?;
    there.duty_head.does(&case, json!("close"))?;
    let second_look = story.person(CENTER, "xcy-8", "inspector")?;
    second_look.does(&case, verify(false))?;
    says(&there.inspector.case(&case)?, "/state", json!("closed"))?;
    story.links_return();
    for desk in [&here.duty_head, &there.duty_head] {
        let shown = desk.looks_until(&format!("/v1/cases/{case}"), |shown| {
            says(shown, "/state", json!("filed"))?;
            same("conflicts", &shown["conflicts"].as_u64(), &Some(2))
        })?;
        says(&shown, "/rework", json!(1))?;
        let conflicts = shown["folded"]["conflicts"].as_array().cloned().unwrap_or_default();
        let mut kinds: Vec<_> = conflicts.iter().filter_map(|one| one["kind"].as_str()).collect();
        kinds.sort_unstable();
        same("what was decided apart", &kinds, &vec!["contrary_verification", "verification_beats_close"])?;
    }
    Ok(())
}
