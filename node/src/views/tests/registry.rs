use townmesh_crdt::command::read::{At, Conflict, ConflictValue, InspectionRecord, InspectionsRecord, Reading};
use townmesh_crdt::domain::checklist::Grade;
use townmesh_crdt::domain::dwelling::DwellingUse;
use townmesh_crdt::domain::hazard::{DoorMark, HazardState};
use townmesh_crdt::domain::inspection::{Answer, Inspection};
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::id::{NodeId, RecordId};
use townmesh_crdt::namespace::Namespace;

use super::super::{BoundingBox, ConflictFilter, HazardFilter, HouseholdFilter, Page, QueryError};
use super::{Scene, VILLAGE, hazard, household, id, line};

#[test]
fn the_same_rows_twice_change_nothing() {
    let mut scene = Scene::new();
    let rows = [line(1, Reading::Household(household(1, "幸福路12号", &["甲乙丙", "丁戊"])))];
    scene.views.apply(&rows, 1).unwrap();
    let once = scene.reader().household(id(1), true).unwrap();
    scene.views.apply(&rows, 1).unwrap();
    assert_eq!(scene.reader().household(id(1), true).unwrap(), once);
    assert_eq!(scene.addresses_with("甲乙丙"), ["幸福路12号"]);
    assert_eq!(scene.views.watermark(), 1);
}

#[test]
fn a_document_replaces_everything_it_said_before() {
    let mut scene = Scene::new();
    scene.feed([Reading::Household(household(1, "幸福路12号", &["甲乙丙", "丁戊"]))]);
    let mut changed = household(1, "幸福路12号", &["己庚辛"]);
    changed.household.usage = Some(DwellingUse::Workshop);
    changed.household.position = None;
    scene.feed([Reading::Household(changed)]);
    let detail = scene.reader().household(id(1), true).unwrap().unwrap();
    assert_eq!(detail.household.usage, Some(DwellingUse::Workshop));
    assert_eq!(detail.people.iter().map(|one| one.personal.name.as_str()).collect::<Vec<_>>(), ["己庚辛"]);
    assert!(scene.addresses_with("甲乙丙").is_empty(), "who left is no longer found");
    let everywhere = HouseholdFilter { bounds: Some(around(39.8, 2.0)), ..HouseholdFilter::default() };
    assert!(scene.households(&everywhere).is_empty(), "its place was cleared");
}

#[test]
fn a_document_that_says_nothing_any_more_is_gone() {
    let mut scene = Scene::new();
    scene.feed([Reading::Household(household(1, "幸福路12号", &["甲乙丙"]))]);
    let mut gone = scene.line(Reading::Nothing);
    gone.0.document = id(1);
    scene.views.apply(&[gone], 2).unwrap();
    assert_eq!(scene.reader().household(id(1), true).unwrap(), None);
    assert!(scene.addresses_with("幸福路").is_empty() && scene.addresses_with("甲").is_empty());
}

#[test]
fn a_dropped_namespace_is_forgotten_and_the_others_stay() {
    let mut scene = Scene::new();
    scene.feed([Reading::Household(household(1, "幸福路12号", &["甲"]))]);
    let mut other = scene.line(Reading::Household(household(2, "平安街1号", &[])));
    (other.0.namespace, other.1) = (4, Namespace::registry("110115005221"));
    scene.views.apply(&[other], 2).unwrap();
    assert_eq!(scene.views.forget(&Namespace::registry(VILLAGE)).unwrap(), 1);
    assert_eq!(scene.households(&HouseholdFilter::default())[0].address, "平安街1号");
    assert!(scene.addresses_with("幸福路").is_empty());
}

#[test]
fn chinese_texts_are_found_by_any_part_of_any_length() {
    let mut scene = Scene::new();
    scene.feed([
        Reading::Household(household(1, "幸福路12号", &["甲乙丙"])),
        Reading::Household(household(2, "福幸路3号a_b%", &["丁戊"])),
        Reading::Household(household(3, "幸福大路12号", &[])),
    ]);
    let cases: &[(&str, &[&str])] = &[
        ("幸福", &["幸福大路12号", "幸福路12号"]),
        ("幸福路", &["幸福路12号"]),
        ("福路12号", &["幸福路12号"]),
        (" 路12号 ", &["幸福大路12号", "幸福路12号"]),
        ("丁戊", &["福幸路3号a_b%"]),
        ("甲乙丙", &["幸福路12号"]),
        ("乙", &["幸福路12号"]),
        ("A_B", &["福幸路3号a_b%"]),
        ("a%b", &[]),
        ("号\" OR \"幸", &[]),
        ("'; DROP TABLE household", &[]),
        ("号幸福", &[]),
    ];
    for (text, expected) in cases {
        assert_eq!(scene.addresses_with(text), *expected, "searching {text}");
    }
}

#[test]
fn personal_data_are_masked_unless_revealed() {
    let mut scene = Scene::new();
    let mut record = household(1, "幸福路12号", &["王小明", "李四"]);
    record.conflicts.push(Conflict {
        record: Some(record.residents[0].id),
        at: At::default(),
        field: "phone",
        chinese: "电话",
        english: "phone",
        personal: true,
        values: ["13812345678", "13912345678"].map(value).into(),
    });
    scene.feed([Reading::Household(record)]);
    let reader = scene.reader();
    let hidden = serde_json::to_string(&(
        reader.households(&HouseholdFilter::default(), &Page::default(), false).unwrap(),
        reader.household(id(1), false).unwrap(),
        reader.conflicts(&ConflictFilter::default(), &Page::default(), false).unwrap(),
    ));
    let hidden = hidden.unwrap();
    for secret in ["小明", "李四", "110101199003071234", "13812345678", "13912345678"] {
        assert!(!hidden.contains(secret), "{secret} must not be in {hidden}");
    }
    for shown in ["王*", "1101**********1234", "138****5678", "139****5678"] {
        assert!(hidden.contains(shown), "{shown} must be in {hidden}");
    }
    let revealed = serde_json::to_string(&reader.household(id(1), true).unwrap()).unwrap();
    assert!(revealed.contains("王小明") && revealed.contains("13812345678"));
    assert_eq!(
        reader.conflicts(&ConflictFilter::default(), &Page::default(), true).unwrap().rows[0].sides[1]["value"],
        "13912345678"
    );
}

fn value(text: &str) -> ConflictValue {
    ConflictValue { value: text.into(), chinese: text.into(), english: text.into(), since: Some(5), said: vec![] }
}

#[test]
fn hazards_decide_the_mark_on_the_door_in_any_order_of_arrival() {
    let mut scene = Scene::new();
    let mark = |scene: &Scene| scene.households(&HouseholdFilter::default())[0].mark;
    scene.feed([hazard(10, 1, Grade::General, HazardState::Open)]);
    scene.feed([Reading::Household(household(1, "幸福路12号", &[]))]);
    assert_eq!(mark(&scene), DoorMark::Yellow);
    scene.feed([hazard(11, 1, Grade::Severe, HazardState::Rectifying)]);
    assert_eq!(mark(&scene), DoorMark::Red);
    let red = HouseholdFilter { mark: Some(DoorMark::Red), ..HouseholdFilter::default() };
    assert_eq!(scene.households(&red).len(), 1);
    scene.feed([hazard(11, 1, Grade::Severe, HazardState::Closed)]);
    assert_eq!(mark(&scene), DoorMark::Yellow);
    let mut gone = scene.line(Reading::Nothing);
    gone.0.document = id(10);
    scene.views.apply(&[gone], 9).unwrap();
    assert_eq!(mark(&scene), DoorMark::Green);
    let closed = HazardFilter { state: Some(HazardState::Closed), ..HazardFilter::default() };
    let listed = scene.reader().hazards(&closed, &Page::default()).unwrap();
    assert_eq!(listed.rows[0].address.as_deref(), Some("幸福路12号"));
    assert_eq!(listed.rows[0].position, Position::from_degrees(39.8001, 116.3));
}

#[test]
fn the_map_shows_what_lies_in_its_box() {
    let mut scene = Scene::new();
    scene.feed((0..20).map(|number| Reading::Household(household(number, &format!("{number:02}号"), &[]))));
    let filter = HouseholdFilter { bounds: Some(around(39.8010, 0.000_15)), ..HouseholdFilter::default() };
    let found: Vec<String> = scene.households(&filter).into_iter().map(|row| row.address).collect();
    assert_eq!(found, ["09号", "10号", "11号"]);
}

fn around(latitude: f64, margin: f64) -> BoundingBox {
    let corner = |sign: f64| Position::from_degrees(latitude + sign * margin, 116.3 + sign * margin).unwrap();
    BoundingBox { southwest: corner(-1.0), northeast: corner(1.0) }
}

#[test]
fn pages_together_are_the_list_and_each_is_bounded() {
    let mut scene = Scene::new();
    scene.feed((0..23).map(|number| Reading::Household(household(number, &format!("{:02}号", number % 7), &[]))));
    let reader = scene.reader();
    let filter = HouseholdFilter { region: "110115005".parse().ok(), ..HouseholdFilter::default() };
    let mut found = Vec::new();
    let mut page = Page { limit: Some(5), after: None };
    loop {
        let listed = reader.households(&filter, &page, false).unwrap();
        assert!(listed.rows.len() <= 5);
        found.extend(listed.rows.into_iter().map(|row| (row.address, row.document)));
        let Some(next) = listed.next else { break };
        page.after = Some(next);
    }
    let all = scene.households(&filter).into_iter().map(|row| (row.address, row.document)).collect::<Vec<_>>();
    assert_eq!((found.len(), &found), (23, &all));
    let elsewhere = HouseholdFilter { region: "110115006".parse().ok(), ..HouseholdFilter::default() };
    assert!(scene.households(&elsewhere).is_empty());
    for wrong in ["", "x", "W10", "bnVsbA", "WzEsMl0"] {
        let page = Page { after: Some(wrong.into()), limit: Some(u32::MAX) };
        assert!(matches!(reader.households(&filter, &page, false), Err(QueryError::Cursor)), "{wrong}");
    }
}

#[test]
fn pages_go_on_after_an_address_of_any_length() {
    let mut scene = Scene::new();
    scene.feed(
        (0..6).map(|number| Reading::Household(household(number, &format!("{}{number}号", "长".repeat(900)), &[]))),
    );
    let reader = scene.reader();
    let mut page = Page { limit: Some(2), after: None };
    let mut found = 0;
    loop {
        let listed = reader.households(&HouseholdFilter::default(), &page, false).unwrap();
        found += listed.rows.len();
        let Some(next) = listed.next else { break };
        assert!(next.len() < 2_048, "{} bytes", next.len());
        page.after = Some(next);
    }
    assert_eq!(found, 6);
    // A row that is gone.
    let page = Page { after: Some("OTk5".into()), limit: None };
    assert!(matches!(reader.households(&HouseholdFilter::default(), &page, false), Err(QueryError::Cursor)));
}

#[test]
fn control_characters_in_a_search_are_passed_over() {
    let mut scene = Scene::new();
    scene.feed([Reading::Household(household(1, "幸福路12号", &[]))]);
    for text in ["\0\0\0", "幸福\0路", "\u{1}幸福路12"] {
        assert_eq!(scene.addresses_with(text), ["幸福路12号"], "{text:?}");
    }
}

#[test]
fn counts_add_up_by_region() {
    let mut scene = Scene::new();
    let mut workshop = household(2, "2号", &["丙"]);
    workshop.household.usage = Some(DwellingUse::Workshop);
    workshop.residents[0].resident.void = Some(true);
    scene.feed([
        Reading::Household(household(1, "1号", &["甲", "乙"])),
        Reading::Household(workshop),
        hazard(10, 1, Grade::Major, HazardState::Open),
    ]);
    let counts = scene.reader().counts(None).unwrap();
    assert_eq!(counts.len(), 1);
    assert_eq!((counts[0].households, counts[0].residents, counts[0].red, counts[0].yellow), (2, 2, 1, 0));
    assert_eq!(counts[0].uses, [("rental".to_owned(), 1), ("workshop".to_owned(), 1)].into());
    assert_eq!(counts[0].hazards, [("open".to_owned(), 1)].into());
}

#[test]
fn a_household_shows_its_inspections_the_newest_first() {
    let mut scene = Scene::new();
    let inspection = |number: u8, time_ms| InspectionRecord {
        id: RecordId([number; 16]),
        author: NodeId([1; 32]),
        void: false,
        inspection: Inspection {
            household: id(1),
            by: "x01".into(),
            time_ms,
            checklist: 1,
            answers: [(4, Answer::Hazard), (5, Answer::Ok)].into(),
            note: None,
            photos: Vec::new(),
            position: None,
        },
    };
    let inspections = vec![inspection(1, 100), inspection(2, 200)];
    scene.feed([
        Reading::Household(household(1, "1号", &[])),
        Reading::Inspections(InspectionsRecord { id: id(30), inspections, unreadable: 0 }),
    ]);
    let detail = scene.reader().household(id(1), false).unwrap().unwrap();
    let times: Vec<i64> = detail.inspections.iter().map(|one| one.time_ms).collect();
    assert_eq!(times, [200, 100]);
    assert_eq!(detail.inspections[0].hazards, 1);
    assert_eq!(detail.inspections[0].answers["4"], "hazard");
}
