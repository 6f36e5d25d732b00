//! Entries of books across nodes.

use super::*;
use crate::command::book::{self, BookEntry, EntryInput};
use crate::command::conflict::{self, Asked, Choice};
use crate::command::read::PersonalState;
use crate::command::{CommandError, erasure};
use crate::domain::books::{BookKind, PERSON_COLUMNS};
use crate::domain::person::PersonalData;
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
    let other = [("name", " 张记五金店 "), ("staff", "5"), ("industry", "五金"), ("person_name", "张三丰"), ("person_phone", "13800138000")];
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
    let done = conflict::settle(&mut town.two, at, &asked, &Choice::Keep(side), NOW).unwrap().into_value().done.unwrap();
    town.two.commit(NOW).unwrap();
    town.meet();
    town.readings();
    let entry = read_shop(&mut town.one);
    assert_eq!(says(&entry, "staff").as_deref(), Some("3"));
    assert!(entry.conflicts.iter().all(|conflict| conflict.field != "staff"));
    conflict::undo(&mut town.one, at, done.id, NOW).unwrap();
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
    assert!(!read_shop(&mut town.one).is_retired());
}

#[test]
fn of_wrong_entries_every_one_is_named_and_none_recorded() {
    let mut town = Town::new(82);
    let nameless = entry(BookKind::Enterprise, &[("region", LANGFA), ("kind", "storefront")]);
    let code = shop(&[("credit_code", "91350100M000100Y44")]);
    let phone = shop(&[("person_phone", "12")]);
    let entries = [shop(&[]), nameless, code, phone, shop(&[])];
    let Err(CommandError::Rows(wrong)) = try_record(&mut town.one, BookKind::Enterprise, &entries) else { panic!("rows") };
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
