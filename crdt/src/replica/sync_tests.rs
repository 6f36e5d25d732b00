//! What hostile members and carriers try on a session, and what very many logs cost it.

use std::collections::BTreeMap;

use super::tests::{HAIZI, LANGFA, NOW, Town, connect, edit, meet, settle, texts};
use super::*;
use crate::certificate::NodeRole;
use crate::shelf::BLOCK;
use crate::sync::{KeyRun, Message};
use crate::value::Value;

/// Residents minted by a node, and the last one's sealed value.
fn mint(replica: &mut Replica, region: &str, count: u32) -> (DocumentId, crate::id::ResidentId, Vec<u8>) {
    let namespace = Namespace::registry(region);
    let document = replica.document_id(&namespace, DocumentKind::Household, b"1").unwrap();
    let mut last = None;
    for _ in 0..count {
        let resident = replica.new_resident();
        let sealed = replica.seal_personal(&namespace, document, resident, None, b"person").unwrap();
        last = Some((document, resident, sealed));
    }
    replica.commit(NOW).unwrap();
    last.unwrap()
}

pub(super) fn key_run(from: &mut Replica, to: &mut Replica) -> KeyRun {
    connect(from, to);
    for _ in 0..100 {
        for swap in [true, false] {
            let (one, other) = if swap { (&mut *to, &mut *from) } else { (&mut *from, &mut *to) };
            let Some(bytes) = one.poll_transmit(other.node()).unwrap() else { continue };
            if let Some(Message::PersonKeys(run)) = Message::from_bytes(&bytes).unwrap() {
                return run;
            }
            other.receive(one.node(), &bytes, NOW).unwrap();
            other.commit(NOW).unwrap();
        }
    }
    panic!("no keys are sent");
}

#[test]
fn keys_that_their_author_did_not_sign_are_kept_by_nobody() {
    let mut town = Town::new(201);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut branch = town.node("branch", NodeRole::Village, &[LANGFA], &[]);
    let mut haizi = town.node("haizi", NodeRole::Village, &[HAIZI], &[]);
    let mut carrier = town.node("carrier", NodeRole::Carrier, &[], &[LANGFA]);
    for node in [&mut langfa, &mut branch, &mut haizi, &mut carrier] {
        meet(&mut center, node);
    }
    let (document, resident, sealed) = mint(&mut langfa, LANGFA, 3);
    let run = key_run(&mut langfa, &mut carrier);
    assert_eq!(run.keys.len(), 3);
    let id = run.namespace;
    let mut signed_by_branch = langfa.own_shelf(id);
    let other_row = Row::Key([9; 32]);
    signed_by_branch.push(&other_row);
    let altered = |alter: &dyn Fn(&mut KeyRun)| {
        let mut run = run.clone();
        alter(&mut run);
        run
    };
    let forged = [
        altered(&|run| run.keys[1] = other_row),
        altered(&|run| run.keys.swap(0, 1)),
        altered(&|run| run.keys.truncate(2)),
        altered(&|run| run.keys.push(other_row)),
        altered(&|run| run.start = 1),
        altered(&|run| run.epoch += 1),
        altered(&|run| run.seal.signature[5] ^= 1),
        altered(&|run| {
            run.keys.push(other_row);
            run.seal = signed_by_branch.sign(id, branch.identity.certificate, &branch.identity.signing);
        }),
    ];
    for (number, run) in forged.iter().enumerate() {
        for node in [&mut center, &mut carrier] {
            // Some are refused with an error, which ends the session; none has an effect.
            assert_eq!(node.ingest_key_run(run).unwrap_or(0), 0, "forgery {number} at {}", node.own.name);
            assert!(!node.has_staged(), "forgery {number} at {}", node.own.name);
        }
    }
    // An enrolled node fills a shelf of a region that is not its own.
    let mut elsewhere = Shelf::empty(id, haizi.node(), 1);
    elsewhere.push(&other_row);
    let seal = elsewhere.sign(id, haizi.identity.certificate, &haizi.identity.signing);
    let foreign = KeyRun { author: haizi.node(), epoch: 1, keys: vec![other_row], seal, ..run.clone() };
    assert!(matches!(carrier.ingest_key_run(&foreign), Err(IngestError::Denied { .. })));

    for node in [&mut langfa, &mut center, &mut branch] {
        meet(&mut carrier, node);
    }
    for node in [&mut center, &mut branch] {
        let namespace = Namespace::registry(LANGFA);
        assert_eq!(node.open_personal(&namespace, document, resident, &sealed).unwrap(), b"person");
    }
}

#[test]
fn a_carrier_passes_on_many_keys_with_their_authors_signatures() {
    let mut town = Town::new(202);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut carrier = town.node("carrier", NodeRole::Carrier, &[], &[LANGFA]);
    for node in [&mut langfa, &mut carrier] {
        meet(&mut center, node);
    }
    // Blocks of 1,024 are cut at each meeting at another place.
    for count in [700, 324, 1, BLOCK + 500] {
        let (document, resident, sealed) = mint(&mut langfa, LANGFA, count);
        let (_, bytes) = meet(&mut carrier, &mut langfa);
        assert!(bytes < 8192 + 40 * count as usize, "{bytes} bytes for {count} keys");
        meet(&mut carrier, &mut center);
        let namespace = Namespace::registry(LANGFA);
        assert_eq!(center.open_personal(&namespace, document, resident, &sealed).unwrap(), b"person");
    }
    let mut late = town.node("late", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut carrier, &mut late);
    let id = late.namespace_id(&Namespace::registry(LANGFA));
    let held: Vec<u32> = late.shelves[&id].values().map(|shelf| shelf.count).collect();
    assert_eq!(held, [700 + 324 + 1 + BLOCK + 500]);
}

#[test]
fn nodes_with_other_keys_on_one_shelf_are_not_taken_for_equal_until_its_author_is_removed() {
    let mut town = Town::new(203);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut branch = town.node("branch", NodeRole::Village, &[LANGFA], &[]);
    for node in [&mut langfa, &mut branch] {
        meet(&mut center, node);
    }
    meet(&mut langfa, &mut branch);
    let id = center.namespace_id(&Namespace::registry(LANGFA));
    for (node, row) in [(&mut center, Row::Key([1; 32])), (&mut branch, Row::Key([2; 32]))] {
        let mut shelf = Shelf::empty(id, langfa.node(), 5);
        shelf.push(&row);
        let seal = shelf.sign(id, langfa.identity.certificate, &langfa.identity.signing);
        let run = KeyRun { namespace: id, author: langfa.node(), epoch: 5, start: 0, keys: vec![row], seal };
        assert_eq!(node.ingest_key_run(&run).unwrap(), 1);
        node.commit(NOW).unwrap();
    }
    connect(&mut center, &mut branch);
    settle(&mut center, &mut branch);
    assert!(!center.progress(&branch.node()).unwrap().equal);
    assert!(!branch.progress(&center.node()).unwrap().equal);

    let claim = crate::certificate::Claim::Revocation { certificate: langfa.identity.certificate, cuts: vec![] };
    let authority = &town.founded.authority;
    let revocation = Statement::sign(&authority.town, claim, Some(authority.statement.id), [1; 8], &authority.signing);
    center.record_statements(vec![revocation], NOW).unwrap();
    center.commit(NOW).unwrap();
    meet(&mut center, &mut branch);
}

/// One edit in each of many openings of the store.
fn many_logs(replica: &mut Replica, region: &str, count: u64) {
    let namespace = Namespace::registry(region);
    let document = replica.document_id(&namespace, DocumentKind::Household, b"many").unwrap();
    let own = replica.epoch;
    for epoch in 0..count {
        replica.epoch = epoch.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let edits = BTreeMap::from([(vec![], BTreeMap::from([(1, Value::from(epoch as i64))]))]);
        replica.edit(&namespace, DocumentKind::Household, document, edits, Lane::Work, NOW).unwrap();
        if epoch % 256 == 0 {
            replica.commit(NOW).unwrap();
        }
    }
    replica.epoch = own;
    replica.commit(NOW).unwrap();
}

#[test]
fn any_number_of_logs_is_brought_up_to_date_in_bounded_messages() {
    let mut town = Town::new(204);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut branch = town.node("branch", NodeRole::Village, &[LANGFA], &[]);
    for node in [&mut langfa, &mut branch] {
        meet(&mut center, node);
    }
    many_logs(&mut langfa, LANGFA, 5_200);
    meet(&mut langfa, &mut center);
    let id = center.namespace_id(&Namespace::registry(LANGFA));
    assert!(center.logs_of(id).count() >= 5_200);
    assert_eq!(center.digest(id), langfa.digest(id));
    // Nodes that hold none, and then each other's new ones.
    meet(&mut branch, &mut center);
    let document = edit(&mut branch, LANGFA, "1", "branch");
    let other = edit(&mut langfa, LANGFA, "2", "langfa");
    let (_, bytes) = meet(&mut branch, &mut langfa);
    assert_eq!(texts(&mut langfa, LANGFA, document), ["branch"]);
    assert_eq!(texts(&mut branch, LANGFA, other), ["langfa"]);
    assert!(bytes < 48 * 1024, "two edits cost {bytes} bytes");
    // One that holds few logs meets one that holds many.
    let mut late = town.node("late", NodeRole::Village, &[LANGFA], &[]);
    let third = edit(&mut center, LANGFA, "3", "center");
    meet(&mut late, &mut center);
    assert_eq!(texts(&mut late, LANGFA, third), ["center"]);
    assert_eq!(late.digest(id), center.digest(id));

    // Each of the logs grows: all are listed, in several messages, and nothing is sent that is known.
    meet(&mut center, &mut langfa);
    many_logs(&mut langfa, LANGFA, 5_200);
    connect(&mut center, &mut langfa);
    let mut pages = 0;
    loop {
        let mut moved = false;
        for swap in [false, true] {
            let (from, to) = if swap { (&mut center, &mut langfa) } else { (&mut langfa, &mut center) };
            while let Some(bytes) = from.poll_transmit(to.node()).unwrap() {
                moved = true;
                assert!(bytes.len() < 128 * 1024, "a message of {} bytes", bytes.len());
                pages += usize::from(matches!(Message::from_bytes(&bytes).unwrap(), Some(Message::Frontier(_))));
                to.receive(from.node(), &bytes, NOW).unwrap();
            }
            to.commit(NOW).unwrap();
        }
        if !moved {
            break;
        }
    }
    assert!(pages >= 12, "{pages} pages");
    assert!(center.progress(&langfa.node()).unwrap().equal);
    assert_eq!(langfa.progress(&center.node()).unwrap().entries_sent, 5_200);
    assert_eq!(center.progress(&langfa.node()).unwrap().entries_sent, 0);
}

#[test]
fn a_chunk_that_a_peer_lacks_does_not_block_the_others() {
    let mut town = Town::new(205);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut branch = town.node("branch", NodeRole::Village, &[LANGFA], &[]);
    for node in [&mut langfa, &mut branch] {
        meet(&mut center, node);
    }
    let namespace = Namespace::registry(LANGFA);
    let photo = |seed: u32| -> Vec<u8> {
        (0..300_000u32).map(|at| ((at ^ seed).wrapping_mul(2_654_435_761) >> 24) as u8).collect()
    };
    // The branch office gets entries that speak of many photos, and none of the photos.
    for seed in 0..40 {
        langfa.put_blob(&namespace, &photo(seed), "image/jpeg", None, NOW).unwrap();
    }
    langfa.commit(NOW).unwrap();
    connect(&mut langfa, &mut branch);
    for _ in 0..10_000 {
        let mut moved = false;
        for swap in [false, true] {
            let (from, to) = if swap { (&mut branch, &mut langfa) } else { (&mut langfa, &mut branch) };
            if let Some(bytes) = from.poll_transmit(to.node()).unwrap() {
                moved = true;
                if !matches!(Message::from_bytes(&bytes).unwrap(), Some(Message::Chunk { .. })) {
                    to.receive(from.node(), &bytes, NOW).unwrap();
                    to.commit(NOW).unwrap();
                }
            }
        }
        if !moved {
            break;
        }
    }
    while branch.fold(NOW).unwrap() {}
    branch.commit(NOW).unwrap();
    langfa.close_session(&branch.node());
    branch.close_session(&langfa.node());
    assert_eq!(branch.wanted_chunks(), 80);
    // It has one of its own, which sorts after all that it lacks.
    let content = photo(100);
    let own = branch.put_blob(&namespace, &content, "image/jpeg", None, NOW).unwrap().document;
    branch.commit(NOW).unwrap();
    meet(&mut branch, &mut center);
    assert_eq!(center.blob(&namespace, own).unwrap().unwrap().content, Some(content));
    assert_eq!(center.wanted_chunks(), 80);
    meet(&mut langfa, &mut center);
    assert_eq!(center.wanted_chunks(), 0);
}

fn revoke(town: &Town, certificate: CertificateId) -> Statement {
    let claim = crate::certificate::Claim::Revocation { certificate, cuts: vec![] };
    let authority = &town.founded.authority;
    Statement::sign(&authority.town, claim, Some(authority.statement.id), [1; 8], &authority.signing)
}

/// Another certificate for a node's key, signed by the authority itself.
fn renew(town: &Town, node: &Replica, regions: &[&str]) -> Statement {
    let regions: Vec<String> = regions.iter().map(|region| (*region).to_owned()).collect();
    let certificate = Certificate {
        scopes: policy::default_scopes(node.own.role, &regions, &[]),
        not_after: node.own.not_after + 1,
        ..node.own.clone()
    };
    let claim = crate::certificate::Claim::Certificate(certificate);
    let authority = &town.founded.authority;
    Statement::sign(&authority.town, claim, Some(authority.statement.id), [2; 8], &authority.signing)
}

#[test]
fn a_renewed_certificate_holds_for_the_session_that_is_up() {
    let mut town = Town::new(206);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut center, &mut langfa);
    let old = langfa.identity.certificate;
    let renewed = renew(&town, &langfa, &[LANGFA, HAIZI]);
    let new = renewed.id;
    center.record_statements(vec![renewed], NOW).unwrap();
    center.commit(NOW).unwrap();
    settle(&mut center, &mut langfa);
    assert_eq!(langfa.identity.certificate, new);
    let haizi = langfa.namespace_id(&Namespace::registry(HAIZI));
    assert!(langfa.interest(&center.node()).contains(&haizi));
    assert_eq!(center.sessions[&langfa.node()].certificate, Some(new));

    // The old one can go; what the node records from now on counts, and the connection stays.
    center.record_statements(vec![revoke(&town, old)], NOW).unwrap();
    center.commit(NOW).unwrap();
    settle(&mut center, &mut langfa);
    assert!(center.sessions.contains_key(&langfa.node()) && langfa.sessions.contains_key(&center.node()));
    let document = edit(&mut langfa, LANGFA, "1", "renewed");
    let (personal, resident, sealed) = mint(&mut langfa, LANGFA, 1);
    settle(&mut center, &mut langfa);
    assert_eq!(texts(&mut center, LANGFA, document), ["renewed"]);
    let namespace = Namespace::registry(LANGFA);
    assert_eq!(center.open_personal(&namespace, personal, resident, &sealed).unwrap(), b"person");
    // A node that never heard of it is shown the new chain.
    let mut branch = town.node("branch", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut langfa, &mut branch);
    assert_eq!(texts(&mut branch, LANGFA, document), ["renewed"]);
}

#[test]
fn a_revocation_feeds_the_documents_again_that_its_node_had_touched() {
    let mut town = Town::new(207);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut branch = town.node("branch", NodeRole::Village, &[LANGFA], &[]);
    for node in [&mut langfa, &mut branch] {
        meet(&mut center, node);
    }
    let honest = edit(&mut branch, LANGFA, "1", "honest");
    let stolen = edit(&mut langfa, LANGFA, "2", "stolen");
    meet(&mut branch, &mut center);
    meet(&mut langfa, &mut center);
    meet(&mut branch, &mut center);
    assert_eq!(texts(&mut branch, LANGFA, stolen), ["stolen"]);
    branch.commit(NOW).unwrap();
    let before = branch.stored_feed_end();
    center.record_statements(vec![revoke(&town, langfa.identity.certificate)], NOW).unwrap();
    center.commit(NOW).unwrap();
    meet(&mut branch, &mut center);
    let fed: Vec<DocumentId> = branch.feed(before, 100).unwrap().iter().map(|line| line.document).collect();
    assert!(fed.contains(&stolen), "the view learns of it");
    assert!(!fed.contains(&honest), "nothing else is fed again");
    assert_eq!(texts(&mut branch, LANGFA, stolen), Vec::<String>::new());
}

#[test]
fn receipts_reach_further_than_a_beacon_names_heads() {
    let mut town = Town::new(208);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut haizi = town.node("haizi", NodeRole::Village, &[HAIZI], &[]);
    for node in [&mut langfa, &mut haizi] {
        meet(&mut center, node);
    }
    many_logs(&mut langfa, LANGFA, 300);
    many_logs(&mut haizi, HAIZI, 300);
    let namespace = langfa.namespace_id(&Namespace::registry(LANGFA));
    meet(&mut langfa, &mut center);
    meet(&mut haizi, &mut center);
    center.commit(NOW + 61_000).unwrap();
    let beacon = &center.cards[&crate::card::CardKind::Beacon.key(center.node().0)].1;
    assert!(beacon.len() <= crate::card::MAX_BEACON, "{} bytes", beacon.len());
    meet(&mut langfa, &mut center);
    let logs: Vec<LogId> = langfa.logs_of(namespace).map(|(log, _)| *log).collect();
    assert!(logs.len() >= 300);
    for log in &logs {
        assert!(langfa.receipts(log, 1).contains(&center.node()), "{log:?}");
        assert!(!langfa.receipts(log, 2).contains(&center.node()), "{log:?}");
    }
    // What is recorded now is not delivered, whatever was before; the rest stays so.
    let own = LogId { namespace, author: langfa.node(), epoch: langfa.epoch, lane: Lane::Work };
    edit(&mut langfa, LANGFA, "new", "x");
    assert!(!langfa.receipts(&own, 1).contains(&center.node()));
    assert!(langfa.receipts(&logs[0], 1).contains(&center.node()));
}

#[test]
fn a_position_is_its_units_and_not_from_the_future() {
    let mut town = Town::new(209);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut vehicle = town.node("vehicle", NodeRole::Patrol, &[HAIZI], &[]);
    let mut insider = town.node("insider", NodeRole::Patrol, &[HAIZI], &[]);
    let mut carrier = town.node("carrier", NodeRole::Carrier, &[], &[LANGFA]);
    for node in [&mut vehicle, &mut insider, &mut carrier] {
        meet(&mut center, node);
    }
    meet(&mut carrier, &mut center);
    vehicle.publish_position(1, 2, NOW).unwrap();
    vehicle.commit(NOW).unwrap();
    meet(&mut vehicle, &mut carrier);
    let key = crate::card::CardKind::Position.key(vehicle.node().0);
    assert_eq!(carrier.cards[&key].0, NOW);
    // A forged one that claims to be newer, well sealed but signed by another.
    let forged = crate::card::Position { node: vehicle.node(), at: NOW + 1, latitude: 3, longitude: 4 };
    let family = insider.trust.family(&Namespace::town()).unwrap().key;
    let keys = insider.keyring.keys(&Namespace::town(), family).unwrap();
    let bytes = forged.seal(keys, &mut town.rng).unwrap().to_bytes(&insider.identity.signing);
    assert!(carrier.ingest_card(key, NOW + 1, bytes, NOW).is_err());
    // The unit's own clock is a year ahead, and then it is right again.
    let year = 365 * 24 * 3_600_000;
    vehicle.publish_position(5, 6, NOW + year).unwrap();
    vehicle.commit(NOW).unwrap();
    connect(&mut vehicle, &mut carrier);
    settle(&mut vehicle, &mut carrier);
    assert_eq!(carrier.cards[&key].0, NOW, "it does not take the place of the right one");
    vehicle.publish_position(7, 8, NOW + 2).unwrap();
    vehicle.commit(NOW).unwrap();
    connect(&mut vehicle, &mut carrier);
    settle(&mut vehicle, &mut carrier);
    meet(&mut carrier, &mut center);
    let seen = center.positions();
    assert_eq!(seen.iter().map(|one| (one.latitude, one.at)).collect::<Vec<_>>(), [(7, NOW + 2)]);
}

/// Entries that an enrolled node floods `auth` with, `count` of them, in a log of their own.
pub(super) fn flood(node: &mut Replica, epoch: u64, count: u32) -> Vec<crate::entry::Entry> {
    // It skips its own check.
    node.own.role = NodeRole::Center;
    node.epoch = epoch;
    let auth = Namespace::auth();
    for number in 0..count {
        let mut noise = vec![0; 8_000];
        blake3::Hasher::new()
            .update(&epoch.to_be_bytes())
            .update(&number.to_be_bytes())
            .finalize_xof()
            .fill(&mut noise);
        let document = DocumentId(crate::change::record_id(&noise).0);
        node.put(&auth, DocumentKind::Period, document, noise, Lane::Urgent, NOW).unwrap();
        node.commit(NOW).unwrap();
    }
    let log = LogId { namespace: node.namespace_id(&auth), author: node.node(), epoch, lane: Lane::Urgent };
    let mut entries = Vec::new();
    node.entries(&log, 1, |entry| {
        entries.push(entry);
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    entries
}

pub(super) fn take(node: &mut Replica, entries: &[crate::entry::Entry], at_once: usize) {
    for part in entries.chunks(at_once) {
        let run = crate::sync::Run::new(part.to_vec()).unwrap();
        node.ingest(run).unwrap();
        node.commit(NOW).unwrap();
    }
}

#[test]
fn auth_takes_a_bounded_amount_of_a_flooder_on_every_node_alike() {
    let mut town = Town::new(210);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut carrier = town.node("carrier", NodeRole::Carrier, &[], &[LANGFA]);
    let mut flooder = town.node("flooder", NodeRole::Village, &[HAIZI], &[]);
    for node in [&mut langfa, &mut carrier, &mut flooder] {
        meet(&mut center, node);
    }
    for node in [&mut langfa, &mut carrier] {
        meet(&mut center, node);
    }
    // One log: cut at the same entry, however it is cut into runs.
    let auth = center.namespace_id(&Namespace::auth());
    let entries = flood(&mut flooder, 77, 100);
    take(&mut center, &entries, 7);
    take(&mut carrier, &entries, 13);
    assert_eq!(center.digest(auth), carrier.digest(auth));
    let log = entries[0].header.log;
    let (height, _) = center.effective(&center.logs[&log].1);
    assert!((60..65).contains(&height), "{height} entries of 8 KB count");
    meet(&mut center, &mut carrier);
    meet(&mut carrier, &mut langfa);
    assert_eq!(langfa.digest(auth), center.digest(auth));

    // Many logs: nodes that stopped at different ones are equal all the same, and go on with everything else.
    for epoch in 100..112 {
        let entries = flood(&mut flooder, epoch, 60);
        let (first, other) = if epoch % 2 == 0 { (&mut center, &mut langfa) } else { (&mut langfa, &mut center) };
        take(first, &entries, 8);
        if epoch < 104 {
            take(other, &entries, 8);
        }
    }
    // What such a log lacks is not asked for: it would be refused, as often as it comes.
    let more = flood(&mut flooder, 112, 3);
    for node in [&mut center, &mut langfa] {
        let run = crate::sync::Run::new(more[1..].to_vec()).unwrap();
        assert_eq!(node.ingest(run).unwrap(), Ingested::OverQuota);
    }
    let bytes = |node: &Replica| node.logs_of(auth).map(|(_, (_, state))| state.bytes).sum::<u64>();
    connect(&mut center, &mut langfa);
    settle(&mut center, &mut langfa);
    meet(&mut center, &mut langfa);
    for node in [&center, &langfa] {
        assert!(bytes(node) < bounds::AUTH_AUTHOR_QUOTA + 1024 * 1024, "{} bytes", bytes(node));
    }
    let document = edit(&mut langfa, LANGFA, "1", "goes on");
    meet(&mut center, &mut langfa);
    meet(&mut center, &mut carrier);
    assert_eq!(texts(&mut center, LANGFA, document), ["goes on"]);
    // An honest node stops by itself.
    langfa.auth_costs.insert(LogId { epoch: langfa.epoch, author: langfa.node(), ..log }, Default::default());
    langfa.auth_costs.values_mut().for_each(|cost| *cost = quota::LogCost::of(bounds::AUTH_LOG_QUOTA));
    let december = Namespace::events(LANGFA, "2026-12");
    assert!(matches!(langfa.period(&december, NOW), Err(RecordError::Quota)));
}

#[test]
fn an_urgent_entry_does_not_wait_for_a_flood_in_auth() {
    let mut town = Town::new(211);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut flooder = town.node("flooder", NodeRole::Village, &[HAIZI], &[]);
    for node in [&mut flooder, &mut langfa] {
        meet(&mut center, node);
    }
    meet(&mut center, &mut langfa);
    // While the center and the village are connected, the flood comes in, and after it a case.
    take(&mut center, &flood(&mut flooder, 77, 60), 8);
    let cases = Namespace::cases(LANGFA, "2026");
    let document = center.document_id(&cases, DocumentKind::Case, b"1").unwrap();
    center.put(&cases, DocumentKind::Case, document, vec![1], Lane::Urgent, NOW).unwrap();
    center.commit(NOW).unwrap();
    let id = center.namespace_id(&cases);
    let place = (0..100).position(|_| {
        let bytes = center.poll_transmit(langfa.node()).unwrap().expect("there is more to send");
        langfa.receive(center.node(), &bytes, NOW).unwrap();
        langfa.commit(NOW).unwrap();
        matches!(Message::from_bytes(&bytes).unwrap(), Some(Message::Run(run)) if run.first().unwrap().log.namespace == id)
    });
    assert!(place.is_some_and(|place| place <= 3), "sent as message {place:?}");
    settle(&mut center, &mut langfa);
    assert!(langfa.progress(&center.node()).unwrap().equal);
}
