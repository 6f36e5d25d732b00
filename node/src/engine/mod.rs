//! The engine: one thread that owns the replica and drives it.
//!
//! Requests from the API, messages from peers and time all meet here, so the replica needs no lock. One turn of the
//! loop handles what has gathered, commits it in one durable transaction, and only then answers: whoever waits for
//! an answer has its record on disk (group commit, DESIGN 12.21). What is left of the turn goes to sending, to
//! folding foreign entries, and to feeding the views.

mod admission;
mod disk;
mod peers;
mod status;
mod turn;
mod views_feed;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{broadcast, mpsc, oneshot, watch};
use townmesh_crdt::clock::Millis;
use townmesh_crdt::command::CommandError;
use townmesh_crdt::id::NodeId;
use townmesh_crdt::replica::{OpenError, Opening, Replica, Request as CarriedRequest};
use townmesh_crdt::store::StoreError;
use townmesh_transport::{Events, Transport};

pub use admission::{TownAdmission, encode_chain};
pub use status::{NamespaceStatus, PeerStatus, Status};
pub use views_feed::ViewsProgress;

use crate::damage::contained;
use crate::views::Views;

/// Requests that may wait; beyond it callers are told to come back.
const REQUESTS: usize = 1024;

/// Why the engine did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Too many requests are waiting.
    #[error("the node is busy: {REQUESTS} requests are waiting; try again in a moment")]
    Busy,
    /// The node is stopping, or its store cannot be opened at the moment.
    #[error("the node is stopping or its store is not available: see its log, then start it again")]
    Stopped,
    /// The command was refused.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The disk failed; the record was not saved.
    #[error("nothing was saved: {0}")]
    Store(String),
}

/// Sessions coming and going, for whoever waits for them. A listener that is too slow misses the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEvent {
    /// A session began.
    Opened(NodeId),
    /// This node and the peer hold the same, durably, of all that both may hold.
    Equal(NodeId),
    /// The session ended.
    Closed(NodeId),
}

/// Session events that a slow listener may have outstanding.
const SESSION_EVENTS: usize = 256;

/// Settles a request once it is known whether the batch became durable.
type Reply = Box<dyn FnOnce(Result<(), &StoreError>) + Send>;
type Job = Box<dyn FnOnce(&mut Replica, Millis) -> Reply + Send>;

enum Request {
    /// Stages something; its reply waits for the commit.
    Record(Job),
    /// Reads only; answers at once.
    Read(Box<dyn FnOnce(&mut Replica) + Send>),
    /// Asks for the status as it is now.
    Status(oneshot::Sender<Status>),
    Stop(oneshot::Sender<()>),
}

/// A handle to the running engine. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    requests: mpsc::Sender<Request>,
    status: watch::Receiver<Status>,
    sessions: broadcast::Sender<SessionEvent>,
    views: Arc<ViewsProgress>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

/// How to open the replica; called again after the disk failed.
pub type Opener = Box<dyn FnMut() -> Result<Opening, OpenError> + Send>;

/// What an engine runs on.
pub struct Parts {
    /// Opens the replica.
    pub opener: Opener,
    /// The network; none for commands that only read or record.
    pub network: Option<(Transport, Events)>,
    /// Decides who may connect; follows the replica's certificates.
    pub admission: Arc<TownAdmission>,
    /// The views to feed; none where nobody looks.
    pub views: Option<Views>,
    /// A folder on the disk whose room is watched; none where it is not.
    pub disk: Option<PathBuf>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Parts")
    }
}

/// Opens the replica.
fn open(opener: &mut Opener) -> Result<Replica, OpenError> {
    contained(|| Replica::open(opener()?, now()))
}

tokio::task_local! {
    /// The request with a key that this task carries out.
    static CARRIES_OUT: Keyed;
    /// The account for whom this task writes.
    static WRITES_FOR: String;
}

/// Does some work in the name of somebody: what is written stands beside their account.
pub async fn writing_for<F: Future>(account: String, work: F) -> F::Output {
    WRITES_FOR.scope(account, work).await
}

/// A request with a key, and what is held for it until nothing of it is on its way any more.
#[derive(Clone)]
struct Keyed {
    request: CarriedRequest,
    /// Let go when the last job is committed, also where the caller has long given up.
    _held: Arc<dyn Send + Sync>,
}

/// Does some work on behalf of a request: what it records is noted together with that, in one commit. `held` is let go when
/// neither the work nor any job that it gave to the engine is left.
pub async fn carrying_out<F: Future>(request: CarriedRequest, held: Arc<dyn Send + Sync>, work: F) -> F::Output {
    CARRIES_OUT.scope(Keyed { request, _held: held }, work).await
}

/// Milliseconds since 1970 by this machine's clock.
pub fn now() -> Millis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as Millis)
}

impl Engine {
    /// Opens the replica and starts the engine's thread. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// [`OpenError`] if the replica does not open.
    pub fn start(mut parts: Parts) -> Result<Self, OpenError> {
        let replica = open(&mut parts.opener)?;
        parts.admission.renew(replica.trust());
        let (requests, receiver) = mpsc::channel(REQUESTS);
        let views = Arc::new(ViewsProgress::default());
        let (publish, status) = watch::channel(Status::default());
        let sessions = broadcast::channel(SESSION_EVENTS).0;
        let announce = sessions.clone();
        let runtime = tokio::runtime::Handle::current();
        let progress = Arc::clone(&views);
        let thread = std::thread::Builder::new().name("replica".into());
        thread.spawn(move || {
            let turn = turn::Turn::new(replica, parts, receiver, (publish, announce), progress);
            runtime.block_on(turn.run());
        })?;
        Ok(Self { requests, status, sessions, views })
    }

    /// Runs a job that stages something. Answers after the commit that made it durable. A request with a key is carried
    /// out by it.
    ///
    /// # Errors
    /// [`EngineError`]; nothing was saved then.
    pub async fn record<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Replica, Millis) -> Result<T, CommandError> + Send + 'static,
    ) -> Result<T, EngineError> {
        self.stage(job, |_| true).await
    }

    /// Runs a job that may find that nothing is to be done: a request with a key is then not carried out, and may be corrected.
    ///
    /// # Errors
    /// [`EngineError`]; nothing was saved then.
    pub async fn decide<T: Send + 'static, E: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Replica, Millis) -> Result<Result<T, E>, CommandError> + Send + 'static,
    ) -> Result<Result<T, E>, EngineError> {
        self.stage(job, Result::is_ok).await
    }

    /// Runs one of several jobs of a request, each of which changes nothing when it is run again. A request with a key is
    /// carried out when its answer is noted.
    ///
    /// # Errors
    /// [`EngineError`]; nothing was saved then.
    pub async fn step<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Replica, Millis) -> Result<T, CommandError> + Send + 'static,
    ) -> Result<T, EngineError> {
        self.stage(job, |_| false).await
    }

    async fn stage<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Replica, Millis) -> Result<T, CommandError> + Send + 'static,
        carries_out: fn(&T) -> bool,
    ) -> Result<T, EngineError> {
        let (answer, answered) = oneshot::channel();
        let keyed = CARRIES_OUT.try_with(Clone::clone).ok();
        let account = WRITES_FOR.try_with(Clone::clone).ok();
        let job: Job = Box::new(move |replica, now| {
            replica.write_for(account);
            let outcome = job(replica, now);
            replica.write_for(None);
            if let (Ok(value), Some(keyed)) = (&outcome, &keyed)
                && carries_out(value)
            {
                replica.note_request(&keyed.request, now);
            }
            Box::new(move |committed| {
                drop(keyed);
                let outcome = match (outcome, committed) {
                    (Ok(value), Ok(())) => Ok(value),
                    (Ok(_), Err(error)) => Err(EngineError::Store(error.to_string())),
                    (Err(error), _) => Err(EngineError::Command(error)),
                };
                // A caller that no longer waits has given up on the answer, not on the record.
                let _ = answer.send(outcome);
            })
        });
        self.send(Request::Record(job))?;
        answered.await.unwrap_or(Err(EngineError::Stopped))
    }

    /// Runs a job that only reads.
    ///
    /// # Errors
    /// [`EngineError::Busy`], [`EngineError::Stopped`].
    pub async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Replica) -> T + Send + 'static,
    ) -> Result<T, EngineError> {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(move |replica: &mut Replica| _ = answer.send(job(replica)));
        self.send(Request::Read(job))?;
        answered.await.map_err(|_| EngineError::Stopped)
    }

    fn send(&self, request: Request) -> Result<(), EngineError> {
        self.requests.try_send(request).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => EngineError::Busy,
            mpsc::error::TrySendError::Closed(_) => EngineError::Stopped,
        })
    }

    /// What the node holds and whom it is connected to, a few times a second at most.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// What the node holds and whom it is connected to at this moment.
    ///
    /// # Errors
    /// [`EngineError::Busy`], [`EngineError::Stopped`].
    pub async fn status_now(&self) -> Result<Status, EngineError> {
        let (answer, answered) = oneshot::channel();
        self.send(Request::Status(answer))?;
        answered.await.map_err(|_| EngineError::Stopped)
    }

    /// Sessions that come, go or are up to date from now on.
    pub fn sessions(&self) -> broadcast::Receiver<SessionEvent> {
        self.sessions.subscribe()
    }

    /// How far the views have come.
    pub fn views(&self) -> &ViewsProgress {
        &self.views
    }

    /// Commits what is staged and stops the thread.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.requests.send(Request::Stop(done)).await.is_ok() {
            let _ = stopped.await;
        }
    }
}
