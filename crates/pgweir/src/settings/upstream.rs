//! A server given as a URL.

use std::fmt;

use tokio_postgres::config::Host;

use super::hosts::{HostChoice, HostList};
use super::password::Secret;
use super::tls::UrlTls;

/// A server, as `postgres://user:password@host:port/dbname` names it. Displays without password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Host names or addresses, with their ports.
    pub hosts: HostList,
    /// Which of them will do.
    pub choice: HostChoice,
    /// User, if named.
    pub user: Option<String>,
    /// Password, if given.
    pub password: Option<Secret>,
    /// Database, if named.
    pub dbname: Option<String>,
    /// What it says of encryption.
    pub tls: UrlTls,
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        write!(f, "{}", self.hosts)?;
        match &self.dbname {
            Some(dbname) => write!(f, "/{dbname}"),
            None => Ok(()),
        }
    }
}

impl Upstream {
    /// Reads a URL; what it leaves out is `localhost`, 5432, no user, no password, no database.
    /// Also returns what in the URL has no effect, as warnings.
    ///
    /// # Errors
    /// What is wrong, in words that do not quote the URL, since it may hold a password.
    pub fn parse(url: &str) -> Result<(Self, Vec<String>), String> {
        let Some((scheme, _)) = url.split_once("://") else {
            return Err("is not a URL; write postgres://user:password@host:port/dbname".to_owned());
        };
        if !matches!(scheme, "postgres" | "postgresql") {
            return Err("is a URL of another kind; write postgres://…".to_owned());
        }
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let mut used = String::new();
        let mut warnings = Vec::new();
        let (mut tls, mut choice) = (UrlTls::default(), HostChoice::default());
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match name {
                // libpq takes these from the query too.
                "host" | "port" | "user" | "password" | "dbname" => {
                    used.push(if used.is_empty() { '?' } else { '&' });
                    used.push_str(parameter);
                }
                _ if tls.take(name, value)? || choice.take(name, value)? => {}
                _ => warnings.push(format!("`{name}` in the server's URL has no effect")),
            }
        }
        let config = format!("{address}{used}").parse::<tokio_postgres::Config>().map_err(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            format!(
                "is not a valid URL ({}); write postgres://user:password@host:port/dbname, with \
                 `@ : / ?` and `%` in names and passwords percent-encoded",
                cause.unwrap_or_else(|| "cannot be read".to_owned())
            )
        })?;
        let upstream = Self::from_config(&config)?;
        Ok((Self { tls: tls.settle()?, choice, ..upstream }, warnings))
    }

    fn from_config(config: &tokio_postgres::Config) -> Result<Self, String> {
        let mut hosts = config.get_hosts().iter().map(host).collect::<Result<Vec<_>, _>>()?;
        if hosts.is_empty() {
            hosts.push("localhost".to_owned());
        }
        let password = match config.get_password() {
            None | Some([]) => None,
            Some(bytes) => {
                let text = String::from_utf8(bytes.to_vec())
                    .map_err(|_| "has a password that is not UTF-8".to_owned())?;
                Some(Secret::new(text))
            }
        };
        let named = |name: Option<&str>| name.filter(|name| !name.is_empty()).map(str::to_owned);
        if config.get_ports().contains(&0) {
            return Err("has port 0; ports go from 1 to 65535".to_owned());
        }
        let (user, dbname) = (named(config.get_user()), named(config.get_dbname()));
        if password.is_some() && user.is_none() {
            return Err("has a password and no user".to_owned());
        }
        let hosts = HostList::new(hosts, config.get_ports())?;
        let (choice, tls) = (HostChoice::default(), UrlTls::default());
        Ok(Self { hosts, choice, user, password, dbname, tls })
    }
}

fn host(host: &Host) -> Result<String, String> {
    match host {
        Host::Tcp(host) if host.contains('@') => {
            Err("has an `@` in the host; one in the password is written %40".to_owned())
        }
        Host::Tcp(host) if host.is_empty() => Ok("localhost".to_owned()),
        Host::Tcp(host) => Ok(host.clone()),
        Host::Unix(directory) => match directory.to_str() {
            Some(directory) => Ok(directory.to_owned()),
            None => Err("names a directory that is not UTF-8".to_owned()),
        },
    }
}
