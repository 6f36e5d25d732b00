//! What nodes of a newer version say: messages, cards and items that this version does not know. And entries written by
//! hand, for a node that fills `auth`.

use townmesh_crdt::certificate::NodeRole;
use townmesh_crdt::change::{Assertion, Change, Item, encode_items, record_id};
use townmesh_crdt::clock::HybridTime;
use townmesh_crdt::codec::BodyCodec;
use townmesh_crdt::command::inspection;
use townmesh_crdt::domain::books::{BookKind, Consequence, ConsequenceKind, Response};
use townmesh_crdt::domain::checklist::Checklist;
use townmesh_crdt::domain::columns::{Lines, Time};
use townmesh_crdt::domain::inspection::Inspection;
use townmesh_crdt::domain::tables::{CampaignItemRow, CampaignTemplate, TableKind};
use townmesh_crdt::entry::{self, Entry, Header, Lane, LogId};
use townmesh_crdt::id::{DocumentId, EntryId, KeyId};
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::policy::DocumentKind;
use townmesh_crdt::store::CardKey;
use townmesh_crdt::sync::Run;
use townmesh_crdt::value::Fields;

use crate::dice::Dice;
use crate::plan::{Newer, Overreach};
use crate::world::ledger::{Ack, Claim, Content};
use crate::world::rows::CELL;
use crate::world::{BEGIN, Event, Node, World};

/// Codes that no version knows yet.
const NEWER_CARD: u8 = 200;
/// An item of a newer version: code 99 and three parts.
const NEWER_ITEM: [u8; 11] = [0x84, 0x18, 99, 0x61, b'x', 0x82, 1, 2, 0x42, 1, 2];
/// A message of a newer version: code 77 and a part.
const NEWER_MESSAGE: [u8; 5] = [0x82, 0x18, 77, 0x18, 99];
/// What a flooder puts into one entry, how many entries into one log, and how many logs it opens.
const FLOOD: (usize, u64, u64) = (30_000, 20, 11);

impl World {
    /// A newer version says something.
    pub(in crate::world) fn newer(&mut self, number: usize, what: Newer, dice: &mut Dice) -> bool {
        if !self.is_member(number) {
            return false;
        }
        match what {
            Newer::Message => self.newer_message(number, dice),
            Newer::Card => self.newer_card(number, dice),
            Newer::Item => self.newer_item(number, dice),
        }
    }

    fn newer_message(&mut self, number: usize, dice: &mut Dice) -> bool {
        let Some(id) = self.some_conn(number, dice) else { return false };
        let Some(conn) = self.conns.get(&id).filter(|conn| !conn.tampered && !conn.is_cut()) else { return false };
        let side = conn.side(number);
        self.at(self.now, Event::Deliver { conn: id, side, bytes: NEWER_MESSAGE.to_vec() });
        true
    }

    fn newer_card(&mut self, number: usize, dice: &mut Dice) -> bool {
        let key = [dice.below(3) as u8; 32];
        let version = self.ledger.newer_cards.get(&key).copied().unwrap_or(0) + 1;
        let Some(replica) = self.nodes.get_mut(number).and_then(|node| node.replica.as_mut()) else { return false };
        if !replica.add_card(CardKey { kind: NEWER_CARD, key }, version, version.to_be_bytes().to_vec()) {
            return false;
        }
        self.ledger.newer_cards.insert(key, version);
        self.wake(number, 5);
        true
    }

    /// An inspection, in one entry with something that only newer versions know.
    fn newer_item(&mut self, number: usize, dice: &mut Dice) -> bool {
        let local = self.clock(number);
        let Some(node) = self.nodes.get_mut(number) else { return false };
        let Some(namespace) = node.spec.regions.first().map(|code| Namespace::registry(code)) else { return false };
        let Some(replica) = node.replica.as_mut() else { return false };
        let family = namespace.family();
        let secrets = replica.secrets();
        let own: Vec<_> = secrets.iter().filter(|(known, _)| *known == family).collect();
        // After a removal it would have to choose among keys.
        let ([(_, secret)], true) = (own.as_slice(), self.ledger.removals.is_empty()) else { return false };
        let visit = Inspection {
            household: DocumentId([dice.below(40) as u8; 16]),
            by: "newer".into(),
            time_ms: local as i64,
            checklist: Checklist::household().id,
            answers: Default::default(),
            note: Some(format!("{}", dice.serial())),
            photos: vec![],
            position: None,
        };
        let Ok(document) = inspection::document_of(replica, &namespace, visit.household) else { return false };
        let Ok(bytes) = visit.encode() else { return false };
        let record = record_id(&bytes);
        let known = encode_items(&[Item::Record { kind: DocumentKind::Inspection as u8, document, bytes }]);
        // An array of two, and what stood in that of one.
        let plain = [&[0x82], NEWER_ITEM.as_slice(), known.get(1..).unwrap_or_default()].concat();
        let (keys, id) = (secret.namespace_keys(&namespace), namespace.id(&node.town));
        let log = LogId { namespace: id, author: node.id(), epoch: dice.serial(), lane: Lane::Work };
        let mut rng = dice.clone().into_rng();
        let written = by_hand(node, (log, 1, log.origin()), HybridTime::at(local), keys.key_id, |header, codec| {
            keys.seal_body(&codec.compress(&plain), &header.to_bytes(), &mut rng).ok()
        });
        let taken = written.and_then(|entry| node.replica.as_mut()?.ingest(Run::new(vec![entry])?).ok());
        if taken.is_none() {
            return false;
        }
        let content = Content { document, record: Some(record), mark: None };
        let ack = Ack { node: number, at: 0, namespace, log, seq: 1, entry: None, content, excused: None };
        node.pending.push(Claim::Record(ack));
        self.wake(number, 5);
        true
    }

    /// A node signs what it may write where it writes it, but not in this kind of document.
    pub(in crate::world) fn overreach(&mut self, number: usize, what: Overreach, dice: &mut Dice) -> bool {
        let local = self.clock(number);
        let Some(node) = self.nodes.get_mut(number).filter(|node| node.removed.is_none()) else { return false };
        let may = match node.spec.role {
            NodeRole::Village => what == Overreach::Response,
            NodeRole::Patrol => false,
            NodeRole::Center | NodeRole::Carrier => true,
        };
        let namespace = Namespace::town();
        let Some(replica) = node.replica.as_mut().filter(|_| !may) else { return false };
        let secrets = replica.secrets();
        let own: Vec<_> = secrets.iter().filter(|(known, _)| *known == namespace.family()).collect();
        // After a removal it would have to choose among keys.
        let ([(_, secret)], true) = (own.as_slice(), self.ledger.removals.is_empty()) else { return false };
        let value = format!("{CELL}{:016x}", dice.serial());
        let (kind, key, record, fields) = overreached(what, &value, dice);
        let Ok(document) = replica.document_id(&namespace, kind, &key) else { return false };
        let change = Change { deps: vec![], assertions: vec![Assertion { record, fields, supersedes: [].into() }] };
        let plain = encode_items(&[Item::Change { kind: kind as u8, document, change }]);
        let (keys, id) = (secret.namespace_keys(&namespace), namespace.id(&node.town));
        let log = LogId { namespace: id, author: node.id(), epoch: dice.serial(), lane: Lane::Work };
        let mut rng = dice.clone().into_rng();
        let written = by_hand(node, (log, 1, log.origin()), HybridTime::at(local), keys.key_id, |header, codec| {
            keys.seal_body(&codec.compress(&plain), &header.to_bytes(), &mut rng).ok()
        });
        if written.and_then(|entry| node.replica.as_mut()?.ingest(Run::new(vec![entry])?).ok()).is_none() {
            return false;
        }
        self.ledger.rows.overreached.insert(value);
        self.ledger.rows.overreaching.insert(log);
        self.wake(number, 5);
        true
    }

    /// An enrolled node fills `auth`: log after log, each beyond what one may hold.
    pub(in crate::world) fn flood(&mut self, number: usize, dice: &mut Dice) -> bool {
        let local = self.clock(number);
        let is_center = |node: &Node| node.spec.role == NodeRole::Center;
        let Some(node) = self.nodes.get_mut(number).filter(|node| node.is_up() && !is_center(node)) else {
            return false;
        };
        if node.removed.is_some() {
            return false;
        }
        let (author, auth) = (node.id(), Namespace::auth().id(&node.town));
        let (size, entries, logs) = FLOOD;
        for _ in 0..logs {
            let log = LogId { namespace: auth, author, epoch: dice.serial(), lane: Lane::Urgent };
            let mut before = log.origin();
            for seq in 1..=entries {
                let bytes: Vec<u8> = (0..size / 8).flat_map(|_| dice.serial().to_be_bytes()).collect();
                let document = DocumentId(record_id(&bytes).0);
                let plain = encode_items(&[Item::Record { kind: 250, document, bytes }]);
                let time = HybridTime(HybridTime::at(local).0 + seq);
                let place = (log, seq, before);
                let written = by_hand(node, place, time, KeyId([0; 16]), |_, codec| Some(codec.compress(&plain)));
                let Some(entry) = written else { return false };
                before = entry.id();
                let Some(replica) = node.replica.as_mut() else { return false };
                if Run::new(vec![entry]).is_none_or(|run| replica.ingest(run).is_err()) {
                    return false;
                }
            }
        }
        self.ledger.flooders.insert(author);
        self.wake(number, 5);
        true
    }
}

/// A document that a node may not write: what it is, its key, a record of it, and what that says.
fn overreached(what: Overreach, value: &str, dice: &mut Dice) -> (DocumentKind, Vec<u8>, Vec<u8>, Fields) {
    let code = Some(format!("{}-0", dice.below(8)));
    match what {
        Overreach::Table => {
            let (template, code) = (Some(CampaignTemplate::FiveMusts), Some(format!("own-{}", dice.below(8))));
            let (chinese, english) = (Some(value.to_owned()), Some(value.to_owned()));
            let row = CampaignItemRow { template, code, chinese, english, ..CampaignItemRow::default() }.fields();
            let table = TableKind::CampaignItem;
            (DocumentKind::Table, table.natural_key(), table.row_key(&row).unwrap_or_default(), row)
        }
        Overreach::Response => {
            let reason = Some(Lines(value.to_owned()));
            let entry = Response { code, plan: Some("汛情".into()), reason, ..Response::default() }.fields();
            (DocumentKind::Response, BookKind::Response.natural_key(&entry).unwrap_or_default(), vec![], entry)
        }
        Overreach::Consequence => {
            let (kind, from) = (Some(ConsequenceKind::Praise), Some(Time(BEGIN as i64).day()));
            let reason = Some(Lines(value.to_owned()));
            let entry = Consequence { subject: code, kind, from, reason, ..Consequence::default() }.fields();
            (DocumentKind::Consequence, BookKind::Consequence.natural_key(&entry).unwrap_or_default(), vec![], entry)
        }
    }
}

/// An entry that no replica wrote, signed with a node's key.
fn by_hand(
    node: &Node,
    (log, seq, backlink): (LogId, u64, EntryId),
    time: HybridTime,
    key: KeyId,
    body: impl FnOnce(&Header, &mut BodyCodec) -> Option<Vec<u8>>,
) -> Option<Entry> {
    let certificate = node.identity.certificate;
    let mut header = Header { log, seq, backlink, time, certificate, key, body_len: 0, body_hash: [0; 32] };
    let body = body(&header, &mut BodyCodec::new().ok()?)?;
    header.body_len = body.len() as u32;
    header.body_hash = blake3::hash(&body).into();
    let signature = Some(entry::sign(&header, &node.identity.signing));
    Some(Entry { header, signature, body })
}
