//! A town with cells, a settlement, merged residents and a track, in which nothing is wrong.

use townmesh_crdt::entry::Lane;
use townmesh_crdt::id::NodeId;
use townmesh_crdt::namespace::Namespace;

use super::*;
use crate::check::all;
use crate::check::tests::{DOCUMENT, SPACE, log, sound};
use crate::world::Tracked;

pub(crate) const TRACK: DocumentId = DocumentId([7; 16]);
pub(crate) const CONFLICT: ConflictId = ConflictId([5; 16]);

pub(crate) fn cell(column: &str) -> Cell {
    Cell { namespace: SPACE, document: DOCUMENT, record: vec![9], column: column.to_owned() }
}

fn residents() -> Two {
    Two::of(ResidentId([1; ResidentId::LEN]), ResidentId([2; ResidentId::LEN])).unwrap()
}

fn answer_cell() -> Cell {
    Cell { record: residents().key(), ..cell(ANSWER) }
}

fn written(cell: Cell, value: &str, knew: &[usize], seq: u64) -> Written {
    Written {
        cell,
        value: value.to_owned(),
        how: How::Wrote,
        knew: knew.iter().copied().collect(),
        sure: true,
        log: log(1),
        seq,
        ack: Some(seq as usize - 1),
        by: (0, 1),
    }
}

/// Fills a sound town: the first entry of its author writes, the second replaces, settles and merges.
pub(crate) fn fill(town: &mut TownView) {
    let rows = &mut town.rows;
    rows.add(written(cell("standard"), "a", &[], 1));
    rows.add(written(cell("standard"), "b", &[0], 2));
    rows.add(written(cell("team"), "x", &[], 1));
    rows.add(written(cell("team"), "y", &[], 1));
    rows.add(Written { how: How::Settled(CONFLICT), ..written(cell("team"), "y", &[2, 3], 2) });
    rows.add(written(answer_cell(), "keep_first", &[], 2));
    rows.note(DOCUMENT, &Namespace::registry("110115005001"), DocumentKind::Enterprise);
    rows.units.insert(TRACK, NodeId([1; 32]));
    rows.tracks.push(Tracked {
        namespace: SPACE,
        document: TRACK,
        unit: NodeId([1; 32]),
        seconds: [1, 2].into(),
        centers: BTreeSet::new(),
        ack: 1,
    });
    let [first, second] = residents().ids();
    for node in &mut town.nodes[..2] {
        let seen = &mut node.seen;
        seen.cells.insert(cell("standard"), vec!["b".into()]);
        seen.cells.insert(cell("team"), vec!["y".into()]);
        seen.settled.insert(DOCUMENT, vec![(CONFLICT, "y".into(), true)]);
        seen.shown_as.extend([((DOCUMENT, first), first), ((DOCUMENT, second), first)]);
    }
    town.nodes[0].seen.tracks.insert(TRACK, [1, 2, 3].into());
}

/// The second resident is shown by itself.
pub(crate) fn tell_apart(node: &mut NodeView) {
    let [_, second] = residents().ids();
    node.seen.shown_as.insert((DOCUMENT, second), second);
}

fn filled(with: impl FnOnce(&mut TownView)) -> Vec<crate::check::Violation> {
    let mut town = sound();
    fill(&mut town);
    with(&mut town);
    all(&town, true)
}

fn show(town: &mut TownView, column: &str, values: &[&str]) {
    for node in &mut town.nodes[..2] {
        node.seen.cells.insert(cell(column), values.iter().map(|value| (*value).to_owned()).collect());
    }
}

/// What its author had not heard of stands beside it, as one side of a conflict.
#[test]
fn what_was_written_apart_is_shown_beside_each_other() {
    let apart = |values: &[&str]| {
        filled(|town| {
            town.rows.add(written(cell("standard"), "c", &[0], 1));
            show(town, "standard", values);
        })
    };
    assert_eq!(apart(&["b", "c"]), []);
    assert_ne!(apart(&["b"]), []);
    assert_ne!(apart(&["a", "b", "c"]), []);
}

#[test]
fn of_what_a_crash_swallowed_nobody_can_say_whether_it_counts() {
    let swallowed = |values: &[&str]| {
        filled(|town| {
            town.rows.add(Written { ack: None, ..written(cell("standard"), "c", &[0, 1], 3) });
            show(town, "standard", values);
        })
    };
    assert_eq!(swallowed(&["b"]), []);
    assert_eq!(swallowed(&["c"]), []);
    assert_ne!(swallowed(&["a"]), []);
}

#[test]
fn what_a_removed_node_wrote_late_replaces_nothing() {
    let removed = |values: &[&str]| {
        let found = filled(|town| {
            town.removed.insert(NodeId([1; 32]), BTreeMap::from([(log(1), 1)]));
            town.nodes[0].member = false;
            show(town, "standard", values);
        });
        found.into_iter().any(|one| one.rule.contains("tables and books") || one.rule.contains("replaced"))
    };
    assert!(removed(&["b"]));
    // The settlement does not count either: both of its sides stand again.
    let found = filled(|town| {
        town.removed.insert(NodeId([1; 32]), BTreeMap::from([(log(1), 1)]));
        town.nodes[0].member = false;
        show(town, "standard", &["a"]);
        show(town, "team", &["x", "y"]);
    });
    assert!(found.iter().all(|one| !one.rule.contains("replaced") && !one.rule.contains("settled")), "{found:?}");
}

#[test]
fn a_settlement_that_somebody_contradicted_may_be_open_again() {
    let contradicted = filled(|town| {
        town.rows.add(written(cell("team"), "z", &[2], 1));
        show(town, "team", &["y", "z"]);
        for node in &mut town.nodes[..2] {
            node.seen.open.insert((SPACE, DOCUMENT), BTreeMap::from([(CONFLICT, "1".into())]));
            node.seen.settled.insert(DOCUMENT, vec![(CONFLICT, "y".into(), false)]);
        }
    });
    assert_eq!(contradicted, []);
}

#[test]
fn nobody_is_one_with_a_resident_who_is_not_there() {
    let [first, second] = residents().ids();
    let without = |gone: ResidentId| {
        filled(|town| {
            for node in &mut town.nodes[..2] {
                tell_apart(node);
                node.seen.shown_as.remove(&(DOCUMENT, gone));
            }
        })
    };
    assert_eq!([without(first), without(second)], [vec![], vec![]]);
}

#[test]
fn a_track_is_read_by_the_centers_that_its_unit_knew() {
    let read = |role: NodeRole, knew: bool, reads: bool| {
        filled(|town| {
            let id = town.nodes[1].id;
            town.nodes[1].role = role;
            town.rows.tracks[0].centers.extend(knew.then_some(id));
            if reads {
                town.nodes[1].seen.tracks.insert(TRACK, [1, 2].into());
            }
        })
    };
    assert_eq!(read(NodeRole::Center, true, true), []);
    assert_ne!(read(NodeRole::Center, true, false), []);
    assert_eq!(read(NodeRole::Center, false, false), [], "it joined later");
    assert_ne!(read(NodeRole::Village, false, true), []);
    assert_eq!(log(1).lane, Lane::Work);
}
