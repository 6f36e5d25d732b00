//! Documents under arbitrary changes in arbitrary order.

use std::collections::BTreeSet;

use townmesh_crdt::change::{Change, ChangeHash, Item, decode_items};
use townmesh_crdt::clock::HybridTime;
use townmesh_crdt::document::{Actor, Applied, AuthoredChange, Content, Document};
use townmesh_crdt::id::{DocumentId, EntryId};

use super::{Script, accepted};

/// Most changes of one document: enough to branch and merge, few enough for many documents a second.
const MAX_CHANGES: usize = 24;

/// A script of a byte for the order and the items of a body. All changes go to one document, each by an author of its
/// own. A dependency that begins with a small number is the change of that number, since no mutation finds a hash;
/// any other is missing for ever.
pub(super) fn document(bytes: &[u8]) -> Option<usize> {
    let mut script = Script(bytes);
    let turn = usize::from(script.byte());
    let items = accepted(decode_items(script.0))?;
    let changes = items.into_iter().filter_map(|(_, item)| match item {
        Item::Change { change, .. } => Some(change),
        Item::Record { .. } | Item::Epoch { .. } | Item::Seen { .. } => None,
    });
    let authored = authored(changes.take(MAX_CHANGES));
    let size = authored.iter().flat_map(|one| &one.change.assertions).map(|one| one.value_bytes().len()).sum();

    let told = told(authored.iter().cloned());
    let mut turned = authored.clone();
    if !turned.is_empty() {
        turned.rotate_left(turn % authored.len());
    }
    assert_eq!(self::told(turned), told, "the order of arrival shows");
    assert_eq!(self::told(authored.iter().rev().cloned()), told, "the order of arrival shows");
    assert_eq!(self::told(authored.iter().chain(&authored).cloned()), told, "a repetition shows");
    Some(size)
}

/// Heads, number of waiting changes, and content with every assertion standing and with every second one void.
fn told(
    changes: impl IntoIterator<Item = AuthoredChange>,
) -> (Vec<ChangeHash>, usize, Option<Content>, Option<Content>) {
    let mut document = Document::from_changes(changes);
    let all = accepted(document.hydrate(&|_| false));
    let half = accepted(document.hydrate(&|id| id[0] & 1 == 1));
    if let Some(content) = &all {
        let candidates: Vec<_> = content.conflicts().collect();
        for (record, field, register) in candidates {
            if let [one, two, ..] = register.values.as_slice() {
                let _ = content.common_ancestor(record, field, one.assertion, two.assertion);
            }
        }
    }
    (document.heads(), document.waiting(), all, half)
}

fn authored(changes: impl Iterator<Item = Change>) -> Vec<AuthoredChange> {
    let mut scout = Document::default();
    let (mut hashes, mut actors): (Vec<ChangeHash>, Vec<Actor>) = (Vec::new(), Vec::new());
    let mut authored = Vec::new();
    for (number, mut change) in (0_u64..).zip(changes) {
        let deps: BTreeSet<ChangeHash> =
            change.deps.iter().map(|dep| hashes.get(usize::from(dep[0])).copied().unwrap_or(*dep)).collect();
        change.deps = deps.into_iter().collect();
        for assertion in &mut change.assertions {
            let known = |id: &[u8; 8]| actors.get(usize::from(id[0])).map_or(*id, |actor| actor.assertion_id());
            assertion.supersedes = assertion.supersedes.iter().map(known).collect();
        }
        let actor = Actor::derive(EntryId([number as u8; 32]), DocumentId([7; 16]));
        let one = AuthoredChange { actor, time: HybridTime(number << 16), change };
        let before = scout.heads();
        if scout.apply(one.clone()) == Applied::New {
            hashes.extend(scout.heads().into_iter().find(|head| !before.contains(head)));
            actors.push(actor);
        }
        authored.push(one);
    }
    authored
}
