//! The default transition table: the case life cycle of GB/T 30428 as the town uses it.
//!
//! A town goes by it until it publishes an [edition](super::LifeCycle) of its own, and events that name none go by it for ever:
//! it never changes. A newer program that knows better ships other rows for the town to publish.

use super::state::CaseState::{
    self, Accepted, Closed, Filed, Handling, Invalid, Joint, Linked, Refused, Reported, Suspended, ToClose, ToVerify,
    Void,
};
use super::step::{ConflictKind, Step};
use super::table::Late::{Stands, Yields};
use super::table::Target::{Back, Stay, To};
use super::table::{Guard, Late, Meeting, Outcome, Rule, Target, TransitionTable, Who};
use crate::domain::role::Role;

/// Whoever can hold an order.
const HANDLING: &[Role] = &[Role::Handler, Role::BackOffice, Role::Liaison];
/// Whoever can blow the whistle.
const WHISTLING: &[Role] = &[
    Role::Handler,
    Role::BackOffice,
    Role::Liaison,
    Role::Dispatcher,
    Role::Commander,
    Role::VillageClerk,
    Role::LaneChief,
];
/// Whoever can want a case away.
const VOIDING: &[Role] = &[Role::Handler, Role::BackOffice, Role::Liaison, Role::Dispatcher, Role::DutyHead];
/// Whoever can answer a supervision.
const REPLYING: &[Role] = &[Role::Handler, Role::BackOffice, Role::Liaison, Role::Dispatcher, Role::DutyHead];
/// Whoever sits at a phone or radio, or walks over with the sheet.
const CONVEYING: &[Role] = &[Role::Dispatcher, Role::DutyHead, Role::LaneChief, Role::BackOffice, Role::Commander];
const SETTLING: &[Role] = &[Role::Dispatcher, Role::DutyHead, Role::Commander];
const INTAKE: &[Role] = &[Role::IntakeClerk];
const DUTY_HEAD: &[Role] = &[Role::DutyHead];
const DISPATCHER: &[Role] = &[Role::Dispatcher];
const INSPECTOR: &[Role] = &[Role::Inspector];
const FINDING: &[Role] = &[Role::Inspector, Role::LaneChief];
const AUDITING: &[Role] = &[Role::DutyHead, Role::IntakeClerk];
const REOPENING: &[Role] = &[Role::DutyHead, Role::IntakeClerk];
const COMMANDER: &[Role] = &[Role::Commander];
/// Stands for any role.
const ANYONE: &[Role] = &[];

const AT_WORK: &[CaseState] = &[Handling, Joint];
/// An order may still be worked on while another team's was returned and waits for a new dispatch.
const HOLDING_ORDERS: &[CaseState] = &[Filed, Handling, Joint];
const OPEN: &[CaseState] = &[Reported, Accepted, Filed, Handling, Joint, Suspended, ToVerify, ToClose];
const ALL: &[CaseState] =
    &[Reported, Accepted, Filed, Handling, Joint, Suspended, ToVerify, ToClose, Closed, Void, Refused, Linked, Invalid];

type Row = (u8, Step, &'static [CaseState], Target, &'static [Role], &'static [Guard], Late);

/// Precedence, step, from, to, roles, guards, fate when late. Work goes before decisions about it, a decision that
/// keeps a case alive before one that ends it, and a void last.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    (0, Step::Report, &[], To(Reported), ANYONE, &[], Stands),
    (10, Step::AskCheck, &[Reported], Stay, INTAKE, &[], Stands),
    (10, Step::AnswerCheck, &[Reported], Stay, INSPECTOR, &[], Stands),
    (10, Step::Comment, ALL, Stay, ANYONE, &[], Stands),
    (10, Step::Supervise, OPEN, Stay, COMMANDER, &[], Stands),
    (10, Step::Reply, ALL, Stay, REPLYING, &[], Stands),
    (10, Step::Callback, &[Closed], Stay, INTAKE, &[], Yields),
    (20, Step::Accept, &[Reported], To(Accepted), INTAKE, &[], Yields),
    (22, Step::Merge, &[Reported], To(Linked), INTAKE, &[], Yields),
    (24, Step::Refuse, &[Reported], To(Refused), INTAKE, &[], Yields),
    (26, Step::HandleOnSpot, &[Reported], Stay, FINDING, &[Guard::OnlyFinder], Stands),
    (27, Step::AuditValid, &[Reported], To(Closed), AUDITING, &[Guard::NotFinder], Yields),
    (28, Step::AuditInvalid, &[Reported], To(Invalid), AUDITING, &[Guard::NotFinder], Yields),
    (30, Step::File, &[Accepted], To(Filed), DUTY_HEAD, &[], Yields),
    (40, Step::Dispatch, &[Filed], To(Handling), DISPATCHER, &[], Stands),
    (42, Step::Whistle, AT_WORK, To(Joint), WHISTLING, &[], Stands),
    (43, Step::Acknowledge, HOLDING_ORDERS, Stay, HANDLING, &[], Stands),
    (100, Step::Convey, ALL, Stay, CONVEYING, &[], Stands),
    (100, Step::Assign, HOLDING_ORDERS, Stay, HANDLING, &[], Stands),
    (44, Step::ReportIn, HOLDING_ORDERS, Stay, HANDLING, &[Guard::NotFinder], Stands),
    (46, Step::OrderDone, HOLDING_ORDERS, Stay, HANDLING, &[Guard::NotFinder], Stands),
    (50, Step::RequestReturn, AT_WORK, Stay, HANDLING, &[], Stands),
    (50, Step::RequestExtension, AT_WORK, Stay, HANDLING, &[], Stands),
    (50, Step::RequestSuspension, &[Handling], Stay, HANDLING, &[], Stands),
    (50, Step::RequestVoid, &[Filed, Handling], Stay, VOIDING, &[], Stands),
    (52, Step::ApproveExtension, AT_WORK, Stay, DISPATCHER, &[Guard::NotRequester], Stands),
    (53, Step::Decline, OPEN, Stay, DISPATCHER, &[Guard::NotRequester], Stands),
    (53, Step::DeclineVoid, OPEN, Stay, DUTY_HEAD, &[Guard::NotRequester], Stands),
    (54, Step::ApproveReturn, AT_WORK, To(Filed), DISPATCHER, &[Guard::NotRequester], Stands),
    (56, Step::ApproveSuspension, &[Handling], To(Suspended), DISPATCHER, &[Guard::NotRequester], Yields),
    (57, Step::Resume, &[Suspended], Back, DISPATCHER, &[], Yields),
    (60, Step::LeadClose, AT_WORK, To(ToVerify), HANDLING, &[Guard::NotFinder, Guard::LeadTeam, Guard::OrdersDone], Yields),
    (70, Step::VerifyFail, &[ToVerify], To(Filed), INSPECTOR, &[Guard::NotHandler], Yields),
    (72, Step::VerifyPass, &[ToVerify], To(ToClose), INSPECTOR, &[Guard::NotHandler], Yields),
    (75, Step::Reopen, &[Closed], To(Filed), REOPENING, &[], Yields),
    (78, Step::Settle, ALL, Stay, SETTLING, &[], Stands),
    (80, Step::Close, &[ToClose], To(Closed), DUTY_HEAD, &[], Yields),
    (90, Step::ApproveVoid, &[Filed, Handling], To(Void), DUTY_HEAD, &[Guard::NotRequester], Yields),
];

const MEETINGS: &[(Step, Step, Outcome, ConflictKind)] = &[
    (Step::VerifyFail, Step::Close, Outcome::Beats, ConflictKind::VerificationBeatsClose),
    (Step::VerifyFail, Step::VerifyPass, Outcome::Beats, ConflictKind::ContraryVerification),
    (Step::ReportIn, Step::ApproveVoid, Outcome::Beats, ConflictKind::VoidOverWork),
    (Step::OrderDone, Step::ApproveVoid, Outcome::Beats, ConflictKind::VoidOverWork),
    (Step::LeadClose, Step::ApproveVoid, Outcome::Beats, ConflictKind::VoidOverWork),
    (Step::VerifyFail, Step::ApproveVoid, Outcome::Beats, ConflictKind::VoidOverWork),
    (Step::VerifyPass, Step::ApproveVoid, Outcome::Beats, ConflictKind::VoidOverWork),
    (Step::Dispatch, Step::Dispatch, Outcome::BothStand, ConflictKind::DuplicateDispatch),
    (Step::Dispatch, Step::LeadClose, Outcome::BothStand, ConflictKind::OrderAfterFinish),
    (Step::Whistle, Step::LeadClose, Outcome::BothStand, ConflictKind::OrderAfterFinish),
    (Step::Dispatch, Step::ApproveVoid, Outcome::BothStand, ConflictKind::VoidOverDispatch),
    (Step::Whistle, Step::ApproveVoid, Outcome::Named, ConflictKind::VoidOverDispatch),
    (Step::Accept, Step::Merge, Outcome::Named, ConflictKind::ContraryIntake),
    (Step::Accept, Step::Refuse, Outcome::Named, ConflictKind::ContraryIntake),
    (Step::Accept, Step::AuditValid, Outcome::Named, ConflictKind::ContraryIntake),
    (Step::Accept, Step::AuditInvalid, Outcome::Named, ConflictKind::ContraryIntake),
    (Step::Merge, Step::Refuse, Outcome::Named, ConflictKind::ContraryIntake),
    (Step::Merge, Step::Merge, Outcome::Named, ConflictKind::ContraryIntake),
    (Step::File, Step::File, Outcome::Named, ConflictKind::DuplicateFiling),
];

impl Default for TransitionTable {
    fn default() -> Self {
        let rules = ROWS.iter().map(|(precedence, step, from, to, roles, guards, late)| Rule {
            step: *step,
            from: from.to_vec(),
            to: *to,
            who: if roles.is_empty() { Who::Anyone } else { Who::Roles(roles.to_vec()) },
            guards: guards.to_vec(),
            late: *late,
            precedence: *precedence,
        });
        let meetings = MEETINGS.iter().map(|(first, second, outcome, conflict)| Meeting {
            first: *first,
            second: *second,
            outcome: *outcome,
            conflict: *conflict,
        });
        Self::of_distinct(rules, meetings.collect())
    }
}
