//! What a prepared text means, as far as its bytes do not say it.
//!
//! PostgreSQL makes values of a statement's constants when it parses it, and keeps them (`coerce_type`
//! in parse_coerce.c): `'2024-01-01'::timestamptz` is a moment of the time zone that was set then, and
//! `'now'` is that very moment. So a text is another statement to whoever has other settings, and one
//! that asks the clock is so each time it is prepared.
//!
//! Names are looked up again where the search path is another one, but the columns must be the same ones
//! then ("cached plan must not change result type", `RevalidateCachedQuery` in plancache.c), and so must
//! the parameters' types. So tenants with a schema each have statements of their own.

/// Who reads a text alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// All that have the same settings, of which this is a hash; 0 for the server's own.
    With(u64),
    /// Nobody.
    Alone,
}

impl Reading {
    /// Changes the hash of a text to one of the text as it is read.
    pub(crate) fn bits(self) -> u64 {
        match self {
            Self::With(settings) => settings,
            Self::Alone => 0,
        }
    }

    /// The reading of this text where settings alone would make it `self`.
    pub(crate) fn of(self, text: &[u8]) -> Self {
        if asks_the_clock(text) { Self::Alone } else { self }
    }
}

/// Constants that mean the moment at which they are read (manual, section 8.5.1.4).
const MOMENTS: [&[u8]; 4] = [b"now", b"today", b"tomorrow", b"yesterday"];

/// Whether one of them may be in a constant: the word is there, not as a function's name, and so are
/// quotes. Whoever is taken for one wrongly shares a little less.
fn asks_the_clock(text: &[u8]) -> bool {
    let in_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80;
    let has_quotes = text.iter().any(|byte| matches!(byte, b'\'' | b'$'));
    has_quotes
        && text
            .split(|byte| !in_name(byte))
            .filter(|word| MOMENTS.iter().any(|moment| word.eq_ignore_ascii_case(moment)))
            .any(|word| {
                let end = word.as_ptr_range().end as usize - text.as_ptr() as usize;
                text.get(end) != Some(&b'(')
            })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_that_are_read_off_the_clock_are_found() {
        for text in [
            "select 'now'::timestamptz",
            "select date 'Today'",
            "select $1::int where day = ' yesterday '",
            "select $$tomorrow 12:00$$::timestamp",
            "select e'NOW'::time",
        ] {
            assert!(asks_the_clock(text.as_bytes()), "{text}");
        }
        for text in [
            "select now(), 'a'",
            "select today from t",
            "select 'known', 'todays', 'now_and_then'",
            "select * from t where name = $1",
        ] {
            assert!(!asks_the_clock(text.as_bytes()), "{text}");
        }
    }
}
