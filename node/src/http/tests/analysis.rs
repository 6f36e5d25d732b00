//! Decision support by HTTP, with how complete it is.

use townmesh_crdt::command::town;
use townmesh_crdt::domain::region::Region;

use super::*;

const PERIOD: &str = "from_ms=0&until_ms=99999999999999";

impl Node {
    /// A rental with two tenants and a hazard, and two cases at one place.
    async fn analysed(&self) -> String {
        let place = json!({ "lat": 39.7354, "lon": 116.331 });
        let tenant = json!({ "kind": "migrant", "personal": { "name": "甲" } });
        let household =
            json!({ "region": REGION, "address": "1号", "usage": "rental", "tenant_limit": 1, "position": place });
        let body = json!({ "household": household, "residents": [tenant, { "kind": "registered" }] });
        let (status, answer) = self.post("/v1/households", &body).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        let id = answer["value"]["document"].as_str().unwrap().to_owned();
        let visit =
            json!({ "household": id, "by": "xc-1", "time_ms": 1, "checklist": 1, "answers": { "4": "hazard" } });
        assert_eq!(self.post("/v1/inspections", &visit).await.0, StatusCode::CREATED);
        let first = self.filed(Some(60)).await;
        self.handled(&first).await;
        let case = self.filed(Some(60)).await;
        self.fetch(&format!("/v1/cases/{case}")).await;
        id
    }

    /// Dispatches a case to a team, which does it.
    async fn handled(&self, case: &str) {
        let act = async |role: &str, action: Value| {
            let body = json!({ "actor": { "by": format!("x-{role}"), "role": role }, "action": action });
            let (status, answer) = self.post(&format!("/v1/cases/{case}/actions"), &body).await;
            assert_eq!(status, StatusCode::OK, "{answer}");
            answer["value"]["event"].clone()
        };
        let orders = json!([{ "team": "a", "task": "清运" }]);
        let event = act("dispatcher", json!({ "dispatch": { "orders": orders, "lead": 0 } })).await;
        let order = json!({ "event": event, "index": 0 });
        act("handler", json!({ "order_done": { "order": order, "result": "已清运", "photos": [] } })).await;
        act("handler", json!({ "lead_close": { "team": "a", "summary": "已清运" } })).await;
    }

    async fn analysis(&self, path: &str) -> Value {
        let (status, answer) = self.fetch(&format!("/v1/analysis/{path}")).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        // Nobody else writes in this town.
        let complete = &answer["completeness"];
        assert!(complete["complete_to_ms"].is_i64() && complete["except"] == json!([]), "{path}: {answer}");
        answer
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_says_how_complete_it_is() {
    let node = Node::start().await;
    let household = node.analysed().await;
    let spots = node.analysis(&format!("hot-spots?{PERIOD}")).await;
    assert_eq!((&spots["rows"][0]["hazards"], &spots["unplaced"]["cases"]), (&json!(1), &json!(2)));
    assert_eq!(spots["hours"].as_array().unwrap().len(), 168);
    let square = spots["rows"][0]["square"].as_str().unwrap();
    for (of, count) in [("hazards", 1), ("alarms", 0)] {
        let there = node.analysis(&format!("hot-spots?{PERIOD}&of={of}&square={square}&limit=5")).await;
        assert_eq!(there["rows"].as_array().unwrap().len(), count, "{of}");
    }
    let back = node.analysis(&format!("recurrence?{PERIOD}&by=category")).await;
    assert_eq!((&back["rows"][0]["count"], &back["rows"][0]["by"]), (&json!(2), &json!("words")));
    assert_eq!(back["causes"][0]["key"], "exposed_rubbish");
    assert!(back["causes"][0]["name"].is_string(), "{back}");
    let hazards = node.analysis(&format!("hazards?{PERIOD}&by=region&region={REGION}")).await;
    assert_eq!((&hazards["total"]["found"], &hazards["groups"][0]["inspected_share"]), (&json!(1), &json!(100.0)));
    assert!(hazards["judged_to"][REGION].is_i64(), "{hazards}");
    let people = node.analysis(&format!("population?{PERIOD}")).await;
    assert_eq!((&people["total"]["people"], &people["total"]["over_limit"]), (&json!(2), &json!(1)));
    let migrants = node.analysis(&format!("population?{PERIOD}&kind=migrant")).await;
    assert_eq!(migrants["total"]["people"], 1);
    let now = spots["now_ms"].as_i64().unwrap();
    let trend = node.analysis(&format!("trend?from_ms={}&until_ms={}&step=week", now - 1, now + 1)).await;
    assert_eq!((&trend["total"]["count"], &trend["rows"][0]["group"]), (&json!(2), &json!("exposed_rubbish")));
    assert_eq!(trend["total"]["points"].as_array().unwrap().last().unwrap()["complete"], false);
    let begin = trend["total"]["points"].as_array().unwrap().last().unwrap()["begin"].as_str().unwrap();
    let square = format!("square={}", spots["rows"][0]["square"].as_str().unwrap());
    for (path, count) in [
        (format!("trend/cases?begin={begin}&step=week"), 2),
        (format!("trend/cases?begin={begin}&step=week&source=video"), 0),
        (format!("trend/cases?begin={begin}&step=week&category=exposed_rubbish&limit=1"), 1),
        (format!("hot-spots/cases?{PERIOD}&{square}"), 0),
    ] {
        let (status, listed) = node.fetch(&format!("/v1/analysis/{path}")).await;
        assert_eq!(
            (status, listed["rows"].as_array().map(Vec::len)),
            (StatusCode::OK, Some(count)),
            "{path}: {listed}"
        );
    }
    let proposals = node.analysis(&format!("proposals?{PERIOD}&days=30")).await;
    assert_eq!((&proposals["rows"], &proposals["unplaced"]), (&json!([]), &json!(2)));
    assert!(!spots.to_string().contains(&household), "squares name nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_by_name() {
    let node = Node::start().await;
    let region = Region { code: REGION.parse().ok(), name: Some("一村".into()), ..Region::default() };
    let import =
        move |replica: &mut townmesh_crdt::replica::Replica, now| town::import_regions(replica, &[region], now);
    node.engine.record(import).await.unwrap();
    node.fetch("/v1/members").await;
    for path in ["hot-spots", "recurrence", "hazards", "population", "trend", "proposals"] {
        for (query, code) in [
            ("from_ms=5&until_ms=5", "period"),
            ("from_ms=6&until_ms=5", "period"),
            ("from_ms=5", "query"),
            ("from_ms=1&until_ms=5&region=x", "query"),
            ("from_ms=1&until_ms=5&region=110115005009", "region_unknown"),
            ("from_ms=1&until_ms=5&weather=fine", "query"),
        ] {
            let (status, answer) = node.fetch(&format!("/v1/analysis/{path}?{query}")).await;
            assert_eq!((status, self::code(&answer)), (StatusCode::BAD_REQUEST, code), "{path} {query}: {answer}");
        }
        for known in [REGION, "110115005", "110115"] {
            let (status, answer) =
                node.fetch(&format!("/v1/analysis/{path}?from_ms=1&until_ms=5&region={known}")).await;
            assert_eq!(status, StatusCode::OK, "{path} {known}: {answer}");
        }
    }
    for (path, code) in [
        ("hot-spots?from_ms=1&until_ms=5&of=weather", "query"),
        ("hot-spots?from_ms=1&until_ms=5&of=hazards&category=order", "of"),
        ("hot-spots?from_ms=1&until_ms=5&of=cases&device_kind=smoke", "of"),
        ("hot-spots?from_ms=1&until_ms=5&of=alarms&category=order", "of"),
        ("hot-spots?from_ms=1&until_ms=5&square=91,0", "square"),
        ("recurrence?from_ms=1&until_ms=5&days=0", "days"),
        ("recurrence?from_ms=1&until_ms=5&days=3654", "days"),
        ("recurrence?from_ms=1&until_ms=5&by=weather", "query"),
        ("proposals?from_ms=1&until_ms=5&days=0", "days"),
        ("hazards?from_ms=1&until_ms=5&by=weather", "query"),
        ("population?from_ms=1&until_ms=5&kind=weather", "query"),
        ("trend?from_ms=1&until_ms=5&step=year", "query"),
        ("trend?from_ms=0&until_ms=34560000001", "period"),
        ("trend?from_ms=1&until_ms=5&by=device&category=order", "by"),
        ("trend/cases?begin=2026-13-01", "query"),
        ("trend/cases?begin=2026-11-01&source=weather", "query"),
        ("hot-spots/cases?from_ms=5&until_ms=5", "period"),
        ("hot-spots/cases?from_ms=1&until_ms=5&hour=24", "hour"),
        ("hot-spots/cases?from_ms=1&until_ms=5&weekday=0", "hour"),
        ("intervals/cases?from_ms=1&until_ms=5", "query"),
        ("trend?from_ms=0&until_ms=9223372036854775807&step=month", "period"),
    ] {
        let (status, answer) = node.fetch(&format!("/v1/analysis/{path}")).await;
        assert_eq!((status, self::code(&answer)), (StatusCode::BAD_REQUEST, code), "{path}: {answer}");
        assert!(answer["message_zh"].is_string() && answer["message_en"].is_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_time_can_be_asked_for() {
    let node = Node::start().await;
    for path in ["hot-spots", "recurrence", "hazards", "population", "proposals"] {
        for (from, until) in [(i64::MIN, i64::MAX), (i64::MIN, i64::MIN + 1), (i64::MAX - 1, i64::MAX), (-5, 5)] {
            let (status, answer) = node.fetch(&format!("/v1/analysis/{path}?from_ms={from}&until_ms={until}")).await;
            assert_eq!(status, StatusCode::OK, "{path} {from} {until}: {answer}");
        }
    }
    for from in [i64::MIN, -5, i64::MAX - 1, 253_402_300_799_999] {
        for step in ["day", "week", "month"] {
            let path = format!("/v1/analysis/trend?from_ms={from}&until_ms={}&step={step}", from + 1);
            let (status, answer) = node.fetch(&path).await;
            assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_division_is_proposed_and_recorded_as_it_was_proposed() {
    let node = Node::start().await;
    for number in 0..120 {
        let place =
            json!({ "lat": 39.70 + f64::from(number % 10) * 1e-4, "lon": 116.30 + f64::from(number / 10) * 1e-4 });
        let household = json!({ "region": REGION, "address": format!("{number}号"), "position": place });
        assert_eq!(node.post("/v1/households", &json!({ "household": household })).await.0, StatusCode::CREATED);
    }
    node.household("无处").await;
    let mark = json!({ "region": REGION, "code": "p01", "kind": "community" });
    assert_eq!(node.post("/v1/grids", &mark).await.0, StatusCode::CREATED);
    node.fetch("/v1/members").await;
    let path = "/v1/analysis/grids/proposal";
    let (status, proposal) = node.fetch(&format!("{path}?region={REGION}&kind=village")).await;
    assert_eq!(status, StatusCode::OK, "{proposal}");
    assert_eq!((&proposal["type"], &proposal["keeps_rule"]), (&json!("FeatureCollection"), &json!(true)), "{proposal}");
    assert_eq!((&proposal["households"], &proposal["unplaced"]), (&json!(120), &json!(1)), "{proposal}");
    let grids = proposal["features"].as_array().unwrap();
    let told: Vec<_> =
        grids.iter().map(|grid| (&grid["properties"]["code"], &grid["properties"]["households"])).collect();
    assert_eq!(told, [(&json!("P02"), &json!(60)), (&json!("P03"), &json!(60))], "P01 is taken: {proposal}");
    for grid in grids {
        let ring = grid["geometry"]["coordinates"][0].as_array().unwrap();
        assert_eq!((ring.len(), ring.first()), (5, ring.last()), "{grid}");
        let corner = |place: &Value| json!({ "lat": place[1], "lon": place[0] });
        let polygon: Vec<Value> = ring.iter().skip(1).map(corner).collect();
        let properties = &grid["properties"];
        let record = json!({ "region": properties["region"], "code": properties["code"], "kind": properties["kind"], "polygon": polygon });
        assert_eq!(node.post("/v1/grids", &record).await.0, StatusCode::CREATED);
    }
    node.fetch("/v1/members").await;
    let (_, plan) = node.fetch(&format!("/v1/analysis/grids?region={REGION}")).await;
    assert_eq!((&plan["overlaps"], &plan["uncovered"]), (&json!([]), &json!({})), "{plan}");
    let kept: Vec<_> =
        plan["grids"].as_array().unwrap().iter().map(|grid| (&grid["households"], &grid["fit"])).collect();
    assert_eq!(&kept[..2], [(&json!(60), &json!("fits")), (&json!(60), &json!("fits"))], "{plan}");
    let (_, empty) = node.fetch(&format!("{path}?region=110115005002")).await;
    assert_eq!((&empty["features"], &empty["households"]), (&json!([]), &json!(0)), "{empty}");
    let (_, fields) = node.fetch(&format!("{path}?region={REGION}&kind=outside")).await;
    assert_eq!((&fields["keeps_rule"], &fields["most_hectares"]), (&json!(true), &json!(20)), "{fields}");
    let no_rule = json!({ "rows": [{ "kind": "park", "most_hectares": 20, "retired": true }] });
    assert_eq!(node.post("/v1/tables/grid_rule", &no_rule).await.0, StatusCode::OK);
    for (query, status, wanted) in [
        ("", StatusCode::BAD_REQUEST, "query"),
        ("region=110115005", StatusCode::BAD_REQUEST, "region"),
        (&format!("region={REGION}&kind=park"), StatusCode::CONFLICT, "no_grid_rule"),
    ] {
        let (found, answer) = node.fetch(&format!("{path}?{query}")).await;
        assert_eq!((found, code(&answer)), (status, wanted), "{answer}");
    }
}
