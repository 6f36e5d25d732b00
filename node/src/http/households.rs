//! Households, their inspections and hazards.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use townmesh_crdt::command::household::{self, Edit, HouseholdInput};
use townmesh_crdt::command::{CommandError, Outcome, hazard, inspection};
use townmesh_crdt::domain::checklist::Grade;
use townmesh_crdt::domain::dwelling::DwellingUse;
use townmesh_crdt::domain::hazard::{DoorMark, HazardState, HazardStep};
use townmesh_crdt::domain::household::{Household, Resident};
use townmesh_crdt::domain::inspection::Inspection;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::entry::Lane;
use townmesh_crdt::id::DocumentId;
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::policy::DocumentKind;
use townmesh_crdt::replica::Replica;

use super::Api;
use super::bounds::{Named, Params, Payload};
use super::error::ApiError;
use super::locate::namespace_of;
use super::reveal::{Asker, Reason, Shown};
use crate::message::Message;
use crate::reveals::RevealKind;
use crate::views::{BoundingBox, HazardFilter, HouseholdFilter, Page};

/// What a command came to, as every POST answers: 201 for something new, 200 otherwise; `value` names what was recorded,
/// `recorded` where it stands.
pub(super) fn recorded(outcome: &Outcome<Value>) -> Response {
    let status = match outcome {
        Outcome::Created(..) => StatusCode::CREATED,
        Outcome::Changed(..) | Outcome::Unchanged(_) => StatusCode::OK,
    };
    let place = outcome.recorded().map(|recorded| json!({ "seq": recorded.seq, "time_ms": recorded.time.millis() }));
    let body = json!({ "outcome": outcome.key(), "value": outcome.value(), "recorded": place });
    (status, Json(body)).into_response()
}

/// A place on the map as `west,south,east,north` in degrees.
pub(super) fn bounding_box(text: Option<&str>) -> Result<Option<BoundingBox>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let degrees: Vec<f64> = text.split(',').filter_map(|one| one.trim().parse().ok()).collect();
    let corners = match degrees.as_slice() {
        [west, south, east, north] => Position::from_degrees(*south, *west).zip(Position::from_degrees(*north, *east)),
        _ => None,
    };
    let message =
        || Message::new("bbox", "bbox 须为 西,南,东,北（度）", "bbox must be west,south,east,north in degrees");
    let (southwest, northeast) = corners.ok_or_else(|| ApiError::bad_request(message()))?;
    Ok(Some(BoundingBox { southwest, northeast }))
}

/// Which households, and how.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct HouseholdQuery {
    region: Option<RegionCode>,
    #[serde(rename = "use")]
    usage: Option<DwellingUse>,
    mark: Option<DoorMark>,
    bbox: Option<String>,
    text: Option<String>,
    conflicts: bool,
    limit: Option<u32>,
    after: Option<String>,
    reveal: Option<String>,
}

pub(super) async fn list(
    State(api): State<Api>,
    asker: Asker,
    Params(query): Params<HouseholdQuery>,
) -> Result<Response, ApiError> {
    let bounds = bounding_box(query.bbox.as_deref())?;
    let reason = Reason::of(query.reveal)?;
    let reveal = reason.is_some();
    let HouseholdQuery { region, usage, mark, text, conflicts, limit, after, .. } = query;
    let filter = HouseholdFilter { region, usage, mark, bounds, text, conflicts };
    let page = Page { limit, after };
    let listed = api.readers().query(move |reader| reader.households(&filter, &page, reveal)).await?;
    if let Some(reason) = reason {
        let documents = listed.rows.iter().map(|row| row.document.clone()).collect();
        api.note_reveal(asker, reason, Shown::documents(RevealKind::List, documents)).await?;
    }
    Ok(Json(listed).into_response())
}

pub(super) async fn record(
    State(api): State<Api>,
    Payload(input): Payload<HouseholdInput>,
) -> Result<Response, ApiError> {
    let region = input.household.region;
    let outcome = api.engine().record(move |replica, now| household::record(replica, &input, Lane::Work, now)).await?;
    let namespace = region.map(|region| Namespace::registry(&region.to_string()).to_string());
    Ok(recorded(
        &outcome.map(|ids| json!({ "namespace": namespace, "document": ids.document, "residents": ids.residents })),
    ))
}

/// How one document is shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ShowQuery {
    pub(super) reveal: Option<String>,
}

pub(super) async fn show(
    State(api): State<Api>,
    asker: Asker,
    Named(id): Named<DocumentId>,
    Params(query): Params<ShowQuery>,
) -> Result<Response, ApiError> {
    let reason = Reason::of(query.reveal)?;
    let reveal = reason.is_some();
    api.views_follow().await;
    let found = api.readers().query(move |reader| reader.household(id, reveal)).await?;
    let found = found.ok_or_else(|| ApiError::not_found("本节点没有此户", "there is no such household here"))?;
    if let Some(reason) = reason {
        api.note_reveal(asker, reason, Shown::documents(RevealKind::Household, vec![id.to_string()])).await?;
    }
    Ok(Json(found).into_response())
}

/// The namespace of a document, or the error that says that it is not here.
fn existing(
    replica: &mut Replica,
    kind: DocumentKind,
    document: DocumentId,
    thing: &'static str,
    chinese: &'static str,
) -> Result<Namespace, CommandError> {
    namespace_of(replica, kind, document)?.ok_or(CommandError::NotFound { thing, chinese, document })
}

pub(super) fn household_namespace(replica: &mut Replica, document: DocumentId) -> Result<Namespace, CommandError> {
    existing(replica, DocumentKind::Household, document, "household", "户")
}

pub(super) async fn edit(
    State(api): State<Api>,
    Named(id): Named<DocumentId>,
    Payload(edit): Payload<Edit<Household>>,
) -> Result<Response, ApiError> {
    let job = move |replica: &mut Replica, now| {
        let namespace = household_namespace(replica, id)?;
        let outcome = household::edit_household(replica, &namespace, id, &edit, now)?;
        Ok(outcome.map(|document| json!({ "namespace": namespace.to_string(), "document": document })))
    };
    Ok(recorded(&api.engine().record(job).await?))
}

pub(super) async fn add_resident(
    State(api): State<Api>,
    Named(id): Named<DocumentId>,
    Payload(resident): Payload<Resident>,
) -> Result<Response, ApiError> {
    let job = move |replica: &mut Replica, now| {
        let namespace = household_namespace(replica, id)?;
        let outcome = household::add_resident(replica, &namespace, id, &resident, now)?;
        Ok(outcome.map(|resident| json!({ "namespace": namespace.to_string(), "document": id, "resident": resident })))
    };
    Ok(recorded(&api.engine().record(job).await?))
}

/// Whose inspections.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InspectionQuery {
    household: DocumentId,
}

pub(super) async fn inspections(
    State(api): State<Api>,
    Params(query): Params<InspectionQuery>,
) -> Result<Response, ApiError> {
    api.views_follow().await;
    let rows = api.readers().query(move |reader| reader.inspections(query.household)).await?;
    Ok(Json(json!({ "rows": rows })).into_response())
}

pub(super) async fn inspect(State(api): State<Api>, Payload(done): Payload<Inspection>) -> Result<Response, ApiError> {
    let job = move |replica: &mut Replica, now| {
        let namespace = household_namespace(replica, done.household)?;
        let outcome = inspection::record(replica, &namespace, &done, now)?;
        Ok(outcome.map(|ids| {
            let namespace = namespace.to_string();
            json!({ "namespace": namespace, "document": ids.document, "inspection": ids.inspection, "hazards": ids.hazards })
        }))
    };
    Ok(recorded(&api.engine().record(job).await?))
}

/// Which hazards.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct HazardQuery {
    region: Option<RegionCode>,
    state: Option<HazardState>,
    grade: Option<Grade>,
    bbox: Option<String>,
    limit: Option<u32>,
    after: Option<String>,
}

impl HazardQuery {
    /// What it asks for, and which part of that.
    pub(super) fn parts(self) -> Result<(HazardFilter, Page), ApiError> {
        let bounds = bounding_box(self.bbox.as_deref())?;
        let Self { region, state, grade, limit, after, .. } = self;
        Ok((HazardFilter { region, state, grade, bounds }, Page { limit, after }))
    }
}

pub(super) async fn hazards(State(api): State<Api>, Params(query): Params<HazardQuery>) -> Result<Response, ApiError> {
    let (filter, page) = query.parts()?;
    let listed = api.readers().query(move |reader| reader.hazards(&filter, &page)).await?;
    Ok(Json(listed).into_response())
}

/// A step in rectifying a hazard.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StepInput {
    step: HazardStep,
    by: String,
    at_ms: Option<i64>,
}

pub(super) async fn hazard_step(
    State(api): State<Api>,
    Named(id): Named<DocumentId>,
    Payload(input): Payload<StepInput>,
) -> Result<Response, ApiError> {
    let job = move |replica: &mut Replica, now| {
        let namespace = existing(replica, DocumentKind::Hazard, id, "hazard", "隐患")?;
        let at = input.at_ms.unwrap_or_else(|| i64::try_from(now).unwrap_or(i64::MAX));
        let outcome = hazard::step(replica, &namespace, id, input.step, &input.by, at, now)?;
        Ok(outcome.map(|state| json!({ "namespace": namespace.to_string(), "document": id, "state": state })))
    };
    Ok(recorded(&api.engine().record(job).await?))
}
