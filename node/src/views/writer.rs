//! Writing the views: what documents say now replaces what they said before.

mod book;
mod case;
mod device;
mod door_tag;
mod inbox;
mod people;
mod places;
mod registry;
mod table;
mod town;
mod track;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, ToSql};
use townmesh_crdt::command::read::Reading;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::tables::Tables;
use townmesh_crdt::id::DocumentId;
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::policy::DocumentKind;
use townmesh_crdt::store::FeedItem;

use super::ViewError;
use super::changes::KEPT_REMOVALS;
use super::query::kind_axis;
use super::schema::{self, Start};

/// The writing side of the views; one per file.
#[derive(Debug)]
pub struct Views {
    path: PathBuf,
    connection: Connection,
    watermark: u64,
    start: Start,
    /// By which cases are timed.
    tables: Arc<Tables>,
}

impl Views {
    /// Opens the views at `path`, creating them where there are none. A file of another version or a damaged one is
    /// removed and started anew; [`Self::start`] says so.
    ///
    /// # Errors
    /// [`ViewError`]; never because of what stands in the file.
    pub fn open(path: &Path) -> Result<Self, ViewError> {
        let (connection, start) = schema::open(path)?;
        let failed = |source| ViewError::Open { path: path.to_owned(), source };
        let watermark = schema::watermark(&connection).map_err(failed)?;
        Ok(Self { path: path.to_owned(), connection, watermark, start, tables: Arc::default() })
    }

    /// How the file was found when it was opened, or that it was rebuilt since.
    pub fn start(&self) -> &Start {
        &self.start
    }

    /// Number of the next line of the feed to take in; 0 for new views.
    pub fn watermark(&self) -> u64 {
        self.watermark
    }

    /// From here on cases are timed by these tables; those that are shown already when they are taken in again.
    pub fn go_by(&mut self, tables: Arc<Tables>) {
        self.tables = tables;
    }

    /// Digest of the tables by which every case is shown ([`Tables::case_digest`]); 0 where that is not known.
    ///
    /// # Errors
    /// [`ViewError::Open`].
    pub fn case_tables(&self) -> Result<u64, ViewError> {
        schema::case_tables(&self.connection).map_err(|source| ViewError::Open { path: self.path.clone(), source })
    }

    /// Notes that every case is shown by the tables with this digest.
    ///
    /// # Errors
    /// [`ViewError::Write`].
    pub fn note_case_tables(&mut self, digest: u64) -> Result<(), ViewError> {
        run(&self.connection, "UPDATE meta SET value = ? WHERE name = 'case_tables'", &[&digest.cast_signed()])
            .map_err(|source| ViewError::Write { path: self.path.clone(), source })
    }

    /// Makes these the views of a store. Rows that were made from another one are gone then, and so is everything if the
    /// feed of this one does not hold the line that these are at, `kept` being those it holds: true if they go on
    /// where they were.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn belong_to(&mut self, store: u64, kept: RangeInclusive<u64>) -> Result<bool, ViewError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| ViewError::Open { path, source }
        };
        let known = schema::store(&self.connection).map_err(failed(&self.path))?;
        if known == store && kept.contains(&self.watermark) {
            return Ok(true);
        }
        if known != 0 || self.watermark != 0 {
            self.start_anew("it was made from another store, or this one was put back to an earlier state".to_owned())?;
        }
        run(&self.connection, "UPDATE meta SET value = ? WHERE name = 'store'", &[&store.cast_signed()])
            .map_err(failed(&self.path))?;
        // New views of a store whose feed was never trimmed read it from its start.
        Ok(kept.contains(&0))
    }

    /// Takes in what documents say now, and that the feed was read up to `watermark`: all of it or nothing. The same
    /// rows twice change nothing. What a document had before is gone; [`Reading::Nothing`] removes it.
    ///
    /// # Errors
    /// [`ViewError::Write`] leaves the file as it was. After [`ViewError::Rebuilt`] it is empty: go on at
    /// [`Self::watermark`].
    pub fn apply(&mut self, rows: &[(FeedItem, Namespace, Reading)], watermark: u64) -> Result<(), ViewError> {
        self.take_in(rows, watermark, Telling::Each)
    }

    /// Takes in cases that say what they said, and may be timed by other tables: as [`Self::apply`], and only those whose
    /// times differ are told as changes.
    ///
    /// # Errors
    /// As for [`Self::apply`].
    pub fn retime(&mut self, rows: &[(FeedItem, Namespace, Reading)], watermark: u64) -> Result<(), ViewError> {
        self.take_in(rows, watermark, Telling::NewTimes)
    }

    fn take_in(
        &mut self,
        rows: &[(FeedItem, Namespace, Reading)],
        watermark: u64,
        telling: Telling,
    ) -> Result<(), ViewError> {
        match write(&mut self.connection, &self.tables, rows, watermark, telling) {
            Ok(()) => {
                self.watermark = watermark;
                Ok(())
            }
            Err(error) if schema::is_damage(&error) => {
                let reason = error.to_string();
                self.start_anew(reason.clone())?;
                Err(ViewError::Rebuilt { path: self.path.clone(), reason })
            }
            Err(source) => Err(ViewError::Write { path: self.path.clone(), source }),
        }
    }

    /// Removes every document of a namespace that was dropped by a retention decision; how many there were.
    ///
    /// # Errors
    /// [`ViewError::Write`]; the file is as it was then.
    pub fn forget(&mut self, namespace: &Namespace) -> Result<usize, ViewError> {
        forget(&mut self.connection, &self.tables, namespace)
            .map_err(|source| ViewError::Write { path: self.path.clone(), source })
    }

    /// Removes the file and starts it anew: after an erasure, or when a reader met damage. The watermark is 0 then.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn rebuild(&mut self) -> Result<(), ViewError> {
        self.start_anew("a rebuild was asked for".to_owned())
    }

    /// Looks at every page of the file: `None` when it is sound, else the first thing that is not. Takes about a
    /// second for 200 MB.
    ///
    /// # Errors
    /// [`ViewError::Open`] if SQLite cannot look.
    pub fn find_damage(&self) -> Result<Option<String>, ViewError> {
        match self.connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0)) {
            Ok(answer) if answer == "ok" => Ok(None),
            Ok(damage) => Ok(Some(damage)),
            Err(error) if schema::is_damage(&error) => Ok(Some(error.to_string())),
            Err(source) => Err(ViewError::Open { path: self.path.clone(), source }),
        }
    }

    fn start_anew(&mut self, reason: String) -> Result<(), ViewError> {
        let failed = |source| ViewError::Open { path: self.path.clone(), source };
        // The old connection must be closed before its file is removed.
        self.connection = Connection::open_in_memory().map_err(failed)?;
        schema::remove(&self.path)?;
        self.connection = schema::open(&self.path)?.0;
        self.watermark = 0;
        self.start = Start::Rebuilt { reason };
        Ok(())
    }
}

/// Which of the documents that are taken in are told as changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Telling {
    Each,
    NewTimes,
}

fn write(
    connection: &mut Connection,
    tables: &Tables,
    rows: &[(FeedItem, Namespace, Reading)],
    watermark: u64,
    telling: Telling,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let mut batch = Batch::begin(&transaction, tables, telling)?;
    for (item, namespace, reading) in rows {
        batch.take_in(item, namespace, reading)?;
    }
    batch.end()?;
    let number = watermark.cast_signed();
    run(&transaction, "UPDATE meta SET value = ? WHERE name = 'watermark'", &[&number])?;
    transaction.commit()
}

fn forget(connection: &mut Connection, tables: &Tables, namespace: &Namespace) -> rusqlite::Result<usize> {
    let transaction = connection.transaction()?;
    let rows: Vec<i64> = transaction
        .prepare("SELECT row FROM document WHERE namespace IN (SELECT number FROM namespace WHERE name = ?)")?
        .query_map([namespace.to_string()], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut batch = Batch::begin(&transaction, tables, Telling::Each)?;
    for row in &rows {
        batch.remove_row(*row)?;
    }
    batch.end()?;
    transaction.commit()?;
    Ok(rows.len())
}

/// One transaction.
struct Batch<'c> {
    connection: &'c Connection,
    tables: &'c Tables,
    /// Those whose names are written.
    namespaces: BTreeSet<u32>,
    /// How many changes there were in this file.
    changes: i64,
    telling: Telling,
    /// Whether something was removed.
    removes: bool,
}

/// Where a document's rows stand.
#[derive(Debug, Clone, Copy)]
struct Slot<'a> {
    row: i64,
    kind: DocumentKind,
    /// Whether there are rows to replace.
    known: bool,
    region: &'a str,
    /// Line of the feed.
    changed: i64,
}

/// Kinds of documents that are shown, and so can be told as changed.
pub const SHOWN: [DocumentKind; 26] = [
    DocumentKind::Household,
    DocumentKind::Inspection,
    DocumentKind::Hazard,
    DocumentKind::Case,
    DocumentKind::Device,
    DocumentKind::DeviceDay,
    DocumentKind::Region,
    DocumentKind::Grid,
    DocumentKind::Member,
    DocumentKind::Team,
    DocumentKind::Table,
    DocumentKind::LifeCycle,
    DocumentKind::Enterprise,
    DocumentKind::Vehicle,
    DocumentKind::Finding,
    DocumentKind::Shift,
    DocumentKind::Consequence,
    DocumentKind::Campaign,
    DocumentKind::Problem,
    DocumentKind::Response,
    DocumentKind::Message,
    DocumentKind::Track,
    DocumentKind::Dwelling,
    DocumentKind::DoorTag,
    DocumentKind::Move,
    DocumentKind::SamePerson,
];

/// Tables whose rows belong to a document.
const OWNED: [&str; 29] = [
    "document",
    "region",
    "grid",
    "member",
    "team",
    "table_row",
    "book_entry",
    "track",
    "dwelling",
    "door_tag",
    "household",
    "resident",
    "inspection",
    "hazard",
    "case_file",
    "case_detail",
    "case_event",
    "case_stage",
    "dispatch_order",
    "device",
    "device_day",
    "device_event",
    "device_hour",
    "conflict",
    "settlement",
    "position",
    "move",
    "move_person",
    "same_person",
];

impl<'c> Batch<'c> {
    fn begin(connection: &'c Connection, tables: &'c Tables, telling: Telling) -> rusqlite::Result<Self> {
        let changes = schema::changes(connection)?.cast_signed();
        Ok(Self { connection, tables, namespaces: BTreeSet::new(), changes, telling, removes: false })
    }

    /// Tells a document as the latest change.
    fn tell(&mut self, row: i64) -> rusqlite::Result<()> {
        self.changes += 1;
        self.run("UPDATE document SET changed = ? WHERE row = ?", &[&self.changes, &row])
    }

    /// What a case in this row says, to see whether it says anything else when it is read again; nothing where everything is told.
    fn said(&self, row: i64) -> rusqlite::Result<Option<[Value; 6]>> {
        if self.telling == Telling::Each {
            return Ok(None);
        }
        let said = "SELECT state, yellow_ms, due_ms, (SELECT group_concat(coalesce(due_ms, '')) FROM \
                    (SELECT due_ms FROM case_stage WHERE row = ?1 ORDER BY place)), (SELECT folded FROM case_detail WHERE row = ?1), (SELECT group_concat(effect) FROM \
                    (SELECT effect FROM case_event WHERE row = ?1 ORDER BY place)) FROM case_file WHERE row = ?1";
        let mut said = self.connection.prepare_cached(said)?;
        let columns = |row: &rusqlite::Row<'_>| {
            Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?])
        };
        said.query_row([row], columns).optional()
    }

    /// Notes how many changes there were, and forgets the oldest removals.
    fn end(self) -> rusqlite::Result<()> {
        self.run("UPDATE meta SET value = ? WHERE name = 'changes'", &[&self.changes])?;
        if !self.removes {
            return Ok(());
        }
        let forgotten = "SELECT changed FROM removed ORDER BY changed DESC LIMIT 1 OFFSET ?";
        let mut forgotten = self.connection.prepare_cached(forgotten)?;
        let Some(forgotten) = forgotten.query_row([KEPT_REMOVALS], |row| row.get::<_, i64>(0)).optional()? else {
            return Ok(());
        };
        self.run("DELETE FROM removed WHERE changed <= ?", &[&forgotten])?;
        self.run("UPDATE meta SET value = ? WHERE name = 'forgotten'", &[&forgotten])
    }

    fn take_in(&mut self, item: &FeedItem, namespace: &Namespace, reading: &Reading) -> rusqlite::Result<()> {
        let (kind, document) = match reading {
            Reading::Nothing => return self.remove(item.document),
            Reading::Book(entry) => match entry.book.document_kind() {
                Some(kind) => (kind, entry.id),
                None => return Ok(()),
            },
            Reading::Household(record) => (DocumentKind::Household, record.id),
            Reading::Inspections(record) => (DocumentKind::Inspection, record.id),
            Reading::Hazard(record) => (DocumentKind::Hazard, record.id),
            Reading::Case(record) => (DocumentKind::Case, record.id),
            Reading::Device(record) => (DocumentKind::Device, record.id),
            Reading::DeviceDay(record) => (DocumentKind::DeviceDay, record.id),
            Reading::Region(record) => (DocumentKind::Region, record.id),
            Reading::Grid(record) => (DocumentKind::Grid, record.id),
            Reading::Member(record) => (DocumentKind::Member, record.id),
            Reading::Team(record) => (DocumentKind::Team, record.id),
            Reading::Table(record) => (DocumentKind::Table, record.id),
            Reading::LifeCycle(record) => (DocumentKind::LifeCycle, record.id),
            Reading::Track(record) => (DocumentKind::Track, record.id),
            Reading::Dwelling(record) => (DocumentKind::Dwelling, record.id),
            Reading::DoorTags(record) => (DocumentKind::DoorTag, record.id),
            Reading::Move(record) => (DocumentKind::Move, record.id),
            Reading::SamePerson(record) => (DocumentKind::SamePerson, record.id),
        };
        let slot = self.slot(item, namespace, kind, document)?;
        let before = self.said(slot.row)?;
        self.replace(slot, reading)?;
        let is_told = before.is_none() || before != self.said(slot.row)?;
        if is_told { self.tell(slot.row) } else { Ok(()) }
    }

    fn replace(&mut self, slot: Slot<'_>, reading: &Reading) -> rusqlite::Result<()> {
        match reading {
            // Rules have no rows of their own: cases are read anew by them.
            Reading::Nothing | Reading::LifeCycle(_) => Ok(()),
            Reading::Household(record) => self.household(slot, record),
            Reading::Inspections(record) => self.inspections(slot, record),
            Reading::Hazard(record) => self.hazard(slot, record),
            Reading::Case(record) => self.case(slot, record),
            Reading::Device(record) => self.device(slot, record),
            Reading::DeviceDay(record) => self.device_day(slot, record),
            Reading::Region(record) => self.region(slot, record),
            Reading::Grid(record) => self.grid(slot, record),
            Reading::Member(record) => self.member(slot, record),
            Reading::Team(record) => self.team(slot, record),
            Reading::Table(record) => self.table(slot, record),
            Reading::Book(entry) => self.book(slot, entry),
            Reading::Track(record) => self.track(slot, record),
            Reading::Dwelling(record) => self.dwelling(slot, record),
            Reading::DoorTags(record) => self.door_tags(slot, record),
            Reading::Move(record) => self.moved(slot, record),
            Reading::SamePerson(record) => self.same_person(slot, record),
        }?;
        self.inbox(slot, reading)
    }

    /// The document's place, a new one where it is not known.
    fn slot<'a>(
        &mut self,
        item: &FeedItem,
        namespace: &'a Namespace,
        kind: DocumentKind,
        document: DocumentId,
    ) -> rusqlite::Result<Slot<'a>> {
        if self.namespaces.insert(item.namespace) {
            let name = namespace.to_string();
            self.run("INSERT OR REPLACE INTO namespace (number, name) VALUES (?, ?)", &[&item.namespace, &name])?;
        }
        let id = document.to_string();
        let known = self.row_as(&id, kind)?;
        let row = match known {
            Some(row) => row,
            None => {
                let new = "INSERT INTO document (document, namespace, kind, region, changed) VALUES (?, ?, ?, ?, 0)";
                self.run(new, &[&id, &item.namespace, &kind.name(), &namespace.region])?;
                self.connection.last_insert_rowid()
            }
        };
        Ok(Slot { row, kind, known: known.is_some(), region: &namespace.region, changed: item.number.cast_signed() })
    }

    fn row_of(&self, document: &str) -> rusqlite::Result<Option<i64>> {
        let mut statement = self.connection.prepare_cached("SELECT row FROM document WHERE document = ?")?;
        statement.query_row([document], |row| row.get(0)).optional()
    }

    /// The row of a document that is known as this kind. One that was taken for another kind is read anew: what says of
    /// what kind it is came later.
    fn row_as(&mut self, document: &str, kind: DocumentKind) -> rusqlite::Result<Option<i64>> {
        let mut statement = self.connection.prepare_cached("SELECT row, kind FROM document WHERE document = ?")?;
        let found = statement.query_row([document], |row| Ok((row.get(0)?, row.get::<_, String>(1)?))).optional()?;
        match found {
            Some((row, known)) if known != kind.name() => self.remove_row(row).map(|()| None),
            found => Ok(found.map(|(row, _)| row)),
        }
    }

    fn remove(&mut self, document: DocumentId) -> rusqlite::Result<()> {
        let row = self.row_of(&document.to_string())?;
        row.map_or(Ok(()), |row| self.remove_row(row))
    }

    fn remove_row(&mut self, row: i64) -> rusqlite::Result<()> {
        let household = self.household_of_hazard(row)?;
        let document = self.document_of(row)?;
        let inspected = self.inspected_in(row)?;
        self.changes += 1;
        self.removes = true;
        let removed = "INSERT INTO removed (changed, document, kind, region) \
                       SELECT ?, document, kind, region FROM document WHERE row = ?";
        self.run(removed, &[&self.changes, &row])?;
        for table in OWNED {
            self.run(&format!("DELETE FROM {table} WHERE row = ?"), &[&row])?;
        }
        self.run("DELETE FROM search WHERE rowid = ?", &[&row])?;
        let subjects = document.into_iter().chain(inspected);
        subjects.into_iter().try_for_each(|subject| self.place_hazards(&subject))?;
        household.map_or(Ok(()), |household| self.refresh_mark(&household))
    }

    /// Removes a known document's rows from a table that holds several of each.
    fn clear(&self, slot: Slot<'_>, table: &str) -> rusqlite::Result<()> {
        if slot.known { self.run(&format!("DELETE FROM {table} WHERE row = ?"), &[&slot.row]) } else { Ok(()) }
    }

    /// Notes where a document is: the box around these corners; nowhere if there are none.
    fn position(&self, slot: Slot<'_>, corners: &[Position]) -> rusqlite::Result<()> {
        self.clear(slot, "position")?;
        self.put_position(slot.row, slot.kind, corners)
    }

    fn put_position(&self, row: i64, kind: DocumentKind, corners: &[Position]) -> rusqlite::Result<()> {
        let latitudes = corners.iter().map(|corner| corner.e7().0);
        let longitudes = corners.iter().map(|corner| corner.e7().1);
        let (Some(south), Some(north)) = (latitudes.clone().min(), latitudes.max()) else { return Ok(()) };
        let (Some(west), Some(east)) = (longitudes.clone().min(), longitudes.max()) else { return Ok(()) };
        let (kind, kind_end) = kind_axis(kind);
        self.run(
            "INSERT INTO position (row, south, north, west, east, kind, kind_end) VALUES (?, ?, ?, ?, ?, ?, ?)",
            &[&row, &south, &north, &west, &east, &kind, &kind_end],
        )
    }

    /// Makes a document findable by these words; each part ends at a line break, which no search contains.
    fn words<'w>(&self, slot: Slot<'_>, parts: impl Iterator<Item = &'w str>) -> rusqlite::Result<()> {
        let words: String = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n");
        let sql = if slot.known {
            "INSERT OR REPLACE INTO search (rowid, words) VALUES (?, ?)"
        } else {
            "INSERT INTO search (rowid, words) VALUES (?, ?)"
        };
        self.run(sql, &[&slot.row, &words])
    }

    fn run(&self, sql: &str, values: &[&dyn ToSql]) -> rusqlite::Result<()> {
        run(self.connection, sql, values)
    }
}

fn run(connection: &Connection, sql: &str, values: &[&dyn ToSql]) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute(values).map(drop)
}

fn json<T: serde::Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

/// The key of a word, where there is one.
fn key(word: Option<impl ToString>) -> Option<String> {
    word.map(|word| word.to_string())
}

/// Latitude and longitude in units of 1e-7 degrees.
fn coordinates(position: Option<Position>) -> (Option<i32>, Option<i32>) {
    position.map(Position::e7).unzip()
}
