//! What people do to a case.

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Decoder, Encode, Encoder};
use serde::{Deserialize, Serialize};

use super::bytes;
use crate::domain::codes::coded;
use crate::domain::position::Position;
use crate::domain::region::RegionCode;
use crate::id::{DocumentId, RecordId};

coded! {
    /// Where a case comes from.
    pub enum Source: "source of a case" {
        /// 执法检查.
        Enforcement = 1, "enforcement", "执法检查", "enforcement inspection";
        /// 网格巡查.
        Patrol = 2, "patrol", "网格巡查", "grid patrol";
        /// 公众上报: 12345, walk-in, door tag.
        Public = 3, "public", "公众上报", "public report";
        /// 视频.
        Video = 4, "video", "视频", "video";
        /// 数据分析; also devices.
        Data = 5, "data", "数据分析", "data analysis";
    }
}

coded! {
    /// How grave a case is; with its category it chooses the limit.
    pub enum Severity: "severity" {
        /// 一般.
        General = 1, "general", "一般", "general";
        /// 较重.
        Serious = 2, "serious", "较重", "serious";
        /// 紧急.
        Urgent = 3, "urgent", "紧急", "urgent";
    }
}

coded! {
    /// Which hours count for a limit.
    pub enum LimitClock: "kind of limit" {
        /// Only working hours of the calendar.
        Working = 1, "working", "工作时", "working hours";
        /// Every hour.
        Emergency = 2, "emergency", "应急时", "emergency hours";
    }
}

coded! {
    /// What the caller says when called back.
    pub enum Satisfaction: "satisfaction" {
        /// 满意.
        Satisfied = 1, "satisfied", "满意", "satisfied";
        /// 基本满意.
        Mostly = 2, "mostly_satisfied", "基本满意", "mostly satisfied";
        /// 不满意.
        Dissatisfied = 3, "dissatisfied", "不满意", "dissatisfied";
        /// 未接通.
        Unreachable = 4, "unreachable", "未接通", "not reached";
    }
}

coded! {
    /// Why a closed case is taken up again.
    pub enum ReopenCause: "cause of reopening" {
        /// 回访未解决.
        Unsolved = 1, "unsolved", "回访未解决", "callback says unsolved";
        /// 问题复发.
        Recurrence = 2, "recurrence", "问题复发", "the problem came back";
        /// 结案后得知: what was not known when the case was closed.
        LateNews = 3, "late_news", "结案后得知新情况", "what was not known at closing";
    }
}

coded! {
    /// By which means an order was handed on to a unit that its node does not reach.
    pub enum Means: "means of conveying" {
        /// 电话.
        Phone = 1, "phone", "电话", "phone";
        /// 电台.
        Radio = 2, "radio", "电台", "radio";
        /// 当面.
        InPerson = 3, "in_person", "当面", "in person";
        /// 纸质: an order sheet was handed over.
        Print = 4, "print", "纸质派遣单", "printed sheet";
        /// 系统: on the screen of their node.
        Node = 5, "node", "系统", "on their screen";
        /// 短信.
        Sms = 6, "sms", "短信", "short message";
        /// 吹哨.
        Whistle = 7, "whistle", "吹哨", "whistle";
    }
}

/// The hash under which a sealed blob (a photo) is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize)]
#[cbor(transparent)]
#[serde(transparent)]
pub struct BlobHash(#[serde(with = "bytes_of_hash")] ByteArray<32>);

crate::openapi::described!(BlobHash => crate::openapi::forms::digits("BlobHash", 64, "照片 / hash of a sealed blob"));

impl From<[u8; 32]> for BlobHash {
    fn from(hash: [u8; 32]) -> Self {
        Self(hash.into())
    }
}

impl BlobHash {
    /// The bytes of the hash.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_ref()
    }
}

/// JSON form of [`BlobHash`].
mod bytes_of_hash {
    use super::{ByteArray, bytes};
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(hash: &ByteArray<32>, serializer: S) -> Result<S::Ok, S::Error> {
        bytes::serialize::<[u8; 32], S>(hash, serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteArray<32>, D::Error> {
        bytes::deserialize::<[u8; 32], D>(deserializer).map(Into::into)
    }
}

/// Names one order of one dispatch or whistle: the event and the order's place in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct OrderRef {
    /// The dispatching or whistling event.
    #[n(0)]
    pub event: RecordId,
    /// Place in the event's list, from 0.
    #[n(1)]
    pub index: u8,
}

/// What one team is asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// The team's code or name; not empty.
    #[n(0)]
    pub team: String,
    /// What it shall do.
    #[n(1)]
    pub task: String,
}

/// The first account of a problem.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = CaseReport))]
#[cbor(map)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Where the report comes from.
    #[n(0)]
    pub source: Source,
    /// Code of the category that the reporter suggests; the duty head fixes it when filing.
    #[n(1)]
    #[serde(default)]
    pub category: Option<String>,
    /// The place in words.
    #[n(2)]
    pub place: String,
    /// The place on the map.
    #[n(3)]
    #[serde(default)]
    pub position: Option<Position>,
    /// What is wrong; not empty.
    #[n(4)]
    pub description: String,
    /// The village or community.
    #[n(5)]
    #[serde(default)]
    pub region: Option<RegionCode>,
    /// Id of the camera or device, where one reports.
    #[n(6)]
    #[serde(default)]
    pub device: Option<String>,
    /// Name and phone of the caller, sealed under the case party's key.
    #[n(7)]
    #[serde(default, with = "bytes::optional")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, pattern = "^([0-9a-fA-F]{2})*$"))]
    pub reporter: Option<ByteVec>,
    /// Photos of the problem.
    #[n(8)]
    #[serde(default)]
    pub photos: Vec<BlobHash>,
    /// When the finder saw it, in milliseconds since 1970; it may lie well before the report, not after it.
    #[n(9)]
    #[serde(default)]
    pub found_ms: Option<u64>,
}

/// How an order was handed on by voice or on paper.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
#[serde(deny_unknown_fields)]
pub struct Conveying {
    /// By which means.
    #[n(0)]
    pub means: Means,
    /// Who spoke, or handed the sheet over: a member's code or a name; not empty.
    #[n(1)]
    pub speaker: String,
    /// To whom: a name or call sign; not empty.
    #[n(2)]
    pub to: String,
    /// When, in milliseconds since 1970. It may lie well before the event that notes it down, not after it.
    #[n(3)]
    pub at_ms: u64,
    /// Whether whoever heard it read it back.
    #[n(4)]
    #[serde(default)]
    pub read_back: bool,
    /// What was read back, in words.
    #[n(5)]
    #[serde(default)]
    pub words: Option<String>,
}

/// An action of a newer version: kept, shown, without effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UnknownAction {
    /// Its code.
    pub code: u16,
    /// Its fields as CBOR.
    #[serde(with = "bytes")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^([0-9a-fA-F]{2})*$"))]
    pub body: Vec<u8>,
}

const fn working_hours() -> LimitClock {
    LimitClock::Working
}

/// One action. The number of each variant is its code on the wire, the numbers of its fields are their map keys.
///
/// References (`request`, `order`, `question`, ...) name events that the author must have seen.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is named by its variant's documentation")]
pub enum Action {
    /// 上报: a problem is reported.
    #[n(1)]
    Report(#[n(0)] Box<Report>),
    /// 要求核实: intake asks for a look at the place.
    #[n(2)]
    AskCheck {
        #[n(0)]
        question: String,
    },
    /// 核实反馈: the answer to `question`, and whether the problem was `found`.
    #[n(3)]
    AnswerCheck {
        #[n(0)]
        question: RecordId,
        #[n(1)]
        found: bool,
        #[n(2)]
        answer: String,
    },
    /// 受理: intake accepts.
    #[n(4)]
    Accept,
    /// 不予受理: intake refuses, with the `reason`.
    #[n(5)]
    Refuse {
        #[n(0)]
        reason: String,
    },
    /// 并案: the case is a duplicate of the case `into`.
    #[n(6)]
    Merge {
        #[n(0)]
        into: DocumentId,
    },
    /// 立案: category, severity and the limit in minutes of `clock`, all fixed now. Where somebody files and names no minutes,
    /// the limit is that of the town's table.
    #[n(7)]
    File {
        #[n(0)]
        category: String,
        #[n(1)]
        severity: Severity,
        #[n(2)]
        #[serde(default)]
        minutes: u32,
        #[n(3)]
        #[serde(default = "working_hours")]
        clock: LimitClock,
    },
    /// 派遣: orders to one or several teams; `lead` is the place of the leading team in the list.
    #[n(8)]
    Dispatch {
        #[n(0)]
        orders: Vec<Assignment>,
        #[n(1)]
        lead: u8,
    },
    /// 吹哨: units call other units to join; both lists have at least one.
    #[n(9)]
    Whistle {
        #[n(0)]
        callers: Vec<String>,
        #[n(1)]
        called: Vec<Assignment>,
    },
    /// 签收: the team has read its order.
    #[n(10)]
    Acknowledge {
        #[n(0)]
        order: OrderRef,
    },
    /// 报到: the team is there.
    #[n(11)]
    ReportIn {
        #[n(0)]
        order: OrderRef,
    },
    /// 申请退回: the team asks to give its order back.
    #[n(12)]
    RequestReturn {
        #[n(0)]
        order: OrderRef,
        #[n(1)]
        reason: String,
    },
    /// 申请延期: more time, in minutes of the filing's clock.
    #[n(13)]
    RequestExtension {
        #[n(0)]
        minutes: u32,
        #[n(1)]
        reason: String,
    },
    /// 申请挂账: work cannot go on for the `reason`.
    #[n(14)]
    RequestSuspension {
        #[n(0)]
        reason: String,
    },
    /// 申请作废: the case should not exist, for the `reason`.
    #[n(15)]
    RequestVoid {
        #[n(0)]
        reason: String,
    },
    /// 同意: approves exactly this request.
    #[n(16)]
    Approve {
        #[n(0)]
        request: RecordId,
    },
    /// 不同意: declines exactly this request, with the `reason`.
    #[n(17)]
    Decline {
        #[n(0)]
        request: RecordId,
        #[n(1)]
        reason: String,
    },
    /// 恢复处理: a suspended case goes on.
    #[n(18)]
    Resume,
    /// 处置完成: an order is done; `result` and photos are the evidence.
    #[n(19)]
    OrderDone {
        #[n(0)]
        order: OrderRef,
        #[n(1)]
        result: String,
        #[n(2)]
        photos: Vec<BlobHash>,
    },
    /// 牵头办结: the leading `team` declares the work finished.
    #[n(20)]
    LeadClose {
        #[n(0)]
        team: String,
        #[n(1)]
        summary: String,
    },
    /// 核查: an inspector looks; `passed` or not.
    #[n(21)]
    Verify {
        #[n(0)]
        passed: bool,
        #[n(1)]
        finding: String,
        #[n(2)]
        photos: Vec<BlobHash>,
    },
    /// 结案: the duty head closes.
    #[n(22)]
    Close,
    /// 回访: the caller was asked.
    #[n(23)]
    Callback {
        #[n(0)]
        satisfaction: Satisfaction,
        #[n(1)]
        solved: bool,
    },
    /// 重新处理: a closed case is taken up again.
    #[n(24)]
    Reopen {
        #[n(0)]
        cause: ReopenCause,
    },
    /// 当场处置: the finder dealt with it on the spot.
    #[n(25)]
    HandleOnSpot {
        #[n(0)]
        result: String,
        #[n(1)]
        photos: Vec<BlobHash>,
    },
    /// 当场处置审核: the audit of the `claim`; `valid` or not.
    #[n(26)]
    Audit {
        #[n(0)]
        claim: RecordId,
        #[n(1)]
        valid: bool,
    },
    /// 督办: the commander demands an answer, by `due_ms` where that is said, in milliseconds since 1970.
    #[n(27)]
    Supervise {
        #[n(0)]
        demand: String,
        #[n(1)]
        #[serde(default)]
        due_ms: Option<u64>,
    },
    /// 督办回复: the answer to a `supervision`.
    #[n(28)]
    Reply {
        #[n(0)]
        supervision: RecordId,
        #[n(1)]
        answer: String,
    },
    /// 备注: words for everybody.
    #[n(29)]
    Comment {
        #[n(0)]
        text: String,
    },
    /// 冲突裁定: settles the conflict between two events and calls off the orders that it names. One event named twice: an
    /// event without effect that somebody has seen to be so, or a settlement, which is taken back (撤销裁定).
    #[n(30)]
    Settle {
        #[n(0)]
        between: [RecordId; 2],
        #[n(1)]
        call_off: Vec<OrderRef>,
    },
    /// 传达: an order was handed on by phone, radio, in person or on paper. It is no acknowledgement: the team's node may
    /// know nothing of it.
    #[n(31)]
    Convey {
        #[n(0)]
        order: OrderRef,
        #[n(1)]
        conveying: Conveying,
    },
    /// 落实到人: a team's order goes to a named `person`, a member's code. The latest one stands.
    #[n(32)]
    Assign {
        #[n(0)]
        order: OrderRef,
        #[n(1)]
        person: String,
    },
    /// An action of a newer version. Never on the wire under this number.
    #[n(65535)]
    Unknown(#[cbor(n(0), with = "never")] UnknownAction),
}

impl Action {
    /// The codes that this version knows.
    pub const KNOWN_CODES: std::ops::RangeInclusive<u16> = 1..=32;

    /// The first code that was added after others were in use.
    const FIRST_LATER: u16 = 31;

    /// The same as versions before it keep it, where its code was added later and it breaks a bound.
    pub(super) fn kept(&self) -> Option<Self> {
        let bytes = minicbor::to_vec(self).ok()?;
        let mut d = Decoder::new(&bytes);
        d.array().ok()?;
        let code = d.u16().ok().filter(|code| *code >= Self::FIRST_LATER)?;
        Some(Self::Unknown(UnknownAction { code, body: bytes.get(d.position()..)?.to_vec() }))
    }

    /// Reads an action, keeping one of a newer version as it is.
    pub(super) fn read<C>(d: &mut Decoder<'_>, context: &mut C) -> Result<Self, minicbor::decode::Error> {
        let start = d.position();
        if d.array()? != Some(2) {
            return Err(minicbor::decode::Error::message("an action is an array of its code and its fields"));
        }
        let code = d.u16()?;
        let body_start = d.position();
        if Self::KNOWN_CODES.contains(&code) {
            d.set_position(start);
            match Self::decode(d, context) {
                // Versions before it keep any body of this code: so must this one, or the case would stand still here alone.
                Err(_) if code >= Self::FIRST_LATER => d.set_position(body_start),
                decoded => return decoded,
            }
        }
        d.skip()?;
        let body = d.input().get(body_start..d.position()).unwrap_or_default().to_vec();
        Ok(Self::Unknown(UnknownAction { code, body }))
    }

    /// Writes an action; one of a newer version with the bytes that were read.
    pub(super) fn write<C, W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        let Self::Unknown(UnknownAction { code, body }) = self else { return self.encode(e, context) };
        e.array(2)?.u16(*code)?;
        e.writer_mut().write_all(body).map_err(minicbor::encode::Error::write)
    }
}

/// The codec of [`Action`] within an event, which unlike the derived one keeps unknown actions.
pub(super) mod codec {
    use super::{Action, Decoder, Encoder};

    pub(crate) fn decode<C>(d: &mut Decoder<'_>, context: &mut C) -> Result<Action, minicbor::decode::Error> {
        Action::read(d, context)
    }

    pub(crate) fn encode<C, W: minicbor::encode::Write>(
        action: &Action,
        e: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        action.write(e, context)
    }
}

/// The derived codec has no form for unknown actions; [`codec`] goes before it.
mod never {
    use super::{Decoder, Encoder, UnknownAction};

    pub(super) fn decode<C>(_: &mut Decoder<'_>, _: &mut C) -> Result<UnknownAction, minicbor::decode::Error> {
        Err(minicbor::decode::Error::message("an unknown action has no derived form"))
    }

    pub(super) fn encode<C, W: minicbor::encode::Write>(
        _: &UnknownAction,
        _: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        Err(minicbor::encode::Error::message("an unknown action has no derived form"))
    }
}
