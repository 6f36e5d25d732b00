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

#[tokio::test(flavor = "multi_thread")]
async fn absurd_values_are_refused_with_field_reason_and_remedy() {
    let node = Node::start().await;
    let household = node.household("幸福路1号").await;
    let door = |part: Value| {
        let mut household = json!({ "region": REGION, "address": "2号" });
        household.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        json!({ "household": household })
    };
    let visit = |part: Value| {
        let mut visit =
            json!({ "household": household, "by": "xc-1", "time_ms": 1, "checklist": 1, "answers": { "4": "ok" } });
        visit.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        visit
    };
    let moved = json!({ "moved_in": "2024-03-05", "moved_out": "2024-03-04" });
    let stay = json!({ "household": { "region": REGION, "address": "2号" }, "residents": [moved] });
    for (path, body, field, expected) in [
        ("/v1/households", door(json!({ "usage": "unknown_99" })), "household.usage", "word_unknown"),
        ("/v1/households", door(json!({ "number": 0 })), "household.number", "number"),
        ("/v1/households", door(json!({ "area_dm2": 0 })), "household.area_dm2", "number"),
        ("/v1/households", door(json!({ "address": "1\u{8}号" })), "household.address", "control_character"),
        ("/v1/households", door(json!({ "owner": { "phone": "138" } })), "household.owner.phone", "phone"),
        ("/v1/households", door(json!({ "owner": { "name": "王*" } })), "household.owner.name", "masked"),
        ("/v1/households", stay, "residents[0].moved_out", "day_order"),
        ("/v1/inspections", visit(json!({ "by": " " })), "by", "blank"),
        ("/v1/inspections", visit(json!({ "checklist": 77 })), "checklist", "checklist_unknown"),
        ("/v1/inspections", visit(json!({ "answers": { "99": "ok" } })), "answers.99", "item_unknown"),
        ("/v1/inspections", visit(json!({ "answers": {} })), "answers", "answers_missing"),
        ("/v1/teams", json!({ "code": "t1", "phone": "12" }), "phone", "phone"),
        ("/v1/devices", json!({ "code": "d1", "region": REGION, "name": "" }), "name", "blank"),
    ] {
        let (status, answer) = node.post(path, &body).await;
        assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, expected), "{body}: {answer}");
        for language in ["message_zh", "message_en"] {
            assert!(answer[language].as_str().unwrap().contains(field), "{body}: {answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn times_that_no_calendar_has_are_refused_and_asked_for_without_harm() {
    let node = Node::start().await;
    let household = node.household("幸福路1号").await;
    let visit = |time_ms: i64| json!({ "household": household, "by": "xc-1", "time_ms": time_ms, "checklist": 1, "answers": { "4": "hazard" } });
    let (status, answer) = node.post("/v1/inspections", &visit(253_402_300_799_999)).await;
    assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, "time_ahead"), "the year 9999: {answer}");
    let (status, answer) = node.post("/v1/inspections", &visit(0)).await;
    assert_eq!(status, StatusCode::CREATED, "the first of 1970: {answer}");
    let hazard = answer["value"]["hazards"][0].as_str().unwrap().to_owned();
    let report = json!({ "source": "patrol", "place": "村口", "description": "垃圾" });
    let actor = json!({ "by": "xc-1", "role": "inspector" });
    for time in [i64::MIN, -1, 253_402_300_800_000, i64::MAX] {
        let event = json!({ "device": "pm-1", "time_ms": time, "kind": "pm10" });
        let step = json!({ "step": "take_up", "by": "xc-1", "at_ms": time });
        for (path, body) in [
            ("/v1/inspections", visit(time)),
            ("/v1/events", json!({ "region": REGION, "events": [event] })),
            (&format!("/v1/hazards/{hazard}/steps"), step),
        ] {
            let (status, answer) = node.post(path, &body).await;
            assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, "time"), "{path} {time}: {answer}");
        }
        for path in [
            format!("/v1/events?device=pm-1&from_ms={time}&until_ms={time}"),
            format!("/v1/events?from_ms={time}"),
            format!("/v1/cases?from_ms={time}&until_ms={time}"),
        ] {
            assert_eq!(node.fetch(&path).await.0, StatusCode::OK, "{path}");
        }
    }
    for time in [253_402_300_800_000, u64::MAX] {
        let body = json!({ "actor": actor, "region": REGION, "report": report, "noticed_ms": time });
        let (status, answer) = node.post("/v1/cases", &body).await;
        assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, "time"), "{time}: {answer}");
    }
}
