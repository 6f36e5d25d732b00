//! The case that was made of a hazard.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use townmesh_crdt::command::{CommandError, hazard};
use townmesh_crdt::id::DocumentId;
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::policy::DocumentKind;
use townmesh_crdt::replica::Replica;
use utoipa::ToSchema;

use super::Api;
use super::bounds::{Named, Payload};
use super::cases::CaseName;
use super::error::ApiError;
use super::households::{Recorded, existing, recorded};
use super::openapi::problems::{Missing, Written};

/// The registry that a hazard lies in. Beside it lie documents of other kinds, which nobody must step on: the id of a hazard
/// follows from what it says.
pub(super) fn hazard_namespace(replica: &mut Replica, document: DocumentId) -> Result<Namespace, CommandError> {
    let namespace = existing(replica, DocumentKind::Hazard, document, "hazard", "隐患")?;
    let key = hazard::read(replica, &namespace, document)?.and_then(|found| found.record.natural_key());
    let own = key.map(|key| replica.document_id(&namespace, DocumentKind::Hazard, &key)).transpose()?;
    if own == Some(document) {
        Ok(namespace)
    } else {
        Err(CommandError::NotFound { thing: "hazard", chinese: "隐患", document })
    }
}

/// Which case.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkInput {
    /// Its id, or the number that people say.
    case: CaseName,
}

/// A hazard with its case.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LinkedPlace {
    case: DocumentId,
    document: DocumentId,
    namespace: String,
}

#[utoipa::path(
    post,
    path = "/v1/hazards/{id}/case",
    operation_id = "linkHazard",
    tag = "registry",
    summary = "关联案卷 / note which case was made of a hazard",
    params(("id" = DocumentId, Path, description = "隐患 / hazard")),
    request_body = LinkInput,
    responses(
        (status = 200, description = "已有，或已更改 / known before, or changed", body = Recorded<LinkedPlace>),
        Written,
        Missing
    )
)]
pub(super) async fn link(
    State(api): State<Api>,
    Named(id): Named<DocumentId>,
    Payload(input): Payload<LinkInput>,
) -> Result<Response, ApiError> {
    let case = api.case_named(input.case).await?;
    let job = move |replica: &mut Replica, now| {
        let namespace = hazard_namespace(replica, id)?;
        existing(replica, DocumentKind::Case, case, "case", "案卷")?;
        let outcome = hazard::link_case(replica, &namespace, id, case, now)?;
        Ok::<_, CommandError>(outcome.map(|document| LinkedPlace { case, document, namespace: namespace.to_string() }))
    };
    Ok(recorded(&api.engine().record(job).await?))
}
