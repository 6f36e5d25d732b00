//! Blobs: photos and other files, cut into sealed chunks that travel after all entries.
//!
//! A blob's manifest is an immutable record in its namespace, so it is signed, carried and dropped with it. Its
//! chunks are sealed under a person's key (the person to be seen on it, or one minted for the blob), so erasing
//! the person erases the photo. A chunk's name is the hash of its ciphertext: whoever carries it can check it and
//! can resume at any chunk. Manifest: CBOR `[1, length, media type, shelf, index, [chunk hash...]]`.
//!
//! A blob may have a preview: a blob of its own, of one small chunk, under the same key, in the document that follows
//! from the hash of what it stands for. So a version that knows of no previews carries it as it carries any blob. Whoever
//! reads manifests asks for such small blobs before all others, and has but a few chunks of large ones under way, so that
//! on a slow link the thumbnail of a photo taken now does not wait for the originals of yesterday.

use std::collections::BTreeSet;

use minicbor::{Decoder, Encoder};

use super::{HandleError, IngestError, PersonalError, RecordError, Recorded, Replica};
use crate::bounds;
use crate::certificate::Access;
use crate::clock::Millis;
use crate::entry::Lane;
use crate::id::{DocumentId, NamespaceId, NodeId, ResidentId};
use crate::namespace::Namespace;
use crate::policy::{self, DocumentKind};
use crate::seal::{self, PersonKeyPlace};
use crate::store::{StoreError, WANTED_PREVIEW};
use crate::sync::Message;
use crate::sync::session::Offered;

/// Most chunks that a node carries for others without being able to read what refers to them: 1 GiB.
const MAX_CARRIED: usize = 4096;
/// Most of them that are wanted on the word of one peer.
const MAX_CARRIED_FOR_ONE: usize = MAX_CARRIED / 4;
/// Chunks asked for and not yet answered, per peer.
const MAX_ASKED: usize = 32;
/// Most of them that are of large blobs, 1 MiB together: what a small one that is wanted now has to wait for.
const MAX_ASKED_LATER: usize = 4;
/// Longest media type, in bytes.
const MAX_MEDIA_TYPE: usize = 100;
/// Stands before the hash of a blob in the name of its preview.
const PREVIEW_OF: [u8; 7] = *b"preview";
/// Chunks offered to a carrier at once.
const MAX_OFFERED: usize = 64;

/// What is known of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChunkState {
    Held,
    Wanted,
    Unknown,
}

/// When a wanted chunk is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Turn {
    /// Before those of large blobs.
    First,
    /// When none of those is left to ask for.
    Later,
    /// After what this node can read: how large it is, only those know for whom it is carried.
    Carried,
}

impl Turn {
    /// How many of this turn a peer is asked for at once.
    fn limit(self) -> usize {
        match self {
            Self::First | Self::Carried => MAX_ASKED,
            Self::Later => MAX_ASKED_LATER,
        }
    }

    /// The row of a chunk that is wanted.
    fn row(self) -> Vec<u8> {
        match self {
            Self::First => WANTED_PREVIEW.to_vec(),
            Self::Later | Self::Carried => vec![],
        }
    }
}

/// A chunk: its namespace and the hash of its ciphertext.
pub(super) type ChunkId = (NamespaceId, [u8; 32]);

/// What a blob consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Length of the blob in bytes.
    pub length: u64,
    /// Its media type (RFC 6838), such as `image/jpeg`.
    pub media_type: String,
    place: PersonKeyPlace,
    chunks: Vec<[u8; 32]>,
}

/// A blob as far as it is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// What it consists of.
    pub manifest: Manifest,
    /// Its bytes; `None` while chunks are missing.
    pub content: Option<Vec<u8>>,
}

impl Manifest {
    /// The manifest as it is recorded.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut e = Encoder::new(&mut bytes);
        let written = (|| -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
            e.array(6)?
                .u8(1)?
                .u64(self.length)?
                .str(&self.media_type)?
                .bytes(&self.place.shelf)?
                .u32(self.place.index)?;
            e.array(self.chunks.len() as u64)?;
            self.chunks.iter().try_for_each(|hash| e.bytes(hash).map(|_| ()))
        })();
        debug_assert!(written.is_ok(), "writing to memory does not fail");
        bytes
    }

    /// Whether the blob is sealed under the key of this sealed personal value.
    pub fn is_under_key_of(&self, person: &[u8]) -> bool {
        seal::personal_place(person) == Some(self.place)
    }

    /// A blob that is one small chunk is asked for first; it must say so itself, and is no larger then than any chunk.
    fn turn(&self) -> Turn {
        let is_small = self.length <= bounds::MAX_PREVIEW as u64 && self.chunks.len() <= 1;
        if is_small { Turn::First } else { Turn::Later }
    }

    /// Reads a manifest; `None` for anything else or beyond [`bounds`].
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut d = Decoder::new(bytes);
        (d.array().ok()? == Some(6) && d.u8().ok()? == 1).then_some(())?;
        let (length, media_type) = (d.u64().ok()?, d.str().ok()?.to_owned());
        let place = PersonKeyPlace { shelf: d.bytes().ok()?.try_into().ok()?, index: d.u32().ok()? };
        let count = d.array().ok()?.filter(|count| *count <= bounds::MAX_BLOB_CHUNKS as u64)?;
        let chunks = (0..count).map(|_| d.bytes().ok()?.try_into().ok()).collect::<Option<_>>()?;
        (d.position() == bytes.len() && media_type.len() <= MAX_MEDIA_TYPE).then_some(Self {
            length,
            media_type,
            place,
            chunks,
        })
    }
}

/// A blob to be staged.
#[derive(Debug, Clone, Copy)]
pub struct NewBlob<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Its media type (RFC 6838).
    pub media_type: &'a str,
    /// What stands for it until it has come.
    pub preview: Option<Preview<'a>>,
}

/// The preview of a blob: what goes ahead of it.
#[derive(Debug, Clone, Copy)]
pub struct Preview<'a> {
    /// At most [`bounds::MAX_PREVIEW`] bytes.
    pub bytes: &'a [u8],
    /// Its media type (RFC 6838).
    pub media_type: &'a str,
}

/// Every chunk of a blob is bound to its place in it.
fn chunk_id(index: usize) -> ResidentId {
    ResidentId((index as u64).to_be_bytes())
}

impl Replica {
    /// Stages a blob. `person` is the sealed personal value of the person to be seen on it, if there is one.
    ///
    /// # Errors
    /// [`RecordError`]; nothing is staged then.
    pub fn put_blob(
        &mut self,
        namespace: &Namespace,
        blob: &[u8],
        media_type: &str,
        person: Option<&[u8]>,
        now: Millis,
    ) -> Result<Recorded, RecordError> {
        self.put_blob_with_preview(namespace, NewBlob { bytes: blob, media_type, preview: None }, person, now)
    }

    /// Stages a blob and its preview, under one key.
    ///
    /// # Errors
    /// As [`Self::put_blob`]; [`RecordError::TooLarge`] for a preview beyond [`bounds::MAX_PREVIEW`], too.
    pub fn put_blob_with_preview(
        &mut self,
        namespace: &Namespace,
        blob: NewBlob<'_>,
        person: Option<&[u8]>,
        now: Millis,
    ) -> Result<Recorded, RecordError> {
        let limit = bounds::BLOB_CHUNK * bounds::MAX_BLOB_CHUNKS;
        let preview_bytes = blob.preview.map_or(0, |preview| preview.bytes.len());
        for (size, limit) in [(blob.bytes.len(), limit), (preview_bytes, bounds::MAX_PREVIEW)] {
            if size > limit {
                return Err(RecordError::TooLarge { size, limit });
            }
        }
        for media_type in [Some(blob.media_type), blob.preview.map(|preview| preview.media_type)].into_iter().flatten()
        {
            if media_type.len() > MAX_MEDIA_TYPE {
                return Err(RecordError::TooLarge { size: media_type.len(), limit: MAX_MEDIA_TYPE });
            }
        }
        policy::may_write(&self.own, namespace)?;
        if self.spares_disk {
            return Err(RecordError::DiskLow);
        }
        let hash = blake3::hash(blob.bytes);
        let document = self.document_id(namespace, DocumentKind::Blob, hash.as_bytes())?;
        // Sealing nothing mints the key, or finds the person's.
        let minted = self.seal_personal(namespace, document, chunk_id(usize::MAX), person, &[])?;
        if let Some(Preview { bytes, media_type }) = blob.preview {
            let document = self.preview_document(namespace, hash.as_bytes())?;
            self.put_sealed(namespace, document, (bytes, media_type), &minted, now)?;
        }
        self.put_sealed(namespace, document, (blob.bytes, blob.media_type), &minted, now)
    }

    /// The document of the preview of a blob with this hash.
    fn preview_document(&mut self, namespace: &Namespace, hash: &[u8; 32]) -> Result<DocumentId, RecordError> {
        self.document_id(namespace, DocumentKind::Blob, &[&PREVIEW_OF[..], hash].concat())
    }

    /// Stages the chunks of a blob and its manifest, under the key of `minted`.
    fn put_sealed(
        &mut self,
        namespace: &Namespace,
        document: DocumentId,
        (blob, media_type): (&[u8], &str),
        minted: &[u8],
        now: Millis,
    ) -> Result<Recorded, RecordError> {
        let id = self.namespace_id(namespace);
        let number = self.number(id);
        let mut manifest = Manifest {
            length: blob.len() as u64,
            media_type: media_type.to_owned(),
            place: seal::personal_place(minted).ok_or(seal::SealError)?,
            chunks: Vec::new(),
        };
        for (index, plain) in blob.chunks(bounds::BLOB_CHUNK).enumerate() {
            let sealed = self.seal_personal(namespace, document, chunk_id(index), Some(minted), plain)?;
            let hash: [u8; 32] = blake3::hash(&sealed).into();
            manifest.chunks.push(hash);
            self.wanted.remove(&(id, hash));
            self.batch.weight += sealed.len();
            self.batch.chunks.insert((number, hash), sealed);
        }
        let recorded = self.put(namespace, DocumentKind::Blob, document, manifest.to_bytes(), Lane::Bulk, now)?;
        // Holders read in the manifest what to ask for; carriers cannot.
        self.offer_new(None, id, &manifest.chunks);
        Ok(recorded)
    }

    /// Offers chunks that have just come to be here to the connected peers whom they concern.
    fn offer_new(&mut self, except: Option<NodeId>, namespace: NamespaceId, hashes: &[[u8; 32]]) {
        let peers: Vec<NodeId> = self.sessions.keys().copied().filter(|peer| Some(*peer) != except).collect();
        for peer in peers {
            if self.interest(&peer).contains(&namespace)
                && let Some(session) = self.sessions.get_mut(&peer).filter(|session| session.certificate.is_some())
            {
                for hashes in hashes.chunks(MAX_OFFERED) {
                    session.say(Message::ChunkOffer { namespace, hashes: hashes.to_vec() });
                }
            }
        }
    }

    /// A blob, as far as it is here; `None` without its manifest. Anybody who may write there can name other chunks as
    /// this blob, so of several manifests the one whose content is that of the document's name counts, else the first.
    ///
    /// # Errors
    /// [`PersonalError`]; [`PersonalError::Erased`] if the person was erased.
    pub fn blob(&mut self, namespace: &Namespace, document: DocumentId) -> Result<Option<Blob>, PersonalError> {
        let records = self.records(self.namespace_id(namespace), document)?.into_iter();
        let manifests = records.filter(|record| !record.void).filter_map(|record| Manifest::from_bytes(&record.bytes));
        let mut first = None;
        for manifest in manifests {
            let found = self.assemble(namespace, document, manifest);
            let content = found.as_ref().ok().and_then(|blob| blob.content.as_ref());
            if let Some(hash) = content.map(|content| blake3::hash(content))
                && self.document_id(namespace, DocumentKind::Blob, hash.as_bytes()).is_ok_and(|id| id == document)
            {
                return found.map(Some);
            }
            first.get_or_insert(found);
        }
        first.transpose()
    }

    /// The preview of the blob with this hash, as far as it is here; `None` without its manifest. Its content cannot be
    /// told by its name, so of several manifests the first whose chunk is here and opens counts, else the first.
    ///
    /// # Errors
    /// As [`Self::blob`].
    pub fn preview(&mut self, namespace: &Namespace, hash: &[u8; 32]) -> Result<Option<Blob>, PersonalError> {
        // Without the namespace's keys there is no document of it.
        let Ok(document) = self.preview_document(namespace, hash) else { return Ok(None) };
        let mut first = None;
        for record in self.records(self.namespace_id(namespace), document)? {
            let manifest =
                Manifest::from_bytes(&record.bytes).filter(|found| !record.void && found.turn() == Turn::First);
            let Some(manifest) = manifest else { continue };
            let found = self.assemble(namespace, document, manifest);
            if found.as_ref().is_ok_and(|blob| blob.content.is_some()) {
                return found.map(Some);
            }
            first.get_or_insert(found);
        }
        first.transpose()
    }

    fn assemble(
        &mut self,
        namespace: &Namespace,
        document: DocumentId,
        manifest: Manifest,
    ) -> Result<Blob, PersonalError> {
        let number = *self.numbers.get(&self.namespace_id(namespace)).ok_or(PersonalError::NoKey)?;
        let mut blob = Vec::new();
        for (index, hash) in manifest.chunks.iter().enumerate() {
            let Some(sealed) = self.store.chunk(number, hash)?.filter(|sealed| !sealed.is_empty()) else {
                return Ok(Blob { manifest, content: None });
            };
            blob.extend(self.open_personal(namespace, document, chunk_id(index), &sealed)?);
        }
        Ok(Blob { manifest, content: Some(blob) })
    }

    /// What is known of a chunk, what is staged included: one that has just come must not be wanted again.
    fn chunk_state(&self, number: u32, hash: &[u8; 32]) -> Result<ChunkState, StoreError> {
        let is_wanted = |bytes: &Vec<u8>| bytes.is_empty() || *bytes == WANTED_PREVIEW;
        let state = |bytes: &Vec<u8>| if is_wanted(bytes) { ChunkState::Wanted } else { ChunkState::Held };
        if let Some(staged) = self.batch.chunks.get(&(number, *hash)) {
            return Ok(state(staged));
        }
        Ok(self.store.chunk(number, hash)?.as_ref().map_or(ChunkState::Unknown, state))
    }

    /// A manifest arrived: what is not held of the blob is wanted from now on.
    pub(super) fn want_chunks(&mut self, namespace: NamespaceId, number: u32, manifest: &[u8]) {
        let Some(manifest) = Manifest::from_bytes(manifest) else { return };
        let turn = manifest.turn();
        for hash in manifest.chunks {
            // An unreadable table is found by the commit that follows.
            if self.chunk_state(number, &hash).is_ok_and(|state| state == ChunkState::Unknown) {
                self.batch.chunks.insert((number, hash), turn.row());
                self.batch.weight += 64;
                self.wanted.insert((namespace, hash), turn);
            }
        }
    }

    /// Remembers after a start what was wanted before.
    pub(super) fn recall_wanted(&mut self) -> Result<(), StoreError> {
        for chunk in self.store.wanted_chunks()? {
            if let Some(namespace) = self.namespace_numbered(chunk.namespace) {
                let turn = if chunk.is_preview { Turn::First } else { Turn::Later };
                self.wanted.insert((namespace, chunk.hash), turn);
            }
        }
        Ok(())
    }

    /// Asks a peer for wanted chunks, a few at a time; offers a carrier what it may carry.
    pub(super) fn next_chunk_message(&mut self, peer: NodeId) -> Option<Message> {
        let interest: BTreeSet<NamespaceId> = if self.wanted.is_empty() || self.spares_disk {
            BTreeSet::new()
        } else {
            self.interest(&peer).iter().copied().collect()
        };
        let session = self.sessions.get_mut(&peer)?;
        for turn in [Turn::First, Turn::Later, Turn::Carried] {
            let outstanding = session.asked.iter().filter(|chunk| self.wanted.turn(chunk) == Some(turn)).count();
            let said = |chunk: &ChunkId| session.asked.contains(chunk) || session.lacked.contains(chunk);
            let open = self.wanted.in_turn(turn).filter(|chunk| interest.contains(&chunk.0) && !said(chunk));
            let next: Vec<ChunkId> = open.take(turn.limit().saturating_sub(outstanding)).copied().collect();
            if let Some((namespace, _)) = next.first().copied() {
                let hashes: Vec<[u8; 32]> =
                    next.iter().filter(|chunk| chunk.0 == namespace).map(|chunk| chunk.1).collect();
                session.asked.extend(hashes.iter().map(|hash| (namespace, *hash)));
                return Some(Message::ChunkRequest { namespace, hashes });
            }
        }
        self.offer_chunks(peer)
    }

    /// The next of the chunks held here that a carrier is to hear of: those that read the namespace know what to ask for.
    fn offer_chunks(&mut self, peer: NodeId) -> Option<Message> {
        let Offered::Until(offered) = self.sessions.get(&peer)?.offered else { return None };
        let (_, certificate) = self.trust.current(&peer)?;
        let carried = self.trust.interest(certificate).into_iter().filter(|(_, access)| *access == Access::Carry);
        let carried: BTreeSet<NamespaceId> = carried.map(|(namespace, _)| namespace).collect();
        let shared = self.interest(&peer);
        let shared = shared.iter().copied().filter(|namespace| carried.contains(namespace));
        let begin = offered.map_or(NamespaceId([0; 16]), |(namespace, _)| namespace);
        let mut offer = None;
        for namespace in shared.filter(|namespace| *namespace >= begin) {
            let after = offered.filter(|(known, _)| *known == namespace).map(|(_, hash)| hash);
            let Some(number) = self.numbers.get(&namespace) else { continue };
            let hashes = self.store.held_chunks(*number, after, MAX_OFFERED).unwrap_or_default();
            if let Some(last) = hashes.last() {
                offer = Some((Offered::Until(Some((namespace, *last))), Message::ChunkOffer { namespace, hashes }));
                break;
            }
        }
        let (offered, message) = offer.map_or((Offered::All, None), |(offered, message)| (offered, Some(message)));
        self.sessions.get_mut(&peer)?.offered = offered;
        message
    }

    /// A peer offers chunks: those that are wanted, or that a carrier has room for, are asked for in their turn.
    pub(super) fn take_offer(
        &mut self,
        peer: NodeId,
        namespace: NamespaceId,
        hashes: &[[u8; 32]],
    ) -> Result<(), HandleError> {
        let known = self.trust.namespaces().get(&namespace);
        let Some(access) = known.and_then(|namespace| policy::access(&self.own, namespace)) else { return Ok(()) };
        let number = self.number(namespace);
        for hash in hashes {
            let chunk = (namespace, *hash);
            let state = self.chunk_state(number, hash)?;
            let Some(session) = self.sessions.get_mut(&peer).filter(|_| state != ChunkState::Held) else { continue };
            let has_room = self.wanted.len() < MAX_CARRIED && session.carrying.len() < MAX_CARRIED_FOR_ONE;
            if state == ChunkState::Unknown && access == Access::Carry && has_room {
                // Nothing vouches for it but the peer's word: it is wanted for as long as the peer is there.
                session.carrying.insert(chunk);
                self.wanted.insert(chunk, Turn::Carried);
            }
            session.lacked.remove(&chunk);
        }
        Ok(())
    }

    /// The peer does not hold these chunks: others are asked for in their place, these again if it offers them.
    pub(super) fn lacks_chunks(&mut self, peer: NodeId, namespace: NamespaceId, hashes: &[[u8; 32]]) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        session.lacks_chunks(namespace, hashes);
        let offered = hashes.iter().map(|hash| (namespace, *hash)).filter(|chunk| session.carrying.remove(chunk));
        let offered: Vec<ChunkId> = offered.collect();
        self.forget_offered(offered);
    }

    /// Chunks that a peer had offered for carrying are wanted no longer, unless another offers them, too.
    pub(super) fn forget_offered(&mut self, chunks: impl IntoIterator<Item = ChunkId>) {
        for chunk in chunks {
            if !self.sessions.values().any(|session| session.carrying.contains(&chunk)) {
                self.wanted.remove(&chunk);
            }
        }
    }

    /// Stages a chunk that was wanted, and offers it to peers who may want it, too.
    pub(super) fn ingest_chunk(
        &mut self,
        from: NodeId,
        namespace: NamespaceId,
        bytes: Vec<u8>,
    ) -> Result<(), HandleError> {
        let known = self.trust.namespaces().get(&namespace);
        if known.and_then(|namespace| policy::access(&self.own, namespace)).is_none() {
            return Err(HandleError::Ingest(IngestError::NotWanted(namespace.short())));
        }
        let hash: [u8; 32] = blake3::hash(&bytes).into();
        // Unasked chunks are dropped: nobody fills another's disk.
        if !self.wanted.remove(&(namespace, hash)) {
            return Ok(());
        }
        self.sessions.values_mut().for_each(|session| _ = session.carrying.remove(&(namespace, hash)));
        let number = self.number(namespace);
        self.batch.weight += bytes.len();
        self.batch.chunks.insert((number, hash), bytes);
        self.offer_new(Some(from), namespace, &[hash]);
        Ok(())
    }

    /// How many chunks are wanted and have not arrived.
    pub fn wanted_chunks(&self) -> usize {
        self.wanted.len()
    }
}
