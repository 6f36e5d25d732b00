//! `command`: the command center at a glance.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};
use townmesh_crdt::domain::region::RegionCode;

use super::client::Client;
use super::output::{moment, table};
use super::{Context, Done};

#[derive(Debug, Args)]
pub(super) struct CommandArgs {
    /// 区划代码，缺省为全镇 / of this region; of the town by default
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
}

impl CommandArgs {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        let query = [("region", self.region.map(|region| region.to_string()))];
        context.output.result(&client.fetch("/v1/command", &query)?, shown);
        Ok(ExitCode::SUCCESS)
    }
}

/// The mode, the responses, the desks.
fn shown(command: &Value) -> String {
    let mode = match (command["mode"].as_str(), command["since_ms"].as_i64()) {
        (Some("emergency"), Some(since)) => format!("战时 emergency, {} 起 since", moment(since)),
        (Some("emergency"), None) => "战时 emergency".to_owned(),
        (Some(_) | None, Some(_) | None) => "平时 peace".to_owned(),
    };
    let responses = json!({ "rows": command["responses"], "next": null });
    let response = [
        ("/code", "响应 response"),
        ("/plan", "预案 plan"),
        ("/level", "级别 level"),
        ("/opened", "启动 opened"),
        ("/commander", "指挥长 commander"),
        ("/reason", "事由 reason"),
    ];
    let desks = json!({ "rows": command["desks"], "next": null });
    let desk = [
        ("/code", "编号 code"),
        ("/chinese", "席位 desk"),
        ("/open", "在办 open"),
        ("/red", "超期 late"),
        ("/yellow", "将到期 soon late"),
        ("/supervised", "督办 supervised"),
        ("/replies_late", "督办逾期 replies late"),
        ("/waiting", "待批待复 waiting"),
        ("/phone", "电话 phone"),
    ];
    format!("{mode}\n\n{}\n\n{}", table(&responses, &response), table(&desks, &desk))
}
