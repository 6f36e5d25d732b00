//! What must hold, checked from outside: with the rules of the town written down anew, never by asking the code that is
//! being checked whether it did right.
//!
//! Beside these, the world itself stops a run at once when a member refuses another member's message, a store does not
//! open after a fault, a sound disk fails a write, an entry that was just acknowledged cannot be shown, a log is said
//! to have forked that did not, or a node says *equal* of a peer that lacks something.

#[cfg(test)]
mod tests;
pub(crate) mod view;

use std::collections::BTreeMap;

use townmesh_crdt::certificate::Access;
use townmesh_crdt::clock::Millis;
use townmesh_crdt::entry::LogId;
use townmesh_crdt::id::NamespaceId;

pub use view::{NodeView, TownView};

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
pub const CHECKERS: [(&str, Checker); 9] = [
    ("acknowledged records are on every holder", acknowledged),
    ("holders hold the same", equal_holders),
    ("what is forged is nowhere", forgeries),
    ("what a removed node wrote after its removal has no effect", removed),
    ("carriers read nothing", cleartext),
    ("each author's entries stand in their order", causal_order),
    ("forks are known to all by proof", forks),
    ("removals of authorities come out alike everywhere", authorities),
    ("messages and traffic are bounded", bounded),
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
            } else if other.digests.get(id) != first.digests.get(id) && town.removed.is_empty() {
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
    let logs = node.logs.iter().filter(|(log, _)| log.namespace == *id);
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
    let late = |ack: &&crate::world::Ack| {
        town.removed.get(&ack.log.author).is_some_and(|kept| kept.get(&ack.log).copied().unwrap_or(0) < ack.seq)
    };
    for ack in town.acks.iter().filter(late) {
        let Some(record) = ack.content.record else { continue };
        // The same record may have been written by somebody else, too; then it counts.
        let others = town.acks.iter().any(|other| other.content == ack.content && other.log.author != ack.log.author);
        for node in members(town).filter(|_| !others) {
            if node.records.get(&(ack.content.document, record)) == Some(&false) {
                found.push(format!("{} counts entry {} of node {} in {}", node.name, ack.seq, ack.node, ack.namespace));
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
        let histories: std::collections::BTreeSet<_> = town
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

fn authorities(town: &TownView) -> Vec<String> {
    let wrong = members(town).filter(|node| node.removed != town.removed_authorities);
    wrong
        .map(|node| {
            let (seen, all) = (node.removed.len(), town.removed_authorities.len());
            format!("{} holds {seen} of {all} removed authorities for removed", node.name)
        })
        .collect()
}

/// Bytes that a session may cost beside the entries that it brings: two greetings, digests, frontiers, cards.
const BYTES_A_SESSION: u64 = 256 * 1024;
/// How often a byte of an entry may be moved for each node that comes to hold it.
const MOVED_FOR_HELD: u64 = 4;

fn bounded(town: &TownView) -> Vec<String> {
    let mut found = Vec::new();
    let limit = townmesh_crdt::bounds::MAX_MESSAGE;
    if town.stats.largest > limit {
        found.push(format!("a message of {} bytes; at most {limit} are allowed", town.stats.largest));
    }
    let allowed = MOVED_FOR_HELD * town.appended_bytes + BYTES_A_SESSION * town.stats.sessions;
    if town.stats.bytes > allowed {
        found.push(format!(
            "{} bytes were moved in {} sessions for {} bytes of entries",
            town.stats.bytes, town.stats.sessions, town.appended_bytes
        ));
    }
    found
}
