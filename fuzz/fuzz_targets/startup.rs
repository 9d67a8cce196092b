//! The first packet of a client, and the options in it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::proxy_protocol::{self, MAX_HEADER_BYTES};
use wire::startup::{self, MAX_STARTUP_BYTES, StartupRequest};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = startup::parse_options(text);
    }
    if let Ok(Some((_, consumed))) = proxy_protocol::parse(bytes) {
        assert!(consumed <= bytes.len() && consumed <= MAX_HEADER_BYTES);
    }
    let Ok(Some((request, consumed))) = startup::parse_startup(bytes) else { return };
    assert!(consumed <= bytes.len() && consumed <= MAX_STARTUP_BYTES);
    if let StartupRequest::Startup(parameters) = request {
        assert!(!parameters.user.is_empty() && !parameters.database.is_empty());
        startup::negotiation(&parameters);
        let _ = startup::parse_options(parameters.options.as_deref().unwrap_or_default());
        let settings: Vec<_> = parameters
            .settings
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let again = startup::startup_message(&parameters.user, &parameters.database, &settings);
        // What goes on to a server says what the client said.
        if let Ok(Some((StartupRequest::Startup(read), _))) = startup::parse_startup(&again) {
            assert_eq!((read.user, read.database), (parameters.user, parameters.database));
        }
    }
});
