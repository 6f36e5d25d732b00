//! `case`: record (report), act, list, show.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use townmesh_crdt::domain::case::{CaseState, Lamp, Severity, Source};
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::role::Role;

use super::assessment::words;
use super::client::Client;
use super::household::PageArgs;
use super::output::{fields, recorded, table};
use super::{Context, Done, FAILED};
use crate::data_dir::FileError;
use crate::http::CaseName;
use crate::moment::Moment;
use crate::views::{CaseSort, CaseWait, SortOrder};

#[derive(Debug, Subcommand)]
pub(super) enum CaseCommand {
    /// 上报问题 / report a problem
    #[command(visible_alias = "report")]
    Record(RecordArgs),
    /// 办理：受理、立案、派遣…… / do something to a case
    Act(ActArgs),
    /// 导入 12345 工单（CSV、XLSX） / import a list of calls to the hotline (CSV, XLSX)
    Import(ImportArgs),
    /// 列出 / list
    List(ListArgs),
    /// 查看案卷及其过程 / show one with its timeline
    Show {
        /// 案卷编号 / its id
        id: CaseName,
        /// 写明理由则反映人不打码 / show in clear who reported it, for this reason
        #[arg(long, value_name = "REASON")]
        reveal: Option<String>,
    },
    /// 与一案疑似重复的案卷；不写编号则列出待受理中疑似重复的 / cases that may be the same problem as one; without its id, reports that may be duplicates
    Similar {
        /// 案卷编号 / its id
        id: Option<CaseName>,
        /// 仅此村居 / only there, where no case is named
        #[arg(long, value_name = "CODE", conflicts_with = "id")]
        region: Option<RegionCode>,
    },
}

/// Who does it.
#[derive(Debug, Args)]
pub(super) struct ActorArgs {
    /// 人员或设备编号 / code of the person or device
    #[arg(long)]
    by: String,
    /// 以何种角色 / in which role
    #[arg(long)]
    role: Role,
    /// 附言 / words beside it
    #[arg(long)]
    note: Option<String>,
}

impl ActorArgs {
    /// Who acts.
    pub(super) fn person(&self) -> &str {
        &self.by
    }

    pub(super) fn json(&self) -> Value {
        json!({ "by": self.by, "role": self.role, "note": self.note })
    }
}

#[derive(Debug, Args)]
pub(super) struct RecordArgs {
    #[command(flatten)]
    actor: ActorArgs,
    /// 村居区划代码 / village or community
    #[arg(long, value_name = "CODE")]
    region: RegionCode,
    /// 来源 / where it comes from: enforcement, patrol, public, video, data
    #[arg(long)]
    source: Source,
    /// 地点 / the place in words
    #[arg(long)]
    place: String,
    /// 情况 / what is wrong
    #[arg(long)]
    description: String,
    /// 建议类别 / category that the reporter suggests
    #[arg(long)]
    category: Option<String>,
    /// 发现时间，如 2026-11-01T08:00:00+08:00 / when the finder saw it
    #[arg(long, value_name = "TIME")]
    found: Option<Moment>,
    /// 反映人姓名 / name of whoever told of it
    #[arg(long, value_name = "NAME")]
    reporter: Option<String>,
    /// 反映人电话，供回访 / their phone, to call back
    #[arg(long, value_name = "PHONE")]
    phone: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ActArgs {
    /// 案卷编号 / id of the case
    id: CaseName,
    #[command(flatten)]
    actor: ActorArgs,
    /// 动作（JSON），如 '"accept"' / the action as JSON, such as '{"refuse":{"reason":"…"}}'
    #[arg(long, value_name = "JSON", value_parser = |text: &str| serde_json::from_str::<Value>(text))]
    action: Value,
}

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// 文件；列名如 工单编号、来电时间、村居、地址、诉求内容、类别、来电人、来电号码 / file
    file: PathBuf,
    /// 没有村居列时的区划代码 / region of rows without one
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// 区划代码 / in this region
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
    /// 状态 / in this state
    #[arg(long)]
    state: Option<CaseState>,
    /// 是否未结 / only open ones, or only the others
    #[arg(long, value_name = "BOOL")]
    open: Option<bool>,
    /// 待办事项 / in which this waits for somebody
    #[arg(long, value_name = "WHAT", value_parser = words(CaseWait::ALL.iter().map(|wait| (wait.name(), wait.words()))))]
    waits: Option<String>,
    /// 席位编号 / that lie on this desk of the command center
    #[arg(long, value_name = "CODE")]
    desk: Option<String>,
    /// 灯：green、yellow、red / with this lamp, of those whose clock runs
    #[arg(long)]
    lamp: Option<Lamp>,
    /// 队伍 / with an order to this team
    #[arg(long)]
    team: Option<String>,
    #[command(flatten)]
    what: CaseArgs,
    /// 文字 / with this text
    #[arg(long)]
    text: Option<String>,
    #[command(flatten)]
    page: PageArgs,
}

/// What of cases lists are filtered and sorted by beside the place, the state and the team.
#[derive(Debug, Args)]
pub(super) struct CaseArgs {
    /// 类别（案卷） / of this category (cases)
    #[arg(long)]
    category: Option<String>,
    /// 来源（案卷） / from this source (cases): enforcement, patrol, public, video, data
    #[arg(long)]
    source: Option<Source>,
    /// 严重程度（案卷） / of this severity (cases): general, serious, urgent
    #[arg(long)]
    severity: Option<Severity>,
    /// 上报的人员或设备（案卷） / reported by this member or device (cases)
    #[arg(long, value_name = "CODE")]
    reporter: Option<String>,
    /// 派给此人，或此人办理过（案卷） / with an order to this member, or something that they did (cases)
    #[arg(long, value_name = "CODE")]
    person: Option<String>,
    /// 排序（案卷），缺省按上报时间 / sorted by this (cases); by when they were reported by default
    #[arg(long, value_parser = words(CaseSort::ALL.iter().map(|sort| (sort.name(), sort.words()))))]
    sort: Option<String>,
    /// 升序或降序（案卷），缺省时限升序、其余降序 / in this order (cases); by default what is due first, else the latest or gravest
    #[arg(long, value_parser = words(SortOrder::ALL.iter().map(|order| (order.name(), order.words()))))]
    order: Option<String>,
}

impl CaseArgs {
    pub(super) fn query(self) -> [(&'static str, Option<String>); 7] {
        [
            ("category", self.category),
            ("source", self.source.map(|source| source.to_string())),
            ("severity", self.severity.map(|severity| severity.to_string())),
            ("reporter", self.reporter),
            ("person", self.person),
            ("sort", self.sort),
            ("order", self.order),
        ]
    }
}

impl CaseCommand {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        match self {
            Self::Record(RecordArgs {
                actor,
                region,
                source,
                place,
                description,
                category,
                found,
                reporter,
                phone,
            }) => {
                let found = found.map(|Moment(millis)| millis);
                let report = json!({ "source": source, "place": place, "description": description, "category": category, "region": region, "found_ms": found });
                let reporter = json!({ "name": reporter.unwrap_or_default(), "phone": phone });
                let body = json!({ "actor": actor.json(), "region": region, "report": report, "reporter": reporter });
                context.output.result(&client.post("/v1/cases", &body)?, recorded);
            }
            Self::Act(ActArgs { id, actor, action }) => {
                let body = json!({ "actor": actor.json(), "action": action });
                let acted = client.post(&format!("/v1/cases/{id}/actions"), &body)?;
                warn(context, &acted);
                context.output.result(&acted, recorded);
            }
            Self::Import(args) => return import(context, &client, &args),
            Self::List(args) => {
                let mut query = vec![
                    ("region", args.region.map(|region| region.to_string())),
                    ("state", args.state.map(|state| state.to_string())),
                    ("open", args.open.map(|open| open.to_string())),
                    ("waits", args.waits),
                    ("desk", args.desk),
                    ("lamp", args.lamp.map(|lamp| lamp.to_string())),
                    ("team", args.team),
                    ("text", args.text),
                ];
                query.extend(args.what.query());
                query.extend(args.page.query());
                let columns = [
                    ("/number", "编号 number"),
                    ("/region", "村居 region"),
                    ("/state", "状态 state"),
                    ("/lamp", "灯 lamp"),
                    ("/due_ms", "时限 due"),
                    ("/place", "地点 place"),
                    ("/description", "情况 description"),
                ];
                context.output.result(&client.fetch("/v1/cases", &query)?, |listed| table(listed, &columns));
            }
            Self::Show { id, reveal } => {
                let shown = client.fetch(&format!("/v1/cases/{id}"), &[("reveal", reveal)])?;
                context.output.result(&shown, fields);
            }
            Self::Similar { id, region } => return similar(context, &client, id, region),
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Codes that are not known on the node.
fn warn(context: &Context, acted: &Value) {
    for warning in acted["value"]["warnings"].as_array().into_iter().flatten() {
        let text = |name: &str| warning[name].as_str().unwrap_or_default();
        let words = [text("message_zh"), text("message_en"), text("remedy")];
        context.output.note(&format!("注意 / note: {}", words.join(" / ")));
    }
}

fn similar(context: &Context, client: &Client, id: Option<CaseName>, region: Option<RegionCode>) -> Done {
    let (path, query, columns) = match id {
        Some(id) => {
            let columns = [
                ("/number", "编号 number"),
                ("/state", "状态 state"),
                ("/alike", "相似处 alike in"),
                ("/metres", "相距(米) metres apart"),
                ("/description", "情况 description"),
            ];
            (format!("/v1/cases/{id}/similar"), vec![], columns)
        }
        None => {
            let columns = [
                ("/number", "编号 number"),
                ("/place", "地点 place"),
                ("/description", "情况 description"),
                ("/similar/0/number", "疑似同 may be"),
                ("/similar/0/alike", "相似处 alike in"),
            ];
            ("/v1/cases/duplicates".to_owned(), vec![("region", region.map(|region| region.to_string()))], columns)
        }
    };
    context.output.result(&client.fetch(&path, &query)?, |listed| table(listed, &columns));
    Ok(ExitCode::SUCCESS)
}

/// Wrong rows that are shown.
const SHOWN: usize = 20;

fn import(context: &Context, client: &Client, args: &ImportArgs) -> Done {
    let file = File::open(&args.file).map_err(FileError::at(&args.file))?;
    let query = [("region", args.region.map(|region| region.to_string()))];
    let mut done = client.upload("/v1/cases/import", &query, file)?;
    let rows = |part: &str| done[part].as_array().cloned().unwrap_or_default();
    let (rejected, warnings) = (rows("rejected"), rows("warnings"));
    for row in rejected.iter().take(SHOWN).chain(warnings.iter().take(SHOWN)) {
        for problem in row["problems"].as_array().into_iter().flatten() {
            let text = |name: &str| problem[name].as_str().unwrap_or_default();
            let (number, column, zh, en) = (&row["row"], text("column"), text("zh"), text("en"));
            context.output.note(&format!("第{number}行 / row {number} {column}: {zh} / {en}"));
        }
    }
    if !context.output.json {
        done["rejected"] = json!(rejected.len());
        done["warnings"] = json!(warnings.len());
    }
    context.output.result(&done, |done| format!("已导入 / imported\n{}", fields(done)));
    // Whatever was right is in, but a script must be able to see that not everything was.
    Ok(if rejected.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}
