//! What others have done before a story begins: cases that have come so far, through those whose work it is.

use serde_json::{Value, json};

use super::story::{Person, Story};

/// Those at the desks of one node.
pub(super) struct Desks<'a> {
    pub(super) inspector: Person<'a>,
    pub(super) intake: Person<'a>,
    pub(super) duty_head: Person<'a>,
    pub(super) dispatcher: Person<'a>,
    pub(super) handler: Person<'a>,
}

impl<'a> Desks<'a> {
    pub(super) fn at(story: &Story<'a>, node: &str) -> anyhow::Result<Self> {
        Ok(Self {
            inspector: story.person(node, "xcy-9", "inspector")?,
            intake: story.person(node, "sly-9", "intake_clerk")?,
            duty_head: story.person(node, "zb-9", "duty_head")?,
            dispatcher: story.person(node, "pq-9", "dispatcher")?,
            handler: story.person(node, "cz-9", "handler")?,
        })
    }

    /// A case that patrol reported.
    pub(super) fn reported(&self, region: &str, place: &str) -> anyhow::Result<String> {
        self.inspector.reports(region, place, "路边有暴露垃圾")
    }

    /// And intake accepted.
    pub(super) fn accepted(&self, region: &str, place: &str) -> anyhow::Result<String> {
        let case = self.reported(region, place)?;
        self.intake.does(&case, json!("accept"))?;
        Ok(case)
    }

    /// And the duty head filed, with the limit of the table.
    pub(super) fn filed(&self, region: &str, place: &str) -> anyhow::Result<String> {
        let case = self.accepted(region, place)?;
        self.duty_head.does(&case, file("exposed_rubbish", "general"))?;
        Ok(case)
    }

    /// And the dispatcher sent to teams, of which the first leads; the case and the event.
    pub(super) fn dispatched(&self, region: &str, place: &str, teams: &[&str]) -> anyhow::Result<(String, String)> {
        let case = self.filed(region, place)?;
        let event = self.dispatcher.does(&case, dispatch(teams))?;
        Ok((case, event))
    }

    /// And one team did, and said so.
    pub(super) fn handled(&self, region: &str, place: &str) -> anyhow::Result<String> {
        let (case, event) = self.dispatched(region, place, &["hw-1"])?;
        self.handler.does(&case, done(&event, 0, "已清运"))?;
        self.handler.does(&case, lead_close("hw-1"))?;
        Ok(case)
    }

    /// And an inspector verified and the duty head closed.
    pub(super) fn closed(&self, region: &str, place: &str) -> anyhow::Result<String> {
        let case = self.handled(region, place)?;
        self.inspector.does(&case, verify(true))?;
        self.duty_head.does(&case, json!("close"))?;
        Ok(case)
    }
}

/// Fixes category and severity, with the limit that the town's table has.
pub(super) fn file(category: &str, severity: &str) -> Value {
    json!({ "file": { "category": category, "severity": severity } })
}

/// Orders to teams, of which the first leads.
pub(super) fn dispatch(teams: &[&str]) -> Value {
    json!({ "dispatch": { "orders": orders(teams), "lead": 0 } })
}

/// What several teams are asked to do.
pub(super) fn orders(teams: &[&str]) -> Vec<Value> {
    teams.iter().map(|team| json!({ "team": team, "task": "到场清理" })).collect()
}

/// One of the orders of an event, by its place.
pub(super) fn order(event: &str, index: u8) -> Value {
    json!({ "event": event, "index": index })
}

pub(super) fn acknowledge(event: &str, index: u8) -> Value {
    json!({ "acknowledge": { "order": order(event, index) } })
}

pub(super) fn report_in(event: &str, index: u8) -> Value {
    json!({ "report_in": { "order": order(event, index) } })
}

pub(super) fn done(event: &str, index: u8, result: &str) -> Value {
    json!({ "order_done": { "order": order(event, index), "result": result, "photos": [] } })
}

pub(super) fn lead_close(team: &str) -> Value {
    json!({ "lead_close": { "team": team, "summary": "全部办结" } })
}

pub(super) fn verify(passed: bool) -> Value {
    json!({ "verify": { "passed": passed, "finding": if passed { "已清理干净" } else { "仍有垃圾" }, "photos": [] } })
}
