//! The handler gets an order, says that it was read, that they are there, that it is done, and shows it. Somebody else says
//! whether it is good.

use serde_json::{Value, json};
use townmesh_node::demo::plan::{CENTER, VEHICLE_1};

use super::story::{Person, Story, by_the_case, by_what_stands, has, role_not_held, row, says, text, wrong_role};
use super::work::{Desks, acknowledge, dispatch, done, lead_close, order, report_in, verify};
use crate::pixel;

const REMARK: &[u8] = b"a clean street";

pub(super) fn day(story: &Story<'_>) -> anyhow::Result<()> {
    let handler = story.person(VEHICLE_1, "cz-1", "handler")?;
    let desks = Desks::at(story, CENTER)?;
    let village = story.village(0)?;

    story.step("gets an order out on the road, reads it, drives there, does it and shows that it is done");
    let case = does_an_order(story, &handler, &desks, village)?;
    story.step("does not judge it");
    handler.cannot(&case, verify(true), &wrong_role("待核查"))?;
    let vehicle_inspector = handler.as_role("inspector");
    let own = by_the_case("handler", ("处置人不得核查本案", "a handler of the case may not verify it"), "待核查");
    vehicle_inspector.cannot(&case, verify(true), &own)?;
    story.step("works with another team, and only the one that leads says that all is done");
    works_with_others(&handler, &desks, village)?;
    story.step("asks for more time and to be rid of an order, and decides neither");
    asks(&handler, &desks, village)?;
    story.step("goes on while cut off, and nobody is blamed for what could not arrive");
    goes_on_alone(story, &handler, &desks, village)
}

fn does_an_order(story: &Story<'_>, handler: &Person<'_>, desks: &Desks<'_>, village: &str) -> anyhow::Result<String> {
    let (case, event) = desks.dispatched(village, "西口", &["wd-1"])?;
    let listed = handler.looks_until("/v1/orders?team=wd-1", |listed| has(listed, 1))?;
    let read = row(&listed, "case", &json!(case))?;
    says(read, "/task", json!("到场清理"))?;
    // Nobody acts here in another role than the vehicle's own.
    let sends = handler.as_role("dispatcher");
    sends.cannot(&case, dispatch(&["hw-2"]), &role_not_held("派遣员", "dispatcher"))?;
    let act = |action: &Value| {
        let words =
            ["case", "act", &case, "--by", handler.code, "--role", handler.role, "--action", &action.to_string()]
                .map(str::to_owned);
        handler.runs(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    act(&acknowledge(&event, 0))?;
    act(&report_in(&event, 0))?;
    let photo = story.file("done.png", pixel::photo(REMARK))?;
    let kept = handler.runs(&["photo", "record", &photo, "--region", village])?;
    let evidence = json!({ "order_done": { "order": order(&event, 0), "result": "已清运两车", "photos": [kept["value"]["photo"]] } });
    act(&evidence)?;
    handler.does(&case, lead_close("wd-1"))?;
    let shown = desks.inspector.comes_to_see_case(&case, "to_verify")?;
    says(&shown, "/orders/0/result", json!("已清运两车"))?;
    says(&shown, "/orders/0/done_by", json!(handler.code))?;
    let timeline = json!({ "rows": shown["timeline"] });
    let told = row(&timeline, "step", &json!("order_done"))?;
    says(told, "/action/order_done/photos/0", kept["value"]["photo"].clone())?;
    Ok(case)
}

fn works_with_others(handler: &Person<'_>, desks: &Desks<'_>, village: &str) -> anyhow::Result<()> {
    let (case, event) = desks.dispatched(village, "北口", &["wd-1", "xf-1"])?;
    handler.comes_to_see_case(&case, "handling")?;
    handler.does(&case, done(&event, 0, "路已清"))?;
    let open = by_what_stands("orders_open", ("仍有任务未完成", "orders are still open"), "处理中");
    handler.cannot(&case, lead_close("wd-1"), &open)?;
    handler.does(&case, done(&event, 1, "消防通道已畅通"))?;
    let not_lead = by_the_case("not_lead", ("只有牵头单位可以办结", "only the leading team may do this"), "处理中");
    handler.cannot(&case, lead_close("xf-1"), &not_lead)?;
    let finished = by_what_stands("order_closed", ("该任务已结束", "the order is finished already"), "处理中");
    handler.cannot(&case, done(&event, 1, "又一次"), &finished)?;
    handler.does(&case, lead_close("wd-1"))?;
    says(&handler.case(&case)?, "/state", json!("to_verify"))
}

fn asks(handler: &Person<'_>, desks: &Desks<'_>, village: &str) -> anyhow::Result<()> {
    let (case, event) = desks.dispatched(village, "东口", &["wd-1"])?;
    handler.comes_to_see_case(&case, "handling")?;
    let more = handler.does(&case, json!({ "request_extension": { "minutes": 60, "reason": "道路封闭" } }))?;
    let give_back = json!({ "request_return": { "order": order(&event, 0), "reason": "不在巡区" } });
    let rid = handler.does(&case, give_back)?;
    for request in [&more, &rid] {
        handler.cannot(&case, json!({ "approve": { "request": request } }), &wrong_role("处理中"))?;
    }
    desks.dispatcher.comes_to_do(&case, json!({ "decline": { "request": rid, "reason": "仍由你队处理" } }))?;
    handler.comes_to_see(&format!("/v1/cases/{case}"), "/folded/requests/1/status", json!("declined"))?;
    Ok(())
}

/// What was sent has reached the vehicle, and is known to have; what came after has not, and is known not to have.
fn goes_on_alone(story: &Story<'_>, handler: &Person<'_>, desks: &Desks<'_>, village: &str) -> anyhow::Result<()> {
    desks.dispatcher.records("/v1/teams", json!({ "code": "wd-1", "nodes": [VEHICLE_1] }))?;
    let (case, event) = desks.dispatched(village, "南口", &["wd-1"])?;
    let delivery = format!("/v1/delivery?document={case}");
    let order_is_there = |case: &str, expected: bool| {
        let path = format!("/v1/cases/{case}");
        desks.dispatcher.comes_to_see(&path, "/order_delivery/0/delivered", json!(expected)).map(drop)
    };
    order_is_there(&case, true)?;
    let is_delivered =
        |expected: bool| move |told: &Value| says(row(told, "name", &json!(VEHICLE_1))?, "/delivered", json!(expected));
    desks.dispatcher.looks_until(&delivery, is_delivered(true))?;
    story.cut_off(VEHICLE_1);
    let news = desks.dispatcher.does(&case, json!({ "comment": { "text": "请带铁锹" } }))?;
    desks.dispatcher.looks_until(&delivery, is_delivered(false))?;
    // The order itself is there all the same; one that is sent now is not, and its team is not to blame.
    order_is_there(&case, true)?;
    let (later, _) = desks.dispatched(village, "桥下", &["wd-1"])?;
    order_is_there(&later, false)?;
    for step in [acknowledge(&event, 0), report_in(&event, 0), done(&event, 0, "已清理"), lead_close("wd-1")] {
        handler.does(&case, step)?;
    }
    says(&handler.case(&case)?, "/state", json!("to_verify"))?;
    says(&desks.dispatcher.case(&case)?, "/orders/0/status", json!("sent"))?;
    story.links_return();
    order_is_there(&later, true)?;
    let shown = desks.inspector.comes_to_see_case(&case, "to_verify")?;
    says(&shown, "/orders/0/status", json!("done"))?;
    let timeline = json!({ "rows": shown["timeline"] });
    says(row(&timeline, "event", &json!(news))?, "/effect", json!("applied"))?;
    let handled = text(&handler.case(&case)?, "/number")?;
    handler.runs(&["case", "show", &handled]).map(drop)
}
