//! The loop. One turn: gather, commit, answer, send, fold, feed.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use townmesh_crdt::id::NodeId;
use townmesh_crdt::replica::{Output, Replica};
use townmesh_transport::{Event, Events, Transport};

use super::admission::TownAdmission;
use super::disk::DiskWatch;
use super::peers::Peers;
use super::status::{RedeemedTwice, Status};
use super::views_feed::{ViewsFeed, ViewsProgress};
use super::{Opener, Parts, Reply, Request, SessionEvent, now};

/// Requests and events taken in one turn.
const REQUESTS_A_TURN: usize = 512;
const EVENTS_A_TURN: usize = 64;
/// Folding waits while peers are sending, but not longer than this.
const FOLD_AT_LEAST_EVERY: Duration = Duration::from_millis(100);
const STATUS_EVERY: Duration = Duration::from_millis(200);
/// Pause after which derived rows are written, so that views show what was recorded.
const WRITE_BEHIND: Duration = Duration::from_millis(5);
/// After the disk failed.
const REOPEN_EVERY: Duration = Duration::from_secs(5);

pub(super) struct Turn {
    replica: Option<Replica>,
    opener: Opener,
    transport: Option<Transport>,
    events: Option<Events>,
    admission: Arc<TownAdmission>,
    views: Option<ViewsFeed>,
    views_progress: Arc<ViewsProgress>,
    requests: mpsc::Receiver<Request>,
    status: watch::Sender<Status>,
    announce: broadcast::Sender<SessionEvent>,
    status_at: Instant,
    status_due: bool,
    peers: Peers,
    replies: Vec<Reply>,
    folded_at: Instant,
    failed_at: Option<Instant>,
    /// Since when derived rows wait to be written.
    unwritten_since: Option<Instant>,
    gave_up_at: Option<Instant>,
    stopping: Option<oneshot::Sender<()>>,
    disk: DiskWatch,
    warned: Vec<RedeemedTwice>,
}

/// What woke the loop.
enum Woken {
    Request(Option<Request>),
    Event(Option<Event>),
    Work,
}

impl Turn {
    pub(super) fn new(
        mut replica: Replica,
        parts: Parts,
        requests: mpsc::Receiver<Request>,
        (status, announce): (watch::Sender<Status>, broadcast::Sender<SessionEvent>),
        views_progress: Arc<ViewsProgress>,
    ) -> Self {
        let (transport, events) = parts.network.unzip();
        let views =
            parts.views.and_then(|views| match ViewsFeed::start(views, &mut replica, Arc::clone(&views_progress)) {
                Ok(feed) => Some(feed),
                Err(error) => {
                    tracing::error!(%error, "the views cannot be kept, so lists stay as they were; free some disk space or move views.sqlite away, and start the node again");
                    views_progress.fail();
                    None
                }
            });
        Self {
            replica: Some(replica),
            opener: parts.opener,
            transport,
            events,
            admission: parts.admission,
            views,
            views_progress,
            requests,
            status,
            announce,
            status_at: Instant::now(),
            status_due: true,
            peers: Peers::default(),
            replies: Vec::new(),
            folded_at: Instant::now(),
            failed_at: None,
            unwritten_since: None,
            gave_up_at: None,
            stopping: None,
            disk: DiskWatch::new(parts.disk),
            warned: Vec::new(),
        }
    }

    pub(super) async fn run(mut self) {
        let mut more = true;
        loop {
            let woken = self.wait(more).await;
            if matches!(woken, Woken::Request(None)) {
                break;
            }
            more = match AssertUnwindSafe(self.turn(woken)).catch_unwind().await {
                Ok(more) => more,
                Err(_) => {
                    self.give_up_replica();
                    self.reopen_after_failure().await;
                    true
                }
            };
            if let Some(done) = self.stopping.take() {
                // Dropping the replica closes the store before anybody is told that it is closed.
                drop(self.replica.take());
                let _ = done.send(());
                break;
            }
        }
    }

    /// One turn; true if something is left to do.
    async fn turn(&mut self, woken: Woken) -> bool {
        let is_idle = matches!(woken, Woken::Work);
        match woken {
            Woken::Request(Some(request)) => self.take(request),
            Woken::Event(Some(event)) => self.happen(event),
            Woken::Event(None) => self.events = None,
            Woken::Request(None) | Woken::Work => {}
        }
        let low = self.disk.is_low();
        if let Some(replica) = &mut self.replica {
            replica.spare_disk(low);
        }
        let busy = self.gather();
        self.commit(is_idle);
        let more = self.work(busy).await || busy;
        if self.stopping.is_some()
            && let Some(Err(error)) = self.replica.as_mut().map(|replica| replica.settle(now()))
        {
            tracing::warn!(%error, "what could wait was not written before the end; peers tell it again");
        }
        more
    }

    /// After a panic, which the database raises on some damaged pages: what is in memory can no longer be trusted, so
    /// the store is opened again. Whoever waits is told so; acknowledged is only what was committed before.
    fn give_up_replica(&mut self) {
        tracing::error!("the store could not be read or written, so it is opened again; run `townmesh verify`");
        self.replies.clear();
        let replica = self.replica.take();
        // What a panic left half done may panic once more when it is closed.
        if std::panic::catch_unwind(AssertUnwindSafe(|| drop(replica))).is_err() {
            tracing::warn!("the store was not closed cleanly");
        }
        // At once, but not over and over while the damage stays.
        let first = self.gave_up_at.replace(Instant::now()).is_none_or(|last| last.elapsed() > REOPEN_EVERY);
        let now = Instant::now();
        self.failed_at = Some(if first { now.checked_sub(REOPEN_EVERY).unwrap_or(now) } else { now });
        self.status.send_modify(|status| status.failed = true);
    }

    /// Waits for something to do; returns at once if the last turn left something.
    async fn wait(&mut self, more: bool) -> Woken {
        let idle = if more { Duration::ZERO } else { self.idle_time() };
        let events = async {
            match &mut self.events {
                Some(events) => events.recv().await,
                None => std::future::pending().await,
            }
        };
        let views_have_room = async {
            match &self.views {
                Some(views) if self.replica.is_some() && views.is_pending() => views.has_room().await,
                Some(_) | None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            request = self.requests.recv() => Woken::Request(request),
            event = events => Woken::Event(event),
            () = views_have_room => Woken::Work,
            () = tokio::time::sleep(idle) => Woken::Work,
        }
    }

    fn idle_time(&self) -> Duration {
        let beacon = self.replica.as_ref().map_or(u64::MAX, |replica| replica.poll_timeout().saturating_sub(now()));
        let mut idle = Duration::from_millis(beacon.clamp(20, 60_000));
        if self.status_due {
            idle = idle.min(STATUS_EVERY);
        }
        if self.failed_at.is_some() {
            idle = idle.min(REOPEN_EVERY);
        }
        if self.replica.as_ref().is_some_and(Replica::has_unwritten) { idle.min(WRITE_BEHIND) } else { idle }
    }

    /// Takes what else has arrived, up to a bound; true if there may be more.
    fn gather(&mut self) -> bool {
        let mut requests = 0;
        while requests < REQUESTS_A_TURN && !self.must_commit() {
            let Ok(request) = self.requests.try_recv() else { break };
            self.take(request);
            requests += 1;
        }
        let mut events = 0;
        while events < EVENTS_A_TURN && !self.must_commit() {
            let Some(event) = self.events.as_mut().and_then(Events::try_recv) else { break };
            self.happen(event);
            events += 1;
        }
        events > 0
    }

    fn must_commit(&self) -> bool {
        self.replica.as_ref().is_some_and(Replica::must_commit)
    }

    fn take(&mut self, request: Request) {
        match (request, &mut self.replica) {
            (Request::Record(job), Some(replica)) => {
                self.replies.push(job(replica, now()));
                self.status_due = true;
            }
            (Request::Read(job), Some(replica)) => job(replica),
            (Request::Status(answer), Some(replica)) => {
                let addresses = addresses(self.transport.as_ref());
                // Nobody waits for it any more.
                let _ = answer.send(Status::of(replica, &self.peers, self.views_progress.lag(), addresses));
            }
            // Dropping a job tells its caller that the node has stopped.
            (Request::Record(_) | Request::Read(_) | Request::Status(_), None) => {}
            (Request::Stop(done), _) => self.stopping = Some(done),
        }
    }

    fn happen(&mut self, event: Event) {
        let Some(replica) = &mut self.replica else {
            // Nobody would serve this session; the peer comes back.
            if let Event::Opened { peer, .. } = event {
                self.drop_peer(NodeId(peer));
            }
            return;
        };
        self.status_due = true;
        match event {
            Event::Listening { address } => tracing::info!(%address, "reachable"),
            Event::ListeningEnded { address } => tracing::info!(%address, "no longer reachable"),
            Event::Opened { peer, session, path, sender } => {
                let node = NodeId(peer);
                match replica.open_session(node) {
                    Ok(()) => {
                        self.peers.opened(node, session, path, sender);
                        self.announce(SessionEvent::Opened(node));
                    }
                    Err(error) => tracing::warn!(%error, "a session was not opened"),
                }
            }
            Event::Message { peer, session, bytes } => {
                let node = NodeId(peer);
                if self.peers.is_current(node, session)
                    && let Err(error) = replica.receive(node, &bytes, now())
                {
                    tracing::warn!(peer = %replica.name_of(&node), %error, "a peer's message was refused");
                    self.drop_peer(node);
                }
            }
            Event::Writable { peer, session } => self.peers.has_room(NodeId(peer), session),
            Event::Closed { peer, session, reason } => {
                if self.peers.closed(NodeId(peer), session) {
                    replica.close_session(&NodeId(peer));
                    self.announce(SessionEvent::Closed(NodeId(peer)));
                    tracing::debug!(peer = %NodeId(peer).short(), %reason, "a session ended");
                }
            }
            Event::Refused { peer, reason } => {
                tracing::warn!(peer = %NodeId(peer).short(), ?reason, "a peer was refused")
            }
        }
    }

    /// Nobody may be listening.
    fn announce(&self, event: SessionEvent) {
        let _ = self.announce.send(event);
    }

    fn drop_peer(&mut self, node: NodeId) {
        if let Some(replica) = &mut self.replica {
            replica.close_session(&node);
        }
        if let Some(transport) = self.transport.clone() {
            tokio::spawn(async move { transport.disconnect(node.0).await });
        }
    }

    /// Makes durable what was gathered, and answers. What follows from it is written once nothing else is to be done, or when it has
    /// waited for long: else each message that arrives and each question that is asked would cost a write of its own.
    fn commit(&mut self, is_idle: bool) {
        let Some(replica) = &mut self.replica else { return };
        let waited = self.unwritten_since.is_some_and(|since| since.elapsed() >= WRITE_BEHIND);
        let is_due = replica.has_staged() || replica.has_failed() || replica.poll_timeout() <= now();
        let committed = if is_due || is_idle || waited { replica.commit(now()) } else { Ok(()) };
        self.unwritten_since = replica.has_unwritten().then(|| self.unwritten_since.unwrap_or_else(Instant::now));
        if let Err(error) = &committed
            && self.failed_at.is_none()
        {
            tracing::error!(%error, "nothing more is recorded until the store opens again");
            self.failed_at = Some(Instant::now());
        }
        for reply in self.replies.drain(..) {
            reply(committed.as_ref().copied());
        }
    }

    /// Sends, folds and feeds for a while; true if there is more to do.
    async fn work(&mut self, busy: bool) -> bool {
        self.heed_outputs();
        self.reopen_after_failure().await;
        let Some(replica) = &mut self.replica else { return false };
        let mut more = false;
        if self.failed_at.is_none() {
            let transmitted = self.peers.transmit(replica).unwrap_or_else(|error| {
                tracing::error!(%error, "reading for peers failed");
                false
            });
            more |= transmitted;
            if !busy || self.folded_at.elapsed() >= FOLD_AT_LEAST_EVERY {
                self.folded_at = Instant::now();
                match replica.fold(now()) {
                    Ok(unfinished) => more |= unfinished || replica.has_staged(),
                    Err(error) => tracing::error!(%error, "folding failed"),
                }
            }
        }
        if let Some(views) = self.views.as_mut().filter(|_| !busy)
            && let Err(error) = views.feed(replica)
        {
            tracing::error!(%error, "reading for the views failed");
        }
        self.publish_status();
        more
    }

    fn heed_outputs(&mut self) {
        while let Some(output) = self.replica.as_mut().and_then(Replica::poll_output) {
            match output {
                Output::Close { peer, reason } => {
                    tracing::warn!(peer = %peer.short(), reason, "a session is closed");
                    self.drop_peer(peer);
                }
                Output::Equal { peer } => {
                    tracing::debug!(peer = %peer.short(), "up to date with a peer");
                    self.announce(SessionEvent::Equal(peer));
                }
                Output::TrustChanged => {
                    if let Some(replica) = &self.replica {
                        self.admission.renew(replica.trust());
                    }
                    if let Some(transport) = self.transport.clone() {
                        tokio::spawn(async move { transport.recheck_admission().await });
                    }
                }
                Output::Forked { log, seq } => {
                    tracing::error!(author = %log.author.short(), seq, "an author wrote two histories; from here on neither counts until an authority ratifies one");
                }
                Output::SetAside { log, seq, entries } => {
                    tracing::warn!(author = %log.author.short(), seq, entries, "another branch of a log was ratified; what was held of this one is kept, to be recorded again where it is still true");
                }
                Output::BadGrant { granter } => {
                    tracing::warn!(granter = %granter.short(), "a key that this node was handed cannot be opened: what is written under it cannot be read here; if it happens again, remove that node");
                }
                Output::LeakyKey { family } => {
                    tracing::error!(
                        family,
                        "no more grants fit, so this node cannot make a new key; a removed node that gets hold of what is recorded here from now on can read it; get the removed node back, or keep it away from carriers"
                    );
                }
                Output::Unreadable { log, seq, reason } => {
                    tracing::warn!(author = %log.author.short(), seq, reason, "an entry is kept but has no effect");
                }
            }
        }
    }

    /// Memory is ahead of the disk after a failed write: the store is closed and opened again.
    async fn reopen_after_failure(&mut self) {
        if self.failed_at.is_none_or(|failed| failed.elapsed() < REOPEN_EVERY) {
            return;
        }
        self.failed_at = Some(Instant::now());
        for node in self.peers.take_all() {
            if let Some(transport) = &self.transport {
                transport.disconnect(node.0).await;
            }
        }
        drop(self.replica.take());
        match super::open(&mut self.opener) {
            Ok(replica) => {
                tracing::info!("the store is open again");
                self.admission.renew(replica.trust());
                self.replica = Some(replica);
                self.failed_at = None;
                self.status_due = true;
            }
            Err(error) => tracing::error!(%error, "the store does not open; trying again"),
        }
    }

    fn publish_status(&mut self) {
        if !self.status_due || self.status_at.elapsed() < STATUS_EVERY {
            return;
        }
        if let Some(replica) = &mut self.replica {
            self.status_due = replica.unfolded() > 0 || self.views_progress.lag() > 0;
            self.status_at = Instant::now();
            let addresses = addresses(self.transport.as_ref());
            let status = Status::of(replica, &self.peers, self.views_progress.lag(), addresses);
            self.warn_of_thefts(&status.redeemed_twice);
            self.status.send_replace(status);
        }
    }

    /// Says once of each invite by whom it was redeemed.
    fn warn_of_thefts(&mut self, redeemed_twice: &[RedeemedTwice]) {
        for twice in redeemed_twice.iter().filter(|twice| !self.warned.contains(twice)) {
            let nodes: Vec<String> = twice.nodes.iter().map(|one| format!("{} ({})", one.name, one.node)).collect();
            tracing::warn!(
                invite = %twice.invite, name = %twice.name, nodes = %nodes.join(", "),
                "one invite was redeemed by several nodes: revoke those that are not the town's"
            );
        }
        self.warned = redeemed_twice.to_vec();
    }
}

fn addresses(transport: Option<&Transport>) -> Vec<String> {
    transport.iter().flat_map(|transport| transport.local_addresses()).map(|address| address.to_string()).collect()
}
