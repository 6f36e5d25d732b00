//! What in a case waits for somebody to decide or to answer, as work lists ask for it.

use townmesh_crdt::domain::case::{Case, CaseState, RequestKind, Source};

use super::analysis::words;

words! {
    /// What waits in a case.
    pub enum CaseWait {
        /// A request to give an order back.
        Return = "return": "退回待批", "a return to approve";
        /// A request for more time.
        Extension = "extension": "延期待批", "an extension to approve";
        /// A request to stop the clock.
        Suspension = "suspension": "挂账待批", "a suspension to approve";
        /// A request to declare the case void.
        Void = "void": "作废待批", "a void to approve";
        /// A check that intake asked for.
        Check = "check": "核实待复", "a check to answer";
        /// A claim to have dealt with it on the spot.
        Audit = "audit": "当场处置待审", "a claim to audit";
        /// A demand of the commander.
        Reply = "reply": "督办待复", "a demand to reply to";
        /// A callback to whoever told of it.
        Callback = "callback": "待回访", "a callback";
    }
}

impl CaseWait {
    /// What waits in a case.
    pub(super) fn of(case: &Case) -> Vec<Self> {
        let requested = |kind| case.pending_requests().any(|request| request.kind == kind);
        let state = case.state;
        let is_told = case.reported.as_ref().is_some_and(|reported| reported.report.source == Source::Public);
        let waits = [
            (Self::Return, requested(RequestKind::Return)),
            (Self::Extension, requested(RequestKind::Extension)),
            (Self::Suspension, requested(RequestKind::Suspension)),
            (Self::Void, requested(RequestKind::Void)),
            (Self::Check, state == Some(CaseState::Reported) && case.checks.iter().any(|check| check.answer.is_none())),
            (Self::Audit, state == Some(CaseState::Reported) && !case.on_spot.is_empty()),
            (Self::Reply, case.is_supervised()),
            (Self::Callback, state == Some(CaseState::Closed) && is_told && case.callbacks.is_empty()),
        ];
        waits.into_iter().filter(|(_, waits)| *waits).map(|(wait, _)| wait).collect()
    }

    /// As a column holds them, so that one of them can be looked for; `None` where nothing waits.
    pub(super) fn column(waits: &[Self]) -> Option<String> {
        let names: Vec<&str> = waits.iter().map(|wait| wait.name()).collect();
        (!names.is_empty()).then(|| format!(",{},", names.join(",")))
    }

    /// What a column holds.
    pub(super) fn read(column: Option<&str>) -> Vec<Self> {
        let names = column.unwrap_or_default();
        Self::ALL.iter().copied().filter(|wait| names.contains(&format!(",{},", wait.name()))).collect()
    }
}
