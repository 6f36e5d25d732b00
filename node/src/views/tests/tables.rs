//! Tables in the views, and cases that are timed by them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::Connection;
use townmesh_crdt::clock::HybridTime;
use townmesh_crdt::command::read::{At, ConflictValue, Reading, TableConflict, TableRecord};
use townmesh_crdt::domain::columns::Row;
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::number::SpokenNumber;
use townmesh_crdt::domain::tables::{DeadlineUnit, RecordedRow, Stage, StageLimitRow, TableKind, Tables};

use super::super::{ChangeFilter, Changes, ConflictFilter, OrderFilter, Page};
use super::assessment::{MINUTE, scene};
use super::{Scene, id};

/// Tables in which this stage has a limit of one emergency minute.
fn strict(stage: Stage) -> Tables {
    let row = StageLimitRow {
        since: Some(Day(0)),
        stage: Some(stage),
        amount: Some(1),
        unit: Some(DeadlineUnit::EmergencyMinutes),
        retired: None,
    };
    let fields = row.to_fields();
    let key = TableKind::StageLimit.row_key(&fields).unwrap();
    let recorded = RecordedRow { fields, time: HybridTime::at(5) };
    Tables::new(&BTreeMap::from([(TableKind::StageLimit, BTreeMap::from([(key, recorded)]))]))
}

type StageRow = (String, Option<String>, i64, Option<i64>, Option<i64>);

fn stages(scene: &Scene, number: u32) -> Vec<StageRow> {
    let connection = Connection::open(scene.path()).unwrap();
    let mut statement = connection
        .prepare(
            "SELECT stage, person, started_ms, ended_ms, due_ms FROM case_stage s JOIN document d ON d.row = s.row \
             WHERE d.document = ? ORDER BY place",
        )
        .unwrap();
    let rows = statement.query_map([id(number).to_string()], |row| {
        let minutes = |column| row.get::<_, Option<i64>>(column).map(|time| time.map(|time| time / MINUTE));
        Ok((row.get(0)?, row.get(1)?, minutes(2)?.unwrap(), minutes(3)?, minutes(4)?))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

#[test]
fn each_desk_has_its_stretch_of_a_case_with_who_ended_it() {
    let scene = scene();
    let by = |role: &str| Some(format!("{role}-video"));
    // The day begins with the working hours: four of them end at noon.
    let expected = [
        ("intake", by("intake_clerk"), 0, Some(0), Some(30)),
        ("filing", by("duty_head"), 0, Some(1), Some(30)),
        ("dispatch", by("dispatcher"), 1, Some(2), Some(31)),
        ("verification", by("inspector"), 5, Some(6), Some(365)),
        // By a clock that is behind: nothing ends before it began.
        ("dispatch", by("dispatcher"), 6, Some(6), Some(36)),
        ("verification", None, 9, None, Some(369)),
    ];
    assert_eq!(stages(&scene, 5), expected.map(|(stage, by, from, to, due)| (stage.to_owned(), by, from, to, due)));
    let void: Vec<String> = stages(&scene, 8).into_iter().map(|(stage, ..)| stage).collect();
    assert_eq!(void, ["intake", "filing"], "nobody had to dispatch it any more");
}

#[test]
fn cases_that_are_taken_in_again_are_timed_by_the_tables_of_now() {
    let mut scene = scene();
    let due = |scene: &Scene| stages(scene, 6).into_iter().map(|(stage, .., due)| (stage, due)).collect::<Vec<_>>();
    let before = due(&scene);
    let tables = Arc::new(strict(Stage::Filing));
    scene.views.go_by(Arc::clone(&tables));
    assert_eq!(due(&scene), before, "not before they are taken in again");
    scene.feed([super::assessment::sixth()]);
    let mut expected = before;
    expected[1].1 = Some(1);
    assert_eq!(due(&scene), expected);
    assert_eq!(scene.views.case_tables().unwrap(), 0);
    scene.views.note_case_tables(tables.case_digest()).unwrap();
    assert_eq!(scene.views.case_tables().unwrap(), tables.case_digest());
}

#[test]
fn a_case_that_is_timed_anew_is_told_only_where_its_times_differ() {
    let mut scene = scene();
    let start = scene.reader().change_cursor().unwrap();
    let told = |scene: &Scene| match scene.reader().changes(start, &ChangeFilter::default()).unwrap() {
        Changes::Next(changes, _) => changes.len(),
        Changes::Anew(_) => panic!("told to read anew"),
    };
    let again = |scene: &mut Scene| {
        let row = scene.line(super::assessment::sixth());
        let fed = scene.fed;
        scene.views.retime(&[row], fed).unwrap();
    };
    again(&mut scene);
    assert_eq!(told(&scene), 0);
    scene.views.go_by(Arc::new(strict(Stage::Filing)));
    again(&mut scene);
    assert_eq!(told(&scene), 1);
}

#[test]
fn a_case_is_found_by_its_number() {
    let scene = scene();
    let reader = scene.reader();
    let listed = reader.cases(&super::super::CaseFilter::default(), &Page::default()).unwrap().rows;
    assert_eq!(listed.len(), 8);
    for case in listed {
        let number: SpokenNumber = case.number.parse().unwrap();
        let found = reader.cases_numbered(number).unwrap();
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), [case.document]);
    }
    let orders = reader
        .orders(&OrderFilter { team: Some("b".into()), status: vec![], region: None }, &Page::default())
        .unwrap()
        .rows;
    let numbers: std::collections::BTreeSet<_> = orders.iter().map(|order| order.number.clone()).collect();
    assert_eq!((numbers.len(), orders.len()), (4, 4));
    let done: Vec<_> = orders.iter().filter_map(|order| order.done_by.as_deref().zip(order.done_ms)).collect();
    assert_eq!(done, [("handler", 9 * MINUTE), ("handler", 5 * MINUTE)]);
    assert!(orders.iter().all(|order| order.sent_by.as_deref().is_some_and(|by| by.starts_with("dispatcher-"))));
}

#[test]
fn a_table_has_a_line_for_each_row_and_its_conflicts_are_to_be_settled() {
    let mut scene = Scene::new();
    let tables = strict(Stage::Filing);
    let value = |value: &str| ConflictValue {
        value: value.into(),
        chinese: value.into(),
        english: value.into(),
        since: Some(5),
        said: vec![],
    };
    let conflict = TableConflict {
        at: At::default(),
        column: "amount",
        chinese: "环节时限：立案：时限".into(),
        english: "limits of stages: filing: limit".into(),
        values: vec![value("1"), value("30")],
    };
    let rows = tables.rows(TableKind::StageLimit).to_vec();
    let record =
        TableRecord { id: id(1), kind: TableKind::StageLimit, rows, conflicts: vec![conflict], settled: vec![] };
    for _ in 0..2 {
        scene.feed([Reading::Table(record.clone())]);
    }
    let connection = Connection::open(scene.path()).unwrap();
    let lines = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(
        lines("SELECT group_concat(chinese, '、') FROM table_row"),
        "1970-01-01 受理、1970-01-01 立案、1970-01-01 派遣、1970-01-01 核实、1970-01-01 核查、1970-01-01 结案"
    );
    let detail = lines("SELECT detail FROM table_row WHERE recorded_ms IS NOT NULL");
    let detail: serde_json::Value = serde_json::from_str(&detail).unwrap();
    let expected = serde_json::json!({ "since": "1970-01-01", "stage": "filing", "amount": 1, "unit": "emergency_minutes", "recorded_ms": 5 });
    assert_eq!(detail, expected);
    let conflicts = scene.reader().conflicts(&ConflictFilter::default(), &Page::default(), false).unwrap().rows;
    assert_eq!(conflicts.len(), 1);
    assert_eq!((conflicts[0].document_kind.as_str(), conflicts[0].chinese.as_str()), ("table", "环节时限：立案：时限"));
    assert_eq!(conflicts[0].sides[1]["value"], "30", "nothing of it is personal");
}
