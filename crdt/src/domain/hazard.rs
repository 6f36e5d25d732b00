//! Hazards: what an inspection found and what became of it.
//!
//! ```text
//! open ──take up──> rectifying ──report done──> recheck ──pass──> closed
//!                       ^                          │                │
//!                       └──────────fail────────────┘                │
//!  open <──────────────────────────reopen──────────────────────────┘
//! ```

use serde::Serialize;

use super::checklist::Grade;
use super::codes::coded;
use super::hazard_deed::HazardDeed;
use super::input::{self, InputError};
use super::key;
use super::record::record;
use super::role::Role;
use crate::id::{DocumentId, RecordId};

coded! {
    /// Where a hazard stands.
    pub enum HazardState: "hazard state" {
        /// Found; nobody works on it.
        Open = 1, "open", "待整改", "open";
        /// Being put right.
        Rectifying = 2, "rectifying", "整改中", "rectifying";
        /// Said to be put right; somebody else has to look.
        Recheck = 3, "recheck", "待复查", "recheck";
        /// Seen to be put right.
        Closed = 4, "closed", "已销号", "closed";
    }
}

coded! {
    /// What is done about a hazard.
    pub enum HazardStep: "hazard step" {
        /// Somebody takes it up.
        TakeUp = 1, "take_up", "开始整改", "take up";
        /// They say that it is done.
        ReportDone = 2, "report_done", "报告整改完成", "report done";
        /// Somebody else found it done.
        Pass = 3, "pass", "复查合格", "pass";
        /// Somebody else found it not done.
        Fail = 4, "fail", "复查不合格", "fail";
        /// It is there again.
        Reopen = 5, "reopen", "重新开启", "reopen";
    }
}

record! {
    /// A hazard (隐患) in a household.
    pub struct Hazard {
        /// The household, dwelling, enterprise or grid that it is in; part of the natural key.
        1 HOUSEHOLD household: Option<DocumentId>,
        /// Checklist pack; part of the natural key.
        2 CHECKLIST checklist: Option<u16>,
        /// Item of the pack; part of the natural key.
        3 ITEM item: Option<u16>,
        /// How often it was found anew here after it was closed, from 1; part of the natural key.
        4 OCCURRENCE occurrence: Option<u16>,
        /// How serious it is.
        5 GRADE grade: Option<Grade>,
        /// Where it stands.
        6 STATE state: Option<HazardState>,
        /// The inspection that found it.
        7 INSPECTION inspection: Option<RecordId>,
        /// The case that was made of it.
        8 CASE case: Option<DocumentId>,
        /// Who found it: a member's code.
        9 FOUND_BY found_by: Option<String>,
        /// When it was found, in milliseconds since 1970.
        10 FOUND_AT found_at: Option<i64>,
        /// By when it is to be put right, in milliseconds since 1970.
        11 DUE due: Option<i64>,
        /// Who took it up or put it right last: a member's code.
        12 RECTIFIED_BY rectified_by: Option<String>,
        /// Who rechecked it last: a member's code.
        13 RECHECKED_BY rechecked_by: Option<String>,
        /// When its state last changed, in milliseconds since 1970.
        14 CHANGED_AT changed_at: Option<i64>,
        /// Remarks; nothing that identifies a person.
        15 NOTE note: Option<String>,
    }
}

/// Why a step cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HazardStepError {
    /// The step does not lead on from this state.
    #[error("“{}”不能用于“{}”的隐患 / a hazard that is {state} does not allow the step {step}", step.chinese(), state.chinese())]
    NotFromHere {
        /// Where the hazard stands.
        state: HazardState,
        /// The step that was tried.
        step: HazardStep,
    },
    /// Nobody judges their own work.
    #[error("整改人不能复查自己的整改 / whoever put a hazard right cannot recheck it: ask another inspector")]
    OwnWork,
    /// Others do that.
    #[error("“{}”不能由{}进行 / nobody does “{}” as {}: ask somebody with a role for it", step.chinese(), role.chinese(), step.english(), role.english())]
    WrongRole {
        /// The step that was tried.
        step: HazardStep,
        /// In which role.
        role: Role,
    },
    /// Whoever finds does not handle.
    #[error("发现人不能整改自己发现的隐患 / whoever found a hazard cannot put it right: ask a handler")]
    Finder,
}

impl HazardState {
    /// The state after a step.
    pub fn after(self, step: HazardStep) -> Result<Self, HazardStepError> {
        match (self, step) {
            (Self::Open, HazardStep::TakeUp) | (Self::Recheck, HazardStep::Fail) => Ok(Self::Rectifying),
            // Whoever puts it right on the spot need not take it up first.
            (Self::Open | Self::Rectifying, HazardStep::ReportDone) => Ok(Self::Recheck),
            (Self::Recheck, HazardStep::Pass) => Ok(Self::Closed),
            (Self::Closed, HazardStep::Reopen) => Ok(Self::Open),
            (state, step) => Err(HazardStepError::NotFromHere { state, step }),
        }
    }

    /// Which of several states, written without knowledge of each other, has effect: the least advanced, so that a
    /// failed recheck beats a concurrent close. States of a newer version give way to known ones.
    pub fn prevailing(concurrent: impl IntoIterator<Item = Self>) -> Option<Self> {
        concurrent.into_iter().min()
    }
}

impl Hazard {
    /// The hazard after a deed, `earlier` being what was done about it before. Nobody puts right what they found, and nobody
    /// judges what they had a hand in.
    pub fn after(&self, deed: &HazardDeed, earlier: &[HazardDeed]) -> Result<Self, HazardStepError> {
        let step = deed.step.unwrap_or(HazardStep::Unknown(0));
        let by = deed.by.as_deref().unwrap_or_default();
        let is_by = |other: &str| key::normalise(other) == key::normalise(by);
        let state = self.state.unwrap_or(HazardState::Open).after(step)?;
        if let Some(role) = deed.role.filter(|role| !HazardDeed::may(step, *role)) {
            return Err(HazardStepError::WrongRole { step, role });
        }
        if deed.rectifies() && self.found_by.as_deref().is_some_and(is_by) {
            return Err(HazardStepError::Finder);
        }
        let handled = earlier.iter().filter(|deed| deed.rectifies()).filter_map(|deed| deed.by.as_deref());
        let judges = matches!(step, HazardStep::Pass | HazardStep::Fail);
        if judges && handled.chain(self.rectified_by.as_deref()).any(is_by) {
            return Err(HazardStepError::OwnWork);
        }
        let mut next = Self { state: Some(state), changed_at: deed.at_ms, ..self.clone() };
        match step {
            HazardStep::TakeUp | HazardStep::ReportDone => next.rectified_by = Some(by.to_owned()),
            HazardStep::Pass | HazardStep::Fail => next.rechecked_by = Some(by.to_owned()),
            HazardStep::Reopen | HazardStep::Unknown(_) => {}
        }
        Ok(next)
    }

    /// Checks what somebody entered; see [`input`].
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn check(&self) -> Result<(), InputError> {
        input::texts(&self.fields(), Self::table)
    }

    /// The key of its document: two offices that find one thing apart from each other write about one hazard.
    /// `None` while household or item is not known.
    pub fn natural_key(&self) -> Option<Vec<u8>> {
        let household = self.household?.to_string();
        let (checklist, item) = (self.checklist?.to_string(), self.item?.to_string());
        Some(key::natural_key(&[&household, &checklist, &item, &self.occurrence.unwrap_or(1).to_string()]))
    }
}

coded! {
    /// The mark on a door tag.
    pub enum DoorMark: "door mark" {
        /// No hazard is left.
        Green = 1, "green", "绿", "green";
        /// General hazards are left.
        Yellow = 2, "yellow", "黄", "yellow";
        /// Major or severe hazards are left.
        Red = 3, "red", "红", "red";
    }
}

impl DoorMark {
    /// The mark that follows from a household's hazards. A hazard of unknown grade counts as major.
    pub fn of<'a>(hazards: impl IntoIterator<Item = &'a Hazard>) -> Self {
        let mark = |hazard: &Hazard| match (hazard.state, hazard.grade) {
            (Some(HazardState::Closed), _) => Self::Green,
            (_, Some(Grade::General)) => Self::Yellow,
            (_, Some(Grade::Major | Grade::Severe | Grade::Unknown(_)) | None) => Self::Red,
        };
        hazards.into_iter().map(mark).max().unwrap_or(Self::Green)
    }
}

/// What a door shows where it is asked for: its mark, or that the mark is not known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum DoorSign {
    /// 绿: no hazard is left.
    Green,
    /// 黄: general hazards are left.
    Yellow,
    /// 红: major or severe hazards are left.
    Red,
    /// 不明: not everything that was recorded of the door is here.
    Unknown,
}

impl DoorSign {
    /// What a mark that follows from the hazards known here comes to. Where something may be missing, green would promise
    /// what nobody knows and yellow might be red: only red is shown, since nothing is worse.
    pub fn of(mark: DoorMark, is_complete: bool) -> Self {
        match mark {
            DoorMark::Red => Self::Red,
            DoorMark::Yellow if is_complete => Self::Yellow,
            DoorMark::Green if is_complete => Self::Green,
            DoorMark::Yellow | DoorMark::Green | DoorMark::Unknown(_) => Self::Unknown,
        }
    }

    /// In Simplified Chinese, for people.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::Green => "绿",
            Self::Yellow => "黄",
            Self::Red => "红",
            Self::Unknown => "不明",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> Hazard {
        Hazard {
            household: Some(DocumentId([1; 16])),
            checklist: Some(1),
            item: Some(4),
            grade: Some(Grade::Severe),
            state: Some(HazardState::Open),
            found_by: Some("xcy-1".into()),
            ..Hazard::default()
        }
    }

    #[test]
    fn exactly_the_drawn_steps_are_allowed() {
        use HazardState::{Closed, Open, Recheck, Rectifying};
        use HazardStep::{Fail, Pass, Reopen, ReportDone, TakeUp};
        let drawn = [
            (Open, TakeUp, Rectifying),
            (Open, ReportDone, Recheck),
            (Rectifying, ReportDone, Recheck),
            (Recheck, Pass, Closed),
            (Recheck, Fail, Rectifying),
            (Closed, Reopen, Open),
        ];
        for state in HazardState::ALL.iter().copied().chain([HazardState::Unknown(9)]) {
            for step in HazardStep::ALL.iter().copied().chain([HazardStep::Unknown(9)]) {
                let to = drawn.iter().find(|(from, by, _)| (*from, *by) == (state, step)).map(|(_, _, to)| *to);
                assert_eq!(state.after(step).ok(), to, "{state} {step}");
            }
        }
    }

    #[test]
    fn nobody_rechecks_their_own_work() {
        let took_up = HazardDeed::new(HazardStep::TakeUp, "csd-6", 4);
        let started = found().after(&took_up, &[]).unwrap();
        let reported = HazardDeed::new(HazardStep::ReportDone, "csd-7", 5);
        let done = started.after(&reported, std::slice::from_ref(&took_up)).unwrap();
        let earlier = [took_up, reported];
        let pass = |by: &str| done.after(&HazardDeed::new(HazardStep::Pass, by, 6), &earlier);
        assert_eq!(pass(" CSD-7"), Err(HazardStepError::OwnWork));
        assert_eq!(pass("csd-6"), Err(HazardStepError::OwnWork), "whoever took it up had a hand in it");
        assert_eq!(done.after(&HazardDeed::new(HazardStep::Pass, "csd-7", 6), &[]), Err(HazardStepError::OwnWork));
        let closed = pass("xcy-2").unwrap();
        assert_eq!((closed.state, closed.changed_at), (Some(HazardState::Closed), Some(6)));
        assert_eq!(Hazard::difference(&done, &closed).len(), 3);
    }

    #[test]
    fn nobody_puts_right_what_they_found() {
        for step in [HazardStep::TakeUp, HazardStep::ReportDone] {
            let own = found().after(&HazardDeed::new(step, "XCY-1 ", 5), &[]);
            assert_eq!(own, Err(HazardStepError::Finder));
            assert!(found().after(&HazardDeed::new(step, "csd-7", 5), &[]).is_ok());
        }
        let done = found().after(&HazardDeed::new(HazardStep::ReportDone, "csd-7", 5), &[]).unwrap();
        assert!(done.after(&HazardDeed::new(HazardStep::Pass, "xcy-1", 6), &[]).is_ok(), "the finder may recheck");
    }

    #[test]
    fn a_failed_recheck_beats_a_concurrent_close() {
        let states = [HazardState::Closed, HazardState::Rectifying];
        assert_eq!(HazardState::prevailing(states), Some(HazardState::Rectifying));
        assert_eq!(HazardState::prevailing([]), None);
        assert_eq!(HazardState::prevailing([HazardState::Unknown(9), HazardState::Closed]), Some(HazardState::Closed));
    }

    #[test]
    fn the_door_shows_the_worst_hazard_that_is_left() {
        let closed = Hazard { state: Some(HazardState::Closed), ..found() };
        let general = Hazard { grade: Some(Grade::General), ..found() };
        assert_eq!(DoorMark::of([]), DoorMark::Green);
        assert_eq!(DoorMark::of([&closed]), DoorMark::Green);
        assert_eq!(DoorMark::of([&closed, &general]), DoorMark::Yellow);
        assert_eq!(DoorMark::of([&general, &found()]), DoorMark::Red);
    }

    #[test]
    fn a_door_is_not_green_where_something_may_be_missing() {
        let signs =
            |complete| [DoorMark::Green, DoorMark::Yellow, DoorMark::Red].map(|mark| DoorSign::of(mark, complete));
        assert_eq!(signs(true), [DoorSign::Green, DoorSign::Yellow, DoorSign::Red]);
        assert_eq!(signs(false), [DoorSign::Unknown, DoorSign::Unknown, DoorSign::Red]);
        assert_eq!(DoorSign::of(DoorMark::Unknown(9), true), DoorSign::Unknown);
    }

    #[test]
    fn a_hazard_round_trips_and_a_recurrence_is_another_document() {
        assert_eq!(Hazard::read(&found().fields()), found());
        assert_eq!(Hazard::table().len(), Hazard::NUMBERS);
        let again = Hazard { occurrence: Some(2), ..found() };
        assert_ne!(again.natural_key(), found().natural_key());
        assert_eq!(Hazard { occurrence: Some(1), ..found() }.natural_key(), found().natural_key());
    }
}
