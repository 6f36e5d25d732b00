//! Inspections and the hazards that they find.

use super::*;
use crate::command::hazard;
use crate::command::inspection::{self, InspectionIds};
use crate::domain::checklist::Grade;
use crate::domain::hazard::{Hazard, HazardState, HazardStep};
use crate::domain::hazard_deed::HazardDeed;
use crate::domain::inspection::{Answer, Inspection};
use crate::domain::role::Role;
use crate::policy::DocumentKind;

const MINUTE: i64 = 60_000;

pub(super) fn visit(replica: &mut Replica, minute: i64, hazards: &[u16]) -> (Inspection, DocumentId) {
    let household = replica.document_id(&registry(), DocumentKind::Household, b"1").unwrap();
    let answers =
        (1..=12).map(|code| (code, if hazards.contains(&code) { Answer::Hazard } else { Answer::Ok })).collect();
    let inspection = Inspection {
        household,
        by: "xcy-1".into(),
        time_ms: minute * MINUTE,
        checklist: 1,
        answers,
        note: None,
        photos: vec![],
        position: None,
    };
    (inspection, household)
}

fn inspect(replica: &mut Replica, minute: i64, hazards: &[u16]) -> InspectionIds {
    let (inspection, _) = visit(replica, minute, hazards);
    let ids = inspection::record(replica, &registry(), &inspection, NOW).unwrap().into_value();
    replica.commit(NOW).unwrap();
    ids
}

fn step(replica: &mut Replica, document: DocumentId, step: HazardStep, by: &str, minute: i64) -> HazardState {
    let deed = HazardDeed::new(step, by, minute * MINUTE);
    let state = hazard::step(replica, &registry(), document, &deed, NOW).unwrap().into_value();
    replica.commit(NOW).unwrap();
    state
}

fn read(replica: &mut Replica, document: DocumentId) -> Hazard {
    hazard::read(replica, &registry(), document).unwrap().unwrap().record
}

#[test]
fn an_inspection_opens_its_hazards_once() {
    let mut town = Town::new(20);
    let ids = inspect(&mut town.one, 1, &[4, 10]);
    assert_eq!(ids.hazards.len(), 2);
    let (again, _) = visit(&mut town.one, 1, &[4, 10]);
    assert_eq!(inspection::record(&mut town.one, &registry(), &again, NOW).unwrap().key(), "unchanged");
    assert!(!town.one.has_staged());
    // Another visit sees the same: no new hazard, a newer inspection.
    let next = inspect(&mut town.one, 2, &[4]);
    assert_eq!(next.hazards[..], ids.hazards[..1]);
    assert_eq!(read(&mut town.one, ids.hazards[0]).inspection, Some(next.inspection));
    let Some(found) = inspection::read(&mut town.one, &registry(), ids.document).unwrap() else { panic!("two visits") };
    assert_eq!((found.inspections.len(), found.unreadable), (2, 0));
}

#[test]
fn two_offices_that_find_one_hazard_apart_have_one_hazard_without_questions() {
    let mut town = Town::new(21);
    let one = inspect(&mut town.one, 1, &[4]);
    let two = inspect(&mut town.two, 2, &[4]);
    assert_eq!(one.hazards, two.hazards);
    town.meet();
    town.readings();
    let found = hazard::read(&mut town.center, &registry(), one.hazards[0]).unwrap().unwrap();
    assert_eq!((found.record.state, found.conflicts.len()), (Some(HazardState::Open), 0));
    let first = read(&mut town.center, one.hazards[0]).due;
    town.meet();
    assert_eq!(first, read(&mut town.one, one.hazards[0]).due, "the earlier date, for everybody");
}

#[test]
fn a_hazard_that_comes_back_is_another_one_but_a_late_visit_is_not() {
    let mut town = Town::new(22);
    let first = inspect(&mut town.one, 1, &[4]).hazards[0];
    step(&mut town.one, first, HazardStep::ReportDone, "csd-7", 10);
    assert_eq!(step(&mut town.one, first, HazardStep::Pass, "xcy-2", 20), HazardState::Closed);
    assert_eq!(inspect(&mut town.one, 15, &[4]).hazards, [first], "a visit before it was closed, recorded late");
    assert_eq!(read(&mut town.one, first).state, Some(HazardState::Closed));
    let second = inspect(&mut town.one, 30, &[4]).hazards[0];
    assert_ne!(second, first);
    assert_eq!(read(&mut town.one, second).occurrence, Some(2));
}

#[test]
fn a_failed_recheck_beats_a_concurrent_close() {
    let mut town = Town::new(23);
    let document = inspect(&mut town.one, 1, &[4]).hazards[0];
    step(&mut town.one, document, HazardStep::ReportDone, "csd-7", 10);
    town.meet();
    step(&mut town.one, document, HazardStep::Pass, "xcy-2", 20);
    step(&mut town.two, document, HazardStep::Fail, "xcy-3", 19);
    town.meet();
    town.readings();
    let found = hazard::read(&mut town.one, &registry(), document).unwrap().unwrap();
    assert_eq!(found.record.state, Some(HazardState::Rectifying));
    let words: Vec<&str> = found.conflicts[0].values.iter().map(|value| value.value.as_str()).collect();
    assert_eq!(words, ["rectifying", "closed"]);
    step(&mut town.two, document, HazardStep::ReportDone, "csd-7", 30);
    town.meet();
    town.readings();
    assert_eq!(hazard::read(&mut town.one, &registry(), document).unwrap().unwrap().conflicts, []);
}

#[test]
fn a_visit_that_still_finds_it_beats_a_pass_that_does_not_know_of_it() {
    let mut town = Town::new(26);
    let document = inspect(&mut town.one, 1, &[4]).hazards[0];
    step(&mut town.one, document, HazardStep::ReportDone, "csd-7", 10);
    town.meet();
    step(&mut town.one, document, HazardStep::Pass, "xcy-2", 20);
    assert_eq!(inspect(&mut town.two, 21, &[4]).hazards, [document]);
    town.meet();
    town.readings();
    let found = hazard::read(&mut town.center, &registry(), document).unwrap().unwrap();
    assert_eq!(found.record.state, Some(HazardState::Recheck), "the door is not green");
    assert_eq!(found.conflicts.len(), 1);
}

#[test]
fn nobody_did_anything_before_it_was_found_or_will_have_done_it() {
    let mut town = Town::new(27);
    let document = inspect(&mut town.one, 60, &[4]).hazards[0];
    let mut try_out = |at_ms: i64| {
        let deed = HazardDeed::new(HazardStep::ReportDone, "csd-7", at_ms);
        let tried = hazard::step(&mut town.one, &registry(), document, &deed, NOW);
        tried.map(|done| done.into_value()).map_err(|error| error.code())
    };
    assert_eq!(try_out(i64::try_from(NOW).unwrap() + 24 * 60 * MINUTE), Err("time_ahead"));
    assert_eq!(try_out(0), Err("time_order"));
    assert_eq!(try_out(61 * MINUTE), Ok(HazardState::Recheck));
    let ahead = i64::try_from(NOW).unwrap() / MINUTE + 24 * 60;
    let (inspection, _) = visit(&mut town.one, ahead, &[4]);
    let error = inspection::record(&mut town.one, &registry(), &inspection, NOW).unwrap_err();
    assert_eq!(error.code(), "time_ahead");
}

#[test]
fn whoever_found_it_too_does_not_put_it_right_and_handlers_do_not_recheck() {
    let mut town = Town::new(28);
    let document = inspect(&mut town.one, 1, &[4]).hazards[0];
    let (second, _) = visit(&mut town.one, 2, &[4]);
    let second = Inspection { by: "xcy-9".into(), ..second };
    inspection::record(&mut town.one, &registry(), &second, NOW).unwrap();
    let mut try_out = |step, by: &str, role| {
        let deed = HazardDeed { role, ..HazardDeed::new(step, by, 10 * MINUTE) };
        let tried = hazard::step(&mut town.one, &registry(), document, &deed, NOW);
        tried.map(|done| done.into_value()).map_err(|error| error.code())
    };
    assert_eq!(try_out(HazardStep::ReportDone, "XCY-9", None), Err("finder"), "the second one who saw it");
    assert_eq!(try_out(HazardStep::ReportDone, "csd-7", Some(Role::Inspector)), Err("wrong_role"));
    assert_eq!(try_out(HazardStep::ReportDone, "csd-7", None), Ok(HazardState::Recheck));
    assert_eq!(try_out(HazardStep::Pass, "csd-8", Some(Role::Handler)), Err("wrong_role"));
    assert_eq!(try_out(HazardStep::Pass, "xcy-9", None), Ok(HazardState::Closed), "who found it may recheck it");
}

#[test]
fn a_step_that_is_not_allowed_says_why() {
    let mut town = Town::new(24);
    let document = inspect(&mut town.one, 1, &[4]).hazards[0];
    let try_out = |town: &mut Town, step, by: &str| {
        hazard::step(&mut town.one, &registry(), document, &HazardDeed::new(step, by, 11), NOW).unwrap_err()
    };
    let error = try_out(&mut town, HazardStep::Pass, "xcy-2");
    assert_eq!(error.code(), "wrong_state");
    assert!(error.chinese().contains("待整改") && error.to_string().starts_with("a hazard that is open"), "{error}");
    assert_eq!(try_out(&mut town, HazardStep::ReportDone, "XCY-1").code(), "finder");
    step(&mut town.one, document, HazardStep::TakeUp, "csd-6", 9);
    step(&mut town.one, document, HazardStep::ReportDone, "csd-7", 10);
    for own in ["CSD-7", "csd-6"] {
        assert_eq!(try_out(&mut town, HazardStep::Pass, own).code(), "own_work");
    }
    let role = Some(Role::Commander);
    let deed = HazardDeed { role, ..HazardDeed::new(HazardStep::Pass, "xcy-2", 11) };
    let error = hazard::step(&mut town.one, &registry(), document, &deed, NOW).unwrap_err();
    assert_eq!(error.code(), "role_not_held", "no commander acts in a village office");
    assert!(!town.one.has_staged());
}

#[test]
fn who_did_what_in_which_role_with_which_evidence_stays_whatever_others_did_apart() {
    let mut town = Town::new(26);
    let document = inspect(&mut town.one, 1, &[4]).hazards[0];
    let opened = read(&mut town.one, document);
    assert_eq!(opened.grade, Some(Grade::Severe), "an e-bike charged indoors");
    assert_eq!(opened.due, Some(MINUTE + 24 * 60 * MINUTE), "a day, day and night");
    town.meet();
    let photos: std::collections::BTreeSet<String> = ["ab".repeat(32)].into();
    let evidence = HazardDeed {
        note: Some("线路已更换".into()),
        photos: photos.clone(),
        ..HazardDeed::new(HazardStep::ReportDone, "csd-7", 10 * MINUTE)
    };
    hazard::step(&mut town.one, &registry(), document, &evidence, NOW).unwrap();
    town.one.commit(NOW).unwrap();
    step(&mut town.two, document, HazardStep::TakeUp, "csd-8", 11);
    town.meet();
    town.readings();
    let found = hazard::read(&mut town.center, &registry(), document).unwrap().unwrap();
    let told: Vec<_> = found.steps.iter().map(|deed| (deed.by.as_deref().unwrap(), deed.role)).collect();
    assert_eq!(told, [("csd-7", Some(Role::Handler)), ("csd-8", Some(Role::Handler))]);
    assert_eq!((found.steps[0].note.as_deref(), &found.steps[0].photos), (Some("线路已更换"), &photos));
    // Whoever is not named as the last one had a hand in it all the same.
    step(&mut town.one, document, HazardStep::ReportDone, "csd-7", 12);
    let own = HazardDeed::new(HazardStep::Pass, "csd-8", 20 * MINUTE);
    assert_eq!(hazard::step(&mut town.one, &registry(), document, &own, NOW).unwrap_err().code(), "own_work");
    step(&mut town.one, document, HazardStep::Pass, "xcy-2", 20);
    step(&mut town.one, document, HazardStep::Reopen, "xcy-2", 30);
    let reopened = read(&mut town.one, document);
    assert_eq!(reopened.due, Some(30 * MINUTE + 24 * 60 * MINUTE), "the time runs anew");
}

#[test]
fn a_record_that_is_no_inspection_is_counted_and_skipped() {
    let mut town = Town::new(25);
    let ids = inspect(&mut town.one, 1, &[]);
    town.one
        .put(&registry(), DocumentKind::Inspection, ids.document, vec![9, 9], crate::entry::Lane::Work, NOW)
        .unwrap();
    let found = inspection::read(&mut town.one, &registry(), ids.document).unwrap().unwrap();
    assert_eq!((found.inspections.len(), found.unreadable), (1, 1));
}
