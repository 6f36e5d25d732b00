//! Order sheets: an order on paper.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use townmesh_crdt::command::table;
use townmesh_crdt::domain::case::{Conveyed, LimitClock};
use townmesh_crdt::domain::number::SpokenNumber;
use townmesh_crdt::id::DocumentId;

use super::Api;
use super::bounds::Named;
use super::error::ApiError;
use super::openapi::problems::{Clashing, Sought};
use crate::engine;
use crate::moment::in_town;
use crate::paper::{OrderSheet, order_sheet};
use crate::views::{CaseDetail, MemberRow, OrderRow, QueryError, Reader, TeamRow};

/// What a browser may do with a sheet: show it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

#[utoipa::path(
    get,
    path = "/v1/orders/{number}/sheet",
    operation_id = "printOrder",
    tag = "cases",
    summary = "派遣单打印页 / the order on a page to print and sign",
    params(("number" = SpokenNumber, Path, description = "派遣单编号 / number of the order")),
    responses(
        (status = 200, description = "HTML", body = String, content_type = "text/html"),
        Sought,
        Clashing
    )
)]
pub(super) async fn sheet(State(api): State<Api>, Named(number): Named<SpokenNumber>) -> Result<Response, ApiError> {
    let order = api.order_numbered(number).await?;
    let gathered = api.readers().query(move |reader| gather(reader, order)).await?;
    let gathered = gathered.ok_or_else(|| ApiError::not_found("本节点没有此案卷", "there is no such case here"))?;
    let tables = api.engine().read(table::tables).await??;
    let category = gathered.case.case.category.as_deref();
    let category = category.and_then(|code| tables.category(code)).and_then(|row| row.chinese.clone());
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, order_sheet(&gathered.sheet(category))).into_response())
}

/// An order with everything that is known about it.
struct Gathered {
    order: OrderRow,
    case: CaseDetail,
    team: Option<TeamRow>,
    person: Option<MemberRow>,
    sent_by: Option<MemberRow>,
    region: Option<String>,
}

fn gather(reader: &Reader, order: OrderRow) -> Result<Option<Gathered>, QueryError> {
    let Ok(document) = order.case.parse::<DocumentId>() else { return Ok(None) };
    let Some(case) = reader.case(document, engine::now().cast_signed())? else { return Ok(None) };
    let member = |code: &Option<String>| match code {
        Some(code) => reader.member(code),
        None => Ok(None),
    };
    let (team, person, sent_by) = (reader.team(&order.team)?, member(&order.person)?, member(&order.sent_by)?);
    let regions = reader.regions()?.into_iter();
    let region = regions.filter(|row| row.code.as_ref() == Some(&case.case.region)).find_map(|row| row.name);
    Ok(Some(Gathered { order, case, team, person, sent_by, region }))
}

/// A code with the name and phone that belong to it.
fn with_name(code: &str, member: Option<&MemberRow>) -> String {
    let known = member.into_iter().flat_map(|member| [member.name.as_deref(), member.phone.as_deref()]);
    [Some(code)].into_iter().chain(known).flatten().collect::<Vec<_>>().join("  ")
}

impl Gathered {
    fn sheet(&self, category: Option<String>) -> OrderSheet {
        let (order, case) = (&self.order, &self.case.case);
        let severity = case.severity.map(|severity| severity.chinese().to_owned());
        let category = category.or(case.category.clone());
        let known_team = self.team.as_ref().and_then(|team| team.name.clone()).filter(|name| *name != order.team);
        let report = self.case.folded.pointer("/reported/report/photos");
        let photos = report.and_then(|photos| photos.as_array()).into_iter().flatten();
        let position = case.position;
        OrderSheet {
            number: order.number.clone(),
            case: case.number.clone(),
            kind: order.kind,
            team: [Some(order.team.clone()), known_team].into_iter().flatten().collect::<Vec<_>>().join("  "),
            team_phone: self.team.as_ref().and_then(|team| team.phone.clone()),
            leads: order.lead,
            person: order.person.as_ref().map(|code| with_name(code, self.person.as_ref())),
            task: order.task.clone(),
            region: [self.region.clone(), Some(case.region.clone())]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join("  "),
            place: case.place.clone().unwrap_or_default(),
            position,
            description: case.description.clone().unwrap_or_default(),
            category: [category, severity].into_iter().flatten().collect::<Vec<_>>().join("  "),
            sent_ms: order.sent_ms,
            sent_by: order.sent_by.as_ref().map(|code| with_name(code, self.sent_by.as_ref())).unwrap_or_default(),
            limit: self.limit(),
            due_ms: case.due_ms,
            photos: photos.filter_map(|photo| photo.as_str().map(ToOwned::to_owned)).collect(),
            conveyed: order.conveyed.iter().map(told).collect(),
        }
    }

    /// The limit in words; nothing before the case is filed.
    fn limit(&self) -> String {
        let clock = |name: &str| self.case.folded.pointer(&format!("/clock/{name}"));
        let minutes = |name: &str| clock(name).and_then(|minutes| minutes.as_u64()).unwrap_or(0);
        let hours = clock("clock").and_then(|kind| kind.as_str()).and_then(|kind| kind.parse::<LimitClock>().ok());
        match (minutes("minutes"), minutes("extension_minutes"), hours) {
            (0, ..) | (_, _, None) => String::new(),
            (limit, 0, Some(hours)) => format!("{limit} 分钟（{}）", hours.chinese()),
            (limit, more, Some(hours)) => format!("{limit} 分钟，另延 {more} 分钟（{}）", hours.chinese()),
        }
    }
}

fn told(told: &Conveyed) -> String {
    let how = &told.conveying;
    let read_back = if how.read_back { "已复述" } else { "未复述" };
    let at = in_town(how.at_ms.cast_signed());
    format!("{at} {} {} → {} {read_back}", how.means.chinese(), how.speaker, how.to)
}
