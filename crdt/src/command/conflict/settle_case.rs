//! Settling conflicts of cases: the events that the chosen action stands for.

use super::super::CommandError;
use super::super::case::{self, Actor};
use super::super::read::Reading;
use super::settle::{Choice, Of};
use super::{ActionKey, InboxKind, Need, OpenConflict};
use crate::clock::Millis;
use crate::domain::case::{Action, OrderRef, Reason, ReopenCause};
use crate::id::RecordId;
use crate::replica::{Recorded, Replica};

/// What somebody chose about which conflict.
pub(super) struct Choosing<'a> {
    pub(super) conflict: &'a OpenConflict,
    pub(super) actor: Option<&'a Actor>,
    pub(super) choice: &'a Choice,
}

/// Settles what is open between two events, or one without effect that is named twice.
pub(super) fn settle(
    replica: &mut Replica,
    of: &Of<'_>,
    events: [RecordId; 2],
    Choosing { conflict, actor, choice }: &Choosing<'_>,
    now: Millis,
) -> Result<Recorded, CommandError> {
    let offers = |action: ActionKey| conflict.offers.iter().any(|offer| offer.action == action);
    match choice {
        Choice::Keep(number) if conflict.kind == InboxKind::DUPLICATE_DISPATCH => {
            let kept = conflict.side(*number)?.side;
            let others = conflict.sides.iter().filter(|side| side.side != kept);
            let call_off = others.flat_map(|side| &side.orders).map(|sent| sent.order).collect();
            on_case(replica, of, events, call_off, *actor, now)
        }
        Choice::Settle(call_off) if conflict.kind != InboxKind::WithoutEffect => {
            let open = |order: &OrderRef| {
                conflict.sides.iter().any(|side| side.orders.iter().any(|sent| sent.order == *order))
            };
            if !call_off.iter().all(open) {
                return Err(CommandError::NoSuchOrder);
            }
            on_case(replica, of, events, call_off.clone(), *actor, now)
        }
        Choice::Acknowledge if conflict.kind == InboxKind::WithoutEffect => {
            on_case(replica, of, events, vec![], *actor, now)
        }
        Choice::Restate if offers(ActionKey::Restate) => restate(replica, of, events[0], *actor, now),
        Choice::Reopen if offers(ActionKey::Reopen) => {
            let actor = actor.ok_or(CommandError::ActorMissing)?;
            // Whoever may not settle is refused before anything is staged.
            check_need(conflict, ActionKey::Reopen, actor)?;
            let action = Action::Reopen { cause: ReopenCause::LateNews };
            case::act(replica, &of.case(), actor, action, now)?;
            on_case(replica, of, events, vec![], Some(actor), now)
        }
        Choice::Keep(_)
        | Choice::Household(_)
        | Choice::Resident(_)
        | Choice::Cell(_)
        | Choice::Merge(_)
        | Choice::Distinct
        | Choice::Settle(_)
        | Choice::Acknowledge
        | Choice::Restate
        | Choice::Reopen => Err(CommandError::NotOffered),
    }
}

/// Takes the settlement that an event made back.
pub(super) fn take_back(
    replica: &mut Replica,
    of: &Of<'_>,
    settlement: RecordId,
    actor: Option<&Actor>,
    now: Millis,
) -> Result<Recorded, CommandError> {
    on_case(replica, of, [settlement, settlement], vec![], actor, now)
}

fn on_case(
    replica: &mut Replica,
    of: &Of<'_>,
    between: [RecordId; 2],
    call_off: Vec<OrderRef>,
    actor: Option<&Actor>,
    now: Millis,
) -> Result<Recorded, CommandError> {
    let actor = actor.ok_or(CommandError::ActorMissing)?;
    let acted = case::act(replica, &of.case(), actor, Action::Settle { between, call_off }, now)?;
    // A case takes each action as a new event.
    acted.recorded().copied().ok_or(CommandError::ConflictChanged)
}

/// Does once more what an event without effect says.
fn restate(
    replica: &mut Replica,
    of: &Of<'_>,
    event: RecordId,
    actor: Option<&Actor>,
    now: Millis,
) -> Result<Recorded, CommandError> {
    let actor = actor.ok_or(CommandError::ActorMissing)?;
    let Reading::Case(record) = of.read(replica)? else { return Err(CommandError::ConflictSettled) };
    let void = record.case.timeline.into_iter().find(|entry| entry.event == event);
    let action = void.ok_or(CommandError::ConflictChanged)?.action;
    let acted = case::restate(replica, &of.case(), actor, (event, action), now)?;
    acted.recorded().copied().ok_or(CommandError::ConflictChanged)
}

/// That somebody acts in a role that an action of a conflict of a case needs.
fn check_need(conflict: &OpenConflict, action: ActionKey, actor: &Actor) -> Result<(), CommandError> {
    let offer = conflict.offers.iter().find(|offer| offer.action == action).ok_or(CommandError::NotOffered)?;
    match &offer.needs {
        Need::Role(roles) if !roles.contains(&actor.role) => {
            Err(CommandError::CaseRefused { reason: Reason::WrongRole, because_of: None, state: None })
        }
        Need::Role(_) | Need::Record | Need::Center => Ok(()),
    }
}
