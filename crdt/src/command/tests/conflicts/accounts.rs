//! The account of whoever wrote each side.

use super::*;

#[test]
fn who_wrote_each_side_who_settled_it_and_who_took_it_back_is_told() {
    let mut town = Town::new(82);
    for (replica, account) in [(&mut town.one, "wyj-1"), (&mut town.two, "wyj-2"), (&mut town.center, "zhz-1")] {
        replica.write_for(Some(account.into()));
    }
    let at = contested(&mut town);
    let [conflict] = &town.inboxes(&at)[..] else { panic!("one conflict, and none about who wrote") };
    let by = |side: &crate::command::conflict::Side| side.said[0].by.clone().unwrap();
    let written = |conflict: &OpenConflict| -> BTreeMap<String, String> {
        conflict.sides.iter().map(|side| (side.value.clone(), by(side))).collect()
    };
    let expected: BTreeMap<_, _> =
        [("shop", "wyj-1"), ("vacant", "wyj-2")].map(|(value, by)| (value.to_owned(), by.to_owned())).into();
    assert_eq!(written(conflict), expected);
    let done = settle(&mut town.center, &at, &Choice::Keep(side_saying(conflict, "shop")));
    assert_eq!((by(&done.choice).as_str(), done.undoable), ("zhz-1", true));
    town.meet_all();
    let told = settled(&mut town.two, &at);
    assert_eq!((told.len(), told[0].sides.iter().map(by).collect::<BTreeSet<_>>().len()), (1, 2), "{told:?}");
    undo(&mut town.two, &at, done.id).unwrap();
    town.meet_all();
    let [again] = &town.inboxes(&at)[..] else { panic!("open again") };
    assert_eq!(written(again), expected, "it is theirs, not of who took it back");
    // Nobody asks what two wrote alike.
    town.one.write_for(Some("x".repeat(97)));
    use_it(&mut town.one, at.2, DwellingUse::Rental);
    use_it(&mut town.two, at.2, DwellingUse::Rental);
    town.meet_all();
    assert_eq!(town.inboxes(&at), []);
    let told = settled(&mut town.center, &at);
    let by: BTreeSet<_> = told.iter().filter(|done| done.stands).map(|done| done.choice.said[0].by.clone()).collect();
    assert_eq!(by, [None, Some("wyj-2".to_owned())].into(), "an account that is none is not written");
}
