//! Before and after a fix, as measured.

use std::fmt::Write as _;

use model::FingerprintId;

use super::Style;
use super::layout::{Paint, painted, shortened, table};
use super::units::{count, duration_ms};
use super::wording;

/// One statement before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What to call it, such as the index that helped.
    pub title: String,
    /// Which statement.
    pub fingerprint: FingerprintId,
    /// Calls before.
    pub before_calls: u64,
    /// Calls after.
    pub after_calls: u64,
    /// Mean before, ms.
    pub before_mean_ms: f64,
    /// Mean after, ms.
    pub after_mean_ms: f64,
    /// 95th percentile before, ms.
    pub before_p95_ms: f64,
    /// 95th percentile after, ms.
    pub after_p95_ms: f64,
}

/// The table of `comparisons`, the greatest gain first, and a line that sums it up.
#[must_use]
pub fn comparison(comparisons: &[Comparison], style: Style) -> String {
    let mut ordered: Vec<_> = comparisons.iter().collect();
    ordered.sort_by(|a, b| gain(b).total_cmp(&gain(a)));
    let rows: Vec<_> = ordered.iter().map(|one| row(one, style)).collect();
    let header =
        ["<statement", "<query", "calls", "after", "mean", "after", "p95", "after", "<change"];
    let mut out = String::new();
    table(&mut out, style, &header, &rows);
    let better = ordered.iter().filter(|one| gain(one) > WORTH_SAYING).count();
    let paint = if better == ordered.len() { Paint::Good } else { Paint::Bad };
    let summary = format!("{better} of {} statements got faster, by p95.", ordered.len());
    let _ = writeln!(out, "\n{}", painted(style, paint, &summary));
    out
}

/// Gains and losses below this factor are within what two measurements differ by.
const WORTH_SAYING: f64 = 1.1;
/// Room for the title.
const TITLE_MOST: usize = 28;

/// How many times shorter p95 became.
fn gain(one: &Comparison) -> f64 {
    if one.after_calls == 0 || one.after_p95_ms <= 0.0 {
        return 0.0;
    }
    one.before_p95_ms / one.after_p95_ms
}

fn row(one: &Comparison, style: Style) -> Vec<String> {
    vec![
        shortened(&one.title, TITLE_MOST + style.width.saturating_sub(100)),
        one.fingerprint.to_string().chars().take(8).collect(),
        count(one.before_calls),
        count(one.after_calls),
        duration_ms(one.before_mean_ms),
        duration_ms(one.after_mean_ms),
        duration_ms(one.before_p95_ms),
        duration_ms(one.after_p95_ms),
        wording::gain(gain(one)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(title: &str, before_p95_ms: f64, after_p95_ms: f64, after_calls: u64) -> Comparison {
        Comparison {
            title: title.to_owned(),
            fingerprint: FingerprintId(0x0123_4567_89ab_cdef),
            before_calls: 1_200,
            after_calls,
            before_mean_ms: before_p95_ms / 2.0,
            after_mean_ms: after_p95_ms / 2.0,
            before_p95_ms,
            after_p95_ms,
        }
    }

    #[test]
    fn says_by_how_much_and_does_not_flatter() {
        let all = [
            one("products (category_id)", 4.0, 4.1, 1_190),
            one("orders (customer_id)", 182.0, 0.9, 9_310),
            one("carts (customer_id)", 2.0, 6.0, 800),
            one("reviews (product_id)", 10.0, 0.0, 0),
        ];
        insta::assert_snapshot!(comparison(&all, Style::default()), @r##"
         statement              query    calls after  mean   after    p95   after change
         orders (customer_id)   01234567 1,200 9,310 91 ms  450 µs 182 ms  900 µs 202 × faster
         products (category_id) 01234567 1,200 1,190  2 ms 2.05 ms   4 ms 4.10 ms the same
         carts (customer_id)    01234567 1,200   800  1 ms    3 ms   2 ms    6 ms 3.0 × slower
         reviews (product_id)   01234567 1,200     0  5 ms       0  10 ms       0 not run

        1 of 4 statements got faster, by p95.
        "##);
    }

    #[test]
    fn keeps_to_a_hundred_columns() {
        let long =
            one("a_schema_with_a_name.a_table_with_a_name (first, second)", 1e6, 99.9, 123_456);
        let out = comparison(&[long], Style::default());
        assert!(out.lines().all(|line| line.chars().count() <= 100), "{out}");
    }
}
