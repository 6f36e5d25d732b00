//! Decisions that were taken before something arrived that bears on them.
//!
//! Both stand: what was done was done, and whoever decided could not know. People are shown the two side by side and look
//! whether the decision holds. Which facts bear on which decisions, this list says; a row of a town's table
//! ([`Outcome::Unheard`]) adds to it, and a row of another outcome for the same two steps goes before it. It stands beside
//! the table that the program ships, which never changes: nothing has effect, or loses it, by the list.

use std::collections::BTreeSet;

use super::action::{Action, ReopenCause};
use super::judge::Judge;
use super::settlement::Conflict;
use super::step::{ConflictKind, Step};
use super::table::{Outcome, TransitionTable};

/// What bears on which decisions, if whoever decided had not heard of it. Only the first decision is shown that would have
/// been another one; where that is a verification, the closing after it is not named as well.
const NEWS: &[(Step, &[Step])] = &[
    (Step::Report, &[Step::Refuse]),
    (Step::AnswerCheck, &[Step::Accept, Step::Refuse, Step::AuditValid]),
    (Step::HandleOnSpot, &[Step::Accept, Step::Refuse, Step::Merge]),
    (Step::ReportIn, &[Step::ApproveReturn]),
    (Step::OrderDone, &[Step::VerifyPass, Step::VerifyFail, Step::Close]),
    (Step::RequestReturn, &[Step::VerifyPass, Step::Close]),
    (Step::ApproveReturn, &[Step::VerifyPass, Step::Close]),
    (Step::RequestVoid, &[Step::VerifyPass, Step::Close]),
    (
        Step::Supervise,
        &[Step::Refuse, Step::Merge, Step::AuditValid, Step::AuditInvalid, Step::Close, Step::ApproveVoid],
    ),
    (Step::Callback, &[Step::Callback, Step::Reopen]),
];

/// The steps that a step is news for, or that are news for it where it is not `first`, by the list. Those of which the table
/// has a row are left to that.
pub(super) fn by_list(table: &TransitionTable, step: Step, first: bool) -> impl Iterator<Item = Step> {
    let pairs = NEWS.iter().flat_map(|(fact, decisions)| decisions.iter().map(|decision| (*fact, *decision)));
    let unnamed = pairs
        .filter(|(fact, decision)| table.meetings().iter().all(|row| (row.first, row.second) != (*fact, *decision)));
    unnamed.filter_map(move |(fact, decision)| {
        let (own, other) = if first { (fact, decision) } else { (decision, fact) };
        (own == step).then_some(other)
    })
}

/// What the table calls it, or the list.
fn kind_of(table: &TransitionTable, fact: Step, decision: Step) -> ConflictKind {
    let row = table.meetings().iter().find(|row| (row.first, row.second) == (fact, decision));
    match (row, fact == decision) {
        (Some(row), _) => row.conflict,
        (None, true) => ConflictKind::ContraryCallback,
        (None, false) => ConflictKind::DecidedUnaware,
    }
}

impl Judge<'_> {
    /// Shows the first decision, in the order of the fold, that was taken without hearing of this event, and this event beside
    /// what it was decided unaware of. Each fact is shown once, or a case that went on for long would be full of them.
    pub(super) fn note_unaware(&mut self, place: usize, step: Step) {
        let facts = self.met(place, step, Outcome::Unheard, false);
        let facts: BTreeSet<usize> = facts
            .map(|(_, fact)| fact)
            .filter(|fact| !self.shown_late.contains(fact) && self.bears_on(*fact, place))
            .collect();
        // Of two events of one step either bears on the other, which is one conflict.
        let decisions = self.met(place, step, Outcome::Unheard, true).filter(|(other, _)| *other != step);
        let first = decisions.map(|(_, decision)| decision).filter(|decision| self.bears_on(place, *decision)).min();
        for (fact, decision) in facts.into_iter().map(|fact| (fact, place)).chain(first.map(|first| (place, first))) {
            self.show_beside(fact, decision);
        }
    }

    fn show_beside(&mut self, fact: usize, decision: usize) {
        let (Some(told), Some(decided)) = (self.step(fact), self.step(decision)) else { return };
        let kind = kind_of(self.between(fact, decision), told, decided);
        if let (Some(other), Some(stands)) = (self.id(fact), self.id(decision)) {
            self.shown_late.insert(fact);
            self.case.conflicts.push(Conflict { kind, stands, other, both_stand: true, settled_by: None });
        }
    }

    /// Whether what one event tells could have changed the decision of another. Of steps that are not named here any could.
    fn bears_on(&self, fact: usize, decision: usize) -> bool {
        let action = |place: usize| self.history.placed.get(place).map(|placed| &placed.input.event.action);
        let (Some(fact), Some(decision)) = (action(fact), action(decision)) else { return false };
        match (fact, decision) {
            (Action::AnswerCheck { found, .. }, Action::Accept) => !found,
            (Action::AnswerCheck { found, .. }, Action::Refuse { .. } | Action::Audit { valid: true, .. }) => *found,
            // The return of another order has nothing to do with it.
            (Action::ReportIn { order }, Action::Approve { request }) => {
                let asked = self.case.requests.iter().find(|asked| asked.event == *request);
                asked.and_then(|asked| asked.order).is_none_or(|returned| returned == *order)
            }
            (Action::Callback { solved, .. }, Action::Reopen { cause }) => *solved && *cause == ReopenCause::Unsolved,
            (Action::Callback { solved, .. }, Action::Callback { solved: other, .. }) => solved != other,
            (_, _) => true,
        }
    }
}
