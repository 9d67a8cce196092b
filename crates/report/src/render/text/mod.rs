//! The text format: for a terminal, a hundred columns wide, the verdict first.

mod findings;
mod profile;

use std::fmt::Write as _;

use model::Severity;

use super::Style;
use super::layout::{Paint, heading, painted, paragraph, shortened, table};
use super::units::{count, duration_ms, moment, percent, seconds, server_version};
use crate::view::{PoolReport, Report};

/// Room for a pool's name in the table.
const POOL_NAME_MOST: usize = 20;

/// The report as text.
#[must_use]
pub fn text(report: &Report, style: Style) -> String {
    let mut out = String::new();
    title(&mut out, report, style);
    verdict(&mut out, report, style);
    coverage(&mut out, report, style);
    findings::findings(&mut out, report, style);
    profile::profile(&mut out, report, style);
    profile::queries(&mut out, report, style);
    pools(&mut out, report, style);
    checks(&mut out, report, style);
    out
}

fn title(out: &mut String, report: &Report, style: Style) {
    let name = painted(style, Paint::Strong, "pgweir report");
    let span = format!(
        " · {} up to {} · pgweir {}",
        seconds(report.window.duration_s),
        moment(report.window.until),
        report.pgweir_version,
    );
    let _ = writeln!(out, "{name}{}", painted(style, Paint::Faint, &span));
}

fn verdict(out: &mut String, report: &Report, style: Style) {
    heading(out, style, "VERDICT");
    let worst = report.findings.iter().map(|finding| finding.severity).max();
    for (at, sentence) in report.verdict.iter().enumerate() {
        if worst.is_none_or(|severity| severity == Severity::Info) {
            let mut lines = String::new();
            paragraph(&mut lines, style, "  ", sentence);
            let paint = if report.totals.calls > 0 { Paint::Good } else { Paint::Bad };
            let _ = writeln!(out, "{}", painted(style, paint, lines.trim_end()));
        } else {
            paragraph(out, style, &format!("  {}. ", at + 1), sentence);
        }
    }
}

fn coverage(out: &mut String, report: &Report, style: Style) {
    heading(out, style, "COVERAGE");
    let coverage = &report.coverage;
    let rate = coverage.statements as f64 / report.window.duration_s.max(1.0);
    paragraph(
        out,
        style,
        "  ",
        &format!(
            "{} statements ({}/s), {} fingerprints ({} parsed), {} in the others row, {} measurements lost.",
            count(coverage.statements),
            super::units::number(rate),
            count(coverage.fingerprints),
            count(coverage.parsed),
            count(coverage.others),
            count(coverage.dropped),
        ),
    );
    let server = match coverage.server_version {
        0 => "server not asked yet".to_owned(),
        version => format!("PostgreSQL {}", server_version(version)),
    };
    let catalog = match coverage.catalog_read_at {
        None => "catalogue not read".to_owned(),
        Some(at) => {
            let age = report.generated_at.duration_since(at).as_secs_f64().max(0.0);
            format!("catalogue read {} ago", seconds(age.round()))
        }
    };
    paragraph(
        out,
        style,
        "  ",
        &format!(
            "{server}, {catalog}; {} clients; measuring since {}.",
            count(coverage.clients),
            moment(coverage.started_at),
        ),
    );
}

fn pools(out: &mut String, report: &Report, style: Style) {
    if report.pools.is_empty() {
        return;
    }
    heading(out, style, "POOLS");
    let header = [
        "<pool",
        "<mode",
        "size",
        "most used",
        "busy",
        "transactions",
        "held p95",
        "clients",
        "queue",
        "longest",
        "wait p95",
    ];
    let rows: Vec<_> = report.pools.iter().map(pool_row).collect();
    table(out, style, &header, &rows);
    for pool in report.pools.iter().filter(|pool| !pool.connect_failures.is_empty()) {
        let codes: Vec<_> = pool
            .connect_failures
            .iter()
            .map(|(code, n)| format!("{code}: {}", count(*n)))
            .collect();
        let text = format!(
            "{}/{}: server connections could not be opened, by SQLSTATE: {}.",
            pool.database,
            pool.user,
            codes.join(", "),
        );
        paragraph(out, style, "  ! ", &text);
    }
}

fn pool_row(pool: &PoolReport) -> Vec<String> {
    vec![
        shortened(&format!("{}/{}", pool.database, pool.user), POOL_NAME_MOST),
        pool.mode.map_or_else(|| "gone".to_owned(), |mode| mode.to_string()),
        count(u64::from(pool.size)),
        count(u64::from(pool.most_active)),
        percent(pool.busy_ratio),
        count(pool.transactions),
        duration_ms(pool.held_p95_ms),
        count(u64::from(pool.clients_active)),
        count(u64::from(pool.clients_waiting)),
        count(u64::from(pool.most_waiting)),
        duration_ms(pool.wait_p95_ms),
    ]
}

fn checks(out: &mut String, report: &Report, style: Style) {
    let fine: Vec<_> = report
        .checked
        .iter()
        .filter(|name| !report.findings.iter().any(|finding| finding.detector == **name))
        .map(String::as_str)
        .collect();
    if !fine.is_empty() {
        heading(out, style, "CHECKED AND FINE");
        paragraph(out, style, "  ", &fine.join(", "));
    }
    if !report.not_checked.is_empty() {
        heading(out, style, "COULD NOT CHECK");
        for check in &report.not_checked {
            paragraph(out, style, "  - ", &format!("{}: {}", check.check, check.why));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ReportOptions, example};

    fn rendered(published: &model::Published) -> String {
        let report = Report::build(published, &ReportOptions::default(), &example::process());
        text(&report, Style::default())
    }

    #[test]
    fn a_database_in_trouble() {
        insta::assert_snapshot!(rendered(&example::busy()), @r##"
        pgweir report · 15.5 min up to 2026-11-23 20:15:30 UTC · pgweir 0.1.0

        VERDICT
          1. public.orders has no index on (customer_id, created_at). Do: CREATE INDEX CONCURRENTLY
             orders_customer_id_created_at_idx ON public.orders (customer_id, created_at);
          2. Pool shop/web is too busy: clients wait longer than they work. Do: Make the top statements
             faster first.

        COVERAGE
          2,500 statements (2.69/s), 3 fingerprints (3 parsed), 0 in the others row, 0 measurements lost.
          PostgreSQL 15.4, catalogue read 12 s ago; 200 clients; measuring since 2026-11-23 20:00:00 UTC.

        FINDINGS
         1. CRITICAL  pool shop/web is too busy: clients wait longer than they work
            Why        95 % of transactions waited up to 900 ms for one of 10 server connections.
            Evidence   wait p95 900 ms
            Fix        Make the top statements faster first. Then raise pool_size.
            How sure   high
            More       pool_saturation · docs/detectors/pool_saturation.md

         2. WARNING   public.orders has no index on (customer_id, created_at)
            Why        400 executions read the whole table of 1,500,000 rows for a few of them; that is 99 %
                       of all time spent in the database.
            Evidence   calls 400 · mean 185 ms · p95 288 ms · share of time 99 % · table rows 1,500,000
            Fix        CREATE INDEX CONCURRENTLY orders_customer_id_created_at_idx ON public.orders (customer_id, created_at);
            Undo       DROP INDEX CONCURRENTLY public.orders_customer_id_created_at_idx;
            Expected   cost <0.1 % · index 45 MB
            How sure   medium: the planner's estimate
            Statements 00000000000000a1
            More       missing_index · docs/detectors/missing_index.md

        PROFILE, by time in the database (latencies as the clients saw them)
         # query      time calls   mean    p50    p95    p99    max rows/call errors wait p95
         1 00000000   99 %   400 185 ms 185 ms 266 ms 288 ms 298 ms         3      2        0
         2 00000000  0.8 % 2,000 300 µs 302 µs 433 µs 450 µs 450 µs         3      0        0
         3 00000000 <0.1 %   100 896 ms 882 ms 1.29 s 1.34 s 1.34 s         3      0   1.29 s

        QUERIES
         1. 00000000000000a1  in shop by web from checkout, shop
            73.8 s in all, 0 waiting, first byte p95 240 ms, 560 B a call; errors by SQLSTATE 57014: 2; see
            missing_index
              SELECT id, state, created_at FROM orders WHERE customer_id = $1 ORDER BY created_at DESC LIMIT
              $2

         2. 00000000000000b2  in shop by web from shop
            600 ms in all, 0 waiting, first byte p95 392 µs, 560 B a call
              SELECT * FROM products WHERE id = $1

         3. 00000000000000c3  in shop by web from checkout
            89.6 s in all, 89.5 s waiting, first byte p95 65 µs, 560 B a call
              BEGIN

        POOLS
         pool     mode        size most used  busy transactions held p95 clients queue longest wait p95
         shop/web transaction   10        10 0.2 %          100   200 ms     190    41      57   900 ms
          ! shop/web: server connections could not be opened, by SQLSTATE: 53300: 3.

        CHECKED AND FINE
          error_rate, idle_in_transaction, n_plus_one

        COULD NOT CHECK
          - missing_index: what-if planning in shop: HypoPG is not installed there; CREATE EXTENSION hypopg
            makes it possible
        "##);
    }

    #[test]
    fn a_healthy_database() {
        insta::assert_snapshot!(rendered(&example::healthy()), @r##"
        pgweir report · 15.5 min up to 2026-11-23 20:15:30 UTC · pgweir 0.1.0

        VERDICT
          Healthy: 1,000 statements in 15.5 min, none failed, 95 % done within 433 µs; nothing to fix.

        COVERAGE
          1,000 statements (1.08/s), 1 fingerprints (1 parsed), 0 in the others row, 0 measurements lost.
          PostgreSQL 15.4, catalogue read 12 s ago; 200 clients; measuring since 2026-11-23 20:00:00 UTC.

        PROFILE, by time in the database (latencies as the clients saw them)
         # query     time calls   mean    p50    p95    p99    max rows/call errors wait p95
         1 00000000 100 % 1,000 300 µs 302 µs 433 µs 450 µs 450 µs         3      0        0

        QUERIES
         1. 00000000000000b2  in shop by web from shop
            300 ms in all, 0 waiting, first byte p95 392 µs, 560 B a call
              SELECT * FROM products WHERE id = $1

        CHECKED AND FINE
          error_rate, idle_in_transaction, missing_index, n_plus_one
        "##);
    }

    #[test]
    fn nothing_measured() {
        insta::assert_snapshot!(rendered(&example::silent()), @r##"
        pgweir report · 15.5 min up to 2026-11-23 20:15:30 UTC · pgweir 0.1.0

        VERDICT
          No statement was measured in this window.

        COVERAGE
          0 statements (0/s), 0 fingerprints (0 parsed), 0 in the others row, 0 measurements lost.
          PostgreSQL 15.4, catalogue read 12 s ago; 200 clients; measuring since 2026-11-23 20:00:00 UTC.

        CHECKED AND FINE
          error_rate, idle_in_transaction, missing_index, n_plus_one
        "##);
    }

    #[test]
    fn only_sql_to_be_pasted_is_wider_than_asked() {
        let out = rendered(&example::busy());
        let wide: Vec<_> = out.lines().filter(|line| line.chars().count() > 100).collect();
        assert!(wide.iter().all(|line| line.contains(" CREATE INDEX ")), "{wide:#?}");
    }

    #[test]
    fn colour_adds_nothing_but_escapes() {
        let report =
            Report::build(&example::busy(), &ReportOptions::default(), &example::process());
        let colourful = text(&report, Style { colour: true, width: 100 });
        assert!(colourful.contains("\x1b[1;31m"));
        let mut bare = String::new();
        let mut rest = colourful.as_str();
        while let Some(start) = rest.find('\x1b') {
            bare.push_str(&rest[..start]);
            let end = rest[start..].find('m').expect("an SGR sequence ends in m");
            rest = &rest[start + end + 1..];
        }
        bare.push_str(rest);
        assert_eq!(bare, text(&report, Style::default()));
    }
}
