//! A witness who starts from nothing gets everything from an image, and must come to the same documents.

use townmesh_crdt::command::read;
use townmesh_crdt::namespace::NamespaceKind;
use townmesh_crdt::policy::DocumentKind;
use townmesh_crdt::replica::Replica;

use super::ImagesError;
use super::cast::{Cast, open_store, settle};
use super::exam::{Finding, Wrong, words_of};
use super::life::rest;
use crate::dice::Dice;
use crate::disk::{Disk, Image};
use crate::world::BEGIN;

/// Opens an image once more, lets the witness learn everything from it, and compares.
pub(crate) fn replay(cast: &Cast, image: Image, dice: Dice) -> Option<Finding> {
    let mount = Disk::of(image).mount();
    let run = || -> Result<Option<String>, ImagesError> {
        let store = open_store(mount).map_err(ImagesError::life)?;
        let mut replica = cast.recorded.open(store, dice.clone(), true, BEGIN).map_err(ImagesError::life)?;
        rest(&mut replica, BEGIN)?;
        let mut witness = cast.witness.in_memory(dice)?;
        settle(&mut replica, &mut witness, BEGIN, |_| Ok(()))?;
        compare(&mut replica, &mut witness)
    };
    let differs = |what: String| Finding { wrong: Wrong::Differs, what };
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)) {
        Ok(Ok(found)) => found.map(differs),
        Ok(Err(error)) => Some(differs(error.to_string())),
        Err(panic) => Some(differs(words_of(panic.as_ref()))),
    }
}

/// The first difference between what two replicas hold and say.
pub(crate) fn compare(one: &mut Replica, other: &mut Replica) -> Result<Option<String>, ImagesError> {
    for (id, namespace, _, readable) in one.namespaces() {
        if one.digest(id) != other.digest(id) {
            return Ok(Some(format!("{namespace} holds other logs")));
        }
        if !readable || namespace.kind == NamespaceKind::Auth {
            continue;
        }
        let documents = one.documents(id, None, usize::MAX).map_err(ImagesError::life)?;
        if documents != other.documents(id, None, usize::MAX).map_err(ImagesError::life)? {
            return Ok(Some(format!("{namespace} has other documents")));
        }
        for (document, code) in documents {
            let Some(kind) = DocumentKind::from_code(code) else { continue };
            let words = |replica: &mut Replica| {
                let read = read::of_kind(replica, &namespace, kind, document).map_err(ImagesError::life)?;
                Ok::<_, ImagesError>(format!("{read:?}"))
            };
            if words(one)? != words(other)? {
                return Ok(Some(format!("a {kind:?} of {namespace} says something else")));
            }
            let blob = |replica: &mut Replica| replica.blob(&namespace, document).ok().flatten();
            if kind == DocumentKind::Blob && blob(one) != blob(other) {
                return Ok(Some(format!("a blob of {namespace} is another one")));
            }
        }
    }
    Ok(None)
}
