//! How `pgweir report` finds and may ask the pgweir of this machine and user without being told: a
//! file with the admin console's URL and a password made at start, readable by its owner only.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use proxy::Listeners;

use crate::cli::RunArguments;
use crate::settings::Settings;

/// How long a pgweir of this machine may take to accept a connection.
const KNOCK: Duration = Duration::from_secs(1);

/// The user that the file's URL logs in as.
pub(crate) const LOCAL_ADMIN: &str = "pgweir_local";

/// The file, while pgweir runs. Removed when dropped.
#[derive(Debug)]
pub(super) struct LocalAdmin {
    file: PathBuf,
    /// The process that has taken over has written its own.
    is_left: AtomicBool,
}

impl Drop for LocalAdmin {
    fn drop(&mut self) {
        if !self.is_left.load(Ordering::Acquire) {
            let _ = fs::remove_file(&self.file);
        }
    }
}

/// The folder for what pgweir keeps: as set, or the platform's state folder.
pub(crate) fn state_directory(data_dir: Option<&Path>) -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let given = data_dir.map(Path::to_path_buf);
    // What systemd made for the service (systemd.exec(5)); of several the first.
    let of_service = || {
        let folders = variable("STATE_DIRECTORY")?;
        std::env::split_paths(&folders).next()
    };
    let of_user = || {
        let state = variable("XDG_STATE_HOME").map(PathBuf::from);
        let usual =
            if cfg!(target_os = "macos") { "Library/Application Support" } else { ".local/state" };
        let state = state.or_else(|| Some(PathBuf::from(variable("HOME")?).join(usual)));
        state.map(|state| state.join("pgweir"))
    };
    given.or_else(of_service).or_else(of_user)
}

fn file_in(directory: &Path, port: u16) -> PathBuf {
    directory.join(format!("admin-{port}.url"))
}

impl LocalAdmin {
    /// Writes the file. None, with a warning, where none can be written: then `--admin` must be
    /// given.
    pub(super) fn write(
        settings: &Settings,
        listeners: &Listeners,
        password: &str,
    ) -> Option<Self> {
        let directory = state_directory(settings.data_dir.as_deref())?;
        let file = file_in(&directory, listeners.port());
        let reached = place(listeners)?;
        let url = format!("postgres://{LOCAL_ADMIN}:{password}@{reached}/pgweir\n");
        match write_private(&directory, &file, &url) {
            Ok(()) => Some(Self { file, is_left: AtomicBool::new(false) }),
            Err(error) => {
                tracing::warn!(
                    "cannot write {}: {error}; `pgweir report` will need --admin",
                    file.display()
                );
                None
            }
        }
    }
}

impl LocalAdmin {
    /// The file is another process's from now on.
    pub(super) fn leave(&self) {
        self.is_left.store(true, Ordering::Release);
    }
}

/// Where it listens, as a URL has it.
fn place(listeners: &Listeners) -> Option<String> {
    if let Some(mut address) = listeners.addresses().into_iter().next() {
        if address.ip().is_unspecified() {
            let is_v4 = address.is_ipv4();
            let v6 = Ipv6Addr::LOCALHOST.into();
            address.set_ip(if is_v4 { Ipv4Addr::LOCALHOST.into() } else { v6 });
        }
        return Some(address.to_string());
    }
    let directory = listeners.unix_socket()?.parent()?.to_str()?;
    Some(format!("{}:{}", utf8_percent_encode(directory, NON_ALPHANUMERIC), listeners.port()))
}

fn write_private(directory: &Path, file: &Path, text: &str) -> std::io::Result<()> {
    fs::create_dir_all(directory)?;
    // A new file each time: one that somebody else left there keeps its owner and mode.
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    file.write_all(text.as_bytes())
}

/// The URL of the pgweir of this machine and user, whose state is where `pgweir run`, started here,
/// would keep it, or in the usual folder: that on the port it would listen on, or the only one there is.
pub(crate) fn find() -> Option<String> {
    let resolved = RunArguments::default().settings(std::env::vars_os()).ok();
    let settings = resolved.map(|resolved| resolved.settings).unwrap_or_default();
    let variable = std::env::var_os("PGWEIR_DATA_DIR").map(PathBuf::from);
    let port = settings.port();
    let folders = [settings.data_dir.or(variable), None];
    folders.iter().find_map(|folder| find_in(&state_directory(folder.as_deref())?, port))
}

fn find_in(directory: &Path, port: u16) -> Option<String> {
    let mut urls = Vec::new();
    for entry in fs::read_dir(directory).ok()?.filter_map(Result::ok) {
        let name = entry.file_name();
        let Some(its_port) = port_in(&name.to_string_lossy()) else { continue };
        // One that was killed left its file behind.
        if let Ok(url) = fs::read_to_string(entry.path())
            && is_listening(&url)
        {
            urls.push((its_port, url.trim().to_owned()));
        }
    }
    match &urls[..] {
        [(_, only)] => Some(only.clone()),
        several => {
            several.iter().find(|(its_port, _)| *its_port == port).map(|(_, url)| url.clone())
        }
    }
}

fn port_in(name: &str) -> Option<u16> {
    name.strip_prefix("admin-")?.strip_suffix(".url")?.parse().ok()
}

/// Whether somebody listens where the URL points.
fn is_listening(url: &str) -> bool {
    let address = url.trim().split_once('@').and_then(|(_, rest)| rest.split_once('/'));
    let Some((address, _)) = address else { return false };
    if let Ok(address) = address.parse() {
        return TcpStream::connect_timeout(&address, KNOCK).is_ok();
    }
    let Some((directory, port)) = address.rsplit_once(':') else { return false };
    let directory = percent_decode_str(directory).decode_utf8_lossy();
    UnixStream::connect(format!("{directory}/.s.PGSQL.{port}")).is_ok()
}
