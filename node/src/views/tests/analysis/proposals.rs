use townmesh_crdt::domain::tables::Tables;

use super::super::super::{HandlingForm, Proposal, Proposals, ProposalsFilter, Square, Subject};
use super::*;

const ALL: ProposalsFilter =
    ProposalsFilter { from_ms: 0, until_ms: LONG, region: None, category: None, days: 90, limit: None };

fn proposals(scene: &Scene, filter: &ProposalsFilter) -> Proposals {
    scene.reader().proposals(filter, &Tables::default()).unwrap()
}

/// The middle of a square, so that what lies near it lies within.
fn middle() -> Position {
    north_by(0.0).map(Square::of).and_then(Square::centre).unwrap()
}

/// Cases, a day one after the other, so many metres north of the middle of a square.
fn cases(metres: &[f64]) -> Vec<Reading> {
    let near = |metres: f64| Position::from_degrees(middle().latitude() + metres / 111_320.0, middle().longitude());
    let case = |(number, metres): (u32, &f64)| done(number, i64::from(number) * DAY).at("甲", near(*metres)).reading();
    (1..).zip(metres).map(case).collect()
}

fn proposed(readings: Vec<Reading>) -> Vec<Proposal> {
    let mut scene = Scene::new();
    scene.feed(readings);
    proposals(&scene, &ALL).rows
}

#[test]
fn the_form_follows_from_what_comes_back() {
    use HandlingForm::{Alone, Comprehensive, Joint};
    for (metres, form, places, recurring, most) in [
        ([-100.0, 0.0, 100.0].as_slice(), Alone, 3, 0, 1),
        (&[-100.0, 0.0, 0.0], Joint, 2, 1, 2),
        (&[-110.0, -55.0, 0.0, 55.0], Alone, 4, 0, 1),
        (&[-110.0, -55.0, 0.0, 55.0, 110.0], Joint, 5, 0, 1),
        (&[0.0, 0.0, 0.0], Comprehensive, 1, 1, 3),
    ] {
        let found = proposed(cases(metres));
        assert_eq!(found.len(), 1, "{metres:?}");
        let one = &found[0];
        assert_eq!((one.form, one.places, one.recurring, one.most), (form, places, recurring, most), "{metres:?}");
        assert_eq!((one.count, one.square), (metres.len() as u64, Square::of(middle())));
        assert!(one.reason.iter().all(|reason| !reason.is_empty()));
    }
    assert!(proposed(cases(&[0.0, 0.0])).is_empty(), "two are no matter for a campaign");
}

#[test]
fn a_proposal_names_the_cases_and_counts_the_households() {
    let mut scene = Scene::new();
    scene.feed(cases(&[-100.0, 0.0, 100.0, 1_000.0]));
    let mut near = household(20, "1号", &[]);
    near.household.position = Some(middle());
    scene.feed([
        Reading::Household(near),
        Reading::Household(household(21, "2号", &[])),
        case(9, 0).at("无位置", None).reading(),
        reading(30, found(20, 4, 0)),
    ]);
    let found = proposals(&scene, &ALL);
    assert_eq!((found.rows.len(), found.unplaced, found.truncated), (1, 1, false));
    let one = &found.rows[0];
    assert_eq!((one.households, one.region.as_str()), (1, NORTH));
    assert_eq!(one.subject, Subject::Category("rubbish".into()));
    let named: Vec<String> = one.cases.iter().map(|case| case.document.clone()).collect();
    assert_eq!(named, [3, 2, 1].map(|number| id(number).to_string()), "the latest first");
    // Days that are too few make nothing come back.
    let strict = ProposalsFilter { days: 1, from_ms: 2 * DAY_MS, ..ALL };
    assert!(proposals(&scene, &strict).rows.is_empty());
}
