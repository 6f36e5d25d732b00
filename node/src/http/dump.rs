//! Everything this node holds, as JSON lines, for a program that compares nodes without trusting them.
//!
//! For each namespace, in order of names, one line `{"namespace": {name, access, readable, digest, entries}}`; then, if it
//! can be read, one line `{"document": {namespace, kind, id, content}}` for each document in order of ids; at the end
//! `{"end": {documents, stable}}`, where `stable` says that nothing changed meanwhile. Fields are sorted by name, so equal
//! documents give equal lines. Personal data is in clear, since masked values would compare equal where the data is not: so
//! a dump is made for a stated reason only, which is noted.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use townmesh_crdt::certificate::Access;
use townmesh_crdt::command::read::{self, ReadError, Reading};
use townmesh_crdt::id::{DocumentId, NamespaceId};
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::policy::DocumentKind;
use townmesh_crdt::replica::Replica;
use utoipa::IntoParams;

use super::bounds::Params;
use super::error::ApiError;
use super::lines::{self, Gone, Lines};
use super::openapi::problems::{Noted, Wrong};
use super::reveal::{Asker, Asking, Reason, Shown};
use super::{Api, status};
use crate::message::{Explain as _, Message};
use crate::reveals::RevealKind;

/// Documents read in one go.
const PAGE: usize = 100;

/// Why everything is told.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct DumpQuery {
    reveal: Option<String>,
}

#[utoipa::path(
    get,
    path = "/v1/dump",
    operation_id = "dump",
    tag = "node",
    summary = "全部内容 / everything this node holds",
    params(DumpQuery, Asking),
    responses(
        (status = 200, description = "每行一个 JSON：namespace、document、end、error / a JSON object a line", body = String, content_type = "application/x-ndjson"),
        Wrong,
        Noted
    )
)]
pub(super) async fn dump(
    State(api): State<Api>,
    asker: Asker,
    Params(query): Params<DumpQuery>,
) -> Result<Response, ApiError> {
    let reason = Reason::required(
        query.reveal,
        "全部导出含未打码的个人信息，须写明理由",
        "a dump holds personal data in clear: it is made for a stated reason only",
    )?;
    let place = api.bounds().heavy()?;
    let before = api.engine().read(digests).await?;
    api.note_reveal(asker, reason, Shown::many(RevealKind::Dump, None)).await?;
    Ok(lines::answer(async move |lines| {
        // A reader that went away needs no more lines.
        let _ = write(&api, &lines, before).await;
        drop(place);
    }))
}

/// A namespace with what is told of it.
#[derive(Debug, PartialEq)]
struct Digested {
    id: NamespaceId,
    namespace: Namespace,
    is_readable: bool,
    line: Value,
}

fn digests(replica: &mut Replica) -> Vec<Digested> {
    let mut totals: BTreeMap<NamespaceId, u64> = BTreeMap::new();
    replica.logs().for_each(|state| *totals.entry(state.log.namespace).or_default() += state.height);
    let namespaces = replica.namespaces().into_iter().map(|(id, namespace, access, is_readable)| {
        let digest: String = replica.digest(id).iter().map(|byte| format!("{byte:02x}")).collect();
        let access = match access {
            Access::Hold => "hold",
            Access::Carry => "carry",
        };
        let entries = totals.get(&id).copied().unwrap_or_default();
        let name = namespace.to_string();
        let line =
            json!({ "name": name, "access": access, "readable": is_readable, "digest": digest, "entries": entries });
        Digested { id, namespace, is_readable, line }
    });
    let mut namespaces: Vec<_> = namespaces.collect();
    namespaces.sort_by_key(|one| one.namespace.to_string());
    namespaces
}

async fn write(api: &Api, lines: &Lines, before: Vec<Digested>) -> Result<(), Gone> {
    let mut documents = 0_u64;
    for one in &before {
        lines.line("namespace", &one.line).await?;
        if one.is_readable {
            match write_documents(api, lines, one).await? {
                Ok(count) => documents += count,
                Err(message) => return lines.line("error", &message).await,
            }
        }
    }
    let is_same = api.engine().read(digests).await.is_ok_and(|now| now == before);
    let is_stable = is_same && status::current(api).unfolded == 0;
    lines.line("end", &json!({ "documents": documents, "stable": is_stable })).await
}

/// Writes the documents of a namespace; how many there are, or why they cannot be read.
async fn write_documents(api: &Api, lines: &Lines, of: &Digested) -> Result<Result<u64, Message>, Gone> {
    let (mut after, mut count) = (None, 0);
    loop {
        let (id, namespace) = (of.id, of.namespace.clone());
        let (found, last) = match api.engine().read(move |replica| page(replica, id, &namespace, after)).await {
            Ok(Ok(page)) => page,
            Ok(Err(error)) => return Ok(Err(error.explain())),
            Err(error) => return Ok(Err(error.explain())),
        };
        for document in found {
            count += 1;
            lines.line("document", &document).await?;
        }
        match last {
            Some(last) => after = Some(last),
            None => return Ok(Ok(count)),
        }
    }
}

/// Some documents, and after which to go on.
fn page(
    replica: &mut Replica,
    id: NamespaceId,
    namespace: &Namespace,
    after: Option<DocumentId>,
) -> Result<(Vec<Value>, Option<DocumentId>), ReadError> {
    let found = replica.documents(id, after, PAGE)?;
    let last = found.last().map(|(document, _)| *document);
    let mut documents = Vec::new();
    for (document, code) in found {
        let Some(kind) = DocumentKind::from_code(code) else { continue };
        let content = read::of_kind(replica, namespace, kind, document)?;
        if content == Reading::Nothing {
            continue;
        }
        documents.push(
            json!({ "namespace": namespace.to_string(), "kind": kind.name(), "id": document, "content": content }),
        );
    }
    Ok((documents, last))
}
