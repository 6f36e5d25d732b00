//! Who has heard of a decision: of a removal, of a table, of an edition of the rules of cases.

use super::tables::limit;
use super::*;
use crate::certificate::CertificateKind;
use crate::command::life_cycle::{self, Publishing};
use crate::command::table;
use crate::domain::case::{Step, TransitionTable};
use crate::domain::tables::{TableKind, TransitionRow};
use crate::id::RecordId;
use crate::replica::Delivery;

/// Lets everybody say what they hold: a beacon is due at most once a minute, so it comes with the next meeting.
fn tell_each_other(town: &mut Town) {
    for later in [0, 120_000] {
        meet(&mut town.center, &mut town.one);
        for replica in [&mut town.one, &mut town.center] {
            replica.publish_position(0, 0, NOW + later).unwrap();
            replica.commit(NOW + later).unwrap();
        }
    }
    meet(&mut town.center, &mut town.one);
}

/// Whether each other node that counts has it.
fn told(all: &[Delivery], town: &Town) -> BTreeMap<&'static str, bool> {
    let names = [(town.one.node(), "one"), (town.two.node(), "two"), (town.center.node(), "center")];
    let name = |one: &Delivery| names.iter().find(|(node, _)| *node == one.node).unwrap().1;
    all.iter().map(|one| (name(one), one.delivered)).collect()
}

#[test]
fn of_a_removal_it_is_known_who_has_not_heard_of_it() {
    let mut town = Town::new(190);
    town.meet();
    assert_eq!(town.center.removals().unwrap(), []);
    let (authority, stolen) = (town.founded.authority.clone(), town.two.node());
    let (certificate, _) = town.center.trust().current(&stolen).unwrap();
    town.center.revoke(&authority, stolen, true, NOW).unwrap();
    town.center.commit(NOW).unwrap();
    let removals = town.center.removals().unwrap();
    let kinds: Vec<CertificateKind> = removals.iter().map(|removal| removal.kind).collect();
    assert!(kinds.contains(&CertificateKind::Node) && kinds.contains(&CertificateKind::Invite), "{kinds:?}");
    let removal = removals.iter().find(|removal| removal.certificate == certificate).unwrap();
    assert_eq!((removal.name.as_str(), removal.by), ("two", town.center.node()));
    let heard = town.center.heard_of(removal);
    assert_eq!(told(&heard, &town), [("one", false)].into(), "the removed node itself is not asked");
    tell_each_other(&mut town);
    let heard = town.center.heard_of(removal);
    assert_eq!(told(&heard, &town), [("one", true)].into());
    // Whoever heard of it knows who wrote it down, and that the center has.
    let there = town.one.removals().unwrap();
    let there = there.iter().find(|removal| removal.certificate == certificate).unwrap();
    assert_eq!((there.by, there.at), (town.center.node(), removal.at));
    let heard = town.one.heard_of(there);
    assert_eq!(told(&heard, &town), [("center", true)].into());
}

fn publish(replica: &mut Replica) -> RecordId {
    let mut row = TransitionRow::of_rule(TransitionTable::default().rule(Step::Accept).unwrap());
    row.who = "duty_head".parse().ok();
    table::record(replica, TableKind::Transition, &[row.fields()], NOW).unwrap();
    replica.commit(NOW).unwrap();
    let revision = life_cycle::draft(replica).unwrap().revision;
    let publishing = Publishing { by: "zhz-1".into(), why: "受理".into(), without: [].into(), revision };
    let published = life_cycle::publish(replica, &publishing, NOW).unwrap().into_value().unwrap();
    replica.commit(NOW).unwrap();
    published.id
}

#[test]
fn of_a_table_and_of_an_edition_it_is_known_who_has_not_heard_of_it() {
    let mut town = Town::new(191);
    table::record(&mut town.center, TableKind::Limit, &[limit("rubble", 10)], NOW).unwrap();
    let first = publish(&mut town.center);
    tell_each_other(&mut town);
    let space = Namespace::town();
    let rows = table::document(&mut town.center, TableKind::Limit).unwrap();
    let rules = life_cycle::document(&mut town.center).unwrap();
    let has_one = |town: &mut Town, record: Option<RecordId>, document| {
        let all = match record {
            Some(record) => town.center.delivery_of_record(&space, document, record),
            None => town.center.delivery(&space, document),
        };
        told(&all.unwrap(), town)["one"]
    };
    assert!(has_one(&mut town, None, rows) && has_one(&mut town, Some(first), rules));
    table::record(&mut town.center, TableKind::Limit, &[limit("rubble", 20)], NOW).unwrap();
    let mut row = TransitionRow::of_rule(TransitionTable::default().rule(Step::Refuse).unwrap());
    row.who = "duty_head".parse().ok();
    table::record(&mut town.center, TableKind::Transition, &[row.fields()], NOW).unwrap();
    let second = publish(&mut town.center);
    assert!(!has_one(&mut town, None, rows), "the table as it is now");
    assert!(has_one(&mut town, Some(first), rules), "of an edition others do not matter");
    assert!(!has_one(&mut town, Some(second), rules));
    assert_eq!(town.center.delivery_of_record(&space, rules, RecordId([7; 16])).unwrap(), [], "it is not here");
    tell_each_other(&mut town);
    assert!(has_one(&mut town, None, rows) && has_one(&mut town, Some(second), rules));
}
