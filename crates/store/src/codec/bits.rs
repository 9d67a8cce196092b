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
