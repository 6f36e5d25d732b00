//! Invites are made, listed and withdrawn.

use super::revocations::text;
use super::*;
use crate::keys::InviteFile;

fn input(node: &Node, name: &str) -> Value {
    json!({ "authority": text(&node.authority), "name": name, "role": "village", "regions": [REGION] })
}

async fn listed(node: &Node) -> Vec<Value> {
    let (status, answer) = node.fetch("/v1/invites").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer["rows"].as_array().unwrap().clone()
}

/// Somebody joins with an invite, and the center hears of it.
async fn redeem(node: &Node, invite: &Value) -> String {
    let file = InviteFile::from_text(invite["invite"].as_str().unwrap(), "answer").unwrap();
    let joined = enrol::redeem(&file.invite, &mut ChaCha20Rng::seed_from_u64(21)).unwrap();
    let id = joined.identity.node().to_string();
    let job =
        move |replica: &mut townmesh_crdt::replica::Replica, now| Ok(replica.record_statements(joined.chain, now)?);
    node.engine.record(job).await.unwrap();
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_is_listed_until_it_is_withdrawn_and_its_name_is_taken_so_long() {
    let node = Node::start().await;
    let (status, answer) = node.post("/v1/invite", &input(&node, "langfa")).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let rows = listed(&node).await;
    let states: Vec<_> = rows.iter().map(|row| (row["name"].clone(), row["state"].clone())).collect();
    assert_eq!(states, [(json!("langfa"), json!("open")), (json!("center"), json!("redeemed"))]);
    assert_eq!((&rows[0]["regions"], &rows[1]["regions"]), (&json!([REGION]), &json!(["*"])), "{rows:?}");

    let (status, answer) = node.post("/v1/invite", &input(&node, "langfa")).await;
    assert_eq!((status, code(&answer)), (StatusCode::CONFLICT, "name_taken"), "{answer}");
    assert_eq!(listed(&node).await.len(), 2, "what is refused is not recorded");

    let id = rows[0]["id"].as_str().unwrap().to_owned();
    let withdrawal = json!({ "authority": text(&node.authority), "invite": &id[..8] });
    let (status, answer) = node.post("/v1/revoke", &withdrawal).await;
    assert_eq!((status, &answer["invite"], &answer["nodes"]), (StatusCode::OK, &json!(id), &json!([])), "{answer}");
    let (status, answer) = node.post("/v1/revoke", &withdrawal).await;
    assert_eq!((status, code(&answer)), (StatusCode::CONFLICT, "revoked_before"), "{answer}");
    assert_eq!(listed(&node).await.last().unwrap()["state"], "withdrawn", "it stands last");
    assert_eq!(node.post("/v1/invite", &input(&node, "langfa")).await.0, StatusCode::OK, "its name is free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joined_with_an_invite_is_named_before_it_falls_with_it() {
    let node = Node::start().await;
    let (_, invite) = node.post("/v1/invite", &input(&node, "langfa")).await;
    let langfa = redeem(&node, &invite).await;
    let rows = listed(&node).await;
    let row = rows.iter().find(|row| row["name"] == "langfa").unwrap();
    assert_eq!((&row["state"], &row["nodes"][0]["node"]), (&json!("redeemed"), &json!(langfa)), "{row}");

    let authority = text(&node.authority);
    let (status, answer) = node.post("/v1/revoke", &json!({ "authority": authority, "invite": "langfa" })).await;
    assert_eq!((status, code(&answer)), (StatusCode::CONFLICT, "nodes_fall"), "{answer}");
    for language in ["message_zh", "message_en"] {
        assert!(answer[language].as_str().unwrap().contains(&langfa[..8]), "{answer}");
    }
    assert_eq!(listed(&node).await, rows, "nothing happened");
    let (status, answer) = node.post("/v1/revoke", &json!({ "authority": authority, "invite": "center" })).await;
    assert_eq!((status, code(&answer)), (StatusCode::CONFLICT, "itself"), "{answer}");

    let withdrawal = json!({ "authority": authority, "invite": "langfa", "with_nodes": true });
    let (status, answer) = node.post("/v1/revoke", &withdrawal).await;
    assert_eq!((status, &answer["nodes"][0]["name"]), (StatusCode::OK, &json!("langfa")), "{answer}");
    let rows = listed(&node).await;
    let row = rows.iter().find(|row| row["name"] == "langfa").unwrap();
    assert_eq!((&row["state"], &row["nodes"][0]["removed"]), (&json!("withdrawn"), &json!(true)), "{row}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_refuses_what_the_command_line_refuses() {
    let node = Node::start().await;
    let many = vec![REGION; 100];
    for (change, expected) in [
        (json!({ "role": "center" }), "center_scope"),
        (json!({ "role": "center", "regions": [], "carries": [REGION] }), "center_scope"),
        (json!({ "regions": [] }), "no_region"),
        (json!({ "role": "patrol", "regions": [], "carries": [REGION] }), "no_region"),
        (json!({ "role": "carrier", "regions": [] }), "no_scope"),
        (json!({ "regions": ["990115005001"] }), "region_unknown"),
        (json!({ "regions": [""] }), "region_unknown"),
        (json!({ "regions": many }), "too_many_regions"),
        (json!({ "name": "" }), "name"),
        (json!({ "name": "  " }), "name"),
        (json!({ "name": "lang\nfa" }), "name"),
        (json!({ "name": "村".repeat(65) }), "name"),
        (json!({ "name": "center" }), "name_taken"),
    ] {
        let mut input = input(&node, "langfa");
        input.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let (status, answer) = node.post("/v1/invite", &input).await;
        assert!(status.is_client_error() && code(&answer) == expected, "{change}: {answer}");
        assert!(answer["remedy"].is_string(), "{answer}");
    }
    assert_eq!(listed(&node).await.len(), 1);
    for wrong in [json!({}), json!({ "node": "a", "invite": "b" })] {
        let mut input = json!({ "authority": text(&node.authority) });
        input.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        let (status, answer) = node.post("/v1/revoke", &input).await;
        assert_eq!((status, code(&answer)), (StatusCode::BAD_REQUEST, "body"), "{answer}");
    }
}
