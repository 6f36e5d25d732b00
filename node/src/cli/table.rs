//! `table`: the town's tables: list, show, set, retire, import, export.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use townmesh_crdt::domain::tables::TableKind;

use super::client::{Client, save};
use super::output::{fields, table};
use super::{Context, Done, rows};
use crate::data_dir::FileError;

#[derive(Debug, Subcommand)]
pub(super) enum TableCommand {
    /// 列出所有码表 / list the tables
    List,
    /// 查看一个码表 / show the rows of one
    Show {
        /// 码表 / which table
        table: TableKind,
        /// 也显示停用的行 / rows that were taken out, too
        #[arg(long)]
        retired: bool,
    },
    /// 新增或修改一行，如 category=rubble amount=2 / add or change a row, such as category=rubble amount=2
    Set(RowArgs),
    /// 停用一行 / take a row out
    Retire(RowArgs),
    /// 从 CSV 或 XLSX 导入，全部或不导 / import a CSV or XLSX file, all of it or nothing
    Import {
        /// 码表 / which table
        table: TableKind,
        /// 文件 / the file
        file: PathBuf,
    },
    /// 导出为 CSV 或 XLSX / export as CSV or XLSX
    Export {
        /// 码表 / which table
        table: TableKind,
        /// 目标文件 / file to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// 也导出停用的行 / rows that were taken out, too
        #[arg(long)]
        retired: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct RowArgs {
    /// 码表 / which table
    table: TableKind,
    /// 列=值；“列=”清除 / column=value; “column=” clears
    #[arg(required = true, value_name = "COLUMN=VALUE", value_parser = rows::assignment)]
    cells: Vec<(String, String)>,
}

impl RowArgs {
    fn json(self, more: Option<(&str, Value)>) -> Value {
        rows::input(self.cells, more)
    }
}

impl TableCommand {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        match self {
            Self::List => {
                let columns = [
                    ("/table", "码表 table"),
                    ("/chinese", "名称 name"),
                    ("/english", "英文 in English"),
                    ("/count", "行数 rows"),
                    ("/recorded", "已录入 recorded"),
                ];
                context.output.result(&client.fetch("/v1/tables", &[])?, |listed| table(listed, &columns));
            }
            Self::Show { table: kind, retired } => {
                let query = [("retired", Some(retired.to_string()))];
                let shown = client.fetch(&format!("/v1/tables/{kind}"), &query)?;
                context.output.result(&shown, |shown| shown_rows(kind, shown));
            }
            Self::Set(args) => recorded(context, &client, args, None)?,
            Self::Retire(args) => recorded(context, &client, args, Some(("retired", true.into())))?,
            Self::Import { table: kind, file } => {
                let opened = File::open(&file).map_err(FileError::at(&file))?;
                let done = client.upload(&format!("/v1/tables/{kind}/import"), &[], opened)?;
                context.output.result(&done, |done| format!("已导入 / imported\n{}", fields(done)));
            }
            Self::Export { table: kind, out, retired } => {
                let format = rows::format_of(&out)?;
                let query = [("format", Some(format.to_owned())), ("retired", Some(retired.to_string()))];
                let bytes = save(client.open(&format!("/v1/tables/{kind}"), &query)?, &out)?;
                let result = json!({ "table": kind, "file": out, "bytes": bytes });
                context.output.result(&result, |value| format!("已导出 / exported\n{}", fields(value)));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn recorded(
    context: &Context,
    client: &Client,
    args: RowArgs,
    more: Option<(&str, Value)>,
) -> Result<(), super::Failure> {
    let path = format!("/v1/tables/{}", args.table);
    let done = client.post(&path, &args.json(more))?;
    context.output.result(&done, |done| format!("已录入 / recorded\n{}", fields(done)));
    Ok(())
}

/// The rows under the headers of the table.
fn shown_rows(kind: TableKind, shown: &Value) -> String {
    let columns = rows::titles(kind.columns());
    let columns: Vec<(&str, &str)> =
        columns.iter().map(|(pointer, title)| (pointer.as_str(), title.as_str())).collect();
    table(shown, &columns)
}
