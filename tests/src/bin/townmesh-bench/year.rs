//! A center's year in one file of views: its households, its cases, its device events, and what is asked of all of them.

use std::path::Path;

use anyhow::Context as _;
use townmesh_crdt::command::read::Reading;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::id::DocumentId;
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::policy::DocumentKind;
use townmesh_crdt::store::FeedItem;
use townmesh_node::views::{Reader, Views};

use crate::measure::Process;
use crate::report::{Goal, Report};
use crate::{analysis, lists};

/// Documents written in one transaction.
const BATCH: usize = 2_000;

/// Fills one file with 100,000 households, so many cases and so many device events, and measures what is asked of them.
pub(crate) fn measure(dir: &Path, cases: usize, events: usize, report: &mut Report) -> anyhow::Result<()> {
    if dir.exists() {
        std::fs::remove_dir_all(dir).with_context(|| format!("removing {}", dir.display()))?;
    }
    std::fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
    let path = dir.join("views.sqlite");
    let mut views = Views::open(&path)?;
    let mut feed = Feed { views: &mut views, rows: Vec::new(), fed: 0 };
    analysis::fill_people(&mut feed)?;
    if cases > 0 {
        lists::fill(&mut feed, cases, report)?;
    }
    let events = if events > 0 { analysis::fill_events(&mut feed, events, report)? } else { 0 };
    let reader = Reader::open(&path)?;
    if cases > 0 {
        lists::measure(&reader, cases, report)?;
        analysis::measure_cases(&reader, cases, report)?;
    }
    analysis::measure_people(&reader, report)?;
    if events > 0 {
        analysis::measure_events(&reader, events, report)?;
    }
    let size = std::fs::metadata(&path)?.len() as f64 / 1e6;
    report.add("year", cases, "size of the views", size, "MB", Goal::None, None);
    let peak = Process::own().usage()?.peak as f64 / 1e6;
    report.add("year", cases, "peak memory", peak, "MB", Goal::AtMost(1_000.0), None);
    Ok(std::fs::remove_dir_all(dir)?)
}

/// Documents on their way into the views.
pub(crate) struct Feed<'a> {
    views: &'a mut Views,
    rows: Vec<(FeedItem, Namespace, Reading)>,
    fed: u64,
}

impl Feed<'_> {
    /// A document in a namespace, of which `number` is the local number.
    pub(crate) fn take(
        &mut self,
        number: usize,
        namespace: &Namespace,
        kind: DocumentKind,
        document: DocumentId,
        reading: Reading,
    ) -> anyhow::Result<()> {
        // Registries and cases of one village have different numbers.
        let local = 2 * number as u32 + u32::from(kind == DocumentKind::Case);
        let item = FeedItem { number: self.fed, namespace: local, document, kind: kind as u8 };
        self.fed += 1;
        self.rows.push((item, namespace.clone(), reading));
        if self.rows.len() == BATCH { self.write() } else { Ok(()) }
    }

    /// A document in the registry of one of these villages.
    pub(crate) fn register(
        &mut self,
        regions: &[RegionCode],
        number: u64,
        kind: DocumentKind,
        (document, reading): (DocumentId, Reading),
    ) -> anyhow::Result<()> {
        let place = number as usize % regions.len();
        let region = regions.get(place).context("there are no villages")?;
        self.take(place, &Namespace::registry(&region.to_string()), kind, document, reading)
    }

    pub(crate) fn write(&mut self) -> anyhow::Result<()> {
        self.views.apply(&self.rows, self.fed)?;
        self.rows.clear();
        Ok(())
    }
}
