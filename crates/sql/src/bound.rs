//! What a sample's values are like, where that decides about the plan. The cold path: a few samples
//! a minute.

use model::{ParameterFormat, Sample, SampleParameter};

use crate::lexer::{Kind, Lexer, Literal, Token};

/// What matters of the values of one execution. No value is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BoundValues {
    /// The largest number of rows that an OFFSET skipped.
    pub offset: Option<u64>,
    /// Whether a pattern of LIKE or ILIKE begins with a wildcard; none without such a pattern.
    pub leading_wildcard: Option<bool>,
}

/// A comparison of a bare column with a parameter: `column = $1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterComparison {
    /// What stands before the column's dot, folded.
    pub qualifier: Option<String>,
    /// The column, folded.
    pub column: String,
    /// Which parameter, from 0.
    pub parameter: usize,
}

/// Looks at the values of a sample.
#[must_use]
pub fn bound_values(sample: &Sample) -> BoundValues {
    let text = sample.text.as_bytes();
    let mut lexer = Lexer::new(text, 0);
    let mut found = BoundValues::default();
    let mut negated = false;
    loop {
        let token = lexer.next();
        if token.kind == Kind::End {
            return found;
        }
        let word = if token.kind == Kind::Name { piece(text, token) } else { &[] };
        let next = lexer.clone().next();
        if word.eq_ignore_ascii_case(b"offset") {
            found.offset = found.offset.max(number(text, next, &sample.parameters));
        } else if !negated
            && (word.eq_ignore_ascii_case(b"like") || word.eq_ignore_ascii_case(b"ilike"))
            && let Some(first) = first_letter(text, next, &sample.parameters)
        {
            let wild = matches!(first, b'%' | b'_');
            found.leading_wildcard = Some(wild || found.leading_wildcard == Some(true));
        }
        negated = word.eq_ignore_ascii_case(b"not");
    }
}

/// The comparisons of bare columns with parameters in a text, casts of either side left out.
#[must_use]
pub fn parameter_comparisons(text: &str) -> Vec<ParameterComparison> {
    let text = text.as_bytes();
    let mut lexer = Lexer::new(text, 0);
    let mut found = Vec::new();
    // The name that ends here, and the one before its dot.
    let mut column: Option<String> = None;
    let mut qualifier: Option<String> = None;
    let mut before = Kind::Other;
    loop {
        let token = lexer.next();
        match token.kind {
            Kind::End => return found,
            Kind::Name | Kind::QuotedName => {
                let computed = matches!(before, Kind::Operator | Kind::Cast);
                qualifier = column.take().filter(|_| before == Kind::Dot);
                column = (!computed).then(|| folded(text, token));
            }
            Kind::Dot => {}
            Kind::Operator if matches!(piece(text, token), b"=" | b"<" | b">" | b"<=" | b">=") => {
                let mut ahead = lexer.clone();
                let (value, after) = (ahead.next(), ahead.next());
                if let Kind::Parameter(number) = value.kind
                    && !matches!(after.kind, Kind::Cast | Kind::Operator)
                    && let Some(parameter) = (number as usize).checked_sub(1)
                    && let Some(column) = column.take()
                {
                    let qualifier = qualifier.take();
                    found.push(ParameterComparison { qualifier, column, parameter });
                }
                column = None;
            }
            _ => column = None,
        }
        before = token.kind;
    }
}

fn piece(text: &[u8], token: Token) -> &[u8] {
    text.get(token.start..token.end).unwrap_or_default()
}

fn folded(text: &[u8], token: Token) -> String {
    let piece = String::from_utf8_lossy(piece(text, token));
    match token.kind {
        Kind::QuotedName => piece.trim_matches('"').replace("\"\"", "\""),
        _ => piece.to_ascii_lowercase(),
    }
}

fn parameter(token: Token, parameters: &[SampleParameter]) -> Option<&SampleParameter> {
    match token.kind {
        Kind::Parameter(number) => parameters.get((number as usize).checked_sub(1)?),
        _ => None,
    }
}

fn number(text: &[u8], token: Token, parameters: &[SampleParameter]) -> Option<u64> {
    if token.kind.is_number() {
        return std::str::from_utf8(piece(text, token)).ok()?.parse().ok();
    }
    let parameter = parameter(token, parameters)?;
    let bytes = parameter.value.as_deref()?;
    match parameter.format {
        ParameterFormat::Text => std::str::from_utf8(bytes).ok()?.trim().parse().ok(),
        ParameterFormat::Binary => {
            let number = match bytes.len() {
                2 => i64::from(i16::from_be_bytes(bytes.try_into().ok()?)),
                4 => i64::from(i32::from_be_bytes(bytes.try_into().ok()?)),
                8 => i64::from_be_bytes(bytes.try_into().ok()?),
                _ => return None,
            };
            u64::try_from(number).ok()
        }
    }
}

/// The first letter of a pattern; text is the same in both formats.
fn first_letter(text: &[u8], token: Token, parameters: &[SampleParameter]) -> Option<u8> {
    if token.kind == Kind::Literal(Literal::Text) {
        let literal = piece(text, token);
        let quote = literal.iter().position(|byte| *byte == b'\'')?;
        return literal.get(quote + 1).copied().filter(|byte| *byte != b'\'');
    }
    parameter(token, parameters)?.value.as_deref()?.first().copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample(text: &str, parameters: &[(ParameterFormat, &[u8])]) -> Sample {
        let parameters = parameters
            .iter()
            .map(|(format, value)| SampleParameter {
                format: *format,
                value: Some((*value).into()),
            })
            .collect();
        Sample { text: text.into(), parameters, ..Sample::default() }
    }

    fn seen(text: &str, parameters: &[(ParameterFormat, &[u8])]) -> (Option<u64>, Option<bool>) {
        let values = bound_values(&sample(text, parameters));
        (values.offset, values.leading_wildcard)
    }

    #[test]
    fn offsets_are_read_from_the_text_and_from_values_in_both_formats() {
        use ParameterFormat::{Binary, Text};
        assert_eq!(seen("SELECT a FROM b LIMIT 10 OFFSET 5000", &[]).0, Some(5_000));
        assert_eq!(seen("SELECT a FROM b OFFSET $2", &[(Text, b"x"), (Text, b"70")]).0, Some(70));
        assert_eq!(seen("select a offset $1", &[(Binary, &9i64.to_be_bytes())]).0, Some(9));
        assert_eq!(seen("select a offset $1", &[(Binary, &(-9i64).to_be_bytes())]).0, None);
        assert_eq!(seen("SELECT a FROM b OFFSET $3", &[]).0, None);
        assert_eq!(seen("SELECT 'offset 7' FROM b", &[]).0, None);
    }

    #[test]
    fn patterns_are_looked_at_by_their_first_letter() {
        use ParameterFormat::Text;
        for (text, expected) in [
            ("SELECT a FROM b WHERE c LIKE '%x'", Some(true)),
            ("SELECT a FROM b WHERE c ILIKE E'_x'", Some(true)),
            ("SELECT a FROM b WHERE c LIKE 'x%'", Some(false)),
            ("SELECT a FROM b WHERE c LIKE 'x%' AND d LIKE '%y'", Some(true)),
            ("SELECT a FROM b WHERE c NOT LIKE '%x'", None),
            ("SELECT a FROM b WHERE c LIKE $1", Some(true)),
            ("SELECT a FROM b WHERE c LIKE ''", None),
            ("SELECT '%' FROM b", None),
        ] {
            assert_eq!(seen(text, &[(Text, b"%shoe%")]).1, expected, "{text}");
        }
    }

    #[test]
    fn bare_columns_against_parameters() {
        let compared = |text| {
            parameter_comparisons(text)
                .into_iter()
                .map(|one| (one.qualifier.unwrap_or_default(), one.column, one.parameter))
                .collect::<Vec<_>>()
        };
        let one = |q: &str, c: &str, p| (q.to_owned(), c.to_owned(), p);
        assert_eq!(
            compared("SELECT * FROM t WHERE Id = $1 AND t.\"B\" >= $2 OR s.t.c < $3"),
            [one("", "id", 0), one("t", "B", 1), one("t", "c", 2)]
        );
        for text in [
            "SELECT * FROM t WHERE id = $1::bigint",
            "SELECT * FROM t WHERE id::numeric = $1",
            "SELECT * FROM t WHERE a + id = $1",
            "SELECT * FROM t WHERE f(id) = $1",
            "SELECT * FROM t WHERE id = $1 + 1",
            "SELECT * FROM t WHERE id <> $1",
        ] {
            assert_eq!(compared(text), [], "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(offset|like|not|\\$1|\\$0|=|'|\"|[ -~é]){0,30}") {
            let _ = bound_values(&sample(&text, &[(ParameterFormat::Binary, b"abc")]));
            let _ = parameter_comparisons(&text);
        }
    }
}
