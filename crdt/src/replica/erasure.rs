//! Erasing a person: the keys under which everything that tells of them is sealed are destroyed on every node.
//!
//! An authority's order names the places of the keys and travels in `auth`, ahead of everything else. Whoever hears it
//! keeps of each key only its hash, which the chain of its shelf needs; whoever held the key and comes back after a year
//! hears the order before it serves anything, and nobody takes the key from it. Destroyed wins.

use std::collections::BTreeSet;

use super::{RecordError, Replica};
use crate::certificate::{Claim, Erasure, MAX_ERASED, Statement};
use crate::change::Item;
use crate::clock::Millis;
use crate::enrol::Authority;
use crate::id::{CertificateId, DocumentId};
use crate::namespace::Namespace;
use crate::seal::{self, PersonKeyPlace};
use crate::store::StoreError;
use crate::value::FieldId;

/// Why nobody was erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// Nothing sealed stands there.
    #[error("no personal data is recorded there: check the ids, or synchronise first")]
    Nothing,
    /// All of it was erased before.
    #[error("this person was erased before")]
    Before,
    /// More keys than an order can name.
    #[error("the person's data lies under {keys} keys, more than the {limit} that one order can name")]
    TooMany {
        /// How many keys.
        keys: usize,
        /// How many can be named.
        limit: usize,
    },
    /// It could not be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl From<StoreError> for EraseError {
    fn from(error: StoreError) -> Self {
        Self::Record(RecordError::Store(error))
    }
}

/// What was erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// How many keys are destroyed.
    pub keys: usize,
    /// The order: its document in `auth`, for asking whom it has reached.
    pub order: DocumentId,
}

impl Replica {
    /// Stages an authority's order to erase what a record of a document says of a person in a sealed field, in every
    /// version. With the commit the keys are destroyed here, and then wherever the order arrives.
    ///
    /// # Errors
    /// [`EraseError`]; nothing is staged then.
    pub fn erase(
        &mut self,
        authority: &Authority,
        namespace: &Namespace,
        document: DocumentId,
        (record, field): (&[u8], FieldId),
        now: Millis,
    ) -> Result<Erased, EraseError> {
        let sealed = |item: &Item| {
            let Item::Change { change, .. } = item else { return Vec::new() };
            let assertions = change.assertions.iter().filter(|assertion| assertion.record == record);
            assertions.filter_map(|assertion| assertion.fields.get(&field)?.as_bytes().map(<[u8]>::to_vec)).collect()
        };
        self.erase_sealed(authority, namespace, document, &sealed, now)
    }

    /// As [`Self::erase`], for whatever `sealed` finds of the person in an item of the document.
    ///
    /// # Errors
    /// [`EraseError`]; nothing is staged then.
    pub fn erase_sealed(
        &mut self,
        authority: &Authority,
        namespace: &Namespace,
        document: DocumentId,
        sealed: &dyn Fn(&Item) -> Vec<Vec<u8>>,
        now: Millis,
    ) -> Result<Erased, EraseError> {
        let id = self.namespace_id(namespace);
        let places = self.personal_places(namespace, document, sealed)?;
        if places.is_empty() {
            return Err(EraseError::Nothing);
        }
        let keys: Vec<PersonKeyPlace> = places.into_iter().filter(|place| !self.trust.is_erased(id, *place)).collect();
        let count = keys.len();
        match count {
            0 => return Err(EraseError::Before),
            _ if count > MAX_ERASED => return Err(EraseError::TooMany { keys: count, limit: MAX_ERASED }),
            _ => {}
        }
        let order = self.state(authority, Claim::Erasure(Erasure { namespace: id, document, keys }));
        let document = DocumentId(crate::change::record_id(&order.to_bytes()).0);
        // The authority may be new here.
        let mut statements: Vec<Statement> = vec![authority.statement.clone(), order];
        let known: &BTreeSet<CertificateId> = &self.recorded_statements;
        statements.retain(|statement| !known.contains(&statement.id));
        self.record_statements(statements, now)?;
        Ok(Erased { keys: count, order: document })
    }

    /// Where the keys lie of everything that a document ever said of a person. A key belongs to the person for whom the node
    /// that minted it used it: a value that somebody else put there under another person's key must not take that person
    /// along.
    fn personal_places(
        &self,
        namespace: &Namespace,
        document: DocumentId,
        sealed: &dyn Fn(&Item) -> Vec<Vec<u8>>,
    ) -> Result<BTreeSet<PersonKeyPlace>, StoreError> {
        let Some(number) = self.numbers.get(&self.namespace_id(namespace)).copied() else { return Ok(BTreeSet::new()) };
        let mut places = BTreeSet::new();
        for stored in self.all_items(number, document)? {
            let Some(log) = self.log_numbered(stored.key.log) else { continue };
            let own_shelf = seal::shelf_id(log.namespace, &log.author.0, log.epoch);
            let named = sealed(&stored.item).into_iter().filter_map(|sealed| seal::personal_place(&sealed));
            places.extend(named.filter(|place| place.shelf == own_shelf));
        }
        Ok(places)
    }

    /// Destroys the keys that were ordered to be, in the same commit that keeps the order, and lets views drop what they
    /// show of the person.
    pub(super) fn heed_erasures(&mut self) {
        for Erasure { namespace, document, keys } in self.trust.take_erasures() {
            let Some(number) = self.numbers.get(&namespace).copied() else { continue };
            for place in keys {
                let staged = self.staged_keys.get(&(number, place)).copied();
                // A store that cannot be read is found by the commit that follows.
                let row = staged.or_else(|| self.store.person_key(number, place).ok().flatten());
                if let Some(row) = row {
                    // The staged row is in the batch, too, and must not reach the disk.
                    self.batch.person_keys.retain(|(at, known, _)| (*at, *known) != (number, place));
                    self.keep_person_key(number, place, row.destroyed());
                }
            }
            let kind =
                self.all_items(number, document).ok().and_then(|items| items.iter().find_map(|item| item.item.kind()));
            if let Some(kind) = kind {
                self.feed_document(number, document, kind);
                self.derived.at_once = true;
            }
        }
    }
}
