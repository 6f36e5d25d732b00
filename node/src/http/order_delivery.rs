//! How far orders have travelled: an order is *delivered* when a node of its team has said that it holds it, and *seen* when
//! somebody of the team has answered to it (DOMAIN.md), so that nobody is blamed for an outage.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use townmesh_crdt::certificate::Access;
use townmesh_crdt::domain::key::normalise;
use townmesh_crdt::id::{DocumentId, RecordId};
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::policy::DocumentKind;
use townmesh_crdt::replica::{Delivery, Replica};
use townmesh_crdt::store::StoreError;
use utoipa::ToSchema;

use super::Api;
use super::error::ApiError;
use super::locate::namespace_of;
use crate::views::{Listed, OrderRow, Reader};

/// Names of the nodes of each team, by its code in the form in which codes are compared.
pub(super) type TeamNodes = BTreeMap<String, BTreeSet<String>>;

/// An order that nobody has acknowledged.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WaitingOrder {
    #[serde(flatten)]
    order: OrderRow,
    /// Names of the nodes of its team of which none has it; where no node is named for the team, of all nodes that work
    /// with the case and have not said that they have it as it is here.
    undelivered: Vec<String>,
}

/// How far an order has travelled.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OrderDelivery {
    /// What people call it by.
    number: String,
    /// Whether a node of its team has it; null where the town names no node for the team, or none that is to have the case.
    delivered: Option<bool>,
    /// When somebody of the team first answered to it, in milliseconds since 1970.
    seen_ms: Option<i64>,
    /// The nodes of its team.
    nodes: Vec<TeamNode>,
}

/// A node of a team.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TeamNode {
    name: String,
    /// Whether it said that it has the order; null of one that is not enrolled by this name, or is not to have the case.
    delivered: Option<bool>,
    /// When it last said what it holds, by its clock, in milliseconds since 1970; null if it was never heard of.
    heard_ms: Option<u64>,
}

impl Api {
    /// How far the orders of a case have travelled.
    ///
    /// # Errors
    /// [`ApiError`].
    pub(super) async fn deliveries(
        &self,
        case: DocumentId,
        orders: Vec<OrderRow>,
    ) -> Result<Vec<OrderDelivery>, ApiError> {
        let teams = self.readers().query(Reader::team_nodes).await?;
        Ok(self.engine().read(move |replica| deliveries(replica, case, &orders, &teams)).await??)
    }
}

fn deliveries(
    replica: &mut Replica,
    case: DocumentId,
    orders: &[OrderRow],
    teams: &TeamNodes,
) -> Result<Vec<OrderDelivery>, StoreError> {
    let Some(namespace) = namespace_of(replica, DocumentKind::Case, case)? else { return Ok(Vec::new()) };
    let travelled = travelled(replica, &namespace, case, orders, teams)?;
    let of_order = |order: &OrderRow| {
        let nodes = nodes_of(replica, order, &travelled, teams);
        let known = || nodes.iter().filter_map(|node| node.delivered);
        let delivered = known().next().map(|_| known().any(|has_it| has_it));
        OrderDelivery { number: order.number.clone(), delivered, seen_ms: order.seen_ms, nodes }
    };
    Ok(orders.iter().map(of_order).collect())
}

/// How far the events have travelled that sent orders to teams of which nodes are named.
type Travelled = BTreeMap<RecordId, Vec<Delivery>>;

fn travelled(
    replica: &mut Replica,
    namespace: &Namespace,
    case: DocumentId,
    orders: &[OrderRow],
    teams: &TeamNodes,
) -> Result<Travelled, StoreError> {
    let named = orders.iter().filter(|order| teams.contains_key(&normalise(&order.team)));
    let events: BTreeSet<RecordId> = named.filter_map(|order| order.event.parse().ok()).collect();
    if events.is_empty() { Ok(Travelled::new()) } else { replica.delivery_of_records(namespace, case, &events) }
}

/// The nodes of the team of an order, and which of them have it.
fn nodes_of(replica: &Replica, order: &OrderRow, travelled: &Travelled, teams: &TeamNodes) -> Vec<TeamNode> {
    let Some(names) = teams.get(&normalise(&order.team)) else { return Vec::new() };
    let event = order.event.parse::<RecordId>().ok();
    let delivery = event.and_then(|event| travelled.get(&event)).map_or(&[][..], Vec::as_slice);
    let own = normalise(&replica.name_of(&replica.node()));
    let nodes = names.iter().map(|name| {
        let wanted = normalise(name);
        if wanted == own {
            return TeamNode { name: name.clone(), delivered: Some(true), heard_ms: None };
        }
        // Of two nodes of one name, one in the other's stead, either will do.
        let of_name = delivery.iter().filter(|one| one.access == Access::Hold);
        let of_name: Vec<_> = of_name.filter(|one| normalise(&replica.name_of(&one.node)) == wanted).collect();
        let delivered = (!of_name.is_empty()).then(|| of_name.iter().any(|one| one.delivered));
        TeamNode { name: name.clone(), delivered, heard_ms: of_name.iter().filter_map(|one| one.heard).max() }
    });
    nodes.collect()
}

/// Orders with the nodes that they have not reached.
///
/// # Errors
/// [`StoreError`].
pub(super) fn with_delivery(
    replica: &mut Replica,
    waiting: Listed<OrderRow>,
    teams: &TeamNodes,
) -> Result<Listed<WaitingOrder>, StoreError> {
    let mut rows = Vec::with_capacity(waiting.rows.len());
    for order in waiting.rows {
        let undelivered = match order.case.parse() {
            Ok(case) => undelivered(replica, case, &order, teams)?,
            Err(_) => Vec::new(),
        };
        rows.push(WaitingOrder { order, undelivered });
    }
    Ok(Listed { rows, next: waiting.next })
}

fn undelivered(
    replica: &mut Replica,
    case: DocumentId,
    order: &OrderRow,
    teams: &TeamNodes,
) -> Result<Vec<String>, StoreError> {
    let Some(namespace) = namespace_of(replica, DocumentKind::Case, case)? else { return Ok(Vec::new()) };
    let travelled = travelled(replica, &namespace, case, std::slice::from_ref(order), teams)?;
    let nodes = nodes_of(replica, order, &travelled, teams);
    if nodes.iter().any(|node| node.delivered.is_some()) {
        let has_come = nodes.iter().any(|node| node.delivered == Some(true));
        return Ok(if has_come { Vec::new() } else { nodes.into_iter().map(|node| node.name).collect() });
    }
    let missing = replica.delivery(&namespace, case)?.into_iter();
    let missing = missing.filter(|one| one.access == Access::Hold && !one.delivered);
    let mut names: Vec<String> = missing.map(|one| replica.name_of(&one.node)).collect();
    names.sort();
    Ok(names)
}
