//! Recording inspections, and opening the hazards that they found.

use serde::Serialize;

use super::hazard::{self, Finding};
use super::read::{InspectionRecord, InspectionsRecord};
use super::{CommandError, Outcome, kind, membership, table, town};
use crate::change::record_id;
use crate::clock::Millis;
use crate::domain::date::{Day, UTC_OFFSET_MINUTES};
use crate::domain::input;
use crate::domain::inspection::Inspection;
use crate::entry::Lane;
use crate::id::{DocumentId, RecordId};
use crate::namespace::{Namespace, NamespaceKind};
use crate::policy::DocumentKind;
use crate::replica::{RecordError, Replica};
use crate::store::StoreError;

/// What an inspection was recorded as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InspectionIds {
    /// The document with the inspections of the household, or of another subject.
    pub document: DocumentId,
    /// The inspection.
    pub inspection: RecordId,
    /// The hazards that it opened or refreshed.
    pub hazards: Vec<DocumentId>,
}

/// Where the inspections of a household, dwelling, enterprise or grid are recorded: in the registry of its region, which the
/// village writes in. A grid itself lies in the namespace of the town.
///
/// # Errors
/// [`CommandError::NotFound`] where nothing of the kind is here, [`CommandError::Store`].
pub fn registry_of(replica: &mut Replica, subject: DocumentId) -> Result<Namespace, CommandError> {
    let known = replica.namespaces().into_iter();
    let registries = known.filter(|(_, namespace, _, readable)| *readable && namespace.kind == NamespaceKind::Registry);
    for (id, namespace, ..) in registries {
        if replica.content(id, subject)?.records.is_empty() {
            continue;
        }
        let kind = kind::of(replica, &namespace, DocumentKind::Household, subject)?;
        if matches!(kind, DocumentKind::Household | DocumentKind::Dwelling | DocumentKind::Enterprise) {
            return Ok(namespace);
        }
    }
    let unknown = CommandError::NotFound {
        thing: "household, dwelling, enterprise or grid",
        chinese: "住户、房屋、企业或网格",
        document: subject,
    };
    let region = town::grid(replica, subject)?.and_then(|grid| grid.region).ok_or(unknown)?;
    Ok(Namespace::registry(&region.to_string()))
}

/// The document that holds the inspections of a household, or of another subject.
///
/// # Errors
/// [`RecordError::UnknownNamespace`], [`RecordError::NoKey`].
pub fn document_of(
    replica: &mut Replica,
    namespace: &Namespace,
    household: DocumentId,
) -> Result<DocumentId, RecordError> {
    replica.document_id(namespace, DocumentKind::Inspection, household.as_bytes())
}

/// Records an inspection in the registry of its subject ([`registry_of`]) and opens or refreshes a hazard for each answer
/// that says so. Recording the same inspection twice stages nothing the second time.
///
/// A grid that is retired is inspected for the days before that only; what another node recorded, not knowing of it, stays.
///
/// # Errors
/// [`CommandError::Input`], [`CommandError::GridRetired`], [`CommandError::Immutable`], [`CommandError::Record`].
pub fn record(
    replica: &mut Replica,
    namespace: &Namespace,
    inspection: &Inspection,
    now: Millis,
) -> Result<Outcome<InspectionIds>, CommandError> {
    inspection.check(table::tables(replica)?.checklists())?;
    input::past("time_ms", inspection.time_ms, now)?;
    membership::check_stays(replica, &inspection.by)?;
    let day = Day::of_time(inspection.time_ms, UTC_OFFSET_MINUTES);
    if let Some(grid) = town::grid(replica, inspection.household)?
        && let Some(since) = grid.retired.filter(|_| !grid.stands_on(day))
    {
        return Err(CommandError::GridRetired(since));
    }
    let bytes = inspection.encode()?;
    let id = record_id(&bytes);
    let document = document_of(replica, namespace, inspection.household)?;
    let mut ids = InspectionIds { document, inspection: id, hazards: Vec::new() };
    let known = replica.records(replica.namespace_id(namespace), document)?;
    if known.iter().any(|record| record.id == id && !record.void) {
        return Ok(Outcome::Unchanged(ids));
    }
    let mut recorded = replica.put(namespace, DocumentKind::Inspection, document, bytes, Lane::Work, now)?;
    for item in inspection.hazards() {
        let (hazard, staged) = hazard::found(replica, namespace, &Finding { inspection, id, item }, now)?;
        ids.hazards.push(hazard);
        recorded = staged.unwrap_or(recorded);
    }
    Ok(Outcome::Created(ids, recorded))
}

/// Reads the inspections of a household; `None` if there are none.
///
/// # Errors
/// [`StoreError`].
pub fn read(
    replica: &mut Replica,
    namespace: &Namespace,
    document: DocumentId,
) -> Result<Option<InspectionsRecord>, StoreError> {
    let records = replica.records(replica.namespace_id(namespace), document)?;
    if records.is_empty() {
        return Ok(None);
    }
    let mut read = InspectionsRecord { id: document, inspections: Vec::new(), unreadable: 0 };
    for record in records {
        match Inspection::decode(&record.bytes) {
            Ok(inspection) => {
                read.inspections.push(InspectionRecord {
                    id: record.id,
                    author: record.author,
                    void: record.void,
                    inspection,
                });
            }
            Err(_) => read.unreadable += 1,
        }
    }
    read.inspections.sort_by_key(|one| (one.inspection.time_ms, one.id));
    Ok(Some(read))
}
