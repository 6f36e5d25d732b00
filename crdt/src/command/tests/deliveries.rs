//! How far one record of a document has travelled.

use super::*;
use crate::change::record_id;
use crate::entry::Lane;
use crate::id::RecordId;
use crate::policy::DocumentKind;
use crate::replica::Delivery;

fn note(replica: &mut Replica, document: DocumentId, words: &[u8], at: Millis) -> RecordId {
    replica.put(&registry(), DocumentKind::Blob, document, words.to_vec(), Lane::Work, at).unwrap();
    replica.commit(at).unwrap();
    record_id(words)
}

#[test]
fn one_record_is_delivered_though_a_later_one_is_not() {
    let mut town = Town::new(37);
    let (document, other) = (DocumentId([7; 16]), DocumentId([8; 16]));
    let first = note(&mut town.one, document, b"first", NOW);
    town.meet();
    // The beacon that was due after the first meeting says that the center has it.
    note(&mut town.center, other, b"of the center", NOW + 120_000);
    town.meet();
    let second = note(&mut town.one, document, b"second", NOW + 120_000);
    let center = town.center.node();
    let to_center = |all: Vec<Delivery>| all.into_iter().find(|one| one.node == center).map(|one| one.delivered);
    let mut of_record = |record| {
        let found = town.one.delivery_of_records(&registry(), document, &[record].into()).unwrap();
        to_center(found.into_values().flatten().collect())
    };
    assert_eq!((of_record(first), of_record(second)), (Some(true), Some(false)));
    assert_eq!(of_record(RecordId([9; 16])), None, "it is not there at all");
    assert_eq!(to_center(town.one.delivery(&registry(), document).unwrap()), Some(false), "not all of it");
}
