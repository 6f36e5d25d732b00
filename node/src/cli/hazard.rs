//! `hazard`: list, step, link.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;
use townmesh_crdt::domain::checklist::Grade;
use townmesh_crdt::domain::hazard::{HazardState, HazardStep};
use townmesh_crdt::domain::inspection::PhotoHash;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::role::Role;
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
    /// 关联的案卷 / of which this case was made
    #[arg(long, value_name = "ID")]
    case: Option<DocumentId>,
    /// 超期未整改的 / past their date, and nobody said that they are done
    #[arg(long)]
    overdue: bool,
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
    /// 角色；不写则整改为处置队员、复查为巡查员 / role; without it handlers put right, inspectors recheck
    #[arg(long)]
    role: Option<Role>,
    /// 备注，不要写个人信息 / remarks; nothing that identifies a person
    #[arg(long)]
    note: Option<String>,
    /// 照片（已上传的标识），可重复 / photos recorded before, by their hashes; may be repeated
    #[arg(long, value_name = "HASH")]
    photo: Vec<PhotoHash>,
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
                    ("case", args.case.map(|case| case.to_string())),
                    ("overdue", args.overdue.then(|| "true".to_owned())),
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
                    ("/due_ms", "整改期限 due"),
                ];
                context.output.result(&client.fetch("/v1/hazards", &query)?, |listed| table(listed, &columns));
            }
            Self::Step(StepArgs { id, step, by, role, note, photo }) => {
                let body = json!({ "step": step, "by": by, "role": role, "note": note, "photos": photo });
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
