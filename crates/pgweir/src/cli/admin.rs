//! A connection to the admin console of a running pgweir.

use std::error::Error as _;
use std::str::FromStr;
use std::time::Duration;

use report::{Report, ReportOptions};
use tokio::task::JoinHandle;
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, SimpleQueryMessage, SimpleQueryRow};

use crate::settings::{Settings, UrlTls, for_tokio_postgres};

/// How long the console may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The console's database, if the URL names none.
const DATABASE: &str = "pgweir";

/// Why a running pgweir could not be asked. Holds no password.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The URL cannot be used.
    #[error("the admin URL {0}")]
    Url(String),
    /// No connection or no login.
    #[error("cannot reach the admin console at {address}: {why}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// What the network or pgweir said.
        why: String,
    },
    /// It answered with an error, or broke off.
    #[error("the admin console refused {command}: {why}")]
    Refused {
        /// What was asked.
        command: String,
        /// What pgweir said.
        why: String,
    },
    /// It did not answer in time.
    #[error("the admin console did not answer {command} within {} s", PATIENCE.as_secs())]
    Silent {
        /// What was asked.
        command: String,
    },
    /// It answered with something else than was asked for.
    #[error("the admin console's answer to {command} cannot be read: {why}")]
    Answer {
        /// What was asked.
        command: String,
        /// What is wrong with the answer.
        why: String,
    },
}

/// A connection to the admin console. Dropping it closes the connection.
pub struct AdminConsole {
    client: Client,
    connection: JoinHandle<()>,
}

impl Drop for AdminConsole {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl AdminConsole {
    /// Connects. What the URL leaves out is the database `pgweir`, `PGUSER` or the system's user, and
    /// `PGPASSWORD`. Cancel-safe.
    ///
    /// # Errors
    /// When the URL is wrong or pgweir is not there.
    pub async fn connect(url: &str) -> Result<Self, AdminError> {
        let (url, tls) = UrlTls::take_out(url).map_err(AdminError::Url)?;
        let config = admin_config(&url, |name| std::env::var(name).ok())?;
        let files = Settings::default().tls_of(&tls);
        let tls =
            files.load().map_err(|error| AdminError::Url(format!("has TLS files: {error}")))?;
        Self::connect_by(config, for_tokio_postgres(&tls)).await
    }

    /// Connects with a given configuration, without TLS. Cancel-safe.
    ///
    /// # Errors
    /// When pgweir is not there.
    pub async fn connect_config(config: Config) -> Result<Self, AdminError> {
        Self::connect_by(config, None).await
    }

    async fn connect_by(mut config: Config, tls: Option<catalog::Tls>) -> Result<Self, AdminError> {
        let connector = catalog::Connector::new(tls, &mut config);
        let unreachable = |why: String| AdminError::Unreachable { address: address(&config), why };
        let connecting = tokio::time::timeout(PATIENCE, config.connect(connector));
        let (client, connection) = connecting
            .await
            .map_err(|_| unreachable(format!("no answer within {} s", PATIENCE.as_secs())))?
            .map_err(|error| unreachable(cause(&error)))?;
        let connection = tokio::spawn(async move {
            // An error here is what the next request reports.
            let _ = connection.await;
        });
        Ok(Self { client, connection })
    }

    /// The report that `options` ask for. Cancel-safe.
    ///
    /// # Errors
    /// When pgweir refuses or its answer is no report.
    pub async fn report(&self, options: &ReportOptions) -> Result<Report, AdminError> {
        let command = show_report(options);
        let rows = self.rows(&command).await?;
        let answer = |why: String| AdminError::Answer { command: command.clone(), why };
        let text = rows
            .first()
            .and_then(|row| row.get(0))
            .ok_or_else(|| answer("it has no row".to_owned()))?;
        report::render::from_json(text).map_err(|error| answer(error.to_string()))
    }

    /// Clients waiting for a server connection, in all pools. Cancel-safe.
    ///
    /// # Errors
    /// When pgweir refuses.
    pub async fn clients_waiting(&self) -> Result<u64, AdminError> {
        let rows = self.rows("SHOW POOLS").await?;
        let waiting = |row: &SimpleQueryRow| {
            row.try_get("cl_waiting").ok().flatten().and_then(|count| u64::from_str(count).ok())
        };
        Ok(rows.iter().filter_map(waiting).sum())
    }

    /// How many findings there are now. Cancel-safe.
    ///
    /// # Errors
    /// When pgweir refuses.
    pub async fn finding_count(&self) -> Result<usize, AdminError> {
        self.rows("SHOW FINDINGS").await.map(|rows| rows.len())
    }

    async fn rows(&self, command: &str) -> Result<Vec<SimpleQueryRow>, AdminError> {
        let command_text = || command.to_owned();
        let messages = tokio::time::timeout(PATIENCE, self.client.simple_query(command))
            .await
            .map_err(|_| AdminError::Silent { command: command_text() })?
            .map_err(|error| AdminError::Refused { command: command_text(), why: cause(&error) })?;
        let row = |message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        };
        Ok(messages.into_iter().filter_map(row).collect())
    }
}

/// The console's statement for a report.
pub(super) fn show_report(options: &ReportOptions) -> String {
    let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let mut parts = vec![
        format!("since {}", literal(&options.since.to_string())),
        format!("sort {}", options.sort.name()),
        format!("top {}", options.top),
    ];
    let optional = [
        ("until", options.until.map(|until| until.to_string())),
        ("database", options.database.clone()),
        ("application", options.application.clone()),
        ("tag", options.tag.as_ref().map(ToString::to_string)),
        ("fingerprint", options.fingerprint.as_ref().map(ToString::to_string)),
        ("compare", options.compare.map(|span| format!("{}ms", span.as_millis()))),
    ];
    for (name, value) in optional {
        parts.extend(value.map(|value| format!("{name} {}", literal(&value))));
    }
    if options.show_values {
        parts.push("values on".to_owned());
    }
    format!("SHOW REPORT ({})", parts.join(", "))
}

/// A URL made whole with what `variable` says of the environment.
pub(super) fn admin_config(
    url: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Config, AdminError> {
    // The parser's own words are about connection strings and may not quote the password either.
    let mut config = Config::from_str(url)
        .map_err(|error| AdminError::Url(format!("cannot be read: {}", cause(&error))))?;
    if config.get_hosts().is_empty() {
        config.host("127.0.0.1");
    }
    if config.get_ports().is_empty() {
        config.port(6432);
    }
    if config.get_dbname().is_none() {
        config.dbname(DATABASE);
    }
    if let (None, Some(user)) = (config.get_user(), variable("PGUSER")) {
        config.user(user);
    }
    if let (None, Some(password)) = (config.get_password(), variable("PGPASSWORD")) {
        config.password(password);
    }
    config.application_name("pgweir report");
    Ok(config)
}

fn address(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        #[cfg(unix)]
        Some(Host::Unix(path)) => path.display().to_string(),
        None => "localhost".to_owned(),
    };
    format!("{host}:{}", config.get_ports().first().copied().unwrap_or(5432))
}

/// What the server said, or the reason behind tokio-postgres's own words.
fn cause(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(said), _) => {
            let hint = said.hint().map(|hint| format!(". {hint}")).unwrap_or_default();
            format!("{} (SQLSTATE {}){hint}", said.message(), said.code().code())
        }
        (None, Some(source)) => source.to_string(),
        (None, None) => error.to_string(),
    }
}
