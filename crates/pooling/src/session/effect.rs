//! What a statement does to the session once it has succeeded.

use sql::{SessionEffect, Shape};

use super::pins::PinReason;
use crate::parameters::ServerParameters;

/// What is to be done when a statement has succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing.
    None,
    /// The client must keep its server connection.
    Pin(PinReason),
    /// RESET of one parameter, which the server reports.
    Reset(&'static str),
    /// RESET ALL.
    ResetAll,
    /// DISCARD ALL.
    DiscardAll,
    /// DEALLOCATE ALL.
    DeallocateAll,
}

impl Effect {
    /// Whether what follows it means something else once it is done.
    pub(crate) fn is_barrier(self) -> bool {
        matches!(self, Self::Reset(_) | Self::ResetAll | Self::DiscardAll | Self::DeallocateAll)
    }

    /// Reads a statement's effect from its shape and, where the shape does not tell, its text.
    pub(crate) fn of(shape: &Shape, text: &[u8], server: &ServerParameters) -> Self {
        match shape.effect {
            SessionEffect::None => Self::None,
            SessionEffect::Reset if second_word_is_all(text) => Self::ResetAll,
            effect @ (SessionEffect::SetSession | SessionEffect::Reset) => {
                match server.will_report(text) {
                    Some(name) if effect == SessionEffect::Reset || last_word_is_default(text) => {
                        Self::Reset(name)
                    }
                    Some(_) => Self::None,
                    None => Self::Pin(PinReason::Setting),
                }
            }
            SessionEffect::DiscardAll => Self::DiscardAll,
            SessionEffect::DeallocateAll => Self::DeallocateAll,
            effect => PinReason::of(effect).map_or(Self::None, Self::Pin),
        }
    }
}

fn second_word_is_all(text: &[u8]) -> bool {
    words(text).nth(1).is_some_and(|word| word.eq_ignore_ascii_case(b"all"))
}

fn last_word_is_default(text: &[u8]) -> bool {
    words(text).last().is_some_and(|word| word.eq_ignore_ascii_case(b"default"))
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| byte.is_ascii_whitespace() || matches!(byte, b';' | b'='))
        .filter(|word| !word.is_empty())
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

    fn effect(text: &str) -> Effect {
        let observed = sql::ShapeRegistry::new(10).observe_one(text.as_bytes());
        let mut server = ServerParameters::default();
        server.reported_at_login("TimeZone", "UTC");
        Effect::of(&observed.shape, text.as_bytes(), &server)
    }

    #[test]
    fn effects_of_statements() {
        for (text, expected) in [
            ("select 1", Effect::None),
            ("set timezone to 'UTC'", Effect::None),
            // As of PostgreSQL 14 that is reported; this server is older.
            ("set default_transaction_read_only = on", Effect::Pin(PinReason::Setting)),
            ("set search_path to a", Effect::Pin(PinReason::Setting)),
            ("set local search_path to a", Effect::None),
            ("set timezone = default;", Effect::Reset("timezone")),
            ("reset TimeZone", Effect::Reset("timezone")),
            ("reset all", Effect::ResetAll),
            ("reset work_mem", Effect::Pin(PinReason::Setting)),
            ("discard all", Effect::DiscardAll),
            ("deallocate all", Effect::DeallocateAll),
            ("create temp table t (a int)", Effect::Pin(PinReason::TemporaryTable)),
            ("listen x", Effect::Pin(PinReason::Listen)),
            ("select pg_advisory_lock(1)", Effect::Pin(PinReason::AdvisoryLock)),
            ("select pg_advisory_xact_lock(1)", Effect::None),
            ("prepare p as select 1", Effect::Pin(PinReason::SqlPrepare)),
            ("do $$ begin end $$", Effect::Pin(PinReason::AnonymousCode)),
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
