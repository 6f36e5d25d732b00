//! `tag`: door tags: issue, issue-all, list, show, retire, replace.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use townmesh_crdt::domain::door_tag::{TagName, TagNameError, TagRetirement};
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::id::DocumentId;

use super::client::Client;
use super::household::PageArgs;
use super::output::{fields, moment, recorded, table};
use super::{Context, Done};

#[derive(Debug, Subcommand)]
pub(super) enum TagCommand {
    /// 为一扇门制作门牌 / issue a tag for a door
    Issue(IssueArgs),
    /// 为区划内尚无门牌的房屋制作门牌 / issue a tag for each dwelling of a region that has none
    IssueAll(IssueAllArgs),
    /// 列出 / list
    List(ListArgs),
    /// 按扫码内容、编号或标识查看 / show one, by what was scanned or typed
    Show(ShowArgs),
    /// 停用 / retire one for good
    Retire(RetireArgs),
    /// 停用并制作新门牌 / retire one and issue another for its door
    Replace(ReplaceArgs),
}

#[derive(Debug, Args)]
pub(super) struct IssueArgs {
    /// 房屋或其中一户的标识 / the dwelling, or a household in it
    dwelling: DocumentId,
    /// 第几扇门，1 为正门 / which of its doors; 1 is the main one
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=99))]
    entrance: u16,
    /// 房屋仍在（此前登记为已拆除） / the house stands, though it is said to be gone
    #[arg(long)]
    stands: bool,
}

#[derive(Debug, Args)]
pub(super) struct IssueAllArgs {
    /// 区划代码 / the region
    #[arg(long, value_name = "CODE")]
    region: RegionCode,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// 区划代码 / in this region
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
    /// 房屋或其中一户的标识 / of this dwelling, or of the one of this household
    #[arg(long, value_name = "ID")]
    dwelling: Option<DocumentId>,
    /// 状态：standing 在用、retired 停用 / in this state
    #[arg(long, value_parser = ["standing", "retired"])]
    state: Option<String>,
    #[command(flatten)]
    page: PageArgs,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// 扫码内容、编号或标识 / what was scanned, the number beneath it, or its id
    #[arg(value_parser = named)]
    tag: TagName,
}

#[derive(Debug, Args)]
pub(super) struct RetireArgs {
    /// 扫码内容、编号或标识 / what was scanned, the number beneath it, or its id
    #[arg(value_parser = named)]
    tag: TagName,
    /// 原因：lost 丢失、damaged 损坏、replaced 更换、house_gone 房屋已拆除（停用其全部门牌） / why; house_gone retires all of the dwelling's
    #[arg(long)]
    why: TagRetirement,
}

#[derive(Debug, Args)]
pub(super) struct ReplaceArgs {
    /// 扫码内容、编号或标识 / what was scanned, the number beneath it, or its id
    #[arg(value_parser = named)]
    tag: TagName,
    /// 原因：replaced、lost、damaged / why
    #[arg(long, default_value = "replaced")]
    why: TagRetirement,
}

/// For clap: a name of a tag, or what is wrong with it.
fn named(text: &str) -> Result<TagName, TagNameError> {
    text.parse()
}

const TAGS: [(&str, &str); 9] = [
    ("/code", "编号 number"),
    ("/region", "村居 region"),
    ("/address", "门牌号 address"),
    ("/entrance", "第几扇门 door"),
    ("/state", "状态 state"),
    ("/issued_ms", "制作 issued"),
    ("/retired_ms", "停用 retired"),
    ("/retired_why", "原因 why"),
    ("/tag", "标识 id"),
];

impl TagCommand {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        match self {
            Self::Issue(IssueArgs { dwelling, entrance, stands }) => {
                let input = json!({ "dwelling": dwelling, "entrance": entrance, "stands": stands });
                context.output.result(&client.post("/v1/door-tags", &input)?, recorded);
            }
            Self::IssueAll(IssueAllArgs { region }) => {
                let answer = client.post("/v1/door-tags/issue-all", &json!({ "region": region }))?;
                context.output.result(&answer, recorded);
            }
            Self::List(args) => {
                let mut query = vec![
                    ("region", args.region.map(|region| region.to_string())),
                    ("dwelling", args.dwelling.map(|dwelling| dwelling.to_string())),
                    ("state", args.state),
                ];
                query.extend(args.page.query());
                context.output.result(&client.fetch("/v1/door-tags", &query)?, |listed| table(listed, &TAGS));
            }
            Self::Show(ShowArgs { tag }) => {
                let found = client.fetch(&format!("/v1/door-tags/{tag}"), &[])?;
                context.output.result(&found, |found| fields(&readable(found.clone())));
            }
            Self::Retire(RetireArgs { tag, why }) => {
                let answer = client.post(&format!("/v1/door-tags/{tag}/retire"), &json!({ "why": why }))?;
                context.output.result(&answer, recorded);
            }
            Self::Replace(ReplaceArgs { tag, why }) => {
                let answer = client.post(&format!("/v1/door-tags/{tag}/replace"), &json!({ "why": why }))?;
                context.output.result(&answer, recorded);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A tag as people read it: times by the town's clock.
fn readable(mut found: Value) -> Value {
    for field in ["issued_ms", "retired_ms", "complete_to_ms"] {
        if let Some(at) = found.get(field).and_then(Value::as_i64) {
            found[field] = moment(at).into();
        }
    }
    found
}
