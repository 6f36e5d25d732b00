//! What comes of the events of a move.

use std::collections::BTreeSet;

use serde::Serialize;

use super::event::MoveStepKey;
use crate::domain::codes::coded;
use crate::domain::date::Day;
use crate::domain::region::RegionCode;
use crate::id::{DocumentId, NodeId, RecordId, ResidentId};

coded! {
    /// Where a move stands.
    pub enum MoveState: "state of a move" {
        /// Handed over; the receiving village has not answered.
        Given = 1, "given", "待接收", "waiting to be taken in";
        /// Taken in.
        Accepted = 2, "accepted", "已迁入", "taken in";
        /// Refused: the giving village takes it back or hands over elsewhere.
        Refused = 3, "refused", "已拒绝", "refused";
        /// Taken back.
        TakenBack = 4, "taken_back", "已撤回", "taken back";
    }
}

coded! {
    /// What met when nobody knew of the other.
    pub enum MoveConflictKind: "conflict of a move" {
        /// Two offices of the village handed the same person over.
        GivenTwice = 1, "given_twice", "重复移交", "handed over twice";
        /// Two offices took the same person in, into different households.
        AcceptedTwice = 2, "accepted_twice", "重复迁入", "taken in twice";
        /// One office took them in, another refused.
        AcceptedAndRefused = 3, "accepted_and_refused", "已迁入又被拒绝", "taken in and refused";
        /// They were taken in while they were taken back.
        AcceptedAndTakenBack = 4, "accepted_and_taken_back", "已迁入又被撤回", "taken in and taken back";
    }
}

coded! {
    /// Why an event of a move has no effect.
    pub enum MoveVoid: "reason for no effect" {
        /// Its author's certificate had been revoked.
        Revoked = 1, "revoked", "作者证书已注销", "its author's certificate was revoked";
        /// It is about another move.
        WrongMove = 2, "wrong_move", "不属于本次迁移", "it is about another move";
        /// Its author may not write this for that village.
        NotAllowed = 3, "not_allowed", "作者无权代表该村居", "its author may not do this for that village";
        /// The hand-over that it names does not stand, or its author had not seen it.
        NoSuchGive = 4, "no_such_give", "没有对应的移交", "there is no such hand-over";
        /// Its author had seen that it was answered, or handed over, already.
        AnsweredBefore = 5, "answered_before", "此前已有结果", "it had been answered before";
        /// The two that it settles are in no conflict that its author had seen.
        NoSuchConflict = 6, "no_such_conflict", "没有对应的冲突", "there is no such conflict";
        /// This version does not know the step.
        UnknownStep = 7, "unknown_step", "本版本不认识此步骤", "this version does not know the step";
    }
}

/// Whether an event has effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveEffect {
    /// It counts.
    Applied,
    /// It does not.
    Void(MoveVoid),
}

/// A hand-over that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Given {
    /// The event.
    pub event: RecordId,
    /// The village that is left.
    pub from: RegionCode,
    /// The village that they go to.
    pub to: RegionCode,
    /// Their last day.
    pub day: Day,
    /// Where it stands by itself.
    pub state: MoveState,
    /// Why it was refused.
    pub reason: Option<String>,
    /// What is sealed.
    #[serde(skip)]
    pub content: Vec<u8>,
}

/// An acceptance that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Accepted {
    /// The event.
    pub event: RecordId,
    /// The hand-over.
    pub give: RecordId,
    /// The household.
    pub household: DocumentId,
    /// Their id there.
    pub resident: ResidentId,
    /// Whether it stands; one that was set aside does not.
    pub stands: bool,
}

/// Two events that met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MoveConflict {
    /// What met.
    pub kind: MoveConflictKind,
    /// Both; meanwhile the first one has effect, and of two of a kind both.
    pub between: [RecordId; 2],
    /// The one that stands, and the event that says so; `None` while it is open.
    pub settled: Option<(RecordId, RecordId)>,
}

/// An event in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MoveEntry {
    /// The event.
    pub event: RecordId,
    /// Hybrid time of its entry.
    pub time: u64,
    /// The node that signed it.
    pub author: NodeId,
    /// Who acted.
    pub by: String,
    /// What was done.
    pub step: MoveStepKey,
    /// Whether it counts.
    pub effect: MoveEffect,
}

/// A move, folded from its events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Move {
    /// The household that is left.
    pub household: DocumentId,
    /// The resident's id there.
    pub resident: ResidentId,
    /// Where it stands.
    pub state: MoveState,
    /// The hand-over by which it stands there.
    pub leading: Given,
    /// Every hand-over that counts, in order.
    pub gives: Vec<Given>,
    /// Every acceptance that counts, in order; of several the first that stands leads.
    pub accepted: Vec<Accepted>,
    /// What met, open and settled.
    pub conflicts: Vec<MoveConflict>,
    /// Every event whose past is complete, in an order that respects it.
    pub timeline: Vec<MoveEntry>,
    /// Events whose past is not complete here.
    pub waiting: BTreeSet<RecordId>,
    /// The newest events: what an event that is written now has seen.
    pub heads: BTreeSet<RecordId>,
}

impl Move {
    /// Where the person lives by it: the acceptance that leads.
    pub fn arrival(&self) -> Option<&Accepted> {
        self.accepted.iter().find(|accepted| accepted.stands)
    }

    /// Everybody who is one person by it: the resident who left, and whoever was taken in for them.
    pub fn people(&self) -> BTreeSet<(DocumentId, ResidentId)> {
        let arrived = self.accepted.iter().map(|accepted| (accepted.household, accepted.resident));
        arrived.chain([(self.household, self.resident)]).collect()
    }

    /// Who is not shown by themselves, each with whom they are shown as: whoever was taken in by an acceptance that does not
    /// stand.
    pub fn aliases(&self) -> impl Iterator<Item = (ResidentId, ResidentId)> + '_ {
        let shown = self.arrival().map_or(self.resident, |arrival| arrival.resident);
        let aside = self.accepted.iter().filter(|accepted| !accepted.stands);
        aside.map(move |accepted| (accepted.resident, shown)).filter(|(alias, shown)| alias != shown)
    }

    /// The event at its place in the timeline.
    pub fn entry(&self, event: RecordId) -> Option<&MoveEntry> {
        self.timeline.iter().find(|entry| entry.event == event)
    }
}

impl MoveEffect {
    /// As in JSON: `applied`, or why not.
    pub fn key(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Void(reason) => reason.key(),
        }
    }
}

impl Serialize for MoveEffect {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.key())
    }
}
