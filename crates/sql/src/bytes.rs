//! What a byte may be in SQL text (PostgreSQL manual, 4.1), and eight bytes at a time.

/// What a byte can begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ByteClass {
    /// A control character or one that SQL has no use for.
    Other,
    Space,
    /// A letter, `_`, or part of a character beyond ASCII.
    Letter,
    Digit,
    SingleQuote,
    DoubleQuote,
    Dollar,
    Dot,
    Colon,
    /// A character that operators are made of.
    Operator,
    /// `,` `;` `(` `)` `[` `]`
    Punctuation,
}

const CLASS: [ByteClass; 256] = classes();
const CONTINUES_NAME: [bool; 256] = name_bytes();

const fn classes() -> [ByteClass; 256] {
    let mut table = [ByteClass::Other; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => ByteClass::Space,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80..=0xff => ByteClass::Letter,
            b'0'..=b'9' => ByteClass::Digit,
            b'\'' => ByteClass::SingleQuote,
            b'"' => ByteClass::DoubleQuote,
            b'$' => ByteClass::Dollar,
            b'.' => ByteClass::Dot,
            b':' => ByteClass::Colon,
            b'+' | b'-' | b'*' | b'/' | b'<' | b'>' | b'=' | b'~' | b'!' | b'@' | b'#' | b'%'
            | b'^' | b'&' | b'|' | b'`' | b'?' => ByteClass::Operator,
            b',' | b';' | b'(' | b')' | b'[' | b']' => ByteClass::Punctuation,
            _ => ByteClass::Other,
        };
        byte += 1;
    }
    table
}

const fn name_bytes() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = matches!(
            byte as u8,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' | b'0'..=b'9' | 0x80..=0xff
        );
        byte += 1;
    }
    table
}

#[inline(always)]
pub(crate) fn class(byte: u8) -> ByteClass {
    CLASS[byte as usize]
}

/// The end of the name that goes on at `at`.
#[inline]
pub(crate) fn name_end(text: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = chunk(text, at) {
        let length = leading(no_name(chunk));
        at += length;
        if length < 8 {
            return at;
        }
    }
    while at < text.len() && CONTINUES_NAME[text[at] as usize] {
        at += 1;
    }
    at
}

/// The eight bytes at `at` as a little-endian number, if there are as many.
#[inline(always)]
pub(crate) fn chunk(text: &[u8], at: usize) -> Option<u64> {
    text.get(at..).and_then(|rest| rest.first_chunk::<8>()).map(|chunk| u64::from_le_bytes(*chunk))
}

/// How many of eight bytes come before the first that is marked by its high bit.
#[inline(always)]
pub(crate) const fn leading(marks: u64) -> usize {
    (marks.trailing_zeros() / 8) as usize
}

/// Marks `byte` among eight; exact for the first one marked.
#[inline(always)]
pub(crate) const fn marked(chunk: u64, byte: u8) -> u64 {
    let difference = chunk ^ (LOW_BITS * byte as u64);
    difference.wrapping_sub(LOW_BITS) & !difference & HIGH_BITS
}

/// The first `length` of eight bytes, the others zero; `length` is 1 to 8.
#[inline(always)]
pub(crate) const fn first(chunk: u64, length: usize) -> u64 {
    chunk & (u64::MAX >> (64 - 8 * length))
}

/// Marks those of eight bytes, below 0x80 each, that are at least `from`.
const fn at_least(chunk: u64, from: u8) -> u64 {
    chunk + LOW_BITS * (0x80 - from as u64)
}

/// Marks those of eight bytes, below 0x80 each, that are other than `byte`.
const fn other_than(chunk: u64, byte: u8) -> u64 {
    (chunk ^ (LOW_BITS * byte as u64)) + LOW_BITS * 0x7f
}

/// Marks those of eight bytes that are no digits.
#[inline(always)]
pub(crate) const fn no_digits(chunk: u64) -> u64 {
    let low = chunk & !HIGH_BITS;
    (!at_least(low, b'0') | at_least(low, b'9' + 1) | chunk) & HIGH_BITS
}

/// Marks those of eight bytes that cannot be part of a name.
#[inline(always)]
pub(crate) const fn no_name(chunk: u64) -> u64 {
    let low = chunk & !HIGH_BITS;
    let folded = low | (LOW_BITS * 0x20);
    let letters = at_least(folded, b'a') & !at_least(folded, b'z' + 1);
    let digits = at_least(low, b'0') & !at_least(low, b'9' + 1);
    let others = other_than(low, b'_') & other_than(low, b'$');
    !(letters | digits | chunk) & others & HIGH_BITS
}

/// `text[at..at + length]` as a little-endian number, for `length` up to 8; 0 beyond the text.
#[inline(always)]
pub(crate) fn load(text: &[u8], at: usize, length: usize) -> u64 {
    debug_assert!(length <= 8);
    if length == 0 {
        return 0;
    }
    let Some(rest) = text.get(at..) else { return 0 };
    if let Some(chunk) = rest.first_chunk::<8>() {
        // Bytes after the wanted ones are shifted out.
        return u64::from_le_bytes(*chunk) << (64 - 8 * length) >> (64 - 8 * length);
    }
    rest.iter().take(length).rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
const LOW_BITS: u64 = 0x0101_0101_0101_0101;

/// Folds the capital letters A to Z among eight bytes; others, those beyond ASCII too, stay.
#[inline(always)]
pub(crate) const fn to_lower(chunk: u64) -> u64 {
    let low_seven = chunk & !HIGH_BITS;
    let from_a = low_seven + LOW_BITS * (0x80 - b'A' as u64);
    let beyond_z = low_seven + LOW_BITS * (0x7f - b'Z' as u64);
    let capital = (from_a ^ beyond_z) & !chunk & HIGH_BITS;
    chunk | capital >> 2
}

/// Where `needle` is next, from `at` on; the text's length if nowhere.
#[inline]
pub(crate) fn find(text: &[u8], mut at: usize, needle: u8) -> usize {
    while let Some(chunk) = chunk(text, at) {
        let zeros = marked(chunk, needle);
        if zeros != 0 {
            return at + leading(zeros);
        }
        at += 8;
    }
    while at < text.len() && text[at] != needle {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bytes_at_a_time_agree_with_one() {
        for byte in 0..=255u8 {
            let text = [b'x', byte, byte, b'Z', byte, b'-', byte, byte, byte, b'q'];
            let lower: Vec<u8> = text.iter().map(u8::to_ascii_lowercase).collect();
            for length in 1..=8 {
                assert_eq!(to_lower(load(&text, 1, length)), load(&lower, 1, length));
            }
            let padded = [&[byte.wrapping_add(1); 11][..], &[byte, 7, byte][..]].concat();
            assert_eq!(find(&padded, 0, byte), 11);
            assert_eq!(find(&padded, 12, byte), if byte == 7 { 12 } else { 13 });
            assert_eq!(find(&padded, 14, byte), 14);
        }
    }

    #[test]
    fn loading_past_the_end_pads_with_zeros() {
        assert_eq!(load(b"ab", 1, 1), u64::from(b'b'));
        assert_eq!(load(b"ab", 2, 1), 0);
        assert_eq!(load(b"ab", 9, 4), 0);
    }
}
