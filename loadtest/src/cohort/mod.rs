//! Subscribers that may do what subscribers do: stop reading, leave, come back with a cursor, be thrown out.
//!
//! One thread, one epoll, every kind of subscriber at once. Each follows one topic (a session with a publisher of its
//! own), and whatever it is told goes into the books of the [`Audit`]. [`flow`] publishes and waits; here are the
//! sockets.

mod flow;

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::audit::Audit;
use crate::failure::{During, Failure};
use crate::frames::sequence;
use crate::kind::{Cursor, Kind};
use crate::listener::{Heard, Hole, Listener, ReaderError};
use crate::pipeline::{HttpPublishing, Pipeline};
use crate::pump::{Pump, wait};
use crate::schedule::{Schedule, nanos};
use crate::swarm::{connect_later, send};

/// Events taken from the kernel at a time.
const EVENTS_BATCH: usize = 1_024;
/// Where everything is received.
const SCRATCH_BYTES: usize = 64 * 1024;
/// Publishers have the tokens from here downwards, where subscribers have their index.
const PUBLISHERS: usize = usize::MAX - 1;

/// Whether a subscriber does as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// It reads whatever comes, at once; its latencies count.
    Healthy,
    /// It will stop reading.
    Slow,
}

/// A subscriber to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// How it listens.
    pub(crate) kind: Kind,
    /// To what.
    pub(crate) topic: usize,
    /// What it is there for.
    pub(crate) group: Group,
}

/// What happened to a group of subscribers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Times that one was told that it listens.
    pub(crate) opened: u64,
    /// Gaps that were told.
    pub(crate) gaps: u64,
    /// Times that one was told how many were dropped.
    pub(crate) drops: u64,
    /// Connections that the server ended, by close code; 0 without one.
    pub(crate) endings: BTreeMap<u16, u64>,
}

impl Tally {
    /// Connections that the server ended.
    pub(crate) fn ended(&self) -> u64 {
        self.endings.values().sum()
    }
}

#[derive(Debug)]
struct Link {
    stream: TcpStream,
    listener: Listener,
    /// To be sent once it is connected.
    request: Vec<u8>,
    /// Since when it listens.
    open_since: Option<Instant>,
    /// Which life of the log it is told of, as an index into its topic's.
    life: Option<usize>,
}

#[derive(Debug)]
struct Member {
    plan: Plan,
    account: usize,
    is_reading: bool,
    /// `None` while it is away.
    link: Option<Link>,
    /// The life that its cursor belongs to, as an index into its topic's.
    life: Option<usize>,
}

#[derive(Debug)]
struct Topic {
    session: String,
    /// The epochs that were heard of.
    lives: Vec<String>,
    publisher: Option<Pipeline<HttpPublishing>>,
}

/// A load under way.
#[derive(Debug)]
struct Timed {
    schedule: Schedule,
    latencies: Histogram<u64>,
}

/// The subscribers, their publishers, and the books.
#[derive(Debug)]
pub(crate) struct Cohort {
    address: SocketAddr,
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
    replies: Vec<u8>,
    topics: Vec<Topic>,
    members: Vec<Member>,
    audit: Audit,
    /// Events published so far, to one topic after the other.
    published: u64,
    /// Bytes that pad each payload.
    padding: usize,
    timed: Option<Timed>,
    /// Of the healthy, and of the slow.
    tallies: [Tally; 2],
    /// Connections under way that do not listen yet.
    pending: usize,
}

impl Cohort {
    /// Subscribers who are all away, and no publishers yet.
    pub(crate) fn new(
        address: SocketAddr,
        sessions: impl IntoIterator<Item = String>,
        plans: impl IntoIterator<Item = Plan>,
    ) -> Result<Self, Failure> {
        let topic = |session| Topic {
            session,
            lives: Vec::new(),
            publisher: None,
        };
        let topics: Vec<Topic> = sessions.into_iter().map(topic).collect();
        let mut audit = Audit::new(topics.len());
        let member = |plan: Plan| Member {
            plan,
            account: audit.subscribe(plan.topic, plan.kind.has_cursor()),
            is_reading: true,
            link: None,
            life: None,
        };
        let members = plans.into_iter().map(member).collect();
        Ok(Self {
            address,
            poll: Poll::new().during("creating an epoll")?,
            events: Events::with_capacity(EVENTS_BATCH),
            scratch: vec![0; SCRATCH_BYTES],
            replies: Vec::new(),
            topics,
            members,
            audit,
            published: 0,
            padding: 0,
            timed: None,
            tallies: Default::default(),
            pending: 0,
        })
    }

    /// Connects a publisher for each topic, perhaps of a server at another address than before.
    pub(crate) fn attach_publishers(
        &mut self,
        address: SocketAddr,
        padding: usize,
    ) -> Result<(), Failure> {
        (self.address, self.padding) = (address, padding);
        for (index, topic) in self.topics.iter_mut().enumerate() {
            let publishing = HttpPublishing::to_session(address, &topic.session, false);
            let (registry, token) = (self.poll.registry(), Token(PUBLISHERS - index));
            topic.publisher = Some(Pipeline::open(Box::new(publishing), registry, token)?);
        }
        Ok(())
    }

    /// Lets go of the publishers, whose server is about to leave.
    pub(crate) fn detach_publishers(&mut self) {
        self.topics
            .iter_mut()
            .for_each(|topic| topic.publisher = None);
    }

    /// How many subscribers there are, present or away.
    pub(crate) fn count(&self) -> usize {
        self.members.len()
    }

    /// Subscribers that are away.
    pub(crate) fn away(&self) -> usize {
        self.members
            .iter()
            .filter(|member| member.link.is_none())
            .count()
    }

    /// Whether one is away.
    pub(crate) fn is_away(&self, index: usize) -> bool {
        self.members[index].link.is_none()
    }

    /// What happened to a group.
    pub(crate) fn tally(&self, group: Group) -> &Tally {
        &self.tallies[group as usize]
    }

    /// The books as they are.
    pub(crate) fn audit(&self) -> &Audit {
        &self.audit
    }

    /// The books, for good.
    pub(crate) fn into_audit(self) -> Audit {
        self.audit
    }

    /// Lets a subscriber that is away connect, with its cursor if it has one.
    pub(crate) fn join(&mut self, index: usize) -> Result<(), Failure> {
        let is_narrow = self.members[index].plan.group == Group::Slow;
        let mut stream = TcpStream::from_std(connect_later(self.address, index, is_narrow)?);
        let both = Interest::READABLE | Interest::WRITABLE;
        let registered = self
            .poll
            .registry()
            .register(&mut stream, Token(index), both);
        registered.during("watching a socket")?;
        let request = self.request(index);
        let member = &mut self.members[index];
        let session = &self.topics[member.plan.topic].session;
        member.link = Some(Link {
            stream,
            listener: Listener::new(member.plan.kind, session),
            request,
            open_since: None,
            life: None,
        });
        self.pending += 1;
        Ok(())
    }

    /// Lets a subscriber close its connection.
    pub(crate) fn leave(&mut self, index: usize) {
        let member = &mut self.members[index];
        if let Some(link) = member.link.take() {
            self.pending -= usize::from(link.open_since.is_none());
            self.audit.detach(member.account);
        }
    }

    /// Has a subscriber read, or not.
    pub(crate) fn set_reading(&mut self, index: usize, is_reading: bool) -> Result<(), Failure> {
        self.members[index].is_reading = is_reading;
        if is_reading {
            // What came meanwhile was announced, and will not be again.
            return self.recv(index);
        }
        Ok(())
    }

    /// The request that a subscriber comes with.
    fn request(&self, index: usize) -> Vec<u8> {
        let Member {
            plan,
            account,
            life,
            ..
        } = &self.members[index];
        let topic = &self.topics[plan.topic];
        let after = plan.kind.has_cursor().then(|| Cursor {
            epoch: life.map(|life| &*topic.lives[life]),
            last: self.audit.cursor(*account),
        });
        plan.kind
            .request(&self.address.to_string(), &topic.session, after)
    }

    fn opened(&mut self, index: usize) {
        let member = &mut self.members[index];
        if let Some(link) = &mut member.link
            && link.open_since.is_none()
        {
            link.open_since = Some(Instant::now());
            self.pending -= 1;
            self.audit.attach(member.account);
            self.tallies[member.plan.group as usize].opened += 1;
        }
    }

    /// Takes what a subscriber is sent, as long as it reads.
    fn recv(&mut self, index: usize) -> Result<(), Failure> {
        loop {
            let member = &mut self.members[index];
            let Some(link) = member.link.as_mut().filter(|_| member.is_reading) else {
                return Ok(());
            };
            let count = match link.stream.read(&mut self.scratch) {
                Ok(0) => {
                    self.ended(index, 0);
                    return Ok(());
                }
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                // Reset: the server did not wait for what was on its way to it.
                Err(_) => {
                    self.ended(index, 0);
                    return Ok(());
                }
            };
            let (mut opens, mut asks) = (false, false);
            let fed = self.feed(index, count, &mut opens, &mut asks);
            if opens {
                self.opened(index);
            }
            match fed {
                Ok(()) => {}
                Err(ReaderError::Closed(code)) => {
                    self.ended(index, code);
                    return Ok(());
                }
                Err(why) => {
                    let kind = self.members[index].plan.kind.as_str();
                    return Err(Failure::new(format!("{kind} subscriber {index}: {why}")));
                }
            }
            if asks {
                self.replies = self.request(index);
            }
            if !self.replies.is_empty()
                && let Some(link) = &mut self.members[index].link
            {
                send(&mut link.stream, &self.replies)?;
                self.replies.clear();
            }
        }
    }

    /// Enters what a subscriber has received into the books.
    fn feed(
        &mut self,
        index: usize,
        count: usize,
        opens: &mut bool,
        asks: &mut bool,
    ) -> Result<(), ReaderError> {
        let member = &mut self.members[index];
        let Some(link) = &mut member.link else {
            return Ok(());
        };
        let (account, group) = (member.account, member.plan.group);
        let (topic, topics) = (member.plan.topic as u64, self.topics.len() as u64);
        let (audit, timed) = (&mut self.audit, &mut self.timed);
        let (lives, tally) = (
            &mut self.topics[member.plan.topic].lives,
            &mut self.tallies[group as usize],
        );
        let now = Instant::now();
        link.listener
            .feed(&self.scratch[..count], &mut self.replies, |heard| {
                match heard {
                    Heard::Opened => *opens = true,
                    Heard::Answered => *asks = true,
                    Heard::Epoch(epoch) => link.life = Some(place(lives, epoch)),
                    Heard::Hole(hole) => {
                        match hole {
                            Hole::Dropped(_) => tally.drops += 1,
                            Hole::Range { .. } | Hole::Reset => tally.gaps += 1,
                        }
                        member.life = link.life;
                        audit.hole(account, hole);
                    }
                    Heard::Event { number, text } => {
                        let sequence = sequence(text).ok_or(ReaderError::Event)?;
                        member.life = link.life;
                        let event = sequence * topics + topic;
                        let is_new = audit.hear(account, sequence, number);
                        if let (true, Group::Healthy, Some(timed)) = (is_new, group, timed.as_mut())
                        {
                            timed.enter(event, link.open_since, now);
                        }
                    }
                }
                Ok(())
            })
    }

    /// The server ended a subscriber's connection.
    fn ended(&mut self, index: usize, code: u16) {
        let group = self.members[index].plan.group;
        self.replies.clear();
        *self.tallies[group as usize]
            .endings
            .entry(code)
            .or_default() += 1;
        self.leave(index);
    }
}

impl Pump for Cohort {
    fn pump(&mut self, timeout: Duration) -> Result<(), Failure> {
        wait(&mut self.poll, &mut self.events, timeout)?;
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            let Token(token) = event.token();
            if let Some(member) = self.members.get_mut(token) {
                if let Some(link) = &mut member.link
                    && event.is_writable()
                    && !link.request.is_empty()
                {
                    begin(link)?;
                    if member.plan.kind == Kind::Poll {
                        // Nobody says so to a poll.
                        self.opened(token);
                    }
                }
                if event.is_readable() || event.is_read_closed() || event.is_error() {
                    self.recv(token)?;
                }
            } else if let Some(topic) = self.topics.get_mut(PUBLISHERS - token)
                && let Some(publisher) = &mut topic.publisher
            {
                publisher.ready()?;
            }
        }
        self.events = events;
        Ok(())
    }

    fn progress(&self) -> String {
        let (count, away, pending) = (self.count(), self.away(), self.pending);
        let first = self.audit.first_violation().unwrap_or("none");
        format!(
            "of {count} subscribers {away} are away and {pending} do not listen yet; the first violation: {first}; {}",
            self.audit.totals().sentence()
        )
    }
}

impl Timed {
    /// Counts an event that somebody hears now, unless it fell due before they listened.
    fn enter(&mut self, event: u64, open_since: Option<Instant>, now: Instant) {
        if event < self.schedule.first {
            return;
        }
        let due = self.schedule.due(event);
        if open_since.is_some_and(|since| since <= due) {
            self.latencies
                .saturating_record(nanos(now.saturating_duration_since(due)));
        }
    }
}

/// Sends the request of a connection that is established, and fails if it is not.
fn begin(link: &mut Link) -> Result<(), Failure> {
    let what = "connecting to the server";
    if let Some(error) = link.stream.take_error().during(what)? {
        return Err(error).during(what);
    }
    let request = std::mem::take(&mut link.request);
    send(&mut link.stream, &request)
}

/// Where `epoch` is in `lives`, now at least.
fn place(lives: &mut Vec<String>, epoch: &str) -> usize {
    lives
        .iter()
        .position(|known| known == epoch)
        .unwrap_or_else(|| {
            lives.push(epoch.to_owned());
            lives.len() - 1
        })
}
