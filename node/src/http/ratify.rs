//! Ratifying what is held here of a removed node, or the branch of its forked logs.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use townmesh_crdt::replica::{Ratified, RatifyError, Replica, Work};
use utoipa::ToSchema;

use super::Api;
use super::bounds::Payload;
use super::error::ApiError;
use super::openapi::problems::Written;

/// Whose work, and by whose right. The authority's key is used for this once and forgotten.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RatifyInput {
    /// Text of the authority file.
    pub authority: String,
    /// Id or name of the node, removed or not.
    pub node: String,
}

/// What was ratified.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RatifyAnswer {
    node: String,
    name: String,
    logs: usize,
}

#[utoipa::path(
    post,
    path = "/v1/ratify",
    operation_id = "ratify",
    tag = "trust",
    summary = "追认 / what is held here of a removed node counts",
    request_body = RatifyInput,
    responses(
        (status = 200, description = "结果 / what was asked for", body = RatifyAnswer),
        Written
    )
)]
pub(super) async fn ratify(
    State(api): State<Api>,
    Payload(input): Payload<RatifyInput>,
) -> Result<Json<RatifyAnswer>, ApiError> {
    let authority = api.authority(&input.authority).await?;
    let job = move |replica: &mut Replica, now| -> Result<Result<Ratified, RatifyError>, _> {
        let node = match replica.author_called(&input.node) {
            Ok(node) => node,
            Err(error) => return Ok(Err(error)),
        };
        match replica.ratify(&authority, Work::Of(node), now) {
            Err(RatifyError::Record(error)) => Err(error.into()),
            outcome => Ok(outcome),
        }
    };
    let Ratified { node, name, logs } = api.engine().decide(job).await??;
    Ok(Json(RatifyAnswer { node: node.to_string(), name, logs }))
}
