//! Lists as files, and order sheets.

use std::io::Cursor;

use super::*;

impl Node {
    async fn file(&self, path: &str) -> (StatusCode, String, Vec<u8>) {
        let answer = self.router.clone().oneshot(self.request("GET", path, Body::empty())).await.unwrap();
        let status = answer.status();
        let kind = answer.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
        (status, kind, to_bytes(answer.into_body(), 64 << 20).await.unwrap().to_vec())
    }

    pub(super) async fn reported(&self, place: &str, lat: f64) {
        let report = json!({ "source": "patrol", "place": place, "description": "垃圾", "position": { "lat": lat, "lon": 116.32 } });
        let case = json!({ "actor": { "by": "xc-1", "role": "inspector" }, "region": REGION, "report": report });
        assert_eq!(self.post("/v1/cases", &case).await.0, StatusCode::CREATED);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_goes_out_whole_and_with_its_filters() {
    let node = Node::start().await;
    for place in ["村东", "=HYPERLINK(1)", "村西"] {
        node.reported(place, 39.7).await;
    }
    let accept = json!({ "actor": { "by": "sly-1", "role": "intake_clerk" }, "action": "accept" });
    node.fetch("/v1/members").await;
    let (_, listed) = node.fetch("/v1/cases?text=%E6%9D%91%E8%A5%BF").await;
    let id = listed["rows"][0]["document"].as_str().unwrap_or_else(|| panic!("{listed}"));
    assert_eq!(node.post(&format!("/v1/cases/{id}/actions"), &accept).await.0, StatusCode::OK);
    let (status, kind, bytes) = node.file("/v1/export/cases").await;
    assert_eq!((status, kind.as_str()), (StatusCode::OK, "text/csv; charset=utf-8"));
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(text.lines().count(), 4, "{text}");
    assert!(text.contains("'=HYPERLINK(1)") && text.contains("待受理") && text.contains("网格巡查"), "{text}");
    let (_, _, bytes) = node.file("/v1/export/cases?state=accepted&format=csv").await;
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.lines().count() == 2 && text.contains("村西"), "{text}");
    let (_, _, bytes) = node.file("/v1/export/cases?format=xlsx").await;
    let mut book: calamine::Xlsx<_> = calamine::open_workbook_from_rs(Cursor::new(bytes)).unwrap();
    let sheet = calamine::Reader::worksheet_range(&mut book, "案卷").unwrap();
    assert_eq!(sheet.height(), 4);
    let (_, kind, bytes) = node.file("/v1/export/cases?format=geojson").await;
    let map: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!((kind.as_str(), map["features"].as_array().map(Vec::len)), ("application/geo+json", Some(3)));
    let (_, _, bytes) = node.file("/v1/export/cases?format=gpx&open=true").await;
    assert_eq!(String::from_utf8(bytes).unwrap().matches("<wpt").count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_can_be_had_and_a_wrong_request_is_told() {
    let node = Node::start().await;
    let household = node.household("幸福路1号").await;
    let inspection =
        json!({ "household": household, "by": "xc-1", "time_ms": now(), "checklist": 2, "answers": { "1": "hazard" } });
    assert_eq!(node.post("/v1/inspections", &inspection).await.0, StatusCode::CREATED);
    node.fetch("/v1/members").await;
    for list in crate::ledger::ListKind::ALL {
        for format in list.formats() {
            let (status, kind, bytes) =
                node.file(&format!("/v1/export/{}?format={}", list.name(), format.name())).await;
            assert_eq!((status, kind.as_str()), (StatusCode::OK, format.media_type()), "{list:?}");
            assert!(!bytes.is_empty(), "{list:?}");
        }
    }
    let (_, _, bytes) = node.file(&format!("/v1/export/inspections?region={REGION}")).await;
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.lines().count() == 2 && text.contains("xc-1"), "{text}");
    let (_, _, bytes) = node.file("/v1/export/inspections?region=110115005002").await;
    assert_eq!(String::from_utf8(bytes).unwrap().lines().count(), 1, "another village's");
    for (path, status, wanted) in [
        ("/v1/export/weather", StatusCode::NOT_FOUND, "not_found"),
        ("/v1/export/orders?format=gpx", StatusCode::BAD_REQUEST, "format"),
        ("/v1/export/cases?format=pdf", StatusCode::BAD_REQUEST, "format"),
        ("/v1/export/cases?grade=major", StatusCode::BAD_REQUEST, "query"),
        ("/v1/export/cases?limit=5", StatusCode::BAD_REQUEST, "query"),
        ("/v1/export/regions?region=110115005001", StatusCode::BAD_REQUEST, "query"),
        ("/v1/export/cases?bbox=1", StatusCode::BAD_REQUEST, "bbox"),
        ("/v1/export/grids?limit=5", StatusCode::BAD_REQUEST, "query"),
        ("/v1/export/grids?format=gpx", StatusCode::BAD_REQUEST, "format"),
        ("/v1/export/grids?kind=sea", StatusCode::BAD_REQUEST, "query"),
        ("/v1/export/conflicts?reveal=%20", StatusCode::BAD_REQUEST, "reason_empty"),
        ("/v1/export/scores", StatusCode::BAD_REQUEST, "query"),
        ("/v1/export/hot-spots?from_ms=5&until_ms=5", StatusCode::BAD_REQUEST, "period"),
    ] {
        let (found, answer) = node.fetch(path).await;
        assert_eq!((found, code(&answer)), (status, wanted), "{path}: {answer}");
    }
}

/// What the path of a list wants to know.
fn wanted(path: &str) -> &'static str {
    match path {
        "/v1/scores" => "from_ms=1&until_ms=5&role=handler",
        "/v1/scores/cases" => "from_ms=1&until_ms=5&role=handler&subject=cz-1&part=volume",
        "/v1/analysis/trend/cases" => "begin=2026-11-01",
        "/v1/analysis/intervals/cases" => "from_ms=1&until_ms=5&by=team&group=hw-1",
        "/v1/assessment/cases" => "from_ms=1&until_ms=5&figure=due",
        "/v1/assessment" | "/v1/staffing" => "from_ms=1&until_ms=5",
        path if path.starts_with("/v1/analysis/") && path != "/v1/analysis/grids" => "from_ms=1&until_ms=5",
        _ => "",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_api_lists_is_a_file_as_well() {
    let node = Node::start().await;
    for list in crate::ledger::AskedList::all() {
        for format in list.formats() {
            let path = format!("/v1/export/{}?format={}&{}", list.name, format.name(), wanted(list.path));
            let (status, kind, bytes) = node.file(&path).await;
            let said = String::from_utf8_lossy(&bytes);
            assert_eq!((status, kind.as_str()), (StatusCode::OK, format.media_type()), "{path}: {said}");
        }
    }
}

/// No two columns of a file have one title, and each list stands under one name.
#[test]
fn lists_and_columns_have_names_of_their_own() {
    let read = crate::ledger::ListKind::ALL.map(crate::ledger::ListKind::name);
    let asked = crate::ledger::AskedList::all().iter().map(|list| list.name);
    let names: Vec<&str> = read.into_iter().chain(asked).collect();
    assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), names.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_asked_list_goes_out_whole_in_chinese_and_masked() {
    let node = Node::start().await;
    let count = crate::views::MAX_LIMIT as usize + 7;
    let job = move |replica: &mut townmesh_crdt::replica::Replica, now| {
        for number in 0..count {
            let grid = townmesh_crdt::domain::town::Grid {
                region: REGION.parse().ok(),
                code: Some(format!("g-{number:04}")),
                kind: Some(townmesh_crdt::domain::town::GridKind::Village),
                note: Some("找王五 13812345678".into()),
                ..Default::default()
            };
            let writing = townmesh_crdt::command::entity::Writing::Known;
            townmesh_crdt::command::town::record(replica, &grid, writing, now)?;
        }
        Ok(())
    };
    node.engine.record(job).await.unwrap();
    let (_, _, bytes) = node.file("/v1/export/grids").await;
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(text.lines().count(), count + 1, "every page is in it");
    assert!(text.contains("网格编号") && text.contains(",村,") && !text.contains("13812345678"), "{}", &text[..300]);
    let (_, _, bytes) = node.file(&format!("/v1/export/grids?region={REGION}&reveal=check")).await;
    assert!(String::from_utf8(bytes).unwrap().contains("13812345678"));
    let (_, noted) = node.fetch("/v1/reveals").await;
    assert_eq!(
        (&noted["rows"][0]["kind"], &noted["rows"][0]["reason"]),
        (&json!("export"), &json!("check")),
        "{noted}"
    );
    let (_, _, bytes) = node.file("/v1/export/access-log?format=csv").await;
    assert_eq!(String::from_utf8(bytes).unwrap().lines().count(), 2);
    let (_, _, bytes) = node.file("/v1/export/grids?region=110115006").await;
    assert_eq!(String::from_utf8(bytes).unwrap().lines().count(), 1, "its own filters hold");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_rows_than_a_page_are_one_file() {
    let node = Node::start().await;
    let count = crate::views::MAX_LIMIT as usize + 7;
    let job = move |replica: &mut townmesh_crdt::replica::Replica, now| {
        for number in 0..count {
            let team = townmesh_crdt::domain::town::Team { code: Some(format!("t-{number:04}")), ..Default::default() };
            let writing = townmesh_crdt::command::entity::Writing::Known;
            townmesh_crdt::command::town::record(replica, &team, writing, now)?;
        }
        Ok(())
    };
    node.engine.record(job).await.unwrap();
    let (_, _, bytes) = node.file("/v1/export/teams").await;
    let text = String::from_utf8(bytes).unwrap();
    let codes: std::collections::BTreeSet<&str> =
        text.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    assert_eq!((text.lines().count(), codes.len()), (count + 1, count));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_printed_with_what_the_unit_needs() {
    let node = Node::start().await;
    let team = json!({ "code": "hw-1", "name": "环卫一队", "phone": "010-61234567" });
    assert_eq!(node.post("/v1/teams", &team).await.0, StatusCode::CREATED);
    let member = json!({ "code": "pq-1", "name": "张三", "phone": "13800001111" });
    assert_eq!(node.post("/v1/members", &member).await.0, StatusCode::CREATED);
    node.dispatched("村东<头>", 600).await;
    let (_, orders) = node.fetch("/v1/orders").await;
    let number = orders["rows"][0]["number"].as_str().unwrap();
    let (status, kind, bytes) = node.file(&format!("/v1/orders/{number}/sheet")).await;
    assert_eq!((status, kind.as_str()), (StatusCode::OK, "text/html; charset=utf-8"));
    let page = String::from_utf8(bytes).unwrap();
    let groups = number.replace('-', "\u{2003}");
    for wanted in [
        groups.as_str(),
        "清运",
        "村东&lt;头&gt;",
        "环卫一队",
        "010-61234567",
        "张三",
        "600 分钟",
        "39.72000",
        "<svg",
        "签收",
    ] {
        assert!(page.contains(wanted), "{wanted}: {page}");
    }
    assert!(!page.contains("<script") && !page.contains("http://") || page.contains("www.w3.org/2000/svg"), "{page}");
    let missing = if number == "000-000-0001" { "000-000-0002" } else { "000-000-0001" };
    assert_ne!(node.file(&format!("/v1/orders/{missing}/sheet")).await.0, StatusCode::OK);
}
