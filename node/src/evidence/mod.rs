//! Evidence packs: a case that leaves the town, with what proves it to somebody who has neither a node nor a key.
//!
//! A pack is a zip archive of files that are stored as they are (see `archive`), with exactly these names:
//!
//! | file | what |
//! |---|---|
//! | `manifest.json` | [`Manifest`]: of which town and case, by whom and when it was made, length and BLAKE3 of every other file |
//! | `manifest.sig` | Ed25519 of the exporting node over `"townmesh/evidence/1" ‖ manifest.json`, in hexadecimal |
//! | `report.html` | the life of the case for people; it follows from `case.json` |
//! | `case.json` | [`CaseFile`]: every event as it was recorded, and what follows from them |
//! | `proof.json` | [`Proofs`]: the signed entries that carry the events, and the authors' certificates up to the root |
//! | `photos/HASH.jpg` ... | the photos' own bytes; the events name them by this hash |
//!
//! All but the manifest depends on the case and on what is shown of it, never on who asked and when.
//!
//! What the authors' signatures prove: that the node with this certificate recorded this event, byte for byte, at this
//! place of its log. What only the exporting node vouches for is listed in the manifest: that an author was not revoked
//! before, that nothing was left out, when the limit ends, who reported, and events whose entries are not opened because
//! they also say something of other cases. An entry's body is opened by a key that opens nothing else
//! ([`BodyKey`]).

mod archive;
mod case_file;
mod problem;
mod report;
mod verify;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use townmesh_crdt::entry::{HEADER_LEN, Header, SIGNATURE_LEN};
use townmesh_crdt::evidence::EntryProof;
use townmesh_crdt::id::{CertificateId, DocumentId, EntryId, NodeId};
use townmesh_crdt::seal::BodyKey;

pub use archive::{ArchiveError, ArchiveWriter};
pub(crate) use case_file::hex;
pub use case_file::{CaseFile, Fact, PhotoFact, RulesFact, Unproved};
pub use problem::Problem;
pub use report::report;
pub use verify::{Outcome, TownName, verify};

/// Format of the packs that this version makes.
pub const FORMAT: u32 = 1;
/// Names of the files.
pub const MANIFEST: &str = "manifest.json";
/// See [`MANIFEST`].
pub const SIGNATURE: &str = "manifest.sig";
/// See [`MANIFEST`].
pub const REPORT: &str = "report.html";
/// See [`MANIFEST`].
pub const CASE: &str = "case.json";
/// See [`MANIFEST`].
pub const PROOF: &str = "proof.json";
/// Most photos of a pack.
pub const MAX_PHOTOS: usize = 256;
/// Most bytes of all photos of a pack.
pub const MAX_PHOTO_BYTES: u64 = 1 << 30;
/// Most bytes of each other file.
pub const MAX_FILE_BYTES: u64 = 16 << 20;

/// Who made a pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exporter {
    /// The node's public key.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// Its certificate.
    pub certificate: CertificateId,
    /// That certificate with those it stands on, the authority's first, in base64.
    pub chain: Vec<String>,
    /// Version of the program.
    pub version: String,
}

/// A file of a pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Length.
    pub bytes: u64,
    /// BLAKE3, in hexadecimal.
    pub blake3: String,
}

/// Says what a pack holds; the exporting node signs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The town's root public key, in hexadecimal.
    pub town: NodeId,
    /// The case.
    pub case: DocumentId,
    /// What people call it by.
    pub number: String,
    /// Who made it.
    pub exporter: Exporter,
    /// When, in milliseconds since 1970, by that node's clock.
    pub exported_ms: u64,
    /// Who asked for it, as the program that asked said; nobody checks that.
    #[serde(default)]
    pub asked_by: Option<String>,
    /// Why personal data is in clear; `None`: it is masked, and photos are left out.
    #[serde(default)]
    pub reason: Option<String>,
    /// Every other file but the signature.
    pub files: BTreeMap<String, Listed>,
    /// What the authors' signatures prove, in Chinese and English.
    pub proved_by_authors: String,
    /// What only the exporting node vouches for, in Chinese and English.
    pub vouched_by_exporter: String,
}

/// [`Manifest::proved_by_authors`].
pub const PROVED: &str = "列有 proof 的每条记录：由该证书的节点逐字节写入其签名日志的该位置，证书可上溯至本镇根密钥 / each event with a proof: the node of that certificate recorded it, byte for byte, at that place of its signed log; the certificate leads to the town's root key";
/// [`Manifest::vouched_by_exporter`].
pub const VOUCHED: &str = "仅由导出节点签名担保：没有遗漏记录；作者证书在记录时未被吊销；时限（按镇日历）；所列办理流程未失效；反映人；未列 proof 的记录（原因见各条 unproved） / vouched for by the exporting node's signature alone: that no event is left out; that no author was revoked before; the end of the limit, which follows from the town's calendar; that the rules of cases listed are not void; who reported; events without a proof (each says why: unproved)";

/// The entries of a pack, and the certificates of their authors.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proofs {
    /// Certificates as they were signed, in base64; each after those it stands on.
    pub certificates: Vec<String>,
    /// Entries.
    pub entries: Vec<EntryLine>,
    /// Entries that carry editions of the rules.
    #[serde(default)]
    pub rules: Vec<EntryLine>,
}

/// One entry; byte strings in base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryLine {
    /// BLAKE3 of its header.
    pub entry: EntryId,
    /// Its header: 190 bytes, as described in `entry` of the core's documentation.
    pub header: String,
    /// The headers after it, up to the one that is signed.
    pub after: Vec<String>,
    /// Ed25519 over `"townmesh/entry/1"` and the last of these headers.
    pub signature: String,
    /// The sealed body; `None` where it also says something of other documents.
    pub body: Option<String>,
    /// The key of that body alone.
    pub key: Option<String>,
}

/// Base64 as packs have it.
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn unbase64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

impl EntryLine {
    /// The line of a proof.
    pub fn of(proof: &EntryProof) -> Self {
        let header = |header: &Header| base64(&header.to_bytes());
        Self {
            entry: proof.header.id(),
            header: header(&proof.header),
            after: proof.after.iter().map(header).collect(),
            signature: base64(&proof.signature),
            body: proof.opened.as_ref().map(|(body, _)| base64(body)),
            key: proof.opened.as_ref().map(|(_, key)| base64(key.as_bytes())),
        }
    }

    /// The proof of a line; `None` where it has not the form of one.
    fn proof(&self) -> Option<EntryProof> {
        let header = |text: &String| Header::from_bytes(&<[u8; HEADER_LEN]>::try_from(unbase64(text)?).ok()?).ok();
        let opened = match (&self.body, &self.key) {
            (None, None) => None,
            (Some(body), Some(key)) => {
                Some((unbase64(body)?, BodyKey::from_bytes(<[u8; 32]>::try_from(unbase64(key)?).ok()?)))
            }
            (Some(_), None) | (None, Some(_)) => return None,
        };
        Some(EntryProof {
            header: header(&self.header)?,
            after: self.after.iter().map(header).collect::<Option<_>>()?,
            signature: <[u8; SIGNATURE_LEN]>::try_from(unbase64(&self.signature)?).ok()?,
            opened,
        })
    }
}
