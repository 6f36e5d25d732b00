//! `/metrics`: the node in Prometheus' text format. Names and labels stay as they are; new ones may be added.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::{Api, status};

struct Page(String);

impl Page {
    /// One metric: help, type, and a line for each combination of labels.
    fn metric<'a>(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        lines: impl IntoIterator<Item = (Vec<(&'a str, &'a str)>, u64)>,
    ) {
        let mut lines = lines.into_iter().peekable();
        if lines.peek().is_none() {
            return;
        }
        let _ = writeln!(self.0, "# HELP townmesh_{name} {help}\n# TYPE townmesh_{name} {kind}");
        for (labels, value) in lines {
            let labels: Vec<String> =
                labels.into_iter().map(|(label, value)| format!("{label}=\"{}\"", escape(value))).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let _ = writeln!(self.0, "townmesh_{name}{labels} {value}");
        }
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.metric(name, kind, help, [(vec![], value)]);
    }
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The node's numbers.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "monitoring",
    summary = "指标（Prometheus）/ numbers for Prometheus",
    responses(
        (status = 200, description = "指标 / numbers", body = String, content_type = "text/plain")
    )
)]
pub(super) async fn metrics(State(api): State<Api>) -> impl IntoResponse {
    let status = status::current(&api);
    let mut page = Page(String::new());
    let about = vec![
        ("node", status.node.as_str()),
        ("name", &status.name),
        ("role", &status.role),
        ("version", status.version),
    ];
    page.metric("info", "gauge", "The node.", [(about, 1)]);
    page.one("entries", "gauge", "Entries held.", status.entries);
    page.one("unfolded_entries", "gauge", "Entries held that the documents do not hold yet.", status.unfolded);
    page.one(
        "disk_low",
        "gauge",
        "1 while imports and photos are refused for want of room on the disk.",
        u64::from(status.disk_low),
    );
    page.one("view_lag", "gauge", "Document changes that the views do not show yet.", status.view_lag);
    page.one(
        "views_failed",
        "gauge",
        "1 when the views could not be written.",
        u64::from(api.engine().views().has_failed()),
    );
    page.one("store_failed", "gauge", "1 when a write failed and nothing is recorded.", u64::from(status.failed));
    page.one("forked_logs", "gauge", "Logs of authors that wrote two histories.", status.forked_logs as u64);
    page.one(
        "double_redemptions",
        "gauge",
        "Invites that more than one node redeemed.",
        status.double_redemptions as u64,
    );
    page.one("peers", "gauge", "Connected peers.", status.peers.len() as u64);
    let peers = |value: fn(&crate::engine::PeerStatus) -> u64| {
        status
            .peers
            .iter()
            .map(move |peer| (vec![("peer", peer.name.as_str()), ("node", peer.node.as_str())], value(peer)))
    };
    page.metric("peer_equal", "gauge", "1 when both hold the same.", peers(|peer| u64::from(peer.equal)));
    page.metric(
        "peer_entries_received",
        "gauge",
        "Entries received in this session.",
        peers(|peer| peer.entries_received),
    );
    page.metric("peer_entries_sent", "gauge", "Entries sent in this session.", peers(|peer| peer.entries_sent));
    page.metric(
        "peer_bytes_received",
        "gauge",
        "Bytes of entries received in this session.",
        peers(|peer| peer.bytes_received),
    );
    page.metric("peer_bytes_sent", "gauge", "Bytes of entries sent in this session.", peers(|peer| peer.bytes_sent));
    let namespaces = status
        .namespaces
        .iter()
        .map(|one| (vec![("namespace", one.name.as_str()), ("access", one.access)], one.entries));
    page.metric("namespace_entries", "gauge", "Entries held of a namespace.", namespaces);
    let heard =
        status.heard.iter().map(|one| (vec![("peer", one.name.as_str()), ("node", one.node.as_str())], one.at / 1000));
    page.metric("last_heard_seconds", "gauge", "When a node last said what it holds, in seconds since 1970.", heard);
    let answers = api.bounds().answers().map(|(class, count)| (vec![("class", class)], count));
    page.metric("http_answers_total", "counter", "Answers of the API by class of status.", answers);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page.0)
}
