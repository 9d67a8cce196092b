//! `pgweir.toml`: refused with a place, or understood; never a secret in a message.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use pgweir::settings::{Written, parse_duration};

fuzz_target!(|text: &str| {
    let _ = parse_duration(text);
    let mut written = Written::default();
    written.add_file(Path::new("pgweir.toml"), text);
    match written.resolve() {
        Ok(resolved) => {
            for setting in resolved.settings.describe() {
                assert!(!setting.key.is_empty());
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
