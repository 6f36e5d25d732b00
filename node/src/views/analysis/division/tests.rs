//! What every division keeps, and that one is found where there is one.

use proptest::prelude::*;

use super::*;

fn place(at: (i32, i32)) -> Position {
    Position::from_e7(at.0, at.1).unwrap()
}

fn ground_of(doors: &[Door]) -> BoundingBox {
    let places: Vec<Position> = doors.iter().map(|door| place(door.at)).collect();
    let around = BoundingBox::around(&places).unwrap();
    let ((south, west), (north, east)) = (around.southwest.e7(), around.northeast.e7());
    BoundingBox { southwest: place((south - 10, west - 10)), northeast: place((north + 10, east + 10)) }
}

/// Doors at places that are apart, in a village of some hundred metres.
fn doors(many: std::ops::Range<usize>, spread: i32, households: u64) -> impl Strategy<Value = Vec<Door>> {
    proptest::collection::btree_map((0..spread, 0..spread), 1..=households, many).prop_map(|doors| {
        let door = |((y, x), households)| Door { at: (397_000_000 + y * 100, 1_163_000_000 + x * 100), households };
        doors.into_iter().map(door).collect()
    })
}

/// How many of the parts hold a place, by their outlines.
fn holding(parts: &[Part], door: &Door) -> Vec<usize> {
    let holds = |part: &Part| part.ground.outline().unwrap().contains(place(door.at));
    parts.iter().enumerate().filter(|(_, part)| holds(part)).map(|(number, _)| number).collect()
}

/// No two share ground, together they are all of it, and each counts the doors on it.
fn check(parts: &[Part], doors: &[Door], ground: BoundingBox) {
    for (number, one) in parts.iter().enumerate() {
        for other in &parts[number + 1..] {
            assert!(one.ground.common(&other.ground).is_none(), "{one:?} {other:?}");
        }
    }
    let area = |ground: &BoundingBox| {
        let ((south, west), (north, east)) = (ground.southwest.e7(), ground.northeast.e7());
        i128::from(north - south) * i128::from(east - west)
    };
    assert_eq!(parts.iter().map(|part| area(&part.ground)).sum::<i128>(), area(&ground), "{parts:?}");
    let mut counted = vec![0; parts.len()];
    for door in doors {
        let holding = holding(parts, door);
        assert_eq!(holding.len(), 1, "{door:?} in {holding:?} of {parts:?}");
        counted[holding[0]] += door.households;
    }
    let told: Vec<u64> = parts.iter().map(|part| part.households).collect();
    assert_eq!(counted, told);
}

/// Whether straight cuts through all of a part can make parts of one inspector each, found by trying all of them.
fn can_be_divided(doors: &[Door], capacity: Capacity) -> bool {
    if (capacity.least..=capacity.most).contains(&sum(doors)) {
        return true;
    }
    [Axis::Latitude, Axis::Longitude].into_iter().any(|axis| {
        let mut lines: Vec<i32> = doors.iter().map(|door| axis.of(door.at)).collect();
        lines.sort_unstable();
        lines.dedup();
        lines.iter().skip(1).any(|line| {
            let (one, other): (Vec<Door>, Vec<Door>) = doors.iter().partition(|door| axis.of(door.at) < *line);
            can_be_divided(&one, capacity) && can_be_divided(&other, capacity)
        })
    })
}

proptest! {
    #[test]
    fn parts_share_nothing_are_everything_and_suit_their_inspectors(
        doors in doors(1..40, 60, 30), least in 1_u64..40, more in 0_u64..60,
    ) {
        let (ground, capacity) = (ground_of(&doors), Capacity { least, most: least + more });
        let parts = by_households(doors.clone(), ground, capacity);
        check(&parts, &doors, ground);
        prop_assert_eq!(&by_households(doors.iter().rev().copied().collect(), ground, capacity), &parts);
        let all = sum(&doors);
        let can_be_right = (1..=all).any(|count| (count * least..=count * (least + more)).contains(&all));
        for part in &parts {
            prop_assert!(part.households <= part.inspectors * (least + more), "{:?}", part);
            prop_assert!(!can_be_right || part.households >= part.inspectors * least, "{:?}", part);
        }
    }

    #[test]
    fn each_part_keeps_the_rule_where_straight_cuts_can_make_it_so(
        doors in doors(1..8, 4, 3), least in 1_u64..5, more in 0_u64..4,
    ) {
        let capacity = Capacity { least, most: least + more };
        let parts = by_households(doors.clone(), ground_of(&doors), capacity);
        let is_divided = parts.iter().all(|part| (least..=least + more).contains(&part.households));
        prop_assert_eq!(is_divided, can_be_divided(&doors, capacity), "{:?} by {:?}: {:?}", doors, capacity, parts);
    }

    #[test]
    fn ground_is_divided_by_its_area(doors in doors(1..40, 6_000, 30), most in 50_000_f64..2_000_000.0) {
        let ground = ground_of(&doors);
        let parts = by_ground(doors.clone(), ground, most);
        check(&parts, &doors, ground);
        for part in &parts {
            let area = part.ground.outline().unwrap().area_m2();
            prop_assert!(area <= most, "{area} of {most}");
        }
    }
}

#[test]
fn a_village_street_is_divided_into_as_few_parts_as_the_rule_allows() {
    let street: Vec<Door> =
        (0..240).map(|number| Door { at: (397_000_000, 1_163_000_000 + number * 1_000), households: 1 }).collect();
    let parts = by_households(street.clone(), ground_of(&street), Capacity { least: 50, most: 100 });
    let counts: Vec<u64> = parts.iter().map(|part| part.households).collect();
    assert_eq!(counts, [80, 80, 80]);
}

#[test]
fn a_house_with_more_households_than_one_can_look_after_stays_whole() {
    let house = |x: i32, households: u64| Door { at: (397_000_000, 1_163_000_000 + x), households };
    let street = vec![house(0, 60), house(1_000, 180), house(2_000, 70)];
    let parts = by_households(street.clone(), ground_of(&street), Capacity { least: 50, most: 100 });
    let told: Vec<(u64, u64)> = parts.iter().map(|part| (part.households, part.inspectors)).collect();
    assert_eq!(told, [(60, 1), (180, 2), (70, 1)]);
}

#[test]
fn doors_on_the_line_move_it_aside() {
    let at = |x: i32| Door { at: (397_000_000, 1_163_000_000 + x), households: 1 };
    let doors: Vec<Door> = [0, 5_000, 5_001, 10_000].map(at).to_vec();
    let ground = ground_of(&doors);
    let parts = by_ground(doors.clone(), ground, ground.outline().unwrap().area_m2() * 0.6);
    check(&parts, &doors, ground);
    assert_eq!(parts.len(), 2);
}
