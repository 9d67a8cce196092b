//! Secrets as they stand in files, and what clients send as passwords.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::auth::{self, AuthenticationRequest, Secret};

fuzz_target!(|bytes: &[u8]| {
    let _ = AuthenticationRequest::parse(bytes);
    if let Ok(password) = auth::parse_password_message(bytes) {
        assert_eq!(password.len() + 1, bytes.len());
    }
    if let Ok(initial) = auth::parse_sasl_initial_response(bytes) {
        let data = initial.data.map_or(0, <[u8]>::len);
        assert_eq!(initial.mechanism.len() + 5 + data, bytes.len());
    }
    assert_eq!(auth::parse_sasl_response(bytes), bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let secret = Secret::parse(text);
    // Of a SCRAM verifier the price is its iteration count, whatever that is: not here.
    if !matches!(secret, Secret::Scram(_)) {
        assert!(!auth::verify_plain("user", &secret, b"\0\0 never this"));
        auth::verify_md5("user", &secret, [1, 2, 3, 4], bytes);
        auth::md5_response("user", &secret, [1, 2, 3, 4]);
    }
    if let Secret::Plain(plain) = &secret {
        assert!(auth::verify_plain("user", &secret, plain.as_bytes()));
    }
});
