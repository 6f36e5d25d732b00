//! The commander presses where something drags, opens a response and knows who knows: every message is acknowledged, by
//! whom and how.

use serde_json::{Value, json};
use townmesh_node::demo::plan::{CENTER, VILLAGE_1};
use townmesh_node::demo::work::now_ms;

use super::story::{
    Person, Story, by_what_stands, has, refusal, role_not_held, row, same, says, text, wrong_role, wrong_state,
};
use super::work::Desks;

const MINUTE: i64 = 60_000;

pub(super) fn day(story: &Story<'_>) -> anyhow::Result<()> {
    let commander = story.person(CENTER, "zh-1", "commander")?;
    let village = story.village(0)?;
    for (code, name, role, phone) in [
        ("zh-1", "指挥长甲", "commander", "010-61234567"),
        ("ld-1", "镇长乙", "leader", "010-61234568"),
        ("cz-1", "队员丙", "handler", "13800138000"),
    ] {
        commander.records(
            "/v1/members",
            json!({ "code": code, "name": name, "roles": [role], "phone": phone, "region": village }),
        )?;
    }

    story.step("demands an answer, and gets one");
    supervises(story, &commander, village)?;
    story.step("opens a response, and sees whom to call");
    opens_a_response(&commander)?;
    story.step("tells step after step, until everybody knows");
    tells(&commander)?;
    story.step("reaches a village that is cut off by phone, and hears from it when the links return");
    tells_a_village_that_is_cut_off(story, &commander)?;
    story.step("ends the response, and commands nowhere but at the center");
    ends(story, &commander)
}

fn supervises(story: &Story<'_>, commander: &Person<'_>, village: &str) -> anyhow::Result<()> {
    let desks = Desks::at(story, CENTER)?;
    let there = Desks::at(story, VILLAGE_1)?;
    let (case, _) = desks.dispatched(village, "仓库", &["xf-1"])?;
    let demand = json!({ "supervise": { "demand": "今天 18 时前报告进展" } });
    desks.dispatcher.cannot(&case, demand.clone(), &wrong_role("处理中"))?;
    there.handler.comes_to_see_case(&case, "handling")?;
    there.handler.as_role("commander").cannot(&case, demand.clone(), &role_not_held("指挥长", "commander"))?;
    let event = commander.does(&case, demand.clone())?;
    let handover =
        commander.looks_until("/v1/handover", |told| says(told, "/supervised/rows/0/document", json!(case)))?;
    says(&handover, "/supervised/rows/0/supervised", json!(true))?;
    // It lies over the case and changes nothing of it.
    says(&commander.case(&case)?, "/state", json!("handling"))?;
    let reply = json!({ "reply": { "supervision": event, "answer": "已清出通道，余下今日完成" } });
    commander.cannot(&case, reply.clone(), &wrong_role("处理中"))?;
    there.handler.comes_to_do(&case, reply.clone())?;
    let answered =
        by_what_stands("decided_already", ("另一方已作同样决定", "somebody else had decided the same"), "处理中");
    there.handler.cannot(&case, reply, &answered)?;
    commander.comes_to_see(&format!("/v1/cases/{case}"), "/supervised", json!(false))?;
    let closed = desks.closed(village, "仓库后门")?;
    commander.cannot(&closed, demand, &wrong_state("已结案"))
}

fn opens_a_response(commander: &Person<'_>) -> anyhow::Result<()> {
    let response = json!({
        "code": "XY-1", "plan": "emergency", "level": "emergency", "opened": now_ms() - 10 * MINUTE, "commander": "zh-1",
        "reason": "仓库起火",
    });
    commander.records("/v1/books/response", json!({ "rows": [response] }))?;
    let told = commander.runs(&["response", "XY-1"])?;
    same("steps of the ladder", &told["steps"].as_array().map(Vec::len), &Some(5))?;
    // Report to the town government first, and command at once: that step is late by now, and named with whom to call.
    says(&told, "/steps/0/state", json!("open"))?;
    says(&told, "/steps/0/is_late", json!(true))?;
    says(&told, "/steps/0/calls/0/to", json!("ld-1"))?;
    says(&told, "/steps/0/calls/0/phone", json!("010-61234568"))?;
    says(&told, "/steps/1/calls/0/to", json!("zh-1"))
}

/// A message of the response to one recipient, with what is added.
fn message(to: &str, step: u16, more: Value) -> Value {
    let mut row = json!({
        "code": format!("ZL-{step}"), "to": to, "text": "仓库起火，请按预案处置", "sent": now_ms(), "by": "zh-1",
        "response": "XY-1", "step": step, "means": "node",
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        row[name] = value.clone();
    }
    json!({ "rows": [row] })
}

fn tells(commander: &Person<'_>) -> anyhow::Result<()> {
    commander.records("/v1/books/message", message("ld-1", 1, json!({ "means": "phone" })))?;
    let told = commander.looks_until("/v1/responses/XY-1", |told| says(told, "/steps/0/state", json!("told")))?;
    says(&told, "/unacknowledged", json!(1))?;
    // Who acknowledged must be said.
    let nobody = refusal(
        422,
        "rows",
        "没有录入，1 行有误：rows[0].acknowledged_by：不能为空白，请填写或不要给出",
        "nothing was recorded, 1 rows are wrong: rows[0].acknowledged_by: it is blank; fill it in or leave it out",
    );
    let acknowledged = now_ms() + 1_000;
    commander.is_refused("/v1/books/message", message("ld-1", 1, json!({ "acknowledged": acknowledged })), &nobody)?;
    let known = json!({ "acknowledged": acknowledged, "acknowledged_by": "ld-1", "read_back": "仓库起火，知道了" });
    commander.records("/v1/books/message", json!({ "rows": [{
        "code": "ZL-1", "to": "ld-1", "acknowledged": acknowledged, "acknowledged_by": "ld-1", "read_back": known["read_back"],
    }] }))?;
    let told =
        commander.looks_until("/v1/responses/XY-1", |told| says(told, "/steps/0/state", json!("acknowledged")))?;
    says(&told, "/steps/0/is_late", json!(false))?;
    says(&told, "/unacknowledged", json!(0))
}

fn tells_a_village_that_is_cut_off(story: &Story<'_>, commander: &Person<'_>) -> anyhow::Result<()> {
    let team = story.person(VILLAGE_1, "cz-1", "handler")?;
    team.looks_until("/v1/responses/XY-1", |told| says(told, "/steps/0/state", json!("acknowledged")))?;
    story.cut_off(VILLAGE_1);
    commander.records("/v1/books/message", message("cz-1", 3, json!({})))?;
    let told = commander.looks_until("/v1/responses/XY-1", |told| says(told, "/unacknowledged", json!(1)))?;
    says(&told, "/steps/2/state", json!("told"))?;
    let listed = commander.looks_until("/v1/books/message?filter=to=cz-1", |listed| has(listed, 1))?;
    let sent = text(&listed, "/rows/0/document")?;
    commander.looks_until(&format!("/v1/delivery?document={sent}"), |told| {
        says(row(told, "name", &json!(VILLAGE_1))?, "/delivered", json!(false))
    })?;
    // So it is told by phone, which is no acknowledgement of who has it to do.
    let set = ["book", "set", "message", "code=ZL-3", "to=cz-1", "means=phone", "taken_by=村值班室", "read_back=收到"];
    commander.runs(&set)?;
    has(&team.sees("/v1/books/message?filter=to=cz-1")?, 0)?;
    story.links_return();
    team.looks_until("/v1/books/message?filter=to=cz-1", |listed| says(listed, "/rows/0/taken_by", json!("村值班室")))?;
    let at = now_ms() + 1_000;
    team.records(
        "/v1/books/message",
        json!({ "rows": [{ "code": "ZL-3", "to": "cz-1", "acknowledged": at, "acknowledged_by": "cz-1" }] }),
    )?;
    commander.looks_until("/v1/responses/XY-1", |told| says(told, "/unacknowledged", json!(0)))?;
    Ok(())
}

fn ends(story: &Story<'_>, commander: &Person<'_>) -> anyhow::Result<()> {
    let over = json!({ "rows": [{ "code": "XY-1", "closed": now_ms() + MINUTE, "result": "明火已灭，无人受伤" }] });
    commander.records("/v1/books/response", over)?;
    let told = commander.looks_until("/v1/responses/XY-1", |told| says(told, "/is_closed", json!(true)))?;
    says(&told, "/steps/1/is_late", json!(false))?;
    let judged = json!({ "rows": [{
        "subject": "cz-1", "from": "2026-11-01", "to": "2026-11-30", "kind": "praise", "reason": "处置得当", "decided_by": "ld-1",
    }] });
    let team = story.person(VILLAGE_1, "cz-1", "handler")?;
    let denied = refusal(
        403,
        "denied",
        "本节点无权记录此内容",
        "this node may not record that: nobody acts on this node in a role that may record this: have it done where they do",
    );
    team.is_refused("/v1/books/consequence", judged, &denied)?;
    has(&commander.runs(&["escalations"])?, 0)
}
