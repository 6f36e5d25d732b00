//! Erasing what is recorded of a person.

use crate::change::Item;
use crate::clock::Millis;
use crate::domain::books::PERSON_FIELD;
use crate::domain::case::{Action, CaseEvent};
use crate::domain::dwelling::Dwelling;
use crate::domain::household::{Household, Resident};
use crate::enrol::Authority;
use crate::id::{DocumentId, ResidentId};
use crate::namespace::Namespace;
use crate::replica::{EraseError, Erased, Replica};

use super::entity::ITSELF;
use super::household;

/// Of whom a document tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Somebody who lives in a household.
    Resident(ResidentId),
    /// The owner of a household.
    HouseholdOwner,
    /// The owner of a dwelling.
    DwellingOwner,
    /// Whom an entry of a book names.
    BookPerson,
    /// Whoever reported a case.
    CaseReporter,
}

/// Erases a person by an authority's order, see [`Replica::erase`]; a resident with everybody who was merged with them.
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
    let place = match subject {
        Subject::Resident(resident) => {
            // Whoever is one person with them goes too.
            let same = household::same_person(replica, namespace, document, resident)?;
            let records: Vec<_> = same.iter().map(|one| (one.as_bytes(), Resident::PERSONAL)).collect();
            return replica.erase_all(authority, namespace, document, &records, now);
        }
        Subject::HouseholdOwner => (ITSELF, Household::OWNER),
        Subject::DwellingOwner => (ITSELF, Dwelling::OWNER),
        Subject::BookPerson => (ITSELF, PERSON_FIELD),
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
