//! Where a connection goes, and which of those that are open may stay.

use std::fmt::Display;
use std::time::Instant;

use super::{BELIEVED, Host, HostId, Hosts, Report, TIMELINE_KEPT, URGENT_FOR};
use super::{LoadBalance, TargetSessionAttrs, Wish};

/// One attempt to open a connection: which hosts it has tried.
#[derive(Clone, Debug, Default)]
pub struct Attempt {
    tried: Vec<HostId>,
    /// Where in the order it began.
    start: Option<usize>,
}

/// A host to be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub id: HostId,
    /// It is not what was wished for, but there is nothing better.
    pub is_second_best: bool,
}

/// What is to be said of a host for a wish, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fitness {
    /// It is what is wished for.
    Fit,
    /// Nobody knows.
    Unknown,
    /// It is not, and will do if there is nothing better.
    SecondBest,
    /// It will not do, and why.
    Unfit(&'static str),
}

impl<P: Clone + PartialEq + Display> Hosts<P> {
    /// The host to try next; none if there is none that will do and was not tried. `random`: between
    /// 0 and 1.
    pub fn next(
        &mut self,
        wish: &Wish,
        attempt: &mut Attempt,
        now: Instant,
        random: f64,
    ) -> Option<Candidate> {
        let count = self.hosts.len();
        let start = *attempt.start.get_or_insert_with(|| match wish.balance {
            LoadBalance::Disable => 0,
            LoadBalance::RoundRobin => {
                self.turn = self.turn.wrapping_add(1);
                self.turn
            }
            LoadBalance::Random => below(count, random),
        });
        let alone = count == 1;
        let order = |index: usize| (index + count - start % count.max(1)) % count.max(1);
        let best = (0..count)
            .filter(|index| {
                let host = &self.hosts[*index];
                let is_due = alone || host.down.is_none_or(|down| down.is_over(now));
                is_due && !attempt.tried.contains(&host.id)
            })
            .map(|index| (self.fitness(&self.hosts[index], wish, now), index))
            .filter(|(fitness, _)| !matches!(fitness, Fitness::Unfit(_)))
            // A host that failed is tried again when there is nothing else, or nobody waits for it.
            .min_by_key(|(fitness, index)| {
                (self.hosts[*index].down.is_some(), *fitness, order(*index))
            });
        let Some((fitness, index)) = best else {
            self.urgent_until = Some(now + URGENT_FOR);
            return None;
        };
        let host = &mut self.hosts[index];
        host.down = host.down.map(|down| down.claimed(now));
        Some(Candidate { id: host.id, is_second_best: fitness == Fitness::SecondBest })
    }

    /// Whether a connection to the candidate, of which all is known now that is needed, will do.
    /// If not, it is not tried again in this attempt, unless as the second best.
    pub fn accept(
        &mut self,
        wish: &Wish,
        candidate: Candidate,
        attempt: &mut Attempt,
        now: Instant,
    ) -> bool {
        let Some(host) = self.get(candidate.id) else { return false };
        match self.fitness(host, wish, now) {
            Fitness::Fit | Fitness::Unknown => true,
            Fitness::SecondBest => candidate.is_second_best || !self.has_better(wish, attempt, now),
            Fitness::Unfit(_) => {
                attempt.tried.push(candidate.id);
                false
            }
        }
    }

    /// Whether there is a host that was not tried and may be what is wished for.
    fn has_better(&self, wish: &Wish, attempt: &Attempt, now: Instant) -> bool {
        self.hosts.iter().any(|host| {
            let is_due = host.down.is_none_or(|down| down.is_over(now));
            let fitness = self.fitness(host, wish, now);
            is_due && fitness <= Fitness::Unknown && !attempt.tried.contains(&host.id)
        })
    }

    /// The candidate could not be connected to.
    pub fn give_up_on(&self, candidate: Candidate, attempt: &mut Attempt) {
        attempt.tried.push(candidate.id);
    }

    /// Whether a new connection to this host must be asked what it is, where it has reported no more
    /// than whether it is a standby.
    #[must_use]
    pub fn must_ask(&self, id: HostId, wish: &Wish, now: Instant) -> bool {
        let Some(host) = self.get(id) else { return false };
        let asked = host
            .report
            .filter(|(report, at)| report.asked.is_some() && now.duration_since(*at) < BELIEVED);
        let newest = self.newest_timeline(now);
        asked.is_none()
            && (wish.max_lag.is_some() || (wish.attrs.is_to_write() && newest.is_some()))
    }

    /// Whether a connection that is open to this host may stay.
    #[must_use]
    pub fn is_welcome(&self, id: HostId, wish: &Wish, now: Instant) -> bool {
        let Some(host) = self.get(id) else { return false };
        let there_is_better = || {
            self.hosts.iter().any(|other| {
                other.id != id
                    && other.down.is_none()
                    && self.fitness(other, wish, now) == Fitness::Fit
            })
        };
        match self.fitness(host, wish, now) {
            Fitness::Unfit(_) => false,
            Fitness::SecondBest => !there_is_better(),
            // New ones may fail for want of anything: if there is no other, those that work stay.
            Fitness::Fit | Fitness::Unknown => host.down.is_none() || !there_is_better(),
        }
    }

    /// Whether a host was ever seen that is what is wished for.
    #[must_use]
    pub fn was_there(&self, wish: &Wish) -> bool {
        let (writable, standby) = self.seen;
        match wish.attrs {
            TargetSessionAttrs::ReadWrite | TargetSessionAttrs::Primary => writable,
            TargetSessionAttrs::ReadOnly | TargetSessionAttrs::Standby => standby,
            TargetSessionAttrs::Any | TargetSessionAttrs::PreferStandby => writable || standby,
        }
    }

    /// What is to be said of each host where none will do.
    #[must_use]
    pub fn explain(&self, wish: &Wish, now: Instant) -> String {
        let one = |host: &Host<P>| {
            let is_down = host.down.is_some();
            let why = match (self.fitness(host, wish, now), &host.last_error) {
                (_, Some(error)) if is_down => format!("is down: {error}"),
                (Fitness::Unfit(why), _) => why.to_owned(),
                (_, Some(error)) => format!("refuses: {error}"),
                _ => "was not reached".to_owned(),
            };
            format!("{} {why}", host.place)
        };
        let all: Vec<_> = self.hosts.iter().map(one).collect();
        all.join("; ")
    }

    fn fitness(&self, host: &Host<P>, wish: &Wish, now: Instant) -> Fitness {
        if !wish.depends_on_role() {
            return Fitness::Fit;
        }
        let Some((report, at)) = host.report else { return Fitness::Unknown };
        match self.judge(report, wish, now) {
            // It may have changed since.
            Fitness::Unfit(_) | Fitness::SecondBest if now.duration_since(at) >= BELIEVED => {
                Fitness::Unknown
            }
            fitness => fitness,
        }
    }

    fn judge(&self, report: Report, wish: &Wish, now: Instant) -> Fitness {
        use TargetSessionAttrs as Attrs;

        let read_only = report.asked.is_some_and(|asked| asked.read_only);
        let cannot_write = report.in_recovery || read_only;
        match wish.attrs {
            Attrs::ReadWrite | Attrs::Primary if report.in_recovery => {
                return Fitness::Unfit("is a standby");
            }
            Attrs::ReadWrite if read_only => return Fitness::Unfit("is read-only"),
            Attrs::ReadWrite | Attrs::Primary => {
                let own = report.asked.and_then(|asked| asked.timeline);
                if own.is_some_and(|own| self.newest_timeline(now).is_some_and(|new| own < new)) {
                    return Fitness::Unfit("is a primary that was replaced (of an older timeline)");
                }
            }
            Attrs::ReadOnly if !cannot_write => return Fitness::Unfit("is read-write"),
            Attrs::Standby if !report.in_recovery => return Fitness::Unfit("is not a standby"),
            Attrs::PreferStandby if !report.in_recovery => return Fitness::SecondBest,
            Attrs::Any | Attrs::ReadOnly | Attrs::Standby | Attrs::PreferStandby => {}
        }
        let Some(most) = wish.max_lag.filter(|_| report.in_recovery) else { return Fitness::Fit };
        match report.asked {
            None => Fitness::Unknown,
            Some(asked) if asked.lag.is_some_and(|lag| lag <= most) => Fitness::Fit,
            Some(asked) if asked.lag.is_none() => {
                Fitness::Unfit("cannot tell how far it is behind (max_replica_lag)")
            }
            Some(_) => Fitness::Unfit("is too far behind (max_replica_lag)"),
        }
    }

    /// A host says that it is a primary: if it has taken another's place, that is a failover.
    pub(super) fn follow(&mut self, id: HostId, now: Instant) {
        let timeline = |id| self.get(id).and_then(|host| Some(host.timeline?.0));
        let own = timeline(id);
        if own.is_some_and(|own| self.newest_timeline(now).is_some_and(|newest| own < newest)) {
            return;
        }
        let is_another = self.primary.is_some_and(|before| before != id);
        // Two that are there and neither of which is newer: both are primaries, of something.
        let before = self.primary.and_then(|before| self.get(before));
        let stays = before.is_some_and(|before| {
            let in_recovery = before.report.is_some_and(|(report, _)| report.in_recovery);
            before.down.is_none() && !in_recovery && timeline(before.id) >= own
        });
        if is_another && stays {
            return;
        }
        self.primary = Some(id);
        self.failovers += u64::from(is_another);
    }

    /// How often another host was found to be the primary than the one before.
    #[must_use]
    pub fn failovers(&self) -> u64 {
        self.failovers
    }

    /// The newest timeline that any of them writes, or wrote until a moment ago.
    fn newest_timeline(&self, now: Instant) -> Option<u32> {
        let recent = |(timeline, at): (u32, Instant)| {
            (now.duration_since(at) < TIMELINE_KEPT).then_some(timeline)
        };
        self.hosts.iter().filter_map(|host| host.timeline.and_then(recent)).max()
    }
}

/// A whole number below `count`, by chance.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "counts of hosts are small, and the number is not negative"
)]
fn below(count: usize, random: f64) -> usize {
    (count as f64 * random.clamp(0.0, 1.0)) as usize
}
