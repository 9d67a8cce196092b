//! One system call where a socket is known to be ready, and none where it is known not to be. tokio's own
//! `poll_read` and `poll_write` make the same calls, by way of the C library, for which a call of a program
//! with several threads is a point where one can be cancelled: that is a good part of what they cost. They
//! also leave the task's waker behind, which whoever finds a socket not ready has to do by them.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::net::{RecvFlags, SendFlags};
use tokio::io::Interest;

use crate::stream::Stream;

impl Stream {
    /// Reads once, and leaves no waker behind; none where the reactor is to be asked. So it always is with TLS.
    pub(crate) fn attempt_read<'b>(
        &self,
        room: &'b mut [MaybeUninit<u8>],
    ) -> Option<io::Result<&'b mut [u8]>> {
        let wanted = room.len();
        self.attempt(Interest::READABLE, wanted, |socket| {
            let ((read, _), _) = rustix::net::recv(socket, room, RecvFlags::empty())?;
            let count = read.len();
            Ok((read, count))
        })
    }

    /// Writes once, otherwise as [`Self::attempt_read`].
    pub(crate) fn attempt_write(&self, bytes: &[u8]) -> Option<io::Result<usize>> {
        self.attempt(Interest::WRITABLE, bytes.len(), |socket| {
            let count = rustix::net::send(socket, bytes, SendFlags::NOSIGNAL)?;
            Ok((count, count))
        })
    }

    /// `call` gives what it did, and to how many of the bytes that were `wanted`. Done to some of them, the
    /// socket is not ready any more (epoll(7), question 9): a second call would only say so, and tokio is
    /// told that it did.
    fn attempt<T>(
        &self,
        interest: Interest,
        wanted: usize,
        call: impl FnOnce(BorrowedFd<'_>) -> io::Result<(T, usize)>,
    ) -> Option<io::Result<T>> {
        let mut in_part = None;
        let note = |socket: BorrowedFd<'_>| {
            let (done, count) = call(socket)?;
            if 0 < count && count < wanted {
                in_part = Some(done);
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(done)
        };
        let whole = match self {
            Self::Tcp(stream) => stream.try_io(interest, || note(stream.as_fd())),
            Self::Unix(stream) => stream.try_io(interest, || note(stream.as_fd())),
            Self::Tls(_) | Self::Gone => return None,
        };
        match (in_part, whole) {
            (Some(done), _) => Some(Ok(done)),
            (None, Err(error)) if is_to_be_repeated(error.kind()) => None,
            (None, whole) => Some(whole),
        }
    }
}

fn is_to_be_repeated(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
