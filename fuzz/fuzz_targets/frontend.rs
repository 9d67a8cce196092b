//! Views of the bodies that clients send.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::frontend::{self, Bind, Parse};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(parse) = Parse::read(bytes) {
        let mut written = Vec::new();
        frontend::write_parse(&mut written, parse.name, parse.text, parse.types);
        assert_eq!(&written[wire::frame::HEAD_BYTES..], bytes);
        let types = frontend::parameter_types(parse.types).count();
        assert_eq!(parse.types.len(), 2 + 4 * types);
    }
    let _ = Parse::read_front(bytes);
    if let Ok(bind) = Bind::read(bytes) {
        let all = bind.portal.len() + bind.statement.len() + bind.rest.len() + 2;
        assert_eq!(all, bytes.len());
        if let Some(values) = bind.values() {
            let sum: usize = values.iter().filter_map(|value| value.1).map(<[u8]>::len).sum();
            assert!(sum <= bytes.len() && values.len() <= bytes.len());
        }
    }
    for kind in [frontend::DESCRIBE, frontend::CLOSE] {
        if let Ok((_, name)) = frontend::read_target(kind, bytes) {
            assert_eq!(name.len() + 2, bytes.len());
        }
    }
    let _ = frontend::read_execute(bytes);
    assert!(frontend::read_query(bytes).len() <= bytes.len());
});
