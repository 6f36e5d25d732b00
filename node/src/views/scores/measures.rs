//! What each part of a score measures, as one condition on cases: shares are counted and the cases behind them listed by
//! the same words of SQL.

use std::collections::BTreeMap;

use rusqlite::Row;
use rusqlite::types::Value;
use serde::{Deserialize, Serialize};
use townmesh_crdt::domain::tables::{ScorePart, ScoreRole};

use super::super::assessment::Figure;
use super::super::cases::{CASE, CASES, CaseRow, case_row};
use super::super::query::{Listed, Order, Page, Query};
use super::super::reader::{QueryError, Reader};
use super::{ScoreFilter, Share};

/// Which side of a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShareSide {
    /// What counts.
    Got,
    /// Of how much.
    Of,
}

/// What a part measures. `c` is a case; `?1` to `?4` are as in a [`Figure`].
pub(super) struct Measure {
    pub(super) part: ScorePart,
    from: &'static str,
    /// Whose work it is.
    subject: &'static str,
    /// The time by which it belongs to a period.
    time: &'static str,
    /// What else must hold.
    base: &'static str,
    got: Counted,
    /// `None` of volume, which is of whoever did most.
    of: Option<Counted>,
}

/// What is counted: the condition, and how much each row counts.
struct Counted {
    condition: &'static str,
    weight: &'static str,
}

/// Orders that somebody sent or did.
const ORDERS: &str = "dispatch_order o JOIN case_file c ON c.row = o.row";
/// One row for each case and team whose order stands.
const OF_TEAMS: &str = "case_file c JOIN dispatch_order o ON o.row = c.row AND o.place = (SELECT MIN(p.place) \
    FROM dispatch_order p WHERE p.row = c.row AND p.team = o.team AND p.status NOT IN ('returned', 'called_off'))";
/// One row for each case and person who did an order that stands.
const OF_HANDLERS: &str = "case_file c JOIN dispatch_order o ON o.row = c.row AND o.place = (SELECT MIN(p.place) \
    FROM dispatch_order p WHERE p.row = c.row AND p.done_by = o.done_by AND p.status NOT IN ('returned', 'called_off'))";
/// What desks did with cases, by who did it.
const STAGES: &str = "case_stage s JOIN case_file c ON c.row = s.row";
const IN_TIME: &str = "s.due_ms IS NULL OR s.ended_ms <= s.due_ms";
const FILED: &str = "c.filed_ms";
const REPORTED: &str = "c.reported_ms";

const fn each(condition: &'static str) -> Counted {
    Counted { condition, weight: "1" }
}

fn figure(figure: Figure) -> Counted {
    each(figure.condition())
}

/// A part of a desk: what it ended, of that in time.
fn desk(part: ScorePart, base: &'static str, time: &'static str) -> Measure {
    Measure { part, from: STAGES, subject: "s.person", time, base, got: each(IN_TIME), of: Some(each("1")) }
}

impl Measure {
    /// The parts that are known of a role.
    pub(super) fn of_role(role: ScoreRole, by_person: bool) -> Vec<Self> {
        match role {
            ScoreRole::Handler => handling(by_person),
            ScoreRole::Inspector => inspecting(),
            ScoreRole::Dispatcher => dispatching(),
            ScoreRole::DutyHead => duty(),
            ScoreRole::Unknown(_) => vec![],
        }
    }
}

/// Orders by the team that has them, or by who did them.
fn handling(by_person: bool) -> Vec<Measure> {
    let (subject, standing) = if by_person { ("o.done_by", OF_HANDLERS) } else { ("o.team", OF_TEAMS) };
    let of_cases = |part, got, of| Measure { part, from: standing, subject, time: FILED, base: "1", got, of: Some(of) };
    let done = each("1");
    let passed = Counted { condition: "c.verifications > c.rework", weight: "c.verifications - c.rework" };
    let verified = Counted { condition: "c.verifications > 0", weight: "c.verifications" };
    vec![
        Measure {
            part: ScorePart::Volume,
            from: ORDERS,
            subject,
            time: "o.done_ms",
            base: "o.status = 'done'",
            got: done,
            of: None,
        },
        of_cases(ScorePart::Closing, figure(Figure::Closed), figure(Figure::Due)),
        of_cases(ScorePart::OnTimeClosing, figure(Figure::ClosedInTime), figure(Figure::Due)),
        of_cases(ScorePart::NoRework, passed, verified),
    ]
}

/// Reports, checks and verifications by the inspector; and by village what the public found first there.
fn inspecting() -> Vec<Measure> {
    let found = Counted { condition: "c.source <> 'public'", weight: "1" };
    vec![
        Measure {
            part: ScorePart::ValidReports,
            from: "case_file c",
            subject: "c.reported_by",
            time: REPORTED,
            base: "c.source = 'patrol'",
            got: figure(Figure::ValidReports),
            of: Some(figure(Figure::Reports)),
        },
        desk(ScorePart::OnTimeCheck, "s.stage = 'check' AND s.ended_ms IS NOT NULL", REPORTED),
        desk(ScorePart::OnTimeVerification, "s.stage = 'verification' AND s.ended_ms IS NOT NULL", FILED),
        Measure {
            part: ScorePart::NotMissed,
            from: "case_file c",
            subject: "c.region",
            time: FILED,
            base: "1",
            got: found,
            of: Some(figure(Figure::Filed)),
        },
    ]
}

/// Dispatches and their orders by the dispatcher.
fn dispatching() -> Vec<Measure> {
    let orders = |part, time, got, of| Measure {
        part,
        from: ORDERS,
        subject: "o.sent_by",
        time,
        base: "o.kind = 'dispatch'",
        got,
        of,
    };
    vec![
        desk(ScorePart::OnTimeDispatch, "s.stage = 'dispatch' AND s.ended_ms IS NOT NULL", FILED),
        orders(ScorePart::Volume, "o.sent_ms", each("1"), None),
        orders(ScorePart::CorrectDispatch, FILED, each("o.status <> 'returned'"), Some(each("1"))),
    ]
}

/// Filings by the duty head, and what became of the cases.
fn duty() -> Vec<Measure> {
    let filed = |part, got, of| Measure {
        part,
        from: STAGES,
        subject: "s.person",
        time: FILED,
        base: "s.stage = 'filing' AND s.ended_ms = c.filed_ms",
        got,
        of: Some(of),
    };
    vec![
        desk(ScorePart::OnTimeFiling, "s.stage = 'filing' AND s.ended_ms IS NOT NULL", REPORTED),
        filed(ScorePart::CorrectFiling, each("c.state <> 'void'"), figure(Figure::Filed)),
        filed(ScorePart::OnTimeClosing, figure(Figure::ClosedInTime), figure(Figure::Due)),
    ]
}

impl Reader {
    /// What each subject has of a part.
    pub(super) fn measured(
        &self,
        filter: &ScoreFilter,
        measure: &Measure,
    ) -> Result<BTreeMap<String, Share>, QueryError> {
        let counted =
            |counted: &Counted| format!("COALESCE(SUM({}) FILTER (WHERE {}), 0)", counted.weight, counted.condition);
        let select = format!(
            "{subject} AS subject, {got} AS got, {of} AS whole FROM {from}",
            subject = measure.subject,
            got = counted(&measure.got),
            of = measure.of.as_ref().map_or_else(|| "0".to_owned(), counted),
            from = measure.from,
        );
        let read = |row: &Row<'_>| {
            let number = |name: &str| row.get::<_, i64>(name).map(i64::cast_unsigned);
            Ok((row.get::<_, Option<String>>("subject")?, Share { got: number("got")?, of: number("whole")? }))
        };
        let rows = filter.query(measure).all(&self.connection, &select, "GROUP BY subject ORDER BY subject", read)?;
        Ok(rows
            .into_iter()
            .filter_map(|(subject, share)| Some((subject.filter(|one| !one.is_empty())?, share)))
            .collect())
    }

    /// The cases behind one side of a share of a team or person, the latest report first. Behind the whole of a volume are those
    /// behind what counts. None of a part that the role does not have.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn score_cases(
        &self,
        filter: &ScoreFilter,
        (subject, part, side): (&str, ScorePart, ShareSide),
        page: &Page,
    ) -> Result<Listed<CaseRow>, QueryError> {
        let measures = Measure::of_role(filter.role, filter.by_person);
        let Some(measure) = measures.into_iter().find(|measure| measure.part == part) else {
            return Ok(Listed { rows: vec![], next: None });
        };
        let counted = match (side, &measure.of) {
            (ShareSide::Of, Some(of)) => of,
            (ShareSide::Got, _) | (ShareSide::Of, None) => &measure.got,
        };
        let mut behind = filter.query(&measure);
        if part == ScorePart::NotMissed {
            behind.and(
                "c.region = (SELECT m.region FROM member m WHERE m.code = ? ORDER BY m.retired, m.row LIMIT 1)",
                [subject.to_owned()],
            );
        } else {
            behind.equals(measure.subject, Some(subject));
        }
        behind.and::<Value>(counted.condition, []);
        let mut query = Query::default();
        // First, so that the numbered places are its own.
        query.found_by("c.row", &format!("c.row FROM {}", measure.from), behind);
        let order = Order { columns: &["c.reported_ms", "c.row"], descending: true };
        query.list(&self.connection, (CASE, CASES), &order, page, |row| case_row(row, filter.now_ms))
    }
}

impl ScoreFilter {
    /// What happened in the period by the time of a measure.
    fn query(&self, measure: &Measure) -> Query {
        let mut query = Query::default();
        let time = measure.time;
        query.and(
            &format!("({time} >= ?1 AND {time} < ?2) AND ?3 IS NOT NULL AND ?4 IS NOT NULL"),
            [self.from_ms.into(), self.until_ms.into(), self.now_ms.into(), self.known.json()],
        );
        query.region("c.region", self.region);
        query.and::<Value>(measure.base, []);
        query
    }
}
