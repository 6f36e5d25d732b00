//! Every row of a file of views, by document.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::Value;

/// Rows of each table, sorted.
pub(super) type Rows = BTreeMap<String, Vec<String>>;

/// Words that stand in some documents and not in others, of three characters each: the index knows no phrases.
const WORDS: [&str; 6] = ["幸福路", "五金店", "暴露垃", "楼道堆", "张建国", "夜班巡"];

/// Columns that say where and when a row came into this file.
const OF_THE_FILE: [&str; 3] = ["row", "changed", "namespace"];

/// All rows, each with the document that it belongs to in place of a number.
pub(super) fn rows(path: &Path) -> Rows {
    let connection = Connection::open(path).unwrap();
    let mut all = Rows::new();
    for table in tables(&connection) {
        let columns = strings(&connection, &format!("SELECT name FROM pragma_table_info('{table}')"));
        let told: Vec<String> = columns
            .iter()
            .filter(|name| !OF_THE_FILE.contains(&name.as_str()))
            .map(|name| format!("t.\"{name}\""))
            .collect();
        let select = format!(
            "SELECT (SELECT document FROM document AS d WHERE d.row = t.row), {} FROM \"{table}\" AS t",
            told.join(", ")
        );
        all.insert(table, lines(&connection, &select));
    }
    let of_document = "SELECT d.document, n.name FROM document AS d LEFT JOIN namespace AS n ON n.number = d.namespace";
    all.insert("document and namespace".into(), lines(&connection, of_document));
    for word in WORDS {
        let select = format!(
            "SELECT (SELECT document FROM document AS d WHERE d.row = search.rowid) FROM search WHERE search MATCH '\"{word}\"'"
        );
        all.insert(format!("search for {word}"), lines(&connection, &select));
    }
    all
}

/// Tables whose rows belong to documents.
fn tables(connection: &Connection) -> Vec<String> {
    strings(
        connection,
        "SELECT name FROM sqlite_schema AS s WHERE type = 'table' AND name NOT LIKE 'position_%' \
         AND name NOT LIKE 'search%' AND EXISTS (SELECT 1 FROM pragma_table_info(s.name) AS c WHERE c.name = 'row') \
         ORDER BY name",
    )
}

fn strings(connection: &Connection, select: &str) -> Vec<String> {
    let mut statement = connection.prepare(select).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

fn lines(connection: &Connection, select: &str) -> Vec<String> {
    let mut statement = connection.prepare(select).unwrap();
    let count = statement.column_count();
    let line = |row: &rusqlite::Row<'_>| {
        let values: Vec<String> =
            (0..count).map(|column| format!("{:?}", row.get::<_, Value>(column).unwrap())).collect();
        Ok(values.join(" | "))
    };
    let mut lines: Vec<String> = statement.query_map([], line).unwrap().collect::<Result<_, _>>().unwrap();
    lines.sort();
    lines
}

/// Tells the first rows that only one of them has.
pub(super) fn assert_same(what: &str, one: &Rows, other: &Rows) {
    for (table, rows) in one {
        let others = other.get(table).unwrap();
        if rows != others {
            let only = |mine: &[String], theirs: &[String]| -> Vec<String> {
                mine.iter().filter(|row| !theirs.contains(row)).take(3).cloned().collect()
            };
            panic!("{what}: {table}\nonly here: {:#?}\nonly there: {:#?}", only(rows, others), only(others, rows));
        }
    }
    assert_eq!(one.len(), other.len(), "{what}");
}
