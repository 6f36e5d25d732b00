//! `export`: households as CSV, XLSX or GeoJSON; `export cases`, `export orders` ...: lists; `export case`: an evidence pack.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::id::DocumentId;

use super::client::{Client, save};
use super::output::fields;
use super::{Context, Done, case};
use crate::http::CaseName;
use crate::ledger::{AskedList, ExportFormat, ListFormat, ListKind};
use crate::message::Message;
use crate::moment::Moment;

#[derive(Debug, Args)]
#[command(subcommand_negates_reqs = true)]
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
    /// 案卷列表 / cases
    Cases(ListArgs),
    /// 派遣单 / orders
    Orders(ListArgs),
    /// 房屋 / dwellings
    Dwellings(ListArgs),
    /// 隐患 / hazards
    Hazards(ListArgs),
    /// 检查记录 / inspections
    Inspections(ListArgs),
    /// 设备 / devices
    Devices(ListArgs),
    /// 某设备的事件（--device），否则为报警 / events of a device (--device), else alarms
    Events(ListArgs),
    /// 门牌 / door tags
    DoorTags(ListArgs),
    /// 人员 / members
    Members(ListArgs),
    /// 队伍 / teams
    Teams(ListArgs),
    /// 区划 / regions
    Regions(ListArgs),
    /// 其他列表，如网格、移交、冲突、轨迹、考核、分析 / any other list: grids, moves, conflicts, tracks, assessment, analyses
    List(AskedArgs),
}

impl ExportCommand {
    fn run(self, context: &Context) -> Done {
        match self {
            Self::Case(args) => args.run(context),
            Self::Cases(args) => args.run(context, ListKind::Cases),
            Self::Orders(args) => args.run(context, ListKind::Orders),
            Self::Dwellings(args) => args.run(context, ListKind::Dwellings),
            Self::Hazards(args) => args.run(context, ListKind::Hazards),
            Self::Inspections(args) => args.run(context, ListKind::Inspections),
            Self::Devices(args) => args.run(context, ListKind::Devices),
            Self::Events(args) => args.run(context, ListKind::Events),
            Self::DoorTags(args) => args.run(context, ListKind::DoorTags),
            Self::Members(args) => args.run(context, ListKind::Members),
            Self::Teams(args) => args.run(context, ListKind::Teams),
            Self::Regions(args) => args.run(context, ListKind::Regions),
            Self::List(args) => args.run(context),
        }
    }
}

/// Which rows of a list, and into which file. The node refuses a filter that the list does not have.
#[derive(Debug, Args)]
struct ListArgs {
    /// 格式，默认按文件名：csv、xlsx，有位置的另有 geojson、gpx / format, by default that of the file's name
    #[arg(long, value_parser = ["csv", "xlsx", "geojson", "gpx"])]
    format: Option<String>,
    /// 区划代码 / in this region
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
    /// 状态 / in this state (cases, hazards, door tags)
    #[arg(long)]
    state: Option<String>,
    /// 派遣单状态 / in this status (orders)
    #[arg(long)]
    status: Option<String>,
    /// 是否未结 / only open cases, or only the others
    #[arg(long, value_name = "BOOL")]
    open: Option<bool>,
    /// 待办事项，如 extension、callback / in which this waits for somebody (cases)
    #[arg(long, value_name = "WHAT")]
    waits: Option<String>,
    /// 席位编号 / on this desk (cases)
    #[arg(long, value_name = "CODE")]
    desk: Option<String>,
    /// 灯 / with this lamp (cases)
    #[arg(long)]
    lamp: Option<String>,
    /// 等级 / of this grade (hazards)
    #[arg(long)]
    grade: Option<String>,
    /// 类型 / of this kind (devices, events)
    #[arg(long)]
    kind: Option<String>,
    /// 设备编号 / of this device (events)
    #[arg(long)]
    device: Option<String>,
    /// 房屋或住户 / of this dwelling or household (door tags)
    #[arg(long, value_name = "ID")]
    dwelling: Option<DocumentId>,
    /// 队伍 / of this team (cases, orders, members)
    #[arg(long)]
    team: Option<String>,
    #[command(flatten)]
    of_cases: case::CaseArgs,
    /// 文字 / with this text (cases)
    #[arg(long)]
    text: Option<String>,
    /// 范围：西,南,东,北（度） / within west,south,east,north in degrees
    #[arg(long, value_name = "W,S,E,N", allow_hyphen_values = true)]
    bbox: Option<String>,
    /// 自此时起，如 2026-11-01T00:00:00+08:00 / from here on (cases, inspections, events)
    #[arg(long, value_name = "TIME")]
    from: Option<Moment>,
    /// 至此时止 / before (cases, inspections, events)
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// 写明理由则个人信息不打码，留痕 / write personal data in clear, for this reason; it is noted
    #[arg(long, value_name = "REASON")]
    reveal: Option<String>,
    /// 目标文件 / file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl ListArgs {
    fn run(self, context: &Context, list: ListKind) -> Done {
        let format = format_of(self.format, &self.out, list.formats())?;
        let masked = self.reveal.is_none();
        let time = |moment: Option<Moment>| moment.map(|Moment(millis)| millis.to_string());
        let mut query = vec![
            ("format", Some(format)),
            ("region", self.region.map(|region| region.to_string())),
            ("state", self.state),
            ("status", self.status),
            ("open", self.open.map(|open| open.to_string())),
            ("waits", self.waits),
            ("desk", self.desk),
            ("lamp", self.lamp),
            ("grade", self.grade),
            ("kind", self.kind),
            ("device", self.device),
            ("dwelling", self.dwelling.map(|dwelling| dwelling.to_string())),
            ("team", self.team),
            ("text", self.text),
            ("bbox", self.bbox),
            ("from_ms", time(self.from)),
            ("until_ms", time(self.until)),
            ("reveal", self.reveal),
        ];
        query.extend(self.of_cases.query());
        let client = Client::of(&context.config.data_dir)?;
        let answer = client.open(&format!("/v1/export/{}", list.name()), &query)?;
        let bytes = save(answer, &self.out)?;
        let done = json!({ "export": self.out, "list": list.name(), "bytes": bytes, "masked": masked });
        context.output.result(&done, |value| format!("已导出 / exported\n{}", fields(value)));
        Ok(ExitCode::SUCCESS)
    }
}

/// A list as its path answers it, into which file.
#[derive(Debug, Args)]
struct AskedArgs {
    /// 列表 / the list
    #[arg(value_parser = AskedList::all().iter().map(|list| list.name).collect::<Vec<_>>())]
    list: String,
    /// 条件，同该列表的接口，如 --with region=110115005001，可多次给出 / what its path takes, repeatable
    #[arg(long, value_name = "NAME=VALUE", value_parser = filter)]
    with: Vec<(String, String)>,
    /// 格式，默认按文件名 / format, by default that of the file's name
    #[arg(long, value_parser = ["csv", "xlsx", "geojson", "gpx"])]
    format: Option<String>,
    /// 写明理由则个人信息不打码，留痕 / write personal data in clear, for this reason; it is noted
    #[arg(long, value_name = "REASON")]
    reveal: Option<String>,
    /// 目标文件 / file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// A filter as it is typed.
fn filter(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let pair = pair.map(|(name, value)| (name.to_owned(), value.to_owned()));
    pair.ok_or_else(|| "须为 名称=值 / must be name=value".to_owned())
}

impl AskedArgs {
    fn run(self, context: &Context) -> Done {
        let Self { list, with, format, reveal, out } = self;
        let format = format_of(format, &out, AskedList::of_name(&list).map_or(&[], |list| list.formats()))?;
        let masked = reveal.is_none();
        let mut query = vec![("format", Some(format)), ("reveal", reveal)];
        query.extend(with.iter().map(|(name, value)| (name.as_str(), Some(value.clone()))));
        let client = Client::of(&context.config.data_dir)?;
        let answer = client.open(&format!("/v1/export/{list}"), &query)?;
        let bytes = save(answer, &out)?;
        let done = json!({ "export": out, "list": list, "bytes": bytes, "masked": masked });
        context.output.result(&done, |value| format!("已导出 / exported\n{}", fields(value)));
        Ok(ExitCode::SUCCESS)
    }
}

/// The format that is named, or that of a file's name.
fn format_of(named: Option<String>, out: &Path, known: &[ListFormat]) -> Result<String, Message> {
    let ending = out.extension().and_then(|ending| ending.to_str()).and_then(ListFormat::of_name);
    named.or(ending.map(|format| format.name().to_owned())).ok_or_else(|| {
        let known = known.iter().map(|format| format.name()).collect::<Vec<_>>().join("|");
        let remedy = format!("--format {known}");
        Message::new("format", "无法从文件名判断格式", "the file's name does not say the format")
            .remedy(&format!("加上 {remedy}"), &format!("add {remedy}"))
    })
}

#[derive(Debug, Args)]
struct CaseArgs {
    /// 案卷编号 / number or id of the case
    id: CaseName,
    /// 理由，留痕 / why the pack is made; it is noted
    #[arg(long, alias = "reveal", value_name = "REASON")]
    reason: String,
    /// 反映人不打码，并附照片 / who reported in clear, and photos
    #[arg(long)]
    people: bool,
    /// 目标文件 / file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl CaseArgs {
    fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        let masked = !self.people;
        let query = [("reveal", Some(self.reason)), ("people", Some(self.people.to_string()))];
        let answer = client.open(&format!("/v1/cases/{}/evidence", self.id), &query)?;
        let bytes = save(answer, &self.out)?;
        context
            .output
            .result(&result(&self.out, bytes, masked), |value| format!("已导出 / exported\n{}", fields(value)));
        if masked {
            context.output.note("反映人已打码，照片未附；需要时请加 --people 重新导出。案情文字按原文导出 / reporters are masked and photos left out: add --people to have them. What people wrote of the case is as they wrote it");
        }
        context.output.note("核验 / to check it: townmesh verify <文件 FILE.zip> --town <本镇公钥 PUBLIC KEY>");
        Ok(ExitCode::SUCCESS)
    }
}

impl ExportArgs {
    pub(super) fn run(self, context: &Context) -> Done {
        if let Some(what) = self.what {
            let given = [self.format, self.region.map(|region| region.to_string()), self.reveal];
            if self.out.is_some() || given.iter().any(Option::is_some) {
                let message =
                    Message::new("usage", "参数须写在列表名之后", "flags of a list stand after its name, not before");
                return Err(message.into());
            }
            return what.run(context);
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
