//! Work on tables, books, conflicts and tracks: who does it where, and what of it is promised.

use std::collections::BTreeMap;

use townmesh_crdt::certificate::NodeRole;
use townmesh_crdt::command::CommandError;
use townmesh_crdt::entry::LogId;
use townmesh_crdt::id::NodeId;
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::policy::DocumentKind;

use super::desk::{self, Desk, Done, Known, Stroke, Tracking};
use super::ledger::{Ack, Claim, Content};
use super::rows::{Cell, How, Tracked, Written};
use super::work::Task;
use super::{Node, World};
use crate::dice::Dice;
use crate::plan::Work;

/// Values that become facts with the next commit.
#[derive(Debug, Clone)]
pub(crate) struct Stroked {
    /// Places of the values among all that were written, each with the number of its entry.
    writes: Vec<(usize, u64)>,
    entries: u64,
    namespace: Namespace,
    content: Content,
    /// The node's own logs of that lane before: the one that grows holds them.
    before: BTreeMap<LogId, u64>,
}

impl World {
    /// A piece of such work: by one node, and half of the time by another one at the same moment.
    pub(super) fn later_work(&mut self, number: usize, work: Work, mut dice: Dice) {
        let Some(number) = self.hand(number, work, &mut dice) else { return };
        let own = self.nodes.get(number).map(|node| node.spec.regions.clone()).unwrap_or_default();
        let Some(region) = dice.one_of(if own.is_empty() { &self.roster.regions } else { &own }).cloned() else {
            return;
        };
        let subject = dice.serial();
        let mut hands = vec![number];
        if work != Work::Track && dice.chance(50) {
            let others: Vec<usize> = (0..self.nodes.len()).filter(|other| *other != number).collect();
            let others: Vec<usize> =
                others.into_iter().filter(|other| self.does(*other, work) && self.reads(*other, &region)).collect();
            hands.extend(dice.one_of(&others));
        }
        for hand in hands {
            self.at_the_desk(hand, work, &region, (subject, Dice::new(dice.serial())));
        }
    }

    /// Who does it: whoever it was drawn for, or somebody who came later; tables are kept at centers, and now and then
    /// somebody else tries.
    fn hand(&self, number: usize, work: Work, dice: &mut Dice) -> Option<usize> {
        let drawn = if dice.chance(25) { dice.below(self.nodes.len() as u32) as usize } else { number };
        let is_right = self.does(drawn, work) && (work != Work::Table || dice.chance(10));
        let is_center = |number: &usize| self.nodes.get(*number).is_some_and(|node| node.spec.role == NodeRole::Center);
        let right: Vec<usize> = (0..self.nodes.len())
            .filter(|number| self.does(*number, work) && (work != Work::Table || is_center(number)))
            .collect();
        if is_right { Some(drawn) } else { dice.one_of(&right).copied() }
    }

    /// Whether people at a node do such work, as far as they may.
    fn does(&self, number: usize, work: Work) -> bool {
        self.nodes.get(number).filter(|node| node.is_up()).is_some_and(|node| match node.spec.role {
            NodeRole::Carrier => false,
            NodeRole::Patrol => true,
            NodeRole::Center | NodeRole::Village => work != Work::Track,
        })
    }

    fn reads(&self, number: usize, region: &String) -> bool {
        let spec = self.nodes.get(number).map(|node| &node.spec);
        spec.is_some_and(|spec| spec.role == NodeRole::Center || spec.regions.contains(region))
    }

    fn at_the_desk(&mut self, number: usize, work: Work, region: &str, (subject, dice): (u64, Dice)) {
        // What is staged is finished first, so that it is known where that stands which comes now.
        let has_staged =
            self.nodes.get(number).and_then(|node| node.replica.as_ref()).is_some_and(|it| it.has_staged());
        if has_staged && !self.commit(number) {
            return;
        }
        let (local, seed, events, now) = (self.clock(number), self.options.seed, self.options.events, self.now);
        let town = self.roster.regions.first().and_then(|code| code.parse().ok());
        let known = self.known_documents(region);
        let Some(node) = self.nodes.get_mut(number) else { return };
        let Some(replica) = node.replica.as_mut().filter(|replica| !replica.has_failed()) else { return };
        let (Ok(code), Some(town)) = (region.parse(), town) else { return };
        let (canary, by) = (Self::canary(seed, region), format!("m{number}-0"));
        let held = replica.logs().map(|state| (state.log, state.folded.min(state.height))).collect();
        let task = Task { replica, dice, now: local, region: code, canary, by, events };
        let place = desk::place(node.spec.position(now));
        let mut desk = Desk { task, subject, part: desk::part_of(now), town, known, place };
        let done = desk.run(work);
        self.done(number, work, &held, done);
    }

    /// What of all that was written can lie where people of a region look.
    fn known_documents(&self, region: &str) -> Vec<Known> {
        let all = self.ledger.rows.documents.iter();
        let near = all.filter(|(_, (namespace, _))| namespace.region.is_empty() || namespace.region == region);
        near.map(|(document, (namespace, kind))| (*document, namespace.clone(), *kind)).collect()
    }

    fn done(&mut self, number: usize, work: Work, held: &BTreeMap<LogId, u64>, done: Result<Done, CommandError>) {
        match done {
            Ok(Done::Staged(Some((recorded, namespace, content)))) => {
                if work == Work::Tenant {
                    self.ledger.rows.note(content.document, &namespace, DocumentKind::Household);
                }
                let (log, seq) = (recorded.log, recorded.seq);
                self.claim(number, Claim::Record(ack(number, namespace, (log, seq), content)));
            }
            Ok(Done::Staged(None)) => {}
            Ok(Done::Stroke(stroke)) => self.stroke(number, held, stroke),
            Ok(Done::Track(tracking)) => self.tracked(number, tracking),
            Err(error) => self.command_failed(number, work, &error),
        }
    }

    /// A part of a unit's track is staged.
    fn tracked(&mut self, number: usize, tracking: Tracking) {
        let Tracking { recorded, namespace, documents, seconds } = tracking;
        let unit = recorded.log.author;
        self.ledger.rows.units.extend(documents.into_iter().map(|document| (document, unit)));
        let content = Content { document: recorded.document, record: None, mark: None };
        let ack = ack(number, namespace, (recorded.log, recorded.seq), content);
        let claim = match seconds {
            Some(seconds) => {
                let (namespace, centers) = (recorded.log.namespace, self.known_centers(number));
                let document = recorded.document;
                Claim::Track(ack, Tracked { namespace, document, unit, seconds, centers, ack: 0 })
            }
            None => Claim::Record(ack),
        };
        self.claim(number, claim);
    }

    fn claim(&mut self, number: usize, claim: Claim) {
        if let Some(node) = self.nodes.get_mut(number) {
            node.pending.push(claim);
        }
        self.wake(number, 5);
    }

    /// The centers that a node knows to belong to the town.
    fn known_centers(&self, number: usize) -> std::collections::BTreeSet<NodeId> {
        let replica = self.nodes.get(number).and_then(|node| node.replica.as_ref());
        let centers = self.nodes.iter().filter(|node| node.spec.role == NodeRole::Center).map(Node::id);
        centers.filter(|id| replica.is_some_and(|replica| replica.trust().current(id).is_some())).collect()
    }

    /// Values were staged: they are entered in the books with all that their author had heard, whose logs went so far.
    fn stroke(&mut self, number: usize, held: &BTreeMap<LogId, u64>, stroke: Stroke) {
        let Some(node) = self.nodes.get(number) else { return };
        let namespace = stroke.namespace.id(&node.town);
        let (by, own) = ((number, node.openings), node.id());
        let is_own = |log: &LogId| log.namespace == namespace && log.author == own && log.lane == stroke.lane;
        let before: BTreeMap<LogId, u64> =
            held.iter().filter(|(log, _)| is_own(log)).map(|(log, height)| (*log, *height)).collect();
        let log = LogId { namespace, author: own, epoch: node.epoch, lane: stroke.lane };
        let after = before.get(&log).copied().unwrap_or(0) + 1;
        let knows = |one: &Written| {
            let is_pending = one.by == by && one.ack.is_none();
            is_pending || held.get(&one.log).is_some_and(|height| *height >= one.seq)
        };
        let rows = &mut self.ledger.rows;
        rows.note(stroke.document, &stroke.namespace, stroke.kind);
        let mut written = Vec::new();
        for write in stroke.writes {
            let shown = stroke.shown.get(&(write.record.clone(), write.column.clone()));
            let cell = Cell { namespace, document: stroke.document, record: write.record, column: write.column };
            let knew = rows.heard(&cell, knows);
            let nothing = vec![String::new()];
            let shown = shown.unwrap_or(&nothing).iter().map(String::as_str).collect();
            let sure = rows.standing(&knew) == shown;
            let seq = after + write.entry;
            let one = Written { cell, value: write.value, how: write.how, knew, sure, log, seq, ack: None, by };
            written.push((one, write.entry));
        }
        for (one, _) in &written {
            self.stats.values += 1;
            self.stats.unsure += u64::from(!one.sure);
            self.stats.settled += u64::from(matches!(one.how, How::Settled(_)));
            self.stats.undone += u64::from(one.how == How::Undid);
        }
        // None of them knows of another.
        let writes = written.into_iter().map(|(one, entry)| (rows.add(one), entry)).collect();
        let content = Content { document: stroke.document, record: None, mark: None };
        let stroked = Stroked { writes, entries: stroke.entries, namespace: stroke.namespace, content, before };
        self.claim(number, Claim::Stroke(stroked));
    }

    /// Values are durable: where they stand is read from the log that grew, and acknowledged.
    pub(super) fn stroked(&mut self, number: usize, stroked: &Stroked) -> Vec<Ack> {
        let Some(node) = self.nodes.get(number) else { return vec![] };
        let (own, id) = (node.id(), stroked.namespace.id(&node.town));
        let lanes: Vec<_> =
            stroked.writes.iter().filter_map(|(one, _)| Some(self.ledger.rows.all.get(*one)?.log.lane)).collect();
        let Some(lane) = lanes.first().copied() else { return vec![] };
        let grew = node.heights().into_iter().filter(|(log, height)| {
            let is_own = log.author == own && log.namespace == id && log.lane == lane;
            is_own && *height > stroked.before.get(log).copied().unwrap_or(0)
        });
        let grew: Vec<(LogId, u64)> = grew.collect();
        let [(log, _)] = grew[..] else { return vec![] };
        let first = stroked.before.get(&log).copied().unwrap_or(0) + 1;
        let acks = (0..stroked.entries)
            .map(|entry| ack(number, stroked.namespace.clone(), (log, first + entry), stroked.content));
        let known = self.ledger.acks.len();
        for (written, entry) in &stroked.writes {
            if let Some(one) = self.ledger.rows.all.get_mut(*written) {
                (one.log, one.seq, one.ack) = (log, first + entry, Some(known + *entry as usize));
            }
        }
        acks.collect()
    }
}

fn ack(node: usize, namespace: Namespace, (log, seq): (LogId, u64), content: Content) -> Ack {
    Ack { node, at: 0, namespace, log, seq, entry: None, content, excused: None }
}
