//! The town's tables: recorded row by row, and read as they stand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use super::read::{At, Settlement, TableConflict, TableRecord};
use super::town::Imported;
use super::{CommandError, labels, life_cycle};
use crate::bounds;
use crate::change::RecordKey;
use crate::clock::Millis;
use crate::document::{Content, Register};
use crate::domain::columns::{self, Column, Need, RETIRED_FIELD};
use crate::domain::input::{Fault, InputError};
use crate::domain::record::{apply, difference};
use crate::domain::tables::{MAX_ROWS, RecordedRow, TableKind, Tables};
use crate::entry::Lane;
use crate::id::DocumentId;
use crate::namespace::Namespace;
use crate::policy::DocumentKind;
use crate::replica::{RecordError, Recorded, Replica};
use crate::store::StoreError;
use crate::value::{FieldId, Fields, Value};

/// More rows than this at once are an import, and wait where the disk is full.
pub(super) const BY_HAND: usize = 16;

/// Bytes of a row in an entry beside its fields, about.
const ROW_WEIGHT: usize = 64;

/// What a node goes by that cannot read the town's tables (yet).
static SHIPPED: LazyLock<Arc<Tables>> = LazyLock::new(Arc::default);

/// The town's tables as this node knows them.
///
/// # Errors
/// [`StoreError`].
pub fn tables(replica: &mut Replica) -> Result<Arc<Tables>, StoreError> {
    if let Some(known) = replica.kept_tables() {
        return Ok(known);
    }
    let mut recorded: BTreeMap<TableKind, BTreeMap<RecordKey, RecordedRow>> = BTreeMap::new();
    for kind in TableKind::ALL {
        let Ok(document) = document_of(replica, *kind) else { return Ok(Arc::clone(&SHIPPED)) };
        let content = replica.content(replica.namespace_id(&Namespace::town()), document)?;
        let rows = content.records.iter().map(|(key, registers)| (key.clone(), recorded_row(registers)));
        recorded.insert(*kind, rows.collect());
    }
    let tables = Arc::new(Tables::new(&recorded).with_life_cycle(life_cycle::read(replica)?));
    replica.keep_tables(Arc::clone(&tables));
    Ok(tables)
}

/// The document that holds a table's rows; `None` where this node cannot read the town's records yet.
pub fn document(replica: &mut Replica, kind: TableKind) -> Option<DocumentId> {
    document_of(replica, kind).ok()
}

fn document_of(replica: &mut Replica, kind: TableKind) -> Result<DocumentId, RecordError> {
    replica.document_id(&Namespace::town(), DocumentKind::Table, &kind.natural_key())
}

fn recorded_row(registers: &BTreeMap<FieldId, Register>) -> RecordedRow {
    let winners = registers.iter().filter_map(|(field, register)| Some((*field, register.values.first()?)));
    let mut row = RecordedRow::default();
    for (field, candidate) in winners {
        row.time = row.time.max(candidate.time);
        if candidate.value != Value::Null {
            row.fields.insert(field, candidate.value.clone());
        }
    }
    row
}

/// A row as it will stand: what somebody gives over what stands, [`Value::Null`] clearing a column.
///
/// # Errors
/// The first column that is wrong.
fn merged(tables: &Tables, kind: TableKind, given: &Fields) -> Result<(RecordKey, Fields), InputError> {
    let key = kind.row_key(given).ok_or_else(|| columns::blank_key(kind.columns(), given))?;
    let standing = tables.row(kind, &key).map(|row| row.fields.clone()).unwrap_or_default();
    let row = over(kind.columns(), &standing, given);
    kind.check(&row).map(|()| (key, row))
}

/// What is given over what stands.
pub(super) fn over(columns: &[Column], standing: &Fields, given: &Fields) -> Fields {
    let mut row = standing.clone();
    apply(&mut row, given);
    // Another spelling of the same key changes no name.
    for column in columns.iter().filter(|column| column.need == Need::Key) {
        row.extend(standing.get_key_value(&column.number).map(|(number, value)| (*number, value.clone())));
    }
    // One that was taken in again says nothing of having been out.
    if row.get(&RETIRED_FIELD) == Some(&Value::Bool(false)) {
        row.remove(&RETIRED_FIELD);
    }
    row
}

/// Records rows of a table, all of them or none; each as [`merged`] says. One that stands already is left, but for its
/// conflicts, which that settles.
///
/// # Errors
/// [`CommandError::Rows`] names every row that is wrong; [`CommandError::TableFull`], [`CommandError::Record`].
pub fn record(replica: &mut Replica, kind: TableKind, rows: &[Fields], now: Millis) -> Result<Imported, CommandError> {
    let known = tables(replica)?;
    let document = document_of(replica, kind)?;
    let content = replica.content(replica.namespace_id(&Namespace::town()), document)?;
    let rows = all_merged(&known, kind, rows)?;
    let mut imported = Imported::default();
    let mut edits: BTreeMap<RecordKey, Fields> = BTreeMap::new();
    for (key, row) in rows {
        let standing = known.row(kind, &key);
        let edit = match standing {
            Some(standing) if standing.recorded.is_some() => news(kind, &content, &key, &standing.fields, &row),
            Some(standing) if standing.fields == row => Fields::new(),
            Some(_) | None => row,
        };
        match standing {
            _ if edit.is_empty() => imported.unchanged += 1,
            Some(_) => imported.changed += 1,
            None => imported.created += 1,
        }
        if !edit.is_empty() {
            edits.insert(key, edit);
        }
    }
    check_room(&content, &edits)?;
    drop(content);
    write(replica, document, edits, now)?;
    Ok(imported)
}

/// Rows that were taken out stay: what names them is still read.
fn check_room(content: &Content, edits: &BTreeMap<RecordKey, Fields>) -> Result<(), CommandError> {
    let new = edits.keys().filter(|key| !content.records.contains_key(*key)).count();
    if content.records.len() + new > MAX_ROWS { Err(CommandError::TableFull) } else { Ok(()) }
}

/// Stages edits in pieces that an entry holds.
fn write(
    replica: &mut Replica,
    document: DocumentId,
    edits: BTreeMap<RecordKey, Fields>,
    now: Millis,
) -> Result<(), CommandError> {
    let lane = if edits.len() > BY_HAND { Lane::Bulk } else { Lane::Work };
    let (mut piece, mut bytes) = (BTreeMap::new(), 0);
    for (key, edit) in edits {
        let weight = ROW_WEIGHT + minicbor::to_vec(&edit).map_or(0, |encoded| encoded.len());
        if piece.len() == bounds::MAX_ASSERTIONS || (bytes + weight > bounds::BULK_BODY && !piece.is_empty()) {
            let full = std::mem::take(&mut piece);
            replica.edit(&Namespace::town(), DocumentKind::Table, document, full, lane, now)?;
            bytes = 0;
        }
        bytes += weight;
        piece.insert(key, edit);
    }
    if !piece.is_empty() {
        replica.edit(&Namespace::town(), DocumentKind::Table, document, piece, lane, now)?;
    }
    Ok(())
}

/// Every row, or every one that is wrong. Of two rows with one key the second is wrong.
fn all_merged(tables: &Tables, kind: TableKind, rows: &[Fields]) -> Result<BTreeMap<RecordKey, Fields>, CommandError> {
    let (mut right, mut wrong) = (BTreeMap::new(), vec![]);
    for (place, given) in rows.iter().enumerate() {
        match merged(tables, kind, given) {
            Ok((key, row)) => {
                if right.insert(key, row).is_some() {
                    wrong.push((place, InputError::new("key", Fault::Twice)));
                }
            }
            Err(error) => wrong.push((place, error)),
        }
    }
    if wrong.is_empty() { Ok(right) } else { Err(CommandError::Rows(wrong)) }
}

/// What a recorded row is to say that it does not say yet, or says twice; with its key, so that it is still a row if what
/// created it counts no more. Fields of a newer version stay.
fn news(kind: TableKind, content: &Content, key: &RecordKey, standing: &Fields, row: &Fields) -> Fields {
    let is_column = |number: &FieldId| kind.columns().iter().any(|column| column.number == *number);
    let mut standing = standing.clone();
    standing.retain(|number, _| is_column(number));
    let mut edit = difference(&standing, row);
    for (number, register) in content.records.get(key).into_iter().flatten() {
        if register.is_conflict() && is_column(number) {
            edit.entry(*number).or_insert_with(|| row.get(number).cloned().unwrap_or(Value::Null));
        }
    }
    if !edit.is_empty() {
        let keys = kind.columns().iter().filter(|column| column.need == Need::Key);
        edit.extend(keys.filter_map(|column| Some((column.number, row.get(&column.number)?.clone()))));
    }
    edit
}

/// Records the rows that the program ships, where a town is founded: a newer program with others changes nothing there then.
/// Those of the life cycle are left out: they are a draft, and what they differ in from the shipped ones is to be seen.
///
/// # Errors
/// [`CommandError::Record`].
pub fn record_defaults(replica: &mut Replica, now: Millis) -> Result<Imported, CommandError> {
    let mut imported = Imported::default();
    for kind in TableKind::ALL.iter().filter(|kind| !kind.is_draft()) {
        let document = document_of(replica, *kind)?;
        let rows = kind.defaults().into_iter().filter_map(|row| Some((kind.row_key(&row)?, row)));
        let rows: BTreeMap<RecordKey, Fields> = rows.collect();
        if rows.is_empty() {
            continue;
        }
        imported.created += rows.len() as u64;
        write(replica, document, rows, now)?;
    }
    Ok(imported)
}

/// Reads a document of tables; `None` of one that says nothing, or of a table that this version does not know.
pub(super) fn read(replica: &mut Replica, document: DocumentId) -> Result<Option<TableRecord>, StoreError> {
    let mut found = None;
    for kind in TableKind::ALL {
        if document_of(replica, *kind).is_ok_and(|known| known == document) {
            found = Some(*kind);
        }
    }
    let Some(kind) = found else { return Ok(None) };
    let namespace = replica.namespace_id(&Namespace::town());
    let content = replica.content(namespace, document)?;
    let rows = tables(replica)?.rows(kind).to_vec();
    let column = |number| kind.columns().iter().find(|column| column.number == number);
    let conflicts = content.conflicts().filter_map(|(key, number, register)| {
        Some(conflict(kind, column(number)?, &content, At { record: key.clone(), field: number }, register))
    });
    let mut conflicts: Vec<TableConflict> = conflicts.collect();
    let settled = content.settled(|_, _| false).into_iter().filter_map(|settled| {
        let column = column(settled.field)?;
        let [chinese, english] = cell_words(kind, column, &content.fields(&settled.record));
        let called = (column.name, chinese.as_str(), english.as_str());
        Some(labels::settlement_of(&content, &settled, called, |value| value_words(column, value)))
    });
    let mut settled: Vec<Settlement> = settled.collect();
    let values = conflicts.iter_mut().flat_map(|conflict| &mut conflict.values);
    let said = values.flat_map(|value| &mut value.said).chain(labels::said_in_settled(&mut settled));
    labels::sign(replica, namespace, document, said)?;
    Ok(Some(TableRecord { id: document, kind, rows, conflicts, settled }))
}

/// Settles one cell with a value of its column, [`Value::Null`] for none; the rest of its row stays as it is, conflicts
/// included.
///
/// # Errors
/// [`CommandError::Input`] where the row would be wrong then; [`CommandError::Record`].
pub(super) fn settle(
    replica: &mut Replica,
    document: DocumentId,
    kind: TableKind,
    at: &At,
    value: Value,
    now: Millis,
) -> Result<Recorded, CommandError> {
    let content = replica.content(replica.namespace_id(&Namespace::town()), document)?;
    let mut row = content.fields(&at.record);
    apply(&mut row, &Fields::from([(at.field, value.clone())]));
    row.retain(|number, _| kind.columns().iter().any(|column| column.number == *number));
    kind.check(&row)?;
    // With its key, as in `news`.
    let keys = kind.columns().iter().filter(|column| column.need == Need::Key);
    let keys = keys.filter_map(|column| Some((column.number, row.get(&column.number)?.clone())));
    let edit = Fields::from_iter(keys.chain([(at.field, value)]));
    drop(content);
    let edits = BTreeMap::from([(at.record.clone(), edit)]);
    Ok(replica.edit(&Namespace::town(), DocumentKind::Table, document, edits, Lane::Work, now)?)
}

fn conflict(kind: TableKind, column: &Column, content: &Content, at: At, register: &Register) -> TableConflict {
    let values = labels::sides(content, &at, &register.values, |value| value_words(column, value));
    let [chinese, english] = cell_words(kind, column, &content.fields(&at.record));
    TableConflict { at, column: column.name, chinese, english, values }
}

/// These rows, and for every other row of the table that it is taken out; one that was out is in again.
pub(super) fn standing_alone(tables: &Tables, kind: TableKind, rows: Vec<Fields>) -> Vec<Fields> {
    let keys: BTreeSet<RecordKey> = rows.iter().filter_map(|row| kind.row_key(row)).collect();
    let others = tables.rows(kind).iter().filter(|row| !keys.contains(&row.key) && !row.is_retired());
    let out = others.map(|row| {
        let mut fields = row.fields.clone();
        fields.insert(RETIRED_FIELD, Value::Bool(true));
        fields
    });
    let back = rows.into_iter().map(|mut row| {
        row.entry(RETIRED_FIELD).or_insert(Value::Bool(false));
        row
    });
    back.chain(out).collect()
}

/// Whether cells of a table were recorded differently, and nobody settled that.
///
/// # Errors
/// [`StoreError`].
pub(super) fn is_disputed(replica: &mut Replica, kind: TableKind) -> Result<bool, StoreError> {
    let Ok(document) = document_of(replica, kind) else { return Ok(false) };
    let content = replica.content(replica.namespace_id(&Namespace::town()), document)?;
    Ok(content.conflicts().next().is_some())
}

/// A value of a column as people read it.
pub(super) fn value_words(column: &Column, value: &Value) -> labels::Words {
    column.show(value).unwrap_or([String::new(), "（已清除）".into(), "(cleared)".into()])
}

/// Table, row and column.
fn cell_words(kind: TableKind, column: &Column, row: &Fields) -> [String; 2] {
    let [_, chinese, english] = kind.title(row);
    [
        format!("{}：{chinese}：{}", kind.chinese(), column.chinese),
        format!("{}: {english}: {}", kind.english(), column.english),
    ]
}
