//! What a failed login costs: a pause that grows with each failure of one user from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// After the first failure, and twice as long after each further one.
const FIRST: Duration = Duration::from_millis(150);
/// Never longer.
const LONGEST: Duration = Duration::from_secs(3);
/// Without a failure for so long, it begins anew.
const FORGOTTEN: Duration = Duration::from_secs(60);
/// Kept at most, so that invented names do not fill the memory.
const CAPACITY: usize = 10_000;

/// The failures of late.
#[derive(Debug, Default)]
pub struct FailedLogins(HashMap<Who, Failures>);

/// The address (none for a Unix socket) and the user that it claims to be.
type Who = (Option<IpAddr>, String);

#[derive(Debug)]
struct Failures {
    count: u32,
    last: Instant,
}

impl FailedLogins {
    /// Takes note of a failure. Returns how long the answer is to be held back; `chance`, from 0
    /// to 1, makes it up to a third shorter or longer, so that the time of the answer tells nothing
    /// of the time that the check took.
    pub fn failed(
        &mut self,
        address: Option<IpAddr>,
        user: &str,
        now: Instant,
        chance: f64,
    ) -> Duration {
        let who = (address, user.to_owned());
        if self.0.len() >= CAPACITY && !self.0.contains_key(&who) {
            self.make_room(now);
        }
        let failures = self.0.entry(who).or_insert(Failures { count: 0, last: now });
        if now.duration_since(failures.last) >= FORGOTTEN {
            failures.count = 0;
        }
        failures.last = now;
        failures.count = failures.count.saturating_add(1);
        let doubled = FIRST.saturating_mul(1 << (failures.count - 1).min(10));
        doubled.mul_f64(1.0 + (chance.clamp(0.0, 1.0) - 0.5) * 2.0 / 3.0).min(LONGEST)
    }

    /// Takes note of a success: the next failure is the first again.
    pub fn succeeded(&mut self, address: Option<IpAddr>, user: &str) {
        // Nearly always there is nothing to forget.
        if !self.0.is_empty() {
            self.0.remove(&(address, user.to_owned()));
        }
    }

    /// Forgets what is old, or else everything: whoever can fill it can wait for the former too.
    fn make_room(&mut self, now: Instant) {
        self.0.retain(|_, failures| now.duration_since(failures.last) < FORGOTTEN);
        if self.0.len() >= CAPACITY {
            self.0.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    #[test]
    fn the_pause_grows_up_to_its_bound() {
        let mut failed = FailedLogins::default();
        let now = Instant::now();
        let pauses: Vec<u128> =
            (0..7).map(|_| failed.failed(HOME, "amy", now, 0.5).as_millis()).collect();
        assert_eq!(pauses, [150, 300, 600, 1200, 2400, 3000, 3000]);
        for _ in 0..100 {
            assert!(failed.failed(HOME, "amy", now, 1.0) <= LONGEST);
        }
    }

    #[test]
    fn others_are_not_punished() {
        let mut failed = FailedLogins::default();
        let now = Instant::now();
        for _ in 0..5 {
            failed.failed(HOME, "amy", now, 0.5);
        }
        assert_eq!(failed.failed(HOME, "bob", now, 0.5), FIRST);
        assert_eq!(failed.failed(None, "amy", now, 0.5), FIRST);
        failed.succeeded(HOME, "amy");
        assert_eq!(failed.failed(HOME, "amy", now, 0.5), FIRST);
        failed.failed(HOME, "amy", now, 0.5);
        assert_eq!(failed.failed(HOME, "amy", now + FORGOTTEN, 0.5), FIRST);
    }

    #[test]
    fn chance_moves_it_by_a_third() {
        let now = Instant::now();
        let first = |chance| FailedLogins::default().failed(HOME, "amy", now, chance).as_millis();
        assert_eq!((first(0.0), first(1.0), first(7.0)), (100, 200, 200));
    }

    #[test]
    fn invented_names_do_not_fill_the_memory() {
        let mut failed = FailedLogins::default();
        let now = Instant::now();
        for number in 0..3 * CAPACITY {
            failed.failed(HOME, &number.to_string(), now, 0.5);
        }
        assert!(failed.0.len() <= CAPACITY);
    }
}
