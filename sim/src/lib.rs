//! The model town and its simulator: generates households, and drives the production replica through faults.

pub mod generator;
