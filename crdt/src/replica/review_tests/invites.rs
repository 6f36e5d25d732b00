//! Invites and authorities are recorded, listed and taken back.

use super::super::tests::{edit, meet, texts};
use super::rotation::key_of_last;
use super::*;
use crate::certificate::CertificateKind;
use crate::enrol::{Authority, EnrolError, Invite};
use crate::replica::{RevokeError, Withdrawal};
use crate::trust::{InviteState, NameHolder};

const CAREFUL: Withdrawal = Withdrawal { with_nodes: false, keep: true };
const WITH_NODES: Withdrawal = Withdrawal { with_nodes: true, keep: true };

fn place(name: &str) -> Place {
    let regions = vec![LANGFA.to_owned()];
    Place { name: name.into(), role: NodeRole::Village, regions, carries: vec![], acts_as: None }
}

/// Makes an invite on a node, as people do.
fn invite_at(town: &mut Town, replica: &mut Replica, name: &str) -> Result<Invite, EnrolError> {
    let authority = town.founded.authority.clone();
    let invite = enrol::invite_at(replica, &authority, &place(name), NOW, &mut town.rng);
    replica.commit(NOW).unwrap();
    invite
}

fn redeem(town: &mut Town, invite: &Invite) -> Replica {
    let joined = enrol::redeem(invite, &mut town.rng).unwrap();
    open_joined(town, joined, &invite.secrets)
}

fn states(replica: &Replica) -> Vec<(String, InviteState)> {
    let trust = &replica.trust;
    let all = trust.certificates(CertificateKind::Invite);
    let mut states: Vec<_> =
        all.map(|(id, invite)| (invite.name.clone(), trust.invite_state(&id, invite, NOW))).collect();
    states.sort();
    states
}

fn state_of(replica: &Replica, name: &str) -> InviteState {
    states(replica).into_iter().find(|(known, _)| known == name).unwrap().1
}

#[test]
fn an_invite_is_recorded_where_it_was_made_and_joining_works_in_either_order() {
    for hears_first in [true, false] {
        let mut town = Town::new(400);
        let mut center = town.node("center", NodeRole::Center, &[], &[]);
        let mut haizi = town.node("haizi", NodeRole::Village, &[LANGFA, HAIZI], &[]);
        meet(&mut center, &mut haizi);
        let invite = invite_at(&mut town, &mut center, "langfa").unwrap();
        assert_eq!(state_of(&center, "langfa"), InviteState::Open);
        // Told twice, it is one invite.
        center.record_statements(invite.chain.clone(), NOW).unwrap();
        center.commit(NOW).unwrap();
        assert_eq!(states(&center).iter().filter(|(name, _)| name == "langfa").count(), 1);

        let mut langfa = redeem(&mut town, &invite);
        if hears_first {
            meet(&mut center, &mut haizi);
            assert_eq!(state_of(&haizi, "langfa"), InviteState::Open);
        }
        meet(&mut haizi, &mut langfa);
        let document = edit(&mut langfa, LANGFA, "1", "joined");
        meet(&mut haizi, &mut langfa);
        meet(&mut haizi, &mut center);
        for replica in [&mut center, &mut haizi] {
            assert_eq!(state_of(replica, "langfa"), InviteState::Redeemed, "{hears_first}");
            assert_eq!(texts(replica, LANGFA, document), ["joined"]);
        }
    }
}

#[test]
fn what_is_written_after_an_invite_was_withdrawn_is_sealed_from_its_file_and_nobody_joins_with_it() {
    let mut town = Town::new(401);
    let authority = town.founded.authority.clone();
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let invite = invite_at(&mut town, &mut center, "lost").unwrap();
    edit(&mut center, LANGFA, "1", "before");
    let before = key_of_last(&center, LANGFA);
    let opens = |key| invite.secrets.iter().any(|(family, secret)| secret.key_id(family) == key);
    assert!(opens(before));

    let id = center.certificate_called(CertificateKind::Invite, "lost").unwrap();
    assert_eq!(center.certificate_called(CertificateKind::Invite, &id.short()).unwrap(), id);
    let withdrawn = center.withdraw_invite(&authority, id, CAREFUL, NOW).unwrap();
    center.commit(NOW).unwrap();
    assert_eq!((withdrawn.name.as_str(), withdrawn.nodes.len()), ("lost", 0));
    assert_eq!(state_of(&center, "lost"), InviteState::Withdrawn);
    edit(&mut center, LANGFA, "2", "after");
    assert!(!opens(key_of_last(&center, LANGFA)));
    let again = center.certificate_called(CertificateKind::Invite, "lost");
    assert!(matches!(again, Err(RevokeError::RevokedBefore { .. })), "{again:?}");
    let again = center.withdraw_invite(&authority, id, CAREFUL, NOW);
    assert!(matches!(again, Err(RevokeError::RevokedBefore { .. })), "{again:?}");

    let mut late = redeem(&mut town, &invite);
    center.open_session(late.node()).unwrap();
    late.open_session(center.node()).unwrap();
    let hello = late.poll_transmit(center.node()).unwrap().unwrap();
    let refused = center.receive(late.node(), &hello, NOW);
    assert!(matches!(refused, Err(HandleError::Unenrolled(_))), "{refused:?}");
}

#[test]
fn an_invite_falls_with_the_nodes_that_redeemed_it_only_if_that_is_said() {
    let mut town = Town::new(402);
    let authority = town.founded.authority.clone();
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let invite = invite_at(&mut town, &mut center, "copied").unwrap();
    let mut twins = [redeem(&mut town, &invite), redeem(&mut town, &invite)];
    let mut documents = vec![];
    for (twin, key) in twins.iter_mut().zip(["1", "2"]) {
        meet(&mut center, twin);
        documents.push(edit(twin, LANGFA, key, "recorded"));
        meet(&mut center, twin);
    }
    assert_eq!(state_of(&center, "copied"), InviteState::RedeemedTwice);
    let id = invite.chain.last().unwrap().id;
    let careful = center.withdraw_invite(&authority, id, CAREFUL, NOW);
    let Err(RevokeError::NodesFall { nodes, .. }) = careful else { panic!("{careful:?}") };
    assert_eq!(nodes.len(), 2);
    assert!(!center.trust.has_revocations(), "it was refused before anything was stated");

    let withdrawn = center.withdraw_invite(&authority, id, WITH_NODES, NOW).unwrap();
    center.commit(NOW).unwrap();
    assert_eq!(withdrawn.nodes, nodes);
    for (twin, document) in twins.iter().zip(documents) {
        assert!(center.trust.current(&twin.node()).is_none());
        assert_eq!(texts(&mut center, LANGFA, document), ["recorded"], "what was known goes on counting");
    }
}

#[test]
fn a_node_does_not_withdraw_the_invite_that_it_came_with() {
    let mut town = Town::new(403);
    let authority = town.founded.authority.clone();
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let own = center.certificate_called(CertificateKind::Invite, "center").unwrap();
    let refused = center.withdraw_invite(&authority, own, WITH_NODES, NOW);
    assert!(matches!(refused, Err(RevokeError::StandsOnIt { .. })), "{refused:?}");
}

#[test]
fn a_name_is_taken_until_its_node_is_removed_or_its_invite_withdrawn() {
    let mut town = Town::new(404);
    let authority = town.founded.authority.clone();
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let taken = |result: Result<Invite, EnrolError>| match result {
        Err(EnrolError::NameTaken { holder, .. }) => holder,
        other => panic!("{other:?}"),
    };
    assert_eq!(taken(invite_at(&mut town, &mut center, "center")), NameHolder::Node(center.node()));
    let first = invite_at(&mut town, &mut center, "langfa").unwrap();
    let id = first.chain.last().unwrap().id;
    assert_eq!(taken(invite_at(&mut town, &mut center, "langfa")), NameHolder::Invite(id));
    center.withdraw_invite(&authority, id, CAREFUL, NOW).unwrap();
    let second = invite_at(&mut town, &mut center, "langfa").unwrap();
    let mut langfa = redeem(&mut town, &second);
    meet(&mut center, &mut langfa);
    assert_eq!(taken(invite_at(&mut town, &mut center, "langfa")), NameHolder::Node(langfa.node()));
    remove(&mut center, &town, "langfa");
    invite_at(&mut town, &mut center, "langfa").unwrap();
}

#[test]
fn a_place_that_would_make_a_useless_node_is_refused() {
    let mut town = Town::new(405);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let authority = town.founded.authority.clone();
    let mut refusal = |place: Place| {
        let made = enrol::invite_at(&mut center, &authority, &place, NOW, &mut town.rng);
        assert!(!center.has_staged(), "what is refused is not recorded");
        made.map(|_| ()).unwrap_err()
    };
    let codes = |codes: &[&str]| codes.iter().map(|code| (*code).to_owned()).collect::<Vec<_>>();
    let of = |role, regions: &[&str], carries: &[&str]| Place {
        role,
        regions: codes(regions),
        carries: codes(carries),
        ..place("new")
    };
    assert!(matches!(refusal(of(NodeRole::Center, &[LANGFA], &[])), EnrolError::CenterScope));
    assert!(matches!(refusal(of(NodeRole::Center, &[], &[LANGFA])), EnrolError::CenterScope));
    for role in [NodeRole::Village, NodeRole::Patrol] {
        assert!(matches!(refusal(of(role, &[], &[LANGFA])), EnrolError::NoRegion(_)));
    }
    assert!(matches!(refusal(of(NodeRole::Carrier, &[], &[])), EnrolError::NoScope));
    for code in ["", "990115005001", "abc"] {
        assert!(matches!(refusal(of(NodeRole::Village, &[code], &[])), EnrolError::UnknownRegion(_)), "{code:?}");
        assert!(matches!(refusal(of(NodeRole::Carrier, &[], &[code])), EnrolError::UnknownRegion(_)), "{code:?}");
    }
    let many = vec![LANGFA; bounds::MAX_SCOPES / 3 + 1];
    assert!(matches!(refusal(of(NodeRole::Village, &many, &[])), EnrolError::TooManyRegions { .. }));
    for name in ["", " ", " a", "a\u{3000}", "a\nb", "a\u{7}", &"村".repeat(bounds::MAX_NAME + 1)] {
        assert!(matches!(refusal(place(name)), EnrolError::Name), "{name:?}");
    }
}

/// A center that a second authority certified anew stays when the first one is revoked, with what it wrote.
#[test]
fn a_stolen_authority_is_replaced_without_anybody_joining_again() {
    let mut town = Town::new(406);
    let (root, stolen) = (town.founded.root.clone(), town.founded.authority.clone());
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut center, &mut langfa);
    let before = edit(&mut langfa, LANGFA, "1", "before");
    let open = invite_at(&mut town, &mut center, "open").unwrap();
    meet(&mut center, &mut langfa);

    let refused = center.revoke_authority(&root, stolen.statement.id, WITH_NODES, NOW);
    assert!(matches!(refused, Err(RevokeError::StandsOnIt { .. })), "{refused:?}");
    let second: Authority = enrol::authority(&root, "second", NOW, &mut town.rng).unwrap();
    let same = center.certify_anew(&stolen, stolen.statement.id, NOW);
    assert!(matches!(same, Err(RevokeError::UnfitAuthority { .. })), "{same:?}");
    let certified = center.certify_anew(&second, stolen.statement.id, NOW).unwrap();
    assert_eq!(certified.len(), 2);
    center.commit(NOW).unwrap();
    meet(&mut center, &mut langfa);
    assert_eq!(langfa.trust.standing(&langfa.identity.certificate).last(), Some(second.statement.id));
    let between = edit(&mut langfa, LANGFA, "2", "between");
    meet(&mut center, &mut langfa);

    let revoked = center.revoke_authority(&root, stolen.statement.id, CAREFUL, NOW).unwrap();
    center.commit(NOW).unwrap();
    assert!(revoked.nodes.is_empty() && revoked.kept_logs > 0, "{revoked:?}");
    assert_eq!(state_of(&center, "open"), InviteState::Withdrawn);
    meet(&mut center, &mut langfa);
    let after = edit(&mut langfa, LANGFA, "3", "after");
    meet(&mut center, &mut langfa);
    let key = key_of_last(&langfa, LANGFA);
    assert!(open.secrets.iter().all(|(family, secret)| secret.key_id(family) != key));
    for (document, text) in [(before, "before"), (between, "between"), (after, "after")] {
        for replica in [&mut center, &mut langfa] {
            assert_eq!(texts(replica, LANGFA, document), [text]);
        }
    }
    // Whom the thief enrols from now on counts nowhere, and nobody makes an invite that could not be used.
    assert!(matches!(invite_at(&mut town, &mut center, "late"), Err(EnrolError::AuthorityRevoked)));
    let thief = enrol::invite(&stolen, &place("thief"), &center.secrets(), NOW, &mut town.rng).unwrap();
    let thief = redeem(&mut town, &thief);
    center
        .record_statements(
            thief.chain.iter().map(|bytes| Statement::from_bytes(bytes, &stolen.town).unwrap()).collect(),
            NOW,
        )
        .unwrap();
    assert!(center.trust.current(&thief.node()).is_none());
}
