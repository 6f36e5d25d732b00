//! The view file: its tables, and how it is opened, recognised and started anew.
//!
//! # Durability
//!
//! Nothing here is the only copy of anything, so a commit need not reach the disk: in WAL mode with
//! `synchronous=NORMAL` SQLite syncs at checkpoints only. After a power cut the file holds an earlier state, and
//! since the watermark is written in the transaction of the rows, it holds the watermark of that state. `OFF`
//! would save the few syncs of the checkpoints and could leave a page of one state beside a page of another, which
//! nothing notices.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::ViewError;

/// Version of the tables. Another one in the file means: delete it and read the log from the start.
const VERSION: i64 = 15;
/// Marks the file as a townmesh view (`PRAGMA application_id`): "tmvw".
const APPLICATION_ID: i64 = 0x746d_7677;
/// Pages of the write-ahead log after which it is copied into the file: 32 MB, so that an import syncs seldom.
const CHECKPOINT_PAGES: i64 = 8_192;
/// How long a connection waits for another one.
const BUSY: Duration = Duration::from_secs(5);
/// Statements that a connection keeps prepared.
const PREPARED: usize = 96;

/// The tables. Words (states, kinds, uses) are the keys that JSON shows; times are milliseconds since 1970, days
/// `2024-03-05`, positions units of 1e-7 degrees. `row` is the document's number in this file, `changed` the line of
/// the feed that last named it; in `document` and `removed` it is the number of the change in this file. `door` is an address
/// in its one spelling, by which the households behind a door find their dwelling. `household` of an inspection or hazard is
/// what was inspected, of whatever kind (`subject`); where that is, stands with the hazard. `device_hour` counts the
/// events of a device's day by the hours of the town's day, so that a year of them is looked through without reading them. A
/// resident is `void` who is not counted: recorded by mistake, shown as somebody else in the household (`mistake` is either of
/// these), or shown as `alias_of` in another household. `move_person` are all who are one person by a move, those who are not
/// shown by themselves with whom they are `shown` as.
/// `open` says of a case that somebody still has something to do, `gravity` is the code of its severity; the long rest of it
/// stands in `case_detail`, so that lists and figures need not read past it. `dispatch_ended` and the like say how often a desk did
/// what it had to do with the case, and how often in time; `awaits` what is to be done now, and until when; `satisfaction` and
/// `solved` what the caller said when they were reached last.
const TABLES: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE namespace (number INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;
CREATE TABLE document (
    row INTEGER PRIMARY KEY, document TEXT NOT NULL UNIQUE, namespace INTEGER NOT NULL, kind TEXT NOT NULL,
    region TEXT NOT NULL, changed INTEGER NOT NULL) STRICT;
CREATE INDEX document_changed ON document (changed);
CREATE TABLE removed (changed INTEGER PRIMARY KEY, document TEXT NOT NULL, kind TEXT NOT NULL, region TEXT NOT NULL) STRICT;

CREATE TABLE region (
    row INTEGER PRIMARY KEY, code TEXT, name TEXT, kind TEXT, parent TEXT, latitude INTEGER, longitude INTEGER,
    outline TEXT) STRICT;
CREATE INDEX region_code ON region (code);
CREATE TABLE grid (
    row INTEGER PRIMARY KEY, region TEXT, code TEXT, name TEXT, kind TEXT, responsible TEXT, retired TEXT,
    detail TEXT) STRICT;
CREATE INDEX grid_code ON grid (region, code);
CREATE TABLE member (
    row INTEGER PRIMARY KEY, code TEXT NOT NULL, name TEXT, team TEXT, region TEXT, post TEXT, phone TEXT,
    retired INTEGER NOT NULL, roles TEXT NOT NULL) STRICT;
CREATE INDEX member_code ON member (code);
CREATE TABLE team (
    row INTEGER PRIMARY KEY, code TEXT NOT NULL, name TEXT, kind TEXT, region TEXT, leader TEXT, phone TEXT,
    retired INTEGER NOT NULL, nodes TEXT NOT NULL) STRICT;
CREATE INDEX team_code ON team (code);

CREATE TABLE table_row (
    row INTEGER NOT NULL, place INTEGER NOT NULL, name TEXT NOT NULL, chinese TEXT NOT NULL, english TEXT NOT NULL,
    retired INTEGER NOT NULL, recorded_ms INTEGER, detail TEXT NOT NULL, PRIMARY KEY (row, place)) STRICT, WITHOUT ROWID;

CREATE TABLE book_entry (
    row INTEGER PRIMARY KEY, book TEXT NOT NULL, region TEXT, name TEXT NOT NULL, code TEXT, refers TEXT, retired INTEGER NOT NULL,
    from_ms INTEGER, until_ms INTEGER, latitude INTEGER, longitude INTEGER, person_name TEXT, person_id_number TEXT, person_phone TEXT,
    person_state TEXT NOT NULL, conflicts INTEGER NOT NULL, detail TEXT NOT NULL) STRICT;
CREATE INDEX book_entry_name ON book_entry (book, name);
CREATE INDEX book_entry_region ON book_entry (book, region);
CREATE INDEX book_entry_code ON book_entry (book, code);
CREATE INDEX book_entry_refers ON book_entry (book, refers);
CREATE INDEX book_entry_from ON book_entry (book, from_ms);

CREATE TABLE track (
    row INTEGER PRIMARY KEY, node TEXT NOT NULL, region TEXT NOT NULL, day TEXT NOT NULL, from_ms INTEGER NOT NULL,
    until_ms INTEGER NOT NULL, count INTEGER NOT NULL, metres INTEGER NOT NULL, points BLOB NOT NULL) STRICT;
CREATE INDEX track_day ON track (day, region);
CREATE INDEX track_node ON track (node, day);

CREATE TABLE household (
    row INTEGER PRIMARY KEY, region TEXT NOT NULL, address TEXT NOT NULL, door TEXT NOT NULL, number INTEGER NOT NULL, usage TEXT,
    rooms INTEGER, area_dm2 INTEGER, tenant_limit INTEGER, latitude INTEGER, longitude INTEGER, note TEXT,
    head_name TEXT, head_id_number TEXT, head_phone TEXT, head_is_owner INTEGER NOT NULL, residents INTEGER NOT NULL, mark TEXT NOT NULL,
    head_state TEXT NOT NULL, conflicts INTEGER NOT NULL, changed INTEGER NOT NULL) STRICT;
CREATE INDEX household_door ON household (region, address);
CREATE INDEX household_plate ON household (region, door);
CREATE TABLE dwelling (
    row INTEGER PRIMARY KEY, region TEXT NOT NULL, address TEXT NOT NULL, door TEXT NOT NULL, usage TEXT, rooms INTEGER,
    storeys INTEGER, area_dm2 INTEGER, built INTEGER, grid TEXT, note TEXT, latitude INTEGER, longitude INTEGER, gone TEXT,
    mark TEXT NOT NULL, owner_name TEXT, owner_id_number TEXT, owner_phone TEXT, owner_state TEXT NOT NULL,
    conflicts INTEGER NOT NULL, changed INTEGER NOT NULL) STRICT;
CREATE INDEX dwelling_door ON dwelling (region, address);
CREATE INDEX dwelling_plate ON dwelling (region, door);
CREATE TABLE door_tag (
    row INTEGER NOT NULL, tag TEXT NOT NULL, code TEXT NOT NULL, region TEXT NOT NULL, dwelling TEXT NOT NULL,
    entrance INTEGER NOT NULL, issued_ms INTEGER NOT NULL, issuer TEXT NOT NULL, token TEXT NOT NULL, retired_ms INTEGER,
    retired_why TEXT, retired INTEGER NOT NULL, replaced_by TEXT, PRIMARY KEY (row, tag)) STRICT, WITHOUT ROWID;
CREATE INDEX door_tag_tag ON door_tag (tag);
CREATE INDEX door_tag_code ON door_tag (code);
CREATE INDEX door_tag_dwelling ON door_tag (dwelling);
CREATE INDEX door_tag_region ON door_tag (region, dwelling, tag);
CREATE TABLE resident (
    row INTEGER NOT NULL, resident TEXT NOT NULL, name TEXT, id_number TEXT, phone TEXT, kind TEXT, relation TEXT,
    moved_in TEXT, moved_out TEXT, void INTEGER NOT NULL, state TEXT NOT NULL, mistake INTEGER NOT NULL, alias_of TEXT,
    came_by TEXT, stays TEXT NOT NULL, PRIMARY KEY (row, resident)) STRICT, WITHOUT ROWID;
CREATE INDEX resident_id ON resident (resident);
CREATE INDEX resident_number ON resident (id_number);
CREATE INDEX resident_phone ON resident (phone, name);
CREATE TABLE move (
    row INTEGER PRIMARY KEY, from_region TEXT NOT NULL, to_region TEXT NOT NULL, household TEXT NOT NULL, resident TEXT NOT NULL,
    day TEXT NOT NULL, state TEXT NOT NULL, reason TEXT, arrival_household TEXT, arrival_resident TEXT, name TEXT, id_number TEXT,
    phone TEXT, told TEXT NOT NULL, kind TEXT, relation TEXT, stays TEXT NOT NULL, given_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL,
    conflicts INTEGER NOT NULL, events TEXT NOT NULL) STRICT;
CREATE INDEX move_changed ON move (changed_ms, row);
CREATE TABLE move_person (
    row INTEGER NOT NULL, resident TEXT NOT NULL, shown TEXT, PRIMARY KEY (row, resident)) STRICT, WITHOUT ROWID;
CREATE INDEX move_person_resident ON move_person (resident);
CREATE INDEX move_person_shown ON move_person (shown);
CREATE TABLE same_person (
    row INTEGER PRIMARY KEY, first TEXT NOT NULL, second TEXT NOT NULL, first_household TEXT, second_household TEXT,
    first_region TEXT, second_region TEXT, answer TEXT, contested INTEGER NOT NULL) STRICT;
CREATE INDEX same_person_first ON same_person (first, second);
CREATE INDEX same_person_second ON same_person (second);
CREATE TABLE inspection (
    row INTEGER NOT NULL, record TEXT NOT NULL, household TEXT NOT NULL, inspector TEXT NOT NULL,
    time_ms INTEGER NOT NULL, checklist INTEGER NOT NULL, answers TEXT NOT NULL, hazards INTEGER NOT NULL, note TEXT,
    photos TEXT NOT NULL, void INTEGER NOT NULL, latitude INTEGER, longitude INTEGER,
    PRIMARY KEY (row, record)) STRICT, WITHOUT ROWID;
CREATE INDEX inspection_household ON inspection (household, time_ms);
CREATE INDEX inspection_record ON inspection (household, record);
CREATE INDEX inspection_time ON inspection (time_ms, row, record);
CREATE TABLE hazard (
    row INTEGER PRIMARY KEY, region TEXT NOT NULL, household TEXT, checklist INTEGER, item INTEGER,
    occurrence INTEGER NOT NULL, grade TEXT, state TEXT NOT NULL, case_document TEXT, found_by TEXT, found_ms INTEGER,
    due_ms INTEGER, rectified_by TEXT, rechecked_by TEXT, changed_ms INTEGER, note TEXT, inspection TEXT, subject TEXT,
    address TEXT, latitude INTEGER, longitude INTEGER, steps TEXT NOT NULL) STRICT;
CREATE INDEX hazard_household ON hazard (household);
CREATE INDEX hazard_state ON hazard (state, region);
CREATE INDEX hazard_found ON hazard (found_ms);
CREATE INDEX hazard_due ON hazard (due_ms) WHERE state IN ('open', 'rectifying');

CREATE TABLE case_file (
    row INTEGER PRIMARY KEY, number TEXT NOT NULL, region TEXT NOT NULL, state TEXT, source TEXT, category TEXT, severity TEXT, place TEXT,
    description TEXT, latitude INTEGER, longitude INTEGER, reported_by TEXT, reported_ms INTEGER NOT NULL,
    filed_ms INTEGER, yellow_ms INTEGER, due_ms INTEGER, handled_ms INTEGER, closed_ms INTEGER, supervised INTEGER NOT NULL,
    orders INTEGER NOT NULL, returned INTEGER NOT NULL, verifications INTEGER NOT NULL, rework INTEGER NOT NULL,
    conflicts INTEGER NOT NULL, open INTEGER NOT NULL, gravity INTEGER,
    intake_ended INTEGER NOT NULL DEFAULT 0, intake_in_time INTEGER NOT NULL DEFAULT 0, filing_ended INTEGER NOT NULL DEFAULT 0,
    filing_in_time INTEGER NOT NULL DEFAULT 0, dispatch_ended INTEGER NOT NULL DEFAULT 0, dispatch_in_time INTEGER NOT NULL DEFAULT 0,
    verification_ended INTEGER NOT NULL DEFAULT 0, verification_in_time INTEGER NOT NULL DEFAULT 0, check_ended INTEGER NOT NULL DEFAULT 0,
    check_in_time INTEGER NOT NULL DEFAULT 0, check_open INTEGER NOT NULL DEFAULT 0,
    awaits TEXT, awaits_due_ms INTEGER, satisfaction TEXT, solved INTEGER, found_ms INTEGER, reply_due_ms INTEGER,
    waits TEXT) STRICT;
CREATE TABLE case_detail (row INTEGER PRIMARY KEY, folded TEXT NOT NULL) STRICT;
CREATE INDEX case_file_state ON case_file (state, reported_ms);
CREATE INDEX case_file_reported ON case_file (reported_ms);
CREATE INDEX case_file_in_turn ON case_file (
    reported_ms, filed_ms, due_ms, closed_ms, gravity, open, region, state, category, source);
CREATE INDEX case_file_filed ON case_file (filed_ms, reported_ms);
CREATE INDEX case_file_due ON case_file (due_ms, reported_ms);
CREATE INDEX case_file_closed ON case_file (closed_ms, reported_ms);
CREATE INDEX case_file_gravity ON case_file (gravity);
CREATE INDEX case_file_open_reported ON case_file (reported_ms) WHERE open = 1;
CREATE INDEX case_file_open_filed ON case_file (filed_ms) WHERE open = 1;
CREATE INDEX case_file_open_due ON case_file (due_ms) WHERE open = 1;
CREATE INDEX case_file_open_closed ON case_file (closed_ms) WHERE open = 1;
CREATE INDEX case_file_open_gravity ON case_file (gravity) WHERE open = 1;
CREATE INDEX case_file_supervised ON case_file (reported_ms) WHERE supervised = 1;
CREATE INDEX case_file_waits ON case_file (reported_ms) WHERE waits IS NOT NULL;
CREATE INDEX case_file_number ON case_file (number);
CREATE INDEX case_file_region ON case_file (region, category, state, source, gravity);
CREATE INDEX case_file_category ON case_file (category);
CREATE INDEX case_file_source ON case_file (source);
CREATE INDEX case_file_reporter ON case_file (reported_by);
CREATE INDEX case_file_public ON case_file (reported_ms) WHERE reported_by = 'georeport';
CREATE TABLE case_stage (
    row INTEGER NOT NULL, place INTEGER NOT NULL, stage TEXT NOT NULL, person TEXT, started_ms INTEGER NOT NULL,
    ended_ms INTEGER, due_ms INTEGER, PRIMARY KEY (row, place)) STRICT, WITHOUT ROWID;
CREATE INDEX case_stage_ended ON case_stage (stage, ended_ms);
CREATE TABLE case_event (
    row INTEGER NOT NULL, place INTEGER NOT NULL, event TEXT NOT NULL, time_ms INTEGER NOT NULL, person TEXT NOT NULL,
    role TEXT NOT NULL, step TEXT, effect TEXT NOT NULL, state TEXT, note TEXT, action TEXT NOT NULL,
    edition INTEGER NOT NULL, PRIMARY KEY (row, place)) STRICT, WITHOUT ROWID;
CREATE INDEX case_event_person ON case_event (person);
CREATE TABLE dispatch_order (
    row INTEGER NOT NULL, place INTEGER NOT NULL, event TEXT NOT NULL, team TEXT NOT NULL, task TEXT NOT NULL,
    kind TEXT NOT NULL, lead INTEGER NOT NULL, status TEXT NOT NULL, sent_ms INTEGER NOT NULL, result TEXT,
    number TEXT NOT NULL, sent_by TEXT, done_by TEXT, done_ms INTEGER, part INTEGER NOT NULL, person TEXT,
    conveyed TEXT NOT NULL, acknowledged_ms INTEGER, assigned_ms INTEGER, on_scene_ms INTEGER, seen_ms INTEGER,
    PRIMARY KEY (row, place)) STRICT, WITHOUT ROWID;
CREATE INDEX dispatch_order_number ON dispatch_order (number);
CREATE INDEX dispatch_order_team ON dispatch_order (team, status);
CREATE INDEX dispatch_order_sent ON dispatch_order (sent_ms);
CREATE INDEX dispatch_order_status ON dispatch_order (status, sent_ms);
CREATE INDEX dispatch_order_done ON dispatch_order (done_ms);
CREATE INDEX dispatch_order_person ON dispatch_order (person);

CREATE TABLE device (
    row INTEGER PRIMARY KEY, code TEXT NOT NULL, name TEXT, kind TEXT, protocol TEXT, region TEXT NOT NULL, place TEXT,
    latitude INTEGER, longitude INTEGER, owner TEXT, silence_limit_s INTEGER, retired INTEGER NOT NULL) STRICT;
CREATE INDEX device_code ON device (code);
CREATE TABLE device_day (
    row INTEGER PRIMARY KEY, device TEXT NOT NULL, region TEXT NOT NULL, day TEXT NOT NULL) STRICT;
CREATE INDEX device_day_device ON device_day (device, day);
CREATE TABLE device_event (
    row INTEGER NOT NULL, time_ms INTEGER NOT NULL, event BLOB NOT NULL, kind TEXT NOT NULL, value ANY,
    latitude INTEGER, longitude INTEGER, alarm INTEGER NOT NULL, PRIMARY KEY (row, time_ms, event)) STRICT, WITHOUT ROWID;
CREATE INDEX device_event_alarm ON device_event (time_ms, event) WHERE alarm = 1;

CREATE TABLE device_hour (
    row INTEGER NOT NULL, kind TEXT NOT NULL, alarm INTEGER NOT NULL,
    h0 INTEGER NOT NULL, h1 INTEGER NOT NULL, h2 INTEGER NOT NULL, h3 INTEGER NOT NULL, h4 INTEGER NOT NULL,
    h5 INTEGER NOT NULL, h6 INTEGER NOT NULL, h7 INTEGER NOT NULL, h8 INTEGER NOT NULL, h9 INTEGER NOT NULL,
    h10 INTEGER NOT NULL, h11 INTEGER NOT NULL, h12 INTEGER NOT NULL, h13 INTEGER NOT NULL, h14 INTEGER NOT NULL,
    h15 INTEGER NOT NULL, h16 INTEGER NOT NULL, h17 INTEGER NOT NULL, h18 INTEGER NOT NULL, h19 INTEGER NOT NULL,
    h20 INTEGER NOT NULL, h21 INTEGER NOT NULL, h22 INTEGER NOT NULL, h23 INTEGER NOT NULL,
    PRIMARY KEY (row, kind, alarm)) STRICT, WITHOUT ROWID;
CREATE INDEX device_hour_alarm ON device_hour (row) WHERE alarm = 1;
CREATE INDEX hazard_case ON hazard (case_document);
CREATE INDEX case_event_reopened ON case_event (time_ms) WHERE step = 'reopen';

CREATE TABLE conflict (
    row INTEGER NOT NULL, place INTEGER NOT NULL, region TEXT NOT NULL, id TEXT NOT NULL, revision TEXT NOT NULL,
    kind TEXT NOT NULL, resident TEXT, subject TEXT NOT NULL, chinese TEXT NOT NULL, english TEXT NOT NULL,
    personal INTEGER NOT NULL, sides TEXT NOT NULL, offers TEXT NOT NULL, PRIMARY KEY (row, place)) STRICT, WITHOUT ROWID;
CREATE INDEX conflict_id ON conflict (id);
CREATE TABLE settlement (
    row INTEGER NOT NULL, place INTEGER NOT NULL, region TEXT NOT NULL, id TEXT NOT NULL, conflict TEXT NOT NULL,
    settled_ms INTEGER NOT NULL, personal INTEGER NOT NULL, detail TEXT NOT NULL,
    PRIMARY KEY (row, place)) STRICT, WITHOUT ROWID;
CREATE INDEX settlement_id ON settlement (id);
CREATE INDEX settlement_conflict ON settlement (conflict);
CREATE INDEX settlement_time ON settlement (settled_ms, row, place);

CREATE VIRTUAL TABLE position USING rtree_i32 (row, south, north, west, east, kind, kind_end);
CREATE VIRTUAL TABLE search USING fts5 (
    words, content = '', contentless_delete = 1, detail = none, tokenize = 'trigram');
INSERT INTO meta VALUES ('watermark', 0), ('store', 0), ('case_tables', 0), ('file', random()), ('changes', 0), ('forgotten', 0);
";

/// How a file was found when it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// With these tables: reading goes on at its watermark.
    Kept,
    /// There was none.
    Created,
    /// It was of another version or damaged, and was removed: the log is read from its start. Tell somebody.
    Rebuilt {
        /// What was wrong with it.
        reason: String,
    },
}

/// Opens the file for writing, starting it anew where it cannot be used.
pub(super) fn open(path: &Path) -> Result<(Connection, Start), ViewError> {
    if !path.exists() {
        remove(path)?;
        return Ok((create(path)?, Start::Created));
    }
    match open_existing(path) {
        Ok(connection) => Ok((connection, Start::Kept)),
        Err(Unusable::Discard(reason)) => {
            remove(path)?;
            Ok((create(path)?, Start::Rebuilt { reason }))
        }
        Err(Unusable::Failed(source)) => Err(ViewError::Open { path: path.to_owned(), source }),
    }
}

enum Unusable {
    Discard(String),
    Failed(rusqlite::Error),
}

impl From<rusqlite::Error> for Unusable {
    fn from(error: rusqlite::Error) -> Self {
        if is_damage(&error) { Self::Discard(error.to_string()) } else { Self::Failed(error) }
    }
}

fn open_existing(path: &Path) -> Result<Connection, Unusable> {
    let connection = Connection::open(path)?;
    let number = |pragma: &str| connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0));
    let (application, version) = (number("application_id")?, number("user_version")?);
    if (application, version) != (APPLICATION_ID, VERSION) {
        return Err(Unusable::Discard(format!("its version is {version}, this program writes {VERSION}")));
    }
    configure(&connection)?;
    watermark(&connection)?;
    // A power cut may have taken the last changes, whose numbers are given to others then.
    connection.execute("UPDATE meta SET value = random() WHERE name = 'file'", [])?;
    Ok(connection)
}

/// Creates file and tables. The version is set in their transaction, so that half a schema is recognised.
fn create(path: &Path) -> Result<Connection, ViewError> {
    let failed = |source| ViewError::Open { path: path.to_owned(), source };
    let start = || -> rusqlite::Result<Connection> {
        let mut connection = Connection::open(path)?;
        configure(&connection)?;
        let transaction = connection.transaction()?;
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
        transaction.commit()?;
        Ok(connection)
    };
    restrict(path).map_err(|source| ViewError::Create { path: path.to_owned(), source })?;
    start().map_err(failed)
}

/// The file shows names and numbers of people: only the node's own account may read it.
fn restrict(path: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(PREPARED);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    // What was said of a person who is erased must not stay in free pages.
    connection.pragma_update(None, "secure_delete", "ON")?;
    configure_memory(connection)
}

/// 8 MB of cache; sorting in memory, where results are bounded.
fn configure_memory(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "cache_size", -8_192)?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}

/// Opens the file for reading only.
pub(super) fn open_read_only(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(PREPARED);
    configure_memory(&connection)?;
    watermark(&connection)?;
    Ok(connection)
}

/// Number of the next line of the feed to read.
pub(super) fn watermark(connection: &Connection) -> rusqlite::Result<u64> {
    meta(connection, "watermark")
}

/// Id of the store that the rows were made from; 0 before the first.
pub(super) fn store(connection: &Connection) -> rusqlite::Result<u64> {
    meta(connection, "store")
}

/// Digest of the tables by which the cases were folded and timed; 0 before the first.
pub(super) fn case_tables(connection: &Connection) -> rusqlite::Result<u64> {
    meta(connection, "case_tables")
}

/// A number that no other file of views has, and this one only until it is opened again.
pub(super) fn file(connection: &Connection) -> rusqlite::Result<u64> {
    meta(connection, "file")
}

/// How many changes there were in this file.
pub(super) fn changes(connection: &Connection) -> rusqlite::Result<u64> {
    meta(connection, "changes")
}

/// Number of the last change that is not known any longer.
pub(super) fn forgotten(connection: &Connection) -> rusqlite::Result<u64> {
    meta(connection, "forgotten")
}

fn meta(connection: &Connection, name: &str) -> rusqlite::Result<u64> {
    let number: i64 = connection.query_row("SELECT value FROM meta WHERE name = ?", [name], |row| row.get(0))?;
    Ok(number.cast_unsigned())
}

/// What SQLite says where a table or column is missing.
const NOT_THERE: [&str; 3] = ["no such table", "no such column", "has no column named"];

/// Whether an error says that the file is no view, or a damaged one: then it is started anew.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    let unreadable = matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase));
    let incomplete = *error == rusqlite::Error::QueryReturnedNoRows
        || NOT_THERE.iter().any(|missing| error.to_string().contains(missing));
    unreadable || incomplete
}

/// Removes the file with what SQLite keeps beside it.
pub(super) fn remove(path: &Path) -> Result<(), ViewError> {
    for suffix in ["", "-wal", "-shm"] {
        let part = beside(path, suffix);
        match fs::remove_file(&part) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(ViewError::Remove { path: part, source });
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_tables_have_another_version() {
        let digest = blake3::hash(TABLES.as_bytes()).to_hex();
        assert_eq!(
            (VERSION, digest.get(..16)),
            (15, Some("2a10fc8e7c1925b3")),
            "raise VERSION, then note the new digest"
        );
    }
}
