//! `case`: record (report), act, list, show.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use townmesh_crdt::domain::case::{CaseState, Lamp, Source};
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::role::Role;

use super::client::Client;
use super::household::PageArgs;
use super::output::{fields, recorded, table};
use super::{Context, Done};
use crate::http::CaseName;

#[derive(Debug, Subcommand)]
pub(super) enum CaseCommand {
    /// 上报问题 / report a problem
    #[command(visible_alias = "report")]
    Record(RecordArgs),
    /// 办理：受理、立案、派遣…… / do something to a case
    Act(ActArgs),
    /// 列出 / list
    List(ListArgs),
    /// 查看案卷及其过程 / show one with its timeline
    Show {
        /// 案卷编号 / its id
        id: CaseName,
    },
}

/// Who does it.
#[derive(Debug, Args)]
struct ActorArgs {
    /// 人员或设备编号 / code of the person or device
    #[arg(long)]
    by: String,
    /// 以何种角色 / in which role
    #[arg(long)]
    role: Role,
    /// 附言 / words beside it
    #[arg(long)]
    note: Option<String>,
}

impl ActorArgs {
    fn json(&self) -> Value {
        json!({ "by": self.by, "role": self.role, "note": self.note })
    }
}

#[derive(Debug, Args)]
pub(super) struct RecordArgs {
    #[command(flatten)]
    actor: ActorArgs,
    /// 村居区划代码 / village or community
    #[arg(long, value_name = "CODE")]
    region: RegionCode,
    /// 来源 / where it comes from: enforcement, patrol, public, video, data
    #[arg(long)]
    source: Source,
    /// 地点 / the place in words
    #[arg(long)]
    place: String,
    /// 情况 / what is wrong
    #[arg(long)]
    description: String,
    /// 建议类别 / category that the reporter suggests
    #[arg(long)]
    category: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ActArgs {
    /// 案卷编号 / id of the case
    id: CaseName,
    #[command(flatten)]
    actor: ActorArgs,
    /// 动作（JSON），如 '"accept"' / the action as JSON, such as '{"refuse":{"reason":"…"}}'
    #[arg(long, value_name = "JSON", value_parser = |text: &str| serde_json::from_str::<Value>(text))]
    action: Value,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// 区划代码 / in this region
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
    /// 状态 / in this state
    #[arg(long)]
    state: Option<CaseState>,
    /// 是否未结 / only open ones, or only the others
    #[arg(long, value_name = "BOOL")]
    open: Option<bool>,
    /// 灯：green、yellow、red / with this lamp, of those whose clock runs
    #[arg(long)]
    lamp: Option<Lamp>,
    /// 队伍 / with an order to this team
    #[arg(long)]
    team: Option<String>,
    /// 文字 / with this text
    #[arg(long)]
    text: Option<String>,
    #[command(flatten)]
    page: PageArgs,
}

impl CaseCommand {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        match self {
            Self::Record(RecordArgs { actor, region, source, place, description, category }) => {
                let report = json!({ "source": source, "place": place, "description": description, "category": category, "region": region });
                let body = json!({ "actor": actor.json(), "region": region, "report": report });
                context.output.result(&client.post("/v1/cases", &body)?, recorded);
            }
            Self::Act(ActArgs { id, actor, action }) => {
                let body = json!({ "actor": actor.json(), "action": action });
                context.output.result(&client.post(&format!("/v1/cases/{id}/actions"), &body)?, recorded);
            }
            Self::List(args) => {
                let mut query = vec![
                    ("region", args.region.map(|region| region.to_string())),
                    ("state", args.state.map(|state| state.to_string())),
                    ("open", args.open.map(|open| open.to_string())),
                    ("lamp", args.lamp.map(|lamp| lamp.to_string())),
                    ("team", args.team),
                    ("text", args.text),
                ];
                query.extend(args.page.query());
                let columns = [
                    ("/number", "编号 number"),
                    ("/region", "村居 region"),
                    ("/state", "状态 state"),
                    ("/lamp", "灯 lamp"),
                    ("/due_ms", "时限 due"),
                    ("/place", "地点 place"),
                    ("/description", "情况 description"),
                ];
                context.output.result(&client.fetch("/v1/cases", &query)?, |listed| table(listed, &columns));
            }
            Self::Show { id } => context.output.result(&client.fetch(&format!("/v1/cases/{id}"), &[])?, fields),
        }
        Ok(ExitCode::SUCCESS)
    }
}
