//! Where the units are: the last position of each, as it reached this node by whatever path.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::replica::Replica;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::bounds::{Params, Payload};
use super::error::ApiError;
use super::households::Rows;
use super::openapi::problems::{Written, Wrong};
use crate::message::Message;

/// The last position of a unit.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UnitRow {
    /// Node id.
    pub(super) node: String,
    /// Name in its certificate.
    pub(super) name: String,
    /// When it was there, by its clock, in milliseconds since 1970.
    pub(super) at_ms: u64,
    pub(super) position: Position,
    /// How far it is from the place that was asked about, in metres as the crow flies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) distance_m: Option<u64>,
}

/// Which units first.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PositionQuery {
    /// Latitude and longitude: the nearest units first.
    near: Option<String>,
}

#[utoipa::path(
    get,
    path = "/v1/positions",
    operation_id = "listPositions",
    tag = "town",
    summary = "力量位置 / where each unit was last",
    params(PositionQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Rows<UnitRow>),
        Wrong
    )
)]
pub(super) async fn list(State(api): State<Api>, Params(query): Params<PositionQuery>) -> Result<Response, ApiError> {
    let near = query.near.map(|near| near.parse::<Position>()).transpose().map_err(|error| {
        let message = Message::new("near", "near 须为 纬度,经度（度），如 39.7354,116.3310", error.to_string());
        ApiError::bad_request(message)
    })?;
    let rows = api.engine().read(move |replica| match near {
        Some(near) => nearest(replica, near),
        None => rows(replica),
    });
    let rows = rows.await?;
    Ok(Json(serde_json::json!(Rows { rows })).into_response())
}

/// Units by their distance from a place. How old a position is, is told beside it: it may have come by a vehicle.
pub(super) fn nearest(replica: &mut Replica, place: Position) -> Vec<UnitRow> {
    let mut rows = rows(replica);
    for row in &mut rows {
        row.distance_m = Some(row.position.metres_to(place).round() as u64);
    }
    rows.sort_by_key(|row| row.distance_m);
    rows
}

pub(super) fn rows(replica: &mut Replica) -> Vec<UnitRow> {
    let mut rows: Vec<UnitRow> = Vec::new();
    for unit in replica.positions() {
        // A place that is none on Earth is a broken receiver's.
        let Some(position) = Position::from_e7(unit.latitude, unit.longitude) else { continue };
        let name = replica.name_of(&unit.node);
        rows.push(UnitRow { node: unit.node.to_string(), name, at_ms: unit.at, position, distance_m: None });
    }
    rows.sort_by(|a, b| (&a.name, &a.node).cmp(&(&b.name, &b.node)));
    rows
}

/// Takes the position of this unit; only the newest of each unit is kept.
#[utoipa::path(
    post,
    path = "/v1/positions",
    operation_id = "recordPosition",
    tag = "town",
    summary = "上报位置 / where this unit is",
    request_body = Position,
    responses(
        (status = 204, description = "已记录 / recorded"),
        Written
    )
)]
pub(super) async fn record(
    State(api): State<Api>,
    Payload(position): Payload<Position>,
) -> Result<StatusCode, ApiError> {
    let (latitude, longitude) = position.e7();
    let job = move |replica: &mut Replica, now| Ok(replica.publish_position(latitude, longitude, now)?);
    api.engine().record(job).await?;
    Ok(StatusCode::NO_CONTENT)
}
