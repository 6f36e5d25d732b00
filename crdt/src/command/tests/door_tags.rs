//! Door tags: issued, replaced, retired, and checked offline.

use super::households::input;
use super::*;
use crate::command::door_tag::{self, DoorTagRecord, Issue, IssuedAll, TagPlace, TagRefusal};
use crate::command::household;
use crate::command::{CommandError, Outcome, dwelling};
use crate::domain::date::Day;
use crate::domain::door_tag::{DoorToken, TagRetirement};
use crate::domain::dwelling::Dwelling;
use crate::entry::Lane;
use crate::id::TagId;
use crate::policy::{Denied, DocumentKind};
use crate::replica::RecordError;

fn household_at(replica: &mut Replica, address: &str, number: u16) -> DocumentId {
    let mut input = input(address, vec![]);
    input.household.number = Some(number);
    household::record(replica, &input, Lane::Work, NOW).unwrap().into_value().document
}

fn main_door(dwelling: DocumentId) -> Issue {
    Issue { dwelling, entrance: 1, stands: false }
}

fn issued(replica: &mut Replica, dwelling: DocumentId) -> TagPlace {
    let outcome = door_tag::issue(replica, &registry(), main_door(dwelling), NOW).unwrap();
    replica.commit(NOW).unwrap();
    outcome.into_value()
}

fn retired(replica: &mut Replica, place: &TagPlace, why: TagRetirement) -> Outcome<TagPlace> {
    let outcome = door_tag::retire(replica, &registry(), (place.document, place.tag), (why, NOW as i64), NOW).unwrap();
    replica.commit(NOW).unwrap();
    outcome
}

fn read(replica: &mut Replica, document: DocumentId) -> Vec<DoorTagRecord> {
    door_tag::read(replica, &registry(), document).unwrap().unwrap().tags
}

/// What a node says of a token.
fn judged(replica: &mut Replica, place: &TagPlace, token: DoorToken) -> Result<(), TagRefusal> {
    let checked = door_tag::check(replica, &token)?;
    let found = door_tag::read(replica, &registry(), place.document).unwrap();
    let tags = found.map(|found| found.tags).unwrap_or_default();
    let known = tags.iter().find(|one| one.id == token.tag()).map(|one| (one.token, &one.tag));
    door_tag::judge(&token, checked, known, true)
}

#[test]
fn a_tag_is_issued_once_for_a_door_and_names_the_dwelling_of_its_households() {
    let mut town = Town::new(80);
    let first = household_at(&mut town.one, "12号", 1);
    let second = household_at(&mut town.one, "１２号", 2);
    let tag = issued(&mut town.one, first);
    assert_eq!(issued(&mut town.one, second), tag, "another household behind the same door");
    assert_eq!(issued(&mut town.one, tag.dwelling), tag, "the dwelling itself");
    assert!(!town.one.has_staged());
    let back = Issue { entrance: 2, ..main_door(first) };
    let back = door_tag::issue(&mut town.one, &registry(), back, NOW).unwrap().into_value();
    assert_ne!((back.tag, back.code), (tag.tag, tag.code));
    assert_eq!((back.document, back.dwelling), (tag.document, tag.dwelling));
    let recorded = dwelling::read(&mut town.one, &registry(), tag.dwelling).unwrap().unwrap().dwelling;
    assert_eq!(recorded.address.as_deref(), Some("12号"));
    town.meet();
    town.readings();
    let known = read(&mut town.center, tag.document);
    assert_eq!(known.iter().map(|one| one.tag.entrance_or_first()).sum::<u16>(), 3);
    for replica in [&mut town.one, &mut town.two, &mut town.center] {
        assert_eq!(judged(replica, &tag, tag.token), Ok(()));
    }
    let text = format!("{:?}{}", known, serde_json::to_string(&known).unwrap());
    assert!(!text.contains("12号") && !text.contains("110115005001"), "a tag tells nothing of its address: {text}");
}

#[test]
fn what_is_no_dwelling_here_gets_no_tag() {
    let mut town = Town::new(81);
    let home = household_at(&mut town.one, "12号", 1);
    let (inspection, _) = super::hazards::visit(&mut town.one, 1, &[4]);
    let found = crate::command::inspection::record(&mut town.one, &registry(), &inspection, NOW).unwrap().into_value();
    for other in [DocumentId([7; 16]), found.hazards[0], issued(&mut town.one, home).document] {
        let refused = door_tag::issue(&mut town.one, &registry(), main_door(other), NOW).unwrap_err();
        assert!(matches!(refused, CommandError::NotFound { thing: "dwelling", .. }), "{refused}");
    }
    let refused = door_tag::issue(&mut town.one, &registry(), Issue { entrance: 0, ..main_door(home) }, NOW);
    assert!(matches!(refused, Err(CommandError::Input(_))));
}

#[test]
fn a_region_is_done_at_once_all_or_nothing_and_once() {
    let mut town = Town::new(82);
    let mut doors: Vec<(Namespace, DocumentId)> =
        (1..=20).map(|number| (registry(), household_at(&mut town.one, &format!("{number}号"), 1))).collect();
    doors.push((registry(), household_at(&mut town.one, "20号", 2)));
    let tag = issued(&mut town.one, doors[0].1);
    town.one.commit(NOW).unwrap();
    doors.push((registry(), DocumentId([7; 16])));
    assert!(matches!(door_tag::issue_all(&mut town.one, &doors, NOW), Err(CommandError::NotFound { .. })));
    assert!(!town.one.has_staged(), "nothing is issued where one is wrong");
    doors.pop();
    let all = door_tag::issue_all(&mut town.one, &doors, NOW).unwrap();
    assert_eq!(*all.value(), IssuedAll { issued: 19, had_one: 1, gone: 0 });
    town.one.commit(NOW).unwrap();
    let again = door_tag::issue_all(&mut town.one, &doors, NOW).unwrap();
    assert_eq!(again, Outcome::Unchanged(IssuedAll { issued: 0, had_one: 20, gone: 0 }));
    assert_eq!(read(&mut town.one, tag.document).len(), 1);
}

#[test]
fn two_that_were_issued_apart_both_stand() {
    let mut town = Town::new(83);
    let home = household_at(&mut town.one, "12号", 1);
    town.meet();
    let (one, two) = (issued(&mut town.one, home), issued(&mut town.two, home));
    assert_eq!(one.document, two.document);
    town.meet();
    town.readings();
    for tag in [&one, &two] {
        assert_eq!(judged(&mut town.center, tag, tag.token), Ok(()));
    }
    assert_eq!(read(&mut town.center, one.document).len(), 2);
}

#[test]
fn retired_wins_over_whatever_was_done_elsewhere_and_says_why() {
    let mut town = Town::new(84);
    let home = household_at(&mut town.one, "12号", 1);
    let tag = issued(&mut town.one, home);
    town.meet();
    assert!(matches!(retired(&mut town.one, &tag, TagRetirement::Lost), Outcome::Changed(..)));
    assert!(matches!(retired(&mut town.one, &tag, TagRetirement::Lost), Outcome::Unchanged(_)));
    // The other office does not know of it, and replaces what it takes for damaged.
    assert_eq!(judged(&mut town.two, &tag, tag.token), Ok(()));
    let place = (tag.document, tag.tag);
    let next = door_tag::replace(&mut town.two, &registry(), place, TagRetirement::Damaged, NOW).unwrap().into_value();
    town.meet();
    town.readings();
    for replica in [&mut town.one, &mut town.two, &mut town.center] {
        let Err(TagRefusal::Retired(Some(why))) = judged(replica, &tag, tag.token) else { panic!("it counts") };
        assert!(matches!(why, TagRetirement::Lost | TagRetirement::Damaged));
        assert_eq!(judged(replica, &next, next.token), Ok(()));
        let known = read(replica, tag.document);
        let old = known.iter().find(|one| one.id == tag.tag).unwrap();
        assert_eq!(old.tag.replaced_by, Some(next.tag), "what only one side said stands, too");
    }
    let again = door_tag::replace(&mut town.one, &registry(), place, TagRetirement::Lost, NOW).unwrap();
    assert_eq!(again, Outcome::Unchanged(next), "it was replaced already");
}

#[test]
fn a_house_that_is_gone_takes_its_tags_with_it_until_it_stands() {
    let mut town = Town::new(85);
    let home = household_at(&mut town.one, "12号", 1);
    let tag = issued(&mut town.one, home);
    let back = Issue { entrance: 2, ..main_door(home) };
    let back = door_tag::issue(&mut town.one, &registry(), back, NOW).unwrap().into_value();
    retired(&mut town.one, &tag, TagRetirement::HouseGone);
    for tag in [&tag, &back] {
        let refused = judged(&mut town.one, tag, tag.token).unwrap_err();
        assert_eq!(refused, TagRefusal::Retired(Some(TagRetirement::HouseGone)));
    }
    let gone = door_tag::issue(&mut town.one, &registry(), main_door(home), NOW).unwrap_err();
    assert!(matches!(gone, CommandError::DwellingGone(Day(_))) && gone.code() == "dwelling_gone", "{gone}");
    let place = (tag.document, tag.tag);
    let replaced = door_tag::replace(&mut town.one, &registry(), place, TagRetirement::Lost, NOW);
    assert!(matches!(replaced, Err(CommandError::DwellingGone(_))));
    let all = door_tag::issue_all(&mut town.one, &[(registry(), home)], NOW).unwrap();
    assert_eq!(*all.value(), IssuedAll { gone: 1, ..IssuedAll::default() });
    let stands = Issue { stands: true, ..main_door(home) };
    let next = door_tag::issue(&mut town.one, &registry(), stands, NOW).unwrap().into_value();
    assert_eq!(judged(&mut town.one, &next, next.token), Ok(()));
    let recorded = dwelling::read(&mut town.one, &registry(), tag.dwelling).unwrap().unwrap().dwelling;
    assert_eq!(recorded.gone, None);
}

#[test]
fn every_wrong_token_is_refused_for_its_own_reason() {
    let mut town = Town::new(86);
    let home = household_at(&mut town.one, "12号", 1);
    let tag = issued(&mut town.one, home);
    town.meet();
    let refusal = |town: &mut Town, token: DoorToken| judged(&mut town.two, &tag, token).unwrap_err();
    // Another town, whose node would sign anything.
    let mut other = Town::new(87);
    let away = household_at(&mut other.one, "12号", 1);
    let foreign = issued(&mut other.one, away).token;
    assert_eq!(refusal(&mut town, foreign), TagRefusal::OtherTown);
    // A stranger with a key of their own.
    let stranger = ed25519_dalek::SigningKey::from_bytes(&[5; 32]);
    let strange = DoorToken::sign(&town.founded.authority.town, langfa(), tag.tag, &stranger);
    assert_eq!(refusal(&mut town, strange), TagRefusal::UnknownIssuer);
    // One bit of the id is another.
    let mut bytes = tag.token.as_bytes().to_vec();
    bytes[12] ^= 1;
    assert_eq!(refusal(&mut town, DoorToken::from_bytes(&bytes).unwrap()), TagRefusal::Forged);
    // Another node of the town signs an id that it read in the registry.
    let copied = town.two.sign_door_tag(langfa(), tag.tag);
    assert_eq!(refusal(&mut town, copied), TagRefusal::Forged);
    let (_, new) = town.two.new_door_tag(langfa());
    assert_eq!(refusal(&mut town, new), TagRefusal::NotRecorded);
    let checked = door_tag::check(&town.two, &tag.token).unwrap();
    assert_eq!(door_tag::judge(&tag.token, checked, None, false), Err(TagRefusal::Elsewhere(langfa())));
    let refusals = [
        TagRefusal::OtherTown,
        TagRefusal::UnknownIssuer,
        TagRefusal::Forged,
        TagRefusal::IssuerRemoved,
        TagRefusal::NotRecorded,
        TagRefusal::Elsewhere(langfa()),
        TagRefusal::Retired(None),
    ];
    let codes: std::collections::BTreeSet<&str> = refusals.iter().map(TagRefusal::code).collect();
    assert_eq!(codes.len(), refusals.len());
}

#[test]
fn tags_outlive_the_node_that_issued_them_but_not_what_it_issues_after_its_removal() {
    let mut town = Town::new(88);
    let home = household_at(&mut town.one, "12号", 1);
    let other = household_at(&mut town.one, "14号", 1);
    let tag = issued(&mut town.one, home);
    town.meet();
    let (center, one) = (&mut town.center, town.one.node());
    center.revoke(&town.founded.authority, one, true, NOW).unwrap();
    center.commit(NOW).unwrap();
    // It goes on issuing, and meets somebody whom nobody has told yet.
    let late = issued(&mut town.one, other);
    meet(&mut town.one, &mut town.two);
    assert_eq!(judged(&mut town.two, &late, late.token), Ok(()));
    meet(&mut town.center, &mut town.two);
    for replica in [&mut town.center, &mut town.two] {
        assert_eq!(judged(replica, &tag, tag.token), Ok(()), "it hangs on a door");
        assert_eq!(judged(replica, &late, late.token), Err(TagRefusal::IssuerRemoved));
    }
}

#[test]
fn a_vehicle_makes_no_tags_and_what_it_writes_has_no_effect() {
    let mut rng = ChaCha8Rng::seed_from_u64(89);
    let mut town = Town::new(89);
    let home = household_at(&mut town.one, "12号", 1);
    let tag = issued(&mut town.one, home);
    let mut vehicle = node(&town.founded, &mut rng, "vehicle", NodeRole::Patrol);
    meet(&mut vehicle, &mut town.one);
    let place = (tag.document, tag.tag);
    let refused = door_tag::retire(&mut vehicle, &registry(), place, (TagRetirement::Lost, 1), NOW).unwrap_err();
    assert!(matches!(refused, CommandError::Record(RecordError::Denied(Denied::NoRole))), "{refused}");
    assert_eq!(judged(&mut vehicle, &tag, tag.token), Ok(()), "it reads them");
}

#[test]
fn a_record_whose_token_is_not_its_own_is_no_tag() {
    let mut town = Town::new(90);
    let home = household_at(&mut town.one, "12号", 1);
    let tag = issued(&mut town.one, home);
    let known = read(&mut town.one, tag.document)[0].tag.clone();
    let edits = BTreeMap::from([(TagId([9; 16]).0.to_vec(), known.fields())]);
    town.one.edit(&registry(), DocumentKind::DoorTag, tag.document, edits, Lane::Work, NOW).unwrap();
    let found = door_tag::read(&mut town.one, &registry(), tag.document).unwrap().unwrap();
    assert_eq!((found.tags.len(), found.unreadable), (1, 1));
    let yard = Dwelling { region: Some(langfa()), address: Some("3号".into()), ..Dwelling::default() };
    let yard = dwelling::record(&mut town.one, &yard, Lane::Work, NOW).unwrap().into_value();
    assert_eq!(issued(&mut town.one, yard).dwelling, yard, "a dwelling without households");
}
