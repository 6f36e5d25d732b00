//! Hazards: due by their grade, put right by others than who found them, with evidence.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_hazard_has_a_date_a_history_and_a_case_and_is_told_when_it_is_overdue() {
    let node = Node::start().await;
    let household = node.household("幸福路2号").await;
    let week = 7 * 24 * 3_600_000;
    let found_ms = now() - 3 * week;
    // An e-bike charged indoors (severe: a day) and no extinguisher (general: five working days).
    let inspection = json!({ "household": household, "by": "xcy-1", "time_ms": found_ms, "checklist": 1,
        "answers": { "4": "hazard", "10": "hazard" } });
    let (status, answer) = node.post("/v1/inspections", &inspection).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    let severe = answer["value"]["hazards"][0].as_str().unwrap().to_owned();
    let listed = async |query: &str| {
        // The views follow whoever asks for one household.
        node.fetch(&format!("/v1/households/{household}")).await;
        let (status, answer) = node.fetch(&format!("/v1/hazards?{query}")).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer["rows"].as_array().unwrap().clone()
    };
    let overdue = listed("overdue=true").await;
    assert_eq!(overdue.len(), 2, "{overdue:?}");
    let of_severe = overdue.iter().find(|row| row["document"] == json!(severe)).unwrap();
    assert_eq!(of_severe["due_ms"], json!(found_ms + 24 * 3_600_000));
    let steps = format!("/v1/hazards/{severe}/steps");
    let photo = "ab".repeat(32);
    let done = |by: &str| json!({ "step": "report_done", "by": by, "note": "已清理", "photos": [photo] });
    for (body, status, expected) in [
        (done("XCY-1"), StatusCode::UNPROCESSABLE_ENTITY, "finder"),
        (json!({ "step": "report_done", "by": "csd-7", "photos": ["x"] }), StatusCode::UNPROCESSABLE_ENTITY, "body"),
        (json!({ "step": "pass", "by": "xcy-2" }), StatusCode::CONFLICT, "wrong_state"),
    ] {
        let (found, answer) = node.post(&steps, &body).await;
        assert_eq!((found, code(&answer)), (status, expected), "{answer}");
    }
    let (status, answer) = node.post(&steps, &done("csd-7")).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let (status, answer) = node.post(&steps, &json!({ "step": "pass", "by": "csd-7" })).await;
    assert_eq!((status, code(&answer)), (StatusCode::CONFLICT, "own_work"), "{answer}");
    let row = listed("state=recheck").await.remove(0);
    let told = json!({ "step": "report_done", "by": "csd-7", "role": "handler", "note": "已清理", "photos": [photo] });
    let mut deed = row["steps"][0].clone();
    deed.as_object_mut().unwrap().remove("at_ms");
    assert_eq!(deed, told, "{row}");
    assert_eq!(listed("overdue=true").await.len(), 1, "what is said to be done is not overdue");
    let report = json!({ "source": "patrol", "place": "村口", "description": "隐患" });
    let body = json!({ "actor": { "by": "xcy-1", "role": "inspector" }, "region": REGION, "report": report });
    let case = node.post("/v1/cases", &body).await.1["value"]["document"].clone();
    let (status, answer) = node.post(&format!("/v1/hazards/{severe}/case"), &json!({ "case": case })).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let linked = listed(&format!("case={}", case.as_str().unwrap())).await;
    assert_eq!((linked.len(), &linked[0]["document"]), (1, &json!(severe)), "the hazard of a case");
}
