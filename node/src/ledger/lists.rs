//! Writes lists as people see them: CSV, XLSX, GeoJSON, GPX; a few rows at a time.
//!
//! A row is what the HTTP API shows of it. Nothing keeps the list in memory: a workbook's rows go to a temporary file
//! that nobody else can open, the other formats are handed on as they grow.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};

use rust_xlsxwriter::{Format, Workbook};
use serde_json::{Value, json};

use super::export::{BOM, ExportError};
use super::list_columns::{ListColumn, columns};
use super::sheet::{self, MOST_SHEET_ROWS};
use super::workbook_error;
use crate::paper::escape;

/// A list that can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListKind {
    /// Cases.
    Cases,
    /// Orders to teams.
    Orders,
    /// Dwellings.
    Dwellings,
    /// Hazards.
    Hazards,
    /// Inspections of a region.
    Inspections,
    /// Devices.
    Devices,
    /// Events of a device, or alarms.
    Events,
    /// Door tags.
    DoorTags,
    /// Members.
    Members,
    /// Teams.
    Teams,
    /// Regions.
    Regions,
}

impl ListKind {
    /// Every list.
    pub const ALL: [Self; 11] = [
        Self::Cases,
        Self::Orders,
        Self::Dwellings,
        Self::Hazards,
        Self::Inspections,
        Self::Devices,
        Self::Events,
        Self::DoorTags,
        Self::Members,
        Self::Teams,
        Self::Regions,
    ];

    /// Its name in paths and commands.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cases => "cases",
            Self::Orders => "orders",
            Self::Dwellings => "dwellings",
            Self::Hazards => "hazards",
            Self::Inspections => "inspections",
            Self::Devices => "devices",
            Self::Events => "events",
            Self::DoorTags => "door-tags",
            Self::Members => "members",
            Self::Teams => "teams",
            Self::Regions => "regions",
        }
    }

    /// Its name in Chinese: that of the sheet.
    const fn chinese(self) -> &'static str {
        match self {
            Self::Cases => "案卷",
            Self::Orders => "派遣单",
            Self::Dwellings => "房屋",
            Self::Hazards => "隐患",
            Self::Inspections => "检查记录",
            Self::Devices => "设备",
            Self::Events => "设备事件",
            Self::DoorTags => "门牌",
            Self::Members => "人员",
            Self::Teams => "队伍",
            Self::Regions => "区划",
        }
    }

    /// How it is written.
    pub const fn shape(self) -> ListShape {
        let waypoint = match self {
            Self::Devices => ("/code", ["/name", "/place"]),
            Self::Cases
            | Self::Orders
            | Self::Dwellings
            | Self::Hazards
            | Self::Inspections
            | Self::Events
            | Self::DoorTags
            | Self::Members
            | Self::Teams
            | Self::Regions => ("/number", ["/place", "/description"]),
        };
        ListShape { title: self.chinese(), columns: columns(self), place: "/position", waypoint }
    }

    /// The list of a name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|list| list.name() == name)
    }

    /// The formats in which it can be written: on the map only what has a place.
    pub const fn formats(self) -> &'static [ListFormat] {
        match self {
            Self::Cases | Self::Devices => &[ListFormat::Csv, ListFormat::Xlsx, ListFormat::GeoJson, ListFormat::Gpx],
            Self::Dwellings | Self::Hazards | Self::Events | Self::DoorTags | Self::Regions => {
                &[ListFormat::Csv, ListFormat::Xlsx, ListFormat::GeoJson]
            }
            Self::Orders | Self::Inspections | Self::Members | Self::Teams => &[ListFormat::Csv, ListFormat::Xlsx],
        }
    }
}

/// How the rows of a list are written.
#[derive(Debug, Clone, Copy)]
pub struct ListShape {
    /// The name of its sheet.
    pub(super) title: &'static str,
    pub(super) columns: &'static [ListColumn],
    /// Where the place of a row stands in it.
    pub(super) place: &'static str,
    /// Where the name of a waypoint and its description stand in a row.
    pub(super) waypoint: (&'static str, [&'static str; 2]),
}

/// A format of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListFormat {
    /// RFC 4180 in UTF-8 with a byte order mark.
    Csv,
    /// Office Open XML workbook.
    Xlsx,
    /// RFC 7946: a feature for each row.
    GeoJson,
    /// GPX 1.1: a waypoint for each row with a place.
    Gpx,
}

impl ListFormat {
    /// Its name, which is how files of it end.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
            Self::GeoJson => "geojson",
            Self::Gpx => "gpx",
        }
    }

    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::GeoJson => "application/geo+json",
            Self::Gpx => "application/gpx+xml",
        }
    }

    /// The format of a name, or of a file's ending.
    pub fn of_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        [Self::Csv, Self::Xlsx, Self::GeoJson, Self::Gpx].into_iter().find(|format| format.name() == name)
    }
}

/// What is left to be handed on at the end of a list.
#[derive(Debug)]
pub enum ListEnd {
    /// Bytes.
    Bytes(Vec<u8>),
    /// A file, from its beginning.
    File(File),
}

/// A list that is being written.
pub struct ListWriter {
    shape: ListShape,
    state: State,
}

impl std::fmt::Debug for ListWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ListWriter({:?})", self.shape.title)
    }
}

enum State {
    Csv { begun: bool },
    Xlsx { workbook: Box<Workbook>, text: Box<Format>, next_row: u32 },
    GeoJson { begun: bool },
    Gpx { begun: bool },
}

impl ListWriter {
    /// Begins a list.
    ///
    /// # Errors
    /// [`ExportError::Io`] where no temporary file can be made.
    pub fn new(shape: ListShape, format: ListFormat) -> Result<Self, ExportError> {
        let state = match format {
            ListFormat::Csv => State::Csv { begun: false },
            ListFormat::Xlsx => workbook(&shape)?,
            ListFormat::GeoJson => State::GeoJson { begun: false },
            ListFormat::Gpx => State::Gpx { begun: false },
        };
        Ok(Self { shape, state })
    }

    /// Adds rows; the bytes that can be handed on.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn rows(&mut self, rows: &[Value]) -> Result<Vec<u8>, ExportError> {
        let columns = self.shape.columns;
        match &mut self.state {
            State::Csv { begun } => Ok(csv_rows(columns, rows, !std::mem::replace(begun, true))?),
            State::Xlsx { workbook, text, next_row } => {
                sheet_rows(columns, rows, workbook, text, next_row)?;
                Ok(Vec::new())
            }
            State::GeoJson { begun } => Ok(features(self.shape.place, rows, begun)),
            State::Gpx { begun } => Ok(waypoints(&self.shape, rows, !std::mem::replace(begun, true))),
        }
    }

    /// Ends the list.
    ///
    /// # Errors
    /// [`ExportError::Io`].
    pub fn end(mut self) -> Result<ListEnd, ExportError> {
        // An empty list has its header, too.
        let mut bytes = self.rows(&[])?;
        match self.state {
            State::Csv { .. } => {}
            State::Xlsx { mut workbook, .. } => {
                let mut file = tempfile::tempfile()?;
                workbook.save_to_writer(&mut file).map_err(workbook_error)?;
                file.seek(SeekFrom::Start(0))?;
                return Ok(ListEnd::File(file));
            }
            State::GeoJson { begun } => {
                bytes.extend(if begun {
                    b"\n]}\n".as_slice()
                } else {
                    b"{\"type\":\"FeatureCollection\",\"features\":[]}\n"
                });
            }
            State::Gpx { .. } => bytes.extend(b"</gpx>\n"),
        }
        Ok(ListEnd::Bytes(bytes))
    }
}

fn csv_rows(columns: &[ListColumn], rows: &[Value], with_header: bool) -> io::Result<Vec<u8>> {
    let mut bytes = if with_header { BOM.as_bytes().to_vec() } else { Vec::new() };
    let mut writer = csv::Writer::from_writer(&mut bytes);
    if with_header {
        writer.write_record(columns.iter().map(|column| column.title))?;
    }
    for row in rows {
        writer.write_record(columns.iter().map(|column| column.cell(row).to_csv()))?;
    }
    writer.flush()?;
    drop(writer);
    Ok(bytes)
}

/// A workbook whose rows are written to a temporary file as soon as the next one begins.
fn workbook(shape: &ListShape) -> Result<State, ExportError> {
    let mut workbook = Box::new(Workbook::new());
    let header: Vec<&str> = shape.columns.iter().map(|column| column.title).collect();
    let sheet = workbook.add_worksheet_with_constant_memory().map_err(workbook_error)?;
    let text = Box::new(sheet::begin(sheet, shape.title, &header)?);
    Ok(State::Xlsx { workbook, text, next_row: 1 })
}

fn sheet_rows(
    columns: &[ListColumn],
    rows: &[Value],
    workbook: &mut Workbook,
    text: &Format,
    next_row: &mut u32,
) -> Result<(), ExportError> {
    let sheet = workbook.worksheet_from_index(0).map_err(workbook_error)?;
    for row in rows {
        if *next_row > MOST_SHEET_ROWS {
            return Err(ExportError::TooManyRows);
        }
        sheet::write_row(sheet, *next_row, columns.iter().map(|column| column.cell(row)), text)?;
        *next_row += 1;
    }
    Ok(())
}

/// A row as a feature: all that it says beside its place.
fn features(place_at: &str, rows: &[Value], begun: &mut bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    for row in rows {
        let before =
            if std::mem::replace(begun, true) { "," } else { "{\"type\":\"FeatureCollection\",\"features\":[" };
        let mut properties = row.clone();
        if let Some(fields) = properties.as_object_mut() {
            fields.remove(place_at.trim_start_matches('/'));
        }
        // A row whose place is not known is an unlocated feature (RFC 7946, 3.2).
        let geometry = place(place_at, row).map(|(lat, lon)| json!({ "type": "Point", "coordinates": [lon, lat] }));
        let feature = json!({ "type": "Feature", "geometry": geometry, "properties": properties });
        bytes.extend(format!("{before}\n{feature}").into_bytes());
    }
    bytes
}

fn place(at: &str, row: &Value) -> Option<(f64, f64)> {
    let place = row.pointer(at)?;
    Some((place.get("lat")?.as_f64()?, place.get("lon")?.as_f64()?))
}

fn waypoints(shape: &ListShape, rows: &[Value], with_header: bool) -> Vec<u8> {
    let mut text = String::new();
    if with_header {
        text += "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
            <gpx version=\"1.1\" creator=\"townmesh\" xmlns=\"http://www.topografix.com/GPX/1/1\">\n";
    }
    let (name, described) = shape.waypoint;
    let said = |row: &Value, pointer: &str| row.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    for row in rows {
        let Some((lat, lon)) = place(shape.place, row) else { continue };
        let words: Vec<String> =
            described.iter().map(|pointer| said(row, pointer)).filter(|word| !word.is_empty()).collect();
        let (name, words) = (escape(&said(row, name)), escape(&words.join("\n")));
        text += &format!("<wpt lat=\"{lat}\" lon=\"{lon}\"><name>{name}</name><desc>{words}</desc></wpt>\n");
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read as _};

    use proptest::prelude::*;

    use super::super::table::each_row;
    use super::*;

    fn written(list: ListKind, format: ListFormat, pages: &[Vec<Value>]) -> Vec<u8> {
        let mut writer = ListWriter::new(list.shape(), format).unwrap();
        let mut bytes: Vec<u8> = pages.iter().flat_map(|page| writer.rows(page).unwrap()).collect();
        match writer.end().unwrap() {
            ListEnd::Bytes(rest) => bytes.extend(rest),
            ListEnd::File(mut file) => _ = file.read_to_end(&mut bytes).unwrap(),
        }
        bytes
    }

    /// The cells of a file, its header first, as the import of ledgers reads them.
    fn cells(bytes: &[u8]) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        each_row(Cursor::new(bytes), 20_000, |row| {
            rows.push(row.cells.iter().map(|cell| cell.trim_end().to_owned()).collect());
            Ok(())
        })
        .unwrap();
        rows
    }

    fn team(code: &str, name: &str) -> Value {
        json!({ "code": code, "name": name, "kind": "town", "region": "110115005001", "leader": null, "phone": "110", "retired": false })
    }

    #[test]
    fn pages_make_one_file_with_chinese_titles_and_words() {
        let pages = [vec![team("a", "甲队"), team("b", "=1+1")], vec![], vec![team("c", "-丙,\"队\"")]];
        for format in [ListFormat::Csv, ListFormat::Xlsx] {
            let rows = cells(&written(ListKind::Teams, format, &pages));
            assert_eq!(rows[0], ["队伍编号", "名称", "类型", "村居代码", "负责人", "值班电话", "撤销"]);
            let names: Vec<&str> = rows[1..].iter().map(|row| row[1].as_str()).collect();
            assert_eq!(names, ["甲队", "=1+1", "-丙,\"队\""], "{format:?}");
            assert_eq!(rows[1][2], TeamKindName::TOWN, "{format:?}");
            assert_eq!((rows[1][4].as_str(), rows[1][6].as_str()), ("", "否"));
            let empty = cells(&written(ListKind::Teams, format, &[]));
            assert_eq!(empty, rows[..1], "an empty list has its titles");
        }
        let text = String::from_utf8(written(ListKind::Teams, ListFormat::Csv, &pages)).unwrap();
        assert!(text.contains(",'=1+1,") && text.contains("\"'-丙,\"\"队\"\"\"") && text.starts_with(BOM), "{text}");
    }

    struct TeamKindName;
    impl TeamKindName {
        const TOWN: &str = townmesh_crdt::domain::town::TeamKind::Town.chinese();
    }

    #[test]
    fn every_list_has_columns_of_different_names() {
        for list in ListKind::ALL {
            assert_eq!(ListKind::of_name(list.name()), Some(list));
            let titles: std::collections::BTreeSet<&str> = columns(list).iter().map(|column| column.title).collect();
            assert_eq!(titles.len(), columns(list).len(), "{list:?}");
            for format in list.formats() {
                assert_eq!(ListFormat::of_name(format.name()), Some(*format));
                assert!(!written(list, *format, &[]).is_empty());
            }
        }
    }

    #[test]
    fn what_has_a_place_is_on_the_map() {
        let case = |lat: Option<f64>| {
            let position = lat.map(|lat| json!({ "lat": lat, "lon": 116.5 }));
            json!({ "number": "7K3", "place": "<东&西>\u{1}", "description": "垃圾", "position": position, "reported_ms": 0 })
        };
        let pages = [vec![case(Some(39.5))], vec![case(None)]];
        let map: Value = serde_json::from_slice(&written(ListKind::Cases, ListFormat::GeoJson, &pages)).unwrap();
        assert_eq!(map["features"][0]["geometry"]["coordinates"], json!([116.5, 39.5]));
        assert_eq!(
            (&map["features"][1]["geometry"], &map["features"][1]["properties"]["number"]),
            (&Value::Null, &json!("7K3"))
        );
        let empty: Value = serde_json::from_slice(&written(ListKind::Cases, ListFormat::GeoJson, &[])).unwrap();
        assert_eq!(empty["features"], json!([]));
        let gpx = String::from_utf8(written(ListKind::Cases, ListFormat::Gpx, &pages)).unwrap();
        assert_eq!(gpx.matches("<wpt ").count(), 1, "{gpx}");
        assert!(
            gpx.contains(
                "<wpt lat=\"39.5\" lon=\"116.5\"><name>7K3</name><desc>&lt;东&amp;西&gt;\u{fffd}\n垃圾</desc></wpt>"
            ),
            "{gpx}"
        );
        let mut reader = quick_xml::Reader::from_str(&gpx);
        while !matches!(reader.read_event().unwrap(), quick_xml::events::Event::Eof) {}
    }

    #[test]
    fn a_cell_that_is_too_long_is_cut_and_says_so() {
        let long = "𠮷".repeat(20_000);
        let rows = cells(&written(ListKind::Teams, ListFormat::Xlsx, &[vec![team("a", &long)]]));
        assert!(rows[1][1].ends_with('…') && rows[1][1].encode_utf16().count() <= 32_767);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn any_text_is_read_again_as_it_was(text in "['=+@\\-a,;\"甲\n]{0,12}") {
            let expected = text.trim_end().to_owned();
            for format in [ListFormat::Csv, ListFormat::Xlsx] {
                let rows = cells(&written(ListKind::Teams, format, &[vec![team("a", &text)]]));
                prop_assert_eq!(&rows[1][1], &expected);
            }
        }
    }
}
