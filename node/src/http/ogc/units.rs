//! The units of the town as features: they stand in no document, and there are at most a few hundred.

use townmesh_crdt::id::NodeId;
use townmesh_crdt::replica::Replica;

use super::super::Api;
use super::super::error::ApiError;
use super::super::positions::{self, UnitRow};
use crate::engine;
use crate::moment::Moment;
use crate::views::{
    DEFAULT_FEATURES, Feature, FeatureFilter, Geometry, Listed, MAX_FEATURES, Page, Properties, QueryError,
};

/// Units by id; a cursor is the id of the last one.
pub(super) async fn page(api: &Api, filter: FeatureFilter, page: Page) -> Result<Listed<Feature>, ApiError> {
    let after: Option<NodeId> = page.after.map(|after| after.parse().map_err(|_| QueryError::Cursor)).transpose()?;
    let after = after.map(|after| after.to_string());
    let mut units = api.engine().read(|replica: &mut Replica| positions::rows(replica, engine::now())).await?;
    units.sort_by(|a, b| a.node.cmp(&b.node));
    units.retain(|unit| matches(&filter, unit) && after.as_ref().is_none_or(|after| unit.node > *after));
    let limit = page.limit.unwrap_or(DEFAULT_FEATURES).clamp(1, MAX_FEATURES) as usize;
    let is_longer = units.len() > limit;
    units.truncate(limit);
    let next = if is_longer { units.last().map(|unit| unit.node.clone()) } else { None };
    Ok(Listed { rows: units.into_iter().map(feature).collect(), next })
}

/// The unit with this node id.
pub(super) async fn one(api: &Api, id: String) -> Result<Option<Feature>, ApiError> {
    let units = api.engine().read(|replica: &mut Replica| positions::rows(replica, engine::now())).await?;
    Ok(units.into_iter().find(|unit| unit.node == id).map(feature))
}

fn matches(filter: &FeatureFilter, unit: &UnitRow) -> bool {
    let at = unit.at_ms.cast_signed();
    filter.bounds.is_none_or(|bounds| bounds.contains(unit.position))
        && filter.from_ms.is_none_or(|from| at >= from)
        && filter.until_ms.is_none_or(|until| at < until)
}

fn feature(unit: UnitRow) -> Feature {
    let properties = Properties::Unit { name: unit.name, at: Moment(unit.at_ms.cast_signed()) };
    Feature { id: unit.node, geometry: Some(Geometry::of_point(unit.position)), properties }
}
