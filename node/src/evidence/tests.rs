//! Packs that are right, and everything that can be wrong with one.
