//! Households, their inspections and hazards.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use townmesh_crdt::command::household::{self, Edit, HouseholdInput};
use townmesh_crdt::command::inspection::InspectionIds;
use townmesh_crdt::command::{CommandError, Outcome, hazard, inspection};
use townmesh_crdt::domain::checklist::Grade;
use townmesh_crdt::domain::dwelling::DwellingUse;
use townmesh_crdt::domain::hazard::{DoorMark, HazardState, HazardStep};
use townmesh_crdt::domain::hazard_deed::HazardDeed;
use townmesh_crdt::domain::household::{Household, Resident};
use townmesh_crdt::domain::inspection::{Inspection, PhotoHash};
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::role::Role;
use townmesh_crdt::entry::Lane;
use townmesh_crdt::id::{DocumentId, RecordId, ResidentId};
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::policy::DocumentKind;
use townmesh_crdt::replica::Replica;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::bounds::{Named, Params, Payload};
use super::error::ApiError;
use super::hazard_case::hazard_namespace;
use super::locate::namespace_of;
use super::openapi::problems::{Missing, Noted, Sought, Written, Wrong};
use super::reveal::{Asker, Asking, Reason, Shown};
use crate::engine::now;
use crate::message::Message;
use crate::reveals::RevealKind;
use crate::views::{
    BoundingBox, HazardFilter, HazardRow, HouseholdDetail, HouseholdFilter, HouseholdRow, InspectionFilter,
    InspectionRow, Listed, Page,
};

/// What a command came to, as every POST answers: 201 for something new, 200 otherwise; `value` names what was recorded,
/// `recorded` where it stands.
pub(super) fn recorded<T: Serialize>(outcome: &Outcome<T>) -> Response {
    let status = match outcome {
        Outcome::Created(..) => StatusCode::CREATED,
        Outcome::Changed(..) | Outcome::Unchanged(_) => StatusCode::OK,
    };
    let place = outcome.recorded().map(|recorded| EntryPlace { seq: recorded.seq, time_ms: recorded.time.millis() });
    let body = Recorded { outcome: outcome.key(), recorded: place, value: outcome.value() };
    (status, Json(body)).into_response()
}

/// What a command came to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Recorded<T> {
    /// `created`, `changed` or `unchanged`.
    outcome: &'static str,
    /// Where it stands in the log; null where nothing was written.
    recorded: Option<EntryPlace>,
    /// What was recorded.
    value: T,
}

/// Where an entry stands in this node's log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EntryPlace {
    /// Its number.
    seq: u64,
    /// When, in milliseconds since 1970.
    time_ms: u64,
}

/// Where a document lies.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Place {
    pub(super) document: DocumentId,
    pub(super) namespace: String,
}

/// Answers of the list kind that have no pages.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Rows<T> {
    pub(super) rows: Vec<T>,
}

/// Where a household was recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HouseholdPlace {
    document: DocumentId,
    namespace: Option<String>,
    /// In the order of the input; those of whom it says nothing are left out.
    residents: Vec<ResidentId>,
}

/// Where somebody was recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ResidentPlace {
    document: DocumentId,
    namespace: String,
    /// Null where the input says nothing of anybody.
    resident: Option<ResidentId>,
}

impl ResidentPlace {
    pub(super) fn new(document: DocumentId, namespace: &Namespace, resident: Option<ResidentId>) -> Self {
        Self { document, namespace: namespace.to_string(), resident }
    }
}

/// Where an inspection was recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InspectionPlace {
    document: DocumentId,
    /// The hazards that it opened or refreshed.
    hazards: Vec<DocumentId>,
    inspection: RecordId,
    namespace: String,
}

/// Where a hazard stands after a step.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HazardPlace {
    document: DocumentId,
    namespace: String,
    state: HazardState,
}

/// A place on the map as `west,south,east,north` in degrees.
pub(super) fn bounding_box(text: Option<&str>) -> Result<Option<BoundingBox>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let degrees: Result<Vec<f64>, _> = text.split(',').map(|one| one.trim().parse()).collect();
    let corners = match degrees.as_deref() {
        Ok([west, south, east, north]) => {
            Position::from_degrees(*south, *west).zip(Position::from_degrees(*north, *east))
        }
        _ => None,
    };
    let message =
        || Message::new("bbox", "bbox 须为 西,南,东,北（度）", "bbox must be west,south,east,north in degrees");
    let (southwest, northeast) = corners.ok_or_else(|| ApiError::bad_request(message()))?;
    Ok(Some(BoundingBox { southwest, northeast }))
}

/// Which households, and how.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
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

#[utoipa::path(
    get,
    path = "/v1/households",
    operation_id = "listHouseholds",
    tag = "registry",
    summary = "户列表与查找 / list and search households",
    params(HouseholdQuery, Asking),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Listed<HouseholdRow>),
        Wrong,
        Noted
    )
)]
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

#[utoipa::path(
    post,
    path = "/v1/households",
    operation_id = "recordHousehold",
    tag = "registry",
    summary = "登记一户 / record a household",
    request_body = HouseholdInput,
    responses(
        (status = 201, description = "新记录 / recorded", body = Recorded<HouseholdPlace>),
        (status = 200, description = "已有，或已更改 / known before, or changed", body = Recorded<HouseholdPlace>),
        Written
    )
)]
pub(super) async fn record(
    State(api): State<Api>,
    Payload(input): Payload<HouseholdInput>,
) -> Result<Response, ApiError> {
    let region = input.household.region;
    let outcome = api.engine().record(move |replica, now| household::record(replica, &input, Lane::Work, now)).await?;
    let namespace = region.map(|region| Namespace::registry(&region.to_string()).to_string());
    Ok(recorded(&outcome.map(|ids| HouseholdPlace { document: ids.document, namespace, residents: ids.residents })))
}

/// How one document is shown.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ShowQuery {
    pub(super) reveal: Option<String>,
}

#[utoipa::path(
    get,
    path = "/v1/households/{id}",
    operation_id = "showHousehold",
    tag = "registry",
    summary = "一户 / one household",
    params(("id" = DocumentId, Path, description = "户 / household"), ShowQuery, Asking),
    responses(
        (status = 200, description = "结果 / what was asked for", body = HouseholdDetail),
        Sought,
        Noted
    )
)]
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
pub(super) fn existing(
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

#[utoipa::path(
    patch,
    path = "/v1/households/{id}",
    operation_id = "editHousehold",
    tag = "registry",
    summary = "修改一户 / edit a household",
    params(("id" = DocumentId, Path, description = "户 / household")),
    request_body = Edit<Household>,
    responses(
        (status = 200, description = "已有，或已更改 / known before, or changed", body = Recorded<Place>),
        Written,
        Missing
    )
)]
pub(super) async fn edit(
    State(api): State<Api>,
    Named(id): Named<DocumentId>,
    Payload(edit): Payload<Edit<Household>>,
) -> Result<Response, ApiError> {
    let job = move |replica: &mut Replica, now| {
        let namespace = household_namespace(replica, id)?;
        let outcome = household::edit_household(replica, &namespace, id, &edit, now)?;
        Ok(outcome.map(|document| Place { document, namespace: namespace.to_string() }))
    };
    Ok(recorded(&api.engine().record(job).await?))
}

#[utoipa::path(
    post,
    path = "/v1/households/{id}/residents",
    operation_id = "addResident",
    tag = "registry",
    summary = "添加居民 / add somebody to a household",
    params(("id" = DocumentId, Path, description = "户 / household")),
    request_body = Resident,
    responses(
        (status = 201, description = "新记录 / recorded", body = Recorded<ResidentPlace>),
        (status = 200, description = "已有，或已更改 / known before, or changed", body = Recorded<ResidentPlace>),
        Written,
        Missing
    )
)]
pub(super) async fn add_resident(
    State(api): State<Api>,
    Named(id): Named<DocumentId>,
    Payload(resident): Payload<Resident>,
) -> Result<Response, ApiError> {
    let job = move |replica: &mut Replica, now| {
        let namespace = household_namespace(replica, id)?;
        let outcome = household::add_resident(replica, &namespace, id, &resident, now)?;
        Ok(outcome.map(|resident| ResidentPlace::new(id, &namespace, resident)))
    };
    Ok(recorded(&api.engine().record(job).await?))
}

/// Which inspections.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct InspectionQuery {
    /// Of this household, dwelling, enterprise or grid.
    household: Option<DocumentId>,
    region: Option<RegionCode>,
    from_ms: Option<i64>,
    until_ms: Option<i64>,
    limit: Option<u32>,
    after: Option<String>,
}

impl InspectionQuery {
    /// What it asks for, and which part of that.
    pub(super) fn parts(self) -> (InspectionFilter, Page) {
        let Self { household, region, from_ms, until_ms, limit, after } = self;
        (InspectionFilter { region, subject: household, from_ms, until_ms }, Page { limit, after })
    }
}

#[utoipa::path(
    get,
    path = "/v1/inspections",
    operation_id = "listInspections",
    tag = "registry",
    summary = "检查记录：住户、房屋、企业、网格 / inspections, of one household, dwelling, enterprise or grid, or of a region",
    params(InspectionQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Listed<InspectionRow>),
        Wrong
    )
)]
pub(super) async fn inspections(
    State(api): State<Api>,
    Params(query): Params<InspectionQuery>,
) -> Result<Response, ApiError> {
    api.views_follow().await;
    let (filter, page) = query.parts();
    let listed = api.readers().query(move |reader| reader.inspections_in(&filter, &page)).await?;
    Ok(Json(listed).into_response())
}

#[utoipa::path(
    post,
    path = "/v1/inspections",
    operation_id = "recordInspection",
    tag = "registry",
    summary = "记录检查 / record an inspection",
    request_body = Inspection,
    responses(
        (status = 201, description = "新记录 / recorded", body = Recorded<InspectionPlace>),
        (status = 200, description = "已有，或已更改 / known before, or changed", body = Recorded<InspectionPlace>),
        Written,
        Missing
    )
)]
pub(super) async fn inspect(State(api): State<Api>, Payload(done): Payload<Inspection>) -> Result<Response, ApiError> {
    let job = move |replica: &mut Replica, now| {
        let namespace = inspection::registry_of(replica, done.household)?;
        let outcome = inspection::record(replica, &namespace, &done, now)?;
        Ok(outcome.map(|ids| {
            let InspectionIds { document, inspection, hazards } = ids;
            InspectionPlace { document, hazards, inspection, namespace: namespace.to_string() }
        }))
    };
    Ok(recorded(&api.engine().record(job).await?))
}

/// Which hazards.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct HazardQuery {
    region: Option<RegionCode>,
    state: Option<HazardState>,
    grade: Option<Grade>,
    /// 关联的案卷 / of which this case was made
    case: Option<DocumentId>,
    /// 超期未整改的 / past their date, and nobody said that they are done
    overdue: bool,
    bbox: Option<String>,
    limit: Option<u32>,
    after: Option<String>,
}

impl HazardQuery {
    /// What it asks for, and which part of that.
    pub(super) fn parts(self) -> Result<(HazardFilter, Page), ApiError> {
        let bounds = bounding_box(self.bbox.as_deref())?;
        let Self { region, state, grade, case, overdue, limit, after, .. } = self;
        let overdue_ms = overdue.then(|| i64::try_from(now()).unwrap_or(i64::MAX));
        Ok((HazardFilter { region, state, grade, case, overdue_ms, bounds }, Page { limit, after }))
    }
}

#[utoipa::path(
    get,
    path = "/v1/hazards",
    operation_id = "listHazards",
    tag = "registry",
    summary = "隐患列表 / list hazards",
    params(HazardQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Listed<HazardRow>),
        Wrong
    )
)]
pub(super) async fn hazards(State(api): State<Api>, Params(query): Params<HazardQuery>) -> Result<Response, ApiError> {
    let (filter, page) = query.parts()?;
    let listed = api.readers().query(move |reader| reader.hazards(&filter, &page)).await?;
    Ok(Json(listed).into_response())
}

/// A step in rectifying a hazard.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StepInput {
    step: HazardStep,
    /// A member's code.
    by: String,
    /// 缺省：整改为处置队员，复查为巡查员 / without it: handlers put right, inspectors recheck
    #[serde(default)]
    role: Option<Role>,
    #[serde(default)]
    at_ms: Option<i64>,
    /// Remarks; nothing that identifies a person.
    #[serde(default)]
    note: Option<String>,
    /// Evidence, recorded before.
    #[serde(default)]
    photos: Vec<PhotoHash>,
}

#[utoipa::path(
    post,
    path = "/v1/hazards/{id}/steps",
    operation_id = "stepHazard",
    tag = "registry",
    summary = "整改一步 / take a step in rectifying a hazard",
    params(("id" = DocumentId, Path, description = "隐患 / hazard")),
    request_body = StepInput,
    responses(
        (status = 201, description = "新记录 / recorded", body = Recorded<HazardPlace>),
        (status = 200, description = "已有，或已更改 / known before, or changed", body = Recorded<HazardPlace>),
        Written,
        Missing
    )
)]
pub(super) async fn hazard_step(
    State(api): State<Api>,
    Named(id): Named<DocumentId>,
    Payload(input): Payload<StepInput>,
) -> Result<Response, ApiError> {
    let job = move |replica: &mut Replica, now| {
        let namespace = hazard_namespace(replica, id)?;
        let at = input.at_ms.unwrap_or_else(|| i64::try_from(now).unwrap_or(i64::MAX));
        let deed = HazardDeed {
            role: input.role,
            note: input.note,
            photos: input.photos.iter().map(ToString::to_string).collect(),
            ..HazardDeed::new(input.step, &input.by, at)
        };
        let outcome = hazard::step(replica, &namespace, id, &deed, now)?;
        Ok(outcome.map(|state| HazardPlace { document: id, namespace: namespace.to_string(), state }))
    };
    Ok(recorded(&api.engine().record(job).await?))
}
