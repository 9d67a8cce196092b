//! The hash behind the ids. It is written down here, and not taken from a crate, because an id must
//! mean the same statement on every machine and in every later version; `golden_ids` guards it.
//!
//! *Mixing* two words is their 128-bit product, the high half XORed onto the low one. A *token's*
//! hash starts as a seed for its kind plus its length in bytes; each 8 bytes, little-endian, the
//! last ones padded with zeros, are XORed on and the result is mixed with [`TOKEN_KEY`]. A
//! *sequence's* hash is the XOR with each token's hash, mixed with [`SEQUENCE_KEY`].
//!
//! It is not meant to withstand someone who looks for collisions: they would only blur their own
//! statistics.

use crate::bytes;

/// Seeds by the kind of token, so that `"5"`, `5` and `'5'` differ.
pub(crate) const NAME_SEED: u64 = 0x8c32_1f0a_5bd1_e995;
/// For a quoted name that would be a reserved word without its quotes.
pub(crate) const QUOTED_RESERVED_SEED: u64 = 0x4cf5_ad43_2745_937f;
/// For operators and punctuation.
pub(crate) const SYMBOL_SEED: u64 = 0x2127_599b_f432_5c37;
/// For literals and for parameter numbers.
pub(crate) const LITERAL_SEED: u64 = 0x8806_90af_1be3_6a27;
/// For what stands in a sequence in place of text: constants, squashed lists, the cut.
const MARK_SEED: u64 = 0x1656_67b1_9e37_79f9;

const TOKEN_KEY: u64 = 0xa076_1d64_78bd_642f;
const SEQUENCE_KEY: u64 = 0xe703_7ed1_a0b4_28db;
const FINAL_KEY: u64 = 0x8ebc_6af0_9c88_c6e3;

/// The hash of a sequence of no tokens.
pub(crate) const EMPTY: u64 = 0x5899_65cc_7537_4cc3;

#[inline(always)]
const fn mix(a: u64, b: u64) -> u64 {
    let product = (a as u128).wrapping_mul(b as u128);
    (product as u64) ^ ((product >> 64) as u64)
}

/// Takes the next 8 bytes into a token's hash.
#[inline(always)]
pub(crate) const fn absorb(token: u64, chunk: u64) -> u64 {
    mix(token ^ chunk, TOKEN_KEY)
}

/// Appends a token, or the hash of a whole list, to a sequence.
#[inline(always)]
pub(crate) const fn append(sequence: u64, token: u64) -> u64 {
    mix(sequence ^ token, SEQUENCE_KEY)
}

/// A mark's hash.
pub(crate) const fn mark(number: u64) -> u64 {
    absorb(MARK_SEED, number)
}

/// An id from a sequence; never 0, which is the others' row.
#[inline]
pub(crate) const fn id(sequence: u64) -> u64 {
    let id = mix(sequence ^ FINAL_KEY, TOKEN_KEY);
    if id == 0 { 1 } else { id }
}

/// The hash of a token of at most eight bytes, `chunk`, with zeros behind them.
#[inline(always)]
pub(crate) const fn short_token(seed: u64, chunk: u64, length: usize) -> u64 {
    absorb(seed.wrapping_add(length as u64), chunk)
}

/// The hashes of symbols of one byte.
pub(crate) static SYMBOLS: [u64; 256] = symbols();

const fn symbols() -> [u64; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = short_token(SYMBOL_SEED, byte as u64, 1);
        byte += 1;
    }
    table
}

/// The hash of `text[start..end]` as it stands.
#[inline]
pub(crate) fn token(seed: u64, text: &[u8], start: usize, end: usize) -> u64 {
    let mut hash = seed.wrapping_add((end - start) as u64);
    let mut at = start;
    while at + 8 < end {
        hash = absorb(hash, bytes::load(text, at, 8));
        at += 8;
    }
    if at < end {
        hash = absorb(hash, bytes::load(text, at, end - at));
    }
    hash
}

/// The hash of the unquoted name `text[start..end]`, folded to lower case.
#[inline(always)]
pub(crate) fn folded_name(text: &[u8], start: usize, end: usize) -> u64 {
    let mut hash = NAME_SEED.wrapping_add((end - start) as u64);
    let mut at = start;
    while at + 8 < end {
        hash = absorb(hash, bytes::to_lower(bytes::load(text, at, 8)));
        at += 8;
    }
    absorb(hash, bytes::to_lower(bytes::load(text, at, end - at)))
}

/// [`folded_name`] or a symbol's hash, for the compiler.
pub(crate) const fn constant_token(seed: u64, text: &[u8]) -> u64 {
    let mut hash = seed.wrapping_add(text.len() as u64);
    let mut at = 0;
    while at < text.len() {
        let mut chunk = 0;
        let mut offset = 0;
        while offset < 8 && at + offset < text.len() {
            chunk |= (text[at + offset] as u64) << (8 * offset);
            offset += 1;
        }
        hash = absorb(hash, chunk);
        at += 8;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compile_time_and_run_time_agree() {
        for word in ["a", "select", "xmlparse", "authorization", "current_timestamp_and_more"] {
            let upper = format!("({})", word.to_uppercase());
            let expected = constant_token(NAME_SEED, word.as_bytes());
            assert_eq!(folded_name(upper.as_bytes(), 1, 1 + word.len()), expected, "{word}");
            assert_eq!(token(NAME_SEED, word.as_bytes(), 0, word.len()), expected, "{word}");
        }
    }

    #[test]
    fn length_and_order_count() {
        assert_ne!(token(LITERAL_SEED, b"a", 0, 1), token(LITERAL_SEED, b"a\0", 0, 2));
        let (one, two) = (mark(1), mark(2));
        assert_ne!(append(append(EMPTY, one), two), append(append(EMPTY, two), one));
    }
}
