//! A seed gives the same run wherever, and by whomever, it is lived through.

use std::path::Path;
use std::process::Command;

/// The trace hash and the counts of a small faulty town, lived through in a process of its own.
fn told(seed: u64, directory: &Path, place: &[(&str, &str)]) -> Vec<String> {
    std::fs::create_dir_all(directory).expect("a directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_townmesh-sim"));
    command.args(["run", "--nodes", "6", "--days", "0.125", "--story", "--shrink", "0", "--seed", &seed.to_string()]);
    command.current_dir(directory).env_clear().env("TMPDIR", directory);
    let output = command.envs(place.iter().copied()).output().expect("the simulator runs");
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    let lines = text(&output.stdout);
    // What the machine took for it differs from process to process.
    lines.lines().filter(|line| !line.contains("CPU-s")).map(str::to_owned).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn trace_of(lines: &[String]) -> &str {
    let line = lines.iter().find(|line| line.starts_with("seed ")).expect("the line of the seed");
    line.rsplit_once("trace ").expect("a trace hash").1
}

#[test]
fn a_seed_gives_the_same_trace_in_another_process_directory_and_environment() {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("replay");
    let here = told(3, &root.join("here"), &[("LANG", "C"), ("TZ", "UTC"), ("HOME", "/")]);
    let places = [("LANG", "zh_CN.UTF-8"), ("TZ", "Asia/Shanghai"), ("HOME", "/nowhere"), ("RUST_BACKTRACE", "1")];
    let there = told(3, &root.join("a longer name").join("there"), &places);
    assert_eq!(trace_of(&here), trace_of(&there));
    assert_eq!(here, there, "the whole story is the same");
    let other = told(4, &root.join("here"), &[]);
    assert_ne!(trace_of(&here), trace_of(&other), "another seed is another run");
}
