//! Lists of the hotline.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_list_becomes_cases_once_and_wrong_rows_come_back() {
    let node = Node::start().await;
    let list = format!(
        "工单编号,来电时间,村居,地址,诉求内容,类别,来电人,来电号码\n\
         T1,2026-11-20 08:30,{REGION},村口,飞线充电,用电隐患,王小明,13800138000\n\
         T2,,{REGION},村东,垃圾,,,\n\
         T3,,{REGION},村东,垃圾,,李四,12\n\
         T4,,999999999999,村东,垃圾,,,\n\
         T5,2019-01-01 08:00,{REGION},村东,垃圾,,,\n"
    );
    let (status, answer) = node.send(node.request("POST", "/v1/cases/import", list.clone())).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let rejected: Vec<(u64, &str)> = answer["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["row"].as_u64().unwrap(), row["problems"][0]["code"].as_str().unwrap()))
        .collect();
    assert_eq!(&rejected[..2], [(4, "phone"), (5, "region_unknown")], "{answer}");
    assert_eq!(answer["created"].as_u64().unwrap() + rejected.len() as u64, 5, "{answer}");
    let (_, again) = node.send(node.request("POST", "/v1/cases/import", list)).await;
    assert_eq!((&again["created"], &again["unchanged"]), (&json!(0), &answer["created"]), "{again}");
    node.fetch("/v1/members").await;
    let (_, listed) = node.fetch("/v1/cases?text=飞线充电").await;
    let case = &listed["rows"][0];
    assert_eq!((&case["source"], &case["category"]), (&json!("public"), &json!("wiring")), "{listed}");
    let (_, shown) = node.fetch(&format!("/v1/cases/{}", case["document"].as_str().unwrap())).await;
    assert_eq!(shown["reporter"]["data"]["phone"], "138****8000", "{shown}");
    let note = shown["timeline"][0]["note"].as_str().unwrap();
    assert!(note.contains("T1") && note.contains("2026-11-20 08:30"), "{note}");
    let (status, answer) = node.send(node.request("POST", "/v1/cases/import", "a,b\n1,2\n")).await;
    assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, "missing_columns"), "{answer}");
}
