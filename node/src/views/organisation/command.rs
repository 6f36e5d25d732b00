//! Where a response stands: each step of its plan, whom it calls, and who knows.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use townmesh_crdt::domain::books::{BookKind, Message, Response};
use townmesh_crdt::domain::columns::List;
use townmesh_crdt::domain::key::normalise;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::role::Role;
use townmesh_crdt::domain::tables::{PlanStepRow, Tables};

use super::super::analysis::cut;
use super::super::books::BookFilter;
use super::super::query::{Query, json};
use super::super::reader::{QueryError, Reader};

/// Most people that one step names.
const MOST: usize = 200;
const MINUTE_MS: i64 = 60_000;

/// Where a step of a response stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// Nobody was told yet.
    Open,
    /// Somebody was told; others whom it names were not, or not everybody has acknowledged.
    Told,
    /// Everybody whom it names was told, and has acknowledged.
    Acknowledged,
}

/// Whom a step calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Callee {
    /// A member's or a team's code.
    pub to: String,
    /// What they are called.
    pub name: Option<String>,
    /// Work phone, or that of the team's desk.
    pub phone: Option<String>,
    /// The message that told them, where there is one.
    pub message: Option<String>,
    /// When it was sent, in milliseconds since 1970.
    pub sent_ms: Option<i64>,
    /// By which means.
    pub means: Option<String>,
    /// When it was acknowledged.
    pub acknowledged_ms: Option<i64>,
}

/// A command message that nobody has acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct OpenMessage {
    /// Its code.
    pub code: String,
    /// To whom: a member's or a team's code.
    pub to: String,
    /// What is ordered or told.
    pub text: Option<String>,
    /// When it was sent, in milliseconds since 1970.
    pub sent_ms: Option<i64>,
    /// By whom: a member's code.
    pub by: Option<String>,
    /// By which means.
    pub means: Option<String>,
    /// The response that it belongs to: its code.
    pub response: Option<String>,
    /// Number of the order that it passes on.
    pub order: Option<String>,
}

/// A step of a plan in a response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct CallStep {
    /// Which, from 1.
    pub step: u16,
    /// What is done.
    pub what: String,
    /// In English.
    pub english: Option<String>,
    /// In which role somebody does it.
    pub by: Role,
    /// By which means, the first one first.
    pub means: Vec<String>,
    /// By when, in milliseconds since 1970.
    pub due_ms: Option<i64>,
    /// Where it stands.
    pub state: StepState,
    /// It stands open beyond that moment.
    pub is_late: bool,
    /// Whom it calls; those who were told first.
    pub calls: Vec<Callee>,
    /// How many of them nobody has told.
    pub untold: u64,
    /// There are more than are named.
    pub truncated: bool,
}

/// Where a response stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ResponseState {
    /// The response as the book has it.
    pub response: Response,
    /// Whether it is over.
    pub is_closed: bool,
    /// The steps of its plan, in their order; none where the tables have no such plan.
    pub steps: Vec<CallStep>,
    /// Messages of the response that belong to no step.
    pub others: u64,
    /// Messages that nobody has acknowledged.
    pub unacknowledged: u64,
}

#[derive(Clone)]
struct Contact {
    code: String,
    name: Option<String>,
    phone: Option<String>,
    region: Option<RegionCode>,
    roles: BTreeSet<String>,
}

impl Reader {
    /// Where a response stands; `None` if there is none of this code.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn response(&self, code: &str, now_ms: i64, tables: &Tables) -> Result<Option<ResponseState>, QueryError> {
        self.at_once(|| {
            let Some(response) = self.by_code::<Response>(BookKind::Response, code)? else { return Ok(None) };
            let filter = BookFilter { refers: response.code.clone(), ..BookFilter::of(BookKind::Message) };
            let messages: Vec<Message> = self.typed(&filter)?;
            let contacts = self.contacts()?;
            let mut rows: Vec<PlanStepRow> =
                tables.typed::<PlanStepRow>().filter(|row| row.plan == response.plan).collect();
            rows.sort_by_key(|row| row.step);
            let known: BTreeSet<u16> = rows.iter().filter_map(|row| row.step).collect();
            let steps = rows.into_iter().filter_map(|row| step(row, &response, &messages, &contacts, now_ms));
            let others = messages.iter().filter(|message| message.step.is_none_or(|step| !known.contains(&step)));
            Ok(Some(ResponseState {
                is_closed: is_closed(&response),
                others: others.count() as u64,
                unacknowledged: messages.iter().filter(|message| message.acknowledged.is_none()).count() as u64,
                steps: steps.collect(),
                response,
            }))
        })
    }

    /// Command messages that nobody has acknowledged, those sent first first, and whether there are more.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn unacknowledged_messages(&self, limit: usize) -> Result<(Vec<OpenMessage>, bool), QueryError> {
        let mut messages: Vec<Message> = self.typed(&BookFilter::of(BookKind::Message))?;
        messages.retain(|message| message.acknowledged.is_none());
        messages.sort_by(|one, other| {
            one.sent.cmp(&other.sent).then(one.code.cmp(&other.code)).then(one.to.cmp(&other.to))
        });
        let truncated = cut(&mut messages, limit);
        let open = |message: Message| OpenMessage {
            code: message.code.unwrap_or_default(),
            to: message.to.unwrap_or_default(),
            text: message.text.map(|text| text.0),
            sent_ms: message.sent.map(|sent| sent.0),
            by: message.by,
            means: message.means.map(|means| means.to_string()),
            response: message.response,
            order: message.order,
        };
        Ok((messages.into_iter().map(open).collect(), truncated))
    }

    /// Members who have not left and teams that were not dissolved, by code.
    fn contacts(&self) -> Result<BTreeMap<String, Contact>, QueryError> {
        let mut contacts = BTreeMap::new();
        let teams = "code, name, phone, region FROM team WHERE retired = 0";
        for contact in Query::default().all(&self.connection, teams, "", |row| contact(row, BTreeSet::new()))? {
            contacts.insert(normalise(&contact.code), contact);
        }
        let members = "code, name, phone, region, roles FROM member WHERE retired = 0";
        let members = Query::default().all(&self.connection, members, "", |row| {
            let roles = serde_json::from_value(json(row, "roles")?).unwrap_or_default();
            contact(row, roles)
        })?;
        // A member and a team of one code: the person is meant.
        contacts.extend(members.into_iter().map(|contact| (normalise(&contact.code), contact)));
        Ok(contacts)
    }
}

fn contact(row: &rusqlite::Row<'_>, roles: BTreeSet<String>) -> rusqlite::Result<Contact> {
    let region: Option<String> = row.get("region")?;
    let region = region.and_then(|code| code.parse().ok());
    Ok(Contact { code: row.get("code")?, name: row.get("name")?, phone: row.get("phone")?, region, roles })
}

pub(super) fn is_closed(response: &Response) -> bool {
    response.closed.is_some() || response.retired == Some(true)
}

fn step(
    row: PlanStepRow,
    response: &Response,
    messages: &[Message],
    contacts: &BTreeMap<String, Contact>,
    now_ms: i64,
) -> Option<CallStep> {
    let (number, what, by) = (row.step?, row.what.clone()?, row.by?);
    let told: Vec<&Message> = messages.iter().filter(|message| message.step == Some(number)).collect();
    let mut calls = calls(&row, response, &told, contacts);
    let untold = calls.iter().filter(|call| call.message.is_none()).count() as u64;
    let truncated = cut(&mut calls, MOST);
    let state = match (told.is_empty(), told.iter().all(|message| message.acknowledged.is_some())) {
        (true, _) => StepState::Open,
        (false, true) if untold == 0 => StepState::Acknowledged,
        (false, _) => StepState::Told,
    };
    let due_ms =
        row.within.zip(response.opened).map(|(within, opened)| opened.0.saturating_add(i64::from(within) * MINUTE_MS));
    let is_open = !is_closed(response) && state != StepState::Acknowledged;
    let means = row.means.as_ref().map(|List(means)| means.iter().map(ToString::to_string).collect());
    Some(CallStep {
        step: number,
        what,
        by,
        means: means.unwrap_or_default(),
        is_late: is_open && due_ms.is_some_and(|due| due < now_ms),
        due_ms,
        state,
        calls,
        untold,
        truncated,
        english: row.english,
    })
}

/// Those who were told, then those whom the step names and nobody has told.
fn calls(
    row: &PlanStepRow,
    response: &Response,
    told: &[&Message],
    contacts: &BTreeMap<String, Contact>,
) -> Vec<Callee> {
    let mut calls: Vec<Callee> = told.iter().filter_map(|message| told_by(message, contacts)).collect();
    calls.sort_by(|one, other| one.sent_ms.cmp(&other.sent_ms).then(one.to.cmp(&other.to)));
    let is_named = |contact: &&Contact| {
        let is_near = match (response.region, contact.region) {
            (Some(at), Some(own)) => at.is_within(own) || own.is_within(at),
            (Some(_) | None, Some(_) | None) => true,
        };
        let code = Some(normalise(&contact.code));
        let has_role = row.role.is_some_and(|role| contact.roles.contains(&role.to_string()) && is_near);
        has_role || row.team.as_deref().map(normalise) == code || row.member.as_deref().map(normalise) == code
    };
    let is_told = |code: &str| told.iter().any(|message| message.to.as_deref().map(normalise).as_deref() == Some(code));
    let open =
        contacts.values().filter(is_named).filter(|contact| !is_told(&normalise(&contact.code))).map(|contact| {
            Callee {
                to: contact.code.clone(),
                name: contact.name.clone(),
                phone: contact.phone.clone(),
                message: None,
                sent_ms: None,
                means: None,
                acknowledged_ms: None,
            }
        });
    calls.extend(open);
    calls
}

fn told_by(message: &Message, contacts: &BTreeMap<String, Contact>) -> Option<Callee> {
    let to = message.to.clone()?;
    let known = contacts.get(&normalise(&to));
    Some(Callee {
        name: known.and_then(|one| one.name.clone()),
        phone: known.and_then(|one| one.phone.clone()),
        message: message.code.clone(),
        sent_ms: message.sent.map(|sent| sent.0),
        means: message.means.map(|means| means.to_string()),
        acknowledged_ms: message.acknowledged.map(|time| time.0),
        to,
    })
}
