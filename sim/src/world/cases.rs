//! What people do next about a case, by where it stands.

use townmesh_crdt::command::CommandError;
use townmesh_crdt::command::case::{self, Actor, CaseRef};
use townmesh_crdt::domain::case::{
    Action, Assignment, Case, CaseState, Conveying, LimitClock, Means, OrderRef, OrderStatus, ReopenCause, RequestKind,
    Satisfaction, Severity,
};
use townmesh_crdt::domain::role::Role;
use townmesh_crdt::policy::DocumentKind;

use super::ledger::Content;
use super::work::{Staged, Task};

/// Somebody acts on some case of the region.
pub(super) fn act(task: &mut Task<'_>) -> Result<Staged, CommandError> {
    let Some(namespace) = task.cases() else { return Ok(None) };
    let Some(document) = task.some(&namespace, DocumentKind::Case)? else { return Ok(None) };
    let Some(read) = case::read(task.replica, &namespace, document)? else { return Ok(None) };
    let (role, action) = next(task, &read.case);
    let reference = CaseRef { namespace: namespace.clone(), document };
    let actor = Actor { by: format!("{}-{role}", task.by), role, note: None };
    let outcome = case::act(task.replica, &reference, &actor, action, task.now)?;
    let record = Some(outcome.value().event);
    Ok(outcome.recorded().map(|recorded| (*recorded, namespace, Content { document, record, mark: None })))
}

fn next(task: &mut Task<'_>, case: &Case) -> (Role, Action) {
    let roll = task.dice.below(100);
    match case.state {
        Some(CaseState::Reported) => match roll {
            0..70 => (Role::IntakeClerk, Action::Accept),
            70..80 => (Role::IntakeClerk, Action::AskCheck { question: "在哪里".into() }),
            80..85 => (Role::IntakeClerk, Action::Refuse { reason: "不属实".into() }),
            _ => comment(task),
        },
        Some(CaseState::Accepted) => {
            let (category, severity) = ("exposed_rubbish".to_owned(), Severity::General);
            (Role::DutyHead, Action::File { category, severity, minutes: 480, clock: LimitClock::Working })
        }
        Some(CaseState::Filed) => {
            let teams = 1 + task.dice.below(2);
            let orders =
                (0..teams).map(|team| Assignment { team: format!("team-{team}"), task: "清理".into() }).collect();
            (Role::Dispatcher, Action::Dispatch { orders, lead: 0 })
        }
        Some(CaseState::Handling | CaseState::Joint) => handling(task, case, roll),
        Some(CaseState::Suspended) => (Role::Dispatcher, Action::Resume),
        Some(CaseState::ToVerify) => {
            (Role::Inspector, Action::Verify { passed: roll < 80, finding: "看过".into(), photos: vec![] })
        }
        Some(CaseState::ToClose) => (Role::DutyHead, Action::Close),
        Some(CaseState::Closed) if roll < 30 => {
            (Role::IntakeClerk, Action::Callback { satisfaction: Satisfaction::Satisfied, solved: true })
        }
        Some(CaseState::Closed) if roll < 40 => (Role::DutyHead, Action::Reopen { cause: ReopenCause::Recurrence }),
        Some(
            CaseState::Closed
            | CaseState::Void
            | CaseState::Refused
            | CaseState::Linked
            | CaseState::Invalid
            | CaseState::Unknown(_),
        )
        | None => comment(task),
    }
}

fn comment(task: &mut Task<'_>) -> (Role, Action) {
    (Role::LaneChief, Action::Comment { text: format!("{} {}", task.canary, task.dice.below(1_000)) })
}

fn radioed(task: &Task<'_>, order: OrderRef) -> Action {
    let conveying = Conveying {
        means: Means::Radio,
        speaker: task.by.to_string(),
        to: "鹰眼二号".into(),
        at_ms: task.now,
        read_back: true,
        words: Some("收到".into()),
    };
    Action::Convey { order, conveying }
}

fn handling(task: &mut Task<'_>, case: &Case, roll: u32) -> (Role, Action) {
    if let Some(request) = case.pending_requests().next().filter(|_| roll < 60) {
        let role = if request.kind == RequestKind::Void { Role::DutyHead } else { Role::Dispatcher };
        return (role, Action::Approve { request: request.event });
    }
    if let Some(order) = case.open_orders().next().filter(|_| roll < 85) {
        let order_ref = order.id;
        let action = match order.status {
            // A unit without a node is told by radio.
            OrderStatus::Sent if roll < 20 => return (Role::Dispatcher, radioed(task, order_ref)),
            OrderStatus::Sent => Action::Acknowledge { order: order_ref },
            OrderStatus::Acknowledged if roll < 20 => {
                Action::Assign { order: order_ref, person: format!("member-{}", task.dice.below(20)) }
            }
            OrderStatus::Acknowledged if roll < 40 => Action::ReportIn { order: order_ref },
            OrderStatus::Acknowledged | OrderStatus::ReportedIn => {
                Action::OrderDone { order: order_ref, result: "已清理".into(), photos: vec![] }
            }
            OrderStatus::Done | OrderStatus::Returned | OrderStatus::CalledOff | OrderStatus::Unknown(_) => {
                return comment(task);
            }
        };
        return (Role::Handler, action);
    }
    match roll {
        85..88 => (Role::Handler, Action::RequestExtension { minutes: 60, reason: "下雨".into() }),
        88..90 => (Role::Handler, Action::RequestSuspension { reason: "等料".into() }),
        90..92 => (Role::DutyHead, Action::RequestVoid { reason: "重复".into() }),
        92..96 => {
            let called = vec![Assignment { team: "team-9".into(), task: "支援".into() }];
            (Role::Dispatcher, Action::Whistle { callers: vec!["team-0".into()], called })
        }
        96..98 => (Role::Commander, Action::Supervise { demand: "限期".into(), due_ms: None }),
        _ => {
            let lead = case.orders.iter().find(|order| order.lead).map(|order| order.team.clone());
            (Role::Handler, Action::LeadClose { team: lead.unwrap_or_default(), summary: "完".into() })
        }
    }
}
