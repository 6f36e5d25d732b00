//! Answers that grow: pieces, or one JSON object a line, sent as they come, so that progress shows and nothing large is
//! kept.

use std::io;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::sync::mpsc;

/// Pieces that may wait for a slow reader.
const WAITING: usize = 8;

/// Where the pieces of an answer go; an error breaks it off.
pub(super) type Pieces = mpsc::Sender<io::Result<Bytes>>;

/// Where an answer's lines go.
#[derive(Debug, Clone)]
pub(super) struct Lines(Pieces);

/// The reader is gone; whoever writes may stop.
#[derive(Debug)]
pub(super) struct Gone;

impl Lines {
    /// Sends `{name: value}` as one line.
    ///
    /// # Errors
    /// [`Gone`].
    pub(super) async fn line(&self, name: &str, value: &impl Serialize) -> Result<(), Gone> {
        let line = format!("{}\n", serde_json::json!({ name: value }));
        self.0.send(Ok(line.into())).await.map_err(|_| Gone)
    }
}

/// A channel and the body that it feeds.
pub(super) fn body() -> (Pieces, Body) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let pieces = futures::stream::unfold(receiver, async |mut receiver: mpsc::Receiver<io::Result<Bytes>>| {
        let piece = receiver.recv().await?;
        Some((piece, receiver))
    });
    (sender, Body::from_stream(pieces))
}

/// An answer of lines, written by a task of its own.
pub(super) fn answer<F: Future<Output = ()> + Send + 'static>(write: impl FnOnce(Lines) -> F) -> Response {
    let (sender, body) = body();
    tokio::spawn(write(Lines(sender)));
    ([(header::CONTENT_TYPE, "application/x-ndjson; charset=utf-8")], body).into_response()
}
