//! The node whose disk is recorded, and those that it meets.

use std::collections::BTreeMap;

use redb::StorageBackend;
use redb::backends::InMemoryBackend;
use townmesh_crdt::certificate::{NodeRole, Statement};
use townmesh_crdt::clock::Millis;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::enrol::{self, Founded, Identity, Place};
use townmesh_crdt::id::NamespaceId;
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::replica::{OpenError, Opening, Replica};
use townmesh_crdt::seal::FamilySecret;
use townmesh_crdt::store::Store;

use super::ImagesError;
use crate::dice::Dice;
use crate::world::BEGIN;

/// The region that the recorded node works in, and one for which it may carry.
const REGIONS: [&str; 2] = ["110115005001", "110115005002"];

/// One node's identity and what it joins with.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) role: NodeRole,
    identity: Identity,
    chain: Vec<Statement>,
    town: [u8; 32],
    /// What came with its invite.
    pub(crate) secrets: Vec<(String, FamilySecret)>,
    /// What it records when it joins: a center the town's statements.
    statements: Vec<Statement>,
}

impl Member {
    /// Opens its replica on a store.
    ///
    /// # Errors
    /// [`OpenError`].
    pub(crate) fn open(&self, store: Store, dice: Dice, expect_data: bool, now: Millis) -> Result<Replica, OpenError> {
        let opening = Opening {
            store,
            identity: self.identity.clone(),
            town: self.town,
            chain: self.chain.clone(),
            rng: Box::new(dice.into_rng()),
            expect_data,
            beacon_interval: 60_000,
        };
        Replica::open(opening, now)
    }

    /// Stages what joining does after the first opening, see `townmesh join`.
    ///
    /// # Errors
    /// What the replica says.
    pub(crate) fn join(&self, replica: &mut Replica, now: Millis) -> Result<(), ImagesError> {
        replica.keep_secrets(&self.secrets);
        replica.record_statements(self.statements.clone(), now).map_err(ImagesError::life)
    }

    /// A replica in memory that has joined.
    ///
    /// # Errors
    /// What the replica says.
    pub(crate) fn in_memory(&self, dice: Dice) -> Result<Replica, ImagesError> {
        let store = Store::open_backend(InMemoryBackend::new()).map_err(ImagesError::life)?;
        let mut replica = self.open(store, dice, false, BEGIN).map_err(ImagesError::life)?;
        self.join(&mut replica, BEGIN)?;
        replica.commit(BEGIN).map_err(ImagesError::life)?;
        Ok(replica)
    }
}

/// Everybody.
#[derive(Debug)]
pub(crate) struct Cast {
    pub(crate) founded: Founded,
    /// Whose disk is recorded.
    pub(crate) recorded: Member,
    /// May hold and read what the recorded node may, and starts from nothing wherever it is asked.
    pub(crate) witness: Member,
    /// The center that it meets.
    pub(crate) center: Member,
    /// Where the recorded node works.
    pub(crate) region: RegionCode,
    /// Every namespace that can come to exist.
    pub(crate) names: BTreeMap<NamespaceId, Namespace>,
}

impl Cast {
    /// A town by its seed: most often a village office is recorded, sometimes a vehicle that carries, or a center.
    ///
    /// # Errors
    /// [`ImagesError::Founding`].
    pub(crate) fn of(seed: u64) -> Result<Self, ImagesError> {
        let mut rng = Dice::of(seed, "images founding", 0).into_rng();
        let role = match seed % 5 {
            3 => NodeRole::Patrol,
            4 => NodeRole::Center,
            _ => NodeRole::Village,
        };
        // Every region is three more statements to verify at each opening.
        let regions: Vec<String> =
            REGIONS.iter().take(1 + usize::from(role == NodeRole::Patrol)).map(|code| (*code).to_owned()).collect();
        let founded = enrol::found(&regions, "2026", "2026-11", BEGIN, &mut rng);
        let mut member = |name: &str, role: NodeRole| {
            let of = |wanted: bool, at: usize| REGIONS.get(at).filter(|_| wanted).map(|code| (*code).to_owned());
            let place = Place {
                name: name.to_owned(),
                role,
                regions: of(role != NodeRole::Center, 0).into_iter().collect(),
                carries: of(role == NodeRole::Patrol, 1).into_iter().collect(),
                acts_as: None,
            };
            let invite = enrol::invite(&founded.authority, &place, &founded.secrets, BEGIN, &mut rng)?;
            let joined = enrol::redeem(&invite, &mut rng)?;
            let is_center = role == NodeRole::Center;
            let statements = if is_center { founded.statements.clone() } else { vec![] };
            let town = founded.authority.town;
            let (identity, chain, secrets) = (joined.identity, joined.chain, invite.secrets);
            Ok(Member { role, identity, chain, town, secrets, statements })
        };
        let founding = |error: enrol::EnrolError| ImagesError::Founding(error.to_string());
        let recorded = member("recorded", role).map_err(founding)?;
        let witness = member("witness", role).map_err(founding)?;
        let center = member("center", NodeRole::Center).map_err(founding)?;
        let region = REGIONS[0].parse().map_err(|_| ImagesError::Founding("the region's code is wrong".into()))?;
        let names = names(&founded.authority.town);
        Ok(Self { recorded, witness, center, region, names, founded })
    }
}

fn names(town: &[u8; 32]) -> BTreeMap<NamespaceId, Namespace> {
    let regional = REGIONS.iter().flat_map(|region| {
        let months = ["2026-11", "2026-12"].map(|month| Namespace::events(region, month));
        months.into_iter().chain([Namespace::registry(region), Namespace::cases(region, "2026")])
    });
    let all = regional.chain([Namespace::auth(), Namespace::town()]);
    all.map(|namespace| (namespace.id(town), namespace)).collect()
}

/// Opens the store on a backend as production does.
///
/// # Errors
/// What the store says.
pub(crate) fn open_store(backend: impl StorageBackend) -> Result<Store, OpenError> {
    Ok(Store::open_backend(backend)?)
}

/// Passes messages both ways until neither has anything to say; `committed` is called after each commit of the first.
///
/// # Errors
/// What a replica says.
pub(crate) fn settle(
    one: &mut Replica,
    other: &mut Replica,
    now: Millis,
    mut committed: impl FnMut(&mut Replica) -> Result<(), ImagesError>,
) -> Result<(), ImagesError> {
    one.close_session(&other.node());
    other.close_session(&one.node());
    one.open_session(other.node()).map_err(ImagesError::life)?;
    other.open_session(one.node()).map_err(ImagesError::life)?;
    for _ in 0..10_000 {
        let sent = pass(one, other, now)?;
        commit_all(other, now, &mut |_| Ok(()))?;
        let answered = pass(other, one, now)?;
        commit_all(one, now, &mut committed)?;
        if !sent && !answered {
            return Ok(());
        }
    }
    Err(ImagesError::Life("a session does not come to an end".into()))
}

fn pass(from: &mut Replica, to: &mut Replica, now: Millis) -> Result<bool, ImagesError> {
    let mut any = false;
    while let Some(message) = from.poll_transmit(to.node()).map_err(ImagesError::life)? {
        any = true;
        to.receive(from.node(), &message, now).map_err(ImagesError::life)?;
    }
    Ok(any)
}

/// Commits and folds until there is nothing to do.
///
/// # Errors
/// What the replica says.
pub(crate) fn commit_all(
    replica: &mut Replica,
    now: Millis,
    committed: &mut dyn FnMut(&mut Replica) -> Result<(), ImagesError>,
) -> Result<(), ImagesError> {
    replica.commit(now).map_err(ImagesError::life)?;
    committed(replica)?;
    while replica.fold(now).map_err(ImagesError::life)? {
        replica.commit(now).map_err(ImagesError::life)?;
        committed(replica)?;
    }
    replica.commit(now).map_err(ImagesError::life)?;
    committed(replica)
}
