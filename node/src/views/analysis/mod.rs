//! Decision support (辅助决策): where and when things gather, what comes back, hazards, people, trends, and what to do about
//! it.
//!
//! Everything is counted from the tables when it is asked for, but device events: of those a year has tens of
//! millions, so that they are counted by device, day and hour when they are written (`device_hour`). Hours and days are
//! those of the town. What is the same on two nodes gives the same answer on both: ties are settled by ids of documents,
//! never by the numbers of rows, and no answer depends on the order of arrival.

mod contradictions;
mod division;
mod gaps;
mod grid_proposal;
mod grids;
mod hazards;
mod hours;
mod inspected;
mod intervals;
mod offenders;
mod places;
mod population;
mod presence;
mod proposals;
mod recurrence;
mod spots;
mod square;
mod trend;

use townmesh_crdt::domain::region::RegionCode;

use super::query::Query;
use super::reader::{QueryError, Reader};

pub use contradictions::{ContradictionFilter, Contradictions, Rental, RentalFault, StrangeVehicle, UnknownPeople};
pub use gaps::{Gap, Gaps};
pub use grid_proposal::{Area, GridProposal, GridProposalFilter, ProposedGrid, ProposedProperties};
pub(super) use grids::hectares;
pub use grids::{Fit, GridFit, GridPlan, Overlap, Uncovered};
pub use hazards::{
    HazardCounts, HazardGroup, HazardGrouping, HazardKind, HazardStatistics, HazardStatisticsFilter, Hundredths,
};
pub(super) use hours::HourOfWeek;
pub use hours::HoursOfWeek;
pub(super) use hours::{DAY_MS, Span, begin_of_day};
pub use intervals::{IntervalFilter, IntervalGroup, IntervalGrouping, Spread};
pub use offenders::{Offence, Offender, OffenderKind, Offenders, OffendersFilter};
pub use places::{PlaceKind, Subject};
pub use population::{Age, Month, Population, PopulationFilter, RegionPopulation, Share, Stay};
pub use presence::{CrowdedDoor, SeenBy};
pub use proposals::{HandlingForm, Proposal, Proposals, ProposalsFilter, SuggestedForm};
pub use recurrence::{Cause, CauseGrouping, Recurrence, RecurrenceFilter, RecurrenceGroup, RecurringCase};
pub use spots::{HotSpot, HotSpotFilter, HotSpots, Peak, SpotCounts, SpotSource};
pub use square::Square;
pub(crate) use trend::MAX_PERIODS;
pub use trend::{Trend, TrendFilter, TrendGrouping, TrendPoint, TrendSeries, TrendStep};

/// Rows of an answer where the caller names no number.
const DEFAULT_ROWS: u32 = 20;
/// Most rows of an answer.
const MAX_ROWS: u32 = 500;

/// Cases that name a problem: neither turned down, nor the double of another, nor declared void.
const PROBLEM: &str = "c.state NOT IN ('refused', 'linked', 'invalid', 'void')";

/// Whether a case `c` that names a problem, and of which this is true, was made of the hazard `z`.
fn has_case(condition: &'static str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM document hc JOIN case_file c ON c.row = hc.row \
         WHERE hc.document = z.case_document AND {PROBLEM} AND {condition})"
    )
}

/// How many rows an answer has.
fn rows(limit: Option<u32>) -> usize {
    limit.unwrap_or(DEFAULT_ROWS).clamp(1, MAX_ROWS) as usize
}

impl Reader {
    /// Whether a region is one of the table of regions, or holds one. Where there is no table yet, any may be.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn knows_region(&self, region: RegionCode) -> Result<bool, QueryError> {
        let mut query = Query::default();
        query.region("g.code", Some(region));
        let any = |query: Query| {
            let found = query.all(&self.connection, "1 FROM region g", "LIMIT 1", |_| Ok(()));
            found.map(|rows| !rows.is_empty())
        };
        Ok(any(query)? || !any(Query::default())?)
    }
}

/// Keeps the first rows; whether there were more.
pub(super) fn cut<T>(rows: &mut Vec<T>, limit: usize) -> bool {
    let truncated = rows.len() > limit;
    rows.truncate(limit);
    truncated
}

/// Words that queries and answers name things by, with what they are called.
macro_rules! words {
    ($(#[$doc:meta])* pub enum $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $key:literal: $zh:literal, $en:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $key)] $variant,)* }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                let text = utoipa::openapi::schema::ObjectBuilder::new().schema_type(utoipa::openapi::schema::Type::String);
                text.enum_values(Some([$($key),*])).description(Some(concat!($($key, ": ", $zh, " / ", $en, "; "),*))).into()
            }
        }

        impl utoipa::ToSchema for $name {}

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// As JSON and queries name it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $key,)* }
            }

            /// In Chinese and in English.
            pub fn words(self) -> [&'static str; 2] {
                match self { $(Self::$variant => [$zh, $en],)* }
            }
        }
    };
}
pub(super) use words;
