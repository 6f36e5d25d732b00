//! Whole files in, households and reasons out.

use std::ops::ControlFlow;

use encoding_rs::GB18030;
use proptest::prelude::*;
use townmesh_crdt::domain::dwelling::DwellingUse;
use townmesh_crdt::domain::household::{Relation, ResidentKind};
use townmesh_sim::generator::{HUANGCUN_REGIONS, generate, parse_regions, write_csv};

use super::sheet::{Sheet, SheetCell, write_workbook};
use super::*;

mod exported;
mod files;
pub(crate) mod mixed;
mod rules;
mod tables;

const HEADER: &str =
    "村居,门牌号,户主,电话,居住类型,人员姓名,证件号,与户主关系,人员类别,迁入日期,迁出日期,房间数,面积,经度,纬度,备注";

fn regions() -> RegionTable {
    RegionTable::new(&parse_regions(HUANGCUN_REGIONS).unwrap())
}

fn read(bytes: &[u8]) -> Result<Ledger, LedgerError> {
    let regions = regions();
    Reading::new(&regions).bytes(bytes)
}

fn read_rows(rows: &[&str]) -> Ledger {
    read(format!("{HEADER}\n{}\n", rows.join("\n")).as_bytes()).unwrap()
}

/// The generated town as CSV.
fn town(households: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_csv(generate(7, &parse_regions(HUANGCUN_REGIONS).unwrap(), households), &mut bytes).unwrap();
    bytes
}

/// The rows of a CSV as a workbook, every cell text.
fn as_workbook(csv_bytes: &[u8]) -> Vec<u8> {
    let mut rows = csv::ReaderBuilder::new().has_headers(false).from_reader(csv_bytes).into_records();
    let header: Vec<String> = rows.next().unwrap().unwrap().iter().map(str::to_owned).collect();
    let mut sheet = Sheet::new("台账", &header).unwrap();
    for row in rows {
        sheet.row(row.unwrap().iter().map(|cell| SheetCell::from(Some(cell.to_owned())))).unwrap();
    }
    let mut bytes = Vec::new();
    write_workbook([sheet], &mut bytes).unwrap();
    bytes
}

/// The rows of a CSV as JSON lines under the English field names.
fn as_json_lines(csv_bytes: &[u8]) -> Vec<u8> {
    let mut reader = csv::Reader::from_reader(csv_bytes);
    let fields: Vec<_> = reader.headers().unwrap().iter().map(|title| Column::known(title).unwrap().field()).collect();
    let line = |row: csv::StringRecord| {
        let cells =
            fields.iter().zip(row.iter()).map(|(field, cell)| ((*field).to_owned(), serde_json::Value::from(cell)));
        format!("{}\n", serde_json::Value::Object(cells.collect()))
    };
    reader.records().map(|row| line(row.unwrap())).collect::<String>().into_bytes()
}

/// What matters of a ledger: the same however the file was written.
fn content(ledger: &Ledger) -> Vec<(Household, Vec<Resident>)> {
    ledger.households.iter().map(|one| (one.household.clone(), one.residents.clone())).collect()
}

/// The codes of everything that is wrong.
fn codes(ledger: &Ledger) -> Vec<&'static str> {
    ledger.rejected.iter().flat_map(|row| row.problems.iter().map(|problem| problem.kind.code())).collect()
}
