//! What has reached whom: *delivered* for one document, and what waits for each node.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use townmesh_crdt::certificate::Access;
use townmesh_crdt::id::{DocumentId, NodeId};
use townmesh_crdt::replica::Replica;
use townmesh_crdt::store::StoreError;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::bounds::Params;
use super::error::ApiError;
use super::openapi::problems::Sought;

/// Of which document; of everything, if none is named.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct DeliveryQuery {
    document: Option<DocumentId>,
}

/// How much has reached a node.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeliveryRow {
    node: String,
    name: String,
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

fn row(replica: &Replica, node: &NodeId, heard_ms: Option<u64>) -> DeliveryRow {
    let (node, name) = (node.to_string(), replica.name_of(node));
    DeliveryRow { node, name, access: None, delivered: None, waiting: None, heard_ms }
}

fn waiting(replica: &mut Replica) -> Vec<DeliveryRow> {
    let all = replica.waiting().into_iter();
    all.map(|one| DeliveryRow { waiting: Some(one.entries), ..row(replica, &one.node, one.heard) }).collect()
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
            let row = row(replica, &one.node, one.heard);
            DeliveryRow { access: Some(access), delivered: Some(one.delivered), ..row }
        });
        return Ok(Some(all.collect()));
    }
    Ok(None)
}
