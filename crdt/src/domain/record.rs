//! Records: structs whose fields have numbers.
//!
//! The macro `record!` defines a struct together with its field numbers. What is not known is not written; what cannot be
//! read (missing, of another type, out of range) reads as not known; numbers that are not listed are left alone. So a
//! record written by a newer version is readable, and an edit by this version leaves the newer fields as they were.

use std::collections::{BTreeMap, BTreeSet};

use crate::value::{FieldId, Fields, Value};

/// The edit that turns one record's fields into another's: what changed, and [`Value::Null`] for what was cleared.
pub fn difference(old: &Fields, new: &Fields) -> Fields {
    let cleared = old.keys().filter(|number| !new.contains_key(*number)).map(|number| (*number, Value::Null));
    let written = new.iter().filter(|(number, value)| old.get(number) != Some(value));
    written.map(|(number, value)| (*number, value.clone())).chain(cleared).collect()
}

/// Writes an edit over a record's fields.
pub fn apply(fields: &mut Fields, edit: &Fields) {
    for (number, value) in edit {
        if *value == Value::Null {
            fields.remove(number);
        } else {
            fields.insert(*number, value.clone());
        }
    }
}

/// What fits into one [`Value`].
pub trait Scalar: Sized {
    /// As a value.
    fn to_value(&self) -> Value;
    /// From a value; `None` when it has another type or is out of range.
    fn from_value(value: &Value) -> Option<Self>;
}

impl Scalar for String {
    fn to_value(&self) -> Value {
        Value::Text(self.clone())
    }
    fn from_value(value: &Value) -> Option<Self> {
        value.as_text().map(str::to_owned)
    }
}

impl Scalar for bool {
    fn to_value(&self) -> Value {
        Value::Bool(*self)
    }
    fn from_value(value: &Value) -> Option<Self> {
        value.as_bool()
    }
}

macro_rules! scalar_numbers {
    ($($number:ty),+) => {$(
        impl Scalar for $number {
            fn to_value(&self) -> Value {
                Value::Int(i64::from(*self))
            }
            fn from_value(value: &Value) -> Option<Self> {
                value.as_int()?.try_into().ok()
            }
        }
    )+};
}
scalar_numbers!(u8, u16, u32, i32, i64);

macro_rules! scalar_identifiers {
    ($($id:ident),+) => {$(
        impl Scalar for crate::id::$id {
            fn to_value(&self) -> Value {
                Value::Bytes(self.as_bytes().to_vec())
            }
            fn from_value(value: &Value) -> Option<Self> {
                Self::from_slice(value.as_bytes()?)
            }
        }
    )+};
}
scalar_identifiers!(NodeId, DocumentId, RecordId, ResidentId, TagId);

/// One struct field that stands under one or, for a set, several numbers of a record.
pub trait Field: Sized {
    /// Writes what is known at `number` (and, for a set, the numbers after it).
    fn write(&self, number: FieldId, fields: &mut Fields);
    /// Reads what is there.
    fn read(number: FieldId, fields: &Fields) -> Self;
}

impl<T: Scalar> Field for Option<T> {
    fn write(&self, number: FieldId, fields: &mut Fields) {
        if let Some(known) = self {
            fields.insert(number, known.to_value());
        }
    }
    fn read(number: FieldId, fields: &Fields) -> Self {
        fields.get(&number).and_then(T::from_value)
    }
}

/// A small set of texts in one field, one a line. Concurrent edits of it are a conflict, like those of any other text.
impl Field for BTreeSet<String> {
    fn write(&self, number: FieldId, fields: &mut Fields) {
        if !self.is_empty() {
            let lines: Vec<String> = self.iter().map(|text| text.replace('\n', " ")).collect();
            fields.insert(number, Value::Text(lines.join("\n")));
        }
    }
    fn read(number: FieldId, fields: &Fields) -> Self {
        let text = fields.get(&number).and_then(Value::as_text).unwrap_or_default();
        text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }
}

/// Field numbers and names of a kind of record, for listings and conflict views.
pub type FieldTable = BTreeMap<FieldId, &'static str>;

/// Defines a struct whose fields have numbers; see the module. Fields under `sealed` are personal: their numbers hold
/// sealed bytes that are written and read elsewhere, and their clear values never enter the record's fields.
macro_rules! record {
    (
        $(#[$doc:meta])*
        pub struct $name:ident {
            $( $(#[$field_doc:meta])* $number:literal $constant:ident $field:ident : $type:ty, )+
        }
        $( sealed {
            $( $(#[$sealed_doc:meta])* $sealed_number:literal $sealed_constant:ident $sealed:ident : $sealed_type:ty, )+
        } )?
    ) => {
        $(#[$doc])*
        ///
        /// | number | field |
        /// |---|---|
        $( #[doc = concat!("| ", stringify!($number), " | `", stringify!($field), "` |")] )+
        $($( #[doc = concat!("| ", stringify!($sealed_number), " | `", stringify!($sealed), "`, sealed |")] )+)?
        #[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $( $(#[$field_doc])* pub $field: $type, )+
            $($( $(#[$sealed_doc])* pub $sealed: $sealed_type, )+)?
        }

        impl $name {
            $(
                #[doc = concat!("Number of the field [`", stringify!($field), "`](Self::", stringify!($field), ").")]
                pub const $constant: $crate::value::FieldId = $number;
            )+
            $($(
                #[doc = concat!("Number that holds the sealed [`", stringify!($sealed), "`](Self::", stringify!($sealed), ").")]
                pub const $sealed_constant: $crate::value::FieldId = $sealed_number;
            )+)?

            /// The name of each field number.
            pub fn table() -> $crate::domain::record::FieldTable {
                [
                    $( ($number, stringify!($field)), )+
                    $($( ($sealed_number, stringify!($sealed)), )+)?
                ].into()
            }

            /// What is known, by field number; nothing that is sealed.
            pub fn fields(&self) -> $crate::value::Fields {
                let mut fields = $crate::value::Fields::new();
                $( $crate::domain::record::Field::write(&self.$field, $number, &mut fields); )+
                fields
            }

            /// The record of these fields: what is missing or unreadable is not known, unknown numbers are ignored.
            pub fn read(fields: &$crate::value::Fields) -> Self {
                Self {
                    $( $field: $crate::domain::record::Field::read($number, fields), )+
                    $($( $sealed: Default::default(), )+)?
                }
            }

            /// The edit that turns `old` into `new`: the changed fields, `Null` where one was cleared.
            pub fn difference(old: &Self, new: &Self) -> $crate::value::Fields {
                $crate::domain::record::difference(&old.fields(), &new.fields())
            }
        }

        #[cfg(test)]
        impl $name {
            /// How many numbers the definition lists; more than [`Self::table`] holds when one is used twice.
            pub(crate) const NUMBERS: usize = [$( stringify!($number), )+ $($( stringify!($sealed_number), )+)?].len();
        }
    };
}
pub(crate) use record;

#[cfg(test)]
#[expect(unreachable_pub, reason = "the macro defines public types")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    record! {
        /// For the tests.
        pub struct Lamp {
            /// Name.
            0 NAME name: Option<String>,
            /// Watts.
            1 WATTS watts: Option<u16>,
            /// Labels.
            7 LABELS labels: BTreeSet<String>,
        }
        sealed {
            /// Who pays.
            9 PAYER payer: Option<String>,
        }
    }

    fn any_lamp() -> impl Strategy<Value = Lamp> {
        let labels = proptest::collection::btree_set("[a-z村]{1,4}", 0..3);
        (proptest::option::of(".{0,5}"), any::<Option<u16>>(), labels).prop_map(|(name, watts, labels)| Lamp {
            name,
            watts,
            labels,
            payer: None,
        })
    }

    proptest! {
        #[test]
        fn applying_the_difference_gives_the_new_record(old in any_lamp(), new in any_lamp()) {
            let mut fields = old.fields();
            fields.insert(200, Value::Bool(true));
            apply(&mut fields, &Lamp::difference(&old, &new));
            prop_assert_eq!(Lamp::read(&fields), new);
            prop_assert_eq!(fields.get(&200), Some(&Value::Bool(true)), "fields of a newer version stay");
        }
    }

    #[test]
    fn a_value_of_another_type_reads_as_not_known_and_is_not_overwritten_by_other_edits() {
        let fields: Fields = [(Lamp::NAME, Value::Int(3)), (Lamp::WATTS, Value::Int(-1)), (55, Value::Null)].into();
        let old = Lamp::read(&fields);
        assert_eq!(old, Lamp::default());
        let new = Lamp { labels: ["a".to_owned()].into(), ..old.clone() };
        assert_eq!(Lamp::difference(&old, &new).keys().collect::<Vec<_>>(), [&Lamp::LABELS]);
    }

    #[test]
    fn sealed_fields_are_listed_but_never_written_in_clear() {
        let lamp = Lamp { payer: Some("someone".into()), ..Lamp::default() };
        assert_eq!(lamp.fields(), Fields::new());
        assert_eq!(Lamp::table().get(&Lamp::PAYER), Some(&"payer"));
        assert_eq!(Lamp::table().len(), Lamp::NUMBERS);
    }
}
