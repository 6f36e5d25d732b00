//! One resident of a household: another phone, moved out, recorded by mistake.

use axum::extract::State;
use axum::response::Response;
use townmesh_crdt::command::household::{self, Edit};
use townmesh_crdt::command::read::PersonalState;
use townmesh_crdt::domain::household::Resident;
use townmesh_crdt::id::{DocumentId, ResidentId};
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::replica::{PersonalError, Replica};
use townmesh_crdt::store::StoreError;

use super::Api;
use super::bounds::{Named, Payload};
use super::error::ApiError;
use super::households::{Recorded, ResidentPlace, household_namespace, recorded};
use super::openapi::problems::{Missing, Written};

#[utoipa::path(
    patch,
    path = "/v1/households/{id}/residents/{resident}",
    operation_id = "editResident",
    tag = "registry",
    summary = "修改一名居民 / edit a resident",
    params(
        ("id" = DocumentId, Path, description = "户 / household"),
        ("resident" = ResidentId, Path, description = "居民 / resident")
    ),
    request_body = Edit<Resident>,
    responses(
        (status = 200, description = "已有，或已更改 / known before, or changed", body = Recorded<ResidentPlace>),
        Written,
        Missing
    )
)]
pub(super) async fn edit(
    State(api): State<Api>,
    Named((id, resident)): Named<(DocumentId, ResidentId)>,
    Payload(edit): Payload<Edit<Resident>>,
) -> Result<Response, ApiError> {
    let job = move |replica: &mut Replica, now| {
        let namespace = household_namespace(replica, id)?;
        if edit.set.personal.is_some() && is_erased(replica, &namespace, id, resident)? {
            return Err(PersonalError::Erased.into());
        }
        let outcome = household::edit_resident(replica, &namespace, id, resident, &edit, now)?;
        Ok(outcome.map(|resident| ResidentPlace::new(id, &namespace, Some(resident))))
    };
    Ok(recorded(&api.engine().record(job).await?))
}

/// Whether somebody was erased: nothing personal is recorded of them again. Whoever comes back is somebody new.
fn is_erased(
    replica: &mut Replica,
    namespace: &Namespace,
    household: DocumentId,
    resident: ResidentId,
) -> Result<bool, StoreError> {
    let residents = household::read(replica, namespace, household)?.map(|found| found.residents).unwrap_or_default();
    Ok(residents.iter().any(|one| one.id == resident && one.state == PersonalState::Erased))
}
