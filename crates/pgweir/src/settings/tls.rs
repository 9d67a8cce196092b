//! Encryption on both sides: modes, files, and what the server's URL says in their place.

use std::collections::HashMap;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use proxy::{ChannelBinding, ClientTls, ServerTls, ServerTlsFiles, SslMode, TlsPart, TlsProtocols};

use tokio_postgres::config;

use super::resolve::Reader;
use super::used::Settings;
use super::values::{self, Raw};

/// Encryption, ready for use.
#[derive(Clone, Debug)]
pub struct LoadedTls {
    /// Of clients.
    pub clients: ClientTls,
    /// Of servers, by what is written of them.
    pub servers: HashMap<ServerTlsFiles, ServerTls>,
}

/// A setting of encryption that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting} {message}")]
pub struct TlsProblem {
    /// Its name; `upstream` or `store` for what its URL says.
    pub setting: &'static str,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl Settings {
    /// Reads all certificates and keys.
    ///
    /// # Errors
    /// The first setting that is wrong.
    pub fn load_tls(&self) -> Result<LoadedTls, TlsProblem> {
        let clients = self.client_tls.load().map_err(|error| TlsProblem {
            setting: name(CLIENT_NAMES, error.part),
            message: error.message,
        })?;
        let mut servers = HashMap::new();
        let ways = self.upstreams.iter().map(|upstream| ("upstream", Some(&upstream.tls)));
        let store = self.history.store.iter().map(|store| ("store", Some(&store.tls)));
        for (setting, url) in ways.chain(store).chain([("", None)]) {
            let files = url.map_or_else(|| self.server_tls.clone(), |url| self.tls_of(url));
            if url.is_none() && !self.uses_server_tls() || servers.contains_key(&files) {
                continue;
            }
            let loaded = files.load().map_err(|error| match url {
                Some(url) if url.says(error.part) => TlsProblem {
                    setting,
                    message: format!("{} {}", name(URL_NAMES, error.part), error.message),
                },
                _ => TlsProblem { setting: name(SERVER_NAMES, error.part), message: error.message },
            })?;
            servers.insert(files, loaded);
        }
        Ok(LoadedTls { clients, servers })
    }

    /// Whether any database is reached by what `server_tls_…` says alone.
    fn uses_server_tls(&self) -> bool {
        let mut databases = self.databases.values().chain(&self.fallback);
        databases.any(|database| database.tls == self.server_tls)
    }

    /// What holds for a server given as a URL.
    pub(crate) fn tls_of(&self, url: &UrlTls) -> ServerTlsFiles {
        let own = url.clone();
        let UrlTls { mode, ca, certificate, key, direct, channel_binding } = own;
        let settings = self.server_tls.clone();
        ServerTlsFiles {
            mode: mode.unwrap_or(settings.mode),
            ca: ca.or(settings.ca),
            certificate: certificate.or(settings.certificate),
            key: key.or(settings.key),
            protocols: settings.protocols,
            direct,
            channel_binding,
        }
    }
}

/// Names of mode, authorities, certificate and key.
type Names = [&'static str; 4];

const CLIENT_NAMES: Names =
    ["client_tls_sslmode", "client_tls_ca_file", "client_tls_cert_file", "client_tls_key_file"];
const SERVER_NAMES: Names =
    ["server_tls_sslmode", "server_tls_ca_file", "server_tls_cert_file", "server_tls_key_file"];
const URL_NAMES: Names = ["sslmode", "sslrootcert", "sslcert", "sslkey"];

fn name(names: Names, part: TlsPart) -> &'static str {
    let [mode, ca, certificate, key] = names;
    match part {
        TlsPart::Mode => mode,
        TlsPart::Ca => ca,
        TlsPart::Certificate => certificate,
        TlsPart::Key => key,
    }
}

/// Reads the settings; their files are read when all is known.
pub(super) fn scalars(reader: &mut Reader, settings: &mut Settings) {
    let file = |raw: &Raw| values::path(raw).map(Some);
    let [mode, ca, certificate, key] = CLIENT_NAMES;
    reader.set(&mut settings.client_tls.mode, mode, ssl_mode);
    reader.set(&mut settings.client_tls.ca, ca, file);
    reader.set(&mut settings.client_tls.certificate, certificate, file);
    reader.set(&mut settings.client_tls.key, key, file);
    reader.set(&mut settings.client_tls.protocols, "client_tls_protocols", protocols);
    let [mode, ca, certificate, key] = SERVER_NAMES;
    reader.set(&mut settings.server_tls.mode, mode, ssl_mode);
    reader.set(&mut settings.server_tls.ca, ca, file);
    reader.set(&mut settings.server_tls.certificate, certificate, file);
    reader.set(&mut settings.server_tls.key, key, file);
    reader.set(&mut settings.server_tls.protocols, "server_tls_protocols", protocols);
}

/// Reads the files, so that a wrong one is found at start and at its place.
pub(super) fn check_files(reader: &mut Reader, settings: &Settings) {
    if !reader.problems.is_empty() {
        return;
    }
    if let Err(TlsProblem { setting, message }) = settings.load_tls() {
        let origin = reader.origin(setting);
        reader.problem(origin, setting, message);
    }
}

/// `disable`, `allow`, `prefer`, `require`, `verify-ca` or `verify-full`.
fn ssl_mode(raw: &Raw) -> Result<SslMode, String> {
    let text = values::text(raw)?;
    SslMode::parse(&text).ok_or_else(|| format!("`{text}` is not a mode; use {MODES}"))
}

const MODES: &str = "disable, allow, prefer, require, verify-ca or verify-full";

/// PgBouncer's words: a list of versions, or `secure`, `all`, `legacy`.
fn protocols(raw: &Raw) -> Result<TlsProtocols, String> {
    let (mut v1_2, mut v1_3) = (false, false);
    let names = values::list(raw)?;
    for name in &names {
        match name.as_str() {
            "tlsv1.2" => v1_2 = true,
            "tlsv1.3" => v1_3 = true,
            "secure" | "all" | "legacy" => (v1_2, v1_3) = (true, true),
            "tlsv1" | "tlsv1.0" | "tlsv1.1" => {
                return Err(format!("{name} is not offered: it is broken; use tlsv1.2, tlsv1.3"));
            }
            _ => return Err(format!("`{name}` is not a version; use tlsv1.2, tlsv1.3 or secure")),
        }
    }
    match (v1_2, v1_3) {
        (true, true) => Ok(TlsProtocols::Secure),
        (true, false) => Ok(TlsProtocols::V1_2),
        (false, true) => Ok(TlsProtocols::V1_3),
        (false, false) => Err("is empty; use tlsv1.2, tlsv1.3 or secure".to_owned()),
    }
}

/// What a server's URL says of encryption, in libpq's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UrlTls {
    mode: Option<SslMode>,
    ca: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    direct: bool,
    channel_binding: ChannelBinding,
}

impl UrlTls {
    /// Takes what a URL says of encryption out of it.
    ///
    /// # Errors
    /// What is wrong with it, in words that do not quote the URL.
    pub(crate) fn take_out(url: &str) -> Result<(String, Self), String> {
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let mut tls = Self::default();
        let mut rest = Vec::new();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            if !tls.take(name, value)? {
                rest.push(parameter);
            }
        }
        let separator = if rest.is_empty() { "" } else { "?" };
        Ok((format!("{address}{separator}{}", rest.join("&")), tls.settle()?))
    }

    /// Takes one parameter of the URL; false if it is not about encryption.
    ///
    /// # Errors
    /// What is wrong with its value.
    pub(super) fn take(&mut self, name: &str, value: &str) -> Result<bool, String> {
        let wrong = |expected: &str| Err(format!("has an unknown {name}; use {expected}"));
        let file = || {
            let decoded = percent_decode_str(value).decode_utf8();
            let decoded = decoded.map_err(|_| format!("has a {name} that is not UTF-8"))?;
            Ok::<_, String>((!decoded.is_empty()).then(|| PathBuf::from(decoded.into_owned())))
        };
        match name {
            "sslmode" => match SslMode::parse(value) {
                Some(mode) => self.mode = Some(mode),
                None => return wrong(MODES),
            },
            "sslrootcert" => self.ca = file()?,
            "sslcert" => self.certificate = file()?,
            "sslkey" => self.key = file()?,
            "sslnegotiation" => match value {
                "postgres" => self.direct = false,
                "direct" => self.direct = true,
                _ => return wrong("postgres or direct"),
            },
            "channel_binding" => match value {
                "disable" => self.channel_binding = ChannelBinding::Disable,
                "prefer" => self.channel_binding = ChannelBinding::Prefer,
                "require" => self.channel_binding = ChannelBinding::Require,
                _ => return wrong("disable, prefer or require"),
            },
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// libpq's rules on what goes together.
    ///
    /// # Errors
    /// What does not.
    pub(super) fn settle(mut self) -> Result<Self, String> {
        let system = self.ca.as_ref().is_some_and(|file| file.as_os_str() == "system");
        match self.mode {
            // Anybody can get a certificate of a public authority: the name must be looked at.
            None if system => self.mode = Some(SslMode::VerifyFull),
            Some(mode) if system && mode != SslMode::VerifyFull => {
                return Err(format!(
                    "has sslrootcert=system with sslmode={mode}; use sslmode=verify-full"
                ));
            }
            // As libpq does for those who have a file of authorities and do not say more.
            Some(SslMode::Require) if self.ca.is_some() => self.mode = Some(SslMode::VerifyCa),
            _ => {}
        }
        Ok(self)
    }

    fn says(&self, part: TlsPart) -> bool {
        match part {
            TlsPart::Mode => self.mode.is_some() || self.direct,
            TlsPart::Ca => self.ca.is_some(),
            TlsPart::Certificate => self.certificate.is_some(),
            TlsPart::Key => self.key.is_some(),
        }
    }
}

/// The same for connections of tokio-postgres, which does not know `allow`: as `prefer`. None for no
/// encryption.
pub(crate) fn for_tokio_postgres(tls: &ServerTls) -> Option<catalog::Tls> {
    Some(catalog::Tls {
        config: tls.config()?,
        is_optional: tls.mode() < SslMode::Require,
        is_direct: tls.is_direct(),
        channel_binding: match tls.channel_binding() {
            ChannelBinding::Disable => config::ChannelBinding::Disable,
            ChannelBinding::Prefer => config::ChannelBinding::Prefer,
            ChannelBinding::Require => config::ChannelBinding::Require,
        },
        end_point_hash: proxy::end_point_hash,
    })
}
