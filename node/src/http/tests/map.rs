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
        self.fetch("/v1/members").await;
    }

    async fn kind_of(&self, path: &str) -> (StatusCode, String) {
        let answer = self.router.clone().oneshot(self.request("GET", path, Body::empty())).await.unwrap();
        (answer.status(), answer.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned())
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
        let (status, answer) = node.fetch(&path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        let collections = answer["collections"].as_array().into_iter().flatten();
        for holder in collections.chain([&answer]) {
            for link in holder["links"].as_array().into_iter().flatten() {
                let href = link["href"].as_str().unwrap().strip_prefix("http://127.0.0.1:8470").unwrap().to_owned();
                assert_eq!(
                    node.kind_of(&href).await,
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
    for (collection, count) in [("dwellings", 1), ("devices", 1), ("units", 1), ("cases", 0), ("grids", 0)] {
        let path = format!("/ogc/collections/{collection}/items?bbox=116.315,39.7,116.325,39.8");
        let (_, page) = node.fetch(&path).await;
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
    assert_eq!(paths.len(), 4 + 3 * 7);
    for (path, operations) in paths {
        let path = format!("{base}{}", path.replace("{id}", &"0".repeat(32)));
        let (status, answer) = node.fetch(&path).await;
        let is_there = if path.ends_with('0') { StatusCode::NOT_FOUND } else { StatusCode::OK };
        assert_eq!(status, is_there, "{path}: {answer}");
        for parameter in operations["get"]["parameters"].as_array().unwrap() {
            let (name, value) = match parameter["name"].as_str().unwrap() {
                "bbox" => ("bbox", "116,39,117,40"),
                "datetime" => ("datetime", "../2030-01-01T00:00:00Z"),
                "region" => ("region", "110115"),
                "limit" => ("limit", "1000"),
                "after" | "id" => continue,
                other => panic!("{other}"),
            };
            let (status, answer) = node.fetch(&format!("{path}?{name}={value}")).await;
            assert_eq!(status, StatusCode::OK, "{path} {name}: {answer}");
        }
    }
}
