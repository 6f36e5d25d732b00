//! Texts that people and programs write: codes, dates, numbers, names.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use townmesh_crdt::domain::case::Severity;
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::device_event::Decimal;
use townmesh_crdt::domain::door_tag::TagName;
use townmesh_crdt::domain::id_number::{self, IdNumber};
use townmesh_crdt::domain::inspection::PhotoHash;
use townmesh_crdt::domain::key;
use townmesh_crdt::domain::phone;
use townmesh_crdt::domain::polygon::Polygon;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::id::NodeId;
use townmesh_crdt::namespace::Namespace;

use super::accepted;

/// Every parser of text in turn; accepted if one of them makes something of it.
pub(super) fn text(bytes: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(bytes).ok()?;
    let parsed = [
        read_back::<Namespace>(text),
        read_back::<RegionCode>(text),
        read_back::<Day>(text),
        read_back::<Position>(text),
        read_back::<Decimal>(text),
        read_back::<PhotoHash>(text),
        read_back::<NodeId>(text),
        read_back::<Severity>(text),
        read_back::<TagName>(text),
        phone_number(text),
        identity_number(text),
        polygon(bytes),
    ];
    assert!(key::natural_key(&[text, text]).len() <= 2 * text.len() + 1, "a key is no longer than its parts");
    parsed.into_iter().flatten().max()
}

fn read_back<T>(text: &str) -> Option<usize>
where
    T: FromStr<Err: Display> + Display + Debug + PartialEq,
{
    let value: T = accepted(text.parse())?;
    let written = value.to_string();
    assert_eq!(accepted(written.parse()), Some(value), "{written} is read back");
    Some(written.len())
}

fn phone_number(text: &str) -> Option<usize> {
    let normal = phone::normalise_phone(text);
    let _ = phone::pack(text);
    accepted(phone::check_phone(text))?;
    if let Some(packed) = phone::pack(&normal) {
        assert_eq!(phone::unpack(packed), Some(normal.clone()), "a phone number is read back");
    }
    Some(normal.len())
}

fn identity_number(text: &str) -> Option<usize> {
    let normal = id_number::normalise_id_number(text);
    let number = accepted(IdNumber::parse(&normal))?;
    assert_eq!(number.to_string(), normal, "an identity number has one form");
    assert_eq!(IdNumber::unpack(number.pack()), Some(number), "an identity number is read back");
    Some(normal.len())
}

fn polygon(bytes: &[u8]) -> Option<usize> {
    let polygon: Polygon = accepted(serde_json::from_slice(bytes))?;
    let inside = polygon.corners().iter().filter(|corner| polygon.contains(**corner)).count();
    assert!(inside <= polygon.corners().len());
    Some(8 * polygon.corners().len())
}
