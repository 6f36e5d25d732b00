//! Authorities are recorded, listed, replaced and revoked.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use townmesh_crdt::certificate::Claim;

use super::revocations::text;
use super::*;

/// The root key of the town that [`Node`] founds.
fn root() -> ed25519_dalek::SigningKey {
    let regions = [REGION.to_owned(), "110115005002".to_owned()];
    enrol::found(&regions, "2026", "2026-11", 1, &mut ChaCha20Rng::seed_from_u64(3)).root
}

fn root_text(root: &ed25519_dalek::SigningKey) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root");
    crate::keys::write_root(root, &path).unwrap();
    std::fs::read_to_string(path).unwrap()
}

fn statement(statement: &Statement) -> Value {
    json!({ "statement": STANDARD.encode(statement.to_bytes()) })
}

async fn listed(node: &Node) -> Vec<Value> {
    let (status, answer) = node.fetch("/v1/authorities").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer["rows"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_authorities_that_the_root_signed_are_recorded() {
    let node = Node::start().await;
    let mut rng = ChaCha20Rng::seed_from_u64(31);
    let first = &node.authority;
    let second = enrol::authority(&root(), "second", now(), &mut rng).unwrap();
    let sign = |claim: Claim, issuer, key| Statement::sign(&first.town, claim, issuer, [1; 8], key);
    let by_first = sign(second.statement.claim.clone(), Some(first.statement.id), &first.signing);
    let forged = sign(second.statement.claim.clone(), None, &first.signing);
    let revocation = Claim::Revocation { certificate: first.statement.id, cuts: vec![] };
    let other_claim = sign(revocation, None, &root());
    let elsewhere = enrol::found(&[], "2026", "2026-11", 1, &mut rng).authority.statement;
    for wrong in [statement(&by_first), statement(&forged), statement(&other_claim), statement(&elsewhere)] {
        let (status, answer) = node.post("/v1/authorities", &wrong).await;
        assert_eq!((status, code(&answer)), (StatusCode::BAD_REQUEST, "statement"), "{answer}");
    }
    for text in ["", "AAAA", "%"] {
        let (status, answer) = node.post("/v1/authorities", &json!({ "statement": text })).await;
        assert_eq!((status, code(&answer)), (StatusCode::BAD_REQUEST, "statement"), "{answer}");
    }
    let same_name = enrol::authority(&root(), "authority", now(), &mut rng).unwrap();
    let (status, answer) = node.post("/v1/authorities", &statement(&same_name.statement)).await;
    assert_eq!((status, code(&answer)), (StatusCode::CONFLICT, "name_taken"), "{answer}");
    assert_eq!(listed(&node).await.len(), 1);
    let (status, answer) = node.post("/v1/authorities", &statement(&second.statement)).await;
    assert_eq!((status, &answer["name"]), (StatusCode::OK, &json!("second")), "{answer}");
    let names: Vec<Value> = listed(&node).await.iter().map(|row| row["name"].clone()).collect();
    assert_eq!(names, ["authority", "second"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_authority_is_replaced_and_revoked() {
    let node = Node::start().await;
    let mut rng = ChaCha20Rng::seed_from_u64(32);
    let second = enrol::authority(&root(), "second", now(), &mut rng).unwrap();
    node.post("/v1/authorities", &statement(&second.statement)).await;
    let invite = json!({
        "authority": text(&node.authority), "name": "open", "role": "village", "regions": [REGION]
    });
    assert_eq!(node.post("/v1/invite", &invite).await.0, StatusCode::OK);
    let rows = listed(&node).await;
    assert_eq!((&rows[0]["nodes"][0]["name"], &rows[0]["open_invites"]), (&json!("center"), &json!(["open"])));
    assert_eq!((&rows[1]["nodes"], &rows[1]["open_invites"]), (&json!([]), &json!([])));

    let stranger = root_text(&ed25519_dalek::SigningKey::from_bytes(&[7; 32]));
    let own = root_text(&root());
    for (root, authority, status, expected) in [
        (stranger.as_str(), "authority", StatusCode::BAD_REQUEST, "other_town"),
        ("hello", "authority", StatusCode::BAD_REQUEST, "key_file_damaged"),
        (&own, "nobody", StatusCode::CONFLICT, "certificate_unknown"),
        // The center itself stands on it.
        (&own, "authority", StatusCode::CONFLICT, "itself"),
    ] {
        let input = json!({ "root": root, "authority": authority, "with_nodes": true });
        let (found, answer) = node.post("/v1/authorities/revoke", &input).await;
        assert_eq!((found, code(&answer)), (status, expected), "{answer}");
    }
    let adopt = |authority: &enrol::Authority| json!({ "authority": text(authority), "from": "authority" });
    let (status, answer) = node.post("/v1/authorities/adopt", &adopt(&node.authority)).await;
    assert_eq!((status, code(&answer)), (StatusCode::CONFLICT, "authority_unfit"), "not by itself");
    let (status, answer) = node.post("/v1/authorities/adopt", &adopt(&second)).await;
    assert_eq!((status, &answer["nodes"][0]["name"]), (StatusCode::OK, &json!("center")), "{answer}");

    let input = json!({ "root": own, "authority": "authority" });
    let (status, answer) = node.post("/v1/authorities/revoke", &input).await;
    assert_eq!((status, &answer["nodes"]), (StatusCode::OK, &json!([])), "{answer}");
    let rows = listed(&node).await;
    assert_eq!((&rows[0]["name"], &rows[0]["nodes"][0]["name"]), (&json!("second"), &json!("center")), "{rows:?}");
    assert_eq!((&rows[1]["revoked"], &rows[1]["open_invites"]), (&json!(true), &json!([])), "{rows:?}");
    node.household("幸福路9号").await;
    let mut late = invite.clone();
    late["name"] = json!("late");
    let (status, answer) = node.post("/v1/invite", &late).await;
    assert_eq!((status, code(&answer)), (StatusCode::BAD_REQUEST, "authority_removed"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nodes_of_an_authority_are_named_before_they_fall_with_it() {
    let node = Node::start().await;
    let mut rng = ChaCha20Rng::seed_from_u64(33);
    let second = enrol::authority(&root(), "second", now(), &mut rng).unwrap();
    let place = Place {
        name: "langfa".into(),
        role: NodeRole::Village,
        regions: vec![REGION.to_owned()],
        carries: vec![],
        acts_as: None,
    };
    let chain = enrol::redeem(&enrol::invite(&second, &place, &[], 1, &mut rng).unwrap(), &mut rng).unwrap().chain;
    let job = move |replica: &mut townmesh_crdt::replica::Replica, now| Ok(replica.record_statements(chain, now)?);
    node.engine.record(job).await.unwrap();

    let mut input = json!({ "root": root_text(&root()), "authority": "second" });
    let (status, answer) = node.post("/v1/authorities/revoke", &input).await;
    assert_eq!((status, code(&answer)), (StatusCode::CONFLICT, "nodes_fall"), "{answer}");
    assert!(answer["message_en"].as_str().unwrap().contains("1 nodes") && answer.to_string().contains("langfa"));
    input["with_nodes"] = json!(true);
    let (status, answer) = node.post("/v1/authorities/revoke", &input).await;
    assert_eq!((status, &answer["nodes"][0]["name"]), (StatusCode::OK, &json!("langfa")), "{answer}");
}
