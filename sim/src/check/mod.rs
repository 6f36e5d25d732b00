//! What must hold, checked from outside: with the rules of the town written down anew, never by asking the code that is
//! being checked whether it did right.
//!
//! Beside these, the world itself stops a run at once when a member refuses another member's message, a store does not
//! open after a fault, a sound disk fails a write, an entry that was just acknowledged cannot be shown, a log is said
//! to have forked that did not, or a node says *equal* of a peer that lacks something.

pub(crate) mod rows;
#[cfg(test)]
mod tests;
pub(crate) mod view;

use std::collections::{BTreeMap, BTreeSet};

use townmesh_crdt::card::CardKind;
use townmesh_crdt::certificate::{Access, NodeRole};
use townmesh_crdt::clock::Millis;
use townmesh_crdt::entry::LogId;
use townmesh_crdt::id::{DocumentId, NamespaceId, NodeId};
use townmesh_crdt::namespace::{Namespace, NamespaceKind};
use townmesh_crdt::store::CardKey;

pub use view::{NodeView, TownView};

use crate::world::{Ack, Content, Said};

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What must hold.
    pub rule: &'static str,
    /// What was found.
    pub what: String,
    /// When, in milliseconds after the beginning.
    pub at: Millis,
}

/// Most findings of one checker: the first ones tell enough.
const MOST: usize = 5;

type Checker = fn(&TownView) -> Vec<String>;

/// Every checker, with what it demands.
pub const CHECKERS: [(&str, Checker); 21] = [
    ("acknowledged records are on every holder", acknowledged),
    ("holders hold the same", equal_holders),
    ("what is forged is nowhere", forgeries),
    ("what a removed node wrote after its removal has no effect", removed),
    ("the last edit that was acknowledged is shown", last_edits),
    ("carriers read nothing", cleartext),
    ("each author's entries stand in their order", causal_order),
    ("forks are known to all by proof", forks),
    ("removals of authorities come out alike everywhere", authorities),
    ("messages and traffic are bounded", bounded),
    ("the newest cards are everywhere", cards),
    ("periods follow on each other", periods),
    ("who was erased is read nowhere", erased),
    ("an invite that was used twice is known to all", redeemed),
    (
        "what was written in tables and books is shown by every holder, if need be as one side of a conflict",
        rows::acknowledged,
    ),
    ("what somebody replaced is shown nowhere", rows::replaced),
    ("what somebody recorded who may not has no effect", rows::overreached),
    ("a conflict is the same everywhere", rows::conflicts),
    ("a conflict that was settled stays so", rows::settled),
    ("residents who were merged are one everywhere", rows::merged),
    ("a track is read by centers and its unit alone", rows::tracks),
];

/// Applies every checker.
pub fn all(town: &TownView, converged: bool) -> Vec<Violation> {
    let mut found: Vec<Violation> = Vec::new();
    for (rule, checker) in CHECKERS {
        let what = checker(town).into_iter().take(MOST);
        found.extend(what.map(|what| Violation { rule, what, at: 0 }));
    }
    if !converged && found.is_empty() {
        let what = "within the bound after the faults had stopped, some node still lacked something".to_owned();
        found.push(Violation { rule: "everybody comes to hold everything", what, at: 0 });
    }
    found
}

fn members(town: &TownView) -> impl Iterator<Item = &NodeView> {
    town.nodes.iter().filter(|node| node.member)
}

/// Up to where a log counts: to its fork, or as its author's removal says.
fn counts_to(town: &TownView, log: &LogId) -> u64 {
    let fork = town.forks.get(log).map_or(u64::MAX, |seq| seq.saturating_sub(1));
    let cut = town.removed.get(&log.author).map_or(u64::MAX, |kept| kept.get(log).copied().unwrap_or(0));
    fork.min(cut)
}

fn acknowledged(town: &TownView) -> Vec<String> {
    let mut missing = Vec::new();
    for ack in town.acks.iter().filter(|ack| ack.excused.is_none() && ack.seq <= counts_to(town, &ack.log)) {
        for node in members(town) {
            let access = node.access.get(&ack.log.namespace).copied();
            let held = node.logs.get(&ack.log).and_then(|ids| ids.get(ack.seq.saturating_sub(1) as usize)).copied();
            let place = || format!("entry {} of node {} in {}", ack.seq, ack.node, ack.namespace);
            match access {
                None => continue,
                Some(_) if held.is_none() => missing.push(format!("{} lacks {}", node.name, place())),
                Some(_) if held != ack.entry => missing.push(format!("{} holds another {}", node.name, place())),
                Some(Access::Carry) => {}
                Some(Access::Hold) => {
                    if !node.documents.contains_key(&(ack.log.namespace, ack.content.document)) {
                        missing.push(format!("{} does not show the document of {}", node.name, place()));
                    }
                    let shown = ack.content.record.map(|record| node.records.get(&(ack.content.document, record)));
                    if shown.is_some_and(|void| void != Some(&false)) {
                        missing.push(format!("{} does not show the record of {}", node.name, place()));
                    }
                }
            }
        }
    }
    missing
}

fn equal_holders(town: &TownView) -> Vec<String> {
    let mut differences = Vec::new();
    for (id, namespace) in &town.names {
        let holders: Vec<&NodeView> = members(town).filter(|node| node.access.contains_key(id)).collect();
        let Some((first, others)) = holders.split_first() else { continue };
        let heights = |node: &NodeView| heights_of(town, node, id);
        let expected = heights(first);
        for other in others {
            if heights(other) != expected {
                differences.push(format!("{} and {} hold different logs of {namespace}", first.name, other.name));
            } else if other.digests.get(id) != first.digests.get(id) {
                differences.push(format!("{} and {} have different digests of {namespace}", first.name, other.name));
            }
        }
        differences.extend(unequal_documents(&holders, id).map(|what| format!("{what} in {namespace}")));
    }
    let behind = members(town).filter(|node| node.unfolded > 0);
    differences.extend(behind.map(|node| format!("{} has {} entries unopened", node.name, node.unfolded)));
    differences
}

/// Height and last entry of each log of a namespace, as far as it counts.
fn heights_of(town: &TownView, node: &NodeView, id: &NamespaceId) -> BTreeMap<LogId, (usize, Option<[u8; 32]>)> {
    // How much of a flooder's logs is taken differs; digests leave them out.
    let is_flooded = |log: &LogId| {
        town.flooders.contains(&log.author) && town.names.get(id).is_some_and(|name| name.kind == NamespaceKind::Auth)
    };
    let logs = node.logs.iter().filter(|(log, _)| log.namespace == *id && !is_flooded(log));
    let counted = logs.map(|(log, ids)| {
        let height = ids.len().min(usize::try_from(counts_to(town, log)).unwrap_or(usize::MAX));
        (*log, (height, height.checked_sub(1).and_then(|last| ids.get(last)).map(|id| id.0)))
    });
    counted.filter(|(_, (height, _))| *height > 0).collect()
}

fn unequal_documents<'a>(holders: &'a [&NodeView], id: &'a NamespaceId) -> impl Iterator<Item = String> + 'a {
    let readers: Vec<&NodeView> =
        holders.iter().filter(|node| node.access.get(id) == Some(&Access::Hold)).copied().collect();
    let of = move |node: &NodeView| -> BTreeMap<_, _> {
        node.documents.iter().filter(|((space, _), _)| space == id).map(|((_, one), hash)| (*one, *hash)).collect()
    };
    let first = readers.first().map(|node| (node.name.clone(), of(node)));
    readers.into_iter().skip(1).filter_map(move |node| {
        let (name, expected) = first.as_ref()?;
        let held = of(node);
        let differs = expected.iter().chain(&held).find(|(one, _)| expected.get(one) != held.get(one));
        differs.map(|(one, _)| format!("{name} and {} read document {one} differently", node.name))
    })
}

fn forgeries(town: &TownView) -> Vec<String> {
    let mut found = Vec::new();
    for node in &town.nodes {
        let forged = node.logs.keys().filter(|log| town.forged.contains(log));
        found.extend(forged.map(|log| format!("{} holds a log forged as {}", node.name, log.author.short())));
        // Whoever wrote must have had the right to, by the rules of the town.
        let rights: BTreeMap<_, _> = town.nodes.iter().map(|node| (node.id, &node.access)).collect();
        let allowed =
            |log: &&LogId| rights.get(&log.author).and_then(|access| access.get(&log.namespace)) == Some(&Access::Hold);
        let wrong = node.logs.keys().filter(|log| !allowed(log));
        found.extend(wrong.map(|log| format!("{} holds a log that {} may not write", node.name, log.author.short())));
    }
    found
}

fn removed(town: &TownView) -> Vec<String> {
    let mut found = Vec::new();
    let late = |ack: &&Ack| {
        let is_heard = !town.unheard.contains(&ack.log.author);
        let kept = town.removed.get(&ack.log.author).map(|kept| kept.get(&ack.log).copied().unwrap_or(0));
        is_heard && kept.is_some_and(|kept| kept < ack.seq)
    };
    for ack in town.acks.iter().filter(late) {
        let Content { document, record, mark } = ack.content;
        // The same record may have been written by somebody else, too, or once more by this node in time: a disk that
        // went back to its backup, and a clock that did, make the same bytes. Then it counts.
        let others = town.acks.iter().any(|other| other.content == ack.content && !late(&other));
        for node in members(town).filter(|_| !others) {
            let counts = record.is_some_and(|record| node.records.get(&(document, record)) == Some(&false));
            let marks = node.marks.get(&(ack.log.namespace, document));
            let is_shown = mark.is_some_and(|mark| marks.is_some_and(|marks| marks.contains(&mark)));
            if counts || is_shown {
                found.push(format!("{} counts entry {} of node {} in {}", node.name, ack.seq, ack.node, ack.namespace));
            }
        }
    }
    found
}

/// The last edit of a field that was acknowledged is shown: whoever had seen it and edited later would have been
/// acknowledged later. An edit whose acknowledgement a crash swallowed may have taken its place; and what was edited on
/// top of an entry past a fork waits until an authority says which branch stands.
fn last_edits(town: &TownView) -> Vec<String> {
    let place = |ack: &Ack| (ack.log.namespace, ack.content.document);
    let is_forked = |ack: &&Ack| town.forks.get(&ack.log).is_some_and(|seq| *seq <= ack.seq);
    let stranded: BTreeSet<_> = town.acks.iter().filter(is_forked).map(place).collect();
    let counts = |ack: &&Ack| ack.excused.is_none() && ack.seq <= counts_to(town, &ack.log);
    let mut last: BTreeMap<(NamespaceId, DocumentId), &Ack> = BTreeMap::new();
    for ack in town.acks.iter().filter(|ack| ack.content.mark.is_some()).filter(counts) {
        let known = last.entry(place(ack)).or_insert(ack);
        if ack.at >= known.at {
            *known = ack;
        }
    }
    let promised: BTreeSet<u64> = town.acks.iter().filter(counts).filter_map(|ack| ack.content.mark).collect();
    let mut found = Vec::new();
    for (place, ack) in last.into_iter().filter(|(place, _)| !stranded.contains(place)) {
        for node in members(town).filter(|node| node.access.get(&place.0) == Some(&Access::Hold)) {
            let none = BTreeSet::new();
            let shown = node.marks.get(&place).unwrap_or(&none);
            let is_shown = ack.content.mark.is_some_and(|mark| shown.contains(&mark));
            if !is_shown && shown.iter().all(|mark| promised.contains(mark)) {
                let what = format!("entry {} of node {} in {}", ack.seq, ack.node, ack.namespace);
                found.push(format!("{} does not show the edit of {what}", node.name));
            }
        }
    }
    found
}

fn cleartext(town: &TownView) -> Vec<String> {
    let words = town.nodes.iter().flat_map(|node| node.cleartext.iter().map(|what| format!("{}: {what}", node.name)));
    words.collect()
}

fn causal_order(town: &TownView) -> Vec<String> {
    members(town).flat_map(|node| node.broken.iter().map(|what| format!("{}: {what}", node.name))).collect()
}

fn forks(town: &TownView) -> Vec<String> {
    let mut found = Vec::new();
    for log in town.forks.keys() {
        // A second history that only one node ever saw, and that fell on it before the first, proves nothing yet.
        let histories: BTreeSet<_> = town
            .nodes
            .iter()
            .filter_map(|node| {
                let from = town.forks.get(log).copied().unwrap_or(1).saturating_sub(1) as usize;
                node.logs.get(log).and_then(|ids| ids.get(from)).copied()
            })
            .collect();
        let known = members(town).filter(|node| node.proofs.contains(log)).count();
        if histories.len() > 1 && known == 0 {
            found.push(format!("two histories of {} are held and nobody can prove it", log.author.short()));
        }
        if known > 0 {
            let without = members(town).filter(|node| !node.proofs.contains(log));
            found.extend(without.map(|node| format!("{} does not know that {} forked", node.name, log.author.short())));
        }
    }
    found
}

/// Those whose removal is not lost with the only disk that held it are removed everywhere; the others alike.
fn authorities(town: &TownView) -> Vec<String> {
    let mut found = Vec::new();
    let Some(first) = members(town).next() else { return found };
    for stated in &town.stated {
        let Said::AuthorityRemoved(id) = &stated.said else { continue };
        let without = members(town).filter(|node| !node.removed.contains(id) && !stated.excused);
        found.extend(without.map(|node| format!("{} does not hold {} for removed", node.name, id.short())));
    }
    let unlike = members(town).filter(|node| node.removed != first.removed);
    found.extend(unlike.map(|node| format!("{} and {} hold other authorities for removed", first.name, node.name)));
    found
}

/// Cards are bounded by kind, and grants may be dropped where nobody needs them; positions from the future are not taken.
fn cards(town: &TownView) -> Vec<String> {
    let mut newest: BTreeMap<CardKey, u64> = BTreeMap::new();
    let removed = |key: &CardKey| town.removed.contains_key(&NodeId(key.key));
    let is_everywhere = |key: &&CardKey| match CardKind::from_code(key.kind) {
        Some(CardKind::Grant | CardKind::Position) => false,
        Some(CardKind::Beacon | CardKind::Fork | CardKind::Refusal) | None => !removed(key),
    };
    for node in members(town) {
        for (key, version) in node.cards.iter().filter(|(key, _)| is_everywhere(key)) {
            let known = newest.entry(*key).or_default();
            *known = (*version).max(*known);
        }
    }
    let lacks = |node: &NodeView| {
        let old = newest.iter().find(|(key, version)| node.cards.get(*key).is_none_or(|held| held < *version));
        old.map(|(key, _)| format!("{} has no or an old card of kind {}", node.name, key.kind))
    };
    members(town).filter_map(lacks).collect()
}

/// The periods of each kind and region that a node knows follow on each other without a gap.
fn periods(town: &TownView) -> Vec<String> {
    let number = |namespace: &Namespace| -> Option<u32> {
        let (year, month) = namespace.period.split_once('-').unwrap_or((&namespace.period, ""));
        let year: u32 = year.parse().ok()?;
        if namespace.kind == NamespaceKind::Events { Some(year * 12 + month.parse::<u32>().ok()?) } else { Some(year) }
    };
    let mut found = Vec::new();
    for node in &town.nodes {
        let mut last: BTreeMap<(NamespaceKind, &str), u32> = BTreeMap::new();
        let dated = |kind: NamespaceKind| [NamespaceKind::Cases, NamespaceKind::Events].contains(&kind);
        for namespace in node.namespaces.iter().filter(|namespace| dated(namespace.kind)) {
            let Some(number) = number(namespace) else { continue };
            let before = last.insert((namespace.kind, &namespace.region), number);
            if before.is_some_and(|before| before + 1 != number) {
                found.push(format!("{} knows of {namespace} and not of the period before", node.name));
            }
        }
    }
    found
}

fn erased(town: &TownView) -> Vec<String> {
    members(town).flat_map(|node| node.unerased.iter().map(|what| format!("{} has {what}", node.name))).collect()
}

fn redeemed(town: &TownView) -> Vec<String> {
    let mut found = Vec::new();
    for stated in town.stated.iter().filter(|stated| !stated.excused) {
        let Said::Redeemed(invite) = &stated.said else { continue };
        let without = members(town).filter(|node| !node.redeemed.contains(invite));
        found.extend(without.map(|node| format!("{} does not know that an invite was used twice", node.name)));
    }
    found
}

/// Bytes that a session may cost beside the entries that it brings: two greetings, digests, frontiers, cards.
const BYTES_A_SESSION: u64 = 24 * 1024;
/// Bytes of a beacon for each node that comes to hold it.
const BYTES_A_BEACON: u64 = 4 * 1024;
/// How often a byte of an entry may be moved for each node that comes to hold it.
const MOVED_FOR_HELD: u64 = 4;
/// Bytes that nodes take in `auth` of an author that is not a center, DESIGN 12.13: what all its logs may hold together,
/// and one more log.
const AUTH_OF_ONE: u64 = 5 * 1024 * 1024;

fn bounded(town: &TownView) -> Vec<String> {
    let mut found = Vec::new();
    let limit = townmesh_crdt::bounds::MAX_MESSAGE;
    if town.stats.largest > limit {
        found.push(format!("a message of {} bytes; at most {limit} are allowed", town.stats.largest));
    }
    // What a node does not take of somebody who floods is offered again in the next session.
    let a_session = BYTES_A_SESSION + AUTH_OF_ONE * town.flooders.len() as u64;
    let beacons = BYTES_A_BEACON * town.beacons * town.nodes.len() as u64;
    let allowed = MOVED_FOR_HELD * town.appended_bytes + a_session * town.stats.sessions + beacons;
    if town.stats.bytes > allowed {
        found.push(format!(
            "{} bytes were moved in {} sessions for {} bytes of entries",
            town.stats.bytes, town.stats.sessions, town.appended_bytes
        ));
    }
    for node in members(town) {
        let is_center = |id: &NodeId| town.nodes.iter().any(|one| one.id == *id && one.role == NodeRole::Center);
        let filled = node.auth_bytes.iter().filter(|(id, bytes)| **bytes > AUTH_OF_ONE && !is_center(id));
        let words =
            |(id, bytes): (&NodeId, &u64)| format!("{} holds {bytes} bytes of {} in auth", node.name, id.short());
        found.extend(filled.map(words));
    }
    found
}
