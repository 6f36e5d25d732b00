//! Makes the description closed and exact: what derives cannot say.

use serde_json::{Map, Value, json};

use super::super::once;
use super::problems::ANYWHERE;

/// Paths that need no token on loopback.
const OPEN: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// A latitude, a longitude in degrees.
const LATITUDE: &str = r"-?(90(\.0{1,9})?|[0-8]?[0-9](\.[0-9]{1,12})?)";
const LONGITUDE: &str = r"-?(180(\.0{1,9})?|(1[0-7]|[0-9])?[0-9](\.[0-9]{1,12})?)";

type Object = Map<String, Value>;

/// What parameters of these names mean and how they look, wherever they stand.
fn known_parameter(name: &str) -> Option<(&'static str, Value)> {
    let place = format!("^{LATITUDE},{LONGITUDE}$");
    Some(match name {
        "limit" => ("最多几行 / how many rows at most", json!({})),
        "after" => ("上一页的 next / `next` of the page before", json!({})),
        "region" => ("区划，含其下属 / in this region and within it", json!({})),
        "from_ms" => ("从何时起，1970 年以来的毫秒 / from here on, in milliseconds since 1970", json!({})),
        "until_ms" => ("到何时止 / before, in milliseconds since 1970", json!({})),
        "reveal" => (
            "显示明文的理由 / why personal data is to be shown in clear; masked without",
            json!({ "pattern": r"\S", "maxLength": crate::reveals::MAX_REASON }),
        ),
        "bbox" => (
            "西,南,东,北（度）/ west,south,east,north in degrees",
            json!({ "pattern": format!("^{LONGITUDE},{LATITUDE},{LONGITUDE},{LATITUDE}$") }),
        ),
        "near" => ("纬度,经度（度）/ latitude,longitude in degrees: the nearest first", json!({ "pattern": place })),
        "square" => {
            ("方格内一点：纬度,经度 / any place in the square: latitude,longitude", json!({ "pattern": place }))
        }
        _ => return None,
    })
}

/// Corrects a description in place.
pub(super) fn tidy(description: &mut Value) {
    let schemas = description["components"]["schemas"].as_object().cloned().unwrap_or_default();
    if let Some(own) = description["components"]["schemas"].as_object_mut() {
        own.values_mut().for_each(|schema| tidy_schema(schema, &schemas));
    }
    name_speakers(description);
    description["components"]["securitySchemes"] = json!({ "token": {
        "type": "http", "scheme": "bearer",
        "description": "数据目录中 api.json 的令牌 / the token in api.json of the data directory",
    } });
    description["security"] = json!([{ "token": [] }]);
    let Some(paths) = description["paths"].as_object_mut() else { return };
    for (path, operations) in paths {
        for operation in operations.as_object_mut().into_iter().flat_map(Map::values_mut) {
            tidy_operation(path, operation, &schemas);
        }
    }
}

/// The API tells the name of each node that said something; the core does not know it.
fn name_speakers(description: &mut Value) {
    let speaker = description.pointer_mut("/components/schemas/ConflictSpeaker/properties");
    if let Some(speaker) = speaker {
        speaker["name"] = json!({ "type": ["string", "null"], "description": "Name of the node." });
    }
}

/// What an answer names can be asked for: operation, where the name stands in its answer, operation that takes it.
const LINKS: [(&str, &str, &str); 7] = [
    ("recordHousehold", "document", "showHousehold"),
    ("recordHousehold", "document", "editHousehold"),
    ("recordHousehold", "document", "addResident"),
    ("reportCase", "document", "showCase"),
    ("reportCase", "document", "actOnCase"),
    ("recordInspection", "hazards/0", "stepHazard"),
    ("settleConflict", "settlement", "undoSettlement"),
];

fn link(operation: &mut Value) {
    let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
    for (_, place, next) in LINKS.iter().filter(|(from, ..)| *from == id) {
        let link = json!({ "operationId": next, "parameters": { "id": format!("$response.body#/value/{place}") } });
        for status in ["200", "201"] {
            if let Some(answer) = operation["responses"].get_mut(status) {
                answer["links"][*next] = link.clone();
            }
        }
    }
}

/// What records from JSON may be sent again under the same key.
fn with_key(path: &str, operation: &mut Value) {
    if !path.starts_with("/v1/") || operation["requestBody"]["content"].get("application/json").is_none() {
        return;
    }
    let description =
        "同一请求重发时用同一键，只办理一次 / a request that is sent again under the same key is carried out once";
    let schema = json!({ "type": "string", "pattern": "^[!-~]+$", "maxLength": once::MAX_KEY });
    let key = json!({ "name": once::HEADER, "in": "header", "description": description, "schema": schema });
    match operation.get_mut("parameters").and_then(Value::as_array_mut) {
        Some(parameters) => parameters.push(key),
        None => operation["parameters"] = json!([key]),
    }
}

fn tidy_operation(path: &str, operation: &mut Value, schemas: &Object) {
    with_key(path, operation);
    let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
    parameters.into_iter().flatten().for_each(|parameter| tidy_parameter(parameter, schemas));
    for (status, description) in ANYWHERE {
        let content = json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } });
        if operation["responses"].get(status).is_none() {
            operation["responses"][status] = json!({ "description": description, "content": content });
        }
    }
    link(operation);
    if OPEN.contains(&path) {
        operation["security"] = json!([{}]);
    }
    tidy_schema(operation, schemas);
}

fn tidy_parameter(parameter: &mut Value, schemas: &Object) {
    let name = parameter["name"].as_str().unwrap_or_default().to_owned();
    // What may be left out is not written as null in a URL.
    if let Some(schema) = parameter.get_mut("schema") {
        without_null(schema);
    }
    if let Some((description, more)) = known_parameter(&name) {
        if parameter.get("description").is_none() {
            parameter["description"] = description.into();
        }
        let schema = parameter.get_mut("schema").and_then(Value::as_object_mut);
        if let (Some(schema), Value::Object(more)) = (schema, more) {
            schema.extend(more);
        }
    }
    tidy_schema(parameter, schemas);
}

fn without_null(schema: &mut Value) {
    if let Some(types) = schema.get_mut("type").and_then(Value::as_array_mut) {
        types.retain(|one| one != "null");
        if let [only] = types.as_slice() {
            schema["type"] = only.clone();
        }
    }
    if let Some(either) = schema.get_mut("oneOf").and_then(Value::as_array_mut) {
        either.retain(|one| one["type"] != "null");
        if let [only] = either.as_slice() {
            *schema = only.clone();
        }
    }
}

/// Walks through everything below, the inner parts first.
fn tidy_schema(value: &mut Value, schemas: &Object) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| tidy_schema(item, schemas)),
        Value::Object(object) => {
            object.values_mut().for_each(|inner| tidy_schema(inner, schemas));
            merge(object, schemas);
            close(object);
            bound(object);
            if let Some(Value::String(text)) = object.get_mut("description") {
                // Tables of field numbers are for those who read the source.
                let kept = text.split("\n\n|").next().map(str::len).unwrap_or_default();
                text.truncate(kept);
            }
            let is_name = |pattern: &Value| pattern == "";
            if object.get("pattern").is_some_and(is_name) {
                object.remove("pattern");
            }
            if object.get("default").is_some_and(Value::is_null) && !object.contains_key("in") {
                object.remove("default");
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What is flattened into an object becomes part of it, so that it can be closed.
fn merge(object: &mut Object, schemas: &Object) {
    let Some(Value::Array(parts)) = object.get("allOf") else { return };
    let Some(parts) = parts.iter().map(|part| resolved(part, schemas)).collect::<Option<Vec<Object>>>() else { return };
    let (mut properties, mut required) = (Object::new(), Vec::new());
    for part in parts {
        if let Some(Value::Object(more)) = part.get("properties") {
            properties.extend(more.clone());
        }
        if let Some(Value::Array(more)) = part.get("required") {
            required.extend(more.iter().cloned());
        }
    }
    object.remove("allOf");
    object.insert("type".to_owned(), "object".into());
    object.insert("properties".to_owned(), properties.into());
    if !required.is_empty() {
        object.insert("required".to_owned(), required.into());
    }
}

/// The object that a part is or names; `None` where it is no plain object.
fn resolved(part: &Value, schemas: &Object) -> Option<Object> {
    let named = part["$ref"].as_str().and_then(|name| name.strip_prefix("#/components/schemas/"));
    let mut object = match named {
        Some(name) => schemas.get(name)?.clone(),
        None => part.clone(),
    };
    tidy_schema(&mut object, schemas);
    let object = object.as_object()?.clone();
    object.contains_key("properties").then_some(object)
}

fn close(object: &mut Object) {
    let is_object = object.get("type").is_some_and(|kind| kind == "object");
    if is_object && object.contains_key("properties") && !object.contains_key("additionalProperties") {
        object.insert("additionalProperties".to_owned(), false.into());
    }
}

/// Numbers have the bounds of their types; keys of objects are texts, also where they are numbers.
fn bound(object: &mut Object) {
    if let Some(Value::String(format)) = object.get_mut("format") {
        *format = format.replace("u-int", "uint");
    }
    let format = object.get("format").and_then(Value::as_str).unwrap_or_default();
    let (least, most) = match format {
        "uint8" => (json!(0), json!(u8::MAX)),
        "uint16" => (json!(0), json!(u16::MAX)),
        "uint32" => (json!(0), json!(u32::MAX)),
        "uint64" => (json!(0), json!(u64::MAX)),
        "int32" => (json!(i32::MIN), json!(i32::MAX)),
        "int64" => (json!(i64::MIN), json!(i64::MAX)),
        _ => (Value::Null, Value::Null),
    };
    for (name, value) in [("minimum", least), ("maximum", most)] {
        if !value.is_null() {
            object.entry(name).or_insert(value);
        }
    }
    if object.get("propertyNames").is_some_and(|names| names["type"] == "integer") {
        object.insert("propertyNames".to_owned(), json!({ "pattern": "^(0|[1-9][0-9]{0,4})$" }));
    }
}
