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

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng as _;

    use super::*;
    use crate::certificate::NodeRole;
    use crate::clock::HybridTime;
    use crate::enrol::{self, Identity, Place};
    use crate::entry::{Lane, LogId};
    use crate::id::{EntryId, KeyId};

    const REGION: &str = "110115005001";
    const CASE: DocumentId = DocumentId([7; 16]);

    /// What a town trusts, a village's identity, and the proof of its first entry of a run of three.
    fn run() -> (Trust, Identity, EntryProof) {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let founded = enrol::found(&[REGION.to_owned(), "110115005002".to_owned()], "2026", "2026-11", 1, &mut rng);
        let regions = vec![REGION.to_owned()];
        let place = Place { name: "v".into(), role: NodeRole::Village, regions, carries: vec![], acts_as: None };
        let invite = enrol::invite(&founded.authority, &place, &founded.secrets, 1, &mut rng).unwrap();
        let joined = enrol::redeem(&invite, &mut rng).unwrap();
        let mut trust = Trust::new(founded.authority.town);
        for statement in &joined.chain {
            trust.add(statement.clone()).unwrap();
        }
        let namespace = Namespace::cases(REGION, "2026");
        let log =
            LogId { namespace: namespace.id(trust.town()), author: joined.identity.node(), epoch: 3, lane: Lane::Work };
        let secret = founded.secrets.iter().find(|(family, _)| *family == namespace.family()).unwrap();
        let keys = secret.1.namespace_keys(&namespace);
        let item = Item::Record { kind: DocumentKind::Case as u8, document: CASE, bytes: b"said".to_vec() };
        let other = Item::Record { kind: DocumentKind::Case as u8, document: DocumentId([8; 16]), bytes: vec![1] };
        let plain = BodyCodec::new().unwrap().compress(&change::encode_items(&[item, other]));
        let mut headers: Vec<Header> = Vec::new();
        let mut opened = None;
        for seq in 1..=3 {
            let backlink = headers.last().map_or(log.origin(), Header::id);
            let certificate = joined.identity.certificate;
            let mut header = Header {
                log,
                seq,
                backlink,
                time: HybridTime::at(seq),
                certificate,
                key: KeyId([1; 16]),
                body_len: 0,
                body_hash: [0; 32],
            };
            let body = keys.seal_body(&plain, &header.to_bytes(), &mut rng).unwrap();
            (header.body_len, header.body_hash) = (body.len() as u32, blake3::hash(&body).into());
            opened.get_or_insert_with(|| (body.clone(), keys.key_of_body(&body).unwrap()));
            headers.push(header);
        }
        let signature = entry::sign(&headers[2], &joined.identity.signing);
        let proof = EntryProof { header: headers[0], after: headers[1..].to_vec(), signature, opened };
        (trust, joined.identity, proof)
    }

    #[test]
    fn a_signature_vouches_for_the_headers_before_it() {
        let (trust, identity, proof) = run();
        let namespace = Namespace::cases(REGION, "2026");
        assert_eq!(proof.check(&trust, &namespace).unwrap().key, identity.node());
        let mut codec = BodyCodec::new().unwrap();
        assert_eq!(proof.records(&mut codec, DocumentKind::Case, CASE), Ok(vec![b"said".to_vec()]));
        assert_eq!(proof.other_documents(&mut codec, CASE), Ok(1));
        let wrong = |change: &dyn Fn(&mut EntryProof)| {
            let mut wrong = proof.clone();
            change(&mut wrong);
            wrong.check(&trust, &namespace).unwrap_err()
        };
        assert!(matches!(wrong(&|proof| proof.header.time = HybridTime::at(9)), ProofError::Chain { seq: 2 }));
        assert!(matches!(wrong(&|proof| _ = proof.after.remove(0)), ProofError::Chain { seq: 3 }));
        assert!(matches!(wrong(&|proof| _ = proof.after.pop()), ProofError::Entry(EntryError::WrongSignature(_))));
        assert!(matches!(wrong(&|proof| proof.header.backlink = EntryId([0; 32])), ProofError::Chain { seq: 1 }));
        assert!(matches!(wrong(&|proof| proof.signature[0] ^= 1), ProofError::Entry(_)));
        assert!(matches!(wrong(&|proof| proof.after = vec![proof.header; MAX_AFTER + 1]), ProofError::TooLong));
        let elsewhere = proof.check(&trust, &Namespace::cases("110115005002", "2026"));
        assert_eq!(elsewhere, Err(ProofError::OtherNamespace));
        let nobody = Trust::new(*trust.town());
        assert!(matches!(proof.check(&nobody, &namespace), Err(ProofError::NoCertificate(_))));
    }

    #[test]
    fn a_body_is_the_signed_one_or_none() {
        type Opened = (Vec<u8>, BodyKey);
        let (_, _, proof) = run();
        let mut codec = BodyCodec::new().unwrap();
        let mut records = |change: &dyn Fn(&mut Opened)| {
            let mut wrong = proof.clone();
            change(wrong.opened.as_mut().unwrap());
            wrong.records(&mut codec, DocumentKind::Case, CASE)
        };
        assert_eq!(records(&|opened| opened.0[30] ^= 1), Err(EntryError::WrongBody.into()));
        assert_eq!(records(&|opened| opened.0.push(0)), Err(EntryError::WrongBody.into()));
        assert_eq!(records(&|opened| opened.1 = BodyKey::from_bytes([1; 32])), Err(SealError.into()));
        let unopened = EntryProof { opened: None, ..proof };
        assert_eq!(unopened.records(&mut codec, DocumentKind::Case, CASE), Ok(vec![]));
    }

    #[test]
    fn a_key_signs_what_is_handed_out_and_nothing_else() {
        let key = SigningKey::from_bytes(&[4; 32]);
        let node = NodeId(key.verifying_key().to_bytes());
        let signed = sign(b"pack", &key);
        assert!(is_signed(b"pack", &node, &signed) && !is_signed(b"pacK", &node, &signed));
        assert!(!is_signed(b"pack", &NodeId([1; 32]), &signed));
    }
}
