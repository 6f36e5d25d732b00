//! One case, with what helps to decide about it.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use townmesh_crdt::command::case::{self, CaseRef, Reporter};
use townmesh_crdt::command::table;
use townmesh_crdt::domain::case::{CaseState, OpenStep};
use townmesh_crdt::domain::date::{Day, UTC_OFFSET_MINUTES};
use townmesh_crdt::domain::person::PersonalData;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::tables::{LaneRow, Responsible, Tables};
use townmesh_crdt::domain::town::Grid;
use townmesh_crdt::id::DocumentId;
use townmesh_crdt::policy::DocumentKind;
use townmesh_crdt::replica::Replica;
use townmesh_crdt::store::StoreError;
use utoipa::ToSchema;

use super::Api;
use super::bounds::{Named, Params};
use super::cases::CaseName;
use super::error::ApiError;
use super::households::ShowQuery;
use super::locate::namespace_of;
use super::openapi::problems::{Clashing, Noted, Sought};
use super::order_delivery::OrderDelivery;
use super::positions::UnitRow;
use super::reveal::{Asker, Asking, Reason, Shown};
use crate::engine;
use crate::reveals::RevealKind;
use crate::views::{CaseDetail, CaseRow, HazardRow, SimilarCase, SuggestedForm};

/// Units that a case names as the nearest.
const NEAREST: usize = 5;

#[utoipa::path(
    get,
    path = "/v1/cases/{id}",
    operation_id = "showCase",
    tag = "cases",
    summary = "一件案卷 / one case",
    params(("id" = CaseName, Path, description = "案卷或编号 / case, or its number"), ShowQuery, Asking),
    responses(
        (status = 200, description = "结果 / what was asked for", body = ShownCase),
        Sought,
        Noted,
        Clashing
    )
)]
pub(super) async fn show(
    State(api): State<Api>,
    asker: Asker,
    Named(name): Named<CaseName>,
    Params(query): Params<ShowQuery>,
) -> Result<Response, ApiError> {
    let id = api.case_named(name).await?;
    let reason = Reason::of(query.reveal)?;
    api.views_follow().await;
    let found = api.readers().query(move |reader| reader.case(id, engine::now().cast_signed())).await?;
    let found = found.ok_or_else(|| ApiError::not_found("本节点没有此案卷", "there is no such case here"))?;
    let tables = api.engine().read(table::tables).await??;
    let Ground { responsible, grids, lanes } = api.ground_of(found.case.clone(), &tables).await?;
    let order_delivery = api.deliveries(id, found.orders.clone()).await?;
    let hazards = api.readers().query(move |reader| reader.hazards_of_case(id)).await?;
    let mut reporters = api.engine().read(move |replica| reporters(replica, id)).await??;
    if let Some(reason) = reason {
        api.note_reveal(asker, reason, Shown::documents(RevealKind::Case, vec![id.to_string()])).await?;
    } else {
        reporters.iter_mut().for_each(|one| one.data = one.data.as_ref().map(PersonalData::masked));
    }
    let is_open = found.case.state.is_none_or(CaseState::is_open);
    let handling = if is_open { api.handling_of(found.case.clone(), tables.clone()).await? } else { None };
    let nearest = match found.case.position.filter(|_| is_open) {
        Some(place) => api.nearest(place).await?,
        None => Vec::new(),
    };
    let nearest = nearest.into_iter().take(NEAREST).collect();
    let steps = tables.life_cycle().table().open_steps(found.case.state);
    let similar = match found.case.state {
        Some(CaseState::Reported) => api.similar_to(id).await?,
        Some(_) | None => Vec::new(),
    };
    let desk = tables.desk_of(found.case.source, found.case.severity).and_then(|desk| desk.code).filter(|_| is_open);
    let shown = ShownCase {
        detail: found,
        handling,
        nearest,
        responsible,
        grids,
        lanes,
        desk,
        order_delivery,
        hazards,
        reporters,
        similar,
        steps,
    };
    Ok(Json(json!(shown)).into_response())
}

/// A case with what helps to decide about it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownCase {
    #[serde(flatten)]
    detail: CaseDetail,
    /// How it should be handled, by what happened about its place before; while it is open.
    handling: Option<SuggestedForm>,
    /// Whom to send, where it is open and on the map: units that can be sent before others, then by distance.
    nearest: Vec<UnitRow>,
    /// Whom the town's tables name for such cases there: a grid before its region.
    responsible: Option<Responsible>,
    /// The grids in which it lies.
    grids: Vec<GridOfCase>,
    /// The streets and lanes that its place names, the longest name first.
    lanes: Vec<LaneOfCase>,
    /// The desk on which it lies, while it is open: its code.
    desk: Option<String>,
    /// How far its orders have travelled, in their order.
    order_delivery: Vec<OrderDelivery>,
    /// The hazards that it is about.
    hazards: Vec<HazardRow>,
    /// Who reported it, masked unless revealed.
    reporters: Vec<Reporter>,
    /// What it may be a duplicate of, while intake has not decided.
    similar: Vec<SimilarCase>,
    /// What can be done with it now and by whom, by the rules in force.
    steps: Vec<OpenStep>,
}

/// Who answers for the ground on which a case lies.
struct Ground {
    responsible: Option<Responsible>,
    grids: Vec<GridOfCase>,
    lanes: Vec<LaneOfCase>,
}

/// A grid in which a case lies.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GridOfCase {
    region: Option<RegionCode>,
    code: Option<String>,
    name: Option<String>,
    /// Members' codes.
    inspectors: BTreeSet<String>,
    /// The named responsible person: a member's code.
    responsible: Option<String>,
}

/// A street or lane that the place of a case names.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LaneOfCase {
    region: Option<RegionCode>,
    name: Option<String>,
    /// 街巷长: a member's code.
    chief: Option<String>,
    /// Who stands in: a member's code.
    deputy: Option<String>,
    /// The team that keeps it: its code.
    team: Option<String>,
}

impl Api {
    /// Who answers for the ground on which a case lies, for the dispatcher to choose or not.
    async fn ground_of(&self, case: CaseRow, tables: &Tables) -> Result<Ground, ApiError> {
        let Ok(region) = case.region.parse::<RegionCode>() else {
            return Ok(Ground { responsible: None, grids: Vec::new(), lanes: Vec::new() });
        };
        let grids = match case.position {
            Some(place) => {
                let day = Day::of_time(case.reported_ms, UTC_OFFSET_MINUTES);
                self.readers().query(move |reader| reader.grids_at(place, day)).await?
            }
            None => Vec::new(),
        };
        let is_of_region = |grid: &&Grid| grid.region == Some(region);
        let codes: Vec<String> = grids.iter().filter(is_of_region).filter_map(|grid| grid.code.clone()).collect();
        let responsible = case.category.and_then(|category| tables.responsible(region, &codes, &category));
        let lanes = case.place.map(|place| tables.lanes(region, &place)).unwrap_or_default().into_iter();
        let lane = |LaneRow { region, name, chief, deputy, team, .. }| LaneOfCase { region, name, chief, deputy, team };
        let grid = |Grid { region, code, name, inspectors, responsible, .. }| GridOfCase {
            region,
            code,
            name,
            inspectors,
            responsible,
        };
        Ok(Ground { responsible, grids: grids.into_iter().map(grid).collect(), lanes: lanes.map(lane).collect() })
    }

    async fn handling_of(&self, case: CaseRow, tables: Arc<Tables>) -> Result<Option<SuggestedForm>, ApiError> {
        self.readers().query(move |reader| reader.suggested_form(&case, engine::now().cast_signed(), &tables)).await
    }
}

/// Who reported a case, in clear.
fn reporters(replica: &mut Replica, document: DocumentId) -> Result<Vec<Reporter>, StoreError> {
    let Some(namespace) = namespace_of(replica, DocumentKind::Case, document)? else { return Ok(Vec::new()) };
    case::reporters(replica, &CaseRef { namespace, document })
}
