//! Forked logs: which branch stands, and how a node comes to hold it (DESIGN 12.2).
//!
//! From the fork point on a log has no effect, until an authority ratifies a place past it. Of several ratified places
//! the first one whose entry is held here stands (see [`crate::trust::Trust`] for their order, which goes by what is
//! stated alone): the log counts up to it. A node that does not hold the very first one takes in, beside what it holds,
//! what peers send of other branches; once one of them reaches a place that precedes the one that stands, the two change
//! places. So all nodes that can get the first place come to count the same, and nothing that was held is lost.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::{IngestError, Ingested, Output, Replica};
use crate::bounds;
use crate::change::{self, Item};
use crate::entry::{Entry, Header, LogId};
use crate::id::EntryId;
use crate::namespace::{Namespace, NamespaceKind};
use crate::store::{BranchSwap, ItemKey, LogState, StoreError};
use crate::sync::{Message, Run};
use crate::trust::Place;

/// Most entries at one seq of a log that are kept beside the one held. More come only from an author who goes on making
/// them; then what is on its way is forgotten, and comes again with the next session.
const MAX_BRANCHES: usize = 16;

/// A proven fork, and what is ratified past it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fork {
    /// The first seq at which there are two entries.
    seq: u64,
    /// The entry before it.
    before: EntryId,
    /// The ratified place that stands here.
    stands: Option<Place>,
    /// The greatest seq that can come to count.
    reach: u64,
    /// A place that precedes the one that stands is ratified, and not held.
    is_behind: bool,
}

impl Fork {
    fn new(seq: u64, before: EntryId) -> Self {
        Self { seq, before, stands: None, reach: seq.saturating_sub(1), is_behind: false }
    }

    /// The first seq at which there are two entries.
    pub(super) fn seq(&self) -> u64 {
        self.seq
    }

    /// The first seq that does not count, and the entry before it.
    pub(super) fn end(&self) -> Place {
        self.stands.map_or((self.seq, self.before), |(seq, head)| (seq.saturating_add(1), head))
    }

    /// Whether nothing that follows an entry can count, on any branch.
    pub(super) fn ends_before(&self, next: u64) -> bool {
        next > self.reach
    }

    /// Whether another branch is to be fetched.
    pub(super) fn is_behind(&self) -> bool {
        self.is_behind
    }
}

/// What an entry says: its header, and its items with their places in its body.
pub type ItemsOfEntry = (Header, Vec<(u16, Item)>);

/// A ratified branch that is held beside the log.
struct Branch {
    /// Its first entry that is not in the log.
    from: u64,
    entries: Vec<EntryId>,
    bytes: u64,
}

impl Replica {
    /// The entry at a place of a log, as it is held here.
    pub(super) fn held_id(&self, log: &LogId, seq: u64) -> Result<Option<EntryId>, StoreError> {
        let Some((number, state)) = self.logs.get(log) else { return Ok(None) };
        if seq >= state.height || seq == 0 {
            let ends = [(state.height, state.head), (0, log.origin())];
            return Ok(ends.into_iter().find(|(at, _)| *at == seq).map(|(_, id)| id));
        }
        if let Some(entry) = self.store.entry(*number, seq)? {
            return Ok(Some(entry.id()));
        }
        let staged = self.batch.entries.iter().find(|(log, at, _)| (*log, *at) == (*number, seq));
        Ok(staged.and_then(|(_, _, bytes)| Entry::from_bytes(bytes).ok()).map(|entry| entry.id()))
    }

    /// Up to where the log as it is held here is the one that a place names. Where it is held less far that cannot be
    /// told, and what is held is taken for it; where another branch is held, it is the same only before the known fork.
    pub(super) fn covers(&self, log: &LogId, seq: u64, head: &EntryId) -> Result<u64, StoreError> {
        let fork = self.forks.get(log).filter(|fork| fork.seq <= seq);
        Ok(match self.held_id(log, seq)? {
            Some(held) if held != *head => fork.map_or(0, |fork| fork.seq.saturating_sub(1)),
            Some(_) | None => seq,
        })
    }

    /// Takes a proven fork into account: from there on nothing of the log has effect unless it is ratified.
    pub(super) fn apply_fork(&mut self, log: LogId, seq: u64, before: EntryId) {
        if self.forks.get(&log).is_some_and(|known| known.seq <= seq) {
            return;
        }
        self.forks.insert(log, Fork::new(seq, before));
        self.digests.remove(&log.namespace);
        if self.is_auth(&log) {
            self.heed_end();
        }
        if log.author == self.identity.node() && log.epoch == self.epoch {
            // A running copy of this node exists. What is recorded from now on counts.
            self.epoch = self.rng.next_u64();
        }
        if let Some((number, mut state)) = self.logs.get(&log).copied() {
            if state.forked_at == seq {
                // The store knows, from the commit that brought the proof.
                return;
            }
            state.forked_at = seq;
            self.forget_from(number, &mut state, seq);
            self.update_log(number, state);
            self.emit(Output::Forked { log, seq });
        }
        self.judge_fork(log);
        self.refeed_marked(&log);
    }

    /// Documents forget what a log says from a seq on, and are fed to the views.
    fn forget_from(&mut self, number: u32, state: &mut LogState, seq: u64) {
        let void = |key: &ItemKey| key.log == number && key.seq >= seq;
        self.derived.items.values_mut().for_each(|items| items.retain(|item| !void(&item.key)));
        if !self.is_auth(&state.log) {
            state.folded = state.folded.min(seq.saturating_sub(1));
        }
        self.derived.forget.push((number, seq));
        self.derived.weight += 64;
        self.cache.clear();
        let Ok(touched) = self.store.documents_of_log(number, seq) else { return };
        for (key, kind) in touched {
            self.feed_document(key.namespace, key.document, kind);
        }
    }

    fn is_auth(&self, log: &LogId) -> bool {
        log.namespace == self.namespace_id(&Namespace::auth())
    }

    /// What stands past a fork by what is ratified and what is held. A store that cannot be read is found by the commit
    /// that follows.
    fn judged(&self, log: &LogId, fork: Fork) -> Fork {
        let ratified: Vec<Place> = self.trust.ratified(log).filter(|(seq, _)| *seq >= fork.seq).collect();
        let is_held = |(seq, head): &Place| self.held_id(log, *seq).ok().flatten() == Some(*head);
        let stands = ratified.iter().position(is_held);
        Fork {
            stands: stands.and_then(|at| ratified.get(at)).copied(),
            reach: ratified.first().map_or(fork.seq.saturating_sub(1), |(seq, _)| *seq),
            is_behind: !ratified.is_empty() && stands != Some(0),
            ..fork
        }
    }

    /// Judges every fork when the store was opened: the documents are already as it says.
    pub(super) fn judge_forks(&mut self) {
        let forks: Vec<(LogId, Fork)> = self.forks.iter().map(|(log, fork)| (*log, self.judged(log, *fork))).collect();
        self.branched.extend(forks.iter().filter(|(_, fork)| fork.is_behind).map(|(log, _)| *log));
        self.forks.extend(forks);
    }

    /// Judges a fork again: statements or entries came.
    pub(super) fn judge_fork(&mut self, log: LogId) {
        let Some(known) = self.forks.get(&log).copied() else { return };
        let fork = self.judged(&log, known);
        self.forks.insert(log, fork);
        if fork.is_behind && (known.is_behind, known.reach) != (fork.is_behind, fork.reach) {
            self.seek_branch(log, fork.seq);
        }
        if fork.stands == known.stands {
            return;
        }
        let Some((number, mut state)) = self.logs.get(&log).copied() else { return };
        if fork.end().0 < known.end().0 {
            self.forget_from(number, &mut state, fork.end().0);
        }
        self.update_log(number, state);
        if !self.is_auth(&log) {
            self.unfolded.insert(log);
        }
    }

    /// Asks connected peers for a branch, and looks whether it is held beside the log.
    fn seek_branch(&mut self, log: LogId, from: u64) {
        self.branched.insert(log);
        for session in self.sessions.values_mut() {
            if session.spaces.get(&log.namespace).is_some_and(|space| space.known) {
                // A peer that does not know yet what is held here does not heed it. Then what it sends shows that it is
                // of another branch, and that is asked for once more.
                session.say(Message::LogRequest { log, from });
            }
        }
    }

    /// A log grew from a height on: it may have reached a place that a statement names.
    pub(super) fn heed_growth(&mut self, log: LogId, from: u64) {
        self.judge_fork(log);
        let height = self.logs.get(&log).map_or(0, |(_, state)| state.height);
        let passed: Vec<Place> = self.trust.marks(&log, from, height).copied().collect();
        // What was held less far was taken for what the place names. Now it shows that it is not.
        if passed.iter().any(|(seq, head)| self.held_id(&log, *seq).ok().flatten() != Some(*head)) {
            self.refeed_marked(&log);
        }
    }

    /// Feeds what a log says to the views again, if any statement decides how far it counts.
    fn refeed_marked(&mut self, log: &LogId) {
        if self.trust.marks(log, 0, u64::MAX).next().is_none() {
            return;
        }
        if let Some((number, _)) = self.logs.get(log) {
            self.refeed_logs(&BTreeSet::from([*number]));
        }
    }

    /// Keeps what a run brings of a branch that is not held, where one is ratified. `None`: the run is for the branch
    /// that is held, or does not concern a fork.
    ///
    /// # Errors
    /// [`IngestError`]; nothing is staged then.
    pub(super) fn take_branch(&mut self, namespace: &Namespace, run: &Run) -> Result<Option<Ingested>, IngestError> {
        let Some(log) = run.first().map(|first| first.log) else { return Ok(None) };
        let Some(fork) = self.forks.get(&log).copied().filter(|fork| fork.is_behind) else { return Ok(None) };
        let Some((number, state)) = self.logs.get(&log).copied() else { return Ok(None) };
        let mut same = 0;
        for (id, entry) in run.entries() {
            if self.held_id(&log, entry.header.seq)? != Some(*id) {
                break;
            }
            same += 1;
        }
        let Some((_, parting)) = run.entries().get(same) else { return Ok(None) };
        let Header { seq, backlink, .. } = parting.header;
        if seq < fork.seq || (seq.saturating_sub(1), backlink) == (state.height, state.head) {
            return Ok(None);
        }
        let before = seq.saturating_sub(1);
        if self.held_id(&log, before)? != Some(backlink) && !self.branches_at(number, before)?.contains(&backlink) {
            return Ok((state.height >= fork.seq).then_some(Ingested::Diverged));
        }
        if namespace.kind == NamespaceKind::Auth && self.floods(&log.author) {
            return Ok(Some(Ingested::OverQuota));
        }
        run.verify()?;
        if !self.run_stands(run) {
            return Ok(Some(Ingested::Early));
        }
        self.check_authors(namespace, run)?;
        let mut count = 0;
        for (id, entry) in run.entries().iter().skip(same) {
            count += u64::from(self.stage_branch_entry(number, *id, entry)?);
        }
        self.branched.insert(log);
        Ok(Some(Ingested::Branch(count)))
    }

    /// False if it is known.
    fn stage_branch_entry(&mut self, number: u32, id: EntryId, entry: &Entry) -> Result<bool, StoreError> {
        let seq = entry.header.seq;
        let known = self.branches_at(number, seq)?;
        if known.contains(&id) {
            return Ok(false);
        }
        let writes = &mut self.batch.branches;
        if known.len() >= MAX_BRANCHES {
            writes.arriving.retain(|(log, ..)| *log != number);
            writes.dropped.insert(number);
        }
        let bytes = entry.to_bytes();
        self.batch.weight += bytes.len();
        writes.arriving.push((number, seq, id, bytes));
        Ok(true)
    }

    /// The entries at a seq of a log that are kept beside the one held.
    fn branches_at(&self, number: u32, seq: u64) -> Result<BTreeSet<EntryId>, StoreError> {
        let mut found = BTreeSet::new();
        self.store.branch_entries(number, seq, |entry, was_held| {
            if entry.header.seq != seq {
                return ControlFlow::Break(());
            }
            if was_held || !self.batch.branches.dropped.contains(&number) {
                found.insert(entry.id());
            }
            ControlFlow::Continue(())
        })?;
        let staged = self.batch.branches.arriving.iter().filter(|(log, at, ..)| (*log, *at) == (number, seq));
        found.extend(staged.map(|(_, _, id, _)| *id));
        Ok(found)
    }

    /// Where a ratified branch is there as a whole, it takes the place of what is held. The logs with the first seq that
    /// is another one; staged, to be committed at once.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn adopt_branches(&mut self) -> Result<Vec<(LogId, u64)>, StoreError> {
        let mut adopted = Vec::new();
        for log in std::mem::take(&mut self.branched) {
            let Some(fork) = self.forks.get(&log).copied().filter(|fork| fork.is_behind) else { continue };
            let preceding = self.trust.ratified(&log).take_while(|place| Some(*place) != fork.stands);
            let preceding: Vec<Place> = preceding.filter(|(seq, _)| *seq >= fork.seq).collect();
            for (at, place) in preceding.iter().enumerate() {
                if let Some(branch) = self.branch_to(&log, *place)? {
                    adopted.push((log, branch.from));
                    self.forks.insert(log, Fork { stands: Some(*place), is_behind: at > 0, ..fork });
                    self.stage_swap(log, branch)?;
                    break;
                }
            }
        }
        Ok(adopted)
    }

    /// The branch that ends in a place, back to where it leaves what is held, and on to the next signature: without one
    /// it could not be passed on.
    fn branch_to(&self, log: &LogId, (seq, head): Place) -> Result<Option<Branch>, StoreError> {
        let Some((number, _)) = self.logs.get(log).copied() else { return Ok(None) };
        let mut branch = Branch { from: seq.saturating_add(1), entries: vec![], bytes: 0 };
        let mut id = head;
        let mut signed = false;
        while self.held_id(log, branch.from.saturating_sub(1))? != Some(id) {
            branch.from = branch.from.saturating_sub(1);
            let Some(entry) = self.store.branch_entry(number, branch.from, &id)? else { return Ok(None) };
            signed |= id == head && entry.signature.is_some();
            branch.bytes += entry.to_bytes().len() as u64;
            branch.entries.push(id);
            id = entry.header.backlink;
        }
        branch.entries.reverse();
        if !signed {
            let Some(rest) = self.rest_of_run(number, seq, head, bounds::RUN_ENTRIES)? else { return Ok(None) };
            branch.bytes += rest.iter().map(|(_, size)| size).sum::<u64>();
            branch.entries.extend(rest.into_iter().map(|(id, _)| id));
        }
        Ok(Some(branch))
    }

    /// Entries after one, kept beside the log, up to the first that is signed, with their sizes. At most `depth`.
    fn rest_of_run(
        &self,
        number: u32,
        seq: u64,
        id: EntryId,
        depth: usize,
    ) -> Result<Option<Vec<(EntryId, u64)>>, StoreError> {
        let (next, Some(depth)) = (seq.saturating_add(1), depth.checked_sub(1)) else { return Ok(None) };
        for child in self.branches_at(number, next)? {
            let Some(entry) = self.store.branch_entry(number, next, &child)? else { continue };
            if entry.header.backlink != id {
                continue;
            }
            let own = (child, entry.to_bytes().len() as u64);
            if entry.signature.is_some() {
                return Ok(Some(vec![own]));
            }
            if let Some(rest) = self.rest_of_run(number, next, child, depth)? {
                return Ok(Some([vec![own], rest].concat()));
            }
        }
        Ok(None)
    }

    fn stage_swap(&mut self, log: LogId, branch: Branch) -> Result<(), StoreError> {
        let Some((number, mut state)) = self.logs.get(&log).copied() else { return Ok(()) };
        let Branch { from, entries, bytes } = branch;
        let (mut aside, mut aside_bytes) = (0, 0);
        self.store.entries(number, from, |entry| {
            aside += 1;
            aside_bytes += entry.to_bytes().len() as u64;
            ControlFlow::Continue(())
        })?;
        if state.folded >= from {
            self.forget_from(number, &mut state, from);
        }
        state.height = from.saturating_sub(1) + entries.len() as u64;
        state.head = entries.last().copied().unwrap_or(state.head);
        state.bytes = (state.bytes + bytes).saturating_sub(aside_bytes);
        if self.is_auth(&log) {
            state.folded = state.height;
        } else {
            self.unfolded.insert(log);
        }
        self.update_log(number, state);
        self.batch.weight += 64;
        self.batch.branches.swaps.push(BranchSwap { log: number, from, chain: entries });
        // The state of the log and its entries must not part.
        self.derived.at_once = true;
        self.refeed_marked(&log);
        if aside > 0 {
            self.emit(Output::SetAside { log, seq: from, entries: aside });
        }
        Ok(())
    }

    /// What branches of `auth` state that were just adopted has effect.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn trust_adopted(&mut self, adopted: &[(LogId, u64)]) -> Result<(), StoreError> {
        let mut new: Vec<Entry> = Vec::new();
        let auth = self.namespace_id(&Namespace::auth());
        for (log, from) in adopted.iter().filter(|(log, _)| log.namespace == auth) {
            let mut all: Vec<Entry> = Vec::new();
            self.entries(log, 1, |entry| {
                all.push(entry);
                ControlFlow::Continue(())
            })?;
            self.auth_costs.remove(log);
            all.iter().for_each(|entry| self.charge(entry));
            new.extend(all.into_iter().filter(|entry| entry.header.seq >= *from));
        }
        if !new.is_empty() {
            self.trust_entries(&new);
            self.trust_changed();
        }
        Ok(())
    }

    /// Entries of `auth` that were held before another branch was ratified. What they state vouches for itself.
    pub(super) fn auth_set_aside(&self) -> Result<Vec<Entry>, StoreError> {
        let auth = self.namespace_id(&Namespace::auth());
        let logs = self.logs_of(auth).filter(|(log, _)| self.forks.contains_key(log));
        let mut entries = Vec::new();
        for log in logs.map(|(log, _)| *log) {
            self.set_aside(&log, |entry| entries.push(entry))?;
        }
        Ok(entries)
    }

    /// Shows the entries of a log that were held until an authority ratified another branch. They have no effect.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_aside(&self, log: &LogId, mut visit: impl FnMut(Entry)) -> Result<(), StoreError> {
        let Some((number, _)) = self.logs.get(log) else { return Ok(()) };
        self.store.branch_entries(*number, 0, |entry, was_held| {
            if was_held {
                visit(entry);
            }
            ControlFlow::Continue(())
        })
    }

    /// What the entries say that [`Self::set_aside`] shows, for people to record again what is still true of it. An entry
    /// that cannot be read here says nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn items_set_aside(&mut self, log: &LogId) -> Result<Vec<ItemsOfEntry>, StoreError> {
        let mut entries = Vec::new();
        self.set_aside(log, |entry| entries.push(entry))?;
        let Some(namespace) = self.trust.namespaces().get(&log.namespace).cloned() else { return Ok(vec![]) };
        let mut items = Vec::new();
        for Entry { header, body, .. } in entries {
            let plain = match self.keyring.keys(&namespace, header.key) {
                Some(keys) => keys.open_body(&body, &header.to_bytes()).unwrap_or_default(),
                None if namespace.kind == NamespaceKind::Auth => body,
                None => vec![],
            };
            let plain = self.codec.decompress(&plain).unwrap_or_default();
            items.push((header, change::decode_items(&plain).unwrap_or_default()));
        }
        Ok(items)
    }
}
