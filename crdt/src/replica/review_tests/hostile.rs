//! What an enrolled node with an altered program, or somebody with an old invite, tries.

use super::super::sync_tests::take;
use super::super::tests::{edit, meet, texts};
use super::*;
use crate::certificate::{CertificateKind, Claim};
use crate::change;
use crate::codec::BodyCodec;
use crate::enrol::{Authority, Invite, Joined};
use crate::entry::{self, Entry, Header};
use crate::grant::{Grant, Handout};
use crate::id::KeyId;
use crate::seal::FamilySecret;
use crate::sync::{Message, Run};
use crate::trust::Added;

type Key = ed25519_dalek::SigningKey;

fn node_id(key: &Key) -> NodeId {
    NodeId(key.verifying_key().to_bytes())
}

fn removal(town: &[u8; 32], issuer: CertificateId, key: &Key, of: u64) -> Statement {
    let mut certificate = [0; 32];
    certificate[..8].copy_from_slice(&of.to_be_bytes());
    let claim = Claim::Revocation { certificate: CertificateId(certificate), cuts: vec![] };
    Statement::sign(town, claim, Some(issuer), of.to_be_bytes(), key)
}

/// The first entry of a log of `auth` of a key, whoever's certificate it names.
fn auth_entry(town: &[u8; 32], key: &Key, certificate: CertificateId, statements: &[Statement]) -> Entry {
    let log = LogId { namespace: Namespace::auth().id(town), author: node_id(key), epoch: 5, lane: Lane::Urgent };
    let items = statements.iter().map(|statement| {
        let bytes = statement.to_bytes();
        let document = DocumentId(change::record_id(&bytes).0);
        Item::Record { kind: DocumentKind::Statement as u8, document, bytes }
    });
    let body = BodyCodec::new().unwrap().compress(&change::encode_items(&items.collect::<Vec<_>>()));
    let header = Header {
        log,
        seq: 1,
        backlink: log.origin(),
        time: HybridTime::at(NOW),
        certificate,
        key: KeyId([0; 16]),
        body_len: body.len() as u32,
        body_hash: blake3::hash(&body).into(),
    };
    Entry { header, signature: Some(entry::sign(&header, key)), body }
}

fn entries(node: &Replica, namespace: NamespaceId) -> Vec<Entry> {
    let logs = node.logs.keys().filter(|log| log.namespace == namespace && log.author == node.node());
    let mut entries = Vec::new();
    for log in logs {
        node.entries(log, 1, |entry| {
            entries.push(entry);
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    }
    entries
}

fn invite(town: &mut Town, name: &str, region: &str) -> Invite {
    let regions = vec![region.to_owned()];
    let place = Place { name: name.into(), role: NodeRole::Patrol, regions, carries: vec![], acts_as: None };
    enrol::invite(&town.founded.authority, &place, &town.founded.secrets, NOW, &mut town.rng).unwrap()
}

fn open(town: &mut Town, invite: &Invite, joined: Joined) -> Replica {
    open_joined(town, joined, &invite.secrets)
}

/// A second authority, and its key.
fn second_authority(town: &Town) -> (Statement, Key) {
    let key = Key::from_bytes(&[55; 32]);
    let Authority { town: id, statement, .. } = &town.founded.authority;
    let Claim::Certificate(template) = statement.claim.clone() else { panic!("not a certificate") };
    let claim = Claim::Certificate(Certificate { key: node_id(&key), ..template });
    (Statement::sign(id, claim, None, [2; 8], &town.founded.root), key)
}

#[test]
fn a_removed_node_does_not_come_back_by_its_old_invite() {
    let mut town = Town::new(140);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let invite = invite(&mut town, "vehicle", LANGFA);
    let joined = [(); 3].map(|()| enrol::redeem(&invite, &mut town.rng).unwrap());
    let [mut vehicle, mut honest, mut again] = joined.map(|joined| open(&mut town, &invite, joined));
    meet(&mut center, &mut vehicle);
    meet(&mut center, &mut honest);
    let known = edit(&mut vehicle, LANGFA, "1", "known");
    let by_honest = edit(&mut honest, LANGFA, "2", "honest");
    meet(&mut center, &mut vehicle);
    meet(&mut center, &mut honest);
    let authority = town.founded.authority.clone();
    center.revoke(&authority, vehicle.node(), true, NOW).unwrap();
    center.commit(NOW).unwrap();
    assert_eq!(texts(&mut center, LANGFA, known), ["known"], "what was known stands");
    assert_eq!(texts(&mut center, LANGFA, by_honest), ["honest"]);
    // Whoever has the file makes another key.
    center.open_session(again.node()).unwrap();
    again.open_session(center.node()).unwrap();
    let hello = again.poll_transmit(center.node()).unwrap().unwrap();
    assert!(matches!(center.receive(again.node(), &hello, NOW), Err(HandleError::Unenrolled(_))));
    // Somebody else who had joined with the same one goes on, by the authority's own word.
    meet(&mut center, &mut honest);
    let after = edit(&mut honest, LANGFA, "3", "goes on");
    meet(&mut center, &mut honest);
    assert_eq!(texts(&mut center, LANGFA, after), ["goes on"]);
}

#[test]
fn nobody_certifies_a_key_that_is_not_theirs() {
    let mut town = Town::new(141);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut center, &mut langfa);
    let invite = invite(&mut town, "vehicle", HAIZI);
    let joined = enrol::redeem(&invite, &mut town.rng).unwrap();
    let own = invite.chain.last().unwrap();
    let Claim::Certificate(template) = own.claim.clone() else { panic!("not a certificate") };
    let usurped = Certificate {
        kind: CertificateKind::Node,
        key: center.node(),
        exchange: center.own.exchange,
        not_after: template.not_after,
        ..template
    };
    let statement = Statement::sign(&invite.town, Claim::Certificate(usurped), Some(own.id), [9; 8], &invite.signing);
    // Signed by another key than the certified one.
    let statement = statement.with_possession(&joined.identity.signing);
    let mut vehicle = open(&mut town, &invite, joined);
    assert!(vehicle.record_statements(vec![statement.clone()], NOW).is_err());
    let bytes = statement.to_bytes();
    let document = DocumentId(change::record_id(&bytes).0);
    vehicle.put(&Namespace::auth(), DocumentKind::Statement, document, bytes, Lane::Urgent, NOW).unwrap();
    vehicle.commit(NOW).unwrap();
    meet(&mut vehicle, &mut langfa);
    meet(&mut langfa, &mut center);
    for node in [&center, &langfa] {
        assert_eq!(node.trust.current(&center.node()).map(|(_, own)| own.role), Some(NodeRole::Center));
    }
    edit(&mut center, LANGFA, "1", "goes on");
}

#[test]
fn a_run_that_is_refused_has_no_effect_and_takes_no_room() {
    let mut town = Town::new(142);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut center, &mut langfa);
    let (id, named) = (*langfa.trust.town(), langfa.identity.certificate);
    let stranger = Key::from_bytes(&[9; 32]);
    for fake in 0..200_u64 {
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&fake.to_be_bytes());
        let dangling = (0..250).map(|number| removal(&id, CertificateId([7; 32]), &stranger, fake * 1000 + number));
        let entry = auth_entry(&id, &Key::from_bytes(&seed), named, &dangling.collect::<Vec<_>>());
        assert!(langfa.ingest(Run::new(vec![entry]).unwrap()).is_err());
    }
    let waits = removal(&id, CertificateId([6; 32]), &stranger, 1);
    assert_eq!(langfa.trust.add_from(center.node(), waits).unwrap(), Added::Waiting);
    let authority = &town.founded.authority;
    let claim = Claim::Revocation { certificate: center.identity.certificate, cuts: vec![] };
    let authentic = Statement::sign(&id, claim, Some(authority.statement.id), [3; 8], &authority.signing);
    let entry = auth_entry(&id, &Key::from_bytes(&[77; 32]), named, &[authentic]);
    assert!(langfa.ingest(Run::new(vec![entry]).unwrap()).is_err());
    assert!(!langfa.trust.is_revoked(&center.identity.certificate) && !langfa.has_staged());
}

#[test]
fn a_forged_copy_does_not_keep_a_removal_from_having_effect() {
    let town = Town::new(143);
    let authority = &town.founded.authority;
    let mut trust = Trust::new(authority.town);
    let real = removal(&authority.town, authority.statement.id, &authority.signing, 8);
    let Claim::Revocation { certificate, .. } = real.claim else { panic!("not a removal") };
    let id = real.id;
    let mut bytes = real.to_bytes();
    *bytes.last_mut().unwrap() ^= 1;
    let forged = Statement::from_bytes(&bytes, &authority.town).unwrap();
    assert_eq!(forged.id, real.id);
    for (author, statement) in [(1, forged), (2, real)] {
        assert_eq!(trust.add_from(NodeId([author; 32]), statement).unwrap(), Added::Waiting);
    }
    assert_eq!(trust.add_from(NodeId([2; 32]), authority.statement.clone()).unwrap(), Added::New);
    assert!(trust.is_revoked(&certificate));
    assert_eq!(trust.take_released(), [id]);
}

#[test]
fn any_number_of_removals_may_come_before_their_authority() {
    let mut town = Town::new(144);
    let (second, key) = second_authority(&town);
    let mut one = town.node("one", NodeRole::Center, &[], &[]);
    let mut two = town.node("two", NodeRole::Center, &[], &[]);
    two.record_statements(vec![second.clone()], NOW).unwrap();
    two.commit(NOW).unwrap();
    meet(&mut one, &mut two);
    let count = 3_000;
    for few in (0..count).collect::<Vec<_>>().chunks(100) {
        let removals = few.iter().map(|of| removal(one.trust.town(), second.id, &key, *of)).collect();
        one.record_statements(removals, NOW).unwrap();
        one.commit(NOW).unwrap();
    }
    let mut late = town.node("late", NodeRole::Village, &[LANGFA], &[]);
    let auth = one.namespace_id(&Namespace::auth());
    for node in [&one, &two] {
        take(&mut late, &entries(node, auth), 8);
    }
    let town_id = *one.trust.town();
    let heeded = |replica: &Replica| {
        let is_revoked = |of: &u64| {
            let Claim::Revocation { certificate, .. } = removal(&town_id, second.id, &key, *of).claim else {
                return false;
            };
            replica.trust.is_revoked(&certificate)
        };
        (0..count).filter(is_revoked).count() as u64
    };
    assert_eq!((heeded(&one), heeded(&late)), (count, count));
}

#[test]
fn a_certificate_that_waits_for_its_issuer_does_not_stand_yet() {
    let mut town = Town::new(145);
    let (second, key) = second_authority(&town);
    let mut one = town.node("one", NodeRole::Center, &[], &[]);
    let mut two = town.node("two", NodeRole::Center, &[], &[]);
    let mut branch = town.node("branch", NodeRole::Village, &[LANGFA], &[]);
    let mut late = town.node("late", NodeRole::Village, &[LANGFA], &[]);
    two.record_statements(vec![second.clone()], NOW).unwrap();
    two.commit(NOW).unwrap();
    meet(&mut one, &mut two);
    meet(&mut one, &mut branch);
    let renewed = Certificate { not_after: branch.own.not_after + 1, ..branch.own.clone() };
    let renewed = Statement::sign(one.trust.town(), Claim::Certificate(renewed), Some(second.id), [3; 8], &key);
    one.record_statements(vec![renewed.clone()], NOW).unwrap();
    one.commit(NOW).unwrap();
    meet(&mut one, &mut branch);
    assert_eq!(branch.identity.certificate, renewed.id);
    branch.period(&Namespace::events(LANGFA, "2026-12"), NOW).unwrap();
    branch.commit(NOW).unwrap();
    let auth = one.namespace_id(&Namespace::auth());
    take(&mut late, &entries(&one, auth), 1);
    let of_branch = entries(&branch, auth);
    let last = of_branch.last().unwrap().clone();
    take(&mut late, &of_branch[..of_branch.len() - 1], 1);
    assert_eq!(late.ingest(Run::new(vec![last.clone()]).unwrap()).unwrap(), Ingested::Early);
    take(&mut late, &entries(&two, auth), 1);
    assert_eq!(late.ingest(Run::new(vec![last]).unwrap()).unwrap(), Ingested::New(1));
}

#[test]
fn entries_whose_certificate_is_withheld_cut_nobody_off() {
    let mut town = Town::new(146);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut other = town.node("other", NodeRole::Village, &[LANGFA], &[]);
    let mut mallory = town.node("mallory", NodeRole::Patrol, &[LANGFA], &[]);
    meet(&mut center, &mut langfa);
    meet(&mut center, &mut other);
    // Mallory learns of the families without anybody learning of it.
    let auth = center.namespace_id(&Namespace::auth());
    take(&mut mallory, &entries(&center, auth), 64);
    edit(&mut mallory, LANGFA, "1", "withheld");
    mallory.open_session(langfa.node()).unwrap();
    let hello = mallory.poll_transmit(langfa.node()).unwrap().unwrap();
    langfa.open_session(mallory.node()).unwrap();
    langfa.receive(mallory.node(), &hello, NOW).unwrap();
    let registry = mallory.namespace_id(&Namespace::registry(LANGFA));
    take(&mut langfa, &entries(&mallory, registry), 64);
    assert!(!langfa.logs.keys().any(|log| log.author == mallory.node()), "what could not be passed on is not kept");
    langfa.close_session(&mallory.node());
    edit(&mut langfa, LANGFA, "2", "honest");
    meet(&mut langfa, &mut other);
}

#[test]
fn one_invite_lets_a_bounded_number_of_keys_in_by_greeting() {
    let mut town = Town::new(147);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let invite = invite(&mut town, "vehicle", HAIZI);
    let mut admitted = 0;
    for _ in 0..40 {
        let joined = enrol::redeem(&invite, &mut town.rng).unwrap();
        let peer = joined.identity.node();
        let chain = joined.chain.iter().map(Statement::to_bytes).collect();
        let hello = Message::Hello { town: invite.town, chain, auth: [0; 16], shared: [0; 16], cards: [0; 16] };
        center.open_session(peer).unwrap();
        if center.receive(peer, &hello.to_bytes(), NOW).is_ok() {
            admitted += 1;
            assert!(center.receive(peer, &hello.to_bytes(), NOW).is_err(), "one hello is enough");
        }
        center.close_session(&peer);
    }
    assert_eq!(admitted, 16);
}

#[test]
fn grants_of_strangers_and_too_many_of_one_node_take_no_room() {
    let mut town = Town::new(148);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let invite = invite(&mut town, "vehicle", LANGFA);
    let joined = enrol::redeem(&invite, &mut town.rng).unwrap();
    let (insider, stranger) = (joined.identity.signing.clone(), Key::from_bytes(&[66; 32]));
    let mut vehicle = open(&mut town, &invite, joined);
    meet(&mut center, &mut vehicle);
    let recipients = BTreeMap::from([(center.own.exchange, BTreeSet::from([0]))]);
    let mut offer = |key: &Key, family: &str, times: usize| {
        let mut taken = 0;
        for _ in 0..times {
            let secrets = [(family.to_owned(), FamilySecret::random(&mut town.rng))];
            let handout = Handout { excluded: &BTreeSet::new(), secrets: &secrets, recipients: &recipients };
            for bytes in handout.cards(key, &mut town.rng) {
                let key = crate::card::CardKind::Grant.key(*blake3::hash(&bytes).as_bytes());
                taken += usize::from(center.ingest_card(key, 0, bytes, NOW).unwrap());
            }
        }
        taken
    };
    assert_eq!(offer(&stranger, "town", 3), 0, "it is not enrolled");
    assert_eq!(offer(&insider, &Namespace::registry(HAIZI).family(), 3), 0, "it cannot read that itself");
    assert!(offer(&insider, "town", 300) >= 255);
    let kept = center.cards.iter().filter(|(key, _)| key.kind == crate::card::CardKind::Grant as u8);
    let grants = kept.filter_map(|(_, (_, bytes))| Grant::from_bytes(bytes).ok());
    assert_eq!(grants.filter(|grant| grant.granter == vehicle.node()).count(), 256);
}

/// An enrolled node seals an entry under a key that it made up; a key that was handed out is on its way.
#[test]
fn nobody_waits_for_a_key_that_nobody_handed_out() {
    let mut town = Town::new(149);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut hostile = town.node("hostile", NodeRole::Village, &[LANGFA], &[]);
    let mut vehicle = town.node("vehicle", NodeRole::Patrol, &[LANGFA], &[]);
    meet(&mut center, &mut vehicle);
    meet(&mut center, &mut hostile);
    let namespace = Namespace::registry(LANGFA);
    let secret = FamilySecret::random(&mut town.rng);
    let log = LogId { namespace: center.namespace_id(&namespace), author: hostile.node(), epoch: 5, lane: Lane::Work };
    let mut header = Header {
        log,
        seq: 1,
        backlink: log.origin(),
        time: HybridTime::at(NOW),
        certificate: hostile.identity.certificate,
        key: secret.key_id(&namespace.family()),
        body_len: 0,
        body_hash: [0; 32],
    };
    let plain = BodyCodec::new().unwrap().compress(&change::encode_items(&[]));
    let keys = secret.namespace_keys(&namespace);
    let body = keys.seal_body(&plain, &header.to_bytes(), &mut town.rng).unwrap();
    header.body_len = body.len() as u32;
    header.body_hash = blake3::hash(&body).into();
    let signature = Some(entry::sign(&header, &hostile.identity.signing));
    center.ingest(Run::new(vec![Entry { header, signature, body }]).unwrap()).unwrap();
    center.commit(NOW).unwrap();
    while center.fold(NOW).unwrap() {
        center.commit(NOW).unwrap();
    }
    assert_eq!(center.unfolded(), 0, "it may have been made up");
    let recipients = BTreeMap::from([(vehicle.own.exchange, BTreeSet::from([0]))]);
    let secrets = [(namespace.family(), secret)];
    let handout = Handout { excluded: &BTreeSet::new(), secrets: &secrets, recipients: &recipients };
    let bytes = handout.cards(&vehicle.identity.signing, &mut town.rng).remove(0);
    let key = crate::card::CardKind::Grant.key(*blake3::hash(&bytes).as_bytes());
    assert!(center.ingest_card(key, 0, bytes, NOW).unwrap());
    assert_eq!(center.unfolded(), 1, "somebody says that it was handed out");
}
