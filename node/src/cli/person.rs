//! `person`: people who are recorded in several households: list, merge, distinct, take-back.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;
use townmesh_crdt::command::same_people::{PersonRef, Verdict};
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::id::{DocumentId, ResidentId};

use super::client::Client;
use super::household::PageArgs;
use super::output::{recorded, table};
use super::{Context, Done};

#[derive(Debug, Subcommand)]
pub(super) enum PersonCommand {
    /// 列出疑似或已判定为同一人的 / list who look like, or are, one person
    List(ListArgs),
    /// 同一人，以第一人显示（指挥中心）/ one person, shown as the first named (on a center)
    Merge(TwoArgs),
    /// 不是同一人（指挥中心）/ two people (on a center)
    Distinct(TwoArgs),
    /// 撤销判定（指挥中心）/ take an answer back (on a center)
    TakeBack(TwoArgs),
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// 其中一人在此区划 / one of the two lives in this region
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
    /// 已判定的 / those that were answered
    #[arg(long)]
    answered: bool,
    /// 写明理由则不打码 / personal data in clear, for this reason
    #[arg(long, value_name = "REASON")]
    reveal: Option<String>,
    #[command(flatten)]
    page: PageArgs,
}

#[derive(Debug, Args)]
pub(super) struct TwoArgs {
    /// 第一人的户 / household of the first
    household: DocumentId,
    /// 第一人 / the first
    resident: ResidentId,
    /// 第二人的户 / household of the second
    other_household: DocumentId,
    /// 第二人 / the second
    other: ResidentId,
}

const PEOPLE: [(&str, &str); 8] = [
    ("/first/person/name", "姓名 name"),
    ("/first/region", "村居 region"),
    ("/first/household", "户 household"),
    ("/first/resident", "标识 id"),
    ("/second/region", "村居 region"),
    ("/second/household", "户 household"),
    ("/second/resident", "标识 id"),
    ("/answer", "判定 answer"),
];

impl PersonCommand {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        let (verdict, two) = match self {
            Self::List(args) => {
                let mut query = vec![
                    ("region", args.region.map(|region| region.to_string())),
                    ("answered", args.answered.then(|| "true".to_owned())),
                    ("reveal", args.reveal),
                ];
                query.extend(args.page.query());
                context.output.result(&client.fetch("/v1/same-people", &query)?, |listed| table(listed, &PEOPLE));
                return Ok(ExitCode::SUCCESS);
            }
            Self::Merge(two) => (Verdict::Merge, two),
            Self::Distinct(two) => (Verdict::Distinct, two),
            Self::TakeBack(two) => (Verdict::TakeBack, two),
        };
        let one = PersonRef { household: two.household, resident: two.resident };
        let other = PersonRef { household: two.other_household, resident: two.other };
        let body = json!({ "verdict": verdict, "one": one, "other": other });
        context.output.result(&client.post("/v1/same-people", &body)?, recorded);
        Ok(ExitCode::SUCCESS)
    }
}
