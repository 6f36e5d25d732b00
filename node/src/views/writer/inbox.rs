//! The conflict inbox: what is to be settled in a document, and what was.

use townmesh_crdt::command::conflict::{self, Done, OpenConflict};
use townmesh_crdt::command::read::Reading;

use super::{Batch, Slot, json, key};

const CONFLICT: &str = "INSERT INTO conflict (row, place, region, id, revision, kind, resident, subject, chinese, english, \
    personal, sides, offers) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
const SETTLEMENT: &str = "INSERT INTO settlement (row, place, region, id, conflict, settled_ms, personal, detail) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)";

impl Batch<'_> {
    pub(super) fn inbox(&self, slot: Slot<'_>, reading: &Reading) -> rusqlite::Result<()> {
        if matches!(reading, Reading::Inspections(_) | Reading::DeviceDay(_)) {
            return Ok(());
        }
        self.clear(slot, "conflict")?;
        self.clear(slot, "settlement")?;
        let region = region(reading).unwrap_or_else(|| slot.region.to_owned());
        for (place, one) in (0_i64..).zip(&conflict::open(reading)) {
            self.conflict(slot, place, &region, one)?;
        }
        for (place, done) in (0_i64..).zip(&conflict::settled(reading)) {
            self.settlement(slot, place, &region, done)?;
        }
        Ok(())
    }

    fn conflict(&self, slot: Slot<'_>, place: i64, region: &str, one: &OpenConflict) -> rusqlite::Result<()> {
        let values: &[&dyn rusqlite::ToSql] = &[
            &slot.row,
            &place,
            &region,
            &one.id.to_string(),
            &one.revision,
            &one.kind.key(),
            &key(one.resident),
            &one.subject,
            &one.chinese,
            &one.english,
            &one.personal,
            &json(&one.sides)?,
            &json(&one.offers)?,
        ];
        self.run(CONFLICT, values)
    }

    fn settlement(&self, slot: Slot<'_>, place: i64, region: &str, done: &Done) -> rusqlite::Result<()> {
        let values: &[&dyn rusqlite::ToSql] = &[
            &slot.row,
            &place,
            &region,
            &done.id.to_string(),
            &done.conflict.to_string(),
            &done.at().cast_signed(),
            &done.personal,
            &json(done)?,
        ];
        self.run(SETTLEMENT, values)
    }
}

/// The region that a document is about, where it says so: what rules the whole town lies in a namespace without one.
fn region(reading: &Reading) -> Option<String> {
    match reading {
        Reading::Household(record) => key(record.region),
        Reading::Dwelling(record) => key(record.dwelling.region),
        Reading::Case(record) => key(record.case.reported.as_ref().and_then(|reported| reported.report.region)),
        Reading::Grid(record) => key(record.record.region),
        Reading::Member(record) => key(record.record.region),
        Reading::Team(record) => key(record.record.region),
        Reading::Device(record) => key(record.record.region),
        Reading::Book(entry) => key(entry.book.region(&entry.fields)),
        Reading::Move(record) => key(Some(record.moved.leading.from)),
        Reading::SamePerson(record) => key(record.record.first_region),
        Reading::Region(_)
        | Reading::Inspections(_)
        | Reading::Hazard(_)
        | Reading::DeviceDay(_)
        | Reading::Track(_)
        | Reading::DoorTags(_)
        | Reading::Table(_)
        | Reading::LifeCycle(_)
        | Reading::Nothing => None,
    }
}
