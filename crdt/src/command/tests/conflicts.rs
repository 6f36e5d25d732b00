//! The conflict inbox: what two offices did apart is settled on one of them, for all.

mod accounts;
mod cases;

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::households::{input, person};
use super::tables::limit;
use super::*;
use crate::command::case::Actor;
use crate::command::conflict::{self, ActionKey, Asked, Choice, Done, OpenConflict};
use crate::command::entity::Writing;
use crate::command::household::{self, Edit};
use crate::command::{CommandError, erasure, table};
use crate::domain::dwelling::DwellingUse;
use crate::domain::household::{Household, Resident};
use crate::domain::tables::TableKind;
use crate::domain::town::Team;
use crate::entry::Lane;
use crate::id::ConflictId;
use crate::policy::DocumentKind;

const NUMBER: &str = "110101199003074610";

type At = (Namespace, DocumentKind, DocumentId);

fn household_at(document: DocumentId) -> At {
    (registry(), DocumentKind::Household, document)
}

fn reading(replica: &mut Replica, (namespace, kind, document): &At) -> Reading {
    read::of_kind(replica, namespace, *kind, *document).unwrap()
}

fn inbox(replica: &mut Replica, at: &At) -> Vec<OpenConflict> {
    conflict::open(&reading(replica, at))
}

fn settled(replica: &mut Replica, at: &At) -> Vec<Done> {
    conflict::settled(&reading(replica, at))
}

fn asked(conflict: &OpenConflict, actor: Option<Actor>) -> Asked {
    Asked { id: conflict.id, revision: conflict.revision.clone(), actor }
}

fn try_settle(
    replica: &mut Replica,
    (namespace, kind, document): &At,
    asked: &Asked,
    choice: &Choice,
) -> Result<Option<Done>, CommandError> {
    let outcome = conflict::settle(replica, (namespace, *kind, *document), asked, choice, NOW);
    replica.commit(NOW).unwrap();
    Ok(outcome?.into_value().done)
}

/// Settles the only conflict.
fn settle(replica: &mut Replica, at: &At, choice: &Choice) -> Done {
    let open = inbox(replica, at);
    let [only] = &open[..] else { panic!("one conflict: {open:?}") };
    try_settle(replica, at, &asked(only, None), choice).unwrap().unwrap()
}

fn undo(replica: &mut Replica, at: &At, done: ConflictId) -> Result<ConflictId, CommandError> {
    undo_as(replica, at, done, None)
}

fn undo_as(
    replica: &mut Replica,
    (namespace, kind, document): &At,
    done: ConflictId,
    actor: Option<&Actor>,
) -> Result<ConflictId, CommandError> {
    let outcome = conflict::undo(replica, (namespace, *kind, *document), done, actor, NOW);
    replica.commit(NOW).unwrap();
    Ok(outcome?.into_value())
}

impl Town {
    /// Everybody hears of everything.
    fn meet_all(&mut self) {
        self.meet();
        meet(&mut self.center, &mut self.two);
        self.meet();
        self.readings();
    }

    /// What is to be settled, which all see alike.
    fn inboxes(&mut self, at: &At) -> Vec<OpenConflict> {
        let [one, two, center] = [&mut self.one, &mut self.two, &mut self.center].map(|node| inbox(node, at));
        assert_eq!(one, two);
        assert_eq!(one, center);
        one
    }
}

fn record(replica: &mut Replica, residents: Vec<Resident>) -> household::HouseholdIds {
    let ids = household::record(replica, &input("1号", residents), Lane::Work, NOW).unwrap().into_value();
    replica.commit(NOW).unwrap();
    ids
}

fn use_it(replica: &mut Replica, document: DocumentId, usage: DwellingUse) {
    let edit = Edit { set: Household { usage: Some(usage), ..Household::default() }, ..Edit::default() };
    household::edit_household(replica, &registry(), document, &edit, NOW).unwrap();
    replica.commit(NOW).unwrap();
}

/// A household of which the offices say different uses.
fn contested(town: &mut Town) -> At {
    let document = record(&mut town.one, vec![]).document;
    town.meet_all();
    use_it(&mut town.one, document, DwellingUse::Shop);
    use_it(&mut town.two, document, DwellingUse::Vacant);
    town.meet_all();
    household_at(document)
}

fn usage(replica: &mut Replica, at: &At) -> Option<DwellingUse> {
    household::read(replica, &at.0, at.2).unwrap().unwrap().household.usage
}

fn side_saying(conflict: &OpenConflict, value: &str) -> usize {
    conflict.sides.iter().find(|side| side.value == value).unwrap().side
}

#[test]
fn a_field_is_settled_on_one_node_for_all_and_undone_on_another() {
    let mut town = Town::new(60);
    let at = contested(&mut town);
    let [conflict] = &town.inboxes(&at)[..] else { panic!("one conflict") };
    let nodes: BTreeSet<_> = conflict.sides.iter().flat_map(|side| &side.said).map(|said| said.node.unwrap()).collect();
    assert_eq!(nodes, [town.one.node(), town.two.node()].into());
    assert_eq!(
        conflict.offers.iter().map(|offer| offer.action).collect::<Vec<_>>(),
        [ActionKey::Keep, ActionKey::Value]
    );
    let shown = usage(&mut town.one, &at);

    let side = side_saying(conflict, "shop");
    let done = settle(&mut town.one, &at, &Choice::Keep(side));
    assert_eq!((done.conflict, done.choice.value.as_str(), done.sides.len()), (conflict.id, "shop", 2));
    town.meet_all();
    assert_eq!(town.inboxes(&at), []);
    assert_eq!(usage(&mut town.two, &at), Some(DwellingUse::Shop));
    assert_eq!(settled(&mut town.center, &at), std::slice::from_ref(&done));

    assert_eq!(undo(&mut town.two, &at, done.id).unwrap(), conflict.id);
    town.meet_all();
    let [again] = &town.inboxes(&at)[..] else { panic!("open again") };
    assert_eq!((again.id, &again.sides), (conflict.id, &conflict.sides), "whose it was before");
    assert_ne!(again.revision, "");
    assert_eq!(usage(&mut town.center, &at), shown, "what was shown is shown again");
    assert!(!settled(&mut town.one, &at)[0].stands);
    assert_eq!(undo(&mut town.one, &at, done.id).unwrap_err().code(), "conflict_changed", "no second time");
}

#[test]
fn whoever_saw_another_conflict_settles_nothing() {
    let mut town = Town::new(61);
    let at = contested(&mut town);
    let [seen] = &town.inboxes(&at)[..] else { panic!("one conflict") };
    use_it(&mut town.two, at.2, DwellingUse::Dormitory);
    assert_eq!(try_settle(&mut town.two, &at, &asked(seen, None), &Choice::Keep(1)).unwrap_err().code(), "settled");
    use_it(&mut town.one, at.2, DwellingUse::Rental);
    town.meet_all();
    let [now] = &town.inboxes(&at)[..] else { panic!("settled apart differently is in conflict again") };
    assert_eq!(now.id, seen.id, "under the same id");
    assert_ne!(now.revision, seen.revision);
    let before = readings(&mut town.one);
    for (asked, choice, code) in [
        (asked(seen, None), Choice::Keep(1), "conflict_changed"),
        (asked(now, None), Choice::Keep(3), "no_such_side"),
        (asked(now, None), Choice::Keep(0), "no_such_side"),
        (asked(now, None), Choice::Distinct, "not_offered"),
        (asked(now, None), Choice::Settle(vec![]), "not_offered"),
        (Asked { id: ConflictId([7; 16]), ..asked(now, None) }, Choice::Keep(1), "settled"),
    ] {
        let error = try_settle(&mut town.one, &at, &asked, &choice).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(!error.chinese().is_empty());
    }
    assert_eq!(readings(&mut town.one), before, "nothing was recorded");
}

#[test]
fn two_that_settle_apart_alike_have_settled_and_differently_are_in_conflict_again() {
    for (seed, theirs, open) in [(62, "shop", 0), (63, "vacant", 1)] {
        let mut town = Town::new(seed);
        let at = contested(&mut town);
        let [conflict] = &town.inboxes(&at)[..] else { panic!("one conflict") };
        settle(&mut town.one, &at, &Choice::Keep(side_saying(conflict, "shop")));
        settle(&mut town.two, &at, &Choice::Keep(side_saying(conflict, theirs)));
        town.meet_all();
        let now = town.inboxes(&at);
        assert_eq!(now.len(), open, "{theirs}: {now:?}");
        assert!(now.iter().all(|one| one.id == conflict.id && one.revision != conflict.revision));
        let told = settled(&mut town.center, &at);
        assert_eq!(told.len(), 2);
        assert!(told.iter().all(|done| done.stands == (open == 0)));
        if open == 0 {
            undo(&mut town.center, &at, told[0].id).unwrap();
            town.meet_all();
            assert_eq!(town.inboxes(&at).len(), 1, "undoing one of them undoes it");
        }
    }
}

fn call(phone: &str) -> Edit<Resident> {
    Edit { set: Resident { personal: Some(person("", "", phone)), ..Resident::default() }, ..Edit::default() }
}

#[test]
fn somebodys_phone_is_settled_undone_and_settled_with_another_value() {
    let mut town = Town::new(64);
    let tenant = Resident { personal: Some(person("甲", "", "13800000001")), ..Resident::default() };
    let ids = record(&mut town.one, vec![tenant]);
    let (at, id) = (household_at(ids.document), ids.residents[0]);
    town.meet_all();
    for (replica, phone) in [(&mut town.one, "13900000008"), (&mut town.two, "13900000009")] {
        household::edit_resident(replica, &registry(), at.2, id, &call(phone), NOW).unwrap();
        replica.commit(NOW).unwrap();
    }
    town.meet_all();
    let before = town.inboxes(&at);
    let [conflict] = &before[..] else { panic!("one conflict: {before:?}") };
    assert!(conflict.personal && conflict.sides.iter().all(|side| side.said.len() == 1 && side.said[0].node.is_some()));
    let phone = |replica: &mut Replica| {
        let found = household::read(replica, &registry(), at.2).unwrap().unwrap();
        found.residents[0].resident.personal.clone().unwrap().phone.unwrap()
    };
    let done = settle(&mut town.two, &at, &Choice::Keep(side_saying(conflict, "13900000008")));
    assert_eq!((done.subject.as_str(), done.choice.value.as_str()), ("phone", "13900000008"));
    town.meet_all();
    assert_eq!((town.inboxes(&at).len(), phone(&mut town.one).as_str()), (0, "13900000008"));
    undo(&mut town.one, &at, done.id).unwrap();
    town.meet_all();
    let again = town.inboxes(&at);
    assert_eq!((&again[0].sides, again[0].id), (&conflict.sides, conflict.id), "both sides are open again");
    settle(&mut town.center, &at, &Choice::Resident(Box::new(call("13700000000"))));
    town.meet_all();
    assert_eq!((town.inboxes(&at).len(), phone(&mut town.two).as_str()), (0, "13700000000"));
}

#[test]
fn every_conflict_of_a_document_has_an_id_of_its_own() {
    let mut town = Town::new(77);
    let tenant = |name: &str| Resident { personal: Some(person(name, "", "13800000001")), ..Resident::default() };
    let ids = record(&mut town.one, vec![tenant("甲"), tenant("乙")]);
    town.meet_all();
    for (replica, name, phone, last) in
        [(&mut town.one, "丙", "13900000008", 20_000), (&mut town.two, "丁", "13900000009", 20_001)]
    {
        for id in &ids.residents {
            let who = Some(person(name, "", phone));
            let set =
                Resident { personal: who, moved_out: Some(crate::domain::date::Day(last)), ..Resident::default() };
            let edit = Edit { set, ..Edit::default() };
            household::edit_resident(replica, &registry(), ids.document, *id, &edit, NOW).unwrap();
        }
        use_it(replica, ids.document, if last == 20_000 { DwellingUse::Shop } else { DwellingUse::Vacant });
    }
    town.meet_all();
    let open = town.inboxes(&household_at(ids.document));
    let distinct: BTreeSet<_> = open.iter().map(|one| one.id).collect();
    assert_eq!(
        (open.len(), distinct.len()),
        (8, 8),
        "one of the house, of each resident three, and one pair: {open:?}"
    );
    let of_first =
        |field: &str| open.iter().find(|one| one.resident == Some(ids.residents[0]) && one.subject == field).unwrap();
    let at = household_at(ids.document);
    let outcome =
        conflict::settle(&mut town.one, (&at.0, at.1, at.2), &asked(of_first("name"), None), &Choice::Keep(1), NOW);
    let also = outcome.unwrap().into_value().also;
    assert_eq!(also, [of_first("phone").id], "what is sealed in one piece is settled in one");
}

/// A household in which the offices entered one person each, who look alike.
fn alike(town: &mut Town) -> (At, [crate::id::ResidentId; 2]) {
    let tenant = |phone: &str| Resident { personal: Some(person("甲", NUMBER, phone)), ..Resident::default() };
    let one = record(&mut town.one, vec![tenant("13800000001")]);
    let two = record(&mut town.two, vec![tenant("13800000002")]);
    town.meet_all();
    let mut both = [one.residents[0], two.residents[0]];
    both.sort();
    (household_at(one.document), both)
}

/// Two answers that contradict each other, whether anybody was asked or not.
fn answer_apart(town: &mut Town, (namespace, kind, document): &At, both: [crate::id::ResidentId; 2]) {
    use crate::domain::record::Scalar as _;
    use crate::domain::same_person::{Answer, Pair, Two};
    let key = Two::of(both[0], both[1]).unwrap().key();
    let answers = [Answer::Distinct, Answer::KeepFirst];
    let fields = answers.map(|answer| BTreeMap::from([(Pair::ANSWER, answer.to_value())]));
    let edits = fields.map(|fields| BTreeMap::from([(key.clone(), fields)]));
    town.two.edit_apart(namespace, *kind, *document, edits.into(), Lane::Work, NOW).unwrap();
    town.meet_all();
}

/// Who lives there: ids of those who are shown.
fn shown(replica: &mut Replica, at: &At) -> Vec<crate::id::ResidentId> {
    let found = household::read(replica, &at.0, at.2).unwrap().unwrap();
    let shown = found.residents.iter().filter(|one| one.resident.void != Some(true));
    shown.map(|one| one.id).collect()
}

fn of_residents(town: &mut Town, at: &At) -> Vec<OpenConflict> {
    let mut open = town.inboxes(at);
    open.retain(|one| one.subject == "duplicate");
    open
}

fn answer(replica: &mut Replica, at: &At, choice: &Choice) -> Done {
    let open = inbox(replica, at);
    let conflict = open.iter().find(|one| one.subject == "duplicate").unwrap();
    try_settle(replica, at, &asked(conflict, None), choice).unwrap().unwrap()
}

#[test]
fn residents_are_merged_into_one_and_come_apart_again() {
    let mut town = Town::new(65);
    let (at, both) = alike(&mut town);
    assert_eq!(of_residents(&mut town, &at).len(), 1);
    let done = answer(&mut town.one, &at, &Choice::Merge(2));
    town.meet_all();
    assert_eq!(of_residents(&mut town, &at), []);
    assert_eq!(shown(&mut town.two, &at), [both[1]]);
    let found = household::read(&mut town.two, &at.0, at.2).unwrap().unwrap();
    let alias = found.residents.iter().find(|one| one.id == both[0]).unwrap();
    assert_eq!(alias.alias_of, Some(both[1]));
    // What is recorded again goes to the one who is kept.
    let tenant = Resident {
        personal: Some(person("甲", NUMBER, "")),
        moved_in: Some(crate::domain::date::Day(9)),
        ..Resident::default()
    };
    assert_eq!(record(&mut town.two, vec![tenant]).residents, [both[1]]);
    town.meet_all();
    undo(&mut town.two, &at, done.id).unwrap();
    town.meet_all();
    assert_eq!(shown(&mut town.one, &at), both);
    assert_eq!(of_residents(&mut town, &at).len(), 1, "they look alike again");
}

#[test]
fn what_is_said_of_an_alias_is_said_of_whom_it_is_shown_as() {
    let mut town = Town::new(77);
    let (at, both) = alike(&mut town);
    answer(&mut town.one, &at, &Choice::Merge(2));
    town.meet_all();
    let edit = Edit {
        set: Resident { moved_out: Some(crate::domain::date::Day(20_000)), ..Resident::default() },
        ..Edit::default()
    };
    let refused = household::edit_resident(&mut town.one, &at.0, at.2, both[0], &edit, NOW);
    assert!(matches!(refused, Err(CommandError::Alias { kept }) if kept == both[1]), "{refused:?}");
    household::edit_resident(&mut town.one, &at.0, at.2, both[1], &edit, NOW).unwrap();
    town.one.commit(NOW).unwrap();
    // The ledger of the office that recorded the alias, once more, and then with something new.
    let phone_of = |replica: &mut Replica, id| {
        let found = household::read(replica, &at.0, at.2).unwrap().unwrap();
        let one = found.residents.into_iter().find(|one| one.id == id).unwrap();
        one.resident.personal.unwrap().phone.unwrap()
    };
    let phones = both.map(|id| phone_of(&mut town.one, id));
    let tenant =
        |moved_in| Resident { personal: Some(person("甲", NUMBER, &phones[0])), moved_in, ..Resident::default() };
    let again = household::record(&mut town.one, &input("1号", vec![tenant(None)]), Lane::Work, NOW).unwrap();
    assert_eq!((again.key(), again.value().residents.as_slice()), ("unchanged", &both[..1]));
    let news = vec![tenant(Some(crate::domain::date::Day(9)))];
    assert_eq!(record(&mut town.one, news).residents, [both[1]]);
    let found = household::read(&mut town.one, &at.0, at.2).unwrap().unwrap();
    let moved_in = found.residents.iter().map(|one| (one.id, one.resident.moved_in));
    assert_eq!(moved_in.filter(|(_, day)| day.is_some()).map(|(id, _)| id).collect::<Vec<_>>(), [both[1]]);
}

#[test]
fn what_was_recorded_with_a_settlement_is_not_undone_with_it() {
    let mut town = Town::new(78);
    let at = contested(&mut town);
    let set = Household { usage: Some(DwellingUse::Shop), rooms: Some(3), ..Household::default() };
    household::edit_household(&mut town.one, &at.0, at.2, &Edit { set, ..Edit::default() }, NOW).unwrap();
    town.one.commit(NOW).unwrap();
    let done = settled(&mut town.one, &at);
    assert_eq!((done.len(), done[0].undoable), (1, false), "{done:?}");
    assert!(matches!(undo(&mut town.one, &at, done[0].id), Err(CommandError::UndoLoses)));
    let (at, both) = alike(&mut town);
    let change = |replica: &mut Replica, personal| {
        let set = Resident { personal: Some(personal), ..Resident::default() };
        household::edit_resident(replica, &at.0, at.2, both[0], &Edit { set, ..Edit::default() }, NOW).unwrap();
        replica.commit(NOW).unwrap();
    };
    change(&mut town.one, person("乙", NUMBER, ""));
    change(&mut town.two, person("丙", NUMBER, ""));
    town.meet_all();
    change(&mut town.one, person("乙", NUMBER, "13900000009"));
    let done: Vec<Done> = settled(&mut town.one, &at).into_iter().filter(|done| done.personal).collect();
    assert_eq!((done.len(), done[0].undoable), (1, false), "the phone would go with the name: {done:?}");
}

#[test]
fn whoever_erases_one_who_was_merged_erases_both() {
    let mut rng = ChaCha8Rng::seed_from_u64(76);
    let founded = enrol::found(&[LANGFA.to_owned()], "2025", "2025-11", NOW, &mut rng);
    let center = node(&founded, &mut rng, "center", NodeRole::Center);
    let [one, two] = ["one", "two"].map(|name| node(&founded, &mut rng, name, NodeRole::Village));
    let mut town = Town { founded, center, one, two };
    town.meet_all();
    let (at, both) = alike(&mut town);
    answer(&mut town.one, &at, &Choice::Merge(1));
    town.meet_all();
    for gone in both {
        let subject = erasure::Subject::Resident(gone);
        let erased = erasure::erase(&mut town.center, &town.founded.authority, &at.0, at.2, subject, NOW);
        town.center.commit(NOW).unwrap();
        assert_eq!(erased.is_ok(), gone == both[0], "all of it at once: {erased:?}");
    }
    town.meet_all();
    let found = household::read(&mut town.two, &at.0, at.2).unwrap().unwrap();
    assert!(found.residents.iter().all(|one| one.state == read::PersonalState::Erased), "{:?}", found.residents);
}

#[test]
fn two_people_who_are_told_apart_are_not_suspected_again_until_that_is_undone() {
    let mut town = Town::new(66);
    let (at, both) = alike(&mut town);
    let done = answer(&mut town.two, &at, &Choice::Distinct);
    town.meet_all();
    assert_eq!((of_residents(&mut town, &at).len(), shown(&mut town.center, &at)), (0, both.to_vec()));
    let call = call("13900000009");
    household::edit_resident(&mut town.one, &at.0, at.2, both[0], &call, NOW).unwrap();
    town.meet_all();
    assert_eq!(of_residents(&mut town, &at), [], "whatever else is recorded of them");
    undo(&mut town.one, &at, done.id).unwrap();
    town.meet_all();
    assert_eq!(of_residents(&mut town, &at).len(), 1);
}

#[test]
fn contrary_answers_about_residents_leave_both_standing_and_are_to_be_settled() {
    let mut town = Town::new(67);
    let (at, both) = alike(&mut town);
    let id = of_residents(&mut town, &at)[0].id;
    answer(&mut town.one, &at, &Choice::Merge(1));
    answer(&mut town.two, &at, &Choice::Distinct);
    town.meet_all();
    assert_eq!(shown(&mut town.center, &at), both);
    let open = of_residents(&mut town, &at);
    assert_eq!((open.len(), open[0].id, open[0].sides.len()), (1, id, 4), "two people, two answers: {open:?}");
    answer(&mut town.center, &at, &Choice::Merge(1));
    town.meet_all();
    assert_eq!((of_residents(&mut town, &at).len(), shown(&mut town.one, &at)), (0, vec![both[0]]));
}

#[test]
fn one_office_merges_into_somebody_whom_the_other_finds_recorded_by_mistake() {
    let mut town = Town::new(68);
    let (at, both) = alike(&mut town);
    answer(&mut town.one, &at, &Choice::Merge(1));
    let mistake = Edit { set: Resident { void: Some(true), ..Resident::default() }, ..Edit::default() };
    household::edit_resident(&mut town.two, &at.0, at.2, both[0], &mistake, NOW).unwrap();
    town.meet_all();
    assert_eq!(shown(&mut town.center, &at), [both[1]], "nobody is lost");
    let done = settled(&mut town.two, &at);
    let answered = done.iter().find(|done| done.subject == "duplicate").unwrap();
    undo(&mut town.two, &at, answered.id).unwrap();
    assert_eq!(inbox(&mut town.two, &at), [], "nor is anybody asked about one who was recorded by mistake");
    answer_apart(&mut town, &at, both);
    assert_eq!(of_residents(&mut town, &at), []);
}

#[test]
fn a_town_wide_record_and_a_cell_of_a_table_are_settled() {
    let mut town = Town::new(69);
    let team = |name: &str| Team { code: Some("t1".into()), name: Some(name.into()), ..Team::default() };
    for (replica, name) in [(&mut town.one, "巡防队"), (&mut town.two, "巡查队")] {
        crate::command::town::record(replica, &team(name), Writing::Known, NOW).unwrap();
    }
    let document = town.one.document_id(&Namespace::town(), DocumentKind::Team, &team("").natural_key().unwrap());
    let at = (Namespace::town(), DocumentKind::Team, document.unwrap());
    town.meet_all();
    let [conflict] = &town.inboxes(&at)[..] else { panic!("one conflict") };
    let done = settle(&mut town.two, &at, &Choice::Keep(side_saying(conflict, "巡防队")));
    town.meet_all();
    assert_eq!(town.inboxes(&at), []);
    undo(&mut town.one, &at, done.id).unwrap();
    town.meet_all();
    assert_eq!(town.inboxes(&at).len(), 1);
}

#[test]
fn a_cell_of_a_table_is_settled_on_a_center_and_nowhere_else() {
    let mut rng = ChaCha8Rng::seed_from_u64(74);
    let founded = enrol::found(&[LANGFA.to_owned()], "2025", "2025-11", NOW, &mut rng);
    let [center, mut second] = ["center-1", "center-2"].map(|name| node(&founded, &mut rng, name, NodeRole::Center));
    let two = node(&founded, &mut rng, "two", NodeRole::Village);
    let one = node(&founded, &mut rng, "one", NodeRole::Village);
    let mut town = Town { founded, center, one, two };
    town.meet();
    meet(&mut town.center, &mut second);
    let kind = TableKind::Limit;
    table::record(&mut town.center, kind, &[limit("rubble", 10)], NOW).unwrap();
    table::record(&mut second, kind, &[limit("rubble", 20)], NOW).unwrap();
    meet(&mut town.center, &mut second);
    town.meet_all();
    let document = town.center.document_id(&Namespace::town(), DocumentKind::Table, &kind.natural_key()).unwrap();
    let at = (Namespace::town(), DocumentKind::Table, document);
    let [conflict] = &town.inboxes(&at)[..] else { panic!("one conflict") };
    assert_eq!(conflict.subject, "amount");
    let refused = try_settle(&mut town.one, &at, &asked(conflict, None), &Choice::Keep(1));
    assert_eq!(refused.unwrap_err().code(), "denied");
    let done = settle(&mut second, &at, &Choice::Keep(side_saying(conflict, "10")));
    meet(&mut town.center, &mut second);
    town.meet_all();
    assert_eq!(town.inboxes(&at), []);
    undo(&mut town.center, &at, done.id).unwrap();
    town.meet_all();
    assert_eq!(town.inboxes(&at).len(), 1);
    let again = town.inboxes(&at);
    let blank = Choice::Cell(crate::value::Value::Null);
    assert_eq!(try_settle(&mut town.center, &at, &asked(&again[0], None), &blank).unwrap_err().code(), "blank");
    settle(&mut town.center, &at, &Choice::Cell(crate::value::Value::Int(30)));
    town.meet_all();
    assert_eq!(town.inboxes(&at), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn whatever_offices_answer_and_take_back_apart_all_see_the_same_and_nobody_is_lost(
        deeds in proptest::collection::vec((0..2_usize, 0..5_u8), 1..9)
    ) {
        let mut town = Town::new(75);
        let (at, both) = alike(&mut town);
        for (office, deed) in deeds {
            let replica = if office == 0 { &mut town.one } else { &mut town.two };
            let open = inbox(replica, &at).into_iter().find(|one| one.subject == "duplicate");
            let choice = [Choice::Merge(1), Choice::Merge(2), Choice::Distinct].get(usize::from(deed)).cloned();
            match (choice, open) {
                (Some(choice), Some(open)) => { try_settle(replica, &at, &asked(&open, None), &choice).unwrap(); }
                (Some(_), None) | (None, _) if deed == 4 => town.meet_all(),
                (Some(_), None) | (None, _) => {
                    if let Some(done) = settled(replica, &at).into_iter().find(|done| done.undoable) {
                        undo(replica, &at, done.id).unwrap();
                    }
                }
            }
        }
        town.meet_all();
        let shown = shown(&mut town.center, &at);
        let open = of_residents(&mut town, &at);
        prop_assert!(!shown.is_empty() && shown.iter().all(|one| both.contains(one)));
        prop_assert_eq!(open.is_empty(), settled(&mut town.one, &at).iter().any(|done| done.subject == "duplicate" && done.stands));
        if let Some(open) = open.first() {
            try_settle(&mut town.two, &at, &asked(open, None), &Choice::Merge(1)).unwrap();
            town.meet_all();
            let shown = household::read(&mut town.one, &at.0, at.2).unwrap().unwrap();
            prop_assert_eq!(shown.residents.iter().filter(|one| one.alias_of.is_none()).count(), 1);
        }
    }
}
