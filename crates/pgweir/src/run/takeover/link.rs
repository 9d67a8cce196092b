//! Messages and sockets between two processes: a length (4 bytes, the first in front), then JSON.
//! Sockets travel with the length (unix(7), SCM_RIGHTS).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::Mutex;

use super::Message;

/// Sockets with one message.
const MAX_SOCKETS: usize = 32;
/// A message is no longer: a client may have prepared many statements.
const MAX_BYTES: usize = 256 * 1024 * 1024;
/// Read at a time, so that no length is believed.
const CHUNK_BYTES: usize = 64 * 1024;

/// A connection to the other process. One task receives; any may send.
#[derive(Debug)]
pub(super) struct Link {
    stream: UnixStream,
    sending: Mutex<()>,
}

impl Link {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self { stream, sending: Mutex::new(()) }
    }

    /// The user that the other process runs as.
    pub(super) fn peer_uid(&self) -> io::Result<u32> {
        Ok(self.stream.peer_cred()?.uid())
    }

    /// Sends a message. Not cancel-safe: dropped, the link is of no use any more.
    pub(super) async fn send(
        &self,
        message: &Message,
        sockets: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        if sockets.len() > MAX_SOCKETS {
            return Err(io::Error::other(format!("{} sockets are too many", sockets.len())));
        }
        let body = serde_json::to_vec(message)?;
        let length = u32::try_from(body.len()).map_err(io::Error::other)?.to_be_bytes();
        let _turn = self.sending.lock().await;
        let mut sent = self
            .stream
            .async_io(Interest::WRITABLE, || send_with(&self.stream, &length, sockets))
            .await?;
        while sent < length.len() {
            sent += self.write(&length[sent..]).await?;
        }
        let mut sent = 0;
        while sent < body.len() {
            sent += self.write(&body[sent..]).await?;
        }
        Ok(())
    }

    async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.async_io(Interest::WRITABLE, || self.stream.try_write(bytes)).await
    }

    /// The next message; none is the end. Not cancel-safe: dropped, the link is of no use any more.
    ///
    /// # Errors
    /// The socket's, and that it is no message.
    pub(super) async fn receive(&self) -> io::Result<Option<(Message, Vec<OwnedFd>)>> {
        let (mut length, mut have, mut sockets) = ([0; 4], 0, Vec::new());
        while have < length.len() {
            let read = self
                .stream
                .async_io(Interest::READABLE, || {
                    receive_with(&self.stream, &mut length[have..], &mut sockets)
                })
                .await?;
            match read {
                0 if have == 0 => return Ok(None),
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                _ => have += read,
            }
        }
        let length = u32::from_be_bytes(length) as usize;
        if length > MAX_BYTES {
            return Err(io::Error::other("a message that is too long"));
        }
        let mut body = Vec::new();
        while body.len() < length {
            let have = body.len();
            body.resize(length.min(have + CHUNK_BYTES), 0);
            let read = self
                .stream
                .async_io(Interest::READABLE, || self.stream.try_read(&mut body[have..]))
                .await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            body.truncate(have + read);
        }
        // The text of the error would have some of what was sent, which may be secret.
        let message = serde_json::from_slice(&body)
            .map_err(|_| io::Error::other("a message of another version of pgweir"))?;
        Ok(Some((message, sockets)))
    }
}

fn send_with(stream: &UnixStream, bytes: &[u8], sockets: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_SOCKETS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !sockets.is_empty() && !control.push(SendAncillaryMessage::ScmRights(sockets)) {
        return Err(io::Error::other("too many sockets"));
    }
    let sent = sendmsg(stream.as_fd(), &[IoSlice::new(bytes)], &mut control, SendFlags::empty())?;
    Ok(sent)
}

fn receive_with(
    stream: &UnixStream,
    bytes: &mut [u8],
    sockets: &mut Vec<OwnedFd>,
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_SOCKETS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received =
        recvmsg(stream.as_fd(), &mut [IoSliceMut::new(bytes)], &mut control, receive_flags())?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            sockets.extend(received);
        }
    }
    Ok(received.bytes)
}

/// No program that this process starts is to have them.
#[cfg(target_os = "linux")]
fn receive_flags() -> RecvFlags {
    RecvFlags::CMSG_CLOEXEC
}

/// Elsewhere they cannot be told so as they come; the only program that this process starts is its own
/// successor.
#[cfg(not(target_os = "linux"))]
fn receive_flags() -> RecvFlags {
    RecvFlags::empty()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    fn pair() -> (Link, Link) {
        let (one, other) = UnixStream::pair().unwrap();
        (Link::new(one), Link::new(other))
    }

    #[tokio::test]
    async fn a_socket_arrives_with_its_message_and_works() {
        let (one, other) = pair();
        let (mut kept, passed) = std::os::unix::net::UnixStream::pair().unwrap();
        one.send(&Message::Prepared, &[]).await.unwrap();
        one.send(&Message::Taken, &[passed.as_fd(), passed.as_fd()]).await.unwrap();
        one.send(&Message::Serving, &[]).await.unwrap();
        drop((one, passed));
        let (message, sockets) = other.receive().await.unwrap().unwrap();
        assert!(matches!(message, Message::Prepared) && sockets.is_empty());
        let (message, mut sockets) = other.receive().await.unwrap().unwrap();
        assert!(matches!(message, Message::Taken) && sockets.len() == 2);
        let mut received = std::os::unix::net::UnixStream::from(sockets.remove(0));
        received.write_all(b"x").unwrap();
        let mut byte = [0];
        kept.read_exact(&mut byte).unwrap();
        assert_eq!(byte, *b"x");
        let (message, sockets) = other.receive().await.unwrap().unwrap();
        assert!(matches!(message, Message::Serving) && sockets.is_empty());
        assert!(other.receive().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_long_message_arrives_whole_and_nonsense_is_refused() {
        let (one, other) = pair();
        let text = "x".repeat(5_000_000);
        let sent = async {
            one.send(&Message::Refused(text.clone()), &[]).await.unwrap();
            one.write(b"\0\0\0\x02{}").await.unwrap();
        };
        let ((), received) = tokio::join!(sent, other.receive());
        let (message, _) = received.unwrap().unwrap();
        assert!(matches!(message, Message::Refused(received) if received == text));
        assert!(other.receive().await.is_err());
    }
}
