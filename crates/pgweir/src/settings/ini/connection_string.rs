//! The right side of `[databases]`, `[users]` and `[peers]`: `key=value` pairs with spaces between.
//!
//! The rules are those of PgBouncer's `loader.c`: a value in single quotes may hold spaces and, twice,
//! single quotes; no value is empty.

/// Reads the pairs, in their order.
///
/// # Errors
/// What is wrong, in words that quote no value, since one may be a password.
pub(super) fn parse(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let (key, after) = rest.split_at(end);
        let value = after.trim_start().strip_prefix('=');
        let Some(value) = value.filter(|_| !key.is_empty()) else {
            let before = pairs.last().map(|(key, _): &(String, String)| format!(" after `{key}`"));
            return Err(format!(
                "is not made of key=value pairs with spaces between{}; a value with spaces is \
                 written in single quotes",
                before.unwrap_or_default()
            ));
        };
        let (value, after) = value_of(key, value.trim_start())?;
        pairs.push((key.to_owned(), value));
        rest = after.trim_start();
    }
    Ok(pairs)
}

fn value_of<'a>(key: &str, text: &'a str) -> Result<(String, &'a str), String> {
    let (value, rest) = match text.strip_prefix('\'') {
        Some(quoted) => unquote(quoted)
            .ok_or_else(|| format!("`{key}` has a value in quotes that has no end"))?,
        None => {
            let end = text.find(char::is_whitespace).unwrap_or(text.len());
            let (value, rest) = text.split_at(end);
            (value.to_owned(), rest)
        }
    };
    if value.is_empty() {
        return Err(format!("`{key}` has no value; leave it out"));
    }
    Ok((value, rest))
}

fn unquote(mut rest: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    loop {
        let (part, after) = rest.split_once('\'')?;
        value.push_str(part);
        match after.strip_prefix('\'') {
            Some(more) => {
                value.push('\'');
                rest = more;
            }
            None => return Some((value, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pairs_quotes_and_spaces() {
        let pairs =
            parse("  host=localhost port = 300 password='it''s; a' connect_query='SELECT 1'");
        let expected = [
            ("host", "localhost"),
            ("port", "300"),
            ("password", "it's; a"),
            ("connect_query", "SELECT 1"),
        ];
        assert_eq!(pairs.unwrap(), expected.map(|(key, value)| (key.into(), value.into())));
        assert_eq!(parse("").unwrap(), []);
    }

    #[test]
    fn what_is_wrong_is_told_without_values() {
        for text in ["host", "host=a secret", "=secret", "password='secret", "password= "] {
            let wrong = parse(text).unwrap_err();
            assert!(!wrong.contains("secret"), "{wrong}");
        }
        assert!(parse("host=a b").unwrap_err().contains("after `host`"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = parse(&text);
        }

        #[test]
        fn what_is_written_is_read(value in "[^\n\r\0]{1,30}") {
            let text = format!("user=u password='{}'", value.replace('\'', "''"));
            prop_assert_eq!(&parse(&text).unwrap()[1].1, &value);
        }
    }
}
