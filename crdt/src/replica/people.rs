//! Personal data: one key per person, values that only holders of the namespace can open.

use super::Replica;
use crate::id::{DocumentId, ResidentId};
use crate::namespace::Namespace;
use crate::replica::RecordError;
use crate::seal::{self, PersonKey, PersonKeyPlace, SealError, WRAPPED_LEN};
use crate::shelf::{MAX_ROWS, Row};
use crate::store::StoreError;

/// Why personal data cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PersonalError {
    /// The key was destroyed: the person was erased.
    #[error("this person's data was erased")]
    Erased,
    /// The key has not arrived yet.
    #[error("this person's key has not arrived yet: it comes with the next synchronisation")]
    NoKey,
    /// Another key, or altered data.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Replica {
    /// A random id for a new resident (DESIGN 12.15).
    pub fn new_resident(&mut self) -> ResidentId {
        ResidentId(self.rng.next_u64().to_be_bytes())
    }

    /// Seals a person's data. `current` is the person's sealed value so far: its key is used again, so that destroying
    /// it erases every version.
    ///
    /// # Errors
    /// [`RecordError::NoKey`] without the namespace's key; [`RecordError::Seal`] if the person was erased.
    pub fn seal_personal(
        &mut self,
        namespace: &Namespace,
        document: DocumentId,
        resident: ResidentId,
        current: Option<&[u8]>,
        plain: &[u8],
    ) -> Result<Vec<u8>, RecordError> {
        if self.trust.family(namespace).is_none() {
            return Err(RecordError::UnknownNamespace(namespace.clone()));
        }
        let id = self.namespace_id(namespace);
        if let Some(place) = current.and_then(seal::personal_place) {
            let key = self.person_key(namespace, place).map_err(|error| match error {
                PersonalError::Store(error) => RecordError::Store(error),
                PersonalError::Erased | PersonalError::NoKey | PersonalError::Seal(_) => RecordError::Seal(SealError),
            })?;
            return Ok(key.seal(plain, place, document, resident)?);
        }
        self.check_writable()?;
        let number = self.number(id);
        let mut shelf = self.own_shelf(id);
        while self.trust.is_erased(id, PersonKeyPlace { shelf: shelf.id(id), index: shelf.count }) {
            // An order named a place that the shelf had not reached. A shelf has no gaps, so a row that never was a key
            // lies there.
            let mut row = [0; WRAPPED_LEN];
            self.rng.fill_bytes(&mut row);
            if !self.keep_own_row(id, number, Row::Key(row).destroyed()) {
                break;
            }
            shelf = self.own_shelf(id);
        }
        if shelf.count >= MAX_ROWS {
            return Err(RecordError::TooLarge { size: shelf.count as usize, limit: MAX_ROWS as usize });
        }
        let place = PersonKeyPlace { shelf: shelf.id(id), index: shelf.count };
        let key = PersonKey::random(&mut *self.rng);
        let keys = self.writing_keys(namespace).ok_or_else(|| RecordError::NoKey(namespace.clone()))?;
        let wrapped = keys.wrap_person_key(&key, place)?;
        // Counted only now: a shelf has no gaps.
        self.keep_own_row(id, number, Row::Key(wrapped));
        Ok(key.seal(plain, place, document, resident)?)
    }

    pub(super) fn keep_person_key(&mut self, number: u32, place: PersonKeyPlace, row: Row) {
        self.batch.person_keys.push((number, place, row));
        self.batch.weight += 64;
        self.staged_keys.insert((number, place), row);
    }

    /// Opens a person's data.
    ///
    /// # Errors
    /// [`PersonalError`].
    pub fn open_personal(
        &mut self,
        namespace: &Namespace,
        document: DocumentId,
        resident: ResidentId,
        sealed: &[u8],
    ) -> Result<Vec<u8>, PersonalError> {
        let place = seal::personal_place(sealed).ok_or(SealError)?;
        Ok(self.person_key(namespace, place)?.open(sealed, document, resident)?)
    }

    fn person_key(&mut self, namespace: &Namespace, place: PersonKeyPlace) -> Result<PersonKey, PersonalError> {
        let id = self.namespace_id(namespace);
        let number = *self.numbers.get(&id).ok_or(PersonalError::NoKey)?;
        if self.trust.is_erased(id, place) {
            return Err(PersonalError::Erased);
        }
        let row = match self.staged_keys.get(&(number, place)) {
            Some(row) => *row,
            None => self.store.person_key(number, place)?.ok_or(PersonalError::NoKey)?,
        };
        let Row::Key(wrapped) = row else { return Err(PersonalError::Erased) };
        let ids = self.keyring.ids(namespace);
        if ids.is_empty() {
            return Err(PersonalError::NoKey);
        }
        // A row does not say which key it was wrapped under; there are few, and all but one fail to open it.
        let mut unwrap = |id| self.keyring.keys(namespace, id)?.unwrap_person_key(&wrapped, place).ok();
        ids.into_iter().find_map(&mut unwrap).ok_or(PersonalError::NoKey)
    }
}
