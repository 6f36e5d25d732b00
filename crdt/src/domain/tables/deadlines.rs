//! What deadlines are made of: categories, limits, working hours, holidays.

use std::fmt;
use std::str::FromStr;

use super::{Shipped, row};
use crate::domain::case::{Limit, LimitClock, MAX_LIMIT_MINUTES, MINUTES_PER_WORKING_DAY, Severity, WorkingHours};
use crate::domain::codes::coded;
use crate::domain::columns::{List, text_cells, words};
use crate::domain::date::Day;
use crate::domain::input::{Fault, InputError};
use crate::domain::record::Scalar;
use crate::value::Value;

/// Most shifts of a day.
const MAX_SHIFTS: usize = 8;
const MINUTES_PER_DAY: u16 = 24 * 60;

words!(Severity, DeadlineUnit, Stage, Weekday);
text_cells!(Span);

coded! {
    /// In what a limit is written.
    pub enum DeadlineUnit: "unit of a limit" {
        /// Working days of eight hours.
        WorkingDays = 1, "working_days", "工作日", "working days";
        /// Working hours of the calendar.
        WorkingHours = 2, "working_hours", "工作小时", "working hours";
        /// Hours that run day and night.
        EmergencyHours = 3, "emergency_hours", "应急小时", "emergency hours";
        /// Minutes that run day and night.
        EmergencyMinutes = 4, "emergency_minutes", "应急分钟", "emergency minutes";
    }
}

coded! {
    /// What one desk does within a case, and how long it may take.
    pub enum Stage: "stage of a case" {
        /// From the report to its acceptance, refusal or merging.
        Intake = 1, "intake", "受理", "intake";
        /// From the acceptance to the filing.
        Filing = 2, "filing", "立案", "filing";
        /// From the filing (or a return, or a failed verification) to the dispatch.
        Dispatch = 3, "dispatch", "派遣", "dispatch";
        /// From intake's question to the inspector's answer.
        Check = 4, "check", "核实", "check";
        /// From the end of the handling to the verification.
        Verification = 5, "verification", "核查", "verification";
        /// From the verification to the closing.
        Closing = 6, "closing", "结案", "closing";
    }
}

coded! {
    /// A day of the week.
    pub enum Weekday: "day of the week" {
        /// 周一.
        Monday = 1, "monday", "周一", "Monday";
        /// 周二.
        Tuesday = 2, "tuesday", "周二", "Tuesday";
        /// 周三.
        Wednesday = 3, "wednesday", "周三", "Wednesday";
        /// 周四.
        Thursday = 4, "thursday", "周四", "Thursday";
        /// 周五.
        Friday = 5, "friday", "周五", "Friday";
        /// 周六.
        Saturday = 6, "saturday", "周六", "Saturday";
        /// 周日.
        Sunday = 7, "sunday", "周日", "Sunday";
    }
}

row! {
    /// A category of cases (案件类别).
    pub struct CategoryRow of Category {
        key {
            /// Its code.
            1 CODE code: String = "类别编号", "category";
        }
        required {
            /// Its name in Chinese.
            2 CHINESE chinese: String = "名称", "name";
        }
        optional {
            /// Its name in English.
            3 ENGLISH english: String = "英文名称", "name in English";
            /// The wider category that it belongs to: its code.
            4 PARENT parent: String = "上级类别", "parent";
            /// Whether the public may choose it when it reports.
            5 PUBLIC public: bool = "公众可选", "for the public";
        }
    }
}

row! {
    /// How long a case may take (处置时限).
    pub struct LimitRow of Limit {
        key {
            /// Code of the category.
            1 CATEGORY category: String = "类别编号", "category";
            /// Severity; `general` also serves where a severity has no row of its own.
            2 SEVERITY severity: Severity = "严重程度", "severity";
        }
        required {
            /// How many of the unit.
            3 AMOUNT amount: u32 = "时限", "limit";
            /// In what.
            4 UNIT unit: DeadlineUnit = "时限单位", "unit";
        }
        optional {}
    }
}

row! {
    /// How long one desk may take with what it begins from a day on (环节时限).
    pub struct StageLimitRow of StageLimit {
        key {
            /// First day on which it holds.
            1 SINCE since: Day = "自", "from";
            /// Which stage.
            2 STAGE stage: Stage = "环节", "stage";
        }
        required {
            /// How many of the unit.
            3 AMOUNT amount: u32 = "时限", "limit";
            /// In what.
            4 UNIT unit: DeadlineUnit = "时限单位", "unit";
        }
        optional {}
    }
}

row! {
    /// Which hours are worked on which weekdays from a day on (工作时间).
    pub struct WorkingHoursRow of WorkingHours {
        key {
            /// First day on which they hold.
            1 SINCE since: Day = "自", "from";
        }
        required {
            /// On which weekdays.
            #[cfg_attr(feature = "openapi", schema(value_type = String))]
            2 WEEKDAYS weekdays: List<Weekday> = "工作日", "weekdays";
            /// `08:00-12:00,14:00-18:00`.
            3 HOURS hours: Span = "工作时段", "hours";
        }
        optional {}
    }
}

row! {
    /// A day that is not as its weekday says (节假日与调休).
    pub struct CalendarDayRow of CalendarDay {
        key {
            /// Which day.
            1 DAY day: Day = "日期", "day";
        }
        required {
            /// Whether it is worked.
            2 WORKED worked: bool = "上班", "worked";
        }
        optional {
            /// What it is: 国庆节.
            3 NAME name: String = "名称", "name";
        }
    }
}

/// The working hours of a day, in order: `08:00-12:00,14:00-18:00` in civil time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span(pub Vec<WorkingHours>);

const SPAN: Fault = Fault::Form {
    chinese: "先后排列、互不重叠的时段，如 08:00-12:00,14:00-18:00",
    english: "spans one after the other, such as 08:00-12:00,14:00-18:00",
};

impl FromStr for Span {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let parts = text.split([',', '，', '、', ' ', ';']).filter(|part| !part.trim().is_empty());
        let shifts: Option<Vec<WorkingHours>> = parts.map(shift).collect();
        let shifts = shifts.filter(|shifts| (1..=MAX_SHIFTS).contains(&shifts.len())).ok_or(SPAN)?;
        let mut free_from = 0;
        for shift in &shifts {
            if shift.from < free_from || shift.until <= shift.from || shift.until > MINUTES_PER_DAY {
                return Err(SPAN);
            }
            free_from = shift.until;
        }
        Ok(Self(shifts))
    }
}

fn shift(text: &str) -> Option<WorkingHours> {
    let minute = |text: &str| {
        let (hour, minute) = text.trim().split_once([':', '：'])?;
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        (hour <= 24 && minute < 60).then(|| hour * 60 + minute)
    };
    let (from, until) = text.split_once(['-', '—', '–', '至', '~'])?;
    Some(WorkingHours { from: minute(from)?, until: minute(until)? })
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, WorkingHours { from, until }) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, until / 60, until % 60)?;
        }
        Ok(())
    }
}

impl Scalar for Span {
    fn to_value(&self) -> Value {
        Value::Text(self.to_string())
    }
    fn from_value(value: &Value) -> Option<Self> {
        value.as_text()?.parse().ok()
    }
}

impl Span {
    fn names(&self) -> [String; 2] {
        [self.to_string(), self.to_string()]
    }
}

/// The limit that an amount of a unit is; `None` of none, too much, or a unit of a newer version.
pub(super) fn limit(amount: Option<u32>, unit: Option<DeadlineUnit>) -> Option<Limit> {
    let (amount, unit) = (amount?, unit?);
    let (minutes, clock) = match unit {
        DeadlineUnit::WorkingDays => (MINUTES_PER_WORKING_DAY, LimitClock::Working),
        DeadlineUnit::WorkingHours => (60, LimitClock::Working),
        DeadlineUnit::EmergencyHours => (60, LimitClock::Emergency),
        DeadlineUnit::EmergencyMinutes => (1, LimitClock::Emergency),
        DeadlineUnit::Unknown(_) => return None,
    };
    let minutes = amount.checked_mul(minutes)?;
    (1..=MAX_LIMIT_MINUTES).contains(&minutes).then_some(Limit { minutes, clock })
}

pub(super) fn check_limit(amount: Option<u32>, unit: Option<DeadlineUnit>) -> Result<(), InputError> {
    let range = 1..=match unit {
        Some(DeadlineUnit::WorkingDays) => MAX_LIMIT_MINUTES / MINUTES_PER_WORKING_DAY,
        Some(DeadlineUnit::WorkingHours | DeadlineUnit::EmergencyHours) => MAX_LIMIT_MINUTES / 60,
        Some(DeadlineUnit::EmergencyMinutes | DeadlineUnit::Unknown(_)) | None => MAX_LIMIT_MINUTES,
    };
    let got = amount.unwrap_or_default();
    if range.contains(&got) {
        return Ok(());
    }
    Err(InputError::new("amount", Fault::Number { got: got.into(), range: 1..=u64::from(*range.end()) }))
}

impl CategoryRow {
    fn check_values(&self) -> Result<(), InputError> {
        match &self.code {
            Some(code) if code.len() > crate::domain::case::MAX_NAME => {
                Err(InputError::new("code", Fault::TooLong { limit: crate::domain::case::MAX_NAME / 3 }))
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl LimitRow {
    fn check_values(&self) -> Result<(), InputError> {
        check_limit(self.amount, self.unit)
    }
}

impl StageLimitRow {
    fn check_values(&self) -> Result<(), InputError> {
        check_limit(self.amount, self.unit)
    }
}

impl WorkingHoursRow {
    fn check_values(&self) -> Result<(), InputError> {
        let all: Vec<Weekday> = self.weekdays.iter().flat_map(|list| list.0.iter().copied()).collect();
        if all.is_empty() { Err(InputError::new("weekdays", Fault::Blank)) } else { Ok(()) }
    }
}

impl CalendarDayRow {
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "each row has a check")]
    fn check_values(&self) -> Result<(), InputError> {
        Ok(())
    }
}

impl Shipped for CategoryRow {
    fn shipped() -> Vec<Self> {
        const PUBLIC: bool = true;
        let rows = [
            ("environment", "", "环境卫生", "environment", PUBLIC),
            ("exposed_rubbish", "environment", "暴露垃圾", "exposed rubbish", PUBLIC),
            ("rubble", "environment", "积存渣土", "rubble", PUBLIC),
            ("dirty_road", "environment", "道路不洁", "dirty road", PUBLIC),
            ("open_burning", "environment", "露天焚烧", "open burning", PUBLIC),
            ("bare_ground", "environment", "裸露地面", "bare ground", false),
            ("building", "", "违法建设", "building", PUBLIC),
            ("illegal_building", "building", "私搭乱建", "illegal building", PUBLIC),
            ("rushed_building", "building", "抢栽抢种抢建", "rushed planting or building", false),
            ("safety", "", "安全隐患", "safety", PUBLIC),
            ("fire_exit", "safety", "消防通道堵塞", "blocked fire exit", PUBLIC),
            ("wiring", "safety", "用电隐患", "dangerous wiring", PUBLIC),
            ("ebike_indoors", "safety", "电动自行车室内充电", "e-bike charged indoors", PUBLIC),
            ("gas", "safety", "燃气隐患", "gas hazard", PUBLIC),
            ("fire", "safety", "火情", "fire", PUBLIC),
            ("waterlogging", "safety", "积水内涝", "waterlogging", PUBLIC),
            ("letting", "", "群租与违规出租", "illegal letting", PUBLIC),
            ("order", "", "街面秩序", "order in the street", PUBLIC),
            ("parking", "order", "违法停车", "illegal parking", PUBLIC),
            ("street_stall", "order", "占道经营", "stall in the street", PUBLIC),
            ("facility", "", "公共设施", "public facility", PUBLIC),
            ("device", "", "设备告警", "device alarm", false),
            ("registry", "", "信息核实", "registry to be verified", false),
            ("other", "", "其他", "other", PUBLIC),
        ];
        let row = |(code, parent, chinese, english, public): (&str, &str, &str, &str, bool)| Self {
            code: Some(code.to_owned()),
            chinese: Some(chinese.to_owned()),
            english: Some(english.to_owned()),
            parent: (!parent.is_empty()).then(|| parent.to_owned()),
            public: Some(public),
            retired: None,
        };
        rows.map(row).into()
    }
}

impl Shipped for LimitRow {
    fn shipped() -> Vec<Self> {
        use DeadlineUnit::{EmergencyHours, WorkingDays, WorkingHours};
        use Severity::{General, Serious, Urgent};
        let rows = [
            ("illegal_building", General, 15, WorkingDays),
            ("rushed_building", General, 15, WorkingDays),
            ("exposed_rubbish", General, 1, WorkingDays),
            ("rubble", General, 4, WorkingDays),
            ("dirty_road", General, 5, WorkingHours),
            ("open_burning", General, 2, EmergencyHours),
            ("bare_ground", General, 4, WorkingDays),
            ("environment", General, 1, WorkingDays),
            ("building", General, 15, WorkingDays),
            ("safety", General, 3, WorkingDays),
            ("safety", Serious, 1, WorkingDays),
            ("safety", Urgent, 4, EmergencyHours),
            ("fire_exit", General, 1, WorkingDays),
            ("fire_exit", Urgent, 2, EmergencyHours),
            ("wiring", General, 3, WorkingDays),
            ("wiring", Serious, 1, WorkingDays),
            ("wiring", Urgent, 4, EmergencyHours),
            ("ebike_indoors", General, 4, WorkingHours),
            ("gas", General, 2, EmergencyHours),
            ("fire", General, 1, EmergencyHours),
            ("waterlogging", General, 2, EmergencyHours),
            ("letting", General, 5, WorkingDays),
            ("order", General, 4, WorkingHours),
            ("parking", General, 4, WorkingHours),
            ("street_stall", General, 4, WorkingHours),
            ("facility", General, 3, WorkingDays),
            ("device", General, 1, WorkingDays),
            ("device", Urgent, 2, EmergencyHours),
            ("registry", General, 3, WorkingDays),
            ("other", General, 3, WorkingDays),
        ];
        let row = |(category, severity, amount, unit): (&str, Severity, u32, DeadlineUnit)| Self {
            category: Some(category.to_owned()),
            severity: Some(severity),
            amount: Some(amount),
            unit: Some(unit),
            retired: None,
        };
        rows.map(row).into()
    }
}

impl Shipped for StageLimitRow {
    fn shipped() -> Vec<Self> {
        use DeadlineUnit::{EmergencyMinutes, WorkingHours};
        let rows = [
            (Stage::Intake, 30, EmergencyMinutes),
            (Stage::Filing, 30, EmergencyMinutes),
            (Stage::Dispatch, 30, EmergencyMinutes),
            (Stage::Check, 1, WorkingHours),
            (Stage::Verification, 4, WorkingHours),
            (Stage::Closing, 4, WorkingHours),
        ];
        let row = |(stage, amount, unit): (Stage, u32, DeadlineUnit)| Self {
            since: Some(Day(0)),
            stage: Some(stage),
            amount: Some(amount),
            unit: Some(unit),
            retired: None,
        };
        rows.map(row).into()
    }
}

impl Shipped for WorkingHoursRow {
    fn shipped() -> Vec<Self> {
        let weekdays = [Weekday::Monday, Weekday::Tuesday, Weekday::Wednesday, Weekday::Thursday, Weekday::Friday];
        let hours = [WorkingHours { from: 8 * 60, until: 12 * 60 }, WorkingHours { from: 14 * 60, until: 18 * 60 }];
        vec![Self {
            since: Some(Day(0)),
            weekdays: Some(List(weekdays.into())),
            hours: Some(Span(hours.into())),
            retired: None,
        }]
    }
}

impl Shipped for CalendarDayRow {
    /// None: which days are holidays is announced each year.
    fn shipped() -> Vec<Self> {
        vec![]
    }
}
