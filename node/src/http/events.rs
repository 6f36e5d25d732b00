//! Device events: a batch in, those of one device or the alarms out.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use townmesh_crdt::command::device;
use townmesh_crdt::domain::device_event::DeviceEvent;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::id::DocumentId;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::bounds::{Params, Payload};
use super::error::ApiError;
use super::households::{Recorded, recorded};
use super::openapi::problems::{Written, Wrong};
use crate::message::Message;
use crate::views::{AlarmFilter, DeviceEventFilter, DeviceEventRow, Listed, Page};

/// Most events in one batch.
const MAX_EVENTS: usize = 20_000;

/// Events of devices of one region.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsInput {
    region: RegionCode,
    events: Vec<DeviceEvent>,
}

#[utoipa::path(
    post,
    path = "/v1/events",
    operation_id = "recordEvents",
    tag = "devices",
    summary = "记录设备事件 / record device events",
    request_body = EventsInput,
    responses(
        (status = 201, description = "新记录 / recorded", body = Recorded<EventsPlace>),
        (status = 200, description = "已有，或已更改 / known before, or changed", body = Recorded<EventsPlace>),
        Written
    )
)]
pub(super) async fn record(State(api): State<Api>, Payload(input): Payload<EventsInput>) -> Result<Response, ApiError> {
    if input.events.len() > MAX_EVENTS {
        let en = format!("{} events at once, at most {MAX_EVENTS}", input.events.len());
        let message = Message::new("too_many_events", format!("一次最多 {MAX_EVENTS} 条事件"), en);
        return Err(ApiError::bad_request(message.remedy("分几次发送", "send them in parts")));
    }
    let job = move |replica: &mut _, now| device::record_events(replica, input.region, input.events, now);
    let outcome = api.engine().record(job).await?;
    Ok(recorded(&outcome.map(|result: device::EventsRecorded| EventsPlace {
        documents: result.documents,
        repeated: result.repeated,
        stored: result.stored.len(),
    })))
}

/// What became of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventsPlace {
    /// The documents of device and day that grew.
    documents: Vec<DocumentId>,
    /// Events that were known.
    repeated: usize,
    /// Events that were new.
    stored: usize,
}

/// Which events: of one device, or the alarms of a region.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct EventQuery {
    device: Option<String>,
    region: Option<RegionCode>,
    kind: Option<String>,
    from_ms: Option<i64>,
    until_ms: Option<i64>,
    limit: Option<u32>,
    after: Option<String>,
}

/// Events of one device, or alarms.
pub(super) enum Events {
    OfDevice(DeviceEventFilter),
    Alarms(AlarmFilter),
}

impl EventQuery {
    /// What it asks for, and which part of that.
    pub(super) fn parts(self) -> (Events, Page) {
        let Self { device, region, kind, from_ms, until_ms, limit, after } = self;
        let events = match device {
            Some(device) => Events::OfDevice(DeviceEventFilter { device, from_ms, until_ms, kind }),
            None => Events::Alarms(AlarmFilter { region, from_ms, until_ms }),
        };
        (events, Page { limit, after })
    }
}

#[utoipa::path(
    get,
    path = "/v1/events",
    operation_id = "listEvents",
    tag = "devices",
    summary = "设备事件或报警 / events of a device, or alarms",
    params(EventQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Listed<DeviceEventRow>),
        Wrong
    )
)]
pub(super) async fn list(State(api): State<Api>, Params(query): Params<EventQuery>) -> Result<Response, ApiError> {
    api.views_follow().await;
    let (events, page) = query.parts();
    let listed = match events {
        Events::OfDevice(filter) => api.readers().query(move |reader| reader.device_events(&filter, &page)).await?,
        Events::Alarms(filter) => api.readers().query(move |reader| reader.alarms(&filter, &page)).await?,
    };
    Ok(Json(listed).into_response())
}
