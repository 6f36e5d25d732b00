//! Whom recorded already the people of an input are.
//!
//! Nobody who is recorded is taken for two people of one input, and an input that was recorded before finds exactly
//! the people that it wrote. Where something is new, an identity number decides before a name, for all of the input,
//! so that a row without number never takes the person whose number stands in another row.

use std::cmp::Reverse;

use super::entity::news;
use super::people;
use crate::domain::person::PersonalData;
use crate::id::ResidentId;
use crate::value::Fields;

/// Somebody of an input; personal data normalised.
pub(super) struct Given {
    pub(super) fields: Fields,
    pub(super) personal: PersonalData,
}

/// Somebody recorded whose data could be opened.
pub(super) struct Candidate {
    pub(super) id: ResidentId,
    /// Without the sealed one.
    pub(super) fields: Fields,
    pub(super) personal: PersonalData,
    pub(super) is_void: bool,
}

/// How sure it is that two are one person; the surer first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ground {
    /// One identity number.
    Number,
    /// All personal data.
    Everything,
    /// Name and phone, while only one of the two has a number.
    NameAndPhone,
}

/// For each of `given` its place among `known`; each place once.
pub(super) fn assign(given: &[Given], known: &[Candidate]) -> Vec<Option<usize>> {
    covering(given, known).unwrap_or_else(|| by_ground(given, known))
}

fn ground(given: &Given, known: &Candidate) -> Option<Ground> {
    let (ours, theirs) = (&given.personal, &known.personal);
    match (&ours.id_number, &theirs.id_number) {
        (Some(a), Some(b)) => (a == b).then_some(Ground::Number),
        (None, None) => (ours == theirs).then_some(Ground::Everything),
        (Some(_), None) | (None, Some(_)) => people::is_same(ours, theirs).then_some(Ground::NameAndPhone),
    }
}

/// How much recording the one as the other would write.
fn new_fields(given: &Given, known: &Candidate) -> usize {
    let personal = people::overlay(&known.personal, &given.personal) != known.personal;
    news(&known.fields, given.fields.clone()).len() + usize::from(personal)
}

/// An assignment that would write nothing at all; `None` where there is none. People who are the same in everything go
/// first, the others move where that lets one more find a place.
fn covering(given: &[Given], known: &[Candidate]) -> Option<Vec<Option<usize>>> {
    if given.len() > known.len() {
        return None;
    }
    let is_equal =
        |one: &Given, other: &Candidate| !other.is_void && one.personal == other.personal && one.fields == other.fields;
    let mut places: Vec<Vec<usize>> = Vec::with_capacity(given.len());
    for one in given {
        let covers = |(_, other): &(usize, &Candidate)| ground(one, other).is_some() && new_fields(one, other) == 0;
        let mut covering: Vec<_> = known.iter().enumerate().filter(covers).collect();
        covering.sort_by_key(|(_, other)| (Reverse(is_equal(one, other)), ground(one, other), other.is_void, other.id));
        if covering.is_empty() {
            return None;
        }
        places.push(covering.into_iter().map(|(place, _)| place).collect());
    }
    let mut taken: Vec<Option<usize>> = vec![None; known.len()];
    let mut order: Vec<usize> = (0..given.len()).collect();
    let has_equal = |one: &Given| known.iter().any(|other| is_equal(one, other));
    order.sort_by_key(|number| given.get(*number).map(|one| Reverse(has_equal(one))));
    for number in order {
        if !settle(number, &places, &mut taken, &mut vec![false; known.len()]) {
            return None;
        }
    }
    let mut assigned = vec![None; given.len()];
    for (place, number) in taken.into_iter().enumerate() {
        if let Some(slot) = number.and_then(|number| assigned.get_mut(number)) {
            *slot = Some(place);
        }
    }
    Some(assigned)
}

/// Finds a place for one, moving others on to a place that they cover too (an augmenting path). Recursion ends after as
/// many steps as there are places, each visited once.
fn settle(number: usize, places: &[Vec<usize>], taken: &mut [Option<usize>], visited: &mut [bool]) -> bool {
    let wanted = places.get(number).map_or(&[][..], Vec::as_slice);
    let free = wanted.iter().copied().find(|place| taken.get(*place) == Some(&None));
    let place = free.or_else(|| {
        wanted.iter().copied().find(|place| {
            let before = visited.get_mut(*place).map(|visited| std::mem::replace(visited, true));
            let holder = taken.get(*place).copied().flatten();
            before == Some(false) && holder.is_some_and(|holder| settle(holder, places, taken, visited))
        })
    });
    let slot = place.and_then(|place| taken.get_mut(place));
    let is_settled = slot.is_some();
    slot.into_iter().for_each(|slot| *slot = Some(number));
    is_settled
}

/// The surest pairs first, and among them those that differ least.
fn by_ground(given: &[Given], known: &[Candidate]) -> Vec<Option<usize>> {
    let mut pairs = Vec::new();
    for (number, one) in given.iter().enumerate() {
        for (place, other) in known.iter().enumerate() {
            if let Some(ground) = ground(one, other) {
                pairs.push((ground, other.is_void, new_fields(one, other), other.id, number, place));
            }
        }
    }
    pairs.sort_unstable();
    let (mut assigned, mut taken) = (vec![None; given.len()], vec![false; known.len()]);
    for (.., number, place) in pairs {
        if let (Some(slot @ None), Some(is_taken @ false)) = (assigned.get_mut(number), taken.get_mut(place)) {
            *slot = Some(place);
            *is_taken = true;
        }
    }
    assigned
}
