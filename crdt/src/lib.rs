//! The pure core of townmesh.

pub mod bounds;
pub mod change;
pub mod clock;
pub mod codec;
pub mod document;
pub mod domain;
pub mod entry;
pub mod id;
pub mod namespace;
pub mod seal;
pub mod value;
