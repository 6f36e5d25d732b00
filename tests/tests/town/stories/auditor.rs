//! The auditor takes a case out of the town and proves it where nobody of the town is; reads who looked at whom; has every
//! signature checked again.

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use serde_json::{Value, json};
use townmesh_node::demo::plan::{CENTER, VILLAGE_1};
use townmesh_tests::process::{run_to_end, said};

use super::story::{Person, Story, refusal, row, same, says, text, wrong_role};
use super::work::Desks;

pub(super) fn day(story: &Story<'_>) -> anyhow::Result<()> {
    let auditor = story.person(CENTER, "sj-1", "auditor")?;
    let village = story.village(0)?;
    let town = text(&auditor.sees("/v1/status")?, "/town")?;

    story.step("takes a case along, for a reason, and proves it outside of the town");
    let pack = proves_a_case(story, &auditor, village, &town)?;
    story.step("finds what was altered on the way");
    finds_what_was_altered(story, &pack, &town)?;
    story.step("proves in a cut-off village what was done there, and later all of it");
    proves_in_a_cut_off_village(story, village, &town)?;
    story.step("reads who was shown what, and has everything checked again");
    reads_reveals(&auditor)?;
    story.step("changes nothing");
    let case = Desks::at(story, CENTER)?.filed(village, "账房")?;
    auditor.cannot(&case, json!("close"), &wrong_role("待派遣"))?;
    auditor.cannot(&case, json!({ "request_void": { "reason": "查账" } }), &wrong_role("待派遣"))
}

/// Checks a pack where there is neither a node nor a key: exit code, and what was found.
fn verify(story: &Story<'_>, pack: &str, town: &str) -> anyhow::Result<(Option<i32>, Value)> {
    let nowhere = story.folder.join("outside").display().to_string();
    let output =
        run_to_end(&["verify", pack, "--town", town, "--data-dir", &nowhere, "--json"], Duration::from_secs(30))?;
    ensure!(!Path::new(&nowhere).exists(), "it made a data directory");
    let found = serde_json::from_slice(&output.stdout).map_err(|_| anyhow::anyhow!("{}", said(&output)))?;
    Ok((output.status.code(), found))
}

fn proves_a_case(story: &Story<'_>, auditor: &Person<'_>, village: &str, town: &str) -> anyhow::Result<String> {
    let desks = Desks::at(story, CENTER)?;
    let case = desks.closed(village, "礼堂")?;
    let events = auditor.case(&case)?["timeline"].as_array().map(Vec::len);
    let number = text(&auditor.case(&case)?, "/number")?;
    let silent = refusal(403, "reason_missing", "导出证据包须说明理由", "an evidence pack leaves the town: say why");
    auditor.may_not_see(&format!("/v1/cases/{case}/evidence"), &silent)?;
    let pack = story.folder.join("case.zip").display().to_string();
    auditor.runs(&["export", "case", &number, "--reason", "审计抽查", "--out", &pack])?;
    let (code, found) = verify(story, &pack, town)?;
    same("exit code of verify", &code, &Some(0))?;
    says(&found, "/sound", json!(true))?;
    says(&found, "/town_compared", json!(true))?;
    says(&found, "/masked", json!(true))?;
    says(&found, "/unproved", json!([]))?;
    same("events that are proved", &found["proved"].as_u64(), &events.map(|count| count as u64))?;
    Ok(pack)
}

fn finds_what_was_altered(story: &Story<'_>, pack: &str, town: &str) -> anyhow::Result<()> {
    let (code, found) = verify(story, pack, &"0".repeat(64))?;
    same("exit code for another town", &code, &Some(1))?;
    row(&json!({ "rows": found["problems"] }), "code", &json!("other_town"))?;
    let mut bytes = std::fs::read(pack)?;
    let (good, bad) = ("已清运".as_bytes(), "未清运".as_bytes());
    let at = bytes.windows(good.len()).position(|window| window == good);
    let at = at.ok_or_else(|| anyhow::anyhow!("the pack does not say what was done"))?;
    bytes[at..at + bad.len()].copy_from_slice(bad);
    let altered = story.file("altered.zip", bytes)?;
    let (code, found) = verify(story, &altered, town)?;
    same("exit code of an altered pack", &code, &Some(1))?;
    says(&found, "/sound", json!(false))?;
    ensure!(found["problem_count"].as_u64() > Some(0), "expected problems, came {found}");
    Ok(())
}

fn proves_in_a_cut_off_village(story: &Story<'_>, village: &str, town: &str) -> anyhow::Result<()> {
    let (here, there) = (Desks::at(story, CENTER)?, Desks::at(story, VILLAGE_1)?);
    let case = here.accepted(village, "戏台")?;
    there.duty_head.comes_to_see_case(&case, "accepted")?;
    story.cut_off(VILLAGE_1);
    there.duty_head.does(&case, super::work::file("rubble", "general"))?;
    let auditor = story.person(VILLAGE_1, "sj-1", "auditor")?;
    let prove = |by: &Person<'_>, name: &str| -> anyhow::Result<Value> {
        let pack = story.folder.join(name).display().to_string();
        by.runs(&["export", "case", &case, "--reason", "审计抽查", "--out", &pack])?;
        let (code, found) = verify(story, &pack, town)?;
        same(&format!("exit code of {name}"), &code, &Some(0))?;
        Ok(found)
    };
    let alone = prove(&auditor, "village.zip")?;
    says(&alone, "/exporter", json!(VILLAGE_1))?;
    says(&alone, "/events", json!(3))?;
    says(&prove(&here.duty_head, "center.zip")?, "/events", json!(2))?;
    story.links_return();
    here.duty_head.comes_to_see_case(&case, "filed")?;
    let all = prove(&here.duty_head, "later.zip")?;
    says(&all, "/events", json!(3))?;
    says(&all, "/proved", json!(3))
}

fn reads_reveals(auditor: &Person<'_>) -> anyhow::Result<()> {
    let listed = auditor.runs(&["reveals"])?;
    let exported = row(&listed, "reason", &json!("审计抽查"))?;
    says(exported, "/kind", json!("evidence"))?;
    let checked = auditor.runs(&["verify"])?;
    says(&checked, "/report/problem_count", json!(0))
}
