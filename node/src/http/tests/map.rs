//! The map for GIS programs, as OGC API Features has it.

use super::*;

impl Node {
    /// Three doors and a device with a place, and a door without.
    async fn mapped(&self) {
        for (number, longitude) in [(1, Some(116.31)), (2, Some(116.32)), (3, Some(116.33)), (4, None)] {
            let position = longitude.map(|longitude: f64| json!({ "lat": 39.72, "lon": longitude }));
            let household = json!({ "region": REGION, "address": format!("{number}号"), "position": position });
            let owner = json!({ "household": household, "residents": [{ "personal": { "name": "王小明" } }] });
            let (status, answer) = self.post("/v1/households", &owner).await;
            assert_eq!(status, StatusCode::CREATED, "{answer}");
        }
        let position = json!({ "lat": 39.72, "lon": 116.32 });
        let device = json!({ "code": "pm-1", "region": REGION, "kind": "smoke", "position": position });
        assert_eq!(self.post("/v1/devices", &device).await.0, StatusCode::CREATED);
        assert_eq!(self.post("/v1/positions", &position).await.0, StatusCode::NO_CONTENT);
        self.track(REGION, now().cast_signed() - 60_000, &[(39.72, 116.31), (39.72, 116.33)]).await;
        self.fetch("/v1/members").await;
    }

    /// Records a track of this node: ten seconds from place to place.
    async fn track(&self, region: &str, from_ms: i64, places: &[(f64, f64)]) {
        let point = |(step, (lat, lon)): (i64, &(f64, f64))| json!({ "time_ms": from_ms + step * 10_000, "lat": lat, "lon": lon });
        let points: Vec<Value> = (0..).zip(places).map(point).collect();
        let (status, answer) = self.post("/v1/tracks", &json!({ "region": region, "points": points })).await;
        assert!(status.is_success(), "{answer}");
    }

    async fn kind_of(&self, path: &str) -> (StatusCode, String) {
        let answer = self.router.clone().oneshot(self.request("GET", path, Body::empty())).await.unwrap();
        (answer.status(), answer.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned())
    }
}

/// A path with the reason that it needs.
fn with_reason(path: &str) -> String {
    match path.contains("/tracks/items") && !path.contains("reason=") {
        true => format!("{path}{}reason=why", if path.contains('?') { '&' } else { '?' }),
        false => path.to_owned(),
    }
}

/// The path of the link of this relation.
fn link(answer: &Value, relation: &str) -> Option<String> {
    let links = answer["links"].as_array().unwrap();
    let link = links.iter().find(|link| link["rel"] == relation)?;
    let href = link["href"].as_str().unwrap();
    Some(href.strip_prefix("http://127.0.0.1:8470").unwrap_or_else(|| panic!("{href}")).to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_link_leads_somewhere_of_the_kind_that_it_says() {
    let node = Node::start().await;
    node.mapped().await;
    let (mut waiting, mut seen) = (vec!["/ogc".to_owned(), "/ogc/".to_owned()], std::collections::BTreeSet::new());
    while let Some(path) = waiting.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let (status, answer) = node.fetch(&with_reason(&path)).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        let collections = answer["collections"].as_array().into_iter().flatten();
        for holder in collections.chain([&answer]) {
            for link in holder["links"].as_array().into_iter().flatten() {
                let href = link["href"].as_str().unwrap().strip_prefix("http://127.0.0.1:8470").unwrap().to_owned();
                assert_eq!(
                    node.kind_of(&with_reason(&href)).await,
                    (StatusCode::OK, link["type"].as_str().unwrap().to_owned()),
                    "{href}"
                );
                waiting.push(href);
            }
        }
    }
    assert!(seen.contains("/ogc/collections/units/items") && seen.contains("/ogc/api"), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn features_come_by_pages_by_box_and_one_by_one_and_tell_of_nobody() {
    let node = Node::start().await;
    node.mapped().await;
    let (mut path, mut doors) = ("/ogc/collections/dwellings/items?limit=2".to_owned(), Vec::new());
    loop {
        let (status, page) = node.fetch(&path).await;
        assert_eq!((status, &page["type"]), (StatusCode::OK, &json!("FeatureCollection")), "{page}");
        let features = page["features"].as_array().unwrap().clone();
        assert_eq!(page["numberReturned"], features.len());
        assert!(!page.to_string().contains('王'), "{page}");
        doors.extend(features);
        match link(&page, "next") {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(doors.len(), 4);
    let (_, one) = node.fetch(&format!("/ogc/collections/dwellings/items/{}", doors[0]["id"].as_str().unwrap())).await;
    assert_eq!((&one["type"], &one["properties"]), (&json!("Feature"), &doors[0]["properties"]), "{one}");
    for (collection, count) in
        [("dwellings", 1), ("devices", 1), ("units", 1), ("tracks", 1), ("cases", 0), ("grids", 0)]
    {
        let path = format!("/ogc/collections/{collection}/items?bbox=116.315,39.7,116.325,39.8");
        let (_, page) = node.fetch(&with_reason(&path)).await;
        assert_eq!(page["numberReturned"], count, "{collection}: {page}");
    }
    let (_, elsewhere) = node.fetch("/ogc/collections/units/items?bbox=1,2,3,4").await;
    assert_eq!(elsewhere["features"], json!([]));
    let (_, units) = node.fetch("/ogc/collections/units/items?datetime=../2020-01-01T00:00:00Z").await;
    assert_eq!(units["features"], json!([]));
    let (_, elsewhere) = node.fetch("/ogc/collections/dwellings/items?region=110115005002").await;
    assert_eq!(elsewhere["features"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_standard_does_not_allow_is_refused_as_a_problem() {
    let node = Node::start().await;
    for (path, status, expected) in [
        ("/ogc/collections/nothing", StatusCode::NOT_FOUND, "not_found"),
        ("/ogc/collections/nothing/items", StatusCode::NOT_FOUND, "not_found"),
        ("/ogc/collections/cases/items/zz", StatusCode::NOT_FOUND, "not_found"),
        ("/ogc/collections/units/items/zz", StatusCode::NOT_FOUND, "not_found"),
        ("/ogc/collections/cases/items?bbox=1,2,3", StatusCode::BAD_REQUEST, "query"),
        ("/ogc/collections/cases/items?datetime=yesterday", StatusCode::BAD_REQUEST, "query"),
        ("/ogc/collections/cases/items?limit=0", StatusCode::BAD_REQUEST, "query"),
        ("/ogc/collections/cases/items?after=nonsense", StatusCode::BAD_REQUEST, "cursor"),
        ("/ogc/collections/cases/items?colour=red", StatusCode::BAD_REQUEST, "query"),
        ("/ogc/collections/units/items?region=110115", StatusCode::BAD_REQUEST, "query"),
        ("/ogc/collections/units/items?after=nonsense", StatusCode::BAD_REQUEST, "cursor"),
        ("/ogc/collections/tracks/items", StatusCode::FORBIDDEN, "reason_missing"),
        ("/ogc/collections/tracks/items/zz", StatusCode::FORBIDDEN, "reason_missing"),
        ("/ogc/collections/tracks/items/zz?reason=why", StatusCode::NOT_FOUND, "not_found"),
        ("/ogc/collections/tracks/items?reason=%20", StatusCode::BAD_REQUEST, "reason_empty"),
        ("/ogc/collections/tracks/items?reveal=why", StatusCode::BAD_REQUEST, "query"),
        ("/ogc/collections/tracks/items?reason=why&after=nonsense", StatusCode::BAD_REQUEST, "cursor"),
        ("/ogc?colour=red", StatusCode::BAD_REQUEST, "query"),
        ("/ogc/conformance?colour=red", StatusCode::BAD_REQUEST, "query"),
    ] {
        let (found, answer) = node.fetch(path).await;
        assert_eq!((found, code(&answer)), (status, expected), "{path}: {answer}");
        assert_eq!(node.kind_of(path).await, (status, "application/problem+json".to_owned()), "{path}");
        assert_eq!(answer["type"], "about:blank", "{answer}");
        let title = status.canonical_reason().unwrap();
        assert_eq!((&answer["status"], &answer["title"]), (&json!(status.as_u16()), &json!(title)), "{answer}");
        let detail = answer["detail"].as_str().unwrap();
        assert!(detail.contains(answer["message_zh"].as_str().unwrap()), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_of_what_there_is() {
    let node = Node::start().await;
    node.mapped().await;
    let (_, described) = node.fetch("/ogc/api").await;
    let base =
        described["servers"][0]["url"].as_str().unwrap().strip_prefix("http://127.0.0.1:8470").unwrap().to_owned();
    let paths = described["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 4 + 3 * 8);
    for (path, operations) in paths {
        let path = format!("{base}{}", path.replace("{id}", &"0".repeat(32)));
        let asks_why = path.contains("/tracks/items");
        let (status, answer) = node.fetch(&with_reason(&path)).await;
        let is_there = if path.ends_with('0') { StatusCode::NOT_FOUND } else { StatusCode::OK };
        assert_eq!(status, is_there, "{path}: {answer}");
        for parameter in operations["get"]["parameters"].as_array().unwrap() {
            let (name, value) = match parameter["name"].as_str().unwrap() {
                "bbox" => ("bbox", "116,39,117,40"),
                "datetime" => ("datetime", "../2030-01-01T00:00:00Z"),
                "region" => ("region", "110115"),
                "limit" => ("limit", "1000"),
                "reason" => {
                    assert_eq!(parameter["required"], asks_why, "{path}");
                    ("reason", "why")
                }
                "after" | "id" => continue,
                other => panic!("{other}"),
            };
            let (status, answer) = node.fetch(&with_reason(&format!("{path}?{name}={value}"))).await;
            assert_eq!(status, is_there, "{path} {name}: {answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tracks_are_lines_with_times_by_pages_and_each_page_is_noted_before_it_is_sent() {
    let node = Node::start().await;
    let day = 86_400_000;
    let start = (now().cast_signed() - 5 * day) / day * day;
    for number in 0..3 {
        let west = 116.30 + number as f64 * 0.01;
        node.track(REGION, start + number * day, &[(39.72, west), (39.72, west + 0.005), (39.721, west + 0.005)]).await;
    }
    node.fetch("/v1/members").await;
    let noted = async || node.fetch("/v1/reveals").await.1["rows"].as_array().unwrap().clone();
    let items = "/ogc/collections/tracks/items";
    assert_eq!(node.fetch(items).await.0, StatusCode::FORBIDDEN);
    assert!(noted().await.is_empty(), "nothing was shown");

    let (mut path, mut tracks, mut pages) = (format!("{items}?limit=2&reason=%E5%A4%8D%E6%A0%B8"), vec![], 0);
    loop {
        let (status, page) = node.fetch(&path).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        let shown = page["features"].as_array().unwrap().clone();
        pages += 1;
        let reveals = noted().await;
        let ids: Vec<&Value> = shown.iter().map(|feature| &feature["id"]).collect();
        assert_eq!((reveals.len(), &reveals[pages - 1]["documents"]), (pages, &json!(ids)), "each page by itself");
        assert_eq!((&reveals[pages - 1]["kind"], &reveals[pages - 1]["reason"]), (&json!("track"), &json!("复核")));
        tracks.extend(shown);
        match link(&page, "next") {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!((tracks.len(), pages), (3, 2));
    let lines: Vec<&Value> = tracks.iter().map(|track| &track["geometry"]).collect();
    assert!(
        lines.iter().all(|line| line["type"] == "LineString" && line["coordinates"].as_array().unwrap().len() == 3)
    );
    let times = tracks[0]["properties"]["coordinateProperties"]["times"].as_array().unwrap();
    assert_eq!((times.len(), &times[0]), (3, &tracks[0]["properties"]["from"]), "{}", tracks[0]);

    let found = async |query: &str| {
        let (_, page) = node.fetch(&format!("{items}?reason=why&{query}")).await;
        page["numberReturned"].as_u64().unwrap()
    };
    assert_eq!(found("bbox=116.302,39.7195,116.303,39.7205").await, 1, "between two points of the first");
    assert_eq!(found("bbox=116.301,39.7205,116.302,39.7208").await, 0, "in its box, but not on its line");
    assert_eq!(found("bbox=116.312,39.71,116.36,39.73").await, 2);
    let at = |ms: i64| crate::moment::Moment(ms).to_string().replace('+', "%2B");
    assert_eq!(found(&format!("datetime={}", at(start + 5_000))).await, 1, "while it was on its way");
    assert_eq!(found(&format!("datetime={}/{}", at(start + 20_000), at(start + day))).await, 2, "both ends");
    assert_eq!(found(&format!("datetime={}/{}", at(start + 21_000), at(start + day - 1_000))).await, 0);
    assert_eq!((found("region=110115").await, found("region=110115005002").await), (3, 0));
    let (_, one) = node.fetch(&format!("{items}/{}?reason=why", tracks[1]["id"].as_str().unwrap())).await;
    assert_eq!((&one["geometry"], &one["properties"]), (&tracks[1]["geometry"], &tracks[1]["properties"]));
}
