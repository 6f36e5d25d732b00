use super::*;
use crate::domain::date::Day;
use crate::domain::region::RegionCode;
use crate::id::{NodeId, RecordId};
use minicbor::bytes::ByteVec;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const FROM: &str = "110115005001";
const TO: &str = "110115005002";
const ELSEWHERE: &str = "110115005003";

fn moved() -> DocumentId {
    DocumentId([1; 16])
}

fn household(number: u8) -> DocumentId {
    DocumentId([number; 16])
}

fn region(code: &str) -> RegionCode {
    code.parse().unwrap()
}

/// The events of one move, each under its name.
#[derive(Debug, Clone, Default)]
struct History {
    events: BTreeMap<RecordId, MoveInput>,
    names: BTreeMap<&'static str, RecordId>,
}

impl History {
    /// Adds what a node of `village` (a center where it is empty) did, having seen the events named.
    fn add(&mut self, name: &'static str, seen: &[&str], village: &str, step: MoveStep) -> RecordId {
        let seen: BTreeSet<RecordId> = seen.iter().map(|name| self.names[name]).collect();
        let event = MoveEvent { moved: moved(), by: name.into(), seen, step };
        let id = crate::change::record_id(&event.to_bytes().unwrap());
        let right = Right { clerk: true, center: village.is_empty(), regions: [village.to_owned()].into() };
        let time = 100 + self.events.len() as u64;
        self.events.insert(id, MoveInput { event, time, author: NodeId([7; 32]), right, void: None });
        self.names.insert(name, id);
        id
    }

    fn give(&mut self, name: &'static str, seen: &[&str], to: &str) -> RecordId {
        let giving = Giving {
            from: region(FROM),
            to: region(to),
            household: household(2),
            resident: ResidentId([3; 8]),
            day: Day(20_000),
            content: ByteVec::from(name.as_bytes().to_vec()),
        };
        self.add(name, seen, FROM, MoveStep::Give(giving))
    }

    fn accept(&mut self, name: &'static str, seen: &[&str], village: &str, give: RecordId, into: u8) -> RecordId {
        let household = household(into);
        let acceptance = Acceptance { give, household, resident: resident_in(moved(), household) };
        self.add(name, seen, village, MoveStep::Accept(acceptance))
    }

    fn settle(&mut self, name: &'static str, seen: &[&str], between: [&str; 2], stands: Option<&str>) -> RecordId {
        let between = between.map(|name| self.names[name]);
        let stands = stands.map(|name| self.names[name]);
        self.add(name, seen, "", MoveStep::Settle { between, stands })
    }

    fn fold(&self) -> Move {
        fold(&self.events).unwrap()
    }

    fn effect(&self, name: &str) -> MoveEffect {
        self.fold().entry(self.names[name]).unwrap().effect
    }

    fn name(&self, id: RecordId) -> &'static str {
        self.names.iter().find(|(_, known)| **known == id).map(|(name, _)| *name).unwrap()
    }

    /// The conflicts that are open, by the names of both sides.
    fn open(&self) -> Vec<(MoveConflictKind, &'static str, &'static str)> {
        let open = self.fold().conflicts.into_iter().filter(|conflict| conflict.settled.is_none());
        open.map(|MoveConflict { kind, between: [one, other], .. }| (kind, self.name(one), self.name(other))).collect()
    }
}

fn refuse(give: RecordId) -> MoveStep {
    MoveStep::Refuse { give, reason: "查无此户".into() }
}

#[test]
fn a_hand_over_is_taken_in_once() {
    let mut history = History::default();
    let give = history.give("give", &[], TO);
    assert_eq!(history.fold().state, MoveState::Given);
    history.accept("accept", &["give"], TO, give, 5);
    history.accept("again", &["accept"], TO, give, 6);
    history.add("refuse", &["accept"], TO, refuse(give));
    history.add("back", &["accept"], FROM, MoveStep::TakeBack { give });
    history.give("give-again", &["accept"], ELSEWHERE);
    let moved = history.fold();
    assert_eq!((moved.state, moved.accepted.len(), moved.gives.len()), (MoveState::Accepted, 1, 1));
    assert_eq!(moved.arrival().unwrap().household, household(5));
    for late in ["again", "refuse", "back", "give-again"] {
        assert_eq!(history.effect(late), MoveEffect::Void(MoveVoid::AnsweredBefore), "{late}");
    }
    assert_eq!(history.open(), []);
}

#[test]
fn only_the_villages_concerned_act_and_only_on_what_they_saw() {
    let mut history = History::default();
    let give = history.give("give", &[], TO);
    history.accept("by-giver", &["give"], FROM, give, 5);
    history.accept("by-neighbour", &["give"], ELSEWHERE, give, 5);
    history.add("back-by-receiver", &["give"], TO, MoveStep::TakeBack { give });
    history.accept("unseen", &[], TO, give, 5);
    history.add("settle", &["give"], "", MoveStep::Settle { between: [give, give], stands: None });
    for (name, reason) in [
        ("by-giver", MoveVoid::NotAllowed),
        ("by-neighbour", MoveVoid::NotAllowed),
        ("back-by-receiver", MoveVoid::NotAllowed),
        ("unseen", MoveVoid::NoSuchGive),
        ("settle", MoveVoid::NoSuchConflict),
    ] {
        assert_eq!(history.effect(name), MoveEffect::Void(reason), "{name}");
    }
    // A vehicle that patrols there holds the registry, and no clerk acts on it.
    let patrol = Right { clerk: false, center: false, regions: [TO.to_owned()].into() };
    let id = history.accept("by-patrol", &["give"], TO, give, 5);
    history.events.get_mut(&id).unwrap().right = patrol;
    assert_eq!(history.effect("by-patrol"), MoveEffect::Void(MoveVoid::NotAllowed));
    assert_eq!(history.fold().state, MoveState::Given);
    // A center holds both registries.
    history.accept("by-center", &["give"], "", give, 5);
    assert_eq!(history.fold().state, MoveState::Accepted);
}

#[test]
fn who_was_refused_is_handed_over_elsewhere_or_stays() {
    let mut history = History::default();
    let give = history.give("give", &[], TO);
    history.add("refuse", &["give"], TO, refuse(give));
    let moved = history.fold();
    assert_eq!((moved.state, moved.leading.reason.as_deref()), (MoveState::Refused, Some("查无此户")));
    let mut stays = history.clone();
    stays.add("back", &["refuse"], FROM, MoveStep::TakeBack { give });
    assert_eq!(stays.fold().state, MoveState::TakenBack);
    let other = history.give("other", &["refuse"], ELSEWHERE);
    history.accept("accept", &["other"], ELSEWHERE, other, 9);
    let moved = history.fold();
    assert_eq!((moved.state, moved.leading.to, moved.gives.len()), (MoveState::Accepted, region(ELSEWHERE), 2));
    assert_eq!(history.open(), []);
}

#[test]
fn an_acceptance_stands_beside_what_it_did_not_know_until_a_center_settles_it() {
    let mut history = History::default();
    let give = history.give("give", &[], TO);
    history.add("back", &["give"], FROM, MoveStep::TakeBack { give });
    history.accept("accept", &["give"], TO, give, 5);
    assert_eq!(history.fold().state, MoveState::Accepted, "somebody was recorded where they live");
    assert_eq!(history.open(), [(MoveConflictKind::AcceptedAndTakenBack, "accept", "back")]);
    let (accept, back) = (history.names["accept"], history.names["back"]);
    let by_village = MoveStep::Settle { between: [accept, back], stands: Some(back) };
    history.add("by-village", &["accept", "back"], FROM, by_village);
    assert_eq!(history.effect("by-village"), MoveEffect::Void(MoveVoid::NotAllowed));
    history.settle("settle", &["accept", "back"], ["back", "accept"], Some("back"));
    let moved = history.fold();
    assert_eq!((moved.state, history.open()), (MoveState::TakenBack, vec![]));
    let aliases: Vec<_> = moved.aliases().collect();
    assert_eq!(aliases, [(resident_in(super::tests::moved(), household(5)), ResidentId([3; 8]))]);
    history.settle("undo", &["settle"], ["accept", "back"], None);
    assert_eq!((history.fold().state, history.open().len()), (MoveState::Accepted, 1), "both are open again");
}

#[test]
fn one_household_makes_one_resident_and_two_households_are_a_question() {
    let mut history = History::default();
    let give = history.give("give", &[], TO);
    history.accept("one", &["give"], TO, give, 5);
    history.accept("same", &["give"], TO, give, 5);
    assert_eq!((history.open(), history.fold().people().len()), (vec![], 2));
    history.accept("two", &["give"], TO, give, 6);
    assert_eq!(history.fold().people().len(), 3);
    assert_eq!(
        history.open(),
        [(MoveConflictKind::AcceptedTwice, "one", "two"), (MoveConflictKind::AcceptedTwice, "same", "two")]
    );
    history.settle("settle", &["one", "same", "two"], ["one", "two"], Some("two"));
    history.settle("settle-2", &["settle"], ["same", "two"], Some("two"));
    let moved = history.fold();
    assert_eq!((history.open(), moved.arrival().unwrap().household), (vec![], household(6)));
}

#[test]
fn two_centers_that_settle_differently_leave_it_open() {
    let mut history = History::default();
    history.give("one", &[], TO);
    history.give("two", &[], ELSEWHERE);
    assert_eq!(history.open(), [(MoveConflictKind::GivenTwice, "one", "two")]);
    history.settle("first", &["one", "two"], ["one", "two"], Some("one"));
    assert_eq!(history.fold().leading.to, region(TO));
    history.settle("second", &["one", "two"], ["one", "two"], Some("two"));
    assert_eq!(history.open().len(), 1);
    history.settle("third", &["first", "second"], ["one", "two"], Some("two"));
    let moved = history.fold();
    assert_eq!((history.open(), moved.leading.to, moved.state), (vec![], region(ELSEWHERE), MoveState::Given));
}

/// Every order of the items: the first one put into each place of every order of the rest.
fn permutations<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    let Some((first, rest)) = items.split_first() else { return vec![vec![]] };
    let insert = |order: Vec<T>| {
        (0..=order.len()).map(move |place| {
            let mut order = order.clone();
            order.insert(place, first.clone());
            order
        })
    };
    permutations(rest).into_iter().flat_map(insert).collect()
}

/// Delivers the events in every order, folding after each: one result for each set, whatever the way to it.
fn check(history: &History) {
    let all: Vec<(RecordId, MoveInput)> = history.events.clone().into_iter().collect();
    let mut by_set: BTreeMap<Vec<RecordId>, Option<Move>> = BTreeMap::new();
    for order in permutations(&all) {
        let mut held = BTreeMap::new();
        for (id, input) in order {
            held.insert(id, input);
            let folded = fold(&held);
            if let Some(moved) = &folded {
                assert_eq!(moved.timeline.len() + moved.waiting.len(), held.len(), "every event is placed or waits");
            }
            let known = by_set.entry(held.keys().copied().collect()).or_insert_with(|| folded.clone());
            assert_eq!(*known, folded);
        }
    }
}

#[test]
fn small_histories_come_to_the_same_in_every_order() {
    let mut answers = History::default();
    let give = answers.give("give", &[], TO);
    answers.accept("one", &["give"], TO, give, 5);
    answers.accept("two", &["give"], TO, give, 6);
    answers.add("refuse", &["give"], TO, refuse(give));
    answers.add("back", &["refuse"], FROM, MoveStep::TakeBack { give });
    answers.settle("settle", &["one", "two"], ["one", "two"], Some("two"));
    check(&answers);
    let mut gives = History::default();
    let one = gives.give("one", &[], TO);
    let two = gives.give("two", &[], ELSEWHERE);
    gives.accept("in-one", &["one"], TO, one, 5);
    gives.accept("in-two", &["two"], ELSEWHERE, two, 6);
    gives.settle("first", &["in-one", "in-two"], ["in-one", "in-two"], Some("in-one"));
    gives.settle("second", &["in-one", "in-two"], ["in-two", "in-one"], None);
    check(&gives);
}

/// Any step by any village on anything that was done before; the numbers choose.
fn any_history() -> impl Strategy<Value = History> {
    proptest::collection::vec((0..5_u8, 0..3_u8, 0..8_u8, any::<u8>()), 1..8).prop_map(|deeds| {
        const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let mut history = History::default();
        history.give("start", &[], TO);
        for ((step, village, target, seen), name) in deeds.into_iter().zip(NAMES) {
            let known: Vec<&'static str> = history.names.keys().copied().collect();
            let named = known[usize::from(target) % known.len()];
            let seen: Vec<&str> =
                known.iter().enumerate().filter(|(bit, _)| seen >> bit & 1 == 1).map(|(_, n)| *n).collect();
            let (id, village) = (history.names[named], [FROM, TO, ""][usize::from(village)]);
            match step {
                0 => history.give(name, &seen, ELSEWHERE),
                1 => history.accept(name, &seen, village, id, target),
                2 => history.add(name, &seen, village, refuse(id)),
                3 => history.add(name, &seen, village, MoveStep::TakeBack { give: id }),
                _ => history.settle(name, &seen, ["start", named], Some(named)),
            };
        }
        history
    })
}

proptest! {
    #[test]
    fn a_fold_has_one_arrival_at_most_per_household_and_never_two_answers_that_knew_of_each_other(history in any_history()) {
        let moved = history.fold();
        let standing: Vec<&Accepted> = moved.accepted.iter().filter(|accepted| accepted.stands).collect();
        prop_assert_eq!(moved.state == MoveState::Accepted, !standing.is_empty());
        prop_assert_eq!(moved.timeline.len() + moved.waiting.len(), history.events.len());
        // Two that stand in two households are always put to somebody.
        for one in &standing {
            for other in standing.iter().filter(|other| other.household != one.household) {
                let is_told = |conflict: &MoveConflict| conflict.between.contains(&one.event) && conflict.between.contains(&other.event);
                prop_assert!(moved.conflicts.iter().any(|conflict| conflict.settled.is_none() && is_told(conflict)));
            }
        }
        let ids: BTreeSet<ResidentId> = moved.aliases().map(|(alias, _)| alias).collect();
        prop_assert!(moved.aliases().all(|(_, shown)| !ids.contains(&shown)), "nobody is shown as an alias");
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(event) = MoveEvent::from_bytes(&bytes) {
            prop_assert_eq!(MoveEvent::from_bytes(&event.to_bytes().unwrap()), Ok(event));
        }
        let _ = (MoveContent::decode(&bytes), decode_stays(&bytes));
    }
}

#[test]
fn events_and_contents_round_trip_within_their_bounds() {
    let mut history = History::default();
    let give = history.give("give", &[], TO);
    history.accept("accept", &["give"], TO, give, 5);
    history.add("refuse", &["give"], TO, refuse(give));
    history.add("back", &["refuse"], FROM, MoveStep::TakeBack { give });
    history.settle("settle", &["accept", "refuse"], ["accept", "refuse"], None);
    for input in history.events.values() {
        assert_eq!(MoveEvent::from_bytes(&input.event.to_bytes().unwrap()).as_ref(), Ok(&input.event));
    }
    let stay = Stay {
        region: region(FROM),
        address: "幸福路12号".into(),
        household: household(2),
        resident: ResidentId([3; 8]),
        moved_in: None,
        moved_out: Some(Day(20_000)),
    };
    let stays = vec![stay; MAX_STAYS];
    assert_eq!(decode_stays(&encode_stays(&stays).unwrap()), Ok(stays.clone()));
    let content = MoveContent { person: vec![1, 2].into(), kind: None, relation: None, stays: stays.clone() };
    assert_eq!(MoveContent::decode(&content.encode().unwrap()), Ok(content.clone()));
    let more = MoveContent { stays: stays.iter().cloned().cycle().take(MAX_STAYS + 1).collect(), ..content };
    assert!(more.encode().is_err(), "the earliest are left out before");
    let long = MoveStep::Refuse { give, reason: "x".repeat(4_000) };
    assert!(MoveEvent { moved: moved(), by: "a".into(), seen: BTreeSet::new(), step: long }.to_bytes().is_err());
}

#[test]
fn an_event_whose_past_never_comes_is_in_nobodys_way() {
    let mut history = History::default();
    let give = history.give("give", &[], TO);
    let lost = MoveEvent {
        moved: moved(),
        by: "lost".into(),
        seen: BTreeSet::from([RecordId([9; 16])]),
        step: MoveStep::TakeBack { give },
    };
    let id = crate::change::record_id(&lost.to_bytes().unwrap());
    let right = Right { clerk: true, center: false, regions: [FROM.to_owned()].into() };
    history.events.insert(id, MoveInput { event: lost, time: 1, author: NodeId([8; 32]), right, void: None });
    let before = history.fold();
    assert_eq!((before.waiting.clone(), before.heads.clone()), (BTreeSet::from([id]), BTreeSet::from([give])));
    assert_eq!(heads(&history.events), before.heads);
    history.accept("accept", &["give"], TO, give, 4);
    assert_eq!(history.fold().state, MoveState::Accepted);
}

#[test]
fn what_an_author_could_not_write_is_nobodys_past_and_takes_nobodys_place() {
    let mut history = History::default();
    let give = history.give("give", &[], TO);
    for number in 0..=MAX_EVENTS as u64 {
        let event = MoveEvent { moved: moved(), by: number.to_string(), seen: BTreeSet::new(), step: refuse(give) };
        let id = crate::change::record_id(&event.to_bytes().unwrap());
        let (right, void) = (Right::default(), Some(MoveVoid::Revoked));
        history.events.insert(id, MoveInput { event, time: 1, author: NodeId([8; 32]), right, void });
    }
    // A chain of them, each of which has seen the one before.
    let mut before = BTreeSet::new();
    for number in 0..6_000 {
        let event = MoveEvent { moved: moved(), by: format!("chain {number}"), seen: before, step: refuse(give) };
        let id = crate::change::record_id(&event.to_bytes().unwrap());
        let (right, void) = (Right::default(), Some(MoveVoid::WrongMove));
        history.events.insert(id, MoveInput { event, time: 2, author: NodeId([8; 32]), right, void });
        before = BTreeSet::from([id]);
    }
    assert_eq!(heads(&history.events), BTreeSet::from([give]));
    assert_eq!(history.fold().state, MoveState::Given);
}

#[test]
fn a_step_of_a_newer_version_is_read_without_effect() {
    let mut history = History::default();
    let give = history.give("give", &[], TO);
    let newer = history.add("newer", &["give"], FROM, MoveStep::Unknown);
    // Version 1, then the map with a step that nobody knows.
    let mut bytes = vec![1];
    let mut e = minicbor::Encoder::new(&mut bytes);
    e.map(4).unwrap().u8(0).unwrap().encode(moved()).unwrap().u8(1).unwrap().str("newer").unwrap();
    e.u8(2).unwrap().array(1).unwrap().encode(give).unwrap();
    e.u8(3).unwrap().array(2).unwrap().u16(99).unwrap().array(1).unwrap().str("?").unwrap();
    assert_eq!(MoveEvent::from_bytes(&bytes).unwrap(), history.events[&newer].event);
    history.accept("accept", &["newer"], TO, give, 4);
    assert_eq!(history.effect("newer"), MoveEffect::Void(MoveVoid::UnknownStep));
    assert_eq!(history.fold().state, MoveState::Accepted, "whoever saw it is read all the same");
}

#[test]
fn a_village_that_hands_over_whom_it_does_not_have_is_in_nobodys_way_until_a_center_settles_it() {
    let mut history = History::default();
    let giving = |from: &str| Giving {
        from: region(from),
        to: region(TO),
        household: household(2),
        resident: ResidentId([3; 8]),
        day: Day(20_000),
        content: ByteVec::from(from.as_bytes().to_vec()),
    };
    let forged = history.add("forged", &[], TO, MoveStep::Give(Giving { to: region(FROM), ..giving(TO) }));
    let give = history.add("give", &["forged"], FROM, MoveStep::Give(giving(FROM)));
    assert_eq!(history.effect("give"), MoveEffect::Applied);
    assert_eq!(history.open().len(), 1, "a center decides who had them");
    history.settle("settle", &["give"], ["forged", "give"], Some("give"));
    let moved = history.fold();
    assert_eq!((moved.leading.event, history.open().len()), (give, 0));
    assert_ne!(moved.leading.event, forged);
}
