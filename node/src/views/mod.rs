//! Views: the town as SQLite tables, for lists, filters, full text and the map.
//!
//! They are derived: [`Views`] takes in what the feed names and notes how far it read (the watermark) in the same
//! transaction, so the file can be deleted at any time and is made anew from the log. Any SQL tool can open it; the
//! tables stand in `schema.rs`. [`Reader`] is the way to read it from this program: every value bound, every list
//! bounded, names and numbers of people masked unless the caller says `reveal`.
//!
//! What is kept per document: typed columns and child rows, no JSON copy of it. A household's JSON is composed from
//! its rows when one is shown (three look-ups by key), which keeps the file at a fraction of the size and an import at
//! a fraction of the work. Only of cases, deep and few, the folded rest is kept as JSON.
//!
//! An erased person's name leaves the tables with the document's next reading, but its trigrams may stay in the text
//! index and in free pages: after an erasure call [`Views::rebuild`].

mod analysis;
mod assessment;
mod book_duplicates;
mod books;
mod case_list;
mod case_waits;
mod cases;
mod changes;
mod conflicts;
mod devices;
mod door_tags;
mod dwellings;
mod features;
mod grid_list;
mod households;
mod moves;
mod organisation;
mod query;
mod reader;
mod requests;
mod schema;
mod scores;
mod similar;
#[cfg(test)]
mod tests;
mod town;
mod tracks;
mod writer;

use std::path::PathBuf;

pub(crate) use analysis::MAX_PERIODS;
pub use analysis::{
    Age, Cause, CauseGrouping, HandlingForm, HazardCounts, HazardGroup, HazardGrouping, HazardKind, HazardStatistics,
    HazardStatisticsFilter, HotSpot, HotSpotFilter, HotSpots, HoursOfWeek, Hundredths, Month, Offence, Offender,
    OffenderKind, Offenders, OffendersFilter, Peak, PlaceKind, Population, PopulationFilter, Proposal, Proposals,
    ProposalsFilter, Recurrence, RecurrenceFilter, RecurrenceGroup, RecurringCase, RegionPopulation, Share, SpotCounts,
    SpotSource, Square, Stay, Subject, SuggestedForm, Trend, TrendFilter, TrendGrouping, TrendPoint, TrendSeries,
    TrendStep,
};
pub use analysis::{
    Area, ContradictionFilter, Contradictions, CrowdedDoor, Fit, Gap, Gaps, GridFit, GridPlan, GridProposal,
    GridProposalFilter, IntervalFilter, IntervalGroup, IntervalGrouping, Overlap, ProposedGrid, ProposedProperties,
    Rental, RentalFault, SeenBy, Spread, StrangeVehicle, Uncovered, UnknownPeople,
};
pub use assessment::{
    Assessment, AssessmentFilter, Before, Counts, Figure, GroupAssessment, GroupBy, Moments, Percent, Rates,
};
pub use book_duplicates::{AlikeBy, AlikeEntries, BookDuplicates};
pub use books::{BookFilter, BookRow};
pub use case_list::{CaseFilter, CaseSort, DeskCases, SortOrder};
pub use case_waits::CaseWait;
pub use cases::{CaseDetail, CaseEventRow, CaseRow, OrderFilter, OrderRow};
pub use changes::{Change, ChangeCursor, ChangeFilter, ChangeKind, Changes, CursorError};
pub use conflicts::{ConflictFilter, ConflictPlace, ConflictRow, SettledRow};
pub use devices::{AlarmFilter, DeviceEventFilter, DeviceEventRow, DeviceFilter, DeviceRow};
pub use door_tags::{DoorTagDetail, DoorTagFilter, DoorTagRow, HouseholdBehind, MAX_DOORS, TagState};
pub use dwellings::{DwellingDetail, DwellingFilter, DwellingRow};
pub use features::{Collection, DEFAULT_FEATURES, Feature, FeatureFilter, Geometry, MAX_FEATURES, Properties};
pub use grid_list::{GridFilter, GridRow};
pub use households::{
    HazardFilter, HazardRow, HouseholdDetail, HouseholdFilter, HouseholdRow, InspectionFilter, InspectionRow,
    MAX_INSPECTIONS, ResidentRow,
};
pub use moves::{MoveFilter, MoveRow, MoveStepRow, PersonSide, SamePersonRow};
pub use organisation::{
    Attendance, CallStep, Callee, CampaignProgress, CommandMode, CommandState, Comparison, Crew, CrewMember, DeskLoad,
    Escalated, EscalationFilter, MustCount, OpenMessage, PostStaffing, ResponseState, Staffing, StaffingFilter,
    StateCount, StepState, Units, WorkPlace, WorklistFilter,
};
pub use query::{BoundingBox, DEFAULT_LIMIT, Listed, MAX_LIMIT, Page};
pub use reader::{QueryError, Reader};
pub use requests::{RequestFilter, RequestRow};
pub use schema::Start;
pub use scores::{PartScore, Score, ScoreBefore, ScoreFilter, Scores, ShareSide};
pub use similar::{Alike, Likeness, SimilarCase, SuspectedDuplicate};
pub use town::{MemberRow, NamedCodes, RegionCount, RegionRow, TeamRow};
pub use tracks::{
    CoordinateProperties, Coverage, CoverageFilter, DEFAULT_TRACKS, GridCoverage, MAX_TRACKS, TrackFilter, TrackRow,
    line,
};
pub use writer::{SHOWN, Views};

/// Why the views cannot be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The file cannot be created.
    #[error("the view file {path} cannot be created: {source}; check that its directory exists and may be written")]
    Create {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// SQLite cannot open the file, though it is not damaged.
    #[error(
        "the view file {path} cannot be opened: {source}; check its permissions, free space, and what else uses it"
    )]
    Open {
        /// Which file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The old file cannot be removed.
    #[error(
        "the view file {path} cannot be removed: {source}; remove it by hand, it holds nothing that the log does not"
    )]
    Remove {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file turned out to be damaged and was started anew: the watermark is 0 again, go on from there.
    #[error("the view file {path} was damaged ({reason}) and was started anew; the views are made again from the log")]
    Rebuilt {
        /// Which file.
        path: PathBuf,
        /// What was wrong with it.
        reason: String,
    },
    /// The rows were not written; the file is as it was before.
    #[error("the view file {path} does not take the rows: {source}; check free space, then try again")]
    Write {
        /// Which file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}
