//! Who may do what: pure functions of a certificate, a namespace and a kind of document, so that all replicas
//! decide alike in any order of arrival (DESIGN section 7).

use crate::certificate::{Access, Certificate, CertificateKind, NodeRole, Scope};
use crate::domain::role::{Role, Roles};
use crate::entry::Lane;
use crate::namespace::{Namespace, NamespaceKind};

macro_rules! document_kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $label:literal, $namespace:ident, $form:ident, $lane:ident;)*) => {
        /// What a document is about. Codes are part of the format and never reused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum DocumentKind { $($(#[$doc])* $name = $code,)* }

        impl DocumentKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The kind with this code; `None` for one of a newer version.
            pub fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }

            /// Name for tables and logs.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }

            /// The kind of namespace that such documents belong to.
            pub fn namespace(self) -> NamespaceKind {
                match self { $(Self::$name => NamespaceKind::$namespace,)* }
            }

            /// Whether its items are changes or immutable records.
            pub fn form(self) -> Form {
                match self { $(Self::$name => Form::$form,)* }
            }

            /// The lane in which people's and devices' records of this kind travel.
            pub fn lane(self) -> Lane {
                match self { $(Self::$name => Lane::$lane,)* }
            }
        }
    };
}

impl DocumentKind {
    /// Whether it rules the whole town: centers alone record it, and what goes by it is read anew when it changes.
    pub fn rules_town(self) -> bool {
        matches!(self, Self::Table | Self::LifeCycle)
    }

    /// Whether centers alone record it: what rules the town, and what nobody else can judge, who holds one registry.
    pub fn is_for_centers(self) -> bool {
        self.rules_town() || self == Self::SamePerson
    }
}

/// How a document's items look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Fields that change, as Automerge changes.
    Fields,
    /// Immutable records, a grow-only set under their hash (DESIGN 12.23).
    Records,
}

document_kinds! {
    /// A region of the table of regions.
    Region = 1, "region", Town, Fields, Work;
    /// A grid: polygon, kind, inspectors.
    Grid = 2, "grid", Town, Fields, Work;
    /// A person who works with the town, with roles.
    Member = 3, "member", Town, Fields, Work;
    /// A team that handles cases.
    Team = 4, "team", Town, Fields, Work;
    /// A replaceable table: categories, limits, scores, calendar, checklists.
    Table = 5, "table", Town, Fields, Work;
    /// A shift: who is on duty when.
    Shift = 6, "shift", Town, Fields, Work;
    /// What followed from a rating.
    Consequence = 7, "consequence", Town, Fields, Work;
    /// A campaign.
    Campaign = 8, "campaign", Town, Fields, Work;
    /// A common problem.
    Problem = 9, "problem", Town, Fields, Work;
    /// A household with its residents.
    Household = 10, "household", Registry, Fields, Work;
    /// A dwelling.
    Dwelling = 11, "dwelling", Registry, Fields, Work;
    /// A hazard found by an inspection.
    Hazard = 12, "hazard", Registry, Fields, Work;
    /// The inspections of one household.
    Inspection = 13, "inspection", Registry, Records, Work;
    /// Photos and other blobs of a registry: manifests.
    Blob = 14, "blob", Registry, Records, Bulk;
    /// An enterprise.
    Enterprise = 15, "enterprise", Registry, Fields, Work;
    /// A vehicle.
    Vehicle = 16, "vehicle", Registry, Fields, Work;
    /// What a campaign found.
    Finding = 17, "finding", Registry, Fields, Work;
    /// The door tags of one dwelling.
    DoorTag = 18, "door tag", Registry, Fields, Work;
    /// Editions of the rules of cases.
    LifeCycle = 19, "life cycle", Town, Records, Urgent;
    /// A case: its events.
    Case = 20, "case", Cases, Records, Urgent;
    /// A device.
    Device = 30, "device", Events, Fields, Work;
    /// The packed events of one device and day.
    DeviceDay = 31, "device day", Events, Records, Telemetry;
    /// Where a unit was on a day, sealed to the centers.
    Track = 32, "track", Events, Records, Telemetry;
    /// A statement signed by the root or an authority: certificate, revocation, family of namespaces.
    Statement = 40, "statement", Auth, Records, Urgent;
    /// A period (year, month, day) opened in a family of namespaces.
    Period = 41, "period", Auth, Records, Urgent;
    /// A response plan that was opened.
    Response = 50, "response", Town, Fields, Urgent;
    /// A command message to one recipient.
    Message = 51, "message", Town, Fields, Urgent;
    /// Somebody who leaves one village for another: the events of the hand-over.
    Move = 52, "move", Town, Records, Work;
    /// What centers answered about two residents of two households.
    SamePerson = 53, "same person", Town, Fields, Work;
}

/// Why an operation has no effect. The operation stays in its log and is shown with this reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No scope of the certificate covers the namespace.
    #[error("the node's certificate has no scope for this namespace")]
    OutOfScope,
    /// The certificate only allows to carry.
    #[error("the node's certificate allows to carry this namespace, not to write in it")]
    CarryOnly,
    /// This kind of document does not belong there.
    #[error("a document of this kind does not belong in this namespace")]
    WrongNamespace,
    /// Changes to a kind made of records, or the other way round.
    #[error("this kind of document does not have such items")]
    WrongForm,
    /// What rules the whole town is changed at its centers, and so is what concerns the registries of several villages.
    #[error("what rules the whole town, or concerns several villages, is recorded on a center")]
    CenterOnly,
    /// Nobody acts on that node in a role that records this.
    #[error("nobody acts on this node in a role that may record this: have it done where they do")]
    NoRole,
    /// The kind is that of a newer version.
    #[error("the document kind is unknown to this version: upgrade this node")]
    UnknownKind,
    /// The certificate is that of an invite or an authority, which write nothing themselves.
    #[error("only node certificates write entries")]
    NotANode,
}

/// What a certificate allows its node in a namespace: the widest access of its scopes. Every node carries
/// `auth`.
pub fn access(certificate: &Certificate, namespace: &Namespace) -> Option<Access> {
    if certificate.kind != CertificateKind::Node {
        return None;
    }
    if namespace.kind == NamespaceKind::Auth {
        return Some(Access::Hold);
    }
    certificate.scopes.iter().filter(|scope| scope.covers(namespace)).map(|scope| scope.access).max()
}

/// Whether a node with these scopes may read a family.
pub fn may_read(scopes: &[Scope], family: &str) -> bool {
    let (kind, region) = family.split_once('/').unwrap_or((family, ""));
    let kind = NamespaceKind::ALL.into_iter().find(|known| known.name() == kind);
    scopes
        .iter()
        .any(|scope| Some(scope.kind) == kind && scope.access == Access::Hold && region.starts_with(&scope.region))
}

/// Whether a node may write an entry in a namespace at all: decided from the header before a body is opened.
///
/// # Errors
/// [`Denied`] says why not.
pub fn may_write(certificate: &Certificate, namespace: &Namespace) -> Result<(), Denied> {
    if certificate.kind != CertificateKind::Node {
        return Err(Denied::NotANode);
    }
    match access(certificate, namespace) {
        Some(Access::Hold) => Ok(()),
        Some(Access::Carry) => Err(Denied::CarryOnly),
        None => Err(Denied::OutOfScope),
    }
}

/// Whether an item of an entry has effect.
///
/// # Errors
/// [`Denied`] says why not.
pub fn may_apply(
    certificate: &Certificate,
    namespace: &Namespace,
    kind: u8,
    form: Form,
) -> Result<DocumentKind, Denied> {
    may_write(certificate, namespace)?;
    let kind = DocumentKind::from_code(kind).ok_or(Denied::UnknownKind)?;
    if kind.namespace() != namespace.kind {
        return Err(Denied::WrongNamespace);
    }
    if kind.form() != form {
        return Err(Denied::WrongForm);
    }
    if kind.is_for_centers() && certificate.role != NodeRole::Center {
        return Err(Denied::CenterOnly);
    }
    if recorders(kind).is_some_and(|roles| !roles.iter().any(|role| may_act(certificate, *role))) {
        return Err(Denied::NoRole);
    }
    Ok(kind)
}

/// In which roles people record what commands others or judges them, or what hangs on every door, or who
/// lives where; `None` where everybody does who may write there. A stolen patrol box must not end a response, nor retire the
/// tags of a village, nor hand its people over.
fn recorders(kind: DocumentKind) -> Option<&'static [Role]> {
    match kind {
        DocumentKind::Response | DocumentKind::Campaign | DocumentKind::Problem => {
            Some(&[Role::Commander, Role::DutyHead, Role::Leader])
        }
        DocumentKind::Consequence => Some(&[Role::Leader]),
        DocumentKind::DoorTag | DocumentKind::Move => Some(&[Role::VillageClerk]),
        DocumentKind::Region
        | DocumentKind::Grid
        | DocumentKind::Member
        | DocumentKind::Team
        | DocumentKind::Table
        | DocumentKind::LifeCycle
        | DocumentKind::Shift
        | DocumentKind::Household
        | DocumentKind::Dwelling
        | DocumentKind::Hazard
        | DocumentKind::Inspection
        | DocumentKind::Blob
        | DocumentKind::Enterprise
        | DocumentKind::Vehicle
        | DocumentKind::Finding
        | DocumentKind::Case
        | DocumentKind::Device
        | DocumentKind::DeviceDay
        | DocumentKind::Track
        | DocumentKind::Statement
        | DocumentKind::Period
        | DocumentKind::Message
        | DocumentKind::SamePerson => None,
    }
}

/// Whether somebody may act in a role on the node of this certificate. An event of another role stays in the history of
/// its case and has no effect, on every replica alike.
pub fn may_act(certificate: &Certificate, role: Role) -> bool {
    certificate.roles.contains(&role)
}

/// The roles in which people act on such a node unless its invite says otherwise. A village that is cut off goes on
/// taking in, filing and dispatching its own cases; a vehicle finds and handles them.
pub fn default_roles(role: NodeRole) -> Roles {
    match role {
        NodeRole::Center => Role::ALL.iter().copied().collect(),
        NodeRole::Village => [
            Role::Inspector,
            Role::IntakeClerk,
            Role::DutyHead,
            Role::Dispatcher,
            Role::Handler,
            Role::VillageClerk,
            Role::LaneChief,
            Role::Liaison,
        ]
        .into(),
        NodeRole::Patrol => [Role::Inspector, Role::Handler, Role::LaneChief].into(),
        NodeRole::Carrier => Roles::new(),
    }
}

/// The scopes that a role has by default for these regions.
pub fn default_scopes(role: NodeRole, regions: &[String], carries: &[String]) -> Vec<Scope> {
    use NodeRole::{Carrier, Center, Patrol, Village};
    let regional = [NamespaceKind::Registry, NamespaceKind::Cases, NamespaceKind::Events];
    let scope = |kind, region: &str, access| Scope { kind, region: region.to_owned(), access };
    let mut scopes = vec![];
    if role != Carrier {
        scopes.push(scope(NamespaceKind::Town, "", Access::Hold));
    }
    match role {
        Center => {
            scopes.extend(regional.map(|kind| scope(kind, "", Access::Hold)));
            scopes.push(scope(NamespaceKind::Tracks, "", Access::Hold));
        }
        Village | Patrol | Carrier => {
            for region in regions {
                scopes.extend(regional.map(|kind| scope(kind, region, Access::Hold)));
            }
        }
    }
    for region in carries {
        scopes.extend(regional.map(|kind| scope(kind, region, Access::Carry)));
    }
    scopes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::tests::node_certificate;

    #[test]
    fn codes_are_read_back_and_unique() {
        for kind in DocumentKind::ALL {
            assert_eq!(DocumentKind::from_code(*kind as u8), Some(*kind));
        }
        assert_eq!(DocumentKind::from_code(255), None);
    }

    /// Every (role, namespace, kind): what the default scopes allow.
    #[test]
    fn the_default_scopes_allow_each_role_its_own_region_and_nothing_else() {
        let (own, other) = ("110115005001".to_owned(), "110115005002".to_owned());
        let carried = vec![other.clone()];
        for role in NodeRole::ALL {
            let regions: Vec<String> = if role == NodeRole::Center { vec![] } else { vec![own.clone()] };
            let certificate = node_certificate(role, default_scopes(role, &regions, &carried));
            let is_center = role == NodeRole::Center;
            let expect = |namespace: Namespace, expected: Option<Access>| {
                assert_eq!(access(&certificate, &namespace), expected, "{role:?} {namespace}");
                for kind in DocumentKind::ALL {
                    let for_centers = kind.is_for_centers() || *kind == DocumentKind::Consequence;
                    // A village that is cut off opens its own, and makes its door tags; a vehicle does not.
                    let commands = matches!(
                        kind,
                        DocumentKind::Response
                            | DocumentKind::Campaign
                            | DocumentKind::Problem
                            | DocumentKind::DoorTag
                            | DocumentKind::Move
                    );
                    let may_command = is_center || role == NodeRole::Village;
                    let is_kept = (for_centers && !is_center) || (commands && !may_command);
                    let belongs = kind.namespace() == namespace.kind && !is_kept;
                    let allowed = expected == Some(Access::Hold) && belongs;
                    assert_eq!(
                        may_apply(&certificate, &namespace, *kind as u8, kind.form()).is_ok(),
                        allowed,
                        "{role:?} {namespace} {kind:?}"
                    );
                }
            };
            expect(Namespace::auth(), Some(Access::Hold));
            expect(Namespace::town(), (role != NodeRole::Carrier).then_some(Access::Hold));
            for region in [&own, &other] {
                let access = if is_center || *region == own { Access::Hold } else { Access::Carry };
                expect(Namespace::registry(region), Some(access));
                expect(Namespace::cases(region, "2026"), Some(access));
                expect(Namespace::events(region, "2026-11"), Some(access));
            }
            expect(Namespace::registry("110115005003"), is_center.then_some(Access::Hold));
        }
    }

    #[test]
    fn items_of_the_wrong_form_have_no_effect() {
        let certificate = node_certificate(NodeRole::Center, default_scopes(NodeRole::Center, &[], &[]));
        let namespace = Namespace::registry("110115005001");
        assert_eq!(
            may_apply(&certificate, &namespace, DocumentKind::Household as u8, Form::Records),
            Err(Denied::WrongForm)
        );
        assert_eq!(may_apply(&certificate, &namespace, 200, Form::Records), Err(Denied::UnknownKind));
    }
}
