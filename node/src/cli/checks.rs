//! `analysis contradictions|intervals|grids|open`: what is checked against what, and cases that follow from it.

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::role::Role;
use townmesh_crdt::domain::town::GridKind;

use super::analysis::{Pairs, ScopeArgs};
use super::assessment::{BEHIND, judged, sentence, words};
use super::client::{Client, write_new};
use super::household::PageArgs;
use super::output::table;
use super::{Context, Failure};
use crate::data_dir::FileError;
use crate::views::IntervalGrouping;

#[derive(Debug, Args)]
pub(super) struct ContradictionArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    /// 出现多少天算常住 / on so many days something counts as living there
    #[arg(long, default_value_t = 10)]
    days: u32,
    /// 每类行数 / rows of each kind
    #[arg(long, default_value_t = 20)]
    limit: u32,
    /// 查看完整车牌的理由，留痕 / reason to see plates in full; it is noted
    #[arg(long, value_name = "REASON")]
    reveal: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct IntervalArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    /// 分组 / by group
    #[arg(long, default_value = "team", value_parser = words(IntervalGrouping::ALL.iter().map(|by| (by.name(), by.words()))))]
    by: String,
    /// 列出该组的案卷 / list the cases of this group
    #[arg(long, value_name = "GROUP")]
    cases: Option<String>,
    /// 只列到场超时的 / only those with an order on which nobody came in time
    #[arg(long, requires = "cases")]
    late: bool,
    #[command(flatten)]
    page: PageArgs,
}

#[derive(Debug, Args)]
pub(super) struct GridArgs {
    /// 区划代码 / only in this region
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
    /// 为该村居提出划分建议 / propose a division of this village or community
    #[arg(long, value_name = "CODE", conflicts_with = "region")]
    propose: Option<RegionCode>,
    /// 按此类型的标准划分 / by the rule of this kind of ground
    #[arg(long, requires = "propose")]
    kind: Option<GridKind>,
    /// 建议另存为 GeoJSON，查看后可用 grid import 登记 / write it as GeoJSON, which `grid import` records once somebody looked at it
    #[arg(long, value_name = "FILE", requires = "propose")]
    out: Option<PathBuf>,
}

/// What cases are opened for.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Ground {
    /// 登记核实 / what contradicts the registry
    Contradictions,
    /// 行动建议 / where campaigns are called for
    Proposals,
    /// 反复发生 / what comes back at one place again and again
    Recurrence,
    /// 热点 / where most of everything gathers
    HotSpots,
}

#[derive(Debug, Args)]
pub(super) struct OpenArgs {
    /// 依据 / what for
    #[arg(long, value_enum)]
    of: Ground,
    #[command(flatten)]
    scope: ScopeArgs,
    /// 天数，含义同相应分析 / days, as the analysis takes them
    #[arg(long)]
    days: Option<u32>,
    /// 每类最多几件 / at most so many of each kind
    #[arg(long)]
    limit: Option<u32>,
    /// 人员编号 / who opens them
    #[arg(long)]
    by: String,
    /// 岗位 / in which role
    #[arg(long)]
    role: Role,
}

impl ContradictionArgs {
    pub(super) fn query(self) -> Pairs {
        let mut query = self.scope.query();
        query.extend([
            ("days", Some(self.days.to_string())),
            ("limit", Some(self.limit.to_string())),
            ("reveal", self.reveal),
        ]);
        query
    }
}

impl IntervalArgs {
    pub(super) fn run(self, context: &Context, client: &Client) -> Result<(), Failure> {
        let mut query = self.scope.query();
        query.push(("by", Some(self.by)));
        if let Some(group) = self.cases {
            query.extend([("group", Some(group)), ("late", Some(self.late.to_string()))]);
            query.extend(self.page.query());
            return behind(context, client, "intervals", &query);
        }
        let answer = client.fetch("/v1/analysis/intervals", &query)?;
        let shown = |answer: &Value| intervals(answer) + &judged(answer) + &sentence(&answer["completeness"]);
        context.output.result(&answer, shown);
        Ok(())
    }
}

/// The cases behind an answer.
pub(super) fn behind(
    context: &Context,
    client: &Client,
    of: &str,
    query: &[(&str, Option<String>)],
) -> Result<(), Failure> {
    let listed = client.fetch(&format!("/v1/analysis/{of}/cases"), query)?;
    context.output.result(&listed, |listed| table(listed, &BEHIND));
    Ok(())
}

impl GridArgs {
    pub(super) fn run(self, context: &Context, client: &Client) -> Result<(), Failure> {
        let Some(region) = self.propose else {
            let query = [("region", self.region.map(|region| region.to_string()))];
            let answer = client.fetch("/v1/analysis/grids", &query)?;
            context.output.result(&answer, |answer| grids(answer) + &sentence(&answer["completeness"]));
            return Ok(());
        };
        let query = [("region", Some(region.to_string())), ("kind", self.kind.map(|kind| kind.to_string()))];
        let proposal = client.fetch("/v1/analysis/grids/proposal", &query)?;
        if let Some(out) = &self.out {
            let text = format!("{proposal}\n");
            write_new(out, |file| file.write_all(text.as_bytes()).map_err(FileError::at(out)))?;
        }
        context.output.result(&proposal, |answer| proposed(answer) + &sentence(&answer["completeness"]));
        Ok(())
    }
}

/// The grids of a proposal.
fn proposed(answer: &Value) -> String {
    let columns = [
        ("/properties/code", "网格 grid"),
        ("/properties/households", "户数 households"),
        ("/properties/hectares", "公顷 hectares"),
        ("/properties/inspectors_needed", "巡查员 inspectors"),
        ("/properties/fit", "结论 fit"),
    ];
    let keeps = match answer["keeps_rule"] == true {
        true => "均符合标准 / each keeps the rule",
        false => "有网格不符合标准 / some do not keep the rule",
    };
    format!(
        "{}{keeps}\n已定位 {} 户，未定位 {} 户 / {} households with a place, {} without\n",
        table(&json!({ "rows": answer["features"] }), &columns),
        answer["households"],
        answer["unplaced"],
        answer["households"],
        answer["unplaced"]
    )
}

impl OpenArgs {
    pub(super) fn input(self) -> Value {
        let (from_ms, until_ms) = self.scope.bounds();
        let of = match self.of {
            Ground::Contradictions => "contradictions",
            Ground::Proposals => "proposals",
            Ground::Recurrence => "recurrence",
            Ground::HotSpots => "hot_spots",
        };
        json!({
            "of": of, "from_ms": from_ms, "until_ms": until_ms, "region": self.scope.region(), "days": self.days,
            "limit": self.limit, "actor": { "by": self.by, "role": self.role },
        })
    }
}

pub(super) fn contradictions(answer: &Value) -> String {
    let part = |title: &str, rows: &str, columns: &[(&str, &str)]| {
        format!("{title}\n{}", table(&json!({ "rows": answer[rows] }), columns))
    };
    let vehicles = [
        ("/region", "村居 region"),
        ("/plate", "车牌 plate"),
        ("/days", "天数 days"),
        ("/passages", "次数 passages"),
        ("/last_ms", "最近 last"),
    ];
    let people = [
        ("/region", "村居 region"),
        ("/seen", "常见人数 seen"),
        ("/by", "依据 by"),
        ("/residents", "登记人数 entered"),
        ("/unknown", "多出 unknown"),
    ];
    let doors = [
        ("/region", "村居 region"),
        ("/address", "门牌号 address"),
        ("/households", "户数 households"),
        ("/seen", "常见人数 seen"),
        ("/by", "依据 by"),
        ("/residents", "登记人数 entered"),
        ("/unknown", "多出 unknown"),
    ];
    let rentals = [
        ("/region", "村居 region"),
        ("/address", "门牌号 address"),
        ("/number", "户序号 household"),
        ("/fault", "问题 what"),
        ("/residents", "登记人数 entered"),
        ("/tenant_limit", "限住 limit"),
    ];
    [
        part("未登记车辆 / vehicles that are not entered", "vehicles", &vehicles),
        part("未登记人员 / people who are not entered", "people", &people),
        part("出租房 / rentals", "rentals", &rentals),
        part("人多于登记的出租房门 / doors of rentals with more people than are entered", "doors", &doors),
    ]
    .join("\n")
}

fn intervals(answer: &Value) -> String {
    let columns = [
        ("/group", "分组 group"),
        ("/orders", "派遣单 orders"),
        ("/found_to_report/median_s", "发现到上报中位（秒） found to report"),
        ("/report_to_order/median_s", "上报到派遣中位 report to order"),
        ("/report_to_person/median_s", "上报到人中位 report to person"),
        ("/order_to_acknowledged/median_s", "派遣到签收中位 to acknowledgement"),
        ("/person_to_scene/median_s", "到人到到场中位 person to scene"),
        ("/order_to_scene/p90_s", "派遣到到场九成 90 % of order to scene"),
        ("/to_arrive", "应按时到场 to be there in time"),
        ("/arrived_in_time_percent", "按时到场率 there in time %"),
    ];
    table(answer, &columns)
}

fn grids(answer: &Value) -> String {
    let columns = [
        ("/region", "村居 region"),
        ("/code", "网格 grid"),
        ("/kind", "类型 kind"),
        ("/households", "户数 households"),
        ("/hectares", "公顷 hectares"),
        ("/inspectors", "巡查员 inspectors"),
        ("/inspectors_needed", "应有 needed"),
        ("/fit", "结论 fit"),
    ];
    let overlaps = answer["overlaps"].as_array().map(Vec::as_slice).unwrap_or_default();
    let named = |one: &Value| format!("{} {}", text(&one[0]), text(&one[1]));
    let pair =
        |pair: &Value| format!("{} × {}: {} %\n", named(&pair["grids"][0]), named(&pair["grids"][1]), pair["percent"]);
    let uncovered = answer["uncovered"].as_object().into_iter().flatten();
    let gaps: String = uncovered.map(|(region, count)| format!("{region}: {count}\n")).collect();
    let ground = [
        ("/region", "区划 region"),
        ("/hectares", "公顷 hectares"),
        ("/percent", "占比 %"),
        ("/southwest", "西南 southwest"),
        ("/northeast", "东北 northeast"),
    ];
    format!(
        "{}\n重叠 / overlaps\n{}\n不在任何网格内的户 / households in no grid\n{gaps}没有位置的户 / households without a place: {}\n\n不在任何网格内的地块（有范围的区划 {} 个）/ ground in no grid (regions with an outline: {})\n{}",
        table(&json!({ "rows": answer["grids"] }), &columns),
        overlaps.iter().map(pair).collect::<String>(),
        answer["unplaced"],
        answer["ground"]["outlined"],
        answer["ground"]["outlined"],
        table(&json!({ "rows": answer["ground"]["gaps"] }), &ground),
    )
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(super) fn opened(answer: &Value) -> String {
    let columns = [
        ("/outcome", "结果 outcome"),
        ("/number", "编号 number"),
        ("/region", "村居 region"),
        ("/document", "案卷 case"),
    ];
    table(answer, &columns)
}
