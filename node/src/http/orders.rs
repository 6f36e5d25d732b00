//! Orders to teams, and what one shift hands over to the next.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use townmesh_crdt::certificate::Access;
use townmesh_crdt::domain::case::{Lamp, OrderStatus};
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::id::DocumentId;
use townmesh_crdt::namespace::NamespaceKind;
use townmesh_crdt::policy::DocumentKind;
use townmesh_crdt::replica::Replica;
use townmesh_crdt::store::StoreError;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::bounds::Params;
use super::completeness::{self, Complete};
use super::error::ApiError;
use super::locate::namespace_of;
use super::openapi::problems::Wrong;
use crate::engine;
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
    let OrderQuery { team, status, region, limit, after } = query;
    let (filter, page) = (OrderFilter { team, status, region }, Page { limit, after });
    let listed = api.readers().query(move |reader| reader.orders(&filter, &page)).await?;
    Ok(Json(listed).into_response())
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

/// An order that nobody has acknowledged.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WaitingOrder {
    #[serde(flatten)]
    order: OrderRow,
    /// Names of the nodes that are to have the case and have not said that they do.
    undelivered: Vec<String>,
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
    let unacknowledged = api.engine().read(move |replica| with_delivery(replica, waiting)).await??;
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

fn with_delivery(replica: &mut Replica, waiting: Listed<OrderRow>) -> Result<Listed<WaitingOrder>, StoreError> {
    let mut rows = Vec::with_capacity(waiting.rows.len());
    for order in waiting.rows {
        let undelivered = match order.case.parse() {
            Ok(case) => undelivered(replica, case)?,
            Err(_) => Vec::new(),
        };
        rows.push(WaitingOrder { order, undelivered });
    }
    Ok(Listed { rows, next: waiting.next })
}

/// Names of the nodes that work with a case and have not said that they have it as it is here.
fn undelivered(replica: &mut Replica, case: DocumentId) -> Result<Vec<String>, StoreError> {
    let Some(namespace) = namespace_of(replica, DocumentKind::Case, case)? else { return Ok(Vec::new()) };
    let missing = replica.delivery(&namespace, case)?.into_iter();
    let missing = missing.filter(|one| one.access == Access::Hold && !one.delivered);
    let mut names: Vec<String> = missing.map(|one| replica.name_of(&one.node)).collect();
    names.sort();
    Ok(names)
}
