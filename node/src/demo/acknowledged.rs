//! What the nodes acknowledged while the day went on, written down by the one who asked for it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::{Map, Value};

/// One acknowledgement, as the verdict program reads it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Acknowledgement {
    /// The node that acknowledged.
    pub node: String,
    /// What, in a word.
    pub kind: String,
    /// Where it was recorded.
    pub namespace: String,
    /// The document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// The immutable record in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// The field that was set, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// … and its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Fields of something without an id of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<Map<String, Value>>,
    /// For an import: documents that the namespace holds at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub documents: Option<usize>,
    /// When, in milliseconds since 1970.
    pub time: u64,
}

/// The list, in a file, one JSON object a line.
#[derive(Debug)]
pub struct Acknowledgements {
    file: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    file: File,
    by_kind: BTreeMap<String, usize>,
}

impl Acknowledgements {
    /// Begins an empty list.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create(path: &Path) -> std::io::Result<Self> {
        Ok(Self { file: Mutex::new(Written { file: File::create(path)?, by_kind: BTreeMap::new() }) })
    }

    /// Writes one down, at the present time. Call it after the answer has come and before anything else.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, acknowledgement: Acknowledgement) -> std::io::Result<()> {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let line = serde_json::to_string(&Acknowledgement { time, ..acknowledgement.clone() })?;
        let mut written = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(written.file, "{line}")?;
        *written.by_kind.entry(acknowledgement.kind).or_default() += 1;
        Ok(())
    }

    /// How many of each kind there are.
    pub fn by_kind(&self) -> BTreeMap<String, usize> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).by_kind.clone()
    }
}
