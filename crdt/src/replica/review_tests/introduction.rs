//! Newcomers that have met nobody yet.

use super::super::tests::{edit, meet, texts};
use super::*;

/// Joins with an invite that tells of the town.
fn invited(town: &mut Town, center: &Replica, name: &'static str, role: NodeRole, regions: &[&str]) -> Member {
    let regions = regions.iter().map(|code| (*code).to_owned()).collect();
    let place = Place { name: name.into(), role, regions, carries: vec![], acts_as: None };
    let invite = enrol::invite(&town.founded.authority, &place, &center.secrets(), NOW, &mut town.rng).unwrap();
    let invite = invite.introduced_by(center.trust());
    let joined = enrol::redeem(&invite, &mut town.rng).unwrap();
    let (identity, chain) = (joined.identity, joined.chain);
    let town_key = town.founded.authority.town;
    let mut member = Member { name, disk: Disk::default(), identity, chain, town: town_key, replica: None };
    member.reopen(&mut town.rng, NOW);
    let replica = member.replica();
    replica.keep_introduction(&invite.introduction).unwrap();
    assert!(replica.keep_secrets(&invite.secrets));
    replica.commit(NOW).unwrap();
    member
}

#[test]
fn who_joined_and_met_nobody_records_and_passes_on_to_others_of_the_region() {
    let mut town = Town::new(320);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let cases = Namespace::cases(LANGFA, "2027");
    center.period(&cases, NOW).unwrap();
    center.commit(NOW).unwrap();
    let mut langfa = invited(&mut town, &center, "langfa", NodeRole::Village, &[LANGFA]);
    let mut vehicle = invited(&mut town, &center, "vehicle", NodeRole::Patrol, &[LANGFA]);
    let before = edit(langfa.replica(), LANGFA, "1", "before a restart");
    langfa.reopen(&mut town.rng, NOW);
    let after = edit(langfa.replica(), LANGFA, "2", "after it");
    assert_eq!(langfa.replica().period(&cases, NOW).unwrap(), cases, "a period that was opened is known");
    meet(langfa.replica(), vehicle.replica());
    assert_eq!(texts(vehicle.replica(), LANGFA, after), ["after it"]);
    // The center learns of both from the vehicle alone.
    meet(vehicle.replica(), &mut center);
    assert_eq!(texts(&mut center, LANGFA, before), ["before a restart"]);
    assert_eq!(texts(&mut center, LANGFA, after), ["after it"]);
}

/// Else every newcomer would write what everybody knows into `auth` once more.
#[test]
fn what_a_newcomer_is_told_is_not_recorded_again() {
    let mut town = Town::new(321);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = invited(&mut town, &center, "langfa", NodeRole::Village, &[LANGFA]);
    meet(langfa.replica(), &mut center);
    let own = langfa.node();
    let auth = center.namespace_id(&Namespace::auth());
    let written = center.logs().filter(|state| state.log.author == own && state.log.namespace == auth);
    assert!(written.map(|state| state.bytes).sum::<u64>() < 2_000);
}

#[test]
fn what_is_told_of_another_town_is_refused() {
    let mut town = Town::new(322);
    let center = town.node("center", NodeRole::Center, &[], &[]);
    let mut other = Town::new(323);
    let mut stranger = other.node("center", NodeRole::Center, &[], &[]);
    let own = center.certificate();
    assert!(stranger.keep_introduction(&center.trust().introduction(own)).is_err());
    stranger.commit(NOW).unwrap();
    assert!(stranger.store().meta("introduction").unwrap().is_none());
}

/// Whoever made the invite had opened a period that nobody else has heard of, and is gone.
#[test]
fn a_period_that_only_the_inviter_knew_is_recorded_by_who_uses_it() {
    let mut town = Town::new(324);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut old = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut center, &mut old);
    let years = ["2027", "2028"].map(|year| Namespace::cases(LANGFA, year));
    years.iter().for_each(|year| _ = old.period(year, NOW).unwrap());
    old.commit(NOW).unwrap();
    let mut new = invited(&mut town, &old, "langfa 2", NodeRole::Village, &[LANGFA]);
    drop(old);
    let [first, last] = &years;
    assert_eq!(new.replica().period(last, NOW).unwrap(), *last);
    let document = DocumentId([5; 16]);
    new.replica().put(last, DocumentKind::Case, document, b"case".to_vec(), Lane::Work, NOW).unwrap();
    new.replica().commit(NOW).unwrap();
    new.reopen(&mut town.rng, NOW);
    meet(new.replica(), &mut center);
    let id = center.namespace_id(last);
    assert_eq!(center.records(id, document).unwrap().len(), 1);
    assert_eq!(center.period(first, NOW).unwrap(), *first);
    let own = new.node();
    let written = |center: &Replica| {
        let auth = center.namespace_id(&Namespace::auth());
        let logs = center.logs().filter(|state| state.log.author == own && state.log.namespace == auth);
        logs.map(|state| state.bytes).sum::<u64>()
    };
    let before = written(&center);
    assert_eq!(new.replica().period(last, NOW).unwrap(), *last);
    new.replica().commit(NOW).unwrap();
    meet(new.replica(), &mut center);
    assert_eq!(written(&center), before, "once");
}
