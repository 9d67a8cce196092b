//! From what was written to what is used: every value checked, all problems kept.

use super::access;
use super::authentication;
use super::detection;
use super::fleet::Fleet;
use super::history;
use super::ini::PgBouncerFile;
use super::monitoring;
use super::password::Secret;
use super::problem::{Origin, Problem, SettingsError};
use super::tcp;
use super::tls;
use super::unix_socket::UnixSocket;
use super::used::Settings;
use super::values::{self, Raw};
use super::written::{Section, Written, WrittenValue};

/// Checked settings, and what in them is allowed but worth saying.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The settings.
    pub settings: Settings,
    /// One sentence each; they hold no secret.
    pub warnings: Vec<String>,
    /// What the file was, if it was PgBouncer's.
    pub pgbouncer: Option<PgBouncerFile>,
}

pub(crate) fn resolve(mut written: Written) -> Result<Resolved, SettingsError> {
    let mut reader = Reader {
        problems: std::mem::take(&mut written.problems),
        warnings: std::mem::take(&mut written.warnings),
        written,
    };
    let mut settings = Settings::default();
    reader.scalars(&mut settings);
    tls::scalars(&mut reader, &mut settings);
    tcp::scalars(&mut reader, &mut settings);
    history::scalars(&mut reader, &mut settings);
    settings.fleet = Fleet::read(&mut reader);
    detection::resolve(&mut reader, &mut settings);
    monitoring::resolve(&mut reader, &mut settings);
    access::upstreams(&mut reader, &mut settings);
    access::users(&mut reader, &mut settings);
    access::applications(&mut reader, &mut settings);
    access::databases(&mut reader, &mut settings);
    authentication::files(&mut reader, &mut settings);
    authentication::check(&mut reader, &mut settings);
    reader.whole(&settings);
    tls::check_files(&mut reader, &settings);
    let Reader { problems, warnings, written } = reader;
    if problems.is_empty() {
        Ok(Resolved { settings, warnings, pgbouncer: written.pgbouncer })
    } else {
        Err(SettingsError { problems })
    }
}

/// Reads values out of what was written, and keeps a list of what is wrong.
pub(super) struct Reader {
    pub(super) written: Written,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
}

impl Reader {
    pub(super) fn problem(
        &mut self,
        origin: Origin,
        key: impl Into<String>,
        message: impl Into<String>,
    ) {
        self.problems.push(Problem { origin, key: key.into(), message: message.into() });
    }

    pub(super) fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    pub(super) fn origin(&self, name: &str) -> Origin {
        self.written.settings.get(name).map_or(Origin::Whole, |value| value.origin.clone())
    }

    /// Whether somebody wrote it, in whatever source.
    pub(super) fn is_written(&self, name: &str) -> bool {
        let found = self.written.settings.get(name);
        found.is_some_and(|value| value.origin != Origin::Default)
    }

    /// Whether the file is PgBouncer's: then what PgBouncer starts with is no error.
    pub(super) fn is_pgbouncer(&self) -> bool {
        self.written.pgbouncer.is_some()
    }

    /// Puts a setting's value into `field`, if it was written and is right.
    pub(super) fn set<T>(
        &mut self,
        field: &mut T,
        name: &str,
        check: impl Fn(&Raw) -> Result<T, String>,
    ) {
        if let Some(WrittenValue { raw, origin }) = self.written.settings.get(name) {
            match check(raw) {
                Ok(value) => *field = value,
                Err(message) => self.problem(origin.clone(), name, message),
            }
        }
    }

    /// A key of a section, if it was written and is right.
    pub(super) fn key<T>(
        &mut self,
        (path, section): (&str, &Section),
        key: &str,
        check: impl Fn(&Raw) -> Result<T, String>,
    ) -> Option<T> {
        let WrittenValue { raw, origin } = section.values.get(key)?;
        match check(raw) {
            Ok(value) => Some(value),
            Err(message) => {
                self.problem(origin.clone(), format!("{path}.{key}"), message);
                None
            }
        }
    }

    fn scalars(&mut self, settings: &mut Settings) {
        let some_text = |raw: &Raw| values::text(raw).map(Some);
        let secret = |raw: &Raw| values::text(raw).map(|text| Some(Secret::new(text)));
        self.set(&mut settings.listen, "listen", values::addresses);
        settings.unix_socket = UnixSocket::read(self);
        self.set(&mut settings.http, "http", values::address_or_off);
        self.set(&mut settings.data_dir, "data_dir", |raw| values::path(raw).map(Some));
        self.set(&mut settings.auth_type, "auth_type", values::auth_type);
        self.set(&mut settings.admin_users, "admin_users", values::list);
        self.set(&mut settings.stats_users, "stats_users", values::list);
        self.set(&mut settings.pool_mode, "pool_mode", values::pool_mode);
        self.set(&mut settings.default_pool_size, "default_pool_size", values::count);
        self.pool_limits(settings);
        self.set(&mut settings.max_client_conn, "max_client_conn", values::count);
        self.set(&mut settings.max_wait_queue, "max_wait_queue", values::limit);
        self.set(&mut settings.max_queue_age, "max_queue_age", values::timeout);
        self.set(&mut settings.low_priority_share, "low_priority_share", values::percent);
        self.set(&mut settings.max_prepared_statements, "max_prepared_statements", values::count);
        let shares = &mut settings.share_unnamed_statements;
        self.set(shares, "share_unnamed_statements", values::boolean);
        let prepares = &mut settings.prepare_simple_queries;
        self.set(prepares, "prepare_simple_queries", values::boolean);
        self.set(&mut settings.query_wait_timeout, "query_wait_timeout", values::timeout);
        self.set(&mut settings.query_wait_notify, "query_wait_notify", values::timeout);
        self.set(&mut settings.query_timeout, "query_timeout", values::timeout);
        self.set(&mut settings.transaction_timeout, "transaction_timeout", values::timeout);
        self.set(
            &mut settings.idle_transaction_timeout,
            "idle_transaction_timeout",
            values::timeout,
        );
        self.set(&mut settings.client_idle_timeout, "client_idle_timeout", values::timeout);
        self.set(&mut settings.cancel_wait_timeout, "cancel_wait_timeout", values::timeout);
        self.set(&mut settings.server_idle_timeout, "server_idle_timeout", values::timeout);
        self.set(&mut settings.server_lifetime, "server_lifetime", values::duration);
        self.set(&mut settings.server_round_robin, "server_round_robin", values::boolean);
        self.set(&mut settings.autodb_idle_timeout, "autodb_idle_timeout", values::timeout);
        self.set(
            &mut settings.server_connect_timeout,
            "server_connect_timeout",
            values::some_duration,
        );
        self.set(&mut settings.host_check_interval, "host_check_interval", values::timeout);
        self.set(&mut settings.host_check_timeout, "host_check_timeout", values::some_duration);
        self.set(&mut settings.dns_max_ttl, "dns_max_ttl", values::timeout);
        self.set(&mut settings.server_login_retry, "server_login_retry", values::duration);
        self.set(
            &mut settings.console_query_timeout,
            "console_query_timeout",
            values::some_duration,
        );
        self.set(&mut settings.client_login_timeout, "client_login_timeout", values::timeout);
        self.set(&mut settings.shutdown_timeout, "shutdown_timeout", values::duration);
        self.set(&mut settings.suspend_timeout, "suspend_timeout", values::timeout);
        self.set(&mut settings.takeover_timeout, "takeover_timeout", values::duration);
        self.set(&mut settings.worker_threads, "worker_threads", values::threads);
        self.set(&mut settings.max_fingerprints, "max_fingerprints", values::count);
        self.set(&mut settings.statistics, "statistics", values::boolean);
        self.set(&mut settings.analyse, "analyse", values::boolean);
        self.set(&mut settings.catalog_user, "catalog_user", some_text);
        self.set(&mut settings.catalog_password, "catalog_password", secret);
        self.set(&mut settings.report_values, "report_values", values::boolean);
        self.set(&mut settings.log_format, "log_format", values::log_format);
        self.set(&mut settings.log_level, "log_level", values::log_level);
    }

    fn pool_limits(&mut self, settings: &mut Settings) {
        self.set(&mut settings.min_pool_size, "min_pool_size", values::number);
        self.set(&mut settings.reserve_pool_size, "reserve_pool_size", values::number);
        self.set(&mut settings.reserve_pool_timeout, "reserve_pool_timeout", values::timeout);
        for (field, name) in [
            (&mut settings.max_db_connections, "max_db_connections"),
            (&mut settings.max_user_connections, "max_user_connections"),
            (&mut settings.max_db_client_connections, "max_db_client_connections"),
            (&mut settings.max_user_client_connections, "max_user_client_connections"),
        ] {
            self.set(field, name, values::limit);
        }
    }

    /// What only shows in the whole.
    fn whole(&mut self, settings: &Settings) {
        if let Some(http) = settings.http.filter(|http| http.port() != 0)
            && settings.listen.contains(&http)
        {
            let origin = self.origin(if self.is_written("http") { "http" } else { "listen" });
            self.problem(origin, "http", format!("listen and http are both {http}"));
        }
        if settings.listen.is_empty() && settings.unix_socket.directory.is_none() {
            let message = "is off, and there is no unix_socket_dir: clients could not connect";
            self.problem(self.origin("listen"), "listen", message);
        }
        if settings.catalog_password.is_some() && settings.catalog_user.is_none() {
            let message = "is of no use without `catalog_user`";
            self.problem(self.origin("catalog_password"), "catalog_password", message);
        }
        if !self.problems.is_empty() {
            return;
        }
        if self.is_pgbouncer() && settings.fallback.is_none() && settings.databases.is_empty() {
            self.warn("[databases] is empty: clients reach nothing but the admin console");
        } else if settings.fallback.is_none() && settings.databases.is_empty() {
            let message = "no server to go to; give its URL as an argument, or write `upstream` \
                           or [databases.NAME]";
            self.problem(Origin::Whole, "", message);
        }
        if settings.admin_users.is_empty() && self.problems.is_empty() {
            self.warn("admin_users is empty: nobody may use the admin console or fetch a report");
        }
    }
}
