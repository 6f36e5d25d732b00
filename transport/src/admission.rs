//! Who may talk to this node. The transport carries credentials, the application judges them.

use bytes::Bytes;
use std::fmt;

use crate::PeerKey;

/// Longest text of a refusal on the wire, in bytes of UTF-8.
pub const MAX_REFUSAL_TEXT: usize = 512;

/// Judges peers before any application byte is exchanged with them.
///
/// Both sides present credentials in the first frame of a session stream, and each must admit the other. Calls come
/// from network tasks, several at a time, and must return quickly (a few signature checks, no disk or network).
pub trait Admission: Send + Sync + 'static {
    /// The credentials this node presents, asked for again at every handshake so that a renewed certificate takes
    /// effect without a restart. At most [`Limits::credentials_bytes`](crate::Limits::credentials_bytes) long.
    fn credentials(&self) -> Bytes;

    /// Whether `peer`, whose key the secure connection has already proven, may talk to this node.
    ///
    /// # Errors
    /// A [`Refusal`], which is sent to the peer so that its operator can read what to do.
    fn admit(&self, peer: PeerKey, credentials: &[u8]) -> Result<(), Refusal>;
}

/// Why a peer was not admitted; travels to that peer.
#[derive(Clone, PartialEq, Eq)]
pub struct Refusal {
    code: u16,
    text: String,
}

impl Refusal {
    /// A refusal with an application-defined code and a text for people, cut to [`MAX_REFUSAL_TEXT`] bytes.
    pub fn new(code: u16, text: impl Into<String>) -> Self {
        let mut text: String = text.into();
        if text.len() > MAX_REFUSAL_TEXT {
            let mut end = MAX_REFUSAL_TEXT;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
        }
        Self { code, text }
    }

    /// The application-defined code.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The text for people. From a remote peer: untrusted, but valid UTF-8 of bounded length.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (code {})", self.text.escape_debug(), self.code)
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refusal({}, {:?})", self.code, self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let refusal = Refusal::new(3, "县".repeat(400));
        assert_eq!(refusal.text().len(), 510);
        assert!(refusal.text().chars().all(|c| c == '县'));
    }
}
