//! Where the units are: the last position of each, as it reached this node by whatever path; who is out with it, and
//! whether it can be sent.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use townmesh_crdt::certificate::NodeRole;
use townmesh_crdt::clock::Millis;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::replica::Replica;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::bounds::{Params, Payload};
use super::error::ApiError;
use super::households::Rows;
use super::openapi::problems::{Written, Wrong};
use super::organisation;
use crate::engine;
use crate::message::Message;
use crate::views::Crew;

/// A position that is older says no longer where a unit is.
const STALE_S: u64 = 15 * 60;

/// The last position of a unit.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UnitRow {
    /// Node id.
    pub(super) node: String,
    /// Name in its certificate.
    pub(super) name: String,
    /// What kind of node it is: `patrol` of a vehicle.
    #[schema(value_type = String, pattern = "^(center|village|patrol|carrier)$")]
    pub(super) role: &'static str,
    /// When it was there, by its clock, in milliseconds since 1970.
    pub(super) at_ms: u64,
    /// How many seconds ago that was.
    pub(super) age_s: u64,
    /// So long ago that it may be elsewhere by now.
    pub(super) stale: bool,
    pub(super) position: Position,
    /// How far it is from the place that was asked about, in metres as the crow flies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) distance_m: Option<u64>,
    /// Who is out with it by the book of shifts.
    pub(super) crew: Crew,
    /// Whether it can be sent: its position is not stale, somebody is on duty with it, and none of them has an open order. Where no
    /// shift names any unit now, nobody can tell who is on duty, and that is not asked.
    pub(super) available: bool,
}

/// Which units, and which first.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PositionQuery {
    /// Latitude and longitude: the nearest units first.
    near: Option<String>,
    /// Only nodes of this kind.
    #[param(pattern = "^(center|village|patrol|carrier)$")]
    role: Option<String>,
    /// Only those that can be sent, or only the others.
    available: Option<bool>,
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
    let near = place_called(query.near.as_deref())?;
    let role = query.role.as_deref().map(role_called).transpose()?;
    let mut rows = api.units().await?;
    rows.retain(|row| {
        role.is_none_or(|role| row.role == role.name()) && query.available.is_none_or(|wanted| row.available == wanted)
    });
    if let Some(near) = near {
        measure(&mut rows, near);
        rows.sort_by_key(|row| row.distance_m);
    }
    Ok(Json(serde_json::json!(Rows { rows })).into_response())
}

/// The place that a query names by `near`.
pub(super) fn place_called(near: Option<&str>) -> Result<Option<Position>, ApiError> {
    near.map(str::parse::<Position>).transpose().map_err(|error| {
        let message = Message::new("near", "near 须为 纬度,经度（度），如 39.7354,116.3310", error.to_string());
        ApiError::bad_request(message)
    })
}

fn role_called(name: &str) -> Result<NodeRole, ApiError> {
    NodeRole::ALL.into_iter().find(|role| role.name() == name).ok_or_else(|| {
        let known = NodeRole::ALL.map(NodeRole::name).join(", ");
        let en = format!("there is no role {name:?}; the roles are {known}");
        ApiError::bad_request(Message::new("role", format!("没有角色 {name:?}；可用：{known}"), en))
    })
}

impl Api {
    /// Every unit of which a position is known, by name.
    pub(super) async fn units(&self) -> Result<Vec<UnitRow>, ApiError> {
        self.views_follow().await;
        let now = engine::now();
        let read = |replica: &mut Replica| (rows(replica, engine::now()), organisation::units(replica));
        let (mut rows, units) = self.engine().read(read).await?;
        let mut crews = self.readers().query(move |reader| reader.crews(now.cast_signed(), &units)).await?;
        let is_rostered = !crews.is_empty();
        for row in &mut rows {
            row.crew = crews.remove(&row.node).unwrap_or_default();
            row.available = !row.stale && row.crew.open_orders == 0 && (!is_rostered || !row.crew.members.is_empty());
        }
        Ok(rows)
    }

    /// Whom to send to a place: those that can be sent first, of each kind the nearest first.
    pub(super) async fn nearest(&self, place: Position) -> Result<Vec<UnitRow>, ApiError> {
        let mut rows = self.units().await?;
        measure(&mut rows, place);
        rows.sort_by_key(|row| (!row.available, row.stale, row.distance_m));
        Ok(rows)
    }
}

fn measure(rows: &mut [UnitRow], place: Position) {
    for row in rows {
        row.distance_m = Some(row.position.metres_to(place).round() as u64);
    }
}

pub(super) fn rows(replica: &mut Replica, now: Millis) -> Vec<UnitRow> {
    let mut rows: Vec<UnitRow> = Vec::new();
    for unit in replica.positions() {
        // A place that is none on Earth is a broken receiver's.
        let Some(position) = Position::from_e7(unit.latitude, unit.longitude) else { continue };
        let Some((_, own)) = replica.trust().current(&unit.node) else { continue };
        let age_s = now.saturating_sub(unit.at) / 1000;
        rows.push(UnitRow {
            node: unit.node.to_string(),
            name: own.name.clone(),
            role: own.role.name(),
            at_ms: unit.at,
            age_s,
            stale: age_s > STALE_S,
            position,
            distance_m: None,
            crew: Crew::default(),
            available: false,
        });
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
