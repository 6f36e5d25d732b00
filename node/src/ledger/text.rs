//! Text files: which encoding they are in, and their content as UTF-8.

use std::cell::Cell;
use std::io::{self, Read, Seek};
use std::rc::Rc;

use encoding_rs::{CoderResult, Decoder, DecoderResult, Encoding, GB18030, UTF_8, UTF_16BE, UTF_16LE};

use super::error::LedgerError;
use super::limits::ROW_BYTES;

const CHUNK: usize = 16 * 1024;
/// Of a hundred characters beyond ASCII, how many may be damaged before the encoding counts as another one.
const DAMAGED_PERCENT: u64 = 5;

/// The encoding of the whole file: UTF-8 when it decodes, else GB18030 when that does, else whichever of the two has
/// few damaged characters (their rows come back one by one). UTF-16 only with a byte order mark.
pub(super) fn encoding_of(file: &mut (impl Read + Seek)) -> Result<&'static Encoding, LedgerError> {
    let mut start = [0; 2];
    let length = read_up_to(file, &mut start)?;
    match (length, start) {
        (2, [0xFF, 0xFE]) => return Ok(UTF_16LE),
        (2, [0xFE, 0xFF]) => return Ok(UTF_16BE),
        _ => {}
    }
    let utf8 = census(file, UTF_8)?;
    if utf8.zeros > 0 {
        return Err(LedgerError::NotText);
    }
    if utf8.is_clean() || utf8.damaged * 100 <= utf8.beyond_ascii * DAMAGED_PERCENT {
        return Ok(UTF_8);
    }
    let gb18030 = census(file, GB18030)?;
    if gb18030.damaged * 100 <= gb18030.beyond_ascii * DAMAGED_PERCENT {
        Ok(GB18030)
    } else {
        Err(LedgerError::WrongEncoding)
    }
}

#[derive(Default)]
struct Census {
    damaged: u64,
    beyond_ascii: u64,
    zeros: u64,
}

impl Census {
    fn is_clean(&self) -> bool {
        self.damaged == 0
    }
}

/// Decodes the file once and counts.
fn census(file: &mut (impl Read + Seek), encoding: &'static Encoding) -> Result<Census, LedgerError> {
    file.rewind()?;
    let mut decoder = encoding.new_decoder_with_bom_removal();
    let mut census = Census::default();
    let (mut input, mut output) = (vec![0; CHUNK], vec![0; CHUNK * 4]);
    loop {
        let length = read_up_to(file, &mut input)?;
        let mut rest = input.get(..length).unwrap_or_default();
        census.zeros += rest.iter().filter(|byte| **byte == 0).count() as u64;
        loop {
            let (result, taken, written) =
                decoder.decode_to_utf8_without_replacement(rest, &mut output, length < CHUNK);
            // In UTF-8 the first byte of a character beyond ASCII is 0xC0 or above.
            census.beyond_ascii +=
                output.get(..written).unwrap_or_default().iter().filter(|byte| **byte >= 0xC0).count() as u64;
            rest = rest.get(taken..).unwrap_or_default();
            match result {
                DecoderResult::InputEmpty => break,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => {
                    census.damaged += 1;
                    census.beyond_ascii += 1;
                }
            }
        }
        if length < CHUNK {
            return Ok(census);
        }
    }
}

fn read_up_to(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// How many more bytes of the current row may be read; shared between the file below a parser and whoever sees the
/// rows above it, because the parser in between has no bound of its own.
#[derive(Debug, Clone)]
pub(super) struct RowBudget(Rc<Cell<usize>>);

impl RowBudget {
    fn new() -> Self {
        Self(Rc::new(Cell::new(ROW_BYTES)))
    }

    /// A row was complete.
    pub(super) fn renew(&self) {
        self.0.set(ROW_BYTES);
    }

    fn spend(&self, bytes: usize) -> io::Result<()> {
        let left = self.0.get().checked_sub(bytes).ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge))?;
        self.0.set(left);
        Ok(())
    }
}

/// The file as UTF-8 without byte order mark; what is damaged becomes U+FFFD. A row beyond its budget is an error of
/// the kind [`io::ErrorKind::FileTooLarge`].
pub(super) struct Utf8Reader<F> {
    file: F,
    decoder: Decoder,
    budget: RowBudget,
    input: Vec<u8>,
    output: Vec<u8>,
    /// What of the output has not been read.
    ready: std::ops::Range<usize>,
    /// What of the input has not been decoded.
    waiting: std::ops::Range<usize>,
    ended: bool,
}

impl<F: Read> Utf8Reader<F> {
    pub(super) fn new(file: F, encoding: &'static Encoding) -> (Self, RowBudget) {
        let budget = RowBudget::new();
        let reader = Self {
            file,
            decoder: encoding.new_decoder_with_bom_removal(),
            budget: budget.clone(),
            input: vec![0; CHUNK],
            output: vec![0; CHUNK],
            ready: 0..0,
            waiting: 0..0,
            ended: false,
        };
        (reader, budget)
    }

    fn decode_more(&mut self) -> io::Result<()> {
        while self.ready.is_empty() && !self.ended {
            if self.waiting.is_empty() {
                self.waiting = 0..read_up_to(&mut self.file, &mut self.input)?;
            }
            let last = self.waiting.end < self.input.len();
            let input = self.input.get(self.waiting.clone()).unwrap_or_default();
            let (result, taken, written, _) = self.decoder.decode_to_utf8(input, &mut self.output, last);
            self.waiting.start += taken;
            self.ready = 0..written;
            self.ended = last && result == CoderResult::InputEmpty;
        }
        Ok(())
    }
}

impl<F: Read> Read for Utf8Reader<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.decode_more()?;
        let mut ready = self.output.get(self.ready.clone()).unwrap_or_default();
        let length = ready.read(buffer)?;
        self.budget.spend(length)?;
        self.ready.start += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn decoded(bytes: &[u8]) -> Result<(&'static Encoding, String), LedgerError> {
        let mut file = Cursor::new(bytes.to_vec());
        let encoding = encoding_of(&mut file)?;
        file.rewind()?;
        let (mut reader, budget) = Utf8Reader::new(file, encoding);
        let (mut text, mut buffer) = (Vec::new(), [0; 1000]);
        loop {
            budget.renew();
            match reader.read(&mut buffer)? {
                0 => return Ok((encoding, String::from_utf8(text).unwrap())),
                length => text.extend_from_slice(&buffer[..length]),
            }
        }
    }

    #[test]
    fn each_encoding_is_recognised_and_decoded_across_chunk_borders() {
        for text in
            ["村居,门牌号\n".repeat(3_000), format!("a{}", "狼垡一村".repeat(6_000)), "plain".into(), String::new()]
        {
            let gb18030 = GB18030.encode(&text).0.into_owned();
            let utf16 =
                [&[0xFF, 0xFE][..], &text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()].concat();
            for bytes in [text.clone().into_bytes(), format!("\u{FEFF}{text}").into_bytes(), gb18030, utf16] {
                assert_eq!(decoded(&bytes).unwrap().1, text);
            }
        }
    }

    #[test]
    fn one_damaged_character_does_not_change_the_encoding() {
        let mut bytes = "村居门牌号户主电话".repeat(10).into_bytes();
        bytes[4] = 0xFF;
        let (encoding, text) = decoded(&bytes).unwrap();
        assert_eq!(encoding, UTF_8);
        assert!(text.contains('\u{FFFD}'));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        assert!(matches!(decoded(b"a,b\0c"), Err(LedgerError::NotText)));
        assert!(matches!(decoded(&[0xFF; 300]), Err(LedgerError::WrongEncoding)));
        assert!(matches!(decoded(&[0xFE, b' '].repeat(99)), Err(LedgerError::WrongEncoding)));
    }
}
