//! From the events of a case to the case.

use std::collections::BTreeMap;

use super::edition::LifeCycle;
use super::event::CaseEvent;
use super::history::History;
use super::judge::Judge;
use super::state::{Case, heads};
use super::step::VoidReason;
use crate::id::{NodeId, RecordId};

/// Most events of one case that the fold looks at; later ones in its order are listed and left out.
pub const MAX_EVENTS: usize = 4096;

/// Most rounds of [`fold`]. More than two need a town that closed or voided a case on both sides, more than once.
const MAX_ROUNDS: usize = 8;

/// Low bits of a hybrid time that count within a millisecond.
const COUNTER_BITS: u32 = 16;

/// An event with what its entry says about it. Two nodes that write the same bytes (a device event that both saw)
/// write one event: the caller passes the facts of the smaller (time, author).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoldInput {
    /// The event.
    pub event: CaseEvent,
    /// Hybrid time of the entry: milliseconds since 1970 in the upper 48 bits, a counter in the lower 16.
    pub time: u64,
    /// The node that signed the entry.
    pub author: NodeId,
    /// Why the author could not write it, where certificates or logs say so.
    pub void: Option<VoidReason>,
}

/// Milliseconds since 1970 of a hybrid time.
pub const fn milliseconds(time: u64) -> u64 {
    time >> COUNTER_BITS
}

/// Folds the events of one case.
///
/// 1. *Order.* Every event comes after those that its author had seen; among ready ones the lower (precedence, time,
///    id) goes first. Events whose past is not complete, or whose rules are not held, wait.
/// 2. *Judgement*, in that order. A void event keeps its place and has no effect. Others need a rule in the table, a
///    role, guards, references that stand, and a state that allows the step. Where the state does not, but the state
///    as the author knew it did, the table says whether the step stands beside what others did, or yields to it.
/// 3. *Meetings.* A step that is beaten by a concurrent one has no effect, wherever the two stand in the order. Since
///    work goes before decisions by precedence, the one that beats nearly always comes first; where it comes after
///    (both sides went through several closings), the beaten event is struck and the fold starts again, at most eight
///    times.
///
/// Each event goes by the edition of the rules that it names, or a newer one that it has seen used ([`LifeCycle`]). The result
/// depends on the set of events and the editions only. At most [`MAX_EVENTS`] are looked at; time is
/// O(n log n) for the order and n * n / 64 words for the causal past.
pub fn fold(events: &BTreeMap<RecordId, FoldInput>, rules: &LifeCycle) -> Case {
    let history = History::of(events, rules);
    let mut overruled = BTreeMap::new();
    let mut judged = Judge::of(&history, rules, &overruled);
    for _ in 1..MAX_ROUNDS {
        if judged.overruled.is_empty() {
            break;
        }
        overruled.extend(judged.overruled);
        judged = Judge::of(&history, rules, &overruled);
    }
    let case = judged.case;
    let heads = heads(history.placed.iter().map(|placed| (placed.id, &placed.input.event.seen)));
    Case { heads, waiting: history.waiting, beyond_bound: history.beyond_bound, ..case }
}
