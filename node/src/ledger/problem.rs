//! What can be wrong with one row, with a stable code and the remedy in Chinese and English.

use std::ops::RangeInclusive;

use serde::Serialize;
use townmesh_crdt::domain::id_number::IdNumberError;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

/// One thing that is wrong with a row. As JSON `{column, code, zh, en}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The column's header in the file; empty where the row as a whole is meant.
    pub column: String,
    /// What is wrong.
    pub kind: ProblemKind,
}

/// Kinds of problems. Texts from the file are cut to 40 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProblemKind {
    /// Nothing in a required column.
    Missing,
    /// No region of that code or name.
    RegionUnknown(String),
    /// Several regions of that name.
    RegionAmbiguous(String),
    /// A town or district instead of a village or community.
    RegionTooWide(String),
    /// None of the known words.
    WordUnknown {
        /// What stands there.
        text: String,
        /// The words to choose from.
        known: String,
    },
    /// Not a valid identity number.
    IdNumber(IdNumberError),
    /// A number that a spreadsheet has rounded.
    IdNumberRounded,
    /// No passport or other document number.
    Document,
    /// No phone number.
    Phone,
    /// No day.
    Day(String),
    /// No day with a time of it.
    Time(String),
    /// Moved out before moving in.
    DayOrder,
    /// No number, or out of range.
    Number {
        /// What stands there.
        text: String,
        /// What is accepted.
        range: RangeInclusive<u64>,
    },
    /// A call of the same number stands in an earlier row.
    TicketDuplicate {
        /// That row.
        row: u64,
    },
    /// No coordinate, or only one of the two.
    Position,
    /// The same person stands in an earlier row.
    PersonDuplicate {
        /// That row.
        row: u64,
    },
    /// An earlier row of the same household says something else.
    HouseholdConflict {
        /// The household's first row.
        row: u64,
    },
    /// More characters than allowed.
    TooLong {
        /// How many are allowed.
        limit: usize,
    },
    /// Characters that could not be decoded.
    Encoding,
    /// The row belongs to the household of the row above, which is wrong itself.
    AboveRejected,
    /// Not a JSON object.
    Json(String),
    /// A list or object where a text or number should be.
    JsonValue,
    /// None of its keys is a field of a ledger.
    NothingKnown,
    /// A name, number or phone as a masked export shows it.
    Masked,
    /// Line breaks or other control characters.
    ControlCharacter,
    /// Sound by itself, but refused when its household was recorded.
    Refused {
        /// The stable name of the reason.
        code: &'static str,
        /// The reason in Chinese.
        zh: String,
        /// The reason in English.
        en: String,
    },
}

impl ProblemKind {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::RegionUnknown(_) => "region_unknown",
            Self::RegionAmbiguous(_) => "region_ambiguous",
            Self::RegionTooWide(_) => "region_too_wide",
            Self::WordUnknown { .. } => "word_unknown",
            Self::IdNumber(IdNumberError::Length { .. }) => "id_number_length",
            Self::IdNumber(IdNumberError::NotADigit { .. }) => "id_number_digit",
            Self::IdNumber(IdNumberError::Region) => "id_number_region",
            Self::IdNumber(IdNumberError::BirthDate) => "id_number_birth",
            Self::IdNumber(IdNumberError::CheckCharacter) => "id_number_check",
            Self::IdNumberRounded => "id_number_rounded",
            Self::Document => "document_number",
            Self::Phone => "phone",
            Self::Day(_) => "day",
            Self::Time(_) => "time",
            Self::TicketDuplicate { .. } => "ticket_duplicate",
            Self::DayOrder => "day_order",
            Self::Number { .. } => "number",
            Self::Position => "position",
            Self::PersonDuplicate { .. } => "person_duplicate",
            Self::HouseholdConflict { .. } => "household_conflict",
            Self::TooLong { .. } => "too_long",
            Self::Encoding => "encoding",
            Self::AboveRejected => "above_rejected",
            Self::Json(_) => "json",
            Self::JsonValue => "json_value",
            Self::NothingKnown => "nothing_known",
            Self::Masked => "masked",
            Self::ControlCharacter => "control_character",
            Self::Refused { code, .. } => code,
        }
    }

    /// What is wrong and what to do, in Chinese.
    pub fn chinese(&self) -> String {
        match self {
            Self::Missing => "不能为空，请补填".into(),
            Self::RegionUnknown(text) => format!("没有村居“{text}”，请填12位区划代码或村居全称"),
            Self::RegionAmbiguous(text) => format!("有多个村居叫“{text}”，请填12位区划代码"),
            Self::RegionTooWide(text) => format!("“{text}”不是村居，请填12位村居代码"),
            Self::WordUnknown { text, known } => format!("“{text}”不在可选范围内，请填：{known}"),
            Self::IdNumber(error) => match error {
                IdNumberError::Length { length } => format!("身份证号应为18位，这里是{length}位，请对照证件填写"),
                IdNumberError::NotADigit { place } => format!("身份证号第{place}位不是数字，请对照证件填写"),
                IdNumberError::Region => "身份证号前六位不是行政区划代码，请对照证件填写".into(),
                IdNumberError::BirthDate => "身份证号中的出生日期不存在，请对照证件填写".into(),
                IdNumberError::CheckCharacter => "身份证号校验位不符，请对照证件逐位核对".into(),
            },
            Self::IdNumberRounded => "表格软件把证件号当作数字，末几位已丢失；请把该列设为文本后重新填写".into(),
            Self::Document => "境外人员请填护照等证件号（5至20位字母或数字）".into(),
            Self::Phone => "电话号码不正确，请填11位手机号或区号-座机号".into(),
            Self::Day(text) => format!("“{text}”不是日期，请填如 2024-03-05"),
            Self::TicketDuplicate { row } => format!("与第{row}行的工单编号相同，请核对"),
            Self::Time(text) => format!("“{text}”不是时间，请填如 2024-03-05 08:30"),
            Self::DayOrder => "迁出日期早于迁入日期，请核对".into(),
            Self::Number { text, range } => {
                format!("“{text}”不是有效数字，请填{}到{}之间的数", range.start(), range.end())
            }
            Self::Position => "经纬度须同时填写，单位为度（WGS-84），如 116.3310 和 39.7354".into(),
            Self::PersonDuplicate { row } => format!("与第{row}行是同一人，请保留一行；已搬走的请填迁出日期"),
            Self::HouseholdConflict { row } => format!("与同一户的第{row}行不一致，请改成一致；若是另一户请填户号"),
            Self::TooLong { limit } => format!("超过{limit}字，请缩短"),
            Self::Encoding => "有无法识别的字符（乱码），请重新填写后另存为“CSV UTF-8”".into(),
            Self::AboveRejected => "本行属于上一行的户，而那一户有误；请一并改正".into(),
            Self::Json(reason) => format!("不是一个 JSON 对象（{reason}），请每行写一个"),
            Self::JsonValue => "应为文本或数字，不能是列表或对象".into(),
            Self::NothingKnown => "没有一个字段是台账的字段，请核对字段名".into(),
            Self::Masked => "这是打码后的内容，请填写完整内容；需要原文请用 --reveal 理由 重新导出".into(),
            Self::ControlCharacter => "含有换行或其他控制字符，请删除；多半是引号没有成对".into(),
            Self::Refused { zh, .. } => zh.clone(),
        }
    }

    /// What is wrong and what to do, in English.
    pub fn english(&self) -> String {
        match self {
            Self::Missing => "must not be empty; fill it in".into(),
            Self::RegionUnknown(text) => format!("no region is “{text}”; write its 12-digit code or full name"),
            Self::RegionAmbiguous(text) => format!("several regions are called “{text}”; write the 12-digit code"),
            Self::RegionTooWide(text) => format!("“{text}” is no village or community; write a 12-digit code"),
            Self::WordUnknown { text, known } => format!("“{text}” is not one of: {known}"),
            Self::IdNumber(error) => match error {
                IdNumberError::Length { length } => {
                    format!("an identity number has 18 characters, here are {length}; compare with the card")
                }
                IdNumberError::NotADigit { place } => format!("character {place} is no digit; compare with the card"),
                IdNumberError::Region => "it does not begin with a region code; compare with the card".into(),
                IdNumberError::BirthDate => "the birth date in it does not exist; compare with the card".into(),
                IdNumberError::CheckCharacter => {
                    "the check character does not fit; compare every digit with the card".into()
                }
            },
            Self::IdNumberRounded => {
                "the spreadsheet has rounded it; format the column as text and type it again".into()
            }
            Self::Document => "write the passport or other document number (5 to 20 letters or digits)".into(),
            Self::Phone => "no phone number; write 11 digits of a mobile, or area code and landline".into(),
            Self::Day(text) => format!("“{text}” is no day; write it like 2024-03-05"),
            Self::TicketDuplicate { row } => format!("row {row} has the same number; compare the two"),
            Self::Time(text) => format!("“{text}” is no time; write one such as 2024-03-05 08:30"),
            Self::DayOrder => "moved out before moving in; compare the two dates".into(),
            Self::Number { text, range } => {
                format!("“{text}” is no number from {} to {}", range.start(), range.end())
            }
            Self::Position => {
                "write both longitude and latitude in degrees (WGS-84), such as 116.3310 and 39.7354".into()
            }
            Self::PersonDuplicate { row } => {
                format!("the same person as in row {row}; keep one row, or fill in when they moved out")
            }
            Self::HouseholdConflict { row } => {
                format!("row {row} of the same household says otherwise; make them agree, or number the households")
            }
            Self::TooLong { limit } => format!("more than {limit} characters; shorten it"),
            Self::Encoding => {
                "it holds characters that could not be decoded; type them again and save as “CSV UTF-8”".into()
            }
            Self::AboveRejected => {
                "the row belongs to the household of the row above, which is wrong; correct both".into()
            }
            Self::Json(reason) => format!("not a JSON object ({reason}); write one on each line"),
            Self::JsonValue => "must be a text or a number, not a list or an object".into(),
            Self::NothingKnown => "none of its keys is a field of a ledger; check their spelling".into(),
            Self::Masked => "it is masked; write it in full, or export again with --reveal <reason>".into(),
            Self::ControlCharacter => {
                "it holds a line break or another control character, most likely for an unclosed quotation mark; remove it".into()
            }
            Self::Refused { en, .. } => en.clone(),
        }
    }
}

impl Problem {
    pub(super) fn new(column: &str, kind: ProblemKind) -> Self {
        Self { column: column.to_owned(), kind }
    }

    /// The line that goes into the reasons column: header, Chinese, English, code.
    pub fn describe(&self) -> String {
        let place = if self.column.is_empty() { String::new() } else { format!("{}：", self.column) };
        format!("{place}{} / {} [{}]", self.kind.chinese(), self.kind.english(), self.kind.code())
    }
}

impl Serialize for Problem {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut object = serializer.serialize_struct("Problem", 4)?;
        object.serialize_field("column", &self.column)?;
        object.serialize_field("code", self.kind.code())?;
        object.serialize_field("zh", &self.kind.chinese())?;
        object.serialize_field("en", &self.kind.english())?;
        object.end()
    }
}

impl utoipa::PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let fields = ["column", "code", "zh", "en"].into_iter();
        fields.fold(ObjectBuilder::new(), |object, name| object.property(name, text()).required(name)).into()
    }
}

impl utoipa::ToSchema for Problem {
    fn name() -> std::borrow::Cow<'static, str> {
        "RowProblem".into()
    }
}

/// The beginning of a text from the file, for messages.
pub(super) fn excerpt(text: &str) -> String {
    text.chars().take(40).collect()
}
