//! Where a document lies: ids do not say, and the views may be a moment behind what was just recorded.

use std::time::Duration;

use townmesh_crdt::command::kind;
use townmesh_crdt::id::DocumentId;
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::policy::{DocumentKind, Form};
use townmesh_crdt::replica::Replica;
use townmesh_crdt::store::StoreError;

use super::Api;

/// How long a request for one document waits for the views.
const PATIENCE: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(10);

/// The readable namespace that holds a document of this kind; `None` also where the document is of another one.
///
/// # Errors
/// [`StoreError`].
pub(super) fn namespace_of(
    replica: &mut Replica,
    kind: DocumentKind,
    document: DocumentId,
) -> Result<Option<Namespace>, StoreError> {
    let readable = replica.namespaces().into_iter();
    let readable = readable.filter(|(_, namespace, _, readable)| *readable && namespace.kind == kind.namespace());
    for (id, namespace, ..) in readable {
        let is_there = match kind.form() {
            Form::Fields => {
                !replica.content(id, document)?.records.is_empty()
                    && kind::of(replica, &namespace, kind, document)? == kind
            }
            Form::Records => !replica.records(id, document)?.is_empty(),
        };
        if is_there {
            return Ok(Some(namespace));
        }
    }
    Ok(None)
}

impl Api {
    /// Waits a moment for the views to show what was recorded, so that whoever records and asks sees it.
    pub(super) async fn views_follow(&self) {
        let Ok(end) = self.engine().read(|replica| replica.feed_end()).await else { return };
        self.views_reach(end, PATIENCE).await;
    }

    /// Waits so long at most for the views to show everything before this line of the feed; whether they do.
    pub(super) async fn views_reach(&self, end: u64, patience: Duration) -> bool {
        let until = tokio::time::Instant::now() + patience;
        while !self.engine().views().has_shown(end) {
            if tokio::time::Instant::now() >= until {
                return false;
            }
            tokio::time::sleep(PAUSE).await;
        }
        true
    }
}
