//! `map`: a layer of the map as a GeoJSON file. `changes`: what becomes new on this node, as it happens.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};
use serde_json::{Value, json};
use townmesh_crdt::domain::region::RegionCode;

use super::client::{Client, write_new};
use super::output::fields;
use super::{Context, Done, Failure};
use crate::data_dir::FileError;
use crate::message::Message;
use crate::views::{Collection, MAX_FEATURES};

#[derive(Debug, Args)]
pub(super) struct MapArgs {
    /// 图层 / which layer
    #[arg(value_parser = layers())]
    layer: String,
    /// 区划代码 / only in this region
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
    /// 范围：西,南,东,北（度） / only in this box: west,south,east,north in degrees
    #[arg(long, value_name = "BOX", allow_hyphen_values = true)]
    bbox: Option<String>,
    /// 时刻或时段 / only then: a moment or an interval, such as 2026-11-01T00:00:00+08:00/..
    #[arg(long, value_name = "TIME")]
    datetime: Option<String>,
    /// 理由，留痕；轨迹须有 / why, which is noted; tracks need it
    #[arg(long, value_name = "REASON", required_if_eq("layer", "tracks"))]
    reason: Option<String>,
    /// 目标文件 / file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

fn layers() -> PossibleValuesParser {
    let layer = |collection: Collection| {
        let (chinese, english) = collection.title();
        PossibleValue::new(collection.name()).help(format!("{chinese} / {english}"))
    };
    let units = PossibleValue::new("units").help("力量位置 / last positions of units");
    let tracks = PossibleValue::new("tracks").help("轨迹，须说明理由 / where units were, for a stated reason");
    PossibleValuesParser::new(Collection::ALL.into_iter().map(layer).chain([units, tracks]))
}

impl MapArgs {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        let path = format!("/ogc/collections/{}/items", self.layer);
        let query = [
            ("region", self.region.map(|region| region.to_string())),
            ("bbox", self.bbox),
            ("datetime", self.datetime),
            ("reason", self.reason),
            ("limit", Some(MAX_FEATURES.to_string())),
        ];
        // Before the file: what is refused must not leave one.
        let first = client.fetch(&path, &query)?;
        let count = write_new(&self.out, |file| copy(&client, first, file, &self.out))?;
        let result = json!({ "map": self.out, "layer": self.layer, "features": count });
        context.output.result(&result, |value| format!("已导出 / exported\n{}", fields(value)));
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes one collection of all pages, the first of which is here already; how many features it has.
fn copy(client: &Client, first: Value, file: &mut File, path: &std::path::Path) -> Result<usize, Failure> {
    let failed = || FileError::at(path);
    let mut out = BufWriter::new(file);
    let (mut count, mut page) = (0, first);
    out.write_all(b"{\"type\":\"FeatureCollection\",\"features\":[").map_err(failed())?;
    loop {
        for feature in page["features"].as_array().into_iter().flatten() {
            let separator = if count == 0 { "\n" } else { ",\n" };
            write!(out, "{separator}{feature}").map_err(failed())?;
            count += 1;
        }
        let Some(next) = next_page(&page) else { break };
        page = client.fetch(&next, &[])?;
    }
    out.write_all(b"\n]}\n").and_then(|()| out.flush()).map_err(failed())?;
    Ok(count)
}

/// Path and query of the next page.
fn next_page(page: &Value) -> Option<String> {
    let next = page["links"].as_array()?.iter().find(|link| link["rel"] == "next")?["href"].as_str()?;
    // The node names itself as it was asked; it is asked again in the same way.
    let (_, address) = next.split_once("://")?;
    address.find('/').and_then(|at| address.get(at..)).map(str::to_owned)
}

#[derive(Debug, Args)]
pub(super) struct ChangesArgs {
    /// 只看这些种类，逗号分隔，如 case,household / only these kinds, with commas between them, such as case,household
    #[arg(long)]
    kinds: Option<String>,
    /// 区划代码 / only in this region
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
    /// 从该编号之后继续 / go on after this id
    #[arg(long, value_name = "ID")]
    after: Option<String>,
}

impl ChangesArgs {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        let query =
            [("kinds", self.kinds), ("region", self.region.map(|region| region.to_string())), ("after", self.after)];
        let answer = client.open("/v1/changes", &query)?;
        let (mut event, mut last) = (Value::Null, String::new());
        for line in BufReader::new(answer.into_body().into_reader()).lines() {
            let line = line.map_err(|error| broken_off(&last, "连接中断", &error.to_string()))?;
            match line.split_once(": ") {
                Some(("event", name)) => event["event"] = json!(name),
                Some(("id", id)) => {
                    event["id"] = json!(id);
                    last = id.to_owned();
                }
                Some(("data", data)) => event["data"] = serde_json::from_str(data).unwrap_or_default(),
                _ if line.is_empty() && event["event"].is_string() => {
                    context.output.result(&event, said);
                    event = Value::Null;
                }
                _ => {}
            }
        }
        Err(broken_off(&last, "节点已停止", "the node stopped").into())
    }
}

/// Why following ended, and how to go on.
fn broken_off(last: &str, zh: &str, en: &str) -> Message {
    let message = Message::new("broken_off", format!("跟随结束：{zh}"), format!("following ended: {en}"));
    if last.is_empty() {
        return message.remedy("查看节点日志后重试", "see its log, then try again");
    }
    message.remedy(&format!("从此继续：--after {last}"), &format!("go on with --after {last}"))
}

/// An event on one line.
fn said(event: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let data = &event["data"];
    let what = match event["event"].as_str().unwrap_or_default() {
        "ready" => "开始跟随 / following".to_owned(),
        "anew" => {
            "此前的变化已不可知，请重新载入 / what was missed is not known any longer: read everything again".to_owned()
        }
        "changed" => {
            format!("更新 changed  {} {} {}", text(&data["kind"]), text(&data["document"]), text(&data["region"]))
        }
        "removed" => {
            format!("移除 removed  {} {} {}", text(&data["kind"]), text(&data["document"]), text(&data["region"]))
        }
        other => other.to_owned(),
    };
    format!("{}  {what}", text(&event["id"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_asked_of_the_same_node() {
        let page = json!({ "links": [{ "rel": "self", "href": "http://a/b" }, { "rel": "next", "href": "http://127.0.0.1:1/ogc/x?after=%3D" }] });
        assert_eq!(next_page(&page).as_deref(), Some("/ogc/x?after=%3D"));
        assert_eq!(next_page(&json!({ "links": [{ "rel": "self", "href": "http://a/b" }] })), None);
        assert_eq!(next_page(&json!({})), None);
    }

    #[test]
    fn every_event_has_a_line() {
        let data = json!({ "kind": "case", "document": "ab", "region": "110115005001" });
        let line = said(&json!({ "event": "changed", "id": "1-2", "data": data }));
        assert_eq!(line, "1-2  更新 changed  case ab 110115005001");
        assert!(said(&json!({ "event": "anew", "id": "1-2" })).contains("read everything again"));
    }
}
