//! `reveals`: who was shown personal data, when and why.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use townmesh_crdt::domain::date::Day;

use super::household::PageArgs;
use super::invites::joined;
use super::output::table;
use super::{Context, Done, Failure, local};
use crate::message::Message;
use crate::reveals::{RevealPage, Reveals};

#[derive(Debug, Args)]
pub(super) struct RevealsArgs {
    /// 自此日起 / from this day on
    #[arg(long, value_name = "DATE")]
    since: Option<Day>,
    #[command(flatten)]
    page: PageArgs,
}

const COLUMNS: [(&str, &str); 7] = [
    ("/time_ms", "时间 time"),
    ("/kind", "内容 what"),
    ("/count", "数量 count"),
    ("/reason", "理由 reason"),
    ("/user", "用户 user"),
    ("/peer", "来自 from"),
    ("/documents", "编号 documents"),
];

impl RevealsArgs {
    /// Reads the file, whether the node runs or not: it only grows.
    pub(super) fn run(self, context: &Context) -> Done {
        let directory = &context.config.data_dir;
        local::identity(directory)?;
        let page: Result<RevealPage, Failure> =
            Reveals::new(directory.reveals()).page(self.since, &self.page.page()).map_err(Failure::from);
        let page = page?;
        if page.damaged > 0 {
            let zh = format!("有 {} 行无法读出（断电所致或被改动）", page.damaged);
            let en = format!("{} lines cannot be read: a power cut, or somebody's hand", page.damaged);
            context.output.note(&Message::new("reveals_damaged", zh, en).to_string());
        }
        context.output.result(&json!(page), |page| {
            let mut page = page.clone();
            for row in page.get_mut("rows").and_then(serde_json::Value::as_array_mut).into_iter().flatten() {
                row["documents"] = joined(&row["documents"], |id| id.as_str().unwrap_or_default().to_owned());
            }
            table(&page, &COLUMNS)
        });
        Ok(ExitCode::SUCCESS)
    }
}
