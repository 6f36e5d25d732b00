//! Columns: by what the rows of tables and the entries of books are entered, shown, imported and exported.
//!
//! A *row* is a record each of whose fields is a column with names in Chinese and in English. Whoever knows the columns needs
//! to know nothing else of a row to read it from a file, to check it, and to show it.
//!
//! Reading order: [`Column`], [`Row`] and the macro `row!`, [`Cell`] (what fits into a column), `time`.

mod cell;
#[cfg(test)]
mod tests;
mod time;

pub use cell::{Cell, List, Word};
pub(crate) use cell::{parse_word, text_cells, word_in_words, words};
pub use time::{Lines, Time};

use serde::ser::SerializeMap;

use super::input::{self, Fault, InputError};
use super::key;
use crate::value::{FieldId, Fields, Value};

/// The field that takes a row out, in every table and book.
pub const RETIRED_FIELD: FieldId = 200;

/// Its column.
pub(crate) const RETIRED: Column = Column::of::<bool>(RETIRED_FIELD, "retired", "停用", "retired", Need::Optional);

/// Whether a row must say something in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It is part of what the row is found by.
    Key,
    /// Yes.
    Required,
    /// No.
    Optional,
}

/// One column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// The field that holds it.
    pub number: FieldId,
    /// As JSON names it.
    pub name: &'static str,
    /// Its header in Chinese.
    pub chinese: &'static str,
    /// Its header in English.
    pub english: &'static str,
    /// Whether a row must have it.
    pub need: Need,
    /// Whether its text may have lines.
    lines: bool,
    /// Whether JSON shows it as a number.
    pub(super) number_in_json: bool,
    parse: fn(&str) -> Result<Value, Fault>,
    show: fn(&Value) -> Option<[String; 3]>,
}

impl Column {
    /// Whether its text may have lines: then somebody wrote it in words of their own.
    pub const fn has_lines(&self) -> bool {
        self.lines
    }

    /// A column of this type.
    pub(crate) const fn of<T: Cell>(
        number: FieldId,
        name: &'static str,
        chinese: &'static str,
        english: &'static str,
        need: Need,
    ) -> Self {
        Self {
            number,
            name,
            chinese,
            english,
            need,
            lines: T::LINES,
            number_in_json: T::NUMBER,
            parse: parse::<T>,
            show: show::<T>,
        }
    }

    /// The value that a cell of a file says; `None` of a blank one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(&self, cell: &str) -> Result<Option<Value>, InputError> {
        if key::normalise(cell).is_empty() {
            return Ok(None);
        }
        (self.parse)(cell.trim()).map(Some).map_err(|fault| InputError::new(self.name, fault))
    }

    /// The value as in JSON, in Chinese and in English; `None` of one that this column cannot hold.
    pub fn show(&self, value: &Value) -> Option<[String; 3]> {
        (self.show)(value)
    }

    /// Checks a value beyond its type.
    fn check(&self, value: &Value) -> Result<(), InputError> {
        match value {
            Value::Text(text) if self.lines => input::note(self.name, text),
            Value::Text(text) => input::line(self.name, text),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Bytes(_) => Ok(()),
        }
    }
}

fn parse<T: Cell>(cell: &str) -> Result<Value, Fault> {
    T::parse(cell).map(|known| known.to_value())
}

fn show<T: Cell>(value: &Value) -> Option<[String; 3]> {
    T::from_value(value).map(|known| known.words())
}

/// A row, as its fields.
pub trait Row: Sized {
    /// Its columns, in the order of files; the last one takes the row out.
    const COLUMNS: &'static [Column];

    /// From its fields; what cannot be read is not known.
    fn of_fields(fields: &Fields) -> Self;

    /// Its fields.
    fn to_fields(&self) -> Fields;

    /// Checks what somebody entered; that every column says what it must was checked before.
    ///
    /// # Errors
    /// The first field that is wrong.
    fn check(&self) -> Result<(), InputError>;
}

/// Defines a row: a record whose columns have names in Chinese and English. Each row says how it is checked in an inherent
/// function `check_values`.
macro_rules! row {
    (
        $(#[$doc:meta])*
        pub struct $row:ident {
            key { $( $(#[$key_doc:meta])* $key_number:literal $KEY:ident $key:ident : $key_type:ty = $key_zh:literal, $key_en:literal; )+ }
            required { $( $(#[$req_doc:meta])* $req_number:literal $REQ:ident $req:ident : $req_type:ty = $req_zh:literal, $req_en:literal; )* }
            optional { $( $(#[$opt_doc:meta])* $opt_number:literal $OPT:ident $opt:ident : $opt_type:ty = $opt_zh:literal, $opt_en:literal; )* }
        }
    ) => {
        $crate::domain::record::record! {
            $(#[$doc])*
            pub struct $row {
                $( $(#[$key_doc])* $key_number $KEY $key: Option<$key_type>, )+
                $( $(#[$req_doc])* $req_number $REQ $req: Option<$req_type>, )*
                $( $(#[$opt_doc])* $opt_number $OPT $opt: Option<$opt_type>, )*
                /// Taken out.
                200 RETIRED retired: Option<bool>,
            }
        }

        impl $crate::domain::columns::Row for $row {
            const COLUMNS: &'static [$crate::domain::columns::Column] = &[
                $( $crate::domain::columns::Column::of::<$key_type>(
                    $key_number, stringify!($key), $key_zh, $key_en, $crate::domain::columns::Need::Key), )+
                $( $crate::domain::columns::Column::of::<$req_type>(
                    $req_number, stringify!($req), $req_zh, $req_en, $crate::domain::columns::Need::Required), )*
                $( $crate::domain::columns::Column::of::<$opt_type>(
                    $opt_number, stringify!($opt), $opt_zh, $opt_en, $crate::domain::columns::Need::Optional), )*
                $crate::domain::columns::RETIRED,
            ];

            fn of_fields(fields: &$crate::value::Fields) -> Self {
                Self::read(fields)
            }
            fn to_fields(&self) -> $crate::value::Fields {
                self.fields()
            }
            fn check(&self) -> Result<(), $crate::domain::input::InputError> {
                self.check_values()
            }
        }
    };
}
pub(crate) use row;

/// Whether a row was taken out.
pub fn is_retired(row: &Fields) -> bool {
    row.get(&RETIRED_FIELD) == Some(&Value::Bool(true))
}

/// Checks that a row says what it must, each value for itself.
pub(crate) fn check(columns: &[Column], row: &Fields) -> Result<(), InputError> {
    for column in columns {
        match row.get(&column.number) {
            None if column.need == Need::Optional => {}
            // A row that is taken out need only be named.
            None if column.need == Need::Required && is_retired(row) => {}
            None => return Err(InputError::new(column.name, Fault::Blank)),
            Some(value) => column.check(value)?,
        }
    }
    Ok(())
}

/// What a row is found by, as in JSON; `None` while a part of it is not known.
pub(crate) fn key_parts(columns: &[Column], row: &Fields) -> Option<Vec<String>> {
    let keys = columns.iter().filter(|column| column.need == Need::Key);
    let part = |column: &Column| {
        let [text, ..] = column.show(row.get(&column.number)?)?;
        (!key::normalise(&text).is_empty()).then_some(text)
    };
    keys.map(part).collect()
}

/// That a row lacks part of what it is found by.
pub(crate) fn blank_key(columns: &[Column], row: &Fields) -> InputError {
    let keys = columns.iter().filter(|column| column.need == Need::Key);
    let is_blank = |column: &&Column| row.get(&column.number).and_then(|value| column.show(value)).is_none();
    let blank = keys.clone().find(is_blank).or(keys.clone().next());
    InputError::new(blank.map_or("key", |column| column.name), Fault::Blank)
}

/// What a row is found by as in JSON, in Chinese and in English.
pub(crate) fn title(columns: &[Column], row: &Fields) -> [String; 3] {
    let keys = columns.iter().filter(|column| column.need == Need::Key);
    let words: Vec<[String; 3]> = keys.filter_map(|column| column.show(row.get(&column.number)?)).collect();
    [0, 1, 2].map(|language: usize| {
        let one = words.iter().filter_map(|words| words.get(language).map(String::as_str));
        one.collect::<Vec<_>>().join(" ")
    })
}

/// Writes `column: value` of what a row says.
pub(crate) fn serialize<M: SerializeMap>(columns: &[Column], row: &Fields, map: &mut M) -> Result<(), M::Error> {
    for column in columns {
        let Some(value) = row.get(&column.number) else { continue };
        let Some([text, ..]) = column.show(value) else { continue };
        match value {
            Value::Bool(truth) => map.serialize_entry(column.name, truth)?,
            Value::Int(number) if column.number_in_json => map.serialize_entry(column.name, number)?,
            Value::Int(_) | Value::Text(_) | Value::Bytes(_) | Value::Null => {
                map.serialize_entry(column.name, &text)?
            }
        }
    }
    Ok(())
}

/// The keys of coded words, for messages.
pub(crate) fn listed<T: std::fmt::Display>(words: &[T]) -> String {
    words.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}
