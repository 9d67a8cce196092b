//! The process that takes over.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use proxy::{MovingClient, PassedListeners, PassedSocket, Proxy};
use tokio::sync::{mpsc, watch};

use super::incumbent::Incumbent;
use super::link::Link;
use super::{Message, PROTOCOL, SocketKind, control};

/// Cancel requests that wait to be handed on; more are lost, as any may be.
const CANCELS: usize = 256;

/// The process before this one, and what it has handed over.
pub(crate) struct Predecessor {
    link: Link,
    /// Where clients come in.
    pub(crate) listeners: PassedListeners,
    /// Metrics and health.
    pub(crate) http: Option<OwnedFd>,
    /// The control socket.
    pub(crate) control: Option<OwnedFd>,
    numbers_from: u64,
}

impl Predecessor {
    /// Asks the running process that keeps its state in this folder for all that it has; of several
    /// the one that listens at `port`. None if there is none: then there is nothing to take over.
    ///
    /// # Errors
    /// It refuses; it cannot be understood.
    pub(crate) async fn find(directory: Option<&Path>, port: u16) -> anyhow::Result<Option<Self>> {
        let Some(directory) = directory else { return Ok(None) };
        let mut found = control::find(directory, Some(port)).await?;
        if found.is_none() {
            // Its address was given to it by the service manager, or is to be another one from now on.
            found = control::find(directory, None).await?;
        }
        let Some(stream) = found else { return Ok(None) };
        let link = Link::new(stream);
        if link.peer_uid()? != rustix::process::geteuid().as_raw() {
            bail!("the running pgweir is another user's; it can only be taken over as that user");
        }
        let (pid, version) = (std::process::id(), env!("CARGO_PKG_VERSION").to_owned());
        link.send(&Message::Hello { protocol: PROTOCOL, pid, version }, &[]).await?;
        let (kinds, numbers_from, sockets) = match link.receive().await? {
            Some((Message::Sockets { kinds, numbers_from }, sockets)) => {
                (kinds, numbers_from, sockets)
            }
            Some((Message::Refused(why), _)) => bail!("the running pgweir refuses: {why}"),
            _ => bail!("the running pgweir does not hand over"),
        };
        if kinds.len() != sockets.len() {
            bail!("the running pgweir has handed over too few sockets: too many files are open");
        }
        let (listeners, http, control) = (Vec::new(), None, None);
        let mut found = Self { link, listeners, http, control, numbers_from };
        for (kind, socket) in kinds.into_iter().zip(sockets) {
            match kind {
                SocketKind::Clients { activated } => {
                    found.listeners.push(PassedSocket { socket, activated });
                }
                SocketKind::Http => found.http = Some(socket),
                SocketKind::Control => found.control = Some(socket),
            }
        }
        Ok(Some(found))
    }

    /// Returns when the history can be opened here. All that may fail must be done before.
    ///
    /// # Errors
    /// The other process is gone.
    pub(crate) async fn release_history(&self) -> anyhow::Result<()> {
        self.link.send(&Message::Prepared, &[]).await?;
        match self.link.receive().await.context("taking over the history")? {
            Some((Message::HistoryFree, _)) => Ok(()),
            Some((Message::Refused(why), _)) => bail!("the running pgweir refuses: {why}"),
            _ => bail!("the running pgweir does not let go of the history"),
        }
    }

    /// This process serves from now on. What is left of the other one is dealt with in tasks; the
    /// receiver sees `true` when nothing is.
    ///
    /// # Errors
    /// The other process is gone.
    pub(crate) async fn succeed(
        self,
        incumbent: Arc<Incumbent>,
    ) -> anyhow::Result<watch::Receiver<bool>> {
        let proxy = incumbent.proxy.clone();
        proxy.number_clients_from(self.numbers_from);
        self.link.send(&Message::Serving, &[]).await?;
        let (before, mut requests) = mpsc::channel(CANCELS);
        proxy.cancel_elsewhere(Some(before));
        let (is_over, over) = watch::channel(false);
        let link = Arc::new(self.link);
        let sending = Arc::clone(&link);
        tokio::spawn(async move {
            while let Some((process_id, key)) = requests.recv().await {
                // Gone: then nothing runs there.
                let _ = sending.send(&Message::Cancel { process_id, key }, &[]).await;
            }
        });
        tokio::spawn(async move {
            receive(&link, &incumbent).await;
            proxy.cancel_elsewhere(None);
            is_over.send_replace(true);
        });
        Ok(over)
    }
}

/// Takes in clients and lends the history until the other process is gone.
async fn receive(link: &Link, incumbent: &Incumbent) {
    let (mut adopted, mut loan, mut lent_on) = (0_u64, None, None);
    loop {
        let answer = match link.receive().await {
            Ok(Some((Message::Client(memento), sockets))) => {
                match adopt(&incumbent.proxy, memento, sockets) {
                    Ok(()) => {
                        adopted += 1;
                        Message::Taken
                    }
                    Err(why) => {
                        tracing::warn!("takeover: a client is not taken: {why:#}");
                        Message::NotTaken
                    }
                }
            }
            Ok(Some((Message::BorrowHistory, _))) => {
                let after = incumbent.standing.parting.lock().await.clone();
                match (after, &incumbent.past.history) {
                    (Some(after), _) => {
                        after.borrow_history().await;
                        lent_on = Some(after);
                    }
                    (None, Some(history)) => loan = history.lend().await.ok(),
                    (None, None) => {}
                }
                Message::HistoryLent
            }
            Ok(Some((Message::HistoryReturned, _))) => {
                loan = None;
                if let Some(after) = lent_on.take() {
                    after.return_history().await;
                }
                continue;
            }
            Ok(Some(_)) => continue,
            Ok(None) => break,
            Err(error) => {
                tracing::warn!("takeover: the process before: {error}");
                break;
            }
        };
        if link.send(&answer, &[]).await.is_err() {
            break;
        }
    }
    drop(loan);
    if let Some(after) = lent_on {
        after.return_history().await;
    }
    tracing::info!(
        clients = adopted,
        "takeover: the process before has ended; clients came from it"
    );
}

fn adopt(
    proxy: &Proxy,
    memento: Box<proxy::ClientMemento>,
    mut sockets: Vec<OwnedFd>,
) -> anyhow::Result<()> {
    let socket = sockets.pop().context("its socket has not come: too many files are open")?;
    Ok(proxy.adopt(MovingClient { memento: *memento, socket })?)
}
