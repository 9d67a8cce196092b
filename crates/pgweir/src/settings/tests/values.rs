//! Single values.

use std::time::Duration;

use proptest::prelude::*;

use super::{file, url, used, wrong};
use crate::settings::{AuthType, Password, Upstream, Written};

fn duration_of(text: &str) -> Option<Duration> {
    let mut written = url("postgres://u:p@h");
    written.add_flag("--set", "server_lifetime", text);
    written.resolve().ok().map(|resolved| resolved.settings.server_lifetime)
}

#[test]
fn durations() {
    let millis = Duration::from_millis;
    for (text, expected) in [
        ("15s", millis(15_000)),
        ("2m", millis(120_000)),
        ("500ms", millis(500)),
        ("1h 30m", millis(5_400_000)),
        ("15", millis(15_000)),
        ("0.5", millis(500)),
        ("0", millis(0)),
    ] {
        assert_eq!(duration_of(text), Some(expected), "{text}");
    }
    for text in ["", "-1s", "-1", "15 parsecs", "inf", "nan", "1e300", "99999999h", "2m ago"] {
        assert_eq!(duration_of(text), None, "{text}");
    }
}

#[test]
fn zero_is_none_where_the_reference_says_so() {
    let settings = used(file(
        "upstream = \"postgres://u:p@h\"\nquery_wait_timeout = 0\nserver_idle_timeout = \"0s\"\n\
         client_login_timeout = 0\nmax_wait_queue = 0\nserver_lifetime = 0",
    ));
    assert_eq!(settings.query_wait_timeout, None);
    assert_eq!(settings.server_idle_timeout, None);
    assert_eq!(settings.client_login_timeout, None);
    assert_eq!(settings.max_wait_queue, None);
    assert_eq!(settings.server_lifetime, Duration::ZERO);
    assert!(
        wrong(file("upstream = \"postgres://u:p@h\"\nserver_connect_timeout = 0"))
            .contains("must be longer than 0")
    );
}

#[test]
fn addresses() {
    for (text, expected) in [
        ("127.0.0.1:0", "127.0.0.1:0"),
        ("localhost:7000", "127.0.0.1:7000"),
        ("[::1]:7000", "[::1]:7000"),
        ("*:7000", "0.0.0.0:7000"),
    ] {
        let mut written = url("postgres://u:p@h");
        written.add_flag("--listen", "listen", text);
        assert_eq!(used(written).listen, [expected.parse().unwrap()]);
    }
    for text in ["6432", "h:6432", "127.0.0.1", "127.0.0.1:65536", "::1:6432x", ":6432"] {
        let mut written = url("postgres://u:p@h");
        written.add_flag("--listen", "listen", text);
        assert!(wrong(written).contains("is not an address and a port"), "{text}");
    }
}

#[test]
fn clients_can_connect_at_several_addresses() {
    for text in ["\"127.0.0.1:7000, [::1]:7000\"", "[\"127.0.0.1:7000\", \"[::1]:7000\"]"] {
        let settings = used(file(&format!("upstream = \"postgres://u:p@h\"\nlisten = {text}")));
        let listen: Vec<String> = settings.listen.iter().map(ToString::to_string).collect();
        assert_eq!(listen, ["127.0.0.1:7000", "[::1]:7000"]);
    }
    let off = "upstream = \"postgres://u:p@h\"\nlisten = \"off\"\n";
    assert!(wrong(file(off)).contains("clients could not connect"));
    let settings = used(file(&format!("{off}unix_socket_dir = \"/tmp\"\n")));
    assert_eq!(settings.listen, []);
    assert!(wrong(file("listen = []")).contains("is an empty list"));
}

#[test]
fn a_list_is_a_list_or_has_commas() {
    let settings = used(file(
        "upstream = \"postgres://u:p@h\"\nadmin_users = [\"a\", \"b\"]\nstats_users = \"c, d\"",
    ));
    assert_eq!(settings.admin_users, ["a", "b"]);
    assert_eq!(settings.stats_users, ["c", "d"]);
}

#[test]
fn passwords_as_postgresql_stores_them() {
    let md5 = "md5d41d8cd98f00b204e9800998ecf8427e";
    let scram = "SCRAM-SHA-256$4096:c2FsdA==$ddddddddddddddddddddddddddddddddddddddddddd=:\
                 ddddddddddddddddddddddddddddddddddddddddddd=";
    assert!(matches!(Password::parse(md5), Ok(Password::Md5(_))));
    assert!(matches!(Password::parse(scram), Ok(Password::Scram(_))));
    assert!(matches!(Password::parse("md5ish"), Ok(Password::Plain(_))));
    assert!(Password::parse("SCRAM-SHA-256$0:c2FsdA==$d:d").is_err());
    let refused = |auth_type: AuthType, password: &str| {
        wrong(file(&format!(
            "upstream = \"postgres://h\"\nauth_type = \"{auth_type}\"\n[users.app]\npassword = \
             \"{password}\""
        )))
    };
    assert!(
        refused(AuthType::ScramSha256, md5).starts_with("pgweir.toml:4:12: users.app.password")
    );
    let text = format!(
        "upstream = \"postgres://h\"\nauth_type = \"md5\"\n[users.app]\npassword = \"{scram}\""
    );
    assert_eq!(used(file(&text)).auth_type, AuthType::Md5, "such users are checked by SCRAM");
}

#[test]
fn urls() {
    let parse = |text: &str| Upstream::parse(text).map(|(upstream, _)| upstream);
    let full = parse("postgresql://us%40er:p%3Aw%2F%25@[::1]:5433/my%20db?sslmode=prefer").unwrap();
    assert_eq!(full.user.as_deref(), Some("us@er"));
    assert_eq!(full.password.as_ref().map(|secret| secret.reveal()), Some("p:w/%"));
    assert_eq!(full.hosts.first(), ("::1", 5433));
    assert_eq!(full.dbname.as_deref(), Some("my db"));
    assert_eq!(full.to_string(), "postgres://us@er@[::1]:5433/my db");

    let bare = parse("postgres://").unwrap();
    assert_eq!(bare.hosts.first(), ("localhost", 5432));
    assert_eq!((bare.user, bare.password, bare.dbname), (None, None, None));

    let query = parse("postgres:///shop?host=db&port=6000&user=u&password=p").unwrap();
    assert_eq!(query.hosts.first(), ("db", 6000));
    assert_eq!(query.user.as_deref(), Some("u"));

    let (_, warnings) =
        Upstream::parse("postgres://h/d?application_name=x&gssencmode=disable").unwrap();
    assert_eq!(warnings.len(), 2);

    for (text, reason) in [
        ("postgres://h?sslmode=maybe", "unknown sslmode"),
        ("postgres://h?sslnegotiation=soon", "use postgres or direct"),
        ("postgres://h?channel_binding=on", "use disable, prefer or require"),
        ("postgres://h?sslrootcert=system&sslmode=require", "use sslmode=verify-full"),
        ("postgres://u:p@ss@h/d", "%40"),
        ("postgres://h:99999", "port"),
        ("postgres://h:0", "port 0"),
        ("postgres://:p@h/d", "a password and no user"),
        ("http://h", "another kind"),
        ("host=h user=u", "is not a URL"),
    ] {
        let message = parse(text).unwrap_err();
        assert!(message.contains(reason), "{text}: {message}");
    }
}

proptest! {
    #[test]
    fn no_file_and_no_url_panics(text in "(?s).{0,200}", url in "(postgres://)?[ -~]{0,60}") {
        let _ = file(&text).resolve();
        let _ = Upstream::parse(&url);
    }

    #[test]
    fn no_value_panics(value in r#"("[^"\\]{0,20}"|-?[0-9]{1,20}|[0-9.e+-]{1,10}|\[.{0,9}\]|true|inf|nan)"#) {
        for setting in crate::settings::REFERENCE {
            let _ = file(&format!("{} = {value}", setting.name)).resolve();
            let mut written = Written::default();
            written.add_flag("--set", setting.name, value.clone());
            let _ = written.resolve();
        }
    }
}
