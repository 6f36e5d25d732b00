//! `life-cycle`: the rules of cases: show, check the draft, publish it.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use townmesh_crdt::domain::case::Promise;
use townmesh_crdt::domain::tables::TableKind;
use townmesh_crdt::id::RecordId;

use super::client::Client;
use super::output::{fields, table};
use super::{Context, Done, rows};

#[derive(Debug, Subcommand)]
pub(super) enum LifeCycleCommand {
    /// 现行办理流程及历次版本 / the rules in force and every edition
    Show,
    /// 草稿（码表 transition 与 meeting）与现行流程的差别 / what the draft in the tables would change
    Check,
    /// 把草稿发布为新版本，自此据以办案 / publish the draft: from now on people act by it
    Publish(PublishArgs),
    /// 查看一个版本及其改动 / one edition and what it changed
    Edition {
        /// 版本编号，或 shipped（程序自带） / id of an edition, or shipped
        #[arg(value_parser = edition_name)]
        edition: String,
    },
    /// 把一个版本写回草稿，以便再次发布 / write an edition into the draft, to publish it again
    Restore {
        /// 版本编号，或 shipped（程序自带） / id of an edition, or shipped
        #[arg(value_parser = edition_name)]
        edition: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct PublishArgs {
    /// 发布人（人员编号） / who publishes: a member's code
    #[arg(long)]
    by: String,
    /// 修改原因 / why the rules change
    #[arg(long)]
    why: String,
    /// 所核对草稿的修订号（见 check） / revision of the draft that was checked
    #[arg(long)]
    revision: String,
    /// 明知放弃的保证，可重复 / a promise that the town does without; may be given again
    #[arg(long, value_name = "PROMISE")]
    without: Vec<Promise>,
}

impl LifeCycleCommand {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        match self {
            Self::Show => context.output.result(&client.fetch("/v1/life-cycle", &[])?, in_force),
            Self::Check => {
                context.output.result(&client.fetch("/v1/life-cycle", &[])?, |shown| drafted(&shown["draft"]))
            }
            Self::Publish(PublishArgs { by, why, revision, without }) => {
                let body = json!({ "by": by, "why": why, "revision": revision, "without": without });
                context.output.result(&client.post("/v1/life-cycle", &body)?, published);
            }
            Self::Edition { edition } => {
                let shown = client.fetch(&format!("/v1/life-cycle/{}", edition), &[])?;
                context.output.result(&shown, one_edition);
            }
            Self::Restore { edition } => {
                let path = format!("/v1/life-cycle/{}/restore", edition);
                let done = client.post(&path, &Value::Null)?;
                context.output.result(&done, |done| {
                    format!("已写入草稿，请核对后发布 / written into the draft: check and publish it\n{}", fields(done))
                });
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn edition_name(text: &str) -> Result<String, String> {
    if text != "shipped" {
        text.parse::<RecordId>().map_err(|error| error.to_string())?;
    }
    Ok(text.to_owned())
}

fn published(done: &Value) -> String {
    let title = match done["outcome"].as_str() {
        Some("created") => "已发布 / published",
        Some(_) | None => {
            "草稿与现行流程相同，没有发布 / the draft says nothing else than what is in force: nothing was published"
        }
    };
    format!("{title}\n{}", fields(&done["edition"]))
}

fn in_force(shown: &Value) -> String {
    let editions = [
        ("/number", "版本 edition"),
        ("/time_ms", "发布时间 published"),
        ("/by", "发布人 by"),
        ("/why", "原因 why"),
        ("/void", "无效 void"),
        ("/id", "编号 id"),
    ];
    let number = shown["in_force"]["number"].as_u64().unwrap_or(0);
    let mut text = match number {
        0 => "现行：程序自带的流程 / in force: as the program ships it\n".to_owned(),
        number => format!("现行：第 {number} 版 / in force: edition {number}\n"),
    };
    if shown["apart"].as_array().is_some_and(|apart| !apart.is_empty()) {
        text += "另有版本同时发布，请核对草稿后再发布一次 / others were published apart: look the draft through and publish once more\n";
    }
    if shown["waiting"].as_u64().unwrap_or(0) > 0 {
        text += "有版本尚缺其前版，据其所作的操作等待中 / editions wait for those before them, and what was done by them waits\n";
    }
    text += &rules_table(&shown["rules"], TableKind::Transition);
    text += "\n";
    text += &rules_table(&shown["meetings"], TableKind::Meeting);
    text += "\n";
    text + &table(&json!({ "rows": shown["editions"] }), &editions)
}

/// One edition: who published it, what it changed, and all of it.
fn one_edition(shown: &Value) -> String {
    let note = if shown["edition"].is_null() {
        "程序自带的流程 / as the program ships it".to_owned()
    } else {
        fields(&shown["edition"])
    };
    let changes = changes(&shown["changes"]).join("\n");
    let rules = rules_table(&shown["rules"], TableKind::Transition);
    [note, changes, rules, rules_table(&shown["meetings"], TableKind::Meeting)].join("\n")
}

fn rules_table(rules: &Value, kind: TableKind) -> String {
    let columns = rows::titles(kind.columns());
    let columns: Vec<(&str, &str)> =
        columns.iter().map(|(pointer, title)| (pointer.as_str(), title.as_str())).collect();
    table(&json!({ "rows": rules }), &columns)
}

/// What would change, and what stands in the way.
fn drafted(draft: &Value) -> String {
    let rows = |name: &str| draft[name].as_array().cloned().unwrap_or_default();
    let mut lines = Vec::new();
    if draft["differs"] != json!(true) {
        lines.push("草稿与现行流程相同 / the draft says nothing else than what is in force".to_owned());
    }
    lines.extend(changes(&draft["changes"]));
    for unsound in rows("unsound") {
        let word = |name: &str| unsound[name].as_str().unwrap_or_default().to_owned();
        lines.push(format!("不可发布 cannot be published: {} / {}", word("chinese"), word("english")));
    }
    for promise in rows("broken") {
        let known = promise.as_str().and_then(|key| key.parse::<Promise>().ok());
        let words = known.map_or_else(
            || promise.to_string(),
            |known| format!("{} / {} ({known})", known.chinese(), known.english()),
        );
        lines.push(format!("不再保证 does not keep: {words}"));
    }
    if let Some(disputed) = draft["disputed"].as_str() {
        lines.push(format!("有未裁定的单元格 cells in dispute: {disputed}"));
    }
    let revision = draft["revision"].as_str().unwrap_or_default();
    lines.push(format!("发布时写明 --revision {revision} / to publish it name --revision {revision}"));
    lines.join("\n")
}

/// Each row that differs.
fn changes(changes: &Value) -> Vec<String> {
    let rows = |name: &str| changes[name].as_array().cloned().unwrap_or_default();
    let rules = rows("rules").into_iter().map(|row| change("操作 step", &row, &["/step"]));
    rules.chain(rows("meetings").into_iter().map(|row| change("并发 meeting", &row, &["/first", "/second"]))).collect()
}

/// One row before and after, as far as they differ.
fn change(what: &str, changed: &Value, name: &[&str]) -> String {
    let (before, after) = (&changed["before"], &changed["after"]);
    let one = if after.is_null() { before } else { after };
    let named: Vec<&str> = name.iter().filter_map(|pointer| one.pointer(pointer)?.as_str()).collect();
    let named = named.join(" + ");
    match (before.as_object(), after.as_object()) {
        (None, _) => format!("{what} {named}: 新增 added"),
        (_, None) => format!("{what} {named}: 停用 taken out"),
        (Some(before), Some(after)) => {
            let differing = after.keys().chain(before.keys()).collect::<std::collections::BTreeSet<_>>();
            let differing = differing.into_iter().filter(|key| before.get(*key) != after.get(*key));
            let words = |value: Option<&Value>| match value {
                Some(Value::String(text)) => text.clone(),
                Some(value) => value.to_string(),
                None => "—".to_owned(),
            };
            let cells = differing.map(|key| format!("{key}: {} → {}", words(before.get(key)), words(after.get(key))));
            format!("{what} {named}: {}", cells.collect::<Vec<_>>().join(", "))
        }
    }
}
