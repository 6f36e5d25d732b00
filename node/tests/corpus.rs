//! Replays a corpus of bad files, as they are and altered, through what reads files that people bring.
//!
//! `corpus/<target>/<name>` holds one file each. Of names that begin with `valid-` something is accepted; those that
//! begin with `found-` were found by the fuzzer and may be either; of all others nothing is.
//! `cargo test -p townmesh-node --test corpus -- --ignored` writes the files of `samples` anew.

use std::path::{Path, PathBuf};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use townmesh_crdt::certificate::Statement;
use townmesh_node::engine::encode_chain;
use townmesh_node::keys::{IdentityFile, InviteFile, write_authority};
use townmesh_node::ledger::{Format, write_template};

mod decoders;

type Target = (&'static str, fn(&[u8]) -> bool);
const TARGETS: [Target; 4] = [
    ("credentials", decoders::credentials),
    ("invite", decoders::invite),
    ("key_file", decoders::key_file),
    ("ledger", decoders::ledger),
];
/// How often each file is altered.
const ALTERATIONS: usize = 60;

const ROWS: &str =
    "村居,门牌号,户主,电话,居住类型,人员姓名,证件号\n110115005001,幸福路1号,王五,13800138000,出租,李四,\n";

fn directory(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(target)
}

/// Name and bytes of each file of a target, by name.
fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(directory(target)).expect("the corpus is readable");
    let mut inputs: Vec<(String, Vec<u8>)> = entries
        .map(|entry| {
            let entry = entry.expect("the corpus is readable");
            let name = entry.file_name().into_string().expect("names are UTF-8");
            (name, std::fs::read(entry.path()).expect("the corpus is readable"))
        })
        .collect();
    inputs.sort();
    inputs
}

fn workbook() -> Vec<u8> {
    let mut bytes = Vec::new();
    write_template(Format::Xlsx, &mut bytes).expect("writing to memory does not fail");
    bytes
}

fn ledgers() -> Vec<(&'static str, Vec<u8>)> {
    let gb18030 = encoding_rs::GB18030.encode(ROWS).0.into_owned();
    let workbook = workbook();
    let line = r#"{"村居":"110115005001","门牌号":"1号","人员姓名":"李四"}"#;
    let header = ROWS.split('\n').next().unwrap_or_default();
    vec![
        ("valid-utf8", ROWS.into()),
        ("valid-utf8-with-a-mark", ["\u{feff}", ROWS].concat().into()),
        ("valid-gb18030", gb18030.clone()),
        ("valid-tabs-and-crlf", ROWS.replace(',', "\t").replace('\n', "\r\n").into()),
        ("valid-json-lines", [line, "\n", line].concat().into()),
        ("valid-one-good-row-of-two", [ROWS, "990115005001,2号,,,,,\n"].concat().into()),
        ("empty", vec![]),
        ("header-alone", header.into()),
        ("workbook-without-rows", workbook.clone()),
        ("workbook-cut-in-half", workbook[..workbook.len() / 2].to_vec()),
        ("workbook-without-its-end", workbook[..workbook.len() - 22].to_vec()),
        ("zip-magic-alone", b"PK\x03\x04".to_vec()),
        ("quote-without-end", [header, "\n\"110115005001,1号"].concat().into()),
        ("columns-that-nobody-knows", "甲,乙,丙\n1,2,3\n".into()),
        ("column-named-twice", "村居,村居,门牌号\n110115005001,110115005001,1号\n".into()),
        ("ten-thousand-columns", ",".repeat(10_000).into()),
        ("zeros", vec![0; 4_096]),
        ("gb18030-cut-in-a-character", gb18030[..gb18030.len().min(9)].to_vec()),
        ("utf16", ROWS.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("json-array-without-end", "[".repeat(5_000).into()),
        ("json-nested-without-end", r#"{"村居":"#.repeat(2_000).into()),
        ("json-number-for-a-region", r#"{"村居":1e400,"门牌号":"1号"}"#.into()),
        ("html", "<html><script>alert(1)</script></html>".into()),
    ]
}

fn invites() -> Vec<(&'static str, Vec<u8>)> {
    let (_, invite, _) = decoders::joined();
    let peers = vec!["/ip4/192.0.2.1/udp/4001/quic-v1".to_owned()];
    let text = InviteFile { invite, peers }.to_text();
    let lines: Vec<&str> = text.lines().collect();
    let (first, last) = (lines.first().copied().unwrap_or_default(), lines.last().copied().unwrap_or_default());
    vec![
        ("valid-village", text.clone().into()),
        // What follows the end is ignored, as a mail program may put something there.
        ("valid-twice-in-a-row", text.repeat(2).into()),
        ("empty", vec![]),
        ("cut-in-half", text[..text.len() / 2].into()),
        ("frame-alone", [first, "\n", last, "\n"].concat().into()),
        ("body-of-one-letter", text.replace(|sign: char| sign.is_ascii_lowercase(), "A").into()),
        ("not-utf8", vec![0xff; 512]),
        ("64-kib-of-one-letter", "A".repeat(1 << 16).into()),
        ("html", "<html></html>".into()),
    ]
}

fn credentials() -> Vec<(&'static str, Vec<u8>)> {
    let (.., joined) = decoders::joined();
    let valid = encode_chain(&joined.chain).to_vec();
    let of = |statements: &[Statement]| encode_chain(statements).to_vec();
    let (first, rest) = joined.chain.split_first().expect("a chain has an authority");
    vec![
        ("valid-village", valid.clone()),
        ("valid-said-twice", valid.repeat(2)),
        ("empty", vec![]),
        ("authority-alone", of(std::slice::from_ref(first))),
        ("without-the-authority", of(rest)),
        ("cut-in-half", valid[..valid.len() / 2].to_vec()),
        ("last-byte-missing", valid[..valid.len() - 1].to_vec()),
        ("a-byte-too-many", [valid.as_slice(), &[0]].concat()),
        ("length-beyond-the-end", vec![0xff; 64]),
        ("zeros", vec![0; 4_096]),
    ]
}

fn key_files() -> Vec<(&'static str, Vec<u8>)> {
    let (founded, _, joined) = decoders::joined();
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("authority");
    write_authority(&founded.authority, &path).expect("a file can be written");
    let authority = std::fs::read_to_string(&path).expect("it was written");
    let identity = IdentityFile::of_joined(founded.authority.town, joined).to_text();
    vec![
        ("valid-identity", identity.clone().into()),
        ("valid-authority", authority.clone().into()),
        ("empty", vec![]),
        ("identity-cut-in-half", identity[..identity.len() / 2].into()),
        ("authority-cut-in-half", authority[..authority.len() / 2].into()),
        ("identity-of-one-letter", identity.replace(|sign: char| sign.is_ascii_lowercase(), "A").into()),
        ("not-utf8", vec![0xff; 512]),
        ("64-kib-of-one-letter", "A".repeat(1 << 16).into()),
        ("html", "<html></html>".into()),
    ]
}

#[test]
fn every_file_is_judged_as_its_name_says() {
    for (target, run) in TARGETS {
        let inputs = inputs(target);
        assert!(inputs.len() >= 8, "{target} has {} files", inputs.len());
        for (name, bytes) in inputs.iter().filter(|(name, _)| !name.starts_with("found-")) {
            assert_eq!(run(bytes), name.starts_with("valid-"), "{target}/{name}");
        }
    }
}

#[test]
fn no_altered_file_makes_a_reader_panic() {
    for (target, run) in TARGETS {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut below = |bound: usize| (rng.next_u64() % bound.max(1) as u64) as usize;
        for (name, bytes) in inputs(target) {
            for number in 0..ALTERATIONS {
                let mut altered = bytes.clone();
                match below(4) {
                    0 => altered.truncate(below(bytes.len())),
                    1 => altered.extend_from_slice(&bytes[below(bytes.len())..]),
                    _ => {
                        for _ in 0..=below(4) {
                            let (at, bit) = (below(bytes.len()), below(8));
                            altered.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << bit);
                        }
                    }
                }
                let outcome = std::panic::catch_unwind(|| run(&altered));
                assert!(outcome.is_ok(), "alteration {number} of {target}/{name} panics: {altered:02x?}");
            }
        }
    }
}

#[test]
#[ignore = "writes into the source tree"]
fn the_corpus_is_written_anew() {
    let all = [("credentials", credentials()), ("invite", invites()), ("key_file", key_files()), ("ledger", ledgers())];
    for (target, samples) in all {
        std::fs::create_dir_all(directory(target)).expect("the corpus is writable");
        for (name, bytes) in samples {
            std::fs::write(directory(target).join(name), bytes).expect("the corpus is writable");
        }
    }
}
