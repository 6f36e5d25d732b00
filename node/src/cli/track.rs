//! `track`, `coverage`: where units were, and how much of each grid was patrolled.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::id::DocumentId;

use super::assessment::sentence;
use super::client::{Client, save};
use super::output::{fields, recorded, table};
use super::{Context, Done};
use crate::data_dir::FileError;
use crate::message::Message;

#[derive(Debug, Subcommand)]
pub(super) enum TrackCommand {
    /// 录入本单元的轨迹点，文件每行：毫秒数,纬度,经度 / record where this unit was; each line of the file: ms,latitude,longitude
    Record {
        /// 村居代码 / with the events of which region
        #[arg(long, value_name = "CODE")]
        region: RegionCode,
        /// 文件 / the file
        file: PathBuf,
    },
    /// 列出 / list
    List(ListArgs),
    /// 导出一条轨迹 / export one
    Export {
        /// 轨迹编号 / its document
        id: DocumentId,
        /// 查看理由，留痕 / why; it is noted
        #[arg(long, value_name = "REASON")]
        reveal: String,
        /// 格式 / format
        #[arg(long, value_enum, default_value = "gpx")]
        format: TrackFormat,
        /// 目标文件 / file to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum TrackFormat {
    /// GPX 1.1
    Gpx,
    /// GeoJSON
    Geojson,
    /// JSON
    Json,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// 区划代码 / only in this region
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
    /// 节点编号 / only of this unit
    #[arg(long)]
    node: Option<String>,
    /// 从哪天起 / from this day on
    #[arg(long, value_name = "DAY")]
    from: Option<Day>,
    /// 到哪天止 / up to this day
    #[arg(long, value_name = "DAY")]
    to: Option<Day>,
    /// 最多几条 / at most so many
    #[arg(long)]
    limit: Option<u32>,
    /// 从上一页末尾继续 / go on after the page before
    #[arg(long)]
    after: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct CoverageArgs {
    /// 日期，缺省为今天 / which day; today by default
    #[arg(long, value_name = "DAY")]
    day: Option<Day>,
    /// 区划代码 / only in this region
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
}

impl TrackCommand {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        match self {
            Self::Record { region, file } => {
                let text = fs::read_to_string(&file).map_err(FileError::at(&file))?;
                let input = json!({ "region": region, "points": points(&text)? });
                context.output.result(&client.post("/v1/tracks", &input)?, recorded);
            }
            Self::List(args) => {
                let columns = [
                    ("/day", "日期 day"),
                    ("/node", "节点 unit"),
                    ("/region", "村居 region"),
                    ("/from_ms", "起 from"),
                    ("/until_ms", "止 until"),
                    ("/count", "点数 points"),
                    ("/metres", "里程（米） metres"),
                    ("/document", "轨迹 track"),
                ];
                context.output.result(&client.fetch("/v1/tracks", &args.query())?, |listed| table(listed, &columns));
            }
            Self::Export { id, reveal, format, out } => {
                let format = match format {
                    TrackFormat::Gpx => "gpx",
                    TrackFormat::Geojson => "geojson",
                    TrackFormat::Json => "json",
                };
                let query = [("format", Some(format.to_owned())), ("reveal", Some(reveal))];
                let bytes = save(client.open(&format!("/v1/tracks/{id}"), &query)?, &out)?;
                let result = json!({ "track": id, "file": out, "bytes": bytes });
                context.output.result(&result, |value| format!("已导出 / exported\n{}", fields(value)));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl ListArgs {
    fn query(self) -> [(&'static str, Option<String>); 6] {
        [
            ("region", self.region.map(|region| region.to_string())),
            ("node", self.node),
            ("from", self.from.map(|day| day.to_string())),
            ("to", self.to.map(|day| day.to_string())),
            ("limit", self.limit.map(|limit| limit.to_string())),
            ("after", self.after),
        ]
    }
}

/// The points of a file.
fn points(text: &str) -> Result<Vec<Value>, Message> {
    let mut points = vec![];
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let mut parts = line.split(',').map(str::trim);
        let point = (|| {
            let time_ms: i64 = parts.next()?.parse().ok()?;
            let (lat, lon): (f64, f64) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            parts.next().is_none().then(|| json!({ "time_ms": time_ms, "lat": lat, "lon": lon }))
        })();
        let wrong = || {
            let zh = format!("第 {number} 行须为：毫秒数,纬度,经度");
            Message::new("track_line", zh, format!("line {number} must be: milliseconds,latitude,longitude"))
        };
        points.push(point.ok_or_else(wrong)?);
    }
    Ok(points)
}

impl CoverageArgs {
    pub(super) fn run(self, context: &Context) -> Done {
        let query =
            [("day", self.day.map(|day| day.to_string())), ("region", self.region.map(|region| region.to_string()))];
        let answer = Client::of(&context.config.data_dir)?.fetch("/v1/coverage", &query)?;
        context.output.result(&answer, |answer| {
            let columns = [
                ("/region", "村居 region"),
                ("/code", "网格 grid"),
                ("/name", "名称 name"),
                ("/percent", "覆盖% covered"),
                ("/visited", "已到 cells visited"),
                ("/cells", "格数 cells"),
                ("/units", "单元 units"),
                ("/first_ms", "最早 first"),
                ("/last_ms", "最晚 last"),
            ];
            let own = match answer["only_own"] == true {
                true => {
                    "只含本节点自己的轨迹，完整情况请在指挥中心查看 / only this node's own tracks; a center reads all\n"
                }
                false => "",
            };
            format!(
                "{own}{}：{} 个单元，{} 公里 / {} units, {} km\n{}{}",
                answer["day"].as_str().unwrap_or_default(),
                answer["units"],
                answer["kilometres"],
                answer["units"],
                answer["kilometres"],
                table(&json!({ "rows": answer["grids"] }), &columns),
                sentence(&answer["completeness"])
            )
        });
        Ok(ExitCode::SUCCESS)
    }
}
