//! Cases whose rules changed on the way.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::random::{any_action, fit_role};
use super::soundness::changed;
use super::town::*;
use crate::change::record_id;
use crate::domain::case::{
    Action, Case, CaseEvent, CaseState, ConflictKind, Edition, EditionError, EditionInput, Effect, FoldInput, Guard,
    LifeCycle, MAX_EDITION_BYTES, Reason, Rule, Step, TransitionTable, VoidReason, Who, fold,
};
use crate::domain::role::Role;
use crate::id::{NodeId, RecordId};

/// Editions under construction.
#[derive(Default, Clone)]
struct Editions(BTreeMap<RecordId, EditionInput>);

impl Editions {
    /// Publishes a table after another one.
    fn publish(&mut self, before: impl IntoIterator<Item = RecordId>, why: &str, table: TransitionTable) -> RecordId {
        let edition = Edition { before: before.into_iter().collect(), by: "zhz-1".into(), why: why.into(), table };
        let bytes = edition.to_bytes().unwrap();
        let id = record_id(&bytes);
        self.0
            .insert(id, EditionInput { edition, bytes, time: hybrid(MONDAY_8), author: NodeId([9; 32]), void: false });
        id
    }

    fn void(&mut self, id: RecordId) {
        self.0.get_mut(&id).unwrap().void = true;
    }

    fn rules(&self) -> LifeCycle {
        LifeCycle::new(self.0.clone())
    }
}

/// Only commanders dispatch.
fn commanders_dispatch() -> TransitionTable {
    changed(Step::Dispatch, |rule| Some(Rule { who: Who::Roles(vec![Role::Commander]), ..rule }))
}

impl Town {
    fn by_rules(&mut self, name: &str, rules: RecordId) {
        let id = self.id(name);
        self.events.get_mut(&id).unwrap().event.rules = Some(rules);
    }

    fn fold_by(&self, editions: &Editions) -> Case {
        fold(&self.events, &editions.rules())
    }
}

fn edition_of(case: &Case, town: &Town, name: &str) -> u32 {
    case.timeline.iter().find(|entry| entry.event == town.id(name)).unwrap().edition
}

#[test]
fn what_was_done_by_the_old_rules_stands_when_the_new_ones_arrive() {
    let mut editions = Editions::default();
    let new = editions.publish([], "改由指挥长派遣", commanders_dispatch());
    let mut town = Town::until(CaseState::Filed);
    town.add("dispatch", "file", Role::Dispatcher, dispatch(&["patrol"]));
    // Elsewhere the case went on by the new rules; neither knew of the other.
    town.add("order", "file", Role::Commander, dispatch(&["fire"]));
    town.by_rules("order", new);
    let case = town.fold_by(&editions);
    assert!(town.applied(&case, "dispatch") && town.applied(&case, "order"));
    assert_eq!([edition_of(&case, &town, "dispatch"), edition_of(&case, &town, "order")], [0, 1]);
    assert_eq!(case.state, Some(CaseState::Handling));
    assert_eq!(town.conflicts(&case)[0].0, ConflictKind::DuplicateDispatch);
    // Before the new rules such a dispatch has no effect, wherever it comes from.
    town.events.get_mut(&town.id("order")).unwrap().event.rules = None;
    assert_eq!(town.reason(&town.fold_by(&editions), "order"), Some(Reason::WrongRole));
}

#[test]
fn whoever_saw_the_new_rules_used_cannot_go_back_behind_them() {
    let mut editions = Editions::default();
    let new = editions.publish([], "改由指挥长派遣", commanders_dispatch());
    let mut town = Town::until(CaseState::Filed);
    town.add("word", "file", Role::Commander, Action::Comment { text: reason() });
    town.by_rules("word", new);
    town.add("dispatch", "word", Role::Dispatcher, dispatch(&["patrol"]));
    assert_eq!(town.reason(&town.fold_by(&editions), "dispatch"), Some(Reason::WrongRole));
    // But the word of somebody who may not act here binds nobody.
    town.void("word", VoidReason::RoleNotHeld);
    assert!(town.applied(&town.fold_by(&editions), "dispatch"));
}

#[test]
fn what_goes_by_rules_that_are_not_here_waits_for_them_and_is_named() {
    let mut editions = Editions::default();
    let new = editions.publish([], "改由指挥长派遣", commanders_dispatch());
    let mut town = Town::until(CaseState::Filed);
    town.add("order", "file", Role::Commander, dispatch(&["fire"]));
    town.by_rules("order", new);
    let (handled, word) = (town.order("order", 0), Action::Comment { text: reason() });
    town.add("done", "order", Role::Handler, done(handled));
    town.add("word", "file", Role::DutyHead, word);
    let without = town.fold();
    let waiting: BTreeMap<RecordId, Option<RecordId>> =
        without.waiting.iter().map(|one| (one.event, one.rules)).collect();
    assert!(without.waiting.iter().all(|one| one.missing.is_empty()));
    assert_eq!(waiting, [(town.id("order"), Some(new)), (town.id("done"), None)].into());
    assert!(town.applied(&without, "word") && !without.heads.contains(&town.id("order")));
    let with = town.fold_by(&editions);
    assert!(with.waiting.is_empty() && town.applied(&with, "done"));
    // What rests on something missing is not there yet either.
    let mut later = Editions::default();
    let newest = editions.publish([new], "恢复", TransitionTable::default());
    later.0.insert(newest, editions.0[&newest].clone());
    assert_eq!(later.rules().unplaced().collect::<Vec<_>>(), [newest]);
    assert_eq!(later.rules().in_force(), None);
    town.by_rules("order", newest);
    let waiting = town.fold_by(&later).waiting;
    let missing = waiting.iter().find(|one| one.event == town.id("order")).and_then(|one| one.rules);
    assert_eq!(missing, Some(newest));
}

#[test]
fn rules_of_a_removed_center_count_for_nothing_and_what_went_by_them_goes_by_those_before() {
    let mut editions = Editions::default();
    let first = editions.publish([], "改由指挥长派遣", commanders_dispatch());
    let anyone = changed(Step::Dispatch, |rule| Some(Rule { who: Who::Anyone, ..rule }));
    let bad = editions.publish([first], "人人可派", anyone);
    let mut town = Town::until(CaseState::Filed);
    town.add("order", "file", Role::Handler, dispatch(&["fire"]));
    town.by_rules("order", bad);
    assert!(town.applied(&town.fold_by(&editions), "order"));
    editions.void(bad);
    let case = town.fold_by(&editions);
    assert_eq!(town.reason(&case, "order"), Some(Reason::WrongRole));
    assert_eq!(edition_of(&case, &town, "order"), 1, "that of the edition before");
    let rules = editions.rules();
    assert_eq!(rules.in_force().unwrap().id, first);
    assert_eq!(rules.published().len(), 2, "it is still told");
    // What was published after a void one stands.
    let third = editions.publish([bad], "恢复", TransitionTable::default());
    assert_eq!(editions.rules().in_force().map(|edition| (edition.id, edition.number)), Some((third, 3)));
    editions.void(first);
    assert_eq!(edition_of(&town.fold_by(&editions), &town, "order"), 0, "nothing is left before it");
}

#[test]
fn editions_published_apart_are_all_known_and_a_further_one_settles_it() {
    let mut editions = Editions::default();
    let newest = |editions: &Editions| editions.rules().newest().iter().map(|one| one.id).collect::<Vec<_>>();
    let one = editions.publish([], "甲", commanders_dispatch());
    assert_eq!(newest(&editions), [one]);
    let two = editions.publish([], "乙", TransitionTable::default());
    assert_eq!(newest(&editions), [one.max(two), one.min(two)], "the higher id is in force");
    // One side went on without having heard of the other: that settles nothing.
    let longer = editions.publish([one], "丙", TransitionTable::default());
    assert_eq!(newest(&editions), [longer, two]);
    assert_eq!(editions.rules().in_force().map(|edition| (edition.id, edition.number)), Some((longer, 2)));
    let settled = editions.publish([longer, two], "丁", commanders_dispatch());
    assert_eq!(newest(&editions), [settled]);
    editions.void(settled);
    assert_eq!(newest(&editions), [longer, two], "what a removed center settled is open again");
    editions.void(longer);
    assert_eq!(newest(&editions).len(), 2, "{one} is one of the newest again");
}

#[test]
fn what_meets_between_two_editions_is_judged_by_the_newer_one() {
    let shipped = TransitionTable::default();
    let apart = |met: &&crate::domain::case::Meeting| (met.first, met.second) != (Step::VerifyFail, Step::Close);
    let silent = shipped.meetings().iter().filter(apart).cloned().collect();
    let silent = TransitionTable::new(shipped.rules().cloned().collect(), silent).unwrap();
    let mut editions = Editions::default();
    let old = editions.publish([], "核查失败不再优先", silent);
    let new = editions.publish([old], "恢复", shipped);
    let mut town = Town::until(CaseState::ToClose);
    town.add("close", "pass", Role::DutyHead, Action::Close);
    town.add_by("fail", "lead", Role::Inspector, "other", verify(false));
    for (by_close, by_fail, failure_stands) in [(old, old, false), (old, new, true), (new, old, true), (new, new, true)]
    {
        town.by_rules("close", by_close);
        town.by_rules("fail", by_fail);
        let case = town.fold_by(&editions);
        let beaten = town.conflicts(&case).iter().any(|(kind, ..)| *kind == ConflictKind::VerificationBeatsClose);
        assert_eq!(beaten, failure_stands, "{by_close} {by_fail}");
    }
}

#[test]
fn the_table_of_events_that_name_none_never_changes() {
    let edition =
        Edition { before: BTreeSet::new(), by: "x".into(), why: "x".into(), table: TransitionTable::default() };
    let digest = blake3::hash(&edition.to_bytes().unwrap()).to_hex();
    assert_eq!(
        &digest[..16],
        "125929adddda36c5",
        "cases of every town go by it: leave it, and ship other rows for towns to publish"
    );
}

#[test]
fn an_edition_says_why_and_stays_within_its_bounds() {
    let edition = |by: &str, why: &str| {
        Edition { before: BTreeSet::new(), by: by.into(), why: why.into(), table: TransitionTable::default() }
            .to_bytes()
    };
    assert!(matches!(edition("", "原因"), Err(EditionError::Text("the member"))));
    assert!(matches!(edition("zhz-1", " "), Err(EditionError::Text("the reason"))));
    assert!(matches!(edition("zhz-1", &"长".repeat(2_000)), Err(EditionError::Text("the reason"))));
    let good = edition("zhz-1", "原因").unwrap();
    assert!(good.len() < MAX_EDITION_BYTES / 4, "{}", good.len());
    let extended = [good.as_slice(), &[0]].concat();
    assert!(matches!(Edition::from_bytes(&extended), Err(EditionError::Malformed(_))));
    assert!(matches!(Edition::from_bytes(&vec![1; MAX_EDITION_BYTES + 1]), Err(EditionError::TooLarge(_))));
}

/// The shipped table with some rules taken out, some done by other roles, some without guards.
fn any_table() -> impl Strategy<Value = TransitionTable> {
    let count = TransitionTable::default().rules().count();
    (proptest::collection::vec(0..12_u8, count), any::<u64>()).prop_map(|(changes, meetings)| {
        let shipped = TransitionTable::default();
        let rules = shipped.rules().cloned().zip(changes).filter_map(|(rule, change)| match change {
            0 if rule.step != Step::Report => None,
            1 => Some(Rule { who: Who::Anyone, ..rule }),
            2 => Some(Rule { who: Who::Roles(vec![Role::Commander]), ..rule }),
            3 => Some(Rule { guards: vec![], ..rule }),
            4 => Some(Rule { precedence: rule.precedence ^ 32, ..rule }),
            _ => Some(rule),
        });
        let rows = shipped.meetings().iter().enumerate().filter(|(place, _)| meetings >> place & 1 == 1);
        TransitionTable::new(rules.collect(), rows.map(|(_, row)| row.clone()).collect()).unwrap()
    })
}

/// One half of a town: the events and rules that it holds.
#[derive(Clone)]
struct Half {
    events: Events,
    editions: Editions,
}

impl Half {
    /// Somebody acts by the rules in force here; as in production what would have no effect is not written.
    fn act(&mut self, number: u64, action: Action, choice: usize) -> bool {
        let rules = self.editions.rules();
        let seen: BTreeSet<RecordId> = fold(&self.events, &rules).heads;
        let role = if choice.is_multiple_of(3) { Role::Commander } else { fit_role(&action, choice) };
        let (by, named) = (format!("person {}", choice % 5), rules.in_force().map(|edition| edition.id));
        let event = CaseEvent { case: CASE, by, role, seen, note: None, action, rules: named, restates: None };
        let time = hybrid(MONDAY_8 + number * MINUTE);
        let mut events = self.events.clone();
        events.insert(id(number), FoldInput { event, time, author: NodeId([1; 32]), void: None });
        let case = fold(&events, &rules);
        let effect = case.timeline.iter().find(|entry| entry.event == id(number)).map(|entry| entry.effect);
        let has_effect = matches!(effect, Some(Effect::Applied | Effect::AppliedLate));
        if has_effect {
            self.events = events;
        }
        has_effect
    }

    fn hear(&mut self, other: &Self, rules: bool) {
        self.events.extend(other.events.iter().map(|(id, input)| (*id, input.clone())));
        if rules {
            self.editions.0.extend(other.editions.0.iter().map(|(id, input)| (*id, input.clone())));
        }
    }
}

proptest! {
    #[test]
    fn any_edition_is_read_back(table in any_table(), before in proptest::collection::btree_set(0..9_u64, 0..4)) {
        let edition = Edition { before: before.into_iter().map(id).collect(), by: "zhz-1".into(), why: "原因".into(), table };
        prop_assert_eq!(Edition::from_bytes(&edition.to_bytes().unwrap()), Ok(edition));
    }

    #[test]
    fn any_bytes_are_an_edition_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Edition::from_bytes(&bytes);
        let _ = Edition::from_bytes(&[vec![1], bytes].concat());
    }

    /// Two halves of a town act by rules that the other does not know, and meet now and then. Nothing that was acknowledged is
    /// taken back because rules changed, and both show the same case in the end.
    #[test]
    fn no_rules_take_back_what_was_acknowledged_under_others(
        tables in proptest::collection::vec(any_table(), 3),
        steps in proptest::collection::vec((any_action(), any::<usize>(), 0..12_u8), 1..40),
        start in 1..8_usize,
    ) {
        let usual = [
            (Role::Inspector, report()),
            (Role::IntakeClerk, Action::Accept),
            (Role::DutyHead, file()),
            (Role::Dispatcher, dispatch(&["a", "b"])),
        ];
        let mut halves = [Half { events: Events::new(), editions: Editions::default() }, Half { events: Events::new(), editions: Editions::default() }];
        for (number, (role, action)) in (0..).zip(usual).take(start) {
            let choice = Role::ALL.iter().position(|known| *known == role).unwrap_or_default() + 1;
            let seen = fold(&halves[0].events, &LifeCycle::default()).heads;
            let event = CaseEvent { case: CASE, by: format!("start {choice}"), role, seen, note: None, action, rules: None , restates: None};
            let input = FoldInput { event, time: hybrid(MONDAY_8 + number * MINUTE), author: NodeId([1; 32]), void: None };
            halves[0].events.insert(id(number), input);
        }
        halves[1] = halves[0].clone();
        let mut tables = tables.into_iter();
        for (number, (action, choice, what)) in (10..).zip(steps) {
            let here = choice % 2;
            let other = halves[1 - here].clone();
            match what {
                0 => if let Some(table) = tables.next() {
                    let rules = halves[here].editions.rules();
                    let before: Vec<RecordId> = rules.newest().iter().map(|edition| edition.id).collect();
                    halves[here].editions.publish(before, &format!("{number}"), table);
                },
                // Events may come before the rules that they name.
                1 => halves[here].hear(&other, false),
                2 => halves[here].hear(&other, true),
                _ => _ = halves[here].act(number, action, choice / 2),
            }
        }
        let (one, other) = (halves[0].clone(), halves[1].clone());
        halves[0].hear(&other, true);
        halves[1].hear(&one, true);
        let case = fold(&halves[0].events, &halves[0].editions.rules());
        prop_assert_eq!(&fold(&halves[1].events, &halves[1].editions.rules()), &case);
        prop_assert!(case.waiting.is_empty());
        for entry in &case.timeline {
            if let Effect::None { reason, .. } = entry.effect {
                prop_assert!(
                    !matches!(reason, Reason::NotInTable | Reason::WrongRole | Reason::UnknownGuard),
                    "{:?} was acknowledged, and now: {}", entry.step, reason.english()
                );
            }
        }
    }
}

#[test]
fn a_town_may_want_every_demand_replied_to_before_a_case_is_closed() {
    let mut editions = Editions::default();
    let table = changed(Step::Close, |rule| Some(Rule { guards: vec![Guard::Replied], ..rule }));
    let new = editions.publish([], "督办未回复不得结案", table);
    let mut town = Town::until(CaseState::ToClose);
    town.add("demand", "pass", Role::Commander, Action::Supervise { demand: reason(), due_ms: None });
    town.add("early", "demand", Role::DutyHead, Action::Close);
    town.by_rules("early", new);
    let case = town.fold_by(&editions);
    assert_eq!((town.reason(&case, "early"), case.state), (Some(Reason::DemandOpen), Some(CaseState::ToClose)));
    let reply = Action::Reply { supervision: town.id("demand"), answer: reason() };
    town.add("reply", "demand", Role::Dispatcher, reply);
    town.add("close", "reply", Role::DutyHead, Action::Close);
    town.by_rules("close", new);
    assert_eq!(town.fold_by(&editions).state, Some(CaseState::Closed));
    // Whoever did not know of the demand closes; it waits for its reply all the same.
    let mut town = Town::until(CaseState::ToClose);
    town.add("demand", "pass", Role::Commander, Action::Supervise { demand: reason(), due_ms: None });
    town.add("close", "pass", Role::DutyHead, Action::Close);
    town.by_rules("close", new);
    let case = town.fold_by(&editions);
    assert_eq!((case.state, case.is_supervised()), (Some(CaseState::Closed), true));
}
