//! The table.

use std::fmt;

use serde::Serialize;

/// One line: what was measured, with which targets and which floor.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) work: String,
    pub(crate) households: usize,
    pub(crate) what: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// The most (or, for rates, the least) that is acceptable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<f64>,
    /// The physical floor (or ceiling) of the same run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) floor: Option<f64>,
    pub(crate) met: Option<bool>,
}

/// All lines.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) figures: Vec<Figure>,
}

/// Whether a figure is to stay below its target or to reach it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
    None,
}

impl Report {
    #[expect(clippy::too_many_arguments, reason = "one line of a table: its columns")]
    pub(crate) fn add(
        &mut self,
        work: &str,
        households: usize,
        what: &str,
        value: f64,
        unit: &'static str,
        goal: Goal,
        floor: Option<f64>,
    ) {
        let (target, met) = match goal {
            Goal::AtMost(target) => (Some(target), Some(value <= target)),
            Goal::AtLeast(target) => (Some(target), Some(value >= target)),
            Goal::None => (None, None),
        };
        self.figures.push(Figure {
            work: work.to_owned(),
            households,
            what: what.to_owned(),
            value,
            unit,
            target,
            floor,
            met,
        });
    }
}

fn number(value: Option<f64>) -> String {
    match value {
        None => String::new(),
        Some(value) if value >= 1000.0 => {
            let digits = format!("{value:.0}");
            let mut grouped = String::new();
            for (at, digit) in digits.chars().enumerate() {
                if at > 0 && (digits.len() - at) % 3 == 0 {
                    grouped.push(' ');
                }
                grouped.push(digit);
            }
            grouped
        }
        Some(value) if value >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.4}"),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| work | households or cases | what | value | unit | target | floor | |")?;
        writeln!(f, "|---|---:|---|---:|---|---:|---:|---|")?;
        for figure in &self.figures {
            let verdict = match figure.met {
                Some(true) => "met",
                Some(false) => "MISSED",
                None => "",
            };
            let (value, target, floor) = (number(Some(figure.value)), number(figure.target), number(figure.floor));
            writeln!(
                f,
                "| {} | {} | {} | {value} | {} | {target} | {floor} | {verdict} |",
                figure.work, figure.households, figure.what, figure.unit
            )?;
        }
        Ok(())
    }
}
