//! What is looked at when a run is over: everything that each node holds, read through the face that views use, and
//! the ledger of what was promised.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use townmesh_crdt::card::CardKind;
use townmesh_crdt::certificate::{Access, NodeRole};
use townmesh_crdt::change;
use townmesh_crdt::clock::HybridTime;
use townmesh_crdt::codec::BodyCodec;
use townmesh_crdt::command::read;
use townmesh_crdt::entry::{self, Entry, Header, LogId};
use townmesh_crdt::id::{CertificateId, DocumentId, EntryId, NamespaceId, NodeId, RecordId};
use townmesh_crdt::namespace::{Namespace, NamespaceKind};
use townmesh_crdt::policy::{DocumentKind, Form};
use townmesh_crdt::replica::Replica;
use townmesh_crdt::shelf::Row;
use townmesh_crdt::store::CardKey;

use super::rows::Seen;
use crate::world::{Ack, Erased, MARK, Node, OF_A_REMOVED_NODE, Rows, STEPS, Said, Stated, Stats, World};

/// Documents read at once.
const PAGE: usize = 256;
/// What each canary begins with, and how long the rest is.
const CANARY: (&[u8], usize) = (b"canary-", 16);

/// One node.
#[derive(Debug, Clone)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// Its key.
    pub id: NodeId,
    /// What it is.
    pub role: NodeRole,
    /// It belongs to the town: it was not removed.
    pub member: bool,
    /// What it may do where, by the rules of the town.
    pub access: BTreeMap<NamespaceId, Access>,
    /// The entries of each log that it holds, in order.
    pub logs: BTreeMap<LogId, Vec<EntryId>>,
    /// What is wrong with the chains of its logs.
    pub broken: Vec<String>,
    /// What it says about each namespace to its peers.
    pub digests: BTreeMap<NamespaceId, [u8; 16]>,
    /// What each document says, as a hash.
    pub documents: BTreeMap<(NamespaceId, DocumentId), [u8; 32]>,
    /// Immutable records, and whether they are void.
    pub records: BTreeMap<(DocumentId, RecordId), bool>,
    /// Marks that its documents show: see [`crate::world::Content`].
    pub marks: BTreeMap<(NamespaceId, DocumentId), BTreeSet<u64>>,
    /// What stands in the clear on its disk and may not.
    pub cleartext: Vec<String>,
    /// Logs of which it can prove that they forked.
    pub proofs: BTreeSet<LogId>,
    /// Certificates that it holds for removed, among those of authorities that were.
    pub removed: BTreeSet<CertificateId>,
    /// Entries that it has not opened yet.
    pub unfolded: u64,
    /// Its cards, and how new each is; without those of which there is room for some only.
    pub cards: BTreeMap<CardKey, u64>,
    /// The namespaces that it knows of.
    pub namespaces: BTreeSet<Namespace>,
    /// Invites of which it knows that they were used twice.
    pub redeemed: BTreeSet<CertificateId>,
    /// What it still has of persons who were erased.
    pub unerased: Vec<String>,
    /// Bytes that each author has in `auth` as it is held here.
    pub auth_bytes: BTreeMap<NodeId, u64>,
    /// What it shows of tables, books, conflicts and tracks.
    pub seen: Seen,
}

/// The whole town.
#[derive(Debug, Clone)]
pub struct TownView {
    /// Its nodes.
    pub nodes: Vec<NodeView>,
    /// What was promised.
    pub acks: Vec<Ack>,
    /// Logs that forked, and from where on.
    pub forks: BTreeMap<LogId, u64>,
    /// Logs that nobody may hold.
    pub forged: BTreeSet<LogId>,
    /// Removed authors, and up to where their logs count.
    pub removed: BTreeMap<NodeId, BTreeMap<LogId, u64>>,
    /// Removed authors of whose removal nobody knows any more, and who joined with their invites.
    pub unheard: BTreeSet<NodeId>,
    /// What was stated in `auth`.
    pub stated: Vec<Stated>,
    /// Nodes that fill `auth`.
    pub flooders: BTreeSet<NodeId>,
    /// Namespaces by id.
    pub names: BTreeMap<NamespaceId, Namespace>,
    /// Counts.
    pub stats: Stats,
    /// Bytes of entries over all nodes.
    pub appended_bytes: u64,
    /// Beacons that were due.
    pub beacons: u64,
    /// What was written in cells of tables and books.
    pub rows: Rows,
}

impl TownView {
    /// Reads everything.
    pub(crate) fn of(world: &mut World) -> Self {
        let names = world.names().clone();
        let canaries = world.regions().iter().map(|code| (World::canary(world.seed(), code), code.clone())).collect();
        let ledger = world.ledger();
        let (mut acks, forks, forged) = (ledger.acks.clone(), ledger.forks.clone(), ledger.forged.clone());
        ledger.stated.iter().for_each(|stated| count_again(&mut acks, stated));
        let (stated, flooders) = (ledger.stated.clone(), ledger.flooders.clone());
        let removed = world.nodes().iter().filter_map(|node| Some((node.id(), node.removed.clone()?))).collect();
        let (unheard, rows) = (unheard(world), world.ledger().rows.clone());
        let stats = world.stats();
        let beacons = world.beacons_due();
        let mut nodes = Vec::new();
        let mut appended_bytes = 0;
        for node in world.nodes_mut() {
            let states = node.replica.iter().flat_map(Replica::logs);
            appended_bytes += states.map(|state| state.bytes).sum::<u64>();
            nodes.push(node_view(node, &names, &canaries, &forks, &stated));
        }
        Self {
            nodes,
            acks,
            forks,
            forged,
            removed,
            unheard,
            stated,
            flooders,
            names,
            stats,
            appended_bytes,
            beacons,
            rows,
        }
    }
}

/// What an authority let count after all is demanded of everybody.
fn count_again(acks: &mut [Ack], stated: &Stated) {
    let Said::Ratified { node, kept } = &stated.said else { return };
    for ack in acks.iter_mut().filter(|ack| !stated.excused && ack.log.author == *node) {
        let counts = kept.get(&ack.log).is_some_and(|height| *height >= ack.seq);
        if counts && ack.excused.is_some_and(|why| OF_A_REMOVED_NODE.contains(&why)) {
            ack.excused = None;
        }
    }
}

/// A removal that was lost lets its node go on, and another that joined with the same invite.
fn unheard(world: &World) -> BTreeSet<NodeId> {
    let lost: BTreeSet<NodeId> =
        world.ledger().removals.iter().filter(|removal| removal.is_lost).map(|removal| removal.node).collect();
    let invites = || world.nodes().iter().filter(|node| lost.contains(&node.id())).map(|node| &node.invite);
    let same = |node: &&Node| invites().any(|invite| Arc::ptr_eq(invite, &node.invite));
    world.nodes().iter().filter(same).map(Node::id).collect()
}

fn node_view(
    node: &mut Node,
    names: &BTreeMap<NamespaceId, Namespace>,
    canaries: &BTreeMap<String, String>,
    forks: &BTreeMap<LogId, u64>,
    stated: &[Stated],
) -> NodeView {
    let access = names.iter().filter_map(|(id, name)| Some((*id, node.spec.access(name)?))).collect();
    let proofs = forks.keys().filter(|log| node.has_proof(log)).copied().collect();
    let mut view = NodeView {
        name: node.spec.name.clone(),
        id: node.id(),
        role: node.spec.role,
        member: node.removed.is_none(),
        access,
        logs: BTreeMap::new(),
        broken: vec![],
        digests: BTreeMap::new(),
        documents: BTreeMap::new(),
        records: BTreeMap::new(),
        marks: BTreeMap::new(),
        cleartext: cleartext_words(node, canaries),
        proofs,
        removed: BTreeSet::new(),
        unfolded: 0,
        cards: BTreeMap::new(),
        namespaces: BTreeSet::new(),
        redeemed: BTreeSet::new(),
        unerased: vec![],
        auth_bytes: BTreeMap::new(),
        seen: Seen::default(),
    };
    if node.disk.current().contains(&bare_track()) {
        view.seen.bare_tracks.push("a track stands on its disk in the clear".into());
    }
    let Some(replica) = node.replica.as_mut() else {
        view.broken.push("it is not running".into());
        return view;
    };
    view.unfolded = replica.unfolded();
    read_trust(replica, stated, &mut view);
    read_logs(replica, &mut view);
    let known: Vec<(NamespaceId, Namespace, Access, bool)> = replica.namespaces();
    for (id, namespace, _, readable) in known {
        view.digests.insert(id, replica.digest(id));
        let may_read = view.access.get(&id) == Some(&Access::Hold);
        if readable && !may_read {
            view.cleartext.push(format!("it can read {namespace}"));
        }
        if readable && namespace.kind != NamespaceKind::Auth {
            let erased: Vec<&Erased> = erased(stated).filter(|one| one.namespace == id).collect();
            read_documents(replica, id, &namespace, &erased, &mut view);
        }
    }
    view
}

fn erased(stated: &[Stated]) -> impl Iterator<Item = &Erased> {
    stated.iter().filter(|stated| !stated.excused).filter_map(|stated| match &stated.said {
        Said::Erased(erased) => Some(erased),
        Said::AuthorityRemoved(_) | Said::Redeemed(_) | Said::Ratified { .. } => None,
    })
}

/// What a node knows of certificates, namespaces, cards and persons' keys.
fn read_trust(replica: &Replica, stated: &[Stated], view: &mut NodeView) {
    let trust = replica.trust();
    let removed = stated.iter().filter_map(|stated| match &stated.said {
        Said::AuthorityRemoved(id) => Some(*id),
        Said::Erased(_) | Said::Redeemed(_) | Said::Ratified { .. } => None,
    });
    view.removed = removed.filter(|id| trust.is_revoked(id)).collect();
    view.redeemed = trust.double_redemptions().map(|(invite, _)| *invite).collect();
    view.namespaces = trust.namespaces().values().cloned().collect();
    let auth = replica.namespace_id(&Namespace::auth());
    for state in replica.logs().filter(|state| state.log.namespace == auth) {
        *view.auth_bytes.entry(state.log.author).or_default() += state.bytes;
    }
    let cards = replica.store().cards().unwrap_or_default();
    view.cards = cards.into_iter().map(|(key, version, _)| (key, version)).collect();
    // Those of others are stored late.
    let beacons = replica.beacons().into_iter().map(|beacon| (CardKind::Beacon.key(beacon.node.0), beacon.counter));
    view.cards.extend(beacons);
    let numbers: BTreeMap<NamespaceId, u32> = replica.store().namespaces().unwrap_or_default().into_iter().collect();
    for erased in erased(stated) {
        let Some(number) = numbers.get(&erased.namespace).copied() else { continue };
        for place in &erased.keys {
            if let Ok(Some(Row::Key(_))) = replica.store().person_key(number, *place) {
                view.unerased.push(format!("key {} of a person who was erased", place.index));
            }
        }
    }
}

/// Canaries of regions that the node does not read, on its disk in the clear.
fn cleartext_words(node: &Node, canaries: &BTreeMap<String, String>) -> Vec<String> {
    if node.spec.role == NodeRole::Center {
        return vec![];
    }
    let words: BTreeSet<Vec<u8>> = node.disk.current().words_after(CANARY.0, CANARY.1).into_iter().collect();
    let named = words.into_iter().filter_map(|word| {
        let canary = format!("canary-{}", String::from_utf8_lossy(&word));
        let region = canaries.get(&canary)?;
        (!node.spec.regions.contains(region)).then(|| format!("{canary} of {region} stands on its disk"))
    });
    named.collect()
}

/// Follows every chain from its first entry, and tries to read what is sealed.
fn read_logs(replica: &mut Replica, view: &mut NodeView) {
    let logs: Vec<LogId> = replica.logs().filter(|state| state.height > 0).map(|state| state.log).collect();
    let mut codec = BodyCodec::new().ok();
    for log in logs {
        let is_sealed = view.access.get(&log.namespace) == Some(&Access::Carry);
        let mut chain = Chain { log, ids: vec![], time: HybridTime::default(), signed: true, wrong: None };
        let read = replica.entries(&log, 1, |entry| {
            chain.follow(&entry);
            if is_sealed && codec.as_mut().is_some_and(|codec| is_in_the_clear(&entry.body, codec)) {
                view.cleartext.push(format!("entry {} of a carried log is not sealed", entry.header.seq));
            }
            ControlFlow::Continue(())
        });
        let failed = read.err().map(|error| error.to_string());
        let wrong = failed.or_else(|| chain.wrong());
        view.broken.extend(wrong.map(|what| format!("log of {}: {what}", log.author.short())));
        view.logs.insert(log, chain.ids);
    }
}

/// Whether somebody without any key reads a body.
fn is_in_the_clear(body: &[u8], codec: &mut BodyCodec) -> bool {
    let plain = codec.decompress(body).ok();
    plain.is_some_and(|plain| change::decode_items(&plain).is_ok_and(|items| !items.is_empty()))
}

/// A log as it is read from its first entry on.
#[derive(Debug)]
struct Chain {
    log: LogId,
    ids: Vec<EntryId>,
    time: HybridTime,
    signed: bool,
    wrong: Option<String>,
}

impl Chain {
    /// The next entry: it names the one before, is later than it, has the body and the signature that it says.
    fn follow(&mut self, entry: &Entry) {
        let Header { log, seq, backlink, time, body_hash, .. } = entry.header;
        let before = self.ids.last().copied().unwrap_or_else(|| self.log.origin());
        if log != self.log || seq != self.ids.len() as u64 + 1 || backlink != before {
            self.note(format!("entry {seq} does not follow {}", self.ids.len()));
        }
        if time <= self.time && seq > 1 {
            self.note(format!("entry {seq} is dated before the one that it follows"));
        }
        if blake3::hash(&entry.body).as_bytes() != &body_hash {
            self.note(format!("the body of entry {seq} is another one"));
        }
        self.signed = entry.signature.is_some_and(|signature| entry::verify(&entry.header, &signature).is_ok());
        if entry.signature.is_some() && !self.signed {
            self.note(format!("entry {seq} is not its author's"));
        }
        self.time = time;
        self.ids.push(entry.id());
    }

    /// The first thing that is wrong tells most.
    fn note(&mut self, what: String) {
        self.wrong.get_or_insert(what);
    }

    fn wrong(&self) -> Option<String> {
        self.wrong.clone().or_else(|| (!self.signed).then(|| "its last entry is not signed".to_owned()))
    }
}

fn read_documents(
    replica: &mut Replica,
    id: NamespaceId,
    namespace: &Namespace,
    erased: &[&Erased],
    view: &mut NodeView,
) {
    let mut after = None;
    loop {
        let page = match replica.documents(id, after, PAGE) {
            Ok(page) => page,
            Err(error) => return view.broken.push(error.to_string()),
        };
        let Some((last, _)) = page.last() else { return };
        after = Some(*last);
        for (document, code) in page {
            let Some(kind) = DocumentKind::from_code(code) else { continue };
            let reading = match read::of_kind(replica, namespace, kind, document) {
                Ok(reading) => reading,
                Err(error) => return view.broken.push(error.to_string()),
            };
            view.seen.take(id, document, &reading);
            // Who reads a track differs, and is looked at by itself.
            let words = if kind == DocumentKind::Track { String::new() } else { format!("{reading:?}") };
            let told = erased.iter().filter(|one| one.document == document).flat_map(|one| &one.words);
            let shown = told.filter(|word| words.contains(word.as_str()));
            view.unerased.extend(shown.map(|word| format!("it shows {word} of a person who was erased")));
            let marks: BTreeSet<u64> = marks_in(&words).collect();
            if !marks.is_empty() {
                view.marks.insert((id, document), marks);
            }
            let mut hasher = blake3::Hasher::new();
            hasher.update(words.as_bytes());
            if kind.form() == Form::Records {
                for record in replica.records(id, document).unwrap_or_default() {
                    let bare = bare_track();
                    if kind == DocumentKind::Track && record.bytes.windows(bare.len()).any(|bytes| bytes == bare) {
                        view.seen.bare_tracks.push(format!("the track {document} is not sealed"));
                    }
                    hasher.update(&record.id.0);
                    hasher.update(&[u8::from(record.void)]);
                    view.records.insert((document, record.id), record.void);
                }
            }
            if kind == DocumentKind::Blob {
                let blob = replica.blob(namespace, document).ok().flatten().and_then(|blob| blob.content);
                hasher.update(&blob.unwrap_or_default());
            }
            view.documents.insert((id, document), hasher.finalize().into());
        }
    }
}

/// What stands in each track of the simulator: its steps to the north as the format of tracks writes them, a byte each.
fn bare_track() -> Vec<u8> {
    STEPS.iter().map(|step| (step << 1 ^ step >> 31) as u8).collect()
}

/// Numbers of the marks in a text.
fn marks_in(words: &str) -> impl Iterator<Item = u64> {
    words.split(MARK).skip(1).filter_map(|rest| u64::from_str_radix(rest.get(..16)?, 16).ok())
}

#[cfg(test)]
mod tests {
    use townmesh_crdt::change::{Item, encode_items};
    use townmesh_crdt::entry::Lane;
    use townmesh_crdt::id::KeyId;
    use townmesh_crdt::seal::FamilySecret;

    use super::*;
    use crate::dice::Dice;

    /// Three entries of one log, each with its author's signature.
    fn log() -> (LogId, Vec<Entry>) {
        let key = townmesh_crdt::enrol::found(&[], "2026", "2026-11", 1, &mut Dice::new(1).into_rng()).root;
        let author = NodeId(key.verifying_key().to_bytes());
        let log = LogId { namespace: NamespaceId([1; 16]), author, epoch: 1, lane: Lane::Work };
        let mut entries: Vec<Entry> = Vec::new();
        for seq in 1..=3 {
            let body = vec![seq as u8; 20];
            let header = Header {
                log,
                seq,
                backlink: entries.last().map_or_else(|| log.origin(), Entry::id),
                time: HybridTime::at(1_000 + seq),
                certificate: CertificateId([2; 32]),
                key: KeyId([3; 16]),
                body_len: 20,
                body_hash: blake3::hash(&body).into(),
            };
            entries.push(Entry { header, signature: Some(entry::sign(&header, &key)), body });
        }
        (log, entries)
    }

    fn wrong(log: LogId, entries: &[Entry]) -> String {
        let mut chain = Chain { log, ids: vec![], time: HybridTime::default(), signed: true, wrong: None };
        entries.iter().for_each(|entry| chain.follow(entry));
        chain.wrong().unwrap_or_default()
    }

    #[test]
    fn a_log_that_is_not_whole_in_order_and_its_author_s_is_found() {
        let (own, entries) = log();
        assert_eq!(wrong(own, &entries), "");
        type Damage = fn(&mut Vec<Entry>);
        let damages: [(&str, Damage); 8] = [
            ("entry 3 does not follow 1", |entries| _ = entries.remove(1)),
            ("does not follow", |entries| entries.swap(1, 2)),
            ("does not follow", |entries| entries[2].header.backlink = EntryId([9; 32])),
            ("does not follow", |entries| entries[1].header.log.epoch = 2),
            ("dated before", |entries| entries[2].header.time = HybridTime::at(1_000)),
            ("another one", |entries| entries[2].body[0] ^= 1),
            ("not its author's", |entries| entries[2].signature = Some([7; 64])),
            ("last entry is not signed", |entries| entries[2].signature = None),
        ];
        for (words, damage) in damages {
            let mut damaged = entries.clone();
            damage(&mut damaged);
            let said = wrong(own, &damaged);
            assert!(said.contains(words), "{words}: {said:?}");
        }
    }

    #[test]
    fn a_body_in_the_clear_is_told_from_a_sealed_one() {
        let mut codec = BodyCodec::new().unwrap();
        let items = [Item::Record { kind: 1, document: DocumentId([1; 16]), bytes: b"names of people".to_vec() }];
        let plain = codec.compress(&encode_items(&items));
        assert!(is_in_the_clear(&plain, &mut codec));
        let namespace = Namespace::registry("110115005001");
        let mut rng = Dice::new(2).into_rng();
        let keys = FamilySecret::random(&mut rng).namespace_keys(&namespace);
        let sealed = keys.seal_body(&plain, &log().1[0].header.to_bytes(), &mut rng).unwrap();
        assert!(!is_in_the_clear(&sealed, &mut codec));
    }
}
