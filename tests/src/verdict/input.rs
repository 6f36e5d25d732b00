//! What the verdict is decided from: files that nodes exported, and what a witness wrote down. Nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

/// Largest file that is read, in bytes.
const MAX_FILE: u64 = 1 << 30;
/// Most acknowledgements.
const MAX_ACKNOWLEDGEMENTS: usize = 1_000_000;
/// Most nodes.
const MAX_NODES: usize = 1_000;

/// Input that nothing can be decided from.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// A file or folder that cannot be read.
    #[error("{path}: {source}; the folder must hold dumps/<node>.jsonl, acknowledged.jsonl and plan.json")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file that is not what its name says.
    #[error("{path}, line {line}: {reason}; export it again")]
    Malformed {
        /// Which.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// More than any town has.
    #[error("{path} holds more than {most} {what}; split the comparison")]
    TooMuch {
        /// Which.
        path: PathBuf,
        /// What there is too much of.
        what: &'static str,
        /// The bound.
        most: u64,
    },
}

/// What one node exported of itself: JSON lines, one namespace or document each, and a last one that says how many.
#[derive(Debug, Clone, Default)]
pub struct NodeDump {
    /// The node's name: that of the file.
    pub node: String,
    /// Every namespace that it holds or carries.
    pub namespaces: Vec<NamespaceDump>,
    /// Whether nothing changed on the node while it exported itself.
    pub stable: bool,
}

/// One namespace of one node.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct NamespaceDump {
    /// Its name, such as `registry/110115005001`.
    pub name: String,
    /// Whether the node opens it or only carries it.
    pub access: Access,
    /// Whether the node can read it.
    pub readable: bool,
    /// What is held, as one value.
    pub digest: String,
    /// Entries held.
    pub entries: u64,
    /// The documents in order of their ids; none where it cannot be read.
    #[serde(skip)]
    pub documents: Vec<DocumentDump>,
}

/// One document.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct DocumentDump {
    /// The namespace that it lies in.
    pub namespace: String,
    /// What it is about, in a word.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// What it says.
    pub content: Value,
}

/// One line of a dump.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Namespace(NamespaceDump),
    Document(DocumentDump),
    End { documents: usize, stable: bool },
    Error(Value),
}

/// What a node may do with a namespace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Holds and reads.
    #[default]
    Hold,
    /// Passes on what it cannot read.
    Carry,
}

/// Something that a node acknowledged to a person or a device.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Acknowledgement {
    /// The node that acknowledged it.
    pub node: String,
    /// What it was, in a word.
    pub kind: String,
    /// Where it was recorded.
    pub namespace: String,
    /// The document.
    #[serde(default)]
    pub document: Option<String>,
    /// An immutable record (inspection, case event, device event): its id stands in the document.
    #[serde(default)]
    pub record: Option<String>,
    /// A field that was set, …
    #[serde(default)]
    pub field: Option<String>,
    /// … and to what. It stands in the document as the value or as one of several that were set at the same time,
    /// unless the same node acknowledged another value later.
    #[serde(default)]
    pub value: Option<Value>,
    /// Something without an id of its own (a device event): some object of the document, or where that is not named of
    /// any document of the namespace, has these fields with these values.
    #[serde(default)]
    pub contains: Option<Map<String, Value>>,
    /// For an import: how many documents the namespace holds at least.
    #[serde(default)]
    pub documents: Option<usize>,
    /// When, in milliseconds since 1970.
    #[serde(default)]
    pub time: u64,
}

/// What the comparison must cover, so that nothing passes by being absent.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Plan {
    /// Names of the nodes that must have exported themselves.
    #[serde(default)]
    pub nodes: BTreeSet<String>,
    /// Which nodes carry which namespaces without being able to read them.
    #[serde(default)]
    pub carried: BTreeMap<String, BTreeSet<String>>,
}

/// Everything.
#[derive(Debug, Clone, Default)]
pub struct Input {
    /// One dump for each node, in order of file names.
    pub dumps: Vec<NodeDump>,
    /// What was acknowledged, in order.
    pub acknowledged: Vec<Acknowledgement>,
    /// What must be covered.
    pub plan: Plan,
}

impl Input {
    /// Reads `dumps/*.jsonl`, `acknowledged.jsonl` and `plan.json` of a folder.
    ///
    /// # Errors
    /// The first file that is missing or wrong.
    pub fn of_folder(folder: &Path) -> Result<Self, InputError> {
        let dumps = dump_files(&folder.join("dumps"))?.iter().map(|path| read_dump(path)).collect::<Result<_, _>>()?;
        let acknowledged = read_acknowledgements(&folder.join("acknowledged.jsonl"))?;
        let plan = read_json(&folder.join("plan.json"))?;
        Ok(Self { dumps, acknowledged, plan })
    }
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> InputError {
    let path = path.to_owned();
    move |source| InputError::Unreadable { path, source }
}

fn dump_files(folder: &Path) -> Result<Vec<PathBuf>, InputError> {
    let mut files = Vec::new();
    for entry in folder.read_dir().map_err(unreadable(folder))? {
        let path = entry.map_err(unreadable(folder))?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            files.push(path);
        }
        if files.len() > MAX_NODES {
            return Err(InputError::TooMuch { path: folder.to_owned(), what: "dumps", most: MAX_NODES as u64 });
        }
    }
    files.sort();
    Ok(files)
}

fn open(path: &Path) -> Result<BufReader<File>, InputError> {
    let file = File::open(path).map_err(unreadable(path))?;
    if file.metadata().map_err(unreadable(path))?.len() > MAX_FILE {
        return Err(InputError::TooMuch { path: path.to_owned(), what: "bytes", most: MAX_FILE });
    }
    Ok(BufReader::new(file))
}

fn malformed(path: &Path, line: usize, reason: impl ToString) -> InputError {
    InputError::Malformed { path: path.to_owned(), line, reason: reason.to_string() }
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, InputError> {
    serde_json::from_reader(open(path)?).map_err(|error| malformed(path, error.line(), &error))
}

/// Hands every line over, with its number from 1; returns how many there were.
fn read_lines<T: for<'de> Deserialize<'de>>(
    path: &Path,
    mut take: impl FnMut(usize, T) -> Result<(), InputError>,
) -> Result<usize, InputError> {
    let mut count = 0;
    for (text, line) in open(path)?.lines().zip(1..) {
        let text = text.map_err(unreadable(path))?;
        if !text.trim().is_empty() {
            take(line, serde_json::from_str(&text).map_err(|error| malformed(path, line, error))?)?;
        }
        count = line;
    }
    Ok(count)
}

fn read_acknowledgements(path: &Path) -> Result<Vec<Acknowledgement>, InputError> {
    let mut acknowledged = Vec::new();
    read_lines(path, |_, one| {
        if acknowledged.len() == MAX_ACKNOWLEDGEMENTS {
            let most = MAX_ACKNOWLEDGEMENTS as u64;
            return Err(InputError::TooMuch { path: path.to_owned(), what: "acknowledgements", most });
        }
        acknowledged.push(one);
        Ok(())
    })?;
    Ok(acknowledged)
}

fn read_dump(path: &Path) -> Result<NodeDump, InputError> {
    let node = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut dump = NodeDump { node, ..NodeDump::default() };
    let (mut documents, mut end) = (0, None);
    let lines = read_lines(path, |line, content| {
        if end.is_some() {
            return Err(malformed(path, line, "something follows the end"));
        }
        match content {
            Line::Namespace(namespace) => dump.namespaces.push(namespace),
            Line::Document(document) => {
                let own = dump.namespaces.last_mut().filter(|namespace| namespace.name == document.namespace);
                let own = own.ok_or_else(|| malformed(path, line, "the document is not in the namespace before it"))?;
                own.documents.push(document);
                documents += 1;
            }
            Line::End { documents, stable } => end = Some((documents, stable)),
            Line::Error(error) => return Err(malformed(path, line, format!("the node failed: {error}"))),
        }
        Ok(())
    })?;
    match end {
        Some((expected, stable)) if expected == documents => Ok(NodeDump { stable, ..dump }),
        Some((expected, _)) => {
            Err(malformed(path, lines, format!("{documents} documents, but the end says {expected}")))
        }
        None => Err(malformed(path, lines, "the dump is cut off: its end is missing")),
    }
}
