//! Key shelves on this node: which rows are kept, and what is sent of them.

use super::{IngestError, Replica};
use crate::id::{NamespaceId, NodeId};
use crate::policy;
use crate::seal::{PersonKeyPlace, ShelfId, WRAPPED_LEN};
use crate::shelf::{self, BLOCK, Row, Shelf};
use crate::store::StoreError;
use crate::sync::{KeyRun, Message};

impl Replica {
    /// The shelf that this node fills in a namespace.
    pub(super) fn own_shelf(&self, namespace: NamespaceId) -> Shelf {
        let empty = Shelf::empty(namespace, self.identity.node(), self.epoch);
        self.shelf(namespace, empty.id(namespace)).unwrap_or(empty)
    }

    pub(super) fn shelf(&self, namespace: NamespaceId, shelf: ShelfId) -> Option<Shelf> {
        self.shelves.get(&namespace)?.get(&shelf).copied()
    }

    /// Stages the next row of the own shelf; false if it is full. A full block is sealed at once, so that
    /// its chain need not be computed again when it is sent.
    pub(super) fn keep_own_row(&mut self, namespace: NamespaceId, number: u32, row: Row) -> bool {
        let mut shelf = self.own_shelf(namespace);
        let place = PersonKeyPlace { shelf: shelf.id(namespace), index: shelf.count };
        if !shelf.push(&row) {
            return false;
        }
        if shelf.count.is_multiple_of(BLOCK) {
            let seal = shelf.sign(namespace, self.identity.certificate, &self.identity.signing);
            self.batch.shelves.seals.insert((number, place.shelf, place.index / BLOCK), (shelf.count, seal));
        }
        self.keep_person_key(number, place, row);
        self.keep_shelf(namespace, number, shelf);
        true
    }

    fn keep_shelf(&mut self, namespace: NamespaceId, number: u32, shelf: Shelf) {
        let id = shelf.id(namespace);
        self.batch.shelves.held.insert((number, id), shelf);
        self.batch.weight += 128;
        self.shelves.entry(namespace).or_default().insert(id, shelf);
        self.digests.remove(&namespace);
    }

    /// Checks persons' keys against their author's signature and stages those that follow the ones already on the
    /// shelf. How many are on it then. Rows that do not continue what is held have no effect; the session goes on, for
    /// the sender may hold the other of two shelves that a hostile author made.
    ///
    /// # Errors
    /// [`IngestError::NotWanted`], [`IngestError::Unenrolled`], [`IngestError::Denied`].
    pub fn ingest_key_run(&mut self, run: &KeyRun) -> Result<u32, IngestError> {
        let id = run.namespace;
        let namespace = self.trust.namespaces().get(&id).cloned();
        let namespace = namespace.filter(|namespace| policy::access(&self.own, namespace).is_some());
        let namespace = namespace.ok_or_else(|| IngestError::NotWanted(id.short()))?;
        let mut shelf = self.shelf(id, run.shelf()).unwrap_or_else(|| run.empty_shelf());
        let held = shelf.count;
        let is_own = run.author == self.identity.node() && run.epoch == self.epoch;
        // Another author whose shelf has the same short id: the one that came first stands.
        let is_other = (shelf.author, shelf.epoch) != (run.author, run.epoch);
        if is_own || is_other || run.start > held || run.end() <= held || run.end() > shelf::block_end(held) {
            return Ok(held);
        }
        let known = self.trust.certificate(&run.seal.certificate);
        let certificate = known.filter(|certificate| certificate.key == run.author);
        let certificate = certificate.ok_or_else(|| IngestError::Unenrolled {
            author: run.author.short(),
            certificate: run.seal.certificate.short(),
        })?;
        if !self.stands_in_auth(&run.seal.certificate) {
            // It comes again with the next session, after the certificate.
            return Ok(held);
        }
        policy::may_write(certificate, &namespace).map_err(|reason| IngestError::Denied {
            author: format!("{} ({})", certificate.name, run.author.short()),
            reason,
        })?;
        let new = run.keys.get((held - run.start) as usize..).unwrap_or_default();
        let is_erased = |index| self.trust.is_erased(id, PersonKeyPlace { shelf: run.shelf(), index });
        if (held..).zip(new).any(|(index, row)| matches!(row, Row::Destroyed(_)) && !is_erased(index)) {
            // Else whoever passes keys on could keep a person's data from being read. The order to erase may still come.
            return Ok(held);
        }
        if !new.iter().all(|row| shelf.push(row)) || !shelf.is_sealed_by(id, &run.seal) {
            return Ok(held);
        }
        let number = self.number(id);
        for (index, row) in (held..).zip(new) {
            let place = PersonKeyPlace { shelf: run.shelf(), index };
            // Destroyed wins, whoever still has the key.
            let row = if self.trust.is_erased(id, place) { row.destroyed() } else { *row };
            self.keep_person_key(number, place, row);
        }
        self.batch.shelves.seals.insert((number, run.shelf(), held / BLOCK), (shelf.count, run.seal));
        self.keep_shelf(id, number, shelf);
        Ok(shelf.count)
    }

    /// A peer sent persons' keys.
    pub(super) fn take_key_run(&mut self, peer: NodeId, run: &KeyRun, size: usize) -> Result<(), IngestError> {
        let count = self.ingest_key_run(run)?;
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.peer_has_keys(run.namespace, run.shelf(), run.end().min(count));
            session.progress.bytes_received += size as u64;
        }
        Ok(())
    }

    /// The rows after those that the peer has, up to the end of their block.
    pub(super) fn next_key_run(
        &mut self,
        peer: NodeId,
        namespace: NamespaceId,
        shelf: ShelfId,
    ) -> Result<Option<Message>, StoreError> {
        let cursor = self.sessions.get(&peer).and_then(|session| session.spaces.get(&namespace));
        let start = cursor.and_then(|space| space.shelves.get(&shelf)).copied().unwrap_or(0);
        let run = self.key_run(namespace, shelf, start)?;
        let Some(session) = self.sessions.get_mut(&peer) else { return Ok(None) };
        let Some(run) = run else {
            session.shelves_behind.remove(&(namespace, shelf));
            return Ok(None);
        };
        if let Some(space) = session.spaces.get_mut(&namespace) {
            space.shelves.insert(shelf, run.end());
        }
        session.progress.bytes_sent += (run.keys.len() * WRAPPED_LEN) as u64;
        Ok(Some(Message::PersonKeys(run)))
    }

    /// `None` if there is nothing after `start`, or nothing that the author's signature is held for.
    fn key_run(&mut self, namespace: NamespaceId, id: ShelfId, start: u32) -> Result<Option<KeyRun>, StoreError> {
        let Some(shelf) = self.shelf(namespace, id).filter(|shelf| start < shelf.count) else { return Ok(None) };
        let number = self.number(namespace);
        let end = shelf::block_end(start).min(shelf.count);
        let stored = self.store.shelf_seal(number, id, start)?.filter(|(count, _)| *count == end);
        let seal = match stored {
            Some((_, seal)) => seal,
            // The author vouches for its last, unfinished block whenever it sends it.
            None if shelf.author == self.identity.node() && end == shelf.count => {
                shelf.sign(namespace, self.identity.certificate, &self.identity.signing)
            }
            None => return Ok(None),
        };
        let place = PersonKeyPlace { shelf: id, index: start };
        let keys = self.store.person_keys(number, place, end - start)?;
        let whole = keys.len() == (end - start) as usize;
        Ok(whole.then_some(KeyRun { namespace, author: shelf.author, epoch: shelf.epoch, start, keys, seal }))
    }

    /// Whether the digest covers which rows lie on a shelf, or only how many. A removed author that had shown different
    /// rows to different nodes must not keep these from ever being equal.
    pub(super) fn vouches_for_rows(&self, shelf: &Shelf) -> bool {
        self.trust.current(&shelf.author).is_some()
    }
}
