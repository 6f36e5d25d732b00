//! The order of events, and who knew of whom.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::edition::{LifeCycle, Place};
use super::fold::{FoldInput, MAX_EVENTS};
use super::state::Waiting;
use super::step::Step;
use crate::id::RecordId;

/// Precedence of a step that the table does not list.
const UNLISTED: u8 = 100;

/// An event at its place in the order.
pub(super) struct Placed<'a> {
    pub(super) id: RecordId,
    pub(super) input: &'a FoldInput,
    /// `None` for a decision on a request that is missing.
    pub(super) step: Option<Step>,
    /// The edition of the rules by which it is judged.
    pub(super) rules: Place,
    past: Past,
}

/// The events of a case in the order in which they are judged: each after everything that its author had seen, and
/// among those ready the lowest (precedence, time, id) first.
pub(super) struct History<'a> {
    pub(super) placed: Vec<Placed<'a>>,
    places: BTreeMap<RecordId, usize>,
    pub(super) waiting: Vec<Waiting>,
    pub(super) beyond_bound: Vec<RecordId>,
}

/// The places of all events in an event's causal past, one bit each.
#[derive(Default)]
struct Past(Vec<u64>);

impl<'a> History<'a> {
    /// Orders the events; O(n log n) plus n * n / 64 for the causal past of the first [`MAX_EVENTS`].
    pub(super) fn of(events: &'a BTreeMap<RecordId, FoldInput>, rules: &LifeCycle) -> Self {
        let (order, waiting) = topological_order(events, rules);
        let beyond_bound = order.iter().skip(MAX_EVENTS).map(|ordered| ordered.id).collect();
        let mut places: BTreeMap<RecordId, usize> = BTreeMap::new();
        let mut placed: Vec<Placed<'a>> = Vec::new();
        for (place, Ordered { id, input, step, rules }) in order.into_iter().take(MAX_EVENTS).enumerate() {
            let mut past = Past::default();
            for parent in input.event.seen.iter().filter_map(|seen| places.get(seen).copied()) {
                past.insert(parent);
                if let Some(parent) = placed.get(parent) {
                    past.join(&parent.past);
                }
            }
            places.insert(id, place);
            placed.push(Placed { id, input, step, rules, past });
        }
        Self { placed, places, waiting, beyond_bound }
    }

    /// Whether the author of the event at `later` had seen the one at `earlier`.
    pub(super) fn knew(&self, later: usize, earlier: usize) -> bool {
        self.placed.get(later).is_some_and(|placed| placed.past.contains(earlier))
    }

    /// Where an event stands.
    pub(super) fn place_of(&self, event: RecordId) -> Option<usize> {
        self.places.get(&event).copied()
    }

    /// Whether the author of the event at `later` had seen this event.
    pub(super) fn knew_of(&self, later: usize, event: RecordId) -> bool {
        self.places.get(&event).is_some_and(|earlier| self.knew(later, *earlier))
    }

    /// Whether neither author knew of the other.
    pub(super) fn concurrent(&self, one: usize, other: usize) -> bool {
        one != other && !self.knew(one, other) && !self.knew(other, one)
    }
}

impl Past {
    fn insert(&mut self, place: usize) {
        let word = place / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        if let Some(bits) = self.0.get_mut(word) {
            *bits |= 1 << (place % 64);
        }
    }

    fn join(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(bits, more)| *bits |= more);
    }

    fn contains(&self, place: usize) -> bool {
        self.0.get(place / 64).is_some_and(|bits| bits >> (place % 64) & 1 == 1)
    }
}

/// An event in its turn.
struct Ordered<'a> {
    id: RecordId,
    input: &'a FoldInput,
    step: Option<Step>,
    rules: Place,
}

/// One event while the order is made.
struct Node<'a> {
    id: RecordId,
    input: &'a FoldInput,
    step: Option<Step>,
    /// The edition that it names; `None` while that is not held.
    named: Option<Place>,
    /// The newest edition by which something went that it has seen and that counts.
    seen_used: Place,
    /// How many seen events are not placed yet.
    unplaced: usize,
    /// Events that have seen this one.
    followers: Vec<usize>,
}

impl Node<'_> {
    /// By which edition it goes, once all that it has seen is placed; `None` while that is not held.
    fn rules(&self) -> Option<Place> {
        self.named.map(|named| named.max(self.seen_used))
    }
}

/// Kahn's algorithm with a heap. What has seen a missing event, itself or something that waits is never ready, nor is what
/// goes by rules that are missing.
fn topological_order<'a>(
    events: &'a BTreeMap<RecordId, FoldInput>,
    life_cycle: &LifeCycle,
) -> (Vec<Ordered<'a>>, Vec<Waiting>) {
    let mut nodes = unordered(events, life_cycle);
    // Nodes stand in the order of their ids, so that an index compares as the id does.
    let mut ready: BinaryHeap<Reverse<Turn>> = BinaryHeap::new();
    ready.extend(nodes.iter().enumerate().filter_map(|(index, node)| turn(node, index, life_cycle)));
    let mut order = Vec::with_capacity(events.len());
    let mut placed = vec![false; nodes.len()];
    while let Some(Reverse((_, _, index, rules))) = ready.pop() {
        let Some(node) = nodes.get_mut(index) else { continue };
        if let Some(placed) = placed.get_mut(index) {
            *placed = true;
        }
        order.push(Ordered { id: node.id, input: node.input, step: node.step, rules });
        // Whoever may not act on a case does not change the rules for others either.
        let handed_on = if node.input.void.is_some() { node.seen_used } else { rules };
        for follower in std::mem::take(&mut node.followers) {
            let Some(node) = nodes.get_mut(follower) else { continue };
            node.unplaced = node.unplaced.saturating_sub(1);
            node.seen_used = node.seen_used.max(handed_on);
            ready.extend(turn(node, follower, life_cycle));
        }
    }
    let waiting = nodes.iter().zip(placed).filter(|(_, placed)| !placed).map(|(node, _)| {
        let missing = node.input.event.seen.iter().filter(|seen| !events.contains_key(seen)).copied();
        let rules = node.input.event.rules.filter(|_| node.named.is_none());
        Waiting { event: node.id, missing: missing.collect(), rules }
    });
    (order, waiting.collect())
}

/// Precedence, time and index, by which the next is chosen, and the rules by which it goes.
type Turn = (u8, u64, usize, Place);

/// The turn of an event that is ready.
fn turn(node: &Node<'_>, index: usize, life_cycle: &LifeCycle) -> Option<Reverse<Turn>> {
    let rules = node.rules().filter(|_| node.unplaced == 0)?;
    let rule = node.step.and_then(|step| life_cycle.table_at(rules).rule(step));
    let precedence = rule.map_or(UNLISTED, |rule| rule.precedence);
    Some(Reverse((precedence, node.input.time, index, rules)))
}

fn unordered<'a>(events: &'a BTreeMap<RecordId, FoldInput>, life_cycle: &LifeCycle) -> Vec<Node<'a>> {
    let mut followers: Vec<Vec<usize>> = vec![Vec::new(); events.len()];
    let index_of: BTreeMap<&RecordId, usize> = events.keys().enumerate().map(|(index, id)| (id, index)).collect();
    for (index, input) in events.values().enumerate() {
        for seen in &input.event.seen {
            if let Some(followers) = index_of.get(seen).and_then(|seen| followers.get_mut(*seen)) {
                followers.push(index);
            }
        }
    }
    let nodes = events.iter().zip(followers).map(|((id, input), followers)| Node {
        id: *id,
        input,
        step: Step::of(&input.event.action, events),
        named: life_cycle.place(input.event.rules),
        seen_used: 0,
        unplaced: input.event.seen.len(),
        followers,
    });
    nodes.collect()
}
