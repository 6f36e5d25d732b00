//! Counts and inspects what a DEFLATE stream (RFC 1951) unpacks to, without ever holding more than a window of it.
//!
//! The spreadsheet library unpacks as much as a file claims; [`super::guard`] runs every part of a workbook through
//! here first, so that a small file which unpacks to gigabytes is refused before anything is allocated for it.

use std::io::{self, Read};

const WINDOW: usize = 32 * 1024;
const MAX_CODE_LENGTH: usize = 15;

/// Why a stream cannot be unpacked, or was not unpacked to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum InflateError {
    #[error("the packed data are damaged")]
    Damaged,
    #[error("the packed data end too early")]
    Truncated,
    #[error("the unpacked data were refused")]
    Refused,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Takes the unpacked bytes in order; returns false to stop.
pub(super) type Sink<'a> = dyn FnMut(&[u8]) -> bool + 'a;

/// Unpacks the stream into `sink`.
pub(super) fn inflate(packed: impl Read, sink: &mut Sink<'_>) -> Result<(), InflateError> {
    let mut bits = Bits { source: packed, buffer: 0, count: 0, padding: 0 };
    let mut output = Output { bytes: Vec::with_capacity(3 * WINDOW), sink };
    loop {
        let last = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => stored_block(&mut bits, &mut output)?,
            1 => coded_block(&mut bits, &mut output, &fixed_codes()?)?,
            2 => {
                let codes = dynamic_codes(&mut bits)?;
                coded_block(&mut bits, &mut output, &codes)?;
            }
            _ => return Err(InflateError::Damaged),
        }
        if last {
            return output.finish();
        }
    }
}

/// Bits of the source, lowest first.
struct Bits<R> {
    source: R,
    buffer: u64,
    count: u32,
    /// How many bits at the top of the buffer stand beyond the end of the source.
    padding: u32,
}

impl<R: Read> Bits<R> {
    /// The next bits without taking them; zeros beyond the end. At most 32.
    fn peek(&mut self, wanted: u32) -> Result<u32, InflateError> {
        while self.count < wanted {
            let mut byte = [0];
            match self.source.read(&mut byte) {
                Ok(0) => self.padding += 8,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            }
            self.buffer |= u64::from(byte[0]) << self.count;
            self.count += 8;
        }
        Ok((self.buffer & ((1 << wanted) - 1)) as u32)
    }

    fn drop(&mut self, taken: u32) -> Result<(), InflateError> {
        if taken + self.padding > self.count {
            return Err(InflateError::Truncated);
        }
        self.buffer >>= taken;
        self.count -= taken;
        Ok(())
    }

    fn take(&mut self, wanted: u32) -> Result<u32, InflateError> {
        let value = self.peek(wanted)?;
        self.drop(wanted)?;
        Ok(value)
    }

    fn symbol(&mut self, code: &Code) -> Result<u16, InflateError> {
        let ahead = self.peek(MAX_CODE_LENGTH as u32)? as usize;
        match code.table.get(ahead) {
            Some((symbol, length)) if *length > 0 => {
                self.drop(u32::from(*length))?;
                Ok(*symbol)
            }
            _ => Err(InflateError::Damaged),
        }
    }
}

/// The last window of unpacked bytes, and where they go.
struct Output<'a, 'b> {
    bytes: Vec<u8>,
    sink: &'a mut Sink<'b>,
}

impl Output<'_, '_> {
    fn push(&mut self, byte: u8) -> Result<(), InflateError> {
        if self.bytes.len() >= 3 * WINDOW {
            let settled = self.bytes.len() - WINDOW;
            let accepted = (self.sink)(self.bytes.get(..settled).unwrap_or_default());
            self.bytes.drain(..settled);
            if !accepted {
                return Err(InflateError::Refused);
            }
        }
        self.bytes.push(byte);
        Ok(())
    }

    fn repeat(&mut self, distance: usize, length: usize) -> Result<(), InflateError> {
        for _ in 0..length {
            let from = self.bytes.len().checked_sub(distance).ok_or(InflateError::Damaged)?;
            let byte = *self.bytes.get(from).ok_or(InflateError::Damaged)?;
            self.push(byte)?;
        }
        Ok(())
    }

    fn finish(self) -> Result<(), InflateError> {
        if (self.sink)(&self.bytes) { Ok(()) } else { Err(InflateError::Refused) }
    }
}

/// A Huffman code, looked up by the next 15 bits: symbol and length of its code, 0 where no code is.
struct Code {
    table: Vec<(u16, u8)>,
}

impl Code {
    fn new(lengths: &[u8]) -> Result<Self, InflateError> {
        let mut table = vec![(0, 0); 1 << MAX_CODE_LENGTH];
        let mut next = 0_usize;
        for length in 1..=MAX_CODE_LENGTH {
            next <<= 1;
            for (symbol, _) in lengths.iter().enumerate().filter(|(_, one)| usize::from(**one) == length) {
                if next >= 1 << length {
                    return Err(InflateError::Damaged);
                }
                // Codes are sent highest bit first, everything else lowest first.
                let first = next.reverse_bits() >> (usize::BITS as usize - length);
                for slot in table.iter_mut().skip(first).step_by(1 << length) {
                    *slot = (symbol as u16, length as u8);
                }
                next += 1;
            }
        }
        Ok(Self { table })
    }
}

/// Codes for literals and lengths, and for distances.
struct Codes {
    literals: Code,
    distances: Code,
}

fn fixed_codes() -> Result<Codes, InflateError> {
    let mut lengths = [8; 288];
    for (symbol, length) in lengths.iter_mut().enumerate() {
        *length = match symbol {
            144..=255 => 9,
            256..=279 => 7,
            _ => 8,
        };
    }
    Ok(Codes { literals: Code::new(&lengths)?, distances: Code::new(&[5; 30])? })
}

fn dynamic_codes<R: Read>(bits: &mut Bits<R>) -> Result<Codes, InflateError> {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let literal_count = bits.take(5)? as usize + 257;
    let distance_count = bits.take(5)? as usize + 1;
    let meta_count = bits.take(4)? as usize + 4;
    let mut meta_lengths = [0_u8; 19];
    for position in ORDER.iter().take(meta_count) {
        if let Some(length) = meta_lengths.get_mut(*position) {
            *length = bits.take(3)? as u8;
        }
    }
    let meta = Code::new(&meta_lengths)?;
    let mut lengths: Vec<u8> = Vec::with_capacity(320);
    while lengths.len() < literal_count + distance_count {
        let (value, times) = match bits.symbol(&meta)? {
            16 => (*lengths.last().ok_or(InflateError::Damaged)?, bits.take(2)? + 3),
            17 => (0, bits.take(3)? + 3),
            18 => (0, bits.take(7)? + 11),
            length => (length as u8, 1),
        };
        lengths.extend(std::iter::repeat_n(value, times as usize));
    }
    if lengths.len() != literal_count + distance_count {
        return Err(InflateError::Damaged);
    }
    let (literals, distances) = lengths.split_at(literal_count);
    Ok(Codes { literals: Code::new(literals)?, distances: Code::new(distances)? })
}

fn stored_block<R: Read>(bits: &mut Bits<R>, output: &mut Output<'_, '_>) -> Result<(), InflateError> {
    bits.drop(bits.count % 8)?;
    let length = bits.take(16)?;
    if bits.take(16)? != length ^ 0xFFFF {
        return Err(InflateError::Damaged);
    }
    for _ in 0..length {
        let byte = bits.take(8)? as u8;
        output.push(byte)?;
    }
    Ok(())
}

fn coded_block<R: Read>(bits: &mut Bits<R>, output: &mut Output<'_, '_>, codes: &Codes) -> Result<(), InflateError> {
    loop {
        match bits.symbol(&codes.literals)? {
            literal @ 0..256 => output.push(literal as u8)?,
            256 => return Ok(()),
            symbol => {
                let length = repeat_length(bits, symbol)?;
                let symbol = bits.symbol(&codes.distances)?;
                let distance = repeat_distance(bits, symbol)?;
                output.repeat(distance, length)?;
            }
        }
    }
}

fn repeat_length<R: Read>(bits: &mut Bits<R>, symbol: u16) -> Result<usize, InflateError> {
    let index = u32::from(symbol.saturating_sub(257));
    Ok(match index {
        0..8 => index as usize + 3,
        8..28 => {
            let extra = index / 4 - 1;
            let base = ((4 + index % 4) << extra) + 3;
            (base + bits.take(extra)?) as usize
        }
        28 => 258,
        _ => return Err(InflateError::Damaged),
    })
}

fn repeat_distance<R: Read>(bits: &mut Bits<R>, symbol: u16) -> Result<usize, InflateError> {
    let index = u32::from(symbol);
    Ok(match index {
        0..4 => index as usize + 1,
        4..30 => {
            let extra = index / 2 - 1;
            let base = ((2 + index % 2) << extra) + 1;
            (base + bits.take(extra)?) as usize
        }
        _ => return Err(InflateError::Damaged),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unpack(packed: &[u8]) -> Result<Vec<u8>, InflateError> {
        let mut bytes = Vec::new();
        inflate(packed, &mut |chunk| {
            bytes.extend_from_slice(chunk);
            true
        })?;
        Ok(bytes)
    }

    #[test]
    fn known_streams_unpack_to_what_other_tools_say() {
        // Made with zlib: a stored, a fixed and a dynamic block.
        assert_eq!(unpack(&[1, 2, 0, 0xFD, 0xFF, b'h', b'i']).unwrap(), b"hi");
        assert_eq!(unpack(&[0x4B, 0x4C, 0x84, 0x01, 0x00]).unwrap(), b"aaaaaaaaaa");
        assert_eq!(unpack(DYNAMIC).unwrap(), dynamic_text().into_bytes());
    }

    #[test]
    fn a_stream_that_ends_early_or_points_before_its_start_is_refused() {
        for cut in 0..DYNAMIC.len() {
            assert!(unpack(&DYNAMIC[..cut]).is_err(), "cut at {cut}");
        }
        // A fixed block whose first symbol repeats a byte that is not there.
        assert!(matches!(unpack(&[0x03, 0x02, 0x00]), Err(InflateError::Damaged)));
    }

    #[test]
    fn the_sink_can_stop_a_stream_long_before_its_end() {
        // Stored blocks of which none is marked as the last.
        let endless = vec![0_u8; 1 << 20];
        let packed: Vec<u8> = endless.chunks(0xFFFF).flat_map(|c| [&[0, 0xFF, 0xFF, 0, 0], c].concat()).collect();
        let mut seen = 0;
        let result = inflate(packed.as_slice(), &mut |chunk| {
            seen += chunk.len();
            seen < 100_000
        });
        assert!(matches!(result, Err(InflateError::Refused)));
        assert!(seen < 200_000);
    }

    proptest! {
        #[test]
        fn any_bytes_are_unpacked_or_refused(packed in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut total = 0;
            let _ = inflate(packed.as_slice(), &mut |chunk| { total += chunk.len(); total < 1 << 20 });
        }
    }

    const DYNAMIC: &[u8] = &[
        237, 146, 203, 17, 194, 48, 12, 68, 239, 84, 145, 18, 98, 41, 254, 85, 197, 76, 46, 84, 64, 1, 20, 64, 17, 20,
        5, 117, 192, 120, 237, 85, 17, 236, 113, 29, 201, 126, 82, 222, 121, 189, 109, 251, 246, 121, 62, 222, 175,
        251, 182, 95, 206, 95, 76, 43, 166, 17, 143, 21, 109, 196, 190, 162, 163, 184, 172, 124, 140, 108, 121, 229,
        60, 178, 243, 123, 193, 109, 236, 175, 35, 23, 94, 223, 70, 110, 124, 189, 163, 159, 48, 128, 51, 214, 167,
        137, 87, 121, 0, 192, 106, 60, 0, 98, 100, 32, 122, 12, 8, 198, 18, 21, 128, 236, 28, 34, 129, 210, 3, 3, 152,
        149, 59, 75, 224, 76, 188, 195, 0, 154, 217, 98, 0, 237, 220, 132, 1, 244, 136, 205, 2, 180, 19, 204, 64, 122,
        196, 29, 32, 237, 209, 2, 210, 76, 14, 3, 105, 99, 6, 104, 225, 40, 6, 80, 227, 190, 28, 160, 141, 45, 14, 208,
        204, 71, 28, 160, 198, 217, 28, 160, 45, 36, 0, 104, 33, 185, 207, 223, 206, 103, 29, 160, 41, 42, 38, 40, 215,
        225, 147, 52, 14, 250, 41, 43, 101, 165, 172, 148, 149, 178, 82, 86, 202, 74, 89, 41, 43, 101, 165, 172, 148,
        149, 178, 82, 86, 202, 74, 89, 41, 43, 255, 212, 202, 47,
    ];

    /// Lines such as `row 1 村居 1`.
    fn dynamic_text() -> String {
        (0..40).map(|i| format!("row {} 村居 {i}", i * i % 97)).collect::<Vec<_>>().join("\n").repeat(8)
    }
}
