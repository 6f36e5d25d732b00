//! Replays a corpus of bad session streams, as they are and altered, through the decoder of frames.
//!
//! `corpus/frames/<number of frames>-<name>` holds one stream each, behind one byte for the size of the chunks it
//! arrives in. `cargo test -p townmesh-transport --features fuzzing --test corpus -- --ignored` writes them anew.
#![cfg(feature = "fuzzing")]

use std::path::{Path, PathBuf};

use townmesh_transport::fuzz_frames;

/// Bytes of a body that the decoder takes.
const LIMIT: usize = 4096;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/frames")
}

fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 1).to_be_bytes()[..], &[kind], body].concat()
}

/// How many frames a stream holds before it is refused or ends, what it is, the size of its chunks, and its bytes.
fn samples() -> Vec<(usize, &'static str, u8, Vec<u8>)> {
    let hello = frame(1, &[7; 40]);
    let session =
        [hello.clone(), frame(2, &[]), frame(4, &[0; 8]), frame(6, &[1; 300]), frame(7, &[1]), frame(8, &[])].concat();
    vec![
        (6, "session", 64, session.clone()),
        (6, "session-byte-by-byte", 1, session.clone()),
        (5, "session-without-its-last-byte", 7, session[..session.len() - 1].to_vec()),
        (1, "data-at-the-limit", 255, frame(6, &[1; LIMIT])),
        (0, "data-over-the-limit", 255, frame(6, &[1; LIMIT + 1])),
        (0, "empty", 1, vec![]),
        (0, "length-of-0", 1, vec![0; 64]),
        (0, "length-of-4-gigabytes", 1, [&[0xff; 4][..], &hello].concat()),
        (0, "length-cut-off", 1, vec![0, 0, 0]),
        (0, "body-that-never-comes", 1, vec![0, 0, 0x10, 0, 6]),
        (0, "hello-of-19-bytes", 3, frame(1, &[7; 19])),
        (1, "hello-without-credentials", 3, frame(1, &[7; 20])),
        (0, "admit-with-a-body", 3, frame(2, &[0])),
        (0, "refusal-without-a-code", 3, frame(3, &[1])),
        (0, "refusal-that-is-not-utf8", 3, frame(3, &[0, 7, 0xc3, 0x28])),
        (0, "refusal-of-2-kib", 3, frame(3, &[b'a'; 2048])),
        (1, "refusal", 3, frame(3, &[&[0, 7][..], "证书已被撤销".as_bytes()].concat())),
        (0, "start-with-7-bytes", 3, frame(4, &[0; 7])),
        (0, "keep-alive-of-2", 3, frame(7, &[2])),
        (0, "keep-alive-without-a-body", 3, frame(7, &[])),
        (0, "unknown-kind-0", 3, frame(0, &[])),
        (0, "unknown-kind-255", 3, frame(255, &[1, 2, 3])),
        (1, "goodbye-and-garbage", 3, [frame(8, &[]), vec![0xff; 64]].concat()),
        (400, "400-keep-alives", 200, frame(7, &[0]).repeat(400)),
        (1, "hello-and-http", 16, [&hello[..], b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"].concat()),
    ]
}

/// Name, chunk size and stream of each input, by name.
fn inputs() -> Vec<(String, u8, Vec<u8>)> {
    let entries = std::fs::read_dir(directory()).expect("the corpus is readable");
    let mut inputs: Vec<(String, u8, Vec<u8>)> = entries
        .map(|entry| {
            let entry = entry.expect("the corpus is readable");
            let name = entry.file_name().into_string().expect("names are UTF-8");
            let mut bytes = std::fs::read(entry.path()).expect("the corpus is readable");
            (name, bytes.remove(0), bytes)
        })
        .collect();
    inputs.sort();
    inputs
}

#[test]
fn every_stream_gives_as_many_frames_as_its_name_says_in_chunks_of_any_size() {
    assert!(inputs().len() >= 8, "the corpus is there");
    for (name, chunk, stream) in inputs() {
        let expected = name.split('-').next().and_then(|number| number.parse().ok());
        for chunk in [usize::from(chunk), 1, 3, 64, usize::MAX] {
            assert_eq!(Some(fuzz_frames(&stream, chunk, LIMIT)), expected, "{name} in chunks of {chunk}");
        }
    }
}

#[test]
fn no_altered_stream_makes_the_decoder_panic() {
    for (_, chunk, stream) in inputs() {
        let chunk = usize::from(chunk);
        for bit in 0..8 * stream.len().min(400) {
            let mut altered = stream.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            let frames = fuzz_frames(&altered, chunk, LIMIT);
            assert!(5 * frames <= altered.len(), "a frame takes at least five bytes");
        }
        for end in 0..stream.len().min(400) {
            fuzz_frames(&stream[..end], chunk, LIMIT);
            fuzz_frames(&stream[end..], chunk, LIMIT);
        }
        fuzz_frames(&stream.repeat(3), chunk, LIMIT);
    }
}

#[test]
#[ignore = "writes into the source tree"]
fn the_corpus_is_written_anew() {
    std::fs::create_dir_all(directory()).expect("the corpus is writable");
    for (frames, name, chunk, stream) in samples() {
        let bytes = [&[chunk][..], &stream].concat();
        std::fs::write(directory().join(format!("{frames}-{name}")), bytes).expect("the corpus is writable");
    }
}
