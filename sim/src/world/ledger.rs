//! The ledger: what nodes acknowledged, kept outside of the town by somebody who never forgets.

use std::collections::{BTreeMap, BTreeSet};

use townmesh_crdt::clock::Millis;
use townmesh_crdt::entry::LogId;
use townmesh_crdt::id::{CertificateId, DocumentId, EntryId, KeyId, NamespaceId, NodeId, RecordId};
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::seal::PersonKeyPlace;

use super::later::Stroked;
use super::rows::{Rows, Tracked};

/// What was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Content {
    /// The document.
    pub document: DocumentId,
    /// The immutable record in it, where it is one.
    pub record: Option<RecordId>,
    /// What it sets a field to holds this number, which nobody else writes: see [`mark`].
    pub mark: Option<u64>,
}

/// Before the number of a mark.
pub(crate) const MARK: &str = "mark-";

/// A mark as it stands in a field.
pub(crate) fn mark(number: u64) -> String {
    format!("{MARK}{number:016x}")
}

/// Why nobody is promised what a node recorded that is removed.
pub(crate) const OF_A_REMOVED_NODE: [&str; 2] =
    ["its author was removed before the center heard of it", "recorded after its node was removed"];

/// Something that a node told somebody was saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// Which node.
    pub node: usize,
    /// When.
    pub at: Millis,
    /// Where it belongs.
    pub namespace: Namespace,
    /// Its log.
    pub log: LogId,
    /// Its place there.
    pub seq: u64,
    /// The id of its entry, read when it was acknowledged.
    pub entry: Option<EntryId>,
    /// What.
    pub content: Content,
    /// Why nobody can be asked for it any more, if so.
    pub excused: Option<&'static str>,
}

/// What becomes a fact with the next commit of a node.
#[derive(Debug, Clone)]
pub(crate) enum Claim {
    /// A record.
    Record(Ack),
    /// A node was removed; up to where its logs count.
    Removal {
        /// Which.
        node: usize,
        /// What of it was kept.
        kept: BTreeMap<LogId, u64>,
        /// The keys that it had.
        keys: BTreeSet<(String, KeyId)>,
    },
    /// Something was stated in `auth`.
    Said(Said),
    /// Values in cells.
    Stroke(Stroked),
    /// A unit's track; of which entry it is is told by the claim.
    Track(Ack, Tracked),
}

/// What an authority stated, or a newcomer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// An authority was removed.
    AuthorityRemoved(CertificateId),
    /// A person was erased.
    Erased(Erased),
    /// An invite was redeemed a second time.
    Redeemed(CertificateId),
    /// A removed node's late work counts after all.
    Ratified {
        /// Whose.
        node: NodeId,
        /// What of it counts.
        kept: BTreeMap<LogId, u64>,
    },
}

/// Somebody whose data may be read nowhere any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// Where.
    pub namespace: NamespaceId,
    /// What tells of them.
    pub document: DocumentId,
    /// Where the keys of all that was said of them lay.
    pub keys: Vec<PersonKeyPlace>,
    /// Words that tell of them.
    pub words: Vec<String>,
}

/// What was stated, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    /// What.
    pub said: Said,
    /// The logs in one of which it stands, and up to where.
    pub places: BTreeMap<LogId, u64>,
    /// Nobody can be asked for it any more: the only disk that held it was lost, or its author was removed first.
    pub excused: bool,
}

/// A node was removed: whoever holds so much of these logs knows of it.
#[derive(Debug, Clone)]
pub(crate) struct Removal {
    /// Which.
    pub(crate) node: NodeId,
    /// Where the news stands.
    pub(crate) news: BTreeMap<LogId, u64>,
    /// The keys that it had by then, and those that came with its invite.
    pub(crate) keys: BTreeSet<(String, KeyId)>,
    /// The keys under which those wrote who knew of it.
    pub(crate) used: BTreeSet<(String, KeyId)>,
    /// The only disk that held the news was lost: nobody knows of it, and what the node writes has effect.
    pub(crate) is_lost: bool,
}

impl Removal {
    /// Whether somebody who holds this much has heard of it for sure. What stands past a fork others may hold another branch
    /// of.
    pub(crate) fn is_known(&self, heights: &BTreeMap<LogId, u64>, forks: &BTreeMap<LogId, u64>) -> bool {
        let is_held = |(log, height)| {
            let is_forked = forks.get(log).is_some_and(|seq| seq <= height);
            !is_forked && heights.get(log).is_some_and(|held| held >= height)
        };
        self.news.iter().all(is_held)
    }
}

/// Everything that was promised, and everything that was forged.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) acks: Vec<Ack>,
    /// Logs that were forked, and from which seq on.
    pub(crate) forks: BTreeMap<LogId, u64>,
    /// Logs that nobody may hold.
    pub(crate) forged: BTreeSet<LogId>,
    /// What was stated in `auth`.
    pub(crate) stated: Vec<Stated>,
    /// Nodes that were removed.
    pub(crate) removals: Vec<Removal>,
    /// Nodes that fill `auth`.
    pub(crate) flooders: BTreeSet<NodeId>,
    /// Cards of a newer version, and how new the newest was.
    pub(crate) newer_cards: BTreeMap<[u8; 32], u64>,
    /// What was written in cells of tables and books.
    pub(crate) rows: Rows,
}

impl Ledger {
    /// A disk was lost that held so much; others still hold so much. What only it held nobody can bring back.
    pub(crate) fn lose(&mut self, held: &BTreeMap<LogId, u64>, elsewhere: &BTreeMap<LogId, u64>) -> usize {
        let height = |heights: &BTreeMap<LogId, u64>, log: &LogId| heights.get(log).copied().unwrap_or(0);
        let is_lost = |(log, seq): (&LogId, &u64)| height(held, log) >= *seq && height(elsewhere, log) < *seq;
        let mut lost = 0;
        for ack in self.acks.iter_mut().filter(|ack| ack.excused.is_none()) {
            if is_lost((&ack.log, &ack.seq)) {
                ack.excused = Some("the only disk that held it was lost");
                lost += 1;
            }
        }
        for stated in &mut self.stated {
            stated.excused |= stated.places.iter().any(is_lost);
        }
        for removal in &mut self.removals {
            removal.is_lost |= removal.news.iter().any(is_lost);
        }
        lost
    }

    /// All logs in which something was promised, stated or removed: a disk that nobody can read may have held them.
    pub(crate) fn logs(&self) -> BTreeSet<LogId> {
        let stated = self.stated.iter().flat_map(|stated| stated.places.keys());
        let news = self.removals.iter().flat_map(|removal| removal.news.keys());
        self.acks.iter().map(|ack| &ack.log).chain(stated).chain(news).copied().collect()
    }

    /// What a node stated before it was removed, and nobody heard, has no effect.
    pub(crate) fn cut_off(&mut self, removed: NodeId, kept: &BTreeMap<LogId, u64>) {
        for stated in &mut self.stated {
            let is_cut =
                |(log, seq): (&LogId, &u64)| log.author == removed && kept.get(log).is_none_or(|height| height < seq);
            stated.excused |= stated.places.iter().any(is_cut);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use townmesh_crdt::entry::Lane;

    pub(crate) fn log(author: u8) -> LogId {
        LogId { namespace: NamespaceId([1; 16]), author: NodeId([author; 32]), epoch: 1, lane: Lane::Work }
    }

    pub(crate) fn ack(author: u8, seq: u64) -> Ack {
        Ack {
            node: 0,
            at: 1,
            namespace: Namespace::registry("110115005001"),
            log: log(author),
            seq,
            entry: Some(EntryId([seq as u8; 32])),
            content: Content { document: DocumentId([1; 16]), record: None, mark: None },
            excused: None,
        }
    }

    #[test]
    fn only_what_a_lost_disk_alone_held_is_excused() {
        let mut ledger = Ledger { acks: (1..=4).map(|seq| ack(1, seq)).collect(), ..Ledger::default() };
        let (held, elsewhere) = (BTreeMap::from([(log(1), 3)]), BTreeMap::from([(log(1), 2)]));
        assert_eq!(ledger.lose(&held, &elsewhere), 1);
        let excused: Vec<bool> = ledger.acks.iter().map(|ack| ack.excused.is_some()).collect();
        assert_eq!(excused, [false, false, true, false]);
    }

    #[test]
    fn a_removal_is_lost_with_the_only_disk_that_held_it() {
        let news = BTreeMap::from([(log(1), 3)]);
        let removal =
            Removal { node: NodeId([2; 32]), news, keys: BTreeSet::new(), used: BTreeSet::new(), is_lost: false };
        let mut ledger = Ledger { removals: vec![removal], ..Ledger::default() };
        assert_eq!(ledger.logs(), BTreeSet::from([log(1)]));
        let held = BTreeMap::from([(log(1), u64::MAX)]);
        ledger.lose(&held, &BTreeMap::from([(log(1), 3)]));
        assert!(!ledger.removals[0].is_lost, "somebody else has heard");
        ledger.lose(&held, &BTreeMap::from([(log(1), 2)]));
        assert!(ledger.removals[0].is_lost);
    }
}
