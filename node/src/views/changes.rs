//! What changed in the views since somebody looked: documents by the order in which they were written here.
//!
//! A document that changed many times is told once. What was removed is remembered for the last [`KEPT_REMOVALS`]
//! removals; whoever was away for longer, or looked at an earlier file, is told to read everything anew.

use std::fmt::{Display, Formatter};
use std::str::FromStr;

use serde::Serialize;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::policy::DocumentKind;

use super::query::Query;
use super::reader::{QueryError, Reader};
use super::schema;

/// Removals that are remembered.
pub(super) const KEPT_REMOVALS: i64 = 10_000;
/// Changes told at once.
const CHANGES: usize = 500;

/// How far somebody has followed the changes of one file of views. As text `file-number`, both in hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeCursor {
    file: u64,
    number: u64,
}

/// A text that is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no id of a change that this node told")]
pub struct CursorError;

/// Which changes.
#[derive(Debug, Clone, Default)]
pub struct ChangeFilter {
    /// Of these kinds; of all where none is named.
    pub kinds: Vec<DocumentKind>,
    /// In this region or within it, and what belongs to no region.
    pub region: Option<RegionCode>,
}

/// What became of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It is new, or says something else.
    Changed,
    /// It is not shown any longer.
    Removed,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The document.
    pub document: String,
    /// What the document is.
    pub kind: String,
    /// Village or community; empty for what belongs to the whole town.
    pub region: String,
    /// What became of it.
    pub change: ChangeKind,
    /// Where to go on after it.
    #[serde(skip)]
    pub cursor: ChangeCursor,
}

/// Some changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changes {
    /// The next ones, in order; none if nothing changed. Go on at the cursor.
    Next(Vec<Change>, ChangeCursor),
    /// What was looked at is too old, or another file: everything is to be read anew, and followed from the cursor.
    Anew(ChangeCursor),
}

impl Reader {
    /// How far the views have come: what is read from here on is at least as new.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn change_cursor(&self) -> Result<ChangeCursor, QueryError> {
        let number = schema::changes(&self.connection)?;
        Ok(ChangeCursor { file: schema::file(&self.connection)?, number })
    }

    /// What changed after a cursor.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn changes(&self, after: ChangeCursor, filter: &ChangeFilter) -> Result<Changes, QueryError> {
        self.at_once(|| {
            let end = self.change_cursor()?;
            let is_known = after.file == end.file && after.number <= end.number;
            if !is_known || after.number < schema::forgotten(&self.connection)? {
                return Ok(Changes::Anew(end));
            }
            let mut changes = self.some_changes("document", ChangeKind::Changed, after, filter)?;
            changes.extend(self.some_changes("removed", ChangeKind::Removed, after, filter)?);
            changes.sort_by_key(|change| change.cursor.number);
            // Both lists are whole up to the end of the shorter one only if neither was cut.
            changes.truncate(CHANGES);
            let is_cut = changes.len() == CHANGES;
            let cursor = changes.last().filter(|_| is_cut).map_or(end, |change| change.cursor);
            Ok(Changes::Next(changes, cursor))
        })
    }

    fn some_changes(
        &self,
        table: &str,
        change: ChangeKind,
        after: ChangeCursor,
        filter: &ChangeFilter,
    ) -> Result<Vec<Change>, QueryError> {
        let mut query = Query::default();
        query.and("changed > ?", [after.number.cast_signed()]);
        if !filter.kinds.is_empty() {
            query.one_of("kind", filter.kinds.iter().map(|kind| kind.name().to_owned()).collect());
        }
        if let Some(region) = filter.region {
            let (first, beyond) = (region.to_string(), format!("{region}:"));
            query.and("region = '' OR (region >= ? AND region < ?)", [first, beyond]);
        }
        let select = format!("document, kind, region, changed FROM {table}");
        query.all(&self.connection, &select, &format!("ORDER BY changed LIMIT {CHANGES}"), |row| {
            let number: i64 = row.get("changed")?;
            Ok(Change {
                document: row.get("document")?,
                kind: row.get("kind")?,
                region: row.get("region")?,
                change,
                cursor: ChangeCursor { number: number.cast_unsigned(), ..after },
            })
        })
    }
}

impl Display for ChangeCursor {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:x}-{:x}", self.file, self.number)
    }
}

impl FromStr for ChangeCursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (file, number) = text.split_once('-').ok_or(CursorError)?;
        let read = |digits: &str| u64::from_str_radix(digits, 16).map_err(|_| CursorError);
        Ok(Self { file: read(file)?, number: read(number)? })
    }
}
