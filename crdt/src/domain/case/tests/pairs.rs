//! What people do apart from each other, each with each other and three at a time: suspension, extension, return, merge,
//! callback, reopening, and the reply to a supervision.
//!
//! Everybody was together when the case was handled: more time, a suspension and the return of the second order were asked
//! for, and a reply. Then each is alone. What comes of it is written down for every pair; of three it follows from the pairs.

use std::collections::{BTreeMap, BTreeSet};

use super::town::*;
use crate::domain::case::{
    Action, Case, CaseState, ConflictKind, OrderStatus, Reason, ReopenCause, RequestStatus, Satisfaction,
};
use crate::domain::role::Role;
use crate::id::{DocumentId, RecordId};
use CaseState::{Closed, Filed, Handling, Linked, Reported, Suspended};
use Deed::{Callback, Extension, Merge, Reopening, Reply, Return, Suspension};

/// What one side does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Deed {
    /// The clock stops.
    Suspension,
    /// A day more.
    Extension,
    /// The second order is given back.
    Return,
    /// The supervision is answered.
    Reply,
    /// A clerk who was cut off since the report merges the case into another.
    Merge,
    /// Work is finished, verified, closed, and the caller says solved.
    Callback,
    /// The case is taken up again by somebody who heard that it was closed.
    Reopening,
}

const ALL: [Deed; 7] = [Suspension, Extension, Return, Reply, Merge, Callback, Reopening];

/// The events by which a side does it, in the order of its log; the last is the deed.
type Log = Vec<String>;

/// Everybody is together.
fn together() -> Town {
    let mut town = Town::until(Handling);
    let order = town.order("dispatch", 1);
    town.add("ask-time", "dispatch", Role::Handler, Action::RequestExtension { minutes: 480, reason: reason() });
    town.add("ask-stop", "ask-time", Role::Handler, Action::RequestSuspension { reason: reason() });
    town.add("ask-back", "ask-stop", Role::Handler, Action::RequestReturn { order, reason: reason() });
    town.add("supervise", "ask-back", Role::Commander, supervise());
    town
}

/// Work is done by both teams, verified and closed, by a side that has heard of nothing since all were together.
fn close(town: &mut Town) -> Log {
    let (first, second) = (town.order("dispatch", 0), town.order("dispatch", 1));
    town.add("done0", "supervise", Role::Handler, done(first));
    town.add("done1", "done0", Role::Handler, done(second));
    town.add("lead", "done1", Role::Handler, lead("patrol"));
    town.add_by("pass", "lead", Role::Inspector, "verifier", verify(true));
    town.add("close", "pass", Role::DutyHead, Action::Close);
    ["done0", "done1", "lead", "pass", "close"].map(str::to_owned).into()
}

fn act(town: &mut Town, name: &str, seen: &str, role: Role, action: Action) {
    // Somebody of each side, or two who do the same would be one.
    town.add_by(name, seen, role, &format!("{role} of {name}"), action);
}

impl Deed {
    /// Does it under a name, having seen what all had, or that the case was closed.
    fn add(self, town: &mut Town, name: &str) {
        let approve = |town: &Town, asked: &str| Action::Approve { request: town.id(asked) };
        match self {
            Suspension => act(town, name, "supervise", Role::Dispatcher, approve(town, "ask-stop")),
            Extension => act(town, name, "supervise", Role::Dispatcher, approve(town, "ask-time")),
            Return => act(town, name, "supervise", Role::Dispatcher, approve(town, "ask-back")),
            Reply => {
                let supervision = town.id("supervise");
                act(town, name, "supervise", Role::DutyHead, Action::Reply { supervision, answer: "已到场".into() });
            }
            Merge => act(town, name, "report", Role::IntakeClerk, Action::Merge { into: DocumentId([9; 16]) }),
            Callback => {
                let action = Action::Callback { satisfaction: Satisfaction::Satisfied, solved: true };
                act(town, name, "close", Role::IntakeClerk, action);
            }
            Reopening => act(town, name, "close", Role::DutyHead, Action::Reopen { cause: ReopenCause::Recurrence }),
        }
    }
}

/// A town in which each deed was done apart from the others, and the logs of the sides. Later ones do it later by the clock.
fn apart(deeds: &[Deed]) -> (Town, Vec<Log>) {
    let mut town = together();
    let mut logs: Vec<Log> = Vec::new();
    if deeds.iter().any(|deed| [Callback, Reopening].contains(deed)) {
        logs.push(close(&mut town));
    }
    for (number, deed) in deeds.iter().enumerate() {
        let name = format!("{deed:?}{number}");
        deed.add(&mut town, &name);
        logs.push(vec![name]);
    }
    (town, logs)
}

/// Every order in which the logs may arrive, each in its own order: that is how nodes hand them on.
fn interleavings(logs: &[Log]) -> Vec<Vec<String>> {
    if logs.iter().all(Vec::is_empty) {
        return vec![vec![]];
    }
    let mut all = Vec::new();
    for (at, log) in logs.iter().enumerate() {
        let Some((first, rest)) = log.split_first() else { continue };
        let mut left = logs.to_vec();
        left[at] = rest.to_vec();
        all.extend(interleavings(&left).into_iter().map(|order| [vec![first.clone()], order].concat()));
    }
    all
}

/// Delivers the logs in every order to a node that was together with the others, folding after each event: the same events
/// are the same case, whatever came first.
fn arrive(town: &Town, common: &Town, logs: &[Log]) -> Case {
    let mut by_set: BTreeMap<BTreeSet<RecordId>, Case> = BTreeMap::new();
    let orders = interleavings(logs);
    for order in &orders {
        let mut node = common.clone();
        for name in order {
            let id = town.id(name);
            node.events.insert(id, town.events[&id].clone());
            let case = node.fold();
            let set = node.events.keys().copied().collect();
            assert_eq!(by_set.entry(set).or_insert_with(|| case.clone()), &case, "{order:?}");
        }
        assert_eq!(node.events, town.events);
    }
    town.fold()
}

/// What became of a case: its state, who had effect, which conflicts are open (what stands, the other).
#[derive(Debug, PartialEq, Eq)]
struct Came {
    state: CaseState,
    with_effect: BTreeSet<Deed>,
    conflicts: BTreeSet<(ConflictKind, String, String)>,
}

fn came(town: &Town, case: &Case, deeds: &[Deed]) -> Came {
    let has_effect = |number: usize, deed: Deed| town.applied(case, &format!("{deed:?}{number}"));
    let with_effect = deeds.iter().enumerate().filter(|(number, deed)| has_effect(*number, **deed));
    let plain = |name: String| name.trim_end_matches(|digit: char| digit.is_ascii_digit()).to_owned();
    let named = |(kind, stands, other): (ConflictKind, String, String)| {
        let of_deed = |name: String| if name.starts_with("done") { name } else { plain(name) };
        (kind, of_deed(stands), of_deed(other))
    };
    Came {
        state: case.state.unwrap(),
        with_effect: with_effect.map(|(_, deed)| *deed).collect(),
        conflicts: town.conflicts(case).into_iter().map(named).collect(),
    }
}

const NONE: &[(ConflictKind, &str, &str)] = &[];
/// Who takes a case in goes before who merges it: a case is rather kept than lost.
const MERGED: (ConflictKind, &str, &str) = (ConflictKind::ContraryIntake, "accept", "Merge");
/// The team had done what it was to give back.
const DONE: (ConflictKind, &str, &str) = (ConflictKind::DecidedApart, "done1", "Return");
/// The order goes back to the dispatcher, and so nothing is there to be suspended.
const RETURNED: (ConflictKind, &str, &str) = (ConflictKind::DecidedApart, "Return", "Suspension");
/// The clock stands while somebody says that work is finished.
const STOPPED: (ConflictKind, &str, &str) = (ConflictKind::DecidedApart, "Suspension", "lead");

type Expected = (Deed, Deed, CaseState, &'static [Deed], &'static [(ConflictKind, &'static str, &'static str)]);

/// Each pair: the state, who has effect, what people have to settle.
const PAIRS: &[Expected] = &[
    // Time that was granted counts, whatever becomes of the case.
    (Suspension, Extension, Suspended, &[Suspension, Extension], NONE),
    (Suspension, Return, Filed, &[Return], &[RETURNED]),
    // A supervision is an overlay: the reply changes no state, and nothing keeps it from counting.
    (Suspension, Reply, Suspended, &[Suspension, Reply], NONE),
    (Suspension, Merge, Suspended, &[Suspension], &[MERGED]),
    (Suspension, Callback, Suspended, &[Suspension], &[STOPPED]),
    (Suspension, Reopening, Suspended, &[Suspension], &[STOPPED]),
    (Extension, Return, Filed, &[Extension, Return], NONE),
    (Extension, Reply, Handling, &[Extension, Reply], NONE),
    (Extension, Merge, Handling, &[Extension], &[MERGED]),
    (Extension, Callback, Closed, &[Extension, Callback], NONE),
    (Extension, Reopening, Filed, &[Extension, Reopening], NONE),
    (Return, Reply, Filed, &[Return, Reply], NONE),
    (Return, Merge, Filed, &[Return], &[MERGED]),
    // Work that is done is not given back.
    (Return, Callback, Closed, &[Callback], &[DONE]),
    (Return, Reopening, Filed, &[Reopening], &[DONE]),
    (Reply, Merge, Handling, &[Reply], &[MERGED]),
    (Reply, Callback, Closed, &[Reply, Callback], NONE),
    (Reply, Reopening, Filed, &[Reply, Reopening], NONE),
    (Merge, Callback, Closed, &[Callback], &[MERGED]),
    (Merge, Reopening, Filed, &[Reopening], &[MERGED]),
    // The caller was satisfied, and it came back: both are so.
    (Callback, Reopening, Filed, &[Callback, Reopening], NONE),
];

fn expected(state: CaseState, with_effect: &[Deed], conflicts: &[(ConflictKind, &str, &str)]) -> Came {
    let conflicts = conflicts.iter().map(|(kind, stands, other)| (*kind, (*stands).to_owned(), (*other).to_owned()));
    Came { state, with_effect: with_effect.iter().copied().collect(), conflicts: conflicts.collect() }
}

#[test]
fn each_two_that_are_done_apart_come_to_what_the_rules_say() {
    for (one, other, state, with_effect, conflicts) in PAIRS {
        // Whose clock is ahead does not matter.
        for deeds in [[*one, *other], [*other, *one]] {
            let (town, logs) = apart(&deeds);
            let case = arrive(&town, &together(), &logs);
            assert_eq!(came(&town, &case, &deeds), expected(*state, with_effect, conflicts), "{deeds:?}");
            check_facts(&town, &case, with_effect);
        }
    }
    assert_eq!(PAIRS.len(), ALL.len() * (ALL.len() - 1) / 2, "every pair is there");
}

/// What has effect is written into the case, what has none is not.
fn check_facts(town: &Town, case: &Case, with_effect: &[Deed]) {
    let has = |deed: Deed| with_effect.contains(&deed);
    let clock = case.clock.as_ref().unwrap();
    assert_eq!(clock.extension_minutes, if has(Extension) { 480 } else { 0 });
    assert_eq!(clock.pauses.iter().any(|pause| pause.until.is_none()), has(Suspension), "the clock stands");
    let status = |asked: &str| case.requests.iter().find(|one| one.event == town.id(asked)).unwrap().status;
    for (asked, deed) in [("ask-time", Extension), ("ask-stop", Suspension), ("ask-back", Return)] {
        let expected = if has(deed) { RequestStatus::Approved } else { RequestStatus::Pending };
        assert_eq!(status(asked), expected, "{asked}");
    }
    assert_eq!(case.orders[1].status == OrderStatus::Returned, has(Return));
    assert_eq!(case.supervisions[0].reply.is_some(), has(Reply));
    assert_eq!((case.linked_to, case.callbacks.len()), (None, usize::from(has(Callback))));
    assert_eq!(case.reopened, u32::from(has(Reopening)));
}

/// What three come to, as it follows from the pairs.
fn of_three(deeds: &[Deed]) -> Came {
    let has = |deed: Deed| deeds.contains(&deed);
    let is_finished = has(Callback) || has(Reopening);
    let is_returned = has(Return) && !is_finished;
    let is_suspended = has(Suspension) && !is_returned;
    let with_effect = |deed: &Deed| match deed {
        Suspension => is_suspended,
        Extension | Reply => true,
        Return => is_returned,
        Merge => false,
        Callback | Reopening => !is_suspended,
    };
    let state = match (is_returned, is_suspended, has(Reopening), has(Callback)) {
        (true, ..) | (false, false, true, _) => Filed,
        (false, true, ..) => Suspended,
        (false, false, false, true) => Closed,
        (false, false, false, false) => Handling,
    };
    let conflicts = [
        (has(Merge), MERGED),
        (has(Return) && is_finished, DONE),
        (is_returned && has(Suspension), RETURNED),
        (is_suspended && is_finished, STOPPED),
    ];
    let conflicts: Vec<_> = conflicts.into_iter().filter(|(is_there, _)| *is_there).map(|(_, one)| one).collect();
    let deeds: Vec<Deed> = deeds.iter().copied().filter(with_effect).collect();
    expected(state, &deeds, &conflicts)
}

#[test]
fn what_is_said_of_three_holds_for_each_pair() {
    for (one, other, state, with_effect, conflicts) in PAIRS {
        assert_eq!(of_three(&[*one, *other]), expected(*state, with_effect, conflicts), "{one:?} {other:?}");
    }
}

#[test]
fn each_three_that_are_done_apart_come_to_what_follows_from_the_pairs() {
    let mut triples = 0;
    for (first, one) in ALL.iter().enumerate() {
        for (second, two) in ALL.iter().enumerate().skip(first + 1) {
            for three in ALL.iter().skip(second + 1) {
                for deeds in [[*one, *two, *three], [*three, *two, *one]] {
                    let (town, logs) = apart(&deeds);
                    let case = arrive(&town, &together(), &logs);
                    let found = came(&town, &case, &deeds);
                    assert_eq!(found, of_three(&deeds), "{deeds:?}");
                    check_facts(&town, &case, &found.with_effect.iter().copied().collect::<Vec<_>>());
                }
                triples += 1;
            }
        }
    }
    assert_eq!(triples, 35);
}

/// Two that do the same have done it once, and nobody is asked or told.
#[test]
fn the_same_done_twice_counts_once() {
    for (deed, state) in
        [(Suspension, Suspended), (Extension, Handling), (Return, Filed), (Reply, Handling), (Reopening, Filed)]
    {
        let deeds = [deed, deed];
        let (town, logs) = apart(&deeds);
        let case = arrive(&town, &together(), &logs);
        assert_eq!((case.state, town.conflicts(&case)), (Some(state), vec![]), "{deed:?}");
        let second = format!("{deed:?}1");
        assert!(town.applied(&case, &format!("{deed:?}0")) && !town.applied(&case, &second), "{deed:?}");
        assert_eq!(town.reason(&case, &second), Some(Reason::DecidedAlready), "{deed:?}");
        assert_eq!(case.without_effect().count(), 0, "{deed:?}");
        check_facts(&town, &case, &[deed]);
    }
    // The caller may be asked twice; what they say stands beside each other.
    let (town, logs) = apart(&[Callback, Callback]);
    let case = arrive(&town, &together(), &logs);
    assert_eq!((case.state, case.callbacks.len(), town.conflicts(&case)), (Some(Closed), 2, vec![]));
    // A merge loses to the acceptance of the other side, twice as once.
    let (town, logs) = apart(&[Merge, Merge]);
    let case = arrive(&town, &together(), &logs);
    assert_eq!((case.state, town.conflicts(&case).len()), (Some(Handling), 2));
}

#[test]
fn a_case_that_is_merged_apart_into_one_other_is_merged_and_into_two_is_to_be_settled() {
    for (into, reason, conflicts) in [
        (9, Reason::DecidedAlready, vec![]),
        (8, Reason::Overtaken, vec![(ConflictKind::ContraryIntake, "north".to_owned(), "south".to_owned())]),
    ] {
        let mut town = Town::until(Reported);
        let merge = |into| Action::Merge { into: DocumentId([into; 16]) };
        act(&mut town, "north", "report", Role::IntakeClerk, merge(9));
        act(&mut town, "south", "report", Role::IntakeClerk, merge(into));
        let logs = [vec!["north".to_owned()], vec!["south".to_owned()]];
        let case = arrive(&town, &Town::until(Reported), &logs);
        assert_eq!((case.state, case.linked_to), (Some(Linked), Some(DocumentId([9; 16]))));
        assert_eq!((town.reason(&case, "south"), town.conflicts(&case)), (Some(reason), conflicts));
    }
}

/// Approvals name the exact request: of two requests each counts.
#[test]
fn two_requests_that_are_approved_apart_both_count() {
    let mut town = Town::until(Handling);
    let (first, second) = (town.order("dispatch", 0), town.order("dispatch", 1));
    town.add("time1", "dispatch", Role::Handler, Action::RequestExtension { minutes: 60, reason: reason() });
    town.add("time2", "time1", Role::Handler, Action::RequestExtension { minutes: 90, reason: reason() });
    town.add("back1", "time2", Role::Handler, Action::RequestReturn { order: first, reason: reason() });
    town.add("back2", "back1", Role::Handler, Action::RequestReturn { order: second, reason: reason() });
    let common = town.clone();
    let mut logs = Vec::new();
    for asked in ["time1", "time2", "back1", "back2"] {
        let name = format!("{asked}-yes");
        act(&mut town, &name, "back2", Role::Dispatcher, Action::Approve { request: common.id(asked) });
        logs.push(vec![name]);
    }
    let case = arrive(&town, &common, &logs);
    assert_eq!((case.state, town.conflicts(&case)), (Some(Filed), vec![]));
    assert_eq!(case.clock.unwrap().extension_minutes, 150);
    assert!(case.orders.iter().all(|order| order.status == OrderStatus::Returned));
}

/// Both sides give the order back and send somebody else: both were sent.
#[test]
fn who_goes_on_from_the_same_decision_is_not_left_behind() {
    let common = together();
    let mut town = common.clone();
    let mut logs = Vec::new();
    for side in ["north", "south"] {
        let (back, sent) = (format!("{side}-back"), format!("{side}-sent"));
        act(&mut town, &back, "supervise", Role::Dispatcher, Action::Approve { request: common.id("ask-back") });
        act(&mut town, &sent, &back, Role::Dispatcher, dispatch(&[side]));
        logs.push(vec![back, sent]);
    }
    let case = arrive(&town, &common, &logs);
    assert_eq!((case.state, case.open_orders().count()), (Some(Handling), 3), "one of before, and two");
    let duplicate = (ConflictKind::DuplicateDispatch, "north-sent".to_owned(), "south-sent".to_owned());
    assert_eq!(town.conflicts(&case), [duplicate]);
    assert_eq!(case.without_effect().count(), 0);
}

/// Both sides suspend the case; one goes on, and its team works.
#[test]
fn a_case_that_both_suspended_goes_on_where_one_resumes_it() {
    let common = together();
    let mut town = common.clone();
    let order = town.order("dispatch", 0);
    for side in ["north", "south"] {
        let approve = Action::Approve { request: common.id("ask-stop") };
        act(&mut town, &format!("{side}-stop"), "supervise", Role::Dispatcher, approve);
    }
    act(&mut town, "resume", "south-stop", Role::Dispatcher, Action::Resume);
    act(&mut town, "done", "resume", Role::Handler, done(order));
    let logs = [vec!["north-stop"], vec!["south-stop", "resume", "done"]];
    let logs = logs.map(|log| log.into_iter().map(str::to_owned).collect::<Log>());
    let case = arrive(&town, &common, &logs);
    assert_eq!((case.state, town.conflicts(&case)), (Some(Handling), vec![]));
    assert_eq!(case.orders[0].status, OrderStatus::Done);
    assert_eq!(case.clock.unwrap().pauses.len(), 1);
}

#[test]
fn contrary_answers_are_to_be_settled() {
    let mut town = together();
    let supervision = town.id("supervise");
    for (side, answer) in [("north", "已到场"), ("south", "明日到场")] {
        act(&mut town, side, "supervise", Role::DutyHead, Action::Reply { supervision, answer: answer.into() });
    }
    let logs = [vec!["north".to_owned()], vec!["south".to_owned()]];
    let case = arrive(&town, &together(), &logs);
    let apart = vec![(ConflictKind::DecidedApart, "north".to_owned(), "south".to_owned())];
    assert_eq!(
        (case.supervisions[0].reply.clone().unwrap().0, town.conflicts(&case)),
        (town.id("north"), apart.clone())
    );

    let mut common = Town::until(Reported);
    common.add("ask", "report", Role::IntakeClerk, Action::AskCheck { question: "在吗".into() });
    let mut town = common.clone();
    let question = town.id("ask");
    for (side, found) in [("north", true), ("south", false)] {
        act(&mut town, side, "ask", Role::Inspector, Action::AnswerCheck { question, found, answer: String::new() });
    }
    let case = arrive(&town, &common, &logs);
    assert_eq!((town.reason(&case, "south"), town.conflicts(&case)), (Some(Reason::Overtaken), apart));
}
