//! What every list has in common: filters with bound parameters, pages and the place where the next one begins.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use townmesh_crdt::domain::polygon::Polygon;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::policy::DocumentKind;

use super::reader::QueryError;

/// Rows of a page where the caller names no number.
pub const DEFAULT_LIMIT: u32 = 50;
/// Most rows of a page.
pub const MAX_LIMIT: u32 = 500;
/// Longest text to search for, in characters.
const MAX_SEARCH_CHARACTERS: usize = 64;
/// Shortest text that the trigram index knows.
const TRIGRAM: usize = 3;
/// Longest text of which a cursor consists; beyond it the cursor names the row.
const MAX_KEY_BYTES: usize = 256;
/// Longest cursor that is looked at, in bytes.
const MAX_CURSOR_BYTES: usize = 2_048;

/// 180 degrees.
const ANTIMERIDIAN: i32 = 1_800_000_000;

/// Which part of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Page {
    /// How many rows: [`DEFAULT_LIMIT`] where not given, never more than [`MAX_LIMIT`].
    pub limit: Option<u32>,
    /// [`Listed::next`] of the page before.
    pub after: Option<String>,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Listed<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where the next page begins, for [`Page::after`]; `None` at the end.
    pub next: Option<String>,
}

/// A part of the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoundingBox {
    /// Corner with the least latitude and longitude.
    pub southwest: Position,
    /// Corner with the greatest.
    pub northeast: Position,
}

impl BoundingBox {
    /// The box around places on one side of the 180th meridian; `None` without any.
    pub(super) fn around(places: &[Position]) -> Option<Self> {
        let latitudes = places.iter().map(|place| place.e7().0);
        let longitudes = places.iter().map(|place| place.e7().1);
        let southwest = Position::from_e7(latitudes.clone().min()?, longitudes.clone().min()?)?;
        let northeast = Position::from_e7(latitudes.max()?, longitudes.max()?)?;
        Some(Self { southwest, northeast })
    }

    /// The ground that two boxes share, of which neither crosses the 180th meridian; `None` where that has no area.
    pub(super) fn common(&self, other: &Self) -> Option<Self> {
        let corners = |one: &Self| (one.southwest.e7(), one.northeast.e7());
        let (((south, west), (north, east)), ((below, left), (above, right))) = (corners(self), corners(other));
        let (south, west, north, east) = (south.max(below), west.max(left), north.min(above), east.min(right));
        if south >= north || west >= east {
            return None;
        }
        Some(Self { southwest: Position::from_e7(south, west)?, northeast: Position::from_e7(north, east)? })
    }

    /// Its outline against the clock; not of a box that crosses the 180th meridian.
    pub(super) fn outline(&self) -> Option<Polygon> {
        let ((south, west), (north, east)) = (self.southwest.e7(), self.northeast.e7());
        let corners = [(south, west), (south, east), (north, east), (north, west)];
        let corners = corners.into_iter().filter_map(|(latitude, longitude)| Position::from_e7(latitude, longitude));
        Polygon::new(corners.collect()).ok()
    }

    /// Whether a position lies in it, on its edge included.
    pub fn contains(&self, position: Position) -> bool {
        let ((south, west), (north, east)) = (self.southwest.e7(), self.northeast.e7());
        let (latitude, longitude) = position.e7();
        let is_between =
            if west <= east { longitude >= west && longitude <= east } else { longitude >= west || longitude <= east };
        (south..=north).contains(&latitude) && is_between
    }

    /// It, or its two halves where it crosses the 180th meridian: south-west and north-east corner of each.
    pub(super) fn parts(&self) -> Vec<(Position, Position)> {
        let ((south, west), (north, east)) = (self.southwest.e7(), self.northeast.e7());
        let edges = if west <= east { vec![(west, east)] } else { vec![(west, ANTIMERIDIAN), (-ANTIMERIDIAN, east)] };
        let part = |(west, east)| Position::from_e7(south, west).zip(Position::from_e7(north, east));
        edges.into_iter().filter_map(part).collect()
    }

    /// A box whose west lies east of its east crosses the 180th meridian: there either longitude will do.
    fn joins_longitudes(&self) -> &'static str {
        if self.southwest.e7().1 <= self.northeast.e7().1 { "AND" } else { "OR" }
    }

    /// The places of a kind that meet the box: what stands after `FROM`, and its values.
    pub(super) fn places(&self, kind: DocumentKind) -> (String, [i32; 6]) {
        let (meets, values) = self.meets(kind);
        (format!("position WHERE {meets}"), values)
    }

    /// The condition that a place of a kind meets the box, and its values.
    pub(super) fn meets(&self, kind: DocumentKind) -> (String, [i32; 6]) {
        let ((south, west), (north, east)) = (self.southwest.e7(), self.northeast.e7());
        let ((kind, kind_end), either) = (kind_axis(kind), self.joins_longitudes());
        let meets =
            format!("kind >= ? AND kind_end <= ? AND north >= ? AND south <= ? AND (east >= ? {either} west <= ?)");
        (meets, [kind, kind_end, south, north, west, east])
    }
}

/// From where to where a kind stands on the third axis of the index of places. The steps are as wide as a large town, so
/// that the index keeps kinds apart; and a kind is half a step thick, because an R-tree weighs volumes, and those of
/// flat boxes are all 0.
pub(super) fn kind_axis(kind: DocumentKind) -> (i32, i32) {
    let first = i32::from(kind as u8) << 24;
    (first, first + (1 << 23))
}

impl Page {
    /// How many rows.
    pub(super) fn limit(&self) -> u32 {
        self.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT)
    }
}

/// A query under construction: the text is made of literals only, every value is bound.
#[derive(Debug, Clone, Default)]
pub(super) struct Query {
    conditions: Vec<String>,
    values: Vec<Value>,
}

/// How a list is ordered: columns that together are unique, and whether the greatest come first.
pub(super) struct Order {
    pub(super) columns: &'static [&'static str],
    pub(super) descending: bool,
}

impl Query {
    /// Adds a condition with its values, one for each `?`.
    pub(super) fn and<V: Into<Value>>(&mut self, condition: &str, values: impl IntoIterator<Item = V>) {
        self.conditions.push(format!("({condition})"));
        self.values.extend(values.into_iter().map(Into::into));
    }

    /// The condition that a word, where one is asked for, stands in this column.
    pub(super) fn equals(&mut self, column: &str, word: Option<impl ToString>) {
        if let Some(word) = word {
            self.and(&format!("{column} = ?"), [word.to_string()]);
        }
    }

    /// The condition that a number, where one is asked for, stands in this column.
    pub(super) fn equal_number(&mut self, column: &str, number: Option<i64>) {
        if let Some(number) = number {
            self.and(&format!("{column} = ?"), [number]);
        }
    }

    /// The condition that one of these words stands in this column.
    pub(super) fn one_of(&mut self, column: &str, words: Vec<String>) {
        let places = vec!["?"; words.len()].join(", ");
        self.and(&format!("{column} IN ({places})"), words);
    }

    /// From the first number on, and before the last.
    pub(super) fn between(&mut self, column: &str, from: Option<i64>, until: Option<i64>) {
        if let Some(from) = from {
            self.and(&format!("{column} >= ?"), [from]);
        }
        if let Some(until) = until {
            self.and(&format!("{column} < ?"), [until]);
        }
    }

    /// The region and everything within it.
    pub(super) fn region(&mut self, column: &str, region: Option<RegionCode>) {
        if let Some(region) = region {
            // ':' is the character after '9'.
            let (first, beyond) = (region.to_string(), format!("{region}:"));
            self.and(&format!("{column} >= ? AND {column} < ?"), [first, beyond]);
        }
    }

    /// Documents (by row, named by `row`) whose place on the map, noted under a kind, meets the box.
    pub(super) fn within(&mut self, row: &str, kind: DocumentKind, bounds: Option<BoundingBox>) {
        if let Some(bounds) = bounds {
            let (places, values) = bounds.places(kind);
            self.and(&format!("{row} IN (SELECT row FROM {places})"), values);
        }
    }

    /// Rows of a table whose own place lies in the box.
    pub(super) fn beside(&mut self, table: &str, bounds: BoundingBox) {
        let ((south, west), (north, east)) = (bounds.southwest.e7(), bounds.northeast.e7());
        self.and(&format!("{table}.latitude BETWEEN ? AND ?"), [south, north]);
        let (longitude, either) = (format!("{table}.longitude"), bounds.joins_longitudes());
        self.and(&format!("{longitude} >= ? {either} {longitude} <= ?"), [west, east]);
    }

    /// From the first number on, and before the last; and where there is no number.
    pub(super) fn between_or_unknown(&mut self, column: &str, from: Option<i64>, until: Option<i64>) {
        if let Some(from) = from {
            self.and(&format!("{column} >= ? OR {column} IS NULL"), [from]);
        }
        if let Some(until) = until {
            self.and(&format!("{column} < ? OR {column} IS NULL"), [until]);
        }
    }

    /// Documents in which a text occurs. `occurs` holds a `LIKE` with `?` for each column. The trigram index narrows
    /// them down where the text has three characters; shorter ones are looked for row by row.
    pub(super) fn text(&mut self, row: &str, occurs: &str, text: Option<&str>) {
        let Some(text) = text.and_then(SearchText::of) else { return };
        if let Some(expression) = text.trigrams() {
            self.and(&format!("{row} IN (SELECT rowid FROM search WHERE search MATCH ?)"), [expression]);
        }
        self.like(occurs, &text);
    }

    /// The condition that a text occurs; `occurs` holds a `LIKE` with `?` for each column.
    pub(super) fn like(&mut self, occurs: &str, text: &SearchText) {
        let places = occurs.matches('?').count();
        self.and(occurs, std::iter::repeat_n(text.pattern(), places));
    }

    /// Runs `select` (up to its `FROM`) and reads a page. The order's columns are selected after the row's own.
    pub(super) fn list<T>(
        self,
        connection: &Connection,
        select: (&str, &str),
        order: &Order,
        page: &Page,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Listed<T>, QueryError> {
        self.list_some(connection, select, order, (page.limit(), page.after.as_deref()), read)
    }

    /// Reads a page of so many rows, after a cursor.
    pub(super) fn list_some<T>(
        mut self,
        connection: &Connection,
        select: (&str, &str),
        order: &Order,
        (limit, after): (u32, Option<&str>),
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Listed<T>, QueryError> {
        let keys = order.columns.join(", ");
        if let Some(after) = after {
            let cursor = match decode_cursor(after, order.columns.len())? {
                Cursor::Keys(keys) => keys,
                Cursor::Row(row) => keys_of(connection, select.1, order, row)?,
            };
            let places = vec!["?"; cursor.len()].join(", ");
            let beyond = if order.descending { "<" } else { ">" };
            self.and(&format!("({keys}) {beyond} ({places})"), cursor);
        }
        let direction = if order.descending { " DESC" } else { "" };
        let sorted: Vec<String> = order.columns.iter().map(|column| format!("{column}{direction}")).collect();
        let (columns, from) = select;
        let sql = format!(
            "SELECT {keys}, {columns} FROM {from}{} ORDER BY {} LIMIT {}",
            self.condition(),
            sorted.join(", "),
            limit + 1
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(self.values))?;
        let mut listed = Listed { rows: Vec::new(), next: None };
        let mut last = String::new();
        while let Some(row) = rows.next()? {
            if listed.rows.len() == limit as usize {
                listed.next = Some(last);
                break;
            }
            last = encode_cursor(row, order.columns.len())?;
            listed.rows.push(read(row)?);
        }
        Ok(listed)
    }

    /// How many rows a query finds, up to `most`.
    pub(super) fn count(self, connection: &Connection, select: &str, most: u32) -> Result<u32, QueryError> {
        let sql = format!("SELECT count(*) FROM (SELECT {select}{} LIMIT {most})", self.condition());
        let mut statement = connection.prepare_cached(&sql)?;
        Ok(statement.query_row(params_from_iter(self.values), |row| row.get(0))?)
    }

    /// The condition that a column is one of those that another query finds.
    pub(super) fn found_by(&mut self, column: &str, select: &str, query: Self) {
        let condition = format!("{column} IN (SELECT {select}{})", query.condition());
        self.and(&condition, query.values);
    }

    /// Runs a query that is not paged; `after` stands behind the conditions.
    pub(super) fn all<T>(
        self,
        connection: &Connection,
        select: &str,
        after: &str,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, QueryError> {
        let sql = format!("SELECT {select}{} {after}", self.condition());
        let mut statement = connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params_from_iter(self.values), read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn condition(&self) -> String {
        if self.conditions.is_empty() { String::new() } else { format!(" WHERE {}", self.conditions.join(" AND ")) }
    }
}

/// A text that is looked for, within its bounds.
#[derive(Debug)]
pub(super) struct SearchText(String);

impl SearchText {
    /// `None` where there is nothing to look for.
    pub(super) fn of(text: &str) -> Option<Self> {
        // Control characters stand in no text; a NUL would end the query for the index.
        let characters = text.trim().chars().filter(|c| !c.is_control());
        Some(Self(characters.take(MAX_SEARCH_CHARACTERS).collect())).filter(|Self(text)| !text.is_empty())
    }

    /// The query for the trigram index; `None` where the text is too short for it. The index holds no places within a
    /// text (`detail=none`), so it is asked for every trigram, and `LIKE` decides.
    pub(super) fn trigrams(&self) -> Option<String> {
        let characters: Vec<char> = self.0.chars().collect();
        if characters.len() < TRIGRAM {
            return None;
        }
        let quoted = |window: &[char]| format!("\"{}\"", window.iter().collect::<String>().replace('"', "\"\""));
        Some(characters.windows(TRIGRAM).map(quoted).collect::<Vec<_>>().join(" AND "))
    }

    fn pattern(&self) -> String {
        format!("%{}%", escape(&self.0))
    }
}

/// A text as it stands in a `LIKE ... ESCAPE '\'`.
fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, character| {
        if matches!(character, '%' | '_' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
        escaped
    })
}

fn encode_cursor(row: &Row<'_>, columns: usize) -> Result<String, QueryError> {
    let mut keys = Vec::with_capacity(columns);
    for column in 0..columns {
        keys.push(match row.get::<_, Value>(column)? {
            Value::Integer(number) => serde_json::Value::from(number),
            Value::Text(text) => serde_json::Value::from(text),
            // An array tells bytes from a text.
            Value::Blob(bytes) => serde_json::Value::from(vec![URL_SAFE_NO_PAD.encode(bytes)]),
            Value::Null | Value::Real(_) => serde_json::Value::Null,
        });
    }
    let is_long = keys.iter().any(|key| key.as_str().is_some_and(|text| text.len() > MAX_KEY_BYTES));
    let cursor = match keys.last() {
        Some(row @ serde_json::Value::Number(_)) if is_long => row.to_string(),
        _ => serde_json::Value::from(keys).to_string(),
    };
    Ok(URL_SAFE_NO_PAD.encode(cursor))
}

/// Where a page begins.
enum Cursor {
    /// After these keys.
    Keys(Vec<Value>),
    /// After the row of this number, whose keys are too long for a cursor.
    Row(i64),
}

/// The keys of a row that a cursor names; the row may be gone by now.
fn keys_of(connection: &Connection, from: &str, order: &Order, row: i64) -> Result<Vec<Value>, QueryError> {
    let number = order.columns.last().filter(|column| column.ends_with(".row")).ok_or(QueryError::Cursor)?;
    let sql = format!("SELECT {} FROM {from} WHERE {number} = ?", order.columns.join(", "));
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([row])?;
    let row = rows.next()?.ok_or(QueryError::Cursor)?;
    Ok((0..order.columns.len()).map(|column| row.get(column)).collect::<rusqlite::Result<_>>()?)
}

/// A cursor of so little that it needs no bounds.
pub(super) fn write_cursor(cursor: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::json!(cursor).to_string())
}

/// What a cursor says.
pub(super) fn read_cursor<T: DeserializeOwned>(cursor: &str) -> Result<T, QueryError> {
    if cursor.len() > MAX_CURSOR_BYTES {
        return Err(QueryError::Cursor);
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| QueryError::Cursor)?;
    serde_json::from_slice(&bytes).map_err(|_| QueryError::Cursor)
}

fn decode_cursor(cursor: &str, columns: usize) -> Result<Cursor, QueryError> {
    let keys = match read_cursor(cursor)? {
        serde_json::Value::Number(row) => return row.as_i64().map(Cursor::Row).ok_or(QueryError::Cursor),
        serde_json::Value::Array(keys) => keys,
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::String(_)
        | serde_json::Value::Object(_) => return Err(QueryError::Cursor),
    };
    let values = keys.into_iter().map(|key| match key {
        serde_json::Value::String(text) => Some(Value::from(text)),
        serde_json::Value::Number(number) => number.as_i64().map(Value::from),
        serde_json::Value::Array(bytes) => {
            let text = bytes.first()?.as_str()?;
            URL_SAFE_NO_PAD.decode(text).ok().map(Value::from)
        }
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Object(_) => None,
    });
    let values: Option<Vec<Value>> = values.collect();
    values.filter(|values| values.len() == columns).map(Cursor::Keys).ok_or(QueryError::Cursor)
}

/// The word in a column as the list of words that it belongs to; `None` where it is not known.
pub(super) fn word<T: std::str::FromStr>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<T>> {
    Ok(row.get::<_, Option<String>>(column)?.and_then(|text| text.parse().ok()))
}

/// The place on the map in the columns `latitude` and `longitude`.
pub(super) fn position(row: &Row<'_>) -> rusqlite::Result<Option<Position>> {
    let (latitude, longitude): (Option<i32>, Option<i32>) = (row.get("latitude")?, row.get("longitude")?);
    Ok(latitude.zip(longitude).and_then(|(latitude, longitude)| Position::from_e7(latitude, longitude)))
}

/// The list in a column that holds JSON written by the views themselves.
pub(super) fn json(row: &Row<'_>, column: &str) -> rusqlite::Result<serde_json::Value> {
    let text: String = row.get(column)?;
    Ok(serde_json::from_str(&text).unwrap_or_default())
}
