//! One node of a town that keeps working when its network does not: configuration, keys, engine, views, HTTP API and
//! command line.

pub mod cli;
pub mod config;
mod damage;
pub mod data_dir;
pub mod demo;
pub mod engine;
pub mod evidence;
pub mod http;
pub mod keys;
pub mod ledger;
pub mod message;
mod moment;
mod paper;
mod refusal;
pub mod reveals;
mod thumbnail;
pub mod verify;
pub mod views;
