//! Who may do what when, as data that a town can adapt.

use std::collections::BTreeMap;

use serde::Serialize;

use super::state::CaseState;
use super::step::{ConflictKind, Step};
use super::unaware;
use crate::domain::codes::coded;
use crate::domain::role::Role;

/// Most rules and most meetings of a table: every step with every other.
const MAX_ROWS: usize = 2_048;
/// Most entries of a list within a rule.
const MAX_LIST: usize = 64;

coded! {
    /// A condition beyond state and role.
    pub enum Guard: "guard" {
        /// Whoever found the problem may not do this.
        NotFinder = 1, "not_finder", "非发现人", "not the finder";
        /// Only the finder may.
        OnlyFinder = 2, "only_finder", "仅发现人", "only the finder";
        /// Whoever worked on the case may not do this.
        NotHandler = 3, "not_handler", "非处置人", "not a handler of it";
        /// Nobody decides on their own request.
        NotRequester = 4, "not_requester", "非申请人", "not the requester";
        /// The team named leads the case.
        LeadTeam = 5, "lead_team", "牵头单位", "the leading team";
        /// Every order that the author knew of is finished, and one of them is done.
        OrdersDone = 6, "orders_done", "任务全部完成", "all orders done";
        /// Every demand of a commander that the author knew of has its reply. No shipped rule asks for it: a village that is cut off from
        /// its commander could not close. A town that wants it publishes an edition.
        Replied = 7, "replied", "督办均已回复", "every supervision replied to";
    }
}

coded! {
    /// What becomes of a step whose author could take it, but whose case was moved on by somebody who did not know.
    pub enum Late: "fate of a late step" {
        /// It has no effect and is shown as a conflict.
        Yields = 1, "yields", "不生效", "yields";
        /// It has effect, but leaves the state alone.
        Stands = 2, "stands", "仍生效", "stands";
    }
}

coded! {
    /// What happens when two steps were taken without knowing of each other.
    pub enum Outcome: "outcome of a meeting" {
        /// The second has no effect.
        Beats = 1, "beats", "前者优先", "the first beats the second";
        /// Both have effect; people settle it.
        BothStand = 2, "both_stand", "均有效", "both stand";
        /// States decide as usual; the row only names the conflict if one of the two yields.
        Named = 3, "named", "按流程", "named only";
        /// Both have effect. The second is a decision that was taken without hearing of the first: people look whether it holds.
        Unheard = 4, "unheard", "后到提示", "the second was decided unaware of the first";
    }
}

/// Where a step leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The state stays.
    Stay,
    /// To this state.
    To(CaseState),
    /// Back to the state before the suspension.
    Back,
}

/// Who may take a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Any role, also none (a device).
    Anyone,
    /// One of these.
    Roles(Vec<Role>),
}

/// One row: a step, from where to where, by whom, under which guards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// The step.
    pub step: Step,
    /// The states that allow it; none means: only while there is no case yet.
    pub from: Vec<CaseState>,
    /// Where it leads.
    pub to: Target,
    /// Who may.
    pub who: Who,
    /// What else must hold.
    pub guards: Vec<Guard>,
    /// What becomes of it when it comes late.
    pub late: Late,
    /// Among events that do not depend on each other, the lower number goes first.
    pub precedence: u8,
}

/// A step that can be taken now, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OpenStep {
    /// The step.
    pub step: Step,
    /// Who may.
    pub who: Who,
}

/// What happens when `first` and `second` were done without knowing of each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Meeting {
    /// One step; the one that goes before, where one does.
    pub first: Step,
    /// The other.
    pub second: Step,
    /// What happens.
    pub outcome: Outcome,
    /// What people are told.
    pub conflict: ConflictKind,
}

/// The rules of a town: [`TransitionTable::default`], that of the domain description, or those of an
/// [edition](super::LifeCycle) that the town published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TransitionTable {
    rules: BTreeMap<Step, Rule>,
    meetings: Vec<Meeting>,
}

/// Why rows are no table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Two rules for one step.
    #[error("the transition table has two rules for the step “{0}”; keep one")]
    Twice(Step),
    /// More rows than the bound.
    #[error("the transition table has {got} {what}, more than {most}; remove some")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        got: usize,
        /// The bound.
        most: usize,
    },
}

impl TransitionTable {
    /// A table of these rows; each step has at most one rule.
    pub fn new(rules: Vec<Rule>, meetings: Vec<Meeting>) -> Result<Self, TableError> {
        within("rules", rules.len(), MAX_ROWS)?;
        within("meetings", meetings.len(), MAX_ROWS)?;
        let mut by_step = BTreeMap::new();
        for rule in rules.into_iter().map(Rule::in_order) {
            within("states in a rule", rule.from.len(), MAX_LIST)?;
            within("guards in a rule", rule.guards.len(), MAX_LIST)?;
            if let Who::Roles(roles) = &rule.who {
                within("roles in a rule", roles.len(), MAX_LIST)?;
            }
            let step = rule.step;
            if by_step.insert(step, rule).is_some() {
                return Err(TableError::Twice(step));
            }
        }
        Ok(Self { rules: by_step, meetings: in_order(meetings) })
    }

    /// For tables that are written in the program and tested.
    pub(super) fn of_distinct(rules: impl IntoIterator<Item = Rule>, meetings: Vec<Meeting>) -> Self {
        let rules = rules.into_iter().map(|rule| (rule.step, rule.in_order()));
        Self { rules: rules.collect(), meetings: in_order(meetings) }
    }

    /// The rule of a step, if the table has one.
    pub fn rule(&self, step: Step) -> Option<&Rule> {
        self.rules.get(&step)
    }

    /// Every rule, by step.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.values()
    }

    /// What happens when steps meet.
    pub fn meetings(&self) -> &[Meeting] {
        &self.meetings
    }

    /// Steps that can be taken from this state; guards are not looked at.
    pub fn open_steps(&self, state: Option<CaseState>) -> Vec<OpenStep> {
        let open = self.rules().filter(|rule| rule.allows(state));
        open.map(|rule| OpenStep { step: rule.step, who: rule.who.clone() }).collect()
    }

    /// What the table calls a conflict between these two, whichever comes first.
    pub(super) fn conflict_between(&self, one: Step, other: Step) -> ConflictKind {
        let named = |meeting: &&Meeting| [(one, other), (other, one)].contains(&(meeting.first, meeting.second));
        self.meetings.iter().find(named).map_or(ConflictKind::DecidedApart, |meeting| meeting.conflict)
    }

    /// The steps that `step` meets with this outcome, `step` being the first where `first`, else the second.
    pub(super) fn opponents(&self, step: Step, outcome: Outcome, first: bool) -> impl Iterator<Item = Step> {
        let rows = self.meetings.iter().filter(move |meeting| meeting.outcome == outcome).filter_map(move |meeting| {
            let (own, other) = if first { (meeting.first, meeting.second) } else { (meeting.second, meeting.first) };
            (own == step).then_some(other)
        });
        let listed = (outcome == Outcome::Unheard).then(|| unaware::by_list(self, step, first));
        rows.chain(listed.into_iter().flatten())
    }
}

impl Rule {
    /// Its lists in the order of their codes, so that equal rules look alike.
    fn in_order(mut self) -> Self {
        self.from.sort_unstable();
        self.from.dedup();
        self.guards.sort_unstable();
        self.guards.dedup();
        if let Who::Roles(roles) = &mut self.who {
            roles.sort_unstable();
            roles.dedup();
        }
        self
    }

    /// Whether the state allows the step; `None` is the state before the first report.
    pub fn allows(&self, state: Option<CaseState>) -> bool {
        state.map_or(self.from.is_empty(), |state| self.from.contains(&state))
    }
}

impl Who {
    /// Whether somebody in this role may.
    pub fn includes(&self, role: Role) -> bool {
        match self {
            Self::Anyone => true,
            Self::Roles(roles) => roles.contains(&role),
        }
    }
}

fn in_order(mut meetings: Vec<Meeting>) -> Vec<Meeting> {
    meetings.sort_by_key(|meeting| (meeting.first, meeting.second));
    meetings
}

fn within(what: &'static str, got: usize, most: usize) -> Result<(), TableError> {
    if got <= most { Ok(()) } else { Err(TableError::TooMany { what, got, most }) }
}
