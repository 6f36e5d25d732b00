//! Documents: the only user of Automerge.
//!
//! A document is one flat Automerge map of assertions (DESIGN 12.1), each put once under the key
//! `<record key in hex>/<assertion id in hex>` and never overwritten. What a field's value is, is decided when
//! the document is read: every assertion that no other one supersedes counts, so concurrent values are kept and
//! shown, and an assertion that history voids can be skipped without stranding what was written on top of it.
//!
//! # From change to Automerge change
//!
//! Given the entry's backlink and time and the document's id, a [`Change`] stands for exactly this Automerge
//! change: actor = first 16 bytes of BLAKE3 (derive-key context `townmesh 2026-11 actor`) over
//! `backlink ‖ document id`; seq 1; deps as given; start_op = 1 + the greatest op of the deps (1 without deps); time = the
//! entry's hybrid time; no message, no extra bytes; for each assertion in order one `put` at the root with an
//! empty `pred`, its value the CBOR of `fields, supersedes`.

mod history;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::sync::Arc;

use automerge::legacy::{Key, ObjectId, Op, OpType};
use automerge::{ActorId, Automerge, ExpandedChange, ROOT, ReadDoc, ScalarValue};

use crate::bounds;
use crate::change::{Assertion, AssertionId, Change, ChangeHash, RecordKey};
use crate::clock::HybridTime;
use crate::id::{DocumentId, EntryId, hex};
use crate::value::{FieldId, Fields, Value, WRITTEN_BY};

pub use history::Settled;

/// Changes that a document keeps for Automerge before it hands them over.
const MAX_UNREAD: usize = 256;

/// Who made a change: derived from the entry, never sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Actor(pub [u8; 16]);

impl Actor {
    /// The actor of the change that the entry after `backlink` makes to `document`. One entry makes at most
    /// one change to a document, so no actor is used twice (a reused one wedges an Automerge document).
    pub fn derive(backlink: EntryId, document: DocumentId) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("townmesh 2026-11 actor");
        hasher.update(&backlink.0);
        hasher.update(&document.0);
        let mut actor = [0; 16];
        actor.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Self(actor)
    }

    /// The id of this actor's assertions.
    pub fn assertion_id(self) -> AssertionId {
        let mut id = [0; 8];
        id.copy_from_slice(&self.0[..8]);
        id
    }
}

/// A change with what its entry says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthoredChange {
    /// Whose.
    pub actor: Actor,
    /// When, by its author's hybrid clock.
    pub time: HybridTime,
    /// What.
    pub change: Change,
}

/// What applying a change did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// It is part of the document now.
    New,
    /// It was already.
    Known,
    /// It waits for changes that it depends on.
    Waiting,
}

/// A change that Automerge refused; it applies nowhere, on every node alike.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a change was refused by the document: {0}")]
pub struct ApplyError(String);

/// A document in memory.
///
/// Heads and current values are kept up to date change by change, so that editing and reading a cached document does
/// not grow slower with its history. Automerge, which decides, gets the changes some at a time; a property test holds
/// the two against each other.
#[derive(Debug, Clone, Default)]
pub struct Document {
    automerge: Automerge,
    unread: Vec<automerge::Change>,
    heads: BTreeSet<ChangeHash>,
    /// Shared with whoever reads it; copied when it changes while somebody still does.
    content: Arc<Content>,
    superseded: Superseded,
    /// Greatest op of every applied change.
    max_ops: BTreeMap<ChangeHash, u64>,
    times: BTreeMap<AssertionId, HybridTime>,
    actors: BTreeSet<Actor>,
    waiting: Vec<AuthoredChange>,
}

impl Document {
    /// The document that these changes make, in whatever order they come.
    pub fn from_changes(changes: impl IntoIterator<Item = AuthoredChange>) -> Self {
        let mut document = Self::default();
        for change in changes {
            document.apply(change);
        }
        document
    }

    /// Adds a change, and those that waited for it.
    pub fn apply(&mut self, change: AuthoredChange) -> Applied {
        if !self.actors.insert(change.actor) {
            return Applied::Known;
        }
        if !self.is_ready(&change) {
            self.waiting.push(change);
            return Applied::Waiting;
        }
        self.apply_ready(&change);
        while let Some(position) = self.waiting.iter().position(|change| self.is_ready(change)) {
            let next = self.waiting.swap_remove(position);
            self.apply_ready(&next);
        }
        Applied::New
    }

    fn is_ready(&self, change: &AuthoredChange) -> bool {
        change.change.deps.iter().all(|dep| self.max_ops.contains_key(dep))
    }

    fn apply_ready(&mut self, authored: &AuthoredChange) {
        let start = authored.change.deps.iter().filter_map(|dep| self.max_ops.get(dep)).max().copied().unwrap_or(0);
        let change = automerge::Change::from(expand(authored, start));
        let hash = change.hash().0;
        self.max_ops.insert(hash, start.saturating_add(authored.change.assertions.len() as u64));
        let id = authored.actor.assertion_id();
        self.times.insert(id, authored.time);
        for dep in &authored.change.deps {
            self.heads.remove(dep);
        }
        self.heads.insert(hash);
        let content = Arc::make_mut(&mut self.content);
        for assertion in &authored.change.assertions {
            let one = Stated { id, time: authored.time, void: false, assertion: assertion.clone() };
            content.state(one, &mut self.superseded);
        }
        self.unread.push(change);
    }

    /// Whether nothing was ever written.
    pub fn is_empty(&self) -> bool {
        self.max_ops.is_empty()
    }

    /// How many changes wait for others that have not arrived.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Hashes of the changes that no other depends on, sorted.
    pub fn heads(&self) -> Vec<ChangeHash> {
        self.heads.iter().copied().collect()
    }

    /// The change that writes these fields on top of everything this document holds.
    pub fn change(&self, edits: BTreeMap<RecordKey, Fields>) -> Change {
        let assertions = edits.into_iter().map(|(record, fields)| {
            let current = self.content.records.get(&record);
            let seen = fields.keys().filter_map(|field| current?.get(field)).flat_map(|register| &register.values);
            let seen = seen.map(|candidate| candidate.assertion);
            let supersedes = seen.collect::<BTreeSet<_>>().into_iter().take(bounds::MAX_SUPERSEDES).collect();
            Assertion { record, fields, supersedes }
        });
        Change { assertions: assertions.collect(), deps: self.heads.iter().copied().take(bounds::MAX_DEPS).collect() }
    }

    /// What the document says, with nothing voided.
    pub fn content(&self) -> &Arc<Content> {
        &self.content
    }

    /// Hands Automerge what it has not got yet, once that is worth the while.
    ///
    /// # Errors
    /// [`ApplyError`] if Automerge refuses a change.
    pub fn settle(&mut self) -> Result<(), ApplyError> {
        if self.unread.len() < MAX_UNREAD { Ok(()) } else { self.read_all() }
    }

    fn read_all(&mut self) -> Result<(), ApplyError> {
        let unread = std::mem::take(&mut self.unread);
        self.automerge.apply_changes(unread).map_err(|error| ApplyError(error.to_string()))
    }

    /// Reads the document from Automerge, skipping the assertions that history voids.
    ///
    /// # Errors
    /// [`ApplyError`] if Automerge refuses a change.
    pub fn hydrate(&mut self, is_void: &dyn Fn(AssertionId) -> bool) -> Result<Content, ApplyError> {
        self.read_all()?;
        let assertions = self.automerge.map_range(ROOT, ..).filter_map(|item| {
            let (record, id) = parse_key(&item.key)?;
            let value = item.value.into_value();
            let assertion = Assertion::from_value_bytes(record, value.as_bytes()?).ok()?;
            let time = self.times.get(&id).copied().unwrap_or_default();
            Some(Stated { id, time, void: is_void(id), assertion })
        });
        Ok(Content::new(assertions.collect()))
    }
}

fn expand(authored: &AuthoredChange, start: u64) -> ExpandedChange {
    let id = authored.actor.assertion_id();
    let operations = authored.change.assertions.iter().map(|assertion| Op {
        action: OpType::Put(ScalarValue::Bytes(assertion.value_bytes())),
        obj: ObjectId::Root,
        key: Key::Map(format!("{}/{}", hex(&assertion.record), hex(&id)).into()),
        pred: Vec::new().into(),
        insert: false,
    });
    ExpandedChange {
        operations: operations.collect(),
        actor_id: ActorId::from(authored.actor.0),
        hash: None,
        seq: 1,
        start_op: NonZeroU64::MIN.saturating_add(start),
        time: authored.time.0 as i64,
        message: None,
        deps: authored.change.deps.iter().copied().map(automerge::ChangeHash).collect(),
        extra_bytes: Vec::new(),
        author: None,
    }
}

fn parse_key(key: &str) -> Option<(RecordKey, AssertionId)> {
    let (record, id) = key.split_once('/')?;
    let bytes = |text: &str| -> Option<Vec<u8>> {
        let pairs = text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        pairs.collect()
    };
    Some((bytes(record)?, bytes(id)?.try_into().ok()?))
}

/// The hash of a change that depends on nothing, without building a document.
pub fn first_change_hash(authored: &AuthoredChange) -> ChangeHash {
    automerge::Change::from(expand(authored, 0)).hash().0
}

/// The assertions about each field of each record that another one supersedes.
type Superseded = BTreeMap<(RecordKey, FieldId), BTreeSet<AssertionId>>;

/// An assertion as a document holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stated {
    id: AssertionId,
    time: HybridTime,
    void: bool,
    assertion: Assertion,
}

/// One of the current values of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Who says so.
    pub assertion: AssertionId,
    /// Since when, by its author's clock.
    pub time: HybridTime,
    /// What.
    pub value: Value,
}

/// A field's current values: more than one where people wrote without knowing of each other. The first one is
/// shown; all nodes agree on it (latest hybrid time, then greatest assertion id).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Register {
    /// Never empty in a [`Content`].
    pub values: Vec<Candidate>,
}

impl Register {
    /// The value to show.
    pub fn winner(&self) -> Option<&Value> {
        self.values.first().map(|candidate| &candidate.value)
    }

    /// Whether there are different concurrent values.
    pub fn is_conflict(&self) -> bool {
        self.values.iter().any(|candidate| Some(&candidate.value) != self.winner())
    }
}

/// What a document says. Two are equal if they show the same, by whatever history.
#[derive(Debug, Clone, Default)]
pub struct Content {
    /// Registers by record and field.
    pub records: BTreeMap<RecordKey, BTreeMap<FieldId, Register>>,
    stated: Vec<Stated>,
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.records == other.records
    }
}

impl Eq for Content {}

impl Content {
    fn new(stated: Vec<Stated>) -> Self {
        let mut by_record: BTreeMap<&[u8], Vec<&Stated>> = BTreeMap::new();
        for one in &stated {
            by_record.entry(&one.assertion.record).or_default().push(one);
        }
        let records = by_record.into_iter().map(|(record, stated)| (record.to_vec(), registers(&stated)));
        let records = records.filter(|(_, registers)| !registers.is_empty()).collect();
        Self { records, stated }
    }

    /// Adds an assertion; in whatever order they come, those that another one supersedes do not count.
    fn state(&mut self, one: Stated, superseded: &mut Superseded) {
        for (field, value) in one.assertion.values() {
            let gone = superseded.entry((one.assertion.record.clone(), *field)).or_default();
            gone.extend(&one.assertion.supersedes);
            let record = self.records.entry(one.assertion.record.clone()).or_default();
            let values = &mut record.entry(*field).or_default().values;
            values.push(one.candidate(value));
            values.retain(|candidate| !gone.contains(&candidate.assertion));
            sort(values);
        }
        self.stated.push(one);
    }

    /// What a document says whose only change is this one: the same as building it, without building it.
    pub fn of_first_change(authored: &AuthoredChange) -> Self {
        let id = authored.actor.assertion_id();
        let stated = authored.change.assertions.iter().map(|assertion| Stated {
            id,
            time: authored.time,
            void: false,
            assertion: assertion.clone(),
        });
        Self::new(stated.collect())
    }

    /// The fields to show for a record.
    pub fn fields(&self, record: &[u8]) -> Fields {
        let registers = self.records.get(record).into_iter().flatten();
        registers.filter_map(|(field, register)| Some((*field, register.winner()?.clone()))).collect()
    }

    /// The account of whoever made a statement about a record, where they said so.
    pub fn written_by(&self, record: &[u8], assertion: AssertionId) -> Option<&str> {
        let stated = self.stated.iter().find(|one| one.id == assertion && one.assertion.record == record)?;
        stated.assertion.fields.get(&WRITTEN_BY)?.as_text()
    }

    /// The fields with concurrent different values.
    pub fn conflicts(&self) -> impl Iterator<Item = (&RecordKey, FieldId, &Register)> {
        let fields = self
            .records
            .iter()
            .flat_map(|(record, fields)| fields.iter().map(move |(field, register)| (record, *field, register)));
        fields.filter(|(_, _, register)| register.is_conflict())
    }

    /// The value that two concurrent assertions about a field both replaced, for a three-way merge.
    pub fn common_ancestor(&self, record: &[u8], field: FieldId, a: AssertionId, b: AssertionId) -> Option<&Value> {
        let stated: BTreeMap<_, _> = self.about(record, field).map(|one| (one.id, one)).collect();
        let (past_a, past_b) = (past(&stated, vec![a]), past(&stated, vec![b]));
        let shared = past_a.intersection(&past_b).filter_map(|id| stated.get(id));
        let latest = shared.max_by_key(|one| (one.time, one.id))?;
        latest.assertion.fields.get(&field)
    }

    fn about(&self, record: &[u8], field: FieldId) -> impl Iterator<Item = &Stated> {
        self.stated
            .iter()
            .filter(move |one| one.assertion.record == record && one.assertion.fields.contains_key(&field))
    }
}

/// All that any of these assertions supersedes, directly or through others about the same field.
fn past(stated: &BTreeMap<AssertionId, &Stated>, mut open: Vec<AssertionId>) -> BTreeSet<AssertionId> {
    let mut found = BTreeSet::new();
    while let Some(id) = open.pop() {
        // An assertion about several fields names some that are not about this one.
        if let Some(one) = stated.get(&id) {
            open.extend(one.assertion.supersedes.iter().filter(|id| found.insert(**id)));
        }
    }
    found
}

fn registers(stated: &[&Stated]) -> BTreeMap<FieldId, Register> {
    if let [only] = stated {
        return if only.void {
            BTreeMap::new()
        } else {
            only.assertion
                .values()
                .map(|(field, value)| (*field, Register { values: vec![only.candidate(value)] }))
                .collect()
        };
    }
    let mut by_field: BTreeMap<FieldId, BTreeMap<AssertionId, &Stated>> = BTreeMap::new();
    for one in stated {
        for (field, _) in one.assertion.values() {
            by_field.entry(*field).or_default().insert(one.id, one);
        }
    }
    let registers = by_field.into_iter().map(|(field, about)| {
        let standing = about.values().filter(|one| !one.void);
        // All at once: the past of each by itself would cost the square of the field's history.
        let superseded = past(&about, standing.clone().map(|one| one.id).collect());
        let current = standing.filter(|one| !superseded.contains(&one.id));
        let mut values: Vec<Candidate> =
            current.filter_map(|one| Some(one.candidate(one.assertion.fields.get(&field)?))).collect();
        sort(&mut values);
        (field, Register { values })
    });
    registers.filter(|(_, register)| !register.values.is_empty()).collect()
}

/// The value to show first.
fn sort(values: &mut [Candidate]) {
    values.sort_by_key(|candidate| std::cmp::Reverse((candidate.time, candidate.assertion)));
}

impl Stated {
    fn candidate(&self, value: &Value) -> Candidate {
        Candidate { assertion: self.id, time: self.time, value: value.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DOCUMENT: DocumentId = DocumentId([9; 16]);

    fn edit(fields: &[(FieldId, &str)]) -> BTreeMap<RecordKey, Fields> {
        BTreeMap::from([(vec![], fields.iter().map(|(field, text)| (*field, Value::from(*text))).collect())])
    }

    fn authored(by: u8, time: u64, change: Change) -> AuthoredChange {
        AuthoredChange { actor: Actor::derive(EntryId([by; 32]), DOCUMENT), time: HybridTime(time), change }
    }

    fn texts(content: &Content, field: FieldId) -> Vec<&str> {
        let register = content.records.get(&vec![]).and_then(|fields| fields.get(&field));
        register
            .into_iter()
            .flat_map(|register| register.values.iter().filter_map(|candidate| candidate.value.as_text()))
            .collect()
    }

    #[test]
    fn concurrent_values_are_kept_and_a_later_edit_settles_them() {
        let base = authored(1, 1, Document::default().change(edit(&[(1, "rental"), (2, "two rooms")])));
        let start = Document::from_changes([base.clone()]);
        let one = authored(2, 5, start.change(edit(&[(1, "shop")])));
        let two = authored(3, 4, start.change(edit(&[(1, "vacant")])));
        let mut merged = Document::from_changes([two, base, one]);

        let content = merged.hydrate(&|_| false).unwrap();
        assert_eq!(texts(&content, 1), ["shop", "vacant"]);
        assert_eq!(texts(&content, 2), ["two rooms"]);
        assert_eq!(content.conflicts().count(), 1);

        let settle = authored(4, 2, merged.change(edit(&[(1, "dormitory")])));
        merged.apply(settle);
        assert_eq!(texts(&merged.hydrate(&|_| false).unwrap(), 1), ["dormitory"]);
    }

    #[test]
    fn an_honest_edit_on_top_of_a_void_one_survives_and_still_supersedes() {
        let base = authored(1, 1, Document::default().change(edit(&[(1, "first")])));
        let mut document = Document::from_changes([base]);
        let void = authored(2, 2, document.change(edit(&[(1, "forged"), (2, "forged")])));
        let void_id = void.actor.assertion_id();
        document.apply(void);
        let only_void = document.hydrate(&|id| id == void_id).unwrap();
        assert_eq!((texts(&only_void, 1), texts(&only_void, 2)), (vec!["first"], vec![]));
        let honest = authored(3, 3, document.change(edit(&[(1, "second")])));
        document.apply(honest);
        assert_eq!(texts(&document.hydrate(&|id| id == void_id).unwrap(), 1), ["second"]);
    }

    fn stated(id: u32, fields: &[FieldId], supersedes: &[u32], void: bool) -> Stated {
        let name = |id: u32| u64::from(id).to_be_bytes();
        let fields = fields.iter().map(|field| (*field, Value::from(i64::from(id)))).collect();
        let supersedes = supersedes.iter().map(|id| name(*id)).collect();
        let assertion = Assertion { record: vec![], fields, supersedes };
        Stated { id: name(id), time: HybridTime(u64::from(id)), void, assertion }
    }

    fn values(content: &Content, field: FieldId) -> Vec<&Value> {
        let register = content.records.get(&vec![]).and_then(|fields| fields.get(&field));
        register.into_iter().flat_map(|register| register.values.iter().map(|candidate| &candidate.value)).collect()
    }

    #[test]
    fn what_void_assertions_replaced_stays_replaced_whatever_else_they_were_about() {
        let content = Content::new(vec![
            stated(1, &[1], &[], false),
            stated(2, &[1], &[1], true),
            stated(9, &[2], &[], false),
            stated(10, &[1, 2], &[2, 9], true),
            stated(11, &[1], &[10], false),
        ]);
        assert_eq!(values(&content, 1), [&Value::from(11)]);
        assert_eq!(values(&content, 2), [&Value::from(9)]);
    }

    #[test]
    fn a_long_history_is_read_in_one_pass() {
        // By the square of its length this would take minutes.
        const LENGTH: u32 = 50_000;
        let history = (1..=LENGTH).map(|id| stated(id, &[1], &[id - 1], id % 1000 == 0)).collect();
        assert_eq!(values(&Content::new(history), 1), [&Value::from(i64::from(LENGTH - 1))]);
    }

    #[test]
    fn the_common_ancestor_is_the_value_both_sides_replaced() {
        let base = authored(1, 1, Document::default().change(edit(&[(1, "old")])));
        let start = Document::from_changes([base]);
        let one = authored(2, 5, start.change(edit(&[(1, "a")])));
        let two = authored(3, 4, start.change(edit(&[(1, "b")])));
        let ids = (one.actor.assertion_id(), two.actor.assertion_id());
        let mut merged = start;
        merged.apply(one);
        merged.apply(two);
        let content = merged.hydrate(&|_| false).unwrap();
        assert_eq!(content.common_ancestor(&[], 1, ids.0, ids.1), Some(&Value::from("old")));
    }

    /// Histories of several writers who sometimes see each other's changes.
    fn any_history() -> impl Strategy<Value = Vec<AuthoredChange>> {
        proptest::collection::vec((0usize..3, 0u8..4, 0u8..5, any::<bool>()), 1..12).prop_map(|steps| {
            let mut copies = vec![Document::default(); 3];
            let mut history: Vec<AuthoredChange> = Vec::new();
            for (number, (writer, field, value, sees_all)) in steps.into_iter().enumerate() {
                if sees_all {
                    for change in &history {
                        copies[writer].apply(change.clone());
                    }
                }
                let change = copies[writer].change(edit(&[(field, &value.to_string())]));
                let change = authored(number as u8 + 1, u64::from(value), change);
                copies[writer].apply(change.clone());
                history.push(change);
            }
            history
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_order_of_arrival_gives_the_same_document(history in any_history(), seed in any::<u64>()) {
            let mut shuffled = history.clone();
            let length = shuffled.len();
            for at in 0..length {
                shuffled.swap(at, (seed.rotate_left(at as u32 * 7) as usize) % length);
            }
            let (mut one, mut two) = (Document::from_changes(history.clone()), Document::from_changes(shuffled));
            prop_assert_eq!(one.heads(), two.heads());
            prop_assert_eq!(one.hydrate(&|_| false).unwrap(), two.hydrate(&|_| false).unwrap());
            prop_assert_eq!(one.content().records.clone(), one.hydrate(&|_| false).unwrap().records);
            prop_assert_eq!(two.content().records.clone(), one.content().records.clone());
            prop_assert_eq!(one.waiting() + two.waiting(), 0);
            prop_assert_eq!(one.hydrate(&|_| false).unwrap().records.is_empty(), false);
        }

        #[test]
        fn a_first_change_reads_the_same_without_building_the_document(history in any_history()) {
            let first = history[0].clone();
            let mut built = Document::from_changes([first.clone()]);
            prop_assert_eq!(built.hydrate(&|_| false).unwrap(), Content::of_first_change(&first));
            prop_assert_eq!(built.heads(), vec![first_change_hash(&first)]);
        }
    }
}
