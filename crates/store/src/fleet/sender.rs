//! The task that sends what waits, one parcel at a time, for as long as it takes.

use std::time::Duration;

use super::Fleet;
use crate::error::StoreError;
use crate::history::History;

/// Pauses after a failure, the first and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long to wait for rows before looking anyway.
const LOOK: Duration = Duration::from_secs(30);

pub(crate) struct Sender {
    fleet: Fleet,
    history: History,
    prepared: bool,
    away: bool,
}

impl Sender {
    pub(crate) fn new(fleet: Fleet, history: History) -> Self {
        Self { fleet, history, prepared: false, away: false }
    }

    /// Ends with the history's thread. May be cancelled at any time: what was not noted as sent is
    /// sent again, in its own place.
    pub(crate) async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.send_all().await {
                Ok(()) => {
                    self.note_back();
                    pause = FIRST_PAUSE;
                    let _ = tokio::time::timeout(LOOK, self.history.wait_for_rows()).await;
                }
                Err(StoreError::Closed) => return,
                Err(error) => {
                    self.note_away(&error);
                    self.prepared = false;
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn send_all(&mut self) -> Result<(), StoreError> {
        if !self.prepared {
            self.fleet.prepare().await?;
            self.prepared = true;
        }
        while let Some(parcel) = self.history.next_parcel().await? {
            self.fleet.send(&parcel).await?;
            self.history.sent(parcel).await?;
        }
        if let Some((instance, bounds)) = self.history.fleet_trim_due() {
            self.fleet.trim(&instance, &bounds, jiff::Timestamp::now()).await?;
        }
        Ok(())
    }

    fn note_away(&mut self, error: &StoreError) {
        if !std::mem::replace(&mut self.away, true) {
            tracing::warn!("{error}; rows for {} wait in the local history", self.fleet);
        }
    }

    fn note_back(&mut self) {
        if std::mem::replace(&mut self.away, false) {
            tracing::info!("the fleet's store {} has all rows again", self.fleet);
        }
    }
}
