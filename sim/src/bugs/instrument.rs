//! A copy of the sources with every seeded bug in it, each behind its switch.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Bug, Place, SWITCH};

/// What a workspace holds that its builds need.
const PARTS: [&str; 7] = ["Cargo.toml", "Cargo.lock", "crdt", "transport", "sim", "node", "tests"];
/// The crate that bugs are put into, and its root.
const CRATE: &str = "crdt";
const ROOT: &str = "crdt/src/lib.rs";

/// Why a bug cannot be put into the sources.
#[derive(Debug, thiserror::Error)]
pub enum InstrumentError {
    /// Its text is not there once.
    #[error(
        "bug `{name}`: its text occurs {found} times in {file}; the sources changed, so take the text from them anew"
    )]
    Text {
        /// The bug.
        name: String,
        /// Its file.
        file: PathBuf,
        /// How often its text occurs there.
        found: usize,
    },
    /// It shares text with another.
    #[error("bugs `{0}` and `{1}` replace the same text; drop one, or choose smaller texts")]
    Overlap(String, String),
    /// Its file is not one of the product's core.
    #[error("bug `{0}`: bugs are put into files below {CRATE}/src only")]
    Elsewhere(String),
    /// A file could not be read or written.
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
}

/// Writes the copy; files that are the same already are left alone, so that a build begins where the last one ended.
/// Gives the BLAKE3 hash of what was built from.
///
/// # Errors
/// [`InstrumentError`].
pub fn copy(workspace: &Path, bugs: &[&Bug], to: &Path) -> Result<[u8; 32], InstrumentError> {
    if let Some(bug) = bugs.iter().find(|bug| !bug.file.starts_with(Path::new(CRATE).join("src"))) {
        return Err(InstrumentError::Elsewhere(bug.name.clone()));
    }
    let mut sources = BTreeMap::new();
    for part in PARTS {
        read_below(workspace, Path::new(part), &mut sources)?;
    }
    let mut of_file: BTreeMap<&Path, Vec<&Bug>> = BTreeMap::new();
    for bug in bugs {
        of_file.entry(&bug.file).or_default().push(bug);
    }
    for (file, bugs) in of_file {
        let bytes = sources.entry(file.to_path_buf()).or_default();
        *bytes = with_bugs(&String::from_utf8_lossy(bytes), &bugs)?.into_bytes();
    }
    sources.entry(ROOT.into()).or_default().extend_from_slice(switch().as_bytes());
    let mut hasher = blake3::Hasher::new();
    for (file, bytes) in &sources {
        hasher.update(file.as_os_str().as_encoded_bytes());
        hasher.update(blake3::hash(bytes).as_bytes());
        write_changed(&to.join(file), bytes)?;
    }
    Ok(*hasher.finalize().as_bytes())
}

fn switch() -> String {
    format!(
        "\npub(crate) fn seeded(name: &str) -> bool {{\n    \
         static CHOSEN: std::sync::LazyLock<Option<String>> = std::sync::LazyLock::new(|| std::env::var(\"{SWITCH}\").ok());\n    \
         CHOSEN.as_deref() == Some(name)\n}}\n"
    )
}

/// The text of a file with bugs put into it.
///
/// # Errors
/// [`InstrumentError`] if the text of one is not there once, or two overlap.
pub fn with_bugs(text: &str, bugs: &[&Bug]) -> Result<String, InstrumentError> {
    let mut places = Vec::new();
    for bug in bugs {
        let mut found = text.match_indices(bug.old.trim_end_matches('\n'));
        match (found.next(), found.count()) {
            (Some((at, old)), 0) => places.push((at, old, *bug)),
            (first, more) => {
                let found = more + usize::from(first.is_some());
                return Err(InstrumentError::Text { name: bug.name.clone(), file: bug.file.clone(), found });
            }
        }
    }
    places.sort_by_key(|(at, ..)| *at);
    let (mut out, mut done, mut last) = (String::new(), 0, "");
    for (at, old, bug) in places {
        let before = text.get(done..at).ok_or_else(|| InstrumentError::Overlap(last.to_owned(), bug.name.clone()))?;
        let new = bug.new.trim_end_matches('\n');
        let switched = format!("if crate::seeded(\"{}\") {{ {new} }} else {{ {old} }}", bug.name);
        out += before;
        out += &match bug.kind {
            Place::Expression => format!("({{ {switched} }})"),
            Place::Statements => format!("{{ {switched} }}"),
        };
        (done, last) = (at + old.len(), &bug.name);
    }
    Ok(out + text.get(done..).unwrap_or_default())
}

fn read_below(root: &Path, part: &Path, into: &mut BTreeMap<PathBuf, Vec<u8>>) -> Result<(), InstrumentError> {
    let path = root.join(part);
    let failed = |error| InstrumentError::Io(path.clone(), error);
    if !path.is_dir() {
        into.insert(part.to_path_buf(), fs::read(&path).map_err(failed)?);
        return Ok(());
    }
    for entry in fs::read_dir(&path).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if name != "target" && !name.as_encoded_bytes().starts_with(b".") {
            read_below(root, &part.join(name), into)?;
        }
    }
    Ok(())
}

fn write_changed(path: &Path, bytes: &[u8]) -> Result<(), InstrumentError> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let failed = |error| InstrumentError::Io(path.to_path_buf(), error);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    fs::write(path, bytes).map_err(failed)
}
