//! `auth_hba_file`, and a file that its lists may name.

#![no_main]

use access::hba::{Connection, Interface, Rules};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (text, list) = text.split_once('\u{1}').unwrap_or((text, "amy @more"));
    let lines = 1..=text.lines().count();
    let rules = match Rules::parse(text, &|name| match name {
        "" => Err("no such file".to_owned()),
        _ => Ok(list.to_owned()),
    }) {
        Ok(rules) => rules,
        Err(errors) => {
            assert!(!errors.is_empty());
            assert!(errors.iter().all(|error| lines.contains(&error.line)));
            return;
        }
    };
    let own = Interface { address: [10, 0, 0, 1].into(), mask: Some([255, 0, 0, 0].into()) };
    for address in [None, Some([10, 0, 0, 7].into()), Some("::ffff:10.0.0.7".parse().unwrap())] {
        for encrypted in [false, true] {
            let connection = Connection {
                database: "shop",
                user: "amy",
                address,
                encrypted,
                replication: encrypted,
            };
            let found = rules.find(connection, &|| vec![own]);
            assert!(found.is_none_or(|rule| lines.contains(&rule.line)));
        }
    }
});
