//! The process that is there: offers what it has to whoever takes over, and sees its clients off.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::{Context, bail};
use model::MarkKind;
use proxy::{Listeners, Proxy};
use tokio::net::UnixStream;
use tokio::sync::{Mutex, watch};

use super::link::Link;
use super::parting::Parting;
use super::spawn::Program;
use super::{ControlSocket, Message, PROTOCOL, SocketKind};
use crate::run::history::Past;
use crate::run::marks::Marks;
use crate::run::reloader::Reloader;
use crate::run::service_manager;

/// How long a process that connects may take to say what it wants.
const FIRST_WORD: Duration = Duration::from_secs(5);
/// How long a successor may take for each of its steps; reading keys and certificates is one.
const STEP: Duration = Duration::from_secs(120);

/// Who waits here would not hear of the successor's RESUME.
const PAUSED: &str = "it is paused: RESUME first";

/// What a process has that another may take over.
pub(crate) struct Incumbent {
    pub(crate) proxy: Proxy,
    /// Gone as soon as nobody is let in any more.
    pub(crate) listeners: Weak<Listeners>,
    pub(crate) http: Option<OwnedFd>,
    pub(crate) past: Past,
    pub(crate) reloader: Arc<Reloader>,
    pub(crate) marks: Arc<Marks>,
    pub(crate) program: Program,
    pub(crate) standing: Standing,
}

/// Where a process stands between the one before and the one after it.
#[derive(Default)]
pub(crate) struct Standing {
    /// One successor at a time.
    offering: Mutex<()>,
    /// Held by whoever has asked for a successor and is to be told what came of it.
    asking: Mutex<()>,
    /// Who has taken over.
    successor: watch::Sender<Option<u32>>,
    pub(super) parting: Mutex<Option<Arc<Parting>>>,
}

impl Incumbent {
    /// Answers whoever connects to the control socket, for ever. Cancel-safe: what was begun goes on.
    pub(crate) async fn stand_by(self: Arc<Self>, control: Option<Arc<ControlSocket>>) {
        let Some(control) = control else { return std::future::pending().await };
        let mut successor = self.standing.successor.subscribe();
        loop {
            let accepted = tokio::select! {
                accepted = control.listener.accept() => accepted,
                // From here on the successor answers on this socket.
                _ = successor.wait_for(Option::is_some) => return std::future::pending().await,
            };
            match accepted {
                Ok((stream, _)) => {
                    let (this, control) = (Arc::clone(&self), Arc::clone(&control));
                    tokio::spawn(async move {
                        if let Err(error) = this.answer(stream, &control).await {
                            tracing::warn!("takeover: {error:#}; this process goes on");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!("takeover: {error}");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    /// Returns once another process serves in this one's place. Cancel-safe.
    pub(crate) async fn was_succeeded(&self) {
        let mut successor = self.standing.successor.subscribe();
        // It lives as long as this does.
        let _ = successor.wait_for(Option::is_some).await;
    }

    async fn answer(
        self: Arc<Self>,
        stream: UnixStream,
        control: &ControlSocket,
    ) -> anyhow::Result<()> {
        let link = Link::new(stream);
        let peer = link.peer_uid()?;
        if peer != 0 && peer != rustix::process::geteuid().as_raw() {
            bail!("user {peer} asks, who may not");
        }
        let Ok(said) = tokio::time::timeout(FIRST_WORD, link.receive()).await else {
            return Ok(());
        };
        match said? {
            Some((Message::Hello { protocol, pid, version }, _)) => {
                let Ok(_turn) = self.standing.offering.try_lock() else {
                    return refuse(&link, "another process is taking over already").await;
                };
                if protocol != PROTOCOL {
                    return refuse(&link, "its version hands over in another way").await;
                }
                if self.proxy.is_draining() {
                    return refuse(&link, "it is shutting down, or was taken over from").await;
                }
                if self.proxy.is_paused() {
                    return refuse(&link, PAUSED).await;
                }
                tracing::info!("takeover: process {pid}, pgweir {version}, gets ready");
                self.offer(link, pid, control).await
            }
            Some((Message::StartSuccessor, _)) => {
                let _turn = self.standing.asking.lock().await;
                let outcome = self.succeed_by_own_child().await;
                Ok(link.send(&Message::Outcome(outcome), &[]).await?)
            }
            // Whoever only looks whether somebody is here.
            None => Ok(()),
            _ => bail!("a message that makes no sense here"),
        }
    }

    async fn offer(
        self: &Arc<Self>,
        link: Link,
        pid: u32,
        control: &ControlSocket,
    ) -> anyhow::Result<()> {
        self.send_sockets(&link, control).await?;
        expect(&link, "get ready", |said| matches!(said, Message::Prepared)).await?;
        // Until its clients are handed over, or the successor has failed.
        let Some(_holds_nothing) = self.proxy.hold_nothing() else {
            return refuse(&link, PAUSED).await;
        };
        // Returned as it is dropped, which happens here if the successor fails.
        let loan = match &self.past.history {
            Some(history) => Some(history.lend().await?),
            None => None,
        };
        link.send(&Message::HistoryFree, &[]).await?;
        expect(&link, "serve", |said| matches!(said, Message::Serving)).await?;

        tracing::info!("takeover: process {pid} serves; clients go on there as they become idle");
        control.leave();
        if let Some(listeners) = self.listeners.upgrade() {
            listeners.leave_file();
        }
        let limit = self.reloader.settings().takeover_timeout;
        let parting = Parting::begin(link, loan, self.past.clone(), &self.proxy, limit);
        *self.standing.parting.lock().await = Some(parting);
        self.standing.successor.send_replace(Some(pid));
        // The file is the successor's: this waits until it is lent, like all that is measured here.
        self.marks.add(MarkKind::Shutdown, format!("taken over by process {pid}"));
        service_manager::main_process_is(pid);
        Ok(())
    }

    async fn send_sockets(&self, link: &Link, control: &ControlSocket) -> anyhow::Result<()> {
        let listeners = self.listeners.upgrade().context("nobody is let in any more")?;
        let (mut kinds, mut sockets) = (Vec::new(), Vec::new());
        for passed in listeners.duplicate()? {
            kinds.push(SocketKind::Clients { activated: passed.activated });
            sockets.push(passed.socket);
        }
        // What is held here keeps them open.
        drop(listeners);
        if let Some(http) = &self.http {
            kinds.push(SocketKind::Http);
            sockets.push(http.try_clone()?);
        }
        kinds.push(SocketKind::Control);
        sockets.push(control.duplicate()?);
        let numbers_from = self.proxy.numbers_for_successor();
        let sockets: Vec<_> = sockets.iter().map(AsFd::as_fd).collect();
        link.send(&Message::Sockets { kinds, numbers_from }, &sockets).await?;
        Ok(())
    }

    /// Starts a successor, and waits until it serves or has ended.
    async fn succeed_by_own_child(&self) -> Result<u32, String> {
        let mut successor = self.standing.successor.subscribe();
        let mut child = self.program.start().map_err(|error| error.to_string())?;
        tokio::select! {
            biased;
            who = successor.wait_for(Option::is_some) => {
                who.ok().and_then(|who| *who).ok_or_else(|| "the process has ended".to_owned())
            }
            ended = child.wait() => {
                let how = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
                Err(format!("the successor has ended ({how}), and its log says why; \
                             process {} goes on", std::process::id()))
            }
        }
    }

    /// Writes what was measured since the last minute and frees the history: to be called at the end.
    /// A process that another has taken over from, and whose own `before` is not at its end, waits for
    /// that: it stands between the two.
    pub(crate) async fn take_leave(&self, before: Option<watch::Receiver<bool>>) {
        let _told = tokio::time::timeout(FIRST_WORD, self.standing.asking.lock()).await;
        let parting = self.standing.parting.lock().await.clone();
        match parting {
            Some(parting) => {
                if let Some(mut before) = before {
                    // An error says the same: it has ended.
                    let _ = before.wait_for(|is_over| *is_over).await;
                }
                parting.write_history(true).await;
            }
            None => self.past.close().await,
        }
    }
}

async fn refuse(link: &Link, why: &str) -> anyhow::Result<()> {
    link.send(&Message::Refused(why.to_owned()), &[]).await?;
    bail!("refused: {why}")
}

async fn expect(
    link: &Link,
    what: &str,
    is_it: impl FnOnce(&Message) -> bool,
) -> anyhow::Result<()> {
    let received = tokio::time::timeout(STEP, link.receive()).await;
    match received.with_context(|| format!("the successor takes too long to {what}"))? {
        Ok(Some((said, _))) if is_it(&said) => Ok(()),
        Ok(Some(_)) => bail!("the successor says what makes no sense here"),
        Ok(None) => bail!("the successor has ended before it could {what}"),
        Err(error) => Err(error).with_context(|| format!("the successor could not {what}")),
    }
}
