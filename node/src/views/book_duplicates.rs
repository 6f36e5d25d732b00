//! Entries of a book that seem to be one thing: an enterprise under one credit code or one name in several villages, a vehicle
//! under one plate in several.
//!
//! They are offered, not merged: whoever knows retires the entry that is none, and reinstates it where that was wrong. What
//! names the retired entry is still read.

use std::collections::BTreeMap;

use serde::Serialize;
use townmesh_crdt::domain::books::{BookKind, canonical_plate};
use townmesh_crdt::domain::key;
use townmesh_crdt::domain::region::RegionCode;

use super::analysis::{cut, words};
use super::books::{BookFilter, BookRow};
use super::reader::{QueryError, Reader};

/// Most groups that are told.
const MOST: usize = 200;

words! {
    /// By what entries seem to be one.
    pub enum AlikeBy {
        /// Unified social credit code.
        CreditCode = "credit_code": "统一社会信用代码相同", "same credit code";
        /// Name.
        Name = "name": "名称相同", "same name";
        /// Plate.
        Plate = "plate": "车牌相同", "same plate";
    }
}

/// Entries that seem to be one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct AlikeEntries {
    /// By what.
    pub by: AlikeBy,
    /// The entries, plates and people masked.
    pub entries: Vec<BookRow>,
}

/// What of a book seems to be recorded more than once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct BookDuplicates {
    /// By what they are found by.
    pub rows: Vec<AlikeEntries>,
    /// There are more than are told.
    pub truncated: bool,
}

impl Reader {
    /// Entries of a book that seem to be one, of which one at least lies in the region. Books whose entries nothing tells apart
    /// but their key have none.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn book_duplicates(&self, book: BookKind, region: Option<RegionCode>) -> Result<BookDuplicates, QueryError> {
        self.at_once(|| {
            // By what is the same, each with the documents that have it and whether one lies in the region.
            let mut alike: BTreeMap<(&'static str, String), Vec<String>> = BTreeMap::new();
            let mut asked: BTreeMap<String, bool> = BTreeMap::new();
            self.each_entry(&BookFilter::of(book), |row| {
                let text = |column: &str| row.columns.get(column).and_then(|cell| cell.as_str()).unwrap_or_default();
                let is_asked = region.is_none_or(|region| text("region").starts_with(&region.to_string()));
                for (by, same) in sames(book, &text) {
                    alike.entry((by.name(), same)).or_default().push(row.document.clone());
                }
                asked.insert(row.document.clone(), is_asked);
            })?;
            let is_asked = |document: &String| asked.get(document).copied().unwrap_or(false);
            let mut groups: Vec<(AlikeBy, Vec<String>)> = Vec::new();
            for ((by, _), documents) in alike {
                let by = AlikeBy::ALL.iter().copied().find(|one| one.name() == by);
                if let Some(by) = by.filter(|_| documents.len() > 1 && documents.iter().any(is_asked)) {
                    // One credit code tells more than one name.
                    if !groups.iter().any(|(_, known)| *known == documents) {
                        groups.push((by, documents));
                    }
                }
            }
            let truncated = cut(&mut groups, MOST);
            let shown = |(by, documents): (AlikeBy, Vec<String>)| {
                let parsed = documents.iter().filter_map(|document| document.parse().ok());
                let entries = parsed.map(|document| self.book_entry(book, document, false));
                Ok(AlikeEntries {
                    by,
                    entries: entries.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect(),
                })
            };
            Ok(BookDuplicates { rows: groups.into_iter().map(shown).collect::<Result<_, QueryError>>()?, truncated })
        })
    }
}

/// What two entries of a book share that are one.
fn sames<'a>(book: BookKind, text: &impl Fn(&str) -> &'a str) -> Vec<(AlikeBy, String)> {
    let (credit, name, plate) = (key::normalise(text("credit_code")), key::normalise(text("name")), text("plate"));
    let all = match book {
        BookKind::Enterprise => vec![(AlikeBy::CreditCode, credit), (AlikeBy::Name, name)],
        BookKind::Vehicle => vec![(AlikeBy::Plate, canonical_plate(plate))],
        BookKind::Shift
        | BookKind::Consequence
        | BookKind::Campaign
        | BookKind::Finding
        | BookKind::Problem
        | BookKind::Response
        | BookKind::Message
        | BookKind::Unknown(_) => Vec::new(),
    };
    all.into_iter().filter(|(_, same)| !same.is_empty()).collect()
}
