//! Orders to teams, and what one shift hands over to the next.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use townmesh_crdt::command::table;
use townmesh_crdt::domain::case::{Lamp, OrderStatus};
use townmesh_crdt::domain::number::SpokenNumber;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::tables::Tables;
use townmesh_crdt::namespace::NamespaceKind;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::bounds::{Named, Params};
use super::completeness::{self, Complete};
use super::error::ApiError;
use super::openapi::problems::{Clashing, Sought, Wrong};
use super::order_delivery::{WaitingOrder, with_delivery};
use crate::engine;
use crate::message::Message;
use crate::views::{
    CaseFilter, CaseRow, CaseSort, CommandState, Listed, OpenMessage, OrderFilter, OrderRow, Page, QueryError, Reader,
};

/// Most rows of each part of a handover.
const HANDED_OVER: u32 = 100;

/// Which orders.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct OrderQuery {
    team: Option<String>,
    status: Option<OrderStatus>,
    region: Option<RegionCode>,
    limit: Option<u32>,
    after: Option<String>,
}

impl OrderQuery {
    /// What it asks for, and which part of that.
    pub(super) fn parts(self) -> (OrderFilter, Page) {
        let Self { team, status, region, limit, after } = self;
        (OrderFilter { team, status: status.into_iter().collect(), region }, Page { limit, after })
    }
}

#[utoipa::path(
    get,
    path = "/v1/orders",
    operation_id = "listOrders",
    tag = "cases",
    summary = "任务列表 / orders to teams",
    params(OrderQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Listed<OrderRow>),
        Wrong
    )
)]
pub(super) async fn list(State(api): State<Api>, Params(query): Params<OrderQuery>) -> Result<Response, ApiError> {
    api.views_follow().await;
    let (filter, page) = query.parts();
    let listed = api.readers().query(move |reader| reader.orders(&filter, &page)).await?;
    Ok(Json(listed).into_response())
}

impl Api {
    /// The order that people call so. Two may share a number: nobody acts on one of them by chance.
    pub(super) async fn order_numbered(&self, number: SpokenNumber) -> Result<OrderRow, ApiError> {
        self.views_follow().await;
        let mut found = self.readers().query(move |reader| reader.orders_numbered(number)).await?;
        if let (Some(order), true) = (found.pop(), found.is_empty()) {
            return Ok(order);
        }
        if found.is_empty() {
            return Err(ApiError::not_found("本节点没有此编号的派遣单", "no order here has this number"));
        }
        let message =
            Message::new("ambiguous", "多张派遣单同用此编号", "several orders share this number, of different cases");
        let message = message.remedy("按案卷查找：order list", "look for the order by its case: order list");
        Err(ApiError { status: StatusCode::CONFLICT, message })
    }
}

#[utoipa::path(
    get,
    path = "/v1/orders/{number}",
    operation_id = "showOrder",
    tag = "cases",
    summary = "一张派遣单 / one order, by the number that people say",
    params(("number" = SpokenNumber, Path, description = "派遣单编号 / number of the order")),
    responses(
        (status = 200, description = "结果 / what was asked for", body = OrderRow),
        Sought,
        Clashing
    )
)]
pub(super) async fn show(
    State(api): State<Api>,
    Named(number): Named<SpokenNumber>,
) -> Result<Json<OrderRow>, ApiError> {
    api.order_numbered(number).await.map(Json)
}

/// Which region's shift ends.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct HandoverQuery {
    region: Option<RegionCode>,
}

/// What the next shift must know. Each part has at most [`HANDED_OVER`] rows, and says where the rest begins.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Handover {
    now_ms: i64,
    #[serde(flatten)]
    cases: HandedOver,
    /// Orders that nobody has acknowledged.
    unacknowledged: Listed<WaitingOrder>,
    completeness: Complete,
}

/// What the views know of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HandedOver {
    /// Cases past their deadline.
    red: Listed<CaseRow>,
    /// Cases that will be soon.
    yellow: Listed<CaseRow>,
    /// Every open case, what is due first first.
    open: Listed<CaseRow>,
    /// Cases with a supervision that waits for its reply.
    supervised: Listed<CaseRow>,
    /// Orders that a team has acknowledged and not finished.
    under_way: Listed<OrderRow>,
    /// Command messages that nobody has acknowledged, those sent first first.
    messages: Vec<OpenMessage>,
    /// There are more than are told.
    messages_truncated: bool,
    /// Peace or emergency, the open responses, and what lies on each desk.
    command: CommandState,
}

#[utoipa::path(
    get,
    path = "/v1/handover",
    operation_id = "handover",
    tag = "cases",
    summary = "交接班 / what one shift hands over to the next",
    params(HandoverQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Handover),
        Wrong
    )
)]
pub(super) async fn handover(
    State(api): State<Api>,
    Params(query): Params<HandoverQuery>,
) -> Result<Response, ApiError> {
    let region = query.region;
    api.views_follow().await;
    let completeness = completeness::of(&api, Some(NamespaceKind::Cases), region).await?;
    let now_ms = engine::now().cast_signed();
    let tables = api.engine().read(table::tables).await??;
    let ask = move |reader: &Reader| parts(reader, region, now_ms, &tables);
    let (cases, waiting) = api.readers().query(ask).await?;
    let teams = api.readers().query(Reader::team_nodes).await?;
    let unacknowledged = api.engine().read(move |replica| with_delivery(replica, waiting, &teams)).await??;
    Ok(Json(Handover { now_ms, cases, unacknowledged, completeness }).into_response())
}

fn parts(
    reader: &Reader,
    region: Option<RegionCode>,
    now_ms: i64,
    tables: &Tables,
) -> Result<(HandedOver, Listed<OrderRow>), QueryError> {
    let page = Page { limit: Some(HANDED_OVER), after: None };
    let all = CaseFilter { region, now_ms, open: Some(true), ..CaseFilter::default() };
    let cases = |filter: CaseFilter| reader.cases(&filter, &page);
    let orders = |status| reader.orders(&OrderFilter { region, status, team: None }, &page);
    let (messages, messages_truncated) = reader.unacknowledged_messages(HANDED_OVER as usize)?;
    let handed_over = HandedOver {
        red: cases(CaseFilter { lamp: Some(Lamp::Red), ..all.clone() })?,
        yellow: cases(CaseFilter { lamp: Some(Lamp::Yellow), ..all.clone() })?,
        open: cases(CaseFilter { sort: Some(CaseSort::Due), ..all.clone() })?,
        supervised: cases(CaseFilter { supervised: true, ..all })?,
        under_way: orders(vec![OrderStatus::Acknowledged, OrderStatus::ReportedIn])?,
        messages,
        messages_truncated,
        command: reader.command(region, now_ms, tables)?,
    };
    Ok((handed_over, orders(vec![OrderStatus::Sent])?))
}
