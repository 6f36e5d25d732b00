//! The command center at a glance: peace or emergency, which responses are open, what lies on each desk.

use std::collections::BTreeMap;

use rusqlite::types::Value;
use serde::Serialize;
use townmesh_crdt::domain::books::{BookKind, CommandLevel, Response};
use townmesh_crdt::domain::case::{CaseState, Severity, Source};
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::tables::{DeskRow, Tables};

use super::super::books::BookFilter;
use super::super::query::{Query, word};
use super::super::reader::{QueryError, Reader};
use super::command::is_closed;

/// How the town is commanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CommandMode {
    /// 平时: day by day.
    Peace,
    /// 战时: a response is open that emergency command leads.
    Emergency,
}

/// So many cases of a desk are in one state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct StateCount {
    /// The state.
    pub state: CaseState,
    /// How many.
    pub count: u64,
}

/// What lies on a desk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct DeskLoad {
    /// Its code.
    pub code: String,
    /// What it is called.
    pub chinese: Option<String>,
    /// In English.
    pub english: Option<String>,
    /// The team that sits there: its code.
    pub team: Option<String>,
    /// The phone on it.
    pub phone: Option<String>,
    /// Open cases that lie on it.
    pub open: u64,
    /// The same by state, in the order of the life cycle; states without a case are left out.
    pub states: Vec<StateCount>,
    /// Of these, soon past their deadline.
    pub yellow: u64,
    /// Past it.
    pub red: u64,
    /// With a supervision that waits for its reply.
    pub supervised: u64,
    /// Of these, whose reply should have come.
    pub replies_late: u64,
    /// Open cases in which something waits for somebody to decide or to answer.
    pub waiting: u64,
}

/// The command center at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct CommandState {
    /// Peace or emergency.
    pub mode: CommandMode,
    /// Since when it is an emergency, in milliseconds since 1970.
    pub since_ms: Option<i64>,
    /// The responses that are open, the first one first.
    pub responses: Vec<Response>,
    /// The desks, that which takes a case before others first.
    pub desks: Vec<DeskLoad>,
    /// Open cases that the town's table puts on no desk.
    pub elsewhere: u64,
}

/// Open cases that are alike in what desks look at.
struct Pile {
    source: Option<Source>,
    severity: Option<Severity>,
    state: Option<CaseState>,
    counts: [u64; 6],
}

impl Reader {
    /// The command center of a region, or of the town, at a moment in milliseconds since 1970.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn command(
        &self,
        region: Option<RegionCode>,
        now_ms: i64,
        tables: &Tables,
    ) -> Result<CommandState, QueryError> {
        self.at_once(|| {
            let mut responses: Vec<Response> = self.typed(&BookFilter::of(BookKind::Response))?;
            let concerns = |response: &Response| match (response.region, region) {
                (Some(at), Some(of)) => at.is_within(of) || of.is_within(at),
                (Some(_) | None, Some(_) | None) => true,
            };
            let has_begun = |response: &Response| response.opened.is_none_or(|opened| opened.0 <= now_ms);
            responses.retain(|response| !is_closed(response) && has_begun(response) && concerns(response));
            responses.sort_by(|one, other| one.opened.cmp(&other.opened).then(one.code.cmp(&other.code)));
            let emergency = responses.iter().find(|response| response.level == Some(CommandLevel::Emergency));
            let mode = if emergency.is_some() { CommandMode::Emergency } else { CommandMode::Peace };
            let since_ms = emergency.and_then(|response| response.opened).map(|opened| opened.0);
            let piles = self.piles(region, now_ms)?;
            let (desks, elsewhere) = loads(tables.desks(), &piles);
            Ok(CommandState { mode, since_ms, responses, desks, elsewhere })
        })
    }

    fn piles(&self, region: Option<RegionCode>, now_ms: i64) -> Result<Vec<Pile>, QueryError> {
        let mut query = Query::default();
        // A literal, so that SQLite sees that the index of open cases holds them all.
        query.and::<Value>("c.open = 1", []);
        query.region("c.region", region);
        let runs = "COALESCE(c.handled_ms, c.closed_ms) IS NULL";
        let select = format!(
            "c.source, c.severity, c.state, count(*) AS open, \
             COALESCE(sum({runs} AND c.yellow_ms <= {now_ms} AND c.due_ms >= {now_ms}), 0) AS yellow, \
             COALESCE(sum({runs} AND c.due_ms < {now_ms}), 0) AS red, sum(c.supervised) AS supervised, \
             COALESCE(sum(c.reply_due_ms < {now_ms}), 0) AS late, sum(c.waits IS NOT NULL) AS waiting FROM case_file c INDEXED BY case_file_open_reported"
        );
        query.all(&self.connection, &select, "GROUP BY c.source, c.severity, c.state", |row| {
            let count = |column: &str| row.get::<_, i64>(column).map(i64::cast_unsigned);
            Ok(Pile {
                source: word(row, "source")?,
                severity: word(row, "severity")?,
                state: word(row, "state")?,
                counts: [
                    count("open")?,
                    count("yellow")?,
                    count("red")?,
                    count("supervised")?,
                    count("late")?,
                    count("waiting")?,
                ],
            })
        })
    }
}

/// What lies on each desk, and on none.
fn loads(desks: Vec<DeskRow>, piles: &[Pile]) -> (Vec<DeskLoad>, u64) {
    let mut elsewhere = 0;
    let mut lying: BTreeMap<usize, Vec<&Pile>> = BTreeMap::new();
    for pile in piles {
        match desks.iter().position(|desk| desk.takes(pile.source, pile.severity)) {
            Some(place) => lying.entry(place).or_default().push(pile),
            None => elsewhere += pile.counts[0],
        }
    }
    let loads =
        desks.into_iter().enumerate().map(|(place, desk)| load(desk, lying.get(&place).map_or(&[], Vec::as_slice)));
    (loads.collect(), elsewhere)
}

fn load(desk: DeskRow, piles: &[&Pile]) -> DeskLoad {
    let [open, yellow, red, supervised, replies_late, waiting] =
        piles.iter().fold([0; 6], |sums, pile| std::array::from_fn(|at| sums[at] + pile.counts[at]));
    let of_state = |state: &CaseState| {
        let count = piles.iter().filter(|pile| pile.state == Some(*state)).map(|pile| pile.counts[0]).sum();
        Some(StateCount { state: *state, count }).filter(|one| one.count > 0)
    };
    DeskLoad {
        code: desk.code.unwrap_or_default(),
        chinese: desk.chinese,
        english: desk.english,
        team: desk.team,
        phone: desk.phone,
        open,
        states: CaseState::ALL.iter().filter_map(of_state).collect(),
        yellow,
        red,
        supervised,
        replies_late,
        waiting,
    }
}
