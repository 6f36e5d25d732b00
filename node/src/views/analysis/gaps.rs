//! Ground of a region that lies on no grid: nobody patrols it, whether somebody lives there or not.

use std::collections::BTreeSet;

use rusqlite::types::Value;
use serde::Serialize;
use townmesh_crdt::domain::polygon::Polygon;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;

use super::super::query::{BoundingBox, Query};
use super::super::reader::{QueryError, Reader};
use super::grids::{HECTARE_M2, MOST_COMPARED, STEPS, place_in};

/// A connected piece of ground on no grid.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Gap {
    /// The region whose ground it is.
    pub region: String,
    /// About how large it is.
    pub hectares: f64,
    /// Of the region's ground, in percent, at least 1.
    pub percent: u64,
    /// The corner of the box around it with the least latitude and longitude.
    pub southwest: Position,
    /// The opposite corner.
    pub northeast: Position,
}

/// The gaps of the regions whose outlines are recorded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Gaps {
    /// By region, the largest first.
    pub gaps: Vec<Gap>,
    /// Regions whose outline is recorded: only theirs are known.
    pub outlined: u64,
    /// There were more corners than could be compared.
    pub truncated: bool,
}

/// A step to the east and one to the north, by which places are named.
type Step = (i64, i64);

impl Reader {
    /// What of a region, and of those within it, lies on none of these grids.
    pub(super) fn gaps(&self, region: Option<RegionCode>, grids: &[&Polygon]) -> Result<Gaps, QueryError> {
        let mut found = Gaps::default();
        let mut left = MOST_COMPARED;
        for (code, outline) in self.outlines(region)? {
            let Some(ground) = BoundingBox::around(outline.corners()) else { continue };
            let near = grids.iter().copied().filter(|grid| {
                BoundingBox::around(grid.corners()).is_some_and(|around| around.common(&ground).is_some())
            });
            let near: Vec<&Polygon> = near.collect();
            let corners = near.iter().map(|grid| grid.corners().len()).sum::<usize>() + outline.corners().len();
            let Some(rest) = left.checked_sub(corners) else {
                found.truncated = true;
                break;
            };
            left = rest;
            found.outlined += 1;
            found.gaps.extend(gaps_of(&code, &outline, ground, &near));
        }
        Ok(found)
    }

    fn outlines(&self, region: Option<RegionCode>) -> Result<Vec<(String, Polygon)>, QueryError> {
        let mut query = Query::default();
        query.region("code", region);
        query.and::<Value>("outline IS NOT NULL", []);
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get::<_, String>(1)?));
        let outlines: Vec<(String, String)> =
            query.all(&self.connection, "code, outline FROM region", "ORDER BY code, row", read)?;
        Ok(outlines
            .into_iter()
            .filter_map(|(code, outline)| Some((code, serde_json::from_str(&outline).ok()?)))
            .collect())
    }
}

/// The pieces of a region's ground that no grid has, told by places in rows and columns. What is less than half a percent
/// of it is a slip of the pen.
fn gaps_of(region: &str, outline: &Polygon, ground: BoundingBox, grids: &[&Polygon]) -> Vec<Gap> {
    let steps = (0..STEPS).flat_map(|y| (0..STEPS).map(move |x| (x, y)));
    let within = steps.filter_map(|step| Some((step, place_in(ground, step)?))).filter(|(_, at)| outline.contains(*at));
    let within: Vec<(Step, Position)> = within.collect();
    let open = within.iter().filter(|(_, at)| !grids.iter().any(|grid| grid.contains(*at))).map(|(step, _)| *step);
    let mut pieces = pieces(open.collect());
    pieces.sort_by_key(|piece| std::cmp::Reverse(piece.len()));
    let all = within.len();
    let gap = |piece: Vec<Step>| {
        let share = piece.len() as f64 / all as f64;
        let percent = (share * 100.0).round() as u64;
        let places: Vec<Position> = piece.iter().filter_map(|step| place_in(ground, *step)).collect();
        let BoundingBox { southwest, northeast } = BoundingBox::around(&places)?;
        let hectares = (outline.area_m2() * share / HECTARE_M2 * 100.0).round() / 100.0;
        (percent > 0).then(|| Gap { region: region.to_owned(), hectares, percent, southwest, northeast })
    };
    pieces.into_iter().filter_map(gap).collect()
}

/// Steps that hang together, side by side.
fn pieces(mut open: BTreeSet<Step>) -> Vec<Vec<Step>> {
    let mut pieces = vec![];
    while let Some(first) = open.pop_first() {
        let (mut piece, mut border) = (vec![], vec![first]);
        while let Some((x, y)) = border.pop() {
            piece.push((x, y));
            let beside = [(x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)];
            border.extend(beside.into_iter().filter(|step| open.remove(step)));
        }
        pieces.push(piece);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(north: f64, east: f64) -> Position {
        Position::from_degrees(39.7 + north * 0.01, 116.3 + east * 0.01).unwrap()
    }

    /// The ground between two corners, in hundredths of a degree north and east of a point.
    fn ground(south: f64, west: f64, north: f64, east: f64) -> Polygon {
        Polygon::new(vec![at(south, west), at(south, east), at(north, east), at(north, west)]).unwrap()
    }

    fn found(outline: &Polygon, grids: &[&Polygon]) -> Vec<Gap> {
        gaps_of("r", outline, BoundingBox::around(outline.corners()).unwrap(), grids)
    }

    #[test]
    fn fields_that_no_grid_has_are_found_with_their_size() {
        let village = ground(0.0, 0.0, 1.0, 1.0);
        // A degree of latitude has 111 km, one of longitude 85.6 km here: 1,113 m by 856 m, some 95 ha.
        let whole = found(&village, &[]);
        assert_eq!((whole.len(), whole[0].percent), (1, 100));
        assert!((94.0..97.0).contains(&whole[0].hectares), "{whole:?}");
        // The western half and the north-eastern quarter are patrolled, so the south-eastern quarter is not.
        let (west, northeast) = (ground(0.0, -0.2, 1.0, 0.5), ground(0.5, 0.5, 1.0, 1.0));
        let gaps = found(&village, &[&west, &northeast]);
        assert_eq!((gaps.len(), gaps[0].percent), (1, 25), "{gaps:?}");
        assert!((23.0..25.0).contains(&gaps[0].hectares), "{gaps:?}");
        assert!(ground(0.0, 0.5, 0.5, 1.0).contains(gaps[0].southwest) && !west.contains(gaps[0].northeast));
        assert_eq!(found(&village, &[&village]), []);
    }

    #[test]
    fn two_pieces_are_two_gaps_and_a_slip_of_the_pen_is_none() {
        let village = ground(0.0, 0.0, 1.0, 1.0);
        let middle = ground(0.0, 0.25, 1.0, 0.5);
        let gaps = found(&village, &[&middle]);
        assert_eq!(gaps.iter().map(|gap| gap.percent).collect::<Vec<_>>(), [50, 25], "the largest first");
        let almost = ground(0.0, 0.0, 1.0, 0.999);
        assert_eq!(found(&village, &[&almost]), []);
    }
}
