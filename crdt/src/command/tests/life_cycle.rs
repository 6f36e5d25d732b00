//! The rules of cases, drafted, published and used across nodes.

use std::collections::BTreeSet;

use super::cases::{actor, rubbish};
use super::tables::centers;
use super::*;
use crate::command::case::{self, CaseRef};
use crate::command::life_cycle::{self, EditionNote, Publishing};
use crate::command::{CommandError, Outcome, conflict, table};
use crate::domain::case::{Action, Case, Effect, Promise, Reason, Step, TransitionTable};
use crate::domain::role::Role;
use crate::domain::tables::{TableKind, TransitionRow};
use crate::policy::{Denied, DocumentKind};
use crate::replica::RecordError;
use crate::value::Fields;

/// The row of a step, changed.
fn row(step: Step, with: impl Fn(&mut TransitionRow)) -> Fields {
    let table = TransitionTable::default();
    let mut row = TransitionRow::of_rule(table.rule(step).unwrap());
    with(&mut row);
    row.fields()
}

/// Only duty heads take a case in.
fn duty_heads_accept() -> Fields {
    row(Step::Accept, |row| row.who = "duty_head".parse().ok())
}

fn draft(replica: &mut Replica, rows: &[Fields]) {
    table::record(replica, TableKind::Transition, rows, NOW).unwrap();
    replica.commit(NOW).unwrap();
}

fn publishing(replica: &mut Replica, without: &[Promise]) -> Publishing {
    let revision = life_cycle::draft(replica).unwrap().revision;
    let without = without.iter().copied().collect();
    Publishing { by: "zhz-1".into(), why: "受理改由值班长负责".into(), without, revision }
}

fn publish(replica: &mut Replica) -> Result<Outcome<Option<EditionNote>>, CommandError> {
    let looked_through = publishing(replica, &[]);
    let done = life_cycle::publish(replica, &looked_through, NOW);
    replica.commit(NOW).unwrap();
    done
}

fn report(replica: &mut Replica) -> CaseRef {
    let case = case::report(replica, &actor(Role::Inspector, "xcy-1"), rubbish(None), NOW).unwrap().into_value();
    replica.commit(NOW).unwrap();
    case
}

fn accept(replica: &mut Replica, case: &CaseRef, role: Role) -> Result<(), &'static str> {
    let done = case::act(replica, case, &actor(role, "p-1"), Action::Accept, NOW);
    replica.commit(NOW).unwrap();
    done.map(|_| ()).map_err(|error| error.code())
}

fn folded(replica: &mut Replica, case: &CaseRef) -> Case {
    case::read(replica, &case.namespace, case.document).unwrap().unwrap().case
}

#[test]
fn a_draft_changes_nothing_before_it_is_published_and_then_rules_wherever_it_arrives() {
    let mut town = Town::new(170);
    let (first, second) = (report(&mut town.one), report(&mut town.one));
    town.meet();
    draft(&mut town.center, &[duty_heads_accept()]);
    assert_eq!(accept(&mut town.center, &first, Role::DutyHead), Err("wrong_role"), "a draft is none of the rules");
    let drafted = life_cycle::draft(&mut town.center).unwrap();
    assert_eq!((drafted.changes.rules.len(), drafted.changes.meetings.len()), (1, 0));
    let Outcome::Created(Some(edition), _) = publish(&mut town.center).unwrap() else { panic!("it is new") };
    assert_eq!((edition.number, edition.before.len(), edition.void), (1, 0, false));
    assert_eq!(accept(&mut town.center, &first, Role::IntakeClerk), Err("wrong_role"));
    accept(&mut town.center, &first, Role::DutyHead).unwrap();
    // The village is cut off and goes by the rules that it has.
    accept(&mut town.one, &second, Role::IntakeClerk).unwrap();
    town.meet();
    meet(&mut town.center, &mut town.two);
    town.meet();
    for replica in [&mut town.one, &mut town.two, &mut town.center] {
        for (case, editions) in [(&first, [0, 1]), (&second, [0, 0])] {
            let case = folded(replica, case);
            assert_eq!(case.timeline.iter().map(|entry| entry.edition).collect::<Vec<_>>(), editions);
            assert!(case.timeline.iter().all(|entry| entry.effect == Effect::Applied));
        }
        let third = report(replica);
        assert_eq!(accept(replica, &third, Role::IntakeClerk), Err("wrong_role"), "the rules have arrived");
        accept(replica, &third, Role::DutyHead).unwrap();
    }
    assert!(matches!(publish(&mut town.center).unwrap(), Outcome::Unchanged(Some(same)) if same.id == edition.id));
    town.meet();
    meet(&mut town.center, &mut town.two);
    town.meet();
    town.readings();
}

#[test]
fn only_a_center_publishes() {
    let mut town = Town::new(171);
    draft(&mut town.center, &[duty_heads_accept()]);
    meet(&mut town.center, &mut town.one);
    let refused = publish(&mut town.one);
    assert!(matches!(refused, Err(CommandError::Record(RecordError::Denied(Denied::CenterOnly)))), "{refused:?}");
    assert!(table::tables(&mut town.one).unwrap().life_cycle().in_force().is_none());
}

#[test]
fn what_a_town_could_not_work_by_is_not_published_and_a_promise_only_if_it_is_named() {
    let (mut center, _) = centers(172);
    let retired = |step| row(step, |row| row.retired = Some(true));
    draft(&mut center, &[retired(Step::Resume)]);
    let refused = publish(&mut center).unwrap_err();
    assert_eq!(refused.code(), "unsound");
    assert!(refused.chinese().contains("案卷进入“挂账”后无法离开"), "{}", refused.chinese());
    assert!(refused.to_string().contains("a case cannot leave “suspended”"), "{refused}");
    let finders_handle = row(Step::OrderDone, |row| row.guards = Some(crate::domain::columns::List(BTreeSet::new())));
    draft(&mut center, &[row(Step::Resume, |row| row.retired = Some(false)), finders_handle]);
    let refused = publish(&mut center).unwrap_err();
    assert_eq!(refused.code(), "promises_broken");
    assert!(refused.chinese().contains("发现人不处置 (finder_handles_not)"), "{}", refused.chinese());
    let other = publishing(&mut center, &[Promise::OthersAudit]);
    assert_eq!(life_cycle::publish(&mut center, &other, NOW).unwrap_err().code(), "promises_broken");
    let named = publishing(&mut center, &[Promise::FinderHandlesNot]);
    for wrong in [
        Publishing { by: " ".into(), ..named.clone() },
        Publishing { why: String::new(), ..named.clone() },
        Publishing { by: "长".repeat(40), ..named.clone() },
    ] {
        assert!(["blank", "too_long"].contains(&life_cycle::publish(&mut center, &wrong, NOW).unwrap_err().code()));
    }
    // Somebody edits a row after it was looked through.
    draft(&mut center, &[row(Step::Comment, |row| row.who = "duty_head".parse().ok())]);
    assert_eq!(life_cycle::publish(&mut center, &named, NOW).unwrap_err().code(), "draft_changed");
    let named = publishing(&mut center, &[Promise::FinderHandlesNot]);
    life_cycle::publish(&mut center, &named, NOW).unwrap();
}

#[test]
fn an_edition_is_written_into_the_draft_again_to_be_published_once_more() {
    let (mut center, _) = centers(175);
    let meeting = |retired| {
        let shipped = TransitionTable::default();
        let met = shipped.meetings().iter().find(|met| met.first == Step::File).unwrap();
        let row = crate::domain::tables::MeetingRow {
            retired: Some(retired),
            ..crate::domain::tables::MeetingRow::of_meeting(met)
        };
        row.fields()
    };
    draft(&mut center, &[duty_heads_accept(), row(Step::Whistle, |row| row.retired = Some(true))]);
    table::record(&mut center, TableKind::Meeting, &[meeting(true)], NOW).unwrap();
    let Outcome::Created(Some(first), _) = publish(&mut center).unwrap() else { panic!("it is new") };
    let before = life_cycle::draft(&mut center).unwrap().table;
    life_cycle::restore(&mut center, None, NOW).unwrap();
    center.commit(NOW).unwrap();
    assert_eq!(life_cycle::draft(&mut center).unwrap().table, TransitionTable::default());
    publish(&mut center).unwrap();
    life_cycle::restore(&mut center, Some(first.id), NOW).unwrap();
    assert_eq!(life_cycle::draft(&mut center).unwrap().table, before);
    let unknown = life_cycle::restore(&mut center, Some(crate::id::RecordId([7; 16])), NOW).unwrap_err();
    assert_eq!(unknown.code(), "not_found");
}

#[test]
fn what_a_removed_center_published_unseen_counts_for_nothing() {
    let mut rng = ChaCha8Rng::seed_from_u64(177);
    let founded = enrol::found(&[LANGFA.to_owned()], "2025", "2025-11", NOW, &mut rng);
    let mut one = node(&founded, &mut rng, "center-1", NodeRole::Center);
    let mut two = node(&founded, &mut rng, "center-2", NodeRole::Center);
    let mut third = node(&founded, &mut rng, "center-3", NodeRole::Center);
    meet(&mut one, &mut two);
    meet(&mut one, &mut third);
    draft(&mut two, &[duty_heads_accept()]);
    meet(&mut one, &mut two);
    publish(&mut two).unwrap();
    meet(&mut two, &mut third);
    assert!(table::tables(&mut third).unwrap().life_cycle().in_force().is_some());
    let case = report(&mut third);
    accept(&mut third, &case, Role::DutyHead).unwrap();
    one.revoke(&founded.authority, two.node(), true, NOW).unwrap();
    one.commit(NOW).unwrap();
    meet(&mut one, &mut third);
    for replica in [&mut one, &mut third] {
        let tables = table::tables(replica).unwrap();
        assert!(tables.life_cycle().in_force().is_none());
        assert_eq!(tables.life_cycle().published().len(), 1, "it is told, and rules nothing");
        let folded = folded(replica, &case);
        let Effect::None { reason, .. } = folded.timeline[1].effect else { panic!("{folded:?}") };
        assert_eq!((reason, folded.timeline[1].edition), (Reason::WrongRole, 0));
    }
}

#[test]
fn editions_published_apart_are_in_the_inbox_until_one_more_settles_it() {
    let (mut one, mut two) = centers(173);
    draft(&mut one, &[duty_heads_accept()]);
    publish(&mut one).unwrap();
    draft(&mut two, &[row(Step::Refuse, |row| row.who = "duty_head".parse().ok())]);
    publish(&mut two).unwrap();
    meet(&mut one, &mut two);
    for replica in [&mut one, &mut two] {
        let open = inbox(replica);
        assert_eq!(open.iter().map(|one| one.kind.key()).collect::<Vec<_>>(), ["editions"]);
        assert_eq!(open[0].sides.iter().map(|side| side.stands).collect::<Vec<_>>(), [true, false]);
        assert!(open[0].sides[0].chinese.starts_with("第 1 版"), "{}", open[0].sides[0].chinese);
    }
    // Both changed another row, so the draft holds both.
    let Outcome::Created(Some(edition), _) = publish(&mut two).unwrap() else { panic!("it settles") };
    meet(&mut one, &mut two);
    for replica in [&mut one, &mut two] {
        assert_eq!((inbox(replica).len(), edition.number), (0, 2));
        let rules = table::tables(replica).unwrap();
        let in_force = rules.life_cycle().table();
        for step in [Step::Accept, Step::Refuse] {
            assert_eq!(in_force.rule(step).unwrap().who.to_string(), "duty_head", "{step}");
        }
    }
}

#[test]
fn one_of_two_editions_is_kept_by_publishing_it_once_more() {
    let (mut one, mut two) = centers(178);
    draft(&mut one, &[duty_heads_accept()]);
    publish(&mut one).unwrap();
    draft(&mut two, &[row(Step::Refuse, |row| row.who = "duty_head".parse().ok())]);
    publish(&mut two).unwrap();
    meet(&mut one, &mut two);
    let [apart] = &inbox(&mut one)[..] else { panic!("one conflict") };
    assert_eq!(apart.offers.iter().map(|offer| offer.action).collect::<Vec<_>>(), [conflict::ActionKey::Keep]);
    let document = one.document_id(&Namespace::town(), DocumentKind::LifeCycle, b"cases").unwrap();
    let mut keep = |by: Option<&str>, side: usize| {
        let actor = by.map(|by| actor(Role::Commander, by));
        let asked = conflict::Asked { id: apart.id, revision: apart.revision.clone(), actor };
        let at = (&Namespace::town(), DocumentKind::LifeCycle, document);
        let done = conflict::settle(&mut one, at, &asked, &conflict::Choice::Keep(side), NOW);
        one.commit(NOW).unwrap();
        done.map(|_| ()).map_err(|error| error.code())
    };
    assert_eq!(keep(None, 2), Err("actor_missing"));
    assert_eq!(keep(Some("zhz-9"), 3), Err("no_such_side"));
    // The older of the two, which is not in force.
    keep(Some("zhz-9"), 2).unwrap();
    assert_eq!(keep(Some("zhz-9"), 2), Err("settled"));
    meet(&mut one, &mut two);
    for replica in [&mut one, &mut two] {
        assert_eq!(inbox(replica), []);
        let tables = table::tables(replica).unwrap();
        let in_force = tables.life_cycle().in_force().unwrap();
        assert_eq!((in_force.number, in_force.input.edition.by.as_str()), (2, "zhz-9"));
        assert_eq!(in_force.input.edition.why, "各自发布的流程中采用第 1 版");
        let kept = apart.sides[1].said[0].node.unwrap();
        let of = tables.life_cycle().published().iter().find(|edition| edition.input.author == kept).unwrap();
        assert_eq!(in_force.input.edition.table, of.input.edition.table);
        let told = settled(replica);
        let [done] = &told[..] else { panic!("it is told: {told:?}") };
        assert_eq!((done.conflict, done.sides.len(), done.undoable), (apart.id, 2, false));
    }
}

#[test]
fn two_centers_that_keep_different_editions_apart_are_in_conflict_again() {
    let (mut one, mut two) = centers(179);
    draft(&mut one, &[duty_heads_accept()]);
    publish(&mut one).unwrap();
    draft(&mut two, &[row(Step::Refuse, |row| row.who = "duty_head".parse().ok())]);
    publish(&mut two).unwrap();
    meet(&mut one, &mut two);
    let document = one.document_id(&Namespace::town(), DocumentKind::LifeCycle, b"cases").unwrap();
    let apart = inbox(&mut one).remove(0);
    for (replica, side) in [(&mut one, 1), (&mut two, 2)] {
        let actor = Some(actor(Role::Commander, "zhz-9"));
        let asked = conflict::Asked { id: apart.id, revision: apart.revision.clone(), actor };
        let at = (&Namespace::town(), DocumentKind::LifeCycle, document);
        conflict::settle(replica, at, &asked, &conflict::Choice::Keep(side), NOW).unwrap();
        replica.commit(NOW).unwrap();
    }
    meet(&mut one, &mut two);
    let [again] = &inbox(&mut one)[..] else { panic!("one conflict") };
    assert_eq!((again.id, inbox(&mut two).len()), (apart.id, 1));
    assert_ne!(again.revision, apart.revision);
}

#[test]
fn cells_in_dispute_are_settled_before_anything_is_published() {
    let (mut one, mut two) = centers(174);
    for (replica, role) in [(&mut one, "duty_head"), (&mut two, "commander")] {
        draft(replica, &[row(Step::Accept, |row| row.who = role.parse().ok())]);
    }
    meet(&mut one, &mut two);
    let refused = publish(&mut one).unwrap_err();
    assert_eq!(refused.code(), "rows_disputed");
    assert!(refused.chinese().starts_with("办理流程中有录入不一致"), "{}", refused.chinese());
    draft(&mut one, &[duty_heads_accept()]);
    publish(&mut one).unwrap();
}

fn inbox(replica: &mut Replica) -> Vec<conflict::OpenConflict> {
    let document = replica.document_id(&Namespace::town(), DocumentKind::LifeCycle, b"cases").unwrap();
    let reading = read::of_kind(replica, &Namespace::town(), DocumentKind::LifeCycle, document).unwrap();
    conflict::open(&reading)
}

fn settled(replica: &mut Replica) -> Vec<conflict::Done> {
    let document = replica.document_id(&Namespace::town(), DocumentKind::LifeCycle, b"cases").unwrap();
    let reading = read::of_kind(replica, &Namespace::town(), DocumentKind::LifeCycle, document).unwrap();
    conflict::settled(&reading)
}
