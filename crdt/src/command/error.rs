//! Why a command did nothing.

use super::life_cycle::LifeCycleError;
use super::membership::MemberError;
use super::moves::MoveError;
use crate::clock::Millis;
use crate::domain::case::{CaseState, EventError, MAX_EVENTS, Reason, Severity};
use crate::domain::columns::Time;
use crate::domain::date::Day;
use crate::domain::device_batch::BatchError;
use crate::domain::door_tag::MAX_TAGS;
use crate::domain::hazard::HazardStepError;
use crate::domain::immutable::ImmutableError;
use crate::domain::input::InputError;
use crate::domain::person::{PersonalDataTooLong, PersonalField};
use crate::domain::role::Role;
use crate::domain::tables::MAX_ROWS;
use crate::id::{DocumentId, RecordId, ResidentId};
use crate::replica::{NoCenter, PersonalError, RecordError};
use crate::store::StoreError;

/// Why a command did nothing. `Display` is English; [`Self::chinese`] says the same in Chinese.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It could not be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Somebody's data cannot be read, and what they say decides what to write.
    #[error(transparent)]
    Personal(#[from] PersonalError),
    /// A value that is not recorded, whoever enters it.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A name, number or phone is too long.
    #[error(transparent)]
    PersonalTooLong(#[from] PersonalDataTooLong),
    /// A record (an inspection) breaks a limit of its type.
    #[error(transparent)]
    Immutable(#[from] ImmutableError),
    /// A case event breaks a limit of its type.
    #[error(transparent)]
    Event(#[from] EventError),
    /// Device events that no batch can hold.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The hazard does not allow the step.
    #[error("{}", english(.0))]
    HazardStep(#[from] HazardStepError),
    /// Nobody could read it.
    #[error(transparent)]
    NoCenter(#[from] NoCenter),
    /// Another kind of file, or a damaged one.
    #[error("the file is not a photo: send JPEG, PNG or WebP")]
    NotAPhoto,
    /// What its document is found by is missing.
    #[error("{what} is missing; fill it in: a {thing} is found by it")]
    MissingKey {
        /// What kind of thing.
        thing: &'static str,
        /// Which parts.
        what: &'static str,
        /// Both in Chinese.
        chinese: &'static str,
    },
    /// The edit would make it another thing.
    #[error(
        "a {thing} is found by what this edit changes: record it anew, and say in its remarks that the old one is wrong"
    )]
    KeyFixed {
        /// What kind of thing.
        thing: &'static str,
        /// The same in Chinese.
        chinese: &'static str,
    },
    /// The edit clears a field that does not exist.
    #[error("there is no field {name:?} to clear; write one of: {known}")]
    UnknownField {
        /// As given.
        name: String,
        /// Those that exist.
        known: String,
    },
    /// It does not exist here.
    #[error("there is no {thing} {document} here: check the id, or synchronise with the node that recorded it")]
    NotFound {
        /// What kind of thing.
        thing: &'static str,
        /// The same in Chinese.
        chinese: &'static str,
        /// Which one.
        document: DocumentId,
    },
    /// People of a household cannot be told from those to be recorded, since their keys have not arrived.
    #[error(
        "the keys of {0} people in this household have not arrived, so new ones cannot be told from them: synchronise, then record again"
    )]
    KeysMissing(usize),
    /// The case does not allow the action.
    #[error("the case does not allow this: {}", reason.english())]
    CaseRefused {
        /// Why, in the words of the fold.
        reason: Reason,
        /// The event that is to blame, where there is one.
        because_of: Option<RecordId>,
        /// Where the case stands.
        state: Option<CaseState>,
    },
    /// The node's certificate does not list the role: what is said in it has no effect anywhere.
    #[error(
        "nobody acts as {} on this node: its certificate does not list the role; do it on a node that may, or ask the authority for an invite with --acts-as",
        role.english()
    )]
    RoleNotHeld {
        /// Which role.
        role: Role,
    },
    /// The list of members says otherwise of whoever acts.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// Rows that are wrong, each with its place in what was given, from 0. Nothing was recorded.
    #[error("nothing was recorded, {} rows are wrong: {}", .0.len(), rows_english(.0))]
    Rows(Vec<(usize, InputError)>),
    /// The rules of cases are not published.
    #[error(transparent)]
    LifeCycle(#[from] LifeCycleError),
    /// A table with as many rows as it may have.
    #[error(
        "the table would hold more than {MAX_ROWS} rows, those that were taken out included: change rows that stand instead"
    )]
    TableFull,
    /// Nobody said how long a case of this kind may take.
    #[error("no limit is set for category {category} with severity {}: add it to the table of limits, or name minutes and clock", severity.english())]
    NoLimit {
        /// The category.
        category: String,
        /// The severity.
        severity: Severity,
    },
    /// A case that would be hidden behind itself.
    #[error("a case cannot be merged into itself, nor into one that was merged into it: name another case")]
    MergeIntoItself,
    /// A case that stands for nothing by itself any more.
    #[error("case {into} was merged into {leads_to} itself: name that one")]
    MergedAlready {
        /// As given.
        into: DocumentId,
        /// Where it went.
        leads_to: DocumentId,
    },
    /// The case holds as many events as a fold looks at.
    #[error("the case holds {MAX_EVENTS} events and takes no more: report what is left as a new case")]
    CaseFull,
    /// Nobody inspects a grid that nobody patrols.
    #[error(
        "the grid is retired since {0}: inspect the grid that its ground belongs to now, or take the retirement back"
    )]
    GridRetired(Day),
    /// No door tag is issued for a house that is gone.
    #[error("the house is gone since {0}: if it stands (again), say so when the tag is issued")]
    DwellingGone(Day),
    /// A dwelling with as many tags as it may have.
    #[error("the dwelling has {MAX_TAGS} door tags, retired ones included, and takes no more")]
    TagsFull,
    /// An order is said to have been handed on before there was one.
    #[error(
        "the order was written at {}, so it cannot have been handed on at {}: check the time; what was said before is noted down as a command message",
        town_time(*.sent_ms),
        town_time(*.at_ms)
    )]
    ToldBeforeSent {
        /// When it was written, in milliseconds since 1970.
        sent_ms: Millis,
        /// When it is said to have been handed on.
        at_ms: Millis,
    },
    /// The conflict is not open any more.
    #[error("the conflict was settled already, or what was in conflict is gone: look at the list again")]
    ConflictSettled,
    /// The conflict is not what was seen.
    #[error("what stands against each other has changed since it was looked at: look at it again, then decide")]
    ConflictChanged,
    /// The action does not settle such a conflict.
    #[error("such a conflict is not settled like this: take one of the actions that stand beside it")]
    NotOffered,
    /// There is no such side.
    #[error("there is no side {side} to choose: write a number from 1 to {sides}")]
    NoSuchSide {
        /// As given.
        side: usize,
        /// How many there are.
        sides: usize,
    },
    /// An order that the conflict is not about.
    #[error("an order to be called off is not an open one of this conflict: name those that stand beside its sides")]
    NoSuchOrder,
    /// Nobody said who settles.
    #[error(
        "who settles, and in which role, is missing: a conflict of a case is settled by somebody with the right to"
    )]
    ActorMissing,
    /// It was settled by doing something that is not taken back so.
    #[error(
        "this was settled by a step of the case or by rules that were published, which is not taken back here: take the next step of the case, or publish other rules"
    )]
    NotUndoable,
    /// More was recorded with a settlement.
    #[error("more was recorded together with it, which undoing it would lose: correct the value instead")]
    UndoLoses,
    /// An edit of somebody who is shown as somebody else.
    #[error(
        "this resident is shown as {kept}, by what was answered about the two: edit that one, or take the answer back"
    )]
    Alias {
        /// Who is shown.
        kept: ResidentId,
    },
    /// Two residents of one household are answered about there.
    #[error("both live in one household: answer in the conflict inbox, where they are offered")]
    OneHousehold,
    /// A step of a move that is not to be taken.
    #[error(transparent)]
    Move(#[from] MoveError),
}

/// The English half of a bilingual message.
fn english(error: &HazardStepError) -> String {
    halves(error).1
}

fn halves(error: &HazardStepError) -> (String, String) {
    let text = error.to_string();
    let (chinese, english) = text.split_once(" / ").unwrap_or((&text, &text));
    (chinese.to_owned(), english.to_owned())
}

impl CommandError {
    /// A stable word for programs, as in JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Record(error) => record_code(error),
            Self::Store(_) => "store",
            Self::Personal(PersonalError::Erased) => "erased",
            Self::Personal(PersonalError::NoKey) => "person_key_missing",
            Self::Personal(PersonalError::Seal(_)) => "unreadable",
            Self::Personal(PersonalError::Store(_)) => "store",
            Self::Input(error) => error.code(),
            Self::PersonalTooLong(_) | Self::Immutable(_) | Self::Event(_) | Self::Batch(_) => "invalid",
            Self::HazardStep(HazardStepError::NotFromHere { .. }) => "wrong_state",
            Self::HazardStep(HazardStepError::OwnWork) => "own_work",
            Self::HazardStep(HazardStepError::Finder) => "finder",
            Self::HazardStep(HazardStepError::WrongRole { .. }) => "wrong_role",
            Self::NoCenter(_) => "no_center",
            Self::NotAPhoto => "not_a_photo",
            Self::MissingKey { .. } => "missing_key",
            Self::KeyFixed { .. } => "key_fixed",
            Self::UnknownField { .. } => "unknown_field",
            Self::NotFound { .. } => "not_found",
            Self::KeysMissing(_) => "person_key_missing",
            Self::CaseRefused { reason, .. } => reason.key(),
            Self::RoleNotHeld { .. } => "role_not_held",
            Self::Member(error) => error.code(),
            Self::Rows(_) => "rows",
            Self::LifeCycle(error) => error.code(),
            Self::TableFull => "table_full",
            Self::NoLimit { .. } => "no_limit",
            Self::MergeIntoItself => "merge_into_itself",
            Self::MergedAlready { .. } => "merged_already",
            Self::CaseFull => "case_full",
            Self::GridRetired(_) => "grid_retired",
            Self::DwellingGone(_) => "dwelling_gone",
            Self::TagsFull => "tags_full",
            Self::ToldBeforeSent { .. } => "told_before_sent",
            Self::ConflictSettled => "settled",
            Self::ConflictChanged => "conflict_changed",
            Self::NotOffered => "not_offered",
            Self::NoSuchSide { .. } => "no_such_side",
            Self::NoSuchOrder => "no_such_order",
            Self::ActorMissing => "actor_missing",
            Self::NotUndoable | Self::UndoLoses => "not_undoable",
            Self::Alias { .. } => "alias",
            Self::OneHousehold => "one_household",
            Self::Move(error) => error.code(),
        }
    }

    /// The message in Simplified Chinese.
    pub fn chinese(&self) -> String {
        match self {
            Self::Record(error) => record_chinese(error),
            Self::Store(_) | Self::Personal(PersonalError::Store(_)) => STORE.into(),
            Self::Personal(PersonalError::Erased) => "此人的信息已被删除".into(),
            Self::Personal(PersonalError::NoKey) => "此人信息的密钥尚未到达，请先同步".into(),
            Self::Personal(PersonalError::Seal(_)) => SEAL.into(),
            Self::Input(error) => error.chinese(),
            Self::PersonalTooLong(error) => {
                format!("{}过长（{} 字节），请缩短", personal_chinese(error.field), error.bytes)
            }
            Self::Immutable(error) => format!("记录内容不符合要求：{error}"),
            Self::Event(error) => format!("案卷内容不符合要求：{error}"),
            Self::Batch(error) => format!("设备数据不符合要求：{error}"),
            Self::HazardStep(error) => halves(error).0,
            Self::NoCenter(_) => "本节点还不知道任何指挥中心，无人能读取：请先与中心连通一次".into(),
            Self::NotAPhoto => "文件不是照片，请使用 JPEG、PNG 或 WebP".into(),
            Self::MissingKey { chinese, .. } => (*chinese).into(),
            Self::KeyFixed { chinese, .. } => {
                format!("不能修改用于识别{chinese}的内容，请重新录入，并在原记录备注中说明")
            }
            Self::UnknownField { name, .. } => format!("没有名为“{name}”的字段"),
            Self::NotFound { chinese, document, .. } => {
                format!("本节点没有此{chinese}（{document}），请核对编号或先同步")
            }
            Self::KeysMissing(count) => format!("本户有 {count} 人的密钥尚未到达，无法判断是否重复，请先同步再录入"),
            Self::CaseRefused { reason, state, .. } => match state {
                Some(state) => format!("{}（当前状态：{}）", reason.chinese(), state.chinese()),
                None => reason.chinese().into(),
            },
            Self::RoleNotHeld { role } => {
                format!(
                    "本节点的证书不含“{}”角色，请在有此角色的节点上操作，或请授权机构签发含此角色的邀请",
                    role.chinese()
                )
            }
            Self::Member(error) => error.chinese(),
            Self::Rows(rows) => format!("没有录入，{} 行有误：{}", rows.len(), rows_chinese(rows)),
            Self::LifeCycle(error) => error.chinese(),
            Self::TableFull => format!("码表（含停用的行）超过 {MAX_ROWS} 行，请改用已有的行"),
            Self::NoLimit { category, severity } => {
                format!(
                    "类别“{category}”（{}）没有设定时限，请在时限表中补充，或写明分钟数和计时方式",
                    severity.chinese()
                )
            }
            Self::MergeIntoItself => "案卷不能并入自身，也不能并入已并入它的案卷，请填另一件案卷的编号".into(),
            Self::MergedAlready { into, leads_to } => format!("案卷 {into} 已并入 {leads_to}，请填后者的编号"),
            Self::CaseFull => format!("本案记录已满（{MAX_EVENTS} 条），请另立新案"),
            Self::GridRetired(since) => grid_retired(*since),
            Self::DwellingGone(since) => format!("该房屋已于 {since} 拆除：如仍在或已重建，请在制作时写明"),
            Self::TagsFull => format!("该房屋的门牌（含停用的）已有 {MAX_TAGS} 块，不能再制作"),
            Self::ToldBeforeSent { sent_ms, at_ms } => {
                let (sent, at) = (town_time(*sent_ms), town_time(*at_ms));
                format!("派遣单于 {sent} 派出，不可能在 {at} 已传达：请核对时间；此前口头下达的内容请登记为指令")
            }
            Self::ConflictSettled => "该冲突已裁定或已不存在，请重新查看列表".into(),
            Self::ConflictChanged => "查看之后该冲突的内容已有变化，请重新查看再裁定".into(),
            Self::NotOffered => "此类冲突不能这样裁定，请选用所列的处理方式".into(),
            Self::NoSuchSide { side, sides } => format!("没有第 {side} 方，请填 1 至 {sides}"),
            Self::NoSuchOrder => "要撤销的任务不是本冲突中未完成的任务，请选用各方所列的任务".into(),
            Self::ActorMissing => "缺少裁定人及其角色：案卷冲突须由有权的角色裁定".into(),
            Self::UndoLoses => "同时还记录了其他内容，撤销会丢失它们：请直接改正该项".into(),
            Self::Alias { kept } => format!("此人已判定与 {kept} 为同一人并以其显示：请修改后者，或先撤销判定"),
            Self::OneHousehold => "两人在同一户：请在待裁定列表中判定".into(),
            Self::Move(error) => error.chinese(),
            Self::NotUndoable => {
                "此项由案卷操作或发布流程而了结，不能在此撤销：请进行案卷的下一步操作，或另行发布流程".into()
            }
        }
    }
}

fn grid_retired(since: Day) -> String {
    format!("该网格已于 {since} 停用：请检查其范围现在所属的网格，或先撤销停用")
}

/// A moment as people of the town write it, to the second.
fn town_time(at: Millis) -> String {
    Time(i64::try_from(at / 1_000 * 1_000).unwrap_or(i64::MAX)).local()
}

/// Rows that a message names.
const ROWS_NAMED: usize = 20;

fn rows_english(rows: &[(usize, InputError)]) -> String {
    let named = rows.iter().take(ROWS_NAMED).map(|(place, error)| format!("rows[{place}].{error}"));
    named.collect::<Vec<_>>().join("; ")
}

fn rows_chinese(rows: &[(usize, InputError)]) -> String {
    let named = rows.iter().take(ROWS_NAMED).map(|(place, error)| format!("rows[{place}].{}", error.chinese()));
    named.collect::<Vec<_>>().join("；")
}

const STORE: &str = "数据存储失败，请检查磁盘";
const SEAL: &str = "加密数据无法打开，可能已损坏或此人信息已被删除";

fn record_code(error: &RecordError) -> &'static str {
    match error {
        RecordError::Denied(_) => "denied",
        RecordError::NoKey(_) => "no_key",
        RecordError::UnknownNamespace(_) => "unknown_namespace",
        RecordError::TooLarge { .. } => "too_large",
        RecordError::Store(_) => "store",
        RecordError::Seal(_) => "unreadable",
        RecordError::Statement(_) => "statement",
        RecordError::Quota => "quota",
        RecordError::NoRoom => "no_room",
        RecordError::DiskLow => "disk_low",
        RecordError::ReadOnly => "read_only",
    }
}

fn record_chinese(error: &RecordError) -> String {
    match error {
        RecordError::Denied(_) => "本节点无权录入此项内容".into(),
        RecordError::NoKey(namespace) => format!("本节点还没有 {namespace} 的密钥，请先连接持有密钥的节点"),
        RecordError::UnknownNamespace(namespace) => {
            format!("本节点不认识 {namespace}，请先连接中心一次，或核对区划代码")
        }
        RecordError::TooLarge { size, limit } => format!("内容过大（{size}，上限 {limit}），请缩短"),
        RecordError::Store(_) => STORE.into(),
        RecordError::Seal(_) => SEAL.into(),
        RecordError::Statement(_) => "证书声明无效".into(),
        RecordError::NoRoom => "本节点保存的位置已达上限，请移除不再使用的节点".into(),
        RecordError::DiskLow => "磁盘空间不足：导入和照片须等清理磁盘后再做，其他录入照常".into(),
        RecordError::Quota => "本节点的证书与时段记录已达上限，请连接指挥中心并在那里录入".into(),
        RecordError::ReadOnly => "此前写入失败，已停止录入，请检查磁盘并重启本节点".into(),
    }
}

pub(super) fn personal_chinese(field: PersonalField) -> &'static str {
    match field {
        PersonalField::Name => "姓名",
        PersonalField::IdNumber => "身份证号",
        PersonalField::Phone => "电话",
    }
}
