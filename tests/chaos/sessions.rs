//! State of the session: what one client sets is its own.

use rand::RngExt;
use testkit::frames::query;

use crate::client::{Client, Done, Exposure};
use crate::connection::Trouble;

/// What a session has that another client's could be taken for, against what this client made of
/// its own. The last four count temporary tables, advisory locks, channels and held cursors.
const STATE: &str = "current_setting('application_name'), current_setting('TimeZone'),
    current_setting('search_path'), current_setting('work_mem'), current_setting('DateStyle'),
    coalesce(nullif(current_setting('chaos.token', true), ''), '-'),
    (SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r'),
    (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
    (SELECT count(*) FROM pg_listening_channels()), (SELECT count(*) FROM pg_cursors)";

/// Settings and what a fresh session has of them, in the order of [`STATE`].
const FRESH: [(&str, &str); 6] = [
    ("application_name", ""),
    ("TimeZone", "UTC"),
    ("search_path", "\"$user\", public"),
    ("work_mem", "4MB"),
    ("DateStyle", "ISO, MDY"),
    ("chaos.token", "-"),
];

impl Client {
    /// The session has what this client made, and nothing else.
    pub(crate) async fn session_is_our_own(&mut self) -> Done {
        self.session_has(0, 0, 0).await
    }

    async fn session_has(&mut self, tables: u32, locks: u32, channels: u32) -> Done {
        let token = self.token();
        let request = query(&format!("SELECT '{token}', {STATE}"));
        let answer = self.expect(&request, "TDCZ", &[&token]).await?;
        let settings = FRESH.iter().map(|(name, fresh)| {
            self.settings.get(name).map_or_else(|| (*fresh).to_owned(), Clone::clone)
        });
        let counts = [tables, locks, channels, 0].map(|count| count.to_string());
        let expected: Vec<String> = settings.chain(counts).collect();
        if answer.rows[0][1..] != expected {
            let got = &answer.rows[0][1..];
            return Err(Trouble::Wrong(format!("the session has {got:?} instead of {expected:?}")));
        }
        Ok(())
    }

    pub(crate) async fn set(&mut self) -> Done {
        let token = self.token();
        let (name, value) = match self.rng.random_range(0..10) {
            0..4 => ("application_name", token),
            4 | 5 => ("TimeZone", "America/Lima".to_owned()),
            6 => ("DateStyle", "ISO, DMY".to_owned()),
            // Those that the server does not report pin, or are carried.
            7 => ("search_path", "pg_catalog".to_owned()),
            8 => ("work_mem", "8MB".to_owned()),
            _ => ("chaos.token", token),
        };
        self.expose(Exposure::Pinned);
        self.run_sql(&format!("SET {name} = '{value}'"), &["SET"]).await?;
        self.settings.insert(name, value);
        if self.stage.plan.seed % 2 == 1 || self.rng.random_bool(0.5) {
            self.session_is_our_own().await?;
        }
        if matches!(name, "application_name" | "TimeZone" | "DateStyle")
            && self.rng.random_bool(0.7)
        {
            // Kept; reported settings do not pin.
            self.covered();
            return Ok(());
        }
        if self.rng.random_bool(0.5) {
            self.discard().await
        } else {
            self.run_sql("RESET ALL", &["RESET"]).await?;
            self.reset_settings();
            self.session_is_our_own().await?;
            self.discard().await
        }
    }

    pub(crate) async fn set_rolled_back(&mut self) -> Done {
        let token = self.token();
        self.expose(Exposure::Block);
        self.run_sql(&format!("BEGIN; SET application_name = '{token}'"), &["BEGIN", "SET"])
            .await?;
        let seen = query("SELECT current_setting('application_name')");
        self.expect(&seen, "TDCZ", &[&token]).await?;
        self.run_sql("ROLLBACK", &["ROLLBACK"]).await?;
        self.covered();
        self.session_is_our_own().await
    }

    pub(crate) async fn temporary_table(&mut self) -> Done {
        let token = self.token();
        let table = format!("t{}", self.number);
        self.expose(Exposure::Pinned);
        let make = format!("CREATE TEMP TABLE {table} AS SELECT '{token}'::text AS a");
        self.run_sql(&make, &["SELECT 1"]).await?;
        for _ in 0..self.rng.random_range(1..4) {
            self.session_has(1, 0, 0).await?;
            let request = query(&format!("SELECT a FROM {table}"));
            self.expect(&request, "TDCZ", &[&token]).await?;
        }
        self.discard().await?;
        self.session_is_our_own().await
    }

    pub(crate) async fn advisory_lock(&mut self) -> Done {
        let token = self.token();
        self.expose(Exposure::Pinned);
        // Nobody has ever locked this number: it is free.
        let number = self.fresh_number();
        let request = query(&format!("SELECT '{token}', pg_try_advisory_lock({number})"));
        let answer = self.expect(&request, "TDCZ", &[&token]).await?;
        if answer.rows[0][1] != "t" {
            return Err(Trouble::Wrong(format!("somebody holds our lock {number}")));
        }
        self.session_has(0, 1, 0).await?;
        if self.rng.random_bool(0.5) {
            let request = query(&format!("SELECT pg_advisory_unlock({number})"));
            self.expect(&request, "TDCZ", &["t"]).await?;
        }
        self.discard().await
    }

    pub(crate) async fn listen(&mut self) -> Done {
        let token = self.token();
        let channel = format!("channel{}", self.number);
        self.expose(Exposure::Pinned);
        self.run_sql(&format!("LISTEN {channel}"), &["LISTEN"]).await?;
        self.session_has(0, 0, 1).await?;
        let request = query(&format!("NOTIFY {channel}, '{token}'"));
        let answer = self.expect(&request, "CZ", &[]).await?;
        if answer.notified != [token] {
            return Err(Trouble::Wrong(format!("notified of {:?}", answer.notified)));
        }
        self.run_sql("UNLISTEN *", &["UNLISTEN"]).await?;
        self.session_has(0, 0, 0).await?;
        self.covered();
        Ok(())
    }
}
