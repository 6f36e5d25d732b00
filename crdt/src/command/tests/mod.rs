//! Commands on real replicas that meet.
