//! Which pools must give connections up for others.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use super::{MemberId, QUANTUM, Quota, Scope};
use crate::scheduler::Standing;

impl Quota {
    /// Whether [`Self::balance`] has anything to do.
    #[must_use]
    pub fn is_contended(&self) -> bool {
        !self.starving.is_empty() || self.groups.values().any(|group| group.is_exceeded())
    }

    /// The pools that share a maximum with one that waits, or that is exceeded: those that
    /// [`Self::balance`] must know the standing of.
    #[must_use]
    pub fn concerned(&self) -> BTreeSet<MemberId> {
        let groups = self.groups.values().filter(|group| {
            group.is_exceeded() || group.members.iter().any(|id| self.starving.contains(id))
        });
        groups.flat_map(|group| group.members.iter().copied()).collect()
    }

    /// How many connections each pool must give up so that those that wait get theirs, as things
    /// stand. Pools that are not named need give up none.
    #[must_use]
    pub fn balance(
        &self,
        standings: &HashMap<MemberId, Standing>,
        now: Instant,
    ) -> BTreeMap<MemberId, u32> {
        let mut plan = Plan::new(self, standings, now);
        plan.shed();
        plan.share();
        plan.claims
    }
}

impl super::Group {
    fn is_exceeded(&self) -> bool {
        self.maximum.is_some_and(|maximum| self.used > maximum)
    }
}

/// What will be when all that is under way, and all that is planned, has come about.
struct Plan<'a> {
    quota: &'a Quota,
    now: Instant,
    held: HashMap<MemberId, u32>,
    /// What can be claimed: what is there now and not on its way out.
    real: HashMap<MemberId, u32>,
    idle: HashMap<MemberId, u32>,
    used: HashMap<Scope, u32>,
    claims: BTreeMap<MemberId, u32>,
}

impl<'a> Plan<'a> {
    fn new(quota: &'a Quota, standings: &HashMap<MemberId, Standing>, now: Instant) -> Self {
        let mut plan = Self {
            quota,
            now,
            real: HashMap::new(),
            held: quota.members.iter().map(|(id, member)| (*id, member.held)).collect(),
            idle: standings.iter().map(|(id, standing)| (*id, standing.idle)).collect(),
            used: quota.groups.iter().map(|(scope, group)| (scope.clone(), group.used)).collect(),
            claims: BTreeMap::new(),
        };
        for (id, standing) in standings {
            plan.change(*id, -i64::from(standing.closing));
        }
        plan.real.clone_from(&plan.held);
        plan
    }

    fn change(&mut self, member: MemberId, by: i64) {
        let add = |to: &mut u32| {
            *to = u32::try_from((i64::from(*to) + by).max(0)).unwrap_or(u32::MAX);
        };
        self.held.entry(member).and_modify(add);
        let Some(known) = self.quota.members.get(&member) else { return };
        for scope in &known.scopes {
            self.used.entry(scope.clone()).and_modify(add);
        }
    }

    fn claim(&mut self, from: MemberId) {
        *self.claims.entry(from).or_default() += 1;
        for left in [self.idle.get_mut(&from), self.real.get_mut(&from)].into_iter().flatten() {
            *left = left.saturating_sub(1);
        }
        self.change(from, -1);
    }

    fn held(&self, member: MemberId) -> u32 {
        self.held.get(&member).copied().unwrap_or_default()
    }

    /// What a pool's connections count for, if it had so many more.
    fn weight(&self, member: MemberId, more: i64) -> u64 {
        let held = (i64::from(self.held(member)) + more).max(0);
        let held = u32::try_from(held).unwrap_or(u32::MAX);
        self.quota.members.get(&member).map_or(0, |known| known.weight(held))
    }

    fn real(&self, member: MemberId) -> u32 {
        self.real.get(&member).copied().unwrap_or_default()
    }

    fn idle(&self, member: MemberId) -> u32 {
        self.idle.get(&member).copied().unwrap_or_default().min(self.real(member))
    }

    /// A maximum was lowered below what there is: those with most give up.
    fn shed(&mut self) {
        for (scope, group) in &self.quota.groups {
            let Some(maximum) = group.maximum else { continue };
            while self.used.get(scope).is_some_and(|used| *used > maximum) {
                let with_some = group.members.iter().filter(|id| self.real(**id) > 0);
                let largest = with_some.max_by_key(|id| (self.weight(**id, 0), self.idle(**id)));
                match largest {
                    Some(id) => self.claim(*id),
                    None => break,
                }
            }
        }
    }

    /// For each that waits, in their order, somebody who gives up one, as long as that makes it
    /// fairer.
    fn share(&mut self) {
        let mut wanted: BTreeMap<MemberId, u32> =
            self.quota.starving.iter().map(|id| (*id, self.quota.wanted(*id))).collect();
        loop {
            let since = |id: &MemberId| self.quota.members.get(id).map(|member| member.since);
            let first =
                wanted.keys().min_by_key(|id| (self.weight(**id, 0), since(id), **id)).copied();
            let Some(needy) = first else { break };
            if self.make_room(needy) {
                self.change(needy, 1);
                wanted.entry(needy).and_modify(|left| *left = left.saturating_sub(1));
                wanted.retain(|_, left| *left > 0);
            } else {
                wanted.remove(&needy);
            }
        }
    }

    /// Claims what stands in the way of one more connection for a pool. False if nobody need give
    /// up any.
    fn make_room(&mut self, needy: MemberId) -> bool {
        let Some(member) = self.quota.members.get(&needy) else { return false };
        let mut claimed = Vec::new();
        for scope in &member.scopes {
            let Some(group) = self.quota.groups.get(scope) else { continue };
            let used = self.used.get(scope).copied().unwrap_or_default();
            if group.maximum.is_none_or(|maximum| used < maximum) {
                continue;
            }
            match self.giver(needy, group) {
                Some(giver) => {
                    self.claim(giver);
                    claimed.push(giver);
                }
                None => {
                    for giver in claimed {
                        self.unclaim(giver);
                    }
                    return false;
                }
            }
        }
        true
    }

    fn unclaim(&mut self, from: MemberId) {
        self.claims.entry(from).and_modify(|number| *number -= 1);
        self.claims.retain(|_, number| *number > 0);
        self.real.entry(from).and_modify(|real| *real += 1);
        self.change(from, 1);
    }

    fn giver(&self, needy: MemberId, group: &super::Group) -> Option<MemberId> {
        let others = || {
            let others = group.members.iter().copied().filter(|id| *id != needy);
            others.filter(|id| self.real(*id) > 0)
        };
        let idle = others().filter(|id| self.idle(*id) > 0).max_by_key(|id| self.idle(*id));
        if idle.is_some() {
            return idle;
        }
        let richest = others().max_by_key(|id| self.weight(*id, 0))?;
        // It would still have no less than the other: nobody wants it back.
        if self.weight(richest, -1) >= self.weight(needy, 1) {
            return Some(richest);
        }
        // More pools than connections: whoever has had one for longest, if that was long enough.
        if self.held(needy) > 0 {
            return None;
        }
        let gained = |id: &MemberId| self.quota.members.get(id).map(|member| member.gained);
        others()
            .min_by_key(gained)
            .filter(|id| gained(id).is_some_and(|gained| gained + QUANTUM <= self.now))
    }
}
