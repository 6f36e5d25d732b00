//! What is looked at when a run is over: everything that each node holds, read through the face that views use, and
//! the ledger of what was promised.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use townmesh_crdt::certificate::{Access, NodeRole};
use townmesh_crdt::change;
use townmesh_crdt::codec::BodyCodec;
use townmesh_crdt::command::read;
use townmesh_crdt::entry::{self, LogId};
use townmesh_crdt::id::{CertificateId, DocumentId, EntryId, NamespaceId, NodeId, RecordId};
use townmesh_crdt::namespace::{Namespace, NamespaceKind};
use townmesh_crdt::policy::{DocumentKind, Form};
use townmesh_crdt::replica::Replica;

use crate::world::{Ack, Node, Stats, World};

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
    /// What stands in the clear on its disk and may not.
    pub cleartext: Vec<String>,
    /// Logs of which it can prove that they forked.
    pub proofs: BTreeSet<LogId>,
    /// Certificates that it holds for removed, among those of authorities that were.
    pub removed: BTreeSet<CertificateId>,
    /// Entries that it has not opened yet.
    pub unfolded: u64,
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
    /// Removed authorities.
    pub removed_authorities: BTreeSet<CertificateId>,
    /// Namespaces by id.
    pub names: BTreeMap<NamespaceId, Namespace>,
    /// Counts.
    pub stats: Stats,
    /// Bytes of entries over all nodes.
    pub appended_bytes: u64,
}

impl TownView {
    /// Reads everything.
    pub(crate) fn of(world: &mut World) -> Self {
        let names = world.names().clone();
        let canaries = world.regions().iter().map(|code| (World::canary(world.seed(), code), code.clone())).collect();
        let ledger = world.ledger();
        let (acks, forks, forged) = (ledger.acks.clone(), ledger.forks.clone(), ledger.forged.clone());
        let removed_authorities = ledger.removed_authorities.clone();
        let removed = world.nodes().iter().filter_map(|node| Some((node.id(), node.removed.clone()?))).collect();
        let stats = world.stats();
        let mut nodes = Vec::new();
        let mut appended_bytes = 0;
        for node in world.nodes_mut() {
            let states = node.replica.iter().flat_map(Replica::logs);
            appended_bytes += states.map(|state| state.bytes).sum::<u64>();
            nodes.push(node_view(node, &names, &canaries, &forks, &removed_authorities));
        }
        Self { nodes, acks, forks, forged, removed, removed_authorities, names, stats, appended_bytes }
    }
}

fn node_view(
    node: &mut Node,
    names: &BTreeMap<NamespaceId, Namespace>,
    canaries: &BTreeMap<String, String>,
    forks: &BTreeMap<LogId, u64>,
    removed_authorities: &BTreeSet<CertificateId>,
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
        cleartext: cleartext_words(node, canaries),
        proofs,
        removed: BTreeSet::new(),
        unfolded: 0,
    };
    let Some(replica) = node.replica.as_mut() else {
        view.broken.push("it is not running".into());
        return view;
    };
    view.unfolded = replica.unfolded();
    let is_removed = |id: &&CertificateId| replica.trust().is_revoked(id);
    view.removed = removed_authorities.iter().filter(is_removed).copied().collect();
    read_logs(replica, &mut view);
    let known: Vec<(NamespaceId, Namespace, Access, bool)> = replica.namespaces();
    for (id, namespace, _, readable) in known {
        view.digests.insert(id, replica.digest(id));
        let may_read = view.access.get(&id) == Some(&Access::Hold);
        if readable && !may_read {
            view.cleartext.push(format!("it can read {namespace}"));
        }
        if readable && namespace.kind != NamespaceKind::Auth {
            read_documents(replica, id, &namespace, &mut view);
        }
    }
    view
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
        let sealed = view.access.get(&log.namespace) == Some(&Access::Carry);
        let mut ids: Vec<EntryId> = Vec::new();
        let mut wrong: Option<String> = None;
        let mut signed = true;
        let read = replica.entries(&log, 1, |entry| {
            let before = ids.last().copied().unwrap_or_else(|| log.origin());
            if entry.header.log != log || entry.header.seq != ids.len() as u64 + 1 || entry.header.backlink != before {
                wrong = Some(format!("entry {} does not follow {}", entry.header.seq, ids.len()));
            }
            if blake3::hash(&entry.body).as_bytes() != &entry.header.body_hash {
                wrong = Some(format!("the body of entry {} is another one", entry.header.seq));
            }
            signed = entry.signature.is_some_and(|signature| entry::verify(&entry.header, &signature).is_ok());
            if entry.signature.is_some() && !signed {
                wrong = Some(format!("entry {} is not its author's", entry.header.seq));
            }
            let plain = codec.as_mut().filter(|_| sealed).and_then(|codec| codec.decompress(&entry.body).ok());
            if plain.is_some_and(|plain| change::decode_items(&plain).is_ok_and(|items| !items.is_empty())) {
                view.cleartext.push(format!("entry {} of a carried log is not sealed", entry.header.seq));
            }
            ids.push(entry.id());
            ControlFlow::Continue(())
        });
        if !signed {
            wrong = wrong.or_else(|| Some("its last entry is not signed".into()));
        }
        if let Err(error) = read {
            wrong = Some(error.to_string());
        }
        view.broken.extend(wrong.map(|what| format!("log of {}: {what}", log.author.short())));
        view.logs.insert(log, ids);
    }
}

fn read_documents(replica: &mut Replica, id: NamespaceId, namespace: &Namespace, view: &mut NodeView) {
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
            let words = match read::of_kind(replica, namespace, kind, document) {
                Ok(reading) => format!("{reading:?}"),
                Err(error) => return view.broken.push(error.to_string()),
            };
            let mut hasher = blake3::Hasher::new();
            hasher.update(words.as_bytes());
            if kind.form() == Form::Records {
                for record in replica.records(id, document).unwrap_or_default() {
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
