//! Lines, colours and tables for terminals.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};

use super::Style;

/// What a piece of text is, for its colour (ECMA-48 SGR).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    Heading,
    Strong,
    Faint,
    Good,
    Bad,
    Worse,
    Code,
}

impl Paint {
    fn code(self) -> &'static str {
        match self {
            Self::Heading => "1;36",
            Self::Strong => "1",
            Self::Faint => "2",
            Self::Good => "32",
            Self::Bad => "1;33",
            Self::Worse => "1;31",
            Self::Code => "36",
        }
    }
}

/// `text` in colour, when the style has colours.
pub(crate) fn painted(style: Style, paint: Paint, text: &str) -> String {
    if style.colour && !text.is_empty() {
        format!("\x1b[{}m{text}\x1b[0m", paint.code())
    } else {
        text.to_owned()
    }
}

/// A section's heading.
pub(crate) fn heading(out: &mut String, style: Style, text: &str) {
    let _ = writeln!(out, "\n{}", painted(style, Paint::Heading, text));
}

/// `text` on one line, without control characters: names and statements come from clients, and a
/// terminal would obey what they send.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// `text` cut to `most` characters, with an ellipsis where something was cut.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    let text = plain(text);
    if text.chars().count() <= most {
        return text;
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// Breaks `text` at spaces into lines of at most `width` characters. A longer word is cut.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(10);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split_whitespace() {
        let mut word = word;
        let mut length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        while length > width {
            let at = word.char_indices().nth(width).map_or(word.len(), |(at, _)| at);
            lines.push(word[..at].to_owned());
            word = &word[at..];
            length -= width;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += length;
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// Writes `text` wrapped: `first` in front of its first line, as many spaces in front of the rest.
pub(crate) fn paragraph(out: &mut String, style: Style, first: &str, text: &str) {
    let indent = first.chars().count();
    let lines = wrapped(&plain(text), style.width.saturating_sub(indent));
    for (at, line) in lines.iter().enumerate() {
        let start = if at == 0 { first.to_owned() } else { " ".repeat(indent) };
        let _ = writeln!(out, "{start}{line}");
    }
}

/// Where the text beside a label begins.
const LABEL_WIDTH: usize = 15;

/// A label at the beginning of a line.
pub(crate) fn label(style: Style, name: &str) -> String {
    painted(style, Paint::Faint, &format!("{:4}{name:<width$}", "", width = LABEL_WIDTH - 4))
}

/// Writes `text` beside a label; nothing where there is no text.
pub(crate) fn labelled(out: &mut String, style: Style, name: &str, text: &str) {
    let mut lines = String::new();
    paragraph(&mut lines, style, &" ".repeat(LABEL_WIDTH), text);
    if let Some(rest) = lines.get(LABEL_WIDTH..) {
        let _ = write!(out, "{}{rest}", label(style, name));
    }
}

/// The most columns of a spark line.
const SPARK_MOST: usize = 30;

/// Values as a line of bars, the greatest full height, nought a dot; runs of values share a bar
/// where there are many.
pub(crate) fn spark(values: &[f64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let run = values.len().div_ceil(SPARK_MOST).max(1);
    let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let top = most(values);
    values
        .chunks(run)
        .map(most)
        .map(|value| match value {
            value if value > 0.0 && top > 0.0 => {
                BARS[((value / top * 8.0).ceil() as usize).clamp(1, 8) - 1]
            }
            _ => '·',
        })
        .collect()
}

/// How wide a table will be.
pub(crate) fn table_width(header: &[&str], rows: &[Vec<String>]) -> usize {
    let width = |column: usize, name: &str| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        widest.max(name.trim_start_matches('<').chars().count()) + 1
    };
    header.iter().enumerate().map(|(at, name)| width(at, name)).sum()
}

/// Writes an aligned table. Columns whose heading starts with `<` are set left, the others right.
pub(crate) fn table(out: &mut String, style: Style, header: &[&str], rows: &[Vec<String>]) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header.iter().map(|name| name.trim_start_matches('<')));
    table.add_rows(rows.iter().map(|row| row.iter().map(|cell| plain(cell)).collect::<Vec<_>>()));
    for (column, name) in table.column_iter_mut().zip(header) {
        column.set_padding((1, 0));
        if !name.starts_with('<') {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for (at, line) in table.lines().enumerate() {
        let line = line.trim_end();
        let line = if at == 0 { painted(style, Paint::Strong, line) } else { line.to_owned() };
        let _ = writeln!(out, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_to_the_width_and_lose_nothing() {
        let text = "SELECT a_rather_long_column_name, another FROM somewhere WHERE x = $1";
        let lines = wrapped(text, 20);
        assert!(lines.iter().all(|line| line.chars().count() <= 20), "{lines:?}");
        let letters = |s: &str| s.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        assert_eq!(letters(&lines.concat()), letters(text));
    }

    #[test]
    fn a_name_cannot_command_the_terminal() {
        assert_eq!(plain("\x1b]0;owned\x07\r\n"), " ]0;owned   ");
    }

    #[test]
    fn spark_lines_show_the_greatest_in_full() {
        assert_eq!(spark(&[0.0, 1.0, 4.0, 8.0]), "·▁▄█");
        assert_eq!(spark(&[0.0]), "·");
        assert_eq!(spark(&[1.0; 100]).chars().count(), 25);
    }

    #[test]
    fn colour_only_when_asked() {
        let colourful = Style { colour: true, ..Style::default() };
        assert_eq!(painted(Style::default(), Paint::Good, "fine"), "fine");
        assert_eq!(painted(colourful, Paint::Good, "fine"), "\x1b[32mfine\x1b[0m");
    }
}
