//! Commits: what is staged becomes durable, and only then do sessions hear of it.

use std::collections::BTreeSet;

use super::Replica;
use crate::bounds;
use crate::clock::Millis;
use crate::seal::ShelfId;
use crate::store::{Batch, Derived, Durability, StoreError, WRITE_BEHIND};

impl Replica {
    /// Makes everything staged durable: signs the entries that were being filled and commits one transaction. What
    /// was staged may be acknowledged after this returns, not before.
    ///
    /// # Errors
    /// [`StoreError`]; nothing of what was staged is saved then, and this replica records nothing more.
    pub fn commit(&mut self, now: Millis) -> Result<(), StoreError> {
        self.check_writable()?;
        self.tell_news(now);
        self.restate(now)?;
        if let Err(error) = self.finish_open_entries() {
            // Items of an entry that does not come to be are in the batch.
            self.failed = true;
            return Err(StoreError::Io(error.to_string()));
        }
        self.issue_beacon(now);
        self.stage_late_cards(now);
        // Derived rows wait for a commit with nothing else to do, or until they are many.
        let writes_derived = self.derived.is_due() || self.batch.is_empty();
        if self.batch.is_empty() && self.derived.is_empty() {
            return Ok(());
        }
        self.write(writes_derived)?;
        let is_refounded = self.trust.take_refounded();
        if is_refounded || (self.left_out && self.tried_at != self.trust.growth()) {
            self.tried_at = self.trust.growth();
            self.heed_left_out()?;
        }
        self.tell_sessions();
        // Else what waits from now on would count from the next commit.
        self.tell_news(now);
        let adopted = self.adopt_branches()?;
        if !adopted.is_empty() {
            self.commit(now)?;
            self.trust_adopted(&adopted)?;
        }
        Ok(())
    }

    fn write(&mut self, writes_derived: bool) -> Result<(), StoreError> {
        let durability = self.durability();
        if let Err(error) = self.store.commit(&self.batch, writes_derived.then_some(&self.derived), durability) {
            // Memory is ahead of the disk now; only opening again makes them agree.
            self.failed = true;
            return Err(error);
        }
        self.batch = Batch::default();
        if writes_derived {
            if !self.derived.forget.is_empty() {
                // What was read since it was staged was read with what is forgotten only now.
                self.cache.clear();
            }
            self.rows_at_risk += self.derived.weight;
            self.derived = Derived::default();
            self.stored_feed_end = self.feed_end;
        }
        if durability == Durability::AtOnce {
            self.rows_at_risk = 0;
            self.durable_feed_end = self.stored_feed_end;
        }
        Ok(())
    }

    /// A restart makes derived rows again from the entries, so a few of them may wait for the next entry: what arrives
    /// alone then costs one sync of the disk, not two.
    fn durability(&self) -> Durability {
        let is_again_made = self.batch.is_empty() && !self.derived.is_due();
        if is_again_made && self.rows_at_risk + self.derived.weight < WRITE_BEHIND {
            Durability::WithTheNext
        } else {
            Durability::AtOnce
        }
    }

    pub(super) fn check_writable(&self) -> Result<(), StoreError> {
        if self.failed { Err(StoreError::Io("an earlier write failed".into())) } else { Ok(()) }
    }

    /// What just became durable may be passed on.
    fn tell_sessions(&mut self) {
        self.sessions.values_mut().for_each(|session| session.idle = false);
        for log in std::mem::take(&mut self.growing) {
            if let Some((_, state)) = self.logs.get(&log)
                && let Some(kind) = self.trust.namespaces().get(&state.log.namespace).map(|namespace| namespace.kind)
            {
                let height = self.effective(state).0;
                self.sessions.values_mut().for_each(|session| session.grew(&state.log, kind, height));
            }
        }
        let keys = std::mem::take(&mut self.staged_keys).into_keys();
        let grown: BTreeSet<(u32, ShelfId)> = keys.map(|(number, place)| (number, place.shelf)).collect();
        for (number, shelf) in grown {
            let Some(namespace) = self.namespace_numbered(number) else { continue };
            let count = self.shelf(namespace, shelf).map_or(0, |shelf| shelf.count);
            self.sessions.values_mut().for_each(|session| session.shelf_grew(namespace, shelf, count));
        }
    }

    /// Whether something is staged that nobody may be told of before a commit.
    pub fn has_staged(&self) -> bool {
        !self.batch.is_empty() || !self.open_entries.is_empty()
    }

    /// Whether derived rows are still to be written: what a commit is for when nothing is staged. A driver calls it
    /// when it is idle; views see changes after it.
    pub fn has_unwritten(&self) -> bool {
        !self.derived.is_empty()
    }

    /// Whether a power cut would leave the store as it reads now: what was derived from entries may wait for the next one.
    pub fn is_durable(&self) -> bool {
        self.rows_at_risk == 0
    }

    /// Whether so much is staged that the driver must commit before it goes on.
    pub fn must_commit(&self) -> bool {
        let open: usize = self.open_entries.values().map(|entry| entry.weight).sum();
        self.batch.weight() + self.derived.weight + open >= bounds::MAX_STAGED / 2
    }

    /// When [`Self::commit`] wants to be called even if nothing happens: for the next beacon, if there is anything to say,
    /// for cards of others, for what is to be stated again, and for what peers are to be told.
    pub fn poll_timeout(&self) -> Millis {
        self.next_beacon().min(self.late_cards.due()).min(self.restating.due()).min(self.news_due())
    }

    /// Writes also what could have waited. A node that is about to stop calls it, so that after its next start it need
    /// not be told again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn settle(&mut self, now: Millis) -> Result<(), StoreError> {
        self.late_cards.hurries = true;
        self.commit(now)?;
        self.late_cards.hurries = false;
        // Derived rows wait for a commit with nothing else to write.
        self.commit(now)
    }
}
