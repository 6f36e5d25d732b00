//! Checks everything again while the node runs. JSON lines: `{"progress": report}` now and then, `{"done": {report, peers}}` at
//! the end.

use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use super::error::ApiError;
use super::lines::{self, Gone, Lines};
use super::{Api, status};
use crate::message::{Explain as _, Message};
use crate::verify::{Report, Verification};

const PROGRESS_EVERY: Duration = Duration::from_millis(250);

#[utoipa::path(
    post,
    path = "/v1/verify",
    operation_id = "verify",
    tag = "node",
    summary = "重新校验 / check everything again",
    responses(
        (status = 200, description = "每行一个 JSON：progress、done、error / a JSON object a line", body = String, content_type = "application/x-ndjson")
    )
)]
pub(super) async fn verify(State(api): State<Api>) -> Result<Response, ApiError> {
    let place = api.bounds().heavy()?;
    Ok(lines::answer(async move |lines| {
        let _ = write(&api, &lines).await;
        drop(place);
    }))
}

async fn write(api: &Api, lines: &Lines) -> Result<(), Gone> {
    match check(api, lines).await? {
        Ok(report) => {
            let peers: Vec<_> = status::current(api)
                .peers
                .into_iter()
                .map(|peer| json!({ "name": peer.name, "node": peer.node, "equal": peer.equal }))
                .collect();
            lines.line("done", &json!({ "report": report, "peers": peers })).await
        }
        Err(message) => lines.line("error", &message).await,
    }
}

/// Runs the check step by step, each within the engine's thread.
async fn check(api: &Api, lines: &Lines) -> Result<Result<Report, Message>, Gone> {
    let mut verification = match api.engine().read(|replica| Verification::new(replica)).await {
        Ok(Ok(verification)) => verification,
        Ok(Err(error)) => return Ok(Err(error.explain())),
        Err(error) => return Ok(Err(error.explain())),
    };
    let mut told = Instant::now();
    loop {
        let step = move |replica: &mut _| {
            let more = verification.step(replica);
            (verification, more)
        };
        let more = match api.engine().read(step).await {
            Ok((after, more)) => {
                verification = after;
                more
            }
            Err(error) => return Ok(Err(error.explain())),
        };
        match more {
            Ok(true) => {}
            Ok(false) => return Ok(Ok(verification.report().clone())),
            Err(error) => return Ok(Err(error.explain())),
        }
        if told.elapsed() >= PROGRESS_EVERY {
            told = Instant::now();
            lines.line("progress", verification.report()).await?;
        }
    }
}
