//! Residents of a household who look like one person, and what people answered about them.

use std::collections::{BTreeMap, BTreeSet};

use super::labels::{self, Words};
use super::people::Place;
use super::read::{At, Duplicate, Said, Settlement};
use super::{CommandError, household};
use crate::clock::Millis;
use crate::document::{Content, Register, Settled};
use crate::domain::household::Resident;
use crate::domain::record::Scalar;
use crate::domain::same_person::{self, Answer, Pair, Two};
use crate::id::ResidentId;
use crate::replica::{Recorded, Replica};
use crate::value::{FieldId, Fields, Value};

/// Most pairs of a household that people are asked about; the others come up as these are answered.
const MAX_PAIRS: usize = 64;

/// Whether a field answers whether two residents are one person: nothing else needs to be in conflict for that.
pub(super) fn is_answer(record: &[u8], field: FieldId) -> bool {
    Two::of_key(record).is_some() && field == Pair::ANSWER
}

/// What was answered, pair by pair.
fn answers(content: &Content) -> impl Iterator<Item = (Two, &Register)> {
    let pairs = content.records.iter().filter_map(|(key, fields)| Some((Two::of_key(key)?, fields)));
    pairs.filter_map(|(two, fields)| Some((two, fields.get(&Pair::ANSWER)?)))
}

fn answer_of(register: &Register) -> Option<Answer> {
    register.winner().and_then(Answer::from_value).filter(|_| !register.is_conflict())
}

/// Who of those that stand is shown as somebody else.
pub(super) fn aliases(content: &Content, stands: &BTreeSet<ResidentId>) -> BTreeMap<ResidentId, ResidentId> {
    let settled = answers(content).filter_map(|(two, register)| Some((two, answer_of(register)?)));
    // That two are not one person holds nobody's hiding up less because somebody else said otherwise.
    let contested = answers(content).filter(|(_, register)| register.is_conflict()).filter(|(_, register)| {
        register.values.iter().any(|candidate| Answer::from_value(&candidate.value) == Some(Answer::Distinct))
    });
    same_person::aliases(settled.chain(contested.map(|(two, _)| (two, Answer::Distinct))), stands)
}

/// Everybody of whom anybody answered that they are one person with somebody, whatever others answered.
pub(super) fn one_person(content: &Content, resident: ResidentId) -> BTreeSet<ResidentId> {
    let said = answers(content).flat_map(|(two, register)| {
        register.values.iter().filter_map(move |candidate| Some((two, Answer::from_value(&candidate.value)?)))
    });
    same_person::component(said, resident)
}

/// Who is to be asked about: residents that are recognised by the same (`recognised`) and of whom nobody has answered, and
/// those of whom the answers differ. Only residents who stand are asked about.
pub(super) fn suspected(
    content: &Content,
    recognised: &BTreeMap<Vec<u8>, Vec<ResidentId>>,
    stands: &BTreeSet<ResidentId>,
) -> Vec<Duplicate> {
    let answered: BTreeMap<Two, &Register> = answers(content).collect();
    let is_open = |two: &Two| answered.get(two).is_none_or(|register| register.winner() == Some(&Value::Null));
    let alike = recognised.values().flat_map(|group| {
        let later = |place: usize| group.iter().skip(place + 1);
        group.iter().enumerate().flat_map(move |(place, one)| later(place).filter_map(|other| Two::of(*one, *other)))
    });
    let contradicted = answered.iter().filter(|(_, register)| register.is_conflict()).map(|(two, _)| *two);
    let pairs: BTreeSet<Two> = alike.filter(is_open).take(MAX_PAIRS).chain(contradicted).collect();
    let pairs = pairs.into_iter().filter(|two| two.ids().iter().all(|id| stands.contains(id)));
    let duplicate = |two: Two| {
        let at = At { record: two.key(), field: Pair::ANSWER };
        let contrary = answered.get(&two).filter(|register| register.is_conflict());
        let answers = contrary.map(|register| labels::sides(content, &at, &register.values, words));
        let residents = two.ids();
        let recorded = residents.map(|id| recorded_by(content, id));
        Duplicate { residents, recorded, answers: answers.unwrap_or_default() }
    };
    pairs.map(duplicate).take(MAX_PAIRS).collect()
}

/// Who said who it is.
fn recorded_by(content: &Content, resident: ResidentId) -> Vec<Said> {
    let at = At { record: resident.as_bytes().to_vec(), field: Resident::PERSONAL };
    let register = content.records.get(&at.record).and_then(|fields| fields.get(&at.field));
    let candidates = register.map_or(&[][..], |register| &register.values);
    candidates.iter().map(|candidate| labels::said(content, &at, candidate)).collect()
}

/// An answer in words.
pub(super) fn words(value: &Value) -> Words {
    match Answer::from_value(value) {
        Some(answer) => [answer.to_string(), answer.chinese().to_owned(), answer.english().to_owned()],
        None => [String::new(), "（未判定）".into(), "(not answered)".into()],
    }
}

/// An answer as a settlement; `None` for what is none.
pub(super) fn settlement(content: &Content, settled: &Settled) -> Option<Settlement> {
    let [first, _] = Two::of_key(&settled.record)?.ids();
    if settled.field != Pair::ANSWER || Answer::from_value(&settled.choice.value).is_none() {
        return None;
    }
    let called = ("duplicate", "疑似同一人", "same person?");
    Some(Settlement { record: Some(first), ..labels::settlement_of(content, settled, called, words) })
}

/// Stages an answer.
pub(super) fn answer(
    replica: &mut Replica,
    place: Place<'_>,
    two: Two,
    answer: Answer,
    now: Millis,
) -> Result<Recorded, CommandError> {
    household::write_record(replica, place, two.key(), Fields::from([(Pair::ANSWER, answer.to_value())]), now)
}
