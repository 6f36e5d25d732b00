//! What enrolled and removed nodes try against rotation and erasure.

use super::super::tests::{connect, edit, meet, settle};
use super::*;
use crate::card::CardKind;
use crate::certificate::{Certificate, CertificateKind, Claim};
use crate::domain::household::Resident;
use crate::grant::{Grant, Handout};
use crate::id::KeyId;
use crate::refusal::Refusal;
use x25519_dalek::{PublicKey, StaticSecret};

fn family() -> String {
    Namespace::registry(LANGFA).family()
}

fn key_of_last(replica: &Replica) -> KeyId {
    let namespace = replica.namespace_id(&Namespace::registry(LANGFA));
    let log = LogId { namespace, author: replica.node(), epoch: replica.epoch, lane: Lane::Work };
    let mut last = None;
    replica
        .entries(&log, 1, |entry| {
            last = Some(entry.header.key);
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    last.unwrap()
}

fn place(name: &str) -> Place {
    Place {
        name: name.into(),
        role: NodeRole::Village,
        regions: vec![LANGFA.to_owned()],
        carries: vec![],
        acts_as: None,
    }
}

fn join(town: &mut Town, secrets: &[(String, FamilySecret)], name: &str) -> Replica {
    let invite = enrol::invite(&town.founded.authority, &place(name), secrets, NOW, &mut town.rng).unwrap();
    let joined = enrol::redeem(&invite, &mut town.rng).unwrap();
    open_joined(town, joined, &invite.secrets)
}

fn offer(to: &mut Replica, cards: Vec<Vec<u8>>) -> usize {
    let key = |bytes: &[u8]| CardKind::Grant.key(*blake3::hash(bytes).as_bytes());
    let kept = cards.into_iter().filter(|bytes| to.ingest_card(key(bytes), 0, bytes.clone(), NOW).unwrap()).count();
    to.commit(NOW).unwrap();
    kept
}

/// Offers the refusal of a node; whether it is kept.
fn refuse(to: &mut Replica, by: &Replica, refused: BTreeSet<NodeId>) -> bool {
    let refusal = Refusal { node: by.node(), refused };
    let bytes = refusal.to_bytes(&by.identity.signing);
    let kept = to.ingest_card(CardKind::Refusal.key(by.node().0), refusal.version(), bytes, NOW).unwrap();
    to.commit(NOW).unwrap();
    kept
}

fn junk(by: &Identity, to: &[u8; 32], cards: usize, keys: usize, rng: &mut ChaCha8Rng) -> Vec<Vec<u8>> {
    let one = |rng: &mut ChaCha8Rng| {
        let secrets: Vec<_> = (0..keys).map(|_| (family(), FamilySecret::random(rng))).collect();
        let recipients = BTreeMap::from([(*to, (0..keys).collect())]);
        Handout { excluded: &BTreeSet::new(), secrets: &secrets, recipients: &recipients }.cards(&by.signing, rng)
    };
    (0..cards).flat_map(|_| one(rng)).collect()
}

/// A new node has the newest key by its invite and no news yet; the removed node is the first that it meets.
#[test]
fn a_key_that_a_new_node_handed_to_a_removed_one_is_not_used() {
    let mut town = Town::new(301);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut vehicle = town.node("vehicle", NodeRole::Patrol, &[LANGFA], &[]);
    meet(&mut center, &mut vehicle);
    remove(&mut center, &town, "vehicle");
    edit(&mut center, LANGFA, "1", "after");
    let key = key_of_last(&center);
    assert!(!vehicle.keyring.holds_key(&family(), key));
    let secrets = center.secrets();
    let mut new = join(&mut town, &secrets, "new");
    connect(&mut new, &mut vehicle);
    settle(&mut new, &mut vehicle);
    connect(&mut new, &mut vehicle);
    settle(&mut new, &mut vehicle);
    let leaked = vehicle.keyring.holds_key(&family(), key);
    meet(&mut center, &mut new);
    meet(&mut center, &mut new);
    edit(&mut center, LANGFA, "2", "long after");
    let now = key_of_last(&center);
    assert!(!vehicle.keyring.holds_key(&family(), now), "the removed node reads on; leaked first: {leaked}");
}

/// An invite is redeemed with an exchange key that begins like the center's.
#[test]
fn an_exchange_key_that_begins_like_anothers_spoils_no_grant() {
    let mut town = Town::new(302);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut vehicle = town.node("vehicle", NodeRole::Patrol, &[LANGFA], &[]);
    for node in [&mut langfa, &mut vehicle] {
        meet(&mut center, node);
    }
    let invite =
        enrol::invite(&town.founded.authority, &place("hostile"), &town.founded.secrets, NOW, &mut town.rng).unwrap();
    let own = invite.chain.last().unwrap();
    let Claim::Certificate(template) = own.claim.clone() else { panic!() };
    let signing = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
    let mut exchange = center.own.exchange;
    exchange[31] ^= 1;
    let certificate = Certificate {
        kind: CertificateKind::Node,
        key: NodeId(signing.verifying_key().to_bytes()),
        exchange,
        ..template
    };
    let statement =
        Statement::sign(&invite.town, Claim::Certificate(certificate), Some(own.id), [1; 8], &invite.signing)
            .with_possession(&signing);
    center.record_statements(vec![own.clone(), statement], NOW).unwrap();
    center.commit(NOW).unwrap();
    meet(&mut center, &mut langfa);
    remove(&mut center, &town, "vehicle");
    let bad = center.cards.iter().filter(|(key, _)| key.kind == CardKind::Grant as u8);
    let bad = bad.filter(|(_, (_, bytes))| Grant::from_bytes(bytes).is_err()).count();
    edit(&mut center, LANGFA, "1", "after");
    let key = key_of_last(&center);
    let held = vehicle.keyring.holds_key(&family(), key);
    connect(&mut center, &mut langfa);
    let mut refused = None;
    'all: for _ in 0..50 {
        while let Some(message) = center.poll_transmit(langfa.node()).unwrap() {
            if let Err(error) = langfa.receive(center.node(), &message, NOW) {
                refused = Some(error.to_string());
                break 'all;
            }
        }
        langfa.commit(NOW).unwrap();
        while let Some(message) = langfa.poll_transmit(center.node()).unwrap() {
            center.receive(langfa.node(), &message, NOW).unwrap();
        }
        center.commit(NOW).unwrap();
    }
    assert_eq!((bad, held, refused), (0, false, None), "own unreadable grants, removed node reads on, session refused");
}

/// One writer names the place of another person's key in a person's record.
#[test]
fn erasing_a_person_does_not_destroy_the_key_of_another_whose_place_was_copied() {
    let mut town = Town::new(303);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut center, &mut langfa);
    let namespace = Namespace::registry(LANGFA);
    let document = edit(&mut center, LANGFA, "1", "home");
    let put = |replica: &mut Replica, resident: ResidentId, sealed: Vec<u8>| {
        let fields = BTreeMap::from([(Resident::PERSONAL, Value::Bytes(sealed))]);
        let edits = BTreeMap::from([(resident.as_bytes().to_vec(), fields)]);
        replica.edit(&namespace, DocumentKind::Household, document, edits, Lane::Work, NOW).unwrap();
        replica.commit(NOW).unwrap();
    };
    let (one, two) = (center.new_resident(), center.new_resident());
    let first = center.seal_personal(&namespace, document, one, None, b"one").unwrap();
    let second = center.seal_personal(&namespace, document, two, None, b"two").unwrap();
    put(&mut center, one, first);
    put(&mut center, two, second.clone());
    meet(&mut center, &mut langfa);
    // The hostile author says of the first what was said of the second.
    put(&mut langfa, one, second.clone());
    meet(&mut center, &mut langfa);
    let field = (one.as_bytes(), Resident::PERSONAL);
    let erased = center.erase(&town.founded.authority, &namespace, document, (field.0, field.1), NOW).unwrap();
    center.commit(NOW).unwrap();
    let opened = center.open_personal(&namespace, document, two, &second);
    assert!(opened.is_ok(), "the other person is gone, too: {opened:?}, {} keys", erased.keys);
}

/// One enrolled node hands another very many keys, which passes them on.
#[test]
fn keys_made_by_one_node_do_not_use_up_the_grants_of_another() {
    let mut town = Town::new(304);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut hostile = town.node("hostile", NodeRole::Patrol, &[LANGFA], &[]);
    for node in [&mut langfa, &mut hostile] {
        meet(&mut center, node);
    }
    let cards = junk(&hostile.identity, &center.own.exchange, 255, 160, &mut town.rng);
    assert_eq!(offer(&mut center, cards), 255);
    meet(&mut center, &mut langfa);
    meet(&mut center, &mut langfa);
    let spent = center
        .cards
        .values()
        .filter(|(_, bytes)| Grant::from_bytes(bytes).is_ok_and(|grant| grant.granter == center.node()))
        .count();
    remove(&mut center, &town, "hostile");
    edit(&mut center, LANGFA, "1", "after");
    let key = key_of_last(&center);
    assert!(!hostile.keyring.holds_key(&family(), key), "the removed node reads on: {spent} grants were spent");
}

/// A reader that is still enrolled signs a grant whose share for a newcomer holds nothing.
#[test]
fn a_worthless_share_does_not_keep_a_newcomer_from_its_key() {
    let mut town = Town::new(310);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut vehicle = town.node("vehicle", NodeRole::Patrol, &[LANGFA], &[]);
    let mut hostile = town.node("hostile", NodeRole::Village, &[LANGFA], &[]);
    for node in [&mut vehicle, &mut hostile] {
        meet(&mut center, node);
    }
    // It does not know the new key: its invite was made before the removal.
    let founding = town.founded.secrets.clone();
    let mut new = join(&mut town, &founding, "new");
    remove(&mut center, &town, "vehicle");
    edit(&mut center, LANGFA, "1", "after");
    let key = key_of_last(&center);
    let secret = center.secrets().into_iter().find(|(known, secret)| *known == family() && secret.key_id(known) == key);
    // Sealed for the newcomer, under another one's key: the share cannot be opened.
    let recipients = BTreeMap::from([(new.own.exchange, BTreeSet::from([0]))]);
    let handout = Handout { excluded: &BTreeSet::new(), secrets: &[secret.unwrap()], recipients: &recipients };
    let mut bytes = handout.cards(&hostile.identity.signing, &mut town.rng).remove(0);
    spoil_share(&mut bytes, &hostile.identity.signing);
    for node in [&mut center, &mut new, &mut hostile] {
        offer(node, vec![bytes.clone()]);
    }
    meet(&mut center, &mut new);
    meet(&mut center, &mut new);
    assert!(new.keyring.holds_key(&family(), key), "the newcomer cannot read what is written now");
    let refusals = |replica: &Replica| {
        let refusals = replica.cards.values().filter_map(|(_, bytes)| Refusal::from_bytes(bytes).ok());
        refusals.filter(|refusal| refusal.refused.contains(&hostile.node())).count()
    };
    assert_eq!((refusals(&new), refusals(&center)), (1, 1));
    let (_, again) = meet(&mut center, &mut new);
    assert!(again < 4_000, "{again} bytes: keys are handed out again and again");
}

/// One who says of everybody that their shares held nothing is served once by each, not for ever.
#[test]
fn who_refuses_every_share_is_given_keys_once_by_each() {
    let mut town = Town::new(311);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut vehicle = town.node("vehicle", NodeRole::Patrol, &[LANGFA], &[]);
    let mut hostile = town.node("hostile", NodeRole::Village, &[LANGFA], &[]);
    for node in [&mut vehicle, &mut hostile] {
        meet(&mut center, node);
    }
    remove(&mut center, &town, "vehicle");
    edit(&mut center, LANGFA, "1", "after");
    let everybody = BTreeSet::from([center.node(), vehicle.node(), hostile.node()]);
    assert!(refuse(&mut center, &hostile, everybody.clone()));
    let before = center.own_grants();
    for round in 1..4 {
        // Each card is another one, and every card makes the center look again.
        let mut again = everybody.clone();
        again.extend((0..=round).map(|byte| NodeId([byte; 32])));
        assert!(refuse(&mut center, &hostile, again));
        meet(&mut center, &mut hostile);
        meet(&mut center, &mut hostile);
    }
    // The founding key, which it says not to have from its own invite.
    assert_eq!(center.own_grants(), before + 1);
}

/// Alters the sealed bytes of a grant's only share, and signs it again.
fn spoil_share(bytes: &mut Vec<u8>, key: &ed25519_dalek::SigningKey) {
    let (content, _) = crate::card::unsigned(bytes).unwrap();
    let mut content = content.to_vec();
    // The last bytes are those of the share.
    let at = content.len() - 1;
    content[at] ^= 1;
    *bytes = crate::card::signed(crate::grant::CONTEXT, key, |e| {
        e.writer_mut().extend_from_slice(&content);
        Ok(())
    });
}

/// Nodes that joined with one invite fill the room for grants, and are removed: their grants are for nobody, or name an
/// honest node, which may have got keys that somebody wrote under.
#[test]
fn grants_of_removed_nodes_do_not_keep_others_from_rotating() {
    for names_the_center in [false, true] {
        fill_the_room_for_grants(305 + u64::from(names_the_center), names_the_center);
    }
}

fn fill_the_room_for_grants(seed: u64, names_the_center: bool) {
    let mut town = Town::new(seed);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let invite =
        enrol::invite(&town.founded.authority, &place("many"), &town.founded.secrets, NOW, &mut town.rng).unwrap();
    let mut many = Vec::new();
    for _ in 0..8 {
        let joined = enrol::redeem(&invite, &mut town.rng).unwrap();
        let mut node = open_joined(&mut town, joined, &invite.secrets);
        meet(&mut center, &mut node);
        many.push(node);
    }
    for node in &many {
        let nobody = PublicKey::from(&StaticSecret::from([7; 32])).to_bytes();
        let recipient = if names_the_center { center.own.exchange } else { nobody };
        offer(&mut center, junk(&node.identity, &recipient, 256, 1, &mut town.rng));
    }
    for node in &many {
        let _ = center.revoke(&town.founded.authority, node.node(), true, NOW);
        center.commit(NOW).unwrap();
    }
    assert!(many.iter().all(|node| center.trust.current(&node.node()).is_none()));
    // Their own grants made room for some rotations; others are removed later.
    for _ in 0..10 {
        let secrets = center.secrets();
        let mut vehicle = join(&mut town, &secrets, "vehicle");
        meet(&mut center, &mut vehicle);
        remove(&mut center, &town, "vehicle");
        many.push(vehicle);
        edit(&mut center, LANGFA, "1", "after");
        let key = key_of_last(&center);
        assert!(!many.iter().any(|node| node.keyring.holds_key(&family(), key)), "the removed nodes read on");
    }
}

/// Grants of one author beyond the bound: two nodes hold different ones.
#[test]
fn too_many_grants_of_one_are_not_sent_again_in_each_session() {
    let mut town = Town::new(307);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut hostile = town.node("hostile", NodeRole::Patrol, &[LANGFA], &[]);
    for node in [&mut langfa, &mut hostile] {
        meet(&mut center, node);
    }
    meet(&mut center, &mut langfa);
    let nobody = PublicKey::from(&StaticSecret::from([7; 32])).to_bytes();
    for node in [&mut center, &mut langfa] {
        offer(node, junk(&hostile.identity, &nobody, 256, 100, &mut town.rng));
    }
    meet(&mut center, &mut langfa);
    let (messages, bytes) = meet(&mut center, &mut langfa);
    assert!(bytes < 100_000, "{messages} messages, {bytes} bytes in a session of two that met just before");
}

#[test]
fn a_grant_always_fits_a_card() {
    let mut rng = ChaCha8Rng::seed_from_u64(308);
    let key = ed25519_dalek::SigningKey::from_bytes(&[1; 32]);
    let secrets: Vec<_> =
        (0..160).map(|number| (format!("registry/110115{number:06}"), FamilySecret::random(&mut rng))).collect();
    let mut recipients = BTreeMap::new();
    for (seed, count) in [160, 160, 17, 160].into_iter().enumerate() {
        let mut to = PublicKey::from(&StaticSecret::from([seed as u8 + 1; 32])).to_bytes();
        to[0] = seed as u8;
        recipients.insert(to, (160 - count..160).collect::<BTreeSet<usize>>());
    }
    let excluded: BTreeSet<crate::grant::Short> = (0..1024_u64).map(|n| n.to_be_bytes()).collect();
    let cards = Handout { excluded: &excluded, secrets: &secrets, recipients: &recipients }.cards(&key, &mut rng);
    for card in cards {
        assert!(card.len() <= crate::card::MAX_CARD, "{} bytes", card.len());
    }
}

/// An order names a place that the shelf has not reached.
#[test]
fn a_key_minted_at_a_place_that_was_erased_before_is_not_given_to_anybody() {
    let mut town = Town::new(309);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let namespace = Namespace::registry(LANGFA);
    let document = edit(&mut center, LANGFA, "1", "home");
    let put = |replica: &mut Replica, resident: ResidentId, sealed: Vec<u8>| {
        let fields = BTreeMap::from([(Resident::PERSONAL, Value::Bytes(sealed))]);
        let edits = BTreeMap::from([(resident.as_bytes().to_vec(), fields)]);
        replica.edit(&namespace, DocumentKind::Household, document, edits, Lane::Work, NOW).unwrap();
        replica.commit(NOW).unwrap();
    };
    let one = center.new_resident();
    let first = center.seal_personal(&namespace, document, one, None, b"one").unwrap();
    put(&mut center, one, first.clone());
    // What a hostile author writes: the next place of the center's shelf.
    let mut next = first.clone();
    next[11] += 1;
    put(&mut center, one, next);
    center.erase(&town.founded.authority, &namespace, document, (one.as_bytes(), Resident::PERSONAL), NOW).unwrap();
    center.commit(NOW).unwrap();
    let two = center.new_resident();
    let second = center.seal_personal(&namespace, document, two, None, b"two").unwrap();
    put(&mut center, two, second.clone());
    let opened = center.open_personal(&namespace, document, two, &second);
    assert!(opened.is_ok(), "what was recorded and acknowledged is lost: {opened:?}");
}

/// Each refusal makes an honest node hand out keys once more; whoever signs ever new ones takes no room for good.
#[test]
fn what_was_handed_to_nodes_that_were_removed_makes_room() {
    let mut town = Town::new(312);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut hostile = town.node("hostile", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut center, &mut hostile);
    let both = BTreeSet::from([center.node(), hostile.node()]);
    assert!(refuse(&mut center, &hostile, both));
    meet(&mut center, &mut hostile);
    let handed = |center: &Replica| {
        let grants = center.cards.values().filter_map(|(_, bytes)| Grant::from_bytes(bytes).ok());
        grants.filter(|grant| grant.recipients().any(|recipient| *recipient == hostile.own.exchange)).count()
    };
    assert!(handed(&center) > 0, "the point of the test");
    remove(&mut center, &town, "hostile");
    let refusals =
        |center: &Replica| center.cards_that_count().filter(|(key, _)| key.kind == CardKind::Refusal as u8).count();
    assert_eq!(refusals(&center), 0, "it is told to nobody");
    while center.drop_useless_grant() {}
    assert_eq!(handed(&center), 0);
    assert!(center.own_grants() > 0, "what somebody can use stays");
}

/// One of two nodes hears of a removal before it sees the refusal.
#[test]
fn a_refusal_of_a_removed_node_does_not_make_cards_differ_for_ever() {
    let mut town = Town::new(313);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut vehicle = town.node("vehicle", NodeRole::Patrol, &[LANGFA], &[]);
    meet(&mut center, &mut vehicle);
    meet(&mut center, &mut langfa);
    assert!(refuse(&mut langfa, &vehicle, BTreeSet::from([center.node()])));
    remove(&mut center, &town, "vehicle");
    meet(&mut center, &mut langfa);
    assert_eq!(center.cards_digest(), langfa.cards_digest());
}

/// A reader that is enrolled hands a newcomer shares that hold nothing, again and again: each refusal replaces the last.
#[test]
fn a_node_refuses_in_one_card_whatever_it_refuses() {
    let mut town = Town::new(314);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut hostile = [1, 2, 3].map(|_| town.node("hostile", NodeRole::Village, &[LANGFA], &[]));
    for node in &mut hostile {
        meet(&mut center, node);
    }
    for node in &hostile {
        let secret = (family(), FamilySecret::random(&mut town.rng));
        let recipients = BTreeMap::from([(center.own.exchange, BTreeSet::from([0]))]);
        let handout = Handout { excluded: &BTreeSet::new(), secrets: &[secret], recipients: &recipients };
        let mut bytes = handout.cards(&node.identity.signing, &mut town.rng).remove(0);
        spoil_share(&mut bytes, &node.identity.signing);
        assert_eq!(offer(&mut center, vec![bytes]), 1);
    }
    let own = CardKind::Refusal.key(center.node().0);
    let refusal = Refusal::from_bytes(&center.cards[&own].1).unwrap();
    assert_eq!(refusal.refused, hostile.iter().map(Replica::node).collect());
    assert_eq!(center.cards.keys().filter(|key| key.kind == CardKind::Refusal as u8).count(), 1);
}
