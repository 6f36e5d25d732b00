//! Tracks: where units were. Points are shown for a stated reason, which is noted.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use townmesh_crdt::certificate::NodeRole;
use townmesh_crdt::command::track::{self, Fix, TrackRecorded};
use townmesh_crdt::command::{CommandError, Outcome, UTC_OFFSET_MINUTES};
use townmesh_crdt::domain::columns::Time;
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::track::TrackPoint;
use townmesh_crdt::id::DocumentId;
use townmesh_crdt::namespace::NamespaceKind;
use townmesh_crdt::replica::Replica;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::bounds::{Named, Params, Payload};
use super::completeness::{self, Complete};
use super::error::ApiError;
use super::households::{Recorded, recorded};
use super::openapi::problems::{Noted, Sought, Written, Wrong};
use super::reveal::{Asker, Asking, Reason, Shown};
use crate::engine;
use crate::message::Message;
use crate::moment::Moment;
use crate::reveals::RevealKind;
use crate::views::{self, CoordinateProperties, Coverage, CoverageFilter, Listed, Page, TrackFilter, TrackRow};

/// A point as a receiver gives it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PointInput {
    /// In milliseconds since 1970.
    time_ms: i64,
    #[schema(minimum = -90, maximum = 90)]
    lat: f64,
    #[schema(minimum = -180, maximum = 180)]
    lon: f64,
}

/// Where this unit was.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TrackInput {
    /// With whose events it is recorded.
    region: RegionCode,
    points: Vec<PointInput>,
}

#[utoipa::path(
    post,
    path = "/v1/tracks",
    operation_id = "recordTrack",
    tag = "town",
    summary = "上报轨迹 / record where this unit was",
    request_body = TrackInput,
    responses(
        (status = 201, description = "新记录 / recorded", body = Recorded<TrackRecorded>),
        (status = 200, description = "已有，或已更改 / known before, or changed", body = Recorded<TrackRecorded>),
        Written
    )
)]
pub(super) async fn record(State(api): State<Api>, Payload(input): Payload<TrackInput>) -> Result<Response, ApiError> {
    let mut fixes = Vec::with_capacity(input.points.len());
    for (place, point) in input.points.iter().enumerate() {
        let position = Position::from_degrees(point.lat, point.lon).ok_or_else(|| {
            let zh = format!("points[{place}] 的经纬度不在地球上");
            let en = format!("points[{place}] is no place on Earth: lat -90 to 90, lon -180 to 180");
            ApiError::bad_request(Message::new("position", zh, en))
        })?;
        fixes.push(Fix { time: Time(point.time_ms), position });
    }
    let region = input.region;
    let job = move |replica: &mut Replica, now| -> Result<Outcome<TrackRecorded>, CommandError> {
        track::record(replica, region, &fixes, now)
    };
    Ok(recorded(&api.engine().record(job).await?))
}

/// Which tracks.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TrackQuery {
    region: Option<RegionCode>,
    /// Of this unit: the id of its node.
    node: Option<String>,
    /// From this day on.
    from: Option<Day>,
    /// Up to this day.
    to: Option<Day>,
    limit: Option<u32>,
    after: Option<String>,
}

#[utoipa::path(
    get,
    path = "/v1/tracks",
    operation_id = "listTracks",
    tag = "town",
    summary = "轨迹列表 / where units were, by day",
    params(TrackQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Listed<TrackRow>),
        Wrong
    )
)]
pub(super) async fn list(State(api): State<Api>, Params(query): Params<TrackQuery>) -> Result<Response, ApiError> {
    api.views_follow().await;
    let TrackQuery { region, node, from, to, limit, after } = query;
    let (filter, page) = (TrackFilter { region, node, from, to }, Page { limit, after });
    let listed = api.readers().query(move |reader| reader.tracks(&filter, &page)).await?;
    Ok(Json(listed).into_response())
}

/// How a track is shown.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ShowQuery {
    /// `json`, `geojson` or `gpx`.
    #[param(pattern = "^(json|geojson|gpx)$")]
    format: Option<String>,
    reveal: Option<String>,
}

/// A unit on a day with its points.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownTrack {
    #[serde(flatten)]
    row: TrackRow,
    points: Vec<ShownPoint>,
}

/// Where a unit was at one moment.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownPoint {
    /// In milliseconds since 1970.
    time_ms: i64,
    #[schema(minimum = -90, maximum = 90)]
    lat: f64,
    #[schema(minimum = -180, maximum = 180)]
    lon: f64,
}

/// A unit on a day as a feature of GeoJSON.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TrackFeature {
    /// `Feature`.
    #[serde(rename = "type")]
    kind: &'static str,
    geometry: TrackGeometry,
    properties: TrackProperties,
}

/// Where it was: longitude and latitude each.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type")]
pub(super) enum TrackGeometry {
    /// At one place only.
    Point { coordinates: [f64; 2] },
    /// Along a line.
    LineString { coordinates: Vec<[f64; 2]> },
}

/// What is said of it beside.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TrackProperties {
    #[serde(flatten)]
    row: TrackRow,
    #[serde(rename = "coordinateProperties")]
    beside: CoordinateProperties,
}

#[utoipa::path(
    get,
    path = "/v1/tracks/{id}",
    operation_id = "showTrack",
    tag = "town",
    summary = "一条轨迹 / the points of a track, for a stated reason",
    params(("id" = DocumentId, Path, description = "轨迹 / the track"), ShowQuery, Asking),
    responses(
        (status = 200, description = "JSON, GeoJSON, GPX", content((ShownTrack = "application/json"), (TrackFeature = "application/geo+json"), (String = "application/gpx+xml"))),
        Sought,
        Noted
    )
)]
pub(super) async fn show(
    State(api): State<Api>,
    asker: Asker,
    Named(id): Named<DocumentId>,
    Params(query): Params<ShowQuery>,
) -> Result<Response, ApiError> {
    let (zh, en) = ("轨迹是敏感信息，查看须说明理由", "whereabouts are sensitive: say why you need them");
    let reason = Reason::required(query.reveal, zh, en)?;
    api.views_follow().await;
    let found = api.readers().query(move |reader| reader.track(id)).await?;
    let (row, points) = found.ok_or_else(|| ApiError::not_found("本节点没有此轨迹", "there is no such track here"))?;
    let shown = match query.format.as_deref() {
        None | Some("json") => Json(as_json(row, &points)).into_response(),
        Some("geojson") => {
            let feature = json!(geojson(row, &points)).to_string();
            ([(header::CONTENT_TYPE, "application/geo+json")], feature).into_response()
        }
        Some("gpx") => ([(header::CONTENT_TYPE, "application/gpx+xml")], gpx(&row, &points)).into_response(),
        Some(_) => {
            let (zh, en) = ("格式须为 json、geojson 或 gpx", "the format must be json, geojson or gpx");
            return Err(ApiError::bad_request(Message::new("format", zh, en)));
        }
    };
    api.note_reveal(asker, reason, Shown::documents(RevealKind::Track, vec![id.to_string()])).await?;
    Ok(shown)
}

fn as_json(row: TrackRow, points: &[TrackPoint]) -> ShownTrack {
    let points = points.iter().filter_map(|point| {
        let at = point.position()?;
        Some(ShownPoint { time_ms: point.time_ms(), lat: at.latitude(), lon: at.longitude() })
    });
    ShownTrack { row, points: points.collect() }
}

/// A line with its times beside it, as GPS tools read it.
fn geojson(row: TrackRow, points: &[TrackPoint]) -> TrackFeature {
    let (line, beside) = views::line(points);
    let properties = TrackProperties { row, beside };
    // A line has two places at least.
    let geometry = match line.as_slice() {
        [only] => TrackGeometry::Point { coordinates: *only },
        [] | [_, _, ..] => TrackGeometry::LineString { coordinates: line },
    };
    TrackFeature { kind: "Feature", geometry, properties }
}

/// GPX 1.1. Everything in it is a number, a hexadecimal id or a day: nothing has to be escaped.
fn gpx(row: &TrackRow, points: &[TrackPoint]) -> String {
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<gpx version=\"1.1\" creator=\"townmesh\" \
         xmlns=\"http://www.topografix.com/GPX/1/1\">\n<trk><name>{} {}</name><trkseg>\n",
        row.node, row.day
    );
    for point in points {
        let Some(at) = point.position() else { continue };
        let (latitude, longitude) = (at.latitude(), at.longitude());
        let time = Moment(point.time_ms());
        text += &format!("<trkpt lat=\"{latitude:.5}\" lon=\"{longitude:.5}\"><time>{time}</time></trkpt>\n");
    }
    text + "</trkseg></trk></gpx>\n"
}

/// Of which day, and where.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CoverageQuery {
    /// Today, where nobody says.
    day: Option<Day>,
    region: Option<RegionCode>,
}

/// How much of each grid was patrolled, with how complete the data is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownCoverage {
    #[serde(flatten)]
    coverage: Coverage,
    /// Tracks are sealed to the centers: elsewhere only those of this node are read, whatever it holds.
    only_own: bool,
    completeness: Complete,
}

#[utoipa::path(
    get,
    path = "/v1/coverage",
    operation_id = "coverage",
    tag = "town",
    summary = "巡查覆盖 / how much of each grid was patrolled on a day",
    params(CoverageQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = ShownCoverage),
        Wrong
    )
)]
pub(super) async fn coverage(
    State(api): State<Api>,
    Params(query): Params<CoverageQuery>,
) -> Result<Response, ApiError> {
    api.views_follow().await;
    let completeness = completeness::of(&api, Some(NamespaceKind::Events), query.region).await?;
    let today = || Day::of_time(engine::now().cast_signed(), UTC_OFFSET_MINUTES);
    let filter = CoverageFilter { day: query.day.unwrap_or_else(today), region: query.region };
    let coverage = api.readers().analyse(move |reader| reader.coverage(&filter)).await?;
    let is_center = api.engine().read(|replica| replica.certificate().role == NodeRole::Center).await?;
    Ok(Json(ShownCoverage { coverage, only_own: !is_center, completeness }).into_response())
}
