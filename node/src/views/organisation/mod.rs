//! How the town is organised, and how that goes: who fills which post and came to which shift, how far campaigns are, who was
//! called by which plan, which cases have to be told higher up.

mod availability;
mod campaigns;
mod command;
mod desks;
mod escalation;
mod staffing;

pub use availability::{Crew, CrewMember};
pub use campaigns::{CampaignProgress, Comparison, MustCount, WorkPlace, WorklistFilter};
pub use command::{CallStep, Callee, OpenMessage, ResponseState, StepState};
pub use desks::{CommandMode, CommandState, DeskLoad, StateCount};
pub use escalation::{Escalated, EscalationFilter};
pub use staffing::{Attendance, PostStaffing, Staffing, StaffingFilter, Units};

use townmesh_crdt::domain::books::BookKind;
use townmesh_crdt::domain::columns::Row;

use super::books::BookFilter;
use super::reader::{QueryError, Reader};

impl Reader {
    /// Entries of a book as their type, those that stand.
    fn typed<T: Row>(&self, filter: &BookFilter) -> Result<Vec<T>, QueryError> {
        let mut all = vec![];
        self.each_typed(filter, |one: T| all.push(one))?;
        Ok(all)
    }

    /// Goes through them, where there may be more than should be held at once.
    fn each_typed<T: Row>(&self, filter: &BookFilter, mut take: impl FnMut(T)) -> Result<(), QueryError> {
        self.each_entry(filter, |row| take(T::of_fields(&row.fields(T::COLUMNS))))
    }

    /// The entry with this code, in any spelling.
    fn by_code<T: Row>(&self, book: BookKind, code: &str) -> Result<Option<T>, QueryError> {
        let filter = BookFilter { code: Some(code.to_owned()), retired: true, ..BookFilter::of(book) };
        Ok(self.typed(&filter)?.into_iter().next())
    }
}
