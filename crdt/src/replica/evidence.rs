//! What this node holds that proves a document's records to somebody outside the town.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::Replica;
use crate::change::{Item, record_id};
use crate::entry::{Header, SIGNATURE_LEN};
use crate::evidence::{self, EntryProof};
use crate::id::{CertificateId, DocumentId, RecordId};
use crate::namespace::Namespace;
use crate::store::StoreError;

/// An entry that carries records of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The entry, with the key of its body where this node can open it.
    pub proof: EntryProof,
    /// The records of the document that it carries.
    pub records: Vec<RecordId>,
}

/// Headers up to a signed one, and its signature.
type SignedEnd = (Vec<Header>, [u8; SIGNATURE_LEN]);

impl Replica {
    /// The entries that carry the records of a document, by log and seq. Left out are those that no signature vouches for
    /// yet, and what is still being written.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn evidence(&mut self, namespace: &Namespace, document: DocumentId) -> Result<Vec<Found>, StoreError> {
        let Some(number) = self.numbers.get(&self.namespace_id(namespace)).copied() else { return Ok(Vec::new()) };
        let mut places: BTreeMap<(u32, u64), Vec<RecordId>> = BTreeMap::new();
        for item in self.all_items(number, document)? {
            if let Item::Record { bytes, .. } = &item.item {
                places.entry((item.key.log, item.key.seq)).or_default().push(record_id(bytes));
            }
        }
        let mut found = Vec::with_capacity(places.len());
        for ((log, seq), records) in places {
            if let Some(proof) = self.proof(namespace, log, seq)? {
                found.push(Found { proof, records });
            }
        }
        Ok(found)
    }

    fn proof(&mut self, namespace: &Namespace, log: u32, seq: u64) -> Result<Option<EntryProof>, StoreError> {
        let Some(entry) = self.store.entry(log, seq)? else { return Ok(None) };
        let (after, signature) = match entry.signature {
            Some(signature) => (Vec::new(), signature),
            None => match self.signed_after(log, seq)? {
                Some(found) => found,
                None => return Ok(None),
            },
        };
        let keys = self.keyring.keys(namespace, entry.header.key);
        let opened = keys.and_then(|keys| keys.key_of_body(&entry.body)).map(|key| (entry.body, key));
        Ok(Some(EntryProof { header: entry.header, after, signature, opened }))
    }

    /// The headers after an entry up to the next signed one, and its signature.
    fn signed_after(&self, log: u32, seq: u64) -> Result<Option<SignedEnd>, StoreError> {
        let (mut after, mut signature) = (Vec::new(), None);
        self.store.entries(log, seq.saturating_add(1), |entry| {
            after.push(entry.header);
            signature = entry.signature;
            if signature.is_some() || after.len() > evidence::MAX_AFTER {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        Ok(signature.map(|signature| (after, signature)))
    }

    /// The certificate of this node by its id, for those who are to check what it signs.
    pub fn certificate_id(&self) -> CertificateId {
        self.identity.certificate
    }

    /// Signs what this node hands out of the town; see [`evidence::sign`].
    pub fn sign_evidence(&self, pack: &[u8]) -> [u8; SIGNATURE_LEN] {
        evidence::sign(pack, &self.identity.signing)
    }
}
