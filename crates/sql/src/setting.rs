//! What `SET`, `RESET` and `set_config` change, read from a statement's text.

use crate::keyword::Word;
use crate::lexer::{Kind, Lexer, Literal, MINUS, Token};
use crate::{classify, set_config};

/// A setting's new value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SettingValue {
    /// As `SET … TO` takes it: constants and names with commas between, nothing else.
    Source(Box<str>),
    /// As `set_config` and the startup message take it.
    Text(Box<str>),
}

impl SettingValue {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Source(value) | Self::Text(value) => value,
        }
    }
}

/// What a statement does to one setting of the session, or to all. Names are in lower case, which is
/// how PostgreSQL compares them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingChange {
    /// `SET name TO value`.
    Set {
        /// The setting.
        name: Box<str>,
        /// Its value.
        value: SettingValue,
    },
    /// `RESET name`, `SET name TO DEFAULT`.
    Reset {
        /// The setting.
        name: Box<str>,
    },
    /// `RESET ALL`.
    ResetAll,
}

impl SettingChange {
    fn set(name: &str, value: &str) -> Self {
        Self::Set { name: name.into(), value: SettingValue::Source(value.into()) }
    }

    fn reset(name: &str) -> Self {
        Self::Reset { name: name.into() }
    }
}

/// The changes that `text`, one statement, makes to the session's settings when it succeeds; none
/// where the text does not tell. Knows `SET` (manual, SQL command reference) in all its spellings,
/// `RESET`, and calls of `set_config` with constants.
#[must_use]
pub fn setting_changes(text: &[u8]) -> Option<Vec<SettingChange>> {
    let mut words = Words { lexer: Lexer::new(text, 0), text };
    match words.next_word() {
        Word::Set => words.set(),
        Word::Reset => words.reset(),
        Word::Select => set_config::constant_calls(text),
        _ => None,
    }
}

struct Words<'a> {
    lexer: Lexer<'a>,
    text: &'a [u8],
}

impl Words<'_> {
    fn next_word(&mut self) -> Word {
        let token = self.lexer.next();
        classify::word(token.kind, token.hash)
    }

    fn peek(&self) -> Token {
        self.lexer.clone().next()
    }

    fn peek_is(&self, text: &str) -> bool {
        let token = self.peek();
        token.kind == Kind::Name && self.slice(token).eq_ignore_ascii_case(text)
    }

    /// Takes the word if it is the next one.
    fn take(&mut self, text: &str) -> bool {
        let found = self.peek_is(text);
        if found {
            self.lexer.next();
        }
        found
    }

    fn slice(&self, token: Token) -> &str {
        let bytes = self.text.get(token.start..token.end).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    fn set(&mut self) -> Option<Vec<SettingChange>> {
        if self.take("local") || self.peek_is("transaction") || self.peek_is("constraints") {
            return Some(Vec::new());
        }
        if self.take("session") {
            if self.take("authorization") {
                return self.value_of("session_authorization");
            }
            if self.take("characteristics") {
                return self.characteristics();
            }
        }
        // Those with a word of their own, unless it is a setting's name.
        for (words, name) in [
            (&["time", "zone"][..], "timezone"),
            (&["names"], "client_encoding"),
            (&["schema"], "search_path"),
            (&["role"], "role"),
            (&["xml", "option"], "xmloption"),
        ] {
            let mut ahead = Self { lexer: self.lexer.clone(), text: self.text };
            if words.iter().all(|word| ahead.take(word)) && !ahead.at_assignment() {
                return ahead.value_of(name);
            }
        }
        let name = self.name()?;
        if !self.at_assignment() {
            return None;
        }
        self.lexer.next();
        self.value_of(&name)
    }

    fn at_assignment(&self) -> bool {
        let token = self.peek();
        self.peek_is("to") || (token.kind == Kind::Operator && self.slice(token) == "=")
    }

    /// A setting's name, which may have several parts.
    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        loop {
            let token = self.lexer.next();
            match token.kind {
                Kind::Name => name.push_str(self.slice(token)),
                Kind::QuotedName => name.push_str(&unquoted(self.slice(token))?),
                _ => return None,
            }
            if self.peek().kind != Kind::Dot {
                return Some(name.to_lowercase());
            }
            self.lexer.next();
            name.push('.');
        }
    }

    /// The rest of the statement as a value.
    fn value_of(&mut self, name: &str) -> Option<Vec<SettingChange>> {
        let mut value = String::new();
        let mut tokens = 0u32;
        let mut default = false;
        loop {
            let token = self.lexer.next();
            let text = self.slice(token);
            match token.kind {
                Kind::End | Kind::Semicolon => break,
                Kind::Comma => value.push(','),
                // What a backslash means depends on another setting.
                Kind::Literal(Literal::Text)
                    if text.contains('\\') || !text.starts_with('\'') || !text.ends_with('\'') =>
                {
                    return None;
                }
                Kind::Name | Kind::QuotedName | Kind::Literal(_) => {
                    default = text.eq_ignore_ascii_case("default");
                    if !value.is_empty() && !value.ends_with('-') {
                        value.push(' ');
                    }
                    value.push_str(text);
                }
                Kind::Operator if token.hash == MINUS || text == "+" => value.push_str(text),
                _ => return None,
            }
            if text.is_empty() {
                // Not UTF-8.
                return None;
            }
            tokens += 1;
        }
        let resets = (tokens == 1 && default)
            || (tokens == 1 && name == "role" && value.eq_ignore_ascii_case("none"))
            || (tokens == 1 && name == "timezone" && value.eq_ignore_ascii_case("local"))
            || (tokens == 0 && name == "client_encoding");
        match tokens {
            _ if resets => Some(vec![SettingChange::reset(name)]),
            0 => None,
            _ => Some(vec![SettingChange::set(name, &value)]),
        }
    }

    /// `SET SESSION CHARACTERISTICS AS TRANSACTION mode [, …]` sets defaults.
    fn characteristics(&mut self) -> Option<Vec<SettingChange>> {
        if !(self.take("as") && self.take("transaction")) {
            return None;
        }
        let mut changes = Vec::new();
        loop {
            if self.take("isolation") {
                self.take("level").then_some(())?;
                let level = if self.take("serializable") {
                    "'serializable'"
                } else if self.take("repeatable") {
                    self.take("read").then_some("'repeatable read'")?
                } else {
                    self.take("read").then_some(())?;
                    if self.take("committed") {
                        "'read committed'"
                    } else {
                        self.take("uncommitted").then_some("'read uncommitted'")?
                    }
                };
                changes.push(SettingChange::set("default_transaction_isolation", level));
            } else if self.take("read") {
                let only =
                    if self.take("only") { "on" } else { self.take("write").then_some("off")? };
                changes.push(SettingChange::set("default_transaction_read_only", only));
            } else {
                let value = if self.take("not") { "off" } else { "on" };
                self.take("deferrable").then_some(())?;
                changes.push(SettingChange::set("default_transaction_deferrable", value));
            }
            match self.peek().kind {
                Kind::Comma => {
                    self.lexer.next();
                }
                Kind::End | Kind::Semicolon => return Some(changes),
                Kind::Name => {}
                _ => return None,
            }
        }
    }

    fn reset(&mut self) -> Option<Vec<SettingChange>> {
        let name = if self.take("all") {
            return self.at_end().then(|| vec![SettingChange::ResetAll]);
        } else if self.take("time") {
            self.take("zone").then_some("timezone".to_owned())?
        } else if self.take("session") {
            self.take("authorization").then_some("session_authorization".to_owned())?
        } else if self.peek_is("transaction") {
            return Some(Vec::new());
        } else {
            self.name()?
        };
        self.at_end().then(|| vec![SettingChange::reset(&name)])
    }

    fn at_end(&self) -> bool {
        matches!(self.peek().kind, Kind::End | Kind::Semicolon)
    }
}

/// A name without its quotation marks.
pub(crate) fn unquoted(text: &str) -> Option<String> {
    let inside = text.strip_prefix('"')?.strip_suffix('"')?;
    Some(inside.replace("\"\"", "\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let changes = setting_changes(text.as_bytes());
        let shown = match changes {
            None => "?".to_owned(),
            Some(changes) => changes
                .iter()
                .map(|change| match change {
                    SettingChange::Set { name, value: SettingValue::Source(value) } => {
                        format!("{name}={value}")
                    }
                    SettingChange::Set { name, value: SettingValue::Text(value) } => {
                        format!("{name}:{value}")
                    }
                    SettingChange::Reset { name } => format!("-{name}"),
                    SettingChange::ResetAll => "-".to_owned(),
                })
                .collect::<Vec<_>>()
                .join(" "),
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn set_in_all_its_spellings() {
        for (text, expected) in [
            ("SET work_mem = '64MB'", "work_mem='64MB'"),
            ("set Work_Mem to 1000 ;", "work_mem=1000"),
            ("set session x.Y to -1", "x.y=-1"),
            ("set \"X\".\"y\"\"z\" = a", "x.y\"z=a"),
            ("set search_path to \"$user\", public", "search_path=\"$user\", public"),
            ("set search_path = a /* and */ , b", "search_path=a, b"),
            ("set a to default", "-a"),
            ("set time zone 'UTC'", "timezone='UTC'"),
            ("set time zone local", "-timezone"),
            ("set time zone interval '1' hour to minute", "timezone=interval '1' hour to minute"),
            ("set names 'utf8'", "client_encoding='utf8'"),
            ("set names", "-client_encoding"),
            ("set names = 'utf8'", "names='utf8'"),
            ("set schema 'a'", "search_path='a'"),
            ("set role a", "role=a"),
            ("set role none", "-role"),
            ("set session role \"A\"", "role=\"A\""),
            ("set role = 'a'", "role='a'"),
            ("set role to default", "-role"),
            ("set session authorization a", "session_authorization=a"),
            ("set session authorization default", "-session_authorization"),
            ("set local a = 1", ""),
            ("set transaction read only", ""),
            ("set xml option document", "xmloption=document"),
            (
                "set session characteristics as transaction isolation level repeatable read, \
                 read only not deferrable",
                "default_transaction_isolation='repeatable read' \
                 default_transaction_read_only=on default_transaction_deferrable=off",
            ),
            ("set a to 'x\\y'", "?"),
            ("set a to E'x'", "?"),
            ("set a to $1", "?"),
            ("set a to 'open", "?"),
            ("set a from current", "?"),
            ("set a", "?"),
            ("set", "?"),
        ] {
            check(text, expected);
        }
    }

    #[test]
    fn reset_and_set_config() {
        for (text, expected) in [
            ("reset all", "-"),
            ("RESET a.B;", "-a.b"),
            ("reset role", "-role"),
            ("reset session authorization", "-session_authorization"),
            ("reset time zone", "-timezone"),
            ("reset a b", "?"),
            ("select set_config('Search_Path', '', false)", "search_path:"),
            ("select pg_catalog.set_config('a', 'it''s', false), 1", "a:it's"),
            ("select set_config('a', '1', true), set_config('b', '2', false)", "b:2"),
            ("select set_config('jit', $1, false)", "?"),
            ("select set_config(name, 'x', false) from t", "?"),
            ("select set_config('a', E'x', false)", "?"),
            ("select set_config('a', null, false)", "?"),
            ("select set_config('a', 'b', false) from t where x", "?"),
            ("select case when x then set_config('a', 'b', false) end", "?"),
        ] {
            check(text, expected);
        }
    }
}
