//! Closing a common problem: how many cases there were before its measure and after it is counted here, not claimed.

use std::collections::BTreeMap;

use townmesh_crdt::command::book::EntryInput;
use townmesh_crdt::command::{UTC_OFFSET_MINUTES, table};
use townmesh_crdt::domain::books::{BookKind, Problem, ProblemState};
use townmesh_crdt::domain::columns::Row as _;
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::key;
use townmesh_crdt::domain::record::{Scalar as _, apply};
use townmesh_crdt::value::{Fields, Value};

use super::Api;
use super::columns::fields_of;
use super::error::ApiError;
use crate::message::Message;
use crate::engine::now;
use crate::views::{BookFilter, Page};

/// Days that must have gone by since the measure before anybody can say that it helped.
const LEAST_DAYS: i32 = 14;
/// Days before and after the measure that are compared, at most.
const MOST_DAYS: i32 = 90;
const DAY_MS: i64 = 86_400_000;

/// What is counted for each problem that is to be closed, by its code.
pub(super) type Figures = BTreeMap<String, Fields>;

/// Counts the cases of every problem that these entries close: those reported within as many days before its measure as went by
/// after it, and those reported since.
///
/// # Errors
/// [`ApiError`] where the measure is too fresh, or the views cannot be read.
pub(super) async fn figures(api: &Api, book: BookKind, entries: &[EntryInput]) -> Result<Figures, ApiError> {
    let mut figures = Figures::new();
    if book != BookKind::Problem {
        return Ok(figures);
    }
    for entry in entries.iter().filter(|entry| Problem::of_fields(&entry.fields).state == Some(ProblemState::Closed)) {
        let Some(code) = Problem::of_fields(&entry.fields).code else { continue };
        let problem = as_it_will_stand(api, &code, &entry.fields).await?;
        // Whoever lacks one of them is told by the check of the entry.
        let (Some(taken), Some(region), Some(category)) = (problem.taken, problem.region, problem.category) else { continue };
        let closed = problem.closed.unwrap_or_else(|| Day::of_time(now().cast_signed(), UTC_OFFSET_MINUTES));
        let days = closed.0.saturating_sub(taken.0);
        if days < LEAST_DAYS {
            let zh = format!("问题 {code}：措施落实仅 {days} 天，不足 {LEAST_DAYS} 天，无法判断是否下降");
            let en = format!("problem {code}: its measure was taken {days} days ago; after {LEAST_DAYS} days it shows whether it helped");
            return Err(ApiError::conflict(Message::new("problem_too_early", zh, en)));
        }
        let tables = api.engine().read(table::tables).await??;
        let days = i64::from(days.min(MOST_DAYS));
        let middle = i64::from(taken.0) * DAY_MS - i64::from(UTC_OFFSET_MINUTES) * 60_000;
        let counted = api.readers().query(move |reader| {
            let count = |from, until| reader.count_cases(region, &tables.within(&category), from, until);
            Ok((count(middle - days * DAY_MS, middle)?, count(middle, middle + days * DAY_MS)?))
        });
        let (before, after) = counted.await?;
        let fields = [
            (Problem::CLOSED, closed.to_value()),
            (Problem::BEFORE, Value::Int(before.cast_signed())),
            (Problem::AFTER, Value::Int(after.cast_signed())),
        ];
        figures.insert(key::normalise(&code), fields.into());
    }
    Ok(figures)
}

async fn as_it_will_stand(api: &Api, code: &str, given: &Fields) -> Result<Problem, ApiError> {
    let wanted = key::normalise(code);
    let filter = BookFilter { says: vec![("code", code.to_owned())], retired: true, ..BookFilter::of(BookKind::Problem) };
    api.views_follow().await;
    let listed = api.readers().query(move |reader| reader.book(&filter, &Page::default(), true)).await?;
    let standing = listed.rows.into_iter().find(|row| row.text("code").is_some_and(|code| key::normalise(code) == wanted));
    let mut fields = Fields::new();
    if let Some(row) = standing {
        fields = fields_of(BookKind::Problem.columns(), &row.columns).unwrap_or_default();
    }
    apply(&mut fields, given);
    Ok(Problem::of_fields(&fields))
}

/// Writes what was counted into the entries, whatever they claimed.
pub(super) fn fill(entries: &mut [EntryInput], figures: &Figures) {
    for entry in entries {
        let code = Problem::of_fields(&entry.fields).code.map(|code| key::normalise(&code));
        if let Some(counted) = code.and_then(|code| figures.get(&code)) {
            entry.fields.extend(counted.iter().map(|(number, value)| (*number, value.clone())));
        }
    }
}
