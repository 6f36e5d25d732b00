//! Figures of cases that went through their life by hand.

use std::collections::BTreeMap;

use townmesh_crdt::command::read::{CaseRecord, Reading};
use townmesh_crdt::domain::case::{
    Action, Assignment, CaseEvent, Effect, FoldInput, Lamp, LifeCycle, LimitClock, OrderRef, Report, Severity, Source,
    fold,
};
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::role::Role;
use townmesh_crdt::id::{NodeId, RecordId};

use super::super::{AssessmentFilter, CaseFilter, Counts, Figure, GroupBy, Moments, Page, Percent};
use super::desks::desks;
use super::{Scene, id};

pub(super) const MINUTE: i64 = 60_000;
/// The limit of every case, in minutes of emergency hours.
const LIMIT: i64 = 60;
pub(super) const PERIOD: AssessmentFilter = AssessmentFilter {
    from_ms: 0,
    until_ms: 10_000 * MINUTE,
    now_ms: 5_000 * MINUTE,
    known: Moments(BTreeMap::new()),
    region: None,
    group: None,
};

/// A case under construction: each step has seen the one before it.
pub(super) struct Life {
    number: u32,
    region: &'static str,
    source: Source,
    steps: Vec<(i64, Role, Action)>,
}

impl Life {
    pub(super) fn new(number: u32, region: &'static str, source: Source) -> Self {
        let report = Report {
            source,
            category: None,
            place: "幸福路".into(),
            position: None,
            description: "暴露垃圾".into(),
            region: region.parse().ok(),
            device: None,
            reporter: None,
            photos: vec![],
            found_ms: None,
        };
        Self { number, region, source, steps: vec![] }.step(0, Role::Inspector, Action::Report(Box::new(report)))
    }

    /// Taken in and filed in the first minute.
    pub(super) fn filed(number: u32, region: &'static str, source: Source) -> Self {
        let (minutes, clock) = (LIMIT as u32, LimitClock::Emergency);
        let file = Action::File { category: "rubbish".into(), severity: Severity::General, minutes, clock };
        Self::new(number, region, source).step(0, Role::IntakeClerk, Action::Accept).step(1, Role::DutyHead, file)
    }

    /// The same, at another place.
    pub(super) fn at(mut self, words: &str, position: Option<Position>) -> Self {
        if let Some((_, _, Action::Report(report))) = self.steps.first_mut() {
            (report.place, report.position) = (words.into(), position);
        }
        self
    }

    /// The same, seen by the finder in this minute.
    pub(super) fn found(mut self, minute: i64) -> Self {
        if let Some((_, _, Action::Report(report))) = self.steps.first_mut() {
            report.found_ms = Some((minute * MINUTE) as u64);
        }
        self
    }

    /// The same, filed under another category.
    pub(super) fn called(mut self, name: &str) -> Self {
        for (_, _, action) in &mut self.steps {
            if let Action::File { category, .. } = action {
                *category = name.into();
            }
        }
        self
    }

    /// The same, so many minutes later.
    pub(super) fn later(mut self, minutes: i64) -> Self {
        self.steps.iter_mut().for_each(|(minute, ..)| *minute += minutes);
        self
    }

    pub(super) fn step(mut self, minute: i64, role: Role, action: Action) -> Self {
        self.steps.push((minute, role, action));
        self
    }

    pub(super) fn event(&self, step: usize) -> RecordId {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&self.number.to_be_bytes());
        bytes[15] = step as u8;
        RecordId(bytes)
    }

    pub(super) fn last(&self) -> RecordId {
        self.event(self.steps.len() - 1)
    }

    pub(super) fn dispatched(self, team: &str) -> Self {
        let orders = vec![Assignment { team: team.into(), task: "清运".into() }];
        self.step(2, Role::Dispatcher, Action::Dispatch { orders, lead: 0 })
    }

    /// The team of the last event, a dispatch, is done.
    pub(super) fn handled(self, minute: i64) -> Self {
        let order = OrderRef { event: self.last(), index: 0 };
        let Some((_, _, Action::Dispatch { orders, .. })) = self.steps.last() else { panic!("not dispatched") };
        let close = Action::LeadClose { team: orders[0].team.clone(), summary: "已清运".into() };
        let done = Action::OrderDone { order, result: "已清运".into(), photos: vec![] };
        self.step(minute, Role::Handler, done).step(minute, Role::Handler, close)
    }

    pub(super) fn verified(self, minute: i64, passed: bool) -> Self {
        self.step(minute, Role::Inspector, Action::Verify { passed, finding: String::new(), photos: vec![] })
    }

    pub(super) fn closed(self, minute: i64) -> Self {
        self.step(minute, Role::DutyHead, Action::Close)
    }

    pub(super) fn reading(self) -> Reading {
        let mut events = BTreeMap::new();
        for (step, (minute, role, action)) in self.steps.iter().enumerate() {
            let seen = step.checked_sub(1).map(|before| self.event(before)).into_iter().collect();
            let by = if *role == Role::Handler { "handler".into() } else { format!("{role}-{}", self.source) };
            let event = CaseEvent {
                case: id(self.number),
                by,
                role: *role,
                seen,
                note: None,
                action: action.clone(),
                rules: None,
                restates: None,
            };
            let time = ((minute * MINUTE) as u64) << 16 | step as u64;
            events.insert(self.event(step), FoldInput { event, time, author: NodeId([1; 32]), void: None });
        }
        let case = fold(&events, &LifeCycle::default());
        let idle = case.timeline.iter().find(|entry| entry.effect != Effect::Applied);
        assert!(idle.is_none(), "case {} in {}: {idle:?}", self.number, self.region);
        Reading::Case(CaseRecord { id: id(self.number), case, unreadable: 0, steps: vec![] })
    }
}

pub(super) const NORTH: &str = "110115005220";
pub(super) const SOUTH: &str = "110115005221";

/// One that is overdue.
pub(super) fn sixth() -> Reading {
    Life::filed(6, SOUTH, Source::Patrol).dispatched("b").reading()
}

/// One case of each kind.
pub(super) fn scene() -> Scene {
    let mut scene = Scene::new();
    let returned = Life::filed(7, SOUTH, Source::Patrol).dispatched("b");
    let order = OrderRef { event: returned.last(), index: 0 };
    let ask = Action::RequestReturn { order, reason: "不属本队".into() };
    let returned = returned.step(3, Role::Handler, ask);
    let request = returned.last();
    let void =
        Life::filed(8, SOUTH, Source::Patrol).step(2, Role::Dispatcher, Action::RequestVoid { reason: "重复".into() });
    let asked = void.last();
    scene.feed([
        Life::new(1, NORTH, Source::Patrol).reading(),
        Life::new(2, NORTH, Source::Patrol)
            .step(1, Role::IntakeClerk, Action::Refuse { reason: "不属实".into() })
            .reading(),
        // Handled at the last minute of its limit, and closed later.
        Life::filed(3, NORTH, Source::Public)
            .dispatched("a")
            .handled(1 + LIMIT)
            .verified(70, true)
            .closed(900)
            .reading(),
        // A minute too late.
        Life::filed(4, NORTH, Source::Patrol)
            .dispatched("a")
            .handled(2 + LIMIT)
            .verified(70, true)
            .closed(71)
            .reading(),
        // Handled in time, and not closed.
        Life::filed(5, SOUTH, Source::Video)
            .dispatched("b")
            .handled(5)
            .verified(6, false)
            .dispatched("b")
            .handled(9)
            .reading(),
        sixth(),
        returned.step(4, Role::Dispatcher, Action::Approve { request }).reading(),
        void.step(3, Role::DutyHead, Action::Approve { request: asked }).reading(),
    ]);
    scene
}

#[test]
fn each_figure_counts_what_its_words_say() {
    let scene = scene();
    let assessed = scene.reader().assessment(&PERIOD, None).unwrap().total;
    let expected = Counts {
        reports: 7,
        valid_reports: 5,
        filed: 6,
        void: 1,
        missed: 1,
        due: 5,
        overdue: 2,
        closed: 2,
        closed_in_time: 1,
        dispatched: 6,
        returned: 1,
        verified: 3,
        reworked: 1,
        to_file: 6,
        filed_in_time: 6,
        // Twice the fifth; and the seventh, which waits for it again.
        to_dispatch: 7,
        dispatched_in_time: 6,
        // The fifth waits for the second one.
        to_verify: 4,
        verified_in_time: 3,
        to_respond: 1,
        responded_in_time: 1,
        ..Counts::default()
    };
    assert_eq!(assessed.counts, expected);
    let rates = serde_json::to_value(&assessed.rates).unwrap();
    let shown = serde_json::json!({
        "closing": 40.0, "on_time_closing": 20.0, "correct_filing": 83.33, "correct_dispatch": 83.33,
        "valid_reports": 71.43, "missed_finding": 16.67, "rework": 33.33, "on_time_filing": 100.0,
        "on_time_dispatch": 85.71, "on_time_verification": 75.0, "on_time_check": null, "response": 100.0,
        "solution": null, "satisfaction": null,
    });
    assert_eq!(rates, shown);
    // Before any deadline only what was handled is due.
    let early = AssessmentFilter { now_ms: 30 * MINUTE, ..PERIOD };
    let early = scene.reader().assessment(&early, None).unwrap().total.counts;
    assert_eq!((early.due, early.overdue), (3, 0));
    // The period has its first moment and not its last.
    for (from_ms, until_ms, filed) in [(MINUTE, MINUTE + 1, 6), (MINUTE + 1, 9 * MINUTE, 0), (0, MINUTE, 0)] {
        let filter = AssessmentFilter { from_ms, until_ms, ..PERIOD };
        assert_eq!(scene.reader().assessment(&filter, None).unwrap().total.counts.filed, filed, "{from_ms} {until_ms}");
    }
}

/// Whether a figure counts what happened to cases, of which more than one may be one case's.
fn is_sum(figure: Figure) -> bool {
    use Figure::{
        CheckedInTime, Dispatched, DispatchedInTime, FiledInTime, Returned, Reworked, ToCheck, ToDispatch, ToFile,
        ToVerify, Verified, VerifiedInTime,
    };
    [Dispatched, Returned, Verified, Reworked].contains(&figure)
        || [ToFile, ToDispatch, ToVerify, ToCheck].contains(&figure)
        || [FiledInTime, DispatchedInTime, VerifiedInTime, CheckedInTime].contains(&figure)
}

#[test]
fn the_cases_behind_a_figure_are_as_many_as_it_says() {
    drill_down(&scene());
    drill_down(&desks());
}

fn drill_down(scene: &Scene) {
    let reader = scene.reader();
    for by in GroupBy::ALL.iter().copied() {
        let assessed = reader.assessment(&PERIOD, Some(by)).unwrap();
        assert!(!assessed.groups.is_empty());
        for group in &assessed.groups {
            let shown = serde_json::to_value(group).unwrap();
            let named = group.group.clone().unwrap_or_default();
            let filter = AssessmentFilter { group: Some((by, named.clone())), ..PERIOD };
            let alone = reader.assessment(&filter, Some(by)).unwrap();
            assert_eq!(
                alone.groups.iter().map(|one| &one.counts).collect::<Vec<_>>(),
                [&group.counts],
                "{by:?} {named}"
            );
            for figure in Figure::ALL {
                let behind = reader.assessed_cases(&filter, *figure, &Page::default()).unwrap().rows.len() as u64;
                let name = serde_json::to_value(figure).unwrap();
                let says = shown[name.as_str().unwrap()].as_u64().unwrap();
                assert!(
                    says == behind || is_sum(*figure) && says > behind && behind > 0,
                    "{by:?} {:?} {figure:?}",
                    group.group
                );
            }
        }
    }
}

#[test]
fn the_lamp_is_that_of_now_or_of_the_end_of_the_handling() {
    let scene = scene();
    let listed = scene
        .reader()
        .cases(&CaseFilter { now_ms: PERIOD.now_ms, ..CaseFilter::default() }, &Page::default())
        .unwrap()
        .rows;
    let of = |number: u32| listed.iter().find(|case| case.document == id(number).to_string()).unwrap().lamp;
    // Handled at the last minute, a minute late, in the first minutes; long overdue; not filed; declared void at once.
    let expected = [Some(Lamp::Yellow), Some(Lamp::Red), Some(Lamp::Green), Some(Lamp::Red), None, Some(Lamp::Green)];
    assert_eq!([3, 4, 5, 6, 1, 8].map(of), expected);
    let with = |lamp| {
        let filter = CaseFilter { lamp: Some(lamp), now_ms: PERIOD.now_ms, ..CaseFilter::default() };
        scene.reader().cases(&filter, &Page::default()).unwrap().rows.len()
    };
    assert_eq!([Lamp::Green, Lamp::Yellow, Lamp::Red].map(with), [0, 0, 2], "6 and 7");
}

#[test]
fn groups_are_ranked_by_what_they_closed_in_time() {
    let scene = scene();
    let by = |by| {
        let groups = scene.reader().assessment(&PERIOD, Some(by)).unwrap().groups;
        groups.into_iter().map(|one| (one.group.unwrap_or_default(), one.rank, one.counts.due)).collect::<Vec<_>>()
    };
    assert_eq!(by(GroupBy::Region), [(NORTH.to_owned(), Some(1), 2), (SOUTH.to_owned(), Some(2), 3)]);
    // An order that was given back is its team's no more.
    assert_eq!(by(GroupBy::Team), [("a".to_owned(), Some(1), 2), ("b".to_owned(), Some(2), 2)]);
    let within = AssessmentFilter { region: "110115005221".parse().ok(), ..PERIOD };
    assert_eq!(scene.reader().assessment(&within, None).unwrap().total.counts.filed, 4);
}

#[test]
fn a_place_is_told_beside_that_of_the_period_before() {
    let mut scene = Scene::new();
    // In the first hundred hours the north is first, in the next the south; only then there is a third.
    let closed = |number, region, team| {
        Life::filed(number, region, Source::Patrol).dispatched(team).handled(5).verified(6, true).closed(7)
    };
    let late = |number, region, team| Life::filed(number, region, Source::Patrol).dispatched(team);
    let hours = 100 * 60;
    scene.feed([
        closed(1, NORTH, "a").reading(),
        late(2, SOUTH, "b").reading(),
        late(3, NORTH, "a").later(hours).reading(),
        closed(4, SOUTH, "b").later(hours).reading(),
        late(5, "110115005222", "c").later(hours).reading(),
    ]);
    let (from_ms, until_ms) = (hours * MINUTE, 2 * hours * MINUTE);
    let filter = AssessmentFilter { from_ms, until_ms, now_ms: 9 * until_ms, ..PERIOD };
    let assessed = scene.reader().assessment_beside_the_one_before(&filter, Some(GroupBy::Region)).unwrap();
    let told: Vec<_> = assessed
        .groups
        .iter()
        .map(|group| (group.rank, group.before.as_ref().map(|before| (before.rank, before.change))))
        .collect();
    assert_eq!(told, [(Some(2), Some((Some(1), Some(-1)))), (Some(1), Some((Some(2), Some(1)))), (Some(2), None)]);
    let before = assessed.total.before.unwrap();
    assert_eq!((before.change, before.rates.closing.unwrap().to_string()), (None, "50.00".into()));
}

#[test]
fn the_reference_figures_come_out() {
    let shown = |part, whole| Percent::of(part, whole).unwrap().to_string();
    assert_eq!([shown(911, 972), shown(737, 972), shown(1, 1), shown(0, 7)], ["93.72", "75.82", "100.00", "0.00"]);
    assert_eq!(Percent::of(0, 0), None);
    let counts = Counts { due: 972, closed: 911, closed_in_time: 737, ..Counts::default() };
    let rates = counts.rates();
    assert_eq!([rates.closing, rates.on_time_closing].map(|rate| rate.unwrap().to_string()), ["93.72", "75.82"]);
}

#[test]
fn nobody_is_late_beyond_what_is_known_of_their_region() {
    let scene = scene();
    let cut_off =
        |minutes: i64| AssessmentFilter { known: Moments([(SOUTH.to_owned(), minutes * MINUTE)].into()), ..PERIOD };
    let of = |filter: &AssessmentFilter| {
        let groups = scene.reader().assessment(filter, Some(GroupBy::Region)).unwrap().groups;
        groups.into_iter().map(|one| (one.counts.due, one.counts.overdue, one.rank)).collect::<Vec<_>>()
    };
    assert_eq!(of(&PERIOD), [(2, 0, Some(1)), (3, 2, Some(2))]);
    // The deadline of both is the 61st minute. What the south did since is not here yet: only what it handled is due.
    assert_eq!(of(&cut_off(LIMIT)), [(2, 0, Some(1)), (1, 0, Some(2))]);
    assert_eq!(of(&cut_off(LIMIT + 1)), [(2, 0, Some(1)), (3, 2, Some(2))]);
    let behind = |minutes| {
        scene.reader().assessed_cases(&cut_off(minutes), Figure::Overdue, &Page::default()).unwrap().rows.len()
    };
    assert_eq!([LIMIT, LIMIT + 1].map(behind), [0, 2]);
}
