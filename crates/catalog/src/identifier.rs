//! SQL identifiers.

/// Quotes a name for SQL, whatever is in it: `Order "1"` becomes `"Order ""1"""`.
#[must_use]
pub fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::quote_identifier;

    #[test]
    fn quotes_are_doubled_and_case_is_kept() {
        assert_eq!(quote_identifier("orders"), r#""orders""#);
        assert_eq!(quote_identifier(r#"Order "1"; DROP"#), r#""Order ""1""; DROP""#);
        assert_eq!(quote_identifier(""), r#""""#);
    }
}
