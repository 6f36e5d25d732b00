//! `verify`: checks every signature, certificate, body and document of the store again; with `--peers` also whether the
//! peers hold the same. `verify FILE` checks an evidence pack, for which it needs no node.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::client::Client;
use super::output::{fields, table};
use super::{Context, Done, FAILED, Failure, NOT_SYNCED, local};
use crate::data_dir::FileError;
use crate::evidence::{self, Outcome, TownName};
use crate::message::{Explain as _, Message};
use crate::verify::Verification;

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// 证据包；不给则核验本节点的数据 / an evidence pack; without one, what this node holds
    file: Option<PathBuf>,
    /// 证据包应属的镇：本镇公钥 / the town that the pack must be of: its public key
    #[arg(long, value_name = "PUBLIC KEY", requires = "file")]
    town: Option<TownName>,
    /// 与已连接的节点比对摘要 / compare digests with connected peers
    #[arg(long, conflicts_with = "file")]
    peers: bool,
}

impl VerifyArgs {
    pub(super) fn run(self, context: &Context) -> Done {
        if let Some(file) = &self.file {
            return pack(context, file, self.town);
        }
        let client = Client::of(&context.config.data_dir).ok().filter(Client::is_alive);
        let done = match client {
            Some(client) => running(context, &client)?,
            None if self.peers => {
                let message = Message::new(
                    "not_running",
                    "节点没有运行，无法与其他节点比对",
                    "the node is not running, so it has no peers",
                );
                return Err(message.remedy("先启动节点", "start it first").into());
            }
            None => stopped(context)?,
        };
        let problems = done.pointer("/report/problem_count").and_then(Value::as_u64).unwrap_or(0);
        context.output.result(&done, |done| text(done, self.peers));
        let peers = done.get("peers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let all_equal = !peers.is_empty() && peers.iter().all(|peer| peer.get("equal") == Some(&Value::Bool(true)));
        Ok(match (problems, self.peers && !all_equal) {
            (0, false) => ExitCode::SUCCESS,
            (0, true) => ExitCode::from(NOT_SYNCED),
            (_, _) => ExitCode::from(FAILED),
        })
    }
}

/// Checks an evidence pack. Without a town named, that of this data directory counts, where there is one.
fn pack(context: &Context, path: &Path, town: Option<TownName>) -> Done {
    let own = || local::identity(&context.config.data_dir).ok().map(|identity| TownName::of_key(identity.town));
    let town = town.or_else(own);
    let file = File::open(path).map_err(FileError::at(path))?;
    let outcome = evidence::verify(file, town.as_ref()).map_err(FileError::at(path))?;
    context.output.result(&json!(outcome), |shown| told(&outcome, shown));
    if !outcome.town_compared {
        context
            .output
            .note("未与任何镇比对：请用 --town 写明本镇公钥 / not compared with any town: name yours with --town");
    }
    Ok(if outcome.sound { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

fn told(outcome: &Outcome, shown: &Value) -> String {
    let mut shown = shown.clone();
    let problems = shown.as_object_mut().and_then(|shown| shown.remove("problems")).unwrap_or_default();
    // Who reads no more than the first line must not read more into it than was checked.
    let title = match (outcome.sound, outcome.unproved.is_empty(), outcome.derived) {
        (false, ..) => "发现问题 / problems found",
        (true, _, false) => {
            "已核对的部分无误；程序版本不同，报告与推算结果未核对 / what was checked is sound; the program's version is another, so the report was not held against the events"
        }
        (true, false, true) => {
            "无误，但部分记录仅由导出节点担保（见 unproved） / sound, but some events are vouched for by the exporting node alone (see unproved)"
        }
        (true, true, true) => "核验通过 / everything is sound",
    };
    let mut text = format!("{title}\n{}", fields(&shown));
    if !outcome.sound {
        let columns = [("/place", "位置 where"), ("/message_zh", "问题"), ("/message_en", "problem")];
        text += &table(&json!({ "rows": problems }), &columns);
    }
    text
}

fn running(context: &Context, client: &Client) -> Result<Value, Failure> {
    let bar = context.output.bar(Some(0), "核验 / verifying");
    let done = client.lines("/v1/verify", &[], None, |_, report| {
        let number = |name: &str| report.get(name).and_then(Value::as_u64).unwrap_or(0);
        bar.set_length(number("entries_total"));
        bar.set_position(number("entries"));
    });
    bar.finish_and_clear();
    done
}

fn stopped(context: &Context) -> Result<Value, Failure> {
    let file = local::identity(&context.config.data_dir)?;
    if !context.config.data_dir.store().exists() {
        return Err(townmesh_crdt::replica::OpenError::Vanished.explain().into());
    }
    local::with_replica(&context.config, &file, |replica| {
        let mut verification = Verification::new(replica)?;
        let bar = context.output.bar(Some(verification.report().entries_total), "核验 / verifying");
        while verification.step(replica)? {
            bar.set_position(verification.report().entries);
        }
        bar.finish_and_clear();
        Ok(json!({ "report": verification.report(), "peers": [] }))
    })
}

fn text(done: &Value, with_peers: bool) -> String {
    let mut report = done.get("report").cloned().unwrap_or_default();
    let problems = report.as_object_mut().and_then(|report| report.remove("problems")).unwrap_or_default();
    let is_sound = problems.as_array().is_none_or(Vec::is_empty);
    let mut text = if is_sound {
        "核验通过 / everything is sound\n".to_owned()
    } else {
        "发现问题 / problems found\n".to_owned()
    };
    text += &fields(&report);
    if !is_sound {
        let columns = [("/namespace", "namespace"), ("/place", "log"), ("/seq", "seq"), ("/problem", "problem")];
        text += &table(&json!({ "rows": problems }), &columns);
    }
    if with_peers {
        let peers = done.get("peers").cloned().unwrap_or_default();
        text += &table(&json!({ "rows": peers }), &[("/name", "peer"), ("/equal", "equal")]);
    }
    text
}
