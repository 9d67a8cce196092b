//! Logins take turns, so that a storm of them does not keep clients waiting that are at work.
//!
//! A login is a few dozen system calls and some hashing, or a TLS handshake. Hundreds that are ready
//! at once stand in the runtime's queue in front of every statement, and take the processors from
//! the server as well. So one login works at a time, from one read of its socket to the next; what
//! else is ready goes before it; and after some work there is a pause. Logins that wait for their
//! client or for the server keep nobody from working. As long as few wait for their turn there are no
//! pauses: an application that connects for each of its queries is no storm.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::task::yield_now;

/// Logins may take one processor in so many.
const ONE_PROCESSOR_IN: u32 = 12;
/// Logins may be ahead of their share by this, so that pauses are rare.
const AHEAD: Duration = Duration::from_millis(1);
/// So many that wait for their turn are a storm: together they are some ten milliseconds of work.
const STORM: usize = 64;
/// No step counts for more: then it was interrupted, by others who need the processor.
const LONGEST_STEP: Duration = Duration::from_millis(1);

/// The turns of all logins.
#[derive(Debug)]
pub(crate) struct Turns {
    /// When the work done until now is paid for. Held by whoever's turn it is; first come, first
    /// served.
    paid: Mutex<Instant>,
    /// What a time of work costs, in times, in a storm.
    price: u32,
    /// How many wait for their turn.
    waiting: AtomicUsize,
    /// How many of these are a storm.
    storm: usize,
}

impl Default for Turns {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let processors = u32::try_from(processors).unwrap_or(u32::MAX);
        Self::new((ONE_PROCESSOR_IN / processors).max(1), STORM)
    }
}

/// One that waits for its turn.
struct InLine<'a>(&'a AtomicUsize);

impl<'a> InLine<'a> {
    fn stand(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Turns {
    fn new(price: u32, storm: usize) -> Self {
        Self { paid: Mutex::new(Instant::now()), price, waiting: AtomicUsize::new(0), storm }
    }

    /// Runs a login, or a part of one, each step of it when it is its turn. As cancel-safe as that.
    pub(crate) async fn take<F: Future>(&self, login: F) -> F::Output {
        let mut login = pin!(login);
        loop {
            let in_line = InLine::stand(&self.waiting);
            let mut paid = self.paid.lock().await;
            drop(in_line);
            // Behind all that is ready now, and behind what the system reports next.
            yield_now().await;
            if *paid > Instant::now() + AHEAD {
                tokio::time::sleep_until((*paid).into()).await;
            }
            let began = Instant::now();
            let step = poll_fn(|cx| Poll::Ready(login.as_mut().poll(cx))).await;
            if self.waiting.load(Ordering::Relaxed) >= self.storm {
                *paid = began.max(*paid) + self.price * began.elapsed().min(LONGEST_STEP);
            }
            drop(paid);
            match step {
                Poll::Ready(output) => return output,
                Poll::Pending => woken().await,
            }
        }
    }
}

/// Until whoever waits is woken by what it has asked to be woken by.
async fn woken() {
    let mut asked = false;
    poll_fn(|_| match std::mem::replace(&mut asked, true) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;

    use super::*;

    /// Works for that long.
    fn work(time: Duration) {
        let began = Instant::now();
        while began.elapsed() < time {
            std::hint::spin_loop();
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn one_works_at_a_time_and_all_come_to_their_end() {
        let (turns, working) = (Arc::new(Turns::new(1, 0)), Arc::new(AtomicU32::new(0)));
        let logins: Vec<_> = (0..50)
            .map(|number| {
                let (turns, working) = (Arc::clone(&turns), Arc::clone(&working));
                tokio::spawn(async move {
                    let login = async {
                        for _ in 0..5 {
                            assert_eq!(working.fetch_add(1, Ordering::SeqCst), 0);
                            work(Duration::from_micros(20));
                            assert_eq!(working.fetch_sub(1, Ordering::SeqCst), 1);
                            tokio::time::sleep(Duration::from_micros(1)).await;
                        }
                        number
                    };
                    turns.take(login).await
                })
            })
            .collect();
        for (number, login) in logins.into_iter().enumerate() {
            assert_eq!(login.await.unwrap(), number);
        }
    }

    #[tokio::test]
    async fn who_waits_for_its_client_keeps_nobody_waiting() {
        let turns = Arc::new(Turns::new(1, 0));
        let (client, silent) = tokio::sync::oneshot::channel::<u8>();
        let first = Arc::clone(&turns);
        let first = tokio::spawn(async move { first.take(silent).await });
        for _ in 0..10 {
            turns.take(yield_now()).await;
        }
        assert!(!first.is_finished());
        client.send(7).unwrap();
        assert_eq!(first.await.unwrap(), Ok(7));
    }

    #[tokio::test]
    async fn a_login_that_panics_or_is_given_up_leaves_its_turn_to_the_next() {
        let turns = Arc::new(Turns::new(1, 0));
        let of_panic = Arc::clone(&turns);
        let panic = tokio::spawn(async move { of_panic.take(async { panic!("as a test") }).await });
        assert!(panic.await.is_err_and(|error| error.is_panic()));
        // One is given up in its step's pause, one while another has the turn.
        let paid = Instant::now() + Duration::from_secs(600);
        *turns.paid.lock().await = paid;
        let wait = Duration::from_millis(5);
        let (one, other) = tokio::join!(
            tokio::time::timeout(wait, turns.take(async {})),
            tokio::time::timeout(wait, turns.take(async {})),
        );
        assert!(one.is_err() && other.is_err());
        *turns.paid.lock().await = Instant::now();
        turns.take(async {}).await;
    }

    #[tokio::test]
    async fn work_is_paid_for_in_pauses() {
        let (turns, step) = (Turns::new(4, 0), Duration::from_micros(500));
        let began = Instant::now();
        for _ in 0..10 {
            turns.take(async { work(step) }).await;
        }
        // All but what is ahead, and the last step's own price.
        assert!(began.elapsed() + AHEAD >= 9 * 4 * step, "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn few_that_wait_make_no_pauses() {
        let turns = Turns::new(4, 3);
        let step = || turns.take(async { work(Duration::from_micros(500)) });
        let before = *turns.paid.lock().await;
        tokio::join!(step(), step(), step());
        assert_eq!(*turns.paid.lock().await, before);
        tokio::join!(step(), step(), step(), step());
        assert!(*turns.paid.lock().await > before);
        assert_eq!(turns.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn work_that_is_long_past_is_not_saved_up_for() {
        let turns = Turns::new(4, 0);
        turns.take(async { work(Duration::from_micros(500)) }).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        turns.take(async { work(Duration::from_micros(800)) }).await;
        let due = turns.paid.lock().await.saturating_duration_since(Instant::now());
        assert!(due > AHEAD, "{due:?}");
    }
}
