//! Areas on the map.

use serde::{Deserialize, Serialize};

use super::position::Position;
use super::record::Scalar;
use super::varint;
use crate::value::Value;

/// The outline of an area without holes: 3 to [`Polygon::MAX_CORNERS`] corners in order, the last joined to the first.
/// Not for areas across the 180th meridian.
///
/// As bytes: the number of corners, then for each the step of latitude and of longitude from the corner before (from
/// 0, 0 for the first), all as zigzag LEB128 (the number of corners without zigzag).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Position>", into = "Vec<Position>")]
pub struct Polygon(Vec<Position>);

/// Corners that make no area.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an area has 3 to {} corners, here are {corners}; leave out corners that matter little", Polygon::MAX_CORNERS)]
pub struct PolygonError {
    corners: usize,
}

crate::openapi::described!(Polygon => crate::openapi::forms::list(crate::openapi::forms::position(), 3, Self::MAX_CORNERS));

impl Polygon {
    /// Most corners of an area.
    pub const MAX_CORNERS: usize = 2_000;

    /// The area with these corners.
    pub fn new(corners: Vec<Position>) -> Result<Self, PolygonError> {
        if (3..=Self::MAX_CORNERS).contains(&corners.len()) {
            Ok(Self(corners))
        } else {
            Err(PolygonError { corners: corners.len() })
        }
    }

    /// The corners in order.
    pub fn corners(&self) -> &[Position] {
        &self.0
    }

    /// Whether a position lies within; on the outline itself either answer is possible, but always the same.
    pub fn contains(&self, position: Position) -> bool {
        let wide = |position: Position| {
            let (latitude, longitude) = position.e7();
            (i128::from(latitude), i128::from(longitude))
        };
        let (y, x) = wide(position);
        let edges = self.0.iter().zip(self.0.iter().cycle().skip(1));
        // A ray to the east crosses the outline an odd number of times from within.
        let crossed = edges.filter(|(from, to)| {
            let ((y1, x1), (y2, x2)) = (wide(**from), wide(**to));
            let side = (x2 - x1) * (y - y1) - (x - x1) * (y2 - y1);
            (y1 > y) != (y2 > y) && (side > 0) == (y2 > y1)
        });
        crossed.count() % 2 == 1
    }

    /// Whether some of it lies in the box between these corners, which does not cross the 180th meridian.
    pub fn meets(&self, southwest: Position, northeast: Position) -> bool {
        let corners = frame(southwest, northeast).map(|(latitude, longitude)| Position::from_e7(latitude, longitude));
        let outline = self.0.iter().chain(self.0.first()).copied();
        line_meets(outline, southwest, northeast) || corners.iter().flatten().any(|corner| self.contains(*corner))
    }

    /// Whether two of its sides cross each other: then nobody can say what lies within. Sides that only touch do not.
    pub fn crosses_itself(&self) -> bool {
        let sides: Vec<(Point, Point)> =
            self.0.iter().zip(self.0.iter().cycle().skip(1)).map(|(from, to)| (from.e7(), to.e7())).collect();
        let pairs = sides
            .iter()
            .enumerate()
            .flat_map(|(place, one)| sides.iter().skip(place + 1).map(move |other| (*one, *other)));
        pairs.into_iter().any(|(one, other)| cross_within(one, other))
    }

    /// Its area in square metres, on a plane that touches the Earth at its first corner; for areas of a town.
    pub fn area_m2(&self) -> f64 {
        const METRES: f64 = 0.011_132;
        let Some(first) = self.0.first() else { return 0.0 };
        let parallel = first.latitude().to_radians().cos();
        let flat = |corner: &Position| {
            let ((latitude, longitude), (south, west)) = (corner.e7(), first.e7());
            let (up, right) = (f64::from(latitude) - f64::from(south), f64::from(longitude) - f64::from(west));
            (right * parallel * METRES, up * METRES)
        };
        let sides = self.0.iter().zip(self.0.iter().cycle().skip(1));
        let twice: f64 = sides.map(|(from, to)| (flat(from), flat(to))).map(|((x, y), (u, v))| x * v - u * y).sum();
        twice.abs() / 2.0
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * 6);
        varint::write(&mut bytes, self.0.len() as u64);
        let (mut latitude, mut longitude) = (0, 0);
        for corner in &self.0 {
            let (next_latitude, next_longitude) = corner.e7();
            varint::write_step(&mut bytes, latitude, next_latitude.into());
            varint::write_step(&mut bytes, longitude, next_longitude.into());
            (latitude, longitude) = (next_latitude.into(), next_longitude.into());
        }
        bytes
    }

    fn from_bytes(mut rest: &[u8]) -> Option<Self> {
        let corners = usize::try_from(varint::read(&mut rest)?).ok().filter(|corners| *corners <= Self::MAX_CORNERS)?;
        let (mut latitude, mut longitude) = (0, 0);
        let mut positions = Vec::with_capacity(corners);
        for _ in 0..corners {
            latitude = varint::read_step(&mut rest, latitude)?;
            longitude = varint::read_step(&mut rest, longitude)?;
            positions.push(Position::from_e7(latitude.try_into().ok()?, longitude.try_into().ok()?)?);
        }
        Self::new(positions).ok().filter(|_| rest.is_empty())
    }
}

impl TryFrom<Vec<Position>> for Polygon {
    type Error = PolygonError;
    fn try_from(corners: Vec<Position>) -> Result<Self, PolygonError> {
        Self::new(corners)
    }
}

impl From<Polygon> for Vec<Position> {
    fn from(polygon: Polygon) -> Self {
        polygon.0
    }
}

/// Whether some of a line through these places lies in the box between these corners, which does not cross the 180th
/// meridian; nor does the line.
pub fn line_meets(places: impl IntoIterator<Item = Position>, southwest: Position, northeast: Position) -> bool {
    let ((south, west), (north, east)) = (southwest.e7(), northeast.e7());
    let is_within =
        |(latitude, longitude): Point| (south..=north).contains(&latitude) && (west..=east).contains(&longitude);
    let frame = frame(southwest, northeast);
    let mut before = None;
    places.into_iter().map(Position::e7).any(|place| {
        let step = before.replace(place).map(|before| (before, place));
        // Without an end within, it lies in the box only where it crosses one of its sides.
        let mut sides = frame.iter().zip(frame.iter().cycle().skip(1));
        is_within(place) || step.is_some_and(|step| sides.any(|(from, to)| cross((*from, *to), step)))
    })
}

/// The corners of a box in order.
fn frame(southwest: Position, northeast: Position) -> [Point; 4] {
    let ((south, west), (north, east)) = (southwest.e7(), northeast.e7());
    [(south, west), (south, east), (north, east), (north, west)]
}

type Point = (i32, i32);

/// On which side of a line a point lies; 0 for one on it.
fn side((from, to): (Point, Point), point: Point) -> i128 {
    let wide = |(y, x): Point| (i128::from(y), i128::from(x));
    let ((y1, x1), (y2, x2), (y, x)) = (wide(from), wide(to), wide(point));
    ((x2 - x1) * (y - y1) - (x - x1) * (y2 - y1)).signum()
}

/// Whether two stretches cross each other between their ends.
fn cross_within((a, b): (Point, Point), (c, d): (Point, Point)) -> bool {
    side((a, b), c) * side((a, b), d) < 0 && side((c, d), a) * side((c, d), b) < 0
}

/// Whether two stretches cross or touch.
fn cross((a, b): (Point, Point), (c, d): (Point, Point)) -> bool {
    let between = |(from, to): (Point, Point), point: Point| {
        let within = |a: i32, b: i32, one: i32| (a.min(b)..=a.max(b)).contains(&one);
        within(from.0, to.0, point.0) && within(from.1, to.1, point.1)
    };
    let (c_side, d_side) = (side((a, b), c), side((a, b), d));
    let (a_side, b_side) = (side((c, d), a), side((c, d), b));
    if c_side * d_side < 0 && a_side * b_side < 0 {
        return true;
    }
    let touches = |line: (Point, Point), point: Point, side: i128| side == 0 && between(line, point);
    touches((a, b), c, c_side) || touches((a, b), d, d_side) || touches((c, d), a, a_side) || touches((c, d), b, b_side)
}

impl Scalar for Polygon {
    fn to_value(&self) -> Value {
        Value::Bytes(self.to_bytes())
    }
    fn from_value(value: &Value) -> Option<Self> {
        Self::from_bytes(value.as_bytes()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::position::tests::any_position;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trips(corners in proptest::collection::vec(any_position(), 3..20)) {
            let polygon = Polygon::new(corners).unwrap();
            prop_assert_eq!(Polygon::from_value(&polygon.to_value()), Some(polygon));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Polygon::from_bytes(&bytes);
        }
    }

    fn area(corners: &[(i32, i32)]) -> Polygon {
        Polygon::new(corners.iter().filter_map(|(y, x)| Position::from_e7(*y, *x)).collect()).unwrap()
    }

    #[test]
    fn a_line_meets_a_box_where_it_ends_in_it_or_crosses_it_and_not_where_it_goes_around() {
        let place = |(y, x): (i32, i32)| Position::from_e7(y, x).unwrap();
        let meets = |line: &[(i32, i32)]| line_meets(line.iter().copied().map(place), place((10, 10)), place((20, 20)));
        assert!(meets(&[(15, 15)]) && meets(&[(0, 0), (10, 10)]), "a place, and a corner that is touched");
        assert!(meets(&[(15, 0), (15, 40)]) && meets(&[(0, 15), (40, 16)]), "through");
        assert!(!meets(&[(0, 0), (0, 40), (40, 40), (40, 0)]), "an open line does not come back");
        assert!(!meets(&[(0, 15), (15, 35)]) && !meets(&[(25, 0)]) && !meets(&[]), "past a corner");
    }

    #[test]
    fn an_outline_that_crosses_itself_is_seen_and_one_that_touches_is_none() {
        assert!(area(&[(0, 0), (40, 40), (0, 40), (40, 0)]).crosses_itself(), "a bow");
        assert!(!area(&[(0, 0), (0, 40), (40, 40), (40, 0)]).crosses_itself());
        assert!(!area(&[(0, 0), (0, 40), (20, 20), (40, 40), (40, 0), (20, 20)]).crosses_itself(), "a waist");
        assert!(!area(&[(0, 0), (0, 40), (0, 20)]).crosses_itself(), "a line");
    }

    #[test]
    fn an_area_is_measured_in_square_metres() {
        // At 60 degrees a degree of longitude is half as wide.
        let square = area(&[(600_000_000, 0), (600_000_000, 20_000), (600_010_000, 20_000), (600_010_000, 0)]);
        let metres = 0.011_132 * 10_000.0;
        assert!((square.area_m2() - metres * metres).abs() < 0.01 * metres * metres, "{}", square.area_m2());
        assert!(area(&[(0, 0), (0, 40), (0, 20)]).area_m2() < 1e-6);
    }

    #[test]
    fn a_bent_area_contains_its_arms_and_not_its_notch() {
        let corners = [(0, 0), (0, 40), (40, 40), (40, 20), (20, 20), (20, 0)];
        let polygon = Polygon::new(corners.iter().filter_map(|(y, x)| Position::from_e7(*y, *x)).collect()).unwrap();
        for ((y, x), inside) in [
            ((10, 10), true),
            ((30, 30), true),
            ((10, 39), true),
            ((30, 10), false),
            ((-1, 10), false),
            ((10, 41), false),
        ] {
            assert_eq!(polygon.contains(Position::from_e7(y, x).unwrap()), inside, "{y},{x}");
        }
        assert!(Polygon::new(Vec::new()).is_err());
    }
}
