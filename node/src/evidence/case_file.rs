//! `case.json`: the events as they were recorded, and all that follows from them.
//!
//! A [`CaseFile`] holds what cannot be derived: the records, what their entries say, and what the exporting node vouches
//! for. [`CaseFile::to_json`] adds what does follow, for people and programs that know nothing of the core; whoever
//! verifies a pack derives it again and compares.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use townmesh_crdt::change::record_id;
use townmesh_crdt::domain::case::{
    Action, BlobHash, Case, CaseEvent, Edition, EditionInput, Effect, FoldInput, LifeCycle, Order, TimelineEntry,
    VoidReason, fold, milliseconds,
};
use townmesh_crdt::domain::number::SpokenNumber;
use townmesh_crdt::id::{CertificateId, DocumentId, EntryId, NodeId, RecordId};

use super::{FORMAT, base64, unbase64};

/// Why an event has no proof of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unproved {
    /// Its entry also says something of other cases, and no reason was stated for opening it.
    SharedEntry,
    /// No signature vouches for its entry here yet.
    Unsigned,
}

/// One event as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Its bytes in base64.
    pub record: String,
    /// When, by its author's hybrid clock; as text, since it has more digits than some programs read.
    pub hybrid_time: String,
    /// The node that signed.
    pub author: NodeId,
    /// That node's name.
    pub author_name: String,
    /// By which right.
    pub certificate: Option<CertificateId>,
    /// Why it could not be written, from what certificates and logs say.
    pub void: Option<VoidReason>,
    /// The entry that carries it.
    pub proof: Option<EntryId>,
    /// Why there is no proof.
    pub unproved: Option<Unproved>,
}

/// A photo that an event names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhotoFact {
    /// BLAKE3 of its bytes, in hexadecimal.
    pub hash: String,
    /// Its name in the pack; `None` where it is not there.
    pub file: Option<String>,
    /// Why it is not there, in Chinese and English.
    pub absent: Option<String>,
}

/// A case to be shown outside the town.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseFile {
    /// [`FORMAT`].
    pub format: u32,
    /// The case.
    pub case: DocumentId,
    /// Its namespace.
    pub namespace: String,
    /// Whether personal data is masked.
    pub masked: bool,
    /// When the limit is reached, in milliseconds since 1970, by the town's calendar.
    pub due_ms: Option<u64>,
    /// Who reported, as the exporting node could open it.
    pub reporters: Vec<Value>,
    /// Photos that events name.
    pub photos: Vec<PhotoFact>,
    /// The rules that the events name, with those that they replaced, as the town published them.
    #[serde(default)]
    pub rules: Vec<RulesFact>,
    /// Every event that the exporting node holds.
    pub events: Vec<Fact>,
}

/// One edition of the rules of cases. That an event was done by it the event says itself, by its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulesFact {
    /// Its bytes in base64.
    pub record: String,
    /// When it was published, as [`Fact::hybrid_time`].
    pub hybrid_time: String,
    /// The node that published it.
    pub author: NodeId,
    /// The document that holds the town's editions.
    pub document: DocumentId,
    /// The entry that carries it; `None` where none proves that a center published it.
    pub proof: Option<EntryId>,
    /// Whether it counts for nothing, from what certificates and logs say.
    pub void: bool,
}

impl RulesFact {
    /// The fact of an edition.
    pub fn new(input: &EditionInput, document: DocumentId) -> Self {
        let (record, hybrid_time) = (base64(&input.bytes), input.time.to_string());
        Self { record, hybrid_time, author: input.author, document, proof: None, void: input.void }
    }

    /// The hash of its bytes; that of nothing where they have not the form of any.
    pub(super) fn id(&self) -> RecordId {
        record_id(&unbase64(&self.record).unwrap_or_default())
    }

    fn input(&self) -> Option<(RecordId, EditionInput)> {
        let bytes = unbase64(&self.record)?;
        let (edition, time) = (Edition::from_bytes(&bytes).ok()?, self.hybrid_time.parse().ok()?);
        Some((record_id(&bytes), EditionInput { edition, bytes, time, author: self.author, void: self.void }))
    }
}

impl Fact {
    /// The bytes of the record.
    pub(super) fn bytes(&self) -> Option<Vec<u8>> {
        unbase64(&self.record)
    }

    /// What the record says.
    pub(super) fn event(&self) -> Option<CaseEvent> {
        CaseEvent::from_bytes(&self.bytes()?).ok()
    }

    /// The record's id; that of nothing where it has not the form of one.
    pub(super) fn id(&self) -> RecordId {
        record_id(&self.bytes().unwrap_or_default())
    }

    pub(super) fn time(&self) -> Option<u64> {
        self.hybrid_time.parse().ok()
    }

    /// The fact of a record.
    pub fn new(record: &[u8], hybrid_time: u64, author: NodeId, author_name: String) -> Self {
        let (record, hybrid_time) = (base64(record), hybrid_time.to_string());
        Self { record, hybrid_time, author, author_name, certificate: None, void: None, proof: None, unproved: None }
    }
}

impl CaseFile {
    /// The editions of the rules that the events name.
    pub fn named_rules(&self) -> BTreeSet<RecordId> {
        self.events.iter().filter_map(Fact::event).filter_map(|event| event.rules).collect()
    }

    /// An empty file of a case.
    pub fn new(case: DocumentId, namespace: String, masked: bool) -> Self {
        let (reporters, photos, rules, events) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { format: FORMAT, case, namespace, masked, due_ms: None, reporters, photos, rules, events }
    }

    /// BLAKE3 of each photo that an event names, in hexadecimal.
    pub fn named_photos(&self) -> BTreeSet<String> {
        let events = self.events.iter().filter_map(Fact::event);
        events
            .flat_map(|event| photos_of(&event.action).iter().map(|hash| hex(hash.as_bytes())).collect::<Vec<_>>())
            .collect()
    }

    /// The case that the events make.
    pub fn fold(&self) -> Case {
        let inputs = self.events.iter().filter_map(|fact| {
            let (event, time) = (fact.event()?, fact.time()?);
            Some((fact.id(), FoldInput { event, time, author: fact.author, void: fact.void }))
        });
        let rules = LifeCycle::new(self.rules.iter().filter_map(RulesFact::input).collect());
        fold(&inputs.collect(), &rules)
    }

    /// Everything, with what follows from the events. Events stand in the order of the fold, then those that wait.
    pub fn to_json(&self) -> Value {
        let case = self.fold();
        let places: BTreeMap<RecordId, usize> =
            case.timeline.iter().enumerate().map(|(place, entry)| (entry.event, place)).collect();
        let mut facts: Vec<&Fact> = self.events.iter().collect();
        facts.sort_by_cached_key(|fact| {
            let id = fact.id();
            (places.get(&id).copied().unwrap_or(usize::MAX), fact.time(), id)
        });
        let event = |fact: &&Fact| {
            let placed = places.get(&fact.id()).and_then(|place| case.timeline.get(*place));
            event_json(fact, placed)
        };
        let mut whole = json!(self);
        whole["events"] = facts.iter().map(event).collect();
        whole["number"] = json!(SpokenNumber::of_case(self.case));
        whole["summary"] = summary(&case);
        whole["orders"] = case.orders.iter().map(order_json).collect();
        whole["folded"] = folded(&case);
        whole
    }
}

/// The fold without what stands elsewhere.
fn folded(case: &Case) -> Value {
    let mut folded = json!(case);
    if let Some(fields) = folded.as_object_mut() {
        fields.remove("timeline");
        fields.remove("orders");
    }
    folded
}

fn order_json(order: &Order) -> Value {
    let mut shown = json!(order);
    shown["number"] = json!(SpokenNumber::of_order(order.id));
    shown["status_zh"] = json!(order.status.chinese());
    shown
}

fn summary(case: &Case) -> Value {
    let report = case.reported.as_ref().map(|reported| &reported.report);
    let (filing, clock) = (case.filing.as_ref(), case.clock.as_ref());
    json!({
        "state": case.state,
        "state_zh": case.state.map(|state| state.chinese()),
        "region": report.and_then(|report| report.region),
        "source": report.map(|report| report.source),
        "source_zh": report.map(|report| report.source.chinese()),
        "category": filing.map(|filing| &filing.category).or(report.and_then(|report| report.category.as_ref())),
        "severity": filing.map(|filing| filing.severity),
        "severity_zh": filing.map(|filing| filing.severity.chinese()),
        "place": report.map(|report| &report.place),
        "position": report.and_then(|report| report.position),
        "description": report.map(|report| &report.description),
        "reported_by": case.reported.as_ref().map(|reported| &reported.by),
        "reported_ms": case.reported.as_ref().map(|reported| reported.at),
        "filed_ms": clock.map(|clock| clock.started),
        "limit_minutes": clock.map(|clock| clock.minutes),
        "limit_clock": clock.map(|clock| clock.clock),
        "limit_clock_zh": clock.map(|clock| clock.clock.chinese()),
        "extension_minutes": clock.map(|clock| clock.extension_minutes),
        "handled_ms": clock.and_then(|clock| clock.handled),
        "closed_ms": clock.and_then(|clock| clock.closed),
    })
}

/// An event with what it says and what became of it.
fn event_json(fact: &Fact, placed: Option<&TimelineEntry>) -> Value {
    let mut shown = json!(fact);
    shown["event"] = json!(fact.id());
    let Some(event) = fact.event() else {
        shown["effect_zh"] = json!("本版本无法读取");
        shown["effect_en"] = json!("this version cannot read it");
        return shown;
    };
    let step = placed.and_then(|entry| entry.step);
    let (zh, en) = placed
        .map_or(("等待所依据的记录".to_owned(), "waits for what it builds on".to_owned()), |entry| {
            words(entry.effect)
        });
    let state = placed.and_then(|entry| entry.state);
    let said = json!({
        "time_ms": fact.time().map(milliseconds),
        "by": event.by,
        "role": event.role,
        "role_zh": event.role.chinese(),
        "step": step,
        "step_zh": step.map(|step| step.chinese()),
        "step_en": step.map(|step| step.english()),
        "note": event.note,
        "seen": event.seen,
        "action": event.action,
        "edition": placed.map(|entry| entry.edition),
        "effect": placed.map(|entry| entry.effect),
        "effect_zh": zh,
        "effect_en": en,
        "state": state,
        "state_zh": state.map(|state| state.chinese()),
    });
    if let (Some(shown), Value::Object(said)) = (shown.as_object_mut(), said) {
        shown.extend(said);
    }
    shown
}

/// What an event did, in Chinese and English.
fn words(effect: Effect) -> (String, String) {
    match effect {
        Effect::Applied => ("生效".into(), "has effect".into()),
        Effect::AppliedLate => ("生效（迟到，状态不变）".into(), "has effect, late: the state stays".into()),
        Effect::Void(reason) => (format!("无效：{}", reason.chinese()), format!("void: {}", reason.english())),
        Effect::None { reason, because_of } => {
            let by = because_of.map(|event| format!(" ({})", event.short())).unwrap_or_default();
            (format!("未生效：{}{by}", reason.chinese()), format!("no effect: {}{by}", reason.english()))
        }
    }
}

/// Bytes in hexadecimal, lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The photos that an action names.
fn photos_of(action: &Action) -> &[BlobHash] {
    match action {
        Action::Report(report) => report.photos.as_slice(),
        Action::OrderDone { photos, .. } | Action::Verify { photos, .. } | Action::HandleOnSpot { photos, .. } => {
            photos
        }
        Action::AskCheck { .. }
        | Action::AnswerCheck { .. }
        | Action::Accept
        | Action::Refuse { .. }
        | Action::Merge { .. }
        | Action::File { .. }
        | Action::Dispatch { .. }
        | Action::Whistle { .. }
        | Action::Acknowledge { .. }
        | Action::ReportIn { .. }
        | Action::RequestReturn { .. }
        | Action::RequestExtension { .. }
        | Action::RequestSuspension { .. }
        | Action::RequestVoid { .. }
        | Action::Approve { .. }
        | Action::Decline { .. }
        | Action::Resume
        | Action::LeadClose { .. }
        | Action::Close
        | Action::Callback { .. }
        | Action::Reopen { .. }
        | Action::Audit { .. }
        | Action::Supervise { .. }
        | Action::Reply { .. }
        | Action::Comment { .. }
        | Action::Settle { .. }
        | Action::Convey { .. }
        | Action::Assign { .. }
        | Action::Unknown(_) => &[],
    }
}
