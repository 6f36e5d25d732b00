//! A lost authority file is replaced on a node that is not running.

use super::*;

#[test]
fn a_lost_authority_is_replaced_by_another_one() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    let (center, keys) = (at("center"), at("keys"));
    run(&format!("townmesh town create --keys {keys} --data-dir {center}")).unwrap();
    std::fs::remove_file(at("keys/authority.key")).unwrap();
    let create = |root: &str, name: &str, out: &str| {
        run(&format!("townmesh authority create --root {root} --name {name} --out {out} --data-dir {center}"))
    };
    let root = format!("{keys}/root.key");
    assert_eq!(code_of(create(&root, "authority", &at("second.key"))), "name_taken");
    assert!(!std::path::Path::new(&at("second.key")).exists(), "no key of what is not recorded");
    assert_eq!(code_of(create(&root, "second", &root)), "file_exists");
    create(&root, "second", &at("second.key")).unwrap();
    run(&format!("townmesh authority list --data-dir {center}")).unwrap();
    run(&format!(
        "townmesh invite --name v --role village --region 110115005220 --authority {} --out {} --data-dir {center}",
        at("second.key"),
        at("v.invite")
    ))
    .unwrap();
    run(&format!("townmesh join {} --data-dir {}", at("v.invite"), at("v"))).unwrap();

    let (other, others) = (at("other"), at("others"));
    run(&format!("townmesh town create --keys {others} --data-dir {other}")).unwrap();
    assert_eq!(code_of(create(&format!("{others}/root.key"), "third", &at("third.key"))), "other_town");
    assert_eq!(code_of(create(&at("second.key"), "third", &at("third.key"))), "key_file_kind");
}
