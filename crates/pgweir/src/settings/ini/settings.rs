//! The section `[pgbouncer]`: each setting, written or by PgBouncer's default, to what is ours.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::Path;

use super::lines::find_file;
use super::notes::{NoteKind, PgBouncerFile};
use super::table::{Becomes, INI_SETTINGS, IniSetting};
use super::value;
use crate::settings::problem::Origin;
use crate::settings::values::Raw;
use crate::settings::written::{Written, WrittenValue};

/// What the section says.
#[derive(Default)]
pub(super) struct Own {
    /// Whether there is such a section.
    pub(super) begun: bool,
    written: BTreeMap<&'static str, (Origin, String)>,
}

impl Own {
    /// The section begins. PgBouncer sets all to their defaults there, each time.
    pub(super) fn begin(&mut self, origin: &Origin, warnings: &mut Vec<String>) {
        if std::mem::replace(&mut self.begun, true) && !self.written.is_empty() {
            self.written.clear();
            warnings.push(format!(
                "{origin}: [pgbouncer] begins again: as in PgBouncer, what it said before is forgotten"
            ));
        }
    }

    pub(super) fn set(&mut self, setting: &IniSetting, origin: Origin, value: String) {
        self.written.insert(setting.name, (origin, value));
    }

    /// Where a database without a host is: in the directory of the Unix sockets, if there is one.
    pub(super) fn socket_directory(&self, path: &Path) -> Option<String> {
        let (_, directory) = self.value("unix_socket_dir");
        let directory = (!directory.is_empty()).then(|| find_file(directory, path))?;
        Some(directory.display().to_string())
    }

    /// A value as written, or by default.
    fn value(&self, name: &str) -> (Origin, &str) {
        match self.written.get(name) {
            Some((origin, value)) => (origin.clone(), value),
            None => {
                let setting = INI_SETTINGS.iter().find(|setting| setting.name == name);
                (Origin::Default, setting.map_or("", |setting| setting.default))
            }
        }
    }

    /// Puts all that is read into `to`, and notes what is not as in PgBouncer.
    pub(super) fn translate(&self, to: &mut Written, file: &mut PgBouncerFile, path: &Path) {
        for setting in INI_SETTINGS {
            if let Some((_, text)) = self.written.get(setting.name) {
                note(file, setting, text);
            }
            if matches!(setting.becomes, Becomes::Unneeded(_) | Becomes::NotOffered(_)) {
                continue;
            }
            let (origin, text) = self.value(setting.name);
            // PgBouncer's own default is too short for a storm of logins.
            if origin == Origin::Default && setting.name == "listen_backlog" {
                continue;
            }
            if origin == Origin::Default && !text.is_empty() {
                file.by_default.push(setting.name);
            }
            match setting.name {
                "listen_addr" => self.listen(to),
                "listen_port" => {}
                "verbose" => verbosity(to, origin, text),
                // PgBouncer's "not at all".
                "max_prepared_statements" if value::number(text) == Some(0) => {}
                _ if text.is_empty() => {}
                name => {
                    // Where a relative path begins, if not in the working directory.
                    let beside = match &origin {
                        Origin::File { path, .. } => path.as_path(),
                        _ => path,
                    };
                    put(to, name, origin.clone(), value::raw(setting.kind, text, beside));
                }
            }
        }
    }

    /// `listen_addr` and `listen_port` are one setting of ours.
    fn listen(&self, to: &mut Written) {
        let (port_origin, port_text) = self.value("listen_port");
        let Some(port) = value::number(port_text).and_then(|port| u16::try_from(port).ok()) else {
            let message = format!("`{port_text}` is not a port; write a number up to 65535");
            return to.problem(port_origin, "listen_port", &message);
        };
        let (origin, addresses) = self.value("listen_addr");
        let mut found = Vec::new();
        for address in addresses.split(',').map(str::trim).filter(|address| !address.is_empty()) {
            match resolve(address, port) {
                Ok(several) => found.extend(several),
                Err(why) => to.problem(origin.clone(), "listen_addr", &why),
            }
        }
        found.dedup();
        if found.is_empty() {
            // Only by Unix socket, whose name has the port all the same.
            put(to, "listen", origin, Raw::Text("off".to_owned()));
            put(to, "unix_socket_port", port_origin, Raw::Integer(i64::from(port)));
        } else {
            let found = found.iter().map(|address| Raw::Text(address.to_string())).collect();
            put(to, "listen", origin, Raw::List(found));
        }
    }
}

fn put(to: &mut Written, name: &'static str, origin: Origin, raw: Raw) {
    to.settings.insert(name, WrittenValue { raw, origin });
}

fn note(file: &mut PgBouncerFile, setting: &IniSetting, text: &str) {
    match setting.becomes {
        Becomes::Same => {}
        Becomes::Different(how) => file.note(setting.name, NoteKind::Different, how),
        Becomes::Unneeded(why) => file.note(setting.name, NoteKind::Unneeded, why),
        // What asks for nothing misses nothing.
        Becomes::NotOffered(_) if value::is_default(setting, text) => {}
        Becomes::NotOffered(why) => file.note(setting.name, NoteKind::NotOffered, why),
    }
}

fn verbosity(to: &mut Written, origin: Origin, text: &str) {
    if origin == Origin::Default {
        return;
    }
    let level = match value::number(text) {
        Some(0) => "info",
        Some(1) => "debug",
        Some(2..) => "trace",
        _ => {
            return to.problem(origin, "verbose", &format!("`{text}` is not a number from 0 to 3"));
        }
    };
    put(to, "log_level", origin, Raw::Text(level.to_owned()));
}

/// One of `listen_addr`: `*`, an address, or a name.
fn resolve(address: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let both = |v4: Ipv4Addr, v6: Ipv6Addr| {
        vec![SocketAddr::from((v4, port)), SocketAddr::from((v6, port))]
    };
    match address {
        "*" => return Ok(both(Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED)),
        "localhost" => return Ok(both(Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST)),
        _ => {}
    }
    if let Ok(ip) = address.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::from((ip, port))]);
    }
    match (address, port).to_socket_addrs() {
        Ok(found) => Ok(found.collect()),
        Err(error) => Err(format!("`{address}` is neither an address nor a name: {error}")),
    }
}
