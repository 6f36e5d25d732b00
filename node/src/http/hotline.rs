//! A list of calls to the hotline (12345) becomes cases.

use std::collections::BTreeMap;
use std::io::Cursor;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use townmesh_crdt::clock::Millis;
use townmesh_crdt::command::case::{self, Actor, NewCase};
use townmesh_crdt::command::town::Imported;
use townmesh_crdt::command::{CommandError, table};
use townmesh_crdt::domain::case::{Report, Source};
use townmesh_crdt::domain::key::normalise;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::role::Role;
use townmesh_crdt::domain::tables::Tables;
use townmesh_crdt::namespace::NamespaceKind;
use townmesh_crdt::replica::{RecordError, Replica};
use townmesh_crdt::store::StoreError;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::bounds::Params;
use super::error::ApiError;
use super::import::writable_regions;
use super::openapi::problems::Written;
use crate::ledger::{
    HotlineCall, HotlineList, HotlineNames, LedgerError, Problem, ProblemKind, RejectedRow, read_hotline,
};

/// Calls recorded in one durable step.
const BATCH: usize = 100;
/// Nobody calls tomorrow; a clock may be a day ahead.
const DAY_MS: u64 = 86_400_000;
/// Under which name calls are recorded, and what their keys begin with.
const BY: &str = "12345";

/// How the list is to be read.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct HotlineQuery {
    /// The village of rows without one.
    region: Option<RegionCode>,
}

#[utoipa::path(
    post,
    path = "/v1/cases/import",
    operation_id = "importCalls",
    tag = "cases",
    summary = "导入 12345 工单 / a list of calls to the hotline",
    params(HotlineQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "CSV, XLSX"),
    responses(
        (status = 200, description = "结果 / what was asked for", body = CallsImported),
        Written
    )
)]
pub(super) async fn import(
    State(api): State<Api>,
    Params(query): Params<HotlineQuery>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let place = api.bounds().heavy()?;
    if api.engine().read(|replica| replica.spares_disk()).await? {
        return Err(CommandError::from(RecordError::DiskLow).into());
    }
    let mut names = api.engine().read(names).await??;
    names.default_region = query.region;
    let read = tokio::task::spawn_blocking(move || read_hotline(&names, Cursor::new(body))).await;
    let HotlineList { mut calls, mut rejected, warnings, ignored } =
        read.map_err(|_| ApiError::from(LedgerError::Stopped))??;
    let (mut created, mut unchanged) = (0, 0);
    while !calls.is_empty() {
        let rest = calls.split_off(BATCH.min(calls.len()));
        let batch = std::mem::replace(&mut calls, rest);
        let (imported, refused) =
            api.engine().record(move |replica: &mut Replica, now| record(replica, batch, now)).await?;
        created += imported.created;
        unchanged += imported.unchanged;
        rejected.extend(refused);
    }
    drop(place);
    rejected.sort_by_key(|row| row.row);
    Ok(Json(CallsImported { created, ignored_columns: ignored, rejected, unchanged, warnings }).into_response())
}

/// What a list of calls came to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CallsImported {
    /// Calls that became cases.
    created: u64,
    /// Headers that were not understood.
    ignored_columns: Vec<String>,
    /// Rows that are wrong.
    rejected: Vec<RejectedRow>,
    /// Calls that were cases before.
    unchanged: u64,
    /// Rows that were taken though something of them could not be read.
    warnings: Vec<RejectedRow>,
}

/// What the rows of a list may name on this node.
fn names(replica: &mut Replica) -> Result<HotlineNames, StoreError> {
    let regions = writable_regions(replica, NamespaceKind::Cases)?;
    let tables = table::tables(replica)?;
    Ok(HotlineNames { regions, default_region: None, categories: categories(&tables) })
}

/// Keys of categories by key and by name.
fn categories(tables: &Tables) -> BTreeMap<String, String> {
    let mut categories = BTreeMap::new();
    for code in tables.category_codes() {
        let names = tables.category(code).into_iter().flat_map(|category| [&category.chinese, &category.english]);
        let names = names.flatten().map(String::as_str).chain([code]);
        categories.extend(names.map(|name| (normalise(name), code.to_owned())));
    }
    categories
}

/// Stages a batch. A call that is refused for what it says comes back; a failing store ends the import.
fn record(
    replica: &mut Replica,
    batch: Vec<HotlineCall>,
    now: Millis,
) -> Result<(Imported, Vec<RejectedRow>), CommandError> {
    let (mut imported, mut refused) = (Imported::default(), Vec::new());
    for call in batch {
        let (row, cells) = (call.row, call.cells.clone());
        if let Some((text, _)) = call.time.as_ref().filter(|(_, millis)| *millis > now + DAY_MS) {
            let kind = ProblemKind::Time(text.clone());
            let problems = vec![Problem { column: String::new(), kind }];
            refused.push(RejectedRow { row, cells, original: None, problems });
            continue;
        }
        let (actor, new) = report(call, now);
        match case::report(replica, &actor, new, now) {
            Ok(outcome) => imported.count(&outcome),
            Err(error @ (CommandError::Store(_) | CommandError::RoleNotHeld { .. })) => return Err(error),
            Err(error) if replica.has_failed() => return Err(error),
            Err(error) => {
                let kind = ProblemKind::Refused { code: error.code(), zh: error.chinese(), en: error.to_string() };
                let problems = vec![Problem { column: String::new(), kind }];
                refused.push(RejectedRow { row, cells, original: None, problems });
            }
        }
    }
    Ok((imported, refused))
}

fn report(call: HotlineCall, now: Millis) -> (Actor, NewCase) {
    let noticed = call.time.as_ref().map_or(now, |(_, millis)| *millis);
    let when = call.time.map(|(text, _)| format!("，来电 / called {text}")).unwrap_or_default();
    let note = format!("12345 工单 / ticket {}{when}", call.ticket);
    let report = Report {
        source: Source::Public,
        category: call.category,
        place: call.place,
        position: call.position,
        description: call.description,
        region: None,
        device: None,
        reporter: None,
        photos: vec![],
        found_ms: None,
    };
    let natural_key = Some(format!("{BY}:{}", call.ticket).into_bytes());
    let actor = Actor { by: BY.to_owned(), role: Role::IntakeClerk, note: Some(note) };
    (actor, NewCase { region: call.region, natural_key, noticed, report, reporter: Some(call.caller) })
}
