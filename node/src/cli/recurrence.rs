//! `analysis recurrence|offenders`: what comes back, and by whom.

use clap::Args;
use serde_json::{Value, json};

use super::analysis::{Pairs, ScopeArgs, name_subjects, truncated, unplaced};
use super::assessment::words;
use super::client::Client;
use super::output::table;
use super::{Context, Failure};
use crate::views::{CauseGrouping, OffenderKind};

#[derive(Debug, Args)]
pub(super) struct RecurrenceArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    /// 案件类别 / only cases of this category
    #[arg(long)]
    category: Option<String>,
    /// 多少天内算重复 / within so many days
    #[arg(long, default_value_t = 90)]
    days: u32,
    /// 归因：列出共同之处 / list what groups have in common
    #[arg(long, value_parser = words(CauseGrouping::ALL.iter().map(|by| (by.name(), by.words()))))]
    by: Option<String>,
    /// 列出一组的各次，以其 first 表示 / list every time of one group, named by its `first`
    #[arg(long, value_name = "FIRST")]
    pub(super) group: Option<String>,
    /// 行数 / groups, or times of one
    #[arg(long, default_value_t = 20)]
    limit: u32,
    /// 上一页的 next / where the page before ended (of one group)
    #[arg(long, value_name = "CURSOR", requires = "group")]
    after: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct OffendersArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    /// 对象 / who
    #[arg(long, default_value = "owner", value_parser = words(OffenderKind::ALL.iter().map(|kind| (kind.name(), kind.words()))))]
    by: String,
    /// 案件类别 / only cases of this category
    #[arg(long)]
    category: Option<String>,
    /// 至少次数 / at least so often
    #[arg(long, default_value_t = 2)]
    least: u32,
    /// 行数 / offenders
    #[arg(long, default_value_t = 20)]
    limit: u32,
}

impl RecurrenceArgs {
    pub(super) fn query(self) -> Pairs {
        let mut query = self.scope.query();
        query.extend([
            ("category", self.category),
            ("days", Some(self.days.to_string())),
            ("by", self.by),
            ("limit", Some(self.limit.to_string())),
        ]);
        query
    }

    /// Lists every time of one group.
    pub(super) fn run(self, context: &Context, client: &Client, group: String) -> Result<(), Failure> {
        let mut query = self.scope.query();
        query.extend([
            ("category", self.category),
            ("days", Some(self.days.to_string())),
            ("first", Some(group)),
            ("limit", Some(self.limit.to_string())),
            ("after", self.after),
        ]);
        let columns = [
            ("/number", "编号 number"),
            ("/time_ms", "时间 time"),
            ("/reopened", "重新处理 reopened"),
            ("/document", "标识 document"),
        ];
        let listed = client.fetch("/v1/analysis/recurrence/cases", &query)?;
        context.output.result(&listed, |listed| table(listed, &columns));
        Ok(())
    }
}

impl OffendersArgs {
    pub(super) fn query(self) -> Pairs {
        let mut query = self.scope.query();
        query.extend([
            ("by", Some(self.by)),
            ("category", self.category),
            ("least", Some(self.least.to_string())),
            ("limit", Some(self.limit.to_string())),
        ]);
        query
    }
}

pub(super) fn groups(answer: &Value) -> String {
    let columns = [
        ("/name", "问题 what"),
        ("/region", "村居 region"),
        ("/place", "地点 place"),
        ("/by", "依据 by"),
        ("/count", "次数 times"),
        ("/reopened", "重新处理 reopened"),
        ("/first_ms", "首次 first"),
        ("/last_ms", "末次 last"),
        ("/intervals_days", "间隔（天） intervals (days)"),
        ("/cases", "编号 numbers"),
        ("/first", "组 first"),
    ];
    let mut text = table(&name_subjects(answer), &columns) + truncated(answer, "truncated");
    if answer["causes"].as_array().is_some_and(|causes| !causes.is_empty()) {
        let columns = [
            ("/key", "编号 code"),
            ("/name", "名称 name"),
            ("/groups", "组数 groups"),
            ("/count", "次数 times"),
            ("/reopened", "重新处理 reopened"),
            ("/dwellings", "房屋 dwellings"),
        ];
        text += &("\n".to_owned() + &table(&json!({ "rows": answer["causes"] }), &columns));
        text += truncated(answer, "causes_truncated");
    }
    text + &unplaced(answer)
}

pub(super) fn offenders(answer: &Value) -> String {
    let offences = |row: &Value| {
        let all = row["offences"].as_array().cloned().unwrap_or_default();
        let one = |offence: &Value| {
            let name = offence["words"][0].as_str().or(offence["code"].as_str()).unwrap_or_default().to_owned();
            format!("{name} ×{}", offence["count"])
        };
        all.iter().map(one).collect::<Vec<_>>().join("、")
    };
    let mut rows = answer["rows"].as_array().cloned().unwrap_or_default();
    rows.iter_mut().for_each(|row| row["what"] = json!(offences(row)));
    let columns = [
        ("/name", "对象 who"),
        ("/count", "次数 times"),
        ("/places", "地点数 places"),
        ("/reopened", "重新处理 reopened"),
        ("/what", "问题 what"),
        ("/first_ms", "首次 first"),
        ("/last_ms", "末次 last"),
    ];
    let unknown = match answer["unknown"].as_u64() {
        Some(count @ 1..) => {
            format!("另有 {count} 件对象不明、未计入 / {count} more name nobody of this kind and are not counted\n")
        }
        Some(0) | None => String::new(),
    };
    table(&json!({ "rows": rows }), &columns) + truncated(answer, "truncated") + &unknown
}
