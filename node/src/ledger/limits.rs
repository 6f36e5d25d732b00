//! What a ledger may cost to read.

/// Bounds on one ledger file. The defaults fit a town of 100,000 households with room to spare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Size of the file in bytes.
    pub file_bytes: u64,
    /// Size of what a workbook unpacks to, in bytes.
    pub unpacked_bytes: u64,
    /// Rows, the header and empty rows included.
    pub rows: u64,
    /// Columns that are looked at; further ones are ignored.
    pub columns: usize,
    /// Characters in one cell.
    pub cell_chars: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file_bytes: 256 << 20, unpacked_bytes: 768 << 20, rows: 1_000_000, columns: 100, cell_chars: 1_000 }
    }
}

/// Bytes of one row in a text file; bounds what an unclosed quotation mark or a missing line end can pull into memory.
pub(super) const ROW_BYTES: usize = 1 << 20;
