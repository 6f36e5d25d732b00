//! Tracks and coverage by HTTP.

use townmesh_crdt::domain::date::Day;

use super::*;

fn now() -> i64 {
    crate::engine::now().cast_signed()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_unit_was_is_shown_for_a_reason_and_counts_for_the_grid() {
    let node = Node::start().await;
    let corner = |lat: f64, lon: f64| json!({ "lat": lat, "lon": lon });
    let square = |west: f64| {
        json!([corner(39.70, west), corner(39.70, west + 0.002), corner(39.702, west + 0.002), corner(39.702, west)])
    };
    for (code, west) in [("G1", 116.30), ("G2", 116.31)] {
        let grid = json!({ "region": REGION, "code": code, "kind": "village", "polygon": square(west) });
        assert!(node.post("/v1/grids", &grid).await.0.is_success());
    }
    let at = now();
    // From south to north through the middle of the first grid, 222 metres.
    let points: Vec<Value> = (0..=100)
        .map(|step| json!({ "time_ms": at - 1_000_000 + step * 1_000, "lat": 39.70 + 0.002 * step as f64 / 100.0, "lon": 116.301 }))
        .collect();
    let (status, done) = node.post("/v1/tracks", &json!({ "region": REGION, "points": points })).await;
    assert!(status.is_success(), "{done}");
    assert_eq!((&done["value"]["stored"], &done["value"]["repeated"]), (&json!(101), &json!(0)));
    let (_, again) = node.post("/v1/tracks", &json!({ "region": REGION, "points": points })).await;
    assert_eq!((&again["outcome"], &again["value"]["repeated"]), (&json!("unchanged"), &json!(101)));
    node.fetch("/v1/members").await;
    let (_, listed) = node.fetch("/v1/tracks").await;
    let rows = listed["rows"].as_array().unwrap();
    let count: u64 = rows.iter().map(|row| row["count"].as_u64().unwrap()).sum();
    let metres: u64 = rows.iter().map(|row| row["metres"].as_u64().unwrap()).sum();
    assert_eq!(count, 101, "{listed}");
    assert!((215..=225).contains(&metres), "{listed}");
    let id = rows[0]["document"].as_str().unwrap();
    let (status, refused) = node.fetch(&format!("/v1/tracks/{id}")).await;
    assert_eq!((status, code(&refused)), (StatusCode::FORBIDDEN, "reason_missing"));
    let (_, shown) = node.fetch(&format!("/v1/tracks/{id}?reveal=复核")).await;
    assert_eq!(shown["points"][0]["lon"], json!(116.301), "{shown}");
    let (_, gpx) = node.fetch(&format!("/v1/tracks/{id}?reveal=复核&format=gpx")).await;
    assert!(gpx.as_str().unwrap().contains("<trkpt lat=\"39.70000\" lon=\"116.30100\"><time>20"), "{gpx}");
    let (_, line) = node.fetch(&format!("/v1/tracks/{id}?reveal=复核&format=geojson")).await;
    assert_eq!(line["geometry"]["type"], "LineString");
    assert_eq!(node.fetch("/v1/reveals").await.1["rows"].as_array().unwrap().len(), 3);
    let day = Day::of_time(at - 1_000_000, 480);
    let (_, covered) = node.fetch(&format!("/v1/coverage?day={day}&region={REGION}")).await;
    let grids = covered["grids"].as_array().unwrap();
    let [first, second] = &grids[..] else { panic!("{covered}") };
    let (cells, visited) = (first["cells"].as_u64().unwrap(), first["visited"].as_u64().unwrap());
    // 222 by 171 metres in cells of 50 by 50: a strip from south to north.
    assert!((12..=25).contains(&cells) && (4..=5).contains(&visited), "{covered}");
    assert_eq!(covered["only_own"], json!(false), "a center reads those of all");
    assert_eq!(first["units"], json!(1));
    assert_eq!((&second["visited"], &second["percent"], &second["first_ms"]), (&json!(0), &json!(0.0), &Value::Null));
    assert_eq!(covered["units"], json!(1));
    let (_, other) = node.fetch("/v1/coverage?day=2020-01-01").await;
    assert_eq!((&other["units"], &other["grids"][0]["visited"]), (&json!(0), &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_tells_of_tracks_and_books_too() {
    let node = Node::start().await;
    let point = json!({ "time_ms": now(), "lat": 39.7, "lon": 116.3 });
    assert!(node.post("/v1/tracks", &json!({ "region": REGION, "points": [point] })).await.0.is_success());
    let shop = json!({ "region": REGION, "name": "甲店", "kind": "storefront", "person_name": "王小明" });
    assert_eq!(node.post("/v1/books/enterprise", &json!({ "rows": [shop] })).await.0, StatusCode::OK);
    let lines = node.lines(node.request("GET", "/v1/dump?reveal=compare", Body::empty())).await;
    let text: String = lines.iter().map(Value::to_string).collect();
    assert!(text.contains("\"track\"") && text.contains("latitude"), "{text}");
    assert!(text.contains("甲店") && text.contains("王小明"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_points_say_what_is_wrong() {
    let node = Node::start().await;
    let point = |lat: f64| json!({ "time_ms": now(), "lat": lat, "lon": 116.3 });
    for (points, status, expected) in [
        (json!([point(39.7), point(91.0)]), StatusCode::BAD_REQUEST, "position"),
        (json!([]), StatusCode::UNPROCESSABLE_ENTITY, "number"),
        (json!([{ "time_ms": -5, "lat": 39.7, "lon": 116.3 }]), StatusCode::UNPROCESSABLE_ENTITY, "time"),
    ] {
        let (found, answer) = node.post("/v1/tracks", &json!({ "region": REGION, "points": points })).await;
        assert_eq!((found, code(&answer)), (status, expected), "{answer}");
    }
    assert_eq!(node.fetch("/v1/coverage?day=yesterday").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(node.fetch(&format!("/v1/tracks/{}?reveal=x", "00".repeat(16))).await.0, StatusCode::NOT_FOUND);
}
