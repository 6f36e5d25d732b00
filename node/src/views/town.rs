//! Regions, members, teams, and how much of what there is in each region.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Row;
use serde::Serialize;
use townmesh_crdt::domain::case::{Action, Assignment};
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::hazard::DoorMark;
use townmesh_crdt::domain::key::normalise;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::{RegionCode, RegionKind};
use townmesh_crdt::domain::town::{Grid, TeamKind};
use townmesh_crdt::policy::DocumentKind;

use super::query::{BoundingBox, Listed, Order, Page, Query, json, position, word};
use super::reader::{QueryError, Reader};

/// A region in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct RegionRow {
    /// Its document.
    pub document: String,
    /// Its code.
    pub code: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// What it is.
    pub kind: Option<RegionKind>,
    /// The region that it belongs to.
    pub parent: Option<String>,
    /// A point within it.
    pub position: Option<Position>,
}

/// A member in a list. Names and work phones of staff are known to the whole town.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct MemberRow {
    /// Their document.
    pub document: String,
    /// Staff number or account.
    pub code: String,
    /// Name.
    pub name: Option<String>,
    /// Code of the team.
    pub team: Option<String>,
    /// Where they work.
    pub region: Option<String>,
    /// The post that they fill.
    pub post: Option<String>,
    /// Work phone.
    pub phone: Option<String>,
    /// Left.
    pub retired: bool,
    /// Keys of their roles.
    #[schema(value_type = Vec<townmesh_crdt::domain::role::Role>)]
    pub roles: serde_json::Value,
}

/// A team in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct TeamRow {
    /// Its document.
    pub document: String,
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: Option<String>,
    /// Whom it belongs to.
    pub kind: Option<TeamKind>,
    /// Where it works.
    pub region: Option<String>,
    /// Code of the member who leads it.
    pub leader: Option<String>,
    /// Phone of its duty desk.
    pub phone: Option<String>,
    /// Dissolved.
    pub retired: bool,
    /// Names of the nodes that it works with.
    pub nodes: Vec<String>,
}

/// How much there is in one village or community.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct RegionCount {
    /// Its code.
    pub region: String,
    /// Its name, where the table of regions has it.
    pub name: Option<String>,
    /// Households.
    pub households: u64,
    /// Residents without a last day.
    pub residents: u64,
    /// Households by use.
    pub uses: BTreeMap<String, u64>,
    /// Doors with a yellow mark.
    pub yellow: u64,
    /// Doors with a red mark.
    pub red: u64,
    /// Hazards by state.
    pub hazards: BTreeMap<String, u64>,
    /// Cases by state.
    pub cases: BTreeMap<String, u64>,
    /// Things to settle.
    pub conflicts: u64,
}

/// Region, word, how many.
type Count = (String, String, u64);
/// Region, use, mark, how many households and how many people in them.
type HouseholdCount = (String, String, Option<DoorMark>, u64, u64);

impl Reader {
    /// Every region, by code.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn regions(&self) -> Result<Vec<RegionRow>, QueryError> {
        let select = "d.document, g.* FROM region g JOIN document d ON d.row = g.row";
        Query::default().all(&self.connection, select, "ORDER BY g.code, g.row", |row| {
            Ok(RegionRow {
                document: row.get("document")?,
                code: row.get("code")?,
                name: row.get("name")?,
                kind: word(row, "kind")?,
                parent: row.get("parent")?,
                position: position(row)?,
            })
        })
    }

    /// Members by code, those of a team where one is named.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn members(&self, team: Option<&str>, page: &Page) -> Result<Listed<MemberRow>, QueryError> {
        let mut query = Query::default();
        query.equals("m.team", team);
        let order = Order { columns: &["m.code", "m.row"], descending: false };
        let from = "member m JOIN document d ON d.row = m.row";
        query.list(&self.connection, ("d.document, m.*", from), &order, page, member_row)
    }

    /// The member of a code.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn member(&self, code: &str) -> Result<Option<MemberRow>, QueryError> {
        let mut query = Query::default();
        query.equals("m.code", Some(code));
        let select = "d.document, m.* FROM member m JOIN document d ON d.row = m.row";
        Ok(query.all(&self.connection, select, "ORDER BY m.row LIMIT 1", member_row)?.pop())
    }

    /// The team of a code, or the only one of a name.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn team(&self, code_or_name: &str) -> Result<Option<TeamRow>, QueryError> {
        let select = "d.document, t.* FROM team t JOIN document d ON d.row = t.row";
        let by = |column: &str| {
            let mut query = Query::default();
            query.equals(column, Some(code_or_name));
            query.all(&self.connection, select, "ORDER BY t.row LIMIT 2", team_row)
        };
        if let Some(team) = by("t.code")?.into_iter().next() {
            return Ok(Some(team));
        }
        let mut named = by("t.name")?;
        Ok(if named.len() == 1 { named.pop() } else { None })
    }

    /// Teams by code.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn teams(&self, page: &Page) -> Result<Listed<TeamRow>, QueryError> {
        let order = Order { columns: &["t.code", "t.row"], descending: false };
        let from = "team t JOIN document d ON d.row = t.row";
        Query::default().list(&self.connection, ("d.document, t.*", from), &order, page, team_row)
    }

    /// How much there is in each village and community of a region (of the town, where none is named), by code.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn counts(&self, region: Option<RegionCode>) -> Result<Vec<RegionCount>, QueryError> {
        self.at_once(|| {
            let mut counts: BTreeMap<String, RegionCount> = BTreeMap::new();
            for (code, usage, mark, households, residents) in self.household_counts(region)? {
                let one = counts.entry(code).or_default();
                one.households += households;
                one.residents += residents;
                *one.uses.entry(usage).or_default() += households;
                match mark {
                    Some(DoorMark::Red) => one.red += households,
                    Some(DoorMark::Yellow) => one.yellow += households,
                    Some(DoorMark::Green | DoorMark::Unknown(_)) | None => {}
                }
            }
            for (code, state, hazards) in self.grouped("hazard", "state", region)? {
                counts.entry(code).or_default().hazards.insert(state, hazards);
            }
            for (code, state, cases) in self.grouped("case_file", "coalesce(state, '')", region)? {
                counts.entry(code).or_default().cases.insert(state, cases);
            }
            for (code, _, conflicts) in self.grouped("conflict", "''", region)? {
                counts.entry(code).or_default().conflicts = conflicts;
            }
            self.named(counts)
        })
    }

    /// One pass over the households of a region.
    fn household_counts(&self, region: Option<RegionCode>) -> Result<Vec<HouseholdCount>, QueryError> {
        let mut query = Query::default();
        query.region("region", region);
        let select = "region, coalesce(usage, ''), mark, count(*), sum(residents) FROM household";
        query.all(&self.connection, select, "GROUP BY 1, 2, 3", |row| {
            Ok((row.get(0)?, row.get(1)?, word(row, "mark")?, count(row, 3)?, count(row, 4)?))
        })
    }

    /// Counts the rows of a table by region and a word.
    fn grouped(&self, table: &str, word: &str, region: Option<RegionCode>) -> Result<Vec<Count>, QueryError> {
        let mut query = Query::default();
        query.region("region", region);
        let select = format!("region, {word}, count(*) FROM {table}");
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, count(row, 2)?));
        query.all(&self.connection, &select, "GROUP BY 1, 2", read)
    }

    /// The counts with codes and names.
    fn named(&self, counts: BTreeMap<String, RegionCount>) -> Result<Vec<RegionCount>, QueryError> {
        let regions = self.regions()?.into_iter();
        let names: BTreeMap<String, String> = regions.filter_map(|region| region.code.zip(region.name)).collect();
        let named = counts.into_iter().map(|(code, count)| RegionCount {
            name: names.get(&code).cloned(),
            region: code,
            ..count
        });
        Ok(named.collect())
    }

    /// Names of the nodes of each team that names some, by its code as codes are compared.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn team_nodes(&self) -> Result<BTreeMap<String, BTreeSet<String>>, QueryError> {
        let read = |row: &Row<'_>| Ok((normalise(&row.get::<_, String>("code")?), json(row, "nodes")?));
        let all = Query::default().all(&self.connection, "code, nodes FROM team WHERE nodes <> '[]'", "", read)?;
        Ok(all.into_iter().filter_map(|(code, nodes)| Some((code, serde_json::from_value(nodes).ok()?))).collect())
    }

    /// The grids that stand on a day in which a place lies, by region and code.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn grids_at(&self, place: Position, day: Day) -> Result<Vec<Grid>, QueryError> {
        let mut query = Query::default();
        query.and(GRID_STANDS, [day.to_string()]);
        let point = BoundingBox { southwest: place, northeast: place };
        query.within("g.row", DocumentKind::Grid, Some(point));
        let read = |row: &Row<'_>| row.get::<_, String>("detail");
        let grids = query.all(&self.connection, "g.detail FROM grid g", "ORDER BY g.region, g.code, g.row", read)?;
        let grids = grids.iter().filter_map(|detail| serde_json::from_str::<Grid>(detail).ok());
        Ok(grids.filter(|grid| grid.polygon.as_ref().is_some_and(|polygon| polygon.contains(place))).collect())
    }

    /// The grids of a region and within it, each with the region that it is recorded for (empty: of the town); those that
    /// stand on a day where one is named.
    pub(super) fn grids(&self, region: Option<RegionCode>, on: Option<Day>) -> Result<Vec<(String, Grid)>, QueryError> {
        let mut query = Query::default();
        query.region("region", region);
        if let Some(day) = on {
            query.and(GRID_STANDS, [day.to_string()]);
        }
        let grids = query.all(&self.connection, "region, detail FROM grid", "ORDER BY region, code, row", |row| {
            Ok((row.get::<_, Option<String>>(0)?.unwrap_or_default(), row.get::<_, String>(1)?))
        })?;
        Ok(grids
            .into_iter()
            .filter_map(|(region, detail)| Some((region, serde_json::from_str(&detail).ok()?)))
            .collect())
    }
}

/// The condition that a grid is not retired on a day.
pub(super) const GRID_STANDS: &str = "retired IS NULL OR retired > ?";

/// A count in a column; SQLite's numbers have a sign.
fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

fn member_row(row: &Row<'_>) -> rusqlite::Result<MemberRow> {
    Ok(MemberRow {
        document: row.get("document")?,
        code: row.get("code")?,
        name: row.get("name")?,
        team: row.get("team")?,
        region: row.get("region")?,
        post: row.get("post")?,
        phone: row.get("phone")?,
        retired: row.get("retired")?,
        roles: json(row, "roles")?,
    })
}

fn team_row(row: &Row<'_>) -> rusqlite::Result<TeamRow> {
    Ok(TeamRow {
        document: row.get("document")?,
        code: row.get("code")?,
        name: row.get("name")?,
        kind: word(row, "kind")?,
        region: row.get("region")?,
        leader: row.get("leader")?,
        phone: row.get("phone")?,
        retired: row.get("retired")?,
        nodes: serde_json::from_value(json(row, "nodes")?).unwrap_or_default(),
    })
}

/// Codes of teams and of people that an action names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedCodes {
    /// Teams.
    pub teams: Vec<String>,
    /// People.
    pub people: Vec<String>,
}

impl NamedCodes {
    /// Those that an action of a case sends something to.
    pub fn of(action: &Action) -> Self {
        let teams = |orders: &[Assignment]| orders.iter().map(|order| order.team.clone()).collect();
        if let Action::Dispatch { orders, .. } | Action::Whistle { called: orders, .. } = action {
            return Self { teams: teams(orders), people: vec![] };
        }
        let people = if let Action::Assign { person, .. } = action { vec![person.clone()] } else { vec![] };
        Self { teams: vec![], people }
    }
}

impl Reader {
    /// Names of regions, by code.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn region_names(&self) -> Result<BTreeMap<String, String>, QueryError> {
        let mut query = Query::default();
        query.and::<i64>("code IS NOT NULL AND name IS NOT NULL", []);
        let names = query.all(&self.connection, "code, name FROM region", "", |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(names.into_iter().collect())
    }

    /// Which of these teams and people are not known here. Where no team is, or nobody, the town keeps no such list, and
    /// nothing is said.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn unknown_codes(&self, named: &NamedCodes) -> Result<(Vec<String>, Vec<String>), QueryError> {
        Ok((self.unknown_in("team", &named.teams)?, self.unknown_in("member", &named.people)?))
    }

    fn unknown_in(&self, table: &'static str, codes: &[String]) -> Result<Vec<String>, QueryError> {
        if codes.is_empty() {
            return Ok(vec![]);
        }
        let mut query = Query::default();
        query.and::<i64>("retired = 0", []);
        let known = query.all(&self.connection, &format!("code FROM {table}"), "", |row| row.get::<_, String>(0))?;
        let known: BTreeSet<String> = known.iter().map(|code| normalise(code)).collect();
        let is_unknown = |code: &&String| !known.is_empty() && !known.contains(&normalise(code));
        Ok(codes.iter().filter(is_unknown).cloned().collect())
    }
}
