//! The inputs that the corpus consists of, but for those that the fuzzer found: for each target some that are right,
//! the same ones damaged, and ones that only an attacker would write.

use minicbor::Encoder;
use minicbor::encode::Error;
use std::convert::Infallible;

mod domain;
mod log;
mod scripts;
mod text;

/// Target, name and bytes of an input.
pub(super) type Sample = (&'static str, String, Vec<u8>);

/// How deep the nested inputs go; the replay nests deeper, without filling the disk.
const DEPTH: usize = 1_000;

/// Every input.
pub(super) fn all() -> Vec<Sample> {
    [log::samples(), domain::samples(), text::samples(), scripts::samples()].concat()
}

/// CBOR as the closure writes it.
fn cbor(write: impl FnOnce(&mut Encoder<&mut Vec<u8>>) -> Result<(), Error<Infallible>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut Encoder::new(&mut bytes)).expect("memory takes every write");
    bytes
}

/// An input with this name.
fn sample(target: &'static str, name: &str, bytes: impl Into<Vec<u8>>) -> Sample {
    (target, name.to_owned(), bytes.into())
}

/// A valid input and the ways in which the line or the disk damages it.
fn damaged(target: &'static str, valid: &[u8]) -> Vec<Sample> {
    let mut changed = valid.to_vec();
    changed.iter_mut().take(1).for_each(|byte| *byte ^= 0x80);
    vec![
        sample(target, "empty", []),
        sample(target, "first-byte-changed", changed),
        sample(target, "cut-in-half", &valid[..valid.len() / 2]),
        sample(target, "last-byte-missing", &valid[..valid.len() - 1]),
    ]
}

/// Bytes follow after the end.
fn prolonged(target: &'static str, valid: &[u8]) -> Vec<Sample> {
    vec![sample(target, "a-byte-too-many", [valid, &[0]].concat()), sample(target, "twice-in-a-row", valid.repeat(2))]
}

/// CBOR items that promise more than there is, never end, or nest without end, behind `before`.
fn hostile_cbor(target: &'static str, before: &[u8]) -> Vec<Sample> {
    let hostile: [(&str, Vec<u8>); 11] = [
        ("array-of-4-billion-items", vec![0x9a, 0xff, 0xff, 0xff, 0xff]),
        ("array-of-2-to-the-64-items", vec![0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ("map-of-4-billion-items", vec![0xba, 0xff, 0xff, 0xff, 0xff]),
        ("array-without-end", vec![0x9f]),
        ("map-without-end", vec![0xbf, 0x01]),
        ("byte-string-of-4-gigabytes", vec![0x5a, 0xff, 0xff, 0xff, 0xff, 0x00]),
        ("byte-string-in-pieces", vec![0x5f, 0x41, 0x00, 0xff]),
        ("text-of-4-gigabytes", vec![0x7a, 0xff, 0xff, 0xff, 0xff, 0x41]),
        ("text-that-is-not-utf8", vec![0x62, 0xc3, 0x28]),
        ("deeply-nested-arrays", vec![0x81; DEPTH]),
        ("deeply-nested-tags", vec![0xc1; DEPTH]),
    ];
    hostile.into_iter().map(|(name, bytes)| sample(target, name, [before, &bytes].concat())).collect()
}
