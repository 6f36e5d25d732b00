//! What a document is: ids do not say, but the id of a document follows from its kind and what it is found by.
//!
//! Documents of several kinds lie in one registry, and an edit names a kind that nobody compares when it is folded. So that
//! an edit meant for a household never ends in an enterprise, commands ask here before they stage anything, and readers
//! ask before they show anything.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::entity::ITSELF;
use super::read::Reading;
use super::{CommandError, door_tag};
use crate::document::Content;
use crate::domain::books::BookKind;
use crate::domain::dwelling::Dwelling;
use crate::domain::hazard::Hazard;
use crate::domain::household::Household;
use crate::id::DocumentId;
use crate::namespace::{Namespace, NamespaceKind};
use crate::policy::{DocumentKind, Form};
use crate::replica::Replica;
use crate::store::StoreError;

/// What a document of a registry is, where somebody wrote into it as `said`; the same on every node that holds the same
/// entries. Other namespaces are taken at their word.
///
/// # Errors
/// [`StoreError`].
pub fn of(
    replica: &mut Replica,
    namespace: &Namespace,
    said: DocumentKind,
    document: DocumentId,
) -> Result<DocumentKind, StoreError> {
    if !may_be_another(namespace, said) {
        return Ok(said);
    }
    let content = replica.content(replica.namespace_id(namespace), document)?;
    of_content(replica, namespace, said, document, &content)
}

/// Whether documents of other kinds that are edited alike lie beside those of a kind.
fn may_be_another(namespace: &Namespace, said: DocumentKind) -> bool {
    namespace.kind == NamespaceKind::Registry && said.form() == Form::Fields
}

/// As [`of`], of a document that says this.
fn of_content(
    replica: &mut Replica,
    namespace: &Namespace,
    said: DocumentKind,
    document: DocumentId,
    content: &Content,
) -> Result<DocumentKind, StoreError> {
    if !may_be_another(namespace, said) || is_named(replica, namespace, said, document, content)? {
        return Ok(said);
    }
    let id = replica.namespace_id(namespace);
    // Part of what it is found by may still be on its way, or be contested: then it is what it was written as.
    let kinds: BTreeSet<DocumentKind> =
        replica.kinds(id, document)?.into_iter().filter_map(DocumentKind::from_code).collect();
    for kind in &kinds {
        if is_named(replica, namespace, *kind, document, content)? {
            return Ok(*kind);
        }
    }
    Ok(kinds.first().copied().unwrap_or(said))
}

/// What a document says; refuses one that is of another kind, or says nothing.
///
/// # Errors
/// [`CommandError::NotFound`], [`CommandError::Store`].
pub(super) fn require(
    replica: &mut Replica,
    namespace: &Namespace,
    kind: DocumentKind,
    document: DocumentId,
    (thing, chinese): (&'static str, &'static str),
) -> Result<Arc<Content>, CommandError> {
    let content = replica.content(replica.namespace_id(namespace), document)?;
    if !content.records.is_empty() && of_content(replica, namespace, kind, document, &content)? == kind {
        return Ok(content);
    }
    Err(CommandError::NotFound { thing, chinese, document })
}

/// Whether what was read of a document shows already that it is of the kind as which it was read.
pub(super) fn is_shown_by(reading: &Reading, replica: &mut Replica, namespace: &Namespace) -> bool {
    let (kind, id, key) = match reading {
        Reading::Household(record) => (DocumentKind::Household, record.id, record.household.natural_key()),
        Reading::Dwelling(record) => (DocumentKind::Dwelling, record.id, record.dwelling.natural_key()),
        Reading::Hazard(record) => (DocumentKind::Hazard, record.id, record.record.natural_key()),
        Reading::Inspections(_)
        | Reading::Case(_)
        | Reading::Device(_)
        | Reading::DeviceDay(_)
        | Reading::Region(_)
        | Reading::Grid(_)
        | Reading::Member(_)
        | Reading::Team(_)
        | Reading::Table(_)
        | Reading::Book(_)
        | Reading::Track(_)
        | Reading::LifeCycle(_)
        | Reading::DoorTags(_)
        | Reading::Move(_)
        | Reading::SamePerson(_)
        | Reading::Nothing => return false,
    };
    key.and_then(|key| replica.document_id(namespace, kind, &key).ok()) == Some(id)
}

/// Whether the id is the one of a document of this kind that says this.
fn is_named(
    replica: &mut Replica,
    namespace: &Namespace,
    kind: DocumentKind,
    document: DocumentId,
    content: &Content,
) -> Result<bool, StoreError> {
    if kind == DocumentKind::DoorTag {
        let tags = door_tag::read(replica, namespace, document)?.map(|found| found.tags).unwrap_or_default();
        let named = |dwelling: DocumentId| replica.document_id(namespace, kind, &dwelling.0).ok();
        return Ok(tags.first().map(|tag| tag.dwelling).and_then(named) == Some(document));
    }
    let fields = content.fields(ITSELF);
    let key = match BookKind::of_document(kind) {
        Some(book) => book.natural_key(&fields),
        None if kind == DocumentKind::Household => Household::read(&fields).natural_key(),
        None if kind == DocumentKind::Dwelling => Dwelling::read(&fields).natural_key(),
        None if kind == DocumentKind::Hazard => Hazard::read(&fields).natural_key(),
        None => None,
    };
    // Without the key of the registry nothing of it is read at all.
    Ok(key.and_then(|key| replica.document_id(namespace, kind, &key).ok()) == Some(document))
}
