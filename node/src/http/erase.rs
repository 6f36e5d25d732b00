//! Erasing a person for good.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use townmesh_crdt::command::erasure::{self, ErasedPerson, Subject};
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::id::{DocumentId, ResidentId};
use townmesh_crdt::policy::DocumentKind;
use townmesh_crdt::replica::{EraseError, Replica};
use utoipa::ToSchema;

use super::Api;
use super::bounds::Payload;
use super::error::ApiError;
use super::locate::namespace_of;
use super::openapi::problems::Written;

/// Whom, and by whose right. The authority's key is used for this one order and forgotten.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EraseInput {
    /// Text of the authority file.
    pub authority: String,
    /// The household, dwelling, case or entry of a book.
    pub document: DocumentId,
    /// Who of the household; without it, the owner, or whoever reported the case.
    #[serde(default)]
    pub resident: Option<ResidentId>,
}

/// What was erased.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EraseAnswer {
    keys: usize,
    /// For `/v1/delivery`: which nodes have heard of it.
    order: DocumentId,
    /// Every order: one for each household and hand-over that told of the person.
    orders: Vec<DocumentId>,
    /// Villages that hold more of the person and whose registries are not here: erase there, or at a center.
    elsewhere: Vec<RegionCode>,
}

#[utoipa::path(
    post,
    path = "/v1/erase",
    operation_id = "erase",
    tag = "trust",
    summary = "永久删除个人信息 / destroy the keys of what is recorded of a person",
    request_body = EraseInput,
    responses(
        (status = 200, description = "结果 / what was asked for", body = EraseAnswer),
        Written
    )
)]
pub(super) async fn erase(
    State(api): State<Api>,
    Payload(input): Payload<EraseInput>,
) -> Result<Json<EraseAnswer>, ApiError> {
    let authority = api.authority(&input.authority).await?;
    let EraseInput { document, resident, .. } = input;
    let job = move |replica: &mut Replica, now| -> Result<Result<ErasedPerson, EraseError>, _> {
        let owner = [
            (DocumentKind::Household, Subject::HouseholdOwner),
            (DocumentKind::Dwelling, Subject::DwellingOwner),
            // Every book that names somebody lies in the registry, too.
            (DocumentKind::Enterprise, Subject::BookPerson),
            (DocumentKind::Case, Subject::CaseReporter),
        ];
        let of_resident = resident.map(|resident| (DocumentKind::Household, Subject::Resident(resident)));
        let subjects = of_resident.map_or_else(|| owner.to_vec(), |one| vec![one]);
        for (kind, subject) in subjects {
            let Some(namespace) = namespace_of(replica, kind, document)? else { continue };
            match erasure::erase(replica, &authority, &namespace, document, subject, now) {
                // The namespaces of households and dwellings are the same; what the document is shows here.
                Err(EraseError::Nothing) => {}
                Err(EraseError::Record(error)) => return Err(error.into()),
                outcome => return Ok(outcome),
            }
        }
        Ok(Err(EraseError::Nothing))
    };
    let ErasedPerson { keys, orders, elsewhere } = api.engine().decide(job).await??;
    api.views_follow().await;
    let order = orders.first().copied().ok_or(EraseError::Nothing)?;
    Ok(Json(EraseAnswer { keys, order, orders, elsewhere: elsewhere.into_iter().collect() }))
}
