//! Who is on duty when, who came, and what followed from how they did.

use super::super::columns::{Lines, Time, row, words};
use super::in_order;
use crate::domain::codes::coded;
use crate::domain::date::Day;
use crate::domain::input::{self, Fault, InputError};
use crate::domain::region::RegionCode;

words!(ConsequenceKind);

/// The longest shift, in milliseconds.
const LONGEST: i64 = 48 * 3_600_000;
/// How long before a shift people come, and after it go, at most.
const AROUND: i64 = 24 * 3_600_000;

coded! {
    /// What followed.
    pub enum ConsequenceKind: "consequence" {
        /// 表扬.
        Praise = 1, "praise", "表扬", "praise";
        /// 奖励.
        Bonus = 2, "bonus", "奖励", "bonus";
        /// 培训.
        Training = 3, "training", "培训", "training";
        /// 约谈.
        Talk = 4, "talk", "约谈", "talk";
        /// 通报.
        Notice = 5, "notice", "通报", "public notice";
        /// 扣减.
        Deduction = 6, "deduction", "扣减", "deduction";
        /// 调岗.
        Transfer = 7, "transfer", "调岗", "transfer";
        /// 解聘.
        Dismissal = 8, "dismissal", "解聘", "dismissal";
    }
}

row! {
    /// A shift (班次): when a member is on duty, and when they came and went.
    pub struct Shift {
        key {
            /// The member: their code.
            1 MEMBER member: String = "人员编号", "member";
            /// When it begins.
            2 START start: Time = "开始时间", "start";
        }
        required {
            /// When it ends.
            3 END end: Time = "结束时间", "end";
        }
        optional {
            /// The team on whose behalf: its code.
            4 TEAM team: String = "队伍", "team";
            /// The post that is filled: as the table of posts calls it.
            5 POST post: String = "岗位", "post";
            /// Where: a village or community.
            6 REGION region: RegionCode = "村居代码", "region";
            /// The grid that is patrolled: its code.
            7 GRID grid: String = "网格", "grid";
            /// When they came.
            8 ARRIVED arrived: Time = "签到时间", "arrived";
            /// When they went.
            10 LEFT left: Time = "签退时间", "left";
            /// Who stands in for them: a member's code.
            11 DEPUTY deputy: String = "替班人员", "deputy";
            /// Remarks.
            12 NOTE note: Lines = "备注", "remarks";
            /// The unit that they patrol with: name or id of its node, whose track tells how far they went.
            13 UNIT unit: String = "巡查单元", "unit";
        }
    }
}

row! {
    /// What followed from a rating (奖惩记录): posts are defined, filled, rated, and a rating has consequences.
    pub struct Consequence {
        key {
            /// A member's or a team's code.
            1 SUBJECT subject: String = "对象编号", "subject";
            /// First day of the period that was rated.
            2 FROM from: Day = "考评期起", "from";
            /// What followed.
            3 KIND kind: ConsequenceKind = "结果", "consequence";
        }
        required {
            /// Last day of the period.
            4 TO to: Day = "考评期止", "to";
            /// Why.
            5 REASON reason: Lines = "理由", "reason";
            /// Who decided: a member's code.
            6 DECIDED_BY decided_by: String = "决定人", "decided by";
        }
        optional {
            /// The score that it followed from, in hundredths.
            7 SCORE score: u32 = "得分（百分之一分）", "score (hundredths)";
            /// The grade.
            8 GRADE grade: String = "等级", "grade";
        }
    }
}

impl Shift {
    fn check_values(&self) -> Result<(), InputError> {
        in_order("end", self.start, self.end)?;
        in_order("left", self.arrived, self.left)?;
        if self.left.is_some() && self.arrived.is_none() {
            return Err(InputError::new("arrived", Fault::Blank));
        }
        self.check_attendance()?;
        match (self.start, self.end) {
            (Some(start), Some(end)) if end.0.saturating_sub(start.0) > LONGEST || end == start => {
                let form =
                    Fault::Form { chinese: "不超过 48 小时的班次", english: "a shift of 48 hours at most" };
                Err(InputError::new("end", form))
            }
            (Some(_) | None, Some(_) | None) => Ok(()),
        }
    }

    /// That who came and went did so about then: 1970 is a clock that was reset.
    fn check_attendance(&self) -> Result<(), InputError> {
        let (Some(start), Some(end)) = (self.start, self.end) else { return Ok(()) };
        let about = start.0.saturating_sub(AROUND)..=end.0.saturating_add(AROUND);
        for (field, time) in [("arrived", self.arrived), ("left", self.left)] {
            if time.is_some_and(|time| !about.contains(&time.0)) {
                let form = Fault::Form {
                    chinese: "班次前后 24 小时内的时间",
                    english: "a time within 24 hours of the shift",
                };
                return Err(InputError::new(field, form));
            }
        }
        Ok(())
    }

    /// Who is on duty: whoever stands in, where somebody does.
    pub fn on_duty(&self) -> Option<&str> {
        self.deputy.as_deref().or(self.member.as_deref())
    }

    /// Whether the member is on duty at a time, in milliseconds since 1970.
    pub fn covers(&self, time_ms: i64) -> bool {
        let begun = self.start.is_some_and(|start| start.0 <= time_ms);
        begun && self.end.is_none_or(|end| time_ms < end.0) && self.retired != Some(true)
    }
}

impl Consequence {
    fn check_values(&self) -> Result<(), InputError> {
        input::day("from", self.from)?;
        input::number("score", self.score, 0..=10_000)?;
        in_order("to", self.from, self.to)
    }
}
