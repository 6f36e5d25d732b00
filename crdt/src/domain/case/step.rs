//! The words of the fold: steps, reasons and conflicts.

use std::collections::BTreeMap;

use super::action::Action;
use super::fold::FoldInput;
use crate::domain::codes::coded;
use crate::id::RecordId;

coded! {
    /// What an event does, as the table names it: an action, told apart by what it approves or finds.
    pub enum Step: "step of a case" {
        /// A problem is reported.
        Report = 1, "report", "上报", "report";
        /// Intake asks for a look.
        AskCheck = 2, "ask_check", "要求核实", "ask for a check";
        /// The inspector answers.
        AnswerCheck = 3, "answer_check", "核实反馈", "answer a check";
        /// Intake accepts.
        Accept = 4, "accept", "受理", "accept";
        /// Intake refuses.
        Refuse = 5, "refuse", "不予受理", "refuse";
        /// A duplicate of another case.
        Merge = 6, "merge", "并案", "merge as duplicate";
        /// Category, severity and limit are fixed.
        File = 7, "file", "立案", "file";
        /// Orders go out.
        Dispatch = 8, "dispatch", "派遣", "dispatch";
        /// Other units are called.
        Whistle = 9, "whistle", "吹哨", "whistle";
        /// A team has read its order.
        Acknowledge = 10, "acknowledge", "签收", "acknowledge";
        /// A team is there.
        ReportIn = 11, "report_in", "报到", "report in";
        /// A team wants to give its order back.
        RequestReturn = 12, "request_return", "申请退回", "request return";
        /// It may.
        ApproveReturn = 13, "approve_return", "同意退回", "approve return";
        /// More time is asked for.
        RequestExtension = 14, "request_extension", "申请延期", "request extension";
        /// And given.
        ApproveExtension = 15, "approve_extension", "同意延期", "approve extension";
        /// The clock shall stop.
        RequestSuspension = 16, "request_suspension", "申请挂账", "request suspension";
        /// It stops.
        ApproveSuspension = 17, "approve_suspension", "同意挂账", "approve suspension";
        /// It runs again.
        Resume = 18, "resume", "恢复处理", "resume";
        /// The case should not exist.
        RequestVoid = 19, "request_void", "申请作废", "request void";
        /// It does not.
        ApproveVoid = 20, "approve_void", "同意作废", "approve void";
        /// A return, extension or suspension is declined.
        Decline = 21, "decline", "不同意", "decline";
        /// A void is declined.
        DeclineVoid = 22, "decline_void", "不同意作废", "decline void";
        /// One order is done.
        OrderDone = 23, "order_done", "处置完成", "order done";
        /// The leading team has finished.
        LeadClose = 24, "lead_close", "牵头办结", "lead closes";
        /// The problem is gone.
        VerifyPass = 25, "verify_pass", "核查通过", "verification passed";
        /// It is still there.
        VerifyFail = 26, "verify_fail", "核查未通过", "verification failed";
        /// The duty head closes.
        Close = 27, "close", "结案", "close";
        /// The caller was asked.
        Callback = 28, "callback", "回访", "callback";
        /// A closed case is taken up again.
        Reopen = 29, "reopen", "重新处理", "reopen";
        /// The finder dealt with it.
        HandleOnSpot = 30, "handle_on_spot", "当场处置", "handled on the spot";
        /// The audit agrees.
        AuditValid = 31, "audit_valid", "当场处置审核有效", "audit: valid";
        /// The audit does not.
        AuditInvalid = 32, "audit_invalid", "当场处置审核无效", "audit: invalid";
        /// The commander demands an answer.
        Supervise = 33, "supervise", "督办", "supervise";
        /// And gets it.
        Reply = 34, "reply", "督办回复", "reply to supervision";
        /// Words for everybody.
        Comment = 35, "comment", "备注", "comment";
        /// A conflict is settled.
        Settle = 36, "settle", "冲突裁定", "settle a conflict";
        /// An order is handed on by voice or on paper.
        Convey = 37, "convey", "传达", "convey an order";
        /// An order goes to a named person.
        Assign = 38, "assign", "落实到人", "assign to a person";
    }
}

coded! {
    /// Why the author of an event could not write it: found outside the fold, from certificates and logs.
    pub enum VoidReason: "reason why an event is void" {
        /// The author's certificate was revoked before this event.
        Revoked = 1, "revoked", "作者证书已吊销", "the author was revoked";
        /// The certificate does not list the role.
        RoleNotHeld = 2, "role_not_held", "作者无权以此角色操作", "the author may not act in this role";
        /// The certificate does not list the region.
        RegionNotHeld = 3, "region_not_held", "作者无权在此区域操作", "the author may not act in this region";
        /// The author's log forked before this event.
        Forked = 4, "forked", "作者日志出现分叉", "the author's log forked";
        /// The event names another case than the document that holds it.
        WrongCase = 5, "wrong_case", "事件属于其他案卷", "the event names another case";
    }
}

coded! {
    /// Why a valid event changed nothing.
    pub enum Reason: "reason for no effect" {
        /// An action of a newer version.
        UnknownAction = 1, "unknown_action", "本版本不认识此操作", "this version does not know the action";
        /// The table has no row for the step.
        NotInTable = 2, "not_in_table", "流程表中没有此操作", "the transition table has no such step";
        /// The table does not allow the role.
        WrongRole = 3, "wrong_role", "此角色不能进行此操作", "this role may not do this";
        /// The state does not allow the step.
        WrongState = 4, "wrong_state", "当前状态不允许此操作", "the state does not allow this";
        /// Somebody else, not knowing of this, had moved the case on.
        Overtaken = 5, "overtaken", "另一方已作其他决定", "somebody else had decided otherwise";
        /// Somebody else, not knowing of this, had decided the same.
        DecidedAlready = 6, "decided_already", "另一方已作同样决定", "somebody else had decided the same";
        /// A concurrent event goes before this one by rule.
        Beaten = 7, "beaten", "按规则让位于同时发生的操作", "a concurrent event goes before this one by rule";
        /// It builds on an event without effect.
        RestsOn = 8, "rests_on", "所依据的操作未生效", "it builds on an event without effect";
        /// The finder may not handle or judge.
        Finder = 9, "finder", "发现人不得处置或审核本案", "the finder may not handle or judge this";
        /// Only the finder may.
        NotFinder = 10, "not_finder", "只有发现人可以当场处置", "only the finder may do this";
        /// A handler may not verify.
        Handler = 11, "handler", "处置人不得核查本案", "a handler of the case may not verify it";
        /// A requester may not decide.
        OwnRequest = 12, "own_request", "不得审批自己的申请", "nobody decides on their own request";
        /// Only the leading team closes.
        NotLead = 13, "not_lead", "只有牵头单位可以办结", "only the leading team may do this";
        /// Orders are still open.
        OrdersOpen = 14, "orders_open", "仍有任务未完成", "orders are still open";
        /// The referenced event is missing, without effect, of another kind, or not seen by the author.
        NoSuchReference = 15, "no_such_reference", "所引用的操作不存在或未生效", "the event it refers to is not there";
        /// The request was decided.
        RequestDecided = 16, "request_decided", "该申请已审批", "the request is decided already";
        /// The order is done, returned or called off.
        OrderClosed = 17, "order_closed", "该任务已结束", "the order is finished already";
        /// More orders than a case can hold.
        TooManyOrders = 18, "too_many_orders", "任务数量超过上限", "more orders than a case can hold";
        /// The table asks for a guard that this version does not know.
        UnknownGuard = 19, "unknown_guard", "本版本不认识此规则", "this version does not know a rule of the table";
        /// The conflict is not there or settled.
        NoSuchConflict = 20, "no_such_conflict", "没有待裁定的此项冲突", "there is no such open conflict";
        /// What it tells of would have been after it was written down.
        InFuture = 21, "in_future", "所述时间晚于记录时间", "the time that it names lies after it was recorded";
        /// A demand of a commander has no reply.
        DemandOpen = 22, "demand_open", "督办尚未回复", "a supervision waits for its reply";
    }
}

coded! {
    /// What two sides decided without knowing of each other.
    pub enum ConflictKind: "kind of conflict" {
        /// Two dispatches; both stand.
        DuplicateDispatch = 1, "duplicate_dispatch", "重复派遣", "duplicate dispatch";
        /// Closed while a verification failed; the failure stands.
        VerificationBeatsClose = 2, "verification_beats_close", "结案时核查未通过", "closed while a verification failed";
        /// Voided while people worked on it; the work stands.
        VoidOverWork = 3, "void_over_work", "作废时已有处置", "voided over work done";
        /// One verification passed, one failed; the failure stands.
        ContraryVerification = 4, "contrary_verification", "核查结论不一致", "contrary verifications";
        /// Intake decided differently.
        ContraryIntake = 5, "contrary_intake", "受理结论不一致", "contrary intake decisions";
        /// Filed twice with different facts.
        DuplicateFiling = 6, "duplicate_filing", "重复立案", "duplicate filing";
        /// One approved, one declined the same request.
        ContraryDecision = 7, "contrary_decision", "审批结论不一致", "contrary decisions on one request";
        /// The lead finished while others were being sent.
        OrderAfterFinish = 8, "order_after_finish", "办结时另有任务派出", "orders sent while the lead finished";
        /// Voided while teams were being sent; their orders are called off.
        VoidOverDispatch = 9, "void_over_dispatch", "作废时已派遣", "voided while being dispatched";
        /// Anything else decided apart.
        DecidedApart = 10, "decided_apart", "各自处理不一致", "decided apart";
        /// Something came to light that whoever decided had not heard of; both stand.
        DecidedUnaware = 11, "decided_unaware", "作决定时不知此情况", "decided before this was heard of";
        /// One callback says solved, another unsolved.
        ContraryCallback = 12, "contrary_callback", "回访结果不一致", "contrary callbacks";
    }
}

impl Step {
    /// The step of an action; approvals and declines look at the request in the event set. `None` when that is missing
    /// or no request.
    pub(super) fn of(action: &Action, events: &BTreeMap<RecordId, FoldInput>) -> Option<Self> {
        let asked = |request: &RecordId| events.get(request).map(|input| &input.event.action);
        Some(match action {
            Action::Report(_) => Self::Report,
            Action::AskCheck { .. } => Self::AskCheck,
            Action::AnswerCheck { .. } => Self::AnswerCheck,
            Action::Accept => Self::Accept,
            Action::Refuse { .. } => Self::Refuse,
            Action::Merge { .. } => Self::Merge,
            Action::File { .. } => Self::File,
            Action::Dispatch { .. } => Self::Dispatch,
            Action::Whistle { .. } => Self::Whistle,
            Action::Acknowledge { .. } => Self::Acknowledge,
            Action::ReportIn { .. } => Self::ReportIn,
            Action::RequestReturn { .. } => Self::RequestReturn,
            Action::RequestExtension { .. } => Self::RequestExtension,
            Action::RequestSuspension { .. } => Self::RequestSuspension,
            Action::RequestVoid { .. } => Self::RequestVoid,
            Action::Approve { request } => return Self::approval(asked(request)?),
            Action::Decline { request, .. } => return Self::refusal(asked(request)?),
            Action::Resume => Self::Resume,
            Action::OrderDone { .. } => Self::OrderDone,
            Action::LeadClose { .. } => Self::LeadClose,
            Action::Verify { passed: true, .. } => Self::VerifyPass,
            Action::Verify { passed: false, .. } => Self::VerifyFail,
            Action::Close => Self::Close,
            Action::Callback { .. } => Self::Callback,
            Action::Reopen { .. } => Self::Reopen,
            Action::HandleOnSpot { .. } => Self::HandleOnSpot,
            Action::Audit { valid: true, .. } => Self::AuditValid,
            Action::Audit { valid: false, .. } => Self::AuditInvalid,
            Action::Supervise { .. } => Self::Supervise,
            Action::Reply { .. } => Self::Reply,
            Action::Comment { .. } => Self::Comment,
            Action::Settle { .. } => Self::Settle,
            Action::Convey { .. } => Self::Convey,
            Action::Assign { .. } => Self::Assign,
            Action::Unknown(unknown) => Self::of_unknown(unknown.code),
        })
    }

    /// A code beyond the known steps, so that a new action can never pass for an old step.
    fn of_unknown(code: u16) -> Self {
        Self::Unknown(code | 0x8000)
    }

    fn approval(request: &Action) -> Option<Self> {
        REQUESTS.iter().find(|(is_it, ..)| is_it(request)).map(|(_, approve, _)| *approve)
    }

    fn refusal(request: &Action) -> Option<Self> {
        REQUESTS.iter().find(|(is_it, ..)| is_it(request)).map(|(.., decline)| *decline)
    }
}

type IsRequest = fn(&Action) -> bool;

/// Which requests there are, and the steps that approve and decline them.
const REQUESTS: [(IsRequest, Step, Step); 4] = [
    (|action| matches!(action, Action::RequestReturn { .. }), Step::ApproveReturn, Step::Decline),
    (|action| matches!(action, Action::RequestExtension { .. }), Step::ApproveExtension, Step::Decline),
    (|action| matches!(action, Action::RequestSuspension { .. }), Step::ApproveSuspension, Step::Decline),
    (|action| matches!(action, Action::RequestVoid { .. }), Step::ApproveVoid, Step::DeclineVoid),
];
