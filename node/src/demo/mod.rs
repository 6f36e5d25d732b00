//! The model town on one machine, and the day that shows what it is for.

pub mod link;
