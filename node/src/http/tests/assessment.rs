//! Figures by HTTP, with the cases behind them and how complete they are.

use super::*;

const PERIOD: &str = "from_ms=0&until_ms=99999999999999";

impl Node {
    /// A case that intake accepted and the duty head filed with a limit of so many minutes, or that of the table.
    pub(super) async fn filed(&self, minutes: Option<u32>) -> String {
        let by = |role: &str| json!({ "by": format!("x-{role}"), "role": role });
        let report = json!({ "source": "patrol", "place": "幸福路", "description": "暴露垃圾" });
        let body = json!({ "actor": by("inspector"), "region": REGION, "report": report });
        let (_, answer) = self.post("/v1/cases", &body).await;
        let id = answer["value"]["document"].as_str().unwrap().to_owned();
        let file = json!({ "file": { "category": "exposed_rubbish", "severity": "general", "minutes": minutes.unwrap_or(0), "clock": "emergency" } });
        for (role, action) in [("intake_clerk", json!("accept")), ("duty_head", file)] {
            let act = json!({ "actor": by(role), "action": action });
            let (status, answer) = self.post(&format!("/v1/cases/{id}/actions"), &act).await;
            assert!(status.is_success(), "{answer}");
        }
        id
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_of_a_period_are_told_with_their_completeness() {
    let node = Node::start().await;
    let case = node.filed(Some(60)).await;
    // Waits for the views.
    node.fetch(&format!("/v1/cases/{case}")).await;
    let (status, assessed) = node.fetch(&format!("/v1/assessment?{PERIOD}&by=region")).await;
    assert_eq!(status, StatusCode::OK, "{assessed}");
    assert_eq!((&assessed["total"]["filed"], &assessed["total"]["due"]), (&json!(1), &json!(0)));
    assert_eq!(assessed["total"]["rates"]["correct_filing"], json!(100.0));
    assert_eq!(assessed["total"]["rates"]["closing"], Value::Null, "nothing is due yet");
    assert_eq!(assessed["groups"][0]["group"], REGION);
    // Nobody else writes in this town.
    let now = assessed["now_ms"].as_i64().unwrap();
    let complete = &assessed["completeness"];
    assert!((complete["complete_to_ms"].as_i64().unwrap() - now).abs() < 60_000, "{complete}");
    assert_eq!((&complete["except"], &complete["rows"]), (&json!([]), &json!([])));
    let is_now = |answer: &Value| (answer["judged_to"][REGION].as_i64().unwrap() - now).abs() < 60_000;
    assert!(is_now(&assessed), "{assessed}");
    let (_, scores) = node.fetch(&format!("/v1/scores?{PERIOD}&role=handler")).await;
    assert!(is_now(&scores), "{scores}");
    let head = "role=duty_head&subject=x-duty_head&part=correct_filing";
    for (query, count) in
        [(head.to_owned(), 1), (format!("{head}&side=of"), 1), (head.replace("subject=x", "subject=y"), 0)]
    {
        let (status, behind) = node.fetch(&format!("/v1/scores/cases?{PERIOD}&{query}")).await;
        assert_eq!(
            (status, behind["rows"].as_array().map(Vec::len)),
            (StatusCode::OK, Some(count)),
            "{query}: {behind}"
        );
    }
    let (_, elsewhere) = node.fetch(&format!("/v1/assessment?{PERIOD}&region=110115005003")).await;
    assert_eq!(elsewhere["judged_to"], json!({}), "nothing of it is held here");
    let (_, behind) = node.fetch(&format!("/v1/assessment/cases?{PERIOD}&figure=filed&by=region&group={REGION}")).await;
    assert_eq!(behind["rows"][0]["document"], case.as_str());
    assert!(behind["rows"][0]["due_ms"].as_i64().unwrap() > now);
    let (_, behind) = node.fetch(&format!("/v1/assessment/cases?{PERIOD}&figure=overdue")).await;
    assert_eq!(behind["rows"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_period_or_group_that_makes_no_sense_is_refused_by_name() {
    let node = Node::start().await;
    for (path, code) in [
        ("/v1/assessment?from_ms=5&until_ms=5", "period"),
        ("/v1/assessment?from_ms=5", "query"),
        ("/v1/assessment?from_ms=1&until_ms=5&by=weather", "query"),
        ("/v1/assessment?from_ms=1&until_ms=5&group=a", "group"),
        ("/v1/assessment?from_ms=1&until_ms=5&figure=filed", "figure"),
        ("/v1/assessment/cases?from_ms=1&until_ms=5", "figure"),
        ("/v1/assessment/cases?from_ms=1&until_ms=5&figure=luck", "query"),
        ("/v1/assessment/cases?from_ms=1&until_ms=5&figure=filed&after=x", "cursor"),
        ("/v1/completeness?kind=weather", "kind"),
        ("/v1/completeness?region=x", "query"),
    ] {
        let (status, answer) = node.fetch(path).await;
        assert_eq!((status, answer["code"].as_str()), (StatusCode::BAD_REQUEST, Some(code)), "{path}: {answer}");
    }
    let (status, nothing) = node.fetch("/v1/completeness?region=110115005003").await;
    assert_eq!((status, &nothing["complete_to_ms"]), (StatusCode::OK, &Value::Null), "nothing of it is held here");
    let (_, all) = node.fetch("/v1/completeness").await;
    assert!(all["complete_to_ms"].is_i64());
}
