//! Lists of the non-emergency hotline (12345): one row a call, each of which becomes a case.
//!
//! CSV (UTF-8, GB18030) or XLSX; columns are known by their headers in any order. Every row stands for itself: what is wrong
//! comes back with reasons, and a list that is sent again changes nothing, because a call is known by its number.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use townmesh_crdt::command::UTC_OFFSET_MINUTES;
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::input::is_masked;
use townmesh_crdt::domain::key::normalise;
use townmesh_crdt::domain::person::PersonalData;
use townmesh_crdt::domain::phone::{check_phone, normalise_phone};
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;

use super::error::LedgerError;
use super::problem::excerpt;
use super::source::RawRow;
use super::{Problem, ProblemKind, RegionTable, RejectedRow, table};

/// Most rows of a list: ten days of calls.
const MAX_ROWS: u64 = 5_000;

/// A call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HotlineCall {
    /// Line or row number in the file, from 1.
    pub row: u64,
    /// Its cells as they stand there.
    pub cells: Vec<String>,
    /// The hotline's number of the call, normalised ([`normalise`]).
    pub ticket: String,
    /// When somebody called, as it stands there, and in milliseconds since 1970.
    pub time: Option<(String, u64)>,
    /// Village or community.
    pub region: RegionCode,
    /// Where, in words.
    pub place: String,
    /// What is wrong.
    pub description: String,
    /// Key of the category.
    pub category: Option<String>,
    /// Who called.
    pub caller: PersonalData,
    /// Where on the map.
    pub position: Option<Position>,
}

/// What a list came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HotlineList {
    /// The calls whose rows are right.
    pub calls: Vec<HotlineCall>,
    /// The rows that are wrong.
    pub rejected: Vec<RejectedRow>,
    /// What was left out of rows that are right otherwise: a phone that is none must not keep a gas leak out.
    pub warnings: Vec<RejectedRow>,
    /// Headers that were not understood.
    pub ignored: Vec<String>,
}

/// What the rows of a list may name.
#[derive(Debug, Clone, Default)]
pub struct HotlineNames {
    /// Villages by code and name.
    pub regions: RegionTable,
    /// The village of rows without one.
    pub default_region: Option<RegionCode>,
    /// Keys of categories by key and name, each normalised ([`normalise`]).
    pub categories: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Ticket,
    Time,
    Region,
    Place,
    Description,
    Category,
    Caller,
    Phone,
    Longitude,
    Latitude,
}

/// Each column with the headers that it is known by; the first is the one that messages name.
const COLUMNS: [(Column, &[&str]); 10] = [
    (Column::Ticket, &["工单编号", "工单号", "诉求编号", "编号", "ticket", "ticket_number"]),
    (Column::Time, &["来电时间", "受理时间", "诉求时间", "创建时间", "time", "called_at"]),
    (Column::Region, &["村居", "所属村居", "属地", "社区", "村", "region", "village"]),
    (Column::Place, &["地址", "诉求地址", "问题地址", "发生地址", "地点", "place", "address"]),
    (Column::Description, &["诉求内容", "问题描述", "主要内容", "内容", "description"]),
    (Column::Category, &["类别", "诉求分类", "问题分类", "category"]),
    (Column::Caller, &["来电人", "诉求人", "联系人", "姓名", "caller", "name"]),
    (Column::Phone, &["来电号码", "联系电话", "联系方式", "电话", "phone"]),
    (Column::Longitude, &["经度", "longitude", "lon", "lng"]),
    (Column::Latitude, &["纬度", "latitude", "lat"]),
];
const REQUIRED: [Column; 2] = [Column::Ticket, Column::Description];

impl Column {
    fn header(self) -> &'static str {
        let names = COLUMNS.iter().find(|(column, _)| *column == self).and_then(|(_, names)| names.first());
        names.copied().unwrap_or_default()
    }

    fn known(header: &str) -> Option<Self> {
        let name = normalise(header);
        let name = name.trim_matches('*');
        let (column, _) = COLUMNS.iter().find(|(_, names)| names.iter().any(|known| normalise(known) == name))?;
        Some(*column)
    }
}

/// Reads a list.
///
/// # Errors
/// When the file as a whole cannot be read.
pub fn read_hotline(names: &HotlineNames, file: impl Read + Seek) -> Result<HotlineList, LedgerError> {
    let mut rows = Rows { names, header: None, tickets: BTreeMap::new(), list: HotlineList::default() };
    table::each_row(file, MAX_ROWS, |row| {
        if row.number > MAX_ROWS + 1 {
            return Err(LedgerError::TooManyRows { limit: MAX_ROWS });
        }
        rows.row(row)
    })?;
    if rows.header.is_none() { Err(LedgerError::Empty) } else { Ok(rows.list) }
}

struct Rows<'a> {
    names: &'a HotlineNames,
    /// What each column of the file holds.
    header: Option<Vec<Option<Column>>>,
    /// Where each call stands.
    tickets: BTreeMap<String, u64>,
    list: HotlineList,
}

/// The cells of a row by what they hold, and what is wrong with them.
struct Cells<'a> {
    header: &'a [Option<Column>],
    cells: &'a [String],
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Cells<'_> {
    fn get(&self, column: Column) -> &str {
        let place = self.header.iter().position(|known| *known == Some(column));
        place.and_then(|place| self.cells.get(place)).map_or("", |cell| cell.trim())
    }

    fn wrong(&mut self, column: Column, kind: ProblemKind) {
        self.problems.push(Problem { column: column.header().to_owned(), kind });
    }

    /// What stands in a column that must not be empty.
    fn required(&mut self, column: Column) -> String {
        let text = self.get(column).to_owned();
        if text.is_empty() {
            self.wrong(column, ProblemKind::Missing);
        }
        text
    }
}

impl Rows<'_> {
    fn row(&mut self, row: RawRow) -> Result<(), LedgerError> {
        if row.is_blank() {
            return Ok(());
        }
        let Some(header) = &self.header else {
            self.header = Some(self.header_of(&row.cells)?);
            return Ok(());
        };
        let mut cells = Cells { header, cells: &row.cells, problems: vec![], warnings: vec![] };
        let call = call(self.names, row.number, &mut cells);
        if let Some(first) = call.as_ref().and_then(|call| self.tickets.get(&call.ticket)).copied() {
            cells.wrong(Column::Ticket, ProblemKind::TicketDuplicate { row: first });
        }
        let Cells { problems, warnings, .. } = cells;
        let told = |problems| RejectedRow { row: row.number, cells: row.cells.clone(), original: None, problems };
        match call {
            Some(call) if problems.is_empty() => {
                self.tickets.insert(call.ticket.clone(), row.number);
                if !warnings.is_empty() {
                    self.list.warnings.push(told(warnings));
                }
                self.list.calls.push(call);
            }
            _ => self.list.rejected.push(told(problems)),
        }
        Ok(())
    }

    fn header_of(&mut self, cells: &[String]) -> Result<Vec<Option<Column>>, LedgerError> {
        let mut header: Vec<Option<Column>> = vec![];
        for cell in cells {
            let found = Column::known(cell);
            if let Some(column) = found.filter(|_| header.contains(&found)) {
                let (first, second) = (column.header().to_owned(), excerpt(cell));
                return Err(LedgerError::DuplicateColumn { first, second });
            }
            if found.is_none() && !cell.trim().is_empty() {
                self.list.ignored.push(excerpt(cell));
            }
            header.push(found);
        }
        let missing = REQUIRED.iter().filter(|column| !header.contains(&Some(**column)));
        let missing: Vec<&str> = missing.map(|column| column.header()).collect();
        if missing.is_empty() {
            return Ok(header);
        }
        let found = cells.iter().filter(|text| !text.trim().is_empty()).take(30).map(|text| excerpt(text));
        Err(LedgerError::MissingColumns { missing: missing.join("、"), found: found.collect::<Vec<_>>().join("、") })
    }
}

/// The call that a row tells of; `None` where something is missing without which it is none.
fn call(names: &HotlineNames, row: u64, cells: &mut Cells<'_>) -> Option<HotlineCall> {
    let (ticket, description) = (ticket(cells), cells.required(Column::Description));
    let region = region(names, cells);
    let category = category(names, cells);
    let time = match cells.get(Column::Time) {
        "" => None,
        text => match moment(text) {
            Some(millis) => Some((text.to_owned(), millis)),
            None => {
                let text = excerpt(text);
                cells.wrong(Column::Time, ProblemKind::Time(text));
                None
            }
        },
    };
    let position = position(cells);
    let caller = caller(cells);
    let place = cells.get(Column::Place).to_owned();
    if place.is_empty() && position.is_none() {
        cells.wrong(Column::Place, ProblemKind::Missing);
    }
    let cells = cells.cells.to_vec();
    Some(HotlineCall { row, cells, ticket, time, region: region?, place, description, category, caller, position })
}

/// The number of the call. One that a spreadsheet took for a quantity has lost its end, and would be many calls' number.
fn ticket(cells: &mut Cells<'_>) -> String {
    let ticket = normalise(&cells.required(Column::Ticket));
    let is_quantity = ticket.contains(['.', '+']) && ticket.chars().all(|c| c.is_ascii_digit() || ".+e".contains(c));
    if is_quantity {
        cells.wrong(Column::Ticket, ProblemKind::IdNumberRounded);
    }
    ticket
}

/// Who called, as far as that can be: many want to stay unknown.
fn caller(cells: &mut Cells<'_>) -> PersonalData {
    let (name, phone) = (cells.get(Column::Caller).to_owned(), cells.get(Column::Phone).to_owned());
    let mut left_out = |column: Column, kind: ProblemKind| {
        cells.warnings.push(Problem { column: column.header().to_owned(), kind });
    };
    let is_name = !is_masked(&name);
    if !is_name {
        left_out(Column::Caller, ProblemKind::Masked);
    }
    let is_phone = check_phone(&normalise_phone(&phone)).is_ok();
    if !phone.is_empty() && !is_phone {
        left_out(Column::Phone, ProblemKind::Phone);
    }
    PersonalData {
        name: if is_name { name } else { String::new() },
        id_number: None,
        phone: Some(phone).filter(|_| is_phone),
    }
}

fn region(names: &HotlineNames, cells: &mut Cells<'_>) -> Option<RegionCode> {
    let found = match (cells.get(Column::Region), names.default_region) {
        ("", Some(region)) => Ok(region),
        ("", None) => Err(ProblemKind::Missing),
        (text, _) => names.regions.find(text),
    };
    found.map_err(|kind| cells.wrong(Column::Region, kind)).ok()
}

fn category(names: &HotlineNames, cells: &mut Cells<'_>) -> Option<String> {
    let text = Some(cells.get(Column::Category)).filter(|text| !text.is_empty())?;
    let found = names.categories.get(&normalise(text)).cloned();
    if found.is_none() {
        let (text, known) = (excerpt(text), names.categories.keys().take(40).cloned().collect::<Vec<_>>().join("、"));
        cells.wrong(Column::Category, ProblemKind::WordUnknown { text, known });
    }
    found
}

fn position(cells: &mut Cells<'_>) -> Option<Position> {
    let (latitude, longitude) = (cells.get(Column::Latitude), cells.get(Column::Longitude));
    if latitude.is_empty() && longitude.is_empty() {
        return None;
    }
    let degrees = latitude.parse().ok().zip(longitude.parse().ok());
    let position = degrees.and_then(|(latitude, longitude)| Position::from_degrees(latitude, longitude));
    if position.is_none() {
        cells.wrong(Column::Longitude, ProblemKind::Position);
    }
    position
}

/// A day of the town, and a time of it, such as `2026-11-27`, `2026-11-27 08:30`, `2026/11/27 8:30:05` or
/// `2026-11-27T08:30`; in milliseconds since 1970.
fn moment(text: &str) -> Option<u64> {
    let (day, time) = text.trim().split_once([' ', 'T']).unwrap_or((text.trim(), "00:00"));
    let mut date = day.split(['-', '/']).map(|part| part.parse::<u32>().ok());
    let (Some(year), Some(month), Some(date), None) = (date.next()?, date.next()?, date.next()?, date.next()) else {
        return None;
    };
    let day = Day::from_calendar(i32::try_from(year).ok()?, month, date)?;
    let parts: Option<Vec<i64>> = time.trim().split(':').map(|part| part.parse().ok()).collect();
    let (hour, minute, second) = match parts?.as_slice() {
        [hour, minute] => (*hour, *minute, 0),
        [hour, minute, second] => (*hour, *minute, *second),
        _ => return None,
    };
    if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0..60).contains(&second) {
        return None;
    }
    let seconds = i64::from(day.0) * 86_400 + hour * 3_600 + minute * 60 + second - i64::from(UTC_OFFSET_MINUTES) * 60;
    u64::try_from(seconds).ok().map(|seconds| seconds * 1_000)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;
    use townmesh_crdt::domain::region::Region;

    use super::*;

    fn names() -> HotlineNames {
        let region =
            |code: &str, name: &str| Region { code: code.parse().ok(), name: Some(name.into()), ..Region::default() };
        let regions = [region("110115005220", "狼垡一村村委会"), region("110115005001", "兴华园社区居委会")];
        let categories =
            [("wiring", "wiring"), ("用电隐患", "wiring")].map(|(name, key)| (normalise(name), key.to_owned()));
        HotlineNames { regions: RegionTable::new(&regions), default_region: None, categories: categories.into() }
    }

    fn read(text: &str) -> HotlineList {
        read_hotline(&names(), Cursor::new(text.as_bytes())).unwrap()
    }

    #[test]
    fn a_row_becomes_a_call() {
        let list = read(
            "工单编号,来电时间,社区,诉求地址,诉求内容,诉求分类,来电人,联系电话,处理人\nA1,2026/11/27 8:30,狼垡一村,村口,飞线充电,用电隐患,王小明,13800138000,x\n",
        );
        assert_eq!((list.rejected.len(), list.ignored.as_slice()), (0, ["处理人".to_owned()].as_slice()));
        let call = list.calls.first().unwrap();
        assert_eq!(call.time, Some(("2026/11/27 8:30".into(), 1_795_739_400_000)));
        assert_eq!((call.region.to_string().as_str(), call.category.as_deref()), ("110115005220", Some("wiring")));
        let caller = PersonalData { name: "王小明".into(), id_number: None, phone: Some("13800138000".into()) };
        assert_eq!((&call.caller, call.ticket.as_str(), call.row), (&caller, "a1", 2));
    }

    #[test]
    fn each_wrong_row_comes_back_with_all_its_reasons() {
        let list = read(
            "ticket,time,region,place,description,category,lat,lon\n,tomorrow,nowhere,,,nonsense,91,0\nB2,,110115005220,,飞线,,39.7,116.3\nB3,2026-11-27 25:00,,a,b,,,\n",
        );
        let codes = |row: &RejectedRow| row.problems.iter().map(|problem| problem.kind.code()).collect::<Vec<_>>();
        let rejected: Vec<_> = list.rejected.iter().map(codes).collect();
        let all = ["missing", "missing", "region_unknown", "word_unknown", "time", "position", "missing"];
        assert_eq!(rejected, [all.to_vec(), vec!["missing", "time"]]);
        assert_eq!(list.calls.iter().map(|call| call.ticket.as_str()).collect::<Vec<_>>(), ["b2"]);
    }

    #[test]
    fn a_number_that_lost_its_end_or_stands_twice_is_no_number_of_a_call() {
        let list =
            read("编号,内容,村,地址\n2.02611E+16,a,狼垡一村,b\n12.5,a,狼垡一村,b\n７,a,狼垡一村,b\n7,c,狼垡一村,d\n");
        let codes: Vec<_> = list.rejected.iter().map(|row| (row.row, row.problems[0].kind.code())).collect();
        assert_eq!(codes, [(2, "id_number_rounded"), (3, "id_number_rounded"), (5, "ticket_duplicate")]);
        assert_eq!(list.calls.iter().map(|call| call.ticket.as_str()).collect::<Vec<_>>(), ["7"]);
    }

    #[test]
    fn whoever_wants_to_stay_unknown_keeps_no_call_out() {
        let list = read("编号,内容,村,地址,来电人,电话\n1,燃气泄漏,狼垡一村,b,王*,保密\n2,a,狼垡一村,b,,\n");
        assert_eq!((list.calls.len(), list.rejected.len(), list.warnings.len()), (2, 0, 1));
        assert!(list.calls[0].caller.is_empty());
        let codes: Vec<_> = list.warnings[0].problems.iter().map(|problem| problem.kind.code()).collect();
        assert_eq!(codes, ["masked", "phone"]);
    }

    #[test]
    fn a_workbook_keeps_the_time_of_day() {
        let mut workbook = rust_xlsxwriter::Workbook::new();
        let sheet = workbook.add_worksheet();
        for (column, header) in (0..).zip(["工单编号", "诉求内容", "村居", "地址", "来电时间"]) {
            sheet.write(0, column, header).unwrap();
        }
        for (column, cell) in (0..).zip(["A1", "飞线", "狼垡一村", "村口"]) {
            sheet.write(1, column, cell).unwrap();
        }
        let format = rust_xlsxwriter::Format::new().set_num_format("yyyy-mm-dd hh:mm");
        let time = rust_xlsxwriter::ExcelDateTime::parse_from_str("2026-11-27 08:30").unwrap();
        sheet.write_datetime_with_format(1, 4, &time, &format).unwrap();
        let list = read_hotline(&names(), Cursor::new(workbook.save_to_buffer().unwrap())).unwrap();
        assert_eq!(list.rejected, []);
        assert_eq!(list.calls[0].time.as_ref().map(|(_, millis)| *millis), Some(1_795_739_400_000));
    }

    #[test]
    fn a_file_without_its_columns_is_no_list() {
        let read = |text: &str| read_hotline(&names(), Cursor::new(text.as_bytes().to_vec())).unwrap_err().to_string();
        assert!(read("a,b\n1,2\n").contains("工单编号"), "{}", read("a,b\n1,2\n"));
        assert!(matches!(read_hotline(&names(), Cursor::new(Vec::new())), Err(LedgerError::Empty)));
        assert!(matches!(
            read_hotline(&names(), Cursor::new("编号,工单号,内容\n".as_bytes())),
            Err(LedgerError::DuplicateColumn { .. })
        ));
    }

    #[test]
    fn times_are_those_of_the_town() {
        assert_eq!(moment("1970-01-01 08:00"), Some(0));
        assert_eq!(moment("1970-1-1T8:00:01"), Some(1_000));
        assert_eq!(moment("1970-01-02"), Some(57_600_000));
        for wrong in [
            "",
            "1970-01-01",
            "1970-01-01 07:59",
            "1970-02-30 08:00",
            "1970-01-01 24:00",
            "1-1 08:00",
            "1970-01-01 08:00:00:00",
        ] {
            assert_eq!(moment(wrong), None, "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_list_or_refused(text in "(工单编号|诉求内容|村居|来电时间|经度|纬度|[,\n\"a0:/ -]){0,40}") {
            let _ = read_hotline(&names(), Cursor::new(text.into_bytes()));
        }
    }
}
