//! Why nobody is handed over, or taken in.

use crate::domain::region::RegionCode;

/// Why a step of a move is not taken. `Display` is English; [`Self::chinese`] says the same in Chinese.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoveError {
    /// From a village to itself.
    #[error("the person stays in the same village: record them in the other household, and their last day in this one")]
    SameVillage,
    /// The town keeps no registry of it.
    #[error("{village} has no registry in this town: check the code; whoever leaves the town gets a last day only")]
    NoSuchVillage {
        /// As given.
        village: RegionCode,
    },
    /// It waits for an answer already.
    #[error("the person is handed over already, and that waits for an answer: take it back first")]
    Given,
    /// It is over.
    #[error("the person was taken in already: see where in the move")]
    Accepted,
    /// It was refused before.
    #[error("the hand-over was refused already: the giving village hands over again, or takes it back")]
    Refused,
    /// It was taken back before.
    #[error("the hand-over was taken back, or the person goes elsewhere: ask the giving village")]
    TakenBack,
    /// Another village has to act.
    #[error("this is for {village} to do, whose registry this node does not keep, or the household is not of it")]
    NotHere {
        /// Which one.
        village: RegionCode,
    },
    /// The content is not for this node.
    #[error(
        "what was handed over cannot be opened on this node: it was sealed before the node joined, or is damaged; do it on another node of the village, or at the center"
    )]
    Sealed,
    /// More happened to it than is looked at.
    #[error(
        "so much was recorded about this move that no more would be looked at: ask a center to settle what is open, and record the person by hand"
    )]
    Full,
}

impl MoveError {
    /// A stable word for programs, as in JSON.
    pub fn code(self) -> &'static str {
        match self {
            Self::SameVillage => "same_village",
            Self::NoSuchVillage { .. } => "no_such_village",
            Self::Given => "move_given",
            Self::Accepted => "move_accepted",
            Self::Refused => "move_refused",
            Self::TakenBack => "move_taken_back",
            Self::NotHere { .. } => "not_this_village",
            Self::Sealed => "move_sealed",
            Self::Full => "move_full",
        }
    }

    /// The message in Simplified Chinese.
    pub fn chinese(self) -> String {
        match self {
            Self::SameVillage => "此人仍在本村居：请登记到另一户，并填写在原户的迁出日期".into(),
            Self::NoSuchVillage { village } => {
                format!("本镇没有 {village} 的人口台账，请核对代码；迁往镇外的只填迁出日期")
            }
            Self::Given => "此人已移交，正等待接收：如需改动请先撤回".into(),
            Self::Accepted => "此人已被接收，去向见该次迁移".into(),
            Self::Refused => "该移交已被拒绝：由迁出村居重新移交或撤回".into(),
            Self::TakenBack => "该移交已撤回，或此人另有去处：请询问迁出村居".into(),
            Self::NotHere { village } => format!("须由 {village} 办理：本节点不掌握其台账，或所填住户不在该村居"),
            Self::Sealed => {
                "本节点打不开移交内容：移交早于本节点加入，或内容已损坏；请在该村居的其他节点或指挥中心办理".into()
            }
            Self::Full => "该次迁移的记录过多，再记也不会生效：请指挥中心裁定待处理的冲突，并人工登记此人".into(),
        }
    }
}
