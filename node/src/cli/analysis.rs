//! `analysis`: decision support, each answer as a table with how complete it is.

use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use townmesh_crdt::domain::case::Source;
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::device::DeviceKind;
use townmesh_crdt::domain::household::ResidentKind;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;

use super::assessment::{PeriodArgs, judged, sentence, words};
use super::checks::{self, ContradictionArgs, GridArgs, IntervalArgs, OpenArgs};
use super::client::Client;
use super::output::table;
use super::recurrence::{self, OffendersArgs, RecurrenceArgs};
use super::{Context, Done};
use crate::views::{HandlingForm, HazardGrouping, PlaceKind, SpotSource, TrendGrouping, TrendStep};

#[derive(Debug, Subcommand)]
pub(super) enum AnalysisCommand {
    /// 热点：案卷、隐患、报警集中于何处何时 / where and when cases, hazards and alarms gather
    HotSpots(HotSpotArgs),
    /// 重复发生 / what comes back at the same place
    Recurrence(RecurrenceArgs),
    /// 屡犯：房主、房屋、单位、车辆 / who offends again and again: owner, dwelling, enterprise, vehicle
    Offenders(OffendersArgs),
    /// 隐患统计 / statistics of hazards
    Hazards(HazardArgs),
    /// 人口分析 / statistics of people
    Population(PopulationArgs),
    /// 趋势 / cases or alarms by day, week or month
    Trend(TrendArgs),
    /// 专项行动建议 / which campaigns are called for
    Proposals(ProposalArgs),
    /// 登记核实：门禁、道闸与台账不符之处 / what gates and entries say that cannot both be right
    Contradictions(ContradictionArgs),
    /// 用时：报告、派遣、到人、到场 / how long it takes from the report to the scene
    Intervals(IntervalArgs),
    /// 网格划分核对：容量、重叠、空白；--propose 提出划分建议 / grids against their rule, overlaps and gaps; --propose a division
    Grids(GridArgs),
    /// 为核实事项或行动建议各立一案，只立一次 / open a case for each contradiction or proposal, once
    Open(OpenArgs),
}

/// Of when and where.
#[derive(Debug, Args)]
pub(super) struct ScopeArgs {
    #[command(flatten)]
    period: PeriodArgs,
    /// 区划代码 / only in this region
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
}

impl ScopeArgs {
    pub(super) fn bounds(&self) -> (i64, i64) {
        self.period.bounds()
    }

    pub(super) fn region(&self) -> Option<RegionCode> {
        self.region
    }

    pub(super) fn query(&self) -> Vec<(&'static str, Option<String>)> {
        let (from_ms, until_ms) = self.period.bounds();
        vec![
            ("from_ms", Some(from_ms.to_string())),
            ("until_ms", Some(until_ms.to_string())),
            ("region", self.region.map(|region| region.to_string())),
        ]
    }
}

#[derive(Debug, Args)]
pub(super) struct HotSpotArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    /// 只看一种来源，缺省为案卷、隐患与报警 / only of this; cases, hazards and alarms by default
    #[arg(long, value_parser = words(SpotSource::ALL.iter().map(|of| (of.name(), of.words()))))]
    of: Option<String>,
    /// 案件类别 / only cases of this category
    #[arg(long)]
    category: Option<String>,
    /// 案卷来源 / only cases from this source: enforcement, patrol, public, video, data
    #[arg(long)]
    source: Option<Source>,
    /// 设备类别 / only devices of this kind
    #[arg(long, value_name = "KIND")]
    device_kind: Option<DeviceKind>,
    /// 只看该点所在方格：纬度,经度 / only the square of this place: latitude,longitude
    #[arg(long, value_name = "LAT,LON", allow_hyphen_values = true)]
    square: Option<Position>,
    /// 列出其中的案卷 / list the cases there
    #[arg(long, conflicts_with_all = ["of", "device_kind"])]
    cases: bool,
    /// 只列周几的案卷，1 为周一 / only cases of this day of the week, 1 is Monday
    #[arg(long, requires = "cases")]
    weekday: Option<u8>,
    /// 只列几时的案卷 / only cases of this hour of the day
    #[arg(long, requires = "cases")]
    hour: Option<u8>,
    /// 行数 / squares, or cases
    #[arg(long, default_value_t = 20)]
    limit: u32,
    /// 接着上一页（与 --cases 同用） / go on after this place, with --cases
    #[arg(long, value_name = "CURSOR", requires = "cases")]
    after: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct HazardArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    /// 分组 / by group
    #[arg(long, default_value = "region", value_parser = words(HazardGrouping::ALL.iter().map(|by| (by.name(), by.words()))))]
    by: String,
}

#[derive(Debug, Args)]
pub(super) struct PopulationArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    /// 只看一类人员 / only of this kind: registered, migrant, overseas
    #[arg(long)]
    kind: Option<ResidentKind>,
}

#[derive(Debug, Args)]
pub(super) struct TrendArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    /// 案件类别 / only of this category
    #[arg(long)]
    category: Option<String>,
    /// 来源 / only from this source: enforcement, patrol, public, video, data
    #[arg(long)]
    source: Option<Source>,
    /// 案卷按类别或来源，或设备报警 / cases by category or source, or alarms by device
    #[arg(long, default_value = "category", conflicts_with = "cases", value_parser = groupings())]
    by: String,
    /// 按日、周或月 / by day, week or month
    #[arg(long, default_value = "day", value_parser = steps())]
    step: String,
    /// 列出该日所在一段的案卷 / list the cases of the period of this day
    #[arg(long, value_name = "DAY")]
    cases: Option<Day>,
    /// 类别数或案卷数 / categories, or cases
    #[arg(long, default_value_t = 20)]
    limit: u32,
    /// 接着上一页（与 --cases 同用） / go on after this place, with --cases
    #[arg(long, value_name = "CURSOR", requires = "cases")]
    after: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ProposalArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    /// 案件类别 / only cases of this category
    #[arg(long)]
    category: Option<String>,
    /// 多少天内算重复 / within so many days it counts as come back
    #[arg(long, default_value_t = 90)]
    days: u32,
    /// 行数 / proposals
    #[arg(long, default_value_t = 20)]
    limit: u32,
}

fn groupings() -> PossibleValuesParser {
    words(TrendGrouping::ALL.iter().map(|by| (by.name(), by.words())))
}

fn steps() -> PossibleValuesParser {
    words(TrendStep::ALL.iter().map(|step| (step.name(), step.words())))
}

impl AnalysisCommand {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        let (path, query, shown): (&str, _, fn(&Value) -> String) = match self {
            Self::HotSpots(args) if args.cases => {
                checks::behind(context, &client, "hot-spots", &args.behind())?;
                return Ok(ExitCode::SUCCESS);
            }
            Self::HotSpots(args) => ("hot-spots", args.query(), hot_spots),
            Self::Recurrence(args) => match args.group.clone() {
                Some(group) => {
                    args.run(context, &client, group)?;
                    return Ok(ExitCode::SUCCESS);
                }
                None => ("recurrence", args.query(), recurrence::groups),
            },
            Self::Offenders(args) => ("offenders", args.query(), recurrence::offenders),
            Self::Hazards(args) => ("hazards", args.query(), hazards),
            Self::Population(args) => ("population", args.query(), population),
            Self::Trend(args) => match args.cases {
                Some(day) => {
                    checks::behind(context, &client, "trend", &args.behind(day))?;
                    return Ok(ExitCode::SUCCESS);
                }
                None => ("trend", args.query(), trend),
            },
            Self::Proposals(args) => ("proposals", args.query(), proposals),
            Self::Contradictions(args) => ("contradictions", args.query(), checks::contradictions),
            Self::Intervals(args) => {
                args.run(context, &client)?;
                return Ok(ExitCode::SUCCESS);
            }
            Self::Grids(args) => {
                args.run(context, &client)?;
                return Ok(ExitCode::SUCCESS);
            }
            Self::Open(args) => {
                let done = client.post("/v1/analysis/cases", &args.input())?;
                context.output.result(&done, checks::opened);
                return Ok(ExitCode::SUCCESS);
            }
        };
        let answer = client.fetch(&format!("/v1/analysis/{path}"), &query)?;
        context.output.result(&answer, |answer| shown(answer) + &judged(answer) + &sentence(&answer["completeness"]));
        Ok(ExitCode::SUCCESS)
    }
}

pub(super) type Pairs = Vec<(&'static str, Option<String>)>;

impl HotSpotArgs {
    fn query(self) -> Pairs {
        let mut query = self.scope.query();
        query.extend([
            ("of", self.of),
            ("category", self.category),
            ("source", self.source.map(|source| source.to_string())),
            ("device_kind", self.device_kind.map(|kind| kind.to_string())),
            ("square", self.square.map(|place| format!("{},{}", place.latitude(), place.longitude()))),
            ("limit", Some(self.limit.to_string())),
        ]);
        query
    }

    /// The cases there.
    fn behind(self) -> Pairs {
        let mut query = self.scope.query();
        query.extend([
            ("category", self.category),
            ("square", self.square.map(|place| format!("{},{}", place.latitude(), place.longitude()))),
            ("weekday", self.weekday.map(|day| day.to_string())),
            ("hour", self.hour.map(|hour| hour.to_string())),
            ("limit", Some(self.limit.to_string())),
            ("after", self.after),
        ]);
        query
    }
}

impl HazardArgs {
    fn query(self) -> Pairs {
        let mut query = self.scope.query();
        query.push(("by", Some(self.by)));
        query
    }
}

impl PopulationArgs {
    fn query(self) -> Pairs {
        let mut query = self.scope.query();
        query.push(("kind", self.kind.map(|kind| kind.to_string())));
        query
    }
}

impl TrendArgs {
    fn query(self) -> Pairs {
        let mut query = self.scope.query();
        query.extend([
            ("category", self.category),
            ("source", self.source.map(|source| source.to_string())),
            ("by", Some(self.by)),
            ("step", Some(self.step)),
            ("limit", Some(self.limit.to_string())),
        ]);
        query
    }

    /// The cases of the period of a day.
    fn behind(self, day: Day) -> Pairs {
        vec![
            ("begin", Some(day.to_string())),
            ("step", Some(self.step)),
            ("region", self.scope.region().map(|region| region.to_string())),
            ("category", self.category),
            ("source", self.source.map(|source| source.to_string())),
            ("limit", Some(self.limit.to_string())),
            ("after", self.after),
        ]
    }
}

impl ProposalArgs {
    fn query(self) -> Pairs {
        let mut query = self.scope.query();
        query.extend([
            ("category", self.category),
            ("days", Some(self.days.to_string())),
            ("limit", Some(self.limit.to_string())),
        ]);
        query
    }
}

/// That there is more than is shown.
pub(super) fn truncated(answer: &Value, field: &str) -> &'static str {
    if answer[field] == true { "… 还有更多，可加大 --limit / there are more, see --limit\n" } else { "" }
}

fn hot_spots(answer: &Value) -> String {
    const DAYS: [&str; 7] = ["周一 Mon", "周二 Tue", "周三 Wed", "周四 Thu", "周五 Fri", "周六 Sat", "周日 Sun"];
    let mut shown = answer.clone();
    for row in shown["rows"].as_array_mut().into_iter().flatten() {
        let peak = |peak: &Value| {
            let weekday = peak["weekday"].as_u64()?.checked_sub(1)?;
            let day = DAYS.get(usize::try_from(weekday).ok()?)?;
            Some(format!("{day} {:02}:00 ({})", peak["hour"].as_u64()?, peak["weight"]))
        };
        let peaks: Vec<String> = row["peaks"].as_array().into_iter().flatten().filter_map(peak).collect();
        row["peaks"] = peaks.join("; ").into();
    }
    let columns = [
        ("/square", "方格（西南角） square (southwest corner)"),
        ("/weight", "热度 weight"),
        ("/cases", "案卷 cases"),
        ("/hazards", "隐患 hazards"),
        ("/alarms", "报警 alarms"),
        ("/events", "事件 events"),
        ("/peaks", "高峰 peaks"),
    ];
    let unplaced = &answer["unplaced"];
    let text = table(&shown, &columns) + truncated(answer, "truncated");
    if unplaced["weight"] == 0 {
        return text;
    }
    let [cases, hazards, alarms, events] = ["cases", "hazards", "alarms", "events"].map(|of| &unplaced[of]);
    text + &format!(
        "无位置、未计入：案卷 {cases}，隐患 {hazards}，报警 {alarms}，事件 {events} / without a place, not counted: {cases} cases, {hazards} hazards, {alarms} alarms, {events} events\n"
    )
}

/// What is wrong, as people read it: its Chinese words, or its code.
pub(super) fn name_subjects(answer: &Value) -> Value {
    let mut shown = answer.clone();
    for row in shown["rows"].as_array_mut().into_iter().flatten() {
        let subject = &row["subject"];
        let code = match subject["category"].as_str() {
            Some(category) => category.to_owned(),
            None => format!("{}.{}", subject["hazard"]["checklist"], subject["hazard"]["item"]),
        };
        let name = row["words"][0].as_str().map_or(code.clone(), |name| format!("{code} {name}"));
        row["name"] = name.into();
        for field in ["by", "form"] {
            let places = PlaceKind::ALL.iter().map(|kind| (kind.name(), kind.words()));
            let forms = HandlingForm::ALL.iter().map(|form| (form.name(), form.words()));
            let known = places.chain(forms).find(|(key, _)| row[field] == *key);
            if let Some((_, [chinese, english])) = known {
                row[field] = format!("{chinese} {english}").into();
            }
        }
        for case in row["cases"].as_array_mut().into_iter().flatten() {
            *case = if case["number"].is_null() { case["document"].clone() } else { case["number"].clone() };
        }
        let cases: Vec<&str> = row["cases"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        row["cases"] = cases.join(", ").into();
    }
    shown
}

/// How much has no known place.
pub(super) fn unplaced(answer: &Value) -> String {
    match answer["unplaced"].as_u64() {
        Some(count @ 1..) => {
            format!("另有 {count} 件地点不明、未计入 / {count} more of no known place are not counted\n")
        }
        Some(0) | None => String::new(),
    }
}

fn hazards(answer: &Value) -> String {
    let mut rows = answer["groups"].as_array().cloned().unwrap_or_default();
    let mut total = answer["total"].clone();
    total["group"] = json!("合计 total");
    rows.push(total);
    let columns = [
        ("/group", "分组 group"),
        ("/name", "名称 name"),
        ("/found", "发现 found"),
        ("/rectified", "已整改 rectified"),
        ("/rechecked", "已复查 rechecked"),
        ("/open", "未整改 open"),
        ("/overdue", "超期 overdue"),
        ("/median_days", "销号天数中位数 median days"),
        ("/mean_days", "平均天数 mean days"),
        ("/inspected", "已检查户 inspected"),
        ("/households", "户数 households"),
        ("/inspected_share", "检查率 inspected %"),
    ];
    table(&json!({ "rows": rows }), &columns) + truncated(answer, "truncated")
}

fn population(answer: &Value) -> String {
    let mut rows = answer["regions"].as_array().cloned().unwrap_or_default();
    let mut total = answer["total"].clone();
    total["region"] = json!("合计 total");
    rows.push(total);
    let columns = [
        ("/region", "村居 region"),
        ("/name", "名称 name"),
        ("/people", "人数 people"),
        ("/registered", "户籍 registered"),
        ("/migrant", "流动 migrant"),
        ("/overseas", "境外 overseas"),
        ("/moved_in", "迁入 moved in"),
        ("/moved_out", "迁出 moved out"),
        ("/households", "户数 households"),
        ("/rentals", "出租 rentals"),
        ("/tenants_per_rental", "每处租住人数 people per rental"),
        ("/over_limit", "超限 over limit"),
    ];
    let mut text = table(&json!({ "rows": rows }), &columns) + truncated(answer, "truncated");
    let titles =
        [("uses", "居住类型 use"), ("origins", "来源省份 origin"), ("ages", "年龄 age"), ("stays", "居住时长 stay")];
    for (field, title) in titles {
        let columns = [("/group", title), ("/name", "名称 name"), ("/people", "人数 people")];
        text += &("\n".to_owned() + &table(&json!({ "rows": answer[field] }), &columns));
    }
    let columns = [("/month", "月份 month"), ("/moved_in", "迁入 moved in"), ("/moved_out", "迁出 moved out")];
    text += &("\n".to_owned() + &table(&json!({ "rows": answer["months"] }), &columns));
    let (unknown, sealed) = (&answer["unknown_origin"], &answer["sealed"]);
    text + &format!(
        "来源与年龄不详 {unknown} 人，其中 {sealed} 人信息封存或已删除 / origin and age of {unknown} are not known, of {sealed} of them because their data is sealed or erased\n"
    )
}

fn trend(answer: &Value) -> String {
    let total = [("合计 total", &answer["total"])];
    let by_group = answer["rows"].as_array().into_iter().flatten();
    let named = by_group.map(|series| (series["group"].as_str().unwrap_or_default(), series));
    let mut rows = Vec::new();
    for (name, series) in total.into_iter().chain(named) {
        for point in series["points"].as_array().into_iter().flatten() {
            let mut row = point.clone();
            row["name"] = name.into();
            row["mark"] = match (point["anomaly"] == true, point["complete"] == true) {
                (true, _) => "异常 stands out".into(),
                (false, false) => "未结束 not over".into(),
                (false, true) => Value::Null,
            };
            rows.push(row);
        }
    }
    let columns = [
        ("/name", "分组 group"),
        ("/begin", "起始日 begin"),
        ("/count", "数量 count"),
        ("/median", "以往中位数 median before"),
        ("/deviations", "偏离 deviations"),
        ("/mark", "提示 mark"),
    ];
    table(&json!({ "rows": rows }), &columns) + truncated(answer, "truncated")
}

fn proposals(answer: &Value) -> String {
    let columns = [
        ("/square", "方格（西南角） square (southwest corner)"),
        ("/region", "村居 region"),
        ("/name", "问题 what"),
        ("/count", "次数 times"),
        ("/places", "地点数 places"),
        ("/recurring", "重复地点 recurring"),
        ("/households", "方格内户数 households"),
        ("/form", "处置形式 form"),
        ("/reason/0", "理由"),
        ("/reason/1", "reason"),
        ("/cases", "编号 numbers"),
    ];
    table(&name_subjects(answer), &columns) + truncated(answer, "truncated") + &unplaced(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_shown_as_people_read_them() {
        let counts = json!({ "weight": 2, "cases": 1, "hazards": 1, "alarms": 0, "events": 0 });
        let mut spot = counts.clone();
        spot["square"] = json!("39.73350,116.32800");
        spot["peaks"] = json!([{ "weekday": 7, "hour": 9, "weight": 2 }]);
        let shown = hot_spots(&json!({ "rows": [spot], "truncated": true, "unplaced": counts }));
        assert!(shown.contains("39.73350,116.32800\t2\t1\t1\t0\t0\t周日 Sun 09:00 (2)\n"), "{shown}");
        assert!(shown.contains("--limit") && shown.contains("not counted: 1 cases, 1 hazards"), "{shown}");
        let case = |number: Option<&str>| json!({ "document": "ab", "number": number, "time_ms": 0 });
        let group = json!({
            "subject": { "hazard": { "checklist": 1, "item": 4 } }, "words": ["电动车", "e-bike"], "by": "inspected",
            "region": "1", "place": "1号", "count": 2, "reopened": 0, "first_ms": 0, "last_ms": 0, "intervals_days": [3],
            "cases": [case(Some("7K3-9XQ-2PAD")), case(None)],
        });
        let cause = json!({ "key": "1.4", "name": "电动车", "groups": 1, "count": 2, "reopened": 0, "dwellings": 1 });
        let answer = json!({ "rows": [group], "causes": [cause], "unplaced": 3, "causes_truncated": false });
        let shown = recurrence::groups(&answer);
        assert!(shown.contains(
            "1.4 电动车\t1\t1号\t同一受检对象 same household, dwelling or enterprise\t2\t0\t1970-01-01 08:00\t1970-01-01 08:00\t[3]\t7K3-9XQ-2PAD, ab"
        ));
        assert!(shown.contains("\n1.4\t电动车\t1\t2\t0\t1\n") && shown.contains("3 more"), "{shown}");
        let proposal = json!({
            "square": "s", "region": "1", "subject": { "category": "order" }, "words": null, "count": 3, "places": 1,
            "recurring": 1, "households": 9, "form": "joint", "reason": ["因", "why"], "cases": [],
        });
        let shown = proposals(&json!({ "rows": [proposal], "unplaced": 0 }));
        assert!(shown.ends_with("s\t1\torder\t3\t1\t1\t9\t联合处置 two or more jointly\t因\twhy\t\n"), "{shown}");
    }

    #[test]
    fn figures_come_with_their_total() {
        let group = json!({ "group": "fire", "name": "消防", "found": 2, "median_days": 3.5 });
        let shown = hazards(&json!({ "groups": [group], "total": { "found": 2, "inspected_share": 50.0 } }));
        assert!(shown.contains("fire\t消防\t2\t\t\t\t\t3.5\t") && shown.ends_with("50.0\n"), "{shown}");
        assert!(shown.contains("合计 total\t\t2\t"), "{shown}");
        let month = json!({ "month": "2026-11", "moved_in": 4, "moved_out": 1 });
        let share = json!({ "group": "41", "name": "河南", "people": 7 });
        let people = json!({ "total": { "people": 9 }, "regions": [], "months": [month], "origins": [share],
            "unknown_origin": 2, "sealed": 1 });
        let shown = population(&people);
        for line in ["合计 total\t\t9\t", "41\t河南\t7\n", "2026-11\t4\t1\n", "origin and age of 2 are not known, of 1"]
        {
            assert!(shown.contains(line), "{line}: {shown}");
        }
        let point = |count, anomaly, complete| {
            json!({ "begin": "2026-11-02", "count": count, "median": 1.0,
            "deviations": 4.0, "anomaly": anomaly, "complete": complete })
        };
        let total = json!({ "group": null, "points": [point(9, true, true), point(1, false, false)] });
        let series = json!({ "group": "order", "points": [point(1, false, true)] });
        let shown = trend(&json!({ "total": total, "rows": [series] }));
        assert!(shown.contains("合计 total\t2026-11-02\t9\t1.0\t4.0\t异常 stands out\n"), "{shown}");
        assert!(shown.contains("未结束 not over\n") && shown.contains("order\t2026-11-02\t1\t1.0\t4.0\t\n"), "{shown}");
    }
}
