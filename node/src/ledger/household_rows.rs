//! Puts rows together to households, and finds rows that contradict each other.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::household::{Household, Resident};
use townmesh_crdt::domain::key::natural_key;
use townmesh_crdt::domain::person::{PersonalData, matching_key};
use townmesh_crdt::value::{FieldId, Value};

use super::column::Column;
use super::problem::ProblemKind;
use super::row::CheckedRow;
use super::source::RawRow;
use super::{LedgerHousehold, RejectedRow};

/// Which field of a household stands in which column; the owner's two parts have numbers beyond those of fields.
const COMPARED: [(FieldId, Column); 8] = [
    (Household::USE, Column::Usage),
    (Household::ROOMS, Column::Rooms),
    (Household::AREA, Column::Area),
    (Household::POSITION, Column::Longitude),
    (Household::TENANT_LIMIT, Column::TenantLimit),
    (Household::NOTE, Column::Note),
    (Household::OWNER, Column::Owner),
    (OWNER_PHONE, Column::OwnerPhone),
];
const OWNER_PHONE: FieldId = FieldId::MAX;

/// What earlier rows said about one household: a hash of each known field.
#[derive(Debug)]
struct Said {
    first_row: u64,
    fields: Vec<(FieldId, u32)>,
}

/// Groups rows. Holds one household and, for all that went before, only hashes: 100,000 households with 350,000
/// residents take some 30 MB.
#[derive(Debug, Default)]
pub(super) struct Grouping {
    current: Option<(u64, LedgerHousehold)>,
    said: HashMap<u64, Said>,
    /// First row of each person.
    people: HashMap<u64, u64>,
    hasher: RandomState,
}

impl Grouping {
    /// Adds a row. Returns the household before it when that is complete, or why the row contradicts an earlier one.
    pub(super) fn add(
        &mut self,
        raw: &RawRow,
        row: CheckedRow,
    ) -> Result<Option<LedgerHousehold>, Vec<(Column, ProblemKind)>> {
        let key = self.hasher.hash_one(row.household.natural_key());
        let fields = self.fields(&row.household);
        let mut problems = self.conflicts(key, &fields);
        let person = row.resident.as_ref().and_then(|resident| self.person(key, resident));
        if let Some(earlier) = person.and_then(|person| self.people.get(&person)) {
            problems.push((Column::IdNumber, ProblemKind::PersonDuplicate { row: *earlier }));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        if let Some(person) = person {
            self.people.insert(person, raw.number);
        }
        let continues = self.said.contains_key(&key);
        let said = self.said.entry(key).or_insert_with(|| Said { first_row: raw.number, fields: Vec::new() });
        let new = fields.into_iter().filter(|(field, _)| !said.fields.iter().any(|(known, _)| known == field));
        said.fields.extend(new.collect::<Vec<_>>());
        match &mut self.current {
            Some((current, open)) if *current == key => {
                fill(&mut open.household, row.household);
                open.residents.extend(row.resident);
                open.rows.push(as_read(raw));
                Ok(None)
            }
            _ => {
                let residents = row.resident.into_iter().collect();
                let opened = LedgerHousehold {
                    household: row.household,
                    residents,
                    first_row: raw.number,
                    rows: vec![as_read(raw)],
                    continues,
                };
                Ok(self.current.replace((key, opened)).map(|(_, complete)| complete))
            }
        }
    }

    /// The last household.
    pub(super) fn finish(&mut self) -> Option<LedgerHousehold> {
        self.current.take().map(|(_, complete)| complete)
    }

    fn fields(&self, household: &Household) -> Vec<(FieldId, u32)> {
        let hash = |value: u64| (value >> 32) as u32;
        let hash_value = |value: &Value| {
            hash(self.hasher.hash_one((value.as_text(), value.as_bytes(), value.as_int(), value.as_bool())))
        };
        let mut all = household.fields();
        all.remove(&Household::REGION);
        all.remove(&Household::ADDRESS);
        let mut fields: Vec<_> = all.iter().map(|(field, value)| (*field, hash_value(value))).collect();
        if let Some(owner) = &household.owner {
            let name = Some(&owner.name).filter(|name| !name.is_empty());
            fields.extend(name.map(|name| (Household::OWNER, hash(self.hasher.hash_one(name)))));
            fields.extend(owner.phone.as_ref().map(|phone| (OWNER_PHONE, hash(self.hasher.hash_one(phone)))));
        }
        fields
    }

    fn conflicts(&self, key: u64, fields: &[(FieldId, u32)]) -> Vec<(Column, ProblemKind)> {
        let Some(said) = self.said.get(&key) else { return Vec::new() };
        let differs = |(field, hash): &&(FieldId, u32)| {
            said.fields.iter().any(|(known, before)| known == field && before != hash)
        };
        let column = |field: FieldId| {
            COMPARED.iter().find(|(compared, _)| *compared == field).map_or(Column::Door, |(_, column)| *column)
        };
        let conflict =
            |(field, _): &(FieldId, u32)| (column(*field), ProblemKind::HouseholdConflict { row: said.first_row });
        fields.iter().filter(differs).map(conflict).collect()
    }

    /// By what a second row about the same person is recognised. A number is one person in the whole file; a name
    /// only within one household. Who has moved out may live elsewhere by now, so only the same stay is the same row.
    fn person(&self, household: u64, resident: &Resident) -> Option<u64> {
        let personal = resident.personal.as_ref()?;
        let stay: Option<(Option<Day>, Day)> = resident.moved_out.map(|last| (resident.moved_in, last));
        let within = (personal.id_number.is_none() || stay.is_some()).then_some(household);
        let name = personal.id_number.is_none().then(|| natural_key(&[&personal.name]));
        Some(self.hasher.hash_one((matching_key(personal), name, within, stay)))
    }
}

/// A sound row, kept until its household is recorded.
fn as_read(raw: &RawRow) -> RejectedRow {
    RejectedRow { row: raw.number, cells: raw.cells.clone(), original: raw.original.clone(), problems: vec![] }
}

/// Fills what the household does not say yet with what a later row says.
pub(super) fn fill(household: &mut Household, later: Household) {
    let owner = match (household.owner.take(), later.owner.clone()) {
        (Some(first), Some(second)) => Some(PersonalData {
            name: if first.name.is_empty() { second.name } else { first.name },
            id_number: first.id_number.or(second.id_number),
            phone: first.phone.or(second.phone),
        }),
        (first, second) => first.or(second),
    };
    let mut fields = later.fields();
    fields.extend(household.fields());
    *household = Household { owner, ..Household::read(&fields) };
}
