//! The conflict inbox: listed, settled as it was seen, and taken back.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value as JsonValue, json};
use townmesh_crdt::command::case::Actor;
use townmesh_crdt::command::conflict::{self, ActionKey, Asked, Choice};
use townmesh_crdt::command::household::Edit;
use townmesh_crdt::command::read::{self, ReadError, Reading};
use townmesh_crdt::command::{CommandError, Outcome};
use townmesh_crdt::domain::case::OrderRef;
use townmesh_crdt::domain::input::{Fault, InputError};
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::id::{ConflictId, DocumentId, NodeId};
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::policy::DocumentKind;
use townmesh_crdt::replica::Replica;
use townmesh_crdt::store::StoreError;
use townmesh_crdt::value::Value;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::bounds::{Named, Params, Payload};
use super::error::ApiError;
use super::households::{Recorded, recorded};
use super::openapi::problems::{Clashing, Missing, Noted, Sought, Written, Wrong};
use super::reveal::{Asker, Asking, Reason, Shown};
use crate::message::Message;
use crate::refusal;
use crate::reveals::RevealKind;
use crate::views::{ConflictFilter, ConflictPlace, ConflictRow, Listed, Page, SettledRow};

/// Which conflicts, or settlements.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ConflictQuery {
    region: Option<RegionCode>,
    kind: Option<String>,
    document: Option<DocumentId>,
    limit: Option<u32>,
    after: Option<String>,
    reveal: Option<String>,
}

#[utoipa::path(
    get,
    path = "/v1/conflicts",
    operation_id = "listConflicts",
    tag = "conflicts",
    summary = "待裁定 / what people have to settle",
    params(ConflictQuery, Asking),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Listed<ConflictRow>),
        Wrong,
        Noted
    )
)]
pub(super) async fn list(
    State(api): State<Api>,
    asker: Asker,
    Params(query): Params<ConflictQuery>,
) -> Result<Response, ApiError> {
    let ConflictQuery { region, kind, document, limit, after, reveal } = query;
    let reason = Reason::of(reveal)?;
    let reveal = reason.is_some();
    api.views_follow().await;
    let (filter, page) = (ConflictFilter { region, kind, document }, Page { limit, after });
    let listed = api.readers().query(move |reader| reader.conflicts(&filter, &page, reveal)).await?;
    if let Some(reason) = reason {
        let documents = listed.rows.iter().map(|row| row.document.clone()).collect();
        api.note_reveal(asker, reason, Shown::documents(RevealKind::Conflicts, documents)).await?;
    }
    api.with_names(json!(listed)).await
}

#[utoipa::path(
    get,
    path = "/v1/conflicts/settled",
    operation_id = "listSettled",
    tag = "conflicts",
    summary = "已裁定 / what was settled",
    params(ConflictQuery, Asking),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Listed<SettledRow>),
        Wrong,
        Noted
    )
)]
pub(super) async fn settled(
    State(api): State<Api>,
    asker: Asker,
    Params(query): Params<ConflictQuery>,
) -> Result<Response, ApiError> {
    let ConflictQuery { region, kind, document, limit, after, reveal } = query;
    if kind.is_some() {
        let message = Message::new("query", "已裁定的列表不能按 kind 筛选", "what was settled has no filter kind");
        return Err(ApiError::bad_request(message));
    }
    let reason = Reason::of(reveal)?;
    let reveal = reason.is_some();
    api.views_follow().await;
    let (filter, page) = (ConflictFilter { region, kind, document }, Page { limit, after });
    let listed = api.readers().query(move |reader| reader.settled(&filter, &page, reveal)).await?;
    if let Some(reason) = reason {
        let documents = listed.rows.iter().map(|row| row.document.clone()).collect();
        api.note_reveal(asker, reason, Shown::documents(RevealKind::Conflicts, documents)).await?;
    }
    api.with_names(json!(listed)).await
}

/// How one is shown.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ShowQuery {
    reveal: Option<String>,
}

#[utoipa::path(
    get,
    path = "/v1/conflicts/{id}",
    operation_id = "showConflict",
    tag = "conflicts",
    summary = "一处待裁定 / one conflict",
    params(("id" = ConflictId, Path, description = "冲突 / conflict"), ShowQuery, Asking),
    responses(
        (status = 200, description = "结果 / what was asked for", body = ConflictRow),
        Sought,
        Noted,
        Clashing
    )
)]
pub(super) async fn show(
    State(api): State<Api>,
    asker: Asker,
    Named(id): Named<ConflictId>,
    Params(query): Params<ShowQuery>,
) -> Result<Response, ApiError> {
    let reason = Reason::of(query.reveal)?;
    let reveal = reason.is_some();
    api.views_follow().await;
    let found = api.readers().query(move |reader| reader.conflict(id, reveal)).await?;
    let Some(found) = found else { return Err(api.no_such_conflict(id).await) };
    if let Some(reason) = reason {
        let documents = vec![found.document.clone()];
        api.note_reveal(asker, reason, Shown::documents(RevealKind::Conflicts, documents)).await?;
    }
    api.with_names(json!(found)).await
}

/// What somebody chose.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SettleInput {
    /// Of the conflict as it was seen.
    revision: String,
    action: ActionKey,
    #[serde(default)]
    side: Option<usize>,
    /// `null` clears; left out it says nothing.
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = any_value)]
    value: Option<JsonValue>,
    #[serde(default)]
    call_off: Vec<OrderRef>,
    /// Who settles; required for cases and for rules of cases.
    #[serde(default)]
    actor: Option<Actor>,
}

/// A text, a number, a truth value or null.
fn any_value() -> ObjectBuilder {
    let types = [Type::String, Type::Number, Type::Boolean, Type::Null];
    ObjectBuilder::new().schema_type(SchemaType::from_iter(types))
}

fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<JsonValue>, D::Error> {
    JsonValue::deserialize(deserializer).map(Some)
}

#[utoipa::path(
    post,
    path = "/v1/conflicts/{id}/settle",
    operation_id = "settleConflict",
    tag = "conflicts",
    summary = "裁定 / settle a conflict as it was seen",
    params(("id" = ConflictId, Path, description = "冲突 / conflict")),
    request_body = SettleInput,
    responses(
        (status = 201, description = "新记录 / recorded", body = Recorded<SettledPlace>),
        (status = 200, description = "已有，或已更改 / known before, or changed", body = Recorded<SettledPlace>),
        Written,
        Missing
    )
)]
pub(super) async fn settle(
    State(api): State<Api>,
    Named(id): Named<ConflictId>,
    Payload(input): Payload<SettleInput>,
) -> Result<Response, ApiError> {
    api.views_follow().await;
    let place = api.readers().query(move |reader| reader.conflict_place(id)).await?;
    let Some(place) = place else { return Err(api.no_such_conflict(id).await) };
    let chosen = Chosen::of(&place, &input)?;
    let asked = Asked { id, revision: input.revision, actor: input.actor };
    let job = move |replica: &mut Replica, now| {
        let namespace = namespace_of(&place)?;
        let of = (&namespace, place.kind, place.document);
        let choice = chosen.read(replica, of, &place.subject)?;
        let outcome = conflict::settle(replica, of, &asked, &choice, now)?;
        Ok(outcome.map(|answered| SettledPlace {
            also_settled: answered.also,
            conflict: asked.id,
            document: place.document,
            namespace: namespace.to_string(),
            settlement: answered.done.map(|done| done.id),
        }))
    };
    Ok(recorded(&api.engine().record(job).await?))
}

/// Who takes a settlement back.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UndoInput {
    /// Required for cases, where the role decides.
    #[serde(default)]
    actor: Option<Actor>,
}

#[utoipa::path(
    post,
    path = "/v1/conflicts/settled/{id}/undo",
    operation_id = "undoSettlement",
    tag = "conflicts",
    summary = "撤销裁定 / take a settlement back",
    params(("id" = ConflictId, Path, description = "裁定 / settlement")),
    request_body = Option<UndoInput>,
    responses(
        (status = 201, description = "新记录 / recorded", body = Recorded<UndonePlace>),
        (status = 200, description = "已有，或已更改 / known before, or changed", body = Recorded<UndonePlace>),
        Written,
        Missing
    )
)]
pub(super) async fn undo(
    State(api): State<Api>,
    Named(id): Named<ConflictId>,
    input: Option<Payload<UndoInput>>,
) -> Result<Response, ApiError> {
    let actor = input.and_then(|Payload(input)| input.actor);
    api.views_follow().await;
    let place = api.readers().query(move |reader| reader.settlement_place(id)).await?;
    let place = place.ok_or_else(|| ApiError::not_found("本节点没有此裁定", "there is no such settlement here"))?;
    let job = move |replica: &mut Replica, now| {
        let namespace = namespace_of(&place)?;
        let document = place.document;
        let of = (&namespace, place.kind, document);
        let outcome: Outcome<ConflictId> = conflict::undo(replica, of, id, actor.as_ref(), now)?;
        Ok(outcome.map(|conflict| UndonePlace { conflict, document, namespace: namespace.to_string() }))
    };
    Ok(recorded(&api.engine().record(job).await?))
}

/// Where a settlement was recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SettledPlace {
    /// Conflicts of the same document that it settled, too.
    also_settled: Vec<ConflictId>,
    conflict: ConflictId,
    document: DocumentId,
    namespace: String,
    /// By which it can be taken back; null where nothing was to be done.
    settlement: Option<ConflictId>,
}

/// What was taken back.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UndonePlace {
    /// The conflict that is open again.
    conflict: ConflictId,
    document: DocumentId,
    namespace: String,
}

fn namespace_of(place: &ConflictPlace) -> Result<Namespace, CommandError> {
    // As the views wrote it.
    place.namespace.parse().map_err(|_| StoreError::Damaged(format!("there is no {}", place.namespace)).into())
}

/// A choice, as far as it can be told without the document.
#[derive(Debug)]
enum Chosen {
    Choice(Choice),
    /// A cell, as it is written in JSON.
    Cell(JsonValue),
}

impl Chosen {
    fn of(place: &ConflictPlace, input: &SettleInput) -> Result<Self, ApiError> {
        let side = || {
            input.side.ok_or_else(|| {
                missing("side", "缺少 side：所选一方的编号", "side is missing: the number of the side chosen")
            })
        };
        Ok(Self::Choice(match input.action {
            ActionKey::Keep => Choice::Keep(side()?),
            ActionKey::Merge => Choice::Merge(side()?),
            ActionKey::Distinct => Choice::Distinct,
            ActionKey::KeepBoth => Choice::Settle(vec![]),
            ActionKey::Settle => Choice::Settle(input.call_off.clone()),
            ActionKey::Acknowledge => Choice::Acknowledge,
            ActionKey::Restate => Choice::Restate,
            ActionKey::Reopen => Choice::Reopen,
            ActionKey::Value => {
                let value = input.value.clone();
                let value =
                    value.ok_or_else(|| missing("value", "缺少 value：要填的值", "value is missing: what to write"))?;
                if place.kind == DocumentKind::Table {
                    return Ok(Self::Cell(value));
                }
                if place.kind != DocumentKind::Household {
                    return Err(CommandError::NotOffered.into());
                }
                match place.resident {
                    None => Choice::Household(Box::new(edit(place, value, "owner")?)),
                    Some(_) => Choice::Resident(Box::new(edit(place, value, "personal")?)),
                }
            }
        }))
    }

    fn read(
        self,
        replica: &mut Replica,
        (namespace, kind, document): (&Namespace, DocumentKind, DocumentId),
        column: &str,
    ) -> Result<Choice, CommandError> {
        let value = match self {
            Self::Choice(choice) => return Ok(choice),
            Self::Cell(value) => value,
        };
        let reading = read::of_kind(replica, namespace, kind, document).map_err(|error| match error {
            ReadError::Store(error) => CommandError::from(error),
            ReadError::UnknownNamespace(_) => CommandError::ConflictSettled,
        })?;
        let Reading::Table(table) = reading else { return Err(CommandError::ConflictSettled) };
        let column = table.kind.columns().iter().find(|known| known.name == column);
        let column = column.ok_or(CommandError::ConflictSettled)?;
        let text = match value {
            JsonValue::Null => return Ok(Choice::Cell(Value::Null)),
            JsonValue::String(text) => text,
            JsonValue::Bool(_) | JsonValue::Number(_) => value.to_string(),
            JsonValue::Array(_) | JsonValue::Object(_) => {
                let form = Fault::Form {
                    chinese: "文字、数字、true 或 false",
                    english: "a text, a number, true or false",
                };
                return Err(InputError::new(column.name, form).into());
            }
        };
        Ok(Choice::Cell(column.parse(&text)?.unwrap_or(Value::Null)))
    }
}

fn missing(code: &'static str, zh: &str, en: &str) -> ApiError {
    ApiError::bad_request(Message::new(code, zh, en))
}

/// The edit that writes one field; personal ones stand within the field named `sealed`.
fn edit<T>(place: &ConflictPlace, value: JsonValue, sealed: &str) -> Result<Edit<T>, ApiError>
where
    Edit<T>: serde::de::DeserializeOwned,
{
    let field = place.subject.as_str();
    let written = |value: &JsonValue| match (value, place.personal) {
        (JsonValue::Null, false) => json!({ "clear": [field] }),
        // Empty clears a number or phone.
        (JsonValue::Null, true) => json!({ "set": { sealed: { field: "" } } }),
        (value, false) => json!({ "set": { field: value } }),
        (value, true) => json!({ "set": { sealed: { field: value } } }),
    };
    let refused = match serde_json::from_value(written(&value)) {
        Ok(edit) => return Ok(edit),
        Err(error) => error.to_string(),
    };
    // A number may be written as a text.
    let plain = value.as_str().and_then(|text| serde_json::from_str(text).ok());
    if let Some(edit) = plain.and_then(|plain: JsonValue| serde_json::from_value(written(&plain)).ok()) {
        return Ok(edit);
    }
    let zh = match refusal::in_chinese(&refused) {
        Some(point) => format!("value 有误：{point}"),
        None => "value 有误".to_owned(),
    };
    Err(ApiError::bad_request(Message::new("value", zh, format!("value: {refused}"))))
}

impl Api {
    /// Why a conflict is not open here.
    async fn no_such_conflict(&self, id: ConflictId) -> ApiError {
        match self.readers().query(move |reader| reader.is_settled(id)).await {
            Ok(true) => CommandError::ConflictSettled.into(),
            Ok(false) => ApiError::not_found("本节点没有此冲突", "there is no such conflict here"),
            Err(error) => error,
        }
    }

    /// The same with the name of each node that said something.
    async fn with_names(&self, mut shown: JsonValue) -> Result<Response, ApiError> {
        let mut nodes = BTreeSet::new();
        speakers(&mut shown, &mut |speaker| nodes.extend(node(speaker)));
        let name = |replica: &mut Replica, nodes: BTreeSet<NodeId>| {
            nodes.into_iter().map(|node| (node, replica.name_of(&node))).collect::<BTreeMap<_, _>>()
        };
        let names = self.engine().read(move |replica| name(replica, nodes)).await?;
        speakers(&mut shown, &mut |speaker| {
            let known = node(speaker).and_then(|node| names.get(&node));
            speaker["name"] = json!(known);
        });
        Ok(Json(shown).into_response())
    }
}

fn node(speaker: &JsonValue) -> Option<NodeId> {
    speaker.get("node")?.as_str()?.parse().ok()
}

/// Visits everybody who said something.
fn speakers(shown: &mut JsonValue, visit: &mut impl FnMut(&mut JsonValue)) {
    match shown {
        JsonValue::Object(fields) => {
            for (name, value) in fields {
                match value.as_array_mut().filter(|_| name == "said") {
                    Some(said) => said.iter_mut().for_each(&mut *visit),
                    None => speakers(value, visit),
                }
            }
        }
        JsonValue::Array(values) => values.iter_mut().for_each(|value| speakers(value, visit)),
        JsonValue::Null | JsonValue::Bool(_) | JsonValue::Number(_) | JsonValue::String(_) => {}
    }
}
