//! What a request may cost, and what becomes of one that costs more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::HttpBody as _;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Json, OptionalFromRequest, Path, Query, Request, State};
use axum::http::{StatusCode, Uri, request::Parts};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Api;
use super::error::ApiError;
use crate::message::Message;
use crate::refusal;

/// Largest body of an ordinary request.
pub(super) const BODY_BYTES: usize = 1 << 20;
/// Largest batch of device events.
pub(super) const EVENTS_BYTES: usize = 8 << 20;
/// Requests worked on at a time.
const REQUESTS: usize = 256;
/// Imports, exports, dumps and checks at a time.
const HEAVY: usize = 2;
/// Photos decoded at a time: each takes some hundred megabytes at worst.
const DECODING: usize = 1;
/// Followers of changes at a time: the desks of a command center, and some programs.
const FOLLOWERS: usize = 64;
/// Time for an ordinary request, its body included.
const REQUEST_TIME: Duration = Duration::from_secs(30);
/// A body that is streamed may pause this long.
pub(super) const BODY_PAUSE: Duration = Duration::from_secs(20);

/// Counts what is going on; the numbers are shown by `/metrics`.
#[derive(Debug)]
pub(super) struct Bounds {
    requests: Arc<Semaphore>,
    heavy: Arc<Semaphore>,
    decoding: Arc<Semaphore>,
    followers: Arc<Semaphore>,
    /// Answers by the first digit of their status, from 1.
    answers: [AtomicU64; 5],
}

/// So long whoever records a photo waits for its thumbnail: many phones that come home at once must not time out for it.
const DECODING_SOON: Duration = Duration::from_secs(3);

impl Bounds {
    pub(super) fn new() -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self {
            requests: semaphore(REQUESTS),
            heavy: semaphore(HEAVY),
            decoding: semaphore(DECODING),
            followers: semaphore(FOLLOWERS),
            answers: Default::default(),
        }
    }

    /// A place for something long. It is held until the answer is complete.
    ///
    /// # Errors
    /// [`ApiError::busy`] when all are taken.
    pub(super) fn heavy(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        Arc::clone(&self.heavy).try_acquire_owned().map_err(|_| ApiError::busy())
    }

    /// A place for a photo that is decoded. It is waited for, as long as the request may take: a phone that sends its
    /// photos one after the other is not told to come again.
    ///
    /// # Errors
    /// [`ApiError::busy`] when the node stops.
    pub(super) async fn decoding(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        Arc::clone(&self.decoding).acquire_owned().await.map_err(|_| ApiError::busy())
    }

    /// The same, where there is one within a moment.
    pub(super) async fn decoding_soon(&self) -> Option<OwnedSemaphorePermit> {
        tokio::time::timeout(DECODING_SOON, self.decoding()).await.ok()?.ok()
    }

    /// A place for somebody who follows changes, for as long as that takes.
    ///
    /// # Errors
    /// [`ApiError::busy`] when all are taken.
    pub(super) fn follower(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        Arc::clone(&self.followers).try_acquire_owned().map_err(|_| ApiError::busy())
    }

    fn count(&self, status: StatusCode) {
        if let Some(counter) = self.answers.get(usize::from(status.as_u16() / 100).wrapping_sub(1)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Answers so far by class: `1xx` to `5xx`.
    pub(super) fn answers(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.answers.iter().map(|counter| counter.load(Ordering::Relaxed));
        ["1xx", "2xx", "3xx", "4xx", "5xx"].into_iter().zip(counts)
    }
}

/// Bounds the number of requests and counts their answers.
pub(super) async fn bound(State(api): State<Api>, request: Request, next: Next) -> Response {
    let response = match Arc::clone(&api.bounds().requests).try_acquire_owned() {
        Ok(_permit) => next.run(request).await,
        Err(_) => ApiError::busy().into_response(),
    };
    api.bounds().count(response.status());
    response
}

/// Bounds the time of an ordinary request.
pub(super) async fn limit_time(request: Request, next: Next) -> Result<Response, ApiError> {
    tokio::time::timeout(REQUEST_TIME, next.run(request)).await.map_err(|_| {
        let message = Message::new("timeout", "请求超时，未完成", "the request took too long and was given up");
        let remedy = ("核对是否已记录后再试", "check whether it was recorded, then try again");
        ApiError { status: StatusCode::REQUEST_TIMEOUT, message: message.remedy(remedy.0, remedy.1) }
    })
}

/// A body of JSON.
pub(super) struct Payload<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Payload<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let read = <Json<T> as FromRequest<S>>::from_request(request, state).await;
        let Json(value) = read.map_err(|rejection: JsonRejection| {
            let zh = match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => "请求内容过大".to_owned(),
                StatusCode::UNSUPPORTED_MEDIA_TYPE => "请求内容须为 application/json".to_owned(),
                _ => match refusal::in_chinese(&rejection.body_text()) {
                    Some(point) => format!("请求内容有误：{point}"),
                    None => "请求内容不是有效的 JSON".to_owned(),
                },
            };
            ApiError { status: rejection.status(), message: Message::new("body", zh, rejection.body_text()) }
        })?;
        Ok(Self(value))
    }
}

/// A body of JSON that may be left out.
impl<S: Send + Sync, T: DeserializeOwned> OptionalFromRequest<S> for Payload<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, ApiError> {
        // Whatever the header says: programs name a type for an empty body, too.
        if request.body().size_hint().exact() == Some(0) {
            return Ok(None);
        }
        <Self as FromRequest<S>>::from_request(request, state).await.map(Some)
    }
}

/// The query of a URL.
pub(super) struct Params<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(value)| Self(value)).map_err(|rejection| wrong_query(&rejection))
    }
}

impl<T: DeserializeOwned> Params<T> {
    /// The parameters of a query as it stands in a URL.
    pub(super) fn of(query: &str) -> Result<T, ApiError> {
        let uri = format!("/?{query}").parse::<Uri>();
        let uri =
            uri.map_err(|error| ApiError::bad_request(Message::new("query", "网址中的参数有误", error.to_string())))?;
        Query::<T>::try_from_uri(&uri).map(|Query(value)| value).map_err(|rejection| wrong_query(&rejection))
    }
}

fn wrong_query(rejection: &QueryRejection) -> ApiError {
    let zh = match refusal::in_chinese(&rejection.body_text()) {
        Some(point) => format!("网址中的参数有误：{point}"),
        None => "网址中的参数有误".to_owned(),
    };
    ApiError::bad_request(Message::new("query", zh, rejection.body_text()))
}

/// The variable part of a path.
pub(super) struct Named<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(value) = Path::<T>::from_request_parts(parts, state).await.map_err(|rejection: PathRejection| {
            ApiError::bad_request(Message::new("path", "路径中的编号有误", rejection.body_text()))
        })?;
        Ok(Self(value))
    }
}
