//! What follows from the statements a node holds: valid certificates, revocations, ratifications, the namespaces that
//! exist.
//!
//! The result depends only on the set of statements, never on the order in which they arrived.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::bounds;
use crate::certificate::{Access, Certificate, CertificateKind, Claim, Cut, Erasure, Statement, StatementError};
use crate::entry::LogId;
use crate::id::{CertificateId, EntryId, KeyId, NamespaceId, NodeId};
use crate::namespace::{Namespace, NamespaceKind};
use crate::policy;
use crate::seal::PersonKeyPlace;
pub use introduction::Introduction;
pub use issued::{InviteState, NameHolder};
use waiting::Waiting;

mod introduction;
mod issued;
mod ratification;
#[cfg(test)]
mod tests;
mod waiting;

/// Most certificates in a chain, and in a hello: authority, invite, node.
pub(crate) const MAX_CHAIN: usize = 4;

/// A family of namespaces and the key that makes its document ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// The first namespace.
    pub founding: Namespace,
    /// Key id of the founding secret.
    pub key: KeyId,
    /// Who founded it, and the statement, for newcomers.
    issuer: Option<CertificateId>,
    stated: Vec<u8>,
}

/// A place in a log: a seq and the entry there.
pub(crate) type Place = (u64, EntryId);

/// A ratified place, the farther the lesser, and who ratified it.
type RatifiedPlace = (Reverse<u64>, EntryId, Option<CertificateId>);

/// What became of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It is trusted now.
    New,
    /// It was trusted before.
    Known,
    /// It waits for its issuer's certificate.
    Waiting,
    /// There is no more room to wait for what its author brings: it is to be tried again when more is trusted.
    NoRoom,
}

/// Verified statements and what they mean.
#[derive(Debug, Clone)]
pub struct Trust {
    town: [u8; 32],
    certificates: BTreeMap<CertificateId, Certificate>,
    issuers: BTreeMap<CertificateId, Option<CertificateId>>,
    nodes: BTreeMap<NodeId, BTreeSet<CertificateId>>,
    /// Of each node that belongs to the town, the certificate that it uses: see [`Self::current`].
    current: BTreeMap<NodeId, CertificateId>,
    redemptions: BTreeMap<CertificateId, BTreeSet<CertificateId>>,
    revocations: BTreeMap<CertificateId, Vec<Vec<Cut>>>,
    /// Ratified places of each log with who ratified them: the farthest first, of equally far ones the lesser head.
    ratifications: BTreeMap<LogId, BTreeSet<RatifiedPlace>>,
    /// Every place that a cut or a ratification names.
    marks: BTreeMap<LogId, BTreeSet<Place>>,
    families: BTreeMap<String, Family>,
    /// Periods after the founding one that were opened, by family.
    proposed: BTreeMap<String, BTreeSet<Namespace>>,
    /// Periods that are known from an invite and not from `auth`.
    told: BTreeSet<Namespace>,
    /// A family has another founding since [`Self::take_refounded`]: its periods are to be read again.
    refounded: bool,
    /// Grows with the certificates and families: what had to wait for one is to be tried again.
    growth: usize,
    namespaces: BTreeMap<NamespaceId, Namespace>,
    /// Grows whenever `namespaces` changes.
    spaces: u64,
    waiting: Waiting,
    /// Those that waited and are trusted since the last [`Self::take_released`].
    released: Vec<CertificateId>,
    /// Certificates as stated, for those who are to be shown them.
    stated: BTreeMap<CertificateId, Vec<u8>>,
    /// Revoked since the last [`Self::take_revoked`].
    newly_revoked: BTreeSet<CertificateId>,
    erased: BTreeSet<(NamespaceId, PersonKeyPlace)>,
    /// Ordered since the last [`Self::take_erasures`].
    new_erasures: Vec<Erasure>,
    /// Logs of which something was ratified since the last [`Self::take_ratified`].
    newly_ratified: BTreeSet<LogId>,
}

impl Trust {
    /// Nothing but the town's root public key.
    pub fn new(town: [u8; 32]) -> Self {
        let auth = Namespace::auth();
        Self {
            town,
            certificates: BTreeMap::new(),
            issuers: BTreeMap::new(),
            nodes: BTreeMap::new(),
            current: BTreeMap::new(),
            redemptions: BTreeMap::new(),
            revocations: BTreeMap::new(),
            ratifications: BTreeMap::new(),
            marks: BTreeMap::new(),
            families: BTreeMap::new(),
            proposed: BTreeMap::new(),
            told: BTreeSet::new(),
            refounded: false,
            growth: 0,
            namespaces: BTreeMap::from([(auth.id(&town), auth)]),
            spaces: 0,
            waiting: Waiting::default(),
            released: Vec::new(),
            stated: BTreeMap::new(),
            newly_revoked: BTreeSet::new(),
            erased: BTreeSet::new(),
            new_erasures: Vec::new(),
            newly_ratified: BTreeSet::new(),
        }
    }

    /// The town's root public key.
    pub fn town(&self) -> &[u8; 32] {
        &self.town
    }

    /// Adds a statement; one whose issuer is not known yet waits for it. True if anything new is trusted now.
    ///
    /// # Errors
    /// [`StatementError`] if the issuer did not sign it or may not state it.
    pub fn add(&mut self, statement: Statement) -> Result<bool, StatementError> {
        self.add_from(NodeId([0; 32]), statement).map(|added| added == Added::New)
    }

    /// Adds a statement that stands in an entry of this node; see [`Self::add`].
    ///
    /// # Errors
    /// [`StatementError`] if the issuer did not sign it or may not state it.
    pub fn add_from(&mut self, author: NodeId, statement: Statement) -> Result<Added, StatementError> {
        let issuer = match statement.issuer {
            None => None,
            Some(id) => match self.certificates.get(&id) {
                Some(certificate) => Some(certificate),
                None if self.waiting.add(author, statement) => return Ok(Added::Waiting),
                None => return Ok(Added::NoRoom),
            },
        };
        statement.verify(&self.town, issuer)?;
        let id = statement.id;
        let is_new = self.insert(statement);
        if is_new {
            for (author, statement) in self.waiting.take(id) {
                let id = statement.id;
                // A forged statement that waited is simply dropped.
                if self.add_from(author, statement).is_ok() {
                    self.released.push(id);
                }
            }
        }
        Ok(if is_new { Added::New } else { Added::Known })
    }

    /// Statements that had waited and came to be trusted since this was last asked.
    pub(crate) fn take_released(&mut self) -> Vec<CertificateId> {
        std::mem::take(&mut self.released)
    }

    /// How many nodes redeemed an invite.
    pub(crate) fn redemptions_of(&self, invite: &CertificateId) -> usize {
        self.redemptions.get(invite).map_or(0, BTreeSet::len)
    }

    /// How many nodes joined with the invite that a node joined with, itself among them; 0 if with none. For one that is
    /// enrolled, those of them that are: whom the authority kept does not pay for the removed ones.
    pub(crate) fn sharers_of_invite(&self, node: &NodeId) -> usize {
        let is_enrolled = self.current(node).is_some();
        let invites = self.nodes.get(node).into_iter().flatten().filter_map(|id| self.invite_of(id));
        let sharers = invites.map(|invite| {
            let all = self.redeemed_by(&invite);
            all.filter(|(sharer, _)| !is_enrolled || self.current(sharer).is_some()).count()
        });
        sharers.max().unwrap_or(0)
    }

    /// Nodes that an invite certified, with their certificates.
    pub fn redeemed_by(&self, invite: &CertificateId) -> impl Iterator<Item = (NodeId, CertificateId)> {
        let all = self.redemptions.get(invite).into_iter().flatten();
        all.filter_map(|id| Some((self.certificates.get(id)?.key, *id)))
    }

    /// The invite that a certificate came from.
    pub(crate) fn invite_of(&self, certificate: &CertificateId) -> Option<CertificateId> {
        self.issuers.get(certificate).copied().flatten().filter(|issuer| self.is_invite(issuer))
    }

    fn insert(&mut self, statement: Statement) -> bool {
        let bytes = statement.to_bytes();
        match statement.claim {
            Claim::Certificate(certificate) => {
                self.stated.insert(statement.id, bytes);
                if let Some(issuer) = statement.issuer.filter(|issuer| self.is_invite(issuer)) {
                    self.redemptions.entry(issuer).or_default().insert(statement.id);
                }
                if certificate.kind == CertificateKind::Node {
                    self.nodes.entry(certificate.key).or_default().insert(statement.id);
                }
                self.issuers.insert(statement.id, statement.issuer);
                self.growth += 1;
                let key = certificate.key;
                let is_new = self.certificates.insert(statement.id, certificate).is_none();
                self.find_current(key);
                is_new
            }
            Claim::Revocation { certificate, cuts } => {
                let all = self.revocations.entry(certificate).or_default();
                let is_new = !all.contains(&cuts);
                if is_new {
                    for cut in &cuts {
                        self.marks.entry(cut.log).or_default().insert((cut.seq, cut.head));
                    }
                    all.push(cuts);
                    self.newly_revoked.insert(certificate);
                    let nodes: Vec<NodeId> = self.nodes.keys().copied().collect();
                    nodes.into_iter().for_each(|node| self.find_current(node));
                }
                is_new
            }
            Claim::Ratification { log, seq, head } => {
                let is_new = self.ratifications.entry(log).or_default().insert((Reverse(seq), head, statement.issuer));
                if is_new {
                    self.marks.entry(log).or_default().insert((seq, head));
                    self.newly_ratified.insert(log);
                }
                is_new
            }
            Claim::Family { founding, key } => {
                let name = founding.family();
                let family = Family { founding, key, issuer: statement.issuer, stated: bytes };
                // Two authorities that found the same family apart: the lesser key id stands, everywhere alike.
                let stands = self
                    .families
                    .get(&name)
                    .is_none_or(|known| (known.key, &known.founding) > (family.key, &family.founding));
                if stands {
                    self.growth += 1;
                    if self.families.insert(name.clone(), family).is_some() {
                        self.namespaces.retain(|_, namespace| namespace.family() != name);
                        // Those between the two foundings were not kept.
                        self.proposed.remove(&name);
                        self.refounded = true;
                    }
                    self.derive_namespaces(&name);
                }
                stands
            }
            Claim::Erasure(erasure) => self.erase(erasure),
        }
    }

    fn erase(&mut self, erasure: Erasure) -> bool {
        let places = erasure.keys.iter().map(|place| (erasure.namespace, *place));
        let known = self.erased.len();
        self.erased.extend(places);
        let is_new = self.erased.len() > known;
        if is_new {
            self.new_erasures.push(erasure);
        }
        is_new
    }

    /// Whether a person's key is to be destroyed.
    pub fn is_erased(&self, namespace: NamespaceId, place: PersonKeyPlace) -> bool {
        self.erased.contains(&(namespace, place))
    }

    /// The erasures that were ordered since this was last asked.
    pub(crate) fn take_erasures(&mut self) -> Vec<Erasure> {
        std::mem::take(&mut self.new_erasures)
    }

    fn is_invite(&self, id: &CertificateId) -> bool {
        self.certificates.get(id).is_some_and(|certificate| certificate.kind == CertificateKind::Invite)
    }

    /// Takes note of a period that a node opened. Periods count in unbroken succession from the founding one, so a
    /// wrong clock cannot open one far ahead (DESIGN 12.14). Of a family the nearest ones are kept, so nobody fills the
    /// room of another's, and the order of arrival does not matter. False if the family is not known yet.
    pub fn open_period(&mut self, namespace: Namespace) -> bool {
        let name = namespace.family();
        let Some(family) = self.families.get(&name) else { return false };
        self.told.remove(&namespace);
        if namespace > family.founding {
            let opened = self.proposed.entry(name.clone()).or_default();
            let is_new = opened.insert(namespace);
            if opened.len() > bounds::MAX_PERIODS {
                opened.pop_last();
            }
            if is_new {
                self.derive_namespaces(&name);
            }
        }
        true
    }

    /// Adds the namespaces of a family: its founding one and those after it in unbroken succession.
    fn derive_namespaces(&mut self, family: &str) {
        let opened = self.proposed.get(family);
        let mut next = self.families.get(family).map(|family| family.founding.clone());
        self.spaces += 1;
        while let Some(namespace) = next {
            next = next_period(&namespace).filter(|next| opened.is_some_and(|opened| opened.contains(next)));
            self.namespaces.insert(namespace.id(&self.town), namespace);
        }
    }

    /// A verified certificate.
    pub fn certificate(&self, id: &CertificateId) -> Option<&Certificate> {
        self.certificates.get(id)
    }

    /// The certificate that a node uses now: the unrevoked one that is valid longest.
    pub fn current(&self, node: &NodeId) -> Option<(CertificateId, &Certificate)> {
        let id = self.current.get(node)?;
        self.certificates.get(id).map(|certificate| (*id, certificate))
    }

    fn find_current(&mut self, node: NodeId) {
        let ids = self.nodes.get(&node).into_iter().flatten().filter(|id| !self.is_revoked(id));
        let certificates = ids.filter_map(|id| Some((*id, self.certificates.get(id)?)));
        match certificates.max_by_key(|(id, certificate)| (certificate.not_after, *id)).map(|(id, _)| id) {
            Some(id) => self.current.insert(node, id),
            None => self.current.remove(&node),
        };
    }

    /// Changes with the namespaces that exist.
    pub(crate) fn spaces(&self) -> u64 {
        self.spaces
    }

    /// Certificates whose holders could read a family and may not any more: removed nodes, nodes whose scopes were
    /// narrowed, and withdrawn invites, which hold the secrets that they hand out. Also those that are revoked and still on
    /// their way: the news of a removal may come before the certificate, and nobody knows yet what it could read.
    pub(crate) fn former_readers(&self, family: &str) -> impl Iterator<Item = CertificateId> {
        let reads = |certificate: &Certificate| policy::may_read(&certificate.scopes, family);
        let is_former = move |id: &CertificateId, certificate: &Certificate| match certificate.kind {
            CertificateKind::Authority => false,
            CertificateKind::Invite => self.is_revoked(id),
            CertificateKind::Node => !self.current(&certificate.key).is_some_and(|(_, current)| reads(current)),
        };
        let all = self.certificates.iter().filter(move |(_, certificate)| reads(certificate));
        let former = all.filter(move |(id, certificate)| is_former(id, certificate)).map(|(id, _)| *id);
        former.chain(self.revocations.keys().filter(|id| !self.certificates.contains_key(id)).copied())
    }

    /// Whether a family has another founding since this was last asked.
    pub(crate) fn take_refounded(&mut self) -> bool {
        std::mem::take(&mut self.refounded)
    }

    /// Grows with each certificate and family.
    pub(crate) fn growth(&self) -> usize {
        self.growth
    }

    /// A certificate and those that it stands on, from itself to the authority's. The bound guards against a cycle that
    /// cannot be signed.
    pub fn standing(&self, id: &CertificateId) -> impl Iterator<Item = CertificateId> {
        std::iter::successors(Some(*id), |id| self.issuers.get(id).copied().flatten()).take(MAX_CHAIN)
    }

    /// A certificate with those that it stands on, the authority's first, as stated.
    pub fn chain(&self, id: &CertificateId) -> Option<Vec<Vec<u8>>> {
        let mut chain = Vec::new();
        let mut next = Some(*id);
        while let Some(id) = next {
            // A chain that can be signed is shorter; see `is_revoked`.
            if chain.len() == MAX_CHAIN {
                return None;
            }
            chain.push(self.stated.get(&id)?.clone());
            next = self.issuers.get(&id).copied()?;
        }
        chain.reverse();
        Some(chain)
    }

    /// The certificates that were revoked since this was last asked.
    pub(crate) fn take_revoked(&mut self) -> BTreeSet<CertificateId> {
        std::mem::take(&mut self.newly_revoked)
    }

    /// Nodes any of whose certificates is one of these or stands on one.
    pub(crate) fn standing_on(&self, revoked: &BTreeSet<CertificateId>) -> BTreeSet<NodeId> {
        let stands = |id: &CertificateId| self.standing(id).any(|id| revoked.contains(&id));
        let nodes = self.nodes.iter().filter(|(_, ids)| ids.iter().any(stands));
        nodes.map(|(node, _)| *node).collect()
    }

    /// Certificates of a node that were not revoked themselves.
    pub(crate) fn unrevoked_of(&self, node: &NodeId) -> Vec<CertificateId> {
        let all = self.nodes.get(node).into_iter().flatten();
        all.filter(|id| !self.revocations.contains_key(id)).copied().collect()
    }

    /// The certificate of a node that never had another: the one that each of its entries names.
    pub(crate) fn only_certificate(&self, node: &NodeId) -> Option<CertificateId> {
        let mut all = self.nodes.get(node)?.iter();
        all.next().copied().filter(|_| all.next().is_none())
    }

    /// Every certificate of a node, revoked ones too.
    pub(crate) fn certificates_of(&self, node: &NodeId) -> impl Iterator<Item = &Certificate> {
        self.nodes.get(node).into_iter().flatten().filter_map(|id| self.certificates.get(id))
    }

    /// Whether a node has a certificate, revoked or not.
    pub(crate) fn was_enrolled(&self, node: &NodeId) -> bool {
        self.nodes.contains_key(node)
    }

    /// Nodes with a certificate, revoked or not, whose id begins with these bytes.
    pub(crate) fn enrolled_beginning(&self, first: [u8; 5]) -> impl Iterator<Item = NodeId> {
        let mut from = [0; NodeId::LEN];
        from.iter_mut().zip(first).for_each(|(byte, known)| *byte = known);
        let named = self.nodes.range(NodeId(from)..).take_while(move |(node, _)| node.0.starts_with(&first));
        named.map(|(node, _)| *node)
    }

    /// Every node with a certificate that counts.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, CertificateId, &Certificate)> {
        self.current.iter().filter_map(|(node, id)| Some((*node, *id, self.certificates.get(id)?)))
    }

    /// Invites that more than one node redeemed, for an authority to look at.
    pub fn double_redemptions(&self) -> impl Iterator<Item = (&CertificateId, &BTreeSet<CertificateId>)> {
        self.redemptions.iter().filter(|(_, certificates)| certificates.len() > 1)
    }

    /// Whether anything was ever revoked: without, no entry needs to be looked up to see whether it counts.
    pub fn has_revocations(&self) -> bool {
        !self.revocations.is_empty()
    }

    /// Whether a certificate, or one that it stands on, was revoked.
    pub fn is_revoked(&self, id: &CertificateId) -> bool {
        self.standing(id).any(|id| self.revocations.contains_key(&id))
    }

    /// The namespaces that exist.
    pub fn namespaces(&self) -> &BTreeMap<NamespaceId, Namespace> {
        &self.namespaces
    }

    /// The family of a namespace.
    pub fn family(&self, namespace: &Namespace) -> Option<&Family> {
        self.families.get(&namespace.family())
    }

    /// The families that exist, by name.
    pub fn families(&self) -> &BTreeMap<String, Family> {
        &self.families
    }

    /// The namespaces that a node may hold or carry, with its access.
    pub fn interest(&self, certificate: &Certificate) -> BTreeMap<NamespaceId, Access> {
        let access = |namespace: &Namespace| policy::access(certificate, namespace);
        self.namespaces.iter().filter_map(|(id, namespace)| Some((*id, access(namespace)?))).collect()
    }

    /// The namespace of a family for a period: as asked if it is open, `Err(period to open)` if it is the next
    /// one, and the newest open one otherwise.
    pub fn period(&self, wanted: &Namespace) -> Result<Namespace, Namespace> {
        if self.namespaces.contains_key(&wanted.id(&self.town)) {
            return Ok(wanted.clone());
        }
        let open = self
            .namespaces
            .values()
            .filter(|namespace| namespace.kind == wanted.kind && namespace.region == wanted.region);
        match open.max() {
            Some(newest) if next_period(newest).as_ref() == Some(wanted) => Err(wanted.clone()),
            Some(newest) => Ok(newest.clone()),
            None => Ok(wanted.clone()),
        }
    }
}

/// The period after a namespace's own; `None` for a kind without periods.
pub fn next_period(namespace: &Namespace) -> Option<Namespace> {
    let period = match namespace.kind {
        NamespaceKind::Auth | NamespaceKind::Town | NamespaceKind::Registry => return None,
        NamespaceKind::Cases => format!("{:04}", namespace.period.parse::<u16>().ok()?.checked_add(1)?),
        NamespaceKind::Events => {
            let (year, month) = namespace.period.split_once('-')?;
            let (year, month) = (year.parse::<u16>().ok()?, month.parse::<u16>().ok()?);
            if month < 12 { format!("{year:04}-{:02}", month + 1) } else { format!("{:04}-01", year.checked_add(1)?) }
        }
        NamespaceKind::Tracks => next_day(&namespace.period)?,
    };
    Some(Namespace { period, ..namespace.clone() })
}

fn next_day(day: &str) -> Option<String> {
    let mut parts = day.split('-').map(|part| part.parse::<u16>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    Some(match (day < days, month < 12) {
        (true, _) => format!("{year:04}-{month:02}-{:02}", day + 1),
        (false, true) => format!("{year:04}-{:02}-01", month + 1),
        (false, false) => format!("{:04}-01-01", year.checked_add(1)?),
    })
}
