//! `staffing`, `campaign`, `response`, `escalations`: how the town is organised, and how that goes.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::role::Role;

use super::analysis::ScopeArgs;
use super::assessment::sentence;
use super::client::Client;
use super::output::{moment, table};
use super::{Context, Done};
use crate::http::escaped;

#[derive(Debug, Args)]
pub(super) struct StaffingArgs {
    #[command(flatten)]
    scope: ScopeArgs,
}

#[derive(Debug, Args)]
pub(super) struct CampaignArgs {
    /// 行动编号 / its code
    code: String,
    /// 只列已走访或未走访的 / only places that were, or were not visited
    #[arg(long, value_name = "BOOL")]
    visited: Option<bool>,
}

#[derive(Debug, Args)]
pub(super) struct ResponseArgs {
    /// 响应编号 / its code
    code: String,
}

#[derive(Debug, Args)]
pub(super) struct EscalationArgs {
    /// 区划代码 / only in this region
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
    /// 只列提醒该岗位的 / only what this role is told
    #[arg(long)]
    role: Option<Role>,
}

fn told(context: &Context, path: &str, query: &[(&str, Option<String>)], shown: fn(&Value) -> String) -> Done {
    let answer = Client::of(&context.config.data_dir)?.fetch(path, query)?;
    context.output.result(&answer, |answer| shown(answer) + &sentence(&answer["completeness"]));
    Ok(ExitCode::SUCCESS)
}

impl StaffingArgs {
    pub(super) fn run(self, context: &Context) -> Done {
        told(context, "/v1/staffing", &self.scope.query(), staffing)
    }
}

impl CampaignArgs {
    pub(super) fn run(self, context: &Context) -> Done {
        let query = [("visited", self.visited.map(|visited| visited.to_string()))];
        told(context, &format!("/v1/campaigns/{}", escaped(&self.code)), &query, campaign)
    }
}

impl ResponseArgs {
    pub(super) fn run(self, context: &Context) -> Done {
        told(context, &format!("/v1/responses/{}", escaped(&self.code)), &[], response)
    }
}

impl EscalationArgs {
    pub(super) fn run(self, context: &Context) -> Done {
        let region = self.region.map(|region| region.to_string());
        let query = [("region", region), ("role", self.role.map(|role| role.to_string()))];
        told(context, "/v1/escalations", &query, escalations)
    }
}

fn staffing(answer: &Value) -> String {
    let posts = [
        ("/region", "村居 region"),
        ("/post", "岗位 post"),
        ("/required", "编制 required"),
        ("/filled", "在岗 filled"),
        ("/missing", "缺额 missing"),
    ];
    let people = [
        ("/member", "人员 member"),
        ("/name", "姓名 name"),
        ("/post", "岗位 post"),
        ("/shifts", "班次 shifts"),
        ("/attended", "到岗 attended"),
        ("/missed", "缺勤 missed"),
        ("/late", "迟到 late"),
        ("/left_early", "早退 left early"),
        ("/planned_minutes", "应勤（分） planned minutes"),
        ("/minutes", "实勤（分） minutes"),
        ("/metres", "巡查（米） metres"),
        ("/orders", "办结派遣单 orders done"),
        ("/order_minutes", "用时中位（分） minutes each"),
    ];
    let undefined = answer["undefined"].as_array().map(Vec::as_slice).unwrap_or_default();
    let undefined: Vec<&str> = undefined.iter().filter_map(Value::as_str).collect();
    let undefined = match undefined.is_empty() {
        true => String::new(),
        false => format!("码表中没有的岗位 / posts that the table does not have: {}\n", undefined.join("、")),
    };
    format!(
        "{}{undefined}\n{}",
        table(&json!({ "rows": answer["posts"] }), &posts),
        table(&json!({ "rows": answer["people"] }), &people)
    )
}

fn campaign(answer: &Value) -> String {
    let worklist = [
        ("/kind", "类型 kind"),
        ("/region", "村居 region"),
        ("/name", "门牌号或单位 place"),
        ("/number", "户序号 household"),
        ("/visited_ms", "走访时间 visited"),
        ("/document", "编号 document"),
    ];
    let musts =
        [("/words/0", "必须 must"), ("/found", "发现 found"), ("/done", "完成 done"), ("/overdue", "逾期 overdue")];
    let cases = &answer["cases"];
    let count = |name: &str| cases[name].as_u64().map_or_else(|| "—".to_owned(), |count| count.to_string());
    let compared = match cases.is_null() {
        true => String::new(),
        false => format!(
            "案件（每 {} 天） / cases in {} days: 前 before {}，期间 during {}，后 after {}\n",
            cases["days"],
            cases["days"],
            count("before"),
            count("during"),
            count("after")
        ),
    };
    let percent = answer["visited_percent"].as_f64().map_or_else(|| "—".to_owned(), |percent| percent.to_string());
    let unclear = match answer["grid_unclear"] == true {
        true => "网格未绘制或重名，无法列出走访对象 / its grid is not drawn, or there are several of this code\n",
        false => "",
    };
    format!(
        "{unclear}{}：走访 {}/{} 处（{} %），发现隐患 {}，已消除 {} / visited {} of {} places, {} hazards found, {} closed\n{compared}{}\n{}",
        answer["campaign"]["name"].as_str().unwrap_or_default(),
        answer["visited"],
        answer["places"],
        percent,
        answer["hazards"],
        answer["hazards_closed"],
        answer["visited"],
        answer["places"],
        answer["hazards"],
        answer["hazards_closed"],
        table(&json!({ "rows": answer["findings"] }), &musts),
        table(&json!({ "rows": answer["worklist"] }), &worklist),
    )
}

fn response(answer: &Value) -> String {
    let calls = [
        ("/to", "接收人 to"),
        ("/name", "姓名 name"),
        ("/phone", "电话 phone"),
        ("/message", "指令 message"),
        ("/sent_ms", "发出 sent"),
        ("/means", "方式 means"),
        ("/acknowledged_ms", "确认 acknowledged"),
    ];
    let steps = answer["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    let step = |step: &Value| {
        let due = step["due_ms"].as_i64().map_or_else(String::new, |due| format!("，{} 前 / by then", moment(due)));
        let late = if step["is_late"] == true { "，已超时 / late" } else { "" };
        let state = match step["state"].as_str() {
            Some("open") => "未通知 / nobody told",
            Some("told") => "待确认 / to be acknowledged",
            Some(_) | None => "已确认 / acknowledged",
        };
        let what = step["what"].as_str().unwrap_or_default();
        let has_calls = step["calls"].as_array().is_some_and(|calls| !calls.is_empty());
        let called = if has_calls { table(&json!({ "rows": step["calls"] }), &calls) } else { String::new() };
        format!("{}. {what}：{state}{due}{late}\n{called}", step["step"])
    };
    let shown: String = steps.iter().map(step).collect();
    format!("{shown}未确认的指令 / messages not acknowledged: {}\n", answer["unacknowledged"])
}

fn escalations(answer: &Value) -> String {
    let columns = [
        ("/number", "编号 number"),
        ("/region", "村居 region"),
        ("/category", "类别 category"),
        ("/severity", "严重程度 severity"),
        ("/due_ms", "时限 due"),
        ("/used_percent", "已用% used"),
        ("/percent", "级别% step"),
        ("/role", "提醒 told"),
        ("/team", "队伍 team"),
    ];
    table(answer, &columns)
}
