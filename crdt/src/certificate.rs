//! Statements signed by the town's root key or an authority: certificates, revocations, families, ratifications.
//!
//! # Format
//!
//! A statement is the CBOR array `[signed, signature]` or `[signed, signature, possession]`: `signed` a byte string,
//! `signature` 64 bytes of Ed25519 by the issuer over `"townmesh/statement/1" ‖ signed`, `possession` 64 bytes of Ed25519
//! by the certified key over `"townmesh/possession/1" ‖ signed`. An invite certifies only a key that signed this, too:
//! whoever holds an invite must not certify somebody else's key anew. `signed` is the CBOR array `[1, town, issuer, nonce, type, payload...]`: the
//! town's root public key, the issuer's certificate id (null: the root itself), 8 random bytes, and
//!
//! | type | statement | payload |
//! |---|---|---|
//! | 0 | certificate | kind, key, exchange key, name, role, [[namespace kind, region, access]...], [role of people...], not before, not after |
//! | 1 | revocation | certificate id, [[log id, seq, head]...] |
//! | 2 | family | name, founding key id, founding period |
//! | 3 | ratification | log id, seq, head |
//! | 4 | erasure | namespace id, document id, [[shelf, index]...] |
//!
//! A statement's id is BLAKE3 of `signed`. The root signs authorities; an authority signs invites and
//! nodes; an invite's one-time key signs the certificate of the node that redeems it, which may not be wider than the
//! invite. The roles of people, in ascending order, are those in which the node may act for somebody (DESIGN 12.18).
//! So a village PC joins without reaching anybody, and a second redemption shows when partitions meet.

use std::collections::BTreeSet;

use ed25519_dalek::{Signer, SigningKey};
use minicbor::{Decoder, Encoder};

use crate::bounds;
use crate::clock::Millis;
use crate::domain::role::{Role, Roles};
use crate::entry::{LOG_ID_LEN, LogId, SIGNATURE_LEN};
use crate::id::{CertificateId, DocumentId, EntryId, KeyId, NamespaceId, NodeId};
use crate::namespace::{Namespace, NamespaceKind};
use crate::seal::PersonKeyPlace;
use crate::signature;

const CONTEXT: &[u8] = b"townmesh/statement/1";
const POSSESSION_CONTEXT: &[u8] = b"townmesh/possession/1";
/// Most roles that a certificate can list.
const MAX_ROLES: usize = 64;
/// Most logs that one revocation can name.
const MAX_CUTS: usize = 1024;

/// Most keys that one erasure can name.
pub const MAX_ERASED: usize = 1024;

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum CertificateKind {
    /// May sign invites, node certificates, revocations, families and ratifications. Signed by the root.
    Authority = 0,
    /// May sign one node certificate, no wider than itself. Signed by an authority.
    Invite = 1,
    /// May write entries. Signed by an authority or an invite.
    Node = 2,
}

impl std::fmt::Display for CertificateKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Authority => "authority",
            Self::Invite => "invite",
            Self::Node => "node",
        })
    }
}

/// What a node is in the town; its scopes say what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum NodeRole {
    /// A command center 指挥中心: holds everything.
    Center = 1,
    /// A village or community office 村居.
    Village = 2,
    /// A patrol vehicle 巡逻车: holds its patrol area, carries for others.
    Patrol = 3,
    /// Carries without reading.
    Carrier = 4,
}

impl NodeRole {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Center, Self::Village, Self::Patrol, Self::Carrier];

    /// The role's name on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Center => "center",
            Self::Village => "village",
            Self::Patrol => "patrol",
            Self::Carrier => "carrier",
        }
    }
}

/// What a scope allows; greater includes lesser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Access {
    /// Keep and pass on sealed entries.
    Carry = 1,
    /// Read and write.
    Hold = 2,
}

/// A set of namespaces and what may be done with them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    /// Which kind.
    pub kind: NamespaceKind,
    /// Which regions: those whose code begins with this; empty: all.
    pub region: String,
    /// What may be done.
    pub access: Access,
}

impl Scope {
    /// Whether a namespace is in this scope.
    pub fn covers(&self, namespace: &Namespace) -> bool {
        self.kind == namespace.kind && namespace.region.starts_with(&self.region)
    }

    fn includes(&self, other: &Self) -> bool {
        self.kind == other.kind && other.region.starts_with(&self.region) && self.access >= other.access
    }
}

/// What is certified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// What for.
    pub kind: CertificateKind,
    /// Ed25519 public key.
    pub key: NodeId,
    /// X25519 public key that grants are sealed to.
    pub exchange: [u8; 32],
    /// Name for people, such as `langfa-1`.
    pub name: String,
    /// What the node is.
    pub role: NodeRole,
    /// What it may hold.
    pub scopes: Vec<Scope>,
    /// In which roles people may act on it: what an event says of its author's role counts only if it is one of these.
    pub roles: Roles,
    /// From when it is meant to be used.
    pub not_before: Millis,
    /// After this it is stale: people are asked to renew it; it is never cut off for that.
    pub not_after: Millis,
}

/// How far a log of a revoked certificate counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Which log.
    pub log: LogId,
    /// Up to and including this seq.
    pub seq: u64,
    /// The entry there.
    pub head: EntryId,
}

/// A person's key that is to be destroyed wherever it is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// The namespace that its key shelf is of.
    pub namespace: NamespaceId,
    /// The document that tells of the person.
    pub document: DocumentId,
    /// Where the keys of the person lie.
    pub keys: Vec<PersonKeyPlace>,
}

/// What a statement states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// A key may do something.
    Certificate(Certificate),
    /// A certificate no longer counts past these cuts; a log that is not named counts for nothing.
    Revocation {
        /// Whose.
        certificate: CertificateId,
        /// What still counts.
        cuts: Vec<Cut>,
    },
    /// A family of namespaces exists.
    Family {
        /// Its first namespace, with its founding period where the kind has periods.
        founding: Namespace,
        /// Key id of its founding secret, which document ids are made with.
        key: KeyId,
    },
    /// A person is erased. Nothing takes that back, nor does the removal of the authority that ordered it.
    Erasure(Erasure),
    /// Entries of a log count although their certificate was revoked with a lesser cut; of a forked log, this branch
    /// stands (DESIGN 12.2, 12.4).
    Ratification {
        /// Which log.
        log: LogId,
        /// Up to and including this seq.
        seq: u64,
        /// The entry there: what counts is the chain that ends in it.
        head: EntryId,
    },
}

/// A claim with its issuer, checked by [`Statement::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// BLAKE3 of the signed bytes.
    pub id: CertificateId,
    /// `None`: the root.
    pub issuer: Option<CertificateId>,
    /// What is stated.
    pub claim: Claim,
    bytes: Vec<u8>,
    signature: [u8; SIGNATURE_LEN],
    /// By the certified key.
    possession: Option<[u8; SIGNATURE_LEN]>,
}

/// Why a statement is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// Not the format of the module.
    #[error("statement is malformed: {0}")]
    Malformed(String),
    /// Made for another town.
    #[error("statement belongs to another town: check that the invite is for this one")]
    OtherTown,
    /// Signed by somebody else than its issuer.
    #[error("statement's signature does not match its issuer: it was forged or damaged")]
    WrongSignature,
    /// The issuer may not state this.
    #[error("the issuer may not state this: {0}")]
    NotAllowed(&'static str),
    /// A key that would let others sign in its name.
    #[error("certificate holds a weak key: make a new key and ask for a new invite")]
    WeakKey,
}

impl From<minicbor::decode::Error> for StatementError {
    fn from(error: minicbor::decode::Error) -> Self {
        Self::Malformed(error.to_string())
    }
}

fn malformed(what: &str) -> StatementError {
    StatementError::Malformed(what.to_owned())
}

fn fixed<const N: usize>(d: &mut Decoder<'_>) -> Result<[u8; N], StatementError> {
    d.bytes()?.try_into().map_err(|_| malformed("a key or id has the wrong length"))
}

fn short_text(d: &mut Decoder<'_>) -> Result<String, StatementError> {
    let text = d.str()?;
    if text.chars().count() <= bounds::MAX_NAME { Ok(text.to_owned()) } else { Err(malformed("a name is too long")) }
}

fn length(d: &mut Decoder<'_>, limit: usize) -> Result<usize, StatementError> {
    let length = d.array()?.and_then(|length| usize::try_from(length).ok());
    length.filter(|length| *length <= limit).ok_or_else(|| malformed("a list is too long"))
}

fn log_id(d: &mut Decoder<'_>) -> Result<LogId, StatementError> {
    LogId::from_bytes(&fixed::<LOG_ID_LEN>(d)?).ok_or_else(|| malformed("unknown lane"))
}

type Written = Result<(), minicbor::encode::Error<std::convert::Infallible>>;

impl Claim {
    /// The certificate, if that is what is stated.
    pub fn certificate(&self) -> Option<&Certificate> {
        if let Self::Certificate(certificate) = self { Some(certificate) } else { None }
    }

    fn encode(&self, e: &mut Encoder<&mut Vec<u8>>) -> Written {
        match self {
            Self::Certificate(certificate) => {
                e.u8(0)?.u8(certificate.kind as u8)?.bytes(&certificate.key.0)?.bytes(&certificate.exchange)?;
                e.str(&certificate.name)?.u8(certificate.role as u8)?.array(certificate.scopes.len() as u64)?;
                for scope in &certificate.scopes {
                    e.array(3)?.u8(scope.kind.code())?.str(&scope.region)?.u8(scope.access as u8)?;
                }
                let roles: BTreeSet<u16> = certificate.roles.iter().map(|role| role.code()).collect();
                e.array(roles.len() as u64)?;
                for role in roles {
                    e.u16(role)?;
                }
                e.u64(certificate.not_before)?.u64(certificate.not_after)?.ok()
            }
            Self::Revocation { certificate, cuts } => {
                e.u8(1)?.bytes(&certificate.0)?.array(cuts.len() as u64)?;
                for cut in cuts {
                    e.array(3)?.bytes(&cut.log.to_bytes())?.u64(cut.seq)?.bytes(&cut.head.0)?;
                }
                Ok(())
            }
            Self::Family { founding, key } => e.u8(2)?.str(&founding.to_string())?.bytes(&key.0)?.ok(),
            Self::Erasure(Erasure { namespace, document, keys }) => {
                e.u8(4)?.bytes(&namespace.0)?.bytes(&document.0)?.array(keys.len() as u64)?;
                for place in keys {
                    e.array(2)?.bytes(&place.shelf)?.u32(place.index)?;
                }
                Ok(())
            }
            Self::Ratification { log, seq, head } => e.u8(3)?.bytes(&log.to_bytes())?.u64(*seq)?.bytes(&head.0)?.ok(),
        }
    }

    fn decode(d: &mut Decoder<'_>) -> Result<Self, StatementError> {
        match d.u8()? {
            0 => Self::decode_certificate(d).map(Self::Certificate),
            1 => {
                let certificate = CertificateId(fixed(d)?);
                let mut cuts = Vec::new();
                for _ in 0..length(d, MAX_CUTS)? {
                    length(d, 3)?;
                    cuts.push(Cut { log: log_id(d)?, seq: d.u64()?, head: EntryId(fixed(d)?) });
                }
                Ok(Self::Revocation { certificate, cuts })
            }
            2 => {
                let founding = d.str()?.parse().map_err(|_| malformed("not the name of a namespace"))?;
                Ok(Self::Family { founding, key: KeyId(fixed(d)?) })
            }
            3 => {
                let (log, seq, head) = (log_id(d)?, d.u64()?, EntryId(fixed(d)?));
                if seq == 0 { Err(malformed("seq 0")) } else { Ok(Self::Ratification { log, seq, head }) }
            }
            4 => {
                let (namespace, document) = (NamespaceId(fixed(d)?), DocumentId(fixed(d)?));
                let mut keys = Vec::new();
                for _ in 0..length(d, MAX_ERASED)? {
                    length(d, 2)?;
                    keys.push(PersonKeyPlace { shelf: fixed(d)?, index: d.u32()? });
                }
                Ok(Self::Erasure(Erasure { namespace, document, keys }))
            }
            _ => Err(malformed("a statement of a newer version; upgrade this node")),
        }
    }

    fn decode_certificate(d: &mut Decoder<'_>) -> Result<Certificate, StatementError> {
        let kind = match d.u8()? {
            0 => CertificateKind::Authority,
            1 => CertificateKind::Invite,
            2 => CertificateKind::Node,
            _ => return Err(malformed("unknown kind of certificate")),
        };
        let (key, exchange, name) = (NodeId(fixed(d)?), fixed(d)?, short_text(d)?);
        let role = d.u8()?;
        let role =
            NodeRole::ALL.into_iter().find(|known| *known as u8 == role).ok_or_else(|| malformed("unknown role"))?;
        let mut scopes = Vec::new();
        for _ in 0..length(d, bounds::MAX_SCOPES)? {
            length(d, 3)?;
            let (kind, region, access) = (d.u8()?, short_text(d)?, d.u8()?);
            let kind =
                NamespaceKind::ALL.get(usize::from(kind)).ok_or_else(|| malformed("unknown kind of namespace"))?;
            let access = match access {
                1 => Access::Carry,
                2 => Access::Hold,
                _ => return Err(malformed("unknown access")),
            };
            scopes.push(Scope { kind: *kind, region, access });
        }
        let mut roles = Roles::new();
        for _ in 0..length(d, MAX_ROLES)? {
            let role = Role::from_code(d.u16()?);
            if roles.last().is_some_and(|last| last.code() >= role.code()) {
                return Err(malformed("roles that do not ascend"));
            }
            roles.insert(role);
        }
        Ok(Certificate { kind, key, exchange, name, role, scopes, roles, not_before: d.u64()?, not_after: d.u64()? })
    }

    fn parts(&self) -> u64 {
        match self {
            Self::Certificate(_) => 10,
            Self::Revocation { .. } | Self::Family { .. } => 3,
            Self::Ratification { .. } | Self::Erasure(_) => 4,
        }
    }
}

impl Statement {
    /// Signs a claim for a town. `issuer` is the certificate that `key` belongs to; `None` for the root key.
    pub fn sign(
        town: &[u8; 32],
        claim: Claim,
        issuer: Option<CertificateId>,
        nonce: [u8; 8],
        key: &SigningKey,
    ) -> Self {
        let mut bytes = Vec::new();
        let mut e = Encoder::new(&mut bytes);
        let written = (|| -> Written {
            e.array(4 + claim.parts())?.u8(1)?.bytes(town)?;
            match issuer {
                Some(issuer) => e.bytes(&issuer.0)?,
                None => e.null()?,
            };
            e.bytes(&nonce)?;
            claim.encode(&mut e)
        })();
        debug_assert!(written.is_ok(), "writing to memory does not fail");
        let signature = key.sign(&[CONTEXT, &bytes].concat()).to_bytes();
        Self { id: CertificateId(blake3::hash(&bytes).into()), issuer, claim, bytes, signature, possession: None }
    }

    /// Adds the proof that `key`, which the certificate is for, wants it.
    pub fn with_possession(self, key: &SigningKey) -> Self {
        let possession = key.sign(&[POSSESSION_CONTEXT, &self.bytes].concat()).to_bytes();
        Self { possession: Some(possession), ..self }
    }

    /// The statement as sent and stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes.len() + 2 * SIGNATURE_LEN + 8);
        let mut e = Encoder::new(&mut out);
        let written = (|| -> Written {
            e.array(2 + u64::from(self.possession.is_some()))?.bytes(&self.bytes)?.bytes(&self.signature)?;
            self.possession.map_or(Ok(()), |possession| e.bytes(&possession)?.ok())
        })();
        debug_assert!(written.is_ok(), "writing to memory does not fail");
        out
    }

    /// Reads a statement for this town. The signature is checked by [`Self::verify`], which needs the issuer.
    ///
    /// # Errors
    /// [`StatementError`] for malformed bytes, another town, or a weak key.
    pub fn from_bytes(bytes: &[u8], town: &[u8; 32]) -> Result<Self, StatementError> {
        if bytes.len() > bounds::MAX_RECORD {
            return Err(malformed("too long"));
        }
        let mut d = Decoder::new(bytes);
        let parts = length(&mut d, 3)?;
        if parts < 2 {
            return Err(malformed("a signature is missing"));
        }
        let (signed, signature) = (d.bytes()?, fixed(&mut d)?);
        let possession = if parts == 3 { Some(fixed(&mut d)?) } else { None };
        if d.position() != bytes.len() {
            return Err(malformed("trailing bytes"));
        }
        let mut d = Decoder::new(signed);
        length(&mut d, 16)?;
        if d.u8()? != 1 {
            return Err(malformed("a statement of a newer version; upgrade this node"));
        }
        if &fixed::<32>(&mut d)? != town {
            return Err(StatementError::OtherTown);
        }
        let issuer = if d.datatype()? == minicbor::data::Type::Null {
            d.null()?;
            None
        } else {
            Some(CertificateId(fixed(&mut d)?))
        };
        let _nonce: [u8; 8] = fixed(&mut d)?;
        let claim = Claim::decode(&mut d)?;
        if d.position() != signed.len() {
            return Err(malformed("trailing bytes"));
        }
        if let Claim::Certificate(certificate) = &claim {
            if bytes.len() > bounds::MAX_CERTIFICATE {
                return Err(malformed("too long"));
            }
            refuse_weak(certificate)?;
        }
        let (id, bytes) = (CertificateId(blake3::hash(signed).into()), signed.to_vec());
        Ok(Self { id, issuer, claim, bytes, signature, possession })
    }

    /// Checks signature and right of the issuer. `issuer` is the verified certificate that [`Self::issuer`] names; `None`
    /// for the root.
    ///
    /// # Errors
    /// [`StatementError::WrongSignature`], [`StatementError::NotAllowed`].
    pub fn verify(&self, town: &[u8; 32], issuer: Option<&Certificate>) -> Result<(), StatementError> {
        let key = issuer.map_or(town, |issuer| &issuer.key.0);
        signature::verify(key, &[CONTEXT, &self.bytes].concat(), &self.signature)
            .map_err(|_| StatementError::WrongSignature)?;
        may_state(issuer, &self.claim).map_err(StatementError::NotAllowed)?;
        if issuer.is_some_and(|issuer| issuer.kind == CertificateKind::Invite) && !self.is_possessed() {
            return Err(StatementError::NotAllowed("the certified key did not sign that it wants this certificate"));
        }
        Ok(())
    }

    fn is_possessed(&self) -> bool {
        let (Claim::Certificate(certificate), Some(possession)) = (&self.claim, &self.possession) else { return false };
        let signed = [POSSESSION_CONTEXT, &self.bytes].concat();
        signature::verify(&certificate.key.0, &signed, possession).is_ok()
    }
}

fn refuse_weak(certificate: &Certificate) -> Result<(), StatementError> {
    if signature::is_sound_key(&certificate.key.0) { Ok(()) } else { Err(StatementError::WeakKey) }
}

fn may_state(issuer: Option<&Certificate>, claim: &Claim) -> Result<(), &'static str> {
    match (issuer.map(|issuer| (issuer.kind, issuer)), claim) {
        (None, Claim::Certificate(certificate)) if certificate.kind != CertificateKind::Authority => {
            Err("the root signs authorities only")
        }
        (None, _) => Ok(()),
        (Some((CertificateKind::Authority, _)), Claim::Certificate(certificate)) => match certificate.kind {
            CertificateKind::Authority => Err("only the root signs authorities"),
            CertificateKind::Invite | CertificateKind::Node => Ok(()),
        },
        (
            Some((CertificateKind::Authority, _)),
            Claim::Revocation { .. } | Claim::Family { .. } | Claim::Ratification { .. } | Claim::Erasure(_),
        ) => Ok(()),
        (Some((CertificateKind::Invite, invite)), Claim::Certificate(certificate)) => {
            let narrower =
                certificate.scopes.iter().all(|scope| invite.scopes.iter().any(|wider| wider.includes(scope)));
            if certificate.kind != CertificateKind::Node {
                Err("an invite signs one node certificate only")
            } else if !narrower
                || certificate.name != invite.name
                || certificate.role != invite.role
                || !certificate.roles.is_subset(&invite.roles)
                || certificate.not_after > invite.not_after
            {
                Err("the certificate is wider than the invite, or not the one that it is for")
            } else {
                Ok(())
            }
        }
        (Some((CertificateKind::Invite | CertificateKind::Node, _)), _) => {
            Err("only the root and authorities state this")
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
