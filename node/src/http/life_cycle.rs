//! The rules of cases: those in force, the editions before them, the draft in the tables, and publishing it.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use townmesh_crdt::command::life_cycle::{self, Draft, EditionNote, Publishing};
use townmesh_crdt::command::{CommandError, table};
use townmesh_crdt::domain::case::{LifeCycle, Promise, TransitionTable, Unsound};
use townmesh_crdt::domain::tables::{MeetingRow, TableKind, TransitionRow};
use townmesh_crdt::replica::Replica;
use utoipa::ToSchema;

use super::Api;
use super::bounds::Payload;
use super::error::ApiError;
use super::openapi::problems::Written;

/// The rules of cases, as people read of them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownLifeCycle {
    /// The other newest edition, where two were published without knowing of each other; publishing once more settles it.
    apart: Option<EditionNote>,
    draft: ShownDraft,
    /// Every edition, the oldest first.
    editions: Vec<EditionNote>,
    /// The edition by which people act now; null: what the program ships.
    in_force: Option<EditionNote>,
    /// What happens when two steps were taken apart, by the edition in force.
    meetings: Vec<MeetingRow>,
    /// Who may do what when, by the edition in force.
    rules: Vec<TransitionRow>,
}

/// What the tables `transition` and `meeting` come to, and what that would change.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownDraft {
    /// Promises that it does not keep: to be published they must be named.
    broken: Vec<Promise>,
    /// Whether it says something else than what is in force.
    differs: bool,
    /// The table in which cells were recorded differently and nobody settled that.
    disputed: Option<TableKind>,
    meetings: Vec<ChangedMeeting>,
    rules: Vec<ChangedRule>,
    /// Why a town could not work by it.
    unsound: Vec<Words>,
}

/// A rule before and after; null where there is none.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangedRule {
    after: Option<TransitionRow>,
    before: Option<TransitionRow>,
}

/// What happens to two steps before and after; null where nothing is said.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangedMeeting {
    after: Option<MeetingRow>,
    before: Option<MeetingRow>,
}

/// Words in both languages.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Words {
    chinese: String,
    english: String,
}

impl From<&Unsound> for Words {
    fn from(unsound: &Unsound) -> Self {
        let [chinese, english] = unsound.words();
        Self { chinese, english }
    }
}

fn shown(life_cycle: &LifeCycle, draft: &Draft) -> ShownLifeCycle {
    let table: &TransitionTable = life_cycle.table();
    ShownLifeCycle {
        apart: life_cycle.published_apart().map(|[_, other]| EditionNote::from(other)),
        draft: shown_draft(draft),
        editions: life_cycle.published().iter().map(EditionNote::from).collect(),
        in_force: life_cycle.in_force().map(EditionNote::from),
        meetings: table.meetings().iter().map(MeetingRow::of_meeting).collect(),
        rules: table.rules().map(TransitionRow::of_rule).collect(),
    }
}

fn shown_draft(draft: &Draft) -> ShownDraft {
    let rules = draft.rules.iter().map(|[before, after]| ChangedRule {
        after: after.as_ref().map(TransitionRow::of_rule),
        before: before.as_ref().map(TransitionRow::of_rule),
    });
    let meetings = draft.meetings.iter().map(|[before, after]| ChangedMeeting {
        after: after.as_ref().map(MeetingRow::of_meeting),
        before: before.as_ref().map(MeetingRow::of_meeting),
    });
    ShownDraft {
        broken: draft.broken.clone(),
        differs: draft.differs(),
        disputed: draft.disputed,
        meetings: meetings.collect(),
        rules: rules.collect(),
        unsound: draft.unsound.iter().map(Words::from).collect(),
    }
}

fn read(replica: &mut Replica) -> Result<ShownLifeCycle, CommandError> {
    let draft = life_cycle::draft(replica)?;
    let tables = table::tables(replica)?;
    Ok(shown(tables.life_cycle(), &draft))
}

#[utoipa::path(
    get,
    path = "/v1/life-cycle",
    operation_id = "showLifeCycle",
    tag = "tables",
    summary = "办理流程 / the rules of cases",
    responses(
        (status = 200, description = "结果 / what was asked for", body = ShownLifeCycle)
    )
)]
pub(super) async fn show(State(api): State<Api>) -> Result<Response, ApiError> {
    let shown = api.engine().read(read).await??;
    Ok(Json(shown).into_response())
}

/// Who publishes the draft, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PublishingInput {
    /// A member's code.
    by: String,
    /// Why the rules change.
    why: String,
    /// Promises that the town does without, knowingly.
    #[serde(default)]
    without: BTreeSet<Promise>,
}

/// What publishing came to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PublishedEdition {
    /// The edition in force now; null: what the program ships.
    edition: Option<EditionNote>,
    /// `created`, or `unchanged` where the draft says nothing else than what is in force.
    #[schema(pattern = "^(created|unchanged)$")]
    outcome: &'static str,
}

#[utoipa::path(
    post,
    path = "/v1/life-cycle",
    operation_id = "publishLifeCycle",
    tag = "tables",
    summary = "发布办理流程 / publish the draft as the next edition",
    request_body = PublishingInput,
    responses(
        (status = 200, description = "结果 / what was asked for", body = PublishedEdition),
        Written
    )
)]
pub(super) async fn publish(
    State(api): State<Api>,
    Payload(input): Payload<PublishingInput>,
) -> Result<Response, ApiError> {
    let PublishingInput { by, why, without } = input;
    let publishing = Publishing { by, why, without };
    let done = api.engine().record(move |replica, now| life_cycle::publish(replica, &publishing, now)).await?;
    let outcome = done.key();
    Ok(Json(PublishedEdition { edition: done.into_value(), outcome }).into_response())
}
