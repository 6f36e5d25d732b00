//! Closing a common problem: how many cases there were before its measure and after it is counted here, not claimed.

use std::collections::BTreeMap;

use townmesh_crdt::command::book::{self, EntryInput};
use townmesh_crdt::command::{UTC_OFFSET_MINUTES, table};
use townmesh_crdt::domain::books::{BookKind, Problem, ProblemState};
use townmesh_crdt::domain::columns::Row as _;
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::record::{Scalar as _, apply};
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::policy::{DocumentKind, may_read};
use townmesh_crdt::replica::Replica;
use townmesh_crdt::store::StoreError;
use townmesh_crdt::value::{Fields, Value};

use super::Api;
use super::error::ApiError;
use crate::engine::now;
use crate::message::Message;

/// Days that must have gone by since the measure before anybody can say that it helped.
const LEAST_DAYS: i32 = 14;
/// Days before and after the measure that are compared, at most.
const MOST_DAYS: i32 = 90;
const DAY_MS: i64 = 86_400_000;

/// What is counted for each problem that is to be closed, by its code in its one spelling.
pub(super) type Figures = BTreeMap<String, Fields>;

/// Counts the cases of every problem that will stand closed: those reported within as many days before its measure as went by
/// after it, and those reported since.
///
/// # Errors
/// [`ApiError`] where the measure is too fresh, where not all of its cases are here, or the views cannot be read.
pub(super) async fn figures(api: &Api, book: BookKind, entries: &[EntryInput]) -> Result<Figures, ApiError> {
    let mut figures = Figures::new();
    if book != BookKind::Problem {
        return Ok(figures);
    }
    let given =
        entries.iter().filter_map(|entry| Some((BookKind::Problem.entry_code(&entry.fields)?, entry.fields.clone())));
    let given: Vec<(String, Fields)> = given.collect();
    for (code, problem) in api.engine().read(move |replica| closed(replica, given)).await?? {
        if let Some(counted) = counted(api, &code, &problem).await? {
            figures.insert(code, counted);
        }
    }
    Ok(figures)
}

/// `None` where it lacks what is counted by: that is told by the check of the entry.
async fn counted(api: &Api, code: &str, problem: &Problem) -> Result<Option<Fields>, ApiError> {
    let (Some(taken), Some(region), Some(category)) = (problem.taken, problem.region, problem.category.clone()) else {
        return Ok(None);
    };
    let today = Day::of_time(now().cast_signed(), UTC_OFFSET_MINUTES);
    let closed = problem.closed.unwrap_or(today).min(today);
    let days = closed.0.saturating_sub(taken.0);
    if days < LEAST_DAYS {
        let zh = format!("问题 {code}：措施落实仅 {days} 天，不足 {LEAST_DAYS} 天，无法判断是否下降");
        let en = format!(
            "problem {code}: its measure was taken {days} days ago; after {LEAST_DAYS} days it shows whether it helped"
        );
        let message = Message::new("problem_too_early", zh, en);
        return Err(ApiError::conflict(message.remedy("先设为“观察中”，到期再销号", "let it be watched until then")));
    }
    if !api.engine().read(move |replica| holds_cases(replica, region)).await? {
        let zh = format!("问题 {code}：本节点没有 {region} 的全部案件，无法统计");
        let en = format!("problem {code}: this node does not hold all cases of {region}, so it cannot count them");
        let message = Message::new("problem_not_held", zh, en);
        return Err(ApiError::conflict(message.remedy("在指挥中心销号", "close it on a center")));
    }
    let tables = api.engine().read(table::tables).await??;
    let span = i64::from(days.min(MOST_DAYS)) * DAY_MS;
    let middle = taken.start_ms(UTC_OFFSET_MINUTES);
    let counted = api.readers().query(move |reader| {
        let categories = tables.within(&category);
        let count = |from, until| reader.count_cases(region, &categories, from, until);
        Ok((count(middle - span, middle)?, count(middle, middle + span)?))
    });
    let (before, after) = counted.await?;
    let fields = [
        (Problem::CLOSED, closed.to_value()),
        (Problem::BEFORE, Value::Int(before.cast_signed())),
        (Problem::AFTER, Value::Int(after.cast_signed())),
    ];
    Ok(Some(fields.into()))
}

/// Whether this node reads the cases of every village of a region.
fn holds_cases(replica: &mut Replica, region: RegionCode) -> bool {
    let own = &replica.certificate().scopes;
    let mut families = replica.trust().families().keys().filter(|family| {
        let named = family.strip_prefix("cases/").and_then(|code| code.parse::<RegionCode>().ok());
        named.is_some_and(|village| village.is_within(region))
    });
    families.all(|family| may_read(own, family))
}

/// The problems that will stand closed, with their codes.
fn closed(replica: &mut Replica, given: Vec<(String, Fields)>) -> Result<Vec<(String, Problem)>, StoreError> {
    let mut closed = vec![];
    for (code, given) in given {
        let problem = as_it_will_stand(replica, &given)?;
        if problem.state == Some(ProblemState::Closed) {
            closed.push((code, problem));
        }
    }
    Ok(closed)
}

/// A problem as it will stand: what is given over what is recorded under the same code, in any spelling.
fn as_it_will_stand(replica: &mut Replica, given: &Fields) -> Result<Problem, StoreError> {
    let key = BookKind::Problem.natural_key(given).unwrap_or_default();
    let document = replica.document_id(&Namespace::town(), DocumentKind::Problem, &key).ok();
    let read = |document| book::read(replica, &Namespace::town(), BookKind::Problem, document);
    let standing = document.map(read).transpose()?.flatten();
    let mut fields = standing.map(|entry| entry.fields).unwrap_or_default();
    apply(&mut fields, given);
    Ok(Problem::of_fields(&fields))
}

/// Writes what was counted into the entries, whatever they claimed.
pub(super) fn fill(entries: &mut [EntryInput], figures: &Figures) {
    for entry in entries {
        let code = BookKind::Problem.entry_code(&entry.fields);
        if let Some(counted) = code.and_then(|code| figures.get(&code)) {
            entry.fields.extend(counted.iter().map(|(number, value)| (*number, value.clone())));
        }
    }
}
