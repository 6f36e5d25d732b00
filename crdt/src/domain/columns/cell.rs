//! Cells: values as files hold them, as JSON names them, and as people read them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::codes::parse_unknown_key;
use crate::domain::date::Day;
use crate::domain::input::{self, Fault};
use crate::domain::record::Scalar;
use crate::domain::region::RegionCode;
use crate::value::Value;

/// What fits into one cell of a table.
pub trait Cell: Scalar {
    /// Whether a text of it may have lines.
    const LINES: bool = false;
    /// Whether JSON shows it as a number. Codes and days are numbers where they are stored, and words for whoever reads them.
    const NUMBER: bool = false;

    /// From the text of a cell that is not blank.
    ///
    /// # Errors
    /// What is wrong with it.
    fn parse(text: &str) -> Result<Self, Fault>;

    /// As in JSON, in Chinese and in English.
    fn words(&self) -> [String; 3];
}

pub(super) fn same(text: String) -> [String; 3] {
    [text.clone(), text.clone(), text]
}

impl Cell for String {
    fn parse(text: &str) -> Result<Self, Fault> {
        Ok(text.to_owned())
    }
    fn words(&self) -> [String; 3] {
        same(self.clone())
    }
}

macro_rules! number_cells {
    ($($number:ty),+) => {$(
        impl Cell for $number {
            const NUMBER: bool = true;

            fn parse(text: &str) -> Result<Self, Fault> {
                let digits = without_thousands(text);
                let digits = digits.strip_suffix(".0").unwrap_or(&digits);
                let form = Fault::Form { chinese: "整数", english: "a whole number" };
                digits.parse().map_err(|_| form)
            }
            fn words(&self) -> [String; 3] {
                same(self.to_string())
            }
        }
    )+};
}
number_cells!(u8, u16, u32);

/// Spreadsheets write thousands apart, `1,440`; `1,5` is no number.
fn without_thousands(text: &str) -> String {
    let mut groups = text.split(',');
    let is_first = groups.next().is_some_and(|first| (1..=3).contains(&first.len()));
    if is_first && groups.all(|group| group.len() == 3) { text.replace(',', "") } else { text.to_owned() }
}

impl Cell for bool {
    fn parse(text: &str) -> Result<Self, Fault> {
        match text.to_ascii_lowercase().as_str() {
            "是" | "true" | "yes" | "1" | "√" => Ok(true),
            "否" | "false" | "no" | "0" => Ok(false),
            _ => Err(Fault::Form { chinese: "“是”或“否”", english: "yes or no" }),
        }
    }
    fn words(&self) -> [String; 3] {
        let words = if *self { ["true", "是", "yes"] } else { ["false", "否", "no"] };
        words.map(str::to_owned)
    }
}

impl Cell for Day {
    fn parse(text: &str) -> Result<Self, Fault> {
        let day: Self = text
            .parse()
            .map_err(|_| Fault::Form { chinese: "日期，如 2026-10-01", english: "a day such as 2026-10-01" })?;
        if input::is_likely(day) { Ok(day) } else { Err(Fault::Day(day)) }
    }
    fn words(&self) -> [String; 3] {
        same(self.to_string())
    }
}

impl Cell for RegionCode {
    fn parse(text: &str) -> Result<Self, Fault> {
        let form = Fault::Form {
            chinese: "区划代码（6、9 或 12 位）",
            english: "a region's code of 6, 9 or 12 digits",
        };
        text.parse().map_err(|_| form)
    }
    fn words(&self) -> [String; 3] {
        same(self.to_string())
    }
}

/// Makes a scalar that has a text form fit into cells: `Display` and `FromStr` (with [`Fault`]) are its form in files and in
/// JSON, and its function `names` says it in Chinese and in English.
macro_rules! text_cells {
    ($($type:ty),+ $(,)?) => {$(
        impl $crate::domain::columns::Cell for $type {
            fn parse(text: &str) -> Result<Self, $crate::domain::input::Fault> {
                text.parse()
            }
            fn words(&self) -> [String; 3] {
                let [chinese, english] = self.names();
                [self.to_string(), chinese, english]
            }
        }
        $crate::openapi::described!($type => $crate::openapi::forms::text("", "文字 / a text"));

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(|fault: $crate::domain::input::Fault| serde::de::Error::custom(fault.in_english()))
            }
        }
    )+};
}
pub(crate) use text_cells;

/// A word of a coded enum.
pub trait Word: Scalar + Copy + Ord + fmt::Display + FromStr + 'static {
    /// Every word that this version knows.
    const KNOWN: &'static [Self];

    /// In Chinese and in English.
    fn names(self) -> [&'static str; 2];
}

/// Makes coded enums fit into cells.
macro_rules! words {
    ($($word:ty),+ $(,)?) => {$(
        impl $crate::domain::columns::Word for $word {
            const KNOWN: &'static [Self] = Self::ALL;
            fn names(self) -> [&'static str; 2] {
                [self.chinese(), self.english()]
            }
        }
        impl $crate::domain::columns::Cell for $word {
            fn parse(text: &str) -> Result<Self, $crate::domain::input::Fault> {
                $crate::domain::columns::parse_word(text)
            }
            fn words(&self) -> [String; 3] {
                $crate::domain::columns::word_in_words(*self)
            }
        }
    )+};
}
pub(crate) use words;

/// A word by key or name. One of a newer version is read as it was written, and refused where it is entered.
pub(crate) fn parse_word<T: Word>(text: &str) -> Result<T, Fault> {
    let known = || Fault::Word { known: super::listed(T::KNOWN) };
    let word: T = text.parse().map_err(|_| known())?;
    if T::KNOWN.contains(&word) { Ok(word) } else { Err(known()) }
}

pub(crate) fn word_in_words<T: Word>(word: T) -> [String; 3] {
    let [chinese, english] = if T::KNOWN.contains(&word) { word.names() } else { ["", ""] };
    let key = word.to_string();
    if chinese.is_empty() { same(key) } else { [key, chinese.to_owned(), english.to_owned()] }
}

/// A list of words in one cell, `reported,accepted` in JSON: each once, in the order of their codes. It may say that it is
/// empty (`none`), which is not the same as saying nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String))]
pub struct List<T: Ord>(pub BTreeSet<T>);

/// What an empty list says.
const NONE: [&str; 3] = ["none", "无", "none"];

impl<T: Word> List<T> {
    fn joined(&self, separator: &str, word: impl Fn(T) -> String) -> String {
        self.0.iter().map(|one| word(*one)).collect::<Vec<_>>().join(separator)
    }
}

impl<T: Word> FromStr for List<T> {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        if NONE.contains(&text.trim()) {
            return Ok(Self(BTreeSet::new()));
        }
        let parts = text.split(['、', ',', '，', ';', '；']).map(str::trim).filter(|part| !part.is_empty());
        let words: Result<BTreeSet<T>, Fault> = parts.map(parse_word).collect();
        match words {
            Ok(words) if words.is_empty() => Err(Fault::Blank),
            words => words.map(Self),
        }
    }
}

impl<T: Word> fmt::Display for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [none, ..] = NONE;
        if self.0.is_empty() { f.write_str(none) } else { f.write_str(&self.joined(",", |word| word.to_string())) }
    }
}

impl<T: Word> Scalar for List<T> {
    fn to_value(&self) -> Value {
        Value::Text(self.to_string())
    }

    /// Words of a newer version stay in the list, so that it says no more here than where it was written.
    fn from_value(value: &Value) -> Option<Self> {
        let [none, ..] = NONE;
        let text = value.as_text()?;
        if text == none {
            return Some(Self(BTreeSet::new()));
        }
        let word = |part: &str| {
            let known = part.parse().ok();
            known.or_else(|| T::from_value(&Value::Int(parse_unknown_key(part)?.into())))
        };
        text.split(',').map(word).collect::<Option<BTreeSet<T>>>().map(Self)
    }
}

impl<T: Word> Cell for List<T> {
    fn parse(text: &str) -> Result<Self, Fault> {
        text.parse()
    }
    fn words(&self) -> [String; 3] {
        if self.0.is_empty() {
            return NONE.map(str::to_owned);
        }
        let [chinese, english] = [1, 2].map(|language: usize| {
            let separator = if language == 1 { "、" } else { ", " };
            self.joined(separator, |word| word_in_words(word).get(language).cloned().unwrap_or_default())
        });
        [self.to_string(), chinese, english]
    }
}

impl<T: Word> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, T: Word> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|fault: Fault| serde::de::Error::custom(fault.in_english()))
    }
}
