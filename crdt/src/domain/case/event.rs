//! One event of a case: who did what, having seen which other events.

use std::collections::BTreeSet;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::action::{self, Action, Assignment, BlobHash, Report};
use super::limit::MAX_LIMIT_MINUTES;
use super::versioned;
use crate::domain::role::Role;
use crate::id::{DocumentId, RecordId};

/// Most bytes of an encoded event.
pub const MAX_EVENT_BYTES: usize = 16 * 1024;
/// Most events that an event names as seen.
pub const MAX_SEEN: usize = 64;
/// Most teams of one dispatch or whistle.
pub const MAX_TEAMS: usize = 32;
/// Most bytes of a member, team, device or category code.
pub const MAX_NAME: usize = 96;
/// Most bytes of a note, description, reason and the like (about 1,300 Chinese characters).
pub const MAX_TEXT: usize = 4096;
/// Most photos of one event.
pub const MAX_PHOTOS: usize = 16;
/// Most bytes of a sealed value.
pub const MAX_SEALED: usize = 2048;

/// An immutable event of a case. Its signature, author and time stand beside it, in the entry that carries it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct CaseEvent {
    /// The case.
    #[n(0)]
    pub case: DocumentId,
    /// The account of the person who acts, or the id of the device that reports; not empty.
    #[n(1)]
    pub by: String,
    /// The role in which the person acts.
    #[n(2)]
    pub role: Role,
    /// The newest events that the author had seen ([`Case::heads`](super::Case::heads)); what these had seen is
    /// implied.
    #[n(3)]
    pub seen: BTreeSet<RecordId>,
    /// Words beside the action.
    #[n(4)]
    #[serde(default)]
    pub note: Option<String>,
    /// What is done.
    #[cbor(n(5), with = "action::codec")]
    pub action: Action,
    /// The edition of the life cycle that the author went by ([`LifeCycle`](super::LifeCycle)); none: what the program ships.
    #[n(6)]
    #[serde(default)]
    pub rules: Option<RecordId>,
    /// The event without effect that this states again, which is thereby seen to have none.
    #[n(7)]
    #[serde(default)]
    pub restates: Option<RecordId>,
}

/// Why an event cannot be written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// More than [`MAX_EVENT_BYTES`].
    #[error("a case event takes {bytes} bytes, more than {MAX_EVENT_BYTES}; shorten its texts")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not the CBOR form of an event.
    #[error("these bytes are no case event: {0}; ask the author's node for them again")]
    Malformed(String),
    /// A text, list or number is too long or too large.
    #[error("{field} of a case event is {got}, more than {most}; shorten it")]
    TooMuch {
        /// Which field.
        field: &'static str,
        /// Its length or value.
        got: usize,
        /// The bound.
        most: usize,
    },
    /// A field that must not be empty is.
    #[error("{0} of a case event is empty; fill it in")]
    Empty(&'static str),
    /// `lead` names no order of its dispatch.
    #[error("a dispatch names order {lead} as the leading one of {orders}; count from 0")]
    NoLead {
        /// The place named.
        lead: u8,
        /// How many orders there are.
        orders: usize,
    },
}

impl CaseEvent {
    /// The bytes that are signed, hashed and stored.
    pub fn to_bytes(&self) -> Result<Vec<u8>, EventError> {
        self.check()?;
        let bytes = versioned::encode(self).map_err(EventError::Malformed)?;
        if bytes.len() > MAX_EVENT_BYTES {
            return Err(EventError::TooLarge { bytes: bytes.len() });
        }
        Ok(bytes)
    }

    /// The event of these bytes, all of them, within every bound.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EventError> {
        if bytes.len() > MAX_EVENT_BYTES {
            return Err(EventError::TooLarge { bytes: bytes.len() });
        }
        let event: Self = versioned::decode(bytes).map_err(EventError::Malformed)?;
        match event.check() {
            Ok(()) => Ok(event),
            // Versions before an action was added read the event whatever it holds, and others build on it: it must be there.
            Err(error) => event
                .action
                .kept()
                .map(|action| Self { action, ..event })
                .filter(|kept| kept.check().is_ok())
                .ok_or(error),
        }
    }

    fn check(&self) -> Result<(), EventError> {
        name("the member", &self.by)?;
        within("the number of seen events", self.seen.len(), MAX_SEEN)?;
        self.note.iter().try_for_each(|note| words("the note", note))?;
        check_action(&self.action)
    }
}

fn check_action(action: &Action) -> Result<(), EventError> {
    match action {
        Action::Report(report) => check_report(report),
        Action::File { category, minutes, .. } => {
            name("the category", category)?;
            positive("the limit", *minutes)
        }
        Action::Dispatch { orders, lead } => {
            assignments(orders)?;
            let found = orders.get(usize::from(*lead)).is_some();
            found.then_some(()).ok_or(EventError::NoLead { lead: *lead, orders: orders.len() })
        }
        Action::Whistle { callers, called } => {
            list("the list of calling units", callers.len(), MAX_TEAMS)?;
            callers.iter().try_for_each(|caller| name("a calling unit", caller))?;
            assignments(called)
        }
        Action::RequestExtension { minutes, reason } => {
            positive("the extension", *minutes)?;
            words("the reason", reason)
        }
        Action::LeadClose { team, summary } => {
            name("the team", team)?;
            words("the summary", summary)
        }
        Action::OrderDone { result, photos: all, .. } | Action::HandleOnSpot { result, photos: all } => {
            photos(all)?;
            words("the result", result)
        }
        Action::Verify { finding, photos: all, .. } => {
            photos(all)?;
            words("the finding", finding)
        }
        Action::Convey { conveying, .. } => {
            name("the speaker", &conveying.speaker)?;
            name("the hearer", &conveying.to)?;
            conveying.words.iter().try_for_each(|text| words("what was read back", text))
        }
        Action::Assign { person, .. } => name("the person", person),
        Action::Settle { call_off, .. } => within("the number of orders called off", call_off.len(), MAX_TEAMS),
        Action::AskCheck { question: text }
        | Action::AnswerCheck { answer: text, .. }
        | Action::Refuse { reason: text }
        | Action::RequestReturn { reason: text, .. }
        | Action::RequestSuspension { reason: text }
        | Action::RequestVoid { reason: text }
        | Action::Decline { reason: text, .. }
        | Action::Supervise { demand: text, .. }
        | Action::Reply { answer: text, .. }
        | Action::Comment { text } => words("the text", text),
        Action::Accept
        | Action::Merge { .. }
        | Action::Acknowledge { .. }
        | Action::ReportIn { .. }
        | Action::Approve { .. }
        | Action::Resume
        | Action::Close
        | Action::Callback { .. }
        | Action::Reopen { .. }
        | Action::Audit { .. }
        | Action::Unknown(_) => Ok(()),
    }
}

fn check_report(report: &Report) -> Result<(), EventError> {
    report.category.iter().try_for_each(|category| name("the category", category))?;
    report.device.iter().try_for_each(|device| name("the device", device))?;
    words("the place", &report.place)?;
    if report.description.is_empty() {
        return Err(EventError::Empty("the description"));
    }
    words("the description", &report.description)?;
    report.reporter.iter().try_for_each(|sealed| within("the sealed reporter", sealed.len(), MAX_SEALED))?;
    photos(&report.photos)
}

fn assignments(orders: &[Assignment]) -> Result<(), EventError> {
    list("the list of teams", orders.len(), MAX_TEAMS)?;
    orders.iter().try_for_each(|order| {
        name("a team", &order.team)?;
        words("a task", &order.task)
    })
}

fn photos(photos: &[BlobHash]) -> Result<(), EventError> {
    within("the number of photos", photos.len(), MAX_PHOTOS)
}

fn name(field: &'static str, text: &str) -> Result<(), EventError> {
    list(field, text.len(), MAX_NAME)
}

fn words(field: &'static str, text: &str) -> Result<(), EventError> {
    within(field, text.len(), MAX_TEXT)
}

fn positive(field: &'static str, minutes: u32) -> Result<(), EventError> {
    list(
        field,
        usize::try_from(minutes).unwrap_or(usize::MAX),
        usize::try_from(MAX_LIMIT_MINUTES).unwrap_or(usize::MAX),
    )
}

/// At least one and at most `most`.
fn list(field: &'static str, got: usize, most: usize) -> Result<(), EventError> {
    if got == 0 { Err(EventError::Empty(field)) } else { within(field, got, most) }
}

fn within(field: &'static str, got: usize, most: usize) -> Result<(), EventError> {
    if got <= most { Ok(()) } else { Err(EventError::TooMuch { field, got, most }) }
}
