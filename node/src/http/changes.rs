//! Live changes as Server-Sent Events (WHATWG HTML, 9.2): which documents became new, whatever path that came by.
//!
//! Only names are told; what a document says is asked for as ever, with the rights of whoever asks. A follower that was
//! away names the last id that it got (`Last-Event-ID`, or `after`) and misses nothing:
//!
//! | event | what it means |
//! |---|---|
//! | `ready` | following begins here: what is read from now on is at least as new |
//! | `changed`, `removed` | the document of this kind and region; many changes of one document may be one event |
//! | `anew` | what was missed is not known any longer, as after each start of the node: read everything again, following goes on from here |
//!
//! What the map shows as a dwelling is a `household`, or a `dwelling` without any; a hazard is where what was inspected is. Units have no document, their
//! positions are asked for.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::policy::DocumentKind;
use utoipa::IntoParams;

use super::Api;
use super::bounds::Params;
use super::error::ApiError;
use super::openapi::problems::Wrong;
use super::server::Ending;
use crate::message::Message;
use crate::views::{Change, ChangeCursor, ChangeFilter, ChangeKind, Changes, SHOWN};

/// A follower hears at least this often, so that both sides notice when the other is gone.
const PULSE: Duration = Duration::from_secs(15);
/// Between two looks of one follower: what is written meanwhile is told together.
const CALM: Duration = Duration::from_millis(100);
/// The views are asked again so soon after they could not be.
const REST: Duration = Duration::from_secs(1);

/// What to follow.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ChangeQuery {
    /// Names of kinds of documents, with commas between them.
    kinds: Option<String>,
    region: Option<RegionCode>,
    /// For those who cannot send `Last-Event-ID`, which goes before it.
    after: Option<String>,
}

#[utoipa::path(
    get,
    path = "/v1/changes",
    operation_id = "followChanges",
    tag = "files",
    summary = "实时变更（SSE）/ live changes as Server-Sent Events",
    params(ChangeQuery, ("last-event-id" = Option<String>, Header, description = "最后收到的编号 / the last id that was received")),
    responses(
        (status = 200, description = "ready, changed, removed, anew", body = Object, content_type = "text/event-stream"),
        Wrong
    )
)]
pub(super) async fn follow(
    State(api): State<Api>,
    ending: Option<Extension<Ending>>,
    headers: HeaderMap,
    Params(query): Params<ChangeQuery>,
) -> Result<Response, ApiError> {
    let place = api.bounds().follower()?;
    if api.engine().views().has_failed() {
        return Err(ApiError::busy());
    }
    let filter = ChangeFilter { kinds: kinds(query.kinds.as_deref())?, region: query.region };
    // Before the views are read: what they show later is noticed.
    let shown = api.engine().views().shown();
    let end = api.readers().follow(|reader| reader.change_cursor()).await?;
    let last = headers.get("last-event-id").map(|id| id.to_str().ok().and_then(|id| id.parse().ok()));
    let after = query.after.map(|id| id.parse::<ChangeCursor>().map_err(|_| wrong_id())).transpose()?;
    let mut waiting = VecDeque::new();
    let cursor = match (last, after) {
        (Some(Some(cursor)), _) | (None, Some(cursor)) => cursor,
        // A browser sends what it was given last, perhaps by a node that spoke otherwise, and asks no more if refused.
        (Some(None), _) => {
            waiting.push_back(Event::default().event("anew").id(end.to_string()).data("{}"));
            end
        }
        (None, None) => {
            waiting.push_back(Event::default().event("ready").id(end.to_string()).data("{}"));
            end
        }
    };
    let ending = ending.map(|Extension(Ending(ending))| ending);
    let pulse = Instant::now() + PULSE;
    let follower = Follower { api, filter, cursor, waiting, shown, ending, pulse, _place: place };
    let events = futures::stream::unfold(follower, async |mut follower: Follower| {
        let event = follower.next().await?;
        Some((Ok::<_, Infallible>(event), follower))
    });
    Ok(Sse::new(events).into_response())
}

fn wrong_id() -> ApiError {
    let message = Message::new("change_id", "after 不是本节点给出的编号", "after is no id that a node gave");
    ApiError::bad_request(message.remedy("重新载入全部数据，再从头跟随", "read everything again and follow without it"))
}

fn kinds(names: Option<&str>) -> Result<Vec<DocumentKind>, ApiError> {
    let kind = |name: &str| {
        let known = SHOWN.iter().copied();
        known.clone().find(|kind| kind.name() == name.trim()).ok_or_else(|| {
            let all = known.map(DocumentKind::name).collect::<Vec<_>>().join(", ");
            let (zh, en) =
                (format!("kinds 中有未知的种类；可用：{all}"), format!("kinds names an unknown kind; there are {all}"));
            ApiError::bad_request(Message::new("kinds", zh, en))
        })
    };
    names.into_iter().flat_map(|names| names.split(',')).map(kind).collect()
}

/// Somebody who follows. It holds a place, and at most one page of changes.
struct Follower {
    api: Api,
    filter: ChangeFilter,
    cursor: ChangeCursor,
    waiting: VecDeque<Event>,
    shown: watch::Receiver<()>,
    ending: Option<watch::Receiver<()>>,
    /// When something is to be sent at the latest.
    pulse: Instant,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    /// The next event, as soon as there is one; `None` when the node stops.
    async fn next(&mut self) -> Option<Event> {
        let mut ending = self.ending.clone();
        let ended = async {
            match &mut ending {
                // Nobody ever sends: it changes by going away.
                Some(ending) => drop(ending.changed().await),
                None => std::future::pending().await,
            }
        };
        let event = tokio::select! {
            event = self.following() => event,
            () = ended => None,
        };
        self.pulse = Instant::now() + PULSE;
        event
    }

    async fn following(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            if self.api.engine().views().has_failed() {
                return None;
            }
            let pulse = self.pulse;
            let something = tokio::select! {
                something = self.something() => something,
                () = tokio::time::sleep_until(pulse) => None,
            };
            if something.is_none() {
                // An id alone is no event for a browser, but it remembers it: what the filter leaves out is not looked
                // through again. The next look finds out whether the views have an end.
                return Some(Event::default().id(self.cursor.to_string()));
            }
        }
    }

    /// Looks what changed and, where nothing did, waits until the views show something new; `None` when they never will.
    async fn something(&mut self) -> Option<()> {
        while !self.look().await {}
        if self.waiting.is_empty() {
            self.shown.changed().await.ok()?;
            tokio::time::sleep(CALM).await;
        }
        Some(())
    }

    /// Reads what changed; rests and says so where the views cannot be read, as while they are made anew.
    async fn look(&mut self) -> bool {
        let (after, filter) = (self.cursor, self.filter.clone());
        match self.api.readers().follow(move |reader| reader.changes(after, &filter)).await {
            Ok(Changes::Next(changes, cursor)) => {
                self.waiting.extend(changes.iter().map(event));
                self.cursor = cursor;
            }
            Ok(Changes::Anew(cursor)) => {
                self.waiting.push_back(Event::default().event("anew").id(cursor.to_string()).data("{}"));
                self.cursor = cursor;
            }
            Err(error) => {
                tracing::debug!(message = %error.message, "a follower could not look");
                tokio::time::sleep(REST).await;
                return false;
            }
        }
        true
    }
}

fn event(change: &Change) -> Event {
    let name = match change.change {
        ChangeKind::Changed => "changed",
        ChangeKind::Removed => "removed",
    };
    let data = serde_json::json!({ "kind": change.kind, "document": change.document, "region": change.region });
    Event::default().event(name).id(change.cursor.to_string()).data(data.to_string())
}
