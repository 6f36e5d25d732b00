//! What the whole town knows: regions, grids, members, teams.

use super::entity::{self, Entity, Writing};
use super::read::FieldsRecord;
use super::{CommandError, Outcome};
use crate::clock::Millis;
use crate::domain::region::Region;
use crate::domain::town::{Grid, Member, Team};
use crate::entry::Lane;
use crate::id::DocumentId;
use crate::namespace::Namespace;
use crate::replica::Replica;
use crate::store::StoreError;

/// An entity of the namespace `town`.
pub trait TownEntity: Entity {}

impl TownEntity for Region {}
impl TownEntity for Grid {}
impl TownEntity for Member {}
impl TownEntity for Team {}

/// What an import came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Imported {
    /// Rows that were new.
    pub created: u64,
    /// Rows that said something new.
    pub changed: u64,
    /// Rows that were known.
    pub unchanged: u64,
}

impl Imported {
    /// Counts one row.
    pub fn count<T>(&mut self, outcome: &Outcome<T>) {
        match outcome {
            Outcome::Created(..) => self.created += 1,
            Outcome::Changed(..) => self.changed += 1,
            Outcome::Unchanged(_) => self.unchanged += 1,
        }
    }
}

/// Records a region, grid, member or team as a person entered it.
///
/// # Errors
/// [`CommandError::MissingKey`], [`CommandError::Record`].
pub fn record<T: TownEntity>(
    replica: &mut Replica,
    entity: &T,
    writing: Writing,
    now: Millis,
) -> Result<Outcome<DocumentId>, CommandError> {
    entity::record(replica, &Namespace::town(), entity, writing, Lane::Work, now)
}

/// Imports the region table: adds and corrects what its rows know, leaves everything else.
///
/// # Errors
/// [`CommandError`]; rows before the one that failed are staged.
pub fn import_regions(replica: &mut Replica, regions: &[Region], now: Millis) -> Result<Imported, CommandError> {
    let mut imported = Imported::default();
    for region in regions {
        let outcome = entity::record(replica, &Namespace::town(), region, Writing::Known, Lane::Bulk, now)?;
        imported.count(&outcome);
    }
    Ok(imported)
}

/// Reads a region, grid, member or team; `None` if there is none.
///
/// # Errors
/// [`StoreError`].
pub fn read<T: TownEntity>(replica: &mut Replica, document: DocumentId) -> Result<Option<FieldsRecord<T>>, StoreError> {
    entity::read(replica, &Namespace::town(), document)
}

/// Every document of one kind in the town's namespace, for tables of a few thousand.
///
/// # Errors
/// [`StoreError`].
pub fn all<T: TownEntity>(replica: &mut Replica) -> Result<Vec<FieldsRecord<T>>, StoreError> {
    let namespace = Namespace::town();
    let id = replica.namespace_id(&namespace);
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = replica.documents(id, after, 512)?;
        let Some((last, _)) = page.last() else { return Ok(found) };
        after = Some(*last);
        for (document, _) in page.into_iter().filter(|(_, code)| *code == T::KIND as u8) {
            found.extend(entity::read(replica, &namespace, document)?);
        }
    }
}
