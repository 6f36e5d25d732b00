//! `grid`: list, retire, and import what somebody drew; `grid outlines`: the ground of regions.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::town::GridKind;
use townmesh_crdt::id::DocumentId;

use super::client::Client;
use super::household::PageArgs;
use super::output::{fields, recorded, table};
use super::{Context, Done, Failure};
use crate::data_dir::FileError;

#[derive(Debug, Subcommand)]
pub(super) enum GridCommand {
    /// 列出网格 / list
    List(ListArgs),
    /// 自某日起停用 / nobody patrols it from a day on
    Retire {
        /// 网格编号（文档）/ id of the grid
        grid: DocumentId,
        /// 停用日期 / the first day without it
        #[arg(long, value_name = "DAY")]
        since: Day,
    },
    /// 撤销停用 / take a retirement back
    Restore {
        /// 网格编号（文档）/ id of the grid
        grid: DocumentId,
    },
    /// 登记 GeoJSON 文件中的网格（面，属性含 region、code、kind），全部或全不 / record the grids of a GeoJSON file, all of them or none: areas with region, code, kind
    Import {
        /// 文件 / the file
        file: PathBuf,
    },
    /// 登记 GeoJSON 文件中的区划范围（面，属性含 code），全部或全不 / record outlines of regions from a GeoJSON file, all of them or none: areas with code
    Outlines {
        /// 文件 / the file
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// 区划代码 / in this region
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
    /// 类型 / of this kind
    #[arg(long)]
    kind: Option<GridKind>,
    /// 巡查员编号 / patrolled by this member
    #[arg(long, value_name = "CODE")]
    inspector: Option<String>,
    /// 含已停用的 / retired ones, too
    #[arg(long)]
    retired: bool,
    #[command(flatten)]
    page: PageArgs,
}

impl GridCommand {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        match self {
            Self::List(args) => {
                let listed = client.fetch("/v1/grids", &args.query())?;
                context.output.result(&listed, |listed| table(listed, &COLUMNS));
            }
            Self::Retire { grid, since } => retire(context, &client, grid, Some(since))?,
            Self::Restore { grid } => retire(context, &client, grid, None)?,
            Self::Import { file } => import(context, &client, "/v1/grids/import", &file)?,
            Self::Outlines { file } => import(context, &client, "/v1/regions/import", &file)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

const COLUMNS: [(&str, &str); 8] = [
    ("/region", "村居 region"),
    ("/code", "网格 grid"),
    ("/name", "名称 name"),
    ("/kind", "类型 kind"),
    ("/inspectors", "巡查员 inspectors"),
    ("/hectares", "公顷 hectares"),
    ("/retired", "停用 retired"),
    ("/document", "编号 id"),
];

impl ListArgs {
    fn query(self) -> Vec<(&'static str, Option<String>)> {
        let Self { region, kind, inspector, retired, page } = self;
        let mut query = vec![
            ("region", region.map(|region| region.to_string())),
            ("kind", kind.map(|kind| kind.to_string())),
            ("inspector", inspector),
            ("retired", retired.then(|| true.to_string())),
        ];
        query.extend(page.query());
        query
    }
}

fn retire(context: &Context, client: &Client, grid: DocumentId, since: Option<Day>) -> Result<(), Failure> {
    let answer = client.post(&format!("/v1/grids/{grid}/retire"), &json!({ "since": since }))?;
    context.output.result(&answer, recorded);
    Ok(())
}

fn import(context: &Context, client: &Client, path: &str, file: &Path) -> Result<(), Failure> {
    let opened = File::open(file).map_err(FileError::at(file))?;
    let mut answer = client.upload(path, &[], opened)?;
    if let Value::Object(answer) = &mut answer {
        answer.insert("file".to_owned(), json!(file));
    }
    context.output.result(&answer, |value| format!("已登记 / recorded\n{}", fields(value)));
    Ok(())
}
