//! Natural keys: the bytes under which two offices that enter the same thing apart from each other find one document.
//!
//! A key is the normalised parts of what people call the thing, joined with the unit separator 0x1F, which no
//! normalised part contains. The document's kind is not part of it: the document id covers both. Normalisation is
//! fixed for ever and uses no Unicode tables that change with a release:
//!
//! 1. full-width forms U+FF01 to U+FF5E become their half-width counterparts (`１号` is `1号`),
//! 2. the dashes U+2010 to U+2015, U+2212 and U+2500 become `-`,
//! 3. white space, control characters, zero-width characters and the byte order mark are removed,
//! 4. the letters A to Z become a to z.
//!
//! Nothing else is touched: 号, 弄, 院, 楼 tell different doors apart.

/// Separates the parts of a key.
const SEPARATOR: u8 = 0x1F;

/// One part in its normalised form.
pub fn normalise(text: &str) -> String {
    text.chars().filter_map(normal_character).collect()
}

fn normal_character(character: char) -> Option<char> {
    match character {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(character) - 0xFEE0).map(|half| half.to_ascii_lowercase()),
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{2500}' => Some('-'),
        '\0'..='\u{20}' | '\u{7F}'..='\u{A0}' => None,
        '\u{1680}' | '\u{2000}'..='\u{200F}' | '\u{2028}'..='\u{202F}' | '\u{205F}'..='\u{2060}' => None,
        '\u{3000}' | '\u{FEFF}' => None,
        other => Some(other.to_ascii_lowercase()),
    }
}

/// Whether two ways to write it name the same.
pub fn is_same(one: &str, other: &str) -> bool {
    one == other || one.chars().filter_map(normal_character).eq(other.chars().filter_map(normal_character))
}

/// The key made of these parts.
pub fn natural_key(parts: &[&str]) -> Vec<u8> {
    let normal: Vec<String> = parts.iter().map(|part| normalise(part)).collect();
    normal.join(char::from(SEPARATOR).encode_utf8(&mut [0; 4])).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ways_to_write_one_door_give_one_key() {
        for text in ["狼垡一村A12号", "狼垡一村 a12 号", "狼垡一村Ａ１２号", "\u{FEFF}狼垡一村\u{3000}A1\u{200B}2号\n"]
        {
            assert_eq!(normalise(text), "狼垡一村a12号");
        }
        assert_eq!(normalise("3－1—2"), "3-1-2");
    }

    #[test]
    fn other_doors_have_other_keys() {
        let keys: std::collections::BTreeSet<_> =
            [["12号", "1"], ["12弄", "1"], ["12", "1"], ["12号1", ""], ["", "12号1"]]
                .iter()
                .map(|parts| natural_key(parts))
                .collect();
        assert_eq!(keys.len(), 5);
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing_and_no_separator_survives(text in any::<String>()) {
            let once = normalise(&text);
            prop_assert_eq!(normalise(&once), once.clone());
            prop_assert!(!once.as_bytes().contains(&SEPARATOR));
        }
    }
}
