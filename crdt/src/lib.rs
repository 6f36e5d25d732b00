//! The pure core of townmesh.

pub mod domain;
pub mod id;
pub mod value;
