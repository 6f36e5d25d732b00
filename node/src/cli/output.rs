//! What commands print: JSON for programs, Chinese and English for people, progress only where somebody looks.

use std::io::{IsTerminal as _, Write as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use crate::message::Message;
pub(super) use crate::moment::in_town as moment;

/// How a command prints.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    pub(super) json: bool,
}

impl Output {
    /// The result of a command: as JSON, or what `text` makes of it.
    pub(super) fn result(self, value: &Value, text: impl FnOnce(&Value) -> String) {
        let shown = if self.json { value.to_string() } else { text(value) };
        // A reader that went away (`| head`) is no error.
        let _ = writeln!(std::io::stdout().lock(), "{}", shown.trim_end());
    }

    /// Something for people beside the result; not with `--json`.
    pub(super) fn note(self, text: &str) {
        if !self.json {
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        }
    }

    pub(super) fn error(self, message: &Message) {
        let shown = if self.json { serde_json::to_string(message).unwrap_or_default() } else { message.to_string() };
        let _ = writeln!(std::io::stderr().lock(), "{shown}");
    }

    /// A bar on standard error, drawn only on a terminal.
    pub(super) fn bar(self, total: Option<u64>, what: &'static str) -> ProgressBar {
        let target = match std::io::stderr().is_terminal() && !self.json {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(total, target);
        let template = match total {
            Some(_) => "{prefix} {bar:30} {pos}/{len} {msg}",
            None => "{prefix} {spinner} {pos} {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(what);
        bar
    }
}

/// A value on one line of a table.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        // Nothing that came from elsewhere may steer the terminal.
        Value::String(text) => text.chars().map(|one| if one.is_control() { ' ' } else { one }).collect(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// The rows of a list as a table: `columns` are JSON pointers with their titles. What ends in `_ms` is a time, and shown
/// as people read it.
pub(super) fn table(listed: &Value, columns: &[(&str, &str)]) -> String {
    let rows = listed.get("rows").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let titles: Vec<&str> = columns.iter().map(|(_, title)| *title).collect();
    let mut text = titles.join("\t") + "\n";
    for row in rows {
        let shown = |pointer: &str| {
            let value = row.pointer(pointer)?;
            let time = value.as_i64().filter(|_| pointer.ends_with("_ms"));
            Some(time.map_or_else(|| cell(value), moment))
        };
        let cells = columns.iter().map(|(pointer, _)| shown(pointer).unwrap_or_default());
        text += &(cells.collect::<Vec<_>>().join("\t") + "\n");
    }
    if let Some(next) = listed.get("next").and_then(Value::as_str) {
        text += &format!("… --after {next}\n");
    }
    text
}

/// Rows with a time in milliseconds as people read it, in the town's own time.
pub(super) fn with_times(mut rows: Value, field: &str) -> Value {
    for row in rows.as_array_mut().into_iter().flatten() {
        if let Some(at) = row.get(field).and_then(Value::as_i64) {
            row[field] = moment(at).into();
        }
    }
    rows
}

/// A value as indented lines.
pub(super) fn fields(value: &Value) -> String {
    let mut text = String::new();
    write_fields(value, 0, &mut text);
    text
}

fn write_fields(value: &Value, depth: usize, text: &mut String) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| write_field(&format!("{name}:"), value, depth, text))
        }
        Value::Array(values) => values.iter().for_each(|value| write_field("-", value, depth, text)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => write_field("", value, depth, text),
    }
}

fn write_field(name: &str, value: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    let has_parts = value.is_object() || value.as_array().is_some_and(|values| values.iter().any(Value::is_object));
    if has_parts {
        *text += &format!("{indent}{name}\n");
        write_fields(value, depth + 1, text);
    } else if !value.is_null() {
        *text += &format!("{indent}{name} {}\n", cell(value));
    }
}

/// What a recording command says.
pub(super) fn recorded(answer: &Value) -> String {
    let outcome = match answer.get("outcome").and_then(Value::as_str) {
        Some("created") => "已新建 / created",
        Some("changed") => "已更新 / changed",
        Some(_) | None => "没有变化 / unchanged",
    };
    format!("{outcome}\n{}", fields(answer.get("value").unwrap_or(&Value::Null)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn any_time_can_be_shown() {
        for time in [i64::MIN, -1, 0, 253_402_300_799_999, i64::MAX] {
            assert!(moment(time).contains(':'), "{time}");
        }
        let listed = json!({ "rows": [{ "at_ms": u64::MAX }, { "at_ms": i64::MIN }, { "at_ms": i64::MAX }] });
        assert!(table(&listed, &[("/at_ms", "at")]).contains(&u64::MAX.to_string()));
    }

    #[test]
    fn times_in_a_table_are_shown_as_people_read_them() {
        let listed = json!({ "rows": [{ "code": "1", "at_ms": 1_763_900_000_000_i64, "count": 7 }, { "code": "2" }] });
        let shown = table(&listed, &[("/code", "code"), ("/at_ms", "at"), ("/count", "count")]);
        assert_eq!(shown, "code\tat\tcount\n1\t2025-11-23 20:13\t7\n2\t\t\n");
    }
}
