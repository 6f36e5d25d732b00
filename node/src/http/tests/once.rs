//! Requests that are sent again because their answer was lost.

use super::*;

impl Node {
    async fn keyed(&self, path: &str, key: &str, body: &Value) -> (StatusCode, bool, Value) {
        let mut request = self.request("POST", path, body.to_string());
        request.headers_mut().insert("idempotency-key", key.parse().unwrap());
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (status, is_again) = (answer.status(), answer.headers().contains_key("idempotency-replayed"));
        let bytes = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, is_again, if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() })
    }

    async fn count(&self, path: &str) -> usize {
        self.fetch("/v1/members").await;
        let (_, listed) = self.fetch(path).await;
        listed["rows"].as_array().map_or(0, Vec::len)
    }
}

fn case(words: &str) -> Value {
    let report = json!({ "source": "public", "place": "村东", "description": words });
    json!({ "actor": { "by": "sly-1", "role": "intake_clerk" }, "region": REGION, "report": report })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_sent_again_is_carried_out_once() {
    let node = Node::start().await;
    let (status, is_again, first) = node.keyed("/v1/cases", "k-1", &case("垃圾")).await;
    assert_eq!((status, is_again), (StatusCode::CREATED, false), "{first}");
    let again = node.keyed("/v1/cases", "k-1", &case("垃圾")).await;
    assert_eq!(again, (StatusCode::CREATED, true, first.clone()));
    let (status, _, refused) = node.keyed("/v1/cases", "k-1", &case("渣土")).await;
    assert_eq!((status, code(&refused)), (StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_used"), "{refused}");
    let elsewhere = node.keyed("/v1/cases?x=1", "k-1", &case("垃圾")).await;
    assert_eq!(code(&elsewhere.2), "idempotency_key_used", "the path is part of what is asked");
    assert_eq!(node.keyed("/v1/cases", "k-2", &case("垃圾")).await.0, StatusCode::CREATED);
    assert_eq!(node.count("/v1/cases").await, 2, "under another key it is another report");
    for _ in 0..2 {
        assert_eq!(node.post("/v1/cases", &case("垃圾")).await.0, StatusCode::CREATED);
    }
    assert_eq!(node.count("/v1/cases").await, 4, "without a key each is one");
    // What answers nothing is answered so again.
    let here = json!({ "lat": 39.73, "lon": 116.32 });
    for is_again in [false, true] {
        let told = node.keyed("/v1/positions", "k-3", &here).await;
        assert_eq!(told, (StatusCode::NO_CONTENT, is_again, Value::Null));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_may_be_corrected_under_its_key() {
    let node = Node::start().await;
    let (status, ..) = node.keyed("/v1/cases", "k-1", &case(" ")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let (status, is_again, _) = node.keyed("/v1/cases", "k-1", &case("垃圾")).await;
    assert_eq!((status, is_again), (StatusCode::CREATED, false));
    for key in ["", " ", &"k".repeat(201)] {
        let (status, _, refused) = node.keyed("/v1/cases", key, &case("垃圾")).await;
        assert_eq!((status, code(&refused)), (StatusCode::BAD_REQUEST, "idempotency_key"), "{key:?}: {refused}");
    }
    assert_eq!(node.count("/v1/cases").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_come_at_once_one_is_carried_out() {
    let node = Node::start().await;
    let input = case("垃圾");
    let all = futures::future::join_all((0..16).map(|_| node.keyed("/v1/cases", "k-1", &input))).await;
    let created = all.iter().filter(|(status, is_again, _)| *status == StatusCode::CREATED && !is_again).count();
    assert_eq!(created, 1, "{all:?}");
    assert!(all.iter().all(|(status, _, answer)| match *status {
        StatusCode::CREATED => true,
        _ => code(answer) == "request_under_way",
    }));
    assert_eq!(node.count("/v1/cases").await, 1);
}
