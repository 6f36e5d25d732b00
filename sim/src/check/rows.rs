//! What must hold of cells of tables and books, of conflicts and settlements, of residents who were merged and of tracks:
//! told by the books that the world keeps of who wrote what, knowing of what.

#[cfg(test)]
pub(super) mod tests;

use std::collections::{BTreeMap, BTreeSet};

use townmesh_crdt::certificate::{Access, NodeRole};
use townmesh_crdt::command::conflict;
use townmesh_crdt::command::read::Reading;
use townmesh_crdt::domain::same_person::{Answer, Two};
use townmesh_crdt::id::{ConflictId, DocumentId, NamespaceId, ResidentId};
use townmesh_crdt::policy::DocumentKind;

use super::{NodeView, TownView, counts_to, members};
use crate::world::shown::{self, ANSWER};
use crate::world::{Cell, How, Written};

/// Values of one document, and settlements of it, up to which every settlement is told of.
const TOLD: (usize, usize) = (200, 24);

/// What a node shows of all that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// What stands in cells.
    pub cells: BTreeMap<Cell, Vec<String>>,
    /// Conflicts that are to be settled, with their revision.
    pub open: BTreeMap<(NamespaceId, DocumentId), BTreeMap<ConflictId, String>>,
    /// Settlements: of which conflict, what was chosen, whether it stands.
    pub settled: BTreeMap<DocumentId, Vec<(ConflictId, String, bool)>>,
    /// As whom residents are shown.
    pub shown_as: BTreeMap<(DocumentId, ResidentId), ResidentId>,
    /// Moments of tracks that it can read.
    pub tracks: BTreeMap<DocumentId, BTreeSet<i64>>,
    /// Tracks that stand in the clear.
    pub bare_tracks: Vec<String>,
}

impl Seen {
    /// Takes in what a document says.
    pub(super) fn take(&mut self, namespace: NamespaceId, document: DocumentId, reading: &Reading) {
        for ((record, column), values) in shown::cells(reading) {
            self.cells.insert(Cell { namespace, document, record, column }, values);
        }
        let open: BTreeMap<_, _> = conflict::open(reading).into_iter().map(|one| (one.id, one.revision)).collect();
        if !open.is_empty() {
            self.open.insert((namespace, document), open);
        }
        let settled =
            conflict::settled(reading).into_iter().map(|done| (done.conflict, done.choice.value, done.stands));
        let settled: Vec<_> = settled.collect();
        if !settled.is_empty() {
            self.settled.insert(document, settled);
        }
        if let Reading::Household(record) = reading {
            let shown = record.residents.iter().map(|one| ((document, one.id), one.alias_of.unwrap_or(one.id)));
            self.shown_as.extend(shown);
        }
        if let Reading::Track(track) = reading {
            self.tracks.insert(document, track.points.iter().map(|point| point.time_s).collect());
        }
    }
}

/// Whether a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Everybody must have it.
    Promised,
    /// A crash swallowed its acknowledgement, or a lost disk the value.
    Possible,
    /// Its author was removed before.
    Void,
    /// It lies past a fork.
    Forked,
}

fn standing(town: &TownView, one: &Written) -> Standing {
    if town.forks.get(&one.log).is_some_and(|seq| *seq <= one.seq) {
        return Standing::Forked;
    }
    if one.seq > counts_to(town, &one.log) {
        return if town.unheard.contains(&one.log.author) { Standing::Possible } else { Standing::Void };
    }
    let ack = one.ack.and_then(|ack| town.acks.get(ack));
    if ack.is_some_and(|ack| ack.excused.is_none()) { Standing::Promised } else { Standing::Possible }
}

/// Documents in which something lies past a fork: what was written on top of it waits until an authority says which branch
/// stands.
fn stranded(town: &TownView) -> BTreeSet<DocumentId> {
    let written = town.rows.all.iter().filter(|one| standing(town, one) == Standing::Forked);
    let past_fork = town.acks.iter().filter(|ack| town.forks.get(&ack.log).is_some_and(|seq| *seq <= ack.seq));
    written.map(|one| one.cell.document).chain(past_fork.map(|ack| ack.content.document)).collect()
}

/// What a cell comes to.
struct Expected<'a> {
    cell: &'a Cell,
    /// What counts, or may count.
    live: Vec<(usize, &'a Written, Standing)>,
    /// Values that everybody shows.
    must: BTreeSet<&'a str>,
    /// Values that may be shown.
    may: BTreeSet<&'a str>,
}

impl Expected<'_> {
    /// The value on which nobody can differ, where there is one.
    fn only(&self) -> Option<&str> {
        match (self.must.first(), self.may.first()) {
            (Some(must), Some(may)) if self.must.len() == 1 && self.may.len() == 1 && must == may => Some(must),
            (Some(_) | None, Some(_) | None) => None,
        }
    }
}

fn expected(town: &TownView) -> Vec<Expected<'_>> {
    let stranded = stranded(town);
    let cells = town.rows.cells().filter(|(cell, _)| !stranded.contains(&cell.document));
    cells.map(|(cell, written)| of_cell(town, cell, written)).collect()
}

fn of_cell<'a>(town: &TownView, cell: &'a Cell, written: Vec<(usize, &'a Written)>) -> Expected<'a> {
    let live = written.into_iter().map(|(number, one)| (number, one, standing(town, one)));
    let live: Vec<_> =
        live.filter(|(.., standing)| matches!(standing, Standing::Promised | Standing::Possible)).collect();
    let replaced = |is_sure: bool| -> BTreeSet<usize> {
        let by = live.iter().filter(|(_, one, standing)| !is_sure || (one.sure && *standing == Standing::Promised));
        by.flat_map(|(_, one, _)| &one.knew).copied().collect()
    };
    let (maybe, surely) = (replaced(false), replaced(true));
    let must = live.iter().filter(|(number, _, standing)| *standing == Standing::Promised && !maybe.contains(number));
    let must = must.map(|(_, one, _)| one.value.as_str()).collect();
    let may = live.iter().filter(|(number, ..)| !surely.contains(number)).map(|(_, one, _)| one.value.as_str());
    let may = may.collect();
    Expected { cell, live, must, may }
}

fn holders<'a>(town: &'a TownView, namespace: &'a NamespaceId) -> impl Iterator<Item = &'a NodeView> {
    members(town).filter(|node| node.access.get(namespace) == Some(&Access::Hold))
}

fn shown_in<'a>(node: &'a NodeView, cell: &Cell) -> BTreeSet<&'a str> {
    let values = node.seen.cells.get(cell).map(|values| values.iter().map(String::as_str).collect());
    values.unwrap_or_else(|| BTreeSet::from([""]))
}

fn place(town: &TownView, cell: &Cell) -> String {
    let space = town.names.get(&cell.namespace).map(ToString::to_string).unwrap_or_default();
    format!("{} of document {} in {space}", cell.column, cell.document)
}

/// Answers about residents are told of in part, and looked at as what they come to.
fn texts<'a>(all: &'a [Expected<'a>]) -> impl Iterator<Item = &'a Expected<'a>> {
    all.iter().filter(|one| one.cell.column != ANSWER)
}

pub(super) fn acknowledged(town: &TownView) -> Vec<String> {
    let (all, mut found) = (expected(town), Vec::new());
    for one in texts(&all) {
        for node in holders(town, &one.cell.namespace) {
            let shown = shown_in(node, one.cell);
            for value in one.must.difference(&shown) {
                found.push(format!("{} does not show {value:?} as {}", node.name, place(town, one.cell)));
            }
        }
    }
    found
}

pub(super) fn replaced(town: &TownView) -> Vec<String> {
    let (all, mut found) = (expected(town), Vec::new());
    for one in texts(&all) {
        for node in holders(town, &one.cell.namespace) {
            let shown = shown_in(node, one.cell);
            let is_blank = one.must.is_empty() && shown.len() == 1 && shown.contains("");
            for value in shown.difference(&one.may).filter(|_| !is_blank) {
                found.push(format!("{} still shows {value:?} as {}", node.name, place(town, one.cell)));
            }
        }
    }
    found
}

/// Nothing of what somebody recorded who may not has effect, nor is anybody promised that it has.
pub(super) fn overreached(town: &TownView) -> Vec<String> {
    let mut found = Vec::new();
    for node in &town.nodes {
        for (cell, values) in &node.seen.cells {
            if let Some(value) = values.iter().find(|value| town.rows.overreached.contains(*value)) {
                found.push(format!("{} shows {value:?} as {}", node.name, place(town, cell)));
            }
        }
    }
    let is_wrong = |one: &&Written| {
        let kind = town.rows.documents.get(&one.cell.document).map(|(_, kind)| *kind);
        let by = town.nodes.iter().find(|node| node.id == one.log.author).map(|node| node.role);
        one.ack.is_some() && !kind.zip(by).is_some_and(|(kind, by)| may_record(by, kind))
    };
    let wrong = town.rows.all.iter().filter(is_wrong);
    found.extend(wrong.map(|one| format!("a node was let write {} that may not", place(town, &one.cell))));
    found
}

/// Who records what, by the rules of the town written down anew.
fn may_record(role: NodeRole, kind: DocumentKind) -> bool {
    let for_centers = [DocumentKind::Table, DocumentKind::Consequence].contains(&kind);
    let commands = [DocumentKind::Response, DocumentKind::Campaign, DocumentKind::Problem].contains(&kind);
    match role {
        NodeRole::Center => true,
        NodeRole::Village => !for_centers,
        NodeRole::Patrol => !for_centers && !commands,
        NodeRole::Carrier => false,
    }
}

/// A conflict that is seen anywhere is seen everywhere, with the same sides.
pub(super) fn conflicts(town: &TownView) -> Vec<String> {
    let mut found = Vec::new();
    for (id, namespace) in &town.names {
        let mut all = holders(town, id);
        let Some(first) = all.next() else { continue };
        let open = |node: &NodeView| -> BTreeMap<_, _> {
            let within = node.seen.open.iter().filter(|((space, _), _)| space == id);
            within.map(|((_, document), open)| (*document, open.clone())).collect()
        };
        let expected = open(first);
        let unlike = all.filter(|node| open(node) != expected);
        found.extend(unlike.map(|node| format!("{} and {} see other conflicts in {namespace}", first.name, node.name)));
    }
    found
}

/// A conflict that somebody settled is settled everywhere, unless somebody undid that, wrote again, or contradicted it
/// without having heard of it.
pub(super) fn settled(town: &TownView) -> Vec<String> {
    let all = expected(town);
    let mut sizes: BTreeMap<DocumentId, (usize, usize)> = BTreeMap::new();
    for one in &town.rows.all {
        let size = sizes.entry(one.cell.document).or_default();
        size.0 += 1;
        size.1 += usize::from(matches!(one.how, How::Settled(_)));
    }
    let mut found = Vec::new();
    for one in &all {
        let is_told = sizes.get(&one.cell.document).is_some_and(|size| size.0 <= TOLD.0 && size.1 <= TOLD.1);
        for (number, settlement, conflict) in one.live.iter().filter_map(|(number, written, standing)| {
            let How::Settled(conflict) = written.how else { return None };
            (*standing == Standing::Promised && written.sure).then_some((*number, *written, conflict))
        }) {
            let is_last = one.live.iter().all(|(other, ..)| *other == number || settlement.knew.contains(other));
            if !is_last {
                continue;
            }
            let knew = settlement.knew.iter().filter(|number| one.live.iter().any(|(live, ..)| live == *number));
            // Sides that count no more were none.
            let is_whole = knew.count() == settlement.knew.len();
            for node in holders(town, &one.cell.namespace) {
                let open = node.seen.open.get(&(one.cell.namespace, one.cell.document));
                let is_open = open.is_some_and(|open| open.contains_key(&conflict));
                let told = node.seen.settled.get(&one.cell.document);
                let stands = told.is_some_and(|told| told.contains(&(conflict, settlement.value.clone(), true)));
                let words = if is_open { "is still to settle" } else { "does not tell of the settlement of" };
                if is_open || (is_told && is_whole && !stands) {
                    found.push(format!("{} {words} {}", node.name, place(town, one.cell)));
                }
            }
        }
    }
    found
}

/// Two residents of whom all that was answered is that they are one person are one everywhere; and are two where all that
/// was answered is that they are not.
pub(super) fn merged(town: &TownView) -> Vec<String> {
    let all = expected(town);
    let pair = |one: &&Expected<'_>| (one.cell.column == ANSWER).then(|| Two::of_key(&one.cell.record))?;
    let pairs: Vec<(Two, &Expected<'_>)> = all.iter().filter_map(|one| Some((pair(&one)?, one))).collect();
    let mut found = Vec::new();
    for (two, one) in &pairs {
        let [first, second] = two.ids();
        let document = one.cell.document;
        let joins = |(other, by): &(Two, &Expected<'_>)| {
            by.cell.document == document && other != two && other.ids().iter().any(|id| [first, second].contains(id))
        };
        // Where more than two are one, who is shown depends on all that was answered.
        let Some(answer) = one.only().filter(|_| !pairs.iter().any(joins)) else { continue };
        let shown = if answer == Answer::KeepFirst.to_string() {
            [first, first]
        } else if answer == Answer::KeepSecond.to_string() {
            [second, second]
        } else {
            [first, second]
        };
        for node in holders(town, &one.cell.namespace) {
            let told = [first, second].map(|id| node.seen.shown_as.get(&(document, id)).copied());
            // Whom a removed node recorded is not there, and is nobody's alias.
            if !told.contains(&None) && told != shown.map(Some) {
                let words = format!("{} shows two residents of {document} otherwise than", node.name);
                found.push(format!("{words} as {answer:?} was answered"));
            }
        }
    }
    found
}

/// Where a unit was is read by the centers that it knew and by itself, by nobody else, and stands nowhere in the clear.
pub(super) fn tracks(town: &TownView) -> Vec<String> {
    let mut found = Vec::new();
    for node in &town.nodes {
        let is_center = node.role == NodeRole::Center;
        let others =
            node.seen.tracks.keys().filter(|document| town.rows.units.get(document) != Some(&node.id) && !is_center);
        found.extend(others.map(|document| format!("{} reads the track {document}", node.name)));
        found.extend(node.seen.bare_tracks.iter().map(|what| format!("{}: {what}", node.name)));
    }
    for track in &town.rows.tracks {
        let Some(ack) = town.acks.get(track.ack) else { continue };
        if ack.excused.is_some() || ack.seq > counts_to(town, &ack.log) {
            continue;
        }
        let reads = |node: &&NodeView| node.id == track.unit || track.centers.contains(&node.id);
        for node in holders(town, &track.namespace).filter(reads) {
            let shown = node.seen.tracks.get(&track.document);
            if !shown.is_some_and(|shown| track.seconds.is_subset(shown)) {
                found.push(format!("{} does not read the track {}", node.name, track.document));
            }
        }
    }
    found
}
