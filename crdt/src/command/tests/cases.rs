//! Cases.

use super::*;
use crate::clock::MAX_AHEAD;
use crate::command::case::{self, Actor, CaseRef, NewCase, Reporter};
use crate::command::erasure::{self, Subject};
use crate::command::read::PersonalState;
use crate::command::{CommandError, Outcome};
use crate::domain::case::{
    Action, Assignment, Case, CaseState, ConflictKind, Conveying, LimitClock, Means, OrderRef, Report, Severity, Source,
};
use crate::domain::person::PersonalData;
use crate::domain::role::Role;
use crate::id::{DocumentId, RecordId};

pub(super) fn rubbish(natural_key: Option<&[u8]>) -> NewCase {
    NewCase {
        region: langfa(),
        natural_key: natural_key.map(<[u8]>::to_vec),
        noticed: NOW,
        report: Report {
            source: Source::Patrol,
            category: Some("exposed_rubbish".into()),
            place: "村东口".into(),
            position: None,
            description: "垃圾堆放".into(),
            region: None,
            device: None,
            reporter: None,
            photos: vec![],
            found_ms: None,
        },
        reporter: None,
    }
}

pub(super) fn actor(role: Role, by: &str) -> Actor {
    Actor { by: by.into(), role, note: None }
}

fn report(replica: &mut Replica) -> CaseRef {
    let case = case::report(replica, &actor(Role::Inspector, "xcy-1"), rubbish(None), NOW).unwrap().into_value();
    replica.commit(NOW).unwrap();
    case
}

fn told_by(name: &str, phone: &str) -> PersonalData {
    PersonalData { name: name.into(), id_number: None, phone: Some(phone.into()) }
}

#[test]
fn who_reported_a_case_is_sealed_travels_with_it_and_can_be_erased() {
    let mut town = Town::new(90);
    let clerk = actor(Role::IntakeClerk, "sly-1");
    let new = NewCase { reporter: Some(told_by(" 王小明 ", "138-0013-8000")), ..rubbish(None) };
    let case = case::report(&mut town.one, &clerk, new, NOW).unwrap().into_value();
    town.one.commit(NOW).unwrap();
    town.meet();
    let nobody = report(&mut town.one);
    for replica in [&mut town.one, &mut town.two, &mut town.center] {
        let open = Reporter { data: Some(told_by("王小明", "13800138000")), state: PersonalState::Open };
        assert_eq!(case::reporters(replica, &case).unwrap(), [open]);
        let sealed = fold(replica, &case).reported.unwrap().report.reporter.unwrap();
        let name = "王小明";
        assert!(!sealed.windows(name.len()).any(|part| part == name.as_bytes()), "it stands there in clear");
    }
    assert_eq!(case::reporters(&mut town.one, &nobody).unwrap(), []);
    let authority = &town.founded.authority;
    let erase = |replica: &mut Replica, case: &CaseRef| {
        let erased = erasure::erase(replica, authority, &case.namespace, case.document, Subject::CaseReporter, NOW);
        replica.commit(NOW).unwrap();
        erased.map(|erased| erased.keys).map_err(|error| error.to_string())
    };
    assert_eq!(erase(&mut town.center, &case), Ok(1));
    assert!(erase(&mut town.center, &case).unwrap_err().contains("erased before"));
    assert!(erase(&mut town.one, &nobody).unwrap_err().contains("no personal data"));
    meet(&mut town.center, &mut town.two);
    for replica in [&mut town.two, &mut town.center] {
        let erased = Reporter { data: None, state: PersonalState::Erased };
        assert_eq!(case::reporters(replica, &case).unwrap(), [erased]);
        assert_eq!(fold(replica, &case).state, Some(CaseState::Reported), "the case itself stays");
    }
}

#[test]
fn a_reporter_is_given_in_clear_and_checked() {
    let mut town = Town::new(91);
    let clerk = actor(Role::IntakeClerk, "sly-1");
    let mut refuse = |new: NewCase| match case::report(&mut town.one, &clerk, new, NOW) {
        Err(CommandError::Input(error)) => (error.field.clone(), error.code()),
        other => panic!("{other:?}"),
    };
    let masked = NewCase { reporter: Some(told_by("王*", "13800138000")), ..rubbish(None) };
    assert_eq!(refuse(masked), ("reporter.name".into(), "masked"));
    let wrong = NewCase { reporter: Some(told_by("王小明", "12")), ..rubbish(None) };
    assert_eq!(refuse(wrong), ("reporter.phone".into(), "phone"));
    let mut sealed = rubbish(None);
    sealed.report.reporter = Some(vec![1; 40].into());
    assert_eq!(refuse(sealed), ("report.reporter".into(), "form"));
    let empty = NewCase { reporter: Some(PersonalData::default()), ..rubbish(None) };
    let case = case::report(&mut town.one, &clerk, empty, NOW).unwrap().into_value();
    assert_eq!(case::reporters(&mut town.one, &case).unwrap(), []);
}

#[test]
fn two_who_report_apart_are_both_known_and_an_erasure_is_not_undone_by_news() {
    for late_first in [false, true] {
        let mut town = Town::new(92);
        let clerk = actor(Role::IntakeClerk, "sly-1");
        let told = |name: &str| NewCase { reporter: Some(told_by(name, "13800138000")), ..rubbish(Some(b"T1")) };
        let (first, second) = if late_first { (NOW + 9, NOW) } else { (NOW, NOW + 9) };
        let case = case::report(&mut town.one, &clerk, told("甲"), first).unwrap().into_value();
        town.one.commit(first).unwrap();
        let same = case::report(&mut town.two, &clerk, told("乙"), second).unwrap().into_value();
        town.two.commit(second).unwrap();
        assert_eq!(same, case, "the number of the call makes it one case");
        let erase = |replica: &mut Replica, founded: &Founded| {
            let erased =
                erasure::erase(replica, &founded.authority, &case.namespace, case.document, Subject::CaseReporter, NOW);
            replica.commit(NOW).unwrap();
            erased.map(|erased| erased.keys).map_err(|error| error.to_string())
        };
        meet(&mut town.center, &mut town.one);
        assert_eq!(erase(&mut town.center, &town.founded), Ok(1));
        meet(&mut town.center, &mut town.two);
        let names = |replica: &mut Replica| -> Vec<Option<String>> {
            let all = case::reporters(replica, &case).unwrap().into_iter();
            all.map(|reporter| reporter.data.map(|data| data.name)).collect()
        };
        assert_eq!(names(&mut town.center), [None], "what came later may tell of the same person");
        assert_eq!(erase(&mut town.center, &town.founded), Ok(1), "and can be erased, too");
        assert_eq!(fold(&mut town.center, &case).further_reports.len(), 1);
    }
    let mut town = Town::new(93);
    let clerk = actor(Role::IntakeClerk, "sly-1");
    let told = |name: &str| NewCase { reporter: Some(told_by(name, "13800138000")), ..rubbish(Some(b"T1")) };
    let case = case::report(&mut town.one, &clerk, told("甲"), NOW).unwrap().into_value();
    case::report(&mut town.two, &clerk, told("乙"), NOW).unwrap();
    town.one.commit(NOW).unwrap();
    town.two.commit(NOW).unwrap();
    town.meet();
    assert_eq!(case::reporters(&mut town.center, &case).unwrap().len(), 2);
}

#[test]
fn a_key_is_one_case_also_after_new_year() {
    const YEAR: Millis = 366 * 86_400_000;
    let mut town = Town::new(94);
    let clerk = actor(Role::IntakeClerk, "sly-1");
    let first = case::report(&mut town.one, &clerk, rubbish(Some(b"T1")), NOW).unwrap().into_value();
    town.one.commit(NOW).unwrap();
    let later = NewCase { noticed: NOW + YEAR, ..rubbish(Some(b"T1")) };
    let again = case::report(&mut town.one, &clerk, later.clone(), NOW + YEAR).unwrap();
    assert_eq!((again.key(), again.value()), ("unchanged", &first));
    let other = NewCase { natural_key: Some(b"T2".to_vec()), ..later };
    let new = case::report(&mut town.one, &clerk, other, NOW + YEAR).unwrap().into_value();
    assert_ne!(new.namespace, first.namespace);
}

#[test]
fn of_two_reports_of_one_key_about_new_year_the_open_one_is_the_case() {
    const YEAR: Millis = 366 * 86_400_000;
    for refused in [0, 1] {
        let mut town = Town::new(98);
        let clerk = actor(Role::IntakeClerk, "sly-1");
        let later = NewCase { noticed: NOW + YEAR, ..rubbish(Some(b"T1")) };
        let one = case::report(&mut town.one, &clerk, rubbish(Some(b"T1")), NOW).unwrap().into_value();
        let two = case::report(&mut town.two, &clerk, later, NOW + YEAR).unwrap().into_value();
        town.one.commit(NOW).unwrap();
        town.two.commit(NOW).unwrap();
        town.meet();
        let cases = [one, two];
        act(&mut town.one, &cases[refused], Role::IntakeClerk, "sly-1", Action::Refuse { reason: "不属实".into() });
        let (found, _) = case::by_key(&mut town.one, langfa(), b"T1").unwrap().unwrap();
        assert_eq!(found, cases[1 - refused]);
    }
}

#[test]
fn a_merged_case_leads_to_the_one_that_goes_on() {
    let mut town = Town::new(99);
    let cases = [report(&mut town.one), report(&mut town.one), report(&mut town.one)];
    for (from, into) in [(1, 2), (0, 1)] {
        // Whoever merges into one that was merged itself is told so; apart from each other two may.
        let merge = Action::Merge { into: cases[into].document };
        let merged = case::act(&mut town.one, &cases[from], &actor(Role::IntakeClerk, "sly-1"), merge, NOW);
        assert_eq!(merged.is_ok(), from == 1, "{merged:?}");
        town.one.commit(NOW).unwrap();
    }
    let lead = |town: &mut Town, number: usize| {
        let case = fold(&mut town.one, &cases[number]);
        case::leading(&mut town.one, (cases[number].clone(), case)).unwrap().0
    };
    assert_eq!([0, 1, 2].map(|number| lead(&mut town, number)), [&cases[0], &cases[2], &cases[2]].map(Clone::clone));
}

#[test]
fn a_report_that_is_refused_leaves_nothing_behind() {
    let mut town = Town::new(95);
    let clerk = actor(Role::IntakeClerk, "sly-1");
    let mut blank =
        NewCase { reporter: Some(told_by("甲", "13800138000")), noticed: NOW + 400 * 86_400_000, ..rubbish(None) };
    blank.report.description = " ".into();
    assert!(case::report(&mut town.one, &clerk, blank, NOW).is_err());
    assert!(!town.one.has_staged());
}

#[test]
fn nobody_becomes_another_by_writing_their_code_otherwise() {
    let mut town = Town::new(96);
    let case = report(&mut town.one);
    let claim = Action::HandleOnSpot { result: "已清理".into(), photos: vec![] };
    for by in ["XCY-1", "ｘｃｙ－１"] {
        let claim = act(&mut town.one, &case, Role::Inspector, by, claim.clone());
        let audit = Action::Audit { claim, valid: true };
        let audited = case::act(&mut town.one, &case, &actor(Role::IntakeClerk, by), audit, NOW);
        assert!(matches!(audited, Err(CommandError::CaseRefused { .. })), "{by} audits what {by} did: {audited:?}");
    }
    let fold = fold(&mut town.one, &case);
    assert_eq!(fold.finders.iter().collect::<Vec<_>>(), ["xcy-1"]);
    assert!(fold.timeline.iter().all(|entry| entry.by == "xcy-1"), "{:?}", fold.timeline);
    let audit = Action::Audit { claim: fold.on_spot[0].event, valid: true };
    assert!(case::act(&mut town.one, &case, &actor(Role::IntakeClerk, "sly-1"), audit, NOW).is_ok());
}

#[test]
fn a_case_is_over_since_nobody_has_anything_to_do() {
    let mut town = Town::new(97);
    let case = report(&mut town.one);
    assert_eq!(fold(&mut town.one, &case).over_since(), None);
    let refuse = Action::Refuse { reason: "不属实".into() };
    case::act(&mut town.one, &case, &actor(Role::IntakeClerk, "sly-1"), refuse, NOW + 60_000).unwrap();
    town.one.commit(NOW + 60_000).unwrap();
    let comment = Action::Comment { text: "已告知".into() };
    case::act(&mut town.one, &case, &actor(Role::IntakeClerk, "sly-1"), comment, NOW + 120_000).unwrap();
    assert_eq!(fold(&mut town.one, &case).over_since(), Some(NOW + 60_000));
}

fn act(replica: &mut Replica, case: &CaseRef, role: Role, by: &str, action: Action) -> RecordId {
    let acted = case::act(replica, case, &actor(role, by), action, NOW).unwrap();
    replica.commit(NOW).unwrap();
    acted.into_value().event
}

fn fold(replica: &mut Replica, case: &CaseRef) -> Case {
    case::read(replica, &case.namespace, case.document).unwrap().unwrap().case
}

fn verify(passed: bool) -> Action {
    Action::Verify { passed, finding: "看过".into(), photos: vec![] }
}

/// A case that waits for its verification, known to all.
fn to_verify(town: &mut Town) -> CaseRef {
    let one = &mut town.one;
    let case = report(one);
    act(one, &case, Role::IntakeClerk, "sly-1", Action::Accept);
    let file = Action::File {
        category: "exposed_rubbish".into(),
        severity: Severity::General,
        minutes: 480,
        clock: LimitClock::Working,
    };
    act(one, &case, Role::DutyHead, "zbz-1", file);
    let orders = vec![Assignment { team: "patrol".into(), task: "清理".into() }];
    let event = act(one, &case, Role::Dispatcher, "pqy-1", Action::Dispatch { orders, lead: 0 });
    let done = Action::OrderDone { order: OrderRef { event, index: 0 }, result: "已清理".into(), photos: vec![] };
    act(one, &case, Role::Handler, "csd-7", done);
    act(one, &case, Role::Handler, "csd-7", Action::LeadClose { team: "patrol".into(), summary: String::new() });
    town.meet();
    assert_eq!(fold(&mut town.two, &case).state, Some(CaseState::ToVerify));
    case
}

#[test]
fn a_case_goes_its_way_across_nodes() {
    let mut town = Town::new(30);
    let case = to_verify(&mut town);
    act(&mut town.two, &case, Role::Inspector, "xcy-2", verify(true));
    town.meet();
    act(&mut town.center, &case, Role::DutyHead, "zbz-1", Action::Close);
    meet(&mut town.center, &mut town.two);
    town.meet();
    town.readings();
    let closed = fold(&mut town.one, &case);
    assert_eq!((closed.state, closed.timeline.len(), closed.conflicts.len()), (Some(CaseState::Closed), 8, 0));
}

#[test]
fn a_failed_verification_beats_a_concurrent_close() {
    let mut town = Town::new(31);
    let case = to_verify(&mut town);
    act(&mut town.one, &case, Role::Inspector, "xcy-2", verify(true));
    meet(&mut town.one, &mut town.center);
    act(&mut town.center, &case, Role::DutyHead, "zbz-1", Action::Close);
    assert_eq!(fold(&mut town.center, &case).state, Some(CaseState::Closed));
    act(&mut town.two, &case, Role::Inspector, "xcy-3", verify(false));
    town.meet();
    town.meet();
    meet(&mut town.two, &mut town.center);
    town.readings();
    let met = fold(&mut town.two, &case);
    assert_eq!(met.state, Some(CaseState::Filed));
    assert!(met.open_conflicts().any(|one| one.kind == ConflictKind::VerificationBeatsClose), "{:?}", met.conflicts);
}

#[test]
fn an_action_that_is_not_allowed_is_refused_with_the_reason_and_leaves_nothing() {
    let mut town = Town::new(32);
    let case = to_verify(&mut town);
    let mut refused = |role, by: &str, action| {
        let error = case::act(&mut town.one, &case, &actor(role, by), action, NOW).unwrap_err();
        assert!(!error.chinese().is_empty());
        error.code()
    };
    assert_eq!(refused(Role::DutyHead, "zbz-1", Action::Close), "wrong_state");
    assert_eq!(refused(Role::Handler, "csd-8", verify(true)), "wrong_role");
    assert_eq!(refused(Role::Inspector, "csd-7", verify(true)), "handler");
    assert_eq!(refused(Role::Inspector, "", verify(true)), "blank");
    assert!(!town.one.has_staged());
    let nothing = CaseRef { document: DocumentId([1; 16]), ..case };
    let error = case::act(&mut town.one, &nothing, &actor(Role::DutyHead, "zbz-1"), Action::Close, NOW);
    assert!(matches!(error, Err(CommandError::NotFound { .. })));
}

#[test]
fn a_case_is_merged_into_another_one_that_stands_by_itself() {
    let mut town = Town::new(96);
    let one = &mut town.one;
    let [first, second, third] = [report(one), report(one), report(one)];
    let mut merge = |case: &CaseRef, into: DocumentId| {
        let merged = case::act(one, case, &actor(Role::IntakeClerk, "sly-1"), Action::Merge { into }, NOW);
        one.commit(NOW).unwrap();
        merged.map(drop).map_err(|error| error.code())
    };
    assert_eq!(merge(&second, second.document), Err("merge_into_itself"));
    assert_eq!(merge(&second, DocumentId([9; 16])), Err("not_found"));
    assert_eq!(merge(&second, first.document), Ok(()));
    assert_eq!(merge(&first, second.document), Err("merge_into_itself"), "neither would be seen any more");
    assert_eq!(merge(&third, second.document), Err("merged_already"));
    assert_eq!(merge(&third, first.document), Ok(()));
    let states = [&first, &second, &third].map(|case| fold(&mut town.one, case).state);
    assert_eq!(states, [CaseState::Reported, CaseState::Linked, CaseState::Linked].map(Some));
}

#[test]
fn two_nodes_that_report_one_alarm_open_one_case() {
    let mut town = Town::new(33);
    let alarm = || rubbish(Some(b"smoke-1"));
    let device = actor(Role::IntakeClerk, "mqtt:smoke-1");
    let one = case::report(&mut town.one, &device, alarm(), NOW).unwrap();
    let two = case::report(&mut town.two, &device, alarm(), NOW).unwrap();
    assert_eq!(one.value(), two.value());
    assert!(matches!(case::report(&mut town.one, &device, alarm(), NOW), Ok(Outcome::Unchanged(_))));
    town.meet();
    town.readings();
    let met = fold(&mut town.center, one.value());
    assert_eq!((met.state, met.timeline.len()), (Some(CaseState::Reported), 1), "the same words are one event");
    let other = case::report(&mut town.one, &device, rubbish(None), NOW).unwrap();
    assert_ne!(other.value(), one.value());
}

#[test]
fn an_event_of_another_case_or_of_no_form_is_shown_but_has_no_effect() {
    let mut town = Town::new(34);
    let (case, other) = (report(&mut town.one), report(&mut town.one));
    let id = town.one.namespace_id(&case.namespace);
    let stray = town.one.records(id, other.document).unwrap()[0].bytes.clone();
    for bytes in [stray, vec![0xff]] {
        town.one
            .put(
                &case.namespace,
                crate::policy::DocumentKind::Case,
                case.document,
                bytes,
                crate::entry::Lane::Urgent,
                NOW,
            )
            .unwrap();
    }
    let read = case::read(&mut town.one, &case.namespace, case.document).unwrap().unwrap();
    assert_eq!((read.unreadable, read.case.timeline.len(), read.case.further_reports.len()), (1, 2, 0));
    assert_eq!(read.case.state, Some(CaseState::Reported));
}

#[test]
fn an_order_is_told_on_after_it_was_written_give_or_take_what_clocks_differ() {
    let mut town = Town::new(41);
    let case = to_verify(&mut town);
    let node = &mut town.one;
    let order = fold(node, &case).orders[0].clone();
    let told = |at_ms: u64| Action::Convey {
        order: order.id,
        conveying: Conveying {
            means: Means::Radio,
            speaker: "pqy-1".into(),
            to: "csd-7".into(),
            at_ms,
            read_back: false,
            words: None,
        },
    };
    let dispatcher = actor(Role::Dispatcher, "pqy-1");
    let refused = case::act(node, &case, &dispatcher, told(order.sent_at - MAX_AHEAD - 1), NOW).unwrap_err();
    assert_eq!(refused.code(), "told_before_sent");
    let (chinese, english) = (refused.chinese(), refused.to_string());
    assert!(chinese.contains("派出") && english.contains("cannot have been handed on at 20"), "{chinese} {english}");
    assert!(fold(node, &case).orders[0].conveyed.is_empty(), "it left nothing");
    act(node, &case, Role::Dispatcher, "pqy-1", told(order.sent_at - MAX_AHEAD));
    assert_eq!(fold(node, &case).orders[0].conveyed.len(), 1);
}

#[test]
fn nobody_found_what_lies_ahead() {
    let mut town = Town::new(91);
    let report = |found_ms| {
        let mut new = rubbish(None);
        new.report.found_ms = Some(found_ms);
        new
    };
    let node = &mut town.one;
    let by = actor(Role::Inspector, "xcy-1");
    let refused = case::report(node, &by, report(NOW + MAX_AHEAD + 1), NOW).unwrap_err();
    let CommandError::Input(error) = refused else { panic!("{refused:?}") };
    assert_eq!((error.field.as_str(), error.code()), ("report.found_ms", "time_ahead"));
    for found in [0, NOW, NOW + MAX_AHEAD] {
        assert!(case::report(node, &by, report(found), NOW).is_ok(), "{found}");
    }
}
