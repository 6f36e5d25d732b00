//! Nodes are removed by whoever holds an authority's key.

use super::*;

pub(super) fn text(authority: &enrol::Authority) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authority");
    crate::keys::write_authority(authority, &path).unwrap();
    std::fs::read_to_string(path).unwrap()
}

/// Makes a vehicle known to the center, as its first visit would.
async fn enrol_vehicle(node: &Node) {
    let mut rng = ChaCha20Rng::seed_from_u64(11);
    let place = Place {
        name: "vehicle".into(),
        role: NodeRole::Patrol,
        regions: vec![REGION.to_owned()],
        carries: vec![],
        acts_as: None,
    };
    let invite = enrol::invite(&node.authority, &place, &[], 1, &mut rng).unwrap();
    let chain = enrol::redeem(&invite, &mut rng).unwrap().chain;
    let job = move |replica: &mut townmesh_crdt::replica::Replica, now| Ok(replica.record_statements(chain, now)?);
    node.engine.record(job).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_vehicle_is_removed_once_and_by_its_own_town_only() {
    let node = Node::start().await;
    enrol_vehicle(&node).await;
    let other = enrol::found(&[], "2026", "2026-11", 1, &mut ChaCha20Rng::seed_from_u64(9)).authority;
    let (own, other) = (text(&node.authority), text(&other));
    for (authority, name, status, expected) in [
        (other.as_str(), "vehicle", StatusCode::BAD_REQUEST, "other_town"),
        ("hello", "vehicle", StatusCode::BAD_REQUEST, "key_file_damaged"),
        (&own, "nobody", StatusCode::CONFLICT, "not_enrolled"),
        (&own, "", StatusCode::CONFLICT, "not_enrolled"),
        (&own, "center", StatusCode::CONFLICT, "itself"),
    ] {
        let (found, answer) = node.post("/v1/revoke", &json!({ "authority": authority, "node": name })).await;
        assert_eq!((found, code(&answer)), (status, expected), "{name}: {answer}");
    }
    let names = async || {
        let (_, listed) = node.fetch("/v1/delivery").await;
        listed["rows"].as_array().unwrap().iter().map(|row| row["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["vehicle"]);
    let input = json!({ "authority": own, "node": "vehicle" });
    let (status, answer) = node.post("/v1/revoke", &input).await;
    assert_eq!(
        (status, &answer["name"], &answer["kept_logs"]),
        (StatusCode::OK, &json!("vehicle"), &json!(0)),
        "{answer}"
    );
    assert!(names().await.is_empty(), "nothing waits for it any more");
    let (_, removals) = node.fetch("/v1/removals").await;
    let row = removals["rows"].as_array().unwrap().iter().find(|row| row["kind"] == "node").unwrap();
    assert_eq!((&row["name"], &row["by"], &row["not_heard"]), (&json!("vehicle"), &json!("center"), &json!([])));
    let certificate = row["certificate"].as_str().unwrap();
    let (status, heard) = node.fetch(&format!("/v1/delivery?removal={certificate}")).await;
    assert_eq!((status, &heard["rows"]), (StatusCode::OK, &json!([])), "there is nobody else to hear of it");
    let (status, answer) = node.fetch(&format!("/v1/delivery?removal={}", "0".repeat(64))).await;
    assert_eq!((status, code(&answer)), (StatusCode::NOT_FOUND, "not_found"));
    assert_eq!(node.post("/v1/revoke", &input).await.0, StatusCode::CONFLICT);
    // It wrote nothing that is held here.
    for (authority, name, status, expected) in [
        (other.as_str(), "vehicle", StatusCode::BAD_REQUEST, "other_town"),
        ("hello", "vehicle", StatusCode::BAD_REQUEST, "key_file_damaged"),
        (&own, "nobody", StatusCode::CONFLICT, "not_enrolled"),
        (&own, "vehicle", StatusCode::CONFLICT, "nothing_to_ratify"),
    ] {
        let (found, answer) = node.post("/v1/ratify", &json!({ "authority": authority, "node": name })).await;
        assert_eq!((found, code(&answer)), (status, expected), "{name}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_nodes_with_one_name_the_ids_are_told() {
    let node = Node::start().await;
    let mut rng = ChaCha20Rng::seed_from_u64(12);
    let (name, regions) = ("v1".to_owned(), vec![REGION.to_owned()]);
    let place = Place { name, role: NodeRole::Village, regions, carries: vec![], acts_as: None };
    let invite = enrol::invite(&node.authority, &place, &[], 1, &mut rng).unwrap();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let joined = enrol::redeem(&invite, &mut rng).unwrap();
        ids.push(joined.identity.node());
        let job =
            move |replica: &mut townmesh_crdt::replica::Replica, now| Ok(replica.record_statements(joined.chain, now)?);
        node.engine.record(job).await.unwrap();
    }
    let input = json!({ "authority": text(&node.authority), "node": "v1" });
    for path in ["/v1/revoke", "/v1/ratify"] {
        let (status, answer) = node.post(path, &input).await;
        assert_eq!((status, code(&answer)), (StatusCode::CONFLICT, "node_ambiguous"), "{path}: {answer}");
        for id in &ids {
            for language in ["message_zh", "message_en"] {
                assert!(answer[language].as_str().unwrap().contains(&id.to_string()), "{path}: {answer}");
            }
        }
    }
    let (_, status) = node.fetch("/v1/status").await;
    let twice = &status["redeemed_twice"][0];
    assert_eq!((&status["double_redemptions"], &twice["name"]), (&json!(1), &json!("v1")), "{status}");
    let mut found: Vec<&str> =
        twice["nodes"].as_array().unwrap().iter().map(|one| one["node"].as_str().unwrap()).collect();
    let mut short: Vec<String> = ids.iter().map(townmesh_crdt::id::NodeId::short).collect();
    found.sort_unstable();
    short.sort_unstable();
    assert_eq!(found, short);
}
