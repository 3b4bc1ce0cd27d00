//! What a command leaves to be told, once its answer is given: to other shards, and to subscribers
//! here.
//!
//! A publisher that is subscribed is answered before it hears its event. So a command is executed
//! first, then answered, or its answer mailed, and only then spread: mail between two shards keeps
//! its order, and so does a send queue. A publish with an idempotency key is answered by way of the
//! key's home, and there alone an event may be heard first on a third shard: such a publisher is a
//! request, not a subscriber.

use std::sync::Arc;

use super::{Mail, Shard};
use crate::hub::{Address, Command, News};
use crate::time::Now;

impl Shard {
    /// Tells the other shards and the subscribers of this one what was accepted and learned.
    pub(super) fn spread(&mut self, now: Now) {
        self.post_news();
        self.fan_out(now);
    }

    /// Whether there is room for the mail that a command may cause: what others must hear of is
    /// refused whole if one of them cannot be told.
    pub(super) fn can_tell(&self, command: &Command) -> bool {
        let listeners = |organization| {
            let listeners = self.hub.listeners(organization);
            listeners.iter().all(|&shard| self.post.has_room(shard))
        };
        let everyone = || self.post.has_room_everywhere();
        match command {
            Command::Publish {
                scope,
                parents,
                drafts,
            } => {
                let above = !matches!(scope.address, Address::Session(_));
                let retained = || drafts.iter().any(|draft| self.hub.retains(&draft.name));
                if above || !parents.is_empty() || retained() {
                    everyone()
                } else {
                    listeners(scope.organization)
                }
            }
            Command::Place { scope, parents } => {
                let is_learned = matches!(scope.address, Address::Group(_) | Address::Project(_));
                (parents.is_empty() && !is_learned) || everyone()
            }
            Command::Create { parents, .. } => parents.is_empty() || everyone(),
            // The server's own events too: their names may be retained.
            Command::Declare { .. }
            | Command::Notify { .. }
            | Command::Transition { .. }
            | Command::Resume { .. } => everyone(),
            _ => true,
        }
    }

    /// Tells the other shards what the hub wants them to know.
    fn post_news(&mut self) {
        let mut effects = std::mem::take(&mut self.scratch.news);
        self.hub.take_news(&mut effects);
        for effect in effects.drain(..) {
            match effect {
                News::Hear(shard, event) => self.post.send(shard, Mail::Hear(event)),
                News::Append(event) => {
                    self.post
                        .send_to_others(|| Mail::Append(Arc::clone(&event)));
                }
                News::Learn {
                    organization,
                    session,
                    parents,
                } => {
                    let whom = match session {
                        Some(_) => self.hub.listeners(organization).to_vec(),
                        None => self.post.others().collect(),
                    };
                    for shard in whom {
                        let mail = Mail::Learn {
                            organization,
                            session: session.clone(),
                            parents: parents.clone(),
                        };
                        self.post.send(shard, mail);
                    }
                }
                News::Scope {
                    to,
                    scope,
                    parents,
                    news,
                } => {
                    for shard in
                        to.map_or_else(|| self.post.others().collect(), |shard| vec![shard])
                    {
                        let mail = Mail::Scope {
                            scope: scope.clone(),
                            parents: parents.clone(),
                            news,
                        };
                        self.post.send(shard, mail);
                    }
                }
            }
        }
        self.scratch.news = effects;
    }
}
