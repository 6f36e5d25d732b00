//! What was done to a disk, and what its store was known to hold when.

use std::sync::Arc;

use townmesh_crdt::entry::LogId;
use townmesh_crdt::id::EntryId;

use super::holdings::Holdings;
use crate::disk::{DiskOp, Image};

/// A moment at which a commit had returned, so that the store held exactly this, durably.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    /// Operations done before it.
    pub(crate) op: usize,
    /// What the store held.
    pub(crate) holdings: Arc<Holdings>,
    /// The secrets of the invite were kept: the node has joined.
    pub(crate) joined: bool,
}

/// A record that somebody was told is saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ack {
    /// Operations done before that.
    pub(crate) op: usize,
    /// Its log.
    pub(crate) log: LogId,
    /// Its place there.
    pub(crate) seq: u64,
    /// Its entry.
    pub(crate) entry: EntryId,
}

/// Everything that was done to a disk from one image on.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    /// What stood on it.
    pub(crate) base: Image,
    /// What was done.
    pub(crate) ops: Vec<DiskOp>,
    /// What it held when, in order; the first of an untouched disk.
    pub(crate) marks: Vec<Mark>,
    /// What was acknowledged, in order.
    pub(crate) acks: Vec<Ack>,
    /// Epochs in which the node signed, those included of which nothing may be left.
    pub(crate) epochs: Vec<u64>,
}

/// A moment just before a sync: nothing of what was written since the last one need be there.
///
/// Moments between two syncs leave no other images: what was written by then is a subset of what is written at the next
/// sync, and no acknowledgement is given in between that is not given by then.
#[derive(Debug)]
pub(crate) struct Point {
    /// Operations done before it.
    pub(crate) at: usize,
    /// What is durable.
    pub(crate) durable: Image,
    /// The sum of its pages since the journal's base.
    pub(crate) sum: u128,
    /// The first of the operations that are not.
    pub(crate) since: usize,
}

impl Journal {
    /// Every point at which something is not durable, the end included.
    pub(crate) fn points(&self, base_sum: u128) -> Vec<Point> {
        let (mut points, mut since) = (Vec::new(), 0);
        let (mut durable, mut sum) = (self.base.clone(), base_sum);
        for at in 0..=self.ops.len() {
            if !matches!(self.ops.get(at), Some(DiskOp::Sync) | None) {
                continue;
            }
            let pending = self.ops.get(since..at).unwrap_or_default();
            if !pending.is_empty() {
                points.push(Point { at, durable: durable.clone(), sum, since });
                let before = durable.clone();
                pending.iter().for_each(|op| op.apply(&mut durable));
                sum = durable.sum_since(&before, sum);
            }
            since = at + 1;
        }
        points
    }

    /// The writes that are not durable at a point.
    pub(crate) fn pending(&self, point: &Point) -> &[DiskOp] {
        self.ops.get(point.since..point.at).unwrap_or_default()
    }

    /// The newest mark at a point: at least this must be there.
    pub(crate) fn newest_mark(&self, at: usize) -> usize {
        self.marks.iter().rposition(|mark| mark.op <= at).unwrap_or(0)
    }

    /// What the store may hold after a power cut at a point: what it held when something was last acknowledged, or with
    /// the commit that was on its way.
    pub(crate) fn allowed(&self, at: usize) -> &[Mark] {
        let first = self.newest_mark(at);
        self.marks.get(first..(first + 2).min(self.marks.len())).unwrap_or_default()
    }
}
