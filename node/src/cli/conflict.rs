//! `conflict`: the inbox of what people have to settle: list, show, settle, list what was settled, undo.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::role::Role;
use townmesh_crdt::id::{ConflictId, DocumentId};

use super::client::Client;
use super::household::PageArgs;
use super::output::{fields, moment, recorded};
use super::{Context, Done};

#[derive(Debug, Subcommand)]
pub(super) enum ConflictCommand {
    /// 列出待裁定的冲突 / list what is to be settled
    List(ListArgs),
    /// 查看一项冲突 / show one
    Show {
        /// 冲突编号 / its id
        id: ConflictId,
        /// 写明理由则不打码 / personal data in clear, for this reason
        #[arg(long, value_name = "REASON")]
        reveal: Option<String>,
    },
    /// 裁定一项冲突 / settle one, as it was seen
    Settle(SettleArgs),
    /// 列出已裁定的 / list what was settled, the latest first
    Settled(SettledArgs),
    /// 撤销一项裁定 / take a settlement back
    Undo(UndoArgs),
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// 区划代码 / in this region
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
    /// 类型：field、duplicate_resident、duplicate_dispatch…… / of this kind
    #[arg(long)]
    kind: Option<String>,
    /// 户或案卷的编号 / in this document
    #[arg(long, value_name = "ID")]
    document: Option<DocumentId>,
    #[command(flatten)]
    page: PageArgs,
    /// 写明理由则不打码 / personal data in clear, for this reason
    #[arg(long, value_name = "REASON")]
    reveal: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct SettledArgs {
    /// 区划代码 / in this region
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
    /// 户或案卷的编号 / in this document
    #[arg(long, value_name = "ID")]
    document: Option<DocumentId>,
    #[command(flatten)]
    page: PageArgs,
    /// 写明理由则不打码 / personal data in clear, for this reason
    #[arg(long, value_name = "REASON")]
    reveal: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct UndoArgs {
    /// 裁定编号 / id of the settlement
    id: ConflictId,
    /// 撤销人编号（案卷必填） / code of who takes it back; for cases
    #[arg(long, requires = "role")]
    by: Option<String>,
    /// 以何种角色（案卷必填） / in which role; for cases
    #[arg(long, requires = "by")]
    role: Option<Role>,
    /// 附言 / words beside it
    #[arg(long, requires = "by")]
    note: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct SettleArgs {
    /// 冲突编号 / id of the conflict
    id: ConflictId,
    /// 所见的版次，列在冲突旁 / the revision that stands beside it, as it was seen
    #[arg(long)]
    revision: String,
    /// 处理方式，列在冲突旁：keep、value、merge、distinct、keep_both、settle、acknowledge、restate、reopen / one of the actions beside it
    #[arg(long)]
    action: String,
    /// 所选一方的编号 / number of the side chosen
    #[arg(long)]
    side: Option<usize>,
    /// 要填的值；留空则清除 / another value; empty clears
    #[arg(long)]
    value: Option<String>,
    /// 要撤销的任务：派遣事件:序号，可多次给出 / an order to call off, as EVENT:INDEX, repeatable
    #[arg(long, value_name = "EVENT:INDEX", value_parser = order)]
    call_off: Vec<Value>,
    /// 裁定人编号（案卷与办理流程必填） / code of who settles; for cases and their rules
    #[arg(long, requires = "role")]
    by: Option<String>,
    /// 以何种角色（案卷与办理流程必填） / in which role; for cases and their rules
    #[arg(long, requires = "by")]
    role: Option<Role>,
    /// 附言 / words beside it
    #[arg(long, requires = "by")]
    note: Option<String>,
}

fn order(text: &str) -> Result<Value, String> {
    let parts = text.rsplit_once(':').and_then(|(event, index)| Some((event, index.parse::<u8>().ok()?)));
    let (event, index) = parts.ok_or("请写成 派遣事件:序号 / write EVENT:INDEX")?;
    Ok(json!({ "event": event, "index": index }))
}

impl SettleArgs {
    fn json(self) -> Value {
        let mut body = json!({ "revision": self.revision, "action": self.action, "call_off": self.call_off });
        if let Some(side) = self.side {
            body["side"] = side.into();
        }
        if let Some(value) = self.value {
            body["value"] = if value.is_empty() { Value::Null } else { value.into() };
        }
        name_actor(&mut body, self.by, self.role, self.note);
        body
    }
}

impl UndoArgs {
    fn json(self) -> Value {
        let mut body = json!({});
        name_actor(&mut body, self.by, self.role, self.note);
        body
    }
}

fn name_actor(body: &mut Value, by: Option<String>, role: Option<Role>, note: Option<String>) {
    if let (Some(by), Some(role)) = (by, role) {
        body["actor"] = json!({ "by": by, "role": role, "note": note });
    }
}

impl ConflictCommand {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        match self {
            Self::List(args) => {
                let mut query = vec![
                    ("region", args.region.map(|region| region.to_string())),
                    ("kind", args.kind),
                    ("document", args.document.map(|document| document.to_string())),
                    ("reveal", args.reveal),
                ];
                query.extend(args.page.query());
                context.output.result(&client.fetch("/v1/conflicts", &query)?, |listed| listing(listed, conflict));
            }
            Self::Show { id, reveal } => {
                let shown = client.fetch(&format!("/v1/conflicts/{id}"), &[("reveal", reveal)])?;
                context.output.result(&shown, conflict);
            }
            Self::Settle(args) => {
                let path = format!("/v1/conflicts/{}/settle", args.id);
                context.output.result(&client.post(&path, &args.json())?, recorded);
            }
            Self::Settled(args) => {
                let mut query = vec![
                    ("region", args.region.map(|region| region.to_string())),
                    ("document", args.document.map(|document| document.to_string())),
                    ("reveal", args.reveal),
                ];
                query.extend(args.page.query());
                let listed = client.fetch("/v1/conflicts/settled", &query)?;
                context.output.result(&listed, |listed| listing(listed, settlement));
            }
            Self::Undo(args) => {
                let path = format!("/v1/conflicts/settled/{}/undo", args.id);
                let done = client.post(&path, &args.json())?;
                context.output.result(&done, |done| {
                    format!("已撤销 / undone\n{}", fields(done.get("value").unwrap_or(&Value::Null)))
                });
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn listing(listed: &Value, one: impl Fn(&Value) -> String) -> String {
    let rows = listed.get("rows").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut text: String = rows.iter().map(|row| one(row) + "\n").collect();
    if rows.is_empty() {
        text += "没有 / none\n";
    }
    if let Some(next) = listed.get("next").and_then(Value::as_str) {
        text += &format!("… --after {next}\n");
    }
    text
}

fn word<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// What it is about, its sides, and how it may be settled.
fn conflict(row: &Value) -> String {
    let mut text = format!("{} --revision {}\n{}", word(row, "id"), word(row, "revision"), about(row));
    list(row, "sides").iter().for_each(|one| text += &side(one));
    for action in list(row, "actions") {
        text += &format!(
            "  --action {}\t{} / {}",
            word(action, "action"),
            word(action, "chinese"),
            word(action, "english")
        );
        let roles: Vec<&str> =
            action["needs"]["role"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if !roles.is_empty() {
            text += &format!("（{}）", roles.join(", "));
        }
        text += "\n";
    }
    text
}

fn settlement(row: &Value) -> String {
    let mut text = format!("{}\n{}", word(row, "id"), about(row));
    let choice = &row["choice"];
    text += &format!("  → {} / {}{}\n", word(choice, "chinese"), word(choice, "english"), speakers(choice));
    list(row, "sides").iter().for_each(|one| text += &side(one));
    let (stands, undoable) = (row["stands"] == true, row["undoable"] == true);
    text += match (stands, undoable) {
        (true, true) => "  可撤销 / may be undone\n",
        (true, false) => "  有效，不可撤销 / stands, cannot be undone\n",
        (false, _) => "  已被更改或撤销 / changed or undone since\n",
    };
    text
}

fn about(row: &Value) -> String {
    let place = [word(row, "region"), word(row, "place"), word(row, "number")];
    let place: Vec<&str> = place.into_iter().filter(|part| !part.is_empty()).collect();
    format!("  {} / {}  {}\n", word(row, "chinese"), word(row, "english"), place.join(" "))
}

fn side(side: &Value) -> String {
    let orders = list(side, "orders").iter().map(|sent| {
        let order = &sent["order"];
        format!("\n     {}  {}:{}", word(sent, "team"), word(order, "event"), order["index"])
    });
    let stands = if side["stands"] == true { "" } else { "（未生效 / not in effect）" };
    format!(
        "  {}. {} / {}{}{stands}{}\n",
        side["side"],
        word(side, "chinese"),
        word(side, "english"),
        speakers(side),
        orders.collect::<String>()
    )
}

/// Who says so, and when.
fn speakers(side: &Value) -> String {
    let said = list(side, "said").iter().map(|said| {
        let at = said.get("at_ms").and_then(Value::as_i64).map(moment).unwrap_or_default();
        let who = [word(said, "name"), word(said, "by")].into_iter().filter(|part| !part.is_empty());
        format!("  [{} {at}]", who.collect::<Vec<_>>().join(" "))
    });
    said.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_is_shown_with_its_sides_and_what_may_be_done() {
        let row = json!({
            "id": "ab", "revision": "12", "chinese": "重复派遣", "english": "duplicate dispatch", "region": "110115005001",
            "place": "村口", "number": null,
            "sides": [{ "side": 1, "chinese": "派遣：北队", "english": "dispatch: 北队", "stands": true,
                "said": [{ "name": "langfa", "by": "pqy-1", "at_ms": 1_763_900_000_000_i64 }],
                "orders": [{ "team": "北队", "order": { "event": "e1", "index": 0 } }] }],
            "actions": [{ "action": "keep", "chinese": "采用", "english": "keep", "needs": { "role": ["dispatcher"] } }],
        });
        let shown = conflict(&row);
        for part in [
            "ab --revision 12",
            "重复派遣 / duplicate dispatch",
            "[langfa pqy-1 2025-11-23 20:13]",
            "e1:0",
            "（dispatcher）",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert_eq!(listing(&json!({ "rows": [] }), conflict), "没有 / none\n");
    }

    #[test]
    fn an_order_and_a_value_are_read_as_they_are_written() {
        assert_eq!(order("ab:3"), Ok(json!({ "event": "ab", "index": 3 })));
        assert!(["ab", "ab:", "ab:300", ":"].into_iter().all(|wrong| order(wrong).is_err()));
        let args = |value: &str| SettleArgs {
            id: ConflictId([0; 16]),
            revision: "12".into(),
            action: "value".into(),
            side: None,
            value: Some(value.into()),
            call_off: vec![],
            by: None,
            role: None,
            note: None,
        };
        for (written, expected) in [("shop", json!("shop")), ("5", json!("5")), ("", Value::Null)] {
            assert_eq!(args(written).json()["value"], expected);
        }
        assert_eq!(args("5").json().get("actor"), None);
    }
}
