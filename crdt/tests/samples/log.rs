//! Inputs for the decoders of entries, messages and cards.

use std::collections::{BTreeMap, BTreeSet};

use ed25519_dalek::SigningKey;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use townmesh_crdt::bounds;
use townmesh_crdt::card::{Beacon, Position};
use townmesh_crdt::certificate::{
    Access, Certificate, CertificateKind, Claim, Cut, Erasure, NodeRole, Scope, Statement,
};
use townmesh_crdt::change::{Assertion, Change, Item, encode_items};
use townmesh_crdt::clock::HybridTime;
use townmesh_crdt::codec::BodyCodec;
use townmesh_crdt::domain::role::Role;
use townmesh_crdt::enrol;
use townmesh_crdt::entry::{self, Entry, HEADER_LEN, Header, Lane, LogId};
use townmesh_crdt::fork::{Branch, ForkProof};
use townmesh_crdt::grant::Handout;
use townmesh_crdt::id::{CertificateId, DocumentId, EntryId, KeyId, NamespaceId, NodeId};
use townmesh_crdt::namespace::{Namespace, NamespaceKind};
use townmesh_crdt::refusal::Refusal;
use townmesh_crdt::seal::{FamilySecret, PersonKeyPlace};
use townmesh_crdt::shelf::{BLOCK, Row, ShelfSeal};
use townmesh_crdt::store::CardKey;
use townmesh_crdt::sync::frontier::BUCKETS;
use townmesh_crdt::sync::{Buckets, Frontier, KeyRun, LogHeight, Message, News, Run};
use townmesh_crdt::value::{Fields, Value};

use super::{Sample, cbor, damaged, hostile_cbor, prolonged, sample};

const TOWN: [u8; 32] = [0x11; 32];
const TIME: u64 = 1_763_900_000_000;

pub(super) fn samples() -> Vec<Sample> {
    [messages(), entries(), bodies(), items(), manifests(), statements(), cards(), fork_proofs(), values()].concat()
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[5; 32])
}

fn log() -> LogId {
    let author = NodeId(key().verifying_key().to_bytes());
    LogId { namespace: NamespaceId([7; 16]), author, epoch: 3, lane: Lane::Work }
}

fn entry_at(seq: u64, backlink: EntryId, time: u64) -> Entry {
    let body = b"\0\x80".to_vec();
    let header = Header {
        log: log(),
        seq,
        backlink,
        time: HybridTime::at(time),
        certificate: CertificateId([1; 32]),
        key: KeyId([2; 16]),
        body_len: body.len() as u32,
        body_hash: blake3::hash(&body).into(),
    };
    Entry { header, signature: Some(entry::sign(&header, &key())), body }
}

fn run() -> Run {
    let first = entry_at(1, log().origin(), TIME);
    let second = entry_at(2, first.id(), TIME + 1);
    Run::new(vec![first, second]).expect("the second entry follows the first")
}

fn key_run(start: u32) -> KeyRun {
    let seal = ShelfSeal { certificate: CertificateId([1; 32]), signature: [6; 64] };
    let namespace = NamespaceId([7; 16]);
    KeyRun {
        namespace,
        author: log().author,
        epoch: 3,
        start,
        keys: vec![Row::Key([5; 32]), Row::Destroyed([6; 32])],
        seal,
    }
}

fn valid_messages() -> Vec<(&'static str, Message)> {
    let namespace = NamespaceId([7; 16]);
    let card = CardKey { kind: 1, key: [4; 32] };
    let height = LogHeight { author: log().author, epoch: 3, lane: Lane::Work, seq: 2, head: EntryId([3; 32]) };
    let frontier =
        |buckets| Frontier { namespace, buckets, logs: vec![height; 2], shelves: vec![([9; 8], 7)], more: true };
    let mut some = Buckets::NONE;
    some.insert(255);
    vec![
        (
            "hello",
            Message::Hello { town: TOWN, chain: vec![vec![1; 40]; 3], auth: [1; 16], shared: [2; 16], cards: [3; 16] },
        ),
        ("digests", Message::Digests(vec![(namespace, [1; 16]); 3])),
        ("frontier", Message::Frontier(frontier(Buckets::ALL))),
        ("frontier-of-some-buckets", Message::Frontier(frontier(some))),
        ("bucket-digests", Message::BucketDigests { namespace, digests: vec![[1; 8]; BUCKETS] }),
        ("run", Message::Run(run())),
        ("person-keys", Message::PersonKeys(key_run(BLOCK - 2))),
        ("card-list", Message::CardList(vec![(card, 1)])),
        ("card", Message::Card { key: card, version: u64::MAX, bytes: vec![1, 2, 3] }),
        ("card-request", Message::CardRequest(vec![card])),
        ("totals", Message::Totals { entries: u64::MAX, bytes: u64::MAX }),
        ("summary", Message::Summary { shared: [1; 16], auth: [2; 16] }),
        ("chunk-request", Message::ChunkRequest { namespace, hashes: vec![[1; 32]; 2] }),
        ("chunk", Message::Chunk { namespace, bytes: vec![0; 100] }),
        ("log-request", Message::LogRequest { log: log(), from: 0 }),
        ("chunk-lack", Message::ChunkLack { namespace, hashes: vec![[1; 32]; 2] }),
        ("news", Message::News(News { logs: vec![(log(), u64::MAX, EntryId([1; 32]))], cards: vec![(card, 1)] })),
        ("elsewhere", Message::Elsewhere { author: log().author }),
    ]
}

fn messages() -> Vec<Sample> {
    let run = Message::Run(run()).to_bytes();
    let mut samples = [damaged("message", &run), prolonged("message", &run), hostile_cbor("message", &[])].concat();
    samples.extend(
        valid_messages()
            .into_iter()
            .map(|(name, message)| sample("message", &format!("valid-{name}"), message.to_bytes())),
    );
    let bytes_of =
        |code: u8, parts: u64, rest: &[u8]| [cbor(|e| e.array(parts)?.u8(code)?.ok()), rest.to_vec()].concat();
    samples.extend([
        sample("message", "valid-code-of-a-newer-version", bytes_of(200, 2, &[0xf6])),
        sample(
            "message",
            "frontier-of-4-billion-logs",
            bytes_of(2, 6, &[&[0x50][..], &[7; 16], &[0x40, 0x9a, 0xff, 0xff, 0xff, 0xff]].concat()),
        ),
        sample(
            "message",
            "frontier-with-a-set-of-31-bytes",
            bytes_of(2, 6, &[&[0x50][..], &[7; 16], &[0x58, 31], &[1; 31], &[0x80, 0x80, 0xf4]].concat()),
        ),
        sample(
            "message",
            "digests-of-255-buckets",
            bytes_of(14, 3, &[&[0x50][..], &[7; 16], &[0x59, 0x07, 0xf8], &[1; 2040]].concat()),
        ),
        sample("message", "person-keys-of-two-blocks", Message::PersonKeys(key_run(BLOCK - 1)).to_bytes()),
        sample("message", "person-keys-past-the-last-index", Message::PersonKeys(key_run(u32::MAX)).to_bytes()),
        sample(
            "message",
            "person-keys-without-keys",
            Message::PersonKeys(KeyRun { keys: vec![], ..key_run(0) }).to_bytes(),
        ),
        sample("message", "card-list-of-4-billion-cards", bytes_of(5, 2, &[0x9a, 0xff, 0xff, 0xff, 0xff])),
        sample("message", "namespace-of-15-bytes", bytes_of(11, 3, &[&[0x4f][..], &[7; 15], &[0x41, 0]].concat())),
        sample(
            "message",
            "person-key-cut-off",
            bytes_of(4, 9, &[&[0x50][..], &[7; 16], &[0x58, 32], &[9; 32], &[3, 0, 0x41, 1]].concat()),
        ),
        sample("message", "parts-that-do-not-fit-the-code", bytes_of(0, 2, &[0x80])),
        sample(
            "message",
            "log-request-with-an-unknown-lane",
            bytes_of(12, 3, &[&[0x58, 57][..], &[9; 57], &[0]].concat()),
        ),
        sample("message", "run-of-no-entries", run_of(1, &[0x80])),
        sample("message", "run-from-seq-0", run_of(0, &[0x80])),
        sample("message", "run-past-the-last-seq", run_of(u64::MAX, &[0x82, 0x83, 0, 0, 0x40, 0x83, 0, 0, 0x40])),
        sample("message", "run-without-a-signature", run_of(1, &[0x81, 0x83, 0, 0, 0x40])),
        sample("message", "run-with-unknown-flags", run_of(1, &[0x81, 0x83, 0x18, 0x80, 0, 0x40])),
        sample("message", "run-of-4-billion-entries", run_of(1, &[0x9a, 0xff, 0xff, 0xff, 0xff])),
    ]);
    samples
}

/// A run message that begins at a seq, with these bytes for its entries.
fn run_of(seq: u64, entries: &[u8]) -> Vec<u8> {
    let start = cbor(|e| {
        e.array(2)?.u8(3)?.array(6)?.bytes(&log().to_bytes())?.u64(seq)?;
        e.bytes(&[3; 32])?.bytes(&[1; 32])?.bytes(&[2; 16])?.ok()
    });
    [start, entries.to_vec()].concat()
}

fn entries() -> Vec<Sample> {
    let signed = entry_at(1, log().origin(), TIME);
    let bytes = signed.to_bytes();
    let with = |at: usize, new: &[u8]| {
        let mut bytes = bytes.clone();
        bytes.iter_mut().skip(at).zip(new).for_each(|(byte, new)| *byte = *new);
        bytes
    };
    let mut samples = [damaged("entry", &bytes), prolonged("entry", &bytes)].concat();
    samples.extend([
        sample("entry", "valid-signed", bytes.clone()),
        sample("entry", "valid-unsigned", Entry { signature: None, ..signed.clone() }.to_bytes()),
        sample("entry", "valid-with-a-wrong-signature", with(HEADER_LEN + 1, &[0xff; 64])),
        sample("entry", "valid-with-a-key-of-small-order", with(17, &[[1].as_slice(), &[0; 31]].concat())),
        sample("entry", "truncated-header", &bytes[..HEADER_LEN - 1]),
        sample("entry", "truncated-signature", &bytes[..HEADER_LEN + 40]),
        sample("entry", "unknown-format", with(0, &[2])),
        sample("entry", "unknown-lane", with(57, &[4])),
        sample("entry", "seq-0", with(58, &[0; 8])),
        sample("entry", "body-of-4-gigabytes", with(154, &[0xff; 4])),
        sample("entry", "body-of-one-byte-more-than-there-is", with(154, &[0, 0, 0, 3])),
        sample("entry", "signature-flag-2", with(HEADER_LEN, &[2])),
    ]);
    samples
}

fn bodies() -> Vec<Sample> {
    let mut codec = BodyCodec::new().expect("there is memory for the dictionary");
    let packed = codec.compress(&encode_items(&[household_change()]).repeat(20));
    let zstd = |bytes: &[u8]| zstd::bulk::compress(bytes, 19).expect("there is memory to compress");
    let bomb = zstd(&vec![0; 64 * bounds::MAX_PLAIN_BODY]);
    let mut samples = damaged("body", &packed);
    samples.extend([
        sample("body", "valid-with-the-dictionary", packed.clone()),
        sample("body", "valid-plain", [&[0][..], &encode_items(&[household_change()])].concat()),
        sample("body", "valid-zstd", [&[1][..], &zstd(&[7; 1000])].concat()),
        sample("body", "zip-bomb", [&[1][..], &bomb].concat()),
        sample(
            "body",
            "zip-bomb-one-byte-over-the-limit",
            [&[1][..], &zstd(&vec![0; bounds::MAX_PLAIN_BODY + 1])].concat(),
        ),
        sample("body", "zip-bomb-with-the-dictionary", [&packed[..5], &bomb].concat()),
        sample("body", "zip-bombs-in-a-row", [&[1][..], &bomb[..], &bomb].concat()),
        sample("body", "unknown-codec", [3, 0, 0]),
        sample("body", "unknown-dictionary", [2, 0xde, 0xad, 0xbe, 0xef, 0x28]),
        sample("body", "dictionary-name-cut-off", [2, 0xde]),
        sample("body", "zstd-header-alone", [1, 0x28, 0xb5, 0x2f, 0xfd]),
        sample(
            "body",
            "zstd-that-announces-2-to-the-56-bytes",
            [&[1, 0x28, 0xb5, 0x2f, 0xfd, 0xe0][..], &[0xff; 7], &[0, 1, 0, 0]].concat(),
        ),
        sample("body", "gzip-instead-of-zstd", [1, 0x1f, 0x8b, 8, 0, 0, 0, 0, 0]),
    ]);
    samples
}

pub(super) fn assertion(record: &[u8], fields: Fields, supersedes: &[[u8; 8]]) -> Assertion {
    Assertion { record: record.to_vec(), fields, supersedes: supersedes.iter().copied().collect::<BTreeSet<_>>() }
}

fn household_change() -> Item {
    let fields = Fields::from([(1, Value::Int(110_115_005_001)), (2, Value::from("东街12号")), (4, Value::Int(1))]);
    let change = Change { deps: vec![], assertions: vec![assertion(&[], fields, &[])] };
    Item::Change { kind: 10, document: DocumentId([9; 16]), change }
}

fn items() -> Vec<Sample> {
    let record = Item::Record { kind: 13, document: DocumentId([9; 16]), bytes: vec![1, 0xa0] };
    let others = [record, Item::Epoch { epoch: 1, seq: 2, head: EntryId([3; 32]) }, Item::Seen { auth: [4; 16] }];
    let all: Vec<Item> = [household_change()].into_iter().chain(others).collect();
    let bytes = encode_items(&all);
    let mut samples = [damaged("items", &bytes), prolonged("items", &bytes), hostile_cbor("items", &[])].concat();
    let unknown_nested = [&[0x81, 0x82, 0x18, 99][..], &[0x81; 8_000], &[0]].concat();
    let change_with = |rest: &[u8]| [&cbor(|e| e.array(5)?.u8(0)?.u8(10)?.bytes(&[9; 16])?.ok())[..], rest].concat();
    let in_list = |item: &[u8]| [&[0x81][..], item].concat();
    let dep = [&[0x58, 32][..], &[1; 32]].concat();
    let hostile_changes: [(&str, Vec<u8>); 10] = [
        ("33-dependencies", change_with(&[&[0x98, 33][..], &dep.repeat(33), &[0x80]].concat())),
        ("dependency-named-twice", change_with(&[&[0x82][..], &dep.repeat(2), &[0x80]].concat())),
        ("4-billion-dependencies", change_with(&[0x9a, 0xff, 0xff, 0xff, 0xff])),
        ("4-billion-assertions", change_with(&[0x80, 0x9a, 0xff, 0xff, 0xff, 0xff])),
        ("4-billion-fields", change_with(&[0x80, 0x81, 0x83, 0x40, 0xba, 0xff, 0xff, 0xff, 0xff])),
        ("two-assertions-about-one-record", change_with(&[0x80, 0x82, 0x83, 0x40, 0xa0, 0x80, 0x83, 0x40, 0xa0, 0x80])),
        ("field-named-twice", change_with(&[0x80, 0x81, 0x83, 0x40, 0xa2, 1, 1, 1, 2, 0x80])),
        ("record-key-of-17-bytes", change_with(&[&[0x80, 0x81, 0x83, 0x51][..], &[0; 17], &[0xa0, 0x80]].concat())),
        (
            "assertion-over-16-kib",
            change_with(&[&[0x80, 0x81, 0x83, 0x40, 0xa1, 1, 0x59, 0x41, 0][..], &[0; 0x4100], &[0x80]].concat()),
        ),
        ("wrong-number-of-parts", vec![0x82, 0, 10]),
    ];
    for (name, item) in &hostile_changes {
        samples.extend([sample("items", name, in_list(item)), sample("item", name, item.clone())]);
    }
    let record_bytes =
        |length: u32| cbor(|e| e.array(4)?.u8(1)?.u8(13)?.bytes(&[9; 16])?.bytes(&vec![0; length as usize])?.ok());
    samples.extend([
        sample("items", "valid-one-of-each", bytes),
        sample("items", "valid-deeply-nested-item-of-a-newer-version", unknown_nested),
        sample("items", "valid-none", [0x80]),
        sample("items", "record-over-64-kib", in_list(&record_bytes(64 * 1024 + 1))),
        sample("items", "4097-items", [&[0x99, 0x10, 0x01][..], &[0x81, 0x18, 99].repeat(4097)].concat()),
        sample("item", "valid-change", household_change().to_bytes()),
        sample("item", "valid-item-of-a-newer-version", [0x82, 0x18, 99, 0xf6]),
    ]);
    samples.extend([damaged("item", &household_change().to_bytes()), hostile_cbor("item", &[])].concat());
    samples.extend(assertions());
    samples
}

fn assertions() -> Vec<Sample> {
    let text = |length: usize| Value::Text("字".repeat(length));
    let fields = Fields::from([
        (1, Value::Int(i64::MIN)),
        (2, text(3)),
        (3, Value::Null),
        (4, Value::Bool(true)),
        (16, Value::Bytes(vec![0; 40])),
    ]);
    let valid = assertion(&[], fields, &[[1; 8], [2; 8]]).value_bytes();
    let wide = assertion(&[], (0..64).map(|field| (field, Value::Int(field.into()))).collect(), &[]).value_bytes();
    let mut samples = Vec::new();
    for target in ["assertion", "fields"] {
        samples.extend([damaged(target, &valid), prolonged(target, &valid), hostile_cbor(target, &[])].concat());
        samples.extend([
            sample(target, "valid-every-type", valid.clone()),
            sample(target, "valid-64-fields", wide.clone()),
            sample(
                target,
                "65-fields",
                [&[0xb8, 65][..], &(0..65).flat_map(|field| [0x18, field + 24, 0xf6]).collect::<Vec<u8>>(), &[0x80]]
                    .concat(),
            ),
            sample(target, "field-named-twice", [0xa2, 1, 1, 1, 2, 0x80]),
            sample(target, "field-number-256", [0xa1, 0x19, 1, 0, 1, 0x80]),
            sample(target, "superseded-id-of-7-bytes", [&[0xa0, 0x81, 0x47][..], &[0; 7]].concat()),
            sample(
                target,
                "65-superseded",
                [
                    &[0xa0, 0x98, 65][..],
                    &(0..65).flat_map(|id| [[0x48, id].as_slice(), &[0; 7]].concat()).collect::<Vec<u8>>(),
                ]
                .concat(),
            ),
            sample(
                target,
                "number-beyond-64-bits",
                [0xa1, 1, 0x3b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x80],
            ),
            sample(target, "floating-point-value", [0xa1, 1, 0xfb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0, 0x80]),
        ]);
    }
    samples
}

fn manifests() -> Vec<Sample> {
    let manifest = |shelf: &[u8], media_type: &str, chunks: usize| {
        cbor(|e| {
            e.array(6)?.u8(1)?.u64(600_000)?.str(media_type)?.bytes(shelf)?.u32(7)?.array(chunks as u64)?;
            (0..chunks).try_for_each(|number| e.bytes(&[number as u8; 32]).map(|_| ()))
        })
    };
    let valid = manifest(&[1; 8], "image/jpeg", 3);
    let mut samples =
        [damaged("manifest", &valid), prolonged("manifest", &valid), hostile_cbor("manifest", &[])].concat();
    samples.extend([
        sample("manifest", "valid-three-chunks", valid),
        sample("manifest", "valid-no-chunk", manifest(&[1; 8], "image/jpeg", 0)),
        sample("manifest", "257-chunks", manifest(&[1; 8], "image/jpeg", 257)),
        sample("manifest", "shelf-of-7-bytes", manifest(&[1; 7], "image/jpeg", 1)),
        sample("manifest", "media-type-of-101-bytes", manifest(&[1; 8], &"x".repeat(101), 1)),
    ]);
    samples
}

fn statements() -> Vec<Sample> {
    let certificate = Certificate {
        kind: CertificateKind::Node,
        key: log().author,
        exchange: [8; 32],
        name: "langfa-1".into(),
        role: NodeRole::Village,
        scopes: vec![Scope { kind: NamespaceKind::Registry, region: "110115005001".into(), access: Access::Hold }],
        roles: [Role::Inspector, Role::VillageClerk].into(),
        not_before: 0,
        not_after: u64::MAX,
    };
    let sign = |claim: Claim, town: &[u8; 32]| Statement::sign(town, claim, None, [0; 8], &key()).to_bytes();
    let certified = |change: fn(&mut Certificate)| {
        let mut certificate = certificate.clone();
        change(&mut certificate);
        sign(Claim::Certificate(certificate), &TOWN)
    };
    let valid = certified(|_| {});
    let cut = Cut { log: log(), seq: 3, head: EntryId([3; 32]) };
    let (namespace, place) = (NamespaceId([5; 16]), PersonKeyPlace { shelf: [6; 8], index: 7 });
    let ratification = |seq| sign(Claim::Ratification { log: log(), seq, head: EntryId([3; 32]) }, &TOWN);
    let family = |founding: Namespace| sign(Claim::Family { founding, key: KeyId([2; 16]) }, &TOWN);
    let scope = |region: &str| Scope { kind: NamespaceKind::Cases, region: region.into(), access: Access::Carry };
    let crowded = Certificate { scopes: vec![scope(""); bounds::MAX_SCOPES + 1], ..certificate.clone() };
    let mut samples =
        [damaged("statement", &valid), prolonged("statement", &valid), hostile_cbor("statement", &[])].concat();
    samples.extend([
        sample("statement", "valid-certificate", valid.clone()),
        sample(
            "statement",
            "valid-revocation",
            sign(Claim::Revocation { certificate: CertificateId([1; 32]), cuts: vec![cut; 2] }, &TOWN),
        ),
        sample(
            "statement",
            "valid-erasure",
            sign(Claim::Erasure(Erasure { namespace, document: DocumentId([4; 16]), keys: vec![place; 2] }), &TOWN),
        ),
        sample(
            "statement",
            "erasure-of-1025-keys",
            sign(Claim::Erasure(Erasure { namespace, document: DocumentId([4; 16]), keys: vec![place; 1025] }), &TOWN),
        ),
        sample("statement", "valid-ratification", ratification(9)),
        sample("statement", "ratification-of-seq-0", ratification(0)),
        sample("statement", "valid-family", family(Namespace::cases("110115005001", "2026"))),
        sample("statement", "another-town", sign(Claim::Certificate(certificate.clone()), &[0x22; 32])),
        sample("statement", "weak-key", certified(|one| one.key = NodeId([0; 32]))),
        sample("statement", "name-of-65-characters", certified(|one| one.name = "村".repeat(65))),
        sample("statement", "257-scopes", sign(Claim::Certificate(crowded), &TOWN)),
        sample("statement", "family-of-no-namespace", family(Namespace::registry("../../etc/passwd"))),
        sample("statement", "inner-bytes-of-4-gigabytes", [0x82, 0x5a, 0xff, 0xff, 0xff, 0xff, 0]),
        sample("statement", "signature-of-63-bytes", [&[0x82, 0x41, 0x80, 0x58, 63][..], &[0; 63]].concat()),
    ]);
    samples
}

fn cards() -> Vec<Sample> {
    let beacon = |heads: usize| Beacon {
        node: log().author,
        epoch: 1,
        counter: u64::MAX,
        at: TIME,
        heads: vec![([4; 8], 5); heads],
        spaces: vec![([6; 8], [7; 8]); 2],
    };
    let crowded = Beacon { spaces: vec![([6; 8], [7; 8]); 65], ..beacon(3) };
    let position = Position { node: log().author, at: TIME, latitude: i32::MIN, longitude: i32::MAX };
    let keys = FamilySecret::from_bytes([8; 32]).namespace_keys(&Namespace::town());
    let sealed = position.seal(&keys, &mut ChaCha8Rng::seed_from_u64(2)).expect("memory takes every write");
    let valid = beacon(3).to_bytes(&key());
    let forged = beacon(3).to_bytes(&SigningKey::from_bytes(&[6; 32]));
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let founded = enrol::found(&["110115005001".to_owned()], "2026", "2026-11", TIME, &mut rng);
    let own = x25519_dalek::PublicKey::from(&x25519_dalek::StaticSecret::from([1; 32]));
    let grant = |recipient: &[u8; 32], rng: &mut ChaCha8Rng| {
        let recipients = BTreeMap::from([(*recipient, (0..founded.secrets.len()).collect())]);
        let excluded = BTreeSet::from([[1; 8], [2; 8]]);
        Handout { excluded: &excluded, secrets: &founded.secrets, recipients: &recipients }.cards(&key(), rng).remove(0)
    };
    let refusal = |refused: &[u8]| {
        let refused = refused.iter().map(|byte| NodeId([*byte; 32])).collect();
        Refusal { node: log().author, refused }.to_bytes(&key())
    };
    let mut samples = [damaged("card", &valid), prolonged("card", &valid), hostile_cbor("card", &[])].concat();
    samples.extend([
        sample("card", "valid-beacon", valid.clone()),
        sample("card", "valid-position", sealed.to_bytes(&key())),
        sample("card", "position-signed-by-another", sealed.to_bytes(&SigningKey::from_bytes(&[6; 32]))),
        sample("card", "beacon-of-65-namespaces", crowded.to_bytes(&key())),
        sample("card", "valid-grant", grant(own.as_bytes(), &mut rng)),
        sample("card", "valid-grant-for-another", grant(&[9; 32], &mut rng)),
        sample("card", "valid-refusal", refusal(&[7])),
        sample("card", "refusal-of-nobody", refusal(&[])),
        sample("card", "refusal-signed-by-another", {
            let mut refusal = refusal(&[7]);
            *refusal.last_mut().expect("a refusal is not empty") ^= 1;
            refusal
        }),
        sample("card", "grant-with-another-signature", {
            let mut grant = grant(own.as_bytes(), &mut rng);
            *grant.last_mut().expect("a grant is not empty") ^= 1;
            grant
        }),
        sample("card", "beacon-signed-by-another", forged),
        sample("card", "beacon-of-129-logs", beacon(129).to_bytes(&key())),
        sample("card", "beacon-of-4-billion-logs", {
            let start = cbor(|e| e.array(6)?.bytes(&log().author.0)?.u64(1)?.u64(2)?.u64(3)?.ok());
            let content = [start, vec![0x9a, 0xff, 0xff, 0xff, 0xff]].concat();
            cbor(|e| e.array(2)?.bytes(&content)?.bytes(&[0; 64])?.ok())
        }),
    ]);
    samples
}

fn fork_proofs() -> Vec<Sample> {
    let branch = |time: u64, seq: u64| {
        let entry = entry_at(seq, EntryId([3; 32]), time);
        let signature = entry::sign(&entry.header, &key());
        Branch { headers: vec![entry.header], signature }
    };
    let raw = |branches: &[Branch]| -> Vec<u8> {
        let one = |branch: &Branch| {
            let headers: Vec<u8> = branch.headers.iter().flat_map(Header::to_bytes).collect();
            [&[branch.headers.len() as u8][..], &headers, &branch.signature].concat()
        };
        branches.iter().flat_map(one).collect()
    };
    let valid = ForkProof::new([branch(1, 3), branch(2, 3)]).expect("the branches fork").to_bytes();
    let long: Vec<Header> = (0..65_u64).map(|place| entry_at(3 + place, EntryId([3; 32]), 1).header).collect();
    let mut samples = [damaged("fork_proof", &valid), prolonged("fork_proof", &valid)].concat();
    samples.extend([
        sample("fork_proof", "valid-fork", valid.clone()),
        sample("fork_proof", "valid-fork-at-the-last-seq", raw(&[branch(1, u64::MAX), branch(2, u64::MAX)])),
        sample("fork_proof", "the-same-branch-twice", raw(&[branch(1, 3), branch(1, 3)])),
        sample("fork_proof", "branches-at-different-places", raw(&[branch(1, 3), branch(2, 4)])),
        sample("fork_proof", "branch-without-headers", [&[0][..], &[0; 64], &[0], &[0; 64]].concat()),
        sample("fork_proof", "255-headers-announced", [&[255][..], &valid[1..]].concat()),
        sample(
            "fork_proof",
            "headers-that-do-not-follow-each-other",
            raw(&[Branch { headers: long[..3].to_vec(), ..branch(1, 3) }, branch(2, 3)]),
        ),
        sample("fork_proof", "one-branch-alone", raw(&[branch(1, 3)])),
        sample("fork_proof", "zeros", [0; 512]),
    ]);
    samples
}

fn values() -> Vec<Sample> {
    let valid = |value: Value| minicbor::to_vec(&value).expect("memory takes every write");
    let mut samples = [damaged("value", &valid(Value::from("居住"))), hostile_cbor("value", &[])].concat();
    samples.extend([
        sample("value", "valid-text", valid(Value::from("居住"))),
        sample("value", "valid-least-number", valid(Value::Int(i64::MIN))),
        sample("value", "valid-null", [0xf6]),
        sample("value", "number-beyond-64-bits", [0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        sample("value", "floating-point-not-a-number", [0xf9, 0x7e, 0]),
        sample("value", "undefined", [0xf7]),
        sample("value", "break-alone", [0xff]),
        sample("value", "reserved-head", [0x1c]),
    ]);
    samples
}
