//! What the whole town knows, where its units are, and what has reached whom.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn members_teams_and_devices_are_recorded_and_listed() {
    let node = Node::start().await;
    for (path, body, shown) in [
        ("/v1/teams", json!({ "code": "xf-1", "name": "微型消防站", "kind": "town" }), "微型消防站"),
        ("/v1/members", json!({ "code": "xc-1", "name": "王五", "team": "xf-1", "roles": ["inspector"] }), "王五"),
        ("/v1/devices", json!({ "code": "mqtt:7", "region": REGION, "kind": "smoke", "name": "烟感7" }), "烟感7"),
    ] {
        let (status, answer) = node.post(path, &body).await;
        assert_eq!(status, StatusCode::CREATED, "{path}: {answer}");
        let (status, answer) = node.post(path, &body).await;
        assert_eq!((status, &answer["outcome"]), (StatusCode::OK, &json!("unchanged")), "{path}");
        let (_, listed) = node.fetch(path).await;
        assert_eq!(listed["rows"][0]["name"], shown, "{path}: {listed}");
    }
    let (_, listed) = node.fetch("/v1/members?team=xf-2").await;
    assert_eq!(listed["rows"], json!([]));
    let (_, listed) = node.fetch("/v1/members?team=xf-1").await;
    assert_eq!(listed["rows"][0]["roles"], json!(["inspector"]));
    let (status, answer) = node.post("/v1/members", &json!({ "name": "无编号" })).await;
    assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, "missing_key"));
}

#[tokio::test(flavor = "multi_thread")]
async fn regions_and_counts_are_told() {
    let node = Node::start().await;
    node.household("幸福路1号").await;
    node.fetch("/v1/teams").await;
    let (status, regions) = node.fetch("/v1/regions").await;
    assert_eq!(status, StatusCode::OK, "{regions}");
    let (_, counts) = node.fetch("/v1/counts").await;
    assert_eq!(
        (&counts["rows"][0]["region"], &counts["rows"][0]["households"]),
        (&json!(REGION), &json!(1)),
        "{counts}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_position_of_a_unit_is_told_and_shown() {
    let node = Node::start().await;
    let (_, none) = node.fetch("/v1/positions").await;
    assert_eq!(none["rows"], json!([]));
    for position in [json!({ "lat": 39.7, "lon": 116.3 }), json!({ "lat": 39.7354, "lon": 116.331 })] {
        assert_eq!(node.post("/v1/positions", &position).await.0, StatusCode::NO_CONTENT);
    }
    let (_, listed) = node.fetch("/v1/positions").await;
    let rows = listed["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "only the last counts: {listed}");
    assert_eq!(
        (&rows[0]["name"], &rows[0]["position"]),
        (&json!("center"), &json!({ "lat": 39.7354, "lon": 116.331 }))
    );
    let (status, answer) = node.post("/v1/positions", &json!({ "lat": 99.0, "lon": 0.0 })).await;
    assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, "body"));
}

#[tokio::test(flavor = "multi_thread")]
async fn delivery_is_told_of_what_is_here() {
    let node = Node::start().await;
    let household = node.household("幸福路1号").await;
    let (status, answer) = node.fetch(&format!("/v1/delivery?document={household}")).await;
    assert_eq!((status, &answer["rows"]), (StatusCode::OK, &json!([])), "there is no other node");
    assert_eq!(node.fetch("/v1/delivery").await.0, StatusCode::OK);
    let (status, _) = node.fetch("/v1/delivery?document=00000000000000000000000000000000").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, _) = node.fetch("/v1/delivery?edition=00000000000000000000000000000000").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, answer) = node.fetch(&format!("/v1/delivery?document={household}&table=limit")).await;
    assert_eq!((status, code(&answer)), (StatusCode::BAD_REQUEST, "query"), "one at a time: {answer}");
    assert_eq!(node.fetch("/v1/delivery?table=limit").await.0, StatusCode::NOT_FOUND, "nobody recorded a row");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_table_or_an_edition_is_told() {
    let node = Node::start().await;
    let mut rng = ChaCha20Rng::seed_from_u64(13);
    let place = Place {
        name: "langfa".into(),
        role: NodeRole::Village,
        regions: vec![REGION.to_owned()],
        carries: vec![],
        acts_as: None,
    };
    let invite = enrol::invite(&node.authority, &place, &[], 1, &mut rng).unwrap();
    let chain = enrol::redeem(&invite, &mut rng).unwrap().chain;
    node.engine
        .record(move |replica: &mut townmesh_crdt::replica::Replica, now| Ok(replica.record_statements(chain, now)?))
        .await
        .unwrap();
    let row = json!({ "step": "accept", "who": "duty_head" });
    let (status, answer) = node.post("/v1/tables/transition", &json!({ "rows": [row] })).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let revision = node.fetch("/v1/life-cycle").await.1["draft"]["revision"].take();
    let input = json!({ "by": "zhz-1", "why": "受理改由值班长负责", "revision": revision });
    let edition = node.post("/v1/life-cycle", &input).await.1["edition"]["id"].take();
    for named in ["table=transition".to_owned(), format!("edition={}", edition.as_str().unwrap())] {
        let (status, answer) = node.fetch(&format!("/v1/delivery?{named}")).await;
        let rows = answer["rows"].as_array().unwrap();
        assert_eq!((status, rows.len()), (StatusCode::OK, 1), "{named}: {answer}");
        let told = (&rows[0]["name"], &rows[0]["delivered"], &rows[0]["reason"], &rows[0]["access"]);
        assert_eq!(told, (&json!("langfa"), &json!(false), &json!("never_heard"), &json!("hold")), "{named}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_met_nobody_is_synced_only_where_it_is_the_whole_town() {
    let (joined, ..) = Node::joined().await;
    for (node, expected) in [(joined, false), (Node::start().await, true)] {
        let mut synced = Vec::new();
        // The views of a new node catch up in a moment.
        for _ in 0..100 {
            let told = async |path| node.fetch(path).await.1["synced"].clone();
            synced = vec![told("/v1/status").await, told("/v1/progress").await];
            if synced == [expected, expected] && expected {
                break;
            }
            tokio::time::sleep(Duration::from_millis(if expected { 50 } else { 5 })).await;
        }
        assert_eq!(synced, [json!(expected), json!(expected)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_body_is_told_by_field_in_both_languages() {
    let node = Node::start().await;
    for (path, body, field) in [
        ("/v1/revoke", json!({}), "authority"),
        ("/v1/households", json!({ "household": { "region": 5 } }), "region"),
        ("/v1/revoke", json!({ "authority": "", "node": "v", "kod": 1 }), "kod"),
        ("/v1/revoke", json!({ "authority": "", "node": 1 }), "node"),
    ] {
        let (status, answer) = node.post(path, &body).await;
        assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, "body"), "{path}: {answer}");
        for language in ["message_zh", "message_en"] {
            assert!(answer[language].as_str().unwrap().contains(field), "{path}: {answer}");
        }
    }
}
