//! Where the units are: the last position of each, as it reached this node by whatever path.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::replica::Replica;

use super::Api;
use super::bounds::Payload;
use super::error::ApiError;

/// The last position of a unit.
#[derive(Debug, Serialize)]
pub(super) struct UnitRow {
    /// Node id.
    pub(super) node: String,
    /// Name in its certificate.
    pub(super) name: String,
    /// When it was there, by its clock, in milliseconds since 1970.
    pub(super) at_ms: u64,
    pub(super) position: Position,
}

pub(super) async fn list(State(api): State<Api>) -> Result<Response, ApiError> {
    let rows = api.engine().read(rows).await?;
    Ok(Json(serde_json::json!({ "rows": rows })).into_response())
}

pub(super) fn rows(replica: &mut Replica) -> Vec<UnitRow> {
    let mut rows: Vec<UnitRow> = Vec::new();
    for unit in replica.positions() {
        // A place that is none on Earth is a broken receiver's.
        let Some(position) = Position::from_e7(unit.latitude, unit.longitude) else { continue };
        let name = replica.name_of(&unit.node);
        rows.push(UnitRow { node: unit.node.to_string(), name, at_ms: unit.at, position });
    }
    rows.sort_by(|a, b| (&a.name, &a.node).cmp(&(&b.name, &b.node)));
    rows
}

/// Takes the position of this unit; only the newest of each unit is kept.
pub(super) async fn record(
    State(api): State<Api>,
    Payload(position): Payload<Position>,
) -> Result<StatusCode, ApiError> {
    let (latitude, longitude) = position.e7();
    let job = move |replica: &mut Replica, now| Ok(replica.publish_position(latitude, longitude, now)?);
    api.engine().record(job).await?;
    Ok(StatusCode::NO_CONTENT)
}
