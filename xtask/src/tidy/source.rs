//! Rust text as the rules see it: without comments, the contents of strings, and tests.

/// Blanks comments and the contents of string and character literals; lines stay where they are.
pub(super) fn blank_comments_and_strings(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < characters.len() {
        let rest = &characters[at..];
        let (kept, length) = match rest {
            ['/', '/', ..] => (0, to_line_end(rest)),
            ['/', '*', ..] => (0, block_comment(rest)),
            ['"', ..] => (1, quoted(rest, '"')),
            ['r', '"' | '#', ..] if !ends_identifier(&code) => match raw_string(rest) {
                Some(length) => (1, length),
                None => (1, 1),
            },
            ['\'', ..] => (1, character(rest)),
            _ => (1, 1),
        };
        for (index, character) in rest[..length].iter().enumerate() {
            let keep = index < kept || *character == '\n';
            code.push(if keep { *character } else { ' ' });
        }
        at += length;
    }
    code
}

/// `br"…"` begins a raw string, `for"…"` does not.
fn ends_identifier(code: &str) -> bool {
    let mut last = code.chars().rev();
    match last.next() {
        Some('b' | 'c') => last.next().is_some_and(is_identifier),
        other => other.is_some_and(is_identifier),
    }
}

fn is_identifier(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn to_line_end(rest: &[char]) -> usize {
    rest.iter().position(|character| *character == '\n').unwrap_or(rest.len())
}

/// Block comments nest.
fn block_comment(rest: &[char]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => {
                depth += 1;
                at += 2;
            }
            ['*', '/', ..] => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of a literal whose first character is its quote.
fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            character if character == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of `r"…"`, `r#"…"#` and so on; `None` for `r#identifier`.
fn raw_string(rest: &[char]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|character| **character == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return None;
    }
    let mut end = vec!['"'];
    end.extend(std::iter::repeat_n('#', hashes));
    let body = 2 + hashes;
    let found = rest[body..].windows(end.len()).position(|window| window == end);
    Some(found.map_or(rest.len(), |position| body + position + end.len()))
}

/// The length of a character literal; 1 for the quote of a lifetime.
fn character(rest: &[char]) -> usize {
    match rest {
        ['\'', '\\', ..] => quoted(rest, '\''),
        ['\'', _, '\'', ..] => 3,
        _ => 1,
    }
}

/// For each line, whether it belongs to an item under `#[cfg(test)]`. The code is formatted by
/// rustfmt: an item ends on the line of its last brace, which is indented as its attribute is, or,
/// without braces, with the line that ends in `;`.
pub(super) fn test_lines(code: &str) -> Vec<bool> {
    let mut in_test = Vec::new();
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let text = line.trim_start();
        let is_test = text.starts_with("#[cfg(test)]") || text.starts_with("#[cfg(all(test");
        in_test.push(is_test);
        if !is_test {
            continue;
        }
        let indent = &line[..line.len() - text.len()];
        for line in lines.by_ref() {
            in_test.push(true);
            let unindented = line.strip_prefix(indent).unwrap_or(line);
            let closes = unindented.starts_with('}');
            let one_line = !unindented.starts_with([' ', '#'])
                && (line.trim_end().ends_with(';') || line.trim_end().ends_with("{}"));
            if closes || one_line {
                break;
            }
        }
    }
    in_test
}

/// The modules that are declared for tests only and whose text is in files of their own.
pub(super) fn test_modules<'a>(
    code: &'a str,
    in_test: &'a [bool],
) -> impl Iterator<Item = &'a str> {
    let lines = code.lines().zip(in_test).filter(|(_, in_test)| **in_test);
    lines.filter_map(|(line, _)| {
        let words = line.trim().strip_suffix(';')?;
        let (before, name) = words.rsplit_once(' ')?;
        before.ends_with("mod").then_some(name)
    })
}

/// Whether `word` stands in `line` with no letter, digit or underscore before it.
pub(super) fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word)
        .any(|(at, _)| !line[..at].chars().next_back().is_some_and(is_identifier))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn blanked(text: &str, expected: &str) {
        assert_eq!(blank_comments_and_strings(text), expected);
    }

    #[test]
    fn comments_and_strings_are_blanked() {
        blanked("a // b\nc", "a     \nc");
        blanked("a /* b /* c */ d */ e", "a                   e");
        blanked("f(\"a\\\"b\", c)", "f(\"     , c)");
        blanked("r\"a\\\" + b", "r     + b");
        blanked("br#\"a\"b\"# + c", "br        + c");
        blanked("for r#type in x", "for r#type in x");
    }

    #[test]
    fn characters_are_blanked_and_lifetimes_are_not() {
        blanked("['\"', '\\'', 'a'] + b", "['  , '   , '  ] + b");
        blanked("&'static str", "&'static str");
        blanked("fn f<'a>(b: &'a c)", "fn f<'a>(b: &'a c)");
    }

    #[test]
    fn lines_stay_where_they_are() {
        let text = "a\n/*\n*/ b \"\n\n\" c";
        assert_eq!(blank_comments_and_strings(text).lines().count(), text.lines().count());
    }

    #[test]
    fn an_item_under_cfg_test_is_a_test_to_its_end() {
        let code = "a\n#[cfg(test)]\nmod tests {\n    fn b() {\n    }\n}\nc\n";
        assert_eq!(test_lines(code), [false, true, true, true, true, true, false]);
        let code = "#[cfg(test)]\nmod made_up;\nc\n";
        assert_eq!(test_lines(code), [true, true, false]);
        let code = "impl A {\n    #[cfg(test)]\n    fn b() {\n        c;\n    }\n    d\n}";
        assert_eq!(test_lines(code), [false, true, true, true, true, false, false]);
    }
}
