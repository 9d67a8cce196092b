//! Before and after a fix, as measured.

use std::fmt::Write as _;

use super::Style;
use super::layout::{Paint, painted, shortened, table};
use super::units::{bytes, duration_ms, percent};
use super::wording;

/// One measurement before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What was mended, in a few words.
    pub title: String,
    /// What was measured, such as a page.
    pub of: String,
    /// Before, and after where it was measured.
    pub values: (f64, Option<f64>),
    /// What kind of number these are.
    pub unit: ComparisonUnit,
}

/// A kind of number of which less is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComparisonUnit {
    /// Milliseconds.
    Milliseconds,
    /// Bytes.
    Bytes,
    /// A share, from 0 to 1.
    Share,
}

/// The table of `comparisons` in their order, and a line that sums it up.
#[must_use]
pub fn comparison(comparisons: &[Comparison], style: Style) -> String {
    let rows: Vec<_> = comparisons.iter().map(|one| row(one, style)).collect();
    let mut out = String::new();
    table(&mut out, style, &["<mended", "<measured", "before", "after", "<change"], &rows);
    let better = comparisons.iter().filter(|one| gain(one) > WORTH_SAYING).count();
    let paint = if better == comparisons.len() { Paint::Good } else { Paint::Bad };
    let summary = format!("{better} of {} measurements got better.", comparisons.len());
    let _ = writeln!(out, "\n{}", painted(style, paint, &summary));
    out
}

/// Gains and losses below this factor are within what two measurements differ by.
const WORTH_SAYING: f64 = 1.1;
/// Room for the title.
const TITLE_MOST: usize = 44;
/// Room for what was measured.
const OF_MOST: usize = 20;

/// How many times less it became.
fn gain(one: &Comparison) -> f64 {
    match one.values {
        (before, Some(after)) if after > 0.0 => before / after,
        (before, Some(_)) if before > 0.0 => f64::INFINITY,
        _ => 0.0,
    }
}

fn row(one: &Comparison, style: Style) -> Vec<String> {
    let unit = |value: f64| match one.unit {
        ComparisonUnit::Milliseconds => duration_ms(value),
        ComparisonUnit::Bytes => bytes(value),
        ComparisonUnit::Share => percent(value),
    };
    let (before, after) = one.values;
    let change = match (one.unit, after) {
        (_, None) => "not run".to_owned(),
        (ComparisonUnit::Milliseconds, Some(_)) => wording::gain(gain(one)),
        _ if gain(one).is_infinite() => "gone".to_owned(),
        (_, Some(after)) if after < before => format!("{} less", percent(1.0 - after / before)),
        (_, Some(after)) if after > before => "more".to_owned(),
        _ => "the same".to_owned(),
    };
    vec![
        shortened(&one.title, TITLE_MOST + style.width.saturating_sub(100)),
        shortened(&one.of, OF_MOST),
        unit(before),
        after.map_or_else(|| "–".to_owned(), unit),
        change,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(title: &str, of: &str, unit: ComparisonUnit, values: (f64, Option<f64>)) -> Comparison {
        Comparison { title: title.to_owned(), of: of.to_owned(), values, unit }
    }

    #[test]
    fn says_by_how_much_and_does_not_flatter() {
        use ComparisonUnit::{Bytes, Milliseconds, Share};
        let all = [
            one("orders have no index", "account p95", Milliseconds, (182.0, Some(0.9))),
            one("the same twice", "cart p95", Milliseconds, (4.0, Some(4.1))),
            one("a wrong one", "order p95", Milliseconds, (2.0, Some(6.0))),
            one("nobody came", "export p95", Milliseconds, (10.0, None)),
            one("a needless index", "indexes", Bytes, (4_194_304.0, Some(1_048_576.0))),
            one("numbers run out", "used up", Share, (0.95, Some(0.0))),
            one("errors", "refused", Share, (0.1, Some(0.1))),
        ];
        insta::assert_snapshot!(comparison(&all, Style::default()));
    }

    #[test]
    fn keeps_to_a_hundred_columns() {
        let long = "a_schema_with_a_name.a_table_with_a_name (first, second, third and fourth)";
        let measured =
            one(long, "a page of that table, p95", ComparisonUnit::Milliseconds, (1e6, Some(99.9)));
        let out = comparison(&[measured], Style::default());
        assert!(out.lines().all(|line| line.chars().count() <= 100), "{out}");
    }
}
