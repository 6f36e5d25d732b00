//! `assessment`: what became of the cases of a period, and the cases behind a figure. `completeness`: up to when everything
//! is here that other nodes held.

use std::process::ExitCode;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};
use serde_json::{Value, json};
use townmesh_crdt::command::UTC_OFFSET_MINUTES;
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::tables::{ScorePart, ScoreRole};

use super::client::Client;
use super::household::PageArgs;
use super::output::{moment, table};
use super::{Context, Done};
use crate::engine;
use crate::views::{Figure, GroupBy};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Columns of the cases behind a figure.
pub(super) const BEHIND: [(&str, &str); 7] = [
    ("/number", "编号 number"),
    ("/region", "村居 region"),
    ("/state", "状态 state"),
    ("/reported_ms", "上报 reported"),
    ("/due_ms", "时限 due"),
    ("/handled_ms", "处理完成 handled"),
    ("/description", "情况 description"),
];

/// Words of the views that a flag takes, each with what it is called.
pub(super) fn words<'a>(known: impl IntoIterator<Item = (&'static str, [&'a str; 2])>) -> PossibleValuesParser {
    let value = |(name, [chinese, english]): (&'static str, [&str; 2])| {
        PossibleValue::new(name).help(format!("{chinese} / {english}"))
    };
    PossibleValuesParser::new(known.into_iter().map(value))
}

fn groupings() -> PossibleValuesParser {
    words(GroupBy::ALL.iter().map(|by| (by.name(), by.words())))
}

fn figures() -> PossibleValuesParser {
    words(Figure::ALL.iter().map(|figure| (figure.name(), figure.words())))
}

/// Which days.
#[derive(Debug, Args)]
pub(super) struct PeriodArgs {
    /// 首日，缺省为本月一日 / first day; the first of this month by default
    #[arg(long, value_name = "DAY")]
    from: Option<Day>,
    /// 末日（含），缺省为今日 / last day, included; today by default
    #[arg(long, value_name = "DAY")]
    until: Option<Day>,
}

#[derive(Debug, Args)]
pub(super) struct AssessmentArgs {
    #[command(flatten)]
    period: PeriodArgs,
    /// 区划代码 / only in this region
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
    /// 分组 / by group
    #[arg(long, value_parser = groupings())]
    by: Option<String>,
    /// 只看该组（与 --by 同用）/ only this group of --by
    #[arg(long, requires = "by")]
    group: Option<String>,
    /// 附上一时段及名次变化 / beside the period before, with the change of place
    #[arg(long, conflicts_with = "cases")]
    before: bool,
    /// 列出该指标背后的案卷 / list the cases behind this figure
    #[arg(long, value_name = "FIGURE", value_parser = figures())]
    cases: Option<String>,
    #[command(flatten)]
    page: PageArgs,
}

#[derive(Debug, Args)]
pub(super) struct ScoresArgs {
    /// 岗位 / whose work
    #[arg(long, value_parser = roles())]
    role: String,
    /// 处置按人而不是按队伍 / handling by person instead of by team
    #[arg(long)]
    by_person: bool,
    #[command(flatten)]
    period: PeriodArgs,
    /// 区划代码 / only in this region
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
    /// 附上一时段及名次变化 / beside the period before, with the change of place
    #[arg(long, conflicts_with = "cases")]
    before: bool,
    /// 列出该指标背后的案卷（与 --subject 同用） / list the cases behind this part, of --subject
    #[arg(long, value_name = "PART", requires = "subject", value_parser = parts())]
    cases: Option<String>,
    /// 队伍或人员编号 / code of the team or person
    #[arg(long, value_name = "CODE", requires = "cases")]
    subject: Option<String>,
    /// 列出分母而不是分子的案卷 / the cases of the whole instead of those that count
    #[arg(long, requires = "cases")]
    whole: bool,
    #[command(flatten)]
    page: PageArgs,
}

fn parts() -> PossibleValuesParser {
    words(ScorePart::ALL.iter().map(|part| (part.key(), [part.chinese(), part.english()])))
}

fn roles() -> PossibleValuesParser {
    words(ScoreRole::ALL.iter().map(|role| (role.key(), [role.chinese(), role.english()])))
}

impl ScoresArgs {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        let (from_ms, until_ms) = self.period.bounds();
        let mut query = vec![
            ("role", Some(self.role)),
            ("from_ms", Some(from_ms.to_string())),
            ("until_ms", Some(until_ms.to_string())),
            ("region", self.region.map(|region| region.to_string())),
            ("by_person", Some(self.by_person.to_string())),
        ];
        if let Some(part) = self.cases {
            let side = if self.whole { "of" } else { "got" };
            query.extend([("subject", self.subject), ("part", Some(part)), ("side", Some(side.to_owned()))]);
            query.extend(self.page.query());
            let listed = client.fetch("/v1/scores/cases", &query)?;
            context.output.result(&listed, |listed| table(listed, &BEHIND));
            return Ok(ExitCode::SUCCESS);
        }
        query.push(("before", Some(self.before.to_string())));
        let scored = client.fetch("/v1/scores", &query)?;
        context.output.result(&scored, scores);
        Ok(ExitCode::SUCCESS)
    }
}

/// Scores as a table, a column for each part: its share with what it is taken of.
fn scores(scored: &Value) -> String {
    let mut rows = scored["rows"].as_array().cloned().unwrap_or_default();
    let parts: Vec<ScorePart> = rows
        .first()
        .and_then(|row| row["parts"].as_array())
        .into_iter()
        .flatten()
        .filter_map(|part| part["part"].as_str()?.parse().ok())
        .collect();
    for row in &mut rows {
        let shares = row["parts"].as_array().cloned().unwrap_or_default();
        for (place, share) in shares.iter().enumerate() {
            let percent = share["share"].as_f64().map_or_else(|| "—".to_owned(), |share| format!("{share:.2}"));
            row[format!("part{place}")] = json!(format!("{percent} ({}/{})", share["got"], share["of"]));
        }
    }
    let of_parts = parts
        .iter()
        .enumerate()
        .map(|(place, part)| (format!("/part{place}"), format!("{} {} %", part.chinese(), part.english())));
    let has_before = rows.iter().any(|row| row["before"].is_object());
    let before = [
        ("/before/score", "上期得分 score before"),
        ("/before/rank", "上期名次 rank before"),
        ("/before/change", "升降 change"),
    ];
    let columns: Vec<(String, String)> = [("/rank", "名次 rank"), ("/subject", "编号 code"), ("/name", "名称 name")]
        .into_iter()
        .chain([("/score", "得分 score"), ("/grade", "等级 grade")])
        .chain(before.into_iter().filter(|_| has_before))
        .map(|(pointer, title)| (pointer.to_owned(), title.to_owned()))
        .chain(of_parts)
        .collect();
    let columns: Vec<(&str, &str)> =
        columns.iter().map(|(pointer, title)| (pointer.as_str(), title.as_str())).collect();
    table(&json!({ "rows": rows }), &columns) + &judged(scored) + &sentence(&scored["completeness"])
}

#[derive(Debug, Args)]
pub(super) struct CompletenessArgs {
    /// 区划代码 / only of this region
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
    /// 种类：registry、cases、events、town / only of this kind: registry, cases, events, town
    #[arg(long)]
    kind: Option<String>,
    /// 按村居与种类列出 / a line for each region and kind
    #[arg(long)]
    each: bool,
}

impl PeriodArgs {
    /// From the first moment of the first day to that after the last, in milliseconds since 1970.
    pub(super) fn bounds(&self) -> (i64, i64) {
        let today = Day::of_time(engine::now().cast_signed(), UTC_OFFSET_MINUTES);
        let last = self.until.unwrap_or(today);
        let (year, month, _) = last.calendar();
        let first = self.from.or_else(|| Day::from_calendar(year, month, 1)).unwrap_or(last);
        (first.start_ms(UTC_OFFSET_MINUTES), last.start_ms(UTC_OFFSET_MINUTES) + DAY_MS)
    }
}

impl AssessmentArgs {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        let (from_ms, until_ms) = self.period.bounds();
        let mut query = vec![
            ("from_ms", Some(from_ms.to_string())),
            ("until_ms", Some(until_ms.to_string())),
            ("region", self.region.map(|region| region.to_string())),
            ("by", self.by),
            ("group", self.group),
        ];
        if let Some(figure) = self.cases {
            query.push(("figure", Some(figure)));
            query.extend(self.page.query());
            let listed = client.fetch("/v1/assessment/cases", &query)?;
            context.output.result(&listed, |listed| table(listed, &BEHIND));
        } else {
            query.push(("before", Some(self.before.to_string())));
            let assessed = client.fetch("/v1/assessment", &query)?;
            context.output.result(&assessed, shown);
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl CompletenessArgs {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        let query = [("region", self.region.map(|region| region.to_string())), ("kind", self.kind)];
        let columns = [
            ("/name", "节点 node"),
            ("/node", "编号 id"),
            ("/until_ms", "完整至 complete to"),
            ("/connected", "已连接 connected"),
        ];
        if self.each {
            let columns = [
                ("/region", "村居 region"),
                ("/name", "名称 name"),
                ("/kind", "种类 kind"),
                ("/complete_to_ms", "完整至 complete to"),
                ("/last", "最后的节点 last"),
                ("/except", "除外 except"),
            ];
            let listed = client.fetch("/v1/completeness/regions", &query)?;
            context.output.result(&listed, |listed| table(listed, &columns));
            return Ok(ExitCode::SUCCESS);
        }
        let complete = client.fetch("/v1/completeness", &query)?;
        context.output.result(&complete, |complete| table(complete, &columns) + &sentence(complete));
        Ok(ExitCode::SUCCESS)
    }
}

/// Figures as a table: the groups, then all of them.
fn shown(assessed: &Value) -> String {
    let mut rows = assessed["groups"].as_array().cloned().unwrap_or_default();
    let mut total = assessed["total"].clone();
    total["group"] = json!("合计 total");
    rows.push(total);
    let columns = [
        ("/group", "分组 group"),
        ("/rank", "名次 rank"),
        ("/before/change", "升降 change"),
        ("/filed", "立案 filed"),
        ("/due", "应结 due"),
        ("/closed", "已结 closed"),
        ("/rates/closing", "结案率 closing %"),
        ("/closed_in_time", "按期 in time"),
        ("/rates/on_time_closing", "按期结案率 on time %"),
        ("/overdue", "超期 overdue"),
        ("/rates/correct_filing", "立案准确率 correct filing %"),
        ("/rates/correct_dispatch", "派遣准确率 correct dispatch %"),
        ("/rates/rework", "返工率 rework %"),
        ("/rates/valid_reports", "有效上报率 valid reports %"),
        ("/rates/missed_finding", "漏报率 missed %"),
        ("/rates/on_time_filing", "按时立案率 on-time filing %"),
        ("/rates/on_time_dispatch", "按时派遣率 on-time dispatch %"),
        ("/rates/on_time_check", "按时核实率 on-time check %"),
        ("/rates/on_time_verification", "按时核查率 on-time verification %"),
        ("/rates/response", "响应率 response %"),
        ("/rates/solution", "解决率 solution %"),
        ("/rates/satisfaction", "满意率 satisfaction %"),
    ];
    table(&json!({ "rows": rows }), &columns) + &judged(assessed) + &sentence(&assessed["completeness"])
}

/// The regions of which the last hour or more is not known, so that deadlines of it are not judged.
pub(super) fn judged(answer: &Value) -> String {
    let now_ms = answer["now_ms"].as_i64().unwrap_or(0);
    let regions = answer["judged_to"].as_object().into_iter().flatten();
    let until = regions.filter_map(|(region, until)| Some((region, until.as_i64()?)));
    let behind = until.filter(|(_, until)| now_ms.saturating_sub(*until) >= HOUR_MS);
    let line = |(region, until): (&String, i64)| {
        let until = moment(until);
        format!(
            "{region} 的时限只判定到 {until}，其后数据未到 / deadlines in {region} are judged up to {until}: what it did since is not here yet\n"
        )
    };
    behind.map(line).collect()
}

/// How complete that is, in a few lines.
pub(super) fn sentence(complete: &Value) -> String {
    let names = |field: &str| {
        let names: Vec<&str> = complete[field].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        Some(names.join(", ")).filter(|names| !names.is_empty())
    };
    let except = names("except");
    let mut text = match (complete["complete_to_ms"].as_i64().map(moment), &except) {
        (Some(until), None) => format!("数据完整至 {until} / complete to {until}\n"),
        (Some(until), Some(names)) => format!(
            "数据完整至 {until}，{names} 除外：不知其完整到何时 / complete to {until}, except what {names} recorded: up to when is not known\n"
        ),
        (None, Some(names)) => {
            format!("不知完整到何时：{names} / it is not known up to when what {names} recorded is complete\n")
        }
        (None, None) => "本节点不持有此类数据 / nothing of this is read here\n".to_owned(),
    };
    if let Some(names) = names("unreadable") {
        text += &format!("尚缺密钥，无法读取：{names} / held and not readable yet, the key is on its way: {names}\n");
    }
    let behind = complete["unfolded"].as_u64().unwrap_or(0) + complete["view_lag"].as_u64().unwrap_or(0);
    if behind > 0 {
        text += &format!("尚有 {behind} 条未显示 / {behind} entries are not shown yet\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_has_its_last_day() {
        let args = |from: Option<&str>, until: &str| PeriodArgs {
            from: from.map(|day| day.parse().unwrap()),
            until: Some(until.parse().unwrap()),
        };
        let november = (1_793_462_400_000, 1_796_054_400_000);
        assert_eq!(args(Some("2026-11-01"), "2026-11-30").bounds(), november);
        assert_eq!(args(None, "2026-11-30").bounds(), november, "the month of the last day");
    }

    #[test]
    fn it_is_said_up_to_when_a_region_that_is_cut_off_is_judged() {
        let answer = json!({ "now_ms": HOUR_MS, "judged_to": { "110115005220": 0, "110115005221": 1 } });
        let told = judged(&answer);
        assert!(told.contains("deadlines in 110115005220 are judged up to 1970-01-01 08:00"), "{told}");
        assert_eq!(told.lines().count(), 1, "a minute is nothing: {told}");
        assert_eq!(judged(&json!({ "now_ms": HOUR_MS })), "");
    }

    #[test]
    fn it_is_said_how_complete_figures_are() {
        let told = |value: Value| sentence(&value);
        assert!(told(json!({ "complete_to_ms": null })).contains("nothing of this is read here"));
        let whole = told(json!({ "complete_to_ms": 0, "except": [], "unfolded": 0, "view_lag": 0 }));
        assert_eq!(whole, "数据完整至 1970-01-01 08:00 / complete to 1970-01-01 08:00\n");
        let unknown = told(json!({ "complete_to_ms": null, "except": ["a", "b"], "unreadable": ["cases/1/2026"] }));
        assert!(unknown.contains("what a, b recorded") && unknown.contains("cases/1/2026"), "{unknown}");
        let partly = told(json!({ "complete_to_ms": 0, "except": ["vehicle-7"], "unfolded": 2, "view_lag": 1 }));
        assert!(partly.contains("except what vehicle-7 recorded") && partly.contains("3 entries"), "{partly}");
    }
}
