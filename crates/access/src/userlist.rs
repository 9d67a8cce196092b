//! PgBouncer's auth_file: `"user" "password"` on each line, `;` for comments.

use crate::LineError;

/// PgBouncer's MAX_USERNAME: names are shorter.
const MAX_NAME_BYTES: usize = 128;

/// A user and the password, in whatever form it is stored; empty where there is none.
// No `Debug`: it holds a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Counted from 1.
    pub line: usize,
    /// The user.
    pub user: String,
    /// As typed, or `md5…`, or `SCRAM-SHA-256$…`.
    pub password: String,
}

/// Reads a userlist.
///
/// # Errors
/// Every line that is not as it should be. The messages quote nothing of the line.
pub fn parse_userlist(text: &str) -> Result<Vec<Entry>, Vec<LineError>> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut errors = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line_number = index + 1;
        let line = line.trim_start();
        if line.is_empty() || line.starts_with(';') {
            continue;
        }
        match entry(line) {
            Some((user, password)) if (1..MAX_NAME_BYTES).contains(&user.len()) => {
                entries.push(Entry { line: line_number, user, password });
            }
            Some(_) => {
                let message = format!("the user's name has 1 to {} bytes", MAX_NAME_BYTES - 1);
                errors.push(LineError::new(line_number, message));
            }
            None => {
                let message = "write \"user\" \"password\", both in quotes, a quote within \
                               quotes twice";
                errors.push(LineError::new(line_number, message));
            }
        }
    }
    if errors.is_empty() { Ok(entries) } else { Err(errors) }
}

/// What follows the second quoted text is not looked at, as in PgBouncer.
fn entry(line: &str) -> Option<(String, String)> {
    let (user, rest) = quoted(line)?;
    let (password, _) = quoted(rest.trim_start())?;
    Some((user, password))
}

fn quoted(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('"')?;
    let mut value = String::new();
    loop {
        let (part, after) = rest.split_once('"')?;
        value.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                value.push('"');
                rest = more;
            }
            None => return Some((value, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let entries = parse_userlist(text).unwrap_or_else(|errors| panic!("{errors:?}"));
        entries.into_iter().map(|entry| (entry.user, entry.password)).collect()
    }

    #[test]
    fn users_passwords_and_comments() {
        let text = "; of PgBouncer\n\"amy\" \"secret\"\n\n  \"b\"\"ob\"\t\"p\"\"w\" ; more\n\"eve\" \"\"\n";
        let expected = [("amy", "secret"), ("b\"ob", "p\"w"), ("eve", "")];
        assert_eq!(pairs(text), expected.map(|(user, password)| (user.into(), password.into())));
    }

    #[test]
    fn what_is_wrong_is_named_by_its_line_and_not_quoted() {
        let long = format!("\"{}\" \"x\"", "u".repeat(128));
        let text = format!("\"a\" \"b\"\namy hunter2\n\"amy\" \"hunter2\n\"\" \"hunter2\"\n{long}");
        let errors = parse_userlist(&text).err().unwrap();
        assert_eq!(errors.iter().map(|error| error.line).collect::<Vec<_>>(), [2, 3, 4, 5]);
        assert!(!format!("{errors:?}").contains("hunter2"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = parse_userlist(&text);
        }

        #[test]
        fn what_is_written_is_read(user in "[^\n\r]{1,30}", password in "[^\n\r]{0,40}") {
            let quote = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
            let line = format!("{} {}", quote(&user), quote(&password));
            prop_assert_eq!(pairs(&line), [(user, password)]);
        }
    }
}
