//! Inputs for the parsers of texts.

use super::{Sample, sample};

pub(super) fn samples() -> Vec<Sample> {
    let valid: [(&str, &str); 15] = [
        ("namespace", "events/110115005001/2026-11"),
        ("region", "110115005001"),
        ("region-in-full-width-digits", "１１０１１５００５００１"),
        ("day", "2024年2月29日"),
        ("day-in-eight-digits", "20240305"),
        ("position", "39.7300000,116.3300000"),
        ("decimal", "-12.50"),
        ("decimal-of-18-digits", "-999999999.999999999"),
        ("photo-hash", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"),
        ("severity", "较重"),
        ("severity-of-a-newer-version", "unknown_65535"),
        ("phone", "+86 138-0000-0000"),
        ("landline", "010-61251234"),
        ("identity-number", "11010519491231002x"),
        ("polygon", r#"[{"lat":39.7,"lon":116.3},{"lat":39.8,"lon":116.3},{"lat":39.7,"lon":116.4}]"#),
    ];
    let bad: [(&str, &str); 22] = [
        ("empty", ""),
        ("namespace-that-climbs-out", "registry/../../etc/passwd"),
        ("namespace-with-an-unknown-kind", "secrets/110115005001"),
        ("namespace-with-full-width-digits", "registry/１１０１１５００５００１"),
        ("region-with-a-leading-zero", "０１０１１５００５００１"),
        ("day-that-is-not-in-the-calendar", "2023-02-29"),
        ("day-of-month-0", "2024-00-10"),
        ("day-of-a-year-beyond-32-bits", "99999999999-01-01"),
        ("day-with-a-character-across-the-cut", "2024030日日"),
        ("position-beyond-the-pole", "90.0000001,0"),
        ("position-that-is-not-a-number", "NaN,inf"),
        ("decimal-with-20-digits", "1.00000000000000000000"),
        ("decimal-with-four-points", "1.2.3.4.5"),
        ("severity-beyond-16-bits", "unknown_65536"),
        ("identity-number-with-a-wrong-check-character", "11010519491231003X"),
        ("identity-number-with-a-wrong-birth-date", "11010519491331002X"),
        ("polygon-of-two-corners", r#"[{"lat":39.7,"lon":116.3},{"lat":39.8,"lon":116.3}]"#),
        ("polygon-beyond-the-pole", r#"[{"lat":139.7,"lon":116.3},{"lat":39.8,"lon":116.3},{"lat":39.7,"lon":116.4}]"#),
        ("polygon-of-huge-numbers", r#"[{"lat":1e999,"lon":-1e999},{"lat":1e308,"lon":1},{"lat":1,"lon":1}]"#),
        ("null-characters", "\0\0\0\0\0\0\0\0"),
        ("invisible-characters", "\u{feff}\u{200b}\u{202e}\u{2060}"),
        ("one-combining-character", "\u{0301}"),
    ];
    let mut samples: Vec<Sample> =
        valid.iter().map(|(name, text)| sample("text", &format!("valid-{name}"), text.as_bytes())).collect();
    samples.extend(bad.iter().map(|(name, text)| sample("text", name, text.as_bytes())));
    samples.extend([
        sample("text", "not-utf8", [0xff, 0xfe, 0x31, 0x00]),
        sample("text", "deeply-nested-polygon", [b'['; super::DEPTH]),
        sample("text", "five-thousand-digits", [b'9'; 5_000]),
        sample("text", "polygon-of-2001-corners", format!("[{}]", [r#"{"lat":1,"lon":1}"#; 2001].join(","))),
    ]);
    samples
}
