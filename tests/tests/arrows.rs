//! The arrows between packages go one way: what a package must not know is not in its dependency tree.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::process::Command;

/// Names of all packages that `package` depends on, directly or not, when it runs.
fn dependencies(package: &str) -> Vec<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let arguments =
        ["tree", "--locked", "--offline", "-p", package, "-e", "normal", "--prefix", "none", "--format", "{p}"];
    let output = Command::new(cargo).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).unwrap();
    names.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn knows_none_of(package: &str, unknown: &[&str]) {
    let known = dependencies(package);
    assert!(known.len() > 10, "cargo tree says nothing about {package}: {known:?}");
    for name in known {
        assert!(!unknown.iter().any(|prefix| name.starts_with(prefix)), "{package} must not know {name}");
    }
}

#[test]
fn the_core_knows_no_network_no_runtime_and_no_other_package() {
    knows_none_of(
        "townmesh-crdt",
        &["tokio", "libp2p", "quinn", "mio", "axum", "rusqlite", "townmesh-transport", "townmesh-node", "townmesh-sim"],
    );
}

#[test]
fn the_transport_knows_no_documents() {
    knows_none_of("townmesh-transport", &["automerge", "redb", "townmesh-crdt", "townmesh-node", "townmesh-sim"]);
}

#[test]
fn the_simulator_knows_no_network() {
    knows_none_of("townmesh-sim", &["tokio", "libp2p", "townmesh-transport", "townmesh-node"]);
}
