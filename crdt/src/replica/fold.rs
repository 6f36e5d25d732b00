//! Folding: what foreign entries say becomes part of the documents.
//!
//! An entry is durable before it is folded. Folding is idempotent and goes on where it stopped: each log notes how
//! far it got, in the same transaction as the items.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::{Output, Replica};
use crate::change::{self, Item};
use crate::clock::Millis;
use crate::document::{Actor, AuthoredChange};
use crate::entry::{Entry, LogId};
use crate::namespace::Namespace;
use crate::policy::{self, Denied, DocumentKind, Form};
use crate::store::{ItemKey, LogState, StoreError, StoredItem};

/// Bytes of bodies that one call opens: some tens of milliseconds.
const FOLD_BYTES: usize = 512 * 1024;

/// What became of an entry's items.
struct Folded {
    /// Why one of them has no effect.
    denied: Option<String>,
    /// Some are of a version newer than this one.
    is_newer: bool,
}

impl Replica {
    /// Folds some entries and stages the result; true if there is more to do after the next commit.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn fold(&mut self, now: Millis) -> Result<bool, StoreError> {
        if self.failed {
            return Ok(false);
        }
        let mut budget = self.fold_passed_over(FOLD_BYTES)?;
        let logs: Vec<LogId> = self.unfolded.iter().copied().collect();
        for log in logs {
            if budget == 0 {
                return Ok(true);
            }
            match self.trust.namespaces().get(&log.namespace).cloned() {
                Some(namespace) if self.keyring.holds(&namespace) => {
                    budget = match self.fold_log(&namespace, log, budget, now) {
                        Ok(left) => left,
                        Err(StoreError::Damaged(reason)) => {
                            self.stop_folding(log, reason);
                            budget
                        }
                        Err(error) => return Err(error),
                    };
                }
                // Carried without a key, or not opened yet: nothing to do until that changes.
                Some(_) | None => {}
            }
        }
        Ok(budget == 0)
    }

    /// Whatever is held and not in the documents is looked at again: keys or certificates came.
    pub(super) fn unfold(&mut self) {
        let logs = self.logs.values().filter(|(_, state)| state.folded < self.effective(state).0);
        self.unfolded = logs.map(|(_, state)| state.log).collect();
    }

    /// Folds one log as far as the budget allows; what is left of it.
    fn fold_log(
        &mut self,
        namespace: &Namespace,
        log: LogId,
        mut budget: usize,
        now: Millis,
    ) -> Result<usize, StoreError> {
        let Some((number, mut state)) = self.logs.get(&log).copied() else { return Ok(budget) };
        let until = self.effective(&state).0;
        let mut entries = Vec::new();
        let mut left = budget;
        let read = self.store.entries(number, state.folded + 1, |entry| {
            left = left.saturating_sub(entry.body.len() + 64);
            let last = entry.header.seq >= until || left == 0;
            if entry.header.seq <= until {
                entries.push(entry);
            }
            if last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        for entry in entries {
            if self.keyring.keys(namespace, entry.header.key).is_none() {
                // Sealed with a newer key that is still on its way.
                self.unfolded.remove(&log);
                break;
            }
            if self.trust.certificate(&entry.header.certificate).is_none() {
                // It came with a greeting that a crash let be forgotten, and comes again.
                self.unfolded.remove(&log);
                break;
            }
            self.clock.observe(entry.header.time, now);
            budget = budget.saturating_sub(entry.body.len() + 64);
            state.folded = entry.header.seq;
            if !self.fold_entry(namespace, number, &entry) {
                self.pass_over(number, entry.header.seq);
            }
        }
        if state.folded >= until {
            self.unfolded.remove(&log);
        }
        self.keep_state(number, state);
        // What stands before a damaged entry has effect.
        read.map(|()| budget)
    }

    /// Whether what follows in a log is still to be read: it is being opened, stands behind a damaged entry, or its key is
    /// known to be on its way. A key that nobody handed out may have been made up.
    pub(super) fn is_to_be_read(&self, number: u32, state: &LogState) -> bool {
        let Some(namespace) = self.trust.namespaces().get(&state.log.namespace) else { return false };
        if !self.keyring.holds(namespace) {
            return false;
        }
        if self.unfolded.contains(&state.log) {
            return true;
        }
        match self.store.entry(number, state.folded.saturating_add(1)) {
            Ok(Some(entry)) => {
                self.keyring.holds_key(&namespace.family(), entry.header.key)
                    || self.is_handed_out(&namespace.family(), entry.header.key)
            }
            Ok(None) => false,
            Err(_) => true,
        }
    }

    /// What lies behind a damaged entry waits; other logs go on.
    fn stop_folding(&mut self, log: LogId, reason: String) {
        self.unfolded.remove(&log);
        let seq = self.logs.get(&log).map_or(0, |(_, state)| state.folded.saturating_add(1));
        self.emit(Output::Unreadable { log, seq, reason });
    }

    /// Folds what this node recorded itself and a crash kept from being written behind it: nobody reads or edits
    /// before what was acknowledged is in its documents again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn fold_own(&mut self, now: Millis) -> Result<(), StoreError> {
        let node = self.identity.node();
        let own: Vec<LogId> = self.unfolded.iter().filter(|log| log.author == node).copied().collect();
        for log in own {
            if let Some(namespace) = self.trust.namespaces().get(&log.namespace).cloned()
                && self.keyring.holds(&namespace)
            {
                match self.fold_log(&namespace, log, usize::MAX, now) {
                    Err(StoreError::Damaged(reason)) => self.stop_folding(log, reason),
                    folded => _ = folded?,
                }
            }
        }
        Ok(())
    }

    /// `auth` is read whole at each start and not folded; only what this node stated itself has rows, which tell how far
    /// it has travelled. A crash may have kept those from being written behind.
    pub(super) fn fold_auth(&mut self, entries: &[Entry]) {
        let node = self.identity.node();
        for entry in entries.iter().filter(|entry| entry.header.log.author == node) {
            let header = &entry.header;
            let Some((log, state)) = self.logs.get(&header.log).copied() else { continue };
            let Ok(plain) = self.codec.decompress(&entry.body) else { continue };
            if header.seq <= state.folded {
                continue;
            }
            for (index, item) in change::decode_items(&plain).unwrap_or_default() {
                let Item::Record { kind, document, .. } = item else { continue };
                let namespace = self.number(header.log.namespace);
                let key = ItemKey { namespace, document, log, seq: header.seq, index };
                let actor = Actor::derive(header.backlink, document);
                self.keep_item(StoredItem { key, time: header.time, actor, item }, kind);
            }
        }
        let auth = self.namespace_id(&Namespace::auth());
        let behind = self.logs_of(auth).map(|(_, known)| *known).filter(|(_, state)| state.folded < state.height);
        let behind: Vec<(u32, LogState)> = behind.collect();
        for (number, state) in behind {
            self.keep_state(number, LogState { folded: state.height, ..state });
        }
    }

    /// Stages the items of one entry and tells what has no effect. False if a newer version may understand more of it.
    pub(super) fn fold_entry(&mut self, namespace: &Namespace, log: u32, entry: &Entry) -> bool {
        let (reason, is_understood) = match self.fold_items(namespace, log, entry) {
            Ok(Folded { denied, is_newer }) => (denied, !is_newer),
            Err(reason) => (Some(reason), false),
        };
        if let Some(reason) = reason {
            self.emit(Output::Unreadable { log: entry.header.log, seq: entry.header.seq, reason });
        }
        is_understood
    }

    /// An item that the certificate does not allow has no effect.
    fn fold_items(&mut self, namespace: &Namespace, log: u32, entry: &Entry) -> Result<Folded, String> {
        let header = &entry.header;
        let keys = self.keyring.keys(namespace, header.key).ok_or("the key is missing")?;
        let plain = keys.open_body(&entry.body, &header.to_bytes()).map_err(|error| error.to_string())?;
        let plain = self.codec.decompress(&plain).map_err(|error| error.to_string())?;
        let items = change::read_items(&plain).map_err(|error| error.to_string())?;
        let certificate =
            self.trust.certificate(&header.certificate).ok_or("the author's certificate is missing")?.clone();
        let number = self.number(header.log.namespace);
        let mut changed = BTreeSet::new();
        let mut folded = Folded { denied: None, is_newer: items.newer > 0 };
        for (index, item) in items.known {
            let (kind, document, form) = match &item {
                Item::Change { kind, document, .. } => (*kind, *document, Form::Fields),
                Item::Record { kind, document, .. } => (*kind, *document, Form::Records),
                Item::Epoch { .. } | Item::Seen { .. } => continue,
            };
            if let Err(reason) = policy::may_apply(&certificate, namespace, kind, form) {
                folded.is_newer |= reason == Denied::UnknownKind;
                folded.denied = Some(reason.to_string());
                continue;
            }
            // A second change to the same document would use the actor of the first.
            if form == Form::Fields && !changed.insert(document) {
                folded.denied = Some("two changes to one document in one entry".to_owned());
                continue;
            }
            let actor = Actor::derive(header.backlink, document);
            if let Item::Change { change, .. } = &item {
                let authored = AuthoredChange { actor, time: header.time, change: change.clone() };
                self.cache.apply(number, document, authored);
            }
            if let Item::Record { bytes, .. } = &item
                && kind == DocumentKind::Blob as u8
            {
                self.want_chunks(header.log.namespace, number, bytes);
            }
            let key = ItemKey { namespace: number, document, log, seq: header.seq, index };
            self.keep_item(StoredItem { key, time: header.time, actor, item }, kind);
        }
        Ok(folded)
    }
}
