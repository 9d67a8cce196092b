//! What may follow the name of a table in SHOW.

use std::time::Duration;

use super::Token;

/// What a table lets be said after its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accepts {
    Nothing,
    /// `[n]`
    Limit,
    /// `['15m' [n]]`
    SinceAndLimit,
}

/// What was said after a table's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// At most so many rows.
    pub(crate) limit: Option<usize>,
    /// Statistics of the last so long.
    pub(crate) since: Option<Duration>,
}

/// The most rows that may be asked for.
const MAX_LIMIT: usize = 100_000;

impl Accepts {
    /// How SHOW HELP writes it.
    pub(crate) fn usage(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Limit => " [<rows>]",
            Self::SinceAndLimit => " ['<since>' [<queries>]]",
        }
    }

    /// Reads what was said; none where it is not accepted.
    pub(crate) fn read(self, tokens: &[Token<'_>]) -> Option<Arguments> {
        let (since, limit) = match (self, tokens) {
            (_, []) => (None, None),
            (Self::Limit, [limit]) => (None, Some(limit)),
            (Self::SinceAndLimit, [since]) => (Some(since), None),
            (Self::SinceAndLimit, [since, limit]) => (Some(since), Some(limit)),
            _ => return None,
        };
        let mut arguments = Arguments::default();
        if let Some(token) = limit {
            let Token::Word(digits) = token else {
                return None;
            };
            let rows = digits.parse().ok().filter(|rows| (1..=MAX_LIMIT).contains(rows))?;
            arguments.limit = Some(rows);
        }
        if let Some(token) = since {
            let (Token::Word(_) | Token::Literal(_)) = token else {
                return None;
            };
            arguments.since = Some(duration(super::parse::text_of(token)?)?);
        }
        Some(arguments)
    }
}

/// Reads `15m`, `1h 30m` and the like.
fn duration(text: &str) -> Option<Duration> {
    let span: jiff::SignedDuration = text.parse().ok()?;
    Duration::try_from(span).ok().filter(|span| !span.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_or_refused() {
        let minutes = |minutes: u64| Some(Duration::from_secs(minutes * 60));
        let quarter = Token::Literal("15m".into());
        let both = Accepts::SinceAndLimit.read(&[quarter.clone(), Token::Word("5")]);
        assert_eq!(both, Some(Arguments { limit: Some(5), since: minutes(15) }));
        let long = Accepts::SinceAndLimit.read(&[Token::Literal("1h 30m".into())]);
        assert_eq!(long, Some(Arguments { limit: None, since: minutes(90) }));
        assert_eq!(Accepts::Limit.read(&[]), Some(Arguments::default()));

        assert_eq!(Accepts::Nothing.read(&[Token::Word("5")]), None);
        assert_eq!(Accepts::Limit.read(&[quarter]), None);
        for rows in ["0", "-1", "x", "100001", "99999999999999999999"] {
            assert_eq!(Accepts::Limit.read(&[Token::Word(rows)]), None, "{rows}");
        }
        for since in ["", "15", "-15m", "0s", "soon"] {
            assert_eq!(
                Accepts::SinceAndLimit.read(&[Token::Literal(since.into())]),
                None,
                "{since}"
            );
        }
    }
}
