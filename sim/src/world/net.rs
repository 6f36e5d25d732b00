//! Connections: reliable, ordered streams with a latency, a rate and a window, that come and go.

use std::collections::VecDeque;

use townmesh_crdt::clock::Millis;

use super::roster::LinkKind;
use crate::dice::Dice;

/// Names a connection.
pub(crate) type ConnId = u64;

/// Messages under way in one direction; beyond it nothing more is taken from the replica.
const WINDOW: usize = 16;
/// Bytes under way in one direction.
const WINDOW_BYTES: usize = 256 * 1024;
/// After so long without an answer a connection is given up.
pub(crate) const GIVE_UP: Millis = 30_000;

/// One direction of a connection.
#[derive(Debug, Default)]
pub(crate) struct Way {
    /// When the line is free for the next message.
    free_at: Millis,
    /// When the last message under way arrives: none overtakes it.
    last_at: Millis,
    messages: usize,
    bytes: usize,
    /// Arrived, but not read yet.
    pub(crate) unread: VecDeque<Vec<u8>>,
    /// Nothing gets through.
    pub(crate) cut: bool,
}

impl Way {
    pub(crate) fn has_room(&self) -> bool {
        self.messages < WINDOW && self.bytes < WINDOW_BYTES
    }

    /// Nothing arrives before this moment.
    pub(crate) fn not_before(&mut self, at: Millis) {
        self.last_at = self.last_at.max(at);
    }

    /// A message is sent; when it arrives.
    fn send(&mut self, now: Millis, size: usize, rate: u64, latency: Millis) -> Millis {
        self.messages += 1;
        self.bytes += size;
        self.free_at = self.free_at.max(now) + (size as u64 * 1000).div_ceil(rate.max(1));
        self.last_at = self.last_at.max(self.free_at + latency);
        self.last_at
    }

    /// A message was read: there is room for another.
    pub(crate) fn read(&mut self, size: usize) {
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(size);
    }
}

/// A connection between two nodes.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) ends: [usize; 2],
    pub(crate) kind: LinkKind,
    /// Bytes in a second.
    pub(crate) rate: u64,
    /// From the first end to the second, and back.
    pub(crate) ways: [Way; 2],
    /// Which ends have a session on it.
    pub(crate) open: [bool; 2],
    pub(crate) opened_at: Millis,
    /// Somebody meddled with what it carries.
    pub(crate) tampered: bool,
    /// The next message of this end is altered.
    pub(crate) alter_next: Option<(usize, u64)>,
    /// The last message that each end received, for a replay.
    pub(crate) last: [Vec<u8>; 2],
    dice: Dice,
}

impl Conn {
    pub(crate) fn new(seed: u64, ends: [usize; 2], kind: LinkKind, now: Millis) -> Self {
        let purpose = (ends[0] as u64) << 48 ^ (ends[1] as u64) << 32 ^ now;
        Self {
            ends,
            kind,
            rate: kind.rate(),
            ways: [Way::default(), Way::default()],
            open: [false, false],
            opened_at: now,
            tampered: false,
            alter_next: None,
            last: [vec![], vec![]],
            dice: Dice::of(seed, "connection", purpose),
        }
    }

    pub(crate) fn latency(&mut self) -> Millis {
        let (least, greatest) = self.kind.latency();
        Millis::from(self.dice.between(least, greatest))
    }

    /// Whether something of it gets lost.
    pub(crate) fn is_cut(&self) -> bool {
        self.ways.iter().any(|way| way.cut)
    }

    /// Which end a node is.
    pub(crate) fn side(&self, node: usize) -> usize {
        usize::from(self.ends[0] != node)
    }

    pub(crate) fn other(&self, node: usize) -> usize {
        self.ends[1 - self.side(node)]
    }

    /// A message of an end; when it arrives, or nothing if it never does.
    pub(crate) fn send(&mut self, side: usize, now: Millis, bytes: &mut [u8]) -> Option<Millis> {
        let latency = self.latency();
        if let Some((_, at)) = self.alter_next.filter(|(end, _)| *end == side) {
            self.alter_next = None;
            self.tampered = true;
            let length = bytes.len().max(1) as u64;
            if let Some(byte) = bytes.get_mut((at % length) as usize) {
                *byte ^= 1 << (at >> 32 & 7);
            }
        }
        let at = self.ways[side].send(now, bytes.len(), self.rate, latency);
        (!self.ways[side].cut).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_in_order_and_no_faster_than_the_line() {
        let mut conn = Conn::new(1, [0, 1], LinkKind::Mobile, 0);
        let times: Vec<Millis> = (0..10).filter_map(|_| conn.send(0, 0, &mut vec![0; 8_000])).collect();
        assert!(times.windows(2).all(|pair| pair[0] <= pair[1]) && times[9] >= 10_000, "{times:?}");
        assert!(conn.ways[0].has_room() && conn.ways[1].has_room());
        (0..6).for_each(|_| _ = conn.send(0, 0, &mut [0]));
        assert!(!conn.ways[0].has_room(), "the window is full");
        conn.ways[0].read(1);
        assert!(conn.ways[0].has_room());
    }

    #[test]
    fn a_cut_way_loses_everything_and_an_altered_message_differs() {
        let mut conn = Conn::new(1, [0, 1], LinkKind::Wire, 0);
        conn.alter_next = Some((0, 3));
        let mut bytes = vec![0; 4];
        assert!(conn.send(0, 0, &mut bytes).is_some() && bytes != [0; 4] && conn.tampered);
        conn.ways[0].cut = true;
        assert_eq!(conn.send(0, 0, &mut bytes), None);
        assert!(conn.send(1, 0, &mut bytes).is_some());
    }
}
