//! Door tags: issued, looked up, retired, and what the public is told.

use townmesh_crdt::domain::door_tag::DoorToken;
use townmesh_crdt::id::TagId;

use super::*;

impl Node {
    async fn tag(&self, household: &str) -> Value {
        let (status, answer) = self.post("/v1/door-tags", &json!({ "dwelling": household })).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        answer["value"].clone()
    }

    /// A hazard of the household pack: its item and what it comes to.
    async fn hazard(&self, household: &str, item: u16) -> String {
        let inspection = json!({
            "household": household, "by": "xc-1", "time_ms": now(), "checklist": 2, "answers": { item.to_string(): "hazard" },
        });
        let (status, answer) = self.post("/v1/inspections", &inspection).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        answer["value"]["hazards"][0].as_str().unwrap().to_owned()
    }

    async fn mark(&self, tag: &Value) -> Value {
        let (status, shown) = self.fetch(&format!("/v1/door-tags/{}", text(&tag["code"]))).await;
        assert_eq!(status, StatusCode::OK, "{shown}");
        shown["mark"].clone()
    }

    /// A node that this one knows of and never met.
    async fn know_of(&self, role: NodeRole) {
        let mut rng = ChaCha20Rng::seed_from_u64(31);
        let regions = vec![REGION.to_owned()];
        let place = Place { name: "absent".into(), role, regions, carries: vec![], acts_as: None };
        let invite = enrol::invite(&self.authority, &place, &[], 1, &mut rng).unwrap();
        let chain = enrol::redeem(&invite, &mut rng).unwrap().chain;
        let job = move |replica: &mut townmesh_crdt::replica::Replica, now| Ok(replica.record_statements(chain, now)?);
        self.engine.record(job).await.unwrap();
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_opens_its_dwelling_by_what_was_scanned_or_typed() {
    let node = Node::start().await;
    let household = node.household("幸福路1号").await;
    let second = json!({ "household": { "region": REGION, "address": "幸福路１号", "number": 2 } });
    assert_eq!(node.post("/v1/households", &second).await.0, StatusCode::CREATED);
    let tag = node.tag(&household).await;
    let (status, again) = node.post("/v1/door-tags", &json!({ "dwelling": household })).await;
    assert_eq!((status, &again["outcome"], &again["value"]), (StatusCode::OK, &json!("unchanged"), &tag));
    let page = format!("https%3A%2F%2Fexample.org%2F{}", text(&tag["token"]));
    for name in [text(&tag["code"]), text(&tag["token"]), text(&tag["tag"]), &page] {
        let (status, shown) = node.fetch(&format!("/v1/door-tags/{name}")).await;
        assert_eq!(status, StatusCode::OK, "{shown}");
        assert_eq!((&shown["address"], &shown["state"]), (&json!("幸福路1号"), &json!("standing")), "{shown}");
        assert_eq!((&shown["mark"], &shown["refusal"]), (&json!("green"), &Value::Null), "{shown}");
        let behind: Vec<u64> =
            shown["households"].as_array().unwrap().iter().filter_map(|one| one["number"].as_u64()).collect();
        assert_eq!(behind, [1, 2], "{shown}");
        assert!(!shown.to_string().contains("甲"), "a tag tells nothing of people: {shown}");
    }
    let hazard = node.hazard(&household, 4).await;
    let bad = node.mark(&tag).await;
    assert!(bad == "yellow" || bad == "red", "{bad}");
    for (step, by) in [("report_done", "csd-7"), ("pass", "xc-2")] {
        let (status, answer) =
            node.post(&format!("/v1/hazards/{hazard}/steps"), &json!({ "step": step, "by": by })).await;
        assert!(status.is_success(), "{answer}");
    }
    assert_eq!(node.mark(&tag).await, "green");
    // Somebody else writes in this registry, and nothing of that is known.
    node.know_of(NodeRole::Village).await;
    assert_eq!(node.mark(&tag).await, "unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_listed_with_their_filters_and_go_out_as_a_file() {
    let node = Node::start().await;
    let (one, two) = (node.household("幸福路1号").await, node.household("幸福路2号").await);
    let tag = node.tag(&one).await;
    let all = json!({ "region": REGION });
    let (status, answer) = node.post("/v1/door-tags/issue-all", &all).await;
    assert_eq!((status, &answer["value"]), (StatusCode::CREATED, &json!({ "issued": 1, "had_one": 1, "gone": 0 })));
    let (status, answer) = node.post("/v1/door-tags/issue-all", &all).await;
    assert_eq!((status, &answer["value"]["issued"]), (StatusCode::OK, &json!(0)), "the second time nothing is to do");
    let (status, answer) = node.post("/v1/door-tags/issue-all", &json!({ "region": "110115005002" })).await;
    assert_eq!((status, code(&answer)), (StatusCode::NOT_FOUND, "not_found"));
    let name = text(&tag["code"]);
    let (status, answer) = node.post(&format!("/v1/door-tags/{name}/replace"), &json!({ "why": "damaged" })).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    let next = answer["value"]["tag"].clone();
    let (status, answer) = node.post(&format!("/v1/door-tags/{name}/replace"), &json!({})).await;
    assert_eq!((status, &answer["value"]["tag"]), (StatusCode::OK, &next), "it was replaced already");
    node.fetch(&format!("/v1/households/{one}")).await;
    for (query, count) in [
        ("", 3),
        ("state=standing", 2),
        ("state=retired", 1),
        ("region=110115", 3),
        ("region=110115005002", 0),
        (&format!("dwelling={two}"), 1),
        (&format!("dwelling={}&state=standing", text(&tag["dwelling"])), 1),
    ] {
        let (status, listed) = node.fetch(&format!("/v1/door-tags?{query}")).await;
        assert_eq!(
            (status, listed["rows"].as_array().map(Vec::len)),
            (StatusCode::OK, Some(count)),
            "{query}: {listed}"
        );
    }
    let (_, listed) = node.fetch("/v1/door-tags?state=retired").await;
    let old = &listed["rows"][0];
    assert_eq!((&old["retired_why"], &old["replaced_by"]), (&json!("damaged"), &next), "{old}");
    let (_, first) = node.fetch("/v1/door-tags?limit=2").await;
    let (_, rest) = node.fetch(&format!("/v1/door-tags?limit=2&after={}", text(&first["next"]))).await;
    assert_eq!((rest["rows"].as_array().map(Vec::len), &rest["next"]), (Some(1), &Value::Null), "{rest}");
    let (_, file) = node.fetch("/v1/export/door-tags?state=retired").await;
    let lines: Vec<&str> = text(&file).lines().collect();
    assert!(lines.len() == 2 && lines[1].contains("停用") && lines[1].contains("损坏"), "{file}");
    assert_eq!(node.fetch("/v1/door-tags?state=lost").await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_dwelling_or_is_gone_gets_no_tag() {
    let node = Node::start().await;
    let household = node.household("幸福路1号").await;
    let issue = async |body: Value| node.post("/v1/door-tags", &body).await;
    let (status, answer) = issue(json!({ "dwelling": "0".repeat(32) })).await;
    assert_eq!((status, code(&answer)), (StatusCode::NOT_FOUND, "not_found"));
    let (status, answer) = issue(json!({ "dwelling": household, "entrance": 100 })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
    let tag = node.tag(&household).await;
    let path = format!("/v1/door-tags/{}", text(&tag["tag"]));
    let (status, answer) = node.post(&format!("{path}/retire"), &json!({ "why": "house_gone" })).await;
    assert_eq!((status, &answer["outcome"]), (StatusCode::OK, &json!("changed")), "{answer}");
    let (status, answer) = issue(json!({ "dwelling": household })).await;
    assert_eq!((status, code(&answer)), (StatusCode::CONFLICT, "dwelling_gone"));
    let (status, answer) = node.post(&format!("{path}/replace"), &json!({})).await;
    assert_eq!((status, code(&answer)), (StatusCode::CONFLICT, "dwelling_gone"));
    let (status, answer) = issue(json!({ "dwelling": household, "stands": true })).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_is_told_the_mark_and_the_village_and_why_a_tag_does_not_count() {
    let node = Node::start().await;
    let household = node.household("幸福路1号").await;
    let tag = node.tag(&household).await;
    let token: DoorToken = text(&tag["token"]).parse().unwrap();
    let public = async |name: &str| node.fetch(&format!("/v1/public/door-tags/{name}")).await;
    for name in [text(&tag["token"]), text(&tag["code"])] {
        let (status, told) = public(name).await;
        assert_eq!(status, StatusCode::OK, "{told}");
        let wanted = json!({ "code": tag["code"], "region": REGION, "region_name": null, "mark": "green" });
        assert_eq!(told, wanted, "nothing of the address, and nothing of people");
    }
    let town = node.engine.read(|replica| *replica.trust().town()).await.unwrap();
    let region = REGION.parse().unwrap();
    let stranger = ed25519_dalek::SigningKey::from_bytes(&[5; 32]);
    let mut altered = token.as_bytes().to_vec();
    altered[20] ^= 1;
    let unknown = node.engine.read(move |replica| replica.sign_door_tag(region, TagId([9; 16]))).await.unwrap();
    for (name, status, expected) in [
        (text(&tag["token"])[..100].to_owned(), StatusCode::BAD_REQUEST, "tag_truncated"),
        ("U".repeat(152), StatusCode::BAD_REQUEST, "tag_form"),
        (DoorToken::from_bytes(&altered).unwrap().to_string(), StatusCode::BAD_REQUEST, "tag_forged"),
        (
            DoorToken::sign(&[1; 32], region, token.tag(), &stranger).to_string(),
            StatusCode::BAD_REQUEST,
            "tag_other_town",
        ),
        (
            DoorToken::sign(&town, region, token.tag(), &stranger).to_string(),
            StatusCode::BAD_REQUEST,
            "tag_issuer_unknown",
        ),
        (unknown.to_string(), StatusCode::NOT_FOUND, "tag_not_recorded"),
        ("7K3-9XQ-2PAD".to_owned(), StatusCode::BAD_REQUEST, "tag_code"),
    ] {
        for path in ["/v1/public/door-tags", "/v1/door-tags"] {
            let (found, answer) = node.fetch(&format!("{path}/{name}")).await;
            assert_eq!((found, code(&answer)), (status, expected), "{path}/{name}: {answer}");
            assert!(!text(&answer["message_zh"]).is_ascii() && answer["message_en"].is_string(), "{answer}");
        }
    }
    let path = format!("/v1/door-tags/{}", text(&tag["token"]));
    assert_eq!(node.post(&format!("{path}/retire"), &json!({ "why": "lost" })).await.0, StatusCode::OK);
    let (status, answer) = public(text(&tag["token"])).await;
    assert_eq!((status, code(&answer)), (StatusCode::GONE, "tag_retired"), "{answer}");
    assert!(text(&answer["message_zh"]).contains("丢失"), "{answer}");
    let (status, shown) = node.fetch(&path).await;
    assert_eq!((status, &shown["state"]), (StatusCode::OK, &json!("retired")), "{shown}");
    assert_eq!(shown["refusal"]["code"], "tag_retired", "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_of_the_public_names_a_tag() {
    let node = Node::start().await;
    let position = json!({ "lat": 39.7, "lon": 116.3 });
    let household = json!({ "household": { "region": REGION, "address": "幸福路7号", "position": position } });
    let (_, answer) = node.post("/v1/households", &household).await;
    let tag = node.tag(text(&answer["value"]["document"])).await;
    let report = async |field: &str, name: &str| {
        let form = format!("service_code=gas&description=x&{field}={name}");
        let mut request = node.request("POST", "/georeport/v2/requests.json", form);
        request.headers_mut().insert(header::CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap());
        node.send(request).await
    };
    for (field, name) in [("door_tag", &tag["token"]), ("attribute[door_tag]", &tag["code"])] {
        let (status, told) = report(field, text(name)).await;
        assert_eq!(status, StatusCode::CREATED, "{told}");
        let (_, case) = node.fetch(&format!("/v1/cases/{}", text(&told[0]["service_request_id"]))).await;
        assert_eq!((&case["source"], &case["region"]), (&json!("public"), &json!(REGION)), "{case}");
        assert_eq!((&case["place"], &case["position"]), (&json!("幸福路7号"), &position), "{case}");
    }
    let path = format!("/v1/door-tags/{}/retire", text(&tag["tag"]));
    assert_eq!(node.post(&path, &json!({ "why": "lost" })).await.0, StatusCode::OK);
    for (name, status, expected) in [
        (text(&tag["token"]), StatusCode::NOT_FOUND, "tag_retired"),
        (&text(&tag["token"])[..80], StatusCode::BAD_REQUEST, "tag_truncated"),
        ("nonsense", StatusCode::BAD_REQUEST, "tag_code"),
    ] {
        let (found, answer) = report("door_tag", name).await;
        assert_eq!((found, &answer[0]["error"]), (status, &json!(expected)), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_issues_shows_replaces_and_retires() {
    let node = Node::start().await;
    let household = node.household("幸福路1号").await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let file = ApiFile { address: listener.local_addr().unwrap(), ..node.file.clone() };
    let data = DataDir::new(node._directory.path());
    file.write(&data).unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let patience = Patience { head: Duration::from_secs(10), stall: Duration::from_secs(10) };
    let server = tokio::spawn(serve(listener, node.router.clone(), patience, async { _ = stopped.await }));
    let run = async |line: String| {
        let line = format!("townmesh {line} --data-dir {}", data.path().display());
        tokio::task::spawn_blocking(move || crate::cli::tests::outcome(&line)).await.unwrap()
    };
    assert_eq!(run(format!("tag issue {household}")).await, Ok(()));
    assert_eq!(run(format!("tag issue {household} --entrance 2")).await, Ok(()));
    assert_eq!(run(format!("tag issue {}", "0".repeat(32))).await, Err("not_found".to_owned()));
    assert_eq!(run(format!("tag issue-all --region {REGION}")).await, Ok(()));
    assert_eq!(run(format!("tag list --dwelling {household} --state standing")).await, Ok(()));
    node.fetch(&format!("/v1/households/{household}")).await;
    let (_, listed) = node.fetch("/v1/door-tags").await;
    let rows = listed["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "the dwelling has one already: {listed}");
    let (one, two) = (text(&rows[0]["code"]), text(&rows[1]["token"]));
    assert_eq!(run(format!("tag show {one}")).await, Ok(()));
    assert_eq!(run(format!("tag replace {one} --why damaged")).await, Ok(()));
    assert_eq!(run(format!("tag retire {two} --why house_gone")).await, Ok(()));
    assert_eq!(run(format!("tag issue {household}")).await, Err("dwelling_gone".to_owned()));
    assert_eq!(run(format!("tag issue {household} --stands")).await, Ok(()));
    let out = data.path().join("tags.csv");
    assert_eq!(run(format!("export door-tags --state retired --out {}", out.display())).await, Ok(()));
    let written = std::fs::read_to_string(out).unwrap();
    assert_eq!(written.lines().count(), 4, "{written}");
    stop.send(()).unwrap();
    server.await.unwrap();
}
