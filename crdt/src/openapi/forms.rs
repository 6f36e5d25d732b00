//! The forms that JSON written by hand has.

use utoipa::openapi::schema::{AnyOf, Array, ArrayBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::{RefOr, SchemaFormat};

/// Codes of newer versions, as [`crate::domain::codes`] writes them: up to 65535, without leading zeros.
const UNKNOWN: &str =
    "^unknown_(0|[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$";

/// A text of this form.
pub(crate) fn text(pattern: &str, description: &str) -> RefOr<Schema> {
    let object = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).description(Some(description));
    object.into()
}

/// A text of this form, which has a name: whoever makes up values may know some that exist.
pub(crate) fn named(name: &str, pattern: &str, description: &str) -> RefOr<Schema> {
    let object = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).description(Some(description));
    object.format(Some(SchemaFormat::Custom(name.to_owned()))).into()
}

/// A text of so many hexadecimal digits.
pub(crate) fn digits(name: &str, count: usize, description: &str) -> RefOr<Schema> {
    named(name, &format!("^[0-9a-fA-F]{{{count}}}$"), description)
}

/// A word of a coded enum by its key; a newer version may write others.
pub(crate) fn words(keys: &[&str], words: &[[&str; 3]], label: &str) -> RefOr<Schema> {
    let known = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(keys.iter().copied()));
    let newer = ObjectBuilder::new().schema_type(Type::String).pattern(Some(UNKNOWN));
    let listed: Vec<String> =
        words.iter().map(|[key, chinese, english]| format!("{key}: {chinese} / {english}")).collect();
    let mut either = AnyOf::new();
    either.items = vec![known.into(), newer.into()];
    either.description = Some(format!("{label}; {}", listed.join("; ")));
    Schema::AnyOf(either).into()
}

/// A day of the calendar. People enter years of four digits; an analysis may be asked for any, to the end of time.
pub(crate) fn day() -> RefOr<Schema> {
    named("Day", "^-?[0-9]{4,7}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$", "2024-03-05")
}

/// A moment.
pub(crate) fn milliseconds() -> RefOr<Schema> {
    let number = ObjectBuilder::new().schema_type(Type::Integer).description(Some("milliseconds since 1970"));
    number.into()
}

/// Degrees of latitude and longitude.
pub(crate) fn position() -> RefOr<Schema> {
    let degrees = |most: f64| {
        let number = ObjectBuilder::new().schema_type(Type::Number);
        number.minimum(Some(-most)).maximum(Some(most))
    };
    let place = ObjectBuilder::new().property("lat", degrees(90.0)).property("lon", degrees(180.0));
    place.required("lat").required("lon").description(Some("WGS 84, in degrees")).into()
}

/// A list of this many of something.
pub(crate) fn list(of: RefOr<Schema>, least: usize, most: usize) -> RefOr<Schema> {
    let list: Array = ArrayBuilder::new().items(of).min_items(Some(least)).max_items(Some(most)).build();
    Schema::Array(list).into()
}
