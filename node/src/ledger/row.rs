//! One row, checked: its household and its resident, or everything that is wrong with it.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::dwelling::DwellingUse;
use townmesh_crdt::domain::household::{Household, Relation, Resident, ResidentKind};
use townmesh_crdt::domain::id_number::normalise_id_number;
use townmesh_crdt::domain::input::{
    AREA_DM2, MAX_LINE_CHARS, ROOMS, check_card, is_document_number, is_likely, is_masked,
};
use townmesh_crdt::domain::key::normalise;
use townmesh_crdt::domain::person::{HIDDEN_NUMBER, MAX_TEXT_BYTES, PersonalData};
use townmesh_crdt::domain::phone::check_phone;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;

use super::column::{Column, Layout, Mapping};
use super::limits::Limits;
use super::problem::{Problem, ProblemKind, excerpt};
use super::regions::RegionTable;
use super::source::RawRow;

/// Square decimetres in a square metre, as areas are kept.
const DM2: u64 = 100;

/// The cells of the row above that lower rows of merged cells leave empty.
#[derive(Debug, Clone, Default)]
pub(super) struct Above {
    region: Option<RegionCode>,
    door: String,
    number: Option<u16>,
    /// Whether that row said all this without an error.
    sound: bool,
}

/// What a row says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct CheckedRow {
    pub(super) household: Household,
    pub(super) resident: Option<Resident>,
}

/// Everything that rows are checked against.
pub(super) struct Rules<'a> {
    pub(super) layout: &'a Layout,
    pub(super) mapping: &'a Mapping,
    pub(super) regions: &'a RegionTable,
    pub(super) limits: &'a Limits,
    /// Whether empty cells may take their household from the row above.
    pub(super) inherits: bool,
}

impl Rules<'_> {
    /// Checks a row; `above` is the row before and becomes this one.
    pub(super) fn check(&self, row: &RawRow, above: &mut Above) -> Result<CheckedRow, Vec<Problem>> {
        let mut check = Check { rules: self, cells: &row.cells, problems: row.problems.clone() };
        check.cells_are_legible();
        let household = check.household(above);
        above.sound = check.problems.is_empty();
        let resident = check.resident();
        if check.problems.is_empty() { Ok(CheckedRow { household, resident }) } else { Err(check.problems) }
    }
}

struct Check<'a> {
    rules: &'a Rules<'a>,
    cells: &'a [String],
    problems: Vec<Problem>,
}

impl<'a> Check<'a> {
    fn cell(&self, column: Column) -> &'a str {
        self.rules.layout.cell(self.cells, column).trim_matches(|c: char| c.is_whitespace() || c == '\u{FEFF}')
    }

    /// The cell as a text that is kept; `None` where it is empty.
    fn text(&self, column: Column) -> Option<String> {
        Some(self.cell(column)).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    fn fault(&mut self, column: Column, kind: ProblemKind) {
        self.problems.push(Problem::new(self.rules.layout.header_of(column), kind));
    }

    fn cells_are_legible(&mut self) {
        for column in Column::written() {
            let cell = self.cell(column);
            let personal =
                matches!(column, Column::Owner | Column::OwnerPhone | Column::Name | Column::IdNumber | Column::Phone);
            // Three bytes a character: what passes here fits into a sealed value.
            let limit = if personal {
                MAX_TEXT_BYTES / 4
            } else if column == Column::Note {
                self.rules.limits.cell_chars
            } else {
                MAX_LINE_CHARS.min(self.rules.limits.cell_chars)
            };
            if cell.chars().nth(limit).is_some() {
                self.fault(column, ProblemKind::TooLong { limit });
            }
            if cell.contains('\u{FFFD}') {
                self.fault(column, ProblemKind::Encoding);
            }
            // People write remarks in several lines; nothing else has any.
            let is_line_break = |c: char| column == Column::Note && matches!(c, '\n' | '\r' | '\t');
            if cell.contains(|c: char| c.is_control() && !is_line_break(c)) {
                self.fault(column, ProblemKind::ControlCharacter);
            }
            let hides_a_number = column == Column::Note && cell.contains(HIDDEN_NUMBER);
            if hides_a_number || (personal && is_masked(cell)) {
                self.fault(column, ProblemKind::Masked);
            }
        }
    }

    fn household(&mut self, above: &mut Above) -> Household {
        self.door(above);
        let rooms = self.whole_number(Column::Rooms, ROOMS);
        let tenant_limit = self.whole_number(Column::TenantLimit, ROOMS);
        Household {
            region: above.region,
            address: Some(above.door.clone()).filter(|door| !door.is_empty()),
            number: above.number,
            usage: self.word(Column::Usage, DwellingUse::ALL, DwellingUse::chinese),
            rooms,
            area_dm2: self.area(),
            position: self.position(),
            tenant_limit,
            note: self.text(Column::Note),
            owner: self.owner(),
        }
    }

    /// Finds out which household the row is about, and leaves it in `above` for the next one.
    fn door(&mut self, above: &mut Above) {
        let (region, door) = (self.cell(Column::Region), self.cell(Column::Door));
        // 1 is what a household without number has, so that both ways of saying it are one household.
        let number = self.whole_number(Column::Number, 1..=u16::MAX.into()).filter(|number| *number > 1);
        let inherits = self.rules.inherits && normalise(region).is_empty();
        if inherits && normalise(door).is_empty() && !above.door.is_empty() {
            if !above.sound {
                self.fault(Column::Door, ProblemKind::AboveRejected);
            }
            above.number = number.or(above.number);
            return;
        }
        above.region = match self.rules.mapping.default_region() {
            _ if !normalise(region).is_empty() => {
                self.rules.regions.find(region).map_err(|kind| self.fault(Column::Region, kind)).ok()
            }
            Some(default) => Some(default),
            None => above.region.filter(|_| inherits),
        };
        if above.region.is_none() && region.is_empty() {
            self.fault(Column::Region, ProblemKind::Missing);
        }
        if normalise(door).is_empty() {
            self.fault(Column::Door, ProblemKind::Missing);
        }
        above.door = door.to_owned();
        above.number = number;
    }

    fn owner(&mut self) -> Option<PersonalData> {
        let phone = self.phone(Column::OwnerPhone);
        let owner = PersonalData { name: self.cell(Column::Owner).to_owned(), id_number: None, phone }.normalised();
        Some(owner).filter(|owner| !owner.is_empty())
    }

    fn resident(&mut self) -> Option<Resident> {
        let columns = [
            Column::Name,
            Column::IdNumber,
            Column::Phone,
            Column::Relation,
            Column::Kind,
            Column::MovedIn,
            Column::MovedOut,
        ];
        if columns.iter().all(|column| self.cell(*column).is_empty()) {
            return None;
        }
        if self.cell(Column::Name).is_empty() {
            self.fault(Column::Name, ProblemKind::Missing);
        }
        let kind = self.word(Column::Kind, ResidentKind::ALL, ResidentKind::chinese);
        let (moved_in, moved_out) = (self.day(Column::MovedIn), self.day(Column::MovedOut));
        if moved_out.is_some_and(|last| moved_in.is_some_and(|first| last < first)) {
            self.fault(Column::MovedOut, ProblemKind::DayOrder);
        }
        let id_number = self.id_number(kind);
        let personal =
            PersonalData { name: self.cell(Column::Name).to_owned(), id_number, phone: self.phone(Column::Phone) };
        Some(Resident {
            kind,
            relation: self.word(Column::Relation, Relation::ALL, Relation::chinese),
            moved_in,
            moved_out,
            personal: Some(personal.normalised()),
            ..Resident::default()
        })
    }

    fn id_number(&mut self, kind: Option<ResidentKind>) -> Option<String> {
        let number = normalise_id_number(self.cell(Column::IdNumber));
        if number.is_empty() || is_masked(&number) {
            return None;
        }
        if kind == Some(ResidentKind::Overseas) {
            if !is_document_number(&number) {
                self.fault(Column::IdNumber, ProblemKind::Document);
            }
        } else if number.contains("E+") {
            self.fault(Column::IdNumber, ProblemKind::IdNumberRounded);
        } else if let Err(error) = check_card(&number) {
            self.fault(Column::IdNumber, ProblemKind::IdNumber(error));
        }
        Some(number)
    }

    fn phone(&mut self, column: Column) -> Option<String> {
        let phone = self.text(column).filter(|phone| !is_masked(phone))?;
        if check_phone(&phone).is_err() {
            self.fault(column, ProblemKind::Phone);
        }
        Some(phone)
    }

    fn day(&mut self, column: Column) -> Option<Day> {
        let text = self.text(column)?;
        // Spreadsheets add the time of day.
        let day = normalise(text.split([' ', 'T']).next().unwrap_or_default()).parse().ok();
        let day = day.filter(|day| is_likely(*day));
        if day.is_none() {
            self.fault(column, ProblemKind::Day(excerpt(&text)));
        }
        day
    }

    /// A word of a coded enum, by key or name. Codes of newer versions cannot be typed in.
    fn word<T: FromStr + Copy + PartialEq + Display>(
        &mut self,
        column: Column,
        all: &[T],
        name: fn(T) -> &'static str,
    ) -> Option<T> {
        let text = self.text(column)?;
        let word =
            normalise(&text).replace("self-occupied", "self_occupied").parse().ok().filter(|word| all.contains(word));
        let word = word.or_else(|| synonym(&text)?.parse().ok());
        if word.is_none() {
            let known = all.iter().map(|word| name(*word)).collect::<Vec<_>>().join("、");
            self.fault(column, ProblemKind::WordUnknown { text: excerpt(&text), known });
        }
        word
    }

    fn whole_number(&mut self, column: Column, range: RangeInclusive<u64>) -> Option<u16> {
        let text = self.text(column)?;
        let digits = normalise(&text);
        let digits = digits.trim_end_matches(['间', '人', '户', '室']);
        let number = digits.strip_suffix(".0").unwrap_or(digits).parse::<u16>().ok();
        let number = number.filter(|number| range.contains(&u64::from(*number)));
        if number.is_none() || digits.starts_with('+') {
            self.fault(column, ProblemKind::Number { text: excerpt(&text), range });
        }
        number
    }

    /// Square metres in hundredths.
    fn area(&mut self) -> Option<u32> {
        let text = self.text(Column::Area)?;
        let digits = normalise(&text);
        let digits = digits.trim_end_matches("平方米").trim_end_matches(['平', '㎡']).trim_end_matches("m2");
        let (least, most) = (AREA_DM2.start().div_ceil(DM2), AREA_DM2.end() / DM2);
        // The cast saturates, so that what is no area at all is out of the range as well.
        let area = digits.parse::<f64>().ok().map(|metres| (metres * DM2 as f64).round() as u64);
        let area = area.filter(|area| AREA_DM2.contains(area)).and_then(|area| u32::try_from(area).ok());
        if area.is_none() {
            self.fault(Column::Area, ProblemKind::Number { text: excerpt(&text), range: least..=most });
        }
        area
    }

    fn position(&mut self) -> Option<Position> {
        let (longitude, latitude) = (normalise(self.cell(Column::Longitude)), normalise(self.cell(Column::Latitude)));
        if longitude.is_empty() && latitude.is_empty() {
            return None;
        }
        let position = latitude.parse().ok().zip(longitude.parse().ok());
        let position = position.and_then(|(latitude, longitude)| Position::from_degrees(latitude, longitude));
        if position.is_none() {
            let column = if longitude.parse::<f64>().is_ok_and(|degrees| degrees.abs() <= 180.0) {
                Column::Latitude
            } else {
                Column::Longitude
            };
            self.fault(column, ProblemKind::Position);
        }
        position
    }
}

/// Words that ledgers use for those of the coded enums.
fn synonym(text: &str) -> Option<&'static str> {
    Some(match normalise(text).as_str() {
        "自用" | "自有" | "自住房" | "own" | "owner" => "self_occupied",
        "出租房" | "出租屋" | "租赁" | "租住" | "rent" => "rental",
        "商户" | "门面" | "门店" | "底商" => "shop",
        "厂房" | "加工点" => "workshop",
        "宿舍" => "dormitory",
        "空房" | "闲置" | "空" => "vacant",
        "本人" | "户主本人" => "head",
        "妻" | "夫" | "妻子" | "丈夫" | "爱人" => "spouse",
        "子" | "女" | "儿子" | "女儿" | "长子" | "长女" | "次子" | "次女" => "child",
        "父" | "母" | "父亲" | "母亲" => "parent",
        "亲属" | "亲戚" | "兄弟" | "姐妹" | "兄弟姐妹" | "孙子" | "孙女" => "relative",
        "承租人" | "租客" | "租房" => "tenant",
        "工人" | "职工" | "雇员" => "employee",
        "户籍人口" | "本地" | "常住户籍" => "registered",
        "流动人口" | "外来" | "外来人口" | "外地" => "migrant",
        "境外人员" | "外国人" | "外籍" => "overseas",
        _ => return None,
    })
}
