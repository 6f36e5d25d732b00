//! What is wrong with a row, row by row.

use super::*;

const GOOD: &str =
    "狼垡一村,12号,甲东,13812345678,出租,乙西,11010519491231002X,租户,流动,2024-03-05,,3,45.5,116.2910,39.8012,临街";

/// The good row with one cell replaced.
fn with(column: usize, cell: &str) -> String {
    let mut cells: Vec<&str> = GOOD.split(',').collect();
    cells[column] = cell;
    cells.join(",")
}

#[test]
fn a_good_row_is_a_household_with_a_resident() {
    let ledger = read_rows(&[GOOD]);
    assert_eq!(ledger.rejected, []);
    let one = &ledger.households[0];
    assert_eq!(one.household.area_dm2, Some(4_550));
    assert_eq!(one.household.position.unwrap().e7(), (398_012_000, 1_162_910_000));
    assert_eq!(one.household.owner.as_ref().unwrap().name, "甲东");
    assert_eq!(one.residents.len(), 1);
    assert_eq!(one.first_row, 2);
}

#[test]
fn each_wrong_cell_has_its_code_and_column() {
    let long = "长".repeat(1_001);
    let cases: &[(usize, &str, &str, &str)] = &[
        (0, "", "missing", "村居"),
        (0, "狼垡九村", "region_unknown", "村居"),
        (0, "110115005", "region_too_wide", "村居"),
        (1, "　", "missing", "门牌号"),
        (3, "1381234567", "phone", "电话"),
        (4, "别墅", "word_unknown", "居住类型"),
        (4, "unknown_9", "word_unknown", "居住类型"),
        (5, "", "missing", "人员姓名"),
        (6, "110105491231002", "id_number_length", "证件号"),
        (6, "1101051949123100AX", "id_number_digit", "证件号"),
        (6, "01010519491231002X", "id_number_region", "证件号"),
        (6, "11010519491331002X", "id_number_birth", "证件号"),
        (6, "110105194912310021", "id_number_check", "证件号"),
        (6, "1.10105E+17", "id_number_rounded", "证件号"),
        (7, "邻居家的猫", "word_unknown", "与户主关系"),
        (8, "火星", "word_unknown", "人员类别"),
        (9, "2024-02-30", "day", "迁入日期"),
        (9, "1023-02-03", "day", "迁入日期"),
        (10, "2024-03-04", "day_order", "迁出日期"),
        (11, "三", "number", "房间数"),
        (11, "-1", "number", "房间数"),
        (11, "70000", "number", "房间数"),
        (12, "0", "number", "面积"),
        (12, "10000.01", "number", "面积"),
        (12, "-3", "number", "面积"),
        (12, "NaN", "number", "面积"),
        (12, "1e9", "number", "面积"),
        (13, "", "position", "经度"),
        (13, "200", "position", "经度"),
        (14, "91", "position", "纬度"),
        (15, &long, "too_long", "备注"),
        (15, "乱\u{FFFD}码", "encoding", "备注"),
        (15, "有\u{1}空", "control_character", "备注"),
        (1, "\"1号\n2号\"", "control_character", "门牌号"),
        (5, "\"乙\u{1}西\"", "control_character", "人员姓名"),
        (2, "甲*", "masked", "户主"),
        (3, "138****5678", "masked", "电话"),
        (5, "乙＊", "masked", "人员姓名"),
        (6, "1101**********002X", "masked", "证件号"),
    ];
    for (column, cell, code, header) in cases {
        let ledger = read_rows(&[&with(*column, cell)]);
        assert_eq!(ledger.households, [], "{cell}");
        let [row] = ledger.rejected.as_slice() else { panic!("{cell}: {:?}", ledger.rejected) };
        let [problem] = row.problems.as_slice() else { panic!("{cell}: {:?}", row.problems) };
        assert_eq!((problem.kind.code(), problem.column.as_str(), row.row), (*code, *header, 2), "{cell}");
        assert!(!problem.kind.chinese().is_empty() && !problem.kind.english().is_empty());
    }
}

#[test]
fn usual_spellings_are_not_wrong() {
    let cases = [
        (0, "１１０１１５００５２２０"),
        (0, "狼垡一村村委会"),
        (3, "+86 138-1234-5678"),
        (3, "010-69234567"),
        (4, "出租房"),
        (4, "Rental"),
        (6, "11010519491231002x"),
        (6, ""),
        (7, "妻子"),
        (8, "流动人口"),
        (9, "2024年3月5日"),
        (9, "2024/3/5 0:00:00"),
        (11, "3间"),
        (11, "3.0"),
        (12, "45.5㎡"),
    ];
    for (column, cell) in cases {
        assert_eq!(codes(&read_rows(&[&with(column, cell)])), [""; 0], "{cell}");
    }
}

#[test]
fn a_passport_is_for_those_from_abroad() {
    let passport = with(6, "EA1234567").replace("流动", "境外");
    assert_eq!(codes(&read_rows(&[&passport])), [""; 0]);
    assert_eq!(codes(&read_rows(&[&with(6, "EA1234567")])), ["id_number_length"]);
    assert_eq!(codes(&read_rows(&[&passport.replace("EA1234567", "护照")])), ["document_number"]);
}

#[test]
fn a_row_with_several_faults_names_them_all_and_the_other_rows_are_kept() {
    let worse = with(6, "1").replace("13812345678", "1").replace("12号", "13号");
    let ledger = read_rows(&[&worse, GOOD, "狼垡二村,1号,,,空置,,,,,,,,,,,"]);
    assert_eq!(codes(&ledger), ["phone", "id_number_length"]);
    assert_eq!(ledger.households.len(), 2);
    assert_eq!(ledger.households[1].residents, []);
    let summary = &ledger.summary;
    assert_eq!((summary.rows, summary.households, summary.residents, summary.rejected), (3, 2, 1, 1));
}

#[test]
fn rows_of_a_household_are_put_together_wherever_they_stand() {
    let ledger = read_rows(&[
        "狼垡一村,12号,,,出租,甲东,,,,,,,,,,",
        "110115005220,１２号,乙,,,丙西,,,,,,4,,,,",
        "狼垡二村,12号,,,,丁南,,,,,,,,,,",
        "狼垡一村,12号,,13812345678,,戊北,,,,,,,,,,",
    ]);
    assert_eq!(ledger.rejected, []);
    assert_eq!(ledger.households.len(), 2);
    let first = &ledger.households[0];
    assert_eq!((first.residents.len(), first.household.rooms), (3, Some(4)));
    assert_eq!(first.household.usage, Some(DwellingUse::Rental));
    let owner = first.household.owner.as_ref().unwrap();
    assert_eq!((owner.name.as_str(), owner.phone.as_deref()), ("乙", Some("13812345678")));
    assert_eq!(ledger.summary.households, 2);
}

#[test]
fn rows_that_contradict_their_household_come_back() {
    let other = GOOD.replace("出租", "自住").replace("11010519491231002X", "").replace("乙西", "丙");
    let elsewhere = "狼垡二村,1号,,,,丁,,,,,,,,,,";
    for rows in [vec![GOOD, other.as_str()], vec![GOOD, elsewhere, other.as_str()]] {
        let ledger = read_rows(&rows);
        assert_eq!(codes(&ledger), ["household_conflict"]);
        let problem = &ledger.rejected[0].problems[0];
        assert_eq!((problem.column.as_str(), &problem.kind), ("居住类型", &ProblemKind::HouseholdConflict { row: 2 }));
    }
}

#[test]
fn one_person_twice_comes_back_unless_they_moved() {
    let elsewhere = GOOD.replace("狼垡一村", "狼垡二村");
    assert_eq!(codes(&read_rows(&[GOOD, &elsewhere])), ["person_duplicate"]);
    assert_eq!(codes(&read_rows(&[GOOD, GOOD])), ["person_duplicate"]);
    let moved = with(10, "2024-06-01");
    assert_eq!(codes(&read_rows(&[&moved, &elsewhere])), [""; 0]);
    assert_eq!(codes(&read_rows(&[&moved, &moved])), ["person_duplicate"]);
    // Without a number the same name elsewhere is somebody else.
    let nameless = GOOD.replace("11010519491231002X", "");
    assert_eq!(codes(&read_rows(&[&nameless, &nameless.replace("狼垡一村", "狼垡二村")])), [""; 0]);
    assert_eq!(codes(&read_rows(&[&nameless, &nameless])), ["person_duplicate"]);
}

#[test]
fn a_row_that_leans_on_a_wrong_one_comes_back_with_it() {
    let ledger = read_rows(&[
        "狼垡九村,1号,,,,甲,,,,,,,,,,",
        ",,,,,乙,,,,,,,,,,",
        "狼垡一村,2号,,,,丙,1,,,,,,,,,",
        ",,,,,丁,,,,,,,,,,",
    ]);
    assert_eq!(codes(&ledger), ["region_unknown", "above_rejected", "id_number_length"]);
    // Only the person in the third row is wrong: the household stands, and the fourth row with it.
    assert_eq!(ledger.households.len(), 1);
    assert_eq!(ledger.households[0].residents.len(), 1);
}

#[test]
fn several_households_behind_one_door_have_numbers() {
    let ledger =
        read("村居,门牌号,户号,姓名\n狼垡一村,1号,1,甲\n狼垡一村,1号,2,乙\n,,,丙\n狼垡一村,1号,,丁\n".as_bytes())
            .unwrap();
    let listed: Vec<_> =
        ledger.households.iter().map(|one| (one.household.number_or_first(), one.residents.len())).collect();
    assert_eq!(listed, [(1, 2), (2, 2)]);
    let none = read("村居,门牌号,户号,姓名\n狼垡一村,1号,0,甲\n".as_bytes()).unwrap();
    assert_eq!((codes(&none), none.households.len()), (vec!["number"], 0));
}

#[test]
fn an_unclosed_quotation_mark_does_not_make_a_door_of_the_rows_below() {
    let ledger = read("村居,门牌号,人员姓名\n狼垡二村,\"1号,丁\n狼垡二村,2号,戊\n".as_bytes()).unwrap();
    assert_eq!(ledger.households, []);
    assert_eq!(codes(&ledger), ["control_character"]);
}

#[test]
fn json_lines_without_any_known_field_come_back_each_time() {
    let text = "{\"line\":\"not json\",\"reasons\":[]}\n{\"nmae\":\"甲\"}\n{\"region\":\"狼垡一村\",\"door\":\"1号\",\"nmae\":\"甲\"}\n";
    let ledger = read(text.as_bytes()).unwrap();
    // What is missing is told, too.
    assert_eq!(codes(&ledger).iter().filter(|code| **code == "nothing_known").count(), 2);
    assert_eq!(ledger.summary.ignored_columns, ["line", "nmae"]);
    assert_eq!((ledger.summary.rows, ledger.summary.rejected, ledger.households.len()), (3, 2, 1));
}

#[test]
fn json_lines_that_are_no_objects_come_back() {
    let ledger = read(
        b"{\"region\":110115005220,\"door\":\"1\",\"name\":\"A\",\"rooms\":2,\"note\":null}\n{\"region\":\n[1]\n{\"region\":[],\"door\":\"1\"}\n",
    )
    .unwrap();
    assert_eq!(codes(&ledger), ["json", "missing", "missing", "json", "missing", "missing", "json_value", "missing"]);
    assert_eq!(ledger.households[0].household.rooms, Some(2));
}
