//! Photos by HTTP.

use std::sync::LazyLock;

use townmesh_crdt::command::photo::{self, NewPhoto};
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::replica::Replica;

use super::*;
use crate::thumbnail::tests::{bomb, jpeg};

static PHOTO: LazyLock<Vec<u8>> = LazyLock::new(|| jpeg(b"a photo"));

impl Node {
    async fn send_photo(&self, household: &str, bytes: &[u8]) -> (StatusCode, Value) {
        let mut request = self.request("POST", &format!("/v1/photos?household={household}"), bytes.to_vec());
        request.headers_mut().insert(header::CONTENT_TYPE, "application/octet-stream".parse().unwrap());
        self.send(request).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_is_recorded_named_in_an_inspection_and_shown_for_a_reason() {
    let node = Node::start().await;
    let household = node.household("幸福路1号").await;
    let (status, answer) = node.send_photo(&household, &PHOTO).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    let photo = answer["value"]["photo"].as_str().unwrap();
    let (status, again) = node.send_photo(&household, &PHOTO).await;
    assert_eq!((status, &again["value"]), (StatusCode::OK, &answer["value"]));

    let inspection = json!({
        "household": household, "by": "xc-1", "time_ms": now(), "checklist": 2, "answers": {"1": "ok"}, "photos": [photo]
    });
    let (status, recorded) = node.post("/v1/inspections", &inspection).await;
    assert_eq!(status, StatusCode::CREATED, "{recorded}");
    let (_, listed) = node.fetch(&format!("/v1/inspections?household={household}")).await;
    assert!(listed.to_string().contains(photo), "the inspection names its photo: {listed}");

    let shown = node.router.clone().oneshot(node.request("GET", &format!("/v1/photos/{photo}?reveal=check"), ""));
    let shown = shown.await.unwrap();
    assert_eq!(shown.headers()[header::CONTENT_TYPE], "image/jpeg");
    assert_eq!(shown.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    assert_eq!(to_bytes(shown.into_body(), 1 << 20).await.unwrap(), *PHOTO);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_photos_and_reasonless_looks_are_refused() {
    let node = Node::start().await;
    let household = node.household("幸福路1号").await;
    let (_, answer) = node.send_photo(&household, &PHOTO).await;
    let photo = answer["value"]["photo"].as_str().unwrap();
    for (query, refusal) in
        [("", (StatusCode::FORBIDDEN, "reason_missing")), ("?reveal=%20", (StatusCode::BAD_REQUEST, "reason_empty"))]
    {
        let (status, answer) = node.fetch(&format!("/v1/photos/{photo}{query}")).await;
        assert_eq!((status, code(&answer)), refusal, "{query}");
    }
    for (bytes, refusal) in [
        (bomb(), "photo_too_many_pixels"),
        (b"\xff\xd8\xff".to_vec(), "photo_unreadable"),
        (b"GIF89a".to_vec(), "not_a_photo"),
    ] {
        let (status, answer) = node.send_photo(&household, &bytes).await;
        assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, refusal), "{answer}");
    }
    let nowhere = "00000000000000000000000000000000";
    let large = [&PHOTO[..], &vec![0; crate::http::photos::PHOTO_BYTES]].concat();
    for (household, bytes, status) in [
        (household.as_str(), &b"<script>"[..], StatusCode::UNPROCESSABLE_ENTITY),
        (household.as_str(), b"", StatusCode::UNPROCESSABLE_ENTITY),
        (nowhere, &PHOTO, StatusCode::NOT_FOUND),
        ("zz", &PHOTO, StatusCode::BAD_REQUEST),
        ("", &PHOTO, StatusCode::BAD_REQUEST),
        (household.as_str(), &large, StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let (found, answer) = node.send_photo(household, bytes).await;
        assert_eq!(found, status, "{answer}");
        assert!(answer["message_zh"].is_string(), "a refusal is explained: {answer}");
    }
    for query in ["", "region=110115005001&resident=0000000000000000", "region=110115005001&household=0"] {
        let (status, answer) = node.send(node.request("POST", &format!("/v1/photos?{query}"), PHOTO.to_vec())).await;
        assert_eq!((status, code(&answer)), (StatusCode::BAD_REQUEST, "query"), "{query}");
    }
    let of_a_place = node.request("POST", &format!("/v1/photos?region={REGION}"), jpeg(b"of a place"));
    assert_eq!(node.send(of_a_place).await.0, StatusCode::CREATED);
    let (status, _) = node.fetch(&format!("/v1/photos/{}?reveal=x", "0".repeat(64))).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thumbnail_is_shown_for_a_reason_also_of_a_photo_that_has_none() {
    let node = Node::start().await;
    let household = node.household("幸福路1号").await;
    let (_, answer) = node.send_photo(&household, &PHOTO).await;
    let recorded = answer["value"]["photo"].as_str().unwrap().to_owned();
    // As a version without thumbnails leaves it.
    let bare = NewPhoto { household: None, resident: None, bytes: jpeg(b"bare"), thumbnail: None };
    let job = move |replica: &mut Replica, now| photo::record(replica, &Namespace::registry(REGION), &bare, now);
    let bare = node.engine.record(job).await.unwrap().value().to_string();
    for photo in [recorded.as_str(), &bare] {
        let path = format!("/v1/photos/{photo}/thumbnail");
        let (status, answer) = node.fetch(&path).await;
        assert_eq!((status, code(&answer)), (StatusCode::FORBIDDEN, "reason_missing"));
        let shown =
            node.router.clone().oneshot(node.request("GET", &format!("{path}?reveal=check"), "")).await.unwrap();
        assert_eq!(shown.status(), StatusCode::OK);
        assert_eq!(shown.headers()[header::CONTENT_TYPE], "image/jpeg");
        let bytes = to_bytes(shown.into_body(), 1 << 20).await.unwrap();
        assert!(bytes.starts_with(b"\xff\xd8\xff") && bytes != *PHOTO, "it is made anew");
    }
    let (status, _) = node.fetch(&format!("/v1/photos/{}/thumbnail?reveal=x", "0".repeat(64))).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}
