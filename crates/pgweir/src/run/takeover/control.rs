//! The socket on which a running process can be reached by the one that takes over.

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{UnixListener, UnixStream};

use super::Message;
use super::link::Link;

/// How long a process may take to accept a connection.
const KNOCK: Duration = Duration::from_secs(5);
/// Connections that wait to be accepted.
const BACKLOG: i32 = 16;

/// The socket, while this process can be reached there. Dropped, its file is removed.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    pub(super) listener: UnixListener,
    path: PathBuf,
    /// The successor has it.
    is_left: AtomicBool,
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if !self.is_left.load(Ordering::Acquire) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl ControlSocket {
    /// Opens the socket of the process that listens at `port`, or goes on with that of the process
    /// before. None, with a warning, where there can be none: then nobody can take over.
    pub(crate) async fn open(
        directory: Option<&Path>,
        port: u16,
        passed: Option<OwnedFd>,
    ) -> Option<Self> {
        let path = file_in(directory?, port);
        let opened = async {
            if let Some(passed) = passed.map(StdListener::from)
                && passed.local_addr()?.as_pathname() == Some(&path)
            {
                passed.set_nonblocking(true)?;
                return UnixListener::from_std(passed);
            }
            listen(&path).await
        };
        match opened.await {
            Ok(listener) => Some(Self { listener, path, is_left: AtomicBool::new(false) }),
            Err(error) => {
                tracing::warn!(
                    "{}: {error}; no process can take over from this one",
                    path.display()
                );
                None
            }
        }
    }

    pub(super) fn duplicate(&self) -> io::Result<OwnedFd> {
        self.listener.as_fd().try_clone_to_owned()
    }

    /// The successor goes on with it.
    pub(super) fn leave(&self) {
        self.is_left.store(true, Ordering::Release);
    }
}

fn file_in(directory: &Path, port: u16) -> PathBuf {
    directory.join(format!("takeover-{port}.sock"))
}

fn port_in(name: &str) -> Option<u16> {
    name.strip_prefix("takeover-")?.strip_suffix(".sock")?.parse().ok()
}

/// Listens where nobody does. Only this user, and root, may connect.
async fn listen(path: &Path) -> io::Result<UnixListener> {
    match UnixStream::connect(path).await {
        Ok(_) => return Err(io::Error::other("another pgweir listens there")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        // One that was killed left it behind.
        Err(_) => fs::remove_file(path)?,
    }
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    // Not before: until then nobody can connect who may not.
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    UnixListener::from_std(StdListener::from(OwnedFd::from(socket)))
}

/// A connection to the running process that listens at `port`; without one, or with 0, to the only one
/// that keeps its state in this folder. None if there is none. Cancel-safe.
///
/// # Errors
/// Several, of which none is meant; one that does not answer.
pub(crate) async fn find(
    directory: &Path,
    port: Option<u16>,
) -> anyhow::Result<Option<UnixStream>> {
    let mut found = Vec::new();
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context(directory.display().to_string()),
    };
    let wanted = port.filter(|port| *port != 0);
    for entry in entries.filter_map(Result::ok) {
        let Some(of) = port_in(&entry.file_name().to_string_lossy()) else { continue };
        if wanted.is_some_and(|wanted| wanted != of) {
            continue;
        }
        let path = entry.path();
        match tokio::time::timeout(KNOCK, UnixStream::connect(&path)).await {
            Ok(Ok(stream)) => found.push((of, stream)),
            // One that was killed left it behind.
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Ok(Err(error)) => return Err(error).context(path.display().to_string()),
            Err(_) => bail!("{} does not answer", path.display()),
        }
    }
    if found.len() > 1 {
        let mut ports: Vec<_> = found.iter().map(|(port, _)| port.to_string()).collect();
        ports.sort();
        bail!("several run here, with the ports {}: say which", ports.join(", "));
    }
    Ok(found.pop().map(|(_, stream)| stream))
}

/// Asks a running process to start its successor, and waits for what comes of it: the successor's
/// process id. Cancel-safe: what was begun goes on.
///
/// # Errors
/// Why nothing has changed.
pub(crate) async fn ask_to_be_succeeded(stream: UnixStream) -> anyhow::Result<u32> {
    let link = Link::new(stream);
    link.send(&Message::StartSuccessor, &[]).await.context("the running pgweir")?;
    match link.receive().await.context("the running pgweir")? {
        Some((Message::Outcome(Ok(pid)), _)) => Ok(pid),
        Some((Message::Outcome(Err(why)) | Message::Refused(why), _)) => bail!("{why}"),
        _ => bail!("the running pgweir has not said what came of it"),
    }
}
