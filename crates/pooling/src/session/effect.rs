//! What a statement does to the session once it has succeeded.

use sql::{Class, SessionEffect, SettingChange, SettingValue, Shape};

use super::pins::PinReason;
use crate::parameters::{ClientParameters, of_the_transaction};

/// What is to be done when a statement has succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing.
    None,
    /// Settings follow the client. Some of them say where other things are made, or who may make
    /// them, so that the client must keep its server connection as well.
    Settings(Vec<SettingChange>, Option<PinReason>),
    /// The client must keep its server connection.
    Pin(PinReason),
    /// It may have done anything, which the server is asked about.
    Doubt,
    /// What the client is pinned for may be gone.
    Unpin,
    /// DISCARD of something; of sequences, if so.
    Discard {
        /// Whether what `currval` and `lastval` answer is forgotten.
        sequences: bool,
    },
    /// DISCARD ALL.
    DiscardAll,
    /// DEALLOCATE ALL.
    DeallocateAll,
    /// SAVEPOINT.
    Savepoint(Box<str>),
    /// RELEASE SAVEPOINT.
    Release(Box<str>),
    /// ROLLBACK TO SAVEPOINT.
    RollbackTo(Box<str>),
}

impl Effect {
    /// Whether what follows it means something else once it is done.
    pub(crate) fn is_barrier(&self, client: &ClientParameters) -> bool {
        match self {
            Self::DiscardAll | Self::DeallocateAll => true,
            // The server's own value is not the one that the client goes back to.
            Self::Settings(changes, _) => changes.iter().any(|change| match change {
                SettingChange::ResetAll => true,
                SettingChange::Reset { name } => client.asked_for(name),
                SettingChange::Set { .. } => false,
            }),
            _ => false,
        }
    }

    /// Whether the statement may leave something in the session that another client must not see.
    pub(crate) fn may_leave_state(&self) -> bool {
        !matches!(self, Self::None | Self::Savepoint(_) | Self::Release(_) | Self::RollbackTo(_))
    }

    /// Reads a statement's effect from its shape and, where the shape does not tell, its text.
    pub(crate) fn of(shape: &Shape, text: &[u8]) -> Self {
        match shape.effect {
            SessionEffect::None | SessionEffect::SetLocal | SessionEffect::OwnStatistics => {
                Self::of_class(shape.class, text)
            }
            SessionEffect::SetSession
            | SessionEffect::SetConfig
            | SessionEffect::SetRole
            | SessionEffect::ResetRole
            | SessionEffect::SetAuthorization
            | SessionEffect::Reset => {
                if shape.truncated {
                    Self::Doubt
                } else {
                    settings(text)
                }
            }
            SessionEffect::DiscardAll => Self::DiscardAll,
            SessionEffect::DiscardOther => Self::Discard {
                sequences: words(text)
                    .nth(1)
                    .is_some_and(|word| word.eq_ignore_ascii_case(b"sequences")),
            },
            SessionEffect::DeallocateAll => Self::DeallocateAll,
            SessionEffect::Deallocate | SessionEffect::Unlisten | SessionEffect::AdvisoryUnlock => {
                Self::Unpin
            }
            SessionEffect::Do => Self::Doubt,
            effect => PinReason::of(effect).map_or(Self::None, Self::Pin),
        }
    }

    fn of_class(class: Class, text: &[u8]) -> Self {
        match class {
            Class::Savepoint => Self::Savepoint(last_name(text)),
            Class::ReleaseSavepoint => Self::Release(last_name(text)),
            Class::RollbackToSavepoint => Self::RollbackTo(last_name(text)),
            Class::Drop | Class::Close => Self::Unpin,
            _ => Self::None,
        }
    }

    /// Whether what the statement does depends on what was done in the same server process before,
    /// so that it must not be somebody else's: a library that is loaded already, a temporary schema
    /// that exists, statistics that were not sent yet.
    pub(crate) fn needs_own_server(&self, shape: &Shape) -> bool {
        matches!(shape.effect, SessionEffect::Load | SessionEffect::OwnStatistics)
            || matches!(
                self,
                Self::Settings(_, Some(PinReason::Module | PinReason::TemporaryTable))
            )
    }
}

/// Whether a statement of this effect may be one that needs a server process of its own.
pub(crate) fn may_need_own_server(effect: SessionEffect) -> bool {
    matches!(
        effect,
        SessionEffect::Load
            | SessionEffect::OwnStatistics
            | SessionEffect::SetSession
            | SessionEffect::SetConfig
    )
}

fn settings(text: &[u8]) -> Effect {
    let Some(mut changes) = sql::setting_changes(text) else { return Effect::Doubt };
    changes.retain(|change| match change {
        SettingChange::Set { name, .. } | SettingChange::Reset { name } => {
            !of_the_transaction(name)
        }
        SettingChange::ResetAll => true,
    });
    let pin = changes.iter().find_map(pin_of);
    Effect::Settings(changes, pin)
}

/// Some settings are more than a value.
fn pin_of(change: &SettingChange) -> Option<PinReason> {
    let SettingChange::Set { name, value } = change else { return None };
    let (SettingValue::Source(value) | SettingValue::Text(value)) = value;
    match &**name {
        // What is created without a schema is created there.
        "search_path" if names_temporary_schema(value) => Some(PinReason::TemporaryTable),
        "seed" => Some(PinReason::SessionState),
        _ if is_unknown_to_its_module(name) => Some(PinReason::Module),
        _ => None,
    }
}

pub(super) fn names_temporary_schema(path: &str) -> bool {
    let first = path.trim_start_matches([' ', '\'', '"']);
    first.get(..7).is_some_and(|name| name.eq_ignore_ascii_case("pg_temp"))
}

/// The settings of the libraries that PostgreSQL brings and loads when they are needed. Whether
/// another name with their prefix is accepted depends on whether that has happened.
const MODULES: [(&str, &[&str]); 3] = [
    (
        "plpgsql",
        &[
            "check_asserts",
            "extra_errors",
            "extra_warnings",
            "print_strict_params",
            "variable_conflict",
        ],
    ),
    ("plperl", &["on_init", "on_plperl_init", "on_plperlu_init", "use_strict"]),
    ("pltcl", &["start_proc"]),
];

fn is_unknown_to_its_module(name: &str) -> bool {
    let Some((prefix, rest)) = name.split_once('.') else { return false };
    MODULES.iter().any(|(module, known)| *module == prefix && !known.contains(&rest))
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| byte.is_ascii_whitespace() || matches!(byte, b';' | b'='))
        .filter(|word| !word.is_empty())
}

/// The name at the end of a statement, folded as PostgreSQL folds it.
fn last_name(text: &[u8]) -> Box<str> {
    let text = String::from_utf8_lossy(text);
    let text = text.trim_end().trim_end_matches(';').trim_end();
    match text.strip_suffix('"').and_then(|rest| rest.rsplit_once(" \"")) {
        Some((_, quoted)) => quoted.into(),
        None => text.rsplit(char::is_whitespace).next().unwrap_or_default().to_lowercase().into(),
    }
}

/// The name in `DEALLOCATE [PREPARE] name`, folded as PostgreSQL folds it; none for ALL and for what
/// is not plainly that.
pub(crate) fn deallocated_name(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?.trim().trim_end_matches(';').trim_end();
    let rest = strip_word(text, "deallocate")?;
    let name = strip_word(rest, "prepare").unwrap_or(rest);
    if let Some(quoted) = name.strip_prefix('"') {
        let inner = quoted.strip_suffix('"')?;
        let unescaped = inner.replace("\"\"", "\"");
        // A lone quote inside would end the name: not plainly a name.
        return (inner.matches('"').count() == 2 * unescaped.matches('"').count())
            .then_some(unescaped);
    }
    let plain = !name.is_empty()
        && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$')
        && !name.eq_ignore_ascii_case("all");
    plain.then(|| name.to_lowercase())
}

fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(word.len())?;
    let rest_trimmed = rest.trim_start();
    (head.eq_ignore_ascii_case(word) && rest_trimmed.len() < rest.len()).then_some(rest_trimmed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect(text: &str) -> String {
        let observed = sql::ShapeRegistry::new(10).observe_one(text.as_bytes());
        let effect = Effect::of(&observed.shape, text.as_bytes());
        let own = if effect.needs_own_server(&observed.shape) { " own" } else { "" };
        let shown = match effect {
            Effect::Settings(changes, pin) => format!("settings {} {pin:?}", changes.len()),
            other => format!("{other:?}"),
        };
        format!("{shown}{own}")
    }

    #[test]
    fn effects_of_statements() {
        for (text, expected) in [
            ("select 1", "None"),
            ("set timezone to 'UTC'", "settings 1 None"),
            ("set search_path to a, pg_temp", "settings 1 None"),
            ("set search_path to 'pg_temp'", "settings 1 Some(TemporaryTable) own"),
            ("select set_config('search_path', 'a', false)", "settings 1 None"),
            ("select set_config($1, 'a', false)", "Doubt"),
            ("set local search_path to a", "None"),
            ("set transaction_isolation to serializable", "settings 0 None"),
            ("set plpgsql.extra_errors to 'all'", "settings 1 None"),
            ("set plpgsql.extra_foo to 'all'", "settings 1 Some(Module) own"),
            ("set app.user to 'x'", "settings 1 None"),
            ("set seed to 0.5", "settings 1 Some(SessionState)"),
            ("reset TimeZone", "settings 1 None"),
            ("reset all", "settings 1 None"),
            ("set role a", "settings 1 None"),
            ("discard all", "DiscardAll"),
            ("discard sequences", "Discard { sequences: true }"),
            ("discard plans", "Discard { sequences: false }"),
            ("deallocate all", "DeallocateAll"),
            ("deallocate x", "Unpin"),
            ("unlisten x", "Unpin"),
            ("close x", "Unpin"),
            ("drop table x", "Unpin"),
            ("create temp table t (a int)", "Pin(TemporaryTable)"),
            ("listen x", "Pin(Listen)"),
            ("load 'x'", "Pin(Load) own"),
            ("select pg_advisory_lock(1)", "Pin(AdvisoryLock)"),
            ("select pg_advisory_xact_lock(1)", "None"),
            ("prepare p as select 1", "Pin(SqlPrepare)"),
            ("do $$ begin end $$", "Doubt"),
            ("select setseed(1)", "Pin(SessionState)"),
            ("select pg_stat_force_next_flush()", "None own"),
            ("savepoint A;", "Savepoint(\"a\")"),
            ("release savepoint \"A b\"", "Release(\"A b\")"),
            ("rollback to savepoint a", "RollbackTo(\"a\")"),
        ] {
            assert_eq!(effect(text), expected, "{text}");
        }
    }

    #[test]
    fn names_in_deallocate() {
        for (text, name) in [
            ("DEALLOCATE p1", Some("p1")),
            ("deallocate PREPARE P1;", Some("p1")),
            ("deallocate \"P\"\"1\"", Some("P\"1")),
            ("deallocate all", None),
            ("deallocate \"a\" \"b\"", None),
            ("deallocate", None),
            ("deallocatex", None),
            ("select 1", None),
        ] {
            assert_eq!(deallocated_name(text.as_bytes()).as_deref(), name, "{text}");
        }
    }
}
