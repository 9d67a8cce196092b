//! DSNs.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pgweir::settings::{Upstream, Written};

fuzz_target!(|url: &str| {
    let parsed = Upstream::parse(url);
    if let Ok((upstream, _)) = &parsed {
        assert!(!format!("{upstream:?}").is_empty());
    }
    let mut written = Written::default();
    written.add_urls(&[url.to_owned()]);
    let _ = written.resolve();
});
