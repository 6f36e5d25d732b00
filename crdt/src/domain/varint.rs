//! Whole numbers in few bytes: LEB128 (seven bits a byte, lowest first), and zigzag for numbers that may be negative.

/// Appends a number.
pub(super) fn write(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes a number off the front; `None` when it is cut off or exceeds 64 bits.
pub(super) fn read(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        let bits = u64::from(byte & 0x7F);
        if bits << shift >> shift != bits {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Appends the step from `before` to `after`; steps beyond 64 bits wrap around.
pub(super) fn write_step(bytes: &mut Vec<u8>, before: i64, after: i64) {
    let step = after.wrapping_sub(before);
    write(bytes, ((step << 1) ^ (step >> 63)).cast_unsigned());
}

/// Takes a step off the front and goes it from `before`.
pub(super) fn read_step(rest: &mut &[u8], before: i64) -> Option<i64> {
    let zigzag = read(rest)?;
    let step = (zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed());
    Some(before.wrapping_add(step))
}

/// Appends numbers, each as the step from the one before it; the first from 0.
pub(super) fn write_steps(bytes: &mut Vec<u8>, numbers: impl IntoIterator<Item = i64>) {
    numbers.into_iter().fold(0, |before, number| {
        write_step(bytes, before, number);
        number
    });
}

/// Takes that many numbers off the front that [`write_steps`] appended.
pub(super) fn read_steps(rest: &mut &[u8], count: usize) -> Option<Vec<i64>> {
    let mut before = 0;
    let mut step = || {
        before = read_step(rest, before)?;
        Some(before)
    };
    (0..count).map(|_| step()).collect()
}

/// Appends bytes with their length before them.
pub(super) fn write_bytes(bytes: &mut Vec<u8>, some: &[u8]) {
    write(bytes, some.len() as u64);
    bytes.extend_from_slice(some);
}

/// Takes a text of at most `limit` bytes off the front, with its length before it.
pub(super) fn read_text(rest: &mut &[u8], limit: usize) -> Option<String> {
    let length = usize::try_from(read(rest)?).ok().filter(|length| *length <= limit)?;
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    std::str::from_utf8(text).ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_and_steps_round_trip(number: u64, before: i64, after: i64) {
            let mut bytes = Vec::new();
            write(&mut bytes, number);
            write_step(&mut bytes, before, after);
            let mut rest = bytes.as_slice();
            prop_assert_eq!(read(&mut rest), Some(number));
            prop_assert_eq!(read_step(&mut rest, before), Some(after));
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..16)) {
            let _ = (read(&mut bytes.as_slice()), read_text(&mut bytes.as_slice(), 8));
        }
    }

    #[test]
    fn small_steps_take_one_byte() {
        let mut bytes = Vec::new();
        write_step(&mut bytes, 100, 37);
        write_step(&mut bytes, 100, 163);
        assert_eq!(bytes.len(), 2);
    }
}
