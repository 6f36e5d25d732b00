use super::*;
use crate::bugs::instrument::{InstrumentError, with_bugs};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn bug(name: &str, kind: Place, old: &str, new: &str) -> Bug {
    let (name, old, new) = (name.to_owned(), old.to_owned(), new.to_owned());
    Bug { name, rows: vec![1], file: "crdt/src/lib.rs".into(), kind, old, new, why: "all".into() }
}

/// Sources move on; a list that does not follow them finds nothing.
#[test]
fn every_listed_bug_fits_the_sources() {
    let lists = List::read_all(&workspace().join("sim/bugs")).unwrap();
    let bugs: Vec<&Bug> = lists.iter().flat_map(|list| &list.bugs).collect();
    let mut files: BTreeMap<&Path, Vec<&Bug>> = BTreeMap::new();
    bugs.iter().for_each(|bug| files.entry(&bug.file).or_default().push(bug));
    for (file, bugs) in files {
        let text = std::fs::read_to_string(workspace().join(file)).unwrap();
        with_bugs(&text, &bugs).unwrap_or_else(|error| panic!("{error}"));
    }
    assert!(bugs.len() >= 60, "{} bugs", bugs.len());
}

#[test]
fn a_bug_stands_behind_its_switch_and_the_rest_stays() {
    let text = "fn a() -> u8 {\n    let x = 1 + 2;\n    sync();\n    x\n}\n";
    let one = bug("less", Place::Expression, "1 + 2", "1");
    let two = bug("no-sync", Place::Statements, "sync();\n", "\n");
    let out = with_bugs(text, &[&two, &one]).unwrap();
    assert_eq!(
        out,
        "fn a() -> u8 {\n    let x = ({ if crate::seeded(\"less\") { 1 } else { 1 + 2 } });\n    \
         { if crate::seeded(\"no-sync\") {  } else { sync(); } }\n    x\n}\n"
    );
}

#[test]
fn texts_that_are_missing_twice_there_or_shared_are_refused() {
    let text = "a(); b(); b(); c();";
    let of = |old| bug("x", Place::Statements, old, "");
    let found = |old| match with_bugs(text, &[&of(old)]) {
        Err(InstrumentError::Text { found, .. }) => found,
        other => panic!("{other:?}"),
    };
    assert_eq!((found("d();"), found("b();")), (0, 2));
    let shared = with_bugs(text, &[&of("a(); b"), &of("(); b(); b")]);
    assert!(matches!(shared, Err(InstrumentError::Overlap(..))), "{shared:?}");
}

#[test]
fn a_wrong_list_is_refused_with_the_place() {
    let whole = "[[bug]]\nname = \"a-b\"\nrows = [1]\nfile = \"crdt/src/x.rs\"\nkind = \"expression\"\n\
                 old = \"1\"\nnew = \"2\"\nwhy = \"all\"\n";
    let parse = |text: &str| List::parse(Path::new("bugs/some.toml"), text);
    assert_eq!(parse(whole).unwrap().bugs.len(), 1);
    for (from, to, word) in [
        ("rows = [1]\n", "", "rows"),
        ("expression", "expresion", "line 5"),
        ("a-b", "A b", "small letters"),
        ("new = \"2\"", "new = \"1\"", "another text"),
        ("rows = [1]", "rows = []", "rows"),
        ("why", "whi", "whi"),
    ] {
        let error = parse(&whole.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains("bugs/some.toml") && error.contains(word), "{error}");
    }
}

#[test]
fn rows_are_counted() {
    let mut two = bug("b", Place::Expression, "1", "2");
    two.rows = vec![1, 7];
    assert_eq!(by_row([&bug("a", Place::Expression, "1", "2"), &two]), BTreeMap::from([(1, 2), (7, 1)]));
}
