//! Facts of statements, by a parser that is not ours: whatever it does, the process goes on.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: {
        // libFuzzer's hook ends the process at a panic even where it is caught.
        let _ = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
    },
    |text: &str| {
        let _ = sql::facts(text);
    }
);
