//! Moves between villages: handing a resident over, taking them in, refusing, taking back; see [`crate::domain::moves`].
//!
//! Each half writes its own registry together with its event: the giving village the last day, the receiving one the new
//! resident. Neither waits for the other.

mod error;
mod read;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use self::read::Stored;
use super::household::{self, Edit};
use super::people::{self, Place, Slot};
use super::read::{PersonalState, ResidentRecord};
use super::{CommandError, Outcome, kind};
use crate::change::record_id;
use crate::clock::Millis;
use crate::domain::confidential::MAX_RECIPIENTS;
use crate::domain::date::{Day, UTC_OFFSET_MINUTES};
use crate::domain::household::{Relation, Resident, ResidentKind};
use crate::domain::input;
use crate::domain::moves::{
    self, Acceptance, Given, Giving, MAX_STAYS, Move, MoveContent, MoveEvent, MoveState, MoveStep, Stay,
};
use crate::domain::record::Scalar;
use crate::domain::region::RegionCode;
use crate::domain::role::Role;
use crate::id::{DocumentId, RecordId, ResidentId};
use crate::namespace::{Namespace, NamespaceKind};
use crate::policy::{self, DocumentKind};
use crate::replica::{NoCenter, PersonalError, Recorded, Replica};
use crate::value::{Fields, Value};

pub use error::MoveError;
pub use read::{MoveRecord, Moved, MovedState, read};
pub(super) use read::{links, sealed_contents};

/// Somebody who leaves for another village.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MoveInput {
    /// The household that they leave.
    pub household: DocumentId,
    /// Their id there.
    pub resident: ResidentId,
    /// The village that they go to.
    pub to: RegionCode,
    /// Their last day here; without it the one that is recorded, or today.
    #[serde(default)]
    pub day: Option<Day>,
    /// Who hands over: a member's code.
    pub by: String,
}

/// Somebody who is taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AcceptInput {
    /// The household that they live in, of this village.
    pub household: DocumentId,
    /// Their first day here; without it their last one there.
    #[serde(default)]
    pub day: Option<Day>,
    /// On what ground they live here; without it as there.
    #[serde(default)]
    pub kind: Option<ResidentKind>,
    /// What they are to the head of the household.
    #[serde(default)]
    pub relation: Option<Relation>,
    /// Who takes them in: a member's code.
    pub by: String,
}

/// Where somebody was taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Arrival {
    /// The household.
    pub household: DocumentId,
    /// Their id there.
    pub resident: ResidentId,
}

/// Hands a resident over to another village, and records their last day here. The same hand-over again stages nothing.
///
/// # Errors
/// [`CommandError::Input`]; [`CommandError::RoleNotHeld`]; [`CommandError::NotFound`], [`CommandError::Alias`],
/// [`CommandError::Personal`] of whom cannot be told; [`CommandError::Move`]; [`CommandError::NoCenter`] where nobody who could
/// read it is known; [`CommandError::Record`].
pub fn give(replica: &mut Replica, input: &MoveInput, now: Millis) -> Result<Outcome<DocumentId>, CommandError> {
    input::line("by", &input.by)?;
    input::day("day", input.day)?;
    check_clerk(replica)?;
    let MoveInput { household, resident, to, .. } = *input;
    let (registry, from, address, known) = resident_of(replica, household, resident)?;
    replica.may_record(&registry, DocumentKind::Household, DocumentKind::Household.lane())?;
    check_receiver(replica, from, to)?;
    let document =
        replica.document_id(&Namespace::town(), DocumentKind::Move, &moves::natural_key(household, resident))?;
    let stored = Stored::of(replica, document)?;
    let day = input.day.or(known.resident.moved_out);
    let day = day.unwrap_or_else(|| Day::of_time(i64::try_from(now).unwrap_or(i64::MAX), UTC_OFFSET_MINUTES));
    let before = stored.fold();
    match &before {
        // Another village handed over whom it does not have; a center settles that.
        Some(before) if before.leading.from != from => {}
        Some(before) if before.state == MoveState::Given => {
            let is_same = before.leading.to == to && before.leading.day == day;
            return if is_same { Ok(Outcome::Unchanged(document)) } else { Err(MoveError::Given.into()) };
        }
        Some(before) if before.state == MoveState::Accepted => return Err(MoveError::Accepted.into()),
        Some(_) | None => {}
    }
    household::check_stay(&known.resident.fields(), &Fields::from([(Resident::MOVED_OUT, day.to_value())]))?;
    let stay =
        Stay { region: from, address, household, resident, moved_in: known.resident.moved_in, moved_out: Some(day) };
    let plain = content(known, stay)?;
    let content = sealed(replica, document, resident, [from, to], &plain)?.into();
    let giving = Giving { from, to, household, resident, day, content };
    let recorded = put(replica, document, &stored, &input.by, MoveStep::Give(giving), now)?.1;
    let edit = Edit { set: Resident { moved_out: Some(day), ..Resident::default() }, ..Edit::default() };
    household::edit_resident(replica, &registry, household, resident, &edit, now)?;
    Ok(match before {
        None => Outcome::Created(document, recorded),
        Some(_) => Outcome::Changed(document, recorded),
    })
}

/// Takes somebody in who was handed over to a village that this node keeps: with who they are, where they lived before, and
/// an alias to their former id.
///
/// # Errors
/// [`CommandError::Input`]; [`CommandError::RoleNotHeld`]; [`CommandError::NotFound`]; [`CommandError::Move`] where there is
/// nothing to take in, or not by this node; [`CommandError::Personal`] where the person was erased meanwhile;
/// [`CommandError::Record`].
pub fn accept(
    replica: &mut Replica,
    document: DocumentId,
    input: &AcceptInput,
    now: Millis,
) -> Result<Outcome<Arrival>, CommandError> {
    input::line("by", &input.by)?;
    input::day("day", input.day)?;
    input::word("kind", input.kind, ResidentKind::ALL)?;
    input::word("relation", input.relation, Relation::ALL)?;
    check_clerk(replica)?;
    let stored = Stored::existing(replica, document)?;
    let moved = stored.fold().ok_or_else(|| unknown(document))?;
    let household = input.household;
    let (registry, region) = household_of(replica, household)?;
    replica.may_record(&registry, DocumentKind::Household, DocumentKind::Household.lane())?;
    let give = open_give(&moved, |to| to == region)?.clone();
    let told = match read::opened(replica, &moved, &give)? {
        Ok(told) => told,
        Err(MovedState::Erased) => return Err(PersonalError::Erased.into()),
        Err(MovedState::KeyMissing) => return Err(PersonalError::NoKey.into()),
        Err(MovedState::Sealed | MovedState::Unreadable | MovedState::Open) => return Err(MoveError::Sealed.into()),
    };
    let arrival = Arrival { household, resident: moves::resident_in(document, household) };
    settle_in(replica, (&registry, document), arrival, &told, input, give.day, now)?;
    let step = MoveStep::Accept(Acceptance { give: give.event, household, resident: arrival.resident });
    let (_, recorded) = put(replica, document, &stored, &input.by, step, now)?;
    Ok(Outcome::Created(arrival, recorded))
}

/// Refuses whom another village handed over.
///
/// # Errors
/// [`CommandError::Input`], [`CommandError::RoleNotHeld`], [`CommandError::NotFound`], [`CommandError::Move`],
/// [`CommandError::Record`].
pub fn refuse(
    replica: &mut Replica,
    document: DocumentId,
    (by, reason): (&str, &str),
    now: Millis,
) -> Result<Outcome<MoveState>, CommandError> {
    input::line("by", by)?;
    input::words("reason", reason)?;
    check_clerk(replica)?;
    let stored = Stored::existing(replica, document)?;
    let moved = stored.fold().ok_or_else(|| unknown(document))?;
    let right = read::right(replica.certificate());
    let give = open_give(&moved, |to| right.keeps(to))?.event;
    let step = MoveStep::Refuse { give, reason: reason.to_owned() };
    let (_, recorded) = put(replica, document, &stored, by, step, now)?;
    Ok(Outcome::Changed(MoveState::Refused, recorded))
}

/// Takes a hand-over back that nobody answered, or that was refused: the last day that it recorded is taken back, too.
///
/// # Errors
/// [`CommandError::Input`], [`CommandError::RoleNotHeld`], [`CommandError::NotFound`], [`CommandError::Move`],
/// [`CommandError::Record`].
pub fn take_back(
    replica: &mut Replica,
    document: DocumentId,
    by: &str,
    now: Millis,
) -> Result<Outcome<MoveState>, CommandError> {
    input::line("by", by)?;
    check_clerk(replica)?;
    let stored = Stored::existing(replica, document)?;
    let moved = stored.fold().ok_or_else(|| unknown(document))?;
    match moved.state {
        MoveState::Accepted => return Err(MoveError::Accepted.into()),
        MoveState::TakenBack => return Ok(Outcome::Unchanged(MoveState::TakenBack)),
        MoveState::Given | MoveState::Refused | MoveState::Unknown(_) => {}
    }
    if !read::right(replica.certificate()).keeps(moved.leading.from) {
        return Err(MoveError::NotHere { village: moved.leading.from }.into());
    }
    let (household, resident) = (moved.household, moved.resident);
    let (registry, ..) = resident_of(replica, household, resident)?;
    let step = MoveStep::TakeBack { give: moved.leading.event };
    let (_, recorded) = put(replica, document, &stored, by, step, now)?;
    let content = replica.content(replica.namespace_id(&registry), household)?;
    let left = Resident::read(&content.fields(resident.as_bytes())).moved_out;
    let register = content.records.get(resident.as_bytes()).and_then(|one| one.get(&Resident::MOVED_OUT));
    let since = register.and_then(|register| register.values.first()).map(|candidate| candidate.time.0);
    drop(content);
    let given = moved.timeline.iter().find(|entry| entry.event == moved.leading.event).map(|entry| entry.time);
    // Another day was recorded since by somebody who knew better; or the day was known before, and they had left.
    if left == Some(moved.leading.day) && since >= given {
        let edit = Edit { clear: BTreeSet::from(["moved_out".to_owned()]), ..Edit::default() };
        household::edit_resident(replica, &registry, household, resident, &edit, now)?;
    }
    Ok(Outcome::Changed(MoveState::TakenBack, recorded))
}

/// Settles what met, or opens it again; see `conflict`.
pub(super) fn settle(
    replica: &mut Replica,
    document: DocumentId,
    between: [RecordId; 2],
    stands: Option<RecordId>,
    now: Millis,
) -> Result<Recorded, CommandError> {
    check_clerk(replica)?;
    let right = read::right(replica.certificate());
    let stored = Stored::existing(replica, document)?;
    if !right.center {
        return Err(crate::replica::RecordError::Denied(policy::Denied::CenterOnly).into());
    }
    let by = replica.certificate().name.clone();
    Ok(put(replica, document, &stored, &by, MoveStep::Settle { between, stands }, now)?.1)
}

/// Stages an event on top of all that is known.
fn put(
    replica: &mut Replica,
    document: DocumentId,
    stored: &Stored,
    by: &str,
    step: MoveStep,
    now: Millis,
) -> Result<(RecordId, Recorded), CommandError> {
    let event = MoveEvent { moved: document, by: by.to_owned(), seen: stored.heads(), step };
    let (bytes, kind) = (event.to_bytes()?, DocumentKind::Move);
    let id = record_id(&bytes);
    if stored.is_full() {
        return Err(MoveError::Full.into());
    }
    Ok((id, replica.put(&Namespace::town(), kind, document, bytes, kind.lane(), now)?))
}

fn unknown(document: DocumentId) -> CommandError {
    CommandError::NotFound { thing: "move", chinese: "迁移", document }
}

/// Nobody's move is recorded on a node where no village clerk acts: it would have no effect.
fn check_clerk(replica: &Replica) -> Result<(), CommandError> {
    let role = Role::VillageClerk;
    if policy::may_act(replica.certificate(), role) { Ok(()) } else { Err(CommandError::RoleNotHeld { role }) }
}

/// That there is a village to go to, and somebody who could read what it is told.
fn check_receiver(replica: &Replica, from: RegionCode, to: RegionCode) -> Result<(), CommandError> {
    if from == to {
        return Err(MoveError::SameVillage.into());
    }
    let receiver = Namespace::registry(&to.to_string());
    if replica.trust().family(&receiver).is_none() {
        return Err(MoveError::NoSuchVillage { village: to }.into());
    }
    let family = receiver.family();
    let own = replica.node();
    let mut others = replica.trust().nodes().filter(|(node, ..)| *node != own);
    let is_read = policy::may_read(&replica.certificate().scopes, &family)
        || others.any(|(.., certificate)| policy::may_read(&certificate.scopes, &family));
    if is_read { Ok(()) } else { Err(NoCenter.into()) }
}

/// The registry of a household that this node reads, and its village.
pub(super) fn household_of(
    replica: &mut Replica,
    household: DocumentId,
) -> Result<(Namespace, RegionCode), CommandError> {
    let readable = replica.namespaces().into_iter();
    let registries =
        readable.filter(|(_, namespace, _, readable)| *readable && namespace.kind == NamespaceKind::Registry);
    for (id, namespace, ..) in registries {
        if replica.content(id, household)?.records.is_empty() {
            continue;
        }
        if kind::of(replica, &namespace, DocumentKind::Household, household)? == DocumentKind::Household
            && let Ok(region) = namespace.region.parse()
        {
            return Ok((namespace, region));
        }
    }
    Err(CommandError::NotFound { thing: "household", chinese: "住户", document: household })
}

/// Somebody of a household that is here, whose data could be opened: the registry, its village, the address, and they.
pub(super) fn resident_of(
    replica: &mut Replica,
    household: DocumentId,
    resident: ResidentId,
) -> Result<(Namespace, RegionCode, String, ResidentRecord), CommandError> {
    let (namespace, region) = household_of(replica, household)?;
    let missing =
        || CommandError::NotFound { thing: "resident in household", chinese: "户内人员", document: household };
    let found = household::read(replica, &namespace, household)?.ok_or_else(missing)?;
    let known = found.residents.into_iter().find(|one| one.id == resident).ok_or_else(missing)?;
    match (known.alias_of, known.resident.void, known.state) {
        (Some(kept), ..) => Err(CommandError::Alias { kept }),
        (None, Some(true), _) => Err(missing()),
        (None, _, PersonalState::Erased) => Err(PersonalError::Erased.into()),
        (None, _, PersonalState::KeyMissing) => Err(PersonalError::NoKey.into()),
        (None, _, PersonalState::Open | PersonalState::Unreadable) => {
            Ok((namespace, region, found.household.address.unwrap_or_default(), known))
        }
    }
}

/// What the receiving village is told of somebody.
fn content(known: ResidentRecord, stay: Stay) -> Result<Vec<u8>, CommandError> {
    let ResidentRecord { resident, stays: earlier, .. } = known;
    let person = resident.personal.unwrap_or_default().encode()?.into();
    let mut stays = earlier;
    stays.push(stay);
    let too_many = stays.len().saturating_sub(MAX_STAYS);
    stays.drain(..too_many);
    Ok(MoveContent { person, kind: resident.kind, relation: resident.relation, stays }.encode()?)
}

/// Seals it to both villages and the centers, and that under a key of its own that an erasure destroys.
fn sealed(
    replica: &mut Replica,
    document: DocumentId,
    resident: ResidentId,
    villages: [RegionCode; 2],
    plain: &[u8],
) -> Result<Vec<u8>, CommandError> {
    let families = villages.map(|village| Namespace::registry(&village.to_string()).family());
    let reads = |certificate: &crate::certificate::Certificate| {
        families.iter().any(|family| policy::may_read(&certificate.scopes, family))
    };
    let to_readers = replica.seal_for(document, plain, reads)?.to_bytes();
    Ok(replica.seal_personal(&Namespace::town(), document, resident, None, &to_readers)?)
}

/// The hand-over to a village that waits for an answer.
fn open_give(moved: &Move, is_ours: impl Fn(RegionCode) -> bool) -> Result<&Given, MoveError> {
    let ours = || moved.gives.iter().filter(|given| is_ours(given.to));
    let Some(latest) = ours().next_back() else { return Err(MoveError::NotHere { village: moved.leading.to }) };
    let open = ours().find(|given| given.state == MoveState::Given);
    open.filter(|_| moved.state != MoveState::Accepted).ok_or(match (moved.state, latest.state) {
        (MoveState::Accepted, _) => MoveError::Accepted,
        (_, MoveState::Refused) => MoveError::Refused,
        (_, MoveState::TakenBack | MoveState::Given | MoveState::Accepted | MoveState::Unknown(_)) => {
            MoveError::TakenBack
        }
    })
}

/// Records somebody in the household that takes them in.
fn settle_in(
    replica: &mut Replica,
    (registry, moved): (&Namespace, DocumentId),
    arrival: Arrival,
    told: &Moved,
    input: &AcceptInput,
    left: Day,
    now: Millis,
) -> Result<(), CommandError> {
    let Arrival { household, resident } = arrival;
    let place = Place::new(replica, registry, household);
    let record = resident.as_bytes();
    let content = replica.content(place.id, household)?;
    let person = people::open(replica, place, Slot { record, field: Resident::PERSONAL, resident }, &content)?;
    if person.state == PersonalState::Erased {
        return Err(PersonalError::Erased.into());
    }
    let is_known = content.records.contains_key(record);
    drop(content);
    let stay = Resident {
        kind: input.kind.or(told.kind),
        relation: input.relation,
        moved_in: Some(input.day.unwrap_or(left)),
        ..Resident::default()
    };
    let mut fields = stay.fields();
    if is_known {
        fields.extend([(Resident::MOVED_OUT, Value::Null), (Resident::VOID, Value::Null)]);
    }
    let sealed = people::seal(replica, place, resident, person.sealed.as_deref(), &told.personal)?;
    let key = sealed.as_bytes().map(<[u8]>::to_vec);
    // Under the same key: whoever is erased has lived nowhere.
    let stays = moves::encode_stays(&told.stays)?;
    let history = replica.seal_personal(registry, household, resident, key.as_deref(), &stays)?;
    fields.insert(Resident::PERSONAL, sealed);
    fields.insert(Resident::HISTORY, Value::Bytes(history));
    fields.insert(Resident::CAME_BY, moved.to_value());
    let edits = BTreeMap::from([(record.to_vec(), fields)]);
    replica.edit(registry, DocumentKind::Household, household, edits, DocumentKind::Household.lane(), now)?;
    Ok(())
}

/// A hand-over fits into a record however many may read it.
const _: () = assert!(MAX_RECIPIENTS * 96 + 16 * 1024 < moves::MAX_EVENT_BYTES - 4 * 1024);
