//! The tables of `docs/tls.md`: made of what the tests have seen, so that they cannot be wrong.

use std::fmt::Write;
use std::path::Path;

/// Modes across, kinds of peers down.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<(String, Vec<String>)>,
}

impl Table {
    /// As Markdown: what takes more than two words stands below the table, once.
    fn markdown(&self) -> String {
        let mut notes: Vec<&str> = Vec::new();
        let mut text = format!("| {} |\n", self.columns.join(" | "));
        text.push_str(&format!("|{}\n", "---|".repeat(self.columns.len())));
        for (kind, cells) in &self.rows {
            let mut line = format!("| {kind} |");
            for cell in cells {
                let Some(message) = cell.strip_prefix("refused: ") else {
                    write!(line, " {cell} |").unwrap();
                    continue;
                };
                let known = notes.iter().position(|note| *note == message);
                let number = known.unwrap_or_else(|| {
                    notes.push(message);
                    notes.len() - 1
                });
                write!(line, " refused ({}) |", number + 1).unwrap();
            }
            text.push_str(&line);
            text.push('\n');
        }
        text.push('\n');
        for (number, note) in notes.iter().enumerate() {
            writeln!(text, "{}. {note}", number + 1).unwrap();
        }
        text
    }

    /// Fails unless the page has this table; with `PGWEIR_WRITE_DOCS` set, writes it.
    pub(crate) fn check(&self) {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/tls.md");
        let text = std::fs::read_to_string(&page).unwrap();
        let (begin, end) = (format!("<!-- {} -->\n", self.name), "<!-- end -->\n");
        let (before, rest) = text.split_once(&begin).expect("the table's place in docs/tls.md");
        let (found, after) = rest.split_once(end).expect("the table's end in docs/tls.md");
        let made = format!("\n{}\n", self.markdown());
        if found == made {
            return;
        }
        if std::env::var_os("PGWEIR_WRITE_DOCS").is_some() {
            std::fs::write(&page, [before, &begin, &made, end, after].concat()).unwrap();
            return;
        }
        panic!("docs/tls.md does not say what is so; PGWEIR_WRITE_DOCS=1 writes:\n{made}");
    }
}
