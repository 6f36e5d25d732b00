//! How long each desk took with a case.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Stage, Tables};
use crate::domain::case::{Action, Case, CaseState, Effect, Limit, LimitClock, milliseconds};
use crate::id::RecordId;

/// One stretch of a case that a desk had to do something in. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StageSpan {
    /// What was to be done.
    pub stage: Stage,
    /// Since when.
    pub started: u64,
    /// When it was done; `None` while it is not.
    pub ended: Option<u64>,
    /// Who did it.
    pub by: Option<String>,
    /// When it is to be done; `None` where the town sets no limit.
    pub due: Option<u64>,
}

impl Tables {
    /// The stretches of a case, in order of their beginning. A case that was declared void leaves its last one out:
    /// nobody had to do it any more.
    pub fn stages(&self, case: &Case) -> Vec<StageSpan> {
        let mut spans: Vec<StageSpan> = vec![];
        // Places of the questions that intake asked.
        let mut asked: BTreeMap<RecordId, usize> = BTreeMap::new();
        let mut current: Option<(CaseState, u64)> = None;
        let applied =
            case.timeline.iter().filter(|entry| matches!(entry.effect, Effect::Applied | Effect::AppliedLate));
        for entry in applied {
            let time = milliseconds(entry.time);
            if let Action::AskCheck { .. } = entry.action {
                asked.insert(entry.event, spans.len());
                spans.push(self.span(Stage::Check, time));
            }
            if let Action::AnswerCheck { question, .. } = entry.action
                && let Some(span) = asked.get(&question).and_then(|place| spans.get_mut(*place))
            {
                end(span, time, &entry.by);
            }
            let Some(state) = entry.state else { continue };
            if current.is_some_and(|(before, _)| before == state) {
                continue;
            }
            if let Some((before, started)) = current
                && let Some(stage) = stage_of(before)
                && state != CaseState::Void
            {
                let mut span = self.span(stage, started);
                end(&mut span, time, &entry.by);
                spans.push(span);
            }
            current = Some((state, time));
        }
        let open = current.and_then(|(state, started)| Some(self.span(stage_of(state)?, started)));
        spans.extend(open);
        spans.sort_by_key(|span| (span.started, span.stage));
        spans
    }

    fn span(&self, stage: Stage, started: u64) -> StageSpan {
        let due = self.stage_limit(stage, started).and_then(|limit| self.reached(started, limit));
        StageSpan { stage, started, ended: None, by: None, due }
    }

    /// When a limit that begins to run is reached.
    pub(super) fn reached(&self, started: u64, limit: Limit) -> Option<u64> {
        let amount = u64::from(limit.minutes) * 60_000;
        match limit.clock {
            LimitClock::Working => self.calendar().advance(started, amount),
            LimitClock::Emergency => started.checked_add(amount),
            LimitClock::Unknown(_) => None,
        }
    }
}

/// Clocks of different nodes may disagree: nothing ends before it begins.
fn end(span: &mut StageSpan, time: u64, by: &str) {
    if span.ended.is_none() {
        span.ended = Some(time.max(span.started));
        span.by = Some(by.to_owned());
    }
}

/// What a desk has to do with a case in this state.
fn stage_of(state: CaseState) -> Option<Stage> {
    match state {
        CaseState::Reported => Some(Stage::Intake),
        CaseState::Accepted => Some(Stage::Filing),
        CaseState::Filed => Some(Stage::Dispatch),
        CaseState::ToVerify => Some(Stage::Verification),
        CaseState::ToClose => Some(Stage::Closing),
        CaseState::Handling
        | CaseState::Joint
        | CaseState::Suspended
        | CaseState::Closed
        | CaseState::Void
        | CaseState::Refused
        | CaseState::Linked
        | CaseState::Invalid
        | CaseState::Unknown(_) => None,
    }
}
