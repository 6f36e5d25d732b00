//! Books by HTTP.

use super::*;

impl Node {
    async fn entry(&self, book: &str, row: Value) -> (StatusCode, Value) {
        self.post(&format!("/v1/books/{book}"), &json!({ "rows": [row] })).await
    }

    async fn book_file(&self, book: &str, text: &str) -> (StatusCode, Value) {
        self.send(self.request("POST", &format!("/v1/books/{book}/import"), text.to_owned())).await
    }

    async fn entries(&self, book: &str, query: &str) -> Vec<Value> {
        let (status, listed) = self.fetch(&format!("/v1/books/{book}?{query}")).await;
        assert_eq!(status, StatusCode::OK, "{listed}");
        listed["rows"].as_array().cloned().unwrap()
    }
}

fn done(created: u64, changed: u64, unchanged: u64) -> Value {
    json!({ "created": created, "changed": changed, "unchanged": unchanged })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vehicle_and_its_owner_are_masked_unless_somebody_says_why() {
    let node = Node::start().await;
    let car = json!({
        "region": REGION, "plate": "京A12345", "类型": "小客车", "address": "12号",
        "person_name": "王小明", "person_phone": "13800138000",
    });
    assert_eq!(node.entry("vehicle", car.clone()).await, (StatusCode::OK, done(1, 0, 0)));
    assert_eq!(node.entry("vehicle", car).await, (StatusCode::OK, done(0, 0, 1)));
    let rows = node.entries("vehicle", "").await;
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((&row["plate"], &row["person_name"]), (&json!("京A****5"), &json!("王*")));
    assert_eq!((&row["kind"], &row["person_state"]), (&json!("car"), &json!("open")));
    let told = node.entries("vehicle", "reveal=查车").await;
    assert_eq!((&told[0]["plate"], &told[0]["person_phone"]), (&json!("京A12345"), &json!("13800138000")));
    assert_eq!(node.entries("vehicle", "text=京A12345").await.len(), 0, "whoever sees it masked cannot try it out");
    assert_eq!(node.entries("vehicle", "text=京A12345&reveal=查车").await.len(), 1);
    let (status, refused) = node.fetch("/v1/books/vehicle?filter=plate=京A12345").await;
    assert_eq!((status, code(&refused)), (StatusCode::FORBIDDEN, "reason_missing"));
    assert_eq!(node.entries("vehicle", "filter=plate=京A12345&reveal=查车").await.len(), 1);
    let (_, page) = node.fetch("/v1/books/vehicle?limit=1").await;
    assert!(page["next"].as_str().is_none_or(|next| !next.contains("MTIzNDU")), "{page}");
    assert_eq!(node.entries("vehicle", "text=王小明").await.len(), 1, "by its owner");
    assert_eq!(node.entries("vehicle", "filter=类型=货车").await.len(), 0);
    assert_eq!(node.entries("vehicle", "filter=类型=小客车;address=12号").await.len(), 1);
    assert_eq!(node.entries("vehicle", "region=110115005002").await.len(), 0);
    let id = row["document"].as_str().unwrap();
    let (_, one) = node.fetch(&format!("/v1/books/vehicle/{id}")).await;
    assert_eq!(one["plate"], "京A****5");
    let (_, one) = node.fetch(&format!("/v1/books/vehicle/{id}?reveal=查车")).await;
    assert_eq!(one["plate"], "京A12345");
    let (_, reveals) = node.fetch("/v1/reveals").await;
    assert_eq!(reveals["rows"].as_array().unwrap().len(), 4, "{reveals}");
    let (status, answer) = node.fetch(&format!("/v1/books/enterprise/{id}")).await;
    assert_eq!((status, code(&answer)), (StatusCode::NOT_FOUND, "not_found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_book_goes_out_as_a_file_and_comes_in_again_whole_or_not_at_all() {
    let node = Node::start().await;
    let text =
        format!("村居代码,名称,类型,从业人数,联系人姓名,x\n{REGION},甲店,门店,3,王小明,\n{REGION},乙校,学校,一百,,\n");
    let (status, answer) = node.book_file("enterprise", &text).await;
    assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, "rows"), "{answer}");
    assert!(answer["message_zh"].as_str().unwrap().contains("第 3 行“从业人数”"), "{answer}");
    assert_eq!(node.entries("enterprise", "").await.len(), 0);
    let text = text.replace("一百", "100");
    let (status, answer) = node.book_file("enterprise", &text).await;
    assert_eq!((status, &answer["created"], &answer["ignored_columns"]), (StatusCode::OK, &json!(2), &json!(["x"])));
    let (_, csv) = node.fetch("/v1/books/enterprise?format=csv&reveal=导出").await;
    let (_, again) = node.book_file("enterprise", csv.as_str().unwrap()).await;
    assert_eq!((&again["unchanged"], &again["changed"]), (&json!(2), &json!(0)), "{csv}");
    let (_, masked) = node.fetch("/v1/books/enterprise?format=csv").await;
    let (status, answer) = node.book_file("enterprise", masked.as_str().unwrap()).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "a masked name is no name: {answer}");
    assert!(answer["message_en"].as_str().unwrap().contains("masked"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn shifts_are_found_by_the_time_that_they_are_about() {
    let node = Node::start().await;
    let shift = |start: &str, end: &str| json!({ "member": "xcy-1", "start": start, "end": end });
    for (start, end) in [("2026-11-02 08:00", "2026-11-02 18:00"), ("2026-11-03 08:00", "2026-11-03 18:00")] {
        assert_eq!(node.entry("shift", shift(start, end)).await.1, done(1, 0, 0));
    }
    let noon = 1_793_592_000_000_i64;
    let rows = node.entries("shift", &format!("from_ms={noon}&until_ms={}", noon + 1)).await;
    let starts: Vec<_> = rows.iter().map(|row| row["start"].as_i64().unwrap()).collect();
    assert_eq!(starts, [1_793_577_600_000]);
    assert_eq!(node.entries("shift", "").await.len(), 2);
    let (_, books) = node.fetch("/v1/books").await;
    let book = books["rows"].as_array().unwrap().iter().find(|book| book["book"] == "shift").unwrap();
    assert_eq!((&book["count"], &book["of_region"]), (&json!(2), &json!(false)));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_questions_about_books_say_what_is_wrong() {
    let node = Node::start().await;
    for (path, expected) in [
        ("/v1/books/weather", StatusCode::BAD_REQUEST),
        ("/v1/books/unknown_99", StatusCode::NOT_FOUND),
        ("/v1/books/shift?filter=member", StatusCode::BAD_REQUEST),
        ("/v1/books/shift?filter=weather=fine", StatusCode::BAD_REQUEST),
        ("/v1/books/shift?filter=start=noon", StatusCode::UNPROCESSABLE_ENTITY),
        ("/v1/books/shift?format=pdf", StatusCode::BAD_REQUEST),
        ("/v1/books/shift?bbox=1,2", StatusCode::BAD_REQUEST),
        ("/v1/books/shift?after=x", StatusCode::BAD_REQUEST),
    ] {
        let (status, answer) = node.fetch(path).await;
        assert_eq!(status, expected, "{path}: {answer}");
        assert!(!answer["message_zh"].as_str().unwrap().is_empty(), "{answer}");
    }
    let (status, answer) = node.entry("shift", json!({ "member": "xcy-1", "person_name": "甲" })).await;
    assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, "rows"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_problem_is_closed_by_what_is_counted_not_by_what_is_claimed() {
    let node = Node::start().await;
    let problem = |more: Value| {
        let mut row = json!({ "code": "P1", "title": "反复堆放渣土", "category": "rubble", "region": REGION,
            "since": "2026-01-01", "state": "open" });
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        row
    };
    assert_eq!(node.entry("problem", problem(json!({}))).await.1, done(1, 0, 0));
    let closed = json!({ "code": "P1", "state": "closed", "taken": "2026-03-01", "closed": "2026-03-05", "before": 9, "after": 0 });
    let (status, answer) = node.entry("problem", closed.clone()).await;
    assert_eq!((status, code(&answer)), (StatusCode::CONFLICT, "problem_too_early"), "{answer}");
    let mut closed = closed;
    closed["closed"] = json!("2026-04-01");
    let (status, answer) = node.entry("problem", closed).await;
    assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, "rows"), "{answer}");
    assert!(answer["message_en"].as_str().unwrap().contains("0 cases after the measure and 0 before"), "{answer}");
    assert_eq!(node.entries("problem", "filter=state=open").await.len(), 1);
    // Neither by another spelling of the code, nor by claiming figures of one that is closed, nor in the future.
    let spelled = json!({ "code": "ｐ1", "state": "closed", "taken": "2026-03-01", "closed": "2026-04-01", "before": 9, "after": 0 });
    assert_eq!(node.entry("problem", spelled).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let today = townmesh_crdt::domain::date::Day::of_time(crate::engine::now().cast_signed(), 480);
    let yesterday = townmesh_crdt::domain::date::Day(today.0 - 1);
    let ahead = json!({ "code": "P1", "state": "closed", "taken": yesterday, "closed": "2099-01-01" });
    assert_eq!(code(&node.entry("problem", ahead).await.1), "problem_too_early");
    // A measure of twenty days ago, and no case of the wider category before it or after it: nothing fell.
    let taken = townmesh_crdt::domain::date::Day(today.0 - 20);
    let wide = json!({ "code": "P1", "state": "watched", "taken": taken, "category": "environment" });
    assert_eq!(node.entry("problem", wide).await.0, StatusCode::OK);
    let (status, answer) = node.entry("problem", json!({ "code": "p1", "state": "closed", "before": 5 })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_goes_out_in_clear_and_its_reveal_is_noted() {
    let node = Node::start().await;
    let rows: String = (0..1_200).map(|number| format!("{REGION},京A{number:05},小客车,车主甲\n")).collect();
    let (status, answer) = node.book_file("vehicle", &format!("村居代码,车牌号,类型,联系人姓名\n{rows}")).await;
    assert_eq!((status, &answer["created"]), (StatusCode::OK, &json!(1_200)), "{answer}");
    node.fetch("/v1/members").await;
    let (status, csv) = node.fetch("/v1/books/vehicle?format=csv&reveal=备份").await;
    assert_eq!((status, csv.as_str().unwrap_or_default().lines().count()), (StatusCode::OK, 1_201));
    let (_, again) = node.book_file("vehicle", csv.as_str().unwrap()).await;
    assert_eq!(again["unchanged"], json!(1_200));
    let (_, reveals) = node.fetch("/v1/reveals").await;
    assert_eq!(reveals["rows"][0]["count"], json!(1_200), "{reveals}");
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_seem_to_be_one_are_offered_across_villages() {
    let node = Node::start().await;
    let (here, there) = (REGION, "110115005002");
    let credit = "91110000600037341L";
    for row in [
        json!({ "region": here, "name": "张记五金店", "kind": "storefront", "credit_code": credit }),
        json!({ "region": there, "name": "张记五金", "kind": "storefront", "credit_code": credit.to_lowercase() }),
        json!({ "region": here, "name": "幸福超市", "kind": "storefront" }),
        json!({ "region": there, "name": " 幸福 超市", "kind": "storefront" }),
        json!({ "region": here, "name": "村口小吃", "kind": "storefront" }),
    ] {
        let (status, answer) = node.entry("enterprise", row).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
    for (region, plate) in [(here, "京A12345"), (there, "京a·12345"), (there, "京B00001")] {
        let (_, answer) = node.entry("vehicle", json!({ "region": region, "plate": plate, "kind": "car" })).await;
        assert_eq!(answer["created"], 1, "{answer}");
    }
    let found = async |book: &str| node.fetch(&format!("/v1/books/{book}/duplicates")).await.1;
    let shown = found("enterprise").await;
    let groups: Vec<(&Value, usize)> = shown["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| (&group["by"], group["entries"].as_array().unwrap().len()))
        .collect();
    assert_eq!(groups, [(&json!("credit_code"), 2), (&json!("name"), 2)], "{shown}");
    let cars = found("vehicle").await;
    assert_eq!((cars["rows"].as_array().unwrap().len(), &cars["rows"][0]["by"]), (1, &json!("plate")), "{cars}");
    assert!(!cars.to_string().contains("12345"), "masked: {cars}");
    let (_, elsewhere) = node.fetch("/v1/books/vehicle/duplicates?region=110115005003").await;
    assert_eq!(elsewhere["rows"], json!([]));
    // Whoever knows takes one out, and puts it back where that was wrong.
    let retire = |retired: bool| json!({ "region": there, "plate": "京A12345", "retired": retired });
    node.entry("vehicle", retire(true)).await;
    assert_eq!(found("vehicle").await["rows"], json!([]));
    node.entry("vehicle", retire(false)).await;
    assert_eq!(found("vehicle").await["rows"].as_array().unwrap().len(), 1);
    assert_eq!(found("shift").await["rows"], json!([]), "a shift is its key");
    assert_eq!(node.fetch("/v1/books/tea/duplicates").await.0, StatusCode::BAD_REQUEST);
}
