//! The dispatcher sends teams: one, several, several more by whistle. Decides on what teams ask for, tells orders on by
//! radio, and sorts out what two dispatchers sent without knowing of each other.

use serde_json::{Value, json};
use townmesh_node::demo::plan::{CENTER, VILLAGE_1};

use super::story::{Person, Story, by_what_stands, has, refusal, row, rows, same, says, text, wrong_role, wrong_state};
use super::work::{Desks, acknowledge, dispatch, order, orders};

pub(super) fn day(story: &Story<'_>) -> anyhow::Result<()> {
    let dispatcher = story.person(CENTER, "pq-1", "dispatcher")?;
    let desks = Desks::at(story, CENTER)?;
    let village = story.village(0)?;

    story.step("sends one team, then several with one that leads, then calls more by whistle");
    sends(&dispatcher, &desks, village)?;
    story.step("tells an order on by radio, and prints it");
    tells_on(&dispatcher, &desks, village)?;
    story.step("takes an order back from a team that is not the right one");
    takes_back(&dispatcher, &desks, village)?;
    story.step("gives more time, and stops the clock");
    gives_time(&dispatcher, &desks, village)?;
    story.step("settles what was sent twice while the village was cut off");
    settles_a_duplicate(story, &dispatcher, &desks, village)
}

fn sends(dispatcher: &Person<'_>, desks: &Desks<'_>, village: &str) -> anyhow::Result<()> {
    let accepted = desks.accepted(village, "一号地")?;
    dispatcher.cannot(&accepted, dispatch(&["hw-1"]), &wrong_state("待立案"))?;
    let one = desks.filed(village, "二号地")?;
    desks.duty_head.cannot(&one, dispatch(&["hw-1"]), &wrong_role("待派遣"))?;
    let blank = refusal(
        422,
        "blank",
        "action.orders[0].team：不能为空白，请填写或不要给出",
        "action.orders[0].team: it is blank; fill it in or leave it out",
    );
    dispatcher.cannot(&one, dispatch(&[" "]), &blank)?;
    dispatcher.does(&one, dispatch(&["hw-1"]))?;
    says(&dispatcher.case(&one)?, "/state", json!("handling"))?;

    let several = desks.filed(village, "三号地")?;
    dispatcher.does(&several, dispatch(&["zf-1", "hw-1"]))?;
    let shown = dispatcher.case(&several)?;
    let leads = |shown: &Value| -> Vec<Option<bool>> {
        shown["orders"].as_array().into_iter().flatten().map(|one| one["lead"].as_bool()).collect()
    };
    same("who leads", &leads(&shown), &vec![Some(true), Some(false)])?;
    // Two units call two more: joint handling.
    let whistle = json!({ "whistle": { "callers": ["zf-1", "hw-1"], "called": orders(&["ga-1", "xf-1"]) } });
    dispatcher.does(&several, whistle)?;
    let shown = dispatcher.case(&several)?;
    says(&shown, "/state", json!("joint"))?;
    let listed = dispatcher.looks_until("/v1/orders?team=xf-1", |listed| has(listed, 1))?;
    says(row(&listed, "case", &json!(several))?, "/kind", json!("whistle"))
}

fn tells_on(dispatcher: &Person<'_>, desks: &Desks<'_>, village: &str) -> anyhow::Result<()> {
    let (case, _) = desks.dispatched(village, "四号地", &["yb-1"])?;
    let number = text(&dispatcher.case(&case)?, "/orders/0/number")?;
    let told = [
        "order",
        "convey",
        &number,
        "--by",
        dispatcher.code,
        "--role",
        dispatcher.role,
        "--means",
        "radio",
        "--to",
        "鹰眼二号",
        "--read-back",
        "收到，四号地",
    ];
    dispatcher.runs(&told)?;
    let shown = dispatcher.case(&case)?;
    says(&shown, "/orders/0/conveyed/0/words", json!("收到，四号地"))?;
    // Told is not acknowledged.
    says(&shown, "/orders/0/status", json!("sent"))?;
    let sheet = dispatcher.api.ask(("GET", &format!("/v1/orders/{number}/sheet")), &[], &[])?;
    let sheet = String::from_utf8(sheet)?;
    anyhow::ensure!(
        sheet.contains(&number) && sheet.contains("四号地"),
        "expected a sheet with number and place: {sheet}"
    );
    let handler = ["order", "convey", &number, "--by", "cz-9", "--role", "handler", "--means", "phone", "--to", "甲"];
    dispatcher.runs_in_vain(&handler, &wrong_role("处理中"))
}

fn takes_back(dispatcher: &Person<'_>, desks: &Desks<'_>, village: &str) -> anyhow::Result<()> {
    let (case, event) = desks.dispatched(village, "五号地", &["yl-1"])?;
    let ask = json!({ "request_return": { "order": order(&event, 0), "reason": "不属于园林职责" } });
    let request = desks.handler.does(&case, ask)?;
    let approve = json!({ "approve": { "request": request } });
    desks.handler.cannot(&case, approve.clone(), &wrong_role("处理中"))?;
    dispatcher.does(&case, approve.clone())?;
    let shown = dispatcher.case(&case)?;
    says(&shown, "/state", json!("filed"))?;
    says(&shown, "/orders/0/status", json!("returned"))?;
    dispatcher.cannot(&case, approve, &wrong_state("待派遣"))?;
    let again = dispatcher.does(&case, dispatch(&["hw-1"]))?;
    desks.handler.does(&case, acknowledge(&again, 0)).map(drop)
}

fn gives_time(dispatcher: &Person<'_>, desks: &Desks<'_>, village: &str) -> anyhow::Result<()> {
    let (case, _) = desks.dispatched(village, "六号地", &["hw-1"])?;
    let due = |shown: &Value| shown["due_ms"].as_i64();
    let first = due(&dispatcher.case(&case)?);
    let more = json!({ "request_extension": { "minutes": 480, "reason": "需大型机械" } });
    let request = desks.handler.does(&case, more)?;
    let approve = |request: &str| json!({ "approve": { "request": request } });
    dispatcher.does(&case, approve(&request))?;
    let shown = dispatcher.case(&case)?;
    anyhow::ensure!(due(&shown) > first, "expected a later deadline than {first:?}: {shown}");
    let decided = by_what_stands("request_decided", ("该申请已审批", "the request is decided already"), "处理中");
    dispatcher.cannot(&case, approve(&request), &decided)?;
    let halt = desks.handler.does(&case, json!({ "request_suspension": { "reason": "等待产权单位" } }))?;
    dispatcher.does(&case, approve(&halt))?;
    let shown = dispatcher.case(&case)?;
    says(&shown, "/state", json!("suspended"))?;
    says(&shown, "/lamp", Value::Null)?;
    dispatcher.does(&case, json!("resume"))?;
    says(&dispatcher.case(&case)?, "/state", json!("handling"))
}

/// Both dispatches stand until a person says which; the other's order is called off and done by nobody.
fn settles_a_duplicate(
    story: &Story<'_>,
    dispatcher: &Person<'_>,
    desks: &Desks<'_>,
    village: &str,
) -> anyhow::Result<()> {
    let there = Desks::at(story, VILLAGE_1)?;
    let case = desks.filed(village, "七号地")?;
    there.dispatcher.comes_to_see_case(&case, "filed")?;
    story.cut_off(VILLAGE_1);
    dispatcher.does(&case, dispatch(&["zf-1"]))?;
    let local = there.dispatcher.does(&case, dispatch(&["hw-7"]))?;
    story.links_return();
    let inbox = format!("/v1/conflicts?document={case}");
    let listed = dispatcher.looks_until(&inbox, |listed| has(listed, 1))?;
    let conflict = &rows(&listed)?[0];
    says(conflict, "/kind", json!("duplicate_dispatch"))?;
    let sides = conflict["sides"].as_array().cloned().unwrap_or_default();
    let own = sides.iter().find(|side| side["orders"][0]["team"] == "zf-1").cloned().unwrap_or_default();
    let settle = format!("/v1/conflicts/{}/settle", text(conflict, "/id")?);
    let keep = |actor: Option<Value>| {
        let mut keep = json!({ "revision": conflict["revision"], "action": "keep", "side": own["side"] });
        if let Some(actor) = actor {
            keep["actor"] = actor;
        }
        keep
    };
    let nobody = refusal(
        422,
        "actor_missing",
        "缺少裁定人及其角色：案卷冲突须由有权的角色裁定",
        "who settles, and in which role, is missing: a conflict of a case is settled by somebody with the right to",
    );
    dispatcher.is_refused(&settle, keep(None), &nobody)?;
    dispatcher.is_refused(&settle, keep(Some(desks.handler.actor())), &wrong_role("处理中"))?;
    dispatcher.records(&settle, keep(Some(dispatcher.actor())))?;
    there.dispatcher.looks_until(&format!("/v1/cases/{case}"), |shown| {
        let orders = json!({ "rows": shown["orders"] });
        says(row(&orders, "team", &json!("hw-7"))?, "/status", json!("called_off"))?;
        says(row(&orders, "team", &json!("zf-1"))?, "/status", json!("sent"))
    })?;
    let called_off = by_what_stands("order_closed", ("该任务已结束", "the order is finished already"), "处理中");
    there.handler.cannot(&case, acknowledge(&local, 0), &called_off)
}
