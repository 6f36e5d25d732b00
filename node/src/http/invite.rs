//! Invites: a running node makes them, since it holds its store, and lists those that it knows.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use townmesh_crdt::certificate::{Access, Certificate, CertificateKind, NodeRole};
use townmesh_crdt::clock::Millis;
use townmesh_crdt::domain::role::{Role, Roles};
use townmesh_crdt::enrol::{self, EnrolError, Invite, Place};
use townmesh_crdt::id::CertificateId;
use townmesh_crdt::namespace::NamespaceKind;
use townmesh_crdt::replica::Replica;
use townmesh_crdt::trust::InviteState;
use utoipa::ToSchema;

use super::Api;
use super::bounds::Payload;
use super::error::ApiError;
use super::openapi::problems::Written;
use crate::config::{ConfigError, Origin, addresses};
use crate::keys::{InviteFile, os_rng};
use crate::message::Explain;

/// What the new node is to be, and by whose right. The authority's key is used for this one signature and forgotten.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InviteInput {
    /// Text of the authority file.
    pub authority: String,
    /// Name of the node.
    pub name: String,
    /// Its role.
    pub role: NodeRole,
    /// Regions that it reads and writes.
    #[serde(default)]
    pub regions: Vec<String>,
    /// Regions that it carries for.
    #[serde(default)]
    pub carries: Vec<String>,
    /// In which roles people may act on it; empty: those that suit the node.
    #[serde(default)]
    pub acts_as: Vec<Role>,
    /// Addresses that it is to connect to.
    #[serde(default)]
    pub peers: Vec<String>,
}

/// The roles that were named; `None`: those that suit the node.
pub(crate) fn acting_roles(named: Vec<Role>) -> Option<Roles> {
    (!named.is_empty()).then(|| named.into_iter().collect())
}

/// An invite.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct InviteAnswer {
    /// Text of the invite file.
    pub invite: String,
}

#[utoipa::path(
    post,
    path = "/v1/invite",
    operation_id = "invite",
    tag = "trust",
    summary = "制作入网邀请 / make an invite",
    request_body = InviteInput,
    responses(
        (status = 200, description = "结果 / what was asked for", body = InviteAnswer),
        Written
    )
)]
pub(super) async fn invite(
    State(api): State<Api>,
    Payload(input): Payload<InviteInput>,
) -> Result<Json<InviteAnswer>, ApiError> {
    addresses(&Origin::Request, "peers", input.peers.clone())
        .map_err(|error: ConfigError| ApiError::bad_request(error.explain()))?;
    let authority = api.authority(&input.authority).await?;
    let acts_as = acting_roles(input.acts_as);
    let place = Place { name: input.name, role: input.role, regions: input.regions, carries: input.carries, acts_as };
    let mut rng = os_rng().map_err(ApiError::bad_request)?;
    // Answered after the commit: an invite that is given out can be withdrawn.
    let job = move |replica: &mut Replica, now| -> Result<Result<Invite, EnrolError>, _> {
        match enrol::invite_at(replica, &authority, &place, now, &mut rng) {
            Err(EnrolError::Record(error)) => Err(error.into()),
            outcome => Ok(outcome),
        }
    };
    let invite = api.engine().decide(job).await??;
    Ok(Json(InviteAnswer { invite: InviteFile { invite, peers: input.peers }.to_text() }))
}

/// A node that redeemed an invite, or that an authority enrolled.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EnrolledNode {
    node: String,
    name: String,
    /// It was removed since.
    removed: bool,
}

impl EnrolledNode {
    pub(super) fn of(replica: &Replica, certificate: &CertificateId) -> Option<Self> {
        let own = replica.trust().certificate(certificate)?;
        let removed = replica.trust().current(&own.key).is_none();
        Some(Self { node: own.key.to_string(), name: own.name.clone(), removed })
    }
}

/// An invite as it is known here.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InviteRow {
    id: String,
    name: String,
    /// See [`InviteState::name`].
    state: &'static str,
    role: NodeRole,
    /// Codes of the regions that the node reads; `*`: all.
    regions: Vec<String>,
    /// Codes of those that it carries for.
    carries: Vec<String>,
    acts_as: Vec<Role>,
    valid_until_ms: Millis,
    /// Who redeemed it.
    nodes: Vec<EnrolledNode>,
}

/// The invites that are known here, open ones first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Invites {
    rows: Vec<InviteRow>,
}

impl Invites {
    pub(crate) fn of(replica: &Replica, now: Millis) -> Self {
        let trust = replica.trust();
        let all = trust.certificates(CertificateKind::Invite);
        let mut rows: Vec<(InviteState, InviteRow)> = all
            .map(|(id, invite)| {
                let state = trust.invite_state(&id, invite, now);
                (state, InviteRow::of(replica, &id, invite, state))
            })
            .collect();
        rows.sort_by(|(a, one), (b, other)| (a, &one.name, &one.id).cmp(&(b, &other.name, &other.id)));
        Self { rows: rows.into_iter().map(|(_, row)| row).collect() }
    }
}

impl InviteRow {
    fn of(replica: &Replica, id: &CertificateId, invite: &Certificate, state: InviteState) -> Self {
        let redeemed = replica.trust().redeemed_by(id);
        Self {
            id: id.to_string(),
            name: invite.name.clone(),
            state: state.name(),
            role: invite.role,
            regions: codes(invite, Access::Hold),
            carries: codes(invite, Access::Carry),
            acts_as: invite.roles.iter().copied().collect(),
            valid_until_ms: invite.not_after,
            nodes: redeemed.filter_map(|(_, certificate)| EnrolledNode::of(replica, &certificate)).collect(),
        }
    }
}

/// The regions of a certificate: each has a scope for its registry.
fn codes(certificate: &Certificate, access: Access) -> Vec<String> {
    let scopes = certificate.scopes.iter();
    let regional = scopes.filter(|scope| scope.kind == NamespaceKind::Registry && scope.access == access);
    regional.map(|scope| if scope.region.is_empty() { "*".to_owned() } else { scope.region.clone() }).collect()
}

#[utoipa::path(
    get,
    path = "/v1/invites",
    operation_id = "listInvites",
    tag = "trust",
    summary = "邀请列表 / which invites there are",
    responses(
        (status = 200, description = "结果 / what was asked for", body = Invites)
    )
)]
pub(super) async fn list(State(api): State<Api>) -> Result<Json<Invites>, ApiError> {
    Ok(Json(api.engine().read(|replica| Invites::of(replica, crate::engine::now())).await?))
}
