//! Reads ledgers: rows from any format, checked, grouped, handed over one household at a time.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek};
use std::ops::ControlFlow;
use std::path::Path;

use super::column::{Column, Layout, Mapping};
use super::error::LedgerError;
use super::household_rows::{Grouping, fill};
use super::limits::Limits;
use super::problem::{Problem, ProblemKind};
use super::regions::RegionTable;
use super::row::{Above, Rules};
use super::source::RawRow;
use super::{Format, Ledger, LedgerHousehold, RejectedRow, Summary, csv_rows, jsonl, xlsx};

/// Rows at the top among which the header is searched; real ledgers begin with titles.
const HEADER_WITHIN: u64 = 20;
/// Rows between two reports of progress.
const PROGRESS_EVERY: u64 = 1_000;

/// Takes what is read, in the order of the file. [`ControlFlow::Break`] stops the reading.
pub trait Visitor {
    /// A household whose adjacent rows are complete.
    fn household(&mut self, household: LedgerHousehold) -> ControlFlow<()>;

    /// A row that is wrong.
    fn rejected(&mut self, row: RejectedRow) -> ControlFlow<()>;

    /// So many rows have been read; called every thousand rows and at the end.
    fn progress(&mut self, rows: u64) {
        let _ = rows;
    }
}

/// What ledgers are read with.
#[derive(Debug, Clone)]
pub struct Reading<'a> {
    /// The regions that there are.
    pub regions: &'a RegionTable,
    /// How headers are understood.
    pub mapping: Mapping,
    /// The format; told from the content where it is not known.
    pub format: Option<Format>,
    /// The sheet of a workbook; the first with rows where none is named.
    pub sheet: Option<String>,
    /// What reading may cost.
    pub limits: Limits,
}

impl<'a> Reading<'a> {
    /// The default reading with these regions.
    pub fn new(regions: &'a RegionTable) -> Self {
        Self { regions, mapping: Mapping::default(), format: None, sheet: None, limits: Limits::default() }
    }

    /// Reads a file household by household.
    ///
    /// # Errors
    /// When the file as a whole cannot be read; rows that are wrong go to the visitor.
    pub fn each_in_path(&self, path: &Path, visitor: &mut dyn Visitor) -> Result<Summary, LedgerError> {
        self.each(BufReader::new(File::open(path)?), visitor)
    }

    /// Reads a whole file into memory.
    ///
    /// # Errors
    /// When the file as a whole cannot be read; rows that are wrong are in the ledger.
    pub fn path(&self, path: &Path) -> Result<Ledger, LedgerError> {
        let mut collected = Collected::default();
        let summary = self.each_in_path(path, &mut collected)?;
        Ok(collected.ledger(summary))
    }

    /// Reads a whole ledger from bytes, such as an uploaded file.
    ///
    /// # Errors
    /// As [`Self::path`].
    pub fn bytes(&self, bytes: &[u8]) -> Result<Ledger, LedgerError> {
        let mut collected = Collected::default();
        let summary = self.each(Cursor::new(bytes), &mut collected)?;
        Ok(collected.ledger(summary))
    }

    /// Reads a ledger household by household. Households whose rows are not adjacent come in several parts, all but
    /// the first with [`LedgerHousehold::continues`].
    ///
    /// # Errors
    /// As [`Self::each_in_path`].
    pub fn each(&self, mut file: impl Read + Seek, visitor: &mut dyn Visitor) -> Result<Summary, LedgerError> {
        let bytes = file.seek(std::io::SeekFrom::End(0))?;
        file.rewind()?;
        if bytes == 0 {
            return Err(LedgerError::Empty);
        }
        if bytes > self.limits.file_bytes {
            return Err(LedgerError::FileTooLarge { bytes, limit: self.limits.file_bytes });
        }
        let format = match Format::of_content(&mut file)? {
            Format::Xlsx => Format::Xlsx,
            // CSV and JSON lines are both text: there the caller knows better.
            text @ (Format::Csv | Format::JsonLines) => {
                self.format.filter(|format| *format != Format::Xlsx).unwrap_or(text)
            }
        };
        if self.sheet.is_some() && format != Format::Xlsx {
            return Err(LedgerError::NoSheets);
        }
        let mut table = Table::new(self, visitor, format);
        let mut sink = |row| table.row(row);
        let mut sheets = xlsx::Sheets::default();
        let encoding = match format {
            Format::Csv => Some(csv_rows::each_row(&mut file, &self.limits, &mut sink)?),
            Format::JsonLines => Some(jsonl::each_row(&mut file, &self.mapping, &mut sink)?),
            Format::Xlsx => {
                sheets = xlsx::each_row(file, self.sheet.as_deref(), &self.limits, &mut sink)?;
                None
            }
        };
        let mut summary = table.finish()?;
        summary.encoding = encoding.map(|encoding| encoding.name().to_owned());
        (summary.sheet, summary.sheets_left_out) = (sheets.read, sheets.left_out);
        Ok(summary)
    }
}

/// The state between rows.
struct Table<'a> {
    reading: &'a Reading<'a>,
    visitor: &'a mut dyn Visitor,
    format: Format,
    layout: Option<Layout>,
    /// The header row that lacked least, for the error when none was complete.
    closest: Option<(Vec<Column>, Vec<String>)>,
    above: Above,
    grouping: Grouping,
    summary: Summary,
}

impl<'a> Table<'a> {
    fn new(reading: &'a Reading<'a>, visitor: &'a mut dyn Visitor, format: Format) -> Self {
        let layout = (format == Format::JsonLines).then(Layout::of_fields);
        let summary = Summary { format, ..Summary::default() };
        Self {
            reading,
            visitor,
            format,
            layout,
            closest: None,
            above: Above::default(),
            grouping: Grouping::default(),
            summary,
        }
    }

    fn row(&mut self, row: RawRow) -> Result<(), LedgerError> {
        if row.number > self.reading.limits.rows {
            return Err(LedgerError::TooManyRows { limit: self.reading.limits.rows });
        }
        let is_remark =
            row.cells.iter().find(|cell| !cell.trim().is_empty()).is_some_and(|cell| cell.trim().starts_with('#'));
        if row.is_blank() || (is_remark && self.format != Format::JsonLines) {
            return Ok(());
        }
        let Some(layout) = self.layout.take() else { return self.header(row) };
        let result = self.content(row, &layout);
        self.layout = Some(layout);
        result
    }

    fn header(&mut self, row: RawRow) -> Result<(), LedgerError> {
        match Layout::of(&row.cells, &self.reading.mapping)? {
            Ok(layout) => {
                self.summary.ignored_columns = layout.ignored();
                self.summary.header = layout.header.clone();
                self.layout = Some(layout);
                return Ok(());
            }
            Err(missing) => {
                if self.closest.as_ref().is_none_or(|(least, _)| missing.len() < least.len()) {
                    self.closest = Some((missing, row.cells));
                }
            }
        }
        if row.number >= HEADER_WITHIN { Err(self.no_header()) } else { Ok(()) }
    }

    fn no_header(&mut self) -> LedgerError {
        let Some((missing, found)) = self.closest.take() else { return LedgerError::Empty };
        let missing: Vec<_> =
            missing.into_iter().map(|column| format!("{}({})", column.header(), column.field())).collect();
        let found: Vec<_> = found
            .iter()
            .filter(|text| !text.trim().is_empty())
            .take(30)
            .map(|text| super::problem::excerpt(text))
            .collect();
        LedgerError::MissingColumns { missing: missing.join("、"), found: found.join("、") }
    }

    fn content(&mut self, row: RawRow, layout: &Layout) -> Result<(), LedgerError> {
        for key in &row.unknown {
            let ignored = &mut self.summary.ignored_columns;
            if ignored.len() < self.reading.limits.columns && !ignored.contains(key) {
                ignored.push(key.clone());
            }
        }
        self.summary.rows += 1;
        if self.summary.rows.is_multiple_of(PROGRESS_EVERY) {
            self.visitor.progress(self.summary.rows);
        }
        let rules = Rules {
            layout,
            mapping: &self.reading.mapping,
            regions: self.reading.regions,
            limits: &self.reading.limits,
            inherits: self.format != Format::JsonLines,
        };
        let named = |(column, kind): (Column, ProblemKind)| Problem::new(layout.header_of(column), kind);
        let outcome = rules.check(&row, &mut self.above).and_then(|checked| {
            let has_resident = checked.resident.is_some();
            let complete = self.grouping.add(&row, checked);
            complete
                .map(|complete| (complete, has_resident))
                .map_err(|problems| problems.into_iter().map(named).collect())
        });
        match outcome {
            Ok((complete, has_resident)) => {
                self.summary.residents += u64::from(has_resident);
                self.hand_over(complete)
            }
            Err(problems) => {
                self.summary.rejected += 1;
                let rejected = RejectedRow { row: row.number, cells: row.cells, original: row.original, problems };
                flow(self.visitor.rejected(rejected))
            }
        }
    }

    fn hand_over(&mut self, complete: Option<LedgerHousehold>) -> Result<(), LedgerError> {
        let Some(complete) = complete else { return Ok(()) };
        self.summary.households += u64::from(!complete.continues);
        flow(self.visitor.household(complete))
    }

    fn finish(mut self) -> Result<Summary, LedgerError> {
        if self.layout.is_none() {
            return Err(self.no_header());
        }
        let last = self.grouping.finish();
        self.hand_over(last)?;
        if self.format == Format::JsonLines && self.summary.rows == 0 {
            return Err(LedgerError::Empty);
        }
        self.visitor.progress(self.summary.rows);
        Ok(self.summary)
    }
}

fn flow(flow: ControlFlow<()>) -> Result<(), LedgerError> {
    if flow.is_break() { Err(LedgerError::Stopped) } else { Ok(()) }
}

/// Everything in memory, the parts of a household put together.
#[derive(Default)]
struct Collected {
    households: Vec<LedgerHousehold>,
    places: HashMap<Vec<u8>, usize>,
    rejected: Vec<RejectedRow>,
}

impl Collected {
    fn ledger(self, summary: Summary) -> Ledger {
        Ledger { households: self.households, rejected: self.rejected, summary }
    }
}

impl Visitor for Collected {
    fn household(&mut self, part: LedgerHousehold) -> ControlFlow<()> {
        let key = part.household.natural_key().unwrap_or_default();
        let place = *self.places.entry(key).or_insert(self.households.len());
        match self.households.get_mut(place) {
            Some(first) => {
                fill(&mut first.household, part.household);
                first.residents.extend(part.residents);
                first.rows.extend(part.rows);
            }
            None => self.households.push(part),
        }
        ControlFlow::Continue(())
    }

    fn rejected(&mut self, row: RejectedRow) -> ControlFlow<()> {
        self.rejected.push(row);
        ControlFlow::Continue(())
    }
}
