//! Entries of books across nodes.

use super::*;
use crate::command::book::{self, BookEntry, EntryInput};
use crate::command::conflict::{self, Asked, Choice};
use crate::command::read::PersonalState;
use crate::command::{CommandError, erasure};
use crate::domain::books::{BookKind, PERSON_COLUMNS};
use crate::domain::person::PersonalData;
use crate::entry::Lane;
use crate::policy::DocumentKind;
use crate::value::{Fields, Value};

fn fields(book: BookKind, cells: &[(&str, &str)]) -> Fields {
    let columns = book.all_columns();
    let value = |(name, text): &(&str, &str)| {
        let column = columns.iter().find(|column| column.name == *name).expect(name);
        (column.number, column.parse(text).unwrap().unwrap_or(Value::Null))
    };
    cells.iter().map(value).collect()
}

fn entry(book: BookKind, cells: &[(&str, &str)]) -> EntryInput {
    EntryInput::of_columns(book, fields(book, cells)).unwrap()
}

fn shop(more: &[(&str, &str)]) -> EntryInput {
    let cells = [("region", LANGFA), ("name", "张记五金店"), ("kind", "storefront")];
    entry(BookKind::Enterprise, &[&cells, more].concat())
}

fn try_record(replica: &mut Replica, book: BookKind, entries: &[EntryInput]) -> Result<[u64; 3], CommandError> {
    let imported = book::record(replica, book, entries, NOW)?;
    replica.commit(NOW).unwrap();
    Ok([imported.created, imported.changed, imported.unchanged])
}

fn record(replica: &mut Replica, book: BookKind, entries: &[EntryInput]) -> [u64; 3] {
    try_record(replica, book, entries).unwrap()
}

fn read_shop(replica: &mut Replica) -> BookEntry {
    let document = document(replica);
    book::read(replica, &registry(), BookKind::Enterprise, document).unwrap().unwrap()
}

fn document(replica: &mut Replica) -> DocumentId {
    let key = BookKind::Enterprise.natural_key(&shop(&[]).fields).unwrap();
    replica.document_id(&registry(), DocumentKind::Enterprise, &key).unwrap()
}

fn says(entry: &BookEntry, column: &str) -> Option<String> {
    let column = entry.book.columns().iter().find(|one| one.name == column).unwrap();
    column.show(entry.fields.get(&column.number)?).map(|[text, ..]| text)
}

#[test]
fn two_offices_that_enter_one_shop_have_one_entry_and_settle_what_differs() {
    let mut town = Town::new(80);
    assert_eq!(record(&mut town.one, BookKind::Enterprise, &[shop(&[("address", "12号"), ("staff", "3")])]), [1, 0, 0]);
    let other = [
        ("name", " 张记五金店 "),
        ("staff", "5"),
        ("industry", "五金"),
        ("person_name", "张三丰"),
        ("person_phone", "13800138000"),
    ];
    assert_eq!(record(&mut town.two, BookKind::Enterprise, &[shop(&other)]), [1, 0, 0]);
    town.meet();
    town.readings();
    for replica in [&mut town.one, &mut town.two, &mut town.center] {
        let entry = read_shop(replica);
        assert_eq!(says(&entry, "address").as_deref(), Some("12号"));
        assert_eq!(says(&entry, "industry").as_deref(), Some("五金"));
        assert_eq!(entry.person.as_ref().map(|person| person.name.as_str()), Some("张三丰"));
        let differing: Vec<&str> = entry.conflicts.iter().map(|conflict| conflict.field).collect();
        assert!(differing.contains(&"staff") && !differing.contains(&"address"), "{differing:?}");
    }
    // One of them keeps a side in the inbox, which all see.
    let document = document(&mut town.two);
    let at = (&registry(), DocumentKind::Enterprise, document);
    let open = conflict::open(&read::of_kind(&mut town.two, at.0, at.1, at.2).unwrap());
    let staff = open.iter().find(|one| one.subject == "staff").unwrap();
    assert_eq!((staff.chinese.as_str(), staff.english.as_str()), ("从业人数", "staff"));
    let asked = Asked { id: staff.id, revision: staff.revision.clone(), actor: None };
    let side = staff.sides.iter().find(|side| side.value == "3").unwrap().side;
    let done =
        conflict::settle(&mut town.two, at, &asked, &Choice::Keep(side), NOW).unwrap().into_value().done.unwrap();
    town.two.commit(NOW).unwrap();
    town.meet();
    town.readings();
    let entry = read_shop(&mut town.one);
    assert_eq!(says(&entry, "staff").as_deref(), Some("3"));
    assert!(entry.conflicts.iter().all(|conflict| conflict.field != "staff"));
    conflict::undo(&mut town.one, at, done.id, None, NOW).unwrap();
    town.one.commit(NOW).unwrap();
    assert!(read_shop(&mut town.one).conflicts.iter().any(|conflict| conflict.field == "staff"));
}

#[test]
fn what_is_entered_again_writes_nothing_and_null_clears() {
    let mut town = Town::new(81);
    let all = [("staff", "3"), ("note", "夜间营业"), ("person_name", "张三丰"), ("person_phone", "13800138000")];
    assert_eq!(record(&mut town.one, BookKind::Enterprise, &[shop(&all)]), [1, 0, 0]);
    assert_eq!(record(&mut town.one, BookKind::Enterprise, &[shop(&all)]), [0, 0, 1]);
    assert_eq!(record(&mut town.one, BookKind::Enterprise, &[shop(&[])]), [0, 0, 1], "what is left out stays");
    assert_eq!(record(&mut town.one, BookKind::Enterprise, &[shop(&[("staff", ""), ("person_phone", "")])]), [0, 1, 0]);
    let entry = read_shop(&mut town.one);
    assert_eq!((says(&entry, "staff"), says(&entry, "note").as_deref()), (None, Some("夜间营业")));
    assert_eq!(entry.person, Some(PersonalData { name: "张三丰".into(), ..PersonalData::default() }));
    assert_eq!(record(&mut town.one, BookKind::Enterprise, &[shop(&[("retired", "true")])]), [0, 1, 0]);
    assert!(read_shop(&mut town.one).is_retired());
    record(&mut town.one, BookKind::Enterprise, &[shop(&[("retired", "false")])]);
    let again = read_shop(&mut town.one);
    assert!(!again.is_retired());
    let said = |entry: &BookEntry| {
        entry
            .fields
            .iter()
            .filter(|(_, value)| **value != Value::Null)
            .map(|(_, value)| value.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(said(&again), said(&entry), "nothing is left of its having been out");
}

#[test]
fn however_a_plate_is_written_it_is_one_vehicle() {
    let mut town = Town::new(89);
    let car = |plate: &str| entry(BookKind::Vehicle, &[("region", LANGFA), ("plate", plate), ("kind", "car")]);
    assert_eq!(record(&mut town.one, BookKind::Vehicle, &[car("京a·12345")]), [1, 0, 0]);
    assert_eq!(record(&mut town.one, BookKind::Vehicle, &[car("京A12345")]), [0, 0, 1]);
    let twice = try_record(&mut town.one, BookKind::Vehicle, &[car("京A 99999"), car("京a99999")]).unwrap_err();
    assert_eq!(twice.code(), "rows", "{twice}");
}

#[test]
fn entering_what_is_shown_of_a_conflict_settles_it() {
    let mut town = Town::new(88);
    record(&mut town.one, BookKind::Enterprise, &[shop(&[("staff", "3")])]);
    record(&mut town.two, BookKind::Enterprise, &[shop(&[("staff", "4")])]);
    town.meet();
    let open = read_shop(&mut town.one);
    assert_eq!(open.conflicts.len(), 1);
    let shown = says(&open, "staff").unwrap();
    assert_eq!(record(&mut town.one, BookKind::Enterprise, &[shop(&[("staff", &shown)])]), [0, 1, 0]);
    town.meet();
    for replica in [&mut town.one, &mut town.two, &mut town.center] {
        assert_eq!(read_shop(replica).conflicts, []);
    }
}

#[test]
fn of_wrong_entries_every_one_is_named_and_none_recorded() {
    let mut town = Town::new(82);
    let nameless = entry(BookKind::Enterprise, &[("region", LANGFA), ("kind", "storefront")]);
    let code = shop(&[("credit_code", "91350100M000100Y44")]);
    let phone = shop(&[("person_phone", "12")]);
    let entries = [shop(&[]), nameless, code, phone, shop(&[])];
    let Err(CommandError::Rows(wrong)) = try_record(&mut town.one, BookKind::Enterprise, &entries) else {
        panic!("rows")
    };
    let told: Vec<(usize, &str, &str)> =
        wrong.iter().map(|(place, error)| (*place, error.field.as_str(), error.code())).collect();
    let expected =
        [(1, "name", "blank"), (2, "credit_code", "form"), (3, "person_phone", "phone"), (4, "key", "twice")];
    assert_eq!(told, expected);
    let document = document(&mut town.one);
    assert_eq!(book::read(&mut town.one, &registry(), BookKind::Enterprise, document).unwrap(), None);
    let nobody = fields(BookKind::Enterprise, &[("person_name", "甲")]);
    assert_eq!(EntryInput::of_columns(BookKind::Shift, nobody).unwrap_err().field, PERSON_COLUMNS[0].name);
}

#[test]
fn an_office_records_no_entry_where_it_may_not_write() {
    let mut town = Town::new(83);
    let elsewhere = entry(BookKind::Vehicle, &[("region", "110115005002"), ("plate", "京A12345"), ("kind", "car")]);
    let refused = try_record(&mut town.one, BookKind::Vehicle, &[elsewhere]).unwrap_err();
    assert!(matches!(refused, CommandError::Record(_)), "{refused:?}");
    // A shift is known to the whole town, so any office records it.
    let shift = [("member", "xcy-1"), ("start", "2025-11-23 08:00"), ("end", "2025-11-23 18:00")];
    assert_eq!(record(&mut town.one, BookKind::Shift, &[entry(BookKind::Shift, &shift)]), [1, 0, 0]);
    town.meet();
    let arrived = [&shift[..2], &[("arrived", "2025-11-23 08:04")]].concat();
    assert_eq!(record(&mut town.center, BookKind::Shift, &[entry(BookKind::Shift, &arrived)]), [0, 1, 0]);
    meet(&mut town.center, &mut town.two);
    town.meet();
    town.readings();
}

#[test]
fn an_order_to_many_is_as_urgent_as_one_to_few() {
    for (kind, entries, lane) in [
        (DocumentKind::Message, 500, Lane::Urgent),
        (DocumentKind::Response, 1, Lane::Urgent),
        (DocumentKind::Enterprise, 16, Lane::Work),
        (DocumentKind::Enterprise, 17, Lane::Bulk),
    ] {
        assert_eq!(book::lane(kind, entries), lane, "{kind:?} {entries}");
    }
}

#[test]
fn what_is_refused_half_way_leaves_nothing() {
    let mut town = Town::new(86);
    let elsewhere =
        entry(BookKind::Enterprise, &[("region", "110115005002"), ("name", "乙店"), ("kind", "storefront")]);
    let named = shop(&[("person_name", "张三丰"), ("person_phone", "13800138000")]);
    assert!(try_record(&mut town.one, BookKind::Enterprise, &[named, elsewhere]).is_err());
    let document = document(&mut town.one);
    assert_eq!(book::read(&mut town.one, &registry(), BookKind::Enterprise, document).unwrap(), None);
    let text = "很".repeat(1_000);
    let cells = [
        ("code", "XD-1"),
        ("name", "行动"),
        ("tier", "joint"),
        ("from", "2025-11-01"),
        ("to", "2025-11-02"),
        ("region", LANGFA),
    ];
    let long = [("teams", text.as_str()), ("reason", text.as_str()), ("result", text.as_str())];
    let right = entry(BookKind::Campaign, &[&cells[..1], &cells[1..]].concat());
    let mut other = cells;
    other[0].1 = "XD-2";
    let wrong = entry(BookKind::Campaign, &[&other[..], &long].concat());
    let Err(CommandError::Rows(rows)) = try_record(&mut town.one, BookKind::Campaign, &[right, wrong]) else {
        panic!("rows")
    };
    assert_eq!((rows.len(), rows[0].0, rows[0].1.code()), (1, 1, "row_too_large"));
    let endless = entry(
        BookKind::Problem,
        &[
            ("code", "P1"),
            ("title", "问题"),
            ("category", "rubble"),
            ("region", LANGFA),
            ("since", "2025-11-01"),
            ("state", "open"),
            ("cause", &"很".repeat(1_001)),
        ],
    );
    let Err(CommandError::Rows(rows)) = try_record(&mut town.one, BookKind::Problem, &[endless]) else {
        panic!("rows")
    };
    assert_eq!((rows[0].1.field.as_str(), rows[0].1.code()), ("cause", "too_long"));
}

#[test]
fn what_two_offices_made_of_a_shift_apart_keeps_nothing_else_from_being_settled() {
    let mut town = Town::new(87);
    let shift = |more: &[(&str, &str)]| {
        let cells = [("member", "xcy-1"), ("start", "2025-11-23 08:00"), ("end", "2025-11-23 18:00")];
        entry(BookKind::Shift, &[&cells, more].concat())
    };
    record(&mut town.one, BookKind::Shift, &[shift(&[("arrived", "2025-11-23 08:00")])]);
    town.meet();
    record(&mut town.one, BookKind::Shift, &[shift(&[("left", "2025-11-23 09:00"), ("note", "甲")])]);
    record(&mut town.two, BookKind::Shift, &[shift(&[("arrived", "2025-11-23 10:00"), ("note", "乙")])]);
    town.meet();
    let key = BookKind::Shift.natural_key(&shift(&[]).fields).unwrap();
    let document = town.one.document_id(&Namespace::town(), DocumentKind::Shift, &key).unwrap();
    let at = (&Namespace::town(), DocumentKind::Shift, document);
    let open = conflict::open(&read::of_kind(&mut town.one, at.0, at.1, at.2).unwrap());
    let [note] = &open[..] else { panic!("{open:?}") };
    let asked = Asked { id: note.id, revision: note.revision.clone(), actor: None };
    conflict::settle(&mut town.one, at, &asked, &Choice::Keep(1), NOW).unwrap();
}

#[test]
fn a_vehicle_ends_no_response_and_judges_nobody() {
    let mut town = Town::new(88);
    let mut rng = ChaCha8Rng::seed_from_u64(89);
    let mut patrol = node(&town.founded, &mut rng, "vehicle", NodeRole::Patrol);
    meet(&mut town.center, &mut patrol);
    let response = [
        ("code", "XY-1"),
        ("plan", "emergency"),
        ("level", "emergency"),
        ("opened", "2025-11-23 10:00"),
        ("commander", "zh-1"),
    ];
    let response = entry(BookKind::Response, &response);
    let judged = entry(
        BookKind::Consequence,
        &[
            ("subject", "xcy-1"),
            ("from", "2025-11-01"),
            ("to", "2025-11-30"),
            ("kind", "dismissal"),
            ("reason", "无"),
            ("decided_by", "ld-1"),
        ],
    );
    let message = entry(
        BookKind::Message,
        &[("code", "ZL-1"), ("to", "a"), ("text", "去"), ("sent", "2025-11-23 10:00"), ("by", "b")],
    );
    assert!(try_record(&mut patrol, BookKind::Response, std::slice::from_ref(&response)).is_err());
    assert!(try_record(&mut patrol, BookKind::Consequence, std::slice::from_ref(&judged)).is_err());
    assert!(
        try_record(&mut town.one, BookKind::Consequence, std::slice::from_ref(&judged)).is_err(),
        "nor does a village"
    );
    assert_eq!(record(&mut town.one, BookKind::Response, &[response]), [1, 0, 0], "which commands its own people");
    assert_eq!(record(&mut town.center, BookKind::Consequence, &[judged]), [1, 0, 0]);
    assert_eq!(record(&mut patrol, BookKind::Message, &[message]), [1, 0, 0], "it tells and acknowledges");
}

#[test]
fn whom_an_entry_names_is_erased_and_does_not_come_back() {
    let mut town = Town::new(84);
    let named = shop(&[("person_name", "张三丰"), ("person_phone", "13800138000")]);
    record(&mut town.one, BookKind::Enterprise, std::slice::from_ref(&named));
    town.meet();
    let document = document(&mut town.center);
    let subject = erasure::Subject::BookPerson;
    erasure::erase(&mut town.center, &town.founded.authority, &registry(), document, subject, NOW).unwrap();
    town.center.commit(NOW).unwrap();
    town.meet();
    assert_eq!(record(&mut town.one, BookKind::Enterprise, &[named]), [0, 0, 1]);
    let entry = read_shop(&mut town.one);
    assert_eq!((entry.person, entry.person_state), (None, PersonalState::Erased));
    assert_eq!(entry.fields.len(), 3, "the shop stays");
}
