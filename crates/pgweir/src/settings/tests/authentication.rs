//! How clients prove who they are: files, and whom to ask.

use std::path::PathBuf;

use super::{file, resolved, url, used};
use crate::settings::{AuthType, Password, Settings, SettingsError, Written};

/// A directory with these files, and settings in a file that stands beside them.
struct Files(tempfile::TempDir);

impl Files {
    fn new<const N: usize>(files: [(&str, &str); N]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        Self(directory)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn resolve(&self, settings: &str) -> Result<super::Resolved, SettingsError> {
        let mut written = Written::default();
        let settings = format!("upstream = \"postgres://app:pw@db/shop\"\n{settings}");
        written.add_file(&self.path("pgweir.toml"), &settings);
        written.resolve()
    }

    fn used(&self, settings: &str) -> Settings {
        self.resolve(settings).unwrap_or_else(|error| panic!("{error}")).settings
    }

    /// What is wrong, without the directory's name.
    fn wrong(&self, settings: &str) -> String {
        let problems = self.resolve(settings).expect_err("should have been refused").to_string();
        problems.replace(&format!("{}/", self.0.path().display()), "")
    }
}

#[test]
fn a_userlist_is_read_and_the_configuration_goes_before_it() {
    let files = Files::new([("users.txt", "\"app\" \"other\"\n\"amy\" \"a\"\n\"none\" \"\"\n")]);
    let settings = files.used("auth_file = \"users.txt\"");
    let password = |user| settings.password(user).map(Password::reveal);
    assert_eq!(password("amy"), Some("a"));
    assert_eq!(password("app"), Some("pw"), "the URL's");
    assert_eq!(password("none"), None);
    assert_eq!(settings.pool("x", "amy").unwrap().password.unwrap().reveal(), "a");
}

#[test]
fn rules_and_maps_are_read_with_the_files_that_they_name() {
    let files = Files::new([
        ("hba.conf", "local all all peer map=ops\nhost all @staff all md5\n"),
        ("ident.conf", "ops root app\n"),
        ("staff", "amy\nbob"),
    ]);
    let settings = files.used(
        "auth_type = \"hba\"\nauth_hba_file = \"hba.conf\"\nauth_ident_file = \"ident.conf\"",
    );
    assert_eq!(settings.auth_type, AuthType::Hba);
    assert_eq!(settings.authentication.rules.rules().len(), 2);
    assert!(settings.authentication.maps.allow(Some("ops"), "root", "app"));
}

#[test]
fn what_is_wrong_in_a_file_is_named_by_its_line() {
    let files = Files::new([
        ("hba.conf", "host all all all md5\nhost all all all pam\nlocal all all peer map=no\n"),
        ("users.txt", "\"amy\" \"SCRAM-SHA-256$hunter2\"\namy hunter2\n"),
        ("list.txt", "\"amy\" \"SCRAM-SHA-256$hunter2\"\n"),
        ("ident.conf", "just two\n"),
        ("right.conf", "local all all peer map=no\n"),
    ]);
    for (settings, expected) in [
        (
            "auth_type = \"hba\"\nauth_hba_file = \"hba.conf\"",
            "hba.conf:2:1: auth_hba_file: the method pam",
        ),
        ("auth_file = \"users.txt\"", "users.txt:2:1: auth_file: write \"user\" \"password\""),
        (
            "auth_file = \"list.txt\"",
            "list.txt:1:1: auth_file: the password of \"amy\" is not a whole",
        ),
        ("auth_ident_file = \"ident.conf\"", "ident.conf:1:1: auth_ident_file: write three names"),
        ("auth_hba_file = \"none\"", "pgweir.toml:2:17: auth_hba_file: none cannot be read"),
        ("auth_type = \"hba\"", "pgweir.toml:2:13: auth_type: is hba: write the rules into a file"),
        (
            "auth_type = \"hba\"\nauth_hba_file = \"right.conf\"",
            "right.conf:1:1: auth_hba_file: there is no map `no`",
        ),
        (
            "auth_type = \"any\"",
            "every database needs a `user` to log in to the server as; * has none",
        ),
        ("auth_type = \"pam\"", "`pam` is not supported; use scram-sha-256, md5"),
    ] {
        let problems = files.wrong(settings);
        assert!(problems.contains(expected), "{settings}: {problems}");
        assert!(!problems.contains("hunter2"), "{problems}");
    }
}

#[test]
fn rules_without_effect_are_worth_a_warning() {
    let files = Files::new([("hba.conf", "host all all all md5\n")]);
    let resolved = files.resolve("auth_hba_file = \"hba.conf\"").unwrap();
    assert!(
        resolved.warnings.iter().any(|warning| warning.starts_with("auth_hba_file has no effect")),
        "{:?}",
        resolved.warnings
    );
}

#[test]
fn users_are_asked_about_at_the_urls_server() {
    let lookup = used(url("postgres://app:pw@db:5433/shop")).lookup("anything").unwrap();
    let server = lookup.server;
    assert_eq!((server.hosts.first(), server.dbname.as_str()), (("db", 5433), "shop"));
    assert_eq!((server.user.as_str(), server.password.unwrap().reveal()), ("app", "pw"));
    assert!(lookup.query.contains("rolvaliduntil") && lookup.query.contains("rolcanlogin"));
    assert_eq!(used(url("postgres://app:pw@db")).lookup("x").unwrap().server.dbname, "postgres");
    assert_eq!(used(url("postgres://db")).lookup("x"), None, "as whom?");
}

#[test]
fn who_asks_what_where_may_be_written() {
    let settings = used(file(
        "auth_user = \"asker\"\nauth_dbname = \"users\"\nauth_query = \"SELECT a($1)\"\n\
         [databases.shop]\nhost = \"one\"\n[databases.users]\nhost = \"two\"\ndbname = \"people\"\n\
         [databases.own]\nhost = \"three\"\nauth_user = \"self\"\nauth_dbname = \"here\"\n\
         auth_query = \"SELECT b($1)\"\n[users.asker]\npassword = \"secret\"",
    ));
    let shop = settings.lookup("shop").unwrap();
    assert_eq!(shop.query, "SELECT a($1)");
    assert_eq!((shop.server.hosts.first().0, shop.server.dbname.as_str()), ("two", "people"));
    assert_eq!(
        (shop.server.user.as_str(), shop.server.password.unwrap().reveal()),
        ("asker", "secret")
    );
    let own = settings.lookup("own").unwrap();
    assert_eq!((own.server.hosts.first().0, own.server.dbname.as_str()), ("three", "here"));
    assert_eq!((own.server.user.as_str(), own.query.as_str()), ("self", "SELECT b($1)"));
    assert_eq!(settings.lookup("pgweir").unwrap().server.hosts.first().0, "two");
    assert_eq!(settings.lookup("unknown"), None);
}

#[test]
fn users_that_are_only_asked_about_need_no_password_here() {
    let resolved =
        resolved(file("upstream = \"postgres://db\"\nauth_user = \"asker\"\nadmin_users = \"a\""));
    assert_eq!(resolved.settings.auth_type, AuthType::ScramSha256);
    assert!(resolved.warnings.is_empty(), "{:?}", resolved.warnings);
}

#[test]
fn a_server_may_be_reached_by_its_unix_socket() {
    let settings = used(url("postgres://app:pw@%2Frun%2Fpg:5433/shop"));
    assert_eq!(settings.pool("x", "app").unwrap().hosts.first().0, "/run/pg");
    assert_eq!(settings.upstreams[0].to_string(), "postgres://app@%2Frun%2Fpg:5433/shop");
    let settings = used(file("[databases.x]\nhost = \"/run/pg\"\n[users.a]\npassword = \"p\""));
    assert_eq!(settings.pool("x", "a").unwrap().hosts.first().0, "/run/pg");
}
