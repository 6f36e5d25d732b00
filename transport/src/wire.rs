//! Frames on a libp2p stream.

use bytes::{Bytes, BytesMut};
use futures::io::{ReadHalf, WriteHalf};
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::swarm::Stream;
use std::io;
use std::time::Duration;
use thiserror::Error;
use tokio::time::timeout;

use crate::codec::{CodecError, Decoder, Frame, data_header};

/// How much is read from the stream at a time, and how much of small messages is gathered into one write.
pub(crate) const CHUNK: usize = 16 * 1024;

/// Why no frame came or went.
#[derive(Debug, Error)]
pub(crate) enum WireError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Codec(#[from] CodecError),
    #[error("the peer closed the stream")]
    End,
}

/// Both directions of a session stream.
pub(crate) struct Channel {
    pub(crate) reader: FrameReader,
    pub(crate) writer: FrameWriter,
}

impl Channel {
    pub(crate) fn new(stream: Stream, limit: usize) -> Self {
        let (read, write) = stream.split();
        Self {
            reader: FrameReader { io: read, decoder: Decoder::new(limit), chunk: vec![0; CHUNK] },
            writer: FrameWriter { io: write, buffer: BytesMut::new(), whole: true },
        }
    }
}

/// Reads frames. Memory: one chunk plus one frame of at most the limit, grown as its bytes arrive.
pub(crate) struct FrameReader {
    io: ReadHalf<Stream>,
    decoder: Decoder,
    chunk: Vec<u8>,
}

impl FrameReader {
    /// Sets the limit of the bodies that follow.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.decoder.set_limit(limit);
    }

    /// The next frame among the bytes read so far.
    pub(crate) fn buffered(&mut self) -> Result<Option<Frame>, CodecError> {
        self.decoder.next()
    }

    /// Reads one chunk; returns its length. Cancel-safe. Call after [`buffered`](Self::buffered) returned `None`.
    pub(crate) async fn fill(&mut self) -> Result<usize, WireError> {
        let length = self.io.read(&mut self.chunk).await?;
        match self.chunk.get(..length) {
            Some([]) | None => Err(WireError::End),
            Some(read) => {
                self.decoder.feed(read);
                Ok(length)
            }
        }
    }

    /// The next frame. Cancel-safe.
    pub(crate) async fn frame(&mut self) -> Result<Frame, WireError> {
        loop {
            if let Some(frame) = self.buffered()? {
                return Ok(frame);
            }
            self.fill().await?;
        }
    }

    /// Waits until the peer closes its side, dropping what still arrives.
    pub(crate) async fn drain(&mut self) {
        while let Ok(1..) = self.io.read(&mut self.chunk).await {}
    }
}

/// Writes frames.
pub(crate) struct FrameWriter {
    io: WriteHalf<Stream>,
    buffer: BytesMut,
    /// False while a write is under way: after a cancelled write, the stream ends inside a frame.
    whole: bool,
}

impl FrameWriter {
    /// Writes one frame and flushes; returns the bytes written.
    pub(crate) async fn send(&mut self, frame: &Frame) -> io::Result<usize> {
        if !self.whole {
            return Err(io::Error::other("the stream was left inside a frame"));
        }
        self.buffer.clear();
        frame.encode(&mut self.buffer);
        self.whole = false;
        self.io.write_all(&self.buffer).await?;
        self.io.flush().await?;
        self.whole = true;
        Ok(self.buffer.len())
    }

    /// Writes messages as data frames and flushes; returns the bytes written. Small messages share one write.
    ///
    /// # Errors
    /// `TimedOut` when the peer accepts no byte for `patience`.
    pub(crate) async fn send_all(&mut self, messages: &[Bytes], patience: Duration) -> io::Result<usize> {
        self.whole = false;
        self.buffer.clear();
        let mut written = 0;
        for message in messages {
            data_header(&mut self.buffer, message.len());
            if message.len() < CHUNK {
                self.buffer.extend_from_slice(message);
            }
            if self.buffer.len() >= CHUNK || message.len() >= CHUNK {
                written += patiently(&mut self.io, &self.buffer, patience).await?;
                self.buffer.clear();
            }
            if message.len() >= CHUNK {
                written += patiently(&mut self.io, message, patience).await?;
            }
        }
        written += patiently(&mut self.io, &self.buffer, patience).await?;
        timeout(patience, self.io.flush()).await.map_err(|_| io::ErrorKind::TimedOut)??;
        self.whole = true;
        Ok(written)
    }

    /// Closes this direction, telling the peer that nothing follows.
    pub(crate) async fn close(&mut self) -> io::Result<()> {
        self.io.close().await
    }
}

/// Writes all bytes, as long as every `patience` sees some of them accepted.
async fn patiently(io: &mut WriteHalf<Stream>, mut bytes: &[u8], patience: Duration) -> io::Result<usize> {
    let total = bytes.len();
    while !bytes.is_empty() {
        let accepted = timeout(patience, io.write(bytes)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        if accepted == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = bytes.get(accepted..).unwrap_or_default();
    }
    Ok(total)
}
