//! `hazard`: list, step, link.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;
use townmesh_crdt::domain::checklist::Grade;
use townmesh_crdt::domain::hazard::{HazardState, HazardStep};
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::id::DocumentId;

use super::client::Client;
use super::household::PageArgs;
use super::output::{recorded, table};
use super::{Context, Done};
use crate::http::CaseName;

#[derive(Debug, Subcommand)]
pub(super) enum HazardCommand {
    /// 列出 / list
    List(ListArgs),
    /// 整改一步：开始整改、报告完成、复查 / take a step: take up, report done, recheck
    Step(StepArgs),
    /// 关联案卷 / note which case was made of it
    Link {
        /// 隐患编号 / id of the hazard
        id: DocumentId,
        /// 案卷编号 / id or number of the case
        #[arg(long)]
        case: CaseName,
    },
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// 区划代码 / in this region
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
    /// 状态：open、rectifying、recheck、closed / in this state
    #[arg(long)]
    state: Option<HazardState>,
    /// 等级：general、major、severe / of this grade
    #[arg(long)]
    grade: Option<Grade>,
    #[command(flatten)]
    page: PageArgs,
}

#[derive(Debug, Args)]
pub(super) struct StepArgs {
    /// 隐患编号 / id of the hazard
    id: DocumentId,
    /// 步骤：take_up、report_done、pass、fail、reopen / which step
    step: HazardStep,
    /// 人员编号 / code of who takes it
    #[arg(long)]
    by: String,
}

impl HazardCommand {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        match self {
            Self::List(args) => {
                let mut query = vec![
                    ("region", args.region.map(|region| region.to_string())),
                    ("state", args.state.map(|state| state.to_string())),
                    ("grade", args.grade.map(|grade| grade.to_string())),
                ];
                query.extend(args.page.query());
                let columns = [
                    ("/document", "编号 id"),
                    ("/region", "村居 region"),
                    ("/address", "门牌号 address"),
                    ("/checklist", "检查表 checklist"),
                    ("/item", "检查项 item"),
                    ("/grade", "等级 grade"),
                    ("/state", "状态 state"),
                    ("/found_ms", "发现时间 found"),
                ];
                context.output.result(&client.fetch("/v1/hazards", &query)?, |listed| table(listed, &columns));
            }
            Self::Step(StepArgs { id, step, by }) => {
                let body = json!({ "step": step, "by": by });
                context.output.result(&client.post(&format!("/v1/hazards/{id}/steps"), &body)?, recorded);
            }
            Self::Link { id, case } => {
                let body = json!({ "case": case.to_string() });
                context.output.result(&client.post(&format!("/v1/hazards/{id}/case"), &body)?, recorded);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
