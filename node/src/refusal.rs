//! What parsers say of a value that they refuse, in Chinese: they speak English only.

/// What stands before the parser's own message in those of the HTTP library.
const PREFIXES: [&str; 2] =
    ["Failed to deserialize the JSON body into the target type: ", "Failed to deserialize query string: "];

/// The point of a parser's message with the field that it is about; `None` where it is about something else.
pub(crate) fn in_chinese(reason: &str) -> Option<String> {
    let reason = PREFIXES.iter().find_map(|prefix| reason.strip_prefix(prefix)).unwrap_or(reason);
    // Whatever people may have called it: the name may hold what else separates a path from a message.
    if let Some((path, named)) = reason.split_once("unknown field `") {
        let (field, rest) = named.split_once('`')?;
        // Where the parser followed a path, that names the field itself.
        let field = Some(path.trim_end_matches(": ")).filter(|path| !path.is_empty()).unwrap_or(field);
        return Some(format!("没有字段 {field}{}", choice(rest)));
    }
    // `owner.name: invalid type: ...` where the parser followed the path.
    let (path, point) = match reason.split_once(": ") {
        Some((path, point)) if !path.contains([' ', '`']) => (Some(path), point),
        _ => (None, reason),
    };
    let quoted = point.split('`').nth(1).unwrap_or_default();
    let within = |what: String| path.filter(|path| *path != ".").map_or(what.clone(), |path| format!("{path}：{what}"));
    let what = if point.starts_with("missing field") {
        format!("缺少字段 {quoted}")
    } else if point.starts_with("unknown variant") {
        let (_, rest) = point.split_once(&format!("`{quoted}`")).unwrap_or_default();
        format!("没有取值 {quoted}{}", choice(rest))
    } else if point.starts_with("duplicate field") {
        format!("字段 {quoted} 重复")
    } else if point.starts_with("invalid type") {
        "类型不对".to_owned()
    } else if path.is_some() {
        "取值无效".to_owned()
    } else {
        return None;
    };
    Some(within(what))
}

/// The names that the parser would have taken, each between backquotes.
fn choice(expected: &str) -> String {
    let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    if known.is_empty() { String::new() } else { format!("，可用的有：{}", known.join("、")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_named() {
        for (reason, expected) in [
            ("missing field `region` at line 1 column 2", Some("缺少字段 region")),
            (
                "household.owner: invalid type: integer `1`, expected a string at line 1",
                Some("household.owner：类型不对"),
            ),
            ("hous: unknown field `hous`, expected `household`", Some("没有字段 hous，可用的有：household")),
            (
                "household.owner.phon: unknown field `phon`, expected one of `name`, `phone` at line 1 column 9",
                Some("没有字段 household.owner.phon，可用的有：name、phone"),
            ),
            ("unknown field `a: b`, expected `c` or `d`", Some("没有字段 a: b，可用的有：c、d")),
            ("unknown field `a`, there are no fields", Some("没有字段 a")),
            ("kind: unknown variant `x`, expected one of `a`, `b`", Some("kind：没有取值 x，可用的有：a、b")),
            ("region: “9” is no region code", Some("region：取值无效")),
            ("expected value at line 1 column 1", None),
        ] {
            assert_eq!(in_chinese(reason).as_deref(), expected, "{reason}");
            for prefix in PREFIXES {
                assert_eq!(in_chinese(&format!("{prefix}{reason}")).as_deref(), expected, "{reason}");
            }
        }
    }
}
