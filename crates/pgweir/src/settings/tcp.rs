//! What the system is asked to do with TCP connections: PgBouncer's `tcp_…`.

use std::time::Duration;

use proxy::TcpOptions;

use super::resolve::Reader;
use super::used::Settings;
use super::values::{self, Raw};

/// The most that Linux takes (include/net/tcp.h: MAX_TCP_KEEPIDLE, MAX_TCP_KEEPINTVL, MAX_TCP_KEEPCNT).
const MOST_SECONDS: u64 = 32_767;
const MOST_QUESTIONS: u32 = 127;
/// What fits an option of a socket.
const MOST: u32 = i32::MAX as u32;

pub(super) fn scalars(reader: &mut Reader, settings: &mut Settings) {
    let to = &mut settings.tcp;
    reader.set(&mut to.keepalive, "tcp_keepalive", values::boolean);
    reader.set(&mut to.keepalive_idle, "tcp_keepidle", seconds);
    reader.set(&mut to.keepalive_interval, "tcp_keepintvl", seconds);
    reader.set(&mut to.keepalive_count, "tcp_keepcnt", |raw| {
        values::whole(raw, 0, MOST_QUESTIONS).map(|count| (count > 0).then_some(count))
    });
    reader.set(&mut to.user_timeout, "tcp_user_timeout", milliseconds);
    reader.set(&mut to.buffer_bytes, "tcp_socket_buffer", bytes);
}

/// 0 is the system's.
fn seconds(raw: &Raw) -> Result<Option<Duration>, String> {
    let duration = values::duration(raw)?;
    if duration.subsec_nanos() != 0 || duration.as_secs() > MOST_SECONDS {
        return Err(format!("is not a whole number of seconds up to {MOST_SECONDS}"));
    }
    Ok((!duration.is_zero()).then_some(duration))
}

/// A number is of milliseconds, as in PgBouncer.
fn milliseconds(raw: &Raw) -> Result<Option<Duration>, String> {
    let duration = if is_number(raw) {
        Duration::from_millis(values::whole(raw, 0, MOST)?.into())
    } else {
        values::duration(raw).map_err(|wrong| wrong.replace("15 (seconds)", "15 (milliseconds)"))?
    };
    if duration.as_millis() > MOST.into() {
        return Err("is longer than 24 days".to_owned());
    }
    Ok((!duration.is_zero()).then_some(duration))
}

fn bytes(raw: &Raw) -> Result<Option<usize>, String> {
    let bytes = if is_number(raw) { values::whole_number(raw)? } else { values::size(raw)? };
    if bytes > MOST.into() {
        return Err("is not less than 2GB".to_owned());
    }
    Ok(usize::try_from(bytes).ok().filter(|bytes| *bytes > 0))
}

/// Whether it is written without a unit.
fn is_number(raw: &Raw) -> bool {
    match raw {
        Raw::Integer(_) => true,
        Raw::Text(text) => text.trim().parse::<i64>().is_ok(),
        _ => false,
    }
}

/// As SHOW CONFIG has them: PgBouncer's units, and 0 for what is the system's.
pub(super) fn described(tcp: &TcpOptions) -> [(&'static str, String); 6] {
    let seconds = |time: Option<Duration>| time.map_or(0, |time| time.as_secs()).to_string();
    [
        ("tcp_keepalive", tcp.keepalive.to_string()),
        ("tcp_keepidle", seconds(tcp.keepalive_idle)),
        ("tcp_keepintvl", seconds(tcp.keepalive_interval)),
        ("tcp_keepcnt", tcp.keepalive_count.unwrap_or(0).to_string()),
        ("tcp_user_timeout", tcp.user_timeout.map_or(0, |time| time.as_millis()).to_string()),
        ("tcp_socket_buffer", tcp.buffer_bytes.unwrap_or(0).to_string()),
    ]
}
