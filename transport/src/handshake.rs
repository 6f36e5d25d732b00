//! The exchange of credentials on a fresh session stream.
//!
//! ```text
//! both:        hello ->  <- hello     (credentials)
//! both:        admit ->  <- admit     (or refuse, with a text for the peer's operator)
//! leading side only:     start / decline
//! ```
//!
//! Only after `start` may either side send data. Which side leads is fixed by the keys, see `election`.

use libp2p::swarm::{ConnectionId, Stream};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::time::timeout;

use crate::admission::{Admission, Refusal};
use crate::codec::{CodecError, Frame, Hello};
use crate::events::{Path, RefusedReason};
use crate::wire::{Channel, WireError};
use crate::{Limits, PeerKey};

/// How long a refused peer gets to read the refusal before its connection is closed.
const PARTING: Duration = Duration::from_secs(1);

/// A stream whose handshake is to be done.
pub(crate) struct Attempt {
    pub(crate) peer: PeerKey,
    pub(crate) connection: ConnectionId,
    pub(crate) path: Path,
    /// Whether this side decides which stream becomes the session.
    pub(crate) leads: bool,
    /// What this side says first.
    pub(crate) hello: Hello,
    /// The round of judgement in which the handshake takes place, see `Driver::begin`.
    pub(crate) round: u64,
    pub(crate) stream: Stream,
}

/// A stream over which both sides have admitted each other.
pub(crate) struct Candidate {
    pub(crate) peer: PeerKey,
    pub(crate) connection: ConnectionId,
    pub(crate) path: Path,
    /// What the peer said first.
    pub(crate) hello: Hello,
    /// The round of judgement in which the peer was admitted.
    pub(crate) round: u64,
    pub(crate) channel: Channel,
}

/// How a handshake ended.
pub(crate) enum Outcome {
    /// This side leads and has to decide.
    Undecided(Candidate),
    /// The leading peer started this stream as its session of that number.
    Started(Candidate, u64),
    /// The leading peer keeps another stream.
    Declined,
    /// One side did not admit the other.
    Refused(RefusedReason),
    /// Nothing came of it.
    Failed(HandshakeError),
}

/// Why nothing came of a handshake.
#[derive(Debug, Error)]
pub(crate) enum HandshakeError {
    #[error("the peer did not finish the handshake in time")]
    Timeout,
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("the peer sent another frame than {0}")]
    OutOfTurn(&'static str),
}

impl From<std::io::Error> for HandshakeError {
    fn from(error: std::io::Error) -> Self {
        HandshakeError::Wire(error.into())
    }
}

impl From<CodecError> for HandshakeError {
    fn from(error: CodecError) -> Self {
        HandshakeError::Wire(error.into())
    }
}

/// Performs the handshake within [`Limits::admission_timeout`].
pub(crate) async fn perform(attempt: Attempt, admission: Arc<dyn Admission>, limits: Arc<Limits>) -> Outcome {
    let Attempt { peer, connection, path, leads, hello, round, stream } = attempt;
    let mut channel = Channel::new(stream, limits.hello_bytes());
    let exchange = exchange(&mut channel, peer, leads, hello, admission.as_ref());
    match timeout(limits.admission_timeout, exchange).await {
        Err(_) => Outcome::Failed(HandshakeError::Timeout),
        Ok(Err(error)) => Outcome::Failed(error),
        Ok(Ok(Verdict::RefusedByPeer(refusal))) => Outcome::Refused(RefusedReason::ByPeer(refusal)),
        Ok(Ok(Verdict::RefusedByUs(refusal))) => {
            // The connection is closed after this, and what the peer has not read by then is lost to it.
            let _ = timeout(PARTING, part(&mut channel)).await;
            Outcome::Refused(RefusedReason::ByUs(refusal))
        }
        Ok(Ok(Verdict::Declined)) => Outcome::Declined,
        Ok(Ok(Verdict::Admitted { hello, number })) => {
            channel.reader.set_limit(limits.message_bytes);
            let candidate = Candidate { peer, connection, path, hello, round, channel };
            match number {
                Some(number) => Outcome::Started(candidate, number),
                None => Outcome::Undecided(candidate),
            }
        }
    }
}

/// Tells the peer that its stream is not needed, and lets it read that.
pub(crate) async fn decline(mut channel: Channel) {
    let farewell = async {
        if channel.writer.send(&Frame::Decline).await.is_ok() {
            part(&mut channel).await;
        }
    };
    let _ = timeout(PARTING, farewell).await;
}

async fn part(channel: &mut Channel) {
    let _ = channel.writer.close().await;
    channel.reader.drain().await;
}

enum Verdict {
    Admitted { hello: Hello, number: Option<u64> },
    Declined,
    RefusedByUs(Refusal),
    RefusedByPeer(Refusal),
}

async fn exchange(
    channel: &mut Channel,
    peer: PeerKey,
    leads: bool,
    hello: Hello,
    admission: &dyn Admission,
) -> Result<Verdict, HandshakeError> {
    let Channel { reader, writer } = channel;
    writer.send(&Frame::Hello(hello)).await?;
    let Frame::Hello(hello) = reader.frame().await? else {
        return Err(HandshakeError::OutOfTurn("hello"));
    };
    let judgement = admission.admit(peer, &hello.credentials);
    if let Err(refusal) = judgement {
        writer.send(&Frame::Refuse(refusal.clone())).await?;
        return Ok(Verdict::RefusedByUs(refusal));
    }
    writer.send(&Frame::Admit).await?;
    if let Some(refusal) = admitted(reader.frame().await?)? {
        return Ok(Verdict::RefusedByPeer(refusal));
    }
    if leads {
        return Ok(Verdict::Admitted { hello, number: None });
    }
    match reader.frame().await? {
        Frame::Start(number) => Ok(Verdict::Admitted { hello, number: Some(number) }),
        Frame::Decline => Ok(Verdict::Declined),
        Frame::Hello(_)
        | Frame::Admit
        | Frame::Refuse(_)
        | Frame::Data(_)
        | Frame::KeepAlive { .. }
        | Frame::Goodbye => Err(HandshakeError::OutOfTurn("start or decline")),
    }
}

/// Reads the peer's verdict: `None` for admitted.
fn admitted(frame: Frame) -> Result<Option<Refusal>, HandshakeError> {
    match frame {
        Frame::Admit => Ok(None),
        Frame::Refuse(refusal) => Ok(Some(refusal)),
        Frame::Hello(_)
        | Frame::Start(_)
        | Frame::Decline
        | Frame::Data(_)
        | Frame::KeepAlive { .. }
        | Frame::Goodbye => Err(HandshakeError::OutOfTurn("admit or refuse")),
    }
}
