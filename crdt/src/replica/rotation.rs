//! Which key this node writes under, and who is given it (DESIGN 12.6).
//!
//! A node writes under a key only if its minter excluded everybody whom this node knows to be removed, and no grant is
//! seen that hands it to one of them; if there is none, it mints one and hands it to all who may read. Where it cannot,
//! for want of room, it goes on under the key that most were excluded from. Parts of a town that are cut off from each other mint different keys: entries under each
//! stay valid, and once the parts meet all write under the least of them. Document ids are made with the founding key
//! for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Output, Replica};
use crate::card::{CardError, CardKind};
use crate::certificate::StatementError;
use crate::grant::{self, Grant, Handout, MAX_EXCLUDED, MAX_KEYS, Short};
use crate::id::{KeyId, NodeId};
use crate::namespace::Namespace;
use crate::policy;
use crate::refusal::{MAX_REFUSED, Refusal};
use crate::seal::{FamilySecret, NamespaceKeys};
use crate::store::{CardKey, StoreError};
use crate::trust::Introduction;

/// Most grants kept of one granter, or of all together who joined with one invite.
pub(super) const MAX_GRANTS_OF_ONE: usize = 256;

/// The grants that are held, and what follows from them for the own writing.
#[derive(Debug, Default)]
pub(super) struct Grants {
    known: BTreeMap<[u8; 32], Grant>,
    /// Keys chosen since certificates or grants last changed.
    chosen: BTreeMap<String, KeyId>,
    /// Peers that were given all they may have since then.
    served: BTreeSet<NodeId>,
    /// Nodes whose shares for this one held no such keys.
    worthless: BTreeSet<NodeId>,
    /// By node, whose grants it refuses.
    refused: BTreeMap<NodeId, BTreeSet<NodeId>>,
    /// Those that count, if that was found out since certificates or grants last changed.
    counting: Option<Arc<BTreeSet<[u8; 32]>>>,
}

impl Grants {
    /// Certificates or grants changed.
    pub(super) fn renew(&mut self) {
        self.chosen.clear();
        self.served.clear();
        self.counting = None;
    }
}

impl Replica {
    /// Keeps the secrets that came with an invite, sealed to the own key; others see by the card which keys this node
    /// has. To be made durable by a commit. False if there is no room for them.
    pub fn keep_secrets(&mut self, secrets: &[(String, FamilySecret)]) -> bool {
        let is_known =
            |(family, secret): &(String, FamilySecret)| self.keyring.holds_key(family, secret.key_id(family));
        let new: Vec<_> = secrets.iter().filter(|secret| !is_known(secret)).cloned().collect();
        let own = BTreeMap::from([(self.own.exchange, (0..new.len()).collect())]);
        self.hand_out(&BTreeSet::new(), &new, &own)
    }

    /// Keeps what came with an invite about the town's namespaces. To be made durable by a commit.
    ///
    /// # Errors
    /// [`StatementError`] if it is not of this town.
    pub fn keep_introduction(&mut self, told: &Introduction) -> Result<(), StatementError> {
        self.trust.heed_introduction(told)?;
        self.batch.meta.push(("introduction", told.to_bytes()));
        self.batch.weight += 1;
        self.trust_changed();
        Ok(())
    }

    /// Whether this node came by an invite that told of the town, and not by founding it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn was_introduced(&self) -> Result<bool, StoreError> {
        Ok(self.store.meta("introduction")?.is_some())
    }

    /// What was told at the invitation is known at every start. It was checked when it was kept.
    pub(super) fn heed_introduction(&mut self) -> Result<(), StoreError> {
        let told = self.store.meta("introduction")?.and_then(|bytes| Introduction::from_bytes(&bytes));
        match told.map_or(Ok(()), |told| self.trust.heed_introduction(&told)) {
            Ok(()) => Ok(()),
            Err(error) => Err(StoreError::Damaged(format!("what the invite told is not right: {error}"))),
        }
    }

    fn hand_out(
        &mut self,
        excluded: &BTreeSet<Short>,
        secrets: &[(String, FamilySecret)],
        recipients: &BTreeMap<[u8; 32], BTreeSet<usize>>,
    ) -> bool {
        let cards = Handout { excluded, secrets, recipients }.cards(&self.identity.signing, &mut *self.rng);
        // All or nothing: what was written under a key that some never get would be lost on them.
        if self.own_grants() + cards.len() > self.grant_room(&self.node()) {
            return false;
        }
        while !self.has_room_for(CardKind::Grant as u8, cards.len()) {
            if !self.drop_useless_grant() {
                return false;
            }
        }
        cards.into_iter().for_each(|bytes| {
            self.add_card(CardKind::Grant.key(*blake3::hash(&bytes).as_bytes()), 0, bytes);
        });
        true
    }

    pub(super) fn own_grants(&self) -> usize {
        self.keyring.grants.known.values().filter(|grant| grant.granter == self.node()).count()
    }

    /// Takes over a grant that was checked.
    pub(super) fn take_grant(&mut self, key: [u8; 32], grant: Grant) {
        let mut is_new = false;
        match grant.open(&self.identity.exchange) {
            Some(secrets) => {
                for (family, secret) in secrets {
                    is_new |= self.keyring.add(&family, secret);
                }
            }
            None => {
                self.keyring.grants.worthless.insert(grant.granter);
                self.emit(Output::BadGrant { granter: grant.granter });
            }
        }
        self.keyring.grants.known.insert(key, grant);
        self.keyring.grants.renew();
        if is_new {
            // What was only carried so far can be read now.
            self.unfold();
        }
    }

    /// Takes over a refusal that was checked.
    pub(super) fn take_refusal(&mut self, refusal: Refusal) {
        self.keyring.grants.refused.insert(refusal.node, refusal.refused);
        self.keyring.grants.renew();
    }

    /// Says of nodes that handed this one no keys where they said they did that those shares count as not given: else
    /// one hostile reader could keep a newcomer from its keys, because everybody takes it for served.
    pub(super) fn refuse_worthless(&mut self) {
        let node = self.node();
        let said = self.keyring.grants.refused.get(&node).map_or(0, BTreeSet::len);
        let refused = self.keyring.grants.refused.get(&node).into_iter().flatten();
        let refused: BTreeSet<NodeId> = refused.chain(&self.keyring.grants.worthless).copied().collect();
        if refused.len() > said && refused.len() <= MAX_REFUSED {
            let refusal = Refusal { node, refused };
            let (version, bytes) = (refusal.version(), refusal.to_bytes(&self.identity.signing));
            self.add_card(CardKind::Refusal.key(node.0), version, bytes);
        }
    }

    /// Checks a grant from a peer: whose it is, if it is to be kept.
    pub(super) fn check_grant(&self, key: &CardKey, bytes: &[u8]) -> Result<Option<NodeId>, CardError> {
        let grant = Grant::from_bytes(bytes)?;
        // Whoever could ever read a family may have handed its keys out: entries were written under them.
        let reads = |family: &str| {
            let mut all = self.trust.certificates_of(&grant.granter);
            all.any(|certificate| policy::may_read(&certificate.scopes, family))
        };
        let is_wanted = !self.cards.contains_key(key)
            && grant.keys.iter().all(|(family, _)| reads(family))
            && !self.is_useless(&grant, &self.exchange_keys(), &self.minted_keys())
            && self.is_among_least(grant.granter, &key.key);
        Ok(is_wanted.then_some(grant.granter))
    }

    /// How many grants of a node are kept. Whoever has the file of an invite can make any number of keys, which share the
    /// room of one, also after they were removed; whoever is left then has the room again.
    fn grant_room(&self, granter: &NodeId) -> usize {
        MAX_GRANTS_OF_ONE / self.trust.sharers_of_invite(granter).max(1)
    }

    /// Whether somebody who is enrolled says that a key was handed out.
    pub(super) fn is_handed_out(&self, family: &str, id: KeyId) -> bool {
        let grants = self.keyring.grants.known.values().filter(|grant| self.reads_now(&grant.granter, family));
        grants.flat_map(|grant| &grant.keys).any(|(known, key)| known == family && *key == id)
    }

    /// Whether a grant is among the least of its granter, of as many as are kept. All nodes keep the same, so that two
    /// who took different ones first do not offer each other the rest for ever.
    fn is_among_least(&self, granter: NodeId, key: &[u8; 32]) -> bool {
        let room = self.grant_room(&granter);
        let least = self.keyring.grants.known.iter().filter(|(_, known)| known.granter == granter);
        let Some(last) = room.checked_sub(1) else { return false };
        least.take(room).nth(last).is_none_or(|(greatest, _)| key < greatest)
    }

    /// Grants that are told to others and kept when there is no room for all: the least of each granter, if anybody can
    /// use them.
    pub(super) fn grants_that_count(&self) -> Arc<BTreeSet<[u8; 32]>> {
        self.keyring.grants.counting.clone().unwrap_or_else(|| self.count_grants().into())
    }

    /// Finds out once which grants count, before that is asked for in many sessions.
    pub(super) fn recount_grants(&mut self) {
        if self.keyring.grants.counting.is_none() {
            self.keyring.grants.counting = Some(self.count_grants().into());
        }
    }

    fn count_grants(&self) -> BTreeSet<[u8; 32]> {
        let (readers, minted) = (self.exchange_keys(), self.minted_keys());
        let mut left: BTreeMap<NodeId, usize> = BTreeMap::new();
        let mut count = BTreeSet::new();
        for (key, grant) in &self.keyring.grants.known {
            let left = left.entry(grant.granter).or_insert_with(|| self.grant_room(&grant.granter));
            if *left > 0 {
                *left -= 1;
                if !self.is_useless(grant, &readers, &minted) {
                    count.insert(*key);
                }
            }
        }
        count
    }

    /// Whether nobody who is enrolled can open a grant, and it does not tell either that a minted key leaked.
    fn is_useless(&self, grant: &Grant, readers: &BTreeSet<[u8; 32]>, minted: &BTreeSet<&(String, KeyId)>) -> bool {
        let is_opened = grant.recipients().any(|recipient| readers.contains(recipient));
        let tells = !grant.excluded.is_empty() || grant.keys.iter().any(|key| minted.contains(key));
        !is_opened && (!tells || self.trust.current(&grant.granter).is_none())
    }

    /// Exchange keys of all who are enrolled.
    fn exchange_keys(&self) -> BTreeSet<[u8; 32]> {
        self.trust.nodes().map(|(.., own)| own.exchange).collect()
    }

    /// Keys that somebody who is enrolled minted at a removal.
    fn minted_keys(&self) -> BTreeSet<&(String, KeyId)> {
        let minting = self.keyring.grants.known.values().filter(|grant| !grant.excluded.is_empty());
        let minting = minting.filter(|grant| self.trust.current(&grant.granter).is_some());
        minting.flat_map(|grant| &grant.keys).collect()
    }

    /// Forgets a grant that does not count. False if there is none.
    pub(super) fn drop_useless_grant(&mut self) -> bool {
        let count = self.grants_that_count();
        let found = self.keyring.grants.known.keys().find(|key| !count.contains(*key)).copied();
        found.inspect(|key| self.forget_grant(*key)).is_some()
    }

    fn forget_grant(&mut self, key: [u8; 32]) {
        self.keyring.grants.known.remove(&key);
        self.keyring.grants.counting = None;
        let key = CardKind::Grant.key(key);
        self.cards.remove(&key);
        self.batch.cards.insert(key, None);
        self.batch.weight += 48;
    }

    /// Makes room for one more grant of a granter: the greatest goes.
    pub(super) fn drop_greatest_grant(&mut self, granter: NodeId) {
        let of_one = self.keyring.grants.known.iter().filter(|(_, known)| known.granter == granter);
        let keys: Vec<[u8; 32]> = of_one.map(|(key, _)| *key).collect();
        keys.into_iter().skip(self.grant_room(&granter).saturating_sub(1)).for_each(|key| self.forget_grant(key));
    }

    /// The id of the key to write under in a namespace; `None` without any key of it.
    pub(super) fn writing_key(&mut self, namespace: &Namespace) -> Option<KeyId> {
        let family = namespace.family();
        if let Some(chosen) = self.keyring.grants.chosen.get(&family) {
            return Some(*chosen);
        }
        let founding = self.trust.family(namespace)?.key;
        self.keyring.holds(namespace).then_some(())?;
        let chosen = match self.usable_key(&family, founding) {
            Some(usable) => usable,
            None => {
                self.rotate();
                // Without room for another grant, or when this node was removed itself, work goes on under the newest
                // exclusions that there are.
                self.usable_key(&family, founding).unwrap_or_else(|| self.leaky_key(&family, founding))
            }
        };
        self.keyring.grants.chosen.insert(family, chosen);
        Some(chosen)
    }

    /// A key that somebody who was removed may have: the work of people goes on, and the technician hears of it.
    fn leaky_key(&mut self, family: &str, founding: KeyId) -> KeyId {
        if self.reads_now(&self.node(), family) {
            self.emit(Output::LeakyKey { family: family.to_owned() });
        }
        self.narrowest_key(family).unwrap_or(founding)
    }

    /// The keys to write with in a namespace.
    pub(super) fn writing_keys(&mut self, namespace: &Namespace) -> Option<&NamespaceKeys> {
        let id = self.writing_key(namespace)?;
        self.keyring.keys(namespace, id)
    }

    /// The least key of a family that nobody who was removed was given.
    fn usable_key(&self, family: &str, founding: KeyId) -> Option<KeyId> {
        let removed = self.removed_readers(family);
        if removed.is_empty() {
            return self.keyring.holds_key(family, founding).then_some(founding);
        }
        let excludes = |grant: &Grant| removed.iter().all(|short| grant.excluded.binary_search(short).is_ok());
        let leaked = self.leaked_keys(family);
        let vouched = self.vouched_keys(family).filter(|(grant, _)| excludes(grant)).map(|(_, id)| id);
        vouched.filter(|id| *id != founding && !leaked.contains(id)).min()
    }

    /// Keys of a family that somebody handed to a removed node, not knowing of the removal. An exchange key that a node
    /// that reads the family names, too, is taken for that node's: else a removed one could make every key look leaked.
    fn leaked_keys(&self, family: &str) -> BTreeSet<KeyId> {
        let readers = self.trust.nodes().filter(|(.., own)| policy::may_read(&own.scopes, family));
        let readers: BTreeSet<[u8; 32]> = readers.map(|(.., own)| own.exchange).collect();
        let former = self.trust.former_readers(family).filter_map(|id| self.trust.certificate(&id));
        let former: BTreeSet<[u8; 32]> =
            former.map(|own| own.exchange).filter(|exchange| !readers.contains(exchange)).collect();
        let mut leaked = BTreeSet::new();
        for grant in self.keyring.grants.known.values().filter(|grant| self.reads_now(&grant.granter, family)) {
            let given = former.iter().flat_map(|exchange| grant.keys_for(exchange));
            leaked.extend(given.filter(|(known, _)| known == family).map(|(_, id)| *id));
        }
        leaked
    }

    /// The key of a family that most were excluded from.
    fn narrowest_key(&self, family: &str) -> Option<KeyId> {
        self.vouched_keys(family).max_by_key(|(grant, id)| (grant.excluded.len(), *id)).map(|(_, id)| id)
    }

    /// Keys of a family that this node holds, with the grants of nodes that read it now: a removed node's word for who
    /// was excluded does not count.
    fn vouched_keys<'a>(&'a self, family: &'a str) -> impl Iterator<Item = (&'a Grant, KeyId)> {
        let grants = self.keyring.grants.known.values().filter(|grant| !grant.excluded.is_empty());
        let grants = grants.filter(|grant| self.reads_now(&grant.granter, family));
        grants.flat_map(move |grant| {
            let keys = grant.keys.iter().filter(move |(known, _)| known == family);
            keys.map(move |(_, id)| (grant, *id)).filter(|(_, id)| self.keyring.holds_key(family, *id))
        })
    }

    fn reads_now(&self, node: &NodeId, family: &str) -> bool {
        self.trust.current(node).is_some_and(|(_, own)| policy::may_read(&own.scopes, family))
    }

    /// Certificates whose holders were given keys of a family and may not read it any more. Of very many the least ones:
    /// all replicas that know the same choose alike.
    fn removed_readers(&self, family: &str) -> BTreeSet<Short> {
        let all: BTreeSet<Short> = self.trust.former_readers(family).map(|id| grant::short_certificate(&id)).collect();
        all.into_iter().take(MAX_EXCLUDED).collect()
    }

    /// Mints a key for each family that this node writes in and has no usable key of, and hands them to all who may
    /// read: at a removal, and when the news of one arrives without the new keys.
    pub(super) fn rotate(&mut self) {
        let due: Vec<String> = self
            .trust
            .families()
            .iter()
            .filter(|(name, family)| {
                self.keyring.holds_family(name)
                    && self.reads_now(&self.node(), name)
                    && self.usable_key(name, family.key).is_none()
            })
            .map(|(name, _)| name.clone())
            .collect();
        if due.is_empty() {
            return;
        }
        let excluded: BTreeSet<Short> = due.iter().flat_map(|family| self.removed_readers(family)).collect();
        let secrets: Vec<(String, FamilySecret)> =
            due.into_iter().map(|family| (family, FamilySecret::random(&mut *self.rng))).collect();
        let recipients: BTreeMap<[u8; 32], BTreeSet<usize>> = self
            .trust
            .nodes()
            .map(|(_, _, own)| {
                let readable = (0..).zip(&secrets).filter(|(_, (family, _))| policy::may_read(&own.scopes, family));
                (own.exchange, readable.map(|(index, _)| index).collect())
            })
            .collect();
        self.hand_out(&excluded, &secrets, &recipients);
    }

    /// Whether honest nodes may have written under a key: the founding one, or one that was minted at a removal. Keys that
    /// somebody makes up beside these are passed on to nobody.
    fn is_written_under(&self, family: &str, id: KeyId) -> bool {
        self.trust.families().get(family).is_some_and(|known| known.key == id)
            || self.vouched_keys(family).any(|(_, vouched)| vouched == id)
    }

    /// Gives a peer the keys that it may have and that nobody was seen to give it: it joined, or its scopes were
    /// widened, where the news of a removal had not arrived.
    pub(super) fn grant_missing(&mut self, peer: NodeId) {
        // What is left is for rotations of its own.
        if self.own_grants() >= self.grant_room(&self.node()) / 2
            || !self.keyring.grants.served.insert(peer)
            || self.trust.current(&self.node()).is_none()
        {
            return;
        }
        let Some((_, own)) = self.trust.current(&peer) else { return };
        let (exchange, scopes) = (own.exchange, own.scopes.clone());
        self.recount_grants();
        let refused = self.keyring.grants.refused.get(&peer);
        let node = self.node();
        // A share that a removed node made may be none; an own one is what it says.
        let counts = |granter: &NodeId| {
            *granter == node
                || (self.trust.current(granter).is_some() && !refused.is_some_and(|refused| refused.contains(granter)))
        };
        // Those that do not count are told to nobody.
        let told = self.grants_that_count();
        let counted =
            self.keyring.grants.known.iter().filter(|(key, grant)| told.contains(*key) && counts(&grant.granter));
        let counted = counted.map(|(_, grant)| grant);
        let given: BTreeSet<&(String, KeyId)> = counted.flat_map(|grant| grant.keys_for(&exchange)).collect();
        let mut missing = self.keyring.secrets();
        missing.retain(|(family, secret)| {
            policy::may_read(&scopes, family)
                && self.reads_now(&self.node(), family)
                && self.is_written_under(family, secret.key_id(family))
                && !given.contains(&(family.clone(), secret.key_id(family)))
        });
        missing.truncate(MAX_KEYS);
        if !missing.is_empty() {
            let recipient = BTreeMap::from([(exchange, (0..missing.len()).collect())]);
            self.hand_out(&BTreeSet::new(), &missing, &recipient);
            self.keyring.grants.served.insert(peer);
        }
    }
}
