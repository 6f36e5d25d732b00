//! Removing a node, such as a stolen vehicle's.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use townmesh_crdt::replica::{Replica, RevokeError, Revoked};

use super::Api;
use super::bounds::Payload;
use super::error::ApiError;

/// Which node, and by whose right. The authority's key is used for this one removal and forgotten.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeInput {
    /// Text of the authority file.
    pub authority: String,
    /// Id or name of the node.
    pub node: String,
    /// Also what this node has of its work no longer counts.
    #[serde(default)]
    pub void_all: bool,
}

/// What was removed.
#[derive(Debug, Serialize)]
pub(super) struct RevokeAnswer {
    node: String,
    name: String,
    kept_logs: usize,
}

pub(super) async fn revoke(
    State(api): State<Api>,
    Payload(input): Payload<RevokeInput>,
) -> Result<Json<RevokeAnswer>, ApiError> {
    let authority = api.authority(&input.authority).await?;
    let job = move |replica: &mut Replica, now| -> Result<Result<Revoked, RevokeError>, _> {
        let node = match replica.node_called(&input.node) {
            Ok(node) => node,
            Err(error) => return Ok(Err(error)),
        };
        match replica.revoke(&authority, node, !input.void_all, now) {
            Err(RevokeError::Record(error)) => Err(error.into()),
            outcome => Ok(outcome),
        }
    };
    let Revoked { node, name, kept_logs } = api.engine().record(job).await??;
    Ok(Json(RevokeAnswer { node: node.to_string(), name, kept_logs }))
}
