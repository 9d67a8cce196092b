//! `auth_file`: what is read is read the same when it is written again; what is wrong is not quoted.

#![no_main]

use access::parse_userlist;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match parse_userlist(text) {
        Ok(entries) => {
            let quote = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
            let again: Vec<String> = entries
                .iter()
                .map(|entry| format!("{} {}\n", quote(&entry.user), quote(&entry.password)))
                .collect();
            let read = parse_userlist(&again.concat()).unwrap_or_default();
            assert_eq!(read.len(), entries.len());
            for (entry, read) in entries.iter().zip(&read) {
                assert!(entry.user == read.user && entry.password == read.password);
            }
        }
        Err(errors) => {
            assert!(errors.iter().all(|error| (1..=text.lines().count()).contains(&error.line)));
        }
    }
});
