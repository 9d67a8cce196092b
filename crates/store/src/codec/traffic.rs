//! Statistics of transactions, pools and connections.

use std::borrow::Cow;

use model::{ConnectionStats, PoolMinute, ShapeId, TransactionStats};

use super::{Damaged, Read, Reader, Writer};

/// The binary form.
pub(crate) fn encode_transactions(stats: &TransactionStats) -> Vec<u8> {
    let TransactionStats {
        transactions,
        blocks,
        pinned,
        block_duration,
        duration,
        wait,
        idle,
        longest_idle,
        idle_after,
        statements,
        block_statements,
        pin_reasons,
        client_parses,
        server_parses,
        binds,
        bytes_received,
        bytes_sent,
    } = stats;
    let mut writer = Writer::new();
    for number in [
        transactions,
        blocks,
        pinned,
        statements,
        block_statements,
        client_parses,
        server_parses,
        binds,
        bytes_received,
        bytes_sent,
    ] {
        writer.number(*number);
    }
    writer.id(idle_after.0);
    for time in [duration, wait, idle, longest_idle] {
        writer.duration(*time);
    }
    writer.histogram(block_duration);
    writer.number(pin_reasons.len() as u64);
    for (reason, count) in pin_reasons {
        writer.text(reason);
        writer.number(*count);
    }
    writer.finish()
}

/// Reads the binary form.
pub(crate) fn decode_transactions(bytes: &[u8]) -> Read<TransactionStats> {
    Reader::whole(bytes, |reader| {
        let mut stats = TransactionStats::default();
        for number in [
            &mut stats.transactions,
            &mut stats.blocks,
            &mut stats.pinned,
            &mut stats.statements,
            &mut stats.block_statements,
            &mut stats.client_parses,
            &mut stats.server_parses,
            &mut stats.binds,
            &mut stats.bytes_received,
            &mut stats.bytes_sent,
        ] {
            *number = reader.number()?;
        }
        stats.idle_after = ShapeId(reader.id()?);
        for time in [&mut stats.duration, &mut stats.wait, &mut stats.idle, &mut stats.longest_idle]
        {
            *time = reader.duration()?;
        }
        stats.block_duration = reader.histogram()?;
        for _ in 0..reader.number()? {
            let reason = Cow::Owned(reader.text()?.to_owned());
            stats.pin_reasons.insert(reason, reader.number()?);
        }
        Ok(stats)
    })
}

/// The binary form.
pub(crate) fn encode_pool(stats: &PoolMinute) -> Vec<u8> {
    let PoolMinute {
        wait,
        held,
        samples,
        samples_waiting,
        most_waiting,
        pinned,
        most_active,
        size,
        connect_failures,
    } = stats;
    let mut writer = Writer::new();
    for number in [*samples, *samples_waiting, *pinned] {
        writer.number(number);
    }
    for number in [*most_waiting, *most_active, *size] {
        writer.number(u64::from(number));
    }
    writer.histogram(wait);
    writer.histogram(held);
    writer.codes(connect_failures);
    writer.finish()
}

/// Reads the binary form.
pub(crate) fn decode_pool(bytes: &[u8]) -> Read<PoolMinute> {
    Reader::whole(bytes, |reader| {
        let mut stats = PoolMinute::default();
        for number in [&mut stats.samples, &mut stats.samples_waiting, &mut stats.pinned] {
            *number = reader.number()?;
        }
        for number in [&mut stats.most_waiting, &mut stats.most_active, &mut stats.size] {
            *number = u32::try_from(reader.number()?).map_err(|_| Damaged::Number)?;
        }
        stats.wait = reader.histogram()?;
        stats.held = reader.histogram()?;
        stats.connect_failures = reader.codes()?;
        Ok(stats)
    })
}

/// The binary form.
pub(crate) fn encode_connections(stats: &ConnectionStats) -> Vec<u8> {
    let ConnectionStats { opened, closed, refused, lifetime } = stats;
    let mut writer = Writer::new();
    writer.number(*opened);
    writer.number(*closed);
    writer.codes(refused);
    writer.histogram(lifetime);
    writer.finish()
}

/// Reads the binary form.
pub(crate) fn decode_connections(bytes: &[u8]) -> Read<ConnectionStats> {
    Reader::whole(bytes, |reader| {
        Ok(ConnectionStats {
            opened: reader.number()?,
            closed: reader.number()?,
            refused: reader.codes()?,
            lifetime: reader.histogram()?,
        })
    })
}
