//! In which roles people may act on a node (DESIGN 12.18).

use super::cases::{actor, rubbish};
use super::*;
use crate::change::record_id;
use crate::command::CommandError;
use crate::command::case::{self, CaseRef};
use crate::command::entity::Writing;
use crate::command::household::{self, HouseholdInput};
use crate::command::town;
use crate::domain::case::{Action, Case, CaseEvent, CaseState, Effect, VoidReason};
use crate::domain::household::Household;
use crate::domain::role::Role;
use crate::domain::town::Member;
use crate::entry::Lane;
use crate::id::RecordId;
use crate::policy::DocumentKind;

/// A town whose second node is a vehicle.
fn with_vehicle(seed: u64) -> Town {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let founded = enrol::found(&[LANGFA.to_owned()], "2025", "2025-11", NOW, &mut rng);
    let mut center = node(&founded, &mut rng, "center", NodeRole::Center);
    let mut one = node(&founded, &mut rng, "one", NodeRole::Village);
    let mut two = node(&founded, &mut rng, "vehicle", NodeRole::Patrol);
    meet(&mut center, &mut one);
    meet(&mut center, &mut two);
    Town { founded, center, one, two }
}

/// What an altered program would write: an event in a role that the node's certificate does not list.
fn usurp(replica: &mut Replica, case: &CaseRef, action: Action) -> RecordId {
    let seen = fold(replica, case).heads;
    let event = CaseEvent {
        case: case.document,
        by: "sly-1".into(),
        role: Role::IntakeClerk,
        seen,
        note: None,
        action,
        rules: None,
        restates: None,
    };
    let bytes = event.to_bytes().unwrap();
    replica.put(&case.namespace, DocumentKind::Case, case.document, bytes.clone(), Lane::Urgent, NOW).unwrap();
    record_id(&bytes)
}

fn fold(replica: &mut Replica, case: &CaseRef) -> Case {
    case::read(replica, &case.namespace, case.document).unwrap().unwrap().case
}

fn effect(case: &Case, event: RecordId) -> Effect {
    case.timeline.iter().find(|entry| entry.event == event).unwrap().effect
}

#[test]
fn a_role_that_the_certificate_does_not_list_is_refused_before_anything_is_recorded() {
    let mut town = with_vehicle(50);
    let case = case::report(&mut town.two, &actor(Role::Inspector, "xcy-1"), rubbish(None), NOW).unwrap().into_value();
    let refused = case::act(&mut town.two, &case, &actor(Role::IntakeClerk, "sly-1"), Action::Accept, NOW);
    assert!(matches!(refused, Err(CommandError::RoleNotHeld { role: Role::IntakeClerk })));
    let refused = case::report(&mut town.two, &actor(Role::DutyHead, "zbz-1"), rubbish(None), NOW);
    assert!(matches!(refused, Err(CommandError::RoleNotHeld { role: Role::DutyHead })));
    assert_eq!(fold(&mut town.two, &case).timeline.len(), 1);
}

#[test]
fn whoever_only_carries_is_told_that_they_may_not_write_and_waits_for_no_key() {
    let mut town = with_vehicle(54);
    let place = Place {
        name: "carrier".into(),
        role: NodeRole::Carrier,
        regions: vec![],
        carries: vec![LANGFA.into()],
        acts_as: None,
    };
    let mut carrier = node_at(&town.founded, &mut ChaCha8Rng::seed_from_u64(55), &place);
    meet(&mut town.center, &mut carrier);
    let household = Household { region: Some(langfa()), address: Some("1号".into()), ..Household::default() };
    let input = HouseholdInput { household, residents: vec![] };
    let refused = household::record(&mut carrier, &input, Lane::Work, NOW).unwrap_err();
    assert_eq!(refused.code(), "denied", "{refused}");
}

#[test]
fn an_event_in_a_role_that_its_node_may_not_assert_is_kept_and_has_no_effect_anywhere() {
    let mut town = with_vehicle(51);
    let case = case::report(&mut town.two, &actor(Role::Inspector, "xcy-1"), rubbish(None), NOW).unwrap().into_value();
    let event = usurp(&mut town.two, &case, Action::Accept);
    let own = fold(&mut town.two, &case);
    assert_eq!(effect(&own, event), Effect::Void(VoidReason::RoleNotHeld), "while its entry is being written");
    town.meet();
    for replica in [&mut town.one, &mut town.two, &mut town.center] {
        let case = fold(replica, &case);
        assert_eq!(effect(&case, event), Effect::Void(VoidReason::RoleNotHeld));
        assert_eq!(case.state, Some(CaseState::Reported));
    }
    // Those who may decide go on.
    case::act(&mut town.one, &case, &actor(Role::IntakeClerk, "sly-2"), Action::Accept, NOW).unwrap();
    assert_eq!(fold(&mut town.one, &case).state, Some(CaseState::Accepted));
}

#[test]
fn a_copy_by_a_node_that_may_not_write_it_does_not_spoil_an_event() {
    let mut town = with_vehicle(52);
    let case = case::report(&mut town.two, &actor(Role::Inspector, "xcy-1"), rubbish(None), NOW).unwrap().into_value();
    // Recorded first, with the words that the office will use.
    let event = usurp(&mut town.two, &case, Action::Accept);
    town.two.commit(NOW).unwrap();
    meet(&mut town.two, &mut town.center);
    town.one.commit(NOW).unwrap();
    meet(&mut town.one, &mut town.center);
    let refused = fold(&mut town.one, &case);
    assert_eq!(effect(&refused, event), Effect::Void(VoidReason::RoleNotHeld));
    let honest = CaseEvent {
        case: case.document,
        by: "sly-1".into(),
        role: Role::IntakeClerk,
        seen: vec![refused.timeline[0].event].into_iter().collect(),
        note: None,
        action: Action::Accept,
        rules: None,
        restates: None,
    };
    let bytes = honest.to_bytes().unwrap();
    assert_eq!(record_id(&bytes), event);
    town.one.put(&case.namespace, DocumentKind::Case, case.document, bytes, Lane::Urgent, NOW).unwrap();
    town.meet();
    for replica in [&mut town.one, &mut town.two, &mut town.center] {
        assert_eq!(effect(&fold(replica, &case), event), Effect::Applied);
    }
}

#[test]
fn whoever_left_or_has_other_roles_is_turned_away_where_they_are_known() {
    let mut town = Town::new(58);
    let member = |code: &str, roles: &[Role], retired| Member {
        code: Some(code.into()),
        roles: roles.iter().copied().collect(),
        retired: Some(retired),
        ..Member::default()
    };
    for known in [
        member("xcy-1", &[Role::Inspector], false),
        member("xcy-2", &[Role::Inspector], true),
        member("xcy-3", &[], false),
    ] {
        town::record(&mut town.center, &known, Writing::Known, NOW).unwrap();
    }
    town.center.commit(NOW).unwrap();
    let report = |replica: &mut Replica, role, code: &str| {
        case::report(replica, &actor(role, code), rubbish(None), NOW).map(drop).map_err(|error| error.code())
    };
    assert_eq!(report(&mut town.center, Role::Inspector, "XCY-1"), Ok(()));
    assert_eq!(report(&mut town.center, Role::DutyHead, "xcy-1"), Err("member_role"));
    assert_eq!(report(&mut town.center, Role::Inspector, "xcy-2"), Err("member_left"));
    assert_eq!(report(&mut town.center, Role::DutyHead, "xcy-3"), Ok(()), "no role of theirs is recorded");
    assert_eq!(report(&mut town.center, Role::DutyHead, "nobody-1"), Ok(()), "nor are they");
    assert_eq!(report(&mut town.one, Role::Inspector, "xcy-2"), Ok(()), "the village has not heard of it");
    town.meet();
    assert_eq!(report(&mut town.one, Role::Inspector, "xcy-2"), Err("member_left"));
    let error = case::report(&mut town.one, &actor(Role::DutyHead, "xcy-1"), rubbish(None), NOW).unwrap_err();
    assert!(error.chinese().contains("值班长") && error.chinese().contains("网格巡查员"), "{}", error.chinese());
    assert!(error.to_string().contains("duty head"), "{error}");
}
