//! What `pgweir check` says, for a terminal.

use std::fmt::Write;

use super::document::{DatabaseRow, Document, Outcome, PgBouncer, Said, Server};

/// The whole of it.
pub(super) fn render(document: &Document) -> String {
    let mut out = String::new();
    if let Some(pgbouncer) = &document.pgbouncer {
        let _ = writeln!(out, "PgBouncer's file {}", pgbouncer.files.join(", "));
        out.push_str("What it does not say is as PgBouncer has it.\n\n");
    } else if let Some(file) = &document.file {
        let _ = writeln!(out, "File {file}\n");
    } else {
        out.push_str("No file: defaults, the environment and what the command line says\n\n");
    }
    section(&mut out, "Clients", &clients(document));
    section(&mut out, "Databases", &databases(&document.databases));
    section(&mut out, "Users", &users(document));
    if let Some(pgbouncer) = &document.pgbouncer {
        compared(&mut out, pgbouncer);
    }
    section(&mut out, "Servers", &servers(&document.servers));
    for server in &document.servers {
        let rows: Vec<_> = server.not_checked.iter().map(|one| vec![one.clone()]).collect();
        section(&mut out, &format!("Not seen by {}", server.login), &rows);
    }
    let warnings: Vec<_> = document.warnings.iter().map(|warning| vec![warning.clone()]).collect();
    section(&mut out, "Warnings", &warnings);
    out.push_str(match (document.failed(), document.servers.is_empty()) {
        (0, true) => "The settings are right; no server was asked.\n",
        (0, false) => "The settings are right, and no server refused.\n",
        _ => "The settings are right, and not every server lets pgweir in.\n",
    });
    out
}

/// A title and rows, columns aligned; nothing without rows.
fn section(out: &mut String, title: &str, rows: &[Vec<String>]) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(out, "{title}");
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "  {cell:width$}");
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out.push('\n');
}

fn clients(document: &Document) -> Vec<Vec<String>> {
    let setting = |name| document.setting(name);
    let mut rows: Vec<(&str, String)> = Vec::new();
    rows.push(("listen", setting("listen").to_owned()));
    if !setting("unix_socket_dir").is_empty() {
        let who = format!("{}, mode {}", setting("unix_socket_dir"), setting("unix_socket_mode"));
        rows.push(("unix_socket_dir", who));
    }
    rows.push(("http", setting("http").to_owned()));
    rows.push(("client_tls_sslmode", setting("client_tls_sslmode").to_owned()));
    rows.push(("auth_type", setting("auth_type").to_owned()));
    rows.push(("passwords", passwords(document)));
    for name in ["auth_user", "admin_users", "stats_users"] {
        if !setting(name).is_empty() {
            rows.push((name, setting(name).to_owned()));
        }
    }
    rows.push(("max_client_conn", setting("max_client_conn").to_owned()));
    for name in ["query_wait_timeout", "query_timeout", "transaction_timeout"]
        .into_iter()
        .chain(["idle_transaction_timeout", "client_idle_timeout"])
    {
        if setting(name) != "0" {
            rows.push((name, format!("{} s", setting(name))));
        }
    }
    rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect()
}

fn passwords(document: &Document) -> String {
    let count = &document.passwords;
    let forms = [(count.plain, "in cleartext"), (count.scram, "SCRAM"), (count.md5, "MD5")];
    let parts: Vec<String> = forms
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, form)| format!("{number} {form}"))
        .collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

fn databases(databases: &[DatabaseRow]) -> Vec<Vec<String>> {
    let header = ["name", "leads to", "logs in as", "mode", "pool", "at most", "tls"];
    let rows = databases.iter().map(|database| {
        let dbname = database.dbname.as_deref().unwrap_or("(the same name)");
        vec![
            database.name.clone(),
            format!("{dbname} on {}", database.hosts),
            database.user.clone().unwrap_or_else(|| "(the client)".to_owned()),
            database.pool_mode.clone(),
            pool(database),
            at_most(database),
            database.tls.clone(),
        ]
    });
    let rows: Vec<_> = rows.collect();
    match rows.is_empty() {
        true => rows,
        false => std::iter::once(header.map(str::to_owned).to_vec()).chain(rows).collect(),
    }
}

/// Size, as PgBouncer's settings have it: `20`, `2..20`, `20+5`.
fn pool(database: &DatabaseRow) -> String {
    let least = match database.min_pool_size.min(database.pool_size) {
        0 => String::new(),
        least => format!("{least}.."),
    };
    let reserve = match database.reserve_pool_size {
        0 => String::new(),
        reserve => format!("+{reserve}"),
    };
    format!("{least}{}{reserve}", database.pool_size)
}

fn at_most(database: &DatabaseRow) -> String {
    let servers = database.max_db_connections.map(|most| format!("{most} servers"));
    let clients = database.max_db_client_connections.map(|most| format!("{most} clients"));
    let parts: Vec<String> = servers.into_iter().chain(clients).collect();
    if parts.is_empty() { "-".to_owned() } else { parts.join(", ") }
}

fn users(document: &Document) -> Vec<Vec<String>> {
    let rows = document.users.iter().map(|user| {
        let settings: Vec<String> =
            user.settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        vec![user.name.clone(), settings.join(" ")]
    });
    rows.collect()
}

fn compared(out: &mut String, pgbouncer: &PgBouncer) {
    let rows = |said: &[Said]| -> Vec<Vec<String>> {
        said.iter().map(|one| vec![one.setting.clone(), one.why.to_owned()]).collect()
    };
    let by_default: Vec<_> = pgbouncer
        .by_default
        .iter()
        .map(|one| {
            let value = format!("{} (pgweir's own files: {})", one.value, or_none(&one.in_pgweir));
            vec![one.setting.clone(), value]
        })
        .collect();
    section(out, "By PgBouncer's default", &by_default);
    section(out, "Not as in PgBouncer", &rows(&pgbouncer.different));
    section(out, "Of no use here", &rows(&pgbouncer.unneeded));
    section(out, "Not offered", &rows(&pgbouncer.not_offered));
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

fn servers(servers: &[Server]) -> Vec<Vec<String>> {
    let rows = servers.iter().map(|server| {
        let outcome = match &server.outcome {
            Outcome::Ok => format!("ok, PostgreSQL {}", version(server.server_version)),
            Outcome::Failed(why) => format!("FAILED: {why}"),
            Outcome::NotTried(why) => format!("not tried: {why}"),
        };
        vec![server.database.clone(), server.login.clone(), outcome]
    });
    rows.collect()
}

/// `150004` as `15.4`.
fn version(number: u32) -> String {
    format!("{}.{}", number / 10_000, number % 10_000)
}
