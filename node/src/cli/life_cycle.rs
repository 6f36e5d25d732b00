//! `life-cycle`: the rules of cases: show, check the draft, publish it.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use townmesh_crdt::domain::case::Promise;
use townmesh_crdt::domain::tables::TableKind;

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
}

#[derive(Debug, Args)]
pub(super) struct PublishArgs {
    /// 发布人（人员编号） / who publishes: a member's code
    #[arg(long)]
    by: String,
    /// 修改原因 / why the rules change
    #[arg(long)]
    why: String,
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
            Self::Publish(PublishArgs { by, why, without }) => {
                let done = client.post("/v1/life-cycle", &json!({ "by": by, "why": why, "without": without }))?;
                context.output.result(&done, published);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
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
    if !shown["apart"].is_null() {
        text += "另有一版同时发布，请核对草稿后再发布一次 / another edition was published apart: look the draft through and publish once more\n";
    }
    text += &rules_table(&shown["rules"]);
    text += "\n";
    text + &table(&json!({ "rows": shown["editions"] }), &editions)
}

fn rules_table(rules: &Value) -> String {
    let columns = rows::titles(TableKind::Transition.columns());
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
    for changed in rows("rules") {
        lines.push(change("操作 step", &changed, &["/step"]));
    }
    for changed in rows("meetings") {
        lines.push(change("并发 meeting", &changed, &["/first", "/second"]));
    }
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
    lines.join("\n")
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
