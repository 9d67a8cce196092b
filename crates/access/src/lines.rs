//! Lines and fields as pg_hba.conf and pg_ident.conf have them (manual, section 21.1): fields
//! between white space, lists with commas, `"…"` against both, `#` to the end of the line, `\` at
//! the end of a line that goes on, `@file` for a list in another file.

use std::iter::Peekable;
use std::str::Chars;

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct LineError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl LineError {
    pub(crate) fn new(line: usize, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }
}

/// Reads the file that `@name` names; the error says why it cannot be read.
pub type ReadList<'a> = dyn Fn(&str) -> Result<String, String> + 'a;

/// A word. What was in quotes is never a keyword.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) quoted: bool,
}

impl Token {
    /// Whether it is this keyword.
    pub(crate) fn is(&self, keyword: &str) -> bool {
        !self.quoted && self.text == keyword
    }

    /// What follows this character, which means something at the beginning of a word.
    pub(crate) fn after(&self, mark: char) -> Option<&str> {
        if self.quoted { None } else { self.text.strip_prefix(mark) }
    }
}

/// One line: its fields, each a list of at least one word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) number: usize,
    pub(crate) fields: Vec<Vec<Token>>,
}

/// Lists in files that name files are followed so far.
const MAX_DEPTH: usize = 10;
/// Words in a list, those of files that it names included. Files that name each other several
/// times would multiply without end.
const MAX_WORDS: usize = 100_000;

/// All lines that are not empty.
pub(crate) fn read(text: &str, lists: &ReadList<'_>) -> Result<Vec<Line>, Vec<LineError>> {
    let mut lines = Vec::new();
    let mut errors = Vec::new();
    for (number, text) in logical_lines(text) {
        let fields = fields(&text).and_then(|fields| {
            fields.into_iter().map(|field| expand(field, lists, 0)).collect::<Result<Vec<_>, _>>()
        });
        match fields {
            Ok(fields) if fields.is_empty() => {}
            Ok(fields) => lines.push(Line { number, fields }),
            Err(message) => errors.push(LineError { line: number, message }),
        }
    }
    if errors.is_empty() { Ok(lines) } else { Err(errors) }
}

/// Lines with those joined that a backslash joins, and the number of the first of them.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut joined: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (index, line) in text.lines().enumerate() {
        let (part, next_goes_on) = match line.strip_suffix('\\') {
            Some(part) => (part, true),
            None => (line, false),
        };
        match joined.last_mut() {
            Some((_, whole)) if goes_on => whole.push_str(part),
            _ => joined.push((index + 1, part.to_owned())),
        }
        goes_on = next_goes_on;
    }
    joined
}

fn fields(line: &str) -> Result<Vec<Vec<Token>>, String> {
    let mut rest = line.chars().peekable();
    let mut fields = Vec::new();
    while let Some(field) = field(&mut rest)? {
        fields.push(field);
    }
    Ok(fields)
}

/// A field: words with commas between, where white space may follow a comma.
fn field(rest: &mut Peekable<Chars<'_>>) -> Result<Option<Vec<Token>>, String> {
    let mut words = Vec::new();
    loop {
        let (word, comma) = word(rest)?;
        words.extend(word);
        if !comma {
            return Ok((!words.is_empty()).then_some(words));
        }
    }
}

/// The next word, if there is one, and whether a comma ended it.
fn word(rest: &mut Peekable<Chars<'_>>) -> Result<(Option<Token>, bool), String> {
    while rest.next_if(|c| c.is_whitespace()).is_some() {}
    let mut token = Token { text: String::new(), quoted: rest.peek() == Some(&'"') };
    let mut in_quotes = false;
    let mut any = false;
    let mut comma = false;
    while let Some(&c) = rest.peek() {
        if !in_quotes && (c == '#' || c.is_whitespace()) {
            break;
        }
        rest.next();
        match c {
            // Twice within quotes is one quote, as it were.
            '"' if in_quotes && rest.next_if_eq(&'"').is_some() => token.text.push('"'),
            '"' => in_quotes = !in_quotes,
            ',' if !in_quotes => {
                comma = true;
                break;
            }
            c => token.text.push(c),
        }
        any = true;
    }
    if in_quotes {
        return Err("a quoted text does not end on its line".to_owned());
    }
    if rest.peek() == Some(&'#') {
        rest.by_ref().for_each(drop);
    }
    Ok((any.then_some(token), comma))
}

/// A list with the words of the files that it names.
fn expand(field: Vec<Token>, lists: &ReadList<'_>, depth: usize) -> Result<Vec<Token>, String> {
    let mut expanded = Vec::new();
    for token in field {
        let Some(name) = token.after('@').filter(|name| !name.is_empty()) else {
            expanded.push(token);
            continue;
        };
        if depth == MAX_DEPTH {
            return Err(format!("lists in files name files more than {MAX_DEPTH} deep"));
        }
        let text = lists(name).map_err(|why| format!("`@{name}` cannot be read: {why}"))?;
        for (number, line) in logical_lines(&text) {
            for field in fields(&line).map_err(|why| format!("`@{name}`, line {number}: {why}"))? {
                expanded.extend(expand(field, lists, depth + 1)?);
                if expanded.len() > MAX_WORDS {
                    return Err(format!("`@{name}` is a list of more than {MAX_WORDS} words"));
                }
            }
        }
    }
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<Vec<String>> {
        let shown = |token: &Token| {
            if token.quoted { format!("<{}>", token.text) } else { token.text.clone() }
        };
        let fields = fields(line).unwrap();
        fields.iter().map(|field| field.iter().map(shown).collect()).collect()
    }

    #[test]
    fn fields_lists_quotes_and_comments() {
        assert_eq!(words("host a,b,  c\td # more"), [vec!["host"], vec!["a", "b", "c"], vec!["d"]]);
        assert_eq!(words("\"all\" x\"y z\"w"), [["<all>"], ["xy zw"]]);
        assert_eq!(words("\"a\"\"b\" \"\""), [["<a\"b>"], ["<>"]]);
        assert_eq!(words("a#b"), [["a"]]);
        assert_eq!(words(" \t# nothing"), Vec::<Vec<String>>::new());
        assert!(fields("a \"b").is_err());
    }

    #[test]
    fn a_backslash_joins_lines_and_the_first_names_them() {
        let lines = logical_lines("a \\\nb\nc\\\n");
        assert_eq!(lines, [(1, "a b".to_owned()), (3, "c".to_owned())]);
    }

    #[test]
    fn lists_come_from_files() {
        let files = |name: &str| match name {
            "users" => Ok("amy, bob # two\n@more".to_owned()),
            "more" => Ok("eve".to_owned()),
            "loop" => Ok("@loop".to_owned()),
            _ => Err("no such file".to_owned()),
        };
        let lines = read("x @users,zoe", &files).unwrap();
        let names: Vec<_> = lines[0].fields[1].iter().map(|token| token.text.as_str()).collect();
        assert_eq!(names, ["amy", "bob", "eve", "zoe"]);
        let errors = read("a\nx @none\ny @loop\n", &files).unwrap_err();
        let lines: Vec<_> = errors.iter().map(|error| error.line).collect();
        assert_eq!(lines, [2, 3]);
        assert!(errors[0].message.contains("`@none` cannot be read: no such file"));
        assert_eq!(read("x \"@none\"", &files).unwrap()[0].fields[1][0].text, "@none");
    }
}
