//! Nothing that leaves as a file tells of people without a reason.

use std::io::Cursor;

use super::*;
use crate::ledger::ListKind;

/// Who and what is planted, with obviously made-up numbers: no part of it may leave in clear.
const NAMES: [&str; 5] = ["欧阳住户", "司马房主", "诸葛店主", "夏侯队员", "端木反映"];
const PHONES: [&str; 5] = ["13800001111", "13800002222", "13800003333", "13800004444", "13800005555"];
const ID_NUMBER: &str = "11010519491231002X";
const PLATES: [&str; 2] = ["京A7Q531", "京B8K642"];

impl Node {
    /// Persons wherever the town names one, their numbers also in texts that people write.
    async fn planted(&self) {
        let written = format!("找本人，电话 {}，证 {ID_NUMBER}", PHONES[0]);
        self.registry(&written).await;
        self.staff_and_devices(&written).await;
        self.case_with_order(&written).await;
        self.books(&written).await;
        // A list by members waits for the views.
        self.fetch("/v1/members").await;
    }

    async fn registry(&self, written: &str) {
        let household = json!({
            "household": {
                "region": REGION, "address": "幸福路1号", "note": written, "position": { "lat": 39.72, "lon": 116.32 },
                "owner": { "name": NAMES[1], "phone": PHONES[1] },
            },
            "residents": [{ "personal": { "name": NAMES[0], "id_number": ID_NUMBER, "phone": PHONES[0] } }],
        });
        let answer = self.created("/v1/households", &household).await;
        let yard = json!({
            "region": REGION, "address": "幸福路1号", "note": written, "owner": { "name": NAMES[1], "phone": PHONES[1] },
        });
        self.created("/v1/dwellings", &yard).await;
        let visit = json!({
            "household": answer["value"]["document"], "by": "xc-1", "time_ms": now(), "checklist": 1, "note": written,
            "answers": { "4": "hazard" },
        });
        self.created("/v1/inspections", &visit).await;
    }

    async fn staff_and_devices(&self, written: &str) {
        self.created("/v1/members", &json!({ "code": "xc-1", "name": NAMES[3], "phone": PHONES[3] })).await;
        self.created("/v1/teams", &json!({ "code": "hw-1", "name": "环卫一队", "phone": PHONES[3] })).await;
        let device = json!({
            "code": "gate-1", "region": REGION, "kind": "access_gate", "place": written, "name": written,
            "position": { "lat": 39.72, "lon": 116.32 },
        });
        self.created("/v1/devices", &device).await;
        let event = |kind: &str, value: &str| {
            let time = now() - 1_000;
            json!({ "device": "gate-1", "time_ms": time, "kind": kind, "value": { "text": value }, "alarm": true })
        };
        let events = json!([event("passage", PLATES[0]), event("call", written)]);
        self.created("/v1/events", &json!({ "region": REGION, "events": events })).await;
    }

    async fn case_with_order(&self, written: &str) {
        let report = json!({
            "source": "patrol", "place": written, "description": written, "position": { "lat": 39.72, "lon": 116.32 },
        });
        let reporter = json!({ "name": NAMES[4], "phone": PHONES[4] });
        let actor = json!({ "by": "xc-1", "role": "inspector" });
        let case = json!({ "actor": actor, "region": REGION, "report": report, "reporter": reporter });
        let case = self.created("/v1/cases", &case).await;
        let id = case["value"]["document"].as_str().unwrap().to_owned();
        let file =
            json!({ "category": "exposed_rubbish", "severity": "general", "minutes": 600, "clock": "emergency" });
        for (role, action) in [
            ("intake_clerk", json!("accept")),
            ("duty_head", json!({ "file": file })),
            ("dispatcher", json!({ "dispatch": { "orders": [{ "team": "hw-1", "task": written }], "lead": 0 } })),
        ] {
            let step = json!({ "actor": { "by": "s-1", "role": role }, "action": action });
            let (status, answer) = self.post(&format!("/v1/cases/{id}/actions"), &step).await;
            assert_eq!(status, StatusCode::OK, "{answer}");
        }
    }

    async fn books(&self, written: &str) {
        let person = json!({ "person_name": NAMES[2], "person_phone": PHONES[2] });
        let mut shop = json!({ "region": REGION, "name": "甲店", "kind": "storefront", "note": written });
        let mut car = json!({ "region": REGION, "plate": PLATES[1], "kind": "car", "note": written });
        for row in [&mut shop, &mut car] {
            row.as_object_mut().unwrap().extend(person.as_object().unwrap().clone());
        }
        let day = "2026-11-02";
        for (book, row) in [
            ("enterprise", shop),
            ("vehicle", car),
            (
                "shift",
                json!({ "member": "xc-1", "start": "2026-11-02 08:00", "end": "2026-11-02 18:00", "note": written }),
            ),
            (
                "consequence",
                json!({ "subject": "xc-1", "from": day, "kind": "praise", "to": day, "reason": written, "decided_by": "z" }),
            ),
            (
                "campaign",
                json!({ "code": "c1", "name": "七进", "tier": "single", "from": day, "to": day, "region": REGION,
                "reason": written, "result": written }),
            ),
            (
                "finding",
                json!({ "region": REGION, "campaign": "c1", "place": "幸福路1号", "must": "rectify_hazard", "what": written,
                "found": "2026-11-02 08:00", "found_by": "xc-1" }),
            ),
            (
                "problem",
                json!({ "code": "p1", "title": "渣土", "category": "rubble", "region": REGION, "since": day,
                "state": "open", "cause": written }),
            ),
            (
                "response",
                json!({ "code": "r1", "plan": "汛", "level": "daily", "opened": "2026-11-02 08:00", "commander": "z",
                "reason": written }),
            ),
            (
                "message",
                json!({ "code": "m1", "to": "xc-1", "text": written, "sent": "2026-11-02 08:00", "by": "z",
                "read_back": written }),
            ),
        ] {
            let (status, answer) = self.post(&format!("/v1/books/{book}"), &json!({ "rows": [row] })).await;
            assert_eq!((status, &answer["created"]), (StatusCode::OK, &json!(1)), "{book}: {answer}");
        }
    }

    async fn created(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.post(path, body).await;
        assert_eq!(status, StatusCode::CREATED, "{path}: {answer}");
        answer
    }

    /// The text of a file; of a workbook, that of all its parts.
    async fn exported(&self, path: &str) -> String {
        let answer = self.router.clone().oneshot(self.request("GET", path, Body::empty())).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let bytes = to_bytes(answer.into_body(), 64 << 20).await.unwrap().to_vec();
        if !bytes.starts_with(b"PK") {
            return String::from_utf8(bytes).unwrap();
        }
        let mut text = String::new();
        let mut book: calamine::Xlsx<_> = calamine::open_workbook_from_rs(Cursor::new(bytes)).unwrap();
        for (_, sheet) in calamine::Reader::worksheets(&mut book) {
            sheet.rows().flatten().for_each(|cell| text += &format!("{cell}\n"));
        }
        text
    }
}

/// Every way in which something leaves as a file, and whether anybody stands in it.
fn exports() -> Vec<(String, bool)> {
    let mut paths = vec![];
    for list in ListKind::ALL {
        let filter = if list == ListKind::Events { "&device=gate-1" } else { "" };
        for format in list.formats() {
            let tells = !matches!(list, ListKind::Regions | ListKind::Hazards | ListKind::DoorTags);
            paths.push((format!("/v1/export/{}?format={}{filter}", list.name(), format.name()), tells));
        }
    }
    for format in ["csv", "xlsx", "geojson"] {
        paths.push((format!("/v1/export?format={format}"), format != "geojson"));
    }
    for book in townmesh_crdt::domain::books::BookKind::ALL {
        for format in ["csv", "xlsx", "json"] {
            paths.push((format!("/v1/books/{book}?format={format}"), true));
        }
    }
    paths
}

/// What of the planted stands in a text.
fn told(text: &str) -> Vec<&'static str> {
    let all = NAMES.into_iter().chain(PHONES).chain(PLATES).chain([ID_NUMBER]);
    all.filter(|planted| text.contains(planted)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_file_tells_of_anybody_without_a_reason_and_none_in_clear_without_a_note() {
    let node = Node::start().await;
    node.planted().await;
    let noted = async || node.fetch("/v1/reveals?limit=500").await.1["rows"].as_array().unwrap().clone();
    for (path, _) in exports() {
        let text = node.exported(&path).await;
        assert_eq!(told(&text), Vec::<&str>::new(), "{path} without a reason: {text}");
    }
    for table in townmesh_crdt::domain::tables::TableKind::ALL {
        let text = node.exported(&format!("/v1/tables/{table}?format=csv")).await;
        assert_eq!(told(&text), Vec::<&str>::new(), "{table}");
    }
    assert!(noted().await.is_empty(), "what is masked is not noted");
    assert_eq!(node.fetch("/v1/dump").await.0, StatusCode::FORBIDDEN);
    let mut notes = 0;
    for (path, tells) in exports() {
        let text = node.exported(&format!("{path}&reveal=audit")).await;
        assert_eq!(!told(&text).is_empty(), tells, "{path} for a reason: {text}");
        notes += 1;
        let reveals = noted().await;
        assert_eq!((reveals.len(), &reveals[notes - 1]["reason"]), (notes, &json!("audit")), "{path}");
    }
    assert!(
        !node.exported("/v1/export/events?device=gate-1&reveal=audit").await.contains(PLATES[0]),
        "gates stay masked"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_in_clear_is_noted_before_its_first_byte_or_not_sent() {
    let node = Node::start().await;
    node.planted().await;
    for (query, status, wanted) in [
        ("reveal=%20", StatusCode::BAD_REQUEST, "reason_empty"),
        ("reveal=a&reveal=b", StatusCode::BAD_REQUEST, "query"),
        ("reason=a", StatusCode::BAD_REQUEST, "query"),
    ] {
        let (found, answer) = node.fetch(&format!("/v1/export/members?{query}")).await;
        assert_eq!((found, code(&answer)), (status, wanted), "{answer}");
    }
    // Nothing can be noted where a directory stands in the way.
    let path = node._directory.path().join("reveals.jsonl");
    std::fs::create_dir(&path).unwrap();
    let (status, answer) = node.fetch("/v1/export/members?reveal=audit").await;
    assert_eq!((status, code(&answer)), (StatusCode::INSUFFICIENT_STORAGE, "reveal_not_noted"), "{answer}");
    assert!(told(&answer.to_string()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_masked_file_that_comes_in_again_takes_no_number_out_of_a_text() {
    let node = Node::start().await;
    let shop = json!({ "region": REGION, "name": "甲店", "kind": "storefront", "note": format!("电话 {}", PHONES[0]) });
    let (status, _) = node.post("/v1/books/enterprise", &json!({ "rows": [shop] })).await;
    assert_eq!(status, StatusCode::OK);
    node.fetch("/v1/members").await;
    let masked = node.exported("/v1/books/enterprise?format=csv").await;
    assert!(masked.contains("电话 ***"), "{masked}");
    let (status, answer) = node.send(node.request("POST", "/v1/books/enterprise/import", masked)).await;
    assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, "rows"), "{answer}");
    assert!(
        answer["message_zh"].as_str().unwrap().contains("备注")
            && answer["message_en"].as_str().unwrap().contains("masked")
    );
}
