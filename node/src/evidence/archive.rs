//! The zip archive of a pack: files stored one after the other, in one form only.
//!
//! Any program opens it. What is read must be what [`ArchiveWriter`] writes, byte for byte: nothing packed, no comments, no
//! gaps, no dates, one name for each file. So nothing can unpack to more than it is, no two programs read it
//! differently, and a changed byte anywhere is found.

use std::collections::BTreeSet;
use std::io::{self, Read, Seek, SeekFrom};

use super::problem::Problem;

const LOCAL: u32 = 0x0403_4b50;
const ENTRY: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const ENTRY_LENGTH: usize = 46;
const END_LENGTH: u64 = 22;
/// 2.0: what every program reads.
const VERSION: u16 = 20;
/// Names are UTF-8.
const FLAGS: u16 = 1 << 11;
/// 1980-01-01: the earliest day that the format has.
const DAY: u16 = 1 << 5 | 1;
/// Most files of an archive.
pub(super) const MAX_FILES: usize = 512;
/// Longest name in bytes.
const MAX_NAME: usize = 120;

/// The sum that zip programs check (CRC-32 of ISO-HDLC).
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let (mut sum, mut bit) = (byte as u32, 0);
            while bit < 8 {
                sum = if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 };
                bit += 1;
            }
            table[byte] = sum;
            byte += 1;
        }
        table
    };
    let next = |sum: u32, byte: &u8| TABLE.get((sum as u8 ^ byte) as usize).copied().unwrap_or(0) ^ sum >> 8;
    !bytes.iter().fold(!0, next)
}

/// What local header and directory say alike: 26 bytes.
fn facts(name: &str, length: u32, crc: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(26);
    for number in [VERSION, FLAGS, 0, 0, DAY] {
        bytes.extend(number.to_le_bytes());
    }
    for number in [crc, length, length] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend((name.len() as u16).to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

fn local_header(name: &str, length: u32, crc: u32) -> Vec<u8> {
    [&LOCAL.to_le_bytes()[..], &facts(name, length, crc), name.as_bytes()].concat()
}

fn directory_entry(name: &str, length: u32, crc: u32, at: u32) -> Vec<u8> {
    let (version, facts) = (VERSION.to_le_bytes(), facts(name, length, crc));
    let rest = [[0; 10].as_slice(), &at.to_le_bytes(), name.as_bytes()].concat();
    [&ENTRY.to_le_bytes()[..], &version, &facts, &rest].concat()
}

fn end(count: u16, size: u32, at: u32) -> Vec<u8> {
    let (count, size, at) = (count.to_le_bytes(), size.to_le_bytes(), at.to_le_bytes());
    [&END.to_le_bytes()[..], &[0; 4], &count, &count, &size, &at, &[0; 2]].concat()
}

/// Writes an archive, piece by piece.
#[derive(Debug, Default)]
pub struct ArchiveWriter {
    at: u64,
    count: u16,
    directory: Vec<u8>,
}

/// Why an archive cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an evidence pack is larger than the 4 GiB, or has more files than the {MAX_FILES}, of one archive")]
pub struct ArchiveError;

impl ArchiveWriter {
    /// What stands before the bytes of the next file.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn file(&mut self, name: &str, bytes: &[u8]) -> Result<Vec<u8>, ArchiveError> {
        let length = u32::try_from(bytes.len()).map_err(|_| ArchiveError)?;
        let at = u32::try_from(self.at).map_err(|_| ArchiveError)?;
        if usize::from(self.count) == MAX_FILES || !is_name(name) {
            return Err(ArchiveError);
        }
        let crc = crc32(bytes);
        let header = local_header(name, length, crc);
        self.directory.extend(directory_entry(name, length, crc, at));
        self.count += 1;
        self.at += header.len() as u64 + u64::from(length);
        Ok(header)
    }

    /// What stands at the end.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn end(self) -> Result<Vec<u8>, ArchiveError> {
        let at = u32::try_from(self.at).map_err(|_| ArchiveError)?;
        let size = u32::try_from(self.directory.len()).map_err(|_| ArchiveError)?;
        Ok([self.directory, end(self.count, size, at)].concat())
    }
}

/// Small letters, digits, points, strokes and dashes; no way out of the folder.
fn is_name(name: &str) -> bool {
    let fit =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'/' | b'-' | b'_');
    let is_part = |part: &str| !part.is_empty() && !part.starts_with('.');
    name.len() <= MAX_NAME && name.bytes().all(fit) && name.split('/').all(is_part)
}

/// A file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) length: u64,
    crc: u32,
    at: u64,
}

/// An archive whose directory was checked.
#[derive(Debug)]
pub(super) struct Archive<F> {
    file: F,
    pub(super) parts: Vec<Part>,
}

/// Why an archive is not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unread {
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is not as it was written.
    #[error("{}: {}", .0.place, .0.en)]
    Altered(Problem),
}

fn altered(place: &str, zh: impl Into<String>, en: impl Into<String>) -> Unread {
    Unread::Altered(Problem::new("container", place, zh, en))
}

impl<F: Read + Seek> Archive<F> {
    /// Reads the directory and compares every byte that is not of a file.
    pub(super) fn open(mut file: F) -> Result<Self, Unread> {
        let length = file.seek(SeekFrom::End(0))?;
        let no_end =
            || altered("end", "不是完整的证据包（缺少结尾）", "it is no whole evidence pack: its end is missing");
        let end_at = length.checked_sub(END_LENGTH).ok_or_else(no_end)?;
        let mut ending = [0; END_LENGTH as usize];
        read_at(&mut file, end_at, &mut ending)?;
        let (count, size, at) = (number(&ending, 10, 2), number(&ending, 12, 4), number(&ending, 16, 4));
        let longest = MAX_FILES * (ENTRY_LENGTH + MAX_NAME);
        let fits = count as usize <= MAX_FILES && size as usize <= longest && u64::from(at) + u64::from(size) == end_at;
        if !fits || ending[..] != end(count as u16, size, at)[..] {
            return Err(no_end());
        }
        let mut directory = vec![0; size as usize];
        read_at(&mut file, at.into(), &mut directory)?;
        let mut archive = Self { file, parts: Vec::new() };
        archive.read_directory(&directory, at.into())?;
        match archive.parts.len() == count as usize {
            true => Ok(archive),
            false => Err(altered(
                "directory",
                "目录中的文件数不符",
                "the directory has another number of files than it says",
            )),
        }
    }

    fn read_directory(&mut self, directory: &[u8], ends_at: u64) -> Result<(), Unread> {
        let (mut rest, mut next_at, mut names) = (directory, 0, BTreeSet::new());
        while !rest.is_empty() {
            let place = format!("directory, byte {}", directory.len() - rest.len());
            let wrong = || altered(&place, "目录项与写出的不同", "an entry of the directory is not as it is written");
            let entry = rest.get(..ENTRY_LENGTH).ok_or_else(wrong)?;
            if number(entry, 10, 2) != 0 {
                return Err(repacked(&place));
            }
            let (crc, length, name_length) = (number(entry, 16, 4), number(entry, 24, 4), number(entry, 28, 2));
            let name = rest.get(ENTRY_LENGTH..ENTRY_LENGTH + name_length as usize).ok_or_else(wrong)?;
            let name = std::str::from_utf8(name).ok().filter(|name| is_name(name)).ok_or_else(wrong)?;
            let at = number(entry, 42, 4);
            let expected = directory_entry(name, length, crc, at);
            if rest.get(..expected.len()) != Some(expected.as_slice()) || u64::from(at) != next_at {
                return Err(wrong());
            }
            if !names.insert(name.to_owned()) {
                return Err(altered(name, "同名文件出现两次", "two files have this name"));
            }
            let header = local_header(name, length, crc);
            let content_at = next_at + header.len() as u64;
            next_at = content_at + u64::from(length);
            if next_at > ends_at {
                return Err(wrong());
            }
            let mut found = vec![0; header.len()];
            read_at(&mut self.file, u64::from(at), &mut found)?;
            if found != header {
                return Err(altered(
                    name,
                    "文件头与目录不符",
                    "what stands before the file is not what the directory says",
                ));
            }
            self.parts.push(Part { name: name.to_owned(), length: length.into(), crc, at: content_at });
            rest = rest.get(expected.len()..).unwrap_or_default();
        }
        match next_at == ends_at {
            true => Ok(()),
            false => {
                Err(altered("directory", "文件之间有多余内容", "something stands between the files and the directory"))
            }
        }
    }

    /// The bytes of a file; `None` where they are not those that the directory sums up.
    pub(super) fn read(&mut self, part: &Part) -> io::Result<Option<Vec<u8>>> {
        // The length lies within the file, as `open` has seen.
        let mut bytes = vec![0; usize::try_from(part.length).unwrap_or(usize::MAX)];
        read_at(&mut self.file, part.at, &mut bytes)?;
        Ok((crc32(&bytes) == part.crc).then_some(bytes))
    }

    /// BLAKE3 of a file, which is read piece by piece.
    pub(super) fn hash(&mut self, part: &Part) -> io::Result<[u8; 32]> {
        self.file.seek(SeekFrom::Start(part.at))?;
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader((&mut self.file).take(part.length))?;
        Ok(hasher.finalize().into())
    }
}

fn repacked(place: &str) -> Unread {
    let (zh, en) = (
        "证据包被其他程序重新压缩过，请使用导出的原文件",
        "another program packed this anew; use the file as it was exported",
    );
    Unread::Altered(Problem::new("repacked", place, zh, en))
}

fn read_at(file: &mut (impl Read + Seek), at: u64, bytes: &mut [u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(bytes)
}

/// A little-endian number of up to 4 bytes; 0 beyond the end, which every caller has ruled out by its length.
fn number(bytes: &[u8], at: usize, length: usize) -> u32 {
    let digits = bytes.get(at..at + length).unwrap_or_default();
    digits.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let (mut writer, mut bytes) = (ArchiveWriter::default(), Vec::new());
        for (name, content) in files {
            bytes.extend(writer.file(name, content).unwrap());
            bytes.extend_from_slice(content);
        }
        bytes.extend(writer.end().unwrap());
        bytes
    }

    fn contents(bytes: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
        let mut archive = Archive::open(Cursor::new(bytes)).ok()?;
        let parts = archive.parts.clone();
        parts.into_iter().map(|part| Some((part.name.clone(), archive.read(&part).ok()??))).collect()
    }

    #[test]
    fn what_is_written_is_read_and_every_flipped_bit_is_found() {
        let bytes = archive(&[("a.json", b"{}"), ("photos/b.jpg", b"\xff\xd8\xff"), ("c", b"")]);
        let read = contents(&bytes).unwrap();
        assert_eq!(read[1], ("photos/b.jpg".to_owned(), b"\xff\xd8\xff".to_vec()));
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        for bit in 0..bytes.len() * 8 {
            let mut altered = bytes.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(contents(&altered), None, "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert_eq!(contents(&bytes[..length]), None, "cut to {length}");
        }
        assert_eq!(contents(&[b"x", bytes.as_slice()].concat()), None);
        assert_eq!(contents(&[bytes.as_slice(), b"x"].concat()), None);
    }

    #[test]
    fn names_stay_within_the_folder_and_are_used_once() {
        for wrong in ["", "/a", "../a", "a/../b", "a//b", "A", "a\\b", ".a", "a/", "村"] {
            assert_eq!(ArchiveWriter::default().file(wrong, b""), Err(ArchiveError), "{wrong}");
        }
        let twice = archive(&[("a", b"1"), ("a", b"2")]);
        assert!(matches!(Archive::open(Cursor::new(twice)), Err(Unread::Altered(problem)) if problem.place == "a"));
        let mut writer = ArchiveWriter::default();
        for number in 0..MAX_FILES {
            writer.file(&number.to_string(), b"").unwrap();
        }
        assert_eq!(writer.file("more", b""), Err(ArchiveError));
    }

    #[test]
    fn what_another_program_packed_is_told_so() {
        let mut packed = archive(&[("a", b"1")]);
        let entry = packed.windows(4).position(|four| four == ENTRY.to_le_bytes()).unwrap();
        packed[entry + 10] = 8;
        assert!(
            matches!(Archive::open(Cursor::new(packed)), Err(Unread::Altered(problem)) if problem.code == "repacked")
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_archive_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(contents(&bytes), None);
        }
    }
}
