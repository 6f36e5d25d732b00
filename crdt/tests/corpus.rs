//! Replays a corpus of bad inputs, as they are and altered, through every decoder of the core.
//!
//! `corpus/<target>/<name>` holds one input each. Names that begin with `valid-` are accepted and show that the target
//! reads what it should; names that begin with `found-` were found by the fuzzer and may be either; all others are
//! refused. `cargo test -p townmesh-crdt --test corpus -- --ignored` writes the inputs of `samples` anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

mod decoders;
mod samples;

use decoders::{TARGETS, Target};

/// Most bytes of the whole corpus: it travels with every clone.
const MAX_CORPUS_BYTES: usize = 500_000;
/// Longest altered input in bytes.
const MAX_ALTERED: usize = 64 * 1024;
/// Most memory of this test process in KiB, all its threads together.
#[cfg(target_os = "linux")]
const MAX_RESIDENT_KIB: u64 = 400 * 1024;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

/// Name and bytes of each input of a target, by name.
fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    let directory = directory().join(target);
    let entries = std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
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

/// One of: flipped bits, a cut, a repetition, a splice with another input, a changed number, nesting without end.
fn altered(input: &[u8], other: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = input.to_vec();
    let mut below = |bound: usize| (rng.next_u64() % bound.max(1) as u64) as usize;
    match below(7) {
        0 | 1 => {
            for _ in 0..=below(4) {
                let (at, bit) = (below(bytes.len()), below(8));
                bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << bit);
            }
        }
        2 => bytes.truncate(below(bytes.len())),
        3 => bytes = bytes.repeat(2 + below(3)),
        4 => {
            bytes.truncate(below(bytes.len()));
            bytes.extend(other.iter().skip(below(other.len())));
        }
        5 => {
            bytes.truncate(below(bytes.len()));
            // An array, a map and a tag of CBOR; an array of JSON.
            let opening: &[u8] = [&[0x81][..], &[0xa1, 0x00], &[0xc1], b"["][below(4)];
            bytes.extend(opening.iter().cycle().take(MAX_ALTERED));
        }
        _ => {
            let at = below(bytes.len());
            let number = [0x00, 0x01, 0x7f, 0x80, 0xff, 0x1b, 0x5f, 0x9f][below(8)];
            let run = 1 + below(8);
            bytes.iter_mut().skip(at).take(run).for_each(|byte| *byte = number);
        }
    }
    bytes.truncate(MAX_ALTERED);
    bytes
}

#[test]
fn every_input_is_judged_as_its_name_says() {
    for target in TARGETS {
        for (name, bytes) in inputs(target.name) {
            let accepted = target.run(&bytes);
            if !name.starts_with("found-") && is_strict(&target) {
                assert_eq!(accepted, name.starts_with("valid-"), "{}/{name}: accepted is {accepted}", target.name);
            }
        }
    }
}

/// Whether the target refuses anything: a replica lives with whatever it is told.
fn is_strict(target: &Target) -> bool {
    target.name != "replica"
}

#[test]
fn no_altered_input_makes_a_decoder_panic_or_grow() {
    for target in TARGETS {
        let inputs = inputs(target.name);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for (place, (name, bytes)) in inputs.iter().enumerate() {
            let (_, other) = &inputs[(place + 1) % inputs.len()];
            for number in 0..target.alterations {
                let altered = altered(bytes, other, &mut rng);
                let run = std::panic::catch_unwind(|| target.run(&altered));
                assert!(run.is_ok(), "alteration {number} of {}/{name} panics: {altered:02x?}", target.name);
            }
        }
    }
    #[cfg(target_os = "linux")]
    assert!(peak_resident_kib() < MAX_RESIDENT_KIB, "decoding took {} KiB", peak_resident_kib());
}

#[cfg(target_os = "linux")]
fn peak_resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells how much memory is used");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the peak is listed");
    line.trim().trim_end_matches(" kB").parse().expect("the peak is a number")
}

#[test]
fn every_target_has_its_inputs_and_its_fuzz_target() {
    let names = |path: PathBuf| -> BTreeSet<String> {
        let entries = std::fs::read_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        entries.map(|entry| entry.expect("it is readable").file_name().to_string_lossy().into_owned()).collect()
    };
    let targets: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(names(directory()), targets, "a directory for each target and none besides");
    let fuzzed = names(Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/fuzz_targets"));
    for target in &targets {
        assert!(fuzzed.contains(&format!("{target}.rs")), "fuzz/fuzz_targets/{target}.rs is missing");
        let names: Vec<String> = inputs(target).into_iter().map(|(name, _)| name).collect();
        assert!(names.len() >= 8, "{target} has {} inputs", names.len());
        assert!(names.iter().any(|name| name.starts_with("valid-")), "{target} has no valid input to alter");
    }
    let bytes: usize = targets.iter().flat_map(|target| inputs(target)).map(|(_, bytes)| bytes.len()).sum();
    assert!(bytes <= MAX_CORPUS_BYTES, "the corpus has {bytes} bytes");
}

#[test]
#[ignore = "writes into the source tree"]
fn the_corpus_is_written_anew() {
    for (target, name, bytes) in samples::all() {
        let directory = directory().join(target);
        std::fs::create_dir_all(&directory).expect("the corpus is writable");
        std::fs::write(directory.join(name), bytes).expect("the corpus is writable");
    }
}
