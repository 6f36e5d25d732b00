//! `delivery`: which nodes have a document, and what waits for each node; 75 while something waits.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;
use townmesh_crdt::id::DocumentId;

use super::client::Client;
use super::output::table;
use super::{Context, Done, NOT_SYNCED};

#[derive(Debug, Args)]
pub(super) struct DeliveryArgs {
    /// 住户、案卷等的编号；不给则列出各节点待收数量 / id of a household, case…; without one, what waits for each node
    document: Option<DocumentId>,
}

impl DeliveryArgs {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        let is_one = self.document.is_some();
        let query = [("document", self.document.map(|document| document.to_string()))];
        let listed = client.fetch("/v1/delivery", &query)?;
        let of_one = [
            ("/name", "节点 node"),
            ("/node", "编号 id"),
            ("/access", "权限 access"),
            ("/delivered", "已送达 delivered"),
            ("/reason", "原因 reason"),
            ("/heard_ms", "最后消息 heard"),
        ];
        let of_all = [
            ("/name", "节点 node"),
            ("/node", "编号 id"),
            ("/waiting", "待送达 waiting"),
            ("/reason", "原因 reason"),
            ("/overdue", "逾期未到 overdue"),
            ("/heard_ms", "最后消息 heard"),
        ];
        context.output.result(&listed, |listed| if is_one { table(listed, &of_one) } else { table(listed, &of_all) });
        Ok(if waits(&listed) { ExitCode::from(NOT_SYNCED) } else { ExitCode::SUCCESS })
    }
}

/// Whether a node did not say that it has something.
fn waits(listed: &Value) -> bool {
    let mut rows = listed.get("rows").and_then(Value::as_array).into_iter().flatten();
    rows.any(|row| {
        row.get("delivered") == Some(&Value::Bool(false)) || row.get("waiting").and_then(Value::as_u64).unwrap_or(0) > 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_node_did_not_say_it_has_waits() {
        for (row, expected) in [
            (json!({ "delivered": true }), false),
            (json!({ "delivered": false }), true),
            (json!({ "waiting": 0 }), false),
            (json!({ "waiting": 3 }), true),
        ] {
            assert_eq!(waits(&json!({ "rows": [row] })), expected, "{row}");
        }
    }
}
