//! Plans that went wrong once, or that find a seeded bug, kept as files: each is lived through again with every change.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::plan::Plan;

/// A plan in a file, with why it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// What it found: a rule that was broken, and in which product or by which seeded bug.
    pub why: String,
    /// The seeded bug that it finds, by its name in `sim/bugs`; none where the product itself was wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bug: Option<String>,
    /// What happens.
    pub plan: Plan,
}

/// A file that holds no plan.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {what}; give a file that `townmesh-sim run --keep` wrote")]
pub struct KeptError {
    file: String,
    what: String,
}

impl Kept {
    /// Reads a file.
    ///
    /// # Errors
    /// [`KeptError`] with line and column where it is not one.
    pub fn read(file: &Path) -> Result<Self, KeptError> {
        let failed = |what: String| KeptError { file: file.display().to_string(), what };
        let text = std::fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
        serde_json::from_str(&text).map_err(|error| failed(error.to_string()))
    }

    /// Writes it, a step on each line, so that a difference can be read.
    ///
    /// # Errors
    /// [`KeptError`] if the file cannot be written.
    pub fn write(&self, file: &Path) -> Result<(), KeptError> {
        let failed = |what: String| KeptError { file: file.display().to_string(), what };
        let text = serde_json::to_string_pretty(self).map_err(|error| failed(error.to_string()))?;
        std::fs::write(file, text + "\n").map_err(|error| failed(error.to_string()))
    }
}

/// The files of a directory that hold plans, in the order of their names; none if there is no such directory.
///
/// # Errors
/// [`KeptError`] if it cannot be read.
pub fn kept_in(directory: &Path) -> Result<Vec<PathBuf>, KeptError> {
    let failed = |error: std::io::Error| KeptError { file: directory.display().to_string(), what: error.to_string() };
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(failed(error)),
    };
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>().map_err(failed)?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Options;

    #[test]
    fn a_kept_plan_is_read_back_and_a_wrong_file_is_told_with_its_line() {
        let directory = std::env::temp_dir().join(format!("townmesh-kept-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("one.json");
        let plan = Plan::draw(Options { hours: 2, nodes: 5, ..Options::default() });
        let kept = Kept { why: "a test".into(), bug: None, plan };
        kept.write(&file).unwrap();
        assert_eq!(Kept::read(&file).unwrap(), kept);
        assert_eq!(kept_in(&directory).unwrap(), std::slice::from_ref(&file));
        assert!(kept_in(&directory.join("nowhere")).unwrap().is_empty());
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replacen("\"nodes\": 5", "\"nodes\": five", 1)).unwrap();
        let error = Kept::read(&file).unwrap_err().to_string();
        assert!(error.contains("one.json") && error.contains("line ") && error.contains("--keep"), "{error}");
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
