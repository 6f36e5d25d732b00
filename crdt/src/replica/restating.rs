//! Statements that stand only in logs of `auth` of which others take no more.
//!
//! What an authority states vouches for itself, and so it must not matter in whose log it stands. But of an author that
//! floods `auth` nothing more is taken (see the module `quota`), and of a forked log nothing past the fork: a node that
//! has yet to come would never hear of a removal that stands there, and the author of the log could bring that about at
//! will. So whoever holds such a statement, or such a period, writes it once more, in a log of its own: a center after a minute,
//! every other node only if nobody did within an hour or two.

use std::collections::{BTreeMap, BTreeSet};

use super::Replica;
use crate::certificate::{CertificateKind, NodeRole, Statement};
use crate::clock::Millis;
use crate::entry::{Entry, Lane, LogId};
use crate::id::{DocumentId, NodeId};
use crate::namespace::Namespace;
use crate::policy::{self, DocumentKind};
use crate::store::StoreError;

/// How long others than centers wait at least, in milliseconds, and how much longer at most.
pub(super) const PATIENCE: Millis = 3_600_000;

/// How long centers wait, in milliseconds.
pub(super) const CENTER_PATIENCE: Millis = 60_000;

/// Whether something may have to be stated again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Restating {
    #[default]
    Nothing,
    /// A log of `auth` is taken no further, since just now.
    Found,
    /// It is looked at then.
    At(Millis),
}

impl Restating {
    /// When a commit is wanted for it.
    pub(super) fn due(self) -> Millis {
        match self {
            Self::Nothing => Millis::MAX,
            Self::Found => 0,
            Self::At(at) => at,
        }
    }
}

impl Replica {
    /// Of a log of `auth`, or of all of an author, no more is taken from now on; or that may have been so before a start.
    pub(super) fn heed_end(&mut self) {
        if self.restating == Restating::Nothing {
            self.restating = Restating::Found;
        }
    }

    /// States again what stands only in logs that are taken no further, once it is time.
    ///
    /// # Errors
    /// [`StoreError`] if what is held cannot be read.
    pub(super) fn restate(&mut self, now: Millis) -> Result<(), StoreError> {
        if self.restating == Restating::Found {
            self.restating = Restating::At(now.saturating_add(self.patience()));
        }
        // A time that lies farther ahead than anybody waits was set by a clock that is right again.
        let is_due = self.restating.due() <= now || self.restating.due() > now.saturating_add(3 * PATIENCE);
        // What is staged cannot be read yet.
        if !is_due || self.restating == Restating::Nothing || !self.batch.entries.is_empty() {
            return Ok(());
        }
        let alone = self.in_ended_logs_alone()?;
        self.restating = Restating::Nothing;
        for (kind, bytes) in alone {
            let document = DocumentId(crate::change::record_id(&bytes).0);
            if !self.may_restate(kind, &bytes) {
                continue;
            }
            let has_room = self.has_room_to_spare();
            if !has_room || self.put(&Namespace::auth(), kind, document, bytes, Lane::Urgent, now).is_err() {
                // Somebody else may have room.
                self.restating = Restating::At(now.saturating_add(PATIENCE));
                break;
            }
        }
        Ok(())
    }

    /// Nodes take turns, so that one is heard before the next begins. Several forks that come together are looked at once.
    fn patience(&self) -> Millis {
        let [high, low, ..] = self.identity.node().0;
        match self.own.role {
            NodeRole::Center => CENTER_PATIENCE,
            NodeRole::Village | NodeRole::Patrol | NodeRole::Carrier => {
                PATIENCE + PATIENCE * Millis::from(u16::from_be_bytes([high, low])) / Millis::from(u16::MAX)
            }
        }
    }

    /// Records of `auth` that no log holds in a place that everybody comes to take.
    fn in_ended_logs_alone(&mut self) -> Result<BTreeSet<(DocumentKind, Vec<u8>)>, StoreError> {
        let ends = self.ends_in_auth();
        if ends.is_empty() {
            return Ok(BTreeSet::new());
        }
        let (mut known, mut past) = (BTreeSet::new(), BTreeSet::new());
        for entry in self.auth_entries()? {
            let is_past = ends.get(&entry.header.log).is_some_and(|end| entry.header.seq >= *end);
            let records = self.stated_in(&entry);
            if is_past { past.extend(records) } else { known.extend(records) }
        }
        for entry in self.auth_set_aside()? {
            past.extend(self.stated_in(&entry));
        }
        Ok(past.difference(&known).cloned().collect())
    }

    fn stated_in(&mut self, entry: &Entry) -> Vec<(DocumentKind, Vec<u8>)> {
        let kinds = [DocumentKind::Statement, DocumentKind::Period].into_iter();
        kinds.flat_map(|kind| self.auth_records(entry, kind).into_iter().map(move |bytes| (kind, bytes))).collect()
    }

    /// The first seq of each log of `auth` that some may not take: all of an author that floods, what follows a fork, and what
    /// lies beyond a quota.
    fn ends_in_auth(&self) -> BTreeMap<LogId, u64> {
        let logs: Vec<LogId> = self.logs_of(self.namespace_id(&Namespace::auth())).map(|(log, _)| *log).collect();
        let authors: BTreeSet<NodeId> = logs.iter().map(|log| log.author).collect();
        let flooding: BTreeSet<NodeId> = authors.into_iter().filter(|author| self.floods(author)).collect();
        let end = |log: LogId| {
            let fork = self.forks.get(&log).map(|fork| fork.end().0);
            let cut = self.quota_cut(&log).map(|(seq, _)| seq);
            let end = if flooding.contains(&log.author) { Some(1) } else { fork.into_iter().chain(cut).min() };
            end.map(|end| (log, end))
        };
        logs.into_iter().filter_map(end).collect()
    }

    /// Only what has effect here, and what others believe of this node, is stated again. A certificate that an invite signed
    /// stands in the log of whom it certifies; one who keeps the key of an invite could make any number of them.
    fn may_restate(&self, kind: DocumentKind, bytes: &[u8]) -> bool {
        if kind == DocumentKind::Statement {
            let statement = Statement::from_bytes(bytes, self.trust.town());
            let is_of_invite = |statement: &Statement| {
                let issuer = statement.issuer.and_then(|issuer| self.trust.certificate(&issuer));
                issuer.is_some_and(|issuer| issuer.kind == CertificateKind::Invite)
            };
            return statement
                .is_ok_and(|statement| self.recorded_statements.contains(&statement.id) && !is_of_invite(&statement));
        }
        let period = std::str::from_utf8(bytes).ok().and_then(|name| name.parse::<Namespace>().ok());
        period.is_some_and(|period| {
            let is_open = self.trust.namespaces().contains_key(&self.namespace_id(&period));
            is_open && policy::may_write(&self.own, &period).is_ok()
        })
    }
}
