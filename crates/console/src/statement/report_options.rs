//! The options of `SHOW REPORT (…)`, written as those of EXPLAIN are.

use std::fmt::Display;

use report::{ReportOptions, parse_duration};

use super::Token;
use super::arguments::limit;
use super::parse::text_of;
use crate::refusal::Refusal;

/// The options, for hints.
const OPTIONS: &str = "Options are since, until, database, application, tag, fingerprint, sort, \
                       top, compare and values, as in SHOW REPORT (since '15m', sort p95, top 5).";

/// Reads what stands between the parentheses.
pub(super) fn read(tokens: &[Token<'_>]) -> Result<ReportOptions, Refusal> {
    let mut options = ReportOptions::default();
    for option in tokens.split(|token| *token == Token::Symbol(',')) {
        let [name, value] = option else {
            let message = "each option of SHOW REPORT is a name and a value";
            return Err(Refusal::error("42601", message).with_hint(OPTIONS));
        };
        set(&mut options, text_of(name).unwrap_or_default(), value)?;
    }
    Ok(options)
}

fn set(options: &mut ReportOptions, name: &str, token: &Token<'_>) -> Result<(), Refusal> {
    let name = name.to_ascii_lowercase();
    let wrong = |why: &dyn Display| {
        Refusal::error("22023", format!("SHOW REPORT: {name}: {why}")).with_hint(OPTIONS)
    };
    let text = text_of(token).ok_or_else(|| wrong(&"the value is missing"))?;
    match name.as_str() {
        "since" => options.since = text.parse().map_err(|error| wrong(&error))?,
        "until" => options.until = Some(text.parse().map_err(|error| wrong(&error))?),
        "database" => options.database = Some(text.to_owned()),
        "application" => options.application = Some(text.to_owned()),
        "tag" => options.tag = Some(text.parse().map_err(|error| wrong(&error))?),
        "fingerprint" => options.fingerprint = Some(text.parse().map_err(|error| wrong(&error))?),
        "sort" => options.sort = text.parse().map_err(|error| wrong(&error))?,
        "top" => {
            options.top =
                limit(token).ok_or_else(|| wrong(&"a number from 1 to 100000, please"))?;
        }
        "compare" => {
            let span = parse_duration(text);
            options.compare =
                Some(span.ok_or_else(|| wrong(&"a duration, please, such as 90s, 15m or 1h"))?);
        }
        "values" => {
            options.show_values = match text.to_ascii_lowercase().as_str() {
                "on" | "true" => true,
                "off" | "false" => false,
                _ => return Err(wrong(&"on or off, please")),
            };
        }
        _ => {
            let message = format!("SHOW REPORT has no option {name:?}");
            return Err(Refusal::error("42601", message).with_hint(OPTIONS));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use report::{Moment, Sort};

    use super::*;
    use crate::statement::{Names, Statement, parse};

    fn options(text: &str) -> Result<ReportOptions, Refusal> {
        let names = Names { user: "admin", version: "0.1.0", settings: &[] };
        let statements = parse(text, &names)?;
        let [Statement::Show(_, arguments)] = statements.as_slice() else {
            panic!("{statements:?}");
        };
        Ok(arguments.report.as_deref().cloned().unwrap_or_default())
    }

    #[test]
    fn every_option_reaches_the_report() {
        let text = "SHOW REPORT (since '2026-11-23T20:00:00Z', until '5m', database 'it''s', \
                    application \"my app\", fingerprint '00a1', SORT p95, top 5, compare '1h', \
                    values on);";
        let read = options(text).expect("all are right");
        assert!(matches!(read.since, Moment::At(_)));
        assert_eq!(read.until, Some(Moment::Ago(Duration::from_secs(300))));
        assert_eq!(read.database.as_deref(), Some("it's"));
        assert_eq!(read.application.as_deref(), Some("my app"));
        assert_eq!((read.sort, read.top, read.show_values), (Sort::P95, 5, true));
        assert_eq!(read.compare, Some(Duration::from_secs(3600)));
        assert_eq!(options("SHOW REPORT"), Ok(ReportOptions::default()));
    }

    #[test]
    fn what_is_wrong_is_said_with_what_would_be_right() {
        for (text, expected) in [
            ("SHOW REPORT (since soon)", "neither a duration"),
            ("SHOW REPORT (sort speed)", "total, mean, p95"),
            ("SHOW REPORT (fingerprint xyz)", "hexadecimal"),
            ("SHOW REPORT (top 0)", "from 1"),
            ("SHOW REPORT (compare never)", "15m"),
            ("SHOW REPORT (values maybe)", "on or off"),
            ("SHOW REPORT (colour red)", "no option \"colour\""),
            ("SHOW REPORT (since)", "a name and a value"),
            ("SHOW REPORT ()", "a name and a value"),
        ] {
            let refusal = options(text).expect_err(text);
            assert!(refusal.message.contains(expected), "{text}: {}", refusal.message);
        }
    }
}
