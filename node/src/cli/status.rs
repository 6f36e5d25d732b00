//! `status`: how the running node is; 75 while it is not fully synced.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::Value;

use super::client::Client;
use super::output::{fields, table};
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

/// Nothing waits here, and every node in reach holds the same; a town of one node is always synced.
fn is_synced(status: &Value) -> bool {
    let waits = |name: &str| status.get(name).and_then(Value::as_u64).unwrap_or(0) > 0;
    let heard = status.get("heard").and_then(Value::as_array).into_iter().flatten();
    let has_others = heard.into_iter().any(|heard| heard.get("node") != status.get("node"));
    let all_equal = peers(status).all(|peer| peer.get("equal") == Some(&Value::Bool(true)));
    let is_alone = peers(status).next().is_none();
    let is_cut_off = is_alone && has_others;
    all_equal && !is_cut_off && !waits("unfolded") && !waits("view_lag")
}

fn text(status: &Value) -> String {
    let mut about = status.clone();
    let mut tables = String::new();
    if let Some(parts) = about.as_object_mut() {
        for (name, title, columns) in [
            (
                "peers",
                "邻居 / peers",
                [("/name", "name"), ("/path", "path"), ("/equal", "equal"), ("/entries_received", "received")],
            ),
            (
                "namespaces",
                "数据区 / namespaces",
                [("/name", "name"), ("/access", "access"), ("/entries", "entries"), ("/digest", "digest")],
            ),
        ] {
            let rows = parts.remove(name).unwrap_or_default();
            tables += &format!("\n{title}\n{}", table(&serde_json::json!({ "rows": rows }), &columns));
        }
    }
    fields(&about) + &tables
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn synced_means_that_nothing_waits_and_everybody_in_reach_is_equal() {
        let status = |unfolded: u64, lag: u64, peers: &[bool], heard: &[&str]| {
            let peers: Vec<Value> = peers.iter().map(|equal| json!({ "equal": equal })).collect();
            let heard: Vec<Value> = heard.iter().map(|node| json!({ "node": node })).collect();
            json!({ "node": "a", "unfolded": unfolded, "view_lag": lag, "peers": peers, "heard": heard })
        };
        assert!(is_synced(&status(0, 0, &[true, true], &["a", "b"])));
        assert!(is_synced(&status(0, 0, &[], &["a"])), "alone in the town");
        assert!(!is_synced(&status(0, 0, &[], &["a", "b"])), "cut off from b");
        assert!(!is_synced(&status(1, 0, &[true], &[])));
        assert!(!is_synced(&status(0, 1, &[true], &[])));
        assert!(!is_synced(&status(0, 0, &[true, false], &[])));
    }
}
