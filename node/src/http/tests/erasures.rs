//! A person is erased by whoever holds an authority's key.

use super::revocations::text;
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_resident_is_erased_once_and_the_rest_of_the_household_stays() {
    let node = Node::start().await;
    let household = node.household("幸福路1号").await;
    let add = async |name: &str| {
        let resident = json!({ "personal": { "name": name, "phone": "13800138000" } });
        let (status, answer) = node.post(&format!("/v1/households/{household}/residents"), &resident).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        answer["value"]["resident"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    };
    let (gone, stays) = (add("离去").await, add("留下").await);
    let authority = text(&node.authority);
    let foreign = text(&enrol::found(&[], "2026", "2026-11", 1, &mut ChaCha20Rng::seed_from_u64(9)).authority);
    let nobody = "00".repeat(8);
    for (authority, document, resident, status, expected) in [
        (&foreign, &household, &gone, StatusCode::BAD_REQUEST, "other_town"),
        (&authority, &household, &nobody, StatusCode::CONFLICT, "nothing_recorded"),
        (&authority, &"00".repeat(16), &gone, StatusCode::CONFLICT, "nothing_recorded"),
    ] {
        let input = json!({ "authority": authority, "document": document, "resident": resident });
        let (found, answer) = node.post("/v1/erase", &input).await;
        assert_eq!((found, code(&answer)), (status, expected), "{answer}");
    }
    let shown = async || node.fetch(&format!("/v1/households/{household}?reveal=check")).await.1.to_string();
    assert!(shown().await.contains("离去"));
    let input = json!({ "authority": authority, "document": household, "resident": gone });
    let (status, answer) = node.post("/v1/erase", &input).await;
    assert_eq!((status, &answer["keys"]), (StatusCode::OK, &json!(1)), "{answer}");
    let after = shown().await;
    assert!(!after.contains("离去") && after.contains("留下") && after.contains("erased"), "{after}");
    let (_, listed) = node.fetch("/v1/households?text=离去").await;
    assert_eq!(listed["rows"].as_array().map(Vec::len), Some(0), "{listed}");
    let order = answer["order"].as_str().unwrap();
    assert_eq!(node.fetch(&format!("/v1/delivery?document={order}")).await.0, StatusCode::OK);
    let (status, answer) = node.post("/v1/erase", &input).await;
    assert_eq!((status, code(&answer)), (StatusCode::CONFLICT, "erased"));
    let again = json!({ "set": { "personal": { "phone": "13900139000" } } });
    let path = format!("/v1/households/{household}/residents/{gone}");
    let (status, answer) = node.send(node.request("PATCH", &path, again.to_string())).await;
    assert_eq!((status, code(&answer)), (StatusCode::CONFLICT, "erased"), "nothing more is sealed for who was erased");
    assert_ne!(gone, stays);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reported_a_case_is_masked_revealed_for_a_reason_and_erased() {
    let node = Node::start().await;
    let case = json!({
        "actor": { "by": "sly-1", "role": "intake_clerk" }, "region": REGION,
        "report": { "source": "public", "place": "村口", "description": "垃圾" },
        "reporter": { "name": "王小明", "phone": "13800138000" },
    });
    let (status, answer) = node.post("/v1/cases", &case).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    let id = answer["value"]["document"].as_str().unwrap().to_owned();
    let shown = async |query: &str| node.fetch(&format!("/v1/cases/{id}{query}")).await.1;
    let masked = shown("").await;
    assert_eq!(masked["reporters"][0]["data"], json!({ "name": "王*", "phone": "138****8000" }), "{masked}");
    assert!(!masked.to_string().contains("小明"), "{masked}");
    let (_, listed) = node.fetch("/v1/cases").await;
    assert!(!listed.to_string().contains('王'), "{listed}");
    let open = shown("?reveal=callback").await;
    assert_eq!(open["reporters"][0]["data"], json!({ "name": "王小明", "phone": "13800138000" }));
    let (_, reveals) = node.fetch("/v1/reveals").await;
    assert_eq!(reveals["rows"][0]["kind"], "case", "{reveals}");
    assert_eq!(reveals["rows"][0]["documents"], json!([id]));
    assert_eq!(reveals["rows"].as_array().map(Vec::len), Some(1), "masked looks are not noted");
    let input = json!({ "authority": text(&node.authority), "document": id });
    assert_eq!(node.post("/v1/erase", &input).await.0, StatusCode::OK);
    let gone = shown("?reveal=callback").await;
    assert_eq!(gone["reporters"], json!([{ "data": null, "state": "erased" }]), "{gone}");
}
