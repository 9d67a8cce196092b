//! A workload from a file: SQL with weights in comments, or JSON lines.

use serde::Deserialize;

use super::Statement;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    sql: String,
    name: Option<String>,
    weight: Option<f64>,
    ms: Option<f64>,
}

/// Reads a workload.
///
/// # Errors
/// What is wrong, with the line, and what would be right.
pub(super) fn read(text: &str) -> Result<Vec<Statement>, String> {
    let statements = if text.trim_start().starts_with('{') { json(text)? } else { script(text)? };
    if statements.is_empty() {
        return Err("there is no statement in it".to_owned());
    }
    Ok(statements)
}

fn json(text: &str) -> Result<Vec<Statement>, String> {
    let mut statements = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let line: Line =
            serde_json::from_str(line).map_err(|error| format!("line {}: {error}", number + 1))?;
        let told = Told { name: line.name, weight: line.weight, ms: line.ms };
        told.check(number + 1)?;
        statements.push(told.statement(statements.len(), line.sql));
    }
    Ok(statements)
}

fn script(text: &str) -> Result<Vec<Statement>, String> {
    let mut statements = Vec::new();
    let mut end = 0usize;
    for own in sql::statements(text.as_bytes()) {
        let own = String::from_utf8_lossy(&own).into_owned();
        let start = text.get(end..).and_then(|rest| rest.find(&own)).map_or(end, |at| end + at);
        let line = text.get(..start).map_or(0, |above| above.matches('\n').count());
        end = start + own.len();
        let mut told = Told::default();
        told.read(&own, line)?;
        // Comments alone, at the end of the file, are no statement.
        if own.lines().all(|line| line.trim().is_empty() || line.trim().starts_with("--")) {
            continue;
        }
        statements.push(told.statement(statements.len(), own));
    }
    Ok(statements)
}

/// What the comments before a statement tell of it.
#[derive(Default)]
struct Told {
    name: Option<String>,
    weight: Option<f64>,
    ms: Option<f64>,
}

impl Told {
    /// Reads the comment lines at the beginning of `text`, which begins after `above` lines.
    fn read(&mut self, text: &str, above: usize) -> Result<(), String> {
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            let Some(comment) = line.strip_prefix("--") else {
                if line.is_empty() || line == ";" {
                    continue;
                }
                return Ok(());
            };
            let Some((key, value)) = comment.split_once(':') else { continue };
            let place = above + number + 1;
            let value = value.trim();
            match key.trim() {
                "name" => self.name = Some(value.to_owned()),
                "weight" => self.weight = Some(positive("weight", value, place)?),
                "ms" => self.ms = Some(positive("ms", value, place)?),
                _ => {}
            }
        }
        Ok(())
    }

    fn check(&self, line: usize) -> Result<(), String> {
        let wrong = |number: &Option<f64>| number.is_some_and(|n| !n.is_finite() || n <= 0.0);
        if wrong(&self.weight) || wrong(&self.ms) {
            return Err(format!("line {line}: weight and ms must be numbers above 0"));
        }
        Ok(())
    }

    fn statement(self, position: usize, sql: String) -> Statement {
        Statement {
            name: self.name.unwrap_or_else(|| format!("#{}", position + 1)),
            sql: sql.trim_end_matches(';').to_owned(),
            calls: self.weight.unwrap_or(1.0),
            mean_ms: self.ms,
            rows: None,
        }
    }
}

fn positive(key: &str, value: &str, line: usize) -> Result<f64, String> {
    match value.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err(format!("line {line}: {key} must be a number above 0, not {value:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_before_a_statement_tell_of_it() {
        let text = "-- the shop\n-- name: cart\n-- weight: 12\nSELECT ';' FROM t;\n\n\
                    SELECT 2;\n-- ms: 1.5\n-- weight: 3\nUPDATE t SET a = 1 -- weight: 9\n;\n-- end";
        let read = read(text).unwrap();
        let shown: Vec<_> =
            read.iter().map(|one| (one.name.as_str(), one.calls, one.mean_ms)).collect();
        assert_eq!(shown, [("cart", 12.0, None), ("#2", 1.0, None), ("#3", 3.0, Some(1.5))]);
        assert!(read[0].sql.ends_with("SELECT ';' FROM t"), "{}", read[0].sql);
    }

    #[test]
    fn json_lines() {
        let read = read("{\"sql\":\"SELECT 1\",\"weight\":2}\n\n{\"sql\":\"SELECT 2\"}").unwrap();
        assert_eq!((read[0].calls, read[1].name.as_str()), (2.0, "#2"));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let wrong = |text: &str| read(text).unwrap_err();
        assert_eq!(
            wrong("SELECT 1;\n-- weight: often\nSELECT 2"),
            "line 2: weight must be a number above 0, not \"often\""
        );
        assert!(wrong("{\"sql\":\"a\"}\n{\"text\":1}").starts_with("line 2: unknown field"));
        assert_eq!(
            wrong("{\"sql\":\"a\",\"ms\":0}"),
            "line 1: weight and ms must be numbers above 0"
        );
        assert_eq!(wrong("  -- nothing\n"), "there is no statement in it");
    }
}
