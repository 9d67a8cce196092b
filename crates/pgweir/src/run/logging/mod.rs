//! Log lines, to standard error.

mod flood;

use std::io::IsTerminal;
use std::sync::Arc;

use tracing_subscriber::filter::{FilterFn, LevelFilter, filter_fn};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

pub(super) use flood::{Flood, SLOW_STATEMENT};

use crate::settings::{LogFormat, Settings};

/// The pool of the connections to catalogues: it says "Connection error" of one that breaks and not which.
/// Those who use them say what they could not read, and of which database.
const SAYS_TOO_LITTLE: &str = "deadpool";

fn without_what_says_too_little() -> FilterFn {
    filter_fn(|line| !line.target().starts_with(SAYS_TOO_LITTLE))
}

/// Starts logging. Colours only on a terminal, and where NO_COLOR does not forbid them. Gives what
/// keeps floods of like lines back.
pub(super) fn start(settings: &Settings) -> Arc<Flood> {
    let level = LevelFilter::from_level(settings.log_level);
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let flood = Arc::new(Flood::default());
    let builder = fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_target(false)
        // It would complain on standard error, and panic where that is what is closed.
        .log_internal_errors(false);
    // A second start, as in tests, changes nothing.
    let _ = match settings.log_format {
        LogFormat::Json => {
            let lines = builder.json().flatten_event(true).finish().with(flood.layer());
            lines.with(without_what_says_too_little()).try_init()
        }
        LogFormat::Human => {
            let colour = !no_color && std::io::stderr().is_terminal();
            let lines = builder.with_ansi(colour).finish().with(flood.layer());
            lines.with(without_what_says_too_little()).try_init()
        }
    };
    flood
}
