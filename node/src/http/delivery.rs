//! What has reached whom: *delivered* for one document, and what waits for each node, and why.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use townmesh_crdt::certificate::{Access, NodeRole};
use townmesh_crdt::id::{DocumentId, NodeId};
use townmesh_crdt::replica::{Replica, Waiting};
use townmesh_crdt::store::StoreError;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::bounds::Params;
use super::error::ApiError;
use super::openapi::problems::Sought;
use crate::engine;

/// Of which document; of everything, if none is named.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct DeliveryQuery {
    document: Option<DocumentId>,
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
    /// `hold` or `carry`; only of one document.
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<&'static str>,
    /// Whether the node said that it holds the document as it is here; only of one document.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered: Option<bool>,
    /// Entries held here that the node did not say it has; only without a document.
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
    summary = "送达情况 / which nodes said they hold a document; what waits for each",
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
    let rows = match query.document {
        None => api.engine().read(waiting).await?,
        Some(document) => {
            let found = api.engine().read(move |replica| of_document(replica, document)).await??;
            found.ok_or_else(|| ApiError::not_found("本节点没有此内容", "there is no such document here"))?
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

/// `None` where no readable namespace holds it.
fn of_document(replica: &mut Replica, document: DocumentId) -> Result<Option<Vec<DeliveryRow>>, StoreError> {
    for (_, namespace, ..) in replica.namespaces() {
        if !replica.holds_document(&namespace, document)? {
            continue;
        }
        let all = replica.delivery(&namespace, document)?.into_iter().map(|one| {
            let access = match one.access {
                Access::Hold => "hold",
                Access::Carry => "carry",
            };
            let row = row(replica, &one.node, one.heard, !one.delivered);
            DeliveryRow { access: Some(access), delivered: Some(one.delivered), ..row }
        });
        return Ok(Some(all.collect()));
    }
    Ok(None)
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
