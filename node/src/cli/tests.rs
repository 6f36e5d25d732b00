use clap::CommandFactory as _;
use clap::Parser as _;

mod authorities;
mod damage;
mod founding;
mod invites;
mod usage;

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

#[test]
fn the_flags_contradict_each_other_nowhere() {
    Cli::command().debug_assert();
}

#[test]
fn the_commands_of_the_manual_are_understood() {
    for line in [
        "townmesh town create --name center --regions regions.csv --out keys --data-dir a",
        "townmesh town create --keys keys --data-dir a --json",
        "townmesh invite --name v --role village --region 110115005001 --carry 110115005002 --authority k --peer /ip4/1.2.3.4/tcp/1 --out i",
        "townmesh join i --data-dir a --listen /ip4/0.0.0.0/tcp/1",
        "townmesh run --data-dir a --http 127.0.0.1:0 --discover-on-lan false --listen /ip4/0.0.0.0/tcp/1 --peer /ip4/1.2.3.4/tcp/1",
        "townmesh status --wait 10",
        "townmesh import l.csv --map 房东=head --map 门牌=door --rejects r.csv",
        "townmesh import --template t.xlsx",
        "townmesh export --format geojson --region 110115005001 --out o",
        "townmesh export case 410-ZYP-76KS --reason r --out c.zip",
        "townmesh export events --device mqtt:1 --kind pm10 --from 2026-11-01T00:00:00+08:00 --out e.xlsx",
        "townmesh export devices --bbox 116.3,39.7,116.4,39.8 --out d.gpx",
        "townmesh order sheet 410-ZYP-76KS",
        "townmesh order convey 410-ZYP-76KS --by a --role commander --means in_person --to b --at 14:20 --read-back",
        "townmesh order assign 410-ZYP-76KS --by a --role back_office --person P17",
        "townmesh verify case.zip --town 5fe9587893c4bf5d869840d5a5ff405a",
        "townmesh verify --peers --json",
        "townmesh household record --region 110115005001 --address 1号 --resident name=甲",
        "townmesh household list --text 幸福",
        "townmesh tag issue 00000000000000000000000000000000 --entrance 2 --stands",
        "townmesh tag issue-all --region 110115005001 --json",
        "townmesh tag list --region 110115005001 --dwelling 00000000000000000000000000000000 --state retired --limit 5",
        "townmesh tag show 410-ZYP-76KS",
        "townmesh tag retire 410-ZYP-76KS --why house_gone",
        "townmesh tag replace 00000000000000000000000000000000 --why lost",
        "townmesh export dwellings --region 110115005001 --text 12 --out d.csv",
        "townmesh dwelling list --grid W1 --use rental --mark red --gone --limit 5",
        "townmesh dwelling record --region 110115005001 --address 12号 --set {\"rooms\":4}",
        "townmesh export door-tags --state standing --dwelling 00000000000000000000000000000000 --out t.csv",
        "townmesh case record --by a --role inspector --region 110115005001 --source patrol --place p --description d",
        "townmesh case act 00000000000000000000000000000000 --by a --role intake_clerk --action \"accept\"",
        "townmesh inspection record --household 00000000000000000000000000000000 --by a --answer 4=hazard",
        "townmesh inspection record --household 00000000000000000000000000000000 --by a --photo a.jpg --photo b.jpg",
        "townmesh photo record a.jpg --household 00000000000000000000000000000000",
        "townmesh photo record a.jpg --region 110115005001",
        "townmesh openapi --json",
        "townmesh photo show 0000000000000000000000000000000000000000000000000000000000000000 --reveal r --out a",
        "townmesh position record 39.7354,-116.3310",
        "townmesh erase 00000000000000000000000000000000 --resident 0000000000000000 --authority k --for-good",
        "townmesh revoke vehicle-1 --authority k --void-all",
        "townmesh revoke --invite 0a1b2c3d --authority k --with-nodes",
        "townmesh invites --json",
        "townmesh authority create --root r --name second --out k",
        "townmesh authority list --json",
        "townmesh authority adopt authority --authority k",
        "townmesh authority revoke authority --root r --with-nodes --void-all",
        "townmesh reveals --since 2026-11-01 --limit 10 --json",
        "townmesh ratify vehicle-1 --authority k --json",
        "townmesh position list --json",
        "townmesh delivery 00000000000000000000000000000000",
        "townmesh delivery --edition 00000000000000000000000000000000 --json",
        "townmesh delivery --removal 0000000000000000000000000000000000000000000000000000000000000000",
        "townmesh removals --json",
        "townmesh conflict undo 00000000000000000000000000000000 --by zbz-1 --role duty_head --note x",
        "townmesh member record --code xc-1 --role inspector --role handler --team t",
        "townmesh team record --code t --kind volunteers",
        "townmesh device record --code mqtt:1 --region 110115005001 --kind smoke",
        "townmesh event record --region 110115005001 --device d --kind pm10 --value 23.5",
        "townmesh analysis hot-spots --from 2026-11-01 --until 2026-11-30 --region 110115005001 --of alarms --device-kind smoke --json",
        "townmesh analysis hot-spots --square 39.7354,116.3310 --category order --limit 5",
        "townmesh analysis recurrence --days 30 --by owner --category order",
        "townmesh analysis hazards --by kind --region 110115005",
        "townmesh analysis population --kind migrant",
        "townmesh analysis trend --step week --category order",
        "townmesh analysis proposals --days 60 --limit 3",
        "townmesh demo --script outage --exit",
    ] {
        assert!(parse(line).is_ok(), "{line}: {}", parse(line).unwrap_err());
    }
}

#[test]
fn wrong_usage_ends_with_code_2() {
    for line in [
        "townmesh",
        "townmesh nonsense",
        "townmesh import",
        "townmesh import l.csv --template t.csv",
        "townmesh invite --name v --role king --authority k --out i",
        "townmesh invite --name v --role village --region abc --authority k --out i",
        "townmesh run --listen",
        "townmesh case act x --by a --role intake_clerk --action {}",
        "townmesh case act 00000000000000000000000000000000 --by a --role intake_clerk --action {",
        "townmesh inspection record --household 00000000000000000000000000000000 --by a --answer 4=bad",
        "townmesh household record --address 1",
        "townmesh tag issue 00000000000000000000000000000000 --entrance 0",
        "townmesh tag list --state lost",
        "townmesh tag show 7K3-9XQ-2PAD",
        "townmesh tag retire 410-ZYP-76KS",
        "townmesh tag retire 410-ZYP-76KS --why stolen",
        "townmesh position record 99,0",
        "townmesh analysis",
        "townmesh analysis hot-spots --of weather",
        "townmesh analysis hot-spots --square 91,0",
        "townmesh analysis hot-spots --from yesterday",
        "townmesh analysis recurrence --days -1",
        "townmesh analysis recurrence --by weather",
        "townmesh analysis hazards --by weather",
        "townmesh analysis trend --step year",
        "townmesh analysis proposals --region x",
        "townmesh delivery 00000000000000000000000000000000 --table limit",
        "townmesh delivery --table weather",
        "townmesh conflict undo 00000000000000000000000000000000 --by zbz-1",
        "townmesh revoke --authority k",
        "townmesh revoke vehicle-1 --invite vehicle-1 --authority k",
        "townmesh revoke vehicle-1 --with-nodes --authority k",
        "townmesh photo record a.jpg",
        "townmesh photo record a.jpg --region 110115005001 --resident 0000000000000000",
        "townmesh photo show abc --reveal r --out a",
        "townmesh photo show 0000000000000000000000000000000000000000000000000000000000000000 --out a",
    ] {
        assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
    }
}

/// Runs a command line in this process.
fn run(line: &str) -> Result<ExitCode, Failure> {
    let cli = parse(line).unwrap();
    let output = Output { json: true };
    cli.run(output)
}

/// Runs a command line in this process; the code of what it says went wrong.
pub(crate) fn outcome(line: &str) -> Result<(), String> {
    match run(line) {
        Ok(code) => {
            Some(code).filter(|code| *code == ExitCode::SUCCESS).map(drop).ok_or_else(|| "no success".to_owned())
        }
        Err(failure) => Err(failure.message.code.into_owned()),
    }
}

fn code_of(result: Result<ExitCode, Failure>) -> String {
    result.unwrap_err().message.code.into_owned()
}

#[test]
fn a_town_is_founded_joined_and_verified_without_a_running_node() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    let (center, keys, village, invite) = (at("center"), at("keys"), at("village"), at("village.invite"));
    let ok = |result: Result<ExitCode, Failure>| assert_eq!(result.unwrap(), ExitCode::SUCCESS);
    ok(run(&format!("townmesh town create --keys {keys} --data-dir {center}")));
    assert_eq!(code_of(run(&format!("townmesh town create --keys {keys} --data-dir {center}"))), "already_a_node");
    let invitation = format!(
        "townmesh invite --name langfa --role village --region 110115005220 --authority {keys}/authority.key --out {invite} --data-dir {center}"
    );
    ok(run(&invitation));
    assert_eq!(code_of(run(&invitation)), "file_exists", "an invite is not overwritten");
    assert_eq!(code_of(run(&format!("townmesh join {keys}/root.key --data-dir {village}"))), "key_file_kind");
    ok(run(&format!("townmesh join {invite} --data-dir {village}")));
    assert_eq!(code_of(run(&format!("townmesh join {invite} --data-dir {village}"))), "already_a_node");
    for node in [&center, &village] {
        ok(run(&format!("townmesh verify --data-dir {node}")));
    }
    let read = crate::keys::IdentityFile::read(&crate::data_dir::DataDir::new(&village).identity()).unwrap();
    assert!(read.expect_data, "an empty store would be noticed");
    std::fs::remove_file(crate::data_dir::DataDir::new(&village).store()).unwrap();
    assert_eq!(code_of(run(&format!("townmesh verify --data-dir {village}"))), "store_vanished");
}

#[test]
fn an_interrupted_join_goes_on_with_the_same_keys() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    let (center, keys, village, invite) = (at("center"), at("keys"), at("village"), at("village.invite"));
    run(&format!("townmesh town create --keys {keys} --data-dir {center}")).unwrap();
    run(&format!("townmesh invite --name v --role village --region 110115005220 --authority {keys}/authority.key --out {invite} --data-dir {center}")).unwrap();
    run(&format!("townmesh join {invite} --data-dir {village}")).unwrap();
    let data = crate::data_dir::DataDir::new(&village);
    let mut file = crate::keys::IdentityFile::read(&data.identity()).unwrap();
    let node = file.identity.node();
    file.expect_data = false;
    file.write(&data.identity(), crate::data_dir::Existing::Replace).unwrap();
    std::fs::remove_file(data.store()).unwrap();
    run(&format!("townmesh join {invite} --data-dir {village}")).unwrap();
    assert_eq!(crate::keys::IdentityFile::read(&data.identity()).unwrap().identity.node(), node);
}

#[test]
fn commands_say_when_there_is_no_node_or_it_is_not_running() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().display();
    assert_eq!(code_of(run(&format!("townmesh status --data-dir {path}"))), "not_running");
    assert_eq!(code_of(run(&format!("townmesh household list --data-dir {path}"))), "not_running");
    assert_eq!(code_of(run(&format!("townmesh verify --data-dir {path}"))), "no_identity");
    assert_eq!(code_of(run(&format!("townmesh verify --peers --data-dir {path}"))), "not_running");
    // What a killed node left behind: an address where nobody answers.
    let file = crate::http::ApiFile::new("127.0.0.1:1".parse().unwrap()).unwrap();
    file.write(&crate::data_dir::DataDir::new(directory.path())).unwrap();
    let failure = run(&format!("townmesh status --data-dir {path}")).unwrap_err();
    assert_eq!((failure.message.code.as_ref(), failure.code), ("not_running", 1));
    assert!(failure.message.remedy.unwrap().contains("townmesh run"));
}
