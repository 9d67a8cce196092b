//! What the demo says while it works: lines that stay, and one that lives.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Without a terminal the live line is printed so often.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// Progress on standard error. Dropping it takes the live line away.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    last_plain: Option<Instant>,
}

impl Progress {
    /// Draws on a terminal, prints plain lines elsewhere.
    pub(super) fn start() -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {wide_msg}");
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
        });
        Self { bar, last_plain: None }
    }

    /// A line that stays.
    pub(super) fn say(&mut self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => plain(text),
        }
        self.last_plain = None;
    }

    /// What is going on right now.
    pub(super) fn live(&mut self, text: String) {
        match &self.bar {
            Some(bar) => bar.set_message(text),
            None => {
                if self.last_plain.is_none_or(|last| last.elapsed() >= PLAIN_INTERVAL) {
                    plain(&text);
                    self.last_plain = Some(Instant::now());
                }
            }
        }
    }

    /// Runs `work` with the live line out of the way, since it writes to the terminal.
    pub(super) fn suspend<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(work),
            None => work(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Progress is no reason to fail.
fn plain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
