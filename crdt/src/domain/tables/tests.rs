use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::clock::HybridTime;
use crate::domain::case::{CaseState, Limit, Severity, Step, TransitionTable, Who};
use crate::domain::checklist::Checklist;
use crate::domain::columns::{List, RETIRED_FIELD};
use crate::domain::date::Day;
use crate::domain::region::RegionCode;
use crate::domain::role::Role;
use crate::domain::town::TeamKind;
use crate::value::{FieldId, Value};

const DAY_MS: u64 = 86_400_000;

type Recorded = BTreeMap<TableKind, BTreeMap<RecordKey, RecordedRow>>;

fn recorded<R: TableRow>(rows: &[R], time: u64) -> Recorded {
    let row = |row: &R| {
        let fields = row.to_fields();
        (R::TABLE.row_key(&fields).unwrap(), RecordedRow { fields, time: HybridTime::at(time) })
    };
    BTreeMap::from([(R::TABLE, rows.iter().map(row).collect())])
}

#[test]
fn every_shipped_row_is_right_has_its_own_key_and_is_read_back_in_every_language() {
    for kind in TableKind::ALL {
        let numbers: BTreeSet<FieldId> = kind.columns().iter().map(|column| column.number).collect();
        assert_eq!(numbers.len(), kind.columns().len(), "{kind} uses a number twice");
        assert_eq!(kind.columns().last().map(|column| column.number), Some(RETIRED_FIELD));
        let rows = kind.defaults();
        let keys: BTreeSet<RecordKey> = rows.iter().map(|row| kind.row_key(row).unwrap()).collect();
        assert_eq!(keys.len(), rows.len(), "two shipped rows of {kind} have one key");
        for row in rows {
            assert_eq!(kind.check(&row), Ok(()), "{kind}: {row:?}");
            for column in kind.columns() {
                let Some(value) = row.get(&column.number) else { continue };
                for words in column.show(value).unwrap() {
                    assert_eq!(column.parse(&words), Ok(Some(value.clone())), "{kind}.{}: {words}", column.name);
                }
            }
        }
    }
}

#[test]
fn no_row_uses_a_number_twice() {
    macro_rules! rows {
        ($($row:ident),+) => { [$((<$row as Row>::COLUMNS.len(), $row::NUMBERS, $row::table().len())),+] };
    }
    let rows = rows!(
        CategoryRow,
        LimitRow,
        StageLimitRow,
        WorkingHoursRow,
        CalendarDayRow,
        ScoreRow,
        GradeRow,
        ChecklistRow,
        ChecklistItemRow,
        GridRuleRow,
        PostRow,
        CampaignItemRow,
        PlanStepRow,
        EscalationRow,
        DeviceRuleRow,
        ArrivalRow,
        HazardLimitRow,
        DeskRow,
        GridResponsibilityRow,
        LaneRow,
        ThresholdRow,
        ResponsibilityRow,
        TransitionRow,
        MeetingRow
    );
    assert_eq!(rows.len(), TableKind::ALL.len());
    for (columns, numbers, names) in rows {
        assert_eq!((columns, names), (numbers, numbers));
    }
}

#[test]
fn the_shipped_tables_are_those_of_the_domain() {
    let tables = Tables::default();
    assert_eq!(tables.limit("illegal_building", Severity::General), Some(Limit::working_days(15)));
    assert_eq!(tables.limit("dirty_road", Severity::Urgent), Some(Limit::working_hours(5)));
    assert_eq!(tables.limit("safety", Severity::Urgent), Some(Limit::emergency_hours(4)));
    assert_eq!(tables.limit("no_such", Severity::General), None);
    assert_eq!(tables.checklists(), Checklist::defaults());
    assert_eq!(tables.calendar(), &crate::domain::case::Calendar::default());
    for role in ScoreRole::ALL {
        assert_eq!(tables.score(*role).iter().map(|(_, percent)| percent).sum::<u16>(), 100, "{role}");
    }
    assert_eq!(tables.arrival_minutes().collect::<Vec<_>>(), [(TeamKind::MicroFireStation, 3)]);
    let grades = [10_000, 9_000, 8_999, 7_500, 6_000, 5_999, 4_000, 3_999, 0];
    let letters = grades.map(|score| tables.grade(score).unwrap());
    assert_eq!(letters, ["A", "A", "B", "B", "C", "D", "D", "E", "E"].map(str::to_owned));
}

#[test]
fn a_recorded_row_stands_before_a_shipped_one_and_a_retired_one_is_out() {
    let row = |category: &str, amount, retired| LimitRow {
        category: Some(category.into()),
        severity: Some(Severity::General),
        amount: Some(amount),
        unit: Some(DeadlineUnit::WorkingDays),
        retired,
    };
    let mut all = recorded(&[row("rubble", 2, None), row("wiring", 9, Some(true)), row("own", 7, None)], 5);
    let own = CategoryRow {
        code: Some("own_kind".into()),
        chinese: Some("自定".into()),
        parent: Some("own".into()),
        ..CategoryRow::default()
    };
    all.extend(recorded(&[own], 5));
    let tables = Tables::new(&all);
    assert_eq!(tables.limit("rubble", Severity::General), Some(Limit::working_days(2)));
    assert_eq!(tables.limit("own_kind", Severity::Urgent), Some(Limit::working_days(7)), "that of the category above");
    // Its own row was taken out, so that of the wider category decides.
    assert_eq!(tables.limit("wiring", Severity::General), tables.limit("safety", Severity::General));
    assert_eq!(tables.limit("exposed_rubbish", Severity::General), Some(Limit::working_days(1)), "as shipped");
    let shipped = TableKind::Limit.defaults().len();
    assert_eq!(tables.rows(TableKind::Limit).len(), shipped + 1);
}

#[test]
fn a_row_under_a_key_that_is_not_its_own_is_left_out() {
    let mut all = recorded(&[GradeRow { letter: Some("A".into()), least: Some(78), retired: None }], 5);
    let rows = all.get_mut(&TableKind::Grade).unwrap();
    let (_, row) = rows.pop_first().unwrap();
    rows.insert(vec![7; 16], row);
    assert_eq!(Tables::new(&all).grade(8_000).as_deref(), Some("B"));
}

#[test]
fn categories_that_are_above_each_other_end() {
    let category = |code: &str, parent: &str| CategoryRow {
        code: Some(code.into()),
        chinese: Some(code.into()),
        parent: Some(parent.into()),
        ..CategoryRow::default()
    };
    let tables = Tables::new(&recorded(&[category("a", "b"), category("b", "a")], 5));
    assert_eq!(tables.limit("a", Severity::General), None);
}

#[test]
fn rows_of_the_life_cycle_are_a_draft_and_rule_nothing() {
    let shipped = Tables::default();
    assert_eq!(
        shipped.drafted_life_cycle(),
        Ok(TransitionTable::default()),
        "rows are read back as the rules they stand for"
    );
    let close = TransitionRow { step: Some(Step::Close), who: Some(Who::Anyone), ..TransitionRow::default() };
    let tables = Tables::new(&recorded(&[close], 5));
    let who = |table: &TransitionTable| table.rule(Step::Close).map(|rule| rule.who.clone());
    assert_eq!(who(&tables.drafted_life_cycle().unwrap()), Some(Who::Anyone));
    assert_eq!(tables.life_cycle().table(), &TransitionTable::default());
    assert_eq!(tables.case_digest(), shipped.case_digest(), "no case has to be read again");
}

#[test]
fn words_of_a_newer_version_take_nothing_from_those_that_are_known() {
    use crate::domain::record::Scalar;
    let who = Who::from_value(&"duty_head,unknown_60".into()).unwrap();
    assert!(who.includes(Role::DutyHead) && !who.includes(Role::Handler), "{who:?}");
    assert!(matches!(
        crate::domain::case::Target::from_value(&"unknown_60".into()),
        Some(crate::domain::case::Target::To(_))
    ));
    for wrong in ["duty_head,unknown_60", "nobody"] {
        assert!(wrong.parse::<Who>().is_err(), "{wrong} is not entered");
    }
}

#[test]
fn what_is_left_of_a_row_stands_over_the_shipped_one() {
    let only = LimitRow {
        category: Some("rubble".into()),
        severity: Some(Severity::General),
        amount: Some(9),
        ..LimitRow::default()
    };
    let tables = Tables::new(&recorded(&[only], 5));
    assert_eq!(tables.limit("rubble", Severity::General), Some(Limit::working_days(9)), "the unit is the shipped one");
}

#[test]
fn a_desk_has_the_limit_of_the_day_on_which_it_began() {
    let row = |since: i32, amount| StageLimitRow {
        since: Some(Day(since)),
        stage: Some(Stage::Filing),
        amount: Some(amount),
        unit: Some(DeadlineUnit::EmergencyMinutes),
        retired: None,
    };
    let tables = Tables::new(&recorded(&[row(10, 5), row(20, 7)], 5));
    let minutes = |day: u64| tables.stage_limit(Stage::Filing, day * DAY_MS).map(|limit| limit.minutes);
    assert_eq!([9, 10, 19, 20].map(minutes), [Some(30), Some(5), Some(5), Some(7)]);
    assert_eq!(tables.stage_limit(Stage::Closing, 0), Some(Limit::working_hours(4)));
}

#[test]
fn what_cases_depend_on_changes_their_digest_and_nothing_else_does() {
    let shipped = Tables::default().case_digest();
    let day = CalendarDayRow { day: Some(Day(20_000)), worked: Some(false), ..CalendarDayRow::default() };
    let holiday = Tables::new(&recorded(std::slice::from_ref(&day), 5)).case_digest();
    assert_ne!(holiday, shipped);
    let named = CalendarDayRow { name: Some("国庆节".into()), ..day };
    assert_eq!(Tables::new(&recorded(&[named], 5)).case_digest(), holiday, "what it is called matters nothing");
    let grade = GradeRow { letter: Some("A".into()), least: Some(1), retired: None };
    assert_eq!(Tables::new(&recorded(&[grade], 5)).case_digest(), shipped);
    // Where a town is founded the shipped rows are recorded as they are.
    let mut founded = recorded(&StageLimitRow::shipped(), 5);
    founded.extend(recorded(&WorkingHoursRow::shipped(), 5));
    assert_eq!(Tables::new(&founded).case_digest(), shipped);
}

#[test]
fn the_narrowest_region_and_category_with_a_row_is_responsible() {
    let row = |region: &str, category: &str, owner: &str| ResponsibilityRow {
        region: region.parse().ok(),
        category: Some(category.into()),
        level: Some(ResponsibleLevel::Town),
        owner: Some(owner.into()),
        ..ResponsibilityRow::default()
    };
    let rows = [
        row("110115005", "environment", "town-cleaning"),
        row("110115005220", "environment", "village"),
        row("110115005", "rubble", "town-rubble"),
    ];
    let tables = Tables::new(&recorded(&rows, 5));
    let owner = |region: &str, category: &str| {
        tables.responsible(region.parse().unwrap(), &[], category).and_then(|row| row.owner)
    };
    assert_eq!(owner("110115005220", "rubble").as_deref(), Some("village"), "the region decides before the category");
    assert_eq!(owner("110115005221", "rubble").as_deref(), Some("town-rubble"));
    assert_eq!(owner("110115005221", "dirty_road").as_deref(), Some("town-cleaning"));
    assert_eq!(owner("110115005221", "fire"), None);
}

#[test]
fn a_grid_with_a_row_is_responsible_before_its_region() {
    let village = "110115005220".parse().unwrap();
    let of_region = ResponsibilityRow {
        region: Some(village),
        category: Some("rubble".into()),
        level: Some(ResponsibleLevel::Village),
        owner: Some("village".into()),
        ..ResponsibilityRow::default()
    };
    let of_grid = GridResponsibilityRow {
        region: Some(village),
        grid: Some("G-01".into()),
        category: Some("environment".into()),
        level: Some(ResponsibleLevel::Society),
        owner: Some("company".into()),
        person: Some("m-7".into()),
        ..GridResponsibilityRow::default()
    };
    let mut rows = recorded(&[of_region], 5);
    rows.extend(recorded(&[of_grid], 5));
    let tables = Tables::new(&rows);
    let owner = |region: RegionCode, grids: &[&str], category: &str| {
        let grids: Vec<String> = grids.iter().map(|grid| (*grid).to_owned()).collect();
        tables.responsible(region, &grids, category).and_then(|row| row.owner)
    };
    assert_eq!(
        owner(village, &["g-01"], "rubble").as_deref(),
        Some("company"),
        "a grid goes before a narrower category"
    );
    assert_eq!(owner(village, &["G-02"], "rubble").as_deref(), Some("village"));
    assert_eq!(owner(village, &[], "rubble").as_deref(), Some("village"));
    assert_eq!(owner(village, &["G-01"], "fire"), None);
    let other = "110115005221".parse().unwrap();
    assert_eq!(owner(other, &["G-01"], "rubble"), None, "the grid of another village");
}

#[test]
fn the_lanes_of_a_place_are_those_that_it_names() {
    let lane = |region: &str, name: &str, chief: &str| LaneRow {
        region: region.parse().ok(),
        name: Some(name.into()),
        chief: Some(chief.into()),
        ..LaneRow::default()
    };
    let rows = [
        lane("110115005", "幸福路", "m-1"),
        lane("110115005220", "幸福路北巷", "m-2"),
        lane("110115005221", "幸福路南巷", "m-3"),
    ];
    let tables = Tables::new(&recorded(&rows, 5));
    let chiefs = |region: &str, place: &str| -> Vec<String> {
        let lanes = tables.lanes(region.parse().unwrap(), place);
        lanes.into_iter().filter_map(|lane| lane.chief).collect()
    };
    assert_eq!(chiefs("110115005220", "幸福路北巷 12 号门前"), ["m-2", "m-1"]);
    assert_eq!(chiefs("110115005220", "幸福路南巷"), ["m-1"], "a lane of another village");
    assert_eq!(chiefs("110115006200", "幸福路"), [""; 0]);
}

fn refused<T>(name: &str, code: &'static str) -> Result<T, (String, &'static str)> {
    Err((name.to_owned(), code))
}

#[test]
fn wrong_cells_and_rows_are_refused_with_their_column() {
    let parse = |kind: TableKind, name: &str, cell: &str| {
        let column = kind.columns().iter().find(|column| column.name == name).unwrap();
        column.parse(cell).map_err(|error| (error.field.clone(), error.code()))
    };
    assert_eq!(parse(TableKind::Limit, "severity", "很重"), refused("severity", "word_unknown"));
    assert_eq!(parse(TableKind::Limit, "severity", "unknown_9"), refused("severity", "word_unknown"));
    assert_eq!(parse(TableKind::Limit, "amount", "three"), refused("amount", "form"));
    assert_eq!(parse(TableKind::Limit, "amount", "1,440"), Ok(Some(Value::Int(1440))));
    assert_eq!(parse(TableKind::Limit, "amount", "1,5"), refused("amount", "form"));
    assert_eq!(parse(TableKind::Limit, "amount", " "), Ok(None));
    assert_eq!(parse(TableKind::CalendarDay, "day", "2026-02-30"), refused("day", "form"));
    assert_eq!(parse(TableKind::CalendarDay, "day", "3026-02-03"), refused("day", "day"));
    assert_eq!(parse(TableKind::CalendarDay, "worked", "也许"), refused("worked", "form"));
    for hours in ["", "8-12", "12:00-08:00", "08:00-12:00,11:00-13:00", "08:00-24:01", "99999999999:00-08:00"] {
        assert!(hours.parse::<Span>().is_err(), "{hours}");
    }
    assert_eq!("8:00-12:00、14：00—24:00".parse::<Span>().unwrap().to_string(), "08:00-12:00,14:00-24:00");
    assert_eq!(
        parse(TableKind::Transition, "states", "待受理、closed").unwrap().unwrap().as_text(),
        Some("reported,closed")
    );
    assert_eq!(parse(TableKind::Transition, "states", "无").unwrap().unwrap().as_text(), Some("none"));

    let limit = LimitRow {
        category: Some("rubble".into()),
        severity: Some(Severity::General),
        amount: Some(1_001),
        unit: Some(DeadlineUnit::WorkingDays),
        retired: None,
    };
    let check = |row: &Fields| TableKind::Limit.check(row).map_err(|error| (error.field.clone(), error.code()));
    assert_eq!(check(&limit.fields()), refused("amount", "number"));
    assert_eq!(check(&LimitRow { category: None, ..limit.clone() }.fields()), refused("category", "blank"));
    assert_eq!(check(&LimitRow { unit: None, ..limit.clone() }.fields()), refused("unit", "blank"));
    // To take a row out its key is enough.
    let out = LimitRow { amount: None, unit: None, retired: Some(true), ..limit };
    assert_eq!(check(&out.fields()), Ok(()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_list_of_words_survives_its_text(codes in proptest::collection::btree_set(1..40_u16, 0..6)) {
        let list = List(codes.into_iter().map(CaseState::from_code).collect());
        let value = crate::domain::record::Scalar::to_value(&list);
        prop_assert_eq!(crate::domain::record::Scalar::from_value(&value), Some(list));
    }

    #[test]
    fn any_text_is_a_cell_or_refused(text in ".{0,30}") {
        for kind in TableKind::ALL {
            for column in kind.columns() {
                if let Ok(Some(value)) = column.parse(&text) {
                    let shown = column.show(&value);
                    prop_assert!(shown.is_some(), "{} of {} took {:?}", column.name, kind, text);
                }
            }
        }
    }
}
