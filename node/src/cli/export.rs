//! `export`: households as CSV, XLSX or GeoJSON; `export case`: an evidence pack.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use townmesh_crdt::domain::region::RegionCode;

use super::client::{Client, save};
use super::output::fields;
use super::{Context, Done};
use crate::http::CaseName;
use crate::ledger::ExportFormat;
use crate::message::Message;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct ExportArgs {
    #[command(subcommand)]
    what: Option<ExportCommand>,
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
    #[arg(long, value_name = "FILE", required = true)]
    out: Option<PathBuf>,
}

/// What goes out, where it is not households.
#[derive(Debug, Subcommand)]
enum ExportCommand {
    /// 案卷证据包（zip），可在镇外核验 / an evidence pack (zip) of a case, to be verified outside the town
    Case(CaseArgs),
}

#[derive(Debug, Args)]
struct CaseArgs {
    /// 案卷编号 / number or id of the case
    id: CaseName,
    /// 写明理由则反映人不打码，并附照片 / who reported in clear, and photos, for this reason
    #[arg(long, alias = "reveal", value_name = "REASON")]
    reason: Option<String>,
    /// 目标文件 / file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl CaseArgs {
    fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        let masked = self.reason.is_none();
        let answer = client.open(&format!("/v1/cases/{}/evidence", self.id), &[("reveal", self.reason)])?;
        let bytes = save(answer, &self.out)?;
        context.output.result(&result(&self.out, bytes, masked), |value| format!("已导出 / exported\n{}", fields(value)));
        if masked {
            context.output.note("反映人已打码，照片未附；需要时请用 --reason 理由 重新导出 / reporters are masked and photos left out: export again with --reason <reason> to have them");
        }
        context.output.note("核验 / to check it: townmesh verify <文件 FILE.zip> --town <本镇公钥 PUBLIC KEY>");
        Ok(ExitCode::SUCCESS)
    }
}

impl ExportArgs {
    pub(super) fn run(self, context: &Context) -> Done {
        if let Some(what) = self.what {
            let ExportCommand::Case(args) = what;
            return args.run(context);
        }
        let out = self.out.unwrap_or_default();
        let name = out.file_name().and_then(|name| name.to_str()).unwrap_or_default();
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
        let bytes = save(answer, &out)?;
        let result = result(&out, bytes, masked);
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
