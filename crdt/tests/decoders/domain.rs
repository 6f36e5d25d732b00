//! What records and tables of the town are made of.

use std::collections::BTreeMap;

use townmesh_crdt::change::{Assertion, record_id};
use townmesh_crdt::domain::case::{self, Calendar, CaseEvent, FoldInput, LimitTable, TransitionTable};
use townmesh_crdt::domain::checklist::Checklist;
use townmesh_crdt::domain::device::Device;
use townmesh_crdt::domain::device_batch::EventBatch;
use townmesh_crdt::domain::dwelling::Dwelling;
use townmesh_crdt::domain::hazard::Hazard;
use townmesh_crdt::domain::household::{Household, Resident};
use townmesh_crdt::domain::inspection::Inspection;
use townmesh_crdt::domain::person::{self, PersonalData};
use townmesh_crdt::domain::region::Region;
use townmesh_crdt::domain::town::{Grid, Member, Shift, Team};
use townmesh_crdt::id::{NodeId, RecordId};

use super::{Script, accepted};

/// Most events of one history: enough for every pair of steps, few enough for many histories a second.
const MAX_HISTORY: usize = 48;

pub(super) fn personal_data(bytes: &[u8]) -> Option<usize> {
    let data = accepted(PersonalData::decode(bytes))?;
    assert_eq!(data.encode().as_deref(), Ok(bytes), "personal data have one form");
    let (masked, key) = (data.masked(), person::matching_key(&data.normalised()));
    assert!(masked.name.chars().nth(1).is_none_or(|shown| shown == '*'), "a masked name shows one character");
    Some(key.len().max(bytes.len()))
}

pub(super) fn inspection(bytes: &[u8]) -> Option<usize> {
    let inspection = accepted(Inspection::decode(bytes))?;
    let again = accepted(inspection.encode())?;
    assert_eq!(Inspection::decode(&again), Ok(inspection), "an inspection is read back");
    Some(again.len())
}

pub(super) fn checklist(bytes: &[u8]) -> Option<usize> {
    let checklist = accepted(Checklist::decode(bytes))?;
    let again = accepted(checklist.encode())?;
    assert_eq!(Checklist::decode(&again), Ok(checklist), "a checklist is read back");
    Some(again.len())
}

pub(super) fn event_batch(bytes: &[u8]) -> Option<usize> {
    let batch = accepted(EventBatch::decode(bytes))?;
    assert_eq!(batch.encode(), bytes, "a batch has one form");
    for event in batch.events() {
        let _ = (event.id(), event.day(480));
    }
    Some(bytes.len())
}

pub(super) fn case_event(bytes: &[u8]) -> Option<usize> {
    let event = accepted(CaseEvent::from_bytes(bytes))?;
    let again = accepted(event.to_bytes())?;
    assert_eq!(CaseEvent::from_bytes(&again), Ok(event), "a case event is read back");
    Some(again.len())
}

/// A script of `[length, case event]...`. An event that names as seen an id that begins with a small number has seen
/// the event of that number, since no mutation finds a hash.
pub(super) fn case_history(bytes: &[u8]) -> Option<usize> {
    let mut script = Script(bytes);
    let (mut events, mut ids): (BTreeMap<RecordId, FoldInput>, Vec<RecordId>) = (BTreeMap::new(), Vec::new());
    while !script.is_over() && ids.len() < MAX_HISTORY {
        let time = script.byte();
        let Ok(mut event) = CaseEvent::from_bytes(script.piece()) else { continue };
        event.seen = event.seen.iter().map(|id| ids.get(usize::from(id.0[0])).copied().unwrap_or(*id)).collect();
        let Some(bytes) = accepted(event.to_bytes()) else { continue };
        let input = FoldInput { event, time: u64::from(time) << 16, author: NodeId([time & 3; 32]), void: None };
        ids.push(record_id(&bytes));
        events.insert(record_id(&bytes), input);
    }
    let table = TransitionTable::default();
    let case = case::fold(&events, &table);
    assert_eq!(case::fold(&events, &table), case, "a history has one outcome");
    let _ = (case.open_conflicts().count(), case.open_orders().count());
    (!events.is_empty()).then_some(events.len())
}

pub(super) fn transition_table(bytes: &[u8]) -> Option<usize> {
    let table = accepted(TransitionTable::from_bytes(bytes))?;
    let again = accepted(table.to_bytes())?;
    assert_eq!(TransitionTable::from_bytes(&again), Ok(table.clone()), "a table is read back");
    let _ = case::fold(&BTreeMap::new(), &table);
    Some(again.len())
}

pub(super) fn calendar(bytes: &[u8]) -> Option<usize> {
    let calendar = accepted(Calendar::from_bytes(bytes))?;
    let again = accepted(calendar.to_bytes())?;
    assert_eq!(Calendar::from_bytes(&again), Ok(calendar.clone()), "a calendar is read back");
    let now = 1_763_900_000_000;
    let due = calendar.advance(now, 3_600_000);
    assert!(
        due.is_none_or(|due| calendar.working_between(now, due) == 3_600_000),
        "an hour of work is an hour of work"
    );
    let _ = (calendar.advance(u64::MAX, u64::MAX), calendar.working_between(0, u64::MAX));
    Some(again.len())
}

pub(super) fn limit_table(bytes: &[u8]) -> Option<usize> {
    let table = accepted(LimitTable::from_bytes(bytes))?;
    let again = accepted(table.to_bytes())?;
    assert_eq!(LimitTable::from_bytes(&again), Ok(table), "a table is read back");
    Some(again.len())
}

/// Reads an assertion's fields as every kind of record, and writes what was understood.
pub(super) fn fields(bytes: &[u8]) -> Option<usize> {
    let fields = accepted(Assertion::from_value_bytes(vec![], bytes))?.fields;
    macro_rules! read_as {
        ($($record:ident),+) => {
            [$({
                let (record, written) = ($record::read(&fields), $record::read(&fields).fields());
                assert_eq!($record::read(&written), record, "a record is read back");
                assert!(serde_json::to_vec(&record).is_ok(), "a record is shown");
                written.len()
            }),+]
        };
    }
    let understood = read_as!(Region, Device, Dwelling, Hazard, Household, Resident, Grid, Team, Member, Shift);
    Some(understood.into_iter().sum())
}
