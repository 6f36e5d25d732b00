//! Views against documents: nodes that record and hear of the same things in other orders, whose views are fed by pieces,
//! fail, are opened again and go back to an earlier state, show the same rows as views that are made in one go.

mod deeds;
mod dump;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use rusqlite::Connection;
use townmesh_crdt::certificate::NodeRole;
use townmesh_crdt::command::read::{self, Reading};
use townmesh_crdt::command::table;
use townmesh_crdt::domain::tables::Tables;
use townmesh_crdt::enrol::{self, Founded, Place};
use townmesh_crdt::id::{DocumentId, NodeId};
use townmesh_crdt::namespace::{Namespace, NamespaceKind};
use townmesh_crdt::policy::DocumentKind;
use townmesh_crdt::replica::{Opening, Replica};
use townmesh_crdt::store::{FeedItem, Store};

use super::super::{ViewError, Views};
use deeds::Deeds;

const REGION: &str = "110115005001";
/// 2026-11-24 in China.
const NOW: u64 = 1_795_500_000_000;

/// Random choices.
struct Dice(ChaCha20Rng);

impl Dice {
    fn below(&mut self, bound: u32) -> u32 {
        self.0.next_u32() % bound
    }
}

/// A node with its views.
struct Office {
    replica: Replica,
    views: Option<Views>,
    directory: tempfile::TempDir,
    tables: Arc<Tables>,
    /// Copies of the views' file, to go back to.
    copies: usize,
}

impl Office {
    fn new(founded: &Founded, rng: &mut ChaCha20Rng, name: &str, role: NodeRole) -> Self {
        let regions = if role == NodeRole::Center { vec![] } else { vec![REGION.to_owned()] };
        let place = Place { name: name.into(), role, regions, carries: vec![], acts_as: None };
        let invite = enrol::invite(&founded.authority, &place, &founded.secrets, NOW, rng).unwrap();
        let joined = enrol::redeem(&invite, rng).unwrap();
        let opening = Opening {
            store: Store::open_backend(redb::backends::InMemoryBackend::new()).unwrap(),
            identity: joined.identity,
            town: founded.authority.town,
            chain: joined.chain,
            rng: Box::new(ChaCha20Rng::seed_from_u64(rng.next_u64())),
            expect_data: false,
            beacon_interval: 60_000,
        };
        let mut replica = Replica::open(opening, NOW).unwrap();
        replica.keep_secrets(&invite.secrets);
        if role == NodeRole::Center {
            replica.record_statements(founded.statements.clone(), NOW).unwrap();
        }
        replica.commit(NOW).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let views = Some(Views::open(&directory.path().join("views.sqlite")).unwrap());
        Self { replica, views, directory, tables: Arc::default(), copies: 0 }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Everything that follows from what was recorded is written, so that the feed has it.
    fn settle(&mut self) {
        self.replica.commit(NOW).unwrap();
        while self.replica.fold(NOW).unwrap() {
            self.replica.commit(NOW).unwrap();
        }
        self.replica.commit(NOW).unwrap();
    }

    /// Takes in some lines of the feed, each document once as it is now; false if there were none.
    fn feed(&mut self, most: usize) -> Result<bool, ViewError> {
        let views = self.views.as_mut().unwrap();
        let from = views.watermark();
        let items = self.replica.feed(from, most).unwrap();
        let Some(last) = items.last().map(|item| item.number) else { return Ok(false) };
        let newest: BTreeMap<_, FeedItem> =
            items.into_iter().map(|item| ((item.namespace, item.document, item.kind), item)).collect();
        self.tables = table::tables(&mut self.replica).unwrap();
        views.go_by(Arc::clone(&self.tables));
        let digest = self.tables.case_digest();
        let is_retimed = views.case_tables()? != digest;
        let rows = rows(&mut self.replica, newest.into_values());
        views.apply(&rows, last + 1)?;
        if is_retimed {
            let cases = cases(&mut self.replica);
            views.retime(&cases, last + 1)?;
            views.note_case_tables(digest)?;
        }
        Ok(true)
    }

    /// Something happens to the views.
    fn disturb(&mut self, dice: &mut Dice) {
        match dice.below(4) {
            0 => {
                self.views = None;
                self.views = Some(Views::open(&self.path("views.sqlite")).unwrap());
            }
            1 => self.fail(dice),
            2 => {
                // Closed, so that all of it is in the main file.
                self.views = None;
                self.copies += 1;
                let copy = self.path(&format!("copy-{}", self.copies));
                std::fs::copy(self.path("views.sqlite"), copy).unwrap();
                self.views = Some(Views::open(&self.path("views.sqlite")).unwrap());
            }
            _ if self.copies > 0 => {
                self.views = None;
                let copy = self.path(&format!("copy-{}", 1 + dice.below(self.copies as u32)));
                std::fs::copy(copy, self.path("views.sqlite")).unwrap();
                self.views = Some(Views::open(&self.path("views.sqlite")).unwrap());
            }
            _ => {}
        }
    }

    /// A batch is not written after all, when everything but the watermark was.
    fn fail(&mut self, dice: &mut Dice) {
        let connection = Connection::open(self.path("views.sqlite")).unwrap();
        let trigger = "CREATE TRIGGER full BEFORE UPDATE ON meta WHEN NEW.name = 'watermark' \
                       BEGIN SELECT RAISE(ABORT, 'no room'); END";
        connection.execute_batch(trigger).unwrap();
        let before = self.views.as_ref().unwrap().watermark();
        let failed = self.feed(1 + dice.below(60) as usize);
        assert!(matches!(failed, Ok(false) | Err(ViewError::Write { .. })), "{failed:?}");
        assert_eq!(self.views.as_ref().unwrap().watermark(), before);
        connection.execute_batch("DROP TRIGGER full").unwrap();
    }

    /// All rows of the views, fed to the end.
    fn shown(&mut self) -> dump::Rows {
        self.settle();
        while self.feed(500).unwrap() {}
        dump::rows(&self.path("views.sqlite"))
    }

    /// All rows of views that are made in one go of all documents.
    fn made_at_once(&mut self) -> dump::Rows {
        let path = self.path("fresh.sqlite");
        let mut views = Views::open(&path).unwrap();
        let mut items: BTreeMap<_, FeedItem> = BTreeMap::new();
        for item in self.replica.feed(0, 1_000_000).unwrap() {
            items.insert((item.namespace, item.document, item.kind), item);
        }
        views.go_by(table::tables(&mut self.replica).unwrap());
        let rows = rows(&mut self.replica, items.into_values());
        views.apply(&rows, 1).unwrap();
        dump::rows(&path)
    }
}

fn rows(replica: &mut Replica, items: impl Iterator<Item = FeedItem>) -> Vec<(FeedItem, Namespace, Reading)> {
    let mut rows = Vec::new();
    for item in items {
        let id = replica.namespace_numbered(item.namespace).unwrap();
        let Some(namespace) = replica.trust().namespaces().get(&id).cloned() else { continue };
        let reading = read::document(replica, &item).unwrap();
        rows.push((item, namespace, reading));
    }
    rows
}

fn cases(replica: &mut Replica) -> Vec<(FeedItem, Namespace, Reading)> {
    let known: Vec<_> = replica.trust().namespaces().clone().into_iter().collect();
    let mut items = Vec::new();
    for (id, _) in known.into_iter().filter(|(_, namespace)| namespace.kind == NamespaceKind::Cases) {
        let documents: Vec<(DocumentId, u8)> = replica.documents(id, None, 10_000).unwrap();
        let namespace = replica.namespace_number(&id).unwrap_or_default();
        let cases = documents.into_iter().filter(|(_, kind)| *kind == DocumentKind::Case as u8);
        items.extend(cases.map(|(document, kind)| FeedItem { number: 0, namespace, document, kind }));
    }
    rows(replica, items.into_iter())
}

/// Two nodes tell each other everything.
fn meet(offices: &mut [Office], one: usize, other: usize) {
    let ids: Vec<NodeId> = [one, other].iter().map(|place| offices[*place].replica.node()).collect();
    for (place, peer) in [(one, ids[1]), (other, ids[0])] {
        offices[place].settle();
        offices[place].replica.close_session(&peer);
        offices[place].replica.open_session(peer).unwrap();
    }
    loop {
        let mut said = 0;
        for (from, to, from_id, to_id) in [(one, other, ids[0], ids[1]), (other, one, ids[1], ids[0])] {
            while let Some(message) = offices[from].replica.poll_transmit(to_id).unwrap() {
                said += 1;
                offices[to].replica.receive(from_id, &message, NOW).unwrap();
            }
            offices[to].settle();
        }
        if said == 0 {
            return;
        }
    }
}

fn town(seed: u64) -> (Vec<Office>, Founded, Dice) {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let founded = enrol::found(&[REGION.to_owned()], "2026", "2026-11", NOW, &mut rng);
    let places = [("center-1", NodeRole::Center), ("center-2", NodeRole::Center), ("office", NodeRole::Village)];
    let mut offices: Vec<Office> =
        places.iter().map(|(name, role)| Office::new(&founded, &mut rng, name, *role)).collect();
    meet(&mut offices, 0, 1);
    meet(&mut offices, 0, 2);
    (offices, founded, Dice(rng))
}

#[test]
fn views_show_what_documents_say_in_whatever_order_they_were_told() {
    for seed in 0..10 {
        let (mut offices, founded, mut dice) = town(seed);
        let mut deeds = Deeds::new(&founded);
        for _ in 0..90 {
            let at = dice.below(3) as usize;
            deeds.one(&mut offices[at].replica, &mut dice);
            if dice.below(100) < 40 {
                offices[at].settle();
                offices[at].feed(1 + dice.below(40) as usize).unwrap();
            }
            if dice.below(100) < 12 {
                offices[at].disturb(&mut dice);
            }
            if dice.below(100) < 12 {
                meet(&mut offices, at, (at + 1 + dice.below(2) as usize) % 3);
            }
        }
        for (one, other) in [(0, 1), (0, 2), (1, 2), (0, 1)] {
            meet(&mut offices, one, other);
        }
        let mut all: Vec<dump::Rows> = Vec::new();
        for (place, office) in offices.iter_mut().enumerate() {
            let shown = office.shown();
            dump::assert_same(
                &format!("seed {seed}, node {place}: by pieces and at once"),
                &shown,
                &office.made_at_once(),
            );
            all.push(shown);
        }
        dump::assert_same(&format!("seed {seed}: two centers"), &all[0], &all[1]);
        assert!(all[0].values().map(Vec::len).sum::<usize>() > 100, "seed {seed}: {:?}", all[0].keys());
    }
}
