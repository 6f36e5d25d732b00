//! Photos: sealed blobs beside the households of a region, named by the hash of their content.
//!
//! An inspection names its photos by that hash, so it can be written before the photos arrive; whoever holds the
//! region's key finds the blob by it. Where a resident is to be seen, the photo is sealed under that person's key, so
//! erasing the person erases the photo.
//!
//! A thumbnail goes with a photo as its preview: under the same key, ahead of it. Whoever records makes it; nothing here
//! knows how.

use super::people::{self, Place, Slot};
use super::read::PersonalState;
use super::{CommandError, Outcome};
use crate::clock::Millis;
use crate::domain::household::Resident;
use crate::domain::inspection::PhotoHash;
use crate::id::{DocumentId, ResidentId};
use crate::namespace::{Namespace, NamespaceKind};
use crate::policy::DocumentKind;
use crate::replica::{NewBlob, PersonalError, Preview, RecordError, Replica};
use crate::seal::SealError;

/// The media type of thumbnails.
const THUMBNAIL_TYPE: &str = "image/jpeg";

/// A photo to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPhoto {
    /// The household that it belongs to; `None` for a place of the region, such as a case's.
    pub household: Option<DocumentId>,
    /// The resident of that household to be seen on it, if there is one.
    pub resident: Option<ResidentId>,
    /// JPEG, PNG or WebP.
    pub bytes: Vec<u8>,
    /// What goes ahead of it: a small JPEG of at most [`MAX_PREVIEW`](crate::bounds::MAX_PREVIEW) bytes, where one could be made.
    pub thumbnail: Option<Vec<u8>>,
}

/// A photo as far as it is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Photo {
    /// The registry that it belongs to.
    pub namespace: Namespace,
    /// One of those that [`media_type`] gives, or what a newer version wrote.
    pub media_type: String,
    /// Length in bytes.
    pub length: u64,
    /// Its bytes; `None` while parts of it are on their way.
    pub content: Option<Vec<u8>>,
}

/// The media type of a photo by its first bytes; `None` for anything else.
pub fn media_type(bytes: &[u8]) -> Option<&'static str> {
    let is_webp = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP");
    match bytes {
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some("image/png"),
        _ if is_webp => Some("image/webp"),
        _ => None,
    }
}

/// Records a photo in the registry of a region. Recording the same photo twice stages nothing the second
/// time.
///
/// # Errors
/// [`CommandError::NotAPhoto`]; [`CommandError::NotFound`] without the household or resident;
/// [`CommandError::Personal`] if the person was erased; [`CommandError::Record`].
pub fn record(
    replica: &mut Replica,
    namespace: &Namespace,
    photo: &NewPhoto,
    now: Millis,
) -> Result<Outcome<PhotoHash>, CommandError> {
    let media_type = media_type(&photo.bytes).ok_or(CommandError::NotAPhoto)?;
    let person = sealed_person(replica, namespace, photo)?;
    let hash = PhotoHash(blake3::hash(&photo.bytes).into());
    let document = document_of(replica, namespace, hash)?;
    if is_here(replica, namespace, document, photo, person.as_deref())? {
        return Ok(Outcome::Unchanged(hash));
    }
    let preview = photo.thumbnail.as_ref().map(|bytes| Preview { bytes, media_type: THUMBNAIL_TYPE });
    let blob = NewBlob { bytes: &photo.bytes, media_type, preview };
    let recorded = replica.put_blob_with_preview(namespace, blob, person.as_deref(), now)?;
    Ok(Outcome::Created(hash, recorded))
}

/// Whether the photo itself is here, under the key of whoever is to be seen: its name alone may have come before its
/// bytes, or be a false one.
fn is_here(
    replica: &mut Replica,
    namespace: &Namespace,
    document: DocumentId,
    photo: &NewPhoto,
    person: Option<&[u8]>,
) -> Result<bool, CommandError> {
    match replica.blob(namespace, document) {
        Ok(Some(blob)) => {
            let is_whole = blob.content.as_ref().is_some_and(|content| *content == photo.bytes);
            Ok(is_whole && person.is_none_or(|person| blob.manifest.is_under_key_of(person)))
        }
        Ok(None) | Err(PersonalError::NoKey | PersonalError::Seal(_)) => Ok(false),
        // Somebody was erased from it: it must not come back under another key.
        Err(error @ (PersonalError::Erased | PersonalError::Store(_))) => Err(error.into()),
    }
}

/// The document of a photo: that of the blob with this content.
fn document_of(replica: &mut Replica, namespace: &Namespace, hash: PhotoHash) -> Result<DocumentId, RecordError> {
    replica.document_id(namespace, DocumentKind::Blob, &hash.0)
}

/// The sealed data of whoever is to be seen: it names the key.
fn sealed_person(
    replica: &mut Replica,
    namespace: &Namespace,
    photo: &NewPhoto,
) -> Result<Option<Vec<u8>>, CommandError> {
    let Some(document) = photo.household else { return Ok(None) };
    let place = Place::new(replica, namespace, document);
    let content = replica.content(place.id, document)?;
    let missing = |thing, chinese| CommandError::NotFound { thing, chinese, document };
    if content.records.is_empty() {
        return Err(missing("household", "户"));
    }
    let Some(resident) = photo.resident else { return Ok(None) };
    if !content.records.contains_key(resident.0.as_slice()) {
        return Err(missing("resident in household", "户中的居民"));
    }
    let slot = Slot { record: &resident.0, field: Resident::PERSONAL, resident };
    let person = people::open(replica, place, slot, &content)?;
    match person.state {
        PersonalState::Erased => Err(PersonalError::Erased.into()),
        PersonalState::KeyMissing if person.sealed.is_none() => Err(PersonalError::NoKey.into()),
        PersonalState::Open | PersonalState::Unreadable | PersonalState::KeyMissing => Ok(person.sealed),
    }
}

/// Finds a photo in the registries that this node can read; `None` if there is none.
///
/// # Errors
/// [`CommandError::Personal`] if the person was erased, or its content is not what its name says.
pub fn read(replica: &mut Replica, hash: PhotoHash) -> Result<Option<Photo>, CommandError> {
    for namespace in readable_registries(replica) {
        let Ok(document) = document_of(replica, &namespace, hash) else { continue };
        let Some(blob) = replica.blob(&namespace, document)? else { continue };
        // Anybody who may write there can put another content under this name.
        if blob.content.as_ref().is_some_and(|content| *blake3::hash(content).as_bytes() != hash.0) {
            return Err(PersonalError::Seal(SealError).into());
        }
        let (media_type, length) = (blob.manifest.media_type, blob.manifest.length);
        return Ok(Some(Photo { namespace, media_type, length, content: blob.content }));
    }
    Ok(None)
}

/// Finds the thumbnail of a photo in the registries that this node can read; `None` if none was recorded. It is as good as
/// the word of whoever may write there: the photo itself is the evidence.
///
/// # Errors
/// [`CommandError::Personal`] if the person was erased, or it does not open.
pub fn thumbnail(replica: &mut Replica, hash: PhotoHash) -> Result<Option<Photo>, CommandError> {
    for namespace in readable_registries(replica) {
        if let Some(blob) = replica.preview(&namespace, &hash.0)? {
            let (media_type, length) = (blob.manifest.media_type, blob.manifest.length);
            return Ok(Some(Photo { namespace, media_type, length, content: blob.content }));
        }
    }
    Ok(None)
}

fn readable_registries(replica: &Replica) -> impl Iterator<Item = Namespace> + use<> {
    let all = replica.namespaces().into_iter();
    let registries = all.filter(|(_, namespace, _, readable)| *readable && namespace.kind == NamespaceKind::Registry);
    registries.map(|(_, namespace, ..)| namespace)
}
