//! Who belongs to the town: removals.

use townmesh_crdt::certificate::{Claim as Stated, NodeRole, Statement};
use townmesh_crdt::change::Item;
use townmesh_crdt::command::erasure::{self, Subject};
use townmesh_crdt::command::read::ResidentRecord;
use townmesh_crdt::command::{book, household};
use townmesh_crdt::domain::books::{BookKind, PERSON_FIELD};
use townmesh_crdt::domain::household::Resident;
use townmesh_crdt::enrol;
use townmesh_crdt::id::{DocumentId, ResidentId};
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::policy::DocumentKind;
use townmesh_crdt::replica::{Replica, Work};
use townmesh_crdt::seal::{self, PersonKeyPlace};
use townmesh_crdt::value::{FieldId, Value};

use crate::dice::Dice;
use crate::plan::Fault;
use crate::world::desk::TENANT;
use crate::world::ledger::{Claim, Erased, Said};
use crate::world::work::Task;
use crate::world::{Node, World};

impl World {
    /// A node is stolen: a center removes it, and it records on with its clock put back a day.
    pub(in crate::world) fn steal(&mut self, number: usize, dice: &mut Dice) -> bool {
        let center = 0;
        let is_center = self.nodes.get(number).is_none_or(|node| node.spec.role == NodeRole::Center);
        if is_center || !self.is_member(number) || !self.is_up(center) {
            return false;
        }
        let authority = self.founded.authority.clone();
        let local = self.clock(center);
        let Some(stolen) = self.nodes.get(number).map(Node::id) else { return false };
        let Some(node) = self.nodes.get_mut(center) else { return false };
        let Some(replica) = node.replica.as_mut() else { return false };
        let kept = replica.logs().filter(|state| state.log.author == stolen && state.height > 0);
        let kept = kept.map(|state| (state.log, state.height)).collect();
        if let Err(error) = replica.revoke(&authority, stolen, true, local) {
            self.trace.tell(self.now, || format!("the removal is refused: {error}"));
            return false;
        }
        let keys = self.keys_with(stolen);
        if let Some(node) = self.nodes.get_mut(center) {
            node.pending.push(Claim::Removal { node: number, kept, keys });
        }
        self.wake(center, 5);
        // An authority looks at what came late, and lets it count.
        if dice.chance(35) {
            self.later(center, Fault::Ratify, dice);
        }
        // The thief starts it anew: what it writes from then on stands in logs that nobody has seen.
        self.kill(number, 1);
        let back = -(1 + dice.long(3 * 86_400_000) as i64);
        self.with_clock(number, |node, now| node.clock.jump(now, back))
    }

    /// Two authorities remove each other: one is heard of at the center first, the other at a village.
    pub(in crate::world) fn remove_each_other(&mut self) -> bool {
        let office = self.nodes.iter().position(|node| node.spec.role == NodeRole::Village && node.removed.is_none());
        let ([one, other], Some(office)) = (self.spares.as_slice(), office) else { return false };
        let removal = |by: &enrol::Authority, of: &enrol::Authority| {
            let claim = Stated::Revocation { certificate: of.statement.id, cuts: vec![] };
            Statement::sign(&by.town, claim, Some(by.statement.id), [3; 8], &by.signing)
        };
        let both = [(0, removal(one, other), other.statement.id), (office, removal(other, one), one.statement.id)];
        let mut done = 0;
        for (number, statement, removed) in both {
            let local = self.clock(number);
            let Some(node) = self.nodes.get_mut(number) else { continue };
            if let Some(replica) = node.replica.as_mut()
                && replica.record_statements(vec![statement], local).is_ok()
            {
                node.pending.push(Claim::Said(Said::AuthorityRemoved(removed)));
                done += 1;
                self.wake(number, 5);
            }
        }
        done > 0
    }

    /// A resident is erased by an authority at the center.
    pub(in crate::world) fn erase(&mut self, mut dice: Dice) -> bool {
        let (center, seed) = (0, self.options.seed);
        let local = self.clock(center);
        let Some(code) = dice.one_of(&self.roster.regions).cloned() else { return false };
        let namespace = Namespace::registry(&code);
        let Some(node) = self.nodes.get_mut(center) else { return false };
        let (Some(replica), Ok(region)) = (node.replica.as_mut(), code.parse()) else { return false };
        let mut task = Task {
            replica,
            dice,
            now: local,
            region,
            canary: Self::canary(seed, &code),
            by: "clerk".into(),
            events: 12,
        };
        let Ok(Some(document)) = task.some(&namespace, DocumentKind::Household) else { return false };
        let Task { mut dice, .. } = task;
        self.erase_resident(&namespace, document, |all| dice.one_of(all).map(|one| one.id))
    }

    /// Somebody of a household is erased, and whoever is one person with them.
    fn erase_resident(
        &mut self,
        namespace: &Namespace,
        document: DocumentId,
        choose: impl FnOnce(&[ResidentRecord]) -> Option<ResidentId>,
    ) -> bool {
        let (center, authority) = (0, self.founded.authority.clone());
        let local = self.clock(center);
        let Some(node) = self.nodes.get_mut(center) else { return false };
        let Some(replica) = node.replica.as_mut() else { return false };
        let Ok(Some(read)) = household::read(replica, namespace, document) else { return false };
        let Some(resident) = choose(&read.residents) else { return false };
        let shown =
            read.residents.iter().find(|one| one.id == resident).and_then(|one| one.alias_of).unwrap_or(resident);
        let same = read.residents.iter().filter(|one| one.id == shown || one.alias_of == Some(shown));
        let same: Vec<&ResidentRecord> = same.collect();
        // A tenant may stand there once more, recorded by another office.
        let words = same.iter().filter_map(|one| one.resident.personal.as_ref()?.phone.clone());
        let words = words.filter(|phone| !phone.starts_with(TENANT)).collect();
        let mut keys = Vec::new();
        for one in &same {
            keys.extend(keys_of(replica, namespace, document, (one.id.as_bytes(), Resident::PERSONAL)));
        }
        if erasure::erase(replica, &authority, namespace, document, Subject::Resident(resident), local).is_err() {
            return false;
        }
        let erased = Erased { namespace: namespace.id(&authority.town), document, keys, words };
        node.pending.push(Claim::Said(Said::Erased(erased)));
        self.wake(center, 5);
        true
    }

    /// Somebody is erased who was recorded twice, where the center knows of one.
    fn erase_merged(&mut self, dice: &mut Dice) -> bool {
        let known = self.ledger.rows.documents.iter().filter(|(_, (_, kind))| *kind == DocumentKind::Household);
        let known: Vec<(DocumentId, Namespace)> =
            known.map(|(document, (namespace, _))| (*document, namespace.clone())).collect();
        known.into_iter().any(|(document, namespace)| {
            self.erase_resident(&namespace, document, |all| {
                let merged: Vec<ResidentId> =
                    all.iter().filter(|one| one.alias_of.is_some()).map(|one| one.id).collect();
                dice.one_of(&merged).copied()
            })
        })
    }

    /// Whom an entry of a book names is erased by an authority at the center, or somebody who was recorded twice.
    pub(in crate::world) fn erase_in_book(&mut self, dice: &mut Dice) -> bool {
        if dice.chance(40) && self.erase_merged(dice) {
            return true;
        }
        let (center, authority) = (0, self.founded.authority.clone());
        let local = self.clock(center);
        let books = self.ledger.rows.documents.iter().filter_map(|(document, (namespace, kind))| {
            let book = BookKind::of_document(*kind).filter(|book| book.names_person())?;
            Some((*document, namespace.clone(), book))
        });
        let books: Vec<_> = books.collect();
        let Some((document, namespace, kind)) = dice.one_of(&books).cloned() else { return false };
        let Some(node) = self.nodes.get_mut(center) else { return false };
        let Some(replica) = node.replica.as_mut() else { return false };
        let Ok(Some(entry)) = book::read(replica, &namespace, kind, document) else { return false };
        let Some(person) = entry.person else { return false };
        let keys = keys_of(replica, &namespace, document, (&[], PERSON_FIELD));
        if erasure::erase(replica, &authority, &namespace, document, Subject::BookPerson, local).is_err() {
            return false;
        }
        let words = person.phone.into_iter().collect();
        let erased = Erased { namespace: namespace.id(&authority.town), document, keys, words };
        node.pending.push(Claim::Said(Said::Erased(erased)));
        self.wake(center, 5);
        true
    }

    /// The center lets the work of a removed node count as far as it holds it by now.
    pub(in crate::world) fn ratify(&mut self) -> bool {
        let (center, authority) = (0, self.founded.authority.clone());
        let local = self.clock(center);
        let removed = self.ledger.removals.first().map(|removal| removal.node);
        let Some(removed) = removed else { return false };
        let Some(node) = self.nodes.get_mut(center) else { return false };
        let Some(replica) = node.replica.as_mut() else { return false };
        if replica.ratify(&authority, Work::Of(removed), local).is_err() {
            return false;
        }
        let theirs = replica.logs().filter(|state| state.log.author == removed);
        let kept = theirs.map(|state| (state.log, state.height)).collect();
        node.pending.push(Claim::Said(Said::Ratified { node: removed, kept }));
        self.wake(center, 5);
        true
    }
}

/// Where the keys lie of everything that entries held here say of a person who stands in a field of a record, read from
/// what is stored.
fn keys_of(
    replica: &Replica,
    namespace: &Namespace,
    document: DocumentId,
    (record, field): (&[u8], FieldId),
) -> Vec<PersonKeyPlace> {
    let id = replica.namespace_id(namespace);
    let numbers = replica.store().namespaces().unwrap_or_default();
    let number = numbers.into_iter().find(|(known, _)| *known == id).map(|(_, number)| number);
    let items = number.and_then(|number| replica.store().items(number, document).ok()).unwrap_or_default();
    let mut keys = Vec::new();
    for stored in items {
        let Item::Change { change, .. } = stored.item else { continue };
        let of_person = change.assertions.iter().filter(|assertion| assertion.record == record);
        for assertion in of_person {
            if let Some(Value::Bytes(sealed)) = assertion.fields.get(&field) {
                keys.extend(seal::personal_place(sealed));
            }
        }
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}
