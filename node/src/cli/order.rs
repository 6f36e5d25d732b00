//! `order`: orders to teams. `handover`: what one shift hands over to the next.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value;
use townmesh_crdt::domain::case::OrderStatus;
use townmesh_crdt::domain::region::RegionCode;

use super::client::Client;
use super::household::PageArgs;
use super::output::table;
use super::{Context, Done};

#[derive(Debug, Subcommand)]
pub(super) enum OrderCommand {
    /// 列出 / list
    List(ListArgs),
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// 队伍 / of this team
    #[arg(long)]
    team: Option<String>,
    /// 状态：sent、acknowledged、reported_in、done、returned、called_off / in this status
    #[arg(long)]
    status: Option<OrderStatus>,
    /// 区划代码 / in this region
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
    #[command(flatten)]
    page: PageArgs,
}

const ORDERS: [(&str, &str); 6] = [
    ("/number", "编号 number"),
    ("/team", "队伍 team"),
    ("/status", "状态 status"),
    ("/sent_ms", "派遣 sent"),
    ("/task", "任务 task"),
    ("/case", "案卷 case"),
];

impl OrderCommand {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        let Self::List(args) = self;
        let mut query = vec![
            ("team", args.team),
            ("status", args.status.map(|status| status.to_string())),
            ("region", args.region.map(|region| region.to_string())),
        ];
        query.extend(args.page.query());
        context.output.result(&client.fetch("/v1/orders", &query)?, |listed| table(listed, &ORDERS));
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Debug, Args)]
pub(super) struct HandoverArgs {
    /// 区划代码 / only of this region
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
}

impl HandoverArgs {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        let query = [("region", self.region.map(|region| region.to_string()))];
        context.output.result(&client.fetch("/v1/handover", &query)?, shown);
        Ok(ExitCode::SUCCESS)
    }
}

/// Each part under its title.
fn shown(handover: &Value) -> String {
    let cases = [
        ("/number", "编号 number"),
        ("/region", "村居 region"),
        ("/state", "状态 state"),
        ("/due_ms", "时限 due"),
        ("/place", "地点 place"),
        ("/description", "情况 description"),
    ];
    let mut waiting = ORDERS.to_vec();
    waiting.push(("/undelivered", "未送达 not delivered to"));
    let parts = [
        ("red", "超期 past their deadline", cases.as_slice()),
        ("yellow", "将到期 soon past it", cases.as_slice()),
        ("supervised", "督办待回复 supervision waits for a reply", cases.as_slice()),
        ("unacknowledged", "未签收的派遣单 orders that nobody acknowledged", waiting.as_slice()),
    ];
    let part = |(name, title, columns): &(&str, &str, &[(&str, &str)])| {
        let listed = &handover[name];
        let count = listed["rows"].as_array().map_or(0, Vec::len);
        let more = if listed["next"].is_string() { "+" } else { "" };
        let rows = if count == 0 { String::new() } else { table(listed, columns) };
        format!("{title}: {count}{more}\n{rows}")
    };
    parts.iter().map(part).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_part_has_its_title_and_says_when_there_is_more() {
        let order = json!({ "number": "7K3", "team": "xf-1", "undelivered": ["village-2"] });
        let handover =
            json!({ "red": { "rows": [{ "number": "9XQ" }], "next": "x" }, "unacknowledged": { "rows": [order] } });
        let text = shown(&handover);
        assert!(text.contains("past their deadline: 1+") && text.contains("soon past it: 0\n"), "{text}");
        assert!(text.contains("9XQ") && text.contains("village-2"), "{text}");
    }
}
