//! Tables of the town as files.

use std::io::Cursor;

use townmesh_crdt::domain::tables::{TableKind, Tables};
use townmesh_crdt::value::{Fields, Value};

use super::super::{Format, LedgerError, TableFile, read_table, write_table};

fn read(kind: TableKind, text: &str) -> TableFile {
    read_table(kind.columns(), Cursor::new(text.as_bytes().to_vec())).unwrap()
}

#[test]
fn every_table_is_read_back_as_it_was_written() {
    let tables = Tables::default();
    for kind in TableKind::ALL {
        for format in [Format::Csv, Format::Xlsx] {
            let mut bytes = vec![];
            let rows = tables.rows(*kind).iter().map(|row| &row.fields);
            write_table(kind.chinese(), kind.columns(), rows, format, &mut bytes).unwrap();
            let back = read_table(kind.columns(), Cursor::new(bytes)).unwrap();
            assert_eq!((back.wrong, back.ignored), (vec![], vec![]), "{kind} {format:?}");
            let said = |row: Fields| row.into_iter().filter(|(_, value)| *value != Value::Null).collect::<Fields>();
            let back: Vec<Fields> = back.rows.into_iter().map(|(_, row)| said(row)).collect();
            let rows: Vec<Fields> = tables.rows(*kind).iter().map(|row| row.fields.clone()).collect();
            assert_eq!(back, rows, "{kind} {format:?}");
        }
    }
}

#[test]
fn columns_stand_in_any_order_and_language_and_what_is_absent_is_not_cleared() {
    let file = read(TableKind::Limit, "limit,类别编号,remark,severity\n3,rubble,x,一般\n,wiring,,urgent\n\n");
    assert_eq!(file.ignored, ["remark"]);
    assert_eq!(file.rows.iter().map(|(row, _)| *row).collect::<Vec<_>>(), [2, 3]);
    let row = &file.rows[0].1;
    assert_eq!(row.keys().copied().collect::<Vec<_>>(), [1, 2, 3], "neither the unit nor `retired`");
    assert_eq!(file.rows[1].1.get(&3), Some(&Value::Null), "a blank cell clears");
}

#[test]
fn wrong_cells_are_told_with_their_row_and_a_file_without_its_key_is_refused() {
    let file = read(TableKind::CalendarDay, "day,worked\n2026-10-01,否\n2026-13-01,maybe\n国庆,是\n");
    let wrong: Vec<_> = file.wrong.iter().map(|(row, error)| (*row, error.field.as_str(), error.code())).collect();
    assert_eq!(wrong, [(3, "day", "form"), (3, "worked", "form"), (4, "day", "form")]);
    let refused =
        |text: &str| read_table(TableKind::Limit.columns(), Cursor::new(text.as_bytes().to_vec())).unwrap_err();
    let missing = refused("类别,时限\nrubble,3\n");
    assert!(
        matches!(&missing, LedgerError::MissingColumns { missing, .. } if missing.contains("category")),
        "{missing}"
    );
    let twice = refused("category,类别编号,severity\nrubble,rubble,general\n");
    assert!(matches!(twice, LedgerError::DuplicateColumn { .. }), "{twice}");
    assert!(matches!(refused(""), LedgerError::Empty));
    assert!(matches!(refused("\n\n"), LedgerError::Empty));
    let long = format!("category,severity\n{}", "rubble,general\n".repeat(20_001));
    assert!(matches!(refused(&long), LedgerError::TooManyRows { .. }));
}
