//! `team`: record, list.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::town::{Team, TeamKind};

use super::client::Client;
use super::household::PageArgs;
use super::output::{recorded, table};
use super::{Context, Done};

#[derive(Debug, Subcommand)]
pub(super) enum TeamCommand {
    /// 登记或更新队伍 / record a team, or what is new about it
    Record(RecordArgs),
    /// 列出 / list
    List(PageArgs),
}

#[derive(Debug, Args)]
pub(super) struct RecordArgs {
    /// 队伍编号 / its code
    #[arg(long)]
    code: String,
    /// 名称 / name
    #[arg(long)]
    name: Option<String>,
    /// 类别 / kind: department, town, village, party_branch, company, volunteers
    #[arg(long)]
    kind: Option<TeamKind>,
    /// 工作区域 / where it works
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
    /// 负责人编号 / code of the member who leads it
    #[arg(long)]
    leader: Option<String>,
    /// 值班电话 / phone of its duty desk
    #[arg(long)]
    phone: Option<String>,
    /// 所用节点的名称，可多次给出 / name of a node that it works with; may be given several times
    #[arg(long = "node", value_name = "NAME")]
    nodes: Vec<String>,
    /// 是否撤销 / whether it was dissolved
    #[arg(long, value_name = "BOOL")]
    retired: Option<bool>,
}

impl TeamCommand {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        match self {
            Self::Record(RecordArgs { code, name, kind, region, leader, phone, nodes, retired }) => {
                let nodes = nodes.into_iter().collect();
                let team =
                    Team { code: Some(code), name, kind, region, leader, phone, retired, nodes, ..Team::default() };
                context.output.result(&client.post("/v1/teams", &team)?, recorded);
            }
            Self::List(page) => {
                let columns = [
                    ("/code", "编号 code"),
                    ("/name", "名称 name"),
                    ("/kind", "类别 kind"),
                    ("/leader", "负责人 leader"),
                    ("/phone", "电话 phone"),
                ];
                context.output.result(&client.fetch("/v1/teams", &page.query())?, |listed| table(listed, &columns));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
