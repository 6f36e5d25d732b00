//! Where the features of each collection stand in the views, and how a row of them becomes one.

use rusqlite::Row;
use townmesh_crdt::domain::person::mask_numbers;
use townmesh_crdt::domain::town::Grid;
use townmesh_crdt::policy::DocumentKind;

use super::super::query::{position, word};
use super::{Feature, Geometry, Properties};
use crate::moment::Moment;

/// Where the features of a collection stand in the views.
pub(super) struct Layer {
    /// The kind under which their place is looked up.
    pub(super) kind: DocumentKind,
    /// The number of the feature's document: a page is in its order.
    pub(super) order: &'static [&'static str],
    /// Of the table of the document with the place.
    pub(super) placed: &'static str,
    pub(super) region: &'static str,
    pub(super) time: Option<&'static str>,
    pub(super) columns: &'static str,
    pub(super) from: &'static str,
    pub(super) geometry: fn(&Row<'_>) -> rusqlite::Result<Option<Geometry>>,
    pub(super) properties: fn(&Row<'_>) -> rusqlite::Result<Properties>,
}

impl Layer {
    pub(super) fn feature(&self, row: &Row<'_>) -> rusqlite::Result<Feature> {
        let (geometry, properties) = ((self.geometry)(row)?, (self.properties)(row)?);
        Ok(Feature { id: row.get("document")?, geometry, properties })
    }
}

pub(super) const REGIONS: Layer = Layer {
    kind: DocumentKind::Region,
    order: &["r.row"],
    placed: "r",
    region: "r.code",
    time: None,
    columns: "d.document, r.*",
    from: "region r JOIN document d ON d.row = r.row",
    geometry: point,
    properties: |row| {
        Ok(Properties::Region {
            code: row.get("code")?,
            name: row.get("name")?,
            kind: word(row, "kind")?,
            parent: row.get("parent")?,
        })
    },
};

pub(super) const GRIDS: Layer = Layer {
    kind: DocumentKind::Grid,
    order: &["g.row"],
    placed: "g",
    region: "g.region",
    time: None,
    columns: "d.document, g.detail",
    from: "grid g JOIN document d ON d.row = g.row",
    geometry: |row| Ok(grid(row)?.polygon.as_ref().map(Geometry::of_outline)),
    properties: |row| {
        let grid = grid(row)?;
        Ok(Properties::Grid {
            code: grid.code,
            name: grid.name,
            region: grid.region.map(|region| region.to_string()),
            kind: grid.kind,
            responsible: grid.responsible,
            inspectors: grid.inspectors.len(),
            retired: grid.retired,
        })
    },
};

pub(super) const DWELLINGS: Layer = Layer {
    kind: DocumentKind::Household,
    order: &["h.row"],
    placed: "h",
    region: "h.region",
    time: None,
    columns: "d.document, h.*",
    from: "household h JOIN document d ON d.row = h.row",
    geometry: point,
    properties: |row| {
        Ok(Properties::Dwelling {
            region: row.get("region")?,
            address: mask_numbers(&row.get::<_, String>("address")?),
            usage: word(row, "usage")?,
            rooms: row.get("rooms")?,
            tenant_limit: row.get("tenant_limit")?,
            mark: word(row, "mark")?,
        })
    },
};

/// Dwellings behind whose door no household is known: one that has households is shown as those.
pub(super) const DWELLINGS_ALONE: Layer = Layer {
    kind: DocumentKind::Dwelling,
    order: &["w.row"],
    placed: "w",
    from: "dwelling w JOIN document d ON d.row = w.row AND w.gone IS NULL AND w.address <> '' AND NOT EXISTS \
           (SELECT 1 FROM household h WHERE h.region = w.region AND h.door = w.door)",
    region: "w.region",
    columns: "d.document, w.*, NULL AS tenant_limit",
    ..DWELLINGS
};

pub(super) const HAZARDS: Layer = Layer {
    kind: DocumentKind::Hazard,
    order: &["z.row"],
    placed: "z",
    region: "z.region",
    time: Some("z.found_ms"),
    columns: "d.document, z.*",
    from: "hazard z JOIN document d ON d.row = z.row",
    geometry: point,
    properties: |row| {
        Ok(Properties::Hazard {
            region: row.get("region")?,
            household: row.get("household")?,
            address: row.get::<_, Option<String>>("address")?.map(|address| mask_numbers(&address)),
            checklist: row.get("checklist")?,
            item: row.get("item")?,
            grade: word(row, "grade")?,
            state: word(row, "state")?,
            case: row.get("case_document")?,
            found: row.get::<_, Option<i64>>("found_ms")?.map(Moment),
            due: row.get::<_, Option<i64>>("due_ms")?.map(Moment),
        })
    },
};

pub(super) const CASES: Layer = Layer {
    kind: DocumentKind::Case,
    order: &["c.row"],
    placed: "c",
    region: "c.region",
    time: Some("c.reported_ms"),
    columns: "d.document, c.number, c.region, c.state, c.source, c.category, c.severity, c.place, c.latitude, \
              c.longitude, c.reported_ms, c.due_ms, c.closed_ms",
    from: "case_file c JOIN document d ON d.row = c.row",
    geometry: point,
    properties: |row| {
        Ok(Properties::Case {
            number: row.get("number")?,
            region: row.get("region")?,
            state: word(row, "state")?,
            source: word(row, "source")?,
            category: row.get("category")?,
            severity: word(row, "severity")?,
            place: row.get::<_, Option<String>>("place")?.map(|place| mask_numbers(&place)),
            reported: Moment(row.get("reported_ms")?),
            due: row.get::<_, Option<i64>>("due_ms")?.map(Moment),
            closed: row.get::<_, Option<i64>>("closed_ms")?.map(Moment),
        })
    },
};

pub(super) const DEVICES: Layer = Layer {
    kind: DocumentKind::Device,
    order: &["v.row"],
    placed: "v",
    region: "v.region",
    time: None,
    columns: "d.document, v.*",
    from: "device v JOIN document d ON d.row = v.row",
    geometry: point,
    properties: |row| {
        Ok(Properties::Device {
            code: row.get("code")?,
            name: row.get("name")?,
            kind: word(row, "kind")?,
            protocol: word(row, "protocol")?,
            region: row.get("region")?,
            place: row.get::<_, Option<String>>("place")?.map(|place| mask_numbers(&place)),
            owner: row.get("owner")?,
            retired: row.get("retired")?,
        })
    },
};

fn point(row: &Row<'_>) -> rusqlite::Result<Option<Geometry>> {
    Ok(position(row)?.map(Geometry::of_point))
}

/// The grid as its row keeps it, outline and all; an empty one if an older version wrote it differently.
fn grid(row: &Row<'_>) -> rusqlite::Result<Grid> {
    Ok(serde_json::from_str(&row.get::<_, String>("detail")?).unwrap_or_default())
}
