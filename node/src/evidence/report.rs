//! `report.html`: the life of a case for people. It follows from `case.json` alone.

use serde_json::Value;

use crate::moment::in_town;
use crate::paper::{escape, label, page, row};

/// The report of a case; `case` is what [`to_json`](super::CaseFile::to_json) gives.
pub fn report(case: &Value) -> String {
    let number = text(case, "/number");
    let title = format!("案卷证据 {number}");
    let mut body = format!(
        "<h1>{}</h1>\n<div class=\"number\">{}</div>\n",
        label("案卷证据报告", "evidence of a case"),
        escape(&number)
    );
    body += &facts(case);
    body += &orders(case);
    body += &events(case);
    body += &photos(case);
    body += &how_to_check(case);
    page(&title, &body)
}

/// A value as people read it; a time where the name says so.
fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) if pointer.ends_with("_ms") => number.as_i64().map(in_town).unwrap_or_default(),
        Some(Value::Bool(true)) => "是 / yes".into(),
        Some(Value::Bool(false)) => "否 / no".into(),
        Some(other) => other.to_string(),
    }
}

fn list<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn facts(case: &Value) -> String {
    let of = |name: &str| text(case, &format!("/summary/{name}"));
    let position = match (case.pointer("/summary/position/lat"), case.pointer("/summary/position/lon")) {
        (Some(lat), Some(lon)) => format!("{lat}, {lon}"),
        (_, _) => String::new(),
    };
    let limit = match case.pointer("/summary/limit_minutes").and_then(Value::as_u64) {
        Some(minutes) => format!("{minutes} 分钟 / minutes（{}）", of("limit_clock_zh")),
        None => String::new(),
    };
    let reporters: Vec<String> = list(case, "/reporters").map(reporter).collect();
    let rows = [
        ("状态", "state", of("state_zh")),
        ("村居", "region", of("region")),
        ("来源", "source", of("source_zh")),
        ("类别", "category", of("category")),
        ("程度", "severity", of("severity_zh")),
        ("地点", "place", of("place")),
        ("坐标", "position", position),
        ("情况", "what is wrong", of("description")),
        ("上报人", "reported by", of("reported_by")),
        ("上报时间", "reported", of("reported_ms")),
        ("反映人", "who told of it", reporters.join("\n")),
        ("立案时间", "filed", of("filed_ms")),
        ("时限", "limit", limit),
        ("延期", "extension, minutes", of("extension_minutes")),
        ("到期", "due", text(case, "/due_ms")),
        ("处置完成", "handled", of("handled_ms")),
        ("结案", "closed", of("closed_ms")),
    ];
    let rows: String =
        rows.iter().filter(|(.., text)| !text.is_empty()).map(|(zh, en, text)| row(zh, en, text)).collect();
    format!("<table class=\"facts\">\n{rows}</table>\n")
}

fn reporter(reporter: &Value) -> String {
    let parts = ["/data/name", "/data/phone", "/data/id_number"].map(|pointer| text(reporter, pointer));
    let known: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    if known.is_empty() { text(reporter, "/state") } else { known.join(" ") }
}

/// A table with a header; cells are escaped, each row may have a class.
fn table(header: &[(&str, &str)], rows: impl Iterator<Item = (&'static str, Vec<String>)>) -> String {
    let head: String = header.iter().map(|(zh, en)| format!("<th>{}</th>", label(zh, en))).collect();
    let rows: String = rows
        .map(|(class, cells)| {
            let cells: String = cells.iter().map(|cell| format!("<td>{}</td>", escape(cell))).collect();
            format!("<tr class=\"{class}\">{cells}</tr>\n")
        })
        .collect();
    format!("<table class=\"list\">\n<tr>{head}</tr>\n{rows}</table>\n")
}

fn section(zh: &str, en: &str, content: &str) -> String {
    format!("<h2>{}</h2>\n{content}", label(zh, en))
}

fn orders(case: &Value) -> String {
    let header = [
        ("编号", "number"),
        ("队伍", "team"),
        ("任务", "task"),
        ("人员", "person"),
        ("派出", "sent"),
        ("传达", "conveyed"),
        ("状态", "status"),
        ("结果", "result"),
    ];
    let rows: Vec<_> = list(case, "/orders")
        .map(|order| {
            let told: Vec<String> = list(order, "/conveyed").map(told).collect();
            let sent = order.pointer("/sent_at").and_then(Value::as_i64).map(in_town).unwrap_or_default();
            let cells = ["/number", "/team", "/task", "/person/person"].map(|pointer| text(order, pointer));
            let rest = [sent, told.join("\n"), text(order, "/status_zh"), text(order, "/result")];
            ("", cells.into_iter().chain(rest).collect())
        })
        .collect();
    if rows.is_empty() { String::new() } else { section("派遣单", "orders", &table(&header, rows.into_iter())) }
}

/// How an order was handed on.
fn told(told: &Value) -> String {
    let means = text(told, "/means")
        .parse()
        .map_or_else(|_| String::new(), |means: townmesh_crdt::domain::case::Means| means.chinese().to_owned());
    let read_back = if told.pointer("/read_back") == Some(&Value::Bool(true)) { "已复述" } else { "未复述" };
    format!(
        "{} {means} {}→{} {read_back} {}",
        text(told, "/at_ms"),
        text(told, "/speaker"),
        text(told, "/to"),
        text(told, "/words")
    )
}

fn events(case: &Value) -> String {
    let header = [
        ("时间", "time"),
        ("操作", "step"),
        ("人员与角色", "by, role"),
        ("内容", "what"),
        ("效力", "effect"),
        ("案卷状态", "state"),
        ("记录节点与证明", "node, proof"),
    ];
    let rows = list(case, "/events").map(|event| {
        let has_effect = matches!(text(event, "/effect").as_str(), "applied" | "applied_late");
        let proof = match text(event, "/proof") {
            entry if entry.is_empty() => format!("未单独证明 / not proved by itself: {}", text(event, "/unproved")),
            entry => entry.chars().take(16).collect(),
        };
        let cells = vec![
            text(event, "/time_ms"),
            format!("{}\n{}", text(event, "/step_zh"), text(event, "/step_en")),
            format!("{}\n{}", text(event, "/by"), text(event, "/role_zh")),
            what(event),
            format!("{}\n{}", text(event, "/effect_zh"), text(event, "/effect_en")),
            text(event, "/state_zh"),
            format!("{}\n{proof}", text(event, "/author_name")),
        ];
        (if has_effect { "" } else { "void" }, cells)
    });
    section("全部记录", "every event", &table(&header, rows))
}

/// The texts of an action, without what only programs need, and the note beside it.
fn what(event: &Value) -> String {
    let mut lines = Vec::new();
    if let Some(Value::Object(action)) = event.pointer("/action") {
        action.values().for_each(|fields| gather(fields, &mut lines));
    }
    let note = text(event, "/note");
    lines.extend((!note.is_empty()).then(|| format!("附言 / note: {note}")));
    lines.join("\n")
}

/// Names whose values are of no use to a reader: ids, sealed bytes.
const LEFT_OUT: [&str; 8] = ["order", "event", "request", "question", "claim", "supervision", "reporter", "between"];

fn gather(fields: &Value, lines: &mut Vec<String>) {
    let Value::Object(fields) = fields else { return };
    for (name, value) in fields {
        match value {
            Value::Null => {}
            Value::String(text) if !text.is_empty() && (!LEFT_OUT.contains(&name.as_str()) || !is_id(text)) => {
                lines.push(format!("{}: {text}", called(name)));
            }
            Value::Number(number) if name.ends_with("_ms") => {
                lines.push(format!("{}: {}", called(name), number.as_i64().map(in_town).unwrap_or_default()));
            }
            Value::Bool(yes) => lines.push(format!("{}: {}", called(name), if *yes { "是" } else { "否" })),
            Value::Number(_) => lines.push(format!("{}: {value}", called(name))),
            Value::Array(values) => {
                for value in values {
                    match value {
                        Value::Object(_) => gather(value, lines),
                        Value::String(text) => lines.push(format!("{}: {text}", called(name))),
                        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {}
                    }
                }
            }
            Value::Object(_) if !LEFT_OUT.contains(&name.as_str()) => gather(value, lines),
            Value::String(_) | Value::Object(_) => {}
        }
    }
}

/// What people call the fields of actions; others keep their name.
const CALLED: [(&str, &str); 32] = [
    ("answer", "答复"),
    ("at_ms", "时间"),
    ("category", "类别"),
    ("cause", "原因"),
    ("clock", "计时"),
    ("demand", "督办要求"),
    ("description", "情况"),
    ("device", "设备"),
    ("finding", "核查意见"),
    ("found", "属实"),
    ("lat", "纬度"),
    ("lead", "牵头序号"),
    ("lon", "经度"),
    ("means", "方式"),
    ("minutes", "分钟"),
    ("passed", "通过"),
    ("person", "人员"),
    ("photos", "照片"),
    ("place", "地点"),
    ("read_back", "已复述"),
    ("reason", "理由"),
    ("region", "村居"),
    ("result", "结果"),
    ("satisfaction", "满意度"),
    ("severity", "程度"),
    ("solved", "已解决"),
    ("source", "来源"),
    ("speaker", "传达人"),
    ("summary", "小结"),
    ("task", "任务"),
    ("team", "队伍"),
    ("to", "接收人"),
];

fn called(name: &str) -> &str {
    CALLED.iter().find(|(known, _)| *known == name).map_or(name, |(_, chinese)| chinese)
}

fn is_id(text: &str) -> bool {
    text.len() >= 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn photos(case: &Value) -> String {
    let figures: String = list(case, "/photos")
        .map(|photo| {
            let (hash, file) = (escape(&text(photo, "/hash")), text(photo, "/file"));
            let shown = match file.as_str() {
                "" => escape(&text(photo, "/absent")),
                file => format!("<img src=\"{0}\" alt=\"\">{0}", escape(file)),
            };
            format!("<figure>{shown}<figcaption class=\"mono\">{hash}</figcaption></figure>\n")
        })
        .collect();
    if figures.is_empty() {
        figures
    } else {
        section("照片", "photos", &format!("<div class=\"photos\">{figures}</div>\n"))
    }
}

fn how_to_check(case: &Value) -> String {
    let masked = if case.pointer("/masked") == Some(&Value::Bool(true)) {
        "<p>个人信息已打码，照片未附。 <small>Personal data is masked, and photos are left out.</small></p>\n"
    } else {
        ""
    };
    let check = "<p>核验：<span class=\"mono\">townmesh verify 文件.zip --town 本镇公钥</span>。\
        同目录的 manifest.json 写明作者签名证明什么、仅由导出节点担保什么。\n\
        <small>To check the pack: townmesh verify FILE.zip --town PUBLIC_KEY. manifest.json beside this report says what the \
        authors' signatures prove, and what only the exporting node vouches for.</small></p>\n";
    section("如何核验", "how to check this", &format!("{masked}{check}"))
}
