//! Households with their people, inspections, hazards, and the mark that hazards put on a door.

use townmesh_crdt::command::read::{HazardRecord, HouseholdRecord, InspectionsRecord, PersonalState, ResidentRecord};
use townmesh_crdt::domain::hazard::{DoorMark, Hazard, HazardState};
use townmesh_crdt::domain::household::Relation;
use townmesh_crdt::domain::key::normalise;
use townmesh_crdt::domain::person::PersonalData;

use super::{Batch, Slot, coordinates, json, key};

const HOUSEHOLD: &str = "INSERT OR REPLACE INTO household (row, region, address, door, number, usage, rooms, area_dm2, \
    tenant_limit, latitude, longitude, note, head_name, head_id_number, head_phone, head_is_owner, residents, mark, head_state, \
    conflicts, changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
const RESIDENT: &str = "INSERT INTO resident (row, resident, name, id_number, phone, kind, relation, moved_in, \
    moved_out, void, state, mistake, came_by, stays) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
const INSPECTION: &str = "INSERT INTO inspection (row, record, household, inspector, time_ms, checklist, answers, \
    hazards, note, photos, void, latitude, longitude) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
const HAZARD: &str = "INSERT OR REPLACE INTO hazard (row, region, household, checklist, item, occurrence, grade, state, \
    case_document, found_by, found_ms, due_ms, rectified_by, rechecked_by, changed_ms, note, inspection, steps) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

impl Batch<'_> {
    pub(super) fn household(&mut self, slot: Slot<'_>, record: &HouseholdRecord) -> rusqlite::Result<()> {
        let household = &record.household;
        let region = record.region.map_or_else(|| slot.region.to_owned(), |region| region.to_string());
        let address = household.address.as_deref().unwrap_or_default();
        let head = head(record);
        let (latitude, longitude) = coordinates(household.position);
        let mark = self.mark(&record.id.to_string())?;
        let conflicts = (record.conflicts.len() + record.duplicates.len()) as i64;
        self.run(
            HOUSEHOLD,
            &[
                &slot.row,
                &region,
                &address,
                &normalise(address),
                &household.number_or_first(),
                &key(household.usage),
                &household.rooms,
                &household.area_dm2,
                &household.tenant_limit,
                &latitude,
                &longitude,
                &household.note,
                &head.map(|head| &head.name),
                &head.and_then(|head| head.id_number.as_deref()),
                &head.and_then(|head| head.phone.as_deref()),
                &household.owner.is_some(),
                &0,
                &mark.key(),
                &state_key(record.owner_state),
                &conflicts,
                &slot.changed,
            ],
        )?;
        self.residents(slot, &record.residents)?;
        // Some may be shown in another household.
        self.link_residents(&record.residents)?;
        self.count_residents(slot.row)?;
        self.position(slot, household.position.as_slice())?;
        let people = record.residents.iter().filter(|one| one.resident.void != Some(true));
        let names = people.filter_map(|one| one.resident.personal.as_ref()).map(|person| person.name.as_str());
        let words = [address].into_iter().chain(head.map(|head| head.name.as_str())).chain(names);
        self.words(slot, words)?;
        self.place_hazards(&record.id.to_string())
    }

    fn residents(&self, slot: Slot<'_>, residents: &[ResidentRecord]) -> rusqlite::Result<()> {
        self.clear(slot, "resident")?;
        for ResidentRecord { id, resident, state, came_by, stays, .. } in residents {
            let (id, is_mistake) = (id.to_string(), resident.void == Some(true));
            let personal = resident.personal.as_ref();
            self.run(
                RESIDENT,
                &[
                    &slot.row,
                    &id,
                    &personal.map(|person| &person.name),
                    &personal.and_then(|person| person.id_number.as_deref()),
                    &personal.and_then(|person| person.phone.as_deref()),
                    &key(resident.kind),
                    &key(resident.relation),
                    &key(resident.moved_in),
                    &key(resident.moved_out),
                    &is_mistake,
                    &state_key(*state),
                    &is_mistake,
                    &key(*came_by),
                    &json(stays)?,
                ],
            )?;
        }
        Ok(())
    }

    pub(super) fn inspections(&mut self, slot: Slot<'_>, record: &InspectionsRecord) -> rusqlite::Result<()> {
        self.clear(slot, "inspection")?;
        for one in &record.inspections {
            let inspection = &one.inspection;
            let hazards = inspection.hazards().count() as i64;
            let (latitude, longitude) = coordinates(inspection.position);
            self.run(
                INSPECTION,
                &[
                    &slot.row,
                    &one.id.to_string(),
                    &inspection.household.to_string(),
                    &inspection.by,
                    &inspection.time_ms,
                    &inspection.checklist,
                    &json(&inspection.answers)?,
                    &hazards,
                    &inspection.note,
                    &json(&inspection.photos)?,
                    &one.void,
                    &latitude,
                    &longitude,
                ],
            )?;
        }
        // All of a document are of one subject.
        let subject = record.inspections.first().map(|one| one.inspection.household.to_string());
        subject.map_or(Ok(()), |subject| self.place_hazards(&subject))
    }

    pub(super) fn hazard(&mut self, slot: Slot<'_>, record: &HazardRecord) -> rusqlite::Result<()> {
        let before = self.household_of_hazard(slot.row)?;
        let hazard = &record.record;
        let household = key(hazard.household);
        self.run(
            HAZARD,
            &[
                &slot.row,
                &slot.region,
                &household,
                &hazard.checklist,
                &hazard.item,
                &hazard.occurrence.unwrap_or(1),
                &key(hazard.grade),
                &hazard.state.unwrap_or(HazardState::Open).to_string(),
                &key(hazard.case),
                &hazard.found_by,
                &hazard.found_at,
                &hazard.due,
                &hazard.rectified_by,
                &hazard.rechecked_by,
                &hazard.changed_at.or(hazard.found_at).unwrap_or(0),
                &hazard.note,
                &key(hazard.inspection),
                &json(&record.steps)?,
            ],
        )?;
        self.place_hazard(slot.row)?;
        if before != household {
            before.map_or(Ok(()), |before| self.refresh_mark(&before))?;
        }
        household.map_or(Ok(()), |household| self.refresh_mark(&household))
    }

    /// The household that the hazard in this row is in, as far as the views know.
    pub(super) fn household_of_hazard(&self, row: i64) -> rusqlite::Result<Option<String>> {
        let mut statement = self.connection.prepare_cached("SELECT household FROM hazard WHERE row = ?")?;
        let mut rows = statement.query([row])?;
        rows.next()?.map_or(Ok(None), |row| row.get(0))
    }

    /// Brings the mark on the door of a household or dwelling up to date with its hazards.
    pub(super) fn refresh_mark(&mut self, household: &str) -> rusqlite::Result<()> {
        let Some(row) = self.row_of(household)? else { return Ok(()) };
        let mark = self.mark(household)?;
        let mut changed = 0;
        for update in [
            "UPDATE household SET mark = ?1 WHERE row = ?2 AND mark <> ?1",
            "UPDATE dwelling SET mark = ?1 WHERE row = ?2 AND mark <> ?1",
        ] {
            changed += self.connection.prepare_cached(update)?.execute((mark.key(), row))?;
        }
        if changed > 0 { self.tell(row) } else { Ok(()) }
    }

    /// The mark that follows from the hazards of a household or dwelling.
    pub(super) fn mark(&self, household: &str) -> rusqlite::Result<DoorMark> {
        let mut statement = self.connection.prepare_cached("SELECT state, grade FROM hazard WHERE household = ?")?;
        let hazards = statement.query_map([household], |row| {
            let (state, grade) = (super::super::query::word(row, "state")?, super::super::query::word(row, "grade")?);
            Ok(Hazard { state, grade, ..Hazard::default() })
        })?;
        let hazards: Vec<Hazard> = hazards.collect::<rusqlite::Result<_>>()?;
        Ok(DoorMark::of(&hazards))
    }
}

/// The owner, or who is recorded as head.
fn head(record: &HouseholdRecord) -> Option<&PersonalData> {
    let is_head =
        |one: &&ResidentRecord| one.resident.relation == Some(Relation::Head) && one.resident.void != Some(true);
    let resident = || record.residents.iter().find(is_head)?.resident.personal.as_ref();
    record.household.owner.as_ref().or_else(resident)
}

pub(super) fn state_key(state: PersonalState) -> &'static str {
    match state {
        PersonalState::Open => "open",
        PersonalState::Unreadable => "unreadable",
        PersonalState::KeyMissing => "key_missing",
        PersonalState::Erased => "erased",
    }
}
