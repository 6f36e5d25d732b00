//! Looks through a workbook before the spreadsheet library does, and refuses what that library would choke on.
//!
//! The library (calamine) reserves memory for as many shared strings as the file announces, unpacks parts without a
//! limit and holds one XML event in memory whatever its size. So every part is unpacked here once, in a small window,
//! and counted. The archive's directory is read more strictly than the library reads it: one directory, at the very
//! end, without gaps or 64-bit records. What passes has one reading only, so both see the same parts.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use super::inflate::{InflateError, inflate};

/// Strings that a workbook may share between its cells.
const MAX_SHARED_STRINGS: u64 = 4_000_000;
/// Bytes between two XML tags; a cell holds at most 32,767 characters.
const MAX_BETWEEN_TAGS: usize = 1 << 20;
const MAX_PARTS: u16 = 10_000;

const END_LENGTH: u64 = 22;
const DIRECTORY_ENTRY_LENGTH: usize = 46;
const LOCAL_HEADER_LENGTH: usize = 30;

/// Why a workbook is not handed to the spreadsheet library.
#[derive(Debug, thiserror::Error)]
pub(in crate::ledger) enum GuardError {
    /// Not an archive in the form that spreadsheet programs write.
    #[error("the file is no complete .xlsx workbook")]
    NotAWorkbook,
    /// Protected by a password.
    #[error("the workbook is protected by a password")]
    Encrypted,
    /// Unpacks to more than the limit.
    #[error("the workbook unpacks to more than {0} bytes")]
    TooLarge(u64),
    /// Announces or holds something absurd.
    #[error("the workbook holds {0}")]
    Absurd(&'static str),
    /// The file could not be read.
    #[error(transparent)]
    Io(io::Error),
}

impl From<io::Error> for GuardError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof { Self::NotAWorkbook } else { Self::Io(error) }
    }
}

/// One part of the workbook, as the directory describes it.
struct Part {
    packed: bool,
    packed_length: u64,
    header_at: u64,
}

/// Checks every part; `limit` bounds the sum of their unpacked sizes.
pub(in crate::ledger) fn check(file: &mut (impl Read + Seek), limit: u64) -> Result<(), GuardError> {
    let mut inspection = Inspection { left: limit, ..Inspection::default() };
    for part in directory(file)? {
        let mut header = [0; LOCAL_HEADER_LENGTH];
        file.seek(SeekFrom::Start(part.header_at))?;
        file.read_exact(&mut header)?;
        if !header.starts_with(b"PK\x03\x04") {
            return Err(GuardError::NotAWorkbook);
        }
        let names = u64::from(number(&header, 26, 2)) + u64::from(number(&header, 28, 2));
        file.seek(SeekFrom::Start(part.header_at + LOCAL_HEADER_LENGTH as u64 + names))?;
        inspection.next_part();
        let packed = BufReader::new((&mut *file).take(part.packed_length));
        let end = if part.packed {
            inflate(packed, &mut |bytes| inspection.look(bytes))
        } else {
            copy(packed, &mut inspection)
        };
        match (end, inspection.found.take()) {
            (_, Some(Found::TooLarge)) => return Err(GuardError::TooLarge(limit)),
            (_, Some(Found::Absurd(what))) => return Err(GuardError::Absurd(what)),
            (Ok(()), None) => {}
            (Err(InflateError::Io(error)), None) => return Err(error.into()),
            (Err(InflateError::Damaged | InflateError::Truncated | InflateError::Refused), None) => {
                return Err(GuardError::NotAWorkbook);
            }
        }
    }
    file.rewind()?;
    Ok(())
}

fn copy(mut stored: impl Read, inspection: &mut Inspection) -> Result<(), InflateError> {
    let mut buffer = [0; 8192];
    loop {
        let length = stored.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        if !inspection.look(buffer.get(..length).unwrap_or_default()) {
            return Err(InflateError::Refused);
        }
    }
}

fn directory(file: &mut (impl Read + Seek)) -> Result<Vec<Part>, GuardError> {
    let length = file.seek(SeekFrom::End(0))?;
    let end_at = length.checked_sub(END_LENGTH).ok_or(GuardError::NotAWorkbook)?;
    let mut end = [0; END_LENGTH as usize];
    file.seek(SeekFrom::Start(end_at))?;
    file.read_exact(&mut end)?;
    let count = number(&end, 10, 2) as u16;
    let (size, start) = (u64::from(number(&end, 12, 4)), u64::from(number(&end, 16, 4)));
    let one_disk = number(&end, 4, 4) == 0 && number(&end, 8, 2) == number(&end, 10, 2);
    let whole = end.starts_with(b"PK\x05\x06") && one_disk && number(&end, 20, 2) == 0 && start + size == end_at;
    if !whole || count == 0 || count > MAX_PARTS || size > u64::from(MAX_PARTS) * 1024 {
        return Err(GuardError::NotAWorkbook);
    }
    let mut bytes = vec![0; size as usize];
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(&mut bytes)?;
    // A 64-bit record before the end would name another directory.
    let has_locator = bytes.len().checked_sub(20).is_some_and(|at| bytes.get(at..at + 4) == Some(b"PK\x06\x07"));
    if has_locator {
        return Err(GuardError::NotAWorkbook);
    }
    let mut parts = Vec::with_capacity(usize::from(count));
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let (part, after) = directory_entry(rest, start)?;
        parts.push(part);
        rest = after;
    }
    if parts.len() == usize::from(count) { Ok(parts) } else { Err(GuardError::NotAWorkbook) }
}

fn directory_entry(bytes: &[u8], directory_at: u64) -> Result<(Part, &[u8]), GuardError> {
    let header = bytes.get(..DIRECTORY_ENTRY_LENGTH).ok_or(GuardError::NotAWorkbook)?;
    if !header.starts_with(b"PK\x01\x02") {
        return Err(GuardError::NotAWorkbook);
    }
    if number(header, 8, 2) & 1 != 0 {
        return Err(GuardError::Encrypted);
    }
    let packed = match number(header, 10, 2) {
        0 => false,
        8 => true,
        _ => return Err(GuardError::NotAWorkbook),
    };
    let packed_length = u64::from(number(header, 20, 4));
    let header_at = u64::from(number(header, 42, 4));
    let inside =
        packed_length < 0xFFFF_FFFF && number(header, 24, 4) < 0xFFFF_FFFF && header_at + packed_length < directory_at;
    let names = number(header, 28, 2) + number(header, 30, 2) + number(header, 32, 2);
    let after =
        bytes.get(DIRECTORY_ENTRY_LENGTH + names as usize..).filter(|_| inside).ok_or(GuardError::NotAWorkbook)?;
    Ok((Part { packed, packed_length, header_at }, after))
}

/// A little-endian number of up to 4 bytes; 0 beyond the end, which every caller has ruled out by its length.
fn number(bytes: &[u8], at: usize, length: usize) -> u32 {
    let digits = bytes.get(at..at + length).unwrap_or_default();
    digits.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
}

enum Found {
    TooLarge,
    Absurd(&'static str),
}

/// The eleven bytes of `uniqueCount`, the attribute that announces the shared strings, as a number.
const UNIQUE_COUNT: u128 = u128::from_be_bytes(*b"\0\0\0\0\0uniqueCount");
const ELEVEN_BYTES: u128 = (1 << 88) - 1;

/// What has been seen of the parts so far.
#[derive(Default)]
struct Inspection {
    left: u64,
    found: Option<Found>,
    position: usize,
    since_tag: usize,
    last_eleven: u128,
    /// The digits after `uniqueCount=`, while they are being read.
    announced: Option<u64>,
}

impl Inspection {
    fn next_part(&mut self) {
        *self = Self { left: self.left, ..Self::default() };
    }

    /// False when there is no point in reading on.
    fn look(&mut self, bytes: &[u8]) -> bool {
        let Some(left) = self.left.checked_sub(bytes.len() as u64) else {
            self.found = Some(Found::TooLarge);
            return false;
        };
        self.left = left;
        bytes.iter().all(|byte| {
            self.look_at(*byte);
            self.found.is_none()
        })
    }

    fn look_at(&mut self, byte: u8) {
        // UTF-16 would hide everything below from this look, but not from the library.
        self.position = self.position.saturating_add(1);
        self.last_eleven = (self.last_eleven << 8 | u128::from(byte)) & ELEVEN_BYTES;
        if self.position == 2 && matches!(self.last_eleven, 0xFFFE | 0xFEFF | 0x3C00 | 0x003C) {
            self.found = Some(Found::Absurd("text in UTF-16, which spreadsheet programs do not write"));
        }
        self.since_tag = if byte == b'<' { 0 } else { self.since_tag + 1 };
        if self.since_tag > MAX_BETWEEN_TAGS {
            self.found = Some(Found::Absurd("a cell of more than a million characters"));
        }
        if self.last_eleven == UNIQUE_COUNT {
            self.announced = Some(0);
        } else if let Some(count) = self.announced {
            self.announced = match byte {
                b'0'..=b'9' => Some(count.saturating_mul(10).saturating_add(u64::from(byte - b'0'))),
                b'=' | b'"' | b'\'' | b' ' | b'\t' | b'\r' | b'\n' if count == 0 => Some(0),
                _ => None,
            };
        }
        if self.announced.is_some_and(|count| count > MAX_SHARED_STRINGS) {
            self.found = Some(Found::Absurd("more than 4,000,000 shared texts"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Reading;
    use super::super::super::regions::RegionTable;
    use super::super::super::sheet::{Sheet, SheetCell, write_workbook};
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    fn archive(parts: &[&[u8]]) -> Vec<u8> {
        let named: Vec<(String, Vec<u8>)> = parts.iter().map(|part| ("a".to_owned(), part.to_vec())).collect();
        named_archive(&named)
    }

    /// An archive of parts that are stored as they are.
    fn named_archive(parts: &[(String, Vec<u8>)]) -> Vec<u8> {
        let (mut bytes, mut directory) = (Vec::<u8>::new(), Vec::<u8>::new());
        for (name, part) in parts {
            let length = (part.len() as u32).to_le_bytes();
            let name_length = (name.len() as u16).to_le_bytes();
            let at = (bytes.len() as u32).to_le_bytes();
            bytes.extend(b"PK\x03\x04");
            bytes.extend([0; 14].iter().chain(&length).chain(&length).chain(&name_length).chain(&[0, 0]));
            bytes.extend(name.bytes().chain(part.iter().copied()));
            directory.extend(b"PK\x01\x02");
            directory
                .extend([0; 16].iter().chain(&length).chain(&length).chain(&name_length).chain(&[0; 12]).chain(&at));
            directory.extend(name.bytes());
        }
        let (size, start) = ((directory.len() as u32).to_le_bytes(), (bytes.len() as u32).to_le_bytes());
        let count = (parts.len() as u16).to_le_bytes();
        bytes.extend(directory);
        bytes.extend(b"PK\x05\x06\0\0\0\0");
        bytes.extend(count.iter().chain(&count).chain(&size).chain(&start).chain(&[0, 0]));
        bytes
    }

    fn verdict(bytes: &[u8], limit: u64) -> Result<(), String> {
        check(&mut Cursor::new(bytes), limit).map_err(|error| error.to_string())
    }

    #[test]
    fn what_the_library_would_choke_on_is_refused() {
        let refused = |part: &[u8]| verdict(&archive(&[b"<a/>", part]), 1 << 30).unwrap_err();
        assert!(refused(b"<sst uniqueCount=\"18446744073709551615\">").contains("shared texts"));
        assert!(refused(b"<!-- uniqueuniqueCount\n= '00004000001' -->").contains("shared texts"));
        assert!(refused(&[b'x'; MAX_BETWEEN_TAGS + 1]).contains("a cell of more"));
        assert!(refused(b"\xFF\xFE<\0").contains("UTF-16"));
        assert!(refused(b"<\0s\0").contains("UTF-16"));
        assert_eq!(verdict(&archive(&[b"<sst uniqueCount=\"12\">", b"uniqueCount", b"\xFF\xD8\xFF"]), 1 << 20), Ok(()));
    }

    #[test]
    fn the_limit_is_on_all_parts_together() {
        let archive = archive(&[&[b'<'; 600], &[b'<'; 600]]);
        assert_eq!(verdict(&archive, 1_200), Ok(()));
        assert!(verdict(&archive, 1_199).unwrap_err().contains("1199 bytes"));
    }

    #[test]
    fn an_archive_with_two_readings_is_refused() {
        let good = archive(&[b"<a/>"]);
        assert_eq!(verdict(&good, 1_000), Ok(()));
        let second_directory = [good.as_slice(), &good].concat();
        let comment = [&good[..good.len() - 2], &[1, 0, b'x']].concat();
        for bytes in [second_directory, comment, [b"x", good.as_slice()].concat(), good[1..].to_vec()] {
            assert!(verdict(&bytes, 1_000).unwrap_err().contains("no complete"));
        }
        for place in 0..good.len() {
            let mut damaged = good.clone();
            damaged[place] ^= 0xFF;
            let _ = verdict(&damaged, 1_000);
        }
    }

    /// The parts of a workbook, unpacked.
    fn parts(workbook: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut file = Cursor::new(workbook);
        let unpack = |part: Part| {
            let header = &workbook[part.header_at as usize..];
            let (name, extra) = (number(header, 26, 2) as usize, number(header, 28, 2) as usize);
            let packed = &header[LOCAL_HEADER_LENGTH + name + extra..][..part.packed_length as usize];
            let mut bytes = Vec::new();
            let mut keep = |chunk: &[u8]| {
                bytes.extend_from_slice(chunk);
                true
            };
            inflate(packed, &mut keep).unwrap();
            (String::from_utf8(header[LOCAL_HEADER_LENGTH..][..name].to_vec()).unwrap(), bytes)
        };
        directory(&mut file).unwrap().into_iter().map(unpack).collect()
    }

    fn workbook() -> Vec<u8> {
        let mut sheet = Sheet::new("台账", &["村居", "门牌号", "姓名", "面积"]).unwrap();
        for door in ["1号", "2号"] {
            let [region, name] = ["狼垡一村", "甲东"].map(|text| SheetCell::Text(text.to_owned()));
            sheet.row([region, SheetCell::Text(door.to_owned()), name, SheetCell::Number(30.5)]).unwrap();
        }
        let mut bytes = Vec::new();
        write_workbook([sheet], &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn unpacking_and_storing_a_workbook_changes_nothing_in_it() {
        let regions = RegionTable::default();
        let read = |bytes: &[u8]| Reading::new(&regions).bytes(bytes).unwrap();
        assert_eq!(read(&named_archive(&parts(&workbook()))), read(&workbook()));
        assert_eq!(read(&workbook()).rejected.len(), 2);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn damage_inside_the_parts_never_panics(
            hits in proptest::collection::vec((any::<u16>(), any::<u16>(), prop_oneof![any::<u8>(), b'0'..=b'9', Just(b'<')]), 1..6),
        ) {
            let mut parts = parts(&workbook());
            for (part, place, byte) in hits {
                let count = parts.len();
                let content = &mut parts[usize::from(part) % count].1;
                let place = usize::from(place) % content.len();
                content[place] = byte;
            }
            let _ = Reading::new(&RegionTable::default()).bytes(&named_archive(&parts));
        }
    }
}
