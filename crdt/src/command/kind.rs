//! What a document is: ids do not say, but the id of a document follows from its kind and what it is found by.
//!
//! Documents of several kinds lie in one registry, and an edit names a kind that nobody compares when it is folded. So that
//! an edit meant for a household never ends in an enterprise, commands ask here before they stage anything, and readers
//! ask before they show anything.

use std::collections::BTreeSet;

use super::entity::ITSELF;
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
    if namespace.kind != NamespaceKind::Registry || said.form() != Form::Fields {
        return Ok(said);
    }
    let id = replica.namespace_id(namespace);
    let content = replica.content(id, document)?;
    if is_named(replica, namespace, said, document, &content)? {
        return Ok(said);
    }
    // Part of what it is found by may still be on its way, or be contested: then it is what it was written as.
    let kinds: BTreeSet<DocumentKind> =
        replica.kinds(id, document)?.into_iter().filter_map(DocumentKind::from_code).collect();
    for kind in &kinds {
        if is_named(replica, namespace, *kind, document, &content)? {
            return Ok(*kind);
        }
    }
    Ok(kinds.first().copied().unwrap_or(said))
}

/// Refuses a document that is of another kind, or says nothing.
///
/// # Errors
/// [`CommandError::NotFound`], [`CommandError::Store`].
pub(super) fn require(
    replica: &mut Replica,
    namespace: &Namespace,
    kind: DocumentKind,
    document: DocumentId,
    (thing, chinese): (&'static str, &'static str),
) -> Result<(), CommandError> {
    let is_there = !replica.content(replica.namespace_id(namespace), document)?.records.is_empty();
    if is_there && of(replica, namespace, kind, document)? == kind {
        return Ok(());
    }
    Err(CommandError::NotFound { thing, chinese, document })
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
