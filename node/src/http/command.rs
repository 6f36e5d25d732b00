//! The command center at a glance.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use townmesh_crdt::command::table;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::namespace::NamespaceKind;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::bounds::Params;
use super::completeness::{self, Complete};
use super::error::ApiError;
use super::openapi::problems::Wrong;
use crate::engine;
use crate::views::CommandState;

/// Of which region; of the town, if none is named.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CommandQuery {
    region: Option<RegionCode>,
}

/// The command center at a glance, and how complete that is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Command {
    now_ms: i64,
    #[serde(flatten)]
    state: CommandState,
    completeness: Complete,
}

#[utoipa::path(
    get,
    path = "/v1/command",
    operation_id = "command",
    tag = "organisation",
    summary = "指挥中心：平时或战时、响应、各席位 / peace or emergency, open responses, what lies on each desk",
    params(CommandQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Command),
        Wrong
    )
)]
pub(super) async fn show(
    State(api): State<Api>,
    Params(query): Params<CommandQuery>,
) -> Result<Json<Command>, ApiError> {
    let region = query.region;
    api.views_follow().await;
    let completeness = completeness::of(&api, Some(NamespaceKind::Cases), region).await?;
    let tables = api.engine().read(table::tables).await??;
    let now_ms = engine::now().cast_signed();
    let state = api.readers().query(move |reader| reader.command(region, now_ms, &tables)).await?;
    Ok(Json(Command { now_ms, state, completeness }))
}
