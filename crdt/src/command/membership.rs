//! Who acts: a person of whom the town says that they left, or that they have other roles, is turned away where they try.
//!
//! This is a courtesy of the node on which somebody acts, not a right that other replicas check: what they check is the
//! certificate of the node ([`policy::may_act`](crate::policy::may_act)). A node that has not heard of a change of roles goes by what
//! it knows, and a person of whom nothing is recorded, or no role, is not turned away: a village that is cut off must go on.

use super::CommandError;
use super::entity;
use crate::domain::role::Role;
use crate::domain::town::Member;
use crate::namespace::Namespace;
use crate::policy::DocumentKind;
use crate::replica::Replica;

/// Why a person may not do what they try to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MemberError {
    /// They left.
    #[error("{code} has left, as the list of members says; if that is wrong, record that they are back")]
    Left {
        /// The member's code.
        code: String,
    },
    /// They have other roles.
    #[error(
        "{code} does not act as {}: the list of members has them as {}; act in one of these roles, or give them the role first",
        role.english(), held.iter().map(|role| role.english()).collect::<Vec<_>>().join(", ")
    )]
    OtherRoles {
        /// The member's code.
        code: String,
        /// In which role they tried to act.
        role: Role,
        /// Those that they have.
        held: Vec<Role>,
    },
}

impl MemberError {
    /// A stable name, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Left { .. } => "member_left",
            Self::OtherRoles { .. } => "member_role",
        }
    }

    /// The message in Chinese.
    pub fn chinese(&self) -> String {
        match self {
            Self::Left { code } => format!("人员名册中 {code} 已离职；若有误，请先登记其已返岗"),
            Self::OtherRoles { code, role, held } => {
                let held: Vec<&str> = held.iter().map(|role| role.chinese()).collect();
                let (role, held) = (role.chinese(), held.join("、"));
                format!("{code} 没有“{role}”角色，名册中为：{held}；请以所列角色操作，或先在名册中增加该角色")
            }
        }
    }
}

/// That the list of members, as far as it is known here, lets a person act in a role.
///
/// # Errors
/// [`CommandError::Member`], [`CommandError::Store`].
pub(super) fn check(replica: &mut Replica, code: &str, role: Role) -> Result<(), CommandError> {
    let Some(member) = known(replica, code)? else { return Ok(()) };
    if member.retired == Some(true) {
        return Err(MemberError::Left { code: code.to_owned() }.into());
    }
    let held: Vec<Role> = member.roles.iter().copied().collect();
    if held.is_empty() || held.contains(&role) {
        return Ok(());
    }
    Err(MemberError::OtherRoles { code: code.to_owned(), role, held }.into())
}

/// That the list of members does not say that a person left.
///
/// # Errors
/// [`CommandError::Member`], [`CommandError::Store`].
pub(super) fn check_stays(replica: &mut Replica, code: &str) -> Result<(), CommandError> {
    match known(replica, code)? {
        Some(member) if member.retired == Some(true) => Err(MemberError::Left { code: code.to_owned() }.into()),
        Some(_) | None => Ok(()),
    }
}

fn known(replica: &mut Replica, code: &str) -> Result<Option<Member>, CommandError> {
    let sought = Member { code: Some(code.to_owned()), ..Member::default() };
    let Some(key) = sought.natural_key() else { return Ok(None) };
    let town = Namespace::town();
    // A node that does not hold what the whole town knows has no list to go by.
    let Ok(document) = replica.document_id(&town, DocumentKind::Member, &key) else { return Ok(None) };
    Ok(entity::read::<Member>(replica, &town, document)?.map(|found| found.record))
}
