//! The data directories that are measured: two centers with the same town, and a carrier.

use std::path::{Path, PathBuf};

use anyhow::Context;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use townmesh_crdt::certificate::{NodeRole, Statement};
use townmesh_crdt::command::household::{self, HouseholdInput};
use townmesh_crdt::enrol::{self, Place};
use townmesh_crdt::entry::Lane;
use townmesh_crdt::replica::{Opening, Replica};
use townmesh_crdt::store::Store;
use townmesh_node::data_dir::{DataDir, Existing};
use townmesh_node::engine::now;
use townmesh_node::keys::IdentityFile;
use townmesh_sim::generator::{self, HUANGCUN_REGIONS};

/// Seed of the generated households.
pub(crate) const SEED: u64 = 1;

/// Three nodes of one town, their data on disk.
pub(crate) struct BenchTown {
    pub(crate) households: usize,
    /// Holds the households.
    pub(crate) source: PathBuf,
    /// Holds nothing yet.
    pub(crate) target: PathBuf,
    /// Carries without reading.
    pub(crate) carrier: PathBuf,
    /// A third center, reached through the carrier.
    pub(crate) far: PathBuf,
    /// What the ledger of the households compresses to, zstd -3.
    pub(crate) compressed: usize,
}

impl BenchTown {
    pub(crate) fn found(dir: &Path, households: usize) -> anyhow::Result<Self> {
        let mut rng = ChaCha20Rng::seed_from_u64(SEED);
        let regions = generator::parse_regions(HUANGCUN_REGIONS)?;
        let codes: Vec<String> = regions
            .iter()
            .filter_map(|region| region.code)
            .map(|code| code.to_string())
            .filter(|code| code.len() == 12)
            .collect();
        let founded = enrol::found(&codes, "2026", "2026-11", now(), &mut rng);
        let mut join = |name: &str, role, carries: &[&str]| -> anyhow::Result<PathBuf> {
            let carries = carries.iter().map(|code| (*code).to_owned()).collect();
            let place = Place { name: name.to_owned(), role, regions: vec![], carries, acts_as: None };
            let invite = enrol::invite(&founded.authority, &place, &founded.secrets, now(), &mut rng)?;
            let joined = enrol::redeem(&invite, &mut rng)?;
            let path = dir.join(name);
            let data = DataDir::new(&path);
            data.create()?;
            let mut identity = IdentityFile::of_joined(founded.authority.town, joined);
            // Filled below: a node whose founding never finished is not run.
            identity.expect_data = true;
            identity.write(&data.identity(), Existing::Keep)?;
            let mut replica = open(&path)?;
            replica.keep_secrets(&invite.secrets);
            replica.record_statements(founded.statements.clone(), now())?;
            replica.commit(now())?;
            Ok(path)
        };
        let town = Self {
            households,
            source: join("source", NodeRole::Center, &[])?,
            target: join("target", NodeRole::Center, &[])?,
            carrier: join("carrier", NodeRole::Carrier, &["110115005"])?,
            far: join("far", NodeRole::Center, &[])?,
            compressed: ledger_size(households)?,
        };
        town.import()?;
        Ok(town)
    }

    fn import(&self) -> anyhow::Result<()> {
        let regions = generator::parse_regions(HUANGCUN_REGIONS)?;
        let mut replica = open(&self.source)?;
        for generated in generator::generate(SEED, &regions, self.households) {
            let input = HouseholdInput { household: generated.household, residents: generated.residents };
            household::record(&mut replica, &input, Lane::Bulk, now())?;
            if replica.must_commit() {
                replica.commit(now())?;
            }
        }
        replica.commit(now())?;
        Ok(())
    }
}

fn ledger_size(households: usize) -> anyhow::Result<usize> {
    let regions = generator::parse_regions(HUANGCUN_REGIONS)?;
    let mut csv = zstd::Encoder::new(Vec::new(), 3)?;
    generator::write_csv(generator::generate(SEED, &regions, households), &mut csv)?;
    Ok(csv.finish()?.len())
}

/// What [`Replica::open`] needs, from a data directory.
pub(crate) fn opening(path: &Path) -> anyhow::Result<Opening> {
    let data = DataDir::new(path);
    let file = IdentityFile::read(&data.identity())?;
    let chain: Vec<Statement> = file.chain;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).context("the system gives no random numbers")?;
    let mut rng = ChaCha20Rng::from_seed(seed);
    rng.next_u64();
    Ok(Opening {
        store: Store::open(&data.store())?,
        identity: file.identity,
        town: file.town,
        chain,
        rng: Box::new(rng),
        expect_data: false,
        beacon_interval: 60_000,
    })
}

pub(crate) fn open(path: &Path) -> anyhow::Result<Replica> {
    Ok(Replica::open(opening(path)?, now())?)
}
