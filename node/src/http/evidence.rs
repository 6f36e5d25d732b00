//! A case goes out of the town as an evidence pack.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use townmesh_crdt::codec::BodyCodec;
use townmesh_crdt::command::case::{self, CaseRef, Held};
use townmesh_crdt::command::{life_cycle, photo, table};
use townmesh_crdt::domain::case::LifeCycle;
use townmesh_crdt::domain::inspection::PhotoHash;
use townmesh_crdt::domain::number::SpokenNumber;
use townmesh_crdt::domain::person::PersonalData;
use townmesh_crdt::id::{CertificateId, DocumentId, NodeId};
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::policy::DocumentKind;
use townmesh_crdt::replica::{Found, Replica};
use townmesh_crdt::store::StoreError;
use utoipa::IntoParams;

use super::Api;
use super::bounds::{Named, Params};
use super::cases::CaseName;
use super::error::ApiError;
use super::lines::{self, Pieces};
use super::locate::namespace_of;
use super::openapi::problems::{Clashing, Noted, Sought};
use super::reveal::{Asker, Asking, Reason, Shown};
use crate::engine;
use crate::evidence::{
    ArchiveError, ArchiveWriter, CASE, CaseFile, EntryLine, Exporter, FORMAT, Fact, Listed, MANIFEST, MAX_FILE_BYTES,
    MAX_PHOTO_BYTES, MAX_PHOTOS, Manifest, PROOF, PROVED, PhotoFact, Proofs, REPORT, RulesFact, SIGNATURE, Unproved,
    VOUCHED, base64, hex, report,
};
use crate::message::{Explain, Message};
use crate::reveals::RevealKind;

/// A photo that goes into a pack.
struct Picture {
    hash: PhotoHash,
    file: String,
}

/// What a pack consists of, but for the bytes of its photos.
struct Pack {
    /// Files with their bytes, in the order of the archive.
    files: Vec<(String, Vec<u8>)>,
    pictures: Vec<Picture>,
    number: String,
}

/// Why a pack is made, and whether it shows people in clear.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct EvidenceQuery {
    /// Why; it is noted.
    reveal: Option<String>,
    /// Who reported in clear, and photos.
    people: bool,
}

#[utoipa::path(
    get,
    path = "/v1/cases/{id}/evidence",
    operation_id = "exportEvidence",
    tag = "cases",
    summary = "证据包 / a pack that proves a case outside the town",
    params(("id" = CaseName, Path, description = "案卷或编号 / case, or its number"), EvidenceQuery, Asking),
    responses(
        (status = 200, description = "ZIP", body = Vec<u8>, content_type = "application/zip"),
        Sought,
        Clashing,
        Noted
    )
)]
pub(super) async fn export(
    State(api): State<Api>,
    asker: Asker,
    Named(name): Named<CaseName>,
    Params(query): Params<EvidenceQuery>,
) -> Result<Response, ApiError> {
    // What people wrote of a case is in the signed records, word by word: nobody can mask it.
    let (zh, en) = ("导出证据包须说明理由", "an evidence pack leaves the town: say why");
    let reason = Reason::required(query.reveal, zh, en)?;
    let document = api.case_named(name).await?;
    let place = api.bounds().heavy()?;
    let (mut file, proofs) = collect(&api, document, query.people).await?;
    let pictures = photos(&api, &mut file, query.people).await?;
    let shown = [document.to_string()].into_iter().chain(pictures.iter().map(|(picture, _)| picture.hash.to_string()));
    api.note_reveal(asker.clone(), reason.clone(), Shown::documents(RevealKind::Evidence, shown.collect())).await?;
    let asked = Asked { by: asker.user(), reason: Some(reason.words().to_owned()) };
    let pack = api.engine().read(move |replica| pack(replica, &file, &proofs, pictures, asked)).await??;
    let disposition = format!("attachment; filename=\"case-{}.zip\"", pack.number);
    let (sender, body) = lines::body();
    tokio::spawn(async move {
        if let Err(error) = send(&api, pack, &sender).await {
            tracing::warn!(%error, "an evidence pack was not completed");
            let _ = sender.send(Err(std::io::ErrorKind::UnexpectedEof.into())).await;
        }
        drop(place);
    });
    let headers = [
        (header::CONTENT_TYPE, "application/zip".to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    Ok((headers, body).into_response())
}

/// The case's events with what proves them.
async fn collect(api: &Api, document: DocumentId, reveal: bool) -> Result<(CaseFile, Proofs), ApiError> {
    let found = api.engine().read(move |replica| gather(replica, document, reveal)).await??;
    found.ok_or_else(|| ApiError::not_found("本节点没有此案卷", "there is no such case here"))
}

fn gather(replica: &mut Replica, document: DocumentId, reveal: bool) -> Result<Option<(CaseFile, Proofs)>, StoreError> {
    let Some(namespace) = namespace_of(replica, DocumentKind::Case, document)? else { return Ok(None) };
    let case = CaseRef { namespace, document };
    let held = case::held(replica, &case)?;
    let found = replica.evidence(&case.namespace, document)?;
    let mut file = CaseFile::new(document, case.namespace.to_string(), !reveal);
    let mut reporters = case::reporters(replica, &case)?;
    if !reveal {
        reporters.iter_mut().for_each(|one| one.data = one.data.as_ref().map(PersonalData::masked));
    }
    file.reporters = reporters.iter().map(|reporter| json!(reporter)).collect();
    // Several reporters come in no particular order; the same pack has the same bytes.
    file.reporters.sort_by_cached_key(ToString::to_string);
    let mut proofs = Proofs::default();
    let certificates = prove(replica, held, &found, (&mut file, &mut proofs));
    let tables = table::tables(replica)?;
    let publishers = prove_rules(replica, tables.life_cycle(), (&mut file, &mut proofs))?;
    proofs.certificates = chains(replica, certificates.into_iter().chain(publishers).collect());
    let folded = file.fold();
    file.due_ms = folded.deadline(tables.calendar(), 0).and_then(|deadline| deadline.due);
    Ok(Some((file, proofs)))
}

/// Adds the rules that the events name, each with the entry that carries it; the certificates of who published them.
fn prove_rules(
    replica: &mut Replica,
    life_cycle: &LifeCycle,
    (file, proofs): (&mut CaseFile, &mut Proofs),
) -> Result<BTreeSet<CertificateId>, StoreError> {
    let named = life_cycle.resting_on(file.named_rules());
    let mut publishers = BTreeSet::new();
    let (Some(document), false) = (life_cycle::document(replica), named.is_empty()) else { return Ok(publishers) };
    let found = replica.evidence(&Namespace::town(), document)?;
    let mut codec = BodyCodec::new().ok();
    for published in named {
        let mut fact = RulesFact::new(&published.input, document);
        let carries = |one: &&Found| {
            let header = &one.proof.header;
            one.records.contains(&published.id)
                && (header.time.0, header.log.author) == (published.input.time, published.input.author)
        };
        if let Some(one) = found.iter().find(carries).filter(|one| is_alone(one, document, codec.as_mut())) {
            let line = EntryLine::of(&one.proof);
            publishers.insert(one.proof.header.certificate);
            fact.proof = Some(line.entry);
            proofs.rules.push(line);
        }
        file.rules.push(fact);
    }
    Ok(publishers)
}

/// Adds each record with the entry that carries it; the certificates of their authors.
fn prove(
    replica: &Replica,
    held: Vec<Held>,
    found: &[Found],
    (file, proofs): (&mut CaseFile, &mut Proofs),
) -> BTreeSet<CertificateId> {
    let (mut certificates, mut lines) = (BTreeSet::new(), BTreeMap::new());
    let mut codec = BodyCodec::new().ok();
    for Held { record, void, .. } in held {
        let certificate = record.certificate.unwrap_or_else(|| replica.certificate_id());
        certificates.insert(certificate);
        let name = replica.trust().certificate(&certificate).map(|known| known.name.clone()).unwrap_or_default();
        let mut fact = Fact::new(&record.bytes, record.time.0, record.author, name);
        fact.certificate = Some(certificate);
        fact.void = void;
        // Of the same record in two logs, the one that stands.
        let carries = |one: &&Found| {
            let header = &one.proof.header;
            one.records.contains(&record.id) && (header.time, header.log.author) == (record.time, record.author)
        };
        match found.iter().find(carries) {
            Some(one) if is_alone(one, file.case, codec.as_mut()) => {
                let line = EntryLine::of(&one.proof);
                fact.proof = Some(line.entry);
                lines.insert(line.entry, line);
            }
            Some(_) => fact.unproved = Some(Unproved::SharedEntry),
            None => fact.unproved = Some(Unproved::Unsigned),
        }
        file.events.push(fact);
    }
    proofs.entries = lines.into_values().collect::<Vec<EntryLine>>();
    certificates
}

/// Whether an entry says something of this case alone, so that its body may be opened to anybody who may read the case.
fn is_alone(found: &Found, document: DocumentId, codec: Option<&mut BodyCodec>) -> bool {
    let others = codec.and_then(|codec| found.proof.other_documents(codec, document).ok());
    found.proof.opened.is_some() && others == Some(0)
}

/// These certificates with those that they stand on, each once, each after those.
fn chains(replica: &Replica, certificates: BTreeSet<CertificateId>) -> Vec<String> {
    let mut statements: Vec<String> = Vec::new();
    for certificate in certificates {
        for statement in replica.trust().chain(&certificate).unwrap_or_default() {
            let statement = base64(&statement);
            if !statements.contains(&statement) {
                statements.push(statement);
            }
        }
    }
    statements
}

/// Notes every photo that the events name, and which of them go along: with a stated reason those that are here whole.
async fn photos(api: &Api, file: &mut CaseFile, reveal: bool) -> Result<Vec<(Picture, u64)>, ApiError> {
    let (mut pictures, mut total) = (Vec::new(), 0);
    for hash in file.named_photos().iter().filter_map(|hash| hash.parse::<PhotoHash>().ok()) {
        let mut fact = PhotoFact { hash: hash.to_string(), file: None, absent: None };
        if !reveal {
            fact.absent = Some("未附：须写明理由 / left out: it is shown for a stated reason only".into());
        } else {
            match api.engine().read(move |replica| whole(replica, hash)).await? {
                Ok(Some((length, extension))) if pictures.len() < MAX_PHOTOS && total + length <= MAX_PHOTO_BYTES => {
                    total += length;
                    let name = format!("photos/{hash}.{extension}");
                    fact.file = Some(name.clone());
                    pictures.push((Picture { hash, file: name }, length));
                }
                Ok(Some(_)) => fact.absent = Some("未附：照片过多 / left out: there are too many photos".into()),
                Ok(None) => {
                    fact.absent = Some("未附：本节点没有或不完整 / left out: it is not here, or not whole".into())
                }
                Err(error) => fact.absent = Some(format!("未附：无法打开 / left out: {error}")),
            }
        }
        file.photos.push(fact);
    }
    Ok(pictures)
}

/// Length of a photo that is here whole, and how its name ends.
fn whole(
    replica: &mut Replica,
    hash: PhotoHash,
) -> Result<Option<(u64, &'static str)>, townmesh_crdt::command::CommandError> {
    let Some(content) = photo::read(replica, hash)?.and_then(|photo| photo.content) else { return Ok(None) };
    let extension = match photo::media_type(&content) {
        Some("image/jpeg") => "jpg",
        Some("image/png") => "png",
        Some("image/webp") => "webp",
        Some(_) | None => "bin",
    };
    Ok(Some((content.len() as u64, extension)))
}

/// For whom and why.
struct Asked {
    by: Option<String>,
    reason: Option<String>,
}

/// A pack that would be too large.
#[derive(Debug, thiserror::Error)]
#[error("the case has more than fits into one evidence pack")]
pub(super) struct PackTooLarge;

impl From<PackTooLarge> for ApiError {
    fn from(error: PackTooLarge) -> Self {
        ApiError::bad_request(Message::new("pack_too_large", "案卷过大，无法装入一个证据包", error.to_string()))
    }
}

/// Writes every file but the photos, and signs.
fn pack(
    replica: &Replica,
    file: &CaseFile,
    proofs: &Proofs,
    pictures: Vec<(Picture, u64)>,
    asked: Asked,
) -> Result<Pack, PackTooLarge> {
    let shown = file.to_json();
    let number = SpokenNumber::of_case(file.case).to_string();
    let bytes = |value: &serde_json::Value| format!("{value:#}\n").into_bytes();
    let written = [(REPORT, report(&shown).into_bytes()), (CASE, bytes(&shown)), (PROOF, bytes(&json!(proofs)))];
    if written.iter().any(|(_, bytes)| bytes.len() as u64 > MAX_FILE_BYTES) {
        return Err(PackTooLarge);
    }
    let listed = written.iter().map(|(name, bytes)| {
        let blake3 = blake3::hash(bytes).to_hex().to_string();
        ((*name).to_owned(), Listed { bytes: bytes.len() as u64, blake3 })
    });
    let of_photos = pictures
        .iter()
        .map(|(picture, bytes)| (picture.file.clone(), Listed { bytes: *bytes, blake3: picture.hash.to_string() }));
    let certificate = replica.certificate_id();
    let manifest = Manifest {
        format: FORMAT,
        town: NodeId(*replica.trust().town()),
        case: file.case,
        number: number.clone(),
        exporter: Exporter {
            node: replica.node(),
            name: replica.certificate().name.clone(),
            certificate,
            chain: chains(replica, [certificate].into()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
        exported_ms: engine::now(),
        asked_by: asked.by,
        reason: asked.reason,
        files: listed.chain(of_photos).collect(),
        proved_by_authors: PROVED.to_owned(),
        vouched_by_exporter: VOUCHED.to_owned(),
    };
    let manifest = bytes(&json!(manifest));
    let signature = format!("{}\n", hex(&replica.sign_evidence(&manifest))).into_bytes();
    let head = [(MANIFEST.to_owned(), manifest), (SIGNATURE.to_owned(), signature)];
    let files = head.into_iter().chain(written.map(|(name, bytes)| (name.to_owned(), bytes))).collect();
    Ok(Pack { files, pictures: pictures.into_iter().map(|(picture, _)| picture).collect(), number })
}

/// Why a pack broke off.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the reader went away")]
    Gone,
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error("the photo {0} is not here any more")]
    Photo(PhotoHash),
    #[error("{0}")]
    Other(String),
}

/// Sends the files, one photo in memory at a time.
async fn send(api: &Api, pack: Pack, sender: &Pieces) -> Result<(), Broken> {
    let mut archive = ArchiveWriter::default();
    let say = async |bytes: Vec<u8>| sender.send(Ok(Bytes::from(bytes))).await.map_err(|_| Broken::Gone);
    for (name, bytes) in pack.files {
        say(archive.file(&name, &bytes)?).await?;
        say(bytes).await?;
    }
    for Picture { hash, file } in pack.pictures {
        let found = api.engine().read(move |replica| photo::read(replica, hash)).await;
        let found = found.map_err(|error| Broken::Other(error.explain().en))?;
        let found = found.map_err(|error| Broken::Other(error.to_string()))?;
        let bytes = found.and_then(|photo| photo.content).ok_or(Broken::Photo(hash))?;
        say(archive.file(&file, &bytes)?).await?;
        say(bytes).await?;
    }
    say(archive.end()?).await
}
