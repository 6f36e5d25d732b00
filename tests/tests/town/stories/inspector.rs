//! The inspector walks the grid: looks, photographs, finds, asks for a recheck, answers questions, and says whether what
//! others did is good. Never does the inspector handle what they found, or judge what they did themselves.

use serde_json::{Value, json};
use townmesh_node::demo::plan::{CENTER, VEHICLE_1, VILLAGE_1};

use super::story::{
    Person, Story, by_the_case, by_what_stands, has, quoted, refusal, row, rows, same, says, text, wrong_role,
    wrong_state,
};
use super::work::{Desks, dispatch, done, file, lead_close, report_in, verify};
use crate::pixel;

/// What a phone makes of a charger in a hallway, as far as the town looks at it.
const REMARK: &[u8] = b"a charger in the hallway";

pub(super) fn day(story: &Story<'_>) -> anyhow::Result<()> {
    let inspector = story.person(VILLAGE_1, "xcy-1", "inspector")?;
    let village = story.village(0)?;
    let household = json!({ "region": village, "address": "团结巷5号", "usage": "rental" });
    let home = text(&inspector.records("/v1/households", json!({ "household": household }))?, "/document")?;

    story.step("goes through the checklist, with a photo, and finds two hazards");
    let hazards = inspects(story, &inspector, &home)?;
    story.step("makes a case of the grave one");
    makes_a_case(&inspector, village, &hazards[0])?;
    story.step("has the other put right, and does not recheck what was put right by the same hand");
    rechecks(&inspector, &hazards[1])?;
    story.step("rechecks out on the road, while the center hears otherwise");
    rechecks_while_cut_off(story, &inspector, &hazards[0])?;
    story.step("answers what intake asks");
    answers(story, &inspector, village)?;
    story.step("does not handle what they found");
    does_not_handle_own_finding(story, &inspector, village)?;
    story.step("verifies what others did, and not what they did themselves");
    verifies(story, &inspector, village)
}

fn inspects(story: &Story<'_>, inspector: &Person<'_>, home: &str) -> anyhow::Result<Vec<String>> {
    let photo = story.file("charger.png", pixel::photo(REMARK))?;
    let visit = ["inspection", "record", "--household", home, "--by", inspector.code, "--photo", &photo];
    let answers = ["--answer", "4=hazard", "--answer", "11=hazard", "--answer", "2=ok", "--note", "楼道内充电"];
    let made = inspector.runs(&[visit.as_slice(), &answers].concat())?;
    let found = made.pointer("/value/hazards").and_then(Value::as_array).cloned().unwrap_or_default();
    same("hazards", &found.len(), &2)?;
    let hazards: Vec<String> = found.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect();
    let listed = inspector.sees(&format!("/v1/inspections?household={home}"))?;
    let hash = text(&listed, "/rows/0/photos/0")?;
    let told = inspector.looks_until("/v1/hazards?state=open", |told| has(told, 2))?;
    for (hazard, grade) in [(&hazards[0], "severe"), (&hazards[1], "general")] {
        says(row(&told, "document", &json!(hazard))?, "/grade", json!(grade))?;
    }
    inspector.comes_to_see(&format!("/v1/households/{home}"), "/mark", json!("red"))?;
    // A photo is nobody's to look at without a reason.
    let why = refusal(403, "reason_missing", "查看照片须写明理由", "a photo is shown for a stated reason only");
    inspector.may_not_see(&format!("/v1/photos/{hash}"), &why)?;
    let shown = inspector.api.ask(("GET", &format!("/v1/photos/{hash}?reveal={}", quoted("复查"))), &[], &[])?;
    same("the photo", &shown.as_slice(), &pixel::photo(REMARK).as_slice())?;
    let no_such_item =
        json!({ "household": home, "by": inspector.code, "time_ms": 1, "checklist": 1, "answers": { "99": "ok" } });
    let known = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12";
    let expected = refusal(
        422,
        "item_unknown",
        &format!("answers.99：检查表没有这一项，现有：{known}"),
        &format!("answers.99: the checklist has no such item; write one of: {known}"),
    );
    inspector.is_refused("/v1/inspections", no_such_item, &expected)?;
    Ok(hazards)
}

fn makes_a_case(inspector: &Person<'_>, village: &str, hazard: &str) -> anyhow::Result<()> {
    let case = inspector.reports(village, "团结巷5号", "电动自行车室内充电")?;
    let number = text(&inspector.case(&case)?, "/number")?;
    let linked = inspector.runs(&["hazard", "link", hazard, "--case", &number])?;
    says(&linked, "/value/case", json!(case))?;
    inspector.looks_until("/v1/hazards?grade=severe", |told| says(told, "/rows/0/case", json!(case)))?;
    Ok(())
}

fn rechecks(inspector: &Person<'_>, hazard: &str) -> anyhow::Result<()> {
    let steps = format!("/v1/hazards/{hazard}/steps");
    inspector.is_refused(
        &steps,
        json!({ "step": "pass", "by": inspector.code }),
        &refusal(
            409,
            "wrong_state",
            "“复查合格”不能用于“待整改”的隐患",
            "a hazard that is open does not allow the step pass",
        ),
    )?;
    inspector.runs(&["hazard", "step", hazard, "report_done", "--by", "fd-1"])?;
    inspector.runs_in_vain(
        &["hazard", "step", hazard, "pass", "--by", "fd-1"],
        &refusal(
            409,
            "own_work",
            "整改人不能复查自己的整改",
            "whoever put a hazard right cannot recheck it: ask another inspector",
        ),
    )?;
    let closed = inspector.runs(&["hazard", "step", hazard, "pass", "--by", inspector.code])?;
    says(&closed, "/value/state", json!("closed"))
}

/// The vehicle passes what the center, unheard, fails: of the two the worse stands, and somebody is asked.
fn rechecks_while_cut_off(story: &Story<'_>, inspector: &Person<'_>, hazard: &str) -> anyhow::Result<()> {
    let steps = format!("/v1/hazards/{hazard}/steps");
    let center = story.person(CENTER, "xcy-2", "inspector")?;
    let vehicle = story.person(VEHICLE_1, "xcy-3", "inspector")?;
    inspector.records(&steps, json!({ "step": "report_done", "by": "fd-1" }))?;
    for other in [&center, &vehicle] {
        other.looks_until("/v1/hazards?state=recheck", |told| row(told, "document", &json!(hazard)).map(drop))?;
    }
    story.cut_off(VEHICLE_1);
    vehicle.records(&steps, json!({ "step": "pass", "by": vehicle.code }))?;
    center.records(&steps, json!({ "step": "fail", "by": center.code }))?;
    story.links_return();
    for one in [&center, &vehicle, inspector] {
        one.looks_until("/v1/hazards?state=rectifying", |told| row(told, "document", &json!(hazard)).map(drop))?;
    }
    let inbox = inspector.looks_until(&format!("/v1/conflicts?document={hazard}"), |inbox| {
        rows(inbox)?.iter().find(|one| one["subject"] == "state").map(drop).ok_or_else(|| anyhow::anyhow!("{inbox}"))
    })?;
    let state = rows(&inbox)?.iter().find(|one| one["subject"] == "state").cloned().unwrap_or_default();
    let sides: Vec<_> = state["sides"].as_array().into_iter().flatten().map(|side| side["value"].clone()).collect();
    same("what each side found", &sides, &vec![json!("rectifying"), json!("closed")])
}

fn answers(story: &Story<'_>, inspector: &Person<'_>, village: &str) -> anyhow::Result<()> {
    let intake = story.person(CENTER, "sly-1", "intake_clerk")?;
    let report = json!({ "source": "public", "place": "村西头", "description": "有人焚烧垃圾" });
    let reported =
        intake.records("/v1/cases", json!({ "actor": intake.actor(), "region": village, "report": report }))?;
    let case = text(&reported, "/document")?;
    let question = intake.does(&case, json!({ "ask_check": { "question": "现在还在烧吗？" } }))?;
    inspector.comes_to_see(&format!("/v1/cases/{case}"), "/folded/checks/0/question", json!("现在还在烧吗？"))?;
    let answer = json!({ "answer_check": { "question": question, "found": true, "answer": "仍在燃烧，已劝止" } });
    intake.cannot(&case, answer.clone(), &wrong_role("待受理"))?;
    inspector.does(&case, answer.clone())?;
    // Once is enough.
    inspector.cannot(
        &case,
        answer,
        &by_what_stands("decided_already", ("另一方已作同样决定", "somebody else had decided the same"), "待受理"),
    )?;
    intake.comes_to_see(&format!("/v1/cases/{case}"), "/folded/checks/0/answer/1", json!(true))?;
    Ok(())
}

fn does_not_handle_own_finding(story: &Story<'_>, inspector: &Person<'_>, village: &str) -> anyhow::Result<()> {
    let desks = Desks::at(story, VILLAGE_1)?;
    let case = inspector.reports(village, "团结巷口", "积存渣土")?;
    desks.intake.does(&case, json!("accept"))?;
    desks.duty_head.does(&case, file("rubble", "general"))?;
    let event = desks.dispatcher.does(&case, dispatch(&["hw-1"]))?;
    let lends_a_hand = inspector.as_role("handler");
    let finder =
        by_the_case("finder", ("发现人不得处置或审核本案", "the finder may not handle or judge this"), "处理中");
    lends_a_hand.cannot(&case, report_in(&event, 0), &finder)?;
    lends_a_hand.cannot(&case, done(&event, 0, "已清运"), &finder)?;
    inspector.cannot(&case, done(&event, 0, "已清运"), &wrong_role("处理中"))?;
    // Others do it, and whoever found it may say that it is gone.
    desks.handler.does(&case, done(&event, 0, "已清运"))?;
    desks.handler.does(&case, lead_close("hw-1"))?;
    inspector.does(&case, verify(true))?;
    says(&inspector.case(&case)?, "/state", json!("to_close"))
}

fn verifies(story: &Story<'_>, inspector: &Person<'_>, village: &str) -> anyhow::Result<()> {
    let desks = Desks::at(story, VILLAGE_1)?;
    let (case, event) = desks.dispatched(village, "团结巷尾", &["hw-1"])?;
    inspector.cannot(&case, verify(true), &wrong_state("处理中"))?;
    // Somebody who lends a hand as a handler has handled it.
    let helper = story.person(VILLAGE_1, "xcy-4", "inspector")?;
    helper.as_role("handler").does(&case, done(&event, 0, "已清运"))?;
    desks.handler.does(&case, lead_close("hw-1"))?;
    let handler = by_the_case("handler", ("处置人不得核查本案", "a handler of the case may not verify it"), "待核查");
    helper.cannot(&case, verify(true), &handler)?;
    inspector.does(&case, verify(false))?;
    let again = inspector.case(&case)?;
    says(&again, "/state", json!("filed"))?;
    says(&again, "/rework", json!(1))
}
