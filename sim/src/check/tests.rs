//! A checker that cannot fail is a defect: each is shown a town in which what it demands does not hold.

use std::collections::BTreeSet;

use townmesh_crdt::certificate::NodeRole;
use townmesh_crdt::entry::Lane;
use townmesh_crdt::id::{CertificateId, DocumentId, EntryId, NodeId, RecordId};
use townmesh_crdt::namespace::Namespace;

use super::rows::tests as filled;
use super::*;
use crate::world::{Ack, Content, Rows, Stated, Stats};

pub(super) const SPACE: NamespaceId = NamespaceId([1; 16]);
pub(super) const DOCUMENT: DocumentId = DocumentId([2; 16]);
const CARD: CardKey = CardKey { kind: CardKind::Beacon as u8, key: [1; 32] };
const RECORD: RecordId = RecordId([3; 16]);

pub(super) fn log(author: u8) -> LogId {
    LogId { namespace: SPACE, author: NodeId([author; 32]), epoch: 1, lane: Lane::Work }
}

fn ack(author: u8, seq: u64) -> Ack {
    Ack {
        node: author.into(),
        at: 1,
        namespace: Namespace::registry("110115005001"),
        log: log(author),
        seq,
        entry: Some(EntryId([seq as u8; 32])),
        content: Content { document: DOCUMENT, record: Some(RECORD), mark: Some(seq) },
        excused: None,
    }
}

fn node(number: u8, access: Access) -> NodeView {
    NodeView {
        name: format!("node-{number}"),
        id: NodeId([number; 32]),
        role: NodeRole::Village,
        member: true,
        access: BTreeMap::from([(SPACE, access)]),
        logs: BTreeMap::from([(log(1), vec![EntryId([1; 32]), EntryId([2; 32])])]),
        broken: vec![],
        digests: BTreeMap::from([(SPACE, [7; 16])]),
        documents: BTreeMap::from([((SPACE, DOCUMENT), [8; 32])]),
        records: BTreeMap::from([((DOCUMENT, RECORD), false)]),
        marks: BTreeMap::from([((SPACE, DOCUMENT), BTreeSet::from([2]))]),
        cleartext: vec![],
        proofs: BTreeSet::new(),
        removed: BTreeSet::new(),
        unfolded: 0,
        cards: BTreeMap::from([(CARD, 1)]),
        namespaces: ["2026", "2027"].map(|year| Namespace::cases("110115005001", year)).into(),
        redeemed: BTreeSet::new(),
        unerased: vec![],
        auth_bytes: BTreeMap::from([(NodeId([1; 32]), 1_000)]),
        seen: rows::Seen::default(),
    }
}

/// The first node wrote two entries; the second reads them, the third carries them.
pub(super) fn sound() -> TownView {
    TownView {
        nodes: vec![node(1, Access::Hold), node(2, Access::Hold), node(3, Access::Carry)],
        acks: vec![ack(1, 1), ack(1, 2)],
        forks: BTreeMap::new(),
        forged: BTreeSet::new(),
        removed: BTreeMap::new(),
        unheard: BTreeSet::new(),
        stated: vec![],
        flooders: BTreeSet::new(),
        names: BTreeMap::from([(SPACE, Namespace::registry("110115005001"))]),
        stats: Stats { sessions: 1, bytes: 100, largest: 50, ..Stats::default() },
        appended_bytes: 100,
        beacons: 0,
        rows: Rows::default(),
    }
}

fn stated(said: Said, excused: bool) -> Stated {
    Stated { said, places: BTreeMap::new(), excused }
}

type Damage = fn(&mut TownView);

/// What is wrong, the number of the checker that must find it, and the damage.
const LIES: &[(&str, usize, Damage)] = &[
    ("a holder lacks what was acknowledged", 0, |town| town.nodes[1].logs.clear()),
    ("a carrier lacks it", 0, |town| town.nodes[2].logs.clear()),
    ("another entry stands in its place", 0, |town| town.acks[1].entry = Some(EntryId([9; 32]))),
    ("a holder does not show the document", 0, |town| town.nodes[1].documents.clear()),
    ("a holder shows the record as void", 0, |town| {
        town.nodes[1].records.insert((DOCUMENT, RECORD), true);
    }),
    ("one log is held farther", 1, |town| town.nodes[1].logs.get_mut(&log(1)).unwrap().push(EntryId([3; 32]))),
    ("one document reads differently", 1, |town| {
        town.nodes[1].documents.insert((SPACE, DOCUMENT), [9; 32]);
    }),
    ("a digest differs where all else is equal", 1, |town| {
        town.nodes[1].digests.insert(SPACE, [9; 16]);
    }),
    ("entries were never opened", 1, |town| town.nodes[0].unfolded = 1),
    ("a forged log is held", 2, |town| _ = town.forged.insert(log(1))),
    ("a carrier's log is held", 2, |town| {
        town.nodes[0].logs.insert(log(3), vec![EntryId([1; 32])]);
    }),
    ("a stranger's log is held", 2, |town| {
        town.nodes[0].logs.insert(log(9), vec![EntryId([1; 32])]);
    }),
    ("what a removed node wrote late has effect", 3, |town| {
        town.removed.insert(NodeId([1; 32]), BTreeMap::from([(log(1), 1)]));
        town.nodes[0].member = false;
    }),
    ("a removed node's late edit is shown", 3, |town| {
        town.removed.insert(NodeId([1; 32]), BTreeMap::from([(log(1), 1)]));
        town.acks[1].content.record = None;
    }),
    ("an older edit is shown", 4, |town| _ = town.nodes[1].marks.insert((SPACE, DOCUMENT), BTreeSet::from([1]))),
    ("no edit is shown", 4, |town| town.nodes[1].marks.clear()),
    ("a canary stands on a disk", 5, |town| town.nodes[2].cleartext.push("canary-1".to_owned())),
    ("a chain is broken", 6, |town| town.nodes[1].broken.push("entry 2 does not follow entry 1".to_owned())),
    ("one member cannot prove a fork", 7, |town| {
        town.forks.insert(log(1), 2);
        town.nodes[0].proofs.insert(log(1));
    }),
    ("two histories are held and nobody can prove it", 7, |town| {
        town.forks.insert(log(1), 2);
        town.nodes[1].logs.get_mut(&log(1)).unwrap()[1] = EntryId([9; 32]);
    }),
    ("one member does not hold an authority for removed", 8, |town| {
        town.stated.push(stated(Said::AuthorityRemoved(CertificateId([4; 32])), false));
        town.nodes[0].removed.insert(CertificateId([4; 32]));
        town.nodes[1].removed.insert(CertificateId([4; 32]));
    }),
    ("members hold other authorities for removed", 8, |town| {
        town.stated.push(stated(Said::AuthorityRemoved(CertificateId([4; 32])), true));
        town.nodes[0].removed.insert(CertificateId([4; 32]));
    }),
    ("a message is too large", 9, |town| town.stats.largest = townmesh_crdt::bounds::MAX_MESSAGE + 1),
    ("far more is moved than is held", 9, |town| town.stats.bytes = BYTES_A_SESSION + 401),
    ("an office fills auth", 9, |town| _ = town.nodes[0].auth_bytes.insert(NodeId([2; 32]), AUTH_OF_ONE + 1)),
    ("one member has an old card", 10, |town| _ = town.nodes[1].cards.insert(CARD, 0)),
    ("one member has no card of a newer version", 10, |town| {
        town.nodes[0].cards.insert(CardKey { kind: 200, key: [1; 32] }, 1);
    }),
    ("a year is skipped", 11, |town| _ = town.nodes[2].namespaces.insert(Namespace::cases("110115005001", "2030"))),
    ("a month is skipped", 11, |town| {
        town.nodes[2].namespaces.insert(Namespace::events("110115005001", "2026-12"));
        town.nodes[2].namespaces.insert(Namespace::events("110115005001", "2027-02"));
    }),
    ("a key of somebody erased is left", 12, |town| town.nodes[2].unerased.push("key 3".to_owned())),
    ("one member does not know that an invite was used twice", 13, |town| {
        town.stated.push(stated(Said::Redeemed(CertificateId([5; 32])), false));
        town.nodes[0].redeemed.insert(CertificateId([5; 32]));
    }),
    ("a holder does not show a value", 14, |town| {
        filled::fill(town);
        town.nodes[1].seen.cells.clear();
    }),
    ("a holder shows one that was replaced", 15, |town| {
        filled::fill(town);
        town.nodes[1].seen.cells.insert(filled::cell("standard"), vec!["b".into(), "a".into()]);
    }),
    ("a holder shows one that nobody wrote", 15, |town| {
        filled::fill(town);
        town.nodes[1].seen.cells.insert(filled::cell("standard"), vec!["b".into(), "".into()]);
    }),
    ("what somebody wrote who may not is shown", 16, |town| {
        town.rows.overreached.insert("z".into());
        town.nodes[0].seen.cells.insert(filled::cell("grade"), vec!["z".into()]);
    }),
    ("a village was let write a table", 16, |town| {
        filled::fill(town);
        let town_wide = Namespace::town();
        town.rows.documents.insert(DOCUMENT, (town_wide, townmesh_crdt::policy::DocumentKind::Table));
    }),
    ("a vehicle was let open a response", 16, |town| {
        filled::fill(town);
        town.nodes[0].role = NodeRole::Patrol;
        town.rows.documents.insert(DOCUMENT, (Namespace::town(), townmesh_crdt::policy::DocumentKind::Response));
    }),
    ("one member sees a conflict that others do not", 17, |town| {
        town.nodes[1].seen.open.insert((SPACE, DOCUMENT), BTreeMap::from([(filled::CONFLICT, "1".into())]));
    }),
    ("members see other sides of a conflict", 17, |town| {
        for (node, revision) in town.nodes.iter_mut().zip(["1", "2"]) {
            node.seen.open.insert((SPACE, DOCUMENT), BTreeMap::from([(filled::CONFLICT, revision.into())]));
        }
    }),
    ("a settled conflict is open", 18, |town| {
        filled::fill(town);
        town.nodes.iter_mut().for_each(|node| {
            node.seen.open.insert((SPACE, DOCUMENT), BTreeMap::from([(filled::CONFLICT, "1".into())]));
        });
    }),
    ("one member does not tell of a settlement", 18, |town| {
        filled::fill(town);
        town.nodes[1].seen.settled.clear();
    }),
    ("one member shows a merged resident", 19, |town| {
        filled::fill(town);
        filled::tell_apart(&mut town.nodes[1]);
    }),
    ("the unit does not read its track", 20, |town| {
        filled::fill(town);
        town.nodes[0].seen.tracks.clear();
    }),
    ("another office reads it", 20, |town| {
        filled::fill(town);
        town.nodes[1].seen.tracks.insert(filled::TRACK, [1].into());
    }),
    ("a carrier has it in the clear", 20, |town| town.nodes[2].seen.bare_tracks.push("on its disk".into())),
];

#[test]
fn each_checker_finds_what_it_demands_broken() {
    let quiet = all(&sound(), true);
    assert!(quiet.is_empty(), "nothing is wrong: {quiet:?}");
    for (what, number, damage) in LIES {
        let mut town = sound();
        damage(&mut town);
        let (rule, _) = CHECKERS[*number];
        let found = all(&town, true);
        assert!(found.iter().any(|violation| violation.rule == rule), "{what}: {found:?}");
    }
    let covered: BTreeSet<usize> = LIES.iter().map(|(_, number, _)| *number).collect();
    assert_eq!(covered.len(), CHECKERS.len(), "every checker is shown a lie");
    assert_eq!(all(&sound(), false).len(), 1, "a town that does not come to rest is not sound");
}

#[test]
fn what_a_fork_or_a_removal_takes_away_is_not_demanded() {
    let mut town = sound();
    town.forks.insert(log(1), 2);
    for node in &mut town.nodes {
        node.logs.get_mut(&log(1)).unwrap().truncate(1);
        node.proofs.insert(log(1));
    }
    assert_eq!(all(&town, true), []);
    let mut town = sound();
    town.removed.insert(NodeId([1; 32]), BTreeMap::from([(log(1), 1)]));
    town.nodes[0].member = false;
    town.acks[1].content = Content { record: None, mark: None, ..town.acks[1].content };
    assert_eq!(all(&town, true), []);
    // The only disk that held the removal was lost: what the node wrote counts.
    town.acks[1].content.record = Some(RECORD);
    assert_ne!(all(&town, true), []);
    town.unheard.insert(NodeId([1; 32]));
    assert_eq!(all(&town, true), []);
}

/// A disk that went back to its backup and a clock that did make the same bytes again, in another log; so does another
/// node that acts on the same report.
#[test]
fn what_was_also_written_in_time_counts() {
    let late = |again: Option<Ack>| {
        let mut town = sound();
        town.removed.insert(NodeId([1; 32]), BTreeMap::from([(log(1), 1)]));
        town.nodes[0].member = false;
        town.acks[1].content.mark = None;
        town.acks.extend(again.map(|ack| Ack { content: town.acks[1].content, ..ack }));
        all(&town, true).iter().any(|violation| violation.rule == CHECKERS[3].0)
    };
    assert!(late(None));
    assert!(!late(Some(ack(1, 1))), "by itself, in time");
    assert!(!late(Some(ack(2, 1))), "by somebody else");
    assert!(late(Some(ack(1, 3))), "by itself, late too");
}
