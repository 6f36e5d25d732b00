//! Who was shown personal data, when and why: a file that is only ever appended to, and synced before anything is shown.
//!
//! The log of the program can be filtered, rotated and lost; this must not depend on it. The file belongs to the node
//! alone (mode 0600), since reasons and the ids of documents tell of people, too.
//!
//! # Format
//!
//! JSON lines, each a [`Reveal`] of at most [`MAX_LINE`] bytes. A power cut can leave a last line without its end; what
//! follows begins on a new line, and readers pass over what is no reveal.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use townmesh_crdt::clock::Millis;
use townmesh_crdt::command::UTC_OFFSET_MINUTES;
use townmesh_crdt::domain::date::Day;

use crate::data_dir::FileError;
use crate::message::{Explain, Message};
use crate::views::{DEFAULT_LIMIT, MAX_LIMIT, Page, QueryError};

/// Longest reason in characters: a sentence.
pub const MAX_REASON: usize = 200;
/// Longest name of a user in characters.
pub const MAX_USER: usize = 64;
/// Longest line in bytes: the ids of the longest page of a list, and everything else.
pub const MAX_LINE: usize = 32 << 10;

/// What was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RevealKind {
    /// One household.
    Household,
    /// One dwelling: whom it belongs to.
    Dwelling,
    /// One case: who reported it.
    Case,
    /// An evidence pack of a case: who reported it, and its photos.
    Evidence,
    /// An entry of a book.
    Entry,
    /// Where a unit was on a day.
    Track,
    /// A page of households, or of a book.
    List,
    /// A page of conflicts.
    Conflicts,
    /// A photo.
    Photo,
    /// A file of households, of a list or of a book.
    Export,
    /// Everything.
    Dump,
}

/// Somebody was shown personal data in clear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Reveal {
    /// When, in milliseconds since 1970.
    pub time_ms: Millis,
    /// What was shown.
    pub kind: RevealKind,
    /// Why, in the words of who asked.
    pub reason: String,
    /// Where the request came from; `None` where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// Who asked, as the program that asked says; nobody checks that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Documents that were shown, or the hash of the photo.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<String>,
    /// How many, where that was known before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

/// Why nothing is shown.
#[derive(Debug, thiserror::Error)]
#[error("personal data is shown only after that was noted, and it could not be noted: {0}")]
pub struct RevealError(#[from] FileError);

impl Explain for RevealError {
    fn explain(&self) -> Message {
        let zh = format!("查看个人信息须先留痕，而记录未能写入 {}", self.0.path.display());
        Message::new("reveal_not_noted", zh, self.to_string()).remedy(
            "检查磁盘空间和权限后重试",
            "check the disk's free space and the file's permissions, then try again",
        )
    }
}

/// The file of a node.
#[derive(Debug)]
pub struct Reveals {
    path: PathBuf,
    /// One line at a time.
    writing: Mutex<()>,
}

/// A page of what was shown, the newest last.
#[derive(Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct RevealPage {
    /// Reveals in the order in which they were noted.
    pub rows: Vec<Reveal>,
    /// Where the next page begins, for [`Page::after`]; `None` at the end.
    pub next: Option<String>,
    /// Whole lines that were passed over because they are no reveals: remains of power cuts, or of somebody's hand.
    pub damaged: usize,
}

impl Reveals {
    /// The file at a path; it comes to be with the first reveal.
    pub fn new(path: PathBuf) -> Self {
        Self { path, writing: Mutex::default() }
    }

    /// Notes a reveal. It is durable when this returns, and only then may anything be shown.
    ///
    /// # Errors
    /// [`RevealError`]; nothing may be shown then.
    pub fn note(&self, reveal: &Reveal) -> Result<(), RevealError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(append(&self.path, reveal).map_err(FileError::at(&self.path))?)
    }

    /// What was shown from a day on.
    ///
    /// # Errors
    /// [`PageError`].
    pub fn page(&self, since: Option<Day>, page: &Page) -> Result<RevealPage, PageError> {
        read(&self.path, since, page)
    }
}

/// Why a page cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// No page begins there.
    #[error(transparent)]
    Cursor(#[from] QueryError),
}

impl Explain for PageError {
    fn explain(&self) -> Message {
        match self {
            Self::File(error) => error.explain(),
            Self::Cursor(error) => error.explain(),
        }
    }
}

fn append(path: &Path, reveal: &Reveal) -> io::Result<()> {
    let mut line = serde_json::to_vec(reveal)?;
    line.push(b'\n');
    if line.len() > MAX_LINE {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("the note has more than {MAX_LINE} bytes")));
    }
    let is_new = !path.exists();
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    if !ends_its_line(&mut file)? {
        line.insert(0, b'\n');
    }
    file.write_all(&line)?;
    file.sync_all()?;
    match path.parent() {
        Some(parent) if is_new && !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        Some(_) | None => Ok(()),
    }
}

/// False if a power cut, or a full disk, took the end of the last line.
fn ends_its_line(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn read(path: &Path, since: Option<Day>, page: &Page) -> Result<RevealPage, PageError> {
    let failed = || FileError::at(path);
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(RevealPage { rows: vec![], next: None, damaged: 0 });
        }
        opened => opened.map_err(failed())?,
    };
    let mut at = match &page.after {
        Some(cursor) => begin(&mut file, cursor)?.ok_or(QueryError::Cursor)?,
        None => 0,
    };
    file.seek(SeekFrom::Start(at)).map_err(failed())?;
    let limit = page.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT) as usize;
    let (mut lines, mut rows, mut damaged) = (BufReader::new(file), vec![], 0);
    while let Some((line, length)) = next_line(&mut lines).map_err(failed())? {
        let is_whole = line.ends_with(b"\n");
        match serde_json::from_slice::<Reveal>(&line) {
            Ok(reveal) if since.is_some_and(|since| day_of(&reveal) < since) => {}
            Ok(_) if rows.len() == limit => {
                return Ok(RevealPage { rows, next: Some(at.to_string()), damaged });
            }
            Ok(reveal) => rows.push(reveal),
            // The empty line before what follows a torn one; one that is being written.
            Err(_) => damaged += usize::from(is_whole && line != b"\n"),
        }
        at += length;
    }
    Ok(RevealPage { rows, next: None, damaged })
}

fn day_of(reveal: &Reveal) -> Day {
    Day::of_time(i64::try_from(reveal.time_ms).unwrap_or(i64::MAX), UTC_OFFSET_MINUTES)
}

/// Where a page begins: at the beginning of a line. The file only grows, so that it stays there.
fn begin(file: &mut File, cursor: &str) -> Result<Option<u64>, PageError> {
    let Some(at) = cursor.parse::<u64>().ok().and_then(|at| Some((at, at.checked_sub(1)?))) else { return Ok(None) };
    let mut before = [0];
    let found = file.seek(SeekFrom::Start(at.1)).and_then(|_| file.read_exact(&mut before));
    Ok(found.is_ok().then_some(at.0).filter(|_| before == *b"\n"))
}

/// The next line, of an overlong one its beginning, with how many bytes it takes; `None` at the end.
fn next_line(lines: &mut BufReader<File>) -> io::Result<Option<(Vec<u8>, u64)>> {
    let mut line = Vec::new();
    let mut length = lines.by_ref().take(MAX_LINE as u64).read_until(b'\n', &mut line)? as u64;
    if length == 0 {
        return Ok(None);
    }
    while !line.ends_with(b"\n") {
        let mut rest = Vec::new();
        match lines.by_ref().take(MAX_LINE as u64).read_until(b'\n', &mut rest)? as u64 {
            0 => break,
            more => length += more,
        }
        if rest.ends_with(b"\n") {
            line.push(b'\n');
        }
    }
    Ok(Some((line, length)))
}

#[cfg(test)]
mod tests;
