//! What proves to somebody outside the town that an author recorded something.
//!
//! An entry's header is signed, by itself or by the header at the end of its run, and names the hash of its sealed body.
//! With the key of that one body ([`BodyKey`]) anybody can open it and find the record in it, byte for byte. The author's
//! certificate, with those that it stands on, says who that was and what they might write; it ends at the town's root key.
//!
//! What this does not prove: that the certificate was not revoked before the entry, and that nothing was left out. And
//! whoever sealed a body could have made one that opens in two ways, under two keys, since the cipher does not commit to
//! its key: both readings would be their own. For anybody else that is as hard as forging a tag of 128 bits.

use ed25519_dalek::{Signer, SigningKey};

use crate::bounds;
use crate::certificate::{Certificate, CertificateKind};
use crate::change::{self, BodyError, Item};
use crate::codec::BodyCodec;
use crate::entry::{self, EntryError, Header, SIGNATURE_LEN};
use crate::id::{CertificateId, DocumentId, NodeId};
use crate::namespace::Namespace;
use crate::policy::{self, Denied, DocumentKind, Form};
use crate::seal::{BodyKey, SealError};
use crate::signature;
use crate::trust::Trust;

/// Most headers between an entry and the signature that vouches for it: a run (DESIGN 12.11), twice over.
pub const MAX_AFTER: usize = 2 * bounds::RUN_ENTRIES;

const CONTEXT: &[u8] = b"townmesh/evidence/1";

/// One entry with what vouches for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryProof {
    /// Its header.
    pub header: Header,
    /// The headers after it, up to the one that is signed; empty where its own is.
    pub after: Vec<Header>,
    /// The author's signature over the last of them.
    pub signature: [u8; SIGNATURE_LEN],
    /// Its body as it was signed, and the key of that body alone; `None` where the reader is not to open it.
    pub opened: Option<(Vec<u8>, BodyKey)>,
}

/// Why an entry is not proved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// It is of another namespace.
    #[error("the entry stands in another namespace")]
    OtherNamespace,
    /// The headers do not follow one another.
    #[error("entry {seq} does not follow the one before it: its place in the chain or its backlink is another")]
    Chain {
        /// Seq of the header that does not follow.
        seq: u64,
    },
    /// More headers than a run has.
    #[error("more than {MAX_AFTER} headers stand between the entry and its signature")]
    TooLong,
    /// The signature or the body is not right.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// Its certificate is not there.
    #[error("the certificate {0} that the entry names is not there, or does not lead to the town's root key")]
    NoCertificate(CertificateId),
    /// Its certificate is for another key.
    #[error("the certificate is not for the key that signed")]
    OtherKey,
    /// The certificate does not allow to write there.
    #[error("the author's certificate does not allow this: {0}")]
    Denied(#[from] Denied),
    /// The body does not open.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The body cannot be read.
    #[error(transparent)]
    Body(#[from] BodyError),
}

impl EntryProof {
    /// Checks chain, signature and certificate; the author's certificate.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn check<'a>(&self, trust: &'a Trust, namespace: &Namespace) -> Result<&'a Certificate, ProofError> {
        let log = self.header.log;
        if log.namespace != namespace.id(trust.town()) {
            return Err(ProofError::OtherNamespace);
        }
        if self.header.seq == 1 && self.header.backlink != log.origin() {
            return Err(ProofError::Chain { seq: 1 });
        }
        entry::verify(self.last()?, &self.signature)?;
        let missing = || ProofError::NoCertificate(self.header.certificate);
        let certificate = trust.certificate(&self.header.certificate).ok_or_else(missing)?;
        if certificate.key != log.author || certificate.kind != CertificateKind::Node {
            return Err(ProofError::OtherKey);
        }
        policy::may_write(certificate, namespace)?;
        Ok(certificate)
    }

    /// The signed header, each of those before it vouched for by the next.
    fn last(&self) -> Result<&Header, ProofError> {
        if self.after.len() > MAX_AFTER {
            return Err(ProofError::TooLong);
        }
        let mut last = &self.header;
        for next in &self.after {
            let follows = next.log == last.log && Some(next.seq) == last.seq.checked_add(1);
            if !follows || next.backlink != last.id() {
                return Err(ProofError::Chain { seq: next.seq });
            }
            last = next;
        }
        Ok(last)
    }

    /// The records of a document that the entry carries, byte for byte; none where its body is not to be opened. To be
    /// asked after [`Self::check`].
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn records(
        &self,
        codec: &mut BodyCodec,
        kind: DocumentKind,
        document: DocumentId,
    ) -> Result<Vec<Vec<u8>>, ProofError> {
        let Some(items) = self.items(codec)? else { return Ok(Vec::new()) };
        let wanted = items.into_iter().filter_map(|item| match item {
            Item::Record { kind: found, document: of, bytes } if found == kind as u8 && of == document => Some(bytes),
            Item::Record { .. } | Item::Change { .. } | Item::Epoch { .. } | Item::Seen { .. } => None,
        });
        Ok(wanted.collect())
    }

    /// How many other documents the entry says something of.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn other_documents(&self, codec: &mut BodyCodec, document: DocumentId) -> Result<usize, ProofError> {
        let items = self.items(codec)?.unwrap_or_default();
        let others = items.iter().filter(|item| match item {
            Item::Record { document: of, .. } | Item::Change { document: of, .. } => *of != document,
            Item::Epoch { .. } | Item::Seen { .. } => false,
        });
        Ok(others.count())
    }

    fn items(&self, codec: &mut BodyCodec) -> Result<Option<Vec<Item>>, ProofError> {
        let Some((body, key)) = &self.opened else { return Ok(None) };
        let whole = body.len() == self.header.body_len as usize;
        if !whole || blake3::hash(body).as_bytes() != &self.header.body_hash {
            return Err(EntryError::WrongBody.into());
        }
        let plain = codec.decompress(&key.open(body, &self.header.to_bytes())?)?;
        Ok(Some(change::read_items(&plain)?.known.into_iter().map(|(_, item)| item).collect()))
    }
}

/// Whether a certificate allows to record such documents there.
///
/// # Errors
/// [`ProofError::Denied`].
pub fn may_record(certificate: &Certificate, namespace: &Namespace, kind: DocumentKind) -> Result<(), ProofError> {
    policy::may_apply(certificate, namespace, kind as u8, Form::Records)?;
    Ok(())
}

/// Signs what a node hands out of the town.
pub fn sign(pack: &[u8], key: &SigningKey) -> [u8; SIGNATURE_LEN] {
    key.sign(&[CONTEXT, pack].concat()).to_bytes()
}

/// Whether a node signed what was handed out.
pub fn is_signed(pack: &[u8], node: &NodeId, signed: &[u8; SIGNATURE_LEN]) -> bool {
    signature::verify(&node.0, &[CONTEXT, pack].concat(), signed).is_ok()
}
