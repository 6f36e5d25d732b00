//! How the node is.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::error::ApiError;
use crate::engine::{PeerStatus, Status};
use crate::message::Message;

/// Document changes that the views may be behind and still count as caught up: a second's work.
const READY_LAG: u64 = 2_000;

/// The process answers.
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "health",
    tag = "monitoring",
    summary = "进程在运行 / the process answers",
    responses(
        (status = 200, description = "ok", body = String, content_type = "text/plain")
    )
)]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// The store is open and the views have caught up.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "readiness",
    tag = "monitoring",
    summary = "可以使用 / the store is open and the views have caught up",
    responses(
        (status = 200, description = "ready", body = String, content_type = "text/plain")
    )
)]
pub(super) async fn readyz(State(api): State<Api>) -> Result<&'static str, ApiError> {
    let status = api.engine().status().borrow().clone();
    let lag = api.engine().views().lag();
    let message = if status.failed {
        Some(
            Message::new("store_failed", "此前写入失败，已停止记录", "an earlier write failed: nothing is recorded")
                .remedy("检查磁盘及其剩余空间", "check the disk and its free space"),
        )
    } else if status.node.is_empty() {
        Some(
            Message::new("starting", "节点正在启动", "the node is starting")
                .remedy("稍后再试", "try again in a moment"),
        )
    } else if api.engine().views().has_failed() {
        Some(
            Message::new("views_failed", "视图写入失败", "the views could not be written")
                .remedy("检查磁盘后重新启动", "check the disk, then restart this node"),
        )
    } else if lag > READY_LAG {
        let en = format!("the views are {lag} changes behind");
        Some(
            Message::new("views_behind", format!("视图落后 {lag} 处变更"), en)
                .remedy("稍后再试", "try again in a moment"),
        )
    } else {
        None
    };
    match message {
        Some(message) => Err(ApiError { status: StatusCode::SERVICE_UNAVAILABLE, message }),
        None => Ok("ready\n"),
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = NodeStatus)]
pub(super) struct Told {
    #[serde(flatten)]
    status: Status,
    synced: bool,
}

/// Everything the node tells about itself.
#[utoipa::path(
    get,
    path = "/v1/status",
    operation_id = "status",
    tag = "node",
    summary = "本节点的状态 / how the node is",
    responses(
        (status = 200, description = "结果 / what was asked for", body = Told)
    )
)]
pub(super) async fn status(State(api): State<Api>) -> Response {
    let status = fresh(&api).await;
    let synced = status.is_synced();
    Json(Told { status, synced }).into_response()
}

/// The status of this moment; while the engine is too busy to answer, the last one it published.
pub(super) async fn fresh(api: &Api) -> Status {
    match api.engine().status_now().await {
        Ok(status) => status,
        Err(_) => current(api),
    }
}

/// The status with how far the views are at this moment.
pub(super) fn current(api: &Api) -> Status {
    let mut status = api.engine().status().borrow().clone();
    status.view_lag = api.engine().views().lag();
    status
}

/// How far synchronising has come.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Progress {
    /// As [`Status::is_synced`].
    synced: bool,
    /// The node's state by peer.
    peers: Vec<PeerStatus>,
    /// Entries held that the documents do not hold yet.
    unfolded: u64,
    /// Document changes that the views do not show yet.
    view_lag: u64,
}

/// How far synchronising has come.
#[utoipa::path(
    get,
    path = "/v1/progress",
    operation_id = "progress",
    tag = "node",
    summary = "同步进度 / how far synchronising has come",
    responses(
        (status = 200, description = "结果 / what was asked for", body = Progress)
    )
)]
pub(super) async fn progress(State(api): State<Api>) -> Json<Progress> {
    let status = fresh(&api).await;
    let synced = status.is_synced();
    Json(Progress { synced, peers: status.peers, unfolded: status.unfolded, view_lag: status.view_lag })
}
