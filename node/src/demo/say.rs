//! What the demo prints. A reader that went away (`| head`) must not end a town in the middle.

use std::fmt;
use std::io::Write as _;

/// Prints a line.
pub(super) fn print(line: fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

macro_rules! say {
    ($($part:tt)*) => { $crate::demo::say::print(format_args!($($part)*)) };
}
pub(super) use say;
