//! Everything this node holds, as one JSON object, for a program that compares nodes without trusting them.
//!
//! `{"node", "name", "namespaces": [{"name", "access", "readable", "digest", "entries", "documents": [{"id", "kind",
//! "content"}]}], "stable"}`. Namespaces stand in order of their names, documents in order of their ids, fields in order
//! of their keys, so equal documents give equal text. `stable` says that nothing changed meanwhile. Personal data is in
//! clear: the token allows it.

use std::collections::BTreeMap;
use std::io;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use townmesh_crdt::certificate::Access;
use townmesh_crdt::command::read::{self, ReadError, Reading};
use townmesh_crdt::id::{DocumentId, NamespaceId};
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::policy::DocumentKind;
use townmesh_crdt::replica::Replica;

use super::error::ApiError;
use super::lines::{self, Pieces};
use super::{Api, status};

/// Documents read in one go.
const PAGE: usize = 100;

pub(super) async fn dump(State(api): State<Api>) -> Result<Response, ApiError> {
    let place = api.bounds().heavy()?;
    let before = api.engine().read(digests).await?;
    let (pieces, body) = lines::body();
    tokio::spawn(async move {
        if write(&api, &pieces, before).await.is_err() {
            // Nobody is to take half a dump for a whole one: the answer breaks off.
            let _ = pieces.send(Err(io::ErrorKind::UnexpectedEof.into())).await;
        }
        drop(place);
    });
    Ok(([(header::CONTENT_TYPE, "application/json; charset=utf-8")], body).into_response())
}

/// A namespace with what is told of it before its documents.
#[derive(Debug, PartialEq)]
struct Digested {
    id: NamespaceId,
    namespace: Namespace,
    is_readable: bool,
    fields: String,
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
        let fields = format!(
            "\"name\":{},\"access\":\"{access}\",\"readable\":{is_readable},\"digest\":\"{digest}\",\"entries\":{entries}",
            json!(name)
        );
        Digested { id, namespace, is_readable, fields }
    });
    let mut namespaces: Vec<_> = namespaces.collect();
    namespaces.sort_by_key(|one| one.namespace.to_string());
    namespaces
}

/// The dump did not come to its end; why is in the log.
struct BrokenOff;

fn broken_off(error: &dyn std::error::Error) -> BrokenOff {
    tracing::error!(%error, "a dump was broken off");
    BrokenOff
}

async fn say(pieces: &Pieces, text: String) -> Result<(), BrokenOff> {
    pieces.send(Ok(text.into())).await.map_err(|_| BrokenOff)
}

async fn write(api: &Api, pieces: &Pieces, before: Vec<Digested>) -> Result<(), BrokenOff> {
    let status = status::current(api);
    say(pieces, format!("{{\"node\":{},\"name\":{},\"namespaces\":[", json!(status.node), json!(status.name))).await?;
    let mut comma = "";
    for one in &before {
        say(pieces, format!("{comma}{{{},\"documents\":[", one.fields)).await?;
        comma = ",";
        if one.is_readable {
            write_documents(api, pieces, one).await?;
        }
        say(pieces, "]}".to_owned()).await?;
    }
    let is_stable = api.engine().read(digests).await.is_ok_and(|now| now == before) && status::current(api).unfolded == 0;
    say(pieces, format!("],\"stable\":{is_stable}}}\n")).await
}

async fn write_documents(api: &Api, pieces: &Pieces, of: &Digested) -> Result<(), BrokenOff> {
    let (mut after, mut comma) = (None, "");
    loop {
        let (id, namespace) = (of.id, of.namespace.clone());
        let page = api.engine().read(move |replica| page(replica, id, &namespace, after)).await;
        let (documents, last) = page.map_err(|error| broken_off(&error))?.map_err(|error| broken_off(&error))?;
        for document in documents {
            say(pieces, format!("{comma}{document}")).await?;
            comma = ",";
        }
        match last {
            Some(last) => after = Some(last),
            None => return Ok(()),
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
        match read::of_kind(replica, namespace, kind, document)? {
            Reading::Nothing => {}
            // Through a `Value`, whose fields are sorted.
            reading => documents.push(json!({ "id": document, "kind": kind.name(), "content": reading })),
        }
    }
    Ok((documents, last))
}
