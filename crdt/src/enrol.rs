//! Founding a town and joining it, without reaching anybody.

use ed25519_dalek::SigningKey;
use rand_core::CryptoRng;
use x25519_dalek::{PublicKey, StaticSecret};

use crate::bounds;
use crate::certificate::{Certificate, CertificateKind, Claim, NodeRole, Statement, StatementError};
use crate::clock::Millis;
use crate::domain::region::RegionCode;
use crate::domain::role::Roles;
use crate::id::{CertificateId, NodeId};
use crate::namespace::{Namespace, NamespaceKind};
use crate::policy;
use crate::replica::{RecordError, Replica};
use crate::seal::{FamilySecret, SealError};
use crate::trust::{Introduction, NameHolder, Trust};

/// How long a certificate is meant to last: ten years. Its end means "ask", never "cut off".
pub(crate) const VALIDITY: Millis = 10 * 365 * 24 * 3600 * 1000;

/// What a node signs with and opens grants with.
#[derive(Clone)]
pub struct Identity {
    /// Signs entries; its public half is the node id.
    pub signing: SigningKey,
    /// Opens grants.
    pub exchange: StaticSecret,
    /// The node's certificate.
    pub certificate: CertificateId,
}

impl Identity {
    /// The node id.
    pub fn node(&self) -> NodeId {
        NodeId(self.signing.verifying_key().to_bytes())
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({})", self.node().short())
    }
}

/// An authority: its certificate and key, kept by the person who enrols nodes.
#[derive(Debug, Clone)]
pub struct Authority {
    /// The town's root public key.
    pub town: [u8; 32],
    /// Signs invites.
    pub signing: SigningKey,
    /// Its certificate, signed by the root.
    pub statement: Statement,
}

/// A new town.
#[derive(Debug)]
pub struct Founded {
    /// Signs authorities; to be kept offline.
    pub root: SigningKey,
    /// The first authority.
    pub authority: Authority,
    /// Statements to record in `auth`: the authority and all families.
    pub statements: Vec<Statement>,
    /// The founding secret of every family.
    pub secrets: Vec<(String, FamilySecret)>,
}

/// Why an invite cannot be made or redeemed.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The name is blank, too long, or holds what cannot be typed again.
    #[error(
        "a name must have 1 to {limit} characters, without control characters and without spaces at its ends",
        limit = bounds::MAX_NAME
    )]
    Name,
    /// Nodes are removed by name, so that a second one must not have it.
    #[error("the name {name} is taken by {holder}")]
    NameTaken {
        /// Which name.
        name: String,
        /// Who has it.
        holder: NameHolder,
    },
    /// A center holds everything, so that regions would be left out of its certificate.
    #[error("a center reads and writes everything: it has no regions of its own and carries for none")]
    CenterScope,
    /// A village or patrol node without a region could do nothing.
    #[error("a {} node needs a region that it reads and writes", .0.name())]
    NoRegion(NodeRole),
    /// A carrier without a region could do nothing.
    #[error("a carrier needs a region that it carries for")]
    NoScope,
    /// A certificate cannot list that many.
    #[error(
        "{count} regions are more than a certificate can list: name the town or district that holds them, or make several nodes"
    )]
    TooManyRegions {
        /// How many were named.
        count: usize,
    },
    /// No region of the town has this code, or a code that begins with it.
    #[error("the town has no region {0}: check the code against the table of regions")]
    UnknownRegion(String),
    /// The inviting node cannot hand over what it does not hold.
    #[error("this node does not hold the keys of region {0}: make the invite on a node that does, such as the center")]
    NoKeys(String),
    /// What the authority signs counts nowhere.
    #[error("the authority was revoked: nobody could join with its invite")]
    AuthorityRevoked,
    /// The invite holds no usable certificate.
    #[error("the invite is incomplete: ask for a new one")]
    Incomplete,
    /// A statement in it is not right.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// A key in it is not right.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// It could not be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
}

fn key(rng: &mut dyn CryptoRng) -> SigningKey {
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    SigningKey::from_bytes(&seed)
}

fn nonce(rng: &mut dyn CryptoRng) -> [u8; 8] {
    rng.next_u64().to_be_bytes()
}

/// Founds a town: root, first authority, and a family of namespaces of each kind for each region.
/// `year` and `month` are the founding periods, such as `2026` and `2026-11`.
pub fn found(regions: &[String], year: &str, month: &str, now: Millis, rng: &mut dyn CryptoRng) -> Founded {
    let root = key(rng);
    let town = root.verifying_key().to_bytes();
    let authority = sign_authority(&root, "authority", now, rng);
    let (signing, statement) = (&authority.signing, &authority.statement);
    let mut foundings = vec![Namespace::town()];
    for region in regions {
        foundings.extend([
            Namespace::registry(region),
            Namespace::cases(region, year),
            Namespace::events(region, month),
        ]);
    }
    let mut statements = vec![statement.clone()];
    let mut secrets = Vec::new();
    for founding in foundings {
        let (family, secret) = (founding.family(), FamilySecret::random(rng));
        let claim = Claim::Family { founding, key: secret.key_id(&family) };
        statements.push(Statement::sign(&town, claim, Some(statement.id), nonce(rng), signing));
        secrets.push((family, secret));
    }
    Founded { root, authority, statements, secrets }
}

/// Makes another authority of the town that this root key is of: to be recorded in `auth` by its statement.
///
/// # Errors
/// [`EnrolError::Name`].
pub fn authority(root: &SigningKey, name: &str, now: Millis, rng: &mut dyn CryptoRng) -> Result<Authority, EnrolError> {
    check_name(name)?;
    Ok(sign_authority(root, name, now, rng))
}

fn sign_authority(root: &SigningKey, name: &str, now: Millis, rng: &mut dyn CryptoRng) -> Authority {
    let (town, signing) = (root.verifying_key().to_bytes(), key(rng));
    let certificate = Certificate {
        kind: CertificateKind::Authority,
        key: NodeId(signing.verifying_key().to_bytes()),
        exchange: [0; 32],
        name: name.to_owned(),
        role: NodeRole::Center,
        scopes: vec![],
        roles: Roles::new(),
        not_before: now,
        not_after: now.saturating_add(VALIDITY),
    };
    let statement = Statement::sign(&town, Claim::Certificate(certificate), None, nonce(rng), root);
    Authority { town, signing, statement }
}

/// What a new node is to be.
#[derive(Debug, Clone)]
pub struct Place {
    /// Name for people.
    pub name: String,
    /// What it is.
    pub role: NodeRole,
    /// Codes of the regions it reads and writes; prefixes cover all below them.
    pub regions: Vec<String>,
    /// Codes of the regions it carries for without reading.
    pub carries: Vec<String>,
    /// In which roles people may act on it; `None`: those of [`policy::default_roles`].
    pub acts_as: Option<Roles>,
}

impl Place {
    /// Checks everything that would make a node that does nothing, that nobody could remove by its name, or that would
    /// hold nothing and not know why: the name, the scope that goes with the role, that the regions exist in the town, and
    /// that the inviting node holds the keys of those that are read.
    ///
    /// # Errors
    /// [`EnrolError`], the first that is found.
    pub fn check(&self, trust: &Trust, secrets: &[(String, FamilySecret)], now: Millis) -> Result<(), EnrolError> {
        self.check_form()?;
        let exists = |code: &str| {
            let mut regions = trust.namespaces().values().filter(|known| known.kind == NamespaceKind::Registry);
            // The empty text, with which every code begins, is no code.
            code.parse::<RegionCode>().is_ok() && regions.any(|known| known.region.starts_with(code))
        };
        if let Some(code) = self.regions.iter().chain(&self.carries).find(|code| !exists(code)) {
            return Err(EnrolError::UnknownRegion(code.clone()));
        }
        let count = self.regions.len() + self.carries.len();
        if policy::default_scopes(self.role, &self.regions, &self.carries).len() > bounds::MAX_SCOPES {
            return Err(EnrolError::TooManyRegions { count });
        }
        let holds = |code: &str| {
            let family = Namespace::registry(code).family();
            secrets.iter().any(|(known, _)| known.starts_with(&family))
        };
        if let Some(code) = self.regions.iter().find(|code| !holds(code)) {
            return Err(EnrolError::NoKeys(code.clone()));
        }
        match trust.name_holder(&self.name, now) {
            Some(holder) => Err(EnrolError::NameTaken { name: self.name.clone(), holder }),
            None => Ok(()),
        }
    }

    /// The part of [`Self::check`] that needs no town: a name that people can write, and a scope that neither is left out
    /// of the certificate nor makes a node that could do nothing.
    ///
    /// # Errors
    /// [`EnrolError`].
    pub fn check_form(&self) -> Result<(), EnrolError> {
        check_name(&self.name)?;
        let (reads, carries) = (!self.regions.is_empty(), !self.carries.is_empty());
        match self.role {
            NodeRole::Center if reads || carries => Err(EnrolError::CenterScope),
            NodeRole::Village | NodeRole::Patrol if !reads => Err(EnrolError::NoRegion(self.role)),
            NodeRole::Carrier if !reads && !carries => Err(EnrolError::NoScope),
            NodeRole::Center | NodeRole::Village | NodeRole::Patrol | NodeRole::Carrier => Ok(()),
        }
    }
}

/// Whether people can write a name again as they read it.
fn check_name(name: &str) -> Result<(), EnrolError> {
    let is_long = name.chars().count() > bounds::MAX_NAME;
    let is_right = !name.is_empty() && !is_long && name.trim() == name && !name.contains(char::is_control);
    if is_right { Ok(()) } else { Err(EnrolError::Name) }
}

/// A one-time invite. Secret: whoever has it can join once with its scopes.
pub struct Invite {
    /// The town's root public key.
    pub town: [u8; 32],
    /// Certificates from the authority's to the invite's own.
    pub chain: Vec<Statement>,
    /// Signs the certificate of the node that redeems it.
    pub signing: SigningKey,
    /// The secrets of the families that the node may read, to be kept by [`crate::replica::Replica::keep_secrets`].
    pub secrets: Vec<(String, FamilySecret)>,
    /// Which namespaces there are, to be kept by [`crate::replica::Replica::keep_introduction`]: without, the node could
    /// record nothing before it has met another one.
    pub introduction: Introduction,
}

impl Invite {
    /// Tells the new node of the namespaces that concern it.
    #[must_use]
    pub fn introduced_by(mut self, trust: &Trust) -> Self {
        let own = self.chain.last().and_then(|own| own.claim.certificate());
        self.introduction = own.map(|own| trust.introduction(own)).unwrap_or_default();
        self
    }
}

impl std::fmt::Debug for Invite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Invite(..)")
    }
}

/// Makes an invite. `secrets` are the family secrets of the inviting node; those that the new node may read
/// go along.
///
/// # Errors
/// [`EnrolError::Name`].
pub fn invite(
    authority: &Authority,
    place: &Place,
    secrets: &[(String, FamilySecret)],
    now: Millis,
    rng: &mut dyn CryptoRng,
) -> Result<Invite, EnrolError> {
    check_name(&place.name)?;
    let scopes = policy::default_scopes(place.role, &place.regions, &place.carries);
    let signing = key(rng);
    let certificate = Certificate {
        kind: CertificateKind::Invite,
        key: NodeId(signing.verifying_key().to_bytes()),
        // Nothing is sealed to an invite: it carries secrets in itself.
        exchange: [0; 32],
        name: place.name.clone(),
        role: place.role,
        scopes,
        roles: place.acts_as.clone().unwrap_or_else(|| policy::default_roles(place.role)),
        not_before: now,
        not_after: now.saturating_add(VALIDITY),
    };
    let secrets = secrets.iter().filter(|(family, _)| policy::may_read(&certificate.scopes, family)).cloned().collect();
    let claim = Claim::Certificate(certificate);
    let statement =
        Statement::sign(&authority.town, claim, Some(authority.statement.id), nonce(rng), &authority.signing);
    let chain = vec![authority.statement.clone(), statement];
    Ok(Invite { town: authority.town, chain, signing, secrets, introduction: Introduction::default() })
}

/// Makes an invite on a node of the town and stages its certificate there, so that it can be listed and withdrawn also if
/// nobody redeems it. To be given out only after a commit.
///
/// # Errors
/// [`EnrolError`]; nothing is staged then, and there is no invite.
pub fn invite_at(
    replica: &mut Replica,
    authority: &Authority,
    place: &Place,
    now: Millis,
    rng: &mut dyn CryptoRng,
) -> Result<Invite, EnrolError> {
    if replica.trust().is_revoked(&authority.statement.id) {
        return Err(EnrolError::AuthorityRevoked);
    }
    let secrets = replica.secrets();
    place.check(replica.trust(), &secrets, now)?;
    let invite = invite(authority, place, &secrets, now, rng)?.introduced_by(replica.trust());
    // The authority may be new here.
    replica.record_missing(invite.chain.clone(), now)?;
    Ok(invite)
}

/// A node that has joined: what it must keep and record.
#[derive(Debug)]
pub struct Joined {
    /// Its keys.
    pub identity: Identity,
    /// Its certificate with those it stands on, first the authority's.
    pub chain: Vec<Statement>,
}

/// Redeems an invite: a new key, certified by the invite.
///
/// # Errors
/// [`EnrolError::Incomplete`] if the invite holds no certificate.
pub fn redeem(invite: &Invite, rng: &mut dyn CryptoRng) -> Result<Joined, EnrolError> {
    let own = invite.chain.last().ok_or(EnrolError::Incomplete)?;
    let Claim::Certificate(template) = &own.claim else { return Err(EnrolError::Incomplete) };
    // An exchange key of its own: whoever redeemed the same invite must not open what is sealed to this node.
    let (signing, exchange) = (key(rng), StaticSecret::random_from_rng(rng));
    let certificate = Certificate {
        kind: CertificateKind::Node,
        key: NodeId(signing.verifying_key().to_bytes()),
        exchange: PublicKey::from(&exchange).to_bytes(),
        ..template.clone()
    };
    let statement =
        Statement::sign(&invite.town, Claim::Certificate(certificate), Some(own.id), nonce(rng), &invite.signing)
            .with_possession(&signing);
    let identity = Identity { signing, exchange, certificate: statement.id };
    let chain = invite.chain.iter().cloned().chain([statement]).collect();
    Ok(Joined { identity, chain })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::Trust;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    #[test]
    fn a_redeemed_invite_is_trusted_and_opens_its_families_only() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let regions = ["110115005001".to_owned(), "110115005002".to_owned()];
        let founded = found(&regions, "2026", "2026-11", 1, &mut rng);
        let place = Place {
            name: "village-1".into(),
            role: NodeRole::Village,
            regions: vec![regions[0].clone()],
            carries: vec![],
            acts_as: None,
        };
        let invite = invite(&founded.authority, &place, &founded.secrets, 1, &mut rng).unwrap();
        let joined = redeem(&invite, &mut rng).unwrap();

        let mut trust = Trust::new(founded.authority.town);
        for statement in founded.statements.into_iter().chain(joined.chain) {
            trust.add(statement).unwrap();
        }
        assert_eq!(trust.current(&joined.identity.node()).map(|(id, _)| id), Some(joined.identity.certificate));
        assert_eq!(trust.namespaces().len(), 2 + 2 * 3);
        let families: Vec<&str> = invite.secrets.iter().map(|(family, _)| family.as_str()).collect();
        assert_eq!(families, ["town", "registry/110115005001", "cases/110115005001", "events/110115005001"]);
    }

    #[test]
    fn a_name_can_be_read_by_people() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let founded = found(&[], "2026", "2026-11", 1, &mut rng);
        let mut named = |name: &str| {
            let (name, role) = (name.to_owned(), NodeRole::Center);
            let place = Place { name, role, regions: vec![], carries: vec![], acts_as: None };
            invite(&founded.authority, &place, &founded.secrets, 1, &mut rng).is_ok()
        };
        assert!(named("center") && named("一村 2"));
        assert!(!named("") && !named(" ") && !named("a\u{1b}[2J") && !named(&"x".repeat(bounds::MAX_NAME + 1)));
    }

    #[test]
    fn a_second_redemption_shows() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let founded = found(&[], "2026", "2026-11", 1, &mut rng);
        let place =
            Place { name: "center".into(), role: NodeRole::Center, regions: vec![], carries: vec![], acts_as: None };
        let invite = invite(&founded.authority, &place, &founded.secrets, 1, &mut rng).unwrap();
        let mut trust = Trust::new(founded.authority.town);
        for joined in [redeem(&invite, &mut rng).unwrap(), redeem(&invite, &mut rng).unwrap()] {
            joined.chain.into_iter().for_each(|statement| _ = trust.add(statement).unwrap());
        }
        assert_eq!(trust.double_redemptions().count(), 1);
    }
}
