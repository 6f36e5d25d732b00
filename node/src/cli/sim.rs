//! `sim`: what an outage does to a town, and towns under faults.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;
use townmesh_sim::forecast::{Forecast, ForecastError, Options, Report, Stage, forecast};
use townmesh_sim::plan::{self, Plan};
use townmesh_sim::run::run_plan;
use townmesh_sim::town::{Outage, OutageError, SMALL, Town, TownError, Wrong, model};
use townmesh_sim::world::WorldError;

use super::output::Output;
use super::{Done, FAILED};
use crate::data_dir::{Existing, FileError, read_small, write_whole};
use crate::message::{Explain, Message};
use crate::refusal;

/// Largest town file in bytes.
const MAX_FILE: u64 = 4 << 20;

#[derive(Debug, Subcommand)]
pub(super) enum SimCommand {
    /// 推演断网：各村滞后多久，改哪条路线最有用 / what an outage does to a town, and which change of a route helps most
    Plan(Box<PlanArgs>),
    /// 让一个镇经受各种故障，检查是否有错 / live through a town under faults, and check it
    Run(RunArgs),
}

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// 镇文件 / town file; `--example` prints one
    #[arg(long, value_name = "FILE", required_unless_present = "example")]
    town: Option<PathBuf>,
    /// 断网，可多次给出："节点 09:00-15:00"、"link A-B 09:00-15:00"、"all-wires …"、"all-mobile …" / what is cut off, repeatable
    #[arg(long = "outage", value_name = "WHAT HH:MM-HH:MM")]
    outages: Vec<String>,
    /// 断网发生在第几天 / on which day
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=7))]
    day: u32,
    /// 推演多少小时，从 06:30 起 / hours to simulate, from 06:30 on
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=168))]
    hours: u32,
    /// 随机种子 / the seed that everything follows from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// 工作量（百分比）/ work in percent of the usual
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    load: u32,
    /// 每几分钟取样 / minutes between two samples
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=60))]
    sample: u32,
    /// 重新推演最好的几种路线改动；0 为不试 / how many of the best changes to simulate; 0 to try none
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=20))]
    changes: u32,
    /// 报告写到这个目录 / directory for the report
    #[arg(long, value_name = "DIR", default_value = "townmesh-plan")]
    out: PathBuf,
    /// 打印一份镇文件：small 为示例，model 为模型镇 / print a town file: a small one, or the model town
    #[arg(long, value_name = "small|model", num_args = 0..=1, default_missing_value = "small", conflicts_with = "town")]
    example: Option<Example>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Example {
    Small,
    Model,
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// 随机种子 / the seed that everything follows from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// 节点数 / nodes
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    nodes: u32,
    /// 天数 / days of work and faults
    #[arg(long, default_value_t = 1.0)]
    days: f64,
}

impl SimCommand {
    pub(super) fn run(&self, output: Output) -> Done {
        match self {
            Self::Plan(args) => args.run(output),
            Self::Run(args) => args.run(output),
        }
    }
}

impl PlanArgs {
    fn run(&self, output: Output) -> Done {
        let path = match (self.example, &self.town) {
            (Some(example), _) => {
                let text = match example {
                    Example::Small => SMALL.to_owned(),
                    Example::Model => model(self.seed),
                };
                output.result(&json!({ "town": text }), |_| text.clone());
                return Ok(ExitCode::SUCCESS);
            }
            (None, Some(path)) => path,
            (None, None) => return Err(Message::new("usage", "缺少参数 --town", "--town is missing").into()),
        };
        let town = read(path)?;
        let outages = self.outages.iter().map(|text| Outage::parse(text, &town)).collect::<Result<_, _>>()?;
        let options = Options {
            seed: self.seed,
            hours: self.hours,
            load: self.load,
            sample_min: self.sample,
            outages,
            outage_day: self.day - 1,
            confirm: self.changes as usize,
        };
        let done = forecast(&town, &options, |stage| output.note(&words(stage)))?;
        write(&self.out, &done)?;
        let out = self.out.join("report.html").display().to_string();
        let report = serde_json::to_value(&done.report).unwrap_or_default();
        output.result(&report, |_| summary(&done.report, &out));
        // What the run met of its own is a defect, and must not pass for a result.
        Ok(if done.report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
    }
}

fn words(stage: Stage) -> String {
    match stage {
        Stage::Baseline => "推演现状 / simulating the town as it is".to_owned(),
        Stage::Model(count) => format!("用模型试 {count} 种改动 / trying {count} changes on the model"),
        Stage::Change(number, of) => format!("推演改动 {number}/{of} / simulating change {number} of {of}"),
    }
}

fn read(path: &Path) -> Result<Town, super::Failure> {
    let text = String::from_utf8(read_small(path, MAX_FILE)?).map_err(|_| {
        let (zh, en) =
            (format!("{} 不是 UTF-8 文本", path.display()), format!("{} is not text in UTF-8", path.display()));
        Message::new("town_file", zh, en).remedy("另存为 UTF-8", "save it as UTF-8")
    })?;
    Town::parse(&text).map_err(|error| explain(path, &error).into())
}

fn write(directory: &Path, done: &Forecast) -> Result<(), super::Failure> {
    std::fs::create_dir_all(directory).map_err(FileError::at(directory))?;
    let write = |name: &str, text: &str| write_whole(&directory.join(name), text.as_bytes(), Existing::Replace);
    write("report.html", &done.page())?;
    write("report.json", &(serde_json::to_string_pretty(&done.report).unwrap_or_default() + "\n"))?;
    for (name, table) in done.tables() {
        write(name, &table)?;
    }
    Ok(())
}

fn summary(report: &Report, page: &str) -> String {
    let mut text = format!(
        "最大滞后 {:.0} 分钟，平均 {:.1} 分钟 / worst staleness {0:.0} min, mean {1:.1} min\nvillage\tworst_to_center_min\tworst_to_village_min\n",
        report.staleness.worst_min, report.staleness.mean_min
    );
    for row in &report.villages {
        text += &format!("{}\t{:.0}\t{:.0}\n", row.name, row.worst_to_center_min, row.worst_to_village_min);
    }
    for change in &report.changes {
        text += &format!(
            "{} / {}: {:.1} → {:.1} min\n",
            change.words_zh, change.words_en, change.simulated_before.mean_min, change.simulated.mean_min
        );
    }
    for violation in &report.violations {
        text += &format!("产品缺陷 / defect: {violation}\n");
    }
    text + &format!("报告 / report: {page}\n")
}

impl RunArgs {
    fn run(&self, output: Output) -> Done {
        let hours = (self.days * 24.0).round();
        if !(1.0..=24.0 * 366.0).contains(&hours) {
            let message = Message::new(
                "usage",
                format!("天数 {} 超出范围", self.days),
                format!("{} days are out of range", self.days),
            );
            return Err(message.remedy("写 0.1 到 366", "write 0.1 to 366").into());
        }
        let options = plan::Options {
            seed: self.seed,
            nodes: self.nodes as usize,
            hours: hours as u32,
            ..plan::Options::default()
        };
        let report = run_plan(&Plan::draw(options), false)?;
        let violations: Vec<String> =
            report.outcome.violations.iter().map(|found| format!("{}: {}", found.rule, found.what)).collect();
        let value = json!({
            "seed": self.seed,
            "nodes": self.nodes,
            "node_days": report.node_days(),
            "acknowledged": report.outcome.stats.acknowledged,
            "converged_after_ms": report.outcome.converged_after,
            "violations": violations,
        });
        output.result(&value, |_| report.to_string());
        Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
    }
}

impl Explain for ForecastError {
    fn explain(&self) -> Message {
        match self {
            Self::Times => Message::new("town_file", "有车辆不能按时到达各站", self.to_string())
                .remedy("核对各班次的时间", "check the times of the routes"),
            Self::Outside { outage, day, hours } => {
                let zh = format!("断网“{outage}”（第 {day} 天）不在推演的时间内：自第一天 06:30 起 {hours} 小时");
                Message::new("outage", zh, self.to_string()).remedy(
                    "改正时间，或用 --day 和 --hours 让推演包含它",
                    "correct the time, or include it with --day and --hours",
                )
            }
            Self::World(error) => error.explain(),
        }
    }
}

impl Explain for WorldError {
    fn explain(&self) -> Message {
        let en = self.to_string();
        match self {
            Self::TooSmall(nodes) => Message::new("usage", format!("{nodes} 个节点太少，至少 4 个"), en),
            Self::Regions(_) | Self::Founding(_) => Message::new("simulation", "无法建立模拟的镇", en),
        }
    }
}

impl Explain for OutageError {
    fn explain(&self) -> Message {
        let en = self.to_string();
        match self {
            Self::Form(text) => Message::new("outage", format!("“{text}”不是断网说明"), en).remedy(
                "写成 \"center-1 09:00-15:00\"、\"link A-B 09:00-15:00\"、\"all-wires 09:00-15:00\"",
                "write \"center-1 09:00-15:00\", \"link A-B 09:00-15:00\" or \"all-wires 09:00-15:00\"",
            ),
            Self::Node { name, known } => {
                Message::new("outage", format!("没有节点“{name}”，镇里有：{}", known.join("、")), en)
                    .remedy("改用其中一个", "use one of these")
            }
            Self::Link(name) => Message::new("outage", format!("没有专线或移动链路“{name}”"), en)
                .remedy("核对镇文件中的 wire 和 mobile", "check `wire` and `mobile` in the town file"),
        }
    }
}

/// What is wrong in a town file, with its place.
fn explain(path: &Path, error: &TownError) -> Message {
    let (zh, (remedy_zh, remedy_en)) = wrong(&error.wrong);
    let zh = format!("{} 第 {} 行第 {} 列：{zh}", path.display(), error.line, error.column);
    Message::new("town_file", zh, format!("{}, {error}", path.display())).remedy(remedy_zh, remedy_en)
}

fn wrong(wrong: &Wrong) -> (String, (&'static str, &'static str)) {
    let name = ("改成列出的名称之一", "write one of the names that exist");
    let time = ("改正时间", "correct the time");
    match wrong {
        Wrong::Syntax(reason) => (
            refusal::in_chinese(reason).unwrap_or_else(|| "写法有误".to_owned()),
            ("改正该处；可参照 townmesh sim plan --example", "correct it; see `townmesh sim plan --example`"),
        ),
        Wrong::Name(name) => (
            format!("“{name}”不能作名称"),
            ("写 1 到 60 个字，不含空格、引号和逗号", "write 1 to 60 characters without spaces, quotes or commas"),
        ),
        Wrong::Twice(name) => (format!("“{name}”重复"), ("给其中一个改名，或去掉一个", "rename or remove one of them")),
        Wrong::Code(code) => (format!("“{code}”不是村居的区划代码"), ("写 12 位数字", "write 12 digits")),
        Wrong::Region { name: text, known } => (format!("没有区划“{text}”，已列出的有：{}", known.join("、")), name),
        Wrong::Node { name: text, known } => {
            (format!("没有不动的节点“{text}”，已列出的有：{}", known.join("、")), name)
        }
        Wrong::Time(text) => (format!("“{text}”不是时间"), ("写 HH:MM，如 08:30", "write HH:MM, such as 08:30")),
        Wrong::Window(text) => {
            (format!("“{text}”不是时段"), ("写 HH:MM-HH:MM，先早后晚", "write HH:MM-HH:MM, the earlier first"))
        }
        Wrong::Order { .. } => ("时间先后不对，来不及到达".to_owned(), time),
        Wrong::Midnight => {
            ("班次在午夜后才结束".to_owned(), ("提早出发或减少停靠", "leave earlier or make fewer stops"))
        }
        Wrong::NoStops => ("班次没有停靠站".to_owned(), ("加上停靠站或去掉该班次", "add stops or remove the route")),
        Wrong::Range { value, least, greatest } => {
            (format!("{value} 超出范围 {least} 到 {greatest}"), ("改正数值", "correct the number"))
        }
        Wrong::Scope => ("村要有区划，指挥中心不要".to_owned(), ("补上或去掉 region", "add or remove `region`")),
        Wrong::Crew => ("巡逻车要有区划，运送车不要".to_owned(), ("补上或去掉 region", "add or remove `region`")),
        Wrong::NotCarried(site) => {
            (format!("本车不代运“{site}”所在区划"), ("把区划代码加入 carries", "add the code to `carries`"))
        }
        Wrong::Loop => ("节点不能与自己连线".to_owned(), ("去掉该专线", "remove that line")),
        Wrong::Empty => ("至少要有一个指挥中心和一个村".to_owned(), ("补上节点", "add nodes")),
        Wrong::TooMany(nodes, most) => (format!("{nodes} 个节点太多，最多 {most} 个"), ("减少节点", "use fewer nodes")),
    }
}
