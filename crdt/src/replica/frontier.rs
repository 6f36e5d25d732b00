//! Frontiers on this node: saying what is held of a namespace, and learning what a peer lacks of it. The rules are in
//! [`crate::sync`] and [`crate::sync::frontier`].

use std::collections::BTreeSet;
use std::ops::Bound;

use super::Replica;
use super::branches::Fork;
use crate::bounds;
use crate::entry::LogId;
use crate::id::{EntryId, NamespaceId, NodeId};
use crate::namespace::Namespace;
use crate::seal::ShelfId;
use crate::store::LogState;
use crate::sync::frontier::{BUCKETS, BucketDigest, Buckets, Frontier, LogHeight};
use crate::sync::message::{Digest, digest_of};
use crate::sync::session::{Page, Space};
use crate::sync::{Message, Session};

impl Replica {
    /// Height and head of a log as far as it counts: up to the entry before a fork, or beyond what is ratified past it or
    /// a quota.
    pub(super) fn effective(&self, state: &LogState) -> (u64, EntryId) {
        let cuts = self.forks.get(&state.log).map(Fork::end).into_iter().chain(self.quota_cut(&state.log));
        match cuts.min_by_key(|(seq, _)| *seq) {
            Some((seq, before)) if state.height >= seq => (seq.saturating_sub(1), before),
            Some(_) | None => (state.height, state.head),
        }
    }

    /// Digest of what is held of a namespace: equal exactly if logs and key shelves are.
    pub fn digest(&mut self, namespace: NamespaceId) -> Digest {
        if let Some(digest) = self.digests.get(&namespace) {
            return *digest;
        }
        let mut hasher = blake3::Hasher::new();
        let is_auth = namespace == self.namespace_id(&Namespace::auth());
        let mut flooding = if is_auth { self.flooding_forkers() } else { BTreeSet::new() };
        for (log, (_, state)) in self.logs_of(namespace) {
            let (height, head) = self.effective(state);
            if self.is_flooding(log) {
                flooding.insert(log.author);
            } else if height > 0 {
                hasher.update(&log.to_bytes());
                hasher.update(&height.to_be_bytes());
                hasher.update(&head.0);
            }
        }
        for (id, shelf) in self.shelves.get(&namespace).into_iter().flatten() {
            hasher.update(id);
            hasher.update(&shelf.count.to_be_bytes());
            if self.vouches_for_rows(shelf) {
                hasher.update(&shelf.chain);
            }
        }
        flooding.iter().for_each(|author: &NodeId| _ = hasher.update(&author.0));
        let digest = digest_of(&hasher);
        self.digests.insert(namespace, digest);
        digest
    }

    /// Height and head of each log of a namespace that has entries, as far as it counts, after one.
    fn heights(&self, namespace: NamespaceId, after: Option<LogId>) -> impl Iterator<Item = (LogId, u64, EntryId)> {
        let first = LogId { namespace, author: NodeId([0; 32]), epoch: 0, lane: crate::entry::Lane::Urgent };
        let first = after.map_or(Bound::Included(first), Bound::Excluded);
        let logs = self.logs.range((first, Bound::Unbounded)).take_while(move |(log, _)| log.namespace == namespace);
        logs.filter_map(|(log, (_, state))| {
            let (height, head) = self.effective(state);
            (height > 0).then_some((*log, height, head))
        })
    }

    /// Shelves of a namespace and how many keys of each are held, after one.
    fn shelf_counts(&self, namespace: NamespaceId, after: Option<ShelfId>) -> impl Iterator<Item = (ShelfId, u32)> {
        let first = after.map_or(Bound::Unbounded, Bound::Excluded);
        let shelves = self.shelves.get(&namespace).map(|shelves| shelves.range((first, Bound::Unbounded)));
        shelves.into_iter().flatten().map(|(id, shelf)| (*id, shelf.count))
    }

    fn bucket_digests(&self, namespace: NamespaceId) -> Vec<BucketDigest> {
        let mut hashers = vec![blake3::Hasher::new(); BUCKETS];
        let heights = self.heights(namespace, None).filter(|(log, ..)| !self.is_flooding(log));
        for (log, height, head) in heights {
            if let Some(hasher) = hashers.get_mut(usize::from(Buckets::of_log(&log))) {
                hasher.update(&log.to_bytes());
                hasher.update(&height.to_be_bytes());
                hasher.update(&head.0);
            }
        }
        for (id, shelf) in self.shelves.get(&namespace).into_iter().flatten() {
            if let Some(hasher) = hashers.get_mut(usize::from(Buckets::of_shelf(id))) {
                hasher.update(id);
                hasher.update(&shelf.count.to_be_bytes());
                if self.vouches_for_rows(shelf) {
                    hasher.update(&shelf.chain);
                }
            }
        }
        hashers.iter().map(|hasher| hasher.finalize().as_bytes().first_chunk().copied().unwrap_or_default()).collect()
    }

    /// The peer holds exactly what this node holds of a namespace.
    pub(super) fn assume_equal(&mut self, peer: NodeId, namespace: NamespaceId) {
        let cursors = self.heights(namespace, None).map(|(log, height, _)| (log, height)).collect();
        let shelves = self.shelf_counts(namespace, None).collect();
        if let Some(session) = self.sessions.get_mut(&peer) {
            let space = session.spaces.entry(namespace).or_default();
            *space = Space { known: true, cursors, shelves, ..std::mem::take(space) };
        }
    }

    /// A namespace differs: says what is held of it, once. The first word is remembered, since the peer's answer is
    /// about what differs from it.
    pub(super) fn send_frontier(&mut self, peer: NodeId, namespace: NamespaceId) {
        if self
            .sessions
            .get(&peer)
            .is_none_or(|session| session.spaces.get(&namespace).is_some_and(|space| space.spoken_of()))
        {
            return;
        }
        let count = self.heights(namespace, None).count() + self.shelf_counts(namespace, None).count();
        let digests = (count > bounds::MANY_LOGS).then(|| self.bucket_digests(namespace));
        self.remember(peer, namespace);
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        match digests {
            Some(digests) => {
                session.spaces.entry(namespace).or_default().digests_sent = true;
                session.say(Message::BucketDigests { namespace, digests });
            }
            None => session.list(namespace, Buckets::ALL),
        }
    }

    /// What is held now counts as what the peer has, wherever it does not say otherwise.
    fn remember(&mut self, peer: NodeId, namespace: NamespaceId) {
        let heights: Vec<(LogId, u64)> = self.heights(namespace, None).map(|(log, height, _)| (log, height)).collect();
        let shelves: Vec<(ShelfId, u32)> = self.shelf_counts(namespace, None).collect();
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let space = session.spaces.entry(namespace).or_default();
        // Something older, if it was remembered, stands: it is what the peer's answer may be about.
        heights.into_iter().for_each(|(log, height)| _ = space.cursors.entry(log).or_insert(height));
        shelves.into_iter().for_each(|(shelf, count)| _ = space.shelves.entry(shelf).or_insert(count));
    }

    pub(super) fn shares(&mut self, peer: &NodeId, namespace: NamespaceId) -> bool {
        namespace == self.namespace_id(&Namespace::auth()) || self.interest(peer).contains(&namespace)
    }

    /// The peer holds so many logs that it names digests of buckets first: it is answered by what is held in those
    /// that differ.
    pub(super) fn take_bucket_digests(&mut self, peer: NodeId, namespace: NamespaceId, theirs: &[BucketDigest]) {
        if !self.shares(&peer, namespace) {
            return;
        }
        let listed = self.sessions.get(&peer).and_then(|session| session.spaces.get(&namespace));
        if listed.is_some_and(|space| space.frontier_sent) {
            // It has our list already and answers that.
            return;
        }
        let mut parted = Buckets::NONE;
        for (bucket, (ours, theirs)) in (0..=u8::MAX).zip(self.bucket_digests(namespace).iter().zip(theirs)) {
            if ours != theirs {
                parted.insert(bucket);
            }
        }
        let equal = |log: &LogId| !parted.contains(Buckets::of_log(log));
        let heights: Vec<(LogId, u64)> = self.heights(namespace, None).map(|(log, height, _)| (log, height)).collect();
        let shelves: Vec<(ShelfId, u32)> = self.shelf_counts(namespace, None).collect();
        self.remember(peer, namespace);
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let space = session.spaces.entry(namespace).or_default();
        space.cursors.extend(heights.into_iter().filter(|(log, _)| equal(log)));
        space.shelves.extend(shelves.into_iter().filter(|(shelf, _)| !parted.contains(Buckets::of_shelf(shelf))));
        session.list(namespace, parted);
    }

    /// A page of what the peer holds of a namespace. After the last one, whatever it lacks is to be sent.
    pub(super) fn take_frontier(&mut self, peer: NodeId, page: &Frontier) {
        let namespace = page.namespace;
        if !self.shares(&peer, namespace) {
            return;
        }
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        session.spaces.entry(namespace).or_default().begin_list(&page.buckets);
        let mut parted = Buckets::NONE;
        for height in &page.logs {
            let log = height.log(namespace);
            let ours = self.logs.get(&log).map(|(_, state)| self.effective(state)).filter(|(seq, _)| *seq > 0);
            if ours != Some((height.seq, height.head)) {
                parted.insert(Buckets::of_log(&log));
            }
            let Some(session) = self.sessions.get_mut(&peer) else { return };
            if ours.is_some_and(|(seq, head)| seq == height.seq && head != height.head) {
                // Equal heights with other heads: two histories. Ask for theirs, so that the fork is found and proven.
                session.say(Message::LogRequest { log, from: 1 });
            }
            session.note_log(log, height.seq, ours.is_some());
        }
        for (shelf, count) in &page.shelves {
            let ours = self.shelf(namespace, *shelf).map(|shelf| shelf.count);
            if ours != Some(*count) {
                parted.insert(Buckets::of_shelf(shelf));
            }
            let Some(session) = self.sessions.get_mut(&peer) else { return };
            session.note_shelf(namespace, *shelf, *count, ours.is_some());
        }
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let space = session.spaces.entry(namespace).or_default();
        space.parted.extend(&parted);
        if !page.more {
            space.listing = false;
            self.end_list(peer, namespace, &page.buckets);
        }
    }

    fn end_list(&mut self, peer: NodeId, namespace: NamespaceId, listed: &Buckets) {
        let Some(kind) = self.trust.namespaces().get(&namespace).map(|namespace| namespace.kind) else { return };
        let ours: Vec<(LogId, u64)> = self.heights(namespace, None).map(|(log, height, _)| (log, height)).collect();
        let our_shelves: Vec<(ShelfId, u32)> = self.shelf_counts(namespace, None).collect();
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let space = session.spaces.entry(namespace).or_default();
        let unlisted = ours.iter().filter(|(log, _)| !space.cursors.contains_key(log));
        let mut parted = space.parted;
        unlisted.for_each(|(log, _)| parted.insert(Buckets::of_log(log)));
        let unlisted = our_shelves.iter().filter(|(shelf, _)| !space.shelves.contains_key(shelf));
        unlisted.for_each(|(shelf, _)| parted.insert(Buckets::of_shelf(shelf)));
        parted.keep_only(listed);
        if !space.frontier_sent {
            session.list(namespace, parted);
        }
        if let Some(space) = session.spaces.get_mut(&namespace) {
            space.known = true;
        }
        ours.iter().for_each(|(log, height)| session.bring(log, kind, *height));
        our_shelves.iter().for_each(|(shelf, count)| session.shelf_grew(namespace, *shelf, *count));
        self.announce_totals(peer);
    }

    /// The next page of a list that is being sent to a peer. Made when it is sent, so that a slow peer costs no memory.
    pub(super) fn next_page(&mut self, peer: NodeId) -> Option<Message> {
        let page = self.sessions.get_mut(&peer)?.pages.pop_front()?;
        let Page { namespace, buckets, after_log, after_shelf } = page;
        let logs = self.heights(namespace, after_log).filter(|(log, ..)| buckets.contains(Buckets::of_log(log)));
        let logs: Vec<LogHeight> = logs
            .take(bounds::MAX_FRONTIER)
            .map(|(log, seq, head)| LogHeight { author: log.author, epoch: log.epoch, lane: log.lane, seq, head })
            .collect();
        let shelves = self.shelf_counts(namespace, after_shelf);
        let shelves = shelves.filter(|(shelf, _)| buckets.contains(Buckets::of_shelf(shelf)));
        let shelves: Vec<(ShelfId, u32)> = shelves.take(bounds::MAX_FRONTIER).collect();
        let more = logs.len() == bounds::MAX_FRONTIER || shelves.len() == bounds::MAX_FRONTIER;
        if more {
            let after_log = logs.last().map(|last| last.log(namespace)).or(after_log);
            let after_shelf = shelves.last().map(|(last, _)| *last).or(after_shelf);
            let session: &mut Session = self.sessions.get_mut(&peer)?;
            session.pages.push_front(Page { namespace, buckets, after_log, after_shelf });
        }
        Some(Message::Frontier(Frontier { namespace, buckets, logs, shelves, more }))
    }
}
