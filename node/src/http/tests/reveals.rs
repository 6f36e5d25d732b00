//! Personal data is shown in clear only after that was noted.

use super::*;

async fn noted(node: &Node) -> Vec<Value> {
    let (status, answer) = node.fetch("/v1/reveals").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer["rows"].as_array().unwrap().clone()
}

/// Every way to see personal data, with what is noted of it.
fn ways(household: &str, photo: &str) -> [(String, &'static str, Value); 6] {
    [
        (format!("/v1/households/{household}?reveal="), "household", json!([household])),
        ("/v1/households?reveal=".into(), "list", json!([household])),
        ("/v1/conflicts?reveal=".into(), "conflicts", json!(null)),
        (format!("/v1/photos/{photo}?reveal="), "photo", json!([photo])),
        ("/v1/export?format=csv&reveal=".into(), "export", json!(null)),
        ("/v1/dump?reveal=".into(), "dump", json!(null)),
    ]
}

async fn with_photo() -> (Node, String, String) {
    let node = Node::start().await;
    let household = node.household("幸福路1号").await;
    let photo =
        node.request("POST", &format!("/v1/photos?household={household}"), crate::thumbnail::tests::jpeg(b"photo"));
    let (status, answer) = node.send(photo).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    let photo = answer["value"]["photo"].as_str().unwrap().to_owned();
    let (status, _) = node.fetch(&format!("/v1/households/{household}")).await;
    assert_eq!(status, StatusCode::OK, "the views have caught up");
    (node, household, photo)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reveal_is_noted_with_who_asked_and_why_and_nothing_else_is() {
    let (node, household, photo) = with_photo().await;
    for (path, ..) in ways(&household, &photo) {
        node.fetch(&path).await;
        node.fetch(path.split("reveal=").next().unwrap()).await;
    }
    assert_eq!(noted(&node).await, Vec::<Value>::new(), "without a reason nothing is shown");
    for (path, kind, documents) in ways(&household, &photo) {
        let mut request = node.request("GET", &format!("{path}visit"), Body::empty());
        request.headers_mut().insert(USER_HEADER, "clerk".parse().unwrap());
        let answer = node.router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let noted = noted(&node).await;
        let last = noted.last().unwrap();
        assert_eq!((&last["kind"], &last["reason"], &last["user"]), (&json!(kind), &json!("visit"), &json!("clerk")));
        assert_eq!(last["documents"], documents, "{last}");
        assert!(now() - last["time_ms"].as_u64().unwrap() < 3_600_000, "{last}");
    }
    let noted = noted(&node).await;
    assert_eq!(noted.len(), 6);
    assert_eq!((&noted[1]["count"], &noted[4]["count"], &noted[5]["count"]), (&json!(1), &json!(1), &json!(null)));
    let (_, page) = node.fetch("/v1/reveals?limit=4").await;
    let (_, rest) = node.fetch(&format!("/v1/reveals?after={}", page["next"].as_str().unwrap())).await;
    assert_eq!((rest["rows"].as_array().unwrap().len(), &rest["next"]), (2, &json!(null)));
    let (status, answer) = node.fetch("/v1/reveals?after=7").await;
    assert_eq!((status, code(&answer)), (StatusCode::BAD_REQUEST, "cursor"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_cannot_be_noted_nothing_is_shown() {
    let (node, household, photo) = with_photo().await;
    std::fs::create_dir(node._directory.path().join("reveals.jsonl")).unwrap();
    for (path, ..) in ways(&household, &photo) {
        let (status, answer) = node.fetch(&format!("{path}visit")).await;
        assert_eq!((status, code(&answer)), (StatusCode::INSUFFICIENT_STORAGE, "reveal_not_noted"), "{path}: {answer}");
        assert!(!answer.to_string().contains("甲乙"));
    }
    let (status, shown) = node.fetch(&format!("/v1/households/{household}")).await;
    assert_eq!((status, &shown["head"]["name"]), (StatusCode::OK, &json!("甲*")), "masked it is shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_needs_a_reason_and_a_reason_has_a_bound() {
    let (node, household, photo) = with_photo().await;
    let (missing, empty) = ((StatusCode::FORBIDDEN, "reason_missing"), (StatusCode::BAD_REQUEST, "reason_empty"));
    for (path, expected) in [("/v1/dump", missing), ("/v1/dump?reveal=%20", empty)] {
        let (status, answer) = node.fetch(path).await;
        assert_eq!((status, code(&answer)), expected, "{answer}");
    }
    let long = "x".repeat(crate::reveals::MAX_REASON + 1);
    for (path, ..) in ways(&household, &photo) {
        let (status, answer) = node.fetch(&format!("{path}{long}")).await;
        assert_eq!((status, code(&answer)), (StatusCode::BAD_REQUEST, "reason_too_long"), "{path}");
    }
    assert!(noted(&node).await.is_empty());
}

/// The address of a connection is known only to the server.
#[tokio::test(flavor = "multi_thread")]
async fn the_note_says_where_the_request_came_from() {
    let (node, household, _) = with_photo().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, node.router.clone(), Patience::default(), async { _ = stopped.await }));
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    let token = &node.file.token;
    let request = format!(
        "GET /v1/households/{household}?reveal=visit HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    client.write_all(request.as_bytes()).await.unwrap();
    let own = client.local_addr().unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(noted(&node).await[0]["peer"], own.to_string());
    stop.send(()).unwrap();
    server.await.unwrap();
}
