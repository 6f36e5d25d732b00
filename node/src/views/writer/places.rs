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
        let mut statement = self.connection.prepare_cached("SELECT row, inspection FROM hazard WHERE household = ?")?;
        let found = statement.query_map([subject], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let hazards: Vec<(i64, Option<String>)> = found.collect::<rusqlite::Result<_>>()?;
        drop(statement);
        if hazards.is_empty() {
            return Ok(());
        }
        let known = self.subject(subject)?;
        for (row, inspection) in hazards {
            let stood = self.stood(Some(subject), inspection.as_deref())?;
            if self.put_hazard(row, known.as_ref(), stood)? {
                self.tell(row)?;
            }
        }
        Ok(())
    }

    /// Notes where a hazard is that was just read, of which is told anyway.
    pub(super) fn place_hazard(&mut self, row: i64) -> rusqlite::Result<()> {
        let found = "SELECT household, inspection FROM hazard WHERE row = ?";
        let mut statement = self.connection.prepare_cached(found)?;
        let (named, inspection): (Option<String>, Option<String>) =
            statement.query_row([row], |row| Ok((row.get(0)?, row.get(1)?)))?;
        drop(statement);
        let subject = named.as_deref().map(|named| self.subject(named)).transpose()?.flatten();
        let stood = self.stood(named.as_deref(), inspection.as_deref())?;
        self.run("DELETE FROM position WHERE row = ?", &[&row])?;
        self.put_hazard(row, subject.as_ref(), stood)?;
        Ok(())
    }

    /// At its door; on a grid, which is no point, where the inspector stood. Whether that is elsewhere than before.
    fn put_hazard(&self, row: i64, subject: Option<&Subject>, stood: Option<Position>) -> rusqlite::Result<bool> {
        let place = subject.and_then(|subject| subject.point).or(stood);
        let place = place.or(subject.and_then(|subject| subject.ground));
        let (latitude, longitude) = coordinates(place);
        let kind = subject.map(|subject| &subject.kind);
        let address = subject.and_then(|subject| subject.address.as_ref());
        let moved = "UPDATE hazard SET subject = ?1, address = ?2, latitude = ?3, longitude = ?4 WHERE row = ?5 AND \
                     (subject IS NOT ?1 OR address IS NOT ?2 OR latitude IS NOT ?3 OR longitude IS NOT ?4)";
        let mut statement = self.connection.prepare_cached(moved)?;
        if statement.execute(rusqlite::params![kind, address, latitude, longitude, row])? == 0 {
            return Ok(false);
        }
        self.run("DELETE FROM position WHERE row = ?", &[&row])?;
        self.put_position(row, DocumentKind::Hazard, place.as_slice())?;
        Ok(true)
    }

    /// What the inspections in a row are of: where its hazards are may follow from them.
    pub(super) fn inspected_in(&self, row: i64) -> rusqlite::Result<Vec<String>> {
        let inspected = "SELECT DISTINCT household FROM inspection WHERE row = ? AND household IS NOT NULL";
        let mut statement = self.connection.prepare_cached(inspected)?;
        statement.query_map([row], |row| row.get(0))?.collect()
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
