//! How the town is organised, and how that goes: posts and shifts, campaigns, responses, escalation.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use townmesh_crdt::command::table;
use townmesh_crdt::domain::key::normalise;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::role::Role;
use townmesh_crdt::namespace::NamespaceKind;
use townmesh_crdt::replica::Replica;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::assessment::check_period;
use super::bounds::{Named, Params};
use super::completeness::{self, Complete};
use super::error::ApiError;
use super::openapi::problems::{Sought, Wrong};
use crate::engine;
use crate::views::{
    CampaignProgress, Escalated, EscalationFilter, ResponseState, Staffing, StaffingFilter, Units, WorklistFilter,
};

/// An answer with how complete the data is that it was made from.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Told<T> {
    /// The moment that was looked at, in milliseconds since 1970.
    now_ms: i64,
    #[serde(flatten)]
    answer: T,
    completeness: Complete,
}

fn now() -> i64 {
    engine::now().cast_signed()
}

/// Of which period, and where.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct StaffingQuery {
    from_ms: i64,
    until_ms: i64,
    region: Option<RegionCode>,
}

#[utoipa::path(
    get,
    path = "/v1/staffing",
    operation_id = "staffing",
    tag = "organisation",
    summary = "岗位与出勤 / posts and who fills them, shifts and who came",
    params(StaffingQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Told<Staffing>),
        Wrong
    )
)]
pub(super) async fn staffing(
    State(api): State<Api>,
    Params(query): Params<StaffingQuery>,
) -> Result<Response, ApiError> {
    let StaffingQuery { from_ms, until_ms, region } = query;
    check_period(from_ms, until_ms)?;
    api.views_follow().await;
    let completeness = completeness::of(&api, Some(NamespaceKind::Town), None).await?;
    let tables = api.engine().read(table::tables).await??;
    let units = api.engine().read(|replica| units(replica)).await?;
    let now_ms = now();
    let filter = StaffingFilter { from_ms, until_ms, now_ms, region };
    let answer = api.readers().analyse(move |reader| reader.staffing(&filter, &tables, &units)).await?;
    Ok(Json(Told { now_ms, answer, completeness }).into_response())
}

/// The nodes of the town by name and by id.
pub(super) fn units(replica: &Replica) -> Units {
    let mut units = Units::new();
    let mut shared = BTreeSet::new();
    for (node, _, own) in replica.trust().nodes() {
        let name = normalise(&own.name);
        if units.insert(name.clone(), node.to_string()).is_some() {
            shared.insert(name);
        }
        units.insert(node.to_string(), node.to_string());
    }
    units.retain(|name, _| !shared.contains(name));
    units
}

/// Which part of the worklist.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CampaignQuery {
    /// Only places that were, or were not visited yet.
    visited: Option<bool>,
}

#[utoipa::path(
    get,
    path = "/v1/campaigns/{code}",
    operation_id = "showCampaign",
    tag = "organisation",
    summary = "专项行动进展 / how far a campaign is",
    params(("code" = String, Path, description = "行动编号 / its code"), CampaignQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Told<CampaignProgress>),
        Sought
    )
)]
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

#[utoipa::path(
    get,
    path = "/v1/responses/{code}",
    operation_id = "showResponse",
    tag = "organisation",
    summary = "应急响应进展 / where a response stands",
    params(("code" = String, Path, description = "响应编号 / its code")),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Told<ResponseState>),
        Sought
    )
)]
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
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct EscalationQuery {
    region: Option<RegionCode>,
    /// Only what this role is told.
    role: Option<Role>,
}

/// Cases that are so late that somebody higher up is told.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Escalations {
    /// The latest first.
    rows: Vec<Escalated>,
    /// There are more than are told.
    truncated: bool,
}

#[utoipa::path(
    get,
    path = "/v1/escalations",
    operation_id = "listEscalations",
    tag = "organisation",
    summary = "升级提醒 / cases so late that somebody higher up is told",
    params(EscalationQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Told<Escalations>),
        Wrong
    )
)]
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
    let answer = Escalations { rows, truncated };
    Ok(Json(Told { now_ms, answer, completeness }).into_response())
}
