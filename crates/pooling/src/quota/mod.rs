//! Maxima that pools share: so many server connections for a database, or for a user, whatever pools
//! they belong to.
//!
//! Pure, and asked only when connections are opened and closed, never by a query. A pool asks before
//! it opens a connection and says when one is closed. What it cannot have at once it gets when it is
//! its turn: whoever has fewest comes first, then whoever has waited for longest. Meanwhile
//! [`Quota::balance`] says which pools must give connections up: those that have idle ones, those
//! that have two more than the one that waits, and, where there are more pools than connections,
//! each in turn.

mod balance;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::Priority;

/// One pool under its maxima.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberId(pub u64);

/// What a maximum is of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// All pools of the database, by the name that clients use.
    Database(Arc<str>),
    /// All pools that log in to the server as this user.
    User(Arc<str>),
    /// All pools of a database whose server connections log in as one user, whoever the clients
    /// are: together they may have what one pool may have.
    OneUser(Arc<str>),
}

/// One maximum that a pool is under; none is no bound.
pub type Maximum = (Scope, Option<u32>);

/// So many connections a pool may open, which it has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The pool.
    pub member: MemberId,
    /// Connections; at least one.
    pub number: u32,
}

/// How long a pool keeps a connection at least where there are more pools than connections: each
/// change costs a login.
const QUANTUM: Duration = Duration::from_millis(100);
/// A pool under two maxima that has had nothing for so long is kept a place under the one until the
/// other has room too. Before that, nobody is made to wait for a place that is free.
const PATIENCE: Duration = Duration::from_secs(1);

/// The connections of all pools, and who waits for some.
#[derive(Debug, Default)]
pub struct Quota {
    members: HashMap<MemberId, Member>,
    groups: HashMap<Scope, Group>,
    /// Pools that want what they cannot have yet.
    starving: BTreeSet<MemberId>,
}

#[derive(Debug)]
struct Member {
    scopes: Vec<Scope>,
    priority: Priority,
    /// Connections opened and being opened.
    held: u32,
    /// Connections asked for and not granted.
    wanted: u32,
    /// Since when it wants some, without having got or lost one since.
    since: Instant,
    /// When it was last granted one.
    gained: Instant,
}

impl Member {
    /// What so many connections count for, when it is compared with others.
    fn weight(&self, connections: u32) -> u64 {
        let one = match self.priority {
            Priority::High => 1,
            Priority::Normal => 4,
            Priority::Low => 16,
        };
        u64::from(connections) * one
    }
}

#[derive(Debug, Default)]
struct Group {
    maximum: Option<u32>,
    used: u32,
    members: BTreeSet<MemberId>,
}

impl Group {
    fn room(&self) -> u32 {
        self.maximum.map_or(u32::MAX, |maximum| maximum.saturating_sub(self.used))
    }
}

impl Quota {
    /// A pool comes under its maxima. One that is there already keeps its connections and gets new
    /// maxima. Returns what became possible by that.
    pub fn join(
        &mut self,
        member: MemberId,
        priority: Priority,
        maxima: Vec<Maximum>,
        now: Instant,
    ) -> Vec<Grant> {
        let before = self.leave_groups(member);
        let held = before.as_ref().map_or(0, |before| before.held);
        let scopes = maxima.iter().map(|(scope, _)| scope.clone()).collect();
        for (scope, maximum) in maxima {
            let group = self.groups.entry(scope).or_default();
            group.maximum = maximum;
            group.used += held;
            group.members.insert(member);
        }
        let (held, wanted) = (0, 0);
        let fresh = Member { scopes: Vec::new(), priority, held, wanted, since: now, gained: now };
        let joined = Member { scopes, priority, ..before.unwrap_or(fresh) };
        self.members.insert(member, joined);
        self.distribute(now)
    }

    /// A pool is gone, and all its connections.
    pub fn leave(&mut self, member: MemberId, now: Instant) -> Vec<Grant> {
        self.leave_groups(member);
        self.starving.remove(&member);
        self.distribute(now)
    }

    fn leave_groups(&mut self, member: MemberId) -> Option<Member> {
        let left = self.members.remove(&member)?;
        for scope in &left.scopes {
            if let Some(group) = self.groups.get_mut(scope) {
                group.used = group.used.saturating_sub(left.held);
                group.members.remove(&member);
                if group.members.is_empty() {
                    self.groups.remove(scope);
                }
            }
        }
        Some(left)
    }

    /// A pool wants to open so many connections, all told; zero takes back what it asked for. What
    /// it cannot have now is granted later, by another call's answer.
    pub fn ask(&mut self, member: MemberId, number: u32, now: Instant) -> Vec<Grant> {
        let Some(asking) = self.members.get_mut(&member) else { return Vec::new() };
        if asking.wanted == 0 {
            asking.since = now;
        }
        asking.wanted = number;
        if number == 0 {
            if !self.starving.remove(&member) {
                return Vec::new();
            }
        } else {
            self.starving.insert(member);
        }
        self.distribute(now)
    }

    /// A pool would like so many connections, but nobody waits for them: granted if there is room
    /// that nobody else wants.
    pub fn ask_for_spare(&mut self, member: MemberId, number: u32, now: Instant) -> u32 {
        let Some(asking) = self.members.get(&member) else { return 0 };
        let contended = |scope: &Scope| {
            self.groups.get(scope).is_some_and(|group| {
                group.members.iter().any(|other| self.starving.contains(other))
            })
        };
        if asking.scopes.iter().any(contended) {
            return 0;
        }
        let number = number.min(self.room(asking));
        self.give(member, number, now);
        number
    }

    /// A pool has closed so many connections, or could not open them.
    pub fn released(&mut self, member: MemberId, number: u32, now: Instant) -> Vec<Grant> {
        if let Some(of) = self.members.get_mut(&member) {
            let number = number.min(of.held);
            of.held -= number;
            // It has had its turn until now.
            of.since = now;
            for scope in &of.scopes {
                if let Some(group) = self.groups.get_mut(scope) {
                    group.used = group.used.saturating_sub(number);
                }
            }
        }
        self.distribute(now)
    }

    /// Gives out what there is to those that wait for it.
    fn distribute(&mut self, now: Instant) -> Vec<Grant> {
        let mut granted: BTreeMap<MemberId, u32> = BTreeMap::new();
        // Kept for pools that have had nothing for long.
        let mut kept: HashMap<Scope, u32> = HashMap::new();
        let mut order = self.in_order();
        while let Some((_, _, member)) = order.pop_first() {
            let Some(next) = self.members.get(&member) else { continue };
            let room = |scope: &Scope| {
                let kept = kept.get(scope).copied().unwrap_or_default();
                self.groups.get(scope).map_or(0, |group| group.room().saturating_sub(kept))
            };
            if next.scopes.iter().all(|scope| room(scope) > 0) {
                self.give(member, 1, now);
                *granted.entry(member).or_default() += 1;
                if let Some(next) = self.members.get_mut(&member) {
                    next.wanted -= 1;
                    if next.wanted > 0 {
                        order.insert((next.weight(next.held), next.since, member));
                    } else {
                        self.starving.remove(&member);
                    }
                }
            } else if next.held == 0 && now.saturating_duration_since(next.since) >= PATIENCE {
                for scope in &next.scopes {
                    *kept.entry(scope.clone()).or_default() += 1;
                }
            }
        }
        granted.into_iter().map(|(member, number)| Grant { member, number }).collect()
    }

    /// Who waits, whoever comes first first.
    fn in_order(&self) -> BTreeSet<(u64, Instant, MemberId)> {
        let known = self.starving.iter().filter_map(|id| Some((id, self.members.get(id)?)));
        known.map(|(id, member)| (member.weight(member.held), member.since, *id)).collect()
    }

    fn room(&self, member: &Member) -> u32 {
        let groups = member.scopes.iter().filter_map(|scope| self.groups.get(scope));
        groups.map(Group::room).min().unwrap_or(u32::MAX)
    }

    fn give(&mut self, member: MemberId, number: u32, now: Instant) {
        let Some(to) = self.members.get_mut(&member) else { return };
        to.held += number;
        to.gained = now;
        // Behind those that have waited while it got this one.
        to.since = now;
        for scope in &to.scopes {
            if let Some(group) = self.groups.get_mut(scope) {
                group.used += number;
            }
        }
    }

    /// Connections that a pool has, being opened or open.
    #[must_use]
    pub fn held(&self, member: MemberId) -> u32 {
        self.members.get(&member).map_or(0, |member| member.held)
    }

    /// Connections that a pool waits for.
    #[must_use]
    pub fn wanted(&self, member: MemberId) -> u32 {
        self.members.get(&member).map_or(0, |member| member.wanted)
    }

    /// Connections under a maximum.
    #[must_use]
    pub fn used(&self, scope: &Scope) -> u32 {
        self.groups.get(scope).map_or(0, |group| group.used)
    }

    /// The maximum, and whose it is, that keeps a pool from what it wants.
    #[must_use]
    pub fn obstacle(&self, member: MemberId) -> Option<(&Scope, u32)> {
        let waiting = self.members.get(&member).filter(|member| member.wanted > 0)?;
        let full = |scope| {
            let group = self.groups.get(scope)?;
            group.maximum.filter(|_| group.room() == 0).map(|maximum| (scope, maximum))
        };
        waiting.scopes.iter().find_map(full)
    }
}
