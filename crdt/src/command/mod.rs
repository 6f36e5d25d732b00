//! Commands: what people and devices record, turned into edits and records of documents, and documents read back.
//!
//! Every command is a function over [`Replica`](crate::replica::Replica) that checks its input against the rules of
//! [`crate::domain`], compares it with what is known, and *stages* only what is new. It never commits: whoever calls it
//! commits and acknowledges afterwards. A command that fails stages nothing that anybody reads.
//!
//! Commands are idempotent where the same input can come twice (an import, a device's repeated frame): the second time
//! gives [`Outcome::Unchanged`] and no entry.
//!
//! Reading order: [`household`] is the fullest example (natural key, difference, sealed people), [`read`] is the way
//! back; [`entity`] holds what all documents made of fields have in common, `people` what is particular to sealed ones.

pub mod book;
pub mod case;
pub mod conflict;
pub mod device;
pub mod door_tag;
mod duplicates;
pub mod dwelling;
pub mod entity;
pub mod erasure;
mod error;
pub mod hazard;
pub mod household;
pub mod inspection;
pub mod kind;
mod labels;
pub mod life_cycle;
mod matching;
mod membership;
pub mod moves;
mod people;
pub mod photo;
pub mod read;
pub mod same_people;
pub mod table;
#[cfg(test)]
mod tests;
pub mod town;
pub mod track;

pub use error::CommandError;
pub use membership::MemberError;

use crate::replica::Recorded;

pub use crate::domain::date::UTC_OFFSET_MINUTES;

/// What a command came to. [`Recorded`] names the last place that was staged: once it is durable, or delivered to a
/// peer, so is everything else that the command staged in the same log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<T> {
    /// It did not exist before.
    Created(T, Recorded),
    /// It existed and now says something else.
    Changed(T, Recorded),
    /// Everything was known already: nothing was staged.
    Unchanged(T),
}

impl<T> Outcome<T> {
    /// What the command was about.
    pub fn value(&self) -> &T {
        match self {
            Self::Created(value, _) | Self::Changed(value, _) | Self::Unchanged(value) => value,
        }
    }

    /// What the command was about, given away.
    pub fn into_value(self) -> T {
        match self {
            Self::Created(value, _) | Self::Changed(value, _) | Self::Unchanged(value) => value,
        }
    }

    /// Where it will stand; `None` when nothing was staged.
    pub fn recorded(&self) -> Option<&Recorded> {
        match self {
            Self::Created(_, recorded) | Self::Changed(_, recorded) => Some(recorded),
            Self::Unchanged(_) => None,
        }
    }

    /// `created`, `changed` or `unchanged`, for JSON.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Created(..) => "created",
            Self::Changed(..) => "changed",
            Self::Unchanged(_) => "unchanged",
        }
    }

    /// The same outcome about something else.
    pub fn map<U>(self, with: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Self::Created(value, recorded) => Outcome::Created(with(value), recorded),
            Self::Changed(value, recorded) => Outcome::Changed(with(value), recorded),
            Self::Unchanged(value) => Outcome::Unchanged(with(value)),
        }
    }
}
