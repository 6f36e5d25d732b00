//! `book`: the town's books: list, entries, show, set, retire, import, export.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use townmesh_crdt::domain::books::BookKind;
use townmesh_crdt::domain::columns::Column;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::id::DocumentId;

use super::client::{Client, save};
use super::output::{fields, table};
use super::{Context, Done, rows};
use crate::data_dir::FileError;
use crate::views::AlikeBy;

#[derive(Debug, Subcommand)]
pub(super) enum BookCommand {
    /// 列出所有台账 / list the books
    List,
    /// 列出一本台账的记录 / list the entries of one
    Entries(EntriesArgs),
    /// 疑似重复的记录，跨村居核对 / entries that seem to be one, also across villages
    Duplicates {
        /// 台账 / which book
        book: BookKind,
        /// 区域 / of which one lies in this region
        #[arg(long, value_name = "CODE")]
        region: Option<RegionCode>,
    },
    /// 查看一条记录 / show one entry
    Show {
        /// 台账 / which book
        book: BookKind,
        /// 记录编号 / its document
        id: DocumentId,
        /// 查看完整个人信息的理由，留痕 / reason to see personal data in full; it is noted
        #[arg(long, value_name = "REASON")]
        reveal: Option<String>,
    },
    /// 新增或修改一条记录，如 region=110115005220 name=张记五金店 kind=storefront / add or change an entry
    Set(EntryArgs),
    /// 停用一条记录 / take an entry out
    Retire(EntryArgs),
    /// 从 CSV 或 XLSX 导入，全部或不导 / import a CSV or XLSX file, all of it or nothing
    Import {
        /// 台账 / which book
        book: BookKind,
        /// 文件 / the file
        file: PathBuf,
    },
    /// 导出为 CSV 或 XLSX / export as CSV or XLSX
    Export {
        #[command(flatten)]
        entries: EntriesArgs,
        /// 目标文件 / file to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(super) struct EntriesArgs {
    /// 台账 / which book
    book: BookKind,
    /// 区域 / in this region
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
    /// 含有此文字 / with this text
    #[arg(long)]
    text: Option<String>,
    /// 列=值，多项以 ; 分隔 / column=value, several apart by ;
    #[arg(long, value_name = "COLUMN=VALUE")]
    filter: Option<String>,
    /// 也列出停用的 / those that were taken out, too
    #[arg(long)]
    retired: bool,
    /// 仅列出有待裁定冲突的 / only those with values to settle
    #[arg(long)]
    conflicts: bool,
    /// 查看完整个人信息的理由，留痕 / reason to see personal data in full; it is noted
    #[arg(long, value_name = "REASON")]
    reveal: Option<String>,
    /// 最多几条 / at most so many
    #[arg(long)]
    limit: Option<u32>,
    /// 从上一页末尾继续 / go on after the page before
    #[arg(long)]
    after: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct EntryArgs {
    /// 台账 / which book
    book: BookKind,
    /// 列=值；“列=”清除 / column=value; “column=” clears
    #[arg(required = true, value_name = "COLUMN=VALUE", value_parser = rows::assignment)]
    cells: Vec<(String, String)>,
}

impl EntriesArgs {
    fn query(&self, format: Option<&str>) -> Vec<(&'static str, Option<String>)> {
        vec![
            ("region", self.region.map(|region| region.to_string())),
            ("text", self.text.clone()),
            ("filter", self.filter.clone()),
            ("retired", Some(self.retired.to_string())),
            ("conflicts", Some(self.conflicts.to_string())),
            ("reveal", self.reveal.clone()),
            ("limit", self.limit.map(|limit| limit.to_string())),
            ("after", self.after.clone()),
            ("format", format.map(str::to_owned)),
        ]
    }
}

/// Each group of entries under what is the same.
fn alike(book: BookKind, found: &Value) -> String {
    let by = |name: &str| AlikeBy::ALL.iter().find(|by| by.name() == name).map(|by| by.words().join(" / "));
    let groups = found["rows"].as_array().into_iter().flatten();
    let group = |group: &Value| {
        let title = group["by"].as_str().and_then(by).unwrap_or_default();
        format!("{title}\n{}", shown(book, &json!({ "rows": group["entries"], "next": null })))
    };
    let told: Vec<String> = groups.map(group).collect();
    if told.is_empty() {
        "没有疑似重复的记录 / no entries seem to be one\n".to_owned()
    } else {
        told.join("\n")
    }
}

impl BookCommand {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        match self {
            Self::List => {
                let columns = [
                    ("/book", "台账 book"),
                    ("/chinese", "名称 name"),
                    ("/english", "英文 in English"),
                    ("/count", "条数 entries"),
                ];
                context.output.result(&client.fetch("/v1/books", &[])?, |listed| table(listed, &columns));
            }
            Self::Entries(args) => {
                let listed = client.fetch(&format!("/v1/books/{}", args.book), &args.query(None))?;
                context.output.result(&listed, |listed| shown(args.book, listed));
            }
            Self::Duplicates { book, region } => {
                let query = [("region", region.map(|region| region.to_string()))];
                let found = client.fetch(&format!("/v1/books/{book}/duplicates"), &query)?;
                context.output.result(&found, |found| alike(book, found));
            }
            Self::Show { book, id, reveal } => {
                let entry = client.fetch(&format!("/v1/books/{book}/{id}"), &[("reveal", reveal)])?;
                context.output.result(&entry, |entry| {
                    let mut entry = entry.clone();
                    rows::make_readable(book.columns(), &mut entry);
                    fields(&entry)
                });
            }
            Self::Set(args) => recorded(context, &client, args, None)?,
            Self::Retire(args) => recorded(context, &client, args, Some(("retired", true.into())))?,
            Self::Import { book, file } => {
                let opened = File::open(&file).map_err(FileError::at(&file))?;
                let done = client.upload(&format!("/v1/books/{book}/import"), &[], opened)?;
                context.output.result(&done, |done| format!("已导入 / imported\n{}", fields(done)));
            }
            Self::Export { entries, out } => {
                let query = entries.query(Some(rows::format_of(&out)?));
                let bytes = save(client.open(&format!("/v1/books/{}", entries.book), &query)?, &out)?;
                let result = json!({ "book": entries.book, "file": out, "bytes": bytes });
                context.output.result(&result, |value| format!("已导出 / exported\n{}", fields(value)));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn recorded(
    context: &Context,
    client: &Client,
    args: EntryArgs,
    more: Option<(&str, Value)>,
) -> Result<(), super::Failure> {
    let done = client.post(&format!("/v1/books/{}", args.book), &rows::input(args.cells, more))?;
    context.output.result(&done, |done| format!("已录入 / recorded\n{}", fields(done)));
    Ok(())
}

/// Entries with those columns that one of them says something in.
fn shown(book: BookKind, listed: &Value) -> String {
    let rows = listed.get("rows").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_said = |column: &Column| rows.iter().any(|row| row.get(column.name).is_some_and(|value| !value.is_null()));
    let columns: Vec<Column> = book.all_columns().into_iter().filter(is_said).collect();
    let mut titles = vec![("/document".to_owned(), "记录 document".to_owned())];
    titles.extend(rows::titles(&columns));
    let titles: Vec<(&str, &str)> = titles.iter().map(|(pointer, title)| (pointer.as_str(), title.as_str())).collect();
    table(&rows::readable(book.columns(), listed.clone()), &titles)
}
