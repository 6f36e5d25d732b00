//! What may be recorded, beyond what the types exclude: rules for values that people and programs send.
//!
//! They hold where something is recorded on this node ([`crate::command`]), whether it came by the API, the command
//! line or an import. They are never applied to what entries say: another version may have let a value through, and a
//! node that refused to show it would differ from those that do.

use std::fmt::Display;
use std::ops::RangeInclusive;

use super::date::Day;
use super::household::ResidentKind;
use super::id_number::{IdNumber, IdNumberError, normalise_id_number};
use super::key;
use super::person::PersonalData;
use super::phone::{check_phone, normalise_phone};
use super::polygon::Polygon;
use super::record::FieldTable;
use crate::clock::{MAX_AHEAD, Millis};
use crate::value::Fields;

/// Most characters of a text on one line: a name, an address, a code.
pub const MAX_LINE_CHARS: usize = 200;
/// Most characters of remarks.
pub const MAX_NOTE_CHARS: usize = 1_000;
/// Rooms of one household or dwelling, and the tenants that they may hold.
pub const ROOMS: RangeInclusive<u64> = 0..=10_000;
/// Floor area in square decimetres: up to 10,000 m².
pub const AREA_DM2: RangeInclusive<u64> = 1..=1_000_000;
/// Years in which a house may have been built.
const BUILT: RangeInclusive<u64> = 1_000..=2_199;
/// 1850-01-01 to 2199-12-31. Not bound to the clock, which can be wrong: leases are entered with the day of their end.
const DAYS: RangeInclusive<Day> = Day(-43_829)..=Day(84_005);
/// The end of the year 9999, in milliseconds since 1970: no calendar writes a later time in four digits.
pub const LAST_MS: i64 = 253_402_300_799_999;
/// Digits of the shortest numbers that a work phone may have: 110, and those within an office.
const SHORT_PHONE: RangeInclusive<usize> = 3..=6;
/// Characters of a passport's number and the like.
const DOCUMENT: RangeInclusive<usize> = 5..=20;
/// From this length on, a text of digits is meant to be an identity number.
const CARD_DIGITS: usize = 15;

/// A value that is not recorded: which, and why. `Display` is English; [`Self::chinese`] says the same in Chinese.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {}", fault.english())]
pub struct InputError {
    /// Its path, as in JSON: `residents[0].personal.phone`.
    pub field: String,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nothing, or white space only.
    Blank,
    /// Control characters.
    Control,
    /// Too many characters.
    TooLong {
        /// How many are allowed.
        limit: usize,
    },
    /// A number out of its range.
    Number {
        /// The number given.
        got: u64,
        /// What is accepted.
        range: RangeInclusive<u64>,
    },
    /// Not of the form that is wanted.
    Form {
        /// What to write, in Chinese.
        chinese: &'static str,
        /// What to write, in English.
        english: &'static str,
    },
    /// The same row twice.
    Twice,
    /// Everything together is more than one record holds.
    RowTooLarge {
        /// How many bytes it has.
        bytes: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// No column of the table.
    Column {
        /// Those that it has.
        known: String,
    },
    /// No category of the town's table.
    Category {
        /// Some that there are.
        known: String,
    },
    /// A word that this version does not know: such codes are read, not entered.
    Word {
        /// Those that it knows.
        known: String,
    },
    /// A day that nobody can mean.
    Day(Day),
    /// Moved out before moving in.
    DayOrder,
    /// Ends before it begins.
    TimeOrder,
    /// What is to be closed comes back no less than before.
    NotFallen {
        /// Cases before.
        before: u32,
        /// Cases after.
        after: u32,
    },
    /// A time before 1970 or beyond the year 9999.
    Time,
    /// A time that is still to come.
    Ahead,
    /// No phone number.
    Phone,
    /// A name, number or phone as it is shown masked.
    Masked,
    /// No identity number.
    IdNumber(IdNumberError),
    /// No passport or other document number.
    Document,
    /// No checklist of this number.
    Checklist {
        /// Those that exist.
        known: String,
    },
    /// The checklist has no item of this number.
    Item {
        /// Those that exist.
        known: String,
    },
    /// An inspection that answers nothing.
    NoAnswers,
}

impl Fault {
    fn code(&self) -> &'static str {
        match self {
            Self::Blank => "blank",
            Self::Control => "control_character",
            Self::TooLong { .. } => "too_long",
            Self::Number { .. } => "number",
            Self::Form { .. } => "form",
            Self::Twice => "twice",
            Self::RowTooLarge { .. } => "row_too_large",
            Self::Column { .. } => "column_unknown",
            Self::Category { .. } => "category_unknown",
            Self::Word { .. } => "word_unknown",
            Self::Day(_) => "day",
            Self::DayOrder => "day_order",
            Self::TimeOrder => "time_order",
            Self::NotFallen { .. } => "not_fallen",
            Self::Time => "time",
            Self::Ahead => "time_ahead",
            Self::Phone => "phone",
            Self::Masked => "masked",
            Self::IdNumber(_) => "id_number",
            Self::Document => "document_number",
            Self::Checklist { .. } => "checklist_unknown",
            Self::Item { .. } => "item_unknown",
            Self::NoAnswers => "answers_missing",
        }
    }

    fn chinese(&self) -> String {
        match self {
            Self::Blank => "不能为空白，请填写或不要给出".into(),
            Self::Control => "含有控制字符，请删除（只有备注等可以换行）".into(),
            Self::TooLong { limit } => format!("超过{limit}字，请缩短"),
            Self::Number { got, range } => format!("{got} 不合理，应为{}至{}", range.start(), range.end()),
            Self::Form { chinese, .. } => format!("请填{chinese}"),
            Self::RowTooLarge { bytes, limit } => format!("各列合计 {bytes} 字节，最多 {limit}，请缩短文字"),
            Self::Column { known } => format!("没有这一列，现有：{known}"),
            Self::Category { known } => format!("没有这个案件类别，现有：{known}"),
            Self::Twice => "与前面的一行重复，请只留一行".into(),
            Self::Word { known } => format!("不认识这个词，请填：{known}"),
            Self::Day(day) => format!("日期 {day} 不合理，应在 {} 至 {} 之间", DAYS.start(), DAYS.end()),
            Self::DayOrder => "迁出日期早于迁入日期，请核对".into(),
            Self::TimeOrder => "早于开始的时间，请核对".into(),
            Self::NotFallen { before, after } => {
                format!("措施后 {after} 件，措施前 {before} 件，没有下降，不能销号")
            }
            Self::Time => format!("时间不合理，应为 1970 年以来的毫秒数，0至{LAST_MS}"),
            Self::Ahead => "晚于现在，请核对时间".into(),
            Self::Phone => "电话号码不正确，请填11位手机号或区号-座机号".into(),
            Self::Masked => "这是打码后的内容，请填写完整内容".into(),
            Self::IdNumber(error) => {
                let text = error.to_string();
                format!("{}；境外人员请写明类别", text.split(" / ").next().unwrap_or_default())
            }
            Self::Document => "证件号应为5至20位字母或数字".into(),
            Self::Checklist { known } => format!("没有这个检查表，现有：{known}"),
            Self::Item { known } => format!("检查表没有这一项，现有：{known}"),
            Self::NoAnswers => "至少要有一项检查结果".into(),
        }
    }

    /// The same in English, for whoever reads a text and can say no more.
    pub(crate) fn in_english(&self) -> String {
        self.english()
    }

    fn english(&self) -> String {
        match self {
            Self::Blank => "it is blank; fill it in or leave it out".into(),
            Self::Control => {
                "it holds control characters; remove them (only remarks and the like may have lines)".into()
            }
            Self::TooLong { limit } => format!("more than {limit} characters; shorten it"),
            Self::Number { got, range } => format!("{got} cannot be; write {} to {}", range.start(), range.end()),
            Self::Form { english, .. } => format!("write {english}"),
            Self::RowTooLarge { bytes, limit } => {
                format!("its columns have {bytes} bytes together, {limit} are allowed; shorten the texts")
            }
            Self::Column { known } => format!("there is no such column; write one of: {known}"),
            Self::Category { known } => format!("there is no such category; write one of: {known}"),
            Self::Twice => "the row stands before already; keep one".into(),
            Self::Word { known } => format!("this version does not know the word; write one of: {known}"),
            Self::Day(day) => format!("{day} cannot be; write a day from {} to {}", DAYS.start(), DAYS.end()),
            Self::DayOrder => "moved out before moving in; compare the two dates".into(),
            Self::TimeOrder => "it is before the beginning; compare the two times".into(),
            Self::NotFallen { before, after } => {
                format!("{after} cases after the measure and {before} before: it has not fallen and stays open")
            }
            Self::Time => format!("this time cannot be; write milliseconds since 1970, 0 to {LAST_MS}"),
            Self::Ahead => "it lies ahead of now; compare the time".into(),
            Self::Phone => "no phone number; write 11 digits of a mobile, or area code and landline".into(),
            Self::Masked => "it is masked; write it in full".into(),
            Self::IdNumber(error) => {
                let text = error.to_string();
                let (_, english) = text.split_once(" / ").unwrap_or(("", &text));
                format!("{english}; of somebody from abroad, say so in their kind")
            }
            Self::Document => "a document's number has 5 to 20 letters or digits".into(),
            Self::Checklist { known } => format!("there is no such checklist; write one of: {known}"),
            Self::Item { known } => format!("the checklist has no such item; write one of: {known}"),
            Self::NoAnswers => "an inspection answers one item at least".into(),
        }
    }
}

impl InputError {
    /// That a field is wrong.
    pub fn new(field: impl Into<String>, fault: Fault) -> Self {
        Self { field: field.into(), fault }
    }

    /// The same error about a part of `whole`.
    #[must_use]
    pub(crate) fn within(self, whole: &str) -> Self {
        Self { field: format!("{whole}.{}", self.field), ..self }
    }

    /// A stable word for programs; where an import finds the same fault, the word is the same.
    pub fn code(&self) -> &'static str {
        self.fault.code()
    }

    /// The message in Simplified Chinese.
    pub fn chinese(&self) -> String {
        format!("{}：{}", self.field, self.fault.chinese())
    }
}

type Checked = Result<(), InputError>;

fn require(holds: bool, field: &str, fault: impl FnOnce() -> Fault) -> Checked {
    if holds { Ok(()) } else { Err(InputError::new(field, fault())) }
}

/// Whether a text says nothing to whoever reads it.
fn is_blank(text: &str) -> bool {
    key::normalise(text).is_empty()
}

fn within(field: &str, text: &str, limit: usize) -> Checked {
    require(text.chars().nth(limit).is_none(), field, || Fault::TooLong { limit })
}

/// A text on one line that says something.
pub(crate) fn line(field: &str, text: &str) -> Checked {
    require(!is_blank(text), field, || Fault::Blank)?;
    require(!text.contains(char::is_control), field, || Fault::Control)?;
    within(field, text, MAX_LINE_CHARS)
}

/// Remarks: lines, or nothing.
pub(crate) fn note(field: &str, text: &str) -> Checked {
    lines(field, text)?;
    within(field, text, MAX_NOTE_CHARS)
}

/// Lines of a text whose length something else bounds.
pub(crate) fn lines(field: &str, text: &str) -> Checked {
    let is_line_break = |c: char| matches!(c, '\n' | '\r' | '\t');
    require(!text.contains(|c: char| c.is_control() && !is_line_break(c)), field, || Fault::Control)
}

/// Lines that say something.
pub(crate) fn words(field: &str, text: &str) -> Checked {
    require(!is_blank(text), field, || Fault::Blank)?;
    lines(field, text)
}

/// A number within its range.
pub(crate) fn number(field: &str, got: Option<impl Into<u64>>, range: RangeInclusive<u64>) -> Checked {
    let Some(got) = got.map(Into::into) else { return Ok(()) };
    require(range.contains(&got), field, || Fault::Number { got, range })
}

/// A year in which a house was built.
pub(crate) fn built(field: &str, year: Option<u16>) -> Checked {
    number(field, year, BUILT)
}

/// A word of a coded enum that this version knows; `all` are those.
pub(crate) fn word<T: Copy + PartialEq + Display>(field: &str, word: Option<T>, all: &[T]) -> Checked {
    let known = || all.iter().map(T::to_string).collect::<Vec<_>>().join(", ");
    require(word.is_none_or(|word| all.contains(&word)), field, || Fault::Word { known: known() })
}

/// A day of somebody's life.
pub(crate) fn day(field: &str, day: Option<Day>) -> Checked {
    let Some(day) = day else { return Ok(()) };
    require(is_likely(day), field, || Fault::Day(day))
}

/// Whether a day can be one of somebody's life or stay.
pub fn is_likely(day: Day) -> bool {
    DAYS.contains(&day)
}

/// The days of a stay: nobody moves out before they moved in.
pub(crate) fn stay(moved_in: Option<Day>, moved_out: Option<Day>) -> Checked {
    let ends_early = moved_in.zip(moved_out).is_some_and(|(first, last)| last < first);
    require(!ends_early, "moved_out", || Fault::DayOrder)
}

/// A time in milliseconds since 1970.
pub(crate) fn time(field: &str, time_ms: i64) -> Checked {
    require((0..=LAST_MS).contains(&time_ms), field, || Fault::Time)
}

/// A time that is over, give or take what honest clocks differ.
pub(crate) fn past(field: &str, time_ms: i64, now: Millis) -> Checked {
    time(field, time_ms)?;
    require(time_ms.cast_unsigned() <= now.saturating_add(MAX_AHEAD), field, || Fault::Ahead)
}

/// A work phone: also a hotline, or a number within the office.
pub(crate) fn work_phone(field: &str, text: Option<&str>) -> Checked {
    let Some(text) = text else { return Ok(()) };
    let digits = normalise_phone(text);
    let is_short = SHORT_PHONE.contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    require(is_short || check_phone(text).is_ok(), field, || Fault::Phone)
}

/// Every text of a record: lines in `note`, a list of lines in `inspectors` and `nodes`, one line in every other field.
pub(crate) fn texts(fields: &Fields, names: fn() -> FieldTable) -> Checked {
    let texts = fields.iter().filter_map(|(number, value)| Some((number, value.as_text()?)));
    let names = names();
    for (number, text) in texts {
        match names.get(number).copied().unwrap_or_default() {
            "note" => note("note", text)?,
            list @ ("inspectors" | "nodes") => text.lines().try_for_each(|one| line(list, one))?,
            name => line(name, text)?,
        }
    }
    Ok(())
}

/// Checks that the sides of an outline do not cross each other: what lies within could not be told.
pub(crate) fn outline(field: &str, outline: Option<&Polygon>) -> Checked {
    require(!outline.is_some_and(Polygon::crosses_itself), field, || Fault::Form {
        chinese: "边界不自相交的范围",
        english: "an outline whose sides do not cross each other",
    })
}

/// Whether a text is what a masked list shows; no name or number has a star.
pub fn is_masked(text: &str) -> bool {
    text.contains(['*', '＊'])
}

/// Whether a text, normalised, is a passport's number or the like.
pub fn is_document_number(number: &str) -> bool {
    DOCUMENT.contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Checks an identity number in its normalised form, and that somebody born then can be alive or remembered.
///
/// # Errors
/// [`IdNumberError`].
pub fn check_card(number: &str) -> Result<(), IdNumberError> {
    let birth = IdNumber::parse(number)?.birth();
    if is_likely(birth) { Ok(()) } else { Err(IdNumberError::BirthDate) }
}

/// Whose identity document a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    /// A resident of this kind.
    Resident(Option<ResidentKind>),
    /// An owner, of whom nothing else is known.
    Owner,
}

/// Personal data as somebody gives it. What is empty says nothing, or clears.
pub(crate) fn person(personal: &PersonalData, holder: Holder) -> Checked {
    let given = [
        ("name", Some(&personal.name)),
        ("id_number", personal.id_number.as_ref()),
        ("phone", personal.phone.as_ref()),
    ];
    for (field, text) in given.into_iter().filter_map(|(field, text)| Some((field, text?))) {
        require(!text.contains(char::is_control), field, || Fault::Control)?;
        require(!is_masked(text), field, || Fault::Masked)?;
    }
    let number = personal.id_number.as_deref().map(normalise_id_number).filter(|number| !number.is_empty());
    if let Some(number) = number {
        id_number(&number, holder).map_err(|fault| InputError::new("id_number", fault))?;
    }
    let phone = personal.phone.as_deref().filter(|phone| !is_blank(phone));
    require(phone.is_none_or(|phone| check_phone(phone).is_ok()), "phone", || Fault::Phone)
}

fn id_number(number: &str, holder: Holder) -> Result<(), Fault> {
    let is_card = match holder {
        Holder::Resident(kind) => kind != Some(ResidentKind::Overseas),
        // Nobody says where an owner is from, but so many digits are meant to be of here.
        Holder::Owner => number.bytes().filter(u8::is_ascii_digit).count() >= CARD_DIGITS,
    };
    if is_card {
        check_card(number).map_err(Fault::IdNumber)
    } else if is_document_number(number) {
        Ok(())
    } else {
        Err(Fault::Document)
    }
}
