//! Lists by HTTP: pages to the end, filters, and queries that make no sense.

use std::collections::BTreeSet;

use super::*;

const OTHER: &str = "110115005002";

impl Node {
    /// The rows of every page of a list, following its cursors to the end; and how many pages there were.
    async fn pages(&self, path: &str) -> (Vec<Value>, usize) {
        let (mut rows, mut pages, mut after) = (Vec::new(), 0, String::new());
        loop {
            let (status, listed) = self.fetch(&format!("{path}{after}")).await;
            assert_eq!(status, StatusCode::OK, "{path}{after}: {listed}");
            rows.extend(listed["rows"].as_array().unwrap().clone());
            pages += 1;
            match listed["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return (rows, pages),
            }
            assert!(pages < 100, "{path} goes on for ever");
        }
    }

    /// Seven households in two villages, every second one rented, and a hazard in the first two.
    async fn village(&self) {
        let mut visited = Vec::new();
        for number in 1..=7 {
            let region = if number <= 5 { REGION } else { OTHER };
            let usage = if number % 2 == 0 { "rental" } else { "self_occupied" };
            // A cursor does not hold long keys, but names the row.
            let street = "长".repeat(if number % 2 == 0 { 100 } else { 1 });
            let household = json!({ "region": region, "address": format!("{street}{number}号"), "usage": usage });
            let (_, answer) = self.post("/v1/households", &json!({ "household": household })).await;
            visited.push(answer["value"]["document"].as_str().unwrap().to_owned());
        }
        for (household, item) in visited.iter().zip(["10", "4"]) {
            let visit = json!({ "household": household, "by": "xc-1", "time_ms": 1, "checklist": 1, "answers": { item: "hazard" } });
            assert_eq!(self.post("/v1/inspections", &visit).await.0, StatusCode::CREATED);
        }
        for code in ["m1", "m2", "m3"] {
            let member = json!({ "code": code, "team": if code == "m3" { "t2" } else { "t1" } });
            assert_eq!(self.post("/v1/members", &member).await.0, StatusCode::CREATED);
            let event = |time: u64| json!({ "device": format!("d-{code}"), "time_ms": time, "kind": "pm10", "alarm": time == 3 });
            let batch = json!({ "region": REGION, "events": (1..=5).map(event).collect::<Vec<_>>() });
            assert_eq!(self.post("/v1/events", &batch).await.0, StatusCode::CREATED);
        }
        // Waits for the views.
        self.fetch("/v1/members").await;
    }
}

fn names<'a>(rows: &'a [Value], field: &str) -> BTreeSet<&'a str> {
    rows.iter().map(|row| row[field].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_is_paged_to_its_end_without_gaps_or_repeats() {
    let node = Node::start().await;
    node.village().await;
    for (path, field, count) in [
        ("/v1/households?", "document", 7),
        (&format!("/v1/households?region={REGION}&"), "document", 5),
        ("/v1/households?use=rental&", "document", 3),
        ("/v1/hazards?", "document", 2),
        ("/v1/members?", "code", 3),
        ("/v1/events?device=d-m1&", "event", 5),
        ("/v1/events?", "event", 3),
    ] {
        let (whole, pages) = node.pages(&format!("{path}limit=500")).await;
        assert_eq!((whole.len(), pages), (count, 1), "{path}");
        for limit in 1..=count {
            let (rows, pages) = node.pages(&format!("{path}limit={limit}")).await;
            assert_eq!(rows, whole, "{path} by {limit}");
            assert_eq!(pages, count.div_ceil(limit), "{path} by {limit}: no empty page at the end");
            assert_eq!(names(&rows, field).len(), count, "{path} by {limit}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_find_what_they_say() {
    let node = Node::start().await;
    node.village().await;
    for (path, count) in [
        (format!("/v1/households?region={OTHER}"), 2),
        (format!("/v1/households?region={OTHER}&use=rental"), 1),
        ("/v1/households?region=110115005".into(), 7),
        ("/v1/households?region=110115006".into(), 0),
        ("/v1/households?use=shop".into(), 0),
        ("/v1/households?text=7%E5%8F%B7".into(), 1),
        ("/v1/households?text=%25".into(), 0),
        ("/v1/households?mark=red".into(), 1),
        ("/v1/households?mark=yellow".into(), 1),
        ("/v1/households?conflicts=true".into(), 0),
        ("/v1/households?bbox=116,39,117,40".into(), 0),
        ("/v1/hazards?grade=severe".into(), 1),
        ("/v1/hazards?state=closed".into(), 0),
        ("/v1/members?team=t1".into(), 2),
        ("/v1/events?device=d-m1&from_ms=2&until_ms=4".into(), 2),
        ("/v1/events?device=d-m1&kind=smoke".into(), 0),
        (format!("/v1/events?region={OTHER}"), 0),
    ] {
        let (status, listed) = node.fetch(&path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {listed}");
        assert_eq!(listed["rows"].as_array().unwrap().len(), count, "{path}: {listed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_makes_no_sense_is_refused_and_a_limit_is_brought_into_its_bounds() {
    let node = Node::start().await;
    node.village().await;
    let (_, first) = node.fetch("/v1/households?limit=2").await;
    let next = first["next"].as_str().unwrap();
    for path in ["/v1/households", "/v1/hazards", "/v1/cases", "/v1/members", "/v1/teams", "/v1/devices", "/v1/events"]
    {
        for (query, expected, named) in [
            ("nonsense=1", "query", "nonsense"),
            ("limit=-1", "query", "limit"),
            ("limit=many", "query", "limit"),
            ("limit=99999999999", "query", "limit"),
            ("after=nonsense", "cursor", ""),
            ("after=W10", "cursor", ""),
            ("after=", "cursor", ""),
            ("limit=1&limit=2", "query", "limit"),
        ] {
            let (status, answer) = node.fetch(&format!("{path}?{query}")).await;
            assert_eq!((status, code(&answer)), (StatusCode::BAD_REQUEST, expected), "{path}?{query}: {answer}");
            for language in ["message_zh", "message_en"] {
                assert!(answer[language].as_str().unwrap().contains(named), "{path}?{query}: {answer}");
            }
        }
    }
    let (status, answer) = node.fetch(&format!("/v1/households?after={}", &next[..next.len() - 4])).await;
    assert_eq!((status, code(&answer)), (StatusCode::BAD_REQUEST, "cursor"), "a cursor that was cut off: {answer}");
    let (status, _) = node.fetch(&format!("/v1/conflicts?after={next}")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "the cursor of another list");
    let rows =
        async |query: &str| node.fetch(&format!("/v1/households?{query}")).await.1["rows"].as_array().unwrap().len();
    assert_eq!([rows("limit=0").await, rows("limit=1").await, rows("limit=4294967295").await], [1, 1, 7]);
}

#[tokio::test(flavor = "multi_thread")]
async fn cases_are_filtered_and_sorted_and_a_cursor_stays_with_its_sort() {
    let node = Node::start().await;
    for minutes in [60, 30, 90] {
        node.filed(Some(minutes)).await;
    }
    node.reported("村东", 39.7).await;
    node.fetch("/v1/members").await;
    let due = async |query: &str| {
        let (status, listed) = node.fetch(&format!("/v1/cases?{query}")).await;
        assert_eq!(status, StatusCode::OK, "{query}: {listed}");
        listed["rows"].as_array().unwrap().iter().map(|row| row["due_ms"].as_i64()).collect::<Vec<_>>()
    };
    let by_due = due("sort=due").await;
    assert!(by_due[..3].is_sorted() && by_due[3].is_none() && by_due.len() == 4, "{by_due:?}");
    let latest = due("sort=due&order=desc").await;
    assert_eq!(latest, [by_due[2], by_due[1], by_due[0], None], "what has no limit comes last, too");
    for (query, count) in [
        ("severity=general", 3),
        ("severity=urgent", 0),
        ("category=exposed_rubbish", 3),
        ("source=patrol&sort=severity", 4),
        ("source=public", 0),
        ("reporter=x-inspector", 3),
        ("person=x-duty_head&sort=filed", 3),
        ("person=nobody", 0),
    ] {
        assert_eq!(due(query).await.len(), count, "{query}");
    }
    let (_, first) = node.fetch("/v1/cases?sort=due&limit=2").await;
    let next = first["next"].as_str().unwrap();
    assert_eq!(due(&format!("sort=due&after={next}")).await, by_due[2..]);
    for (query, expected) in [
        (format!("sort=closed&after={next}"), "cursor_of_sort"),
        (format!("sort=due&order=desc&after={next}"), "cursor_of_sort"),
        (format!("after={next}"), "cursor_of_sort"),
        ("sort=weather".into(), "query"),
        ("order=up".into(), "query"),
        ("source=weather".into(), "query"),
    ] {
        let (status, answer) = node.fetch(&format!("/v1/cases?{query}")).await;
        assert_eq!((status, code(&answer)), (StatusCode::BAD_REQUEST, expected), "{query}: {answer}");
    }
    let (_, answer) = node.fetch(&format!("/v1/cases?sort=closed&after={next}")).await;
    assert!(answer["message_en"].as_str().unwrap().contains("due asc"), "{answer}");
}
