//! Invites of a node that is not running.

use townmesh_crdt::trust::NameHolder;

use super::*;

/// The names of open invites that a stopped node knows.
fn open(center: &str) -> Vec<String> {
    let flags = Layer { data_dir: Some(center.into()), ..Layer::default() };
    let config = Config::load(flags, None, |_| None).unwrap();
    let file = local::identity(&config.data_dir).unwrap();
    let names = local::with_replica(&config, &file, |replica| {
        let invites = replica.trust().certificates(townmesh_crdt::certificate::CertificateKind::Invite);
        let names: Vec<String> = invites.map(|(_, invite)| invite.name.clone()).collect();
        let trust = replica.trust();
        let is_open =
            |name: &String| matches!(trust.name_holder(name, crate::engine::now()), Some(NameHolder::Invite(_)));
        Ok(names.into_iter().filter(is_open).collect())
    });
    // They come by their ids, which are random.
    let mut names: Vec<String> = names.unwrap();
    names.sort();
    names
}

#[test]
fn an_invite_is_recorded_before_it_is_written_and_listed_without_a_running_node() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    let (center, keys) = (at("center"), at("keys"));
    run(&format!("townmesh town create --keys {keys} --data-dir {center}")).unwrap();
    let invite = |name: &str, scope: &str, out: &str| {
        run(&format!(
            "townmesh invite --name {name} {scope} --authority {keys}/authority.key --out {out} --data-dir {center}"
        ))
    };
    let village = "--role village --region 110115005220";
    invite("langfa", village, &at("langfa.invite")).unwrap();
    assert_eq!(open(&center), ["langfa"]);
    run(&format!("townmesh invites --data-dir {center}")).unwrap();

    assert_eq!(code_of(invite("langfa", village, &at("again.invite"))), "name_taken");
    assert!(!std::path::Path::new(&at("again.invite")).exists());
    for (scope, expected) in [
        ("--role village", "no_region"),
        ("--role patrol --carry 110115005220", "no_region"),
        ("--role center --region 110115005220", "center_scope"),
        ("--role carrier", "no_scope"),
    ] {
        let failure = invite("new", scope, &at("new.invite")).unwrap_err();
        assert_eq!((failure.message.code.as_ref(), failure.code), (expected, USAGE), "{scope}");
    }
    // The folder of the file is missing: the invite is recorded, nobody has it, and that is said.
    let failure = invite("haizi", village, &at("nowhere/haizi.invite")).unwrap_err();
    assert!(failure.message.remedy.unwrap().contains("revoke --invite haizi"));
    assert_eq!(open(&center), ["haizi", "langfa"]);
}
