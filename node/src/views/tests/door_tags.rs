//! Door tags and the doors that they hang on.

use ed25519_dalek::SigningKey;
use townmesh_crdt::command::door_tag::{DoorTagRecord, DoorTagsRecord};
use townmesh_crdt::command::dwelling::DwellingRecord;
use townmesh_crdt::domain::door_tag::{DoorTag, DoorToken, TagName};
use townmesh_crdt::domain::dwelling::Dwelling;
use townmesh_crdt::domain::hazard::DoorMark;
use townmesh_crdt::domain::number::SpokenNumber;
use townmesh_crdt::id::{NodeId, TagId};

use super::super::{DoorTagDetail, DoorTagFilter};
use super::*;

/// Number of the dwelling's document.
const YARD: u32 = 50;

fn yard(address: &str) -> Reading {
    let dwelling = Dwelling { region: VILLAGE.parse().ok(), address: Some(address.into()), ..Dwelling::default() };
    Reading::Dwelling(DwellingRecord {
        id: id(YARD),
        dwelling,
        owner_state: PersonalState::Open,
        conflicts: vec![],
        settled: vec![],
    })
}

fn tags(ids: &[u8]) -> Reading {
    let key = SigningKey::from_bytes(&[1; 32]);
    let one = |byte: u8| {
        let tag = TagId([byte; 16]);
        let token = DoorToken::sign(&[9; 32], VILLAGE.parse().unwrap(), tag, &key);
        let issuer = NodeId(key.verifying_key().to_bytes());
        let issued = DoorTag { issued_at: Some(i64::from(byte)), ..DoorTag::default() };
        DoorTagRecord { id: tag, code: SpokenNumber::of_tag(tag), token, issuer, dwelling: id(YARD), tag: issued }
    };
    Reading::DoorTags(DoorTagsRecord { id: id(51), tags: ids.iter().map(|byte| one(*byte)).collect(), unreadable: 0 })
}

fn shown(scene: &Scene, byte: u8) -> DoorTagDetail {
    let reader = scene.reader();
    let named = reader.door_tags_named(TagName::Id(TagId([byte; 16]))).unwrap();
    reader.door_tag(named.into_iter().next().unwrap()).unwrap()
}

#[test]
fn a_door_shows_the_worst_of_its_dwelling_and_households_in_any_order_of_arrival() {
    let mut scene = Scene::new();
    scene.feed([tags(&[1])]);
    let alone = shown(&scene, 1);
    assert_eq!((alone.tag.address, alone.tag.position, alone.mark), (None, None, DoorMark::Green));
    scene.feed([hazard(60, YARD, Grade::General, HazardState::Open)]);
    scene.feed([Reading::Household(household(2, "幸福路１２号", &["甲"])), yard("幸福路12号")]);
    let found = shown(&scene, 1);
    assert_eq!(found.mark, DoorMark::Yellow, "a hazard of the dwelling itself");
    assert_eq!(found.tag.address.as_deref(), Some("幸福路12号"));
    assert_eq!(found.tag.position, household(2, "", &[]).household.position, "another spelling of one door");
    assert_eq!(found.households.len(), 1);
    scene.feed([hazard(61, 2, Grade::Severe, HazardState::Open)]);
    assert_eq!(shown(&scene, 1).mark, DoorMark::Red, "a hazard of a household behind the door");
    scene.feed([
        hazard(61, 2, Grade::Severe, HazardState::Closed),
        hazard(60, YARD, Grade::General, HazardState::Closed),
    ]);
    assert_eq!(shown(&scene, 1).mark, DoorMark::Green);
}

#[test]
fn tags_that_say_nothing_any_more_are_gone_and_doors_are_named_once() {
    let mut scene = Scene::new();
    let homes = [household(2, "幸福路１２号", &[]), household(3, "幸福路12号", &[]), household(4, "幸福路13号", &[])];
    scene.feed(homes.map(Reading::Household));
    let doors = scene.reader().doors(VILLAGE.parse().unwrap()).unwrap();
    assert_eq!(doors.len(), 2, "{doors:?}");
    assert!(doors.iter().all(|(namespace, _)| *namespace == Namespace::registry(VILLAGE)));
    scene.feed([yard("幸福路12号"), tags(&[1, 2, 3])]);
    scene.feed([tags(&[1, 3])]);
    let listed = |scene: &Scene, dwelling: u32| {
        let filter = DoorTagFilter { dwelling: Some(id(dwelling)), ..DoorTagFilter::default() };
        scene.reader().door_tags(&filter, &Page::default()).unwrap().rows.len()
    };
    assert_eq!([YARD, 2, 3, 4].map(|dwelling| listed(&scene, dwelling)), [2, 2, 2, 0]);
    let mut gone = scene.line(Reading::Nothing);
    gone.0.document = id(51);
    scene.views.apply(&[gone], 9).unwrap();
    assert_eq!(listed(&scene, YARD), 0);
}
