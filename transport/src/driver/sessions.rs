//! From stream to session: handshakes, the election among candidates, the ends of sessions.

use libp2p::PeerId;
use libp2p::swarm::{ConnectionId, Stream};
use std::sync::{Arc, PoisonError};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, info};

use super::{Done, Driver, HeldSession, Peer};
use crate::codec::Hello;
use crate::dialer::RELAY_SETTLING;
use crate::election::{self, Held, Offer};
use crate::events::{CloseReason, Event, RefusedReason, SessionId};
use crate::handshake::{self, Attempt, Candidate, Outcome};
use crate::outbox::Outbox;
use crate::session::{Control, Ended, Session};
use crate::{PeerKey, identity};

impl Peer {
    /// Asks the held session to end.
    pub(super) fn close(&self, reason: CloseReason) {
        if let Some(session) = &self.held {
            session.control.send_modify(|control| {
                control.close.get_or_insert(reason);
            });
        }
    }

    /// Asks the held session whether its connection still works.
    pub(super) fn probe(&self) {
        if let Some(session) = &self.held {
            session.control.send_modify(|control| control.probes += 1);
        }
    }

    fn is_idle(&self) -> bool {
        self.held.is_none() && self.next.is_none()
    }
}

impl HeldSession {
    fn is_ending(&self) -> bool {
        self.control.borrow().close.is_some()
    }

    fn facts(&self) -> Held {
        Held { number: self.number, incarnation: self.incarnation, path: self.path, age: self.since.elapsed() }
    }
}

impl Driver {
    /// Starts the handshake on a fresh stream.
    pub(super) fn on_stream(&mut self, peer: PeerId, connection: ConnectionId, stream: Stream) {
        let (Some(peer), Some(link)) = (identity::peer_key(&peer), self.links.get(&connection)) else {
            return;
        };
        let credentials = self.admission.credentials();
        if credentials.len() > self.limits.credentials_bytes {
            tracing::error!(bytes = credentials.len(), "this node's own credentials exceed the limit: no session");
            self.swarm.close_connection(connection);
            return;
        }
        let alive = self.peers.get(&peer).and_then(|peer| peer.held.as_ref()).filter(|held| !held.is_ending());
        let hello = Hello {
            incarnation: self.incarnation,
            current: alive.map_or(0, |held| held.number),
            max_message: u32::try_from(self.limits.message_bytes).unwrap_or(u32::MAX),
            credentials,
        };
        let leads = election::leads(&self.key, &peer);
        let attempt = Attempt { peer, connection, path: link.path, leads, hello, round: self.round, stream };
        let handshake = handshake::perform(attempt, Arc::clone(&self.admission), Arc::clone(&self.limits));
        self.tasks.spawn(async move { Done::Handshake { peer, connection, outcome: handshake.await } });
    }

    pub(super) fn on_done(&mut self, done: Done) {
        match done {
            Done::Handshake { peer, connection, outcome } => self.on_handshake(peer, connection, outcome),
            Done::Declined { connection } => {
                self.swarm.close_connection(connection);
            }
            Done::Session(ended) => self.on_ended(ended),
        }
    }

    fn on_handshake(&mut self, peer: PeerKey, connection: ConnectionId, outcome: Outcome) {
        match outcome {
            Outcome::Undecided(candidate) => self.decide(candidate),
            Outcome::Started(candidate, number) => self.follow(candidate, number),
            Outcome::Declined => {
                self.swarm.close_connection(connection);
            }
            Outcome::Refused(reason) => {
                self.swarm.close_connection(connection);
                self.refused(peer, reason);
            }
            Outcome::Failed(error) => {
                debug!(peer = identity::short(&peer), %error, "handshake failed");
                self.shared.tally.handshakes_failed.add(1);
                self.swarm.close_connection(connection);
            }
        }
    }

    fn refused(&mut self, peer: PeerKey, reason: RefusedReason) {
        info!(peer = identity::short(&peer), ?reason, "refused");
        self.shared.tally.refusals.add(1);
        self.cool_down(&peer);
        self.tell(Event::Refused { peer, reason });
    }

    /// Keeps away from a peer for a while, in both directions.
    fn cool_down(&mut self, peer: &PeerKey) {
        if let Some(id) = identity::peer_id(peer) {
            self.swarm.behaviour_mut().gate.cool_down(id);
            self.dialer.hold(id, Instant::now() + self.limits.cool_down);
        }
    }

    /// As the leading side: is this stream to be the session?
    fn decide(&mut self, candidate: Candidate) {
        let peer = self.peers.entry(candidate.peer).or_default();
        let offer =
            Offer { claims: candidate.hello.current, incarnation: candidate.hello.incarnation, path: candidate.path };
        let better = match (&peer.next, &peer.held) {
            // One is about to take over; that is what a new stream has to compare with.
            (Some((next, _)), _) => {
                let next =
                    Held { number: 0, incarnation: next.hello.incarnation, path: next.path, age: Default::default() };
                election::replaces(next, offer)
            }
            (None, Some(held)) if !held.is_ending() => election::replaces(held.facts(), offer),
            (None, Some(_) | None) => true,
        };
        if better { self.choose(candidate, None) } else { self.decline(candidate) }
    }

    /// As the following side: the leading peer has made this stream the session.
    fn follow(&mut self, candidate: Candidate, number: u64) {
        let held = self.peers.get(&candidate.peer).and_then(|peer| peer.held.as_ref());
        // Starts can overtake each other on different connections; the upper half of a number names the process.
        let overtaken = held.is_some_and(|held| held.number >> 32 == number >> 32 && held.number > number);
        if overtaken {
            self.swarm.close_connection(candidate.connection);
        } else {
            self.choose(candidate, Some(number));
        }
    }

    /// Makes a stream the session, as soon as the held one has ended.
    fn choose(&mut self, candidate: Candidate, number: Option<u64>) {
        let peer = self.peers.entry(candidate.peer).or_default();
        if let Some(link) = self.links.get_mut(&candidate.connection) {
            link.chosen = true;
        }
        if peer.held.is_none() {
            self.begin(candidate, number);
            return;
        }
        peer.close(CloseReason::Replaced);
        if let Some((passed_over, None)) = peer.next.replace((candidate, number)) {
            self.decline(passed_over);
        }
    }

    fn decline(&mut self, candidate: Candidate) {
        let connection = candidate.connection;
        self.tasks.spawn(async move {
            handshake::decline(candidate.channel).await;
            Done::Declined { connection }
        });
    }

    /// Opens the session on a chosen stream.
    fn begin(&mut self, candidate: Candidate, number: Option<u64>) {
        let Candidate { peer, connection, path, hello, round, channel } = candidate;
        // Admission may have changed between the handshake and now.
        if round != self.round
            && let Err(refusal) = self.admission.admit(peer, &hello.credentials)
        {
            self.swarm.close_connection(connection);
            self.refused(peer, RefusedReason::ByUs(refusal));
            return;
        }
        self.last_session += 1;
        let session = SessionId(self.last_session);
        let start = number.is_none().then_some(self.incarnation << 32 | self.last_session & 0xFFFF_FFFF);
        let message_limit = usize::try_from(hello.max_message).unwrap_or(usize::MAX).min(self.limits.message_bytes);
        let (control, controlled) = watch::channel(Control::default());
        let task = Session {
            connection,
            path,
            channel,
            start,
            inbox: self.sink.inbox(&self.limits, peer, session),
            outbox: Arc::new(Outbox::new(&self.limits, message_limit)),
            control: controlled,
            limits: Arc::clone(&self.limits),
            tally: Arc::clone(&self.shared.tally),
        };
        self.tasks.spawn(async move { Done::Session(task.run().await) });

        let now = Instant::now();
        let held = HeldSession {
            number: number.or(start).unwrap_or(0),
            incarnation: hello.incarnation,
            path,
            since: now,
            control,
            credentials: hello.credentials,
        };
        self.peers.entry(peer).or_default().held = Some(held);
        info!(peer = identity::short(&peer), session = session.0, ?path, "session opened");
        self.shared.tally.sessions.add(1);
        self.swarm.behaviour_mut().gate.admit(connection);
        if let Some(id) = identity::peer_id(&peer) {
            self.admitted.write().unwrap_or_else(PoisonError::into_inner).insert(id);
            self.dialer.session_opened(id, now);
        }
        self.reserve_at = Some(now + RELAY_SETTLING);
    }

    fn on_ended(&mut self, ended: Ended) {
        let Ended { peer, session, connection, reason } = ended;
        info!(peer = identity::short(&peer), session = session.0, %reason, "session closed");
        self.swarm.close_connection(connection);
        let Some(state) = self.peers.get_mut(&peer) else { return };
        state.held = None;
        let next = state.next.take();
        match reason {
            CloseReason::NotAdmitted(_)
            | CloseReason::NoLongerAdmitted(_)
            | CloseReason::Disconnected
            | CloseReason::Protocol(_) => self.cool_down(&peer),
            CloseReason::Goodbye
            | CloseReason::Replaced
            | CloseReason::Silent
            | CloseReason::Stalled
            | CloseReason::Lost(_)
            | CloseReason::Shutdown => {}
        }
        if let Some((candidate, number)) = next {
            self.begin(candidate, number);
        }
        self.forget_if_idle(&peer);
    }

    /// Ends what belonged to having a session, if there is none any more.
    fn forget_if_idle(&mut self, peer: &PeerKey) {
        if self.peers.get(peer).is_some_and(Peer::is_idle) {
            self.peers.remove(peer);
            if let Some(id) = identity::peer_id(peer) {
                self.admitted.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
                self.dialer.session_closed(id, Instant::now(), super::entropy());
            }
        }
    }

    pub(super) fn disconnect(&mut self, peer: &PeerKey) {
        if let Some(state) = self.peers.get_mut(peer) {
            state.next = None;
            state.close(CloseReason::Disconnected);
        }
    }

    /// Judges every held session anew, and lets refused peers try again.
    pub(super) fn recheck_admission(&mut self) {
        self.round += 1;
        for (key, peer) in &self.peers {
            let Some(held) = &peer.held else { continue };
            if let Err(refusal) = self.admission.admit(*key, &held.credentials) {
                peer.close(CloseReason::NotAdmitted(refusal));
            }
        }
        self.swarm.behaviour_mut().gate.forgive();
        self.dialer.release(Instant::now());
    }
}
