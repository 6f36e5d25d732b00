//! Photos of households, and how far they and everything else have travelled.

use super::*;
use crate::command::erasure::{self, Subject};
use crate::command::household::{self, HouseholdIds, HouseholdInput};
use crate::command::photo::{self, NewPhoto};
use crate::command::{CommandError, Outcome};
use crate::domain::household::{Household, Resident};
use crate::domain::inspection::PhotoHash;
use crate::domain::person::PersonalData;
use crate::entry::Lane;
use crate::id::ResidentId;
use crate::policy::DocumentKind;
use crate::replica::PersonalError;
use crate::sync::Message;

fn household(replica: &mut Replica) -> HouseholdIds {
    let personal = Some(PersonalData { name: "甲乙".into(), ..PersonalData::default() });
    let input = HouseholdInput {
        household: Household { region: Some(langfa()), address: Some("1号".into()), ..Household::default() },
        residents: vec![Resident { personal, ..Resident::default() }],
    };
    let ids = household::record(replica, &input, Lane::Work, NOW).unwrap().into_value();
    replica.commit(NOW).unwrap();
    ids
}

fn jpeg(length: usize) -> Vec<u8> {
    let noise = (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 11) as u8);
    [0xff, 0xd8, 0xff].into_iter().chain(noise).collect()
}

fn record(replica: &mut Replica, new: &NewPhoto) -> Outcome<PhotoHash> {
    let outcome = photo::record(replica, &registry(), new, NOW).unwrap();
    replica.commit(NOW).unwrap();
    outcome
}

#[test]
fn a_photo_taken_in_one_office_is_seen_at_the_center() {
    let mut town = Town::new(31);
    let ids = household(&mut town.one);
    let new = NewPhoto {
        household: Some(ids.document),
        resident: Some(ids.residents[0]),
        bytes: jpeg(700_000),
        thumbnail: None,
    };
    let hash = record(&mut town.one, &new).into_value();
    assert_eq!(photo::read(&mut town.center, hash).unwrap(), None, "nothing was sent yet");
    assert_eq!(record(&mut town.one, &new).key(), "unchanged");
    town.meet();
    let found = photo::read(&mut town.center, hash).unwrap().expect("it has arrived");
    assert_eq!((found.media_type.as_str(), found.length), ("image/jpeg", new.bytes.len() as u64));
    assert_eq!(found.content, Some(new.bytes));
    assert_eq!(found.namespace, registry());
}

fn with_thumbnail(ids: &HouseholdIds, resident: Option<ResidentId>) -> NewPhoto {
    NewPhoto { household: Some(ids.document), resident, bytes: jpeg(700_000), thumbnail: Some(jpeg(9_000)) }
}

/// The sizes of the sealed chunks that one sends until it falls silent, in their order.
fn chunks_sent(from: &mut Replica, to: &mut Replica) -> Vec<usize> {
    let (at_from, at_to) = (from.node(), to.node());
    let mut sizes = Vec::new();
    loop {
        let mut said = pass(to, from);
        while let Some(bytes) = from.poll_transmit(at_to).unwrap() {
            said += 1;
            if let Ok(Some(Message::Chunk { bytes, .. })) = Message::from_bytes(&bytes) {
                sizes.push(bytes.len());
            }
            to.receive(at_from, &bytes, NOW).unwrap();
        }
        to.commit(NOW).unwrap();
        while to.fold(NOW).unwrap() {
            to.commit(NOW).unwrap();
        }
        to.commit(NOW).unwrap();
        if said == 0 {
            return sizes;
        }
    }
}

#[test]
fn thumbnails_come_before_all_that_waits_of_larger_photos() {
    let mut town = Town::new(37);
    let ids = household(&mut town.one);
    let photos = (1..=20).map(|more| NewPhoto { bytes: jpeg(600_000 + more), ..with_thumbnail(&ids, None) });
    let hashes: Vec<PhotoHash> = photos.map(|photo| record(&mut town.one, &photo).into_value()).collect();
    let (one, center) = (town.one.node(), town.center.node());
    for (replica, peer) in [(&mut town.one, center), (&mut town.center, one)] {
        replica.close_session(&peer);
        replica.open_session(peer).unwrap();
    }
    let sizes = chunks_sent(&mut town.one, &mut town.center);
    // Three chunks of each photo, one of its thumbnail.
    assert_eq!(sizes.len(), 20 * 4, "{sizes:?}");
    assert!(sizes[..20].iter().all(|size| *size < 10_000), "an original overtook a thumbnail: {sizes:?}");
    for hash in hashes {
        let thumbnail = photo::thumbnail(&mut town.center, hash).unwrap().expect("it was recorded");
        assert_eq!((thumbnail.media_type.as_str(), thumbnail.content), ("image/jpeg", Some(jpeg(9_000))));
        assert!(photo::read(&mut town.center, hash).unwrap().unwrap().content.is_some());
    }
}

#[test]
fn a_thumbnail_is_erased_with_its_photo() {
    let mut town = Town::new(39);
    let ids = household(&mut town.one);
    let hash = record(&mut town.one, &with_thumbnail(&ids, Some(ids.residents[0]))).into_value();
    assert!(photo::thumbnail(&mut town.one, hash).unwrap().unwrap().content.is_some());
    town.meet();
    let (authority, subject) = (&town.founded.authority, Subject::Resident(ids.residents[0]));
    erasure::erase(&mut town.center, authority, &registry(), ids.document, subject, NOW).unwrap();
    town.center.commit(NOW).unwrap();
    town.meet();
    for replica in [&mut town.one, &mut town.center] {
        for found in [photo::read(replica, hash), photo::thumbnail(replica, hash)] {
            assert!(matches!(found, Err(CommandError::Personal(PersonalError::Erased))), "{found:?}");
        }
    }
}

#[test]
fn a_thumbnail_that_is_none_is_refused_and_leaves_nothing() {
    let mut town = Town::new(40);
    let ids = household(&mut town.one);
    let large = NewPhoto { thumbnail: Some(jpeg(65 << 10)), ..with_thumbnail(&ids, None) };
    let error = photo::record(&mut town.one, &registry(), &large, NOW).unwrap_err();
    assert_eq!(error.code(), "too_large");
    assert!(!town.one.has_staged());
}

#[test]
fn what_is_no_photo_or_of_nobody_is_refused() {
    let mut town = Town::new(32);
    let ids = household(&mut town.one);
    let refused = |town: &mut Town, household, resident, bytes: &[u8]| {
        let new = NewPhoto { household: Some(household), resident, bytes: bytes.to_vec(), thumbnail: None };
        photo::record(&mut town.one, &registry(), &new, NOW).unwrap_err().code()
    };
    for bytes in [&b""[..], b"<html>", b"\xff\xd8", b"RIFF....WAVE", b"\x89PNG"] {
        assert_eq!(refused(&mut town, ids.document, None, bytes), "not_a_photo", "{bytes:02x?}");
    }
    assert_eq!(refused(&mut town, DocumentId([7; 16]), None, &jpeg(9)), "not_found");
    assert_eq!(refused(&mut town, ids.document, Some(ResidentId([7; 8])), &jpeg(9)), "not_found");
    assert_eq!(refused(&mut town, ids.document, None, &jpeg(65 << 20)), "too_large");
    assert!(!town.one.has_staged(), "a refused photo leaves nothing");
}

#[test]
fn another_content_under_the_name_of_a_photo_is_refused() {
    let mut town = Town::new(33);
    let ids = household(&mut town.one);
    let other = NewPhoto { household: Some(ids.document), resident: None, bytes: jpeg(2_000), thumbnail: None };
    let forged = record(&mut town.one, &other).into_value();
    // That photo's manifest, written once more in the place of another, as a hostile office could.
    let hash = PhotoHash(blake3::hash(&jpeg(1_000)).into());
    let [target, source] =
        [hash, forged].map(|hash| town.one.document_id(&registry(), DocumentKind::Blob, &hash.0).unwrap());
    let manifest = town.one.records(town.one.namespace_id(&registry()), source).unwrap().remove(0).bytes;
    town.one.put(&registry(), DocumentKind::Blob, target, manifest, Lane::Bulk, NOW).unwrap();
    town.one.commit(NOW).unwrap();
    let error = photo::read(&mut town.one, hash).unwrap_err();
    assert!(matches!(error, CommandError::Personal(_)), "{error:?}");
}

#[test]
fn a_photo_whose_bytes_never_came_is_recorded_by_whoever_has_them() {
    let mut town = Town::new(35);
    let ids = household(&mut town.one);
    town.meet();
    let new = NewPhoto {
        household: Some(ids.document),
        resident: Some(ids.residents[0]),
        bytes: jpeg(3_000),
        thumbnail: None,
    };
    let hash = record(&mut town.one, &new).into_value();
    // Its manifest travelled, the node that held its bytes did not come again.
    let document = town.one.document_id(&registry(), DocumentKind::Blob, &hash.0).unwrap();
    let manifest = town.one.records(town.one.namespace_id(&registry()), document).unwrap().remove(0).bytes;
    town.two.put(&registry(), DocumentKind::Blob, document, manifest, Lane::Bulk, NOW).unwrap();
    town.two.commit(NOW).unwrap();
    assert_eq!(photo::read(&mut town.two, hash).unwrap().unwrap().content, None);
    assert_eq!(record(&mut town.two, &new).key(), "created");
    assert_eq!(photo::read(&mut town.two, hash).unwrap().unwrap().content, Some(new.bytes.clone()));
    assert_eq!(record(&mut town.two, &new).key(), "unchanged");
}

#[test]
fn a_false_manifest_does_not_hide_the_photo_beside_it() {
    let mut town = Town::new(36);
    let ids = household(&mut town.one);
    let [other, real] = [2_000, 1_000].map(|length| NewPhoto {
        household: Some(ids.document),
        resident: None,
        bytes: jpeg(length),
        thumbnail: None,
    });
    let forged = record(&mut town.one, &other).into_value();
    let hash = PhotoHash(blake3::hash(&real.bytes).into());
    let [target, source] =
        [hash, forged].map(|hash| town.one.document_id(&registry(), DocumentKind::Blob, &hash.0).unwrap());
    let manifest = town.one.records(town.one.namespace_id(&registry()), source).unwrap().remove(0).bytes;
    town.one.put(&registry(), DocumentKind::Blob, target, manifest, Lane::Bulk, NOW).unwrap();
    town.one.commit(NOW).unwrap();
    assert_eq!(record(&mut town.one, &real).key(), "created");
    assert_eq!(photo::read(&mut town.one, hash).unwrap().unwrap().content, Some(real.bytes));
}

#[test]
fn who_has_a_document_and_what_waits_for_whom_is_known_from_beacons() {
    let mut town = Town::new(34);
    let ids = household(&mut town.one);
    let delivered = |replica: &mut Replica, to: &Replica| {
        let all = replica.delivery(&registry(), ids.document).unwrap();
        all.iter().find(|one| one.node == to.node()).map(|one| one.delivered)
    };
    let waiting = |replica: &mut Replica, to: &Replica| {
        replica.waiting().iter().find(|one| one.node == to.node()).map(|one| one.entries)
    };
    assert_eq!(delivered(&mut town.one, &town.center), Some(false));
    assert!(waiting(&mut town.one, &town.center) > Some(0));
    assert_eq!(town.center.delivery(&registry(), ids.document).unwrap(), vec![], "it is not there at all");
    // The second meeting brings the beacon that was due after the first.
    for later in [0, 120_000] {
        town.meet();
        for replica in [&mut town.one, &mut town.two, &mut town.center] {
            household::record(replica, &HouseholdInput::default(), Lane::Work, NOW + later).unwrap_err();
            replica.commit(NOW + later).unwrap();
        }
    }
    town.meet();
    assert_eq!(delivered(&mut town.one, &town.center), Some(true));
    assert_eq!(delivered(&mut town.one, &town.two), Some(true));
    assert_eq!(delivered(&mut town.two, &town.one), Some(true), "the author holds what it wrote");
}
