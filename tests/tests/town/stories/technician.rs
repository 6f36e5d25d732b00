//! The technician keeps the nodes running: sees how they are, who lacks what, removes a vehicle that was stolen, and who
//! has not heard of that.

use std::time::Duration;

use serde_json::{Value, json};
use townmesh_node::demo::plan::{CENTER, VEHICLE_1, VILLAGE_1};
use townmesh_tests::process::{run_to_end, said};

use super::story::{Person, Story, has, refusal, row, same, says};
use super::work::Desks;

pub(super) fn day(story: &Story<'_>) -> anyhow::Result<()> {
    let technician = story.person(CENTER, "js-1", "technician")?;
    let village = story.village(0)?;

    story.step("sees that every node is there and has everything");
    sees_all_nodes(&technician)?;
    story.step("enters a device, whose alarm is seen");
    enters_a_device(&technician, village)?;
    story.step("sees what waits for a village that is cut off");
    sees_what_waits(story, &technician, village)?;
    story.step("removes a stolen vehicle, with the authority of this town only");
    removes_a_vehicle(story, &technician, village)
}

fn sees_all_nodes(technician: &Person<'_>) -> anyhow::Result<()> {
    let status = technician.runs(&["status", "--wait", "30"])?;
    says(&status, "/synced", json!(true))?;
    let peers = json!({ "rows": status["peers"] });
    for node in [VILLAGE_1, VEHICLE_1] {
        row(&peers, "name", &json!(node))?;
    }
    Ok(())
}

fn enters_a_device(technician: &Person<'_>, village: &str) -> anyhow::Result<()> {
    technician
        .records("/v1/devices", json!({ "code": "yg-1", "region": village, "kind": "smoke", "name": "仓库烟感" }))?;
    let event =
        json!({ "device": "yg-1", "time_ms": townmesh_node::demo::work::now_ms(), "kind": "smoke", "alarm": true });
    technician.records("/v1/events", json!({ "region": village, "events": [event] }))?;
    technician.looks_until("/v1/events?device=yg-1", |listed| has(listed, 1))?;
    let blank =
        refusal(422, "blank", "name：不能为空白，请填写或不要给出", "name: it is blank; fill it in or leave it out");
    technician.is_refused("/v1/devices", json!({ "code": "yg-2", "region": village, "name": "" }), &blank)
}

/// What waits for a node, by what it last said; nothing, once it said so.
fn waiting(told: &Value, node: &str) -> anyhow::Result<Option<u64>> {
    Ok(row(told, "name", &json!(node))?["waiting"].as_u64())
}

fn sees_what_waits(story: &Story<'_>, technician: &Person<'_>, village: &str) -> anyhow::Result<()> {
    let nothing_waits = |told: &Value| same("waiting", &waiting(told, VILLAGE_1)?, &Some(0));
    technician.looks_until("/v1/delivery", nothing_waits)?;
    story.cut_off(VILLAGE_1);
    let desks = Desks::at(story, CENTER)?;
    desks.filed(village, "机房")?;
    technician.looks_until("/v1/delivery", |told| {
        anyhow::ensure!(waiting(told, VILLAGE_1)? > Some(0), "expected something to wait for {VILLAGE_1}: {told}");
        Ok(())
    })?;
    // For scripts: not everybody has everything yet.
    technician.runs_with(75, &["delivery"])?;
    story.links_return();
    technician.looks_until("/v1/delivery", nothing_waits)?;
    Ok(())
}

fn removes_a_vehicle(story: &Story<'_>, technician: &Person<'_>, village: &str) -> anyhow::Result<()> {
    let vehicle = story.person(VEHICLE_1, "xcy-9", "inspector")?;
    let known = vehicle.reports(village, "桥头", "丢失之前的记录")?;
    technician.comes_to_see_case(&known, "reported")?;
    let key = story.folder.join("keys").join("authority.key").display().to_string();
    let elsewhere = refusal(
        409,
        "not_enrolled",
        "本镇没有节点 vehicle-7",
        "no node vehicle-7 is enrolled here: check its id, or synchronise with the center",
    );
    technician.runs_in_vain(&["revoke", "vehicle-7", "--authority", &key], &elsewhere)?;
    let itself = refusal(409, "itself", "节点不能注销自己", "this node does not remove itself: do it on another node");
    technician.runs_in_vain(&["revoke", CENTER, "--authority", &key], &itself)?;
    let other = another_towns_authority(story)?;
    let stranger = refusal(400, "other_town", "授权机构密钥属于另一个镇", "the authority belongs to another town");
    technician.runs_in_vain(&["revoke", VEHICLE_1, "--authority", &other], &stranger)?;

    story.cut_off(CENTER);
    technician.runs(&["revoke", VEHICLE_1, "--authority", &key])?;
    // The center has done with it; the village has not heard, and takes what it brings.
    let told = technician.sees("/v1/delivery")?;
    anyhow::ensure!(row(&told, "name", &json!(VEHICLE_1)).is_err(), "nothing waits for it any more: {told}");
    technician.looks_until("/v1/delivery", |told| {
        anyhow::ensure!(waiting(told, VILLAGE_1)? > Some(0), "{VILLAGE_1} has not heard: {told}");
        Ok(())
    })?;
    let at_village = story.person(VILLAGE_1, "js-2", "technician")?;
    row(&at_village.sees("/v1/delivery")?, "name", &json!(VEHICLE_1))?;
    let lost = vehicle.reports(village, "桥头", "丢失之后的记录")?;
    at_village.comes_to_see_case(&lost, "reported")?;
    story.links_return();
    at_village.looks_until("/v1/delivery", |told| {
        anyhow::ensure!(row(told, "name", &json!(VEHICLE_1)).is_err(), "{VILLAGE_1} has heard: {told}");
        Ok(())
    })?;
    // What it had brought before counts; what came after is kept, says why it is void, and counts nowhere.
    for one in [technician, &at_village] {
        one.looks_until(&format!("/v1/cases/{lost}"), |shown| {
            says(shown, "/state", Value::Null)?;
            says(shown, "/timeline/0/effect", json!({ "void": "revoked" }))
        })?;
        says(&one.case(&known)?, "/state", json!("reported"))?;
    }
    Ok(())
}

/// Whoever may enrol and remove in a town of their own has no say in this one.
fn another_towns_authority(story: &Story<'_>) -> anyhow::Result<String> {
    let (keys, data_dir) = (story.folder.join("other-keys"), story.folder.join("other-center"));
    let words = ["town", "create", "--name", "other", "--out", &keys.display().to_string()].map(str::to_owned);
    let words = words.into_iter().chain(["--data-dir".to_owned(), data_dir.display().to_string()]).collect::<Vec<_>>();
    let output = run_to_end(&words.iter().map(String::as_str).collect::<Vec<_>>(), Duration::from_secs(30))?;
    anyhow::ensure!(output.status.success(), "another town is not founded: {}", said(&output));
    Ok(keys.join("authority.key").display().to_string())
}
