//! Bringing two replicas up to date with each other.
//!
//! # A session
//!
//! 1. Both send [`Message::Hello`]: town, own certificate with its chain, digests of `auth`, of all namespaces that both
//!    may hold, and of the cards. If all are equal, the session is up to date after this one exchange.
//! 2. Where `auth` differs: both send their frontier of it, then the entries the other lacks.
//! 3. Then both send [`Message::Digests`] of the namespaces that both may hold; for each that differs both send
//!    their [`Message::Frontier`], and then persons' keys and entries that the other lacks, most urgent first.
//!    - A node with more than [`crate::bounds::MANY_LOGS`] logs and shelves in the namespace first sends
//!      [`Message::BucketDigests`] instead. It is answered by a frontier of the buckets that differ.
//!    - A frontier is answered, unless one was sent already, by a frontier of those of its buckets that differ. What
//!      either side held when it first spoke of the namespace stands, for the other, in the buckets not listed.
//!    - Frontiers come in pages, so any number of logs can be listed.
//! 4. From then on each entry is passed on as soon as it is durable, to whoever has it sooner from others as [`Message::News`]
//!    after a moment. A node with nothing left to send says so with
//!    [`Message::Summary`], from which both see whether they are equal.
//!
//! Nothing about a session survives it: the next one begins with what is durable on both sides.

pub mod frontier;
pub mod keys;
pub mod message;
pub mod news;
pub mod run;
pub mod session;

pub use frontier::{Buckets, Frontier, LogHeight};
pub use keys::KeyRun;
pub use message::{Message, MessageError};
pub use news::News;
pub use run::{Run, RunEntry};
pub use session::{Progress, Session};
