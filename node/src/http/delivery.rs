//! What has reached whom: *delivered* for one document, table, edition or removal, and what waits for each node, and why.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use townmesh_crdt::certificate::{Access, NodeRole};
use townmesh_crdt::command::{life_cycle, table};
use townmesh_crdt::domain::tables::TableKind;
use townmesh_crdt::id::{CertificateId, DocumentId, NodeId, RecordId};
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::replica::{Delivery, Removal, Replica, Waiting};
use townmesh_crdt::store::StoreError;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::bounds::Params;
use super::error::ApiError;
use super::households::Rows;
use super::openapi::problems::Sought;
use crate::engine;
use crate::message::Message;

/// Of what, one of these; of everything, if none is named.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct DeliveryQuery {
    document: Option<DocumentId>,
    /// A table of the town as it is here.
    table: Option<TableKind>,
    /// An edition of the rules of cases.
    edition: Option<RecordId>,
    /// The removal of a node, an invite or an authority, by its certificate (see `/v1/removals`).
    removal: Option<CertificateId>,
}

/// Of what it is asked who has it.
#[derive(Debug, Clone, Copy)]
enum Subject {
    Document(DocumentId),
    Table(TableKind),
    Edition(RecordId),
    Removal(CertificateId),
}

impl DeliveryQuery {
    fn subject(self) -> Result<Option<Subject>, ApiError> {
        let Self { document, table, edition, removal } = self;
        let named = [
            document.map(Subject::Document),
            table.map(Subject::Table),
            edition.map(Subject::Edition),
            removal.map(Subject::Removal),
        ];
        let mut named = named.into_iter().flatten();
        let (first, second) = (named.next(), named.next());
        if second.is_some() {
            let zh = "document、table、edition、removal 只能写一个";
            let en = "name one of document, table, edition and removal";
            return Err(ApiError::bad_request(Message::new("query", zh, en)));
        }
        Ok(first)
    }
}

/// Whoever was not heard of for so long is silent; a carrier should have come by.
const SILENT_MS: u64 = 24 * 60 * 60 * 1000;

/// Why something waits for a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum WaitReason {
    /// It is connected, and is being sent it.
    Sending,
    /// It was heard of lately, through others: it comes that way.
    NotConnected,
    /// Nothing was heard of it for a day.
    Silent,
    /// Nothing was ever heard of it.
    NeverHeard,
}

/// How much has reached a node.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeliveryRow {
    node: String,
    name: String,
    /// What kind of node it is.
    #[schema(value_type = String, pattern = "^(center|village|patrol|carrier)$")]
    role: &'static str,
    /// Why something waits for it; null where nothing does.
    reason: Option<WaitReason>,
    /// It carries for others and was not heard of for a day: what it holds for them has not come.
    overdue: bool,
    /// `hold` or `carry`; only of what is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<&'static str>,
    /// Whether the node said that it holds what is named as it is here; only of what is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered: Option<bool>,
    /// Entries held here that the node did not say it has; only where nothing is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<u64>,
    /// When it last said what it holds, by its clock, in milliseconds since 1970; null if it was never heard of.
    heard_ms: Option<u64>,
}

/// Every node that is to have it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Deliveries {
    rows: Vec<DeliveryRow>,
}

#[utoipa::path(
    get,
    path = "/v1/delivery",
    operation_id = "delivery",
    tag = "completeness",
    summary = "送达情况 / which nodes said they hold a document or have heard of a decision; what waits for each",
    params(DeliveryQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Deliveries),
        Sought
    )
)]
pub(super) async fn list(
    State(api): State<Api>,
    Params(query): Params<DeliveryQuery>,
) -> Result<Json<Deliveries>, ApiError> {
    let rows = match query.subject()? {
        None => api.engine().read(waiting).await?,
        Some(subject) => {
            let found = api.engine().read(move |replica| of_subject(replica, subject)).await??;
            found.ok_or_else(|| ApiError::not_found("本节点没有此内容", "nothing of the kind is here"))?
        }
    };
    Ok(Json(Deliveries { rows }))
}

/// Of a node of which so much waits.
fn row(replica: &Replica, node: &NodeId, heard_ms: Option<u64>, waits: bool) -> DeliveryRow {
    let own = replica.trust().current(node).map(|(_, own)| own);
    let role = own.map_or(NodeRole::Village, |own| own.role);
    let is_silent = heard_ms.is_none_or(|heard| heard.saturating_add(SILENT_MS) < engine::now());
    let is_connected = replica.progress(node).is_some();
    DeliveryRow {
        node: node.to_string(),
        name: replica.name_of(node),
        role: role.name(),
        reason: waits.then(|| reason(is_connected, heard_ms, is_silent)),
        overdue: is_silent && !is_connected && matches!(role, NodeRole::Patrol | NodeRole::Carrier),
        access: None,
        delivered: None,
        waiting: None,
        heard_ms,
    }
}

fn reason(is_connected: bool, heard_ms: Option<u64>, is_silent: bool) -> WaitReason {
    match (is_connected, heard_ms, is_silent) {
        (true, ..) => WaitReason::Sending,
        (false, None, _) => WaitReason::NeverHeard,
        (false, Some(_), true) => WaitReason::Silent,
        (false, Some(_), false) => WaitReason::NotConnected,
    }
}

fn waiting(replica: &mut Replica) -> Vec<DeliveryRow> {
    let all = replica.waiting().into_iter();
    let of_one = |one: Waiting| DeliveryRow {
        waiting: Some(one.entries),
        ..row(replica, &one.node, one.heard, one.entries > 0)
    };
    all.map(of_one).collect()
}

/// `None` where it is not here.
fn of_subject(replica: &mut Replica, subject: Subject) -> Result<Option<Vec<DeliveryRow>>, StoreError> {
    let town = Namespace::town();
    let found = match subject {
        Subject::Document(document) => of_document(replica, document)?,
        Subject::Table(kind) => match table::document(replica, kind) {
            Some(document) if replica.holds_document(&town, document)? => Some(replica.delivery(&town, document)?),
            Some(_) | None => None,
        },
        Subject::Edition(edition) => match life_cycle::document(replica) {
            Some(document) if is_published(replica, edition)? => {
                Some(replica.delivery_of_record(&town, document, edition)?)
            }
            Some(_) | None => None,
        },
        Subject::Removal(certificate) => {
            let removal = replica.removals()?.into_iter().find(|removal| removal.certificate == certificate);
            removal.map(|removal| replica.heard_of(&removal))
        }
    };
    Ok(found.map(|all| all.iter().map(|one| row_of(replica, one)).collect()))
}

fn is_published(replica: &mut Replica, edition: RecordId) -> Result<bool, StoreError> {
    let tables = table::tables(replica)?;
    Ok(tables.life_cycle().published().iter().any(|published| published.id == edition))
}

fn row_of(replica: &Replica, one: &Delivery) -> DeliveryRow {
    let access = match one.access {
        Access::Hold => "hold",
        Access::Carry => "carry",
    };
    let row = row(replica, &one.node, one.heard, !one.delivered);
    DeliveryRow { access: Some(access), delivered: Some(one.delivered), ..row }
}

/// `None` where no readable namespace holds it.
fn of_document(replica: &mut Replica, document: DocumentId) -> Result<Option<Vec<Delivery>>, StoreError> {
    for (_, namespace, ..) in replica.namespaces() {
        if replica.holds_document(&namespace, document)? {
            return replica.delivery(&namespace, document).map(Some);
        }
    }
    Ok(None)
}

/// A node, an invite or an authority that counts no more.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RemovalRow {
    /// By which `/v1/delivery` tells of each node whether it has heard of it.
    certificate: CertificateId,
    /// Whose it was.
    #[schema(value_type = String, pattern = "^(authority|invite|node)$")]
    kind: String,
    name: String,
    /// The node on which that was recorded.
    by: String,
    /// When, by that node's clock, in milliseconds since 1970.
    at_ms: u64,
    /// How many nodes said that they have heard of it.
    heard: usize,
    /// Names of those of which that is not known: for them it still counts.
    not_heard: Vec<String>,
}

#[utoipa::path(
    get,
    path = "/v1/removals",
    operation_id = "listRemovals",
    tag = "completeness",
    summary = "注销记录及未获知的节点 / what was removed from the town, and who has not heard of it",
    responses(
        (status = 200, description = "结果 / what was asked for", body = Rows<RemovalRow>)
    )
)]
pub(super) async fn removals(State(api): State<Api>) -> Result<Json<Rows<RemovalRow>>, ApiError> {
    let rows = api.engine().read(removal_rows).await??;
    Ok(Json(Rows { rows }))
}

fn removal_rows(replica: &mut Replica) -> Result<Vec<RemovalRow>, StoreError> {
    let all = replica.removals()?;
    let row = |removal: Removal| {
        let told = replica.heard_of(&removal);
        let not_heard = told.iter().filter(|one| !one.delivered);
        RemovalRow {
            certificate: removal.certificate,
            kind: removal.kind.to_string(),
            by: replica.name_of(&removal.by),
            at_ms: removal.at,
            heard: told.iter().filter(|one| one.delivered).count(),
            not_heard: not_heard.map(|one| replica.name_of(&one.node)).collect(),
            name: removal.name,
        }
    };
    Ok(all.into_iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_says_what_to_do_next() {
        assert_eq!(reason(true, None, true), WaitReason::Sending);
        assert_eq!(reason(false, None, true), WaitReason::NeverHeard);
        assert_eq!(reason(false, Some(1), true), WaitReason::Silent);
        assert_eq!(reason(false, Some(1), false), WaitReason::NotConnected);
    }
}
