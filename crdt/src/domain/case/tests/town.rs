//! A case in the making: events written by named people who have seen named other events.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::case::{
    Action, Assignment, Case, CaseEvent, CaseState, Conflict, ConflictKind, Conveying, Effect, FoldInput, LifeCycle,
    LimitClock, Means, OrderRef, Reason, Report, Severity, Source, VoidReason, fold,
};
use crate::domain::role::Role;
use crate::id::{DocumentId, NodeId, RecordId};

pub(super) const CASE: DocumentId = DocumentId([7; 16]);
/// 2026-06-01 08:00 at UTC+8, a Monday.
pub(super) const MONDAY_8: u64 = 1_780_272_000_000;
pub(super) const MINUTE: u64 = 60_000;
pub(super) const HOUR: u64 = 60 * MINUTE;

pub(super) type Events = BTreeMap<RecordId, FoldInput>;

/// Events of one case under construction. Every event takes place a minute after the one before it.
#[derive(Default, Clone)]
pub(super) struct Town {
    pub(super) events: Events,
    names: BTreeMap<String, RecordId>,
    minutes: u64,
}

pub(super) fn id(number: u64) -> RecordId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    RecordId(bytes)
}

pub(super) fn hybrid(milliseconds: u64) -> u64 {
    milliseconds << 16
}

impl Town {
    /// `name` is done by `role` who has seen `seen` (names separated by blanks); the person is named as the role.
    pub(super) fn add(&mut self, name: &str, seen: &str, role: Role, action: Action) {
        self.add_by(name, seen, role, role.key(), action)
    }

    pub(super) fn add_by(&mut self, name: &str, seen: &str, role: Role, by: &str, action: Action) {
        self.minutes += 1;
        let at = MONDAY_8 + self.minutes * MINUTE;
        self.add_at(name, seen, role, by, at, action)
    }

    pub(super) fn add_at(&mut self, name: &str, seen: &str, role: Role, by: &str, at: u64, action: Action) {
        let seen: BTreeSet<RecordId> = seen.split_whitespace().map(|name| self.id(name)).collect();
        let event =
            CaseEvent { case: CASE, by: by.into(), role, seen, note: None, action, rules: None, restates: None };
        // Ids do not follow time, so that no test passes by that accident.
        let id = id((self.events.len() as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let input = FoldInput { event, time: hybrid(at), author: NodeId([1; 32]), void: None };
        self.events.insert(id, input);
        assert!(!name.contains(' '), "blanks separate names");
        assert!(self.names.insert(name.into(), id).is_none(), "{name} is used twice");
    }

    pub(super) fn void(&mut self, name: &str, reason: VoidReason) {
        let id = self.id(name);
        self.events.get_mut(&id).unwrap().void = Some(reason);
    }

    pub(super) fn id(&self, name: &str) -> RecordId {
        *self.names.get(name).unwrap_or_else(|| panic!("no event {name}"))
    }

    pub(super) fn order(&self, name: &str, index: u8) -> OrderRef {
        OrderRef { event: self.id(name), index }
    }

    pub(super) fn fold(&self) -> Case {
        fold(&self.events, &LifeCycle::default())
    }

    pub(super) fn effect(&self, case: &Case, name: &str) -> Effect {
        let id = self.id(name);
        case.timeline.iter().find(|entry| entry.event == id).unwrap_or_else(|| panic!("{name} is not placed")).effect
    }

    pub(super) fn applied(&self, case: &Case, name: &str) -> bool {
        matches!(self.effect(case, name), Effect::Applied | Effect::AppliedLate)
    }

    pub(super) fn reason(&self, case: &Case, name: &str) -> Option<Reason> {
        match self.effect(case, name) {
            Effect::None { reason, .. } => Some(reason),
            Effect::Applied | Effect::AppliedLate | Effect::Void(_) => None,
        }
    }

    pub(super) fn conflicts(&self, case: &Case) -> Vec<(ConflictKind, String, String)> {
        let name =
            |id: RecordId| self.names.iter().find(|(_, known)| **known == id).map(|(name, _)| name.clone()).unwrap();
        let words = |conflict: &Conflict| (conflict.kind, name(conflict.stands), name(conflict.other));
        case.open_conflicts().map(words).collect()
    }

    /// A case on its usual way up to and including the state.
    pub(super) fn until(state: CaseState) -> Self {
        let mut town = Self::default();
        let steps: &[fn(&mut Self)] = &[
            |town| town.add("report", "", Role::Inspector, report()),
            |town| town.add("accept", "report", Role::IntakeClerk, Action::Accept),
            |town| town.add("file", "accept", Role::DutyHead, file()),
            |town| town.add("dispatch", "file", Role::Dispatcher, dispatch(&["patrol", "fire"])),
            |town| {
                let (first, second) = (town.order("dispatch", 0), town.order("dispatch", 1));
                town.add("done0", "dispatch", Role::Handler, done(first));
                town.add("done1", "done0", Role::Handler, done(second));
                town.add("lead", "done1", Role::Handler, lead("patrol"));
            },
            |town| town.add_by("pass", "lead", Role::Inspector, "verifier", verify(true)),
            |town| town.add("close", "pass", Role::DutyHead, Action::Close),
        ];
        let count = match state {
            CaseState::Reported => 1,
            CaseState::Accepted => 2,
            CaseState::Filed => 3,
            CaseState::Handling => 4,
            CaseState::ToVerify => 5,
            CaseState::ToClose => 6,
            CaseState::Closed => 7,
            other => panic!("{other} is not on the usual way"),
        };
        steps[..count].iter().for_each(|step| step(&mut town));
        assert_eq!(town.fold().state, Some(state));
        town
    }

    /// The last event of [`Self::until`].
    pub(super) fn last(state: CaseState) -> &'static str {
        match state {
            CaseState::Reported => "report",
            CaseState::Accepted => "accept",
            CaseState::Filed => "file",
            CaseState::Handling => "dispatch",
            CaseState::ToVerify => "lead",
            CaseState::ToClose => "pass",
            CaseState::Closed => "close",
            other => panic!("{other} is not on the usual way"),
        }
    }
}

pub(super) fn report() -> Action {
    Action::Report(Box::new(Report {
        source: Source::Patrol,
        category: Some("exposed_rubbish".into()),
        place: "狼垡一村东口".into(),
        position: None,
        description: "垃圾堆放".into(),
        region: None,
        device: None,
        reporter: None,
        photos: vec![],
        found_ms: None,
    }))
}

pub(super) fn file() -> Action {
    Action::File {
        category: "exposed_rubbish".into(),
        severity: Severity::General,
        minutes: 480,
        clock: LimitClock::Working,
    }
}

pub(super) fn teams(teams: &[&str]) -> Vec<Assignment> {
    teams.iter().map(|team| Assignment { team: (*team).into(), task: "清理".into() }).collect()
}

pub(super) fn dispatch(to: &[&str]) -> Action {
    Action::Dispatch { orders: teams(to), lead: 0 }
}

pub(super) fn whistle(to: &[&str]) -> Action {
    Action::Whistle { callers: vec!["patrol".into()], called: teams(to) }
}

pub(super) fn done(order: OrderRef) -> Action {
    Action::OrderDone { order, result: "已清理".into(), photos: vec![] }
}

/// Somebody told `order` on at a time; `words` were read back.
pub(super) fn convey(order: OrderRef, means: Means, at_ms: u64, words: Option<String>) -> Action {
    let (speaker, to, read_back) = ("dispatcher-1".into(), "鹰眼二号".into(), words.is_some());
    Action::Convey { order, conveying: Conveying { means, speaker, to, at_ms, read_back, words } }
}

pub(super) fn assign(order: OrderRef, person: &str) -> Action {
    Action::Assign { order, person: person.into() }
}

pub(super) fn lead(team: &str) -> Action {
    Action::LeadClose { team: team.into(), summary: String::new() }
}

pub(super) fn verify(passed: bool) -> Action {
    Action::Verify { passed, finding: String::new(), photos: vec![] }
}

pub(super) fn supervise() -> Action {
    Action::Supervise { demand: reason(), due_ms: None }
}

pub(super) fn reason() -> String {
    "原因".into()
}
