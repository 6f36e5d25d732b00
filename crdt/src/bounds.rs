//! Every bound of the core, in one place (DESIGN section 10). Inputs beyond a bound are refused with an error
//! that names it; nothing is allocated before its size was compared.

/// Largest sealed body of one entry, in bytes.
pub const MAX_BODY: usize = 256 * 1024;
/// Largest opened and decompressed body of one entry, in bytes.
pub const MAX_PLAIN_BODY: usize = 1024 * 1024;
/// Bodies of bulk entries are cut at about this many plain bytes: a good compression ratio, and no more than
/// two seconds of a 64 kbit/s link are lost when a drive-by ends inside one.
pub const BULK_BODY: usize = 48 * 1024;
/// Most items (changes and records) in one entry.
pub const MAX_ITEMS: usize = 4096;
/// Most assertions in one change.
pub const MAX_ASSERTIONS: usize = 256;
/// Largest change in bytes, its assertions taken together.
pub const MAX_CHANGE: usize = 160 * 1024;
/// Most dependencies of one change.
pub const MAX_DEPS: usize = 32;
/// Most assertions that one assertion may supersede.
pub const MAX_SUPERSEDES: usize = 64;
/// Most fields in one assertion.
pub const MAX_FIELDS: usize = 64;
/// Largest encoded assertion, in bytes.
pub const MAX_ASSERTION: usize = 16 * 1024;
/// Largest immutable record, in bytes.
pub const MAX_RECORD: usize = 64 * 1024;
/// Largest session message, in bytes.
pub const MAX_MESSAGE: usize = 512 * 1024;
/// A run of entries is signed and sent when it reaches this many entries ...
pub const RUN_ENTRIES: usize = 64;
/// ... or this many bytes (DESIGN 12.11).
pub const RUN_BYTES: usize = 16 * 1024;
/// Most logs, and most shelves, in one frontier message; more are sent in pages.
pub const MAX_FRONTIER: usize = 1024;
/// With more logs and shelves than this in a namespace, digests by bucket are compared before any is listed.
pub const MANY_LOGS: usize = 512;
/// Most bytes that one log of `auth` may hold if its author is not a center; what follows has no effect.
pub const AUTH_LOG_QUOTA: u64 = 512 * 1024;
/// Bytes in `auth` from which on nothing more is taken of an author that is not a center: certificates last ten years,
/// and a node that opens a period each day writes a tenth of this in a year.
pub const AUTH_AUTHOR_QUOTA: u64 = 4 * 1024 * 1024;
/// Beyond this many logs of a namespace, only those held here are noted of what a peer lists.
pub const MAX_NOTED: usize = 16_384;
/// Most namespaces in one message.
pub const MAX_NAMESPACES: usize = 8192;
/// Most periods after the founding one of a family: fifty years of months.
pub const MAX_PERIODS: usize = 600;
/// Most concurrent sessions.
pub const MAX_SESSIONS: usize = 256;
/// Most bytes that may be staged between two commits.
pub const MAX_STAGED: usize = 8 * 1024 * 1024;
/// Most documents kept in memory.
pub const MAX_CACHED_DOCUMENTS: usize = 4096;
/// Largest certificate, in bytes.
pub const MAX_CERTIFICATE: usize = 8 * 1024;
/// Most scopes in one certificate.
pub const MAX_SCOPES: usize = 256;
/// Longest name of a node, in characters.
pub const MAX_NAME: usize = 64;
/// Plain bytes of one blob chunk (a photo is cut into these).
pub const BLOB_CHUNK: usize = 256 * 1024;
/// Most chunks of one blob: 64 MiB.
pub const MAX_BLOB_CHUNKS: usize = 256;
/// Largest preview of a blob, in bytes: a thumbnail is asked for before any original, in one chunk.
pub const MAX_PREVIEW: usize = 64 * 1024;
/// Most outputs waiting to be polled; beyond it, handling pauses with an error the driver must heed.
pub const MAX_OUTPUTS: usize = 65_536;
