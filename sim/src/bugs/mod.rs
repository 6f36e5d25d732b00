//! Seeded bugs: small wrong changes to the product, each of which the simulator or a test must find.
//!
//! A list names the text that a bug replaces and what it puts there ([`Bug`]). [`instrument`] makes a copy of the
//! sources that holds all of them at once, each behind a switch that is read when a process starts, so that one build
//! serves for all; [`hunt`] runs it with one bug after the other. The product's own sources hold no switches.

pub mod campaign;
pub mod hunt;
pub mod instrument;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The variable that names the bug of a process.
pub const SWITCH: &str = "TOWNMESH_SEEDED_BUG";

/// One small wrong change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bug {
    /// Says what is wrong.
    pub name: String,
    /// Rows of FAULTS.md whose promise it breaks.
    pub rows: Vec<u8>,
    /// The file, from the workspace's root.
    pub file: PathBuf,
    /// What it stands in the place of.
    pub kind: Place,
    /// The text that it replaces, once in its file.
    pub old: String,
    /// What stands there instead.
    pub new: String,
    /// What somebody would lose by it.
    pub why: String,
}

/// What a bug stands in the place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// A whole expression.
    Expression,
    /// Whole statements that bind nothing used after them.
    Statements,
}

/// The bugs of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// The list's name.
    pub name: String,
    /// What it holds, in its order.
    pub bugs: Vec<Bug>,
}

/// What is wrong with a list of bugs, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {what}")]
pub struct ListError {
    file: String,
    what: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    bug: Vec<Bug>,
}

impl List {
    /// Reads a list.
    ///
    /// # Errors
    /// [`ListError`] with the place, if it is not one.
    pub fn parse(file: &Path, text: &str) -> Result<Self, ListError> {
        let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let failed = |what: String| ListError { file: file.display().to_string(), what };
        let listed: Listed = toml::from_str(text).map_err(|error| failed(error.to_string()))?;
        for bug in &listed.bug {
            let said = !bug.rows.is_empty() && !bug.why.is_empty() && bug.old != bug.new;
            if !said || bug.name.is_empty() || !bug.name.bytes().all(is_of_name) {
                let what = format!(
                    "`{}`: a bug needs a name of small letters, digits and hyphens, rows, a reason, and another text",
                    bug.name
                );
                return Err(failed(what));
            }
        }
        Ok(Self { name, bugs: listed.bug })
    }

    /// Reads all lists of a directory, in the order of their names.
    ///
    /// # Errors
    /// [`ListError`] if there is none, one is wrong, or two bugs have one name.
    pub fn read_all(directory: &Path) -> Result<Vec<Self>, ListError> {
        let failed = |file: &Path, what: String| ListError { file: file.display().to_string(), what };
        let entries = std::fs::read_dir(directory).map_err(|error| failed(directory, error.to_string()))?;
        let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
        files.sort();
        let read = |file: &PathBuf| {
            let text = std::fs::read_to_string(file).map_err(|error| failed(file, error.to_string()))?;
            Self::parse(file, &text)
        };
        let lists: Vec<Self> = files.iter().map(read).collect::<Result<_, _>>()?;
        let mut names = BTreeSet::new();
        let twice = lists.iter().flat_map(|list| &list.bugs).find(|bug| !names.insert(&bug.name));
        match twice {
            Some(bug) => Err(failed(directory, format!("two bugs are called `{}`; rename one", bug.name))),
            None if lists.is_empty() => Err(failed(directory, "it holds no list, that is no file *.toml".into())),
            None => Ok(lists),
        }
    }
}

fn is_of_name(byte: u8) -> bool {
    byte == b'-' || byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// How many bugs break the promise of each row.
pub fn by_row<'a>(bugs: impl IntoIterator<Item = &'a Bug>) -> BTreeMap<u8, usize> {
    let mut rows = BTreeMap::new();
    for row in bugs.into_iter().flat_map(|bug| &bug.rows) {
        *rows.entry(*row).or_default() += 1;
    }
    rows
}

#[cfg(test)]
mod tests;
