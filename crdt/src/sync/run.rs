//! Runs: consecutive entries of one log, with all left out that a receiver derives.
//!
//! # Format
//!
//! CBOR array `[log id (57 bytes), seq of the first entry, its backlink, certificate id, key id, [entry...]]`; an
//! entry is `[flags, hybrid time, body, ...]`, followed by the signature if flag 1 is set, by a certificate id that
//! holds from here on if flag 2 is set, and by a key id that does if flag 4 is set. The last entry has a signature.
//! Seqs and backlinks follow from the first; body lengths and hashes from the bodies; so each header is rebuilt
//! exactly, and the signature vouches for all of them.

use minicbor::{Decoder, Encoder};

use super::message::MessageError;
use crate::bounds;
use crate::clock::HybridTime;
use crate::entry::{self, Entry, Header, LOG_ID_LEN, LogId, SIGNATURE_LEN};
use crate::id::{CertificateId, EntryId, KeyId};

const SIGNED: u8 = 1;
const NEW_CERTIFICATE: u8 = 2;
const NEW_KEY: u8 = 4;

/// Consecutive entries of one log; the last one is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    entries: Vec<RunEntry>,
}

/// An entry of a run with its id.
pub type RunEntry = (EntryId, Entry);

impl Run {
    /// A run of these entries. `None` unless there are some, they follow each other and the last is signed.
    pub fn new(entries: Vec<Entry>) -> Option<Self> {
        let entries: Vec<RunEntry> = entries.into_iter().map(|entry| (entry.id(), entry)).collect();
        let linked = entries.windows(2).all(|pair| match pair {
            [(id, before), (_, after)] => {
                after.header.log == before.header.log
                    && after.header.seq == before.header.seq + 1
                    && after.header.backlink == *id
            }
            _ => false,
        });
        (linked && entries.last().is_some_and(|(_, last)| last.signature.is_some())).then_some(Self { entries })
    }

    /// The entries in order; never empty.
    pub fn entries(&self) -> &[RunEntry] {
        &self.entries
    }

    /// The entries in order.
    pub fn into_entries(self) -> Vec<RunEntry> {
        self.entries
    }

    /// The first entry's header.
    pub fn first(&self) -> Option<&Header> {
        self.entries.first().map(|(_, entry)| &entry.header)
    }

    /// Checks the signature at the end, which vouches for the whole run, and every other one it holds.
    ///
    /// # Errors
    /// [`entry::EntryError::WrongSignature`].
    pub fn verify(&self) -> Result<(), entry::EntryError> {
        let signed = self.entries.iter().filter_map(|(_, entry)| Some((&entry.header, entry.signature.as_ref()?)));
        signed.into_iter().try_for_each(|(header, signature)| entry::verify(header, signature))
    }

    pub(super) fn encode(
        &self,
        e: &mut Encoder<&mut Vec<u8>>,
    ) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
        let Some(first) = self.first() else { return Ok(()) };
        let (mut certificate, mut key) = (first.certificate, first.key);
        e.array(6)?.bytes(&first.log.to_bytes())?.u64(first.seq)?.bytes(&first.backlink.0)?;
        e.bytes(&certificate.0)?.bytes(&key.0)?.array(self.entries.len() as u64)?;
        let last = self.entries.len() - 1;
        for (at, (_, entry)) in self.entries.iter().enumerate() {
            // Only the last signature is needed; the others would cost 64 bytes each.
            let signature = entry.signature.filter(|_| at == last);
            let new_certificate = entry.header.certificate != certificate;
            let new_key = entry.header.key != key;
            let flags = u8::from(signature.is_some()) * SIGNED
                + u8::from(new_certificate) * NEW_CERTIFICATE
                + u8::from(new_key) * NEW_KEY;
            e.array(3 + u64::from(flags.count_ones()))?.u8(flags)?.u64(entry.header.time.0)?.bytes(&entry.body)?;
            if let Some(signature) = signature {
                e.bytes(&signature)?;
            }
            if new_certificate {
                certificate = entry.header.certificate;
                e.bytes(&certificate.0)?;
            }
            if new_key {
                key = entry.header.key;
                e.bytes(&key.0)?;
            }
        }
        Ok(())
    }

    pub(super) fn decode(d: &mut Decoder<'_>) -> Result<Self, MessageError> {
        MessageError::exactly(d.array()?, 6)?;
        let log =
            LogId::from_bytes(&MessageError::fixed::<LOG_ID_LEN>(d)?).ok_or(MessageError::Malformed("unknown lane"))?;
        let first = Header {
            log,
            seq: d.u64()?,
            backlink: EntryId(MessageError::fixed(d)?),
            time: HybridTime::default(),
            certificate: CertificateId(MessageError::fixed(d)?),
            key: KeyId(MessageError::fixed(d)?),
            body_len: 0,
            body_hash: [0; 32],
        };
        if first.seq == 0 {
            return Err(MessageError::Malformed("seq 0"));
        }
        let count = MessageError::bounded(d.array()?, bounds::RUN_ENTRIES, "entries in a run")?;
        let mut entries: Vec<RunEntry> = Vec::with_capacity(count);
        let mut next = first;
        for _ in 0..count {
            let entry = Self::decode_entry(d, next)?;
            let id = entry.id();
            let seq = entry.header.seq.checked_add(1).ok_or(MessageError::Malformed("seq too large"))?;
            next = Header { seq, backlink: id, ..entry.header };
            entries.push((id, entry));
        }
        if entries.last().is_none_or(|(_, last)| last.signature.is_none()) {
            return Err(MessageError::Malformed("a run ends without a signature"));
        }
        Ok(Self { entries })
    }

    fn decode_entry(d: &mut Decoder<'_>, mut header: Header) -> Result<Entry, MessageError> {
        let parts = d.array()?;
        let flags = d.u8()?;
        if flags & !(SIGNED | NEW_CERTIFICATE | NEW_KEY) != 0 {
            return Err(MessageError::Malformed("unknown flags"));
        }
        MessageError::exactly(parts, 3 + u64::from(flags.count_ones()))?;
        header.time = HybridTime(d.u64()?);
        let body = d.bytes()?;
        if body.len() > bounds::MAX_BODY {
            return Err(MessageError::TooMany { what: "bytes in a body", limit: bounds::MAX_BODY });
        }
        header.body_len = body.len() as u32;
        header.body_hash = blake3::hash(body).into();
        let signature: Option<[u8; SIGNATURE_LEN]> =
            if flags & SIGNED != 0 { Some(MessageError::fixed(d)?) } else { None };
        if flags & NEW_CERTIFICATE != 0 {
            header.certificate = CertificateId(MessageError::fixed(d)?);
        }
        if flags & NEW_KEY != 0 {
            header.key = KeyId(MessageError::fixed(d)?);
        }
        Ok(Entry { header, signature, body: body.to_vec() })
    }
}
