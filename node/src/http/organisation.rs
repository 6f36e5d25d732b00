//! How the town is organised, and how that goes: posts and shifts, campaigns, responses, escalation.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use townmesh_crdt::command::table;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::role::Role;
use townmesh_crdt::namespace::NamespaceKind;

use super::Api;
use super::assessment::check_period;
use super::bounds::{Named, Params};
use super::completeness::{self, Complete};
use super::error::ApiError;
use crate::engine;
use crate::views::{EscalationFilter, StaffingFilter, WorklistFilter};

/// An answer with how complete the data is that it was made from.
#[derive(Debug, Serialize)]
struct Told<T> {
    now_ms: i64,
    #[serde(flatten)]
    answer: T,
    completeness: Complete,
}

fn now() -> i64 {
    engine::now().cast_signed()
}

/// Of which period, and where.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StaffingQuery {
    from_ms: i64,
    until_ms: i64,
    region: Option<RegionCode>,
}

pub(super) async fn staffing(
    State(api): State<Api>,
    Params(query): Params<StaffingQuery>,
) -> Result<Response, ApiError> {
    let StaffingQuery { from_ms, until_ms, region } = query;
    check_period(from_ms, until_ms)?;
    api.views_follow().await;
    let completeness = completeness::of(&api, Some(NamespaceKind::Town), None).await?;
    let tables = api.engine().read(table::tables).await??;
    let now_ms = now();
    let filter = StaffingFilter { from_ms, until_ms, now_ms, region };
    let answer = api.readers().analyse(move |reader| reader.staffing(&filter, &tables)).await?;
    Ok(Json(Told { now_ms, answer, completeness }).into_response())
}

/// Which part of the worklist.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CampaignQuery {
    visited: Option<bool>,
}

pub(super) async fn campaign(
    State(api): State<Api>,
    Named(code): Named<String>,
    Params(query): Params<CampaignQuery>,
) -> Result<Response, ApiError> {
    api.views_follow().await;
    let completeness = completeness::of(&api, None, None).await?;
    let tables = api.engine().read(table::tables).await??;
    let (now_ms, filter) = (now(), WorklistFilter { visited: query.visited });
    let found = api.readers().analyse(move |reader| reader.campaign(&code, filter, now_ms, &tables)).await?;
    let answer = found.ok_or_else(|| ApiError::not_found("没有这个专项行动", "there is no such campaign"))?;
    Ok(Json(Told { now_ms, answer, completeness }).into_response())
}

pub(super) async fn response(State(api): State<Api>, Named(code): Named<String>) -> Result<Response, ApiError> {
    api.views_follow().await;
    let completeness = completeness::of(&api, Some(NamespaceKind::Town), None).await?;
    let tables = api.engine().read(table::tables).await??;
    let now_ms = now();
    let found = api.readers().query(move |reader| reader.response(&code, now_ms, &tables)).await?;
    let answer = found.ok_or_else(|| ApiError::not_found("没有这个应急响应", "there is no such response"))?;
    Ok(Json(Told { now_ms, answer, completeness }).into_response())
}

/// What who is told.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct EscalationQuery {
    region: Option<RegionCode>,
    role: Option<Role>,
}

pub(super) async fn escalations(
    State(api): State<Api>,
    Params(query): Params<EscalationQuery>,
) -> Result<Response, ApiError> {
    api.views_follow().await;
    let completeness = completeness::of(&api, Some(NamespaceKind::Cases), query.region).await?;
    let tables = api.engine().read(table::tables).await??;
    let now_ms = now();
    let filter = EscalationFilter { region: query.region, role: query.role, now_ms };
    let (rows, truncated) = api.readers().analyse(move |reader| reader.escalated(&filter, &tables)).await?;
    let answer = json!({ "rows": rows, "truncated": truncated });
    Ok(Json(Told { now_ms, answer, completeness }).into_response())
}
