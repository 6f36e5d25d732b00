//! What may be done about a conflict, what it is called, and who may.

use serde::{Deserialize, Serialize};

use crate::domain::case::{ConflictKind, OpenStep, Step, Who};
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
    /// It was seen that the event has no effect.
    Acknowledge,
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

/// The roles that settle conflicts of a case, by the rules in force.
pub(super) fn settling(steps: &[OpenStep]) -> Need {
    match steps.iter().find(|open| open.step == Step::Settle).map(|open| &open.who) {
        Some(Who::Roles(roles)) => Need::Role(roles.clone()),
        Some(Who::Anyone) | None => Need::Role(vec![]),
    }
}

pub(super) fn of_case(kind: ConflictKind, settling: &Need) -> Vec<Offer> {
    let settle =
        offer(ActionKey::Settle, "按现状裁定，可撤销任务", "as it stands; may call off orders", settling.clone());
    if kind != ConflictKind::DuplicateDispatch {
        return vec![settle];
    }
    vec![
        offer(
            ActionKey::Keep,
            "采用一方，撤销另一方的任务",
            "keep one, call off the orders of the other",
            settling.clone(),
        ),
        offer(ActionKey::KeepBoth, "两方都保留", "keep both", settling.clone()),
        settle,
    ]
}

pub(super) fn of_void_event(settling: &Need) -> Vec<Offer> {
    vec![offer(ActionKey::Acknowledge, "已知悉", "seen", settling.clone())]
}
