//! Founding the town: everybody is enrolled and opens a store for the first time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use townmesh_crdt::certificate::{Certificate, CertificateKind, Claim, NodeRole, Statement};
use townmesh_crdt::clock::Millis;
use townmesh_crdt::enrol::{self, Authority, Founded};
use townmesh_crdt::id::{NamespaceId, NodeId};
use townmesh_crdt::namespace::Namespace;

use super::node::{Clock, Node};
use super::roster::{Roster, Spec};
use super::trace::Trace;
use super::{BEGIN, Event, Ledger, Stats, World, WorldError};
use crate::dice::Dice;
use crate::plan::{DEPLOYMENT, HOUR, MINUTE, Plan};

/// Signatures that are remembered: 15 MB.
const SIGNATURES: usize = 200_000;

impl World {
    /// Founds the town of a plan.
    pub(super) fn found(plan: &Plan, with_story: bool) -> Result<Self, WorldError> {
        let options = &plan.options;
        let length = DEPLOYMENT + Millis::from(options.hours) * HOUR + options.bound_min * MINUTE;
        Self::found_in(plan, Roster::of(options, length)?, with_story)
    }

    /// Founds a town with these nodes.
    pub(super) fn found_in(plan: &Plan, roster: Roster, with_story: bool) -> Result<Self, WorldError> {
        // Each node checks each signature, and what was right for one is right for all.
        townmesh_crdt::signature::remember(SIGNATURES);
        let options = plan.options.clone();
        let mut rng = Dice::of(options.seed, "founding", 0).into_rng();
        let founded = enrol::found(&roster.regions, "2026", "2026-11", BEGIN, &mut rng);
        let spares = vec![spare(&founded, options.seed, 1), spare(&founded, options.seed, 2)];
        let nodes = roster.specs.iter().map(|spec| enrol_node(&founded, spec, &mut rng)).collect::<Result<_, _>>()?;
        let mut world = Self {
            names: names(&roster.regions, &founded.authority.town, options.hours / 24),
            steps: plan.steps.clone(),
            trace: Trace::new(options.seed, with_story),
            options,
            roster,
            founded,
            spares,
            nodes,
            conns: BTreeMap::new(),
            next_conn: 1,
            queue: BTreeMap::new(),
            serial: 0,
            now: 0,
            partitions: vec![],
            calm: false,
            ledger: Ledger::default(),
            stats: Stats::default(),
            violations: vec![],
            equal_claims: 0,
            meter: None,
        };
        for number in 0..world.nodes.len() {
            world.first_opening(number)?;
        }
        for (number, at) in (0..).zip(world.steps.iter().map(|step| step.at).collect::<Vec<_>>()) {
            world.at(at, Event::Step(number));
        }
        world.at(0, Event::Round);
        Ok(world)
    }

    fn first_opening(&mut self, number: usize) -> Result<(), WorldError> {
        let (seed, beacon) = (self.options.seed, self.options.beacon_s * 1000);
        let mut statements = self.founded.statements.clone();
        statements.extend(self.spares.iter().map(|spare| spare.statement.clone()));
        let Some(node) = self.nodes.get_mut(number) else { return Ok(()) };
        node.clock = first_clock(seed, number);
        if let Err(error) = node.open(seed, number, beacon, BEGIN) {
            return Err(WorldError::Founding(format!("{}: {error:?}", node.spec.name)));
        }
        node.take_secrets();
        let (is_center, local) = (node.spec.role == NodeRole::Center, node.clock.at(BEGIN));
        if let Some(replica) = &mut node.replica {
            if is_center {
                replica
                    .record_statements(statements, local)
                    .map_err(|error| WorldError::Founding(error.to_string()))?;
            }
            replica.commit(local).map_err(|error| WorldError::Founding(error.to_string()))?;
        }
        self.stats.openings += 1;
        Ok(())
    }
}

/// Clocks are off by up to two minutes, and every tenth by much more.
fn first_clock(seed: u64, number: usize) -> Clock {
    let mut dice = Dice::of(seed, "clock", number as u64);
    let bound = if number > 0 && dice.chance(10) { 30 * 24 * HOUR } else { 2 * MINUTE };
    let offset = dice.long(2 * bound) as i64 - bound as i64;
    Clock { offset, drift: i64::from(dice.below(200)) - 100, since: BEGIN }
}

fn enrol_node(founded: &Founded, spec: &Spec, rng: &mut rand_chacha::ChaCha8Rng) -> Result<Node, WorldError> {
    let founding = |error: enrol::EnrolError| WorldError::Founding(error.to_string());
    let invite = enrol::invite(&founded.authority, &spec.place(), &founded.secrets, BEGIN, rng).map_err(founding)?;
    let joined = enrol::redeem(&invite, rng).map_err(founding)?;
    Ok(Node::new(spec.clone(), joined, Arc::new(invite)))
}

/// A further authority, signed by the root.
fn spare(founded: &Founded, seed: u64, number: u64) -> Authority {
    let mut rng = Dice::of(seed, "authority", number).into_rng();
    let town = founded.authority.town;
    // The root key of another town is as good a fresh key as any.
    let signing = enrol::found(&[], "2026", "2026-11", BEGIN, &mut rng).root;
    let claim = Claim::Certificate(Certificate {
        kind: CertificateKind::Authority,
        key: NodeId(signing.verifying_key().to_bytes()),
        exchange: [0; 32],
        name: format!("authority-{number}"),
        role: NodeRole::Center,
        scopes: vec![],
        roles: BTreeSet::new(),
        not_before: BEGIN,
        not_after: BEGIN + 1000 * 24 * HOUR,
    });
    let statement = Statement::sign(&town, claim, None, [number as u8; 8], &founded.root);
    Authority { town, signing, statement }
}

/// Every namespace that can come to exist within so many days, by id.
fn names(regions: &[String], town: &[u8; 32], days: u32) -> BTreeMap<NamespaceId, Namespace> {
    // Clocks run ahead by months, and the year ends in the end.
    let months = 5 + days / 28;
    let month = |number: u32| format!("{}-{:02}", 2026 + (10 + number) / 12, (10 + number) % 12 + 1);
    let regional = regions.iter().flat_map(|region| {
        let years = (0..3 + days / 365).map(move |year| Namespace::cases(region, &(2026 + year).to_string()));
        let months = (0..months).map(move |number| Namespace::events(region, &month(number)));
        years.chain(months).chain([Namespace::registry(region)])
    });
    let all: BTreeSet<Namespace> = regional.chain([Namespace::auth(), Namespace::town()]).collect();
    all.into_iter().map(|namespace| (namespace.id(town), namespace)).collect()
}
