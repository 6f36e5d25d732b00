//! `order`: orders to teams: list, convey, sheet, assign. `handover`: what one shift hands over to the next.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use townmesh_crdt::command::UTC_OFFSET_MINUTES;
use townmesh_crdt::domain::case::{Means, OrderStatus};
use townmesh_crdt::domain::number::SpokenNumber;
use townmesh_crdt::domain::region::RegionCode;

use super::case::ActorArgs;
use super::client::{Client, save};
use super::household::PageArgs;
use super::output::{fields, recorded, table};
use super::{Context, Done, Failure};
use crate::data_dir::FileError;
use crate::moment::Moment;

#[derive(Debug, Subcommand)]
pub(super) enum OrderCommand {
    /// 列出 / list
    List(ListArgs),
    /// 登记已口头或纸质传达 / note down that an order was handed on by phone, radio, in person or on paper
    Convey(ConveyArgs),
    /// 打印派遣单（HTML，A4） / the order on a page to print and sign
    Sheet(SheetArgs),
    /// 落实到人 / turn a team's order into one of a named person
    Assign(AssignArgs),
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// 队伍 / of this team
    #[arg(long)]
    team: Option<String>,
    /// 状态：sent、acknowledged、reported_in、done、returned、called_off / in this status
    #[arg(long)]
    status: Option<OrderStatus>,
    /// 区划代码 / in this region
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
    #[command(flatten)]
    page: PageArgs,
}

#[derive(Debug, Args)]
pub(super) struct ConveyArgs {
    /// 派遣单编号 / number of the order
    number: SpokenNumber,
    #[command(flatten)]
    actor: ActorArgs,
    /// 方式：phone、radio、in_person、print / by which means
    #[arg(long)]
    means: Means,
    /// 传达人，默认同 --by / who spoke, if not the one of --by
    #[arg(long, value_name = "NAME")]
    speaker: Option<String>,
    /// 接收人或呼号 / to whom: a name or call sign
    #[arg(long, value_name = "NAME")]
    to: String,
    /// 时间，如 14:20 或 2026-11-27T14:20:00+08:00；默认现在 / when; now by default
    #[arg(long, value_name = "TIME", value_parser = told_at)]
    at: Option<i64>,
    /// 对方已复述，可写明复述内容 / it was read back; what was read back may follow
    #[arg(long, value_name = "WORDS", num_args = 0..=1, default_missing_value = "")]
    read_back: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct SheetArgs {
    /// 派遣单编号 / number of the order
    number: SpokenNumber,
    /// 目标文件；不给则写到标准输出 / file to write; standard output by default
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl SheetArgs {
    fn run(self, context: &Context, client: &Client) -> Result<(), Failure> {
        let answer = client.open(&format!("/v1/orders/{}/sheet", self.number), &[])?;
        if let Some(out) = self.out {
            let bytes = save(answer, &out)?;
            let written = json!({ "sheet": out, "bytes": bytes });
            context.output.result(&written, |value| {
                format!("已写入，请用浏览器打开并打印 / written; open it in a browser and print it\n{}", fields(value))
            });
            return Ok(());
        }
        let mut page = String::new();
        answer.into_body().into_reader().read_to_string(&mut page).map_err(FileError::at(Path::new("-")))?;
        context.output.result(&json!({ "sheet": page }), |_| page.clone());
        Ok(())
    }
}

#[derive(Debug, Args)]
pub(super) struct AssignArgs {
    /// 派遣单编号 / number of the order
    number: SpokenNumber,
    #[command(flatten)]
    actor: ActorArgs,
    /// 人员编号 / code of the member who does it
    #[arg(long, value_name = "CODE")]
    person: String,
}

/// A moment, or a time of this day or, where that is still to come, of the day before.
fn told_at(text: &str) -> Result<i64, String> {
    let now = crate::engine::now().cast_signed();
    if let Ok(Moment(at)) = text.parse() {
        return Ok(at);
    }
    let time = text.split_once(':').and_then(|(hours, minutes)| Some((two(hours, 24)?, two(minutes, 60)?)));
    let (hours, minutes) = time.ok_or("写成 14:20 或 2026-11-27T14:20:00+08:00 / write it like 14:20")?;
    Ok(latest_at(now, hours, minutes))
}

fn two(digits: &str, below: i64) -> Option<i64> {
    let is_number = matches!(digits.len(), 1 | 2) && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|number| is_number && *number < below)
}

/// The last moment not after `now` at which the town's clocks showed this.
fn latest_at(now: i64, hours: i64, minutes: i64) -> i64 {
    const DAY_MS: i64 = 24 * 60 * 60_000;
    let offset = i64::from(UTC_OFFSET_MINUTES) * 60_000;
    let at = (now + offset).div_euclid(DAY_MS) * DAY_MS - offset + (hours * 60 + minutes) * 60_000;
    if at > now { at - DAY_MS } else { at }
}

const ORDERS: [(&str, &str); 9] = [
    ("/number", "编号 number"),
    ("/team", "队伍 team"),
    ("/person", "人员 person"),
    ("/status", "状态 status"),
    ("/conveyed_by", "传达方式 conveyed by"),
    ("/conveyed_ms", "传达时间 conveyed at"),
    ("/sent_ms", "派遣 sent"),
    ("/task", "任务 task"),
    ("/case", "案卷 case"),
];

impl OrderCommand {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        match self {
            Self::List(args) => {
                let mut query = vec![
                    ("team", args.team),
                    ("status", args.status.map(|status| status.to_string())),
                    ("region", args.region.map(|region| region.to_string())),
                ];
                query.extend(args.page.query());
                context.output.result(&client.fetch("/v1/orders", &query)?, |listed| table(listed, &ORDERS));
            }
            Self::Convey(args) => {
                let ConveyArgs { number, actor, means, speaker, to, at, read_back } = args;
                let conveying = json!({
                    "means": means,
                    "speaker": speaker.unwrap_or_else(|| actor.person().to_owned()),
                    "to": to,
                    "at_ms": at.unwrap_or_else(|| crate::engine::now().cast_signed()),
                    "read_back": read_back.is_some(),
                    "words": read_back.filter(|words| !words.is_empty()),
                });
                act(
                    context,
                    &client,
                    number,
                    &actor,
                    |order| json!({ "convey": { "order": order, "conveying": conveying } }),
                )?;
            }
            Self::Sheet(args) => args.run(context, &client)?,
            Self::Assign(AssignArgs { number, actor, person }) => {
                act(
                    context,
                    &client,
                    number,
                    &actor,
                    |order| json!({ "assign": { "order": order, "person": person } }),
                )?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Does something about the order of this number.
fn act(
    context: &Context,
    client: &Client,
    number: SpokenNumber,
    actor: &ActorArgs,
    action: impl FnOnce(Value) -> Value,
) -> Result<(), Failure> {
    let order = client.fetch(&format!("/v1/orders/{number}"), &[])?;
    let named = json!({ "event": order["event"], "index": order["index"] });
    let body = json!({ "actor": actor.json(), "action": action(named) });
    let case = order["case"].as_str().unwrap_or_default();
    context.output.result(&client.post(&format!("/v1/cases/{case}/actions"), &body)?, recorded);
    Ok(())
}

#[derive(Debug, Args)]
pub(super) struct HandoverArgs {
    /// 区划代码 / only of this region
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
}

impl HandoverArgs {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        let query = [("region", self.region.map(|region| region.to_string()))];
        context.output.result(&client.fetch("/v1/handover", &query)?, shown);
        Ok(ExitCode::SUCCESS)
    }
}

/// Each part under its title.
fn shown(handover: &Value) -> String {
    let cases = [
        ("/number", "编号 number"),
        ("/region", "村居 region"),
        ("/state", "状态 state"),
        ("/due_ms", "时限 due"),
        ("/place", "地点 place"),
        ("/description", "情况 description"),
    ];
    let mut waiting = ORDERS.to_vec();
    waiting.push(("/undelivered", "未送达 not delivered to"));
    let parts = [
        ("red", "超期 past their deadline", cases.as_slice()),
        ("yellow", "将到期 soon past it", cases.as_slice()),
        ("supervised", "督办待回复 supervision waits for a reply", cases.as_slice()),
        ("open", "在办 open", cases.as_slice()),
        ("under_way", "处置中的派遣单 orders under way", ORDERS.as_slice()),
        ("unacknowledged", "未签收的派遣单 orders that nobody acknowledged", waiting.as_slice()),
    ];
    let part = |(name, title, columns): &(&str, &str, &[(&str, &str)])| {
        let listed = &handover[name];
        let count = listed["rows"].as_array().map_or(0, Vec::len);
        let more = if listed["next"].is_string() { "+" } else { "" };
        let rows = if count == 0 { String::new() } else { table(listed, columns) };
        format!("{title}: {count}{more}\n{rows}")
    };
    parts.iter().map(part).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_time_of_day_is_the_last_one() {
        // 2026-06-01 08:00 at UTC+8.
        const MONDAY_8: i64 = 1_780_272_000_000;
        assert_eq!(latest_at(MONDAY_8, 8, 0), MONDAY_8);
        assert_eq!(latest_at(MONDAY_8, 7, 30), MONDAY_8 - 30 * 60_000);
        assert_eq!(latest_at(MONDAY_8, 8, 1), MONDAY_8 - (24 * 60 - 1) * 60_000, "that is still to come");
        assert_eq!(told_at("2026-06-01T08:00:00+08:00"), Ok(MONDAY_8));
        for wrong in ["", "8", "24:00", "8:60", "-8:00", "08:000", "now"] {
            assert!(told_at(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_part_has_its_title_and_says_when_there_is_more() {
        let order = json!({ "number": "7K3", "team": "xf-1", "undelivered": ["village-2"] });
        let handover =
            json!({ "red": { "rows": [{ "number": "9XQ" }], "next": "x" }, "unacknowledged": { "rows": [order] } });
        let text = shown(&handover);
        assert!(text.contains("past their deadline: 1+") && text.contains("soon past it: 0\n"), "{text}");
        assert!(text.contains("9XQ") && text.contains("village-2"), "{text}");
    }
}
