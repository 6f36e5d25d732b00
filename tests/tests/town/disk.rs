//! Disks that are full, and stores that are damaged.

use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use townmesh_node::data_dir::DataDir;
use townmesh_node::demo::Acknowledgements;
use townmesh_node::demo::plan::CENTER;
use townmesh_node::demo::work::desk;
use townmesh_tests::process::{ApiError, run_to_end, said};
use townmesh_tests::runner::{Need, run};

use crate::small_town::{expect_nothing_missing, start};

/// Whether a small file system can be mounted.
pub(crate) const TMPFS: Need =
    Need::Works(&["mount", "-t", "tmpfs", "-o", "size=1m", "townmesh-probe", "/mnt"], &["umount", "/mnt"]);
/// Room for a store and its views; the rest is filled up.
const SIZE: &str = "size=64m";
/// What is left of it when the town begins to work.
const ROOM: u64 = 512 << 10;

pub(crate) fn a_damaged_store_is_named() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut town = start(folder.path(), &[CENTER])?;
    let list = Acknowledgements::create(&folder.path().join("acknowledged.jsonl"))?;
    desk(&town, &list, CENTER)?.note(&town.plan.villages[0].code, "东街1号", "断电前")?;
    town.kill(CENTER)?;
    let data_dir = town.data_dir(CENTER);
    let store = DataDir::new(&data_dir).store();
    let length = std::fs::metadata(&store)?.len();
    // Everything but the first page is gone: no crash does that, a dying disk may.
    let mut file = OpenOptions::new().write(true).open(&store)?;
    file.seek(SeekFrom::Start(4096))?;
    file.write_all(&vec![0xA5; usize::try_from(length.saturating_sub(4096))?])?;
    file.sync_all()?;
    is_named_as_damaged(&data_dir)?;

    // Cut off in the middle, as by a copy that did not come to its end.
    file.set_len(length / 2)?;
    file.sync_all()?;
    is_named_as_damaged(&data_dir)
}

fn is_named_as_damaged(data_dir: &Path) -> anyhow::Result<()> {
    let store = DataDir::new(data_dir).store();
    let damaged = std::fs::read(&store)?;
    let directory = data_dir.display().to_string();
    let output = run_to_end(
        &["run", "--data-dir", &directory, "--http", "127.0.0.1:0", "--listen", "/ip4/127.0.0.1/tcp/0"],
        Duration::from_secs(20),
    )?;
    let words = said(&output);
    ensure!(output.status.code() == Some(1), "it ended with {}:\n{words}", output.status);
    ensure!(words.contains("已损坏"), "it does not say what is wrong:\n{words}");
    ensure!(words.contains("--accept-empty-store"), "it does not say what to do:\n{words}");
    ensure!(std::fs::read(&store)? == damaged, "the damaged store was changed: nobody can examine it any more");
    Ok(())
}

pub(crate) fn a_full_disk_goes_on_reading() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let small = Mounted::new(folder.path())?;
    let inner = folder.path().join("town");
    std::fs::create_dir(&inner)?;
    let mut town = start(&inner, &[CENTER])?;
    // Whoever writes down what was acknowledged has a disk of their own.
    let evidence = tempfile::tempdir()?;
    let list = Acknowledgements::create(&evidence.path().join("acknowledged.jsonl"))?;
    let region = town.plan.villages[0].code.clone();
    desk(&town, &list, CENTER)?.note(&region, "东街1号", "磁盘未满")?;

    // Less room than the floor from the beginning: an import waits, people's work goes on.
    let center = &town.node(CENTER)?.api;
    let ledger = format!("村居,门牌号,户主\n{region},东街9号,甲\n");
    let imported = center.send_for_lines("/v1/import?format=csv", "text/csv", ledger.as_bytes());
    let imported = format!("{imported:?}");
    ensure!(imported.contains("disk_low"), "an import is taken on an almost full disk: {imported}");

    let filler = fill(&folder.path().join("town"))?;
    let refusal = record_until_refused(&town, &list, &region)?;
    ensure!(refusal.contains("磁盘"), "the refusal does not name the disk: {refusal}");
    let read: Value = town.node(CENTER)?.api.fetch(&format!("/v1/households?region={region}&limit=5"))?;
    ensure!(read.to_string().contains("东街1号"), "reading does not go on: {read}");

    std::fs::remove_file(filler)?;
    town.kill(CENTER)?;
    town.restart(CENTER).context("with room on the disk again")?;
    desk(&town, &list, CENTER)?.note(&region, "东街2号", "磁盘已清理")?;
    town.wait_equal(Duration::from_secs(20))?;
    expect_nothing_missing(&town, evidence.path())?;
    drop(town);
    drop(small);
    Ok(())
}

/// Records until the node says no; returns what it said.
fn record_until_refused(
    town: &townmesh_node::demo::town::Town,
    list: &Acknowledgements,
    region: &str,
) -> anyhow::Result<String> {
    let desk = desk(town, list, CENTER)?;
    for door in 0..20_000_u64 {
        // Texts that do not compress well, so that the disk fills up soon.
        let note: String =
            (0..24).map(|part: u64| format!("{:x}", (door * 31 + part).wrapping_mul(0x9E37_79B9_7F4A_7C15))).collect();
        if let Err(problem) = desk.note(region, &format!("西街{door}号"), &note) {
            let refused = problem.downcast_ref::<ApiError>().is_some_and(ApiError::is_refusal);
            ensure!(refused, "the node did not answer: {problem:#}");
            return Ok(format!("{problem:#}"));
        }
    }
    bail!("20,000 records fitted on a full disk")
}

/// Fills the file system but for a little room; returns the file that does it.
fn fill(folder: &Path) -> anyhow::Result<std::path::PathBuf> {
    let path = folder.join("filler");
    let mut file = File::create(&path)?;
    let piece = vec![0x5A; 64 << 10];
    let mut length = 0_u64;
    while file.write_all(&piece).is_ok() {
        length += piece.len() as u64;
    }
    file.set_len(length.saturating_sub(ROOM))?;
    Ok(path)
}

/// A small file system on a folder, for as long as this lives.
struct Mounted(String);

impl Mounted {
    fn new(folder: &Path) -> anyhow::Result<Self> {
        let place = folder.display().to_string();
        run(&["mount", "-t", "tmpfs", "-o", SIZE, "townmesh-test", &place]).map_err(anyhow::Error::msg)?;
        Ok(Self(place))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: a process that is just ending may still have a file open.
        let _ = run(&["umount", "-l", &self.0]);
    }
}
