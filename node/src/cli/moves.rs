//! `move`: who leaves one village for another: list, show, give, accept, refuse, take-back.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::household::{Relation, ResidentKind};
use townmesh_crdt::domain::moves::MoveState;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::id::{DocumentId, ResidentId};

use super::client::Client;
use super::household::PageArgs;
use super::output::{fields, recorded, table};
use super::{Context, Done};

#[derive(Debug, Subcommand)]
pub(super) enum MoveCommand {
    /// 列出 / list
    List(ListArgs),
    /// 查看一次迁移 / show one
    Show(ShowArgs),
    /// 迁出移交 / hand a resident over to another village
    Give(GiveArgs),
    /// 接收迁入 / take in whom another village handed over
    Accept(AcceptArgs),
    /// 拒绝接收 / refuse
    Refuse(RefuseArgs),
    /// 撤回移交：此人不迁出 / take a hand-over back: the person stays
    TakeBack(TakeBackArgs),
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// 迁出村居 / from this region
    #[arg(long, value_name = "CODE")]
    from: Option<RegionCode>,
    /// 迁入村居 / to this region
    #[arg(long, value_name = "CODE")]
    to: Option<RegionCode>,
    /// 状态：given、accepted、refused、taken_back / in this state
    #[arg(long)]
    state: Option<MoveState>,
    /// 居民标识 / by which this resident left or came
    #[arg(long, value_name = "ID")]
    resident: Option<ResidentId>,
    /// 写明理由则不打码 / personal data in clear, for this reason
    #[arg(long, value_name = "REASON")]
    reveal: Option<String>,
    #[command(flatten)]
    page: PageArgs,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// 迁移标识 / its id
    id: DocumentId,
    /// 写明理由则不打码 / personal data in clear, for this reason
    #[arg(long, value_name = "REASON")]
    reveal: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct GiveArgs {
    /// 所离开的户 / the household that they leave
    household: DocumentId,
    /// 居民标识 / their id there
    #[arg(long, value_name = "ID")]
    resident: ResidentId,
    /// 迁入村居 / the village that they go to
    #[arg(long, value_name = "CODE")]
    to: RegionCode,
    /// 最后一天；不写则为已登记的，或今天 / their last day; without it the recorded one, or today
    #[arg(long)]
    day: Option<Day>,
    /// 人员编号 / code of who hands over
    #[arg(long)]
    by: String,
}

#[derive(Debug, Args)]
pub(super) struct AcceptArgs {
    /// 迁移标识 / id of the move
    id: DocumentId,
    /// 入住的户 / the household that they live in
    #[arg(long, value_name = "ID")]
    household: DocumentId,
    /// 第一天；不写则为在原村居的最后一天 / their first day; without it their last one there
    #[arg(long)]
    day: Option<Day>,
    /// 人员类别；不写则同原村居 / kind of resident; without it as there
    #[arg(long)]
    kind: Option<ResidentKind>,
    /// 与户主关系 / relation to the head of the household
    #[arg(long)]
    relation: Option<Relation>,
    /// 人员编号 / code of who takes them in
    #[arg(long)]
    by: String,
}

#[derive(Debug, Args)]
pub(super) struct RefuseArgs {
    /// 迁移标识 / id of the move
    id: DocumentId,
    /// 原因，不要写个人信息 / why; nothing that identifies a person
    #[arg(long)]
    reason: String,
    /// 人员编号 / code of who refuses
    #[arg(long)]
    by: String,
}

#[derive(Debug, Args)]
pub(super) struct TakeBackArgs {
    /// 迁移标识 / id of the move
    id: DocumentId,
    /// 人员编号 / code of who takes it back
    #[arg(long)]
    by: String,
}

const MOVES: [(&str, &str); 7] = [
    ("/document", "标识 id"),
    ("/person/name", "姓名 name"),
    ("/from", "迁出 from"),
    ("/to", "迁入 to"),
    ("/day", "日期 day"),
    ("/state", "状态 state"),
    ("/conflicts", "待裁定 to settle"),
];

impl MoveCommand {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        match self {
            Self::List(args) => {
                let mut query = vec![
                    ("from", args.from.map(|region| region.to_string())),
                    ("to", args.to.map(|region| region.to_string())),
                    ("state", args.state.map(|state| state.to_string())),
                    ("resident", args.resident.map(|resident| resident.to_string())),
                    ("reveal", args.reveal),
                ];
                query.extend(args.page.query());
                context.output.result(&client.fetch("/v1/moves", &query)?, |listed| table(listed, &MOVES));
            }
            Self::Show(ShowArgs { id, reveal }) => {
                context.output.result(&client.fetch(&format!("/v1/moves/{id}"), &[("reveal", reveal)])?, fields);
            }
            Self::Give(GiveArgs { household, resident, to, day, by }) => {
                let body = json!({ "household": household, "resident": resident, "to": to, "day": day, "by": by });
                context.output.result(&client.post("/v1/moves", &body)?, recorded);
            }
            Self::Accept(AcceptArgs { id, household, day, kind, relation, by }) => {
                let body = json!({ "household": household, "day": day, "kind": kind, "relation": relation, "by": by });
                context.output.result(&client.post(&format!("/v1/moves/{id}/accept"), &body)?, recorded);
            }
            Self::Refuse(RefuseArgs { id, reason, by }) => {
                let body = json!({ "reason": reason, "by": by });
                context.output.result(&client.post(&format!("/v1/moves/{id}/refuse"), &body)?, recorded);
            }
            Self::TakeBack(TakeBackArgs { id, by }) => {
                let answer = client.post(&format!("/v1/moves/{id}/take-back"), &json!({ "by": by }))?;
                context.output.result(&answer, recorded);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
