//! What records and tables of the town are made of.

use std::collections::BTreeMap;

use townmesh_crdt::change::{Assertion, record_id};
use townmesh_crdt::clock::HybridTime;
use townmesh_crdt::domain::case::{self, CaseEvent, FoldInput, LifeCycle};
use townmesh_crdt::domain::device::Device;
use townmesh_crdt::domain::device_batch::EventBatch;
use townmesh_crdt::domain::door_tag::{DoorTag, DoorToken, TagName};
use townmesh_crdt::domain::dwelling::Dwelling;
use townmesh_crdt::domain::hazard::Hazard;
use townmesh_crdt::domain::household::{Household, Resident};
use townmesh_crdt::domain::inspection::Inspection;
use townmesh_crdt::domain::person::{self, PersonalData};
use townmesh_crdt::domain::region::Region;
use townmesh_crdt::domain::tables::{RecordedRow, TableKind, Tables};
use townmesh_crdt::domain::town::{Grid, Member, Team};
use townmesh_crdt::domain::track::{self, MAX_POINTS, SealedTrack};
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

pub(super) fn event_batch(bytes: &[u8]) -> Option<usize> {
    let batch = accepted(EventBatch::decode(bytes))?;
    assert_eq!(batch.encode(), bytes, "a batch has one form");
    for event in batch.events() {
        let _ = (event.id(), event.day(480));
    }
    Some(bytes.len())
}

pub(super) fn track(bytes: &[u8]) -> Option<usize> {
    let points = accepted(track::decode(bytes, MAX_POINTS))?;
    assert_eq!(track::encode(&points), bytes, "a track has one form");
    assert!(track::metres(&points).is_finite());
    assert!(points.iter().all(|point| point.position().is_some()));
    let _ = points.first().map(|point| (point.day(), point.time_ms()));
    Some(bytes.len())
}

pub(super) fn sealed_track(bytes: &[u8]) -> Option<usize> {
    let sealed = accepted(SealedTrack::from_bytes(bytes))?;
    let again = sealed.to_bytes();
    assert_eq!(SealedTrack::from_bytes(&again), Ok(sealed), "a sealed track is read back");
    Some(again.len())
}

/// The bytes of a token, or what somebody scanned or typed.
pub(super) fn door_token(bytes: &[u8]) -> Option<usize> {
    let token = accepted(DoorToken::from_bytes(bytes)).or_else(|| {
        let named: TagName = accepted(std::str::from_utf8(bytes).ok()?.parse())?;
        assert_eq!(accepted(named.to_string().parse()), Some(named), "a tag's name is read back");
        match named {
            TagName::Token(token) => Some(token),
            TagName::Code(_) | TagName::Id(_) => None,
        }
    })?;
    assert_eq!(accepted(token.to_string().parse()), Some(token), "a token is read back");
    assert!(!token.is_signed_by(&[9; 32], &NodeId([7; 32])), "nobody signed what the fuzzer made up");
    Some(token.as_bytes().len())
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
    let table = LifeCycle::default();
    let case = case::fold(&events, &table);
    assert_eq!(case::fold(&events, &table), case, "a history has one outcome");
    let _ = (case.open_conflicts().count(), case.open_orders().count());
    (!events.is_empty()).then_some(events.len())
}

/// A script of `[table, assertion]...`: recorded rows of tables. Whatever they say, there are tables, and times by them.
pub(super) fn town_tables(bytes: &[u8]) -> Option<usize> {
    let mut script = Script(bytes);
    let mut recorded: BTreeMap<TableKind, BTreeMap<Vec<u8>, RecordedRow>> = BTreeMap::new();
    while !script.is_over() {
        let (table, time) = (script.byte(), script.byte());
        let kind = TableKind::from_code(table.into());
        let Ok(assertion) = Assertion::from_value_bytes(vec![], script.piece()) else { continue };
        let Some(key) = kind.row_key(&assertion.fields) else { continue };
        let _ = (kind.check(&assertion.fields), kind.title(&assertion.fields));
        let row = RecordedRow { fields: assertion.fields, time: HybridTime::at(u64::from(time) << 32) };
        recorded.entry(kind).or_default().insert(key, row);
    }
    let tables = Tables::new(&recorded);
    let now = 1_763_900_000_000;
    let due = tables.calendar().advance(now, 3_600_000);
    assert!(
        due.is_none_or(|due| tables.calendar().working_between(now, due) == 3_600_000),
        "an hour of work is an hour of work"
    );
    let _ = (tables.calendar().advance(u64::MAX, u64::MAX), tables.calendar().working_between(0, u64::MAX));
    let _ = case::fold(&BTreeMap::new(), &LifeCycle::default());
    (!recorded.is_empty()).then(|| recorded.values().map(BTreeMap::len).sum())
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
    let understood = read_as!(Region, Device, DoorTag, Dwelling, Hazard, Household, Resident, Grid, Team, Member);
    Some(understood.into_iter().sum())
}
