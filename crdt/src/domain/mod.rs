//! The town: types and rules, without IO and without Automerge.
//!
//! Every mutable thing is a *record*: a plain struct that turns into numbered [`Fields`](crate::value::Fields) and
//! back. The number of each field stands beside it in its struct and is shown in the struct's documentation; a number
//! is never reused for another meaning. Every closed list of words is a *coded enum*: stable integer codes for storage,
//! stable English keys for JSON, Chinese and English names for people, and `Unknown` for what a newer version wrote.

pub mod books;
pub mod case;
pub mod checklist;
pub mod codes;
pub mod columns;
pub mod confidential;
pub mod date;
pub mod device;
pub mod device_batch;
pub mod device_event;
pub mod door_tag;
pub mod dwelling;
pub mod hazard;
pub mod hazard_deed;
pub mod household;
pub mod id_number;
pub mod immutable;
pub mod input;
pub mod inspection;
pub mod key;
pub mod moves;
pub mod number;
pub mod person;
pub mod phone;
pub mod polygon;
pub mod position;
pub mod record;
pub mod region;
pub mod role;
pub mod same_person;
pub mod tables;
pub mod town;
pub mod track;
mod varint;
