//! Lists of cases, filtered and sorted.

use townmesh_crdt::command::read::Reading;
use townmesh_crdt::domain::case::{Action, CaseState, Lamp, LimitClock, Severity, Source};
use townmesh_crdt::domain::role::Role;

use super::super::case_list::Way;
use super::super::query::BoundingBox;
use super::super::{CaseFilter, CaseSort, QueryError, SortOrder};
use super::assessment::{Life, MINUTE, NORTH, SOUTH, scene};
use super::*;

/// When lamps are looked at: the limit of every case has passed.
const NOW: i64 = 5_000 * MINUTE;

/// The numbers of the cases of the scene that a filter finds, in the order of the list.
fn numbers(reader: &Reader, filter: &CaseFilter) -> Vec<u32> {
    let listed = reader.cases(filter, &Page::default()).unwrap();
    assert!(listed.next.is_none());
    listed.rows.iter().map(|row| number(&row.document)).collect()
}

fn number(document: &str) -> u32 {
    (0..100).find(|number| id(*number).to_string() == document).unwrap()
}

fn filter() -> CaseFilter {
    CaseFilter { now_ms: NOW, ..CaseFilter::default() }
}

fn sorted(sort: CaseSort, order: SortOrder) -> CaseFilter {
    CaseFilter { sort: Some(sort), order: Some(order), ..filter() }
}

/// A graver case that was filed later, with a shorter limit.
fn grave() -> Reading {
    let (minutes, clock) = (30, LimitClock::Emergency);
    let file = Action::File { category: "gas".into(), severity: Severity::Urgent, minutes, clock };
    Life::new(9, NORTH, Source::Public)
        .at("幸福西路", Some(place()))
        .step(1, Role::IntakeClerk, Action::Accept)
        .step(2, Role::DutyHead, file)
        .later(5)
        .reading()
}

fn town() -> Scene {
    let mut scene = scene();
    scene.feed([grave()]);
    scene
}

#[test]
fn cases_without_what_they_are_sorted_by_come_last() {
    use CaseSort::{Closed, Due, Filed, Reported, Severity};
    use SortOrder::{Ascending, Descending};
    let scene = town();
    let reader = scene.reader();
    for (sort, order, expected) in [
        (Reported, Ascending, [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (Reported, Descending, [9, 8, 7, 6, 5, 4, 3, 2, 1]),
        // Filed in the seventh minute, the others in the first; due in the 37th, the others in the 61st.
        (Filed, Ascending, [3, 4, 5, 6, 7, 8, 9, 1, 2]),
        (Filed, Descending, [9, 8, 7, 6, 5, 4, 3, 2, 1]),
        (Due, Ascending, [9, 3, 4, 5, 6, 7, 8, 1, 2]),
        (Due, Descending, [8, 7, 6, 5, 4, 3, 9, 2, 1]),
        // Void in the third minute, closed in the 71st and the 900th.
        (Closed, Ascending, [8, 4, 3, 1, 2, 5, 6, 7, 9]),
        (Closed, Descending, [3, 4, 8, 9, 7, 6, 5, 2, 1]),
        (Severity, Ascending, [3, 4, 5, 6, 7, 8, 9, 1, 2]),
        (Severity, Descending, [9, 8, 7, 6, 5, 4, 3, 2, 1]),
    ] {
        assert_eq!(numbers(&reader, &sorted(sort, order)), expected, "{sort:?} {order:?}");
    }
    let usual = |sort| numbers(&reader, &CaseFilter { sort: Some(sort), ..filter() });
    assert_eq!(usual(Due), numbers(&reader, &sorted(Due, Ascending)));
    assert_eq!(usual(Severity), numbers(&reader, &sorted(Severity, Descending)));
    assert_eq!(numbers(&reader, &filter()), numbers(&reader, &sorted(Reported, Descending)));
}

/// Filters with the cases that they find.
fn filters() -> Vec<(CaseFilter, Vec<u32>)> {
    let of = |region: &str| CaseFilter { region: region.parse().ok(), ..filter() };
    vec![
        (of(NORTH), vec![1, 2, 3, 4, 9]),
        (of("110115005"), vec![1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (CaseFilter { category: Some("rubbish".into()), ..of(NORTH) }, vec![3, 4]),
        (CaseFilter { category: Some("gas".into()), ..filter() }, vec![9]),
        (CaseFilter { source: Some(Source::Public), ..filter() }, vec![3, 9]),
        (CaseFilter { source: Some(Source::Public), severity: Some(Severity::General), ..filter() }, vec![3]),
        (CaseFilter { severity: Some(Severity::Urgent), ..filter() }, vec![9]),
        (CaseFilter { reporter: Some("inspector-video".into()), ..filter() }, vec![5]),
        // Who handled, whose team they are of or not; and who only filed.
        (CaseFilter { person: Some("handler".into()), ..filter() }, vec![3, 4, 5, 7]),
        (CaseFilter { person: Some("duty_head-public".into()), ..filter() }, vec![3, 9]),
        (CaseFilter { person: Some("nobody".into()), ..filter() }, vec![]),
        (CaseFilter { team: Some("b".into()), ..filter() }, vec![5, 6, 7]),
        (CaseFilter { state: Some(CaseState::Closed), ..filter() }, vec![3, 4]),
        (CaseFilter { state: Some(CaseState::Accepted), ..filter() }, vec![]),
        (CaseFilter { open: Some(true), ..filter() }, vec![1, 5, 6, 7, 9]),
        (CaseFilter { open: Some(false), ..of(SOUTH) }, vec![8]),
        (CaseFilter { lamp: Some(Lamp::Red), ..filter() }, vec![6, 7, 9]),
        (CaseFilter { supervised: true, ..filter() }, vec![]),
        (CaseFilter { from_ms: Some(MINUTE), until_ms: Some(6 * MINUTE), ..filter() }, vec![9]),
        (CaseFilter { text: Some("暴露垃圾".into()), ..of(SOUTH) }, vec![5, 6, 7, 8]),
        (CaseFilter { text: Some("幸福".into()), severity: Some(Severity::Urgent), ..filter() }, vec![9]),
        (CaseFilter { bounds: Some(BoundingBox { southwest: place(), northeast: place() }), ..filter() }, vec![9]),
    ]
}

/// The place of the ninth case; the others have none.
fn place() -> Position {
    Position::from_degrees(39.7, 116.3).unwrap()
}

#[test]
fn a_list_is_the_same_by_whatever_way_it_is_found() {
    let scene = town();
    let reader = scene.reader();
    for (filter, expected) in filters() {
        for sort in CaseSort::ALL {
            let filter = CaseFilter { sort: Some(*sort), ..filter.clone() };
            let by = |way| reader.cases_by(&filter, &Page::default(), way).unwrap().rows;
            let along = by(Way::Along);
            let mut found: Vec<u32> = along.iter().map(|row| number(&row.document)).collect();
            found.sort_unstable();
            assert_eq!(found, expected, "{filter:?}");
            assert_eq!(by(filter.usual_way()), along, "{filter:?}");
            for (select, query) in filter.narrowed() {
                assert_eq!(by(Way::Few(select, query)), along, "{filter:?}");
            }
        }
    }
}

#[test]
fn pages_go_on_where_they_were_while_cases_come_and_change() {
    let mut scene = town();
    for sort in CaseSort::ALL {
        for order in SortOrder::ALL {
            let filter = sorted(*sort, *order);
            let whole = numbers(&scene.reader(), &filter);
            for limit in 1..=9 {
                let (mut page, mut seen) = (Page { limit: Some(limit), after: None }, Vec::new());
                loop {
                    let listed = scene.reader().cases(&filter, &page).unwrap();
                    assert!(listed.rows.len() <= limit as usize);
                    seen.extend(listed.rows.iter().map(|row| number(&row.document)));
                    let Some(next) = listed.next else { break };
                    page.after = Some(next);
                }
                assert_eq!(seen, whole, "{filter:?} by {limit}");
            }
        }
    }
    // The last case of the first page is closed meanwhile, and another one comes.
    let filter = sorted(CaseSort::Due, SortOrder::Ascending);
    let first = scene.reader().cases(&filter, &Page { limit: Some(5), after: None }).unwrap();
    assert_eq!(first.rows.last().map(|row| number(&row.document)), Some(6));
    let closed = Life::filed(6, SOUTH, Source::Patrol).dispatched("b").handled(3).verified(4, true).closed(5);
    scene.feed([closed.reading(), Life::filed(10, SOUTH, Source::Patrol).reading()]);
    let rest = scene.reader().cases(&filter, &Page { limit: None, after: first.next }).unwrap();
    assert_eq!(rest.rows.iter().map(|row| number(&row.document)).collect::<Vec<_>>(), [7, 8, 10, 1, 2]);
}

#[test]
fn a_cursor_of_another_sort_is_refused_by_name() {
    let scene = town();
    let reader = scene.reader();
    let by_due = CaseFilter { sort: Some(CaseSort::Due), ..filter() };
    let after = reader.cases(&by_due, &Page { limit: Some(1), after: None }).unwrap().next;
    let page = Page { limit: None, after };
    assert_eq!(reader.cases(&by_due, &page).unwrap().rows.len(), 8);
    for other in [filter(), sorted(CaseSort::Due, SortOrder::Descending)] {
        let refused = reader.cases(&other, &page);
        assert!(matches!(&refused, Err(QueryError::CursorOfSort { given, .. }) if given == "due asc"), "{refused:?}");
    }
    let of_hazards = Page { limit: None, after: Some("WzEsMl0".into()) };
    assert!(matches!(reader.cases(&filter(), &of_hazards), Err(QueryError::Cursor)));
}
