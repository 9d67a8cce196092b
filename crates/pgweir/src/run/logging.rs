//! Log lines, to standard error.

use std::io::IsTerminal;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;

use crate::settings::{LogFormat, Settings};

/// Starts logging. Colours only on a terminal, and where NO_COLOR does not forbid them.
pub(super) fn start(settings: &Settings) {
    let level = LevelFilter::from_level(settings.log_level);
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let builder = fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_target(false)
        // It would complain on standard error, and panic where that is what is closed.
        .log_internal_errors(false);
    // A second start, as in tests, changes nothing.
    let _ = match settings.log_format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Human => {
            let colour = !no_color && std::io::stderr().is_terminal();
            builder.with_ansi(colour).try_init()
        }
    };
}
