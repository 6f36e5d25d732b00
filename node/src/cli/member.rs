//! `member`: record, list.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::role::Role;
use townmesh_crdt::domain::town::Member;

use super::client::Client;
use super::household::PageArgs;
use super::output::{recorded, table};
use super::{Context, Done};

#[derive(Debug, Subcommand)]
pub(super) enum MemberCommand {
    /// 登记或更新人员 / record a member, or what is new about them
    Record(RecordArgs),
    /// 列出 / list
    List {
        /// 队伍编号 / of this team
        #[arg(long)]
        team: Option<String>,
        #[command(flatten)]
        page: PageArgs,
    },
}

#[derive(Debug, Args)]
pub(super) struct RecordArgs {
    /// 人员编号 / staff number or account
    #[arg(long)]
    code: String,
    /// 姓名 / name
    #[arg(long)]
    name: Option<String>,
    /// 队伍编号 / code of the team
    #[arg(long)]
    team: Option<String>,
    /// 工作区域 / where they work
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
    /// 岗位 / post
    #[arg(long)]
    post: Option<String>,
    /// 工作电话 / work phone
    #[arg(long)]
    phone: Option<String>,
    /// 角色，可多次给出 / a role, repeatable
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<Role>,
    /// 是否离岗 / whether they left
    #[arg(long, value_name = "BOOL")]
    retired: Option<bool>,
}

impl MemberCommand {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        match self {
            Self::Record(args) => {
                let RecordArgs { code, name, team, region, post, phone, roles, retired } = args;
                let roles = roles.into_iter().collect();
                let code = Some(code);
                let member = Member { code, name, team, region, post, phone, retired, roles, ..Member::default() };
                context.output.result(&client.post("/v1/members", &member)?, recorded);
            }
            Self::List { team, page } => {
                let mut query = vec![("team", team)];
                query.extend(page.query());
                let columns = [
                    ("/code", "编号 code"),
                    ("/name", "姓名 name"),
                    ("/team", "队伍 team"),
                    ("/phone", "电话 phone"),
                    ("/roles", "角色 roles"),
                ];
                context.output.result(&client.fetch("/v1/members", &query)?, |listed| table(listed, &columns));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
