//! `invites`: which invites there are, and what became of them.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::client::Client;
use super::output::table;
use super::{Context, Done, local};
use crate::engine::now;
use crate::http::Invites;

#[derive(Debug, Args)]
pub(super) struct InvitesArgs {}

const COLUMNS: [(&str, &str); 8] = [
    ("/state", "状态 state"),
    ("/name", "名称 name"),
    ("/role", "角色 role"),
    ("/regions", "可读 reads"),
    ("/carries", "携带 carries"),
    ("/valid_until_ms", "有效至 valid until"),
    ("/nodes", "由谁使用 redeemed by"),
    ("/id", "编号 id"),
];

impl InvitesArgs {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir).ok().filter(Client::is_alive);
        let listed = match client {
            Some(client) => client.fetch("/v1/invites", &[])?,
            None => {
                let file = local::identity(&context.config.data_dir)?;
                local::with_replica(&context.config, &file, |replica| Ok(json!(Invites::of(replica, now()))))?
            }
        };
        context.output.result(&listed, text);
        Ok(ExitCode::SUCCESS)
    }
}

/// As people read it: lists in one cell, nodes by name and id.
fn text(listed: &Value) -> String {
    let mut listed = listed.clone();
    for row in listed.get_mut("rows").and_then(Value::as_array_mut).into_iter().flatten() {
        for field in ["regions", "carries"] {
            row[field] = joined(&row[field], |code| code.as_str().unwrap_or_default().to_owned());
        }
        row["nodes"] = joined(&row["nodes"], named);
    }
    table(&listed, &COLUMNS)
}

pub(super) fn joined(values: &Value, shown: impl Fn(&Value) -> String) -> Value {
    let all = values.as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().map(shown).collect::<Vec<_>>().join(" ").into()
}

/// A node of a row.
pub(super) fn named(node: &Value) -> String {
    let field = |name: &str| node.get(name).and_then(Value::as_str).unwrap_or_default();
    let removed = if node.get("removed") == Some(&Value::Bool(true)) { " 已注销/removed" } else { "" };
    let id: String = field("node").chars().take(8).collect();
    format!("{} ({id}{removed})", field("name"))
}
