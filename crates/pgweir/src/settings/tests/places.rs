//! Sources, their order, and how problems name their place.

use super::{file, url, used, wrong};
use crate::settings::Written;

#[test]
fn later_sources_win() {
    let mut written =
        file("upstream = \"postgres://a\"\npool_mode = \"session\"\nmax_client_conn = 7");
    written.add_environment([
        ("PGWEIR_MAX_CLIENT_CONN".into(), "8".into()),
        ("PGWEIR_DEFAULT_POOL_SIZE".into(), "3".into()),
    ]);
    written.add_flag("--default-pool-size", "default_pool_size", "4");
    let settings = used(written);
    assert_eq!(settings.pool_mode, model::PoolMode::Session);
    assert_eq!(settings.max_client_conn.get(), 8);
    assert_eq!(settings.default_pool_size.get(), 4);
}

#[test]
fn every_problem_is_reported_with_its_place() {
    let mut written = file(
        "# comment\npool_mode = \"transactoin\"\n  query_wait_timeout = -1\npool_mod = 1\n\
         logfile = \"x\"\n[databases.shop]\nhost = \"h\"\nprot = 1\nport = 70000\n[users]\napp = 1\n",
    );
    written.add_environment([("PGWEIR_LISTEN".into(), "everywhere".into())]);
    written.add_flag("--max-client-conn", "max_client_conn", "many");
    let problems = wrong(written);
    let mut lines: Vec<&str> = problems.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "--max-client-conn: max_client_conn: `many` is not a whole number between 1 and \
             1000000",
            "environment variable PGWEIR_LISTEN: listen: `everywhere` is not an address and a \
             port; write 127.0.0.1:6432, [::1]:6432, or *:6432 for every IPv4 address",
            "pgweir.toml:11:7: users.app: is not a section; write [users.app] and its keys below",
            "pgweir.toml:2:13: pool_mode: `transactoin` is not a pool mode; use transaction, \
             session, statement or transaction_strict",
            "pgweir.toml:3:24: query_wait_timeout: `-1` is not a duration; write \"15s\", \"2m\", \
             \"500ms\" or 15 (seconds)",
            "pgweir.toml:4:1: pool_mod: no such setting; did you mean `pool_mode`?",
            "pgweir.toml:5:1: logfile: PgBouncer's `logfile`: the log goes to standard error, which \
             the service manager keeps",
            "pgweir.toml:8:1: databases.shop.prot: no such setting; did you mean `port`?",
            "pgweir.toml:9:8: databases.shop.port: `70000` is not a whole number between 1 and \
             65535",
        ]
    );
}

#[test]
fn columns_count_characters() {
    assert_eq!(
        wrong(file("'é' = 1; x")).lines().next(),
        Some("pgweir.toml:1:7: string values must be quoted, expected literal string")
    );
}

#[test]
fn syntax_errors_do_not_quote_the_line() {
    let problems = wrong(file("catalog_password = \"hunter2\nlisten = 3"));
    assert!(problems.starts_with("pgweir.toml:1:"), "{problems}");
    assert!(!problems.contains("hunter2"), "{problems}");
}

#[test]
fn no_error_and_no_debug_output_shows_a_password() {
    let secret = "hunter2";
    for text in [
        format!("upstream = \"postgres://u:{secret}@h:port/d\""),
        format!("upstream = \"postgres://u:{secret}@h@x/d\""),
        format!("upstream = \"postgres:/u:{secret}@h\""),
        format!("upstream = \"postgres://u:{secret}@h/d?sslmode=verify-ca\""),
        format!("upstream = \"mysql://u:{secret}@h/d\""),
        format!("[users.a]\npassword = [\"{secret}\"]"),
        format!("[users.a]\npassword = \"SCRAM-SHA-256${secret}\""),
        format!("[databases.a]\nhost = 1\npassword = \"{secret}\""),
        format!("[users]\na = \"{secret}\""),
    ] {
        let problems = wrong(file(&text));
        assert!(!problems.contains(secret), "{problems}");
    }
    let settings = used(file(&format!(
        "upstream = \"postgres://u:{secret}@h\"\ncatalog_user = \"c\"\ncatalog_password = \
         \"{secret}\"\n[users.a]\npassword = \"{secret}\"\n[databases.b]\nuser = \"a\"\npassword = \
         \"{secret}\""
    )));
    let shown = format!("{settings:?} {:?} {:?}", settings.describe(), settings.pool("b", "a"));
    assert!(!shown.contains(secret), "{shown}");
}

#[test]
fn unknown_variables_are_no_error() {
    let mut written = url("postgres://u:p@h");
    written.add_environment([
        ("PGWEIR_SERVICE_HOST".into(), "10.0.0.1".into()),
        ("PGWEIR_POOL_MOD".into(), "session".into()),
        ("PATH".into(), "/bin".into()),
    ]);
    let resolved = super::resolved(written);
    assert_eq!(
        resolved.warnings,
        ["environment variable PGWEIR_POOL_MOD names no setting; did you mean PGWEIR_POOL_MODE?"]
    );
}

#[test]
fn an_unknown_name_in_a_flag_is_refused() {
    let mut written = Written::default();
    written.add_flag("--set", "server_lifetme", "1h");
    assert!(wrong(written).contains(
        "--set: server_lifetme: no such setting; did you mean \
                                 `server_lifetime`?"
    ));
}
