//! What people have to settle about a case, how they did, and taking that back.

use serde::Serialize;

use super::action::{Action, OrderRef};
use super::state::{Case, CaseState, Effect, OrderStatus, TimelineEntry};
use super::step::{ConflictKind, Reason, Step};
use crate::id::RecordId;

/// Two events whose authors did not know of each other, for a person to settle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = CaseConflict))]
pub struct Conflict {
    /// In the words of the domain.
    pub kind: ConflictKind,
    /// The event that stands.
    pub stands: RecordId,
    /// The other one.
    pub other: RecordId,
    /// Whether the other one stands as well.
    pub both_stand: bool,
    /// The event that settled it.
    pub settled_by: Option<RecordId>,
}

/// A conflict that somebody settled, or an event without effect that somebody has seen to be so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = CaseSettlement))]
pub struct Settlement {
    /// The event that settled it.
    pub event: RecordId,
    /// Between which events; the one without effect named twice.
    pub between: [RecordId; 2],
    /// What the conflicts are that it settled; none where an event was seen to have no effect.
    pub kinds: Vec<ConflictKind>,
    /// Orders that it called off.
    pub called_off: Vec<CalledOff>,
    /// The event that took it back.
    pub taken_back_by: Option<RecordId>,
}

/// An order as it was before a settlement called it off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CalledOff {
    /// The order.
    pub order: OrderRef,
    /// How far it was.
    pub was: OrderStatus,
}

impl Settlement {
    /// Whether it is about these two events, whichever stands.
    fn is_between(&self, [one, other]: [RecordId; 2]) -> bool {
        self.between == [one, other] || self.between == [other, one]
    }
}

impl Conflict {
    /// Whether it is between these two events, whichever stands.
    pub fn is_between(&self, [one, other]: [RecordId; 2]) -> bool {
        [(one, other), (other, one)].contains(&(self.stands, self.other))
    }
}

impl Case {
    /// Conflicts that nobody has settled.
    pub fn open_conflicts(&self) -> impl Iterator<Item = &Conflict> {
        self.conflicts.iter().filter(|conflict| conflict.settled_by.is_none())
    }

    /// Events that changed nothing and are in no conflict, which somebody has to look at, in the order of the fold. Left
    /// out are those that say what another event says with effect.
    pub fn without_effect(&self) -> impl Iterator<Item = &TimelineEntry> {
        // A case that never came to be takes no answer.
        let all = if self.state.is_some() { self.timeline.as_slice() } else { &[] };
        all.iter().filter(|entry| {
            let in_conflict = |conflict: &Conflict| [conflict.stands, conflict.other].contains(&entry.event);
            !entry.effect.is_effective()
                && !self.acknowledged.contains_key(&entry.event)
                && !self.conflicts.iter().any(in_conflict)
                && !self.says_the_same(entry)
        })
    }

    /// Whether somebody else did the same with effect, so that nobody has to be told. Of two alike settlements one has none; it
    /// stays so when the other is taken back, since it was for the same.
    fn says_the_same(&self, entry: &TimelineEntry) -> bool {
        match (&entry.action, entry.effect) {
            (_, Effect::None { reason: Reason::DecidedAlready, .. }) => true,
            (Action::Settle { between, .. }, Effect::None { reason: Reason::NoSuchConflict, .. }) => {
                let alike = |settled: &Settlement| {
                    settled.is_between(*between)
                        && self.timeline.iter().any(|by| by.event == settled.event && by.action == entry.action)
                };
                // That an event has none is seen also by whoever states it again.
                let [one, other] = between;
                (one == other && self.acknowledged.contains_key(one)) || self.settlements.iter().any(alike)
            }
            (_, Effect::Applied | Effect::AppliedLate | Effect::Void(_) | Effect::None { .. }) => false,
        }
    }

    /// Whether there is something open that a settlement between these can settle, or take back where one event is named
    /// twice.
    ///
    /// # Errors
    /// The reason why not, and the event that took the settlement back where somebody did.
    pub(super) fn may_settle(
        &self,
        between: [RecordId; 2],
        call_off: &[OrderRef],
    ) -> Result<(), (Reason, Option<RecordId>)> {
        let [one, other] = between;
        let is_open = if one != other {
            self.open_conflicts().any(|conflict| conflict.is_between(between))
        } else if let Some(settled) = self.settlements.iter().find(|settled| settled.event == one) {
            if settled.taken_back_by.is_some() {
                return Err((Reason::DecidedAlready, settled.taken_back_by));
            }
            call_off.is_empty()
        } else {
            call_off.is_empty() && self.may_acknowledge(one)
        };
        if is_open { Ok(()) } else { Err((Reason::NoSuchConflict, None)) }
    }

    /// Whether this event is one that somebody may say to have seen without effect.
    fn may_acknowledge(&self, event: RecordId) -> bool {
        let is_void = |entry: &TimelineEntry| entry.event == event && !entry.effect.is_effective();
        !self.acknowledged.contains_key(&event) && self.timeline.iter().any(is_void)
    }

    /// Settles what is open between two events; of one named twice it is taken back where that is a settlement, else seen to
    /// have no effect.
    pub(super) fn settle(&mut self, event: RecordId, between: [RecordId; 2], call_off: &[OrderRef]) {
        let [one, other] = between;
        if one == other && self.settlements.iter().any(|settled| settled.event == one) {
            return self.take_back(one, event);
        }
        if one == other {
            self.acknowledged.insert(one, event);
        }
        let open = self.conflicts.iter_mut().filter(|conflict| conflict.is_between(between));
        let mut kinds = Vec::new();
        for conflict in open.filter(|conflict| conflict.settled_by.is_none()) {
            conflict.settled_by = Some(event);
            kinds.push(conflict.kind);
        }
        let mut called_off = Vec::new();
        for order in call_off {
            let Some(was) = self.open_orders().find(|open| open.id == *order).map(|open| open.status) else { continue };
            self.change_order(*order, OrderStatus::CalledOff, event);
            called_off.push(CalledOff { order: *order, was });
        }
        self.settlements.push(Settlement { event, between, kinds, called_off, taken_back_by: None });
    }

    /// What a settlement settled is open again, and orders that it called off are as far as they were. Not those of a case
    /// on which nobody works any more: nobody could finish them.
    fn take_back(&mut self, settlement: RecordId, event: RecordId) {
        let Some(settled) = self.settlements.iter_mut().find(|settled| settled.event == settlement) else { return };
        settled.taken_back_by = Some(event);
        let called_off = settled.called_off.clone();
        let conflicts = self.conflicts.iter_mut().filter(|conflict| conflict.settled_by == Some(settlement));
        conflicts.for_each(|conflict| conflict.settled_by = None);
        self.acknowledged.retain(|_, by| *by != settlement);
        let is_worked_on = matches!(
            self.state,
            Some(CaseState::Filed | CaseState::Handling | CaseState::Joint | CaseState::Suspended)
        );
        if !is_worked_on {
            return;
        }
        for CalledOff { order, was } in called_off {
            // One that was done by somebody who did not know stays done.
            let is_off = |known: &super::state::Order| {
                known.id == order && (known.status, known.changed_by) == (OrderStatus::CalledOff, settlement)
            };
            if self.orders.iter().any(is_off) {
                self.change_order(order, was, event);
            }
        }
    }

    /// Notes that somebody stated an event without effect again: the same action, taken by one who had seen it.
    pub(super) fn note_restated(
        &mut self,
        void: RecordId,
        (event, step, action): (RecordId, Step, &Action),
        had_seen: impl Fn(RecordId) -> bool,
    ) {
        let is_same = |entry: &TimelineEntry| {
            entry.event == void
                && entry.step == Some(step)
                && !entry.effect.is_effective()
                && entry.action == *action
                && had_seen(void)
        };
        if self.timeline.iter().any(is_same) {
            self.acknowledged.entry(void).or_insert(event);
        }
    }
}
