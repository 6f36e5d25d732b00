//! Feeding the views: documents that changed are read here and written to SQLite on a thread of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
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
/// After an error nothing is read for so long.
const REST: Duration = Duration::from_secs(1);
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
    /// Namespaces whose cases are still to be read again.
    rereading: AtomicU64,
    failed: AtomicBool,
    /// Told after each batch that was written.
    shown: watch::Sender<()>,
}

impl ViewsProgress {
    /// Changes that are not shown yet; while cases are read again for other tables, at least one.
    pub fn lag(&self) -> u64 {
        let lines = self.end.load(Ordering::Acquire).saturating_sub(self.watermark.load(Ordering::Acquire));
        lines.saturating_add(self.rereading.load(Ordering::Acquire))
    }

    /// Whether everything before this line of the feed is shown. The views' file itself notes less: only what a power cut would
    /// leave in the feed.
    pub fn has_shown(&self, end: u64) -> bool {
        self.watermark.load(Ordering::Acquire) >= end
    }

    /// Changes whenever the views show something new; what is shown now counts as seen.
    pub fn shown(&self) -> watch::Receiver<()> {
        self.shown.subscribe()
    }

    /// Nothing is shown from here on.
    pub(super) fn fail(&self) {
        self.failed.store(true, Ordering::Release);
        self.shown.send_replace(());
    }

    /// Whether writing the views failed; they are rebuilt at the next start.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }
}

struct ViewBatch {
    rows: Vec<(FeedItem, Namespace, Reading)>,
    /// The rows say what they said before.
    is_reread: bool,
    watermark: u64,
    noted: u64,
    /// By which cases are timed from this batch on.
    tables: Arc<Tables>,
    /// Every case is shown by the tables with this digest once the batch is written; 0: by different ones.
    case_tables: Option<u64>,
}

/// Cases that are read again, since tables changed by which they are timed: page by page, whenever nothing new waits, so
/// that what is recorded meanwhile is shown at once.
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

    /// The next page: its namespace and its cases; `None` when all were read.
    fn page(&mut self, replica: &Replica) -> Result<Option<(Namespace, u32, Vec<DocumentId>)>, StoreError> {
        let Some((id, namespace)) = self.namespaces.last().cloned() else { return Ok(None) };
        let page = replica.documents(id, self.after, CASES_A_TURN)?;
        // Before they are read: one that cannot be must not be met for ever.
        self.after = page.last().map(|(document, _)| *document);
        if page.is_empty() {
            self.namespaces.pop();
        }
        let cases = page.into_iter().filter(|(_, kind)| *kind == DocumentKind::Case as u8);
        let number = replica.namespace_number(&id).unwrap_or_default();
        Ok(Some((namespace, number, cases.map(|(document, _)| document).collect())))
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
    /// Views that are made anew note nothing before the feed is durable up to here: lines that a crash takes are fed again
    /// only to views that have nothing.
    refed_until: u64,
    /// After an error, until then.
    rests_until: Option<Instant>,
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
        let mut refed_until = 0;
        if !is_whole {
            replica.refeed()?;
            refed_until = replica.feed_end();
        }
        let mut rereading = Rereading::of(replica, &tables);
        if !is_whole || views.watermark() == 0 || views.case_tables()? == tables.case_digest() {
            // They are all shown by these tables, or will be.
            rereading.namespaces.clear();
        }
        let stale = !rereading.namespaces.is_empty();
        progress.rereading.store(rereading.namespaces.len() as u64, Ordering::Release);
        let next = if is_whole { views.watermark() } else { end };
        progress.watermark.store(next, Ordering::Release);
        progress.noted.store(next, Ordering::Release);
        let (batches, mut receiver) = mpsc::channel::<ViewBatch>(BATCHES);
        let written = Arc::clone(&progress);
        std::thread::Builder::new().name("views".into()).spawn(move || {
            while let Some(batch) = receiver.blocking_recv() {
                views.go_by(batch.tables);
                let written_rows = match batch.is_reread {
                    true => views.retime(&batch.rows, batch.noted),
                    false => views.apply(&batch.rows, batch.noted),
                };
                let noted = batch.case_tables.map_or(Ok(()), |digest| views.note_case_tables(digest));
                if let Err(error) = written_rows.and(noted) {
                    tracing::error!(%error, "the views cannot be written; they are rebuilt at the next start");
                    written.fail();
                    return;
                }
                if batch.case_tables.is_some_and(|digest| digest != 0) {
                    written.rereading.store(0, Ordering::Release);
                }
                written.noted.store(batch.noted, Ordering::Release);
                written.watermark.store(batch.watermark, Ordering::Release);
                written.shown.send_replace(());
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
            stale,
            refed_until,
            rests_until: None,
        })
    }

    /// Whether documents are waiting to be read.
    pub(super) fn is_pending(&self) -> bool {
        let rests = self.rests_until.is_some_and(|until| Instant::now() < until);
        let rereads = self.rereading.as_ref().is_some_and(|rereading| !rereading.namespaces.is_empty());
        !rests && (self.next < self.stored_end || rereads)
    }

    /// Waits until the writing thread takes another batch.
    pub(super) async fn has_room(&self) {
        if let Err(error) = self.batches.reserve().await {
            tracing::debug!(%error, "the views' thread has ended");
            std::future::pending::<()>().await;
        }
    }

    /// Goes by the town's tables as they are now; every case is read again if that changes how it is timed or judged.
    fn heed_tables(&mut self, replica: &mut Replica) -> Result<(), StoreError> {
        let tables = table::tables(replica)?;
        if tables.case_digest() != self.tables.case_digest() {
            let rereading = Rereading::of(replica, &tables);
            self.progress.rereading.store(rereading.namespaces.len() as u64 + 1, Ordering::Release);
            self.rereading = Some(rereading);
            self.stale = true;
        }
        self.tables = tables;
        Ok(())
    }

    /// Reads some documents and hands them over. After an error nothing is read for a while.
    pub(super) fn feed(&mut self, replica: &mut Replica) -> Result<(), StoreError> {
        if self.rests_until.is_some_and(|until| Instant::now() < until) {
            return Ok(());
        }
        let fed = self.read_changed(replica);
        self.rests_until = fed.is_err().then(|| Instant::now() + REST);
        fed
    }

    fn read_changed(&mut self, replica: &mut Replica) -> Result<(), StoreError> {
        let end = replica.stored_feed_end();
        self.stored_end = end;
        self.progress.end.store(replica.feed_end(), Ordering::Release);
        if self.next >= end {
            return self.reread(replica);
        }
        let Ok(permit) = self.batches.clone().try_reserve_owned() else { return Ok(()) };
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
            return Ok(());
        };
        let rules = |kind: u8| DocumentKind::from_code(kind).is_some_and(DocumentKind::rules_town);
        if newest.keys().any(|(.., kind)| rules(*kind)) {
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
        permit.send(self.batch(replica, rows, None));
        let written = self.progress.noted.load(Ordering::Acquire);
        if written >= self.trimmed + TRIM_EVERY {
            replica.trim_feed(written);
            self.trimmed = written;
        }
        Ok(())
    }

    /// Reads some cases once more.
    fn reread(&mut self, replica: &mut Replica) -> Result<(), StoreError> {
        let Some(rereading) = &mut self.rereading else { return Ok(()) };
        let Ok(permit) = self.batches.clone().try_reserve_owned() else { return Ok(()) };
        let Some((namespace, number, documents)) = rereading.page(replica)? else {
            // A crash must not take from the feed what views made anew say they have.
            if replica.durable_feed_end() >= self.refed_until && self.next >= self.refed_until {
                let digest = rereading.tables;
                self.rereading = None;
                permit.send(self.batch(replica, vec![], Some(digest)));
            }
            return Ok(());
        };
        let left = rereading.namespaces.len() as u64;
        self.progress.rereading.store(left + 1, Ordering::Release);
        let mut rows = Vec::with_capacity(documents.len());
        for document in documents {
            let item = FeedItem { number: self.next, namespace: number, document, kind: DocumentKind::Case as u8 };
            match read::of_kind(replica, &namespace, DocumentKind::Case, document) {
                Ok(reading) => rows.push((item, namespace.clone(), reading)),
                Err(error) => tracing::warn!(%document, %error, "a document cannot be shown"),
            }
        }
        permit.send(ViewBatch { is_reread: true, ..self.batch(replica, rows, None) });
        Ok(())
    }

    fn batch(
        &mut self,
        replica: &Replica,
        rows: Vec<(FeedItem, Namespace, Reading)>,
        case_tables: Option<u64>,
    ) -> ViewBatch {
        let durable = replica.durable_feed_end();
        let noted = if durable < self.refed_until { 0 } else { self.next.min(durable) };
        let stale = std::mem::take(&mut self.stale).then_some(0);
        let case_tables = case_tables.or(stale);
        let tables = Arc::clone(&self.tables);
        ViewBatch { rows, is_reread: false, watermark: self.next, noted, tables, case_tables }
    }
}
