//! Grids against the rule of grids: how much ground and how many households each has, where grids overlap, and who lies in
//! none.

use std::collections::BTreeMap;

use rusqlite::types::Value;
use serde::Serialize;
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::polygon::Polygon;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::tables::{GridRuleRow, Tables};
use townmesh_crdt::domain::town::{Grid, GridKind};

use super::super::query::{BoundingBox, Query, position};
use super::super::reader::{QueryError, Reader};
use super::cut;
use super::gaps::Gaps;

/// Steps in each direction by which two grids are compared: a border that both name is no overlap, and less than half a
/// percent of a grid is a slip of the pen.
pub(super) const STEPS: i64 = 32;
/// Most households that are named as lying in no grid.
const MOST: usize = 200;
/// Corners of all pairs that are compared, each with a thousand places.
pub(super) const MOST_COMPARED: usize = 100_000;
/// An outline of more corners is not looked through for sides that cross: that takes the square of their number.
const MOST_CROSSED: usize = 500;
pub(super) const HECTARE_M2: f64 = 10_000.0;

/// Whether a grid keeps the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// It does.
    Fits,
    /// It has fewer households than one inspector should have.
    TooFew,
    /// It has more households, or more ground, than its inspectors can look after.
    TooMuch,
    /// Nobody drew it, or there is no rule for its kind.
    Unknown,
}

/// A grid against the rule.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct GridFit {
    /// Village or community.
    pub region: String,
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: Option<String>,
    /// What kind of ground it is.
    pub kind: Option<GridKind>,
    /// Inspectors.
    pub inspectors: u64,
    /// Households on its ground.
    pub households: u64,
    /// Its ground in hectares; `None` where nobody drew it.
    pub hectares: Option<f64>,
    /// Whether it keeps the rule.
    pub fit: Fit,
    /// How many inspectors the rule asks for.
    pub inspectors_needed: u64,
    /// Its outline crosses itself: what lies on it cannot be told.
    pub crosses_itself: bool,
}

/// Two grids that share ground.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Overlap {
    /// Region and code of each.
    pub grids: [[String; 2]; 2],
    /// How much of the smaller one they share, in percent.
    pub percent: u64,
}

/// A household on no grid's ground.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Uncovered {
    /// Its document.
    pub document: String,
    /// Village or community.
    pub region: String,
    /// Door number.
    pub address: String,
    /// Where it is.
    pub position: Option<Position>,
}

/// The grids of a region.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct GridPlan {
    /// By region and code.
    pub grids: Vec<GridFit>,
    /// Pairs that share ground.
    pub overlaps: Vec<Overlap>,
    /// There were more pairs, or more corners, than could be compared.
    pub overlaps_truncated: bool,
    /// Households whose place lies on no grid, by region.
    pub uncovered: BTreeMap<String, u64>,
    /// Some of them.
    pub uncovered_households: Vec<Uncovered>,
    /// There are more than are named.
    pub truncated: bool,
    /// Households of which nobody knows the place.
    pub unplaced: u64,
    /// Ground of regions that no grid has, with dwellings or without.
    pub ground: Gaps,
}

struct Drawn {
    region: String,
    grid: Grid,
    households: u64,
}

impl Reader {
    /// The grids of a region that stand on a day, against the rule.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn grid_plan(&self, region: Option<RegionCode>, day: Day, tables: &Tables) -> Result<GridPlan, QueryError> {
        self.at_once(|| {
            let mut grids = self.drawn(region, day)?;
            let (overlaps, overlaps_truncated) = overlaps(&grids);
            let outlines: Vec<&Polygon> = grids.iter().filter_map(|drawn| drawn.grid.polygon.as_ref()).collect();
            let ground = self.gaps(region, &outlines)?;
            let mut plan = GridPlan {
                grids: vec![],
                overlaps,
                overlaps_truncated,
                uncovered: BTreeMap::new(),
                uncovered_households: vec![],
                truncated: false,
                unplaced: 0,
                ground,
            };
            self.place_households(region, &mut grids, &mut plan)?;
            plan.truncated = cut(&mut plan.uncovered_households, MOST);
            plan.grids = grids.iter().map(|drawn| fit(drawn, tables)).collect();
            Ok(plan)
        })
    }

    fn drawn(&self, region: Option<RegionCode>, day: Day) -> Result<Vec<Drawn>, QueryError> {
        let grids = self.grids(region, Some(day))?.into_iter();
        Ok(grids.map(|(region, grid)| Drawn { region, grid, households: 0 }).collect())
    }

    /// Counts each household for the grids on whose ground it is.
    fn place_households(
        &self,
        region: Option<RegionCode>,
        grids: &mut [Drawn],
        plan: &mut GridPlan,
    ) -> Result<(), QueryError> {
        let mut query = Query::default();
        query.region("h.region", region);
        query.and::<Value>("h.address <> ''", []);
        let select = "d.document, h.region, h.address, h.latitude, h.longitude FROM household h JOIN document d ON d.row = h.row";
        let households = query.all(&self.connection, select, "ORDER BY h.region, h.address, h.number", |row| {
            Ok(Uncovered {
                document: row.get("document")?,
                region: row.get("region")?,
                address: row.get("address")?,
                position: position(row)?,
            })
        })?;
        let around = |outline: &Polygon| BoundingBox::around(outline.corners());
        let boxes: Vec<_> = grids.iter().map(|drawn| drawn.grid.polygon.as_ref().and_then(around)).collect();
        for household in households {
            let Some(place) = household.position else {
                plan.unplaced += 1;
                continue;
            };
            let mut is_covered = false;
            for (drawn, bounds) in grids.iter_mut().zip(&boxes) {
                let near = bounds.is_some_and(|bounds| bounds.contains(place));
                if near && drawn.grid.polygon.as_ref().is_some_and(|outline| outline.contains(place)) {
                    drawn.households += 1;
                    is_covered = true;
                }
            }
            if !is_covered {
                *plan.uncovered.entry(household.region.clone()).or_default() += 1;
                if plan.uncovered_households.len() <= MOST {
                    plan.uncovered_households.push(household);
                }
            }
        }
        Ok(())
    }
}

/// Places in a box, in rows and columns, none on its sides.
fn places(ground: BoundingBox) -> impl Iterator<Item = Position> {
    (0..STEPS).flat_map(move |y| (0..STEPS).filter_map(move |x| place_in(ground, (x, y))))
}

/// The place in a box after so many of [`STEPS`] to the east and to the north, and half of one.
pub(super) fn place_in(ground: BoundingBox, (x, y): (i64, i64)) -> Option<Position> {
    let ((south, west), (north, east)) = (ground.southwest.e7(), ground.northeast.e7());
    let step = |from: i32, to: i32, place: i64| {
        let along = (i64::from(to) - i64::from(from)) * (2 * place + 1) / (2 * STEPS);
        i32::try_from(i64::from(from) + along).unwrap_or(from)
    };
    Position::from_e7(step(south, north, y), step(west, east, x))
}

/// Pairs that share ground, found by places that lie in both; and whether there was more to compare than is reasonable.
fn overlaps(grids: &[Drawn]) -> (Vec<Overlap>, bool) {
    let mut overlaps = vec![];
    let mut left = MOST_COMPARED;
    for (place, one) in grids.iter().enumerate() {
        for other in grids.iter().skip(place + 1) {
            let (Some(a), Some(b)) = (&one.grid.polygon, &other.grid.polygon) else { continue };
            let around = |outline: &Polygon| BoundingBox::around(outline.corners());
            let Some(common) = around(a).zip(around(b)).and_then(|(a, b)| a.common(&b)) else { continue };
            let corners_of = |outline: &Polygon| outline.corners().len();
            let Some(rest) = left.checked_sub(corners_of(a) + corners_of(b)) else { return (overlaps, true) };
            left = rest;
            let both = places(common).filter(|place| a.contains(*place) && b.contains(*place)).count() as f64;
            let ground = common.outline().map_or(0.0, |ground| ground.area_m2());
            let shared = both / (STEPS * STEPS) as f64 * ground;
            let percent = (shared * 100.0 / a.area_m2().min(b.area_m2()).max(1.0)).round().min(100.0) as u64;
            if percent > 0 {
                let named = |drawn: &Drawn| [drawn.region.clone(), drawn.grid.code.clone().unwrap_or_default()];
                overlaps.push(Overlap { grids: [named(one), named(other)], percent });
            }
        }
    }
    (overlaps, false)
}

fn fit(drawn: &Drawn, tables: &Tables) -> GridFit {
    let Drawn { region, grid, households } = drawn;
    let rule = tables.typed::<GridRuleRow>().find(|rule| rule.kind.is_some() && rule.kind == grid.kind);
    let hectares = grid.polygon.as_ref().map(hectares);
    let inspectors = grid.inspectors.len() as u64;
    let (fit, inspectors_needed) = match (&rule, hectares) {
        (Some(rule), Some(hectares)) => judged(rule, hectares, *households, inspectors),
        (Some(_) | None, Some(_) | None) => (Fit::Unknown, 0),
    };
    GridFit {
        region: region.clone(),
        code: grid.code.clone().unwrap_or_default(),
        name: grid.name.clone(),
        kind: grid.kind,
        inspectors,
        households: *households,
        hectares,
        fit,
        inspectors_needed,
        crosses_itself: grid.polygon.as_ref().is_some_and(crosses_itself),
    }
}

/// The area of an outline in hectares, with two digits.
pub(in crate::views) fn hectares(outline: &Polygon) -> f64 {
    (outline.area_m2() / HECTARE_M2 * 100.0).round() / 100.0
}

fn crosses_itself(outline: &Polygon) -> bool {
    outline.corners().len() <= MOST_CROSSED && outline.crosses_itself()
}

/// One inspector for so many households, or for so much ground.
pub(super) fn judged(rule: &GridRuleRow, hectares: f64, households: u64, inspectors: u64) -> (Fit, u64) {
    let by_households = rule.most_households.map_or(0, |most| households.div_ceil(u64::from(most.max(1))));
    let by_ground = rule.most_hectares.map_or(0, |most| (hectares / f64::from(most.max(1))).ceil() as u64);
    let needed = by_households.max(by_ground).max(1);
    let has = inspectors.max(1);
    if needed > has {
        return (Fit::TooMuch, needed);
    }
    let least = rule.least_households.map_or(0, u64::from) * has;
    if households < least { (Fit::TooFew, needed) } else { (Fit::Fits, needed) }
}
