//! The command center: the desks, peace and emergency, demands that wait; and who answers for the ground of a case.

use super::*;

impl Node {
    async fn command(&self) -> Value {
        self.fetch("/v1/members").await;
        let (status, told) = self.fetch("/v1/command").await;
        assert_eq!(status, StatusCode::OK, "{told}");
        told
    }

    async fn record(&self, path: &str, body: Value) {
        let (status, answer) = self.post(path, &body).await;
        assert!(status.is_success(), "{path}: {answer}");
    }

    /// The case as it is shown once the views have followed.
    async fn case(&self, case: &str) -> Value {
        self.fetch("/v1/members").await;
        self.fetch(&format!("/v1/cases/{case}")).await.1
    }

    async fn demands(&self, case: &str, due_ms: i64) -> (StatusCode, Value) {
        let demand = json!({ "supervise": { "demand": "今天办完", "due_ms": due_ms } });
        let body = json!({ "actor": { "by": "zh-1", "role": "commander" }, "action": demand });
        self.post(&format!("/v1/cases/{case}/actions"), &body).await
    }
}

/// The desk with this code.
fn desk<'a>(told: &'a Value, code: &str) -> &'a Value {
    let desks = told["desks"].as_array().unwrap();
    desks.iter().find(|desk| desk["code"] == code).unwrap_or_else(|| panic!("{told}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_lies_on_the_desk_that_the_town_gives_it_to() {
    let node = Node::start().await;
    let case = node.dispatched("村东", 600).await;
    let told = node.command().await;
    let codes: Vec<&str> =
        told["desks"].as_array().unwrap().iter().map(|desk| desk["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["emergency", "hotline", "cameras", "enforcement", "grid"], "{told}");
    assert_eq!(desk(&told, "grid")["states"], json!([{ "state": "handling", "count": 1 }]), "{told}");
    assert_eq!((&desk(&told, "grid")["open"], &desk(&told, "hotline")["open"]), (&json!(1), &json!(0)), "{told}");
    assert_eq!((&told["elsewhere"], &told["mode"], &told["since_ms"]), (&json!(0), &json!("peace"), &Value::Null));
    assert_eq!(node.case(&case).await["desk"], "grid");
    let count = async |desk: &str| {
        let (_, listed) = node.fetch(&format!("/v1/cases?desk={desk}")).await;
        listed["rows"].as_array().map(Vec::len)
    };
    assert_eq!((count("grid").await, count("hotline").await, count("emergency").await), (Some(1), Some(0), Some(0)));
    let (status, refused) = node.fetch("/v1/cases?desk=kitchen").await;
    assert_eq!((status, code(&refused)), (StatusCode::BAD_REQUEST, "desk"), "{refused}");
    assert!(refused["message_en"].as_str().unwrap().contains("hotline"), "{refused}");
    let (status, csv) = node.fetch("/v1/export/cases?desk=grid").await;
    assert_eq!((status, csv.as_str().unwrap().lines().count()), (StatusCode::OK, 2), "{csv}");
    // The town takes what patrols report from the grid desk, and gives it to one of its own.
    let own = json!({ "code": "patrol", "chinese": "巡防席", "rank": 0, "sources": "patrol", "team": "xf-1" });
    node.record("/v1/tables/desk", json!({ "rows": [own] })).await;
    let told = node.command().await;
    assert_eq!((&desk(&told, "patrol")["open"], &desk(&told, "grid")["open"]), (&json!(1), &json!(0)), "{told}");
    assert_eq!((count("patrol").await, count("grid").await), (Some(1), Some(0)));
    let elsewhere = node.fetch("/v1/command?region=110115005002").await.1;
    assert_eq!(desk(&elsewhere, "patrol")["open"], 0, "{elsewhere}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_an_emergency_while_emergency_command_leads_a_response() {
    let node = Node::start().await;
    let response = |code: &str, level: &str, closed: Value| {
        let row = json!({ "code": code, "plan": "emergency", "level": level, "opened": "2026-11-01 08:00",
            "commander": "zh-1", "closed": closed });
        json!({ "rows": [row] })
    };
    node.record("/v1/books/response", response("R1", "daily", Value::Null)).await;
    let told = node.command().await;
    assert_eq!((&told["mode"], &told["responses"][0]["code"]), (&json!("peace"), &json!("R1")), "{told}");
    node.record("/v1/books/response", response("R2", "emergency", Value::Null)).await;
    let told = node.command().await;
    assert_eq!((&told["mode"], &told["since_ms"]), (&json!("emergency"), &json!(1_793_491_200_000_i64)), "{told}");
    assert_eq!(told["responses"].as_array().unwrap().len(), 2, "{told}");
    node.record("/v1/books/response", response("R2", "emergency", json!("2026-11-01 12:00"))).await;
    let told = node.command().await;
    assert_eq!((&told["mode"], told["responses"].as_array().unwrap().len()), (&json!("peace"), 1), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demand_says_by_when_it_wants_its_reply_and_is_late_after_that() {
    let node = Node::start().await;
    let case = node.dispatched("村东", 600).await;
    let now = crate::engine::now().cast_signed();
    let (status, refused) = node.demands(&case, now - 1).await;
    assert_eq!((status, code(&refused)), (StatusCode::UNPROCESSABLE_ENTITY, "time_order"), "{refused}");
    assert!(refused["message_en"].as_str().unwrap().contains("due_ms"), "{refused}");
    let later = now + 3_600_000;
    assert_eq!(node.demands(&case, later).await.0, StatusCode::OK);
    let shown = node.case(&case).await;
    assert_eq!((&shown["supervised"], &shown["reply_due_ms"]), (&json!(true), &json!(later)), "{shown}");
    assert_eq!(shown["folded"]["supervisions"][0]["by"], "zh-1", "{shown}");
    let told = node.command().await;
    assert_eq!(
        (&desk(&told, "grid")["supervised"], &desk(&told, "grid")["replies_late"]),
        (&json!(1), &json!(0)),
        "{told}"
    );
    let soon = crate::engine::now().cast_signed() + 2_000;
    assert_eq!(node.demands(&case, soon).await.0, StatusCode::OK);
    tokio::time::sleep(std::time::Duration::from_millis(2_100)).await;
    assert_eq!(node.case(&case).await["reply_due_ms"], soon, "the first of two");
    let told = node.command().await;
    assert_eq!(desk(&told, "grid")["replies_late"], 1, "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_answers_for_the_ground_of_a_case_is_told_by_grid_and_lane() {
    let node = Node::start().await;
    let case = node.dispatched("幸福路 3 号门前", 600).await;
    let shown = node.case(&case).await;
    assert_eq!((&shown["responsible"], &shown["grids"], &shown["lanes"]), (&Value::Null, &json!([]), &json!([])));
    let corners = json!([
        { "lat": 39.7, "lon": 116.3 }, { "lat": 39.7, "lon": 116.4 }, { "lat": 39.8, "lon": 116.4 }, { "lat": 39.8, "lon": 116.3 },
    ]);
    let grid = json!({ "region": REGION, "code": "W1", "name": "一格", "kind": "village", "polygon": corners,
        "inspectors": ["xc-1"], "responsible": "cz-9" });
    node.record("/v1/grids", grid).await;
    let of_region = json!({ "region": REGION, "category": "environment", "level": "village", "owner": "cun-1" });
    node.record("/v1/tables/responsibility", json!({ "rows": [of_region] })).await;
    let lane = json!({ "region": &REGION[..9], "name": "幸福路", "chief": "jxz-1", "deputy": "jxz-2" });
    node.record("/v1/tables/lane", json!({ "rows": [lane] })).await;
    let shown = node.case(&case).await;
    assert_eq!(
        (&shown["responsible"]["owner"], &shown["responsible"]["grid"]),
        (&json!("cun-1"), &Value::Null),
        "{shown}"
    );
    assert_eq!(
        (&shown["grids"][0]["code"], &shown["grids"][0]["responsible"], &shown["grids"][0]["inspectors"]),
        (&json!("W1"), &json!("cz-9"), &json!(["xc-1"])),
        "{shown}"
    );
    assert_eq!((&shown["lanes"][0]["chief"], &shown["lanes"][0]["deputy"]), (&json!("jxz-1"), &json!("jxz-2")));
    let of_grid = json!({ "region": REGION, "grid": "W1", "category": "environment", "level": "society", "owner": "gs-1",
        "person": "gs-7" });
    node.record("/v1/tables/grid_responsibility", json!({ "rows": [of_grid] })).await;
    let shown = node.case(&case).await;
    assert_eq!(
        (&shown["responsible"]["owner"], &shown["responsible"]["grid"], &shown["responsible"]["person"]),
        (&json!("gs-1"), &json!("W1"), &json!("gs-7")),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_delivered_when_a_node_of_its_team_has_it_and_seen_when_somebody_answers() {
    let node = Node::start().await;
    let case = node.dispatched("村东", 600).await;
    let delivery = async || node.case(&case).await["order_delivery"][0].clone();
    let told = delivery().await;
    assert_eq!((&told["delivered"], &told["nodes"], &told["seen_ms"]), (&Value::Null, &json!([]), &Value::Null));
    node.record("/v1/teams", json!({ "code": "hw-1", "name": "环卫一队", "nodes": ["hw-vehicle"] })).await;
    let told = delivery().await;
    let unknown = json!([{ "name": "hw-vehicle", "delivered": null, "heard_ms": null }]);
    assert_eq!((&told["delivered"], &told["nodes"]), (&Value::Null, &unknown), "no node has this name");
    node.record("/v1/teams", json!({ "code": "hw-1", "nodes": ["hw-vehicle", "Center"] })).await;
    let told = delivery().await;
    assert_eq!(told["delivered"], true, "the team works with this very node: {told}");
    let shown = node.case(&case).await;
    let order = json!({ "event": shown["orders"][0]["event"], "index": 0 });
    let body = json!({ "actor": { "by": "cz-1", "role": "handler" }, "action": { "acknowledge": { "order": order } } });
    node.record(&format!("/v1/cases/{case}/actions"), body).await;
    assert!(delivery().await["seen_ms"].is_i64());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_somebody_is_found_by_what_it_is_and_handed_over() {
    let node = Node::start().await;
    let case = node.dispatched("村东", 600).await;
    let act = async |by: &str, role: &str, action: Value| {
        let body = json!({ "actor": { "by": by, "role": role }, "action": action });
        node.post(&format!("/v1/cases/{case}/actions"), &body).await
    };
    let (_, told) = act("cz-1", "handler", json!({ "request_extension": { "minutes": 60, "reason": "缺车" } })).await;
    let count = async |wait: &str| {
        node.fetch("/v1/members").await;
        let (_, listed) = node.fetch(&format!("/v1/cases?waits={wait}")).await;
        listed["rows"].as_array().map(Vec::len)
    };
    assert_eq!((count("extension").await, count("void").await, count("reply").await), (Some(1), Some(0), Some(0)));
    assert_eq!(node.case(&case).await["waits"], json!(["extension"]));
    assert_eq!(desk(&node.command().await, "grid")["waiting"], 1);
    let request = told["value"]["event"].clone();
    assert_eq!(act("pq-1", "dispatcher", json!({ "approve": { "request": request } })).await.0, StatusCode::OK);
    assert_eq!(count("extension").await, Some(0));
    assert_eq!(code(&node.fetch("/v1/cases?waits=tea").await.1), "query");
    let message = json!({ "code": "M1", "to": "cz-1", "text": "速到村东", "sent": "2026-11-01 08:00", "by": "zh-1" });
    node.record("/v1/books/message", json!({ "rows": [message] })).await;
    let (_, handover) = node.fetch("/v1/handover").await;
    assert_eq!(handover["open"]["rows"][0]["document"], case, "{handover}");
    assert_eq!((&handover["under_way"]["rows"], &handover["messages"][0]["code"]), (&json!([]), &json!("M1")));
    assert_eq!(handover["command"]["mode"], "peace");
    let shown = node.case(&case).await;
    let order = json!({ "event": shown["orders"][0]["event"], "index": 0 });
    assert_eq!(act("cz-1", "handler", json!({ "acknowledge": { "order": order } })).await.0, StatusCode::OK);
    node.fetch("/v1/members").await;
    let (_, handover) = node.fetch("/v1/handover").await;
    assert_eq!(handover["under_way"]["rows"][0]["case"], case, "{handover}");
    assert_eq!(handover["unacknowledged"]["rows"], json!([]), "{handover}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_or_has_another_role_is_told_so_in_both_languages() {
    let node = Node::start().await;
    let case = node.dispatched("村东", 600).await;
    node.record("/v1/members", json!({ "code": "cz-1", "name": "处置甲", "roles": ["handler"] })).await;
    node.record("/v1/members", json!({ "code": "cz-2", "name": "处置乙", "roles": ["handler"], "retired": true }))
        .await;
    let comment = async |by: &str, role: &str| {
        let body = json!({ "actor": { "by": by, "role": role }, "action": { "comment": { "text": "到了" } } });
        node.post(&format!("/v1/cases/{case}/actions"), &body).await
    };
    assert_eq!(comment("cz-1", "handler").await.0, StatusCode::OK);
    let (status, refused) = comment("cz-1", "dispatcher").await;
    assert_eq!((status, code(&refused)), (StatusCode::FORBIDDEN, "member_role"), "{refused}");
    assert!(refused["message_zh"].as_str().unwrap().contains("处置队员"), "{refused}");
    let (status, refused) = comment("cz-2", "handler").await;
    assert_eq!((status, code(&refused)), (StatusCode::FORBIDDEN, "member_left"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_and_where_things_gather_become_a_case_each_once() {
    let node = Node::start().await;
    let corners = json!([
        { "lat": 39.7, "lon": 116.3 }, { "lat": 39.7, "lon": 116.4 }, { "lat": 39.8, "lon": 116.4 }, { "lat": 39.8, "lon": 116.3 },
    ]);
    node.record("/v1/grids", json!({ "region": REGION, "code": "W1", "kind": "village", "polygon": corners })).await;
    let least = json!([{ "threshold": "recurrence_case", "value": 2 }, { "threshold": "hot_spot_case", "value": 2 }]);
    node.record("/v1/tables/threshold", json!({ "rows": least })).await;
    for _ in 0..2 {
        // Handled on the spot and audited, so that the next one has come back.
        let report = json!({ "source": "patrol", "place": "村东", "description": "垃圾", "category": "exposed_rubbish",
            "position": { "lat": 39.72, "lon": 116.32 } });
        let body = json!({ "actor": { "by": "xc-1", "role": "inspector" }, "region": REGION, "report": report });
        let (_, answer) = node.post("/v1/cases", &body).await;
        let case = answer["value"]["document"].as_str().unwrap().to_owned();
        let claim = json!({ "handle_on_spot": { "result": "已清", "photos": [] } });
        let body = json!({ "actor": { "by": "xc-1", "role": "inspector" }, "action": claim });
        let (_, claimed) = node.post(&format!("/v1/cases/{case}/actions"), &body).await;
        assert_eq!(node.case(&case).await["waits"], json!(["audit"]));
        let audit = json!({ "audit": { "claim": claimed["value"]["event"], "valid": true } });
        let body = json!({ "actor": { "by": "zb-1", "role": "duty_head" }, "action": audit });
        node.record(&format!("/v1/cases/{case}/actions"), body).await;
    }
    let now = crate::engine::now().cast_signed();
    let open = async |of: &str| {
        node.fetch("/v1/members").await;
        let ask = json!({ "of": of, "from_ms": now - 3_600_000, "until_ms": now + 3_600_000,
            "actor": { "by": "fx-1", "role": "inspector" } });
        let (status, opened) = node.post("/v1/analysis/cases", &ask).await;
        assert_eq!(status, StatusCode::OK, "{opened}");
        opened["rows"].as_array().cloned().unwrap()
    };
    for (of, place, category) in
        [("recurrence", "反复发生：村东", "exposed_rubbish"), ("hot_spots", "热点方格", "safety")]
    {
        let opened = open(of).await;
        assert_eq!((opened.len(), &opened[0]["outcome"]), (1, &json!("created")), "{of}: {opened:?}");
        let again = open(of).await;
        assert_eq!((again.len(), &again[0]["outcome"]), (1, &json!("unchanged")), "{of}");
        assert_eq!(again[0]["document"], opened[0]["document"]);
        let shown = node.case(opened[0]["document"].as_str().unwrap()).await;
        assert!(shown["place"].as_str().unwrap().starts_with(place), "{shown}");
        assert_eq!((&shown["category"], &shown["source"]), (&json!(category), &json!("data")), "{shown}");
    }
}
