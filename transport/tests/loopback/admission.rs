//! Nobody talks before both sides agree.

use std::sync::Arc;
use std::time::Duration;
use townmesh_transport::{CloseReason, Event, RefusedReason};

use crate::node::{Judge, Node, QUIC, TCP, carries, config, key, pair};

#[tokio::test]
async fn each_side_judges_the_credentials_of_the_other() {
    let (a, _, b, _) = pair(QUIC).await;
    assert_eq!(a.judge.judged(), ["certificate"]);
    assert_eq!(b.judge.judged(), ["certificate"]);
}

#[tokio::test]
async fn a_peer_that_is_not_admitted_is_told_why_and_gets_nothing() {
    for listen in [QUIC, TCP] {
        let judge = Arc::new(Judge::default());
        judge.refuse(key(2));
        let mut a = Node::judged_by(judge, config(1, &[listen], &[]));
        let address = a.address().await;
        let mut b = Node::start(2, &[], &[address]);
        match (a.refused().await, b.refused().await) {
            (RefusedReason::ByUs(ours), RefusedReason::ByPeer(theirs)) => {
                assert_eq!(ours, theirs);
                assert_eq!((ours.code(), ours.text()), (7, "证书已被撤销 certificate revoked"));
            }
            other => panic!("{other:?}"),
        }
        for node in [&mut a, &mut b] {
            assert!(node.during(Duration::from_millis(300)).await.is_empty(), "and then it is quiet for a while");
        }
        assert_eq!(a.transport.counters().sessions, 0);
    }
}

#[tokio::test]
async fn a_dialled_peer_is_judged_as_well() {
    let mut a = Node::start(1, &[TCP], &[]);
    let address = a.address().await;
    let judge = Arc::new(Judge::default());
    judge.refuse(key(1));
    let mut b = Node::judged_by(judge, config(2, &[], &[address]));
    assert!(matches!(b.refused().await, RefusedReason::ByUs(_)));
    assert!(matches!(a.refused().await, RefusedReason::ByPeer(_)));
}

#[tokio::test]
async fn a_peer_whose_admission_is_withdrawn_is_closed_and_may_come_back_later() {
    let (mut a, _, mut b, _) = pair(QUIC).await;
    a.transport.recheck_admission().await;
    assert!(a.during(Duration::from_millis(200)).await.is_empty(), "an admitted peer is left alone");

    a.judge.refuse(b.key);
    a.transport.recheck_admission().await;
    assert!(matches!(a.closed().await, CloseReason::NotAdmitted(_)));
    match b.closed().await {
        CloseReason::NoLongerAdmitted(refusal) => assert_eq!(refusal.code(), 7),
        other => panic!("{other:?}"),
    }

    a.judge.forgive(b.key);
    a.transport.recheck_admission().await;
    b.transport.recheck_admission().await;
    let again = a.opened().await;
    carries(&again, &mut b, "welcome back").await;
}

#[tokio::test]
async fn a_refused_peer_tries_again_after_its_cool_down() {
    let judge = Arc::new(Judge::default());
    judge.refuse(key(2));
    let mut a = config(1, &[TCP], &[]);
    a.limits.cool_down = Duration::from_millis(200);
    let mut a = Node::judged_by(Arc::clone(&judge), a);
    let mut b = config(2, &[], &[a.address().await]);
    b.limits.cool_down = Duration::from_millis(200);
    let mut b = Node::with(b);
    b.refused().await;
    judge.forgive(key(2));
    b.first("opened", |event| matches!(event, Event::Opened { .. }).then_some(())).await;
}
