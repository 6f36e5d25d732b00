//! Where hazards are: at what was inspected, or where the inspector stood.

use rusqlite::OptionalExtension as _;
use townmesh_crdt::domain::polygon::Polygon;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::town::Grid;
use townmesh_crdt::policy::DocumentKind;

use super::{Batch, coordinates};
use crate::views::query::position;

/// What was inspected, as lists name it.
struct Subject {
    kind: String,
    address: Option<String>,
    /// Of a door.
    point: Option<Position>,
    /// Somewhere on its ground, where it is no point.
    ground: Option<Position>,
}

impl Batch<'_> {
    /// Brings the hazards of a subject to where it is now; they may have come before it.
    pub(super) fn place_hazards(&mut self, subject: &str) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare_cached("SELECT row FROM hazard WHERE household = ?")?;
        let rows: Vec<i64> = statement.query_map([subject], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        rows.into_iter().try_for_each(|row| self.place_hazard(row))
    }

    /// Notes where a hazard is: at its door; on a grid, which is no point, where the inspector stood.
    pub(super) fn place_hazard(&mut self, row: i64) -> rusqlite::Result<()> {
        let found = "SELECT household, inspection FROM hazard WHERE row = ?";
        let mut statement = self.connection.prepare_cached(found)?;
        let (named, inspection): (Option<String>, Option<String>) =
            statement.query_row([row], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let subject = named.as_deref().map(|named| self.subject(named)).transpose()?.flatten();
        let stood = self.stood(named.as_deref(), inspection.as_deref())?;
        let place = subject.as_ref().and_then(|subject| subject.point).or(stood);
        let place = place.or(subject.as_ref().and_then(|subject| subject.ground));
        let (latitude, longitude) = coordinates(place);
        let (kind, address) = subject.map(|subject| (subject.kind, subject.address)).unzip();
        self.run(
            "UPDATE hazard SET subject = ?, address = ?, latitude = ?, longitude = ? WHERE row = ?",
            &[&kind, &address.flatten(), &latitude, &longitude, &row],
        )?;
        self.run("DELETE FROM position WHERE row = ?", &[&row])?;
        self.put_position(row, DocumentKind::Hazard, place.as_slice())
    }

    /// The id of the document in a row.
    pub(super) fn document_of(&self, row: i64) -> rusqlite::Result<Option<String>> {
        let mut statement = self.connection.prepare_cached("SELECT document FROM document WHERE row = ?")?;
        statement.query_row([row], |row| row.get(0)).optional()
    }

    fn subject(&self, document: &str) -> rusqlite::Result<Option<Subject>> {
        let known = "SELECT row, kind FROM document WHERE document = ?";
        let mut statement = self.connection.prepare_cached(known)?;
        let known = statement.query_row([document], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)));
        let Some((row, kind)) = known.optional()? else { return Ok(None) };
        let door = match kind.as_str() {
            "household" => "SELECT address, latitude, longitude FROM household WHERE row = ?",
            "dwelling" => "SELECT address, latitude, longitude FROM dwelling WHERE row = ?",
            "enterprise" => {
                "SELECT coalesce(json_extract(detail, '$.address'), name) AS address, latitude, longitude \
                 FROM book_entry WHERE row = ?"
            }
            "grid" => return self.grid_subject(row, kind),
            _ => return Ok(None),
        };
        let mut statement = self.connection.prepare_cached(door)?;
        let found = statement.query_row([row], |row| {
            let address = row.get::<_, Option<String>>("address")?.filter(|address| !address.is_empty());
            Ok(Subject { kind, address, point: position(row)?, ground: None })
        });
        found.optional()
    }

    fn grid_subject(&self, row: i64, kind: String) -> rusqlite::Result<Option<Subject>> {
        let mut statement = self.connection.prepare_cached("SELECT name, code, detail FROM grid WHERE row = ?")?;
        let found = statement.query_row([row], |row| {
            let (name, code): (Option<String>, Option<String>) = (row.get("name")?, row.get("code")?);
            let grid: Grid = serde_json::from_str(&row.get::<_, String>("detail")?).unwrap_or_default();
            let ground = grid.polygon.as_ref().and_then(on_ground);
            Ok(Subject { kind, address: name.or(code), point: None, ground })
        });
        found.optional()
    }

    /// Where the inspector stood who saw a hazard last.
    fn stood(&self, subject: Option<&str>, inspection: Option<&str>) -> rusqlite::Result<Option<Position>> {
        let Some((subject, inspection)) = subject.zip(inspection) else { return Ok(None) };
        let stood = "SELECT latitude, longitude FROM inspection WHERE household = ? AND record = ? LIMIT 1";
        let mut statement = self.connection.prepare_cached(stood)?;
        Ok(statement.query_row([subject, inspection], position).optional()?.flatten())
    }
}

/// A place within an outline: the middle of its corners, or a corner where that lies outside.
fn on_ground(outline: &Polygon) -> Option<Position> {
    let corners = outline.corners();
    let count = i64::try_from(corners.len()).ok().filter(|count| *count > 0)?;
    let mean = |of: fn(&Position) -> i32| {
        i32::try_from(corners.iter().map(|corner| i64::from(of(corner))).sum::<i64>() / count).ok()
    };
    let middle = Position::from_e7(mean(|corner| corner.e7().0)?, mean(|corner| corner.e7().1)?);
    middle.filter(|middle| outline.contains(*middle)).or_else(|| corners.first().copied())
}
