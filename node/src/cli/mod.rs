//! The command line. One subcommand, one file; its flags are one struct.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage, 75 not fully synced yet. With `--json` a command prints one JSON value on
//! standard output, errors as `{code, message_zh, message_en, remedy?}` on standard error.

mod analysis;
mod assessment;
mod authority;
mod book;
mod case;
mod checks;
mod client;
mod command;
mod conflict;
mod delivery;
mod device;
mod dwelling;
mod erase;
mod event;
mod export;
mod grid;
mod hazard;
mod household;
mod import;
mod inspection;
mod invite;
mod invites;
mod join;
mod life_cycle;
mod local;
mod map;
mod member;
mod moves;
mod openapi;
mod order;
mod organisation;
mod output;
mod person;
mod photo;
mod position;
mod ratify;
mod recurrence;
mod reveals;
mod revoke;
mod rows;
mod run;
mod sim;
mod status;
mod table;
mod tag;
mod team;
#[cfg(test)]
pub(crate) mod tests;
mod town;
mod track;
mod usage;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{Config, Layer, refuse_unknown_variables};
use crate::message::{Explain, Message};
use output::Output;

/// Failed.
const FAILED: u8 = 1;
/// Wrong usage.
const USAGE: u8 = 2;
/// Codes of messages about how a command was given, wherever that is noticed.
const USAGE_CODES: [&str; 23] = [
    "usage",
    "config_value",
    "config_syntax",
    "config_variable",
    "http_beyond_loopback",
    "center_scope",
    "no_region",
    "no_scope",
    "name",
    "nodes_fall",
    "reason_too_long",
    "cursor",
    "change_id",
    "kinds",
    "query",
    "days",
    "near",
    "mapping",
    "format",
    "town_file",
    "filter",
    "track_line",
    "outage",
];
/// Not fully synced yet: try again later (`EX_TEMPFAIL` of BSD's sysexits).
const NOT_SYNCED: u8 = 75;

/// 断网也能继续运行的村镇治理节点 / a node of a town that keeps working while it is cut off
#[derive(Debug, Parser)]
#[command(name = "townmesh", version, propagate_version = true)]
pub struct Cli {
    /// 本节点的数据目录 / data directory of this node [default: townmesh-data]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// 配置文件 / configuration file [default: townmesh.toml in the data directory]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// 以 JSON 输出 / print JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// 建立一个镇 / found a town
    #[command(subcommand)]
    Town(town::TownCommand),
    /// 制作入网邀请 / make an invite for a new node
    Invite(invite::InviteArgs),
    /// 查看入网邀请及其去向 / list invites, and what became of them
    Invites(invites::InvitesArgs),
    /// 注销一个节点，或撤回一份邀请 / remove a node, such as a stolen one, or withdraw an invite
    Revoke(revoke::RevokeArgs),
    /// 授权机构：签发、列出、接替、注销 / authorities: create, list, replace, revoke
    #[command(subcommand)]
    Authority(authority::AuthorityCommand),
    /// 彻底删除某人的信息 / destroy what is recorded of a person, everywhere
    Erase(erase::EraseArgs),
    /// 追认已注销节点或分叉日志的记录 / ratify what is held of a removed node, or of a forked log
    Ratify(ratify::RatifyArgs),
    /// 用邀请文件加入 / join with an invite file
    Join(join::JoinArgs),
    /// 运行本节点 / run this node
    Run(run::RunArgs),
    /// 查看节点状态 / show how the running node is
    Status(status::StatusArgs),
    /// 评分：各队伍、各岗位人员 / scores of teams and people
    Scores(assessment::ScoresArgs),
    /// 码表：类别、时限、日历、流程…… / tables: categories, limits, calendar, life cycle …
    #[command(subcommand)]
    Table(table::TableCommand),
    /// 办理流程：查看、核对、发布 / rules of cases: show, check, publish
    #[command(subcommand)]
    LifeCycle(life_cycle::LifeCycleCommand),
    /// 台账：企业、车辆、班次、专项行动、指令…… / books: enterprises, vehicles, shifts, campaigns, messages …
    #[command(subcommand)]
    Book(book::BookCommand),
    /// 岗位与考勤 / posts and who fills them, shifts and who came
    Staffing(organisation::StaffingArgs),
    /// 轨迹 / where units were
    #[command(subcommand)]
    Track(track::TrackCommand),
    /// 巡查覆盖率 / how much of each grid was patrolled on a day
    Coverage(track::CoverageArgs),
    /// 专项行动进展 / how far a campaign is
    Campaign(organisation::CampaignArgs),
    /// 应急响应进展 / where a response stands, and whom to call
    Response(organisation::ResponseArgs),
    /// 升级提醒 / cases so late that somebody higher up is told
    Escalations(organisation::EscalationArgs),
    /// 导入住户台账 / import a ledger of households
    Import(import::ImportArgs),
    /// 导出：住户、各类列表、案卷证据包 / export households, any list, or the evidence of a case
    Export(Box<export::ExportArgs>),
    /// 导出地图图层（GeoJSON） / export a layer of the map (GeoJSON)
    Map(map::MapArgs),
    /// 跟随本节点的变化 / follow what becomes new on this node
    Changes(map::ChangesArgs),
    /// 重新核验全部数据，或核验一个证据包 / check everything in the store again, or an evidence pack
    Verify(verify::VerifyArgs),
    /// 查看何人因何查看过个人信息 / list who was shown personal data, when and why
    Reveals(reveals::RevealsArgs),
    /// 住户 / households
    #[command(subcommand)]
    Household(household::HouseholdCommand),
    /// 迁移：迁出移交、接收迁入、拒绝、撤回 / moves between villages: give, accept, refuse, take back
    #[command(subcommand)]
    Move(moves::MoveCommand),
    /// 同一人：列出、合并、分开、撤销 / people recorded in several households: list, merge, distinct, take back
    #[command(subcommand)]
    Person(person::PersonCommand),
    /// 房屋 / dwellings
    #[command(subcommand)]
    Dwelling(dwelling::DwellingCommand),
    /// 入户检查 / inspections
    #[command(subcommand)]
    Inspection(inspection::InspectionCommand),
    /// 门牌二维码：制作、查看、停用、更换 / door tags: issue, list, show, retire, replace
    #[command(subcommand)]
    Tag(tag::TagCommand),
    /// 隐患：列出、整改、复查、关联案卷 / hazards: list, put right, recheck, link to a case
    #[command(subcommand)]
    Hazard(hazard::HazardCommand),
    /// 案卷 / cases
    #[command(subcommand)]
    Case(case::CaseCommand),
    /// 派遣单 / orders to teams
    #[command(subcommand)]
    Order(order::OrderCommand),
    /// 交接班清单 / what one shift hands over to the next
    Handover(order::HandoverArgs),
    /// 指挥中心：平时或战时、响应、各席位 / peace or emergency, open responses, what lies on each desk
    #[command(name = "command")]
    Center(command::CommandArgs),
    /// 冲突收件箱：查看、裁定、撤销 / conflicts: list, show, settle, undo
    #[command(subcommand)]
    Conflict(conflict::ConflictCommand),
    /// 设备事件 / device events
    #[command(subcommand)]
    Event(event::EventCommand),
    /// 照片 / photos
    #[command(subcommand)]
    Photo(photo::PhotoCommand),
    /// 各单元位置 / where the units are
    #[command(subcommand)]
    Position(position::PositionCommand),
    /// 送达情况 / which nodes have what
    Delivery(delivery::DeliveryArgs),
    /// 注销记录及未获知的节点 / what was removed from the town, and who has not heard of it
    Removals(delivery::RemovalsArgs),
    /// 考核：时段内案卷的各项指标 / figures of the cases of a period
    Assessment(assessment::AssessmentArgs),
    /// 辅助决策：热点、重复发生、隐患、人口、趋势、专项建议 / decision support: hot spots, recurrence, hazards, population, trend, proposals
    #[command(subcommand)]
    Analysis(analysis::AnalysisCommand),
    /// 数据完整到何时 / up to when everything is here that other nodes held
    Completeness(assessment::CompletenessArgs),
    /// 人员 / members
    #[command(subcommand)]
    Member(member::MemberCommand),
    /// 网格：登记 / grids: record them
    #[command(subcommand)]
    Grid(grid::GridCommand),
    /// 队伍 / teams
    #[command(subcommand)]
    Team(team::TeamCommand),
    /// 设备 / devices
    #[command(subcommand)]
    Device(device::DeviceCommand),
    /// 输出接口描述（OpenAPI 3.1）/ print the description of the HTTP API (OpenAPI 3.1)
    Openapi(openapi::OpenapiArgs),
    /// 推演：断网后果、故障模拟 / simulate: outages of a town, faults
    #[command(subcommand)]
    Sim(sim::SimCommand),
    /// 在一台机器上演示整个镇 / the model town on one machine
    Demo(crate::demo::Options),
}

/// Why a command did not do what it was asked to.
#[derive(Debug)]
struct Failure {
    message: Message,
    code: u8,
}

impl<E: Explain> From<E> for Failure {
    fn from(error: E) -> Self {
        let message = error.explain();
        let code = if USAGE_CODES.contains(&message.code.as_ref()) { USAGE } else { FAILED };
        Self { message, code }
    }
}

type Done = Result<ExitCode, Failure>;

/// What every command knows.
struct Context {
    config: Config,
    output: Output,
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage::refuse(&error, std::env::args_os()),
    };
    let output = Output { json: cli.json };
    cli.run(output).unwrap_or_else(|failure| {
        output.error(&failure.message);
        ExitCode::from(failure.code)
    })
}

impl Cli {
    fn run(self, output: Output) -> Done {
        if let Command::Demo(options) = &self.command {
            return crate::demo::run(options).map_err(|error| match error.downcast::<Message>() {
                Ok(message) => message.into(),
                Err(error) => Message::new("demo", "演示未能完成", format!("{error:#}")).into(),
            });
        }
        if let Command::Sim(command) = &self.command {
            return command.run(output);
        }
        if let Command::Openapi(args) = &self.command {
            return args.run(output);
        }
        let mut flags = if let Command::Run(args) = &self.command { args.layer.clone() } else { Layer::default() };
        flags.data_dir = self.data_dir;
        refuse_unknown_variables(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()))?;
        let config = Config::load(flags, self.config.as_deref(), |name| std::env::var(name).ok())?;
        let context = Context { config, output };
        match self.command {
            Command::Town(command) => command.run(&context),
            Command::Invite(args) => args.run(&context),
            Command::Invites(args) => args.run(&context),
            Command::Revoke(args) => args.run(&context),
            Command::Authority(command) => command.run(&context),
            Command::Erase(args) => args.run(&context),
            Command::Ratify(args) => args.run(&context),
            Command::Join(args) => args.run(&context),
            Command::Run(args) => args.run(&context),
            Command::Status(args) => args.run(&context),
            Command::Table(command) => command.run(&context),
            Command::LifeCycle(command) => command.run(&context),
            Command::Book(command) => command.run(&context),
            Command::Staffing(args) => args.run(&context),
            Command::Track(command) => command.run(&context),
            Command::Coverage(args) => args.run(&context),
            Command::Campaign(args) => args.run(&context),
            Command::Response(args) => args.run(&context),
            Command::Escalations(args) => args.run(&context),
            Command::Scores(args) => args.run(&context),
            Command::Import(args) => args.run(&context),
            Command::Export(args) => args.run(&context),
            Command::Map(args) => args.run(&context),
            Command::Changes(args) => args.run(&context),
            Command::Verify(args) => args.run(&context),
            Command::Reveals(args) => args.run(&context),
            Command::Household(command) => command.run(&context),
            Command::Move(command) => command.run(&context),
            Command::Person(command) => command.run(&context),
            Command::Dwelling(command) => command.run(&context),
            Command::Inspection(command) => command.run(&context),
            Command::Tag(command) => command.run(&context),
            Command::Hazard(command) => command.run(&context),
            Command::Case(command) => command.run(&context),
            Command::Order(command) => command.run(&context),
            Command::Handover(args) => args.run(&context),
            Command::Center(args) => args.run(&context),
            Command::Conflict(command) => command.run(&context),
            Command::Event(command) => command.run(&context),
            Command::Photo(command) => command.run(&context),
            Command::Position(command) => command.run(&context),
            Command::Delivery(args) => args.run(&context),
            Command::Removals(args) => args.run(&context),
            Command::Analysis(command) => command.run(&context),
            Command::Assessment(args) => args.run(&context),
            Command::Completeness(args) => args.run(&context),
            Command::Member(command) => command.run(&context),
            Command::Grid(command) => command.run(&context),
            Command::Team(command) => command.run(&context),
            Command::Device(command) => command.run(&context),
            Command::Demo(_) | Command::Sim(_) | Command::Openapi(_) => Ok(ExitCode::SUCCESS),
        }
    }
}
