//! Keys in the wrong hands: second histories, forgeries.

use townmesh_crdt::certificate::NodeRole;
use townmesh_crdt::clock::HybridTime;
use townmesh_crdt::enrol;
use townmesh_crdt::entry::{self, Entry, Header, Lane, LogId};
use townmesh_crdt::id::{CertificateId, KeyId, NodeId};
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::sync::{Message, Run};

use crate::dice::Dice;
use crate::plan::Forgery;
use crate::world::net::ConnId;
use crate::world::{BEGIN, Event, World};

impl World {
    /// A run of one entry arrives at a node as if a peer had sent it.
    pub(in crate::world) fn inject(&mut self, conn: ConnId, side: usize, entry: Entry) -> bool {
        let Some(run) = Run::new(vec![entry]) else { return false };
        if let Some(conn) = self.conns.get_mut(&conn) {
            conn.tampered = true;
        }
        let bytes = Message::Run(run).to_bytes();
        self.at(self.now, Event::Deliver { conn, side, bytes });
        true
    }

    /// The node's key signs a second history of a log: one peer gets another last entry than everybody else.
    pub(in crate::world) fn equivocate(&mut self, number: usize, dice: &mut Dice) -> bool {
        let Some(node) = self.nodes.get(number).filter(|node| node.removed.is_none()) else { return false };
        let Some(replica) = node.replica.as_ref().filter(|replica| !replica.has_staged()) else { return false };
        let own = node.id();
        let logs: Vec<(LogId, u64)> = replica
            .logs()
            .filter(|state| state.log.author == own && state.height > 1)
            .map(|state| (state.log, state.height))
            .collect();
        let Some((log, height)) = dice.one_of(&logs).copied() else { return false };
        let seq = 2 + dice.long(height - 1);
        let mut found = None;
        let read = replica.entries(&log, seq, |entry| {
            found = Some(entry);
            std::ops::ControlFlow::Break(())
        });
        let (Ok(()), Some(mut entry)) = (read, found) else { return false };
        entry.header.time = HybridTime(entry.header.time.0 + 1);
        entry.signature = Some(entry::sign(&entry.header, &node.identity.signing));
        let peers: Vec<ConnId> = self.conns_of(number);
        let concerned = peers.into_iter().filter(|id| {
            let Some(conn) = self.conns.get(id) else { return false };
            let peer = self.nodes.get(conn.other(number));
            let access = self.names.get(&log.namespace).and_then(|namespace| peer?.spec.access(namespace));
            access.is_some() && conn.open == [true, true]
        });
        let concerned: Vec<ConnId> = concerned.collect();
        let Some(id) = dice.one_of(&concerned).copied() else { return false };
        let Some(side) = self.conns.get(&id).map(|conn| 1 - conn.side(number)) else { return false };
        let known = self.ledger.forks.entry(log).or_insert(seq);
        *known = seq.min(*known);
        let from = *known;
        for ack in self.ledger.acks.iter_mut().filter(|ack| ack.log == log && ack.seq >= from) {
            ack.excused = Some("its author wrote two histories");
        }
        self.inject(id, side, entry)
    }

    /// Entries that nobody may take: the session that brings them may end, and nothing else may happen.
    pub(in crate::world) fn forge(&mut self, number: usize, kind: Forgery, dice: &mut Dice) -> bool {
        let Some(id) = self.some_conn(number, dice) else { return false };
        let Some((victim, side)) = self.conns.get(&id).map(|conn| (conn.other(number), 1 - conn.side(number))) else {
            return false;
        };
        let (Some(node), Some(at_victim)) = (self.nodes.get(number), self.nodes.get(victim)) else { return false };
        let foreign = self.roster.regions.iter().find(|code| {
            let namespace = Namespace::registry(code);
            at_victim.spec.access(&namespace).is_some() && !node.spec.regions.contains(code)
        });
        let Some(region) = foreign.filter(|_| node.spec.role != NodeRole::Center) else { return false };
        let mut rng = dice.clone().into_rng();
        let stranger = enrol::found(&[], "2026", "2026-11", BEGIN, &mut rng).root;
        let own = node.identity.signing.clone();
        let (author, signing, certificate) = match kind {
            Forgery::Scope => (node.id(), own, node.identity.certificate),
            Forgery::Stranger => (NodeId(stranger.verifying_key().to_bytes()), stranger, CertificateId([7; 32])),
            Forgery::Name => (at_victim.id(), own, at_victim.identity.certificate),
        };
        let namespace = Namespace::registry(region).id(&node.town);
        let log = LogId { namespace, author, epoch: dice.serial(), lane: Lane::Work };
        let body = dice.serial().to_be_bytes().repeat(6);
        let header = Header {
            log,
            seq: 1,
            backlink: log.origin(),
            time: HybridTime::at(BEGIN + self.now),
            certificate,
            key: KeyId([1; 16]),
            body_len: body.len() as u32,
            body_hash: blake3::hash(&body).into(),
        };
        let signature = Some(entry::sign(&header, &signing));
        self.ledger.forged.insert(log);
        self.inject(id, side, Entry { header, signature, body })
    }
}
