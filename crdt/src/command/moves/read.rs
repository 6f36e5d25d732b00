//! Moves read back: who may have written what, and what can be opened.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::super::CommandError;
use crate::certificate::{Access, Certificate, NodeRole};
use crate::change::Item;
use crate::domain::confidential::Confidential;
use crate::domain::household::{Relation, ResidentKind};
use crate::domain::moves::{
    self, Given, Move, MoveContent, MoveEvent, MoveInput, MoveStep, MoveVoid, Right, Stay, fold,
};
use crate::domain::person::PersonalData;
use crate::domain::region::RegionCode;
use crate::domain::role::Role;
use crate::id::{DocumentId, RecordId, ResidentId};
use crate::namespace::{Namespace, NamespaceKind};
use crate::policy::{self, DocumentKind};
use crate::replica::{PersonalError, Replica, StoredRecord};
use crate::store::StoreError;

/// Most events that an event names as seen; of more heads the rest is seen by whoever comes next.
const MAX_SEEN: usize = 64;

/// A move with what it tells of the person, as far as it can be opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MoveRecord {
    /// The document.
    pub id: DocumentId,
    /// The move.
    pub moved: Move,
    /// Who it is and where they lived, by the hand-over that leads.
    pub told: Option<Moved>,
    /// Whether that could be opened.
    pub state: MovedState,
    /// Records that are no events this version can read.
    pub unreadable: u32,
}

/// Who is handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// Who it is.
    pub personal: PersonalData,
    /// On what ground they lived there.
    pub kind: Option<ResidentKind>,
    /// What they were to the head of the household.
    pub relation: Option<Relation>,
    /// Where they lived, the stay that ends last.
    pub stays: Vec<Stay>,
}

/// Whether what is handed over could be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MovedState {
    /// Yes.
    Open,
    /// It is for others.
    Sealed,
    /// The key is still on its way.
    KeyMissing,
    /// The person was erased.
    Erased,
    /// Damaged, or written by a newer version.
    Unreadable,
}

/// What a certificate lets its node do about moves.
pub(super) fn right(certificate: &Certificate) -> Right {
    let holds = certificate.scopes.iter().filter(|scope| scope.kind == NamespaceKind::Registry);
    let holds = holds.filter(|scope| scope.access == Access::Hold);
    Right {
        clerk: policy::may_act(certificate, Role::VillageClerk),
        center: certificate.role == NodeRole::Center,
        regions: holds.map(|scope| scope.region.clone()).collect(),
    }
}

/// The events of a move as this node holds them.
pub(super) struct Stored {
    events: BTreeMap<RecordId, MoveInput>,
    unreadable: u32,
}

impl Stored {
    pub(super) fn of(replica: &mut Replica, document: DocumentId) -> Result<Self, StoreError> {
        let town = Namespace::town();
        let id = replica.namespace_id(&town);
        let all = replica.records(id, document)?;
        let read = |record: &StoredRecord| MoveEvent::from_bytes(&record.bytes).ok();
        let villages: BTreeMap<RecordId, [RegionCode; 2]> = all
            .iter()
            .filter_map(|record| match read(record)?.step {
                MoveStep::Give(giving) => Some((record.id, [giving.from, giving.to])),
                MoveStep::Accept(_)
                | MoveStep::Refuse { .. }
                | MoveStep::TakeBack { .. }
                | MoveStep::Settle { .. }
                | MoveStep::Unknown => None,
            })
            .collect();
        let certificate = |record: &StoredRecord| match record.certificate {
            Some(certificate) => replica.trust().certificate(&certificate),
            None => Some(replica.certificate()),
        };
        let right_of = |record: &StoredRecord| certificate(record).map(right).unwrap_or_default();
        let counts = |record: &StoredRecord| {
            read(record).is_some_and(|event| is_allowed(&event.step, &villages, &right_of(record)))
        };
        let mut found = Self { events: BTreeMap::new(), unreadable: 0 };
        for record in replica.records_by(id, document, counts)? {
            let Some(event) = read(&record) else {
                found.unreadable += 1;
                continue;
            };
            let right = right_of(&record);
            let is_unknown = matches!(event.step, MoveStep::Unknown);
            let not_allowed = !is_unknown && !is_allowed(&event.step, &villages, &right);
            let void = record.void.then_some(MoveVoid::Revoked).or(not_allowed.then_some(MoveVoid::NotAllowed));
            let input = MoveInput { event, time: record.time.0, author: record.author, right, void };
            found.events.insert(record.id, input);
        }
        for input in found.events.values_mut() {
            let is_own = is_of(replica, &town, document, &input.event)?;
            input.void = input.void.or((!is_own).then_some(MoveVoid::WrongMove));
        }
        Ok(found)
    }

    /// The events of a move that is here.
    pub(super) fn existing(replica: &mut Replica, document: DocumentId) -> Result<Self, CommandError> {
        let found = Self::of(replica, document)?;
        if found.events.is_empty() { Err(super::unknown(document)) } else { Ok(found) }
    }

    pub(super) fn fold(&self) -> Option<Move> {
        fold(&self.events)
    }

    /// Whether no event more would be looked at.
    pub(super) fn is_full(&self) -> bool {
        self.events.values().filter(|input| input.void.is_none()).count() >= moves::MAX_EVENTS
    }

    /// What an event that is written now has seen.
    pub(super) fn heads(&self) -> BTreeSet<RecordId> {
        moves::heads(&self.events).into_iter().take(MAX_SEEN).collect()
    }
}

/// Whether the author of an event may write it for the village that it is about.
fn is_allowed(step: &MoveStep, villages: &BTreeMap<RecordId, [RegionCode; 2]>, right: &Right) -> bool {
    let keeps = |give: &RecordId, which: usize| {
        villages.get(give).and_then(|both| both.get(which)).is_some_and(|village| right.keeps(*village))
    };
    match step {
        MoveStep::Give(giving) => right.keeps(giving.from),
        MoveStep::Accept(acceptance) => keeps(&acceptance.give, 1),
        MoveStep::Refuse { give, .. } => keeps(give, 1),
        MoveStep::TakeBack { give } => keeps(give, 0),
        MoveStep::Settle { .. } => right.center,
        MoveStep::Unknown => false,
    }
}

/// Whether an event belongs to this document: whoever may write in the town could put it elsewhere.
fn is_of(replica: &mut Replica, town: &Namespace, document: DocumentId, event: &MoveEvent) -> Result<bool, StoreError> {
    let is_named = match &event.step {
        MoveStep::Give(giving) => {
            let key = moves::natural_key(giving.household, giving.resident);
            replica.document_id(town, DocumentKind::Move, &key).is_ok_and(|own| own == document)
        }
        MoveStep::Accept(acceptance) => acceptance.resident == moves::resident_in(document, acceptance.household),
        MoveStep::Refuse { .. } | MoveStep::TakeBack { .. } | MoveStep::Settle { .. } | MoveStep::Unknown => true,
    };
    Ok(is_named && event.moved == document)
}

/// Reads a move; `None` where no hand-over counts.
///
/// # Errors
/// [`StoreError`].
pub fn read(replica: &mut Replica, document: DocumentId) -> Result<Option<MoveRecord>, StoreError> {
    let stored = Stored::of(replica, document)?;
    let Some(moved) = stored.fold() else { return Ok(None) };
    let opened = opened(replica, &moved, &moved.leading.clone())?;
    let (told, state) = match opened {
        Ok(told) => (Some(told), MovedState::Open),
        Err(state) => (None, state),
    };
    Ok(Some(MoveRecord { id: document, moved, told, state, unreadable: stored.unreadable }))
}

/// What a hand-over tells, or why that is not to be read here.
pub(super) fn opened(
    replica: &mut Replica,
    moved: &Move,
    given: &Given,
) -> Result<Result<Moved, MovedState>, StoreError> {
    let town = Namespace::town();
    let key = moves::natural_key(moved.household, moved.resident);
    let Ok(document) = replica.document_id(&town, DocumentKind::Move, &key) else {
        return Ok(Err(MovedState::KeyMissing));
    };
    let to_readers = match replica.open_personal(&town, document, moved.resident, &given.content) {
        Ok(plain) => plain,
        Err(PersonalError::Erased) => return Ok(Err(MovedState::Erased)),
        Err(PersonalError::NoKey) => return Ok(Err(MovedState::KeyMissing)),
        Err(PersonalError::Seal(_)) => return Ok(Err(MovedState::Unreadable)),
        Err(PersonalError::Store(error)) => return Err(error),
    };
    let Ok(confidential) = Confidential::from_bytes(&to_readers) else { return Ok(Err(MovedState::Unreadable)) };
    let Some(plain) = replica.open_confidential(document, &confidential) else { return Ok(Err(MovedState::Sealed)) };
    let told = MoveContent::decode(&plain).ok().and_then(|MoveContent { person, kind, relation, stays }| {
        Some(Moved { personal: PersonalData::decode(&person).ok()?, kind, relation, stays })
    });
    Ok(told.ok_or(MovedState::Unreadable))
}

/// What the hand-overs of a move seal, in an item of its document.
pub(in super::super) fn sealed_contents(item: &Item) -> Vec<Vec<u8>> {
    let Item::Record { bytes, .. } = item else { return Vec::new() };
    let Ok(MoveEvent { step: MoveStep::Give(giving), .. }) = MoveEvent::from_bytes(bytes) else { return Vec::new() };
    vec![giving.content.to_vec()]
}

/// Who is one person by a move, each in a household of a village.
pub(in super::super) fn links(
    replica: &mut Replica,
    document: DocumentId,
) -> Result<BTreeSet<(RegionCode, DocumentId, ResidentId)>, StoreError> {
    let Some(moved) = Stored::of(replica, document)?.fold() else { return Ok(BTreeSet::new()) };
    let village = |give: RecordId| moved.gives.iter().find(|given| given.event == give).map(|given| given.to);
    let arrived = moved.accepted.iter();
    let arrived = arrived.filter_map(|one| Some((village(one.give)?, one.household, one.resident)));
    Ok(arrived.chain([(moved.leading.from, moved.household, moved.resident)]).collect())
}
