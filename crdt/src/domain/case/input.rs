//! What people may say in a case; see [`crate::domain::input`]. How long it may be is checked with the event itself.

use super::action::{
    Action, Assignment, Conveying, LimitClock, Means, ReopenCause, Report, Satisfaction, Severity, Source,
};
use crate::clock::{MAX_AHEAD, Millis};
use crate::domain::input::{Fault, InputError, line, lines, time, word, words};

type Checked = Result<(), InputError>;

impl Report {
    /// Checks what somebody entered.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn check_input(&self) -> Result<(), InputError> {
        word("source", Some(self.source), Source::ALL)?;
        self.category.iter().try_for_each(|category| line("category", category))?;
        self.device.iter().try_for_each(|device| line("device", device))?;
        // Where the place is on the map, words may be missing.
        if self.position.is_some() { lines("place", &self.place) } else { words("place", &self.place) }?;
        words("description", &self.description)
    }

    /// Checks against the clock what somebody enters now, in milliseconds since 1970: nobody has found what lies ahead. Clocks
    /// that differ by [`MAX_AHEAD`] are borne with.
    ///
    /// # Errors
    /// `found_ms` lies ahead.
    pub fn check_found(&self, now: Millis) -> Result<(), InputError> {
        let is_past = self.found_ms.is_none_or(|found| found <= now.saturating_add(MAX_AHEAD));
        if is_past { Ok(()) } else { Err(InputError::new("found_ms", Fault::Ahead)) }
    }
}

impl Conveying {
    /// Checks what somebody entered.
    fn check_input(&self) -> Checked {
        word("means", Some(self.means), Means::ALL)?;
        line("speaker", &self.speaker)?;
        line("to", &self.to)?;
        time("at_ms", i64::try_from(self.at_ms).unwrap_or(i64::MAX))?;
        let Some(said) = &self.words else { return Ok(()) };
        if !self.read_back {
            let (chinese, english) = ("read_back 为 true；没有复述则不写 words", "read_back: true, or leave words out");
            return Err(InputError::new("words", Fault::Form { chinese, english }));
        }
        words("words", said)
    }
}

impl Action {
    /// Checks what somebody entered: reasons, questions, demands and results say something.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn check_input(&self) -> Result<(), InputError> {
        match self {
            Self::Report(report) => report.check_input().map_err(|error| error.within("report")),
            Self::AskCheck { question } => words("question", question),
            Self::File { category, severity, clock, .. } => {
                line("category", category)?;
                word("severity", Some(*severity), Severity::ALL)?;
                word("clock", Some(*clock), LimitClock::ALL)
            }
            Self::Callback { satisfaction, .. } => word("satisfaction", Some(*satisfaction), Satisfaction::ALL),
            Self::Reopen { cause } => word("cause", Some(*cause), ReopenCause::ALL),
            Self::Dispatch { orders, .. } => assignments("orders", orders),
            Self::Whistle { callers, called } => {
                callers.iter().try_for_each(|caller| line("callers", caller))?;
                assignments("called", called)
            }
            Self::Refuse { reason }
            | Self::RequestReturn { reason, .. }
            | Self::RequestExtension { reason, .. }
            | Self::RequestSuspension { reason }
            | Self::RequestVoid { reason }
            | Self::Decline { reason, .. } => words("reason", reason),
            Self::OrderDone { result, .. } | Self::HandleOnSpot { result, .. } => words("result", result),
            Self::LeadClose { team, summary } => {
                line("team", team)?;
                lines("summary", summary)
            }
            Self::Supervise { demand, .. } => words("demand", demand),
            Self::Reply { answer, .. } => words("answer", answer),
            Self::Comment { text } => words("text", text),
            Self::Convey { conveying, .. } => conveying.check_input().map_err(|error| error.within("conveying")),
            Self::Assign { person, .. } => line("person", person),
            // What was found, and whether it passed, says enough.
            Self::AnswerCheck { answer, .. } => lines("answer", answer),
            Self::Verify { finding, .. } => lines("finding", finding),
            Self::Accept
            | Self::Merge { .. }
            | Self::Acknowledge { .. }
            | Self::ReportIn { .. }
            | Self::Approve { .. }
            | Self::Resume
            | Self::Close
            | Self::Audit { .. }
            | Self::Settle { .. }
            | Self::Unknown(_) => Ok(()),
        }
    }
}

fn assignments(field: &str, orders: &[Assignment]) -> Checked {
    orders.iter().enumerate().try_for_each(|(place, order)| {
        let checked = line("team", &order.team).and_then(|()| lines("task", &order.task));
        checked.map_err(|error| error.within(&format!("{field}[{place}]")))
    })
}
