//! Erasing what is recorded of a person.

use crate::change::Item;
use crate::clock::Millis;
use crate::domain::case::{Action, CaseEvent};
use crate::domain::dwelling::Dwelling;
use crate::domain::household::{Household, Resident};
use crate::enrol::Authority;
use crate::id::{DocumentId, ResidentId};
use crate::namespace::Namespace;
use crate::replica::{EraseError, Erased, Replica};

use super::entity::ITSELF;

/// Of whom a document tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Somebody who lives in a household.
    Resident(ResidentId),
    /// The owner of a household.
    HouseholdOwner,
    /// The owner of a dwelling.
    DwellingOwner,
    /// Whoever reported a case.
    CaseReporter,
}

/// Erases a person by an authority's order, see [`Replica::erase`].
///
/// # Errors
/// [`EraseError`].
pub fn erase(
    replica: &mut Replica,
    authority: &Authority,
    namespace: &Namespace,
    document: DocumentId,
    subject: Subject,
    now: Millis,
) -> Result<Erased, EraseError> {
    let place = match &subject {
        Subject::Resident(resident) => (resident.as_bytes(), Resident::PERSONAL),
        Subject::HouseholdOwner => (ITSELF, Household::OWNER),
        Subject::DwellingOwner => (ITSELF, Dwelling::OWNER),
        Subject::CaseReporter => return replica.erase_sealed(authority, namespace, document, &sealed_reporters, now),
    };
    replica.erase(authority, namespace, document, place, now)
}

/// What a report of a case says of whoever reported it.
fn sealed_reporters(item: &Item) -> Vec<Vec<u8>> {
    let Item::Record { bytes, .. } = item else { return Vec::new() };
    let Ok(CaseEvent { action: Action::Report(report), .. }) = CaseEvent::from_bytes(bytes) else { return Vec::new() };
    report.reporter.map(|sealed| sealed.to_vec()).into_iter().collect()
}
