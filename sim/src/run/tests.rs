//! Runs of small towns.

use super::*;

#[test]
fn a_quiet_town_is_sound() {
    let report = run(Options { seed: 1, nodes: 8, hours: 4, faults: 0, ..Options::default() }).unwrap();
    println!("{report}");
    assert!(report.is_sound(), "{report}");
}

#[test]
fn a_faulty_town_is_sound() {
    let report = run(Options { seed: 1, nodes: 12, hours: 24, ..Options::default() }).unwrap();
    println!("{report}");
    assert!(report.is_sound(), "{report}");
}
