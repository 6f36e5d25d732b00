//! The town as a ledger: one row per resident, as villages keep it.

use std::io::{self, Write};

use townmesh_crdt::domain::person::PersonalData;

use super::{GeneratedHousehold, Resident};

/// The columns of the ledger.
pub const HEADERS: [&str; 17] = [
    "村居",
    "门牌号",
    "户主",
    "电话",
    "居住类型",
    "人员姓名",
    "证件号",
    "人员电话",
    "与户主关系",
    "人员类别",
    "迁入日期",
    "迁出日期",
    "房间数",
    "面积",
    "经度",
    "纬度",
    "备注",
];

/// Writes the ledger as CSV (RFC 4180, UTF-8 without a byte order mark): a header, then one row per resident with the
/// household's cells repeated; a household without residents has one row with those cells empty. Regions are
/// written as codes, areas in square metres, positions in degrees.
///
/// # Errors
/// Those of the writer.
pub fn write_csv(households: impl IntoIterator<Item = GeneratedHousehold>, output: &mut impl Write) -> io::Result<()> {
    writeln!(output, "{}", HEADERS.join(","))?;
    for GeneratedHousehold { household, residents } in households {
        let owner = household.owner.unwrap_or_default();
        let before = [
            household.region.map(|code| code.to_string()).unwrap_or_default(),
            household.address.unwrap_or_default(),
            owner.name,
            owner.phone.unwrap_or_default(),
            household.usage.map(|usage| usage.chinese().to_owned()).unwrap_or_default(),
        ];
        let after = [
            household.rooms.map(|rooms| rooms.to_string()).unwrap_or_default(),
            household.area_dm2.map(|area| format!("{}.{:02}", area / 100, area % 100)).unwrap_or_default(),
            household.position.map(|position| format!("{:.7}", position.longitude())).unwrap_or_default(),
            household.position.map(|position| format!("{:.7}", position.latitude())).unwrap_or_default(),
            household.note.unwrap_or_default(),
        ];
        for resident in &residents {
            write_row(output, before.iter().chain(&person_cells(resident)).chain(&after))?;
        }
        if residents.is_empty() {
            write_row(output, before.iter().chain(&person_cells(&Resident::default())).chain(&after))?;
        }
    }
    Ok(())
}

fn person_cells(resident: &Resident) -> [String; 7] {
    let PersonalData { name, id_number, phone } = resident.personal.clone().unwrap_or_default();
    [
        name,
        id_number.unwrap_or_default(),
        phone.unwrap_or_default(),
        resident.relation.map(|relation| relation.chinese().to_owned()).unwrap_or_default(),
        resident.kind.map(|kind| kind.chinese().to_owned()).unwrap_or_default(),
        resident.moved_in.map(|day| day.to_string()).unwrap_or_default(),
        resident.moved_out.map(|day| day.to_string()).unwrap_or_default(),
    ]
}

/// Generated cells hold no commas, quotes or line ends, so none is quoted; the tests read the ledger back.
fn write_row<'a>(output: &mut impl Write, cells: impl Iterator<Item = &'a String>) -> io::Result<()> {
    for (place, cell) in cells.enumerate() {
        write!(output, "{}{cell}", if place == 0 { "" } else { "," })?;
    }
    writeln!(output)
}
