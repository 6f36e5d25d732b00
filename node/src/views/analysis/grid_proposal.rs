//! A division of a region into grids, proposed by its doors and the rule of grids; a person looks at it before anybody
//! records it.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::types::Value;
use serde::Serialize;
use townmesh_crdt::domain::polygon::Polygon;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::{RegionCode, RegionKind};
use townmesh_crdt::domain::tables::{GridRuleRow, Tables};
use townmesh_crdt::domain::town::GridKind;

use super::super::features::ring;
use super::super::query::{BoundingBox, Query, position};
use super::super::reader::{QueryError, Reader};
use super::division::{Capacity, Door, Part, by_ground, by_households};
use super::grids::{Fit, HECTARE_M2, hectares, judged};

/// How far the ground goes beyond the outermost doors, in units of 1e-7 degrees: some twenty metres.
const MARGIN: i32 = 2_000;

/// Which region, and as what kind of ground it is divided.
#[derive(Debug, Clone, Copy)]
pub struct GridProposalFilter {
    /// A village or community.
    pub region: RegionCode,
    /// By the rule of this kind; by that of the region's own where nothing is said.
    pub kind: Option<GridKind>,
}

/// Grids that a region might be divided into, as GeoJSON (RFC 7946). The ground is that around the doors whose place is
/// known, whatever the region's outline: where nobody lives, a grid is drawn by hand.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct GridProposal {
    /// `FeatureCollection`.
    #[serde(rename = "type")]
    pub collection: &'static str,
    /// From north to south.
    pub features: Vec<ProposedGrid>,
    /// Village or community.
    pub region: String,
    /// By the rule of which kind.
    pub kind: GridKind,
    /// Least households of a grid by that rule.
    pub least_households: Option<u32>,
    /// Most households.
    pub most_households: Option<u32>,
    /// Most hectares.
    pub most_hectares: Option<u32>,
    /// Whether each grid keeps the rule.
    pub keeps_rule: bool,
    /// Households whose place is known: each lies in one grid.
    pub households: u64,
    /// Households of which nobody knows the place: no grid is drawn for them.
    pub unplaced: u64,
}

/// A grid that is proposed.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct ProposedGrid {
    /// `Feature`.
    #[serde(rename = "type")]
    pub feature: &'static str,
    /// Its ground.
    pub geometry: Area,
    /// What it would be recorded as, and what the rule says of it.
    pub properties: ProposedProperties,
}

/// An area as GeoJSON has it.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Area {
    /// `Polygon`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Its outline against the clock, longitude and latitude each, the first corner again at the end.
    pub coordinates: [Vec<[f64; 2]>; 1],
}

/// What is said of a proposed grid.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct ProposedProperties {
    /// Village or community.
    pub region: String,
    /// A code that no grid of the region has.
    pub code: String,
    /// What kind of ground.
    pub kind: GridKind,
    /// Households on its ground.
    pub households: u64,
    /// Its ground.
    pub hectares: f64,
    /// How many inspectors the rule asks for.
    pub inspectors_needed: u64,
    /// Whether it keeps the rule with so many.
    pub fit: Fit,
}

impl Reader {
    /// A division of a village or community; `None` where the table has no rule for its kind.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn grid_proposal(
        &self,
        filter: GridProposalFilter,
        tables: &Tables,
    ) -> Result<Option<GridProposal>, QueryError> {
        self.at_once(|| {
            let kind = match filter.kind {
                Some(kind) => kind,
                None => self.kind_of_ground(filter.region)?,
            };
            let rule = tables.typed::<GridRuleRow>().find(|rule| rule.kind == Some(kind));
            let Some(rule) = rule.filter(|rule| rule.most_households.or(rule.most_hectares).is_some()) else {
                return Ok(None);
            };
            let (doors, unplaced) = self.doors_placed(filter.region)?;
            let households = doors.iter().map(|door| door.households).sum();
            let used = self.codes_of_grids(filter.region)?;
            let mut codes = (1_u32..).map(|number| format!("P{number:02}")).filter(|code| !used.contains(code));
            let parts = divided(doors, &rule).into_iter();
            let features: Vec<ProposedGrid> = parts
                .filter_map(|part| {
                    let outline = part.ground.outline()?;
                    Some(proposed(&part, &outline, (filter.region, kind), &rule, codes.next()?))
                })
                .collect();
            Ok(Some(GridProposal {
                collection: "FeatureCollection",
                keeps_rule: features.iter().all(|grid| grid.properties.fit == Fit::Fits),
                features,
                region: filter.region.to_string(),
                kind,
                least_households: rule.least_households,
                most_households: rule.most_households,
                most_hectares: rule.most_hectares,
                households,
                unplaced,
            }))
        })
    }

    /// What the ground of a region is: as somebody recorded it, else as its code says.
    fn kind_of_ground(&self, region: RegionCode) -> Result<GridKind, QueryError> {
        let recorded = self.regions()?.into_iter().find(|row| row.code.as_deref() == Some(&region.to_string()));
        Ok(match recorded.and_then(|row| row.kind).unwrap_or_else(|| region.kind()) {
            RegionKind::Community => GridKind::Community,
            RegionKind::Park => GridKind::Park,
            RegionKind::Village
            | RegionKind::Town
            | RegionKind::District
            | RegionKind::Prefecture
            | RegionKind::Province
            | RegionKind::Unknown(_) => GridKind::Village,
        })
    }

    /// Where how many households are, and how many are nobody knows where.
    fn doors_placed(&self, region: RegionCode) -> Result<(Vec<Door>, u64), QueryError> {
        let mut query = Query::default();
        query.region("h.region", Some(region));
        query.and::<Value>("h.address <> ''", []);
        let places = query.all(&self.connection, "h.latitude, h.longitude FROM household h", "", position)?;
        let mut doors: BTreeMap<(i32, i32), u64> = BTreeMap::new();
        let mut unplaced = 0;
        for place in places {
            match place {
                Some(place) => *doors.entry(place.e7()).or_default() += 1,
                None => unplaced += 1,
            }
        }
        Ok((doors.into_iter().map(|(at, households)| Door { at, households }).collect(), unplaced))
    }

    fn codes_of_grids(&self, region: RegionCode) -> Result<BTreeSet<String>, QueryError> {
        let grids = self.grids(Some(region), None)?.into_iter();
        Ok(grids.filter_map(|(_, grid)| grid.code).map(|code| code.to_uppercase()).collect())
    }
}

/// The parts of the ground around these doors, from north to south.
fn divided(doors: Vec<Door>, rule: &GridRuleRow) -> Vec<Part> {
    let Some(ground) = ground(&doors) else { return Vec::new() };
    let mut parts = match (rule.most_households, rule.most_hectares) {
        (Some(most), _) => {
            let least = rule.least_households.unwrap_or(1);
            by_households(doors, ground, Capacity { least: least.into(), most: most.into() })
        }
        (None, Some(hectares)) => by_ground(doors, ground, f64::from(hectares.max(1)) * HECTARE_M2),
        (None, None) => Vec::new(),
    };
    parts.sort_by_key(|part| {
        let (north, west) = (part.ground.northeast.e7().0, part.ground.southwest.e7().1);
        (std::cmp::Reverse(north), west)
    });
    parts
}

/// The box around doors, a little wider than they are.
fn ground(doors: &[Door]) -> Option<BoundingBox> {
    let wider = |by: i32| {
        doors.iter().filter_map(move |door| {
            let (latitude, longitude) = door.at;
            Position::from_e7(latitude.saturating_add(by), longitude.saturating_add(by))
        })
    };
    let places: Vec<Position> = wider(-MARGIN).chain(wider(MARGIN)).collect();
    BoundingBox::around(&places)
}

fn proposed(
    part: &Part,
    outline: &Polygon,
    (region, kind): (RegionCode, GridKind),
    rule: &GridRuleRow,
    code: String,
) -> ProposedGrid {
    let (hectares, households) = (hectares(outline), part.households);
    let (_, needed) = judged(rule, hectares, households, part.inspectors);
    let inspectors_needed = needed.max(part.inspectors);
    let (fit, _) = judged(rule, hectares, households, inspectors_needed);
    let region = region.to_string();
    ProposedGrid {
        feature: "Feature",
        geometry: Area { kind: "Polygon", coordinates: [ring(outline)] },
        properties: ProposedProperties { region, code, kind, households, hectares, inspectors_needed, fit },
    }
}
