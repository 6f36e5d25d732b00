//! The rules of cases: those in force, the editions before them, the draft in the tables, and publishing it.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use townmesh_crdt::command::life_cycle::{self, Changes, Draft, EditionNote, Publishing};
use townmesh_crdt::command::town::Imported;
use townmesh_crdt::command::{CommandError, table};
use townmesh_crdt::domain::case::{LifeCycle, Promise, TransitionTable, Unsound};
use townmesh_crdt::domain::tables::{MeetingRow, TableKind, TransitionRow};
use townmesh_crdt::id::RecordId;
use townmesh_crdt::replica::Replica;
use utoipa::ToSchema;

use super::Api;
use super::bounds::{Named, Payload};
use super::error::ApiError;
use super::openapi::problems::{Missing, Sought, Written};

/// The rules of cases, as people read of them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownLifeCycle {
    /// Editions beside the one in force, where some were published without knowing of each other; publishing once more settles it.
    apart: Vec<EditionNote>,
    draft: ShownDraft,
    /// Every edition, the oldest first.
    editions: Vec<EditionNote>,
    /// The edition by which people act now; null: what the program ships.
    in_force: Option<EditionNote>,
    /// What happens when two steps were taken apart, by the edition in force.
    meetings: Vec<MeetingRow>,
    /// Who may do what when, by the edition in force.
    rules: Vec<TransitionRow>,
    /// Editions that wait for one before them; events that name them wait, too.
    waiting: usize,
}

/// What the tables `transition` and `meeting` come to, and what that would change.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownDraft {
    /// Promises that it does not keep: to be published they must be named.
    broken: Vec<Promise>,
    changes: ShownChanges,
    /// Whether it says something else than what is in force.
    differs: bool,
    /// The table in which cells were recorded differently and nobody settled that.
    disputed: Option<TableKind>,
    /// Says which draft this is; publishing names it.
    revision: String,
    /// Why a town could not work by it.
    unsound: Vec<Words>,
}

/// What one table says otherwise than another.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownChanges {
    meetings: Vec<ChangedMeeting>,
    rules: Vec<ChangedRule>,
}

/// One edition of the rules of cases.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownEdition {
    /// What it changed in the newest of those that it replaced.
    changes: ShownChanges,
    /// Who published it, when and why; null of the one that the program ships.
    edition: Option<EditionNote>,
    meetings: Vec<MeetingRow>,
    rules: Vec<TransitionRow>,
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
        apart: life_cycle.newest().into_iter().skip(1).map(EditionNote::from).collect(),
        draft: shown_draft(draft),
        editions: life_cycle.published().iter().map(EditionNote::from).collect(),
        in_force: life_cycle.in_force().map(EditionNote::from),
        meetings: meeting_rows(table),
        rules: rule_rows(table),
        waiting: life_cycle.unplaced().count(),
    }
}

fn rule_rows(table: &TransitionTable) -> Vec<TransitionRow> {
    table.rules().map(TransitionRow::of_rule).collect()
}

fn meeting_rows(table: &TransitionTable) -> Vec<MeetingRow> {
    table.meetings().iter().map(MeetingRow::of_meeting).collect()
}

fn shown_draft(draft: &Draft) -> ShownDraft {
    ShownDraft {
        broken: draft.broken.clone(),
        changes: ShownChanges::from(&draft.changes),
        differs: !draft.changes.is_empty(),
        disputed: draft.disputed,
        revision: draft.revision.clone(),
        unsound: draft.unsound.iter().map(Words::from).collect(),
    }
}

impl From<&Changes> for ShownChanges {
    fn from(changes: &Changes) -> Self {
        let rules = changes.rules.iter().map(|[before, after]| ChangedRule {
            after: after.as_ref().map(TransitionRow::of_rule),
            before: before.as_ref().map(TransitionRow::of_rule),
        });
        let meetings = changes.meetings.iter().map(|[before, after]| ChangedMeeting {
            after: after.as_ref().map(MeetingRow::of_meeting),
            before: before.as_ref().map(MeetingRow::of_meeting),
        });
        Self { meetings: meetings.collect(), rules: rules.collect() }
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

/// The id of an edition, or `shipped`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct EditionName(Option<RecordId>);

impl TryFrom<String> for EditionName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text == "shipped" {
            return Ok(Self(None));
        }
        let id = text.parse().map_err(|_| "write the 32 digits of an edition's id, or shipped")?;
        Ok(Self(Some(id)))
    }
}

#[utoipa::path(
    get,
    path = "/v1/life-cycle/{edition}",
    operation_id = "showEdition",
    tag = "tables",
    summary = "办理流程的一个版本 / one edition of the rules of cases",
    params((
        "edition" = String,
        Path,
        description = "版本编号，或 shipped / id of an edition, or shipped",
        pattern = "^(shipped|[0-9a-fA-F]{32})$"
    )),
    responses(
        (status = 200, description = "结果 / what was asked for", body = ShownEdition),
        Sought
    )
)]
pub(super) async fn edition(
    State(api): State<Api>,
    Named(EditionName(id)): Named<EditionName>,
) -> Result<Response, ApiError> {
    let tables = api.engine().read(table::tables).await??;
    let life_cycle = tables.life_cycle();
    let missing = || ApiError::not_found("本节点没有此版本的办理流程", "there is no such edition here");
    let rules = life_cycle.table_of(id).ok_or_else(missing)?;
    let edition = life_cycle.published().iter().find(|edition| Some(edition.id) == id);
    let before = edition.and_then(|edition| life_cycle.before(edition));
    let before = edition.and_then(|_| life_cycle.table_of(before.map(|before| before.id)));
    let shown = ShownEdition {
        changes: ShownChanges::from(&before.map(|before| Changes::between(before, rules)).unwrap_or_default()),
        edition: edition.map(EditionNote::from),
        meetings: meeting_rows(rules),
        rules: rule_rows(rules),
    };
    Ok(Json(shown).into_response())
}

#[utoipa::path(
    post,
    path = "/v1/life-cycle/{edition}/restore",
    operation_id = "restoreEdition",
    tag = "tables",
    summary = "把一个版本写回草稿 / write an edition into the draft",
    params((
        "edition" = String,
        Path,
        description = "版本编号，或 shipped / id of an edition, or shipped",
        pattern = "^(shipped|[0-9a-fA-F]{32})$"
    )),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Imported),
        Written,
        Missing
    )
)]
pub(super) async fn restore(
    State(api): State<Api>,
    Named(EditionName(id)): Named<EditionName>,
) -> Result<Response, ApiError> {
    Ok(Json(api.engine().record(move |replica, now| life_cycle::restore(replica, id, now)).await?).into_response())
}

/// Who publishes the draft, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PublishingInput {
    /// A member's code.
    by: String,
    /// The draft that was looked through, by its `revision`.
    revision: String,
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
    let PublishingInput { by, revision, why, without } = input;
    let publishing = Publishing { by, why, without, revision };
    let done = api.engine().record(move |replica, now| life_cycle::publish(replica, &publishing, now)).await?;
    let outcome = done.key();
    Ok(Json(PublishedEdition { edition: done.into_value(), outcome }).into_response())
}
