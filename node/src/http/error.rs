//! Errors as the API answers them: a status and a [`Message`], as a problem of RFC 9457 (`application/problem+json`).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use townmesh_crdt::command::CommandError;
use townmesh_crdt::command::door_tag::TagRefusal;
use townmesh_crdt::command::read::ReadError;
use townmesh_crdt::enrol::EnrolError;
use utoipa::ToSchema;

use crate::data_dir::FileError;
use crate::engine::EngineError;
use crate::keys::KeyError;
use crate::ledger::{ExportError, LedgerError, MappingError};
use crate::message::{Explain, Message};
use crate::reveals::{PageError, RevealError};
use crate::verify::VerifyError;
use crate::views::QueryError;

/// An answer that is not what was asked for.
#[derive(Debug)]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// What went wrong.
    pub message: Message,
}

impl ApiError {
    /// The request is wrong.
    pub fn bad_request(message: Message) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message }
    }

    /// It does not go together with what is recorded.
    pub fn conflict(message: Message) -> Self {
        Self { status: StatusCode::CONFLICT, message }
    }

    /// What the path names is not here.
    pub fn not_found(zh: &str, en: &str) -> Self {
        Self { status: StatusCode::NOT_FOUND, message: Message::new("not_found", zh, en) }
    }

    /// Too much at once.
    pub fn busy() -> Self {
        let message = Message::new("busy", "节点繁忙，请求过多", "the node is busy: too many requests at once");
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE, message: message.remedy("稍后再试", "try again in a moment")
        }
    }
}

/// The members that RFC 9457 names, and those of the message: its `code` tells programs what is wrong.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(flatten)]
    message: &'a Message,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let problem = Problem {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or_default(),
            status: self.status.as_u16(),
            detail: self.message.to_string(),
            message: &self.message,
        };
        let mut response = (self.status, Json(problem)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// The status of an error that a command gave.
fn command_status(code: &str) -> StatusCode {
    match code {
        "not_found" => StatusCode::NOT_FOUND,
        "denied" | "role_not_held" | "member_left" | "member_role" | "not_this_village" => StatusCode::FORBIDDEN,
        "disk_low" => StatusCode::INSUFFICIENT_STORAGE,
        "store" | "read_only" => StatusCode::SERVICE_UNAVAILABLE,
        "no_key" | "unknown_namespace" | "person_key_missing" | "no_room" | "erased" | "wrong_state" | "own_work"
        | "alias" | "dwelling_gone" | "grid_retired" | "tags_full" | "settled" | "conflict_changed"
        | "draft_changed" | "not_undoable" | "move_given" | "move_accepted" | "move_refused" | "move_taken_back"
        | "move_sealed" => StatusCode::CONFLICT,
        // As `wrong_state`: the case has gone on, or not far enough.
        "request_decided" | "order_closed" | "orders_open" | "demand_open" | "decided_already" | "overtaken"
        | "beaten" | "rests_on" => StatusCode::CONFLICT,
        "too_large" => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        let status = match &error {
            EngineError::Busy | EngineError::Stopped => StatusCode::SERVICE_UNAVAILABLE,
            EngineError::Store(_) => StatusCode::INSUFFICIENT_STORAGE,
            EngineError::Command(error) => command_status(error.code()),
        };
        Self { status, message: error.explain() }
    }
}

impl From<CommandError> for ApiError {
    fn from(error: CommandError) -> Self {
        Self::from(EngineError::Command(error))
    }
}

macro_rules! from_explained {
    ($($error:ty => $status:ident),+ $(,)?) => {$(
        impl From<$error> for ApiError {
            fn from(error: $error) -> Self {
                Self { status: StatusCode::$status, message: error.explain() }
            }
        }
    )+};
}

from_explained! {
    ReadError => INTERNAL_SERVER_ERROR,
    VerifyError => INTERNAL_SERVER_ERROR,
    ExportError => INTERNAL_SERVER_ERROR,
    FileError => INSUFFICIENT_STORAGE,
    RevealError => INSUFFICIENT_STORAGE,
    KeyError => BAD_REQUEST,
    LedgerError => UNPROCESSABLE_ENTITY,
    MappingError => BAD_REQUEST,
    townmesh_crdt::replica::EraseError => CONFLICT,
    townmesh_crdt::replica::RevokeError => CONFLICT,
    townmesh_crdt::replica::RatifyError => CONFLICT,
    townmesh_crdt::store::StoreError => INTERNAL_SERVER_ERROR,
}

impl From<EnrolError> for ApiError {
    fn from(error: EnrolError) -> Self {
        let message = error.explain();
        match error {
            EnrolError::NameTaken { .. } => Self { status: StatusCode::CONFLICT, message },
            EnrolError::Record(error) => Self::from(CommandError::from(error)),
            EnrolError::Name
            | EnrolError::CenterScope
            | EnrolError::NoRegion(_)
            | EnrolError::NoScope
            | EnrolError::TooManyRegions { .. }
            | EnrolError::UnknownRegion(_)
            | EnrolError::NoKeys(_)
            | EnrolError::AuthorityRevoked
            | EnrolError::Incomplete
            | EnrolError::Statement(_)
            | EnrolError::Seal(_) => Self::bad_request(message),
        }
    }
}

impl From<TagRefusal> for ApiError {
    fn from(error: TagRefusal) -> Self {
        let status = match error {
            TagRefusal::Retired(_) => StatusCode::GONE,
            TagRefusal::NotRecorded | TagRefusal::Elsewhere(_) | TagRefusal::IssuerRemoved => StatusCode::NOT_FOUND,
            TagRefusal::OtherTown | TagRefusal::UnknownIssuer | TagRefusal::Forged => StatusCode::BAD_REQUEST,
        };
        Self { status, message: error.explain() }
    }
}

impl From<PageError> for ApiError {
    fn from(error: PageError) -> Self {
        match error {
            PageError::File(error) => Self::from(error),
            PageError::Cursor(error) => Self::from(error),
        }
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        let status = match &error {
            QueryError::Cursor | QueryError::CursorOfSort { .. } => StatusCode::BAD_REQUEST,
            QueryError::Open { .. } => StatusCode::SERVICE_UNAVAILABLE,
            QueryError::Damaged(_) | QueryError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, message: error.explain() }
    }
}
