//! Writes households as a ledger that can be read again (CSV, XLSX) or as points on a map (GeoJSON).

use std::io::{self, Write};

use serde_json::json;
use townmesh_crdt::domain::household::{Household, Resident};
use townmesh_crdt::domain::person::PersonalData;

use super::column::Column;
use super::regions::RegionTable;
use super::sheet::{MOST_SHEET_ROWS, Sheet, SheetCell, write_workbook};

/// The byte order mark, without which spreadsheets take UTF-8 for the local encoding.
pub(super) const BOM: &str = "\u{FEFF}";

/// The formats in which households are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// RFC 4180 in UTF-8 with a byte order mark.
    Csv,
    /// Office Open XML workbook.
    Xlsx,
    /// RFC 7946: a feature per household, without personal data.
    GeoJson,
}

impl ExportFormat {
    /// The format that a file's name suggests.
    pub fn of_name(name: &str) -> Option<Self> {
        match name.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "xlsx" => Some(Self::Xlsx),
            "geojson" | "json" => Some(Self::GeoJson),
            _ => None,
        }
    }
}

/// A household to be written. Personal data is written as it stands here: mask it before, where it must be.
#[derive(Debug, Clone, Copy)]
pub struct ExportedHousehold<'a> {
    /// The household.
    pub household: &'a Household,
    /// Its residents; void ones are left out.
    pub residents: &'a [Resident],
}

/// Why households could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A sheet is full.
    #[error(
        "超过一张工作表的 1,048,575 行，请改用 CSV 或按村居导出 / more rows than the 1,048,575 of a sheet; write CSV, or village by village"
    )]
    TooManyRows,
    /// The output failed.
    #[error("写入失败：{0}，请检查磁盘空间和权限 / writing failed: {0}; check disk space and permissions")]
    Io(#[from] io::Error),
}

/// Writes households.
///
/// # Errors
/// When the output fails, or a workbook would have more rows than one can.
pub fn write_households<'a>(
    households: impl IntoIterator<Item = ExportedHousehold<'a>>,
    regions: &RegionTable,
    format: ExportFormat,
    output: &mut impl Write,
) -> Result<(), ExportError> {
    match format {
        ExportFormat::Csv => write_csv(households, regions, output)?,
        ExportFormat::Xlsx => write_xlsx(households, regions, output)?,
        ExportFormat::GeoJson => write_geojson(households, regions, output)?,
    }
    Ok(())
}

fn write_csv<'a>(
    households: impl IntoIterator<Item = ExportedHousehold<'a>>,
    regions: &RegionTable,
    output: &mut impl Write,
) -> io::Result<()> {
    output.write_all(BOM.as_bytes())?;
    let mut writer = csv::Writer::from_writer(output);
    writer.write_record(Column::written().map(Column::header))?;
    for exported in households {
        for row in rows(exported, regions) {
            writer.write_record(row.iter().map(SheetCell::to_csv))?;
        }
    }
    writer.flush()
}

fn write_xlsx<'a>(
    households: impl IntoIterator<Item = ExportedHousehold<'a>>,
    regions: &RegionTable,
    output: &mut impl Write,
) -> Result<(), ExportError> {
    let header: Vec<_> = Column::written().map(Column::header).collect();
    let mut sheet = Sheet::new("住户台账", &header)?;
    let rows = households.into_iter().flat_map(|exported| rows(exported, regions));
    for (written, row) in rows.enumerate() {
        if written == MOST_SHEET_ROWS as usize {
            return Err(ExportError::TooManyRows);
        }
        sheet.row(row)?;
    }
    Ok(write_workbook([sheet], output)?)
}

/// One row per resident, or one for the household alone, in the order of [`Column::written`].
fn rows(exported: ExportedHousehold<'_>, regions: &RegionTable) -> Vec<Vec<SheetCell>> {
    let ExportedHousehold { household, residents } = exported;
    let listed: Vec<&Resident> = residents.iter().filter(|resident| resident.void != Some(true)).collect();
    let nobody = Resident::default();
    let people = if listed.is_empty() { vec![&nobody] } else { listed };
    let row = |resident| Column::written().map(|column| cell(household, resident, regions, column)).collect();
    people.into_iter().map(row).collect()
}

fn cell(household: &Household, resident: &Resident, regions: &RegionTable, column: Column) -> SheetCell {
    let number = |number: Option<f64>| number.map_or(SheetCell::Blank, SheetCell::Number);
    let owner = |part: fn(&PersonalData) -> Option<String>| household.owner.as_ref().and_then(part).into();
    let personal = |part: fn(&PersonalData) -> Option<String>| resident.personal.as_ref().and_then(part).into();
    match column {
        Column::Region => household.region.map(|code| regions.cell(code)).into(),
        Column::Door => household.address.clone().into(),
        Column::Number => number(household.number.map(f64::from)),
        Column::Owner => owner(|owner| Some(owner.name.clone())),
        Column::OwnerPhone => owner(|owner| owner.phone.clone()),
        Column::Usage => household.usage.map(|usage| usage.chinese().to_owned()).into(),
        Column::Name => personal(|personal| Some(personal.name.clone())),
        Column::IdNumber => personal(|personal| personal.id_number.clone()),
        Column::Phone => personal(|personal| personal.phone.clone()),
        Column::Relation => resident.relation.map(|relation| relation.chinese().to_owned()).into(),
        Column::Kind => resident.kind.map(|kind| kind.chinese().to_owned()).into(),
        Column::MovedIn => resident.moved_in.map(|day| day.to_string()).into(),
        Column::MovedOut => resident.moved_out.map(|day| day.to_string()).into(),
        Column::Rooms => number(household.rooms.map(f64::from)),
        Column::Area => number(household.area_dm2.map(|area| f64::from(area) / 100.0)),
        Column::TenantLimit => number(household.tenant_limit.map(f64::from)),
        Column::Longitude => number(household.position.map(|position| position.longitude())),
        Column::Latitude => number(household.position.map(|position| position.latitude())),
        Column::Note => household.note.clone().into(),
        Column::Reasons => SheetCell::Blank,
    }
}

fn write_geojson<'a>(
    households: impl IntoIterator<Item = ExportedHousehold<'a>>,
    regions: &RegionTable,
    output: &mut impl Write,
) -> io::Result<()> {
    write!(output, "{{\"type\":\"FeatureCollection\",\"features\":[")?;
    for (place, ExportedHousehold { household, residents }) in households.into_iter().enumerate() {
        // A household whose position is not known is an unlocated feature (RFC 7946, 3.2).
        let geometry = household
            .position
            .map(|position| json!({"type": "Point", "coordinates": [position.longitude(), position.latitude()]}));
        let feature = json!({
            "type": "Feature",
            "geometry": geometry,
            "properties": {
                "region": household.region,
                "region_name": household.region.and_then(|code| regions.name(code)),
                "address": household.address,
                "number": household.number_or_first(),
                "use": household.usage,
                "rooms": household.rooms,
                "area_m2": household.area_dm2.map(|area| f64::from(area) / 100.0),
                "tenant_limit": household.tenant_limit,
                "residents": residents.iter().filter(|one| one.void != Some(true) && one.moved_out.is_none()).count(),
            },
        });
        write!(output, "{}\n{feature}", if place == 0 { "" } else { "," })?;
    }
    writeln!(output, "\n]}}")
}
