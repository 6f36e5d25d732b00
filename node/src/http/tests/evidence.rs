//! Evidence packs: what is right, and everything that can be wrong with one.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::LazyLock;

use townmesh_crdt::command::case::{self as command, Actor, NewCase};
use townmesh_crdt::domain::case::{Report, Source};
use townmesh_crdt::domain::role::Role;

use super::*;
use crate::evidence::{ArchiveWriter, MANIFEST, Outcome, SIGNATURE, TownName, verify};

static JPEG: LazyLock<Vec<u8>> = LazyLock::new(|| crate::thumbnail::tests::jpeg(b"evidence"));

type Files = Vec<(String, Vec<u8>)>;

/// The files of an archive that holds them as they are.
fn files(archive: &[u8]) -> Files {
    let (mut rest, mut files) = (archive, Vec::new());
    while rest.starts_with(b"PK\x03\x04") {
        let number = |at: usize, length: usize| {
            rest[at..at + length].iter().rev().fold(0, |all, byte| all << 8 | usize::from(*byte))
        };
        let (length, name) = (number(22, 4), number(26, 2));
        let content = 30 + name;
        files.push((String::from_utf8(rest[30..content].to_vec()).unwrap(), rest[content..content + length].to_vec()));
        rest = &rest[content + length..];
    }
    files
}

fn archive(files: &Files) -> Vec<u8> {
    let (mut writer, mut bytes) = (ArchiveWriter::default(), Vec::new());
    for (name, content) in files {
        bytes.extend(writer.file(name, content).unwrap());
        bytes.extend(content);
    }
    bytes.extend(writer.end().unwrap());
    bytes
}

fn content<'a>(files: &'a mut Files, name: &str) -> &'a mut Vec<u8> {
    &mut files.iter_mut().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name}")).1
}

fn checked(archive: &[u8]) -> Outcome {
    verify(Cursor::new(archive), None).unwrap()
}

fn codes(outcome: &Outcome) -> Vec<&'static str> {
    outcome.problems.iter().map(|problem| problem.code).collect()
}

impl Node {
    /// A case with a caller, a photo and an order.
    async fn photographed(&self) -> String {
        let mut request = self.request("POST", &format!("/v1/photos?region={REGION}"), JPEG.to_vec());
        request.headers_mut().insert(header::CONTENT_TYPE, "application/octet-stream".parse().unwrap());
        let (status, answer) = self.send(request).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        let report = json!({ "source": "public", "place": "村东", "description": "<b>垃圾</b>", "photos": [answer["value"]["photo"]] });
        let case = json!({ "actor": { "by": "sly-1", "role": "intake_clerk" }, "region": REGION, "report": report,
            "reporter": { "name": "甲乙丙", "phone": "13800001111" } });
        let (_, answer) = self.post("/v1/cases", &case).await;
        let id = answer["value"]["document"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        self.act(&id, "sly-1", "intake_clerk", json!("accept")).await;
        let file =
            json!({ "category": "exposed_rubbish", "severity": "general", "minutes": 600, "clock": "emergency" });
        self.act(&id, "zb-1", "duty_head", json!({ "file": file })).await;
        let orders = json!([{ "team": "hw-1", "task": "清运" }]);
        self.act(&id, "pq-1", "dispatcher", json!({ "dispatch": { "orders": orders, "lead": 0 } })).await;
        id
    }

    async fn act(&self, id: &str, by: &str, role: &str, action: Value) {
        let body = json!({ "actor": { "by": by, "role": role }, "action": action });
        let (status, answer) = self.post(&format!("/v1/cases/{id}/actions"), &body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }

    async fn pack(&self, case: &str, query: &str) -> Vec<u8> {
        let request = self.request("GET", &format!("/v1/cases/{case}/evidence{query}"), Body::empty());
        let answer = self.router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        to_bytes(answer.into_body(), 64 << 20).await.unwrap().to_vec()
    }

    /// The pack as this node would have signed it with these files: it lies, but with its own name.
    async fn signed_anew(&self, mut files: Files) -> Vec<u8> {
        let mut manifest: Value = serde_json::from_slice(content(&mut files, MANIFEST)).unwrap();
        let others = files.iter().filter(|(name, _)| ![MANIFEST, SIGNATURE].contains(&name.as_str()));
        manifest["files"] = others
            .map(|(name, bytes)| {
                (name.clone(), json!({ "bytes": bytes.len(), "blake3": blake3::hash(bytes).to_hex().as_str() }))
            })
            .collect::<serde_json::Map<_, _>>()
            .into();
        let bytes = manifest.to_string().into_bytes();
        let signed = bytes.clone();
        let signature = self.engine.read(move |replica| replica.sign_evidence(&signed)).await.unwrap();
        *content(&mut files, MANIFEST) = bytes;
        *content(&mut files, SIGNATURE) =
            format!("{}\n", signature.map(|byte| format!("{byte:02x}")).concat()).into_bytes();
        archive(&files)
    }

    /// What is found in a pack whose file was edited as JSON by the node that made it.
    async fn edited(&self, pack: &[u8], name: &str, edit: impl FnOnce(&mut Value)) -> Vec<&'static str> {
        let mut files = files(pack);
        let mut value: Value = serde_json::from_slice(content(&mut files, name)).unwrap();
        let before = value.clone();
        edit(&mut value);
        assert_ne!(value, before, "the edit changes something");
        *content(&mut files, name) = value.to_string().into_bytes();
        let outcome = checked(&self.signed_anew(files).await);
        assert!(!outcome.sound);
        codes(&outcome)
    }

    async fn town(&self) -> TownName {
        let town = self.engine.read(|replica| *replica.trust().town()).await.unwrap();
        TownName::of_key(town)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_carries_the_rules_that_its_events_went_by() {
    let node = Node::start().await;
    let row = json!({ "step": "comment", "who": "duty_head" });
    node.post("/v1/tables/transition", &json!({ "rows": [row] })).await;
    let revision = node.fetch("/v1/life-cycle").await.1["draft"]["revision"].take();
    let publishing = json!({ "by": "zhz-1", "why": "备注只由值班长填写", "revision": revision });
    let (_, answer) = node.post("/v1/life-cycle", &publishing).await;
    assert_eq!(answer["outcome"], "created", "{answer}");
    let case = node.photographed().await;
    let pack = node.pack(&case, "?reveal=x").await;
    let outcome = checked(&pack);
    assert!(outcome.sound && outcome.derived, "{outcome:?}");
    let shown: Value = serde_json::from_slice(content(&mut files(&pack), "case.json")).unwrap();
    assert_eq!(shown["rules"].as_array().map(Vec::len), Some(1));
    let without = node.edited(&pack, "case.json", |case| case["rules"] = json!([])).await;
    assert!(without.contains(&"derived"), "nothing follows from events whose rules are missing: {without:?}");
    let void = node.edited(&pack, "case.json", |case| case["rules"][0]["void"] = json!(true)).await;
    assert!(void.contains(&"derived"), "{void:?}");
    // Whoever derives everything anew still has no center that published what they made up.
    let unproved = node.edited(&pack, "case.json", |case| case["rules"][0]["proof"] = Value::Null).await;
    assert!(unproved.contains(&"rules"), "{unproved:?}");
    let made_up = node.edited(&pack, "case.json", |case| {
        let mut file: crate::evidence::CaseFile = serde_json::from_value(case.clone()).unwrap();
        file.rules[0].record.replace_range(20..24, "AAAA");
        *case = file.to_json();
    });
    assert!(made_up.await.contains(&"rules"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_proves_every_event_and_masks_people() {
    let node = Node::start().await;
    let case = node.photographed().await;
    let pack = node.pack(&case, "?reveal=x").await;
    let outcome = verify(Cursor::new(&pack), Some(&node.town().await)).unwrap();
    assert!(outcome.sound && outcome.derived && outcome.town_compared && outcome.masked, "{outcome:?}");
    assert_eq!((outcome.events, outcome.proved, outcome.unproved.len()), (4, 4, 0));
    let text = String::from_utf8_lossy(&pack);
    assert!(text.contains("甲*") && !text.contains("甲乙丙") && !text.contains("13800001111"), "masked");
    assert!(text.contains("&lt;b&gt;垃圾") && !text.contains("<b>垃圾</b></td>"), "the report escapes");
    let noted = node.fetch("/v1/reveals").await.1["rows"].as_array().map(Vec::len);
    assert_eq!(noted, Some(1), "what people wrote leaves the town word by word");
    let (status, refused) = node.fetch(&format!("/v1/cases/{case}/evidence")).await;
    assert_eq!((status, code(&refused)), (StatusCode::FORBIDDEN, "reason_missing"), "{refused}");
    // By its number, later: the same but for the manifest.
    let number = outcome.number.unwrap();
    let again: BTreeMap<_, _> = files(&node.pack(&number, "?reveal=x").await).into_iter().collect();
    for (name, bytes) in files(&pack) {
        assert!(again[&name] == bytes || [MANIFEST, SIGNATURE].contains(&name.as_str()), "{name}");
    }
    assert_eq!(
        node.fetch("/v1/cases/00000000000000000000000000000000/evidence?reveal=x").await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn for_a_stated_reason_people_are_in_clear_and_photos_go_along() {
    let node = Node::start().await;
    let case = node.photographed().await;
    let pack = node.pack(&case, "?reveal=%E8%AF%89%E8%AE%BC&people=true").await;
    let outcome = checked(&pack);
    assert!(outcome.sound && !outcome.masked, "{outcome:?}");
    let hash = blake3::hash(&JPEG).to_hex();
    let mut files = files(&pack);
    assert_eq!(content(&mut files, &format!("photos/{hash}.jpg")), &*JPEG);
    assert!(String::from_utf8_lossy(&pack).contains("甲乙丙"));
    let revealed = &node.fetch("/v1/reveals").await.1["rows"][0];
    assert_eq!((&revealed["kind"], &revealed["reason"]), (&json!("evidence"), &json!("诉讼")), "{revealed}");
    assert_eq!(revealed["documents"], json!([case, hash.as_str()]), "{revealed}");
    assert_eq!(node.fetch(&format!("/v1/cases/{case}/evidence?reveal=")).await.0, StatusCode::BAD_REQUEST);
    // Another picture under the name, or none at all.
    let name = format!("photos/{hash}.jpg");
    let mut other = files.clone();
    content(&mut other, &name).push(0);
    assert_eq!(codes(&checked(&node.signed_anew(other).await)), ["photo"]);
    files.retain(|(known, _)| *known != name);
    assert_eq!(codes(&checked(&node.signed_anew(files).await)), ["photo"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_byte_anywhere_is_found_and_told_where() {
    let node = Node::start().await;
    let pack = node.pack(&node.photographed().await, "?reveal=x&people=true").await;
    let mut at = 0;
    for (name, bytes) in files(&pack) {
        let begin = at + 30 + name.len();
        at = begin + bytes.len();
        // Some bytes of each file, its first and its last, and those before it.
        let step = (bytes.len() / 12).max(1);
        for place in
            (begin - 34..begin).chain((begin..at).step_by(step)).chain([at - 1]).filter(|place| *place < pack.len())
        {
            let mut altered = pack.clone();
            altered[place] ^= 1;
            let outcome = checked(&altered);
            assert!(!outcome.sound, "byte {place} of {name}");
            let named = outcome.problems.iter().any(|problem| problem.place == name);
            assert!(named || place < begin || name == MANIFEST, "byte {place} of {name}: {:?}", outcome.problems);
        }
    }
    for place in at..pack.len() {
        let mut altered = pack.clone();
        altered[place] ^= 1;
        assert!(!checked(&altered).sound, "byte {place} of the directory");
    }
    for length in (0..pack.len()).step_by(97) {
        assert!(!checked(&pack[..length]).sound, "cut to {length}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_dropped_added_or_swapped_are_named() {
    let node = Node::start().await;
    let pack = node.pack(&node.photographed().await, "?reveal=x").await;
    let whole = files(&pack);
    assert_eq!(archive(&whole), pack);
    for (name, _) in &whole {
        let without: Files = whole.iter().filter(|(known, _)| known != name).cloned().collect();
        let outcome = checked(&archive(&without));
        assert!(
            outcome.problems.iter().any(|one| one.code == "file_missing" && one.place == *name),
            "{name}: {outcome:?}"
        );
    }
    let with: Files = whole.iter().cloned().chain([("more.txt".to_owned(), b"x".to_vec())]).collect();
    let outcome = checked(&archive(&with));
    assert_eq!((codes(&outcome), outcome.problems[0].place.as_str()), (vec!["file_added"], "more.txt"));
    let mut swapped = whole.clone();
    let (one, other) = (content(&mut swapped, "case.json").clone(), content(&mut swapped, "report.html").clone());
    (*content(&mut swapped, "case.json"), *content(&mut swapped, "report.html")) = (other, one);
    assert!(codes(&checked(&archive(&swapped))).contains(&"file_altered"));
    let elsewhere: TownName = "0".repeat(64).parse().unwrap();
    let outcome = verify(Cursor::new(&pack), Some(&elsewhere)).unwrap();
    assert_eq!(codes(&outcome), ["other_town"], "{outcome:?}");
    assert!("123".parse::<TownName>().is_err() && "x".repeat(64).parse::<TownName>().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lies_in_a_pack_is_found_out() {
    let node = Node::start().await;
    let pack = node.pack(&node.photographed().await, "?reveal=x").await;
    assert!(checked(&node.signed_anew(files(&pack)).await).sound, "signing anew is no lie");
    let swap = |value: &mut Value, list: &str, field: &str| {
        let (one, other) = (value[list][0][field].clone(), value[list][1][field].clone());
        (value[list][0][field], value[list][1][field]) = (other, one);
    };
    let found = async |name: &str, edit: &dyn Fn(&mut Value), code: &str| {
        let codes = node.edited(&pack, name, edit).await;
        assert!(codes.contains(&code), "{code}: {codes:?}");
    };
    found("case.json", &|case| swap(case, "events", "record"), "event").await;
    found("case.json", &|case| swap(case, "events", "proof"), "event").await;
    found("case.json", &|case| swap(case, "events", "hybrid_time"), "event").await;
    found("case.json", &|case| case["events"][1]["by"] = json!("somebody"), "derived").await;
    found("case.json", &|case| case["events"][1]["effect"] = json!("applied_late"), "derived").await;
    found("case.json", &|case| case["orders"][0]["task"] = json!("别的"), "derived").await;
    found("case.json", &|case| case["events"].as_array_mut().unwrap().swap(0, 1), "derived").await;
    found("case.json", &|case| case["events"][1]["void"] = json!("role_not_held"), "author").await;
    found("case.json", &|case| case["events"][1]["author_name"] = json!("别处"), "author").await;
    found("case.json", &|case| case["events"][1]["certificate"] = json!("00".repeat(32)), "author").await;
    found("case.json", &|case| _ = case["events"].as_array_mut().unwrap().remove(3), "left_out").await;
    found("case.json", &|case| case["events"][3] = case["events"][2].clone(), "event_twice").await;
    found("case.json", &|case| case["case"] = json!("00".repeat(16)), "case").await;
    found("case.json", &|case| case["photos"] = json!([]), "photo").await;
    for field in ["header", "body", "key", "signature"] {
        found("proof.json", &|proof| swap(proof, "entries", field), "entry").await;
    }
    found("proof.json", &|proof| proof["entries"][0]["key"] = Value::Null, "entry").await;
    found("proof.json", &|proof| proof["entries"][0]["after"] = json!([proof["entries"][1]["header"]]), "entry").await;
    found("proof.json", &|proof| _ = proof["entries"].as_array_mut().unwrap().pop(), "event").await;
    found("proof.json", &|proof| proof["certificates"][0] = json!("AAAA"), "certificate").await;
    found("proof.json", &|proof| proof["certificates"] = json!(["?"]), "certificate").await;
    found(MANIFEST, &|manifest| manifest["exporter"]["name"] = json!("别处"), "exporter").await;
    found(MANIFEST, &|manifest| manifest["exporter"]["chain"] = json!([]), "exporter").await;
    found(MANIFEST, &|manifest| manifest["town"] = json!("00".repeat(32)), "certificate").await;
    let mut altered = files(&pack);
    content(&mut altered, "report.html").extend(b"<p>x</p>");
    assert_eq!(codes(&checked(&node.signed_anew(altered).await)), ["derived"]);
    // Somebody else's signature.
    let mut altered = files(&pack);
    content(&mut altered, SIGNATURE)[0] ^= 1;
    assert_eq!(codes(&checked(&archive(&altered))), ["signature"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_tells_of_other_cases_is_never_opened() {
    let node = Node::start().await;
    let actor = Actor { by: "xc-1".into(), role: Role::Inspector, note: None };
    let report = |description: &str| Report {
        source: Source::Patrol,
        category: None,
        place: "村东".into(),
        position: None,
        description: description.into(),
        region: None,
        device: None,
        reporter: None,
        photos: vec![],
        found_ms: None,
    };
    let new = |description: &str, now| NewCase {
        region: REGION.parse().unwrap(),
        natural_key: None,
        noticed: now,
        report: report(description),
        reporter: None,
    };
    let [one, other] = [("一处", now()), ("另一处", now())].map(|(description, now)| new(description, now));
    let both = move |replica: &mut townmesh_crdt::replica::Replica, now| {
        let one = command::report(replica, &actor, one, now)?;
        command::report(replica, &actor, other, now)?;
        Ok(one.value().document)
    };
    let case = node.engine.record(both).await.unwrap().to_string();
    let masked = node.pack(&case, "?reveal=x").await;
    let outcome = checked(&masked);
    assert!(outcome.sound, "{outcome:?}");
    assert_eq!((outcome.proved, outcome.unproved.len()), (0, 1));
    assert!(String::from_utf8_lossy(&masked).contains("shared_entry"));
    let outcome = checked(&node.pack(&case, "?reveal=x&people=true").await);
    assert!(outcome.sound && outcome.proved == 0, "a reason for one case is none for the other: {outcome:?}");
}
