//! Entries of books.

use townmesh_crdt::command::book::{BookEntry, Columns};
use townmesh_crdt::domain::books::BookKind;

use super::registry::state_key;
use super::{Batch, Slot, coordinates, json, key};

const ENTRY: &str = "INSERT OR REPLACE INTO book_entry (row, book, region, name, code, refers, retired, from_ms, until_ms, latitude, \
    longitude, person_name, person_id_number, person_phone, person_state, conflicts, detail) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

impl Batch<'_> {
    pub(super) fn book(&mut self, slot: Slot<'_>, entry: &BookEntry) -> rusqlite::Result<()> {
        // By it a list is ordered, and where its pages begin is told to everybody: not by a plate.
        let name = if entry.book == BookKind::Vehicle {
            entry.id.to_string()
        } else {
            let [name, ..] = entry.book.title(&entry.fields);
            name
        };
        let (from, until) = entry.book.span(&entry.fields);
        let position = entry.book.position(&entry.fields);
        let (latitude, longitude) = coordinates(position);
        let person = entry.person.as_ref();
        let detail = json(&Columns(entry))?;
        let values: &[&dyn rusqlite::ToSql] = &[
            &slot.row,
            &entry.book.to_string(),
            &key(entry.book.region(&entry.fields)),
            &name,
            &entry.book.entry_code(&entry.fields),
            &entry.book.refers(&entry.fields),
            &entry.is_retired(),
            &from,
            &until,
            &latitude,
            &longitude,
            &person.map(|person| &person.name).filter(|name| !name.is_empty()),
            &person.and_then(|person| person.id_number.as_deref()),
            &person.and_then(|person| person.phone.as_deref()),
            &state_key(entry.person_state),
            &(entry.conflicts.len() as i64),
            &detail,
        ];
        self.run(ENTRY, values)?;
        self.position(slot, position.as_slice())?;
        let words = entry.book.columns().iter().filter_map(|column| column.show(entry.fields.get(&column.number)?));
        let words: Vec<String> = words.map(|[text, ..]| text).collect();
        let person = person.map(|person| person.name.as_str());
        self.words(slot, words.iter().map(String::as_str).chain(person))?;
        self.place_hazards(&entry.id.to_string())
    }
}
