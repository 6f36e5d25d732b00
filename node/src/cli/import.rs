//! `import`: a ledger of households into the registry, through the running node.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde_json::{Value, json};
use townmesh_crdt::domain::region::RegionCode;

use super::client::Client;
use super::output::fields;
use super::{Context, Done, FAILED, Failure};
use crate::data_dir::{Existing, FileError, write_whole};
use crate::ledger::{Format, write_template};
use crate::message::Message;

/// Rejected rows that are shown where no file is asked for.
const SHOWN: usize = 20;

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// 台账文件：CSV、XLSX 或 JSON 行 / ledger: CSV, XLSX or JSON lines
    #[arg(required_unless_present = "template")]
    file: Option<PathBuf>,
    /// 列对应，如 房东=head，可多次给出 / how a column is understood, such as 房东=head, repeatable
    #[arg(long = "map", value_name = "COLUMN=FIELD")]
    map: Vec<String>,
    /// 工作簿中的工作表，默认第一个有内容的 / sheet of a workbook; by default the first with rows
    #[arg(long, value_name = "NAME")]
    sheet: Option<String>,
    /// 没有村居列时的区划代码 / region of rows without one
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
    /// 退回行写入此文件，附原因 / write rejected rows with reasons to this file
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// 写一份空白台账模板 / write an empty ledger to fill in
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    template: Option<PathBuf>,
}

impl ImportArgs {
    pub(super) fn run(self, context: &Context) -> Done {
        match (&self.template, &self.file) {
            (Some(path), _) => template(context, path),
            (None, Some(file)) => self.import(context, file),
            (None, None) => Ok(ExitCode::from(2)),
        }
    }

    fn import(&self, context: &Context, path: &Path) -> Done {
        if let Some(rejects) = self.rejects.as_deref().filter(|rejects| rejects.exists()) {
            // Found out before the import: the ledger itself must not be lost to its wrong rows.
            return Err(FileError::at(rejects)(io::ErrorKind::AlreadyExists.into()).into());
        }
        let file = open(path)?;
        let client = Client::of(&context.config.data_dir)?;
        let format = path.file_name().and_then(|name| name.to_str()).and_then(Format::of_name).map(extension);
        let map = (!self.map.is_empty()).then(|| json!(self.map).to_string());
        let query = [
            ("format", format.map(str::to_owned)),
            ("map", map),
            ("sheet", self.sheet.clone()),
            ("region", self.region.map(|region| region.to_string())),
            ("rejects", self.rejects.as_ref().map(|_| "true".to_owned())),
        ];
        let bar = context.output.bar(None, "导入 / importing");
        let mut rejected: Vec<Value> = Vec::new();
        let done = client.lines("/v1/import", &query, Some(file), |name, value| match name {
            "rejected" => rejected.push(value.clone()),
            _ => bar.set_position(value.get("rows").and_then(Value::as_u64).unwrap_or(0)),
        });
        bar.finish_and_clear();
        let mut done = done?;
        if let Some(note) = sheets_left_out(&done) {
            context.output.note(&note);
        }
        self.report(context, &rejected, &done)?;
        if let Some(parts) = done.as_object_mut() {
            parts.remove("rejects_file");
        }
        let first = (self.rejects.is_none() && !rejected.is_empty()).then(|| first_reasons(&rejected));
        let result = json!({ "import": done, "rejected_rows": first, "rejects": self.rejects.as_ref().filter(|_| !rejected.is_empty()) });
        context.output.result(&result, |_| format!("已导入 / imported\n{}", fields(&done)));
        // Whatever was right is in, but a script must be able to see that not everything was.
        Ok(if rejected.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
    }

    /// Tells which rows were wrong: in a file, or the first of them here.
    fn report(&self, context: &Context, rejected: &[Value], done: &Value) -> Result<(), Failure> {
        if rejected.is_empty() {
            return Ok(());
        }
        if let Some(path) = &self.rejects {
            let encoded = done.get("rejects_file").and_then(Value::as_str);
            let bytes = encoded.and_then(|encoded| STANDARD.decode(encoded).ok()).filter(|bytes| !bytes.is_empty());
            let bytes = bytes.ok_or_else(|| {
                Message::new("answer", "节点没有交回被退回的行", "the node did not give the rejected rows back")
            })?;
            write_whole(path, &bytes, Existing::Keep)?;
            let left_out = done.get("rejects_left_out").and_then(Value::as_u64).unwrap_or(0);
            if left_out > 0 {
                context.output.note(&format!("另有 {left_out} 行被退回但不在文件中，请改正后再导入 / {left_out} more rejected rows are not in the file: correct those in it, then import again"));
            }
            return Ok(());
        }
        for row in rejected.iter().take(SHOWN) {
            let problems = row.get("problems").and_then(Value::as_array).into_iter().flatten();
            for problem in problems {
                let text = |name: &str| problem.get(name).and_then(Value::as_str).unwrap_or_default();
                let number = row.get("row").and_then(Value::as_u64).unwrap_or(0);
                context.output.note(&format!(
                    "第{number}行 / row {number} {}: {} / {}",
                    text("column"),
                    text("zh"),
                    text("en")
                ));
            }
        }
        let count = rejected.len();
        context.output.note(&format!("{count} 行被退回；用 --rejects <文件> 取回并附原因 / rows were rejected: --rejects <file> gives them back with reasons"));
        Ok(())
    }
}

/// What to say of sheets of the workbook that hold rows and were not read.
fn sheets_left_out(done: &Value) -> Option<String> {
    let names = done.pointer("/summary/sheets_left_out")?.as_array()?;
    let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
    let read = done.pointer("/summary/sheet").and_then(Value::as_str).unwrap_or_default();
    let (count, left_out) = (names.len(), names.join("、"));
    (count > 0).then(|| {
        format!("只读了工作表“{read}”；另有 {count} 个有内容的工作表没有导入：{left_out}；用 --sheet 名称 导入其中一个 / only the sheet “{read}” was read; {count} more with rows were left out: {left_out}; --sheet <name> imports one of them")
    })
}

/// Opens a ledger: a file, or a pipe.
fn open(path: &Path) -> Result<File, Failure> {
    let file = File::open(path).map_err(FileError::at(path))?;
    if file.metadata().map_err(FileError::at(path))?.is_dir() {
        let name = path.display();
        let zh = format!("{name} 是文件夹，不是台账文件");
        let message = Message::new("is_directory", zh, format!("{name} is a directory, not a ledger"));
        return Err(message.remedy("写明其中的一个文件", "name one of the files in it").into());
    }
    Ok(file)
}

/// Number and reasons of the first rejected rows, without their cells.
fn first_reasons(rejected: &[Value]) -> Vec<Value> {
    let reasons = |row: &Value| json!({ "row": row.get("row"), "problems": row.get("problems") });
    rejected.iter().take(SHOWN).map(reasons).collect()
}

fn extension(format: Format) -> &'static str {
    match format {
        Format::Csv => "csv",
        Format::Xlsx => "xlsx",
        Format::JsonLines => "jsonl",
    }
}

fn template(context: &Context, path: &Path) -> Done {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let format = Format::of_name(name).ok_or_else(|| {
        Message::new(
            "format",
            "模板文件名须以 .csv、.xlsx 或 .jsonl 结尾",
            "the template's name must end in .csv, .xlsx or .jsonl",
        )
    })?;
    let mut bytes = Vec::new();
    write_template(format, &mut bytes).map_err(FileError::at(path))?;
    write_whole(path, &bytes, Existing::Keep)?;
    context.output.result(&json!({ "template": path }), fields);
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_told_from_a_ledger() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(open(directory.path()).unwrap_err().message.code, "is_directory");
    }

    #[test]
    fn sheets_that_were_left_out_are_named() {
        let done = |left_out: Value| json!({ "summary": { "sheet": "一村", "sheets_left_out": left_out } });
        assert_eq!(sheets_left_out(&done(json!([]))), None);
        let note = sheets_left_out(&done(json!(["二村", "三村"]))).unwrap();
        assert!(["一村", "二村、三村", " 2 "].iter().all(|part| note.contains(part)), "{note}");
    }

    #[test]
    fn the_first_rejected_rows_are_told_without_their_cells() {
        let row = json!({ "row": 3, "problems": [{ "code": "phone" }], "cells": ["甲"] });
        let first = first_reasons(&vec![row; SHOWN + 5]);
        assert_eq!(first.len(), SHOWN);
        assert_eq!(first.first(), Some(&json!({ "row": 3, "problems": [{ "code": "phone" }] })));
    }
}
