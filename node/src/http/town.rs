//! What the whole town knows: regions, members, teams; and the devices in it.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use townmesh_crdt::command::entity::Writing;
use townmesh_crdt::command::{device, town};
use townmesh_crdt::domain::device::{Device, DeviceKind};
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::town::{Grid, Member, Team};
use townmesh_crdt::replica::Replica;

use super::Api;
use super::bounds::{Params, Payload};
use super::error::ApiError;
use super::households::{bounding_box, recorded};
use crate::views::{DeviceFilter, Page};

/// Which region's numbers.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CountQuery {
    region: Option<RegionCode>,
}

/// Which members.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct MemberQuery {
    pub(super) team: Option<String>,
    pub(super) limit: Option<u32>,
    pub(super) after: Option<String>,
}

/// Which teams.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TeamQuery {
    pub(super) limit: Option<u32>,
    pub(super) after: Option<String>,
}

/// Which devices.
#[derive(Debug, Default, Deserialize)]
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

pub(super) async fn regions(State(api): State<Api>) -> Result<Response, ApiError> {
    let rows = api.readers().query(|reader| reader.regions()).await?;
    Ok(Json(json!({ "rows": rows })).into_response())
}

pub(super) async fn counts(State(api): State<Api>, Params(query): Params<CountQuery>) -> Result<Response, ApiError> {
    let rows = api.readers().query(move |reader| reader.counts(query.region)).await?;
    Ok(Json(json!({ "rows": rows })).into_response())
}

pub(super) async fn members(State(api): State<Api>, Params(query): Params<MemberQuery>) -> Result<Response, ApiError> {
    api.views_follow().await;
    let page = Page { limit: query.limit, after: query.after };
    let listed = api.readers().query(move |reader| reader.members(query.team.as_deref(), &page)).await?;
    Ok(Json(listed).into_response())
}

pub(super) async fn teams(State(api): State<Api>, Params(query): Params<TeamQuery>) -> Result<Response, ApiError> {
    api.views_follow().await;
    let page = Page { limit: query.limit, after: query.after };
    let listed = api.readers().query(move |reader| reader.teams(&page)).await?;
    Ok(Json(listed).into_response())
}

pub(super) async fn devices(State(api): State<Api>, Params(query): Params<DeviceQuery>) -> Result<Response, ApiError> {
    api.views_follow().await;
    let (filter, page) = query.parts()?;
    let listed = api.readers().query(move |reader| reader.devices(&filter, &page)).await?;
    Ok(Json(listed).into_response())
}

pub(super) async fn record_member(State(api): State<Api>, Payload(one): Payload<Member>) -> Result<Response, ApiError> {
    record_entity(&api, one).await
}

pub(super) async fn record_team(State(api): State<Api>, Payload(one): Payload<Team>) -> Result<Response, ApiError> {
    record_entity(&api, one).await
}

pub(super) async fn record_grid(State(api): State<Api>, Payload(one): Payload<Grid>) -> Result<Response, ApiError> {
    record_entity(&api, one).await
}

/// Writes what is given; what is left out stays as it is recorded.
async fn record_entity<T: town::TownEntity + Send + 'static>(api: &Api, entity: T) -> Result<Response, ApiError> {
    let job = move |replica: &mut Replica, now| town::record(replica, &entity, Writing::Known, now);
    let outcome = api.engine().record(job).await?;
    Ok(recorded(&outcome.map(|document| json!({ "namespace": "town", "document": document }))))
}

pub(super) async fn record_device(State(api): State<Api>, Payload(one): Payload<Device>) -> Result<Response, ApiError> {
    let job = move |replica: &mut Replica, now| device::register(replica, &one, Writing::Known, now);
    let outcome = api.engine().record(job).await?;
    Ok(recorded(&outcome.map(|document| json!({ "document": document }))))
}
