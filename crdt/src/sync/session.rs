//! What one replica knows about one connected peer: which entries it has and which it still needs. Holds
//! cursors, never entries, so its size is bounded by the number of logs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::frontier::Buckets;
use super::message::{Digest, Message};
use super::news::Ways;
use crate::bounds;
use crate::entry::{Lane, LogId};
use crate::id::{CertificateId, NamespaceId};
use crate::namespace::NamespaceKind;
use crate::seal::ShelfId;
use crate::store::CardKey;

/// Most control messages waiting for one peer; beyond it the peer is too slow or asks too much.
const MAX_OUTBOX: usize = 16_384;

/// How far a session has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Entries that the peer said it would send.
    pub entries_expected: u64,
    /// Bytes that the peer said it would send, roughly.
    pub bytes_expected: u64,
    /// New entries received.
    pub entries_received: u64,
    /// Bytes of entries received.
    pub bytes_received: u64,
    /// Entries sent.
    pub entries_sent: u64,
    /// Bytes of entries sent.
    pub bytes_sent: u64,
    /// Both sides hold the same of all that both may hold.
    pub equal: bool,
}

/// What is known about a namespace that both may hold.
#[derive(Debug, Default)]
pub(crate) struct Space {
    /// The peer's frontier is known, so entries may be sent.
    pub(crate) known: bool,
    /// Ours was sent, or its pages wait to be.
    pub(crate) frontier_sent: bool,
    /// Digests of our buckets were sent, because there are too many logs to list.
    pub(crate) digests_sent: bool,
    /// The peer's list has begun, and not ended.
    pub(crate) listing: bool,
    /// Buckets in which what the peer listed is not what we hold.
    pub(crate) parted: Buckets,
    /// Seq up to which the peer has each log, or has been sent it.
    pub(crate) cursors: BTreeMap<LogId, u64>,
    /// Number of keys that the peer has of each shelf, or has been sent.
    pub(crate) shelves: BTreeMap<ShelfId, u32>,
}

impl Space {
    /// Whether the peer was told anything about what we hold.
    pub(crate) fn spoken_of(&self) -> bool {
        self.frontier_sent || self.digests_sent
    }

    /// The first page of a list takes the place of what was thought of its buckets.
    pub(crate) fn begin_list(&mut self, buckets: &Buckets) {
        if std::mem::replace(&mut self.listing, true) {
            return;
        }
        self.parted = Buckets::NONE;
        self.cursors.retain(|log, _| !buckets.contains(Buckets::of_log(log)));
        self.shelves.retain(|shelf, _| !buckets.contains(Buckets::of_shelf(shelf)));
    }
}

/// A page of a list that is to be sent.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) namespace: NamespaceId,
    pub(crate) buckets: Buckets,
    /// The last log of the page before.
    pub(crate) after_log: Option<LogId>,
    /// The last shelf of the page before.
    pub(crate) after_shelf: Option<ShelfId>,
}

/// The more urgent, the lesser: first by lane, then by what it is about.
pub(crate) type Priority = u8;

/// Entries of this priority and above are urgent: the urgent lane and `auth`.
pub(crate) const URGENT: Priority = 7;

pub(crate) fn priority(lane: Lane, kind: NamespaceKind) -> Priority {
    let about = match kind {
        NamespaceKind::Auth => return 0,
        NamespaceKind::Town => 1,
        NamespaceKind::Cases => 2,
        NamespaceKind::Registry => 3,
        NamespaceKind::Events => 4,
        NamespaceKind::Tracks => 5,
    };
    8 * lane as u8 + about
}

/// How far the chunks that are held here were offered to a peer that carries, in order of namespace and hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offered {
    /// Up to this one.
    Until(Option<(NamespaceId, [u8; 32])>),
    /// All that were held when the last of them was; what comes later is offered as it comes.
    All,
}

/// A session with one peer.
#[derive(Debug)]
pub struct Session {
    /// The certificate that the peer presented; nothing is sent but a hello before it is known.
    pub(crate) certificate: Option<CertificateId>,
    outbox: VecDeque<Message>,
    /// Lists that are being sent, page by page.
    pub(crate) pages: VecDeque<Page>,
    pub(crate) spaces: BTreeMap<NamespaceId, Space>,
    /// Logs of which the peer lacks entries, most urgent first.
    pub(crate) behind: BTreeSet<(Priority, LogId)>,
    pub(crate) shelves_behind: BTreeSet<(NamespaceId, ShelfId)>,
    /// The last run that was sent was one of `auth`.
    pub(crate) sent_auth: bool,
    /// Digests are to be sent once all of `auth` was.
    pub(crate) digests_due: bool,
    /// The cards are to be compared then, too.
    pub(crate) cards_due: bool,
    pub(crate) digests_sent: BTreeSet<NamespaceId>,
    pub(crate) last_summary: Option<(Digest, Digest)>,
    pub(crate) peer_summary: Option<(Digest, Digest)>,
    /// Chunks the peer was asked for.
    pub(crate) asked: BTreeSet<(NamespaceId, [u8; 32])>,
    /// Chunks that it said it does not hold.
    pub(crate) lacked: BTreeSet<(NamespaceId, [u8; 32])>,
    pub(crate) offered: Offered,
    /// Chunks that are wanted because the peer offered them for carrying.
    pub(crate) carrying: BTreeSet<(NamespaceId, [u8; 32])>,
    /// What both may have, as last decided.
    interest: BTreeSet<NamespaceId>,
    pub(crate) chunks_wanted: VecDeque<(NamespaceId, [u8; 32])>,
    pub(crate) progress: Progress,
    /// Cards that the peer lacks; their newest versions are sent, so a slow peer gets none twice.
    pub(crate) cards_behind: BTreeSet<CardKey>,
    /// By which ways the peer hears of whom.
    pub(crate) ways: Ways,
    /// Logs that were asked for from their beginning because they do not agree.
    pub(crate) diverged: BTreeSet<LogId>,
    /// Logs of `auth` that came before their author's certificate.
    early: BTreeSet<LogId>,
    /// What the peer said of namespaces that do not concern both, as far as is known here.
    early_digests: BTreeMap<NamespaceId, Digest>,
    /// A summary was sent, not only taken as said by the hello.
    pub(crate) summary_sent: bool,
    /// Nothing to say until something arrives or is committed.
    pub(crate) idle: bool,
    pub(crate) overflowed: bool,
}

impl Session {
    pub(crate) fn new() -> Self {
        Self {
            certificate: None,
            outbox: VecDeque::new(),
            pages: VecDeque::new(),
            spaces: BTreeMap::new(),
            behind: BTreeSet::new(),
            shelves_behind: BTreeSet::new(),
            sent_auth: false,
            digests_due: false,
            cards_due: false,
            digests_sent: BTreeSet::new(),
            last_summary: None,
            peer_summary: None,
            asked: BTreeSet::new(),
            lacked: BTreeSet::new(),
            offered: Offered::Until(None),
            carrying: BTreeSet::new(),
            interest: BTreeSet::new(),
            chunks_wanted: VecDeque::new(),
            progress: Progress::default(),
            cards_behind: BTreeSet::new(),
            ways: Ways::default(),
            diverged: BTreeSet::new(),
            early: BTreeSet::new(),
            early_digests: BTreeMap::new(),
            summary_sent: false,
            idle: false,
            overflowed: false,
        }
    }

    /// Queues a control message.
    pub(crate) fn say(&mut self, message: Message) {
        if self.outbox.len() < MAX_OUTBOX {
            self.outbox.push_back(message);
        } else {
            self.overflowed = true;
        }
    }

    pub(crate) fn next_said(&mut self) -> Option<Message> {
        self.outbox.pop_front()
    }

    /// Keeps only what concerns these namespaces.
    pub(crate) fn narrow(&mut self, interest: &BTreeSet<NamespaceId>) {
        self.spaces.retain(|namespace, _| interest.contains(namespace));
        self.pages.retain(|page| interest.contains(&page.namespace));
        self.behind.retain(|(_, log)| interest.contains(&log.namespace));
        self.ways.logs.retain(|log| interest.contains(&log.namespace));
        self.shelves_behind.retain(|(namespace, _)| interest.contains(namespace));
        self.digests_sent.retain(|namespace| interest.contains(namespace));
        if !interest.is_subset(&self.interest) {
            // What is held of the new namespaces is to be offered, too.
            self.offered = Offered::Until(None);
        }
        self.interest.clone_from(interest);
    }

    /// A run of this log was not kept; it is asked for again once more certificates are known. Of more logs than can
    /// be noted the next session brings the rest.
    pub(crate) fn note_early(&mut self, log: LogId) {
        if self.early.len() < bounds::MAX_NOTED {
            self.early.insert(log);
        }
    }

    pub(crate) fn is_early(&self, log: &LogId) -> bool {
        self.early.contains(log)
    }

    pub(crate) fn take_early(&mut self) -> BTreeSet<LogId> {
        std::mem::take(&mut self.early)
    }

    /// The peer says a digest once. Of a namespace that is not known here yet it is kept until it is: nothing would
    /// begin its exchange otherwise. Of those that never concern both only a bounded number is kept.
    pub(crate) fn note_digest(&mut self, namespace: NamespaceId, digest: Digest) {
        if self.early_digests.len() < bounds::MAX_NOTED {
            self.early_digests.insert(namespace, digest);
        }
    }

    /// The noted digests of namespaces that concern both by now.
    pub(crate) fn noted_digests(&mut self, interest: &BTreeSet<NamespaceId>) -> Vec<(NamespaceId, Digest)> {
        let noted = interest.iter().filter_map(|id| Some((*id, self.early_digests.remove(id)?)));
        noted.collect()
    }

    /// What is held in these buckets is to be listed for the peer.
    pub(crate) fn list(&mut self, namespace: NamespaceId, buckets: Buckets) {
        self.spaces.entry(namespace).or_default().frontier_sent = true;
        self.pages.push_back(Page { namespace, buckets, after_log: None, after_shelf: None });
    }

    /// The peer lists a log. Of those that are not held here only a bounded number is noted: what it says costs no
    /// memory beyond that.
    pub(crate) fn note_log(&mut self, log: LogId, seq: u64, held: bool) {
        let space = self.spaces.entry(log.namespace).or_default();
        if held || space.cursors.len() < bounds::MAX_NOTED {
            space.cursors.insert(log, seq);
        }
    }

    /// The peer lists a shelf; as above.
    pub(crate) fn note_shelf(&mut self, namespace: NamespaceId, shelf: ShelfId, count: u32, held: bool) {
        let space = self.spaces.entry(namespace).or_default();
        if held || space.shelves.len() < bounds::MAX_NOTED {
            space.shelves.insert(shelf, count);
        }
    }

    /// The peer does not hold these chunks: others are asked for in their place, these again if it offers them.
    pub(crate) fn lacks_chunks(&mut self, namespace: NamespaceId, hashes: &[[u8; 32]]) {
        for hash in hashes {
            // What it was not asked for takes no memory.
            if self.asked.remove(&(namespace, *hash)) {
                self.lacked.insert((namespace, *hash));
            }
        }
    }

    /// Whether entries of a log may be sent, and some up to `height` were not.
    pub(crate) fn lacks(&self, log: &LogId, height: u64) -> bool {
        let space = self.spaces.get(&log.namespace).filter(|space| space.known);
        space.is_some_and(|space| space.cursors.get(log).copied().unwrap_or(0) < height)
    }

    /// A log of ours goes to `height`: the peer is sent what it lacks.
    pub(crate) fn bring(&mut self, log: &LogId, kind: NamespaceKind, height: u64) {
        if self.lacks(log, height) {
            self.behind.insert((priority(log.lane, kind), *log));
        }
    }

    /// A log of ours grew to `height`: the peer is sent it, or told of it if it has it sooner from others.
    pub(crate) fn grew(&mut self, log: &LogId, kind: NamespaceKind, height: u64) {
        let is_told = priority(log.lane, kind) > URGENT && self.ways.lead_elsewhere(&log.author);
        if is_told && self.lacks(log, height) && !self.is_sending(log) {
            self.ways.logs.insert(*log);
        } else {
            self.bring(log, kind, height);
        }
    }

    /// Whether entries of a log are on their way to the peer: those that follow go with them.
    pub(crate) fn is_sending(&self, log: &LogId) -> bool {
        NamespaceKind::ALL.into_iter().any(|kind| self.behind.contains(&(priority(log.lane, kind), *log)))
    }

    /// The peer has this version of a card, or a newer one.
    pub(crate) fn peer_has_card(&mut self, key: &CardKey) {
        self.cards_behind.remove(key);
        self.ways.cards.remove(key);
    }

    /// A shelf of ours grew to `count` keys.
    pub(crate) fn shelf_grew(&mut self, namespace: NamespaceId, shelf: ShelfId, count: u32) {
        if let Some(space) = self.spaces.get(&namespace).filter(|space| space.known)
            && space.shelves.get(&shelf).copied().unwrap_or(0) < count
        {
            self.shelves_behind.insert((namespace, shelf));
        }
    }

    /// The peer sent entries of a log up to `seq`, so it has them.
    pub(crate) fn peer_has(&mut self, log: &LogId, seq: u64) {
        if let Some(space) = self.spaces.get_mut(&log.namespace) {
            let cursor = space.cursors.entry(*log).or_insert(0);
            *cursor = seq.max(*cursor);
        }
    }

    /// The peer sent keys of a shelf up to `count`, so it has them.
    pub(crate) fn peer_has_keys(&mut self, namespace: NamespaceId, shelf: ShelfId, count: u32) {
        if let Some(space) = self.spaces.get_mut(&namespace) {
            let cursor = space.shelves.entry(shelf).or_insert(0);
            *cursor = count.max(*cursor);
        }
    }
}
