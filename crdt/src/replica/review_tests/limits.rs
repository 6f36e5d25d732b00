//! What is bounded, and that nobody's share is used up by others.

use super::super::sync_tests::{flood, take};
use super::super::tests::{connect, edit, meet, settle, texts};
use super::*;
use crate::card::CardKind;
use crate::certificate::{CertificateKind, Claim};
use crate::enrol::Authority;
use crate::trust::Added;

fn signed(authority: &Authority, claim: Claim, nonce: u64) -> Statement {
    let issuer = Some(authority.statement.id);
    Statement::sign(&authority.town, claim, issuer, nonce.to_be_bytes(), &authority.signing)
}

#[test]
fn what_is_stated_beyond_a_quota_has_no_effect_after_a_restart_either() {
    let mut town = Town::new(130);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let victim = town.node("victim", NodeRole::Village, &[HAIZI], &[]);
    let mut flooder = town.node("flooder", NodeRole::Village, &[LANGFA], &[]);
    let mut member = Member::join(&mut town, "langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut center, &mut flooder);
    meet(&mut center, member.replica());
    let (_, certificate) = victim.chain.split_last().map(|(last, rest)| (rest, last.clone())).unwrap();
    let id = Statement::from_bytes(&certificate, &member.town).unwrap().id;
    let revocation = signed(&town.founded.authority, Claim::Revocation { certificate: id, cuts: vec![] }, 1);
    flood(&mut flooder, 77, 66);
    let bytes = revocation.to_bytes();
    let document = DocumentId(crate::change::record_id(&bytes).0);
    flooder.put(&Namespace::auth(), DocumentKind::Statement, document, bytes, Lane::Urgent, NOW).unwrap();
    flooder.commit(NOW).unwrap();
    let namespace = flooder.namespace_id(&Namespace::auth());
    let log = LogId { namespace, author: flooder.node(), epoch: 77, lane: Lane::Urgent };
    let mut entries = Vec::new();
    flooder
        .entries(&log, 1, |entry| {
            entries.push(entry);
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    // The last run begins within the quota.
    take(member.replica(), &entries, 17);
    let held = member.replica().logs[&log].1.height;
    assert_eq!(held, entries.len() as u64);
    let is_cut = member.replica().quota_cut(&log).is_some_and(|(seq, _)| seq <= held);
    assert!(is_cut && !member.replica().trust.is_revoked(&id));
    member.reopen(&mut town.rng, NOW);
    assert!(!member.replica().trust.is_revoked(&id), "it had no effect when it came");
}

#[test]
fn statements_that_wait_take_no_room_from_those_of_others() {
    let town = Town::new(131);
    let authority = &town.founded.authority;
    let stranger = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
    let mut trust = Trust::new(authority.town);
    let dangling = |nonce: u64| {
        let claim = Claim::Revocation { certificate: CertificateId([8; 32]), cuts: vec![] };
        Statement::sign(&authority.town, claim, Some(CertificateId([7; 32])), nonce.to_be_bytes(), &stranger)
    };
    let added: Vec<Added> = (0..2_000).map(|nonce| trust.add_from(NodeId([1; 32]), dangling(nonce)).unwrap()).collect();
    assert_eq!((added[0], added[1_999]), (Added::Waiting, Added::NoRoom));
    let revocation = signed(authority, Claim::Revocation { certificate: CertificateId([8; 32]), cuts: vec![] }, 1);
    assert_eq!(trust.add_from(NodeId([2; 32]), revocation).unwrap(), Added::Waiting);
    assert_eq!(trust.add_from(NodeId([2; 32]), authority.statement.clone()).unwrap(), Added::New);
    assert!(trust.is_revoked(&CertificateId([8; 32])));
}

#[test]
fn runs_that_come_too_early_are_noted_within_a_bound_and_asked_for_again_only_after_news() {
    let mut session = Session::new();
    let log =
        |epoch: u64| LogId { namespace: NamespaceId([1; 16]), author: NodeId([2; 32]), epoch, lane: Lane::Urgent };
    (0..bounds::MAX_NOTED as u64 + 10).for_each(|epoch| session.note_early(log(epoch)));
    assert_eq!(session.take_early().len(), bounds::MAX_NOTED);

    let mut town = Town::new(132);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut center, &mut langfa);
    connect(&mut center, &mut langfa);
    settle(&mut center, &mut langfa);
    langfa.sessions.get_mut(&center.node()).unwrap().note_early(log(1));
    let cases = Namespace::cases(LANGFA, "2026");
    let document = center.document_id(&cases, DocumentKind::Case, b"1").unwrap();
    center.put(&cases, DocumentKind::Case, document, vec![1], Lane::Urgent, NOW).unwrap();
    center.commit(NOW).unwrap();
    settle(&mut center, &mut langfa);
    assert!(langfa.sessions[&center.node()].is_early(&log(1)), "a case brings no certificate");
    center.period(&Namespace::events(LANGFA, "2026-12"), NOW).unwrap();
    let place = Place {
        name: "late".into(),
        role: NodeRole::Village,
        regions: vec![LANGFA.into()],
        carries: vec![],
        acts_as: None,
    };
    let invite = enrol::invite(&town.founded.authority, &place, &[], NOW, &mut town.rng).unwrap();
    let joined = enrol::redeem(&invite, &mut town.rng).unwrap();
    center.record_statements(joined.chain[1..].to_vec(), NOW).unwrap();
    center.commit(NOW).unwrap();
    settle(&mut center, &mut langfa);
    assert!(!langfa.sessions[&center.node()].is_early(&log(1)), "a certificate may be the one it lacked");
}

#[test]
fn offers_that_come_to_nothing_keep_a_carrier_from_nothing() {
    let mut town = Town::new(134);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut liar = town.node("liar", NodeRole::Village, &[LANGFA], &[]);
    let mut carrier = town.node("carrier", NodeRole::Carrier, &[], &[LANGFA]);
    for node in [&mut langfa, &mut liar, &mut carrier] {
        meet(&mut center, node);
    }
    meet(&mut carrier, &mut liar);
    let namespace = carrier.namespace_id(&Namespace::registry(LANGFA));
    for page in 0..100_u64 {
        let hash = |place: u64| blake3::hash(&(page * 64 + place).to_be_bytes()).into();
        let offer = crate::sync::Message::ChunkOffer { namespace, hashes: (0..64).map(hash).collect() };
        carrier.receive(liar.node(), &offer.to_bytes(), NOW).unwrap();
    }
    assert_eq!(carrier.wanted_chunks(), 1024, "one peer has a share");
    let photo = vec![7; 1000];
    let blob = langfa.put_blob(&Namespace::registry(LANGFA), &photo, "image/jpeg", None, NOW).unwrap().document;
    langfa.commit(NOW).unwrap();
    meet(&mut langfa, &mut carrier);
    settle(&mut carrier, &mut liar);
    assert_eq!(carrier.wanted_chunks(), 0, "the liar had to say that it has none of them");
    meet(&mut carrier, &mut center);
    assert_eq!(center.blob(&Namespace::registry(LANGFA), blob).unwrap().unwrap().content, Some(photo));
}

/// Certifies as many nodes as there is room for positions of.
fn crowd(center: &mut Replica, authority: &Authority) -> Vec<(NodeId, CertificateId)> {
    let template = center.own.clone();
    let mut nodes = Vec::new();
    for number in 0..(crate::card::MAX_CARDS / crate::card::CARD_KINDS) as u64 {
        let mut seed = [3; 32];
        seed[..8].copy_from_slice(&number.to_be_bytes());
        let key = NodeId(ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key().to_bytes());
        let certificate = Certificate { kind: CertificateKind::Node, key, ..template.clone() };
        let statement = signed(authority, Claim::Certificate(certificate), number);
        nodes.push((key, statement.id));
        center.trust.add(statement).unwrap();
        center.cards.insert(CardKind::Position.key(key.0), (1, vec![]));
    }
    nodes
}

#[test]
fn a_position_without_room_is_an_error_and_removed_nodes_make_room() {
    let mut town = Town::new(133);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let authority = town.founded.authority.clone();
    let nodes = crowd(&mut center, &authority);
    assert!(matches!(center.publish_position(1, 2, NOW), Err(RecordError::NoRoom)));
    let (removed, certificate) = nodes[7];
    center.trust.add(signed(&authority, Claim::Revocation { certificate, cuts: vec![] }, 1)).unwrap();
    center.publish_position(1, 2, NOW).unwrap();
    assert!(!center.cards.contains_key(&CardKind::Position.key(removed.0)));
}

#[test]
fn with_little_room_on_the_disk_bulk_waits_and_work_goes_on() {
    let mut town = Town::new(150);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut carrier = town.node("carrier", NodeRole::Carrier, &[], &[LANGFA]);
    for node in [&mut langfa, &mut carrier] {
        meet(&mut center, node);
    }
    let namespace = Namespace::registry(LANGFA);
    let document = edit(&mut langfa, LANGFA, "1", "work");
    let import = |replica: &mut Replica, text: &str| {
        let edits = BTreeMap::from([(vec![], BTreeMap::from([(1, Value::from(text))]))]);
        let staged = replica.edit(&namespace, DocumentKind::Household, document, edits, Lane::Bulk, NOW);
        replica.commit(NOW).unwrap();
        staged
    };
    import(&mut langfa, "bulk").unwrap();
    let author = langfa.node();
    let held = |replica: &Replica, lane: Lane| {
        let mine = replica.logs.values().filter(|(_, state)| state.log.lane == lane && state.log.author == author);
        mine.map(|(_, state)| state.height).sum::<u64>()
    };
    for node in [&mut center, &mut carrier] {
        node.spare_disk(true);
    }
    connect(&mut langfa, &mut carrier);
    settle(&mut langfa, &mut carrier);
    assert_eq!((held(&carrier, Lane::Work), held(&carrier, Lane::Bulk)), (1, 0), "what it only carries waits");
    meet(&mut langfa, &mut center);
    assert_eq!((held(&center, Lane::Work), held(&center, Lane::Bulk)), (1, 1), "what it is to hold does not");
    assert!(matches!(import(&mut center, "more"), Err(RecordError::DiskLow)));
    let photo = center.put_blob(&Namespace::registry(LANGFA), b"photo", "image/jpeg", None, NOW);
    assert!(matches!(photo, Err(RecordError::DiskLow)));
    edit(&mut center, LANGFA, "1", "people go on");
    for node in [&mut center, &mut carrier] {
        node.spare_disk(false);
    }
    import(&mut center, "again").unwrap();
    meet(&mut langfa, &mut carrier);
    assert_eq!(held(&carrier, Lane::Bulk), 1, "it comes with the next session");
}

fn open_periods(replica: &mut Replica, names: impl Iterator<Item = String>) {
    for name in names {
        let document = DocumentId(crate::change::record_id(name.as_bytes()).0);
        let bytes = name.into_bytes();
        replica.put(&Namespace::auth(), DocumentKind::Period, document, bytes, Lane::Urgent, NOW).unwrap();
    }
    replica.commit(NOW).unwrap();
}

/// A node opens more periods of its own region than a town has namespaces, most of them before the first.
#[test]
fn who_opens_any_number_of_periods_keeps_nobody_from_opening_the_next() {
    let mut town = Town::new(151);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut hostile = town.node("hostile", NodeRole::Village, &[LANGFA], &[]);
    let mut haizi = town.node("haizi", NodeRole::Village, &[HAIZI], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    for node in [&mut hostile, &mut haizi, &mut langfa] {
        meet(&mut center, node);
    }
    let month = |number: u32| format!("events/{LANGFA}/{:04}-{:02}", number / 100, number % 100);
    open_periods(&mut hostile, (0..9_000).map(month));
    meet(&mut center, &mut hostile);
    for (node, region) in [(&mut haizi, HAIZI), (&mut langfa, LANGFA)] {
        meet(&mut center, node);
        let next = Namespace::events(region, "2026-12");
        assert_eq!(node.period(&next, NOW).unwrap(), next);
        node.put(&next, DocumentKind::DeviceDay, DocumentId([1; 16]), b"x".to_vec(), Lane::Telemetry, NOW).unwrap();
        node.commit(NOW).unwrap();
        meet(&mut center, node);
        assert!(center.trust.namespaces().contains_key(&center.namespace_id(&next)));
    }
}

/// Months to the end of time: those nearest to the first are kept, in whatever order they are heard of.
#[test]
fn of_too_many_periods_all_nodes_keep_the_same() {
    let mut town = Town::new(152);
    let center = town.node("center", NodeRole::Center, &[], &[]);
    let months: Vec<Namespace> = (2026..2100)
        .flat_map(|year| (1..=12).map(move |month| Namespace::events(LANGFA, &format!("{year}-{month:02}"))))
        .collect();
    let known = |months: &mut dyn Iterator<Item = &Namespace>| {
        let mut trust = center.trust.clone();
        months.for_each(|month| _ = trust.open_period(month.clone()));
        trust.namespaces().clone()
    };
    let (forward, backward) = (known(&mut months.iter()), known(&mut months.iter().rev()));
    assert_eq!(forward, backward);
    let events = forward.values().filter(|namespace| namespace.family() == months[0].family());
    assert_eq!(events.count(), bounds::MAX_PERIODS + 1);
}

#[test]
fn a_flooder_that_forks_its_logs_is_judged_alike_by_those_who_knew_of_the_forks_before_the_flood() {
    let mut town = Town::new(136);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut late = town.node("late", NodeRole::Village, &[LANGFA], &[]);
    let mut flooder = town.node("flooder", NodeRole::Village, &[HAIZI], &[]);
    meet(&mut center, &mut flooder);
    let floods: Vec<Vec<crate::entry::Entry>> = (100..110).map(|epoch| flood(&mut flooder, epoch, 60)).collect();
    floods.iter().for_each(|entries| take(&mut center, entries, 8));
    assert!(center.floods(&flooder.node()));
    let is_held = |entries: &&Vec<crate::entry::Entry>| center.logs.contains_key(&entries[0].header.log);
    let held: Vec<_> = floods.iter().filter(is_held).cloned().collect();
    assert!((8..10).contains(&held.len()));
    for entries in &held {
        let mut second = entries[1].clone();
        second.header.time = crate::clock::HybridTime(second.header.time.0 + 1);
        second.signature = Some(crate::entry::sign(&second.header, &flooder.identity.signing));
        let run = crate::sync::Run::new(vec![second]).unwrap();
        assert_eq!(center.ingest(run).unwrap(), Ingested::Diverged);
    }
    center.commit(NOW).unwrap();
    assert!(center.floods(&flooder.node()), "a forked log costs as much as a log can");
    meet(&mut center, &mut late);
    assert!(late.floods(&flooder.node()));
    let theirs = late.logs().filter(|state| state.log.author == flooder.node());
    assert!(theirs.map(|state| state.height).sum::<u64>() <= held.len() as u64 + 1, "nothing past the forks");
    let document = edit(&mut late, LANGFA, "1", "goes on");
    meet(&mut center, &mut late);
    assert_eq!(texts(&mut center, LANGFA, document), ["goes on"]);
}
