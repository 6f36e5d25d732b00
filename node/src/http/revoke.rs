//! Removing a node, such as a stolen vehicle's, or withdrawing an invite.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use townmesh_crdt::certificate::CertificateKind;
use townmesh_crdt::command::CommandError;
use townmesh_crdt::enrol::Authority;
use townmesh_crdt::replica::{Fallen, Replica, RevokeError, Revoked, Withdrawal, Withdrawn};
use utoipa::ToSchema;

use super::Api;
use super::bounds::Payload;
use super::error::ApiError;
use super::openapi::problems::Written;
use crate::message::Message;

/// Which node or invite, and by whose right. The authority's key is used for this one removal and forgotten.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeInput {
    /// Text of the authority file.
    pub authority: String,
    /// Id or name of the node.
    #[serde(default)]
    pub node: Option<String>,
    /// Beginning of the id, or name, of the invite; instead of a node.
    #[serde(default)]
    pub invite: Option<String>,
    /// Also removes the nodes that redeemed the invite.
    #[serde(default)]
    pub with_nodes: bool,
    /// Also what this node has of their work no longer counts.
    #[serde(default)]
    pub void_all: bool,
}

/// What was removed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum RevokeAnswer {
    Node { node: String, name: String, kept_logs: usize },
    Invite { invite: String, name: String, nodes: Vec<FallenNode>, kept_logs: usize },
}

/// A node that fell with a certificate.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FallenNode {
    node: String,
    name: String,
}

impl From<Fallen> for FallenNode {
    fn from(Fallen { node, name }: Fallen) -> Self {
        Self { node: node.to_string(), name }
    }
}

impl From<Revoked> for RevokeAnswer {
    fn from(Revoked { node, name, kept_logs }: Revoked) -> Self {
        Self::Node { node: node.to_string(), name, kept_logs }
    }
}

impl From<Withdrawn> for RevokeAnswer {
    fn from(Withdrawn { certificate, name, nodes, kept_logs }: Withdrawn) -> Self {
        let nodes = nodes.into_iter().map(FallenNode::from).collect();
        Self::Invite { invite: certificate.to_string(), name, nodes, kept_logs }
    }
}

#[utoipa::path(
    post,
    path = "/v1/revoke",
    operation_id = "revoke",
    tag = "trust",
    summary = "注销节点或撤回邀请 / remove a node or withdraw an invite",
    request_body = RevokeInput,
    responses(
        (status = 200, description = "结果 / what was asked for", body = RevokeAnswer),
        Written
    )
)]
pub(super) async fn revoke(
    State(api): State<Api>,
    Payload(input): Payload<RevokeInput>,
) -> Result<Json<RevokeAnswer>, ApiError> {
    if input.node.is_some() == input.invite.is_some() {
        let message = Message::new("body", "须写明 node 或 invite 之一", "name either a node or an invite");
        return Err(ApiError::bad_request(message));
    }
    let authority = api.authority(&input.authority).await?;
    let job = move |replica: &mut Replica, now| recordable(remove(replica, &authority, &input, now));
    Ok(Json(api.engine().decide(job).await??))
}

fn remove(
    replica: &mut Replica,
    authority: &Authority,
    input: &RevokeInput,
    now: u64,
) -> Result<RevokeAnswer, RevokeError> {
    if let Some(invite) = &input.invite {
        let invite = replica.certificate_called(CertificateKind::Invite, invite)?;
        let how = Withdrawal { with_nodes: input.with_nodes, keep: !input.void_all };
        return Ok(replica.withdraw_invite(authority, invite, how, now)?.into());
    }
    let node = replica.node_called(input.node.as_deref().unwrap_or_default())?;
    Ok(replica.revoke(authority, node, !input.void_all, now)?.into())
}

/// What could not be recorded fails the job; what the rules refuse is its answer.
pub(super) fn recordable<T>(outcome: Result<T, RevokeError>) -> Result<Result<T, RevokeError>, CommandError> {
    match outcome {
        Err(RevokeError::Record(error)) => Err(error.into()),
        outcome => Ok(outcome),
    }
}
