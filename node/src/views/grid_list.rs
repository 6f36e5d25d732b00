//! The list of grids.

use rusqlite::Row;
use serde::Serialize;
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::town::{Grid, GridKind};

use super::analysis::hectares;
use super::query::{Listed, Order, Page, Query, word};
use super::reader::{QueryError, Reader};
use super::town::GRID_STANDS;

/// Which grids.
#[derive(Debug, Clone)]
pub struct GridFilter {
    /// In this region and within it.
    pub region: Option<RegionCode>,
    /// Of this kind.
    pub kind: Option<GridKind>,
    /// Patrolled by this member: their code.
    pub inspector: Option<String>,
    /// Retired ones, too.
    pub retired: bool,
    /// The day on which a grid is retired or not.
    pub today: Day,
}

/// A grid in a list.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct GridRow {
    /// Its document.
    pub document: String,
    /// Village or community.
    pub region: Option<String>,
    /// Its code there.
    pub code: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// What kind of ground it is.
    pub kind: Option<GridKind>,
    /// Codes of the members who patrol it, or did until it was retired.
    pub inspectors: Vec<String>,
    /// Code of the member who answers for it.
    pub responsible: Option<String>,
    /// Its ground; `None` where nobody drew it.
    pub hectares: Option<f64>,
    /// Since when nobody patrols it.
    pub retired: Option<Day>,
    /// Remarks.
    pub note: Option<String>,
}

impl Reader {
    /// Grids by region and code.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn grid_list(&self, filter: &GridFilter, page: &Page) -> Result<Listed<GridRow>, QueryError> {
        let mut query = Query::default();
        query.region("g.region", filter.region);
        query.equals("g.kind", filter.kind);
        if let Some(inspector) = &filter.inspector {
            query
                .and("EXISTS (SELECT 1 FROM json_each(g.detail, '$.inspectors') WHERE value = ?)", [inspector.clone()]);
        }
        if !filter.retired {
            query.and(GRID_STANDS, [filter.today.to_string()]);
        }
        let order = Order { columns: &["coalesce(g.region, '')", "coalesce(g.code, '')", "g.row"], descending: false };
        let from = "grid g JOIN document d ON d.row = g.row";
        query.list(&self.connection, ("d.document, g.*", from), &order, page, grid_row)
    }
}

fn grid_row(row: &Row<'_>) -> rusqlite::Result<GridRow> {
    let detail: Option<String> = row.get("detail")?;
    let grid: Grid = detail.and_then(|detail| serde_json::from_str(&detail).ok()).unwrap_or_default();
    Ok(GridRow {
        document: row.get("document")?,
        region: row.get("region")?,
        code: row.get("code")?,
        name: row.get("name")?,
        kind: word(row, "kind")?,
        responsible: row.get("responsible")?,
        hectares: grid.polygon.as_ref().map(hectares),
        inspectors: grid.inspectors.into_iter().collect(),
        retired: grid.retired,
        note: grid.note,
    })
}
