//! What is wrong with a town file or an outage, and where.

use super::clock_text;

/// What is wrong in a town file, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {wrong}")]
pub struct TownError {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What.
    pub wrong: Wrong,
}

/// What can be wrong in a town file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// No TOML, an unknown key, a value of another type.
    #[error("{0}")]
    Syntax(String),
    /// An empty or overlong name, or one with characters that files and pages cannot show.
    #[error("{0:?} is no name: write 1 to 60 letters, digits or characters without spaces or quotes")]
    Name(String),
    /// A name that stands before.
    #[error("there are two of {0:?}")]
    Twice(String),
    /// No code of a village or community.
    #[error("{0:?} is no code of a village or community: write 12 digits")]
    Code(String),
    /// A region that the file does not list.
    #[error("there is no region {name:?}; the file lists: {}", known.join(", "))]
    Region {
        /// What stands there.
        name: String,
        /// What could.
        known: Vec<String>,
    },
    /// A node that the file does not list.
    #[error("there is no node {name:?} that stands still; the file lists: {}", known.join(", "))]
    Node {
        /// What stands there.
        name: String,
        /// What could.
        known: Vec<String>,
    },
    /// No `HH:MM`.
    #[error("{0:?} is no time of day: write HH:MM, such as 08:30")]
    Time(String),
    /// No `HH:MM-HH:MM`, or one that ends before it begins.
    #[error("{0:?} is no stretch of a day: write HH:MM-HH:MM, the earlier time first")]
    Window(String),
    /// Times that are not in order.
    #[error("it cannot be there at {}: it is there at {} at the earliest", clock_text(*at), clock_text(*earliest))]
    Order {
        /// What stands there, in minutes after midnight.
        at: u32,
        /// What could.
        earliest: u32,
    },
    /// A drive that goes on past midnight.
    #[error("the route ends after midnight: leave earlier or leave stops out")]
    Midnight,
    /// A drive without stops.
    #[error("the route has no stops")]
    NoStops,
    /// A number that makes no sense.
    #[error("{value} is out of range: {least} to {greatest}")]
    Range {
        /// What stands there.
        value: i64,
        /// The least that makes sense.
        least: i64,
        /// The greatest.
        greatest: i64,
    },
    /// A center with a region, or a village without one.
    #[error("a village needs a region, and a center has none")]
    Scope,
    /// A patrol vehicle without a region, or a carrier with one.
    #[error("a patrol vehicle needs a region, and a carrier has none")]
    Crew,
    /// A stop in a region for which the vehicle does not carry.
    #[error("{0:?} lies in a region for which this vehicle does not carry: add its code to `carries`")]
    NotCarried(String),
    /// A line from a node to itself.
    #[error("a node has no line to itself")]
    Loop,
    /// No center or no village.
    #[error("a town has at least one center and one village")]
    Empty,
    /// More nodes than can be simulated.
    #[error("{0} nodes are too many: at most {1}")]
    TooMany(usize, usize),
}

/// Why an outage means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutageError {
    /// No target and time.
    #[error("{0:?} is no outage: write a target and HH:MM-HH:MM, such as \"center-1 09:00-15:00\"")]
    Form(String),
    /// Nobody of that name.
    #[error("there is no node {name:?}; the town has: {}", known.join(", "))]
    Node {
        /// What was given.
        name: String,
        /// What could be.
        known: Vec<String>,
    },
    /// Two nodes without a line or mobile link between them.
    #[error("there is no line or mobile link {0:?}")]
    Link(String),
}
