//! Heads of messages, and the views of bodies that servers send.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::backend;
use wire::error_response::{ErrorView, Severity};
use wire::frame::{self, Head, MAX_BODY_BYTES};

fuzz_target!(|bytes: &[u8]| {
    for head in [Head::from_client(bytes), Head::from_server(bytes)].into_iter().flatten().flatten()
    {
        assert!(head.body <= MAX_BODY_BYTES);
        let mut written = Vec::new();
        frame::write_head(&mut written, head);
        assert_eq!(written, bytes[..frame::HEAD_BYTES]);
    }
    if let Some((front, rest)) = frame::split_cstring(bytes) {
        assert_eq!(front.len() + 1 + rest.len(), bytes.len());
    }
    let _ = backend::read_parameter_status(bytes);
    let _ = backend::rows_of_tag(bytes);
    let _ = backend::TransactionStatus::read(bytes);
    if let Some((_, key)) = backend::read_backend_key(bytes) {
        assert!((4..=256).contains(&key.len()));
    }
    let view = ErrorView::new(bytes);
    view.sqlstate();
    view.severity();
    let fields = view.to_fields(Severity::Error);
    assert_eq!(fields.sqlstate().len(), 5);
    // What is passed on reads back.
    let encoded = fields.encode();
    let body = &encoded[frame::HEAD_BYTES..];
    assert_eq!(ErrorView::new(body).sqlstate(), fields.sqlstate().as_bytes());
});
