//! A proxy before a database of its own, and the report command.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::{Postgres, Proxy, ProxyOptions, TestDatabase};
use tokio_postgres::Client;

/// The binary under test.
pub(crate) const PGWEIR: &str = env!("CARGO_BIN_EXE_pgweir");
/// How long an analysis may take to come to its result: detectors run every five seconds, and the
/// catalogue is read in between.
const PATIENCE: Duration = Duration::from_secs(40);

/// A proxy before a database of its own.
pub(crate) struct Scene {
    pub(crate) database: TestDatabase,
    pub(crate) proxy: Proxy,
}

impl Scene {
    pub(crate) async fn start() -> Self {
        Self::with("").await
    }

    /// With these settings besides.
    pub(crate) async fn with(settings: &str) -> Self {
        let postgres = Postgres::shared().await;
        let database = postgres.database().await;
        let options = ProxyOptions::upstream(postgres.url("postgres", "postgres"))
            .settings(settings)
            .arguments(["--default-pool-size", "5"]);
        Self { proxy: Proxy::start(PGWEIR, options).await, database }
    }

    /// A driver's connection through the proxy.
    pub(crate) async fn client(&self) -> Client {
        self.proxy.connect("postgres", &self.database.name).await
    }

    /// What `pgweir report` prints with these arguments.
    pub(crate) fn report_text(&self, arguments: &[&str]) -> String {
        let output = self.report_command(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        String::from_utf8(output.stdout).expect("a report is UTF-8")
    }

    /// What `pgweir report` says when it is refused.
    pub(crate) fn refused(&self, arguments: &[&str]) -> String {
        let output = self.report_command(arguments);
        assert!(!output.status.success(), "{arguments:?} is refused");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn report_command(&self, arguments: &[&str]) -> Output {
        Command::new(PGWEIR)
            .arg("report")
            .args(["--admin", &self.proxy.url("postgres", "pgweir")])
            .args(arguments)
            .output()
            .expect("the report command starts")
    }

    /// The report as JSON.
    pub(crate) fn report(&self) -> Value {
        let text = self.report_text(&["--format", "json", "--top", "100"]);
        serde_json::from_str(&text).expect("the report is JSON")
    }

    /// Asks for reports until one satisfies `wanted`, which gives what it found.
    pub(crate) async fn until<T>(&self, what: &str, wanted: impl Fn(&Value) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let report = self.report();
            if let Some(found) = wanted(&report) {
                return found;
            }
            assert!(Instant::now() < deadline, "no {what} in {report:#}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// The one entry of `queries` whose text is this.
pub(crate) fn query<'a>(report: &'a Value, text: &str) -> &'a Value {
    let queries = report["queries"].as_array().expect("queries is a list");
    let found: Vec<_> = queries.iter().filter(|query| query["text"] == text).collect();
    assert_eq!(found.len(), 1, "{text} in {queries:#?}");
    found[0]
}

/// The findings of a detector.
pub(crate) fn findings<'a>(report: &'a Value, detector: &str) -> Vec<&'a Value> {
    let findings = report["findings"].as_array().expect("findings is a list");
    findings.iter().filter(|finding| finding["detector"] == detector).collect()
}
