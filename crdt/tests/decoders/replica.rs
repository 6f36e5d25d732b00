//! A village's replica whose enrolled peer says anything: messages out of nothing, altered and reordered ones of a
//! genuine session, and well-signed entries with arbitrary contents.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use ed25519_dalek::SigningKey;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use redb::backends::InMemoryBackend;
use townmesh_crdt::certificate::NodeRole;
use townmesh_crdt::clock::{HybridTime, Millis};
use townmesh_crdt::enrol::{self, Founded, Invite, Joined, Place};
use townmesh_crdt::entry::{self, Entry, Header, Lane, LogId};
use townmesh_crdt::id::{DocumentId, EntryId, KeyId, NodeId};
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::policy::DocumentKind;
use townmesh_crdt::replica::{Opening, Replica};
use townmesh_crdt::seal::FamilySecret;
use townmesh_crdt::store::Store;
use townmesh_crdt::sync::{Message, Run};
use townmesh_crdt::value::Value;

use super::{Script, accepted};

const NOW: Millis = 1_763_900_000_000;
const REGION: &str = "110115005001";
/// Most steps of one script.
const MAX_STEPS: usize = 64;
/// Most messages that the village may have to say after a script.
const MAX_ANSWERS: usize = 10_000;

/// A genuine session and everything that is needed to begin it again.
struct Recorded {
    founded: Founded,
    invite: Invite,
    village: Joined,
    center: Joined,
    /// What the center said, in order.
    messages: Vec<Vec<u8>>,
}

static RECORDED: LazyLock<Recorded> = LazyLock::new(record);

/// A script of steps. The first byte chooses whether the village has met the center before.
pub(super) fn replica(bytes: &[u8]) -> Option<usize> {
    let mut script = Script(bytes);
    let recorded = &*RECORDED;
    let mut attack = Attack::begin(recorded, script.byte() & 1 == 1);
    let mut steps = 0;
    while !script.is_over() && steps < MAX_STEPS {
        attack.step(&mut script);
        steps += 1;
    }
    attack.end();
    Some(steps)
}

struct Attack<'a> {
    recorded: &'a Recorded,
    village: Replica,
    peer: NodeId,
    /// The next entry of each forged log: its seq and backlink.
    forged: BTreeMap<LogId, (u64, EntryId)>,
    household: Option<DocumentId>,
}

impl<'a> Attack<'a> {
    fn begin(recorded: &'a Recorded, has_met: bool) -> Self {
        let village = open(&recorded.village, &recorded.invite, &recorded.founded, 3);
        let peer = recorded.center.identity.node();
        let mut attack = Self { recorded, village, peer, forged: BTreeMap::new(), household: None };
        attack.connect();
        if has_met {
            // Connecting said the first, the hello.
            recorded.messages.iter().skip(1).for_each(|message| attack.hear(message));
            attack.settle();
            attack.household = Some(household(&mut attack.village, "3"));
        }
        attack
    }

    fn connect(&mut self) {
        self.village.close_session(&self.peer);
        self.village.open_session(self.peer).expect("there is room for one session");
        if let Some(hello) = self.recorded.messages.first() {
            self.hear(hello);
        }
    }

    /// As a driver does: a refused message ends the session.
    fn hear(&mut self, message: &[u8]) {
        if accepted(self.village.receive(self.peer, message, NOW)).is_none() {
            self.village.close_session(&self.peer);
            self.village.open_session(self.peer).expect("there is room for one session");
        }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        match script.byte() % 8 {
            0 => self.hear(script.piece()),
            1 => self.repeat(script, |_, _| {}),
            2 => self.repeat(script, |script, message| {
                let at = script.number() % message.len().max(1);
                message.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= script.byte());
            }),
            3 => self.repeat(script, |script, message| message.truncate(script.number())),
            4 => self.settle(),
            5 => self.connect(),
            6 => self.forge(script),
            _ => _ = self.answers(),
        }
    }

    fn repeat(&mut self, script: &mut Script<'_>, alter: impl Fn(&mut Script<'_>, &mut Vec<u8>)) {
        let number = usize::from(script.byte()) % self.recorded.messages.len().max(1);
        let Some(mut message) = self.recorded.messages.get(number).cloned() else { return };
        alter(script, &mut message);
        self.hear(&message);
    }

    /// A well-signed entry of the center with arbitrary time, body and place.
    fn forge(&mut self, script: &mut Script<'_>) {
        let choice = script.byte();
        let namespace = match choice & 3 {
            0 => Namespace::auth(),
            1 => Namespace::town(),
            2 => Namespace::registry(REGION),
            _ => Namespace::cases(REGION, "2026"),
        };
        let author = &self.recorded.center.identity;
        let lane = Lane::from_code((choice >> 2) & 3).unwrap_or(Lane::Work);
        let log = LogId {
            namespace: self.village.namespace_id(&namespace),
            author: author.node(),
            epoch: u64::from(choice >> 4),
            lane,
        };
        let (seq, backlink) = self.forged.get(&log).copied().unwrap_or((1, log.origin()));
        let time = HybridTime(u64::from(script.byte()) << 56 | HybridTime::at(NOW).0);
        let place = Header {
            log,
            seq,
            backlink,
            time,
            certificate: author.certificate,
            key: KeyId([0; 16]),
            body_len: 0,
            body_hash: [0; 32],
        };
        let entry = sealed(place, &namespace, &self.recorded.founded.secrets, script.piece(), &author.signing);
        if choice < 0xf0 {
            self.forged.insert(log, (seq.saturating_add(1), entry.id()));
        }
        if let Some(run) = Run::new(vec![entry]) {
            self.hear(&Message::Run(run).to_bytes());
        }
    }

    fn settle(&mut self) {
        self.village.commit(NOW).expect("memory takes every write");
        for _ in 0..100 {
            if !self.village.fold(NOW).expect("memory gives what was written") {
                break;
            }
            self.village.commit(NOW).expect("memory takes every write");
        }
        self.village.commit(NOW).expect("memory takes every write");
        while self.village.poll_output().is_some() {}
    }

    fn answers(&mut self) -> usize {
        let mut answers = 0;
        while let Some(answer) = self.village.poll_transmit(self.peer).expect("memory gives what was written") {
            answers += 1;
            assert!(Message::from_bytes(&answer).is_ok(), "the village says what can be read");
            assert!(answers <= MAX_ANSWERS, "the village does not come to an end");
        }
        answers
    }

    /// Whatever was said: the village still works and has lost nothing of its own.
    fn end(mut self) {
        self.settle();
        self.answers();
        assert!(!self.village.has_failed(), "a peer can stop the village from recording");
        let Some(document) = self.household else { return };
        let id = self.village.namespace_id(&Namespace::registry(REGION));
        let content = self.village.content(id, document).expect("memory gives what was written");
        assert!(content.records.contains_key([].as_slice()), "a household of the village is gone");
        household(&mut self.village, "4");
    }
}

/// The entry at a place, its body sealed where the namespace is.
fn sealed(
    mut header: Header,
    namespace: &Namespace,
    secrets: &[(String, FamilySecret)],
    plain: &[u8],
    key: &SigningKey,
) -> Entry {
    let mut body = plain.to_vec();
    if let Some((_, secret)) = secrets.iter().find(|(family, _)| *family == namespace.family()) {
        let keys = secret.namespace_keys(namespace);
        header.key = keys.key_id;
        let mut rng = ChaCha8Rng::seed_from_u64(header.seq);
        body = keys.seal_body(plain, &header.to_bytes(), &mut rng).expect("a short body is sealed");
    }
    header.body_len = body.len() as u32;
    header.body_hash = blake3::hash(&body).into();
    Entry { header, signature: Some(entry::sign(&header, key)), body }
}

fn household(replica: &mut Replica, key: &str) -> DocumentId {
    let namespace = Namespace::registry(REGION);
    let kind = DocumentKind::Household;
    let document = replica.document_id(&namespace, kind, key.as_bytes()).expect("the village knows its registry");
    let edits = BTreeMap::from([(vec![], BTreeMap::from([(1, Value::from("rental"))]))]);
    replica.edit(&namespace, kind, document, edits, Lane::Work, NOW).expect("the village may write to its registry");
    replica.commit(NOW).expect("memory takes every write");
    document
}

fn open(joined: &Joined, invite: &Invite, founded: &Founded, seed: u64) -> Replica {
    let opening = Opening {
        store: Store::open_backend(InMemoryBackend::new()).expect("memory can be opened"),
        identity: joined.identity.clone(),
        town: founded.authority.town,
        chain: joined.chain.clone(),
        rng: Box::new(ChaCha8Rng::seed_from_u64(seed)),
        expect_data: false,
        beacon_interval: 60_000,
    };
    let mut replica = Replica::open(opening, NOW).expect("a new node opens");
    replica.keep_secrets(&invite.secrets);
    replica.commit(NOW).expect("memory takes every write");
    replica
}

/// Founds a town and lets its center and a village meet.
fn record() -> Recorded {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let founded = enrol::found(&[REGION.to_owned()], "2026", "2026-11", NOW, &mut rng);
    let mut join = |role, regions: &[&str]| {
        let regions = regions.iter().map(|code| (*code).to_owned()).collect();
        let place = Place { name: "node".into(), role, regions, carries: vec![], acts_as: None };
        let invite =
            enrol::invite(&founded.authority, &place, &founded.secrets, NOW, &mut rng).expect("the name is right");
        let joined = enrol::redeem(&invite, &mut rng).expect("the invite is complete");
        (invite, joined)
    };
    let (center_invite, center) = join(NodeRole::Center, &[]);
    let (invite, village) = join(NodeRole::Village, &[REGION]);

    let mut at_center = open(&center, &center_invite, &founded, 2);
    at_center.record_statements(founded.statements.clone(), NOW).expect("the statements are the authority's");
    at_center.commit(NOW).expect("memory takes every write");
    let document = household(&mut at_center, "1");
    let registry = Namespace::registry(REGION);
    let resident = at_center.new_resident();
    at_center.seal_personal(&registry, document, resident, None, b"sealed").expect("the center holds the key");
    at_center
        .put(&registry, DocumentKind::Inspection, document, vec![1, 0xa0], Lane::Work, NOW)
        .expect("the center may");
    at_center.publish_position(397_300_000, 1_163_300_000, NOW).expect("the center holds the town's key");
    at_center.commit(NOW).expect("memory takes every write");

    let mut at_village = open(&village, &invite, &founded, 3);
    let messages = session(&mut at_center, &mut at_village);
    Recorded { founded, invite, village, center, messages }
}

/// What `from` says until both are up to date.
fn session(from: &mut Replica, to: &mut Replica) -> Vec<Vec<u8>> {
    let (from_id, to_id) = (from.node(), to.node());
    from.open_session(to_id).expect("there is room for one session");
    to.open_session(from_id).expect("there is room for one session");
    let mut said = Vec::new();
    loop {
        let before = said.len();
        while let Some(message) = from.poll_transmit(to_id).expect("memory gives what was written") {
            to.receive(from_id, &message, NOW).expect("the center is honest");
            said.push(message);
        }
        for _ in 0..3 {
            to.commit(NOW).expect("memory takes every write");
            to.fold(NOW).expect("memory gives what was written");
        }
        while let Some(message) = to.poll_transmit(from_id).expect("memory gives what was written") {
            from.receive(to_id, &message, NOW).expect("the village is honest");
        }
        from.commit(NOW).expect("memory takes every write");
        if said.len() == before {
            return said;
        }
    }
}
