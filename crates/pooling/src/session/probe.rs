//! Asking the server what a client has left in its session, where the text of its statements cannot
//! tell: after DO, CALL and the like, and when what it was pinned for may be gone.
//!
//! The question goes out when the client's transaction is over; its answer is not the client's. What
//! the client sends in the meantime goes out behind it.

use model::SqlState;
use wire::backend;
use wire::frontend;

use super::pins::{PinReason, Pins};
use super::{ClientSession, Io, ServerSession};
use crate::replies::Expected;

/// What the server must be asked about before its connection can be another client's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Doubt {
    /// Nothing.
    #[default]
    None,
    /// Whether what the client is pinned for is still there.
    Pins,
    /// That, and the settings.
    All,
}

impl Doubt {
    /// Something may be there, or gone, that pins.
    pub(super) fn about_pins(&mut self) {
        *self = (*self).max(Self::Pins);
    }

    /// Anything may be there.
    pub(super) fn about_all(&mut self) {
        *self = Self::All;
    }
}

/// What pins a client, looked up where the server keeps it. Every name has its schema, since the
/// client may have hidden pg_catalog behind another one.
const PINS: &str = "\
SELECT 'temporary', '' WHERE pg_catalog.pg_my_temp_schema() OPERATOR(pg_catalog.<>) 0 AND \
EXISTS (SELECT FROM pg_catalog.pg_depend WHERE refclassid OPERATOR(pg_catalog.=) 2615::pg_catalog.oid \
AND refobjid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()) \
UNION ALL SELECT 'path', pg_catalog.current_setting('search_path') \
UNION ALL SELECT 'listen', '' WHERE EXISTS (SELECT FROM pg_catalog.pg_listening_channels()) \
UNION ALL SELECT 'cursor', '' WHERE EXISTS (SELECT FROM pg_catalog.pg_cursor() WHERE is_holdable) \
UNION ALL SELECT 'lock', '' WHERE EXISTS (SELECT FROM pg_catalog.pg_lock_status() \
WHERE locktype OPERATOR(pg_catalog.=) 'advisory'::pg_catalog.text \
AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()) \
UNION ALL SELECT 'prepare', '' WHERE EXISTS (SELECT FROM pg_catalog.pg_prepared_statement() WHERE from_sql)";

/// What was set in the session. Who it acts as is not in pg_settings.
const SETTINGS: &str = " \
UNION ALL SELECT 'set ' OPERATOR(pg_catalog.||) name, setting FROM pg_catalog.pg_show_all_settings() \
WHERE source OPERATOR(pg_catalog.=) 'session'::pg_catalog.text \
UNION ALL SELECT 'set session_authorization', session_user \
UNION ALL SELECT 'set role', pg_catalog.current_setting('role')";

/// What a server has answered so far.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pins: Pins,
    settings: Vec<(String, String)>,
    refused: bool,
    /// A cancel request hit the question, or a timeout that the client has set.
    cancelled: bool,
}

/// How often a question that was cancelled is asked again.
const ASK_AGAIN: u8 = 2;

impl ClientSession {
    /// Asks, if something is in doubt.
    pub(super) fn ask_if_in_doubt(&mut self, server: &mut ServerSession, io: &mut Io<'_>) {
        let question = match self.doubt {
            Doubt::None => return,
            Doubt::Pins => PINS.to_owned(),
            Doubt::All => format!("{PINS}{SETTINGS}"),
        };
        frontend::write_query(io.to_server, question.as_bytes());
        server.statements.set_unnamed(None);
        self.replies.push(Expected::OwnQuestion);
        self.quiet = false;
        self.answer = Answer::default();
    }

    /// A row of the answer.
    pub(super) fn learn(&mut self, body: &[u8]) {
        let answer = &mut self.answer;
        let columns = backend::read_data_row(body).unwrap_or_default();
        let text = |at: usize| std::str::from_utf8(columns.get(at).copied()??).ok();
        let (Some(kind), Some(value)) = (text(0), text(1)) else {
            // In an encoding that is not read here: what cannot be read cannot be carried.
            answer.refused = true;
            return;
        };
        match kind {
            "temporary" => answer.pins.add(PinReason::TemporaryTable),
            "path" if super::effect::names_temporary_schema(value) => {
                answer.pins.add(PinReason::TemporaryTable);
            }
            "listen" => answer.pins.add(PinReason::Listen),
            "cursor" => answer.pins.add(PinReason::HoldCursor),
            "lock" => answer.pins.add(PinReason::AdvisoryLock),
            "prepare" => answer.pins.add(PinReason::SqlPrepare),
            _ => {
                if let Some(name) = kind.strip_prefix("set ") {
                    answer.settings.push((name.to_owned(), value.to_owned()));
                }
            }
        }
    }

    /// The server did not answer the question.
    pub(super) fn question_refused(&mut self, sqlstate: SqlState) {
        self.answer.refused = true;
        self.answer.cancelled = sqlstate == SqlState::from_bytes(b"57014");
    }

    /// The answer is complete.
    pub(super) fn answered(&mut self, server: &mut ServerSession) {
        let doubt = std::mem::take(&mut self.doubt);
        let mut answer = std::mem::take(&mut self.answer);
        if answer.cancelled && self.asked_again < ASK_AGAIN {
            self.asked_again += 1;
            self.doubt = doubt;
            return;
        }
        self.asked_again = 0;
        if answer.refused {
            self.pins.add(PinReason::Unknown);
            return;
        }
        self.pins.confirm(answer.pins);
        if doubt == Doubt::All {
            let user = &server.user;
            answer.settings.retain(|(name, value)| match name.as_str() {
                "session_authorization" => **user != **value,
                "role" => value != "none",
                _ => true,
            });
            server.parameters.learned(&mut self.parameters, answer.settings);
        }
    }
}
