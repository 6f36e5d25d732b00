use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, OnceLock};

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use jsonschema::Validator;
use serde_json::json;

use super::*;

/// Most bytes of a body that are looked at.
const MOST: usize = 64 << 20;

fn described() -> &'static Value {
    static DESCRIBED: OnceLock<Value> = OnceLock::new();
    DESCRIBED.get_or_init(description)
}

/// The path of the description that a request's path is one of: those without variable parts first.
fn template(path: &str) -> Option<&'static str> {
    let all = described()["paths"].as_object().unwrap().keys().map(String::as_str);
    all.filter(|template| fits(template, path)).min_by_key(|template| template.contains('{'))
}

/// Whether a path is one of a template's.
fn fits(template: &str, path: &str) -> bool {
    let (mut wanted, mut found) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return true,
            (Some(wanted), Some(found)) => {
                let is_one = match wanted.split_once('{').zip(wanted.split_once('}')) {
                    Some(((before, _), (_, after))) => found.starts_with(before) && found.ends_with(after),
                    None => wanted == found,
                };
                if !is_one {
                    return false;
                }
            }
            (None, Some(_)) | (Some(_), None) => return false,
        }
    }
}

/// What is wrong with a value by the schema at a place of the description.
fn faults(pointer: &str, value: &Value) -> Vec<String> {
    static VALIDATORS: Mutex<BTreeMap<String, &'static Validator>> = Mutex::new(BTreeMap::new());
    let validator = *VALIDATORS.lock().unwrap().entry(pointer.to_owned()).or_insert_with(|| {
        let schema = described().pointer(pointer).unwrap();
        let whole = json!({ "allOf": [schema], "components": described()["components"] });
        Box::leak(Box::new(jsonschema::draft202012::new(&whole).unwrap()))
    });
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn escaped(part: &str) -> String {
    part.replace('~', "~0").replace('/', "~1")
}

/// Refuses an answer that is not as it is described. Laid around the router of all tests of the API.
pub(in crate::http) async fn as_described(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().as_str().to_lowercase(), request.uri().path().to_owned());
    let answer = next.run(request).await;
    let media = answer.headers().get(header::CONTENT_TYPE).and_then(|media| media.to_str().ok());
    let media = media.map(|media| media.split(';').next().unwrap_or_default().trim().to_owned());
    if path.starts_with("/ogc") {
        return answer;
    }
    let problem = "/components/schemas/Problem".to_owned();
    let operation = template(&path).map(|template| format!("/paths/{}/{method}", escaped(template)));
    let operation = operation.filter(|operation| described().pointer(operation).is_some());
    let schema = match operation {
        None => {
            assert!(
                matches!(answer.status().as_u16(), 401 | 403 | 404 | 405),
                "{method} {path} is not described and answered {}",
                answer.status()
            );
            // GeoReport has errors of its own for files that it does not have.
            if path.starts_with("/georeport/") {
                return answer;
            }
            problem
        }
        Some(operation) => {
            let status = format!("{operation}/responses/{}", answer.status().as_u16());
            let known = described().pointer(&status);
            let known = known.unwrap_or_else(|| panic!("{method} {path}: {} is not described", answer.status()));
            let Some(media) = &media else {
                assert!(known.get("content").is_none(), "{method} {path}: an answer without a type");
                return answer;
            };
            assert!(known["content"].get(media).is_some(), "{method} {path}: {media} is not described: {known}");
            format!("{status}/content/{}/schema", escaped(media))
        }
    };
    if !media.is_some_and(|media| media == "application/json" || media.ends_with("+json")) {
        return answer;
    }
    let (head, body) = answer.into_parts();
    let bytes = to_bytes(body, MOST).await.unwrap();
    if head.status != StatusCode::METHOD_NOT_ALLOWED || !bytes.is_empty() {
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        let faults = faults(&schema, &value);
        assert!(faults.is_empty(), "{method} {path} answered {} {value}, but {faults:#?}", head.status);
    }
    Response::from_parts(head, Body::from(bytes))
}

/// Methods by path, as a source file routes them.
fn routed(source: &str, base: &str) -> BTreeSet<(String, String)> {
    let mut routes = BTreeSet::new();
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
    for route in source.split(".route(").skip(1) {
        let Some((path, handlers)) = route.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"')) else {
            continue;
        };
        // To the bracket that closes the route.
        let mut depth = 1_i32;
        let end = handlers.find(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0
        });
        let handlers = &handlers[..end.unwrap()];
        for method in ["get", "post", "patch", "put", "delete"] {
            let is_first = handlers.trim_start_matches([',', ' ', '\n']).starts_with(&format!("{method}("));
            if is_first || handlers.contains(&format!(".{method}(")) {
                routes.insert((format!("{base}{path}"), method.to_owned()));
            }
        }
    }
    routes
}

/// The one variable file of GeoReport stands for these.
fn files(route: (String, String)) -> Vec<(String, String)> {
    let (path, method) = route;
    let names: &[&str] = match (path.as_str(), method.as_str()) {
        ("/georeport/v2/{file}", _) => &["requests.json", "requests.xml"],
        ("/georeport/v2/requests/{file}", "get") => &["{id}.json", "{id}.xml"],
        _ => return vec![(path, method)],
    };
    names.iter().map(|name| (path.replace("{file}", name), method.clone())).collect()
}

#[test]
fn every_route_is_described_and_nothing_else_is() {
    let mut routes = routed(include_str!("../mod.rs"), "");
    assert!(routes.remove(&("/ogc/".to_owned(), "get".to_owned())));
    let nested = include_str!("../mod.rs").matches(".nest(").count();
    assert_eq!(nested, 2, "what is nested is told here");
    routes.extend(routed(include_str!("../georeport/mod.rs"), "/georeport/v2"));
    let routes: BTreeSet<(String, String)> = routes.into_iter().flat_map(files).collect();
    let paths = described()["paths"].as_object().unwrap();
    let described: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| (path.clone(), method.clone()))
        })
        .collect();
    assert!(routes.len() > 60, "{routes:?}");
    let (only_routed, only_described): (Vec<_>, Vec<_>) =
        (routes.difference(&described).collect(), described.difference(&routes).collect());
    assert!(only_routed.is_empty() && only_described.is_empty(), "{only_routed:?} and {only_described:?}");
}

#[test]
fn operations_have_names_of_their_own_and_summaries_in_both_languages() {
    let mut names = BTreeSet::new();
    for operation in
        described()["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values())
    {
        let name = operation["operationId"].as_str().unwrap();
        assert!(names.insert(name), "{name} is there twice");
        let summary = operation["summary"].as_str().unwrap();
        assert!(!summary.is_ascii() && summary.contains('/'), "{name}: {summary}");
        let tag = operation["tags"][0].as_str().unwrap();
        assert!(described()["tags"].as_array().unwrap().iter().any(|known| known["name"] == tag), "{name}: {tag}");
    }
}

/// Visits every schema below.
fn visit(value: &Value, place: &str, look: &mut impl FnMut(&Value, &str)) {
    look(value, place);
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, inner)| visit(inner, &format!("{place}/{name}"), look)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, inner)| visit(inner, &format!("{place}/{at}"), look))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn objects_are_closed_and_what_is_referred_to_is_there() {
    visit(described(), "", &mut |value, place| {
        if value.get("properties").is_some_and(Value::is_object) && value["type"] == "object" {
            assert!(value.get("additionalProperties").is_some(), "{place} is open");
        }
        if let Some(name) = value.get("$ref").and_then(Value::as_str) {
            let name = name.strip_prefix('#').unwrap();
            assert!(described().pointer(name).is_some(), "{place}: {name} is not there");
        }
        assert!(value.get("allOf").is_none(), "{place} is not merged");
        for keyword in ["type", "oneOf", "parameters", "requestBody"] {
            assert_ne!(value.get(keyword), Some(&Value::Null), "{place} has an empty {keyword}");
        }
    });
}

#[test]
fn what_is_not_as_described_is_noticed() {
    let wrong = json!({ "type": "about:blank", "title": "", "status": 400, "detail": "", "code": "x", "message_zh": "", "message_en": "", "more": 1 });
    assert_eq!(faults("/components/schemas/Problem", &wrong).len(), 1);
    let rows = "/paths/~1v1~1counts/get/responses/200/content/application~1json/schema";
    assert!(faults(rows, &json!({ "rows": [] })).is_empty());
    assert!(!faults(rows, &json!({ "rows": [{ "region": 3 }] })).is_empty());
}
