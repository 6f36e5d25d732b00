//! `delivery`: which nodes have a document or have heard of a decision, and what waits for each node; 75 while something
//! waits. `removals`: what was removed from the town.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;
use townmesh_crdt::domain::tables::TableKind;
use townmesh_crdt::id::{CertificateId, DocumentId, RecordId};

use super::client::Client;
use super::output::table;
use super::{Context, Done, NOT_SYNCED};

#[derive(Debug, Args)]
pub(super) struct DeliveryArgs {
    /// 住户、案卷等的编号；都不给则列出各节点待收数量 / id of a household, case…; without any, what waits for each node
    document: Option<DocumentId>,
    /// 码表 / a table of the town
    #[arg(long, conflicts_with = "document")]
    table: Option<TableKind>,
    /// 办理流程版本的编号 / id of an edition of the rules of cases
    #[arg(long, value_name = "ID", conflicts_with_all = ["document", "table"])]
    edition: Option<RecordId>,
    /// 注销：证书编号，见 removals / a removal, by its certificate: see removals
    #[arg(long, value_name = "CERTIFICATE", conflicts_with_all = ["document", "table", "edition"])]
    removal: Option<CertificateId>,
}

impl DeliveryArgs {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        let query = [
            ("document", self.document.map(|document| document.to_string())),
            ("table", self.table.map(|table| table.to_string())),
            ("edition", self.edition.map(|edition| edition.to_string())),
            ("removal", self.removal.map(|removal| removal.to_string())),
        ];
        let is_one = query.iter().any(|(_, named)| named.is_some());
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

/// `removals`: what was removed from the town, and who has not heard of it; 75 while somebody has not.
#[derive(Debug, Args)]
pub(super) struct RemovalsArgs {}

impl RemovalsArgs {
    pub(super) fn run(self, context: &Context) -> Done {
        let listed = Client::of(&context.config.data_dir)?.fetch("/v1/removals", &[])?;
        let columns = [
            ("/name", "名称 name"),
            ("/kind", "种类 kind"),
            ("/at_ms", "时间 at"),
            ("/by", "登记节点 by"),
            ("/heard", "已获知 heard"),
            ("/not_heard", "未获知 not heard"),
            ("/certificate", "证书 certificate"),
        ];
        context.output.result(&listed, |listed| table(listed, &columns));
        Ok(if waits(&listed) { ExitCode::from(NOT_SYNCED) } else { ExitCode::SUCCESS })
    }
}

/// Whether a node did not say that it has something, or has heard of it.
fn waits(listed: &Value) -> bool {
    let mut rows = listed.get("rows").and_then(Value::as_array).into_iter().flatten();
    rows.any(|row| {
        row.get("delivered") == Some(&Value::Bool(false))
            || row.get("waiting").and_then(Value::as_u64).unwrap_or(0) > 0
            || row.get("not_heard").and_then(Value::as_array).is_some_and(|nodes| !nodes.is_empty())
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
            (json!({ "not_heard": [] }), false),
            (json!({ "not_heard": ["vehicle"] }), true),
        ] {
            assert_eq!(waits(&json!({ "rows": [row] })), expected, "{row}");
        }
    }
}
