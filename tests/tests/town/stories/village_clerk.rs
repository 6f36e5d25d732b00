//! The village clerk keeps who lives where: households and residents, ledgers, who is one person, and what somebody asks
//! the village to look at again.

use std::fmt::Write as _;

use anyhow::ensure;
use serde_json::{Value, json};
use townmesh_node::demo::plan::{CENTER, VILLAGE_1, VILLAGE_2};
use townmesh_node::demo::work::now_ms;

use super::story::{Person, Story, has, quoted, refusal, row, rows, same, says, text, wrong_role};

pub(super) fn day(story: &Story<'_>) -> anyhow::Result<()> {
    let clerk = story.person(VILLAGE_1, "cwy-1", "village_clerk")?;
    let (village, neighbour) = (story.village(0)?, story.village(1)?);

    story.step("registers a rental with its owner and three who live there");
    let (home, people) = registers(&clerk, village)?;
    story.step("is told what is wrong with a number, and records nothing");
    is_told_what_is_wrong(&clerk, village, &home)?;
    story.step("notes that a tenant moved out, and that it was a mistake");
    moves_out_and_back(&clerk, &home, &people[1])?;
    story.step("sees a tenant move to the village next door");
    sees_somebody_move(story, &clerk, (&home, &people[1]), neighbour)?;
    story.step("may not write where the certificate does not reach");
    may_not(story, &clerk, village)?;
    story.step("imports a ledger of which three rows are wrong");
    imports_a_ledger(story, &clerk, village)?;
    story.step("finds one person entered twice, by two offices that were cut off from each other");
    finds_one_person_twice(story, &clerk, &home)?;
    story.step("looks at what the town wants to have verified");
    verifies(story, &clerk, village)
}

fn registers(clerk: &Person<'_>, village: &str) -> anyhow::Result<(String, Vec<String>)> {
    let household = json!({
        "region": village, "address": "幸福路12号", "usage": "rental", "rooms": 8, "tenant_limit": 10,
        "position": { "lat": 39.7354, "lon": 116.331 }, "owner": { "name": "王建国", "phone": "13800138000" },
    });
    let residents = json!([
        { "kind": "registered", "relation": "head", "personal": { "name": "王建国", "id_number": "110101199003070118" } },
        { "kind": "migrant", "relation": "tenant", "moved_in": "2026-03-01", "personal": { "name": "李小梅", "phone": "13812345678" } },
        { "kind": "overseas", "relation": "tenant", "personal": { "name": "Ann Example", "id_number": "E12345678" } },
    ]);
    let made = clerk.records("/v1/households", json!({ "household": household, "residents": residents }))?;
    let home = text(&made, "/document")?;
    let people = (0..3).map(|place| text(&made, &format!("/residents/{place}"))).collect::<Result<Vec<_>, _>>()?;
    let shown = clerk.sees(&format!("/v1/households/{home}"))?;
    says(&shown, "/head", json!({ "name": "王*", "phone": "138****8000" }))?;
    let lives = resident(&shown, &people[0])?;
    says(lives, "/id_number", json!("1101**********0118"))?;
    says(resident(&shown, &people[2])?, "/kind", json!("overseas"))?;
    Ok((home, people))
}

/// Somebody in a household as it is shown.
fn resident<'v>(shown: &'v Value, id: &str) -> anyhow::Result<&'v Value> {
    let people = shown["people"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = people.iter().find(|one| one["resident"] == id);
    found.ok_or_else(|| anyhow::anyhow!("expected the resident {id}, came {shown}"))
}

fn is_told_what_is_wrong(clerk: &Person<'_>, village: &str, home: &str) -> anyhow::Result<()> {
    let typed_wrong =
        json!({ "kind": "registered", "personal": { "name": "赵钱", "id_number": "110101199003070119" } });
    let elsewhere = json!({ "region": village, "address": "幸福路99号" });
    clerk.is_refused(
        "/v1/households",
        json!({ "household": elsewhere, "residents": [typed_wrong] }),
        &refusal(
            422,
            "id_number",
            "residents[0].personal.id_number：身份证号校验位不符，请核对；境外人员请写明类别",
            "residents[0].personal.id_number: the check character of the identity number does not fit; compare it with the card; of somebody from abroad, say so in their kind",
        ),
    )?;
    has(&clerk.sees(&format!("/v1/households?text={}", quoted("幸福路99号")))?, 0)?;
    let moved = json!({ "kind": "migrant", "moved_in": "2026-03-02", "moved_out": "2026-03-01" });
    clerk.is_refused(
        &format!("/v1/households/{home}/residents"),
        moved,
        &refusal(
            422,
            "day_order",
            "moved_out：迁出日期早于迁入日期，请核对",
            "moved_out: moved out before moving in; compare the two dates",
        ),
    )
}

fn moves_out_and_back(clerk: &Person<'_>, home: &str, tenant: &str) -> anyhow::Result<()> {
    let path = format!("/v1/households/{home}/residents/{tenant}");
    says(&clerk.edits(&path, json!({ "set": { "moved_out": "2026-11-01" } }))?, "/outcome", json!("changed"))?;
    let household = format!("/v1/households/{home}");
    says(resident(&clerk.sees(&household)?, tenant)?, "/moved_out", json!("2026-11-01"))?;
    let back = clerk.runs(&["household", "edit", home, "--resident", tenant, "--clear", "moved_out"])?;
    says(&back, "/outcome", json!("changed"))?;
    says(resident(&clerk.sees(&household)?, tenant)?, "/moved_out", Value::Null)
}

/// Each village writes its own part; whoever reads both sees one who went and came.
fn sees_somebody_move(
    story: &Story<'_>,
    clerk: &Person<'_>,
    (home, tenant): (&str, &str),
    neighbour: &str,
) -> anyhow::Result<()> {
    let left = ["household", "edit", home, "--resident", tenant, "--set", r#"{"moved_out":"2026-11-20"}"#];
    clerk.runs(&left)?;
    let other = story.person(VILLAGE_2, "cwy-2", "village_clerk")?;
    let arrived = other.runs(&[
        "household",
        "record",
        "--region",
        neighbour,
        "--address",
        "平安街3号",
        "--use",
        "rental",
        "--resident",
        "name=李小梅,phone=13812345678,kind=migrant,relation=tenant",
    ])?;
    let new_home = text(&arrived, "/value/document")?;
    let center = story.person(CENTER, "fx-1", "analyst")?;
    let searched = format!("/v1/households?text={}", quoted("李小梅"));
    let found = center.looks_until(&searched, |found| has(found, 2))?;
    // The owner and the guest from abroad stay; the tenant is counted where she is now.
    says(row(&found, "document", &json!(home))?, "/residents", json!(2))?;
    says(row(&found, "document", &json!(new_home))?, "/residents", json!(1))?;
    let nowhere = refusal(404, "not_found", "本节点没有此户", "there is no such household here");
    other.may_not_see(&format!("/v1/households/{home}"), &nowhere)
}

fn may_not(story: &Story<'_>, clerk: &Person<'_>, village: &str) -> anyhow::Result<()> {
    let other = story.person(VILLAGE_2, "cwy-2", "village_clerk")?;
    let home = json!({ "household": { "region": village, "address": "1号" } });
    let out_of_scope = "this node may not record that: the node's certificate has no scope for this namespace";
    other.is_refused("/v1/households", home, &refusal(403, "denied", "本节点无权记录此内容", out_of_scope))?;
    let rule =
        json!({ "rows": [{ "category": "rubble", "severity": "general", "amount": 40, "unit": "working_days" }] });
    let rules = "this node may not record that: what rules the whole town, or concerns several villages, is recorded on a center";
    clerk.is_refused("/v1/tables/limit", rule, &refusal(403, "denied", "本节点无权记录此内容", rules))
}

/// A hundred doors, of which a phone, an area and a name are wrong.
fn ledger(village: &str) -> String {
    let mut ledger = "村居,门牌号,人员姓名,人员电话,面积\n".to_owned();
    for door in 1..=100 {
        let name = if door == 92 { "丁*" } else { "钱多" };
        let phone = if door == 31 { "12".to_owned() } else { format!("139000{door:05}") };
        let area = if door == 62 { 99_999 } else { 45 };
        let _ = writeln!(ledger, "{village},台账街{door}号,{name},{phone},{area}");
    }
    ledger
}

fn imports_a_ledger(story: &Story<'_>, clerk: &Person<'_>, village: &str) -> anyhow::Result<()> {
    let file = story.file("ledger.csv", ledger(village))?;
    let told = clerk.runs_with(1, &["import", &file])?;
    let counts = |told: &Value| ["created", "unchanged", "rejected"].map(|name| told["import"][name].as_u64());
    same("what was imported", &counts(&told), &[Some(97), Some(0), Some(3)])?;
    let wrong: Vec<_> = told["rejected_rows"].as_array().into_iter().flatten().collect();
    let named: Vec<_> = wrong.iter().map(|row| (row["row"].as_u64(), row["problems"][0]["code"].as_str())).collect();
    same(
        "the wrong rows",
        &named,
        &vec![(Some(32), Some("phone")), (Some(63), Some("number")), (Some(93), Some("masked"))],
    )?;
    let all = format!("/v1/households?text={}&limit=200", quoted("台账街"));
    let listed = clerk.looks_until(&all, |listed| has(listed, 97))?;
    for door in [31, 62, 92] {
        let address = json!(format!("台账街{door}号"));
        ensure!(row(&listed, "address", &address).is_err(), "a wrong row left something of {address}: {listed}");
    }
    let rejects = story.folder.join("wrong-rows.csv");
    let again = clerk.runs_with(1, &["import", &file, "--rejects", &rejects.display().to_string()])?;
    same("the second time", &counts(&again), &[Some(0), Some(97), Some(3)])?;
    let rejected = std::fs::read_to_string(&rejects)?;
    let corrected = rejected.replace(",12,", ",13900000031,").replace("99999", "45").replace("丁*", "丁一");
    let corrected = story.file("corrected.csv", corrected)?;
    same("the wrong rows, corrected", &counts(&clerk.runs(&["import", &corrected])?), &[Some(3), Some(0), Some(0)])
}

fn finds_one_person_twice(story: &Story<'_>, clerk: &Person<'_>, home: &str) -> anyhow::Result<()> {
    let center = story.person(CENTER, "cwy-0", "village_clerk")?;
    let household = format!("/v1/households/{home}");
    let lives_there =
        |shown: &Value, count: usize| same("people", &shown["people"].as_array().map(Vec::len), &Some(count));
    center.looks_until(&household, |shown| lives_there(shown, 3))?;

    story.cut_off(VILLAGE_1);
    let tenant =
        json!({ "kind": "migrant", "relation": "tenant", "personal": { "name": "赵小军", "phone": "13711112222" } });
    for office in [clerk, &center] {
        office.records(&format!("{household}/residents"), tenant.clone())?;
        lives_there(&office.sees(&household)?, 4)?;
    }
    story.links_return();

    let inbox = format!("/v1/conflicts?document={home}");
    let offered = |inbox_shown: &Value| has(inbox_shown, 1);
    let shown = clerk.looks_until(&inbox, offered)?;
    let conflict = &rows(&shown)?[0];
    says(conflict, "/kind", json!("duplicate_resident"))?;
    says(conflict, "/sides/0/chinese", json!("赵*"))?;
    let (id, revision) = (text(conflict, "/id")?, conflict["revision"].clone());
    let settle = format!("/v1/conflicts/{id}/settle");
    let merge = json!({ "revision": revision, "action": "merge", "side": 1 });
    let center_saw = center.looks_until(&inbox, offered)?;
    says(&center_saw, "/rows/0/id", json!(id))?;
    clerk.is_refused(
        &settle,
        json!({ "revision": "00000000", "action": "merge", "side": 1 }),
        &refusal(
            409,
            "conflict_changed",
            "查看之后该冲突的内容已有变化，请重新查看再裁定",
            "what stands against each other has changed since it was looked at: look at it again, then decide",
        ),
    )?;
    let settled = clerk.records(&settle, merge.clone())?;
    lives_there(&clerk.sees(&household)?, 4)?;
    center.looks_until(&household, |shown| lives_there(shown, 4))?;
    // Whoever still has the old list open is told that it is over.
    center.is_refused(
        &settle,
        merge,
        &refusal(
            409,
            "settled",
            "该冲突已裁定或已不存在，请重新查看列表",
            "the conflict was settled already, or what was in conflict is gone: look at the list again",
        ),
    )?;
    let settlement = text(&settled, "/settlement")?;
    clerk.runs(&["conflict", "undo", &settlement])?;
    center.looks_until(&household, |shown| lives_there(shown, 5))?;
    let again = clerk.looks_until(&inbox, offered)?;
    clerk.records(&settle, json!({ "revision": again["rows"][0]["revision"], "action": "merge", "side": 2 }))?;
    center.looks_until(&household, |shown| lives_there(shown, 4))?;
    Ok(())
}

/// A rental where nobody is entered becomes a case of its own; the village looks, and it is settled.
fn verifies(story: &Story<'_>, clerk: &Person<'_>, village: &str) -> anyhow::Result<()> {
    let empty = json!({ "region": village, "address": "幸福路13号", "usage": "rental", "tenant_limit": 4 });
    let home = text(&clerk.records("/v1/households", json!({ "household": empty }))?, "/document")?;
    let analyst = story.person(CENTER, "fx-1", "analyst")?;
    let (from, until) = (now_ms() - 86_400_000, now_ms() + 3_600_000);
    let contradictions = format!("/v1/analysis/contradictions?from_ms={from}&until_ms={until}&region={village}");
    analyst.comes_to_see(&contradictions, "/rentals/0/address", json!("幸福路13号"))?;
    let tasks = json!({ "of": "contradictions", "from_ms": from, "until_ms": until, "region": village, "actor": analyst.actor() });
    let opened: Value = analyst.api.post("/v1/analysis/cases", &tasks)?;
    has(&opened, 1)?;
    let case = text(&opened, "/rows/0/document")?;
    let intake = story.person(CENTER, "sly-1", "intake_clerk")?;
    let question = intake.does(&case, json!({ "ask_check": { "question": "幸福路13号是否已出租？" } }))?;

    let shown = clerk.comes_to_see(
        &format!("/v1/cases/{case}"),
        "/folded/checks/0/question",
        json!("幸福路13号是否已出租？"),
    )?;
    says(&shown, "/category", json!("registry"))?;
    clerk.cannot(&case, json!("accept"), &wrong_role("待受理"))?;
    let tenant =
        json!({ "kind": "migrant", "relation": "tenant", "personal": { "name": "孙李", "phone": "13633334444" } });
    clerk.records(&format!("/v1/households/{home}/residents"), tenant)?;
    clerk.runs(&[
        "case",
        "act",
        &case,
        "--by",
        clerk.code,
        "--role",
        clerk.role,
        "--action",
        r#"{"comment":{"text":"已上门核实，补登租户一人"}}"#,
    ])?;
    let inspector = story.person(VILLAGE_1, "xcy-1", "inspector")?;
    let answer = json!({ "answer_check": { "question": question, "found": false, "answer": "已补登" } });
    inspector.does(&case, answer)?;
    intake.comes_to_see(&format!("/v1/cases/{case}"), "/folded/checks/0/answer/2", json!("已补登"))?;
    intake.does(&case, json!({ "refuse": { "reason": "村居已补登" } }))?;
    analyst
        .looks_until(&contradictions, |told| same("rentals", &told["rentals"].as_array().map(Vec::len), &Some(0)))?;
    Ok(())
}
