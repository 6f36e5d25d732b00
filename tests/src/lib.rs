//! Whole-town tests: real `townmesh` processes, real libp2p, and a judge that trusts neither.
//!
//! [`verdict`] decides from exported files alone; [`process`] finds the program under test; [`runner`] runs scenarios and
//! counts what could not run as skipped. The scenarios stand in `tests/town`.

pub mod process;
pub mod runner;
pub mod verdict;
