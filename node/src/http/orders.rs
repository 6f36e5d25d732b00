//! Orders to teams, and what one shift hands over to the next.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use townmesh_crdt::domain::case::{Lamp, OrderStatus};
use townmesh_crdt::domain::number::SpokenNumber;
use townmesh_crdt::domain::region::RegionCode;
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
use crate::views::{CaseFilter, CaseRow, Listed, OrderFilter, OrderRow, Page, QueryError, Reader};

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
        (OrderFilter { team, status, region }, Page { limit, after })
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
    /// Cases past their deadline.
    red: Listed<CaseRow>,
    /// Cases that will be soon.
    yellow: Listed<CaseRow>,
    /// Cases with a supervision that waits for its reply.
    supervised: Listed<CaseRow>,
    /// Orders that nobody has acknowledged.
    unacknowledged: Listed<WaitingOrder>,
    completeness: Complete,
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
    let ([red, yellow, supervised], waiting) = api.readers().query(move |reader| parts(reader, region, now_ms)).await?;
    let teams = api.readers().query(Reader::team_nodes).await?;
    let unacknowledged = api.engine().read(move |replica| with_delivery(replica, waiting, &teams)).await??;
    Ok(Json(Handover { now_ms, red, yellow, supervised, unacknowledged, completeness }).into_response())
}

type Parts = ([Listed<CaseRow>; 3], Listed<OrderRow>);

fn parts(reader: &Reader, region: Option<RegionCode>, now_ms: i64) -> Result<Parts, QueryError> {
    let page = Page { limit: Some(HANDED_OVER), after: None };
    let all = CaseFilter { region, now_ms, open: Some(true), ..CaseFilter::default() };
    let cases = |filter: CaseFilter| reader.cases(&filter, &page);
    let red = cases(CaseFilter { lamp: Some(Lamp::Red), ..all.clone() })?;
    let yellow = cases(CaseFilter { lamp: Some(Lamp::Yellow), ..all.clone() })?;
    let supervised = cases(CaseFilter { supervised: true, ..all })?;
    let waiting = reader.orders(&OrderFilter { region, status: Some(OrderStatus::Sent), team: None }, &page)?;
    Ok(([red, yellow, supervised], waiting))
}
