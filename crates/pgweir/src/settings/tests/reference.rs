//! The table of settings against the settings.

use super::{file, url, used, wrong};
use crate::settings::reference::Fallback;
use crate::settings::{
    APPLICATION_KEYS, DATABASE_KEYS, PEER_KEYS, REFERENCE, Settings, USER_KEYS, Written,
};

fn sorted_names() -> Vec<&'static str> {
    let mut names: Vec<&str> = REFERENCE.iter().map(|setting| setting.name).collect();
    names.sort_unstable();
    names
}

#[test]
fn the_table_has_every_setting_once() {
    let described: Vec<String> =
        Settings::default().describe().into_iter().map(|status| status.key).collect();
    assert_eq!(described, sorted_names());
}

#[test]
fn the_tables_defaults_are_the_real_defaults() {
    let mut written = url("postgres://u:p@h");
    for setting in REFERENCE {
        if let Fallback::Value(text) = setting.default {
            written.add_flag("--set", setting.name, text);
        }
    }
    let as_in_table = used(written);
    assert_eq!(as_in_table, used(url("postgres://u:p@h")));
    let unset = |name: &str| {
        let row = Settings::default().describe().into_iter().find(|row| row.key == name);
        row.unwrap().value.is_empty()
    };
    for setting in REFERENCE {
        if let Fallback::Unset = setting.default {
            assert!(unset(setting.name), "{}", setting.name);
        }
    }
}

#[test]
fn every_setting_is_checked() {
    for setting in REFERENCE {
        let problems = wrong(file(&format!("{} = 1979-05-27", setting.name)));
        let place = format!("pgweir.toml:1:{}: {}: ", setting.name.len() + 4, setting.name);
        assert!(problems.starts_with(&place), "{problems}");
    }
    for (section, keys) in [
        ("databases", DATABASE_KEYS),
        ("users", USER_KEYS),
        ("peers", PEER_KEYS),
        ("applications", APPLICATION_KEYS),
    ] {
        for key in keys {
            let problems = wrong(file(&format!("[{section}.x]\n{} = 1979-05-27", key.name)));
            let place = format!("pgweir.toml:2:{}: {section}.x.{}: ", key.name.len() + 4, key.name);
            assert!(problems.contains(&place), "{problems}");
        }
    }
}

#[test]
fn the_manual_has_every_setting() {
    let page = crate::settings::markdown();
    for name in sorted_names() {
        assert!(page.contains(&format!("| `{name}` | ")), "{name}");
    }
    for line in page.lines().filter(|line| line.starts_with('|')) {
        let bars = line.matches('|').count();
        assert!(bars == 5 || bars == 6, "a cell must not hold a bar: {line}");
    }
}

#[test]
fn the_manuals_example_is_right_but_for_the_shortened_verifier() {
    let page = crate::settings::markdown();
    let example = page.split("```").nth(1).unwrap().trim_start_matches("toml");
    let example = example.replace("SCRAM-SHA-256$4096:…", "x");
    assert_eq!(used(file(&example)).default_pool_size.get(), 20);
}

#[test]
fn show_config_has_numbers_where_exporters_want_them() {
    let rows = used(url("postgres://u:p@h/d")).describe();
    let value = |key: &str| rows.iter().find(|row| row.key == key).unwrap().value.as_str();
    assert_eq!(value("max_client_conn"), "10000");
    assert_eq!(value("query_wait_timeout"), "120");
    assert_eq!(value("upstream"), "postgres://u@h:5432/d");
    assert!(rows.iter().any(|row| row.key == "pool_mode" && row.changeable));
    assert!(rows.iter().any(|row| row.key == "listen" && !row.changeable));
}

#[test]
fn a_reload_says_what_it_cannot_change() {
    let mut written = url("postgres://u:p@h");
    written.add_flag("--set", "catalog_user", "u");
    written.add_flag("--set", "catalog_password", "old");
    let old = used(written);
    let mut written: Written = url("postgres://u:p@h");
    written.add_flag("--set", "listen", "127.0.0.1:1");
    written.add_flag("--set", "pool_mode", "session");
    written.add_flag("--set", "catalog_user", "u");
    written.add_flag("--set", "catalog_password", "new");
    let new = used(written);
    assert_eq!(old.needing_restart(&new), ["listen", "catalog_password"]);
}
