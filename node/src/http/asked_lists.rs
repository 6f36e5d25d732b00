//! Lists that go out as files in the way in which the API answers them: the path of the list is asked, page after page, as
//! whoever exports would ask it.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::ACCEPT_ENCODING;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt as _;

use super::Api;
use super::error::ApiError;
use crate::ledger::AskedList;
use crate::message::Message;
use crate::views::{Listed, MAX_LIMIT};

/// Largest page of an answer, in bytes.
const PAGE_BYTES: usize = 64 << 20;

/// A list with what it is found by, and who asks for it.
pub(super) struct AskedRows {
    list: &'static AskedList,
    query: String,
    headers: HeaderMap,
    extensions: Extensions,
    router: Router,
}

impl AskedRows {
    /// What a request asks for, which has passed the guards.
    ///
    /// # Errors
    /// [`ApiError`] where it names a part of the list.
    pub(super) fn of(
        api: &Api,
        list: &'static AskedList,
        (query, reveal): (String, Option<String>),
        parts: Parts,
    ) -> Result<Self, ApiError> {
        let names_part = |part: &str| matches!(part.split('=').next(), Some("limit" | "after"));
        if list.pages && query.split('&').any(names_part) {
            return Err(super::export_lists::whole_list());
        }
        let reveal = reveal.filter(|_| list.reveals);
        let query = [Some(query).filter(|query| !query.is_empty()), reveal].into_iter().flatten();
        let Parts { mut headers, extensions, .. } = parts;
        headers.remove(ACCEPT_ENCODING);
        let router = super::lists().with_state(api.clone());
        Ok(Self { list, query: query.collect::<Vec<_>>().join("&"), headers, extensions, router })
    }

    /// Whether the path notes itself what it reveals.
    pub(super) fn notes_reveals(&self) -> bool {
        self.list.reveals
    }

    /// The rows after a cursor.
    ///
    /// # Errors
    /// What the path answers, as it says it.
    pub(super) async fn page(&self, after: Option<&str>) -> Result<Listed<Value>, ApiError> {
        let mut query = vec![self.query.clone()];
        if self.list.pages {
            query.push(format!("limit={MAX_LIMIT}"));
            query.extend(after.map(|after| format!("after={after}")));
        }
        query.retain(|part| !part.is_empty());
        let address = format!("{}?{}", self.list.path, query.join("&"));
        let mut request = Request::get(address).body(Body::empty()).map_err(|_| unreadable())?;
        *request.headers_mut() = self.headers.clone();
        *request.extensions_mut() = self.extensions.clone();
        let answer = match self.router.clone().oneshot(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        let status = answer.status();
        let body = to_bytes(answer.into_body(), PAGE_BYTES).await.map_err(|_| unreadable())?;
        if status != StatusCode::OK {
            let message = serde_json::from_slice::<Message>(&body).map_err(|_| unreadable())?;
            return Err(ApiError { status, message });
        }
        let mut answer: Value = serde_json::from_slice(&body).map_err(|_| unreadable())?;
        let next = answer.get("next").and_then(Value::as_str).map(str::to_owned).filter(|_| self.list.pages);
        match answer.pointer_mut(self.list.rows).map(Value::take) {
            Some(Value::Array(rows)) => Ok(Listed { rows, next }),
            // Nothing is asked for that answers no rows.
            Some(_) | None => Ok(Listed { rows: vec![], next: None }),
        }
    }
}

fn unreadable() -> ApiError {
    let message = Message::new("export", "列表无法读取", "the list cannot be read");
    ApiError { status: StatusCode::INTERNAL_SERVER_ERROR, message: message.remedy("再试一次", "try again") }
}
