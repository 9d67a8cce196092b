//! What may follow the name of a table in SHOW.

use report::{Moment, ReportOptions};

use super::Token;
use super::report_options;
use crate::refusal::Refusal;

/// What a table lets be said after its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accepts {
    Nothing,
    /// `[n]`
    Limit,
    /// `['15m' [n]]`, or options in parentheses.
    Report,
}

/// What was said after a table's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// At most so many rows.
    pub(crate) limit: Option<usize>,
    /// What the report should hold.
    pub(crate) report: Option<Box<ReportOptions>>,
}

/// The most rows that may be asked for.
const MAX_LIMIT: usize = 100_000;

impl Accepts {
    /// How SHOW HELP writes it.
    pub(crate) fn usage(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Limit => " [<rows>]",
            Self::Report => " ['<since>' [<queries>] | (<option> <value>, ...)]",
        }
    }

    /// Reads what was said; none where it is not accepted.
    pub(crate) fn read(self, tokens: &[Token<'_>]) -> Result<Option<Arguments>, Refusal> {
        match (self, tokens) {
            (_, []) => Ok(Some(Arguments::default())),
            (Self::Limit, [token]) => {
                Ok(limit(token)
                    .map(|limit| Arguments { limit: Some(limit), ..Arguments::default() }))
            }
            (Self::Report, [Token::Symbol('('), inner @ .., Token::Symbol(')')]) => {
                let options = report_options::read(inner)?;
                Ok(Some(Arguments { report: Some(Box::new(options)), ..Arguments::default() }))
            }
            (Self::Report, [since]) => Ok(report(since, None)),
            (Self::Report, [since, top]) => Ok(limit(top).and_then(|top| report(since, Some(top)))),
            _ => Ok(None),
        }
    }
}

/// A number of rows.
pub(super) fn limit(token: &Token<'_>) -> Option<usize> {
    let Token::Word(digits) = token else { return None };
    digits.parse().ok().filter(|rows| (1..=MAX_LIMIT).contains(rows))
}

/// The short form: how far back, and how many statements.
fn report(since: &Token<'_>, top: Option<usize>) -> Option<Arguments> {
    let (Token::Word(since) | Token::Literal(std::borrow::Cow::Borrowed(since))) = since else {
        return None;
    };
    let since: Moment = since.parse().ok()?;
    let default = ReportOptions::default();
    let options = ReportOptions { since, top: top.unwrap_or(default.top), ..default };
    Some(Arguments { report: Some(Box::new(options)), ..Arguments::default() })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn read(tokens: &[Token<'_>]) -> Option<ReportOptions> {
        let arguments = Accepts::Report.read(tokens).expect("no refusal")?;
        arguments.report.map(|options| *options)
    }

    #[test]
    fn arguments_are_read_or_not_understood() {
        let minutes = |minutes: u64| Moment::Ago(Duration::from_secs(minutes * 60));
        let quarter = Token::Literal("15m".into());
        let both = read(&[quarter.clone(), Token::Word("5")]).expect("both");
        assert_eq!((both.since, both.top), (minutes(15), 5));
        let long = read(&[Token::Literal("1h 30m".into())]).expect("a duration");
        assert_eq!(long.since, minutes(90));
        assert_eq!(Accepts::Limit.read(&[]), Ok(Some(Arguments::default())));

        assert_eq!(Accepts::Nothing.read(&[Token::Word("5")]), Ok(None));
        assert_eq!(Accepts::Limit.read(&[quarter]), Ok(None));
        for rows in ["0", "-1", "x", "100001", "99999999999999999999"] {
            assert_eq!(Accepts::Limit.read(&[Token::Word(rows)]), Ok(None), "{rows}");
        }
        for since in ["", "-15m", "0s", "soon"] {
            assert_eq!(read(&[Token::Literal(since.into())]), None, "{since}");
        }
    }
}
