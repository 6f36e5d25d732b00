//! What is refused of what people and programs send, and how it is told.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_misspelt_field_is_refused_by_name_with_those_that_exist() {
    let node = Node::start().await;
    let household = node.household("幸福路1号").await;
    let actor = json!({ "by": "xc-1", "role": "inspector" });
    let report = json!({ "source": "patrol", "place": "村口", "description": "垃圾", "discription": "" });
    let inspection = json!({
        "household": household, "by": "xc-1", "time_ms": 1, "checklist": 1, "answers": {}, "notes": "好"
    });
    let event = json!({ "device": "pm-1", "time_ms": 1, "kind": "pm10", "alam": true });
    for (path, body, wrong, known) in [
        ("/v1/households", json!({ "household": {}, "resident": [] }), "resident", "residents"),
        ("/v1/households", json!({ "household": { "adress": "1" } }), "household.adress", "address"),
        ("/v1/households", json!({ "household": { "owner": { "phon": "1" } } }), "household.owner.phon", "phone"),
        ("/v1/households", json!({ "residents": [{ "personal": {}, "sex": 1 }] }), "residents[0].sex", "relation"),
        (&format!("/v1/households/{household}/residents"), json!({ "name": "甲" }), "name", "personal"),
        ("/v1/inspections", inspection, "notes", "note"),
        ("/v1/cases", json!({ "actor": actor, "region": REGION, "report": report }), "report.discription", "place"),
        ("/v1/events", json!({ "region": REGION, "events": [event] }), "events[0].alam", "alarm"),
        ("/v1/members", json!({ "code": "m1", "fone": "1" }), "fone", "phone"),
        ("/v1/teams", json!({ "code": "t1", "fone": "1" }), "fone", "leader"),
        ("/v1/grids", json!({ "region": REGION, "code": "g1", "shape": [] }), "shape", "polygon"),
        ("/v1/devices", json!({ "code": "d1", "model": "x" }), "model", "protocol"),
        ("/v1/positions", json!({ "lat": 1.0, "lon": 1.0, "alt": 1.0 }), "alt", "lon"),
    ] {
        let (status, answer) = node.post(path, &body).await;
        assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, "body"), "{path}: {answer}");
        for language in ["message_zh", "message_en"] {
            let message = answer[language].as_str().unwrap();
            assert!(message.contains(wrong) && message.contains(known), "{path} {wrong}: {message}");
        }
    }
    let patch = node.request("PATCH", &format!("/v1/households/{household}"), r#"{"set":{},"clean":["note"]}"#);
    let (status, answer) = node.send(patch).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
    let action = json!({ "actor": actor, "action": { "refuse": { "reason": "不属实", "reasons": "" } } });
    let (status, answer) = node.post(&format!("/v1/cases/{household}/actions"), &action).await;
    assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, "body"), "{answer}");
}
