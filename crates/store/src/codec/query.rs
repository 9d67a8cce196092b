//! Statistics of a statement.

use std::time::Duration;

use model::{Histogram, QueryStats, SampledValues, Spread};

use super::{Present, Read, Reader, Writer};

/// The binary form.
pub(crate) fn encode_query(stats: &QueryStats) -> Vec<u8> {
    let QueryStats {
        calls,
        errors,
        lost,
        rows,
        bytes_received,
        bytes_sent,
        wait,
        first_byte,
        total,
        repeats,
        repeated_calls,
        longest_repeat,
        values: _,
        prepared_calls,
        prepared_texts: _,
        most_rows,
        abandoned,
        abandoned_bytes,
        stalled,
        longest_stall,
        cancelled,
        retries,
        contended,
        contended_time,
        sampled,
    } = stats;
    let numbers = [
        calls,
        lost,
        rows,
        bytes_received,
        bytes_sent,
        repeats,
        repeated_calls,
        longest_repeat,
        prepared_calls,
        most_rows,
        abandoned,
        abandoned_bytes,
        retries,
        contended,
    ];
    let histograms = [wait, first_byte, total];
    let durations = [stalled, longest_stall, contended_time];
    let mut present = Present::default();
    numbers.iter().for_each(|number| present.note(**number != 0));
    histograms.iter().for_each(|histogram| present.note(histogram.count() != 0));
    durations.iter().for_each(|duration| present.note(!duration.is_zero()));
    present.note(!errors.is_empty());
    present.note(cancelled.count != 0);
    present.note(*sampled != SampledValues::default());

    let mut writer = Writer::new();
    writer.number(present.mask);
    numbers.into_iter().filter(|number| **number != 0).for_each(|number| writer.number(*number));
    let filled = histograms.into_iter().filter(|histogram| histogram.count() != 0);
    filled.for_each(|histogram| writer.histogram(histogram));
    let spent = durations.into_iter().filter(|duration| !duration.is_zero());
    spent.for_each(|duration| writer.duration(*duration));
    if !errors.is_empty() {
        writer.codes(errors);
    }
    if cancelled.count != 0 {
        writer.spread(cancelled);
    }
    if *sampled != SampledValues::default() {
        writer.sampled(sampled);
    }
    writer.finish()
}

/// Reads the binary form.
pub(crate) fn decode_query(bytes: &[u8]) -> Read<QueryStats> {
    Reader::whole(bytes, |reader| {
        let mut present = Present { mask: reader.number()?, next: 0 };
        let mut stats = QueryStats::default();
        for number in [
            &mut stats.calls,
            &mut stats.lost,
            &mut stats.rows,
            &mut stats.bytes_received,
            &mut stats.bytes_sent,
            &mut stats.repeats,
            &mut stats.repeated_calls,
            &mut stats.longest_repeat,
            &mut stats.prepared_calls,
            &mut stats.most_rows,
            &mut stats.abandoned,
            &mut stats.abandoned_bytes,
            &mut stats.retries,
            &mut stats.contended,
        ] {
            if present.next() {
                *number = reader.number()?;
            }
        }
        let histograms: [&mut Histogram; 3] =
            [&mut stats.wait, &mut stats.first_byte, &mut stats.total];
        for histogram in histograms {
            if present.next() {
                *histogram = reader.histogram()?;
            }
        }
        let durations: [&mut Duration; 3] =
            [&mut stats.stalled, &mut stats.longest_stall, &mut stats.contended_time];
        for duration in durations {
            if present.next() {
                *duration = reader.duration()?;
            }
        }
        if present.next() {
            stats.errors = reader.codes()?;
        }
        if present.next() {
            stats.cancelled = reader.spread()?;
        }
        if present.next() {
            stats.sampled = reader.sampled()?;
        }
        Ok(stats)
    })
}

impl Writer {
    fn spread(&mut self, spread: &Spread) {
        self.number(spread.count);
        self.duration(spread.total);
        self.duration(spread.shortest);
        self.duration(spread.longest);
    }

    fn sampled(&mut self, sampled: &SampledValues) {
        self.number(sampled.offsets);
        self.number(sampled.offset_sum);
        self.number(sampled.most_offset);
        self.number(sampled.patterns);
        self.number(sampled.leading_wildcards);
    }
}

impl Reader<'_> {
    fn spread(&mut self) -> Read<Spread> {
        Ok(Spread {
            count: self.number()?,
            total: self.duration()?,
            shortest: self.duration()?,
            longest: self.duration()?,
        })
    }

    fn sampled(&mut self) -> Read<SampledValues> {
        Ok(SampledValues {
            offsets: self.number()?,
            offset_sum: self.number()?,
            most_offset: self.number()?,
            patterns: self.number()?,
            leading_wildcards: self.number()?,
        })
    }
}
