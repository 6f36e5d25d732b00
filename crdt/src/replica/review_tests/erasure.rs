//! Persons are erased: what tells of them cannot be opened any more, on any node, whoever still had it.

use super::super::sync_tests::key_run;
use super::super::tests::{connect, edit, meet, settle};
use super::*;
use crate::certificate::{Claim, Erasure};
use crate::domain::household::Resident;
use crate::replica::EraseError;

/// A household of two residents.
struct Home {
    document: DocumentId,
    residents: Vec<(ResidentId, Vec<u8>)>,
}

fn namespace() -> Namespace {
    Namespace::registry(LANGFA)
}

fn settle_in(replica: &mut Replica) -> Home {
    let document = edit(replica, LANGFA, "1", "home");
    let residents = ["one", "two"].map(|name| {
        let resident = replica.new_resident();
        let sealed = replica.seal_personal(&namespace(), document, resident, None, name.as_bytes()).unwrap();
        let fields = BTreeMap::from([(Resident::PERSONAL, Value::Bytes(sealed.clone()))]);
        let edits = BTreeMap::from([(resident.as_bytes().to_vec(), fields)]);
        replica.edit(&namespace(), DocumentKind::Household, document, edits, Lane::Work, NOW).unwrap();
        replica.commit(NOW).unwrap();
        (resident, sealed)
    });
    Home { document, residents: residents.to_vec() }
}

fn erase(replica: &mut Replica, town: &Town, home: &Home, which: usize) -> Result<super::super::Erased, EraseError> {
    let place = (home.residents[which].0.as_bytes(), Resident::PERSONAL);
    let erased = replica.erase(&town.founded.authority, &namespace(), home.document, place, NOW);
    replica.commit(NOW).unwrap();
    erased
}

fn row(replica: &Replica, home: &Home, which: usize) -> Option<Row> {
    let number = replica.numbers.get(&replica.namespace_id(&namespace()))?;
    let place = crate::seal::personal_place(&home.residents[which].1).unwrap();
    replica.store.person_key(*number, place).unwrap()
}

fn is_destroyed(replica: &Replica, home: &Home, which: usize) -> bool {
    matches!(row(replica, home, which), Some(Row::Destroyed(_)))
}

fn opens(replica: &mut Replica, home: &Home, which: usize) -> bool {
    let (resident, sealed) = &home.residents[which];
    match replica.open_personal(&namespace(), home.document, *resident, sealed) {
        Ok(_) => true,
        Err(PersonalError::Erased) => false,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_person_is_erased_wherever_the_order_arrives_and_others_stay() {
    let mut town = Town::new(180);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut carrier = town.node("carrier", NodeRole::Carrier, &[], &[LANGFA]);
    for node in [&mut langfa, &mut carrier] {
        meet(&mut center, node);
    }
    let home = settle_in(&mut langfa);
    for node in [&mut center, &mut carrier] {
        meet(&mut langfa, node);
    }
    assert!(matches!(row(&carrier, &home, 0), Some(Row::Key(_))), "the carrier holds what it cannot open");
    assert!(matches!(
        center.erase(&town.founded.authority, &namespace(), home.document, (b"nobody", Resident::PERSONAL), NOW),
        Err(EraseError::Nothing)
    ));
    let fed = center.feed_end();
    let erased = erase(&mut center, &town, &home, 0).unwrap();
    assert_eq!(erased.keys, 1);
    assert!(matches!(erase(&mut center, &town, &home, 0), Err(EraseError::Before)));
    assert!(center.feed(fed, 100).unwrap().iter().any(|item| item.document == home.document), "views are told");
    meet(&mut center, &mut carrier);
    assert!(is_destroyed(&carrier, &home, 0) && !is_destroyed(&carrier, &home, 1));
    // The order reaches its own office by the carrier.
    let fed = langfa.feed_end();
    meet(&mut carrier, &mut langfa);
    assert!(langfa.feed(fed, 100).unwrap().iter().any(|item| item.document == home.document));
    for node in [&mut center, &mut langfa] {
        assert!(is_destroyed(node, &home, 0) && !is_destroyed(node, &home, 1));
        assert!(!opens(node, &home, 0) && opens(node, &home, 1));
    }
    let delivered = center.delivery(&Namespace::auth(), erased.order).unwrap();
    assert_eq!(delivered.len(), 2, "whom the order has reached can be asked");
    let (resident, sealed) = &home.residents[0];
    let again = langfa.seal_personal(&namespace(), home.document, *resident, Some(sealed), b"back");
    assert!(again.is_err(), "nothing more is sealed for who was erased");
}

#[test]
fn who_comes_back_with_the_key_after_a_year_gives_it_to_nobody() {
    let mut town = Town::new(181);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut away = town.node("away", NodeRole::Village, &[LANGFA], &[]);
    let mut fresh = town.node("fresh", NodeRole::Village, &[LANGFA], &[]);
    for node in [&mut langfa, &mut away, &mut fresh] {
        meet(&mut center, node);
    }
    let home = settle_in(&mut langfa);
    meet(&mut langfa, &mut away);
    meet(&mut langfa, &mut center);
    erase(&mut center, &town, &home, 0).unwrap();
    meet(&mut center, &mut fresh);
    assert!(is_destroyed(&fresh, &home, 0) && !is_destroyed(&fresh, &home, 1), "it never had the key");
    // It has not heard: its rows are the old ones, and it is the one to speak.
    assert!(opens(&mut away, &home, 0));
    let run = key_run(&mut away, &mut town.node("late", NodeRole::Village, &[LANGFA], &[]));
    assert!(run.keys.iter().all(|row| matches!(row, Row::Key(_))));
    let id = fresh.namespace_id(&namespace());
    let shelf = run.shelf();
    fresh.shelves.get_mut(&id).unwrap().remove(&shelf);
    assert_eq!(fresh.ingest_key_run(&run).unwrap(), 2);
    fresh.commit(NOW).unwrap();
    assert!(is_destroyed(&fresh, &home, 0), "destroyed wins");
    meet(&mut fresh, &mut away);
    assert!(is_destroyed(&away, &home, 0) && !opens(&mut away, &home, 0) && opens(&mut away, &home, 1));
}

#[test]
fn nobody_but_an_authority_erases() {
    let mut town = Town::new(182);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut haizi = town.node("haizi", NodeRole::Village, &[LANGFA], &[]);
    for node in [&mut langfa, &mut haizi] {
        meet(&mut center, node);
    }
    let home = settle_in(&mut langfa);
    let (id, place) = (center.namespace_id(&namespace()), crate::seal::personal_place(&home.residents[0].1).unwrap());
    let claim = Claim::Erasure(Erasure { namespace: id, document: home.document, keys: vec![place] });
    let own = langfa.identity.clone();
    let forged = Statement::sign(langfa.trust.town(), claim, Some(own.certificate), [0; 8], &own.signing);
    assert!(langfa.record_statements(vec![forged], NOW).is_err());

    // A carrier that says a row was destroyed.
    let mut run = key_run(&mut langfa, &mut haizi);
    run.keys[0] = run.keys[0].destroyed();
    let mut shelf = run.empty_shelf();
    run.keys.iter().for_each(|row| assert!(shelf.push(row)));
    assert!(shelf.is_sealed_by(id, &run.seal), "the chain would not show it");
    assert_eq!(center.ingest_key_run(&run).unwrap(), 0);
    connect(&mut center, &mut langfa);
    settle(&mut center, &mut langfa);
    assert!(opens(&mut center, &home, 0));
}

#[test]
fn a_key_that_was_still_staged_or_came_back_by_a_crash_does_not_stay() {
    let mut town = Town::new(183);
    let mut center = Member::join(&mut town, "center", NodeRole::Center, &[], &[]);
    let home = settle_in(center.replica());
    let kept = row(center.replica(), &home, 0).unwrap();
    let replica = center.replica();
    // The very same batch mints the key and is ordered to destroy it.
    let resident = replica.new_resident();
    let sealed = replica.seal_personal(&namespace(), home.document, resident, None, b"three").unwrap();
    let fields = BTreeMap::from([(Resident::PERSONAL, Value::Bytes(sealed.clone()))]);
    let edits = BTreeMap::from([(resident.as_bytes().to_vec(), fields)]);
    replica.edit(&namespace(), DocumentKind::Household, home.document, edits, Lane::Work, NOW).unwrap();
    let place = (resident.as_bytes(), Resident::PERSONAL);
    replica.erase(&town.founded.authority, &namespace(), home.document, place, NOW).unwrap();
    let rows = replica.batch.person_keys.iter().filter(|(_, _, row)| matches!(row, Row::Key(_))).count();
    assert_eq!(rows, 0, "it does not reach the disk");
    replica.commit(NOW).unwrap();
    erase(replica, &town, &home, 0).unwrap();
    assert!(is_destroyed(replica, &home, 0));
    // As if the order had been committed and the erasure not.
    let (number, place) = (
        replica.numbers[&replica.namespace_id(&namespace())],
        crate::seal::personal_place(&home.residents[0].1).unwrap(),
    );
    replica.batch.person_keys.push((number, place, kept));
    replica.batch.weight += 1;
    replica.commit(NOW).unwrap();
    assert!(!is_destroyed(replica, &home, 0));
    center.reopen(&mut town.rng, NOW);
    assert!(is_destroyed(center.replica(), &home, 0));
    assert!(!opens(center.replica(), &home, 0) && opens(center.replica(), &home, 1));
}

#[test]
fn a_value_under_the_key_of_somebody_else_does_not_take_them_along() {
    let mut town = Town::new(184);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut insider = town.node("insider", NodeRole::Patrol, &[LANGFA], &[]);
    for node in [&mut langfa, &mut insider] {
        meet(&mut center, node);
    }
    let home = settle_in(&mut langfa);
    meet(&mut langfa, &mut insider);
    // It holds the keys of all, and seals something for the first resident under the key of the second.
    let ((first, _), (_, of_second)) = (&home.residents[0], &home.residents[1]);
    let crafted = insider.seal_personal(&namespace(), home.document, *first, Some(of_second), b"x").unwrap();
    let fields = BTreeMap::from([(Resident::PERSONAL, Value::Bytes(crafted))]);
    let edits = BTreeMap::from([(first.as_bytes().to_vec(), fields)]);
    insider.edit(&namespace(), DocumentKind::Household, home.document, edits, Lane::Work, NOW).unwrap();
    insider.commit(NOW).unwrap();
    meet(&mut insider, &mut center);
    assert_eq!(erase(&mut center, &town, &home, 0).unwrap().keys, 1);
    assert!(is_destroyed(&center, &home, 0) && opens(&mut center, &home, 1));
}
