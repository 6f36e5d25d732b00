//! The life cycle of cases as rows: who may do what when, and what happens when two steps were taken apart.

use std::fmt;
use std::str::FromStr;

use super::{Shipped, row};
use crate::domain::case::{
    CaseState, ConflictKind, Guard, Late, Meeting, Outcome, Rule, Step, Target, TransitionTable, Who,
};
use crate::domain::columns::{List, parse_word, text_cells, word_in_words, words};
use crate::domain::input::{self, Fault, InputError};
use crate::domain::record::Scalar;
use crate::domain::role::Role;
use crate::value::Value;

words!(CaseState, ConflictKind, Guard, Late, Outcome, Role, Step);
text_cells!(Target, Who);

row! {
    /// Who may take a step when, and where it leads (办理流程).
    pub struct TransitionRow of Transition {
        key {
            /// Which step.
            2 STEP step: Step = "操作", "step";
        }
        required {
            /// The states that allow it; none: only while there is no case yet.
            #[cfg_attr(feature = "openapi", schema(value_type = String))]
            3 STATES states: List<CaseState> = "允许状态", "states";
            /// Where it leads: a state, `stay`, or `back` to that before a suspension.
            4 TARGET target: Target = "去向", "to";
            /// Who may: roles, or `anyone`.
            5 WHO who: Who = "角色", "roles";
            /// What else must hold.
            #[cfg_attr(feature = "openapi", schema(value_type = String))]
            6 GUARDS guards: List<Guard> = "条件", "guards";
            /// What becomes of it when it comes late.
            7 LATE late: Late = "迟到时", "when late";
            /// Of steps that do not depend on each other the lower number goes first.
            8 PRECEDENCE precedence: u16 = "次序", "precedence";
        }
        optional {}
    }
}

row! {
    /// What happens when two steps were taken without knowing of each other (并发规则).
    pub struct MeetingRow of Meeting {
        key {
            /// One step; the one that goes before, where one does.
            2 FIRST first: Step = "操作一", "first step";
            /// The other.
            3 SECOND second: Step = "操作二", "second step";
        }
        required {
            /// What happens.
            4 OUTCOME outcome: Outcome = "结果", "outcome";
            /// What people are told.
            5 CONFLICT conflict: ConflictKind = "冲突名称", "conflict";
        }
        optional {}
    }
}

const STAY: [&str; 3] = ["stay", "不变", "the state stays"];
const BACK: [&str; 3] = ["back", "恢复原状态", "back to the state before"];
const ANYONE: [&str; 3] = ["anyone", "任何人", "anyone"];

impl Scalar for Target {
    fn to_value(&self) -> Value {
        Value::Text(self.to_string())
    }

    /// A state of a newer version stays one: the step leads where nothing that is known here goes on.
    fn from_value(value: &Value) -> Option<Self> {
        let text = value.as_text()?;
        text.parse().ok().or_else(|| text.parse().ok().map(Self::To))
    }
}

impl Scalar for Who {
    fn to_value(&self) -> Value {
        Value::Text(self.to_string())
    }

    /// Roles of a newer version stay beside those that are known.
    fn from_value(value: &Value) -> Option<Self> {
        if value.as_text() == Some(ANYONE[0]) {
            return Some(Self::Anyone);
        }
        List::<Role>::from_value(value).map(|roles| Self::Roles(roles.0.into_iter().collect()))
    }
}

impl FromStr for Target {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        if STAY.contains(&text) {
            return Ok(Self::Stay);
        }
        if BACK.contains(&text) {
            return Ok(Self::Back);
        }
        parse_word(text).map(Self::To)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stay => f.write_str(STAY[0]),
            Self::Back => f.write_str(BACK[0]),
            Self::To(state) => state.fmt(f),
        }
    }
}

impl Target {
    fn names(&self) -> [String; 2] {
        let [_, chinese, english] = match self {
            Self::Stay => STAY.map(str::to_owned),
            Self::Back => BACK.map(str::to_owned),
            Self::To(state) => word_in_words(*state),
        };
        [chinese, english]
    }
}

impl FromStr for Who {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        if ANYONE.contains(&text) {
            return Ok(Self::Anyone);
        }
        text.parse::<List<Role>>().map(|roles| Self::Roles(roles.0.into_iter().collect()))
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anyone => f.write_str(ANYONE[0]),
            Self::Roles(roles) => List(roles.iter().copied().collect()).fmt(f),
        }
    }
}

impl Who {
    fn names(&self) -> [String; 2] {
        let [_, chinese, english] = match self {
            Self::Anyone => ANYONE.map(str::to_owned),
            Self::Roles(roles) => crate::domain::columns::Cell::words(&List(roles.iter().copied().collect())),
        };
        [chinese, english]
    }
}

impl TransitionRow {
    /// The rule that it stands for; none where a column is missing.
    pub(super) fn into_rule(self) -> Option<Rule> {
        Some(Rule {
            step: self.step?,
            from: self.states.map(|states| states.0.into_iter().collect()).unwrap_or_default(),
            to: self.target?,
            who: self.who?,
            guards: self.guards.map(|guards| guards.0.into_iter().collect()).unwrap_or_default(),
            late: self.late?,
            precedence: u8::try_from(self.precedence?).ok()?,
        })
    }

    fn check_values(&self) -> Result<(), InputError> {
        input::number("precedence", self.precedence, 0..=u64::from(u8::MAX))
    }
}

impl MeetingRow {
    /// The meeting that it stands for; none where a column is missing.
    pub(super) fn into_meeting(self) -> Option<Meeting> {
        let (first, second, outcome, conflict) = (self.first?, self.second?, self.outcome?, self.conflict?);
        Some(Meeting { first, second, outcome, conflict })
    }

    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "each row has a check")]
    fn check_values(&self) -> Result<(), InputError> {
        Ok(())
    }
}

impl Shipped for TransitionRow {
    fn shipped() -> Vec<Self> {
        TransitionTable::default().rules().map(Self::of_rule).collect()
    }
}

impl TransitionRow {
    /// The row of a rule.
    pub fn of_rule(rule: &Rule) -> Self {
        Self {
            step: Some(rule.step),
            states: Some(List(rule.from.iter().copied().collect())),
            target: Some(rule.to),
            who: Some(rule.who.clone()),
            guards: Some(List(rule.guards.iter().copied().collect())),
            late: Some(rule.late),
            precedence: Some(rule.precedence.into()),
            retired: None,
        }
    }
}

impl Shipped for MeetingRow {
    fn shipped() -> Vec<Self> {
        TransitionTable::default().meetings().iter().map(Self::of_meeting).collect()
    }
}

impl MeetingRow {
    /// The row of a meeting.
    pub fn of_meeting(meeting: &Meeting) -> Self {
        Self {
            first: Some(meeting.first),
            second: Some(meeting.second),
            outcome: Some(meeting.outcome),
            conflict: Some(meeting.conflict),
            retired: None,
        }
    }
}
