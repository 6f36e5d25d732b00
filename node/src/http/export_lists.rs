//! Lists go out as files: every row that their filters leave, a page at a time. Names and phones of members, and numbers that
//! look like a person's where somebody wrote them into a text, are masked unless a reason is stated, which is noted before
//! the first byte is sent.

use std::io::Read as _;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use townmesh_crdt::command::table;
use townmesh_crdt::domain::case::{self, Lamp, Severity};
use townmesh_crdt::domain::checklist::Grade;
use townmesh_crdt::domain::person::{mask_name, mask_numbers, mask_phone};
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::tables::Tables;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::asked_lists::AskedRows;
use super::bounds::{Named, Params};
use super::cases::CaseQuery;
use super::door_tags::DoorTagQuery;
use super::dwellings::DwellingQuery;
use super::error::ApiError;
use super::events::{EventQuery, Events};
use super::households::{HazardQuery, InspectionQuery};
use super::lines::{self, Pieces};
use super::openapi::problems::{Noted, Sought};
use super::orders::OrderQuery;
use super::reveal::{Asker, Asking, Reason, Shown};
use super::town::{DeviceQuery, MemberQuery, TeamQuery};
use crate::ledger::{AskedList, ExportError, ListEnd, ListFormat, ListKind, ListWriter};
use crate::message::{Explain as _, Message};
use crate::reveals::RevealKind;
use crate::views::{
    AlarmFilter, CaseFilter, CaseSort, CaseWait, DeviceEventFilter, DeviceFilter, DoorTagFilter, DwellingFilter,
    HazardFilter, InspectionFilter, Listed, MAX_LIMIT, OrderFilter, Page, QueryError, Reader, SortOrder,
};

/// Bytes of a file that are sent in one piece.
const PIECE: usize = 64 << 10;

/// How a list is written, and what its rows are found by: each list takes what the list itself takes in JSON, but for the
/// part of it that is asked for; one of inspections takes a region and a time.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is only described; what is asked for is read by the query of the list")]
pub(super) struct ListQuery {
    /// `csv` where not given; `geojson` where rows have places, `gpx` of cases and devices.
    #[param(pattern = "^(csv|xlsx|geojson|gpx)$")]
    format: Option<String>,
    region: Option<RegionCode>,
    /// Of cases, hazards or door tags.
    state: Option<String>,
    /// Of cases.
    open: Option<bool>,
    /// Of cases.
    category: Option<String>,
    /// Of cases.
    source: Option<case::Source>,
    /// Of cases.
    severity: Option<Severity>,
    /// Of cases: the member or device.
    reporter: Option<String>,
    /// Of cases: with an order to this member, or something that they did.
    person: Option<String>,
    /// Of cases.
    sort: Option<CaseSort>,
    /// Of cases.
    order: Option<SortOrder>,
    /// Of cases, orders or members.
    team: Option<String>,
    /// Of cases: those on this desk.
    desk: Option<String>,
    /// Of cases: in which this waits for somebody.
    waits: Option<CaseWait>,
    /// Of cases.
    supervised: Option<bool>,
    /// Of cases.
    lamp: Option<Lamp>,
    from_ms: Option<i64>,
    until_ms: Option<i64>,
    /// Of cases, dwellings, hazards or devices.
    bbox: Option<String>,
    /// Of cases or dwellings.
    text: Option<String>,
    /// Of orders.
    status: Option<String>,
    /// Of hazards.
    grade: Option<Grade>,
    /// Of devices or events.
    kind: Option<String>,
    /// Events of this device; without it, alarms.
    device: Option<String>,
    /// Door tags of this dwelling, or of that of this household.
    dwelling: Option<String>,
    /// Why personal data is to be written in clear; masked without. What gates saw stays masked.
    reveal: Option<String>,
}

/// What every list takes; its filters are read by the query of the list.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct OwnQuery {
    format: Option<String>,
    reveal: Option<String>,
}

impl OwnQuery {
    /// What every list takes, and what is left of a query.
    fn split(query: &str) -> Result<(Self, String), ApiError> {
        let is_own = |part: &&str| matches!(part.split('=').next(), Some("format" | "reveal"));
        let (own, rest): (Vec<_>, Vec<_>) = query.split('&').filter(|part| !part.is_empty()).partition(is_own);
        Ok((Params::of(&own.join("&"))?, rest.join("&")))
    }
}

/// Rows as a collection of GeoJSON.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is only described; rows are written one by one")]
pub(super) struct ListFeatures {
    /// `FeatureCollection`.
    #[schema(rename = "type")]
    kind: String,
    features: Vec<ListFeature>,
}

/// A row with its place.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is only described; rows are written one by one")]
pub(super) struct ListFeature {
    /// `Feature`.
    #[schema(rename = "type")]
    kind: String,
    /// Null where the place is not known.
    #[schema(required = true)]
    geometry: Option<PointGeometry>,
    /// All that the list says of it beside its place.
    #[schema(value_type = Object)]
    properties: Value,
}

/// A place: longitude and latitude.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is only described; rows are written one by one")]
pub(super) struct PointGeometry {
    /// `Point`.
    #[schema(rename = "type")]
    kind: String,
    coordinates: [f64; 2],
}

/// Regions have no filter.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct NoQuery {}

/// A list with its filters.
enum Source {
    Cases(Box<CaseFilter>),
    Orders(OrderFilter),
    Dwellings(DwellingFilter),
    Hazards(HazardFilter),
    Inspections(InspectionFilter),
    Devices(DeviceFilter),
    OfDevice(DeviceEventFilter),
    Alarms(AlarmFilter),
    DoorTags(DoorTagFilter),
    Members(Option<String>),
    Teams,
    Regions,
}

impl Source {
    /// What a query asks for.
    fn of(list: ListKind, query: &str, tables: &Tables) -> Result<Self, ApiError> {
        let (source, page) = match list {
            ListKind::Cases => Params::<CaseQuery>::of(query)?
                .parts(tables)
                .map(|(filter, page)| (Self::Cases(Box::new(filter)), page))?,
            ListKind::Orders => {
                let (filter, page) = Params::<OrderQuery>::of(query)?.parts();
                (Self::Orders(filter), page)
            }
            ListKind::Dwellings => {
                Params::<DwellingQuery>::of(query)?.parts().map(|(filter, page)| (Self::Dwellings(filter), page))?
            }
            ListKind::Hazards => {
                Params::<HazardQuery>::of(query)?.parts().map(|(filter, page)| (Self::Hazards(filter), page))?
            }
            ListKind::Inspections => {
                let (filter, page) = Params::<InspectionQuery>::of(query)?.parts();
                (Self::Inspections(filter), page)
            }
            ListKind::Devices => {
                Params::<DeviceQuery>::of(query)?.parts().map(|(filter, page)| (Self::Devices(filter), page))?
            }
            ListKind::Events => match Params::<EventQuery>::of(query)?.parts() {
                (Events::OfDevice(filter), page) => (Self::OfDevice(filter), page),
                (Events::Alarms(filter), page) => (Self::Alarms(filter), page),
            },
            ListKind::DoorTags => {
                let (filter, page) = Params::<DoorTagQuery>::of(query)?.parts();
                (Self::DoorTags(filter), page)
            }
            ListKind::Members => {
                let MemberQuery { team, limit, after } = Params::of(query)?;
                (Self::Members(team), Page { limit, after })
            }
            ListKind::Teams => {
                let TeamQuery { limit, after } = Params::of(query)?;
                (Self::Teams, Page { limit, after })
            }
            ListKind::Regions => {
                let NoQuery {} = Params::of(query)?;
                (Self::Regions, Page::default())
            }
        };
        if page == Page::default() {
            return Ok(source);
        }
        Err(whole_list())
    }

    fn page(&self, reader: &Reader, after: Option<String>, reveal: bool) -> Result<Listed<Value>, QueryError> {
        let page = Page { limit: Some(MAX_LIMIT), after };
        Ok(match self {
            Self::Cases(filter) => values(reader.cases(filter, &page)?),
            Self::Orders(filter) => values(reader.orders(filter, &page)?),
            Self::Dwellings(filter) => values(reader.dwellings(filter, &page, reveal)?),
            Self::Hazards(filter) => values(reader.hazards(filter, &page)?),
            Self::Inspections(filter) => values(reader.inspections_in(filter, &page)?),
            Self::Devices(filter) => values(reader.devices(filter, &page)?),
            Self::OfDevice(filter) => values(reader.device_events(filter, &page)?),
            Self::Alarms(filter) => values(reader.alarms(filter, &page)?),
            Self::DoorTags(filter) => values(reader.door_tags(filter, &page)?),
            Self::Members(team) => values(reader.members(team.as_deref(), &page)?),
            Self::Teams => values(reader.teams(&page)?),
            Self::Regions => values(Listed { rows: reader.regions()?, next: None }),
        })
    }
}

/// A part of a list was asked for.
pub(super) fn whole_list() -> ApiError {
    let message = Message::new("query", "导出不分页", "an export has every row: it takes no limit and no after");
    ApiError::bad_request(message.remedy("去掉 limit 和 after", "leave limit and after out"))
}

fn values<T: Serialize>(listed: Listed<T>) -> Listed<Value> {
    Listed { rows: listed.rows.iter().map(|row| json!(row)).collect(), next: listed.next }
}

#[utoipa::path(
    get,
    path = "/v1/export/{list}",
    operation_id = "exportList",
    tag = "files",
    summary = "导出列表 / a list as a file",
    description = "列表名见 townmesh export list --help；条件同该列表本身的接口 / For the names of lists see `townmesh export list --help`; each takes what it takes in JSON.",
    params(
        (
            "list" = String,
            Path,
            description = "列表 / the list",
            pattern = "^[a-z]+(-[a-z]+)*$"
        ),
        ListQuery,
        Asking
    ),
    responses(
        (status = 200, description = "CSV, XLSX, GeoJSON, GPX", content((String = "text/csv"), (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"), (ListFeatures = "application/geo+json"), (String = "application/gpx+xml"))),
        Sought,
        Noted
    )
)]
pub(super) async fn export(
    State(api): State<Api>,
    asker: Asker,
    Named(name): Named<String>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, ApiError> {
    let (OwnQuery { format, reveal }, rest) = OwnQuery::split(&query.unwrap_or_default())?;
    let reason = Reason::of(reveal.clone())?;
    let tables = api.engine().read(table::tables).await??;
    let (rows, shape, formats) = if let Some(list) = ListKind::of_name(&name) {
        let masked = if reason.is_some() { &[] } else { masks(list) };
        let source = Arc::new(Source::of(list, &rest, &tables)?);
        (Rows::Read { source, masked }, list.shape(), list.formats())
    } else {
        let list = AskedList::of_name(&name).ok_or_else(no_such_list)?;
        let (parts, _) = request.into_parts();
        let masked = if reason.is_some() { &[] } else { MASKED };
        let asked = AskedRows::of(&api, list, (rest, reveal_of(parts.uri.query())), parts)?;
        (Rows::Asked { asked: Box::new(asked), masked }, list.shape(), list.formats())
    };
    let format = format_of(format.as_deref(), formats)?;
    let place = api.bounds().heavy()?;
    let writer = ListWriter::new(shape, format)?;
    api.views_follow().await;
    // The first page is read before anything is answered: what is wrong with a filter is an error, not half a file.
    let first = rows.page(&api, None).await?;
    if let Some(reason) = reason.filter(|_| !rows.notes_reveals()) {
        // How many there are is known only at the end, when they have been shown.
        api.note_reveal(asker, reason, Shown::many(RevealKind::Export, None)).await?;
    }
    let (sender, body) = lines::body();
    tokio::spawn(async move {
        if let Err(error) = send(&api, &rows, first, writer, &sender).await {
            tracing::warn!(%error, "an export was not completed");
            let _ = sender.send(Err(std::io::ErrorKind::UnexpectedEof.into())).await;
        }
        drop(place);
    });
    let disposition = format!("attachment; filename=\"{name}.{}\"", format.name());
    let headers = [(header::CONTENT_TYPE, format.media_type().to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    Ok((headers, body).into_response())
}

/// The format of a name, where the list has it.
fn format_of(name: Option<&str>, known: &[ListFormat]) -> Result<ListFormat, ApiError> {
    let format = ListFormat::of_name(name.unwrap_or("csv")).filter(|format| known.contains(format));
    format.ok_or_else(|| {
        let known = known.iter().map(|format| format.name()).collect::<Vec<_>>().join(", ");
        let message =
            Message::new("format", format!("此列表的格式须为 {known}"), format!("this list is written as {known}"));
        ApiError::bad_request(message)
    })
}

fn no_such_list() -> ApiError {
    let asked = AskedList::all().iter().map(|list| list.name);
    let known = ListKind::ALL.into_iter().map(ListKind::name).chain(asked).collect::<Vec<_>>().join(", ");
    ApiError::not_found(
        &format!("没有这个列表，可导出：{known}"),
        &format!("there is no such list; export one of: {known}"),
    )
}

/// The stated reason as it stands in a query.
fn reveal_of(query: Option<&str>) -> Option<String> {
    query?.split('&').find(|part| part.starts_with("reveal=")).map(str::to_owned)
}

/// Where the rows of a file come from, and what of them is masked.
enum Rows {
    /// The views.
    Read { source: Arc<Source>, masked: &'static [Masked] },
    /// A path of the API.
    Asked { asked: Box<AskedRows>, masked: &'static [Masked] },
}

impl Rows {
    async fn page(&self, api: &Api, after: Option<String>) -> Result<Listed<Value>, ApiError> {
        let (mut listed, masked) = match self {
            Self::Read { source, masked } => {
                let source = Arc::clone(source);
                // A list with nothing to mask is one whose reason was stated, or says nothing of people.
                let reveal = masked.is_empty();
                (api.readers().query(move |reader| source.page(reader, after, reveal)).await?, masked)
            }
            Self::Asked { asked, masked } => (asked.page(after.as_deref()).await?, masked),
        };
        for row in &mut listed.rows {
            for (column, mask) in *masked {
                if let Some(Value::String(text)) = row.get_mut(column) {
                    *text = mask(text);
                }
            }
        }
        Ok(listed)
    }

    /// Whether the path that is asked notes itself what it reveals.
    fn notes_reveals(&self) -> bool {
        match self {
            Self::Read { .. } => false,
            Self::Asked { asked, .. } => asked.notes_reveals(),
        }
    }
}

/// A column that says something of people, and what is left of it.
type Masked = (&'static str, fn(&str) -> String);

/// What lists that mask nothing themselves say of people in their texts.
const MASKED: &[Masked] = &[
    ("place", mask_numbers),
    ("description", mask_numbers),
    ("address", mask_numbers),
    ("note", mask_numbers),
    ("reason", mask_numbers),
];

/// What a list says of people. Members are named by their codes in all the others.
fn masks(list: ListKind) -> &'static [Masked] {
    match list {
        ListKind::Cases => &[("place", mask_numbers), ("description", mask_numbers)],
        ListKind::Orders => &[("task", mask_numbers), ("result", mask_numbers)],
        ListKind::Dwellings => &[("note", mask_numbers), ("address", mask_numbers)],
        ListKind::Hazards => &[("address", mask_numbers), ("note", mask_numbers)],
        ListKind::Inspections => &[("note", mask_numbers)],
        ListKind::Devices => &[("name", mask_numbers), ("place", mask_numbers)],
        ListKind::Events => &[("value", mask_numbers)],
        ListKind::DoorTags => &[("address", mask_numbers)],
        ListKind::Members => &[("name", mask_name), ("phone", mask_phone)],
        ListKind::Teams => &[("name", mask_numbers), ("phone", mask_mobile)],
        ListKind::Regions => &[],
    }
}

/// The phone of a desk is for everybody; a mobile one is somebody's.
fn mask_mobile(phone: &str) -> String {
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    let is_mobile = digits.len() > 10 && digits.get(digits.len() - 11..).is_some_and(|last| last.starts_with('1'));
    if is_mobile { mask_phone(phone) } else { phone.to_owned() }
}

/// Why an export broke off.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the reader went away")]
    Gone,
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error("{0}")]
    Read(String),
}

async fn send(
    api: &Api,
    rows: &Rows,
    first: Listed<Value>,
    mut writer: ListWriter,
    sender: &Pieces,
) -> Result<(), Broken> {
    let say = async |bytes: Vec<u8>| match bytes.is_empty() {
        true => Ok(()),
        false => sender.send(Ok(Bytes::from(bytes))).await.map_err(|_| Broken::Gone),
    };
    let mut listed = first;
    loop {
        say(writer.rows(&listed.rows)?).await?;
        let Some(after) = listed.next else { break };
        listed = rows.page(api, Some(after)).await.map_err(|error| Broken::Read(error.message.explain().en))?;
    }
    let end = tokio::task::spawn_blocking(move || writer.end()).await.map_err(|_| Broken::Gone)??;
    let mut file = match end {
        ListEnd::Bytes(bytes) => return say(bytes).await,
        ListEnd::File(file) => file,
    };
    loop {
        let read = tokio::task::spawn_blocking(move || {
            let mut piece = Vec::with_capacity(PIECE);
            let read = file.by_ref().take(PIECE as u64).read_to_end(&mut piece);
            read.map(|_| (piece, file))
        });
        let (piece, rest) = read.await.map_err(|_| Broken::Gone)?.map_err(ExportError::Io)?;
        if piece.is_empty() {
            return Ok(());
        }
        file = rest;
        say(piece).await?;
    }
}
