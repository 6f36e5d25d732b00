//! Code 128 (ISO/IEC 15417): a number that a phone or a till scanner reads from paper.

use std::fmt::Write as _;

/// Widths of bar, space, bar, space, bar, space of each symbol, in modules.
const SYMBOLS: [&[u8]; 107] = [
    b"212222", b"222122", b"222221", b"121223", b"121322", b"131222", b"122213", b"122312", b"132212", b"221213",
    b"221312", b"231212", b"112232", b"122132", b"122231", b"113222", b"123122", b"123221", b"223211", b"221132",
    b"221231", b"213212", b"223112", b"312131", b"311222", b"321122", b"321221", b"312212", b"322112", b"322211",
    b"212123", b"212321", b"232121", b"111323", b"131123", b"131321", b"112313", b"132113", b"132311", b"211313",
    b"231113", b"231311", b"112133", b"112331", b"132131", b"113123", b"113321", b"133121", b"313121", b"211331",
    b"231131", b"213113", b"213311", b"213131", b"311123", b"311321", b"331121", b"312113", b"312311", b"332111",
    b"314111", b"221411", b"431111", b"111224", b"111422", b"121124", b"121421", b"141122", b"141221", b"112214",
    b"112412", b"122114", b"122411", b"142112", b"142211", b"241211", b"221114", b"413111", b"241112", b"134111",
    b"111242", b"121142", b"121241", b"114212", b"124112", b"124211", b"411212", b"421112", b"421211", b"212141",
    b"214121", b"412121", b"111143", b"111341", b"131141", b"114113", b"114311", b"411113", b"411311", b"113141",
    b"114131", b"311141", b"411131", b"211412", b"211214", b"211232", b"2331112",
];
/// Begins a code of set B: printable ASCII.
const START_B: usize = 104;
const STOP: usize = 106;
/// Modules of white that a scanner needs on either side.
const QUIET: u32 = 10;

/// Values of the symbols; `None` where a character is not of set B.
fn values(text: &str) -> Option<Vec<usize>> {
    let characters: Option<Vec<usize>> =
        text.bytes().map(|byte| (32..127).contains(&byte).then(|| usize::from(byte) - 32)).collect();
    let characters = characters.filter(|characters| !characters.is_empty())?;
    let sum = (1..).zip(&characters).fold(START_B, |sum, (place, value)| sum + place * value);
    Some([START_B].into_iter().chain(characters).chain([sum % 103, STOP]).collect())
}

/// The bars of a text as an SVG image; `None` where Code 128 B cannot write it.
pub(super) fn code_128(text: &str) -> Option<String> {
    let (mut bars, mut at) = (String::new(), QUIET);
    for value in values(text)? {
        for (place, width) in SYMBOLS.get(value)?.iter().enumerate() {
            let width = u32::from(width - b'0');
            if place % 2 == 0 {
                let _ = write!(bars, "M{at} 0h{width}v40h-{width}z");
            }
            at += width;
        }
    }
    let wide = at + QUIET;
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide} 40\" preserveAspectRatio=\"none\" \
         shape-rendering=\"crispEdges\" role=\"img\"><path d=\"{bars}\"/></svg>"
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_symbols_are_those_of_the_standard() {
        let modules = |symbol: &[u8]| symbol.iter().map(|width| u32::from(width - b'0')).sum::<u32>();
        for (value, symbol) in SYMBOLS.iter().enumerate() {
            let (length, wide) = if value == STOP { (7, 13) } else { (6, 11) };
            assert_eq!((symbol.len(), modules(symbol)), (length, wide), "symbol {value}");
            let black: u32 = symbol.iter().step_by(2).map(|width| u32::from(width - b'0')).sum();
            assert_eq!(black % 2, 0, "the bars of symbol {value} have an even sum");
        }
        assert_eq!(SYMBOLS.iter().collect::<BTreeSet<_>>().len(), SYMBOLS.len());
    }

    #[test]
    fn a_text_has_its_check_symbol() {
        // The example of the standard's handbooks: the check character of PJJ123C is 54 in set A, 55 from the start of B.
        assert_eq!(values("PJJ123C"), Some(vec![104, 48, 42, 42, 17, 18, 19, 35, 55, 106]));
        let image = code_128("7K3-9XQ-2PAD").unwrap();
        // Start, 12 characters, check: 11 modules each; stop: 13; quiet zones.
        assert!(image.contains(&format!("viewBox=\"0 0 {} 40\"", 14 * 11 + 13 + 20)), "{image}");
        assert_eq!((code_128(""), code_128("村")), (None, None));
    }
}
