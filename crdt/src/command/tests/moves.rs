//! People who move between villages, and who are recorded in several.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::command::conflict::{self, Asked, Choice, InboxKind};
use crate::command::erasure::{self, Subject};
use crate::command::household::{self, HouseholdInput};
use crate::command::moves::{self, AcceptInput, Arrival, MoveInput, MoveRecord, MovedState};
use crate::command::read::{HouseholdRecord, PersonalState};
use crate::command::same_people::{self, PersonRef, Verdict};
use crate::command::{CommandError, Outcome};
use crate::domain::date::Day;
use crate::domain::household::{Household, Resident, ResidentKind};
use crate::domain::moves::{MoveConflictKind, MoveState};
use crate::domain::person::PersonalData;
use crate::domain::same_person::Answer;
use crate::entry::Lane;
use crate::id::ResidentId;
use crate::policy::DocumentKind;

const HAIZI: &str = "110115005002";
const OTHER: &str = "110115005003";
/// The last day in Langfa.
const LEFT: Day = Day(20_300);

/// A center and an office of each of three villages; `haizi` has two.
struct Villages {
    founded: Founded,
    rng: ChaCha8Rng,
    center: Replica,
    langfa: Replica,
    haizi: Replica,
    second: Replica,
}

impl Villages {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let regions = [LANGFA, HAIZI, OTHER].map(str::to_owned);
        let founded = enrol::found(&regions, "2025", "2025-11", NOW, &mut rng);
        let center = node(&founded, &mut rng, "center", NodeRole::Center);
        let [langfa, haizi, second] = [("langfa", LANGFA), ("haizi", HAIZI), ("second", HAIZI)]
            .map(|(name, region)| office(&founded, &mut rng, (name, NodeRole::Village, region)));
        let mut villages = Self { founded, rng, center, langfa, haizi, second };
        villages.all_meet();
        villages
    }

    /// Everybody meets the center, twice, so that each hears what the others said.
    fn all_meet(&mut self) {
        for _ in 0..2 {
            for office in [&mut self.langfa, &mut self.haizi, &mut self.second] {
                meet(&mut self.center, office);
            }
        }
    }

    fn join(&mut self, name: &str, role: NodeRole, region: &str) -> Replica {
        let mut joined = office(&self.founded, &mut self.rng, (name, role, region));
        meet(&mut self.center, &mut joined);
        joined
    }

    /// A household of Langfa with one person, and an empty one of Haizi, known to all.
    fn settled(&mut self) -> (PersonRef, DocumentId) {
        let leaves = settle(&mut self.langfa, LANGFA, "幸福路1号", Some("离去"));
        let there = settle(&mut self.haizi, HAIZI, "海子角8号", None).household;
        self.all_meet();
        (leaves, there)
    }
}

fn office(founded: &Founded, rng: &mut ChaCha8Rng, (name, role, region): (&str, NodeRole, &str)) -> Replica {
    let regions = if role == NodeRole::Center { vec![] } else { vec![region.to_owned()] };
    node_at(founded, rng, &Place { name: name.into(), role, regions, carries: vec![], acts_as: None })
}

fn settle(replica: &mut Replica, region: &str, address: &str, name: Option<&str>) -> PersonRef {
    let household = Household { region: region.parse().ok(), address: Some(address.into()), ..Household::default() };
    let resident = name.map(|name| Resident {
        kind: Some(ResidentKind::Migrant),
        moved_in: Some(Day(20_000)),
        personal: Some(PersonalData {
            name: name.into(),
            phone: Some("13800138000".into()),
            ..PersonalData::default()
        }),
        ..Resident::default()
    });
    let input = HouseholdInput { household, residents: resident.into_iter().collect() };
    let ids = household::record(replica, &input, Lane::Work, NOW).unwrap().into_value();
    replica.commit(NOW).unwrap();
    PersonRef { household: ids.document, resident: ids.residents.first().copied().unwrap_or(ResidentId([0; 8])) }
}

fn input(leaves: PersonRef, to: &str) -> MoveInput {
    let PersonRef { household, resident } = leaves;
    MoveInput { household, resident, to: to.parse().unwrap(), day: Some(LEFT), by: "cw-1".into() }
}

fn give(replica: &mut Replica, leaves: PersonRef, to: &str) -> Result<Outcome<DocumentId>, CommandError> {
    let given = moves::give(replica, &input(leaves, to), NOW);
    replica.commit(NOW).unwrap();
    given
}

fn accept(replica: &mut Replica, moved: DocumentId, household: DocumentId) -> Result<Outcome<Arrival>, CommandError> {
    let input = AcceptInput { household, day: None, kind: None, relation: None, by: "cw-2".into() };
    let accepted = moves::accept(replica, moved, &input, NOW);
    replica.commit(NOW).unwrap();
    accepted
}

fn read(replica: &mut Replica, moved: DocumentId) -> MoveRecord {
    moves::read(replica, moved).unwrap().unwrap()
}

fn home(replica: &mut Replica, region: &str, household: DocumentId) -> HouseholdRecord {
    household::read(replica, &Namespace::registry(region), household).unwrap().unwrap()
}

fn moved_out(replica: &mut Replica, leaves: PersonRef) -> Option<Day> {
    home(replica, LANGFA, leaves.household).residents[0].resident.moved_out
}

fn code<T: std::fmt::Debug>(result: Result<T, CommandError>) -> &'static str {
    let error = result.unwrap_err();
    assert!(!error.chinese().is_empty() && !error.to_string().is_empty());
    error.code()
}

#[test]
fn who_moves_is_handed_over_and_taken_in_while_the_villages_are_cut_off() {
    let mut town = Villages::new(900);
    let (leaves, there) = town.settled();
    // Nobody hears of it yet: the giving half is done at once.
    let moved = give(&mut town.langfa, leaves, HAIZI).unwrap().into_value();
    assert_eq!(moved_out(&mut town.langfa, leaves), Some(LEFT));
    assert_eq!(give(&mut town.langfa, leaves, HAIZI).unwrap().key(), "unchanged");
    assert_eq!(code(give(&mut town.langfa, leaves, OTHER)), "move_given");
    assert_eq!(code(accept(&mut town.haizi, moved, there)), "not_found");
    // The two offices meet; the center is away.
    meet(&mut town.langfa, &mut town.haizi);
    let told = read(&mut town.haizi, moved);
    assert_eq!((told.state, told.moved.state), (MovedState::Open, MoveState::Given));
    let arrival = *accept(&mut town.haizi, moved, there).unwrap().value();
    let arrived = home(&mut town.haizi, HAIZI, there).residents.remove(0);
    assert_eq!(arrived.id, arrival.resident);
    assert_eq!(arrived.resident.personal.unwrap().name, "离去");
    assert_eq!((arrived.resident.kind, arrived.resident.moved_in), (Some(ResidentKind::Migrant), Some(LEFT)));
    let stay = &arrived.stays[0];
    assert_eq!((arrived.came_by, stay.resident, stay.address.as_str()), (Some(moved), leaves.resident, "幸福路1号"));
    assert_eq!((stay.moved_in, stay.moved_out), (Some(Day(20_000)), Some(LEFT)));
    town.all_meet();
    for replica in [&mut town.langfa, &mut town.haizi, &mut town.second, &mut town.center] {
        let moved = read(replica, moved).moved;
        assert_eq!((moved.state, moved.arrival().unwrap().resident), (MoveState::Accepted, arrival.resident));
    }
    // From there they go on, with all that was before.
    let next = settle(&mut town.center, OTHER, "东路3号", None).household;
    let onward = PersonRef { household: there, resident: arrival.resident };
    let MoveInput { household, resident, to, by, .. } = input(onward, OTHER);
    let again = MoveInput { household, resident, to, day: Some(Day(20_310)), by };
    let again = moves::give(&mut town.haizi, &again, NOW).unwrap().into_value();
    town.haizi.commit(NOW).unwrap();
    meet(&mut town.haizi, &mut town.center);
    accept(&mut town.center, again, next).unwrap();
    let stays = home(&mut town.center, OTHER, next).residents.remove(0).stays;
    let former: Vec<ResidentId> = stays.iter().map(|stay| stay.resident).collect();
    assert_eq!(former, [leaves.resident, arrival.resident]);
}

#[test]
fn a_hand_over_is_read_by_both_villages_and_the_center_alone() {
    let mut town = Villages::new(901);
    let mut other = town.join("other", NodeRole::Village, OTHER);
    let (leaves, there) = town.settled();
    let moved = give(&mut town.langfa, leaves, HAIZI).unwrap().into_value();
    town.all_meet();
    meet(&mut town.center, &mut other);
    let mut states = vec![];
    for replica in [&mut town.langfa, &mut town.haizi, &mut town.center, &mut other] {
        let found = read(replica, moved);
        assert_eq!(found.told.is_some(), found.state == MovedState::Open);
        states.push(found.state);
    }
    assert_eq!(states, [MovedState::Open, MovedState::Open, MovedState::Open, MovedState::Sealed]);
    // Neither reads the registry of the other.
    assert!(household::read(&mut town.haizi, &registry(), leaves.household).unwrap().is_none());
    let next_door = settle(&mut other, OTHER, "东路3号", None).household;
    assert_eq!(code(accept(&mut other, moved, next_door)), "not_this_village");
    assert_eq!(code(moves::refuse(&mut other, moved, ("cw-3", "无"), NOW)), "not_this_village");
    assert_eq!(code(moves::take_back(&mut town.haizi, moved, "cw-2", NOW)), "not_this_village");
    // Whoever joined later cannot open it, and says so.
    let mut late = town.join("late", NodeRole::Village, HAIZI);
    assert_eq!(code(accept(&mut late, moved, there)), "move_sealed");
    accept(&mut town.haizi, moved, there).unwrap();
}

#[test]
fn a_move_is_recorded_by_clerks_of_somebody_who_is_there() {
    let mut town = Villages::new(902);
    let (leaves, there) = town.settled();
    let mut patrol = town.join("patrol", NodeRole::Patrol, LANGFA);
    assert_eq!(code(give(&mut patrol, leaves, HAIZI)), "role_not_held");
    assert_eq!(code(give(&mut town.haizi, leaves, LANGFA)), "not_found");
    let nobody = PersonRef { resident: ResidentId([9; 8]), ..leaves };
    assert_eq!(code(give(&mut town.langfa, nobody, HAIZI)), "not_found");
    assert_eq!(code(give(&mut town.langfa, leaves, LANGFA)), "same_village");
    assert_eq!(code(give(&mut town.langfa, leaves, "110115005009")), "no_such_village");
    assert_eq!(code(accept(&mut town.haizi, DocumentId([1; 16]), there)), "not_found");
    let before_arrival = MoveInput { day: Some(Day(19_000)), ..input(leaves, HAIZI) };
    assert_eq!(code(moves::give(&mut town.langfa, &before_arrival, NOW)), "day_order");
    assert!(!town.langfa.has_staged(), "nothing is left half done");
    // Nobody hands over whoever was erased.
    let subject = Subject::Resident(leaves.resident);
    erasure::erase(&mut town.center, &town.founded.authority, &registry(), leaves.household, subject, NOW).unwrap();
    town.all_meet();
    assert_eq!(code(give(&mut town.langfa, leaves, HAIZI)), "erased");
}

#[test]
fn who_is_refused_or_taken_back_stays_where_they_were() {
    let mut town = Villages::new(903);
    let (leaves, there) = town.settled();
    let before = home(&mut town.langfa, LANGFA, leaves.household).residents;
    let moved = give(&mut town.langfa, leaves, HAIZI).unwrap().into_value();
    town.all_meet();
    moves::refuse(&mut town.haizi, moved, ("cw-2", "没有此人"), NOW).unwrap();
    assert_eq!(code(accept(&mut town.haizi, moved, there)), "move_refused");
    town.all_meet();
    let refused = read(&mut town.langfa, moved).moved;
    assert_eq!((refused.state, refused.leading.reason.as_deref()), (MoveState::Refused, Some("没有此人")));
    moves::take_back(&mut town.langfa, moved, "cw-1", NOW).unwrap();
    assert_eq!(home(&mut town.langfa, LANGFA, leaves.household).residents, before);
    assert_eq!(moves::take_back(&mut town.langfa, moved, "cw-1", NOW).unwrap().key(), "unchanged");
    town.all_meet();
    assert_eq!(code(moves::refuse(&mut town.haizi, moved, ("cw-2", "无"), NOW)), "move_taken_back");
    // Handed over once more it is taken in.
    assert_eq!(give(&mut town.langfa, leaves, HAIZI).unwrap().key(), "changed");
    town.all_meet();
    accept(&mut town.haizi, moved, there).unwrap();
    assert_eq!(code(moves::take_back(&mut town.haizi, moved, "cw-2", NOW)), "move_accepted");
}

#[test]
fn two_offices_that_take_the_same_person_in_are_asked_by_the_center() {
    let mut town = Villages::new(904);
    let (leaves, there) = town.settled();
    let elsewhere = settle(&mut town.second, HAIZI, "海子角9号", None).household;
    let moved = give(&mut town.langfa, leaves, HAIZI).unwrap().into_value();
    town.all_meet();
    let one = *accept(&mut town.haizi, moved, there).unwrap().value();
    assert_eq!(code(accept(&mut town.haizi, moved, there)), "move_accepted");
    let two = *accept(&mut town.second, moved, elsewhere).unwrap().value();
    town.all_meet();
    assert_eq!(code(accept(&mut town.second, moved, there)), "move_accepted");
    let reading = Reading::Move(read(&mut town.center, moved));
    let open = conflict::open(&reading).remove(0);
    assert_eq!((open.kind, open.sides.len()), (InboxKind::Move(MoveConflictKind::AcceptedTwice), 2));
    let place = (&Namespace::town(), DocumentKind::Move, moved);
    let asked = Asked { id: open.id, revision: open.revision.clone(), actor: None };
    let chosen = open.sides.iter().find(|side| side.resident == Some(two.resident)).unwrap().side;
    assert_eq!(code(conflict::settle(&mut town.haizi, place, &asked, &Choice::Keep(chosen), NOW)), "denied");
    assert_eq!(code(conflict::settle(&mut town.center, place, &asked, &Choice::Distinct, NOW)), "not_offered");
    let done = conflict::settle(&mut town.center, place, &asked, &Choice::Keep(chosen), NOW).unwrap();
    let done = done.into_value().done.unwrap();
    town.all_meet();
    let settled = read(&mut town.langfa, moved);
    assert_eq!(settled.moved.arrival().unwrap().resident, two.resident);
    assert_eq!(settled.moved.aliases().collect::<Vec<_>>(), [(one.resident, two.resident)]);
    assert_eq!(conflict::open(&Reading::Move(settled)), []);
    let again = conflict::settle(&mut town.center, place, &asked, &Choice::Keep(chosen), NOW);
    assert_eq!(code(again), "settled");
    conflict::undo(&mut town.center, place, done.id, None, NOW).unwrap();
    let reopened = read(&mut town.center, moved);
    assert_eq!(conflict::open(&Reading::Move(reopened)).remove(0).id, open.id);
}

#[test]
fn what_a_neighbour_forges_has_no_effect_and_spoils_nothing() {
    use crate::domain::moves::{Acceptance, MoveEffect, MoveEvent, MoveStep, MoveVoid, resident_in};
    let mut town = Villages::new(905);
    let mut other = town.join("other", NodeRole::Village, OTHER);
    let (leaves, there) = town.settled();
    let moved = give(&mut town.langfa, leaves, HAIZI).unwrap().into_value();
    town.all_meet();
    meet(&mut town.center, &mut other);
    let before = read(&mut other, moved).moved;
    let give = before.leading.event;
    let acceptance = Acceptance { give, household: there, resident: resident_in(moved, there) };
    let event = MoveEvent { moved, by: "cw-3".into(), seen: before.heads, step: MoveStep::Accept(acceptance) };
    let bytes = event.to_bytes().unwrap();
    other.put(&Namespace::town(), DocumentKind::Move, moved, bytes.clone(), Lane::Work, NOW).unwrap();
    other.commit(NOW).unwrap();
    meet(&mut town.center, &mut other);
    town.all_meet();
    let id = crate::change::record_id(&bytes);
    let judged = read(&mut town.haizi, moved).moved;
    assert_eq!(judged.entry(id).unwrap().effect, MoveEffect::Void(MoveVoid::NotAllowed));
    assert_eq!(judged.state, MoveState::Given);
    // The very bytes that the right office would write still count from it.
    town.haizi.put(&Namespace::town(), DocumentKind::Move, moved, bytes, Lane::Work, NOW).unwrap();
    town.haizi.commit(NOW).unwrap();
    town.all_meet();
    for replica in [&mut town.langfa, &mut town.haizi, &mut town.center] {
        assert_eq!(read(replica, moved).moved.state, MoveState::Accepted);
    }
}

#[test]
fn an_erasure_follows_whoever_moved_through_every_village_and_the_hand_over() {
    let mut town = Villages::new(906);
    let (leaves, there) = town.settled();
    let moved = give(&mut town.langfa, leaves, HAIZI).unwrap().into_value();
    town.all_meet();
    let arrival = *accept(&mut town.haizi, moved, there).unwrap().value();
    // Recorded once more elsewhere, and found to be the same.
    let twin = settle(&mut town.center, OTHER, "东路3号", Some("离去"));
    let arrived = PersonRef { household: there, resident: arrival.resident };
    town.all_meet();
    same_people::answer(&mut town.center, arrived, twin, Verdict::Merge, NOW).unwrap();
    let beside = settle(&mut town.haizi, HAIZI, "海子角8号", Some("留下"));
    town.all_meet();
    // A village orders what it holds, and is told where there is more.
    let registry_of_haizi = Namespace::registry(HAIZI);
    let subject = Subject::Resident(arrival.resident);
    let here =
        erasure::erase(&mut town.haizi, &town.founded.authority, &registry_of_haizi, there, subject, NOW).unwrap();
    let elsewhere: Vec<String> = here.elsewhere.iter().map(ToString::to_string).collect();
    assert_eq!((here.orders.len(), elsewhere), (2, vec![LANGFA.to_owned(), OTHER.to_owned()]));
    town.haizi.commit(NOW).unwrap();
    town.all_meet();
    // The center finds the rest, starting anywhere.
    let subject = Subject::Resident(leaves.resident);
    let all =
        erasure::erase(&mut town.center, &town.founded.authority, &registry(), leaves.household, subject, NOW).unwrap();
    assert_eq!((all.orders.len(), all.elsewhere.len()), (2, 0));
    town.center.commit(NOW).unwrap();
    town.all_meet();
    let state = |replica: &mut Replica, region: &str, person: PersonRef| {
        let found = home(replica, region, person.household).residents;
        let one = found.into_iter().find(|one| one.id == person.resident).unwrap();
        assert!(one.state == PersonalState::Open || (one.stays.is_empty() && one.resident.personal.is_none()));
        one.state
    };
    assert_eq!(state(&mut town.langfa, LANGFA, leaves), PersonalState::Erased);
    assert_eq!(state(&mut town.second, HAIZI, arrived), PersonalState::Erased);
    assert_eq!(state(&mut town.center, OTHER, twin), PersonalState::Erased);
    assert_eq!(state(&mut town.second, HAIZI, beside), PersonalState::Open);
    for replica in [&mut town.langfa, &mut town.haizi, &mut town.center] {
        let found = read(replica, moved);
        assert_eq!((found.state, found.told), (MovedState::Erased, None));
    }
    let again = erasure::erase(&mut town.center, &town.founded.authority, &registry(), leaves.household, subject, NOW);
    assert!(matches!(again, Err(crate::replica::EraseError::Before)), "{again:?}");
}

#[test]
fn a_hand_over_that_was_erased_on_the_way_is_not_taken_in() {
    let mut town = Villages::new(907);
    let (leaves, there) = town.settled();
    let moved = give(&mut town.langfa, leaves, HAIZI).unwrap().into_value();
    town.all_meet();
    let subject = Subject::Resident(leaves.resident);
    erasure::erase(&mut town.langfa, &town.founded.authority, &registry(), leaves.household, subject, NOW).unwrap();
    town.langfa.commit(NOW).unwrap();
    town.all_meet();
    assert_eq!(code(accept(&mut town.haizi, moved, there)), "erased");
}

#[test]
fn a_center_merges_across_villages_and_taking_it_back_restores_both_exactly() {
    let mut town = Villages::new(908);
    let one = settle(&mut town.langfa, LANGFA, "幸福路1号", Some("某甲"));
    let other = settle(&mut town.haizi, HAIZI, "海子角8号", Some("某甲"));
    town.all_meet();
    let shown = |town: &mut Villages| {
        (home(&mut town.center, LANGFA, one.household), home(&mut town.center, HAIZI, other.household))
    };
    let before = shown(&mut town);
    assert_eq!(code(same_people::answer(&mut town.langfa, one, other, Verdict::Merge, NOW)), "denied");
    assert_eq!(code(same_people::answer(&mut town.center, one, one, Verdict::Merge, NOW)), "one_household");
    let nobody = PersonRef { resident: ResidentId([9; 8]), ..one };
    assert_eq!(code(same_people::answer(&mut town.center, nobody, other, Verdict::Merge, NOW)), "not_found");
    let document = *same_people::answer(&mut town.center, other, one, Verdict::Merge, NOW).unwrap().value();
    let unchanged = same_people::answer(&mut town.center, other, one, Verdict::Merge, NOW).unwrap();
    assert_eq!((unchanged.key(), *unchanged.value()), ("unchanged", document));
    assert_eq!(shown(&mut town), before, "neither record is rewritten");
    town.all_meet();
    let answer = |replica: &mut Replica| {
        let Ok(Reading::SamePerson(record)) =
            crate::command::read::of_kind(replica, &Namespace::town(), DocumentKind::SamePerson, document)
        else {
            panic!("no answer here")
        };
        same_people::standing(&record)
    };
    let kept = if other.resident < one.resident { Answer::KeepFirst } else { Answer::KeepSecond };
    assert_eq!(answer(&mut town.langfa), Some(kept), "the village sees for whom its resident is shown");
    same_people::answer(&mut town.center, one, other, Verdict::TakeBack, NOW).unwrap();
    town.all_meet();
    assert_eq!((answer(&mut town.langfa), shown(&mut town)), (None, before));
}

#[test]
fn centers_that_merge_and_part_the_same_two_apart_are_a_conflict_that_a_center_settles() {
    let mut town = Villages::new(909);
    let mut backup = town.join("backup", NodeRole::Center, "");
    let one = settle(&mut town.langfa, LANGFA, "幸福路1号", Some("某甲"));
    let other = settle(&mut town.haizi, HAIZI, "海子角8号", Some("某甲"));
    town.all_meet();
    meet(&mut town.center, &mut backup);
    let document = *same_people::answer(&mut town.center, one, other, Verdict::Merge, NOW).unwrap().value();
    same_people::answer(&mut backup, one, other, Verdict::Distinct, NOW).unwrap();
    meet(&mut town.center, &mut backup);
    town.all_meet();
    let place = (&Namespace::town(), DocumentKind::SamePerson, document);
    let read = |replica: &mut Replica| {
        let reading = crate::command::read::of_kind(replica, place.0, place.1, document).unwrap();
        let Reading::SamePerson(record) = &reading else { panic!("{reading:?}") };
        (same_people::standing(record), conflict::open(&reading))
    };
    let (standing, mut open) = read(&mut town.center);
    assert_eq!(standing, Some(Answer::Distinct), "both stand meanwhile");
    assert_eq!(read(&mut backup), (standing, open.clone()));
    let open = open.remove(0);
    let asked = Asked { id: open.id, revision: open.revision, actor: None };
    let merging = open.sides.iter().find(|side| side.value != "distinct").unwrap().side;
    assert_eq!(code(conflict::settle(&mut town.langfa, place, &asked, &Choice::Keep(merging), NOW)), "denied");
    conflict::settle(&mut town.center, place, &asked, &Choice::Keep(merging), NOW).unwrap();
    let (standing, open) = read(&mut town.center);
    assert!(matches!(standing, Some(Answer::KeepFirst | Answer::KeepSecond)) && open.is_empty());
}

/// Something that one of the offices does about a move; the numbers choose among few.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Give { to: bool },
    Accept { door: u8 },
    Refuse,
    TakeBack,
    Settle { side: u8 },
    Meet { one: u8, other: u8 },
}

fn any_deed() -> impl Strategy<Value = (u8, Deed)> {
    let deed = prop_oneof![
        any::<bool>().prop_map(|to| Deed::Give { to }),
        (0..2_u8).prop_map(|door| Deed::Accept { door }),
        Just(Deed::Refuse),
        Just(Deed::TakeBack),
        (1..3_u8).prop_map(|side| Deed::Settle { side }),
        (0..5_u8, 0..5_u8).prop_map(|(one, other)| Deed::Meet { one, other }),
    ];
    (0..5_u8, deed)
}

/// Does it; what the rules refuse is part of the game.
fn perform(replica: &mut Replica, deed: Deed, leaves: PersonRef, doors: [DocumentId; 2], moved: DocumentId) {
    match deed {
        Deed::Give { to } => _ = give(replica, leaves, if to { HAIZI } else { OTHER }),
        Deed::Accept { door } => _ = accept(replica, moved, doors[usize::from(door)]),
        Deed::Refuse => _ = moves::refuse(replica, moved, ("cw-2", "无"), NOW),
        Deed::TakeBack => _ = moves::take_back(replica, moved, "cw-1", NOW),
        Deed::Settle { side } => {
            let Ok(Some(record)) = moves::read(replica, moved) else { return };
            let Some(open) = conflict::open(&Reading::Move(record)).into_iter().next() else { return };
            let asked = Asked { id: open.id, revision: open.revision, actor: None };
            let choice = Choice::Keep(side.into());
            let place = (&Namespace::town(), DocumentKind::Move, moved);
            _ = conflict::settle(replica, place, &asked, &choice, NOW);
        }
        Deed::Meet { .. } => {}
    }
    replica.commit(NOW).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn whatever_offices_do_about_a_move_apart_they_read_the_same_in_the_end(deeds in vec(any_deed(), 1..14), seed: u64) {
        let mut town = Villages::new(seed);
        let (leaves, there) = town.settled();
        let doors = [there, settle(&mut town.haizi, HAIZI, "海子角9号", None).household];
        let mut twin = town.join("twin", NodeRole::Village, LANGFA);
        town.all_meet();
        let key = crate::domain::moves::natural_key(leaves.household, leaves.resident);
        let moved = town.center.document_id(&Namespace::town(), DocumentKind::Move, &key).unwrap();
        meet(&mut town.center, &mut twin);
        let Villages { center, langfa, haizi, second, .. } = &mut town;
        let mut nodes = [langfa, &mut twin, haizi, second, center];
        for (who, deed) in deeds {
            if let Deed::Meet { one, other } = deed {
                let (one, other) = (usize::from(one.min(other)), usize::from(one.max(other)));
                if one != other {
                    let (before, after) = nodes.split_at_mut(other);
                    meet(before[one], after[0]);
                }
            } else {
                perform(nodes[usize::from(who)], deed, leaves, doors, moved);
            }
        }
        for _ in 0..2 {
            let (offices, center) = nodes.split_at_mut(4);
            offices.iter_mut().for_each(|office| meet(center[0], office));
        }
        let found: Vec<_> = nodes.iter_mut().map(|node| moves::read(node, moved).unwrap().map(|found| found.moved)).collect();
        prop_assert!(found.iter().all(|one| *one == found[0]));
        // Whoever is taken in is there, with who they are.
        for accepted in found[0].iter().flat_map(|moved| &moved.accepted) {
            let residents = home(nodes[4], HAIZI, accepted.household).residents;
            let there = residents.iter().find(|one| one.id == accepted.resident).unwrap();
            prop_assert_eq!(there.resident.personal.as_ref().map(|person| person.name.as_str()), Some("离去"));
        }
    }
}
