//! A TCP relay that cuts, stalls and trickles on command.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::ledger::Ledger;

/// How a link ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    Reset,
    Close,
    /// Only what flows to the server ends; answers still come.
    Half,
}

/// What a link does with what flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Pass,
    /// Nothing flows.
    Stall,
    /// So many bytes at a time, with a pause of a millisecond.
    Trickle(usize),
    /// Ends when so many more bytes have flowed to the client; at once if none.
    End(usize, Cut),
    /// One side was reset, so the other is too.
    Broken,
}

#[derive(Debug)]
struct Link {
    mode: watch::Sender<Mode>,
    /// Bytes to go before the cut.
    left: AtomicUsize,
}

/// A relay to one address.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    target: SocketAddr,
    links: Mutex<Vec<Arc<Link>>>,
    refuses: AtomicBool,
    ledger: Arc<Ledger>,
    what: &'static str,
}

impl Relay {
    /// `what` names the cuts in the ledger.
    pub(crate) async fn start(
        target: SocketAddr,
        ledger: Arc<Ledger>,
        what: &'static str,
    ) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (links, refuses) = (Mutex::default(), AtomicBool::new(false));
        let relay = Arc::new(Self { address, target, links, refuses, ledger, what });
        let accepting = Arc::clone(&relay);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let relay = Arc::clone(&accepting);
                tokio::spawn(async move { relay.carry(stream).await });
            }
        });
        relay
    }

    /// Links that are up.
    pub(crate) fn links(&self) -> usize {
        let mut links = self.links.lock();
        links.retain(|link| !link.mode.is_closed());
        links.len()
    }

    /// Changes what a link does; it may be gone. One that is to end stays so: both its directions must
    /// see it.
    pub(crate) fn set(&self, link: usize, mode: Mode) {
        if let Some(link) = self.links.lock().get(link) {
            link.mode.send_if_modified(|now| {
                let lives = !matches!(now, Mode::End(..) | Mode::Broken);
                if lives {
                    if let Mode::End(bytes, _) = mode {
                        link.left.store(bytes, Ordering::Relaxed);
                    }
                    *now = mode;
                }
                lives
            });
        }
    }

    /// Changes what all links do.
    pub(crate) fn set_all(&self, mode: Mode) {
        for link in 0..self.links() {
            self.set(link, mode);
        }
    }

    /// Whether new connections are refused.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::Relaxed);
    }

    async fn carry(&self, client: TcpStream) {
        if self.refuses.load(Ordering::Relaxed) {
            return;
        }
        let Ok(server) = TcpStream::connect(self.target).await else { return };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let link =
            Arc::new(Link { mode: watch::Sender::new(Mode::Pass), left: AtomicUsize::new(0) });
        self.links.lock().push(Arc::clone(&link));
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::join!(
            self.pump(from_client, to_server, &link, link.mode.subscribe(), true),
            self.pump(from_server, to_client, &link, link.mode.subscribe(), false),
        );
    }

    /// Carries bytes one way until either side ends, or the link is cut.
    async fn pump(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        link: &Link,
        mut mode: watch::Receiver<Mode>,
        to_server: bool,
    ) {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let now = *mode.borrow_and_update();
            let limit = match now {
                Mode::Pass => buffer.len(),
                Mode::Stall => {
                    let _ = mode.changed().await;
                    continue;
                }
                Mode::Trickle(bytes) => {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    bytes.min(buffer.len())
                }
                Mode::Broken => {
                    let _ = to.as_ref().set_zero_linger();
                    return to.forget();
                }
                Mode::End(_, cut) => match link.left.load(Ordering::Relaxed) {
                    0 => return self.end(cut, to_server, from, to).await,
                    left => left.min(buffer.len()),
                },
            };
            let read = tokio::select! {
                read = from.read(&mut buffer[..limit]) => read,
                _ = mode.changed() => continue,
            };
            let count = match read {
                // The other direction goes on: half of a connection may end first.
                Ok(0) => return,
                Ok(count) => count,
                Err(_) => {
                    link.mode.send_replace(Mode::Broken);
                    continue;
                }
            };
            if to.write_all(&buffer[..count]).await.is_err() {
                link.mode.send_replace(Mode::Broken);
                continue;
            }
            if matches!(now, Mode::End(..)) && !to_server {
                let left = link.left.load(Ordering::Relaxed).saturating_sub(count);
                link.left.store(left, Ordering::Relaxed);
                // The other direction looks again.
                link.mode.send_modify(|_| {});
            }
        }
    }

    async fn end(
        &self,
        cut: Cut,
        to_server: bool,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
    ) {
        if !to_server {
            self.ledger.fault(self.what, Instant::now(), Duration::from_millis(300));
        }
        match cut {
            Cut::Reset => {
                let _ = to.as_ref().set_zero_linger();
                to.forget();
            }
            Cut::Close => drop(to),
            Cut::Half if to_server => drop(to),
            Cut::Half => {
                let _ = tokio::io::copy(&mut from, &mut to).await;
            }
        }
    }
}
