//! Settings as SHOW CONFIG prints them, and what a reload can change.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use model::{CommandError, SettingStatus};

use super::names::advice;
use super::reference::REFERENCE;
use super::used::Settings;

impl Settings {
    /// Every setting, alphabetically, secrets hidden; durations in seconds, as PgBouncer has them.
    #[must_use]
    pub fn describe(&self) -> Vec<SettingStatus> {
        let mut rows: Vec<SettingStatus> = self
            .values()
            .into_iter()
            .zip(Self::default().values())
            .map(|((key, value), (_, default))| SettingStatus {
                key: key.to_owned(),
                value,
                default,
                changeable: REFERENCE.iter().any(|row| row.name == key && row.reloadable),
            })
            .collect();
        rows.sort_by(|a, b| a.key.cmp(&b.key));
        rows
    }

    /// Settings that differ in `new` and that a reload cannot change.
    #[must_use]
    pub fn needing_restart(&self, new: &Self) -> Vec<&'static str> {
        self.values()
            .into_iter()
            .zip(new.values())
            .filter(|((name, before), (_, after))| {
                before != after
                    || match *name {
                        "catalog_password" => self.catalog_password != new.catalog_password,
                        "otlp_headers" => {
                            self.monitoring.otlp_headers != new.monitoring.otlp_headers
                        }
                        "store" => self.history.store != new.history.store,
                        _ => false,
                    }
            })
            .map(|((name, _), _)| name)
            .filter(|name| REFERENCE.iter().any(|row| row.name == *name && !row.reloadable))
            .collect()
    }

    /// Name and value of every setting. Taken apart field by field, so that none is forgotten.
    fn values(&self) -> Vec<(&'static str, String)> {
        let Self {
            listen,
            unix_socket,
            fleet,
            tcp,
            http,
            data_dir,
            history,
            upstreams,
            databases: _,
            fallback: _,
            users: _,
            applications: _,
            detection: _,
            monitoring,
            client_tls,
            server_tls,
            auth_type,
            authentication,
            admin_users,
            stats_users,
            pool_mode,
            default_pool_size,
            min_pool_size,
            reserve_pool_size,
            reserve_pool_timeout,
            max_db_connections,
            max_user_connections,
            max_db_client_connections,
            max_user_client_connections,
            max_client_conn,
            max_wait_queue,
            max_queue_age,
            low_priority_share,
            max_prepared_statements,
            share_unnamed_statements,
            prepare_simple_queries,
            query_wait_timeout,
            query_wait_notify,
            query_timeout,
            transaction_timeout,
            idle_transaction_timeout,
            client_idle_timeout,
            cancel_wait_timeout,
            server_idle_timeout,
            server_lifetime,
            server_round_robin,
            autodb_idle_timeout,
            server_connect_timeout,
            host_check_interval,
            host_check_timeout,
            dns_max_ttl,
            server_login_retry,
            client_login_timeout,
            console_query_timeout,
            shutdown_timeout,
            suspend_timeout,
            takeover_timeout,
            worker_threads,
            max_fingerprints,
            analyse,
            statistics,
            catalog_user,
            catalog_password,
            report_values,
            log_format,
            log_level,
        } = self;
        let data_dir = data_dir.as_ref().map(|path| path.display());
        let urls: Vec<String> = upstreams.iter().map(ToString::to_string).collect();
        let file = |path: &Option<PathBuf>| or_empty(path.as_ref().map(|path| path.display()));
        let mut values = vec![
            ("client_tls_sslmode", client_tls.mode.to_string()),
            ("client_tls_ca_file", file(&client_tls.ca)),
            ("client_tls_cert_file", file(&client_tls.certificate)),
            ("client_tls_key_file", file(&client_tls.key)),
            ("client_tls_protocols", client_tls.protocols.to_string()),
            ("server_tls_sslmode", server_tls.mode.to_string()),
            ("server_tls_ca_file", file(&server_tls.ca)),
            ("server_tls_cert_file", file(&server_tls.certificate)),
            ("server_tls_key_file", file(&server_tls.key)),
            ("server_tls_protocols", server_tls.protocols.to_string()),
            ("listen", addresses(listen)),
            ("unix_socket_dir", or_empty(path(&unix_socket.directory))),
            ("unix_socket_port", or_empty(unix_socket.port)),
            ("unix_socket_mode", format!("{:04o}", unix_socket.mode)),
            ("unix_socket_group", or_empty(unix_socket.group.as_ref().map(|group| &group.name))),
            ("so_reuseport", fleet.so_reuseport.to_string()),
            ("listen_backlog", fleet.listen_backlog.to_string()),
            (
                "proxy_protocol_from",
                fleet.proxy_protocol_from.texts().collect::<Vec<_>>().join(", "),
            ),
            ("peer_id", or_zero(fleet.peer_id)),
            ("http", http.map_or_else(|| "off".to_owned(), |http| http.to_string())),
            ("metrics_fingerprints", monitoring.metrics_fingerprints.to_string()),
            ("otlp_endpoint", or_empty(monitoring.otlp_endpoint.as_ref())),
            ("otlp_headers", or_empty(monitoring.otlp_headers.as_ref())),
            ("otlp_interval", seconds(monitoring.otlp_interval)),
            ("otlp_service_name", monitoring.otlp_service_name.clone()),
            ("trace_sample_ratio", monitoring.trace_sample_ratio.to_string()),
            ("trace_min_duration", seconds(monitoring.trace_min_duration.unwrap_or_default())),
            ("log_min_duration", seconds(monitoring.log_min_duration.unwrap_or_default())),
            ("data_dir", or_empty(data_dir)),
            ("store", or_empty(history.store.as_ref())),
            ("instance_name", or_empty(history.instance_name.as_ref())),
            ("history_minutes", seconds(history.minutes)),
            ("history_hours", seconds(history.hours)),
            ("history_days", seconds(history.days)),
            ("history_size", history.size_bytes.to_string()),
            ("history_flush", seconds(history.flush.unwrap_or_default())),
            ("upstream", urls.join(" ")),
            ("auth_type", auth_type.to_string()),
            ("auth_file", or_empty(path(&authentication.auth_file))),
            ("auth_hba_file", or_empty(path(&authentication.auth_hba_file))),
            ("auth_ident_file", or_empty(path(&authentication.auth_ident_file))),
            ("auth_user", or_empty(authentication.lookup.auth_user.as_ref())),
            ("auth_query", or_empty(authentication.lookup.auth_query.as_ref())),
            ("auth_dbname", or_empty(authentication.lookup.auth_dbname.as_ref())),
            ("admin_users", admin_users.join(", ")),
            ("stats_users", stats_users.join(", ")),
            ("pool_mode", pool_mode.to_string()),
            ("default_pool_size", default_pool_size.to_string()),
            ("min_pool_size", min_pool_size.to_string()),
            ("reserve_pool_size", reserve_pool_size.to_string()),
            ("reserve_pool_timeout", seconds(reserve_pool_timeout.unwrap_or_default())),
            ("max_db_connections", or_zero(*max_db_connections)),
            ("max_user_connections", or_zero(*max_user_connections)),
            ("max_db_client_connections", or_zero(*max_db_client_connections)),
            ("max_user_client_connections", or_zero(*max_user_client_connections)),
            ("max_client_conn", max_client_conn.to_string()),
            ("max_wait_queue", or_zero(*max_wait_queue)),
            ("max_queue_age", seconds(max_queue_age.unwrap_or_default())),
            ("low_priority_share", low_priority_share.to_string()),
            ("max_prepared_statements", max_prepared_statements.to_string()),
            ("share_unnamed_statements", share_unnamed_statements.to_string()),
            ("prepare_simple_queries", prepare_simple_queries.to_string()),
            ("query_wait_timeout", seconds(query_wait_timeout.unwrap_or_default())),
            ("query_wait_notify", seconds(query_wait_notify.unwrap_or_default())),
            ("query_timeout", seconds(query_timeout.unwrap_or_default())),
            ("transaction_timeout", seconds(transaction_timeout.unwrap_or_default())),
            ("idle_transaction_timeout", seconds(idle_transaction_timeout.unwrap_or_default())),
            ("client_idle_timeout", seconds(client_idle_timeout.unwrap_or_default())),
            ("cancel_wait_timeout", seconds(cancel_wait_timeout.unwrap_or_default())),
            ("server_idle_timeout", seconds(server_idle_timeout.unwrap_or_default())),
            ("server_lifetime", seconds(*server_lifetime)),
            ("server_round_robin", server_round_robin.to_string()),
            ("autodb_idle_timeout", seconds(autodb_idle_timeout.unwrap_or_default())),
            ("server_connect_timeout", seconds(*server_connect_timeout)),
            ("host_check_interval", seconds(host_check_interval.unwrap_or_default())),
            ("host_check_timeout", seconds(*host_check_timeout)),
            ("dns_max_ttl", seconds(dns_max_ttl.unwrap_or_default())),
            ("server_login_retry", seconds(*server_login_retry)),
            ("client_login_timeout", seconds(client_login_timeout.unwrap_or_default())),
            ("console_query_timeout", seconds(*console_query_timeout)),
            ("shutdown_timeout", seconds(*shutdown_timeout)),
            ("suspend_timeout", seconds(suspend_timeout.unwrap_or_default())),
            ("takeover_timeout", seconds(*takeover_timeout)),
            ("worker_threads", or_zero(*worker_threads)),
            ("max_fingerprints", max_fingerprints.to_string()),
            ("statistics", statistics.to_string()),
            ("analyse", analyse.to_string()),
            ("catalog_user", or_empty(catalog_user.as_ref())),
            ("catalog_password", or_empty(catalog_password.as_ref())),
            ("report_values", report_values.to_string()),
            ("log_format", log_format.to_string()),
            ("log_level", log_level.to_string().to_ascii_lowercase()),
        ];
        values.extend(super::tcp::described(tcp));
        values
    }
}

fn addresses(listen: &[SocketAddr]) -> String {
    let all: Vec<String> = listen.iter().map(ToString::to_string).collect();
    if all.is_empty() { "off".to_owned() } else { all.join(", ") }
}

/// Whether SET can change a setting of this name.
///
/// # Errors
/// [`CommandError::NoSuchSetting`], [`CommandError::NeedsRestart`].
pub(crate) fn check_key(key: &str) -> Result<(), CommandError> {
    match REFERENCE.iter().find(|setting| setting.name == key) {
        None => {
            let hint = advice(key, REFERENCE.iter().map(|setting| setting.name));
            Err(CommandError::NoSuchSetting { key: key.to_owned(), hint })
        }
        Some(setting) if !setting.reloadable => Err(CommandError::NeedsRestart(key.to_owned())),
        Some(_) => Ok(()),
    }
}

fn path(path: &Option<PathBuf>) -> Option<impl Display> {
    path.as_ref().map(|path| path.display())
}

fn or_empty(value: Option<impl Display>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn or_zero(value: Option<impl Display>) -> String {
    value.map_or_else(|| "0".to_owned(), |value| value.to_string())
}

fn seconds(duration: Duration) -> String {
    duration.as_secs_f64().to_string()
}
