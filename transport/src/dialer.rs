//! Whom to dial, where and when. Pure: time and randomness are arguments, and the driver does the dialling.
//!
//! A *target* is one peer, or one address whose peer is not known yet, with all addresses that lead to it. Its
//! addresses are tried in *waves*: QUIC, a moment later TCP, then circuits through relays, since a network that
//! blocks UDP (or a clock that says 1970, for which every TLS certificate is invalid) must not cost a time-out. When
//! all waves have failed, the target rests for a pause that grows up to a cap, with jitter, for ever.

use libp2p::multiaddr::Protocol;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

use crate::Limits;

/// The pause after the first failure; it doubles up to [`Limits::redial_pause`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// How long a wave of dials has to itself before the next one joins in.
const HEAD_START: Duration = Duration::from_millis(400);
/// A session this long was a success: the next redial is immediate again.
const LASTING: Duration = Duration::from_secs(10);
/// Failures after which a target that nobody configured is dropped.
const PATIENCE: u32 = 4;
/// The wider of two diallers waits this long on discovery, so that pairs rarely dial each other at once.
const COURTESY: Duration = Duration::from_millis(300);

/// A relay learns a moment after this node that their session has begun, and serves it only then.
pub(crate) const RELAY_SETTLING: Duration = Duration::from_millis(50);

/// Names a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TargetId(u64);

/// Why there is a target, which decides how long it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Configured: kept for ever.
    Configured,
    /// Asked for by the application: kept until reached once, or until given up.
    Requested,
    /// Announced on the local network: kept while it is announced or has a session, or until given up.
    Discovered,
}

/// Dial these addresses now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Dial {
    pub(crate) target: TargetId,
    pub(crate) peer: Option<PeerId>,
    pub(crate) addresses: Vec<Multiaddr>,
}

#[derive(Debug)]
struct Target {
    origin: Origin,
    /// The peer the addresses name, if they do: no other may answer.
    named: Option<PeerId>,
    /// The peer that answered last, if the addresses name none.
    answered: Option<PeerId>,
    addresses: Vec<Multiaddr>,
    /// Failures since the last lasting session.
    failures: u32,
    /// The next wave; `WAVES` when all have been started.
    wave: usize,
    /// When the next wave is due.
    due: Instant,
    in_flight: BTreeSet<ConnectionId>,
    session_since: Option<Instant>,
    /// Not to be dialled before: its peer was refused a moment ago.
    held_until: Option<Instant>,
    /// Has had a session: a discovered target is then kept for as long as it is announced.
    proven: bool,
    /// No longer announced; dropped with its session.
    expired: bool,
}

const WAVES: usize = 3;

/// All targets.
pub(crate) struct Dialer {
    local: PeerId,
    redial_pause: Duration,
    max_targets: usize,
    max_discovered: usize,
    max_addresses: usize,
    targets: BTreeMap<TargetId, Target>,
    next_id: u64,
}

/// The pause after `failures` failures in a row: exponential, capped, and with up to half of it more by `random`.
pub(crate) fn pause(failures: u32, cap: Duration, random: u64) -> Duration {
    let pause = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(cap);
    pause + pause.mul_f64((random % 1024) as f64 / 2048.0)
}

/// Which wave an address belongs to.
fn wave_of(address: &Multiaddr) -> usize {
    if address.iter().any(|part| part == Protocol::P2pCircuit) {
        2
    } else if address.iter().any(|part| part == Protocol::QuicV1) {
        0
    } else {
        1
    }
}

/// The peer an address names: the last part, if it is `/p2p/…`.
pub(crate) fn peer_of(address: &Multiaddr) -> Option<PeerId> {
    match address.iter().last() {
        Some(Protocol::P2p(peer)) => Some(peer),
        _ => None,
    }
}

impl Dialer {
    pub(crate) fn new(local: PeerId, limits: &Limits) -> Self {
        Self {
            local,
            redial_pause: limits.redial_pause,
            max_targets: limits.dial_targets,
            max_discovered: limits.discovered_peers,
            max_addresses: limits.discovered_addresses,
            targets: BTreeMap::new(),
            next_id: 0,
        }
    }

    /// Adds an address. False: the table is full, or the address names this node.
    pub(crate) fn add(&mut self, address: Multiaddr, origin: Origin, now: Instant) -> bool {
        let named = peer_of(&address);
        if named == Some(self.local) {
            return false;
        }
        let same = self.targets.values_mut().find(|target| match named {
            Some(_) => target.named == named,
            None => target.addresses.contains(&address),
        });
        if let Some(target) = same {
            return target.extend(address, origin, self.max_addresses, now);
        }
        let of_kind = |origin: Origin| self.targets.values().filter(|target| target.origin == origin).count();
        let discovered = of_kind(Origin::Discovered);
        let full = match origin {
            Origin::Discovered => discovered >= self.max_discovered,
            Origin::Configured | Origin::Requested => self.targets.len() - discovered >= self.max_targets,
        };
        if full {
            return false;
        }
        let courtesy = match (origin, named) {
            (Origin::Discovered, Some(peer)) if peer < self.local => COURTESY,
            (Origin::Discovered | Origin::Configured | Origin::Requested, _) => Duration::ZERO,
        };
        self.next_id += 1;
        let target = Target {
            origin,
            named,
            answered: None,
            addresses: vec![address],
            failures: 0,
            wave: 0,
            due: now + courtesy,
            in_flight: BTreeSet::new(),
            session_since: None,
            held_until: None,
            proven: false,
            expired: false,
        };
        self.targets.insert(TargetId(self.next_id), target);
        true
    }

    /// An announcement has run out.
    pub(crate) fn expire(&mut self, peer: &PeerId, address: &Multiaddr) {
        self.targets.retain(|_, target| {
            if target.origin == Origin::Discovered && target.named == Some(*peer) {
                target.addresses.retain(|known| known != address);
                target.expired = target.addresses.is_empty();
                return !target.expired || target.session_since.is_some();
            }
            true
        });
    }

    /// What is due now. The answer changes with every other call and with time.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<Dial> {
        let mut dials = Vec::new();
        for (id, target) in &mut self.targets {
            if let Some(addresses) = target.next_wave(now) {
                dials.push(Dial { target: *id, peer: target.named, addresses });
            }
        }
        dials
    }

    /// When [`due`](Self::due) should be asked again.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.targets.values().filter(|target| target.is_wanting()).map(Target::next_due).min()
    }

    /// A dial was started.
    pub(crate) fn started(&mut self, id: TargetId, connection: ConnectionId) {
        if let Some(target) = self.targets.get_mut(&id) {
            target.in_flight.insert(connection);
        }
    }

    /// A dial led to a connection with `peer`; its handshake follows.
    pub(crate) fn connected(&mut self, connection: ConnectionId, peer: PeerId, session_since: Option<Instant>) {
        for target in self.targets.values_mut() {
            if target.in_flight.contains(&connection) {
                target.answered = Some(peer);
                target.session_since = session_since;
                target.wave = WAVES;
            }
        }
    }

    /// A dial failed, or its connection is gone.
    pub(crate) fn ended(&mut self, connection: ConnectionId, now: Instant, random: u64) {
        let redial_pause = self.redial_pause;
        self.targets.retain(|_, target| {
            if !target.in_flight.remove(&connection) || !target.in_flight.is_empty() || target.session_since.is_some() {
                return true;
            }
            if target.has_waves() {
                target.due = now; // The next wave need not wait out its head start.
                return true;
            }
            target.failed(now, pause(target.failures + 1, redial_pause, random));
            target.failures < PATIENCE || target.is_kept()
        });
    }

    /// A session with this peer began, over whichever connection.
    pub(crate) fn session_opened(&mut self, peer: PeerId, now: Instant) {
        self.targets.retain(|_, target| {
            if target.is(&peer) {
                target.session_since = Some(now);
                target.proven = true;
                return target.origin != Origin::Requested;
            }
            // A circuit through this peer failed while there was no session with the relay.
            if target.session_since.is_none() && target.in_flight.is_empty() && target.leads_through(&peer) {
                target.again(now + RELAY_SETTLING);
            }
            true
        });
    }

    /// The session with this peer is over, and no other took its place.
    pub(crate) fn session_closed(&mut self, peer: PeerId, now: Instant, random: u64) {
        let redial_pause = self.redial_pause;
        self.targets.retain(|_, target| {
            if !target.is(&peer) {
                return true;
            }
            let Some(since) = target.session_since.take() else {
                return true;
            };
            target.in_flight.clear();
            if now.duration_since(since) >= LASTING {
                target.failures = 0;
                target.again(now);
            } else {
                // A session that ends at once again and again must not make a busy loop.
                target.failed(now, pause(target.failures, redial_pause, random).min(redial_pause));
            }
            !target.expired
        });
    }

    /// Dials no target of this peer before `until`.
    pub(crate) fn hold(&mut self, peer: PeerId, until: Instant) {
        for target in self.targets.values_mut().filter(|target| target.is(&peer)) {
            target.held_until = Some(until);
        }
    }

    /// Lifts all holds and dials at once: what was refused may be admitted now.
    pub(crate) fn release(&mut self, now: Instant) {
        self.targets.values_mut().for_each(|target| target.held_until = None);
        self.hurry(now);
    }

    /// Dials every target without a session now, since the network has changed. Dials under
    /// way are left to themselves, since they may be leaving from an address that is gone.
    pub(crate) fn hurry(&mut self, now: Instant) {
        for target in self.targets.values_mut().filter(|target| target.session_since.is_none()) {
            target.in_flight.clear();
            target.failures = 0;
            target.again(now);
        }
    }
}

impl Target {
    fn is(&self, peer: &PeerId) -> bool {
        self.named.or(self.answered) == Some(*peer)
    }

    fn leads_through(&self, relay: &PeerId) -> bool {
        self.addresses.iter().any(|address| {
            let mut parts = address.iter().skip_while(|part| *part != Protocol::P2p(*relay));
            parts.next().is_some() && parts.next() == Some(Protocol::P2pCircuit)
        })
    }

    fn extend(&mut self, address: Multiaddr, origin: Origin, max_discovered: usize, now: Instant) -> bool {
        if origin == Origin::Configured {
            self.origin = Origin::Configured;
        }
        self.expired = false;
        if origin == Origin::Requested && self.session_since.is_none() && self.in_flight.is_empty() {
            self.again(now);
        }
        if self.addresses.contains(&address) {
            return true;
        }
        if origin == Origin::Discovered && self.addresses.len() >= max_discovered {
            return false;
        }
        self.addresses.push(address);
        if self.session_since.is_none() && self.in_flight.is_empty() && origin == Origin::Discovered {
            self.again(now);
        }
        true
    }

    /// Whether waves are left in this attempt.
    fn has_waves(&self) -> bool {
        self.addresses.iter().any(|address| wave_of(address) >= self.wave)
    }

    fn is_wanting(&self) -> bool {
        self.session_since.is_none() && self.has_waves()
    }

    fn next_due(&self) -> Instant {
        self.held_until.map_or(self.due, |held| held.max(self.due))
    }

    /// Whether failures do not end it.
    fn is_kept(&self) -> bool {
        match self.origin {
            Origin::Configured => true,
            Origin::Requested => false,
            Origin::Discovered => self.proven,
        }
    }

    /// The addresses of the next wave, if it is due.
    fn next_wave(&mut self, now: Instant) -> Option<Vec<Multiaddr>> {
        if !self.is_wanting() || now < self.next_due() {
            return None;
        }
        let wave = self.addresses.iter().map(wave_of).filter(|wave| *wave >= self.wave).min()?;
        self.wave = wave + 1;
        self.due = now + HEAD_START;
        Some(self.addresses.iter().filter(|address| wave_of(address) == wave).cloned().collect())
    }

    fn again(&mut self, at: Instant) {
        self.wave = 0;
        self.due = at;
    }

    fn failed(&mut self, now: Instant, pause: Duration) {
        self.failures = self.failures.saturating_add(1);
        self.again(now + pause);
    }
}

#[cfg(test)]
#[path = "dialer_tests.rs"]
mod tests;
