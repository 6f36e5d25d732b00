//! Frames of the session stream and their bounded codec. Pure: no sockets, no time.
//!
//! ```text
//! frame := length:u32be kind:u8 body:[u8; length-1]      1 <= length <= 1 + the limit in force
//! ```
//!
//! | kind | name | body |
//! | --- | --- | --- |
//! | 1 | hello | `incarnation:u64be current:u64be max_message:u32be credentials:[u8]` |
//! | 2 | admit | empty |
//! | 3 | refuse | `code:u16be text:[u8]` (UTF-8, at most 512 bytes) |
//! | 4 | start | `number:u64be` |
//! | 5 | decline | empty |
//! | 6 | data | one application message |
//! | 7 | keep-alive | `0` or `1`; 1 asks for an answer at once |
//! | 8 | goodbye | empty |
//!
//! The length is checked against the limit as soon as its four bytes are there, before any memory is set aside for
//! the body; until both sides have admitted each other the limit is that of a hello, not that of a message.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;

use crate::admission::{MAX_REFUSAL_TEXT, Refusal};

/// Bytes of a hello beyond its credentials.
pub(crate) const HELLO_FIXED: usize = 20;

/// One frame of the session stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// The first frame in each direction.
    Hello(Hello),
    /// The sender admits the receiver.
    Admit,
    /// The sender does not admit the receiver, at the handshake or any longer.
    Refuse(Refusal),
    /// The leading side makes this stream the session of the pair (see the `election` module).
    Start(u64),
    /// The leading side keeps another stream as the session of the pair.
    Decline,
    /// One application message.
    Data(Bytes),
    /// Nothing to say, still here.
    KeepAlive { answer: bool },
    /// The sender ends the session on purpose.
    Goodbye,
}

/// What each side says about itself first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    /// Random per process: tells a restarted peer from one whose connection broke.
    pub(crate) incarnation: u64,
    /// The number of the session with the receiver that the sender believes alive, 0 for none.
    pub(crate) current: u64,
    /// Largest message the sender accepts, in bytes.
    pub(crate) max_message: u32,
    /// For the receiver's [`Admission`](crate::Admission).
    pub(crate) credentials: Bytes,
}

/// Bytes that are no frame. Ends the session: after an error the stream has no known frame boundary.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum CodecError {
    #[error("a frame of {length} bytes exceeds the limit of {limit}")]
    TooLarge { length: u64, limit: usize },
    #[error("a frame without a kind")]
    Empty,
    #[error("unknown frame kind {0}")]
    UnknownKind(u8),
    #[error("malformed body of a {0} frame")]
    Malformed(&'static str),
}

impl Frame {
    /// Appends the frame to `out`.
    pub(crate) fn encode(&self, out: &mut BytesMut) {
        match self {
            Frame::Hello(hello) => {
                header(out, 1, HELLO_FIXED + hello.credentials.len());
                out.put_u64(hello.incarnation);
                out.put_u64(hello.current);
                out.put_u32(hello.max_message);
                out.put_slice(&hello.credentials);
            }
            Frame::Admit => header(out, 2, 0),
            Frame::Refuse(refusal) => {
                header(out, 3, 2 + refusal.text().len());
                out.put_u16(refusal.code());
                out.put_slice(refusal.text().as_bytes());
            }
            Frame::Start(number) => {
                header(out, 4, 8);
                out.put_u64(*number);
            }
            Frame::Decline => header(out, 5, 0),
            Frame::Data(message) => {
                data_header(out, message.len());
                out.put_slice(message);
            }
            Frame::KeepAlive { answer } => {
                header(out, 7, 1);
                out.put_u8(u8::from(*answer));
            }
            Frame::Goodbye => header(out, 8, 0),
        }
    }

    fn parse(kind: u8, mut body: Bytes) -> Result<Frame, CodecError> {
        match kind {
            1 if body.len() >= HELLO_FIXED => Ok(Frame::Hello(Hello {
                incarnation: body.get_u64(),
                current: body.get_u64(),
                max_message: body.get_u32(),
                credentials: body,
            })),
            1 => Err(CodecError::Malformed("hello")),
            2 if body.is_empty() => Ok(Frame::Admit),
            2 => Err(CodecError::Malformed("admit")),
            3 => refuse(body),
            4 if body.len() == 8 => Ok(Frame::Start(body.get_u64())),
            4 => Err(CodecError::Malformed("start")),
            5 if body.is_empty() => Ok(Frame::Decline),
            5 => Err(CodecError::Malformed("decline")),
            6 => Ok(Frame::Data(body)),
            7 => match body.as_ref() {
                [0] => Ok(Frame::KeepAlive { answer: false }),
                [1] => Ok(Frame::KeepAlive { answer: true }),
                _ => Err(CodecError::Malformed("keep-alive")),
            },
            8 if body.is_empty() => Ok(Frame::Goodbye),
            8 => Err(CodecError::Malformed("goodbye")),
            unknown => Err(CodecError::UnknownKind(unknown)),
        }
    }
}

/// Appends the header of a data frame, so that a large message can follow without being copied.
pub(crate) fn data_header(out: &mut BytesMut, message_len: usize) {
    header(out, 6, message_len);
}

fn header(out: &mut BytesMut, kind: u8, body_len: usize) {
    // Bodies are bounded far below 4 GiB by the limits; a longer one would be refused by the peer, never wrapped.
    out.put_u32(u32::try_from(body_len + 1).unwrap_or(u32::MAX));
    out.put_u8(kind);
}

fn refuse(mut body: Bytes) -> Result<Frame, CodecError> {
    if body.len() < 2 || body.len() > 2 + MAX_REFUSAL_TEXT {
        return Err(CodecError::Malformed("refuse"));
    }
    let code = body.get_u16();
    let text = std::str::from_utf8(&body).map_err(|_| CodecError::Malformed("refuse"))?;
    Ok(Frame::Refuse(Refusal::new(code, text)))
}

/// Cuts a byte stream into frames.
#[derive(Debug)]
pub(crate) struct Decoder {
    buffer: BytesMut,
    limit: usize,
}

impl Decoder {
    /// A decoder for frames with bodies of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { buffer: BytesMut::new(), limit }
    }

    /// Sets the limit for the frames that follow.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Takes bytes from the stream. Call [`next`](Self::next) until it returns `None` before feeding more: the
    /// buffer then never holds more than one frame plus one chunk.
    pub(crate) fn feed(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
    }

    /// The next whole frame, if it is there.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>, CodecError> {
        let Some((prefix, _)) = self.buffer.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let announced = u32::from_be_bytes(*prefix);
        let length = usize::try_from(announced).unwrap_or(usize::MAX);
        if length == 0 {
            return Err(CodecError::Empty);
        }
        if length - 1 > self.limit {
            return Err(CodecError::TooLarge { length: u64::from(announced), limit: self.limit });
        }
        if self.buffer.len() < 4 + length {
            return Ok(None);
        }
        self.buffer.advance(4);
        let kind = self.buffer.get_u8();
        let body = self.buffer.split_to(length - 1).freeze();
        Frame::parse(kind, body).map(Some)
    }

    #[cfg(test)]
    fn capacity(&self) -> usize {
        self.buffer.capacity()
    }
}

/// Decodes bytes as a session stream that arrives in chunks of `chunk` bytes, for fuzzing; returns how many frames
/// there were. Fails by panicking: when a frame is not encoded to the bytes it was decoded from.
#[cfg(feature = "fuzzing")]
pub fn fuzz_frames(bytes: &[u8], chunk: usize, limit: usize) -> usize {
    let mut decoder = Decoder::new(limit);
    let (mut frames, mut again) = (0, BytesMut::new());
    for part in bytes.chunks(chunk.max(1)) {
        decoder.feed(part);
        loop {
            match decoder.next() {
                Ok(Some(frame)) => frame.encode(&mut again),
                Ok(None) => break,
                Err(_) => return frames,
            }
            frames += 1;
            assert!(bytes.starts_with(&again), "frame {frames} is not encoded as it was received");
        }
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: usize = 2048;

    fn any_frame() -> impl Strategy<Value = Frame> {
        prop_oneof![
            (any::<u64>(), any::<u64>(), any::<u32>(), prop::collection::vec(any::<u8>(), 0..600)).prop_map(
                |(incarnation, current, max_message, credentials)| Frame::Hello(Hello {
                    incarnation,
                    current,
                    max_message,
                    credentials: credentials.into()
                })
            ),
            Just(Frame::Admit),
            (any::<u16>(), ".{0,100}").prop_map(|(code, text)| Frame::Refuse(Refusal::new(code, text))),
            any::<u64>().prop_map(Frame::Start),
            Just(Frame::Decline),
            prop::collection::vec(any::<u8>(), 0..LIMIT).prop_map(|body| Frame::Data(body.into())),
            any::<bool>().prop_map(|answer| Frame::KeepAlive { answer }),
            Just(Frame::Goodbye),
        ]
    }

    fn decode_all(bytes: &[u8], chunk: usize) -> Result<Vec<Frame>, CodecError> {
        let mut decoder = Decoder::new(LIMIT);
        let mut frames = Vec::new();
        for part in bytes.chunks(chunk) {
            decoder.feed(part);
            while let Some(frame) = decoder.next()? {
                frames.push(frame);
            }
        }
        Ok(frames)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn frames_survive_any_chunking(frames in prop::collection::vec(any_frame(), 0..6), chunk in 1usize..700) {
            let mut bytes = BytesMut::new();
            frames.iter().for_each(|frame| frame.encode(&mut bytes));
            prop_assert_eq!(decode_all(&bytes, chunk).unwrap(), frames);
        }

        #[test]
        fn any_bytes_decode_or_fail_but_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0u8..10) {
            let _ = decode_all(&bytes, 7);
            // The same bytes as the body of every kind, since random lengths rarely fit.
            let mut framed = BytesMut::new();
            header(&mut framed, kind, bytes.len());
            framed.put_slice(&bytes);
            if let Ok(frames) = decode_all(&framed, 64) {
                let mut again = BytesMut::new();
                frames.iter().for_each(|frame| frame.encode(&mut again));
                prop_assert_eq!(again, framed, "what decodes has exactly one encoding");
            }
        }
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_memory_is_set_aside() {
        let mut decoder = Decoder::new(LIMIT);
        decoder.feed(&u32::MAX.to_be_bytes());
        assert_eq!(decoder.next(), Err(CodecError::TooLarge { length: u64::from(u32::MAX), limit: LIMIT }));
        assert!(decoder.capacity() < 256);
    }

    #[test]
    fn the_limit_counts_the_body_alone() {
        let fits = Frame::Data(vec![1; LIMIT].into());
        let mut bytes = BytesMut::new();
        fits.encode(&mut bytes);
        assert_eq!(decode_all(&bytes, 100).unwrap(), vec![fits]);

        let mut bytes = BytesMut::new();
        Frame::Data(vec![1; LIMIT + 1].into()).encode(&mut bytes);
        assert!(matches!(decode_all(&bytes, 100), Err(CodecError::TooLarge { .. })));
    }

    #[test]
    fn a_truncated_frame_is_no_frame() {
        let mut bytes = BytesMut::new();
        Frame::Start(9).encode(&mut bytes);
        for end in 0..bytes.len() {
            assert_eq!(decode_all(&bytes[..end], 3).unwrap(), vec![]);
        }
    }
}
