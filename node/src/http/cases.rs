//! Cases: reported, acted upon, listed, shown.

use std::fmt::{Display, Formatter};
use std::str::FromStr;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use townmesh_crdt::command::case::{self, Acted, Actor, CaseRef, NewCase};
use townmesh_crdt::command::{CommandError, table};
use townmesh_crdt::domain::case::{Action, CaseState, Lamp, Report, Severity, Source};
use townmesh_crdt::domain::number::{NumberError, SpokenNumber};
use townmesh_crdt::domain::person::PersonalData;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::tables::Tables;
use townmesh_crdt::id::{DocumentId, RecordId};
use townmesh_crdt::policy::DocumentKind;
use townmesh_crdt::replica::Replica;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AnyOfBuilder, Schema};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::bounds::{Named, Params, Payload};
use super::error::ApiError;
use super::households::{Recorded, bounding_box, recorded};
use super::locate::namespace_of;
use super::openapi::problems::{Missing, Written, Wrong};
use crate::engine;
use crate::message::Message;
use crate::views::{CaseFilter, CaseRow, CaseSort, CaseWait, DeskCases, Listed, NamedCodes, Page, SortOrder};

/// What to do about a code that is not known.
const CHECK_CODE: (&str, &str) = (
    "核对编号；若为新近登记，同步后自会认得",
    "check the code; if it was recorded lately it will be known after the next meeting",
);

/// Which cases.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CaseQuery {
    region: Option<RegionCode>,
    state: Option<CaseState>,
    open: Option<bool>,
    category: Option<String>,
    source: Option<Source>,
    severity: Option<Severity>,
    /// 上报的人员或设备 / reported by this member or device
    reporter: Option<String>,
    /// 派给此人，或此人办理过 / with an order to this member, or something that they did
    person: Option<String>,
    team: Option<String>,
    /// 在此席位的未结案卷 / open ones that lie on this desk, by its code
    desk: Option<String>,
    /// 待办事项 / in which this waits for somebody
    waits: Option<CaseWait>,
    supervised: bool,
    lamp: Option<Lamp>,
    from_ms: Option<i64>,
    until_ms: Option<i64>,
    bbox: Option<String>,
    text: Option<String>,
    /// 排序，缺省按上报时间 / sorted by this; by when they were reported where nothing is said
    sort: Option<CaseSort>,
    /// 升序或降序，缺省时限升序、其余降序 / in this order; what is due first, else the latest or gravest
    order: Option<SortOrder>,
    limit: Option<u32>,
    after: Option<String>,
}

impl CaseQuery {
    /// What it asks for, and which part of that, by the desks of the town's tables.
    pub(super) fn parts(self, tables: &Tables) -> Result<(CaseFilter, Page), ApiError> {
        let bounds = bounding_box(self.bbox.as_deref())?;
        let filter = CaseFilter {
            region: self.region,
            state: self.state,
            open: self.open,
            category: self.category,
            source: self.source,
            severity: self.severity,
            reporter: self.reporter,
            person: self.person,
            team: self.team,
            desk: self.desk.map(|code| desk(tables, &code)).transpose()?,
            waits: self.waits,
            supervised: self.supervised,
            lamp: self.lamp,
            now_ms: engine::now().cast_signed(),
            from_ms: self.from_ms,
            until_ms: self.until_ms,
            bounds,
            text: self.text,
            sort: self.sort,
            order: self.order,
        };
        Ok((filter, Page { limit: self.limit, after: self.after }))
    }
}

/// The desk with this code.
fn desk(tables: &Tables, code: &str) -> Result<DeskCases, ApiError> {
    DeskCases::of(tables, code).ok_or_else(|| {
        let known: Vec<String> = tables.desks().into_iter().filter_map(|desk| desk.code).collect();
        let known = known.join(", ");
        let (zh, en) =
            (format!("没有席位 {code}；席位有 {known}"), format!("there is no desk {code}; desks are {known}"));
        ApiError::bad_request(Message::new("desk", zh, en))
    })
}

#[utoipa::path(
    get,
    path = "/v1/cases",
    operation_id = "listCases",
    tag = "cases",
    summary = "案卷列表 / list cases",
    params(CaseQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Listed<CaseRow>),
        Wrong
    )
)]
pub(super) async fn list(State(api): State<Api>, Params(query): Params<CaseQuery>) -> Result<Response, ApiError> {
    let (filter, page) = query.parts(&*api.engine().read(table::tables).await??)?;
    let listed = api.readers().query(move |reader| reader.cases(&filter, &page)).await?;
    Ok(Json(listed).into_response())
}

/// A problem that somebody reports.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportInput {
    actor: Actor,
    region: RegionCode,
    /// What makes it the same case on every node that reports it.
    #[serde(default)]
    natural_key: Option<String>,
    /// When it was noticed; now if not given.
    #[serde(default)]
    noticed_ms: Option<u64>,
    report: Report,
    /// Who told of it, to be called back.
    #[serde(default)]
    reporter: Option<PersonalData>,
}

/// Where a case was recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CasePlace {
    document: DocumentId,
    namespace: String,
    number: SpokenNumber,
}

fn place(CaseRef { namespace, document }: CaseRef) -> CasePlace {
    CasePlace { document, namespace: namespace.to_string(), number: SpokenNumber::of_case(document) }
}

#[utoipa::path(
    post,
    path = "/v1/cases",
    operation_id = "reportCase",
    tag = "cases",
    summary = "上报 / report a case",
    request_body = ReportInput,
    responses(
        (status = 201, description = "新记录 / recorded", body = Recorded<CasePlace>),
        (status = 200, description = "已有，或已更改 / known before, or changed", body = Recorded<CasePlace>),
        Written
    )
)]
pub(super) async fn report(State(api): State<Api>, Payload(input): Payload<ReportInput>) -> Result<Response, ApiError> {
    let job = move |replica: &mut Replica, now| {
        let new = NewCase {
            region: input.region,
            natural_key: input.natural_key.map(String::into_bytes),
            noticed: input.noticed_ms.unwrap_or(now),
            report: input.report,
            reporter: input.reporter,
        };
        case::report(replica, &input.actor, new, now)
    };
    Ok(recorded(&api.engine().record(job).await?.map(place)))
}

/// What a case is called by: its id, or the number that people say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CaseName {
    /// Its document.
    Document(DocumentId),
    /// Its spoken number.
    Number(SpokenNumber),
}

impl FromStr for CaseName {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        match text.parse() {
            Ok(document) => Ok(Self::Document(document)),
            Err(_) => text.parse().map(Self::Number),
        }
    }
}

impl Display for CaseName {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Document(document) => document.fmt(f),
            Self::Number(number) => number.fmt(f),
        }
    }
}

impl utoipa::PartialSchema for CaseName {
    fn schema() -> RefOr<Schema> {
        let either = AnyOfBuilder::new().item(DocumentId::schema()).item(SpokenNumber::schema());
        either.description(Some("编号 / its id, or the number that people say")).into()
    }
}

impl ToSchema for CaseName {}

impl<'de> Deserialize<'de> for CaseName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Api {
    /// The case that people call so. Two may share a number: nobody acts on one of them by chance.
    pub(super) async fn case_named(&self, name: CaseName) -> Result<DocumentId, ApiError> {
        let number = match name {
            CaseName::Document(document) => return Ok(document),
            CaseName::Number(number) => number,
        };
        self.views_follow().await;
        let found = self.readers().query(move |reader| reader.cases_numbered(number)).await?;
        match found.as_slice() {
            [] => Err(ApiError::not_found("本节点没有此编号的案卷", "no case here has this number")),
            [only] => Ok(*only),
            several => {
                let ids = several.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let message = Message::new(
                    "ambiguous",
                    format!("多件案卷同用此编号：{ids}"),
                    format!("several cases share this number: {ids}"),
                );
                let message = message.remedy("改用其中一个完整编号", "name one of them by its id");
                Err(ApiError { status: StatusCode::CONFLICT, message })
            }
        }
    }
}

/// What somebody does to a case.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ActionInput {
    actor: Actor,
    action: Action,
}

#[utoipa::path(
    post,
    path = "/v1/cases/{id}/actions",
    operation_id = "actOnCase",
    tag = "cases",
    summary = "办理 / act on a case",
    params(("id" = CaseName, Path, description = "案卷或编号 / case, or its number")),
    request_body = ActionInput,
    responses(
        (status = 201, description = "新记录 / recorded", body = Recorded<ActedPlace>),
        (status = 200, description = "已有，或已更改 / known before, or changed", body = Recorded<ActedPlace>),
        Written,
        Missing
    )
)]
pub(super) async fn act(
    State(api): State<Api>,
    Named(name): Named<CaseName>,
    Payload(input): Payload<ActionInput>,
) -> Result<Response, ApiError> {
    let id = api.case_named(name).await?;
    let warnings = api.warnings(NamedCodes::of(&input.action)).await?;
    let job = move |replica: &mut Replica, now| {
        let not_found = CommandError::NotFound { thing: "case", chinese: "案卷", document: id };
        let namespace = namespace_of(replica, DocumentKind::Case, id)?.ok_or(not_found)?;
        case::act(replica, &CaseRef { namespace, document: id }, &input.actor, input.action, now)
    };
    let outcome = api.engine().record(job).await?;
    Ok(recorded(&outcome.map(|Acted { case, event }| ActedPlace {
        document: case.document,
        event,
        namespace: case.namespace.to_string(),
        warnings,
    })))
}

/// Where an action was recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ActedPlace {
    document: DocumentId,
    event: RecordId,
    namespace: String,
    /// Teams and people that it names and that are not known here. It was recorded all the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Message>,
}

impl Api {
    /// What whoever acts should know: a code that is not known here was mistyped, or is on its way.
    async fn warnings(&self, named: NamedCodes) -> Result<Vec<Message>, ApiError> {
        let (teams, people) = self.readers().query(move |reader| reader.unknown_codes(&named)).await?;
        let team = |code: String| {
            let (zh, en) = (format!("本节点没有队伍 {code}"), format!("no team {code} is known here"));
            Message::new("team_unknown", zh, en).remedy(CHECK_CODE.0, CHECK_CODE.1)
        };
        let person = |code: String| {
            let (zh, en) = (format!("本节点没有人员 {code}"), format!("no member {code} is known here"));
            Message::new("member_unknown", zh, en).remedy(CHECK_CODE.0, CHECK_CODE.1)
        };
        Ok(teams.into_iter().map(team).chain(people.into_iter().map(person)).collect())
    }
}
