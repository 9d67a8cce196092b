//! The Unix socket that clients of this machine connect to.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{UnixListener, UnixStream};

use crate::error::ProxyError;
use crate::settings::UnixSocketPlace;
use crate::stream::socket_name;

/// How long whoever listens on a socket that is there already may take to show it.
const KNOCK: Duration = Duration::from_secs(2);

/// A Unix socket and its file.
#[derive(Debug)]
pub(super) struct UnixSocket {
    listener: UnixListener,
    /// None if the service manager has made it, which looks after it.
    file: Option<SocketFile>,
    path: Option<PathBuf>,
}

impl UnixSocket {
    /// Listens. A socket that nobody listens on any more is replaced.
    pub(super) async fn open(
        place: &UnixSocketPlace,
        port: u16,
        backlog: u32,
    ) -> Result<Self, ProxyError> {
        let path = place.directory.join(socket_name(port));
        let refuse = |why| ProxyError::Socket { path: path.clone(), why };
        remove_stale(&path).await.map_err(refuse)?;
        Self::bind(place, &path, backlog).map_err(|error| refuse(explained(&error)))
    }

    fn bind(place: &UnixSocketPlace, path: &Path, backlog: u32) -> io::Result<Self> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(path)?)?;
        let file = SocketFile::made(path)?;
        if place.group.is_some() {
            chown(path, None, place.group)?;
        }
        fs::set_permissions(path, Permissions::from_mode(place.mode))?;
        // Not before: until then nobody can connect who may not.
        socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        socket.set_nonblocking(true)?;
        let listener = StdListener::from(OwnedFd::from(socket));
        Ok(Self::new(UnixListener::from_std(listener)?, Some(file)))
    }

    fn new(listener: UnixListener, file: Option<SocketFile>) -> Self {
        let local = listener.local_addr();
        let path = local.ok().and_then(|local| local.as_pathname().map(Path::to_path_buf));
        Self { listener, file, path }
    }

    /// One that the service manager has made.
    pub(super) fn activated(listener: StdListener) -> io::Result<Self> {
        Ok(Self::new(UnixListener::from_std(listener)?, None))
    }

    /// One that the process before this one has made; none if it is not at this place.
    pub(super) fn go_on(
        place: &UnixSocketPlace,
        port: u16,
        listener: StdListener,
    ) -> io::Result<Option<Self>> {
        let path = place.directory.join(socket_name(port));
        let local = listener.local_addr()?;
        if local.as_pathname() != Some(&path) {
            return Ok(None);
        }
        let file = SocketFile::made(&path).ok();
        Ok(Some(Self::new(UnixListener::from_std(listener)?, file)))
    }

    /// The same socket, for another process.
    pub(super) fn duplicate(&self) -> io::Result<OwnedFd> {
        self.listener.as_fd().try_clone_to_owned()
    }

    /// Another process goes on with it: the file stays.
    pub(super) fn leave_file(&self) {
        if let Some(file) = &self.file {
            file.stays.store(true, Ordering::Release);
        }
    }

    /// None for one without a name in the file system.
    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The next client. Cancel-safe.
    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        Ok(self.listener.accept().await?.0)
    }
}

fn explained(error: &io::Error) -> String {
    let hint = match error.kind() {
        ErrorKind::NotFound => "; unix_socket_dir must be a directory that there is",
        ErrorKind::PermissionDenied => {
            "; the user that pgweir runs as must be allowed to make files in unix_socket_dir, and \
             be in unix_socket_group"
        }
        _ => "",
    };
    format!("{error}{hint}")
}

/// Removes a socket that a process has left behind which did not end in good order. Whether somebody
/// listens on it only shows when one connects.
async fn remove_stale(path: &Path) -> Result<(), String> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(explained(&error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err("a file is there that is no socket; remove it, or choose another \
                        unix_socket_dir"
                .to_owned());
        }
        Ok(_) => {}
    }
    match tokio::time::timeout(KNOCK, UnixStream::connect(path)).await {
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => {
            tracing::info!("removing {}, which nobody listens on", path.display());
            fs::remove_file(path).map_err(|error| explained(&error))
        }
        Ok(Err(error)) if error.kind() == ErrorKind::NotFound => Ok(()),
        Ok(Err(error)) if error.kind() != ErrorKind::WouldBlock => Err(explained(&error)),
        _ => Err("somebody listens there: a PostgreSQL, or another pooler with this port; give \
                  `listen` another port, or choose another unix_socket_dir"
            .to_owned()),
    }
}

/// A socket's file. Dropped, it is removed, unless another one has taken its place.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
    stays: AtomicBool,
}

impl SocketFile {
    fn made(path: &Path) -> io::Result<Self> {
        let (path, identity) = (path.to_owned(), identity(path)?);
        Ok(Self { path, identity, stays: AtomicBool::new(false) })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let stays = self.stays.load(Ordering::Acquire);
        if !stays && identity(&self.path).is_ok_and(|found| found == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKLOG: u32 = 16;

    fn place(directory: &Path) -> UnixSocketPlace {
        UnixSocketPlace { directory: directory.to_owned(), port: None, mode: 0o640, group: None }
    }

    fn refusal(result: Result<UnixSocket, ProxyError>) -> String {
        result.err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[tokio::test]
    async fn a_socket_has_its_mode_serves_and_is_gone_at_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let socket = UnixSocket::open(&place(directory.path()), 6432, BACKLOG).await.unwrap();
        assert_eq!(socket.path().unwrap(), directory.path().join(".s.PGSQL.6432"));
        let mode = fs::metadata(socket.path().unwrap()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        let (connected, accepted) =
            tokio::join!(UnixStream::connect(socket.path().unwrap()), socket.accept());
        let stream = crate::stream::Stream::Unix(accepted.unwrap());
        assert_eq!(stream.peer_address(), model::Address::Unix { port: 6432 });
        assert_eq!(stream.peer_process(), i32::try_from(std::process::id()).ok());
        let other_end = crate::stream::Stream::Unix(connected.unwrap());
        assert_eq!(other_end.local_address(), model::Address::Unix { port: 6432 });
        drop(socket);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".s.PGSQL.6432");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "as a process that was killed leaves it");
        let first = UnixSocket::open(&place(directory.path()), 6432, BACKLOG).await.unwrap();
        let refused = refusal(UnixSocket::open(&place(directory.path()), 6432, BACKLOG).await);
        assert!(refused.contains("somebody listens there"), "{refused}");
        UnixStream::connect(&path).await.unwrap();
        UnixSocket::open(&place(directory.path()), 6433, BACKLOG).await.unwrap();
        drop(first);
    }

    #[tokio::test]
    async fn what_is_not_ours_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".s.PGSQL.6432");
        fs::write(&path, "a text").unwrap();
        let refused = refusal(UnixSocket::open(&place(directory.path()), 6432, BACKLOG).await);
        assert!(refused.contains("no socket"), "{refused}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "a text");
        fs::remove_file(&path).unwrap();

        let socket = UnixSocket::open(&place(directory.path()), 6432, BACKLOG).await.unwrap();
        fs::remove_file(&path).unwrap();
        let successor = UnixSocket::open(&place(directory.path()), 6432, BACKLOG).await.unwrap();
        drop(socket);
        UnixStream::connect(successor.path().unwrap()).await.unwrap();
    }

    #[tokio::test]
    async fn why_there_is_none_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let nowhere = directory.path().join("no/such");
        let refused = refusal(UnixSocket::open(&place(&nowhere), 6432, BACKLOG).await);
        assert!(refused.contains("unix_socket_dir must be a directory"), "{refused}");
    }
}
