//! Receipts: which nodes said, by their beacons, that they hold an entry durably.
//!
//! A beacon names the heads of the logs that grew last, and digests of namespaces: first those that grew last, then some
//! of the others in turn. So it stays small however many logs there are. What it does not say, earlier beacons of the
//! same opening of the node's store said: they are remembered here. A digest that equals the own one vouches for every
//! log of its namespace at once.

use std::collections::BTreeMap;

use super::Replica;
use super::completeness::CompleteTo;
use crate::card::{self, Beacon, CardKind, MAX_HEADS, MAX_SPACES};
use crate::clock::Millis;
use crate::entry::LogId;
use crate::id::{NamespaceId, NodeId};
use crate::store::StoreError;
use crate::sync::message::{Digest, digest_of};

/// Most openings of this node whose beacons are answered in one of its openings.
const MAX_HEEDED: usize = 64;
/// Where nothing grows a node says so hourly: that nothing is missing of a village in which nothing happens is known by
/// that alone.
const QUIET: Millis = 60 * 60 * 1000;
/// Heads remembered of one node.
const MAX_CLAIMED: usize = 16_384;

/// When this node said what it holds.
#[derive(Debug)]
pub(super) struct Spoken {
    /// When it said so last, in this opening.
    beacon_at: Millis,
    /// When the last beacon was said, or this opening began.
    quiet_since: Millis,
}

impl Spoken {
    /// Nothing yet, in an opening that begins now.
    pub(super) fn since(now: Millis) -> Self {
        Self { beacon_at: 0, quiet_since: now }
    }
}

/// What a node claimed to hold during one opening of its store.
#[derive(Debug, Default)]
pub(super) struct Claims {
    epoch: u64,
    heads: BTreeMap<[u8; 8], u64>,
    digests: BTreeMap<[u8; 8], [u8; 8]>,
    /// Namespaces in which it held what this node held when `growth` was this.
    equal: BTreeMap<NamespaceId, u64>,
    /// When it spoke last, by its clock, and the digests that it named then.
    pub(super) said_at: Millis,
    pub(super) said: Vec<([u8; 8], [u8; 8])>,
    pub(super) complete: CompleteTo,
}

impl Claims {
    /// Whether its last beacon, which names every namespace of which the node holds an entry, does not name this one.
    pub(super) fn holds_nothing_of(&self, namespace: &NamespaceId) -> bool {
        let short = card::short_space(namespace);
        !self.said.is_empty() && self.said.len() < MAX_SPACES && !self.said.iter().any(|(space, _)| *space == short)
    }
}

impl Replica {
    /// A beacon that was checked.
    pub(super) fn take_claims(&mut self, beacon: Beacon) {
        // What came since its last one may have been all that was missing.
        self.note_equal(&beacon.node);
        let claims = self.claims.entry(beacon.node).or_default();
        if claims.epoch != beacon.epoch {
            // A new opening withdraws what an older one claimed: its store may be another one (DESIGN 12.10).
            let complete = std::mem::take(&mut claims.complete);
            *claims = Claims { epoch: beacon.epoch, complete, ..Claims::default() };
        }
        if claims.heads.len() + beacon.heads.len() > MAX_CLAIMED {
            claims.heads.clear();
        }
        for (log, seq) in beacon.heads {
            let known = claims.heads.entry(log).or_default();
            *known = seq.max(*known);
        }
        if claims.digests.len() + beacon.spaces.len() > crate::bounds::MAX_NAMESPACES {
            claims.digests.clear();
        }
        claims.digests.extend(beacon.spaces.iter().copied());
        (claims.said_at, claims.said) = (beacon.at, beacon.spaces);
    }

    /// Compares what a node claims with what is held now.
    pub(super) fn compare_claims(&mut self, node: &NodeId) {
        let Some(claims) = self.claims.get(node) else { return };
        let named: Vec<([u8; 8], [u8; 8])> = claims.digests.iter().map(|(space, digest)| (*space, *digest)).collect();
        for (space, digest) in named {
            let Some(namespace) = self.namespace_named(space) else { continue };
            if card::short_digest(&self.digest(namespace)) == digest
                && let Some(claims) = self.claims.get_mut(node)
            {
                claims.equal.insert(namespace, self.growth);
            }
        }
    }

    pub(super) fn namespace_named(&self, short: [u8; 8]) -> Option<NamespaceId> {
        let mut first = [0; 16];
        first[..8].copy_from_slice(&short);
        let (found, _) = self.numbers.range(NamespaceId(first)..).next()?;
        (card::short_space(found) == short).then_some(*found)
    }

    /// Up to where a node said that it holds a log durably.
    pub(super) fn claimed(&mut self, node: &NodeId, log: &LogId) -> u64 {
        let digest = card::short_digest(&self.digest(log.namespace));
        let Some(claims) = self.claims.get(node) else { return 0 };
        let held = self.logs.get(log).map_or(0, |(_, state)| self.effective(state).0);
        let grown = self.grown.get(log).copied().unwrap_or(0);
        let equal = claims.equal.get(&log.namespace).is_some_and(|growth| *growth >= grown);
        let equals = claims.digests.get(&card::short_space(&log.namespace)) == Some(&digest);
        let named = claims.heads.get(&card::short_log(log)).copied().unwrap_or(0);
        if equal || equals { named.max(held) } else { named }
    }

    /// The nodes that said they hold an entry durably.
    pub fn receipts(&mut self, log: &LogId, seq: u64) -> Vec<NodeId> {
        let short = card::short_log(log);
        let held = self.logs.get(log).map_or(0, |(_, state)| self.effective(state).0);
        let digest = card::short_digest(&self.digest(log.namespace));
        let grown = self.grown.get(log).copied().unwrap_or(0);
        let holders = self.claims.iter().filter(|(_, claims)| {
            let named = claims.heads.get(&short).is_some_and(|height| *height >= seq);
            let equal = claims.equal.get(&log.namespace).is_some_and(|growth| *growth >= grown);
            let equals = claims.digests.get(&card::short_space(&log.namespace)) == Some(&digest);
            named || (seq <= held && (equal || equals))
        });
        holders.map(|(node, _)| *node).collect()
    }

    /// Stages a beacon if one is due: what is in this batch is durable when the beacon is, and not before.
    pub(super) fn issue_beacon(&mut self, now: Millis) {
        // A clock that was ahead and is right again must not silence the node until it gets there.
        let was_ahead = if self.growth == self.beacon_growth {
            now.saturating_add(QUIET) < self.spoken.quiet_since
        } else {
            now < self.spoken.beacon_at
        };
        if now < self.next_beacon() && !was_ahead {
            return;
        }
        self.spoken = Spoken { beacon_at: now, quiet_since: now };
        self.beacon_growth = self.growth;
        let said = self.held_digest().to_vec();
        self.batch.meta.push(("said", said));
        let heads = self.newest_heads();
        let spaces = self.next_spaces();
        let node = self.identity.node();
        let key = CardKind::Beacon.key(node.0);
        let counter = self.cards.get(&key).map_or(now, |(version, _)| now.max(version.saturating_add(1)));
        let beacon = Beacon { node, epoch: self.epoch, counter, at: now, heads, spaces };
        self.add_card(key, counter, beacon.to_bytes(&self.identity.signing));
    }

    /// When the next beacon is due: soon if anything grew since the last, else after an hour.
    pub(super) fn next_beacon(&self) -> Millis {
        if self.growth == self.beacon_growth {
            self.spoken.quiet_since.saturating_add(QUIET)
        } else {
            self.spoken.beacon_at.saturating_add(self.beacon_interval)
        }
    }

    /// If the last opening ended before a beacon told of all that it held, one is due. Else nothing is to be said: a beacon
    /// is stored together with what it claims, so it still holds.
    pub(super) fn recall_beacon(&mut self) -> Result<(), StoreError> {
        let own = self.cards.get(&CardKind::Beacon.key(self.node().0));
        self.spoken.quiet_since =
            own.map_or(self.spoken.quiet_since, |(counter, _)| self.spoken.quiet_since.min(*counter));
        let said = self.store.meta("said")?;
        if said.is_none_or(|said| said != self.held_digest()) {
            self.growth += 1;
        }
        Ok(())
    }

    fn held_digest(&mut self) -> Digest {
        let mut hasher = blake3::Hasher::new();
        let namespaces: Vec<NamespaceId> = self.numbers.keys().copied().collect();
        for namespace in namespaces {
            hasher.update(&namespace.0);
            hasher.update(&self.digest(namespace));
        }
        digest_of(&hasher)
    }

    /// A beacon of this node that its own store does not know: the store was put back, emptied or cloned since, and holds
    /// less than was claimed. The next beacon withdraws that. Each opening is answered once, so that two copies which both
    /// run do not answer each other for ever.
    pub(super) fn heed_own_beacon(&mut self, beacon: &Beacon) {
        let held = self.cards.get(&CardKind::Beacon.key(beacon.node.0));
        let is_unknown = beacon.node == self.node() && held.is_none_or(|(version, _)| *version < beacon.counter);
        if is_unknown && self.heeded.len() < MAX_HEEDED && self.heeded.insert(beacon.epoch) {
            self.growth += 1;
        }
    }

    /// Of the logs, those that grew last; of those that did not grow since the store was opened, the younger ones.
    fn newest_heads(&self) -> Vec<([u8; 8], u64)> {
        let logs = self.logs.values().filter(|(_, state)| state.height > 0);
        let mut logs: Vec<(u64, u32, LogId, u64)> = logs
            .map(|(number, state)| {
                let grown = self.grown.get(&state.log).copied().unwrap_or(0);
                (grown, *number, state.log, self.effective(state).0)
            })
            .collect();
        if let Some(others) = logs.len().checked_sub(MAX_HEADS).filter(|others| *others > 0) {
            logs.select_nth_unstable(others);
            logs.drain(..others);
        }
        logs.into_iter().map(|(.., log, height)| (card::short_log(&log), height)).collect()
    }

    /// Digests of the namespaces that grew last, and of some of the others in turn.
    fn next_spaces(&mut self) -> Vec<([u8; 8], [u8; 8])> {
        let mut grown: BTreeMap<NamespaceId, u64> = BTreeMap::new();
        for (log, (_, state)) in self.logs.iter().filter(|(_, (_, state))| state.height > 0) {
            let at = grown.entry(log.namespace).or_default();
            *at = self.grown.get(&state.log).copied().unwrap_or(0).max(*at);
        }
        let mut by_growth: Vec<(u64, NamespaceId)> = grown.into_iter().map(|(space, at)| (at, space)).collect();
        by_growth.sort_unstable_by(|one, other| other.cmp(one));
        let rest = by_growth.split_off(by_growth.len().min(MAX_SPACES / 2));
        let turn = self.beacon_turn.checked_rem(rest.len()).unwrap_or(0);
        let others = rest.iter().cycle().skip(turn).take((MAX_SPACES / 2).min(rest.len()));
        let named: Vec<NamespaceId> = by_growth.iter().chain(others).map(|(_, space)| *space).collect();
        self.beacon_turn = turn + MAX_SPACES / 2;
        named.into_iter().map(|space| (card::short_space(&space), card::short_digest(&self.digest(space)))).collect()
    }
}
