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
//! It tells nothing about residents; [`Feature`] says what it does tell. Against the standard (`/req/core/fc-bbox-response`)
//! a `bbox` leaves out what has no place: a ledger may hold a hundred thousand doors without one.

mod description;
mod parameters;
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
use crate::engine;
use crate::moment::Moment;
use crate::views::{Collection, Feature, Listed};
use description::{GEO_JSON, Link, Links, OPEN_API};
use parameters::ItemQuery;
pub(crate) use parameters::escaped;

/// A collection of this API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    /// Documents, from the views.
    Stored(Collection),
    /// 力量: where each unit was last.
    Units,
}

impl Layer {
    fn all() -> impl Iterator<Item = Self> {
        Collection::ALL.into_iter().map(Self::Stored).chain([Self::Units])
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
        }
    }

    fn title(self) -> (&'static str, &'static str) {
        match self {
            Self::Stored(collection) => collection.title(),
            Self::Units => ("力量位置", "last positions of units"),
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

pub(super) async fn landing(headers: HeaderMap, Params(none): Params<NoParameters>) -> Response {
    let NoParameters {} = none;
    Json(description::landing(&Links::of(&headers))).into_response()
}

async fn conformance(Params(none): Params<NoParameters>) -> Response {
    let NoParameters {} = none;
    Json(description::conformance()).into_response()
}

async fn api_description(headers: HeaderMap, Params(none): Params<NoParameters>) -> Response {
    let NoParameters {} = none;
    ([(header::CONTENT_TYPE, OPEN_API)], description::open_api(&Links::of(&headers)).to_string()).into_response()
}

async fn collections(headers: HeaderMap, Params(none): Params<NoParameters>) -> Response {
    let NoParameters {} = none;
    Json(description::collections(&Links::of(&headers))).into_response()
}

async fn collection(
    headers: HeaderMap,
    Named(name): Named<String>,
    Params(none): Params<NoParameters>,
) -> Result<Response, ApiError> {
    let NoParameters {} = none;
    Ok(Json(description::collection(Layer::named(&name)?, &Links::of(&headers))).into_response())
}

/// A query without any parameter; the standard wants every other one refused.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoParameters {}

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
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    Named(name): Named<String>,
    Params(pairs): Params<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    let layer = Layer::named(&name)?;
    let query = ItemQuery::read(pairs, layer.has_regions())?;
    let links = Links::of(&headers);
    let time_stamp = Moment(engine::now().cast_signed());
    let listed = page(&api, layer, &query).await?;
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

async fn page(api: &Api, layer: Layer, query: &ItemQuery) -> Result<Listed<Feature>, ApiError> {
    let (filter, page) = (query.filter.clone(), query.page.clone());
    match layer {
        Layer::Stored(collection) => {
            api.readers().query(move |reader| reader.features(collection, &filter, &page)).await
        }
        Layer::Units => units::page(api, filter, page).await,
    }
}

async fn item(
    State(api): State<Api>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    Named((name, id)): Named<(String, String)>,
    Params(none): Params<NoParameters>,
) -> Result<Response, ApiError> {
    let NoParameters {} = none;
    let layer = Layer::named(&name)?;
    let feature = match layer {
        Layer::Stored(collection) => match id.parse::<DocumentId>() {
            Ok(id) => api.readers().query(move |reader| reader.feature(collection, id)).await?,
            Err(_) => None,
        },
        Layer::Units => units::one(&api, id).await?,
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
