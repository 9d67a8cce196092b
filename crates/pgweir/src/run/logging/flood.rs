//! A flood of like lines becomes one line, and how many more there were.

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// The target of lines about slow statements: they are no warnings, and may come as a flood.
pub(in crate::run) const SLOW_STATEMENT: &str = "pgweir::slow_statement";
/// The target of the lines that say how many more there were.
const MORE: &str = "pgweir::more";
/// After a line, those like it are kept back for so long.
const WINDOW: Duration = Duration::from_secs(10);
/// Lines alike that are written within that time where they are no warnings: what an admin does a
/// few times is to be read each time, what a crowd of clients does is not.
const NOTICES: u64 = 10;
/// How often it is looked whether there is something to say.
const SWEEP: Duration = Duration::from_secs(1);
/// Lines told apart at a time; beyond it, all lines of one place in the code are alike.
const LINES_LIMIT: usize = 1_000;
/// What is said again of a line, in bytes.
const SHOWN_LIMIT: usize = 300;

/// The lines of late.
#[derive(Debug, Default)]
pub(in crate::run) struct Flood {
    lines: Mutex<HashMap<u64, Line>>,
    suppressed: AtomicU64,
}

/// A line that was written.
#[derive(Debug)]
struct Line {
    level: Level,
    shown: String,
    /// When it was written first.
    written: Instant,
    /// How often it may be written yet.
    left: u64,
    /// How often it was not.
    more: u64,
}

impl Flood {
    pub(super) fn layer(self: &Arc<Self>) -> FloodLayer {
        FloodLayer(Arc::clone(self))
    }

    /// How many lines were not written.
    pub(in crate::run) fn suppressed(&self) -> u64 {
        self.suppressed.load(Ordering::Relaxed)
    }

    /// Says for ever how many more lines there were. Cancel-safe.
    pub(in crate::run) async fn watch(&self) {
        loop {
            tokio::time::sleep(SWEEP).await;
            for line in self.take_before(Instant::now().checked_sub(WINDOW)) {
                line.say();
            }
        }
    }

    /// Forgets the lines that were written before, and gives those that there were more of.
    fn take_before(&self, before: Option<Instant>) -> Vec<Line> {
        let over = |line: &Line| before.is_some_and(|before| line.written <= before);
        let over = self.lines.lock().extract_if(|_, line| over(line)).collect::<Vec<_>>();
        over.into_iter().map(|(_, line)| line).filter(|line| line.more > 0).collect()
    }

    /// Whether a line may be written.
    fn admits(&self, event: &Event<'_>, now: Instant) -> bool {
        let metadata = event.metadata();
        // Who wants to see everything does.
        if *metadata.level() > Level::INFO || metadata.target() == MORE {
            return true;
        }
        let once = *metadata.level() <= Level::WARN || metadata.target() == SLOW_STATEMENT;
        let mut likeness = Likeness::default();
        metadata.callsite().hash(&mut likeness.hasher);
        let place = likeness.hasher.finish();
        event.record(&mut likeness);
        let mut lines = self.lines.lock();
        let mut key = likeness.hasher.finish();
        if lines.len() >= LINES_LIMIT && !lines.contains_key(&key) {
            key = place;
        }
        if let Some(line) = lines.get_mut(&key) {
            if line.left > 0 {
                line.left -= 1;
                return true;
            }
            line.more += 1;
            self.suppressed.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        let (level, shown) = (*metadata.level(), likeness.shown());
        let left = if once { 0 } else { NOTICES - 1 };
        lines.insert(key, Line { level, shown, written: now, left, more: 0 });
        true
    }
}

impl Line {
    fn say(&self) {
        let (more, shown, seconds) = (self.more, &self.shown, WINDOW.as_secs());
        // A level is fixed where a line is written.
        match self.level {
            Level::ERROR => {
                tracing::error!(target: MORE, more, "{more} more like it within {seconds} s: {shown}");
            }
            Level::WARN => {
                tracing::warn!(target: MORE, more, "{more} more like it within {seconds} s: {shown}");
            }
            _ => {
                tracing::info!(target: MORE, more, "{more} more like it within {seconds} s: {shown}");
            }
        }
    }
}

/// Keeps lines back before they are written.
pub(super) struct FloodLayer(Arc<Flood>);

impl<S: Subscriber> Layer<S> for FloodLayer {
    fn event_enabled(&self, event: &Event<'_>, _context: Context<'_, S>) -> bool {
        self.0.admits(event, Instant::now())
    }
}

/// What makes lines alike: all but the numbers in them, and which client it was. A SQLSTATE is no
/// number.
#[derive(Default)]
struct Likeness {
    hasher: DefaultHasher,
    message: String,
    fields: String,
}

impl Likeness {
    fn note(&mut self, field: &Field, value: &str) {
        field.name().hash(&mut self.hasher);
        if field.name() == "message" {
            value.bytes().filter(|byte| !byte.is_ascii_digit()).for_each(|byte| {
                self.hasher.write_u8(byte);
            });
            value.clone_into(&mut self.message);
            return;
        }
        if field.name() == "client" {
            return;
        }
        if field.name() == "sqlstate" || value.parse::<f64>().is_err() {
            value.hash(&mut self.hasher);
            // Writing to a String cannot fail.
            let _ = write!(self.fields, " {}={value}", field.name());
        }
    }

    fn shown(mut self) -> String {
        self.message.push_str(&self.fields);
        self.message.truncate(self.message.floor_char_boundary(SHOWN_LIMIT));
        self.message
    }
}

impl Visit for Likeness {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.note(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// What is written.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines that are written when `work` is done and the window is over.
    fn written(work: impl FnOnce()) -> Vec<String> {
        let (flood, written) = (Arc::new(Flood::default()), Written::default());
        let to = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || to.clone())
            .with_target(false)
            .with_ansi(false)
            .without_time()
            .finish()
            .with(flood.layer());
        tracing::subscriber::with_default(subscriber, || {
            work();
            flood.take_before(Some(Instant::now())).iter().for_each(Line::say);
        });
        let text = String::from_utf8(written.0.lock().clone()).unwrap();
        text.lines().map(|line| line.trim().to_owned()).collect()
    }

    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn a_flood_is_one_line_and_how_many_more() {
        let lines = written(|| {
            for client in 0..50 {
                tracing::warn!(client, sqlstate = "08006", "no server after {client} ms");
            }
        });
        assert_eq!(
            lines,
            [
                "WARN no server after 0 ms client=0 sqlstate=\"08006\"",
                "WARN 49 more like it within 10 s: no server after 0 ms sqlstate=\"08006\" more=49",
            ]
        );
    }

    #[test]
    fn lines_that_differ_in_more_than_numbers_are_all_written() {
        let lines = written(|| {
            for pool in ["shop/web", "shop/app"] {
                for sqlstate in ["08006", "28000"] {
                    tracing::warn!(pool, sqlstate, "no server");
                }
            }
            tracing::error!(pool = "shop/web", "no server");
        });
        assert_eq!(lines.len(), 5, "{lines:?}");
    }

    #[test]
    fn what_is_no_warning_may_be_said_more_often_but_for_slow_statements() {
        let lines = written(|| {
            for client in 0..30 {
                tracing::info!(client = %format!("[::1]:{client}"), "client refused");
                tracing::info!(target: SLOW_STATEMENT, text = "select $1", "slow statement");
            }
        });
        let count = |text| lines.iter().filter(|line| line.starts_with(text)).count();
        assert_eq!((count("INFO client refused"), count("INFO 20 more")), (10, 1));
        assert_eq!((count("INFO slow statement"), count("INFO 29 more")), (1, 1));
    }

    #[test]
    fn many_kinds_of_lines_take_bounded_memory() {
        let flood = Arc::new(Flood::default());
        let subscriber = tracing_subscriber::registry().with(flood.layer());
        tracing::subscriber::with_default(subscriber, || {
            for number in 0..5_000 {
                let name: String = (0..number % 1_000).map(|_| 'x').chain(['y'; 3]).collect();
                tracing::warn!(name, kind = %format!("{:?}", [number / 1_000 * 7; 1]), "trouble");
            }
        });
        assert!(flood.lines.lock().len() <= LINES_LIMIT + 1);
        assert!(flood.suppressed() >= 3_000);
    }
}
