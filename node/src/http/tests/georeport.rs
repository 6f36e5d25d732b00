//! Reports of the public by GeoReport v2.

use super::*;

impl Node {
    /// Sends a form; status, media type, text.
    async fn form(&self, path: &str, form: &str, key: Option<&str>) -> (StatusCode, String, String) {
        let mut request = self.request("POST", path, form.to_owned());
        request.headers_mut().insert(header::CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap());
        if let Some(key) = key {
            request.headers_mut().insert("idempotency-key", key.parse().unwrap());
        }
        self.text(request).await
    }

    async fn text(&self, request: Request<Body>) -> (StatusCode, String, String) {
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (status, kind) = (answer.status(), answer.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned());
        let bytes = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, kind, String::from_utf8(bytes.to_vec()).unwrap())
    }

    /// A grid of one village around a place, so that a place says the village.
    async fn grid(&self, code: &str, region: &str, south: f64) {
        let corner = |latitude: f64, longitude: f64| json!({ "lat": latitude, "lon": longitude });
        let north = south + 0.01;
        let polygon = [corner(south, 116.3), corner(south, 116.31), corner(north, 116.31), corner(north, 116.3)];
        let grid = json!({ "region": region, "code": code, "kind": "village", "polygon": polygon });
        let (status, answer) = self.post("/v1/grids", &grid).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        self.fetch("/v1/members").await;
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_public_reports_becomes_a_case_and_can_be_asked_for() {
    let node = Node::start().await;
    node.grid("g1", REGION, 39.70).await;
    let (_, services) = node.fetch("/georeport/v2/services.json").await;
    let codes: Vec<&str> = services.as_array().unwrap().iter().filter_map(|one| one["service_code"].as_str()).collect();
    assert!(codes.contains(&"wiring") && !codes.contains(&"device"), "{codes:?}");
    let form = "service_code=wiring&lat=39.705&long=116.305&last_name=%E7%8E%8B&first_name=%E5%B0%8F%E6%98%8E&\
                phone=13800138000&description=%E9%A3%9E%E7%BA%BF%EF%BC%8C13912345678&email=a%40b.c&device_id=9";
    let (status, _, text) = node.form("/georeport/v2/requests.json", form, Some("k1")).await;
    assert_eq!(status, StatusCode::CREATED, "{text}");
    let id = parsed(&text)[0]["service_request_id"].as_str().unwrap().to_owned();
    let (status, _, again) = node.form("/georeport/v2/requests.json", form, Some("k1")).await;
    assert_eq!((status, parsed(&again)[0]["service_request_id"].as_str()), (StatusCode::CREATED, Some(id.as_str())));
    let (_, case) = node.fetch(&format!("/v1/cases/{id}")).await;
    assert_eq!((&case["source"], &case["region"]), (&json!("public"), &json!(REGION)), "{case}");
    assert_eq!(case["reporter"]["data"], json!({ "name": "王*", "phone": "138****8000" }), "{case}");
    // One report of another source: the public does not see it.
    let patrol = json!({
        "actor": { "by": "xc-1", "role": "inspector" }, "region": REGION,
        "report": { "source": "patrol", "place": "村口", "description": "垃圾" },
    });
    assert_eq!(node.post("/v1/cases", &patrol).await.0, StatusCode::CREATED);
    let (_, all) = node.fetch("/georeport/v2/requests.json").await;
    assert_eq!(all.as_array().map(Vec::len), Some(1), "{all}");
    let (_, one) = node.fetch(&format!("/georeport/v2/requests/{id}.json")).await;
    assert_eq!(one, all);
    let one = &one[0];
    assert_eq!(
        (&one["status"], &one["service_name"], &one["lat"]),
        (&json!("open"), &json!("用电隐患"), &json!(39.705))
    );
    assert_eq!(one["description"], "飞线，139****5678");
    assert!(!one.to_string().contains("小明") && !one.to_string().contains("13800138000"), "{one}");
    let number = one["service_notice"].as_str().unwrap().split_whitespace().nth(1).unwrap().to_owned();
    let (_, by_number) = node.fetch(&format!("/georeport/v2/requests/{number}.json")).await;
    assert_eq!(by_number[0]["service_request_id"], id);
    let (_, kind, xml) = node.text(node.request("GET", "/georeport/v2/requests.xml", Body::empty())).await;
    assert_eq!(kind, "text/xml; charset=utf-8");
    assert!(xml.contains(&format!("<service_request_id>{id}</service_request_id>")), "{xml}");
    for (query, count) in [
        ("status=open", 1),
        ("status=closed", 0),
        ("service_code=wiring,gas", 1),
        ("service_code=gas", 0),
        ("end_date=2020-01-01T00:00:00Z", 0),
        ("jurisdiction_id=110115005002", 0),
        ("page=2", 0),
        ("page_size=1", 1),
    ] {
        let (_, found) = node.fetch(&format!("/georeport/v2/requests.json?{query}")).await;
        assert_eq!(found.as_array().map(Vec::len), Some(count), "{query}: {found}");
    }
    let refuse =
        json!({ "actor": { "by": "sly-1", "role": "intake_clerk" }, "action": { "refuse": { "reason": "不属实" } } });
    assert_eq!(node.post(&format!("/v1/cases/{id}/actions"), &refuse).await.0, StatusCode::OK);
    let (_, closed) = node.fetch("/georeport/v2/requests.json?status=closed").await;
    assert_eq!(closed[0]["status_notes"], "不予受理 / refused", "{closed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_says_its_village_or_lies_in_one() {
    let node = Node::start().await;
    node.grid("g1", REGION, 39.70).await;
    node.grid("g2", "110115005002", 39.705).await;
    let door = node.household("幸福路1号").await;
    node.fetch("/v1/members").await;
    let common = "service_code=gas&description=x&address_string=%E6%9D%91%E5%8F%A3";
    for (place, region) in [
        ("lat=39.701&long=116.305", Ok(REGION)),
        ("lat=39.713&long=116.305", Ok("110115005002")),
        ("lat=39.707&long=116.305", Err("region_unclear")),
        ("lat=39.9&long=116.305", Err("region_unclear")),
        ("", Err("region_unclear")),
        ("lat=39.9&long=116.305&jurisdiction_id=110115005002", Ok("110115005002")),
        (&format!("address_id={door}"), Ok(REGION)),
        ("address_id=nobody", Err("not_found")),
        ("lat=139.9&long=116.305", Err("query")),
        ("lat=a&long=b", Err("query")),
        ("jurisdiction_id=village", Err("query")),
    ] {
        let (status, _, text) = node.form("/georeport/v2/requests.json", &format!("{common}&{place}"), None).await;
        let answer = parsed(&text);
        match region {
            Ok(region) => {
                assert_eq!(status, StatusCode::CREATED, "{place}: {text}");
                let id = answer[0]["service_request_id"].as_str().unwrap();
                assert_eq!(node.fetch(&format!("/v1/cases/{id}")).await.1["region"], region, "{place}");
            }
            Err(code) => {
                assert_eq!(answer[0]["error"], code, "{place}: {text}");
                assert_eq!(answer[0]["code"], status.as_u16(), "{place}: {text}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_reports_are_refused_as_the_standard_says() {
    let node = Node::start().await;
    let place = format!("jurisdiction_id={REGION}&address_string=a");
    for (form, status, error) in [
        (format!("{place}&description=x"), StatusCode::BAD_REQUEST, "query"),
        (format!("{place}&service_code=device&description=x"), StatusCode::NOT_FOUND, "not_found"),
        (format!("{place}&service_code=nonsense&description=x"), StatusCode::NOT_FOUND, "not_found"),
        (format!("{place}&service_code=gas"), StatusCode::BAD_REQUEST, "blank"),
        (format!("{place}&service_code=gas&description=x&phone=12"), StatusCode::BAD_REQUEST, "phone"),
        (
            "service_code=gas&description=x&jurisdiction_id=990115005001&address_string=a".into(),
            StatusCode::BAD_REQUEST,
            "unknown_namespace",
        ),
    ] {
        let (found, _, text) = node.form("/georeport/v2/requests.json", &form, None).await;
        let answer = parsed(&text);
        assert_eq!((found, &answer[0]["error"]), (status, &json!(error)), "{form}: {text}");
        let (_, kind, xml) = node.form("/georeport/v2/requests.xml", &form, None).await;
        assert!(kind.starts_with("text/xml") && xml.contains("<errors><error>"), "{xml}");
    }
    let long = "x".repeat(201);
    let (status, _, text) =
        node.form("/georeport/v2/requests.json", &format!("{place}&service_code=gas&description=x"), Some(&long)).await;
    assert_eq!((status, &parsed(&text)[0]["error"]), (StatusCode::BAD_REQUEST, &json!("idempotency_key")));
    for (path, status) in [
        ("/georeport/v2/requests.json?status=maybe", StatusCode::BAD_REQUEST),
        ("/georeport/v2/requests.json?start_date=yesterday", StatusCode::BAD_REQUEST),
        ("/georeport/v2/requests.json?colour=red", StatusCode::BAD_REQUEST),
        ("/georeport/v2/requests/nonsense.json", StatusCode::BAD_REQUEST),
        ("/georeport/v2/requests/00000000000000000000000000000000.json", StatusCode::NOT_FOUND),
        ("/georeport/v2/requests", StatusCode::NOT_FOUND),
        ("/georeport/v2/tokens.json", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(node.fetch(path).await.0, status, "{path}");
    }
}
