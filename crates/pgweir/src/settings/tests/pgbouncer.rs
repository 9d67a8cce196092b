//! PgBouncer's own files.

use std::fs;
use std::path::Path;
use std::time::Duration;

use model::PoolMode;
use proptest::prelude::*;

use super::file;
use crate::settings::ini::{is_ini, migration_page};
use crate::settings::reference::REFERENCE;
use crate::settings::{
    AuthType, Becomes, DATABASE_KEYS, INI_DATABASE_KEYS, INI_PEER_KEYS, INI_SETTINGS,
    INI_USER_KEYS, NoteKind, PEER_KEYS, Resolved, Settings, SettingsError, USER_KEYS, Written,
};

/// A directory with a pgbouncer.ini and other files. In them, `@` is the directory.
struct Files(tempfile::TempDir);

impl Files {
    fn new<const N: usize>(files: [(&str, &str); N]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().display().to_string();
        for (name, text) in files {
            fs::write(directory.path().join(name), text.replace('@', &at)).unwrap();
        }
        Self(directory)
    }

    fn written(&self) -> Written {
        let file = self.0.path().join("pgbouncer.ini");
        let mut written = Written::default();
        written.add_file(&file, &fs::read_to_string(&file).unwrap());
        written
    }

    fn resolve(&self) -> Result<Resolved, SettingsError> {
        self.written().resolve()
    }

    fn resolved(&self) -> Resolved {
        self.resolve().unwrap_or_else(|error| panic!("should be right: {error}"))
    }

    /// What is wrong, without the directory's name.
    fn wrong(&self) -> String {
        let problems = self.resolve().expect_err("should have been refused").to_string();
        self.without_directory(&problems)
    }

    fn without_directory(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.path().display()), "")
    }
}

/// What this text comes to; Unix sockets are in a directory of the test's.
fn used(ini: &str) -> Settings {
    ini_file(ini).resolved().settings
}

fn ini_file(ini: &str) -> Files {
    Files::new([("pgbouncer.ini", ini)])
}

#[test]
fn what_a_file_does_not_say_is_as_pgbouncer_has_it() {
    let settings = used("[databases]\n* = host=db\n[pgbouncer]\n");
    let ours = Settings::default();
    assert_eq!(settings.pool_mode, PoolMode::Session);
    assert_eq!(settings.max_client_conn.get(), 100);
    assert_eq!(settings.auth_type, AuthType::Md5);
    assert_eq!(settings.listen, []);
    assert_eq!(settings.unix_socket.directory.as_deref(), Some(Path::new("/tmp")));
    assert_eq!(settings.unix_socket.port, Some(6432));
    // Everything else is the same in both; a default of ours that changes shows here.
    let others: Vec<String> = settings
        .describe()
        .into_iter()
        .zip(ours.describe())
        .filter(|(here, default)| here.value != default.value)
        .map(|(here, _)| here.key)
        .collect();
    let expected = ["auth_type", "listen", "max_client_conn", "pool_mode"];
    let sockets = ["tcp_keepcnt", "tcp_keepidle", "tcp_keepintvl"];
    let unix_socket = ["unix_socket_dir", "unix_socket_port"];
    assert_eq!(others, [&expected[..], &sockets[..], &unix_socket[..]].concat());
}

#[test]
fn every_setting_is_read_as_pgbouncer_reads_it() {
    let files = Files::new([
        ("users.txt", "\"amy\" \"secret\"\n"),
        (
            "pgbouncer.ini",
            "; comment\n# comment\n[pgbouncer]\nlisten_addr = 127.0.0.1, 10.0.0.1\n\
             listen_port=0x1770\nunix_socket_dir = @\nunix_socket_mode=0700\n\
             auth_type = SCRAM-SHA-256\nauth_file = users.txt\nadmin_users = amy, bob\n\
             pool_mode = Transaction\nquery_wait_timeout = 1.5\nserver_round_robin = 1\n\
             max_client_conn = 010\nverbose = 1\nclient_tls_protocols = tlsv1.1,tlsv1.2\n\
             max_prepared_statements = 0\nquery_timeout =   30  \n\
             server_tls_sslmode = disable\n[databases]\n* = host=db\n",
        ),
    ]);
    let settings = files.resolved().settings;
    let listen = settings.listen.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(listen, ["127.0.0.1:6000", "10.0.0.1:6000"]);
    assert_eq!(settings.unix_socket.directory.as_deref(), Some(files.0.path()));
    assert_eq!(settings.unix_socket.mode, 0o700);
    assert_eq!(settings.auth_type, AuthType::ScramSha256);
    assert_eq!(settings.password("amy").map(|password| password.reveal()), Some("secret"));
    assert_eq!(settings.admin_users, ["amy", "bob"]);
    assert_eq!(settings.pool_mode, PoolMode::Transaction);
    assert_eq!(settings.query_wait_timeout, Some(Duration::from_millis(1500)));
    assert!(settings.server_round_robin);
    assert_eq!(settings.max_client_conn.get(), 8, "octal, as C has it");
    assert_eq!(settings.log_level, tracing::Level::DEBUG);
    assert_eq!(settings.client_tls.protocols.to_string(), "tlsv1.2");
    assert_eq!(settings.max_prepared_statements.get(), 200);
    assert_eq!(settings.query_timeout, Some(Duration::from_secs(30)));
}

#[test]
fn addresses_are_all_that_a_word_means() {
    let listen = |text: &str| {
        let settings = used(&format!("[databases]\n[pgbouncer]\nlisten_addr = {text}\n"));
        settings.listen.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(listen("*"), "0.0.0.0:6432 [::]:6432");
    assert_eq!(listen("localhost"), "127.0.0.1:6432 [::1]:6432");
    assert_eq!(listen("::1,127.0.0.1"), "[::1]:6432 127.0.0.1:6432");
    let wrong = ini_file("[databases]\n[pgbouncer]\nlisten_addr = no such host\n").wrong();
    assert!(wrong.starts_with("pgbouncer.ini:3:1: listen_addr: `no such host`"), "{wrong}");
}

#[test]
fn databases_and_users() {
    let files = ini_file(
        "[databases]\nfoodb =\nbardb = host=localhost dbname=bazdb\n\
         forcedb = host=localhost port=300 user=baz password='f''o o' client_encoding=UNICODE \
         datestyle=ISO timezone=UTC application_name=x connect_query='SELECT 1'\n\
         sized = host=h pool_size=50 min_pool_size=2 reserve_pool=10 max_db_connections=60 \
         max_db_client_connections=70 server_lifetime=60 pool_mode=Statement\n\
         asked = host=h auth_user=bar auth_dbname=bardb auth_query='SELECT a, b FROM f($1)'\n\
         \"odd name\" = host=h pool_size=-1\n* = host=testserver\n\
         [users]\namy = pool_size=5 reserve_pool_size=2 pool_mode=transaction \
         max_user_connections=10 max_user_client_connections=20 query_timeout=3\n\
         [pgbouncer]\nunix_socket_dir = @\ndefault_pool_size = 7\n",
    );
    let settings = files.resolved().settings;
    let pool = |database: &str, user: &str| settings.pool(database, user).unwrap();
    let foodb = pool("foodb", "u");
    assert_eq!(foodb.hosts.first(), (&*files.0.path().display().to_string(), 5432));
    assert_eq!((foodb.dbname.as_str(), foodb.user.as_str()), ("foodb", "u"));
    assert_eq!(foodb.pool_mode, PoolMode::Session);
    assert_eq!(pool("bardb", "u").dbname, "bazdb");
    let forced = pool("forcedb", "u");
    assert_eq!((forced.hosts.first(), forced.user.as_str()), (("localhost", 300), "baz"));
    assert_eq!(forced.password.unwrap().reveal(), "f'o o");
    assert_eq!(forced.connect_query.as_deref(), Some("SELECT 1"));
    let startup = forced.startup.iter().map(|(name, value)| format!("{name}={value}"));
    let startup = startup.collect::<Vec<_>>().join(" ");
    assert_eq!(startup, "application_name=x client_encoding=UNICODE datestyle=ISO timezone=UTC");
    let sized = pool("sized", "u");
    assert_eq!((sized.limits.pool_size.get(), sized.limits.min_pool_size), (50, 2));
    assert_eq!(sized.limits.reserve_pool_size, 10);
    assert_eq!(sized.limits.max_db_connections, Some(60));
    assert_eq!(sized.limits.server_lifetime, Duration::from_secs(60));
    assert_eq!(sized.pool_mode, PoolMode::Statement);
    let lookup = settings.lookup("asked").unwrap();
    assert_eq!((lookup.server.user.as_str(), lookup.server.dbname.as_str()), ("bar", "bazdb"));
    assert_eq!(lookup.query, "SELECT a, b FROM f($1)");
    assert_eq!(pool("odd name", "u").limits.pool_size.get(), 7, "-1 is as for all");
    let other = pool("whatever", "amy");
    assert_eq!((other.hosts.first().0, other.dbname.as_str()), ("testserver", "whatever"));
    assert!(other.on_demand);
    assert_eq!((other.pool_mode, other.limits.pool_size.get()), (PoolMode::Transaction, 5));
    assert_eq!(other.timeouts.query, Some(Duration::from_secs(3)));
}

#[test]
fn includes_stand_where_they_are_written() {
    let files = Files::new([
        ("pgbouncer.ini", "[databases]\n%include more.ini\nb = host=h\n%include @/last.ini\n"),
        ("more.ini", "a = host=h\n"),
        ("last.ini", "[pgbouncer]\npool_mode = statement\nunix_socket_dir = @\n"),
    ]);
    let settings = files.resolved().settings;
    assert_eq!(settings.databases.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(settings.pool_mode, PoolMode::Statement);
    let endless = Files::new([("pgbouncer.ini", "%include @/pgbouncer.ini\n")]);
    assert!(endless.wrong().contains("more than 10 deep"));
    let missing = ini_file("[pgbouncer]\n%include none.ini\n").wrong();
    assert!(missing.starts_with("pgbouncer.ini:2:1: "), "{missing}");
}

#[test]
fn what_is_not_known_is_refused_at_its_place() {
    let files = ini_file(
        "[databases]\nshop = host=h pool_sise=5 password=hunter2\nx = host=h secret\n\
         [users]\namy = pool_mod=session\n[pgbouncer]\nmax_client_con = 5\nhttp = off\n\
         default_pool_size = many\nunix_socket_dir = @\n  nonsense\n[nowhere]\na = 1\n\
         [pgweir]\nhistory_day = 3\n[peers]\n0 = host=h\n",
    );
    let problems = files.wrong();
    let expected = [
        "pgbouncer.ini:11:3: is no setting; write `name = value`, and a name that has other \
         characters than letters, digits, `_`, `.`, `-` in double quotes",
        "pgbouncer.ini:12:1: there is no section [nowhere]; there are [pgbouncer], [databases], \
         [users], [peers], [pgweir]",
        "pgbouncer.ini:15:1: history_day: no such setting; did you mean `history_days`?",
        "pgbouncer.ini:17:1: peers.0: is not the number of a peer; write one from 1 to 16383, its `peer_id`",
        "pgbouncer.ini:2:1: databases.shop.pool_sise: no such setting; did you mean `pool_size`?",
        "pgbouncer.ini:3:1: databases.x: is not made of key=value pairs with spaces between after \
         `host`; a value with spaces is written in single quotes",
        "pgbouncer.ini:5:1: users.amy.pool_mod: no such setting; did you mean `pool_mode`?",
        "pgbouncer.ini:7:1: max_client_con: no such setting; did you mean `max_client_conn`?",
        "pgbouncer.ini:8:1: http: is a setting of pgweir's; write it in a section [pgweir]",
        "pgbouncer.ini:9:1: default_pool_size: `many` is not a whole number between 1 and 1000000",
    ];
    let mut lines: Vec<&str> = problems.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, expected);
}

#[test]
fn what_is_not_used_is_named_in_one_line() {
    let files = ini_file(
        "[databases]\nshop = host=h query_wait_timeout=3 password=x\n[pgbouncer]\n\
         logfile = /var/log/x\npidfile = /run/x\nserver_reset_query = DISCARD ALL\n\
         disable_pqexec = 1\napplication_name_add_host = 0\nunix_socket_dir = @\n\
         query_timeout = 5\nauth_type = any\n[databases]\nshop = host=h user=u\n",
    );
    let resolved = files.resolved();
    let warnings = files.without_directory(&resolved.warnings.join("\n"));
    let named = "pgbouncer.ini: of no use here: logfile, pidfile, server_reset_query, \
                 databases.shop.password; not offered: disable_pqexec, \
                 databases.shop.query_wait_timeout; `pgweir check -c pgbouncer.ini` says why";
    assert_eq!(warnings.lines().filter(|line| line.contains("of no use")).count(), 1);
    assert!(warnings.contains(named), "{warnings}");
    let different = resolved.pgbouncer.unwrap();
    let different: Vec<_> =
        different.of(NoteKind::Different).iter().map(|note| note.setting.clone()).collect();
    assert_eq!(different, ["auth_type", "query_timeout", "unix_socket_dir"]);
}

#[test]
fn what_pgbouncer_starts_with_is_no_error() {
    let resolved = ini_file("[databases]\n[pgbouncer]\nunix_socket_dir = @\n").resolved();
    let warnings = resolved.warnings.join("\n");
    for expected in ["[databases] is empty", "nobody can log in", "admin_users is empty"] {
        assert!(warnings.contains(expected), "{warnings}");
    }
    let nothing = ini_file("[databases]\na = host=h\n").wrong();
    assert!(nothing.contains("has no section [pgbouncer]"), "{nothing}");
    let nowhere = ini_file("[pgbouncer]\nunix_socket_dir =\n").wrong();
    assert!(nowhere.contains("clients could not connect"), "{nowhere}");
    let hostless = ini_file("[databases]\na =\n[pgbouncer]\nunix_socket_dir =\n").wrong();
    assert!(hostless.contains("databases.a.host: needs a `host`"), "{hostless}");
}

#[test]
fn a_section_that_begins_again_begins_anew() {
    let files = ini_file(
        "[pgbouncer]\npool_mode = transaction\nunix_socket_dir=@\n[databases]\n[pgbouncer]\n\
         unix_socket_dir=@\n",
    );
    let resolved = files.resolved();
    assert_eq!(resolved.settings.pool_mode, PoolMode::Session);
    assert!(resolved.warnings.iter().any(|warning| warning.contains("begins again")));
}

#[test]
fn ours_the_environment_and_flags_go_before_it() {
    let files = ini_file(
        "[databases]\n* = host=h\n[pgweir]\nhttp = off\nmax_client_conn = 9\n[pgbouncer]\n\
         unix_socket_dir = @\nmax_client_conn = 5\npool_mode = statement\n",
    );
    let mut written = files.written();
    written.add_environment([("PGWEIR_DEFAULT_POOL_SIZE".into(), "3".into())]);
    written.add_flag("--pool-mode", "pool_mode", "transaction");
    let settings = written.resolve().unwrap().settings;
    assert_eq!(settings.http, None);
    assert_eq!(settings.max_client_conn.get(), 9);
    assert_eq!(settings.default_pool_size.get(), 3);
    assert_eq!(settings.pool_mode, PoolMode::Transaction);
}

#[test]
fn a_file_is_told_by_its_name_or_by_what_it_says() {
    let ours = "upstream = \"postgres://h\"\n[databases.a]\nhost = \"h\"\n";
    let theirs = "; PgBouncer\n[databases]\na = host=h\n[pgbouncer]\npool_mode = session\n";
    for (name, text, expected) in [
        ("pgbouncer.ini", "", true),
        ("x.INI", theirs, true),
        ("pgweir.toml", theirs, false),
        ("pgweir.conf", ours, false),
        ("pgbouncer.conf", theirs, true),
        ("pgbouncer", "[pgbouncer]\n", true),
        ("pgbouncer", "%include other\n", true),
        ("pgweir", "", false),
    ] {
        assert_eq!(is_ini(Path::new(name), text), expected, "{name}");
    }
}

#[test]
fn peers_are_read() {
    let files = ini_file(
        "[databases]\n[peers]\n1 = host=a port=6433\n2 = host=/run/b pool_size=3\n[pgbouncer]\n\
         unix_socket_dir = @\npeer_id = 1\nso_reuseport = 1\nlisten_backlog = 64\n\
         default_pool_size = 7\n",
    );
    let settings = files.resolved().settings;
    let fleet = &settings.fleet;
    assert_eq!(fleet.peer_id.map(proxy::PeerId::get), Some(1));
    assert!(fleet.so_reuseport);
    assert_eq!(fleet.listen_backlog.get(), 64);
    let peers: Vec<_> = fleet
        .peers
        .iter()
        .map(|(id, peer)| (id.get(), peer.host.as_str(), peer.port, settings.peer_pool_size(peer)))
        .collect();
    assert_eq!(peers, [(1, "a", 6433, 7), (2, "/run/b", 6432, 3)]);
}

#[test]
fn the_backlog_of_a_storm_is_ours_unless_it_is_written() {
    let files = ini_file("[databases]\n[pgbouncer]\nunix_socket_dir = @\n");
    let written = files.resolved();
    assert_eq!(written.settings.fleet.listen_backlog.get(), 4096);
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(
        sections in proptest::collection::vec(
            ("(pgbouncer|databases|users|peers|pgweir|x)", "[^%]{0,60}", "[a-z_]{1,20} *=[^%]{0,60}"),
            0..6,
        ),
    ) {
        let lines = sections.iter().map(|(name, any, line)| format!("[{name}]\n{any}\n{line}\n"));
        let mut written = Written::default();
        written.add_file(Path::new("pgbouncer.ini"), &lines.collect::<String>());
        let _ = written.resolve();
    }
}

#[test]
fn secrets_are_not_shown() {
    for line in ["password=hunter2 x", "password='hunter2", "host=h passwort=hunter2", "hunter2"] {
        let ini = format!("[databases]\na = {line}\nhunter2 hunter2\n[pgbouncer]\n");
        let problems = ini_file(&ini).wrong();
        assert!(!problems.contains("hunter2"), "{problems}");
    }
}

#[test]
fn the_table_and_the_settings_agree() {
    let names: Vec<&str> = INI_SETTINGS.iter().map(|setting| setting.name).collect();
    assert!(names.is_sorted(), "{names:?}");
    let is_ours = |name: &str| REFERENCE.iter().any(|setting| setting.name == name);
    for setting in INI_SETTINGS {
        let name = setting.name;
        match setting.becomes {
            Becomes::Unneeded(_) | Becomes::NotOffered(_) => {
                assert!(!is_ours(name), "{name} is a setting of ours: it can be used");
            }
            _ if ["listen_addr", "listen_port", "verbose"].contains(&name) => {}
            Becomes::Same | Becomes::Different(_) => assert!(is_ours(name), "{name}"),
        }
    }
    for (theirs, ours) in
        [(INI_DATABASE_KEYS, DATABASE_KEYS), (INI_USER_KEYS, USER_KEYS), (INI_PEER_KEYS, PEER_KEYS)]
    {
        for key in theirs.iter().filter(|key| key.name != "reserve_pool") {
            let used = matches!(key.becomes, Becomes::Same | Becomes::Different(_));
            let is_ours = ours.iter().any(|ours| ours.name == key.name);
            assert_eq!(used, is_ours, "{}", key.name);
        }
    }
}

#[test]
fn the_page_has_every_setting() {
    let page = migration_page();
    for setting in INI_SETTINGS {
        assert!(page.contains(&format!("\n| `{}` | ", setting.name)), "{}", setting.name);
    }
    for key in INI_DATABASE_KEYS.iter().chain(INI_USER_KEYS) {
        assert!(page.contains(&format!("\n| `{}` | ", key.name)), "{}", key.name);
    }
    let table = page.lines().filter(|line| line.starts_with('|'));
    assert!(table.clone().count() > 130);
    for line in table {
        let bars = line.matches('|').count();
        assert!(bars == 5 || bars == 4, "a cell must not hold a bar: {line}");
    }
}

#[test]
fn a_toml_file_says_what_becomes_of_pgbouncers_settings() {
    let problems = super::wrong(file("upstream = \"postgres://u:p@h\"\nsyslog = 1\n"));
    assert!(
        problems.contains("PgBouncer's `syslog`: the log goes to standard error"),
        "{problems}"
    );
}
