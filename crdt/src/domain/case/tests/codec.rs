//! Events as bytes.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::random::any_action;
use super::town::*;
use crate::domain::case::{
    Action, CaseEvent, EventError, LifeCycle, MAX_EVENT_BYTES, MAX_SEEN, MAX_TEAMS, MAX_TEXT, OrderRef, Reason,
    UnknownAction, fold,
};
use crate::domain::role::Role;
use crate::id::RecordId;

fn event(action: Action) -> CaseEvent {
    CaseEvent {
        case: CASE,
        by: "inspector".into(),
        role: Role::Inspector,
        seen: BTreeSet::new(),
        note: None,
        action,
        rules: None,
        restates: None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn an_event_survives_bytes_and_json(action in any_action(), note in proptest::option::of(".{0,20}")) {
        let event = CaseEvent { note, seen: [id(3), id(9)].into(), ..event(action) };
        let bytes = event.to_bytes().unwrap();
        prop_assert_eq!(&CaseEvent::from_bytes(&bytes).unwrap(), &event);
        let json = serde_json::to_string(&event).unwrap();
        prop_assert_eq!(&serde_json::from_str::<CaseEvent>(&json).unwrap(), &event);
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let versioned = [vec![1], bytes].concat();
        let _ = CaseEvent::from_bytes(&versioned);
    }

    #[test]
    fn a_damaged_event_is_decoded_or_refused(action in any_action(), at in any::<proptest::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = event(action).to_bytes().unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = CaseEvent::from_bytes(&bytes);
        bytes.truncate(at);
        prop_assert!(CaseEvent::from_bytes(&bytes).is_err());
    }
}

#[test]
fn an_action_of_a_newer_version_is_kept_byte_for_byte_and_has_no_effect() {
    let newer = Action::Unknown(UnknownAction { code: 1000, body: minicbor::to_vec([1, 2, 3]).unwrap() });
    let bytes = event(newer.clone()).to_bytes().unwrap();
    let read = CaseEvent::from_bytes(&bytes).unwrap();
    assert_eq!(read.action, newer);
    assert_eq!(read.to_bytes().unwrap(), bytes);
    let mut town = Town::until(crate::domain::case::CaseState::Reported);
    town.add("newer", "report", Role::IntakeClerk, newer);
    let case = town.fold();
    assert_eq!(town.reason(&case, "newer"), Some(Reason::UnknownAction));
    assert_eq!(case.heads, [town.id("newer")].into(), "later events may build on it");
}

#[test]
fn every_known_code_is_read_as_known() {
    for code in Action::KNOWN_CODES {
        let mut bytes = event(Action::Accept).to_bytes().unwrap();
        let tail = minicbor::to_vec((4_u16,)).unwrap();
        assert_eq!(bytes.last(), Some(&0xa0), "the fields of an action are a map");
        let at = bytes.len() - 2;
        assert_eq!(bytes[at], tail[1]);
        bytes.splice(at..=at, minicbor::to_vec(code).unwrap());
        let read = CaseEvent::from_bytes(&bytes);
        // Codes that were added later are kept as versions before them keep them.
        let is_later = code >= 31;
        match read {
            Ok(event) if is_later => assert_eq!(event.to_bytes().as_ref(), Ok(&bytes), "code {code}"),
            Ok(event) => assert!(!matches!(event.action, Action::Unknown(_)), "code {code}"),
            Err(error) => assert!(!is_later, "code {code}: {error}"),
        }
    }
}

#[test]
fn a_later_action_that_breaks_its_bounds_is_there_for_others_to_build_on() {
    let long = "长".repeat(MAX_TEXT);
    let order = OrderRef { event: id(1), index: 0 };
    let wrong = CaseEvent { action: Action::Assign { order, person: long }, ..event(Action::Accept) };
    let bytes = minicbor::to_vec(&wrong).unwrap();
    let bytes = [&[1][..], &bytes].concat();
    let read = CaseEvent::from_bytes(&bytes).unwrap();
    assert!(matches!(&read.action, Action::Unknown(kept) if kept.code == 32), "{read:?}");
    let mut town = Town::until(crate::domain::case::CaseState::Reported);
    town.add("wrong", "report", Role::IntakeClerk, read.action);
    town.add("accept", "wrong", Role::IntakeClerk, Action::Accept);
    let case = town.fold();
    assert_eq!(
        (town.reason(&case, "wrong"), case.state),
        (Some(Reason::UnknownAction), Some(crate::domain::case::CaseState::Accepted))
    );
}

#[test]
fn what_is_too_long_or_empty_is_refused_on_both_sides() {
    let long = "长".repeat(MAX_TEXT / 3 + 1);
    let many: Vec<&str> = vec!["team"; MAX_TEAMS + 1];
    let wrong = [
        event(Action::Comment { text: long.clone() }),
        event(dispatch(&many)),
        event(dispatch(&[])),
        event(dispatch(&[""])),
        event(Action::Dispatch { orders: teams(&["a"]), lead: 1 }),
        event(Action::RequestExtension { minutes: 0, reason: reason() }),
        event(Action::RequestExtension { minutes: u32::MAX, reason: reason() }),
        CaseEvent { by: String::new(), ..event(Action::Accept) },
        CaseEvent { note: Some(long), ..event(Action::Accept) },
        CaseEvent { seen: (0..=MAX_SEEN as u64).map(id).collect::<BTreeSet<RecordId>>(), ..event(Action::Accept) },
    ];
    for event in wrong {
        let error = event.to_bytes().unwrap_err();
        let unchecked = [vec![1], minicbor::to_vec(&event).unwrap()].concat();
        assert!(CaseEvent::from_bytes(&unchecked).is_err(), "{error}");
    }
    let mut trailing = event(Action::Accept).to_bytes().unwrap();
    trailing.push(0);
    assert!(matches!(CaseEvent::from_bytes(&trailing), Err(EventError::Malformed(_))));
    let mut newer = event(Action::Accept).to_bytes().unwrap();
    newer[0] = 2;
    assert!(CaseEvent::from_bytes(&newer).unwrap_err().to_string().contains("version 2"));
    assert!(matches!(CaseEvent::from_bytes(&vec![0; MAX_EVENT_BYTES + 1]), Err(EventError::TooLarge { .. })));
}

#[test]
fn an_empty_set_of_events_is_a_case_without_a_state() {
    let case = fold(&Events::new(), &LifeCycle::default());
    assert_eq!((case.state, case.timeline.len(), case.heads.len()), (None, 0, 0));
}
