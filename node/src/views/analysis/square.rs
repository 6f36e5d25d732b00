//! The squares that the map is divided into.

use std::fmt;

use serde::{Serialize, Serializer};
use townmesh_crdt::domain::position::Position;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

use super::super::query::BoundingBox;

/// Height of a square in units of 1e-7 degrees: 250 metres.
const HEIGHT: i32 = 22_500;
/// Widths are multiples of this, so that every machine comes to the same one, whatever the last digit of its cosine.
const WIDTH_UNIT: f64 = 500.0;
const DEGREE: i32 = 10_000_000;
/// Metres in a unit of latitude.
const METRES: f64 = 0.011_132;

/// A square of the map with sides of about 250 metres, named by its corner of least latitude and longitude. Which square a
/// place lies in follows from the place alone, and is the same on every node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Square {
    south: i32,
    west: i32,
}

impl Square {
    /// The square that holds a place.
    pub fn of(position: Position) -> Self {
        let (latitude, longitude) = position.e7();
        let south = latitude.div_euclid(HEIGHT) * HEIGHT;
        let width = width(south);
        Self { south, west: longitude.div_euclid(width) * width }
    }

    /// Its middle.
    pub fn centre(self) -> Option<Position> {
        Position::from_e7(self.south + HEIGHT / 2, self.west + width(self.south) / 2)
    }

    /// Its corners; what lies on the far sides belongs to its neighbours.
    pub fn bounds(self) -> Option<BoundingBox> {
        let southwest = Position::from_e7(self.south, self.west)?;
        let northeast = Position::from_e7(self.south + HEIGHT - 1, self.west + width(self.south) - 1)?;
        Some(BoundingBox { southwest, northeast })
    }
}

/// The width of the squares of one degree of latitude, taken in its middle.
fn width(south: i32) -> i32 {
    let middle = f64::from(south.div_euclid(DEGREE)) + 0.5;
    let parallel = middle.to_radians().cos().max(0.01);
    ((f64::from(HEIGHT) / parallel / WIDTH_UNIT).round() * WIDTH_UNIT) as i32
}

/// Metres between two places near each other.
pub(super) fn metres_between(one: Position, other: Position) -> f64 {
    let ((south, west), (north, east)) = (one.e7(), other.e7());
    let parallel = ((one.latitude() + other.latitude()) / 2.0).to_radians().cos();
    let (up, right) = (f64::from(north) - f64::from(south), (f64::from(east) - f64::from(west)) * parallel);
    up.hypot(right) * METRES
}

impl fmt::Display for Square {
    /// Five digits are all that a corner has.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let degrees = |units: i32| f64::from(units) / f64::from(DEGREE);
        write!(f, "{:.5},{:.5}", degrees(self.south), degrees(self.west))
    }
}

impl utoipa::PartialSchema for Square {
    fn schema() -> RefOr<Schema> {
        let text =
            ObjectBuilder::new().schema_type(Type::String).pattern(Some(r"^-?[0-9]+\.[0-9]{5},-?[0-9]+\.[0-9]{5}$"));
        text.description(Some("latitude,longitude of its south-western corner")).into()
    }
}

impl utoipa::ToSchema for Square {}

impl Serialize for Square {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(latitude: f64, longitude: f64) -> Position {
        Position::from_degrees(latitude, longitude).unwrap()
    }

    #[test]
    fn a_square_is_found_by_its_own_name_and_is_square() {
        for (latitude, longitude) in
            [(39.7354, 116.3310), (-39.7354, -116.3310), (0.0, 0.0), (71.3, 179.9), (-90.0, 7.0)]
        {
            let square = Square::of(place(latitude, longitude));
            let named: Position = square.to_string().parse().unwrap();
            assert_eq!(Square::of(named), square, "{square}");
        }
        let bounds = Square::of(place(39.7354, 116.3310)).bounds().unwrap();
        let (southwest, northeast) = (bounds.southwest, bounds.northeast);
        let side = |one, other| metres_between(one, other).round();
        let southeast = Position::from_e7(southwest.e7().0, northeast.e7().1).unwrap();
        assert_eq!((side(southwest, southeast), side(southeast, northeast)), (248.0, 250.0));
    }

    #[test]
    fn neighbours_meet_without_gap() {
        let square = Square::of(place(39.7354, 116.3310));
        let (south, west) = square.bounds().unwrap().southwest.e7();
        let at = |latitude, longitude| Square::of(Position::from_e7(latitude, longitude).unwrap());
        assert_eq!([at(south, west), at(south + HEIGHT - 1, west + width(south) - 1)], [square; 2]);
        for beside in
            [at(south - 1, west), at(south, west - 1), at(south + HEIGHT, west), at(south, west + width(south))]
        {
            assert_ne!(beside, square);
        }
    }
}
