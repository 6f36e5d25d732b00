//! From the events of a move to the move.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::event::{Acceptance, Giving, MoveEvent, MoveStep};
use super::state::{Accepted, Given, Move, MoveConflict, MoveConflictKind, MoveEffect, MoveEntry, MoveState, MoveVoid};
use crate::domain::region::RegionCode;
use crate::id::{NodeId, RecordId};

/// Most events of one move that the fold looks at; later ones in its order are left out.
pub const MAX_EVENTS: usize = 256;
/// Most events of one move that their authors could not write and that the fold looks at.
const MAX_VOID: usize = 4_096;

/// In which villages a node keeps the registry, by its certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Right {
    /// Whether a village clerk may act on it.
    pub clerk: bool,
    /// Whether it is a center, which settles what met.
    pub center: bool,
    /// Beginnings of the codes of the regions whose registries it holds.
    pub regions: BTreeSet<String>,
}

impl Right {
    /// Whether it may act for a village.
    pub fn keeps(&self, region: RegionCode) -> bool {
        let code = region.to_string();
        self.clerk && self.regions.iter().any(|prefix| code.starts_with(prefix))
    }
}

/// An event with what its entry says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveInput {
    /// The event.
    pub event: MoveEvent,
    /// Hybrid time of the entry: milliseconds since 1970 in the upper 48 bits, a counter in the lower 16.
    pub time: u64,
    /// The node that signed the entry.
    pub author: NodeId,
    /// What that node may do.
    pub right: Right,
    /// Why the author could not write it, where certificates or logs say so.
    pub void: Option<MoveVoid>,
}

/// Folds the events of one move; `None` where no hand-over counts.
///
/// Every event comes after those that its author had seen, among ready ones the lower (time, id) first; events whose past is
/// not complete wait. An event counts where its author may write it and had not seen that it is too late for it. Then
/// whatever counts and met is listed, and a settlement decides which of two stands. The result depends on the set of
/// events only, the order of the lists on nothing but times and ids. At most [`MAX_EVENTS`] are looked at.
pub fn fold(events: &BTreeMap<RecordId, MoveInput>) -> Option<Move> {
    let mut judge = Judge { events, pasts: BTreeMap::new(), applied: BTreeSet::new() };
    let (order, waiting) = ordered(events);
    let heads = heads_of(&order);
    let mut timeline = Vec::new();
    for (id, input) in &order {
        let past = judge.past_of(input);
        let void = input.void.or_else(|| judge.why_void(input, &past));
        if void.is_none() {
            judge.applied.insert(*id);
        }
        judge.pasts.insert(*id, past);
        let (by, step) = (input.event.by.clone(), input.event.step.key());
        let effect = void.map_or(MoveEffect::Applied, MoveEffect::Void);
        timeline.push(MoveEntry { event: *id, time: input.time, author: input.author, by, step, effect });
    }
    let order: Vec<RecordId> = order.into_iter().map(|(id, _)| id).collect();
    let conflicts = judge.conflicts(&order);
    let aside: BTreeSet<RecordId> = conflicts.iter().filter_map(MoveConflict::aside).collect();
    let gives = judge.gives(&order, &aside);
    let accepted = judge.accepted(&order, &aside);
    let leading = leading(&gives, &accepted)?.clone();
    let Giving { household, resident, .. } = judge.giving(leading.event)?;
    Some(Move {
        household: *household,
        resident: *resident,
        state: leading.state,
        leading,
        gives,
        accepted,
        conflicts,
        timeline,
        waiting,
        heads,
    })
}

/// The hand-over by which a move stands where it does: the one that was accepted, else the latest that is open, else the
/// latest.
fn leading<'a>(gives: &'a [Given], accepted: &[Accepted]) -> Option<&'a Given> {
    let arrival = accepted.iter().find(|accepted| accepted.stands);
    let by_arrival = arrival.and_then(|arrival| gives.iter().find(|given| given.event == arrival.give));
    let open = || gives.iter().rfind(|given| given.state == MoveState::Given);
    by_arrival.or_else(open).or_else(|| gives.last())
}

/// What an event that is written now has seen: events that no other has seen, of those that have their place. Whoever named one
/// that waits would wait with it; and what its author could not write is nobody's past.
pub fn heads(events: &BTreeMap<RecordId, MoveInput>) -> BTreeSet<RecordId> {
    heads_of(&ordered(events).0)
}

fn heads_of(order: &[(RecordId, &MoveInput)]) -> BTreeSet<RecordId> {
    let counting = || order.iter().filter(|(_, input)| input.void.is_none());
    let seen: BTreeSet<RecordId> = counting().flat_map(|(_, input)| input.event.seen.iter().copied()).collect();
    counting().map(|(id, _)| *id).filter(|id| !seen.contains(id)).collect()
}

/// Each event after everything that its author had seen, and those that wait.
fn ordered(events: &BTreeMap<RecordId, MoveInput>) -> (Vec<(RecordId, &MoveInput)>, BTreeSet<RecordId>) {
    let mut unplaced: BTreeMap<RecordId, usize> = BTreeMap::new();
    let mut followers: BTreeMap<RecordId, Vec<RecordId>> = BTreeMap::new();
    let mut ready = BinaryHeap::new();
    for (id, input) in events {
        unplaced.insert(*id, input.event.seen.len());
        input.event.seen.iter().for_each(|seen| followers.entry(*seen).or_default().push(*id));
        if input.event.seen.is_empty() {
            ready.push(Reverse((input.time, *id)));
        }
    }
    let mut order = Vec::new();
    let (mut counting, mut void) = (0, 0);
    while let Some(Reverse((_, id))) = ready.pop() {
        let Some(input) = events.get(&id).filter(|_| counting < MAX_EVENTS) else { break };
        // What its author could not write takes nobody's place; but of that, too, there is an end.
        if input.void.is_some() {
            void += 1;
            if void > MAX_VOID {
                continue;
            }
        } else {
            counting += 1;
        }
        order.push((id, input));
        unplaced.remove(&id);
        for follower in followers.remove(&id).unwrap_or_default() {
            let Some(left) = unplaced.get_mut(&follower) else { continue };
            *left = left.saturating_sub(1);
            if let (0, Some(input)) = (*left, events.get(&follower)) {
                ready.push(Reverse((input.time, follower)));
            }
        }
    }
    (order, unplaced.into_keys().collect())
}

/// What counts so far, and who knew of whom.
struct Judge<'a> {
    events: &'a BTreeMap<RecordId, MoveInput>,
    pasts: BTreeMap<RecordId, BTreeSet<RecordId>>,
    applied: BTreeSet<RecordId>,
}

impl<'a> Judge<'a> {
    /// All that the author of an event knew.
    fn past_of(&self, input: &MoveInput) -> BTreeSet<RecordId> {
        let seen = &input.event.seen;
        let before = seen.iter().filter_map(|seen| self.pasts.get(seen)).flatten();
        // Of what counts alone: of that there are few.
        let counts = |event: &&RecordId| self.events.get(*event).is_some_and(|input| input.void.is_none());
        before.chain(seen.iter().filter(counts)).copied().collect()
    }

    fn knew(&self, later: RecordId, earlier: RecordId) -> bool {
        self.pasts.get(&later).is_some_and(|past| past.contains(&earlier))
    }

    fn step(&self, event: RecordId) -> Option<&'a MoveStep> {
        self.events.get(&event).map(|input| &input.event.step)
    }

    fn giving(&self, event: RecordId) -> Option<&'a Giving> {
        if let Some(MoveStep::Give(giving)) = self.step(event) { Some(giving) } else { None }
    }

    fn acceptance(&self, event: RecordId) -> Option<&'a Acceptance> {
        if let Some(MoveStep::Accept(acceptance)) = self.step(event) { Some(acceptance) } else { None }
    }

    /// Whether an event that counts ends a hand-over: an acceptance ends every one.
    fn ends(&self, event: RecordId, give: RecordId) -> bool {
        match self.step(event) {
            Some(MoveStep::Accept(_)) => true,
            Some(MoveStep::Refuse { give: named, .. } | MoveStep::TakeBack { give: named }) => *named == give,
            Some(MoveStep::Give(_) | MoveStep::Settle { .. } | MoveStep::Unknown) | None => false,
        }
    }

    fn is_accept(&self, event: RecordId) -> bool {
        self.acceptance(event).is_some()
    }

    /// Why an event that its author may sign does not count.
    fn why_void(&self, input: &MoveInput, past: &BTreeSet<RecordId>) -> Option<MoveVoid> {
        let known: BTreeSet<RecordId> = past.intersection(&self.applied).copied().collect();
        let give_of = |give: &RecordId| self.giving(*give).filter(|_| known.contains(give)).ok_or(MoveVoid::NoSuchGive);
        let allowed = |village| if input.right.keeps(village) { Ok(()) } else { Err(MoveVoid::NotAllowed) };
        let answered = |is_too_late: bool| if is_too_late { Err(MoveVoid::AnsweredBefore) } else { Ok(()) };
        let is_ended = |give: &RecordId| known.iter().any(|event| self.ends(*event, *give));
        let is_accepted = || known.iter().any(|event| self.is_accept(*event));
        let judged = match &input.event.step {
            MoveStep::Give(giving) => allowed(giving.from).and_then(|()| {
                // Another village that hands over whom it does not have is in nobody's way.
                let is_own = |event: &RecordId| self.giving(*event).is_some_and(|other| other.from == giving.from);
                let is_open = |event: &RecordId| is_own(event) && !is_ended(event);
                let is_taken = |event: &RecordId| self.acceptance(*event).is_some_and(|other| is_own(&other.give));
                answered(known.iter().any(|event| is_open(event) || is_taken(event)))
            }),
            MoveStep::Accept(Acceptance { give, .. }) | MoveStep::Refuse { give, .. } => {
                give_of(give).and_then(|giving| allowed(giving.to)).and_then(|()| answered(is_ended(give)))
            }
            MoveStep::TakeBack { give } => give_of(give).and_then(|giving| allowed(giving.from)).and_then(|()| {
                let is_back = |event: &RecordId| matches!(self.step(*event), Some(MoveStep::TakeBack { give: named }) if named == give);
                answered(is_accepted() || known.iter().any(is_back))
            }),
            MoveStep::Unknown => Err(MoveVoid::UnknownStep),
            MoveStep::Settle { between: [one, other], stands } => {
                let is_side = stands.is_none_or(|stands| stands == *one || stands == *other);
                let met = known.contains(one) && known.contains(other) && self.met(*one, *other).is_some();
                match (input.right.center, met && is_side) {
                    (false, _) => Err(MoveVoid::NotAllowed),
                    (true, false) => Err(MoveVoid::NoSuchConflict),
                    (true, true) => Ok(()),
                }
            }
        };
        judged.err()
    }

    /// What two events that count are to each other, the one that has effect meanwhile first; `None` where they go together.
    fn met(&self, one: RecordId, other: RecordId) -> Option<(MoveConflictKind, [RecordId; 2])> {
        let either_way = |one, other| self.meeting(one, other).map(|kind| (kind, [one, other]));
        either_way(one, other).or_else(|| either_way(other, one))
    }

    fn meeting(&self, one: RecordId, other: RecordId) -> Option<MoveConflictKind> {
        let villages = self.giving(one).zip(self.giving(other)).map(|(one, other)| [one.from, other.from]);
        if one != other && villages.is_some_and(|[one, other]| one != other) {
            // One of the two does not have them; a center knows which.
            return Some(MoveConflictKind::GivenTwice);
        }
        if one == other || self.knew(one, other) || self.knew(other, one) {
            return None;
        }
        match (self.step(one)?, self.step(other)?) {
            (MoveStep::Give(_), MoveStep::Give(_)) => Some(MoveConflictKind::GivenTwice),
            (MoveStep::Accept(a), MoveStep::Accept(b)) => {
                (a.household != b.household).then_some(MoveConflictKind::AcceptedTwice)
            }
            (MoveStep::Accept(a), MoveStep::Refuse { give, .. }) => {
                (a.give == *give).then_some(MoveConflictKind::AcceptedAndRefused)
            }
            (MoveStep::Accept(a), MoveStep::TakeBack { give }) => {
                (a.give == *give).then_some(MoveConflictKind::AcceptedAndTakenBack)
            }
            (
                MoveStep::Give(_)
                | MoveStep::Accept(_)
                | MoveStep::Refuse { .. }
                | MoveStep::TakeBack { .. }
                | MoveStep::Settle { .. }
                | MoveStep::Unknown,
                _,
            ) => None,
        }
    }

    /// What met. Hand-overs are in each other's way only while both wait for an answer, or a settlement says which stands.
    fn conflicts(&self, order: &[RecordId]) -> Vec<MoveConflict> {
        let applied: Vec<RecordId> = order.iter().copied().filter(|id| self.applied.contains(id)).collect();
        let mut conflicts = Vec::new();
        for (place, one) in applied.iter().enumerate() {
            for other in applied.iter().skip(place + 1) {
                let Some((kind, between)) = self.met(*one, *other) else { continue };
                let settled = self.settlement(between);
                let is_over = between.iter().any(|give| applied.iter().any(|event| self.ends(*event, *give)));
                if kind == MoveConflictKind::GivenTwice && settled.is_none() && is_over {
                    continue;
                }
                conflicts.push(MoveConflict { kind, between, settled });
            }
        }
        conflicts
    }

    /// What was settled between two events: by the settlements that none replaced, where these say the same.
    fn settlement(&self, between: [RecordId; 2]) -> Option<(RecordId, RecordId)> {
        let [one, other] = between;
        let is_of_both = |event: &RecordId| match self.step(*event) {
            Some(MoveStep::Settle { between: named, .. }) => *named == [one, other] || *named == [other, one],
            Some(
                MoveStep::Give(_)
                | MoveStep::Accept(_)
                | MoveStep::Refuse { .. }
                | MoveStep::TakeBack { .. }
                | MoveStep::Unknown,
            )
            | None => false,
        };
        let settling: Vec<RecordId> = self.applied.iter().copied().filter(is_of_both).collect();
        let is_newest = |event: &RecordId| !settling.iter().any(|later| self.knew(*later, *event));
        let mut choices = settling.iter().filter(|event| is_newest(event)).filter_map(|event| {
            let Some(MoveStep::Settle { stands, .. }) = self.step(*event) else { return None };
            Some((*stands, *event))
        });
        let (stands, event) = choices.next()?;
        choices.all(|(choice, _)| choice == stands).then_some((stands?, event))
    }

    fn gives(&self, order: &[RecordId], aside: &BTreeSet<RecordId>) -> Vec<Given> {
        let gives = order.iter().filter(|id| self.applied.contains(id));
        let gives = gives.filter_map(|id| Some((*id, self.giving(*id)?)));
        let given = gives.map(|(event, giving)| {
            let (state, reason) = self.state_of(event, order, aside);
            let content = giving.content.to_vec();
            Given { event, from: giving.from, to: giving.to, day: giving.day, state, reason, content }
        });
        given.collect()
    }

    /// Where a hand-over stands, and why it was refused.
    fn state_of(&self, give: RecordId, order: &[RecordId], aside: &BTreeSet<RecordId>) -> (MoveState, Option<String>) {
        let (mut state, mut why) = (MoveState::Given, None);
        for event in order.iter().filter(|event| self.applied.contains(event) && !aside.contains(event)) {
            match self.step(*event) {
                Some(MoveStep::Accept(acceptance)) if acceptance.give == give => return (MoveState::Accepted, None),
                Some(MoveStep::TakeBack { give: named }) if *named == give => state = MoveState::TakenBack,
                Some(MoveStep::Refuse { give: named, reason }) if *named == give => {
                    why = Some(reason.clone());
                    state = if state == MoveState::Given { MoveState::Refused } else { state };
                }
                Some(
                    MoveStep::Give(_)
                    | MoveStep::Accept(_)
                    | MoveStep::Refuse { .. }
                    | MoveStep::TakeBack { .. }
                    | MoveStep::Settle { .. }
                    | MoveStep::Unknown,
                )
                | None => {}
            }
        }
        // Somebody who was taken in by another hand-over does not wait for this one.
        let is_elsewhere =
            order.iter().any(|event| self.applied.contains(event) && !aside.contains(event) && self.is_accept(*event));
        let is_over = state == MoveState::Given && (is_elsewhere || aside.contains(&give));
        (if is_over { MoveState::TakenBack } else { state }, why)
    }

    fn accepted(&self, order: &[RecordId], aside: &BTreeSet<RecordId>) -> Vec<Accepted> {
        let accepts = order.iter().filter(|id| self.applied.contains(id));
        let accepts = accepts.filter_map(|id| Some((*id, self.acceptance(*id)?)));
        let accepted = accepts.map(|(event, Acceptance { give, household, resident })| Accepted {
            event,
            give: *give,
            household: *household,
            resident: *resident,
            stands: !aside.contains(&event),
        });
        accepted.collect()
    }
}

impl MoveConflict {
    /// The one of the two that does not stand; `None` while that is open. Of an acceptance and a refusal that was set aside
    /// nothing is left but the acceptance.
    fn aside(&self) -> Option<RecordId> {
        let (stands, _) = self.settled?;
        self.between.into_iter().find(|event| *event != stands)
    }
}
