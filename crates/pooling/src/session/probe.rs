//! Asking the server what a client has left in its session, where the text of its statements cannot
//! tell: after DO, CALL and the like, and when what it was pinned for may be gone.
//!
//! The question goes out when the client's transaction is over; its answer is not the client's. What
//! the client sends in the meantime goes out behind it.

use std::collections::BTreeSet;
use std::time::Instant;

use model::{PoolMode, SqlState};
use sql::{Calls, SessionEffect, Shape};
use wire::backend;
use wire::frontend;

use super::effect::Effect;
use super::pins::{PinReason, Pins};
use super::{ClientSession, Io, ServerSession};
use crate::replies::Expected;
use crate::routines::Routine;

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

/// What the functions of these names do: their bodies, where they have one that can be read. A
/// function that is immutable cannot change anything (manual, CREATE FUNCTION); of those in C, an
/// extension's are taken for harmless.
const ROUTINES: &str = " \
UNION ALL SELECT 'routine ' OPERATOR(pg_catalog.||) proname, CASE \
WHEN lanname OPERATOR(pg_catalog.=) 'internal'::pg_catalog.name \
OR provolatile OPERATOR(pg_catalog.=) 'i'::pg_catalog.\"char\" \
OR (lanname OPERATOR(pg_catalog.=) 'c'::pg_catalog.name AND EXISTS (SELECT FROM pg_catalog.pg_depend \
WHERE classid OPERATOR(pg_catalog.=) 1255::pg_catalog.oid \
AND objid OPERATOR(pg_catalog.=) routine.oid \
AND deptype OPERATOR(pg_catalog.=) 'e'::pg_catalog.\"char\")) THEN 'harmless' \
WHEN prosrc OPERATOR(pg_catalog.<>) ''::pg_catalog.text \
AND lanname OPERATOR(pg_catalog.=) ANY (ARRAY['sql', 'plpgsql']::pg_catalog.name[]) \
THEN 'body ' OPERATOR(pg_catalog.||) prosrc ELSE 'opaque' END \
FROM pg_catalog.pg_proc routine JOIN pg_catalog.pg_language language \
ON language.oid OPERATOR(pg_catalog.=) prolang WHERE proname OPERATOR(pg_catalog.=) ANY (ARRAY[";

/// Settings that are not in pg_settings, since no library has defined them.
const CUSTOM: &str = " \
UNION ALL SELECT 'set ' OPERATOR(pg_catalog.||) name, pg_catalog.current_setting(name, true) \
FROM pg_catalog.unnest(ARRAY[";

/// Functions asked about at a time.
const MAX_ROUTINES: usize = 100;

/// What a server has answered so far.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pins: Pins,
    /// The functions that it was asked about, and what it said of them.
    asked: Vec<Box<str>>,
    /// The settings that it was asked for by name.
    settings_asked: BTreeSet<Box<str>>,
    routines: Vec<(Box<str>, Routine)>,
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
        // The question takes the place of the unnamed statement. One that cannot be prepared again
        // keeps the client on its server connection anyway.
        if self.statements.get(b"").is_some_and(|statement| !statement.is_kept()) {
            return;
        }
        let mut question = match self.doubt {
            // As nearly always: emptying what is empty costs too.
            Doubt::None if self.doubtful_settings.is_empty() => return,
            Doubt::None => return self.doubtful_settings.clear(),
            Doubt::Pins => PINS.to_owned(),
            Doubt::All => format!("{PINS}{SETTINGS}"),
        };
        let asked = self.routines_to_ask_about();
        if !asked.is_empty() {
            question.push_str(ROUTINES);
            question.push_str(&format!("'{}']::pg_catalog.name[])", listed(&asked)));
        }
        let mut settings_asked = BTreeSet::new();
        if self.doubt == Doubt::All {
            self.doubtful_settings.extend(server.parameters.custom(&self.parameters));
            settings_asked = std::mem::take(&mut self.doubtful_settings);
            let names: Vec<_> = settings_asked.iter().cloned().collect();
            if !names.is_empty() {
                question.push_str(CUSTOM);
                question.push_str(&format!("'{}']) name", listed(&names)));
            }
        }
        frontend::write_query(io.to_server, question.as_bytes());
        server.statements.set_unnamed(None);
        self.replies.push(Expected::OwnQuestion);
        self.quiet = false;
        let answer = Answer { asked, settings_asked, ..Answer::default() };
        self.answer = Some(Box::new(answer));
    }

    fn routines_to_ask_about(&mut self) -> Vec<Box<str>> {
        let names = std::mem::take(&mut self.unknown_routines);
        names.into_iter().filter(|name| can_be_asked_about(name)).take(MAX_ROUTINES).collect()
    }

    /// Code may change settings that only its own text names.
    pub(super) fn note_settings_of(&mut self, effect: &Effect, text: &[u8]) {
        if *effect == Effect::Doubt && self.mode != PoolMode::Session {
            self.doubtful_settings.extend(sql::custom_settings(&String::from_utf8_lossy(text)));
        }
    }

    /// `set_config($1, $2, false)`: its name is a bound value.
    pub(super) fn note_settings_bound(&mut self, shape: &Shape, bind: &frontend::Bind<'_>) {
        if shape.effect != SessionEffect::SetConfig || self.mode == PoolMode::Session {
            return;
        }
        let values = bind.values().into_iter().flatten().filter_map(|(_, value)| value);
        let texts = values.filter_map(|value| std::str::from_utf8(value).ok());
        self.doubtful_settings.extend(texts.filter_map(sql::custom_setting));
    }

    /// What the bodies of functions say may lead to another question.
    fn learned_routines(&mut self, answer: &mut Answer, now: Instant) {
        if answer.asked.is_empty() {
            return;
        }
        let asked = std::mem::take(&mut answer.asked);
        let calls = Calls { names: asked.clone().into(), more: false };
        self.known.routines.learn(asked, std::mem::take(&mut answer.routines), now);
        let standing = self.known.routines.standing(&calls, now);
        let all_asked = standing.settings.iter().all(|name| answer.settings_asked.contains(name));
        if !standing.unknown.is_empty() || !all_asked {
            self.doubt.about_all();
            self.unknown_routines.extend(standing.unknown);
            self.doubtful_settings.extend(standing.settings);
        }
    }

    /// A row of the answer.
    pub(super) fn learn(&mut self, body: &[u8]) {
        let answer = self.answer.get_or_insert_default();
        let columns = backend::read_data_row(body).unwrap_or_default();
        let text = |at: usize| std::str::from_utf8(columns.get(at).copied()??).ok();
        if matches!(columns[..], [Some(_), None]) {
            // A setting that nobody has set.
            return;
        }
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
                } else if let Some(name) = kind.strip_prefix("routine ") {
                    answer.routines.push((name.into(), routine(value)));
                }
            }
        }
    }

    /// The server did not answer the question.
    pub(super) fn question_refused(&mut self, sqlstate: SqlState) {
        let answer = self.answer.get_or_insert_default();
        answer.refused = true;
        answer.cancelled = sqlstate == SqlState::from_bytes(b"57014");
    }

    /// The answer is complete.
    pub(super) fn answered(&mut self, server: &mut ServerSession, now: Instant) {
        let doubt = std::mem::take(&mut self.doubt);
        let mut answer = self.answer.take().map(|answer| *answer).unwrap_or_default();
        if answer.cancelled && self.asked_again < ASK_AGAIN {
            self.asked_again += 1;
            self.doubt = doubt;
            self.unknown_routines.extend(answer.asked);
            self.doubtful_settings.extend(answer.settings_asked);
            return;
        }
        self.asked_again = 0;
        if answer.refused {
            self.pins.add(PinReason::Unknown);
            return;
        }
        self.pins.confirm(answer.pins);
        self.learned_routines(&mut answer, now);
        if doubt == Doubt::All {
            let user = &server.user;
            // What was reset is empty, not gone.
            let wanted = |name: &str| self.parameters.get(name).is_some();
            answer
                .settings
                .retain(|(name, value)| !(value.is_empty() && name.contains('.') && !wanted(name)));
            answer.settings.retain(|(name, value)| match name.as_str() {
                "session_authorization" => **user != **value,
                "role" => value != "none",
                _ => true,
            });
            server.parameters.learned(&mut self.parameters, answer.settings);
        }
    }
}

/// A backslash in a constant means different things under different settings.
fn can_be_asked_about(name: &str) -> bool {
    !name.contains(['\\', '\0'])
}

fn routine(said: &str) -> Routine {
    match said.strip_prefix("body ") {
        Some(body) => Routine::Body(sql::routine_body(body)),
        None if said == "harmless" => Routine::Harmless,
        None => Routine::Opaque,
    }
}

fn listed(names: &[Box<str>]) -> String {
    let names: Vec<_> = names.iter().map(|name| name.replace('\'', "''")).collect();
    names.join("','")
}
