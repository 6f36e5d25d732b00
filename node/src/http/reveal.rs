//! Personal data in clear: for a stated reason only, and noted before anything is shown.

use std::net::SocketAddr;

use axum::Json;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use serde::Deserialize;
use townmesh_crdt::domain::date::Day;
use utoipa::IntoParams;

use super::Api;
use super::bounds::Params;
use super::error::ApiError;
use super::openapi::problems::{Noted, Wrong};
use crate::engine::{self, now};
use crate::message::Message;
use crate::reveals::{MAX_REASON, MAX_USER, Reveal, RevealKind, RevealPage};
use crate::views::Page;

/// Header in which a program says for whom it asks: noted with what is revealed, and beside what is written.
pub const USER_HEADER: &str = "townmesh-user";

/// Where a connection comes from; added to each of its requests.
#[derive(Debug, Clone, Copy)]
pub(super) struct PeerAddress(pub(super) SocketAddr);

/// What says for whom a program asks.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it is only described; whoever asks is read as an `Asker`")]
pub(super) struct Asking {
    /// 替谁查看 / for whom the program asks; noted with what is revealed.
    #[param(rename = "townmesh-user")]
    user: Option<String>,
}

/// Who asks, as far as that is known.
#[derive(Debug, Clone, Default)]
pub(super) struct Asker {
    peer: Option<String>,
    user: Option<String>,
}

impl Asker {
    /// Who asked, as the program that asks says.
    pub(super) fn user(&self) -> Option<String> {
        self.user.clone()
    }
}

/// Whatever a request writes stands beside the account of whom its program asks for.
pub(super) async fn write_for(asker: Asker, request: Request, next: Next) -> Response {
    match asker.user {
        Some(user) => engine::writing_for(user, next.run(request)).await,
        None => next.run(request).await,
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Asker {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<PeerAddress>().map(|peer| peer.0.to_string());
        let named = parts.headers.get(USER_HEADER).and_then(|user| user.to_str().ok());
        let user = named.map(|user| user.chars().take(MAX_USER).collect());
        Ok(Self { peer, user })
    }
}

/// A stated reason.
#[derive(Debug, Clone)]
pub(super) struct Reason(String);

impl Reason {
    /// The reason of a request.
    ///
    /// # Errors
    /// [`ApiError`] if it is longer than a note of it may be, or says nothing: whoever gave it would take masked data for
    /// all there is.
    pub(super) fn of(stated: Option<String>) -> Result<Option<Self>, ApiError> {
        let remedy = ("写明理由；不写 reveal 则打码", "state a reason; without reveal personal data is masked");
        Self::read(stated, "reveal", remedy)
    }

    fn read(stated: Option<String>, parameter: &str, remedy: (&str, &str)) -> Result<Option<Self>, ApiError> {
        let Some(reason) = stated.map(|stated| stated.trim().to_owned()) else { return Ok(None) };
        if reason.is_empty() {
            let zh = format!("{parameter} 的理由为空");
            let message = Message::new("reason_empty", zh, format!("the reason given for {parameter} is empty"));
            return Err(ApiError::bad_request(message.remedy(remedy.0, remedy.1)));
        }
        if reason.chars().count() > MAX_REASON {
            let zh = format!("理由最多 {MAX_REASON} 个字符");
            let message = Message::new("reason_too_long", zh, format!("a reason has at most {MAX_REASON} characters"));
            return Err(ApiError::bad_request(message.remedy("写得短一些", "write a shorter one")));
        }
        Ok(Some(Self(reason)))
    }

    /// In the words of who asked.
    pub(super) fn words(&self) -> &str {
        &self.0
    }

    /// The reason for something that cannot be masked.
    ///
    /// # Errors
    /// [`ApiError`] without one.
    pub(super) fn required(stated: Option<String>, zh: &str, en: &str) -> Result<Self, ApiError> {
        Self::required_as("reveal", stated, zh, en)
    }

    /// The same where the parameter has another name.
    ///
    /// # Errors
    /// As [`Self::required`].
    pub(super) fn required_as(parameter: &str, stated: Option<String>, zh: &str, en: &str) -> Result<Self, ApiError> {
        let remedy = (format!("在网址中加上 {parameter}=理由"), format!("add {parameter}=<reason> to the address"));
        let (remedy_zh, remedy_en) = (remedy.0.as_str(), remedy.1.as_str());
        Self::read(stated, parameter, (remedy_zh, remedy_en))?.ok_or_else(|| {
            let message = Message::new("reason_missing", zh, en).remedy(remedy_zh, remedy_en);
            ApiError { status: StatusCode::FORBIDDEN, message }
        })
    }
}

/// What is about to be shown.
#[derive(Debug)]
pub(super) struct Shown {
    kind: RevealKind,
    documents: Vec<String>,
    count: Option<u64>,
}

impl Shown {
    /// These documents.
    pub(super) fn documents(kind: RevealKind, documents: Vec<String>) -> Self {
        let count = Some(documents.len() as u64);
        Self { kind, documents, count }
    }

    /// So many that their ids are not listed; `None`: nobody knows yet.
    pub(super) fn many(kind: RevealKind, count: Option<u64>) -> Self {
        Self { kind, documents: vec![], count }
    }
}

impl Api {
    /// Notes what is about to be shown in clear. Only after this may it be shown.
    ///
    /// # Errors
    /// [`ApiError`] if it could not be noted.
    pub(super) async fn note_reveal(&self, asker: Asker, reason: Reason, shown: Shown) -> Result<(), ApiError> {
        let Shown { kind, documents, count } = shown;
        let Asker { peer, user } = asker;
        tracing::info!(target: "townmesh::access", ?kind, count, reason = reason.0, "personal data is revealed");
        let reveal = Reveal { time_ms: now(), kind, reason: reason.0, peer, user, documents, count };
        let api = self.clone();
        let noted = tokio::task::spawn_blocking(move || api.reveals().note(&reveal));
        Ok(noted.await.map_err(|_| ApiError::busy())??)
    }
}

/// Which reveals.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RevealQuery {
    since: Option<Day>,
    limit: Option<u32>,
    after: Option<String>,
}

#[utoipa::path(
    get,
    path = "/v1/reveals",
    operation_id = "listReveals",
    tag = "trust",
    summary = "查看明文的记录 / who was shown personal data, when and why",
    params(RevealQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = RevealPage),
        Wrong,
        Noted
    )
)]
pub(super) async fn list(
    State(api): State<Api>,
    Params(query): Params<RevealQuery>,
) -> Result<Json<RevealPage>, ApiError> {
    let page = Page { limit: query.limit, after: query.after };
    let read = tokio::task::spawn_blocking(move || api.reveals().page(query.since, &page));
    Ok(Json(read.await.map_err(|_| ApiError::busy())??))
}
