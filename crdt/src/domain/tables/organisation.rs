//! How the town is staffed and commanded: posts, plans, escalation, rules of devices, what campaigns look at.

use super::{Shipped, row};
use crate::domain::books::EnterpriseKind;
use crate::domain::case::{Means, Severity};
use crate::domain::codes::coded;
use crate::domain::columns::{List, words};
use crate::domain::device::DeviceKind;
use crate::domain::input::{self, Fault, InputError};
use crate::domain::region::RegionCode;
use crate::domain::role::Role;
use crate::domain::town::TeamKind;

words!(DeviceKind, CampaignTemplate, TeamKind);

coded! {
    /// What a campaign follows.
    pub enum CampaignTemplate: "template of campaigns" {
        /// 七进: where it goes.
        SevenVisits = 1, "seven_visits", "七进", "seven visits";
        /// 六查: what it looks at.
        SixChecks = 2, "six_checks", "六查", "six checks";
        /// 五必须: what must follow.
        FiveMusts = 3, "five_musts", "五必须", "five musts";
    }
}

row! {
    /// A post (岗位): defined first, then filled, then rated.
    pub struct PostRow of Post {
        key {
            /// Village or community; the town for posts at its center.
            1 REGION region: RegionCode = "区划代码", "region";
            /// What it is called.
            2 POST post: String = "岗位", "post";
        }
        required {
            /// How many people it takes.
            3 REQUIRED required: u32 = "编制人数", "people required";
        }
        optional {
            /// The team that fills it: its code.
            4 TEAM team: String = "队伍", "team";
            /// What it is held to.
            5 STANDARD standard: String = "岗位标准", "standard";
            /// Hours that one person is on duty in a month.
            6 HOURS hours: u32 = "每月工时", "hours a month";
        }
    }
}

row! {
    /// What a campaign visits, checks or demands.
    pub struct CampaignItemRow of CampaignItem {
        key {
            /// Of which template.
            1 TEMPLATE template: CampaignTemplate = "模板", "template";
            /// Its code.
            2 CODE code: String = "编号", "code";
        }
        required {
            /// In Chinese.
            3 CHINESE chinese: String = "名称", "in Chinese";
            /// In English.
            4 ENGLISH english: String = "英文名称", "in English";
        }
        optional {
            /// Which places it is about.
            5 ENTERPRISES enterprises: List<EnterpriseKind> = "单位类型", "kinds of enterprise";
        }
    }
}

row! {
    /// A step of a response plan (预案步骤): who is told, by whom, in which order, by which means.
    pub struct PlanStepRow of PlanStep {
        key {
            /// The plan.
            1 PLAN plan: String = "预案", "plan";
            /// Which step, from 1.
            2 STEP step: u16 = "步骤", "step";
        }
        required {
            /// What is done.
            3 WHAT what: String = "内容", "what";
            /// In which role somebody does it.
            4 BY by: Role = "由谁", "by";
        }
        optional {
            /// Who is told: the role.
            5 ROLE role: Role = "通知角色", "role that is told";
            /// Who is told: the team's code.
            6 TEAM team: String = "通知队伍", "team that is told";
            /// Who is told: the member's code.
            7 MEMBER member: String = "通知人员", "member who is told";
            /// By which means, the first one first.
            8 MEANS means: List<Means> = "方式", "means";
            /// Within how many minutes of the opening.
            9 WITHIN within: u32 = "时限（分钟）", "within minutes";
            /// In English.
            10 ENGLISH english: String = "英文内容", "in English";
        }
    }
}

row! {
    /// Who is told how late a case is (升级提醒): the further it is beyond its limit, the higher up.
    pub struct EscalationRow of Escalation {
        key {
            /// Of which severity.
            1 SEVERITY severity: Severity = "严重程度", "severity";
            /// From how many percent of the limit on.
            2 PERCENT percent: u16 = "时限百分比", "percent of the limit";
        }
        required {
            /// Who is told.
            3 ROLE role: Role = "提醒角色", "role";
        }
        optional {
            /// Of which team, where the role is not enough.
            4 TEAM team: String = "队伍", "team";
        }
    }
}

row! {
    /// What a device's event must say to open a case (设备规则), and of which severity.
    pub struct DeviceRuleRow of DeviceRule {
        key {
            /// Which devices.
            1 DEVICE device: DeviceKind = "设备类型", "kind of device";
            /// What the event is called.
            2 EVENT event: String = "事件", "event";
            /// From which value on, in hundredths of its unit; 0 for every event of it.
            3 LEAST least: u32 = "阈值（百分之一）", "from (hundredths)";
        }
        required {
            /// Category of the case.
            4 CATEGORY category: String = "案件类别", "category";
            /// Its severity.
            5 SEVERITY severity: Severity = "严重程度", "severity";
        }
        optional {
            /// Only events that are alarms.
            6 ALARM alarm: bool = "仅报警", "alarms only";
            /// Minutes within which the same device opens no other case.
            7 QUIET quiet: u32 = "静默（分钟）", "quiet minutes";
        }
    }
}

row! {
    /// How soon after its order a team is on the scene (到场时限): the rule of three minutes, of micro fire stations.
    pub struct ArrivalRow of Arrival {
        key {
            /// Teams of which kind.
            1 KIND kind: TeamKind = "队伍类型", "kind of team";
        }
        required {
            /// Minutes from the order to the scene, day and night.
            2 MINUTES minutes: u32 = "到场时限（分钟）", "minutes";
        }
        optional {}
    }
}

impl PostRow {
    fn check_values(&self) -> Result<(), InputError> {
        input::number("required", self.required, 0..=10_000)?;
        input::number("hours", self.hours, 1..=744)
    }
}

impl CampaignItemRow {
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "each row has a check")]
    fn check_values(&self) -> Result<(), InputError> {
        Ok(())
    }
}

impl PlanStepRow {
    fn check_values(&self) -> Result<(), InputError> {
        input::number("step", self.step, 1..=999)?;
        input::number("within", self.within, 1..=100_000)?;
        let told = [self.role.is_some(), self.team.is_some(), self.member.is_some()];
        match told.iter().filter(|told| **told).count() {
            1 => Ok(()),
            _ => {
                let form = Fault::Form {
                    chinese: "通知角色、队伍、人员中的一项",
                    english: "one of role, team and member",
                };
                Err(InputError::new("role", form))
            }
        }
    }
}

impl EscalationRow {
    fn check_values(&self) -> Result<(), InputError> {
        input::number("percent", self.percent, 1..=1_000)
    }
}

impl DeviceRuleRow {
    fn check_values(&self) -> Result<(), InputError> {
        input::number("quiet", self.quiet, 1..=44_640)
    }
}

impl ArrivalRow {
    fn check_values(&self) -> Result<(), InputError> {
        input::number("minutes", self.minutes, 1..=1_440)
    }
}

impl Shipped for PostRow {
    /// None: posts are a town's own.
    fn shipped() -> Vec<Self> {
        vec![]
    }
}

impl Shipped for CampaignItemRow {
    fn shipped() -> Vec<Self> {
        use CampaignTemplate::{FiveMusts, SevenVisits, SixChecks};
        let row = |template, code: &str, chinese: &str, english: &str| Self {
            template: Some(template),
            code: Some(code.to_owned()),
            chinese: Some(chinese.to_owned()),
            english: Some(english.to_owned()),
            ..Self::default()
        };
        let visit = |kind: EnterpriseKind| Self {
            enterprises: Some(List([kind].into())),
            ..row(SevenVisits, kind.key(), kind.chinese(), kind.english())
        };
        let visits = EnterpriseKind::ALL.iter().take(7).map(|kind| visit(*kind));
        let checks = [
            ("safety", "查安全", "safety"),
            ("hazard", "查隐患", "hazards"),
            ("illegal_building", "查违建", "illegal building"),
            ("environment", "查环境", "environment"),
            ("responsibility", "查责任", "responsibility"),
            ("measures", "查措施", "measures"),
        ];
        let musts = crate::domain::books::Must::ALL.iter();
        visits
            .chain(checks.map(|(code, chinese, english)| row(SixChecks, code, chinese, english)))
            .chain(musts.map(|must| row(FiveMusts, must.key(), must.chinese(), must.english())))
            .collect()
    }
}

impl Shipped for PlanStepRow {
    /// The ladder of DOMAIN.md: the town's government, then the forces, then vehicles and micro fire engines.
    fn shipped() -> Vec<Self> {
        let step = |plan: &str, step, what: &str, english: &str, by, role, means: &[Means], within| Self {
            plan: Some(plan.to_owned()),
            step: Some(step),
            what: Some(what.to_owned()),
            english: Some(english.to_owned()),
            by: Some(by),
            role: Some(role),
            means: Some(List(means.iter().copied().collect())),
            within: Some(within),
            ..Self::default()
        };
        let ladder = |plan: &'static str, pace: u32| {
            [
                step(
                    plan,
                    1,
                    "报告镇政府",
                    "report to the town government",
                    Role::DutyHead,
                    Role::Leader,
                    &[Means::Phone, Means::Node],
                    pace,
                ),
                step(
                    plan,
                    2,
                    "启动指挥",
                    "command takes over",
                    Role::DutyHead,
                    Role::Commander,
                    &[Means::Phone, Means::Node],
                    pace,
                ),
                step(
                    plan,
                    3,
                    "通知管理、执法和处置力量",
                    "management, enforcement and handling forces are told",
                    Role::Commander,
                    Role::BackOffice,
                    &[Means::Node, Means::Phone],
                    pace * 2,
                ),
                step(
                    plan,
                    4,
                    "调派巡逻车和微型消防车",
                    "patrol vehicles and micro fire engines are sent",
                    Role::Dispatcher,
                    Role::Handler,
                    &[Means::Radio, Means::Node],
                    pace * 3,
                ),
                step(
                    plan,
                    5,
                    "通知村居和街巷长",
                    "villages and lane chiefs are told",
                    Role::Dispatcher,
                    Role::LaneChief,
                    &[Means::Phone, Means::Whistle],
                    pace * 4,
                ),
            ]
        };
        ladder("emergency", 3).into_iter().chain(ladder("daily", 15)).collect()
    }
}

impl Shipped for EscalationRow {
    fn shipped() -> Vec<Self> {
        let row = |severity, percent, role| Self {
            severity: Some(severity),
            percent: Some(percent),
            role: Some(role),
            ..Self::default()
        };
        let ladder = |severity: &Severity| {
            [
                row(*severity, 80, Role::Dispatcher),
                row(*severity, 100, Role::DutyHead),
                row(*severity, 150, Role::Commander),
                row(*severity, 200, Role::Leader),
            ]
        };
        Severity::ALL.iter().flat_map(ladder).collect()
    }
}

impl Shipped for ArrivalRow {
    fn shipped() -> Vec<Self> {
        vec![Self { kind: Some(TeamKind::MicroFireStation), minutes: Some(3), ..Self::default() }]
    }
}

impl Shipped for DeviceRuleRow {
    fn shipped() -> Vec<Self> {
        let row = |device, event: &str, least, category: &str, severity, alarm: Option<bool>| Self {
            device: Some(device),
            event: Some(event.to_owned()),
            least: Some(least),
            category: Some(category.to_owned()),
            severity: Some(severity),
            alarm,
            quiet: Some(60),
            ..Self::default()
        };
        let [general, serious, urgent] = [Severity::General, Severity::Serious, Severity::Urgent];
        vec![
            // 3, 10 and 25 cm.
            row(DeviceKind::Waterlogging, "water_depth", 300, "waterlogging", general, None),
            row(DeviceKind::Waterlogging, "water_depth", 1_000, "waterlogging", serious, None),
            row(DeviceKind::Waterlogging, "water_depth", 2_500, "waterlogging", urgent, None),
            row(DeviceKind::Smoke, "smoke", 0, "fire", urgent, Some(true)),
            row(DeviceKind::Gas, "gas", 0, "gas", urgent, Some(true)),
            row(DeviceKind::BikeCharger, "over_temperature", 0, "wiring", urgent, Some(true)),
            row(DeviceKind::CarCharger, "over_temperature", 0, "wiring", urgent, Some(true)),
            // 300 mA: what an electrical fire monitor alarms at (GB 14287).
            row(DeviceKind::Electricity, "leakage", 30_000, "wiring", serious, None),
            row(DeviceKind::Handheld, "sos", 0, "safety", urgent, None),
            // The daily limits of class 2 (GB 3095-2012) in micrograms to the cubic metre.
            row(DeviceKind::Environment, "pm10", 15_000, "environment", general, None),
            row(DeviceKind::Environment, "pm2_5", 7_500, "environment", general, None),
        ]
    }
}
