use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower::ServiceExt as _;
use townmesh_crdt::certificate::{NodeRole, Statement};
use townmesh_crdt::enrol::{self, Place};
use townmesh_crdt::replica::Opening;
use townmesh_crdt::seal::FamilySecret;
use townmesh_crdt::store::Store;

mod analysis;
mod assessment;
mod authorities;
mod books;
mod changes;
mod command;
mod conflicts;
mod door_tags;
mod duplicates;
mod dwellings;
mod erasures;
mod evidence;
mod exports;
mod failures;
mod georeport;
mod grids;
mod hazards;
mod hotline;
mod invites;
mod ledgers;
mod life_cycle;
mod lists;
mod map;
mod moves;
mod once;
mod orders;
mod organisation;
mod personal;
mod photos;
mod presence;
mod registry;
mod reveals;
mod revocations;
mod tables;
mod town;
mod tracks;
mod values;

use super::*;
use crate::engine::{Parts, TownAdmission, now};
use crate::keys::IdentityFile;
use crate::views::Views;

const REGION: &str = "110115005001";

/// A center that runs in a temporary directory without a network.
struct Node {
    _directory: TempDir,
    engine: Engine,
    router: Router,
    file: ApiFile,
    authority: enrol::Authority,
}

impl Node {
    async fn start() -> Self {
        let (node, statements, secrets) = Self::joined().await;
        let job = move |replica: &mut townmesh_crdt::replica::Replica, now| {
            replica.keep_secrets(&secrets);
            Ok(replica.record_statements(statements, now)?)
        };
        node.engine.record(job).await.unwrap();
        node
    }

    /// A node that has heard from nobody, and what its town was founded with.
    async fn joined() -> (Self, Vec<Statement>, Vec<(String, FamilySecret)>) {
        let directory = tempfile::tempdir().unwrap();
        let data = DataDir::new(directory.path());
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let (year, month) = ("2026", "2026-11");
        let founded = enrol::found(&[REGION.to_owned(), "110115005002".to_owned()], year, month, 1, &mut rng);
        let place =
            Place { name: "center".into(), role: NodeRole::Center, regions: vec![], carries: vec![], acts_as: None };
        let invite = enrol::invite(&founded.authority, &place, &founded.secrets, 1, &mut rng).unwrap();
        let joined = enrol::redeem(&invite, &mut rng).unwrap();
        let identity = IdentityFile::of_joined(founded.authority.town, joined);
        let admission = Arc::new(TownAdmission::new(identity.town, &identity.chain));
        let store = data.store();
        let opener = move || {
            Ok(Opening {
                store: Store::open(&store)?,
                identity: identity.identity.clone(),
                town: identity.town,
                chain: identity.chain.clone(),
                rng: Box::new(ChaCha20Rng::seed_from_u64(4)),
                expect_data: false,
                beacon_interval: 60_000,
            })
        };
        let views = Some(Views::open(&data.views()).unwrap());
        let engine =
            Engine::start(Parts { opener: Box::new(opener), network: None, admission, views, disk: None }).unwrap();
        let file = ApiFile::new("127.0.0.1:8470".parse().unwrap()).unwrap();
        let router = Api::new(engine.clone(), data, Access::new(&file)).router();
        let router = router.layer(from_fn(openapi::tests::as_described));
        let node = Self { _directory: directory, engine, router, file, authority: founded.authority };
        (node, founded.statements, invite.secrets)
    }

    fn request(&self, method: &str, path: &str, body: impl Into<Body>) -> Request<Body> {
        let request = Request::builder().method(method).uri(path).header(header::HOST, "127.0.0.1:8470");
        let request = request.header(header::AUTHORIZATION, format!("Bearer {}", self.file.token));
        request.header(header::CONTENT_TYPE, "application/json").body(body.into()).unwrap()
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, Value) {
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let bytes = to_bytes(answer.into_body(), 64 << 20).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into_owned().into()))
    }

    async fn fetch(&self, path: &str) -> (StatusCode, Value) {
        self.send(self.request("GET", path, Body::empty())).await
    }

    async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        self.send(self.request("POST", path, body.to_string())).await
    }

    async fn lines(&self, request: Request<Body>) -> Vec<Value> {
        let answer = self.router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let bytes = to_bytes(answer.into_body(), 64 << 20).await.unwrap();
        bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }

    async fn household(&self, address: &str) -> String {
        let input = json!({ "household": { "region": REGION, "address": address, "owner": { "name": "甲乙" } } });
        let (status, answer) = self.post("/v1/households", &input).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        assert_eq!(answer["value"]["namespace"], format!("registry/{REGION}"));
        answer["value"]["document"].as_str().unwrap().to_owned()
    }
}

fn code(answer: &Value) -> &str {
    answer["code"].as_str().unwrap_or("no code")
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_without_the_token() {
    let node = Node::start().await;
    for path in [
        "/v1/status",
        "/v1/dump",
        "/v1/households",
        "/nowhere",
        "/",
        "/v1/../healthz",
        "//healthz",
        "/healthz/",
        "/HEALTHZ",
        "/%68ealthz",
    ] {
        for token in [None, Some("Bearer "), Some("Bearer wrong"), Some("Basic abc"), Some("Bearer")] {
            let request = Request::builder().uri(path).header(header::HOST, "localhost");
            let request =
                token.into_iter().fold(request, |request, token| request.header(header::AUTHORIZATION, token));
            let (status, answer) = node.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!((status, code(&answer)), (StatusCode::UNAUTHORIZED, "unauthorized"), "{path} {token:?}");
        }
    }
    let mut twice = node.request("GET", "/v1/status", Body::empty());
    twice.headers_mut().append(header::AUTHORIZATION, "Bearer x".parse().unwrap());
    assert_eq!(node.send(twice).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(node.fetch("/v1/status").await.0, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn monitoring_needs_no_token_on_loopback_only() {
    let node = Node::start().await;
    let ask = async |router: &Router, path: &str| {
        let request = Request::builder().uri(path).header(header::HOST, "127.0.0.1").body(Body::empty()).unwrap();
        router.clone().oneshot(request).await.unwrap().status()
    };
    for path in ["/healthz", "/metrics"] {
        assert_eq!(ask(&node.router, path).await, StatusCode::OK, "{path}");
    }
    let open = ApiFile { address: "0.0.0.0:8470".parse().unwrap(), ..node.file.clone() };
    let router = Api::new(node.engine.clone(), DataDir::new("nowhere"), Access::new(&open)).router();
    assert_eq!(ask(&router, "/metrics").await, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_another_name_is_refused() {
    let node = Node::start().await;
    for (host, accepted) in [
        ("127.0.0.1:8470", true),
        ("localhost", true),
        ("[::1]:8470", true),
        ("evil.example", false),
        ("127.0.0.1.evil.example:8470", false),
        ("localhost.evil.example", false),
        ("user@127.0.0.1", false),
        ("", false),
    ] {
        let mut request = node.request("GET", "/v1/status", Body::empty());
        request.headers_mut().insert(header::HOST, host.parse().unwrap());
        let (status, _) = node.send(request).await;
        assert_eq!(status, if accepted { StatusCode::OK } else { StatusCode::FORBIDDEN }, "{host}");
    }
    let mut foreign = node.request("POST", "/v1/events", "{}");
    foreign.headers_mut().insert(header::ORIGIN, "http://evil.example".parse().unwrap());
    assert_eq!(node.send(foreign).await.0, StatusCode::FORBIDDEN);
    let mut nameless = node.request("GET", "/healthz", Body::empty());
    nameless.headers_mut().remove(header::HOST);
    assert_eq!(node.send(nameless).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_input_is_answered_with_a_message_in_both_languages() {
    let node = Node::start().await;
    let long = "x".repeat(bounds::BODY_BYTES + 1);
    let cases = [
        ("POST", "/v1/households", "{", StatusCode::BAD_REQUEST, "body"),
        ("POST", "/v1/households", "3", StatusCode::UNPROCESSABLE_ENTITY, "body"),
        ("POST", "/v1/households", long.as_str(), StatusCode::PAYLOAD_TOO_LARGE, "body"),
        ("POST", "/v1/households", r#"{"household":{}}"#, StatusCode::UNPROCESSABLE_ENTITY, "missing_key"),
        (
            "POST",
            "/v1/households",
            r#"{"household":{"region":"990115005001","address":"1"}}"#,
            StatusCode::CONFLICT,
            "unknown_namespace",
        ),
        ("POST", "/v1/cases", "{}", StatusCode::UNPROCESSABLE_ENTITY, "body"),
        ("POST", "/v1/inspections", r#"{"household":"zz"}"#, StatusCode::UNPROCESSABLE_ENTITY, "body"),
        (
            "POST",
            "/v1/invite",
            r#"{"authority":"hello","name":"a","role":"village"}"#,
            StatusCode::BAD_REQUEST,
            "key_file_damaged",
        ),
        ("GET", "/v1/households/zz", "", StatusCode::BAD_REQUEST, "path"),
        ("GET", "/v1/households/..%2f..%2fetc%2fpasswd", "", StatusCode::BAD_REQUEST, "path"),
        ("GET", "/v1/households/00000000000000000000000000000000", "", StatusCode::NOT_FOUND, "not_found"),
        ("GET", "/v1/households?region=abc", "", StatusCode::BAD_REQUEST, "query"),
        ("GET", "/v1/households?nonsense=1", "", StatusCode::BAD_REQUEST, "query"),
        ("GET", "/v1/households?bbox=1,2,3", "", StatusCode::BAD_REQUEST, "bbox"),
        ("GET", "/v1/households?bbox=1,2,x,3,4", "", StatusCode::BAD_REQUEST, "bbox"),
        ("GET", "/v1/households?after=nonsense", "", StatusCode::BAD_REQUEST, "cursor"),
        ("GET", "/v1/export?format=exe", "", StatusCode::BAD_REQUEST, "format"),
        ("POST", "/v1/import?map=nonsense", "", StatusCode::BAD_REQUEST, "query"),
        ("DELETE", "/v1/households", "", StatusCode::METHOD_NOT_ALLOWED, "method"),
        ("GET", "/v1/nowhere", "", StatusCode::NOT_FOUND, "not_found"),
    ];
    for (method, path, body, status, expected) in cases {
        let (found, answer) = node.send(node.request(method, path, body.to_owned())).await;
        assert_eq!((found, code(&answer)), (status, expected), "{method} {path}: {answer}");
        assert!(answer["message_zh"].as_str().is_some_and(|zh| !zh.is_ascii()), "{path}: {answer}");
        assert!(answer["message_en"].is_string(), "{path}: {answer}");
    }
    let untyped = Request::builder().method("POST").uri("/v1/households").header(header::HOST, "localhost");
    let untyped =
        untyped.header(header::AUTHORIZATION, format!("Bearer {}", node.file.token)).body(Body::from("{}")).unwrap();
    assert_eq!(node.send(untyped).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_shown_masked_and_revealed_for_a_reason() {
    let node = Node::start().await;
    let id = node.household("幸福路1号").await;
    let (status, shown) = node.fetch(&format!("/v1/households/{id}")).await;
    assert_eq!((status, &shown["head"]["name"]), (StatusCode::OK, &json!("甲*")), "{shown}");
    let (_, revealed) = node.fetch(&format!("/v1/households/{id}?reveal=visit")).await;
    assert_eq!(revealed["head"]["name"], "甲乙");
    let photo = "0".repeat(64);
    for path in [
        format!("/v1/households/{id}?reveal="),
        "/v1/households?reveal=%20".into(),
        "/v1/conflicts?reveal=".into(),
        "/v1/export?reveal=".into(),
        format!("/v1/photos/{photo}?reveal="),
    ] {
        let (status, answer) = node.fetch(&path).await;
        assert_eq!((status, code(&answer)), (StatusCode::BAD_REQUEST, "reason_empty"), "{path}: {answer}");
    }
    let again = json!({ "household": { "region": REGION, "address": "幸福路1号" } });
    let (status, answer) = node.post("/v1/households", &again).await;
    assert_eq!((status, &answer["outcome"]), (StatusCode::OK, &json!("unchanged")));
    let (_, listed) = node.fetch(&format!("/v1/households?region={REGION}&limit=1")).await;
    assert_eq!(listed["rows"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn inspections_cases_and_events_are_recorded_and_shown() {
    let node = Node::start().await;
    let household = node.household("幸福路2号").await;
    let inspection =
        json!({ "household": household, "by": "xc-1", "time_ms": now(), "checklist": 2, "answers": {"4": "hazard"} });
    let (status, answer) = node.post("/v1/inspections", &inspection).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    assert_eq!(answer["value"]["hazards"].as_array().unwrap().len(), 1, "{answer}");
    let (_, listed) = node.fetch(&format!("/v1/inspections?household={household}")).await;
    assert_eq!(listed["rows"][0]["record"], answer["value"]["inspection"]);

    let report = json!({ "source": "patrol", "place": "村口", "description": "垃圾" });
    let body = json!({ "actor": {"by": "xc-1", "role": "inspector"}, "region": REGION, "report": report });
    let (status, case) = node.post("/v1/cases", &body).await;
    assert_eq!(status, StatusCode::CREATED, "{case}");
    let id = case["value"]["document"].as_str().unwrap();
    let act = |action: Value| json!({ "actor": {"by": "sl-1", "role": "intake_clerk"}, "action": action });
    let (status, answer) = node.post(&format!("/v1/cases/{id}/actions"), &act(json!("accept"))).await;
    assert!(status.is_success(), "{answer}");
    let (status, answer) = node.post(&format!("/v1/cases/{id}/actions"), &act(json!("accept"))).await;
    assert_eq!(status, StatusCode::CONFLICT, "accepted already: {answer}");
    let (_, shown) = node.fetch(&format!("/v1/cases/{id}")).await;
    assert_eq!(shown["state"], "accepted", "{shown}");

    let event =
        json!({ "device": "pm-1", "time_ms": now(), "kind": "pm10", "value": {"number": "180.5"}, "alarm": true });
    let batch = json!({ "region": REGION, "events": [event, event] });
    let (status, answer) = node.post("/v1/events", &batch).await;
    assert_eq!(
        (status, &answer["value"]["stored"], &answer["value"]["repeated"]),
        (StatusCode::CREATED, &json!(1), &json!(1)),
        "{answer}"
    );
    let (_, listed) = node.fetch("/v1/events?device=pm-1").await;
    assert_eq!(listed["rows"].as_array().unwrap().len(), 1, "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_is_imported_once_and_wrong_rows_come_back() {
    let node = Node::start().await;
    let ledger = format!("村居,门牌号,人员姓名\n{REGION},1号,甲\n{REGION},2号,乙\n990115005001,3号,丙\n");
    let first = node.lines(node.request("POST", "/v1/import?format=csv&rejects=true", ledger.clone())).await;
    let done = &first.last().unwrap()["done"];
    assert_eq!((&done["created"], &done["rejected"]), (&json!(2), &json!(1)), "{first:?}");
    let rejected = first.iter().find_map(|line| line.get("rejected")).unwrap();
    assert_eq!(rejected["row"], 4, "{first:?}");
    assert!(done["rejects_file"].is_string(), "{first:?}");
    let second = node.lines(node.request("POST", "/v1/import", ledger)).await;
    let done = &second.last().unwrap()["done"];
    assert_eq!((&done["created"], &done["changed"], &done["unchanged"]), (&json!(0), &json!(0), &json!(2)), "{done}");
    let empty = node.lines(node.request("POST", "/v1/import", "")).await;
    assert_eq!(empty.last().unwrap()["error"]["code"], "empty", "{empty:?}");
    let (_, exported) = node.fetch("/v1/export?format=csv").await;
    let exported = exported.as_str().unwrap();
    assert!(exported.contains("1号") && exported.lines().count() == 3, "{exported}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_holds_every_document_and_everything_verifies() {
    let node = Node::start().await;
    let id = node.household("幸福路3号").await;
    let dump = node.lines(node.request("GET", "/v1/dump?reveal=check", Body::empty())).await;
    let namespaces: Vec<&Value> = dump.iter().filter_map(|line| line.get("namespace")).collect();
    assert_eq!(namespaces.len(), 2 + 2 * 3, "{dump:?}");
    let registry = namespaces.iter().find(|one| one["name"] == format!("registry/{REGION}")).unwrap();
    assert_eq!((&registry["access"], &registry["readable"]), (&json!("hold"), &json!(true)), "{registry}");
    let document = dump.iter().find_map(|line| line.get("document")).unwrap();
    assert_eq!((&document["id"], &document["namespace"]), (&json!(id), &registry["name"]), "{document}");
    assert_eq!(dump.last().unwrap()["end"], json!({ "documents": 1, "stable": true }));
    // Items are written behind the entries.
    for attempt in 0.. {
        let checked = node.lines(node.request("POST", "/v1/verify", Body::empty())).await;
        let report = &checked.last().unwrap()["done"]["report"];
        assert_eq!(report["problem_count"], 0, "{report}");
        assert!(report["documents"].as_u64().unwrap() > 0 && attempt < 500, "{report}");
        if report["items"].as_u64().unwrap() > 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_node_makes_invites_for_its_own_town_only() {
    let node = Node::start().await;
    let directory = tempfile::tempdir().unwrap();
    let text = |authority: &enrol::Authority, name: &str| {
        let path = directory.path().join(name);
        crate::keys::write_authority(authority, &path).unwrap();
        std::fs::read_to_string(path).unwrap()
    };
    let input =
        |authority: String| json!({ "authority": authority, "name": "langfa", "role": "village", "regions": [REGION] });
    let (status, answer) = node.post("/v1/invite", &input(text(&node.authority, "own"))).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let file = crate::keys::InviteFile::from_text(answer["invite"].as_str().unwrap(), "answer").unwrap();
    assert_eq!(file.certificate().unwrap().name, "langfa");
    let other = enrol::found(&[], "2026", "2026-11", 1, &mut ChaCha20Rng::seed_from_u64(9)).authority;
    let (status, answer) = node.post("/v1/invite", &input(text(&other, "other"))).await;
    assert_eq!((status, code(&answer)), (StatusCode::BAD_REQUEST, "other_town"));
}

#[tokio::test(flavor = "multi_thread")]
async fn long_work_beyond_the_bound_is_told_to_come_back() {
    let node = Node::start().await;
    let api = Api::new(node.engine.clone(), DataDir::new(node._directory.path()), Access::new(&node.file));
    let places: Vec<_> = std::iter::from_fn(|| api.bounds().heavy().ok()).collect();
    let answer =
        api.clone().router().oneshot(node.request("GET", "/v1/dump?reveal=check", Body::empty())).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key(header::RETRY_AFTER));
    drop(places);
    let answer = api.router().oneshot(node.request("GET", "/v1/dump?reveal=check", Body::empty())).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_open_and_stalled_clients_lose_their_place() {
    let node = Node::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let patience = Patience { head: Duration::from_millis(300), stall: Duration::from_millis(300) };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, node.router.clone(), patience, async { _ = stopped.await }));
    for start in ["", "GET /healthz HTTP/1.1\r\nHost: local"] {
        let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
        client.write_all(start.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(5), client.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "{start:?} keeps its connection");
    }
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(10), server).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_ready_when_its_views_have_caught_up() {
    let node = Node::start().await;
    node.household("幸福路4号").await;
    for _ in 0..100 {
        if node.fetch("/readyz").await.0 == StatusCode::OK {
            let (_, status) = node.fetch("/v1/status").await;
            assert_eq!(status["name"], "center");
            let (_, metrics) = node.fetch("/metrics").await;
            assert!(metrics.as_str().unwrap().contains("townmesh_entries "), "{metrics}");
            node.engine.stop().await;
            assert_eq!(
                node.post("/v1/households", &json!({ "household": { "region": REGION, "address": "1" } })).await.0,
                StatusCode::SERVICE_UNAVAILABLE
            );
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the node does not become ready");
}

#[test]
fn the_api_file_is_private_and_removed_by_its_own_node_only() {
    let directory = tempfile::tempdir().unwrap();
    let data = DataDir::new(directory.path());
    assert_eq!(ApiFile::read(&data), None);
    let old = ApiFile::new("127.0.0.1:1".parse().unwrap()).unwrap();
    let new = ApiFile::new("127.0.0.1:1".parse().unwrap()).unwrap();
    assert_ne!(old.token, new.token, "random for each start");
    new.write(&data).unwrap();
    old.remove(&data);
    assert_eq!(ApiFile::read(&data), Some(new.clone()));
    new.remove(&data);
    assert_eq!(ApiFile::read(&data), None);
    std::fs::write(data.api(), "{").unwrap();
    assert_eq!(ApiFile::read(&data), None);
}
