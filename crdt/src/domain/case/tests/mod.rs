//! Tests of cases.
#![allow(clippy::wildcard_enum_match_arm, reason = "a test fails on what it does not expect")]

mod codec;
mod deadlines;
mod editions;
mod interleavings;
mod merges;
mod orders;
mod pairs;
mod random;
mod settlements;
mod soundness;
mod town;
mod transitions;
mod unaware;
