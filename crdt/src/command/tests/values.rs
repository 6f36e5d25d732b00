//! What is refused when it is entered here, and shown all the same when another node wrote it.

use super::devices::event;
use super::hazards::visit;
use super::households::{input, person};
use super::*;
use crate::command::case::{self, Actor, NewCase};
use crate::command::entity::Writing;
use crate::command::household::{self, Edit, HouseholdInput};
use crate::command::{CommandError, device, dwelling, hazard, inspection, town};
use crate::domain::case::{Action, Report, Source};
use crate::domain::date::Day;
use crate::domain::device::Device;
use crate::domain::device_event::DeviceEvent;
use crate::domain::dwelling::{Dwelling, DwellingUse};
use crate::domain::hazard::HazardStep;
use crate::domain::hazard_deed::HazardDeed;
use crate::domain::household::{Household, Resident, ResidentKind};
use crate::domain::input::LAST_MS;
use crate::domain::inspection::{Answer, Inspection};
use crate::domain::person::PersonalData;
use crate::domain::role::Role;
use crate::domain::town::{Grid, Member, Team};
use crate::entry::Lane;
use crate::policy::DocumentKind;
use crate::value::Value;

/// An identity number whose every digit fits, of somebody born in 1820.
const BORN_1820: &str = "11010118200307461X";

/// The code of a refusal, having seen that it names the field in both languages.
fn refused<T: std::fmt::Debug>(outcome: Result<T, CommandError>, field: &str) -> &'static str {
    let error = outcome.unwrap_err();
    for message in [error.to_string(), error.chinese()] {
        assert!(message.contains(field), "{field}: {message}");
    }
    error.code()
}

fn day(text: &str) -> Option<Day> {
    text.parse().ok()
}

/// A resident of this kind with personal data.
fn resident(kind: Option<ResidentKind>, personal: PersonalData) -> Resident {
    Resident { kind, personal: Some(personal), ..Resident::default() }
}

#[test]
fn absurd_values_of_a_household_are_refused_by_name() {
    let mut town = Town::new(60);
    let long = "长".repeat(201);
    let door = || input("1号", vec![]).household;
    let wrong = [
        ("household.usage", "word_unknown", Household { usage: Some(DwellingUse::from_code(99)), ..door() }),
        ("household.number", "number", Household { number: Some(0), ..door() }),
        ("household.rooms", "number", Household { rooms: Some(10_001), ..door() }),
        ("household.tenant_limit", "number", Household { tenant_limit: Some(u16::MAX), ..door() }),
        ("household.area_dm2", "number", Household { area_dm2: Some(0), ..door() }),
        ("household.area_dm2", "number", Household { area_dm2: Some(1_000_001), ..door() }),
        ("household.address", "control_character", Household { address: Some("1\u{7}号".into()), ..door() }),
        ("household.address", "too_long", Household { address: Some(long), ..door() }),
        ("household.note", "control_character", Household { note: Some("\0".into()), ..door() }),
        ("household.note", "too_long", Household { note: Some("x".repeat(1_001)), ..door() }),
        ("household.owner.phone", "phone", Household { owner: Some(person("甲", "", "12345")), ..door() }),
        ("household.owner.phone", "masked", Household { owner: Some(person("甲", "", "138****5678")), ..door() }),
        ("household.owner.name", "masked", Household { owner: Some(person("王*", "", "")), ..door() }),
        ("household.owner.name", "control_character", Household { owner: Some(person("王\n", "", "")), ..door() }),
        (
            "household.owner.id_number",
            "id_number",
            Household { owner: Some(person("", "110101199003074611", "")), ..door() },
        ),
        ("household.owner.id_number", "document_number", Household { owner: Some(person("", "护照", "")), ..door() }),
    ];
    for (field, code, household) in wrong {
        let input = HouseholdInput { household, residents: vec![] };
        assert_eq!(refused(household::record(&mut town.one, &input, Lane::Bulk, NOW), field), code, "{field}");
    }
    assert!(!town.one.has_staged());
    let mut sound = input("1号", vec![]);
    sound.household.note = Some("一行\n\t又一行".into());
    sound.household.area_dm2 = Some(1_000_000);
    sound.household.owner = Some(person("甲", "EA1234567", "010-69234567"));
    let document = household::record(&mut town.one, &sound, Lane::Bulk, NOW).unwrap().into_value().document;
    let edit = Edit { set: Household { area_dm2: Some(0), ..Household::default() }, ..Edit::default() };
    let outcome = household::edit_household(&mut town.one, &registry(), document, &edit, NOW);
    assert_eq!(refused(outcome, "set.area_dm2"), "number");
}

#[test]
fn absurd_values_of_a_resident_are_refused_by_name() {
    let mut town = Town::new(61);
    let migrant = Some(ResidentKind::Migrant);
    let stay = |first: &str, last: &str| Resident {
        moved_in: day(first),
        moved_out: day(last),
        ..resident(migrant, person("甲", "", ""))
    };
    for (one, field, code) in [
        (stay("2024-03-05", "2024-03-04"), "residents[0].moved_out", "day_order"),
        (stay("1849-12-31", ""), "residents[0].moved_in", "day"),
        (stay("", "2200-01-01"), "residents[0].moved_out", "day"),
        (resident(Some(ResidentKind::from_code(99)), person("甲", "", "")), "residents[0].kind", "word_unknown"),
        (resident(migrant, person("甲", BORN_1820, "")), "residents[0].personal.id_number", "id_number"),
        (resident(migrant, person("甲", "", "1")), "residents[0].personal.phone", "phone"),
        (resident(migrant, person("甲", "EA1234567", "")), "residents[0].personal.id_number", "id_number"),
        (resident(None, person("甲", "1101**********1234", "")), "residents[0].personal.id_number", "masked"),
    ] {
        let input = input("1号", vec![one]);
        assert_eq!(refused(household::record(&mut town.one, &input, Lane::Bulk, NOW), field), code, "{field}");
    }
    let passport = resident(Some(ResidentKind::Overseas), person("甲", "EA1234567", "13800000001"));
    let sound = Resident { moved_in: day("2024-03-05"), moved_out: day("2024-03-05"), ..passport };
    let ids = household::record(&mut town.one, &input("1号", vec![sound]), Lane::Bulk, NOW).unwrap().into_value();
    let (document, id) = (ids.document, ids.residents[0]);
    let mut edit = |set: Resident| {
        household::edit_resident(&mut town.one, &registry(), document, id, &Edit { set, ..Edit::default() }, NOW)
    };
    let early = Resident { moved_out: day("2024-03-01"), ..Resident::default() };
    assert_eq!(refused(edit(early), "moved_out"), "day_order", "against the day that is recorded");
    let another = Resident { personal: Some(person("", "EB1234567", "")), ..Resident::default() };
    assert!(edit(another).is_ok(), "the kind that is recorded counts");
    let matched = Resident { moved_out: day("2023-01-01"), ..resident(None, person("甲", "", "13800000001")) };
    let again = household::add_resident(&mut town.one, &registry(), document, &matched, NOW);
    assert_eq!(refused(again, "moved_out"), "day_order");
}

#[test]
fn an_inspection_says_who_when_and_what_of_a_checklist_that_exists() {
    let mut town = Town::new(62);
    let (sound, _) = visit(&mut town.one, 1, &[4]);
    for (wrong, field, code) in [
        (Inspection { by: " \u{3000}".into(), ..sound.clone() }, "by", "blank"),
        (Inspection { by: "a\nb".into(), ..sound.clone() }, "by", "control_character"),
        (Inspection { time_ms: -1, ..sound.clone() }, "time_ms", "time"),
        (Inspection { time_ms: LAST_MS + 1, ..sound.clone() }, "time_ms", "time"),
        (Inspection { time_ms: i64::MIN, ..sound.clone() }, "time_ms", "time"),
        (Inspection { checklist: 9, ..sound.clone() }, "checklist", "checklist_unknown"),
        (Inspection { checklist: 3, ..sound.clone() }, "answers.5", "item_unknown"),
        (Inspection { answers: [(4, Answer::from_code(99))].into(), ..sound.clone() }, "answers.4", "word_unknown"),
        (Inspection { answers: BTreeMap::new(), ..sound.clone() }, "answers", "answers_missing"),
        (Inspection { note: Some("\u{1b}[31m".into()), ..sound.clone() }, "note", "control_character"),
    ] {
        assert_eq!(refused(inspection::record(&mut town.one, &registry(), &wrong, NOW), field), code, "{wrong:?}");
    }
    assert!(!town.one.has_staged());
    let ids = inspection::record(&mut town.one, &registry(), &sound, NOW).unwrap().into_value();
    for (by, at, field, code) in [("", 5, "by", "blank"), ("xcy-2", i64::MAX, "at_ms", "time")] {
        let step =
            hazard::step(&mut town.one, &registry(), ids.hazards[0], &HazardDeed::new(HazardStep::TakeUp, by, at), NOW);
        assert_eq!(refused(step, field), code);
    }
}

#[test]
fn what_the_town_knows_has_names_and_phones_that_can_be_called() {
    let mut town = Town::new(63);
    let code = || Some("t1".to_owned());
    let team = |phone: &str| Team { code: code(), phone: Some(phone.into()), ..Team::default() };
    let center = &mut town.center;
    for phone in ["12", "一一九", " ", "138****5678"] {
        let outcome = town::record(center, &team(phone), Writing::Known, NOW);
        assert!(["phone", "blank"].contains(&refused(outcome, "phone")), "{phone}");
    }
    for phone in ["110", "12345", "661234", "010-69234567"] {
        assert!(town::record(center, &team(phone), Writing::Known, NOW).is_ok(), "{phone}");
    }
    let member = Member { code: code(), name: Some("\t".into()), ..Member::default() };
    assert_eq!(refused(town::record(center, &member, Writing::Known, NOW), "name"), "blank");
    let inspectors = ["xcy-1".to_owned(), "\u{0}x".to_owned()].into();
    let grid = Grid { region: Some(langfa()), code: code(), inspectors, ..Grid::default() };
    assert_eq!(refused(town::record(center, &grid, Writing::Known, NOW), "inspectors"), "control_character");
    let place = Device { code: code(), region: Some(langfa()), place: Some(String::new()), ..Device::default() };
    assert_eq!(refused(device::register(center, &place, Writing::Known, NOW), "place"), "blank");
    let long = Device { code: Some("x".repeat(97)), region: Some(langfa()), ..Device::default() };
    assert_eq!(refused(device::register(center, &long, Writing::Known, NOW), "code"), "too_long");
    let silent = Device { code: code(), region: Some(langfa()), silence_limit_s: Some(0), ..Device::default() };
    assert_eq!(refused(device::register(center, &silent, Writing::Known, NOW), "silence_limit_s"), "number");
    let built =
        Dwelling { region: Some(langfa()), address: Some("1号".into()), built: Some(3), ..Dwelling::default() };
    assert_eq!(refused(dwelling::record(center, &built, Lane::Work, NOW), "built"), "number");
}

#[test]
fn events_name_their_device_and_a_time_that_can_be() {
    let mut town = Town::new(64);
    for (wrong, field, code) in [
        (DeviceEvent { device: " ".into(), ..event(0, false) }, "events[1].device", "blank"),
        (DeviceEvent { kind: String::new(), ..event(0, false) }, "events[1].kind", "blank"),
        (DeviceEvent { time_ms: i64::MIN, ..event(0, false) }, "events[1].time_ms", "time"),
        (DeviceEvent { time_ms: i64::MAX, ..event(0, false) }, "events[1].time_ms", "time"),
    ] {
        let events = vec![event(0, false), wrong];
        assert_eq!(refused(device::record_events(&mut town.one, langfa(), events, NOW), field), code, "{field}");
        assert!(!town.one.has_staged(), "none of a batch with a wrong event");
    }
}

#[test]
fn reasons_and_reports_say_something() {
    let mut town = Town::new(65);
    let report = Report {
        source: Source::Patrol,
        category: None,
        place: "村口".into(),
        position: None,
        description: "垃圾".into(),
        region: None,
        device: None,
        reporter: None,
        photos: vec![],
        found_ms: None,
    };
    let actor = |role| Actor { by: "xc-1".into(), role, note: None };
    let inspector = actor(Role::Inspector);
    let new = |noticed, report| NewCase { region: langfa(), natural_key: None, noticed, report, reporter: None };
    for (wrong, field, code) in [
        (new(NOW, Report { place: " ".into(), ..report.clone() }), "place", "blank"),
        (new(NOW, Report { description: "\n".into(), ..report.clone() }), "description", "blank"),
        (new(u64::MAX, report.clone()), "noticed_ms", "time"),
        (NewCase { natural_key: Some(vec![]), ..new(NOW, report.clone()) }, "natural_key", "blank"),
    ] {
        assert_eq!(refused(case::report(&mut town.one, &inspector, wrong, NOW), field), code);
    }
    assert!(!town.one.has_staged());
    let case = case::report(&mut town.one, &inspector, new(NOW, report), NOW).unwrap().into_value();
    let refuse = |reason: &str| Action::Refuse { reason: reason.into() };
    let clerk = actor(Role::IntakeClerk);
    assert_eq!(refused(case::act(&mut town.one, &case, &clerk, refuse(" "), NOW), "action.reason"), "blank");
    let nobody = Actor { by: "\u{200b}".into(), ..clerk.clone() };
    assert_eq!(refused(case::act(&mut town.one, &case, &nobody, refuse("不属实"), NOW), "actor.by"), "blank");
    assert!(case::act(&mut town.one, &case, &clerk, refuse("不属实"), NOW).is_ok());
}

/// Another version may let more through. Nodes would differ if one of them did not show it.
#[test]
fn an_odd_value_that_another_node_wrote_is_shown_and_does_not_hinder_other_edits() {
    let mut town = Town::new(66);
    let first = household::record(&mut town.one, &input("1号", vec![]), Lane::Work, NOW).unwrap().into_value();
    let odd = [
        (Household::AREA, Value::Int(0)),
        (Household::NUMBER, Value::Int(0)),
        (Household::NOTE, Value::Text("\u{7}".into())),
    ];
    let edits = BTreeMap::from([(Vec::new(), odd.into())]);
    town.one.edit(&registry(), DocumentKind::Household, first.document, edits, Lane::Work, NOW).unwrap();
    town.meet();
    town.readings();
    let shown = household::read(&mut town.two, &registry(), first.document).unwrap().unwrap().household;
    assert_eq!((shown.area_dm2, shown.number, shown.note.as_deref()), (Some(0), Some(0), Some("\u{7}")));
    let edit = Edit { set: Household { rooms: Some(9), ..Household::default() }, ..Edit::default() };
    assert!(household::edit_household(&mut town.two, &registry(), first.document, &edit, NOW).is_ok());
}
