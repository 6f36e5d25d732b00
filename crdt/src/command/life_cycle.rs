//! The life cycle of cases: drafted row by row, published as a whole.
//!
//! The tables `transition` and `meeting` are edited like any other; that changes nothing for cases. [`publish`] makes an
//! [edition](LifeCycle) of them, and from then on whoever holds it acts by it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::case::Actor;
use super::read::LifeCycleRecord;
use super::town::Imported;
use super::{CommandError, Outcome, table};
use crate::change::record_id;
use crate::clock::Millis;
use crate::domain::case::{
    Edition, EditionError, EditionInput, LifeCycle, MAX_BEFORE, MAX_NAME, MAX_TEXT, Meeting, Promise, Published, Rule,
    TableError, TransitionTable, Unsound, milliseconds,
};
use crate::domain::columns::Row;
use crate::domain::input::{self, Fault, InputError};
use crate::domain::tables::{MeetingRow, TableKind, TransitionRow};
use crate::id::{DocumentId, NodeId, RecordId};
use crate::namespace::Namespace;
use crate::policy::DocumentKind;
use crate::replica::{RecordError, Recorded, Replica};
use crate::store::StoreError;

/// Who publishes, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publishing {
    /// The account of the person.
    pub by: String,
    /// Why the rules change, in words.
    pub why: String,
    /// Promises that the town does without, knowingly.
    pub without: BTreeSet<Promise>,
    /// The draft that they looked through ([`Draft::revision`]): what somebody edited since is not published unseen.
    pub revision: String,
}

impl Publishing {
    fn check(&self) -> Result<(), InputError> {
        check_words(&self.by, &self.why)
    }
}

fn check_words(by: &str, why: &str) -> Result<(), InputError> {
    input::line("by", by)?;
    input::words("why", why)?;
    let bounds = [("by", by, MAX_NAME), ("why", why, MAX_TEXT)];
    let long = bounds.into_iter().find(|(_, text, most)| text.len() > *most);
    // Three bytes for each Chinese character.
    long.map_or(Ok(()), |(name, _, most)| Err(InputError::new(name, Fault::TooLong { limit: most / 3 })))
}

/// An edition as people read of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EditionNote {
    /// Its id.
    pub id: RecordId,
    /// How many editions there were up to it.
    pub number: u32,
    /// The editions that it replaces; none: what the program ships.
    pub before: BTreeSet<RecordId>,
    /// Who published it.
    pub by: String,
    /// Why.
    pub why: String,
    /// When, in milliseconds since 1970.
    pub time_ms: u64,
    /// The node on which that was done.
    pub author: NodeId,
    /// Whether it counts for nothing, because that node was removed before.
    pub void: bool,
}

impl From<&Published> for EditionNote {
    fn from(published: &Published) -> Self {
        let EditionInput { edition, time, author, void, .. } = &published.input;
        Self {
            id: published.id,
            number: published.number,
            before: edition.before.clone(),
            by: edition.by.clone(),
            why: edition.why.clone(),
            time_ms: milliseconds(*time),
            author: *author,
            void: *void,
        }
    }
}

/// What the rows of the tables come to, beside what is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The rules that would be published.
    pub table: TransitionTable,
    /// Says which draft this is, beside what is in force: eight digits.
    pub revision: String,
    /// What it changes in the rules in force.
    pub changes: Changes,
    /// Why a town could not work by it.
    pub unsound: Vec<Unsound>,
    /// Promises that it does not keep.
    pub broken: Vec<Promise>,
    /// The table of the two in which cells were recorded differently and nobody settled that.
    pub disputed: Option<TableKind>,
}

/// How one table differs from another: before and after, where there is one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Rules.
    pub rules: Vec<[Option<Rule>; 2]>,
    /// Meetings.
    pub meetings: Vec<[Option<Meeting>; 2]>,
}

impl Changes {
    /// From one table to another.
    pub fn between(before: &TransitionTable, after: &TransitionTable) -> Self {
        let pair = |rule: &Rule| [before.rule(rule.step).cloned(), after.rule(rule.step).cloned()];
        let steps: BTreeMap<_, _> = before.rules().chain(after.rules()).map(|rule| (rule.step, pair(rule))).collect();
        let rules = steps.into_values().filter(|[before, after]| before != after).collect();
        Self { rules, meetings: changed_meetings(before, after) }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.meetings.is_empty()
    }
}

/// What the rows of the tables come to.
///
/// # Errors
/// [`CommandError::LifeCycle`] where they are no table at all, [`StoreError`].
pub fn draft(replica: &mut Replica) -> Result<Draft, CommandError> {
    let tables = table::tables(replica)?;
    let table = tables.drafted_life_cycle().map_err(LifeCycleError::Table)?;
    let life_cycle = tables.life_cycle();
    let mut disputed = None;
    for kind in [TableKind::Transition, TableKind::Meeting] {
        if table::is_disputed(replica, kind)? {
            disputed = Some(kind);
        }
    }
    Ok(Draft {
        revision: revision(life_cycle, &table),
        changes: Changes::between(life_cycle.table(), &table),
        unsound: table.unsound(life_cycle.tables()),
        broken: table.broken_promises(),
        disputed,
        table,
    })
}

/// Another one whenever the draft or what is in force is not what it was.
fn revision(life_cycle: &LifeCycle, table: &TransitionTable) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("townmesh 2026-11 draft of the life cycle");
    hasher.update(&life_cycle.digest()).update(format!("{table:?}").as_bytes());
    let mut short = [0; 4];
    hasher.finalize_xof().fill(&mut short);
    crate::id::hex(&short)
}

fn changed_meetings(before: &TransitionTable, after: &TransitionTable) -> Vec<[Option<Meeting>; 2]> {
    let by_steps = |table: &TransitionTable| -> BTreeMap<_, Meeting> {
        table.meetings().iter().map(|meeting| ((meeting.first, meeting.second), meeting.clone())).collect()
    };
    let (before, after) = (by_steps(before), by_steps(after));
    let pairs: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let changed = pairs.into_iter().map(|pair| [before.get(pair).cloned(), after.get(pair).cloned()]);
    changed.filter(|[before, after]| before != after).collect()
}

/// Publishes what the rows of the tables come to as the edition after the one in force. Where they say nothing else nothing
/// is staged, unless two were published apart, which a further one settles.
///
/// # Errors
/// [`CommandError::LifeCycle`] where a town could not work by it, where cells are disputed, or where it breaks promises that
/// nobody named; [`CommandError::Input`], [`CommandError::Record`].
pub fn publish(
    replica: &mut Replica,
    publishing: &Publishing,
    now: Millis,
) -> Result<Outcome<Option<EditionNote>>, CommandError> {
    publishing.check()?;
    let draft = draft(replica)?;
    check(&draft, publishing)?;
    let life_cycle = table::tables(replica)?;
    let life_cycle = life_cycle.life_cycle();
    if draft.changes.is_empty() && life_cycle.newest().len() < 2 {
        return Ok(Outcome::Unchanged(life_cycle.in_force().map(EditionNote::from)));
    }
    let edition = Edition {
        before: newest(life_cycle),
        by: publishing.by.clone(),
        why: publishing.why.clone(),
        table: draft.table,
    };
    let (note, recorded) = put(replica, life_cycle, edition, now)?;
    Ok(Outcome::Created(Some(note), recorded))
}

/// Of editions that were published apart publishes one once more, after all of them; the others rule no more. The draft stays
/// as it is.
///
/// # Errors
/// [`CommandError::LifeCycle`] where there is no such edition, or the town could not work by it any more;
/// [`CommandError::Input`], [`CommandError::Record`].
pub(super) fn keep(
    replica: &mut Replica,
    kept: RecordId,
    actor: &Actor,
    now: Millis,
) -> Result<Recorded, CommandError> {
    let tables = table::tables(replica)?;
    let life_cycle = tables.life_cycle();
    let table = life_cycle.table_of(Some(kept)).ok_or(LifeCycleError::NoSuchEdition)?;
    let number = life_cycle.published().iter().find(|edition| edition.id == kept).map_or(0, |edition| edition.number);
    let why = actor.note.clone().unwrap_or_else(|| format!("各自发布的流程中采用第 {number} 版"));
    check_words(&actor.by, &why).map_err(|error| error.within("actor"))?;
    let unsound = table.unsound(life_cycle.tables());
    if !unsound.is_empty() {
        return Err(LifeCycleError::Unsound(unsound).into());
    }
    let edition = Edition { before: newest(life_cycle), by: actor.by.clone(), why, table: table.clone() };
    put(replica, life_cycle, edition, now).map(|(_, recorded)| recorded)
}

/// What the next edition comes after.
fn newest(life_cycle: &LifeCycle) -> BTreeSet<RecordId> {
    life_cycle.newest().iter().take(MAX_BEFORE).map(|edition| edition.id).collect()
}

fn put(
    replica: &mut Replica,
    life_cycle: &LifeCycle,
    edition: Edition,
    now: Millis,
) -> Result<(EditionNote, Recorded), CommandError> {
    let bytes = edition.to_bytes().map_err(LifeCycleError::Edition)?;
    let (id, document) = (record_id(&bytes), document_of(replica)?);
    let lane = DocumentKind::LifeCycle.lane();
    let recorded = replica.put(&Namespace::town(), DocumentKind::LifeCycle, document, bytes.clone(), lane, now)?;
    let input = EditionInput { edition, bytes, time: recorded.time.0, author: replica.node(), void: false };
    let number = life_cycle.in_force().map_or(0, |edition| edition.number).saturating_add(1);
    Ok((EditionNote::from(&Published { id, number, input }), recorded))
}

/// Writes the rows of an edition into the draft, or the shipped ones for none, so that it can be published again; what the draft
/// has beside them is taken out.
///
/// # Errors
/// [`CommandError::LifeCycle`] where there is no such edition; [`CommandError::Input`] where it has a word of a newer version;
/// [`CommandError::Record`].
pub fn restore(replica: &mut Replica, id: Option<RecordId>, now: Millis) -> Result<Imported, CommandError> {
    let tables = table::tables(replica)?;
    let table = tables.life_cycle().table_of(id).ok_or(LifeCycleError::NoSuchEdition)?;
    let rules = table.rules().map(|rule| TransitionRow::of_rule(rule).to_fields());
    let meetings = table.meetings().iter().map(|met| MeetingRow::of_meeting(met).to_fields());
    let rows = [(TableKind::Transition, rules.collect()), (TableKind::Meeting, meetings.collect::<Vec<_>>())];
    let rows = rows.map(|(kind, rows)| (kind, table::standing_alone(&tables, kind, rows)));
    // Both tables or neither.
    for (kind, rows) in &rows {
        rows.iter().try_for_each(|row| kind.check(row))?;
    }
    let mut restored = Imported::default();
    for (kind, rows) in rows {
        let Imported { created, changed, unchanged } = table::record(replica, kind, &rows, now)?;
        restored.created += created;
        restored.changed += changed;
        restored.unchanged += unchanged;
    }
    Ok(restored)
}

fn check(draft: &Draft, publishing: &Publishing) -> Result<(), LifeCycleError> {
    if draft.revision != publishing.revision {
        return Err(LifeCycleError::DraftChanged);
    }
    if let Some(kind) = draft.disputed {
        return Err(LifeCycleError::Disputed(kind));
    }
    if !draft.unsound.is_empty() {
        return Err(LifeCycleError::Unsound(draft.unsound.clone()));
    }
    let broken = draft.broken.iter().filter(|promise| !publishing.without.contains(promise));
    let broken: Vec<Promise> = broken.copied().collect();
    if broken.is_empty() { Ok(()) } else { Err(LifeCycleError::Promises(broken)) }
}

/// Why the rules of cases are not published.
#[derive(Debug, thiserror::Error)]
pub enum LifeCycleError {
    /// A town could not work by them.
    #[error("a town could not work by these rules: {}; change the rows of transition, then publish", words(.0, 1))]
    Unsound(Vec<Unsound>),
    /// Somebody edited the draft, or published, since it was looked through.
    #[error(
        "the draft or what is in force has changed since you looked it through: check it again, then publish with its revision"
    )]
    DraftChanged,
    /// There is no such edition.
    #[error("there is no such edition of the life cycle here: list them, or wait until it has arrived")]
    NoSuchEdition,
    /// They do not keep promises that nobody named.
    #[error("these rules do not keep: {}; change the rows, or name what the town does without", promised(.0, Promise::english))]
    Promises(Vec<Promise>),
    /// Cells were recorded differently.
    #[error("cells of {} were recorded differently and nobody settled that: settle them in the inbox first", .0.english())]
    Disputed(TableKind),
    /// The rows are no table.
    #[error(transparent)]
    Table(#[from] TableError),
    /// They make no edition.
    #[error(transparent)]
    Edition(EditionError),
}

impl LifeCycleError {
    /// The code of the error.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Unsound(_) => "unsound",
            Self::DraftChanged => "draft_changed",
            Self::NoSuchEdition => "not_found",
            Self::Promises(_) => "promises_broken",
            Self::Disputed(_) => "rows_disputed",
            Self::Table(_) | Self::Edition(_) => "invalid",
        }
    }

    /// The message in Simplified Chinese.
    pub(super) fn chinese(&self) -> String {
        match self {
            Self::Unsound(unsound) => {
                format!("按此流程无法办案：{}。请修改办理流程表后再发布", words(unsound, 0))
            }
            Self::Promises(broken) => {
                format!("此流程不再保证：{}。请修改，或写明本镇放弃哪些", promised(broken, Promise::chinese))
            }
            Self::Disputed(kind) => format!("{}中有录入不一致的单元格尚未裁定，请先在冲突收件箱中裁定", kind.chinese()),
            Self::DraftChanged => "查看之后草稿或现行流程已有变化，请重新核对，再按新的修订号发布".into(),
            Self::NoSuchEdition => "本节点没有此版本的办理流程，请核对编号或先同步".into(),
            Self::Table(TableError::Twice(step)) => format!("“{}”有两条规则，请只留一条", step.chinese()),
            Self::Table(TableError::TooMany { got, most, .. }) => {
                format!("办理流程有 {got} 行，超过 {most} 行，请减少")
            }
            Self::Edition(EditionError::TooLarge(_)) => "办理流程过大，请减少规则".into(),
            Self::Edition(error) => format!("办理流程不符合要求：{error}"),
        }
    }
}

fn words(unsound: &[Unsound], language: usize) -> String {
    let words = unsound.iter().filter_map(|one| one.words().get(language).cloned());
    words.collect::<Vec<_>>().join(if language == 0 { "；" } else { "; " })
}

fn promised(promises: &[Promise], name: impl Fn(Promise) -> &'static str) -> String {
    let named = promises.iter().map(|promise| format!("{} ({promise})", name(*promise)));
    named.collect::<Vec<_>>().join(", ")
}

/// Every edition as this node holds it; none where it cannot read the town's records yet.
///
/// # Errors
/// [`StoreError`].
pub(super) fn read(replica: &mut Replica) -> Result<LifeCycle, StoreError> {
    let Ok(document) = document_of(replica) else { return Ok(LifeCycle::default()) };
    let records = replica.records(replica.namespace_id(&Namespace::town()), document)?;
    let editions = records.into_iter().filter_map(|record| {
        let edition = Edition::from_bytes(&record.bytes).ok()?;
        let (bytes, time) = (record.bytes, record.time.0);
        Some((record.id, EditionInput { edition, bytes, time, author: record.author, void: record.void }))
    });
    Ok(LifeCycle::new(editions.collect()))
}

/// What people have to know of the rules beside their rows.
///
/// # Errors
/// [`StoreError`].
pub(super) fn record(replica: &mut Replica, document: DocumentId) -> Result<LifeCycleRecord, StoreError> {
    let tables = table::tables(replica)?;
    let (newest, published) = (tables.life_cycle().newest(), tables.life_cycle().published());
    let joins = published.iter().rev().filter(|edition| !edition.input.void && edition.input.edition.before.len() > 1);
    let joined = joins.map(|edition| {
        let before = published.iter().filter(|before| edition.input.edition.before.contains(&before.id));
        (EditionNote::from(edition), before.rev().map(EditionNote::from).collect())
    });
    let joined = joined.collect();
    Ok(LifeCycleRecord { id: document, newest: newest.into_iter().map(EditionNote::from).collect(), joined })
}

/// The document that holds the editions; `None` where this node cannot read the town's records yet.
pub fn document(replica: &mut Replica) -> Option<DocumentId> {
    document_of(replica).ok()
}

fn document_of(replica: &mut Replica) -> Result<DocumentId, RecordError> {
    replica.document_id(&Namespace::town(), DocumentKind::LifeCycle, b"cases")
}
