//! The map of the town for GIS programs: OGC API Features, part 1 (OGC 17-069r4), core with GeoJSON and OpenAPI 3.0.
//!
//! | path | what |
//! |---|---|
//! | `/ogc` | where everything is |
//! | `/ogc/api` | the description for programs (OpenAPI 3.0) |
//! | `/ogc/conformance` | which parts of the standard are kept |
//! | `/ogc/collections`, `/ogc/collections/{collection}` | what there is on the map |
//! | `/ogc/collections/{collection}/items` | features: `bbox`, `datetime`, `region`, `limit`, and `next` among the links |
//! | `/ogc/collections/{collection}/items/{id}` | one feature |
//!
//! Any path takes `reason`, and tracks are shown for one only ([`tracks`]): `OAPIF:http://127.0.0.1:8470/ogc?reason=...`.
//!
//! It tells nothing about residents; [`Feature`] says what it does tell. Against the standard (`/req/core/fc-bbox-response`)
//! a `bbox` leaves out what has no place: a ledger may hold a hundred thousand doors without one.

mod description;
mod parameters;
mod tracks;
mod units;

use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use townmesh_crdt::id::DocumentId;

use super::Api;
use super::bounds::{Named, Params};
use super::error::ApiError;
use super::reveal::Asker;
use crate::engine;
use crate::moment::Moment;
use crate::views::{Collection, DEFAULT_FEATURES, DEFAULT_TRACKS, Feature, Listed, MAX_FEATURES, MAX_TRACKS};
use description::{GEO_JSON, Link, Links, OPEN_API};
pub(crate) use parameters::escaped;
use parameters::{ItemQuery, Stated};

/// A collection of this API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    /// Documents, from the views.
    Stored(Collection),
    /// 力量: where each unit was last.
    Units,
    /// 轨迹: where each unit was, by day.
    Tracks,
}

impl Layer {
    fn all() -> impl Iterator<Item = Self> {
        Collection::ALL.into_iter().map(Self::Stored).chain([Self::Units, Self::Tracks])
    }

    fn named(name: &str) -> Result<Self, ApiError> {
        Self::all()
            .find(|layer| layer.name() == name)
            .ok_or_else(|| ApiError::not_found("没有这个图层", "there is no such collection"))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Stored(collection) => collection.name(),
            Self::Units => "units",
            Self::Tracks => "tracks",
        }
    }

    fn title(self) -> (&'static str, &'static str) {
        match self {
            Self::Stored(collection) => collection.title(),
            Self::Units => ("力量位置", "last positions of units"),
            Self::Tracks => ("轨迹（须说明理由）", "where units were, by day, for a stated reason"),
        }
    }

    /// Features of a page: where no number is given, and at most.
    fn page_size(self) -> (u32, u32) {
        match self {
            Self::Stored(_) | Self::Units => (DEFAULT_FEATURES, MAX_FEATURES),
            Self::Tracks => (DEFAULT_TRACKS, MAX_TRACKS),
        }
    }

    fn has_regions(self) -> bool {
        self != Self::Units
    }
}

/// Every path of this API.
pub(super) fn router() -> Router<Api> {
    Router::new()
        .route("/", get(landing))
        .route("/api", get(api_description))
        .route("/conformance", get(conformance))
        .route("/collections", get(collections))
        .route("/collections/{collection}", get(collection))
        .route("/collections/{collection}/items", get(items))
        .route("/collections/{collection}/items/{id}", get(item))
}

pub(super) async fn landing(headers: HeaderMap, Params(_): Params<Stated>) -> Response {
    Json(description::landing(&Links::of(&headers))).into_response()
}

async fn conformance(Params(_): Params<Stated>) -> Response {
    Json(description::conformance()).into_response()
}

async fn api_description(headers: HeaderMap, Params(_): Params<Stated>) -> Response {
    ([(header::CONTENT_TYPE, OPEN_API)], description::open_api(&Links::of(&headers)).to_string()).into_response()
}

async fn collections(headers: HeaderMap, Params(_): Params<Stated>) -> Response {
    Json(description::collections(&Links::of(&headers))).into_response()
}

async fn collection(
    headers: HeaderMap,
    Named(name): Named<String>,
    Params(_): Params<Stated>,
) -> Result<Response, ApiError> {
    Ok(Json(description::collection(Layer::named(&name)?, &Links::of(&headers))).into_response())
}

/// A page of features (RFC 7946, with the members that OGC 17-069r4 adds).
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "FeatureCollection", rename_all = "camelCase")]
struct FeatureCollection {
    time_stamp: Moment,
    number_returned: usize,
    features: Vec<Feature>,
    links: Vec<Link>,
}

/// One feature.
#[derive(Debug, Serialize)]
struct LinkedFeature {
    #[serde(flatten)]
    feature: Feature,
    links: Vec<Link>,
}

async fn items(
    State(api): State<Api>,
    asker: Asker,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    Named(name): Named<String>,
    Params(pairs): Params<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    let layer = Layer::named(&name)?;
    let query = ItemQuery::read(pairs, layer.has_regions())?;
    let links = Links::of(&headers);
    let time_stamp = Moment(engine::now().cast_signed());
    let listed = page(&api, asker, layer, &query).await?;
    let mut answer = FeatureCollection {
        time_stamp,
        number_returned: listed.rows.len(),
        features: listed.rows,
        links: vec![
            links.to("self", GEO_JSON, uri.path_and_query().map_or_else(|| uri.path(), |whole| whole.as_str())),
            links.to_layer(layer),
        ],
    };
    if let Some(next) = listed.next {
        answer.links.push(links.to("next", GEO_JSON, &format!("{}?{}", uri.path(), query.after(&next))));
    }
    Ok(geo_json(&answer))
}

async fn page(api: &Api, asker: Asker, layer: Layer, query: &ItemQuery) -> Result<Listed<Feature>, ApiError> {
    let (filter, page) = (query.filter.clone(), query.page.clone());
    match layer {
        Layer::Stored(collection) => {
            api.readers().query(move |reader| reader.features(collection, &filter, &page)).await
        }
        Layer::Units => units::page(api, filter, page).await,
        Layer::Tracks => tracks::page(api, asker, query.reason.clone(), filter, page).await,
    }
}

async fn item(
    State(api): State<Api>,
    asker: Asker,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    Named((name, id)): Named<(String, String)>,
    Params(stated): Params<Stated>,
) -> Result<Response, ApiError> {
    let layer = Layer::named(&name)?;
    let feature = match layer {
        Layer::Stored(collection) => match id.parse::<DocumentId>() {
            Ok(id) => api.readers().query(move |reader| reader.feature(collection, id)).await?,
            Err(_) => None,
        },
        Layer::Units => units::one(&api, id).await?,
        Layer::Tracks => tracks::one(&api, asker, stated.reason, &id).await?,
    };
    let feature = feature.ok_or_else(|| ApiError::not_found("没有这个要素", "there is no such feature"))?;
    let links = Links::of(&headers);
    Ok(geo_json(&LinkedFeature { feature, links: vec![links.to("self", GEO_JSON, uri.path()), links.to_layer(layer)] }))
}

fn geo_json(answer: &impl Serialize) -> Response {
    let mut response = Json(answer).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(GEO_JSON));
    response
}
