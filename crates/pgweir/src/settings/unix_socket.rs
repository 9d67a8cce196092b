//! The Unix socket that clients of this machine connect to.

use std::path::PathBuf;

use super::resolve::Reader;
use super::values::{self, Raw};

/// The longest path that a socket can have (`sun_path` in sockaddr_un), where it is shortest.
const MAX_PATH_BYTES: usize = 103;
/// The longest name of a socket in its directory.
const LONGEST_NAME: &str = "/.s.PGSQL.65535";

/// Where clients of this machine may connect, besides `listen`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixSocket {
    /// `unix_socket_dir`; none: nowhere.
    pub directory: Option<PathBuf>,
    /// `unix_socket_port`; none: that of `listen`.
    pub port: Option<u16>,
    /// `unix_socket_mode`.
    pub mode: u32,
    /// `unix_socket_group`.
    pub group: Option<Group>,
}

/// A group of the system's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its number.
    pub id: u32,
}

impl Default for UnixSocket {
    fn default() -> Self {
        Self { directory: None, port: None, mode: 0o777, group: None }
    }
}

impl UnixSocket {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut found = Self::default();
        reader.set(&mut found.directory, "unix_socket_dir", |raw| directory(raw).map(Some));
        reader.set(&mut found.port, "unix_socket_port", |raw| values::port(raw).map(Some));
        reader.set(&mut found.mode, "unix_socket_mode", mode);
        reader.set(&mut found.group, "unix_socket_group", |raw| group(raw).map(Some));
        if found.directory.is_none() {
            for name in ["unix_socket_port", "unix_socket_mode", "unix_socket_group"] {
                if reader.is_written(name) {
                    reader.warn(format!("{name} has no effect without unix_socket_dir"));
                }
            }
        }
        found
    }
}

fn directory(raw: &Raw) -> Result<PathBuf, String> {
    let text = values::text(raw)?;
    let path = PathBuf::from(&text);
    if text.starts_with('@') {
        return Err(format!("`{text}`: abstract sockets are not supported; write a directory"));
    }
    if !path.is_absolute() {
        return Err(format!("`{text}` is not an absolute path; write one, such as /run/pgweir"));
    }
    if text.len() + LONGEST_NAME.len() > MAX_PATH_BYTES {
        return Err(format!(
            "is {} bytes long; a socket's path is short: {} at most",
            text.len(),
            MAX_PATH_BYTES - LONGEST_NAME.len()
        ));
    }
    if !path.is_dir() {
        return Err(format!("`{text}` is not a directory that there is; make it first"));
    }
    Ok(path)
}

/// Octal digits, as chmod takes them. A number of TOML's would be taken for decimal.
fn mode(raw: &Raw) -> Result<u32, String> {
    let digits = match raw {
        Raw::Text(text) => text.trim(),
        _ => "",
    };
    let mode = u32::from_str_radix(digits, 8).ok();
    mode.filter(|mode| *mode <= 0o777 && digits.bytes().all(|digit| digit.is_ascii_digit()))
        .ok_or_else(|| "is not a file mode; write octal digits in quotes: \"0770\"".to_owned())
}

fn group(raw: &Raw) -> Result<Group, String> {
    let name = values::text(raw)?;
    match nix::unistd::Group::from_name(&name) {
        Ok(Some(group)) => Ok(Group { name, id: group.gid.as_raw() }),
        Ok(None) => Err(format!("there is no group `{name}` on this machine")),
        Err(error) => Err(format!("the system does not say who `{name}` is: {error}")),
    }
}
