//! What went wrong, for people in Chinese and English and for programs by a stable code.
//!
//! Errors of the libraries are written for their callers. [`Explain`] turns them into what a village clerk can act on;
//! the HTTP API answers with it and the command line prints it.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use townmesh_crdt::certificate::CertificateKind;
use townmesh_crdt::command::CommandError;
use townmesh_crdt::command::door_tag::TagRefusal;
use townmesh_crdt::command::read::ReadError;
use townmesh_crdt::domain::door_tag::TagNameError;
use townmesh_crdt::enrol::EnrolError;
use townmesh_crdt::id::NodeId;
use townmesh_crdt::replica::{EraseError, OpenError, RatifyError, RecordError, RevokeError};
use townmesh_crdt::store::StoreError;
use townmesh_crdt::trust::NameHolder;
use townmesh_transport::StartError;

use crate::engine::EngineError;
use crate::ledger::{ExportError, LedgerError, MappingError};
use crate::views::{QueryError, ViewError};

/// An error in two languages. As JSON `{code, message_zh, message_en, remedy?}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Message {
    /// A stable name for programs.
    pub code: Cow<'static, str>,
    /// What is wrong, in Chinese.
    #[serde(rename = "message_zh")]
    pub zh: String,
    /// What is wrong, in English.
    #[serde(rename = "message_en")]
    pub en: String,
    /// What to do, in Chinese and English.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Message {
    /// A message without a remedy of its own.
    pub fn new(code: &'static str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { code: Cow::Borrowed(code), zh: zh.into(), en: en.into(), remedy: None }
    }

    /// The same message with what to do about it.
    #[must_use]
    pub fn remedy(self, zh: &str, en: &str) -> Self {
        Self { remedy: Some(format!("{zh} / {en}")), ..self }
    }

    /// A text that holds both languages already, with ` / ` between them.
    fn of_both(code: &'static str, text: &str) -> Self {
        let (zh, en) = text.split_once(" / ").unwrap_or((text, text));
        Self::new(code, zh, en)
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.zh)?;
        write!(f, "{}", self.en)?;
        match &self.remedy {
            Some(remedy) => write!(f, "\n→ {remedy}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Message {}

/// An error that people may see.
pub trait Explain {
    /// In their words.
    fn explain(&self) -> Message;
}

impl Explain for Message {
    fn explain(&self) -> Message {
        self.clone()
    }
}

impl Explain for StoreError {
    fn explain(&self) -> Message {
        let en = self.to_string();
        match self {
            Self::InUse => Message::new("store_in_use", "数据目录正被另一个 townmesh 进程使用", en)
                .remedy("先停止那个进程，或换一个数据目录", "stop that process first, or use another data directory"),
            Self::Damaged(_) => Message::new("store_damaged", "数据文件已损坏", en).remedy(
                "把 store.redb 移到别处，再运行 townmesh run --accept-empty-store，从其他节点取回数据",
                "move store.redb aside, then `townmesh run --accept-empty-store` fetches everything back from peers",
            ),
            Self::Full(_) => Message::new("disk_full", "磁盘已满，这一批没有保存", en)
                .remedy("清理磁盘空间后重试", "free some disk space, then try again"),
            Self::Io(_) => Message::new("disk_failed", "磁盘读写失败，这一批没有保存", en)
                .remedy("检查磁盘后重新启动", "check the disk, then restart this node"),
            Self::Newer { .. } => Message::new("store_newer", "数据文件由更新的版本写成", en)
                .remedy("升级本节点的 townmesh", "upgrade townmesh on this node"),
        }
    }
}

impl Explain for RecordError {
    fn explain(&self) -> Message {
        let en = self.to_string();
        match self {
            Self::Denied(_) => Message::new("denied", "本节点无权记录此内容", en).remedy(
                "在有权限的节点上记录，或申请新的入网邀请",
                "record it on a node that may, or ask for a new invite",
            ),
            Self::NoKey(namespace) => Message::new("no_key", format!("本节点还没有 {namespace} 的密钥"), en)
                .remedy("与持有密钥的节点连接一次", "connect once to a node that holds the key"),
            Self::UnknownNamespace(namespace) => {
                Message::new("unknown_namespace", format!("本节点还不知道 {namespace}"), en).remedy(
                    "与指挥中心连接一次，或核对区划代码",
                    "connect once to the center, or check the region code",
                )
            }
            Self::TooLarge { size, limit } => {
                Message::new("too_large", format!("记录过大：{size} 字节，最多 {limit} 字节"), en)
                    .remedy("缩短备注或分几次记录", "shorten remarks, or record it in parts")
            }
            Self::Store(error) => error.explain(),
            Self::Seal(_) => Message::new("sealed", "此人的个人信息已被删除或无法加密", en),
            Self::Statement(_) => Message::new("statement", "证书或声明无效", en),
            Self::Quota => Message::new("quota", "本节点的证书与时段记录已达上限", en)
                .remedy("连接指挥中心并在那里记录", "connect to the center, and record it there"),
            Self::NoRoom => Message::new("no_room", "本节点保存的位置已达上限", en)
                .remedy("移除不再使用的节点", "remove nodes that are no longer in use"),
            Self::DiskLow => Message::new("disk_low", "磁盘空间不足：暂不接受导入和照片，其他录入照常", en)
                .remedy("清理磁盘空间后重试", "free some disk space, then try again"),
            Self::ReadOnly => Message::new("read_only", "此前写入失败，本节点已停止记录", en)
                .remedy("检查磁盘后重新启动", "check the disk, then restart this node"),
        }
    }
}

impl Explain for OpenError {
    fn explain(&self) -> Message {
        let en = self.to_string();
        match self {
            Self::Store(error) => error.explain(),
            Self::Certificate(_) => Message::new("certificate", "本节点的证书无效", en)
                .remedy("申请新的入网邀请后重新加入", "ask for a new invite and join again"),
            Self::OtherNode { .. } => Message::new("other_node", "该数据目录属于另一个节点", en)
                .remedy("每个节点使用自己的数据目录", "give each node its own data directory"),
            Self::Vanished => Message::new("store_vanished", "数据文件丢失或为空，而本节点曾记录过数据", en).remedy(
                "恢复数据文件；或运行 townmesh run --accept-empty-store 从其他节点取回，仅存于本节点的内容将丢失",
                "restore it; or `townmesh run --accept-empty-store` fetches it back from peers, what only this node held is lost",
            ),
            Self::Codec(_) => Message::new("out_of_memory", "无法准备压缩，内存可能不足", en),
            Self::Record(error) => error.explain(),
        }
    }
}

impl Explain for EnrolError {
    fn explain(&self) -> Message {
        let en = self.to_string();
        match self {
            Self::Name => Message::new("name", "名称须为1至64个字符，不含控制字符，首尾没有空格", en)
                .remedy("换一个名称", "give another name"),
            Self::NameTaken { name, holder } => {
                let holder = match holder {
                    NameHolder::Node(node) => format!("节点 {}", node.short()),
                    NameHolder::Invite(invite) => format!("尚未使用的邀请 {}", invite.short()),
                };
                Message::new("name_taken", format!("名称 {name} 已被{holder}占用"), en).remedy(
                    "换一个名称；若要替换旧的，先用 townmesh revoke 注销它（邀请用 --invite）",
                    "give another name; to replace the old one `townmesh revoke` it first (an invite with --invite)",
                )
            }
            Self::CenterScope => Message::new("center_scope", "指挥中心读写全镇，不能有 --region 或 --carry", en)
                .remedy("去掉它们，或换一个 --role", "leave out --region and --carry, or give another --role"),
            Self::NoRegion(_) => Message::new("no_region", "村居和巡逻节点须有 --region", en)
                .remedy("加上 --region <区划代码>", "add --region CODE"),
            Self::NoScope => Message::new("no_scope", "携带节点须有 --carry 或 --region", en)
                .remedy("加上 --carry <区划代码>", "add --carry CODE"),
            Self::TooManyRegions { count } => {
                Message::new("too_many_regions", format!("{count} 个区划超出一份证书所能列出的数量"), en).remedy(
                    "改写所属镇街或区县的代码，或分成几个节点",
                    "name the town or district that holds them, or make several nodes",
                )
            }
            Self::Record(error) => error.explain(),
            Self::UnknownRegion(code) => Message::new("region_unknown", format!("本镇没有区划代码 {code}"), en)
                .remedy("请对照区划表核对代码", "look the code up in the table of regions"),
            Self::NoKeys(code) => Message::new("no_keys", format!("本节点不持有 {code} 的密钥"), en)
                .remedy("请在指挥中心制作邀请", "make the invite at the center"),
            Self::AuthorityRevoked => Message::new("authority_removed", "该授权机构已被注销，其邀请无效", en)
                .remedy("换用另一授权机构的密钥", "use the key of another authority"),
            Self::Incomplete => Message::new("invite_incomplete", "邀请文件不完整", en)
                .remedy("请重新申请邀请文件", "ask for a new invite file"),
            Self::Statement(_) => Message::new("statement", "邀请中的证书无效", en)
                .remedy("请重新申请邀请文件", "ask for a new invite file"),
            Self::Seal(_) => {
                Message::new("sealed", "邀请中的密钥无效", en).remedy("请重新申请邀请文件", "ask for a new invite file")
            }
        }
    }
}

impl Explain for RevokeError {
    fn explain(&self) -> Message {
        let en = self.to_string();
        match self {
            Self::NotEnrolled(name) => Message::new("not_enrolled", format!("本镇没有节点 {name}"), en).remedy(
                "用 townmesh delivery 查看节点，或先与指挥中心同步",
                "see `townmesh delivery`, or synchronise with the center first",
            ),
            Self::Ambiguous { name, nodes } => node_ambiguous(name, nodes, en),
            Self::Itself => {
                Message::new("itself", "节点不能注销自己", en).remedy("在另一节点上操作", "do it on another node")
            }
            Self::TooManyLogs { logs, limit } => {
                Message::new("too_many_logs", format!("共有 {logs} 份日志，一次最多可保留 {limit} 份"), en).remedy(
                    "加上 --void-all，其记录一并作废；之后可用 townmesh ratify 追认",
                    "add --void-all: what was recorded no longer counts; `townmesh ratify` makes it count afterwards",
                )
            }
            Self::UnknownCertificate { kind, name } => {
                Message::new("certificate_unknown", format!("本节点不知道{} {name}", of_kind(*kind)), en).remedy(
                    "用 townmesh invites 或 townmesh authority list 查看，或先与指挥中心同步",
                    "see `townmesh invites` or `townmesh authority list`, or synchronise with the center first",
                )
            }
            Self::AmbiguousCertificate { kind, name, ids } => {
                let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
                let zh = format!("有多个{}名为 {name}：{}", of_kind(*kind), ids.join("、"));
                Message::new("certificate_ambiguous", zh, en).remedy("写明其中一个编号", "give one of these ids")
            }
            Self::RevokedBefore { kind, name } => {
                Message::new("revoked_before", format!("{} {name} 此前已被撤销", of_kind(*kind)), en)
            }
            Self::NodesFall { kind, name, nodes } => {
                let listed: Vec<String> = nodes.iter().map(ToString::to_string).collect();
                let listed = listed.join("、");
                let zh = format!("有 {} 个节点由{} {name} 登记，将随之注销：{listed}", nodes.len(), of_kind(*kind));
                Message::new("nodes_fall", zh, en)
                    .remedy("若要一并注销，加上 --with-nodes", "if they are to be removed as well, add --with-nodes")
            }
            Self::UnfitAuthority { name } => {
                let zh = format!("授权机构 {name} 不能重新认证这些节点：它们本由其登记，或它已被注销");
                Message::new("authority_unfit", zh, en)
                    .remedy("换用另一授权机构的密钥", "use the key of another authority")
            }
            Self::StandsOnIt { kind, name } => {
                let zh = format!("本节点由{} {name} 登记，将随之注销", of_kind(*kind));
                Message::new("itself", zh, en).remedy("在另一节点上操作", "do it on another node")
            }
            Self::Record(error) => error.explain(),
        }
    }
}

fn node_ambiguous(name: &str, nodes: &[NodeId], en: String) -> Message {
    let ids: Vec<String> = nodes.iter().map(ToString::to_string).collect();
    Message::new("node_ambiguous", format!("有多个节点名为 {name}：{}", ids.join("、")), en)
        .remedy("写明其中一个编号", "give one of these ids")
}

fn of_kind(kind: CertificateKind) -> &'static str {
    match kind {
        CertificateKind::Authority => "授权机构",
        CertificateKind::Invite => "邀请",
        CertificateKind::Node => "节点",
    }
}

impl Explain for EraseError {
    fn explain(&self) -> Message {
        let en = self.to_string();
        match self {
            Self::Nothing => Message::new("nothing_recorded", "该处没有登记个人信息", en)
                .remedy("核对编号，或先同步", "check the ids, or synchronise first"),
            Self::Before => Message::new("erased", "此人的信息此前已被删除", en),
            Self::TooMany { keys, limit } => {
                Message::new("too_many_keys", format!("此人的信息有 {keys} 份密钥，一次最多删除 {limit} 份"), en)
            }
            Self::Record(error) => error.explain(),
        }
    }
}

impl Explain for RatifyError {
    fn explain(&self) -> Message {
        let en = self.to_string();
        match self {
            Self::Unknown(name) => Message::new("not_enrolled", format!("本镇从未有节点 {name}"), en).remedy(
                "用 townmesh delivery 查看节点，或先与指挥中心同步",
                "see `townmesh delivery`, or synchronise with the center first",
            ),
            Self::Ambiguous { name, nodes } => node_ambiguous(name, nodes, en),
            Self::AuthorityRemoved => Message::new("authority_removed", "该授权机构已被注销，其追认无效", en)
                .remedy("换用另一授权机构的密钥", "use the key of another authority"),
            Self::Nothing(name) => {
                Message::new("nothing_to_ratify", format!("本节点所持 {name} 的记录均已有效，或另一分支已获追认"), en)
                    .remedy("在持有所缺记录的节点上追认", "ratify on the node that holds what is missing")
            }
            Self::Store(error) => error.explain(),
            Self::Record(error) => error.explain(),
        }
    }
}

impl Explain for CommandError {
    fn explain(&self) -> Message {
        match self {
            Self::Record(error) => error.explain(),
            Self::Store(error) => error.explain(),
            Self::Personal(_)
            | Self::Input(_)
            | Self::PersonalTooLong(_)
            | Self::Immutable(_)
            | Self::Event(_)
            | Self::Batch(_)
            | Self::HazardStep(_)
            | Self::NoCenter(_)
            | Self::NotAPhoto
            | Self::MissingKey { .. }
            | Self::KeyFixed { .. }
            | Self::UnknownField { .. }
            | Self::NotFound { .. }
            | Self::KeysMissing(_)
            | Self::CaseFull
            | Self::ToldBeforeSent { .. }
            | Self::MergeIntoItself
            | Self::MergedAlready { .. }
            | Self::Member(_)
            | Self::Rows(_)
            | Self::LifeCycle(_)
            | Self::TableFull
            | Self::NoLimit { .. }
            | Self::RoleNotHeld { .. }
            | Self::GridRetired(_)
            | Self::DwellingGone(_)
            | Self::TagsFull
            | Self::ConflictSettled
            | Self::ConflictChanged
            | Self::NotOffered
            | Self::NoSuchSide { .. }
            | Self::NoSuchOrder
            | Self::ActorMissing
            | Self::NotUndoable
            | Self::UndoLoses
            | Self::Alias { .. }
            | Self::OneHousehold
            | Self::Move(_)
            | Self::CaseRefused { .. } => Message::new(self.code(), self.chinese(), self.to_string()),
        }
    }
}

impl Explain for TagRefusal {
    fn explain(&self) -> Message {
        Message::of_both(self.code(), &self.to_string())
    }
}

impl Explain for TagNameError {
    fn explain(&self) -> Message {
        Message::of_both(self.code(), &self.to_string())
    }
}

impl Explain for EngineError {
    fn explain(&self) -> Message {
        let en = self.to_string();
        match self {
            Self::Busy => {
                Message::new("busy", "节点繁忙，等待的请求过多", en).remedy("稍后再试", "try again in a moment")
            }
            Self::Stopped => Message::new("stopped", "节点正在停止，或数据文件暂不可用", en)
                .remedy("查看节点日志后重新启动", "see its log, then start it again"),
            Self::Command(error) => error.explain(),
            Self::Store(_) => Message::new("not_saved", "磁盘写入失败，没有保存", en)
                .remedy("检查磁盘空间后重试", "check the disk and its free space, then try again"),
        }
    }
}

impl Explain for StartError {
    fn explain(&self) -> Message {
        let en = self.to_string();
        match self {
            Self::Listen { address, .. } => Message::new("listen", format!("无法监听 {address}"), en)
                .remedy("换一个端口，或停止占用它的程序", "use another port, or stop the program that uses it"),
            Self::Address { address, .. } => Message::new("address", format!("地址 {address} 不可用"), en)
                .remedy("改正配置中的地址", "correct the address in the configuration"),
            Self::Lan(_) => Message::new("lan", "无法启动局域网发现", en)
                .remedy("设置 discover_on_lan = false", "set discover_on_lan = false"),
            Self::Key(_) => Message::new("key", "节点密钥不可用", en),
            Self::Limits(_) => Message::new("limits", "传输限制互相矛盾", en),
        }
    }
}

impl Explain for ViewError {
    fn explain(&self) -> Message {
        Message::new("views", "视图文件无法打开", self.to_string()).remedy(
            "检查磁盘和权限；该文件可以删除，会自动重建",
            "check disk and permissions; the file can be deleted, it is made again",
        )
    }
}

impl Explain for ReadError {
    fn explain(&self) -> Message {
        match self {
            Self::UnknownNamespace(_) => Message::new("views_outdated", "视图与数据文件不一致", self.to_string())
                .remedy("停止节点，删除 views.sqlite，再启动", "stop the node, delete views.sqlite, start it again"),
            Self::Store(error) => error.explain(),
        }
    }
}

impl Explain for QueryError {
    fn explain(&self) -> Message {
        let en = self.to_string();
        match self {
            Self::Cursor => {
                Message::new("cursor", "翻页位置无效", en).remedy("从第一页重新开始", "start again from the first page")
            }
            Self::CursorOfSort { given, asked } => {
                Message::new("cursor_of_sort", format!("翻页位置属于按 {given} 排序的列表，而不是按 {asked}"), en)
                    .remedy("保持同一排序，或从第一页重新开始", "keep the sort, or start again from the first page")
            }
            Self::Open { .. } => {
                Message::new("views_not_ready", "视图尚未就绪", en).remedy("稍后再试", "try again in a moment")
            }
            Self::Damaged(_) => Message::new("views_damaged", "视图文件已损坏", en)
                .remedy("停止节点，删除 views.sqlite，再启动", "stop the node, delete views.sqlite, start it again"),
            Self::Failed(_) => Message::new("views", "视图读取失败", en).remedy("稍后再试", "try again in a moment"),
        }
    }
}

impl Explain for LedgerError {
    fn explain(&self) -> Message {
        Message::of_both(self.code(), &self.to_string())
    }
}

impl Explain for MappingError {
    fn explain(&self) -> Message {
        Message::of_both("mapping", &self.to_string())
    }
}

impl Explain for ExportError {
    fn explain(&self) -> Message {
        Message::of_both("export", &self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_shown_in_chinese_first_and_read_back_from_json() {
        let message = StoreError::InUse.explain();
        let shown = message.to_string();
        assert!(shown.starts_with("数据目录"), "{shown}");
        assert!(shown.contains("another townmesh process"), "{shown}");
        let json = serde_json::to_string(&message).unwrap();
        assert!(json.contains(r#""code":"store_in_use""#), "{json}");
        assert_eq!(serde_json::from_str::<Message>(&json).unwrap(), message);
    }

    #[test]
    fn a_text_in_both_languages_is_taken_apart() {
        let message = LedgerError::Stopped.explain();
        assert_eq!((message.zh.as_str(), message.en.as_str()), ("读取已被中止", "reading was stopped"));
    }
}
