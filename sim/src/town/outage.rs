//! Outages: what is cut off, and when.

use super::{OutageError, Town, Window, clock_text, read_window};

/// Lines and mobile links that are gone for a while. Radio contacts stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// What is cut off.
    pub target: Target,
    /// From and until, in minutes after midnight; past the next midnight where the second is the smaller one.
    pub window: Window,
}

/// What an outage cuts off. Nodes are numbered as in [`Town::names`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// All lines and mobile links of a node.
    Node(usize),
    /// The line or mobile link between two nodes.
    Link(usize, usize),
    /// Every line of the town; mobile links stay.
    AllWires,
    /// Every mobile link of the town; lines stay.
    AllMobile,
}

impl Outage {
    /// Reads `NODE HH:MM-HH:MM`, `link A-B HH:MM-HH:MM`, `all-wires HH:MM-HH:MM` or `all-mobile HH:MM-HH:MM`.
    ///
    /// # Errors
    /// [`OutageError`]
    pub fn parse(text: &str, town: &Town) -> Result<Self, OutageError> {
        let form = || OutageError::Form(text.to_owned());
        let words: Vec<&str> = text.split_whitespace().collect();
        let (time, target) = words.split_last().ok_or_else(form)?;
        let (from, until) = read_window(time).filter(|(from, until)| from != until).ok_or_else(form)?;
        let until = if until < from { until + super::MINUTES_A_DAY } else { until };
        let names = town.names();
        let number = |name: &str| names.iter().position(|known| known == name);
        let target = match target {
            ["all-wires"] => Target::AllWires,
            ["all-mobile"] => Target::AllMobile,
            [name] => Target::Node(number(name).ok_or_else(|| unknown(name, &names))?),
            ["link", pair] => {
                // Names may hold hyphens themselves.
                let cuts = pair.match_indices('-').filter_map(|(at, _)| Some((pair.get(..at)?, pair.get(at + 1..)?)));
                let mut ends = cuts.filter_map(|(one, other)| Some((number(one)?, number(other)?)));
                let (one, other) = ends.next().ok_or_else(|| unknown(pair, &names))?;
                if !is_linked(town, one, other) {
                    return Err(OutageError::Link((*pair).to_owned()));
                }
                Target::Link(one, other)
            }
            _ => return Err(form()),
        };
        Ok(Self { target, window: (from, until) })
    }

    /// As it is written on the command line.
    pub fn text(&self, town: &Town) -> String {
        let names = town.names();
        let name = |number: usize| names.get(number).cloned().unwrap_or_default();
        let target = match self.target {
            Target::Node(node) => name(node),
            Target::Link(one, other) => format!("link {}-{}", name(one), name(other)),
            Target::AllWires => "all-wires".to_owned(),
            Target::AllMobile => "all-mobile".to_owned(),
        };
        format!("{target} {}-{}", clock_text(self.window.0), clock_text(self.window.1))
    }
}

fn unknown(name: &str, known: &[String]) -> OutageError {
    OutageError::Node { name: name.to_owned(), known: known.to_vec() }
}

fn is_linked(town: &Town, one: usize, other: usize) -> bool {
    let wire = |from: usize, to: usize| town.sites.get(from).is_some_and(|site| site.wires.contains(&to));
    let center = (0..town.sites.len()).find(|site| town.is_center(*site));
    let mobile = |node: usize| match town.sites.get(node) {
        Some(site) => !site.mobile.is_empty(),
        None => town.vehicles.get(node - town.sites.len()).is_some_and(|vehicle| !vehicle.mobile.is_empty()),
    };
    wire(one, other)
        || wire(other, one)
        || (center == Some(one) && mobile(other))
        || (center == Some(other) && mobile(one))
}
