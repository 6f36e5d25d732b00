//! `export`: households as CSV, XLSX or GeoJSON.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};
use townmesh_crdt::domain::region::RegionCode;

use super::client::{Client, save};
use super::output::fields;
use super::{Context, Done};
use crate::ledger::ExportFormat;
use crate::message::Message;

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// 格式，默认按文件名 / format, by default that of the file's name
    #[arg(long, value_parser = ["csv", "xlsx", "geojson"])]
    format: Option<String>,
    /// 只导出此区划 / only this region and within it
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
    /// 写明理由则个人信息不打码 / write personal data in clear, for this reason
    #[arg(long, value_name = "REASON")]
    reveal: Option<String>,
    /// 目标文件 / file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl ExportArgs {
    pub(super) fn run(self, context: &Context) -> Done {
        let name = self.out.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let format = self.format.or_else(|| {
            Some(match ExportFormat::of_name(name)? {
                ExportFormat::Csv => "csv".to_owned(),
                ExportFormat::Xlsx => "xlsx".to_owned(),
                ExportFormat::GeoJson => "geojson".to_owned(),
            })
        });
        let format = format.ok_or_else(|| {
            Message::new("format", "无法从文件名判断格式", "the file's name does not say the format")
                .remedy("加上 --format csv|xlsx|geojson", "add --format csv|xlsx|geojson")
        })?;
        let client = Client::of(&context.config.data_dir)?;
        let masked = self.reveal.is_none();
        let query = [
            ("format", Some(format)),
            ("region", self.region.map(|region| region.to_string())),
            ("reveal", self.reveal),
        ];
        let answer = client.open("/v1/export", &query)?;
        let bytes = save(answer, &self.out)?;
        let result = result(&self.out, bytes, masked);
        context.output.result(&result, |value| format!("已导出 / exported\n{}", fields(value)));
        if masked {
            context.output.note("姓名、证件号和电话已打码；需要原文请用 --reveal 理由 重新导出 / names, identity numbers and phones are masked: export again with --reveal <reason> to have them in full");
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What was written, and whether personal data in it is masked.
fn result(file: &Path, bytes: u64, masked: bool) -> Value {
    json!({ "export": file, "bytes": bytes, "masked": masked })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_whether_a_file_is_masked() {
        for masked in [true, false] {
            assert_eq!(result(Path::new("a.csv"), 3, masked)["masked"], masked);
        }
    }
}
