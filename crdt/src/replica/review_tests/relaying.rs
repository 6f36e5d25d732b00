//! Which way entries and cards take where there are several.

use std::collections::BTreeMap;

use super::super::tests::{LANGFA, NOW, Town, connect, meet, texts};
use super::super::*;
use crate::card::CardKind;
use crate::certificate::NodeRole;
use crate::clock::Millis;
use crate::id::{EntryId, NodeId};
use crate::sync::{Message, News};
use crate::value::Value;

/// Nodes that are all connected to each other, with what passes between them.
struct Mesh {
    nodes: Vec<Replica>,
    now: Millis,
    /// Whose links are down.
    parted: Vec<(usize, usize)>,
    /// Who is of a version that knows nothing of ways.
    old: Option<usize>,
    runs: usize,
    cards: usize,
    told: usize,
}

impl Mesh {
    /// A center and three offices of one village, up to date.
    fn new(seed: u64) -> Self {
        let mut town = Town::new(seed);
        let mut nodes = vec![town.node("center", NodeRole::Center, &[], &[])];
        for name in ["langfa", "branch", "booth"] {
            nodes.push(town.node(name, NodeRole::Village, &[LANGFA], &[]));
        }
        let mut mesh = Self { nodes, now: NOW, parted: vec![], old: None, runs: 0, cards: 0, told: 0 };
        for _ in 0..2 {
            for (one, other) in mesh.pairs() {
                let (one, other) = mesh.two(one, other);
                meet(one, other);
            }
        }
        for (one, other) in mesh.pairs() {
            let (one, other) = mesh.two(one, other);
            connect(one, other);
        }
        mesh.live(5_000);
        mesh
    }

    fn pairs(&self) -> Vec<(usize, usize)> {
        let count = self.nodes.len();
        (0..count).flat_map(|one| (one + 1..count).map(move |other| (one, other))).collect()
    }

    fn two(&mut self, one: usize, other: usize) -> (&mut Replica, &mut Replica) {
        let (left, right) = self.nodes.split_at_mut(other);
        (&mut left[one], &mut right[0])
    }

    /// Time goes on; in each tenth of a second everybody sends what there is, and all of it arrives at once.
    fn live(&mut self, millis: Millis) {
        for _ in 0..millis / 100 {
            self.now += 100;
            loop {
                let sent = self.send();
                if sent == 0 {
                    break;
                }
            }
        }
    }

    fn send(&mut self) -> usize {
        let mut under_way = vec![];
        for (one, other) in self.pairs().into_iter().filter(|pair| !self.parted.contains(pair)) {
            for (from, to) in [(one, other), (other, one)] {
                let peer = self.nodes[to].node();
                while let Some(message) = self.nodes[from].poll_transmit(peer).unwrap() {
                    under_way.push((from, to, message));
                }
            }
        }
        let count = under_way.len();
        for (from, to, message) in under_way {
            let said = Message::from_bytes(&message).unwrap();
            let is_of_ways = matches!(said, Some(Message::News(_) | Message::Elsewhere { .. }));
            if is_of_ways && self.old.is_some_and(|old| old == from || old == to) {
                continue;
            }
            match said {
                Some(Message::Run(_)) => self.runs += 1,
                Some(Message::Card { .. }) => self.cards += 1,
                Some(Message::News(_)) => self.told += 1,
                Some(_) | None => {}
            }
            let (peer, now) = (self.nodes[from].node(), self.now);
            self.nodes[to].receive(peer, &message, now).unwrap();
        }
        let now = self.now;
        for node in &mut self.nodes {
            node.commit(now).unwrap();
            while node.fold(now).unwrap() {
                node.commit(now).unwrap();
            }
            node.commit(now).unwrap();
        }
        count
    }

    fn part(&mut self, one: usize, other: usize) {
        self.parted.push((one, other));
        let (one, other) = self.two(one, other);
        one.close_session(&other.node());
        other.close_session(&one.node());
    }

    /// Somebody records; what it takes until nothing is under way: runs, cards and news.
    fn record(&mut self, at: usize, key: &str, lane: Lane) -> (DocumentId, [usize; 3]) {
        let namespace = Namespace::registry(LANGFA);
        let (node, now) = (&mut self.nodes[at], self.now);
        let document = node.document_id(&namespace, DocumentKind::Household, key.as_bytes()).unwrap();
        let edits = BTreeMap::from([(vec![], BTreeMap::from([(1, Value::from(key))]))]);
        node.edit(&namespace, DocumentKind::Household, document, edits, lane, now).unwrap();
        node.commit(now).unwrap();
        let before = [self.runs, self.cards, self.told];
        self.live(3_000);
        (document, [self.runs - before[0], self.cards - before[1], self.told - before[2]])
    }

    /// The log of an author's work as another holds it.
    fn log_of(&self, author: usize, at: usize) -> (LogId, u64) {
        let author = self.nodes[author].node();
        let id = self.nodes[at].namespace_id(&Namespace::registry(LANGFA));
        let mut logs = self.nodes[at].logs_of(id).filter(|(log, _)| log.author == author);
        logs.next().map(|(log, (_, state))| (*log, state.height)).unwrap()
    }

    /// What one answers when another tells it of a log.
    fn told_of(&mut self, log: LogId, seq: u64, (from, to): (usize, usize)) -> Option<Message> {
        let (peer, now) = (self.nodes[from].node(), self.now);
        let news = News { logs: vec![(log, seq, EntryId([9; 32]))], cards: vec![] };
        self.nodes[to].receive(peer, &Message::News(news).to_bytes(), now).unwrap();
        let said = self.nodes[to].poll_transmit(peer).unwrap();
        said.and_then(|bytes| Message::from_bytes(&bytes).unwrap())
    }

    fn assert_shown(&mut self, document: DocumentId, text: &str) {
        for node in &mut self.nodes {
            assert_eq!(texts(node, LANGFA, document), [text], "at {}", node.own.name);
        }
    }

    fn assert_equal(&self) {
        for (one, other) in self.pairs().into_iter().filter(|pair| !self.parted.contains(pair)) {
            for (from, to) in [(one, other), (other, one)] {
                let progress = self.nodes[from].progress(&self.nodes[to].node()).unwrap();
                assert!(
                    progress.equal,
                    "{} does not see that it equals {}",
                    self.nodes[from].own.name, self.nodes[to].own.name
                );
            }
        }
    }
}

#[test]
fn where_all_are_connected_an_entry_soon_comes_to_each_of_them_once() {
    let mut mesh = Mesh::new(701);
    let (_, [first, ..]) = mesh.record(1, "first", Lane::Work);
    assert!(first > 3, "nobody knows yet by which ways others hear: {first} runs");
    for key in ["second", "third"] {
        let (document, [runs, _, told]) = mesh.record(1, key, Lane::Work);
        assert_eq!(runs, 3, "one to each of the others");
        assert!((1..=3).contains(&told), "of two that hear it from the author mostly one tells the other: {told}");
        mesh.assert_shown(document, key);
        mesh.assert_equal();
    }
}

#[test]
fn what_is_urgent_goes_on_all_ways() {
    let mut mesh = Mesh::new(702);
    let (_, [first, ..]) = mesh.record(1, "first", Lane::Urgent);
    let (document, [second, ..]) = mesh.record(1, "second", Lane::Urgent);
    assert!(second > 3 && second >= first, "{first}, then {second} runs");
    mesh.assert_shown(document, "second");
}

#[test]
fn whoever_is_cut_off_from_an_author_asks_the_others_and_is_then_sent_all_at_once() {
    let mut mesh = Mesh::new(703);
    mesh.record(1, "first", Lane::Work);
    mesh.record(1, "second", Lane::Work);
    mesh.part(1, 3);
    let (document, [runs, ..]) = mesh.record(1, "third", Lane::Work);
    mesh.assert_shown(document, "third");
    assert!(runs <= 4, "two from the author, and to the one that is cut off at most two: {runs}");
    // From now on it need not ask.
    let (document, now) = (mesh.record(1, "fourth", Lane::Work).0, mesh.now);
    mesh.assert_shown(document, "fourth");
    let namespace = Namespace::registry(LANGFA);
    let node = &mut mesh.nodes[1];
    let edits = BTreeMap::from([(vec![], BTreeMap::from([(1, Value::from("fifth"))]))]);
    node.edit(&namespace, DocumentKind::Household, document, edits, Lane::Work, now).unwrap();
    node.commit(now).unwrap();
    mesh.live(100);
    mesh.assert_shown(document, "fifth");
    mesh.live(3_000);
    mesh.assert_equal();
}

#[test]
fn a_card_soon_comes_to_each_once() {
    let mut mesh = Mesh::new(704);
    let publish = |mesh: &mut Mesh| {
        let (before, now) = (mesh.cards, mesh.now);
        mesh.nodes[1].publish_position(397_000_000, 1_163_000_000, now).unwrap();
        mesh.nodes[1].commit(now).unwrap();
        mesh.live(3_000);
        let key = CardKind::Position.key(mesh.nodes[1].node().0);
        for node in &mesh.nodes {
            assert_eq!(node.cards[&key].0, now, "at {}", node.own.name);
        }
        mesh.cards - before
    };
    assert!(publish(&mut mesh) > 3);
    assert_eq!(publish(&mut mesh), 3);
    mesh.part(1, 3);
    assert!(publish(&mut mesh) <= 4);
}

#[test]
fn a_fork_is_found_between_two_that_only_tell_each_other() {
    let mut mesh = Mesh::new(705);
    mesh.record(1, "first", Lane::Work);
    mesh.record(1, "second", Lane::Work);
    let [branch, booth] = [2, 3].map(|at| mesh.nodes[at].node());
    let author = mesh.nodes[1].node();
    assert!(mesh.nodes[2].sessions[&booth].ways.lead_elsewhere(&author));
    let (log, height) = mesh.log_of(1, 2);
    let asked = mesh.told_of(log, height, (2, 3));
    assert_eq!(asked, Some(Message::LogRequest { log, from: 1 }), "two histories are looked into");
    let further = mesh.told_of(log, height + 1, (2, 3));
    assert_eq!(further, None, "what follows would take back that all of it was asked for");
    assert!(mesh.nodes[3].sessions[&branch].diverged.contains(&log));
}

#[test]
fn what_is_told_before_the_lists_have_come_is_asked_for() {
    let mut mesh = Mesh::new(707);
    mesh.record(1, "first", Lane::Work);
    let (log, height) = mesh.log_of(1, 2);
    let peer = mesh.nodes[2].node();
    mesh.nodes[3].sessions.get_mut(&peer).unwrap().spaces.remove(&log.namespace);
    let asked = mesh.told_of(log, height + 1, (2, 3));
    assert_eq!(asked, Some(Message::LogRequest { log, from: height + 1 }));
}

#[test]
fn news_do_not_end_what_is_being_sent() {
    let mut mesh = Mesh::new(708);
    mesh.record(1, "first", Lane::Work);
    mesh.record(1, "second", Lane::Work);
    let (log, height) = mesh.log_of(1, 2);
    let peer = mesh.nodes[3].node();
    let mut now = mesh.now;
    let node = &mut mesh.nodes[2];
    node.sessions.get_mut(&peer).unwrap().ways.logs.insert(log);
    node.receive(peer, &Message::LogRequest { log, from: 1 }.to_bytes(), now).unwrap();
    for _ in 0..30 {
        now += 100;
        node.commit(now).unwrap();
    }
    let mut sent = 0;
    while let Some(bytes) = node.poll_transmit(peer).unwrap() {
        match Message::from_bytes(&bytes).unwrap() {
            Some(Message::Run(run)) => sent += run.entries().len() as u64,
            Some(Message::News(news)) => assert_eq!(news.logs, [], "it is on its way"),
            Some(_) | None => {}
        }
    }
    assert_eq!(sent, height, "all that was asked for");
}

#[test]
fn a_node_of_a_version_that_is_never_told_is_always_sent() {
    let mut mesh = Mesh::new(709);
    mesh.old = Some(3);
    for key in ["first", "second"] {
        let (document, _) = mesh.record(1, key, Lane::Work);
        mesh.assert_shown(document, key);
    }
    mesh.part(1, 3);
    let (document, _) = mesh.record(1, "third", Lane::Work);
    mesh.assert_shown(document, "third");
}

#[test]
fn a_carrier_with_little_room_does_not_ask_for_what_it_would_refuse() {
    let mut town = Town::new(710);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut carrier = town.node("carrier", NodeRole::Carrier, &[], &[LANGFA]);
    meet(&mut center, &mut langfa);
    meet(&mut center, &mut carrier);
    meet(&mut langfa, &mut carrier);
    let log = LogId {
        namespace: langfa.namespace_id(&Namespace::registry(LANGFA)),
        author: langfa.node(),
        epoch: langfa.epoch,
        lane: Lane::Bulk,
    };
    let mut asks = |spares: bool| {
        carrier.spare_disk(spares);
        let news = News { logs: vec![(log, 9, EntryId([9; 32]))], cards: vec![] };
        carrier.receive(langfa.node(), &Message::News(news).to_bytes(), NOW).unwrap();
        carrier.commit(NOW).unwrap();
        carrier.poll_transmit(langfa.node()).unwrap().is_some()
    };
    assert!(!asks(true));
    assert!(asks(false));
}

#[test]
fn news_of_nobody_and_of_everybody_cost_little() {
    let mut mesh = Mesh::new(706);
    let (peer, now) = (mesh.nodes[2].node(), mesh.now);
    let stranger = NodeId([7; 32]);
    mesh.nodes[3].receive(peer, &Message::Elsewhere { author: stranger }.to_bytes(), now).unwrap();
    assert!(!mesh.nodes[3].sessions[&peer].ways.lead_elsewhere(&stranger), "who is not enrolled takes no room");
    let own = mesh.nodes[3].node();
    mesh.nodes[3].receive(peer, &Message::Elsewhere { author: own }.to_bytes(), now).unwrap();
    assert!(!mesh.nodes[3].sessions[&peer].ways.lead_elsewhere(&own), "what a node records itself it always sends");
    let (document, _) = mesh.record(3, "own", Lane::Work);
    mesh.assert_shown(document, "own");
}
