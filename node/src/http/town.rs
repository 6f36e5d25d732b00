//! What the whole town knows: regions, members, teams; and the devices in it.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use townmesh_crdt::command::entity::Writing;
use townmesh_crdt::command::{device, town};
use townmesh_crdt::domain::device::{Device, DeviceKind};
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::town::{Grid, Member, Team};
use townmesh_crdt::id::DocumentId;
use townmesh_crdt::replica::Replica;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::bounds::{Params, Payload};
use super::error::ApiError;
use super::households::{Place, Recorded, Rows, bounding_box, recorded};
use super::openapi::problems::{Written, Wrong};
use crate::views::{DeviceFilter, DeviceRow, Listed, MemberRow, Page, RegionCount, RegionRow, TeamRow};

/// Which region's numbers.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CountQuery {
    region: Option<RegionCode>,
}

/// Which members.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct MemberQuery {
    pub(super) team: Option<String>,
    pub(super) limit: Option<u32>,
    pub(super) after: Option<String>,
}

/// Which teams.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TeamQuery {
    pub(super) limit: Option<u32>,
    pub(super) after: Option<String>,
}

/// Which devices.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct DeviceQuery {
    region: Option<RegionCode>,
    kind: Option<DeviceKind>,
    bbox: Option<String>,
    limit: Option<u32>,
    after: Option<String>,
}

impl DeviceQuery {
    /// What it asks for, and which part of that.
    pub(super) fn parts(self) -> Result<(DeviceFilter, Page), ApiError> {
        let bounds = bounding_box(self.bbox.as_deref())?;
        let Self { region, kind, limit, after, .. } = self;
        Ok((DeviceFilter { region, kind, bounds }, Page { limit, after }))
    }
}

#[utoipa::path(
    get,
    path = "/v1/regions",
    operation_id = "listRegions",
    tag = "town",
    summary = "区划表 / the table of regions",
    responses(
        (status = 200, description = "结果 / what was asked for", body = Rows<RegionRow>)
    )
)]
pub(super) async fn regions(State(api): State<Api>) -> Result<Response, ApiError> {
    let rows = api.readers().query(|reader| reader.regions()).await?;
    Ok(Json(json!(Rows { rows })).into_response())
}

#[utoipa::path(
    get,
    path = "/v1/counts",
    operation_id = "counts",
    tag = "town",
    summary = "各村居数量 / how much there is in each region",
    params(CountQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Rows<RegionCount>),
        Wrong
    )
)]
pub(super) async fn counts(State(api): State<Api>, Params(query): Params<CountQuery>) -> Result<Response, ApiError> {
    let rows = api.readers().query(move |reader| reader.counts(query.region)).await?;
    Ok(Json(json!(Rows { rows })).into_response())
}

#[utoipa::path(
    get,
    path = "/v1/members",
    operation_id = "listMembers",
    tag = "town",
    summary = "人员列表 / list members",
    params(MemberQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Listed<MemberRow>),
        Wrong
    )
)]
pub(super) async fn members(State(api): State<Api>, Params(query): Params<MemberQuery>) -> Result<Response, ApiError> {
    api.views_follow().await;
    let page = Page { limit: query.limit, after: query.after };
    let listed = api.readers().query(move |reader| reader.members(query.team.as_deref(), &page)).await?;
    Ok(Json(listed).into_response())
}

#[utoipa::path(
    get,
    path = "/v1/teams",
    operation_id = "listTeams",
    tag = "town",
    summary = "队伍列表 / list teams",
    params(TeamQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Listed<TeamRow>),
        Wrong
    )
)]
pub(super) async fn teams(State(api): State<Api>, Params(query): Params<TeamQuery>) -> Result<Response, ApiError> {
    api.views_follow().await;
    let page = Page { limit: query.limit, after: query.after };
    let listed = api.readers().query(move |reader| reader.teams(&page)).await?;
    Ok(Json(listed).into_response())
}

#[utoipa::path(
    get,
    path = "/v1/devices",
    operation_id = "listDevices",
    tag = "devices",
    summary = "设备列表 / list devices",
    params(DeviceQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Listed<DeviceRow>),
        Wrong
    )
)]
pub(super) async fn devices(State(api): State<Api>, Params(query): Params<DeviceQuery>) -> Result<Response, ApiError> {
    api.views_follow().await;
    let (filter, page) = query.parts()?;
    let listed = api.readers().query(move |reader| reader.devices(&filter, &page)).await?;
    Ok(Json(listed).into_response())
}

#[utoipa::path(
    post,
    path = "/v1/members",
    operation_id = "recordMember",
    tag = "town",
    summary = "登记人员 / record a member",
    request_body = Member,
    responses(
        (status = 201, description = "新记录 / recorded", body = Recorded<Place>),
        (status = 200, description = "已有，或已更改 / known before, or changed", body = Recorded<Place>),
        Written
    )
)]
pub(super) async fn record_member(State(api): State<Api>, Payload(one): Payload<Member>) -> Result<Response, ApiError> {
    record_entity(&api, one).await
}

#[utoipa::path(
    post,
    path = "/v1/teams",
    operation_id = "recordTeam",
    tag = "town",
    summary = "登记队伍 / record a team",
    request_body = Team,
    responses(
        (status = 201, description = "新记录 / recorded", body = Recorded<Place>),
        (status = 200, description = "已有，或已更改 / known before, or changed", body = Recorded<Place>),
        Written
    )
)]
pub(super) async fn record_team(State(api): State<Api>, Payload(one): Payload<Team>) -> Result<Response, ApiError> {
    record_entity(&api, one).await
}

#[utoipa::path(
    post,
    path = "/v1/grids",
    operation_id = "recordGrid",
    tag = "town",
    summary = "登记网格 / record a grid",
    request_body = Grid,
    responses(
        (status = 201, description = "新记录 / recorded", body = Recorded<Place>),
        (status = 200, description = "已有，或已更改 / known before, or changed", body = Recorded<Place>),
        Written
    )
)]
pub(super) async fn record_grid(State(api): State<Api>, Payload(one): Payload<Grid>) -> Result<Response, ApiError> {
    record_entity(&api, one).await
}

/// Writes what is given; what is left out stays as it is recorded.
async fn record_entity<T: town::TownEntity + Send + 'static>(api: &Api, entity: T) -> Result<Response, ApiError> {
    let job = move |replica: &mut Replica, now| town::record(replica, &entity, Writing::Known, now);
    let outcome = api.engine().record(job).await?;
    Ok(recorded(&outcome.map(|document| Place { document, namespace: "town".to_owned() })))
}

#[utoipa::path(
    post,
    path = "/v1/devices",
    operation_id = "recordDevice",
    tag = "devices",
    summary = "登记设备 / record a device",
    request_body = Device,
    responses(
        (status = 201, description = "新记录 / recorded", body = Recorded<DevicePlace>),
        (status = 200, description = "已有，或已更改 / known before, or changed", body = Recorded<DevicePlace>),
        Written
    )
)]
pub(super) async fn record_device(State(api): State<Api>, Payload(one): Payload<Device>) -> Result<Response, ApiError> {
    let job = move |replica: &mut Replica, now| device::register(replica, &one, Writing::Known, now);
    let outcome = api.engine().record(job).await?;
    Ok(recorded(&outcome.map(|document| DevicePlace { document })))
}

/// Where a device was recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DevicePlace {
    document: DocumentId,
}
