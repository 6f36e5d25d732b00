//! The conflict inbox by HTTP.

use std::collections::BTreeMap;

use townmesh_crdt::command::CommandError;
use townmesh_crdt::command::household::{self, Edit, HouseholdInput};
use townmesh_crdt::domain::case::{Action, Assignment, CaseEvent};
use townmesh_crdt::domain::household::{Household, Resident};
use townmesh_crdt::domain::person::PersonalData;
use townmesh_crdt::domain::record::Scalar as _;
use townmesh_crdt::domain::role::Role;
use townmesh_crdt::domain::same_person::{Answer, Pair, Two};
use townmesh_crdt::entry::Lane;
use townmesh_crdt::id::DocumentId;
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::policy::DocumentKind;
use townmesh_crdt::replica::Replica;
use townmesh_crdt::value::Fields;

use super::*;

impl Node {
    /// A household of which two said different things without knowing of each other.
    async fn contested(&self, apart: impl Fn(&mut Household, bool)) -> String {
        let document = self.household("幸福路1号").await;
        let id = document.parse().unwrap();
        let edits: Vec<BTreeMap<_, Fields>> = [false, true]
            .map(|second| {
                let mut household = Household::default();
                apart(&mut household, second);
                BTreeMap::from([(vec![], household.fields())])
            })
            .into();
        let job = move |replica: &mut Replica, now| {
            let kind = DocumentKind::Household;
            Ok(replica.edit_apart(&Namespace::registry(REGION), kind, id, edits, Lane::Work, now)?)
        };
        self.engine.record(job).await.unwrap();
        document
    }

    /// A household with two entries of one person.
    async fn alike(&self) -> String {
        let job = |replica: &mut Replica, now| {
            let who = PersonalData { name: "王小明".into(), id_number: None, phone: Some("13812345678".into()) };
            let resident = Resident { personal: Some(who), ..Resident::default() };
            let household =
                Household { region: REGION.parse().ok(), address: Some("2号".into()), ..Household::default() };
            let input = HouseholdInput { household, residents: vec![resident] };
            let first = household::record(replica, &input, Lane::Work, now)?.into_value();
            let taken = first.residents.into_iter().collect();
            Ok(household::record_apart(replica, &input, &taken, Lane::Work, now)?.into_value().document)
        };
        self.engine.record(job).await.unwrap().to_string()
    }

    /// A case that two dispatched without knowing of each other.
    async fn dispatched_twice(&self) -> String {
        let report = json!({ "source": "patrol", "place": "村口", "description": "垃圾" });
        let actor = |role: &str| json!({ "by": "a-1", "role": role });
        let body = json!({ "actor": actor("inspector"), "region": REGION, "report": report });
        let (_, case) = self.post("/v1/cases", &body).await;
        let id = case["value"]["document"].as_str().unwrap().to_owned();
        let file = json!({ "file": { "category": "rubble", "severity": "general", "minutes": 0, "clock": "working" } });
        for (role, action) in [("intake_clerk", json!("accept")), ("duty_head", file)] {
            let body = json!({ "actor": actor(role), "action": action });
            let (status, answer) = self.post(&format!("/v1/cases/{id}/actions"), &body).await;
            assert_eq!(status, StatusCode::OK, "{answer}");
        }
        let document = id.parse().unwrap();
        let namespace: Namespace = case["value"]["namespace"].as_str().unwrap().parse().unwrap();
        let job = move |replica: &mut Replica, now| {
            let found = townmesh_crdt::command::case::read(replica, &namespace, document)?.unwrap();
            for team in ["north", "south"] {
                let orders = vec![Assignment { team: team.into(), task: "清理".into() }];
                let action = Action::Dispatch { orders, lead: 0 };
                let seen = found.case.heads.clone();
                let role = Role::Dispatcher;
                let event = CaseEvent {
                    case: document,
                    by: format!("pqy-{team}"),
                    role,
                    seen,
                    note: None,
                    action,
                    rules: None,
                    restates: None,
                };
                replica.put(&namespace, DocumentKind::Case, document, event.to_bytes()?, Lane::Urgent, now)?;
            }
            Ok(())
        };
        self.engine.record(job).await.unwrap();
        id
    }

    /// The only conflict of a document.
    async fn conflict(&self, document: &str) -> Value {
        let (_, listed) = self.fetch(&format!("/v1/conflicts?document={document}")).await;
        let rows = listed["rows"].as_array().unwrap();
        assert_eq!(rows.len(), 1, "{listed}");
        rows[0].clone()
    }

    async fn settle(&self, conflict: &Value, mut choice: Value) -> (StatusCode, Value) {
        choice["revision"] = conflict["revision"].clone();
        self.post(&format!("/v1/conflicts/{}/settle", conflict["id"].as_str().unwrap()), &choice).await
    }

    async fn settled(&self) -> Vec<Value> {
        let (status, listed) = self.fetch("/v1/conflicts/settled").await;
        assert_eq!(status, StatusCode::OK, "{listed}");
        listed["rows"].as_array().unwrap().clone()
    }

    async fn undo(&self, settlement: &Value) -> (StatusCode, Value) {
        let id = settlement.as_str().unwrap();
        self.send(self.request("POST", &format!("/v1/conflicts/settled/{id}/undo"), Body::empty())).await
    }
}

fn rooms(household: &mut Household, second: bool) {
    household.rooms = Some(if second { 6 } else { 4 });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_is_settled_shown_and_taken_back() {
    let node = Node::start().await;
    let document = node.contested(rooms).await;
    let conflict = node.conflict(&document).await;
    assert_eq!((&conflict["kind"], &conflict["document_kind"]), (&json!("field"), &json!("household")), "{conflict}");
    assert_eq!((&conflict["place"], &conflict["chinese"]), (&json!("幸福路1号"), &json!("间数")));
    assert_eq!(conflict["sides"][0]["said"][0]["name"], "center", "{conflict}");
    let keys: Vec<&Value> = conflict["actions"].as_array().unwrap().iter().map(|one| &one["action"]).collect();
    assert_eq!(keys, ["keep", "value"]);
    assert_eq!(conflict["actions"][0]["needs"], "record");
    let (_, shown) = node.fetch(&format!("/v1/conflicts/{}", conflict["id"].as_str().unwrap())).await;
    assert_eq!(shown, conflict);
    let four = if conflict["sides"][0]["value"] == "4" { 1 } else { 2 };

    let (status, answer) = node.settle(&conflict, json!({ "action": "keep", "side": four })).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer["value"]["also_settled"], json!([]));
    let told = node.settled().await;
    assert_eq!((told.len(), &told[0]["id"]), (1, &answer["value"]["settlement"]), "{told:?}");
    assert_eq!((&told[0]["choice"]["value"], &told[0]["conflict"]), (&json!("4"), &conflict["id"]));
    let (status, answer) = node.settle(&conflict, json!({ "action": "keep", "side": 1 })).await;
    assert_eq!((status, code(&answer)), (StatusCode::CONFLICT, "settled"));
    let (status, answer) = node.fetch(&format!("/v1/conflicts/{}", conflict["id"].as_str().unwrap())).await;
    assert_eq!((status, code(&answer)), (StatusCode::CONFLICT, "settled"));

    assert_eq!(node.undo(&told[0]["id"]).await.0, StatusCode::OK);
    let again = node.conflict(&document).await;
    assert_eq!(again["id"], conflict["id"]);
    let (status, answer) = node.undo(&told[0]["id"]).await;
    assert_eq!((status, code(&answer)), (StatusCode::CONFLICT, "conflict_changed"));
    for value in [json!(5), json!("5")] {
        let conflict = node.conflict(&document).await;
        let (status, answer) = node.settle(&conflict, json!({ "action": "value", "value": value })).await;
        assert_eq!(status, StatusCode::OK, "{value}: {answer}");
        assert_eq!(node.fetch(&format!("/v1/households/{document}")).await.1["rooms"], 5);
        node.undo(&answer["value"]["settlement"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_does_not_fit_its_conflict_records_nothing() {
    let node = Node::start().await;
    let document = node.contested(rooms).await;
    let conflict = node.conflict(&document).await;
    for (choice, status, named) in [
        (json!({ "action": "keep" }), StatusCode::BAD_REQUEST, "side"),
        (json!({ "action": "value" }), StatusCode::BAD_REQUEST, "value"),
        (json!({ "action": "value", "value": "many" }), StatusCode::BAD_REQUEST, "value"),
        (json!({ "action": "value", "value": 65_535 }), StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
        (json!({ "action": "keep", "side": 3 }), StatusCode::UNPROCESSABLE_ENTITY, "no_such_side"),
        (json!({ "action": "merge", "side": 1 }), StatusCode::UNPROCESSABLE_ENTITY, "not_offered"),
        (json!({ "action": "acknowledge" }), StatusCode::UNPROCESSABLE_ENTITY, "not_offered"),
        (json!({ "action": "nonsense" }), StatusCode::UNPROCESSABLE_ENTITY, "body"),
    ] {
        let (answered, answer) = node.settle(&conflict, choice.clone()).await;
        assert_eq!(answered, status, "{choice}: {answer}");
        if named != "invalid" {
            assert_eq!(code(&answer), named, "{choice}: {answer}");
        }
        assert!(answer["message_zh"].is_string() && answer["message_en"].is_string(), "{answer}");
    }
    let stale = json!({ "id": conflict["id"], "revision": "00000000" });
    let (status, answer) = node.settle(&stale, json!({ "action": "keep", "side": 1 })).await;
    assert_eq!((status, code(&answer)), (StatusCode::CONFLICT, "conflict_changed"));
    let unknown = json!({ "id": "0".repeat(32), "revision": "00000000" });
    let (status, answer) = node.settle(&unknown, json!({ "action": "keep", "side": 1 })).await;
    assert_eq!((status, code(&answer)), (StatusCode::NOT_FOUND, "not_found"));
    assert_eq!(node.undo(&json!("0".repeat(32))).await.0, StatusCode::NOT_FOUND);
    assert_eq!(node.conflict(&document).await, conflict);
    let (_, without) = node.fetch("/v1/conflicts?kind=duplicate_dispatch").await;
    assert_eq!(without["rows"], json!([]));
    for elsewhere in ["region=110115005002".to_owned(), format!("document={}", "0".repeat(32))] {
        let (_, elsewhere) = node.fetch(&format!("/v1/conflicts?{elsewhere}")).await;
        assert_eq!(elsewhere["rows"], json!([]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn residents_who_look_alike_are_shown_masked_and_answered_about() {
    let node = Node::start().await;
    let document = node.alike().await;
    let conflict = node.conflict(&document).await;
    assert_eq!((&conflict["kind"], &conflict["sides"][1]["chinese"]), (&json!("duplicate_resident"), &json!("王*")));
    let (_, revealed) = node.fetch("/v1/conflicts?reveal=check").await;
    assert_eq!(revealed["rows"][0]["sides"][0]["chinese"], "王小明");
    let people = async || node.fetch(&format!("/v1/households/{document}")).await.1["people"].as_array().unwrap().len();
    assert_eq!(people().await, 2);
    let (status, answer) = node.settle(&conflict, json!({ "action": "merge", "side": 1 })).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(people().await, 1);
    let told = node.settled().await;
    assert_eq!(told[0]["choice"]["chinese"], "同一人，保留前者", "what was answered is not personal: {told:?}");
    assert_eq!(node.undo(&told[0]["id"]).await.0, StatusCode::OK);
    assert_eq!(people().await, 2);
    let conflict = node.conflict(&document).await;
    assert_eq!(node.settle(&conflict, json!({ "action": "distinct" })).await.0, StatusCode::OK);
    assert_eq!(node.fetch(&format!("/v1/conflicts?document={document}")).await.1["rows"], json!([]));
    assert_eq!(people().await, 2);
    let [first, second] =
        [0, 1].map(|side: usize| conflict["sides"][side]["resident"].as_str().unwrap().parse().unwrap());
    let (two, id) = (Two::of(first, second).unwrap(), document.parse().unwrap());
    let answers = [Answer::Distinct, Answer::KeepFirst].map(|answer| Fields::from([(Pair::ANSWER, answer.to_value())]));
    let edits = answers.map(|fields| BTreeMap::from([(two.key(), fields)])).into();
    let job = move |replica: &mut Replica, now| {
        let kind = DocumentKind::Household;
        Ok(replica.edit_apart(&Namespace::registry(REGION), kind, id, edits, Lane::Work, now)?)
    };
    node.engine.record(job).await.unwrap();
    let contrary = node.conflict(&document).await;
    let words: Vec<&Value> = contrary["sides"].as_array().unwrap().iter().map(|side| &side["chinese"]).collect();
    assert_eq!(words[..2], ["王*", "王*"]);
    assert!(words[2..].contains(&&json!("不是同一人")), "what was answered is not personal: {words:?}");
}

/// Gives the only owner two phones that two offices found without knowing of each other.
fn two_phones(replica: &mut Replica, document: DocumentId, now: u64) -> Result<(), CommandError> {
    let registry = Namespace::registry(REGION);
    let mut sealed = Vec::new();
    for phone in ["13900000008", "13900000009", "13900000001"] {
        let owner = PersonalData { phone: Some(phone.into()), ..PersonalData::default() };
        let set = Household { owner: Some(owner), ..Household::default() };
        household::edit_household(replica, &registry, document, &Edit { set, ..Edit::default() }, now)?;
        let content = replica.content(replica.namespace_id(&registry), document)?;
        sealed.push(content.records[&vec![]][&Household::OWNER].values[0].value.clone());
    }
    sealed.pop();
    let edits = sealed.into_iter().map(|value| BTreeMap::from([(vec![], Fields::from([(Household::OWNER, value)]))]));
    replica.edit_apart(&registry, DocumentKind::Household, document, edits.collect(), Lane::Work, now)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contested_phone_is_masked_before_and_after_it_is_settled() {
    let node = Node::start().await;
    let document = node.household("幸福路1号").await;
    let id = document.parse().unwrap();
    node.engine.record(move |replica, now| two_phones(replica, id, now)).await.unwrap();
    let conflict = node.conflict(&document).await;
    let values: Vec<&Value> = conflict["sides"].as_array().unwrap().iter().map(|side| &side["value"]).collect();
    assert_eq!(values, ["139****0009", "139****0008"], "{conflict}");
    let (_, answer) = node.settle(&conflict, json!({ "action": "keep", "side": 2 })).await;
    assert_eq!(answer["outcome"], "changed", "{answer}");
    assert!(!answer.to_string().contains("13900"), "{answer}");
    let (_, shown) = node.fetch(&format!("/v1/households/{document}?reveal=check")).await;
    assert_eq!(shown["head"]["phone"], "13900000008");
    let told = json!(node.settled().await).to_string();
    assert!(told.contains("139****0009") && !told.contains("1390000000"), "{told}");
    let (_, told) = node.fetch("/v1/conflicts/settled?reveal=check").await;
    assert_eq!(told["rows"][0]["choice"]["value"], "13900000008");
    let noted = node.fetch("/v1/reveals").await.1;
    assert_eq!(noted["rows"].as_array().unwrap().last().unwrap()["kind"], "conflicts", "{noted}");
    let settlement = told["rows"][0]["id"].clone();
    assert_eq!(node.undo(&settlement).await.0, StatusCode::OK);
    let again = node.conflict(&document).await;
    let (status, answer) = node.settle(&again, json!({ "action": "value", "value": "13700000000" })).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_dispatch_is_settled_and_taken_back_by_whoever_may() {
    let node = Node::start().await;
    let case = node.dispatched_twice().await;
    let conflict = node.conflict(&case).await;
    assert_eq!((&conflict["kind"], &conflict["place"]), (&json!("duplicate_dispatch"), &json!("村口")), "{conflict}");
    assert_eq!(conflict["actions"][0]["needs"]["role"], json!(["duty_head", "dispatcher", "commander"]));
    let side = conflict["sides"].as_array().unwrap().iter().find(|side| side["orders"][0]["team"] == "south").unwrap();
    assert_eq!((&side["said"][0]["by"], &side["chinese"]), (&json!("pqy-south"), &json!("派遣：south")));
    let keep = |role: Option<&str>| {
        let mut choice = json!({ "action": "keep", "side": side["side"] });
        if let Some(role) = role {
            choice["actor"] = json!({ "by": "pqy-1", "role": role });
        }
        choice
    };
    let (status, answer) = node.settle(&conflict, keep(None)).await;
    assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, "actor_missing"));
    let (status, answer) = node.settle(&conflict, keep(Some("handler"))).await;
    assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, "wrong_role"));
    let (status, answer) = node.settle(&conflict, keep(Some("dispatcher"))).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let (_, shown) = node.fetch(&format!("/v1/cases/{case}")).await;
    let orders: Vec<_> = shown["orders"].as_array().unwrap().iter().map(|one| (&one["team"], &one["status"])).collect();
    assert!(orders.contains(&(&json!("north"), &json!("called_off"))), "{orders:?}");
    assert!(orders.contains(&(&json!("south"), &json!("sent"))), "{orders:?}");
    let told = node.settled().await;
    assert_eq!((&told[0]["undoable"], &told[0]["choice"]["said"][0]["by"]), (&json!(true), &json!("pqy-1")));
    let (status, answer) = node.undo(&told[0]["id"]).await;
    assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, "actor_missing"));
    let path = format!("/v1/conflicts/settled/{}/undo", told[0]["id"].as_str().unwrap());
    let by = |role: &str| json!({ "actor": { "by": "zbz-1", "role": role, "note": "两队都去" } });
    let (status, answer) = node.post(&path, &by("handler")).await;
    assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, "wrong_role"));
    let (status, answer) = node.post(&path, &json!({ "role": "duty_head" })).await;
    assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, "body"));
    let (status, answer) = node.post(&path, &by("duty_head")).await;
    assert_eq!((status, &answer["value"]["conflict"]), (StatusCode::OK, &conflict["id"]), "{answer}");
    let (_, shown) = node.fetch(&format!("/v1/cases/{case}")).await;
    let sent = shown["orders"].as_array().unwrap().iter().filter(|one| one["status"] == "sent").count();
    assert_eq!((sent, node.conflict(&case).await["id"].clone()), (2, conflict["id"].clone()));
    let told = node.settled().await;
    assert_eq!((&told[0]["stands"], &told[0]["undoable"]), (&json!(false), &json!(false)));
    let (status, answer) = node.post(&path, &by("duty_head")).await;
    assert_eq!((status, code(&answer)), (StatusCode::CONFLICT, "conflict_changed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_settled_is_paged_the_latest_first() {
    let node = Node::start().await;
    let document = node.contested(rooms).await;
    for _ in 0..3 {
        let conflict = node.conflict(&document).await;
        let (_, answer) = node.settle(&conflict, json!({ "action": "keep", "side": 1 })).await;
        node.undo(&answer["value"]["settlement"]).await;
    }
    let whole = node.settled().await;
    assert_eq!(whole.len(), 3);
    assert!(whole.iter().all(|one| one["stands"] == false));
    assert!(whole.windows(2).all(|two| two[0]["settled_ms"].as_i64() >= two[1]["settled_ms"].as_i64()));
    let (_, first) = node.fetch("/v1/conflicts/settled?limit=2").await;
    let (_, rest) = node.fetch(&format!("/v1/conflicts/settled?after={}", first["next"].as_str().unwrap())).await;
    let paged = [first["rows"].as_array().unwrap().clone(), rest["rows"].as_array().unwrap().clone()].concat();
    assert_eq!(paged, whole);
    let (status, answer) = node.fetch("/v1/conflicts/settled?kind=field").await;
    assert_eq!((status, code(&answer)), (StatusCode::BAD_REQUEST, "query"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_settles_a_field_is_told_by_the_account_that_the_program_names() {
    let node = Node::start().await;
    let document = node.contested(rooms).await;
    let conflict = node.conflict(&document).await;
    assert_eq!(conflict["sides"][0]["said"][0].get("by"), None, "nobody named an account: {conflict}");
    let path = format!("/v1/conflicts/{}/settle", conflict["id"].as_str().unwrap());
    let body = json!({ "action": "keep", "side": 1, "revision": conflict["revision"] });
    let mut request = node.request("POST", &path, Body::from(body.to_string()));
    request.headers_mut().insert(USER_HEADER, "wyj-1".parse().unwrap());
    request.headers_mut().insert("content-type", "application/json".parse().unwrap());
    let (status, answer) = node.send(request).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let told = node.settled().await;
    assert_eq!(told[0]["choice"]["said"][0]["by"], "wyj-1", "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_had_no_effect_is_stated_again_by_whoever_may() {
    let node = Node::start().await;
    let case = node.dispatched_twice().await;
    let document: DocumentId = case.parse().unwrap();
    let job = move |replica: &mut Replica, now| {
        let spaces: Vec<Namespace> = replica.namespaces().into_iter().map(|(_, namespace, ..)| namespace).collect();
        let holds = |replica: &Replica, space: &Namespace| replica.holds_document(space, document).unwrap();
        let namespace = spaces.into_iter().find(|space| holds(replica, space)).unwrap();
        let seen = townmesh_crdt::command::case::read(replica, &namespace, document)?.unwrap().case.heads;
        let (by, role) = ("csd-1".to_owned(), Role::Handler);
        let action = Action::Supervise { demand: "两日内办结".into(), due_ms: None };
        let event = CaseEvent { case: document, by, role, seen, note: None, action, rules: None, restates: None };
        replica.put(&namespace, DocumentKind::Case, document, event.to_bytes()?, Lane::Urgent, now)?;
        Ok(())
    };
    node.engine.record(job).await.unwrap();
    let (_, listed) = node.fetch(&format!("/v1/conflicts?document={case}&kind=without_effect")).await;
    let void = listed["rows"][0].clone();
    assert_eq!(
        (&void["chinese"], &void["place"]),
        (&json!("操作未生效：此角色不能进行此操作"), &json!("村口")),
        "{void}"
    );
    assert!(void["number"].is_string(), "by the number of its case: {void}");
    let actions: Vec<_> =
        void["actions"].as_array().unwrap().iter().map(|one| (&one["action"], &one["needs"])).collect();
    assert_eq!(actions[1], (&json!("restate"), &json!({ "role": ["commander"] })));
    let restate = |role: &str| json!({ "action": "restate", "actor": { "by": "zhz-1", "role": role } });
    let (status, answer) = node.settle(&void, restate("handler")).await;
    assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, "wrong_role"));
    let (status, answer) = node.settle(&void, restate("commander")).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let (_, listed) = node.fetch(&format!("/v1/conflicts?document={case}&kind=without_effect")).await;
    assert_eq!(listed["rows"], json!([]));
    let (_, shown) = node.fetch(&format!("/v1/cases/{case}")).await;
    assert_eq!(shown["folded"]["supervisions"][0]["demand"], "两日内办结", "{shown}");
    let told = node.settled().await;
    assert_eq!((&told[0]["choice"]["said"][0]["by"], &told[0]["undoable"]), (&json!("zhz-1"), &json!(false)));
}
