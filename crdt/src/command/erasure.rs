//! Erasing what is recorded of a person.

use std::collections::{BTreeMap, BTreeSet};

use crate::change::Item;
use crate::clock::Millis;
use crate::domain::books::PERSON_FIELD;
use crate::domain::case::{Action, CaseEvent};
use crate::domain::dwelling::Dwelling;
use crate::domain::household::{Household, Resident};
use crate::domain::region::RegionCode;
use crate::enrol::Authority;
use crate::id::{DocumentId, ResidentId};
use crate::namespace::Namespace;
use crate::policy::DocumentKind;
use crate::replica::{EraseError, Erased, Replica};
use crate::store::StoreError;

use super::entity::ITSELF;
use super::{household, moves, same_people};

/// Documents that are looked at together.
const PAGE: usize = 512;

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

/// What was erased of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasedPerson {
    /// How many keys are destroyed.
    pub keys: usize,
    /// The orders, each a document in `auth`, for asking whom it has reached.
    pub orders: Vec<DocumentId>,
    /// Villages that hold more of the person and whose registries this node does not: it is to be ordered there, or at a
    /// center.
    pub elsewhere: BTreeSet<RegionCode>,
}

impl From<Erased> for ErasedPerson {
    fn from(Erased { keys, order }: Erased) -> Self {
        Self { keys, orders: vec![order], elsewhere: BTreeSet::new() }
    }
}

/// Erases a person by an authority's order, see [`Replica::erase`]; a resident with everybody who is one person with them by
/// any answer or move, in every village whose registry is here, and what hand-overs tell of them.
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
) -> Result<ErasedPerson, EraseError> {
    let place = match subject {
        Subject::Resident(resident) => return erase_resident(replica, authority, (namespace, document, resident), now),
        Subject::HouseholdOwner => (ITSELF, Household::OWNER),
        Subject::DwellingOwner => (ITSELF, Dwelling::OWNER),
        Subject::BookPerson => (ITSELF, PERSON_FIELD),
        Subject::CaseReporter => {
            let erased = replica.erase_sealed(authority, namespace, document, &sealed_reporters, now)?;
            return Ok(erased.into());
        }
    };
    Ok(replica.erase(authority, namespace, document, place, now)?.into())
}

/// Erases a resident wherever they are recorded, by one order for each document.
fn erase_resident(
    replica: &mut Replica,
    authority: &Authority,
    (namespace, household, resident): (&Namespace, DocumentId, ResidentId),
    now: Millis,
) -> Result<ErasedPerson, EraseError> {
    let trail = Trail::of(replica, namespace, household, resident)?;
    let mut erased = ErasedPerson { keys: 0, orders: vec![], elsewhere: trail.elsewhere };
    let mut failed = None;
    for (household, (namespace, people)) in &trail.here {
        let records: Vec<_> = people.iter().map(|one| (one.as_bytes(), Resident::PERSONAL)).collect();
        let outcome = replica.erase_all(authority, namespace, *household, &records, now);
        failed = erased.count(outcome)?.or(failed);
    }
    for moved in &trail.moves {
        let outcome = replica.erase_sealed(authority, &Namespace::town(), *moved, &moves::sealed_contents, now);
        failed = erased.count(outcome)?.or(failed);
    }
    match failed {
        Some(error) if erased.orders.is_empty() => Err(error),
        Some(_) | None => Ok(erased),
    }
}

impl ErasedPerson {
    /// Adds what was erased in one more document. That nothing was left to erase there is no failure where something was
    /// elsewhere.
    fn count(&mut self, outcome: Result<Erased, EraseError>) -> Result<Option<EraseError>, EraseError> {
        match outcome {
            Ok(Erased { keys, order }) => {
                self.keys += keys;
                self.orders.push(order);
                Ok(None)
            }
            Err(error @ (EraseError::Nothing | EraseError::Before)) => Ok(Some(error)),
            Err(error @ (EraseError::TooMany { .. } | EraseError::Record(_))) => Err(error),
        }
    }
}

/// Everywhere that a person is recorded.
struct Trail {
    /// The households that are here, and who in each.
    here: BTreeMap<DocumentId, (Namespace, BTreeSet<ResidentId>)>,
    /// Hand-overs.
    moves: BTreeSet<DocumentId>,
    elsewhere: BTreeSet<RegionCode>,
}

/// Where somebody is recorded.
type Whereabouts = (RegionCode, DocumentId, ResidentId);

impl Trail {
    fn of(
        replica: &mut Replica,
        namespace: &Namespace,
        household: DocumentId,
        resident: ResidentId,
    ) -> Result<Self, StoreError> {
        let (links, moves) = links(replica)?;
        let mut trail = Self { here: BTreeMap::new(), moves: BTreeSet::new(), elsewhere: BTreeSet::new() };
        let mut open = vec![(namespace.clone(), household, resident)];
        let mut seen = BTreeSet::new();
        while let Some((namespace, household, resident)) = open.pop() {
            // Whoever is one person with them in the household goes too.
            for one in household::same_person(replica, &namespace, household, resident)? {
                if !seen.insert(one) {
                    continue;
                }
                let here = trail.here.entry(household).or_insert_with(|| (namespace.clone(), BTreeSet::new()));
                here.1.insert(one);
                trail.moves.extend(moves.get(&one).into_iter().flatten());
                let next = links.get(&one).into_iter().flatten().filter(|(.., id)| !seen.contains(id));
                for (region, household, resident) in next.copied().collect::<Vec<Whereabouts>>() {
                    let registry = Namespace::registry(&region.to_string());
                    if is_read(replica, &registry) {
                        open.push((registry, household, resident));
                        continue;
                    }
                    trail.elsewhere.insert(region);
                    trail.moves.extend(moves.get(&resident).into_iter().flatten());
                }
            }
        }
        Ok(trail)
    }
}

fn is_read(replica: &Replica, registry: &Namespace) -> bool {
    replica.namespaces().into_iter().any(|(_, namespace, _, readable)| readable && namespace == *registry)
}

/// Who is one person with whom by what stands in the namespace of the town, and the hand-overs of each.
#[expect(clippy::type_complexity, reason = "two maps that are made in one pass and taken apart at once")]
fn links(
    replica: &mut Replica,
) -> Result<(BTreeMap<ResidentId, BTreeSet<Whereabouts>>, BTreeMap<ResidentId, BTreeSet<DocumentId>>), StoreError> {
    let town = replica.namespace_id(&Namespace::town());
    let mut links: BTreeMap<ResidentId, BTreeSet<Whereabouts>> = BTreeMap::new();
    let mut handed: BTreeMap<ResidentId, BTreeSet<DocumentId>> = BTreeMap::new();
    let mut after = None;
    loop {
        let page = replica.documents(town, after, PAGE)?;
        let Some((last, _)) = page.last() else { return Ok((links, handed)) };
        after = Some(*last);
        for (document, code) in page {
            let one_person: BTreeSet<Whereabouts> = match DocumentKind::from_code(code) {
                Some(DocumentKind::Move) => {
                    let people = moves::links(replica, document)?;
                    people.iter().for_each(|(.., id)| _ = handed.entry(*id).or_default().insert(document));
                    people
                }
                Some(DocumentKind::SamePerson) => same_people::joined(replica, document)?,
                Some(_) | None => continue,
            };
            for (.., id) in &one_person {
                links.entry(*id).or_default().extend(&one_person);
            }
        }
    }
}

/// What a report of a case says of whoever reported it.
fn sealed_reporters(item: &Item) -> Vec<Vec<u8>> {
    let Item::Record { bytes, .. } = item else { return Vec::new() };
    let Ok(CaseEvent { action: Action::Report(report), .. }) = CaseEvent::from_bytes(bytes) else { return Vec::new() };
    report.reporter.map(|sealed| sealed.to_vec()).into_iter().collect()
}
