//! Reports of the public by GeoReport v2 (Open311, wiki.open311.org/GeoReport_v2), as JSON and XML.
//!
//! | path | method | what |
//! |---|---|---|
//! | `/georeport/v2/discovery.json` | GET | where this service is |
//! | `/georeport/v2/services.json` | GET | what can be reported: the town's categories that are open to the public |
//! | `/georeport/v2/requests.json` | GET, POST | what the public reported; report something (a form) |
//! | `/georeport/v2/requests/{id}.json` | GET | one report, by id or by its spoken number |
//!
//! The last three with `.xml`, too. Shown is only what came in here. A report becomes a case of the source *public* in the village that `jurisdiction_id` (its
//! code), `door_tag` (what the QR code on a door holds, or the number beneath it; as an attribute `attribute[door_tag]`) or
//! `address_id` (the household behind a door) names, else in whose grid it lies. Name and phone of whoever
//! reports are sealed and never shown here, and numbers that look like a person's are masked; an e-mail address is not kept. `Idempotency-Key` makes a report that is sent
//! twice one case.

mod answer;
mod description;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form as UrlForm, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use townmesh_crdt::command::case::{self, Actor, CaseRef, NewCase};
use townmesh_crdt::command::{Outcome, table};
use townmesh_crdt::domain::case::{CaseState, Report, Source};
use townmesh_crdt::domain::person::{PersonalData, mask_numbers};
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::role::Role;
use townmesh_crdt::domain::tables::Tables;
use townmesh_crdt::id::DocumentId;
use townmesh_crdt::replica::Replica;
use townmesh_crdt::store::StoreError;

use super::Api;
use super::bounds::{Named, Params};
use super::cases::CaseName;
use super::error::ApiError;
use super::grids::today;
use super::once;
use crate::engine;
use crate::message::Message;
use crate::moment::Moment;
use crate::views::{RequestFilter, RequestRow};
use answer::{Form, Record, Records};
pub(super) use description::paths;

/// Reports that one answer holds at most, as the standard has it.
const MAX_REQUESTS: u32 = 1_000;
/// Ids that one question may name.
const MAX_IDS: usize = 100;
/// Where no period is asked for: the last 90 days, as the standard has it.
const DAYS_MS: i64 = 90 * 86_400_000;
/// When the service last changed.
const CHANGED: &str = "2026-11-27T00:00:00Z";
/// Pages that can be asked for: what lies behind them is asked for by its period.
const MAX_PAGE: u32 = 1_000;
/// Under which name reports of the public are recorded.
const BY: &str = "georeport";

/// Every path of this API.
pub(super) fn router() -> Router<Api> {
    Router::new()
        .route("/discovery.json", get(discovered))
        .route("/services.json", get(services_as_json))
        .route("/services.xml", get(services_as_xml))
        .route("/{file}", get(read).post(write))
        .route("/requests/{file}", get(read_one))
}

async fn discovered(headers: HeaderMap) -> Response {
    Json(discovery(&headers)).into_response()
}

async fn services_as_json(State(api): State<Api>) -> Response {
    Form::Json.answer(services(&api).await)
}

async fn services_as_xml(State(api): State<Api>) -> Response {
    Form::Xml.answer(services(&api).await)
}

fn no_such_path() -> ApiError {
    ApiError::not_found("没有这个接口", "there is no such path")
}

async fn read(
    State(api): State<Api>,
    Named(file): Named<String>,
    query: Result<Params<RequestQuery>, ApiError>,
) -> Response {
    match Form::of(&file) {
        Some(("requests", form)) => form.answer(match query {
            Ok(Params(query)) => requests(&api, query).await,
            Err(error) => Err(error),
        }),
        _ => Form::Json.answer(Err(no_such_path())),
    }
}

async fn read_one(State(api): State<Api>, Named(file): Named<String>) -> Response {
    let Some((name, form)) = Form::of(&file) else { return Form::Json.answer(Err(no_such_path())) };
    let query = RequestQuery { service_request_id: Some(name.to_owned()), ..RequestQuery::default() };
    let answer = match requests(&api, query).await {
        Ok((_, found)) if found.records.is_empty() => {
            Err(ApiError::not_found("没有这件反映", "there is no such report of the public here"))
        }
        answer => answer,
    };
    form.answer(answer)
}

async fn write(
    State(api): State<Api>,
    headers: HeaderMap,
    Named(file): Named<String>,
    input: Result<UrlForm<RequestInput>, FormRejection>,
) -> Response {
    let Some(("requests", form)) = Form::of(&file) else { return Form::Json.answer(Err(no_such_path())) };
    let answer = match input {
        Ok(UrlForm(input)) => report(&api, &headers, input).await,
        Err(rejection) => {
            let message = Message::new("body", "表单内容有误", rejection.body_text());
            Err(ApiError { status: rejection.status(), message })
        }
    };
    form.answer(answer)
}

fn found(list: &'static str, one: &'static str, records: Vec<Record>) -> (StatusCode, Records) {
    (StatusCode::OK, Records { list, one, records })
}

fn record(value: Value) -> Record {
    match value {
        Value::Object(record) => record,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Record::new(),
    }
}

/// Where this service is (wiki.open311.org/Service_Discovery). Its keys are the tokens of nodes.
fn discovery(headers: &HeaderMap) -> Value {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    json!({
        "changeset": CHANGED,
        "contact": "",
        "key_service": "",
        "endpoints": [{
            "specification": "http://wiki.open311.org/GeoReport_v2",
            "url": format!("http://{host}/georeport/v2"),
            "changeset": CHANGED,
            "type": "production",
            "formats": ["application/json", "text/xml"],
        }],
    })
}

/// The categories that the public may choose.
async fn services(api: &Api) -> Result<(StatusCode, Records), ApiError> {
    let tables = api.engine().read(table::tables).await??;
    let codes: Vec<&str> = tables.category_codes().collect();
    let services = codes.into_iter().filter_map(|code| service(&tables, code)).collect();
    Ok(found("services", "service", services))
}

fn service(tables: &Tables, code: &str) -> Option<Record> {
    let category = tables.category(code).filter(|category| category.public == Some(true))?;
    let name = category.chinese.clone().unwrap_or_default();
    let group = category.parent.as_deref().and_then(|parent| tables.category(parent)?.chinese.clone());
    Some(record(json!({
        "service_code": code,
        "service_name": name,
        "description": category.english,
        "metadata": false,
        "type": "realtime",
        "keywords": category.english,
        "group": group,
    })))
}

/// Which reports.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RequestQuery {
    jurisdiction_id: Option<String>,
    service_request_id: Option<String>,
    service_code: Option<String>,
    start_date: Option<String>,
    end_date: Option<String>,
    status: Option<String>,
    page: Option<u32>,
    page_size: Option<u32>,
    /// Passed over: whoever asks bears the node's token.
    #[serde(rename = "api_key")]
    _api_key: Option<String>,
    /// Passed over: there are none.
    #[serde(rename = "extensions")]
    _extensions: Option<String>,
}

fn wrong(name: &str, zh: &str, en: &str) -> ApiError {
    ApiError::bad_request(Message::new("query", format!("参数 {name} {zh}"), format!("the parameter {name} {en}")))
}

impl RequestQuery {
    fn filter(&self, now_ms: i64) -> Result<RequestFilter, ApiError> {
        let moment = |name: &str, text: &Option<String>| {
            let refused =
                |_| wrong(name, "须为时刻，如 2026-11-27T08:00:00Z", "must be a moment such as 2026-11-27T08:00:00Z");
            text.as_deref()
                .map(|text| text.replace(' ', "+").parse().map(|Moment(millis)| millis))
                .transpose()
                .map_err(refused)
        };
        let (start, end) = (moment("start_date", &self.start_date)?, moment("end_date", &self.end_date)?);
        // A period that is open at one end is the 90 days at the other.
        let (from_ms, until_ms) = match (start, end) {
            (None, None) => (Some(now_ms - DAYS_MS), None),
            (Some(start), None) => (Some(start), Some(start.saturating_add(DAYS_MS))),
            (None, Some(end)) => (Some(end.saturating_sub(DAYS_MS)), Some(end.saturating_add(1))),
            (start, end) => (start, end.map(|end| end.saturating_add(1))),
        };
        // Nor is it longer than that.
        let until_ms = until_ms.map(|until| from_ms.map_or(until, |from| until.min(from.saturating_add(DAYS_MS + 1))));
        let open = match self.status.as_deref() {
            None | Some("open,closed" | "closed,open") => None,
            Some("open") => Some(true),
            Some("closed") => Some(false),
            Some(_) => return Err(wrong("status", "须为 open 或 closed", "must be open or closed")),
        };
        let categories = self.service_code.iter().flat_map(|codes| codes.split(',')).map(str::to_owned).collect();
        let region = jurisdiction(self.jurisdiction_id.as_deref())?;
        Ok(RequestFilter { documents: vec![], categories, open, from_ms, until_ms, region })
    }
}

fn jurisdiction(code: Option<&str>) -> Result<Option<RegionCode>, ApiError> {
    let refused = |_| wrong("jurisdiction_id", "须为区划代码", "must be the code of a region");
    code.filter(|code| !code.is_empty()).map(str::parse).transpose().map_err(refused)
}

async fn requests(api: &Api, query: RequestQuery) -> Result<(StatusCode, Records), ApiError> {
    let filter = match query.service_request_id.as_deref() {
        // As the standard has it, whatever else is asked for does not count then.
        Some(ids) => match named(api, ids).await? {
            documents if documents.is_empty() => return Ok(found("service_requests", "request", vec![])),
            documents => RequestFilter { documents, ..RequestFilter::default() },
        },
        None => query.filter(engine::now().cast_signed())?,
    };
    let limit = query.page_size.unwrap_or(MAX_REQUESTS).clamp(1, MAX_REQUESTS);
    let skipped = query.page.unwrap_or(1).clamp(1, MAX_PAGE).saturating_sub(1) * limit;
    api.views_follow().await;
    let rows = api.readers().query(move |reader| reader.requests(&filter, limit, skipped)).await?;
    let tables = api.engine().read(table::tables).await??;
    let records = rows.iter().map(|row| request(row, &tables)).collect();
    Ok(found("service_requests", "request", records))
}

/// The cases that these ids and numbers name; those that are not here are passed over.
async fn named(api: &Api, ids: &str) -> Result<Vec<DocumentId>, ApiError> {
    let names: Vec<&str> = ids.split(',').map(str::trim).collect();
    if names.len() > MAX_IDS {
        return Err(wrong("service_request_id", "一次最多 100 个", "names more than 100"));
    }
    let mut documents = Vec::new();
    for name in names {
        let refused = |_| wrong("service_request_id", "不是编号", "is no id and no number");
        match api.case_named(name.parse::<CaseName>().map_err(refused)?).await {
            Ok(document) => documents.push(document),
            Err(error) if error.status == StatusCode::NOT_FOUND => {}
            Err(error) => return Err(error),
        }
    }
    Ok(documents)
}

/// What the public is shown of a case.
fn request(row: &RequestRow, tables: &Tables) -> Record {
    let category = row.category.as_deref().and_then(|code| tables.category(code));
    // What it was filed as may be none of the public's words.
    let category = category.filter(|category| category.public == Some(true));
    let state = row.state.unwrap_or(CaseState::Reported);
    record(json!({
        "service_request_id": row.document,
        "status": if state.is_open() { "open" } else { "closed" },
        "status_notes": format!("{} / {}", state.chinese(), state.english()),
        "service_name": category.and_then(|category| category.chinese.clone()),
        "service_code": category.and_then(|category| category.code.clone()),
        "description": row.description.as_deref().map(mask_numbers),
        "agency_responsible": row.team,
        "service_notice": format!("编号 {} / number {}", row.number, row.number),
        "requested_datetime": Moment(row.reported_ms),
        "updated_datetime": Moment(row.updated_ms),
        "expected_datetime": row.due_ms.map(Moment),
        "address": row.place.as_deref().map(mask_numbers),
        "address_id": Value::Null,
        "zipcode": Value::Null,
        "lat": row.position.map(Position::latitude),
        "long": row.position.map(Position::longitude),
        "media_url": Value::Null,
    }))
}

/// What somebody reports. What the standard knows and nobody here keeps (`email`, `device_id`, `account_id`) is passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RequestInput {
    jurisdiction_id: Option<String>,
    service_code: Option<String>,
    lat: Option<String>,
    long: Option<String>,
    address_string: Option<String>,
    address_id: Option<String>,
    door_tag: Option<String>,
    /// The same as an attribute of the service, as the standard writes them.
    #[serde(rename = "attribute[door_tag]")]
    attribute_door_tag: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    phone: Option<String>,
    description: Option<String>,
    media_url: Option<String>,
}

fn given(text: Option<&String>) -> Option<&str> {
    text.map(|text| text.trim()).filter(|text| !text.is_empty())
}

impl RequestInput {
    fn position(&self) -> Result<Option<Position>, ApiError> {
        let (latitude, longitude) = (given(self.lat.as_ref()), given(self.long.as_ref()));
        if latitude.is_none() && longitude.is_none() {
            return Ok(None);
        }
        let number = |text: Option<&str>| text.and_then(|text| text.parse().ok());
        let degrees = number(latitude).zip(number(longitude));
        let position = degrees.and_then(|(latitude, longitude)| Position::from_degrees(latitude, longitude));
        position.map(Some).ok_or_else(|| wrong("lat, long", "须为经纬度（度）", "must be degrees on Earth"))
    }

    /// Chinese names have the family's first, and no space.
    fn reporter(&self) -> PersonalData {
        let (family, own) = (given(self.last_name.as_ref()), given(self.first_name.as_ref()));
        let name = match (family, own) {
            (Some(family), Some(own)) if family.is_ascii() && own.is_ascii() => format!("{own} {family}"),
            (family, own) => format!("{}{}", family.unwrap_or_default(), own.unwrap_or_default()),
        };
        PersonalData { name, id_number: None, phone: given(self.phone.as_ref()).map(str::to_owned) }
    }

    fn report(&self, position: Option<Position>, address: Option<String>) -> Report {
        let mut description = given(self.description.as_ref()).unwrap_or_default().to_owned();
        if let Some(address) = given(self.media_url.as_ref()) {
            description.push_str(&format!("\n附件 / attached: {address}"));
        }
        Report {
            source: Source::Public,
            category: given(self.service_code.as_ref()).map(str::to_owned),
            place: given(self.address_string.as_ref()).map(str::to_owned).or(address).unwrap_or_default(),
            position,
            description,
            region: None,
            device: None,
            reporter: None,
            photos: vec![],
            found_ms: None,
        }
    }
}

/// The door that a report names.
struct Door {
    region: Option<RegionCode>,
    address: Option<String>,
    position: Option<Position>,
}

/// The door whose tag was scanned or typed, or behind which the household lives.
async fn door(api: &Api, input: &RequestInput) -> Result<Option<Door>, ApiError> {
    if let Some(tag) = given(input.door_tag.as_ref()).or_else(|| given(input.attribute_door_tag.as_ref())) {
        let tag = api.standing_door_tag(tag).await?.tag;
        return Ok(Some(Door { region: tag.region.parse().ok(), address: tag.address, position: tag.position }));
    }
    let Some(door) = given(input.address_id.as_ref()) else { return Ok(None) };
    let unknown = || ApiError::not_found("没有 address_id 所指的住户", "there is no household that address_id names");
    let door: DocumentId = door.parse().map_err(|_| unknown())?;
    let found = api.readers().query(move |reader| reader.household(door, false)).await?.ok_or_else(unknown)?;
    let household = found.household;
    let (region, address) = (household.region.parse().ok(), Some(household.address));
    Ok(Some(Door { region, address, position: household.position }))
}

/// The village that a report belongs to.
async fn region_of(
    api: &Api,
    input: &RequestInput,
    door: Option<&Door>,
    position: Option<Position>,
) -> Result<RegionCode, ApiError> {
    let region = jurisdiction(given(input.jurisdiction_id.as_ref()))?;
    if let Some(region) = region.or_else(|| door?.region) {
        return Ok(region);
    }
    let around = match position {
        Some(position) => api.readers().query(move |reader| reader.regions_at(position, today())).await?,
        None => Vec::new(),
    };
    match around.as_slice() {
        [only] => Ok(*only),
        [] => Err(which_village("不在任何网格内，无法判断所属村居", "lies in no grid, so the village is not known")),
        _ => Err(which_village("同时在几个村居的网格内", "lies in grids of several villages")),
    }
}

fn which_village(zh: &str, en: &str) -> ApiError {
    let message = Message::new("region_unclear", format!("该位置{zh}"), format!("the place {en}"));
    let remedy = ("用 jurisdiction_id 写明 12 位村居代码", "name the 12 digits of the village in jurisdiction_id");
    ApiError::bad_request(message.remedy(remedy.0, remedy.1))
}

async fn report(api: &Api, headers: &HeaderMap, input: RequestInput) -> Result<(StatusCode, Records), ApiError> {
    let Some(code) = given(input.service_code.as_ref()) else {
        return Err(wrong("service_code", "不能缺少", "is missing"));
    };
    let tables = api.engine().read(table::tables).await??;
    if service(&tables, code).is_none() {
        return Err(ApiError::not_found("没有这个可供公众选择的类别", "the public is not offered such a service_code"));
    }
    let door = door(api, &input).await?;
    let position = input.position()?.or_else(|| door.as_ref()?.position);
    let region = region_of(api, &input, door.as_ref(), position).await?;
    let natural_key = natural_key(headers)?;
    let (report, reporter) = (input.report(position, door.and_then(|door| door.address)), input.reporter());
    let job = move |replica: &mut Replica, now| {
        let actor = Actor { by: BY.to_owned(), role: Role::IntakeClerk, note: None };
        let new = NewCase { region, natural_key, noticed: now, report: report.clone(), reporter: Some(reporter) };
        let outcome = case::report(replica, &actor, new, now)?;
        let is_other = matches!(outcome, Outcome::Unchanged(_)) && !says_so(replica, outcome.value(), &report)?;
        Ok((outcome.into_value(), is_other))
    };
    let (case, is_other) = api.engine().record(job).await?;
    if is_other {
        let (zh, en) = ("这个 Idempotency-Key 已用于另一件反映", "another report was sent with this Idempotency-Key");
        return Err(ApiError::bad_request(Message::new("idempotency_key_used", zh, en)));
    }
    let number = townmesh_crdt::domain::number::SpokenNumber::of_case(case.document);
    let told = record(json!({
        "service_request_id": case.document,
        "service_notice": format!("已收到，编号 {number}，可凭此查询 / received; ask for it by its number {number}"),
        "account_id": Value::Null,
    }));
    Ok((StatusCode::CREATED, Records { list: "service_requests", one: "request", records: vec![told] }))
}

/// Whether a case was reported in these words.
fn says_so(replica: &mut Replica, case: &CaseRef, report: &Report) -> Result<bool, StoreError> {
    let known = case::read(replica, &case.namespace, case.document)?.and_then(|found| found.case.reported);
    let told =
        |report: &Report| (report.category.clone(), report.place.clone(), report.description.clone(), report.position);
    Ok(known.is_some_and(|known| told(&known.report) == told(report)))
}

/// What makes a report that is sent twice one case.
fn natural_key(headers: &HeaderMap) -> Result<Option<Vec<u8>>, ApiError> {
    Ok(once::key_of(headers)?.map(|key| format!("georeport:{key}").into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_put_together_as_people_write_them() {
        let name = |last: &str, first: &str| {
            let text = |text: &str| Some(text.to_owned());
            RequestInput { first_name: text(first), last_name: text(last), ..RequestInput::default() }.reporter().name
        };
        assert_eq!(name("王", "小明"), "王小明");
        assert_eq!(name("Smith", "Ann"), "Ann Smith");
        assert_eq!((name("", "小明"), name(" ", "")), ("小明".to_owned(), String::new()));
    }

    #[test]
    fn an_open_period_is_ninety_days_at_its_known_end() {
        let day = |text: &str| Some(text.to_owned());
        let bounds = |start, end| {
            let query = RequestQuery { start_date: start, end_date: end, ..RequestQuery::default() };
            let filter = query.filter(DAYS_MS + 5).unwrap();
            (filter.from_ms, filter.until_ms)
        };
        let first = "1970-01-01T00:00:00Z";
        assert_eq!(bounds(None, None), (Some(5), None));
        assert_eq!(bounds(day(first), None), (Some(0), Some(DAYS_MS)));
        assert_eq!(bounds(None, day(first)), (Some(-DAYS_MS), Some(1)));
        assert_eq!(bounds(day(first), day(first)), (Some(0), Some(1)));
        assert_eq!(
            bounds(day(first), day("2026-01-01T00:00:00Z")),
            (Some(0), Some(DAYS_MS + 1)),
            "no longer than that"
        );
    }
}
