//! Real nodes on the loopback interface.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test fails by panicking")]

mod admission;
mod hostile;
mod network;
mod node;
mod relay;
mod sessions;
