//! What a document tells of its past: the conflicts that somebody settled, and who had said first what stands again.

use std::collections::{BTreeMap, BTreeSet};

use super::{Candidate, Content, Stated};
use crate::change::{AssertionId, RecordKey};
use crate::clock::HybridTime;
use crate::value::{FieldId, Value};

/// Most settlements of a document that are told of, the newest.
const MAX_SETTLED: usize = 32;
/// Most statements that are looked at for them.
const MAX_LOOKED_AT: usize = 256;

/// One value, written by somebody who had seen several different ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Of which record.
    pub record: RecordKey,
    /// Which field.
    pub field: FieldId,
    /// What was written.
    pub choice: Candidate,
    /// What stood before, the one that was shown first.
    pub sides: Vec<Candidate>,
    /// Whether it is still what everybody sees.
    pub stands: bool,
    /// Whether nothing new of the record was written with it.
    pub alone: bool,
}

impl Content {
    /// Conflicts that were settled, the latest first. What answers a question (`is_answer`) settles it also where nobody had
    /// answered before.
    pub fn settled(&self, is_answer: impl Fn(&[u8], FieldId) -> bool) -> Vec<Settled> {
        let mut newest: Vec<&Stated> = self.stated.iter().filter(|one| !one.void).collect();
        newest.retain(|one| {
            let assertion = &one.assertion;
            assertion.supersedes.len() > 1 || assertion.fields.keys().any(|field| is_answer(&assertion.record, *field))
        });
        newest.sort_by_key(|one| std::cmp::Reverse((one.time, one.id)));
        let mut found = Vec::new();
        for one in newest.into_iter().take(MAX_LOOKED_AT) {
            if found.len() >= MAX_SETTLED {
                break;
            }
            for (field, value) in one.assertion.values() {
                let sides = self.replaced(one, *field);
                let differ = sides.iter().any(|side| Some(&side.value) != sides.first().map(|first| &first.value));
                let answers = is_answer(&one.assertion.record, *field) && *value != Value::Null;
                if differ || answers {
                    let record = one.assertion.record.clone();
                    let (stands, alone) = (self.stands(one, *field), !self.adds(one, *field));
                    found.push(Settled { record, field: *field, choice: one.candidate(value), sides, stands, alone });
                }
            }
        }
        found.truncate(MAX_SETTLED);
        found
    }

    /// The values of a field that an assertion replaced.
    fn replaced(&self, by: &Stated, field: FieldId) -> Vec<Candidate> {
        let about = self.about(&by.assertion.record, field).filter(|one| !one.void);
        let replaced = about.filter(|one| by.assertion.supersedes.contains(&one.id));
        let mut sides: Vec<Candidate> =
            replaced.filter_map(|one| Some(one.candidate(one.assertion.fields.get(&field)?))).collect();
        super::sort(&mut sides);
        sides
    }

    /// Whether an assertion says something new of other fields than this one.
    fn adds(&self, one: &Stated, field: FieldId) -> bool {
        one.assertion.values().filter(|(other, _)| **other != field).any(|(other, value)| {
            let before = self.replaced(one, *other);
            before.is_empty() || before.iter().any(|side| side.value != *value)
        })
    }

    fn stands(&self, one: &Stated, field: FieldId) -> bool {
        let register = self.records.get(&one.assertion.record).and_then(|fields| fields.get(&field));
        register.is_some_and(|register| {
            !register.is_conflict() && register.values.iter().any(|value| value.assertion == one.id)
        })
    }

    /// The assertion that first said what a candidate says. After a settlement was undone its sides stand again: they
    /// are whose they were before.
    pub fn origin(&self, record: &[u8], field: FieldId, candidate: AssertionId) -> (AssertionId, HybridTime) {
        let about: BTreeMap<AssertionId, &Stated> = self.about(record, field).map(|one| (one.id, one)).collect();
        let mut origin = candidate;
        let mut seen = BTreeSet::new();
        while seen.insert(origin)
            && let Some(earlier) = put_back(&about, field, origin)
        {
            origin = earlier;
        }
        (origin, about.get(&origin).map(|one| one.time).unwrap_or_default())
    }
}

/// What an assertion put back: it replaced one alone that had settled, and says what one of the sides said.
fn put_back(about: &BTreeMap<AssertionId, &Stated>, field: FieldId, id: AssertionId) -> Option<AssertionId> {
    let known = |one: &Stated| -> Vec<AssertionId> {
        one.assertion.supersedes.iter().filter(|id| about.contains_key(*id)).copied().collect()
    };
    let one = about.get(&id)?;
    let [settled] = known(one)[..] else { return None };
    let sides = known(about.get(&settled)?);
    let says = |side: &AssertionId| about.get(side).and_then(|side| side.assertion.fields.get(&field));
    let same = sides.iter().filter(|side| says(side) == one.assertion.fields.get(&field));
    let earliest = same.min_by_key(|side| about.get(*side).map(|side| (side.time, side.id)));
    earliest.filter(|_| sides.len() > 1).copied()
}
