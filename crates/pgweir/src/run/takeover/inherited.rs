//! What a process begins with: sockets of the process before it, or of the service manager.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use anyhow::Context;
use proxy::PassedListeners;
use tokio::sync::watch;

use super::{ControlSocket, Incumbent, successor::Predecessor};
use crate::cli::RunArguments;
use crate::run::local_admin::state_directory;
use crate::run::service_manager::Activation;
use crate::settings::Settings;

/// What was there before this process.
pub(crate) struct Inherited {
    /// Where clients come in.
    pub(crate) listeners: PassedListeners,
    /// Metrics and health: of the service manager, which is used in any case.
    pub(crate) activated_http: Option<OwnedFd>,
    /// The same of the process before.
    pub(crate) http: Option<OwnedFd>,
    control: Option<OwnedFd>,
    predecessor: Option<Predecessor>,
}

impl Inherited {
    /// What the service manager has given, and, if this process is to take over, what the one before
    /// has.
    ///
    /// # Errors
    /// The process before refuses, or cannot be understood.
    pub(crate) async fn find(
        arguments: &RunArguments,
        settings: &Settings,
        activation: Activation,
    ) -> anyhow::Result<Self> {
        let Activation { mut listeners, http: activated_http } = activation;
        let mut predecessor = None;
        if arguments.takeover {
            let directory = state_directory(settings.data_dir.as_deref());
            let found = Predecessor::find(directory.as_deref(), settings.port()).await;
            predecessor = found.context("cannot take over")?;
            if predecessor.is_none() {
                tracing::info!("there is no process to take over from");
            }
        }
        let (mut http, mut control) = (None, None);
        if let Some(predecessor) = &mut predecessor {
            (http, control) = (predecessor.http.take(), predecessor.control.take());
            if listeners.is_empty() {
                listeners = std::mem::take(&mut predecessor.listeners);
            }
        }
        Ok(Self { listeners, activated_http, http, control, predecessor })
    }

    /// Returns when the history can be opened here.
    ///
    /// # Errors
    /// The process before is gone.
    pub(crate) async fn release_history(&self) -> anyhow::Result<()> {
        match &self.predecessor {
            Some(predecessor) => predecessor.release_history().await,
            None => Ok(()),
        }
    }

    /// Where the next process will find this one.
    pub(crate) async fn control_socket(
        &mut self,
        settings: &Settings,
        port: u16,
    ) -> Option<Arc<ControlSocket>> {
        let directory = state_directory(settings.data_dir.as_deref());
        let passed = self.control.take();
        ControlSocket::open(directory.as_deref(), port, passed).await.map(Arc::new)
    }

    /// This process serves from now on; the receiver sees `true` when the one before has ended.
    ///
    /// # Errors
    /// It has ended already.
    pub(crate) async fn succeed(
        self,
        incumbent: &Arc<Incumbent>,
    ) -> anyhow::Result<Option<watch::Receiver<bool>>> {
        match self.predecessor {
            Some(predecessor) => predecessor.succeed(Arc::clone(incumbent)).await.map(Some),
            None => Ok(None),
        }
    }
}
