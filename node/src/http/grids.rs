//! Grids: listed, retired, imported as somebody drew them; and the outlines of regions, that what lies between grids is
//! found.

use std::collections::BTreeSet;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use townmesh_crdt::command::UTC_OFFSET_MINUTES;
use townmesh_crdt::command::town::{self, Imported, TownEntity};
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::input::InputError;
use townmesh_crdt::domain::region::{Region, RegionCode};
use townmesh_crdt::domain::town::{Grid, GridKind};
use townmesh_crdt::id::DocumentId;
use townmesh_crdt::replica::Replica;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::bounds::{Named, Params, Payload};
use super::error::ApiError;
use super::households::{Place, Recorded, recorded};
use super::openapi::problems::{Missing, Written, Wrong};
use crate::engine::now;
use crate::message::Message;
use crate::refusal;
use crate::views::{GridFilter, GridRow, Listed, Page};

/// Largest file of drawn areas, in bytes.
pub(super) const AREA_FILE_BYTES: usize = 16 << 20;
/// Most areas of one file: one entry of the log each, at most.
const MOST_AREAS: usize = 2_000;
/// Features of a file that a message names.
const NAMED: usize = 20;
/// What of a grid's properties is recorded; the others are for whoever looks at the map.
const OF_GRID: [&str; 7] = ["region", "code", "name", "kind", "inspectors", "responsible", "note"];

/// Which grids.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct GridListQuery {
    region: Option<RegionCode>,
    kind: Option<GridKind>,
    /// Patrolled by this member: their code.
    inspector: Option<String>,
    /// Retired ones, too.
    retired: bool,
    limit: Option<u32>,
    after: Option<String>,
}

impl GridListQuery {
    /// What it asks for, and which part of that.
    pub(super) fn parts(self) -> (GridFilter, Page) {
        let Self { region, kind, inspector, retired, limit, after } = self;
        (GridFilter { region, kind, inspector, retired, today: today() }, Page { limit, after })
    }
}

/// The day that it is in the town.
pub(super) fn today() -> Day {
    Day::of_time(now().cast_signed(), UTC_OFFSET_MINUTES)
}

#[utoipa::path(
    get,
    path = "/v1/grids",
    operation_id = "listGrids",
    tag = "town",
    summary = "网格列表 / list grids",
    params(GridListQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Listed<GridRow>),
        Wrong
    )
)]
pub(super) async fn list(State(api): State<Api>, Params(query): Params<GridListQuery>) -> Result<Response, ApiError> {
    api.views_follow().await;
    let (filter, page) = query.parts();
    let listed = api.readers().query(move |reader| reader.grid_list(&filter, &page)).await?;
    Ok(Json(listed).into_response())
}

/// From when on a grid is retired.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RetireInput {
    /// The first day on which nobody patrols it; `null` takes a retirement back.
    since: Option<Day>,
}

#[utoipa::path(
    post,
    path = "/v1/grids/{document}/retire",
    operation_id = "retireGrid",
    tag = "town",
    summary = "停用网格 / retire a grid",
    description = "自该日起不计入划分、巡查覆盖和位置判断，也不再检查；此前的检查、隐患和巡查员照留。since 为 null 则撤销停用 / From that day on it is left out of plans, patrol coverage and of what lies where, and is not inspected; its inspections, hazards and inspectors stay as they were. With null, that is taken back.",
    params(("document" = DocumentId, Path, description = "网格 / the grid")),
    request_body = RetireInput,
    responses(
        (status = 200, description = "已更改，或本已如此 / changed, or so already", body = Recorded<Place>),
        Written,
        Missing
    )
)]
pub(super) async fn retire(
    State(api): State<Api>,
    Named(document): Named<DocumentId>,
    Payload(input): Payload<RetireInput>,
) -> Result<Response, ApiError> {
    let job = move |replica: &mut Replica, now| town::retire_grid(replica, document, input.since, now);
    let outcome = api.engine().record(job).await?;
    Ok(recorded(&outcome.map(|document| Place { document, namespace: "town".to_owned() })))
}

/// Areas as GeoJSON (RFC 7946).
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is only described: what is wrong with an area is said of that area")]
pub(super) struct DrawnAreas {
    /// `FeatureCollection`.
    #[schema(rename = "type")]
    kind: String,
    /// Polygons without holes, longitude before latitude; properties as the fields of a grid, or the code of a region.
    #[schema(value_type = Vec<Object>)]
    features: Vec<Value>,
}

/// What a file of areas came to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AreasImported {
    created: u64,
    changed: u64,
    unchanged: u64,
}

#[utoipa::path(
    post,
    path = "/v1/grids/import",
    operation_id = "importGrids",
    tag = "town",
    summary = "导入网格 / grids from GeoJSON, all of them or none",
    request_body(content = DrawnAreas, content_type = "application/geo+json"),
    responses(
        (status = 200, description = "结果 / what it came to", body = AreasImported),
        Written
    )
)]
pub(super) async fn import(State(api): State<Api>, body: Bytes) -> Result<Response, ApiError> {
    import_areas::<Grid>(&api, &body, "polygon", &OF_GRID).await
}

#[utoipa::path(
    post,
    path = "/v1/regions/import",
    operation_id = "importOutlines",
    tag = "town",
    summary = "导入区划范围 / outlines of regions from GeoJSON, all of them or none",
    request_body(content = DrawnAreas, content_type = "application/geo+json"),
    responses(
        (status = 200, description = "结果 / what it came to", body = AreasImported),
        Written
    )
)]
pub(super) async fn import_outlines(State(api): State<Api>, body: Bytes) -> Result<Response, ApiError> {
    import_areas::<Region>(&api, &body, "outline", &["code"]).await
}

/// Records what was drawn: each area with the properties that are named, its outline under `outline`.
async fn import_areas<T>(api: &Api, body: &[u8], outline: &str, properties: &[&str]) -> Result<Response, ApiError>
where
    T: Drawn + DeserializeOwned + Send + Sync + 'static,
{
    let regions = api.engine().read(town::all::<Region>).await??;
    let regions: BTreeSet<RegionCode> = regions.into_iter().filter_map(|region| region.record.code).collect();
    let mut wrong = Vec::new();
    let (mut numbers, mut areas) = (Vec::new(), Vec::new());
    for (number, feature) in (1..).zip(features(body)?) {
        match area::<T>(&feature, outline, properties) {
            Ok(area) if area.region().is_some_and(|region| !regions.contains(&region)) => {
                wrong.push((number, Fault::new("区划代码不在区划表中", "its region is not in the table of regions")));
            }
            Ok(area) => {
                numbers.push(number);
                areas.push(area);
            }
            Err(fault) => wrong.push((number, fault)),
        }
    }
    let numbered = |place: usize| numbers.get(place).copied().unwrap_or_default();
    wrong.extend(town::wrong_among(&areas).iter().map(|(place, error)| (numbered(*place), Fault::of(error))));
    if !wrong.is_empty() {
        wrong.sort_by_key(|(number, _)| *number);
        return Err(refused(&wrong));
    }
    let job = move |replica: &mut Replica, now| town::import(replica, &areas, now);
    let Imported { created, changed, unchanged } = api.engine().record(job).await?;
    Ok(Json(AreasImported { created, changed, unchanged }).into_response())
}

/// What can be drawn.
trait Drawn: TownEntity {
    /// The region that it lies in, or is.
    fn region(&self) -> Option<RegionCode>;
}

impl Drawn for Grid {
    fn region(&self) -> Option<RegionCode> {
        self.region
    }
}

impl Drawn for Region {
    fn region(&self) -> Option<RegionCode> {
        self.code
    }
}

/// What is wrong with one feature.
struct Fault {
    zh: String,
    en: String,
}

impl Fault {
    fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { zh: zh.into(), en: en.into() }
    }

    fn of(error: &InputError) -> Self {
        Self { zh: error.chinese(), en: error.to_string() }
    }
}

/// Names every feature that is wrong, as far as a message is read.
fn refused(wrong: &[(usize, Fault)]) -> ApiError {
    let zh = wrong.iter().take(NAMED).map(|(number, fault)| format!("第 {number} 个要素：{}", fault.zh));
    let en = wrong.iter().take(NAMED).map(|(number, fault)| format!("feature {number}: {}", fault.en));
    let zh = format!("没有导入，{} 个要素有误：{}", wrong.len(), zh.collect::<Vec<_>>().join("；"));
    let en = format!("nothing was imported, {} features are wrong: {}", wrong.len(), en.collect::<Vec<_>>().join("; "));
    let message = Message::new("area_feature", zh, en).remedy("改正后重新导入", "correct them, then import again");
    ApiError { status: StatusCode::UNPROCESSABLE_ENTITY, message }
}

fn features(body: &[u8]) -> Result<Vec<Value>, ApiError> {
    let refused = |zh: String, en: String| {
        let message = Message::new("area_file", zh, en).remedy("请用 GeoJSON 文件", "give a GeoJSON file");
        ApiError { status: StatusCode::UNPROCESSABLE_ENTITY, message }
    };
    let file: Value = serde_json::from_slice(body)
        .map_err(|error| refused("文件不是 JSON".into(), format!("the file is no JSON: {error}")))?;
    let Some(Value::Array(features)) = file.get("features") else {
        return Err(refused("文件不是 GeoJSON 要素集合".into(), "the file is no FeatureCollection of GeoJSON".into()));
    };
    match features.len() {
        0 => Err(refused("文件没有要素".into(), "the file has no features".into())),
        1..=MOST_AREAS => Ok(features.clone()),
        count => {
            let zh = format!("文件有 {count} 个要素，最多 {MOST_AREAS} 个，请拆分");
            Err(refused(zh, format!("the file has {count} features, at most {MOST_AREAS} are taken: divide it")))
        }
    }
}

/// The area of a feature, as it would be recorded.
fn area<T: DeserializeOwned>(feature: &Value, outline: &str, properties: &[&str]) -> Result<T, Fault> {
    let corners = corners(&feature["geometry"]).ok_or_else(|| {
        Fault::new(
            "须为一个不带洞的面（Polygon），坐标为经度、纬度",
            "must be one Polygon without holes, longitude before latitude",
        )
    })?;
    let said = |name: &&str| Some(((*name).to_owned(), feature["properties"].get(name)?.clone()));
    let mut fields: Map<String, Value> = properties.iter().filter_map(said).collect();
    // A map tells how many inspectors a grid has, a grid who they are.
    fields.retain(|name, value| !value.is_null() && (name != "inspectors" || value.is_array()));
    fields.insert(outline.to_owned(), corners.into());
    serde_json::from_value(fields.into()).map_err(|error| {
        let en = error.to_string();
        Fault::new(refusal::in_chinese(&en).unwrap_or_else(|| "属性或坐标有误".to_owned()), en)
    })
}

fn corners(geometry: &Value) -> Option<Vec<Value>> {
    let [ring] = geometry["coordinates"].as_array().filter(|_| geometry["type"] == "Polygon")?.as_slice() else {
        return None;
    };
    let corner = |place: &Value| Some(json!({ "lat": place.get(1)?.as_f64()?, "lon": place.get(0)?.as_f64()? }));
    let mut corners = ring.as_array()?.iter().map(corner).collect::<Option<Vec<Value>>>()?;
    // A ring ends where it began.
    if corners.len() > 1 && corners.first() == corners.last() {
        corners.pop();
    }
    Some(corners)
}
