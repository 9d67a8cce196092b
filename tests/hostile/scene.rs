//! A database of a test's own and a pgweir in front of it.

pub(crate) use testkit::frames::only_error as error;
use testkit::{Postgres, Proxy, ProxyOptions, ScriptedClient, TestDatabase};
pub(crate) use testkit::{show, until};
use tokio_postgres::Client;

/// The program under test.
pub(crate) const PGWEIR: &str = env!("CARGO_BIN_EXE_pgweir");

/// A database of a test's own and a pgweir in front of it.
pub(crate) struct Scene {
    pub(crate) proxy: Proxy,
    pub(crate) database: TestDatabase,
}

impl Scene {
    /// pgweir with these settings, on the server that all tests share.
    pub(crate) async fn open<const N: usize>(settings: [&str; N]) -> Self {
        let postgres = Postgres::shared().await;
        let database = postgres.database().await;
        let options = ProxyOptions::upstream(postgres.url("postgres", "postgres"));
        let proxy = Proxy::start(PGWEIR, with_settings(options, settings)).await;
        Self { proxy, database }
    }

    /// A raw client that is logged in.
    pub(crate) async fn client(&self) -> ScriptedClient {
        ScriptedClient::login(self.proxy.address(), "postgres", &self.database.name).await
    }

    /// A client of the admin console.
    pub(crate) async fn console(&self) -> Client {
        self.proxy.connect("postgres", "pgweir").await
    }

    /// A connection past pgweir.
    pub(crate) async fn direct(&self) -> Client {
        self.database.connect().await
    }

    /// Clients of the database, as the console counts them.
    pub(crate) async fn clients(&self, console: &Client) -> usize {
        let rows = show(console, "SHOW CLIENTS").await;
        rows.iter().filter(|row| row["database"] == self.database.name).count()
    }
}

/// Settings by name, as the command line takes them.
pub(crate) fn with_settings<const N: usize>(
    mut options: ProxyOptions,
    settings: [&str; N],
) -> ProxyOptions {
    for setting in settings {
        options = options.arguments(["--set", setting]);
    }
    options
}

/// Asserts that nothing of another client's session is to be seen by this one.
pub(crate) async fn assert_clean(client: &mut ScriptedClient, after: &str) {
    let state = "SELECT concat_ws(',', current_setting('application_name'),
        current_setting('search_path'), current_setting('geqo'),
        current_setting('TimeZone') = (SELECT reset_val FROM pg_settings WHERE name = 'TimeZone'),
        (SELECT count(*) FROM pg_listening_channels()),
        (SELECT count(*) FROM pg_cursors WHERE is_holdable),
        (SELECT count(*) FROM pg_prepared_statements WHERE from_sql),
        (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
        (SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()))";
    let clean = ",\"$user\", public,on,t,0,0,0,0,0";
    assert_eq!(client.value(state).await, clean, "after {after}");
}
