//! The rules of cases over HTTP: drafted in tables, published, gone by.

use super::*;

impl Node {
    async fn publish(&self, without: &[&str]) -> (StatusCode, Value) {
        let revision = self.life_cycle().await["draft"]["revision"].take();
        let input = json!({ "by": "zhz-1", "why": "受理改由值班长负责", "without": without, "revision": revision });
        self.post("/v1/life-cycle", &input).await
    }

    async fn draft(&self, row: Value) {
        let (status, answer) = self.post("/v1/tables/transition", &json!({ "rows": [row] })).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }

    async fn life_cycle(&self) -> Value {
        let (status, shown) = self.fetch("/v1/life-cycle").await;
        assert_eq!(status, StatusCode::OK, "{shown}");
        shown
    }

    async fn export(&self, table: &str) -> String {
        let request = self.request("GET", &format!("/v1/tables/{table}?format=csv"), Body::empty());
        let answer = self.router.clone().oneshot(request).await.unwrap();
        String::from_utf8(to_bytes(answer.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_rules_are_read_back_from_the_file_that_they_are_exported_to() {
    let node = Node::start().await;
    for table in ["transition", "meeting"] {
        let exported = node.export(table).await;
        let (status, answer) =
            node.send(node.request("POST", &format!("/v1/tables/{table}/import"), exported.clone())).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let rows = exported.trim().lines().count() as u64 - 1;
        assert_eq!(
            (&answer["created"], &answer["changed"], &answer["unchanged"]),
            (&json!(0), &json!(0), &json!(rows))
        );
    }
    let shown = node.life_cycle().await;
    assert_eq!((&shown["in_force"], &shown["apart"], &shown["editions"]), (&Value::Null, &json!([]), &json!([])));
    assert_eq!(shown["draft"]["differs"], false, "{}", shown["draft"]);
    let (status, answer) = node.publish(&[]).await;
    assert_eq!((status, &answer["outcome"], &answer["edition"]), (StatusCode::OK, &json!("unchanged"), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_looked_through_published_and_gone_by() {
    let node = Node::start().await;
    node.draft(json!({ "step": "accept", "who": "duty_head" })).await;
    node.draft(json!({ "step": "order_done", "guards": "none" })).await;
    let draft = node.life_cycle().await["draft"].take();
    assert_eq!((&draft["differs"], &draft["broken"]), (&json!(true), &json!(["finder_handles_not"])), "{draft}");
    let changed: Vec<(&Value, &Value)> = draft["changes"]["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| (&rule["before"]["who"], &rule["after"]["who"]))
        .collect();
    assert_eq!(changed[0], (&json!("intake_clerk"), &json!("duty_head")));
    let (status, answer) = node.publish(&[]).await;
    assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, "promises_broken"), "{answer}");
    assert!(answer["message_zh"].as_str().unwrap().contains("发现人不处置"), "{answer}");
    let (status, answer) = node.publish(&["finder_handles_not"]).await;
    assert_eq!((status, &answer["outcome"]), (StatusCode::OK, &json!("created")), "{answer}");
    assert_eq!((&answer["edition"]["number"], &answer["edition"]["by"]), (&json!(1), &json!("zhz-1")));
    let report = json!({ "source": "patrol", "place": "村东", "description": "垃圾" });
    let case = json!({ "actor": { "by": "xcy-1", "role": "inspector" }, "region": REGION, "report": report });
    let (_, answer) = node.post("/v1/cases", &case).await;
    let id = answer["value"]["document"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    let (_, shown) = node.fetch(&format!("/v1/cases/{id}")).await;
    let accept = shown["steps"].as_array().unwrap().iter().find(|open| open["step"] == "accept").unwrap();
    assert_eq!(accept["who"], "duty_head", "what can be done now follows the rules in force");
    assert!(shown["steps"].as_array().unwrap().iter().all(|open| open["step"] != "dispatch"));
    let act = |role: &str| json!({ "actor": { "by": "p-1", "role": role }, "action": "accept" });
    let path = format!("/v1/cases/{id}/actions");
    let (status, answer) = node.post(&path, &act("intake_clerk")).await;
    assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, "wrong_role"), "{answer}");
    assert_eq!(node.post(&path, &act("duty_head")).await.0, StatusCode::OK);
    let (_, shown) = node.fetch(&format!("/v1/cases/{id}")).await;
    let editions: Vec<u64> =
        shown["timeline"].as_array().unwrap().iter().map(|entry| entry["edition"].as_u64().unwrap()).collect();
    assert_eq!(editions, [1, 1]);
    // What an edition changed is still told, and it can be taken back.
    let edition = node.life_cycle().await["in_force"]["id"].take();
    let edition = edition.as_str().unwrap();
    let (_, shown) = node.fetch(&format!("/v1/life-cycle/{edition}")).await;
    assert_eq!(shown["changes"]["rules"].as_array().map(Vec::len), Some(2), "{shown}");
    let (status, answer) = node.post("/v1/life-cycle/shipped/restore", &Value::Null).await;
    assert_eq!((status, &answer["changed"]), (StatusCode::OK, &json!(2)), "{answer}");
    assert_eq!(node.publish(&[]).await.1["edition"]["number"], 2);
    let now = node.life_cycle().await;
    let (_, shipped) = node.fetch("/v1/life-cycle/shipped").await;
    assert_eq!(now["rules"], shipped["rules"]);
    assert_eq!(node.fetch("/v1/life-cycle/00000000000000000000000000000000").await.0, StatusCode::NOT_FOUND);
    assert_eq!(node.fetch("/v1/life-cycle/first").await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_nobody_could_work_by_are_refused_in_both_languages() {
    let node = Node::start().await;
    node.draft(json!({ "step": "close", "retired": true })).await;
    let draft = node.life_cycle().await["draft"].take();
    let stuck = |one: &Value| one["chinese"] == "案卷进入“待结案”后无法离开";
    assert!(draft["unsound"].as_array().unwrap().iter().any(stuck), "{draft}");
    assert_eq!(draft["changes"]["rules"][0]["after"], Value::Null);
    let (status, answer) = node.publish(&[]).await;
    assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, "unsound"), "{answer}");
    let english = answer["message_en"].as_str().unwrap();
    assert!(english.contains("a case cannot leave"), "{english}");
    for (input, expected) in [
        (json!({ "by": "zhz-1" }), StatusCode::UNPROCESSABLE_ENTITY),
        (
            json!({ "by": "zhz-1", "why": "x", "revision": "00000000", "without": ["sleep"] }),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (json!({ "by": "", "why": "x", "revision": "00000000" }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "by": "zhz-1", "why": "x", "revision": "00000000" }), StatusCode::CONFLICT),
    ] {
        let (status, answer) = node.post("/v1/life-cycle", &input).await;
        assert_eq!(status, expected, "{answer}");
        assert!(!answer["message_zh"].as_str().unwrap().is_empty(), "{answer}");
    }
}
