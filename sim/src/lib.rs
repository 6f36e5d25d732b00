//! The model town and its simulator: generates households, and drives the production replica through faults.
//!
//! A run is a pure function of its options: [`plan::Plan`] draws a schedule of work and faults from a seed,
//! [`world::World`] lives through it with production replicas on simulated disks, clocks and links, and [`check`] looks
//! at what came of it. Removing steps of a schedule changes nothing about the others, so that [`shrink`] can reduce a
//! failure to a short story. [`images`] opens what every power cut could leave of one node's disk.

pub mod bugs;
pub mod check;
pub(crate) mod dice;
pub mod disk;
pub mod forecast;
pub mod generator;
pub mod images;
pub mod plan;
pub mod regressions;
pub mod run;
pub mod scale;
pub mod shrink;
pub mod town;
pub mod world;
