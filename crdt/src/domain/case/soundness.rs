//! Which transition tables a town can work by, and which promises a table does not keep.

use std::collections::BTreeSet;

use super::state::CaseState;
use super::step::{ConflictKind, Step};
use super::table::{Guard, Late, Meeting, Outcome, Rule, Target, TransitionTable, Who};
use crate::domain::codes::coded;
use crate::domain::role::Role;

coded! {
    /// What people rely on whichever rules a town has. A town may do without, but not by mistake.
    pub enum Promise: "promise of the life cycle" {
        /// Whoever found a problem does not handle it.
        FinderHandlesNot = 1, "finder_handles_not", "发现人不处置", "the finder does not handle";
        /// Whoever handled a case does not verify it.
        HandlerVerifiesNot = 2, "handler_verifies_not", "处置人不核查", "a handler does not verify";
        /// Nobody decides on their own request.
        OthersDecide = 3, "others_decide", "不审批自己的申请", "nobody decides on their own request";
        /// Whoever dealt with a problem on the spot does not audit that.
        OthersAudit = 4, "others_audit", "不审核自己的当场处置", "nobody audits what they did on the spot";
        /// A failed verification goes before closing and before one that passed.
        FailureStands = 5, "failure_stands", "核查未通过优先", "a failed verification goes before closing";
        /// A void does not hide what was done meanwhile.
        WorkNotVoided = 6, "work_not_voided", "作废不掩盖已做的工作", "a void does not hide work";
        /// Two dispatches made apart are both shown.
        BothDispatched = 7, "both_dispatched", "重复派遣均显示", "two dispatches made apart both stand";
        /// Work counts although the case was moved on meanwhile.
        LateWorkCounts = 8, "late_work_counts", "迟到的工作仍生效", "work that comes late counts";
    }
}

/// Why a town could not work by a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unsound {
    /// Nobody can report: the step has no rule, or one that wants a case to be there.
    NoReport,
    /// A step besides the report is allowed only while there is no case.
    NoStates(Step),
    /// The rule of a step names no role.
    Nobody(Step),
    /// The rule of a step has a word of a newer version.
    Unknown(Step),
    /// No way leads from a report to a closed case.
    NeverClosed,
    /// A case that gets into this state stays there, with work to be done.
    DeadEnd(CaseState),
    /// What is asked for by this step, nobody can decide.
    Undecided(Step),
    /// A step leads back to the state before a suspension from another state than that.
    BackFrom(Step),
    /// Each of the two steps goes before the other.
    BeatEachOther(Step, Step),
    /// What two sides decided apart, nobody can settle.
    NoSettling,
}

impl Unsound {
    /// For people, in Chinese and English.
    pub fn words(&self) -> [String; 2] {
        let both = |chinese: &str, english: &str| [chinese.to_owned(), english.to_owned()];
        let of = |step: &Step, chinese: &str, english: &str| {
            [format!("“{}”{chinese}", step.chinese()), format!("“{}” {english}", step.english())]
        };
        match self {
            Self::NoReport => both(
                "无人可以上报：“上报”须允许在案卷建立之前进行",
                "nobody can report: “report” needs a rule that names no state",
            ),
            Self::NoStates(step) => {
                of(step, "没有允许状态，案卷建立后无法进行", "names no state, so nobody could take it")
            }
            Self::Nobody(step) => of(step, "没有角色可以进行", "names no role"),
            Self::Unknown(step) => {
                of(step, "用了新版本程序的词，请先升级", "has a word of a newer version: upgrade this node first")
            }
            Self::NeverClosed => both("从上报无法到达“已结案”", "no way leads from a report to a closed case"),
            Self::DeadEnd(state) => [
                format!("案卷进入“{}”后无法离开", state.chinese()),
                format!("a case cannot leave “{}”", state.english()),
            ],
            Self::Undecided(step) => of(step, "无人可以审批", "can be decided by nobody"),
            Self::BeatEachOther(one, other) => [
                format!("“{}”与“{}”互相优先", one.chinese(), other.chinese()),
                format!("“{}” and “{}” each go before the other", one.english(), other.english()),
            ],
            Self::NoSettling => both(
                "无人可以裁定冲突：“冲突裁定”须有规则",
                "nobody can settle conflicts: “settle a conflict” needs a rule",
            ),
            Self::BackFrom(step) => of(
                step,
                "的去向“恢复原状态”只能用于挂账的案卷",
                "leads back, which only a case that is suspended can go",
            ),
        }
    }
}

/// Requests, and the steps of which each needs one.
const DECIDED_BY: &[(Step, &[Step])] = &[
    (Step::RequestReturn, &[Step::ApproveReturn, Step::Decline]),
    (Step::RequestExtension, &[Step::ApproveExtension, Step::Decline]),
    (Step::RequestSuspension, &[Step::ApproveSuspension, Step::Decline]),
    (Step::RequestVoid, &[Step::ApproveVoid, Step::DeclineVoid]),
    (Step::HandleOnSpot, &[Step::AuditValid, Step::AuditInvalid]),
    (Step::AskCheck, &[Step::AnswerCheck]),
    (Step::Supervise, &[Step::Reply]),
];

/// Guards by which promises are kept, and the steps that need them.
const GUARDED: &[(Promise, Guard, &[Step])] = &[
    (Promise::FinderHandlesNot, Guard::NotFinder, &[Step::ReportIn, Step::OrderDone, Step::LeadClose]),
    (Promise::HandlerVerifiesNot, Guard::NotHandler, &[Step::VerifyPass, Step::VerifyFail]),
    (
        Promise::OthersDecide,
        Guard::NotRequester,
        &[
            Step::ApproveReturn,
            Step::ApproveExtension,
            Step::ApproveSuspension,
            Step::ApproveVoid,
            Step::Decline,
            Step::DeclineVoid,
        ],
    ),
    (Promise::OthersAudit, Guard::NotFinder, &[Step::AuditValid, Step::AuditInvalid]),
];

/// A promise, and the pairs of steps that must meet so.
type Kept = (Promise, Outcome, &'static [(Step, Step)]);

/// Meetings by which promises are kept.
const MET: &[Kept] = &[
    (Promise::FailureStands, Outcome::Beats, &[(Step::VerifyFail, Step::Close), (Step::VerifyFail, Step::VerifyPass)]),
    (
        Promise::WorkNotVoided,
        Outcome::Beats,
        &[
            (Step::ReportIn, Step::ApproveVoid),
            (Step::OrderDone, Step::ApproveVoid),
            (Step::LeadClose, Step::ApproveVoid),
            (Step::VerifyFail, Step::ApproveVoid),
            (Step::VerifyPass, Step::ApproveVoid),
        ],
    ),
    (Promise::BothDispatched, Outcome::BothStand, &[(Step::Dispatch, Step::Dispatch)]),
];

/// Steps that are work, or set people to work.
const WORK: &[Step] =
    &[Step::Report, Step::Dispatch, Step::Whistle, Step::Acknowledge, Step::ReportIn, Step::OrderDone];

impl TransitionTable {
    /// Why a town could not work by the table; none where it can. Cases that go by `others` now go on by this one.
    pub fn unsound<'a>(&self, others: impl IntoIterator<Item = &'a Self>) -> Vec<Unsound> {
        let mut found: BTreeSet<Unsound> = self.rules().filter_map(unsound_rule).collect();
        found.extend(self.meetings().iter().filter_map(|met| self.unsound_meeting(met)));
        found.extend(self.rule(Step::Settle).is_none().then_some(Unsound::NoSettling));
        if self.rule(Step::Report).is_none_or(|rule| !rule.from.is_empty()) {
            found.insert(Unsound::NoReport);
            return found.into_iter().collect();
        }
        let has = |step: &Step| self.rule(*step).is_some();
        let undecided = DECIDED_BY.iter().filter(|(step, decisions)| has(step) && !decisions.iter().any(has));
        found.extend(undecided.map(|(step, _)| Unsound::Undecided(*step)));
        let start: BTreeSet<CaseState> = self.start().collect();
        if !self.reached(start.clone()).contains(&CaseState::Closed) {
            found.insert(Unsound::NeverClosed);
        }
        let begun = others.into_iter().flat_map(|other| other.reached(other.start()));
        let states = self.reached(start.into_iter().chain(begun));
        let is_stuck = |state: &&CaseState| state.is_open() && !self.reached([**state]).contains(&CaseState::Closed);
        found.extend(states.iter().filter(is_stuck).map(|state| Unsound::DeadEnd(*state)));
        found.into_iter().collect()
    }

    fn unsound_meeting(&self, met: &Meeting) -> Option<Unsound> {
        let Meeting { first, second, outcome, conflict } = *met;
        let unknown = matches!(outcome, Outcome::Unknown(_)) || matches!(conflict, ConflictKind::Unknown(_));
        if unknown || matches!(second, Step::Unknown(_)) {
            return Some(Unsound::Unknown(first));
        }
        let beats = outcome == Outcome::Beats && self.lists((second, first), Outcome::Beats);
        beats.then_some(Unsound::BeatEachOther(first, second))
    }

    /// Promises that the table does not keep. A step that nobody can take breaks none.
    pub fn broken_promises(&self) -> Vec<Promise> {
        let lacks = |guard: Guard| move |rule: &Rule| !rule.guards.contains(&guard);
        let guards = GUARDED
            .iter()
            .filter(|(_, guard, steps)| steps.iter().filter_map(|step| self.rule(*step)).any(lacks(*guard)));
        let met = MET.iter().filter(|(_, outcome, pairs)| pairs.iter().any(|pair| !self.keeps(*pair, *outcome)));
        let late = WORK.iter().filter_map(|step| self.rule(*step)).any(|rule| rule.late != Late::Stands);
        let mut broken: BTreeSet<Promise> = guards.map(|(promise, ..)| *promise).collect();
        broken.extend(met.map(|(promise, ..)| *promise));
        broken.extend(late.then_some(Promise::LateWorkCounts));
        broken.into_iter().collect()
    }

    fn keeps(&self, (first, second): (Step, Step), outcome: Outcome) -> bool {
        self.rule(first).is_none() || self.rule(second).is_none() || self.lists((first, second), outcome)
    }

    fn lists(&self, (first, second): (Step, Step), outcome: Outcome) -> bool {
        self.meetings().iter().any(|row| (row.first, row.second, row.outcome) == (first, second, outcome))
    }

    /// The state that a report leads to.
    fn start(&self) -> impl Iterator<Item = CaseState> {
        self.rule(Step::Report).map(|rule| rule.to).into_iter().filter_map(only_state)
    }

    /// Every state that a case can get into which is in one of these.
    fn reached(&self, from: impl IntoIterator<Item = CaseState>) -> BTreeSet<CaseState> {
        let mut open: Vec<CaseState> = from.into_iter().collect();
        let mut reached = BTreeSet::new();
        while let Some(state) = open.pop() {
            if reached.insert(state) {
                open.extend(self.next(state));
            }
        }
        reached
    }

    /// The states that a case can go to from a state.
    fn next(&self, state: CaseState) -> impl Iterator<Item = CaseState> {
        let rules = self.rules().filter(move |rule| rule.allows(Some(state)));
        rules.flat_map(|rule| match rule.to {
            Target::Stay => vec![],
            Target::To(state) => vec![state],
            Target::Back => self.suspended_from().collect(),
        })
    }

    fn suspended_from(&self) -> impl Iterator<Item = CaseState> {
        let suspend = self.rules().filter(|rule| rule.to == Target::To(CaseState::Suspended));
        suspend.flat_map(|rule| rule.from.iter().copied())
    }
}

fn only_state(target: Target) -> Option<CaseState> {
    match target {
        Target::To(state) => Some(state),
        Target::Stay | Target::Back => None,
    }
}

fn unsound_rule(rule: &Rule) -> Option<Unsound> {
    let unknown = matches!(rule.step, Step::Unknown(_))
        || matches!(rule.to, Target::To(CaseState::Unknown(_)))
        || matches!(rule.late, Late::Unknown(_))
        || rule.from.iter().any(|state| matches!(state, CaseState::Unknown(_)))
        || rule.guards.iter().any(|guard| matches!(guard, Guard::Unknown(_)))
        || matches!(&rule.who, Who::Roles(roles) if roles.iter().any(|role| matches!(role, Role::Unknown(_))));
    if unknown {
        return Some(Unsound::Unknown(rule.step));
    }
    if rule.who == Who::Roles(vec![]) {
        return Some(Unsound::Nobody(rule.step));
    }
    if rule.from.is_empty() && rule.step != Step::Report {
        return Some(Unsound::NoStates(rule.step));
    }
    let back = rule.to == Target::Back && rule.from != [CaseState::Suspended];
    back.then_some(Unsound::BackFrom(rule.step))
}
