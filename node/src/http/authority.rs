//! Authorities: which there are, what stands on them, new ones and stolen ones.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use townmesh_crdt::certificate::{Certificate, CertificateKind, Claim, Statement};
use townmesh_crdt::clock::Millis;
use townmesh_crdt::id::CertificateId;
use townmesh_crdt::replica::{RecordError, Replica, Withdrawal};
use townmesh_crdt::trust::InviteState;
use utoipa::ToSchema;

use super::Api;
use super::bounds::Payload;
use super::error::ApiError;
use super::invite::EnrolledNode;
use super::openapi::problems::Written;
use super::revoke::{FallenNode, recordable};
use crate::engine::now;
use crate::keys::{other_town, parse_root};
use crate::message::Message;

/// An authority as it is known here.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuthorityRow {
    id: String,
    name: String,
    valid_until_ms: Millis,
    revoked: bool,
    /// Names of the invites that stand on it and that nobody redeemed yet.
    open_invites: Vec<String>,
    /// The enrolled nodes that would fall with it.
    nodes: Vec<EnrolledNode>,
}

/// The authorities that are known here, those that count first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Authorities {
    rows: Vec<AuthorityRow>,
}

impl Authorities {
    pub(crate) fn of(replica: &Replica, now: Millis) -> Self {
        let all = replica.trust().certificates(CertificateKind::Authority);
        let mut rows: Vec<AuthorityRow> = all.map(|(id, own)| AuthorityRow::of(replica, id, own, now)).collect();
        rows.sort_by(|a, b| (a.revoked, &a.name, &a.id).cmp(&(b.revoked, &b.name, &b.id)));
        Self { rows }
    }
}

impl AuthorityRow {
    fn of(replica: &Replica, id: CertificateId, own: &Certificate, now: Millis) -> Self {
        let trust = replica.trust();
        let open = trust.certificates(CertificateKind::Invite).filter(|(invite, template)| {
            trust.standing(invite).any(|below| below == id)
                && trust.invite_state(invite, template, now) == InviteState::Open
        });
        let nodes = trust.nodes_on(&id);
        let current = nodes.iter().filter_map(|node| trust.current(node).map(|(certificate, _)| certificate));
        Self {
            id: id.to_string(),
            name: own.name.clone(),
            valid_until_ms: own.not_after,
            revoked: trust.is_revoked(&id),
            open_invites: open.map(|(_, invite)| invite.name.clone()).collect(),
            nodes: current.filter_map(|certificate| EnrolledNode::of(replica, &certificate)).collect(),
        }
    }
}

#[utoipa::path(
    get,
    path = "/v1/authorities",
    operation_id = "listAuthorities",
    tag = "trust",
    summary = "授权机构列表 / which authorities there are",
    responses(
        (status = 200, description = "结果 / what was asked for", body = Authorities)
    )
)]
pub(super) async fn list(State(api): State<Api>) -> Result<Json<Authorities>, ApiError> {
    Ok(Json(api.engine().read(|replica| Authorities::of(replica, now())).await?))
}

/// A new authority. The root key signed its certificate where that key is; it does not come here.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthorityInput {
    /// The certificate as stated, in base64.
    pub statement: String,
}

/// What was recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuthorityAnswer {
    authority: String,
    name: String,
}

/// Records the certificate of a new authority. Refused is a name that another one has: authorities are revoked by name.
///
/// # Errors
/// [`RecordError`].
pub(crate) fn introduce(
    replica: &mut Replica,
    statement: Statement,
    now: Millis,
) -> Result<Result<AuthorityAnswer, Message>, RecordError> {
    let name = statement.claim.certificate().map(|own| own.name.clone()).unwrap_or_default();
    let trust = replica.trust();
    let mut named = trust.certificates(CertificateKind::Authority).filter(|(_, own)| own.name == name);
    let holder = named.find(|(id, _)| *id != statement.id && !trust.is_revoked(id)).map(|(id, _)| id);
    drop(named);
    if let Some(id) = holder {
        let zh = format!("名称 {name} 已被授权机构 {} 占用", id.short());
        let message = Message::new("name_taken", zh, format!("the name {name} is taken by authority {}", id.short()));
        return Ok(Err(message.remedy("换一个名称", "give another name")));
    }
    let authority = statement.id.to_string();
    replica.record_statements(vec![statement], now)?;
    Ok(Ok(AuthorityAnswer { authority, name }))
}

#[utoipa::path(
    post,
    path = "/v1/authorities",
    operation_id = "recordAuthority",
    tag = "trust",
    summary = "登记授权机构 / record a new authority",
    request_body = AuthorityInput,
    responses(
        (status = 200, description = "结果 / what was asked for", body = AuthorityAnswer),
        Written
    )
)]
pub(super) async fn create(
    State(api): State<Api>,
    Payload(input): Payload<AuthorityInput>,
) -> Result<Json<AuthorityAnswer>, ApiError> {
    let town = api.engine().read(|replica| *replica.trust().town()).await?;
    let statement = statement(&input.statement, &town)?;
    let recorded = api.engine().decide(move |replica, now| Ok(introduce(replica, statement, now)?)).await?;
    Ok(Json(recorded.map_err(|message| ApiError { status: StatusCode::CONFLICT, message })?))
}

/// An authority's certificate, signed by the root of this town.
fn statement(text: &str, town: &[u8; 32]) -> Result<Statement, ApiError> {
    let wrong = |reason: String| {
        let zh = "这不是本镇根密钥签发的授权机构证书";
        let en = format!("this is no authority's certificate signed by the root key of this town: {reason}");
        ApiError::bad_request(Message::new("statement", zh, en))
    };
    let bytes = STANDARD.decode(text).map_err(|error| wrong(error.to_string()))?;
    let statement = Statement::from_bytes(&bytes, town).map_err(|error| wrong(error.to_string()))?;
    // Whatever else the root may state is stated in its own way.
    let is_authority = matches!(&statement.claim, Claim::Certificate(own) if own.kind == CertificateKind::Authority);
    if !is_authority {
        return Err(wrong("it states something else".to_owned()));
    }
    statement.verify(town, None).map_err(|error| wrong(error.to_string()))?;
    Ok(statement)
}

/// Which authority no longer counts. The root key is used for this one revocation and forgotten: only the node knows how far
/// each log is to count.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthorityRevokeInput {
    /// Text of the root key file.
    pub root: String,
    /// Beginning of its id, or its name.
    pub authority: String,
    /// Also removes the nodes that it enrolled.
    #[serde(default)]
    pub with_nodes: bool,
    /// Also what this node has of their work no longer counts.
    #[serde(default)]
    pub void_all: bool,
}

/// What was revoked.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuthorityRevoked {
    authority: String,
    name: String,
    nodes: Vec<FallenNode>,
    kept_logs: usize,
}

#[utoipa::path(
    post,
    path = "/v1/authorities/revoke",
    operation_id = "revokeAuthority",
    tag = "trust",
    summary = "注销授权机构 / revoke an authority",
    request_body = AuthorityRevokeInput,
    responses(
        (status = 200, description = "结果 / what was asked for", body = AuthorityRevoked),
        Written
    )
)]
pub(super) async fn revoke(
    State(api): State<Api>,
    Payload(input): Payload<AuthorityRevokeInput>,
) -> Result<Json<AuthorityRevoked>, ApiError> {
    let root = parse_root(&input.root, "root")?;
    let town = api.engine().read(|replica| *replica.trust().town()).await?;
    if root.verifying_key().to_bytes() != town {
        return Err(ApiError::bad_request(other_town()));
    }
    let how = Withdrawal { with_nodes: input.with_nodes, keep: !input.void_all };
    let job = move |replica: &mut Replica, now| {
        let found = replica.certificate_called(CertificateKind::Authority, &input.authority);
        recordable(found.and_then(|authority| replica.revoke_authority(&root, authority, how, now)))
    };
    let revoked = api.engine().decide(job).await??;
    let nodes = revoked.nodes.into_iter().map(FallenNode::from).collect();
    let (authority, name) = (revoked.certificate.to_string(), revoked.name);
    Ok(Json(AuthorityRevoked { authority, name, nodes, kept_logs: revoked.kept_logs }))
}

/// Which nodes are to stay when an authority is revoked, and by whose right.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AdoptInput {
    /// Text of the file of the authority that certifies them anew; its key is used for this once and forgotten.
    pub authority: String,
    /// Beginning of the id, or name, of the authority that they stand on now.
    pub from: String,
}

/// Who was certified anew.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Adopted {
    nodes: Vec<FallenNode>,
}

#[utoipa::path(
    post,
    path = "/v1/authorities/adopt",
    operation_id = "adoptNodes",
    tag = "trust",
    summary = "重新认证节点 / certify the nodes of an authority anew",
    request_body = AdoptInput,
    responses(
        (status = 200, description = "结果 / what was asked for", body = Adopted),
        Written
    )
)]
pub(super) async fn adopt(
    State(api): State<Api>,
    Payload(input): Payload<AdoptInput>,
) -> Result<Json<Adopted>, ApiError> {
    let authority = api.authority(&input.authority).await?;
    let job = move |replica: &mut Replica, now| {
        let found = replica.certificate_called(CertificateKind::Authority, &input.from);
        recordable(found.and_then(|from| replica.certify_anew(&authority, from, now)))
    };
    let certified = api.engine().decide(job).await??;
    Ok(Json(Adopted { nodes: certified.into_iter().map(FallenNode::from).collect() }))
}
