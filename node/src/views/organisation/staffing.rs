//! Posts and who fills them, shifts and who came, and how far they went.
//!
//! Kilometres are those of the unit that a shift names, while its member was on duty: the great-circle distances between the
//! points that are kept of its track, added up, without what lies in gaps of more than ten minutes. A crew in one vehicle
//! went as far as it, each of them. Only the centers and the unit itself read a track; where none of a member's shifts can
//! be told so, nothing is said, which is not 0.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::types::Value;
use serde::Serialize;
use townmesh_crdt::domain::books::{BookKind, Shift};
use townmesh_crdt::domain::key::normalise;
use townmesh_crdt::domain::region::{RegionCode, RegionLevel};
use townmesh_crdt::domain::tables::{PostRow, Tables};

use super::super::books::BookFilter;
use super::super::query::Query;
use super::super::reader::{QueryError, Reader};

const MINUTE_MS: i64 = 60_000;

/// Of when and where.
#[derive(Debug, Clone, Copy)]
pub struct StaffingFilter {
    /// Shifts that begin from here on, in milliseconds since 1970.
    pub from_ms: i64,
    /// Shifts that begin before, in milliseconds since 1970.
    pub until_ms: i64,
    /// What has ended by then should have been attended, in milliseconds since 1970.
    pub now_ms: i64,
    /// In this region or within it.
    pub region: Option<RegionCode>,
}

/// A post: how many people it takes, and has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct PostStaffing {
    /// Village or community, or the town.
    pub region: String,
    /// The post.
    pub post: String,
    /// What it is held to.
    pub standard: Option<String>,
    /// How many people it takes.
    pub required: u32,
    /// Members who fill it.
    pub filled: u32,
    /// How many are missing.
    pub missing: u32,
    /// Their codes.
    pub members: Vec<String>,
}

/// One member in the period.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Attendance {
    /// Their code.
    pub member: String,
    /// Their name, as the town knows it.
    pub name: Option<String>,
    /// Their team.
    pub team: Option<String>,
    /// Their post.
    pub post: Option<String>,
    /// Shifts that have begun.
    pub shifts: u32,
    /// Of them, those to which they came.
    pub attended: u32,
    /// Shifts that ended and to which nobody came.
    pub missed: u32,
    /// Shifts to which they came after the beginning.
    pub late: u32,
    /// Minutes by which they were late, in all.
    pub late_minutes: i64,
    /// Shifts that they left before the end.
    pub left_early: u32,
    /// Minutes on duty as planned, of shifts that ended.
    pub planned_minutes: i64,
    /// Minutes on duty.
    pub minutes: i64,
    /// Of the shifts to which they came, those whose unit left a track that can be read here.
    pub tracked_shifts: u32,
    /// Metres that they went in these; null where there is none: not known.
    pub metres: Option<u64>,
    /// Orders that they reported done in the period.
    pub orders: u64,
    /// Of them, minutes from the order to its end, in the middle.
    pub order_minutes: Option<i64>,
}

/// Posts and people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Staffing {
    /// Posts, by region and name.
    pub posts: Vec<PostStaffing>,
    /// Posts of members that the table of posts does not have.
    pub undefined: Vec<String>,
    /// People who had a shift or did an order, by code.
    pub people: Vec<Attendance>,
}

/// Which node is meant by the name or id of a unit, in its one spelling. A name that several have means none.
pub type Units = BTreeMap<String, String>;

/// Somebody on duty with a unit.
struct Patrol {
    member: String,
    unit: String,
    from_ms: i64,
    until_ms: i64,
}

/// What the town knows of a member.
pub(super) struct Person {
    pub(super) code: String,
    pub(super) name: Option<String>,
    pub(super) team: Option<String>,
    region: Option<RegionCode>,
    post: Option<String>,
    pub(super) phone: Option<String>,
}

impl Reader {
    /// Who fills which post, and who came to which shift.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn staffing(&self, filter: &StaffingFilter, tables: &Tables, units: &Units) -> Result<Staffing, QueryError> {
        self.at_once(|| {
            let members = self.staff()?;
            let mut posts: Vec<PostStaffing> =
                tables.typed::<PostRow>().filter_map(|row| post(row, filter.region, &members)).collect();
            posts.sort_by(|one, other| (&one.region, &one.post).cmp(&(&other.region, &other.post)));
            let undefined = undefined(filter.region, &members, tables);
            Ok(Staffing { posts, undefined, people: self.attendance(filter, &members, units)? })
        })
    }

    /// Members who have not left, by their code in its one spelling.
    pub(super) fn staff(&self) -> Result<BTreeMap<String, Person>, QueryError> {
        let mut query = Query::default();
        query.and::<Value>("retired = 0", []);
        let rows = query.all(&self.connection, "code, name, team, region, post, phone FROM member", "", |row| {
            let (code, region): (String, Option<String>) = (row.get(0)?, row.get(3)?);
            let region = region.and_then(|region| region.parse().ok());
            let key = normalise(&code);
            let (name, team, post, phone) = (row.get(1)?, row.get(2)?, row.get(4)?, row.get(5)?);
            Ok((key, Person { code, name, team, region, post, phone }))
        })?;
        Ok(rows.into_iter().collect())
    }

    fn attendance(
        &self,
        filter: &StaffingFilter,
        members: &BTreeMap<String, Person>,
        units: &Units,
    ) -> Result<Vec<Attendance>, QueryError> {
        let begins = BookFilter {
            region: None,
            from_ms: Some(filter.from_ms),
            until_ms: Some(filter.until_ms),
            ..BookFilter::of(BookKind::Shift)
        };
        let (mut people, mut patrols): (BTreeMap<String, Attendance>, Vec<Patrol>) = Default::default();
        // The list has those, too, that began before and go on.
        let period = filter.from_ms..filter.until_ms.min(filter.now_ms);
        self.each_typed(&begins, |shift: Shift| {
            let Some(member) = shift.on_duty().map(normalise) else { return };
            let begun = shift.start.map_or(0, |start| start.0);
            if period.contains(&begun) && is_in(filter, &shift, members.get(&member)) {
                patrols.extend(patrol(&shift, &member, filter.now_ms));
                people.entry(member).or_default().add(&shift, filter.now_ms);
            }
        })?;
        for Patrol { member, unit, from_ms, until_ms } in patrols {
            let Some(node) = units.get(&unit) else { continue };
            let Some(metres) = self.metres_between(node, from_ms, until_ms)? else { continue };
            let person = people.entry(member).or_default();
            person.tracked_shifts += 1;
            person.metres = Some(person.metres.unwrap_or(0).saturating_add(metres));
        }
        for (member, minutes) in self.orders_done(filter)? {
            let person = people.entry(normalise(&member)).or_default();
            person.orders = minutes.len() as u64;
            person.order_minutes = middle(minutes);
        }
        let named = people.into_iter().map(|(member, attendance)| {
            let known = members.get(&member);
            Attendance {
                name: known.and_then(|one| one.name.clone()),
                team: known.and_then(|one| one.team.clone()),
                post: known.and_then(|one| one.post.clone()),
                member: known.map_or(member, |one| one.code.clone()),
                ..attendance
            }
        });
        Ok(named.collect())
    }

    /// Minutes that each order took that somebody reported done in the period.
    fn orders_done(&self, filter: &StaffingFilter) -> Result<BTreeMap<String, Vec<i64>>, QueryError> {
        let mut query = Query::default();
        query.region("c.region", filter.region);
        query.between("o.done_ms", Some(filter.from_ms), Some(filter.until_ms));
        query.and::<Value>("o.done_by IS NOT NULL", []);
        let select = "o.done_by, o.done_ms - o.sent_ms FROM dispatch_order o JOIN case_file c ON c.row = o.row";
        let mut done: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for (member, took) in query.all(&self.connection, select, "", |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))? {
            done.entry(member).or_default().push(took.max(0) / MINUTE_MS);
        }
        Ok(done)
    }
}

fn is_in(filter: &StaffingFilter, shift: &Shift, member: Option<&Person>) -> bool {
    let Some(region) = filter.region else { return true };
    shift.region.or(member.and_then(|member| member.region)).is_some_and(|at| at.is_within(region))
}

fn post(row: PostRow, region: Option<RegionCode>, members: &BTreeMap<String, Person>) -> Option<PostStaffing> {
    let (at, post, required) = (row.region?, row.post?, row.required?);
    if region.is_some_and(|region| !at.is_within(region)) {
        return None;
    }
    let code = at.to_string();
    let fills = |person: &&Person| person.post.as_deref() == Some(post.as_str()) && works_at(person, at);
    let members: Vec<String> = members.values().filter(fills).map(|person| person.code.clone()).collect();
    let filled = u32::try_from(members.len()).unwrap_or(u32::MAX);
    Some(PostStaffing {
        region: code,
        standard: row.standard,
        required,
        filled,
        missing: required.saturating_sub(filled),
        members,
        post,
    })
}

/// Whether somebody works for a region. Of whom no region is said, they work for the town.
fn works_at(person: &Person, at: RegionCode) -> bool {
    match person.region {
        Some(region) => region == at,
        None => at.level() != RegionLevel::Village,
    }
}

/// Posts of members for which the table has no row where they work.
fn undefined(region: Option<RegionCode>, members: &BTreeMap<String, Person>, tables: &Tables) -> Vec<String> {
    let posts: Vec<(RegionCode, String)> =
        tables.typed::<PostRow>().filter_map(|row| Some((row.region?, row.post?))).collect();
    let is_asked =
        |person: &&Person| region.is_none_or(|region| person.region.is_some_and(|own| own.is_within(region)));
    let lacking = members.values().filter(is_asked).filter_map(|person| {
        let post = person.post.clone()?;
        let is_defined = posts.iter().any(|(at, name)| *name == post && works_at(person, *at));
        (!is_defined).then_some(post)
    });
    lacking.collect::<BTreeSet<String>>().into_iter().collect()
}

/// When somebody was on duty in a shift that has begun: what lies around it is not of it, and who did not say that they
/// went is taken to have stayed until the end. Nothing of a shift to which nobody came.
fn on_duty(shift: &Shift, now_ms: i64) -> Option<(i64, i64)> {
    let (start, end, arrived) = (shift.start?, shift.end?, shift.arrived?);
    let left = shift.left.map_or(end.0.min(now_ms), |left| left.0.min(end.0));
    Some((arrived.0.max(start.0), left))
}

fn patrol(shift: &Shift, member: &str, now_ms: i64) -> Option<Patrol> {
    let (from_ms, until_ms) = on_duty(shift, now_ms)?;
    Some(Patrol { member: member.to_owned(), unit: normalise(shift.unit.as_deref()?), from_ms, until_ms })
}

impl Attendance {
    /// Counts a shift that has begun.
    fn add(&mut self, shift: &Shift, now_ms: i64) {
        let (Some(start), Some(end)) = (shift.start, shift.end) else { return };
        let has_ended = end.0 <= now_ms;
        self.shifts += 1;
        self.planned_minutes += if has_ended { end.0.saturating_sub(start.0) / MINUTE_MS } else { 0 };
        let Some(arrived) = shift.arrived else {
            self.missed += u32::from(has_ended);
            return;
        };
        self.attended += 1;
        self.late += u32::from(arrived > start);
        self.late_minutes += arrived.0.saturating_sub(start.0).max(0) / MINUTE_MS;
        self.left_early += u32::from(shift.left.is_some_and(|left| left < end));
        let minutes = on_duty(shift, now_ms).map_or(0, |(from, until)| until.saturating_sub(from).max(0) / MINUTE_MS);
        self.minutes += minutes;
    }
}

/// The one in the middle.
fn middle(mut numbers: Vec<i64>) -> Option<i64> {
    numbers.sort_unstable();
    numbers.get(numbers.len() / 2).copied()
}
