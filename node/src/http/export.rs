//! Households go out as a file.

use std::io;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use townmesh_crdt::command::household;
use townmesh_crdt::command::town;
use townmesh_crdt::domain::household::{Household, Resident};
use townmesh_crdt::domain::region::{Region, RegionCode};
use townmesh_crdt::id::DocumentId;
use townmesh_crdt::namespace::{Namespace, NamespaceKind};
use townmesh_crdt::policy::DocumentKind;
use townmesh_crdt::replica::Replica;
use townmesh_crdt::store::StoreError;
use utoipa::IntoParams;

use super::Api;
use super::bounds::Params;
use super::error::ApiError;
use super::lines::{self, Pieces};
use super::openapi::problems::{Noted, Wrong};
use super::reveal::{Asker, Asking, Reason, Shown};
use crate::ledger::{ExportFormat, ExportedHousehold, RegionTable, write_households};
use crate::message::Message;
use crate::reveals::RevealKind;

/// Documents read in one go.
const PAGE: usize = 200;
/// Bytes sent in one piece.
const PIECE: usize = 64 << 10;

/// What to write, and how.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ExportQuery {
    /// `csv`, `xlsx` or `geojson`.
    #[param(pattern = "^(csv|xlsx|geojson|json)$")]
    format: Option<String>,
    /// Only in this region and within it.
    region: Option<RegionCode>,
    /// Why personal data is to be written in clear; masked without.
    reveal: Option<String>,
}

#[utoipa::path(
    get,
    path = "/v1/export",
    operation_id = "exportHouseholds",
    tag = "files",
    summary = "导出户 / households as a file",
    params(ExportQuery, Asking),
    responses(
        (status = 200, description = "CSV, XLSX, GeoJSON", content((String = "text/csv"), (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"), (Object = "application/geo+json"))),
        Wrong,
        Noted
    )
)]
pub(super) async fn export(
    State(api): State<Api>,
    asker: Asker,
    Params(query): Params<ExportQuery>,
) -> Result<Response, ApiError> {
    let place = api.bounds().heavy()?;
    let name = query.format.unwrap_or_else(|| "csv".to_owned());
    let format = ExportFormat::of_name(&format!(".{name}")).ok_or_else(|| {
        let message =
            Message::new("format", "格式须为 csv、xlsx 或 geojson", "the format must be csv, xlsx or geojson");
        ApiError::bad_request(message)
    })?;
    let reason = Reason::of(query.reveal)?;
    let reveal = reason.is_some();
    let (regions, registries) = api.engine().read(move |replica| registries(replica, query.region)).await??;
    let households = collect(&api, registries, reveal).await?;
    if let Some(reason) = reason {
        let count = Some(households.len() as u64);
        api.note_reveal(asker, reason, Shown::many(RevealKind::Export, count)).await?;
    }
    let (sender, body) = lines::body();
    tokio::task::spawn_blocking(move || {
        let exported = households.iter().map(|(household, residents)| ExportedHousehold { household, residents });
        let mut output = io::BufWriter::with_capacity(PIECE, Output(sender.clone()));
        if let Err(error) =
            write_households(exported, &regions, format, &mut output).and_then(|()| Ok(io::Write::flush(&mut output)?))
        {
            tracing::warn!(%error, "an export was not completed");
            let _ = sender.blocking_send(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        drop(place);
    });
    let (kind, extension) = match format {
        ExportFormat::Csv => ("text/csv; charset=utf-8", "csv"),
        ExportFormat::Xlsx => ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
        ExportFormat::GeoJson => ("application/geo+json", "geojson"),
    };
    let disposition = format!("attachment; filename=\"households.{extension}\"");
    Ok(([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, disposition)], body).into_response())
}

/// Every household of these registries.
async fn collect(api: &Api, registries: Vec<Namespace>, reveal: bool) -> Result<Vec<Exported>, ApiError> {
    let mut households = Vec::new();
    for namespace in registries {
        let mut after = None;
        loop {
            let namespace = namespace.clone();
            let (found, last) = api.engine().read(move |replica| page(replica, &namespace, after, reveal)).await??;
            households.extend(found);
            match last {
                Some(last) => after = Some(last),
                None => break,
            }
        }
    }
    Ok(households)
}

/// The names of regions, and the registries to read.
fn registries(replica: &mut Replica, region: Option<RegionCode>) -> Result<(RegionTable, Vec<Namespace>), StoreError> {
    let regions: Vec<Region> = town::all::<Region>(replica)?.into_iter().map(|found| found.record).collect();
    let prefix = region.map(|region| region.to_string()).unwrap_or_default();
    let readable = replica.namespaces().into_iter().filter(|(_, namespace, _, readable)| {
        *readable && namespace.kind == NamespaceKind::Registry && namespace.region.starts_with(&prefix)
    });
    let mut registries: Vec<Namespace> = readable.map(|(_, namespace, ..)| namespace).collect();
    registries.sort();
    Ok((RegionTable::new(&regions), registries))
}

type Exported = (Household, Vec<Resident>);
type HouseholdPage = (Vec<Exported>, Option<DocumentId>);

/// Some households of a registry, and after which to go on.
fn page(
    replica: &mut Replica,
    namespace: &Namespace,
    after: Option<DocumentId>,
    reveal: bool,
) -> Result<HouseholdPage, StoreError> {
    let documents = replica.documents(replica.namespace_id(namespace), after, PAGE)?;
    let last = documents.last().map(|(document, _)| *document);
    let mut households = Vec::new();
    for (document, code) in documents {
        if DocumentKind::from_code(code) != Some(DocumentKind::Household) {
            continue;
        }
        let Some(found) = household::read(replica, namespace, document)? else { continue };
        let found = if reveal { found } else { found.masked() };
        households.push((found.household, found.residents.into_iter().map(|one| one.resident).collect()));
    }
    Ok((households, last))
}

/// Writes into the body of an answer.
struct Output(Pieces);

impl io::Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map(|()| bytes.len()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
