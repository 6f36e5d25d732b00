//! What the API says about itself: where everything is, what it keeps of the standard, which collections there are.

use axum::http::{HeaderMap, header};
use serde::Serialize;
use serde_json::{Value, json};

use super::Layer;
use crate::reveals::MAX_REASON;

pub(super) const GEO_JSON: &str = "application/geo+json";
pub(super) const OPEN_API: &str = "application/vnd.oai.openapi+json;version=3.0";
const JSON: &str = "application/json";
/// Longitude and latitude, WGS 84.
const CRS84: &str = "http://www.opengis.net/def/crs/OGC/1.3/CRS84";

/// A link as RFC 8288 has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Link {
    href: String,
    rel: &'static str,
    #[serde(rename = "type")]
    media_type: &'static str,
}

/// Makes links to this node as the asker names it.
pub(super) struct Links {
    host: String,
}

impl Links {
    /// The guard has let pass only hosts that are this machine.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        Self { host: host.to_owned() }
    }

    /// A link to a path that begins with `/`.
    pub(super) fn to(&self, rel: &'static str, media_type: &'static str, path: &str) -> Link {
        Link { href: format!("http://{}{path}", self.host), rel, media_type }
    }

    /// The link from features to their collection.
    pub(super) fn to_layer(&self, layer: Layer) -> Link {
        self.to("collection", JSON, &format!("/ogc/collections/{}", layer.name()))
    }
}

pub(super) fn landing(links: &Links) -> Value {
    json!({
        "title": "townmesh",
        "description": "城镇一张图（本节点所见） / the map of the town as this node sees it",
        "links": [
            links.to("self", JSON, "/ogc"),
            links.to("service-desc", OPEN_API, "/ogc/api"),
            links.to("conformance", JSON, "/ogc/conformance"),
            links.to("data", JSON, "/ogc/collections"),
        ],
    })
}

/// What is kept of the standard, and the one thing that is not, on purpose.
pub(super) fn conformance() -> Value {
    let class = |name: &str| format!("http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/{name}");
    json!({
        "conformsTo": [class("core"), class("geojson"), class("oas30")],
        "deviations": [{
            "requirement": "/req/core/fc-bbox-response",
            "deviation": "bbox leaves out features without a place: a ledger may hold a hundred thousand of them",
        }],
    })
}

pub(super) fn collections(links: &Links) -> Value {
    let collections: Vec<Value> = Layer::all().map(|layer| collection(layer, links)).collect();
    json!({ "links": [links.to("self", JSON, "/ogc/collections")], "collections": collections })
}

pub(super) fn collection(layer: Layer, links: &Links) -> Value {
    let (name, (chinese, english)) = (layer.name(), layer.title());
    let path = format!("/ogc/collections/{name}");
    json!({
        "id": name,
        "title": format!("{chinese} / {english}"),
        "itemType": "feature",
        "crs": [CRS84],
        "links": [links.to("self", JSON, &path), links.to("items", GEO_JSON, &format!("{path}/items"))],
    })
}

/// The description for programs: OpenAPI 3.0.
pub(super) fn open_api(links: &Links) -> Value {
    let id = json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } });
    let get = |summary: &str, mut parameters: Vec<Value>, media_type: &str, asks_why: bool| {
        parameters.push(reason(asks_why));
        let ok = json!({ "description": summary, "content": { media_type: { "schema": { "type": "object" } } } });
        let problem = json!({ "$ref": "#/components/responses/Problem" });
        let answers =
            json!({ "200": ok, "400": problem, "401": problem, "403": problem, "404": problem, "default": problem });
        json!({ "get": { "summary": summary, "parameters": parameters, "responses": answers } })
    };
    let problem = json!({
        "description": "what was wrong (RFC 9457)",
        "content": { "application/problem+json": { "schema": { "type": "object" } } },
    });
    let mut paths = json!({
        "/": get("where everything is", vec![], JSON, false),
        "/api": get("this description", vec![], OPEN_API, false),
        "/conformance": get("which parts of the standard are kept", vec![], JSON, false),
        "/collections": get("what there is on the map", vec![], JSON, false),
    });
    for layer in Layer::all() {
        let (path, (_, title)) = (format!("/collections/{}", layer.name()), layer.title());
        let asks_why = layer == Layer::Tracks;
        paths[format!("{path}/items")] = get(title, item_parameters(layer), GEO_JSON, asks_why);
        paths[format!("{path}/items/{{id}}")] = get(title, vec![id.clone()], GEO_JSON, asks_why);
        paths[path] = get(title, vec![], JSON, false);
    }
    json!({
        "openapi": "3.0.3",
        "info": { "title": "townmesh: OGC API Features", "version": env!("CARGO_PKG_VERSION") },
        "servers": [{ "url": links.to("self", JSON, "/ogc").href }],
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "responses": { "Problem": problem },
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

/// Why somebody asks, as a parameter.
fn reason(required: bool) -> Value {
    let description = match required {
        true => "why: it is noted with the name of who asks, before anything is shown",
        false => "counts for nothing here; GIS programs put it behind every path",
    };
    let schema = json!({ "type": "string", "maxLength": MAX_REASON });
    json!({ "name": "reason", "in": "query", "required": required, "description": description, "schema": schema })
}

fn item_parameters(layer: Layer) -> Vec<Value> {
    let query = |name: &str, description: &str, schema: Value| {
        json!({
            "name": name, "in": "query", "required": false, "description": description, "schema": schema,
            "style": "form", "explode": false,
        })
    };
    let (usual, most) = layer.page_size();
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": most, "default": usual });
    let numbers =
        |count: u8| json!({ "type": "array", "minItems": count, "maxItems": count, "items": { "type": "number" } });
    let numbers = json!({ "oneOf": [numbers(4), numbers(6)] });
    let text = json!({ "type": "string" });
    let region = query("region", "the code of a region: what lies within it", text.clone());
    let region = layer.has_regions().then_some(region);
    let common = vec![
        query("bbox", "west,south,east,north in degrees (WGS 84)", numbers),
        query("datetime", "a moment or an interval (RFC 3339); one end may be ..", text.clone()),
        query("limit", "features of a page", limit),
        query("after", "where the page begins: from the link next", text),
    ];
    common.into_iter().chain(region).collect()
}
