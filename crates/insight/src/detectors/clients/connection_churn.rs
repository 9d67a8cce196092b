use std::time::Duration;

use model::{ConnectionStats, Finding, LabelId, Severity};

use super::finding::{change, evidence, finding, who};
use super::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{count, duration_ms};

/// # `connection_churn`: an application connects anew for every piece of work
///
/// **What it sees.** How many connections each application opens, and how long they last. It speaks
/// when two a second or more were opened over a minute or longer, and half of them ended within five
/// seconds.
///
/// **Why it hurts.** Each connection costs several round trips and a password check (SCRAM: some
/// milliseconds of processor time on both sides), with TLS some more, before the first statement;
/// what was prepared is prepared again.
///
/// **How to fix.** Keep connections open in the application: its driver's or framework's pool
/// (`CONN_MAX_AGE` in Django, persistent connections in PHP, one client outside of the handler in a
/// serverless function). pgweir keeps the server's connections open meanwhile, so that the database
/// feels less of it than the application does.
///
/// **How sure.** High: the connections were counted.
///
/// **Example.** A PHP application opens one connection for each page: 200 a second, 30 ms each, of
/// which ten are spent logging in.
pub struct ConnectionChurn;

thresholds! {
    /// When `connection_churn` speaks.
    ConnectionChurnThresholds {
        /// Connections opened a second. Below it logging in costs nobody anything.
        least_rate: Number = 2.0,
        /// Half of the connections end within this time; longer ones do some work.
        most_lifetime: Duration = Duration::from_secs(5),
        /// Connections that came and went in the window, so that a rate means something.
        least_connections: Count = 100,
    }
}

/// Rates are taken over this time at least, s.
const LEAST_WINDOW_S: f64 = 30.0;

impl Detector for ConnectionChurn {
    fn name(&self) -> &'static str {
        "connection_churn"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let each = inputs.window.arrivals.iter();
        each.filter_map(|(id, arrivals)| self.finding(*id, arrivals, inputs)).collect()
    }
}

impl ConnectionChurn {
    fn finding(
        &self,
        id: LabelId,
        arrivals: &ConnectionStats,
        inputs: &Inputs<'_>,
    ) -> Option<Finding> {
        let thresholds = &inputs.settings.of.connection_churn;
        let labels = inputs.snapshot.labels.get(&id)?;
        let rate = arrivals.opened as f64 / (inputs.window_ms() / 1e3).max(LEAST_WINDOW_S);
        let lifetime_ms = arrivals.lifetime.quantile_ms(0.5);
        if arrivals.closed < thresholds.least_connections
            || rate < thresholds.least_rate
            || lifetime_ms > thresholds.most_lifetime.as_secs_f64() * 1e3
        {
            return None;
        }
        let transactions =
            inputs.window.transactions.get(&id).map_or(0, |stats| stats.transactions);
        let each = transactions as f64 / arrivals.opened.max(1) as f64;
        Some(Finding {
            evidence: evidence([
                ("opened", arrivals.opened.into()),
                ("opened_per_second", rate.into()),
                ("lifetime_p50_ms", lifetime_ms.into()),
                ("transactions_per_connection", each.into()),
                ("user", (&*labels.user).into()),
            ]),
            database: Some(labels.database.to_string()),
            fix: change(
                "Keep connections open between requests: the pool of the driver or the framework, \
                 CONN_MAX_AGE in Django, persistent connections in PHP, one client outside of the \
                 handler in a serverless function.",
            ),
            ..finding(
                self.name(),
                Severity::Warning,
                format!(
                    "{} opens {rate:.1} connections a second, and half of them last for no more \
                     than {}",
                    who(labels),
                    duration_ms(lifetime_ms)
                ),
                format!(
                    "{} connections were opened for {each:.1} transactions each; logging in costs \
                     several round trips and a password check each time",
                    count(arrivals.opened as f64)
                ),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Scene;

    /// Connections of `lifetime_ms`, one after the other with a pause between them.
    fn detect(connections: u64, lifetime_ms: u64, pause_ms: u64) -> Vec<Finding> {
        let mut scene = Scene::new();
        for _ in 0..connections {
            scene.connect();
            scene.statement("SELECT 1 FROM a").run();
            scene.pause(lifetime_ms);
            scene.disconnect(lifetime_ms);
            scene.pause(pause_ms);
        }
        scene.look(|inputs| ConnectionChurn.detect(inputs))
    }

    #[test]
    fn a_connection_for_each_request_is_found() {
        let findings = detect(600, 30, 70);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].severity, Severity::Warning);
    }

    #[test]
    fn long_lived_ones_few_ones_and_a_slow_trickle_are_quiet() {
        assert!(detect(99, 30, 70).is_empty());
        assert!(detect(200, 30, 900).is_empty(), "one a second");
        assert!(detect(150, 6_000, 0).is_empty(), "six seconds each");
    }
}
