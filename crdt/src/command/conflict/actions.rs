//! What may be done about a conflict, what it is called, and who may.

use serde::{Deserialize, Serialize};

use crate::domain::case::{ConflictKind, Effect, OpenStep, Step, TimelineEntry, VoidReason, Who};
use crate::domain::role::Role;

/// What somebody does about a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = ConflictAction))]
#[serde(rename_all = "snake_case")]
pub enum ActionKey {
    /// One side stands; of two dispatches the orders of the other are called off.
    Keep,
    /// Another value than any of the sides.
    Value,
    /// The residents are one person, who is shown as the side chosen.
    Merge,
    /// They are two.
    Distinct,
    /// Both stand.
    KeepBoth,
    /// It stays as it stands, but for the orders that are called off.
    Settle,
    /// It was seen that the event has no effect, and is left so.
    Acknowledge,
    /// Whoever may does once more, in their own name, what had no effect.
    Restate,
    /// The case is taken up again, since it was closed unaware of something.
    Reopen,
}

/// Which right an action needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = ConflictNeed))]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// To record where the document lies.
    Record,
    /// A center.
    Center,
    /// To act in one of these roles.
    Role(Vec<Role>),
}

/// An action that settles a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = ConflictOffer))]
pub struct Offer {
    /// What to name it by.
    pub action: ActionKey,
    /// In Chinese.
    pub chinese: &'static str,
    /// In English.
    pub english: &'static str,
    /// Who may.
    pub needs: Need,
}

fn offer(action: ActionKey, chinese: &'static str, english: &'static str, needs: Need) -> Offer {
    Offer { action, chinese, english, needs }
}

pub(super) fn of_field() -> Vec<Offer> {
    vec![offer(ActionKey::Keep, "采用其中一方", "keep one side", Need::Record)]
}

/// People may write another value, too, which is checked as the field is.
pub(super) fn of_household_field() -> Vec<Offer> {
    let value = offer(ActionKey::Value, "另填一个值", "write another value", Need::Record);
    of_field().into_iter().chain([value]).collect()
}

/// What only a center can judge.
pub(super) fn of_centers() -> Vec<Offer> {
    vec![offer(ActionKey::Keep, "采用其中一方", "keep one side", Need::Center)]
}

pub(super) fn of_cell() -> Vec<Offer> {
    vec![
        offer(ActionKey::Keep, "采用其中一方", "keep one side", Need::Center),
        offer(ActionKey::Value, "另填一个值", "write another value", Need::Center),
    ]
}

pub(super) fn of_residents() -> Vec<Offer> {
    vec![
        offer(ActionKey::Merge, "同一人，保留所选", "one person: keep the side chosen", Need::Record),
        offer(ActionKey::Distinct, "不是同一人", "not the same person", Need::Record),
    ]
}

/// What settles editions of the rules of cases that were published apart.
pub(super) fn of_editions() -> Vec<Offer> {
    vec![offer(ActionKey::Keep, "采用其中一版并再次发布", "keep one: publish it once more", Need::Center)]
}

/// Who may take a step of a case now, by the rules in force; `None` where nobody can.
fn taking(steps: &[OpenStep], step: Step) -> Option<Vec<Role>> {
    let open = steps.iter().find(|open| open.step == step)?;
    Some(match &open.who {
        Who::Roles(roles) => roles.clone(),
        Who::Anyone => Role::ALL.to_vec(),
    })
}

/// The roles that settle conflicts of a case, by the rules in force.
fn settling(steps: &[OpenStep]) -> Vec<Role> {
    taking(steps, Step::Settle).unwrap_or_default()
}

pub(super) fn of_case(kind: ConflictKind, steps: &[OpenStep]) -> Vec<Offer> {
    let settling = settling(steps);
    let needs = || Need::Role(settling.clone());
    let settle = offer(ActionKey::Settle, "按现状裁定，可撤销任务", "as it stands; may call off orders", needs());
    if kind == ConflictKind::DecidedUnaware {
        let holds =
            offer(ActionKey::Settle, "决定不变，可撤销任务", "the decision holds; may call off orders", needs());
        let mut reopening = taking(steps, Step::Reopen).unwrap_or_default();
        reopening.retain(|role| settling.contains(role));
        let reopen = (!reopening.is_empty())
            .then(|| offer(ActionKey::Reopen, "重新处理本案", "take the case up again", Need::Role(reopening)));
        return std::iter::once(holds).chain(reopen).collect();
    }
    if kind != ConflictKind::DuplicateDispatch {
        return vec![settle];
    }
    vec![
        offer(ActionKey::Keep, "采用一方，撤销另一方的任务", "keep one, call off the orders of the other", needs()),
        offer(ActionKey::KeepBoth, "两方都保留", "keep both", needs()),
        settle,
    ]
}

/// What had no effect may stay so, or be done once more by whoever may, where the case still allows it.
pub(super) fn of_void_event(entry: &TimelineEntry, steps: &[OpenStep]) -> Vec<Offer> {
    let needs = Need::Role(settling(steps));
    let leave = offer(ActionKey::Acknowledge, "知悉，仍不生效", "seen: it stays without effect", needs);
    let is_of_this_case = entry.effect != Effect::Void(VoidReason::WrongCase);
    let taking =
        entry.step.filter(|step| is_of_this_case && *step != Step::Settle).and_then(|step| taking(steps, step));
    let restate = taking.map(|roles| {
        offer(ActionKey::Restate, "以本人名义重新提出", "state it again in your own name", Need::Role(roles))
    });
    std::iter::once(leave).chain(restate).collect()
}
