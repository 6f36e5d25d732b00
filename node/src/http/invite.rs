//! Invites from a running node, which holds its store.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use townmesh_crdt::certificate::NodeRole;
use townmesh_crdt::domain::role::{Role, Roles};
use townmesh_crdt::enrol::{self, Place};

use super::Api;
use super::bounds::Payload;
use super::error::ApiError;
use crate::config::{ConfigError, Origin, addresses};
use crate::keys::{InviteFile, os_rng, parse_authority};
use crate::message::Explain;

/// What the new node is to be, and by whose right. The authority's key is used for this one signature and forgotten.
#[derive(Debug, Serialize, Deserialize)]
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
#[derive(Debug, Serialize, Deserialize)]
pub struct InviteAnswer {
    /// Text of the invite file.
    pub invite: String,
}

pub(super) async fn invite(
    State(api): State<Api>,
    Payload(input): Payload<InviteInput>,
) -> Result<Json<InviteAnswer>, ApiError> {
    addresses(&Origin::Request, "peers", input.peers.clone())
        .map_err(|error: ConfigError| ApiError::bad_request(error.explain()))?;
    let authority = parse_authority(&input.authority, "authority")?;
    let acts_as = acting_roles(input.acts_as);
    let place = Place { name: input.name, role: input.role, regions: input.regions, carries: input.carries, acts_as };
    let mut rng = os_rng().map_err(ApiError::bad_request)?;
    let made = api
        .engine()
        .read(move |replica| {
            if authority.town != *replica.trust().town() {
                return Err(ApiError::bad_request(crate::keys::other_town()));
            }
            let secrets = replica.secrets();
            place.check(replica.trust(), &secrets)?;
            let invite = enrol::invite(&authority, &place, &secrets, crate::engine::now(), &mut rng)?;
            Ok(invite.introduced_by(replica.trust()))
        })
        .await?;
    let invite = made?;
    Ok(Json(InviteAnswer { invite: InviteFile { invite, peers: input.peers }.to_text() }))
}
