//! Grids: imported together or not at all, listed, retired; the ground between them.

use townmesh_crdt::command::town;
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::region::Region;
use townmesh_crdt::replica::Replica;

use super::*;

const DAY_MS: i64 = 24 * 3_600_000;

/// A day so many days from today, by the town's clock.
fn day(from_today: i64) -> String {
    Day::of_time(now().cast_signed() + from_today * DAY_MS, 480).to_string()
}

/// A square as a feature, its south-western corner so many hundredths of a degree from a point.
fn square(properties: Value, south: f64, west: f64, side: f64) -> Value {
    let place = |y: f64, x: f64| [116.3 + (west + x) * 0.01, 39.7 + (south + y) * 0.01];
    let ring = [place(0.0, 0.0), place(0.0, side), place(side, side), place(side, 0.0), place(0.0, 0.0)];
    json!({ "type": "Feature", "properties": properties, "geometry": { "type": "Polygon", "coordinates": [ring] } })
}

fn grid(code: &str, inspectors: &Value) -> Value {
    json!({ "region": REGION, "code": code, "kind": "village", "inspectors": inspectors, "households": 80, "note": null })
}

impl Node {
    async fn with_region() -> Self {
        let node = Self::start().await;
        let region = Region { code: REGION.parse().ok(), name: Some("一村".into()), ..Region::default() };
        let import = move |replica: &mut Replica, now| town::import_regions(replica, &[region], now);
        node.engine.record(import).await.unwrap();
        node
    }

    async fn draw(&self, path: &str, features: &[Value]) -> (StatusCode, Value) {
        self.post(path, &json!({ "type": "FeatureCollection", "features": features })).await
    }

    async fn grids_told(&self, query: &str) -> Vec<(String, String)> {
        let (status, listed) = self.fetch(&format!("/v1/grids?{query}")).await;
        assert_eq!(status, StatusCode::OK, "{listed}");
        let row =
            |row: &Value| (row["code"].as_str().unwrap().to_owned(), row["document"].as_str().unwrap().to_owned());
        listed["rows"].as_array().unwrap().iter().map(row).collect()
    }
}

fn codes(grids: &[(String, String)]) -> Vec<&str> {
    grids.iter().map(|(code, _)| code.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_grids_is_taken_whole_or_not_at_all_and_every_fault_is_named() {
    let node = Node::with_region().await;
    let good = square(grid("G1", &json!(["xcy-1"])), 0.0, 0.0, 1.0);
    let mut bow = square(grid("G2", &json!([])), 0.0, 0.0, 1.0);
    bow["geometry"]["coordinates"][0].as_array_mut().unwrap().swap(1, 2);
    let mut point = square(grid("G3", &json!([])), 0.0, 0.0, 1.0);
    point["geometry"] = json!({ "type": "Point", "coordinates": [116.3, 39.7] });
    let nowhere = square(json!({ "region": "110115005009", "code": "G4" }), 0.0, 0.0, 1.0);
    let nameless = square(json!({ "region": REGION }), 0.0, 0.0, 1.0);
    let odd = square(json!({ "region": REGION, "code": "G6", "kind": "sea" }), 0.0, 0.0, 1.0);
    let (status, answer) =
        node.draw("/v1/grids/import", &[good.clone(), bow, point, nowhere, nameless, odd, good.clone()]).await;
    assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, "area_feature"), "{answer}");
    let (zh, en) = (answer["message_zh"].as_str().unwrap(), answer["message_en"].as_str().unwrap());
    assert!(zh.contains("6 个要素有误") && en.contains("6 features are wrong"), "{answer}");
    for number in 2..=7 {
        assert!(zh.contains(&format!("第 {number} 个要素")) && en.contains(&format!("feature {number}: ")), "{answer}");
    }
    assert!(!zh.contains("第 1 个要素"), "{answer}");
    assert_eq!(codes(&node.grids_told("").await), [""; 0], "nothing of it was recorded");

    for (body, wanted) in [("no", "area_file"), ("{}", "area_file"), (r#"{"features":[]}"#, "area_file")] {
        let (status, answer) = node.send(node.request("POST", "/v1/grids/import", body)).await;
        assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, wanted), "{answer}");
    }
    // A map says how many inspectors there are, where a grid says who they are.
    let counted = square(grid("G2", &json!(2)), 0.0, 1.0, 1.0);
    let both = [good, counted];
    let came_to = |created, unchanged| json!({ "created": created, "changed": 0, "unchanged": unchanged });
    assert_eq!(node.draw("/v1/grids/import", &both).await, (StatusCode::OK, came_to(2, 0)));
    assert_eq!(node.draw("/v1/grids/import", &both).await, (StatusCode::OK, came_to(0, 2)));
    assert_eq!(codes(&node.grids_told("").await), ["G1", "G2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn grids_are_listed_by_what_they_are_and_page_by_page() {
    let node = Node::with_region().await;
    let mut features: Vec<Value> = (1..=5)
        .map(|number| square(grid(&format!("G{number}"), &json!(["xcy-1"])), 0.0, f64::from(number), 1.0))
        .collect();
    features[4]["properties"]["kind"] = json!("outside");
    features[4]["properties"]["inspectors"] = json!(["xcy-2"]);
    assert_eq!(node.draw("/v1/grids/import", &features).await.0, StatusCode::OK);
    assert_eq!(codes(&node.grids_told("kind=outside").await), ["G5"]);
    assert_eq!(codes(&node.grids_told("inspector=xcy-2").await), ["G5"]);
    assert_eq!(codes(&node.grids_told("region=110115005").await).len(), 5);
    assert_eq!(codes(&node.grids_told("region=110115006").await), [""; 0]);
    let (_, first) = node.fetch("/v1/grids?limit=3").await;
    assert_eq!(first["rows"].as_array().unwrap().len(), 3);
    assert_eq!((&first["rows"][0]["inspectors"], &first["rows"][0]["retired"]), (&json!(["xcy-1"]), &Value::Null));
    let hectares = first["rows"][0]["hectares"].as_f64().unwrap();
    assert!((90.0..98.0).contains(&hectares), "1.11 by 0.86 km: {first}");
    let rest = node.grids_told(&format!("limit=3&after={}", first["next"].as_str().unwrap())).await;
    assert_eq!(codes(&rest), ["G4", "G5"]);
    for query in ["kind=sea", "region=x", "colour=red", "after=zz"] {
        assert_eq!(node.fetch(&format!("/v1/grids?{query}")).await.0, StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retired_grid_keeps_its_past_and_has_no_future() {
    let node = Node::with_region().await;
    let features =
        [square(grid("G1", &json!(["xcy-1"])), 0.0, 0.0, 1.0), square(grid("G2", &json!([])), 0.0, 1.0, 1.0)];
    assert_eq!(node.draw("/v1/grids/import", &features).await.0, StatusCode::OK);
    let document = node.grids_told("").await.remove(0).1;
    let inspect = async |from_today: i64| {
        let time = now().cast_signed() + from_today * DAY_MS;
        let inspection = json!({ "household": document, "by": "xcy-1", "time_ms": time, "checklist": 3, "answers": { "1": "hazard" } });
        node.post("/v1/inspections", &inspection).await
    };
    let (status, before) = inspect(-10).await;
    assert_eq!(status, StatusCode::CREATED, "{before}");

    let retire =
        async |since: Value| node.post(&format!("/v1/grids/{document}/retire"), &json!({ "since": since })).await;
    let (status, answer) = retire(json!(day(-5))).await;
    assert_eq!((status, &answer["outcome"]), (StatusCode::OK, &json!("changed")), "{answer}");
    assert_eq!(retire(json!(day(-5))).await.1["outcome"], "unchanged");
    assert_eq!(codes(&node.grids_told("").await), ["G2"]);
    let (_, all) = node.fetch("/v1/grids?retired=true").await;
    assert_eq!(all["rows"][0]["retired"], json!(day(-5)));
    assert_eq!(all["rows"][0]["inspectors"], json!(["xcy-1"]), "who patrolled it then stays known");

    let (status, refused) = inspect(-5).await;
    assert_eq!((status, code(&refused)), (StatusCode::CONFLICT, "grid_retired"), "{refused}");
    assert_eq!(inspect(-6).await.0, StatusCode::CREATED, "what was done before is written down later, too");
    let (_, hazards) = node.fetch("/v1/hazards").await;
    assert_eq!(hazards["rows"].as_array().unwrap().len(), 1, "its hazards are still to be put right: {hazards}");

    let (_, plan) = node.fetch(&format!("/v1/analysis/grids?region={REGION}")).await;
    assert_eq!(plan["grids"].as_array().unwrap().len(), 1, "{plan}");
    let covered = async |day: String| {
        let (_, coverage) = node.fetch(&format!("/v1/coverage?day={day}")).await;
        coverage["grids"].as_array().unwrap().len()
    };
    assert_eq!((covered(day(-6)).await, covered(day(-5)).await), (2, 1), "on each day the grids of that day");

    // Recording it once more from an old map does not bring it back; saying so does.
    assert_eq!(node.draw("/v1/grids/import", &features).await.0, StatusCode::OK);
    assert_eq!(codes(&node.grids_told("").await), ["G2"]);
    assert_eq!(retire(Value::Null).await.1["outcome"], "changed");
    assert_eq!(codes(&node.grids_told("").await), ["G1", "G2"]);
    let (status, answer) = node.post(&format!("/v1/grids/{}/retire", "0".repeat(32)), &json!({ "since": null })).await;
    assert_eq!((status, code(&answer)), (StatusCode::NOT_FOUND, "not_found"));
    assert_eq!(retire(json!("3000-01-01")).await.0, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_between_grids_are_found_where_nobody_lives() {
    let node = Node::with_region().await;
    let outline = square(json!({ "code": REGION, "name": "not this" }), 0.0, 0.0, 2.0);
    let (status, answer) = node.draw("/v1/regions/import", std::slice::from_ref(&outline)).await;
    assert_eq!((status, &answer["changed"]), (StatusCode::OK, &json!(1)), "{answer}");
    let stranger = square(json!({ "code": "110115005009" }), 0.0, 0.0, 2.0);
    assert_eq!(node.draw("/v1/regions/import", &[stranger]).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    // Three of four squares are patrolled: the north-eastern one is nobody's.
    let features = [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0)];
    let features: Vec<Value> = (1..)
        .zip(features)
        .map(|(number, (south, west))| square(grid(&format!("G{number}"), &json!([])), south, west, 1.0))
        .collect();
    assert_eq!(node.draw("/v1/grids/import", &features).await.0, StatusCode::OK);
    node.grids_told("").await;
    let (_, plan) = node.fetch(&format!("/v1/analysis/grids?region={REGION}")).await;
    let ground = &plan["ground"];
    assert_eq!((&ground["outlined"], &ground["truncated"]), (&json!(1), &json!(false)), "{plan}");
    let gaps = ground["gaps"].as_array().unwrap();
    assert_eq!((gaps.len(), &gaps[0]["region"], &gaps[0]["percent"]), (1, &json!(REGION), &json!(25)), "{ground}");
    assert!((90.0..98.0).contains(&gaps[0]["hectares"].as_f64().unwrap()), "{ground}");
    assert!(gaps[0]["southwest"]["lat"].as_f64().unwrap() > 39.709, "{ground}");
    let (_, regions) = node.fetch("/v1/regions").await;
    assert_eq!(regions["rows"][0]["name"], "一村", "an outline says nothing of names");
}
