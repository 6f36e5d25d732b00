//! Edits of one resident, and the case of a hazard.

use super::*;

impl Node {
    async fn patch(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        self.send(self.request("PATCH", path, body.to_string())).await
    }

    /// The people of a household as they are shown.
    async fn people(&self, household: &str) -> Vec<Value> {
        let (_, shown) = self.fetch(&format!("/v1/households/{household}")).await;
        shown["people"].as_array().unwrap_or_else(|| panic!("{shown}")).clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resident_moves_out_comes_back_and_may_have_been_a_mistake() {
    let node = Node::start().await;
    let household = node.household("幸福路1号").await;
    let tenant =
        json!({ "kind": "migrant", "moved_in": "2026-03-01", "personal": { "name": "丙丁", "phone": "13800138000" } });
    let (status, answer) = node.post(&format!("/v1/households/{household}/residents"), &tenant).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    let path = format!("/v1/households/{household}/residents/{}", answer["value"]["resident"].as_str().unwrap());
    let (status, answer) = node.patch(&path, &json!({ "set": { "moved_out": "2026-11-01" } })).await;
    assert_eq!((status, &answer["outcome"]), (StatusCode::OK, &json!("changed")), "{answer}");
    assert_eq!(node.people(&household).await[0]["moved_out"], "2026-11-01");
    let (_, again) = node.patch(&path, &json!({ "set": { "moved_out": "2026-11-01" } })).await;
    assert_eq!(again["outcome"], "unchanged", "{again}");
    let phone = json!({ "set": { "personal": { "name": "丙丁", "phone": "13900000008" } }, "clear": ["moved_out"] });
    assert_eq!(node.patch(&path, &phone).await.0, StatusCode::OK);
    let back = &node.people(&household).await[0];
    assert_eq!((&back["moved_out"], &back["phone"]), (&Value::Null, &json!("139****0008")), "{back}");
    assert_eq!(node.patch(&path, &json!({ "set": { "void": true } })).await.0, StatusCode::OK);
    assert_eq!(node.people(&household).await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_fits_no_resident_is_refused_by_name() {
    let node = Node::start().await;
    let household = node.household("幸福路1号").await;
    let tenant = json!({ "moved_in": "2026-03-01", "personal": { "name": "丙丁" } });
    let (_, answer) = node.post(&format!("/v1/households/{household}/residents"), &tenant).await;
    let resident = answer["value"]["resident"].as_str().unwrap().to_owned();
    let (own, nobody) =
        (format!("{household}/residents/{resident}"), format!("{household}/residents/{}", "0".repeat(16)));
    for (path, edit, status, expected) in [
        (&own, json!({ "set": { "moved_out": "2026-02-28" } }), StatusCode::UNPROCESSABLE_ENTITY, "day_order"),
        (&own, json!({ "set": { "kind": "unknown_99" } }), StatusCode::UNPROCESSABLE_ENTITY, "word_unknown"),
        (&own, json!({ "clear": ["left"] }), StatusCode::UNPROCESSABLE_ENTITY, "unknown_field"),
        (&own, json!({ "sets": {} }), StatusCode::UNPROCESSABLE_ENTITY, "body"),
        (&nobody, json!({}), StatusCode::NOT_FOUND, "not_found"),
        (&format!("{}/residents/{resident}", "0".repeat(32)), json!({}), StatusCode::NOT_FOUND, "not_found"),
        (&format!("{household}/residents/1"), json!({}), StatusCode::BAD_REQUEST, "path"),
    ] {
        let (found, answer) = node.patch(&format!("/v1/households/{path}"), &edit).await;
        assert_eq!((found, code(&answer)), (status, expected), "{path} {edit}: {answer}");
    }
    assert_eq!(node.people(&household).await[0]["moved_in"], "2026-03-01", "nothing was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hazard_names_the_case_that_was_made_of_it() {
    let node = Node::start().await;
    let household = node.household("幸福路1号").await;
    let visit =
        json!({ "household": household, "by": "xc-1", "time_ms": 1, "checklist": 1, "answers": { "4": "hazard" } });
    let (_, answer) = node.post("/v1/inspections", &visit).await;
    let hazard = answer["value"]["hazards"][0].as_str().unwrap().to_owned();
    let report = json!({ "source": "patrol", "place": "幸福路1号", "description": "室内充电" });
    let case = json!({ "actor": { "by": "xc-1", "role": "inspector" }, "region": REGION, "report": report });
    let (_, answer) = node.post("/v1/cases", &case).await;
    let (case, number) = (&answer["value"]["document"], &answer["value"]["number"]);
    let link = |case: &Value| (format!("/v1/hazards/{hazard}/case"), json!({ "case": case }));
    for (name, outcome) in [(number, "changed"), (case, "unchanged")] {
        let (path, body) = link(name);
        let (status, answer) = node.post(&path, &body).await;
        assert_eq!((status, &answer["outcome"]), (StatusCode::OK, &json!(outcome)), "{answer}");
        assert_eq!((&answer["value"]["case"], &answer["value"]["document"]), (case, &json!(hazard)));
    }
    node.fetch("/v1/members").await;
    assert_eq!(node.fetch("/v1/hazards").await.1["rows"][0]["case"], *case);
    // Neither another document nor one that is nowhere is a case.
    for (wrong, status) in [
        (json!(household), StatusCode::NOT_FOUND),
        (json!("0".repeat(32)), StatusCode::NOT_FOUND),
        (json!("x"), StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        let (path, body) = link(&wrong);
        assert_eq!(node.post(&path, &body).await.0, status, "{wrong}");
    }
    // A household lies beside its hazards, and is none.
    let nowhere = |path: &str| format!("/v1/hazards/{household}/{path}");
    assert_eq!(node.post(&nowhere("case"), &json!({ "case": case })).await.0, StatusCode::NOT_FOUND);
    let step = json!({ "step": "take_up", "by": "xc-1" });
    assert_eq!(node.post(&nowhere("steps"), &step).await.0, StatusCode::NOT_FOUND);
}
