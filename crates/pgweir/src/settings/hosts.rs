//! The hosts of a server, and which of them will do.

use std::fmt;
use std::time::Duration;

use proxy::{LoadBalance, ServerAddress, TargetSessionAttrs, Wish};

use super::resolve::Reader;
use super::values::{self, Raw};
use super::written::Section;

/// The port where none is written.
const DEFAULT_PORT: u16 = 5432;

/// Hosts with their ports, in the order in which they are written; there is at least one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostList {
    first: (String, u16),
    others: Vec<(String, u16)>,
}

impl HostList {
    /// A single host.
    #[must_use]
    pub fn one(host: impl Into<String>, port: u16) -> Self {
        Self { first: (host.into(), port), others: Vec::new() }
    }

    /// Hosts, each with its port; one port is that of all, none is 5432.
    ///
    /// # Errors
    /// What does not go together.
    pub(super) fn new(hosts: Vec<String>, ports: &[u16]) -> Result<Self, String> {
        let count = hosts.len();
        if ports.len() > 1 && ports.len() != count {
            return Err(format!(
                "names {count} hosts and {} ports; write one port for all, or one for each",
                ports.len()
            ));
        }
        let port =
            |index: usize| ports.get(index).or(ports.first()).copied().unwrap_or(DEFAULT_PORT);
        let mut all = hosts.into_iter().enumerate().map(|(index, host)| (host, port(index)));
        let first = all.next().ok_or("names no host")?;
        Ok(Self { first, others: all.collect() })
    }

    /// The first host and its port.
    #[must_use]
    pub fn first(&self) -> (&str, u16) {
        (&self.first.0, self.first.1)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u16)> {
        std::iter::once(&self.first).chain(&self.others).map(|(host, port)| (host.as_str(), *port))
    }

    /// Whether there are several.
    #[must_use]
    pub fn are_several(&self) -> bool {
        !self.others.is_empty()
    }

    /// The same hosts, all with this port or each with one of these.
    pub(super) fn with_ports(&self, ports: &[u16]) -> Result<Self, String> {
        Self::new(self.iter().map(|(host, _)| host.to_owned()).collect(), ports)
    }

    /// As the data path takes them.
    #[must_use]
    pub fn addresses(&self) -> Vec<ServerAddress> {
        self.iter().map(|(host, port)| ServerAddress::new(host, port)).collect()
    }

    /// As the analyser takes them.
    #[must_use]
    pub fn pairs(&self) -> Vec<(String, u16)> {
        self.iter().map(|(host, port)| (host.to_owned(), port)).collect()
    }
}

/// As a URL has them.
impl fmt::Display for HostList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (host, port)) in self.iter().enumerate() {
            if position > 0 {
                f.write_str(",")?;
            }
            if host.starts_with('/') {
                // As libpq takes it.
                write!(f, "{}:{port}", host.replace('/', "%2F"))?;
            } else if host.contains(':') {
                write!(f, "[{host}]:{port}")?;
            } else {
                write!(f, "{host}:{port}")?;
            }
        }
        Ok(())
    }
}

/// Which of several hosts will do, as far as that is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostChoice {
    /// `target_session_attrs`.
    pub attrs: Option<TargetSessionAttrs>,
    /// `load_balance_hosts`.
    pub balance: Option<LoadBalance>,
    /// `max_replica_lag`; zero is no bound.
    pub max_lag: Option<Duration>,
}

impl HostChoice {
    /// What a URL says of it; false if the parameter is about something else.
    ///
    /// # Errors
    /// What is wrong with its value.
    pub(super) fn take(&mut self, name: &str, value: &str) -> Result<bool, String> {
        let raw = Raw::Text(value.to_owned());
        // The URL may hold a password: its parts are not quoted.
        let wrong = |expected: &str| format!("has an unknown {name}; use {expected}");
        match name {
            "target_session_attrs" => self.attrs = Some(attrs(&raw).map_err(|_| wrong(ATTRS))?),
            "load_balance_hosts" => self.balance = Some(balance(&raw).map_err(|_| wrong(BALANCE))?),
            "max_replica_lag" => {
                let lag = values::duration(&raw);
                self.max_lag = Some(lag.map_err(|_| wrong("a duration, such as 10s"))?);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What a section says of it.
    pub(super) fn read(reader: &mut Reader, at: (&str, &Section)) -> Self {
        Self {
            attrs: reader.key(at, "target_session_attrs", attrs),
            balance: reader.key(at, "load_balance_hosts", balance),
            max_lag: reader.key(at, "max_replica_lag", values::duration),
        }
    }

    /// What is not written is as in `other`.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            attrs: self.attrs.or(other.attrs),
            balance: self.balance.or(other.balance),
            max_lag: self.max_lag.or(other.max_lag),
        }
    }

    /// What a pool wants of these hosts. Who names several servers and does not say more wants the
    /// one that can be written to, and to be led to the next one when that is lost.
    #[must_use]
    pub fn wish(self, hosts: &HostList) -> Wish {
        let usual = match hosts.are_several() {
            true => TargetSessionAttrs::ReadWrite,
            false => TargetSessionAttrs::Any,
        };
        Wish {
            attrs: self.attrs.unwrap_or(usual),
            balance: self.balance.unwrap_or_default(),
            max_lag: self.max_lag.filter(|lag| !lag.is_zero()),
        }
    }
}

const ATTRS: &str = "any, read-write, read-only, primary, standby or prefer-standby";
const BALANCE: &str = "disable, round-robin or random";

/// libpq's words.
pub(super) fn attrs(raw: &Raw) -> Result<TargetSessionAttrs, String> {
    let text = values::text(raw)?;
    TargetSessionAttrs::parse(&text).ok_or_else(|| format!("`{text}` is none of them; use {ATTRS}"))
}

/// PgBouncer's words, and libpq's.
pub(super) fn balance(raw: &Raw) -> Result<LoadBalance, String> {
    let text = values::text(raw)?;
    LoadBalance::parse(&text).ok_or_else(|| format!("`{text}` is none of them; use {BALANCE}"))
}

/// A host, or several: a list, or text with commas between.
pub(super) fn hosts(raw: &Raw) -> Result<Vec<String>, String> {
    if let Raw::Text(_) = raw {
        values::text(raw)?;
    }
    let hosts = values::list(raw).map_err(|wrong| match raw {
        Raw::List(_) => wrong,
        _ => format!("{wrong}, or one name"),
    })?;
    if hosts.is_empty() { Err("names no host".to_owned()) } else { Ok(hosts) }
}

/// A port, or one for each host: a list, or text with commas between.
pub(super) fn ports(raw: &Raw) -> Result<Vec<u16>, String> {
    match raw {
        Raw::List(items) => items.iter().map(values::port).collect(),
        Raw::Text(text) if text.contains(',') => {
            text.split(',').map(|port| values::port(&Raw::Text(port.trim().to_owned()))).collect()
        }
        one => values::port(one).map(|port| vec![port]),
    }
}
