//! Command (指挥): responses that were opened by a plan, and messages that somebody has to acknowledge.

use super::super::columns::{Lines, Time, row, words};
use super::in_order;
use crate::domain::case::Means;
use crate::domain::codes::coded;
use crate::domain::input::{Fault, InputError};
use crate::domain::region::RegionCode;

words!(CommandLevel, Means);

coded! {
    /// Which command leads.
    pub enum CommandLevel: "level of command" {
        /// On the scene.
        OnScene = 1, "on_scene", "现场指挥", "on-scene command";
        /// Day by day, in times of peace (平时).
        Daily = 2, "daily", "日常指挥", "daily command";
        /// In an emergency (战时).
        Emergency = 3, "emergency", "应急指挥", "emergency command";
    }
}

row! {
    /// A response (应急响应): a plan that was opened, and who commands.
    pub struct Response {
        key {
            /// Its code.
            1 CODE code: String = "响应编号", "code";
        }
        required {
            /// The plan, as the table of plan steps calls it.
            2 PLAN plan: String = "预案", "plan";
            /// Which command leads.
            3 LEVEL level: CommandLevel = "指挥级别", "level";
            /// When it was opened.
            4 OPENED opened: Time = "启动时间", "opened";
            /// Who commands: a member's code.
            5 COMMANDER commander: String = "指挥长", "commander";
        }
        optional {
            /// Where.
            6 REGION region: RegionCode = "区划代码", "region";
            /// Number of the case that it is about.
            7 CASE case: String = "案件编号", "case";
            /// Why.
            8 REASON reason: Lines = "事由", "reason";
            /// When it ended.
            9 CLOSED closed: Time = "结束时间", "closed";
            /// What came of it.
            10 RESULT result: Lines = "总结", "result";
        }
    }
}

row! {
    /// A command message (指令) to one recipient: by whom, by which means, and whether they know. A message to several is
    /// one entry for each, so that each acknowledges for themselves.
    pub struct Message {
        key {
            /// Its code, the same for every recipient.
            1 CODE code: String = "指令编号", "code";
            /// To whom: a member's or a team's code.
            2 TO to: String = "接收人", "to";
        }
        required {
            /// What is ordered or told.
            3 TEXT text: Lines = "内容", "text";
            /// When it was sent.
            4 SENT sent: Time = "发出时间", "sent";
            /// By whom: a member's code.
            5 BY by: String = "发出人", "by";
        }
        optional {
            /// By which means.
            6 MEANS means: Means = "方式", "means";
            /// The response that it belongs to: its code.
            7 RESPONSE response: String = "响应编号", "response";
            /// The step of its plan.
            8 STEP step: u16 = "预案步骤", "step";
            /// Number of the order that it passes on.
            9 ORDER order: String = "派遣单编号", "order";
            /// Who took it, where somebody else did: a name or call sign.
            10 TAKEN_BY taken_by: String = "接听人", "taken by";
            /// What they read back.
            11 READ_BACK read_back: Lines = "复诵内容", "read back";
            /// When it was acknowledged.
            12 ACKNOWLEDGED acknowledged: Time = "确认时间", "acknowledged";
            /// By whom: a member's code.
            13 ACKNOWLEDGED_BY acknowledged_by: String = "确认人", "acknowledged by";
        }
    }
}

impl Response {
    fn check_values(&self) -> Result<(), InputError> {
        in_order("closed", self.opened, self.closed)
    }
}

impl Message {
    fn check_values(&self) -> Result<(), InputError> {
        in_order("acknowledged", self.sent, self.acknowledged)?;
        if self.acknowledged.is_some() && self.acknowledged_by.is_none() {
            return Err(InputError::new("acknowledged_by", Fault::Blank));
        }
        Ok(())
    }
}
