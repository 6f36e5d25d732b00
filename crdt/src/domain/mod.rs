//! The town: types and rules, without IO and without Automerge.
