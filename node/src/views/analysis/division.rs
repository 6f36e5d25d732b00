//! Ground with households on it, divided into parts that inspectors can look after.
//!
//! A part is cut in two along a parallel or a meridian, then each half again: so no two parts share ground, all together
//! are the whole, and their sides are straight. No cut touches a door, so that each door lies in one part. Which cut is
//! made depends on places and numbers alone: the same doors are divided alike on every node.

use townmesh_crdt::domain::position::Position;

use crate::views::query::BoundingBox;

/// Doors that are sorted in the search for a better division before the best one so far is taken.
const MOST_SORTED: usize = 2_000_000;
/// Most parts by area: more would be ground that one misplaced door makes as wide as a province.
const MOST_PARTS: u64 = 2_000;
/// Cuts of a part that are tried, the most even ones.
const MOST_CUTS: usize = 64;
/// Areas are measured on a plane: what is cut by area is kept so much below its bound.
const SURE: f64 = 0.999;

/// Households behind doors at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Door {
    /// Latitude and longitude in units of 1e-7 degrees.
    pub(super) at: (i32, i32),
    /// Households.
    pub(super) households: u64,
}

/// How many households one inspector looks after; at least 1 each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Capacity {
    pub(super) least: u64,
    pub(super) most: u64,
}

/// A part of the ground.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    pub(super) ground: BoundingBox,
    pub(super) households: u64,
    /// How many inspectors it takes: more than one only where no cut leaves each half what its inspectors can look after.
    pub(super) inspectors: u64,
}

/// Along which line a part is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Axis {
    /// A parallel: into south and north.
    Latitude,
    /// A meridian: into west and east.
    Longitude,
}

impl Axis {
    fn of(self, at: (i32, i32)) -> i32 {
        match self {
            Self::Latitude => at.0,
            Self::Longitude => at.1,
        }
    }

    /// Both, the one first across which the ground is longer.
    fn both(ground: BoundingBox) -> [Self; 2] {
        let ((south, west), (north, east)) = (ground.southwest.e7(), ground.northeast.e7());
        let narrowed = ground.southwest.latitude().to_radians().cos();
        let (high, wide) = (f64::from(north) - f64::from(south), (f64::from(east) - f64::from(west)) * narrowed);
        if high > wide { [Self::Latitude, Self::Longitude] } else { [Self::Longitude, Self::Latitude] }
    }

    /// The two sides of a line.
    fn cut(self, ground: BoundingBox, line: i32) -> Option<[BoundingBox; 2]> {
        let (southwest, northeast) = (ground.southwest, ground.northeast);
        let ((south, west), (north, east)) = (southwest.e7(), northeast.e7());
        let (end, start) = match self {
            Self::Latitude => (Position::from_e7(line, east)?, Position::from_e7(line, west)?),
            Self::Longitude => (Position::from_e7(north, line)?, Position::from_e7(south, line)?),
        };
        Some([BoundingBox { southwest, northeast: end }, BoundingBox { southwest: start, northeast }])
    }
}

/// A cut, with how many inspectors the southern or western half gets.
struct Cut {
    axis: Axis,
    line: i32,
    inspectors: u64,
    /// How uneven it is: in inspectors, then in households.
    uneven: (u64, u64),
}

/// Parts with as many households as inspectors can look after, by as few inspectors as that takes. Where the households
/// are too few for the least, or none of their number is right (550 by 300 to 500), parts have fewer, never more.
pub(super) fn by_households(doors: Vec<Door>, ground: BoundingBox, capacity: Capacity) -> Vec<Part> {
    let households = sum(&doors);
    let most = capacity.most.max(1);
    let fewest = households.div_ceil(most).max(1);
    let least = capacity.least.clamp(1, (households / fewest).max(1));
    let mut best: Option<(Vec<Part>, u64)> = None;
    let mut search = Search { capacity: Capacity { least, most }, left: MOST_SORTED };
    for inspectors in fewest..=(households / least).max(fewest) {
        let (parts, uncut) = search.divide(doors.clone(), ground, inspectors);
        let is_better = best.as_ref().is_none_or(|(_, others)| uncut < *others);
        if is_better {
            best = Some((parts, uncut));
        }
        if uncut == 0 || search.left == 0 {
            break;
        }
    }
    best.map(|(parts, _)| parts).unwrap_or_default()
}

/// Parts of at most so many square metres, however many households are on them.
pub(super) fn by_ground(doors: Vec<Door>, ground: BoundingBox, most_m2: f64) -> Vec<Part> {
    let area = ground.outline().map_or(0.0, |outline| outline.area_m2());
    let count = (area / (most_m2 * SURE).max(1.0)).ceil() as u64;
    let mut parts = Vec::new();
    divide_evenly(doors, ground, count.clamp(1, MOST_PARTS), &mut parts);
    parts
}

fn divide_evenly(doors: Vec<Door>, ground: BoundingBox, count: u64, parts: &mut Vec<Part>) {
    let halves = || {
        let [axis, _] = Axis::both(ground);
        let (from, to) = (axis.of(ground.southwest.e7()), axis.of(ground.northeast.e7()));
        let share = count / 2;
        let along = i128::from(i64::from(to) - i64::from(from)) * i128::from(share) / i128::from(count.max(1));
        let middle = i32::try_from(i128::from(from) + along).ok()?;
        // No door lies on the line: the next one that is free takes its place.
        let mut taken: Vec<i32> = doors.iter().map(|door| axis.of(door.at)).filter(|at| *at >= middle).collect();
        taken.sort_unstable();
        taken.dedup();
        let line = (middle..to).zip(taken.iter().map(Some).chain(std::iter::repeat(None)));
        let line = line.map_while(|(line, taken)| (taken == Some(&line)).then_some(line)).last();
        let line = line.map_or(middle, |last| last.saturating_add(1));
        (line > from && line < to).then(|| axis.cut(ground, line)).flatten().map(|grounds| (axis, line, grounds, share))
    };
    let Some((axis, line, [one, other], share)) = (if count > 1 { halves() } else { None }) else {
        return parts.push(Part { ground, households: sum(&doors), inspectors: 1 });
    };
    let (first, second): (Vec<Door>, Vec<Door>) = doors.into_iter().partition(|door| axis.of(door.at) < line);
    divide_evenly(first, one, share, parts);
    divide_evenly(second, other, count - share, parts);
}

fn sum(doors: &[Door]) -> u64 {
    doors.iter().map(|door| door.households).sum()
}

struct Search {
    capacity: Capacity,
    /// Doors that may still be sorted in search of something better.
    left: usize,
}

impl Search {
    /// Parts for so many inspectors, who can look after these households; and how many of them share a part.
    fn divide(&mut self, doors: Vec<Door>, ground: BoundingBox, inspectors: u64) -> (Vec<Part>, u64) {
        let whole = Part { ground, households: sum(&doors), inspectors };
        if inspectors <= 1 {
            return (vec![whole], 0);
        }
        let mut best = (vec![whole], inspectors - 1);
        let mut is_first = true;
        for cut in self.cuts(&doors, ground, inspectors) {
            if !is_first && self.left == 0 {
                break;
            }
            is_first = false;
            let Some([one, other]) = cut.axis.cut(ground, cut.line) else { continue };
            let (first, second): (Vec<Door>, Vec<Door>) =
                doors.iter().partition(|door| cut.axis.of(door.at) < cut.line);
            let (mut parts, mut uncut) = self.divide(first, one, cut.inspectors);
            // What is already no better need not be cut further.
            if uncut >= best.1 {
                continue;
            }
            let (rest, more) = self.divide(second, other, inspectors - cut.inspectors);
            parts.extend(rest);
            uncut += more;
            if uncut < best.1 {
                best = (parts, uncut);
            }
            if best.1 == 0 {
                break;
            }
        }
        best
    }

    /// The cuts that leave each half what its inspectors can look after, the most even ones first.
    fn cuts(&mut self, doors: &[Door], ground: BoundingBox, inspectors: u64) -> Vec<Cut> {
        let Capacity { least, most } = self.capacity;
        let all = sum(doors);
        let mut cuts = Vec::new();
        for axis in Axis::both(ground) {
            self.left = self.left.saturating_sub(doors.len());
            let mut sorted = doors.to_vec();
            sorted.sort_unstable_by_key(|door| (axis.of(door.at), door.at));
            let (mut before, mut of_axis) = (0, Vec::new());
            for pair in sorted.windows(2) {
                let [one, next] = pair else { continue };
                before += one.households;
                let (from, to) = (i64::from(axis.of(one.at)), i64::from(axis.of(next.at)));
                if to - from < 2 {
                    continue;
                }
                let Ok(line) = i32::try_from(from + (to - from) / 2) else { continue };
                let after = all - before;
                let fewest = before.div_ceil(most).max(inspectors.saturating_sub(after / least));
                let greatest = (before / least).min(inspectors.saturating_sub(after.div_ceil(most)));
                for share in fewest.max(1)..=greatest.min(inspectors - 1) {
                    let uneven = ((2 * share).abs_diff(inspectors), (before * inspectors).abs_diff(all * share));
                    of_axis.push(Cut { axis, line, inspectors: share, uneven });
                }
            }
            of_axis.sort_by_key(|cut| (cut.uneven, cut.line));
            of_axis.truncate(MOST_CUTS);
            cuts.extend(of_axis);
        }
        cuts
    }
}

#[cfg(test)]
mod tests;
