//! Orders to teams, handing over, and who is near.

use super::*;

impl Node {
    /// A case that was filed with so many emergency minutes and dispatched to a team.
    pub(super) async fn dispatched(&self, place: &str, minutes: u32) -> String {
        let act = async |id: &str, by: &str, role: &str, action: Value| {
            let body = json!({ "actor": { "by": by, "role": role }, "action": action });
            let (status, answer) = self.post(&format!("/v1/cases/{id}/actions"), &body).await;
            assert_eq!(status, StatusCode::OK, "{answer}");
        };
        let report = json!({
            "source": "patrol", "place": place, "description": "垃圾", "position": { "lat": 39.72, "lon": 116.32 },
        });
        let case = json!({ "actor": { "by": "xc-1", "role": "inspector" }, "region": REGION, "report": report });
        let (_, answer) = self.post("/v1/cases", &case).await;
        let id = answer["value"]["document"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        act(&id, "sly-1", "intake_clerk", json!("accept")).await;
        let file =
            json!({ "category": "exposed_rubbish", "severity": "general", "minutes": minutes, "clock": "emergency" });
        act(&id, "zb-1", "duty_head", json!({ "file": file })).await;
        let orders = json!([{ "team": "hw-1", "task": "清运" }]);
        act(&id, "pq-1", "dispatcher", json!({ "dispatch": { "orders": orders, "lead": 0 } })).await;
        self.fetch("/v1/members").await;
        id
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_listed_and_what_waits_is_handed_over() {
    let node = Node::start().await;
    let (soon, later) = (node.dispatched("村东", 600).await, node.dispatched("村西", 6_000).await);
    let count = async |query: &str| node.fetch(&format!("/v1/orders{query}")).await.1["rows"].as_array().map(Vec::len);
    assert_eq!(count("").await, Some(2));
    assert_eq!((count("?team=hw-1&status=sent").await, count("?team=hw-2").await), (Some(2), Some(0)));
    assert_eq!((count("?status=done").await, count("?region=110115005002").await), (Some(0), Some(0)));
    assert_eq!(count(&format!("?region={REGION}&limit=1")).await, Some(1));
    let (_, handover) = node.fetch("/v1/handover").await;
    let waiting = handover["unacknowledged"]["rows"].as_array().unwrap();
    assert_eq!(waiting.len(), 2, "{handover}");
    assert_eq!(waiting[0]["undelivered"], json!([]), "nobody else is to have it: {handover}");
    for part in ["red", "yellow", "supervised"] {
        assert_eq!(handover[part]["rows"], json!([]), "{handover}");
    }
    assert!(handover["completeness"]["except"].is_array(), "{handover}");
    let demand =
        json!({ "actor": { "by": "zh-1", "role": "commander" }, "action": { "supervise": { "demand": "今天办完" } } });
    assert_eq!(node.post(&format!("/v1/cases/{soon}/actions"), &demand).await.0, StatusCode::OK);
    node.fetch("/v1/members").await;
    let (_, handover) = node.fetch(&format!("/v1/handover?region={REGION}")).await;
    assert_eq!(handover["supervised"]["rows"][0]["document"], soon, "{handover}");
    let (_, elsewhere) = node.fetch("/v1/handover?region=110115005002").await;
    assert_eq!(elsewhere["unacknowledged"]["rows"], json!([]), "{later}: {elsewhere}");
    assert_eq!(code(&node.fetch("/v1/orders?status=lost").await.1), "query");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_told_by_radio_and_given_to_a_person_is_shown_so() {
    let node = Node::start().await;
    let case = node.dispatched("村东", 600).await;
    let (_, orders) = node.fetch("/v1/orders").await;
    let number = orders["rows"][0]["number"].as_str().unwrap().to_owned();
    let (status, order) = node.fetch(&format!("/v1/orders/{}", number.to_lowercase())).await;
    assert_eq!(
        (status, &order["index"], &order["person"], &order["conveyed"]),
        (StatusCode::OK, &json!(0), &Value::Null, &json!([]))
    );
    let named = json!({ "event": order["event"], "index": order["index"] });
    let act = async |by: &str, role: &str, action: Value| {
        let body = json!({ "actor": { "by": by, "role": role }, "action": action });
        node.post(&format!("/v1/cases/{case}/actions"), &body).await
    };
    let told = |at: i64| {
        json!({ "convey": { "order": named, "conveying": { "means": "radio", "speaker": "pq-1", "to": "鹰眼二号",
        "at_ms": at, "read_back": true, "words": "收到" } } })
    };
    let at = crate::engine::now().cast_signed() - 60_000;
    let (status, refused) = act("pq-1", "dispatcher", told(at + 24 * 3_600_000)).await;
    assert_eq!((status, code(&refused)), (StatusCode::UNPROCESSABLE_ENTITY, "in_future"), "{refused}");
    let (status, refused) = act("pq-1", "dispatcher", told(at - 24 * 3_600_000)).await;
    assert_eq!((status, code(&refused)), (StatusCode::UNPROCESSABLE_ENTITY, "told_before_sent"), "{refused}");
    assert!(refused["message_zh"].as_str().unwrap().contains("不可能"), "{refused}");
    assert_eq!(act("pq-1", "dispatcher", told(at)).await.0, StatusCode::OK);
    assert_eq!(
        act("nq-1", "back_office", json!({ "assign": { "order": named, "person": "P17" } })).await.0,
        StatusCode::OK
    );
    node.fetch("/v1/members").await;
    let (_, handover) = node.fetch("/v1/handover").await;
    let waiting = &handover["unacknowledged"]["rows"][0];
    assert_eq!((&waiting["conveyed_by"], &waiting["conveyed_ms"]), (&json!("radio"), &json!(at)), "{handover}");
    assert_eq!(waiting["person"], "P17", "it is told, not acknowledged: {handover}");
    let (_, shown) = node.fetch(&format!("/v1/cases/{case}")).await;
    let order = &shown["orders"][0];
    assert_eq!(
        (&order["conveyed"][0]["to"], &order["conveyed"][0]["words"]),
        (&json!("鹰眼二号"), &json!("收到")),
        "{shown}"
    );
    let (status, missing) = node.fetch("/v1/orders/0000000001").await;
    assert!(status == StatusCode::NOT_FOUND || status == StatusCode::BAD_REQUEST, "{missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_case_names_the_nearest_units() {
    let node = Node::start().await;
    assert_eq!(node.post("/v1/positions", &json!({ "lat": 39.73, "lon": 116.32 })).await.0, StatusCode::NO_CONTENT);
    let case = node.dispatched("村东", 600).await;
    let (_, shown) = node.fetch(&format!("/v1/cases/{case}")).await;
    assert_eq!(shown["nearest"][0]["distance_m"], 1_112, "{shown}");
    let (_, near) = node.fetch("/v1/positions?near=39.73,116.32").await;
    assert_eq!(near["rows"][0]["distance_m"], 0, "{near}");
    assert!(node.fetch("/v1/positions").await.1["rows"][0].get("distance_m").is_none());
    assert_eq!(code(&node.fetch("/v1/positions?near=here").await.1), "near");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_is_not_known_is_warned_of_once_the_town_keeps_a_list() {
    let node = Node::start().await;
    let warned = async |case: &str, by: &str, role: &str, action: Value| {
        let body = json!({ "actor": { "by": by, "role": role }, "action": action });
        let (status, answer) = node.post(&format!("/v1/cases/{case}/actions"), &body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        node.fetch("/v1/members").await;
        answer["value"]["warnings"].clone()
    };
    let case = node.dispatched("村东", 600).await;
    let whistle =
        |team: &str| json!({ "whistle": { "callers": ["hw-1"], "called": [{ "team": team, "task": "支援" }] } });
    assert_eq!(
        warned(&case, "pq-1", "dispatcher", whistle("xf-9")).await,
        Value::Null,
        "the town keeps no list of teams"
    );
    assert!(node.post("/v1/teams", &json!({ "code": "hw-1", "name": "环卫一队" })).await.0.is_success());
    assert!(node.post("/v1/members", &json!({ "code": "P17" })).await.0.is_success());
    node.fetch("/v1/members").await;
    let unknown = warned(&case, "pq-1", "dispatcher", whistle("xf-9")).await;
    assert_eq!((&unknown[0]["code"], unknown.as_array().map(Vec::len)), (&json!("team_unknown"), Some(1)), "{unknown}");
    assert!(unknown[0]["message_zh"].as_str().unwrap().contains("xf-9"), "{unknown}");
    assert_eq!(warned(&case, "pq-1", "dispatcher", whistle("ＨＷ－1")).await, Value::Null, "however it is written");
    let order = node.fetch("/v1/orders").await.1["rows"].as_array().unwrap().last().unwrap().clone();
    let assign = |person: &str| json!({ "assign": { "order": { "event": order["event"], "index": order["index"] }, "person": person } });
    assert_eq!(warned(&case, "nq-1", "back_office", assign("P18")).await[0]["code"], "member_unknown");
    assert_eq!(warned(&case, "nq-1", "back_office", assign("p17")).await, Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_says_how_it_should_be_handled() {
    let node = Node::start().await;
    let form = async |case: &str| {
        let (_, shown) = node.fetch(&format!("/v1/cases/{case}")).await;
        (shown["handling"]["form"].clone(), shown["handling"]["count"].clone())
    };
    let first = node.dispatched("村东", 600).await;
    assert_eq!(form(&first).await, (json!("alone"), json!(1)));
    node.dispatched("村东", 600).await;
    assert_eq!(form(&first).await, (json!("alone"), json!(1)), "a second report while it is open is no recurrence");
}
