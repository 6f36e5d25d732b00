//! What parsers say of a value that they refuse, in Chinese: they speak English only.

/// The point of a parser's message with the field that it is about; `None` where it is about something else.
pub(crate) fn in_chinese(reason: &str) -> Option<String> {
    let reason = reason.rsplit_once("target type: ").map_or(reason, |(_, reason)| reason);
    // `owner.name: invalid type: ...` where the parser followed the path.
    let (path, point) = match reason.split_once(": ") {
        Some((path, point)) if !path.contains([' ', '`']) => (Some(path), point),
        _ => (None, reason),
    };
    let quoted = point.split('`').nth(1).unwrap_or_default();
    let within = |what: String| path.filter(|path| *path != ".").map_or(what.clone(), |path| format!("{path}：{what}"));
    let what = if point.starts_with("missing field") {
        format!("缺少字段 {quoted}")
    } else if point.starts_with("unknown field") {
        // The path names the field itself.
        return Some(format!("没有字段 {quoted}"));
    } else if point.starts_with("unknown variant") {
        format!("没有取值 {quoted}")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_named() {
        let body = "Failed to deserialize the JSON body into the target type: ";
        for (reason, expected) in [
            ("missing field `region` at line 1 column 2", Some("缺少字段 region")),
            (
                "household.owner: invalid type: integer `1`, expected a string at line 1",
                Some("household.owner：类型不对"),
            ),
            ("hous: unknown field `hous`, expected `household`", Some("没有字段 hous")),
            ("kind: unknown variant `x`, expected one of `a`, `b`", Some("kind：没有取值 x")),
            ("region: “9” is no region code", Some("region：取值无效")),
            ("expected value at line 1 column 1", None),
        ] {
            assert_eq!(in_chinese(reason).as_deref(), expected, "{reason}");
            assert_eq!(in_chinese(&format!("{body}{reason}")).as_deref(), expected, "{reason}");
        }
    }
}
