//! People who move between villages, and who are recorded in several.

use super::revocations::text;
use super::*;

const NEXT: &str = "110115005002";
const ID_NUMBER: &str = "110101199003071233";

/// A household of a village with one person in it, where a name is given: both ids.
async fn home(node: &Node, region: &str, address: &str, name: Option<&str>) -> (String, String) {
    let people: Vec<Value> = name
        .map(|name| json!({ "kind": "migrant", "personal": { "name": name, "phone": "13800138000" } }))
        .into_iter()
        .collect();
    let input = json!({ "household": { "region": region, "address": address }, "residents": people });
    let (status, answer) = node.post("/v1/households", &input).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&answer["value"]["document"]), text(&answer["value"]["residents"][0]))
}

async fn residents_of(node: &Node, household: &str) -> (u64, Value) {
    let (status, shown) = node.fetch(&format!("/v1/households/{household}")).await;
    assert_eq!(status, StatusCode::OK, "{shown}");
    (shown["residents"].as_u64().unwrap(), shown["people"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resident_is_handed_over_taken_in_and_found_in_both_villages() {
    let node = Node::start().await;
    let (left, resident) = home(&node, REGION, "幸福路1号", Some("王离去")).await;
    let (there, _) = home(&node, NEXT, "海子角8号", None).await;
    let give = json!({ "household": left, "resident": resident, "to": NEXT, "day": "2026-11-20", "by": "cw-1" });
    let (status, answer) = node.post("/v1/moves", &give).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    let id = answer["value"]["document"].as_str().unwrap().to_owned();
    let (status, answer) = node.post("/v1/moves", &give).await;
    assert_eq!((status, &answer["outcome"]), (StatusCode::OK, &json!("unchanged")), "{answer}");
    let (_, shown) = node.fetch(&format!("/v1/moves/{id}")).await;
    assert_eq!((&shown["state"], &shown["person"]["name"]), (&json!("given"), &json!("王*")), "{shown}");
    assert_eq!(residents_of(&node, &left).await.0, 0, "they have left");
    for (path, body, status, expected) in [
        ("accept", json!({ "household": left, "by": "cw-2" }), StatusCode::FORBIDDEN, "not_this_village"),
        ("accept", json!({ "household": "00".repeat(16), "by": "cw-2" }), StatusCode::NOT_FOUND, "not_found"),
        ("accept", json!({ "household": there, "by": "" }), StatusCode::UNPROCESSABLE_ENTITY, "blank"),
        ("refuse", json!({ "reason": "", "by": "cw-2" }), StatusCode::UNPROCESSABLE_ENTITY, "blank"),
    ] {
        let (found, answer) = node.post(&format!("/v1/moves/{id}/{path}"), &body).await;
        assert_eq!((found, code(&answer)), (status, expected), "{path}: {answer}");
    }
    let accept = json!({ "household": there, "relation": "tenant", "by": "cw-2" });
    let (status, answer) = node.post(&format!("/v1/moves/{id}/accept"), &accept).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    let arrived = answer["value"]["resident"].as_str().unwrap().to_owned();
    let (count, people) = residents_of(&node, &there).await;
    assert_eq!((count, &people[0]["resident"], &people[0]["came_by"]), (1, &json!(arrived), &json!(id)), "{people}");
    assert_eq!(people[0]["stays"][0]["resident"], json!(resident), "an alias to the former id");
    for (path, body) in [("accept", accept.clone()), ("take-back", json!({ "by": "cw-1" }))] {
        let (status, answer) = node.post(&format!("/v1/moves/{id}/{path}"), &body).await;
        assert_eq!((status, code(&answer)), (StatusCode::CONFLICT, "move_accepted"), "{answer}");
    }
    for who in [&resident, &arrived] {
        let (_, listed) = node.fetch(&format!("/v1/moves?resident={who}&state=accepted")).await;
        assert_eq!(listed["rows"][0]["document"], json!(id), "{listed}");
    }
    assert_eq!(node.fetch("/v1/moves?state=given").await.1["rows"], json!([]));
    let (_, offered) = node.fetch("/v1/same-people").await;
    assert_eq!(offered["rows"], json!([]), "whoever moved is known to be the same");
    let erase = json!({ "authority": text(&node.authority), "document": there, "resident": arrived });
    let (status, answer) = node.post("/v1/erase", &erase).await;
    assert_eq!((status, answer["orders"].as_array().map(Vec::len)), (StatusCode::OK, Some(3)), "{answer}");
    assert_eq!(answer["elsewhere"], json!([]), "{answer}");
    let (_, shown) = node.fetch(&format!("/v1/moves/{id}?reveal=check")).await;
    assert_eq!((&shown["person_state"], &shown["person"]["name"]), (&json!("erased"), &json!("")), "{shown}");
    assert!(!node.fetch(&format!("/v1/households/{left}?reveal=check")).await.1.to_string().contains("离去"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_in_two_villages_is_offered_merged_counted_once_and_parted_again() {
    let node = Node::start().await;
    let (left, one) = home(&node, REGION, "幸福路1号", Some("王小明")).await;
    let (right, other) = home(&node, NEXT, "海子角8号", Some("王小明")).await;
    home(&node, NEXT, "海子角9号", Some("王大明")).await;
    let (_, offered) = node.fetch("/v1/same-people").await;
    let rows = offered["rows"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[0]["ground"]), (1, &json!("name_and_phone")), "{offered}");
    let ids: std::collections::BTreeSet<_> =
        ["first", "second"].map(|side| rows[0][side]["resident"].clone().to_string()).into();
    assert_eq!(ids, [json!(one).to_string(), json!(other).to_string()].into());
    assert_eq!(rows[0]["first"]["person"]["name"], "王*");
    let before = (residents_of(&node, &left).await, residents_of(&node, &right).await);
    let verdict = |verdict: &str| {
        json!({ "verdict": verdict, "one": { "household": right, "resident": other },
            "other": { "household": left, "resident": one } })
    };
    let (status, answer) = node.post("/v1/same-people", &verdict("merge")).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    let (count, people) = residents_of(&node, &left).await;
    assert_eq!((count, &people[0]["alias_of"]), (0, &json!(other)), "shown, and not counted here: {people}");
    assert_eq!(residents_of(&node, &right).await, before.1);
    assert_eq!(node.fetch("/v1/same-people").await.1["rows"], json!([]));
    let (_, answered) = node.fetch(&format!("/v1/same-people?answered=true&region={REGION}")).await;
    assert_eq!(answered["rows"].as_array().map(Vec::len), Some(1), "{answered}");
    // Whoever is shown turns out to have been recorded by mistake: then the other stands.
    let path = format!("/v1/households/{right}/residents/{other}");
    let void = |void: bool| json!({ "set": { "void": void } }).to_string();
    assert_eq!(node.send(node.request("PATCH", &path, void(true))).await.0, StatusCode::OK);
    assert_eq!(residents_of(&node, &left).await, before.0);
    assert_eq!(node.send(node.request("PATCH", &path, void(false))).await.0, StatusCode::OK);
    assert_eq!(residents_of(&node, &left).await.0, 0);
    let (status, answer) = node.post("/v1/same-people", &verdict("take_back")).await;
    assert_eq!((status, &answer["outcome"]), (StatusCode::OK, &json!("changed")), "{answer}");
    assert_eq!((residents_of(&node, &left).await, residents_of(&node, &right).await), before, "exactly as before");
    assert_eq!(node.fetch("/v1/same-people").await.1["rows"].as_array().map(Vec::len), Some(1), "offered again");
    node.post("/v1/same-people", &verdict("distinct")).await;
    assert_eq!(node.fetch("/v1/same-people").await.1["rows"], json!([]), "nobody is asked again");
    let numbered = json!({ "household": { "region": REGION, "address": "幸福路3号" },
        "residents": [{ "personal": { "name": "李甲", "id_number": ID_NUMBER } }] });
    assert_eq!(node.post("/v1/households", &numbered).await.0, StatusCode::CREATED);
    let again = json!({ "household": { "region": NEXT, "address": "海子角3号" },
        "residents": [{ "personal": { "name": "李乙", "id_number": ID_NUMBER } }] });
    assert_eq!(node.post("/v1/households", &again).await.0, StatusCode::CREATED);
    let (_, offered) = node.fetch(&format!("/v1/same-people?region={NEXT}")).await;
    assert_eq!(offered["rows"][0]["ground"], "id_number", "{offered}");
}
