//! Entries of books: recorded, and read back.

use std::collections::{BTreeMap, BTreeSet};

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::entity::ITSELF;
use super::people::{self, Person, Place, Slot};
use super::read::{At, Conflict, PersonalState, Settlement};
use super::table::{BY_HAND, over, value_words};
use super::town::Imported;
use super::{CommandError, household, labels};
use crate::bounds;
use crate::change::RecordKey;
use crate::clock::Millis;
use crate::document::Content;
use crate::domain::books::{BookKind, PERSON_COLUMNS, PERSON_FIELD};
use crate::domain::columns::{self, Column};
use crate::domain::input::{self, Fault, InputError};
use crate::domain::person::{HIDDEN_NUMBER, PersonalData};
use crate::domain::record::{apply, difference};
use crate::entry::Lane;
use crate::id::{DocumentId, ResidentId};
use crate::namespace::Namespace;
use crate::policy::DocumentKind;
use crate::replica::{PersonalError, Replica};
use crate::store::StoreError;
use crate::value::{FieldId, Fields, Value};

/// What somebody enters in a book: over what stands, [`Value::Null`] clearing a column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntryInput {
    /// The columns that it gives.
    pub fields: Fields,
    /// The person whom it names, where the book has one: what is empty says nothing or clears, as for every person.
    pub person: Option<PersonalData>,
}

impl EntryInput {
    /// What the columns of a file or of JSON say ([`BookKind::all_columns`]).
    ///
    /// # Errors
    /// Where the book names no person, or a part of one is no text.
    pub fn of_columns(book: BookKind, mut fields: Fields) -> Result<Self, InputError> {
        // A masked file that comes in again must not take the numbers out of what people wrote.
        let is_masked = |column: &&Column| {
            let text = fields.get(&column.number).and_then(Value::as_text);
            column.has_lines() && text.is_some_and(|text| text.contains(HIDDEN_NUMBER))
        };
        if let Some(column) = book.columns().iter().find(is_masked) {
            return Err(InputError::new(column.name, Fault::Masked));
        }
        let mut parts = PERSON_COLUMNS.map(|column| (column.name, fields.remove(&column.number)));
        if parts.iter().all(|(_, part)| part.is_none()) {
            return Ok(Self { fields, person: None });
        }
        if let Some((name, _)) = parts.iter().find(|(_, part)| part.is_some() && !book.names_person()) {
            let known = book.columns().iter().map(|column| column.name).collect::<Vec<_>>().join(", ");
            return Err(InputError::new(*name, Fault::Column { known }));
        }
        // What is cleared is empty; what is not given stays.
        let [name, id_number, phone] =
            parts.each_mut().map(|(_, part)| part.take().map(|value| value.as_text().unwrap_or_default().to_owned()));
        Ok(Self { fields, person: Some(PersonalData { name: name.unwrap_or_default(), id_number, phone }) })
    }
}

/// An entry of a book as it stands, the person in clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookEntry {
    /// The document.
    pub id: DocumentId,
    /// Of which book.
    pub book: BookKind,
    /// What it says.
    pub fields: Fields,
    /// Whom it names, where they could be opened.
    pub person: Option<PersonalData>,
    /// Whether they could be.
    pub person_state: PersonalState,
    /// What people recorded differently without knowing of each other.
    pub conflicts: Vec<Conflict>,
    /// What was settled, the latest first.
    pub settled: Vec<Settlement>,
}

impl BookEntry {
    /// Whether it was taken out.
    pub fn is_retired(&self) -> bool {
        columns::is_retired(&self.fields)
    }
}

/// What an entry says, by column, as lists show it.
#[derive(Debug)]
pub struct Columns<'a>(pub &'a BookEntry);

impl Serialize for Columns<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        columns::serialize(self.0.book.columns(), &self.0.fields, &mut map)?;
        map.end()
    }
}

impl Serialize for BookEntry {
    /// Everything that two nodes may differ in.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("book", &self.book)?;
        map.serialize_entry("columns", &Columns(self))?;
        map.serialize_entry("person", &self.person)?;
        map.serialize_entry("person_state", &self.person_state)?;
        map.serialize_entry("conflicts", &self.conflicts)?;
        map.serialize_entry("settled", &self.settled)?;
        map.end()
    }
}

/// One entry that is to be written, checked as far as it can be without writing.
struct Draft {
    namespace: Namespace,
    document: DocumentId,
    fields: Fields,
    /// Whom it names, and what is given of them; sealed once every entry is right, since sealing takes a place for their key.
    person: Option<(Person, PersonalData)>,
    is_new: bool,
}

/// Records entries of a book, all of them or none; each says what it gives over what stands. One that says nothing new is
/// left, but for its conflicts, which that settles.
///
/// # Errors
/// [`CommandError::Rows`] names every entry that is wrong; [`CommandError::Record`].
pub fn record(
    replica: &mut Replica,
    book: BookKind,
    entries: &[EntryInput],
    now: Millis,
) -> Result<Imported, CommandError> {
    let kind = kind_of(book)?;
    let lane = lane(kind, entries.len());
    let drafts = drafts(replica, book, entries)?;
    for namespace in drafts.iter().map(|draft| &draft.namespace).collect::<BTreeSet<_>>() {
        replica.may_record(namespace, kind, lane)?;
    }
    let mut imported = Imported::default();
    for mut draft in drafts {
        if let Some((person, given)) = &draft.person {
            let place = Place::new(replica, &draft.namespace, draft.document);
            let sealed = person.edit(replica, place, id_of_person(place.document), given, true)?;
            draft.fields.extend(sealed.map(|sealed| (PERSON_FIELD, sealed)));
        }
        match (draft.fields.is_empty(), draft.is_new) {
            (true, _) => imported.unchanged += 1,
            (false, true) => imported.created += 1,
            (false, false) => imported.changed += 1,
        }
        if !draft.fields.is_empty() {
            let edits = BTreeMap::from([(ITSELF.to_vec(), draft.fields)]);
            replica.edit(&draft.namespace, kind, draft.document, edits, lane, now)?;
        }
    }
    Ok(imported)
}

/// In which lane so many entries travel: an import waits, what is urgent stays so, to however many it goes.
pub(super) fn lane(kind: DocumentKind, entries: usize) -> Lane {
    if entries > BY_HAND && kind.lane() == Lane::Work { Lane::Bulk } else { kind.lane() }
}

fn kind_of(book: BookKind) -> Result<DocumentKind, InputError> {
    let unknown = || InputError::new("book", Fault::Word { known: columns::listed(BookKind::ALL) });
    book.document_kind().ok_or_else(unknown)
}

/// Every entry as it is to be written, or every one that is wrong. Of two with one key the second is wrong.
fn drafts(replica: &mut Replica, book: BookKind, entries: &[EntryInput]) -> Result<Vec<Draft>, CommandError> {
    let (mut right, mut wrong) = (vec![], vec![]);
    let mut seen: BTreeMap<DocumentId, usize> = BTreeMap::new();
    for (place, entry) in entries.iter().enumerate() {
        match draft(replica, book, entry) {
            Ok(draft) => {
                if seen.insert(draft.document, place).is_some() {
                    wrong.push((place, InputError::new("key", Fault::Twice)));
                } else if wrong.is_empty() {
                    right.push(draft);
                }
            }
            Err(CommandError::Input(error)) => wrong.push((place, error)),
            Err(other) => return Err(other),
        }
    }
    if wrong.is_empty() { Ok(right) } else { Err(CommandError::Rows(wrong)) }
}

/// An entry as it will stand, checked, less what stands already.
fn draft(replica: &mut Replica, book: BookKind, entry: &EntryInput) -> Result<Draft, CommandError> {
    let kind = kind_of(book)?;
    let mut given = entry.fields.clone();
    book.canonise(&mut given);
    let key = book.natural_key(&given).ok_or_else(|| columns::blank_key(book.columns(), &given))?;
    let namespace = match book.region(&given) {
        Some(region) if book.is_of_region() => Namespace::registry(&region.to_string()),
        Some(_) | None => Namespace::town(),
    };
    let document = replica.document_id(&namespace, kind, &key)?;
    let content = replica.content(replica.namespace_id(&namespace), document)?;
    let mut standing = content.fields(ITSELF);
    // Fields of a newer version stay as they are.
    standing.retain(|number, _| book.column(*number).is_some());
    let row = over(book.columns(), &standing, &given);
    book.check(&row)?;
    let fields = news(book, &content, &standing, &row);
    check_room(&fields)?;
    let is_new = content.records.is_empty();
    let place = Place::new(replica, &namespace, document);
    let person = person_of(replica, place, book, entry, &content)?;
    Ok(Draft { namespace, document, fields, person, is_new })
}

/// What an entry is to say that it does not say yet, or says twice.
fn news(book: BookKind, content: &Content, standing: &Fields, row: &Fields) -> Fields {
    let mut edit = difference(standing, row);
    for (number, register) in content.records.get(ITSELF).into_iter().flatten() {
        if register.is_conflict() && book.column(*number).is_some() {
            edit.entry(*number).or_insert_with(|| row.get(number).cloned().unwrap_or(Value::Null));
        }
    }
    edit
}

/// That one record holds what an entry says, with room for whom it names.
fn check_room(fields: &Fields) -> Result<(), InputError> {
    const PERSON: usize = 1_024;
    let limit = bounds::MAX_ASSERTION / 2 - PERSON;
    match minicbor::to_vec(fields).map_or(usize::MAX, |bytes| bytes.len()) {
        bytes if bytes > limit => Err(InputError::new("row", Fault::RowTooLarge { bytes, limit })),
        _ => Ok(()),
    }
}

/// Whom an entry names, and what is given of them, checked; `None` where nobody is given, or they were erased.
fn person_of(
    replica: &mut Replica,
    place: Place<'_>,
    book: BookKind,
    entry: &EntryInput,
    content: &Content,
) -> Result<Option<(Person, PersonalData)>, CommandError> {
    let (Some(given), Some(holder)) = (&entry.person, book.person()) else { return Ok(None) };
    input::person(given, holder).map_err(|error| InputError::new(format!("person_{}", error.field), error.fault))?;
    given.encode()?;
    let person = open(replica, place, content)?;
    match person.state {
        // What is entered again must not bring back somebody who was erased.
        PersonalState::Erased => Ok(None),
        PersonalState::KeyMissing => Err(PersonalError::NoKey.into()),
        PersonalState::Open | PersonalState::Unreadable => Ok(Some((person, given.clone()))),
    }
}

fn open(replica: &mut Replica, place: Place<'_>, content: &Content) -> Result<Person, StoreError> {
    people::open(replica, place, slot(place.document), content)
}

fn slot(document: DocumentId) -> Slot<'static> {
    Slot { record: ITSELF, field: PERSON_FIELD, resident: id_of_person(document) }
}

fn id_of_person(document: DocumentId) -> ResidentId {
    household::owner_id(document)
}

/// Reads an entry; `None` if its document says nothing.
///
/// # Errors
/// [`StoreError`].
pub fn read(
    replica: &mut Replica,
    namespace: &Namespace,
    book: BookKind,
    document: DocumentId,
) -> Result<Option<BookEntry>, StoreError> {
    let place = Place::new(replica, namespace, document);
    let content = replica.content(place.id, document)?;
    if !content.records.contains_key(ITSELF) {
        return Ok(None);
    }
    let person = open(replica, place, &content)?;
    let registers = content.records.get(ITSELF).into_iter().flatten().filter(|(_, register)| register.is_conflict());
    let conflicts = registers.filter_map(|(number, register)| {
        let column = book.column(*number)?;
        let at = At { record: RecordKey::from(ITSELF), field: *number };
        let values = labels::sides(&content, &at, &register.values, |value| value_words(column, value));
        let (field, chinese, english) = (column.name, column.chinese, column.english);
        Some(Conflict { record: None, at, field, chinese, english, personal: false, values })
    });
    let mut conflicts: Vec<Conflict> = conflicts.collect();
    conflicts.extend(person.conflicts(None));
    let mut settled = settlements(replica, place, book, &content)?;
    let said = labels::said_in(&mut conflicts).chain(labels::said_in_settled(&mut settled));
    labels::sign(replica, place.id, document, said)?;
    let mut fields = content.fields(ITSELF);
    fields.retain(|number, _| book.column(*number).is_some());
    Ok(Some(BookEntry {
        id: document,
        book,
        fields,
        person: person.data,
        person_state: person.state,
        conflicts,
        settled,
    }))
}

fn settlements(
    replica: &mut Replica,
    place: Place<'_>,
    book: BookKind,
    content: &Content,
) -> Result<Vec<Settlement>, StoreError> {
    let mut all = vec![];
    for settled in content.settled(|_, _| false).into_iter().filter(|settled| settled.record == ITSELF) {
        if settled.field == PERSON_FIELD {
            all.extend(people::settlements(replica, place, slot(place.document), content, &settled)?);
        } else if let Some(column) = book.column(settled.field) {
            let called = (column.name, column.chinese, column.english);
            all.push(labels::settlement_of(content, &settled, called, |value| value_words(column, value)));
        }
    }
    Ok(all)
}

/// Keeps a part of what is known of the person of an entry; see `conflict::settle`.
pub(super) fn keep_person(
    replica: &mut Replica,
    namespace: &Namespace,
    (book, document): (BookKind, DocumentId),
    personal: &PersonalData,
    now: Millis,
) -> Result<Option<crate::replica::Recorded>, CommandError> {
    let place = Place::new(replica, namespace, document);
    let content = replica.content(place.id, document)?;
    let person = open(replica, place, &content)?;
    let Some(sealed) = person.edit(replica, place, id_of_person(document), personal, true)? else { return Ok(None) };
    drop(content);
    let fields: Fields = [(PERSON_FIELD, sealed)].into();
    let edits = BTreeMap::from([(ITSELF.to_vec(), fields)]);
    Ok(Some(replica.edit(namespace, kind_of(book)?, document, edits, Lane::Work, now)?))
}

/// Checks that a column may hold another value; see `conflict::settle`. What is wrong with other columns already, because two
/// sides changed them apart, is no reason not to settle this one.
pub(super) fn check_with(book: BookKind, content: &Content, field: FieldId, value: &Value) -> Result<(), InputError> {
    let mut row = content.fields(ITSELF);
    row.retain(|number, _| book.column(*number).is_some());
    let before = book.check(&row);
    apply(&mut row, &Fields::from([(field, value.clone())]));
    let name = book.column(field).map(|column| column.name);
    book.check(&row)
        .or_else(|error| if before.is_ok() || Some(error.field.as_str()) == name { Err(error) } else { Ok(()) })
}
