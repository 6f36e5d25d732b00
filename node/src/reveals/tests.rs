use super::*;

fn reveal(time_ms: Millis, reason: &str) -> Reveal {
    let (kind, documents) = (RevealKind::Household, vec!["0a".repeat(16)]);
    Reveal { time_ms, kind, reason: reason.to_owned(), peer: None, user: None, documents, count: Some(1) }
}

fn reasons(page: &RevealPage) -> Vec<&str> {
    page.rows.iter().map(|row| row.reason.as_str()).collect()
}

fn all(reveals: &Reveals) -> RevealPage {
    reveals.page(None, &Page::default()).unwrap()
}

#[test]
fn reveals_are_read_back_by_page_and_day_and_the_file_is_private() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("reveals.jsonl");
    let reveals = Reveals::new(path.clone());
    assert_eq!(all(&reveals), RevealPage { rows: vec![], next: None, damaged: 0 });
    // Either side of midnight in Beijing.
    let midnight = 1_763_913_600_000;
    let times = [midnight - 1, midnight, midnight + 1];
    for (time, reason) in times.into_iter().zip(["入户\n核对", "second", "third"]) {
        reveals.note(&reveal(time, reason)).unwrap();
    }
    assert_eq!(reasons(&all(&reveals)), ["入户\n核对", "second", "third"]);
    let since = reveals.page(Some("2025-11-24".parse().unwrap()), &Page::default()).unwrap();
    assert_eq!(reasons(&since), ["second", "third"]);

    let first = reveals.page(None, &Page { limit: Some(2), after: None }).unwrap();
    assert_eq!(first.rows.len(), 2);
    let second = reveals.page(None, &Page { limit: Some(2), after: first.next }).unwrap();
    assert_eq!((reasons(&second), &second.next), (vec!["third"], &None));
    for wrong in ["", "x", "-1", "0", "1", "99999999", "18446744073709551616"] {
        let refused = reveals.page(None, &Page { limit: None, after: Some(wrong.to_owned()) });
        assert!(matches!(refused, Err(PageError::Cursor(QueryError::Cursor))), "{wrong:?}: {refused:?}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_line_torn_anywhere_costs_no_other_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("reveals.jsonl");
    let reveals = Reveals::new(path.clone());
    reveals.note(&reveal(1, "before")).unwrap();
    let whole = std::fs::read(&path).unwrap();
    reveals.note(&reveal(2, "torn")).unwrap();
    let both = std::fs::read(&path).unwrap();
    for length in whole.len()..both.len() {
        std::fs::write(&path, &both[..length]).unwrap();
        // All but the line's end is a whole record.
        let torn = usize::from(length + 1 == both.len());
        assert_eq!((all(&reveals).rows.len(), all(&reveals).damaged), (1 + torn, 0), "{length}");
        reveals.note(&reveal(3, "after")).unwrap();
        let page = all(&reveals);
        assert_eq!((page.rows.len(), *reasons(&page).last().unwrap()), (2 + torn, "after"), "{length}");
        assert_eq!(page.damaged, usize::from(length > whole.len() && torn == 0), "{length}");
    }
}

#[test]
fn what_is_no_reveal_is_passed_over_and_what_is_too_long_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("reveals.jsonl");
    let reveals = Reveals::new(path.clone());
    let long = "x".repeat(3 * MAX_LINE);
    std::fs::write(&path, format!("{{}}\n{long}\n\n\u{0}\n[1]\n")).unwrap();
    reveals.note(&reveal(1, "after")).unwrap();
    assert_eq!((reasons(&all(&reveals)), all(&reveals).damaged), (vec!["after"], 4));
    let error = reveals.note(&reveal(1, &long)).unwrap_err();
    assert_eq!(error.explain().code, "reveal_not_noted");
    // The longest page of a list, with the longest words.
    let documents = vec!["0a".repeat(16); MAX_LIMIT as usize];
    let (reason, user) = ("\u{1}".repeat(MAX_REASON), Some("\u{1}".repeat(MAX_USER)));
    reveals.note(&Reveal { documents, reason, user, ..reveal(2, "") }).unwrap();
    assert_eq!(all(&reveals).rows.len(), 2);
}

#[test]
fn where_nothing_can_be_noted_that_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let reveals = Reveals::new(directory.path().to_path_buf());
    assert_eq!(reveals.note(&reveal(1, "x")).unwrap_err().explain().code, "reveal_not_noted");
    let reveals = Reveals::new(directory.path().join("missing").join("reveals.jsonl"));
    assert!(reveals.note(&reveal(1, "x")).is_err());
}
