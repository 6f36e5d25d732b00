//! Cells that a spreadsheet would run as a formula.
//!
//! A cell such as `=HYPERLINK(...)` in a CSV file is executed when the file is opened. Written cells that begin with
//! `=`, `+`, `-`, `@`, a tab or a carriage return get an apostrophe in front, which spreadsheets take as "this is
//! text"; reading takes it off again, so that what was exported is what is imported.

use std::borrow::Cow;

fn is_dangerous(text: &str) -> bool {
    // Apostrophes in front count as well, so that reading, which takes one off, gives back what was there.
    text.trim_start_matches('\'').starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'])
}

/// The text as it is safe in a CSV file.
pub(super) fn escape(text: &str) -> Cow<'_, str> {
    if is_dangerous(text) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// The text that was escaped.
pub(super) fn unescape(text: &str) -> &str {
    text.strip_prefix('\'').filter(|rest| is_dangerous(rest)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_formula_becomes_text() {
        for formula in ["=1+1", "+86", "-1", "@SUM(A1)", "\t=1", "'=1", "＝1"] {
            assert_eq!(escape(formula), format!("'{formula}"));
        }
        for harmless in ["", "12号", "1-2", "'quoted'", "a=b"] {
            assert_eq!(escape(harmless), harmless);
            assert_eq!(unescape(harmless), harmless);
        }
    }

    proptest! {
        #[test]
        fn reading_gives_back_what_was_written(text in "['=+@a-]{0,6}") {
            let written = escape(&text);
            prop_assert_eq!(unescape(&written), text.as_str());
            prop_assert!(!written.starts_with(['=', '+', '-', '@']));
        }
    }
}
