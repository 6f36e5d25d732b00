//! Passing on what others recorded, where several ways lead to a peer. The rules are in [`crate::sync::news`].

use super::Replica;
use super::branches::Fork;
use super::cards::is_of_node;
use crate::bounds;
use crate::clock::Millis;
use crate::entry::LogId;
use crate::id::{EntryId, NodeId};
use crate::store::CardKey;
use crate::sync::session::Session;
use crate::sync::{Message, News};

/// How long what others recorded may take to come to a peer by another way before it is told of it. Of two
/// peers the one with the greater id waits twice as long, so that mostly only one of them speaks.
const PATIENCE: Millis = 500;

impl Replica {
    /// When a peer is to be told next.
    pub(super) fn news_due(&self) -> Millis {
        let own = self.identity.node();
        let due = self.sessions.iter().map(|(peer, session)| session.ways.due(patience(&own, peer)));
        due.min().unwrap_or(Millis::MAX)
    }

    /// Tells peers what has waited long enough.
    pub(super) fn tell_news(&mut self, now: Millis) {
        let own = self.identity.node();
        let due = self.sessions.iter_mut().filter_map(|(peer, session)| {
            let is_due = session.ways.are_due(now, patience(&own, peer));
            is_due.then(|| (*peer, session.ways.take()))
        });
        let due: Vec<_> = due.collect();
        for (peer, (logs, cards)) in due {
            let heights = logs.into_iter().filter_map(|log| {
                let (seq, head) = self.logs.get(&log).map(|(_, state)| self.effective(state))?;
                Some((log, seq, head))
            });
            let logs: Vec<(LogId, u64, EntryId)> = heights.collect();
            let is_current = |key: &CardKey| self.trust.current(&NodeId(key.key)).is_some();
            let cards: Vec<(CardKey, u64)> = cards
                .iter()
                .filter(|key| is_current(key))
                .filter_map(|key| Some((*key, self.cards.get(key)?.0)))
                .collect();
            if let Some(session) = self.sessions.get_mut(&peer) {
                say_news(session, logs, &cards);
            }
        }
    }

    /// The peer says what it has that is new.
    pub(super) fn take_news(&mut self, peer: NodeId, news: News, now: Millis) {
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.ways.speak();
        }
        for (log, seq, head) in news.logs {
            self.take_log_news(peer, log, seq, head);
        }
        let (wanted, held): (Vec<_>, Vec<_>) =
            news.cards.into_iter().partition(|(key, version)| self.wants_card(key, *version, now));
        let held: Vec<CardKey> =
            held.into_iter().filter(|(key, version)| self.holds_card(key, *version)).map(|(key, _)| key).collect();
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        held.iter().for_each(|key| session.peer_has_card(key));
        let wanted: Vec<CardKey> = wanted.into_iter().map(|(key, _)| key).collect();
        wanted.iter().for_each(|key| session.ways.rely_on(&NodeId(key.key)));
        if !wanted.is_empty() {
            session.say(Message::CardRequest(wanted));
        }
    }

    fn take_log_news(&mut self, peer: NodeId, log: LogId, seq: u64, head: EntryId) {
        if !self.shares(&peer, log.namespace) {
            return;
        }
        let (height, ours) = self.logs.get(&log).map_or((0, log.origin()), |(_, state)| self.effective(state));
        let spares = self.leaves_to_others(&log);
        let fork = self.forks.get(&log).map(Fork::seq);
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        if session.is_early(&log) {
            // It is asked for once its author is known.
            return;
        }
        // Asking for what follows would take back that another branch was asked for.
        let from = if session.diverged.contains(&log) { fork } else { Some(height.saturating_add(1)) };
        if spares {
            session.peer_has(&log, seq);
        } else if height < seq {
            if let Some(from) = from {
                session.ways.rely_on(&log.author);
                session.say(Message::LogRequest { log, from });
            }
        } else if height == seq && ours != head {
            self.ask_for_branch(peer, log);
        } else {
            session.peer_has(&log, seq);
        }
    }

    /// Something came from a peer that was here before, by another author than the peer. It says so to the peer, but
    /// for the last way by which it hears of this author.
    pub(super) fn heard_again(&mut self, peer: NodeId, author: NodeId) {
        if author == peer || author == self.identity.node() || self.trust.current(&author).is_none() {
            return;
        }
        let others = self.sessions.iter().filter(|(other, session)| **other != peer && session.certificate.is_some());
        let comes_otherwise = others.into_iter().any(|(_, session)| session.ways.come_from_here(&author));
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        // It had this before it could have it from here. A node of a version that is never told, only sent, is sent it.
        if session.ways.are_spoken_of() {
            session.ways.spare(author);
        }
        if comes_otherwise && session.ways.decline(author) {
            session.say(Message::Elsewhere { author });
        }
    }

    /// A peer said that it hears of an author by others. Of nodes that are not enrolled nothing is noted.
    pub(super) fn take_elsewhere(&mut self, peer: NodeId, author: NodeId) {
        let is_enrolled = self.trust.current(&author).is_some() && author != self.identity.node();
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        session.ways.speak();
        if is_enrolled {
            session.ways.spare(author);
        }
    }

    /// A card that is new here is to go on to each peer.
    pub(super) fn pass_card_on(&mut self, key: CardKey) {
        for session in self.sessions.values_mut().filter(|session| session.certificate.is_some()) {
            if is_of_node(key.kind) && session.ways.lead_elsewhere(&NodeId(key.key)) {
                session.ways.cards.insert(key);
            } else {
                session.cards_behind.insert(key);
            }
        }
    }
}

/// How long a node waits before it tells a peer.
fn patience(own: &NodeId, peer: &NodeId) -> Millis {
    if own < peer { PATIENCE } else { 2 * PATIENCE }
}

/// Tells a peer what it may lack. It counts as told: it will ask for what it does lack. What it asked for meanwhile is on
/// its way.
fn say_news(session: &mut Session, logs: Vec<(LogId, u64, EntryId)>, cards: &[(CardKey, u64)]) {
    let unknown = logs.into_iter().filter(|(log, seq, _)| session.lacks(log, *seq) && !session.is_sending(log));
    let unknown: Vec<_> = unknown.collect();
    for (log, seq, _) in &unknown {
        session.peer_has(log, *seq);
    }
    let pages = unknown.len().max(cards.len()).div_ceil(bounds::MAX_FRONTIER);
    let (mut logs, mut cards) = (unknown.chunks(bounds::MAX_FRONTIER), cards.chunks(bounds::MAX_FRONTIER));
    for _ in 0..pages {
        let (logs, cards) = (logs.next().unwrap_or_default().to_vec(), cards.next().unwrap_or_default().to_vec());
        session.say(Message::News(News { logs, cards }));
    }
    session.idle = false;
}
