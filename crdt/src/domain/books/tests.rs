use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::domain::columns::{Need, RETIRED_FIELD};
use crate::value::Value;

fn entry(kind: BookKind, cells: &[(&str, &str)]) -> Fields {
    let value = |(name, text): &(&str, &str)| {
        let column = kind.columns().iter().find(|column| column.name == *name).expect(name);
        Some((column.number, column.parse(text).unwrap()?))
    };
    cells.iter().filter_map(value).collect()
}

fn fault(kind: BookKind, cells: &[(&str, &str)]) -> Option<(String, &'static str)> {
    kind.check(&entry(kind, cells)).err().map(|error| (error.field.clone(), error.code()))
}

#[test]
fn every_book_has_a_kind_of_document_of_its_own_and_uses_each_number_once() {
    let kinds: BTreeSet<DocumentKind> = BookKind::ALL.iter().filter_map(|book| book.document_kind()).collect();
    assert_eq!(kinds.len(), BookKind::ALL.len());
    for book in BookKind::ALL {
        assert_eq!(BookKind::of_document(book.document_kind().unwrap()), Some(*book));
        let columns = book.columns();
        let numbers: BTreeSet<FieldId> = columns.iter().map(|column| column.number).collect();
        assert_eq!(numbers.len(), columns.len(), "{book} uses a number twice");
        assert!(!numbers.contains(&PERSON_FIELD), "{book}");
        assert_eq!(columns.last().map(|column| column.number), Some(RETIRED_FIELD));
        assert!(columns.iter().any(|column| column.need == Need::Key), "{book}");
        let is_of_registry = book.document_kind().unwrap().namespace() == crate::namespace::NamespaceKind::Registry;
        assert_eq!(book.is_of_region(), is_of_registry, "{book}");
    }
    assert_eq!(BookKind::Unknown(99).columns().len(), 0);
    assert_eq!(BookKind::of_document(DocumentKind::Household), None);
}

#[test]
fn no_entry_uses_a_number_twice() {
    macro_rules! entries {
        ($($entry:ident),+) => { [$((<$entry as Row>::COLUMNS.len(), $entry::NUMBERS, $entry::table().len())),+] };
    }
    let entries = entries!(Enterprise, Vehicle, Shift, Consequence, Campaign, Finding, Problem, Response, Message);
    assert_eq!(entries.len(), BookKind::ALL.len());
    for (columns, numbers, fields) in entries {
        assert!(columns == numbers && numbers == fields);
    }
}

#[test]
fn plates_are_found_in_words() {
    for (text, plates) in [
        ("京A·12345 停在消防通道", ["京A12345"].as_slice()),
        ("车号京a12345，另有京A12345", &["京A12345"]),
        ("京AD12345（新能源）与冀B6789挂", &["京AD12345", "冀B6789挂"]),
        ("京A-1234学", &["京A1234学"]),
        ("京A123456", &["京A123456"]),
        ("京A1234567", &[]),
        ("京A1234", &[]),
        ("北京市A座12345室", &[]),
        ("京1A2345", &[]),
        ("京", &[]),
        ("京A", &[]),
    ] {
        assert_eq!(plates_in(text), plates, "{text}");
    }
}

#[test]
fn one_plate_in_any_spelling_is_one_vehicle() {
    let key = |plate: &str| {
        BookKind::Vehicle.natural_key(&entry(BookKind::Vehicle, &[("region", "110115005220"), ("plate", plate)]))
    };
    assert_eq!(key("京A12345"), key(" 京ａ12345 "));
    let mut spelled = entry(BookKind::Vehicle, &[("region", "110115005220"), ("plate", "京a·12345")]);
    BookKind::Vehicle.canonise(&mut spelled);
    assert_eq!(BookKind::Vehicle.natural_key(&spelled), key("京A12345"));
    assert_eq!(canonical_plate("京A-1234学"), "京A1234学");
    assert_ne!(key("京A12345"), key("京A12346"));
    assert_eq!(key(" "), None);
    for right in ["京A12345", "京AD12345", "京A1234学", "津N-8888A", "BJ12345", "京A·12345"] {
        assert!(is_plate(right), "{right}");
    }
    for wrong in ["", "京", "京A1", "京A12京345", "a car without one", "京A123456789"] {
        assert!(!is_plate(wrong), "{wrong}");
    }
}

#[test]
fn a_credit_code_checks_itself() {
    for right in ["91350100M000100Y43", " 91350100m000100y43 ", "911100001000131143"] {
        assert_eq!(
            is_credit_code(right),
            right != "911100001000131143" || check_of("91110000100013114") == '3',
            "{right}"
        );
    }
    for wrong in ["91350100M000100Y44", "91350100M000100Y4", "", "91350100I000100Y43"] {
        assert!(!is_credit_code(wrong), "{wrong}");
    }
}

/// The check character by the standard's own formula, written out.
fn check_of(code: &str) -> char {
    let digits = "0123456789ABCDEFGHJKLMNPQRTUWXY";
    let weights = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
    let sum: usize = code.chars().zip(weights).map(|(one, weight)| digits.find(one).unwrap() * weight).sum();
    digits.chars().nth((31 - sum % 31) % 31).unwrap()
}

#[test]
fn what_ends_before_it_begins_is_refused() {
    let shift = |more: &[(&str, &str)]| {
        let cells = [("member", "xcy-1"), ("start", "2026-11-02 08:00"), ("end", "2026-11-02 18:00")];
        fault(BookKind::Shift, &[&cells, more].concat())
    };
    let told = |field: &str, code| Some((field.to_owned(), code));
    assert_eq!(shift(&[]), None);
    assert_eq!(shift(&[("arrived", "2026-11-02 08:05"), ("left", "2026-11-02 18:01")]), None);
    assert_eq!(shift(&[("arrived", "2026-11-02 08:05"), ("left", "2026-11-02 08:04")]), told("left", "time_order"));
    assert_eq!(shift(&[("left", "2026-11-02 18:04")]), told("arrived", "blank"));
    let long = [("member", "xcy-1"), ("start", "2026-11-02 08:00"), ("end", "2026-11-05 08:00")];
    assert_eq!(fault(BookKind::Shift, &long), told("end", "form"));
    let back = [("member", "xcy-1"), ("start", "2026-11-02 08:00"), ("end", "2026-11-02 07:00")];
    assert_eq!(fault(BookKind::Shift, &back), told("end", "time_order"));
}

#[test]
fn a_problem_is_closed_only_where_it_fell_and_a_finding_is_done_only_with_evidence() {
    let problem = |more: &[(&str, &str)]| {
        let cells = [
            ("code", "P1"),
            ("title", "反复倾倒渣土"),
            ("category", "rubble"),
            ("region", "110115005"),
            ("since", "2026-09-01"),
        ];
        fault(BookKind::Problem, &[&cells, more].concat())
    };
    let told = |field: &str, code| Some((field.to_owned(), code));
    assert_eq!(problem(&[("state", "open")]), None);
    assert_eq!(problem(&[("state", "watched")]), told("taken", "blank"));
    let closed = [("state", "closed"), ("taken", "2026-10-01"), ("closed", "2026-11-01")];
    let with = |before, after| problem(&[&closed[..], &[("before", before), ("after", after)]].concat());
    assert_eq!(problem(&closed), told("before", "blank"));
    assert_eq!(with("9", "9"), told("after", "not_fallen"));
    assert_eq!(with("9", "8"), None);
    let finding = |more: &[(&str, &str)]| {
        let cells = [
            ("region", "110115005220"),
            ("campaign", "C1"),
            ("place", "12号"),
            ("must", "rectify_hazard"),
            ("what", "堵塞通道"),
            ("found", "2026-11-02 09:00"),
            ("found_by", "xcy-1"),
        ];
        fault(BookKind::Finding, &[&cells, more].concat())
    };
    assert_eq!(finding(&[]), None);
    assert_eq!(finding(&[("done", "2026-11-03 09:00")]), told("evidence", "blank"));
    assert_eq!(finding(&[("done", "2026-11-03 09:00"), ("evidence", "照片")]), None);
}

#[test]
fn a_span_of_days_ends_with_its_last_day() {
    let campaign = entry(BookKind::Campaign, &[("from", "2026-11-02"), ("to", "2026-11-02")]);
    let (from, to) = BookKind::Campaign.span(&campaign);
    assert_eq!(to.unwrap() - from.unwrap(), 86_400_000);
    assert_eq!(from, Some(1_793_548_800_000), "midnight of the town's clock");
    let shift = entry(BookKind::Shift, &[("start", "2026-11-02 08:00"), ("end", "2026-11-02 18:00")]);
    assert_eq!(BookKind::Shift.span(&shift), (Some(1_793_577_600_000), Some(1_793_613_600_000)));
    assert_eq!(BookKind::Vehicle.span(&Fields::new()), (None, None));
}

#[test]
fn a_shift_covers_its_start_and_not_its_end() {
    let shift = Shift { member: Some("m1".into()), start: Some(Time(10)), end: Some(Time(20)), ..Shift::default() };
    assert_eq!([9, 10, 19, 20].map(|time| shift.covers(time)), [false, true, true, false]);
    assert!(!Shift { retired: Some(true), ..shift }.covers(15));
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        ".{0,12}".prop_map(Value::Text),
        proptest::collection::vec(any::<u8>(), 0..9).prop_map(Value::Bytes),
    ]
}

proptest! {
    /// Whatever a newer version or a broken one wrote.
    #[test]
    fn no_entry_makes_a_book_panic(
        book in proptest::sample::select(BookKind::ALL),
        fields in proptest::collection::btree_map(any::<FieldId>(), any_value(), 0..20),
    ) {
        let _ = (book.check(&fields), book.natural_key(&fields), book.span(&fields), book.title(&fields));
        let _ = (book.region(&fields), book.position(&fields));
    }
}
