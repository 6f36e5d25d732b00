//! Cards on this node: what beacons, grants, fork proofs and positions mean to it.

use std::collections::{BTreeMap, BTreeSet};

use super::Replica;
use crate::card::{Beacon, CARD_KINDS, CardError, CardKind, MAX_CARDS, Position, PositionCard};
use crate::clock::{HybridTime, Millis};
use crate::fork::ForkProof;
use crate::grant::Grant;
use crate::id::NodeId;
use crate::namespace::Namespace;
use crate::refusal::Refusal;
use crate::replica::RecordError;
use crate::store::{CardKey, StoreError};
use crate::sync::Message;
use crate::sync::message::{Digest, digest_of};

/// How long cards of others may wait for a write: a flash disk of a node that only listens lives longer.
const LATE: Millis = 5 * 60 * 1000;

/// Cards that were passed on and are not stored yet.
#[derive(Debug, Default)]
pub(super) struct LateCards {
    keys: BTreeSet<CardKey>,
    /// When the first of them was seen waiting.
    since: Option<Millis>,
    /// The node is about to stop.
    pub(super) hurries: bool,
}

impl LateCards {
    /// When they want to be written; never if there are none.
    pub(super) fn due(&self) -> Millis {
        if self.keys.is_empty() { Millis::MAX } else { self.since.map_or(0, |since| since.saturating_add(LATE)) }
    }

    /// Whether it is time. A clock that was put back does not make them wait longer.
    fn is_due(&mut self, now: Millis) -> bool {
        let since = *self.since.get_or_insert(now);
        self.hurries || now < since || now >= since.saturating_add(LATE)
    }
}

/// Whether the cards of a kind are published by the node that their key names.
pub(super) fn is_of_node(kind: u8) -> bool {
    [CardKind::Beacon as u8, CardKind::Position as u8, CardKind::Refusal as u8].contains(&kind)
}

impl Replica {
    /// Digest of all cards.
    pub(super) fn cards_digest(&mut self) -> Digest {
        self.recount_grants();
        let mut hasher = blake3::Hasher::new();
        for (key, (version, _)) in self.cards_that_count() {
            hasher.update(&[key.kind]);
            hasher.update(&key.key);
            hasher.update(&version.to_be_bytes());
        }
        digest_of(&hasher)
    }

    /// What a node published that was removed since is told to nobody: whoever learned of the removal first refuses it.
    /// So it is with grants beyond their granter's room and those that nobody can use.
    pub(super) fn cards_that_count(&self) -> impl Iterator<Item = (&CardKey, &(u64, Vec<u8>))> {
        let grants = self.grants_that_count();
        let counts = move |key: &CardKey| match CardKind::from_code(key.kind) {
            Some(CardKind::Grant) => grants.contains(&key.key),
            Some(CardKind::Fork) | None => true,
            Some(CardKind::Beacon | CardKind::Position | CardKind::Refusal) => {
                self.trust.current(&NodeId(key.key)).is_some()
            }
        };
        self.cards.iter().filter(move |(key, _)| counts(key))
    }

    /// Takes over what is stored. The disk may have changed a beacon since it was checked; the others check themselves.
    pub(super) fn load_cards(&mut self) -> Result<(), StoreError> {
        for (key, version, bytes) in self.store.cards()? {
            if key.kind != CardKind::Beacon as u8 || Beacon::from_bytes(&bytes).is_ok() {
                self.accept_card(key, version, bytes);
            }
        }
        Ok(())
    }

    /// Takes a card over in memory that was checked, with what it means.
    pub(super) fn accept_card(&mut self, key: CardKey, version: u64, bytes: Vec<u8>) {
        match CardKind::from_code(key.kind) {
            Some(CardKind::Beacon) => {
                if let Some(beacon) = Beacon::of_checked(&bytes) {
                    self.take_claims(beacon);
                }
            }
            Some(CardKind::Grant) => {
                if let Ok(grant) = Grant::from_bytes(&bytes) {
                    self.take_grant(key.key, grant);
                }
            }
            Some(CardKind::Fork) => {
                if let Some((log, seq, before)) = ForkProof::from_bytes(&bytes).ok().and_then(|proof| proof.place()) {
                    self.apply_fork(log, seq, before);
                }
            }
            Some(CardKind::Refusal) => {
                if let Ok(refusal) = Refusal::from_bytes(&bytes) {
                    self.take_refusal(refusal);
                }
            }
            Some(CardKind::Position) | None => {}
        }
        self.cards.insert(key, (version, bytes));
    }

    /// Stages a card that was checked, and passes it on. False if a newer one is held.
    pub fn add_card(&mut self, key: CardKey, version: u64, bytes: Vec<u8>) -> bool {
        let is_newer = self.cards.get(&key).is_none_or(|(known, _)| *known < version);
        if !is_newer || !(self.has_room(&key) || self.drop_outdated(key.kind)) {
            return false;
        }
        if self.may_be_late(&key) {
            self.late_cards.keys.insert(key);
        } else {
            self.stage_card(key, version, bytes.clone());
        }
        self.pass_card_on(key);
        self.accept_card(key, version, bytes);
        match CardKind::from_code(key.kind) {
            Some(CardKind::Beacon) => self.compare_claims(&NodeId(key.key)),
            Some(CardKind::Grant) => self.refuse_worthless(),
            _ => {}
        }
        true
    }

    /// Each kind has its share of the room, and all kinds of newer versions together one: nobody crowds out the
    /// beacons, grants and fork proofs of others by cards that cannot be checked.
    fn has_room(&self, key: &CardKey) -> bool {
        self.cards.contains_key(key) || self.has_room_for(key.kind, 1)
    }

    /// Whether so many more cards of a kind may be kept.
    pub(super) fn has_room_for(&self, kind: u8, more: usize) -> bool {
        let kind = CardKind::from_code(kind);
        let alike = self.cards.keys().filter(|held| CardKind::from_code(held.kind) == kind);
        alike.count() + more <= MAX_CARDS / CARD_KINDS
    }

    /// Forgets what a node published that was removed since. False if there is none.
    pub(super) fn drop_outdated(&mut self, kind: u8) -> bool {
        if kind == CardKind::Grant as u8 {
            return self.drop_useless_grant();
        }
        if !is_of_node(kind) {
            return false;
        }
        let outdated = |key: &&CardKey| key.kind == kind && self.trust.current(&NodeId(key.key)).is_none();
        let found = self.cards.keys().find(outdated).copied();
        let Some(key) = found else { return false };
        self.cards.remove(&key);
        self.late_cards.keys.remove(&key);
        self.batch.cards.insert(key, None);
        self.batch.weight += 48;
        true
    }

    /// Whether a card need not be stored before it is passed on: beacons and positions of others come again if a crash
    /// takes them, and in a large town one arrives every second. What this node says of itself is durable first.
    fn may_be_late(&self, key: &CardKey) -> bool {
        let is_passing = [CardKind::Beacon as u8, CardKind::Position as u8].contains(&key.kind);
        is_passing && key.key != self.identity.node().0
    }

    /// Late cards go with whatever is written next, and on their own if nothing else is for a while.
    pub(super) fn stage_late_cards(&mut self, now: Millis) {
        let is_idle = self.batch.is_empty() && self.derived.is_empty();
        if self.late_cards.keys.is_empty() || (is_idle && !self.late_cards.is_due(now)) {
            return;
        }
        for key in std::mem::take(&mut self.late_cards).keys {
            if let Some((version, bytes)) = self.cards.get(&key).cloned() {
                self.stage_card(key, version, bytes);
            }
        }
    }

    fn stage_card(&mut self, key: CardKey, version: u64, bytes: Vec<u8>) {
        self.batch.weight += bytes.len() + 48;
        self.batch.cards.insert(key, Some((version, bytes)));
    }

    /// Checks a card from a peer and stages it.
    ///
    /// # Errors
    /// [`CardError`] if it does not hold what its kind says.
    pub(super) fn ingest_card(
        &mut self,
        key: CardKey,
        version: u64,
        bytes: Vec<u8>,
        now: Millis,
    ) -> Result<bool, CardError> {
        if self.is_outdated(&key, version) {
            return Ok(false);
        }
        match CardKind::from_code(key.kind) {
            Some(CardKind::Beacon) => {
                let beacon = Beacon::from_bytes(&bytes)?;
                if beacon.node.0 != key.key || beacon.counter != version {
                    return Err(CardError::new(CardKind::Beacon, "it is not its node's"));
                }
                if self.trust.current(&beacon.node).is_none() {
                    // Its certificate is still on its way; the beacon comes again with the next session.
                    return Ok(false);
                }
                self.heed_own_beacon(&beacon);
            }
            Some(CardKind::Grant) if blake3::hash(&bytes) != key.key || version != 0 => {
                return Err(CardError::new(CardKind::Grant, "it is not under its hash"));
            }
            Some(CardKind::Grant) => match self.check_grant(&key, &bytes)? {
                Some(granter) => self.drop_greatest_grant(granter),
                None => return Ok(false),
            },
            Some(CardKind::Fork) => {
                let proof = ForkProof::from_bytes(&bytes)?;
                if proof.card_key() != Some((key, version)) {
                    return Err(CardError::new(CardKind::Fork, "it is not under its log"));
                }
                // Anybody can fork the logs of keys that they made up. Who was removed since forked all the same.
                if !proof.place().is_some_and(|(log, ..)| self.trust.was_enrolled(&log.author)) {
                    return Ok(false);
                }
            }
            Some(CardKind::Position) => {
                let card = PositionCard::from_bytes(&bytes)?;
                if card.node.0 != key.key || card.at != version {
                    return Err(CardError::new(CardKind::Position, "it is not its node's"));
                }
                if self.trust.current(&card.node).is_none() || self.is_ahead(version, now) {
                    // A unit whose clock is ahead would hide where it is once the clock is right.
                    return Ok(false);
                }
                self.drop_ahead(key, now);
            }
            Some(CardKind::Refusal) => {
                let refusal = Refusal::from_bytes(&bytes)?;
                if refusal.node.0 != key.key || refusal.version() != version {
                    return Err(CardError::new(CardKind::Refusal, "it is not its node's"));
                }
                if self.trust.current(&refusal.node).is_none() {
                    return Ok(false);
                }
            }
            // A newer version's card, which is carried as it is.
            None => {}
        }
        Ok(self.add_card(key, version, bytes))
    }

    /// Whether a card would change nothing: most arrive on several ways, and only the first of them is worth checking. A
    /// position can take the place of one that claims to be newer, from the future.
    fn is_outdated(&self, key: &CardKey, version: u64) -> bool {
        key.kind != CardKind::Position as u8 && self.cards.get(key).is_some_and(|(held, _)| *held >= version)
    }

    /// Whether a time lies ahead of what the own clock allows. A clock that is behind the own certificate is wrong
    /// itself, and judges nobody.
    fn is_ahead(&self, at: Millis, now: Millis) -> bool {
        now >= self.own.not_before && HybridTime::at(at).is_future(now)
    }

    /// Forgets a position from the future, so that a right one can take its place.
    fn drop_ahead(&mut self, key: CardKey, now: Millis) {
        if self.cards.get(&key).is_some_and(|(version, _)| self.is_ahead(*version, now)) {
            self.cards.remove(&key);
        }
    }

    /// Whether a card is to be asked for.
    pub(super) fn wants_card(&self, key: &CardKey, version: u64, now: Millis) -> bool {
        let ahead = |version: u64| key.kind == CardKind::Position as u8 && self.is_ahead(version, now);
        let older = |held: u64| held < version || (held > version && ahead(held));
        !ahead(version) && self.cards.get(key).is_none_or(|(held, _)| older(*held))
    }

    /// Whether this version of a card is held, or a newer one.
    pub(super) fn holds_card(&self, key: &CardKey, version: u64) -> bool {
        self.cards.get(key).is_some_and(|(held, _)| *held >= version)
    }

    /// A card of a peer arrived: taken over if it is new, and if not, a sign that the peer need not have sent it.
    pub(super) fn take_card(
        &mut self,
        peer: NodeId,
        (key, version): (CardKey, u64),
        bytes: Vec<u8>,
        now: Millis,
    ) -> Result<(), CardError> {
        let was_held = self.cards.get(&key).is_some_and(|(held, _)| *held == version);
        let is_new = self.ingest_card(key, version, bytes, now)?;
        // One that claims to be newer, and is not taken, is not what the peer should have.
        let has_ours = is_new || self.cards.get(&key).is_some_and(|(held, _)| *held <= version);
        if has_ours && let Some(session) = self.sessions.get_mut(&peer) {
            session.peer_has_card(&key);
        }
        if was_held && is_of_node(key.kind) {
            self.heard_again(peer, NodeId(key.key));
        }
        Ok(())
    }

    /// Which cards the peer should send, and which of ours it lacks, from its list.
    pub(super) fn compare_cards(&self, theirs: &[(CardKey, u64)], now: Millis) -> (Vec<CardKey>, Vec<CardKey>) {
        let theirs: BTreeMap<CardKey, u64> = theirs.iter().copied().collect();
        let wanted = theirs.iter().filter(|(key, version)| self.wants_card(key, **version, now));
        let lacking =
            self.cards_that_count().filter(|(key, (version, _))| theirs.get(key).is_none_or(|held| held < version));
        (wanted.map(|(key, _)| *key).collect(), lacking.map(|(key, _)| *key).collect())
    }

    /// The next card that a peer lacks.
    pub(super) fn next_card(&mut self, peer: NodeId) -> Option<Message> {
        let key = self.sessions.get_mut(&peer)?.cards_behind.pop_first()?;
        self.cards.get(&key).map(|(version, bytes)| Message::Card { key, version: *version, bytes: bytes.clone() })
    }

    /// When each enrolled node was last heard of by its beacon, by that node's clock. What a removed one said last is told
    /// to nobody any more and differs from node to node.
    pub fn beacons(&self) -> Vec<Beacon> {
        let counts = |key: &CardKey| self.trust.current(&NodeId(key.key)).is_some();
        let beacons = self.cards.iter().filter(|(key, _)| key.kind == CardKind::Beacon as u8 && counts(key));
        beacons.filter_map(|(_, (_, bytes))| Beacon::of_checked(bytes)).collect()
    }

    /// Publishes where this unit is.
    ///
    /// # Errors
    /// [`RecordError::NoKey`] if this node does not hold the town's key; [`RecordError::NoRoom`].
    pub fn publish_position(&mut self, latitude: i32, longitude: i32, now: Millis) -> Result<(), RecordError> {
        let node = self.identity.node();
        let key = CardKind::Position.key(node.0);
        self.drop_ahead(key, now);
        // A clock that was put back must not hide the unit.
        let at = self.cards.get(&key).map_or(now, |(version, _)| now.max(version.saturating_add(1)));
        let town = Namespace::town();
        let id = self.writing_key(&town).ok_or_else(|| RecordError::NoKey(town.clone()))?;
        let keys = self.keyring.keys(&town, id).ok_or(RecordError::NoKey(town))?;
        let card = Position { node, at, latitude, longitude }.seal(keys, &mut *self.rng)?;
        let kept = self.add_card(key, at, card.to_bytes(&self.identity.signing));
        if kept { Ok(()) } else { Err(RecordError::NoRoom) }
    }

    /// The last known position of every unit.
    pub fn positions(&mut self) -> Vec<Position> {
        let cards = self.cards.iter().filter(|(key, _)| key.kind == CardKind::Position as u8);
        let cards: Vec<PositionCard> =
            cards.filter_map(|(_, (_, bytes))| PositionCard::from_bytes(bytes).ok()).collect();
        let town = Namespace::town();
        let open = |card: &PositionCard| card.open(self.keyring.keys(&town, card.key)?).ok();
        cards.iter().filter_map(open).collect()
    }
}
