//! Feeding the views: documents that changed are read here and written to SQLite on a thread of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::mpsc;
use townmesh_crdt::command::read::{self, Reading};
use townmesh_crdt::command::table;
use townmesh_crdt::domain::tables::Tables;
use townmesh_crdt::id::{DocumentId, NamespaceId};
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::policy::DocumentKind;
use townmesh_crdt::replica::Replica;
use townmesh_crdt::store::{FeedItem, StoreError};

use crate::views::Views;

/// Documents read in one go: some tens of milliseconds.
const DOCUMENTS_A_TURN: usize = 256;
/// Feed lines looked at in one go: a document that was edited often stands in many and is read once.
const LINES_A_TURN: usize = 8192;
/// Batches that may wait for the writing thread.
const BATCHES: usize = 3;
/// Cases read again in one go.
const CASES_A_TURN: usize = 64;
/// The feed is trimmed when the views have this much of it.
const TRIM_EVERY: u64 = 16 * 1024;

/// How far the views have come.
#[derive(Debug, Default)]
pub struct ViewsProgress {
    watermark: AtomicU64,
    /// As the views' file has it: behind the watermark by lines that a power cut would take from the feed.
    noted: AtomicU64,
    end: AtomicU64,
    failed: AtomicBool,
}

impl ViewsProgress {
    /// Changes that are not shown yet.
    pub fn lag(&self) -> u64 {
        self.end.load(Ordering::Acquire).saturating_sub(self.watermark.load(Ordering::Acquire))
    }

    /// Nothing is shown from here on.
    pub(super) fn fail(&self) {
        self.failed.store(true, Ordering::Release);
    }

    /// Whether writing the views failed; they are rebuilt at the next start.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }
}

struct ViewBatch {
    rows: Vec<(FeedItem, Namespace, Reading)>,
    watermark: u64,
    noted: u64,
    /// By which cases are timed from this batch on.
    tables: Arc<Tables>,
    /// Every case is shown by the tables with this digest once the batch is written.
    case_tables: Option<u64>,
}

/// Cases that are read again, since tables changed by which they are folded or timed: page by page, whenever nothing new
/// waits, so that what is recorded meanwhile is shown at once.
struct Rereading {
    /// Digest of the tables.
    tables: u64,
    /// Those whose cases are still to be read; the last one is being read.
    namespaces: Vec<(NamespaceId, Namespace)>,
    after: Option<DocumentId>,
}

impl Rereading {
    fn of(replica: &Replica, tables: &Tables) -> Self {
        let all = replica.trust().namespaces().iter();
        let cases = all.filter(|(_, namespace)| namespace.kind == DocumentKind::Case.namespace());
        let namespaces = cases.map(|(id, namespace)| (*id, namespace.clone())).collect();
        Self { tables: tables.case_digest(), namespaces, after: None }
    }
}

/// The engine's end of the views.
pub(super) struct ViewsFeed {
    batches: mpsc::Sender<ViewBatch>,
    progress: Arc<ViewsProgress>,
    next: u64,
    stored_end: u64,
    trimmed: u64,
    tables: Arc<Tables>,
    rereading: Option<Rereading>,
    /// The views are to note that not every case is shown by the same tables.
    stale: bool,
}

impl ViewsFeed {
    /// Starts the writing thread. If the views are of another store or were rebuilt, everything is fed again.
    pub(super) fn start(
        mut views: Views,
        replica: &mut Replica,
        progress: Arc<ViewsProgress>,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let end = replica.stored_feed_end();
        let first = replica.feed(0, 1).ok().and_then(|feed| feed.first().map(|item| item.number)).unwrap_or(end);
        let is_whole = views.belong_to(replica.store_id()?, first..=end)?;
        let tables = table::tables(replica)?;
        if !is_whole {
            replica.refeed()?;
        }
        let mut rereading = Rereading::of(replica, &tables);
        if !is_whole || views.case_tables()? == tables.case_digest() {
            // They are all read by these tables, or will be.
            rereading.namespaces.clear();
        }
        let next = if is_whole { views.watermark() } else { end };
        progress.watermark.store(next, Ordering::Release);
        progress.noted.store(next, Ordering::Release);
        let (batches, mut receiver) = mpsc::channel::<ViewBatch>(BATCHES);
        let written = Arc::clone(&progress);
        std::thread::Builder::new().name("views".into()).spawn(move || {
            while let Some(batch) = receiver.blocking_recv() {
                views.go_by(batch.tables);
                let written_rows = views.apply(&batch.rows, batch.noted);
                let noted = batch.case_tables.map_or(Ok(()), |digest| views.note_case_tables(digest));
                if let Err(error) = written_rows.and(noted) {
                    tracing::error!(%error, "the views cannot be written; they are rebuilt at the next start");
                    written.fail();
                    return;
                }
                written.noted.store(batch.noted, Ordering::Release);
                written.watermark.store(batch.watermark, Ordering::Release);
            }
        })?;
        Ok(Self {
            batches,
            progress,
            next,
            stored_end: end,
            trimmed: first,
            tables,
            rereading: Some(rereading),
            stale: false,
        })
    }

    /// Whether changed documents are waiting to be read.
    pub(super) fn is_pending(&self) -> bool {
        self.next < self.stored_end || self.rereading.is_some()
    }

    /// Waits until the writing thread takes another batch.
    pub(super) async fn has_room(&self) {
        if let Err(error) = self.batches.reserve().await {
            tracing::debug!(%error, "the views' thread has ended");
            std::future::pending::<()>().await;
        }
    }

    /// Goes by the town's tables as they are now; every case is read again if that changes how it is folded or timed.
    fn heed_tables(&mut self, replica: &mut Replica) -> Result<(), StoreError> {
        let tables = table::tables(replica)?;
        if tables.case_digest() != self.tables.case_digest() {
            self.rereading = Some(Rereading::of(replica, &tables));
            self.stale = true;
        }
        self.tables = tables;
        Ok(())
    }

    /// Reads some changed documents and hands them over; true if there are more.
    pub(super) fn feed(&mut self, replica: &mut Replica) -> Result<bool, StoreError> {
        let end = replica.stored_feed_end();
        self.stored_end = end;
        self.progress.end.store(replica.feed_end(), Ordering::Release);
        if self.next >= end {
            return self.reread(replica);
        }
        let Ok(permit) = self.batches.clone().try_reserve_owned() else { return Ok(true) };
        let items = replica.feed(self.next, LINES_A_TURN)?;
        let mut newest = std::collections::BTreeMap::new();
        let mut read_to = None;
        for item in &items {
            newest.insert((item.namespace, item.document, item.kind), *item);
            read_to = Some(item.number + 1);
            if newest.len() == DOCUMENTS_A_TURN {
                break;
            }
        }
        let Some(read_to) = read_to else {
            self.next = end;
            return Ok(false);
        };
        if newest.keys().any(|(.., kind)| *kind == DocumentKind::Table as u8) {
            self.heed_tables(replica)?;
        }
        let mut rows = Vec::with_capacity(newest.len());
        for item in newest.into_values() {
            let namespace = replica.namespace_numbered(item.namespace);
            let namespace = namespace.and_then(|id| replica.trust().namespaces().get(&id).cloned());
            let Some(namespace) = namespace else { continue };
            match read::document(replica, &item) {
                Ok(reading) => rows.push((item, namespace, reading)),
                Err(error) => tracing::warn!(document = %item.document, %error, "a document cannot be shown"),
            }
        }
        self.next = read_to;
        let noted = self.next.min(replica.durable_feed_end());
        let case_tables = std::mem::take(&mut self.stale).then_some(0);
        permit.send(ViewBatch { rows, watermark: self.next, noted, tables: Arc::clone(&self.tables), case_tables });
        let written = self.progress.noted.load(Ordering::Acquire);
        if written >= self.trimmed + TRIM_EVERY {
            replica.trim_feed(written);
            self.trimmed = written;
        }
        Ok(self.next < end || self.rereading.is_some())
    }

    /// Reads some cases once more; true if there are more.
    fn reread(&mut self, replica: &mut Replica) -> Result<bool, StoreError> {
        let Some(rereading) = &mut self.rereading else { return Ok(false) };
        let Ok(permit) = self.batches.clone().try_reserve_owned() else { return Ok(true) };
        let (mut rows, mut done) = (vec![], None);
        match rereading.namespaces.last() {
            Some((id, namespace)) => {
                let page = replica.documents(*id, rereading.after, CASES_A_TURN)?;
                let number = replica.namespace_number(id).unwrap_or_default();
                for (document, kind) in page.iter().copied().filter(|(_, kind)| *kind == DocumentKind::Case as u8) {
                    let item = FeedItem { number: self.next, namespace: number, document, kind };
                    match read::of_kind(replica, namespace, DocumentKind::Case, document) {
                        Ok(reading) => rows.push((item, namespace.clone(), reading)),
                        Err(error) => tracing::warn!(%document, %error, "a document cannot be shown"),
                    }
                }
                rereading.after = page.last().map(|(document, _)| *document);
                if page.is_empty() {
                    rereading.namespaces.pop();
                }
            }
            None => done = self.rereading.take().map(|rereading| rereading.tables),
        }
        let noted = self.next.min(replica.durable_feed_end());
        permit.send(ViewBatch {
            rows,
            watermark: self.next,
            noted,
            tables: Arc::clone(&self.tables),
            case_tables: done,
        });
        Ok(self.rereading.is_some())
    }
}
