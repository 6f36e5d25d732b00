//! A node is removed by an authority.

use super::super::tests::{edit, meet, texts};
use super::*;
use crate::replica::RevokeError;

#[test]
fn what_was_known_of_a_removed_node_stands_and_the_rest_has_no_effect() {
    let mut town = Town::new(120);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut vehicle = town.node("vehicle", NodeRole::Patrol, &[LANGFA], &[]);
    meet(&mut center, &mut vehicle);
    meet(&mut center, &mut langfa);
    let document = edit(&mut vehicle, LANGFA, "1", "known");
    meet(&mut center, &mut vehicle);
    // Stolen: from here on it writes what nobody asked for, and passes it to a village that does not know yet.
    let forged = edit(&mut vehicle, LANGFA, "2", "forged");
    meet(&mut langfa, &mut vehicle);
    assert_eq!(texts(&mut langfa, LANGFA, forged), ["forged"]);

    let authority = town.founded.authority.clone();
    let (itself, stolen) = (center.node(), center.node_called("vehicle").unwrap());
    assert!(matches!(center.revoke(&authority, itself, true, NOW), Err(RevokeError::Itself)));
    let revoked = center.revoke(&authority, stolen, true, NOW).unwrap();
    assert_eq!(revoked.name, "vehicle");
    center.commit(NOW).unwrap();
    assert!(matches!(center.node_called("vehicle"), Err(RevokeError::NotEnrolled(_))));
    assert!(matches!(center.revoke(&authority, stolen, true, NOW), Err(RevokeError::NotEnrolled(_))));

    while langfa.fold(NOW).unwrap() {
        langfa.commit(NOW).unwrap();
    }
    let before = langfa.feed_end();
    meet(&mut center, &mut langfa);
    for replica in [&mut center, &mut langfa] {
        assert_eq!(texts(replica, LANGFA, document), ["known"]);
        assert!(texts(replica, LANGFA, forged).is_empty(), "it has no effect");
        assert!(replica.beacons().iter().all(|beacon| beacon.node != stolen), "nor does it look alive");
    }
    langfa.commit(NOW).unwrap();
    let fed = langfa.feed(before, 1_000).unwrap();
    assert!(fed.iter().any(|item| item.document == forged), "views are told to show it anew");
}

#[test]
fn a_node_can_be_removed_with_all_that_it_wrote() {
    let mut town = Town::new(121);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut vehicle = town.node("vehicle", NodeRole::Patrol, &[LANGFA], &[]);
    meet(&mut center, &mut vehicle);
    let document = edit(&mut vehicle, LANGFA, "1", "known");
    meet(&mut center, &mut vehicle);
    assert_eq!(texts(&mut center, LANGFA, document), ["known"]);
    center.revoke(&town.founded.authority, vehicle.node(), false, NOW).unwrap();
    center.commit(NOW).unwrap();
    assert!(texts(&mut center, LANGFA, document).is_empty());
}

#[test]
fn a_removal_that_could_not_be_recorded_has_no_effect_and_can_be_tried_again() {
    let mut town = Town::new(122);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut vehicle = town.node("vehicle", NodeRole::Patrol, &[LANGFA], &[]);
    meet(&mut center, &mut vehicle);
    meet(&mut center, &mut langfa);
    let full = quota::LogCost::of(bounds::AUTH_LOG_QUOTA);
    let namespace = langfa.namespace_id(&Namespace::auth());
    let log = LogId { namespace, author: langfa.node(), epoch: langfa.epoch, lane: Lane::Urgent };
    langfa.auth_costs.insert(log, full);
    for _ in 0..2 {
        let refused = langfa.revoke(&town.founded.authority, vehicle.node(), true, NOW);
        assert!(matches!(refused, Err(RevokeError::Record(RecordError::Quota))), "{refused:?}");
        assert!(!langfa.has_staged() && !langfa.trust.has_revocations());
    }
}

/// A node id has 64 characters, and so may a name have.
#[test]
fn a_name_that_looks_like_the_id_of_another_node_keeps_nobody_from_removing_that_one() {
    let mut town = Town::new(129);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut stolen = town.node("vehicle", NodeRole::Patrol, &[LANGFA], &[]);
    let id = stolen.node().to_string();
    let mut hostile = town.node(&id, NodeRole::Patrol, &[LANGFA], &[]);
    meet(&mut center, &mut stolen);
    meet(&mut center, &mut hostile);
    assert_eq!(center.node_called(&id).unwrap(), stolen.node());
    remove(&mut center, &town, &id);
    assert_eq!(center.node_called(&id).unwrap(), hostile.node(), "now it is the only one that is meant");
}
