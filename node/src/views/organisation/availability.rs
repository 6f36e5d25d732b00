//! Who is out with which unit (巡查单元), and what they have to do already: whom a dispatcher can send.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use townmesh_crdt::domain::books::{BookKind, Shift};
use townmesh_crdt::domain::case::OrderStatus;
use townmesh_crdt::domain::key::normalise;

use super::super::books::BookFilter;
use super::super::query::Query;
use super::super::reader::{QueryError, Reader};
use super::Units;
use super::staffing::Person;

/// Somebody who is on duty with a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct CrewMember {
    /// Their code.
    pub member: String,
    /// Their name, as the town knows it.
    pub name: Option<String>,
    /// The team on whose behalf they are out: that of the shift, else their own.
    pub team: Option<String>,
    /// Their work phone.
    pub phone: Option<String>,
    /// When the shift ends, in milliseconds since 1970.
    pub until_ms: Option<i64>,
}

/// Who is out with a unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Crew {
    /// Who is on duty with it.
    pub members: Vec<CrewMember>,
    /// Open orders that name one of them.
    pub open_orders: u64,
    /// Open orders to their teams that name nobody yet.
    pub team_orders: u64,
}

/// Open orders, by the person or the team whose turn it is, in the one spelling of their codes.
#[derive(Default)]
struct OpenOrders {
    of_person: BTreeMap<String, u64>,
    of_team: BTreeMap<String, u64>,
}

impl Reader {
    /// The crews that are on duty at a time, in milliseconds since 1970, by the id of their unit's node.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn crews(&self, now_ms: i64, units: &Units) -> Result<BTreeMap<String, Crew>, QueryError> {
        self.at_once(|| {
            let about = BookFilter {
                from_ms: Some(now_ms),
                until_ms: Some(now_ms.saturating_add(1)),
                ..BookFilter::of(BookKind::Shift)
            };
            let mut out: Vec<(String, Shift)> = vec![];
            self.each_typed(&about, |shift: Shift| {
                let unit = shift.unit.as_deref().and_then(|unit| units.get(&normalise(unit)));
                let has_left = shift.left.is_some_and(|left| left.0 <= now_ms);
                if let Some(unit) = unit.filter(|_| shift.covers(now_ms) && !has_left) {
                    out.push((unit.clone(), shift));
                }
            })?;
            // Of nobody nothing else is looked up: every open case asks.
            if out.is_empty() {
                return Ok(BTreeMap::new());
            }
            let (staff, orders) = (self.staff()?, self.open_orders()?);
            let mut crews: BTreeMap<String, Crew> = BTreeMap::new();
            for (unit, shift) in &out {
                let Some(member) = shift.on_duty() else { continue };
                let member = crew_member(shift, member, staff.get(&normalise(member)));
                crews.entry(unit.clone()).or_default().members.push(member);
            }
            crews.values_mut().for_each(|crew| orders.count(crew));
            Ok(crews)
        })
    }

    fn open_orders(&self) -> Result<OpenOrders, QueryError> {
        let mut query = Query::default();
        let open = [OrderStatus::Sent, OrderStatus::Acknowledged, OrderStatus::ReportedIn];
        query.one_of("status", open.iter().map(ToString::to_string).collect());
        let mut orders = OpenOrders::default();
        let rows = query.all(&self.connection, "team, person FROM dispatch_order", "", |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?))
        })?;
        for (team, person) in rows {
            let count = match person {
                Some(person) => orders.of_person.entry(normalise(&person)),
                None => orders.of_team.entry(normalise(&team)),
            };
            *count.or_default() += 1;
        }
        Ok(orders)
    }
}

impl OpenOrders {
    fn count(&self, crew: &mut Crew) {
        let members: BTreeSet<String> = crew.members.iter().map(|one| normalise(&one.member)).collect();
        let teams: BTreeSet<String> =
            crew.members.iter().filter_map(|one| Some(normalise(one.team.as_ref()?))).collect();
        crew.open_orders = members.iter().filter_map(|member| self.of_person.get(member)).sum();
        crew.team_orders = teams.iter().filter_map(|team| self.of_team.get(team)).sum();
    }
}

fn crew_member(shift: &Shift, member: &str, person: Option<&Person>) -> CrewMember {
    CrewMember {
        member: person.map_or_else(|| member.to_owned(), |person| person.code.clone()),
        name: person.and_then(|person| person.name.clone()),
        team: shift.team.clone().or_else(|| person.and_then(|person| person.team.clone())),
        phone: person.and_then(|person| person.phone.clone()),
        until_ms: shift.end.map(|end| end.0),
    }
}
