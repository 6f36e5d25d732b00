//! Live changes: told as they come, resumed where a follower was.

use std::pin::Pin;

use futures::{Stream, StreamExt as _};

use super::*;

/// Somebody who follows: the lines of the events as they come.
struct Following(Pin<Box<dyn Stream<Item = String> + Send>>);

impl Following {
    /// The next event: its name, its id, and its data.
    async fn next(&mut self) -> (String, String, Value) {
        let text =
            tokio::time::timeout(Duration::from_secs(20), self.0.next()).await.unwrap().expect("the stream ended");
        let field = |name: &str| {
            let lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            lines.map(str::to_owned).next().unwrap_or_default()
        };
        (field("event"), field("id"), serde_json::from_str(&field("data")).unwrap_or_default())
    }
}

impl Node {
    async fn follow(&self, query: &str, last: Option<&str>) -> Result<Following, (StatusCode, Value)> {
        let mut request = self.request("GET", &format!("/v1/changes{query}"), Body::empty());
        if let Some(last) = last {
            request.headers_mut().insert("last-event-id", last.parse().unwrap());
        }
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        if status != StatusCode::OK {
            let bytes = to_bytes(answer.into_body(), 64 << 10).await.unwrap();
            return Err((status, serde_json::from_slice(&bytes).unwrap()));
        }
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/event-stream");
        let pieces = answer.into_body().into_data_stream();
        Ok(Following(Box::pin(pieces.map(|piece| String::from_utf8(piece.unwrap().to_vec()).unwrap()))))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_recorded_is_told_and_nothing_is_missed_by_whoever_was_away() {
    let node = Node::start().await;
    let mut desk = node.follow("?kinds=household,case", None).await.unwrap_or_else(|_| panic!("refused"));
    let (ready, start, _) = desk.next().await;
    assert_eq!(ready, "ready");
    // Not followed.
    node.post("/v1/members", &json!({ "code": "xc-1" })).await;
    let first = node.household("幸福路1号").await;
    let (event, id, data) = desk.next().await;
    assert_eq!(
        (event.as_str(), &data),
        ("changed", &json!({ "kind": "household", "document": first, "region": REGION }))
    );
    // What it says now can be read.
    let (_, listed) = node.fetch("/v1/households").await;
    assert_eq!(listed["rows"][0]["document"], first, "{listed}");
    drop(desk);
    let second = node.household("幸福路2号").await;
    for (query, last) in [("?kinds=household", Some(id.as_str())), (&format!("?kinds=household&after={id}"), None)] {
        let mut again = node.follow(query, last).await.unwrap_or_else(|_| panic!("refused"));
        assert_eq!(again.next().await.2["document"], second, "{query}");
    }
    let other = format!("{:x}-0", u64::from_str_radix(start.split('-').next().unwrap(), 16).unwrap() ^ 1);
    let mut lost = node.follow("", Some(&other)).await.unwrap_or_else(|_| panic!("refused"));
    let (anew, cursor, _) = lost.next().await;
    assert_eq!(anew, "anew");
    let mut foreign = node.follow("", Some("some other node's")).await.unwrap_or_else(|_| panic!("refused"));
    assert_eq!(foreign.next().await.0, "anew");
    assert!(cursor.starts_with(start.split('-').next().unwrap()), "{cursor} {start}");
}

/// Follows over a connection of its own until the stream ends; what it was told.
async fn followed_to_its_end(address: std::net::SocketAddr, token: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET /v1/changes HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut told = String::new();
    stream.read_to_string(&mut told).await.unwrap();
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_does_not_wait_for_its_followers() {
    let node = Node::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, (stop, stopped)) = (listener.local_addr().unwrap(), tokio::sync::oneshot::channel::<()>());
    let stopped = async { drop(stopped.await) };
    let serving = tokio::spawn(serve(listener, node.router.clone(), Patience::default(), stopped));
    let token = node.file.token.clone();
    let following = tokio::spawn(async move { followed_to_its_end(address, &token).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    drop(stop);
    // The farewell of those that do not end takes five seconds.
    tokio::time::timeout(Duration::from_secs(3), serving).await.expect("it waits for its follower").unwrap();
    assert!(following.await.unwrap().contains("event: ready"));
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_keep_nobody_from_a_list_while_much_is_recorded() {
    let node = Node::start().await;
    let mut followers = Vec::new();
    for _ in 0..64 {
        let mut follower = node.follow("", None).await.unwrap_or_else(|_| panic!("refused"));
        followers.push(tokio::spawn(async move {
            let mut seen = std::collections::BTreeSet::new();
            while seen.len() < 30 {
                let (_, _, data) = follower.next().await;
                seen.extend(data["document"].as_str().map(str::to_owned));
            }
        }));
    }
    for number in 0..30 {
        node.household(&format!("{number}号")).await;
        let listed = tokio::time::timeout(Duration::from_secs(5), node.fetch("/v1/households")).await;
        assert_eq!(listed.expect("the list waits").0, StatusCode::OK);
    }
    for follower in followers {
        tokio::time::timeout(Duration::from_secs(60), follower).await.expect("a follower misses something").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn following_is_bounded_and_wrong_wishes_are_refused() {
    let node = Node::start().await;
    for (query, last, expected) in [
        ("?after=nonsense", None, "change_id"),
        ("?kinds=blob", None, "kinds"),
        ("?kinds=houses", None, "kinds"),
        ("?region=town", None, "query"),
        ("?colour=red", None, "query"),
    ] {
        let refused = node.follow(query, last).await.err();
        let (status, answer) = refused.unwrap_or_else(|| panic!("{query} {last:?} was taken"));
        assert_eq!((status, code(&answer)), (StatusCode::BAD_REQUEST, expected), "{query}: {answer}");
    }
    let mut followers = Vec::new();
    loop {
        match node.follow("", None).await {
            Ok(follower) => followers.push(follower),
            Err((status, answer)) => {
                assert_eq!((status, code(&answer)), (StatusCode::SERVICE_UNAVAILABLE, "busy"), "{answer}");
                break;
            }
        }
        assert!(followers.len() <= 64, "following is not bounded");
    }
    assert_eq!(followers.len(), 64);
    // They keep nobody from anything else, and leave their place.
    assert_eq!(node.fetch("/v1/status").await.0, StatusCode::OK);
    followers.pop();
    assert!(node.follow("", None).await.is_ok());
}
