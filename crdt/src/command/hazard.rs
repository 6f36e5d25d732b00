//! Hazards: opened by inspections, then taken up, put right, rechecked and closed.

use std::collections::BTreeMap;

use super::entity::{self, ITSELF};
use super::read::InspectionRecord;
use super::read::{FieldsRecord, HazardRecord};
use super::{CommandError, Outcome, inspection, kind, membership, table};
use crate::clock::{MAX_AHEAD, Millis};
use crate::document::Content;
use crate::domain::checklist::{Checklist, Grade};
use crate::domain::hazard::{Hazard, HazardState, HazardStep, HazardStepError};
use crate::domain::hazard_deed::HazardDeed;
use crate::domain::input::{self, Fault, InputError};
use crate::domain::inspection::Inspection;
use crate::domain::key;
use crate::domain::record::Scalar;
use crate::entry::Lane;
use crate::id::{DocumentId, RecordId};
use crate::namespace::Namespace;
use crate::policy::{self, DocumentKind};
use crate::replica::{Recorded, Replica};
use crate::store::StoreError;
use crate::value::{FieldId, Fields, Value};

/// Most documents for one question in one household. A hazard that comes back more often is reopened instead.
const MAX_OCCURRENCES: u16 = 64;

/// Takes a step: take up, report done, pass, fail, reopen. Who took it, in which role, with which evidence stays beside the
/// hazard; a role that is not named is the usual one.
///
/// # Errors
/// [`CommandError::Input`], [`CommandError::RoleNotHeld`], [`CommandError::NotFound`], [`CommandError::HazardStep`],
/// [`CommandError::Record`].
pub fn step(
    replica: &mut Replica,
    namespace: &Namespace,
    document: DocumentId,
    deed: &HazardDeed,
    now: Millis,
) -> Result<Outcome<HazardState>, CommandError> {
    deed.check()?;
    let step = deed.step.unwrap_or(HazardStep::Unknown(0));
    let role = deed.role.unwrap_or_else(|| HazardDeed::usual_role(step));
    if !policy::may_act(replica.certificate(), role) {
        return Err(CommandError::RoleNotHeld { role });
    }
    membership::check(replica, deed.by.as_deref().unwrap_or_default(), role)?;
    let deed = HazardDeed { role: Some(role), ..deed.clone() };
    let HazardRecord { record: known, steps: earlier, .. } = existing(replica, namespace, document)?;
    check_time(&known, &deed, now)?;
    if deed.rectifies() && found_by(replica, namespace, &known, deed.by.as_deref().unwrap_or_default())? {
        return Err(HazardStepError::Finder.into());
    }
    let mut next = known.after(&deed, &earlier)?;
    if step == HazardStep::Reopen {
        next.due = due(replica, &next, deed.at_ms)?;
    }
    let mut fields = Hazard::difference(&known, &next);
    // Also where the state is one side of a conflict: whoever takes a step settles it.
    let state = next.state.unwrap_or(HazardState::Open);
    fields.insert(Hazard::STATE, state.to_value());
    let edits = BTreeMap::from([(ITSELF.to_vec(), fields), (deed.key(), deed.fields())]);
    let recorded = replica.edit(namespace, DocumentKind::Hazard, document, edits, Lane::Work, now)?;
    Ok(Outcome::Changed(state, recorded))
}

/// Nobody did anything about a hazard before it was found, or will have done it.
fn check_time(known: &Hazard, deed: &HazardDeed, now: Millis) -> Result<(), InputError> {
    let at = deed.at_ms.unwrap_or_default();
    input::past("at_ms", at, now)?;
    let is_early = known.found_at.is_some_and(|found| at.saturating_add(MAX_AHEAD as i64) < found);
    if is_early { Err(InputError::new("at_ms", Fault::TimeOrder)) } else { Ok(()) }
}

/// Whether somebody found a hazard, in whichever of the inspections that saw it.
fn found_by(replica: &mut Replica, namespace: &Namespace, hazard: &Hazard, by: &str) -> Result<bool, CommandError> {
    let Some(subject) = hazard.household else { return Ok(false) };
    let document = inspection::document_of(replica, namespace, subject)?;
    let Some(found) = inspection::read(replica, namespace, document)? else { return Ok(false) };
    let saw = |one: &InspectionRecord| {
        // What somebody found before it was put right last is another matter.
        hazard.found_at.is_none_or(|found| one.inspection.time_ms >= found)
            && Some(one.inspection.checklist) == hazard.checklist
            && one.inspection.hazards().any(|item| Some(item) == hazard.item)
            && key::is_same(&one.inspection.by, by)
    };
    Ok(found.inspections.iter().filter(|one| !one.void).any(saw))
}

/// By when a hazard that was found (again) at a moment is to be put right. One of unknown grade counts as major, as on the
/// door.
fn due(replica: &mut Replica, hazard: &Hazard, found_at: Option<i64>) -> Result<Option<i64>, CommandError> {
    let grade = hazard.grade.unwrap_or(Grade::Major);
    let tables = table::tables(replica)?;
    Ok(found_at.and_then(|found_at| tables.hazard_due(grade, found_at)))
}

/// Notes which case was made of a hazard.
///
/// # Errors
/// [`CommandError::NotFound`], [`CommandError::Record`].
pub fn link_case(
    replica: &mut Replica,
    namespace: &Namespace,
    document: DocumentId,
    case: DocumentId,
    now: Millis,
) -> Result<Outcome<DocumentId>, CommandError> {
    if existing(replica, namespace, document)?.record.case == Some(case) {
        return Ok(Outcome::Unchanged(document));
    }
    let fields = Fields::from([(Hazard::CASE, case.to_value())]);
    Ok(Outcome::Changed(document, entity::edit::<Hazard>(replica, namespace, document, fields, Lane::Work, now)?))
}

/// Reads a hazard with what was done about it; `None` if there is none. Of concurrent states the least advanced has effect, of
/// dates the earliest.
///
/// # Errors
/// [`StoreError`].
pub fn read(
    replica: &mut Replica,
    namespace: &Namespace,
    document: DocumentId,
) -> Result<Option<HazardRecord>, StoreError> {
    let namespace = replica.namespace_id(namespace);
    let content = replica.content(namespace, document)?;
    let Some(found) = entity::of_content::<Hazard>(replica, namespace, document, &content)? else {
        return Ok(None);
    };
    let FieldsRecord { id, mut record, mut conflicts, settled } = found;
    record.state = prevailing(&content).or(record.state);
    record.due = earliest(&content, Hazard::DUE).or(record.due);
    for conflict in conflicts.iter_mut().filter(|conflict| conflict.field == "state") {
        // The one that has effect first, as everywhere.
        let shown = record.state.map(|state| state.to_string());
        conflict.values.sort_by_key(|value| Some(&value.value) != shown.as_ref());
    }
    Ok(Some(HazardRecord { id, record, steps: deeds(&content), conflicts, settled }))
}

fn prevailing(content: &Content) -> Option<HazardState> {
    let register = content.records.get(ITSELF)?.get(&Hazard::STATE)?;
    HazardState::prevailing(register.values.iter().filter_map(|candidate| HazardState::from_value(&candidate.value)))
}

/// The earliest of the times that were written of a field without knowledge of each other: two offices that found one thing
/// apart are not asked which of the two was first.
fn earliest(content: &Content, field: FieldId) -> Option<i64> {
    let register = content.records.get(ITSELF)?.get(&field)?;
    register.values.iter().filter_map(|candidate| candidate.value.as_int()).min()
}

/// What was done about it, in order.
fn deeds(content: &Content) -> Vec<HazardDeed> {
    let records = content.records.keys();
    let mut deeds: Vec<HazardDeed> =
        records.filter_map(|key| HazardDeed::of_record(key, &content.fields(key))).collect();
    // Their keys are hashes, and order those of one moment alike everywhere.
    deeds.sort_by_key(|deed| deed.at_ms);
    deeds
}

fn existing(replica: &mut Replica, namespace: &Namespace, document: DocumentId) -> Result<HazardRecord, CommandError> {
    kind::require(replica, namespace, DocumentKind::Hazard, document, ("hazard", "隐患"))?;
    let found = read(replica, namespace, document)?;
    found.ok_or(CommandError::NotFound { thing: "hazard", chinese: "隐患", document })
}

/// What an inspection says about one hazard.
pub(super) struct Finding<'a> {
    pub(super) inspection: &'a Inspection,
    pub(super) id: RecordId,
    pub(super) item: u16,
}

/// Opens the hazard that an inspection found, or refreshes the one that is known: the document, and what was staged.
pub(super) fn found(
    replica: &mut Replica,
    namespace: &Namespace,
    finding: &Finding<'_>,
    now: Millis,
) -> Result<(DocumentId, Option<Recorded>), CommandError> {
    let tables = table::tables(replica)?;
    let mut hazard = finding.hazard(tables.checklists());
    hazard.due = due(replica, &hazard, hazard.found_at)?;
    let mut occurrence = 1;
    // Ends at the last occurrence, which `news_about` reopens.
    loop {
        hazard.occurrence = Some(occurrence);
        let document = replica.document_id(namespace, DocumentKind::Hazard, &entity::require_key(&hazard)?)?;
        let fields = match read(replica, namespace, document)? {
            None => hazard.fields(),
            Some(known) => match finding.news_about(&known.record, &hazard, occurrence) {
                Some(news) => news,
                None => {
                    occurrence += 1;
                    continue;
                }
            },
        };
        if fields.is_empty() {
            return Ok((document, None));
        }
        let recorded = entity::edit::<Hazard>(replica, namespace, document, fields, Lane::Work, now)?;
        return Ok((document, Some(recorded)));
    }
}

impl Finding<'_> {
    /// The hazard as this inspection found it.
    fn hazard(&self, packs: &[Checklist]) -> Hazard {
        let inspection = self.inspection;
        let pack = packs.iter().find(|pack| pack.id == inspection.checklist);
        Hazard {
            household: Some(inspection.household),
            checklist: Some(inspection.checklist),
            item: Some(self.item),
            grade: pack.and_then(|pack| pack.item(self.item)).map(|item| item.grade),
            state: Some(HazardState::Open),
            inspection: Some(self.id),
            found_by: Some(inspection.by.clone()),
            found_at: Some(inspection.time_ms),
            changed_at: Some(inspection.time_ms),
            ..Hazard::default()
        }
    }

    /// What to write about a hazard that is known; `None` if it is over and this is another one.
    fn news_about(&self, known: &Hazard, found: &Hazard, occurrence: u16) -> Option<Fields> {
        let at = self.inspection.time_ms;
        if known.state != Some(HazardState::Closed) {
            let mut fields = Fields::from([(Hazard::INSPECTION, self.id.to_value())]);
            // Found again after it was said to be right: a pass that does not know of this visit must not hide that.
            if known.state == Some(HazardState::Recheck) && known.changed_at.is_none_or(|done| at > done) {
                fields.insert(Hazard::STATE, HazardState::Recheck.to_value());
            }
            return Some(if known.inspection == Some(self.id) { Fields::new() } else { fields });
        }
        if known.changed_at.is_some_and(|closed| at <= closed) {
            // The visit was before it was put right; it only arrived late.
            return Some(Fields::new());
        }
        let reopened = [(Hazard::STATE, HazardState::Open.to_value()), (Hazard::CHANGED_AT, Value::Int(at))];
        let due = found.due.map(|due| (Hazard::DUE, Value::Int(due)));
        (occurrence == MAX_OCCURRENCES).then(|| reopened.into_iter().chain(due).collect())
    }
}
