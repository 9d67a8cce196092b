//! Conditions of a plan without the values in them.

/// `condition` with `$` in place of every literal. Names, operators, types and parameters (`$1`)
/// stay; so do NULL, true and false.
///
/// The server writes conditions itself (`ruleutils.c`), so that only its forms of literals occur:
/// numbers, `'…'` with doubled quotes, `E'…'` with backslashes, `B'…'` and `X'…'`.
pub(crate) fn redact(condition: &str) -> String {
    let mut out = String::with_capacity(condition.len());
    let mut rest = condition;
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '\'' => {
                out.push('$');
                string_end(rest, false)
            }
            '"' => {
                let end = quoted_end(rest);
                out.push_str(&rest[..end]);
                end
            }
            '$' => {
                let end = 1 + word_end(&rest[1..]);
                out.push_str(&rest[..end]);
                end
            }
            c if c.is_ascii_digit() => {
                out.push('$');
                number_end(rest)
            }
            c if c.is_alphabetic() || c == '_' => word(rest, &mut out),
            c => {
                out.push(c);
                c.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    out
}

/// Copies a word, or hides the literal that it introduces; gives where it ends.
fn word(rest: &str, out: &mut String) -> usize {
    let end = word_end(rest);
    let introduces = matches!(&rest[..end], "E" | "B" | "X" | "N") && rest[end..].starts_with('\'');
    if introduces {
        out.push('$');
        return end + string_end(&rest[end..], &rest[..end] == "E");
    }
    out.push_str(&rest[..end]);
    end
}

fn word_end(text: &str) -> usize {
    text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').unwrap_or(text.len())
}

fn number_end(text: &str) -> usize {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '.';
    let end = text.find(|c: char| !plain(c)).unwrap_or(text.len());
    // 1e-05
    match text[..end].ends_with(['e', 'E']) && text[end..].starts_with(['-', '+']) {
        true => end + 1 + text[end + 1..].find(|c: char| !plain(c)).unwrap_or(text.len() - end - 1),
        false => end,
    }
}

/// Where the string ends that `text` begins with; a string that does not end takes all the rest.
fn string_end(text: &str, escapes: bool) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if escapes => at += 2,
            b'\'' if bytes.get(at + 1) == Some(&b'\'') => at += 2,
            b'\'' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// Where the quoted name ends that `text` begins with.
fn quoted_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' if bytes.get(at + 1) == Some(&b'"') => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// The columns of the relation known as `alias` that the (redacted) condition names, each once.
pub(crate) fn columns_of(alias: &str, condition: &str) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    let mut rest = condition;
    while let Some(first) = rest.chars().next() {
        let (name, end) = match first {
            '"' => {
                let end = quoted_end(rest);
                let inner = rest[..end].trim_matches('"').replace("\"\"", "\"");
                (Some(inner), end)
            }
            c if c.is_alphabetic() || c == '_' => {
                let end = word_end(rest);
                (Some(rest[..end].to_owned()), end)
            }
            c => (None, c.len_utf8()),
        };
        match name {
            Some(name) => names.push(name),
            None if first == '.' => {}
            None => names.clear(),
        }
        rest = &rest[end..];
        if let [.., table, column] = names.as_slice()
            && table == alias
            && !rest.starts_with('(')
            && !columns.contains(column)
        {
            columns.push(column.clone());
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_stays() {
        for (condition, expected) in [
            ("(orders.customer_id = 4711)", "(orders.customer_id = $)"),
            (
                "((t1.a = 'it''s'::text) AND (t1.b2 > '-1.5'::numeric))",
                "((t1.a = $::text) AND (t1.b2 > $::numeric))",
            ),
            ("(a = E'x\\'y z')", "(a = $)"),
            ("(a = ANY ('{1,2,3}'::integer[]))", "(a = ANY ($::integer[]))"),
            ("(x > 1e-05::double precision)", "(x > $::double precision)"),
            ("(\"Weird 1\".\"a'b\" = $1)", "(\"Weird 1\".\"a'b\" = $1)"),
            ("(a = 'no end", "(a = $"),
            ("(b = B'101')", "(b = $)"),
            ("(größe = 'ä')", "(größe = $)"),
        ] {
            assert_eq!(redact(condition), expected);
        }
    }

    #[test]
    fn columns_are_those_of_the_table() {
        let columns = |text| columns_of("o", text).join(",");
        assert_eq!(columns("((o.status = $::text) AND (o.\"Placed At\" > $))"), "status,Placed At");
        assert_eq!(columns("(lower(o.mail) = p.mail)"), "mail");
        assert_eq!(columns("(status = $)"), "");
        assert_eq!(columns("o.f(x) > 1"), "");
    }
}
