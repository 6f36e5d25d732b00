//! After a removal, what is written is sealed under keys that the removed node was not given.

use super::super::rotation::MAX_GRANTS_OF_ONE;
use super::super::tests::{edit, meet, texts};
use super::*;
use crate::card::CardKind;
use crate::enrol::Joined;
use crate::entry::Entry;
use crate::grant::{Grant, Handout};
use crate::id::KeyId;
use crate::sync::Run;

fn last_entry(replica: &Replica, lane: Lane, region: &str) -> Entry {
    let namespace = replica.namespace_id(&Namespace::registry(region));
    let log = LogId { namespace, author: replica.node(), epoch: replica.epoch, lane };
    let mut last = None;
    replica
        .entries(&log, 1, |entry| {
            last = Some(entry);
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    last.unwrap()
}

pub(super) fn key_of_last(replica: &Replica, region: &str) -> KeyId {
    last_entry(replica, Lane::Work, region).header.key
}

fn holds(replica: &Replica, key: KeyId) -> bool {
    replica.keyring.holds_key(&Namespace::registry(LANGFA).family(), key)
}

/// Shows a node every card of another, as a carrier that hands out whatever it has would.
fn show_cards(from: &Replica, to: &mut Replica) {
    for (key, (version, bytes)) in from.cards.clone() {
        let _ = to.ingest_card(key, version, bytes, NOW);
    }
    to.commit(NOW).unwrap();
}

/// A node that joins with what this one would give it now.
fn join(town: &mut Town, secrets: &[(String, FamilySecret)], name: &str, times: usize) -> Vec<Replica> {
    let place = Place {
        name: name.into(),
        role: NodeRole::Village,
        regions: vec![LANGFA.to_owned()],
        carries: vec![],
        acts_as: None,
    };
    let invite = enrol::invite(&town.founded.authority, &place, secrets, NOW, &mut town.rng).unwrap();
    let joined: Vec<Joined> = (0..times).map(|_| enrol::redeem(&invite, &mut town.rng).unwrap()).collect();
    joined.into_iter().map(|joined| open_joined(town, joined, &invite.secrets)).collect()
}

#[test]
fn what_is_written_after_a_removal_is_sealed_from_the_removed_node() {
    let mut town = Town::new(160);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut haizi = town.node("haizi", NodeRole::Village, &[HAIZI], &[]);
    let mut vehicle = town.node("vehicle", NodeRole::Patrol, &[LANGFA], &[]);
    for node in [&mut langfa, &mut vehicle, &mut haizi] {
        meet(&mut center, node);
    }
    let before = edit(&mut langfa, LANGFA, "1", "before");
    let founding = key_of_last(&langfa, LANGFA);
    assert!(holds(&vehicle, founding));
    remove(&mut center, &town, "vehicle");
    meet(&mut center, &mut langfa);
    let after = edit(&mut langfa, LANGFA, "2", "after");
    let key = key_of_last(&langfa, LANGFA);
    assert_ne!(key, founding);
    edit(&mut center, LANGFA, "3", "at the center");
    assert_eq!(key_of_last(&center, LANGFA), key, "the one that came with the news, not another");
    meet(&mut center, &mut haizi);
    edit(&mut haizi, HAIZI, "1", "elsewhere");
    let elsewhere = key_of_last(&haizi, HAIZI);
    assert_eq!(elsewhere, haizi.trust.family(&Namespace::registry(HAIZI)).unwrap().key, "it never read that");

    show_cards(&langfa, &mut vehicle);
    assert!(!holds(&vehicle, key) && holds(&center, key) && holds(&langfa, key) && !holds(&haizi, key));
    meet(&mut center, &mut langfa);
    assert_eq!(texts(&mut center, LANGFA, before), ["before"]);
    assert_eq!(texts(&mut center, LANGFA, after), ["after"]);

    // Persons' keys and positions as well.
    let namespace = Namespace::registry(LANGFA);
    let resident = langfa.new_resident();
    let sealed = langfa.seal_personal(&namespace, after, resident, None, b"person").unwrap();
    langfa.commit(NOW).unwrap();
    meet(&mut center, &mut langfa);
    assert_eq!(center.open_personal(&namespace, after, resident, &sealed).unwrap(), b"person");
    let place = crate::seal::personal_place(&sealed).unwrap();
    let row = langfa.store.person_key(langfa.numbers[&langfa.namespace_id(&namespace)], place).unwrap();
    let Some(Row::Key(wrapped)) = row else { panic!("{row:?}") };
    let opened = vehicle.keyring.ids(&namespace).into_iter().any(|id| {
        vehicle.keyring.keys(&namespace, id).is_some_and(|keys| keys.unwrap_person_key(&wrapped, place).is_ok())
    });
    assert!(!opened, "the removed node opens no new person's key");
    langfa.publish_position(1, 2, NOW).unwrap();
    langfa.commit(NOW).unwrap();
    meet(&mut center, &mut langfa);
    assert_eq!(center.positions().len(), 1);
    show_cards(&langfa, &mut vehicle);
    assert!(vehicle.positions().is_empty());
}

#[test]
fn parts_that_rotate_apart_read_each_other_and_agree_on_one_key() {
    let mut town = Town::new(161);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut vehicle = town.node("vehicle", NodeRole::Patrol, &[LANGFA], &[]);
    for node in [&mut langfa, &mut vehicle] {
        meet(&mut center, node);
    }
    meet(&mut center, &mut langfa);
    remove(&mut center, &town, "vehicle");
    remove(&mut langfa, &town, "vehicle");
    let (one, two) = (edit(&mut center, LANGFA, "1", "one"), edit(&mut langfa, LANGFA, "2", "two"));
    let keys = [key_of_last(&center, LANGFA), key_of_last(&langfa, LANGFA)];
    assert_ne!(keys[0], keys[1]);
    meet(&mut center, &mut langfa);
    assert_eq!(
        (texts(&mut center, LANGFA, two), texts(&mut langfa, LANGFA, one)),
        (vec!["two".into()], vec!["one".into()])
    );
    edit(&mut center, LANGFA, "3", "three");
    edit(&mut langfa, LANGFA, "4", "four");
    let least = keys[0].min(keys[1]);
    assert_eq!([key_of_last(&center, LANGFA), key_of_last(&langfa, LANGFA)], [least, least]);
}

#[test]
fn who_hears_of_a_removal_without_the_new_keys_mints_some() {
    let mut town = Town::new(162);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut vehicle = town.node("vehicle", NodeRole::Patrol, &[LANGFA], &[]);
    for node in [&mut langfa, &mut vehicle] {
        meet(&mut center, node);
    }
    meet(&mut center, &mut langfa);
    edit(&mut langfa, LANGFA, "1", "before");
    let before = center.recorded_statements.clone();
    remove(&mut center, &town, "vehicle");
    let news = center.auth_entries().unwrap();
    langfa.trust_entries(&news);
    langfa.trust_changed();
    assert!(langfa.recorded_statements.len() > before.len());
    let document = edit(&mut langfa, LANGFA, "1", "after");
    let key = key_of_last(&langfa, LANGFA);
    assert!(holds(&langfa, key) && !holds(&vehicle, key) && !holds(&center, key));
    meet(&mut center, &mut langfa);
    assert_eq!(texts(&mut center, LANGFA, document), ["after"]);
}

#[test]
fn who_joins_later_or_unheard_of_reads_and_writes_under_the_new_key() {
    let mut town = Town::new(163);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut vehicle = town.node("vehicle", NodeRole::Patrol, &[LANGFA], &[]);
    meet(&mut center, &mut vehicle);
    let old = edit(&mut center, LANGFA, "1", "old");
    remove(&mut center, &town, "vehicle");
    let new = edit(&mut center, LANGFA, "2", "new");
    let key = key_of_last(&center, LANGFA);

    let (now, founding) = (center.secrets(), town.founded.secrets.clone());
    let grants = |center: &Replica| center.cards.keys().filter(|key| key.kind == CardKind::Grant as u8).count();
    let count = grants(&center);
    let mut invited = join(&mut town, &now, "invited", 1).remove(0);
    meet(&mut center, &mut invited);
    meet(&mut center, &mut invited);
    assert_eq!(grants(&center), count + 1, "its own card says that it holds the keys; nobody seals them again");
    // Invited by somebody who had not heard of the removal, such as an authority with an old backup.
    let mut unheard = join(&mut town, &founding, "unheard", 1).remove(0);
    meet(&mut center, &mut unheard);
    meet(&mut center, &mut unheard);
    assert_eq!(grants(&center), count + 3, "its own, and one for what it lacked");
    for node in [&mut invited, &mut unheard] {
        assert_eq!(texts(node, LANGFA, old), ["old"]);
        assert_eq!(texts(node, LANGFA, new), ["new"]);
        edit(node, LANGFA, "3", "mine");
        assert_eq!(key_of_last(node, LANGFA), key);
    }
}

#[test]
fn each_removal_brings_another_key_and_what_was_written_before_stays_readable() {
    let mut town = Town::new(168);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut vehicles = ["one", "two", "three"].map(|name| town.node(name, NodeRole::Patrol, &[LANGFA], &[]));
    for node in vehicles.iter_mut().chain([&mut langfa]) {
        meet(&mut center, node);
    }
    let namespace = Namespace::registry(LANGFA);
    let mut persons = Vec::new();
    let mut keys = BTreeSet::new();
    for name in ["", "one", "two", "three"] {
        if !name.is_empty() {
            remove(&mut center, &town, name);
        }
        let document = edit(&mut center, LANGFA, "1", "said");
        let resident = center.new_resident();
        let sealed = center.seal_personal(&namespace, document, resident, None, name.as_bytes()).unwrap();
        center.commit(NOW).unwrap();
        persons.push((document, resident, sealed, name));
        keys.insert(key_of_last(&center, LANGFA));
    }
    assert_eq!(keys.len(), 4);
    meet(&mut center, &mut langfa);
    for (document, resident, sealed, name) in persons {
        for replica in [&mut center, &mut langfa] {
            let opened = replica.open_personal(&namespace, document, resident, &sealed);
            assert_eq!(opened.unwrap(), name.as_bytes());
        }
    }
}

#[test]
fn a_withdrawn_invite_that_nobody_redeemed_is_sealed_out_too() {
    let mut town = Town::new(169);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let place = Place { name: "lost".into(), role: NodeRole::Village, regions: vec![], carries: vec![], acts_as: None };
    let place = Place { regions: vec![LANGFA.to_owned()], ..place };
    let authority = town.founded.authority.clone();
    let invite = enrol::invite(&authority, &place, &center.secrets(), NOW, &mut town.rng).unwrap();
    edit(&mut center, LANGFA, "1", "before");
    let lost = invite.chain.last().unwrap().clone();
    let claim = crate::certificate::Claim::Revocation { certificate: lost.id, cuts: vec![] };
    let withdrawn = Statement::sign(&authority.town, claim, Some(authority.statement.id), [1; 8], &authority.signing);
    center.record_statements(vec![lost, withdrawn], NOW).unwrap();
    edit(&mut center, LANGFA, "1", "after");
    let key = key_of_last(&center, LANGFA);
    assert!(invite.secrets.iter().all(|(family, secret)| secret.key_id(family) != key));
}

#[test]
fn one_of_two_who_redeemed_an_invite_is_sealed_out() {
    let mut town = Town::new(164);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let secrets = center.secrets();
    let mut both = join(&mut town, &secrets, "both", 2);
    let (mut stays, mut thief) = (both.remove(0), both.remove(0));
    for node in [&mut stays, &mut thief] {
        meet(&mut center, node);
    }
    let node = thief.node();
    center.revoke(&town.founded.authority, node, true, NOW).unwrap();
    center.commit(NOW).unwrap();
    let document = edit(&mut center, LANGFA, "1", "after");
    meet(&mut center, &mut stays);
    meet(&mut center, &mut stays);
    assert_eq!(texts(&mut stays, LANGFA, document), ["after"]);
    show_cards(&center, &mut thief);
    assert!(!holds(&thief, key_of_last(&center, LANGFA)));
}

#[test]
fn the_word_of_a_removed_node_for_a_key_does_not_count() {
    let mut town = Town::new(165);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut vehicle = town.node("vehicle", NodeRole::Patrol, &[LANGFA], &[]);
    meet(&mut center, &mut vehicle);
    let removed = vehicle.node();
    remove(&mut center, &town, "vehicle");
    // It knows whom the center excludes, and hands it the least key that there can be, saying that it excluded itself.
    let excluded: BTreeSet<_> =
        center.trust.former_readers("registry/110115005001").map(|id| crate::grant::short_certificate(&id)).collect();
    let family = Namespace::registry(LANGFA).family();
    let made: Vec<FamilySecret> = (0..64).map(|_| FamilySecret::random(&mut town.rng)).collect();
    let least = made.into_iter().min_by_key(|secret| secret.key_id(&family)).unwrap();
    let (id, secrets) = (least.key_id(&family), [(family, least)]);
    let recipients = BTreeMap::from([(center.own.exchange, BTreeSet::from([0]))]);
    let handout = Handout { excluded: &excluded, secrets: &secrets, recipients: &recipients };
    for bytes in handout.cards(&vehicle.identity.signing, &mut town.rng) {
        assert_eq!(Grant::from_bytes(&bytes).unwrap().granter, removed);
        assert!(center.ingest_card(CardKind::Grant.key(*blake3::hash(&bytes).as_bytes()), 0, bytes, NOW).unwrap());
    }
    edit(&mut center, LANGFA, "1", "after");
    assert!(holds(&center, id), "what was sealed under it could be read");
    assert_ne!(key_of_last(&center, LANGFA), id);
}

#[test]
fn work_goes_on_where_no_more_grants_fit() {
    let mut town = Town::new(166);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut vehicle = town.node("vehicle", NodeRole::Patrol, &[LANGFA], &[]);
    for node in [&mut langfa, &mut vehicle] {
        meet(&mut center, node);
    }
    let family = Namespace::registry(HAIZI).family();
    let mut other = || [(family.clone(), FamilySecret::random(&mut town.rng))];
    let kept = (0..MAX_GRANTS_OF_ONE).filter(|_| center.keep_secrets(&other())).count();
    assert_eq!(kept, MAX_GRANTS_OF_ONE - 1);
    center.commit(NOW).unwrap();
    remove(&mut center, &town, "vehicle");
    let document = edit(&mut center, LANGFA, "1", "after");
    let warned = |replica: &mut Replica| {
        let outputs = std::iter::from_fn(|| replica.poll_output());
        outputs.filter(|output| matches!(output, Output::LeakyKey { .. })).count()
    };
    assert_eq!(warned(&mut center), 1);
    edit(&mut center, LANGFA, "2", "again");
    assert_eq!(warned(&mut center), 0, "once for each change of certificates and grants");
    meet(&mut center, &mut langfa);
    meet(&mut center, &mut langfa);
    assert_eq!(texts(&mut langfa, LANGFA, document), ["after"]);
}

#[test]
fn keys_are_known_after_a_restart() {
    let mut town = Town::new(167);
    let mut center = Member::join(&mut town, "center", NodeRole::Center, &[], &[]);
    let mut vehicle = town.node("vehicle", NodeRole::Patrol, &[LANGFA], &[]);
    meet(center.replica(), &mut vehicle);
    remove(center.replica(), &town, "vehicle");
    let document = edit(center.replica(), LANGFA, "1", "after");
    let key = key_of_last(center.replica(), LANGFA);
    center.reopen(&mut town.rng, NOW);
    assert_eq!(texts(center.replica(), LANGFA, document), ["after"]);
    edit(center.replica(), LANGFA, "2", "again");
    assert_eq!(key_of_last(center.replica(), LANGFA), key);
}

#[test]
fn the_news_of_a_removal_may_come_before_the_certificate_of_whoever_was_removed() {
    let mut town = Town::new(176);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut vehicle = town.node("vehicle", NodeRole::Patrol, &[LANGFA], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut center, &mut vehicle);
    remove(&mut center, &town, "vehicle");
    let auth = center.namespace_id(&Namespace::auth());
    let logs: Vec<LogId> =
        center.logs_of(auth).map(|(log, _)| *log).filter(|log| log.author == center.node()).collect();
    for log in logs {
        let mut entries = vec![];
        center
            .entries(&log, 1, |entry| {
                entries.push(entry);
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        for run in entries.chunks(crate::bounds::RUN_ENTRIES) {
            langfa.ingest(Run::new(run.to_vec()).unwrap()).unwrap();
        }
    }
    langfa.commit(NOW).unwrap();
    assert!(langfa.trust.has_revocations() && langfa.trust.certificates_of(&vehicle.node()).next().is_none());
    let document = edit(&mut langfa, LANGFA, "1", "text");
    let key = key_of_last(&langfa, LANGFA);
    assert!(!holds(&vehicle, key), "a key that nobody knows the removed node not to have");
    // Once all is known every node reads it, and the removed one does not.
    meet(&mut center, &mut langfa);
    assert_eq!(texts(&mut center, LANGFA, document), ["text"]);
    show_cards(&langfa, &mut vehicle);
    assert!(!holds(&vehicle, key));
    edit(&mut langfa, LANGFA, "2", "more");
    assert!(!holds(&vehicle, key_of_last(&langfa, LANGFA)));
}
