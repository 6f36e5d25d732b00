//! The cells that are written here, and what a document shows in them: what people read, never what lies below it.

use std::collections::BTreeMap;

use townmesh_crdt::command::book::BookEntry;
use townmesh_crdt::command::read::{HouseholdRecord, Reading, TableRecord};
use townmesh_crdt::domain::books::BookKind;
use townmesh_crdt::domain::columns::Column;
use townmesh_crdt::domain::same_person::Two;
use townmesh_crdt::domain::tables::TableKind;
use townmesh_crdt::value::Fields;

/// Texts that people write in tables: columns that may hold anything.
pub(crate) const TABLES: [(TableKind, [&str; 2]); 3] = [
    (TableKind::Post, ["team", "standard"]),
    (TableKind::PlanStep, ["what", "english"]),
    (TableKind::CampaignItem, ["chinese", "english"]),
];

/// Texts that people write in books.
pub(crate) const BOOKS: [(BookKind, [&str; 2]); 9] = [
    (BookKind::Enterprise, ["industry", "note"]),
    (BookKind::Vehicle, ["look", "note"]),
    (BookKind::Shift, ["post", "note"]),
    (BookKind::Consequence, ["reason", "grade"]),
    (BookKind::Campaign, ["name", "reason"]),
    (BookKind::Finding, ["what", "evidence"]),
    (BookKind::Problem, ["title", "cause"]),
    (BookKind::Response, ["reason", "result"]),
    (BookKind::Message, ["text", "read_back"]),
];

/// The column of an answer whether two residents are one person.
pub(crate) const ANSWER: &str = "duplicate";

/// What stands in each cell, by record and column: several values where they are in conflict, the one that rules first.
pub(crate) type Shown = BTreeMap<(Vec<u8>, String), Vec<String>>;

/// The columns of a table that are written here.
pub(crate) fn of_table(kind: TableKind) -> &'static [&'static str] {
    TABLES.iter().find(|(known, _)| *known == kind).map_or(&[], |(_, columns)| columns)
}

/// The columns of a book that are written here.
pub(crate) fn of_book(kind: BookKind) -> &'static [&'static str] {
    BOOKS.iter().find(|(known, _)| *known == kind).map_or(&[], |(_, columns)| columns)
}

/// The column of this name.
pub(crate) fn column(columns: &'static [Column], name: &str) -> Option<&'static Column> {
    columns.iter().find(|column| column.name == name)
}

/// The cells of a document.
pub(crate) fn cells(reading: &Reading) -> Shown {
    match reading {
        Reading::Table(record) => table(record),
        Reading::Book(entry) => book(entry),
        Reading::Household(record) => answers(record),
        Reading::Inspections(_)
        | Reading::Hazard(_)
        | Reading::Case(_)
        | Reading::Device(_)
        | Reading::DeviceDay(_)
        | Reading::Region(_)
        | Reading::Grid(_)
        | Reading::Member(_)
        | Reading::Team(_)
        | Reading::Track(_)
        | Reading::LifeCycle(_)
        | Reading::Dwelling(_)
        | Reading::DoorTags(_)
        | Reading::Move(_)
        | Reading::SamePerson(_)
        | Reading::Nothing => Shown::new(),
    }
}

fn table(record: &TableRecord) -> Shown {
    let (kind, names) = (record.kind, of_table(record.kind));
    let mut shown = Shown::new();
    for row in record.rows.iter().filter(|row| row.recorded.is_some()) {
        for name in names {
            let text = text(kind.columns(), &row.fields, name);
            shown.insert((row.key.clone(), (*name).to_owned()), vec![text]);
        }
    }
    for conflict in record.conflicts.iter().filter(|conflict| names.contains(&conflict.column)) {
        let values = conflict.values.iter().map(|value| value.value.clone());
        shown.insert((conflict.at.record.clone(), conflict.column.to_owned()), values.collect());
    }
    shown
}

fn book(entry: &BookEntry) -> Shown {
    let names = of_book(entry.book);
    let cell = |name: &&str| {
        let text = text(entry.book.columns(), &entry.fields, name);
        ((vec![], (*name).to_owned()), vec![text])
    };
    let mut shown: Shown = names.iter().map(cell).collect();
    for conflict in entry.conflicts.iter().filter(|conflict| names.contains(&conflict.field)) {
        let values = conflict.values.iter().map(|value| value.value.clone());
        shown.insert((vec![], conflict.field.to_owned()), values.collect());
    }
    shown
}

fn text(columns: &'static [Column], fields: &Fields, name: &str) -> String {
    let column = column(columns, name);
    let shown = column.and_then(|column| column.show(fields.get(&column.number)?));
    shown.map(|[text, ..]| text).unwrap_or_default()
}

/// What was answered about residents who look like one person, as far as it is told.
fn answers(record: &HouseholdRecord) -> Shown {
    let mut shown = Shown::new();
    for settled in record.settled.iter().filter(|settled| settled.field == ANSWER && settled.stands) {
        shown.insert((settled.at.record.clone(), ANSWER.to_owned()), vec![settled.choice.value.clone()]);
    }
    for duplicate in record.duplicates.iter().filter(|duplicate| !duplicate.answers.is_empty()) {
        let [one, other] = duplicate.residents;
        let Some(two) = Two::of(one, other) else { continue };
        let values = duplicate.answers.iter().map(|answer| answer.value.clone());
        shown.insert((two.key(), ANSWER.to_owned()), values.collect());
    }
    shown
}
