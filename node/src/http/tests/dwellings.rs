//! Dwellings, what may be inspected, and documents of another kind than a path says.

use super::*;

impl Node {
    async fn dwelling(&self, address: &str) -> String {
        let yard = json!({
            "region": REGION, "address": address, "usage": "rental", "storeys": 2, "grid": "G1",
            "position": { "lat": 39.72, "lon": 116.34 }, "owner": { "name": "丙丁", "phone": "13800138000" },
        });
        let (status, answer) = self.post("/v1/dwellings", &yard).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        let (_, again) = self.post("/v1/dwellings", &yard).await;
        assert_eq!((&again["outcome"], &again["value"]), (&json!("unchanged"), &answer["value"]));
        answer["value"]["document"].as_str().unwrap().to_owned()
    }

    async fn enterprise(&self) -> String {
        let shop = json!({ "region": REGION, "name": "张记五金店", "kind": "门店", "address": "9号" });
        let (status, answer) = self.post("/v1/books/enterprise", &json!({ "rows": [shop] })).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        self.fetch("/v1/members").await;
        let (_, listed) = self.fetch("/v1/books/enterprise").await;
        listed["rows"][0]["document"].as_str().unwrap_or_else(|| panic!("{listed}")).to_owned()
    }

    async fn visit(&self, subject: &str, checklist: u16, position: Value) -> (StatusCode, Value) {
        let visit = json!({
            "household": subject, "by": "xc-1", "time_ms": 5, "checklist": checklist, "answers": { "4": "hazard" },
            "position": position,
        });
        self.post("/v1/inspections", &visit).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dwelling_is_recorded_found_edited_and_its_owner_masked() {
    let node = Node::start().await;
    let id = node.dwelling("12号").await;
    let household = node.household("12号").await;
    let path = format!("/v1/dwellings/{id}");
    let edit = json!({ "set": { "usage": "workshop", "rooms": 6 }, "clear": ["storeys"] });
    let (status, answer) = node.send(node.request("PATCH", &path, edit.to_string())).await;
    assert_eq!((status, &answer["outcome"]), (StatusCode::OK, &json!("changed")), "{answer}");
    assert_eq!(node.visit(&household, 1, Value::Null).await.0, StatusCode::CREATED);
    let (_, shown) = node.fetch(&path).await;
    assert_eq!((&shown["use"], &shown["rooms"], &shown["storeys"]), (&json!("workshop"), &json!(6), &Value::Null));
    assert_eq!((&shown["owner"]["name"], &shown["owner"]["phone"]), (&json!("丙*"), &json!("138****8000")));
    assert_eq!(
        (&shown["mark"], &shown["behind"][0]["document"]),
        (&json!("red"), &json!(household)),
        "of its household"
    );
    let (_, told) = node.fetch(&format!("{path}?reveal=核实")).await;
    assert_eq!(told["owner"]["phone"], "13800138000");
    for (query, found) in [
        ("", 1),
        ("?region=110115005001&use=workshop&grid=G1&mark=red", 1),
        ("?bbox=116.33,39.7,116.35,39.8&text=12", 1),
        ("?use=rental", 0),
        ("?mark=green", 0),
        ("?bbox=116.35,39.7,116.36,39.8", 0),
        ("?conflicts=true", 0),
    ] {
        let (_, listed) = node.fetch(&format!("/v1/dwellings{query}")).await;
        assert_eq!(listed["rows"].as_array().map(Vec::len), Some(found), "{query}: {listed}");
    }
    let (status, file) = node.fetch("/v1/export/dwellings?format=csv").await;
    assert_eq!(status, StatusCode::OK);
    assert!(file.as_str().is_some_and(|file| file.contains("12号") && file.contains("丙*")), "{file}");
    assert!(node.fetch("/v1/export/dwellings?reveal=核实").await.1.as_str().unwrap().contains("丙丁"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_map_shows_each_door_once_whether_or_not_somebody_lives_behind_it() {
    let node = Node::start().await;
    let alone = node.dwelling("12号").await;
    let with_household = node.dwelling("13号").await;
    let household = node.household("13号").await;
    node.fetch("/v1/members").await;
    let mut ids = Vec::new();
    let mut path = Some("/ogc/collections/dwellings/items?limit=1".to_owned());
    while let Some(next) = path {
        let (status, page) = node.fetch(&next).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        ids.extend(page["features"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()));
        let links = page["links"].as_array().unwrap();
        let next = links.iter().find(|link| link["rel"] == "next").map(|link| link["href"].as_str().unwrap());
        path = next.map(|next| next.strip_prefix("http://127.0.0.1:8470").unwrap().to_owned());
    }
    assert_eq!(ids, [household, alone.clone()]);
    assert_eq!(node.fetch(&format!("/ogc/collections/dwellings/items/{alone}")).await.0, StatusCode::OK);
    let hidden = node.fetch(&format!("/ogc/collections/dwellings/items/{with_household}")).await;
    assert_eq!(hidden.0, StatusCode::NOT_FOUND, "shown as its household");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_into_a_document_of_another_kind() {
    let node = Node::start().await;
    let (dwelling, enterprise) = (node.dwelling("12号").await, node.enterprise().await);
    let household = node.household("1号").await;
    let (_, answer) = node.visit(&household, 1, Value::Null).await;
    let hazard = answer["value"]["hazards"][0].as_str().unwrap().to_owned();
    for wrong in [&dwelling, &enterprise, &hazard] {
        let path = format!("/v1/households/{wrong}");
        let edit = json!({ "set": { "rooms": 3 } }).to_string();
        let (status, answer) = node.send(node.request("PATCH", &path, edit)).await;
        assert_eq!((status, code(&answer)), (StatusCode::NOT_FOUND, "not_found"), "{answer}");
        let tenant = json!({ "personal": { "name": "丙丁", "phone": "13800138000" } });
        assert_eq!(node.post(&format!("{path}/residents"), &tenant).await.0, StatusCode::NOT_FOUND);
    }
    for wrong in [&household, &enterprise, &hazard] {
        let edit =
            node.request("PATCH", &format!("/v1/dwellings/{wrong}"), json!({ "set": { "rooms": 3 } }).to_string());
        assert_eq!(node.send(edit).await.0, StatusCode::NOT_FOUND);
    }
    assert_eq!(node.visit(&hazard, 1, Value::Null).await.0, StatusCode::NOT_FOUND);
    node.fetch("/v1/members").await;
    assert_eq!(node.fetch("/v1/households").await.1["rows"].as_array().unwrap().len(), 1);
    assert_eq!(node.fetch(&format!("/v1/books/enterprise/{enterprise}")).await.0, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn land_a_dwelling_and_an_enterprise_are_inspected_and_what_was_found_is_on_the_map() {
    let node = Node::start().await;
    let corners = json!([
        { "lat": 39.7, "lon": 116.3 }, { "lat": 39.7, "lon": 116.4 }, { "lat": 39.8, "lon": 116.4 }, { "lat": 39.8, "lon": 116.3 },
    ]);
    let grid = json!({ "region": REGION, "code": "W1", "name": "村外一格", "kind": "outside", "polygon": corners });
    let (_, answer) = node.post("/v1/grids", &grid).await;
    let grid = answer["value"]["document"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    let (dwelling, enterprise) = (node.dwelling("12号").await, node.enterprise().await);
    let stood = json!({ "lat": 39.77, "lon": 116.37 });
    for (subject, checklist, at, kind, address, place) in [
        (&grid, 3, stood.clone(), "grid", "村外一格", stood.clone()),
        (&dwelling, 2, stood.clone(), "dwelling", "12号", json!({ "lat": 39.72, "lon": 116.34 })),
        (&enterprise, 1, stood.clone(), "enterprise", "9号", stood.clone()),
    ] {
        let (status, answer) = node.visit(subject, checklist, at).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        assert_eq!(answer["value"]["namespace"], format!("registry/{REGION}"), "the village writes there");
        let (_, listed) = node.fetch(&format!("/v1/inspections?household={subject}")).await;
        assert_eq!(listed["rows"].as_array().unwrap().len(), 1, "{listed}");
        let (_, hazards) = node.fetch("/v1/hazards").await;
        let found = hazards["rows"].as_array().unwrap().iter().find(|one| one["household"] == **subject).unwrap();
        assert_eq!((&found["subject"], &found["address"]), (&json!(kind), &json!(address)), "{found}");
        assert_eq!(found["position"], place, "{kind}");
    }
    assert_eq!(node.fetch("/v1/inspections?region=110115005001").await.1["rows"].as_array().unwrap().len(), 3);
    let (_, near) = node.fetch("/v1/hazards?bbox=116.36,39.76,116.38,39.78").await;
    assert_eq!(near["rows"].as_array().unwrap().len(), 2, "{near}");
    let (_, features) = node.fetch("/ogc/collections/hazards/items?bbox=116.33,39.71,116.35,39.73").await;
    assert_eq!(features["features"][0]["properties"]["household"], json!(dwelling), "{features}");
}
