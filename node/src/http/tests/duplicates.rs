//! Suspected duplicates of cases.

use super::*;

impl Node {
    async fn known(&self, report: Value) -> String {
        let mut known = json!({ "source": "public" });
        known.as_object_mut().unwrap().extend(report.as_object().unwrap().clone());
        let case = json!({ "actor": { "by": "sly-1", "role": "intake_clerk" }, "region": REGION, "report": known });
        let (status, answer) = self.post("/v1/cases", &case).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        answer["value"]["document"].as_str().unwrap().to_owned()
    }

    /// Ids of what a case may be a duplicate of, and why.
    async fn similar_to(&self, case: &str) -> Vec<(String, Value)> {
        let (status, answer) = self.fetch(&format!("/v1/cases/{case}/similar")).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let rows = answer["rows"].as_array().unwrap().iter();
        rows.map(|row| (row["document"].as_str().unwrap().to_owned(), row["alike"].clone())).collect()
    }
}

/// A place so many metres north of the village's gate.
fn at(metres: f64) -> Value {
    json!({ "lat": 39.73 + metres / 111_195.0, "lon": 116.32 })
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_of_what_may_be_one_problem_are_shown_to_intake() {
    let node = Node::start().await;
    let rubbish = |place: &str, metres: f64, words: &str| json!({ "place": place, "position": at(metres), "description": words, "category": "exposed_rubbish" });
    let first = node.known(rubbish("村东口", 0.0, "垃圾堆满路边没人清")).await;
    let near = node.known(rubbish("东门外", 90.0, "有人乱倒渣土")).await;
    node.known(rubbish("村西口", 400.0, "路边有一堆砖头")).await;
    let burning =
        json!({ "place": "村东口", "position": at(5.0), "description": "有人烧秸秆", "category": "open_burning" });
    node.known(burning).await;
    assert_eq!(node.similar_to(&first).await, [(near.clone(), json!(["near", "category"]))]);
    // Far away, but in the same words: somebody called twice and named another corner.
    let again = node.known(rubbish("村北口", 700.0, "垃圾堆满路边没人清！")).await;
    let similar = node.similar_to(&again).await;
    assert_eq!(similar[0], (first.clone(), json!(["category", "words"])), "{similar:?}");
    let (_, shown) = node.fetch(&format!("/v1/cases/{again}")).await;
    assert_eq!(shown["similar"][0]["document"], first, "{shown}");
    assert_eq!(shown["similar"][0]["metres"], 700, "{shown}");
    let (_, waiting) = node.fetch("/v1/cases/duplicates").await;
    let waiting: Vec<&str> =
        waiting["rows"].as_array().unwrap().iter().map(|row| row["document"].as_str().unwrap()).collect();
    assert_eq!(waiting, [first.as_str(), near.as_str(), again.as_str()]);
    // Once intake has decided nothing more is asked of it.
    let act = |action: Value| json!({ "actor": { "by": "sly-1", "role": "intake_clerk" }, "action": action });
    let merge = act(json!({ "merge": { "into": first } }));
    assert_eq!(node.post(&format!("/v1/cases/{again}/actions"), &merge).await.0, StatusCode::OK);
    assert_eq!(node.post(&format!("/v1/cases/{near}/actions"), &act(json!("accept"))).await.0, StatusCode::OK);
    node.fetch("/v1/members").await;
    let (_, waiting) = node.fetch(&format!("/v1/cases/duplicates?region={REGION}")).await;
    assert_eq!(waiting["rows"].as_array().map(Vec::len), Some(1), "{waiting}");
    let (_, accepted) = node.fetch(&format!("/v1/cases/{near}")).await;
    assert_eq!(accepted["similar"], json!([]), "{accepted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn before_somebody_reports_they_are_told_what_is_known() {
    let node = Node::start().await;
    let first = node.known(json!({ "place": "村东口", "description": "井盖破损" })).await;
    let ask = async |query: &str| node.fetch(&format!("/v1/cases/similar?region={REGION}&{query}")).await;
    node.similar_to(&first).await;
    let (status, found) = ask("place=%E6%9D%91%E4%B8%9C%E5%8F%A3").await;
    assert_eq!((status, &found["rows"][0]["document"]), (StatusCode::OK, &json!(first)), "{found}");
    assert_eq!(found["rows"][0]["alike"], json!(["place"]), "{found}");
    let week = 8 * 24 * 3_600_000;
    let late = crate::engine::now().cast_signed() + week;
    assert_eq!(ask(&format!("place=%E6%9D%91%E4%B8%9C%E5%8F%A3&noticed_ms={late}")).await.1["rows"], json!([]));
    assert_eq!(ask("near=39.73,116.32").await.1["rows"], json!([]), "nothing is known of that place");
    assert_eq!(code(&ask("near=there").await.1), "near");
    let missing = "0123456789abcdef0123456789abcdef";
    assert_eq!(node.fetch(&format!("/v1/cases/{missing}/similar")).await.0, StatusCode::NOT_FOUND);
}
