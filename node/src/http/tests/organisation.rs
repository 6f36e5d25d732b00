//! Posts and shifts, campaigns, responses, escalation, grids, contradictions: what follows from books and tables.

use townmesh_crdt::domain::date::Day;

use super::*;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

fn now() -> i64 {
    crate::engine::now().cast_signed()
}

/// A day so many days from today, by the town's clock.
fn day(from_today: i64) -> String {
    Day::of_time(now() + from_today * DAY, 480).to_string()
}

impl Node {
    async fn rows_into(&self, path: &str, rows: Value) {
        let (status, answer) = self.post(path, &json!({ "rows": rows })).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
    }

    async fn member(&self, code: &str, more: Value) {
        let mut member = json!({ "code": code, "region": REGION });
        member.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, answer) = self.post("/v1/members", &member).await;
        assert!(status.is_success(), "{answer}");
    }

    async fn told(&self, path: &str) -> Value {
        let (status, answer) = self.fetch(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        answer
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn posts_are_filled_and_shifts_attended() {
    let node = Node::start().await;
    let start = now() - 10 * HOUR;
    let post = |name: &str, required| json!({ "region": REGION, "post": name, "required": required });
    node.rows_into("/v1/tables/post", json!([post("巡查", 3), post("消防", 1)])).await;
    node.member("xcy-1", json!({ "name": "甲", "post": "巡查" })).await;
    node.member("xcy-2", json!({ "name": "乙", "post": "巡查" })).await;
    node.member("xcy-3", json!({ "name": "丙", "post": "巡查", "retired": true })).await;
    node.member("XCY-4", json!({ "name": "丁", "post": "门卫" })).await;
    let town = json!({ "region": "110115005000", "post": "值班长", "required": 1 });
    node.rows_into("/v1/tables/post", json!([town])).await;
    let (status, answer) = node.post("/v1/members", &json!({ "code": "zb-1", "post": "值班长" })).await;
    assert!(status.is_success(), "{answer}");
    let shift = |member: &str, more: Value| {
        let mut row = json!({ "member": member, "start": start, "end": start + 8 * HOUR, "region": REGION });
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        row
    };
    let shifts = json!([
        shift("xcy-1", json!({ "arrived": start + 12 * MINUTE, "left": start + 8 * HOUR - 30 * MINUTE })),
        shift("xcy-2", json!({})),
        shift("xcy-4", json!({ "arrived": start - 5 * MINUTE })),
    ]);
    node.rows_into("/v1/books/shift", shifts).await;
    let ahead = json!({ "member": "xcy-1", "start": now() + HOUR, "end": now() + 2 * HOUR });
    node.rows_into("/v1/books/shift", json!([ahead])).await;
    let period = format!("from_ms={}&until_ms={}", start - HOUR, now() + DAY);
    let told = node.told(&format!("/v1/staffing?{period}")).await;
    let posts: Vec<_> = told["posts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|post| (&post["post"], &post["filled"], &post["missing"]))
        .collect();
    assert_eq!(
        posts,
        [
            (&json!("值班长"), &json!(1), &json!(0)),
            (&json!("巡查"), &json!(2), &json!(1)),
            (&json!("消防"), &json!(0), &json!(1))
        ],
        "who has no region works for the town"
    );
    assert_eq!(told["undefined"], json!(["门卫"]));
    let person =
        |code: &str| told["people"].as_array().unwrap().iter().find(|one| one["member"] == code).cloned().unwrap();
    let first = person("xcy-1");
    assert_eq!(
        [&first["shifts"], &first["attended"], &first["late"], &first["late_minutes"]],
        [1, 1, 1, 12],
        "{first}"
    );
    assert_eq!([&first["left_early"], &first["planned_minutes"], &first["minutes"]], [1, 480, 438], "{first}");
    let second = person("xcy-2");
    assert_eq!([&second["attended"], &second["missed"], &second["minutes"]], [0, 1, 0], "{second}");
    let fourth = person("XCY-4");
    assert_eq!(
        [&fourth["late"], &fourth["minutes"]],
        [0, 480],
        "who did not say that they went stayed to the end; what lies before is not of it"
    );
    let elsewhere = node.told(&format!("/v1/staffing?{period}&region=110115005002")).await;
    assert_eq!((&elsewhere["posts"], &elsewhere["people"]), (&json!([]), &json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn people_went_as_far_as_their_unit_while_they_were_on_duty() {
    let node = Node::start().await;
    let start = now() - 10 * HOUR;
    let shift = |member: &str, unit: &str| {
        json!({
            "member": member, "start": start, "end": start + 8 * HOUR, "arrived": start + 12 * MINUTE, "unit": unit,
        })
    };
    node.rows_into("/v1/books/shift", json!([shift("xcy-1", "Center"), shift("xcy-2", "vehicle-9")])).await;
    let told = async || {
        let told = node.told(&format!("/v1/staffing?from_ms={}&until_ms={}", start - HOUR, now())).await;
        told["people"].as_array().unwrap().clone()
    };
    assert!(told().await.iter().all(|one| one["metres"].is_null()), "before anything is known, which is not 0");
    // 222 metres before they came, and as many after.
    let north = |from: i64| {
        let point = move |step: i64| json!({ "time_ms": from + step * 1_000, "lat": 39.70 + 0.002 * step as f64 / 100.0, "lon": 116.301 });
        (0..=100).map(point)
    };
    let points: Vec<Value> = north(start + 5 * MINUTE).chain(north(start + HOUR)).collect();
    let (status, answer) = node.post("/v1/tracks", &json!({ "region": REGION, "points": points })).await;
    assert!(status.is_success(), "{answer}");
    node.told("/v1/tracks").await;
    let people = told().await;
    let [first, second] = &people[..] else { panic!("{people:?}") };
    assert!(first["metres"].as_u64().is_some_and(|metres| (215..=225).contains(&metres)), "{first}");
    assert_eq!((&first["tracked_shifts"], &second["tracked_shifts"]), (&json!(1), &json!(0)));
    assert_eq!(second["metres"], Value::Null, "of another unit nothing is known");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_has_a_worklist_and_every_finding_ends_in_a_must() {
    let node = Node::start().await;
    let homes = [node.household("1号").await, node.household("2号").await];
    let shop = json!([{ "region": REGION, "name": "甲店", "kind": "storefront" }, { "region": REGION, "name": "乙校", "kind": "school" }]);
    node.rows_into("/v1/books/enterprise", shop).await;
    let campaign = json!({
        "code": "XD-1", "name": "电动车整治", "tier": "joint", "from": day(-1), "to": day(1), "region": "110115005",
        "uses": "rental,self_occupied", "enterprises": "storefront", "category": "ebike_indoors", "checklist": 1,
    });
    node.rows_into("/v1/books/campaign", json!([campaign])).await;
    let told = node.told("/v1/campaigns/XD-1").await;
    assert_eq!(
        (&told["places"], &told["visited"]),
        (&json!(1), &json!(0)),
        "homes of no known use are none of these: {told}"
    );
    for home in &homes {
        let edit = json!({ "set": { "usage": "rental" } });
        assert!(
            node.send(node.request("PATCH", &format!("/v1/households/{home}"), edit.to_string())).await.0.is_success()
        );
    }
    let shop = node.told("/v1/books/enterprise?filter=kind=storefront").await["rows"][0]["document"].clone();
    let items = node.told("/v1/tables/checklist_item").await;
    let item_of = |checklist: i64| {
        let of = |row: &&Value| row["checklist"] == json!(checklist);
        items["rows"].as_array().unwrap().iter().find(of).unwrap()["code"].to_string()
    };
    // Before the campaign, and by another checklist, are no visits of it.
    for (place, time, checklist) in [
        (json!(homes[0]), now(), 1),
        (shop, now(), 1),
        (json!(homes[1]), now() - 5 * DAY, 1),
        (json!(homes[1]), now(), 2),
    ] {
        let found = if checklist == 1 { "hazard" } else { "ok" };
        let visit = json!({ "household": place, "by": "xcy-1", "time_ms": time, "checklist": checklist, "answers": { item_of(checklist): found } });
        let (status, answer) = node.post("/v1/inspections", &visit).await;
        assert!(status.is_success(), "{answer}");
    }
    let must = |must: &str, more: Value| {
        let mut row = json!({ "region": REGION, "campaign": "XD-1", "place": "1号", "must": must, "what": "室内充电", "found": now(), "found_by": "xcy-1" });
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        row
    };
    let findings = json!([
        must("rectify_hazard", json!({ "done": now() + HOUR, "evidence": "照片 1" })),
        must("stop_letting", json!({ "due": day(-2) })),
    ]);
    node.rows_into("/v1/books/finding", findings).await;
    let told = node.told("/v1/campaigns/XD-1").await;
    assert_eq!(
        (&told["places"], &told["visited"], &told["visited_percent"]),
        (&json!(3), &json!(2), &json!(66.67)),
        "{told}"
    );
    assert_eq!((&told["hazards"], &told["hazards_closed"]), (&json!(2), &json!(0)), "{told}");
    let worklist: Vec<_> =
        told["worklist"].as_array().unwrap().iter().map(|place| place["name"].as_str().unwrap()).collect();
    assert_eq!((worklist[0], worklist.len()), ("2号", 3), "what was not visited first: {worklist:?}");
    let counts = |must: &str| {
        let found = told["findings"].as_array().unwrap().iter().find(|one| one["must"] == must).cloned().unwrap();
        [found["found"].as_u64(), found["done"].as_u64(), found["overdue"].as_u64()].map(Option::unwrap)
    };
    assert_eq!((counts("rectify_hazard"), counts("stop_letting")), ([1, 1, 0], [1, 0, 1]));
    assert_eq!((&told["cases"]["days"], &told["cases"]["after"]), (&json!(3), &Value::Null), "{told}");
    let open = node.told("/v1/campaigns/XD-1?visited=false").await;
    assert_eq!(open["worklist"].as_array().unwrap().len(), 1);
    assert_eq!(node.fetch("/v1/campaigns/XD-2").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_on_a_grid_of_which_there_are_two_goes_nowhere() {
    let node = Node::start().await;
    let near = json!([{ "lat": 39.7, "lon": 116.3 }, { "lat": 39.7, "lon": 116.4 }, { "lat": 39.8, "lon": 116.4 }, { "lat": 39.8, "lon": 116.3 }]);
    for (region, polygon) in [(REGION, near.clone()), ("110115005221", near)] {
        let grid = json!({ "region": region, "code": "G1", "kind": "village", "polygon": polygon });
        assert!(node.post("/v1/grids", &grid).await.0.is_success());
    }
    let home =
        json!({ "household": { "region": REGION, "address": "1号", "position": { "lat": 39.75, "lon": 116.35 } } });
    assert_eq!(node.post("/v1/households", &home).await.0, StatusCode::CREATED);
    let campaign = |code: &str, region: &str| json!({ "code": code, "name": "一格", "tier": "single", "from": day(-1), "to": day(1), "region": region, "grid": "G1" });
    node.rows_into("/v1/books/campaign", json!([campaign("XD-4", REGION), campaign("XD-5", "110115005")])).await;
    assert_eq!(node.told("/v1/campaigns/XD-4").await["places"], 1);
    let told = node.told("/v1/campaigns/XD-5").await;
    assert_eq!(told["places"], 0, "nobody knows which of the two is meant: {told}");
    let shop = json!([{ "region": REGION, "name": "甲店", "kind": "storefront" }]);
    node.rows_into("/v1/books/enterprise", shop).await;
    let shops = json!({ "code": "XD-3", "name": "门店", "tier": "single", "from": day(-1), "to": day(1), "region": REGION, "enterprises": "storefront" });
    node.rows_into("/v1/books/campaign", json!([shops])).await;
    let told = node.told("/v1/campaigns/XD-3").await;
    assert_eq!(told["places"], 1, "one that names shops alone goes to no household: {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_goes_up_its_ladder_until_all_have_acknowledged() {
    let node = Node::start().await;
    node.member("zh-1", json!({ "name": "指挥长甲", "phone": "010-61234567", "roles": ["commander"] })).await;
    node.member("ld-1", json!({ "name": "镇长乙", "roles": ["leader"] })).await;
    node.member("ld-2", json!({ "name": "书记丙", "roles": ["leader"] })).await;
    let response = json!({ "code": "XY-1", "plan": "emergency", "level": "emergency", "opened": now() - 10 * MINUTE, "commander": "zh-1" });
    node.rows_into("/v1/books/response", json!([response])).await;
    let told = node.told("/v1/responses/XY-1").await;
    let steps = told["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 5, "{told}");
    assert_eq!((&steps[0]["state"], &steps[0]["is_late"]), (&json!("open"), &json!(true)), "three minutes are over");
    assert_eq!((&steps[0]["calls"][0]["to"], &steps[1]["calls"][0]["phone"]), (&json!("ld-1"), &json!("010-61234567")));
    assert_eq!(steps[4]["is_late"], json!(false), "twelve are not");
    let message = |more: Value| {
        let mut row = json!({ "code": "ZL-1", "to": "ld-1", "text": "村东仓库起火", "sent": now(), "by": "zb-1", "response": "XY-1", "step": 1, "means": "phone" });
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        row
    };
    node.rows_into("/v1/books/message", json!([message(json!({}))])).await;
    let told = node.told("/v1/responses/XY-1").await;
    assert_eq!((&told["steps"][0]["state"], &told["unacknowledged"]), (&json!("told"), &json!(1)));
    assert_eq!(
        (&told["steps"][0]["untold"], &told["steps"][1]["untold"]),
        (&json!(1), &json!(1)),
        "one of two leaders"
    );
    let known =
        message(json!({ "acknowledged": now(), "acknowledged_by": "ld-1", "read_back": "村东仓库起火，知道了" }));
    node.rows_into("/v1/books/message", json!([known])).await;
    let told = node.told("/v1/responses/XY-1").await;
    assert_eq!(
        (&told["steps"][0]["state"], &told["steps"][0]["is_late"]),
        (&json!("told"), &json!(true)),
        "one of two knows"
    );
    let other = json!({ "to": "LD-2", "response": "xy-1", "acknowledged": now(), "acknowledged_by": "ld-2" });
    node.rows_into("/v1/books/message", json!([message(other)])).await;
    let told = node.told("/v1/responses/xy-1").await;
    assert_eq!(
        (&told["steps"][0]["state"], &told["steps"][0]["is_late"]),
        (&json!("acknowledged"), &json!(false)),
        "{told}"
    );
    assert_eq!((&told["unacknowledged"], &told["is_closed"]), (&json!(0), &json!(false)));
    node.rows_into("/v1/books/response", json!([{ "code": "XY-1", "closed": now() + MINUTE }])).await;
    let told = node.told("/v1/responses/XY-1").await;
    assert_eq!(
        (&told["is_closed"], &told["steps"][1]["is_late"]),
        (&json!(true), &json!(false)),
        "what is over is late no more"
    );
    assert_eq!(node.fetch("/v1/responses/%E6%97%A0").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_later_a_case_the_higher_up_it_is_told() {
    let node = Node::start().await;
    let fresh = node.dispatched("村东", 600).await;
    let told = node.told("/v1/escalations").await;
    assert_eq!(told["rows"], json!([]), "{told}");
    // A town may want to hear of every case at once: the case stands at its highest step.
    let step = |percent, role: &str| json!({ "severity": "general", "percent": percent, "role": role });
    let lower = node.post("/v1/tables/escalation", &json!({ "rows": [step(1, "dispatcher")] })).await;
    assert_eq!(lower.0, StatusCode::OK, "{}", lower.1);
    let late = node.dispatched("村西", 1).await;
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    let told = node.told("/v1/escalations").await;
    let rows = told["rows"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[0]["document"], &rows[0]["role"]), (1, &json!(late), &json!("dispatcher")), "{told}");
    assert_eq!(rows[0]["percent"], json!(1));
    assert!(rows[0]["used_percent"].as_u64().unwrap() < 80, "{told}");
    assert_eq!(node.told("/v1/escalations?role=leader").await["rows"], json!([]));
    assert_eq!(node.told("/v1/escalations?role=dispatcher").await["rows"].as_array().unwrap().len(), 1, "{fresh}");
}

#[tokio::test(flavor = "multi_thread")]
async fn grids_are_held_against_their_rule_and_their_borders() {
    let node = Node::start().await;
    let square = |south: f64, west: f64, side: f64| {
        json!([
            { "lat": south, "lon": west }, { "lat": south, "lon": west + side },
            { "lat": south + side, "lon": west + side }, { "lat": south + side, "lon": west },
        ])
    };
    let grid = async |code: &str, polygon: Value| {
        let grid =
            json!({ "region": REGION, "code": code, "kind": "village", "polygon": polygon, "inspectors": ["xcy-1"] });
        node.post("/v1/grids", &grid).await
    };
    let bow = json!([{ "lat": 39.0, "lon": 116.0 }, { "lat": 39.1, "lon": 116.1 }, { "lat": 39.0, "lon": 116.1 }, { "lat": 39.1, "lon": 116.0 }]);
    let (status, answer) = grid("G0", bow).await;
    assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, "form"), "{answer}");
    assert!(answer["message_zh"].as_str().unwrap().contains("自相交"), "{answer}");
    for (code, polygon) in [
        ("G1", square(39.70, 116.30, 0.01)),
        ("G2", square(39.70, 116.31, 0.01)),
        ("G3", square(39.705, 116.315, 0.01)),
    ] {
        assert!(grid(code, polygon).await.0.is_success());
    }
    for (address, latitude, longitude) in [("1号", 39.702, 116.302), ("2号", 39.703, 116.303), ("3号", 39.8, 116.4)]
    {
        let home = json!({ "household": { "region": REGION, "address": address, "position": { "lat": latitude, "lon": longitude } } });
        assert_eq!(node.post("/v1/households", &home).await.0, StatusCode::CREATED);
    }
    node.household("4号").await;
    let plan = node.told(&format!("/v1/analysis/grids?region={REGION}")).await;
    let grids: Vec<_> = plan["grids"]
        .as_array()
        .unwrap()
        .iter()
        .map(|grid| {
            (grid["code"].as_str().unwrap(), grid["households"].as_u64().unwrap(), grid["fit"].as_str().unwrap())
        })
        .collect();
    assert_eq!(grids, [("G1", 2, "too_few"), ("G2", 0, "too_few"), ("G3", 0, "too_few")]);
    let overlaps = plan["overlaps"].as_array().unwrap();
    assert_eq!(overlaps.len(), 1, "a common border is no overlap: {plan}");
    assert_eq!((&overlaps[0]["grids"][0][1], &overlaps[0]["grids"][1][1]), (&json!("G2"), &json!("G3")));
    let percent = overlaps[0]["percent"].as_u64().unwrap();
    assert!((23..=27).contains(&percent), "a quarter of each: {percent}");
    assert_eq!((&plan["uncovered"][REGION], &plan["unplaced"]), (&json!(1), &json!(1)));
    assert_eq!(plan["uncovered_households"][0]["address"], "3号");
    let hectares = plan["grids"][0]["hectares"].as_f64().unwrap();
    assert!((90.0..98.0).contains(&hectares), "about 1.11 by 0.86 km: {hectares}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_car_that_is_there_every_day_and_belongs_to_nobody_becomes_one_case() {
    let node = Node::start().await;
    let gate = json!({ "code": "Gate-1", "kind": "parking_gate", "region": REGION });
    assert!(node.post("/v1/devices", &gate).await.0.is_success());
    let today = now();
    let passage = |days: i64, plate: &str, kind: &str| {
        json!({
            "device": "gate-1", "time_ms": today - days * DAY, "kind": kind, "value": { "text": plate }, "alarm": false,
        })
    };
    let mut events: Vec<Value> = (0..12).map(|days| passage(days, "京A12345", "passage")).collect();
    events.extend((0..12).map(|days| {
        let mut one = passage(days, "京B·00001", "passage");
        one["time_ms"] = json!(today - days * DAY - 1);
        one
    }));
    events.extend((0..3).map(|days| {
        let mut one = passage(days, "京C99999", "passage");
        one["time_ms"] = json!(today - days * DAY - 2);
        one
    }));
    let (status, answer) = node.post("/v1/events", &json!({ "region": REGION, "events": events })).await;
    assert!(status.is_success(), "{answer}");
    node.rows_into("/v1/books/vehicle", json!([{ "region": REGION, "plate": "京b00001", "kind": "car" }])).await;
    let rental = json!({ "household": { "region": REGION, "address": "9号", "usage": "rental", "tenant_limit": 4 } });
    assert_eq!(node.post("/v1/households", &rental).await.0, StatusCode::CREATED);
    let period = format!("from_ms={}&until_ms={}", today - 20 * DAY, today + 1);
    let told = node.told(&format!("/v1/analysis/contradictions?{period}")).await;
    let vehicles = told["vehicles"].as_array().unwrap();
    assert_eq!(vehicles.len(), 1, "{told}");
    assert_eq!(
        (&vehicles[0]["plate"], &vehicles[0]["days"], &vehicles[0]["passages"]),
        (&json!("京A****5"), &json!(12), &json!(12))
    );
    assert_eq!((&told["rentals"][0]["address"], &told["rentals"][0]["fault"]), (&json!("9号"), &json!("nobody")));
    let clear = node.told(&format!("/v1/analysis/contradictions?{period}&reveal=核实")).await;
    assert_eq!(clear["vehicles"][0]["plate"], "京A12345");
    let open = json!({ "of": "contradictions", "from_ms": today - 20 * DAY, "until_ms": today + 1, "actor": { "by": "fx-1", "role": "analyst" } });
    let (status, opened) = node.post("/v1/analysis/cases", &open).await;
    assert_eq!(status, StatusCode::OK, "{opened}");
    let outcomes = |answer: &Value| {
        answer["rows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["outcome"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(outcomes(&opened), ["created", "created"]);
    let (_, again) = node.post("/v1/analysis/cases", &open).await;
    assert_eq!(outcomes(&again), ["unchanged", "unchanged"]);
    let case = node.told(&format!("/v1/cases/{}", opened["rows"][0]["document"].as_str().unwrap())).await;
    assert_eq!((&case["source"], &case["category"]), (&json!("data"), &json!("registry")), "{case}");
    assert!(!case.to_string().contains("京A12345"), "a case travels: {case}");
    // Once it is over, only what was seen after that is a case again; whatever the period, what is open is not.
    let path = format!("/v1/cases/{}/actions", opened["rows"][0]["document"].as_str().unwrap());
    let refuse =
        json!({ "actor": { "by": "sly-1", "role": "intake_clerk" }, "action": { "refuse": { "reason": "已登记" } } });
    let (status, answer) = node.post(&path, &refuse).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let (_, again) = node.post("/v1/analysis/cases", &open).await;
    assert_eq!(outcomes(&again), ["unchanged", "unchanged"], "the period began before it was over");
    let mut earlier = open.clone();
    earlier["until_ms"] = json!(today);
    let (_, again) = node.post("/v1/analysis/cases", &earlier).await;
    assert_eq!(outcomes(&again), ["unchanged", "unchanged"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_told_how_long_orders_take() {
    let node = Node::start().await;
    let case = node.dispatched("村东", 600).await;
    let shown = node.told(&format!("/v1/cases/{case}")).await;
    let event = shown["orders"][0]["event"].clone();
    for action in ["acknowledge", "report_in"] {
        let body = json!({ "actor": { "by": "cz-1", "role": "handler" }, "action": { action: { "order": { "event": event, "index": 0 } } } });
        let (status, answer) = node.post(&format!("/v1/cases/{case}/actions"), &body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
    node.dispatched("村西", 600).await;
    node.fetch("/v1/members").await;
    let period = format!("from_ms={}&until_ms={}", now() - DAY, now() + DAY);
    let told = node.told(&format!("/v1/analysis/intervals?{period}")).await;
    let row = &told["rows"][0];
    assert_eq!((&row["group"], &row["orders"]), (&json!("hw-1"), &json!(2)), "{told}");
    let counts = ["report_to_order", "order_to_acknowledged", "report_to_person", "order_to_scene"]
        .map(|span| row[span]["count"].as_u64().unwrap());
    assert_eq!(counts, [2, 1, 0, 1], "{told}");
    assert_eq!((&row["to_arrive"], &row["arrived_in_time_percent"]), (&json!(0), &Value::Null), "of no kind");
    let station = json!({ "code": "hw-1", "kind": "micro_fire_station" });
    assert_eq!(node.post("/v1/teams", &station).await.0, StatusCode::CREATED);
    node.fetch("/v1/members").await;
    let told = node.told(&format!("/v1/analysis/intervals?{period}")).await;
    let row = &told["rows"][0];
    assert_eq!((&row["to_arrive"], &row["arrived_in_time_percent"]), (&json!(1), &json!(100.0)), "the other has time");
    for (query, count) in [("&group=hw-1", 2), ("&group=hw-1&late=true", 0), ("&by=person&group=", 2)] {
        let listed = node.told(&format!("/v1/analysis/intervals/cases?{period}{query}")).await;
        assert_eq!(listed["rows"].as_array().unwrap().len(), count, "{query}: {listed}");
    }
    let by_region = node.told(&format!("/v1/analysis/intervals?{period}&by=region")).await;
    assert_eq!(by_region["rows"][0]["group"], REGION);
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_a_dispatcher_can_send_is_told_by_shifts_and_open_orders() {
    let node = Node::start().await;
    let unit = async |query: &str| node.told(&format!("/v1/positions{query}")).await["rows"][0].clone();
    assert_eq!(node.post("/v1/positions", &json!({ "lat": 39.73, "lon": 116.32 })).await.0, StatusCode::NO_CONTENT);
    let before = unit("").await;
    assert_eq!(
        (&before["role"], &before["stale"], &before["available"]),
        (&json!("center"), &json!(false), &json!(true))
    );
    node.member("xcy-1", json!({ "name": "甲", "team": "hw-1", "phone": "010-69240001" })).await;
    let shift = |member: &str, unit: &str, start: i64| json!({ "member": member, "unit": unit, "start": start, "end": start + 8 * HOUR, "team": "hw-1" });
    node.rows_into("/v1/books/shift", json!([shift("XCY-1", "Center", now() - 9 * HOUR)])).await;
    assert_eq!(unit("").await["crew"]["members"], json!([]), "that shift is over");
    node.rows_into("/v1/books/shift", json!([shift("XCY-1", "Center", now() - HOUR)])).await;
    let out = unit("?available=true&role=center").await;
    assert_eq!(out["crew"]["members"][0]["member"], "xcy-1", "{out}");
    assert_eq!(out["crew"]["members"][0]["phone"], "010-69240001", "{out}");
    let case = node.dispatched("村东", 600).await;
    let waiting = unit("").await;
    assert_eq!((&waiting["crew"]["team_orders"], &waiting["crew"]["open_orders"]), (&json!(1), &json!(0)), "{waiting}");
    assert_eq!(waiting["available"], true, "the order names nobody yet: {waiting}");
    let order = node.told("/v1/orders").await["rows"][0].clone();
    let assign = json!({ "order": { "event": order["event"], "index": order["index"] }, "person": "Xcy-1" });
    let body = json!({ "actor": { "by": "nq-1", "role": "back_office" }, "action": { "assign": assign } });
    assert_eq!(node.post(&format!("/v1/cases/{case}/actions"), &body).await.0, StatusCode::OK);
    let busy = node.told(&format!("/v1/cases/{case}")).await["nearest"][0].clone();
    assert_eq!((&busy["crew"]["open_orders"], &busy["available"]), (&json!(1), &json!(false)), "{busy}");
    assert_eq!(node.told("/v1/positions?available=true").await["rows"], json!([]));
    assert_eq!(node.told("/v1/positions?role=patrol").await["rows"], json!([]));
    assert_eq!(code(&node.fetch("/v1/positions?role=tank").await.1), "role");
}
