//! Tracks: where units were. Points are shown for a stated reason, which is noted.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use townmesh_crdt::certificate::NodeRole;
use townmesh_crdt::command::track::{self, Fix};
use townmesh_crdt::command::{CommandError, Outcome, UTC_OFFSET_MINUTES};
use townmesh_crdt::domain::columns::Time;
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::track::TrackPoint;
use townmesh_crdt::id::DocumentId;
use townmesh_crdt::namespace::NamespaceKind;
use townmesh_crdt::replica::Replica;

use super::Api;
use super::bounds::{Named, Params, Payload};
use super::completeness;
use super::error::ApiError;
use super::households::recorded;
use super::reveal::{Asker, Reason, Shown};
use crate::engine;
use crate::message::Message;
use crate::moment::Moment;
use crate::reveals::RevealKind;
use crate::views::{CoverageFilter, Page, TrackFilter, TrackRow};

/// A point as a receiver gives it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PointInput {
    time_ms: i64,
    lat: f64,
    lon: f64,
}

/// Where this unit was.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrackInput {
    /// With whose events it is recorded.
    region: RegionCode,
    points: Vec<PointInput>,
}

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
    let job = move |replica: &mut Replica, now| -> Result<Outcome<_>, CommandError> {
        track::record(replica, region, &fixes, now)
    };
    Ok(recorded(&api.engine().record(job).await?.map(|done| json!(done))))
}

/// Which tracks.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TrackQuery {
    region: Option<RegionCode>,
    node: Option<String>,
    from: Option<Day>,
    to: Option<Day>,
    limit: Option<u32>,
    after: Option<String>,
}

pub(super) async fn list(State(api): State<Api>, Params(query): Params<TrackQuery>) -> Result<Response, ApiError> {
    api.views_follow().await;
    let TrackQuery { region, node, from, to, limit, after } = query;
    let (filter, page) = (TrackFilter { region, node, from, to }, Page { limit, after });
    let listed = api.readers().query(move |reader| reader.tracks(&filter, &page)).await?;
    Ok(Json(listed).into_response())
}

/// How a track is shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ShowQuery {
    /// `json`, `geojson` or `gpx`.
    format: Option<String>,
    reveal: Option<String>,
}

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
        None | Some("json") => Json(as_json(&row, &points)).into_response(),
        Some("geojson") => {
            ([(header::CONTENT_TYPE, "application/geo+json")], geojson(&row, &points).to_string()).into_response()
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

fn as_json(row: &TrackRow, points: &[TrackPoint]) -> Value {
    let points = points.iter().filter_map(|point| {
        let at = point.position()?;
        Some(json!({ "time_ms": point.time_ms(), "lat": at.latitude(), "lon": at.longitude() }))
    });
    let mut shown = json!(row);
    shown["points"] = points.collect();
    shown
}

/// A line with its times beside it, as GPS tools read it.
fn geojson(row: &TrackRow, points: &[TrackPoint]) -> Value {
    let places = points.iter().filter_map(|point| point.position());
    let line: Vec<Value> = places.map(|at| json!([at.longitude(), at.latitude()])).collect();
    let times: Vec<String> = points.iter().map(|point| Moment(point.time_ms()).to_string()).collect();
    let mut properties = json!(row);
    properties["coordinateProperties"] = json!({ "times": times });
    // A line has two places at least.
    let geometry = match line.as_slice() {
        [only] => json!({ "type": "Point", "coordinates": only }),
        _ => json!({ "type": "LineString", "coordinates": line }),
    };
    json!({ "type": "Feature", "geometry": geometry, "properties": properties })
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
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CoverageQuery {
    /// Today, where nobody says.
    day: Option<Day>,
    region: Option<RegionCode>,
}

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
    let mut answer = json!(coverage);
    // Tracks are sealed to the centers: elsewhere only those of this node are read, whatever it holds.
    answer["only_own"] = json!(!is_center);
    answer["completeness"] = json!(completeness);
    Ok(Json(answer).into_response())
}
