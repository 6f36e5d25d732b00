//! Dwellings: the buildings behind the doors.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use townmesh_crdt::command::dwelling;
use townmesh_crdt::command::household::Edit;
use townmesh_crdt::domain::dwelling::{Dwelling, DwellingUse};
use townmesh_crdt::domain::hazard::DoorMark;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::entry::Lane;
use townmesh_crdt::id::DocumentId;
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::policy::DocumentKind;
use townmesh_crdt::replica::Replica;
use utoipa::IntoParams;

use super::Api;
use super::bounds::{Named, Params, Payload};
use super::error::ApiError;
use super::households::{Place, Recorded, ShowQuery, bounding_box, existing, recorded};
use super::openapi::problems::{Missing, Noted, Sought, Written, Wrong};
use super::reveal::{Asker, Asking, Reason, Shown};
use crate::reveals::RevealKind;
use crate::views::{DwellingDetail, DwellingFilter, DwellingRow, Listed, Page};

/// Which dwellings, and how.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct DwellingQuery {
    region: Option<RegionCode>,
    grid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<DwellingUse>,
    mark: Option<DoorMark>,
    bbox: Option<String>,
    text: Option<String>,
    conflicts: bool,
    /// Those that are gone, too.
    gone: bool,
    limit: Option<u32>,
    after: Option<String>,
    reveal: Option<String>,
}

impl DwellingQuery {
    /// What it asks for, and which part of that.
    pub(super) fn parts(self) -> Result<(DwellingFilter, Page), ApiError> {
        let bounds = bounding_box(self.bbox.as_deref())?;
        let Self { region, grid, usage, mark, text, conflicts, gone, limit, after, .. } = self;
        let filter = DwellingFilter { region, grid, usage, mark, bounds, text, conflicts, gone };
        Ok((filter, Page { limit, after }))
    }
}

#[utoipa::path(
    get,
    path = "/v1/dwellings",
    operation_id = "listDwellings",
    tag = "registry",
    summary = "房屋列表与查找 / list and search dwellings",
    params(DwellingQuery, Asking),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Listed<DwellingRow>),
        Wrong,
        Noted
    )
)]
pub(super) async fn list(
    State(api): State<Api>,
    asker: Asker,
    Params(mut query): Params<DwellingQuery>,
) -> Result<Response, ApiError> {
    let reason = Reason::of(query.reveal.take())?;
    let reveal = reason.is_some();
    let (filter, page) = query.parts()?;
    let listed = api.readers().query(move |reader| reader.dwellings(&filter, &page, reveal)).await?;
    if let Some(reason) = reason {
        let documents = listed.rows.iter().map(|row| row.document.clone()).collect();
        api.note_reveal(asker, reason, Shown::documents(RevealKind::List, documents)).await?;
    }
    Ok(Json(listed).into_response())
}

#[utoipa::path(
    post,
    path = "/v1/dwellings",
    operation_id = "recordDwelling",
    tag = "registry",
    summary = "登记房屋 / record a dwelling, or what is new about it",
    request_body = Dwelling,
    responses(
        (status = 201, description = "新记录 / recorded", body = Recorded<Place>),
        (status = 200, description = "已有，或已更改 / known before, or changed", body = Recorded<Place>),
        Written
    )
)]
pub(super) async fn record(State(api): State<Api>, Payload(input): Payload<Dwelling>) -> Result<Response, ApiError> {
    let region = input.region.map(|region| region.to_string()).unwrap_or_default();
    let outcome = api.engine().record(move |replica, now| dwelling::record(replica, &input, Lane::Work, now)).await?;
    let namespace = Namespace::registry(&region).to_string();
    Ok(recorded(&outcome.map(|document| Place { document, namespace })))
}

#[utoipa::path(
    get,
    path = "/v1/dwellings/{id}",
    operation_id = "showDwelling",
    tag = "registry",
    summary = "一处房屋 / one dwelling",
    params(("id" = DocumentId, Path, description = "房屋 / dwelling"), ShowQuery, Asking),
    responses(
        (status = 200, description = "结果 / what was asked for", body = DwellingDetail),
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
    let found = api.readers().query(move |reader| reader.dwelling(id, reveal)).await?;
    let found = found.ok_or_else(|| ApiError::not_found("本节点没有此房屋", "there is no such dwelling here"))?;
    if let Some(reason) = reason {
        api.note_reveal(asker, reason, Shown::documents(RevealKind::Dwelling, vec![id.to_string()])).await?;
    }
    Ok(Json(found).into_response())
}

#[utoipa::path(
    patch,
    path = "/v1/dwellings/{id}",
    operation_id = "editDwelling",
    tag = "registry",
    summary = "修改房屋 / edit a dwelling",
    params(("id" = DocumentId, Path, description = "房屋 / dwelling")),
    request_body = Edit<Dwelling>,
    responses(
        (status = 200, description = "已有，或已更改 / known before, or changed", body = Recorded<Place>),
        Written,
        Missing
    )
)]
pub(super) async fn edit(
    State(api): State<Api>,
    Named(id): Named<DocumentId>,
    Payload(edit): Payload<Edit<Dwelling>>,
) -> Result<Response, ApiError> {
    let job = move |replica: &mut Replica, now| {
        let namespace = existing(replica, DocumentKind::Dwelling, id, "dwelling", "房屋")?;
        let outcome = dwelling::edit(replica, &namespace, id, &edit, now)?;
        Ok(outcome.map(|document| Place { document, namespace: namespace.to_string() }))
    };
    Ok(recorded(&api.engine().record(job).await?))
}
