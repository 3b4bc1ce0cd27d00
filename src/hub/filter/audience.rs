//! The subscribers of each program.
//!
//! Most programs have one subscriber, which is kept in place; others have a crowd (many
//! subscribers), in pages, so that the millionth joins as fast as the second.

use super::pages::{Paged, Pool, Stamps};
use crate::hub::subscription::{SubscriberId, SubscriptionId};

/// Most programs whose subscribers are compared with each other.
const FEW: usize = 32;

/// The subscribers of one program.
#[derive(Clone, Copy, Debug)]
enum Who {
    Nobody,
    One(SubscriberId, SubscriptionId),
    /// A place in the pool of crowds.
    Crowd(u32),
}

#[derive(Clone, Copy, Debug)]
struct Member {
    subscriber: SubscriberId,
    subscription: SubscriptionId,
}

#[derive(Debug, Default)]
struct Crowd {
    members: Paged<Member>,
    /// The last event that it was told of.
    event: u32,
}

/// A subscription: the program it asks for, and its place in that program's crowd.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    program: u32,
    place: u32,
}

/// The subscribers of all programs.
#[derive(Debug, Default)]
pub(super) struct Audience {
    programs: Paged<Who>,
    crowds: Pool<Crowd>,
    held: Pool<Held>,
    seen: Stamps,
    /// Number of joins and leaves.
    changes: u64,
}

impl Audience {
    /// Subscriptions of all programs.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Returns a number that changes whenever a subscriber joins or leaves.
    pub(super) const fn changes(&self) -> u64 {
        self.changes
    }

    /// Adds a subscriber to a program.
    pub(super) fn join(&mut self, program: u32, subscriber: SubscriberId) -> SubscriptionId {
        self.changes += 1;
        self.seen.admit(subscriber.0);
        while self.programs.len() <= program as usize {
            self.programs.push(Who::Nobody);
        }
        let subscription = SubscriptionId(self.held.insert(Held { program, place: 0 }));
        let member = Member {
            subscriber,
            subscription,
        };
        let who = &mut self.programs[program as usize];
        match *who {
            Who::Nobody => *who = Who::One(subscriber, subscription),
            Who::One(subscriber, subscription) => {
                let mut crowd = Crowd::default();
                crowd.members.push(Member {
                    subscriber,
                    subscription,
                });
                crowd.members.push(member);
                self.held[member.subscription.0].place = 1;
                *who = Who::Crowd(self.crowds.insert(crowd));
            }
            Who::Crowd(crowd) => {
                let members = &mut self.crowds[crowd].members;
                self.held[subscription.0].place = members.len() as u32;
                members.push(member);
            }
        }
        subscription
    }

    /// Returns the program of a subscription.
    pub(super) fn program(&self, subscription: SubscriptionId) -> u32 {
        self.held[subscription.0].program
    }

    /// Removes a subscription. Returns its program, and whether no subscriber is left.
    pub(super) fn leave(&mut self, subscription: SubscriptionId) -> (u32, bool) {
        self.changes += 1;
        let Held { program, place } = self.held.remove(subscription.0);
        let who = &mut self.programs[program as usize];
        if let Who::Crowd(crowd) = *who {
            let members = &mut self.crowds[crowd].members;
            members.swap_remove(place as usize);
            if !members.is_empty() {
                if (place as usize) < members.len() {
                    let moved = members[place as usize].subscription;
                    self.held[moved.0].place = place;
                }
                return (program, false);
            }
            self.crowds.remove(crowd);
        }
        *who = Who::Nobody;
        (program, true)
    }

    /// Adds the subscribers of programs that have one each; gives up if one has a crowd. Comparing
    /// a few with each other takes less time than looking up when each was seen last.
    fn tell_few(&self, programs: &[u32], out: &mut Vec<SubscriberId>) -> bool {
        let mut few = [SubscriberId(0); FEW];
        let mut count = 0;
        for &program in programs {
            match self.programs[program as usize] {
                Who::Nobody => {}
                Who::One(subscriber, _) => {
                    few[count] = subscriber;
                    count += 1;
                }
                Who::Crowd(_) => return false,
            }
        }
        for at in 0..count {
            if !few[..at].contains(&few[at]) {
                out.push(few[at]);
            }
        }
        true
    }

    /// Adds the subscribers of these programs, each once.
    pub(super) fn tell(&mut self, programs: &[u32], out: &mut Vec<SubscriberId>) {
        if programs.len() <= FEW && self.tell_few(programs, out) {
            return;
        }
        let event = self.seen.restart();
        for &program in programs {
            match self.programs[program as usize] {
                Who::Nobody => {}
                Who::One(subscriber, _) => {
                    if self.seen.first(subscriber.0) {
                        out.push(subscriber);
                    }
                }
                Who::Crowd(crowd) => {
                    let crowd = &mut self.crowds[crowd];
                    if std::mem::replace(&mut crowd.event, event) == event {
                        continue;
                    }
                    for member in crowd.members.pages().flatten() {
                        if self.seen.first(member.subscriber.0) {
                            out.push(member.subscriber);
                        }
                    }
                }
            }
        }
    }
}
