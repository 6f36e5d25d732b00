//! Working time, limits and lamps.

use proptest::prelude::*;

use super::town::*;
use crate::domain::case::{Action, Calendar, CaseClock, CaseState, Lamp, Limit, LimitClock, Pause, WorkingHours};
use crate::domain::role::Role;

const DAY: u64 = 24 * HOUR;
/// 2026-06-01 00:00 at UTC+8 and the Friday of that week.
const MONDAY: u64 = MONDAY_8 - 8 * HOUR;
const FRIDAY: u64 = MONDAY + 4 * DAY;

fn at(day: u64, hour: u64, minute: u64) -> u64 {
    day + hour * HOUR + minute * MINUTE
}

#[test]
fn working_time_is_counted_within_shifts_of_working_days() {
    let calendar = Calendar::default();
    let table = [
        (at(MONDAY, 8, 0), at(MONDAY, 12, 0), 4 * HOUR),
        (at(MONDAY, 7, 0), at(MONDAY, 9, 0), HOUR),
        (at(MONDAY, 11, 0), at(MONDAY, 15, 0), 2 * HOUR),
        (at(MONDAY, 12, 0), at(MONDAY, 14, 0), 0),
        (at(MONDAY, 18, 0), at(MONDAY + DAY, 8, 0), 0),
        (at(FRIDAY, 17, 0), at(FRIDAY + 3 * DAY, 9, 0), 2 * HOUR),
        (at(MONDAY, 0, 0), at(MONDAY + 7 * DAY, 0, 0), 40 * HOUR),
        (at(MONDAY, 9, 0), at(MONDAY, 8, 0), 0),
    ];
    for (from, until, worked) in table {
        assert_eq!(calendar.working_between(from, until), worked, "{from} to {until}");
    }
}

#[test]
fn holidays_and_days_worked_in_their_stead_count() {
    let day = u32::try_from((MONDAY + 8 * HOUR) / DAY).unwrap();
    let calendar = Calendar::default().with_exceptions([(day, false), (day + 5, true)]).unwrap();
    assert!(!calendar.is_working_day(day) && calendar.is_working_day(day + 5) && !calendar.is_working_day(day + 6));
    assert_eq!(calendar.working_between(MONDAY, MONDAY + DAY), 0);
    assert_eq!(calendar.working_between(MONDAY, MONDAY + 7 * DAY), 40 * HOUR);
    assert_eq!(calendar.advance(at(MONDAY, 8, 0), HOUR), Some(at(MONDAY + DAY, 9, 0)));
}

#[test]
fn other_hours_hold_from_their_day_on_and_leave_what_was_before() {
    let wednesday = u32::try_from((MONDAY + 8 * HOUR) / DAY).unwrap() + 2;
    let short = vec![WorkingHours { from: 9 * 60, until: 12 * 60 }];
    // From Wednesday on three hours a day, Saturdays too; Tuesday and Thursday are holidays.
    let calendar = Calendar::default().with_era(wednesday, short, 0b011_1111).unwrap();
    let calendar = calendar.with_exceptions([(wednesday - 1, false), (wednesday + 1, false)]).unwrap();
    assert_eq!(calendar.working_between(MONDAY, MONDAY + 2 * DAY), 8 * HOUR);
    assert_eq!(calendar.working_between(MONDAY + 2 * DAY, MONDAY + 7 * DAY), 9 * HOUR, "Wednesday, Friday, Saturday");
    assert_eq!(calendar.working_between(at(MONDAY, 17, 0), at(MONDAY + 2 * DAY, 10, 0)), 2 * HOUR);
    assert_eq!(calendar.advance(at(MONDAY, 17, 0), 3 * HOUR), Some(at(MONDAY + 2 * DAY, 11, 0)));
    let back = calendar.with_era(wednesday, vec![WorkingHours { from: 0, until: 1440 }], 0x7f).unwrap();
    assert_eq!(back.working_between(MONDAY + 2 * DAY, MONDAY + 3 * DAY), 24 * HOUR, "the same day is replaced");
}

#[test]
fn limits_fall_due_in_working_time() {
    let calendar = Calendar::default();
    let table = [
        (Limit::working_hours(5), at(MONDAY, 8, 0), at(MONDAY, 15, 0)),
        (Limit::working_hours(5), at(MONDAY, 16, 0), at(MONDAY + DAY, 11, 0)),
        (Limit::working_days(1), at(MONDAY, 8, 0), at(MONDAY, 18, 0)),
        (Limit::working_days(1), at(FRIDAY, 17, 0), at(FRIDAY + 3 * DAY, 17, 0)),
        (Limit::working_days(1), at(MONDAY, 20, 0), at(MONDAY + DAY, 18, 0)),
        (Limit::working_days(15), at(MONDAY, 8, 0), at(MONDAY + 18 * DAY, 18, 0)),
        (Limit::emergency_hours(2), at(FRIDAY, 23, 0), at(FRIDAY + DAY, 1, 0)),
    ];
    for (limit, filed, due) in table {
        let clock = clock(filed, limit);
        assert_eq!(clock.deadline(&calendar, filed).unwrap().due, Some(due), "{limit:?} from {filed}");
    }
}

fn clock(started: u64, limit: Limit) -> CaseClock {
    let Limit { minutes, clock } = limit;
    CaseClock { started, minutes, clock, extension_minutes: 0, pauses: vec![], handled: None, closed: None }
}

#[test]
fn the_lamp_changes_at_80_and_100_percent() {
    let calendar = Calendar::default();
    let clock = clock(at(MONDAY, 8, 0), Limit::working_hours(5));
    let table = [
        (at(MONDAY, 8, 0), Lamp::Green),
        (at(MONDAY, 12, 0) - 1, Lamp::Green),
        (at(MONDAY, 12, 0), Lamp::Yellow),
        (at(MONDAY, 14, 0), Lamp::Yellow),
        (at(MONDAY, 15, 0), Lamp::Yellow),
        (at(MONDAY, 15, 0) + 1, Lamp::Red),
    ];
    for (now, lamp) in table {
        assert_eq!(clock.deadline(&calendar, now).unwrap().lamp, lamp, "at {now}");
    }
    assert_eq!(clock.yellow_from(&calendar), Some(at(MONDAY, 12, 0)));
}

#[test]
fn a_suspension_stops_the_clock_and_an_extension_adds_to_the_limit() {
    let calendar = Calendar::default();
    let mut clock = clock(at(MONDAY, 8, 0), Limit::working_hours(5));
    clock.pauses = vec![Pause { from: at(MONDAY, 10, 0), until: None }];
    let standing = clock.deadline(&calendar, at(FRIDAY, 10, 0)).unwrap();
    assert_eq!((standing.used, standing.due, standing.lamp), (2 * HOUR, None, Lamp::Green));
    clock.pauses = vec![Pause { from: at(MONDAY, 10, 0), until: Some(at(MONDAY + DAY, 10, 0)) }];
    let running = clock.deadline(&calendar, at(MONDAY + DAY, 11, 0)).unwrap();
    assert_eq!((running.used, running.due), (3 * HOUR, Some(at(MONDAY + DAY, 15, 0))));
    clock.extension_minutes = 60;
    assert_eq!(clock.deadline(&calendar, 0).unwrap().due, Some(at(MONDAY + DAY, 16, 0)));
    // A pause after the deadline does not move it; one whose clocks disagree is none.
    clock.pauses = vec![
        Pause { from: at(FRIDAY, 8, 0), until: None },
        Pause { from: at(MONDAY, 11, 0), until: Some(at(MONDAY, 9, 0)) },
    ];
    assert_eq!(clock.deadline(&calendar, 0).unwrap().due, Some(at(MONDAY, 16, 0)));
}

#[test]
fn the_clock_of_a_case_runs_from_the_filing_and_stops_with_the_handling() {
    let mut town = Town::default();
    town.add_at("report", "", Role::Inspector, "finder", at(MONDAY, 8, 0), report());
    town.add_at("accept", "report", Role::IntakeClerk, "clerk", at(MONDAY, 9, 0), Action::Accept);
    town.add_at("file", "accept", Role::DutyHead, "head", at(MONDAY, 10, 0), file());
    town.add_at("dispatch", "file", Role::Dispatcher, "desk", at(MONDAY, 11, 0), dispatch(&["patrol"]));
    town.add_at(
        "ask",
        "dispatch",
        Role::Handler,
        "handler",
        at(MONDAY, 11, 0),
        Action::RequestSuspension { reason: reason() },
    );
    let (request, order) = (town.id("ask"), town.order("dispatch", 0));
    town.add_at("stop", "ask", Role::Dispatcher, "desk", at(MONDAY, 12, 0), Action::Approve { request });
    town.add_at("resume", "stop", Role::Dispatcher, "desk", at(MONDAY, 15, 0), Action::Resume);
    let more = Action::RequestExtension { minutes: 60, reason: reason() };
    town.add_at("more", "resume", Role::Handler, "handler", at(MONDAY, 15, 0), more);
    let request = town.id("more");
    town.add_at("yes", "more", Role::Dispatcher, "desk", at(MONDAY, 15, 0), Action::Approve { request });
    town.add_at("done", "yes", Role::Handler, "handler", at(MONDAY, 16, 0), done(order));
    town.add_at("lead", "done", Role::Handler, "handler", at(MONDAY, 17, 0), lead("patrol"));
    let (calendar, case) = (Calendar::default(), town.fold());
    assert_eq!(case.state, Some(CaseState::ToVerify));
    let deadline = case.deadline(&calendar, at(FRIDAY, 18, 0)).unwrap();
    assert_eq!(deadline.limit, 9 * HOUR);
    assert_eq!(deadline.used, 4 * HOUR, "10-12 and 15-17; 14-15 was suspended");
    assert_eq!(deadline.due, Some(at(MONDAY + DAY, 12, 0)));
    town.add_at("fail", "lead", Role::Inspector, "verifier", at(MONDAY, 18, 0), verify(false));
    let deadline = town.fold().deadline(&calendar, at(MONDAY + DAY, 17, 0)).unwrap();
    assert_eq!((deadline.used, deadline.lamp), (12 * HOUR, Lamp::Red), "a failed verification lets the clock run on");
}

#[test]
fn wrong_calendars_are_refused() {
    let shift = |from, until| WorkingHours { from, until };
    for shifts in [vec![shift(60, 60)], vec![shift(0, 1441)], vec![shift(600, 700), shift(650, 800)]] {
        assert!(Calendar::new(480, shifts, 0x1f).is_err());
    }
    assert!(Calendar::new(2000, vec![], 0).is_err());
    let empty = Calendar::new(480, vec![], 0x7f).unwrap();
    assert_eq!((empty.advance(MONDAY, 1), empty.advance(MONDAY, 0)), (None, Some(MONDAY)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn advancing_is_the_inverse_of_counting(from in 0..4_000_000_000_000_u64, minutes in 0..20_000_u64, off in 15_000..16_000_u32) {
        let calendar = Calendar::default().with_exceptions([(off, false), (off + 1, true)]).unwrap();
        let due = calendar.advance(from, minutes * MINUTE).unwrap();
        prop_assert_eq!(calendar.working_between(from, due), minutes * MINUTE);
        prop_assert!(due == from || calendar.working_between(from, due - 1) < minutes * MINUTE);
    }

    #[test]
    fn any_clock_has_a_deadline_or_none_and_never_panics(
        started: u64, now: u64, minutes: u32, extension_minutes: u32,
        pauses in proptest::collection::vec((any::<u64>(), any::<Option<u64>>()), 0..4), code in 0..4_u16,
    ) {
        let pauses = pauses.into_iter().map(|(from, until)| Pause { from, until }).collect();
        let clock = CaseClock {
            started, minutes, clock: LimitClock::from_code(code), extension_minutes, pauses, handled: None, closed: None,
        };
        let deadline = clock.deadline(&Calendar::default(), now);
        let yellow = clock.yellow_from(&Calendar::default());
        prop_assert!(yellow.is_none_or(|yellow| deadline.and_then(|one| one.due).is_none_or(|due| yellow <= due)));
    }
}
