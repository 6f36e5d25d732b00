//! What a newcomer must know of the town before it meets anybody: which namespaces there are.
//!
//! Families and periods stand in `auth`, which a new node gets from the first node that it meets. Until then it could
//! record nothing, so an invite brings those that concern it. They are kept beside the logs and are not recorded again:
//! else each newcomer would write what everybody knows into `auth` once more.
//!
//! # Format
//!
//! CBOR `[[statement...], [period...]]`: certificates of those who founded the families, then the families, as stated;
//! the names of the namespaces that were opened since.

use std::collections::BTreeSet;

use minicbor::{Decoder, Encoder};

use super::Trust;
use crate::certificate::{Certificate, CertificateKind, Claim, Statement, StatementError};
use crate::namespace::Namespace;
use crate::policy;

/// Most statements and periods of an introduction, each.
const MAX_TOLD: usize = 65_536;

/// What a newcomer is told, see the module.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Introduction {
    statements: Vec<Vec<u8>>,
    periods: Vec<Namespace>,
}

impl Introduction {
    /// How many statements and periods it tells.
    pub fn len(&self) -> usize {
        self.statements.len() + self.periods.len()
    }

    /// Whether it tells nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As in the format.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut e = Encoder::new(&mut bytes);
        let write = |e: &mut Encoder<&mut Vec<u8>>| -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
            e.array(2)?.array(self.statements.len() as u64)?;
            for statement in &self.statements {
                e.bytes(statement)?;
            }
            e.array(self.periods.len() as u64)?;
            for period in &self.periods {
                e.str(&period.to_string())?;
            }
            Ok(())
        };
        let written = write(&mut e);
        debug_assert!(written.is_ok(), "writing to memory does not fail");
        bytes
    }

    /// Reads one; `None` if it is not one. What it says is not checked yet.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut d = Decoder::new(bytes);
        (d.array().ok()? == Some(2)).then_some(())?;
        let mut told = Self::default();
        for _ in 0..length(&mut d)? {
            told.statements.push(d.bytes().ok()?.to_vec());
        }
        for _ in 0..length(&mut d)? {
            told.periods.push(d.str().ok()?.parse().ok()?);
        }
        (d.position() == bytes.len()).then_some(told)
    }
}

fn length(d: &mut Decoder<'_>) -> Option<usize> {
    usize::try_from(d.array().ok()??).ok().filter(|length| *length <= MAX_TOLD)
}

impl Trust {
    /// What a node with the scopes of a certificate, also one that is only invited yet, is to be told.
    pub fn introduction(&self, certificate: &Certificate) -> Introduction {
        let node = Certificate { kind: CertificateKind::Node, ..certificate.clone() };
        let concerns = |namespace: &Namespace| policy::access(&node, namespace).is_some();
        let families = self.families.values().filter(|family| concerns(&family.founding));
        let (mut founders, mut stated) = (Vec::new(), Vec::new());
        let mut known = BTreeSet::new();
        for family in families {
            if let Some(issuer) = family.issuer.filter(|issuer| known.insert(*issuer)) {
                founders.extend(self.chain(&issuer).into_iter().flatten());
            }
            stated.push(family.stated.clone());
        }
        founders.dedup();
        let is_later = |namespace: &&Namespace| {
            self.family(namespace).is_some_and(|family| family.founding != **namespace) && concerns(namespace)
        };
        let mut periods: Vec<Namespace> = self.namespaces.values().filter(is_later).cloned().collect();
        periods.sort();
        Introduction { statements: [founders, stated].concat(), periods }
    }

    /// Takes over what this node was told when it was invited.
    ///
    /// # Errors
    /// [`StatementError`] if a statement is not what it says; those before it are trusted.
    pub fn heed_introduction(&mut self, told: &Introduction) -> Result<(), StatementError> {
        for bytes in &told.statements {
            let statement = Statement::from_bytes(bytes, &self.town)?;
            if !is_of_introduction(&statement.claim) {
                return Err(StatementError::NotAllowed("an introduction tells of authorities and families only"));
            }
            if statement.issuer.is_some_and(|issuer| !self.certificates.contains_key(&issuer)) {
                return Err(StatementError::NotAllowed("it does not say who its authority is"));
            }
            self.add(statement)?;
        }
        for period in &told.periods {
            let is_new =
                self.families.contains_key(&period.family()) && !self.namespaces.contains_key(&period.id(&self.town));
            self.open_period(period.clone());
            if is_new {
                self.told.insert(period.clone());
            }
        }
        Ok(())
    }

    /// The periods of a family up to one that this node knows from its invite alone, the earliest first: whoever invited
    /// it may never have told anybody else.
    pub(crate) fn only_told(&self, until: &Namespace) -> Vec<Namespace> {
        let is_of_family = |period: &Namespace| period.kind == until.kind && period.region == until.region;
        self.told.iter().filter(|period| *period <= until && is_of_family(period)).cloned().collect()
    }
}

fn is_of_introduction(claim: &Claim) -> bool {
    match claim {
        Claim::Certificate(certificate) => certificate.kind == CertificateKind::Authority,
        Claim::Family { .. } => true,
        Claim::Revocation { .. } | Claim::Ratification { .. } | Claim::Erasure(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::NodeRole;
    use crate::enrol::{self, Founded, Invite, Place};
    use proptest::prelude::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    fn founded() -> (Founded, Trust, ChaCha8Rng) {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let regions = ["110115005001", "110115005002"].map(str::to_owned);
        let founded = enrol::found(&regions, "2026", "2026-11", 1, &mut rng);
        let mut trust = Trust::new(founded.authority.town);
        founded.statements.iter().for_each(|statement| _ = trust.add(statement.clone()).unwrap());
        trust.open_period(Namespace::cases("110115005001", "2027"));
        trust.open_period(Namespace::cases("110115005002", "2027"));
        (founded, trust, rng)
    }

    fn langfa(founded: &Founded, rng: &mut ChaCha8Rng) -> Invite {
        let place = Place {
            name: "langfa".into(),
            role: NodeRole::Village,
            regions: vec!["110115005001".into()],
            carries: vec![],
            acts_as: None,
        };
        enrol::invite(&founded.authority, &place, &founded.secrets, 1, rng).unwrap()
    }

    #[test]
    fn a_newcomer_is_told_what_concerns_it_and_learns_nothing_else() {
        let (founded, trust, mut rng) = founded();
        let invite = langfa(&founded, &mut rng);
        let told = trust.introduction(invite.chain.last().unwrap().claim.certificate().unwrap());
        assert_eq!(told.len(), 1 + 4 + 1, "the authority, town, registry, cases, events, and the cases of 2027");
        assert_eq!(Introduction::from_bytes(&told.to_bytes()), Some(told.clone()));
        let mut new = Trust::new(founded.authority.town);
        new.heed_introduction(&told).unwrap();
        let names: BTreeSet<String> = new.namespaces().values().map(ToString::to_string).collect();
        let expected = [
            "auth",
            "cases/110115005001/2026",
            "cases/110115005001/2027",
            "events/110115005001/2026-11",
            "registry/110115005001",
            "town",
        ];
        assert_eq!(names, expected.map(str::to_owned).into());
        assert_eq!(new.introduction(invite.chain[1].claim.certificate().unwrap()), told, "it can invite others");
    }

    #[test]
    fn what_nobody_of_the_town_stated_is_not_believed() {
        let (_, trust, mut rng) = founded();
        let other = enrol::found(&["110115005001".to_owned()], "2026", "2026-11", 1, &mut rng);
        let stated = other.statements.iter().map(Statement::to_bytes).collect();
        let mut new = Trust::new(*trust.town());
        assert!(new.heed_introduction(&Introduction { statements: stated, periods: vec![] }).is_err());
        assert_eq!(new.namespaces().len(), 1);
    }

    #[test]
    fn only_authorities_and_families_are_told() {
        let (founded, trust, mut rng) = founded();
        let invite = langfa(&founded, &mut rng);
        let told = trust.introduction(invite.chain[1].claim.certificate().unwrap());
        let mut new = Trust::new(*trust.town());
        // An invite's certificate, rightly signed, and families whose authority is left out.
        let stated = invite.chain.iter().map(Statement::to_bytes).collect();
        assert!(new.heed_introduction(&Introduction { statements: stated, periods: vec![] }).is_err());
        let mut new = Trust::new(*trust.town());
        let stated = told.statements[1..].to_vec();
        assert!(new.heed_introduction(&Introduction { statements: stated, periods: vec![] }).is_err());
        assert_eq!(new.namespaces().len(), 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_introduction_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(told) = Introduction::from_bytes(&bytes) {
                prop_assert!(told.len() <= 2 * MAX_TOLD);
            }
        }
    }
}
