//! Tables of the town across nodes, and what goes by them.

use std::collections::BTreeMap;

use super::cases::{actor, rubbish};
use super::*;
use crate::command::case::{self, CaseRef};
use crate::command::{CommandError, inspection, table};
use crate::domain::case::{Action, Case, Limit, LimitClock, Severity};
use crate::domain::checklist::Grade;
use crate::domain::date::Day;
use crate::domain::inspection::{Answer, Inspection};
use crate::domain::role::Role;
use crate::domain::tables::{CalendarDayRow, ChecklistItemRow, DeadlineUnit, GradeRow, LimitRow, TableKind};
use crate::policy::Denied;
use crate::replica::RecordError;
use crate::value::Fields;

pub(super) fn limit(category: &str, amount: u32) -> Fields {
    let row = LimitRow {
        category: Some(category.into()),
        severity: Some(Severity::General),
        amount: Some(amount),
        unit: Some(DeadlineUnit::WorkingDays),
        retired: None,
    };
    row.fields()
}

fn record(replica: &mut Replica, kind: TableKind, rows: &[Fields], now: Millis) -> [u64; 3] {
    let imported = table::record(replica, kind, rows, now).unwrap();
    replica.commit(now).unwrap();
    [imported.created, imported.changed, imported.unchanged]
}

fn days_for(replica: &mut Replica, category: &str) -> Option<Limit> {
    table::tables(replica).unwrap().limit(category, Severity::General)
}

/// Two centers of one town.
pub(super) fn centers(seed: u64) -> (Replica, Replica) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let founded = enrol::found(&[LANGFA.to_owned()], "2025", "2025-11", NOW, &mut rng);
    let mut one = node(&founded, &mut rng, "center-1", NodeRole::Center);
    let mut two = node(&founded, &mut rng, "center-2", NodeRole::Center);
    meet(&mut one, &mut two);
    (one, two)
}

#[test]
fn a_row_recorded_at_the_center_rules_everywhere_and_nobody_else_records_one() {
    let mut town = Town::new(70);
    assert_eq!(days_for(&mut town.one, "rubble"), Some(Limit::working_days(4)), "as shipped");
    assert_eq!(
        record(&mut town.center, TableKind::Limit, &[limit("rubble", 2), limit("exposed_rubbish", 1)], NOW),
        [0, 1, 1]
    );
    meet(&mut town.center, &mut town.two);
    town.meet();
    for replica in [&mut town.center, &mut town.one, &mut town.two] {
        assert_eq!(days_for(replica, "rubble"), Some(Limit::working_days(2)));
        assert_eq!(days_for(replica, "exposed_rubbish"), Some(Limit::working_days(1)));
    }
    let refused = table::record(&mut town.one, TableKind::Limit, &[limit("rubble", 9)], NOW);
    let is_denied = matches!(refused, Err(CommandError::Record(RecordError::Denied(Denied::CenterOnly))));
    assert!(is_denied, "{refused:?}");
    town.readings();
}

#[test]
fn two_centers_edit_rows_apart_and_one_cell_is_a_conflict_until_it_is_settled() {
    let (mut one, mut two) = centers(71);
    record(&mut one, TableKind::Limit, &[limit("rubble", 2), limit("own", 3)], NOW);
    record(&mut two, TableKind::Limit, &[limit("rubble", 7), limit("wiring", 5)], NOW + 1);
    meet(&mut one, &mut two);
    for replica in [&mut one, &mut two] {
        assert_eq!(days_for(replica, "own"), Some(Limit::working_days(3)));
        assert_eq!(days_for(replica, "wiring"), Some(Limit::working_days(5)));
        assert_eq!(days_for(replica, "rubble"), Some(Limit::working_days(7)), "the later one meanwhile");
    }
    let conflicts = |replica: &mut Replica| {
        let tables = readings(replica).into_values().filter_map(|reading| {
            let Reading::Table(record) = reading else { return None };
            Some(record.conflicts)
        });
        tables.flatten().collect::<Vec<_>>()
    };
    let shown = conflicts(&mut one);
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert_eq!(shown[0].chinese, "处置时限：rubble 一般：时限");
    assert_eq!(shown[0].values.iter().map(|value| value.value.as_str()).collect::<Vec<_>>(), ["7", "2"]);
    // Saying once more what rules settles it, though nothing changes.
    assert_eq!(record(&mut two, TableKind::Limit, &[limit("rubble", 7)], NOW + 2), [0, 1, 0]);
    meet(&mut one, &mut two);
    assert_eq!((conflicts(&mut one), conflicts(&mut two)), (vec![], vec![]));
    assert_eq!(readings(&mut one), readings(&mut two));
}

#[test]
fn rows_are_recorded_together_or_not_at_all_and_every_wrong_one_is_named() {
    let (mut center, _) = centers(72);
    let rows = [limit("rubble", 2), limit("", 2), limit("wiring", 5_000), limit("gas", 1), limit("gas", 2)];
    let Err(CommandError::Rows(wrong)) = table::record(&mut center, TableKind::Limit, &rows, NOW) else {
        panic!("wrong rows were recorded")
    };
    let told: Vec<_> = wrong.iter().map(|(place, error)| (*place, error.field.as_str(), error.code())).collect();
    assert_eq!(told, [(1, "category", "blank"), (2, "amount", "number"), (4, "key", "twice")]);
    center.commit(NOW).unwrap();
    assert_eq!(days_for(&mut center, "rubble"), Some(Limit::working_days(4)), "nothing of it stands");
    // Columns that are not given stay; one that is cleared is missing then.
    let only = |number, value| {
        let mut row = limit("rubble", 1);
        row.retain(|known, _| [LimitRow::CATEGORY, LimitRow::SEVERITY].contains(known));
        row.insert(number, value);
        row
    };
    assert_eq!(record(&mut center, TableKind::Limit, &[only(LimitRow::AMOUNT, 3.into())], NOW), [0, 1, 0]);
    assert_eq!(days_for(&mut center, "rubble"), Some(Limit::working_days(3)));
    let cleared = table::record(&mut center, TableKind::Limit, &[only(LimitRow::UNIT, crate::value::Value::Null)], NOW);
    assert!(matches!(&cleared, Err(CommandError::Rows(wrong)) if wrong[0].1.field == "unit"), "{cleared:?}");
    // Out, and in again as it was.
    assert_eq!(record(&mut center, TableKind::Limit, &[only(LimitRow::RETIRED, true.into())], NOW), [0, 1, 0]);
    assert_eq!(days_for(&mut center, "rubble"), Some(Limit::working_days(1)), "that of the wider category");
    assert_eq!(record(&mut center, TableKind::Limit, &[only(LimitRow::RETIRED, false.into())], NOW), [0, 1, 0]);
    assert_eq!(days_for(&mut center, "rubble"), Some(Limit::working_days(3)));
}

#[test]
fn an_import_of_thousands_of_rows_is_recorded_in_one_go_and_bounded() {
    let (mut center, mut other) = centers(73);
    let days = |count: i32| {
        let day =
            |day| CalendarDayRow { day: Some(Day(day)), worked: Some(false), ..CalendarDayRow::default() }.fields();
        (20_000..20_000 + count).map(day).collect::<Vec<_>>()
    };
    assert_eq!(record(&mut center, TableKind::CalendarDay, &days(2_000), NOW), [2_000, 0, 0]);
    assert_eq!(record(&mut center, TableKind::CalendarDay, &days(2_001), NOW), [1, 0, 2_000]);
    meet(&mut center, &mut other);
    for day in [20_000, 21_000, 22_000] {
        assert!(!table::tables(&mut other).unwrap().calendar().is_working_day(day));
    }
    let full = table::record(&mut center, TableKind::CalendarDay, &days(8_193), NOW);
    assert!(matches!(full, Err(CommandError::TableFull)), "{full:?}");
}

#[test]
fn a_town_that_is_founded_records_what_is_shipped() {
    let (mut center, mut other) = centers(74);
    let before = table::tables(&mut center).unwrap();
    let recorded = table::record_defaults(&mut center, NOW).unwrap().created;
    center.commit(NOW).unwrap();
    meet(&mut center, &mut other);
    let after = table::tables(&mut other).unwrap();
    let mut count = 0;
    for kind in TableKind::ALL {
        let fields = |tables: &crate::domain::tables::Tables| {
            tables.rows(*kind).iter().map(|row| row.fields.clone()).collect::<Vec<_>>()
        };
        assert_eq!(fields(&before), fields(&after), "{kind}");
        let is_recorded = after.rows(*kind).iter().filter(|row| row.recorded.is_some()).count();
        assert_eq!(is_recorded, if kind.is_draft() { 0 } else { after.rows(*kind).len() }, "{kind}");
        count += is_recorded as u64;
    }
    assert_eq!(recorded, count);
    assert_eq!(before.case_digest(), after.case_digest(), "no case has to be read again");
}

fn reported(replica: &mut Replica, now: Millis) -> CaseRef {
    let case = case::report(replica, &actor(Role::Inspector, "xcy-1"), rubbish(None), now).unwrap().into_value();
    replica.commit(now).unwrap();
    case
}

fn folded(replica: &mut Replica, case: &CaseRef) -> Case {
    case::read(replica, &case.namespace, case.document).unwrap().unwrap().case
}

#[test]
fn a_case_is_filed_with_the_limit_of_the_table_and_a_known_category_only() {
    let mut town = Town::new(75);
    record(&mut town.center, TableKind::Limit, &[limit("exposed_rubbish", 3)], NOW);
    meet(&mut town.center, &mut town.one);
    let case = reported(&mut town.one, NOW);
    let mut act = |role, action| case::act(&mut town.one, &case, &actor(role, "p"), action, NOW);
    act(Role::IntakeClerk, Action::Accept).unwrap();
    let file = |category: &str, minutes| Action::File {
        category: category.into(),
        severity: Severity::Serious,
        minutes,
        clock: LimitClock::Working,
    };
    let unknown = act(Role::DutyHead, file("no_such", 60)).unwrap_err();
    assert_eq!(unknown.code(), "category_unknown");
    assert!(unknown.to_string().starts_with("action.file.category: "), "{unknown}");
    assert!(unknown.to_string().contains("exposed_rubbish") && unknown.chinese().contains("没有这个案件类别"));
    let no_limit = act(Role::DutyHead, file("other", 0));
    assert!(no_limit.is_ok(), "it has a limit: {no_limit:?}");
    let filed = folded(&mut town.one, &case).clock.unwrap();
    assert_eq!(
        (filed.minutes, filed.clock),
        (3 * 480, LimitClock::Working),
        "that of `other`, whose own is three days"
    );
    let mut strange = rubbish(None);
    strange.report.category = Some("weather".into());
    let refused = case::report(&mut town.one, &actor(Role::Inspector, "xcy-1"), strange, NOW).unwrap_err();
    assert_eq!(refused.code(), "category_unknown");
}

#[test]
fn a_category_without_any_limit_is_filed_only_with_minutes() {
    let (mut center, _) = centers(76);
    let category = crate::domain::tables::CategoryRow {
        code: Some("new_kind".into()),
        chinese: Some("新类".into()),
        ..crate::domain::tables::CategoryRow::default()
    };
    record(&mut center, TableKind::Category, &[category.fields()], NOW);
    let case = reported(&mut center, NOW);
    let mut act = |role, action| case::act(&mut center, &case, &actor(role, "p"), action, NOW);
    act(Role::IntakeClerk, Action::Accept).unwrap();
    let file = |minutes| Action::File {
        category: "new_kind".into(),
        severity: Severity::Urgent,
        minutes,
        clock: LimitClock::Emergency,
    };
    let refused = act(Role::DutyHead, file(0)).unwrap_err();
    assert_eq!((refused.code(), refused.chinese().contains("紧急")), ("no_limit", true));
    act(Role::DutyHead, file(90)).unwrap();
    assert_eq!(folded(&mut center, &case).clock.unwrap().minutes, 90);
}

#[test]
fn another_spelling_of_a_key_is_the_same_row_under_its_first_name() {
    let (mut center, _) = centers(83);
    let row = crate::domain::tables::CategoryRow {
        code: Some("Exposed_ Rubbish".into()),
        chinese: Some("暴露的垃圾".into()),
        ..crate::domain::tables::CategoryRow::default()
    };
    assert_eq!(record(&mut center, TableKind::Category, &[row.fields()], NOW), [0, 1, 0]);
    let tables = table::tables(&mut center).unwrap();
    assert_eq!(tables.category("exposed_rubbish").unwrap().chinese.as_deref(), Some("暴露的垃圾"));
}

#[test]
fn rows_as_wide_as_may_be_fit_into_entries_that_everybody_reads() {
    let (mut one, mut two) = centers(84);
    // Characters that hardly compress.
    let noise = |seed: u32| {
        (0..200_u32)
            .map(|place| {
                let code =
                    0x2_0000 + seed.wrapping_mul(2_654_435_761).wrapping_add(place.wrapping_mul(40_503)) % 0xA000;
                char::from_u32(code).unwrap_or('村')
            })
            .collect::<String>()
    };
    let row = |number: u32| crate::domain::tables::CategoryRow {
        code: Some(format!("{number}{}", noise(number).chars().take(20).collect::<String>())),
        chinese: Some(noise(number + 1)),
        english: Some(noise(number + 2)),
        parent: Some(noise(number + 3)),
        ..crate::domain::tables::CategoryRow::default()
    };
    let rows: Vec<Fields> = (0..400).map(|number| row(number * 7).fields()).collect();
    assert_eq!(record(&mut one, TableKind::Category, &rows, NOW), [400, 0, 0]);
    meet(&mut one, &mut two);
    let shipped = TableKind::Category.defaults().len();
    assert_eq!(table::tables(&mut two).unwrap().rows(TableKind::Category).len(), 400 + shipped);
}

#[test]
fn an_inspection_asks_what_the_town_asks() {
    let mut town = Town::new(78);
    let item = ChecklistItemRow {
        checklist: Some(1),
        code: Some(40),
        chinese: Some("飞线充电".into()),
        grade: Some(Grade::Severe),
        ..ChecklistItemRow::default()
    };
    let inspection = Inspection {
        household: DocumentId([7; 16]),
        by: "xcy-1".into(),
        time_ms: NOW as i64,
        checklist: 1,
        answers: BTreeMap::from([(40, Answer::Hazard)]),
        note: None,
        photos: vec![],
        position: None,
    };
    let record_at = |replica: &mut Replica| inspection::record(replica, &registry(), &inspection, NOW);
    assert_eq!(record_at(&mut town.one).unwrap_err().code(), "item_unknown");
    record(&mut town.center, TableKind::ChecklistItem, &[item.fields()], NOW);
    meet(&mut town.center, &mut town.one);
    let hazards = record_at(&mut town.one).unwrap().into_value().hazards;
    let hazard = crate::command::hazard::read(&mut town.one, &registry(), hazards[0]).unwrap().unwrap().record;
    assert_eq!(hazard.grade, Some(Grade::Severe));
}

#[test]
fn tables_are_read_again_when_one_of_them_is_fed() {
    let (mut center, _) = centers(79);
    let grade = GradeRow { letter: Some("A".into()), least: Some(50), retired: None };
    record(&mut center, TableKind::Grade, &[grade.fields()], NOW);
    assert_eq!(table::tables(&mut center).unwrap().grade(5_500).as_deref(), Some("A"));
    assert!(center.kept_tables().is_some());
    reported(&mut center, NOW);
    assert!(center.kept_tables().is_some(), "a case changes no table");
    center.commit(NOW).unwrap();
    center.refeed().unwrap();
    assert!(center.kept_tables().is_none());
    assert_eq!(table::tables(&mut center).unwrap().grade(5_500).as_deref(), Some("A"));
}
