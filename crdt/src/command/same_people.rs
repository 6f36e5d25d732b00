//! Residents of two households who are one person: what a center answers, and who is shown for whom.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::entity::{self, ITSELF, Writing};
use super::moves::{household_of, resident_of};
use super::read::FieldsRecord;
use super::{CommandError, Outcome};
use crate::clock::Millis;
use crate::domain::record::Scalar;
use crate::domain::region::RegionCode;
use crate::domain::same_person::{Answer, SamePerson, Two};
use crate::entry::Lane;
use crate::id::{DocumentId, ResidentId};
use crate::namespace::Namespace;
use crate::policy::DocumentKind;
use crate::replica::Replica;
use crate::store::StoreError;
use crate::value::{Fields, Value};

/// A resident of a household.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PersonRef {
    /// The household.
    pub household: DocumentId,
    /// Their id there.
    pub resident: ResidentId,
}

/// What somebody answers about two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// One person, shown as the first of the two named.
    Merge,
    /// Two people.
    Distinct,
    /// Whatever was answered is taken back: both stand, as before.
    TakeBack,
}

/// Records what a center answers about two residents of two households. Neither record is touched: an alias is found under
/// its own id, and stands by itself again as soon as the answer is taken back.
///
/// # Errors
/// [`CommandError::Record`] anywhere but on a center; [`CommandError::NotFound`], [`CommandError::Alias`],
/// [`CommandError::Personal`] of whoever is not here, shown as somebody else, or was erased;
/// [`CommandError::OneHousehold`].
pub fn answer(
    replica: &mut Replica,
    one: PersonRef,
    other: PersonRef,
    verdict: Verdict,
    now: Millis,
) -> Result<Outcome<DocumentId>, CommandError> {
    replica.may_record(&Namespace::town(), DocumentKind::SamePerson, Lane::Work)?;
    let two = Two::of(one.resident, other.resident).filter(|_| one.household != other.household);
    let two = two.ok_or(CommandError::OneHousehold)?;
    let answer = match verdict {
        Verdict::Merge => two.keeping(one.resident),
        Verdict::Distinct => Some(Answer::Distinct),
        Verdict::TakeBack => None,
    };
    let mut places = BTreeMap::new();
    for person in [one, other] {
        // What was answered of somebody who was erased since may still be taken back.
        let region = match verdict {
            Verdict::TakeBack => household_of(replica, person.household)?.1,
            Verdict::Merge | Verdict::Distinct => resident_of(replica, person.household, person.resident)?.1,
        };
        places.insert(person.resident, (region, person.household));
    }
    let [first, second] = two.ids();
    let place = |id: ResidentId| places.get(&id).copied();
    let pair = SamePerson {
        first: Some(first),
        second: Some(second),
        first_household: place(first).map(|(_, household)| household),
        second_household: place(second).map(|(_, household)| household),
        first_region: place(first).map(|(region, _)| region),
        second_region: place(second).map(|(region, _)| region),
        answer,
    };
    write(replica, &pair, now)
}

/// Writes an answer; also over one that contradicts another.
fn write(replica: &mut Replica, pair: &SamePerson, now: Millis) -> Result<Outcome<DocumentId>, CommandError> {
    let town = Namespace::town();
    let document = replica.document_id(&town, DocumentKind::SamePerson, &entity::require_key(pair)?)?;
    let content = replica.content(replica.namespace_id(&town), document)?;
    if content.records.is_empty() && pair.answer.is_none() {
        return Ok(Outcome::Unchanged(document));
    }
    let value = pair.answer.map_or(Value::Null, |answer| answer.to_value());
    let register = content.records.get(ITSELF).and_then(|fields| fields.get(&SamePerson::ANSWER));
    let Some(register) = register else {
        drop(content);
        return entity::record(replica, &town, pair, Writing::Known, Lane::Work, now);
    };
    if register.winner() == Some(&value) && !register.is_conflict() {
        return Ok(Outcome::Unchanged(document));
    }
    drop(content);
    let fields = Fields::from([(SamePerson::ANSWER, value)]);
    let recorded = entity::edit::<SamePerson>(replica, &town, document, fields, Lane::Work, now)?;
    Ok(Outcome::Changed(document, recorded))
}

/// What was answered, where no other answer contradicts it. That two are two people holds nobody's hiding up less because
/// somebody else said otherwise.
pub fn standing(record: &FieldsRecord<SamePerson>) -> Option<Answer> {
    let contested = record.conflicts.iter().find(|conflict| conflict.field == "answer");
    match contested {
        None => record.record.answer,
        Some(conflict) => {
            let distinct = conflict.values.iter().any(|value| value.value == Answer::Distinct.key());
            distinct.then_some(Answer::Distinct)
        }
    }
}

/// Both, where anybody answered that they are one person, contradicted or not: an erasure must not leave anything of either.
pub(super) fn joined(
    replica: &mut Replica,
    document: DocumentId,
) -> Result<BTreeSet<(RegionCode, DocumentId, ResidentId)>, StoreError> {
    let content = replica.content(replica.namespace_id(&Namespace::town()), document)?;
    let pair = SamePerson::read(&content.fields(ITSELF));
    let register = content.records.get(ITSELF).and_then(|fields| fields.get(&SamePerson::ANSWER));
    let mut said = register.map_or(&[][..], |register| &register.values).iter();
    let is_joined =
        said.any(|one| matches!(Answer::from_value(&one.value), Some(Answer::KeepFirst | Answer::KeepSecond)));
    Ok(if is_joined { pair.people().into_iter().flatten().collect() } else { BTreeSet::new() })
}
