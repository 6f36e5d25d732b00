//! What becomes of a node whose store fails while it runs.

use townmesh_crdt::replica::Replica;

use super::*;
use crate::engine::EngineError;

/// Stands for a page that makes the database panic.
async fn hit_a_damaged_page(node: &Node) -> Result<(), EngineError> {
    node.engine.record(|_: &mut Replica, _| -> Result<(), _> { panic!("a damaged page, on purpose") }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_panics_is_opened_again_with_everything_acknowledged() {
    let node = Node::start().await;
    let before = node.household("幸福路1号").await;
    let error = hit_a_damaged_page(&node).await.unwrap_err();
    assert!(matches!(error, EngineError::Stopped), "{error:?}");

    let after = node.household("幸福路2号").await;
    for id in [before, after] {
        let (status, shown) = node.fetch(&format!("/v1/households/{id}")).await;
        assert_eq!(status, StatusCode::OK, "{shown}");
    }
    assert!(!node.engine.status_now().await.unwrap().failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_damage_stays_the_node_answers_that_it_is_not_ready() {
    let node = Node::start().await;
    for _ in 0..2 {
        hit_a_damaged_page(&node).await.unwrap_err();
    }
    let (status, answer) = node.fetch("/readyz").await;
    assert_eq!((status, code(&answer)), (StatusCode::SERVICE_UNAVAILABLE, "store_failed"), "{answer}");
    let input = json!({ "household": { "region": REGION, "address": "1号" } });
    let (status, answer) = node.post("/v1/households", &input).await;
    assert_eq!((status, code(&answer)), (StatusCode::SERVICE_UNAVAILABLE, "stopped"), "{answer}");
}
