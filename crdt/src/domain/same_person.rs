//! Residents who look like one person: what people answered, and who is shown for whom.
//!
//! The answer about two residents stands in a record of its own in their household's document, whose key is both ids,
//! the smaller first: two offices that answer apart write one field, so that answers that contradict each other are a
//! conflict like any other. While they do, both residents stand. Nobody is removed by an answer: an alias is found under
//! its own id, and stands by itself again as soon as the answer is taken back.
//!
//! Two residents of two households, of whatever villages, have a document of their own in the namespace of the town
//! ([`SamePerson`]), since neither village reads the registry of the other: a center, which holds both, finds them and
//! answers. It tells their ids, which are random, and where they are; nothing that names anybody. So each village sees for
//! whom its resident is shown, and erases what it holds of them.

use std::collections::{BTreeMap, BTreeSet};

use super::codes::coded;
use super::input::{self, InputError};
use super::record::record;
use super::region::RegionCode;
use crate::change::RecordKey;
use crate::id::{DocumentId, ResidentId};

coded! {
    /// What somebody answered about two residents.
    pub enum Answer: "answer" {
        /// They are two people.
        Distinct = 1, "distinct", "不是同一人", "not the same person";
        /// One person, shown as the resident with the smaller id.
        KeepFirst = 2, "keep_first", "同一人，保留前者", "one person, the first is kept";
        /// One person, shown as the other.
        KeepSecond = 3, "keep_second", "同一人，保留后者", "one person, the second is kept";
    }
}

record! {
    /// What is known of two residents together.
    pub struct Pair {
        /// Whether they are one person.
        1 ANSWER answer: Option<Answer>,
    }
}

record! {
    /// What is known of two residents of two households together; the smaller id first.
    pub struct SamePerson {
        /// One; part of the natural key.
        1 FIRST first: Option<ResidentId>,
        /// The other; part of the natural key.
        2 SECOND second: Option<ResidentId>,
        /// The household of the first.
        3 FIRST_HOUSEHOLD first_household: Option<DocumentId>,
        /// The household of the second.
        4 SECOND_HOUSEHOLD second_household: Option<DocumentId>,
        /// The village of the first.
        5 FIRST_REGION first_region: Option<RegionCode>,
        /// The village of the second.
        6 SECOND_REGION second_region: Option<RegionCode>,
        /// Whether they are one person.
        7 ANSWER answer: Option<Answer>,
    }
}

impl SamePerson {
    /// Both; `None` where that is not known.
    pub fn two(&self) -> Option<Two> {
        Two::of(self.first?, self.second?)
    }

    /// The key of its document.
    pub fn natural_key(&self) -> Option<Vec<u8>> {
        self.two().map(Two::key)
    }

    /// Checks what somebody entered; see [`input`].
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn check(&self) -> Result<(), InputError> {
        input::word("answer", self.answer, Answer::ALL)
    }

    /// Where both live, as far as is known: village, household and id of each.
    pub fn people(&self) -> [Option<(RegionCode, DocumentId, ResidentId)>; 2] {
        let one = |region: Option<RegionCode>, household: Option<DocumentId>, id: Option<ResidentId>| {
            Some((region?, household?, id?))
        };
        [
            one(self.first_region, self.first_household, self.first),
            one(self.second_region, self.second_household, self.second),
        ]
    }
}

/// Two residents, the smaller id first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Two([ResidentId; 2]);

impl Two {
    /// These two, in whatever order; `None` for one.
    pub fn of(a: ResidentId, b: ResidentId) -> Option<Self> {
        (a != b).then(|| Self([a.min(b), a.max(b)]))
    }

    /// Those whom a record is about; `None` for a record that is about something else.
    pub fn of_key(key: &[u8]) -> Option<Self> {
        let (first, second) = key.split_at_checked(ResidentId::LEN)?;
        let two = Self([ResidentId::from_slice(first)?, ResidentId::from_slice(second)?]);
        (two.0[0] < two.0[1]).then_some(two)
    }

    /// The key of their record.
    pub fn key(self) -> RecordKey {
        self.0.iter().flat_map(|id| id.0).collect()
    }

    /// Both.
    pub fn ids(self) -> [ResidentId; 2] {
        self.0
    }

    /// The answer that they are one person, whom `kept` shows; `None` where that is neither.
    pub fn keeping(self, kept: ResidentId) -> Option<Answer> {
        match self.0.iter().position(|id| *id == kept)? {
            0 => Some(Answer::KeepFirst),
            _ => Some(Answer::KeepSecond),
        }
    }

    /// Who is an alias of whom, by an answer.
    fn alias(self, answer: Answer) -> Option<(ResidentId, ResidentId)> {
        let [first, second] = self.0;
        match answer {
            Answer::KeepFirst => Some((second, first)),
            Answer::KeepSecond => Some((first, second)),
            Answer::Distinct | Answer::Unknown(_) => None,
        }
    }
}

/// Everybody who is one person with somebody by any answer, contradicted or not, and whether or not they stand: of whom an
/// erasure must not leave anything.
pub fn component(answers: impl IntoIterator<Item = (Two, Answer)>, of: ResidentId) -> BTreeSet<ResidentId> {
    let mut all = reach(&joined(answers), of);
    all.insert(of);
    all
}

/// Who is shown as somebody else: each alias with whom it leads to. Whoever does not stand (recorded by mistake, or not
/// there at all) keeps nobody, and nobody is shown for somebody else where answers lead to two of whom somebody said
/// that they are not one person. Of people who were declared aliases of each other in a circle the one with the smallest
/// id stands, so that nobody is lost whatever several offices answered apart.
pub fn aliases(
    answers: impl IntoIterator<Item = (Two, Answer)>,
    stands: &BTreeSet<ResidentId>,
) -> BTreeMap<ResidentId, ResidentId> {
    let answers: Vec<(Two, Answer)> = answers.into_iter().collect();
    let contrary = contradicted(&answers);
    let mut kept_by: BTreeMap<ResidentId, BTreeSet<ResidentId>> = BTreeMap::new();
    for (alias, kept) in answers.iter().filter_map(|(two, answer)| two.alias(*answer)) {
        if contrary.contains(&alias) {
            continue;
        }
        if stands.contains(&kept) && stands.contains(&alias) {
            kept_by.entry(alias).or_default().insert(kept);
        }
    }
    let shown = |alias: &ResidentId| {
        let reached = reach(&kept_by, *alias);
        let is_circular = |one: &&ResidentId| reach(&kept_by, **one).contains(*one);
        let end = reached.iter().find(|one| !kept_by.contains_key(*one));
        let end = end.or_else(|| reached.iter().find(is_circular));
        end.copied().filter(|end| end != alias)
    };
    kept_by.keys().filter_map(|alias| Some((*alias, shown(alias)?))).collect()
}

/// Everybody whom answers join with two of whom somebody said that they are not one person.
fn contradicted(answers: &[(Two, Answer)]) -> BTreeSet<ResidentId> {
    let joined = joined(answers.iter().copied());
    let mut groups: BTreeMap<ResidentId, usize> = BTreeMap::new();
    for (number, one) in joined.keys().enumerate() {
        if !groups.contains_key(one) {
            groups.extend(reach(&joined, *one).into_iter().map(|other| (other, number)));
        }
    }
    let apart = answers.iter().filter(|(_, answer)| *answer == Answer::Distinct).map(|(two, _)| two.ids());
    let in_one = apart.filter_map(|[one, other]| groups.get(&one).filter(|group| groups.get(&other) == Some(*group)));
    let numbers: BTreeSet<usize> = in_one.copied().collect();
    groups.into_iter().filter(|(_, number)| numbers.contains(number)).map(|(one, _)| one).collect()
}

/// Who is one person with whom, by each answer that says so.
fn joined(answers: impl IntoIterator<Item = (Two, Answer)>) -> BTreeMap<ResidentId, BTreeSet<ResidentId>> {
    let mut joined: BTreeMap<ResidentId, BTreeSet<ResidentId>> = BTreeMap::new();
    for (one, other) in answers.into_iter().filter_map(|(two, answer)| two.alias(answer)) {
        joined.entry(one).or_default().insert(other);
        joined.entry(other).or_default().insert(one);
    }
    joined
}

/// Everybody to whom the answers lead from here; `from` itself only in a circle.
fn reach(kept_by: &BTreeMap<ResidentId, BTreeSet<ResidentId>>, from: ResidentId) -> BTreeSet<ResidentId> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(next) = open.pop() {
        open.extend(kept_by.get(&next).into_iter().flatten().filter(|one| reached.insert(**one)));
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(number: u8) -> ResidentId {
        ResidentId([number; 8])
    }

    fn two(a: u8, b: u8) -> Two {
        Two::of(id(a), id(b)).unwrap()
    }

    fn found(answers: &[(u8, u8, Answer)], stands: &[u8]) -> Vec<(u8, u8)> {
        let answers = answers.iter().map(|(a, b, answer)| (two(*a, *b), *answer));
        let aliases = aliases(answers, &stands.iter().map(|number| id(*number)).collect());
        aliases.into_iter().map(|(alias, kept)| (alias.0[0], kept.0[0])).collect()
    }

    #[test]
    fn a_pair_is_one_record_whoever_is_named_first() {
        assert_eq!(two(1, 2), two(2, 1));
        assert_eq!(Two::of_key(&two(2, 1).key()), Some(two(1, 2)));
        assert_eq!(Two::of(id(1), id(1)), None);
        for other in [vec![], id(1).0.to_vec(), vec![1; 16], [id(2).0, id(1).0].concat()] {
            assert_eq!(Two::of_key(&other), None, "{other:?}");
        }
        assert_eq!(two(1, 2).keeping(id(2)), Some(Answer::KeepSecond));
        assert_eq!(two(1, 2).keeping(id(3)), None);
        assert_eq!(Pair::table().len(), Pair::NUMBERS);
        assert_eq!(SamePerson::table().len(), SamePerson::NUMBERS);
    }

    #[test]
    fn aliases_lead_to_who_is_kept_in_the_end_and_nobody_is_lost() {
        use Answer::{Distinct, KeepFirst, KeepSecond};
        assert_eq!(found(&[(1, 2, Distinct)], &[1, 2]), []);
        assert_eq!(found(&[(1, 2, KeepFirst), (2, 3, KeepFirst)], &[1, 2, 3]), [(2, 1), (3, 1)]);
        assert_eq!(found(&[(1, 2, KeepFirst), (2, 3, KeepFirst), (1, 3, KeepSecond)], &[1, 2, 3]), [(2, 1), (3, 1)]);
        let circle = [(2, 3, KeepSecond), (3, 4, KeepSecond), (2, 4, KeepFirst)];
        let tail = [(1, 5, KeepFirst), (1, 2, KeepSecond)];
        assert_eq!(found(&[&circle[..], &tail].concat(), &[1, 2, 3, 4, 5]), [(1, 2), (3, 2), (4, 2), (5, 2)]);
        assert_eq!(found(&[(1, 2, KeepFirst)], &[2]), [], "one who was recorded by mistake keeps nobody");
    }

    #[test]
    fn nobody_is_hidden_against_an_answer_and_an_erasure_reaches_everybody() {
        use Answer::{Distinct, KeepFirst, KeepSecond};
        let contrary = [(1, 2, KeepFirst), (2, 3, KeepFirst), (1, 3, Distinct), (4, 5, KeepFirst)];
        assert_eq!(found(&contrary, &[1, 2, 3, 4, 5]), [(5, 4)]);
        let of = |answers: &[(u8, u8, Answer)], one: u8| -> Vec<u8> {
            let answers = answers.iter().map(|(a, b, answer)| (two(*a, *b), *answer));
            component(answers, id(one)).into_iter().map(|one| one.0[0]).collect()
        };
        assert_eq!(of(&contrary, 3), [1, 2, 3]);
        assert_eq!(of(&[(1, 3, KeepFirst), (2, 3, KeepSecond)], 2), [1, 2, 3]);
        assert_eq!((of(&contrary, 9), of(&[(1, 2, Distinct)], 1)), (vec![9], vec![1]));
    }

    proptest! {
        #[test]
        fn somebody_is_shown_for_everybody(
            answers in proptest::collection::btree_map((0..6_u8, 0..6_u8), 1..4_u16, 0..12),
            stands in proptest::collection::btree_set(0..6_u8, 0..6),
        ) {
            let stands: BTreeSet<ResidentId> = stands.into_iter().map(id).collect();
            let answers = answers.into_iter().filter_map(|((a, b), answer)| Some((Two::of(id(a), id(b))?, Answer::from_code(answer))));
            let aliases = aliases(answers, &stands);
            for (alias, kept) in &aliases {
                prop_assert!(stands.contains(kept) && stands.contains(alias));
                prop_assert!(!aliases.contains_key(kept), "{kept:?} is shown for {alias:?} and is not shown itself");
            }
            prop_assert_eq!(stands.is_empty(), stands.iter().all(|one| aliases.contains_key(one)));
        }
    }
}
