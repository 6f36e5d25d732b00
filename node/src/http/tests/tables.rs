//! Tables by HTTP, and what follows from them.

use super::*;
use townmesh_crdt::domain::date::Day;

/// Cases of the test of deadlines.
const CASES: usize = 70;

impl Node {
    /// Sends a file to be imported into a table.
    async fn table_file(&self, table: &str, text: &str) -> (StatusCode, Value) {
        self.send(self.request("POST", &format!("/v1/tables/{table}/import"), text.to_owned())).await
    }

    async fn row(&self, table: &str, row: Value) -> (StatusCode, Value) {
        self.post(&format!("/v1/tables/{table}"), &json!({ "rows": [row] })).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_listed_shown_and_changed_row_by_row() {
    let node = Node::start().await;
    let (status, listed) = node.fetch("/v1/tables").await;
    assert_eq!(status, StatusCode::OK, "{listed}");
    let limit = listed["rows"].as_array().unwrap().iter().find(|table| table["table"] == "limit").unwrap();
    assert_eq!(
        (&limit["chinese"], &limit["recorded"], &limit["draft"]),
        (&json!("处置时限"), &json!(0), &json!(false))
    );
    assert_eq!(
        limit["columns"][1],
        json!({ "name": "severity", "chinese": "严重程度", "english": "severity", "need": "key" })
    );

    let (status, done) = node.row("limit", json!({ "category": "rubble", "severity": "一般", "amount": 2 })).await;
    assert_eq!((status, done), (StatusCode::OK, json!({ "created": 0, "changed": 1, "unchanged": 0 })));
    let (_, done) = node.row("limit", json!({ "类别编号": "rubble", "severity": "general", "amount": "2" })).await;
    assert_eq!(done["unchanged"], 1);
    let rubble = async || {
        let (_, shown) = node.fetch("/v1/tables/limit").await;
        shown["rows"].as_array().unwrap().iter().find(|row| row["category"] == "rubble").cloned()
    };
    let row = rubble().await.unwrap();
    assert_eq!((&row["amount"], &row["unit"]), (&json!(2), &json!("working_days")), "the unit stays");
    assert!(row["recorded_ms"].as_i64().unwrap() > 0);
    node.row("limit", json!({ "category": "rubble", "severity": "general", "retired": true })).await;
    assert_eq!(rubble().await, None);
    let (_, all) = node.fetch("/v1/tables/limit?retired=true").await;
    assert!(all["rows"].as_array().unwrap().iter().any(|row| row["retired"] == true && row["category"] == "rubble"));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_rows_are_named_in_both_languages_and_nothing_of_them_stands() {
    let node = Node::start().await;
    for (table, rows, code_of, words) in [
        ("limit", json!([{ "category": "a" }]), "rows", "rows[0].severity"),
        (
            "limit",
            json!([{ "category": "a", "severity": "general", "amount": 3, "unit": "fortnights" }]),
            "rows",
            "unit",
        ),
        (
            "limit",
            json!([{ "category": "a", "severity": "general", "amount": [3], "unit": "working_days" }]),
            "rows",
            "amount",
        ),
        ("category", json!([{ "code": "a", "chinese": { "a": 1 } }]), "rows", "rows[0].chinese"),
        ("category", json!([{ "code": "a", "类别编号": "b", "chinese": "甲" }]), "rows", "rows[0].code"),
        ("limit", json!([{ "category": "a", "weather": 3 }]), "rows", "rows[0].weather"),
        ("grade", json!([{ "letter": "A", "least": 50 }, { "letter": "B", "least": 101 }]), "rows", "rows[1].least"),
        ("transition", json!([{ "step": "close", "who": "mayor" }]), "rows", "rows[0].who"),
    ] {
        let (status, answer) = node.post(&format!("/v1/tables/{table}"), &json!({ "rows": rows })).await;
        assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, code_of), "{answer}");
        assert!(answer["message_en"].as_str().unwrap().contains(words), "{answer}");
        assert!(!answer["message_zh"].as_str().unwrap().is_empty(), "{answer}");
    }
    let (_, grades) = node.fetch("/v1/tables/grade").await;
    assert_eq!((&grades["rows"][0]["least"], &grades["rows"][0]["recorded_ms"]), (&json!(90), &Value::Null));
    for (path, expected) in
        [("/v1/tables/weather", StatusCode::BAD_REQUEST), ("/v1/tables/unknown_99", StatusCode::NOT_FOUND)]
    {
        assert_eq!(node.fetch(path).await.0, expected, "{path}");
    }
    assert_eq!(code(&node.fetch("/v1/tables/limit?format=pdf").await.1), "format");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_imported_whole_or_not_at_all_and_exported_again() {
    let node = Node::start().await;
    let (status, answer) = node
        .table_file("calendar_day", "日期,上班,名称\n2026-10-01,否,国庆节\n2026-10-32,否,\n2026-10-10,也许,\n")
        .await;
    assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, "rows"), "{answer}");
    let zh = answer["message_zh"].as_str().unwrap();
    assert!(zh.starts_with("没有导入，2 行有误：第 3 行“日期”：") && zh.contains("第 4 行“上班”"), "{zh}");
    let (status, answer) = node.table_file("limit", "category,severity\nrubble,general\n,general\n").await;
    assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, "rows"), "{answer}");
    assert!(answer["message_en"].as_str().unwrap().contains("row 3, category"), "{answer}");

    // Also a cell that a row need not have.
    let (status, answer) = node.table_file("grid_rule", "kind,最多户数\nvillage,一百\n").await;
    assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, "rows"), "{answer}");

    let (status, done) =
        node.table_file("calendar_day", "日期,上班,名称,x\n2026-10-01,否,国庆节,\n2026-10-10,是,调休,\n").await;
    assert_eq!(status, StatusCode::OK, "{done}");
    assert_eq!(done, json!({ "created": 2, "changed": 0, "unchanged": 0, "ignored_columns": ["x"] }));
    let (_, csv) = node.fetch("/v1/tables/calendar_day?format=csv").await;
    assert_eq!(csv.as_str().unwrap(), "\u{feff}日期,上班,名称,停用\n2026-10-01,否,国庆节,\n2026-10-10,是,调休,\n");
    let (_, again) = node.table_file("calendar_day", csv.as_str().unwrap()).await;
    assert_eq!((&again["unchanged"], &again["changed"]), (&json!(2), &json!(0)));
    let (status, answer) = node.table_file("calendar_day", "").await;
    assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, "empty"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holiday_moves_the_deadlines_of_cases_that_are_filed_already() {
    let node = Node::start().await;
    let by = |role: &str| json!({ "by": format!("x-{role}"), "role": role });
    let report =
        json!({ "source": "patrol", "place": "幸福路", "description": "暴露垃圾", "category": "exposed_rubbish" });
    let body = json!({ "actor": by("inspector"), "region": REGION, "report": report });
    let (_, answer) = node.post("/v1/cases", &body).await;
    let number = answer["value"]["number"].as_str().unwrap().to_owned();
    // The limit is that of the table: one working day.
    let file = json!({ "file": { "category": "exposed_rubbish", "severity": "general" } });
    for (role, action) in [("intake_clerk", json!("accept")), ("duty_head", file)] {
        let act = json!({ "actor": by(role), "action": action });
        let (status, answer) = node.post(&format!("/v1/cases/{number}/actions"), &act).await;
        assert!(status.is_success(), "{answer}");
    }
    let owner = json!({ "region": &REGION[..9], "category": "environment", "level": "town", "owner": "hw-1" });
    let (status, answer) = node.row("responsibility", owner).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let (_, shown) = node.fetch(&format!("/v1/cases/{}", number.to_lowercase())).await;
    assert_eq!((&shown["lamp"], &shown["responsible"]["owner"]), (&json!("green"), &json!("hw-1")), "{shown}");
    for (lamp, cases) in [("green", 1), ("yellow", 0), ("red", 0)] {
        let (_, listed) = node.fetch(&format!("/v1/cases?lamp={lamp}")).await;
        assert_eq!(listed["rows"].as_array().unwrap().len(), cases, "{lamp}");
    }
    // More than are read again in one go.
    for _ in 1..CASES {
        node.filed(None).await;
    }
    let dues = async || {
        let (_, listed) = node.fetch("/v1/cases?limit=500").await;
        listed["rows"].as_array().unwrap().iter().map(|row| row["due_ms"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    node.fetch("/v1/teams").await;
    let latest = dues().await.into_iter().max().unwrap();
    let today = Day::of_time(crate::engine::now().cast_signed(), 480);
    let days: Vec<Value> =
        (0..40).map(|more| json!({ "day": Day(today.0 + more).to_string(), "worked": false })).collect();
    let (status, done) = node.post("/v1/tables/calendar_day", &json!({ "rows": days })).await;
    assert_eq!((status, &done["created"]), (StatusCode::OK, &json!(40)), "{done}");
    let mut moved = vec![];
    for _ in 0..200 {
        moved = dues().await;
        if moved.iter().all(|due| *due > latest + 30 * 86_400_000) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(moved.len(), CASES);
    assert!(moved.iter().all(|due| *due > latest + 30 * 86_400_000), "{moved:?} after {latest}");
    let mut lag = Value::Null;
    for _ in 0..200 {
        lag = node.fetch("/v1/status").await.1["view_lag"].clone();
        if lag == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(lag, 0, "all is shown");
    let (status, answer) = node.fetch("/v1/cases/000-000-0000").await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "a check character that does not fit: {answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn scores_are_told_by_role_with_their_completeness() {
    let node = Node::start().await;
    let (status, told) = node.fetch("/v1/scores?role=duty_head&from_ms=0&until_ms=5").await;
    assert_eq!((status, &told["rows"]), (StatusCode::OK, &json!([])), "{told}");
    assert!(told["completeness"]["complete_to_ms"].is_i64(), "{told}");
    for (query, code_of) in [
        ("role=duty_head&from_ms=5&until_ms=5", "period"),
        ("role=weather&from_ms=0&until_ms=5", "query"),
        ("role=unknown_77&from_ms=0&until_ms=5", "not_found"),
        ("from_ms=0&until_ms=5", "query"),
    ] {
        let (status, answer) = node.fetch(&format!("/v1/scores?{query}")).await;
        assert!(status.is_client_error(), "{query}: {answer}");
        assert_eq!(code(&answer), code_of, "{query}");
    }
}
