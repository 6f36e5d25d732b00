//! One session with one admitted peer: a task that moves messages both ways until something ends it.
//!
//! The two directions run side by side and never wait for each other: a peer that does not read is still heard, and
//! an application that does not take messages still sends.

use bytes::Bytes;
use libp2p::swarm::ConnectionId;
use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use crate::codec::Frame;
use crate::counters::{PeerTally, Tally};
use crate::events::{CloseReason, Deaf, Event, Inbox, Path, SessionId};
use crate::outbox::{Outbox, PeerSender};
use crate::wire::{Channel, FrameReader, FrameWriter, WireError};
use crate::{Limits, PeerKey};

/// How much is picked up from the queue at a time.
const PICK: usize = 64 * 1024;
/// Time for the last words of a session.
const FAREWELL: Duration = Duration::from_millis(500);

/// What the driver tells a session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Control {
    /// Grows when the session should find out quickly whether its connection still works.
    pub(crate) probes: u64,
    /// Set once to end the session.
    pub(crate) close: Option<CloseReason>,
}

/// Everything a session needs.
pub(crate) struct Session {
    pub(crate) connection: ConnectionId,
    pub(crate) path: Path,
    pub(crate) channel: Channel,
    /// The number to start with, if this side leads.
    pub(crate) start: Option<u64>,
    pub(crate) inbox: Inbox,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) control: watch::Receiver<Control>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) tally: Arc<Tally>,
}

/// A session that is over; its `Closed` event has been queued.
pub(crate) struct Ended {
    pub(crate) peer: PeerKey,
    pub(crate) session: SessionId,
    pub(crate) connection: ConnectionId,
    pub(crate) reason: CloseReason,
}

impl Session {
    /// Runs the session to its end.
    pub(crate) async fn run(self) -> Ended {
        let Session { connection, path, channel, start, inbox, outbox, control, limits, tally } = self;
        let Channel { reader, mut writer } = channel;
        let (peer, session) = (inbox.peer, inbox.session);
        let counts = tally.peer(peer);
        let sender = PeerSender::new(Arc::clone(&outbox));
        let heard = inbox.sink.send(Event::Opened { peer, session, path, sender }).await;

        let reason = match heard {
            Err(Deaf) => CloseReason::Shutdown,
            Ok(()) => {
                let mut asked = control.clone();
                let reading = Reading {
                    reader,
                    inbox: &inbox,
                    outbox: &outbox,
                    probes: control.clone(),
                    limits: &limits,
                    counts: &counts,
                };
                let writing = Writing {
                    writer: &mut writer,
                    inbox: &inbox,
                    outbox: &outbox,
                    probes: control,
                    limits: &limits,
                    counts: &counts,
                    writable_due: false,
                };
                tokio::select! {
                    reason = reading.run() => reason,
                    reason = writing.run(start) => reason,
                    reason = asked_to_close(&mut asked) => reason,
                }
            }
        };

        tally.messages_dropped.add(outbox.close());
        farewell(&mut writer, &reason).await;
        // The driver may have gone deaf too; then nobody waits for the event.
        let _ = inbox.sink.send(Event::Closed { peer, session, reason: reason.clone() }).await;
        Ended { peer, session, connection, reason }
    }
}

async fn asked_to_close(control: &mut watch::Receiver<Control>) -> CloseReason {
    match control.wait_for(|control| control.close.is_some()).await {
        Ok(control) => control.close.clone().unwrap_or(CloseReason::Shutdown),
        Err(_) => CloseReason::Shutdown,
    }
}

/// Tells the peer why, where it is for this side to say and the stream still works.
async fn farewell(writer: &mut FrameWriter, reason: &CloseReason) {
    let frame = match reason {
        CloseReason::Disconnected | CloseReason::Shutdown => Frame::Goodbye,
        CloseReason::NotAdmitted(refusal) => Frame::Refuse(refusal.clone()),
        CloseReason::Goodbye
        | CloseReason::Replaced
        | CloseReason::Silent
        | CloseReason::Stalled
        | CloseReason::Lost(_)
        | CloseReason::Protocol(_)
        | CloseReason::NoLongerAdmitted(_) => return,
    };
    let parting = async {
        if writer.send(&frame).await.is_ok() {
            let _ = writer.close().await;
            // Closing the connection at once could overtake the frame on its way.
            tokio::time::sleep(FAREWELL / 10).await;
        }
    };
    let _ = timeout(FAREWELL, parting).await;
}

/// The receiving direction.
struct Reading<'a> {
    reader: FrameReader,
    inbox: &'a Inbox,
    outbox: &'a Outbox,
    probes: watch::Receiver<Control>,
    limits: &'a Limits,
    counts: &'a PeerTally,
}

impl Reading<'_> {
    async fn run(mut self) -> CloseReason {
        self.probes.mark_unchanged();
        loop {
            loop {
                match self.reader.buffered() {
                    Ok(None) => break,
                    Ok(Some(frame)) => {
                        if let Some(reason) = self.take(frame).await {
                            return reason;
                        }
                    }
                    Err(error) => return CloseReason::Protocol(error.to_string()),
                }
            }
            if let Err(reason) = self.hear().await {
                return reason;
            }
        }
    }

    /// Acts on one frame; returns why the session ends, if it does.
    async fn take(&mut self, frame: Frame) -> Option<CloseReason> {
        match frame {
            Frame::Data(message) => {
                self.counts.messages_received.add(1);
                // Waits while the application is behind. Silence does not count meanwhile: its clock starts anew
                // with the next read.
                let delivered = self.inbox.deliver(message).await;
                delivered.err().map(|Deaf| CloseReason::Shutdown)
            }
            Frame::KeepAlive { answer: true } => {
                self.outbox.owe_answer();
                None
            }
            Frame::KeepAlive { answer: false } => None,
            Frame::Goodbye => Some(CloseReason::Goodbye),
            Frame::Refuse(refusal) => Some(CloseReason::NoLongerAdmitted(refusal)),
            Frame::Hello(_) | Frame::Admit | Frame::Start(_) | Frame::Decline => {
                Some(CloseReason::Protocol("a handshake frame within the session".into()))
            }
        }
    }

    /// Waits for bytes, but not for ever.
    async fn hear(&mut self) -> Result<(), CloseReason> {
        let mut deadline = Instant::now() + self.limits.silence_timeout;
        loop {
            tokio::select! {
                read = self.reader.fill() => {
                    return match read {
                        Ok(length) => {
                            self.counts.bytes_received.add(length);
                            Ok(())
                        }
                        Err(error) => Err(lost(&error)),
                    };
                }
                () = sleep_until(deadline) => return Err(CloseReason::Silent),
                () = probed(&mut self.probes) => {
                    deadline = deadline.min(Instant::now() + self.limits.probe_timeout);
                }
            }
        }
    }
}

fn lost(error: &WireError) -> CloseReason {
    match error {
        WireError::Codec(error) => CloseReason::Protocol(error.to_string()),
        WireError::Io(_) | WireError::End => CloseReason::Lost(error.to_string()),
    }
}

/// Completes when the driver asks for a probe, or never once it is gone.
async fn probed(control: &mut watch::Receiver<Control>) {
    if control.changed().await.is_err() {
        pending::<()>().await;
    }
}

/// The sending direction.
struct Writing<'a> {
    writer: &'a mut FrameWriter,
    inbox: &'a Inbox,
    outbox: &'a Outbox,
    probes: watch::Receiver<Control>,
    limits: &'a Limits,
    counts: &'a PeerTally,
    /// The application is owed a `Writable`. It is never waited for: an application that is behind must not silence
    /// the session.
    writable_due: bool,
}

impl Writing<'_> {
    async fn run(mut self, start: Option<u64>) -> CloseReason {
        self.probes.mark_unchanged();
        match self.pump(start).await {
            Ok(never) => match never {},
            Err(error) if error.kind() == io::ErrorKind::TimedOut => CloseReason::Stalled,
            Err(error) => CloseReason::Lost(error.to_string()),
        }
    }

    async fn pump(&mut self, start: Option<u64>) -> io::Result<Infallible> {
        if let Some(number) = start {
            self.say(&Frame::Start(number)).await?;
        }
        let mut quiet_until = Instant::now() + self.limits.keep_alive_interval;
        loop {
            self.offer_writable();
            let messages = self.outbox.pick(PICK);
            if !messages.is_empty() {
                self.send(&messages).await?;
            } else if self.outbox.take_answer() {
                self.say(&Frame::KeepAlive { answer: false }).await?;
            } else {
                let answer = tokio::select! {
                    () = self.outbox.wake.notified() => continue,
                    () = self.inbox.sink.room(), if self.writable_due => continue,
                    () = sleep_until(quiet_until) => false,
                    () = probed(&mut self.probes) => true,
                };
                self.say(&Frame::KeepAlive { answer }).await?;
            }
            quiet_until = Instant::now() + self.limits.keep_alive_interval;
        }
    }

    async fn say(&mut self, frame: &Frame) -> io::Result<()> {
        let said = timeout(self.limits.stall_timeout, self.writer.send(frame)).await;
        self.counts.bytes_sent.add(said.map_err(|_| io::ErrorKind::TimedOut)??);
        Ok(())
    }

    async fn send(&mut self, messages: &[Bytes]) -> io::Result<()> {
        let written = self.writer.send_all(messages, self.limits.stall_timeout).await?;
        self.counts.bytes_sent.add(written);
        self.counts.messages_sent.add(messages.len());
        self.writable_due |= self.outbox.sent(messages.len(), messages.iter().map(Bytes::len).sum());
        Ok(())
    }

    fn offer_writable(&mut self) {
        if self.writable_due {
            let event = Event::Writable { peer: self.inbox.peer, session: self.inbox.session };
            self.writable_due = self.inbox.sink.offer(event).is_err();
        }
    }
}
