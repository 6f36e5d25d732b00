//! Editions of the life cycle (办理流程版本): whole transition tables, each written once under its hash.
//!
//! A town changes its rules, and villages that are cut off cannot know. What they do by the rules that they have must stand
//! when they return, and on every node alike; so an event names the edition that its author went by, and is judged by
//! that one for ever. It cannot go back behind its own past: an event that has seen one done by a newer edition goes by
//! the newer one, too. What meets between two editions is judged by the newer of them.
//!
//! - An edition names all the newest ones that its publisher held (`before`), as an event names what its author had seen. *Newer*
//!   is what has more editions before it, one after the other; of two with equally many, the one with the higher id. Where several
//!   stand that none replaces, they were published apart: the newest is in force, and one more settles it.
//! - An edition whose author could not publish it (a removed center) is *void*: events that name it go by the newest of those
//!   before it that is not. What stands past a fork of its author's log is not there until an authority ratifies it.
//! - An event that names an edition which is not held, or which rests on one that is not, *waits*. Carriers do not carry what
//!   rules the town: a village that only they reach waits for new rules until anybody else comes by.
//! - An event that names none goes by the table that the program ships, which therefore never changes.
//!
//! What this does not stop: a node that was told of new rules and goes on by old ones looks like one that was not told. Each event
//! says by which edition it went.
//!
//! # Wire format
//!
//! At most [`MAX_EDITION_BYTES`]: the version byte 1 and one CBOR map {0: array of ids of the editions before it, 1: member, 2: why, 3: rules, 4: meetings}. A rule is an array [step, array of states, where it leads (0 stay,
//! -1 back, else a state), array of roles or null for anyone, array of guards, late, precedence]; a meeting is [first, second,
//! outcome, conflict].

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};

use super::event::{MAX_NAME, MAX_TEXT};
use super::state::CaseState;
use super::step::{ConflictKind, Step};
use super::table::{Guard, Late, Meeting, Outcome, Rule, TableError, Target, TransitionTable, Who};
use super::versioned;
use crate::domain::role::Role;
use crate::id::{NodeId, RecordId};

/// Most bytes of an encoded edition.
pub const MAX_EDITION_BYTES: usize = 32 * 1024;
/// Most editions that one replaces at once.
pub const MAX_BEFORE: usize = 64;

/// One edition: the rules, what they replace, and who published them why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edition {
    /// The editions that it replaces, at most [`MAX_BEFORE`]; none: what the program ships.
    pub before: BTreeSet<RecordId>,
    /// The account of the person who published it; not empty.
    pub by: String,
    /// Why the rules change; not empty.
    pub why: String,
    /// The rules.
    pub table: TransitionTable,
}

/// Why an edition cannot be written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditionError {
    /// More than [`MAX_EDITION_BYTES`].
    #[error("an edition of the life cycle takes {0} bytes, more than {MAX_EDITION_BYTES}: make its rules fewer")]
    TooLarge(usize),
    /// Not the CBOR form of an edition.
    #[error("these bytes are no edition of the life cycle: {0}; ask the center for them again")]
    Malformed(String),
    /// It replaces more than [`MAX_BEFORE`].
    #[error("an edition of the life cycle replaces {0} others, more than {MAX_BEFORE}: publish after fewer")]
    TooManyBefore(usize),
    /// A text is empty or too long.
    #[error("{0} of an edition is empty or too long: write it in a few words")]
    Text(&'static str),
    /// Its rows are no table.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// An edition with what its entry says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditionInput {
    /// The edition.
    pub edition: Edition,
    /// Its bytes as received, of which its id is the hash.
    pub bytes: Vec<u8>,
    /// Hybrid time of the entry.
    pub time: u64,
    /// The node that signed the entry.
    pub author: NodeId,
    /// Whether the author could not publish it, where certificates or logs say so.
    pub void: bool,
}

/// An edition in its place among the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its id.
    pub id: RecordId,
    /// How many editions there were up to it; 0 is that of the program.
    pub number: u32,
    /// What it says, and what its entry says about it.
    pub input: EditionInput,
}

/// The rules of cases as a node knows them: every edition, and by which each event goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifeCycle {
    shipped: TransitionTable,
    /// What was published and can be placed, void or not, by (number, id).
    published: Vec<Published>,
    /// The place of the edition by which whoever names an id goes.
    goes_by: BTreeMap<RecordId, Place>,
    /// Published, but what it rests on is not held.
    unplaced: BTreeSet<RecordId>,
}

/// Where an edition stands: 0 for the one of the program, then as in [`LifeCycle::published`]. Newer ones are greater.
pub(super) type Place = usize;

impl Default for LifeCycle {
    /// As the program ships it.
    fn default() -> Self {
        Self::new(BTreeMap::new())
    }
}

impl LifeCycle {
    /// The editions in their order.
    pub fn new(inputs: BTreeMap<RecordId, EditionInput>) -> Self {
        let numbers = numbers(&inputs);
        let unplaced = inputs.keys().filter(|id| !numbers.contains_key(id)).copied().collect();
        let placed = inputs
            .into_iter()
            .filter_map(|(id, input)| numbers.get(&id).map(|number| Published { id, number: *number, input }));
        let mut published: Vec<Published> = placed.collect();
        published.sort_by_key(|edition| (edition.number, edition.id));
        let mut goes_by: BTreeMap<RecordId, Place> = BTreeMap::new();
        // What an edition rests on has a lower number, so it stands before it.
        for (index, edition) in published.iter().enumerate() {
            let before = edition.input.edition.before.iter().filter_map(|before| goes_by.get(before)).copied().max();
            let place = if edition.input.void { before.unwrap_or(0) } else { index.saturating_add(1) };
            goes_by.insert(edition.id, place);
        }
        Self { shipped: TransitionTable::default(), published, goes_by, unplaced }
    }

    /// The newest edition that is not void; `None`: what the program ships.
    pub fn in_force(&self) -> Option<&Published> {
        self.published.iter().rfind(|edition| !edition.input.void)
    }

    /// The rules by which people act now.
    pub fn table(&self) -> &TransitionTable {
        self.in_force().map_or(&self.shipped, |edition| &edition.input.edition.table)
    }

    /// The editions that none replaces, the newest first, which is in force; more than one where they were published apart.
    pub fn newest(&self) -> Vec<&Published> {
        let mut replaced: BTreeSet<RecordId> = BTreeSet::new();
        let mut newest = Vec::new();
        for edition in self.published.iter().rev() {
            let is_replaced = replaced.contains(&edition.id);
            // What a void one replaced is replaced only where a standing one came after it.
            if !edition.input.void || is_replaced {
                replaced.extend(&edition.input.edition.before);
            }
            if !edition.input.void && !is_replaced {
                newest.push(edition);
            }
        }
        newest
    }

    /// The rules of an edition, or those that the program ships.
    pub fn table_of(&self, id: Option<RecordId>) -> Option<&TransitionTable> {
        let Some(id) = id else { return Some(&self.shipped) };
        self.published.iter().find(|edition| edition.id == id).map(|edition| &edition.input.edition.table)
    }

    /// The newest of the editions that one replaced; `None`: what the program ships.
    pub fn before(&self, edition: &Published) -> Option<&Published> {
        self.published.iter().rfind(|other| edition.input.edition.before.contains(&other.id))
    }

    /// The rules of every edition, those that the program ships first.
    pub fn tables(&self) -> impl Iterator<Item = &TransitionTable> {
        std::iter::once(&self.shipped).chain(self.published.iter().map(|edition| &edition.input.edition.table))
    }

    /// Every edition that can be placed, the oldest first.
    pub fn published(&self) -> &[Published] {
        &self.published
    }

    /// Those that cannot, because what they rest on has not arrived.
    pub fn unplaced(&self) -> impl Iterator<Item = RecordId> {
        self.unplaced.iter().copied()
    }

    /// The editions by which events may go that name one of these, as far as they are held: they, and all before them.
    pub fn resting_on(&self, named: impl IntoIterator<Item = RecordId>) -> Vec<&Published> {
        let mut wanted: BTreeSet<RecordId> = named.into_iter().collect();
        let mut found: Vec<&Published> = Vec::new();
        for edition in self.published.iter().rev() {
            if wanted.remove(&edition.id) {
                wanted.extend(&edition.input.edition.before);
                found.push(edition);
            }
        }
        found.reverse();
        found
    }

    /// Changes whenever an event may be judged anew.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for (id, place) in &self.goes_by {
            hasher.update(&id.0).update(&place.to_be_bytes());
        }
        hasher.finalize().into()
    }

    /// Where the edition stands that an event goes by which names this one; `None` while that is not held.
    pub(super) fn place(&self, named: Option<RecordId>) -> Option<Place> {
        named.map_or(Some(0), |named| self.goes_by.get(&named).copied())
    }

    /// The rules at a place.
    pub(super) fn table_at(&self, place: Place) -> &TransitionTable {
        let edition = place.checked_sub(1).and_then(|index| self.published.get(index));
        edition.map_or(&self.shipped, |edition| &edition.input.edition.table)
    }

    /// The number of the edition at a place.
    pub(super) fn number_at(&self, place: Place) -> u32 {
        place.checked_sub(1).and_then(|index| self.published.get(index)).map_or(0, |edition| edition.number)
    }
}

/// How many editions stand one after the other up to each one; none for those that rest on something missing. Ids are hashes of
/// what names those before, so there are no circles. O(n log n).
fn numbers(inputs: &BTreeMap<RecordId, EditionInput>) -> BTreeMap<RecordId, u32> {
    let mut after: BTreeMap<RecordId, Vec<RecordId>> = BTreeMap::new();
    let mut missing: BTreeMap<RecordId, usize> = BTreeMap::new();
    let mut ready: Vec<RecordId> = Vec::new();
    for (id, input) in inputs {
        missing.insert(*id, input.edition.before.len());
        ready.extend(input.edition.before.is_empty().then_some(*id));
        for before in &input.edition.before {
            after.entry(*before).or_default().push(*id);
        }
    }
    let mut numbers: BTreeMap<RecordId, u32> = BTreeMap::new();
    while let Some(id) = ready.pop() {
        let before = inputs.get(&id).into_iter().flat_map(|input| &input.edition.before);
        let number = before.filter_map(|before| numbers.get(before)).max().map_or(1, |most| most.saturating_add(1));
        numbers.insert(id, number);
        for next in after.remove(&id).unwrap_or_default() {
            if let Some(count) = missing.get_mut(&next) {
                *count = count.saturating_sub(1);
                ready.extend((*count == 0).then_some(next));
            }
        }
    }
    numbers
}

impl Edition {
    /// The bytes that are signed, hashed and stored.
    ///
    /// # Errors
    /// [`EditionError`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, EditionError> {
        self.check()?;
        let bytes = versioned::encode(&Wire::from(self)).map_err(EditionError::Malformed)?;
        if bytes.len() > MAX_EDITION_BYTES { Err(EditionError::TooLarge(bytes.len())) } else { Ok(bytes) }
    }

    /// The edition of these bytes, all of them, within every bound.
    ///
    /// # Errors
    /// [`EditionError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EditionError> {
        if bytes.len() > MAX_EDITION_BYTES {
            return Err(EditionError::TooLarge(bytes.len()));
        }
        let wire: Wire = versioned::decode(bytes).map_err(EditionError::Malformed)?;
        let rules = wire.rules.into_iter().map(Rule::from).collect();
        let meetings = wire.meetings.into_iter().map(Meeting::from).collect();
        let table = TransitionTable::new(rules, meetings)?;
        let edition = Self { before: wire.before, by: wire.by, why: wire.why, table };
        edition.check()?;
        Ok(edition)
    }

    fn check(&self) -> Result<(), EditionError> {
        let fits = |text: &str, most| !text.trim().is_empty() && text.len() <= most;
        if self.before.len() > MAX_BEFORE {
            return Err(EditionError::TooManyBefore(self.before.len()));
        }
        if !fits(&self.by, MAX_NAME) {
            return Err(EditionError::Text("the member"));
        }
        if fits(&self.why, MAX_TEXT) { Ok(()) } else { Err(EditionError::Text("the reason")) }
    }
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Wire {
    #[n(0)]
    before: BTreeSet<RecordId>,
    #[n(1)]
    by: String,
    #[n(2)]
    why: String,
    #[n(3)]
    rules: Vec<WireRule>,
    #[n(4)]
    meetings: Vec<WireMeeting>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct WireRule {
    #[n(0)]
    step: Step,
    #[n(1)]
    from: Vec<CaseState>,
    #[n(2)]
    to: WireTarget,
    #[n(3)]
    who: Option<Vec<Role>>,
    #[n(4)]
    guards: Vec<Guard>,
    #[n(5)]
    late: Late,
    #[n(6)]
    precedence: u8,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct WireMeeting {
    #[n(0)]
    first: Step,
    #[n(1)]
    second: Step,
    #[n(2)]
    outcome: Outcome,
    #[n(3)]
    conflict: ConflictKind,
}

/// 0 stay, -1 back, else the code of a state.
#[derive(Encode, Decode)]
#[cbor(transparent)]
struct WireTarget(#[n(0)] i32);

const STAY: i32 = 0;
const BACK: i32 = -1;

impl From<&Edition> for Wire {
    fn from(edition: &Edition) -> Self {
        let rules = edition.table.rules().map(WireRule::from).collect();
        let meetings = edition.table.meetings().iter().map(WireMeeting::from).collect();
        Self { before: edition.before.clone(), by: edition.by.clone(), why: edition.why.clone(), rules, meetings }
    }
}

impl From<&Rule> for WireRule {
    fn from(rule: &Rule) -> Self {
        Self {
            step: rule.step,
            from: rule.from.clone(),
            to: WireTarget(match rule.to {
                Target::Stay => STAY,
                Target::Back => BACK,
                Target::To(state) => i32::from(state.code()),
            }),
            who: match &rule.who {
                Who::Anyone => None,
                Who::Roles(roles) => Some(roles.clone()),
            },
            guards: rule.guards.clone(),
            late: rule.late,
            precedence: rule.precedence,
        }
    }
}

impl From<WireRule> for Rule {
    /// What is beyond the codes of states leads nowhere that this version knows.
    fn from(wire: WireRule) -> Self {
        Self {
            step: wire.step,
            from: wire.from,
            to: match wire.to {
                WireTarget(STAY) => Target::Stay,
                WireTarget(BACK) => Target::Back,
                WireTarget(code) => Target::To(CaseState::from_code(u16::try_from(code).unwrap_or(u16::MAX))),
            },
            who: wire.who.map_or(Who::Anyone, Who::Roles),
            guards: wire.guards,
            late: wire.late,
            precedence: wire.precedence,
        }
    }
}

impl From<&Meeting> for WireMeeting {
    fn from(meeting: &Meeting) -> Self {
        let Meeting { first, second, outcome, conflict } = *meeting;
        Self { first, second, outcome, conflict }
    }
}

impl From<WireMeeting> for Meeting {
    fn from(wire: WireMeeting) -> Self {
        let WireMeeting { first, second, outcome, conflict } = wire;
        Self { first, second, outcome, conflict }
    }
}
