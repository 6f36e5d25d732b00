//! Ledgers by HTTP.

use rust_xlsxwriter::Workbook;

use super::*;
use crate::ledger::tests::mixed::{Mixed, mixed};

const HEADER: [&str; 5] = ["村居", "门牌号", "人员姓名", "人员电话", "面积"];

/// A workbook with a sheet of each name; each row below the header is door, name, phone and area.
fn workbook(sheets: &[(&str, &[[&str; 4]])]) -> Vec<u8> {
    let mut workbook = Workbook::new();
    for (name, rows) in sheets {
        let sheet = workbook.add_worksheet();
        sheet.set_name(*name).unwrap();
        sheet.write_row(0, 0, HEADER).unwrap();
        for (place, [door, person, phone, area]) in (1..).zip(*rows) {
            sheet.write_row(place, 0, [REGION, door, person, phone, area]).unwrap();
        }
    }
    workbook.save_to_buffer().unwrap()
}

impl Node {
    /// The lines that an import answers with; the value of the last one's only member and its name.
    async fn import(&self, query: &str, file: impl Into<Body>) -> (Vec<Value>, String, Value) {
        let mut request = self.request("POST", &format!("/v1/import{query}"), file);
        request.headers_mut().insert(header::CONTENT_TYPE, "application/octet-stream".parse().unwrap());
        let lines = self.lines(request).await;
        let (name, value) = lines.last().unwrap().as_object().unwrap().iter().next().unwrap();
        let last = (name.clone(), value.clone());
        (lines, last.0, last.1)
    }

    async fn addresses(&self) -> Vec<String> {
        // Members wait for the views, the list itself does not.
        self.fetch("/v1/members").await;
        let (_, listed) = self.fetch("/v1/households").await;
        let rows = listed["rows"].as_array().unwrap().iter();
        rows.map(|row| row["address"].as_str().unwrap().to_owned()).collect()
    }
}

fn counts(done: &Value) -> [u64; 4] {
    ["created", "changed", "unchanged", "rejected"].map(|name| done[name].as_u64().unwrap())
}

/// The problems of each rejected row: its number, and the codes.
fn rejected(lines: &[Value]) -> Vec<(u64, Vec<&str>)> {
    let rows = lines.iter().filter_map(|line| line.get("rejected"));
    rows.map(|row| {
        let problems = row["problems"].as_array().unwrap().iter();
        (row["row"].as_u64().unwrap(), problems.map(|one| one["code"].as_str().unwrap()).collect())
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workbook_is_imported_once_and_its_wrong_rows_come_back_as_a_workbook() {
    let node = Node::start().await;
    let rows = [
        ["1号", "甲", "13812345678", "45.5"],
        ["2号", "乙", "138", "45.5"],
        ["3号", "丙", "13812345670", "0"],
        ["4号", "丁*", "", ""],
    ];
    let file = workbook(&[("台账", &rows)]);
    let (lines, name, done) = node.import("?rejects=true", file.clone()).await;
    assert_eq!((name.as_str(), counts(&done)), ("done", [1, 0, 0, 3]), "{done}");
    assert_eq!(rejected(&lines), [(3, vec!["phone"]), (4, vec!["number"]), (5, vec!["masked"])]);
    for line in lines.iter().filter_map(|line| line.get("rejected")) {
        let problem = &line["problems"][0];
        let both = ["zh", "en", "column"].map(|part| problem[part].as_str().unwrap());
        assert!(both.iter().all(|text| !text.is_empty()), "{problem}");
    }
    assert_eq!((&done["summary"]["format"], &done["summary"]["sheet"]), (&json!("xlsx"), &json!("台账")));
    let returned =
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, done["rejects_file"].as_str().unwrap());
    // What came back is a ledger: imported as it is, the same rows are wrong.
    let (again, _, done) = node.import("", returned.unwrap()).await;
    assert_eq!(counts(&done), [0, 0, 0, 3], "{done}");
    assert_eq!(rejected(&again), [(2, vec!["phone"]), (3, vec!["number"]), (4, vec!["masked"])]);
    let (_, _, done) = node.import("?format=xlsx", file).await;
    assert_eq!(counts(&done), [0, 0, 1, 3], "the second time nothing is new: {done}");
    assert_eq!(node.addresses().await, ["1号"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_csv_is_imported_once_and_rows_of_one_household_fail_or_pass_by_themselves() {
    let node = Node::start().await;
    let head = HEADER.join(",");
    let file = format!("{head}\n{REGION},1号,甲,13812345678,45.5\n,,乙,1,\n,,丙,,\n{REGION},2号,丁,,10001\n");
    let (lines, name, done) = node.import("?format=csv", file.clone()).await;
    assert_eq!((name.as_str(), counts(&done)), ("done", [1, 0, 0, 2]), "{done}");
    assert_eq!(rejected(&lines), [(3, vec!["phone"]), (5, vec!["number"])]);
    assert_eq!(done["summary"]["sheet"], Value::Null, "{done}");
    let progress = lines.iter().filter_map(|line| line.get("progress")).next_back().unwrap();
    assert_eq!((&progress["created"], &progress["rejected"]), (&json!(1), &json!(2)), "{progress}");
    let (_, _, done) = node.import("", file.clone()).await;
    assert_eq!(counts(&done), [0, 0, 1, 2], "{done}");
    let (_, _, done) = node.import("", file.replace(",1,", ",13812345679,")).await;
    assert_eq!(counts(&done), [0, 1, 0, 1], "one is put right: {done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_ledger_with_every_mistake_the_sound_rows_are_taken_once_and_nothing_of_the_others() {
    let node = Node::start().await;
    let Mixed { text, wrong } = mixed(REGION, 2_000);
    assert_eq!(wrong.len(), 60);
    let (lines, name, done) = node.import("", text.clone()).await;
    assert_eq!((name.as_str(), counts(&done)), ("done", [1_940, 0, 0, 60]), "{done}");
    let numbers: Vec<u64> = rejected(&lines).into_iter().map(|(row, _)| row).collect();
    assert_eq!(numbers, wrong.iter().map(|(row, _)| *row).collect::<Vec<_>>());
    for row in lines.iter().filter_map(|line| line.get("rejected")) {
        for problem in row["problems"].as_array().unwrap() {
            let both = ["zh", "en", "code"].map(|part| problem[part].as_str().unwrap_or_default());
            assert!(both.iter().all(|text| !text.is_empty()), "{row}");
        }
    }
    node.fetch("/v1/members").await;
    let (_, told) = node.fetch("/v1/counts").await;
    let count = &told["rows"][0];
    assert_eq!((&count["households"], &count["residents"]), (&json!(1_940), &json!(1_940)), "{count}");
    let (_, _, again) = node.import("", text).await;
    assert_eq!(counts(&again), [0, 0, 1_940, 60], "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_sheets_the_chosen_one_is_imported_and_the_others_are_named() {
    let node = Node::start().await;
    let file = workbook(&[
        ("一组", &[["1号", "甲", "", ""]]),
        ("二组", &[["2号", "乙", "", ""]]),
        ("三组", &[["3号", "丙", "", ""]]),
    ]);
    let (_, _, done) = node.import("", file.clone()).await;
    let summary = &done["summary"];
    assert_eq!((&summary["sheet"], &summary["sheets_left_out"]), (&json!("一组"), &json!(["二组", "三组"])), "{done}");
    // 三组
    let (_, _, done) = node.import("?sheet=%E4%B8%89%E7%BB%84", file.clone()).await;
    assert_eq!((counts(&done), &done["summary"]["sheet"]), ([1, 0, 0, 0], &json!("三组")), "{done}");
    assert_eq!(node.addresses().await, ["1号", "3号"]);
    let (_, name, error) = node.import("?sheet=x", file).await;
    assert_eq!((name.as_str(), code(&error)), ("error", "sheet_unknown"), "{error}");
    for language in ["message_zh", "message_en"] {
        assert!(error[language].as_str().unwrap().contains("一组、二组、三组"), "{error}");
    }
    let (_, _, error) = node.import("?sheet=x", format!("村居,门牌号,姓名\n{REGION},1号,甲\n")).await;
    assert_eq!(code(&error), "no_sheets", "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_ledger_is_refused_as_a_whole() {
    let node = Node::start().await;
    let broken = workbook(&[("台账", &[["1号", "甲", "", ""]])]);
    for (file, expected) in [
        (b"a,b\n1,2\n".to_vec(), "missing_columns"),
        (b"PK\x03\x04 no workbook".to_vec(), "damaged_workbook"),
        (broken[..broken.len() / 2].to_vec(), "damaged_workbook"),
        (b"\xD0\xCF\x11\xE0 old".to_vec(), "old_or_encrypted_workbook"),
        (b"\0\0\0\0".to_vec(), "not_text"),
    ] {
        let (_, name, error) = node.import("", file).await;
        assert_eq!((name.as_str(), code(&error)), ("error", expected), "{error}");
    }
    for query in ["?format=pdf", "?map=1", "?sheets=x", "?region=1"] {
        let (status, answer) = node.post(&format!("/v1/import{query}"), &json!({})).await;
        assert_eq!((status, code(&answer)), (StatusCode::BAD_REQUEST, "query"), "{query}: {answer}");
    }
    assert_eq!(node.addresses().await, Vec::<String>::new());
}
