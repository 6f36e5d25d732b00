//! One test for each way in which a replica once lost, leaked or misjudged something.

use super::super::tests::{connect, edit, meet, settle, texts};
use super::ratifications::{give, histories};
use super::*;
use crate::card::CardKind;

fn own_log(replica: &Replica, region: &str) -> LogId {
    LogId {
        namespace: replica.namespace_id(&Namespace::registry(region)),
        author: replica.node(),
        epoch: replica.epoch,
        lane: Lane::Work,
    }
}

fn entry(replica: &Replica, log: &LogId, seq: u64) -> crate::entry::Entry {
    let mut found = None;
    replica
        .entries(log, seq, |entry| {
            found = Some(entry);
            std::ops::ControlFlow::Break(())
        })
        .unwrap();
    found.unwrap()
}

#[test]
fn a_store_in_a_file_keeps_everything_and_the_new_epoch_names_the_old_one() {
    let directory = tempfile::tempdir().unwrap();
    let mut town = Town::new(100);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut member = Member::join(&mut town, "langfa", NodeRole::Village, &[LANGFA], &[]);
    let opening = |member: &Member, rng: &mut ChaCha8Rng, expect_data| Opening {
        store: Store::open(&directory.path().join("town.redb")).unwrap(),
        identity: member.identity.clone(),
        town: member.town,
        chain: member.chain.clone(),
        rng: Box::new(ChaCha8Rng::from_rng(rng)),
        expect_data,
        beacon_interval: 60_000,
    };
    let mut village = Replica::open(opening(&member, &mut town.rng, false), NOW).unwrap();
    meet(&mut center, member.replica());
    // The grant reached the center as a card.
    meet(&mut center, &mut village);
    let document = edit(&mut village, LANGFA, "1", "before");
    let namespace = Namespace::registry(LANGFA);
    let resident = village.new_resident();
    let sealed = village.seal_personal(&namespace, document, resident, None, b"person").unwrap();
    village.publish_position(1, 2, NOW).unwrap();
    village.commit(NOW).unwrap();
    let (old, digest) = (own_log(&village, LANGFA), village.digest(village.namespace_id(&namespace)));
    let head = village.logs[&old].1.head;
    let mut cards = village.cards.clone();
    drop(village);

    assert!(matches!(Store::open(&directory.path().join("none/town.redb")), Err(StoreError::Io(_))));
    let mut village = Replica::open(opening(&member, &mut town.rng, true), NOW).unwrap();
    assert_eq!(village.digest(village.namespace_id(&namespace)), digest);
    // The beacon of the new opening takes the place of the old one's.
    let beacon = CardKind::Beacon.key(village.node().0);
    assert_ne!(village.cards.get(&beacon), cards.get(&beacon));
    cards.extend(village.cards.get_key_value(&beacon).map(|(key, card)| (*key, card.clone())));
    assert_eq!(village.cards, cards);
    assert_eq!(texts(&mut village, LANGFA, document), ["before"]);
    assert_eq!(village.open_personal(&namespace, document, resident, &sealed).unwrap(), b"person");
    edit(&mut village, LANGFA, "1", "after");
    assert_eq!(texts(&mut village, LANGFA, document), ["after"]);
    let log = own_log(&village, LANGFA);
    assert_ne!(log.epoch, old.epoch);
    let first = entry(&village, &log, 1);
    let plain = village
        .keyring
        .keys(&namespace, first.header.key)
        .unwrap()
        .open_body(&first.body, &first.header.to_bytes())
        .unwrap();
    let items = crate::change::decode_items(&village.codec.decompress(&plain).unwrap()).unwrap();
    assert_eq!(items[0].1, Item::Epoch { epoch: old.epoch, seq: 1, head });
    meet(&mut center, &mut village);
    assert_eq!(texts(&mut center, LANGFA, document), ["after"]);
}

#[test]
fn after_a_failed_write_nothing_that_was_not_saved_is_told() {
    let mut town = Town::new(101);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut member = Member::join(&mut town, "langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut center, member.replica());
    let saved = edit(member.replica(), LANGFA, "1", "saved");
    settle(&mut center, member.replica());
    member.disk.broken.store(true, Ordering::Relaxed);
    let village = member.replica();
    edit_staged(village, &Namespace::registry(LANGFA), DocumentKind::Household, 2, 7, Lane::Work, NOW);
    // A beacon is due, which would claim to hold it.
    assert!(village.commit(NOW + 61_000).is_err());
    assert!(village.has_failed());
    assert_eq!(village.poll_transmit(center.node()).unwrap(), None);
    center.open_session(village.node()).unwrap();
    let hello = center.poll_transmit(village.node()).unwrap().unwrap();
    assert!(matches!(village.receive(center.node(), &hello, NOW), Err(HandleError::Store(_))));
    member.disk.broken.store(false, Ordering::Relaxed);
    member.reopen(&mut town.rng, NOW);
    assert_eq!(texts(member.replica(), LANGFA, saved), ["saved"]);
    edit(member.replica(), LANGFA, "1", "again");
    meet(&mut center, member.replica());
    assert_eq!(texts(&mut center, LANGFA, saved), ["again"]);
}

#[test]
fn an_entry_is_not_kept_before_its_certificate_stands_in_auth() {
    let mut town = Town::new(103);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut member = Member::join(&mut town, "langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut center, member.replica());
    let mut late = town.node("late", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut center, &mut late);
    let document = edit(&mut late, LANGFA, "1", "from a stranger");
    // The greeting tells its certificate, the entry comes, its entries of `auth` do not: whoever got it from here could
    // not be shown the certificate, and after a restart nobody would know it here either.
    let chain = late.chain.clone();
    for bytes in chain {
        let statement = Statement::from_bytes(&bytes, &member.town).unwrap();
        member.replica().trust.add(statement).unwrap();
    }
    let log = own_log(&late, LANGFA);
    let run = crate::sync::Run::new(vec![entry(&late, &log, 1)]).unwrap();
    assert_eq!(member.replica().ingest(run).unwrap(), Ingested::Early);
    assert!(!member.replica().has_staged());
    meet(&mut late, member.replica());
    assert_eq!(texts(member.replica(), LANGFA, document), ["from a stranger"]);
}

#[test]
fn feed_numbers_go_on_after_the_feed_was_trimmed_and_the_store_reopened() {
    let mut town = Town::new(102);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut member = Member::join(&mut town, "langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut center, member.replica());
    (0..5).for_each(|key| _ = edit(member.replica(), LANGFA, &key.to_string(), "x"));
    member.replica().commit(NOW).unwrap();
    let watermark = member.replica().feed(0, 100).unwrap().last().unwrap().number + 1;
    member.replica().trim_feed(watermark);
    member.replica().commit(NOW).unwrap();
    member.reopen(&mut town.rng, NOW);
    edit(member.replica(), LANGFA, "6", "x");
    member.replica().commit(NOW).unwrap();
    assert_eq!(member.replica().feed(watermark, 100).unwrap().len(), 1);
}

#[test]
fn a_relay_sends_runs_that_others_accept_however_it_got_the_entries() {
    let mut town = Town::new(103);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut branch = town.node("branch", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut center, &mut langfa);
    for key in 0..bounds::RUN_ENTRIES - 1 {
        edit(&mut langfa, LANGFA, &key.to_string(), "live");
        settle(&mut center, &mut langfa);
    }
    center.close_session(&langfa.node());
    langfa.close_session(&center.node());
    (0..200).for_each(|key| _ = edit(&mut langfa, LANGFA, &key.to_string(), "caught up"));
    meet(&mut center, &mut langfa);
    meet(&mut center, &mut branch);
}

#[test]
fn entries_below_a_fork_reach_newcomers_even_if_their_signature_lies_past_it() {
    let mut town = Town::new(104);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut branch = town.node("branch", NodeRole::Village, &[LANGFA], &[]);
    for node in [&mut langfa, &mut branch] {
        meet(&mut center, node);
    }
    let below: Vec<DocumentId> = (0..3).map(|key| edit(&mut langfa, LANGFA, &key.to_string(), "below")).collect();
    let snapshot = langfa.logs.clone();
    (3..6).for_each(|key| _ = edit(&mut langfa, LANGFA, &key.to_string(), "one"));
    meet(&mut center, &mut langfa);
    langfa.logs = snapshot;
    langfa.digests.clear();
    edit(&mut langfa, LANGFA, "other", "two");
    connect(&mut branch, &mut langfa);
    settle(&mut branch, &mut langfa);
    connect(&mut center, &mut branch);
    settle(&mut center, &mut branch);
    meet(&mut center, &mut branch);
    let mut newcomer = town.node("newcomer", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut center, &mut newcomer);
    for document in below {
        assert_eq!(texts(&mut newcomer, LANGFA, document), ["below"]);
    }
}

#[test]
fn a_forged_run_opens_no_period() {
    let mut town = Town::new(105);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut center, &mut langfa);
    let before = center.trust.namespaces().len();
    let log =
        LogId { lane: Lane::Urgent, namespace: langfa.namespace_id(&Namespace::auth()), ..own_log(&langfa, LANGFA) };
    let height = langfa.logs[&log].1.height;
    langfa.period(&Namespace::events(LANGFA, "2026-12"), NOW).unwrap();
    langfa.commit(NOW).unwrap();
    let honest = entry(&langfa, &log, height + 1);
    let mut forged = honest.clone();
    forged.signature.as_mut().unwrap()[0] ^= 1;
    assert!(center.ingest(crate::sync::Run::new(vec![forged]).unwrap()).is_err());
    assert_eq!(center.trust.namespaces().len(), before);
    assert_eq!(center.ingest(crate::sync::Run::new(vec![honest]).unwrap()).unwrap(), Ingested::New(1));
    assert_eq!(center.trust.namespaces().len(), before + 1);
}

#[test]
fn a_carrier_cannot_make_a_person_look_erased() {
    let mut town = Town::new(106);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut center, &mut langfa);
    let namespace = Namespace::registry(LANGFA);
    let document = edit(&mut langfa, LANGFA, "1", "x");
    let resident = langfa.new_resident();
    let sealed = langfa.seal_personal(&namespace, document, resident, None, b"person").unwrap();
    langfa.commit(NOW).unwrap();
    let namespace_id = center.namespace_id(&namespace);
    let shelf = langfa.own_shelf(namespace_id);
    for forged in [Row::Key([0; 32]), Row::Key([7; 32]), Row::Destroyed([7; 32])] {
        let run = crate::sync::KeyRun {
            namespace: namespace_id,
            author: langfa.node(),
            epoch: langfa.epoch,
            start: 0,
            keys: vec![forged],
            seal: shelf.sign(namespace_id, langfa.identity.certificate, &langfa.identity.signing),
        };
        assert_eq!(center.ingest_key_run(&run).unwrap(), 0);
    }
    meet(&mut center, &mut langfa);
    assert_eq!(center.open_personal(&namespace, document, resident, &sealed).unwrap(), b"person");
}

#[test]
fn a_request_for_a_made_up_log_takes_no_memory() {
    let mut town = Town::new(107);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut center, &mut langfa);
    let (logs, numbers) = (center.logs.len(), center.next_log);
    for epoch in 0..100 {
        let log = LogId { epoch, ..own_log(&langfa, LANGFA) };
        center.receive(langfa.node(), &crate::sync::Message::LogRequest { log, from: 1 }.to_bytes(), NOW).unwrap();
        settle(&mut center, &mut langfa);
    }
    assert_eq!((center.logs.len(), center.next_log), (logs, numbers));
    assert!(center.sessions[&langfa.node()].spaces.values().all(|space| space.cursors.len() <= logs));
}

#[test]
fn documents_in_memory_leave_out_what_a_revocation_voids() {
    let mut town = Town::new(108);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut center, &mut langfa);
    let document = edit(&mut center, LANGFA, "1", "stands");
    meet(&mut center, &mut langfa);
    edit(&mut langfa, LANGFA, "1", "void");
    meet(&mut center, &mut langfa);
    // Composing an edit of another field puts the document into memory.
    edit_field(&mut center, document);
    let claim = crate::certificate::Claim::Revocation { certificate: langfa.identity.certificate, cuts: vec![] };
    let authority = &town.founded.authority;
    let revocation = Statement::sign(&authority.town, claim, Some(authority.statement.id), [0; 8], &authority.signing);
    center.record_statements(vec![revocation], NOW).unwrap();
    center.commit(NOW).unwrap();
    assert_eq!(texts(&mut center, LANGFA, document), ["stands"]);
}

fn edit_field(replica: &mut Replica, document: DocumentId) {
    let edits = BTreeMap::from([(vec![], BTreeMap::from([(9, Value::from("other"))]))]);
    replica.edit(&Namespace::registry(LANGFA), DocumentKind::Household, document, edits, Lane::Work, NOW).unwrap();
    replica.commit(NOW).unwrap();
}

fn noise(number: u32, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&number.to_be_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

#[test]
fn a_photo_taken_while_a_carrier_is_connected_travels_with_it() {
    let mut town = Town::new(106);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut carrier = town.node("carrier", NodeRole::Carrier, &[], &[LANGFA]);
    meet(&mut center, &mut langfa);
    meet(&mut center, &mut carrier);
    connect(&mut langfa, &mut carrier);
    settle(&mut langfa, &mut carrier);
    let namespace = Namespace::registry(LANGFA);
    let blob = langfa.put_blob(&namespace, &noise(1, 600_000), "image/jpeg", None, NOW).unwrap().document;
    langfa.commit(NOW).unwrap();
    settle(&mut langfa, &mut carrier);
    meet(&mut carrier, &mut center);
    assert_eq!(center.blob(&namespace, blob).unwrap().unwrap().content, Some(noise(1, 600_000)));
}

#[test]
fn a_carrier_takes_along_more_photos_than_one_offer_names() {
    let mut town = Town::new(107);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut carrier = town.node("carrier", NodeRole::Carrier, &[], &[LANGFA]);
    meet(&mut center, &mut langfa);
    meet(&mut center, &mut carrier);
    let namespace = Namespace::registry(LANGFA);
    let blobs: Vec<DocumentId> = (0..150)
        .map(|number| langfa.put_blob(&namespace, &noise(number, 1000), "image/jpeg", None, NOW).unwrap().document)
        .collect();
    langfa.commit(NOW).unwrap();
    meet(&mut langfa, &mut carrier);
    meet(&mut carrier, &mut center);
    for (number, blob) in (0..).zip(blobs) {
        let found = center.blob(&namespace, blob).unwrap().unwrap();
        assert_eq!(found.content, Some(noise(number, 1000)), "photo {number}");
    }
    assert_eq!(center.wanted_chunks() + carrier.wanted_chunks(), 0);
}

#[test]
fn that_a_removed_node_forked_is_believed_by_who_never_held_the_log() {
    let mut town = Town::new(111);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut forger = town.node("forger", NodeRole::Village, &[LANGFA], &[]);
    let mut other = town.node("other", NodeRole::Village, &[LANGFA], &[]);
    let mut elsewhere = town.node("elsewhere", NodeRole::Village, &[HAIZI], &[]);
    meet(&mut center, &mut forger);
    meet(&mut center, &mut other);
    let histories = histories(&mut forger, &[3, 2]);
    give(&mut center, &histories.branches[0]);
    give(&mut other, &histories.branches[1]);
    meet(&mut center, &mut other);
    center.revoke(&town.founded.authority, forger.node(), true, NOW).unwrap();
    center.commit(NOW).unwrap();
    // It may learn of the fork before it learns of the removed node: then the proof comes again.
    for _ in 0..2 {
        meet(&mut center, &mut elsewhere);
    }
    let proof = |node: &Replica| node.cards.keys().filter(|key| key.kind == CardKind::Fork as u8).count();
    assert_eq!((proof(&center), proof(&other), proof(&elsewhere)), (1, 1, 1));
    assert!(elsewhere.forks.contains_key(&histories.log));
}
