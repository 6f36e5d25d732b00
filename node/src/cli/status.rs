//! `status`: how the running node is; 75 while it is not fully synced.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use super::client::Client;
use super::output::{fields, table, with_times};
use super::{Context, Done, NOT_SYNCED};

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// 等待同步完成的秒数 / seconds to wait until it is fully synced
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u64,
}

impl StatusArgs {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        let until = Instant::now() + Duration::from_secs(self.wait.min(24 * 3600));
        let bar = context.output.bar(None, "同步 / syncing");
        let status = loop {
            let status = client.fetch("/v1/status", &[])?;
            if is_synced(&status) || Instant::now() >= until {
                break status;
            }
            let received = peers(&status).filter_map(|peer| peer.get("entries_received")?.as_u64()).sum();
            bar.set_position(received);
            std::thread::sleep(Duration::from_millis(200));
        };
        bar.finish_and_clear();
        context.output.result(&status, text);
        Ok(if is_synced(&status) { ExitCode::SUCCESS } else { ExitCode::from(NOT_SYNCED) })
    }
}

fn peers(status: &Value) -> impl Iterator<Item = &Value> {
    status.get("peers").and_then(Value::as_array).into_iter().flatten()
}

fn is_synced(status: &Value) -> bool {
    status.get("synced") == Some(&Value::Bool(true))
}

fn text(status: &Value) -> String {
    let mut about = status.clone();
    let mut take = |name: &str| about.as_object_mut().and_then(|parts| parts.remove(name)).unwrap_or_default();
    let (peers, heard, namespaces) = (take("peers"), take("heard"), take("namespaces"));
    let (held, empty) = held(&namespaces);
    let tables = [
        (
            "邻居 / peers",
            peers,
            [("/name", "name"), ("/path", "path"), ("/equal", "equal"), ("/entries_received", "received")].as_slice(),
        ),
        ("最近听到的节点 / nodes heard of", with_times(heard, "at"), &[("/name", "name"), ("/at", "last heard")]),
        (
            "数据区 / namespaces",
            held,
            &[("/name", "name"), ("/access", "access"), ("/entries", "entries"), ("/digest", "digest")],
        ),
    ];
    let tables = tables.map(|(title, rows, columns)| {
        let rows = rows.as_array().is_some_and(|rows| !rows.is_empty()).then(|| json!({ "rows": rows }));
        rows.map(|rows| format!("\n{title}\n{}", table(&rows, columns))).unwrap_or_default()
    });
    let empty =
        if empty == 0 { String::new() } else { format!("另有 {empty} 个空数据区 / and {empty} empty ones\n") };
    fields(&about) + &tables.concat() + &empty
}

/// The namespaces that hold something, by name, and how many hold nothing.
fn held(namespaces: &Value) -> (Value, usize) {
    let all = namespaces.as_array().map(Vec::as_slice).unwrap_or_default();
    let is_held = |one: &&Value| one.get("entries").and_then(Value::as_u64).unwrap_or(0) > 0;
    let mut held: Vec<Value> = all.iter().filter(is_held).cloned().collect();
    held.sort_by_key(|one| one.get("name").and_then(Value::as_str).map(str::to_owned));
    let empty = all.len() - held.len();
    (held.into(), empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_what_is_held_and_when_others_were_heard() {
        let space =
            |name: &str, entries: u64| json!({ "name": name, "access": "hold", "entries": entries, "digest": "d" });
        let heard = json!([{ "node": "a", "name": "center", "at": 1_795_627_082_245_u64 }]);
        let status = json!({ "name": "langfa", "heard": heard, "peers": [],
            "namespaces": [space("town", 1), space("registry/1", 0), space("auth", 3)] });
        let text = text(&status);
        assert!(text.contains("center\t2026-11-26 01:18"), "{text}");
        assert!(text.find("auth\thold").is_some_and(|auth| Some(auth) < text.find("town\thold")), "{text}");
        assert!(text.ends_with("另有 1 个空数据区 / and 1 empty ones\n") && !text.contains("registry/1"), "{text}");
    }
}
