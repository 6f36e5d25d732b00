//! What clerks, crews and devices of the model town do, each through the API of the node that they work at. Whatever is
//! acknowledged is written down before anything else happens.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use serde_json::{Map, Value, json};

use super::acknowledged::{Acknowledgement, Acknowledgements};
use super::town::{Running, Town};

/// Somebody who works at a node.
#[derive(Debug, Clone, Copy)]
pub struct Desk<'a> {
    /// The node.
    pub node: &'a Running,
    /// Where acknowledgements are written down.
    pub list: &'a Acknowledgements,
}

/// A document: where it lies and which it is.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Its namespace.
    pub namespace: String,
    /// Its id.
    pub document: String,
}

/// The desk at a node.
///
/// # Errors
/// When there is no such node.
pub fn desk<'a>(town: &'a Town, list: &'a Acknowledgements, node: &str) -> anyhow::Result<Desk<'a>> {
    Ok(Desk { node: town.node(node)?, list })
}

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

impl Desk<'_> {
    /// Posts something to be recorded, and reads what it was recorded as.
    fn record(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let answer: Value = self.node.api.post(path, body)?;
        answer.get("value").cloned().with_context(|| format!("POST {path} was answered without a value: {answer}"))
    }

    fn acknowledge(&self, kind: &str, recorded: &Recorded, rest: Acknowledgement) -> anyhow::Result<()> {
        let known = Acknowledgement {
            node: self.node.plan.name.to_owned(),
            kind: kind.to_owned(),
            namespace: recorded.namespace.clone(),
            document: Some(recorded.document.clone()),
            ..rest
        };
        Ok(self.list.write(known)?)
    }

    /// Imports a ledger, of which each household is a document of its region's registry.
    ///
    /// # Errors
    /// When the node does not acknowledge it.
    pub fn import(&self, region: &str, ledger: &[u8], households: usize) -> anyhow::Result<()> {
        let lines = self.node.api.send_for_lines("/v1/import", "text/csv", ledger)?;
        let last = lines.last().unwrap_or(&Value::Null);
        let done = last.get("done").with_context(|| format!("the import did not come to its end: {last}"))?;
        let created = done.get("created").and_then(Value::as_u64);
        ensure!(created == Some(households as u64), "{households} generated households were to be imported: {done}");
        Ok(self.list.write(Acknowledgement {
            node: self.node.plan.name.to_owned(),
            kind: "import".to_owned(),
            namespace: format!("registry/{region}"),
            documents: Some(households),
            ..Acknowledgement::default()
        })?)
    }

    /// Writes a remark about a household, found by its door; returns the household.
    ///
    /// # Errors
    /// When the node does not acknowledge it.
    pub fn note(&self, region: &str, address: &str, note: &str) -> anyhow::Result<Recorded> {
        let household = json!({ "region": region, "address": address, "note": note });
        let value = self.record("/v1/households", &json!({ "household": household, "residents": [] }))?;
        let recorded = Recorded { namespace: format!("registry/{region}"), document: text(&value, "document")? };
        let rest =
            Acknowledgement { field: Some("note".to_owned()), value: Some(note.into()), ..Acknowledgement::default() };
        self.acknowledge("household", &recorded, rest)?;
        Ok(recorded)
    }

    /// Inspects a household.
    ///
    /// # Errors
    /// When the node does not acknowledge it.
    pub fn inspect(&self, household: &Recorded, answers: &Value, note: &str) -> anyhow::Result<()> {
        let value = self.record(
            "/v1/inspections",
            &json!({
                "household": household.document, "by": self.node.plan.name, "time_ms": now_ms(), "checklist": 2,
                "answers": answers, "note": note,
            }),
        )?;
        let recorded = Recorded { namespace: household.namespace.clone(), document: text(&value, "document")? };
        let record = Some(text(&value, "inspection")?);
        self.acknowledge("inspection", &recorded, Acknowledgement { record, ..Acknowledgement::default() })
    }

    /// Reports a case.
    ///
    /// # Errors
    /// When the node does not acknowledge it.
    pub fn report(&self, region: &str, description: &str) -> anyhow::Result<Recorded> {
        let report = json!({ "source": "patrol", "place": "村口", "description": description, "region": region });
        let body = json!({ "actor": self.actor("inspector"), "region": region, "report": report });
        let value = self.record("/v1/cases", &body)?;
        let recorded = Recorded { namespace: text(&value, "namespace")?, document: text(&value, "document")? };
        self.acknowledge("case", &recorded, Acknowledgement::default())?;
        Ok(recorded)
    }

    /// Does something to a case.
    ///
    /// # Errors
    /// When the node does not acknowledge it.
    pub fn act(&self, case: &Recorded, role: &str, action: &Value) -> anyhow::Result<()> {
        let body = json!({ "actor": self.actor(role), "action": action });
        let value = self.record(&format!("/v1/cases/{}/actions", case.document), &body)?;
        let record = Some(text(&value, "event")?);
        self.acknowledge("case event", case, Acknowledgement { record, ..Acknowledgement::default() })
    }

    /// Several people work at one desk: nobody judges their own work.
    fn actor(&self, role: &str) -> Value {
        json!({ "by": format!("{}-{role}", self.node.plan.name), "role": role })
    }

    /// Takes readings of one device in.
    ///
    /// # Errors
    /// When the node does not acknowledge it.
    pub fn readings(&self, region: &str, device: &str, values: &[u32]) -> anyhow::Result<()> {
        let start = now_ms();
        let event = |(value, place): (&u32, i64)| {
            let fields = json!({
                "device": device, "time_ms": start + place, "kind": "pm10", "key": "time",
                "value": { "number": value.to_string() }, "alarm": *value > 150,
            });
            fields.as_object().cloned().unwrap_or_default()
        };
        let events: Vec<Map<String, Value>> = values.iter().zip(0..).map(event).collect();
        let value = self.record("/v1/events", &json!({ "region": region, "events": events }))?;
        let stored = value.get("stored").and_then(Value::as_u64);
        ensure!(stored == Some(events.len() as u64), "{} readings were to be stored: {value}", events.len());
        for contains in events {
            self.list.write(Acknowledgement {
                node: self.node.plan.name.to_owned(),
                kind: "device event".to_owned(),
                namespace: format!("events/{region}/{}", month_of(start)),
                contains: Some(contains),
                ..Acknowledgement::default()
            })?;
        }
        Ok(())
    }
}

fn text(value: &Value, key: &str) -> anyhow::Result<String> {
    let text = value.get(key).and_then(Value::as_str);
    text.map(str::to_owned).with_context(|| format!("the answer says no {key}: {value}"))
}

/// The month of a time, by local time.
pub fn month_of(time_ms: i64) -> String {
    let day = townmesh_crdt::domain::date::Day::of_time(time_ms, townmesh_crdt::command::UTC_OFFSET_MINUTES);
    let (year, month, _) = day.calendar();
    format!("{year:04}-{month:02}")
}
