//! Every table of the store, with its key and value. Integers are big-endian where they are part of a byte
//! key, so that keys sort by number.

use redb::TableDefinition;

/// Facts about the store: name → bytes. `format` is the version of this list.
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

/// Version of the tables below; a store of a newer version is not opened.
pub(super) const FORMAT: u32 = 1;

/// Local number of a namespace: namespace id (16) → u32.
pub(super) const NAMESPACES: TableDefinition<'_, &[u8; 16], u32> = TableDefinition::new("namespaces");

/// Logs: local number → [`super::LogState`] as 57 + 64 bytes; the row is made with the log, its numbers follow behind.
pub(super) const LOGS: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("logs");

/// Entries: (log number, seq) → stored form of [`crate::entry::Entry`]. Truth; everything below `LOGS` and
/// `PERSON_KEYS` can be rebuilt from it. Log numbers stand for (namespace, author, epoch, lane), so a log's entries
/// lie together and are appended in order.
pub(super) const ENTRIES: TableDefinition<'_, (u32, u64), &[u8]> = TableDefinition::new("entries");

/// Entries of forked logs that are not on the branch held: log number (4) ‖ seq (8) ‖ entry id (32) → 0 for one on its
/// way that may be ratified, 1 for one that was held (1) ‖ stored form of the entry. Stores made before this table was
/// have it from the first such entry on.
pub(super) const BRANCHES: TableDefinition<'_, &[u8; 44], &[u8]> = TableDefinition::new("branches");

/// Documents, derived: namespace number (4) ‖ document id (16) ‖ log number (4) ‖ seq (8) ‖ index in the body (2) →
/// hybrid time (8) ‖ actor (16) ‖ item.
pub(super) const ITEMS: TableDefinition<'_, &[u8; 34], &[u8]> = TableDefinition::new("items");

/// Entries that this version could not understand whole: (log number, seq). Stores made before this table was have it
/// from the first such entry on.
pub(super) const PASSED_OVER: TableDefinition<'_, (u32, u64), ()> = TableDefinition::new("passed_over");

/// What changed, for views: number → namespace number (4) ‖ document id (16) ‖ kind (1). Trimmed once every view has it.
pub(super) const FEED: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("feed");

/// Persons' keys: namespace number (4) ‖ shelf (8) ‖ index (4) → wrapped key (32).
pub(super) const PERSON_KEYS: TableDefinition<'_, &[u8; 16], &[u8; 32]> = TableDefinition::new("person_keys");

/// Persons' keys that were destroyed: as in `PERSON_KEYS` → hash of the wrapped key (32).
pub(super) const DESTROYED_KEYS: TableDefinition<'_, &[u8; 16], &[u8; 32]> = TableDefinition::new("destroyed_keys");

/// Key shelves: namespace number (4) ‖ shelf (8) → author (32) ‖ epoch (8) ‖ count (4) ‖ chain (32).
pub(super) const SHELVES: TableDefinition<'_, &[u8; 12], &[u8; 76]> = TableDefinition::new("shelves");

/// Seals of key shelves: namespace number (4) ‖ shelf (8) ‖ block (4) → count (4) ‖ certificate id (32) ‖ signature (64):
/// for each block of 1,024 rows the newest one.
pub(super) const SHELF_SEALS: TableDefinition<'_, &[u8; 16], &[u8; 100]> = TableDefinition::new("shelf_seals");

/// Newest statement of each (beacon, grant, fork proof, position): kind (1) ‖ key (32) → version (8) ‖ bytes.
pub(super) const CARDS: TableDefinition<'_, &[u8; 33], &[u8]> = TableDefinition::new("cards");

/// Blob chunks: namespace number (4) ‖ hash of the sealed chunk (32) → sealed chunk; while only wanted empty, or one
/// byte for a preview's.
pub(super) const CHUNKS: TableDefinition<'_, &[u8; 36], &[u8]> = TableDefinition::new("chunks");

/// Requests that this node carried out: hash of the request's key (32) → time (8) ‖ hash of what it asks (32) ‖ sealed answer, if
/// any. Stores made before this table was have it from the first such request on.
pub(super) const REQUESTS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("requests");
