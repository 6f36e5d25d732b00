//! What the whole town knows: regions, grids, members, teams.

use std::collections::BTreeSet;

use super::entity::{self, Entity, Writing};
use super::read::FieldsRecord;
use super::{CommandError, Outcome};
use crate::clock::Millis;
use crate::domain::date::Day;
use crate::domain::input::{Fault, InputError};
use crate::domain::record::Scalar as _;
use crate::domain::region::Region;
use crate::domain::town::{Grid, Member, Team};
use crate::entry::Lane;
use crate::id::DocumentId;
use crate::namespace::Namespace;
use crate::policy::DocumentKind;
use crate::replica::Replica;
use crate::store::StoreError;
use crate::value::{Fields, Value};

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

/// Imports regions or grids that somebody drew: all of them or none. It adds and corrects what they say, and leaves
/// everything else.
///
/// # Errors
/// [`CommandError::Rows`] names every one that is wrong, or there twice; [`CommandError::Record`].
pub fn import<T: TownEntity>(replica: &mut Replica, entities: &[T], now: Millis) -> Result<Imported, CommandError> {
    let wrong = wrong_among(entities);
    if !wrong.is_empty() {
        return Err(CommandError::Rows(wrong));
    }
    let mut imported = Imported::default();
    for entity in entities {
        let outcome = entity::record(replica, &Namespace::town(), entity, Writing::Known, Lane::Bulk, now)?;
        imported.count(&outcome);
    }
    Ok(imported)
}

/// What is wrong with entities that are to be imported together, each with its place from 0.
pub fn wrong_among<T: TownEntity>(entities: &[T]) -> Vec<(usize, InputError)> {
    let mut keys = BTreeSet::new();
    let checked = entities.iter().map(|entity| {
        let key = entity::require_key(entity).map_err(|_| InputError::new("code", Fault::Blank))?;
        entity::check(entity)?;
        if keys.insert(key) { Ok(()) } else { Err(InputError::new("code", Fault::Twice)) }
    });
    checked.enumerate().filter_map(|(place, checked)| Some((place, checked.err()?))).collect()
}

/// The grid of a document; `None` where it is none. Other documents of the town have fields under the same numbers: the
/// id tells a grid.
///
/// # Errors
/// [`CommandError::Record`], [`CommandError::Store`].
pub fn grid(replica: &mut Replica, document: DocumentId) -> Result<Option<Grid>, CommandError> {
    let Some(grid) = read::<Grid>(replica, document)?.map(|found| found.record) else { return Ok(None) };
    let Some(key) = grid.natural_key() else { return Ok(None) };
    let named = replica.document_id(&Namespace::town(), DocumentKind::Grid, &key)?;
    Ok(Some(grid).filter(|_| named == document))
}

/// Retires a grid from a day on, or takes that back (`None`). Its inspectors stay named, so that whoever patrolled it then
/// is known, and have nothing to do with its ground from that day on; its inspections and hazards stay as they are.
///
/// # Errors
/// [`CommandError::NotFound`], [`CommandError::Input`], [`CommandError::Record`].
pub fn retire_grid(
    replica: &mut Replica,
    document: DocumentId,
    since: Option<Day>,
    now: Millis,
) -> Result<Outcome<DocumentId>, CommandError> {
    let missing = CommandError::NotFound { thing: "grid", chinese: "网格", document };
    let grid = grid(replica, document)?.ok_or(missing)?;
    if grid.retired == since {
        return Ok(Outcome::Unchanged(document));
    }
    Grid { retired: since, ..Grid::default() }.check()?;
    let fields = Fields::from([(Grid::RETIRED, since.map_or(Value::Null, |day| day.to_value()))]);
    let recorded = entity::edit::<Grid>(replica, &Namespace::town(), document, fields, Lane::Work, now)?;
    Ok(Outcome::Changed(document, recorded))
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
