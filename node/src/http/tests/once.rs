//! Requests that are sent again because their answer was lost.

use super::revocations::text;
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

#[tokio::test(flavor = "multi_thread")]
async fn what_found_nothing_to_do_was_not_carried_out() {
    let node = Node::start().await;
    let household = node.household("幸福路1号").await;
    let resident = json!({ "personal": { "name": "离去" } });
    let (_, answer) = node.post(&format!("/v1/households/{household}/residents"), &resident).await;
    let resident = answer["value"]["resident"].clone();
    let authority = text(&node.authority);
    let erase = |resident: &Value| json!({ "authority": authority, "document": household, "resident": resident });
    let wrong = erase(&json!("00".repeat(8)));
    for _ in 0..2 {
        let (status, is_again, refused) = node.keyed("/v1/erase", "k-1", &wrong).await;
        assert_eq!((status, is_again, code(&refused)), (StatusCode::CONFLICT, false, "nothing_recorded"), "{refused}");
    }
    let (status, _, erased) = node.keyed("/v1/erase", "k-1", &erase(&resident)).await;
    assert_eq!((status, &erased["keys"]), (StatusCode::OK, &json!(1)), "corrected under its key: {erased}");
    let (status, is_again, again) = node.keyed("/v1/erase", "k-1", &erase(&resident)).await;
    assert_eq!((status, is_again, again), (StatusCode::OK, true, erased));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_several_steps_is_carried_out_with_its_answer() {
    let node = Node::start().await;
    let actor = json!({ "by": "xc-1", "role": "inspector" });
    let ask = json!({ "of": "contradictions", "from_ms": 0, "until_ms": 1_000, "actor": actor });
    let (status, is_again, first) = node.keyed("/v1/analysis/cases", "k-1", &ask).await;
    assert_eq!((status, is_again), (StatusCode::OK, false), "{first}");
    let (status, is_again, second) = node.keyed("/v1/analysis/cases", "k-1", &ask).await;
    assert_eq!((status, is_again, second), (StatusCode::OK, true, first));
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_json_however_its_type_is_written() {
    let node = Node::start().await;
    for (key, media_type) in [("k-1", "Application/JSON; charset=utf-8"), ("k-2", "application/vnd.town+json")] {
        for is_again in [false, true] {
            let mut request = node.request("POST", "/v1/cases", case("垃圾").to_string());
            request.headers_mut().insert("idempotency-key", key.parse().unwrap());
            request.headers_mut().insert(header::CONTENT_TYPE, media_type.parse().unwrap());
            let answer = node.router.clone().oneshot(request).await.unwrap();
            assert_eq!(answer.status(), StatusCode::CREATED, "{media_type}");
            assert_eq!(answer.headers().contains_key("idempotency-replayed"), is_again, "{media_type}");
        }
    }
    assert_eq!(node.count("/v1/cases").await, 2);
}
