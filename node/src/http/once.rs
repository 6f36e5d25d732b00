//! `Idempotency-Key`: a request whose answer was lost may be sent again and is not carried out twice
//! (draft-ietf-httpapi-idempotency-key-header). What makes this hold over a power cut is in the replica
//! ([`Replica::note_request`](townmesh_crdt::replica::Replica::note_request)).
//!
//! It goes for whatever records from JSON under `/v1`. A file is taken row by row, and a photo by its hash: those need no key. A
//! request that was refused is not noted and may be corrected under the same key.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes, HttpBody as _, to_bytes};
use axum::extract::{Request as HttpRequest, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use townmesh_crdt::replica::{Carried, Request};

use super::Api;
use super::bounds::EVENTS_BYTES;
use super::error::ApiError;
use crate::engine;
use crate::message::Message;

/// Name of the header.
pub(super) const HEADER: &str = "idempotency-key";
/// Longest key.
pub(super) const MAX_KEY: usize = 200;
/// Says of an answer that it was given before.
const REPLAYED: &str = "idempotency-replayed";
/// A longer answer is not kept: whoever asks again is told that it was carried out.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Requests with a key that are being carried out.
#[derive(Debug, Default)]
pub(super) struct UnderWay(Mutex<BTreeSet<[u8; 32]>>);

/// A place among them, for as long as it is held.
struct Place {
    of: Arc<UnderWay>,
    id: [u8; 32],
}

impl UnderWay {
    /// `None` where the same request is being carried out.
    fn enter(self: &Arc<Self>, id: [u8; 32]) -> Option<Place> {
        let is_new = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        is_new.then(|| Place { of: Arc::clone(self), id })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.of.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// The key of a request, if it has one.
///
/// # Errors
/// [`ApiError`] for one that is empty, too long, or of other than visible characters.
pub(super) fn key_of(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(key) = headers.get(HEADER) else { return Ok(None) };
    let key = key.to_str().ok().map(str::trim).filter(|key| !key.is_empty() && key.len() <= MAX_KEY);
    key.map(Some).ok_or_else(|| {
        let message = Message::new(
            "idempotency_key",
            format!("Idempotency-Key 须为可见字符，不超过 {MAX_KEY} 个"),
            format!("Idempotency-Key must be visible characters, {MAX_KEY} at most"),
        );
        ApiError::bad_request(message)
    })
}

/// Carries out a request with a key once.
pub(super) async fn once(State(api): State<Api>, request: HttpRequest, next: Next) -> Result<Response, ApiError> {
    if !is_meant(&request) {
        return Ok(next.run(request).await);
    }
    let Some(key) = key_of(request.headers())?.map(str::to_owned) else { return Ok(next.run(request).await) };
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, EVENTS_BYTES).await.map_err(|error| {
        let message =
            Message::new("body", "请求内容过大或未收全", format!("the body is too large or broke off: {error}"));
        ApiError { status: StatusCode::PAYLOAD_TOO_LARGE, message }
    })?;
    let path = parts.uri.path_and_query().map(|path| path.as_str().to_owned()).unwrap_or_default();
    let asked = Request::new(&key, &[parts.method.as_str().as_bytes(), path.as_bytes(), &body]);
    // Held as long as a job of it is on its way, also where whoever asked has given up meanwhile.
    let place = Arc::new(api.under_way().enter(asked.id()).ok_or_else(under_way)?);
    let known = asked.clone();
    match api.engine().read(move |replica| replica.carried_out(&known)).await?? {
        Carried::Another => return Err(another()),
        Carried::Out(answer) => return answer.and_then(|answer| replayed(&answer)).ok_or_else(answer_lost),
        Carried::Not => {}
    }
    let request = HttpRequest::from_parts(parts, Body::from(body));
    let response = engine::carrying_out(asked.clone(), place.clone(), next.run(request)).await;
    if response.status().is_success() { keep(&api, asked, response, place).await } else { Ok(response) }
}

fn is_meant(request: &HttpRequest) -> bool {
    let is_json = |value: &HeaderValue| value.to_str().is_ok_and(is_json);
    matches!(*request.method(), Method::POST | Method::PATCH)
        && request.uri().path().starts_with("/v1/")
        && request.headers().get(header::CONTENT_TYPE).is_some_and(is_json)
}

/// Whether a media type is one that is read as JSON: `application/json`, or `application/` with `+json`, in any letters.
fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Notes an answer before it is given.
async fn keep(api: &Api, asked: Request, response: Response, _place: Arc<Place>) -> Result<Response, ApiError> {
    let (parts, body) = response.into_parts();
    let is_short = body.size_hint().upper().is_some_and(|upper| upper <= LONGEST_ANSWER as u64);
    if !is_short {
        return Ok(Response::from_parts(parts, body));
    }
    let body = to_bytes(body, LONGEST_ANSWER).await.map_err(|_| answer_lost())?;
    let answer = [&parts.status.as_u16().to_be_bytes()[..], &body].concat();
    // Where that fails the request is carried out all the same, and whoever asks again is told so.
    let noted = api.engine().record(move |replica, now| Ok(replica.note_answer(&asked, &answer, now)?)).await;
    if let Err(error) = noted {
        tracing::warn!(%error, "the answer to a request could not be noted");
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

/// An answer that was given before.
fn replayed(answer: &[u8]) -> Option<Response> {
    let (status, body) = answer.split_first_chunk()?;
    let status = StatusCode::from_u16(u16::from_be_bytes(*status)).ok()?;
    let mut response = (status, [(REPLAYED, "true")]).into_response();
    if !body.is_empty() {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *response.body_mut() = Body::from(Bytes::copy_from_slice(body));
    }
    Some(response)
}

fn another() -> ApiError {
    let (zh, en) = ("这个 Idempotency-Key 已用于另一个请求", "another request was sent with this Idempotency-Key");
    let remedy = ("每个请求使用新的键", "use a new key for each request");
    let message = Message::new("idempotency_key_used", zh, en).remedy(remedy.0, remedy.1);
    ApiError { status: StatusCode::UNPROCESSABLE_ENTITY, message }
}

fn under_way() -> ApiError {
    let (zh, en) = ("同一请求正在办理", "the same request is being carried out");
    ApiError::conflict(Message::new("request_under_way", zh, en).remedy("稍后再试", "try again in a moment"))
}

fn answer_lost() -> ApiError {
    let (zh, en) = ("此请求已办理，但当时的答复没有保存", "this request was carried out; its answer was not kept");
    let remedy = ("在列表中查看结果，不必重发", "look for the result in the list; there is no need to send it again");
    ApiError::conflict(Message::new("request_carried_out", zh, en).remedy(remedy.0, remedy.1))
}
