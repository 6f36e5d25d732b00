//! What to send to a peer next. Pulled by the driver while the peer's queue has room, so a slow peer costs
//! nothing but its cursors.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::{Output, Replica};
use crate::bounds;
use crate::entry::{Entry, LogId};
use crate::id::NodeId;
use crate::namespace::Namespace;
use crate::store::StoreError;
use crate::sync::session::{Priority, URGENT};
use crate::sync::{Message, Run, Session};

impl Replica {
    /// The next message for a peer; `None` when there is nothing to say for now. Receiving, committing and sessions
    /// of other peers can add to what this returns. Nothing that is staged but not durable is ever sent.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn poll_transmit(&mut self, peer: NodeId) -> Result<Option<Vec<u8>>, StoreError> {
        // After a failed write memory is ahead of the disk: it must not be told as a fact.
        if self.has_staged() || self.failed {
            return Ok(None);
        }
        let message = self.next_message(peer)?;
        Ok(message.map(|message| message.to_bytes()))
    }

    fn next_message(&mut self, peer: NodeId) -> Result<Option<Message>, StoreError> {
        let Some(session) = self.sessions.get_mut(&peer) else { return Ok(None) };
        if let Some(message) = session.next_said() {
            return Ok(Some(message));
        }
        if session.certificate.is_none() {
            return Ok(None);
        }
        if let Some(page) = self.next_page(peer) {
            return Ok(Some(page));
        }
        let auth = self.namespace_id(&Namespace::auth());
        loop {
            let Some(session) = self.sessions.get(&peer) else { return Ok(None) };
            let next = session.behind.first().copied();
            let auth_left = next.is_some_and(|(priority, _)| priority == 0);
            let auth_done = !auth_left && session.spaces.get(&auth).is_some_and(|space| space.known);
            if session.digests_due && auth_done {
                self.send_digests(peer);
                if let Some(message) = self.sessions.get_mut(&peer).and_then(|session| session.next_said()) {
                    return Ok(Some(message));
                }
                continue;
            }
            let next = if auth_left && session.sent_auth { self.urgent_beside_auth(session).or(next) } else { next };
            let keys = session.shelves_behind.first().copied();
            if auth_done
                // Urgent entries go before cards, and before persons' keys.
                && next.is_none_or(|(priority, _)| priority > URGENT)
                && let Some(card) = self.next_card(peer)
            {
                return Ok(Some(card));
            }
            let message = match (next, keys) {
                (Some((priority, log)), keys) if priority <= URGENT || keys.is_none() => {
                    self.next_run(peer, priority, log)?
                }
                (_, Some((namespace, shelf))) => self.next_key_run(peer, namespace, shelf)?,
                (Some((priority, log)), None) => self.next_run(peer, priority, log)?,
                (None, None) => return self.next_when_idle(peer),
            };
            if message.is_some() {
                return Ok(message);
            }
        }
    }

    /// While `auth` is being sent, every other run is an urgent one, if one waits: a node that floods `auth` takes at
    /// most half of a link from others. Not so if the author's certificate may be in what is still to be sent: it is in
    /// the author's own log, or where a center recorded it.
    fn urgent_beside_auth(&self, session: &Session) -> Option<(Priority, LogId)> {
        let auth: BTreeSet<NodeId> =
            session.behind.iter().take_while(|(priority, _)| *priority == 0).map(|(_, log)| log.author).collect();
        if auth.iter().any(|author| self.writes_freely(author)) {
            return None;
        }
        let urgent = session.behind.iter().skip_while(|(priority, _)| *priority == 0);
        let mut urgent = urgent.take_while(|(priority, _)| *priority <= URGENT);
        urgent.find(|(_, log)| !auth.contains(&log.author)).copied()
    }

    /// The run after the peer's cursor; `None` if the peer has all of the log.
    fn next_run(&mut self, peer: NodeId, priority: Priority, log: LogId) -> Result<Option<Message>, StoreError> {
        let held = self.logs.get(&log).copied();
        let until = held.map_or(0, |(_, state)| self.effective(&state).0);
        let Some(session) = self.sessions.get_mut(&peer) else { return Ok(None) };
        let cursor = session.spaces.get(&log.namespace).and_then(|space| space.cursors.get(&log)).copied().unwrap_or(0);
        let Some((number, _)) = held.filter(|_| cursor < until) else {
            session.behind.remove(&(priority, log));
            return Ok(None);
        };
        let mut entries: Vec<Entry> = Vec::new();
        let (mut size, mut signed) = (0, 0);
        let read = self.store.entries(number, cursor + 1, |entry| {
            if entry.check_body().is_err() {
                // A peer would take it for a forgery and end every session here.
                return ControlFlow::Break(());
            }
            size += entry.body.len() + 32;
            let (is_signed, seq) = (entry.signature.is_some(), entry.header.seq);
            entries.push(entry);
            if is_signed {
                signed = entries.len();
            }
            // A run ends where there is a signature: entries without one were received in a run of at most as many
            // entries that has one. Just below a fork that signature may lie past it, and still vouches for them.
            let enough = size >= bounds::RUN_BYTES || seq >= until;
            let full = entries.len() >= bounds::RUN_ENTRIES;
            if full || (enough && signed > 0) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        match read {
            // What stands before a damaged entry is sent.
            Ok(()) | Err(StoreError::Damaged(_)) => {}
            Err(error) => return Err(error),
        }
        entries.truncate(signed);
        keep_sound(&mut entries);
        let (count, last) = (entries.len() as u64, entries.last().map(|entry| entry.header.seq));
        let Some((run, last)) = Run::new(entries).zip(last) else {
            // Nothing presentable: an entry of this log is damaged.
            session.behind.remove(&(priority, log));
            let reason = "it is damaged here, so it is not sent to others".to_owned();
            self.emit(Output::Unreadable { log, seq: cursor + 1, reason });
            return Ok(None);
        };
        session.sent_auth = priority == 0;
        if let Some(space) = session.spaces.get_mut(&log.namespace) {
            space.cursors.insert(log, last);
        }
        session.progress.entries_sent += count;
        session.progress.bytes_sent += size as u64;
        Ok(Some(Message::Run(run)))
    }

    /// Blobs come after all entries; then a summary says that there is nothing left.
    fn next_when_idle(&mut self, peer: NodeId) -> Result<Option<Message>, StoreError> {
        if let Some((namespace, hash)) =
            self.sessions.get_mut(&peer).and_then(|session| session.chunks_wanted.pop_front())
        {
            let is_shared = self.interest(&peer).contains(&namespace);
            let number = self.numbers.get(&namespace).filter(|_| is_shared);
            let held = number.map(|number| self.store.chunk(*number, &hash)).transpose()?.flatten();
            return Ok(Some(match held.filter(|bytes| !bytes.is_empty()) {
                Some(bytes) => Message::Chunk { namespace, bytes },
                // Else the peer would wait for it, and a few such would keep it from asking for anything.
                None => Message::ChunkLack { namespace, hashes: vec![hash] },
            }));
        }
        if let Some(message) = self.next_chunk_message(peer) {
            return Ok(Some(message));
        }
        if self
            .sessions
            .get(&peer)
            .is_none_or(|session| session.idle || session.digests_due || !session.ways.are_quiet())
        {
            return Ok(None);
        }
        let auth = self.namespace_id(&Namespace::auth());
        let summary = (self.shared_digest(&peer), self.digest(auth));
        let Some(session) = self.sessions.get_mut(&peer) else { return Ok(None) };
        let was_greeted_equal =
            session.progress.equal && session.last_summary.is_none() && session.peer_summary.is_none();
        if was_greeted_equal {
            // The hellos said it already.
            session.last_summary = Some(summary);
        }
        if session.last_summary == Some(summary) {
            session.idle = true;
            return Ok(None);
        }
        session.last_summary = Some(summary);
        session.summary_sent = true;
        self.check_equal(peer);
        Ok(Some(Message::Summary { shared: summary.0, auth: summary.1 }))
    }
}

/// Leaves out what a peer would refuse since it was damaged here: the links vouch for all headers but the last, whose
/// signature vouches for it.
fn keep_sound(entries: &mut Vec<Entry>) {
    let linked = entries.windows(2).take_while(|pair| matches!(pair, [one, next] if next.header.backlink == one.id()));
    let linked = linked.count() + 1;
    entries.truncate(linked);
    while entries.last().is_some_and(|last| !last.is_signed_by_author()) {
        entries.pop();
    }
}
