//! A ledger comes in as a file and goes into the registry; every row that is wrong comes back with reasons.
//!
//! The body is the file; the answer is JSON lines: `{"rejected": ...}` for each row that is wrong, `{"progress": ...}` after
//! each batch that became durable, and at the end `{"done": ...}` or `{"error": ...}`. The upload waits in a file that has no
//! name any more, since it holds personal data.

use std::collections::{BTreeSet, HashMap};
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use townmesh_crdt::certificate::Access;
use townmesh_crdt::clock::Millis;
use townmesh_crdt::command::household::{self, HouseholdInput};
use townmesh_crdt::command::town::Imported;
use townmesh_crdt::command::{CommandError, town};
use townmesh_crdt::domain::region::{Region, RegionCode};
use townmesh_crdt::entry::Lane;
use townmesh_crdt::id::ResidentId;
use townmesh_crdt::namespace::NamespaceKind;
use townmesh_crdt::replica::{RecordError, Replica};
use townmesh_crdt::store::StoreError;
use utoipa::IntoParams;

use super::Api;
use super::bounds::{BODY_PAUSE, Params};
use super::error::ApiError;
use super::lines::{self, Gone, Lines};
use super::openapi::problems::Written;
use crate::data_dir::{DataDir, FileError};
use crate::ledger::{
    Format, LedgerError, LedgerHousehold, Limits, Mapping, Problem, ProblemKind, Reading, RegionTable, RejectedRow,
    Summary, Visitor, write_rejects,
};
use crate::message::{Explain as _, Message};

/// Households recorded in one durable step.
const BATCH: usize = 200;
/// Parts that may wait between reading and recording.
const WAITING: usize = 8;
/// Rejected rows that are given back as a file.
const KEPT: usize = 50_000;

/// How the file is to be read.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ImportQuery {
    /// `csv`, `xlsx` or `jsonl`; told from the content where not given.
    #[param(pattern = "^(csv|tsv|txt|xlsx|xlsm|jsonl|ndjson|json)$")]
    format: Option<String>,
    /// The sheet of a workbook; the first with rows where none is named.
    sheet: Option<String>,
    /// A JSON list of rules `column=field`.
    map: Option<String>,
    /// The village of rows without one.
    region: Option<RegionCode>,
    /// Whether to give rejected rows back as a file like the ledger, in base64 as `rejects_file` of `done`.
    rejects: bool,
}

#[utoipa::path(
    post,
    path = "/v1/import",
    operation_id = "importLedger",
    tag = "files",
    summary = "导入台账 / import a ledger file",
    params(ImportQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "CSV, XLSX, JSON lines"),
    responses(
        (status = 200, description = "每行一个 JSON：rejected、progress、done、error / a JSON object a line", body = String, content_type = "application/x-ndjson"),
        Written
    )
)]
pub(super) async fn import(
    State(api): State<Api>,
    Params(query): Params<ImportQuery>,
    body: Body,
) -> Result<Response, ApiError> {
    let place = api.bounds().heavy()?;
    let wrong = |what: &str| {
        ApiError::bad_request(Message::new(
            "query",
            format!("参数 {what} 有误"),
            format!("the parameter {what} is wrong"),
        ))
    };
    let format = match query.format {
        Some(name) => Some(Format::of_name(&format!(".{name}")).ok_or_else(|| wrong("format"))?),
        None => None,
    };
    let rules: Vec<String> = match query.map {
        Some(map) => serde_json::from_str(&map).map_err(|_| wrong("map"))?,
        None => vec![],
    };
    let mut mapping = Mapping::parse(rules)?;
    if let Some(region) = query.region {
        mapping = mapping.with_default_region(region);
    }
    if api.engine().read(|replica| replica.spares_disk()).await? {
        return Err(CommandError::from(RecordError::DiskLow).into());
    }
    let regions = api.engine().read(|replica| writable_regions(replica, NamespaceKind::Registry)).await??;
    let file = receive(api.directory(), body).await?;
    Ok(lines::answer(async move |lines| {
        // A reader that went away stops the import after the batch that is being recorded.
        let _ =
            run(&api, &lines, file, Options { regions, mapping, format, sheet: query.sheet, rejects: query.rejects })
                .await;
        drop(place);
    }))
}

/// The villages whose registry, or cases, this node may write, with their names as far as they are known here.
pub(super) fn writable_regions(replica: &mut Replica, kind: NamespaceKind) -> Result<RegionTable, StoreError> {
    let known: Vec<Region> = town::all::<Region>(replica)?.into_iter().map(|found| found.record).collect();
    let registries = replica.namespaces().into_iter();
    let registries = registries
        .filter(|(_, namespace, access, readable)| namespace.kind == kind && *access == Access::Hold && *readable);
    let codes = registries.filter_map(|(_, namespace, ..)| namespace.region.parse::<RegionCode>().ok());
    let regions: Vec<Region> = codes
        .map(|code| {
            let named = known.iter().find(|region| region.code == Some(code)).cloned();
            named.unwrap_or(Region { code: Some(code), ..Region::default() })
        })
        .collect();
    Ok(RegionTable::new(&regions))
}

/// Takes the upload into a file without a name.
async fn receive(directory: &DataDir, body: Body) -> Result<File, ApiError> {
    let limit = Limits::default().file_bytes;
    let file = nameless(directory)?;
    let failed = |error| FileError::at(&directory.uploads())(error);
    let mut writing = tokio::fs::File::from_std(file.try_clone().map_err(failed)?);
    let (mut stream, mut received) = (body.into_data_stream(), 0_u64);
    loop {
        let next = tokio::time::timeout(BODY_PAUSE, stream.next()).await;
        let cut_off = || {
            let message = Message::new("upload", "文件没有传完", "the file did not arrive completely");
            ApiError { status: StatusCode::REQUEST_TIMEOUT, message: message.remedy("重新上传", "send it again") }
        };
        let Some(piece) = next.map_err(|_| cut_off())? else { break };
        let piece = piece.map_err(|_| cut_off())?;
        received += piece.len() as u64;
        if received > limit {
            let message = LedgerError::FileTooLarge { bytes: received, limit }.explain();
            return Err(ApiError { status: StatusCode::PAYLOAD_TOO_LARGE, message });
        }
        writing.write_all(&piece).await.map_err(failed)?;
    }
    writing.flush().await.map_err(failed)?;
    Ok(file)
}

fn nameless(directory: &DataDir) -> Result<File, FileError> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let uploads = directory.uploads();
    std::fs::create_dir_all(&uploads).map_err(FileError::at(&uploads))?;
    let name = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let path = uploads.join(name);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&path).map_err(FileError::at(&path))?;
    // Where an open file cannot be removed it stays until the next upload under its name replaces it.
    let _ = std::fs::remove_file(&path);
    Ok(file)
}

struct Options {
    regions: RegionTable,
    mapping: Mapping,
    format: Option<Format>,
    sheet: Option<String>,
    rejects: bool,
}

/// What reading hands over to recording.
enum Part {
    Households(Vec<LedgerHousehold>, u64),
    Rejected(RejectedRow),
}

/// Reads on a thread of its own; stops when nobody takes the parts.
struct Sender {
    parts: mpsc::Sender<Part>,
    batch: Vec<LedgerHousehold>,
    rows: u64,
}

impl Sender {
    fn send(&mut self, part: Part) -> ControlFlow<()> {
        match self.parts.blocking_send(part) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    fn flush(&mut self) -> ControlFlow<()> {
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() { ControlFlow::Continue(()) } else { self.send(Part::Households(batch, self.rows)) }
    }
}

impl Visitor for Sender {
    fn household(&mut self, household: LedgerHousehold) -> ControlFlow<()> {
        self.rows = household.first_row;
        self.batch.push(household);
        if self.batch.len() >= BATCH { self.flush() } else { ControlFlow::Continue(()) }
    }

    fn rejected(&mut self, row: RejectedRow) -> ControlFlow<()> {
        self.send(Part::Rejected(row))
    }
}

fn read(mut file: File, options: &Options, parts: mpsc::Sender<Part>) -> Result<Summary, LedgerError> {
    io::Seek::rewind(&mut file)?;
    let mut reading = Reading::new(&options.regions);
    reading.mapping = options.mapping.clone();
    reading.format = options.format;
    reading.sheet = options.sheet.clone();
    let mut sender = Sender { parts, batch: Vec::new(), rows: 0 };
    let summary = reading.each(io::BufReader::new(file), &mut sender)?;
    if sender.flush().is_break() { Err(LedgerError::Stopped) } else { Ok(summary) }
}

/// What was recorded so far.
#[derive(Debug, Default, Clone, Serialize)]
struct Progress {
    rows: u64,
    created: u64,
    changed: u64,
    unchanged: u64,
    rejected: u64,
}

/// Whom this import recorded, by the natural key of the household.
type Recorded = HashMap<Vec<u8>, BTreeSet<ResidentId>>;

/// Rejected rows that go back as a file.
#[derive(Default)]
struct Kept {
    most: usize,
    rows: Vec<RejectedRow>,
    /// Rows for which there was no room.
    left_out: u64,
}

impl Kept {
    fn push(&mut self, row: RejectedRow) {
        if self.rows.len() < self.most {
            self.rows.push(row);
        } else if self.most > 0 {
            self.left_out += 1;
        }
    }
}

fn rejected_line(row: &RejectedRow) -> Value {
    json!({ "row": row.row, "problems": row.problems, "cells": row.cells, "original": row.original })
}

async fn run(api: &Api, lines: &Lines, file: File, options: Options) -> Result<(), Gone> {
    let (sender, mut parts) = mpsc::channel(WAITING);
    let mut kept = Kept { most: if options.rejects { KEPT } else { 0 }, ..Kept::default() };
    let mut seen = Recorded::new();
    let reading = tokio::task::spawn_blocking(move || read(file, &options, sender));
    let mut progress = Progress::default();
    while let Some(part) = parts.recv().await {
        match part {
            Part::Rejected(row) => {
                progress.rejected += 1;
                lines.line("rejected", &rejected_line(&row)).await?;
                kept.push(row);
            }
            Part::Households(batch, rows) => {
                let mut taken = std::mem::take(&mut seen);
                let job = move |replica: &mut Replica, now| {
                    record(replica, batch, &mut taken, now).map(|(imported, refused)| (imported, refused, taken))
                };
                let (imported, refused) = match api.engine().record(job).await {
                    Ok((imported, refused, taken)) => {
                        seen = taken;
                        (imported, refused)
                    }
                    Err(error) => return lines.line("error", &error.explain()).await,
                };
                progress.rows = rows;
                progress.created += imported.created;
                progress.changed += imported.changed;
                progress.unchanged += imported.unchanged;
                progress.rejected += refused.len() as u64;
                for row in refused {
                    lines.line("rejected", &rejected_line(&row)).await?;
                    kept.push(row);
                }
                lines.line("progress", &progress).await?;
            }
        }
    }
    match reading.await {
        Ok(Ok(summary)) => {
            let Progress { created, changed, unchanged, rejected, .. } = progress;
            let file = (!kept.rows.is_empty()).then(|| rejects_file(&summary, &kept.rows));
            let done = json!({
                "summary": summary, "created": created, "changed": changed, "unchanged": unchanged, "rejected": rejected,
                "rejects_file": file, "rejects_left_out": kept.left_out,
            });
            lines.line("done", &done).await
        }
        Ok(Err(error)) => lines.line("error", &error.explain()).await,
        Err(_) => lines.line("error", &LedgerError::Stopped.explain()).await,
    }
}

/// The rejected rows as a file like the ledger, with reasons, in base64.
fn rejects_file(summary: &Summary, rows: &[RejectedRow]) -> String {
    let mut bytes = Vec::new();
    if let Err(error) = write_rejects(summary.format, &summary.header, rows, &mut bytes) {
        tracing::warn!(%error, "rejected rows could not be written as a file");
    }
    STANDARD.encode(bytes)
}

/// Stages a batch. A household that is refused for what it says comes back; a failing store ends the import.
fn record(
    replica: &mut Replica,
    batch: Vec<LedgerHousehold>,
    seen: &mut Recorded,
    now: Millis,
) -> Result<(Imported, Vec<RejectedRow>), CommandError> {
    let (mut imported, mut refused) = (Imported::default(), Vec::new());
    for LedgerHousehold { household, residents, rows, .. } in batch {
        let taken = seen.entry(household.natural_key().unwrap_or_default()).or_default();
        match household::record_apart(replica, &HouseholdInput { household, residents }, taken, Lane::Bulk, now) {
            Ok(outcome) => {
                imported.count(&outcome);
                taken.extend(outcome.into_value().residents);
            }
            Err(error @ CommandError::Store(_)) => return Err(error),
            Err(error) if replica.has_failed() => return Err(error),
            Err(error) => {
                let kind = ProblemKind::Refused { code: error.code(), zh: error.chinese(), en: error.to_string() };
                let problem = Problem { column: String::new(), kind };
                refused.extend(rows.into_iter().map(|row| RejectedRow { problems: vec![problem.clone()], ..row }));
            }
        }
    }
    Ok((imported, refused))
}
