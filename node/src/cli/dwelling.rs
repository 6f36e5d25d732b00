//! `dwelling`: record, edit, list, show.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use townmesh_crdt::domain::dwelling::DwellingUse;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::id::DocumentId;

use super::client::Client;
use super::household::PageArgs;
use super::output::{fields, recorded, table};
use super::{Context, Done};

#[derive(Debug, Subcommand)]
pub(super) enum DwellingCommand {
    /// 登记或更新一处房屋 / record a dwelling, or what is new about it
    Record(RecordArgs),
    /// 修改一处房屋 / edit a dwelling
    Edit(EditArgs),
    /// 列出、搜索 / list and search
    List(ListArgs),
    /// 查看一处 / show one
    Show(ShowArgs),
}

#[derive(Debug, Args)]
pub(super) struct RecordArgs {
    /// 村居区划代码 / village or community
    #[arg(long, value_name = "CODE")]
    region: RegionCode,
    /// 门牌号 / door number
    #[arg(long)]
    address: String,
    /// 其他内容（JSON），如 '{"usage":"rental","storeys":2}' / what else is known, as JSON
    #[arg(long, value_name = "JSON", default_value = "{}", value_parser = |text: &str| serde_json::from_str::<Value>(text))]
    set: Value,
}

#[derive(Debug, Args)]
pub(super) struct EditArgs {
    /// 房屋的编号 / its id
    id: DocumentId,
    /// 新值（JSON），如 '{"rooms":6}' / new values as JSON
    #[arg(long, value_name = "JSON", default_value = "{}", value_parser = |text: &str| serde_json::from_str::<Value>(text))]
    set: Value,
    /// 清空此项，可多次给出 / clears this field, repeatable
    #[arg(long = "clear", value_name = "FIELD")]
    cleared: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// 区划代码 / in this region
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
    /// 网格编号 / in this grid
    #[arg(long, value_name = "CODE")]
    grid: Option<String>,
    /// 居住类型 / of this use
    #[arg(long = "use", value_name = "USE")]
    usage: Option<DwellingUse>,
    /// 隐患标记 / with this mark: green, yellow, red
    #[arg(long, value_parser = ["green", "yellow", "red"])]
    mark: Option<String>,
    /// 范围：西,南,东,北（度） / within west,south,east,north in degrees
    #[arg(long, value_name = "W,S,E,N", allow_hyphen_values = true)]
    bbox: Option<String>,
    /// 门牌、备注或房主姓名中的文字 / text in the address, the remarks or the owner's name
    #[arg(long)]
    text: Option<String>,
    /// 只列有冲突的 / only those with values to settle
    #[arg(long)]
    conflicts: bool,
    /// 含已拆除的 / those that are gone, too
    #[arg(long)]
    gone: bool,
    #[command(flatten)]
    page: PageArgs,
    /// 写明理由则不打码 / personal data in clear, for this reason
    #[arg(long, value_name = "REASON")]
    reveal: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// 房屋的编号 / its id
    id: DocumentId,
    /// 写明理由则不打码 / personal data in clear, for this reason
    #[arg(long, value_name = "REASON")]
    reveal: Option<String>,
}

impl DwellingCommand {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        match self {
            Self::Record(RecordArgs { region, address, mut set }) => {
                if let Some(fields) = set.as_object_mut() {
                    fields.insert("region".to_owned(), json!(region));
                    fields.insert("address".to_owned(), json!(address));
                }
                context.output.result(&client.post("/v1/dwellings", &set)?, recorded);
            }
            Self::Edit(EditArgs { id, set, cleared }) => {
                let edit = json!({ "set": set, "clear": cleared });
                context.output.result(&client.patch(&format!("/v1/dwellings/{id}"), &edit)?, recorded);
            }
            Self::List(args) => {
                let mut query = vec![
                    ("region", args.region.map(|region| region.to_string())),
                    ("grid", args.grid),
                    ("use", args.usage.map(|usage| usage.to_string())),
                    ("mark", args.mark),
                    ("bbox", args.bbox),
                    ("text", args.text),
                    ("conflicts", args.conflicts.then(|| "true".to_owned())),
                    ("gone", args.gone.then(|| "true".to_owned())),
                    ("reveal", args.reveal),
                ];
                query.extend(args.page.query());
                let columns = [
                    ("/document", "编号 id"),
                    ("/region", "村居 region"),
                    ("/address", "门牌号 address"),
                    ("/use", "类型 use"),
                    ("/owner/name", "房主 owner"),
                    ("/households", "户数 households"),
                    ("/mark", "标记 mark"),
                ];
                let listed = client.fetch("/v1/dwellings", &query)?;
                context.output.result(&listed, |listed| table(listed, &columns));
            }
            Self::Show(ShowArgs { id, reveal }) => {
                let found = client.fetch(&format!("/v1/dwellings/{id}"), &[("reveal", reveal)])?;
                context.output.result(&found, fields);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
