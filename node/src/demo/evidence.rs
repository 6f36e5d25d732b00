//! What the verdict is decided from: the nodes' dumps, the list of acknowledgements, and what must be covered.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::Sabotage;
use super::plan::{CENTER, VEHICLE_1};
use super::town::Town;
use crate::message::Message;

/// The program that decides.
const VERDICT: &str = "townmesh-verdict";
/// How a line of a dump that holds a document begins.
const DOCUMENT: &str = "{\"document\":";

/// Exports every node into `folder/dumps` and writes the plan; returns how many documents each node exported. `carried`
/// are the namespaces that vehicle 1 must carry without reading them.
///
/// # Errors
/// When a node does not answer, or a file cannot be written.
pub fn collect(town: &Town, folder: &Path, carried: &[String]) -> anyhow::Result<BTreeMap<String, usize>> {
    let dumps = folder.join("dumps");
    std::fs::create_dir_all(&dumps)?;
    let mut documents = BTreeMap::new();
    for running in town.nodes() {
        // Named by whoever asked, so that a node cannot answer for another.
        let (name, path) = (running.plan.name, dumps.join(format!("{}.jsonl", running.plan.name)));
        let mut file = BufWriter::new(File::create(&path)?);
        running.api.copy("/v1/dump?reveal=verdict", &mut file).with_context(|| format!("the dump of {name}"))?;
        file.flush()?;
        let lines = BufReader::new(File::open(&path)?).lines();
        documents
            .insert(name.to_owned(), lines.map_while(Result::ok).filter(|line| line.starts_with(DOCUMENT)).count());
    }
    let nodes: Vec<&str> = town.plan.nodes.iter().map(|node| node.name).collect();
    let plan = json!({ "nodes": nodes, "carried": { VEHICLE_1: carried } });
    std::fs::write(folder.join("plan.json"), plan.to_string())?;
    Ok(documents)
}

/// Spoils the evidence on purpose, for the test that the verdict notices.
pub(super) fn spoil(folder: &Path, sabotage: Sabotage) -> anyhow::Result<()> {
    let path = folder.join("dumps").join(format!("{CENTER}.jsonl"));
    let list = std::fs::read_to_string(folder.join("acknowledged.jsonl"))?;
    let inspection: Value = list
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .find(|line: &Value| line.get("kind").and_then(Value::as_str) == Some("inspection"))
        .context("no inspection was acknowledged")?;
    let record = inspection.get("record").and_then(Value::as_str).context("an inspection has an id")?;
    // Another id of the same length: the record is not found, and everything else stays as it was.
    let other: String = record.chars().map(|digit| if digit == '0' { '1' } else { '0' }).collect();
    let dump = std::fs::read_to_string(&path)?;
    let spoilt = match sabotage {
        Sabotage::CutLink => return Ok(()),
        Sabotage::LostRecord => dump.replace(record, &other),
        Sabotage::ChangedDocument => dump.replacen("中心回访：已整改", "中心回访：未整改", usize::MAX),
        Sabotage::WrongDigest => dump.replacen("\"digest\":\"", "\"digest\":\"00", 1),
    };
    ensure!(spoilt != dump, "the center's dump has nothing to spoil");
    Ok(std::fs::write(&path, spoilt)?)
}

/// The program that decides, beside this one.
///
/// # Errors
/// When it is missing.
pub(super) fn verdict_program() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name(format!("{VERDICT}{}", std::env::consts::EXE_SUFFIX));
    if program.exists() {
        return Ok(program);
    }
    let path = program.display();
    let message = Message::new("verdict_missing", format!("缺少判定程序 {path}"), format!("{path} is missing"));
    let build = format!("make demo, cargo build -p townmesh-tests --bin {VERDICT}");
    Err(message.remedy(&format!("先构建它：{build}"), &format!("build it first: {build}")).into())
}

/// Has the separate program decide; its table goes to the standard output.
pub(super) fn judge(folder: &Path, program: &Path) -> anyhow::Result<bool> {
    let status = Command::new(program).arg(folder).stdin(Stdio::null()).status()?;
    ensure!(status.code().is_some_and(|code| code <= 1), "{VERDICT} could not decide: {status}");
    Ok(status.success())
}
