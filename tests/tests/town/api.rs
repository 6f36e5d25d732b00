//! Whether any request is answered as the description of the API says: a program makes up requests from it, those that
//! it allows and those that it does not, and looks at what comes back. At a node of each role.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use townmesh_node::demo::api::Api;
use townmesh_node::demo::plan::{CENTER, VEHICLE_1, VILLAGE_1};

use crate::small_town::start;

/// The program that makes up requests, where `make schemathesis-tool` puts it.
pub(crate) const TOOL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/schemathesis/bin/schemathesis");
/// How it is to judge.
const JUDGEMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schemathesis/schemathesis.toml");
/// What tells it of ids that the node knows.
const HOOKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schemathesis/hooks.py");
/// How many requests of each kind it makes up, where more than a few are wanted.
const EXAMPLES: &str = "SCHEMATHESIS_EXAMPLES";
/// Requests of each kind where nothing else is asked for.
const FEW: u32 = 2;
/// Whom to ask, and for what where only a few requests are wanted: the edges of every value once, some of the others at each
/// kind of node. `make schemathesis` asks all of them for everything.
const PARTS: [(&str, &[&str]); 3] = [
    (CENTER, &["--phases", "coverage", "--include-tag-regex", "^(registry|conflicts|town|trust|node|monitoring)$"]),
    (
        VILLAGE_1,
        &[
            "--phases",
            "coverage",
            "--include-tag-regex",
            "^(cases|devices|decisions|tables|completeness|files|georeport)$",
        ],
    ),
    (VEHICLE_1, &["--phases", "fuzzing,stateful"]),
];
/// How long a node may be asked: a little, and for as many requests of each kind as are wanted.
const PATIENCE: Duration = Duration::from_secs(120);
const PATIENCE_EACH: Duration = Duration::from_secs(20);
/// The end of what it said that is shown.
const SHOWN: usize = 20_000;

pub(crate) fn any_request_is_answered_as_described() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let town = start(folder.path(), &[CENTER, VILLAGE_1, VEHICLE_1])?;
    let village = &town.plan.villages[0].code;
    let mut nodes = Vec::new();
    for (name, part) in PARTS {
        let api = &town.node(name)?.api;
        nodes.push((name, part, api, something(api, village).with_context(|| name.to_owned())?));
    }
    // Nodes wait for their disks most of the time, so all are asked at once.
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let asked: Vec<_> = nodes
            .iter()
            .map(|(name, part, api, known)| {
                let said = folder.path().join(format!("{name}.said"));
                (name, scope.spawn(move || ask(api, known, part, &said)))
            })
            .collect();
        let failed = asked.into_iter().filter_map(|(name, thread)| match thread.join() {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("{name}: {error:#}")),
            Err(_) => Some(format!("{name}: asking it panicked")),
        });
        failed.collect()
    });
    ensure!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    Ok(())
}

/// Records something of each kind at a node, so that there is something to find. What its role may not record, it does not.
fn something(api: &Api, village: &str) -> anyhow::Result<Known> {
    let record = |path: &str, body: Value| -> anyhow::Result<Option<String>> {
        match api.post::<Value>(path, &body) {
            Ok(answer) => Ok(answer["value"]["document"].as_str().map(str::to_owned)),
            Err(error) if error.is_refusal() => Ok(None),
            Err(error) => Err(error.into()),
        }
    };
    let resident = json!({ "personal": { "name": "甲乙", "phone": "13800000000" } });
    let household = json!({ "region": village, "address": "幸福路1号", "owner": { "name": "丙丁" },
        "position": { "lat": 39.735_4, "lon": 116.331 } });
    let household = record("/v1/households", json!({ "household": household, "residents": [resident] }))?;
    if let Some(household) = &household {
        let inspection = json!({ "household": household, "by": "xc-1", "time_ms": 1_764_000_000_000_i64, "checklist": 2, "answers": { "4": "hazard" } });
        record("/v1/inspections", inspection)?;
    }
    let report = json!({ "source": "patrol", "place": "村口", "description": "垃圾" });
    let actor = json!({ "by": "xc-1", "role": "inspector" });
    let case = record("/v1/cases", json!({ "actor": actor, "region": village, "report": report }))?;
    record("/v1/members", json!({ "code": "xc-1", "name": "戊己", "roles": ["inspector"] }))?;
    record("/v1/teams", json!({ "code": "t-1", "name": "一队" }))?;
    record("/v1/devices", json!({ "code": "mqtt:1", "region": village, "kind": "smoke" }))?;
    let event = json!({ "device": "mqtt:1", "time_ms": 1_764_000_000_000_i64, "kind": "pm10", "value": { "number": "23.5" }, "alarm": true });
    record("/v1/events", json!({ "region": village, "events": [event] }))?;
    Ok(Known { village: village.to_owned(), household, case })
}

/// What there is to be asked for.
struct Known {
    village: String,
    household: Option<String>,
    case: Option<String>,
}

/// Has a node asked, and says what was wrong.
fn ask(api: &Api, known: &Known, part: &[&str], said: &Path) -> anyhow::Result<()> {
    let asked = std::env::var(EXAMPLES).ok().and_then(|count| count.parse().ok());
    let (examples, is_short) = (asked.unwrap_or(FEW), asked.is_none());
    let folder = said.with_extension("work");
    std::fs::create_dir(&folder)?;
    let mut command = Command::new(TOOL);
    command.args(["--config-file", JUDGEMENT, "run", "--no-color", "--url", api.base()]);
    command.arg("--header").arg(format!("Authorization: Bearer {}", api.token()));
    command.args(["--max-examples", &examples.to_string(), "--generation-database", "none", "--continue-on-failure"]);
    if is_short {
        // Always the same requests: what a change breaks is seen, and nothing else.
        command.args(["--seed", "1", "--no-shrink"]).args(part);
    }
    command.arg(format!("{}/openapi.json", api.base()));
    command.env(
        "TOWNMESH_KNOWN",
        serde_json::to_string(&json!({ "region": known.village, "household": known.household, "case": known.case }))?,
    );
    command.env("TOWNMESH_HOOKS", HOOKS);
    let output = File::create(said)?;
    command.current_dir(&folder).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let mut child = command.spawn().context("the program does not start")?;
    let patience = PATIENCE + PATIENCE_EACH * examples;
    let succeeded = wait(&mut child, patience);
    let text = String::from_utf8_lossy(&std::fs::read(said)?).into_owned();
    let end = text.char_indices().rev().nth(SHOWN).map_or(0, |(at, _)| at);
    if !is_short {
        println!("{text}");
    }
    ensure!(succeeded?, "not as described:\n{}", &text[end..]);
    Ok(())
}

/// Waits for its own child to end, and ends it when that takes too long.
fn wait(child: &mut Child, patience: Duration) -> anyhow::Result<bool> {
    let until = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if Instant::now() > until {
            child.kill()?;
            child.wait()?;
            bail!("it took longer than {} s", patience.as_secs());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
