//! A histogram: distances between buckets and their counts in few bits, since most are small.

use model::{Histogram, HistogramParts};

use super::bits::BitWriter;
use super::{Damaged, Read, Reader, Writer};

impl Writer {
    pub(super) fn histogram(&mut self, histogram: &Histogram) {
        let buckets = histogram.buckets();
        self.number(histogram.zeros());
        self.number(buckets.len() as u64);
        if let Some((first, _)) = buckets.first() {
            self.signed(i64::from(*first));
            let mut bits = BitWriter::default();
            let mut before = *first;
            for (at, (bucket, count)) in buckets.iter().enumerate() {
                if at > 0 {
                    bits.gamma((i64::from(*bucket) - i64::from(before)).unsigned_abs());
                }
                bits.gamma(*count);
                before = *bucket;
            }
            self.bits(&bits);
        }
        self.duration(histogram.sum());
        self.duration(histogram.shortest());
        self.duration(histogram.longest().saturating_sub(histogram.shortest()));
    }
}

impl Reader<'_> {
    pub(super) fn histogram(&mut self) -> Read<Histogram> {
        let mut parts = HistogramParts { zeros: self.number()?, ..HistogramParts::default() };
        let buckets = self.number()?;
        if buckets > 0 {
            let mut bucket = self.signed()?;
            // No more than there can be, whatever the number says.
            parts.buckets.reserve(buckets.min(256) as usize);
            self.bits(|bits| {
                for at in 0..buckets {
                    if at > 0 {
                        let distance = i64::try_from(bits.gamma()?).unwrap_or(i64::MAX);
                        bucket = bucket.saturating_add(distance);
                    }
                    let key = i16::try_from(bucket).map_err(|_| Damaged::Number)?;
                    parts.buckets.push((key, bits.gamma()?));
                }
                Ok(())
            })?;
        }
        parts.sum = self.duration()?;
        parts.shortest = self.duration()?;
        parts.longest = parts.shortest.checked_add(self.duration()?).ok_or(Damaged::Number)?;
        Histogram::from_parts(parts).ok_or(Damaged::Number)
    }
}
