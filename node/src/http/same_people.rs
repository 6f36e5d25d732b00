//! People who are recorded in several households or villages: offered, merged, kept apart, un-merged.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use townmesh_crdt::command::same_people::{self, PersonRef, Verdict};
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::id::DocumentId;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::bounds::{Params, Payload};
use super::error::ApiError;
use super::households::{Recorded, recorded};
use super::openapi::problems::{Missing, Noted, Written, Wrong};
use super::reveal::{Asker, Asking, Reason, Shown};
use crate::reveals::RevealKind;
use crate::views::{Listed, Page, SamePersonRow};

/// Which people, and how.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SamePeopleQuery {
    /// 其中一人在此区划 / one of the two lives in this region
    region: Option<RegionCode>,
    /// 已判定的；否则为待判定的 / those that were answered, not those that are offered
    answered: bool,
    limit: Option<u32>,
    after: Option<String>,
    reveal: Option<String>,
}

#[utoipa::path(
    get,
    path = "/v1/same-people",
    operation_id = "listSamePeople",
    tag = "registry",
    summary = "疑似或已判定为同一人 / people who look like, or are, one person in two households",
    params(SamePeopleQuery, Asking),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Listed<SamePersonRow>),
        Wrong,
        Noted
    )
)]
pub(super) async fn list(
    State(api): State<Api>,
    asker: Asker,
    Params(query): Params<SamePeopleQuery>,
) -> Result<Response, ApiError> {
    let SamePeopleQuery { region, answered, limit, after, reveal } = query;
    let reason = Reason::of(reveal)?;
    let reveal = reason.is_some();
    api.views_follow().await;
    let page = Page { limit, after };
    let listed: Listed<SamePersonRow> = api
        .readers()
        .query(move |reader| match answered {
            true => reader.people_answered(region, &page, reveal),
            false => reader.people_alike(region, &page, reveal),
        })
        .await?;
    if let Some(reason) = reason {
        let sides = listed.rows.iter().flat_map(|row| [&row.first, &row.second]);
        let documents = sides.filter_map(|side| side.household.clone()).collect();
        api.note_reveal(asker, reason, Shown::documents(RevealKind::List, documents)).await?;
    }
    Ok(Json(listed).into_response())
}

/// What a center answers about two residents of two households.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VerdictInput {
    verdict: Verdict,
    /// The one who is shown, where they are one person.
    one: PersonRef,
    other: PersonRef,
}

/// Where the answer is recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AnswerPlace {
    document: DocumentId,
}

#[utoipa::path(
    post,
    path = "/v1/same-people",
    operation_id = "answerSamePeople",
    tag = "registry",
    summary = "判定是否同一人，或撤销判定（指挥中心）/ merge, keep apart or un-merge two residents (on a center)",
    request_body = VerdictInput,
    responses(
        (status = 201, description = "新记录 / recorded", body = Recorded<AnswerPlace>),
        (status = 200, description = "已有，或已更改 / known before, or changed", body = Recorded<AnswerPlace>),
        Written,
        Missing
    )
)]
pub(super) async fn answer(
    State(api): State<Api>,
    Payload(VerdictInput { verdict, one, other }): Payload<VerdictInput>,
) -> Result<Response, ApiError> {
    let job = move |replica: &mut townmesh_crdt::replica::Replica, now| {
        same_people::answer(replica, one, other, verdict, now)
    };
    let outcome = api.engine().record(job).await?;
    Ok(recorded(&outcome.map(|document| AnswerPlace { document })))
}
