//! Databases, users, and who is let in how.

use model::PoolMode;

use super::{file, resolved, url, used, wrong};
use crate::settings::{AuthType, Password, PoolSettings, Settings, Written};

fn pool(settings: &Settings, database: &str, user: &str) -> PoolSettings {
    settings.pool(database, user).unwrap()
}

fn plain(pool: &PoolSettings) -> Option<&str> {
    match &pool.password {
        Some(Password::Plain(secret)) => Some(secret.reveal()),
        _ => None,
    }
}

#[test]
fn one_url_leads_to_any_database() {
    let settings = used(url("postgres://app:pw@db:5433/shop"));
    assert_eq!(settings.auth_type, AuthType::ScramSha256);
    assert_eq!(settings.admin_users, ["app"]);
    let pool = pool(&settings, "anything", "app");
    assert_eq!((pool.hosts.first(), pool.dbname.as_str()), (("db", 5433), "anything"));
    assert_eq!((pool.user.as_str(), plain(&pool)), ("app", Some("pw")));
    assert_eq!(pool.limits.pool_size.get(), 20);
    assert!(settings.users["app"].password.is_some(), "the URL's user may log in");
}

#[test]
fn several_urls_lead_to_their_databases_only() {
    let mut written = Written::default();
    written.add_urls(&["postgres://u:p@a/one".to_owned(), "postgres://v:q@b/two".to_owned()]);
    let settings = used(written);
    assert_eq!(pool(&settings, "one", "u").hosts.first().0, "a");
    assert_eq!(plain(&pool(&settings, "two", "v")), Some("q"));
    assert_eq!(settings.pool("three", "u"), None);
    assert_eq!(settings.admin_users, ["u", "v"]);

    let mut written = Written::default();
    written.add_urls(&["postgres://u:p@a".to_owned(), "postgres://u:p@b/x".to_owned()]);
    assert!(wrong(written).contains("each must name its database; postgres://u@a:5432 does not"));
}

#[test]
fn a_section_says_what_differs_from_the_upstream() {
    let settings = used(file(
        "upstream = \"postgres://app:pw@db:5433/x\"\npool_mode = \"session\"\n[databases.archive]\n\
         dbname = \"archive_2019\"\npool_size = 5\npool_mode = \"transaction\"\n[databases.far]\n\
         host = \"far\"\nuser = \"reader\"\npassword = \"r\"\n[users.batch]\npassword = \"b\"\n\
         pool_mode = \"session\"\n",
    ));
    let archive = pool(&settings, "archive", "app");
    assert_eq!(archive.hosts.first(), ("db", 5433));
    assert_eq!((archive.dbname.as_str(), plain(&archive)), ("archive_2019", Some("pw")));
    assert_eq!((archive.limits.pool_size.get(), archive.pool_mode), (5, PoolMode::Transaction));
    assert_eq!(pool(&settings, "archive", "batch").pool_mode, PoolMode::Session);
    let far = pool(&settings, "far", "batch");
    assert_eq!((far.hosts.first().1, far.user.as_str(), plain(&far)), (5432, "reader", Some("r")));
    assert_eq!(plain(&pool(&settings, "other", "batch")), Some("b"));
    assert_eq!(plain(&pool(&settings, "other", "stranger")), None);
}

#[test]
fn a_user_may_have_timeouts_of_its_own() {
    let settings = used(file(
        "upstream = \"postgres://app@db\"\nquery_timeout = \"5s\"\nidle_transaction_timeout = 30\n\
         [users.batch]\nquery_timeout = 0\ntransaction_timeout = \"1h\"\n",
    ));
    let app = pool(&settings, "x", "app").timeouts;
    let second = |seconds| Some(std::time::Duration::from_secs(seconds));
    assert_eq!((app.query, app.transaction, app.client_idle), (second(5), None, None));
    assert_eq!((app.idle_transaction, app.query_wait_notify), (second(30), second(5)));
    let batch = pool(&settings, "x", "batch").timeouts;
    assert_eq!((batch.query, batch.transaction), (None, second(3600)));
    assert_eq!(batch.idle_transaction, second(30));
}

#[test]
fn the_urls_password_does_not_go_to_another_server() {
    let settings = used(file(
        "upstream = \"postgres://app:url@db\"\n[databases.far]\nhost = \"far\"\n[users.app]\n\
         password = \"own\"",
    ));
    assert_eq!(plain(&pool(&settings, "far", "app")), Some("own"));
    assert_eq!(plain(&pool(&settings, "near", "app")), Some("url"));
    assert_eq!(settings.users["app"].password.as_ref().map(Password::reveal), Some("own"));
}

#[test]
fn the_star_section_is_the_fallback() {
    let settings = used(file(
        "admin_users = \"a\"\n[databases.\"*\"]\nhost = \"db\"\n[databases.x]\npool_size = 1\n\
         [users.a]\npassword = \"p\"",
    ));
    assert_eq!(pool(&settings, "y", "a").dbname, "y");
    assert_eq!(pool(&settings, "x", "a").hosts.first().0, "db");
    let both = "upstream = \"postgres://h\"\n[databases.\"*\"]\nhost = \"db\"";
    assert!(wrong(file(both)).starts_with("pgweir.toml:2:12: databases.*: `upstream` already"));
    let mut written = file("[databases.\"*\"]\nhost = \"db\"");
    written.add_urls(&["postgres://u:p@h".to_owned()]);
    assert_eq!(
        pool(&used(written), "y", "u").hosts.first().0,
        "h",
        "an argument goes before the file"
    );
}

#[test]
fn sections_that_cannot_work_are_refused() {
    for (text, reason) in [
        ("[databases.x]\npool_size = 1", "pgweir.toml:1:12: databases.x: needs a `host`"),
        ("[databases.pgweir]\nhost = \"h\"", "is the admin console's name"),
        ("[databases.x]\nhost = \"h\"\npassword = \"p\"", "is of no use without `user`"),
        ("databases = 1", "is not a section; write [databases.NAME]"),
        ("listen = \"127.0.0.1:1\"", "settings: no server to go to"),
        ("upstream = \"postgres://h\"\nlisten = \"127.0.0.1:6433\"", "listen and http are both"),
        ("upstream = \"postgres://h\"\ncatalog_password = \"x\"", "without `catalog_user`"),
    ] {
        let problems = wrong(file(text));
        assert!(problems.contains(reason), "{text}: {problems}");
    }
}

#[test]
fn trust_is_the_default_only_without_passwords_on_loopback() {
    let trusting = resolved(url("postgres://app@db"));
    assert_eq!(trusting.settings.auth_type, AuthType::Trust);
    assert!(trusting.warnings.iter().any(|warning| warning.contains("let in as anybody")));

    let mut open = url("postgres://app@db");
    open.add_flag("--listen", "listen", "0.0.0.0:6432");
    assert!(wrong(open.clone()).starts_with("--listen: auth_type: no user has a password"));
    open.add_flag("--auth-type", "auth_type", "trust");
    let asked_for = resolved(open);
    assert_eq!(asked_for.settings.auth_type, AuthType::Trust);
    assert_eq!(asked_for.warnings.len(), 1, "{:?}", asked_for.warnings);

    let mut nobody = url("postgres://db");
    nobody.add_flag("--auth-type", "auth_type", "md5");
    assert!(wrong(nobody).contains("no user has a password"));
    let mut asked = url("postgres://app@db");
    asked.add_flag("--auth-type", "auth_type", "md5");
    assert_eq!(used(asked).auth_type, AuthType::Md5, "the server is asked");

    let quiet = resolved(url("postgres://app:pw@db"));
    assert!(quiet.warnings.is_empty(), "{:?}", quiet.warnings);
}

#[test]
fn nobody_as_admin_is_worth_a_warning() {
    let resolved = resolved(url("postgres://db"));
    assert!(resolved.warnings.iter().any(|warning| warning.starts_with("admin_users is empty")));
}
