//! `auth_ident_file`: nobody is let in whom no line names.

#![no_main]

use access::IdentMaps;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let lines = 1..=text.lines().count();
    match IdentMaps::parse(text, &|_| Ok("amy bob".to_owned())) {
        Ok(maps) => {
            assert!(maps.allow(None, "amy", "amy") && !maps.allow(None, "amy", "bob"));
            for map in ["ops", "map", ""] {
                let allowed = maps.allow(Some(map), "root", "app");
                assert!(!allowed || (maps.contains(map) && text.contains("root")));
            }
        }
        Err(errors) => {
            assert!(!errors.is_empty());
            assert!(errors.iter().all(|error| lines.contains(&error.line)));
        }
    }
});
