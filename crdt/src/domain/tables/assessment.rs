//! What scores and grades are made of (DOMAIN.md, assessment).

use super::{Shipped, row};
use crate::domain::codes::coded;
use crate::domain::columns::words;
use crate::domain::input::{self, InputError};

words!(ScoreRole, ScorePart);

coded! {
    /// Whose work a score is about.
    pub enum ScoreRole: "role that is scored" {
        /// 处置队员: by team and by person.
        Handler = 1, "handler", "处置", "handling";
        /// 巡查员.
        Inspector = 2, "inspector", "巡查", "inspection";
        /// 派遣员.
        Dispatcher = 3, "dispatcher", "派遣", "dispatch";
        /// 值班长.
        DutyHead = 4, "duty_head", "值班", "duty head";
    }
}

coded! {
    /// A share, from 0 to 1, that a score weighs.
    pub enum ScorePart: "part of a score" {
        /// Own work, of that of whoever did most.
        Volume = 1, "volume", "工作量", "volume";
        /// Closed, of due.
        Closing = 2, "closing", "结案率", "closing rate";
        /// Closed in time, of due.
        OnTimeClosing = 3, "on_time_closing", "按期结案率", "on-time closing rate";
        /// What was not failed, of what was verified.
        NoRework = 4, "no_rework", "无返工率", "1 - rework rate";
        /// Valid reports, of reports.
        ValidReports = 5, "valid_reports", "有效上报率", "valid reports";
        /// What no member of the public found first, of what was filed.
        NotMissed = 6, "not_missed", "无漏报率", "1 - missed-finding rate";
        /// Questions of intake answered in time, of those asked.
        OnTimeCheck = 7, "on_time_check", "按时核实率", "on-time checks";
        /// Verified in time, of what was to be verified.
        OnTimeVerification = 8, "on_time_verification", "按时核查率", "on-time verifications";
        /// Dispatched in time, of what was dispatched.
        OnTimeDispatch = 9, "on_time_dispatch", "按时派遣率", "on-time dispatches";
        /// Orders that were not given back, of all.
        CorrectDispatch = 10, "correct_dispatch", "派遣准确率", "correct dispatches";
        /// Filed in time, of what was filed.
        OnTimeFiling = 11, "on_time_filing", "按时立案率", "on-time filings";
        /// Filed and not void, of what was filed.
        CorrectFiling = 12, "correct_filing", "立案准确率", "correct filings";
    }
}

row! {
    /// The weight of one part of a score (评分权重).
    pub struct ScoreRow of Score {
        key {
            /// Whose score.
            1 ROLE role: ScoreRole = "岗位", "role";
            /// Which part.
            2 PART part: ScorePart = "指标", "part";
        }
        required {
            /// Percent of the score; those of one role are meant to make 100.
            3 PERCENT percent: u16 = "权重（%）", "weight (%)";
        }
        optional {}
    }
}

row! {
    /// From which score on a grade is given (评分等级).
    pub struct GradeRow of Grade {
        key {
            /// Its letter.
            1 LETTER letter: String = "等级", "grade";
        }
        required {
            /// Least score, 0 to 100.
            2 LEAST least: u16 = "最低分", "least score";
        }
        optional {}
    }
}

impl ScoreRow {
    fn check_values(&self) -> Result<(), InputError> {
        input::number("percent", self.percent, 0..=100)
    }
}

impl GradeRow {
    fn check_values(&self) -> Result<(), InputError> {
        input::number("least", self.least, 0..=100)
    }
}

impl Shipped for ScoreRow {
    fn shipped() -> Vec<Self> {
        use ScorePart::{
            Closing, CorrectDispatch, CorrectFiling, NoRework, NotMissed, OnTimeCheck, OnTimeClosing, OnTimeDispatch,
            OnTimeFiling, OnTimeVerification, ValidReports, Volume,
        };
        use ScoreRole::{Dispatcher, DutyHead, Handler, Inspector};
        let rows = [
            (Handler, Volume, 10),
            (Handler, Closing, 30),
            (Handler, OnTimeClosing, 30),
            (Handler, NoRework, 30),
            (Inspector, ValidReports, 40),
            (Inspector, NotMissed, 20),
            (Inspector, OnTimeCheck, 20),
            (Inspector, OnTimeVerification, 20),
            (Dispatcher, Volume, 20),
            (Dispatcher, OnTimeDispatch, 40),
            (Dispatcher, CorrectDispatch, 40),
            (DutyHead, OnTimeFiling, 25),
            (DutyHead, CorrectFiling, 40),
            (DutyHead, OnTimeClosing, 35),
        ];
        let row = |(role, part, percent): (ScoreRole, ScorePart, u16)| Self {
            role: Some(role),
            part: Some(part),
            percent: Some(percent),
            retired: None,
        };
        rows.map(row).into()
    }
}

impl Shipped for GradeRow {
    fn shipped() -> Vec<Self> {
        let rows = [("A", 90), ("B", 75), ("C", 60), ("D", 40), ("E", 0)];
        rows.map(|(letter, least)| Self { letter: Some(letter.to_owned()), least: Some(least), retired: None }).into()
    }
}
