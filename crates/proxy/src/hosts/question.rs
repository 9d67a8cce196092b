//! What a server is asked, and what it answers.

use std::time::Duration;

use pooling::hosts::{Asked, Report};
use wire::backend;
use wire::error_response::{ErrorView, Severity};
use wire::frame::FrameError;
use wire::frontend;

use crate::error::ProxyError;
use crate::server::ServerConnection;

/// An answer is shorter.
const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// For connections that nobody uses but the health check.
const PREPARE: &str = "SET search_path TO pg_catalog; SET application_name TO 'pgweir-check'; SET client_encoding TO 'UTF8'";

/// Standby or not; read-only whoever logs in; seconds behind; timeline; read-only for this session.
///
/// A standby that has replayed all that it has received, from a server that it is connected to, is
/// not behind, however long ago the last transaction was (manual 27.2.5.2).
const QUESTION: &str = "\
SELECT pg_catalog.pg_is_in_recovery(), \
CASE WHEN pg_catalog.current_setting('default_transaction_read_only') = 'off' THEN false \
ELSE (SELECT s.source NOT IN ('database', 'user', 'database user') \
FROM pg_catalog.pg_settings s WHERE s.name = 'default_transaction_read_only') END, \
CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN 0 \
WHEN pg_catalog.pg_last_wal_receive_lsn() <= pg_catalog.pg_last_wal_replay_lsn() \
AND EXISTS (SELECT FROM pg_catalog.pg_stat_wal_receiver) THEN 0 \
ELSE pg_catalog.date_part('epoch', \
pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp()) END, \
CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN \
pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8) END, \
pg_catalog.current_setting('transaction_read_only')";

/// What every server can answer that speaks the protocol, in libpq's words.
const SIMPLE_QUESTION: &str = "SHOW transaction_read_only";

/// What a server says of itself, and of the session that asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) report: Report,
    /// Sessions of this user cannot write unless they ask for it.
    pub(super) session_read_only: bool,
}

/// What the server has said of itself at login: since PostgreSQL 14 it does.
pub(super) fn told_at_login(server: &ServerConnection) -> Option<Answer> {
    let told = |name| server.session.parameters.reported_value(name);
    let in_recovery = told("in_hot_standby")? == "on";
    let session_read_only = told("default_transaction_read_only")? == "on";
    Some(Answer { report: Report { in_recovery, asked: None }, session_read_only })
}

/// Makes a new connection fit for the health check. Not cancel-safe: close it then.
pub(super) async fn prepare(server: &mut ServerConnection) -> Result<(), ProxyError> {
    run(server, PREPARE).await.map(drop)
}

/// Asks. Not cancel-safe: close the connection then.
pub(super) async fn ask(server: &mut ServerConnection) -> Result<Answer, ProxyError> {
    match run(server, QUESTION).await {
        Ok(row) => read(&row).ok_or(ProxyError::Closed),
        // Not a PostgreSQL as we know it.
        Err(ProxyError::Server(_)) => {
            let row = run(server, SIMPLE_QUESTION).await?;
            let is_on = row.first().is_some_and(|value| value.as_deref() == Some("on"));
            let asked = Asked { read_only: is_on, lag: None, timeline: None };
            let report = Report { in_recovery: is_on, asked: Some(asked) };
            Ok(Answer { report, session_read_only: is_on })
        }
        Err(error) => Err(error),
    }
}

fn read(row: &[Option<String>]) -> Option<Answer> {
    let [in_recovery, read_only, lag, timeline, session] = row else { return None };
    let is_true = |value: &Option<String>| value.as_deref() == Some("t");
    let in_recovery = is_true(in_recovery);
    let lag = lag.as_ref().and_then(|lag| lag.parse::<f64>().ok());
    // Clocks differ: a standby may seem to be ahead.
    let lag = lag.and_then(|lag| Duration::try_from_secs_f64(lag.max(0.0)).ok());
    let timeline = timeline.as_ref().and_then(|hex| u32::from_str_radix(hex, 16).ok());
    let asked = Asked { read_only: is_true(read_only), lag, timeline };
    let report = Report { in_recovery, asked: Some(asked) };
    Some(Answer { report, session_read_only: session.as_deref() == Some("on") })
}

/// Runs a query; gives the values of its last row.
async fn run(server: &mut ServerConnection, sql: &str) -> Result<Vec<Option<String>>, ProxyError> {
    let mut request = Vec::new();
    frontend::write_query(&mut request, sql.as_bytes());
    server.stream.send(&request).await?;
    let (mut row, mut error) = (Vec::new(), None);
    loop {
        let head = server.read.server_head(&mut server.stream).await?;
        if head.body > MAX_MESSAGE_BYTES {
            let length = i32::try_from(head.body).unwrap_or(i32::MAX);
            return Err(FrameError::Length { kind: head.kind, length }.into());
        }
        let body = server.read.take_body(&mut server.stream, head, head.body).await?;
        match head.kind {
            backend::DATA_ROW => {
                let values = backend::read_data_row(&body).ok_or(ProxyError::Closed)?;
                let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
                row = values.into_iter().map(|value| value.map(text)).collect();
            }
            backend::ERROR_RESPONSE => {
                let view = ErrorView::new(&body);
                let fields = Box::new(view.to_fields(Severity::Error));
                if view.is_fatal() {
                    return Err(ProxyError::Server(fields));
                }
                error = Some(fields);
            }
            backend::PARAMETER_STATUS => {
                if let Some((name, value)) = backend::read_parameter_status(&body) {
                    server.session.parameters.reported(name, value);
                }
            }
            backend::READY_FOR_QUERY => break,
            _ => {}
        }
    }
    error.map_or(Ok(row), |error| Err(ProxyError::Server(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: [Option<&str>; 5]) -> Option<Answer> {
        read(&values.map(|value| value.map(str::to_owned)))
    }

    #[test]
    fn answers_are_read() {
        let primary = row([Some("f"), Some("f"), Some("0"), Some("0000001F"), Some("off")]);
        let asked = Asked { read_only: false, lag: Some(Duration::ZERO), timeline: Some(31) };
        let report = Report { in_recovery: false, asked: Some(asked) };
        assert_eq!(primary, Some(Answer { report, session_read_only: false }));
        let standby = row([Some("t"), Some("f"), Some("2.5"), None, Some("on")]).unwrap();
        let asked = standby.report.asked.unwrap();
        assert_eq!((asked.lag, asked.timeline), (Some(Duration::from_millis(2500)), None));
        assert!(standby.report.in_recovery && standby.session_read_only);
        let ahead = row([Some("t"), Some("f"), Some("-0.25"), None, Some("on")]).unwrap();
        assert_eq!(ahead.report.asked.unwrap().lag, Some(Duration::ZERO));
        let silent = row([Some("t"), Some("f"), None, None, Some("on")]).unwrap();
        assert_eq!(silent.report.asked.unwrap().lag, None);
        assert_eq!(read(&[]), None);
    }
}
