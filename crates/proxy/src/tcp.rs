//! What the system is asked to do with TCP connections.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// What the system is asked to do with TCP connections, to clients and to servers. What is none is left
/// to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpOptions {
    /// Whether a silent peer is asked whether it is still there.
    pub keepalive: bool,
    /// After how long a silence.
    pub keepalive_idle: Option<Duration>,
    /// How often, if it does not answer.
    pub keepalive_interval: Option<Duration>,
    /// After how many such questions it is gone.
    pub keepalive_count: Option<u32>,
    /// How long what was sent may go without being acknowledged.
    pub user_timeout: Option<Duration>,
    /// Bytes that the system may hold, in each direction.
    pub buffer_bytes: Option<usize>,
}

impl Default for TcpOptions {
    /// A peer that vanished without a word is noticed in about two minutes.
    fn default() -> Self {
        Self {
            keepalive: true,
            keepalive_idle: Some(Duration::from_secs(60)),
            keepalive_interval: Some(Duration::from_secs(15)),
            keepalive_count: Some(4),
            user_timeout: None,
            buffer_bytes: None,
        }
    }
}

impl TcpOptions {
    /// Asks for it. A system that does not know one of them serves without it.
    pub(crate) fn apply(&self, stream: &TcpStream) {
        let socket = SockRef::from(stream);
        let results = [
            self.set_keepalive(&socket),
            self.set_user_timeout(&socket),
            self.buffer_bytes.map_or(Ok(()), |bytes| socket.set_send_buffer_size(bytes)),
            self.buffer_bytes.map_or(Ok(()), |bytes| socket.set_recv_buffer_size(bytes)),
        ];
        for error in results.into_iter().filter_map(Result::err) {
            tracing::debug!("an option of a TCP connection is not set: {error}");
        }
    }

    fn set_keepalive(&self, socket: &SockRef<'_>) -> std::io::Result<()> {
        if !self.keepalive {
            return socket.set_keepalive(false);
        }
        let mut wanted = TcpKeepalive::new();
        if let Some(idle) = self.keepalive_idle {
            wanted = wanted.with_time(idle);
        }
        if let Some(interval) = self.keepalive_interval {
            wanted = wanted.with_interval(interval);
        }
        if let Some(count) = self.keepalive_count {
            wanted = wanted.with_retries(count);
        }
        socket.set_tcp_keepalive(&wanted)
    }

    #[cfg(target_os = "linux")]
    fn set_user_timeout(&self, socket: &SockRef<'_>) -> std::io::Result<()> {
        match self.user_timeout {
            Some(timeout) => socket.set_tcp_user_timeout(Some(timeout)),
            None => Ok(()),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn set_user_timeout(&self, _: &SockRef<'_>) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// The two ends of a connection.
    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connecting = TcpStream::connect(listener.local_addr().unwrap());
        let (connected, accepted) = tokio::join!(connecting, listener.accept());
        (connected.unwrap(), accepted.unwrap().0)
    }

    #[tokio::test]
    async fn the_sockets_of_both_kinds_have_what_was_asked_for() {
        let wanted = TcpOptions {
            keepalive: true,
            keepalive_idle: Some(Duration::from_secs(77)),
            keepalive_interval: Some(Duration::from_secs(7)),
            keepalive_count: Some(6),
            user_timeout: Some(Duration::from_millis(4_321)),
            buffer_bytes: Some(20_000),
        };
        let (connected, accepted) = pair().await;
        for stream in [&connected, &accepted] {
            wanted.apply(stream);
            let socket = SockRef::from(stream);
            assert!(socket.keepalive().unwrap());
            assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(77));
            assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(7));
            assert_eq!(socket.tcp_keepalive_retries().unwrap(), 6);
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_millis(4_321)));
            // Linux doubles it, for its own bookkeeping (socket(7)).
            assert_eq!(socket.send_buffer_size().unwrap(), 40_000);
            assert_eq!(socket.recv_buffer_size().unwrap(), 40_000);
        }
    }

    #[tokio::test]
    async fn what_is_not_asked_for_is_as_the_system_has_it() {
        let (untouched, stream) = pair().await;
        let wanted = TcpOptions {
            keepalive_idle: None,
            keepalive_interval: None,
            keepalive_count: None,
            ..TcpOptions::default()
        };
        wanted.apply(&stream);
        let (socket, of_system) = (SockRef::from(&stream), SockRef::from(&untouched));
        assert!(socket.keepalive().unwrap());
        let times = |socket: &SockRef<'_>| {
            (socket.tcp_keepalive_time().unwrap(), socket.tcp_keepalive_interval().unwrap())
        };
        assert_eq!(times(&socket), times(&of_system));
        assert_eq!(socket.tcp_user_timeout().unwrap(), None);
        let without = TcpOptions { keepalive: false, ..wanted };
        without.apply(&stream);
        assert!(!socket.keepalive().unwrap());
    }
}
