//! Reports of the public by GeoReport v2 (Open311, wiki.open311.org/GeoReport_v2), as JSON and XML.
//!
//! | path | method | what |
//! |---|---|---|
//! | `/georeport/v2/discovery.json` | GET | where this service is |
//! | `/georeport/v2/services.json` | GET | what can be reported: the town's categories that are open to the public |
//! | `/georeport/v2/requests.json` | GET, POST | what the public reported; report something (a form) |
//! | `/georeport/v2/requests/{id}.json` | GET | one report, by id or by its spoken number |
//!
//! Each path with `.xml`, too. A report becomes a case of the source *public* in the village that `jurisdiction_id` (its
//! code) or `address_id` (the household behind a door) names, else in whose grid it lies. Name and phone of whoever
//! reports are sealed and never shown here, and numbers that look like a person's are masked; an e-mail address is not kept. `Idempotency-Key` makes a report that is sent
//! twice one case.

mod answer;

use axum::Router;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form as UrlForm, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};
use townmesh_crdt::command::case::{self, Actor, NewCase};
use townmesh_crdt::command::table;
use townmesh_crdt::domain::case::{CaseState, Report, Source};
use townmesh_crdt::domain::person::{PersonalData, mask_numbers};
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::role::Role;
use townmesh_crdt::domain::tables::Tables;
use townmesh_crdt::id::DocumentId;
use townmesh_crdt::replica::Replica;

use super::Api;
use super::bounds::{Named, Params};
use super::cases::CaseName;
use super::error::ApiError;
use crate::engine;
use crate::message::Message;
use crate::moment::Moment;
use crate::views::{RequestFilter, RequestRow};
use answer::{Form, Record, Records};

/// Reports that one answer holds at most, as the standard has it.
const MAX_REQUESTS: u32 = 1_000;
/// Ids that one question may name.
const MAX_IDS: usize = 100;
/// Where no period is asked for: the last 90 days, as the standard has it.
const DAYS_MS: i64 = 90 * 86_400_000;
/// Under which name reports of the public are recorded.
const BY: &str = "georeport";
/// Longest key of a report that may be sent again.
const MAX_KEY: usize = 200;

/// Every path of this API.
pub(super) fn router() -> Router<Api> {
    Router::new().route("/{file}", get(read).post(write)).route("/requests/{file}", get(read_one))
}

fn no_such_path() -> ApiError {
    ApiError::not_found("没有这个接口", "there is no such path")
}

async fn read(
    State(api): State<Api>,
    headers: HeaderMap,
    Named(file): Named<String>,
    query: Result<Params<RequestQuery>, ApiError>,
) -> Response {
    match Form::of(&file) {
        Some(("discovery", form)) => form.answer(Ok(found("discovery", "endpoint", vec![discovery(&headers)]))),
        Some(("services", form)) => form.answer(services(&api).await),
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

fn discovery(headers: &HeaderMap) -> Record {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    record(json!({
        "specification": "http://wiki.open311.org/GeoReport_v2",
        "url": format!("http://{host}/georeport/v2"),
        "type": "production",
        "formats": "application/json, text/xml",
    }))
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
}

fn wrong(name: &str, zh: &str, en: &str) -> ApiError {
    ApiError::bad_request(Message::new("query", format!("参数 {name} {zh}"), format!("the parameter {name} {en}")))
}

impl RequestQuery {
    fn filter(&self, documents: Vec<DocumentId>, now_ms: i64) -> Result<RequestFilter, ApiError> {
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
            (None, None) if documents.is_empty() => (Some(now_ms - DAYS_MS), None),
            (Some(start), None) => (Some(start), Some(start.saturating_add(DAYS_MS))),
            (None, Some(end)) => (Some(end.saturating_sub(DAYS_MS)), Some(end.saturating_add(1))),
            (start, end) => (start, end.map(|end| end.saturating_add(1))),
        };
        let open = match self.status.as_deref() {
            None | Some("open,closed" | "closed,open") => None,
            Some("open") => Some(true),
            Some("closed") => Some(false),
            Some(_) => return Err(wrong("status", "须为 open 或 closed", "must be open or closed")),
        };
        let categories = self.service_code.iter().flat_map(|codes| codes.split(',')).map(str::to_owned).collect();
        let region = jurisdiction(self.jurisdiction_id.as_deref())?;
        Ok(RequestFilter { documents, categories, open, from_ms, until_ms, region })
    }
}

fn jurisdiction(code: Option<&str>) -> Result<Option<RegionCode>, ApiError> {
    let refused = |_| wrong("jurisdiction_id", "须为区划代码", "must be the code of a region");
    code.filter(|code| !code.is_empty()).map(str::parse).transpose().map_err(refused)
}

async fn requests(api: &Api, query: RequestQuery) -> Result<(StatusCode, Records), ApiError> {
    let mut documents = Vec::new();
    for name in query.service_request_id.iter().flat_map(|ids| ids.split(',')).take(MAX_IDS) {
        let refused = |_| wrong("service_request_id", "不是编号", "is no id and no number");
        documents.push(api.case_named(name.trim().parse::<CaseName>().map_err(refused)?).await?);
    }
    let filter = query.filter(documents, engine::now().cast_signed())?;
    let limit = query.page_size.unwrap_or(MAX_REQUESTS).clamp(1, MAX_REQUESTS);
    let skipped = query.page.unwrap_or(1).saturating_sub(1).saturating_mul(limit);
    api.views_follow().await;
    let rows = api.readers().query(move |reader| reader.requests(&filter, limit, skipped)).await?;
    let tables = api.engine().read(table::tables).await??;
    let records = rows.iter().map(|row| request(row, &tables)).collect();
    Ok(found("service_requests", "request", records))
}

/// What the public is shown of a case.
fn request(row: &RequestRow, tables: &Tables) -> Record {
    let category = row.category.as_deref().and_then(|code| tables.category(code));
    let state = row.state.unwrap_or(CaseState::Reported);
    record(json!({
        "service_request_id": row.document,
        "status": if state.is_open() { "open" } else { "closed" },
        "status_notes": format!("{} / {}", state.chinese(), state.english()),
        "service_name": category.and_then(|category| category.chinese.clone()),
        "service_code": row.category,
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
        let (Some(latitude), Some(longitude)) = (given(self.lat.as_ref()), given(self.long.as_ref())) else {
            return Ok(None);
        };
        let degrees = latitude.parse().ok().zip(longitude.parse().ok());
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

    fn report(&self, position: Option<Position>) -> Report {
        let mut description = given(self.description.as_ref()).unwrap_or_default().to_owned();
        if let Some(address) = given(self.media_url.as_ref()) {
            description.push_str(&format!("\n附件 / attached: {address}"));
        }
        Report {
            source: Source::Public,
            category: given(self.service_code.as_ref()).map(str::to_owned),
            place: given(self.address_string.as_ref()).unwrap_or_default().to_owned(),
            position,
            description,
            region: None,
            device: None,
            reporter: None,
            photos: vec![],
        }
    }
}

/// The village that a report belongs to.
async fn region_of(api: &Api, input: &RequestInput, position: Option<Position>) -> Result<RegionCode, ApiError> {
    if let Some(region) = jurisdiction(given(input.jurisdiction_id.as_ref()))? {
        return Ok(region);
    }
    if let Some(door) = given(input.address_id.as_ref()) {
        let unknown =
            || ApiError::not_found("没有 address_id 所指的住户", "there is no household that address_id names");
        let door: DocumentId = door.parse().map_err(|_| unknown())?;
        let found = api.readers().query(move |reader| reader.household(door, false)).await?;
        return found.and_then(|found| found.household.region.parse().ok()).ok_or_else(unknown);
    }
    let around = match position {
        Some(position) => api.readers().query(move |reader| reader.regions_at(position)).await?,
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
    let position = input.position()?;
    let region = region_of(api, &input, position).await?;
    let natural_key = natural_key(headers)?;
    let (report, reporter) = (input.report(position), input.reporter());
    let job = move |replica: &mut Replica, now| {
        let actor = Actor { by: BY.to_owned(), role: Role::IntakeClerk, note: None };
        let new = NewCase { region, natural_key, noticed: now, report, reporter: Some(reporter) };
        case::report(replica, &actor, new, now)
    };
    let case = api.engine().record(job).await?.into_value();
    let number = townmesh_crdt::domain::number::SpokenNumber::of_case(case.document);
    let told = record(json!({
        "service_request_id": case.document,
        "service_notice": format!("已收到，编号 {number}，可凭此查询 / received; ask for it by its number {number}"),
        "account_id": Value::Null,
    }));
    Ok((StatusCode::CREATED, Records { list: "service_requests", one: "request", records: vec![told] }))
}

/// What makes a report that is sent twice one case.
fn natural_key(headers: &HeaderMap) -> Result<Option<Vec<u8>>, ApiError> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let key = key.to_str().ok().map(str::trim).filter(|key| !key.is_empty() && key.len() <= MAX_KEY);
    let key = key.ok_or_else(|| {
        let message = Message::new(
            "idempotency_key",
            "Idempotency-Key 须为可见字符，不超过 200 个",
            "Idempotency-Key must be visible characters, 200 at most",
        );
        ApiError::bad_request(message)
    })?;
    Ok(Some(format!("georeport:{key}").into_bytes()))
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
        let bounds = |start, end, documents| {
            let query = RequestQuery { start_date: start, end_date: end, ..RequestQuery::default() };
            let filter = query.filter(documents, DAYS_MS + 5).unwrap();
            (filter.from_ms, filter.until_ms)
        };
        let first = "1970-01-01T00:00:00Z";
        assert_eq!(bounds(None, None, vec![]), (Some(5), None));
        assert_eq!(bounds(None, None, vec![DocumentId([0; 16])]), (None, None));
        assert_eq!(bounds(day(first), None, vec![]), (Some(0), Some(DAYS_MS)));
        assert_eq!(bounds(None, day(first), vec![]), (Some(-DAYS_MS), Some(1)));
        assert_eq!(bounds(day(first), day(first), vec![]), (Some(0), Some(1)));
    }
}
