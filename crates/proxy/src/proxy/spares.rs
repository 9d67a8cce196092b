//! File descriptors that are kept back for when there are no others.
//!
//! A process without descriptors cannot accept: clients would hang in the system's queue, and the
//! system would report the same connection again and again. With one that was kept back a client is
//! let in for as long as it takes to tell it why it must go.

use std::fs::File;
use std::io;
use std::sync::Arc;

use nix::errno::Errno;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Descriptors kept back: so many clients can be told at the same time. One that is silent keeps its
/// for a second, and must not keep the others waiting.
const SPARES: usize = 8;

/// Whether the process, or the system, has no descriptor left.
pub(super) fn is_exhausted(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    code == Some(Errno::EMFILE as i32) || code == Some(Errno::ENFILE as i32)
}

/// Descriptors that are kept back.
#[derive(Debug, Default)]
pub(crate) struct Spares {
    inner: Mutex<Inner>,
    returned: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    kept: Vec<File>,
    lent: usize,
}

impl Spares {
    /// Keeps back as many as there should be, as far as there are any. Cheap when there are.
    pub(super) fn fill(&self) {
        self.inner.lock().fill();
    }

    /// Gives one back to the system, for a connection that is accepted or opened next.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Spare> {
        let mut inner = self.inner.lock();
        inner.kept.pop()?;
        inner.lent += 1;
        Some(Spare(Arc::clone(self)))
    }

    /// Until one comes back. Cancel-safe.
    pub(super) async fn returned(&self) {
        self.returned.notified().await;
    }
}

impl Inner {
    fn fill(&mut self) {
        while self.kept.len() + self.lent < SPARES
            && let Ok(file) = File::open("/dev/null")
        {
            self.kept.push(file);
        }
    }
}

/// A descriptor that was kept back is in use. To be dropped after what uses it.
#[derive(Debug)]
pub(crate) struct Spare(Arc<Spares>);

impl Drop for Spare {
    fn drop(&mut self) {
        let mut inner = self.0.inner.lock();
        inner.lent = inner.lent.saturating_sub(1);
        inner.fill();
        drop(inner);
        self.0.returned.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lent_is_kept_back_again_when_it_is_returned() {
        let spares = Arc::new(Spares::default());
        assert!(spares.take().is_none(), "nothing is kept back yet");
        spares.fill();
        let lent: Vec<_> = std::iter::from_fn(|| spares.take()).collect();
        assert_eq!(lent.len(), SPARES);
        spares.fill();
        assert!(spares.take().is_none(), "those that are lent count");
        drop(lent);
        assert_eq!(spares.inner.lock().kept.len(), SPARES);
    }

    #[test]
    fn only_what_is_exhausted_is_exhausted() {
        assert!(is_exhausted(&io::Error::from_raw_os_error(Errno::EMFILE as i32)));
        assert!(is_exhausted(&io::Error::from_raw_os_error(Errno::ENFILE as i32)));
        assert!(!is_exhausted(&io::Error::from_raw_os_error(Errno::ECONNABORTED as i32)));
        assert!(!is_exhausted(&io::ErrorKind::NotConnected.into()));
    }
}
