//! docs/migrating-from-pgbouncer.md: each setting of PgBouncer's, and what becomes of it.

use std::fmt::Write;

use super::keys::{INI_DATABASE_KEYS, INI_PEER_KEYS, INI_USER_KEYS, IniKey};
use super::table::{Becomes, INI_SETTINGS};

const INTRODUCTION: &str = include_str!("migrating.txt");

/// The page, its tables made from those that the files are read by.
pub(crate) fn migration_page() -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str(
        "## `[pgbouncer]`\n\n| setting | its default | here | how, or why |\n| --- | --- | --- | --- |\n",
    );
    for setting in INI_SETTINGS {
        let default = match setting.default {
            "" => String::new(),
            // Long, and in settings.md.
            _ if setting.name == "auth_query" => "asks pg_authid".to_owned(),
            text => format!("`{text}`"),
        };
        let (here, why) = told(setting.becomes);
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| `{}` | {default} | {here} | {why} |", setting.name);
    }
    keys(&mut page, "databases", INI_DATABASE_KEYS);
    keys(&mut page, "users", INI_USER_KEYS);
    keys(&mut page, "peers", INI_PEER_KEYS);
    page
}

fn keys(page: &mut String, section: &str, keys: &[IniKey]) {
    let _ =
        write!(page, "\n## `[{section}]`\n\n| key | here | how, or why |\n| --- | --- | --- |\n");
    for key in keys {
        let (here, why) = told(key.becomes);
        let _ = writeln!(page, "| `{}` | {here} | {why} |", key.name);
    }
}

fn told(becomes: Becomes) -> (&'static str, &'static str) {
    match becomes {
        Becomes::Same => ("same", ""),
        Becomes::Different(how) => ("different", how),
        Becomes::Unneeded(why) => ("of no use", why),
        Becomes::NotOffered(why) => ("not offered", why),
    }
}
