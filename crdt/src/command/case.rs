//! Recording what people do to cases, and folding cases back.

use std::collections::BTreeMap;
use std::sync::Arc;

use minicbor::bytes::ByteVec;
use serde::{Deserialize, Serialize};

use super::people::{self, Place};
use super::read::{CaseRecord, PersonalState};
use super::{CommandError, Outcome, UTC_OFFSET_MINUTES, membership, table};
use crate::change::record_id;
use crate::clock::{HybridTime, MAX_AHEAD, Millis};
use crate::domain::case::{Action, Case, CaseEvent, CaseState, Effect, FoldInput, Report, VoidReason, fold};
use crate::domain::date::Day;
use crate::domain::input::{self, Fault, Holder, InputError};
use crate::domain::key;
use crate::domain::person::PersonalData;
use crate::domain::region::RegionCode;
use crate::domain::role::Role;
use crate::domain::tables::Tables;
use crate::id::{DocumentId, RecordId, ResidentId};
use crate::namespace::{Namespace, NamespaceKind};
use crate::policy::{self, DocumentKind};
use crate::replica::{Recorded, Replica, StoredRecord};
use crate::store::StoreError;

/// Merges that are followed to the case that leads: who merges apart from each other can make a ring.
const MAX_MERGES: usize = 16;
/// Categories that a message names.
const CATEGORIES_NAMED: usize = 40;

/// Where a case lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseRef {
    /// The cases of its region and year.
    pub namespace: Namespace,
    /// The document.
    pub document: DocumentId,
}

/// Who does something, in which role, and with which words beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Actor {
    /// A member's code, or the code of a device.
    pub by: String,
    /// In which role.
    pub role: Role,
    /// Words beside the action.
    #[serde(default)]
    pub note: Option<String>,
}

impl Actor {
    fn check(&self) -> Result<(), InputError> {
        input::line("by", &self.by)?;
        self.note.iter().try_for_each(|note| input::lines("note", note))
    }
}

/// A problem to be reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCase {
    /// The village or community.
    pub region: RegionCode,
    /// What makes it the same case on every node that reports it, such as the id of a device's event; without one
    /// every report is a case of its own.
    pub natural_key: Option<Vec<u8>>,
    /// When it was noticed: with the region it chooses the namespace, so a late report of a natural key belongs to the
    /// year of the event.
    pub noticed: Millis,
    /// What is wrong.
    pub report: Report,
    /// Who told of it, to be called back; sealed like everybody's data.
    pub reporter: Option<PersonalData>,
}

/// Whoever reported a case, as far as they are known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = CaseReporter))]
pub struct Reporter {
    /// Who they are; `None` where nobody said, or it cannot be opened.
    pub data: Option<PersonalData>,
    /// Whether their data could be opened.
    pub state: PersonalState,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acted {
    /// The case.
    pub case: CaseRef,
    /// The event.
    pub event: RecordId,
}

/// Reports a problem. A report of a case that this node knows already (by its natural key) stages nothing.
///
/// # Errors
/// [`CommandError::RoleNotHeld`], [`CommandError::Input`], [`CommandError::Event`], [`CommandError::CaseRefused`],
/// [`CommandError::Record`].
pub fn report(
    replica: &mut Replica,
    actor: &Actor,
    new: NewCase,
    now: Millis,
) -> Result<Outcome<CaseRef>, CommandError> {
    check_role(replica, actor)?;
    // Before anything is staged: an opened year and a person's key would stay behind a report that is refused.
    actor.check().map_err(|error| error.within("actor"))?;
    new.report.check_input().and_then(|()| new.report.check_found(now)).map_err(|error| error.within("report"))?;
    input::time("noticed_ms", i64::try_from(new.noticed).unwrap_or(i64::MAX))?;
    // Every report without a key of its own would be one case.
    if new.natural_key.as_ref().is_some_and(|key| key.trim_ascii().is_empty()) {
        return Err(InputError::new("natural_key", Fault::Blank).into());
    }
    check_reporter(&new)?;
    if let Some(key) = &new.natural_key
        && let Some((known, _)) = by_key(replica, new.region, key)?
    {
        return Ok(Outcome::Unchanged(known));
    }
    if let Some(category) = &new.report.category {
        check_category(&*table::tables(replica)?, category).map_err(|error| error.within("report"))?;
    }
    let (year, ..) = Day::of_time(i64::try_from(new.noticed).unwrap_or(i64::MAX), UTC_OFFSET_MINUTES).calendar();
    let wanted = Namespace::cases(&new.region.to_string(), &format!("{year:04}"));
    let namespace = replica.period(&wanted, now)?;
    let key = match new.natural_key {
        Some(key) => key,
        None => [replica.new_resident().0, replica.new_resident().0].concat(),
    };
    let document = replica.document_id(&namespace, DocumentKind::Case, &key)?;
    let case = CaseRef { namespace, document };
    let known = stored(replica, &case.namespace, document)?;
    if known.fold().reported.is_some() {
        return Ok(Outcome::Unchanged(case));
    }
    let reporter = seal_reporter(replica, &case, new.reporter)?;
    let action = Action::Report(Box::new(Report { region: Some(new.region), reporter, ..new.report }));
    let (_, recorded) = add(replica, &case, known, actor, action, None, now)?;
    Ok(Outcome::Created(case, recorded))
}

/// Does something to a case. The action is tried first: one that would have no effect is refused with the fold's
/// reason, in the words of the domain.
///
/// # Errors
/// [`CommandError::NotFound`], [`CommandError::RoleNotHeld`], [`CommandError::Input`], [`CommandError::Event`],
/// [`CommandError::ToldBeforeSent`], [`CommandError::MergeIntoItself`], [`CommandError::MergedAlready`],
/// [`CommandError::CaseRefused`], [`CommandError::Record`].
pub fn act(
    replica: &mut Replica,
    case: &CaseRef,
    actor: &Actor,
    action: Action,
    now: Millis,
) -> Result<Outcome<Acted>, CommandError> {
    act_upon(replica, case, actor, action, None, now)
}

/// Does once more what an event without effect says, which is thereby seen to have none.
///
/// # Errors
/// As [`act`].
pub(super) fn restate(
    replica: &mut Replica,
    case: &CaseRef,
    actor: &Actor,
    (event, action): (RecordId, Action),
    now: Millis,
) -> Result<Outcome<Acted>, CommandError> {
    act_upon(replica, case, actor, action, Some(event), now)
}

fn act_upon(
    replica: &mut Replica,
    case: &CaseRef,
    actor: &Actor,
    action: Action,
    restates: Option<RecordId>,
    now: Millis,
) -> Result<Outcome<Acted>, CommandError> {
    let known = stored(replica, &case.namespace, case.document)?;
    if known.events.is_empty() {
        return Err(CommandError::NotFound { thing: "case", chinese: "案卷", document: case.document });
    }
    let action = limited(&*table::tables(replica)?, action)?;
    check_conveying(&known, &action)?;
    check_reply_due(&action, now)?;
    if let Action::Merge { into } = &action {
        check_merge(replica, case.document, *into)?;
    }
    let (event, recorded) = add(replica, case, known, actor, action, restates, now)?;
    Ok(Outcome::Changed(Acted { case: case.clone(), event }, recorded))
}

/// Reads a case; `None` if its document holds nothing.
///
/// # Errors
/// [`StoreError`].
pub fn read(
    replica: &mut Replica,
    namespace: &Namespace,
    document: DocumentId,
) -> Result<Option<CaseRecord>, StoreError> {
    let stored = stored(replica, namespace, document)?;
    if stored.events.is_empty() && stored.unreadable == 0 {
        return Ok(None);
    }
    let case = stored.fold();
    let steps = stored.tables.life_cycle().table().open_steps(case.state);
    Ok(Some(CaseRecord { id: document, case, unreadable: stored.unreadable, steps }))
}

/// The case of this natural key where the region's cases of any year here hold it: what is sent again after New Year, or
/// without its time, is the same. Of two that were reported apart from each other about New Year, one that is open.
///
/// # Errors
/// [`CommandError::Record`], [`CommandError::Store`].
pub fn by_key(replica: &mut Replica, region: RegionCode, key: &[u8]) -> Result<Option<(CaseRef, Case)>, CommandError> {
    let region = region.to_string();
    let all = replica.trust().namespaces().values();
    let years = all.filter(|namespace| namespace.kind == NamespaceKind::Cases && namespace.region == region);
    let years: Vec<Namespace> = years.cloned().collect();
    let mut found = None;
    for namespace in years {
        let document = replica.document_id(&namespace, DocumentKind::Case, key)?;
        let case = stored(replica, &namespace, document)?.fold();
        if case.reported.is_none() {
            continue;
        }
        let is_open = case.over_since().is_none();
        let known = (CaseRef { namespace, document }, case);
        if is_open {
            return Ok(Some(known));
        }
        found.get_or_insert(known);
    }
    Ok(found)
}

/// The case that a case was merged into, and so on; itself where it was not, or where that is not here.
///
/// # Errors
/// [`StoreError`].
pub fn leading(replica: &mut Replica, found: (CaseRef, Case)) -> Result<(CaseRef, Case), StoreError> {
    let mut leading = found;
    for _ in 0..MAX_MERGES {
        let Some(into) = leading.1.linked_to.filter(|_| leading.1.state == Some(CaseState::Linked)) else { break };
        let Some(next) = anywhere(replica, into)? else { break };
        leading = next;
    }
    Ok(leading)
}

/// A case in whichever namespace of cases holds it that this node reads.
fn anywhere(replica: &mut Replica, document: DocumentId) -> Result<Option<(CaseRef, Case)>, StoreError> {
    let cases = replica.namespaces().into_iter();
    let cases = cases.filter(|(_, namespace, _, readable)| *readable && namespace.kind == NamespaceKind::Cases);
    for (_, namespace, ..) in cases {
        if let Some(found) = read(replica, &namespace, document)? {
            return Ok(Some((CaseRef { namespace, document }, found.case)));
        }
    }
    Ok(None)
}

/// Who reported a case: several, where it was reported apart, each once and in no particular order. Once one of them is
/// erased nothing is told of any: nobody knows whether they are the same person.
///
/// # Errors
/// [`StoreError`].
pub fn reporters(replica: &mut Replica, case: &CaseRef) -> Result<Vec<Reporter>, StoreError> {
    let stored = stored(replica, &case.namespace, case.document)?;
    let reports = stored.events.into_values().filter(|input| input.void.is_none()).map(|input| input.event.action);
    let sealed = reports.filter_map(|action| {
        let Action::Report(report) = action else { return None };
        report.reporter
    });
    let place = Place::new(replica, &case.namespace, case.document);
    let mut reporters: Vec<Reporter> = Vec::new();
    for sealed in sealed.collect::<Vec<_>>() {
        let reporter = match people::open_sealed(replica, place, reporter_id(case.document), &sealed)? {
            Ok(data) => Reporter { data: Some(data), state: PersonalState::Open },
            Err(state) => Reporter { data: None, state },
        };
        if !reporters.contains(&reporter) {
            reporters.push(reporter);
        }
    }
    if reporters.iter().any(|reporter| reporter.state == PersonalState::Erased) {
        reporters = vec![Reporter { data: None, state: PersonalState::Erased }];
    }
    Ok(reporters)
}

/// Under which id whoever reports a case is sealed.
fn reporter_id(document: DocumentId) -> ResidentId {
    let mut hasher = blake3::Hasher::new_derive_key("townmesh 2026-11 case reporter");
    hasher.update(&document.0);
    let mut id = [0; ResidentId::LEN];
    hasher.finalize_xof().fill(&mut id);
    ResidentId(id)
}

/// Whoever reports a case is named beside the report, in which only a node writes them down, sealed.
fn check_reporter(new: &NewCase) -> Result<(), InputError> {
    if new.report.reporter.is_some() {
        let (chinese, english) =
            ("姓名与电话，写在 report 之外的 reporter 中", "name and phone in reporter, beside report");
        return Err(InputError::new("report.reporter", Fault::Form { chinese, english }));
    }
    let reporter = new.reporter.iter().try_for_each(|reporter| input::person(reporter, Holder::Owner));
    reporter.map_err(|error| error.within("reporter"))
}

fn seal_reporter(
    replica: &mut Replica,
    case: &CaseRef,
    reporter: Option<PersonalData>,
) -> Result<Option<ByteVec>, CommandError> {
    let Some(data) = reporter.map(|data| data.normalised()).filter(|data| !data.is_empty()) else { return Ok(None) };
    let place = Place::new(replica, &case.namespace, case.document);
    let sealed = people::seal(replica, place, reporter_id(case.document), None, &data)?;
    Ok(sealed.as_bytes().map(|bytes| bytes.to_vec().into()))
}

/// The events of a case as this node holds them.
struct Stored {
    /// By whose rules they are judged.
    tables: Arc<Tables>,
    events: BTreeMap<RecordId, FoldInput>,
    unreadable: u32,
}

impl Stored {
    fn fold(&self) -> Case {
        fold(&self.events, self.tables.life_cycle())
    }

    /// A member's code as it stands in this case already, if it does: rules such as that the finder does not handle compare
    /// codes, and nobody gets past them by writing their own in capitals.
    fn as_known(&self, code: &str) -> String {
        let normal = key::normalise(code);
        let known = self.events.values().flat_map(|input| {
            let assigned = if let Action::Assign { person, .. } = &input.event.action { Some(person) } else { None };
            std::iter::once(&input.event.by).chain(assigned)
        });
        let mut known = known.filter(|known| key::normalise(known) == normal);
        known.next().map_or_else(|| code.to_owned(), String::clone)
    }
}

/// A record of a case as this node holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The record, with what its entry says about it.
    pub record: StoredRecord,
    /// What it says; `None` where this version cannot read it.
    pub event: Option<CaseEvent>,
    /// Why its author could not write it.
    pub void: Option<VoidReason>,
}

/// Every record of a case, in order of time and id.
///
/// # Errors
/// [`StoreError`].
pub fn held(replica: &Replica, case: &CaseRef) -> Result<Vec<Held>, StoreError> {
    let may_act = |record: &StoredRecord, role: Role| {
        let certificate = match record.certificate {
            Some(certificate) => replica.trust().certificate(&certificate),
            None => Some(replica.certificate()),
        };
        certificate.is_some_and(|certificate| policy::may_act(certificate, role))
    };
    let counts =
        |record: &StoredRecord| CaseEvent::from_bytes(&record.bytes).is_ok_and(|event| may_act(record, event.role));
    let records = replica.records_by(replica.namespace_id(&case.namespace), case.document, counts)?.into_iter();
    let held = records.map(|record| {
        let event = CaseEvent::from_bytes(&record.bytes).ok();
        let void =
            event.as_ref().and_then(|event| why_void(record.void, event, case.document, may_act(&record, event.role)));
        Held { record, event, void }
    });
    Ok(held.collect())
}

/// Why an event's author could not write it, from what certificates and logs say.
pub fn why_void(is_revoked: bool, event: &CaseEvent, case: DocumentId, may_act: bool) -> Option<VoidReason> {
    match (is_revoked, event.case == case, may_act) {
        (true, ..) => Some(VoidReason::Revoked),
        (false, false, _) => Some(VoidReason::WrongCase),
        (false, true, false) => Some(VoidReason::RoleNotHeld),
        (false, true, true) => None,
    }
}

fn stored(replica: &mut Replica, namespace: &Namespace, document: DocumentId) -> Result<Stored, StoreError> {
    let mut stored = Stored { tables: table::tables(replica)?, events: BTreeMap::new(), unreadable: 0 };
    for Held { record, event, void } in held(replica, &CaseRef { namespace: namespace.clone(), document })? {
        match event {
            Some(event) => {
                let input = FoldInput { event, time: record.time.0, author: record.author, void };
                stored.events.insert(record.id, input);
            }
            None => stored.unreadable += 1,
        }
    }
    Ok(stored)
}

/// That a case is merged into another one that is here and was not merged itself: nobody would find what leads nowhere, or
/// back. Two who merge apart from each other still can; that is a conflict for people.
fn check_merge(replica: &mut Replica, case: DocumentId, into: DocumentId) -> Result<(), CommandError> {
    let not_found = CommandError::NotFound { thing: "case", chinese: "案卷", document: into };
    let (_, found) = anywhere(replica, into)?.ok_or(not_found)?;
    match found.linked_to {
        _ if into == case => Err(CommandError::MergeIntoItself),
        Some(leads_to) if leads_to == case => Err(CommandError::MergeIntoItself),
        Some(leads_to) => Err(CommandError::MergedAlready { into, leads_to }),
        None => Ok(()),
    }
}

/// A filing with the limit of the town's table, where it names none.
fn limited(tables: &Tables, action: Action) -> Result<Action, CommandError> {
    let Action::File { category, severity, minutes, .. } = &action else { return Ok(action) };
    check_category(tables, category).map_err(|error| error.within("file").within("action"))?;
    if *minutes > 0 {
        return Ok(action);
    }
    let no_limit = || CommandError::NoLimit { category: category.clone(), severity: *severity };
    let limit = tables.limit(category, *severity).ok_or_else(no_limit)?;
    Ok(Action::File { category: category.clone(), severity: *severity, minutes: limit.minutes, clock: limit.clock })
}

/// An order is handed on after it was written, give or take what honest clocks differ. It is looked at here and not by the
/// fold: what was acknowledged before this was looked at keeps its effect.
fn check_conveying(known: &Stored, action: &Action) -> Result<(), CommandError> {
    let Action::Convey { order, conveying } = action else { return Ok(()) };
    let orders = known.fold().orders;
    // Of an order that is not there the fold tells.
    let Some(order) = orders.iter().find(|known| known.id == *order) else { return Ok(()) };
    let (sent_ms, at_ms) = (order.sent_at, conveying.at_ms);
    if at_ms.saturating_add(MAX_AHEAD) < sent_ms {
        Err(CommandError::ToldBeforeSent { sent_ms, at_ms })
    } else {
        Ok(())
    }
}

/// A reply cannot be wanted before it is asked for.
fn check_reply_due(action: &Action, now: Millis) -> Result<(), InputError> {
    let Action::Supervise { due_ms: Some(due), .. } = action else { return Ok(()) };
    input::time("due_ms", i64::try_from(*due).unwrap_or(i64::MAX))?;
    if *due > now { Ok(()) } else { Err(InputError::new("due_ms", Fault::TimeOrder)) }
}

/// A category of the town's table.
fn check_category(tables: &Tables, category: &str) -> Result<(), InputError> {
    if tables.category(category).is_some() {
        return Ok(());
    }
    let known: Vec<&str> = tables.category_codes().take(CATEGORIES_NAMED).collect();
    Err(InputError::new("category", Fault::Category { known: known.join(", ") }))
}

fn check_role(replica: &mut Replica, actor: &Actor) -> Result<(), CommandError> {
    if !policy::may_act(replica.certificate(), actor.role) {
        return Err(CommandError::RoleNotHeld { role: actor.role });
    }
    membership::check(replica, &actor.by, actor.role)
}

/// Tries an event on top of all that is known and stages it if it has effect.
fn add(
    replica: &mut Replica,
    case: &CaseRef,
    mut known: Stored,
    actor: &Actor,
    action: Action,
    restates: Option<RecordId>,
    now: Millis,
) -> Result<(RecordId, Recorded), CommandError> {
    check_role(replica, actor)?;
    actor.check().map_err(|error| error.within("actor"))?;
    action.check_input().map_err(|error| error.within("action"))?;
    if let Action::Report(report) = &action {
        report.check_found(now).map_err(|error| error.within("action.report"))?;
    }
    let action = if let Action::Assign { order, person } = action {
        Action::Assign { order, person: known.as_known(&person) }
    } else {
        action
    };
    let before = known.fold();
    let event = CaseEvent {
        case: case.document,
        by: known.as_known(&actor.by),
        role: actor.role,
        seen: before.heads,
        note: actor.note.clone(),
        action,
        rules: known.tables.life_cycle().in_force().map(|edition| edition.id),
        restates,
    };
    let bytes = event.to_bytes()?;
    let id = record_id(&bytes);
    let latest = known.events.values().map(|input| input.time).max().unwrap_or_default();
    let time = latest.saturating_add(1).max(HybridTime::at(now).0);
    known.events.insert(id, FoldInput { event, time, author: replica.node(), void: None });
    let after = known.fold();
    match after.timeline.iter().find(|entry| entry.event == id).map(|entry| entry.effect) {
        Some(Effect::Applied | Effect::AppliedLate) => {}
        Some(Effect::None { reason, because_of }) => {
            return Err(CommandError::CaseRefused { reason, because_of, state: before.state });
        }
        // Beyond the bound of the fold: an event that comes last is left out of a case that is full.
        Some(Effect::Void(_)) | None => return Err(CommandError::CaseFull),
    }
    let recorded =
        replica.put(&case.namespace, DocumentKind::Case, case.document, bytes, DocumentKind::Case.lane(), now)?;
    Ok((id, recorded))
}
