//! Authorities ratify what a removed node wrote, and one branch of a forked log.

use super::super::sync_tests::take;
use super::super::tests::{edit, meet, texts};
use super::*;
use crate::certificate::Claim;
use crate::enrol::Authority;
use crate::entry::Entry;
use crate::id::EntryId;
use crate::replica::{RatifyError, Work};

/// Runs of this many entries reach a node in these tests.
const IN_ONE_RUN: usize = 10;

pub(super) fn registry_log(node: &Replica) -> LogId {
    let namespace = node.namespace_id(&Namespace::registry(LANGFA));
    LogId { namespace, author: node.node(), epoch: node.epoch, lane: Lane::Work }
}

pub(super) fn entries_of(node: &Replica, log: &LogId) -> Vec<Entry> {
    let mut entries = Vec::new();
    node.entries(log, 1, |entry| {
        entries.push(entry);
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    entries
}

pub(super) fn spare_authority(town: &Town, seed: u8) -> Authority {
    let signing = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
    let Authority { town: id, statement, .. } = &town.founded.authority;
    let Claim::Certificate(template) = statement.claim.clone() else { panic!("not a certificate") };
    let key = NodeId(signing.verifying_key().to_bytes());
    let claim = Claim::Certificate(Certificate { key, ..template });
    Authority { town: *id, statement: Statement::sign(id, claim, None, [2; 8], &town.founded.root), signing }
}

pub(super) fn by(authority: &Authority, claim: Claim) -> Statement {
    Statement::sign(&authority.town, claim, Some(authority.statement.id), [7; 8], &authority.signing)
}

/// Histories of one log that part after its third entry. Entry `n` of branch `b` edits the household `b-n`.
pub(super) struct Histories {
    pub(super) log: LogId,
    pub(super) branches: Vec<Vec<Entry>>,
    /// What each entry past the fork is about, by branch.
    pub(super) documents: Vec<Vec<DocumentId>>,
    pub(super) before: DocumentId,
}

/// Has a node write as many branches of its log as there are lengths, as copies of its disk would.
pub(super) fn histories(author: &mut Replica, lengths: &[usize]) -> Histories {
    let before = ["x", "y", "z"].map(|key| edit(author, LANGFA, key, "before"))[0];
    let log = registry_log(author);
    let snapshot = author.logs.clone();
    let (mut branches, mut documents) = (vec![], vec![]);
    for (branch, length) in lengths.iter().enumerate() {
        author.logs.clone_from(&snapshot);
        author.digests.clear();
        let text = format!("branch {branch}");
        let edited = (0..*length).map(|number| edit(author, LANGFA, &format!("{branch}-{number}"), &text));
        documents.push(edited.collect());
        branches.push(entries_of(author, &log)[..3 + length].to_vec());
    }
    author.logs = snapshot;
    Histories { log, branches, documents, before }
}

impl Histories {
    /// What a node makes of the first entry past the fork of each branch, and of the last one.
    pub(super) fn seen(&self, node: &mut Replica) -> Vec<[bool; 2]> {
        let mut says = |document: Option<&DocumentId>| !texts(node, LANGFA, *document.unwrap()).is_empty();
        self.documents.iter().map(|branch| [says(branch.first()), says(branch.last())]).collect()
    }

    pub(super) fn end(&self, branch: usize) -> (u64, EntryId) {
        let last = self.branches[branch].last().unwrap();
        (last.header.seq, last.id())
    }

    pub(super) fn ratification(&self, branch: usize) -> Claim {
        let (seq, head) = self.end(branch);
        Claim::Ratification { log: self.log, seq, head }
    }
}

pub(super) fn fold(node: &mut Replica) {
    while node.fold(NOW).unwrap() {
        node.commit(NOW).unwrap();
    }
    node.commit(NOW).unwrap();
}

pub(super) fn give(node: &mut Replica, entries: &[Entry]) {
    take(node, entries, IN_ONE_RUN);
    fold(node);
}

pub(super) fn told(node: &mut Replica) -> Vec<(u64, u64)> {
    let outputs = std::iter::from_fn(|| node.poll_output());
    let aside = outputs.filter_map(|output| match output {
        Output::SetAside { seq, entries, .. } => Some((seq, entries)),
        Output::Close { .. }
        | Output::Equal { .. }
        | Output::TrustChanged
        | Output::Forked { .. }
        | Output::BadGrant { .. }
        | Output::LeakyKey { .. }
        | Output::Unreadable { .. } => None,
    });
    aside.collect()
}

#[test]
fn honest_work_that_nobody_had_seen_returns_on_every_node() {
    let mut town = Town::new(160);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut branch = town.node("branch", NodeRole::Village, &[LANGFA], &[]);
    let mut vehicle = town.node("vehicle", NodeRole::Patrol, &[LANGFA], &[]);
    for node in [&mut langfa, &mut branch, &mut vehicle] {
        meet(&mut center, node);
    }
    let known = edit(&mut vehicle, LANGFA, "1", "known");
    meet(&mut center, &mut vehicle);
    let unseen = edit(&mut vehicle, LANGFA, "2", "unseen");
    let namespace = Namespace::registry(LANGFA);
    let inspection = vehicle.document_id(&namespace, DocumentKind::Inspection, b"1").unwrap();
    vehicle.put(&namespace, DocumentKind::Inspection, inspection, vec![1], Lane::Work, NOW).unwrap();
    vehicle.commit(NOW).unwrap();
    meet(&mut langfa, &mut vehicle);
    // The center removes it without knowing what it did since.
    let authority = town.founded.authority.clone();
    let stolen = vehicle.node();
    assert!(matches!(center.ratify(&authority, Work::Of(stolen), NOW), Err(RatifyError::Nothing(_))));
    center.revoke(&authority, stolen, true, NOW).unwrap();
    center.commit(NOW).unwrap();
    for node in [&mut center, &mut branch] {
        meet(node, &mut langfa);
    }
    let id = langfa.namespace_id(&namespace);
    let counts = |node: &mut Replica| {
        let records = node.records(id, inspection).unwrap();
        (texts(node, LANGFA, known).len(), texts(node, LANGFA, unseen).len(), records.iter().any(|one| !one.void))
    };
    for node in [&mut center, &mut langfa, &mut branch] {
        assert_eq!(counts(node), (1, 0, false), "{}", node.own.name);
    }
    let feeds = [center.feed_end(), langfa.feed_end(), branch.feed_end()];
    // Whoever held it shows that it is honest.
    assert_eq!(langfa.author_called("vehicle").unwrap(), stolen);
    let ratified = langfa.ratify(&authority, Work::Of(stolen), NOW).unwrap();
    assert_eq!((ratified.node, ratified.name.as_str()), (stolen, "vehicle"));
    langfa.commit(NOW).unwrap();
    assert!(matches!(langfa.ratify(&authority, Work::Of(stolen), NOW), Err(RatifyError::Nothing(_))));
    let nobody = langfa.ratify(&authority, Work::Of(NodeId([9; 32])), NOW);
    assert!(matches!(nobody, Err(RatifyError::Unknown(_))));
    meet(&mut langfa, &mut center);
    meet(&mut center, &mut branch);
    for (node, feed) in [&mut center, &mut langfa, &mut branch].into_iter().zip(feeds) {
        assert_eq!(counts(node), (1, 1, true), "{}", node.own.name);
        let fed = node.feed(feed, 1_000).unwrap();
        for document in [unseen, inspection] {
            assert!(fed.iter().any(|item| item.document == document), "views of {} are told", node.own.name);
        }
    }
    // What it writes from now on has no effect, as before.
    let later = edit(&mut vehicle, LANGFA, "3", "later");
    let log = registry_log(&vehicle);
    give(&mut langfa, &entries_of(&vehicle, &log));
    assert!(texts(&mut langfa, LANGFA, later).is_empty());
    assert_eq!(counts(&mut langfa), (1, 1, true));
}

#[test]
fn a_ratification_by_whoever_may_not_has_no_effect() {
    let mut town = Town::new(161);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut vehicle = town.node("vehicle", NodeRole::Patrol, &[LANGFA], &[]);
    meet(&mut center, &mut vehicle);
    let document = edit(&mut vehicle, LANGFA, "1", "forged");
    meet(&mut center, &mut vehicle);
    let authority = town.founded.authority.clone();
    center.revoke(&authority, vehicle.node(), false, NOW).unwrap();
    let log = registry_log(&vehicle);
    let (_, LogState { height, head, .. }) = center.logs[&log];
    let claim = Claim::Ratification { log, seq: height, head };
    // An invite whose file somebody kept.
    let place = Place { name: "late".into(), role: NodeRole::Village, regions: vec![], carries: vec![], acts_as: None };
    let invite = enrol::invite(&authority, &place, &[], NOW, &mut town.rng).unwrap();
    let invited = invite.chain.last().unwrap().clone();
    // An authority that another one removes.
    let removed = spare_authority(&town, 55);
    let certificate = removed.statement.id;
    let removal = by(&authority, Claim::Revocation { certificate, cuts: vec![] });
    center.record_statements(vec![invited.clone(), removed.statement.clone()], NOW).unwrap();
    let other = Town::new(162).founded.authority;
    let sign = |issuer, key: &ed25519_dalek::SigningKey| {
        Statement::sign(&authority.town, claim.clone(), Some(issuer), [8; 8], key)
    };
    let node = center.identity.clone();
    let forged = [
        sign(node.certificate, &node.signing),
        sign(vehicle.identity.certificate, &vehicle.identity.signing),
        sign(invited.id, &invite.signing),
        // In the name of an authority, by another key.
        sign(authority.statement.id, &node.signing),
        by(&other, claim.clone()),
        Statement::sign(&other.town, claim.clone(), None, [8; 8], &other.signing),
    ];
    for (number, statement) in forged.into_iter().enumerate() {
        let bytes = statement.to_bytes();
        let read = Statement::from_bytes(&bytes, &authority.town);
        assert!(read.and_then(|read| center.trust.clone().add(read)).is_err(), "forgery {number}");
        let place = DocumentId(crate::change::record_id(&bytes).0);
        vehicle.put(&Namespace::auth(), DocumentKind::Statement, place, bytes, Lane::Urgent, NOW).unwrap();
    }
    vehicle.commit(NOW).unwrap();
    let auth = LogId { namespace: vehicle.namespace_id(&Namespace::auth()), lane: Lane::Urgent, ..log };
    give(&mut center, &entries_of(&vehicle, &auth));
    assert!(texts(&mut center, LANGFA, document).is_empty());
    // Before it was removed it could have, and what it ratified ends with it.
    center.record_statements(vec![by(&removed, claim.clone())], NOW).unwrap();
    center.commit(NOW).unwrap();
    assert_eq!(texts(&mut center, LANGFA, document), ["forged"]);
    let feed = center.feed_end();
    center.record_statements(vec![removal], NOW).unwrap();
    center.commit(NOW).unwrap();
    assert!(texts(&mut center, LANGFA, document).is_empty());
    assert!(center.feed(feed, 100).unwrap().iter().any(|item| item.document == document));
    let refused = center.ratify(&removed, Work::In(log), NOW);
    assert!(matches!(refused, Err(RatifyError::AuthorityRemoved)), "{refused:?}");
    // The root may.
    let root = Statement::sign(&authority.town, claim, None, [9; 8], &town.founded.root);
    center.record_statements(vec![root], NOW).unwrap();
    center.commit(NOW).unwrap();
    assert_eq!(texts(&mut center, LANGFA, document), ["forged"]);
}

#[test]
fn a_cut_on_another_branch_covers_nothing_past_the_fork() {
    let mut town = Town::new(163);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut one = town.node("one", NodeRole::Village, &[LANGFA], &[]);
    let mut other = town.node("other", NodeRole::Village, &[LANGFA], &[]);
    for node in [&mut langfa, &mut one, &mut other] {
        meet(&mut center, node);
    }
    let histories = histories(&mut langfa, &[4, 6]);
    give(&mut one, &histories.branches[0]);
    give(&mut other, &histories.branches[1]);
    assert_eq!(histories.seen(&mut other), [[false; 2], [true; 2]]);
    // The place of the cut is the end of the first branch, and nobody knows of the fork yet.
    let (seq, head) = histories.end(0);
    let cuts = vec![crate::certificate::Cut { log: histories.log, seq, head }];
    let certificate = langfa.identity.certificate;
    let removal = by(&town.founded.authority, Claim::Revocation { certificate, cuts });
    for node in [&mut one, &mut other] {
        node.record_statements(vec![removal.clone()], NOW).unwrap();
        node.commit(NOW).unwrap();
    }
    assert_eq!(histories.seen(&mut one), [[true; 2], [false; 2]]);
    assert_eq!(histories.seen(&mut other), [[false; 2]; 2], "the cut is not on this branch");
    // What lies before the fork counts everywhere once it is known where that is.
    let feed = other.feed_end();
    meet(&mut one, &mut other);
    for node in [&mut one, &mut other] {
        assert_eq!(histories.seen(node), [[false; 2]; 2], "{}", node.own.name);
        assert_eq!(texts(node, LANGFA, histories.before), ["before"], "{}", node.own.name);
    }
    assert!(other.feed(feed, 1_000).unwrap().iter().any(|item| item.document == histories.before));
    // A node that was still behind when the cut came shows what it holds until it sees that it is another branch.
    let mut late = town.node("late", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut center, &mut late);
    late.record_statements(vec![removal], NOW).unwrap();
    give(&mut late, &histories.branches[1][..6]);
    assert!(histories.seen(&mut late)[1][0]);
    let feed = late.feed_end();
    give(&mut late, &histories.branches[1]);
    assert_eq!(histories.seen(&mut late), [[false; 2]; 2]);
    let fed = late.feed(feed, 1_000).unwrap();
    assert!(fed.iter().any(|item| item.document == histories.documents[1][0]), "views are told");
}

/// Some nodes of a village, each joined and synchronised with the center.
pub(super) fn members(town: &mut Town, names: &[&'static str]) -> Vec<Member> {
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut members: Vec<Member> =
        names.iter().map(|name| Member::join(town, name, NodeRole::Village, &[LANGFA], &[])).collect();
    for _ in 0..2 {
        members.iter_mut().for_each(|member| _ = meet(&mut center, member.replica()));
    }
    members
}

pub(super) fn digest_of(node: &mut Replica) -> crate::sync::message::Digest {
    node.digest(node.namespace_id(&Namespace::registry(LANGFA)))
}

#[test]
fn a_forked_log_comes_to_its_ratified_branch_on_nodes_that_held_either() {
    // Both ways round, since the longer one is more than one run and more than the shorter.
    for stands in [0, 1] {
        let mut town = Town::new(164);
        let mut members = members(&mut town, &["author", "one", "other", "late"]);
        let mut carrier = town.node("carrier", NodeRole::Carrier, &[], &[LANGFA]);
        let histories = histories(members[0].replica(), &[150, 70]);
        let [_, one, other, late] = members.as_mut_slice() else { panic!("four members") };
        let mut nodes = [one.replica(), other.replica()];
        for (node, branch) in nodes.iter_mut().zip(&histories.branches) {
            take(node, branch, 64);
            fold(node);
        }
        let [one, other] = nodes;
        meet(one, other);
        for node in [&mut *one, &mut *other] {
            assert_eq!(histories.seen(node), [[false; 2]; 2], "nothing counts until it is ratified");
        }
        let (holder, loser) = if stands == 0 { (one, other) } else { (other, one) };
        let ratified = holder.ratify(&town.founded.authority, Work::In(histories.log), NOW).unwrap();
        assert_eq!(ratified.logs, 1);
        holder.commit(NOW).unwrap();
        fold(holder);
        told(loser);
        let feed = loser.feed_end();
        meet(holder, loser);
        meet(holder, &mut carrier);
        meet(&mut carrier, late.replica());
        let mut expected = [[false; 2]; 2];
        expected[stands] = [true; 2];
        let digest = digest_of(holder);
        for node in [&mut *holder, &mut *loser, late.replica()] {
            assert_eq!(histories.seen(node), expected, "{}", node.own.name);
            assert_eq!(texts(node, LANGFA, histories.before), ["before"]);
            assert_eq!(digest_of(node), digest, "{}", node.own.name);
        }
        assert_eq!(carrier.digest(histories.log.namespace), digest);
        let fed = loser.feed(feed, 10_000).unwrap();
        assert!(fed.iter().any(|item| item.document == *histories.documents[stands].last().unwrap()));
        // What it held is kept, said, and readable.
        let lost = &histories.branches[1 - stands][3..];
        assert_eq!(told(loser), [(4, lost.len() as u64)]);
        let mut aside = Vec::new();
        loser.set_aside(&histories.log, |entry| aside.push(entry.id())).unwrap();
        assert_eq!(aside, lost.iter().map(Entry::id).collect::<Vec<_>>());
        let items = loser.items_set_aside(&histories.log).unwrap();
        let edits = items.iter().flat_map(|(_, items)| items);
        assert_eq!(edits.filter(|(_, item)| matches!(item, Item::Change { .. })).count(), lost.len());
        let bytes = |node: &Replica| node.logs[&histories.log].1.bytes;
        let stored: usize = entries_of(loser, &histories.log).iter().map(|entry| entry.to_bytes().len()).sum();
        assert_eq!(bytes(loser), stored as u64);
        // A restart changes nothing.
        for member in &mut members {
            member.reopen(&mut town.rng, NOW);
            fold(member.replica());
        }
        for member in members.iter_mut().skip(1) {
            let node = member.replica();
            assert_eq!((histories.seen(node), digest_of(node)), (expected.to_vec(), digest), "{}", node.own.name);
            assert_eq!((node.unfolded(), node.has_staged()), (0, false));
        }
        let [_, one, other, _] = members.as_mut_slice() else { panic!("four members") };
        let mut aside = 0;
        let loser = if stands == 0 { other } else { one };
        loser.replica().set_aside(&histories.log, |_| aside += 1).unwrap();
        assert_eq!(aside, lost.len());
    }
}
