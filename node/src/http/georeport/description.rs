//! The part of GeoReport in the description of the API. The two forms stand under paths of their own, as the standard
//! has them.

use serde_json::{Map, Value, json};

/// Its paths.
pub(in crate::http) fn paths() -> Map<String, Value> {
    let mut paths = Map::new();
    let base = "/georeport/v2";
    let found = discovery();
    paths.insert(
        format!("{base}/discovery.json"),
        json!({ "get": operation("discovery", "服务发现 / where this service is", found, &[]) }),
    );
    for (form, media) in [("json", "application/json"), ("xml", "text/xml")] {
        let suffix = if form == "xml" { "Xml" } else { "" };
        let of = |record: Value| {
            if form == "json" { json!({ "type": "array", "items": record }) } else { json!({ "type": "string" }) }
        };
        let listed = |record: Value| json!({ "200": answer("结果 / what was asked for", media, &of(record)) });
        let errors = |statuses: &[&str]| errors(statuses, media, &of(error()));
        let name = |name: &str| format!("{name}{suffix}");

        let mut services =
            operation(&name("listServices"), "可反映的类别 / what can be reported", listed(service()), &[]);
        extend(&mut services, errors(&["503"]));
        paths.insert(format!("{base}/services.{form}"), json!({ "get": services }));

        let mut list =
            operation(&name("listRequests"), "公众反映列表 / what the public reported", listed(request()), &filters());
        extend(&mut list, errors(&["400"]));
        let told = json!({ "201": answer("已收到 / received", media, &of(receipt())) });
        let mut report = operation(&name("report"), "反映问题（表单）/ report something, as a form", told, &[key()]);
        report["requestBody"] = json!({ "required": true, "content": { "application/x-www-form-urlencoded": { "schema": form_fields() } } });
        extend(&mut report, errors(&["400", "404", "413", "415"]));
        paths.insert(format!("{base}/requests.{form}"), json!({ "get": list, "post": report }));

        let id = json!({ "name": "id", "in": "path", "required": true, "description": "编号 / its id, or the number that people say",
            "schema": { "$ref": "#/components/schemas/CaseName" } });
        let mut one = operation(&name("showRequest"), "一件反映 / one report", listed(request()), &[id]);
        extend(&mut one, errors(&["400", "404"]));
        paths.insert(format!("{base}/requests/{{id}}.{form}"), json!({ "get": one }));
    }
    paths
}

fn operation(id: &str, summary: &str, responses: Value, parameters: &[Value]) -> Value {
    json!({ "operationId": id, "tags": ["georeport"], "summary": summary, "parameters": parameters, "responses": responses })
}

fn answer(description: &str, media: &str, schema: &Value) -> Value {
    json!({ "description": description, "content": { media: { "schema": schema } } })
}

fn extend(operation: &mut Value, more: Map<String, Value>) {
    if let Some(responses) = operation["responses"].as_object_mut() {
        responses.extend(more);
    }
}

/// GeoReport's own errors; the guards before it answer problems.
fn errors(statuses: &[&str], media: &str, schema: &Value) -> Map<String, Value> {
    let problem = json!({ "schema": { "$ref": "#/components/schemas/Problem" } });
    let one = |status: &&str| {
        let content = json!({ media: { "schema": schema }, "application/problem+json": problem });
        ((*status).to_owned(), json!({ "description": "有误 / an error", "content": content }))
    };
    statuses.iter().chain(&["503"]).map(one).collect()
}

fn object(fields: &[(&str, Value)]) -> Value {
    let properties: Map<String, Value> =
        fields.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    json!({ "type": "object", "properties": properties, "required": names })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn perhaps(kind: &str) -> Value {
    json!({ "type": [kind, "null"] })
}

fn error() -> Value {
    object(&[("code", json!({ "type": "integer" })), ("description", text()), ("error", text())])
}

fn service() -> Value {
    object(&[
        ("service_code", text()),
        ("service_name", text()),
        ("description", perhaps("string")),
        ("metadata", json!({ "type": "boolean" })),
        ("type", text()),
        ("keywords", perhaps("string")),
        ("group", perhaps("string")),
    ])
}

fn request() -> Value {
    let perhaps_text = [
        "status_notes",
        "service_name",
        "service_code",
        "description",
        "agency_responsible",
        "service_notice",
        "expected_datetime",
        "address",
        "address_id",
        "zipcode",
        "media_url",
    ];
    let mut fields = vec![
        ("service_request_id", text()),
        ("status", json!({ "type": "string", "enum": ["open", "closed"] })),
        ("requested_datetime", text()),
        ("updated_datetime", text()),
        ("lat", perhaps("number")),
        ("long", perhaps("number")),
    ];
    fields.extend(perhaps_text.map(|name| (name, perhaps("string"))));
    object(&fields)
}

fn receipt() -> Value {
    object(&[("service_request_id", text()), ("service_notice", text()), ("account_id", perhaps("string"))])
}

fn discovery() -> Value {
    let endpoint = object(&[
        ("specification", text()),
        ("url", text()),
        ("changeset", text()),
        ("type", text()),
        ("formats", json!({ "type": "array", "items": text() })),
    ]);
    let schema = object(&[
        ("changeset", text()),
        ("contact", text()),
        ("key_service", text()),
        ("endpoints", json!({ "type": "array", "items": endpoint })),
    ]);
    json!({ "200": answer("结果 / what was asked for", "application/json", &schema) })
}

/// How a list of reports is chosen.
fn filters() -> Vec<Value> {
    let moment = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$";
    let moment = || json!({ "type": "string", "pattern": moment });
    let number = || json!({ "type": "integer", "format": "uint32" });
    // Programs send it empty where they know none.
    let code = "^([1-9][0-9]([0-9]{2}([0-9]{2}([0-9]{3}([0-9]{3})?)?)?)?)?$";
    let region = json!({ "type": "string", "pattern": code });
    let status = json!({ "type": "string", "enum": ["open", "closed", "open,closed", "closed,open"] });
    let parameters = [
        ("jurisdiction_id", region, "区划 / code of a region"),
        ("service_request_id", text(), "编号，以逗号分隔 / ids, with commas between them; nothing else counts then"),
        ("service_code", text(), "类别 / categories, with commas between them"),
        ("start_date", moment(), "从何时起 / from here on"),
        ("end_date", moment(), "到何时止 / until"),
        ("status", status, "状态 / status"),
        ("page", number(), "第几页 / which page, from 1"),
        ("page_size", number(), "每页几件 / reports a page"),
        ("api_key", text(), "忽略 / passed over"),
        ("extensions", text(), "忽略 / passed over"),
    ];
    let one = |(name, schema, description): (&str, Value, &str)| json!({ "name": name, "in": "query", "schema": schema, "description": description });
    parameters.into_iter().map(one).collect()
}

fn key() -> Value {
    json!({ "name": "idempotency-key", "in": "header", "schema": { "type": "string", "minLength": 1, "maxLength": 200 },
        "description": "重复发送仍为一件 / makes a report that is sent twice one case" })
}

/// The fields of a report. What the standard knows beside them is passed over.
fn form_fields() -> Value {
    let fields = [
        "jurisdiction_id",
        "service_code",
        "lat",
        "long",
        "address_string",
        "address_id",
        "door_tag",
        "attribute[door_tag]",
        "first_name",
        "last_name",
        "phone",
        "description",
        "media_url",
        "email",
        "device_id",
        "account_id",
    ];
    let properties: Map<String, Value> = fields.iter().map(|name| ((*name).to_owned(), text())).collect();
    json!({ "type": "object", "properties": properties, "required": ["service_code"], "additionalProperties": true })
}
