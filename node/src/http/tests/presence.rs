//! More people behind a gate than are entered: in a village, and behind the door of a rental.

use townmesh_crdt::domain::date::Day;

use super::*;

const DAY: i64 = 24 * 3_600_000;

impl Node {
    async fn gate(&self, code: &str, place: Value) {
        let gate = json!({ "code": code, "kind": "access_gate", "region": REGION, "place": place });
        assert!(self.post("/v1/devices", &gate).await.0.is_success());
    }

    async fn rental(&self, address: &str, tenants: usize) {
        let rental = json!({
            "household": { "region": REGION, "address": address, "usage": "rental", "tenant_limit": 30 },
            "residents": vec![json!({ "kind": "migrant" }); tenants],
        });
        let (status, answer) = self.post("/v1/households", &rental).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
    }

    async fn contradictions(&self, days: u32) -> Value {
        let today = now().cast_signed();
        let path =
            format!("/v1/analysis/contradictions?from_ms={}&until_ms={}&days={days}", today - 20 * DAY, today + 1);
        let (status, answer) = self.fetch(&path).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer
    }
}

/// Passages of a gate on the last `days` days, at so many different times of each: of somebody, or told of nobody.
fn passages(gate: &str, days: i64, times: i64, whom: Option<&str>) -> Vec<Value> {
    // Yesterday at noon, so that no day ends between them.
    let today = Day(Day::of_time(now().cast_signed(), 480).0 - 1).start_ms(480) + DAY / 2;
    let passage = |number: i64| {
        let time = today - number / times * DAY - number % times * 1_000;
        let value = whom.map_or(json!("empty"), |whom| json!({ "text": whom }));
        json!({ "device": gate, "time_ms": time, "kind": "passage", "value": value, "alarm": false })
    };
    (0..days * times).map(passage).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rental_with_more_people_than_are_entered_is_a_task() {
    let node = Node::start().await;
    node.gate("door-1", json!("幸福路 9 号")).await;
    node.gate("door-2", json!("11号")).await;
    node.gate("street", json!("村口")).await;
    node.rental("幸福路9号", 2).await;
    node.rental("11号", 6).await;
    // Five people of whom three are there on ten days; three more whom the gate knows, on the other door.
    let mut events = Vec::new();
    for (whom, days) in [("a", 12), ("b", 12), ("c", 10), ("d", 9), ("e", 3)] {
        events.extend(passages("door-1", days, 1, Some(whom)));
    }
    // Counted only: 12 passages on ten days are six people, 40 on two days a feast.
    events.extend(passages("door-2", 10, 12, None));
    events.extend(passages("street", 2, 40, None));
    let mut seen = std::collections::BTreeMap::new();
    for event in &mut events {
        // One device says one thing at a time.
        let key = (event["device"].to_string(), event["time_ms"].as_i64().unwrap());
        let again = seen.entry(key).or_insert(0_i64);
        event["time_ms"] = json!(event["time_ms"].as_i64().unwrap() - *again * 10);
        *again += 1;
    }
    let (status, answer) = node.post("/v1/events", &json!({ "region": REGION, "events": events })).await;
    assert!(status.is_success(), "{answer}");

    let told = node.contradictions(10).await;
    let door = json!({
        "region": REGION, "address": "幸福路9号", "households": 1, "seen": 3, "by": "identified", "residents": 2, "unknown": 1,
    });
    assert_eq!(told["doors"], json!([door]), "six counted, six entered: {told}");
    assert_eq!(told["people"], json!([]), "eight are entered in the village: {told}");
    // On nine days there are four people behind the first door.
    assert_eq!(node.contradictions(9).await["doors"][0]["seen"], 4);
    // On one day the street counted 40 passages more than the twelve of the second door: 26 people.
    let one = node.contradictions(1).await;
    assert_eq!(one["people"][0]["by"], "counted", "{one}");
    assert_eq!((&one["people"][0]["seen"], &one["people"][0]["unknown"]), (&json!(26), &json!(18)), "{one}");

    let today = now().cast_signed();
    let open = json!({ "of": "contradictions", "from_ms": today - 20 * DAY, "until_ms": today + 1, "actor": { "by": "fx-1", "role": "analyst" } });
    let (status, opened) = node.post("/v1/analysis/cases", &open).await;
    assert_eq!((status, opened["rows"].as_array().map(Vec::len)), (StatusCode::OK, Some(1)), "{opened}");
    let (_, case) = node.fetch(&format!("/v1/cases/{}", opened["rows"][0]["document"].as_str().unwrap())).await;
    assert_eq!((&case["place"], &case["category"]), (&json!("幸福路9号"), &json!("registry")), "{case}");
    let (_, again) = node.post("/v1/analysis/cases", &open).await;
    assert_eq!(again["rows"][0]["outcome"], "unchanged");
}
