//! Several hosts, and which of them will do.

use std::time::Duration;

use proxy::{LoadBalance, TargetSessionAttrs, Wish};

use super::{file, resolved, url, used, wrong};
use crate::settings::{PoolSettings, Settings};

fn pool(settings: &Settings, database: &str) -> PoolSettings {
    settings.pool(database, "app").unwrap()
}

fn hosts(text: &str) -> String {
    pool(&used(file(text)), "shop").hosts.to_string()
}

#[test]
fn hosts_are_a_list_or_have_commas_between() {
    assert_eq!(hosts("[databases.shop]\nhost = \"a,b , c\""), "a:5432,b:5432,c:5432");
    assert_eq!(hosts("[databases.shop]\nhost = [\"a\", \"b\"]\nport = 6000"), "a:6000,b:6000");
    assert_eq!(hosts("[databases.shop]\nhost = \"a,b\"\nport = \"1,2\""), "a:1,b:2");
    assert_eq!(hosts("[databases.shop]\nhost = [\"a\", \"b\"]\nport = [1, 2]"), "a:1,b:2");
    assert_eq!(hosts("upstream = \"postgres://h,i:1\"\n[databases.shop]\nport = 7"), "h:7,i:7");
}

#[test]
fn a_url_names_several_hosts() {
    let text = "postgres://app:pw@a:5432,b:5433/db?target_session_attrs=prefer-standby\
                &load_balance_hosts=random&max_replica_lag=10s&sslmode=disable";
    let resolved = resolved(url(text));
    assert!(resolved.warnings.is_empty(), "{:?}", resolved.warnings);
    assert_eq!(resolved.settings.upstreams[0].to_string(), "postgres://app@a:5432,b:5433/db");
    let pool = pool(&resolved.settings, "any");
    assert_eq!(pool.hosts.to_string(), "a:5432,b:5433");
    assert!(pool.password.is_some(), "the URL's password is for all of its hosts");
    let (attrs, balance) = (TargetSessionAttrs::PreferStandby, LoadBalance::Random);
    assert_eq!(pool.wish, Wish { attrs, balance, max_lag: Some(Duration::from_secs(10)) });
}

#[test]
fn several_hosts_are_for_writing_and_one_for_anything() {
    let attrs = |text: &str| pool(&used(file(text)), "shop").wish.attrs;
    assert_eq!(attrs("[databases.shop]\nhost = \"a\""), TargetSessionAttrs::Any);
    assert_eq!(attrs("[databases.shop]\nhost = \"a,b\""), TargetSessionAttrs::ReadWrite);
    let any = "[databases.shop]\nhost = \"a,b\"\ntarget_session_attrs = \"any\"";
    assert_eq!(attrs(any), TargetSessionAttrs::Any);
    let inherited = "upstream = \"postgres://a,b/x?target_session_attrs=primary\"\n\
                     [databases.shop]\npool_size = 3";
    assert_eq!(attrs(inherited), TargetSessionAttrs::Primary);
    let own = "upstream = \"postgres://a,b/x\"\n[databases.shop]\n\
               target_session_attrs = \"standby\"\nmax_replica_lag = \"5s\"";
    let wish = pool(&used(file(own)), "shop").wish;
    assert_eq!(
        (wish.attrs, wish.max_lag),
        (TargetSessionAttrs::Standby, Some(Duration::from_secs(5)))
    );
}

#[test]
fn what_does_not_go_together_is_refused() {
    for (text, expected) in [
        (
            "host = \"a,b\"\nport = \"1,2,3\"",
            "pgweir.toml:3:8: databases.shop.port: names 2 hosts and 3 ports",
        ),
        ("host = \" , \"", "names no host"),
        ("host = 7", "or one name"),
        ("host = \"a\"\nport = \"1,x\"", "`x` is not a whole number between 1 and 65535"),
        ("host = \"a\"\ntarget_session_attrs = \"master\"", "use any, read-write, read-only"),
        ("host = \"a\"\nload_balance_hosts = \"rr\"", "use disable, round-robin or random"),
        ("host = \"a\"\nmax_replica_lag = \"soon\"", "is not a duration"),
    ] {
        let problems = wrong(file(&format!("[databases.shop]\n{text}")));
        assert!(problems.contains(expected), "{text}: {problems}");
    }
    let problems = wrong(url("postgres://u:secret@a,b/d?target_session_attrs=secret"));
    assert!(problems.contains("unknown target_session_attrs"), "{problems}");
    assert!(!problems.contains("secret"), "{problems}");
}
