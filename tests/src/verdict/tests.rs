use serde_json::{Value, json};

use super::*;

const VILLAGE: &str = "registry/110115005201";

/// A day that went well: two readers, one carrier, an edit of each kind.
fn good_day() -> Input {
    let document =
        |id: &str, content: Value| json!({"namespace": VILLAGE, "kind": "household", "id": id, "content": content});
    let documents = json!([
        document(
            "d1",
            json!({
                "household": {"rooms": 3},
                "conflicts": [{"field": "rooms", "values": [{"value": "3"}, {"value": "4"}]}],
                "inspections": [{"id": "r1"}],
            })
        ),
        document("d2", json!({"rooms": 1, "events": [{"kind": "pm10", "time_ms": 5, "alarm": false}]})),
    ]);
    let copy = |access: &str, readable: bool, documents: &Value| NamespaceDump {
        documents: read(documents.clone()),
        ..read(json!({
            "name": VILLAGE, "access": access, "readable": readable, "digest": "aa11", "entries": 7,
        }))
    };
    let dump = |node: &str, copy: NamespaceDump| NodeDump { node: node.into(), namespaces: vec![copy], stable: true };
    let acknowledged = json!([
        {"node": "center", "kind": "household", "namespace": VILLAGE, "document": "d1", "field": "rooms", "value": 9, "time": 1},
        {"node": "center", "kind": "household", "namespace": VILLAGE, "document": "d1", "field": "rooms", "value": 3, "time": 2},
        {"node": "village-1", "kind": "household", "namespace": VILLAGE, "document": "d1", "field": "rooms", "value": 4, "time": 2},
        {"node": "village-1", "kind": "inspection", "namespace": VILLAGE, "document": "d1", "record": "r1", "time": 3},
        {"node": "village-1", "kind": "event", "namespace": VILLAGE, "contains": {"kind": "pm10", "time_ms": 5}, "time": 4},
        {"node": "village-1", "kind": "import", "namespace": VILLAGE, "documents": 2, "time": 0},
    ]);
    let plan = json!({
        "nodes": ["center", "village-1", "vehicle-1"],
        "carried": {"vehicle-1": [VILLAGE]},
    });
    Input {
        dumps: vec![
            dump("center", copy("hold", true, &documents)),
            dump("village-1", copy("hold", true, &documents)),
            dump("vehicle-1", copy("carry", false, &json!([]))),
        ],
        acknowledged: read(acknowledged),
        plan: read(plan),
    }
}

fn read<T: for<'de> serde::Deserialize<'de>>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// Spoils one thing of a good day and returns what the checks that fail say.
fn spoil(spoil: impl FnOnce(&mut Input)) -> Vec<(&'static str, String)> {
    let mut input = good_day();
    spoil(&mut input);
    let verdict = judge(&input);
    let failed: Vec<_> = verdict.checks.iter().filter(|check| !check.passed).collect();
    assert_eq!(verdict.passed, failed.is_empty());
    failed.iter().map(|check| (check.name, check.problems.join("; "))).collect()
}

fn village<'a>(input: &'a mut Input, node: &str) -> &'a mut NamespaceDump {
    let dump = input.dumps.iter_mut().find(|dump| dump.node == node).unwrap();
    &mut dump.namespaces[0]
}

/// Exactly one check fails, and says this.
fn fails(name: &str, says: &str, change: impl FnOnce(&mut Input)) {
    let failed = spoil(change);
    let [(check, problems)] = failed.as_slice() else { panic!("expected one failure, got {failed:?}") };
    assert_eq!(*check, name);
    assert!(problems.contains(says), "{problems}");
}

#[test]
fn a_day_that_went_well_passes() {
    let verdict = judge(&good_day());
    assert!(verdict.passed, "{verdict}");
    let compared: Vec<usize> = verdict.checks.iter().map(|check| check.compared).collect();
    assert_eq!(compared, [3, 2, 2, 12, 2]);
}

#[test]
fn a_node_that_did_not_answer_is_noticed() {
    fails("every node answered", "village-9 has no dump", |input| {
        input.plan.nodes.insert("village-9".into());
    });
    fails("every node answered", "center changed while", |input| input.dumps[0].stable = false);
    fails("every node answered", "vehicle-1 has two dumps", |input| {
        let twin = input.dumps[2].clone();
        input.dumps.push(twin);
    });
}

#[test]
fn a_digest_that_differs_is_noticed_also_on_a_carrier() {
    for node in ["village-1", "vehicle-1"] {
        fails("equal digests", "center has aa11", |input| village(input, node).digest = "bb22".into());
    }
    fails("equal digests", "none", |input| {
        for node in ["center", "village-1", "vehicle-1"] {
            village(input, node).digest.clear();
        }
    });
}

#[test]
fn a_document_that_differs_or_is_absent_is_noticed() {
    fails("equal documents", "document d2 differs between center and village-1", |input| {
        village(input, "village-1").documents[1].content["rooms"] = json!(2);
    });
    fails("equal documents", "center lacks document d3", |input| {
        let mut third = village(input, "village-1").documents[1].clone();
        third.id = "d3".into();
        village(input, "village-1").documents.push(third);
    });
    fails("equal documents", "center holds it and cannot read it", |input| village(input, "center").readable = false);
    fails("equal documents", "lists a document twice", |input| {
        let twice = village(input, "center").documents[1].clone();
        village(input, "center").documents.push(twice);
    });
}

#[test]
fn whatever_was_acknowledged_and_is_missing_is_noticed() {
    let check = "nothing acknowledged is missing";
    fails(check, "the record is missing on center", |input| input.acknowledged[3].record = Some("r9".into()));
    fails(check, "the document is missing on center", |input| input.acknowledged[3].document = Some("d9".into()));
    fails(check, "rooms is not 5 on village-1", |input| input.acknowledged[2].value = Some(json!(5)));
    fails(check, r#"{"kind":"pm10","time_ms":6} is missing"#, |input| {
        input.acknowledged[4].contains.as_mut().unwrap().insert("time_ms".into(), json!(6));
    });
    fails(check, "2 of 3 documents", |input| input.acknowledged[5].documents = Some(3));
    fails(check, "no node reads cases/110115005201/2026", |input| {
        input.acknowledged[3].namespace = "cases/110115005201/2026".into();
    });
    fails(check, "nothing was acknowledged", |input| input.acknowledged.clear());
}

#[test]
fn a_value_that_another_node_replaced_unseen_must_be_kept() {
    fails("nothing acknowledged is missing", "rooms is not 3", |input| {
        for node in ["center", "village-1"] {
            let content = &mut village(input, node).documents[0].content;
            content["household"]["rooms"] = json!(4);
            content["conflicts"] = json!([]);
        }
    });
}

#[test]
fn a_carrier_that_reads_is_noticed() {
    fails("carriers read nothing", "vehicle-1 carries", |input| {
        let leaked = village(input, "center").documents[0].clone();
        village(input, "vehicle-1").documents.push(leaked);
    });
    fails("carriers read nothing", "vehicle-1 carries", |input| village(input, "vehicle-1").readable = true);
    fails("carriers read nothing", "or nothing of it", |input| village(input, "vehicle-1").entries = 0);
    fails("carriers read nothing", "vehicle-1 does not carry registry/110115005202", |input| {
        input.plan.carried.get_mut("vehicle-1").unwrap().insert("registry/110115005202".into());
    });
}

#[test]
fn nothing_to_compare_is_no_success() {
    let failed: Vec<_> = judge(&Input::default()).checks.into_iter().filter(|check| !check.passed).collect();
    assert_eq!(failed.len(), 4);
}

#[test]
fn a_folder_is_read_and_a_wrong_file_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let problem = || Input::of_folder(folder.path()).unwrap_err().to_string();
    assert!(problem().contains("dumps"), "{}", problem());
    std::fs::create_dir(folder.path().join("dumps")).unwrap();
    let namespace =
        r#"{"namespace": {"name": "town", "access": "hold", "readable": true, "digest": "aa", "entries": 1}}"#;
    let document = r#"{"document": {"namespace": "town", "kind": "team", "id": "d1", "content": {}}}"#;
    for (dump, expected) in [
        (vec![namespace], "center.jsonl, line 1: the dump is cut off"),
        (vec![namespace, r#"{"end": {"documents": 1, "stable": true}}"#], "line 2: 0 documents, but the end says 1"),
        (vec![document], "line 1: the document is not in the namespace before it"),
        (vec![namespace, r#"{"error": {"code": "disk_failed"}}"#], "line 2: the node failed"),
    ] {
        write("dumps/center.jsonl", &dump.join("\n"));
        assert!(problem().contains(expected), "{}", problem());
    }
    write("dumps/center.jsonl", &[namespace, document, r#"{"end": {"documents": 1, "stable": false}}"#].join("\n"));
    write("acknowledged.jsonl", "\n{\"node\": \"center\"}\n");
    assert!(problem().contains("acknowledged.jsonl, line 2: missing field"), "{}", problem());
    write("acknowledged.jsonl", "");
    write("plan.json", "{");
    assert!(problem().contains("plan.json, line 1"), "{}", problem());
    write("plan.json", "{}");
    let input = Input::of_folder(folder.path()).unwrap();
    let [dump] = input.dumps.as_slice() else { panic!("one dump") };
    assert_eq!((dump.node.as_str(), dump.stable), ("center", false));
    assert_eq!(dump.namespaces[0].documents[0].id, "d1");
}

#[test]
fn the_witness_shares_no_code_with_what_it_judges() {
    let sources =
        [include_str!("checks.rs"), include_str!("input.rs"), include_str!("report.rs"), include_str!("mod.rs")];
    assert!(sources.iter().all(|source| !source.contains("use townmesh") && !source.contains("townmesh_")));
}
