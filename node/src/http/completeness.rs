//! How complete what is held here is: "complete to 14:20 except vehicle-7".

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use townmesh_crdt::certificate::Access;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::namespace::{Namespace, NamespaceKind};
use townmesh_crdt::replica::{Completeness, Replica};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::bounds::Params;
use super::error::ApiError;
use super::households::Rows;
use super::openapi::problems::Wrong;
use crate::engine;
use crate::message::Message;

/// Of what.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CompletenessQuery {
    region: Option<RegionCode>,
    #[param(pattern = "^(auth|town|registry|cases|events|tracks)$")]
    kind: Option<String>,
}

/// Up to when everything is here that one node held.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NodeCompleteness {
    node: String,
    name: String,
    /// By the node's clock, in milliseconds since 1970; null if that is not known of any time.
    until_ms: Option<u64>,
    /// It is connected, and by the last messages it holds the same.
    connected: bool,
}

/// How complete something is.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = Completeness)]
pub(super) struct Complete {
    /// Nothing is missing of what others held before, except those named in `except`; in milliseconds since 1970. Null where
    /// that is known of nobody, and where nothing of this kind is read here.
    pub(super) complete_to_ms: Option<u64>,
    /// Names of nodes that write there and of which that is not known of any time.
    pub(super) except: Vec<String>,
    /// Namespaces that are held here and cannot be read: their key is still on its way.
    unreadable: Vec<String>,
    /// Entries held here that documents do not show yet.
    pub(super) unfolded: u64,
    /// Changes of documents that lists do not show yet.
    pub(super) view_lag: u64,
    /// Every other node that writes there, the one that is farthest behind first.
    rows: Vec<NodeCompleteness>,
}

#[utoipa::path(
    get,
    path = "/v1/completeness",
    operation_id = "completeness",
    tag = "completeness",
    summary = "数据完整到何时 / up to when everything is here",
    params(CompletenessQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Complete),
        Wrong
    )
)]
pub(super) async fn show(
    State(api): State<Api>,
    Params(query): Params<CompletenessQuery>,
) -> Result<Json<Complete>, ApiError> {
    let kind = query.kind.as_deref().map(kind_called).transpose()?;
    Ok(Json(of(&api, kind, query.region).await?))
}

/// How complete one kind of data of one region is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RegionCompleteness {
    /// Village or community; empty for what the whole town shares.
    region: String,
    /// Its name, where the table of regions has it.
    name: Option<String>,
    /// `town`, `registry`, `cases`, `events` or `tracks`.
    kind: &'static str,
    /// Nothing is missing of what others held before, except those named in `except`; in milliseconds since 1970.
    complete_to_ms: Option<u64>,
    /// Nodes that write there and of which that is not known of any time.
    except: Vec<String>,
    /// The node that is farthest behind of those of which it is known.
    last: Option<String>,
}

#[utoipa::path(
    get,
    path = "/v1/completeness/regions",
    operation_id = "completenessByRegion",
    tag = "completeness",
    summary = "各村居各类数据完整到何时 / up to when everything is here, by region and kind",
    params(CompletenessQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Rows<RegionCompleteness>),
        Wrong
    )
)]
pub(super) async fn by_region(
    State(api): State<Api>,
    Params(query): Params<CompletenessQuery>,
) -> Result<Json<Rows<RegionCompleteness>>, ApiError> {
    let kind = query.kind.as_deref().map(kind_called).transpose()?;
    let within = query.region.map(|region| region.to_string()).unwrap_or_default();
    let is_meant = move |namespace: &Namespace| {
        namespace.kind != NamespaceKind::Auth
            && kind.is_none_or(|kind| namespace.kind == kind)
            && namespace.region.starts_with(&within)
    };
    let mut rows = api.engine().read(move |replica| each_region(replica, is_meant)).await?;
    let names = api.readers().query(|reader| reader.region_names()).await?;
    for row in &mut rows {
        row.name = names.get(&row.region).cloned();
    }
    Ok(Json(Rows { rows }))
}

/// What this node reads, by region and kind.
pub(super) fn read_here(
    replica: &Replica,
    is_meant: impl Fn(&Namespace) -> bool,
) -> BTreeMap<(String, NamespaceKind), Vec<Namespace>> {
    let mut groups: BTreeMap<(String, NamespaceKind), Vec<Namespace>> = BTreeMap::new();
    for (_, namespace, access, readable) in replica.namespaces() {
        if access == Access::Hold && readable && is_meant(&namespace) {
            groups.entry((namespace.region.clone(), namespace.kind)).or_default().push(namespace);
        }
    }
    groups
}

fn each_region(replica: &mut Replica, is_meant: impl Fn(&Namespace) -> bool) -> Vec<RegionCompleteness> {
    let groups = read_here(replica, is_meant);
    let now = engine::now();
    let spaces: Vec<&[Namespace]> = groups.values().map(Vec::as_slice).collect();
    let all = replica.completeness_of_each(&spaces, now);
    let row = |((region, kind), all): ((String, NamespaceKind), Vec<Completeness>)| {
        let known = all.iter().filter_map(|one| Some((one.until?, one.node))).min();
        let unknown = all.iter().filter(|one| one.until.is_none());
        RegionCompleteness {
            region,
            name: None,
            kind: kind.name(),
            complete_to_ms: if all.is_empty() { Some(now) } else { known.map(|(until, _)| until) },
            except: unknown.map(|one| replica.name_of(&one.node)).collect(),
            last: known.map(|(_, node)| replica.name_of(&node)),
        }
    };
    groups.keys().cloned().zip(all).map(row).collect()
}

fn kind_called(name: &str) -> Result<NamespaceKind, ApiError> {
    NamespaceKind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
        let known = NamespaceKind::ALL.map(NamespaceKind::name).join(", ");
        let en = format!("there is no kind {name:?}; the kinds are {known}");
        ApiError::bad_request(Message::new("kind", format!("没有种类 {name:?}；可用：{known}"), en))
    })
}

/// How complete what this node reads of a kind and region is.
pub(super) async fn of(
    api: &Api,
    kind: Option<NamespaceKind>,
    region: Option<RegionCode>,
) -> Result<Complete, ApiError> {
    let region = region.map(|region| region.to_string()).unwrap_or_default();
    let is_meant = move |namespace: &Namespace| {
        kind.is_none_or(|kind| namespace.kind == kind) && namespace.region.starts_with(&region)
    };
    // First: what arrives in between waits for the views by what the status says.
    let complete = api.engine().read(move |replica| among(replica, is_meant)).await?;
    let status = super::status::fresh(api).await;
    Ok(Complete { unfolded: status.unfolded, view_lag: status.view_lag, ..complete })
}

fn among(replica: &mut Replica, is_meant: impl Fn(&Namespace) -> bool) -> Complete {
    let now = engine::now();
    let held = replica.namespaces().into_iter();
    let held = held.filter(|(_, namespace, access, _)| *access == Access::Hold && is_meant(namespace));
    let (readable, unreadable): (Vec<_>, Vec<_>) = held.partition(|(.., readable)| *readable);
    let unreadable = unreadable.into_iter().map(|(_, namespace, ..)| namespace.to_string()).collect();
    let namespaces: Vec<Namespace> = readable.into_iter().map(|(_, namespace, ..)| namespace).collect();
    if namespaces.is_empty() {
        return Complete { unreadable, ..Complete::default() };
    }
    let mut all = replica.completeness(&namespaces, now);
    all.sort_by_key(|one| (one.until, one.node));
    let except = all.iter().filter(|one| one.until.is_none()).map(|one| replica.name_of(&one.node)).collect();
    // Where nobody else writes, nothing can be missing.
    let complete_to_ms = if all.is_empty() { Some(now) } else { all.iter().filter_map(|one| one.until).min() };
    let row = |one: Completeness| NodeCompleteness {
        node: one.node.to_string(),
        name: replica.name_of(&one.node),
        until_ms: one.until,
        connected: one.connected,
    };
    Complete { complete_to_ms, except, unreadable, rows: all.into_iter().map(row).collect(), ..Complete::default() }
}
