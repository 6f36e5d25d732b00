//! Moves between villages: handed over, taken in, refused, taken back, listed.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use townmesh_crdt::command::moves::{self, AcceptInput, Arrival, MoveInput};
use townmesh_crdt::domain::moves::MoveState;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::id::{DocumentId, ResidentId};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::bounds::{Named, Params, Payload};
use super::error::ApiError;
use super::households::{Recorded, ShowQuery, recorded};
use super::openapi::problems::{Missing, Noted, Sought, Written, Wrong};
use super::reveal::{Asker, Asking, Reason, Shown};
use crate::reveals::RevealKind;
use crate::views::{Listed, MoveFilter, MoveRow, Page};

/// Which moves, and how.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct MoveQuery {
    /// 迁出 / from this region
    from: Option<RegionCode>,
    /// 迁入 / to this region
    to: Option<RegionCode>,
    state: Option<MoveState>,
    /// 居民 / by which this resident left or came
    resident: Option<ResidentId>,
    limit: Option<u32>,
    after: Option<String>,
    reveal: Option<String>,
}

#[utoipa::path(
    get,
    path = "/v1/moves",
    operation_id = "listMoves",
    tag = "registry",
    summary = "迁移列表 / people who move between villages",
    params(MoveQuery, Asking),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Listed<MoveRow>),
        Wrong,
        Noted
    )
)]
pub(super) async fn list(
    State(api): State<Api>,
    asker: Asker,
    Params(query): Params<MoveQuery>,
) -> Result<Response, ApiError> {
    let MoveQuery { from, to, state, resident, limit, after, reveal } = query;
    let reason = Reason::of(reveal)?;
    let reveal = reason.is_some();
    api.views_follow().await;
    let (filter, page) = (MoveFilter { from, to, state, resident }, Page { limit, after });
    let listed = api.readers().query(move |reader| reader.moves(&filter, &page, reveal)).await?;
    if let Some(reason) = reason {
        let documents = listed.rows.iter().map(|row| row.document.clone()).collect();
        api.note_reveal(asker, reason, Shown::documents(RevealKind::List, documents)).await?;
    }
    Ok(Json(listed).into_response())
}

#[utoipa::path(
    get,
    path = "/v1/moves/{id}",
    operation_id = "showMove",
    tag = "registry",
    summary = "一次迁移 / one move",
    params(("id" = DocumentId, Path, description = "迁移 / move"), ShowQuery, Asking),
    responses(
        (status = 200, description = "结果 / what was asked for", body = MoveRow),
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
    let found = api.readers().query(move |reader| reader.one_move(id, reveal)).await?;
    let found = found.ok_or_else(|| ApiError::not_found("本节点没有此次迁移", "there is no such move here"))?;
    if let Some(reason) = reason {
        api.note_reveal(asker, reason, Shown::documents(RevealKind::Household, vec![id.to_string()])).await?;
    }
    Ok(Json(found).into_response())
}

/// Where a move is recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MovePlace {
    document: DocumentId,
}

#[utoipa::path(
    post,
    path = "/v1/moves",
    operation_id = "giveMove",
    tag = "registry",
    summary = "迁出移交 / hand a resident over to another village",
    request_body = MoveInput,
    responses(
        (status = 201, description = "新记录 / recorded", body = Recorded<MovePlace>),
        (status = 200, description = "已有，或已更改 / known before, or changed", body = Recorded<MovePlace>),
        Written,
        Missing
    )
)]
pub(super) async fn give(State(api): State<Api>, Payload(input): Payload<MoveInput>) -> Result<Response, ApiError> {
    let outcome = api.engine().record(move |replica, now| moves::give(replica, &input, now)).await?;
    Ok(recorded(&outcome.map(|document| MovePlace { document })))
}

#[utoipa::path(
    post,
    path = "/v1/moves/{id}/accept",
    operation_id = "acceptMove",
    tag = "registry",
    summary = "接收迁入 / take in whom another village handed over",
    params(("id" = DocumentId, Path, description = "迁移 / move")),
    request_body = AcceptInput,
    responses(
        (status = 201, description = "新记录 / recorded", body = Recorded<Arrival>),
        (status = 200, description = "已有，或已更改 / known before, or changed", body = Recorded<Arrival>),
        Written,
        Missing
    )
)]
pub(super) async fn accept(
    State(api): State<Api>,
    Named(id): Named<DocumentId>,
    Payload(input): Payload<AcceptInput>,
) -> Result<Response, ApiError> {
    let outcome = api.engine().record(move |replica, now| moves::accept(replica, id, &input, now)).await?;
    Ok(recorded(&outcome))
}

/// Who refuses, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RefuseInput {
    /// A member's code.
    by: String,
    /// Nothing that identifies a person.
    reason: String,
}

/// Where a move stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MoveStanding {
    document: DocumentId,
    state: MoveState,
}

#[utoipa::path(
    post,
    path = "/v1/moves/{id}/refuse",
    operation_id = "refuseMove",
    tag = "registry",
    summary = "拒绝接收 / refuse whom another village handed over",
    params(("id" = DocumentId, Path, description = "迁移 / move")),
    request_body = RefuseInput,
    responses(
        (status = 200, description = "已更改 / changed", body = Recorded<MoveStanding>),
        Written,
        Missing
    )
)]
pub(super) async fn refuse(
    State(api): State<Api>,
    Named(id): Named<DocumentId>,
    Payload(RefuseInput { by, reason }): Payload<RefuseInput>,
) -> Result<Response, ApiError> {
    let outcome = api.engine().record(move |replica, now| moves::refuse(replica, id, (&by, &reason), now)).await?;
    Ok(recorded(&outcome.map(|state| MoveStanding { document: id, state })))
}

/// Who takes it back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TakeBackInput {
    /// A member's code.
    by: String,
}

#[utoipa::path(
    post,
    path = "/v1/moves/{id}/take-back",
    operation_id = "takeMoveBack",
    tag = "registry",
    summary = "撤回移交 / take a hand-over back: the person stays",
    params(("id" = DocumentId, Path, description = "迁移 / move")),
    request_body = TakeBackInput,
    responses(
        (status = 200, description = "已有，或已更改 / known before, or changed", body = Recorded<MoveStanding>),
        Written,
        Missing
    )
)]
pub(super) async fn take_back(
    State(api): State<Api>,
    Named(id): Named<DocumentId>,
    Payload(TakeBackInput { by }): Payload<TakeBackInput>,
) -> Result<Response, ApiError> {
    let outcome = api.engine().record(move |replica, now| moves::take_back(replica, id, &by, now)).await?;
    Ok(recorded(&outcome.map(|state| MoveStanding { document: id, state })))
}
