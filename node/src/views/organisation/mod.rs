//! How the town is organised, and how that goes: who fills which post and came to which shift, how far campaigns are, who was
//! called by which plan, which cases have to be told higher up.

mod campaigns;
mod command;
mod escalation;
mod staffing;

pub use campaigns::{CampaignProgress, Comparison, MustCount, WorkPlace, WorklistFilter};
pub use command::{CallStep, Callee, ResponseState, StepState};
pub use escalation::{Escalated, EscalationFilter};
pub use staffing::{Attendance, PostStaffing, Staffing, StaffingFilter};

use serde::de::DeserializeOwned;
use townmesh_crdt::domain::books::BookKind;

use super::books::BookFilter;
use super::reader::{QueryError, Reader};

/// Most entries of a book that are gone through for one answer.
const MAX_ENTRIES: u32 = 200_000;

impl Reader {
    /// Entries of a book as their type, those that stand; what a newer version wrote and this one cannot read is left out.
    fn typed<T: DeserializeOwned>(&self, filter: &BookFilter) -> Result<Vec<T>, QueryError> {
        let rows = self.book_entries(filter, MAX_ENTRIES, true)?;
        let typed = rows.into_iter().filter_map(|row| {
            let mut columns = row.columns;
            columns.retain(|name, _| !name.starts_with("person_"));
            serde_json::from_value(columns.into()).ok()
        });
        Ok(typed.collect())
    }

    /// The entry with this code.
    fn by_code<T: DeserializeOwned>(&self, book: BookKind, code: &str) -> Result<Option<T>, QueryError> {
        let filter = BookFilter { says: vec![("code", code.to_owned())], retired: true, ..BookFilter::of(book) };
        Ok(self.typed(&filter)?.into_iter().next())
    }
}
