//! Numbers in few bits: Elias's gamma code (P. Elias, "Universal codeword sets", 1975), in which 1
//! takes one bit, 2 and 3 take three, 4 to 7 five.

use super::{Damaged, MOST, Read, Reader, Writer};

/// Bits being written; the last byte is filled up with zeros.
#[derive(Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    /// Bits used of the last byte, 0 where it is full.
    used: u32,
}

impl BitWriter {
    /// Writes a number of 1 or more.
    pub(super) fn gamma(&mut self, number: u64) {
        let number = number.clamp(1, MOST);
        let width = 63 - number.leading_zeros();
        (0..width).for_each(|_| self.bit(false));
        (0..=width).rev().for_each(|place| self.bit(number >> place & 1 == 1));
    }

    fn bit(&mut self, bit: bool) {
        if self.used == 0 {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(bit) << (7 - self.used);
        }
        self.used = (self.used + 1) % 8;
    }
}

impl Writer {
    pub(super) fn bits(&mut self, bits: &BitWriter) {
        self.bytes.extend_from_slice(&bits.bytes);
    }
}

/// Bits being read.
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl BitReader<'_> {
    /// Reads a number of 1 or more.
    pub(super) fn gamma(&mut self) -> Read<u64> {
        // Nearly all are short, and lie in the next eight bytes: a report reads millions.
        let window = self.bytes.get(self.at / 8..).and_then(|rest| rest.first_chunk::<8>());
        if let Some(window) = window {
            let ahead = u64::from_be_bytes(*window) << (self.at % 8);
            let length = 2 * ahead.leading_zeros() + 1;
            if length <= 56 {
                self.at += length as usize;
                return Ok(ahead >> (64 - length));
            }
        }
        self.gamma_bit_by_bit()
    }

    fn gamma_bit_by_bit(&mut self) -> Read<u64> {
        let mut width = 0;
        while !self.bit()? {
            width += 1;
        }
        let mut number = 1u64;
        for _ in 0..width {
            if number >= MOST {
                return Err(Damaged::Number);
            }
            number = number << 1 | u64::from(self.bit()?);
        }
        Ok(number)
    }

    fn bit(&mut self) -> Read<bool> {
        let byte = self.bytes.get(self.at / 8).ok_or(Damaged::Short)?;
        let bit = byte >> (7 - self.at % 8) & 1 == 1;
        self.at += 1;
        Ok(bit)
    }
}

impl<'a> Reader<'a> {
    /// Reads bits, and goes on with the next whole byte.
    pub(super) fn bits<T>(&mut self, read: impl FnOnce(&mut BitReader<'a>) -> Read<T>) -> Read<T> {
        let mut bits = BitReader { bytes: self.bytes, at: 0 };
        let value = read(&mut bits)?;
        self.take(bits.at.div_ceil(8) as u64)?;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_of_every_length_are_read_as_they_were_written(
            numbers in proptest::collection::vec((0u32..49, any::<u64>()), 0..60),
        ) {
            let numbers: Vec<u64> =
                numbers.into_iter().map(|(bits, n)| (n % (1 << bits)).max(1)).collect();
            let mut bits = BitWriter::default();
            numbers.iter().for_each(|number| bits.gamma(*number));
            let mut writer = Writer::default();
            writer.bits(&bits);
            writer.number(4711);
            let mut reader = Reader { bytes: &writer.bytes };
            let read = reader.bits(|bits| numbers.iter().map(|_| bits.gamma()).collect());
            prop_assert_eq!(read, Ok(numbers));
            prop_assert_eq!(reader.number(), Ok(4711));
        }
    }

    #[test]
    fn few_bits_for_small_numbers() {
        let mut bits = BitWriter::default();
        [1, 1, 2, 3, 5].into_iter().for_each(|number| bits.gamma(number));
        assert_eq!(bits.bytes, [0b1101_0011, 0b0010_1000]);
    }
}
