//! The pure core of townmesh.

pub mod bounds;
pub mod card;
pub mod certificate;
pub mod change;
pub mod clock;
pub mod codec;
pub mod command;
pub mod document;
pub mod domain;
pub mod enrol;
pub mod entry;
pub mod evidence;
pub mod fork;
pub mod grant;
pub mod id;
pub mod namespace;
mod openapi;
pub mod policy;
pub mod refusal;
pub mod replica;
pub mod seal;
pub mod shelf;
pub mod signature;
pub mod store;
pub mod sync;
pub mod trust;
pub mod value;
