//! Campaigns, what they find, and problems that many cases share.

use super::super::columns::{Lines, List, Time, row, words};
use super::in_order;
use crate::domain::codes::coded;
use crate::domain::date::Day;
use crate::domain::dwelling::DwellingUse;
use crate::domain::input::{self, Fault, InputError};
use crate::domain::region::RegionCode;

use super::EnterpriseKind;

words!(CampaignTier, Must, ProblemState, DwellingUse);

coded! {
    /// By whom something is handled (处置形式).
    pub enum CampaignTier: "tier of a campaign" {
        /// One department, for common problems.
        Single = 1, "single", "单独执法", "one department";
        /// Two or more departments, for regional and recurring ones.
        Joint = 2, "joint", "联合执法", "joint";
        /// All that is needed, for the stubborn ones.
        Comprehensive = 3, "comprehensive", "综合执法", "comprehensive";
    }
}

coded! {
    /// What must follow from what a campaign finds (五必须).
    pub enum Must: "what must follow" {
        /// Hazards are rectified.
        RectifyHazard = 1, "rectify_hazard", "安全隐患必须整改", "hazard rectified";
        /// Illegal buildings are removed.
        RemoveBuilding = 2, "remove_building", "违法建设必须拆除", "illegal building removed";
        /// Offences against the environment are fined.
        FineOffence = 3, "fine_offence", "环境违法必须处罚", "environment offence fined";
        /// Illegal letting is stopped.
        StopLetting = 4, "stop_letting", "违法出租必须停止", "illegal letting stopped";
        /// Responsibility is enforced.
        EnforceResponsibility = 5, "enforce_responsibility", "主体责任必须落实", "responsibility enforced";
    }
}

coded! {
    /// Where a common problem stands.
    pub enum ProblemState: "state of a problem" {
        /// The cause is looked for, or the measure is under way.
        Open = 1, "open", "治理中", "open";
        /// The measure was taken; whether it comes back is watched.
        Watched = 2, "watched", "观察中", "watched";
        /// It comes back less than before.
        Closed = 3, "closed", "已销号", "closed";
    }
}

row! {
    /// A campaign (专项行动): who goes where, from when to when, to look at what.
    pub struct Campaign {
        key {
            /// Its code.
            1 CODE code: String = "行动编号", "code";
        }
        required {
            /// What it is called.
            2 NAME name: String = "名称", "name";
            /// By whom.
            3 TIER tier: CampaignTier = "处置形式", "tier";
            /// First day.
            4 FROM from: Day = "开始日期", "from";
            /// Last day.
            5 TO to: Day = "结束日期", "to";
            /// Where: a village, or all of a town or district.
            6 REGION region: RegionCode = "区划代码", "region";
        }
        optional {
            /// The grid, where it is about one.
            7 GRID grid: String = "网格", "grid";
            /// Households behind which doors: uses of dwellings.
            8 USES uses: List<DwellingUse> = "居住类型", "uses of dwellings";
            /// Which enterprises.
            9 ENTERPRISES enterprises: List<EnterpriseKind> = "单位类型", "kinds of enterprise";
            /// The checklist that is gone through: its number.
            10 CHECKLIST checklist: u16 = "检查表", "checklist";
            /// The category of cases that it is to reduce.
            11 CATEGORY category: String = "案件类别", "category";
            /// The template, as the table of campaign items calls it: `seven_visits`, `six_checks`.
            12 TEMPLATE template: String = "模板", "template";
            /// The team that leads: its code.
            13 LEAD lead: String = "牵头单位", "lead";
            /// The teams that go along: their codes, one a line.
            14 TEAMS teams: Lines = "参加单位", "teams";
            /// Why: the hot spot, the recurrence, the order.
            15 REASON reason: Lines = "依据", "reason";
            /// What came of it.
            16 RESULT result: Lines = "总结", "result";
        }
    }
}

row! {
    /// What a campaign found (行动发现): every one ends in a "must", with evidence.
    pub struct Finding {
        key {
            /// Village or community.
            1 REGION region: RegionCode = "村居代码", "region";
            /// The campaign: its code.
            2 CAMPAIGN campaign: String = "行动编号", "campaign";
            /// Door number, or the name of the enterprise.
            3 PLACE place: String = "门牌号或单位", "place";
            /// What must follow.
            4 MUST must: Must = "必须", "must";
        }
        required {
            /// What was found.
            5 WHAT what: Lines = "发现问题", "what was found";
            /// When.
            6 FOUND found: Time = "发现时间", "found";
            /// By whom: a member's code.
            7 FOUND_BY found_by: String = "发现人", "found by";
        }
        optional {
            /// Number of the household behind the door.
            8 NUMBER number: u16 = "户序号", "household";
            /// Number of the case that was opened for it.
            9 CASE case: String = "案件编号", "case";
            /// By when it must be done.
            10 DUE due: Day = "期限", "due";
            /// When it was done.
            11 DONE done: Time = "完成时间", "done";
            /// What shows that it was: photos' hashes, numbers of documents.
            12 EVIDENCE evidence: Lines = "证据", "evidence";
        }
    }
}

row! {
    /// A common problem (共性问题): many cases with one cause, which one owner has to take away.
    pub struct Problem {
        key {
            /// Its code.
            1 CODE code: String = "问题编号", "code";
        }
        required {
            /// What it is called.
            2 TITLE title: String = "名称", "title";
            /// The category of its cases.
            3 CATEGORY category: String = "案件类别", "category";
            /// Where: a village, or all of a town or district.
            4 REGION region: RegionCode = "区划代码", "region";
            /// Since when it is watched.
            5 SINCE since: Day = "起始日期", "since";
            /// Where it stands.
            6 STATE state: ProblemState = "状态", "state";
        }
        optional {
            /// Numbers of some of its cases, one a line.
            7 CASES cases: Lines = "关联案件", "cases";
            /// Why it comes back.
            8 CAUSE cause: Lines = "成因", "cause";
            /// Who owns it: a team's code.
            9 OWNER owner: String = "责任单位", "owner";
            /// What is done about it.
            10 MEASURE measure: Lines = "措施", "measure";
            /// By when.
            11 DUE due: Day = "期限", "due";
            /// When the measure was taken.
            12 TAKEN taken: Day = "措施落实日期", "measure taken";
            /// When it was closed.
            13 CLOSED closed: Day = "销号日期", "closed";
            /// Cases in as many days before the measure as were watched after it, when it was closed.
            14 BEFORE before: u32 = "措施前案件数", "cases before";
            /// Cases after it, when it was closed.
            15 AFTER after: u32 = "措施后案件数", "cases after";
        }
    }
}

impl Campaign {
    fn check_values(&self) -> Result<(), InputError> {
        input::day("from", self.from)?;
        input::day("to", self.to)?;
        in_order("to", self.from, self.to)
    }
}

impl Finding {
    fn check_values(&self) -> Result<(), InputError> {
        in_order("done", self.found, self.done)?;
        // What is said to be done shows it.
        if self.done.is_some() && self.evidence.is_none() {
            return Err(InputError::new("evidence", Fault::Blank));
        }
        Ok(())
    }
}

impl Problem {
    fn check_values(&self) -> Result<(), InputError> {
        input::word("state", self.state, ProblemState::ALL)?;
        in_order("taken", self.since, self.taken)?;
        in_order("closed", self.taken, self.closed)?;
        let is_taken = matches!(self.state, Some(ProblemState::Watched | ProblemState::Closed));
        match self {
            Self { taken: None, .. } if is_taken => Err(InputError::new("taken", Fault::Blank)),
            Self { state: Some(ProblemState::Closed), closed: None, .. } => {
                Err(InputError::new("closed", Fault::Blank))
            }
            // What cannot be shown to have fallen is not closed.
            Self { state: Some(ProblemState::Closed), before: None, .. } => {
                Err(InputError::new("before", Fault::Blank))
            }
            Self { state: Some(ProblemState::Closed), after: None, .. } => Err(InputError::new("after", Fault::Blank)),
            Self { state: Some(ProblemState::Closed), before: Some(before), after: Some(after), .. }
                if after >= before =>
            {
                Err(InputError::new("after", Fault::NotFallen { before: *before, after: *after }))
            }
            _ => Ok(()),
        }
    }
}
